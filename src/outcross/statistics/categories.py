"""The shares of categories in two sets, every category by itself, and which of them fell or grew most.

A category has x of n human and y of m synthetic records. Given t = x + y, y is binomial with t trials where counts are Poisson, and its
chance says the ratio of the shares, r: r m / (n + r m). Where counts are binomial or drawn without replacement y varies less, so that what follows is then conservative.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from outcross.estimate import Estimate, NotApplicable, Null
from outcross.statistics.floors import LEVEL, SMALLEST

Way = Literal["fewer", "more"]
"""Whether a category is looked at for what it lost or for what it gained."""
ERROR = 0.025
"""The chance that one of the intervals of all categories lies wholly on one side of what is true; the other side has as much."""
COMMON = 0.01
"""The share of human records from which a category is common: a column is kept only where each of its common categories is."""
NEARLY_UNIQUE = 0.9
"""Different values for each human record, above which they are no categories."""
METHOD = "exact binomial of both counts, over all categories"


@dataclass(frozen=True, eq=False)
class ComparedCounts:
    """Records of each category in both sets, by the same places. (categories,) each"""

    synthetic: np.ndarray
    human: np.ndarray

    @property
    def rows(self) -> tuple[int, int]:
        """Records of the synthetic and of the human set."""
        return int(self.synthetic.sum()), int(self.human.sum())

    @property
    def both(self) -> np.ndarray:
        """Records of each category on both sides together. (categories,)"""
        return self.synthetic + self.human

    @property
    def human_shares(self) -> np.ndarray:
        return self.human / max(1, self.rows[1])

    def chance(self, ratio: float = 1.0) -> float:
        """That a record of a category is synthetic where its shares have this ratio."""
        m, n = self.rows
        return ratio * m / (n + ratio * m)


@dataclass(frozen=True)
class Worst:
    """The category that fell or grew most, beyond what chance explains."""

    place: int
    """Where it stands among the categories."""
    estimate: Estimate
    """Ratio of its shares, synthetic over human. The ends are those of all intervals together (`worst`)."""
    null: Null
    members: int
    """Categories with enough records to be found, of which it is the worst."""
    least_known: int
    """Where the category stands that decides the other end of the interval."""
    others: tuple[int, ...]
    """More categories that differ in the same way by Holm's step-down at 5 %, the clearest first."""


def require_categories(human: np.ndarray) -> None:
    """NotApplicable where the values of human records are nearly unique, as names and identifiers are; `human` counts each value. (values,)

    >>> require_categories(np.ones(10))
    Traceback (most recent call last):
    outcross.estimate.NotApplicable: 10 different values in 10 human records are names, identifiers or texts, not categories
    """
    different, records = int((human > 0).sum()), int(human.sum())
    if different > max(1.0, NEARLY_UNIQUE * records):
        raise NotApplicable(
            f"{different:,} different values in {records:,} human records are names, identifiers or texts, not categories"
        )


def chance_of_fewer(counts: ComparedCounts, ratio: float = 1.0) -> np.ndarray:
    """P(at most so many synthetic records of a category, given both sides together), where its shares have at least this ratio. (categories,)

    >>> print(f"{chance_of_fewer(ComparedCounts(np.array([0, 90]), np.array([10, 80])))[0]:.3e}")
    9.766e-04
    """
    from scipy.special import bdtr

    return bdtr(counts.synthetic.astype(float), counts.both, counts.chance(ratio))


def chance_of_more(counts: ComparedCounts, ratio: float = 1.0) -> np.ndarray:
    """P(at least so many synthetic records of a category, given both sides together), where its shares have at most this ratio. (categories,)"""
    from scipy.special import bdtr

    return bdtr(counts.human.astype(float), counts.both, 1 - counts.chance(ratio))


def ratios(counts: ComparedCounts, fewer_error: float, more_error: float) -> tuple[np.ndarray, np.ndarray]:
    """Between which ratios of shares a category's lies, (low, high), each (categories,): inverted exact binomial tests, one-sided each.

    `more_error` is the chance that a low end lies above the truth, `fewer_error` that a high end lies below it. A high end is infinite where no
    human record is of the category.
    """
    from scipy.stats import beta

    (m, n), y, x = counts.rows, counts.synthetic, counts.human
    with np.errstate(divide="ignore", invalid="ignore"):
        low = np.where(y > 0, beta.ppf(more_error, y, x + 1), 0.0)
        high = np.where(x > 0, beta.ppf(1 - fewer_error, y + 1, x), 1.0)
        return low / (1 - low) * n / m, np.where(high < 1, high / (1 - high) * n / m, np.inf)


