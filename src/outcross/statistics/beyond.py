"""The share of records beyond a quantile of human values, compared with that of fresh human records.

The limit is the k-th farthest of m human values. A record lies beyond it if it lies at least as far out. The number of n fresh human records
beyond it has a known distribution, whatever their law: the mass beyond the limit follows Beta(k, m + 1 - k), so the
number is beta-binomial with mean n k / (m + 1).
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
    """Return how many of m human values lie beyond a quantile: the largest k whose expected mass, k / (m + 1), is at most `depth`.

    >>> farthest(0.01, 1000), farthest(0.05, 599)
    (10, 30)
    """
    return int(depth * (human + 1) + 1e-9)


def limit(ordered: np.ndarray, depth: float, end: End, fewest: int = 1, *, ties: Literal["in", "out"] = "in") -> float:
    """Return the human value beyond which a share of at most `depth` of human records lies on average. `ordered` is in ascending order.

    If values closer in are tied with it, more human values lie at or beyond it, and two depths may share a limit. With
    `ties="out"` the limit is then the next value farther out, so that at most a share `depth` of the human values lies beyond it.

    Raises NotApplicable if fewer than `fewest` human values lie that far out.

    >>> values = np.array([1.0, 2.0, 3.0, 3.0, 3.0, 4.0, 5.0])
    >>> limit(values, 0.4, "upper"), limit(values, 0.4, "upper", ties="out")
    (3.0, 4.0)
    """
    k = farthest(depth, ordered.size)
    if k < fewest:
        needed = int(np.ceil(round(fewest / depth, 6))) - 1
        raise NotApplicable(f"{k} human values lie that far out, but the minimum is {fewest}; give {needed} human records")
    outward = ordered if end == "lower" else ordered[::-1]  # the farthest first
    if ties == "in" or k == outward.size or outward[k] != outward[k - 1]:
        return float(outward[k - 1])
    farther = int((outward != outward[k - 1])[:k].sum())
    if farther < max(fewest, 1):
        raise NotApplicable(
            f"{farther} human values lie beyond {outward[k - 1]:g} and the others are tied with it, but the minimum is {max(fewest, 1)}"
        )
    return float(outward[farther - 1])


def limit_or_farthest(ordered: np.ndarray, depth: float, end: End) -> float:
    """Return `limit`, or the farthest human value if there are too few values for this depth.

    >>> limit_or_farthest(np.arange(1.0, 51.0), 0.01, "lower")
    1.0
    """
    return limit(ordered, max(depth, 1 / (ordered.size + 1)), end)


def known(null: Null, typical: float) -> Null:
    """Return the null with a typical value that is known without error, such as the expected share of fresh human records beyond a human limit."""
    return replace(null, typical=typical, low=typical, high=typical)


def ranks_of_quantile(n: float, q: float) -> tuple[float, float]:
    """Return the ranks of n values between which the q-quantile lies with 95 % probability. A rank is outside [1, n] if the values do not bound the
    quantile.

    The value of rank r among n uniform values follows Beta(r, n + 1 - r), also between whole ranks (Hutson, J. Appl. Stat. 26:343, 1999). With whole
    ranks the coverage would be 96 to 98 %.
    """
    from scipy.optimize import brentq
    from scipy.special import betainc

    low, high = (
        brentq(lambda rank, chance=chance: betainc(rank, n + 1 - rank, q) - chance, 1e-9, n + 1 - 1e-9) for chance in (0.975, 0.025)
    )
    return float(low), float(high)  # type: ignore[arg-type]


def widened(share: Estimate, moved: tuple[float, float]) -> Estimate:
    """Widen the interval of a share beyond an estimated limit, so that it covers the share beyond the true quantile.

    The errors of the share and of the limit are independent, so their squares add up (Zou and Donner, Stat. Med. 27:1693, 2008). `moved` are the
    shares beyond the two ends of the quantile's interval.
    """
    own_low, own_high = share.interval
    low = share.value - math.hypot(share.value - own_low, _moved(share.value - min(moved), share.n))
    high = share.value + math.hypot(own_high - share.value, _moved(max(moved) - share.value, share.n))
    return replace(share, low=max(0.0, low), high=min(1.0, high), method=f"{share.method}, quantile by order statistics")


def _moved(share: float, n: int) -> float:
    """Return the change of a share of n things by the error of the limit: √(c (c - 1)) / n for the count c between the limit and the end of its
    interval.

    The square of a count is too large on average, by the variance of the count. For a Poisson count c, the mean of c (c - 1) is the square of the
    mean of c.
    """
    count = max(0, round(share * n))
    return math.sqrt(max(0, count * (count - 1))) / n


@dataclass(frozen=True)
class Honest:
    """The law of the number of `rows` fresh human records at least as far out as the k-th farthest of `human` others: BetaBinomial(rows; k, human + 1
    - k).

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
        """Return P(number ≤ count): the probability that at least k human records are among the k + count farthest of all records."""
        if count < 0 or count >= self.rows:
            return float(count >= self.rows)
        return chance_of_more(self.k - 1, self.rows + self.human, self.human, self.k + count)

    def at_least(self, count: int) -> float:
        """Return P(number ≥ count)."""
        if count <= 0:
            return 1.0
        return chance_of_at_most(self.k - 1, self.rows + self.human, self.human, self.k + count - 1)

    def quantile(self, p: float) -> int:
        """Return the smallest number at which `at_most` is at least p. p: in (0, 1)."""
        from scipy.special import ndtri

        share = self.k / (self.human + 1)
        deviation = math.sqrt(self.rows * share * (1 - share) * (self.human + 1 + self.rows) / (self.human + 2))
        # From the quantile of the normal law, which is near, in steps that double until the number lies between two that were tried.
        below, high = -1, self.rows
        tried, step = min(self.rows, max(0, round(self.mean + float(ndtri(p)) * deviation))), 1
        while high - below > 1:
            if self.at_most(tried) >= p * (1 - 1e-12):
                high, following = tried, tried - step
            else:
                below, following = tried, tried + step
            step *= 2
            tried = following if below < following < high else (below + high) // 2
        return high


