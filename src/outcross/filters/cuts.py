"""Filters by the distance of a record from the middle of all records, and the random selection that filters are compared with."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from outcross.attributes import ATTRIBUTES, Attribute
from outcross.filters import Candidates, Filter, FilterPage, Selection
from outcross.filters.judging import numbers
from outcross.recipe import FROM_LIST, many_of, recipe

QIAO = "Qiao et al., When Sample Selection Bias Precipitates Model Collapse (the effect; this selector is our own)"
NO_NUMBER = "it has no number to judge it by"


@recipe
class CutFilter(Filter):
    """Keep a share of the candidates by their distance from the middle, in each chain separately.

    The distance is the Mahalanobis distance under the candidates' own covariance. In one dimension it gives the same order as the absolute
    distance. It is measured on points, or on the columns and attributes that are named.
    """

    share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Fraction of the candidates that is kept, in (0, 1]."""
    about: Literal["mean", "median"] = "mean"
    """How the middle is computed. The median is taken in each dimension separately."""
    columns: Annotated[tuple[str, ...], FROM_LIST] = ()
    """Numeric columns to judge by."""
    attributes: Annotated[tuple[Attribute, ...], many_of(ATTRIBUTES, "attributes")] = ()
    """Attributes of texts to judge by."""

    @property
    def samples(self):
        return "rows"

    @property
    def needs(self):
        return _needs(self.columns, self.attributes)

    def bounds(self, candidates):
        limit = share_of(candidates, self.share)
        return limit if self.needs == ("points",) else 0, limit

    def reads(self, columns):
        return self.columns

    def far(self, candidates: Candidates) -> np.ndarray:
        """Return the distance of each candidate from the middle, (chains…, n); NaN if it has no number."""
        return distances(numbers(candidates, self.columns, self.attributes), self.about)


@recipe
class CentralFilter(CutFilter):
    """Keep the share of candidates that are nearest to the middle, by points or by the named columns and attributes."""

    page = FilterPage(
        "the central share",
        "The candidates with the smallest Mahalanobis distance to the mean (or the median) of all candidates are kept.",
        "It always narrows the data: each generation keeps λ = 1 − 2aφ(a)/c of the variance in one dimension. Under accumulation the variance still collapses, as a power of the number of generations.",
        QIAO,
    )

    @property
    def prefers(self):
        return "records near the middle of the others"

    def select(self, candidates, rng):
        far = self.far(candidates)
        return nearest(far, far, share_of(len(candidates), self.share), "not among the nearest to the middle")


@recipe
class OutlyingFilter(CutFilter):
    """Keep the share of candidates that are farthest from the middle: the opposite of `central`."""

    page = FilterPage(
        "the outlying share",
        "The candidates with the largest Mahalanobis distance to the mean (or the median) of all candidates are kept.",
        "It widens the data at every generation, without limit under replace, and makes common records rare.",
        QIAO,
    )

    @property
    def prefers(self):
        return "records far from the middle of the others"

    def select(self, candidates, rng):
        far = self.far(candidates)
        return nearest(-far, far, share_of(len(candidates), self.share), "not among the farthest from the middle")


@recipe
class RandomFilter(Filter):
    """Keep a random share of the candidates: the baseline for every other filter."""

    page = FilterPage(
        "a random share",
        "The kept candidates are drawn uniformly without replacement, in each chain separately.",
        "It changes only the number of records. Training sets with fewer records collapse faster.",
        "the baseline of Shimabucoro et al., EMNLP 2024",
    )

    share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Fraction of the candidates that is kept, in (0, 1]."""
    records: Annotated[int, Field(ge=1)] | None = None
    """The number of records to keep, in place of `share`; all if there are fewer. After a filter that keeps a varying number, this makes the numbers equal."""

    @property
    def samples(self):
        return "rows" if self.records is None else ""

    def bounds(self, candidates):
        return self._wanted(candidates), self._wanted(candidates)

    def _wanted(self, candidates: int) -> int:
        return share_of(candidates, self.share) if self.records is None else min(self.records, candidates)

    def select(self, candidates, rng):
        keys = rng.random((*chains_of(candidates), len(candidates)))
        return nearest(keys, None, self._wanted(len(candidates)), "not drawn")


def share_of(n: int, share: float) -> int:
    """Return the number of candidates in a share of n, at least 1 if there is any candidate."""
    return min(n, max(1, round(share * n)))


def chains_of(candidates: Candidates) -> tuple[int, ...]:
    """Return the leading axes of candidates, which are independent chains."""
    return getattr(candidates, "chains", ())


def distances(points: np.ndarray, about: Literal["mean", "median"]) -> np.ndarray:
    """Return the Mahalanobis distance of every point to the middle of its chain, (chains…, n); NaN if a number is missing.

    In one dimension it is the absolute distance in the unit of the data, which gives the same order. Directions without variance do not count.
    """
    if points.shape[-2] == 0:
        return np.zeros(points.shape[:-1])
    whole = np.isfinite(points).all(axis=-1)
    if not whole.all():
        far = np.full(points.shape[:-1], np.nan)
        if points.ndim == 2 and whole.any():
            far[whole] = distances(points[whole], about)
        return far
    centre = points.mean(axis=-2) if about == "mean" else np.median(points, axis=-2)
    apart = points - centre[..., None, :]
    if points.shape[-1] == 1:
        return np.abs(apart[..., 0])
    covariance = np.swapaxes(apart, -1, -2) @ apart / points.shape[-2]
    return np.sqrt(np.maximum(((apart @ np.linalg.pinv(covariance, hermitian=True)) * apart).sum(axis=-1), 0.0))


def nearest(keys: np.ndarray, values: np.ndarray | None, count: int, reason: str) -> Selection:
    """Select the `count` candidates with the smallest keys in every chain. A candidate whose key is NaN is never kept."""
    has_none = np.isnan(keys)
    ordered = np.where(has_none, np.inf, keys)
    times = np.zeros(keys.shape, dtype=np.int64)
    if count:
        np.put_along_axis(times, np.argpartition(ordered, count - 1, axis=-1)[..., :count], 1, axis=-1)
    times[has_none] = 0
    reasons = np.where(times > 0, -1, has_none.astype(np.int64))
    return Selection(times, values, reasons, (reason, NO_NUMBER))


def _needs(columns: tuple[str, ...], attributes: tuple[Attribute, ...]) -> tuple[Literal["points", "texts"], ...]:
    if attributes:
        return ("texts",)
    return () if columns else ("points",)
