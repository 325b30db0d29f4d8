from __future__ import annotations

from math import inf

import numpy as np

from outcross.estimate import Estimate, NotApplicable, over_chains, read_off
from outcross.laws.mixture import NormalMixture, l2_squared
from outcross.measures import Measure, Page
from outcross.recipe import recipe


@recipe
class MixtureDistance(Measure):
    """Squared L2 distance of the fitted mixture to the true one, and the same distance to the mixture fitted at generation 0 (this second distance is the one in the figure of Shumailov et al.)."""

    aspect = "risk"
    needs = ("blobs",)
    pages = {
        "l2_squared": Page(
            "MD1", "squared L2 distance", "∫ (p − q)² between the fitted and the true density, mean over chains. A second reading is the distance to generation 0's density.",
            unit="one over the volume of the data", range=(0.0, inf), healthy="about (parameters) / n", collapsed="goes to infinity as components shrink to points",
            worse="larger", log=True, role="quality", paper="Shumailov et al., Nature 631:755 (2024), Gaussian mixture",
        ),
    }  # fmt: skip

    def __call__(self, evidence, rng):
        yield read_off("l2_squared", lambda: _distance(evidence.model, evidence.human.truth, "the true distribution"))
        yield read_off("l2_squared", lambda: _distance(evidence.model, evidence.first_model, "generation 0"), at="generation 0")


def _distance(model, other, what: str) -> Estimate:
    if not isinstance(model, NormalMixture) or not isinstance(other, NormalMixture):
        raise NotApplicable(f"the model and {what} must both be mixtures of normal distributions, whose formulas are known")
    return over_chains(np.maximum(l2_squared(model, other), 0.0))  # rounding may leave -1e-17 where the two agree
