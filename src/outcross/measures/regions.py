"""Which regions of human data have been lost or thinned out, by a short rule?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from outcross.data.tables import Table
from outcross.estimate import Estimate, NotApplicable, Reading
from outcross.measures import Page, Pointed, unread
from outcross.measures.of_tables import OfTables
from outcross.recipe import recipe
from outcross.statistics.embedding import embedding
from outcross.statistics.facets import Condition, Facet, of_categories, of_numbers
from outcross.statistics.floors import LEVEL
from outcross.statistics.likeness import Points, smoothed
from outcross.statistics.regions import LEAST_SHARE, Region, looked_at
from outcross.text.texts import Texts
from outcross.text.topics import topics
from outcross.wording import amount

FEWEST = 100
"""Records a side, below which no region is looked for."""
WORDS = 40
"""Words of a column of text of which is asked whether a text says them."""
SAID = (0.02, 0.6)
"""Share of texts that say such a word."""
MOST_ALIKE = 40_000
"""Records a side of pictures, vectors and texts in which regions of like records are looked for, at most."""
TOPICS = 64
"""Dimensions in which texts are compared, at most."""
EXEMPLARS = 20
"""Human records of a region that are pointed at, at most."""
NAMED = 3
"""Records or words that name a region of like records."""


@dataclass(frozen=True)
class MissingRegion:
    """A region of human data with what is missing of it, as data."""

    rule: str
    """What lives there, as in "age < 26 and job = student"."""
    conditions: tuple[Condition, ...]
    """The rule, column by column; all of them hold inside."""
    human_share: float
    """Share of human records inside, in [0, 1]."""
    missing_share: float
    """Human share less synthetic share, at least 0."""
    ratio: Estimate
    """Synthetic share over human share, with an interval that is simultaneous over the regions tested."""
    p: float
    """The chance that human against human shows a region as empty, adjusted for all regions tested."""
    weight: float | None
    """By how much each synthetic record inside would have to count for its human share; None where none is left."""
    missing_records: int
    """Records inside that are to be added to the synthetic ones so that their share is the human one."""


@dataclass(frozen=True, eq=False)
class PointedRegion(Pointed):
    """Human records of a region that is surely thinned out, and the region."""

    region: Region


@recipe
class Regions(OfTables):
    """Regions of human data in which synthetic records are missing, each named by a short rule of at most three conditions.

    Two thirds of the records of both sides propose regions, the others test them, in turn (`outcross.statistics.regions`). Regions of numbers and categories are boxes,
    `age < 26 and job = student`; of pictures, vectors and texts also records that are like each other, named by three of them or by the words that mark them. Every region
    that is surely emptier than in human data is a reading; where none is, the emptiest region that was looked at is the one reading. Nothing is capped but the memory of a table: more records
    show smaller regions, and thinner ones.
    """

    max_regions: Annotated[int, Field(ge=1, le=100)] = 20
    """The largest number of regions that are named, the surest to be thinned out first."""

    aspect = "coverage"
    by_default = False
    libraries = ("numpy", "scipy", "scikit-learn", "polars", "icu4py")
    pages = {
        "region": Page(
            "CO10", "share of a region", "Share of records of a region, over its human share; regions are found in two thirds of the records and tested in the others, intervals and p hold for all regions tested.",
            unit="ratio", healthy=1.0, collapsed="towards 0",
            margin=0.8, worse="smaller", records=(8_500, "a region of 10 % that alone is looked at"), role="support",
            paper="Kim, Lee and Lei, Electron. J. Stat. 13:5253, 2019 (local two-sample tests); Kulldorff, Commun. Stat. 26:1481, 1997; Neill, JRSS-B 74:337, 2012 (the search)",
        ),
    }  # fmt: skip

    def __call__(self, evidence, rng):
        try:
            every = regions_of(evidence.drawn, evidence.reference, rng)
        except NotApplicable as why:
            yield unread("region", str(why))
            return
        surely = surely_thinned(every)
        note = f"{len(every)} region{'s' * (len(every) != 1)} looked at, each in a third of the records that did not propose it"
        for region in surely[: self.max_regions] or [_worst(every)]:
            explained = f"; the change of {region.explained_by} alone explains it" if region.explained_by else ""
            yield Reading(
                "region", region.ratio, region.null, at=region.rule, note=note + explained, about=region.human_share,
                explained_by=region.explained_by,
            )  # fmt: skip
        for region in surely[: self.max_regions]:
            rows = _exemplars(region, evidence.reference.frame.height)
            why = f"in a region that is thinned out: {region.rule}"
            yield PointedRegion("reference", rows, np.full(rows.size, 1 - region.ratio.value), why, region)


def missing_regions(synthetic: Table, reference: Table, rng: np.random.Generator) -> list[MissingRegion]:
    """The regions of the reference that are surely thinned out, as data, the surest first; what a generator would have to fill."""
    return [as_data(region, synthetic.rows) for region in surely_thinned(regions_of(synthetic, reference, rng))]


def surely_thinned(regions: list[Region]) -> list[Region]:
    """The regions that human data would show as empty in one set of twenty at most, over all regions looked at."""
    return [region for region in regions if region.null.p is not None and region.null.p <= LEVEL]


def regions_of(synthetic: Table, reference: Table, rng: np.random.Generator) -> list[Region]:
    """The regions that were looked at, each once, the surest to be thinned out first; NotApplicable where none could be."""
    humans = reference.frame.height
    fewest = min(humans, synthetic.frame.height)
    if fewest < FEWEST:
        raise NotApplicable(f"{amount(fewest, 'record')} of a side, regions are looked for from {FEWEST}")
    facets, points = list(facets_of(reference, synthetic)), points_of(reference, synthetic, rng)
    if not facets and points is None:
        raise NotApplicable("no column of numbers, categories, vectors or text that varies")
    is_human = np.arange(humans + synthetic.frame.height) < humans
    regions = looked_at(facets, points, is_human, rng)
    if not regions:
        raise NotApplicable(f"no region that holds {LEAST_SHARE:.0%} of the human records could be looked at")
    return [region if region.conditions else replace(region, conditions=(_like(region, reference),)) for region in regions]


def facets_of(reference: Table, synthetic: Table) -> Iterator[Facet]:
    """What a rule can speak of: numbers, categories, the mean of a vector, the length of a text and whether it says a word. Human records come first."""
    import polars as pl

    for column, kind in reference.kinds.items():
        both = [side.frame[column] for side in (reference, synthetic)]
        if kind == "number":
            values = np.concatenate(_alike_written(*(side.to_numpy().astype(float) for side in both)))
            yield from _some(of_numbers(column, values, written=_as_written(reference, synthetic, column, values)))
        elif kind == "category":
            values = pl.concat(both)
            names = values.drop_nulls().unique().sort()
            places = values.rank("dense").cast(pl.Int64).fill_null(0).to_numpy() - 1
            yield from _some(of_categories(column, places, names.to_list()))
        elif kind == "vector":
            values = np.concatenate([_means(side) for side in both])
            yield from _some(of_numbers(column, values, feature="mean"))
        elif kind == "text":
            yield from _of_texts(column, _texts(pl.concat(both)))


def _alike_written(human: np.ndarray, synthetic: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers that people write whole are compared whole, so that 3.02 counts as 3: how finely a number is written is no region."""
    known = human[np.isfinite(human)]
    return human, np.rint(synthetic) if known.size and (known == np.rint(known)).all() else synthetic


