from __future__ import annotations

import numpy as np

from outcross.estimate import NotApplicable, over_chains, read_off
from outcross.metrics import Metric, Page
from outcross.recipe import recipe


@recipe
class Memory(Metric):
    """What the model does not know, weighed by how often it is asked.

    A state counts as learned where the model gives it a probability: `categorical` and `hutter` know what they have seen. The test error
    is the missing mass of the human distribution.
    """

    reads = ("counts",)
    pages = {
        "test_error": Page(
            "test error of memory", "Σ p over the states that the model has not learned, p the true probabilities: the chance that a human record is new to it, the mean over chains.",
            "probability", "Σ p (1 − p)ⁿ after n human records", "1 − p of the one state that is left", "Dohmatob et al., arXiv 2402.07043; Hutter, arXiv 2102.04074",
            log=True, larger_is_worse=True,
        ),
    }  # fmt: skip

    def __call__(self, evidence, rng):
        truth = evidence.human.known("the test error of what is remembered").probabilities
        known = getattr(evidence.model, "probabilities", None)
        if known is None:
            raise NotApplicable("needs a model that learns states one by one")
        yield read_off("test_error", "", lambda: over_chains(np.where(known > 0, 0.0, truth).sum(axis=-1)))
