"""Search for boxes of records in which one of two sets is missing: intervals and sets of codes of at most three columns (`facets`).

The worth of a record is log(P(its side | thinned) / P(its side | not thinned)). The worth of a box is the sum over its records: the log-likelihood
ratio that the second set is thinned in the box to a given share of its expected number. Because this sum is additive, the best interval or set of
codes of one column, given the other conditions, is found exactly in one pass (Neill, JRSS-B 74:337, 2012). All pairs of columns are searched jointly,
because a box of two columns may leave no trace in either column alone. The best boxes are then improved column by column, and get a third condition
if that increases their worth.

Each condition costs a quarter of its description length, the information that names it among all conditions (Rissanen, Automatica 14:465, 1978). This
is about one nat per end, as in Akaike's criterion. The full description length would protect against boxes where nothing is lost. But other records
test each box, so the price only has to keep the outline simple, and with the full price a region that keeps half of its records would not be found.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, product

import numpy as np

from outcross.statistics.facets import Facet

Box = Mapping[int, np.ndarray]
"""The conditions of a box: for the index of each facet, whether each code is inside, (codes,)."""
PRICES = (0.25, 1.0)
"""The cost of a condition, as a share of its description length: first the low price, then the full one."""
DEPTH = 3
"""Maximum number of conditions of a box."""
BEGINNINGS = 16
"""Number of initial boxes that are improved."""
ROUNDS = 8
"""Maximum number of rounds in which a box is improved."""
WORTH = 1.0
"""Minimum worth of a code in a set, in nats. Without it, every category with a single record would be in the set."""
MISSING_WORTH = 2.0
"""Minimum worth of missing values to be added to an interval, in nats, because "or missing" is a further condition."""
ALL_PAIRS = 60
"""Maximum number of facets of which all pairs are searched in full. With more, pairs are first screened with coarse codes."""
COARSE = 5
"""Number of coarse codes of a facet, including that of a missing value."""
PAIRS = 400
"""Number of pairs that are searched in full after screening."""
COUNTED = 1 << 22
"""Number of codes of records that are counted at a time."""
SCREENED = 20_000
"""Maximum number of records for screening pairs with coarse codes."""


def worth(is_first: np.ndarray, share_left: float) -> np.ndarray:
    """Return the worth of each record, in nats, (records,), if the second set is thinned to `share_left` of its expected number."""
    first = int(is_first.sum())
    second = is_first.size - first
    honest, thinned = second / (first + second), share_left * second / (first + share_left * second)
    return np.where(is_first, math.log((1 - thinned) / (1 - honest)), math.log(thinned / honest))


@dataclass(frozen=True, eq=False)
class Scan:
    """Some records in which boxes are searched for."""

    facets: Sequence[Facet]
    codes: np.ndarray
    """The codes of the records, (facets, records)."""

    def search(self, worths: np.ndarray, rng: np.random.Generator) -> Search:
        """Return a search for the box with the highest worth. worths: the worth of each record in nats, (records,)."""
        return Search(self, worths, tuple(self._pairs(worths, rng)))

    def inside(self, box: Box, but: int | None = None) -> np.ndarray:
        """Return whether each record lies in a box, (records,). The condition on the facet `but` is ignored."""
        return inside(self.codes, box, but)

    def worth_of_each(self, rows: np.ndarray, worths: np.ndarray) -> np.ndarray:
        """Return the worth of each code of every facet among these rows, (facets, largest number of codes)."""
        facets, several = len(self.facets), max(1, COUNTED // max(1, rows.size))
        parts = []
        for start in range(0, facets, several):
            places = self._places[:, start : start + several][rows]
            width = places.shape[1]
            parts.append(
                np.bincount(
                    places.ravel() - start * self.widest, weights=np.repeat(worths[rows], width), minlength=self.widest * width
                )
            )
        return np.concatenate(parts).reshape(facets, -1)

    def worth_of_pair(self, i: int, j: int, worths: np.ndarray) -> np.ndarray:
        """Return the worth of each pair of codes of two facets, (codes of the first × codes of the second,)."""
        of_i, of_j = self.facets[i], self.facets[j]
        places = np.multiply(self.codes[i], of_j.levels, dtype=np.int64) + self.codes[j]
        return np.bincount(places, weights=worths, minlength=of_i.levels * of_j.levels)

    def _pairs(self, worths: np.ndarray, rng: np.random.Generator) -> Iterator[tuple[int, int]]:
        n = len(self.facets)
        if n <= ALL_PAIRS:
            return combinations(range(n), 2)
        return self._coarse_pairs(worths, rng)

    def _coarse_pairs(self, worths: np.ndarray, rng: np.random.Generator) -> Iterator[tuple[int, int]]:
        """Yield the pairs of columns whose cells of coarse codes have the highest worth."""
        n, records = self.codes.shape
        rows = rng.permutation(records)[:SCREENED] if records > SCREENED else np.arange(records)
        coarse, some = self._coarse[:, rows], worths[rows]
        first, second = np.triu_indices(n, 1)
        cells = np.zeros((COARSE, COARSE, first.size), dtype=np.float32)
        # There are two different worths, one per side, and records in boxes that were already found are worth 0.
        for number in np.unique(some[some != 0]):
            cells += np.float32(number) * self._counted(coarse, rows, some == number, bool(number > 0))[:, :, first, second]
        # Three by three neighbouring codes contain most of any box.
        chosen = np.argsort(-_best_square(cells), kind="stable")[:PAIRS]
        return zip(first[chosen].tolist(), second[chosen].tolist(), strict=True)

    def _counted(self, coarse: np.ndarray, rows: np.ndarray, is_in: np.ndarray, is_second: bool) -> np.ndarray:
        """Count the records of one side with each pair of coarse codes (`_together`).

        The next search excludes the records of boxes that were found, so only these are counted again and subtracted.
        """
        before = self._counts.get(is_second)
        if (
            before is not None
            and before.rows.size == rows.size
            and not (is_in & ~before.is_in).any()
            and (before.rows == rows).all()
        ):
            taken_out = before.is_in & ~is_in
            counts = before.counts - _together(coarse[:, taken_out]) if taken_out.any() else before.counts
        else:
            counts = _together(coarse[:, is_in])
        self._counts[is_second] = _CountedPairs(rows, is_in, counts)
        return counts

    @cached_property
    def _counts(self) -> dict[bool, _CountedPairs]:
        """The last counts of each side."""
        return {}

    @cached_property
    def _coarse(self) -> np.ndarray:
        """The coarse codes of the records, (facets, records)."""
        return np.stack([coarser(facet)[codes] for facet, codes in zip(self.facets, self.codes, strict=True)]).astype(np.int8)

    @cached_property
    def _places(self) -> np.ndarray:
        """The place of each code among the codes of all facets, (records, facets). The codes of a record stand together in memory."""
        return np.ascontiguousarray(self.codes.T, dtype=np.int64) + self.widest * np.arange(len(self.facets))

    @cached_property
    def widest(self) -> int:
        """The largest number of codes of a facet."""
        return max(facet.levels for facet in self.facets)


@dataclass(frozen=True, eq=False)
class Search:
    """A search for the box with the highest worth. Whatever does not depend on the price of conditions is computed once for all prices."""

    scan: Scan
    worths: np.ndarray
    """The worth of each record in nats, (records,)."""
    pairs: tuple[tuple[int, int], ...]
    """The pairs of facets that are searched jointly."""

    def best(self, price: float) -> tuple[float, Box]:
        """Return the best box and its worth less its cost. price: the cost of a condition, as a share of its description length."""
        best, box = -math.inf, {}
        for beginning in self._beginnings(price):
            value, improved = self._improved(beginning, price)
            if value > best:
                best, box = value, improved
        return best, self._plainer(box) if box else box

    def _beginnings(self, price: float) -> list[Box]:
        """Return the best boxes of one column and of two columns, from which the search starts."""
        boxes: list[tuple[float, Box]] = [
            (best.worth - price * best.length, {best.facet: best.codes}) for best in self._best_of_each({})
        ]
        boxes += [(value - self._cost(box, price), box) for value, box in self._best_of_pairs]
        return [box for _, box in sorted(boxes, key=lambda scored_box: -scored_box[0])[:BEGINNINGS]]

    def _best_of_each(self, box: Box) -> list[_BestCodes]:
        """Return the best set of codes of each facet that has no condition, among the records in a box. Facets without a code of any worth are left
        out."""
        key = frozenset((i, codes.tobytes()) for i, codes in box.items())
        if key not in self._known_best:
            self._known_best[key] = list(self._found_best_of_each(box))
        return self._known_best[key]

    def _found_best_of_each(self, box: Box) -> Iterator[_BestCodes]:
        scan = self.scan
        which = np.array([i for i in range(len(scan.facets)) if i not in box], dtype=np.int64)
        if not which.size:
            return
        of_codes = scan.worth_of_each(np.flatnonzero(scan.inside(box)), self.worths)[which]
        codes, values = np.zeros((which.size, scan.widest), dtype=bool), np.empty(which.size)
        # Codes that a facet does not have are worth 0, so no set contains them. An interval could, so intervals are cut to the facet's codes.
        for (is_ordered, levels), some in self._groups(which).items():
            width = levels if is_ordered else scan.widest
            codes[some, :width], values[some] = best_codes(of_codes[some, :width], is_ordered)
        for place in np.flatnonzero(codes.any(axis=1)).tolist():
            i = int(which[place])
            own = codes[place, : scan.facets[i].levels]
            yield _BestCodes(float(values[place]), self._length(i, own), i, own)

    def _groups(self, which: np.ndarray) -> dict[tuple[bool, int], np.ndarray]:
        """Group the facets that are searched together: ordered facets with the same number of codes, and all facets of categories.

        Returns the positions of each group in `which`.
        """
        kinds: dict[tuple[bool, int], list[int]] = {}
        for place, i in enumerate(which):
            facet = self.scan.facets[i]
            kinds.setdefault((facet.is_ordered, facet.levels if facet.is_ordered else 0), []).append(place)
        return {kind: np.array(places) for kind, places in kinds.items()}

    @cached_property
    def _best_of_pairs(self) -> list[tuple[float, Box]]:
        """The best box of each pair of columns with its worth, from alternating searches that start at intervals or codes of the first column."""
        facets = self.scan.facets
        boxes: list[tuple[float, Box]] = [(0.0, {})] * len(self.pairs)
        alike: dict[tuple[bool, int, bool, int], list[int]] = {}
        for place, (i, j) in enumerate(self.pairs):
            of_i, of_j = facets[i], facets[j]
            alike.setdefault((of_i.is_ordered, of_i.levels, of_j.is_ordered, of_j.levels), []).append(place)
        for (is_ordered, levels, is_other_ordered, other_levels), places in alike.items():
            cells = np.stack([self.scan.worth_of_pair(*self.pairs[place], self.worths) for place in places])
            cells = cells.reshape(-1, levels, other_levels)
            first: np.ndarray = _starts_of(levels, is_ordered)
            for _ in range(3):
                second, _value = best_codes(first.astype(float) @ cells, is_other_ordered)
                first, value = best_codes(second.astype(float) @ cells.transpose(0, 2, 1), is_ordered)
            best = value.argmax(axis=1)
            for k, (place, at) in enumerate(zip(places, best, strict=True)):
                boxes[place] = float(value[k, at]), dict(zip(self.pairs[place], (first[k, at], second[k, at]), strict=True))
        return [box for box in boxes if all(codes.any() for codes in box[1].values())]

    def _improved(self, box: Box, price: float) -> tuple[float, Box]:
        """Return the worth and the improved box: its conditions are optimised in turn, and one is added or removed if that increases the worth less
        the cost."""
        value = self._value(box, price)
        for _ in range(ROUNDS):
            before = value
            value, box = self._after_a_round(box, price)
            if value <= before + 1e-9:
                break
        return value, box

    def _after_a_round(self, box: Box, price: float) -> tuple[float, Box]:
        """Return the worth and the box after one round. Several beginnings reach the same boxes, so the results are kept."""
        key = price, tuple((i, codes.tobytes()) for i, codes in box.items())
        if key not in self._known_rounds:
            value = self._value(box, price)
            for change in (self._moved, self._longer, self._shorter):
                for candidate in change(box, price):
                    candidate_value = self._value(candidate, price)
                    if candidate_value > value + 1e-9:
                        box, value = candidate, candidate_value
            self._known_rounds[key] = value, box
        return self._known_rounds[key]

    def _moved(self, box: Box, price: float) -> Iterator[Box]:
        """Yield the box with each condition optimised in turn, given the current other conditions."""
        current, value = dict(box), self._value(box, price)
        for i in box:
            codes, _ = best_codes(self._worth_of_codes(i, self.scan.inside(current, but=i)), self.scan.facets[i].is_ordered)
            candidate = {**current, i: codes}
            candidate_value = self._value(candidate, price)
            if codes.any() and candidate_value > value:
                current, value = candidate, candidate_value
        yield current

    def _longer(self, box: Box, price: float) -> Iterator[Box]:
        if len(box) >= DEPTH:
            return
        if every := self._best_of_each(box):
            best = max(every, key=lambda codes: codes.worth - price * codes.length)
            yield {**box, best.facet: best.codes}

    def _shorter(self, box: Box, price: float) -> Iterator[Box]:
        if len(box) > 1:
            yield from ({k: codes for k, codes in box.items() if k != i} for i in box)

    def _plainer(self, box: Box) -> Box:
        """Return the box with shorter sets of categories: categories with a small worth are included or excluded if that makes the list of names
        shorter."""
        plain = dict(box)
        for i, codes in box.items():
            if not self.scan.facets[i].is_ordered:
                of_codes = self._worth_of_codes(i, self.scan.inside(plain, but=i))
                plain[i] = plainer(self.scan.facets[i], codes, of_codes)
        return plain

    def _worth_of_codes(self, i: int, among: np.ndarray) -> np.ndarray:
        return np.bincount(self.scan.codes[i][among], weights=self.worths[among], minlength=self.scan.facets[i].levels)

    def _value(self, box: Box, price: float) -> float:
        return self._worth_inside(box) - self._cost(box, price)

    def _worth_inside(self, box: Box) -> float:
        """Return the total worth of the records in a box. The search asks for it again and again, at every price and for every neighbouring box."""
        key = frozenset((i, codes.tobytes()) for i, codes in box.items())
        if key not in self._known_worths:
            self._known_worths[key] = float(self.worths[self.scan.inside(box)].sum())
        return self._known_worths[key]

    def _cost(self, box: Box, price: float) -> float:
        """Return the cost of the conditions of a box in nats: a share of their description length."""
        return sum(price * self._length(i, codes) for i, codes in box.items())

    def _length(self, i: int, codes: np.ndarray) -> float:
        """Return the description length of a condition in nats: the logarithm of the number of conditions that it is chosen from."""
        facet, columns = self.scan.facets[i], len(self.scan.facets)
        if not facet.is_ordered:
            return math.log(columns) + _ways(facet.levels, int(codes.sum()))
        ends = 2 if not codes[1:].any() else int(not codes[1]) + int(not codes[-1])
        return math.log(columns) + ends * math.log(facet.levels)

    @cached_property
    def _known_worths(self) -> dict[frozenset[tuple[int, bytes]], float]:
        """The results of `_worth_inside`, by the conditions of the box."""
        return {}

    @cached_property
    def _known_rounds(self) -> dict[tuple[float, tuple[tuple[int, bytes], ...]], tuple[float, Box]]:
        """The results of `_after_a_round`, by the price and the conditions of the box in their order."""
        return {}

    @cached_property
    def _known_best(self) -> dict[frozenset[tuple[int, bytes]], list[_BestCodes]]:
        """The results of `_best_of_each`, by the conditions of the box."""
        return {}


@dataclass(frozen=True, eq=False)
class _BestCodes:
    """The set of codes of a facet with the highest worth among some records."""

    worth: float
    """In nats."""
    length: float
    """The description length of the condition, in nats."""
    facet: int
    """The index of the facet."""
    codes: np.ndarray
    """Whether each code is inside, (codes,)."""


@dataclass(frozen=True, eq=False)
class _CountedPairs:
    """Counts of the pairs of coarse codes of all pairs of facets among some records of one side."""

    rows: np.ndarray
    """The screened records, (screened,)."""
    is_in: np.ndarray
    """Whether each of them is counted, (screened,)."""
    counts: np.ndarray
    """The counts, (COARSE, COARSE, facets, facets)."""


def inside(codes: np.ndarray, box: Box, but: int | None = None) -> np.ndarray:
    """Return whether each record lies in a box, (records,), for codes (facets, records). The condition on the facet `but` is ignored."""
    within = np.ones(codes.shape[1], dtype=bool)
    for i, chosen in box.items():
        if i != but:
            within &= chosen[codes[i]]
    return within


def best_codes(worths: np.ndarray, is_ordered: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the set of codes with the highest total worth, an interval if they are ordered, and this worth. worths: (…, codes)

    >>> codes, value = best_codes(np.array([0.0, -1.0, 3.0, -1.0, 2.0, -4.0]), is_ordered=True)
    >>> codes.astype(int).tolist(), float(value)
    ([0, 0, 1, 1, 1, 0], 4.0)
    """
    if not is_ordered:
        codes = worths > WORTH
        return codes, np.where(codes, worths, 0.0).sum(axis=-1)
    # The interval with the largest sum ends where the cumulative sum exceeds its smallest earlier value most.
    sums = np.cumsum(worths[..., 1:], axis=-1)
    before = sums - worths[..., 1:]
    lowest = np.minimum.accumulate(before, axis=-1)
    places = np.arange(sums.shape[-1])
    start = np.maximum.accumulate(np.where(before <= lowest, places, 0), axis=-1)
    end = (sums - lowest).argmax(axis=-1)[..., None]
    value = np.take_along_axis(sums - lowest, end, axis=-1)
    has_missing = worths[..., :1] > MISSING_WORTH
    is_in = (places >= np.take_along_axis(start, end, axis=-1)) & (places <= end) & ((value > 0) | ~has_missing)
    value = np.where(has_missing, worths[..., :1] + np.maximum(0.0, value), value)
    return np.concatenate([has_missing, is_in], axis=-1), value[..., 0]