def _some(facet: Facet | None) -> list[Facet]:
    return [] if facet is None else [facet]


def _as_written(reference: Table, synthetic: Table, column: str, values: np.ndarray) -> Callable[[float], str] | None:
    """How people write a value of a column of numbers: None where as a number, else as the first record that has it does (a date)."""
    raw = [side.records[column] for side in (reference, synthetic)]
    if raw[0].dtype.is_numeric():
        return None

    def written(value: float) -> str:
        at = int(np.flatnonzero(values == value)[0])
        return str(raw[0][at] if at < len(raw[0]) else raw[1][at - len(raw[0])])

    return written


def _means(values: Any) -> np.ndarray:
    """The mean of each vector, NaN where it is missing."""
    return values.arr.mean().to_numpy().astype(float)


def _texts(values: Any) -> Texts:
    return Texts([text or "" for text in values.to_list()])


def _of_texts(column: str, texts: Texts) -> Iterator[Facet]:
    yield from _some(of_numbers(column, texts.words.per_block.astype(float), feature="words"))
    lines = np.array([text.count("\n") + 1 for text in texts], dtype=float)
    yield from _some(of_numbers(column, lines, feature="lines"))
    inside = texts.words.kinds_inside
    said = np.bincount(inside.ids, minlength=len(texts.words.spellings)) / max(1, len(texts))
    ranked = np.argsort(-said, kind="stable")
    for word in [word for word in ranked if SAID[0] <= said[word] <= SAID[1]][:WORDS]:
        places = np.ones(len(texts), dtype=np.int64)
        places[inside.blocks[inside.ids == word]] = 0
        yield from _some(_of_word(column, places, texts.words.spellings[word]))


