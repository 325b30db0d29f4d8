"""Small mixes: what they are drawn from, and the loss of a learner that is trained on one.

All mixes are of one size and are learned from in equal steps. Each draws its own sample of every pool: were samples shared, a lucky one would look like a
good share in all mixes at once. No mix holds a record that losses are measured on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from outcross.data import HUMAN, Human, part_of
from outcross.data.records import Blocks, blocks
from outcross.data.shares import exact, largest_remainder
from outcross.data.tables import alike, table
from outcross.errors import BadInput
from outcross.estimate import NotApplicable
from outcross.files.reading import read
from outcross.files.whole import read_text, write_whole
from outcross.ledger import stream, verb
from outcross.models import Learner
from outcross.models.ngram import Ngram
from outcross.models.schedule import Schedule, Scratch
from outcross.recipe import recipe
from outcross.statistics.prediction import LEARNERS, EncodedRecords, losses, task
from outcross.verbs.mix.asked import MixRecipe
from outcross.verbs.mix.draws import sequence
from outcross.verbs.mix.pools import OpenPool, ScannedPool, Schema, fitted
from outcross.verbs.mix.search_asked import OF_EACH_POOL, MixSearch
from outcross.verbs.mix.work import Mixing

if TYPE_CHECKING:
    import polars

LIBRARIES = ("numpy", "polars", "scikit-learn", "scipy", "tokenizers")
TOKENS, RECORDS = 200_000, 2_000
"""Of a small mix of text, and of a table."""
LEAST_BLOCKS, LEAST_RECORDS = 30, 200
"""Of the smallest pool, below which small mixes say nothing."""
TESTED = 0.1
"""Share of the human pools that losses are measured on where no file is named."""
MOST_TESTED = 2_000
"""Records that they are measured on, at most, a domain."""
TESTED_BLOCKS = 500
"""Blocks of text that they are measured on, at most, a domain."""
BYTES_A_TOKEN = 4
HELD = 3
"""Times the size of a mix that is held of a pool, at most, for samples to be drawn from."""


@recipe
class SmallMix:
    """One mix that is tried: whole blocks, or records, of each pool."""

    search: MixSearch
    counts: tuple[int, ...]
    seed: int
    """The number of the sample."""


@dataclass(frozen=True, eq=False)
class PoolRecords:
    """Pools that rows are drawn from."""

    asked: MixRecipe
    pools: tuple[OpenPool, ...]
    scans: tuple[ScannedPool, ...]
    schema: Schema

    @property
    def search(self) -> MixSearch:
        assert self.asked.search is not None
        return self.asked.search

    @cached_property
    def tested(self) -> dict[int, np.ndarray]:
        """The rows of human pools that losses are measured on, by the pool: (n,)."""
        if self.search.domains:
            return {}
        return {
            place: sequence(
                scan, min(MOST_TESTED, max(1, int(scan.rows * TESTED))), self.asked.seed, f"{pool.name} validation"
            ).rows
            for place, (pool, scan) in enumerate(zip(self.asked.pools, self.scans, strict=True))
            if pool.is_human and scan.rows > 1
        }

    def sample_of(self, pool: int, rows: int) -> np.ndarray:
        """So many random rows of a pool, without those that losses are measured on; fewer where it has fewer. (n,)"""
        name, tested = self.asked.pools[pool].name, self.tested.get(pool, np.zeros(0, np.int64))
        count = min(self.scans[pool].rows, rows + len(tested))
        drawn = sequence(self.scans[pool], count, self.asked.seed, f"{name} search").rows
        return drawn[~np.isin(drawn, tested)][:rows]

    def rows_of(self, pool: int, wanted: np.ndarray, columns: Sequence[str]) -> polars.DataFrame:
        """These rows of a pool, in their order. wanted: (n,), none twice"""
        import polars as pl

        schema = {name: self.schema[name] for name in columns}
        order = np.argsort(wanted, kind="stable")
        ascending, found, start = wanted[order], [pl.DataFrame(schema=schema)], 0
        for batch in self.pools[pool].batches([name for name in columns if name in self.pools[pool].schema]):
            low, high = np.searchsorted(ascending, [start, start + batch.height])
            if low < high:
                found.append(fitted(batch[ascending[low:high] - start], schema))
            start += batch.height
        return pl.concat(found)[np.argsort(order, kind="stable")]


@dataclass(frozen=True, eq=False)
class SmallPools:
    """What small mixes are made of and tested on: `text` or `table`."""

    mixing: Mixing
    text: tuple[str, Any] | None
    """The column of text with its type; None for tables."""
    domains: Mapping[str, Any]
    """Human records that losses are measured on, by the domain that a file is named for: frames."""

    @cached_property
    def records(self) -> PoolRecords:
        mixing = self.mixing
        return PoolRecords(mixing.asked, mixing.pools, mixing.scans, mixing.schema)

    @cached_property
    def held(self) -> TextPools | TablePools:
        return text_pools(self) if self.text is not None else table_pools(self)


@dataclass(frozen=True, eq=False)
class TextPools:
    """Samples of texts, as blocks of tokens."""

    learner: Learner
    training: Schedule | None
    start: Any
    """The learner's model before it has read anything."""
    samples: tuple[np.ndarray, ...]
    """By pool: (n, block)."""
    tests: Mapping[str, np.ndarray]
    """By domain: (n, block)."""
    a_row: np.ndarray
    """Tokens a row of each pool: (pools,)."""
    texts: tuple[tuple[str, ...], ...]
    """Texts of each pool, by which its tokens are counted in other units."""
    size: int
    """Blocks of a small mix."""

    @property
    def tokens(self) -> int:
        return self.size * self.samples[0].shape[1]

    def losses_of(self, asked: SmallMix, rng: np.random.Generator) -> Iterator[tuple[str, np.ndarray]]:
        taken = [sample[_drawn(len(sample), count, rng)] for sample, count in zip(self.samples, asked.counts, strict=True)]
        model = self.learner.fit(_blocks(np.concatenate(taken)), None, self.start, self.training, rng)
        for domain, tokens in self.tests.items():
            yield domain, -np.asarray(model.log_prob(_blocks(tokens)), dtype=float) / tokens.shape[1]


