"""The records that filters kept and rejected, with the reasons."""

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
    """The result of the filters for every candidate."""

    times: np.ndarray
    """How often each candidate is kept, (chains…, n); 0 if it is rejected. For counts, how many of every state are kept, (chains…, K)."""
    reason: np.ndarray
    """The index in `reasons` of each candidate's reason, (chains…, n); -1 if it is kept."""
    values: np.ndarray
    """The number by which each filter judged each candidate, (filters, chains…, n); NaN if the filter used none or did not see the candidate."""
    reasons: tuple[str, ...]
    """The reasons for rejecting candidates: the filter's name, and its reason in words."""
    notes: tuple[str, ...] = ()
    """The filters' findings about themselves, one sentence each."""
    facts: dict[str, Any] = field(default_factory=dict)
    """The same findings as plain data, by filter."""

    @property
    def rejected(self) -> np.ndarray:
        """The ascending indices of the rejected candidates, (m,) or (chains…, m), the same number in every chain."""
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
    """The records that filters kept, and the result of the filters for all candidates."""

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
    """The index in `reasons` of each record's reason, (chains…, m)."""
    values: np.ndarray
    """The number by which each filter judged each record, (filters, chains…, m)."""
    reasons: tuple[str, ...]
    facts: dict[str, Any] = field(default_factory=dict)
    """The filters' findings about themselves, as plain data by filter."""

    def __len__(self) -> int:
        return len(self.records)

    @classmethod
    def of(cls, drawn: Any, judged: JudgedCandidates) -> Rejected:
        """Return the rejected records of those that were drawn. For counts these are the drawn minus the kept counts, without single reasons."""
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
    """Return the ascending indices of the kept candidates, each repeated as often as it is kept, (kept,) or (chains…, kept).

    times: how often each candidate is kept, (chains…, n), with the same sum in every chain.
    """
    if times.ndim == 1:
        return np.repeat(np.arange(len(times)), times)
    *chains, n = times.shape
    flat = np.repeat(np.arange(times.size), times.ravel()) % n
    return flat.reshape(*chains, -1)
