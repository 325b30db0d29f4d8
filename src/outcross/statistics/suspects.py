"""Suspect records: records of a set that look as fresh human records seldom do, each with the reason.

A rule flags a record if it is a copy, lies outside the human range, combines values that no person combines, nearly repeats another record of its own
set, or is improbable because no human record is near it. The rate at which a rule flags fresh human records is measured on the holdout, or on one
half of the reference compared with the other half. A rule that flags half of all fresh human records therefore makes no record suspect.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations, pairwise

import numpy as np

from outcross.data.bits import hashes_of
from outcross.data.tables import Table
from outcross.estimate import Estimate, NotApplicable, share
from outcross.statistics.embedding import Embedding, embedding
from outcross.statistics.neighbours import nearest
from outcross.wording import amount

MOST = 25_000
"""Maximum number of records among which the nearest record is searched for."""
FAR = 1_000
"""A record is suspect if at most one human record in this many is as near to others, or as far from others."""
LEVELS = 20
"""Number of the commonest categories of a column that are combined with other columns. Numbers are combined by twentieths of the human values."""
EXPECTED = 10.0
"""Minimum expected number of human records with a combination, if its two values were independent, for the combination to count as impossible."""
PAIRS = 1_000
"""Maximum number of pairs of columns whose combinations are compared."""
FEWEST = 100
"""Minimum number of human records for the rules."""


@dataclass(frozen=True, eq=False)
class Finding:
    """The records of a table that one rule flags, with a reason for each."""

    rows: np.ndarray
    """Rows of the table's frame, (flagged,)."""
    details: Sequence[str]
    """The reason for each row."""
    chances: np.ndarray | None = None
    """The share of human records that are as suspect as each flagged record, (flagged,). None if the rule does not rank records."""


@dataclass(frozen=True, eq=False)
class Suspicion:
    """A reason, the records that it applies to, and the share of fresh human records that it applies to."""

    reason: str
    finding: Finding
    honest: Estimate
    """The share of fresh human records that the rule flags."""
    chances: np.ndarray = field(init=False)
    """For each flagged record, the probability that a fresh human record is as suspect, in (0, 1]."""

    def __post_init__(self):
        smallest = (self.honest.value * self.honest.n + 1) / (self.honest.n + 1)
        ranked = self.finding.chances
        # A ranking rule flags one human record in a thousand. If it flags more fresh human records, every probability is multiplied by that factor.
        chances = (
            np.full(len(self.finding.rows), smallest) if ranked is None else np.minimum(1.0, ranked * max(1.0, smallest * FAR))
        )
        object.__setattr__(self, "chances", chances)


@dataclass(frozen=True, eq=False)
class Suspects:
    """A score and the reasons for each record of a table, and the findings of the rules."""

    scores: np.ndarray
    """−log₁₀ of the probability that a fresh human record is as suspect, (rows in frame,). 2 means one in a hundred; 0 means that no rule flags the
    record."""
    reasons: list[str]
    """The reasons of each record, the worst first. Empty if no rule flags the record."""
    suspicions: tuple[Suspicion, ...]
    notes: tuple[str, ...]
    """Rules that could not be applied, with the reason."""


