"""The loss on held-out human records as a function of the share of synthetic records in the training set."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

import numpy as np

from outcross.estimate import Estimate, NotApplicable, rounding
from outcross.statistics.prediction import discrimination, losses

PARTS, ROUNDS = 5, 2
"""Each fit leaves out one of five parts of the records. The records are divided into parts twice."""
CROSS_FITTED = "paired test records, cross-fitted"
HELD_OUT = "paired test records and left-out parts"
LEVEL = 0.05
FEWEST = 50
"""Minimum number of human training records, and also of test records."""
FEWEST_IN_GROUP = 100
"""Minimum number of human test records of a group."""
Fixed = Literal["human", "total"]


class Learnable(Protocol):
    """Records for training and testing a learner: rows of a table, or blocks of text."""

    def take(self, rows: np.ndarray) -> Any: ...

    def __add__(self, other: Any) -> Any: ...

    def __len__(self) -> int: ...


Learner = Callable[[Any, int], Callable[[Any], np.ndarray]]
"""Takes training records and the number of classes, and returns a function that predicts test records."""


@dataclass(frozen=True)
class SharePoint:
    """The results of models with one share of synthetic training records."""

    share: float
    """Share of the training records that are synthetic, in [0, 1]."""
    human: int
    """Number of human records that a fit learns from."""
    synthetic: int
    loss: Estimate
    """Mean loss on human records, each predicted by fits that did not learn from it."""
    added_loss: Estimate
    """The loss less that of human records alone, over the same splits. Below 0: synthetic records help."""
    discrimination: Estimate | None
    """Area under the ROC curve, or R². None if it cannot be computed for some fit, for instance because its test records have a single class."""
    worst_group: str = ""
    """The group with the largest loss. Empty if no group has enough test records."""
    worst_loss: Estimate | None = None
    """The loss of that group, with an interval that is simultaneous over all groups."""
    harmed_group: str = ""
    """The group with the largest increase of the loss."""
    harmed_loss: Estimate | None = None
    """The increase of the loss of that group, with an interval that is simultaneous over all groups."""


@dataclass(frozen=True)
class ShareDesign:
    """The points of one way to vary the share, the lowest share first, and the conclusions from them."""

    fixed: Fixed
    """The number that is the same at all shares: that of the human records, to which synthetic records are added, or that of all records."""
    size: int
    """This fixed number of records."""
    points: tuple[SharePoint, ...]
    best: float
    """The share with the smallest loss."""
    likely: tuple[float, ...]
    """The shares that do not differ significantly from the best one. With 95 % confidence the best of all compared shares is among them."""
    helps: tuple[float, ...]
    """The shares with a loss significantly below that of human records alone, at 5 % for all shares together."""
    harms: tuple[float, ...]
    """The shares with a loss significantly above that of human records alone, at 5 % for all shares together."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Shares that could not be compared, with the reason."""

    @property
    def interval(self) -> tuple[float, float]:
        """The smallest and the largest share that may be the best."""
        return min(self.likely), max(self.likely)


@dataclass(frozen=True)
class ShareData:
    """The training and test records of the curves."""

    human: Learnable
    synthetic: Learnable
    holdout: Learnable | None
    """Human records that no generator has seen. If it is None, the human records themselves are the test records, each for the fits that left it
    out."""
    groups: Mapping[str, np.ndarray]
    """Whether each test record belongs to a group, (test records,), for each group."""
    classes: int
    """Number of classes. 0 if the target is a number or if there is no target."""
    losses: Callable[[np.ndarray, Any], np.ndarray] = losses
    """Takes predictions and test records, and returns the loss of each record, (records,)."""
    discrimination: Callable[[np.ndarray, Any], tuple[float, np.ndarray]] | None = discrimination
    """Takes predictions and test records, and returns the discrimination and the contribution of each record. None if there is no discrimination."""

    @property
    def tests(self) -> Learnable:
        return self.human if self.holdout is None else self.holdout


@dataclass(frozen=True)
class _Split:
    """The rows for training, in random order, and the rows for testing."""

    human: np.ndarray
    synthetic: np.ndarray
    test: np.ndarray
    """The left-out part of the human records, or the whole holdout if there is one."""


