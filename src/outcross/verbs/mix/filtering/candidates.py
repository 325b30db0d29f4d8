"""The rows of the pools, in the form that filters read: ordered by their content, and with only those columns that a filter uses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from outcross.errors import BadInput
from outcross.estimate import NotApplicable
from outcross.recipe import nearest
from outcross.verbs.mix.asked import MixRecipe
from outcross.verbs.mix.pools import OpenPool, ScannedPool, Schema, common, fitted, text_column
from outcross.verbs.mix.provenance import prompt_of

if TYPE_CHECKING:
    import polars

CHAT = ("system", "user", "assistant")
"""The roles of messages. The last role gives the answers."""


@dataclass(frozen=True, eq=False)
class CandidateStore:
    """All rows of the pools, pool after pool, sorted by digest within a pool. A column is read on first use and then kept in memory."""

    asked: MixRecipe
    pools: tuple[OpenPool, ...]
    scans: tuple[ScannedPool, ...]
    schema: Schema
    """The schema of the mix, without the columns of provenance."""
    in_memory: dict[str, Any] = field(default_factory=dict)
    """The columns that have been read so far, by name."""

    def __len__(self) -> int:
        return len(self.pool)

    @cached_property
    def pool(self) -> np.ndarray:
        """The number of each candidate's pool, (n,)."""
        return np.repeat(np.arange(len(self.scans)), [scan.rows for scan in self.scans])

    @cached_property
    def row(self) -> np.ndarray:
        """The index of each candidate in the reading order of its pool, (n,)."""
        orders = [np.lexsort((scan.occurrences, scan.of_rows[:, 1], scan.of_rows[:, 0])) for scan in self.scans]
        return np.concatenate([np.zeros(0, np.int64), *orders])

    @cached_property
    def schemas(self) -> Schema:
        """The type of every column of any pool, including provenance. A column whose types in the pools have no common type is left out."""
        dtypes: Schema = {}
        for pool in self.pools:
            for name, dtype in pool.schema.items():
                shared = common(dtypes[name], dtype) if dtypes.get(name) is not None else None if name in dtypes else dtype
                dtypes[name] = shared
        return {name: dtype for name, dtype in dtypes.items() if dtype is not None} | self.schema

    def column(self, name: str) -> polars.Series:
        """Return a column of all candidates, with nulls for pools that lack it."""
        if name not in self.in_memory:
            self.in_memory[name] = self.frame([name]).to_series()
        return self.in_memory[name]

    def frame(self, names: Sequence[str], at: np.ndarray | None = None) -> polars.DataFrame:
        """Return some columns of all candidates, or of those at the ascending indices `at`. Pools without such a candidate are not read."""
        import polars as pl

        schema = {name: self.schemas[name] for name in names}
        frames = [pl.DataFrame(schema=schema)]
        chosen = np.arange(len(self)) if at is None else at
        for number, pool in enumerate(self.pools):
            rows = self.row[chosen[self.pool[chosen] == number]]
            wanted = [name for name in names if name in pool.schema]
            if rows.size and wanted:
                frames.append(pl.concat([fitted(batch, schema) for batch in pool.batches(wanted)])[rows])
            elif rows.size:
                frames.append(pl.DataFrame({name: pl.Series([None] * rows.size, dtype=dtype) for name, dtype in schema.items()}))
        return pl.concat(frames)

    @cached_property
    def text_column(self) -> tuple[str, Any] | None:
        """The text column and its type; None if it is not clear which column that is."""
        try:
            return text_column(self.asked, self.schema)
        except BadInput:
            return None

    @cached_property
    def texts(self) -> list[str]:
        """The text of each candidate, all in memory."""
        texts = [""] * len(self)
        for at, own in self.batches_of_texts(np.arange(len(self))):
            for place, text in zip(at.tolist(), own, strict=True):
                texts[place] = text
        return texts

    def batches_of_texts(self, chosen: np.ndarray) -> Iterator[tuple[np.ndarray, list[str]]]:
        """Yield the texts of candidates, read from the pools batch by batch. The text of a chat is what its assistant says. A missing text is empty.

        chosen: the ascending indices of the candidates, (n,). Each batch starts with the positions of its texts in `chosen`, (k,). Raises BadInput if it is
        not clear which column contains the texts.
        """
        import polars as pl

        if not len(self):
            return
        if self.text_column is None:
            raise BadInput(
                f"it reads texts, and their column is not clear; name it as text_column, one of {', '.join(self.schema)[:200]}"
            )
        name, dtype = self.text_column
        for number, pool in enumerate(self.pools):
            own = np.flatnonzero(self.pool[chosen] == number)
            place_of = np.full(self.scans[number].rows, -1)
            place_of[self.row[chosen[own]]] = own
            start = 0
            for batch in pool.batches([name]) if own.size and name in pool.schema else ():
                places = place_of[start : start + batch.height]
                there = np.flatnonzero(places >= 0)
                start += batch.height
                if there.size:
                    read = fitted(batch, {name: dtype}).to_series().gather(there)
                    yield places[there], read.fill_null("").to_list() if dtype == pl.String else _said(read, CHAT[-1:])
            if own.size and name not in pool.schema:
                yield own, [""] * own.size

    @property
    def has_texts(self) -> bool:
        """Whether a filter reads the texts, which means that the text column is known."""
        return self.text_column is not None and any("texts" in mix_filter.filter.needs for mix_filter in self.asked.filters)

    @cached_property
    def prompt_texts(self) -> list[str | None]:
        """The prompt of each candidate, from `_prompt` or the pool's prompt_column; for a chat without a prompt, what the other roles say."""
        import polars as pl

        prompts_of_pools = []
        is_chat = self.text_column is not None and self.text_column[1] != pl.String
        for number, pool in enumerate(self.pools):
            names = [name for name in dict.fromkeys(["_prompt", pool.recipe.prompt_column]) if name in pool.schema]
            if names:
                batches = [batch.select(prompt_of(batch, pool.recipe).alias("p")) for batch in pool.batches(names)]  # type: ignore[arg-type]
                read = pl.concat(batches)["p"] if batches else pl.Series("p", [], dtype=pl.String)
                prompts_of_pools.append(read[self.row[self.pool == number]])
            else:
                prompts_of_pools.append(pl.Series("p", [None] * int((self.pool == number).sum()), dtype=pl.String))
        said = pl.concat([pl.Series("p", [], dtype=pl.String), *prompts_of_pools])
        if is_chat:
            assert self.text_column is not None
            said = said.fill_null(
                pl.Series("p", [text or None for text in _said(self.column(self.text_column[0]), CHAT[:-1])], dtype=pl.String)
            )
        return said.to_list()

    def labels(self, name: str) -> np.ndarray:
        """Return one part of each candidate's label (origin, model or group), (n,) of words; an empty word if it is missing."""
        parts = [np.zeros(0, object)]
        for scan, rows in zip(self.scans, np.split(self.row, np.cumsum([scan.rows for scan in self.scans])[:-1]), strict=True):
            words = np.array(["" if label[name] is None else str(label[name]) for label in scan.labels], dtype=object)
            parts.append(words[scan.strata[rows]] if scan.rows else np.zeros(0, object))
        return np.concatenate(parts)

    @cached_property
    def authors(self) -> np.ndarray:
        return self.labels("_origin")

    @cached_property
    def models(self) -> np.ndarray:
        return self.labels("_model")

    @cached_property
    def prompts(self) -> np.ndarray:
        """The number of each candidate's prompt, (n,). A candidate without a prompt has a number of its own and competes with no other."""
        said = self.prompt_texts
        known = {prompt: number for number, prompt in enumerate(sorted({prompt for prompt in said if prompt is not None}))}
        numbers = np.array([-1 if prompt is None else known[prompt] for prompt in said], dtype=np.int64)
        alone = np.flatnonzero(numbers < 0)
        numbers[alone] = len(known) + np.arange(alone.size)
        return numbers


