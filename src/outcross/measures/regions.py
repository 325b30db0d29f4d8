"""Which regions of human data have been lost or become rarer? Each region is named by a short rule."""

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
"""Minimum number of records per side. With fewer, no region is searched for."""
WORDS = 40
"""Maximum number of words of a column of text that rules may use (a text contains the word or not)."""
SAID = (0.02, 0.6)
"""Smallest and largest share of texts that contain such a word."""
MOST_ALIKE = 40_000
"""Maximum number of records per side, of pictures, vectors and texts, in which regions of similar records are searched for."""
TOPICS = 64
"""Maximum number of dimensions in which texts are compared."""
EXEMPLARS = 20
"""Maximum number of human records of a region that are pointed at."""
NAMED = 3
"""Number of records or words that name a region of similar records."""


@dataclass(frozen=True)
class MissingRegion:
    """A region of human data in which synthetic records are missing, as plain data."""

    rule: str
    """The rule that describes the region, such as "age < 26 and job = student"."""
    conditions: tuple[Condition, ...]
    """The rule column by column. All conditions hold inside the region."""
    human_share: float
    """Share of human records inside, in [0, 1]."""
    missing_share: float
    """Human share less synthetic share, at least 0."""
    ratio: Estimate
    """Synthetic share divided by human share, with an interval that is simultaneous over all regions tested."""
    p: float
    """Probability that a comparison of human with human records finds a region this empty, adjusted for all regions tested."""
    weight: float | None
    """The weight that each synthetic record inside must have for the region to have its human share, if all other records have the weight 1. None if the
    region has no synthetic record."""
    missing_records: int
    """Number of records inside the region to add to the synthetic data, so that the region has its human share."""


@dataclass(frozen=True, eq=False)
class PointedRegion(Pointed):
    """Human records of a region that is significantly thinned out, with the region."""

    region: Region


