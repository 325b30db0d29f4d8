"""Filters that look at where a record lies among the others, and the random choice beside which they are read."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from outcross.attributes import ATTRIBUTES, Attribute
from outcross.filters import Candidates, Filter, FilterPage, Selection
from outcross.filters.judging import numbers
from outcross.recipe import FROM_LIST, many_of, recipe

QIAO = "Qiao et al., When Sample Selection Bias Precipitates Model Collapse (the effect; this selector is our own)"
NO_NUMBER = "it has no number to be judged by"


@recipe
class CutFilter(Filter):
    """A share of the candidates by how far they lie from their middle, in each chain on its own.

    Distance is Mahalanobis distance under the candidates' own covariance; in one dimension that orders as the plain distance. It is
    measured on points, or on the columns and attributes that are named.
    """

    share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Fraction of the candidates that is kept, in (0, 1]."""
    about: Literal["mean", "median"] = "mean"
    """The middle. The median is that of each dimension."""
    columns: Annotated[tuple[str, ...], FROM_LIST] = ()
    """Columns of numbers to judge by."""
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
        """The distance of each candidate from the middle, (chains…, n); NaN where it has no number."""
        return distances(numbers(candidates, self.columns, self.attributes), self.about)


@recipe
class CentralFilter(CutFilter):
    """Keep the share of candidates that lie nearest to their middle, by points or by the columns and attributes that are named."""

    page = FilterPage(
        "the central share",
        "The candidates of the smallest Mahalanobis distance to the mean (or the median) of all of them.",
        "It always narrows: each generation keeps λ = 1 − 2aφ(a)/c of the variance in one dimension. Accumulation with it collapses as a power of the generations.",
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
    """Keep the share of candidates that lie farthest from their middle: the opposite of `central`."""

    page = FilterPage(
        "the outlying share",
        "The candidates of the largest Mahalanobis distance to the mean (or the median) of all of them.",
        "It widens at every generation, without an end under replace, and thins out what is common.",
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
    """Keep a random share of the candidates, whatever they say: what every other filter is read beside."""

    page = FilterPage(
        "a random share",
        "A uniform choice without replacement, in each chain on its own.",
        "It changes nothing but the number of records, and fewer records collapse faster.",
        "the baseline of Shimabucoro et al., EMNLP 2024",
    )

    share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Fraction of the candidates that is kept, in (0, 1]."""
    records: Annotated[int, Field(ge=1)] | None = None
    """Records that are kept in the place of a share; all where there are fewer. So a filter before it that keeps now more, now fewer leaves equal numbers."""

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
    """How many a share of n candidates is: one at least where there is one."""
    return min(n, max(1, round(share * n)))


def chains_of(candidates: Candidates) -> tuple[int, ...]:
    """The leading axes of candidates: independent chains."""
    return getattr(candidates, "chains", ())


def distances(points: np.ndarray, about: Literal["mean", "median"]) -> np.ndarray:
    """The Mahalanobis distance of every point to the middle of its chain, (chains…, n); NaN where a number is missing.

    In one dimension it is in the unit of the data, which orders points alike. Directions without width do not count.
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
    """The `count` candidates of the smallest keys in every chain; those whose key is NaN are never kept."""
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