@dataclass(frozen=True, eq=False)
class TablePools:
    """Samples of records of tables, as a learner sees them."""

    classes: int
    predictor: str
    samples: tuple[EncodedRecords, ...]
    """By pool."""
    tests: Mapping[str, EncodedRecords]
    """By domain."""
    size: int
    """Records of a small mix."""

    def losses_of(self, asked: SmallMix, rng: np.random.Generator) -> Iterator[tuple[str, np.ndarray]]:
        counted = [(sample, count) for sample, count in zip(self.samples, asked.counts, strict=True) if count]
        taken = [sample.take(_drawn(len(sample), count, rng)) for sample, count in counted]
        training = taken[0]
        for more in taken[1:]:
            training = training + more
        predict = LEARNERS[self.predictor](training, self.classes)
        for domain, records in self.tests.items():
            yield domain, losses(predict(records), records)


@dataclass(frozen=True)
class MixLosses:
    """The mean loss on each domain of a learner that was trained on one small mix."""

    by_domain: Mapping[str, float]

    def __len__(self) -> int:
        return len(self.by_domain)

    def save(self, folder: Path) -> None:
        write_whole(folder / FILE, json.dumps(self.by_domain, ensure_ascii=False))

    @classmethod
    def load(cls, folder: Path) -> MixLosses:
        return cls(json.loads(read_text(folder / FILE)))


FILE = "losses.json"


@verb(LIBRARIES, 0, load=lambda folder, digest, asked, pools: MixLosses.load(folder), learns=True)
def small_mix(asked: SmallMix, pools: SmallPools, *, rng: np.random.Generator) -> MixLosses:
    """Train on one small mix: nats a token, nats a record, or squared errors in human variances."""
    return MixLosses({domain: float(np.mean(values)) for domain, values in pools.held.losses_of(asked, rng)})