def _of_word(column: str, places: np.ndarray, word: str) -> Facet | None:
    if places.min() == places.max():
        return None
    return Facet(column, (places + 1).astype(np.int16), 3, is_ordered=False, names=(word,), feature="word")


def points_of(reference: Table, synthetic: Table, rng: np.random.Generator) -> Points | None:
    """Pictures, vectors and texts of both sides, with the numbers and categories beside them, as points; None where there are none. Human records come first."""
    import polars as pl

    written = reference.of_kind("text")
    if not written and not reference.of_kind("vector"):
        return None
    seed = int(rng.integers(1 << 32))
    rows = [np.sort(np.random.default_rng(seed).permutation(side.frame.height)[:MOST_ALIKE]) for side in (reference, synthetic)]
    human, drawn = (side.take(some) for side, some in zip((reference, synthetic), rows, strict=True))
    points = []
    if reference.of_kind("number", "category", "vector"):
        # Fitted on both sides, so that neither is nearer to what it is fitted on.
        embed = embedding(human, drawn)
        points.append(np.concatenate([embed(side) for side in (human, drawn)]))
    points += [topics(_texts(pl.concat([human.frame[column], drawn.frame[column]])).words, TOPICS, seed) for column in written]
    return smoothed(np.concatenate([rows[0], reference.frame.height + rows[1]]), np.concatenate(points, axis=1), rng)


def _like(region: Region, reference: Table) -> Condition:
    """What names a region of like records: the words that mark its texts, or else some of its human records, by their rows as they were read."""
    inside = np.flatnonzero(region.inside[: reference.frame.height])
    vectors, written = reference.of_kind("vector"), reference.of_kind("text")
    if written and not vectors:
        column = written[0]
        values = _telling(_texts(reference.frame[column]), inside)
    else:
        column = vectors[0]
        values = tuple(f"row {place}" for place in reference.places[_evenly(inside, NAMED)])
    return Condition(column, "like", values=values, words=f"{column} like {', '.join(values)}")


def _telling(texts: Texts, inside: np.ndarray) -> tuple[str, ...]:
    """The words that tell human texts of a region from the others, by the square roots of the shares of texts that say them."""
    kinds = texts.words.kinds_inside
    is_in = np.zeros(len(texts), dtype=bool)
    is_in[inside] = True
    shares = []
    for among in (is_in, ~is_in):
        said = np.bincount(kinds.ids[among[kinds.blocks]], minlength=len(texts.words.spellings))
        shares.append(said / max(1, int(among.sum())))
    ranked = np.argsort(np.sqrt(shares[1]) - np.sqrt(shares[0]), kind="stable")
    return tuple(texts.words.spellings[word] for word in ranked[:NAMED])


def _exemplars(region: Region, humans: int) -> np.ndarray:
    """Human records of a region, evenly from all of them, (records,)."""
    return _evenly(np.flatnonzero(region.inside[:humans]), EXEMPLARS)


def _evenly(rows: np.ndarray, limit: int) -> np.ndarray:
    """At most so many rows, evenly from all of them."""
    return rows[:: max(1, -(-rows.size // limit))]


def _worst(regions: list[Region]) -> Region:
    """The region that is surest to be thinned out, where none surely is: its interval reaches down as far as that of any, so that it is kept only where every region is."""
    lowest = min(region.ratio.interval[0] for region in regions)
    return replace(regions[0], ratio=replace(regions[0].ratio, low=lowest))


def as_data(region: Region, synthetic_rows: int) -> MissingRegion:
    """A region with what is missing of it among so many synthetic records."""
    share, ratio = region.human_share, region.ratio.value
    left = ratio * share
    return MissingRegion(
        rule=region.rule,
        conditions=region.conditions,
        human_share=share,
        missing_share=max(0.0, share - left),
        ratio=region.ratio,
        p=1.0 if region.null.p is None else region.null.p,
        weight=1 / ratio if ratio > 0 else None,
        # The share rises as records are added inside, and so does their number in all.
        missing_records=round(max(0.0, share - left) * synthetic_rows / max(1 - share, 1e-9)),
    )
