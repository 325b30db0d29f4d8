"""Are the synthetic records new, or copies of human records?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated

import numpy as np
from pydantic import Field

from outcross.data.bits import hashes_of
from outcross.data.tables import Table
from outcross.estimate import Estimate, NotApplicable, Null, share_within, student_quantile, without_interval
from outcross.measures import Evidence, Page, Pointed, read_with_null, unread
from outcross.measures.of_tables import OfTables
from outcross.recipe import recipe
from outcross.statistics.embedding import embedding
from outcross.statistics.floors import PERMUTATIONS, from_draws, larger_share
from outcross.statistics.neighbours import nearest
from outcross.statistics.repeats import Occurrences, Repeats, found_in, fresh_in
from outcross.statistics.sketches import gather

CLOSEST = 0.05
"""The share of synthetic records, those closest to human records, among which near copies are counted."""
FALSE = 0.05
"""Maximum false discovery rate of the records pointed at as near copies, estimated with the holdout."""
FEWEST = 100
"""Minimum number of records per side for near copies."""
POINTED = 200
"""Maximum number of records that are pointed at."""
NO_HOLDOUT = (
    "no holdout: records drawn in dense regions, as at a low temperature, lie as near to human records as copies do;"
    " pass --holdout with human records that the generator did not see"
)


@recipe
class Copying(OfTables):
    """Exact and near copies of reference records among synthetic records, compared with fresh human records.

    The holdout provides fresh human records. The share of exact copies is compared with the share of holdout records that also occur in the
    reference. Without a holdout, each reference record is compared with all others, as a fresh record would be. Synthetic records are never pooled
    with human records. Exact copies are counted over all rows and all columns, including texts and series. Near copies are counted in a random sample
    of records.

    A small distance to the closest record does not prove a copy: it is also small in dense regions, so that typical records drawn at a low
    temperature look like copies. But a record that was not copied is equally likely to lie nearest to a holdout record as to one of equally many
    training records, at any temperature, because human records are assigned to the two sets by chance. Near copies are therefore an excess of records
    that lie nearer to the training records. Many synthetic records may share their nearest human record, so the independent units are the human
    records, each with all synthetic records nearest to it. Without a holdout, near copies cannot be detected.
    """

    points: Annotated[int, Field(ge=FEWEST, le=25_000)] = 2_500
    """Maximum number of synthetic records whose nearest human record is searched for."""
    reference: Annotated[int, Field(ge=FEWEST)] = 25_000
    """Maximum number of reference records, and of holdout records, that are searched. Equally many of both are used."""

    aspect = "copying"
    compares_with = "training"
    pages = {
        # Copies are no loss: equal sets have lost nothing, nor has a mix that contains its human records. Fresh human data do not have them
        # (`is_invention`).
        "exact": Page(
            "CP1", "exact copies", "Share of synthetic records that equal a reference record in every column. Copies are no loss, but fresh human data have fewer of them, and a copy adds no information.",
            unit="fraction", healthy="the value for real data of this size", collapsed="rises above the healthy value",
            margin=0.01, worse="larger", margin_kind="difference", records=(930, "records that people never repeat"), is_invention=True, role="copying", paper="Good, Biometrika 40:237, 1953 (records that fresh human data repeat); Alaa et al., ICML 2022, arXiv 2102.08921 (authenticity)",
        ),
        "near": Page(
            "CP2", "near copies", "Share of synthetic records that lie nearer to a reference record than to any of equally many holdout records. It is one half if nothing is copied, at any temperature. If a tenth of the records are near copies it is .55. Like exact copies, near copies are no loss.",
            unit="fraction", healthy=0.5, collapsed="rises towards 1",
            margin=0.05, worse="larger", margin_kind="difference", records=(1_070, "records that are each nearest to a different human record"), is_invention=True, role="copying", paper="Platzer and Reutterer, Front. Big Data 4:679939, 2021 (distance to the closest record, against a holdout)",
        ),
        "closest": Page(
            "CP7", "near copies among the closest records", "Of the 5 % of synthetic records closest to a human record: the number nearer to a reference record less the number nearer to a holdout record, as a share of all synthetic records. Distances are in units of the human record's distance to its own nearest human neighbour. Like exact copies, near copies are no loss.",
            unit="fraction", range=(-CLOSEST, CLOSEST), healthy=0.0, collapsed="rises above the healthy value",
            margin=0.01, worse="larger", margin_kind="difference", records=(5_500, "records that are each nearest to a different human record"), is_invention=True, role="copying", paper="Platzer and Reutterer, 2021; Alaa et al., ICML 2022, arXiv 2102.08921 (against the record's own neighbour)",
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
            "nearer to a reference record than to any holdout record; at most 1 in 20 of these are so by chance; 1 is an exact copy",
        )

    def _chosen(self, side: Table, limit: int, rng: np.random.Generator) -> np.ndarray:
        return rng.permutation(side.frame.height)[:limit]

    def _sides(self, evidence: Evidence, holdout: Table, rng: np.random.Generator) -> NearestHumans:
        """Find the nearest human record of each synthetic record and the side that it belongs to."""
        size = min(evidence.reference.frame.height, holdout.frame.height, self.reference)
        rows = self._chosen(evidence.drawn, self.points, rng)
        if min(size, rows.size) < FEWEST:
            raise NotApplicable(
                f"{rows.size} synthetic records and {size} each of the reference and the holdout, but {FEWEST} of each are needed"
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
        note = f"{rows.size:,} synthetic records, nearest to {touched.size:,} different human records among {size:,} of the reference and {size:,} of the holdout"
        return NearestHumans(rows, cluster, distance / spacing, counts[:, touched], note)

    def _nearer_than_people(self, evidence: Evidence, rng: np.random.Generator) -> tuple[Estimate, None]:
        """Return the probability that a synthetic record lies nearer to the reference than a reference record lies to the others.

        It has no interval and no null, because without a holdout it cannot be interpreted.
        """
        reference = evidence.reference.take(self._chosen(evidence.reference, self.reference, rng))
        drawn = evidence.drawn.take(self._chosen(evidence.drawn, self.points, rng))
        if min(reference.frame.height, drawn.frame.height) < FEWEST:
            raise NotApplicable(
                f"{drawn.frame.height} synthetic and {reference.frame.height} human records, but {FEWEST} of each are needed"
            )
        embed = embedding(reference, beside=(drawn,))
        among, kinds = embed(reference), embed.categories(reference)
        ours = nearest(embed(drawn), among, 1, kinds)[0][:, 0]
        people = np.sort(nearest(among[: self.points], among, 2, kinds)[0][:, 1])
        farther = people.size - (np.searchsorted(people, ours, "left") + np.searchsorted(people, ours, "right")) / 2
        return without_interval(float(farther.mean() / people.size), NO_HOLDOUT, ours.size), None


@dataclass(frozen=True, eq=False)
class NearestHumans:
    """The human record nearest to each synthetic record, and whether it belongs to the reference or to the holdout.

    Equal human records are one place.
    """

    rows: np.ndarray
    """The rows of the synthetic records, (synthetic,)."""
    cluster: np.ndarray
    """The place of the nearest human record of each synthetic record, (synthetic,)."""
    closeness: np.ndarray
    """The distance to that place, in units of the distance from that place to the next human place, (synthetic,)."""
    counts: np.ndarray
    """Number of records of the reference and of the holdout at each place, (2, places)."""
    note: str

    @cached_property
    def leans(self) -> np.ndarray:
        """For each place, 1 if only reference records are there, 0 if only holdout records are there, ½ if both are, (places,)."""
        return _leans(*self.counts)

    @cached_property
    def closest(self) -> np.ndarray:
        """The synthetic records that are closest to human records, the closest first."""
        return np.argsort(self.closeness, kind="stable")[: max(1, round(CLOSEST * self.rows.size))]

    def nearer(self, rng: np.random.Generator, some: np.ndarray | slice = slice(None)) -> tuple[Estimate, Null]:
        """Return the share of some synthetic records that lie nearer to the reference, and its null.

        Under the null, each human record belongs to the reference or to the holdout with equal probability.
        """
        weights = np.bincount(self.cluster[some], minlength=self.leans.size)
        touched = np.flatnonzero(weights)
        weights, leans = weights[touched] / weights.sum(), self.leans[touched]
        value = float(weights @ leans)
        independent = 1 / float(np.square(weights).sum())
        if independent < 2:
            raise NotApplicable(f"the synthetic records are nearest to {touched.size} human records, too few for an estimate")
        error = np.sqrt(np.square(weights * (leans - value)).sum() * touched.size / (touched.size - 1))
        whole = self.counts[:, touched].sum(axis=0)
        of_reference = rng.binomial(whole, 0.5, size=(PERMUTATIONS, touched.size))
        draws = _leans(of_reference, whole - of_reference) @ weights
        half = max(student_quantile(independent - 1) * float(error), float(np.quantile(np.abs(draws - 0.5), 0.95)))
        null = from_draws(value, draws, "larger", "exchangeable human records")
        return share_within(value, half, round(independent), "clusters of one nearest human record"), replace(null, typical=0.5)

    def among_closest(self, rng: np.random.Generator) -> tuple[Estimate, Null]:
        """Return, for the closest synthetic records, the number nearer to the reference less the number nearer to the holdout, as a share of all
        records."""
        if self.closest.size < 20:
            raise NotApplicable(
                f"the closest {CLOSEST:.0%} are {self.closest.size} records, but 20 are needed; give {round(20 / CLOSEST)} synthetic records"
            )
        estimate, null = self.nearer(rng, self.closest)
        share = self.closest.size / self.rows.size
        return estimate.on_scale(lambda nearer: share * (2 * nearer - 1)), null.on_scale(lambda nearer: share * (2 * nearer - 1))

    def copies(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the synthetic records that are near copies of reference records, and how close each is; 1 is an exact copy.

        They are so close that at most a twentieth of them are nearer to the reference by chance. As in knockoffs (Barber and Candès, Ann. Stat.
        43:2055, 2015), the number by chance is estimated by the records that are equally close but nearer to the holdout.
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
    """Return the distinct points among points (n, d), and for each point the index of its distinct point."""
    whole = np.ascontiguousarray(points + 0.0)  # turns -0 into 0: they are equal but have different bytes
    _, first, place = np.unique(whole.view(np.dtype((np.void, whole.strides[0]))).ravel(), return_index=True, return_inverse=True)
    return points[first], place


def _exact(synthetic: Occurrences, reference: Occurrences, holdout: Occurrences | None) -> tuple[Estimate, Null]:
    count, n, estimate = found_in(synthetic, reference)
    human, size = fresh_in(reference, holdout)
    return estimate, larger_share(count, n, human, size)


def _pointed(rows: np.ndarray, values: np.ndarray, why: str) -> Iterator[Pointed]:
    if rows.size:
        order = np.argsort(-values[: rows.size], kind="stable")[:POINTED]
        yield Pointed("synthetic", rows[order], values[order], why)
