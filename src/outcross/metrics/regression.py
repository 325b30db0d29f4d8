from __future__ import annotations

import numpy as np

from outcross.estimate import NotApplicable, over_chains, read_off
from outcross.metrics import Metric, Page
from outcross.recipe import recipe


@recipe
class CoefficientError(Metric):
    """How far the fitted coefficients are from the true ones."""

    reads = ("pairs",)
    pages = {
        "coefficient_error": Page(
            "squared error of the coefficients",
            "|w − w*|², the mean over chains: with x ~ N(0, I) the mean squared error of a prediction beyond the noise (excess risk).",
            "squared label units", "σ² d / (n − d − 1) at generation 0", "grows by that at every generation under replace",
            "Gerstgrasser et al., arXiv 2404.01413 §2", larger_is_worse=True,
        ),
    }  # fmt: skip

    def __call__(self, evidence, rng):
        truth = getattr(evidence.human.truth, "coefficients", None)
        if truth is None or not hasattr(evidence.model, "coefficients"):
            raise NotApplicable("needs a linear model and the true coefficients, the human data are records alone")
        errors = np.square(evidence.model.coefficients - truth).sum(axis=-1)
        yield read_off("coefficient_error", "", lambda: over_chains(errors))
