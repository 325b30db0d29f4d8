"""Intervals for things in clusters, such as words in documents or runs of tokens in blocks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from outcross import estimate
from outcross.data.records import Blocks
from outcross.estimate import Estimate, NotApplicable, rounding, student_quantile, student_quantile_over


def document_of(blocks: Blocks) -> np.ndarray:
    """Return the document of each block as a number 0, 1, …, (n,). A block without a known document (-1) is a document by itself."""
    return _numbered(blocks.column("_document"))


def prompts_of(blocks: Blocks) -> tuple[np.ndarray, str]:
    """Return the independent unit of each block that a model wrote, as a number, (n,), and the name of the units.

    The units are the prompts, or the blocks if no prompt has two. Continuations of the same prompt are similar, and identical if sampling is
    deterministic.
    """
    prompts = _numbered(blocks.column("_prompt"))
    return (prompts, "prompts") if prompts.max(initial=-1) + 1 < prompts.size else (np.arange(prompts.size), "blocks")


def _numbered(belongs: np.ndarray) -> np.ndarray:
    """Number the units that blocks belong to 0, 1, …, (n,). A block that belongs to no unit (-1) has a number of its own."""
    belongs = belongs.astype(np.int64)
    own = np.where(belongs < 0, belongs.max(initial=0) + 1 + np.arange(belongs.size), belongs)
    return np.unique(own, return_inverse=True)[1]


def totals(values: np.ndarray, clusters: np.ndarray, n: int | None = None) -> np.ndarray:
    """Return the sum of the values in each cluster, (clusters,)."""
    return np.bincount(clusters, weights=values, minlength=n or 0)


def covariance_of_means(samples: Sequence[np.ndarray], groups: Sequence[np.ndarray]) -> np.ndarray:
    """Return the covariance of the means of several samples whose groups may be the same ones, (samples, samples, features, features).

    samples: (n, features) each. groups: (n,) each, whole numbers; rows of different samples that have the same number belong to one group, and
    the means of such samples are not independent. The groups are the independent units, not the rows.

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
        several = np.count_nonzero(np.bincount(clusters, minlength=count))
        away = (sample - sample.mean(axis=0)) * (math.sqrt(several / max(several - 1, 1)) / len(sample))
        parts.append(np.stack([totals(column, clusters, count) for column in away.T], axis=1))
    return np.array([[first.T @ second for second in parts] for first in parts])


def ratio_of_sums(top: np.ndarray, bottom: np.ndarray, unit: str) -> Estimate:
    """Return Σ top / Σ bottom over independent clusters. It is the ratio of sums, not the mean of ratios.

    >>> print(ratio_of_sums(np.array([2.0, 4.0, 9.0]), np.array([1.0, 2.0, 3.0]), "documents").value)
    2.5
    """
    value = float(top.sum() / bottom.sum())
    return sum_of(value, (top - value * bottom) / bottom.sum(), bottom, unit)


def sum_of(value: float, parts: np.ndarray, sizes: np.ndarray, unit: str) -> Estimate:
    """Return a value with its interval. Its error is the sum of the contributions of independent clusters, `parts`, which add up to about 0.

    If clusters differ in size and the contributions are skewed, Student's interval is too narrow (a coverage of 85 to 93 % instead of 95 % over ten
    to eighty documents of lognormal lengths), and so is a bootstrap. There are three corrections. A cluster with a share h of all things pulls the
    value towards itself, so its contribution is divided by √(1 - h) (CR2). A variance that comes from few large clusters has fewer degrees of freedom
    (both Bell and McCaffrey, Survey Methodology 28:169, 2002). The interval is asymmetric if the contributions are skewed (the monotone cubic of
    Hall, J. R. Stat. Soc. B 54:221, 1992). The interval is never narrower than the rounding of the value. tests/test_coverage_of_intervals.py
    measures its coverage.
    """
    there = sizes > 0
    if (clusters := int(there.sum())) < 2:
        raise NotApplicable(f"an interval over {unit} needs at least 2 of them, there is {clusters}")
    parts, sizes = parts[there], sizes[there]
    narrowest = rounding(value)
    below, above = (max(narrowest, reach) for reach in skewed_reach(parts, sizes, freedom(sizes)))
    return Estimate(value, value - below, value + above, f"skewness-corrected t over {unit}", clusters)


