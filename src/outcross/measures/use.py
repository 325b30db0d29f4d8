"""Is a model that learned from these data as good on human data as one that learned from human data?"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, PlainValidator

from outcross.data.tables import Table
from outcross.errors import BadInput
from outcross.estimate import Estimate, NotApplicable, Null, Reading
from outcross.measures import Evidence, Page, read_with_null, unread
from outcross.measures.groups import is_group, named, subsets
from outcross.measures.of_tables import OfTables
from outcross.recipe import FROM_LIST, recipe
from outcross.statistics.prediction import EncodedRecords, task
from outcross.statistics.trials import Predictions, Trial, apart, gap, ratio_of_losses, with_t

FEWEST = 50
"""Records that a model is trained on or tested on, at least."""
FEWEST_IN_GROUP = 100
"""Test records of a group, at least."""
MOST_TESTED = 10_000
BOOTSTRAPS = 199
MOST_SHARES = 100
HELD_OUT = 0.2
"""Share of the reference that is kept for the test where there is no holdout."""
ESG = "Esteban, Hyland and Rätsch, arXiv 1706.02633 (train on synthetic, test on real)"
WYLLIE = "Wyllie, Shumailov and Papernot, Fairness Feedback Loops, FAccT 2024, arXiv 2403.07857"
GERSTGRASSER = "Gerstgrasser et al., Is Model Collapse Inevitable?, COLM 2024, arXiv 2404.01413"


def grid(value: Any) -> tuple[float, ...]:
    """Shares from a list, or from "first:last:step" with both ends.

    >>> grid("0:1:0.25")
    (0.0, 0.25, 0.5, 0.75, 1.0)
    """
    try:
        if isinstance(value, str):
            first, last, step = map(float, value.split(":"))
            # One more than may be asked for is enough to see that they are too many.
            value = [first + i * step for i in range(min(MOST_SHARES, math.floor((last - first) / step + 1e-9)) + 1)]
        shares = tuple(round(float(one), 9) for one in value)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        raise BadInput(f"shares must be a list of numbers or first:last:step, got {value!r:.80}; write 0:2:0.25") from None
    if not all(math.isfinite(one) and 0 <= one <= 100 for one in shares) or len(shares) > MOST_SHARES:
        raise BadInput(
            f"shares must be at most {MOST_SHARES} numbers in [0, 100], synthetic records a human one, got {value!r:.80}"
        )
    return shares


@recipe
class Use(OfTables):
    """Models trained on synthetic, on human and on mixed records, of equal number, tested on the same human records.

    The test records are the holdout, or a fifth of the reference; at most 10,000. Each kind of model is fitted on three disjoint parts of
    each side: what differs between fits on human parts is what real data show against real data. Standard errors
    add the variance of refits to the paired variance over test records, with Welch and Satterthwaite's degrees of freedom. Learners:
    60 gradient-boosted trees of 15 leaves, and a linear model; fairness and groups by the first. One thousandth of every
    predicted probability is spread evenly over the classes.
    """

    learners: Annotated[tuple[Literal["boosted trees", "linear model"], ...], FROM_LIST] = ("boosted trees", "linear model")
    """The first is the one whose fairness, loss by group and curve are looked at."""
    rows: Annotated[int, Field(ge=FEWEST)] = 10_000
    """Records that a model is trained on, at most."""
    fits: Annotated[int, Field(ge=2, le=20)] = 3
    """Disjoint parts of each side, a model each."""
    shares: Annotated[tuple[float, ...], PlainValidator(grid)] = ()
    """Synthetic records a human one, as a list or "0:2:0.25": the curve of the loss over the share of synthetic data added, where asked for."""
    groups: Annotated[int, Field(ge=0)] = 30
    """Groups and intersections looked at, those with most test records first."""

    aspect = "use"
    libraries = ("numpy", "scipy", "scikit-learn", "fairlearn", "icu4py")
    pages = {
        "loss": Page(
            "US1", "loss on human data", "Loss (log loss, or squared error) on human test records of a model trained on synthetic records, over that of one trained on as many human ones.",
            unit="ratio", healthy=1.0, collapsed="grows",
            margin=0.9, worse="larger", role="use", paper=ESG,
        ),
        "discrimination": Page(
            "US2", "discrimination", "Area under the ROC curve (for a number, R²) on human test records of a model trained on synthetic records, less that of one trained on as many human ones.",
            unit="difference", healthy=0.0, collapsed="falls below what is healthy",
            margin=0.02, worse="smaller", of="difference", role="use", paper=f"{ESG}; DeLong et al., Biometrics 44:837, 1988",
        ),
        "mixed_loss": Page(
            "US3", "loss after half synthetic data", "Loss on human test records of a model trained on half synthetic, half human records, over that of one trained on as many human ones.",
            unit="ratio", healthy=1.0, collapsed="grows",
            margin=0.95, worse="larger", role="use", paper=GERSTGRASSER,
        ),
        "loss_inside": Page(
            "US4", "loss inside a group", "Loss on the human test records of a group of a model trained on synthetic records, over that of one trained on as many human ones.",
            unit="ratio", healthy=1.0, collapsed="grows",
            margin=0.9, worse="larger", role="use", paper=WYLLIE,
        ),
        "parity": Page(
            "US5", "demographic parity", "Demographic parity difference (largest less smallest share of a group that is predicted to be of the class) of a model trained on synthetic records, less that of one trained on human ones.",
            unit="difference", range=(-1.0, 1.0), healthy=0.0, collapsed="rises above what is healthy",
            margin=0.05, worse="larger", of="difference", role="use", paper=f"{WYLLIE}; Agarwal et al., ICML 2018",
        ),
        "equalized_odds": Page(
            "US6", "equalized odds", "Equalized odds difference (the larger of the differences between groups of true and of false positive rates) of a model trained on synthetic records, less that of one trained on human ones.",
            unit="difference", range=(-1.0, 1.0), healthy=0.0, collapsed="rises above what is healthy",
            margin=0.05, worse="larger", of="difference", role="use", paper=f"{WYLLIE}; Hardt, Price and Srebro, NeurIPS 2016",
        ),
        "added_loss": Page(
            "US7", "loss after synthetic data", "Loss on human test records of a model trained on human and synthetic records, over that of one trained on human ones alone: on the same human records, or on as many records in all.",
            unit="ratio", healthy=1.0, collapsed="grows",
            margin=0.95, worse="larger", role="use", paper=f"{GERSTGRASSER}; Kazdan et al., arXiv 2410.16713",
        ),
    }  # fmt: skip

    def __call__(self, evidence, rng):
        target = evidence.target if evidence.has("target") else ""
        try:
            trial = _trial(evidence, self.rows, self.fits, rng)
        except NotApplicable as why:
            yield unread("loss", str(why), column=target)
            return
        human, synthetic = trial.parts
        mixed = [
            one.take(half) + two.take(half)
            for one, two in zip(human, synthetic, strict=True)
            for half in [np.arange(len(one) // 2)]
        ]
        for name in self.learners:
            tested = {
                side: trial.tested(name, parts) for side, parts in (("human", human), ("synthetic", synthetic), ("mixed", mixed))
            }
            yield read_with_null(
                "loss",
                lambda t=tested: ratio_of_losses(t["synthetic"].log_loss(), t["human"].log_loss()),
                at=name,
                column=target,
                note=trial.note,
            )
            yield read_with_null(
                "discrimination",
                lambda t=tested: gap(t["synthetic"].discrimination(), t["human"].discrimination(), "smaller"),
                at=name,
                column=target,
                note=trial.note,
            )
            yield read_with_null(
                "mixed_loss",
                lambda t=tested: ratio_of_losses(t["mixed"].log_loss(), t["human"].log_loss()),
                at=name,
                column=target,
                note=trial.note,
            )
            if name == self.learners[0]:
                yield from self._inside(evidence, trial, tested)
                yield from _fairness(evidence, trial, tested, name, rng)
        if self.shares:
            yield from self._curve(evidence, trial)

    def _inside(self, evidence: Evidence, trial: Trial, tested: dict[str, Predictions]) -> Iterator[Reading]:
        groups = [
            (columns, group, mask)
            for columns in subsets(tuple(column for column in evidence.groups if column != trial.task.target))
            for group, mask in _members(trial.test, columns)
        ]
        groups.sort(key=lambda group: -group[2].sum())
        kept = [group for group in groups if group[2].sum() >= FEWEST_IN_GROUP][: self.groups]
        for columns, group, mask in kept:
            yield read_with_null(
                "loss_inside",
                lambda mask=mask: ratio_of_losses(tested["synthetic"].log_loss(mask), tested["human"].log_loss(mask)),
                at=self.learners[0],
                column=trial.task.target,
                group=named(columns, group),
                note=trial.note,
            )
        if len(kept) < len(groups):
            yield unread(
                "loss_inside",
                f"left out: {len(groups) - len(kept)} of {len(groups)} groups, with fewer than {FEWEST_IN_GROUP} test records or beyond the {self.groups} largest",
                column=trial.task.target,
            )

    def _curve(self, evidence: Evidence, trial: Trial) -> Iterator[Reading]:
        """The loss over the share of synthetic data added; both baselines are human records alone, as many as the fixed number."""
        human, synthetic = trial.parts
        most = max(self.shares)
        fixed = int(min(len(human[0]), self.rows / (1 + most), len(synthetic[0]) / most if most else math.inf))
        if fixed < FEWEST:
            yield unread(
                "added_loss",
                f"a share of {most:g} leaves {fixed} human records to a fit, needs at least {FEWEST}",
                column=trial.task.target,
            )
            return
        alone = trial.tested(self.learners[0], [one.take(np.arange(fixed)) for one in human])
        note = f"{fixed:,} records fixed; {trial.note}"
        for share in self.shares:
            for what, sizes in (("human", (fixed, round(share * fixed))), ("total", _parted(fixed, share))):
                at = f"fixed {what}, share {share:g}"
                yield read_with_null(
                    "added_loss",
                    lambda sizes=sizes: _added(trial, self.learners[0], sizes, alone),
                    at=at,
                    column=trial.task.target,
                    note=note,
                )


def _parted(total: int, share: float) -> tuple[int, int]:
    synthetic = round(total * share / (1 + share))
    return total - synthetic, synthetic


def _trial(evidence: Evidence, rows: int, fits: int, rng: np.random.Generator) -> Trial:
    training, test, said = _split(evidence, rng)
    prediction = task(training, evidence.target if evidence.has("target") else None)
    tests, kept = prediction.records(test)
    human, synthetic = (prediction.records(side)[0] for side in (training, evidence.drawn))
    size = min(rows, len(human) // fits, len(synthetic) // fits)
    if size < FEWEST or len(tests) < FEWEST:
        raise NotApplicable(
            f"{size} records to train a model on and {len(tests)} to test it on have the target {prediction.target!r}; {FEWEST} of each are needed, for {fits} fits a side"
        )
    parts = _parts(human, fits, size, rng), _parts(synthetic, fits, size, rng)
    note = f"{fits} fits a side of {size:,} records each, tested on {len(tests):,} of {said}"
    return Trial(prediction, test.take(kept), tests, parts, note)


def _parts(side: EncodedRecords, fits: int, size: int, rng: np.random.Generator) -> list[EncodedRecords]:
    """Disjoint sets of records, drawn at random."""
    order = rng.permutation(len(side))
    return [side.take(order[i * size : (i + 1) * size]) for i in range(fits)]


def _split(evidence: Evidence, rng: np.random.Generator) -> tuple[Table, Table, str]:
    """Human records to train on, to test on, and what the latter are."""
    reference = evidence.reference
    if evidence.has("holdout"):
        n = evidence.holdout.frame.height
        return reference, evidence.holdout.take(np.sort(rng.choice(n, min(n, MOST_TESTED), replace=False))), "the holdout"
    order, far = rng.permutation(reference.frame.height), int(min(MOST_TESTED, HELD_OUT * reference.frame.height))
    return (
        reference.take(np.sort(order[far:])),
        reference.take(np.sort(order[:far])),
        "a held-out fifth of the reference, which the generator may have seen",
    )


def _added(trial: Trial, learner: str, sizes: tuple[int, int], alone: Predictions) -> tuple[Estimate, Null | None]:
    if sizes[1] == 0:
        return Estimate(1.0, 1.0, 1.0, "nothing is added", len(trial.tests)), None
    parts = [one.take(np.arange(sizes[0])) + two.take(np.arange(sizes[1])) for one, two in zip(*trial.parts, strict=True)]
    return ratio_of_losses(trial.tested(learner, parts).log_loss(), alone.log_loss())


def _members(test: Table, columns: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], np.ndarray]]:
    """The groups that test records are of, and which are of them."""
    met = test.frame.select(columns).drop_nulls().unique().sort(columns)
    for group in met.iter_rows():
        names = tuple(map(str, group))
        yield names, np.logical_and.reduce([is_group(test, column, name) for column, name in zip(columns, names, strict=True)])


def _fairness(
    evidence: Evidence, trial: Trial, tested: dict[str, Predictions], learner: str, rng: np.random.Generator
) -> Iterator[Reading]:
    for column in evidence.groups:
        if column == trial.task.target:
            continue
        try:
            groups, note = _of_groups(trial, column)
        except NotApplicable as why:
            yield from (
                unread(check, str(why), at=f"{learner}, by {column}", column=trial.task.target)
                for check in ("parity", "equalized_odds")
            )
            continue
        n = int((groups >= 0).sum())
        weights = rng.multinomial(n, np.full(n, 1 / n), BOOTSTRAPS).astype(float)
        for check, is_odds in (("parity", False), ("equalized_odds", True)):
            yield read_with_null(
                check,
                lambda g=groups, w=weights, o=is_odds: _unfair(trial, tested, g, w, o),
                at=f"{learner}, by {column}",
                column=trial.task.target,
                note=note,
            )


def _of_groups(trial: Trial, column: str) -> tuple[np.ndarray, str]:
    """The number of each test record's group, -1 where it is too small to say a rate of, and what is said of those."""
    if len(trial.task.classes) != 2:
        raise NotApplicable(
            f"fairness is of two classes; the target {trial.task.target!r} has {len(trial.task.classes) or 'numbers'}"
        )
    groups, small = np.full(len(trial.tests), -1), []
    for (name,), mask in _members(trial.test, (column,)):
        of_class = np.bincount(trial.tests.target[mask].astype(int), minlength=2)
        if mask.sum() >= FEWEST_IN_GROUP and of_class.min() >= 10:
            groups[mask] = groups.max() + 1
        else:
            small.append(name)
    if groups.max() < 1:
        raise NotApplicable(f"fewer than two groups of {column!r} have {FEWEST_IN_GROUP} test records, and ten of either class")
    return groups, trial.note + (f"; too small to compare: {', '.join(small[:12])}" if small else "")