def _drawn(there: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """So many of the numbers below `there`, at random: each as often as another, to within one. (count,)"""
    passes = [rng.permutation(there)[: count - start] for start in range(0, count, there)]
    return np.concatenate([np.zeros(0, np.int64), *passes])


def counts_of(shares: np.ndarray, size: int) -> tuple[int, ...]:
    """How many of so many blocks each share gets, by largest remainders."""
    weights = [exact(round(float(share), 9)) for share in np.clip(shares, 0.0, 1.0)]
    return tuple(largest_remainder(weights, [size])[0].tolist())


def text_pools(pools: SmallPools) -> TextPools:
    """Texts of every pool, and those that losses are measured on, in one vocabulary, which is learned from as much text of each pool."""
    records, search = pools.records, pools.records.search
    assert pools.text is not None
    learner = search.learner or Ngram(vocabulary=2048)
    form = learner.form(search.block)
    wanted = search.size or TOKENS
    tests = {name: [value for value in _texts_of(frame, pools.text) if value] for name, frame in _tests(pools).items()}
    known = {text for texts in tests.values() for text in texts}
    texts = [_texts_of_pool(pools, place, HELD * wanted, known) for place in range(len(records.pools))]
    part = BYTES_A_TOKEN * wanted // len(texts)
    vocabulary = form.learn_vocabulary([text for own in texts for text in _beginning(own, part)])
    samples = [_stream(own, vocabulary, search.block) for own in texts]
    shortest = min(range(len(samples)), key=lambda place: len(samples[place]))
    least = len(samples[shortest])
    if least < LEAST_BLOCKS:
        raise BadInput(
            f"search: pool {records.asked.pools[shortest].name!r} holds {least * search.block:,} tokens for small mixes, at least "
            f"{LEAST_BLOCKS * search.block:,} are needed; give more text, or leave the pool out"
        )
    size = max(LEAST_BLOCKS, wanted // search.block) if search.size else min(wanted // search.block, least)
    tested = {name: _stream(own, vocabulary, search.block)[:TESTED_BLOCKS] for name, own in tests.items()}
    for name, tokens in tested.items():
        if len(tokens) < LEAST_BLOCKS:
            raise BadInput(
                f"search: the human records of {name!r} hold {len(tokens) * search.block:,} tokens to measure a loss on, at least "
                f"{LEAST_BLOCKS * search.block:,} are needed; give more text"
            )
    human = Human(training=part_of(HUMAN, _blocks(samples[0][:1])), vocabulary=vocabulary)
    training = _training(learner, search, size)
    lengths = [list(map(len, vocabulary.encode(own))) for own in texts]
    return TextPools(
        learner=learner,
        training=training,
        start=learner.begin(human, training, stream(records.asked.seed, "mix", "search", "start")),
        samples=tuple(samples),
        tests=tested,
        a_row=np.array([np.mean(own) for own in lengths]),
        texts=tuple(map(tuple, texts)),
        size=size,
    )


def _training(learner: Learner, search: MixSearch, size: int) -> Schedule | None:
    """Equal steps for every mix, from random weights; None for a learner that has no steps."""
    if not learner.trains:
        return None
    training = search.training or Schedule(tokens=size * search.block, batch=min(32, size))
    return learner.schedule(replace(training, start=Scratch()))


def table_pools(pools: SmallPools) -> TablePools:
    """Records of every pool, and those that losses are measured on, encoded as the human ones say."""
    import polars as pl

    records, search = pools.records, pools.records.search
    columns = [name for name in records.schema if records.schema[name] != pl.Null]
    tests = _tests(pools)
    wanted = search.size or RECORDS
    frames = [records.rows_of(place, records.sample_of(place, HELD * wanted), columns) for place in range(len(records.pools))]
    try:
        given = [*tests.items(), *((pool.name, frame) for pool, frame in zip(records.asked.pools, frames, strict=True))]
        tables = alike([table(frame, name) for name, frame in given]).tables
        asked = task(tables[0], search.column)
        encoded = [_in_order(*asked.records(one), one.places) for one in tables]
    except NotApplicable as why:
        raise BadInput(f"search.column: {why}") from None
    samples = encoded[len(tests) :]
    least = min(map(len, samples))
    if least < LEAST_RECORDS:
        name = records.asked.pools[min(range(len(samples)), key=lambda place: len(samples[place]))].name
        raise BadInput(
            f"search: pool {name!r} holds {least:,} records with {search.column!r} for small mixes, at least {LEAST_RECORDS} are needed; give more, or leave the pool out"
        )
    size = search.size or min(wanted, least)
    return TablePools(len(asked.classes), search.predictor, tuple(samples), dict(zip(tests, encoded, strict=False)), size)


def _in_order(records: EncodedRecords, rows: np.ndarray, places: np.ndarray) -> EncodedRecords:
    """Records that have a target, in the order in which they were read."""
    return records.take(np.argsort(places[rows], kind="stable"))


def _tests(pools: SmallPools) -> dict[str, Any]:
    """Human records that losses are measured on, by domain: frames."""
    import polars as pl

    if pools.domains:
        return dict(pools.domains)
    records = pools.records
    columns = [pools.text[0]] if pools.text else [name for name in records.schema if records.schema[name] != pl.Null]
    frames = {
        records.asked.pools[place].name: records.rows_of(place, np.sort(rows), columns) for place, rows in records.tested.items()
    }
    return frames if records.search.validation == OF_EACH_POOL else {"human": pl.concat(list(frames.values()))}


def domain_frame(path: str, schema: Schema, columns: Sequence[str], seed: int) -> polars.DataFrame:
    """Human records of a file that losses are measured on: at most 2,000 random ones, the columns of the mix. BadInput where it lacks one."""
    import polars as pl

    source = read(path)
    if lacking := [name for name in columns if name not in source.columns]:
        raise BadInput(f"search.validation: {path} has no column {lacking[0]!r}; it has {', '.join(source.columns)[:200]}")
    frame = pl.concat(list(source.batches(columns)), how="vertical_relaxed")
    if not frame.height:
        raise BadInput(f"search.validation: {path} has no records; give human records")
    if frame.height > MOST_TESTED:
        frame = frame[np.sort(stream(seed, "mix", "search", "validation").permutation(frame.height)[:MOST_TESTED])]
    return fitted(frame, {name: schema[name] for name in columns})


def _texts_of(frame: polars.DataFrame, text: tuple[str, Any]) -> list[str]:
    """The text of every row, or the contents of its messages; an empty one where it is missing."""
    import polars as pl

    column = frame[text[0]]
    if column.dtype != pl.String:
        contents = pl.element().struct.field("content").cast(pl.String)
        column = column.to_frame().select(pl.col(text[0]).list.eval(contents).list.join("\n", ignore_nulls=True)).to_series()
    return [value[:LONGEST] for value in column.fill_null("").to_list()]


def _texts_of_pool(pools: SmallPools, place: int, tokens: int, known: set[str]) -> list[str]:
    """Random texts of a pool that make about so many tokens, or all that it has."""
    records, text = pools.records, pools.text
    assert text is not None
    needed, rows = tokens * BYTES_A_TOKEN, 1_000
    while True:
        values = _texts_of(records.rows_of(place, records.sample_of(place, rows), [text[0]]), text)
        texts = [value for value in values if value and value not in known]
        held = sum(map(len, texts))
        if held >= needed or rows >= records.scans[place].rows:
            return _beginning(texts, needed)
        rows = min(records.scans[place].rows, max(2 * rows, int(1.2 * rows * needed / max(held, 1))))


LONGEST = 200_000
"""Characters of one text that a small mix reads."""


def _beginning(texts: Sequence[str], characters: int) -> list[str]:
    """The first texts that make so many characters; all, where they make fewer."""
    reached = np.cumsum([len(text) for text in texts])
    return list(texts[: int(np.searchsorted(reached, characters)) + 1])


def _stream(texts: Sequence[str], vocabulary: Any, block: int) -> np.ndarray:
    """Texts one after the other, each with a line break, as blocks of tokens: (n, block). What is left at the end is dropped."""
    tokens = vocabulary.encode([f"{text}\n" for text in texts])
    joined = np.concatenate([np.zeros(0, np.int32), *tokens])
    return joined[: len(joined) // block * block].reshape(-1, block)


def _blocks(tokens: np.ndarray) -> Blocks:
    """Blocks of which the tokens alone are looked at."""
    return blocks(tokens, [""] * len(tokens), np.zeros(len(tokens), np.int32))
