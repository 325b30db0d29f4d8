"""The smallest share of records that must change so that a set is diverse enough. It is exact for numbers that depend on the shares of kinds.

Each rule is called with a value and the limit that it must reach, both as ratios to the human value, and returns the smallest share of records, in
[0, 1]. The value may be the end of an interval and so differ from the value of the records at hand. The rule then requires the same factor: the
number of the records at hand must grow by limit / value.

Rules about words count running words instead of records. Each changed running word is a new word, so the smallest share of running words is exact. It
equals the share of texts if the changed texts have average length.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class OfEntropy:
    """The share of records that must move between kinds so that the exponential of the entropy of the shares grows by a factor.

    Within a total variation distance w, the most even shares are those in which the commonest kinds are cut down to one level and the rarest are
    filled up to another. All other shares majorise them, so these have the largest entropy (Marshall and Olkin, Inequalities, 1979). For the
    eigenvalues of a similarity matrix w is a lower bound, because a changed record moves the matrix by at most 1 / n in trace distance.
    """

    shares: tuple[float, ...]
    """The share of every kind, including kinds that only human records have. They sum to 1."""

    def __call__(self, value: float, limit: float) -> float:
        """
        >>> print(f"{OfEntropy((0.9, 0.1))(0.5, 0.6):.4f}")  # e to the entropy from 1.384 to 1.661
        0.1051
        """
        if value >= limit:
            return 0.0
        shares = np.sort(np.array(self.shares))[::-1]
        target = _entropy(shares) + (math.log(limit / value) if value > 0 else math.inf)
        low, high = 0.0, float(np.clip(shares - 1 / shares.size, 0, None).sum())
        if target >= math.log(shares.size):  # no change suffices; equal shares of all kinds are the best possible
            return high
        for _ in range(50):
            middle = (low + high) / 2
            low, high = (middle, high) if _entropy(_evened(shares, middle)) < target else (low, middle)
        return high


def _entropy(shares: np.ndarray) -> float:
    from scipy.special import entr

    return float(entr(shares).sum())


def _evened(shares: np.ndarray, moved: float) -> np.ndarray:
    """Return shares, in descending order, after the mass `moved` went from the commonest kinds, cut to one level, to the rarest, filled to
    another."""
    number = np.arange(1, shares.size + 1)
    down = ((np.cumsum(shares) - moved) / number).max()
    up = ((np.cumsum(shares[::-1]) + moved) / number).min()
    return np.clip(shares, up, down)


@dataclass(frozen=True)
class OfEqualPairs:
    """The share of records that must become different from all others so that fewer pairs are equal.

    Records of the most repeated things change first.
    """

    repeats: tuple[tuple[int, int], ...]
    """Pairs (occurrences of a thing, at least two; number of things with so many occurrences)."""
    records: int

    @classmethod
    def of(cls, counts: np.ndarray) -> OfEqualPairs:
        each, things = np.unique(counts[counts > 1], return_counts=True)
        return cls(tuple(zip(each.tolist(), things.tolist(), strict=True)), int(counts.sum()))

    def __call__(self, value: float, limit: float) -> float:
        """Return the share of records. The number of pairs, with one pair added, must fall by the factor value / limit.

        >>> OfEqualPairs(((100, 1),), 1000)(0.1, 0.8)  # at most 618 of 4,950 pairs may be left; 35 equal records have 595 pairs, 36 have 630
        0.065
        """
        if value >= limit or not self.repeats:
            return 0.0
        each, things = np.array(self.repeats, dtype=float).T
        allowed = (float(things @ (each * (each - 1) / 2)) + 1) * max(0.0, value) / limit - 1

        def pairs(limit: float) -> float:
            cut = np.minimum(each, limit)
            return float(things @ (cut * (cut - 1) / 2))

        levels = range(1, int(each.max()) + 1)
        level = max(1, int(np.searchsorted([pairs(candidate) for candidate in levels], max(0.0, allowed), side="right")))
        # Some of the things above the level may keep one more record.
        spare = int((max(0.0, allowed) - pairs(level)) // level)
        above = float(things[each > level].sum())
        return (float(things @ np.clip(each - level, 0, None)) - min(spare, above)) / self.records


@dataclass(frozen=True)
class OfDistinctThings:
    """The share of records that must become new things so that enough things are distinct. Each new thing needs one record."""

    human: float
    """Number of distinct human things divided by the number of records among which they were counted, in [0, 1]."""

    def __call__(self, value: float, limit: float) -> float:
        """
        >>> print(f"{OfDistinctThings(74 / 5000)(0.67, 0.9):.4f}")  # 49 of 74 ages are left; 17 more are enough
        0.0034
        """
        return self.human * max(0.0, limit - value)


@dataclass(frozen=True)
class OfWordsSaidOnce:
    """The share of running words that must become new words so that more of the distinct words occur once.

    The best change of a running word is into a new word that occurs once. Words that occur twice change first: one change leaves two words that occur
    once, the new word and the old one.
    """

    repeats: tuple[tuple[int, int], ...]
    """Pairs (occurrences of a word, number of words with so many occurrences)."""

    @classmethod
    def of(cls, counts: np.ndarray) -> OfWordsSaidOnce:
        each, words = np.unique(counts[counts > 0], return_counts=True)
        return cls(tuple(zip(each.tolist(), words.tolist(), strict=True)))

    def __call__(self, value: float, limit: float) -> float:
        """
        >>> OfWordsSaidOnce(((1, 4), (2, 6)))(0.5, 0.9)  # 4 of 10 words must become 72 %: after 3 of 16 changes they are (4 + 2 · 3) of 13, or 77 %
        0.1875
        """
        each, words = np.array(self.repeats, dtype=np.int64).reshape(-1, 2).T
        distinct, once = int(words.sum()), int(words[each == 1].sum())
        if value >= limit or not distinct:
            return 0.0
        wanted = once / distinct * limit / value if value > 0 else 1.0
        cost = (each - 1) * words  # changes that reduce every word of a frequency to one occurrence
        before = np.cumsum(cost) - cost
        low, high = 0, int(cost.sum())
        while low < high:
            changed = (low + high) // 2
            single = int((np.clip(changed - before, 0, cost) // np.maximum(each - 1, 1)).sum())
            enough = once + changed + single >= wanted * (distinct + changed)
            low, high = (low, changed) if enough else (changed + 1, high)
        return high / int(each @ words)


@dataclass(frozen=True)
class OfOneValue:
    """The share of records that must change in a column with a single value: the share of human records with another value."""

    others: float
    """The share of human records with another value, in [0, 1]."""

    def __call__(self, value: float, limit: float) -> float:
        """
        >>> OfOneValue(0.08)(0.0, 0.9)  # 92 % of people have no capital gain, and here nobody has one
        0.08
        """
        return self.others if value < limit else 0.0


WORKED_VARIETY = (
    ("diversity.effective_categories", "Of four equally common categories the rarer two are gone: .5 [.49, .52].", OfEntropy((0.5, 0.5, 0.0, 0.0)), 0.52, 0.9, "two shares of 0.5 give to two empty ones until the entropy has grown by ln(0.9 / 0.52): −w ln w − (1 − w) ln(1 − w) = 0.549", 0.2378),
    ("diversity.effective_categories", "Thirty countries of 4 % in all are gone: .7 [.69, .72].", OfEntropy((1.0, *([0.0] * 30))), 0.72, 0.9, "one share of 1 gives to 30 empty ones until the entropy has grown by ln(0.9 / 0.72)", 0.028),
    ("diversity.effective_rows", "100 of 1,000 records are one record again and again: .1 [.05, .15].", OfEqualPairs(((100, 1),), 1000), 0.15, 0.8, "4,951 × 0.15 / 0.8 − 1 = 927 pairs may be left: 43 equal records are 903", 0.057),
    ("diversity.vocabulary_ratio", "Texts have 8,000 different words among 100,000, human texts 10,000: .8 [.78, .82].", OfDistinctThings(0.1), 0.82, 0.9, "10,000 / 100,000 × (0.9 − 0.82), of running words", 0.008),
    ("diversity.hapax_share", "Among 16 running words, 4 of 10 words occur once: .5 [.48, .5] of the human share.", OfWordsSaidOnce(((1, 4), (2, 6))), 0.5, 0.9, "3 of 16 running words become new: (4 + 2 × 3) of 13 are 77 %, and 0.4 × 0.9 / 0.5 = 72 % are required", 0.1875),
    ("diversity.distinct_values", "49 of 74 ages are left among 5,000 records: .66 [.6, .72].", OfDistinctThings(74 / 5000), 0.72, 0.9, "74 / 5,000 × (0.9 − 0.72)", 0.002664),
)  # fmt: skip
"""Worked examples: check, description, the rule, the end of the interval nearest to the limit, the limit, the calculation, severity."""