def _said(chats: polars.Series, roles: Sequence[str]) -> list[str]:
    """Return the messages of these roles in each chat, joined by line breaks."""
    return [
        "\n".join(str(message["content"]) for message in chat or [] if message and message.get("role") in roles and message.get("content"))
        for chat in chats.to_list()
    ]  # fmt: skip


@dataclass(frozen=True, eq=False)
class PoolCandidates:
    """Some rows of the pools, as the candidates of a filter."""

    store: CandidateStore
    at: np.ndarray
    """The ascending indices of these rows in the store, (n,)."""
    detectors: Mapping[Any, Any] = field(default_factory=dict)
    """The detectors that are already fitted, keyed by the items of a filter's `detectors`."""

    def __len__(self) -> int:
        return len(self.at)

    @property
    def texts(self) -> Sequence[str]:
        return self._some(self.store.texts)

    def batches_of_texts(self, among: np.ndarray | None = None) -> Iterator[tuple[np.ndarray, Sequence[str]]]:
        chosen = np.arange(len(self)) if among is None else np.flatnonzero(among)
        for places, texts in self.store.batches_of_texts(self.at[chosen]):
            yield chosen[places], texts

    @property
    def points(self) -> np.ndarray:
        raise NotApplicable("needs points, and rows of a mix are not points; name a column")

    @property
    def columns(self) -> Sequence[str]:
        return tuple(self.store.schemas)

    def column(self, name: str) -> polars.Series:
        if name not in self.store.schemas:
            raise BadInput(f"there is no column {name!r}{nearest(name, self.columns)}; there are {', '.join(self.columns)[:200]}")
        return self.store.column(name)[self.at]

    @property
    def prompts(self) -> np.ndarray:
        self._check_prompts()
        return self.store.prompts[self.at]

    @property
    def prompt_texts(self) -> Sequence[str]:
        self._check_prompts()
        return [prompt or "" for prompt in self._some(self.store.prompt_texts)]

    def _check_prompts(self) -> None:
        if len(self) and all(prompt is None for prompt in self._some(self.store.prompt_texts)):
            raise NotApplicable("needs the prompt that each row answers, and no row names one; name prompt_column in its pool")

    @property
    def authors(self) -> np.ndarray:
        return self.store.authors[self.at]

    @property
    def models(self) -> np.ndarray:
        return self.store.models[self.at]

    @property
    def human(self) -> PoolCandidates:
        people = np.flatnonzero(self.store.authors == "human")
        if not people.size:
            raise NotApplicable("needs human rows to compare with, and no pool has any; give one of origin: human")
        return PoolCandidates(self.store, people)

    def _some(self, values: list) -> list:
        return values if len(self.at) == len(values) else [values[place] for place in self.at.tolist()]
