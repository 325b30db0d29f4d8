"""Training records that their models generate again whenever a fit reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from outcross.data.pools import Pool
from outcross.models.draw import Draw


@dataclass(frozen=True, eq=False)
class Online:
    """The models that generate fresh training records whenever a fit reads them (`rows: online`), so that the synthetic data are unlimited.

    The size of the training set and the shares of its parts stay the same. When a fit reads a record that a model wrote, it receives a new
    record of the same model. Human records do not change.
    """

    teachers: tuple[Any, ...]
    """The models that generate records."""
    teacher_of_row: np.ndarray
    """The index in `teachers` of the model that wrote each row, (n,); -1 for a human record."""

    @classmethod
    def of(cls, pool: Pool, models: Mapping[str, Any]) -> Online:
        """Return the authors of a pool's rows, part after part. `models` maps digests to models."""
        names = list(models)
        places = [_place(part.origin, names) for part in pool.parts]
        return cls(tuple(models.values()), np.repeat(places, [len(part) for part in pool.parts]).astype(np.int64))

    def read(self, records: np.ndarray, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return these rows of the records (n, d), with newly generated records in the place of those that models wrote, (len(rows), d)."""
        teachers = self.teacher_of_row[rows]
        if (teachers == 0).all():  # the usual case: all rows are written by one model
            return self._written(0, len(rows), rng)
        read = records[rows]
        for place in range(len(self.teachers)):
            if n := int((teachers == place).sum()):
                read[teachers == place] = self._written(place, n, rng)
        return read

    def _written(self, place: int, n: int, rng: np.random.Generator) -> np.ndarray:
        return self.teachers[place].sample(Draw(records=n, prompts="none"), None, rng).array


def _place(origin: Any, names: list[str]) -> int:
    """Return the index of the model that wrote the records of an origin; -1 for human records."""
    return -1 if origin.author == "human" else names.index(origin.model)
