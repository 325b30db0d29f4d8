"""The records of a loop, in the form that filters read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from outcross.data.framed import TableRows
from outcross.data.labelled import LabelledPoints
from outcross.data.records import Blocks, Vectors, names_its_writer, read_only
from outcross.errors import BadInput
from outcross.estimate import NotApplicable
from outcross.recipe import nearest
from outcross.text.texts import in_batches

if TYPE_CHECKING:
    import polars


@dataclass(frozen=True, eq=False)
class RecordCandidates:
    """Records of any kind as candidates. Vectors have the columns x0, x1, …; texts have the columns of their blocks."""

    records: Any
    people: Any = None
    """The human records to compare with, of the same kind; None if there are none."""
    author: np.ndarray | None = None
    """The author of each candidate, (n,) of words; None: a model wrote all of them."""
    model: np.ndarray | None = None
    """The model that wrote each candidate, (n,) of words."""
    asked: Any = None
    """The prompts that the model continued. Candidate i continued prompt i modulo their number. None if there were no prompts."""
    number: np.ndarray | None = None
    """The original index of each candidate among all that the model wrote, (n,); None: all of them in order, or chains with different candidates."""
    detectors: Mapping[Any, Any] = field(default_factory=dict)
    """The detectors that are already fitted, keyed by the items of a filter's `detectors`."""
    slots: int | None = None
    """The number of records to keep. A candidate without a prompt of its own competes for the slot with its index modulo this number."""

    def __post_init__(self) -> None:
        for name in ("author", "model", "number"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, read_only(getattr(self, name)))

    def __len__(self) -> int:
        return len(self.records)

    @property
    def chains(self) -> tuple[int, ...]:
        return self.records.chains

    @property
    def texts(self) -> Sequence[str]:
        if not isinstance(self.records, Blocks):
            raise NotApplicable(f"needs texts, and the records are {self.records.kind}")
        return self.records.texts

    def batches_of_texts(self, among: np.ndarray | None = None) -> Iterator[tuple[np.ndarray, Sequence[str]]]:
        return in_batches(self.texts, among)

    @property
    def points(self) -> np.ndarray:
        if not isinstance(self.records, Vectors | LabelledPoints):
            raise NotApplicable(f"needs points, and the records are {self.records.kind}")
        return self.records.array

    @property
    def columns(self) -> Sequence[str]:
        return list(self._frame.columns)

    def column(self, name: str) -> polars.Series:
        if name not in self._frame.columns:
            known = self._frame.columns
            raise BadInput(f"the records have no column {name!r}{nearest(name, known)}; they have {', '.join(known)[:200]}")
        return self._frame[name]

    @cached_property
    def _frame(self) -> polars.DataFrame:
        import polars

        if isinstance(self.records, Vectors):
            if self.records.chains:
                raise NotApplicable("needs columns, which independent chains do not have; write chains: 1")
            return polars.DataFrame({f"x{i}": self.records.array[:, i] for i in range(self.records.dimensions)})
        frame = getattr(self.records, "frame", None)
        if frame is None:
            raise NotApplicable(f"needs columns, and {self.records.kind} have none")
        return frame

    @property
    def prompts(self) -> np.ndarray:
        own = self.records.column("_prompt") if isinstance(self.records, Blocks) else np.full(len(self), -1)
        if (own >= 0).all() and len(own):
            return own
        return self._numbers % (self.slots or len(self))

    @property
    def _numbers(self) -> np.ndarray:
        return np.arange(len(self)) if self.number is None else self.number

    @property
    def prompt_texts(self) -> Sequence[str]:
        if self.asked is None:
            raise NotApplicable("needs prompts, and the model wrote without prompts")
        texts = getattr(self.asked, "texts", None)
        if texts is None:
            raise NotApplicable(f"needs text prompts, and these are {self.asked.kind}")
        return [texts[i % len(texts)] for i in self._numbers]

    @property
    def authors(self) -> np.ndarray:
        return np.full(len(self), "model") if self.author is None else self.author

    @property
    def models(self) -> np.ndarray:
        if self.model is not None:
            return self.model
        if isinstance(self.records, Blocks) and (groups := self.records.column("_group")).size and names_its_writer(groups[0]):
            return groups
        if isinstance(self.records, TableRows):
            return self.records.frame["_model"].fill_null("").to_numpy()
        return np.full(len(self), "")

    @property
    def human(self) -> RecordCandidates:
        if self.people is None:
            raise NotApplicable("needs human records to compare with, and there are none here")
        return RecordCandidates(self.people, author=np.full(len(self.people), "human"))

    def take(self, rows: np.ndarray) -> RecordCandidates:
        """Return the candidates with these indices, (n,) or (chains…, n)."""
        if rows.ndim > 1:
            return replace(self, records=self.records.take(rows))
        own = {name: None if value is None else value[rows] for name, value in (("author", self.author), ("model", self.model))}
        return replace(self, records=self.records.take(rows), number=self._numbers[rows], **own)
