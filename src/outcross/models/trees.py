"""A generator of tables from sequential trees."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from outcross.data.records import Vectors
from outcross.errors import BadInput
from outcross.files import packed
from outcross.models import Learner
from outcross.recipe import recipe

FEW = 20
"""Maximum number of distinct values of a categorical column, whose tree is a classifier."""
NODES = ("feature", "threshold", "left", "right")


@recipe
class Trees(Learner):
    """A generator of tables, column by column. The tree of a column reads the previous columns.

    A generated value is the value of a training record in the same leaf, as in synthpop's CART. So all values are old, and only their
    combinations are new. Categories are whole numbers. Sampling draws a record of the leaf with replacement, so over generations the shares of a
    leaf are fitted again to their own samples.
    """

    paper = "Reiter, J. Official Statistics 21:441 (2005); Nowok, Raab and Dibben, synthpop, JSS 74:11 (2016)"
    libraries = ("numpy", "scikit-learn")
    learns = ("vectors",)
    takes_weights = False

    min_records_per_leaf: Annotated[int, Field(ge=1)] = 10
    """Minimum number of training records in a leaf."""
    depth: Annotated[int, Field(ge=1, le=60)] = 12

    def check(self, draw):
        if draw.cuts or draw.temperature != 1:
            raise BadInput("draw.temperature, top_k and top_p do not apply to trees, which draw records of a leaf; leave them out")

    def fit(self, records, weights, start, training, rng):
        *chains, n, d = records.array.shape
        if n < 1:
            raise BadInput("trees need at least one training record, got none; raise the number of rows")
        fitted = [self._sequence(points, rng) for points in records.array.reshape(-1, n, d)]
        return TreesModel(tuple(chains), tuple(fitted))

    def _sequence(self, points: np.ndarray, rng: np.random.Generator) -> tuple[TreeColumn, ...]:
        return tuple(self._column(points, j, rng) for j in range(points.shape[1]))

    def _column(self, points: np.ndarray, j: int, rng: np.random.Generator) -> TreeColumn:
        """Return the tree of a column given the previous columns. The tree of the first column, or of a constant column, has a single leaf."""
        from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

        own = points[:, j]
        values = np.unique(own)
        if j == 0 or len(values) == 1:
            return TreeColumn.of(np.zeros(len(own), dtype=np.int64), own, {name: np.full(1, -1.0) for name in NODES})
        kind = DecisionTreeClassifier if len(values) <= FEW else DecisionTreeRegressor
        tree = kind(min_samples_leaf=self.min_records_per_leaf, max_depth=self.depth, random_state=int(rng.integers(2**31)))
        tree.fit(points[:, :j], np.searchsorted(values, own) if len(values) <= FEW else own)
        inner = tree.tree_
        nodes = (inner.feature, inner.threshold, inner.children_left, inner.children_right)
        return TreeColumn.of(
            tree.apply(points[:, :j]), own, dict(zip(NODES, (np.asarray(node, float) for node in nodes), strict=True))
        )

    def load(self, folder):
        stored = packed.load(folder / "trees.npz")
        chains = tuple(stored["chains"].tolist())
        sequences = tuple(
            tuple(TreeColumn(**{name: stored[f"{i} {j} {name}"] for name in COLUMN}) for j in range(int(stored["columns"])))
            for i in range(int(np.prod(chains)))
        )
        return TreesModel(chains, sequences)


@dataclass(frozen=True, eq=False)
class TreeColumn:
    """The tree of a column, as arrays over its nodes, with the training values in every leaf."""

    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    """The left child of each node; -1 at a leaf."""
    right: np.ndarray
    first: np.ndarray
    """Index of the first value of each node, (nodes + 1,); inner nodes have no values."""
    values: np.ndarray
    """Training values, leaf by leaf, in ascending order within a leaf."""

    @classmethod
    def of(cls, leaf: np.ndarray, own: np.ndarray, nodes: dict[str, np.ndarray]) -> TreeColumn:
        """Return the column for the leaf and the value of every training record."""
        order = np.lexsort((own, leaf))
        first = np.concatenate([[0], np.cumsum(np.bincount(leaf, minlength=len(nodes["left"])))])
        return cls(**nodes, first=first, values=own[order])

    def leaf(self, points: np.ndarray) -> np.ndarray:
        """Return the leaf of each point, (n,)."""
        points = points.astype(np.float32)  # scikit-learn compares in float32
        node, rows = np.zeros(len(points), dtype=np.int64), np.arange(len(points))
        while (inner := self.left[node] >= 0).any():
            feature = np.maximum(self.feature[node], 0).astype(np.int64)
            below = (
                np.where(points[rows, feature] <= self.threshold[node], self.left[node], self.right[node])
                if points.size
                else self.left[node]
            )
            node = np.where(inner, below, node).astype(np.int64)
        return node

    def drawn(self, points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw a training value from the leaf of each point, (n,)."""
        leaf = self.leaf(points)
        sizes = self.first[leaf + 1] - self.first[leaf]
        return self.values[self.first[leaf] + np.floor(rng.random(len(points)) * sizes).astype(np.int64)]

    def log_prob(self, points: np.ndarray, own: np.ndarray) -> np.ndarray:
        """Return the log of the share of each value in the leaf of its point, (n,).

        The leaf includes one additional record that is spread evenly over all values of the column.
        """
        leaf = self.leaf(points)
        sizes = self.first[leaf + 1] - self.first[leaf]
        known, number = np.unique(self.values, return_inverse=True)
        place = np.minimum(np.searchsorted(known, own), len(known) - 1)
        key = np.repeat(np.arange(len(self.first) - 1), np.diff(self.first)) * len(known) + number
        asked = leaf * len(known) + place
        alike = np.searchsorted(key, asked, side="right") - np.searchsorted(key, asked, side="left")
        return np.log((np.where(known[place] == own, alike, 0) + 1 / len(known)) / (sizes + 1))


COLUMN = ("feature", "threshold", "left", "right", "first", "values")


@dataclass(frozen=True, eq=False)
class TreesModel:
    """Fitted trees, one sequence per chain."""

    chains: tuple[int, ...]
    sequences: tuple[tuple[TreeColumn, ...], ...]

    def sample(self, draw, prompts, rng) -> Vectors:
        """Return rows (chains…, n, d). Each column is drawn given the previous columns."""
        written = []
        for columns in self.sequences:
            rows = np.zeros((draw.records, len(columns)))
            for j, column in enumerate(columns):
                rows[:, j] = column.drawn(rows[:, :j], rng)
            written.append(rows)
        return Vectors(np.stack(written).reshape(*self.chains, draw.records, -1))

    def log_prob(self, records) -> np.ndarray:
        """Return the log-probability of each row in nats, (chains…, n), under a law over the values of the training set."""
        points = records.array.reshape(-1, *records.array.shape[-2:])
        every = [
            sum(column.log_prob(own[:, :j], own[:, j]) for j, column in enumerate(columns))
            for own, columns in zip(points, self.sequences, strict=True)
        ]
        return np.stack(every).reshape(records.array.shape[:-1])

    def save(self, folder: Path) -> None:
        arrays = {
            f"{i} {j} {name}": getattr(column, name)
            for i, columns in enumerate(self.sequences)
            for j, column in enumerate(columns)
            for name in COLUMN
        }
        packed.save(
            folder / "trees.npz", chains=np.array(self.chains, dtype=np.int64), columns=np.array(len(self.sequences[0])), **arrays
        )
