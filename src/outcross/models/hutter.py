from __future__ import annotations

from typing import Literal

from outcross.data import Human
from outcross.errors import BadInput
from outcross.models import Learner
from outcross.models.categorical import CategoricalModel
from outcross.recipe import recipe


@recipe
class Hutter(Learner):
    """Memory alone: of K facts it knows those that it has seen, and it writes only what it knows.

    Its test error on the human distribution is Σ p_i over the facts i not seen (the metric `memory`), after T records of a
    distribution q in expectation Σ p_i (1 − q_i)^T (laws/hutter.py). A tail that `draw.top_k` or a temperature cuts off what it writes is
    a floor under the error of whoever learns from it, however much is written.
    """

    paper = "Hutter, arXiv 2102.04074; Dohmatob et al., A Tale of Tails, arXiv 2402.07043 §2"
    learns = ("counts",)

    writes: Literal["frequencies", "truth"] = "frequencies"
    """How often it writes what it knows: as often as it read it, or in proportion to the true probabilities, where they are known (the
    paper's cut tail: no error of counting on top)."""

    def begin(self, human: Human, training, rng):
        if self.writes == "frequencies":
            return None
        if human.truth is None:
            raise BadInput("hutter with writes: truth needs human data of a known distribution; write learner.writes=frequencies")
        return CategoricalModel(human.truth.probabilities)

    def fit(self, records, weights, start: CategoricalModel | None, training, rng):
        """Probabilities above 0 are what it knows."""
        written = records.array if start is None else (records.array > 0) * start.probabilities
        return CategoricalModel(written / written.sum(axis=-1, keepdims=True))

    def load(self, folder):
        return CategoricalModel.load(folder)
