from __future__ import annotations

import numpy as np

from outcross.estimate import NotApplicable, over_chains, read_off, share
from outcross.metrics import Metric, Page
from outcross.recipe import recipe

SEDDIK = "Seddik et al., arXiv 2404.05090"


@recipe
class Support(Metric):
    """Which states the fitted distribution still knows.

    A state with no probability never comes back under replace, and only single states absorb: every chain ends in one.
    """

    reads = ("counts",)
    pages = {
        "support": Page("support", "States with probability above 0, the mean over chains.", "states", "all of them", "1", "Shumailov et al., Nature 631:755 (2024)"),
        "entropy": Page("entropy", "−Σ p ln p of the fitted distribution, the mean over chains.", "nats", "that of the human distribution", "0", "Kazdan et al., arXiv 2410.16713"),
        "concentration": Page("concentration", "Σ p², the chance that two draws agree, the mean over chains.", "probability", "that of the human distribution", "1", SEDDIK),
        "excess_risk": Page(
            "excess risk", "Σ (p − p₀)², p₀ the true probabilities: the Brier risk beyond that of the true distribution, the mean over chains.",
            "probability squared", "(1 − Σ p₀²)/n", "1 − Σ p₀² where every chain has one state left", "Brier (1950); Gneiting and Raftery, JASA 102:359 (2007)",
            larger_is_worse=True,
        ),
        "absorbed": Page("absorbed", "Share of chains in which a single state is left.", "share of chains", "0", "1", SEDDIK),
    }  # fmt: skip

    def __call__(self, evidence, rng):
        p = evidence.model.probabilities
        support = (p > 0).sum(axis=-1)
        with np.errstate(divide="ignore", invalid="ignore"):
            entropy = -np.where(p > 0, p * np.log(p), 0.0).sum(axis=-1)
        yield read_off("support", "", lambda: over_chains(support.astype(float)))
        yield read_off("entropy", "", lambda: over_chains(entropy))
        yield read_off("concentration", "", lambda: over_chains(np.square(p).sum(axis=-1)))
        yield read_off("excess_risk", "", lambda: over_chains(np.square(p - _true(evidence)).sum(axis=-1)))
        yield read_off("absorbed", "", lambda: share(int((support == 1).sum()), support.size))


def _true(evidence) -> np.ndarray:
    if evidence.human.truth is None:
        raise NotApplicable("needs the true probabilities, the human data are records alone")
    return evidence.human.truth.probabilities
