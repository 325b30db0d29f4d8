"""Records that models write anew whenever a fit reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from outcross.data.pools import Pool
from outcross.models.draw import Draw


@dataclass(frozen=True, eq=False)
class Online:
    """Which model writes each training record anew whenever it is read (`rows: online`), so that no finite synthetic set is learned from.

    A training set keeps its records, its size and its shares. Of a record that a model wrote only the author counts: a fit that reads it
    gets another record of that author. Records of people stay what they are.
    """

    teachers: tuple[Any, ...]
    """The models that write."""
    teacher_of_row: np.ndarray
    """The place in `teachers` of the model that writes a row, (n,); -1 for a record that a person wrote."""

    @classmethod
    def of(cls, pool: Pool, models: Mapping[str, Any]) -> Online:
        """The authors of a pool's rows, part after part; `models` are the models by their digests."""
        names = list(models)
        places = [_place(part.origin, names) for part in pool.parts]
        return cls(tuple(models.values()), np.repeat(places, [len(part) for part in pool.parts]).astype(np.int64))

    def read(self, records: np.ndarray, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """These rows of the records (n, d), those of models written anew, (len(rows), d)."""
        teachers = self.teacher_of_row[rows]
        if (teachers == 0).all():  # the usual case, without a copy
            return self._written(0, len(rows), rng)
        read = records[rows]
        for place in range(len(self.teachers)):
            if n := int((teachers == place).sum()):
                read[teachers == place] = self._written(place, n, rng)
        return read

    def _written(self, place: int, n: int, rng: np.random.Generator) -> np.ndarray:
        return self.teachers[place].sample(Draw(records=n, prompts="none"), None, rng).array


def _place(origin: Any, names: list[str]) -> int:
    """The place of the model that wrote the records of an origin; -1 for people."""
    return -1 if origin.author == "human" else names.index(origin.model)