class Nearness:
    """Distances to nearest records: within human data, within other tables, and between both. Each search is done once, for all rules."""

    def __init__(self, human: Table, beside: tuple[Table, ...], seed: int):
        self._human = human
        self._sides = (human, *beside)
        self._seed = seed
        self._searches: dict[tuple[int, int], tuple[np.ndarray, np.ndarray]] = {}

    @cached_property
    def _embedding(self) -> Embedding:
        return embedding(self._human, beside=self._sides[1:])

    @cached_property
    def _points(self) -> list[np.ndarray]:
        return [self._embedding(side) for side in self._sides]

    @cached_property
    def _kinds(self) -> list[slice]:
        return self._embedding.categories(self._human)

    def others(self, side: Table, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the distance of each record of a side to the nearest other record among `size` records of that side, (n,), and the row of that
        record."""
        place = self._place(side)
        if (place, size) not in self._searches:
            self._searches[place, size] = self._alone(self._points[place], size)
        return self._searches[place, size]

    def humans(self, side: Table) -> np.ndarray:
        """Return the distance of each record of a side to the nearest human record, (n,)."""
        people = self._points[0]
        among = people[self._some(len(people), MOST)]
        return nearest(self._points[self._place(side)], among, 1, self._kinds)[0][:, 0]

    def _place(self, side: Table) -> int:
        return next(place for place, table in enumerate(self._sides) if table is side)

    def _some(self, n: int, size: int) -> np.ndarray:
        """Return `size` random rows of n, in ascending order. The rows are the same for every call."""
        return np.arange(n) if size >= n else np.sort(np.random.default_rng([self._seed, n]).permutation(n)[:size])

    def _alone(self, points: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
        chosen = self._some(len(points), size)
        distances, places = nearest(points, points[chosen], 2, self._kinds)
        row = np.arange(len(points))
        second = np.where(chosen[places[:, 0]] == row, distances.shape[1] - 1, 0)
        return distances[row, second], chosen[places[row, second]]


def suspects(drawn: Table, human: Table, holdout: Table | None, rng: np.random.Generator) -> Suspects:
    """Score every record of the drawn table's frame. Raises NotApplicable if there are too few human records."""
    if human.frame.height < FEWEST:
        raise NotApplicable(f"{human.frame.height} human records, but suspect records need at least {FEWEST}")
    fresh, learned = (holdout, human) if holdout is not None else _halves(human, rng)
    seed = int(rng.integers(1 << 32))
    if learned is human:
        near = among_learned = Nearness(human, (drawn, fresh), seed)
    else:
        near, among_learned = Nearness(human, (drawn,), seed), Nearness(learned, (fresh,), seed)
    suspicions, notes = [], []
    for reason, rule in RULES.items():
        try:
            honest = rule(fresh, learned, among_learned)
            suspicions.append(Suspicion(reason, rule(drawn, human, near), share(len(honest.rows), fresh.frame.height)))
        except NotApplicable as why:
            notes.append(f"{reason}: {why}")
    scores, said = np.zeros(drawn.frame.height), [[] for _ in range(drawn.frame.height)]
    for suspicion in suspicions:
        own = -np.log10(suspicion.chances)
        scores[suspicion.finding.rows] = np.maximum(scores[suspicion.finding.rows], own)
        for row, detail, score in zip(suspicion.finding.rows.tolist(), suspicion.finding.details, own.tolist(), strict=True):
            said[row].append((-score, f"{suspicion.reason}: {detail}"))
    return Suspects(
        scores, ["; ".join(words for _, words in sorted(of_record)) for of_record in said], tuple(suspicions), tuple(notes)
    )


def _halves(human: Table, rng: np.random.Generator) -> tuple[Table, Table]:
    order = rng.permutation(human.frame.height)
    return human.take(np.sort(order[: order.size // 2])), human.take(np.sort(order[order.size // 2 :]))


def copies(table: Table, human: Table, near: Nearness) -> Finding:
    """Find records that equal a human record in every column."""
    columns = list(human.kinds)
    rows = np.flatnonzero(np.isin(hashes_of(table.frame, columns), hashes_of(human.frame, columns)))
    return Finding(rows, ["equal to a human record in every column"] * rows.size)


def outside(table: Table, human: Table, near: Nearness) -> Finding:
    """Find records with a number below or above all human numbers."""
    columns = human.of_kind("number")
    if not columns:
        raise NotApplicable("no column of numbers")
    why: dict[int, list[str]] = {}
    for column in columns:
        known = human.known_numbers(column)
        if not known.size:
            continue
        values, low, high = table.numbers(column), float(known.min()), float(known.max())
        for row in np.flatnonzero(values < low).tolist():
            why.setdefault(row, []).append(f"{column} = {values[row]:g}, the smallest human value is {low:g}")
        for row in np.flatnonzero(values > high).tolist():
            why.setdefault(row, []).append(f"{column} = {values[row]:g}, the largest human value is {high:g}")
    rows = np.array(sorted(why), dtype=np.int64)
    return Finding(rows, [" and ".join(why[row]) for row in rows.tolist()])


def impossible(table: Table, human: Table, near: Nearness) -> Finding:
    """Find records that combine two values that no human record combines, although at least ten would if the values were independent."""
    columns = human.of_kind("number", "category")
    if len(columns) < 2:
        raise NotApplicable("a combination needs at least 2 columns of numbers or categories")
    levels = {column: _levels(human, column) for column in columns}
    ours, theirs = ({column: levels[column].codes(side) for column in columns} for side in (table, human))
    why: dict[int, list[str]] = {}
    for column, other in list(combinations(columns, 2))[:PAIRS]:
        width = len(levels[other].names) + 1
        size = (len(levels[column].names) + 1) * width
        together = np.bincount(theirs[column] * width + theirs[other], minlength=size)
        counted = together.reshape(-1, width)
        expected = np.outer(counted.sum(axis=1), counted.sum(axis=0)) / max(1, counted.sum())
        is_impossible = (counted == 0) & (expected >= EXPECTED)
        is_impossible[-1], is_impossible[:, -1] = False, False  # rare and missing values
        cells = ours[column] * width + ours[other]
        for row in np.flatnonzero(is_impossible.ravel()[cells]).tolist():
            a, b = divmod(int(cells[row]), width)
            words = f"{levels[column].names[a]} with {levels[other].names[b]}: no human record, {expected[a, b]:,.0f} expected if independent"
            why.setdefault(row, []).append(words)
    rows = np.array(sorted(why), dtype=np.int64)
    return Finding(rows, [" and ".join(why[row][:2]) for row in rows.tolist()])


@dataclass(frozen=True, eq=False)
class _Levels:
    """The values of a column that are combined, and a function that gives the code of each record. The last code is that of all other values."""

    names: list[str]
    codes: Callable[[Table], np.ndarray]


def _levels(human: Table, column: str) -> _Levels:
    if human.kinds[column] == "number":
        values = human.numbers(column)
        edges = (
            np.unique(np.quantile(values[np.isfinite(values)], np.linspace(0, 1, LEVELS + 1)))
            if np.isfinite(values).any()
            else np.zeros(1)
        )
        names = [f"{column} {low:g} to {high:g}" for low, high in pairwise(edges)]

        def codes(table: Table) -> np.ndarray:
            values = table.numbers(column)
            is_inside = np.isfinite(values) & (values >= edges[0]) & (values <= edges[-1])
            place = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, max(0, len(names) - 1))
            return np.where(is_inside & (len(names) > 0), place, len(names))

        return _Levels(names, codes)
    known = list(human.counts(column))[:LEVELS]

    def codes_of(table: Table) -> np.ndarray:
        places = table.places_of(column, known)
        return np.where(places < 0, len(known), places)

    return _Levels([f"{column} = {value}" for value in known], codes_of)


def repeated(table: Table, human: Table, near: Nearness) -> Finding:
    """Find near duplicates: records as near to another record of their set as one human record in a thousand is, among equally many records.

    One record of each cluster of near duplicates is not flagged, so that a set without the flagged records has lost no kind of record.
    """
    size = min(table.frame.height, human.frame.height, MOST)
    if size < FEWEST:
        raise NotApplicable(f"{amount(size, 'record')} per side, but neighbours need {FEWEST}")
    (ours, neighbours), (theirs, _) = (near.others(side, size) for side in (table, human))
    chances = _as_near(ours, theirs)
    close = np.flatnonzero(chances <= 1 / FAR)
    rows = np.setdiff1d(close, _one_of_each(close, neighbours[close], ours.size))
    return Finding(
        rows, ["as near to another record of the set as one human record in a thousand is to another"] * rows.size, chances[rows]
    )


def improbable(table: Table, human: Table, near: Nearness) -> Finding:
    """Find records as far from all human records as one human record in a thousand is from all others."""
    theirs, _ = near.others(human, min(human.frame.height, MOST))
    distances = near.humans(table)
    chances = _as_near(-distances, -theirs)
    rows = np.flatnonzero((chances <= 1 / FAR) & (distances > 0))
    usual = float(np.median(theirs))
    if usual == 0:
        return Finding(rows, ["no human record is near"] * rows.size, chances[rows])
    return Finding(
        rows,
        [f"no human record is near: {distances[row] / usual:.1f} times the median distance" for row in rows.tolist()],
        chances[rows],
    )


def _one_of_each(rows: np.ndarray, neighbours: np.ndarray, n: int) -> np.ndarray:
    """Return the first row of each cluster of rows that are connected to their neighbours."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    _, cluster = connected_components(coo_matrix((np.ones(rows.size), (rows, neighbours)), (n, n)), directed=False)
    joined = np.union1d(rows, neighbours)
    return joined[np.unique(cluster[joined], return_index=True)[1]]


def _as_near(distances: np.ndarray, human: np.ndarray) -> np.ndarray:
    """Return the share of human records that are as near, (n,), never 0."""
    return (np.searchsorted(np.sort(human), distances, side="right") + 1) / (human.size + 1)


RULES: dict[str, Callable[[Table, Table, Nearness], Finding]] = {
    "copy": copies,
    "outside the human range": outside,
    "impossible combination": impossible,
    "near duplicate": repeated,
    "improbable": improbable,
}
"""The rule behind each reason."""
