"""Intervals for things that come in clusters: words in documents, runs of tokens in blocks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from outcross import estimate
from outcross.data.records import Blocks
from outcross.estimate import Estimate, NotApplicable, rounding, student_quantile, student_quantile_over


def document_of(blocks: Blocks) -> np.ndarray:
    """The document of each block as a number 0, 1, …, (n,). A block of no known document (-1) is one by itself."""
    return _numbered(blocks.column("_document"))


def prompts_of(blocks: Blocks) -> tuple[np.ndarray, str]:
    """What is independent in text that a model wrote, as a number of each block, (n,), and its name: the prompts, or the blocks where no prompt has two.

    Continuations of one prompt are alike, and the same one where nothing is drawn by chance.
    """
    prompts = _numbered(blocks.column("_prompt"))
    return (prompts, "prompts") if prompts.max(initial=-1) + 1 < prompts.size else (np.arange(prompts.size), "blocks")


def _numbered(belongs: np.ndarray) -> np.ndarray:
    """What each block belongs to as a number 0, 1, …, (n,). A block that belongs to nothing (-1) has a number of its own."""
    belongs = belongs.astype(np.int64)
    own = np.where(belongs < 0, belongs.max(initial=0) + 1 + np.arange(belongs.size), belongs)
    return np.unique(own, return_inverse=True)[1]


def totals(values: np.ndarray, clusters: np.ndarray, n: int | None = None) -> np.ndarray:
    """The sum of the values in each cluster, (clusters,)."""
    return np.bincount(clusters, weights=values, minlength=n or 0)


def covariance_of_means(samples: Sequence[np.ndarray], groups: Sequence[np.ndarray]) -> np.ndarray:
    """Return the covariance of the means of several samples whose groups may be the same ones, (samples, samples, features, features).

    samples: (n, features) each. groups: (n,) each, whole numbers; rows of different samples that have the same number belong to one group, and
    means of such samples are not independent. Groups are drawn, and rows within them are not.

    >>> once = np.array([[1.0], [2.0], [3.0], [4.0]])
    >>> covariance_of_means([once, once], [np.arange(4), np.arange(4)]).ravel().round(4).tolist()
    [0.4167, 0.4167, 0.4167, 0.4167]
    >>> covariance_of_means([once, once], [np.arange(4), np.arange(4, 8)]).ravel().round(4).tolist()
    [0.4167, 0.0, 0.0, 0.4167]
    """
    _, numbers = np.unique(np.concatenate(groups), return_inverse=True)
    own = np.split(numbers, np.cumsum([len(sample) for sample in samples])[:-1])
    count = int(numbers.max()) + 1
    parts = []
    for sample, clusters in zip(samples, own, strict=True):
        several = np.unique(clusters).size
        away = (sample - sample.mean(axis=0)) * (math.sqrt(several / max(several - 1, 1)) / len(sample))
        parts.append(np.stack([totals(column, clusters, count) for column in away.T], axis=1))
    return np.array([[first.T @ second for second in parts] for first in parts])


def ratio_of_sums(top: np.ndarray, bottom: np.ndarray, unit: str) -> Estimate:
    """Σ top / Σ bottom over independent clusters; the ratio of sums, not the mean of ratios.

    >>> print(ratio_of_sums(np.array([2.0, 4.0, 9.0]), np.array([1.0, 2.0, 3.0]), "documents").value)
    2.5
    """
    value = float(top.sum() / bottom.sum())
    return sum_of(value, (top - value * bottom) / bottom.sum(), bottom, unit)


def sum_of(value: float, parts: np.ndarray, sizes: np.ndarray, unit: str) -> Estimate:
    """A value whose error is the sum of what each independent cluster adds to it, `parts`, that add up to about 0.

    Clusters of unequal size and skewed parts make Student's interval too narrow (85 to 93 % instead of 95 % over ten to eighty
    documents of lognormal lengths), and a bootstrap too. Three corrections: a cluster that is a share h of all pulls the value
    towards itself and so hides (1 - h) of its variance (CR2); a variance that few large clusters carry has fewer degrees of
    freedom (both Bell and McCaffrey, Survey Methodology 28:169, 2002); and the interval is asymmetric where the parts are (the
    monotone cubic of Hall, J. R. Stat. Soc. B 54:221, 1992). It is never narrower than the value's rounding. tests/test_coverage_of_intervals.py says how well it covers.
    """
    there = sizes > 0
    if (clusters := int(there.sum())) < 2:
        raise NotApplicable(f"an interval over {unit} needs at least 2 of them, there is {clusters}")
    parts, sizes = parts[there], sizes[there]
    narrowest = rounding(value)
    below, above = (max(narrowest, reach) for reach in skewed_reach(parts, sizes, freedom(sizes)))
    return Estimate(value, value - below, value + above, f"skewness-corrected t over {unit}", clusters)


def skewed_reach(parts: np.ndarray, sizes: np.ndarray, degrees: float) -> tuple[float, float]:
    """How far the interval of `sum_of` reaches below and above the value."""
    parts = parts / np.sqrt(1 - sizes / sizes.sum())
    if (error := math.sqrt(np.square(parts).sum())) == 0:
        return 0.0, 0.0
    skewness = float((parts**3).sum() / error**3)
    t = student_quantile(degrees)
    return error * _unskewed(t, skewness), -error * _unskewed(-t, skewness)


def _unskewed(t: float, skewness: float) -> float:
    """Where the studentised sum lies that Hall's cubic T + γT²/3 + γ²T³/27 + γ/6 takes to t."""
    if abs(skewness) < 1e-6:
        return t
    return 3 / skewness * (float(np.cbrt(1 + skewness * (t - skewness / 6))) - 1)


