"""Small mixes: the pools that they are drawn from, and the loss of a learner that is trained on a small mix.

All small mixes have the same size, and learners take the same number of steps on each. Every mix draws its own sample of each pool. If mixes shared their samples,
a lucky sample would look like a good share in all mixes at once. No small mix contains a record on which losses are measured.
"""

from __future__ import annotations

import json
import math
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
from outcross.verbs.mix.mixing import Mixing
from outcross.verbs.mix.pools import Schema, fitted, tokenizer_of
from outcross.verbs.mix.search.settings import OF_EACH_POOL, MixSearch
from outcross.verbs.mix.search.small_rows import MOST_TESTED, PoolRecords, RowPlanner
from outcross.wording import amount

if TYPE_CHECKING:
    import polars

LIBRARIES = ("numpy", "polars", "scikit-learn", "scipy", "tokenizers")
TOKENS, RECORDS = 200_000, 2_000
"""The default size of a small mix of text (in tokens) and of a table (in records)."""
LEAST_BLOCKS, LEAST_RECORDS = 30, 200
"""The minimum size of a pool for small mixes, in blocks of text and in records of a table."""
TESTED_BLOCKS = 500
"""The maximum number of blocks of text on which losses are measured, for each domain."""
BYTES_A_TOKEN = 4
"""The assumed number of bytes of a token."""
HELD = 3
"""The maximum amount of a pool from which samples are drawn, as a multiple of the size of a small mix."""


@recipe
class SmallMix:
    """One small mix to try, as whole blocks or records of each pool."""

    search: MixSearch
    counts: tuple[int, ...]
    """The number of blocks or records of each pool."""
    seed: int
    """The number of the sample."""
    shares: tuple[float, ...] = ()
    """With targets, the shares before they are rounded to blocks, since targets may be too tight for rounded shares."""


@dataclass(frozen=True, eq=False)
class SmallPools:
    """The pools of small mixes and the records on which losses are measured, of text or of a table."""

    mixing: Mixing
    text: tuple[str, Any] | None
    """The text column with its type; None for tables."""
    domains: Mapping[str, Any]
    """The frames of human records from files on which losses are measured, by domain."""
    is_cross_fitted: bool = False
    """Whether losses are measured on the human records that each fit leaves out."""

    @cached_property
    def records(self) -> PoolRecords:
        return PoolRecords(self.mixing, self.is_cross_fitted)

    def planner(self, samples: Sequence[np.ndarray]) -> RowPlanner | None:
        """Return the planner that chooses rows by targets; None if there are no targets."""
        return RowPlanner(self.records, tuple(samples)) if self.mixing.asked.targets else None

    @cached_property
    def tests(self) -> dict[str, Any]:
        """The frames of human records on which losses are measured, by domain; empty if a curve is cross-fitted."""
        return _tests(self)

    @cached_property
    def encoded(self) -> TextPools | TablePools:
        return text_pools(self) if self.text is not None else table_pools(self)


