"""Distribute the records of several writers (teachers) to the readers that learn from them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from outcross.data.parts import Made, Part
from outcross.data.pools import Pool, Training
from outcross.data.records import Counts, Subcounts
from outcross.data.shares import largest_remainder

Fractions = Mapping[str, Mapping[str, Fraction]]
"""The fraction of every writer's records that each reader takes, by reader and writer."""


@dataclass(frozen=True, eq=False)
class Dealt:
    """The records of each reader, by its name, as references."""

    pools: Mapping[str, Pool]

    def __len__(self) -> int:
        return sum(map(len, self.pools.values()))

    def save(self, folder: Path) -> None:
        for number, pool in enumerate(self.pools.values()):
            (folder / str(number)).mkdir()
            Training(pool).save(folder / str(number))

    @classmethod
    def load(cls, folder: Path, readers: tuple[str, ...], sources: dict[str, Made[Any]]) -> Dealt:
        """Load the records of these readers. sources: the steps that they may refer to, by digest."""
        return cls({name: Training.load(folder / str(number), sources).pool for number, name in enumerate(readers)})


def quotas(written: Mapping[str, int], fractions: Fractions) -> dict[str, dict[str, int]]:
    """Return the number of records that each reader takes from each writer, by reader and writer. written: the number of records of each writer.

    A reader gets the sum of its fractions of all records, rounded to a whole number. It is divided between the writers by largest remainders.

    >>> half = Fraction(1, 2)
    >>> quotas({"a": 5, "b": 5}, {"a": {"a": half, "b": half}, "b": {"a": half, "b": half}})
    {'a': {'a': 3, 'b': 2}, 'b': {'a': 3, 'b': 2}}
    """
    taken = {}
    for reader, shares in fractions.items():
        weights = [shares[writer] * size for writer, size in written.items()]
        rows = math.floor(sum(weights) + Fraction(1, 2))
        counts = largest_remainder(weights, [rows])[0].tolist() if rows else [0] * len(weights)
        taken[reader] = dict(zip(written, counts, strict=True))
    return taken


def deal(written: Mapping[str, Part], fractions: Fractions, rng: np.random.Generator) -> Dealt:
    """Distribute the records of every writer to the readers, at random and by exact quotas.

    Two readers get the same record only if together they take more records of a writer than there are.
    """
    asked = quotas({writer: len(part) for writer, part in written.items()}, fractions)
    decks = {
        writer: _CountsDeck(part, rng) if isinstance(part.records, Counts) else _Deck(part, rng) for writer, part in written.items()
    }
    return Dealt(
        {reader: Pool(tuple(decks[writer].take(n) for writer, n in of_reader.items() if n)) for reader, of_reader in asked.items()}
    )


class _Deck:
    """The records of a writer in random order. When all are dealt, it starts again in the same order."""

    def __init__(self, part: Part, rng: np.random.Generator):
        self.part, self.order, self.at = part, rng.permutation(len(part)), 0

    def take(self, n: int) -> Part:
        if n == len(self.part):
            return self.part
        rows = self.order[(self.at + np.arange(n)) % len(self.order)]
        self.at += n
        return self.part.take(np.sort(rows))


class _CountsDeck:
    """Counts of states, from which records are drawn without replacement in every chain. When none is left, all are available again."""

    def __init__(self, part: Part, rng: np.random.Generator):
        self.part, self.rng, self.left = part, rng, part.records.array

    def take(self, n: int) -> Part:
        if n == len(self.part):
            return self.part
        there = len(Counts(self.left))
        taken = self.left if n >= there else self._drawn(self.left, n)
        self.left = self.left - taken
        if n > there:
            again = self._drawn(self.part.records.array - taken, n - there)
            taken, self.left = taken + again, self.part.records.array - again
        return self.part.take(Subcounts(taken))

    def _drawn(self, array: np.ndarray, n: int) -> np.ndarray:
        drawn = Counts(array).some(n, self.rng)
        return drawn.array