def _unfair(
    trial: Trial, tested: dict[str, Predictions], groups: np.ndarray, weights: np.ndarray, is_odds: bool
) -> tuple[Estimate, Null]:
    try:
        from fairlearn.metrics import demographic_parity_difference, equalized_odds_difference
    except ImportError:
        raise NotApplicable("fairlearn is not installed; pip install 'outcross[fair]'") from None
    there = groups >= 0
    measure = equalized_odds_difference if is_odds else demographic_parity_difference
    target, groups = trial.tests.target[there].astype(int), groups[there]
    sides = [tested[side].chosen[:, there] for side in ("synthetic", "human")]
    values = [np.array([measure(target, one.astype(int), sensitive_features=groups) for one in side]) for side in sides]
    resampled = [np.mean([_differences(one, target, groups, weights, is_odds) for one in side], axis=0) for side in sides]
    variance = float((resampled[0] - resampled[1]).var(ddof=1))
    return with_t(*apart(values[0], values[1], variance, target.size), "larger", target.size)


def _differences(chosen: np.ndarray, target: np.ndarray, groups: np.ndarray, weights: np.ndarray, is_odds: bool) -> np.ndarray:
    """The parity or odds difference of every resample of test records, (resamples,)."""
    strata = [target == 1, target == 0] if is_odds else [np.ones(target.size, bool)]
    differences = []
    for stratum in strata:
        inside = np.stack([stratum & (groups == g) for g in range(groups.max() + 1)], axis=1)
        rates = (weights @ (inside & chosen[:, None])) / np.maximum(weights @ inside, 1.0)
        differences.append(np.ptp(rates, axis=1))
    return np.max(differences, axis=0)
