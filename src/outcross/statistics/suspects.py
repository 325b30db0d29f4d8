"""Which records of a set look as fresh human records seldom do, each with the reason.

A rule says of a record that it is a copy, lies outside the human range, combines values that no person combines, nearly repeats another
record of its own set, or is improbable: no human record is near it. How seldom a rule says so of fresh human records is measured, on the
holdout, or on one half of the reference held against the other. So a rule that names half of all fresh human records makes no record suspect.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations, pairwise

import numpy as np

from outcross.data.tables import Table
from outcross.estimate import Estimate, NotApplicable, share
from outcross.statistics.embedding import Embedding, embedding
from outcross.statistics.neighbours import nearest
from outcross.statistics.repeats import hashes_of
from outcross.wording import amount

MOST = 25_000
"""Records among which the nearest is looked for, at most."""
FAR = 1_000
"""Records as near, or as far, as one human record in so many are suspect."""
LEVELS = 20
"""Commonest categories of a column that are combined with others; numbers are combined by twentieths of the human values."""
EXPECTED = 10.0
"""Human records that a combination must have if its two values were independent, for its absence to make it impossible."""
PAIRS = 1_000
"""Pairs of columns whose combinations are looked at, at most."""
FEWEST = 100
"""Human records below which no rule can be had."""


@dataclass(frozen=True, eq=False)
class Finding:
    """What one rule says of a table: the rows that it names, and of each why in words."""

    rows: np.ndarray
    """Rows of the table's frame, (named,)."""
    details: Sequence[str]
    """As many."""
    chances: np.ndarray | None = None
    """The share of human records that are as suspect as each, (named,), where the rule ranks records."""


@dataclass(frozen=True, eq=False)
class Suspicion:
    """A reason, the records that have it, and how many fresh human records have it."""

    reason: str
    finding: Finding
    honest: Estimate
    """The share of fresh human records of which the rule says the same."""
    chances: np.ndarray = field(init=False)
    """For each named record how often a fresh human record is as suspect, in (0, 1]."""

    def __post_init__(self):
        smallest = (self.honest.value * self.honest.n + 1) / (self.honest.n + 1)
        ranked = self.finding.chances
        # A rule that ranks names one record in a thousand; where it names more fresh ones, every rank counts as many times as much.
        chances = (
            np.full(len(self.finding.rows), smallest) if ranked is None else np.minimum(1.0, ranked * max(1.0, smallest * FAR))
        )
        object.__setattr__(self, "chances", chances)


@dataclass(frozen=True, eq=False)
class Suspects:
    """The records of a table with a score each, and what the rules found."""

    scores: np.ndarray
    """−log₁₀ of how often a fresh human record is as suspect, (rows in frame,): 2 is one in a hundred; 0 where no rule names the record."""
    reasons: list[str]
    """Why, the worst first; empty where no rule names the record."""
    suspicions: tuple[Suspicion, ...]
    notes: tuple[str, ...]
    """Rules that could not be had, and why."""


