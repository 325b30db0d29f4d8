from __future__ import annotations

import numpy as np

from outcross.estimate import NotApplicable, over_chains, read_off
from outcross.measures import Measure, Page
from outcross.recipe import recipe


@recipe
class CoefficientError(Measure):
    """Squared distance between the fitted and the true coefficients of a regression."""

    aspect = "risk"
    needs = ("pairs",)
    pages = {
        "coefficient_error": Page(
            "CE1", "squared error of the coefficients", "|w − w*|², mean over chains. For x ~ N(0, I) it is the mean squared error of a prediction beyond the noise (excess risk).",
            unit="squared label units", healthy="σ² d / (n − d − 1) at generation 0", collapsed="grows by the healthy value at every generation under replace",
            worse="larger", role="risk", preference=4, paper="Gerstgrasser et al., arXiv 2404.01413 §2",
        ),
    }  # fmt: skip

    def __call__(self, evidence, rng):
        truth = getattr(evidence.human.truth, "coefficients", None)
        if truth is None or not hasattr(evidence.model, "coefficients"):
            raise NotApplicable(
                "needs a linear model and the true coefficients, but the model is not linear or the human data are only records"
            )
        errors = np.square(evidence.model.coefficients - truth).sum(axis=-1)
        yield read_off("coefficient_error", lambda: over_chains(errors))