def skewed_reach(parts: np.ndarray, sizes: np.ndarray, degrees: float) -> tuple[float, float]:
    """Return how far the interval of `sum_of` reaches below and above the value."""
    parts = parts / np.sqrt(1 - sizes / sizes.sum())
    if (error := math.sqrt(np.square(parts).sum())) == 0:
        return 0.0, 0.0
    skewness = float((parts**3).sum() / error**3)
    t = student_quantile(degrees)
    return error * _unskewed(t, skewness), -error * _unskewed(-t, skewness)


def _unskewed(t: float, skewness: float) -> float:
    """Invert Hall's cubic: return the studentised sum T with T + γT²/3 + γ²T³/27 + γ/6 = t."""
    if abs(skewness) < 1e-6:
        return t
    return 3 / skewness * (float(np.cbrt(1 + skewness * (t - skewness / 6))) - 1)


def freedom(sizes: np.ndarray, alike: float = 1.0) -> float:
    """Return Satterthwaite's degrees of freedom of the CR2 variance between clusters of these sizes.

    `alike` is the correlation of things in the same cluster, in [0, 1]. At 1, a cluster of twice the size has twice the error. For clusters of
    equal size the result is their number less one.

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
    """Return the share Σ hits / Σ sizes of things in clusters, with Wilson's interval at the effective sample size.

    n things in clusters have the information of n* = p (1 - p) / v independent things, where v is the variance of the ratio estimator between
    clusters. Wilson's interval is computed at min(n, n*) with Student's quantile (Korn and Graubard, Survey Methodology 24:193,
    1998; Dean and Pagano, J. Surv. Stat. Methodol. 3:484, 2015). It reaches at least as far as that of `sum_of`, because few clusters may
    have all hits. If all things agree, v cannot be estimated, and every cluster counts as one thing. Unlike a bootstrap, the interval
    has a width at 0 and 1. With fewer than twenty clusters it is wider than necessary.

    Clusters of one thing each are independent things and have the interval of `estimate.share`. A cluster whose things all agree counts as one thing,
    but their agreement is itself estimated: a share of one half over forty such clusters has an interval 9 % wider than over forty things.

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
    """Return the mean of the values, without NaN, as a ratio of their sum to their number over clusters (`ratio_of_sums`). n counts the clusters.

    >>> estimate = average(np.array([1.0, 3.0, 2.0, np.nan]), np.array([0, 0, 1, 2]), "documents")
    >>> print(f"{estimate.value} [{estimate.low:.1f}, {estimate.high:.1f}] n={estimate.n}")
    2.0 [2.0, 2.0] n=2
    """
    there = ~np.isnan(values)
    own = np.unique(clusters[there], return_inverse=True)[1]
    return ratio_of_sums(totals(values[there], own), np.bincount(own).astype(float), unit)


def effective_size(hits: np.ndarray, sizes: np.ndarray) -> float:
    """Return the effective number of independent things for their share, at most the number of things in the clusters.

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
    """Return the correlation of two values of the same cluster, in [0, 1], by the analysis of variance (Donner, Int. Stat. Rev. 54:67, 1986).

    It is 0 if no cluster has two values.

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
    """Return the degrees of freedom at the correlation of the hits within clusters."""
    n, squares = sizes.sum(), np.square(sizes).sum()
    p = hits.sum() / n
    if not 0 < p < 1 or squares == n:
        return sizes.size - 1.0
    excess = (np.square(hits - p * sizes) / (1 - sizes / n)).sum() / (p * (1 - p)) - n
    return freedom(sizes, float(np.clip(excess / (squares - n), 0, 1)))


