"""Points with a class and a group."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from outcross.data.records import Reference, digest_of_arrays, read_only, row_numbers
from outcross.errors import BadInput

FILE = "labelled.npz"


def cell_names(classes: Sequence[str], groups: Sequence[str]) -> list[str]:
    """Return the name of every cell, all groups of the first class first.

    >>> cell_names(["yes", "no"], ["a", "b"])
    ['yes × a', 'yes × b', 'no × a', 'no × b']
    """
    return [f"{class_name} × {group}" for class_name in classes for group in groups]


@dataclass(frozen=True, eq=False)
class LabelledPoints:
    """Points (n, d) with the class and the group of each, and the names of classes and groups. There are no chains.

    The last class is the favourable one: the selection rate is its share.
    """

    array: np.ndarray
    label: np.ndarray
    """The number of the class, (n,)."""
    group: np.ndarray
    """The number of the group, (n,)."""
    classes: tuple[str, ...]
    groups: tuple[str, ...]
    columns: tuple[str, ...] = ()
    """The names of the dimensions, (d,); empty if they have no names."""
    kind = "labelled"

    def __post_init__(self) -> None:
        for name in ("array", "label", "group"):
            object.__setattr__(self, name, read_only(getattr(self, name)))

    def __len__(self) -> int:
        return len(self.array)

    @property
    def dimensions(self) -> int:
        return self.array.shape[1]

    @property
    def chains(self) -> tuple[int, ...]:
        return ()

    @property
    def digest(self) -> str:
        """The SHA-256 of points, classes and groups."""
        return digest_of_arrays(f"{self.kind} {json.dumps(self.described, sort_keys=True)}", self.array, self.label, self.group)

    @property
    def described(self) -> dict[str, Any]:
        """The names of classes, groups and columns, as plain data. They are equal for records that can be joined."""
        return {"classes": list(self.classes), "groups": list(self.groups), "columns": list(self.columns)}

    @property
    def cell(self) -> np.ndarray:
        """The number of the cell (class and group) of each point, (n,)."""
        return self.label * len(self.groups) + self.group

    @property
    def cells(self) -> list[str]:
        """The name of every cell."""
        return cell_names(self.classes, self.groups)

    @property
    def counts(self) -> np.ndarray:
        """The number of records of every cell, (classes, groups)."""
        many = np.bincount(self.cell, minlength=len(self.classes) * len(self.groups))
        return many.reshape(len(self.classes), len(self.groups))

    @property
    def frame(self) -> Any:
        """A polars frame of the dimensions (x0, x1, … if they have no names), and of `label` and `group` in words."""
        import polars

        names = self.columns or tuple(f"x{i}" for i in range(self.dimensions))
        numbers = {name: self.array[:, i] for i, name in enumerate(names)}
        words = {"label": np.array(self.classes)[self.label], "group": np.array(self.groups)[self.group]}
        return polars.DataFrame(
            numbers | {name: polars.Series(values.tolist(), dtype=polars.String) for name, values in words.items()}
        )

    def some(self, n: int, rng: np.random.Generator) -> np.ndarray:
        return rng.permutation(len(self))[:n]

    def take(self, rows: Reference | None) -> LabelledPoints:
        if rows is None:
            return self
        rows = row_numbers(rows, self.kind)
        return LabelledPoints(self.array[rows], self.label[rows], self.group[rows], self.classes, self.groups, self.columns)

    def blinded(self) -> LabelledPoints:
        """Return the records in an order that depends only on their content."""
        return self.take(np.lexsort((*self.array.T[::-1], self.group, self.label)))

    @classmethod
    def concat(cls, many: Sequence[LabelledPoints]) -> LabelledPoints:
        """Join records, one after the other. Raises BadInput if they differ in classes, groups or columns."""
        first = many[0]
        for other in many[1:]:
            if other.described != first.described:
                raise BadInput(
                    f"labelled records with {other.described!r:.80} cannot be joined to those with {first.described!r:.80}"
                )
        if len(many) == 1:
            return first
        array, label, group = (np.concatenate([getattr(part, name) for part in many]) for name in ("array", "label", "group"))
        return cls(array, label, group, first.classes, first.groups, first.columns)

    def save(self, folder: Path) -> None:
        np.savez(folder / FILE, array=self.array, label=self.label, group=self.group)
        (folder / "labelled.json").write_text(json.dumps(self.described, sort_keys=True))

    @classmethod
    def load(cls, folder: Path) -> LabelledPoints:
        description = json.loads((folder / "labelled.json").read_text())
        with np.load(folder / FILE, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in ("array", "label", "group")}
        names = {name: tuple(value) for name, value in description.items()}
        return cls(arrays["array"], arrays["label"], arrays["group"], names["classes"], names["groups"], names["columns"])