def designs(
    data: ShareData, shares: Sequence[float], learner: Learner, rng: np.random.Generator
) -> tuple[ShareDesign, ShareDesign]:
    """Return the curve at a fixed number of human records and the curve at a fixed total number of records, over the same splits.

    A fit takes human records from all parts but one. Its synthetic records are the first of a random order of all synthetic parts but one, as many as
    the share requires. The training sets of two shares are therefore nested. 0 is always among the shares.

    Differences of two shares are computed record by record. Without a holdout, their variance over test records is that of the cross-fitted mean
    (Bayle et al., Cross-validation Confidence Intervals for Test Error, NeurIPS 2020). With a holdout, every fit is tested on all of it. The
    jackknife variance over left-out parts is then added, because other training records of the same law would change all fits in the same way;
    degrees of freedom are those of Welch and Satterthwaite. Raises NotApplicable if there are too few records or if no share above 0 is possible.
    """
    splits = list(_splits(data, rng))
    human, synthetic = (min(len(getattr(split, side)) for split in splits) for side in ("human", "synthetic"))
    if human < FEWEST or len(data.tests) < FEWEST:
        raise NotApplicable(
            f"{human} human records for training and {len(data.tests)} for testing, but a curve needs at least {FEWEST} of each"
        )
    every = sorted({0.0, *shares})
    groups = _groups(data, splits)
    alone = _scored(data, splits, (human, 0), learner, groups)
    points = []
    for fixed in ("human", "total"):
        sizes, left_out = _sizes(fixed, every, human, synthetic)
        if len(sizes) < 2 and fixed == "total":
            raise NotApplicable(f"no share above 0 is possible: {'; '.join(left_out.values()) or 'none was requested'}")
        scores = {share: alone if share == 0 else _scored(data, splits, size, learner, groups) for share, size in sizes.items()}
        points.append(_design(fixed, human, sizes, scores, tuple(groups), left_out))
    return points[0], points[1]


def _splits(data: ShareData, rng: np.random.Generator) -> Iterator[_Split]:
    for _ in range(ROUNDS):
        human, synthetic = (_parts(len(side), rng) for side in (data.human, data.synthetic))
        for k in range(PARTS):
            test = human[k] if data.holdout is None else np.arange(len(data.holdout))
            learned = [np.concatenate([*side[:k], *side[k + 1 :]]) for side in (human, synthetic)]
            yield _Split(human=learned[0], synthetic=learned[1], test=test)


def _parts(n: int, rng: np.random.Generator) -> list[np.ndarray]:
    return np.array_split(rng.permutation(n), PARTS)


def _groups(data: ShareData, splits: Sequence[_Split]) -> dict[str, np.ndarray]:
    """Return the groups that have enough test records, and at least one test record in every split."""
    return {
        name: mask
        for name, mask in data.groups.items()
        if mask.sum() >= FEWEST_IN_GROUP and all(mask[split.test].any() for split in splits)
    }


def _sizes(
    fixed: Fixed, shares: Sequence[float], human: int, synthetic: int
) -> tuple[dict[float, tuple[int, int]], dict[str, str]]:
    """Return the numbers of human and synthetic records of a fit at each share, and the shares that are left out, with the reason."""
    sizes: dict[float, tuple[int, int]] = {}
    left_out: dict[str, str] = {}
    for share in shares:
        if fixed == "human" and share >= 1:
            left_out[f"{share:g}"] = "a share of 1 is impossible, because synthetic records are added to human records"
            continue
        added = round(human * share / (1 - share)) if fixed == "human" else round(human * share)
        if added > synthetic:
            left_out[f"{share:g}"] = f"a share of {share:g} needs {added:,} synthetic records per fit, but there are {synthetic:,}"
            continue
        sizes[share] = (human if fixed == "human" else human - added, added)
    return sizes, left_out


@dataclass(frozen=True)
class _Number:
    """A number of several fits together. Two such numbers are subtracted record by record and fit by fit."""

    value: float
    records: np.ndarray
    """The contribution of each test record, up to a constant, (records,)."""
    fits: np.ndarray | None
    """The number of each fit, (rounds, parts). None if no two fits are tested on the same records."""

    def __sub__(self, other: _Number) -> _Number:
        fits = None if self.fits is None or other.fits is None else self.fits - other.fits
        return _Number(self.value - other.value, self.records - other.records, fits)

    @property
    def error(self) -> tuple[float, float]:
        """The standard error and its degrees of freedom."""
        n = self.records.size
        of_tests = float(self.records.var(ddof=1)) / n
        if self.fits is None:
            return math.sqrt(of_tests), n - 1.0
        apart = self.fits - self.fits.mean(axis=1, keepdims=True)
        of_training = float(np.square(apart).sum(axis=1).mean()) * (PARTS - 1) / PARTS
        whole = of_tests + of_training
        if whole == 0:
            return 0.0, n - 1.0
        return math.sqrt(whole), whole**2 / (of_training**2 / (ROUNDS * (PARTS - 1)) + of_tests**2 / (n - 1))

    def estimate(self, together: int = 1) -> Estimate:
        """Return an estimate with an interval that is simultaneous over `together` intervals."""
        from scipy.stats import t

        n = self.records.size
        if self.value == 0 and not self.records.any():
            return Estimate(0.0, 0.0, 0.0, "nothing is added", n)
        error, freedom = self.error
        reach = max(float(t.isf(LEVEL / 2 / together, freedom)) * error, rounding(self.value))
        return Estimate(self.value, self.value - reach, self.value + reach, CROSS_FITTED if self.fits is None else HELD_OUT, n)

    def is_above(self, together: int) -> bool:
        """Return whether the number is significantly above 0, as one of `together` tests."""
        from scipy.stats import t

        error, freedom = self.error
        return self.value > max(float(t.isf(LEVEL / together, freedom)) * error, rounding(self.value))


