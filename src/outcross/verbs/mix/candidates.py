"""The rows of the pools as filters see them: in an order of their content, and of their columns those alone that are asked for."""

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
"""Roles of messages; the last one answers."""


@dataclass(frozen=True, eq=False)
class CandidateStore:
    """All rows of the pools, pool after pool, those of a pool by their digests. A column is read when it is first asked for, and then kept."""

    asked: MixRecipe
    pools: tuple[OpenPool, ...]
    scans: tuple[ScannedPool, ...]
    schema: Schema
    """Of the mix, without the columns of provenance."""
    in_memory: dict[str, Any] = field(default_factory=dict)
    """The columns that were asked for so far, by name."""

    def __len__(self) -> int:
        return len(self.pool)

    @cached_property
    def pool(self) -> np.ndarray:
        """The number of each candidate's pool, (n,)."""
        return np.repeat(np.arange(len(self.scans)), [scan.rows for scan in self.scans])

    @cached_property
    def row(self) -> np.ndarray:
        """The number of each candidate in the order in which its pool was read, (n,)."""
        orders = [np.lexsort((scan.occurrences, scan.of_rows[:, 1], scan.of_rows[:, 0])) for scan in self.scans]
        return np.concatenate([np.zeros(0, np.int64), *orders])

    @cached_property
    def schemas(self) -> Schema:
        """The type of every column that a pool has, those of provenance among them; one that pools have of types without a common one is left out."""
        dtypes: Schema = {}
        for pool in self.pools:
            for name, dtype in pool.schema.items():
                shared = common(dtypes[name], dtype) if dtypes.get(name) is not None else None if name in dtypes else dtype
                dtypes[name] = shared
        return {name: dtype for name, dtype in dtypes.items() if dtype is not None} | self.schema

    def column(self, name: str) -> polars.Series:
        """A column of all candidates; null where a pool has not got it."""
        if name not in self.in_memory:
            self.in_memory[name] = self.frame([name]).to_series()
        return self.in_memory[name]

    def frame(self, names: Sequence[str], at: np.ndarray | None = None) -> polars.DataFrame:
        """Some columns of all candidates, or of those at these places, ascending, in their order. Pools that none of them is of are not read."""
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
        """The column of texts and its type; None where it is not clear which that is."""
        try:
            return text_column(self.asked, self.schema)
        except BadInput:
            return None

    @cached_property
    def texts(self) -> list[str]:
        """The text of each, all in memory."""
        texts = [""] * len(self)
        for at, own in self.batches_of_texts(np.arange(len(self))):
            for place, text in zip(at.tolist(), own, strict=True):
                texts[place] = text
        return texts

    def batches_of_texts(self, chosen: np.ndarray) -> Iterator[tuple[np.ndarray, list[str]]]:
        """The texts of candidates, read from the pools batch by batch; of a chat, what its assistant says. A missing one is empty.

        chosen: their numbers, ascending, (n,). With each batch come the places of its texts among these, (k,). BadInput where no column is surely that of texts.
        """
        import polars as pl

        if not len(self):
            return
        if self.text_column is None:
            raise BadInput(f"it reads texts; name their column as text_column, of {', '.join(self.schema)[:200]}")
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
        """Whether a filter reads the texts, so that it is said which column they are."""
        return self.text_column is not None and any("texts" in mix_filter.filter.needs for mix_filter in self.asked.filters)

    @cached_property
    def prompt_texts(self) -> list[str | None]:
        """The prompt of each, as its pool or itself names it; of a chat without one, what others than the assistant say."""
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
        """A part of each candidate's label (origin, model, group), empty where it is missing, (n,) of words."""
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
        """The number of each candidate's prompt, (n,); what has none competes with nothing and has a number of its own."""
        said = self.prompt_texts
        known = {prompt: number for number, prompt in enumerate(sorted({prompt for prompt in said if prompt is not None}))}
        numbers = np.array([-1 if prompt is None else known[prompt] for prompt in said], dtype=np.int64)
        alone = np.flatnonzero(numbers < 0)
        numbers[alone] = len(known) + np.arange(alone.size)
        return numbers


def _said(chats: polars.Series, roles: Sequence[str]) -> list[str]:
    """What these roles say in each chat, line after line."""
    return [
        "\n".join(str(message["content"]) for message in chat or [] if message and message.get("role") in roles and message.get("content"))
        for chat in chats.to_list()
    ]  # fmt: skip


@dataclass(frozen=True, eq=False)
class PoolCandidates:
    """Some rows of the pools, as filters see them."""

    store: CandidateStore
    at: np.ndarray
    """Which of all rows these are, ascending, (n,)."""
    detectors: Mapping[Any, Any] = field(default_factory=dict)
    """Detectors that are fitted already, by what filters ask for."""

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
        raise NotApplicable("rows of a mix are no points; name a column")

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
            raise NotApplicable("no row says which prompt it answers; name prompt_column in its pool")

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
            raise NotApplicable("no pool holds human rows to compare with; give one of origin: human")
        return PoolCandidates(self.store, people)

    def _some(self, values: list) -> list:
        return values if len(self.at) == len(values) else [values[place] for place in self.at.tolist()]
