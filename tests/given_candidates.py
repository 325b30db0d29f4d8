"""Candidates that a test writes down."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars

from outcross.errors import BadInput
from outcross.estimate import NotApplicable
from outcross.text.texts import in_batches


@dataclass(frozen=True, eq=False)
class Given:
    """Some records; what is not given is not applicable."""

    texts: Sequence[str]
    data: dict[str, Any] = field(default_factory=dict)
    asked: Sequence[str] | None = None
    """The prompt of each."""
    who: Sequence[str] | None = None
    wrote: Sequence[str] | None = None
    people: Given | None = None
    detectors: dict[Any, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.texts)

    def batches_of_texts(self, among: np.ndarray | None = None) -> Iterator[tuple[np.ndarray, Sequence[str]]]:
        return in_batches(self.texts, among)

    @property
    def points(self) -> np.ndarray:
        raise NotApplicable("texts are no points")

    @property
    def columns(self) -> Sequence[str]:
        return tuple(self.data)

    def column(self, name: str) -> polars.Series:
        if name not in self.data:
            raise BadInput(f"there is no column {name!r}; there are {', '.join(self.data)}")
        return polars.Series(name, self.data[name])

    @property
    def prompts(self) -> np.ndarray:
        return np.unique(np.array(self.prompt_texts, dtype=object).astype(str), return_inverse=True)[1]

    @property
    def prompt_texts(self) -> Sequence[str]:
        if self.asked is None:
            raise NotApplicable("no record says which prompt it answers")
        return self.asked

    @property
    def authors(self) -> np.ndarray:
        return np.array(self.who if self.who is not None else ["model"] * len(self), dtype=object)

    @property
    def models(self) -> np.ndarray:
        return np.array(self.wrote if self.wrote is not None else [""] * len(self), dtype=object)

    @property
    def human(self) -> Given:
        if self.people is None:
            raise NotApplicable("there are no human records")
        return self.people

    def take(self, at: Sequence[int]) -> Given:
        """The records at these places, in that order."""
        data = {name: [values[place] for place in at] for name, values in self.data.items()}
        own = {
            name: None if (values := getattr(self, name)) is None else [values[place] for place in at]
            for name in ("asked", "who", "wrote")
        }
        return replace(self, texts=[self.texts[place] for place in at], data=data, **own)  # type: ignore[arg-type]
