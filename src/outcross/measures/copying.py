"""Is it new, or has it been copied?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from pydantic import Field

from outcross.estimate import Estimate, NotApplicable, Null
from outcross.measures import Evidence, Page, Pointed, read_with_null, unread
from outcross.measures.coverage import some
from outcross.measures.of_tables import OfTables
from outcross.recipe import recipe
from outcross.statistics.beyond import farthest, limit, more_beyond
from outcross.statistics.embedding import embedding
from outcross.statistics.floors import larger_share
from outcross.statistics.neighbours import nearest
from outcross.statistics.repeats import Occurrences, Repeats, found_in, hashes_of, seen_again
from outcross.statistics.sketches import gather

CLOSER = (0.01, 0.05)
FEWEST = 100
"""Human records that are held against the reference, below which no quantile of 1 % can be had."""
POINTED = 200
"""Records that are pointed at, at most."""


@recipe
class Copying(OfTables):
    """Exact and near copies of reference records among synthetic ones, beyond what fresh human records show.

    What fresh human records show comes from the holdout: how many of them stand in the reference too, and how close they come. Without a holdout each reference record is held against
    all others, which is what a fresh one would find. Synthetic records are never pooled with human ones. Exact copies are counted over all rows and
    all columns (texts and series too); near copies on a random choice of records.

    A distance to the closest record is small where human records crowd, too: records that a model drew at a low temperature, all of them typical, look like copies by
    it (54 % of those at temperature 0.1 of Adult, where 1 % of human ones do; 12 % by the distance used here). So it is divided by the distance from that closest record to its own nearest human neighbour.
    """

    points: Annotated[int, Field(ge=FEWEST, le=25_000)] = 2_500
    """Records a side whose nearest reference record is looked for, at most."""
    reference: Annotated[int, Field(ge=FEWEST)] = 25_000
    """Reference records among which it is looked for, at most."""

    aspect = "copying"
    compares_with = "training"
    pages = {
        # A copy takes nothing away: equal sets have lost nothing, nor has a mix that holds its human records. It is what fresh human data do not have: `invented`.
        "exact": Page(
            "CP1", "exact copies", "Share of synthetic records equal to a reference record in every column. Copies take nothing away, so they are no loss; but fresh human data have fewer, and a copy adds nothing and counts twice.",
            unit="fraction", healthy="what real data of this size show", collapsed="rises above what is healthy",
            margin=0.01, worse="larger", of="difference", is_invention=True, role="copying", paper="Good, Biometrika 40:237, 1953 (what fresh human records repeat); Alaa et al., ICML 2022, arXiv 2102.08921 (authenticity)",
        ),
        "near": Page(
            "CP2", "near copies", "Share of synthetic records as close to their nearest reference record as the closest 1 % (or 5 %) of fresh human records are, distances in units of that record's own to its nearest human neighbour. No loss, as for exact copies.",
            unit="fraction", healthy="what real data of this size show", collapsed="grows",
            margin=0.5, worse="larger", is_invention=True, role="copying", paper="Platzer and Reutterer, Front. Big Data 4:679939, 2021 (distance to the closest record, against a holdout); Alaa et al., ICML 2022, arXiv 2102.08921 (against the record's own neighbour)",
        ),
    }  # fmt: skip

    def sketches(self, evidence):
        return {"rows": Repeats(list(evidence.reference.kinds))}

    def __call__(self, evidence, rng):
        synthetic, reference = evidence.counted["rows"]
        holdout = gather(evidence.holdout, self.sketches(evidence))["rows"] if evidence.has("holdout") else None
        note = (
            ""
            if synthetic.largest is None and reference.largest is None
            else "of records with the smallest hashes, a million distinct ones"
        )
        yield read_with_null("exact", lambda: _exact(synthetic, reference, holdout), note=note)
        hashes = hashes_of(evidence.drawn.frame, list(evidence.reference.kinds))
        is_copy = np.isin(hashes, reference.hashes)
        yield from _pointed(np.flatnonzero(is_copy), np.ones(is_copy.size), "a copy of a human record")
        try:
            closeness = self._closeness(evidence, rng)
        except NotApplicable as why:
            yield from (unread("near", str(why), at=f"{closer:.0%}") for closer in CLOSER)
            return
        for closer in CLOSER:
            yield read_with_null("near", lambda closer=closer: closeness.share(closer), at=f"{closer:.0%}", note=closeness.note)
        rows, nearness = closeness.near(CLOSER[0])
        kept = ~is_copy[rows]
        yield from _pointed(
            rows[kept], nearness[kept], "as near to a human record as 1 in 100 human ones: 1 is a copy, 0 just as near"
        )

    def _closeness(self, evidence: Evidence, rng: np.random.Generator) -> Closeness:
        reference, synthetic, holdout = evidence.reference, evidence.drawn, evidence.sides().get("holdout")
        rows = rng.permutation(synthetic.frame.height)[: self.points]
        if min(reference.frame.height, rows.size) < FEWEST:
            raise NotApplicable(f"{rows.size} synthetic and {reference.frame.height} human records, a closest 1 % needs {FEWEST}")
        others = () if holdout is None else (some(holdout, self.points, rng),)
        drawn, humans = synthetic.take(rows), reference.take(rng.permutation(reference.frame.height)[: self.reference])
        embed = embedding(humans, beside=(drawn, *others))
        among = embed(humans)
        distance = _relative(embed(drawn), among)
        if others:
            human, size = _relative(embed(others[0]), among), others[0].frame.height
        else:
            human = _relative(among[: self.points], among, are_of_them=True)
            # The reference is held against itself, so that its own share moves with it. The mass of what was seen once has, by Robbins' (1968) argument, variance
            # (4 f₂ + 6 f₃)/N² where independent records would give 2 f₂/N²: four times as much with f₃ = 2/3 f₂, less where few of the reference are asked.
            size = int(human.size / (1 + 3 * human.size / len(among)))
        if human.size < FEWEST:
            raise NotApplicable(f"{human.size} human records are held against the reference, a closest 1 % needs {FEWEST}")
        note = f"{distance.size:,} synthetic and {human.size:,} human records against {len(among):,} of the reference"
        return Closeness(rows, distance, np.sort(human), size, note)


@dataclass(frozen=True)
class Closeness:
    """How far records are from the nearest reference record, in units of that one's distance to its nearest human neighbour."""

    rows: np.ndarray
    """Which synthetic records, (synthetic,)."""
    distance: np.ndarray
    """Of each, (synthetic,)."""
    human: np.ndarray
    """Of fresh human records, ascending."""
    size: int
    """How many independent human records these are worth."""
    note: str

    def share(self, closer: float) -> tuple[Estimate, Null]:
        """The share of synthetic records that are as close as a share `closer` of human ones, and the null of a larger share.

        Human records that are held against their own set count as the `size` independent ones that tell as much. None of those sets the
        limit, so the null is that of a fixed limit, as it is among ties.
        """
        at = limit(self.human, closer, "lower")
        count, human = int((self.distance <= at).sum()), int(np.searchsorted(self.human, at, side="right"))
        independent = min(self.size, max(1, round(human * self.size / self.human.size)))
        is_tied = human > farthest(closer, self.human.size) or self.size < self.human.size
        estimate, null = more_beyond(count, self.distance.size, independent, self.size, is_tied=is_tied)
        return estimate, replace(null, typical=human / (self.human.size + 1))

    def near(self, closer: float) -> tuple[np.ndarray, np.ndarray]:
        """The synthetic records that are as close as a share `closer` of human ones, and how close: 1 is a copy, 0 is at the limit."""
        at = limit(self.human, closer, "lower")
        chosen = np.flatnonzero(self.distance <= at) if at > 0 else np.zeros(0, dtype=np.int64)
        return self.rows[chosen], 1 - self.distance[chosen] / at


