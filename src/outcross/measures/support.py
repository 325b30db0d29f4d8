from __future__ import annotations

import numpy as np

from outcross.estimate import NotApplicable, over_chains, read_off, share
from outcross.measures import Measure, Page
from outcross.recipe import recipe

SEDDIK = "Seddik et al., arXiv 2404.05090"


@recipe
class Support(Measure):
    """Support, entropy and risk of the fitted distribution over states.

    Under replace, a state with probability 0 never returns. Only distributions with a single state are absorbing, so every chain ends in one state.
    """

    aspect = "diversity"
    needs = ("counts",)
    pages = {
        "support": Page(
            "SU1", "support", "Number of states with probability above 0, mean over chains.",
            unit="states", healthy="all of them", collapsed="1",
            role="modes", preference=3, lead=7, paper="Shumailov et al., Nature 631:755 (2024)",
        ),
        "entropy": Page(
            "SU2", "entropy", "−Σ p ln p of the fitted distribution, mean over chains.",
            unit="nats", healthy="that of the human distribution", collapsed="0",
            role="diversity", lead=6, paper="Kazdan et al., arXiv 2410.16713",
        ),
        "concentration": Page(
            "SU3", "concentration", "Σ p², the probability that two draws are the same state, mean over chains.",
            unit="probability", healthy="that of the human distribution", collapsed="1",
            role="spread", preference=2, paper=SEDDIK,
        ),
        "excess_risk": Page(
            "SU4", "excess risk", "Σ (p − p₀)² with the true probabilities p₀: the Brier risk beyond that of the true distribution, mean over chains.",
            unit="probability squared", healthy="(1 − Σ p₀²)/n", collapsed="1 − Σ p₀² if every chain has one state left",
            worse="larger", role="risk", preference=7, paper="Brier (1950); Gneiting and Raftery, JASA 102:359 (2007)",
        ),
        "absorbed": Page(
            "SU5", "absorbed", "Share of chains in which a single state is left.",
            unit="share of chains", healthy=0.0, collapsed="1",
            role="modes", paper=SEDDIK,
        ),
    }  # fmt: skip

    def __call__(self, evidence, rng):
        p = evidence.model.probabilities
        support = (p > 0).sum(axis=-1)
        with np.errstate(divide="ignore", invalid="ignore"):
            entropy = -np.where(p > 0, p * np.log(p), 0.0).sum(axis=-1)
        yield read_off("support", lambda: over_chains(support.astype(float)))
        yield read_off("entropy", lambda: over_chains(entropy))
        yield read_off("concentration", lambda: over_chains(np.square(p).sum(axis=-1)))
        yield read_off("excess_risk", lambda: over_chains(np.square(p - _true(evidence)).sum(axis=-1)))
        yield read_off("absorbed", lambda: share(int((support == 1).sum()), support.size))


def _true(evidence) -> np.ndarray:
    if evidence.human.truth is None:
        raise NotApplicable("needs the true probabilities, but the human data are only records")
    return evidence.human.truth.probabilities
