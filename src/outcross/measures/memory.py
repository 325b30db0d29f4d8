from __future__ import annotations

import numpy as np

from outcross.estimate import NotApplicable, over_chains, read_off
from outcross.measures import Measure, Page
from outcross.recipe import recipe


@recipe
class Memory(Measure):
    """What the model does not know, weighed by how often it is asked.

    A state counts as learned where the model gives it a probability: `categorical` and `hutter` know what they have seen. The test error
    is the missing mass of the human distribution.
    """

    aspect = "risk"
    needs = ("counts",)
    pages = {
        "test_error": Page(
            "MM1", "test error of memory", "Σ p over the states that the model has not learned, p the true probabilities: the chance that a human record is new to it, the mean over chains.",
            unit="probability", healthy="Σ p (1 − p)ⁿ after n human records", collapsed="1 − p of the one state that is left",
            worse="larger", log=True, role="quality", paper="Dohmatob et al., arXiv 2402.07043; Hutter, arXiv 2102.04074",
        ),
    }  # fmt: skip

    def __call__(self, evidence, rng):
        truth = evidence.human.known("the test error of what is remembered").probabilities
        known = getattr(evidence.model, "probabilities", None) if evidence.has("model") else None
        if known is None:
            raise NotApplicable("needs a model that learns states one by one")
        yield read_off("test_error", lambda: over_chains(np.where(known > 0, 0.0, truth).sum(axis=-1)))