def jackknife(value: float, drops: np.ndarray, sizes: np.ndarray, unit: str, maximum: float = math.inf) -> Estimate:
    """Return a value in [0, maximum] with the interval of the jackknife: `drops` is how much it drops when each cluster is left out (Tukey 1958).

    A drop is compared with the average drop of a cluster of that size, so that the variance is that at a fixed
    amount of text. The variance is never too small on average (Efron and Stein 1981). It is much too large for counts
    of distinct things; use `distinct` for these.
    """
    if (there := sizes > 0).sum() < 2:
        raise NotApplicable(f"an interval over {unit} needs at least 2 of them, there is {there.sum()}")
    drops, sizes = drops[there], sizes[there]
    clusters = drops.size
    spread = drops - sizes * (drops.sum() / sizes.sum())
    half = student_quantile_over(clusters, unit) * math.sqrt((clusters - 1) / clusters * np.square(spread).sum())
    return Estimate(value, max(0.0, value - half), min(maximum, value + half), f"jackknife over {unit}", clusters)


DEEPEST = 4
"""Maximum size of a set of clusters in the variance formula of `distinct`."""


def distinct(
    codes: np.ndarray, clusters: np.ndarray, sizes: np.ndarray, unit: str, per: float = 1.0, maximum: float = math.inf
) -> Estimate:
    """Return the number of distinct codes divided by `per`, with its variance at this amount of text.

    For a set A of clusters let N(A) be the number of codes that occur in all clusters of A and in no other. The variance is
    Σ (-1)^(|A|+1) (N(A)² less its share of the mean) over all sets. The sets with |A| = 1 are Tukey's jackknife, which counts every interaction of
    k clusters k times. Pairs subtract it C(k, 2) times, and so on, so that each interaction counts
    Σ (-1)^(j+1) C(k, j) = 1 time (the decomposition of Efron and Stein, Ann. Statist. 9:586, 1981). For words drawn independently, the variance
    is the number of new words that the same amount of text again would bring (Good and Toulmin 1956). The series alternates, so its
    terms are damped by binomial probabilities (Efron and Thisted, Biometrika 63:435, 1976). A bootstrap is wrong, because a resample has fewer codes.
    The expected number lies between two whole counts, so the interval reaches at least one code down. Upwards, the variance is that
    of one more code in one cluster, because unseen codes are not counted.

    `codes` and `clusters` give the code and the cluster of each thing, `sizes` the amount of text in each cluster.
    """
    from scipy.special import bdtrc, binom

    if (there := int((sizes > 0).sum())) < 2:
        raise NotApplicable(f"an interval over {unit} needs at least 2 of them, there is {there}")
    pairs = np.stack(np.divmod(np.unique(codes.astype(np.int64) * sizes.size + clusters), sizes.size))
    first = np.flatnonzero(np.diff(pairs[0], prepend=-1))  # of each code
    depth = np.diff(first, append=pairs.shape[1])  # the number of clusters in which each code occurs
    marks = np.random.default_rng(0x0C).integers(1 << 64, size=sizes.size, dtype=np.uint64)
    _, at, together = np.unique(np.add.reduceat(marks[pairs[1]], first), return_index=True, return_counts=True)
    alone = np.bincount(pairs[1][first[depth == 1]], minlength=sizes.size)
    variance = np.square(alone - sizes * (alone.sum() / sizes.sum())).sum()
    smallest = variance / 3  # its value if each thing is expected three times
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
    """Draw n things with replacement, `times` times, and return how often each thing is drawn, (times, n).

    The draws are counted, which is five to eight times as fast as multinomial random numbers.

    >>> drawn = resamples(50, 4000, np.random.default_rng(0))
    >>> print(bool((drawn.sum(axis=1) == 50).all()), f"{drawn.mean():.2f} {drawn.var():.2f}")
    True 1.00 0.98
    """
    drawn = rng.integers(n, size=(times, n)) + n * np.arange(times)[:, None]
    return np.bincount(drawn.ravel(), minlength=times * n).reshape(times, n)
