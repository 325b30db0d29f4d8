"""How the loss on held-out human records depends on the share of synthetic records among those that a model learns from."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from outcross.estimate import Estimate, NotApplicable, rounding
from outcross.statistics.prediction import EncodedRecords, Predict, discrimination, losses

PARTS, ROUNDS = 5, 2
"""Each fit leaves out one of five parts of the records and is tested on it; the records are parted twice."""
SPLITS = PARTS * ROUNDS
OVERLAP = 1 / SPLITS + 1 / (PARTS - 1)
"""The variance of a mean over splits in units of the variance between them: 1 / J + n of the test / n of the training (Nadeau and Bengio, Machine Learning 52:239, 2003)."""
METHOD = "corrected t over splits"
LEVEL = 0.05
FEWEST = 50
"""Human records that a model is trained on, at least."""
FEWEST_IN_GROUP = 100
"""Human test records of a group, at least."""
Fixed = Literal["human", "total"]
Learner = Callable[[EncodedRecords, int], Predict]


@dataclass(frozen=True)
class SharePoint:
    """What models show that learned from one share of synthetic records."""

    share: float
    """Share of the training records that are synthetic, in [0, 1]."""
    human: int
    """Human records that a fit learns from."""
    synthetic: int
    loss: Estimate
    """Mean loss on human records that no fit learned from."""
    added_loss: Estimate
    """The same less that of human records alone, split by split; below 0 synthetic records help."""
    discrimination: Estimate | None
    """Area under the ROC curve, or R²; None where a test part is of one class."""
    worst_group: str = ""
    """The group with the greatest loss; empty where no group has enough test records."""
    worst_loss: Estimate | None = None
    """The loss inside it, with an interval that holds for all groups together."""
    harmed_group: str = ""
    """The group whose loss has risen most."""
    harmed_loss: Estimate | None = None
    """By how much it has risen, with an interval that holds for all groups together."""


@dataclass(frozen=True)
class ShareDesign:
    """The points of one way to vary the share, the lowest first, and what they say together."""

    fixed: Fixed
    """Of what there are always as many: human records, to which synthetic ones are added, or records in all."""
    size: int
    """How many of those."""
    points: tuple[SharePoint, ...]
    best: float
    """The share with the least loss."""
    likely: tuple[float, ...]
    """The shares that cannot be told from the best one: with 95 % confidence the best of all that were tried is among them."""
    helps: tuple[float, ...]
    """The shares whose loss is below that of human records alone, at 5 % for all shares together."""
    harms: tuple[float, ...]
    """The shares whose loss is above it, likewise."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Shares that could not be tried, with the reason."""

    @property
    def interval(self) -> tuple[float, float]:
        """The least and the greatest share that may be the best one."""
        return min(self.likely), max(self.likely)


@dataclass(frozen=True)
class ShareData:
    """What models learn from and are tested on."""

    human: EncodedRecords
    synthetic: EncodedRecords
    holdout: EncodedRecords | None
    """Human records that no generator has seen; None where the human records themselves are the test, by fits that they were left out of."""
    groups: Mapping[str, np.ndarray]
    """Which test records are of each group. (test records,)"""
    classes: int
    """0 where the target is a number."""

    @property
    def tests(self) -> EncodedRecords:
        return self.human if self.holdout is None else self.holdout


@dataclass(frozen=True)
class _Split:
    """Rows to train on, in random order, and to test on."""

    human: np.ndarray
    synthetic: np.ndarray
    test: np.ndarray


def designs(
    data: ShareData, shares: Sequence[float], learner: Learner, rng: np.random.Generator
) -> tuple[ShareDesign, ShareDesign]:
    """The curve at a fixed number of human records and the one at a fixed number in all, over the same splits.

    A fit has the human records of all parts but one, and of a random order of the synthetic ones without a part of their own the first that the share
    asks for; so the sets of two shares are nested. 0 is always among the shares. Raises NotApplicable where records are too few or no share above 0 can be tried.
    """
    splits = list(_splits(data, rng))
    human, synthetic = (min(len(getattr(split, side)) for split in splits) for side in ("human", "synthetic"))
    if human < FEWEST or len(data.tests) < FEWEST:
        raise NotApplicable(
            f"{human} human records to train a model on and {len(data.tests)} to test it on; a curve needs at least {FEWEST} of each"
        )
    every = sorted({0.0, *shares})
    groups = _groups(data, splits)
    alone = [_scored(data, split, (human, 0), learner, groups) for split in splits]
    found = []
    for fixed in ("human", "total"):
        sizes, left_out = _sizes(fixed, every, human, synthetic)
        if len(sizes) < 2 and fixed == "total":
            raise NotApplicable(f"no share above 0 can be tried: {'; '.join(left_out.values()) or 'none was asked for'}")
        scores = {
            share: alone if share == 0 else [_scored(data, split, size, learner, groups) for split in splits]
            for share, size in sizes.items()
        }
        found.append(_design(fixed, human, sizes, scores, tuple(groups), left_out))
    return found[0], found[1]


def _splits(data: ShareData, rng: np.random.Generator) -> Iterator[_Split]:
    for _ in range(ROUNDS):
        human, synthetic = (_parts(len(side), rng) for side in (data.human, data.synthetic))
        tests = human if data.holdout is None else _parts(len(data.holdout), rng)
        for k in range(PARTS):
            yield _Split(*(np.concatenate([*side[:k], *side[k + 1 :]]) for side in (human, synthetic)), tests[k])


