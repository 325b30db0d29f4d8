"""Comparison of the shares of each category in two sets, and the category that fell or grew most.

A category has x of n human and y of m synthetic records. If the counts are Poisson, y is binomial with t = x + y trials, given t. Its success
probability is r m / (n + r m), where r is the ratio of the shares. If the counts are binomial or drawn without replacement, y varies less, so that
the tests and intervals are conservative.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from outcross.estimate import Estimate, NotApplicable, Null
from outcross.statistics.floors import LEVEL, SMALLEST
from outcross.statistics.holm import holm

Way = Literal["fewer", "more"]
"""Whether a category is tested for a loss (fewer) or for a gain (more)."""
ERROR = 0.025
"""Probability that the interval of any category lies wholly above the true ratio; the probability that any lies wholly below is the same."""
COMMON = 0.01
"""Minimum share of human records of a common category. A column is kept only if each of its common categories is kept."""
NEARLY_UNIQUE = 0.9
"""Maximum number of different values per human record. With more, the values do not count as categories."""
METHOD = "exact binomial of both counts, over all categories"


@dataclass(frozen=True, eq=False)
class ComparedCounts:
    """Number of records of each category in both sets, in the same order of categories, (categories,) each."""

    synthetic: np.ndarray
    human: np.ndarray

    @property
    def rows(self) -> tuple[int, int]:
        """Number of records of the synthetic and of the human set."""
        return int(self.synthetic.sum()), int(self.human.sum())

    @property
    def both(self) -> np.ndarray:
        """Number of records of each category in both sets together, (categories,)."""
        return self.synthetic + self.human

    @property
    def human_shares(self) -> np.ndarray:
        return self.human / max(1, self.rows[1])

    def chance(self, ratio: float = 1.0) -> float:
        """Return the probability that a record of a category is synthetic, if its shares have this ratio."""
        m, n = self.rows
        return ratio * m / (n + ratio * m)


@dataclass(frozen=True)
class Worst:
    """The category that fell or grew most beyond chance."""

    place: int
    """Its index among the categories."""
    estimate: Estimate
    """Ratio of its shares, synthetic divided by human. The ends come from the intervals of all categories (`worst`)."""
    null: Null
    members: int
    """Number of categories with enough records to be found, of which it is the worst."""
    least_known: int
    """Index of the category that sets the other end of the interval."""
    others: tuple[int, ...]
    """Indices of other categories that differ in the same direction by Holm's step-down test at 5 %, the most significant first."""


def require_categories(human: np.ndarray) -> None:
    """Raise NotApplicable if the values of human records are nearly unique, as names and identifiers are. human: the count of each value, (values,).

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
    """Return P(at most as many synthetic records of a category | its records in both sets), if its shares have at least this ratio, (categories,).

    >>> print(f"{chance_of_fewer(ComparedCounts(np.array([0, 90]), np.array([10, 80])))[0]:.3e}")
    9.766e-04
    """
    from scipy.special import bdtr

    return bdtr(counts.synthetic.astype(float), counts.both, counts.chance(ratio))


def chance_of_more(counts: ComparedCounts, ratio: float = 1.0) -> np.ndarray:
    """Return P(at least as many synthetic records of a category | its records in both sets), if its shares have at most this ratio, (categories,)."""
    from scipy.special import bdtr

    return bdtr(counts.human.astype(float), counts.both, 1 - counts.chance(ratio))


def ratios(counts: ComparedCounts, fewer_error: float, more_error: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the interval (low, high) of each category's ratio of shares, (categories,) each, by inverting one-sided exact binomial tests.

    `more_error` is the probability that a low end lies above the true ratio, `fewer_error` that a high end lies below it. A high end is infinite if
    no human record has the category.
    """
    from scipy.stats import beta

    (m, n), y, x = counts.rows, counts.synthetic, counts.human
    with np.errstate(divide="ignore", invalid="ignore"):
        low = np.where(y > 0, beta.ppf(more_error, y, x + 1), 0.0)
        high = np.where(x > 0, beta.ppf(1 - fewer_error, y + 1, x), 1.0)
        return low / (1 - low) * n / m, np.where(high < 1, high / (1 - high) * n / m, np.inf)


def worst(counts: ComparedCounts, way: Way) -> Worst:
    """Return the category that fell (`fewer`) or grew (`more`) most: for `fewer`, the one with the lowest upper end of the simultaneous intervals.

    The reported interval is that of the ratio of the worst category, whichever category that is. For `fewer`, it reaches from the smallest low end to
    the smallest high end over the categories. It lies below a tolerance only if some category does, and above it only if all categories do. For
    `more` it is the mirror image. The low ends (for `more`, the high ends) are those of the named category and of the categories with at least 1 % of
    human records: a rarer category can be found lost, but need not be kept. The ends are simultaneous by Bonferroni's inequality over the categories
    with enough records to be significant (Tarone, Biometrics 46:515, 1990), which depends on both sets together only.

    Raises NotApplicable if no category has enough records.
    """
    m, n = counts.rows
    if not m or not n:
        raise NotApplicable(f"no values in {'the reference' if m else 'the synthetic data'}")
    fewer = way == "fewer"
    is_member = _can_tell(counts.both, 1 - counts.chance() if fewer else counts.chance())
    named = np.flatnonzero(is_member & (counts.human > 0))
    if not named.size:
        raise NotApplicable(f"no category of {n:,} human and {m:,} synthetic records has enough records to be found {way}")
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
    tested = np.flatnonzero(is_member)
    tested = tested[np.argsort(p[tested], kind="stable")]
    others = tuple(at for at in tested[holm(p[tested], members) <= LEVEL].tolist() if at != place)
    return Worst(place, estimate, null, members, least_known, others)


def lost_mass(counts: ComparedCounts) -> tuple[float, float]:
    """Return the share of records that would have to change their category, Σ (p - q)₊, and its mean for two sets of these sizes from the same law.

    That mean is Σ √(p (1 - p) (1 / n + 1 / m) / 2π), with the shares p of both sets together. Subtract it from the share.

    >>> print(f"{lost_mass(ComparedCounts(np.full(10, 100), np.full(10, 100)))[1]:.4f}")
    0.0535
    """
    m, n = counts.rows
    lost = np.maximum(0.0, counts.human / n - counts.synthetic / m).sum()
    shares = counts.both / (n + m)
    return float(lost), float(np.sqrt(shares * (1 - shares) * (1 / n + 1 / m) / (2 * np.pi)).sum())


def _can_tell(both: np.ndarray, chance: float) -> np.ndarray:
    """Return which categories could be significant at all, (categories,) of bool.

    The smallest p-value that t records can give is chance ** t. It must pass Bonferroni's level over the categories that can be significant.
    """
    smallest = chance ** both.astype(float)
    members = np.arange(1, smallest.size + 1)
    enough = np.searchsorted(np.sort(smallest), ERROR / members, side="right") <= members
    return smallest <= ERROR / members[np.argmax(enough)]


def _floor(counts: ComparedCounts, place: int, members: int, *, fewer: bool) -> float:
    """Return the ratio of the category at `place` that is reached in 5 % of samples of the same law, by this or equally clearly by another
    category."""
    from scipy.stats import binom

    (m, n), both = counts.rows, int(counts.both[place])
    level = LEVEL / members
    synthetic = float(binom.ppf(level, both, counts.chance()) if fewer else binom.isf(level, both, counts.chance()))
    return synthetic / max(0.5, both - synthetic) * n / m