def _relative(points: np.ndarray, among: np.ndarray, are_of_them: bool = False) -> np.ndarray:
    """The distance of each point to the nearest of `among`, over the distance of that neighbour to its own nearest one, (n,).

    A copy of what human data repeat anyway is at 1. Where the points are the first of `among` (`are_of_them`), a point is never its own neighbour.
    """
    own = np.arange(len(points)) if are_of_them else np.full(len(points), -1)
    distance, place = _first(*nearest(points, among, 2), own)
    spacing, _ = _first(*nearest(among[place], among, 3), place, own)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(spacing > 0, distance / spacing, np.where(distance > 0, np.inf, 1.0))


def _first(distances: np.ndarray, places: np.ndarray, *excluded: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distance of each row's nearest neighbour that is not excluded, and its place."""
    chosen = np.all([places != place[:, None] for place in excluded], axis=0).argmax(axis=1)
    row = np.arange(len(places))
    return distances[row, chosen], places[row, chosen]


def _exact(synthetic: Occurrences, reference: Occurrences, holdout: Occurrences | None) -> tuple[Estimate, Null]:
    count, n, estimate = found_in(synthetic, reference)
    human, size = seen_again(reference.counts) if holdout is None else found_in(holdout, reference)[:2]
    return estimate, larger_share(count, n, human, size)


def _pointed(rows: np.ndarray, values: np.ndarray, why: str) -> Iterator[Pointed]:
    if rows.size:
        order = np.argsort(-values[: rows.size], kind="stable")[:POINTED]
        yield Pointed("synthetic", rows[order], values[order], why)
