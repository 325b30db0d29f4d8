"""Counts of repeated records: distinct records at equal size, pairs of equal records, and records that also occur in another set.

Nothing here uses a bootstrap, because a resample repeats records, and repetitions are counted here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import numpy as np

from outcross.data.bits import hashes_of
from outcross.estimate import Estimate, NotApplicable
from outcross.estimate import share as independent
from outcross.statistics.clusters import share
from outcross.wording import amount

if TYPE_CHECKING:
    import polars

CAP = 1_000_000
"""Maximum number of distinct records that are counted. If there are more, those with the smallest hashes are counted."""


@dataclass(frozen=True, eq=False)
class Occurrences:
    """Hashes of distinct records, in ascending order, and the number of records with each hash, (distinct,) each.

    If more than a million records are distinct, these are a uniform sample of them: those with a hash of at most `largest`, each with its exact count
    (distinct sampling: Gibbons, VLDB 2001). Samples of two sets select the same records.
    """

    hashes: np.ndarray
    counts: np.ndarray
    largest: int | None = None

    @property
    def rows(self) -> int:
        """Number of records counted."""
        return int(self.counts.sum())

    def at_most(self, largest: int | None) -> Occurrences:
        """Return the records with a hash of at most `largest`."""
        if largest is None or (self.largest is not None and self.largest <= largest):
            return self
        kept = int(np.searchsorted(self.hashes, largest, side="right"))
        return Occurrences(self.hashes[:kept], self.counts[:kept], largest)

    def are_in(self, other: Occurrences) -> np.ndarray:
        """Return whether each distinct record is in the other set, (distinct,)."""
        if other.hashes.size == 0:
            return np.zeros(self.hashes.size, dtype=bool)
        place = np.minimum(np.searchsorted(other.hashes, self.hashes), other.hashes.size - 1)
        return other.hashes[place] == self.hashes


def alike(*sides: Occurrences) -> tuple[Occurrences, ...]:
    """Cut the sides to the hashes that all of them count."""
    largest = min((side.largest for side in sides if side.largest is not None), default=None)
    return tuple(side.at_most(largest) for side in sides)


def occurrences(hashes: np.ndarray) -> Occurrences:
    """Count the occurrences of hashes of records, or of values themselves, (n,)."""
    return Occurrences(*np.unique(hashes, return_counts=True))


class Repeats:
    """A sketch that counts how often each record occurs."""

    def __init__(self, columns: Sequence[str], cap: int = CAP):
        self.columns = tuple(columns)
        self._cap = cap
        self._seen: list[Occurrences] = []
        self._waiting = 0
        self._largest: int | None = None

    def update(self, frame: polars.DataFrame) -> None:
        self._add(occurrences(hashes_of(frame, self.columns)))

    def merge(self, other: Self) -> None:
        for seen in other._seen:
            self._add(seen)
        if other._largest is not None:
            self._largest = other._largest if self._largest is None else min(self._largest, other._largest)
        self._gather()

    def result(self) -> Occurrences:
        self._gather()
        return self._seen[0] if self._seen else Occurrences(np.zeros(0, np.uint64), np.zeros(0, np.int64))

    def _add(self, seen: Occurrences) -> None:
        self._seen.append(seen)
        self._waiting += seen.hashes.size
        if self._waiting > 2 * self._cap:
            self._gather()

    def _gather(self) -> None:
        if not self._seen:
            return
        hashes, place = np.unique(np.concatenate([seen.hashes for seen in self._seen]), return_inverse=True)
        counts = np.bincount(place, np.concatenate([seen.counts for seen in self._seen]), minlength=hashes.size).astype(np.int64)
        if hashes.size > self._cap and (self._largest is None or hashes[self._cap - 1] < self._largest):
            self._largest = int(hashes[self._cap - 1])
        whole = Occurrences(hashes, counts)
        self._seen = [whole if self._largest is None else whole.at_most(self._largest)]
        self._waiting = self._seen[0].hashes.size


def distinct_at(counts: np.ndarray, size: int) -> tuple[float, float]:
    """Return the expected number of distinct things among `size` records drawn without replacement, and its standard error (rarefaction: Hurlbert,
    Ecology 52:577, 1971), for `counts` (distinct,) and `size` below their sum.

    It is Σ 1 − C(N − c, size) / C(N, size). The error is the jackknife error over records, which is never too small on average (Efron and Stein
    1981).

    >>> value, _ = distinct_at(np.array([2, 1, 1]), 2)  # of the 6 pairs of 4 records, one consists of equal records
    >>> print(f"{value:.6f}")
    1.833333
    """
    n = int(counts.sum())
    if not 0 < size < n:
        raise NotApplicable(f"{amount(n, 'record')}, but the number of distinct records among {size} needs more records")
    each, of_each = np.unique(counts, return_counts=True)
    now, left_out, one_fewer = (_missed(each, n, size), _missed(each, n - 1, size), _missed(each - 1, n - 1, size))
    value = float(of_each @ (1 - now))
    whole = float(of_each @ (1 - left_out))
    without = whole + left_out - one_fewer  # when one record of a thing with `each` records is left out
    return value, _jackknife_error(without, of_each * each)


def _missed(count: np.ndarray, n: int, size: int) -> np.ndarray:
    """Return the hypergeometric probability that none of `size` records drawn from n is one of `count` records."""
    from scipy.special import gammaln

    chance = np.full(count.shape, 0.0)
    can = n - count >= size
    c = count[can].astype(float)
    logs = gammaln(n - c + 1) - gammaln(n - c - size + 1) - gammaln(n + 1.0) + gammaln(n - size + 1.0)
    chance[can] = np.where(c == 0, 1.0, np.exp(logs))
    return chance


def equal_pairs(counts: np.ndarray) -> tuple[float, float]:
    """Return P(two records are equal), the unbiased Simpson index (Nature 163:688, 1949), and the jackknife standard error of this U-statistic."""
    n = int(counts.sum())
    if n < 3:
        raise NotApplicable(f"{amount(n, 'record')}, but pairs need at least 3")
    pairs = float(np.sum(counts * (counts - 1.0)))
    value = pairs / (n * (n - 1.0))
    without = (pairs - 2 * (counts - 1.0)) / ((n - 1.0) * (n - 2.0))
    return value, _jackknife_error(without, counts)


def _jackknife_error(without: np.ndarray, records: np.ndarray) -> float:
    """Return the jackknife standard error over records, from the value without one record of each thing and the number of such records, (things,)."""
    n = int(records.sum())
    spread = without - records @ without / n
    return math.sqrt((n - 1) / n * float(records @ np.square(spread)))


def found_in(first: Occurrences, second: Occurrences) -> tuple[int, int, Estimate]:
    """Return the number of records of a set that also occur in another set, the number of all its records, and the share with its interval.

    The interval is over distinct records.
    """
    first, second = alike(first, second)
    if first.rows == 0:
        raise NotApplicable("no records")
    hits = np.where(first.are_in(second), first.counts, 0)
    count, n = int(hits.sum()), first.rows
    if hits.size == 1:  # many copies of one record have the information of one record
        return count, n, replace(independent(count // n, 1), method="Wilson over distinct records", n=n)
    return count, n, share(hits.astype(float), first.counts.astype(float), "records", "distinct records")


def fresh_in(reference: Occurrences, holdout: Occurrences | None) -> tuple[int, int]:
    """Return how many of a number of fresh human records occur in the reference, from a holdout, or without one from the reference itself."""
    return seen_again(reference.counts) if holdout is None else found_in(holdout, reference)[:2]


def seen_again(counts: np.ndarray) -> tuple[int, int]:
    """Estimate the share of fresh records that would occur in a set, from the set itself, as (hits, effective number of records).

    It is Good's estimate of the mass of the seen records, 1 − f₁/N (Biometrika 40:237, 1953). The effective number of records reproduces its
    variance, (f₁ (1 − f₁/N) + 2 f₂)/N² (Esty, Ann. Stat. 11:905, 1983). It is at most half of the records, because equal records come in pairs.
    """
    n, once, twice = int(counts.sum()), int((counts == 1).sum()), int((counts == 2).sum())
    if n < 2:
        raise NotApplicable(f"{amount(n, 'record')}, but repetitions need at least 2")
    q = 1 - once / n
    scatter = once * q + 2 * twice
    size = int(min(n / 2, q * (1 - q) * n * n / scatter)) if scatter > 0 and 0 < q < 1 else n // 2
    return int(q * size), max(1, size)