@dataclass(frozen=True, eq=False)
class TextPools:
    """Samples of the pools' texts, as blocks of tokens."""

    learner: Learner
    training: Schedule | None
    start: Any
    """The learner's model before training."""
    samples: tuple[np.ndarray, ...]
    """The sample of each pool, (n, block)."""
    tests: Mapping[str, np.ndarray]
    """The blocks on which losses are measured, by domain, (n, block)."""
    a_row: np.ndarray
    """The mean number of tokens in a row of each pool, (pools,)."""
    texts: tuple[tuple[str, ...], ...]
    """The texts of each pool, with which tokens are converted to other units."""
    size: int
    """The number of blocks of a small mix."""
    records: PoolRecords
    a_unit: np.ndarray
    """The learner's tokens in one unit of the mix's budget (row, character or token) of each pool, (pools,)."""
    planner: RowPlanner | None = None
    of_rows: tuple[list[np.ndarray], ...] = ()
    """With targets, the tokens of every row of each sample."""

    @property
    def tokens(self) -> int:
        return self.size * self.samples[0].shape[1]

    def budget(self, units: np.ndarray) -> int:
        """Return the budget of a small mix with these shares, in the mix's unit, with a margin. units: the shares, (pools,)."""
        return math.ceil(MARGIN * self.tokens / float(units @ self.a_unit)) + 1

    def losses_of(self, asked: SmallMix, rng: np.random.Generator) -> Iterator[tuple[str, np.ndarray]]:
        model = self.learner.fit(as_blocks(self._learned(asked, rng)), None, self.start, self.training, rng)
        for domain, tokens in self.tests.items():
            yield domain, -np.asarray(model.log_prob(as_blocks(tokens)), dtype=float) / tokens.shape[1]

    def _learned(self, asked: SmallMix, rng: np.random.Generator) -> np.ndarray:
        """Return the blocks of a small mix, (size, block)."""
        if self.planner is not None:
            return self._aimed(asked, self.planner, rng)
        counts = np.array(asked.counts)
        if self.records.has_weights:
            rows = counts / self.a_row
            read = self.records.weighed(rows / rows.sum()) * self.a_row
            counts = counts_of(read / read.sum(), self.size)
        return np.concatenate([sample[_drawn(len(sample), count, rng)] for sample, count in zip(self.samples, counts, strict=True)])

    def _aimed(self, asked: SmallMix, planner: RowPlanner, rng: np.random.Generator) -> np.ndarray:
        """Return the blocks of a small mix whose rows are chosen by targets, (size, block)."""
        amounts = np.array(asked.shares) / self.a_unit
        units = amounts / amounts.sum()
        rows = planner(units, self.budget(units), int(rng.integers(2**40)))
        pool = np.array([place for place, _ in rows])
        times = self._times(pool)
        parts = [self.of_rows[place][row] for (place, row), often in zip(rows, times.tolist(), strict=True) for _ in range(often)]
        joined = np.concatenate(parts)
        block = self.samples[0].shape[1]
        return np.resize(joined, (self.size, block))  # surplus tokens at the end are dropped

    def _times(self, pool: np.ndarray) -> np.ndarray:
        """Return how often each row is read, according to the weights of its pool. pool: the pool of each row, (rows,)."""
        if not self.records.has_weights:
            return np.ones(len(pool), np.int64)
        rows = np.bincount(pool, minlength=len(self.samples)) / len(pool)
        weighed = self.records.weighed(rows)
        often = np.divide(weighed, rows, out=np.zeros_like(rows), where=rows > 0)
        return np.diff(np.floor(np.cumsum(often[pool]) + 0.5).astype(np.int64), prepend=0)


MARGIN = 1.1
"""The factor by which a small mix is planned larger than its tokens, because rows differ in length."""


@dataclass(frozen=True, eq=False)
class TablePools:
    """Samples of the pools' records of a table, encoded for a learner."""

    classes: int
    predictor: str
    samples: tuple[EncodedRecords, ...]
    """The sample of each pool."""
    tests: Mapping[str, EncodedRecords]
    """The records on which losses are measured, by domain."""
    size: int
    """The number of records of a small mix."""
    records: PoolRecords
    planner: RowPlanner | None = None

    def losses_of(self, asked: SmallMix, rng: np.random.Generator) -> Iterator[tuple[str, np.ndarray]]:
        taken = [sample.take(rows) for sample, rows in zip(self.samples, self._learned(asked, rng), strict=True) if rows.size]
        training = taken[0]
        for more in taken[1:]:
            training = training + more
        predict = LEARNERS[self.predictor](training, self.classes)
        for domain, records in self.tests.items():
            yield domain, losses(predict(records), records)

    def _learned(self, asked: SmallMix, rng: np.random.Generator) -> list[np.ndarray]:
        """Return for each pool the indices in its sample of the records of a small mix."""
        shares = np.array(asked.counts) / sum(asked.counts)
        counts: Sequence[int] = asked.counts
        if self.records.has_weights:
            counts = counts_of(self.records.weighed(shares), self.size)
        if self.planner is None:
            return [_drawn(len(sample), count, rng) for sample, count in zip(self.samples, counts, strict=True)]
        rows = np.array(self.planner(np.array(asked.shares), self.size, int(rng.integers(2**40))))
        fits = []
        for place, count in enumerate(counts):
            own = rows[rows[:, 0] == place, 1]
            # Rows are drawn again until their number follows the weights of the pools.
            fits.append(own if len(own) == count else own[_drawn(len(own), count if own.size else 0, rng)])
        return fits


@dataclass(frozen=True)
class MixLosses:
    """The mean loss in each domain of a learner that was trained on one small mix."""

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
    """Train on one small mix and return its losses, in nats per token, nats per record, or squared errors in human variances."""
    return MixLosses({domain: float(np.mean(values)) for domain, values in pools.encoded.losses_of(asked, rng)})