def freedom(sizes: np.ndarray, alike: float = 1.0) -> float:
    """Degrees of freedom of the variance between clusters of these sizes (Satterthwaite's, of the CR2 variance).

    `alike` is the correlation of things in one cluster, in [0, 1]: at 1 a cluster of twice the size errs twice as far. Clusters of
    one size have one degree less than there are.

    >>> round(freedom(np.ones(10)), 6), freedom(np.array([100.0] + [1.0] * 9)) < 2
    (9.0, True)
    """
    own, spread = sizes / sizes.sum(), alike * sizes**2 + (1 - alike) * sizes
    lift, whole = 1 / (1 - own), spread.sum()
    hh, hv, vv = (lift * own**2).sum(), (lift * own * spread).sum(), (lift * spread**2).sum()
    across = own**2 * whole - 2 * own * spread
    trace = (lift * (spread + across)).sum()
    squares = 2 * hh * vv + 2 * hv**2 + (whole * hh) ** 2 - 4 * whole * hh * hv
    squares += (lift**2 * (spread**2 + 2 * spread * across)).sum()
    return max(1.0, float(trace**2 / squares))


def share(hits: np.ndarray, sizes: np.ndarray, unit: str, inside: str) -> Estimate:
    """The share Σ hits / Σ sizes of things that come in clusters, with Wilson's interval at the effective sample size.

    n things in clusters tell as much as n* = p (1 - p) / v independent ones, v the variance of the ratio estimator between
    clusters; Wilson's interval is taken at min(n, n*) with Student's quantile (Korn and Graubard, Survey Methodology 24:193,
    1998; Dean and Pagano, J. Surv. Stat. Methodol. 3:484, 2015), and reaches at least as far as `sum_of`, for few clusters may
    carry all hits. Where all things agree v cannot be had, and every cluster counts as one thing. Unlike a bootstrap it
    has a width at 0 and 1. Under twenty clusters it is wider than it need be.

    Clusters of one thing each are independent things, and have their interval (`estimate.share`). A cluster whose things all agree counts
    as one thing, but that they agree is itself estimated: half of forty such clusters has an interval 9 % wider than half of forty things.

    `unit` names the things, `inside` the clusters; n counts the things.

    >>> estimate = share(np.array([3, 1, 2, 2, 3, 1]), np.full(6, 4), "words", "documents")
    >>> print(f"{estimate.value} [{estimate.low:.2f}, {estimate.high:.2f}] {estimate.method} n={estimate.n}")
    0.5 [0.27, 0.73] Wilson over words in documents n=24
    """
    there = sizes > 0
    hits, sizes = hits[there].astype(float), sizes[there].astype(float)
    n = int(sizes.sum())
    if n == 0:
        raise NotApplicable(f"a share of no {unit}")
    method = f"Wilson over {unit}" if unit == inside else f"Wilson over {unit} in {inside}"
    student_quantile_over(sizes.size, inside)  # refuses one cluster
    if sizes.max() <= 1:
        return replace(estimate.share(float(hits.sum()), n), method=method)
    value = float(hits.sum() / n)
    effective, t = effective_size(hits, sizes), student_quantile(_freedom_of_share(hits, sizes))
    centre = (value + t * t / (2 * effective)) / (1 + t * t / effective)
    half = t / (1 + t * t / effective) * math.sqrt(value * (1 - value) / effective + (t / (2 * effective)) ** 2)
    low, high = centre - half, centre + half
    if 0 < value < 1:
        below, above = skewed_reach((hits - value * sizes) / n, sizes, _freedom_of_share(hits, sizes))
        low, high = min(low, value - below), max(high, value + above)
    return Estimate(value, max(0.0, min(low, value)), min(1.0, max(high, value)), method, n)


