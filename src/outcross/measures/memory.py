from __future__ import annotations

import numpy as np

from outcross.estimate import NotApplicable, over_chains, read_off
from outcross.measures import Measure, Page
from outcross.recipe import recipe


@recipe
class Memory(Measure):
    """The states that the model has not learned, weighted by their true probability.

    A state counts as learned if the model gives it a probability above 0: `categorical` and `hutter` know the states that they have seen. The test
    error is the missing mass of the human distribution.
    """

    aspect = "risk"
    needs = ("counts",)
    pages = {
        "test_error": Page(
            "MM1", "test error of memory", "Σ p over the states that the model has not learned, with the true probabilities p: the probability that a human record is new to the model, mean over chains.",
            unit="probability", healthy="Σ p (1 − p)ⁿ after n human records", collapsed="1 − p for the single state that is left",
            worse="larger", log=True, role="quality", paper="Dohmatob et al., arXiv 2402.07043; Hutter, arXiv 2102.04074",
        ),
    }  # fmt: skip

    def __call__(self, evidence, rng):
        truth = evidence.human.known("the test error of memory").probabilities
        known = getattr(evidence.model, "probabilities", None) if evidence.has("model") else None
        if known is None:
            raise NotApplicable("needs a model with a probability for each state")
        yield read_off("test_error", lambda: over_chains(np.where(known > 0, 0.0, truth).sum(axis=-1)))