def _drawn(there: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw `count` numbers below `there` at random, all equally often to within one, (count,)."""
    passes = [rng.permutation(there)[: count - start] for start in range(0, count, there)]
    return np.concatenate([np.zeros(0, np.int64), *passes])


def counts_of(shares: np.ndarray, size: int) -> tuple[int, ...]:
    """Divide `size` blocks between shares by largest remainders."""
    weights = [exact(round(float(share), 9)) for share in np.clip(shares, 0.0, 1.0)]
    return tuple(largest_remainder(weights, [size])[0].tolist())


def text_pools(pools: SmallPools) -> TextPools:
    """Encode the texts of every pool and those for the losses in one vocabulary, which is learned from equal amounts of text from each pool."""
    records, search = pools.records, pools.records.search
    assert pools.text is not None
    learner = search.learner or Ngram(vocabulary=2048)
    form = learner.form(search.block)
    wanted = search.size or TOKENS
    tests = {name: [value for value in _texts_of(frame, pools.text) if value] for name, frame in pools.tests.items()}
    known = {text for texts in tests.values() for text in texts}
    read = [_texts_of_pool(pools, place, HELD * wanted, known) for place in range(len(records.rows))]
    texts, rows = [own for own, _ in read], [own for _, own in read]
    part = BYTES_A_TOKEN * wanted // len(texts)
    vocabulary = form.learn_vocabulary([text for own in texts for text in _beginning(own, part)])
    samples = [_stream(own, vocabulary, search.block) for own in texts]
    shortest = min(range(len(samples)), key=lambda place: len(samples[place]))
    fewest = len(samples[shortest])
    if fewest < LEAST_BLOCKS:
        raise BadInput(
            f"search: pool {records.asked.pools[shortest].name!r} has {fewest * search.block:,} tokens for small mixes, and at least "
            f"{LEAST_BLOCKS * search.block:,} are needed; give more text, or leave the pool out"
        )
    size = max(LEAST_BLOCKS, wanted // search.block) if search.size else min(wanted // search.block, fewest)
    tested = {name: _stream(own, vocabulary, search.block)[:TESTED_BLOCKS] for name, own in tests.items()}
    for name, tokens in tested.items():
        if len(tokens) < LEAST_BLOCKS:
            raise BadInput(
                f"search: the human records of {name!r} have {len(tokens) * search.block:,} tokens to measure a loss on, and at least "
                f"{LEAST_BLOCKS * search.block:,} are needed; give more text"
            )
    human = Human(training=part_of(HUMAN, as_blocks(samples[0][:1])), vocabulary=vocabulary)
    training = _training(learner, search, size)
    lengths = [list(map(len, vocabulary.encode(own))) for own in texts]
    text_pools_held = TextPools(
        learner=learner,
        training=training,
        start=learner.begin(human, training, stream(records.asked.seed, "mix", "search", "start")),
        samples=tuple(samples),
        tests=tested,
        a_row=np.array([np.mean(own) for own in lengths]),
        texts=tuple(map(tuple, texts)),
        size=size,
        records=records,
        a_unit=np.ones(len(texts)),
        planner=pools.planner(rows),
        of_rows=tuple(vocabulary.encode([f"{text}\n" for text in own]) for own in texts) if records.asked.targets else (),
    )
    return replace(text_pools_held, a_unit=_of_one_unit(records.asked, text_pools_held))


def _of_one_unit(asked: MixRecipe, pools: TextPools) -> np.ndarray:
    """Return the learner's tokens in one unit of the budget (row, character or token) of each pool, (pools,)."""
    if asked.unit == "rows":
        return pools.a_row
    if asked.unit == "characters":
        counts = [sum(map(len, own)) for own in pools.texts]
    else:
        tokenizer = tokenizer_of(asked.tokenizer)
        counts = [
            sum(len(encoding.ids) for encoding in tokenizer.encode_batch_fast(list(own), add_special_tokens=False))
            for own in pools.texts
        ]
    return pools.a_row * np.array([len(own) / max(count, 1) for own, count in zip(pools.texts, counts, strict=True)])


def _training(learner: Learner, search: MixSearch, size: int) -> Schedule | None:
    """Return the training schedule with equal steps for every mix, from random weights; None for a learner without steps."""
    if not learner.trains:
        return None
    training = search.training or Schedule(tokens=size * search.block, batch=min(32, size))
    return learner.schedule(replace(training, start=Scratch()))


def table_pools(pools: SmallPools) -> TablePools:
    """Encode the records of every pool and those for the losses, with an encoding that is fitted to the human records."""
    import polars as pl

    records, search = pools.records, pools.records.search
    schema = records.mixing.schema
    columns = [name for name in schema if schema[name] != pl.Null]
    tests = pools.tests
    wanted = search.size or RECORDS
    drawn = [records.sample_of(place, HELD * wanted) for place in range(len(records.rows))]
    frames = [records.frame_of(place, own, columns) for place, own in enumerate(drawn)]
    try:
        given = [*tests.items(), *((pool.name, frame) for pool, frame in zip(records.asked.pools, frames, strict=True))]
        tables = alike([table(frame, name) for name, frame in given]).tables
        asked = task(tables[0], search.column)
        encoded, places = zip(*(_in_order(*asked.records(own_table), own_table.places) for own_table in tables), strict=True)
    except NotApplicable as why:
        raise BadInput(f"search.column: {why}") from None
    samples = encoded[len(tests) :]
    fewest = min(map(len, samples))
    if fewest < LEAST_RECORDS:
        name = records.asked.pools[min(range(len(samples)), key=lambda place: len(samples[place]))].name
        raise BadInput(
            f"search: pool {name!r} has {amount(fewest, 'record')} with {search.column!r} for small mixes, and at least {LEAST_RECORDS} are needed; give more, or leave the pool out"
        )
    size = search.size or min(wanted, fewest)
    rows = [own[known] for own, known in zip(drawn, places[len(tests) :], strict=True)]
    return TablePools(
        classes=len(asked.classes),
        predictor=search.predictor,
        samples=tuple(samples),
        tests=dict(zip(tests, encoded, strict=False)),
        size=size,
        records=records,
        planner=pools.planner(rows),
    )


def _in_order(records: EncodedRecords, rows: np.ndarray, places: np.ndarray) -> tuple[EncodedRecords, np.ndarray]:
    """Return the records that have a target, sorted by reading order, and their indices in that order."""
    order = np.argsort(places[rows], kind="stable")
    return records.take(order), places[rows][order]


def _tests(pools: SmallPools) -> dict[str, Any]:
    """Return the frames of human records on which losses are measured, by domain."""
    import polars as pl

    if pools.domains:
        return dict(pools.domains)
    records = pools.records
    schema = records.mixing.schema
    columns = [pools.text[0]] if pools.text else [name for name in schema if schema[name] != pl.Null]
    frames = {
        records.asked.pools[place].name: records.read_frame(place, np.sort(rows), columns) for place, rows in records.tested.items()
    }
    if not frames and not records.is_cross_fitted:
        raise BadInput("search: no human row is left to measure a loss on; give more human rows, or search.validation: FILE")
    if not frames:
        return {}
    return frames if records.search.validation == OF_EACH_POOL else {"human": pl.concat(list(frames.values()))}


def domain_frame(path: str, schema: Schema, columns: Sequence[str], seed: int) -> polars.DataFrame:
    """Read human records from a file for the losses: at most 2,000 random records, with the columns of the mix. Raises BadInput if a column is missing."""
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
    """Return the text of every row, or the contents of its messages; empty for a missing text."""
    import polars as pl

    column = frame[text[0]]
    if column.dtype != pl.String:
        contents = pl.element().struct.field("content").cast(pl.String)
        column = column.to_frame().select(pl.col(text[0]).list.eval(contents).list.join("\n", ignore_nulls=True)).to_series()
    return [value[:LONGEST] for value in column.fill_null("").to_list()]


def _texts_of_pool(pools: SmallPools, place: int, tokens: int, known: set[str]) -> tuple[list[str], np.ndarray]:
    """Return random texts of a pool with about this number of tokens, or all its texts, and their indices among the rows that may be trained on."""
    records, text = pools.records, pools.text
    assert text is not None
    needed, rows = tokens * BYTES_A_TOKEN, 1_000
    while True:
        sample = records.sample_of(place, rows)
        values = _texts_of(records.frame_of(place, sample, [text[0]]), text)
        kept = [number for number, value in enumerate(values) if value and value not in known]
        texts = [values[number] for number in kept]
        characters = sum(map(len, texts))
        if characters >= needed or rows >= records.scans[place].rows:
            chosen = _beginning(texts, needed)
            return chosen, sample[np.array(kept, dtype=np.int64)[: len(chosen)]]
        rows = min(records.scans[place].rows, max(2 * rows, int(1.2 * rows * needed / max(characters, 1))))


LONGEST = 200_000
"""The maximum number of characters of one text that a small mix reads."""


def _beginning(texts: Sequence[str], characters: int) -> list[str]:
    """Return the first texts that have this number of characters together; all if they have fewer."""
    reached = np.cumsum([len(text) for text in texts])
    return list(texts[: int(np.searchsorted(reached, characters)) + 1])


def _stream(texts: Sequence[str], vocabulary: Any, block: int) -> np.ndarray:
    """Join texts, each with a line break, and return them as blocks of tokens, (n, block). An incomplete last block is dropped."""
    tokens = vocabulary.encode([f"{text}\n" for text in texts])
    joined = np.concatenate([np.zeros(0, np.int32), *tokens])
    return joined[: len(joined) // block * block].reshape(-1, block)


def as_blocks(tokens: np.ndarray) -> Blocks:
    """Return Blocks of which only the tokens are used."""
    return blocks(tokens, [""] * len(tokens), np.zeros(len(tokens), np.int32))
