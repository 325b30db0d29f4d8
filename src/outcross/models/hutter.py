from __future__ import annotations

from typing import Literal

from outcross.data import Human
from outcross.errors import BadInput
from outcross.models import Learner
from outcross.models.categorical import CategoricalModel
from outcross.recipe import recipe


@recipe
class Hutter(Learner):
    """A learner that only memorises. Of K facts it knows those that it has seen, and it writes only facts that it knows.

    Its test error on the human distribution is Σ p_i over the unseen facts i (the measure `memory`). After T records of a
    distribution q its expectation is Σ p_i (1 − q_i)^T (laws/hutter.py). If `draw.top_k` or a temperature cuts the tail off the text that it
    writes, a model that learns from this text has a minimum error, which more text does not lower.
    """

    paper = "Hutter, arXiv 2102.04074; Dohmatob et al., A Tale of Tails, arXiv 2402.07043 §2"
    learns = ("counts",)

    writes: Literal["frequencies", "truth"] = "frequencies"
    """How often a known fact is written: with the frequency in the records, or in proportion to the true probabilities, which must then be known.
    `truth` is the cut tail of the paper, without an additional error of counting."""

    def begin(self, human: Human, training, rng):
        if self.writes == "frequencies":
            return None
        if human.truth is None:
            raise BadInput("hutter with writes: truth needs human data with a known distribution; write learner.writes=frequencies")
        return CategoricalModel(human.truth.probabilities)

    def fit(self, records, weights, start: CategoricalModel | None, training, rng):
        """Return a model in which the known facts have probabilities above 0."""
        written = records.array if start is None else (records.array > 0) * start.probabilities
        return CategoricalModel(written / written.sum(axis=-1, keepdims=True))

    def load(self, folder):
        return CategoricalModel.load(folder)