class Nearness:
    """Who lies near whom: the records of human data, of tables beside them, and between both. Each search is made once, whichever rules ask for it."""

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
        """The distance of each record of a side to the nearest other one among so many of it, (n,), and which that is."""
        place = self._place(side)
        if (place, size) not in self._searches:
            self._searches[place, size] = self._alone(self._points[place], size)
        return self._searches[place, size]

    def humans(self, side: Table) -> np.ndarray:
        """The distance of each record of a side to the nearest human one, (n,)."""
        people = self._points[0]
        among = people[self._some(len(people), MOST)]
        return nearest(self._points[self._place(side)], among, 1, self._kinds)[0][:, 0]

    def _place(self, side: Table) -> int:
        return next(place for place, table in enumerate(self._sides) if table is side)

    def _some(self, n: int, size: int) -> np.ndarray:
        """So many rows of n, ascending: whoever asks has the same."""
        return np.arange(n) if size >= n else np.sort(np.random.default_rng([self._seed, n]).permutation(n)[:size])

    def _alone(self, points: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
        chosen = self._some(len(points), size)
        distances, places = nearest(points, points[chosen], 2, self._kinds)
        row = np.arange(len(points))
        second = np.where(chosen[places[:, 0]] == row, distances.shape[1] - 1, 0)
        return distances[row, second], chosen[places[row, second]]


def suspects(drawn: Table, human: Table, holdout: Table | None, rng: np.random.Generator) -> Suspects:
    """Score every record of the drawn table's frame. NotApplicable where there are too few human records."""
    if human.frame.height < FEWEST:
        raise NotApplicable(f"{human.frame.height} human records, which records are suspect needs {FEWEST}")
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
    """Records that are equal to a human one in every column."""
    columns = list(human.kinds)
    rows = np.flatnonzero(np.isin(hashes_of(table.frame, columns), hashes_of(human.frame, columns)))
    return Finding(rows, ["equal to a human record in every column"] * rows.size)


def outside(table: Table, human: Table, near: Nearness) -> Finding:
    """Records with a number below or above every human one."""
    columns = human.of_kind("number")
    if not columns:
        raise NotApplicable("no column of numbers")
    why: dict[int, list[str]] = {}
    for column in columns:
        known = human.numbers(column)[np.isfinite(human.numbers(column))]
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
    """Records that combine two values which no human record combines, though ten would if the values were independent."""
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
            words = f"{levels[column].names[a]} with {levels[other].names[b]}: no human record, {expected[a, b]:,.0f} if they were independent"
            why.setdefault(row, []).append(words)
    rows = np.array(sorted(why), dtype=np.int64)
    return Finding(rows, [" and ".join(why[row][:2]) for row in rows.tolist()])


@dataclass(frozen=True, eq=False)
class _Levels:
    """The values of a column that are combined, and the code of each record; the last code is of all others."""

    names: list[str]
    codes: Callable[[Table], np.ndarray]


def _levels(human: Table, column: str) -> _Levels:
    import polars as pl

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
    counts = human.frame[column].drop_nulls().value_counts().sort(["count", column], descending=[True, False])
    known = counts[column].head(LEVELS).to_list()
    place = {value: i for i, value in enumerate(known)}

    def codes_of(table: Table) -> np.ndarray:
        places = table.frame[column].replace_strict(place, default=None, return_dtype=pl.Int64)
        return places.fill_null(len(known)).to_numpy()

    return _Levels([f"{column} = {value}" for value in known], codes_of)


def repeated(table: Table, human: Table, near: Nearness) -> Finding:
    """Records as near to another of their own set as one human record in a thousand is to another human one, among as many.

    Of records that lie near each other one is not named, so that a set without the named ones has lost no kind of record.
    """
    size = min(table.frame.height, human.frame.height, MOST)
    if size < FEWEST:
        raise NotApplicable(f"{amount(size, 'record')} a side, neighbours need {FEWEST}")
    (ours, neighbours), (theirs, _) = (near.others(side, size) for side in (table, human))
    chances = _as_near(ours, theirs)
    close = np.flatnonzero(chances <= 1 / FAR)
    rows = np.setdiff1d(close, _one_of_each(close, neighbours[close], ours.size))
    return Finding(
        rows, ["as near to another record of the set as one human record in a thousand is to another"] * rows.size, chances[rows]
    )


def improbable(table: Table, human: Table, near: Nearness) -> Finding:
    """Records as far from every human record as one human record in a thousand is from all others."""
    theirs, _ = near.others(human, min(human.frame.height, MOST))
    distances = near.humans(table)
    chances = _as_near(-distances, -theirs)
    rows = np.flatnonzero((chances <= 1 / FAR) & (distances > 0))
    usual = float(np.median(theirs))
    if usual == 0:
        return Finding(rows, ["no human record is near"] * rows.size, chances[rows])
    return Finding(
        rows,
        [f"no human record is near: {distances[row] / usual:.1f} times the usual distance" for row in rows.tolist()],
        chances[rows],
    )


def _one_of_each(rows: np.ndarray, neighbours: np.ndarray, n: int) -> np.ndarray:
    """The first row of each cluster of rows that are joined to their neighbours."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    _, cluster = connected_components(coo_matrix((np.ones(rows.size), (rows, neighbours)), (n, n)), directed=False)
    joined = np.union1d(rows, neighbours)
    return joined[np.unique(cluster[joined], return_index=True)[1]]


def _as_near(distances: np.ndarray, human: np.ndarray) -> np.ndarray:
    """The share of human records that are as near, (n,), never 0."""
    return (np.searchsorted(np.sort(human), distances, side="right") + 1) / (human.size + 1)


RULES: dict[str, Callable[[Table, Table, Nearness], Finding]] = {
    "copy": copies,
    "outside the human range": outside,
    "impossible combination": impossible,
    "near duplicate": repeated,
    "improbable": improbable,
}
"""The rule behind each reason."""