def average(values: np.ndarray, clusters: np.ndarray, unit: str) -> Estimate:
    """The mean of the values that there are (NaN where there is none), as the ratio of their sum to their number in clusters (`ratio_of_sums`); n counts the clusters.

    >>> estimate = average(np.array([1.0, 3.0, 2.0, np.nan]), np.array([0, 0, 1, 2]), "documents")
    >>> print(f"{estimate.value} [{estimate.low:.1f}, {estimate.high:.1f}] n={estimate.n}")
    2.0 [2.0, 2.0] n=2
    """
    there = ~np.isnan(values)
    own = np.unique(clusters[there], return_inverse=True)[1]
    return ratio_of_sums(totals(values[there], own), np.bincount(own).astype(float), unit)


def effective_size(hits: np.ndarray, sizes: np.ndarray) -> float:
    """How many independent things tell as much about their share as these clusters do, at most as many as there are.

    >>> effective_size(np.array([3.0, 1.0]), np.array([4.0, 4.0])), effective_size(np.array([1.0, 0.0, 0.0]), np.ones(3))
    (4.0, 3.0)
    """
    clusters, n = sizes.size, float(sizes.sum())
    p = hits.sum() / n
    if clusters < 2 or not 0 < p < 1 or sizes.max() <= 1:
        return n**2 / float(np.square(sizes).sum())
    variance = (np.square(hits - p * sizes) / (1 - sizes / n)).sum() / n**2
    return min(n, float(p * (1 - p) / variance)) if variance > 0 else n


def correlation_within(values: np.ndarray, clusters: np.ndarray) -> float:
    """The correlation of two values of one cluster, in [0, 1], by the analysis of variance (Donner, Int. Stat. Rev. 54:67, 1986); 0 where no cluster has two.

    >>> correlation_within(np.array([1.0, 1.0, 2.0, 2.0]), np.array([0, 0, 1, 1])), correlation_within(np.arange(3.0), np.arange(3))
    (1.0, 0.0)
    """
    sizes = np.bincount(clusters)
    n, number = int(sizes.sum()), sizes.size
    if number < 2 or n == number:
        return 0.0
    means = totals(values, clusters) / sizes
    between = float(sizes @ np.square(means - values.mean())) / (number - 1)
    within = float(np.square(values - means[clusters]).sum()) / (n - number)
    usual = (n - float(np.square(sizes).sum()) / n) / (number - 1)
    whole = between + (usual - 1) * within
    return min(1.0, max(0.0, (between - within) / whole)) if whole > 0 else 0.0


def _freedom_of_share(hits: np.ndarray, sizes: np.ndarray) -> float:
    """Degrees of freedom at the correlation that the hits show within clusters."""
    n, squares = sizes.sum(), np.square(sizes).sum()
    p = hits.sum() / n
    if not 0 < p < 1 or squares == n:
        return sizes.size - 1.0
    excess = (np.square(hits - p * sizes) / (1 - sizes / n)).sum() / (p * (1 - p)) - n
    return freedom(sizes, float(np.clip(excess / (squares - n), 0, 1)))