def _parts(n: int, rng: np.random.Generator) -> list[np.ndarray]:
    return np.array_split(rng.permutation(n), PARTS)


def _groups(data: ShareData, splits: Sequence[_Split]) -> dict[str, np.ndarray]:
    """The groups that have enough test records, and some in every split."""
    return {
        name: mask
        for name, mask in data.groups.items()
        if mask.sum() >= FEWEST_IN_GROUP and all(mask[split.test].any() for split in splits)
    }


def _sizes(
    fixed: Fixed, shares: Sequence[float], human: int, synthetic: int
) -> tuple[dict[float, tuple[int, int]], dict[str, str]]:
    """How many human and synthetic records a fit has at each share, and the shares for which there are too few."""
    sizes: dict[float, tuple[int, int]] = {}
    left_out: dict[str, str] = {}
    for share in shares:
        if fixed == "human" and share >= 1:
            left_out[f"{share:g}"] = "no number of records added to human ones makes all of them synthetic"
            continue
        added = round(human * share / (1 - share)) if fixed == "human" else round(human * share)
        if added > synthetic:
            left_out[f"{share:g}"] = f"a share of {share:g} takes {added:,} synthetic records a fit, and there are {synthetic:,}"
            continue
        sizes[share] = (human if fixed == "human" else human - added, added)
    return sizes, left_out


@dataclass(frozen=True)
class _Scores:
    """What one fit shows on the records that it is tested on."""

    loss: float
    discrimination: float | None
    groups: np.ndarray
    """The mean loss inside each group. (groups,)"""


def _scored(data: ShareData, split: _Split, size: tuple[int, int], learner: Learner, groups: Mapping[str, np.ndarray]) -> _Scores:
    training = data.human.take(split.human[: size[0]]) + data.synthetic.take(split.synthetic[: size[1]])
    tests = data.tests.take(split.test)
    predicted = learner(training, data.classes)(tests)
    lost = losses(predicted, tests)
    try:
        told = discrimination(predicted, tests)[0]
    except NotApplicable:
        told = None
    return _Scores(float(lost.mean()), told, np.array([lost[mask[split.test]].mean() for mask in groups.values()]))


def _design(
    fixed: Fixed,
    size: int,
    sizes: Mapping[float, tuple[int, int]],
    scores: Mapping[float, Sequence[_Scores]],
    groups: Sequence[str],
    left_out: Mapping[str, str],
) -> ShareDesign:
    shares = list(sizes)
    lost = np.array([[one.loss for one in scores[share]] for share in shares])  # (shares, splits)
    inside = np.array([[one.groups for one in scores[share]] for share in shares])  # (shares, splits, groups)
    told = [[one.discrimination for one in scores[share]] for share in shares]
    points = [
        SharePoint(
            share,
            *sizes[share],
            loss=_over_splits(lost[i]),
            added_loss=_over_splits(lost[i] - lost[0]),
            discrimination=None if None in told[i] else _over_splits(np.array(told[i])),
            **_worst(groups, inside[i], inside[i] - inside[0]),
        )
        for i, share in enumerate(shares)
    ]
    lowest = int(lost.mean(axis=1).argmin())
    others = max(1, len(shares) - 1)
    # The best share of all is left out only where another one is found to be better than it: at most once in twenty times, over the others together.
    likely = [share for i, share in enumerate(shares) if not any(_is_above(lost[i] - other, others) for other in lost)]
    helps, harms = (
        tuple(share for i, share in enumerate(shares) if _is_above(sign * (lost[i] - lost[0]), others)) for sign in (-1, 1)
    )
    return ShareDesign(fixed, size, tuple(points), shares[lowest], tuple(likely), helps, harms, dict(left_out))


def _worst(groups: Sequence[str], inside: np.ndarray, added: np.ndarray) -> dict[str, Any]:
    """The group with the greatest loss and the one with the greatest rise; inside, added: (splits, groups)."""
    if not groups:
        return {}
    told: dict[str, Any] = {}
    for name, values in (("worst", inside), ("harmed", added)):
        # The greatest of several numbers lies between the greatest of their lower ends and the greatest of their upper ends.
        ends = [_over_splits(column, tests=len(groups)) for column in values.T]
        worst = max(range(len(ends)), key=lambda i: ends[i].value)
        low, high = (max(one.interval[side] for one in ends) for side in (0, 1))
        told[f"{name}_group"] = groups[worst]
        told[f"{name}_loss"] = Estimate(ends[worst].value, low, high, f"{METHOD}, all groups together", SPLITS)
    return told


def _over_splits(values: np.ndarray, tests: int = 1) -> Estimate:
    """The mean over splits; its interval is one of so many that hold together. values: (splits,)"""
    from scipy.stats import t

    mean, spread = float(values.mean()), float(values.std(ddof=1))
    if not values.any():
        return Estimate(0.0, 0.0, 0.0, "nothing is added", SPLITS)
    reach = float(t.isf(LEVEL / 2 / tests, SPLITS - 1)) * math.sqrt(OVERLAP) * spread
    reach = max(reach, rounding(float(np.abs(values).max())))
    return Estimate(mean, mean - reach, mean + reach, METHOD, SPLITS)


def _is_above(values: np.ndarray, tests: int) -> bool:
    """Whether a mean over splits is above 0, as one of so many tests; values: (splits,)"""
    from scipy.stats import t

    error = math.sqrt(OVERLAP) * float(values.std(ddof=1))
    return float(values.mean()) > max(float(t.isf(LEVEL / tests, SPLITS - 1)) * error, rounding(float(np.abs(values).max())))
