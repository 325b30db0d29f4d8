"""Small candidates in memory, with texts, points and columns, for tests of filters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl

from outcross.errors import BadInput
from outcross.estimate import NotApplicable
from outcross.text.texts import in_batches

N = 60


@dataclass(frozen=True)
class GivenCandidates:
    """Candidates with texts, points and columns. In several chains, only the points differ."""

    frame: pl.DataFrame
    array: np.ndarray
    people: GivenCandidates | None = None
    of_prompt: np.ndarray | None = None
    detectors: Mapping[Any, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.array.shape[-2]

    @property
    def chains(self) -> tuple[int, ...]:
        return self.array.shape[:-2]

    @property
    def texts(self) -> list[str]:
        return self.frame["text"].to_list()

    def batches_of_texts(self, among: np.ndarray | None = None) -> Iterator[tuple[np.ndarray, list[str]]]:
        return in_batches(self.texts, among)

    @property
    def points(self) -> np.ndarray:
        return self.array

    @property
    def columns(self) -> list[str]:
        return self.frame.columns

    def column(self, name: str) -> pl.Series:
        if name not in self.frame.columns:
            raise BadInput(f"there is no column {name!r}")
        return self.frame[name]

    @property
    def prompts(self) -> np.ndarray:
        return np.arange(len(self)) % 20 if self.of_prompt is None else self.of_prompt

    @property
    def prompt_texts(self) -> list[str]:
        return [f"prompt {number}" for number in self.prompts]

    @property
    def authors(self) -> np.ndarray:
        return self.frame["_author"].to_numpy()

    @property
    def models(self) -> np.ndarray:
        return self.frame["_model"].to_numpy()

    @property
    def human(self) -> GivenCandidates:
        if self.people is None:
            raise NotApplicable("compares with human records, but there are none here")
        return self.people

    def in_order(self, order: np.ndarray) -> GivenCandidates:
        """The candidates at these positions, in this order."""
        return replace(self, frame=self.frame[order], array=self.array[..., order, :], of_prompt=self.prompts[order])


def candidates(seed: int = 0, chains: tuple[int, ...] = (), people: bool = True) -> GivenCandidates:
    """N random candidates, together with human records if `people` is true."""
    rng = np.random.default_rng(seed)
    words = ["rain", "falls", "on", "green", "hills", "and", "rivers", "sleep", "under", "snow"]
    columns: dict[str, Any] = {
        "text": [" ".join(rng.choice(words, rng.integers(3, 12))) for _ in range(N)],
        "score": rng.normal(size=N),
        "q": rng.random(N),
        "label": rng.choice(["a", "b"], N),
        "group": rng.choice(["f", "m"], N, p=[0.3, 0.7]),
        "right": rng.random(N) < 0.7,
        "_author": np.where(np.arange(N) % 3 == 0, "human", "model"),
        "_model": np.where(np.arange(N) % 3 == 0, "", np.where(np.arange(N) % 2, "one", "other")),
    }
    given = GivenCandidates(pl.DataFrame(columns), rng.normal(size=(*chains, N, 2)))
    return replace(given, people=candidates(seed + 1, people=False)) if people else given