def jackknife(value: float, drops: np.ndarray, sizes: np.ndarray, unit: str, maximum: float = math.inf) -> Estimate:
    """A value in [0, most] whose interval comes from how far it drops when each cluster is left out (Tukey 1958).

    A drop is compared with the one that a cluster of its size has on average, so that what is read is the variance at a fixed
    amount of text. The variance is too large on average, never too small (Efron and Stein 1981), and by much for counts
    of distinct things: those have `distinct`.
    """
    if (there := sizes > 0).sum() < 2:
        raise NotApplicable(f"an interval over {unit} needs at least 2 of them, there is {there.sum()}")
    drops, sizes = drops[there], sizes[there]
    clusters = drops.size
    spread = drops - sizes * (drops.sum() / sizes.sum())
    half = student_quantile_over(clusters, unit) * math.sqrt((clusters - 1) / clusters * np.square(spread).sum())
    return Estimate(value, max(0.0, value - half), min(maximum, value + half), f"jackknife over {unit}", clusters)


DEEPEST = 4
"""How many clusters a set of clusters holds at most whose own things are counted in the variance of `distinct`."""


def distinct(
    codes: np.ndarray, clusters: np.ndarray, sizes: np.ndarray, unit: str, per: float = 1.0, maximum: float = math.inf
) -> Estimate:
    """How many distinct codes there are, over `per`, with the variance that this number has at this amount of text.

    For a set A of clusters let N(A) be the codes that stand in all of A and nowhere else. The variance is
    Σ (-1)^(|A|+1) (N(A)² less its share of the mean) over all sets: leaving one cluster out estimates (|A| = 1, Tukey's jackknife)
    counts every interaction of k clusters k times, pairs take it back C(k, 2) times, and so on, and what is left of each is
    Σ (-1)^(j+1) C(k, j) = 1 time (the decomposition of Efron and Stein, Ann. Statist. 9:586, 1981). For words thrown independently it
    is the number of new words that as much text again would bring (Good and Toulmin 1956). That series alternates, so its
    terms fade out by a binomial (Efron and Thisted, Biometrika 63:435, 1976). A bootstrap is wrong: a resample holds fewer codes.
    The expected number lies between two counts, so that the interval reaches at least one code down; and upwards the variance is that
    of one code more in one cluster: those that were not seen are not counted.

    `codes` and `clusters` name each thing and where it stands, `sizes` how much there is in each cluster.
    """
    from scipy.special import bdtrc, binom

    if (there := int((sizes > 0).sum())) < 2:
        raise NotApplicable(f"an interval over {unit} needs at least 2 of them, there is {there}")
    pairs = np.stack(np.divmod(np.unique(codes.astype(np.int64) * sizes.size + clusters), sizes.size))
    first = np.flatnonzero(np.diff(pairs[0], prepend=-1))  # of each code
    depth = np.diff(first, append=pairs.shape[1])  # in how many clusters each code stands
    marks = np.random.default_rng(0x0C).integers(1 << 64, size=sizes.size, dtype=np.uint64)
    _, at, together = np.unique(np.add.reduceat(marks[pairs[1]], first), return_index=True, return_counts=True)
    alone = np.bincount(pairs[1][first[depth == 1]], minlength=sizes.size)
    variance = np.square(alone - sizes * (alone.sum() / sizes.sum())).sum()
    smallest = variance / 3  # what it is for things expected three times each
    for k in range(2, min(DEEPEST, there) + 1):
        of_depth = together[depth[at] == k].astype(float)
        term = np.square(of_depth).sum() - of_depth.sum() ** 2 / binom(there, k)
        variance += (-1) ** (k + 1) * bdtrc(k - 1, DEEPEST, 0.5) * term
    variance, value, t = max(variance, smallest), first.size, student_quantile_over(there, unit)
    below, above = max(1.0, t * math.sqrt(variance)), t * math.sqrt(variance + 1)
    return Estimate(
        value / per, max(0.0, (value - below) / per), min(maximum, (value + above) / per), f"distinct things over {unit}", there
    )


def resamples(n: int, times: int, rng: np.random.Generator) -> np.ndarray:
    """How often each of n things is drawn in n draws with replacement, (times, n).

    Draws are counted, five to eight times as fast as multinomial numbers are made.

    >>> drawn = resamples(50, 4000, np.random.default_rng(0))
    >>> print(bool((drawn.sum(axis=1) == 50).all()), f"{drawn.mean():.2f} {drawn.var():.2f}")
    True 1.00 0.98
    """
    drawn = rng.integers(n, size=(times, n)) + n * np.arange(times)[:, None]
    return np.bincount(drawn.ravel(), minlength=times * n).reshape(times, n)