def plainer(facet: Facet, codes: np.ndarray, worths: np.ndarray) -> np.ndarray:
    """Return the set of categories with nearly the same worth and the fewest names. A rule names the categories inside or those outside.

    Codes 1, 2, … have names. Code 0 is a missing value. The last code stands for all other categories, which only a rule that names the outside can
    include.
    """
    is_named = (np.arange(facet.levels) >= 1) & (np.arange(facet.levels) <= len(facet.names))
    says_little = np.abs(worths) < MISSING_WORTH
    by_names = np.where(says_little & ~(codes & is_named), False, codes)
    by_names = np.where(says_little & is_named, False, by_names)
    by_others = codes | says_little
    if not (by_names & is_named).any():
        return by_others
    if by_names[-1] and not is_named[-1]:
        return by_others
    return by_names if (by_names & is_named).sum() <= (~by_others & is_named).sum() else by_others


def coarser(facet: Facet) -> np.ndarray:
    """Map each code of a facet to one of `COARSE` codes. Neighbouring intervals are merged, and the commonest categories keep a code of their own."""
    codes = np.arange(facet.levels)
    if not facet.is_ordered:
        return np.minimum(codes, COARSE - 1)
    return np.where(codes == 0, 0, 1 + (np.maximum(codes, 1) - 1) * (COARSE - 1) // max(1, facet.levels - 1))


def _together(coarse: np.ndarray) -> np.ndarray:
    """Count the records with each pair of coarse codes of each pair of facets, (COARSE, COARSE, facets, facets), for codes (facets, records).

    Only pairs with the first facet before the second are filled.
    """
    from scipy.linalg.blas import ssyrk  # pyright: ignore[reportAttributeAccessIssue]

    n = len(coarse)
    indicators = np.empty((n, COARSE, coarse.shape[1]), dtype=np.float32)
    np.equal(coarse[:, None, :], np.arange(COARSE)[:, None], out=indicators)
    counts = ssyrk(1.0, indicators.reshape(n * COARSE, -1).T, trans=1)
    return counts.reshape(n, COARSE, n, COARSE).transpose(1, 3, 0, 2)


def _best_square(cells: np.ndarray) -> np.ndarray:
    """Return the largest sum over a block of one to three by one to three neighbouring cells, at least 0, (tables,), for cells (codes, codes, tables)."""
    sums = np.zeros((COARSE + 1, COARSE + 1, cells.shape[-1]), dtype=cells.dtype)
    sums[1:, 1:] = cells.cumsum(axis=0).cumsum(axis=1)
    best = np.zeros(cells.shape[-1], dtype=cells.dtype)
    for a, b in product((1, 2, 3), repeat=2):
        blocks = sums[a:, b:] - sums[:-a, b:] - sums[a:, :-b] + sums[:-a, :-b]
        np.maximum(best, blocks.max(axis=(0, 1)), out=best)
    return best


def _ways(levels: int, names: int) -> float:
    """Return the logarithm of the number of ways to choose some of the codes."""
    return math.lgamma(levels + 1) - math.lgamma(names + 1) - math.lgamma(levels - names + 1)


def _starts_of(levels: int, is_ordered: bool) -> np.ndarray:
    """Return the starts of a search: the whole range of codes, and every single code or every interval of 1, 2, 4, … codes, (starts, codes)."""
    whole = np.ones((1, levels), dtype=bool)
    if not is_ordered:
        return np.concatenate([whole, np.eye(levels, dtype=bool)])
    sizes = 2 ** np.arange(max(1, int(math.log2(max(2, levels - 1)))))
    places = np.arange(levels)
    intervals = [(places >= start) & (places < start + size) for size in sizes for start in range(1, levels, size)]
    return np.concatenate([whole, np.array(intervals)])
