"""The shares of cells, class by group."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from outcross.data.records import Counts
from outcross.files import packed
from outcross.models import Learner
from outcross.models.categorical import CategoricalModel
from outcross.recipe import recipe
from outcross.statistics.cells import drawn_by_group


@recipe
class CellsLearner(Learner):
    """A generator of the shares of cells (class by group), which models nothing else of its records.

    If the human data fix the sizes of groups, its samples have the same sizes, and it learns the classes of each group separately.
    """

    paper = "Wyllie, Shumailov and Papernot, FAccT 2024, arXiv 2403.07857 (the loop); Wright-Fisher model (its law)"
    learns = ("counts", "cells")

    def begin(self, human, training, rng):
        truth = human.truth
        sizes = truth.shares.sum(axis=0) if getattr(truth, "fixed_groups", False) else np.zeros(0)
        return CellsModel(truth.probabilities, sizes)

    def fit(self, records, weights, start: Any, training, rng):
        sizes = np.zeros(0) if start is None else start.sizes
        return CellsModel(records.array / records.array.sum(axis=-1, keepdims=True), sizes)

    def load(self, folder):
        stored = packed.load(folder / "cells.npz")
        return CellsModel(stored["probabilities"], stored["sizes"])


@dataclass(frozen=True, eq=False)
class CellsModel(CategoricalModel):
    """Shares of cells, (chains…, K), which sum to 1."""

    sizes: np.ndarray
    """The fixed share of rows of each group, (groups,); empty if the sizes are random."""

    def sample(self, draw, prompts, rng) -> Counts:
        """Return the counts (chains…, K) of `draw.records` records."""
        if not self.sizes.size:
            return super().sample(draw, prompts, rng)
        law = self.law(draw)
        shares = law.reshape(*law.shape[:-1], -1, len(self.sizes))
        return Counts(drawn_by_group(shares, self.sizes, draw.records, rng))

    def save(self, folder: Path) -> None:
        packed.save(folder / "cells.npz", probabilities=self.probabilities, sizes=self.sizes)