@recipe
class Regions(OfTables):
    """Regions of human data in which synthetic records are missing, each named by a short rule of at most three conditions.

    Two thirds of the records of both sides propose regions and the other third tests them; each third tests in turn (`outcross.statistics.regions`).
    Regions of numbers and categories are boxes, such as `age < 26 and job = student`. In pictures, vectors and texts, a region can also be a set of
    similar records, named by three of them or by their characteristic words. Every region that is significantly emptier than in human data has a
    reading. If there is none, the only reading is that of the emptiest region examined. More records show smaller regions and smaller losses. The
    number of records in memory is the only cap.
    """

    max_regions: Annotated[int, Field(ge=1, le=100)] = 20
    """Maximum number of regions that are reported."""

    aspect = "coverage"
    by_default = False
    libraries = ("numpy", "scipy", "scikit-learn", "polars", "icu4py")
    pages = {
        "region": Page(
            "CO10", "share of a region", "Share of synthetic records in a region, divided by its human share. Regions are proposed by two thirds of the records and tested on the others. Intervals and p-values hold for all tested regions together.",
            unit="ratio", healthy=1.0, collapsed="towards 0",
            margin=0.8, worse="smaller", records=(8_500, "a region of 10 % that is the only one tested"), role="support",
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
        note = f"{len(every)} region{'s' * (len(every) != 1)} tested, each on the third of the records that did not propose it"
        for region in surely[: self.max_regions] or [_worst(every)]:
            explained = f"; the change of {region.explained_by} alone explains it" if region.explained_by else ""
            yield Reading(
                "region", region.ratio, region.null, at=region.rule, note=note + explained, about=region.human_share,
                explained_by=region.explained_by,
            )  # fmt: skip
        for region in surely[: self.max_regions]:
            rows = _exemplars(region, evidence.reference.frame.height)
            why = f"in a region with missing synthetic records: {region.rule}"
            yield PointedRegion("reference", rows, np.full(rows.size, 1 - region.ratio.value), why, region)


def missing_regions(synthetic: Table, reference: Table, rng: np.random.Generator) -> list[MissingRegion]:
    """Return the regions of the reference that are significantly thinned out, as plain data, the most significant first.

    These are the regions that a generator would have to fill.
    """
    return [as_data(region, synthetic.rows) for region in surely_thinned(regions_of(synthetic, reference, rng))]


def surely_thinned(regions: list[Region]) -> list[Region]:
    """Return the regions whose adjusted p-value is at most 5 %.

    In human data, at most one set in twenty would show any such region, over all regions tested.
    """
    return [region for region in regions if region.null.p is not None and region.null.p <= LEVEL]


def regions_of(synthetic: Table, reference: Table, rng: np.random.Generator) -> list[Region]:
    """Return the regions that were tested, each once, the most significantly thinned out first. Raises NotApplicable if no region could be tested."""
    humans = reference.frame.height
    fewest = min(humans, synthetic.frame.height)
    if fewest < FEWEST:
        raise NotApplicable(f"{amount(fewest, 'record')} on the smaller side, but regions need at least {FEWEST}")
    facets, points = list(facets_of(reference, synthetic)), points_of(reference, synthetic, rng)
    if not facets and points is None:
        raise NotApplicable("no column of numbers, categories, vectors or text that varies")
    is_human = np.arange(humans + synthetic.frame.height) < humans
    regions = looked_at(facets, points, is_human, rng)
    if not regions:
        raise NotApplicable(f"no region with at least {LEAST_SHARE:.0%} of the human records could be tested")
    return [region if region.conditions else replace(region, conditions=(_like(region, reference),)) for region in regions]


def facets_of(reference: Table, synthetic: Table) -> Iterator[Facet]:
    """Yield the features that rules can use: numbers, categories, the mean of a vector, the length of a text, and whether a text contains a word.

    Human records come first.
    """
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
    """Round the synthetic numbers if all human numbers are whole, so that 3.02 counts as 3. A different precision is no missing region."""
    known = human[np.isfinite(human)]
    return human, np.rint(synthetic) if known.size and (known == np.rint(known)).all() else synthetic


def _some(facet: Facet | None) -> list[Facet]:
    return [] if facet is None else [facet]


def _as_written(reference: Table, synthetic: Table, column: str, values: np.ndarray) -> Callable[[float], str] | None:
    """Return a function that writes a value of a column as the first record with that value does, for instance as a date.

    None for numeric columns.
    """
    raw = [side.records[column] for side in (reference, synthetic)]
    if raw[0].dtype.is_numeric():
        return None

    def written(value: float) -> str:
        at = int(np.flatnonzero(values == value)[0])
        return str(raw[0][at] if at < len(raw[0]) else raw[1][at - len(raw[0])])

    return written


def _means(values: Any) -> np.ndarray:
    """Return the mean of each vector, NaN if the vector is missing."""
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
    """Return pictures, vectors and texts of both sides as points, together with the numbers and categories of the records. Human records come first.

    Returns None if the table has no pictures, vectors or texts.
    """
    import polars as pl

    written = reference.of_kind("text")
    if not written and not reference.of_kind("vector"):
        return None
    seed = int(rng.integers(1 << 32))
    rows = [np.sort(np.random.default_rng(seed).permutation(side.frame.height)[:MOST_ALIKE]) for side in (reference, synthetic)]
    human, drawn = (side.take(some) for side, some in zip((reference, synthetic), rows, strict=True))
    points = []
    if reference.of_kind("number", "category", "vector"):
        # The embedding is fitted on both sides, so that it favours neither.
        embed = embedding(human, drawn)
        points.append(np.concatenate([embed(side) for side in (human, drawn)]))
    points += [topics(_texts(pl.concat([human.frame[column], drawn.frame[column]])).words, TOPICS, seed) for column in written]
    return smoothed(np.concatenate([rows[0], reference.frame.height + rows[1]]), np.concatenate(points, axis=1), rng)


def _like(region: Region, reference: Table) -> Condition:
    """Return the condition that names a region of similar records: the characteristic words of its texts, or else the row numbers of some human
    records."""
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
    """Return the characteristic words of the human texts of a region.

    They have the largest difference, between the region and the other texts, of the square roots of the shares of texts that contain them.
    """
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
    """Return some human records of a region, evenly spaced among all of them, (records,)."""
    return _evenly(np.flatnonzero(region.inside[:humans]), EXEMPLARS)


def _evenly(rows: np.ndarray, limit: int) -> np.ndarray:
    """Return at most `limit` rows, evenly spaced."""
    return rows[:: max(1, -(-rows.size // limit))]


def _worst(regions: list[Region]) -> Region:
    """Return the region that is most likely thinned out, if no region significantly is.

    The lower end of its interval is the lowest of all regions, so that it counts as kept only if every region is kept.
    """
    lowest = min(region.ratio.interval[0] for region in regions)
    return replace(regions[0], ratio=replace(regions[0].ratio, low=lowest))


def as_data(region: Region, synthetic_rows: int) -> MissingRegion:
    """Return a region as plain data, with the number of missing records among `synthetic_rows` synthetic records."""
    share, ratio = region.human_share, region.ratio.value
    left = ratio * share
    return MissingRegion(
        rule=region.rule,
        conditions=region.conditions,
        human_share=share,
        missing_share=max(0.0, share - left),
        ratio=region.ratio,
        p=1.0 if region.null.p is None else region.null.p,
        # Only the records inside get the weight, so that the total weight grows with it.
        weight=share * (1 - left) / (left * max(1 - share, 1e-9)) if left > 0 else None,
        # Adding records inside raises both the number inside and the total number.
        missing_records=round(max(0.0, share - left) * synthetic_rows / max(1 - share, 1e-9)),
    )
