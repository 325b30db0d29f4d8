"""The share of records that lie beyond a quantile of human ones, against what fresh human records show there.

The limit is the k-th farthest of m human values. A record lies beyond it where it lies at least as far out. How many
of n fresh human records do so is known exactly, whatever their law: the mass beyond the limit follows Beta(k, m + 1 - k), so that their
number is beta-binomial, with the mean n k / (m + 1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from outcross.estimate import Estimate, NotApplicable, Null, share
from outcross.statistics.floors import LEVEL, SMALLEST, chance_of_at_most, chance_of_more
from outcross.statistics.ratios import ratio_of_shares

End = Literal["lower", "upper"]


def farthest(depth: float, human: int) -> int:
    """How many of so many human values a quantile leaves out: the most whose mass is at most `depth` on average, k / (m + 1).

    >>> farthest(0.01, 1000), farthest(0.05, 599)
    (10, 30)
    """
    return int(depth * (human + 1) + 1e-9)


def limit(ordered: np.ndarray, depth: float, end: End, fewest: int = 1, *, ties: Literal["in", "out"] = "in") -> float:
    """The human value at which a share `depth` of human records lies on average; `ordered` rises.

    Where values closer in are tied with it, more human values than the depth says lie there, and two depths may share a limit. With
    `ties="out"` the limit is then the next value farther out, so that at most a share `depth` of the human values lies beyond it.

    NotApplicable where fewer than `fewest` human values lie that far out.

    >>> values = np.array([1.0, 2.0, 3.0, 3.0, 3.0, 4.0, 5.0])
    >>> limit(values, 0.4, "upper"), limit(values, 0.4, "upper", ties="out")
    (3.0, 4.0)
    """
    k = farthest(depth, ordered.size)
    if k < fewest:
        needed = int(np.ceil(round(fewest / depth, 6))) - 1
        raise NotApplicable(f"{k} human values lie that far out, needs at least {fewest}: {needed} human records")
    outward = ordered if end == "lower" else ordered[::-1]  # the farthest first
    if ties == "in" or k == outward.size or outward[k] != outward[k - 1]:
        return float(outward[k - 1])
    farther = int((outward != outward[k - 1])[:k].sum())
    if farther < max(fewest, 1):
        raise NotApplicable(
            f"{farther} human values lie beyond {outward[k - 1]:g}, the rest are tied with it; needs at least {max(fewest, 1)}"
        )
    return float(outward[farther - 1])


def limit_or_farthest(ordered: np.ndarray, depth: float, end: End) -> float:
    """`limit`, or the farthest human value where there are too few for one to lie so far out on average.

    >>> limit_or_farthest(np.arange(1.0, 51.0), 0.01, "lower")
    1.0
    """
    return limit(ordered, max(depth, 1 / (ordered.size + 1)), end)


def known(null: Null, typical: float) -> Null:
    """The null with a middle that is known without error: so is the share of fresh human records beyond a limit that human records set."""
    return replace(null, typical=typical, low=typical, high=typical)


def ranks_of_quantile(n: float, q: float) -> tuple[float, float]:
    """Between which ranks of n values the q-quantile lies with 95 % chance; outside of [1, n] where they do not bound it.

    The U of rank r of n uniform values follows Beta(r, n + 1 - r), also between whole ranks (Hutson, J. Appl. Stat. 26:343, 1999). Whole
    ranks alone would hold it in 96 to 98 % of samples.
    """
    from scipy.optimize import brentq
    from scipy.special import betainc

    low, high = (
        brentq(lambda rank, chance=chance: betainc(rank, n + 1 - rank, q) - chance, 1e-9, n + 1 - 1e-9) for chance in (0.975, 0.025)
    )
    return float(low), float(high)  # type: ignore[arg-type]


def widened(share: Estimate, moved: tuple[float, float]) -> Estimate:
    """A share beyond a limit as an estimate of that beyond the quantile itself: its error and, independent of it, that of the limit.

    `moved` are the shares beyond the two ends of the quantile's interval; squared errors add up (Zou and Donner, Stat. Med. 27:1693, 2008).
    """
    own_low, own_high = share.interval
    low = share.value - math.hypot(share.value - own_low, _moved(share.value - min(moved), share.n))
    high = share.value + math.hypot(own_high - share.value, _moved(max(moved) - share.value, share.n))
    return replace(share, low=max(0.0, low), high=min(1.0, high), method=f"{share.method}, quantile by order statistics")


def _moved(share: float, n: int) -> float:
    """How far the limit's error moves a share of n things: the root of c (c - 1) for the c of them between the limit and its end.

    The square of a count is too large on average, by the variance of the count. For a Poisson count c, c (c - 1) has the square of c's mean as its mean.
    """
    count = max(0, round(share * n))
    return math.sqrt(max(0, count * (count - 1))) / n


@dataclass(frozen=True)
class Honest:
    """How many of `rows` fresh human records lie at least as far out as the k-th farthest of `human` others: BetaBinomial(rows; k, human + 1 - k).

    >>> law = Honest(10, 1000, 1000)
    >>> print(f"{law.mean:.3f} {law.at_most(0):.3e}")
    9.990 9.547e-04
    """

    k: int
    human: int
    rows: int

    @property
    def mean(self) -> float:
        return self.rows * self.k / (self.human + 1)

    def at_most(self, count: int) -> float:
        """P(at most so many): that k human records or more are among the k + count farthest of all records."""
        if count < 0 or count >= self.rows:
            return float(count >= self.rows)
        return chance_of_more(self.k - 1, self.rows + self.human, self.human, self.k + count)

    def at_least(self, count: int) -> float:
        """P(at least so many)."""
        if count <= 0:
            return 1.0
        return chance_of_at_most(self.k - 1, self.rows + self.human, self.human, self.k + count - 1)

    def quantile(self, p: float) -> int:
        """The smallest number at which `at_most` is p or more."""
        low, high = 0, self.rows
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if self.at_most(middle) >= p * (1 - 1e-12) else (middle + 1, high)
        return low


def fewer_beyond(count: int, rows: int, k: int, human: int) -> tuple[Estimate, Null]:
    """The share of `rows` records beyond the limit over the share k / (human + 1) of fresh human ones, and the null of a smaller one.

    k counts every human record that lies at least as far out as the limit. Where human values are tied with the limit the law is that of
    records beyond a fixed limit with k human ones beyond it, which is the same (Fisher's exact test).
    """
    law = _law(count, rows, k, human)
    ratio = Estimate(*ratio_of_shares(count, rows, k, human + 1), "Wilson of both shares", rows)
    p = min(1.0, max(SMALLEST, law.at_most(count)))
    return ratio, Null(typical=1.0, floor=law.quantile(LEVEL) / law.mean, p=p, method="beta-binomial")


def more_beyond(count: int, rows: int, k: int, human: int, *, is_tied: bool = False) -> tuple[Estimate, Null]:
    """The share of `rows` records beyond the limit, and the null of a larger one; not a ratio.

    Where human values are tied with the limit (`is_tied`) the law has one human record more beyond it, as that of Fisher's exact test has.
    """
    law = _law(count, rows, min(k + is_tied, human), human)
    p = min(1.0, max(SMALLEST, law.at_least(count)))
    null = Null(typical=k / (human + 1), floor=law.quantile(1 - LEVEL) / rows, p=p, method="beta-binomial")
    return share(count, rows), null


def _law(count: int, rows: int, k: int, human: int) -> Honest:
    if rows == 0 or human == 0:
        raise NotApplicable("a share of no records")
    assert 0 <= count <= rows and 1 <= k <= human, (count, rows, k, human)
    return Honest(k=k, human=human, rows=rows)