def worst(counts: ComparedCounts, way: Way) -> Worst:
    """The category that fell (`fewer`) or grew (`more`) most: the one whose simultaneous interval ends first.

    The interval is that of the worst category's ratio, whichever it is: of fewer, from the least low end to the least high end over the
    categories, so that it lies below a tolerance only where some category does, and above it only where all do. Low ends (of more,
    high ends) are of the categories that at least 1 % of human records have and of the one that is named: a rarer one can be found lost, but is not
    asked to be kept. Ends are simultaneous by Bonferroni's inequality over the categories whose counts suffice to tell anything
    (Tarone, Biometrics 46:515, 1990), which the two sides together decide.

    NotApplicable where no category has enough records.
    """
    m, n = counts.rows
    if not m or not n:
        raise NotApplicable(f"no values in {'the reference' if m else 'the synthetic data'}")
    fewer = way == "fewer"
    is_member = _can_tell(counts.both, 1 - counts.chance() if fewer else counts.chance())
    named = np.flatnonzero(is_member & (counts.human > 0))
    if not named.size:
        raise NotApplicable(f"{n:,} human and {m:,} synthetic records hold no category with enough records to be found {way}")
    members = int(is_member.sum())
    is_common = (counts.human_shares >= COMMON) & (counts.human > 0)
    member_error, common_error = ERROR / members, ERROR / max(1, int(is_common.sum()))
    low, high = ratios(counts, *((member_error, common_error) if fewer else (common_error, member_error)))
    clearest = high[named] if fewer else -low[named]
    place = int(named[np.lexsort((named, -counts.human[named], clearest))[0]])
    asked = np.flatnonzero(is_common | (np.arange(low.size) == place))
    least_known = int(asked[np.argmin(low[asked]) if fewer else np.argmax(high[asked])])
    ends = (low[least_known], high[place]) if fewer else (low[place], high[least_known])
    value = counts.synthetic[place] / m / (counts.human[place] / n)
    p = chance_of_fewer(counts) if fewer else chance_of_more(counts)
    estimate = Estimate(float(value), float(ends[0]), float(ends[1]), METHOD, m)
    null = Null(
        typical=1.0,
        floor=_floor(counts, place, members, fewer=fewer),
        p=float(min(1.0, max(SMALLEST, members * p[place]))),
        method="exact binomial of both counts, Bonferroni over the categories",
    )
    others = tuple(at for at in _holm(p, is_member, members) if at != place)
    return Worst(place, estimate, null, members, least_known, others)


def lost_mass(counts: ComparedCounts) -> tuple[float, float]:
    """The share of records that would have to change their category, Σ (p - q)₊, and what two honest sets of these sizes show on average.

    That floor is Σ √(p (1 - p) (1 / n + 1 / m) / 2π) with the shares of both sets together; subtract it.

    >>> print(f"{lost_mass(ComparedCounts(np.full(10, 100), np.full(10, 100)))[1]:.4f}")
    0.0535
    """
    m, n = counts.rows
    lost = np.maximum(0.0, counts.human / n - counts.synthetic / m).sum()
    shares = counts.both / (n + m)
    return float(lost), float(np.sqrt(shares * (1 - shares) * (1 / n + 1 / m) / (2 * np.pi)).sum())


def _can_tell(both: np.ndarray, chance: float) -> np.ndarray:
    """Which categories could be found at all, (categories,) of bool: the smallest p that t records can give is chance ** t, and it must pass Bonferroni's step over as many categories as are left."""
    smallest = chance ** both.astype(float)
    members = np.arange(1, smallest.size + 1)
    enough = np.searchsorted(np.sort(smallest), ERROR / members, side="right") <= members
    return smallest <= ERROR / members[np.argmax(enough)]


def _floor(counts: ComparedCounts, place: int, members: int, *, fewer: bool) -> float:
    """The ratio of the category at `place` that 5 % of honest samples reach or exceed, in this category or as clearly in another one."""
    from scipy.stats import binom

    (m, n), both = counts.rows, int(counts.both[place])
    level = LEVEL / members
    synthetic = float(binom.ppf(level, both, counts.chance()) if fewer else binom.isf(level, both, counts.chance()))
    return synthetic / max(0.5, both - synthetic) * n / m


def _holm(p: np.ndarray, is_member: np.ndarray, members: int) -> list[int]:
    """The places of the categories that differ by Holm's step-down at 5 % (Scand. J. Stat. 6:65, 1979), the smallest p first."""
    order = np.flatnonzero(is_member)
    order = order[np.argsort(p[order], kind="stable")]
    passed = p[order] * (members - np.arange(order.size)) <= LEVEL
    return order[: order.size if passed.all() else int(np.argmin(passed))].tolist()
