"""What filters kept of the records that were drawn, and why not the others."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from outcross.data.records import Counts, load_records
from outcross.files import packed


@dataclass(frozen=True, eq=False)
class JudgedCandidates:
    """What filters said of every candidate."""

    times: np.ndarray
    """How often each is kept, (chains…, n); 0 where it is rejected. Of counts, how many of every state are kept, (chains…, K)."""
    reason: np.ndarray
    """The number of each one's reason in `reasons`, (chains…, n); -1 where it is kept."""
    values: np.ndarray
    """The number by which each filter judged it, (filters, chains…, n); NaN where the filter used none or never saw it."""
    reasons: tuple[str, ...]
    """Why candidates are rejected: the filter's name, and its reason in words."""
    notes: tuple[str, ...] = ()
    """What the filters found out of themselves, a sentence each."""
    facts: dict[str, Any] = field(default_factory=dict)
    """The same as plain data, by filter."""

    @property
    def rejected(self) -> np.ndarray:
        """The numbers of the rejected candidates, (m,) or (chains…, m) in rising order; as many in every chain."""
        return chosen((self.times == 0).astype(np.int64))

    def save(self, folder: Path) -> None:
        description = json.dumps({"reasons": self.reasons, "notes": self.notes, "facts": self.facts}, sort_keys=True)
        packed.save(
            folder / SELECTION,
            times=self.times,
            reason=self.reason,
            values=self.values,
            description=np.frombuffer(description.encode(), dtype=np.uint8),
        )

    @classmethod
    def load(cls, folder: Path) -> JudgedCandidates:
        arrays = packed.load(folder / SELECTION)
        description = json.loads(arrays.pop("description").tobytes())
        return cls(**arrays, reasons=tuple(description["reasons"]), notes=tuple(description["notes"]), facts=description["facts"])


SELECTION = "selection.npz"


@dataclass(frozen=True, eq=False)
class Selected:
    """The records that filters kept, and what they said of all."""

    records: Any
    judged: JudgedCandidates

    def __len__(self) -> int:
        return len(self.records)

    def save(self, folder: Path) -> None:
        self.records.save(folder)
        self.judged.save(folder)

    @classmethod
    def load(cls, folder: Path) -> Selected:
        return cls(load_records(folder), JudgedCandidates.load(folder))


@dataclass(frozen=True, eq=False)
class Rejected:
    """The records that filters did not keep, with the reason for each."""

    records: Any
    reason: np.ndarray
    """The number of each one's reason in `reasons`, (chains…, m)."""
    values: np.ndarray
    """The number by which each filter judged it, (filters, chains…, m)."""
    reasons: tuple[str, ...]
    facts: dict[str, Any] = field(default_factory=dict)
    """What the filters found out of themselves, plain data by filter."""

    def __len__(self) -> int:
        return len(self.records)

    @classmethod
    def of(cls, drawn: Any, judged: JudgedCandidates) -> Rejected:
        """Those of the drawn records. Of counts, what is left once the kept ones are taken away, and no single reasons."""
        if isinstance(drawn, Counts):
            left = Counts(np.maximum(drawn.array - judged.times, 0))
            return cls(left, judged.reason, judged.values, judged.reasons, judged.facts)
        rows = judged.rejected
        at = (lambda array: array[rows]) if rows.ndim == 1 else (lambda array: np.take_along_axis(array, rows, axis=-1))
        values = [at(values) for values in judged.values]
        return cls(
            drawn.take(rows), at(judged.reason), np.array(values).reshape(len(values), *rows.shape), judged.reasons, judged.facts
        )


def chosen(times: np.ndarray) -> np.ndarray:
    """The numbers of the candidates that are kept, each as often as it is, in rising order: (kept,) or (chains…, kept).

    times: (chains…, n), of one sum in every chain.
    """
    if times.ndim == 1:
        return np.repeat(np.arange(len(times)), times)
    *chains, n = times.shape
    flat = np.repeat(np.arange(times.size), times.ravel()) % n
    return flat.reshape(*chains, -1)