@dataclass(frozen=True)
class _Scores:
    """The results of the fits of one share on their test records."""

    loss: _Number
    discrimination: _Number | None
    groups: tuple[_Number, ...]
    """The loss inside each group."""


def _scored(
    data: ShareData, splits: Sequence[_Split], size: tuple[int, int], learner: Learner, groups: Mapping[str, np.ndarray]
) -> _Scores:
    lost = np.full((len(splits), len(data.tests)), np.nan)  # (fits, test records)
    areas: list[tuple[float, np.ndarray]] = []
    for i, split in enumerate(splits):
        training = data.human.take(split.human[: size[0]]) + data.synthetic.take(split.synthetic[: size[1]])
        tests = data.tests.take(split.test)
        predicted = learner(training, data.classes)(tests)
        lost[i, split.test] = data.losses(predicted, tests)
        if data.discrimination is not None:
            with suppress(NotApplicable):
                areas.append(data.discrimination(predicted, tests))
    discrimination = None
    if len(areas) == len(splits):
        contributed = np.full_like(lost, np.nan)
        for row, split, (_, parts) in zip(contributed, splits, areas, strict=True):
            row[split.test] = parts
        discrimination = _number(contributed, data, np.array([area for area, _ in areas]))
    inside = (_number(lost[:, mask], data) for mask in groups.values())
    return _Scores(_number(lost, data), discrimination, tuple(inside))


def _number(of_records: np.ndarray, data: ShareData, of_fits: np.ndarray | None = None) -> _Number:
    """Return the mean over test records and fits, or over fits if each fit has a number of its own (`of_fits`).

    of_records: (fits, records), NaN for records on which a fit is not tested.
    """
    means = np.nanmean(of_records, axis=0)
    fits = np.nanmean(of_records, axis=1) if of_fits is None else of_fits
    value = float(means.mean()) if of_fits is None else float(of_fits.mean())
    return _Number(value, means, None if data.holdout is None else fits.reshape(ROUNDS, PARTS))


def _design(
    fixed: Fixed,
    size: int,
    sizes: Mapping[float, tuple[int, int]],
    scores: Mapping[float, _Scores],
    groups: Sequence[str],
    left_out: Mapping[str, str],
) -> ShareDesign:
    alone, others = scores[0.0], max(1, len(sizes) - 1)
    points = [
        SharePoint(
            share,
            *sizes[share],
            loss=score.loss.estimate(),
            added_loss=(score.loss - alone.loss).estimate(),
            discrimination=None if score.discrimination is None else score.discrimination.estimate(),
            **_worst("worst", groups, score.groups),
            **_worst("harmed", groups, [inside - before for inside, before in zip(score.groups, alone.groups, strict=True)]),
        )
        for share, score in scores.items()
    ]
    every = [score.loss for score in scores.values()]
    # The truly best share is left out only if another share is significantly better. The probability of this is at most 5 %, over all others
    # together.
    likely = [share for share, score in scores.items() if not any((score.loss - other).is_above(others) for other in every)]
    best = min(scores, key=lambda share: scores[share].loss.value)
    helps = [share for share, score in scores.items() if (alone.loss - score.loss).is_above(others)]
    harms = [share for share, score in scores.items() if (score.loss - alone.loss).is_above(others)]
    return ShareDesign(fixed, size, tuple(points), best, tuple(likely), tuple(helps), tuple(harms), dict(left_out))


def _worst(name: str, groups: Sequence[str], numbers: Sequence[_Number]) -> dict[str, Any]:
    """Return the group with the largest number. Its interval reaches from the largest lower end to the largest upper end over all groups."""
    if not groups:
        return {}
    ends = [number.estimate(together=len(groups)) for number in numbers]
    worst = max(range(len(ends)), key=lambda i: ends[i].value)
    low, high = (max(end.interval[side] for end in ends) for side in (0, 1))
    return {f"{name}_group": groups[worst], f"{name}_loss": replace(ends[worst], low=low, high=high)}
