"""Is it new, or has it been copied?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated

import numpy as np
from pydantic import Field

from outcross.data.tables import Table
from outcross.estimate import Estimate, NotApplicable, Null, share_within, student_quantile, without_interval
from outcross.measures import Evidence, Page, Pointed, read_with_null, unread
from outcross.measures.of_tables import OfTables
from outcross.recipe import recipe
from outcross.statistics.embedding import embedding
from outcross.statistics.floors import PERMUTATIONS, from_draws, larger_share
from outcross.statistics.neighbours import nearest
from outcross.statistics.repeats import Occurrences, Repeats, found_in, hashes_of, seen_again
from outcross.statistics.sketches import gather

CLOSEST = 0.05
"""The share of synthetic records, those closest to human ones, among which near copies are counted."""
FALSE = 0.05
"""The share of the records pointed at as near copies that are none, at most, by what the holdout shows."""
FEWEST = 100
"""Records a side, below which no share of nearer ones is read."""
POINTED = 200
"""Records that are pointed at, at most."""
NO_HOLDOUT = (
    "no holdout: records drawn where people crowd, as at a low temperature, lie as near to human records as copies do;"
    " --holdout with human records that the generator did not see would tell"
)


@recipe
class Copying(OfTables):
    """Exact and near copies of reference records among synthetic ones, beyond what fresh human records show.

    What fresh human records show comes from the holdout. How many of them stand in the reference too is what exact copies are held against; without a holdout each reference record is held against
    all others, which is what a fresh one would find. Synthetic records are never pooled with human ones. Exact copies are counted over all rows and
    all columns (texts and series too); near copies on a random choice of records.

    A distance to the closest record is small where human records crowd, too: records that a model drew at a low temperature, all of them typical, look like copies by it. But a record that was not
    copied is as likely to lie nearer to one of the holdout as to one of as many that were learned from, at any temperature: which of both an equal human record belongs to is chance. So near copies are what lies
    nearer to the records learned from. Many synthetic records may have one human record as their neighbour, so that a human record, with all that lie nearest to it, is what is independent. Without a holdout there is no telling.
    """

    points: Annotated[int, Field(ge=FEWEST, le=25_000)] = 2_500
    """Synthetic records whose nearest human record is looked for, at most."""
    reference: Annotated[int, Field(ge=FEWEST)] = 25_000
    """Records of the reference and of the holdout among which it is looked for, at most; as many of either."""

    aspect = "copying"
    compares_with = "training"
    pages = {
        # A copy takes nothing away: equal sets have lost nothing, nor has a mix that holds its human records. It is what fresh human data do not have: `invented`.
        "exact": Page(
            "CP1", "exact copies", "Share of synthetic records equal to a reference record in every column. Copies take nothing away, so they are no loss; but fresh human data have fewer, and a copy adds nothing and counts twice.",
            unit="fraction", healthy="what real data of this size show", collapsed="rises above what is healthy",
            margin=0.01, worse="larger", margin_kind="difference", records=(930, "records that people never repeat"), is_invention=True, role="copying", paper="Good, Biometrika 40:237, 1953 (what fresh human records repeat); Alaa et al., ICML 2022, arXiv 2102.08921 (authenticity)",
        ),
        "near": Page(
            "CP2", "near copies", "Share of synthetic records that lie nearer to a reference record than to any of as many holdout records; one half where nothing is copied, whatever the temperature. A tenth of near copies makes it .55. No loss, as for exact copies.",
            unit="fraction", healthy=0.5, collapsed="rises towards 1",
            margin=0.05, worse="larger", margin_kind="difference", records=(1_070, "records that are each nearest to a human one of its own"), is_invention=True, role="copying", paper="Platzer and Reutterer, Front. Big Data 4:679939, 2021 (distance to the closest record, against a holdout)",
        ),
        "closest": Page(
            "CP7", "near copies among the closest records", "Among the 5 % of synthetic records that lie closest to human ones, in units of that record's own distance to its nearest human neighbour: how many more lie nearer to a reference than to a holdout record, as a share of all synthetic records. No loss, as for exact copies.",
            unit="fraction", range=(-CLOSEST, CLOSEST), healthy=0.0, collapsed="rises above what is healthy",
            margin=0.01, worse="larger", margin_kind="difference", records=(5_500, "records that are each nearest to a human one of its own"), is_invention=True, role="copying", paper="Platzer and Reutterer, 2021; Alaa et al., ICML 2022, arXiv 2102.08921 (against the record's own neighbour)",
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
        if not evidence.has("holdout"):
            yield read_with_null("near", lambda: self._nearer_than_people(evidence, rng))
            yield unread("closest", NO_HOLDOUT)
            return
        try:
            sides = self._sides(evidence, evidence.holdout, rng)
        except NotApplicable as why:
            yield from (unread(check, str(why)) for check in ("near", "closest"))
            return
        yield read_with_null("near", lambda: sides.nearer(rng), note=sides.note)
        yield read_with_null("closest", lambda: sides.among_closest(rng), note=sides.note)
        rows, nearness = sides.copies()
        kept = ~is_copy[rows]
        yield from _pointed(
            rows[kept],
            nearness[kept],
            "nearer to a reference record than to any of the holdout, as at most 1 in 20 are by chance: 1 is a copy",
        )

    def _chosen(self, side: Table, limit: int, rng: np.random.Generator) -> np.ndarray:
        return rng.permutation(side.frame.height)[:limit]

    def _sides(self, evidence: Evidence, holdout: Table, rng: np.random.Generator) -> NearestHumans:
        """Which side the nearest human record of each synthetic one is of."""
        size = min(evidence.reference.frame.height, holdout.frame.height, self.reference)
        rows = self._chosen(evidence.drawn, self.points, rng)
        if min(size, rows.size) < FEWEST:
            raise NotApplicable(
                f"{rows.size} synthetic records and {size} of the reference and of the holdout, {FEWEST} of each are needed"
            )
        drawn = evidence.drawn.take(rows)
        learned, fresh = (side.take(self._chosen(side, size, rng)) for side in (evidence.reference, holdout))
        embed = embedding(learned, fresh, beside=(drawn,))
        among, kinds = np.concatenate([embed(learned), embed(fresh)]), embed.categories(learned)
        places, place = _places(among)
        if len(places) < 2:
            raise NotApplicable("all human records are at one place")
        counts = np.stack([np.bincount(place[:size], minlength=len(places)), np.bincount(place[size:], minlength=len(places))])
        distance, near = (pair[:, 0] for pair in nearest(embed(drawn), places, 1, kinds))
        touched, cluster = np.unique(near, return_inverse=True)
        spacing = nearest(places[touched], places, 2, kinds)[0][cluster, 1]
        note = f"{rows.size:,} synthetic records, nearest to {touched.size:,} different ones of {size:,} of the reference and {size:,} of the holdout"
        return NearestHumans(rows, cluster, distance / spacing, counts[:, touched], note)

    def _nearer_than_people(self, evidence: Evidence, rng: np.random.Generator) -> tuple[Estimate, None]:
        """The chance that a synthetic record lies nearer to the reference than a record of the reference to the others; what that means cannot be told."""
        reference = evidence.reference.take(self._chosen(evidence.reference, self.reference, rng))
        drawn = evidence.drawn.take(self._chosen(evidence.drawn, self.points, rng))
        if min(reference.frame.height, drawn.frame.height) < FEWEST:
            raise NotApplicable(
                f"{drawn.frame.height} synthetic and {reference.frame.height} human records, {FEWEST} of each are needed"
            )
        embed = embedding(reference, beside=(drawn,))
        among, kinds = embed(reference), embed.categories(reference)
        ours = nearest(embed(drawn), among, 1, kinds)[0][:, 0]
        people = np.sort(nearest(among[: self.points], among, 2, kinds)[0][:, 1])
        farther = people.size - (np.searchsorted(people, ours, "left") + np.searchsorted(people, ours, "right")) / 2
        return without_interval(float(farther.mean() / people.size), NO_HOLDOUT, ours.size), None


@dataclass(frozen=True, eq=False)
class NearestHumans:
    """Which human record lies nearest to each synthetic one, and whether it is of the reference or of the holdout."""

    rows: np.ndarray
    """Which synthetic records, (synthetic,)."""
    cluster: np.ndarray
    """The place of the nearest human record of each, (synthetic,)."""
    closeness: np.ndarray
    """Distance to that place, in units of its own distance to the next one, (synthetic,)."""
    counts: np.ndarray
    """Records of the reference and of the holdout at each place, (2, places)."""
    note: str

    @cached_property
    def leans(self) -> np.ndarray:
        """1 where records of the reference alone are at a place, 0 where those of the holdout alone are, ½ where both are, (places,)."""
        return _leans(*self.counts)

    @cached_property
    def closest(self) -> np.ndarray:
        """Which synthetic records are closest to human ones, closest first."""
        return np.argsort(self.closeness, kind="stable")[: max(1, round(CLOSEST * self.rows.size))]

    def nearer(self, rng: np.random.Generator, some: np.ndarray | slice = slice(None)) -> tuple[Estimate, Null]:
        """The share of some synthetic records that lie nearer to the reference, and the null in which chance says which of both a human record is of."""
        weights = np.bincount(self.cluster[some], minlength=self.leans.size)
        touched = np.flatnonzero(weights)
        weights, leans = weights[touched] / weights.sum(), self.leans[touched]
        value = float(weights @ leans)
        independent = 1 / float(np.square(weights).sum())
        if independent < 2:
            raise NotApplicable(f"the synthetic records are nearest to {touched.size} human ones, which is no sample")
        error = np.sqrt(np.square(weights * (leans - value)).sum() * touched.size / (touched.size - 1))
        whole = self.counts[:, touched].sum(axis=0)
        of_reference = rng.binomial(whole, 0.5, size=(PERMUTATIONS, touched.size))
        draws = _leans(of_reference, whole - of_reference) @ weights
        half = max(student_quantile(independent - 1) * float(error), float(np.quantile(np.abs(draws - 0.5), 0.95)))
        null = from_draws(value, draws, "larger", "exchangeable human records")
        return share_within(value, half, round(independent), "clusters of one nearest human record"), replace(null, typical=0.5)

    def among_closest(self, rng: np.random.Generator) -> tuple[Estimate, Null]:
        """How many more of the closest synthetic records lie nearer to the reference, as a share of all."""
        if self.closest.size < 20:
            raise NotApplicable(
                f"{self.closest.size} records are the closest {CLOSEST:.0%}, 20 are needed: {round(20 / CLOSEST)} records"
            )
        estimate, null = self.nearer(rng, self.closest)
        share = self.closest.size / self.rows.size
        return estimate.on_scale(lambda nearer: share * (2 * nearer - 1)), null.on_scale(lambda nearer: share * (2 * nearer - 1))

    def copies(self) -> tuple[np.ndarray, np.ndarray]:
        """The synthetic records nearer to the reference that lie so close that at most a twentieth of such are there by chance, and how close: 1 is a copy.

        As in knockoffs (Barber and Candès, Ann. Stat. 43:2055, 2015), those that lie as close and nearer to the holdout count what chance brings.
        """
        order = np.argsort(self.closeness, kind="stable")
        leans = self.leans[self.cluster[order]]
        is_few = 1 + np.cumsum(leans < 0.5) <= FALSE * np.cumsum(leans > 0.5)
        last = int(np.flatnonzero(is_few)[-1]) + 1 if is_few.any() else 0
        chosen = order[:last][leans[:last] > 0.5]
        farthest = self.closeness[chosen].max(initial=0.0)
        return self.rows[chosen], 1 - self.closeness[chosen] / farthest if farthest > 0 else np.ones(chosen.size)


def _leans(reference: np.ndarray, holdout: np.ndarray) -> np.ndarray:
    return np.where(holdout == 0, 1.0, np.where(reference == 0, 0.0, 0.5))


def _places(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different ones of points (n, d), and which of them each is."""
    whole = np.ascontiguousarray(points + 0.0)  # -0 and 0 are one number, and would be different bytes
    _, first, place = np.unique(whole.view(np.dtype((np.void, whole.strides[0]))).ravel(), return_index=True, return_inverse=True)
    return points[first], place


def _exact(synthetic: Occurrences, reference: Occurrences, holdout: Occurrences | None) -> tuple[Estimate, Null]:
    count, n, estimate = found_in(synthetic, reference)
    human, size = seen_again(reference.counts) if holdout is None else found_in(holdout, reference)[:2]
    return estimate, larger_share(count, n, human, size)


def _pointed(rows: np.ndarray, values: np.ndarray, why: str) -> Iterator[Pointed]:
    if rows.size:
        order = np.argsort(-values[: rows.size], kind="stable")[:POINTED]
        yield Pointed("synthetic", rows[order], values[order], why)