def fewer_beyond(count: int, rows: int, k: int, human: int) -> tuple[Estimate, Null]:
    """Return the share of `rows` records beyond the limit divided by the share k / (human + 1) of fresh human records, and the null for a smaller
    share.

    k counts every human record that lies at least as far out as the limit. If human values are tied with the limit, the law is that of
    records beyond a fixed limit with k human records beyond it. This is the same law (Fisher's exact test).
    """
    law = _law(count, rows, k, human)
    ratio = Estimate(*ratio_of_shares(count, rows, k, human + 1), "Wilson of both shares", rows)
    p = min(1.0, max(SMALLEST, law.at_most(count)))
    return ratio, Null(typical=1.0, floor=law.quantile(LEVEL) / law.mean, p=p, method="beta-binomial")


def fewer(count: int, rows: int, reference_count: int, reference_rows: int, level: float = LEVEL) -> Null:
    """Return the null of a ratio of shares (count / rows) / (reference_count / reference_rows): Fisher's exact test for a smaller share.

    If nothing is lost, the labels of all rows are exchangeable. The count then has the distribution `Honest` with k = `reference_count`, which takes
    the human count as random too. The test is also valid if a threshold is an order statistic of the reference: the exact distribution then has one
    more record in its total, and its p is at most this p. The floor depends on the human share and not on the count. It is the quantile `level` of
    the ratio in real samples.

    >>> null = fewer(80, 1000, 100, 1000)
    >>> print(f"{null.floor:.2f}, p = {null.p:.3f}")
    0.79, p = 0.069
    """
    if rows == 0 or reference_rows == 0:
        raise NotApplicable("a share of no records")
    law = Honest(k=reference_count, human=reference_rows, rows=rows)
    expected = rows * reference_count / reference_rows
    floor = law.quantile(level) / expected if expected else 1.0
    return Null(typical=1.0, floor=floor, p=min(1.0, max(SMALLEST, law.at_most(count))), method="Fisher's exact test")


def more_beyond(count: int, rows: int, k: int, human: int, *, is_tied: bool = False) -> tuple[Estimate, Null]:
    """Return the share of `rows` records beyond the limit, which is not a ratio, and the null for a larger share.

    If human values are tied with the limit (`is_tied`), the law has one more human record beyond it, as in Fisher's exact test.
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
