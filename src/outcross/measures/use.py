"""Does a model that learned from these data predict human data as well as a model that learned from human data?"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from outcross.data.tables import Table
from outcross.estimate import NORMAL_QUANTILE, Estimate, NotApplicable, Null, Reading
from outcross.measures import Evidence, Page, read_with_null, unread
from outcross.measures.groups import is_group, named, subsets
from outcross.measures.of_tables import OfTables
from outcross.recipe import FROM_LIST, recipe
from outcross.statistics.associations import classes, strongest_with
from outcross.statistics.clusters import resamples
from outcross.statistics.portraits import Reliability, reliability
from outcross.statistics.prediction import task
from outcross.statistics.trials import Predictions, Scores, Trial, gap, ratio, variance_of_fits, with_t
from outcross.wording import amount

FEWEST = 50
"""Minimum number of records for training, and also for testing."""
FEWEST_IN_GROUP = 100
"""Minimum number of test records of a group."""
MOST_PREDICTORS = 64
"""Maximum number of columns that a model learns from. With more columns, models of a few thousand records predict worse and take longer."""
MOST_TESTED = 10_000
"""Maximum number of test records."""
FOUR_IN_FIVE = 0.8416212335729143
"""The 80 % quantile of the standard normal law."""
BOOTSTRAPS = 199
ESG = "Esteban, Hyland and Rätsch, arXiv 1706.02633 (train on synthetic, test on real)"
WYLLIE = "Wyllie, Shumailov and Papernot, Fairness Feedback Loops, FAccT 2024, arXiv 2403.07857"
COX = "Cox, Biometrika 45:562, 1958"
GERSTGRASSER = "Gerstgrasser et al., Is Model Collapse Inevitable?, COLM 2024, arXiv 2404.01413"


@recipe
class Use(OfTables):
    """Models trained on equally many synthetic, human and mixed records, tested on the same human records.

    Models are compared by their log loss and Brier score (for a numeric target by the squared error) and by Cox's calibration slope. The area under
    the ROC curve is not enough: a symmetric flip of labels maps a probability η to f + (1 - 2f) η, which keeps the order of predictions, so the area
    hardly changes.

    Each fit leaves out one of a few parts of its records. The test records are the holdout, at most 10,000 of them. Without a holdout they are the
    reference, and each record is tested by the fits that left it out. Standard errors combine the jackknife over left-out parts with the paired
    variance over test records, with Welch's and Satterthwaite's degrees of freedom.

    The learners are 60 gradient-boosted trees of 15 leaves and a linear model. There are fewer trees per class, but at least five, if there are many
    columns and many classes. The linear model has a stronger penalty if there are fewer than ten records per weight. If a table has more than 65
    columns, both learn from the 64 columns with the strongest association with the target in both sets together. Fairness and groups use the first
    learner. One thousandth of every predicted probability is spread evenly over the classes. Every note gives the value that four of five such audits
    would detect.
    """

    learners: Annotated[tuple[Literal["boosted trees", "linear model"], ...], FROM_LIST] = ("boosted trees", "linear model")
    """The learners. Fairness and loss by group are computed for the first one."""
    rows: Annotated[int, Field(ge=FEWEST)] = 8_000
    """Maximum number of records that a model is trained on."""
    fits: Annotated[int, Field(ge=2, le=20)] = 4
    """Number of fits per side, and of parts of the records. Each fit leaves out one part."""
    groups: Annotated[int, Field(ge=0)] = 30
    """Maximum number of groups and intersections that are read, those with the most test records first."""

    aspect = "use"
    libraries = ("numpy", "scipy", "scikit-learn", "icu4py")
    pages = {
        "loss": Page(
            "US1", "loss on human data", "Loss (log loss, or squared error) on human test records of a model trained on synthetic records, divided by that of a model trained on equally many human records.",
            unit="ratio", change="excess", healthy=1.0, collapsed="grows",
            margin=0.9, worse="larger", role="use", paper=ESG,
        ),
        "discrimination": Page(
            "US2", "discrimination", "Area under the ROC curve (for a numeric target, R²) on human test records of a model trained on synthetic records, less that of a model trained on equally many human records.",
            unit="difference", healthy=0.0, collapsed="falls below the healthy value",
            margin=0.02, worse="smaller", margin_kind="difference", role="use", paper=f"{ESG}; DeLong et al., Biometrics 44:837, 1988",
        ),
        "mixed_loss": Page(
            "US3", "loss after half synthetic data", "Loss on human test records of a model trained on half synthetic, half human records, divided by that of a model trained on equally many human records.",
            unit="ratio", change="excess", healthy=1.0, collapsed="grows",
            margin=0.95, worse="larger", role="use", paper=GERSTGRASSER,
        ),
        "loss_inside": Page(
            "US4", "loss inside a group", "Loss on the human test records of a group, of a model trained on synthetic records, divided by that of a model trained on equally many human records.",
            unit="ratio", change="excess", healthy=1.0, collapsed="grows",
            margin=0.9, worse="larger", role="use", paper=WYLLIE,
        ),
        "parity": Page(
            "US5", "demographic parity", "Demographic parity difference (largest less smallest share of a group with the second class predicted) of a model trained on synthetic records, less that of a model trained on human records.",
            unit="difference", range=(-1.0, 1.0), healthy=0.0, collapsed="rises above the healthy value",
            margin=0.05, worse="larger", margin_kind="difference", role="use", paper=f"{WYLLIE}; Agarwal et al., ICML 2018",
        ),
        "equalized_odds": Page(
            "US6", "equalized odds", "Equalized odds difference (the larger of the differences between groups in the true and in the false positive rate) of a model trained on synthetic records, less that of a model trained on human records.",
            unit="difference", range=(-1.0, 1.0), healthy=0.0, collapsed="rises above the healthy value",
            margin=0.05, worse="larger", margin_kind="difference", role="use", paper=f"{WYLLIE}; Hardt, Price and Srebro, NeurIPS 2016",
        ),
        "brier": Page(
            "US8", "Brier score", "Mean squared distance between predicted probabilities and outcomes, on human test records, of a model trained on synthetic records, divided by that of a model trained on equally many human records.",
            unit="ratio", change="excess", healthy=1.0, collapsed="grows",
            margin=0.9, worse="larger", role="use", paper=f"{ESG}; Brier, Mon. Weather Rev. 78:1, 1950",
        ),
        "timid": Page(
            "US9", "calibration slope, too timid", "Cox's calibration slope on human test records (for a numeric target, the slope of its values on its predictions) of a model trained on synthetic records, divided by that of a model trained on equally many human records. Above 1: its predictions are underconfident, for instance because labels are noisy.",
            unit="ratio", change="excess", healthy=1.0, collapsed="grows",
            margin=0.8, worse="larger", role="use", paper=f"{ESG}; {COX}",
        ),
        "overconfident": Page(
            "US10", "calibration slope, too sure", "The same ratio of calibration slopes. Below 1: the predictions of a model trained on synthetic records are overconfident, for instance because all of its training records are typical.",
            unit="ratio", healthy=1.0, collapsed="towards 0",
            margin=0.8, worse="smaller", role="use", paper=f"{ESG}; {COX}",
        ),
    }  # fmt: skip

    def __call__(self, evidence, rng):
        target = evidence.target if evidence.has("target") else ""
        try:
            trial = _trial(evidence, self.rows, self.fits, rng)
        except NotApplicable as why:
            yield unread("loss", str(why), column=target)
            return
        human, synthetic = (trial.without_each(side) for side in (0, 1))
        mixed = [
            of_human.take(half) + of_synthetic.take(half)
            for of_human, of_synthetic in zip(human, synthetic, strict=True)
            for half in [np.arange(len(of_human) // 2)]
        ]
        curves: list[Reliability] = []
        for name in self.learners:
            ours, theirs = trial.tested(name, synthetic, by_each=True), trial.tested(name, human, by_each=trial.is_apart)
            half = trial.tested(name, mixed, by_each=False)
            tested = {"synthetic": ours, "human": theirs}
            curves.append(reliability(target, name, trial.task.classes, theirs.assembled, ours.assembled, trial.tests.target))
            for check, number in _compared(ours, theirs, half):
                reading = self._read(check, number, trial, at=name)
                yield reading if check != "discrimination" or reading.estimate is None else _with_areas(reading, ours, theirs)
            if name == self.learners[0]:
                yield from self._inside(evidence, trial, tested)
                yield from self._fairness(evidence, trial, tested, name, rng)
        yield from curves

    def _read(
        self,
        check: str,
        number: Callable[[], tuple[Estimate, Null | None]],
        trial: Trial,
        *,
        at: str,
        group: str = "",
        note: str = "",
    ) -> Reading:
        """Return a reading whose note gives the value that would be detected."""
        note = note or trial.note
        reading = read_with_null(check, number, at=at, column=trial.task.target, group=group, note=note)
        if reading.estimate is None or reading.null is None:
            return reading
        return replace(reading, note=f"{_detectable(reading.estimate, self.pages[check])}; {note}")

    def _inside(self, evidence: Evidence, trial: Trial, tested: dict[str, Predictions]) -> Iterator[Reading]:
        groups = [
            (columns, group, mask)
            for columns in subsets(tuple(column for column in evidence.groups if column != trial.task.target))
            for group, mask in _members(trial.test, columns)
        ]
        groups.sort(key=lambda group: -group[2].sum())
        kept = [group for group in groups if group[2].sum() >= FEWEST_IN_GROUP][: self.groups]
        for columns, group, mask in kept:
            reading = self._read(
                "loss_inside",
                lambda mask=mask: ratio(tested["synthetic"].log_loss(mask), tested["human"].log_loss(mask)),
                trial,
                at=self.learners[0],
                group=named(columns, group),
            )
            yield replace(reading, about=float(mask.mean()))
        if len(kept) < len(groups):
            yield unread(
                "loss_inside",
                f"{len(groups) - len(kept)} of {len(groups)} groups are left out: they have fewer than {FEWEST_IN_GROUP} test records or are not among the {self.groups} largest",
                column=trial.task.target,
            )

    def _fairness(
        self, evidence: Evidence, trial: Trial, tested: dict[str, Predictions], learner: str, rng: np.random.Generator
    ) -> Iterator[Reading]:
        for column in evidence.groups:
            if column == trial.task.target:
                continue
            at = f"{learner}, by {column}"
            try:
                groups, note = _of_groups(trial, column)
            except NotApplicable as why:
                yield from (unread(check, str(why), at=at, column=trial.task.target) for check in ("parity", "equalized_odds"))
                continue
            n = int((groups >= 0).sum())
            weights = resamples(n, BOOTSTRAPS, rng).astype(float)
            for check, is_odds in (("parity", False), ("equalized_odds", True)):
                yield self._read(
                    check, lambda g=groups, w=weights, o=is_odds: _unfair(trial, tested, g, w, o), trial, at=at, note=note
                )  # fmt: skip


def _compared(
    ours: Predictions, theirs: Predictions, mixed: Predictions
) -> Iterator[tuple[str, Callable[[], tuple[Estimate, Null]]]]:
    """Yield the readings of models that learned from synthetic, from human and from mixed records."""
    yield "loss", lambda: ratio(ours.log_loss(), theirs.log_loss())
    yield "brier", lambda: ratio(ours.log_brier(), theirs.log_brier())
    yield "timid", lambda: ratio(ours.log_slope, theirs.log_slope)
    yield "overconfident", lambda: ratio(ours.log_slope, theirs.log_slope, "smaller")
    yield "discrimination", lambda: gap(ours.discrimination, theirs.discrimination, "smaller")
    yield "mixed_loss", lambda: ratio(mixed.log_loss(), theirs.log_loss(), like=ours.log_loss())


def _with_areas(reading: Reading, ours: Predictions, theirs: Predictions) -> Reading:
    """Return the reading of a difference of areas (or R²) with both areas added."""
    return replace(reading, before=theirs.discrimination.value, after=ours.discrimination.value)


def _detectable(estimate: Estimate, page: Page) -> str:
    """Return a note with the value that four of five audits with such an interval would report as a loss.

    It lies beyond the tolerance by half the width of the interval plus .84 standard errors.
    """
    limit = page.limit(None, page.margin or 0.0)
    assert limit is not None
    low, high = estimate.interval
    sign = 1.0 if page.worse == "larger" else -1.0
    far = 1 + FOUR_IN_FIVE / NORMAL_QUANTILE
    if page.margin_kind == "ratio":
        loss = limit * math.exp(sign * far * math.log(max(high, 1e-12) / max(low, 1e-12)) / 2)
    else:
        loss = limit + sign * far * (high - low) / 2
    return f"a value of {loss:.3g} would be detected"


def _trial(evidence: Evidence, rows: int, fits: int, rng: np.random.Generator) -> Trial:
    reference = evidence.reference
    target = evidence.target if evidence.has("target") else None
    columns = reference.of_kind("number", "category")
    prediction = task(reference, target)
    if target is not None and len(columns) - 1 > MOST_PREDICTORS:
        predictors = strongest_of(evidence, target, [column for column in columns if column != target])
        prediction = task(reference, target, predictors)
    (human, rows_of_human), (synthetic, _) = prediction.records(reference), prediction.records(evidence.drawn)
    size = min(rows // (fits - 1), len(human) // fits, len(synthetic) // fits)
    has_holdout = evidence.has("holdout")
    order = rng.permutation(len(human))
    part = np.full(len(human), -1)
    part[order[: fits * size]] = np.arange(fits * size) // max(1, size)
    tested = evidence.holdout if has_holdout else reference
    records, rows_of_tests = prediction.records(tested) if has_holdout else (human, rows_of_human)
    chosen = np.sort(rng.choice(len(records), min(len(records), MOST_TESTED), replace=False))
    tests, test = records.take(chosen), tested.take(rows_of_tests[chosen])
    own = np.full(chosen.size, -1) if has_holdout else part[chosen]
    if size * (fits - 1) < FEWEST or len(tests) < FEWEST:
        raise NotApplicable(
            f"{amount(size * (fits - 1), 'record')} for training and {len(tests)} for testing have the target {prediction.target!r}, but {FEWEST} of each are needed for {fits} fits per side"
        )
    drawn = rng.permutation(len(synthetic))
    parts = (
        [human.take(np.flatnonzero(part == k)) for k in range(fits)],
        [synthetic.take(drawn[k * size : (k + 1) * size]) for k in range(fits)],
    )
    said = "the holdout" if has_holdout else "the reference by fits that left them out; the generator may have seen them"
    note = f"{fits} fits per side of {size * (fits - 1):,} records each, tested on {len(tests):,} of {said}"
    if len(columns) - 1 > MOST_PREDICTORS:
        note += f"; from the {MOST_PREDICTORS} of {len(columns) - 1} columns with the strongest association with the target in both sets"
    return Trial(prediction, test, tests, own, parts, note)


def strongest_of(evidence: Evidence, target: str, columns: list[str]) -> list[str]:
    """Return the columns that models learn from. Both sets have the same weight in the choice, so that it favours neither."""
    sides = evidence.drawn, evidence.reference
    chosen = strongest_with(classes(target, *sides), [classes(column, *sides) for column in columns], MOST_PREDICTORS)
    return [column.column for column in chosen]


def _members(test: Table, columns: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], np.ndarray]]:
    """Yield each group that occurs in the test records, with a mask of its records."""
    met = test.frame.select(columns).drop_nulls().unique().sort(columns)
    for group in met.iter_rows():
        names = tuple(map(str, group))
        yield names, np.logical_and.reduce([is_group(test, column, name) for column, name in zip(columns, names, strict=True)])


def _of_groups(trial: Trial, column: str) -> tuple[np.ndarray, str]:
    """Return the number of each test record's group (-1 if the group is too small for a rate), and a note that names the small groups."""
    if len(trial.task.classes) != 2:
        raise NotApplicable(
            f"fairness needs a target with two classes; the target {trial.task.target!r} has {len(trial.task.classes) or 'numbers'}"
        )
    groups, small = np.full(len(trial.tests), -1), []
    for (name,), mask in _members(trial.test, (column,)):
        of_class = np.bincount(trial.tests.target[mask].astype(int), minlength=2)
        if mask.sum() >= FEWEST_IN_GROUP and of_class.min() >= 10:
            groups[mask] = groups.max() + 1
        else:
            small.append(name)
    if groups.max() < 1:
        raise NotApplicable(f"fewer than two groups of {column!r} have {FEWEST_IN_GROUP} test records and ten of each class")
    return groups, trial.note + (f"; too small to compare: {', '.join(small[:12])}" if small else "")


def _unfair(
    trial: Trial, tested: dict[str, Predictions], groups: np.ndarray, weights: np.ndarray, is_odds: bool
) -> tuple[Estimate, Null]:
    there = groups >= 0
    target, groups = trial.tests.target[there].astype(int), groups[there]
    sides = []
    for side in ("synthetic", "human"):
        by_fits = tested[side].chosen[:, there]
        # The whole set is the first resample, in which every record counts once.
        counted = np.concatenate([np.ones((1, target.size)), weights])
        every = np.stack([unfairness(labels, target, groups, counted, is_odds) for labels in by_fits])
        values, resampled = every[:, 0], every[:, 1:].mean(axis=0)
        sides.append((Scores(float(values.mean()), np.zeros(0), values if values.size > 1 else None), resampled))
    (first, first_resampled), (second, second_resampled) = sides
    of_tests = float((first_resampled - second_resampled).var(ddof=1))
    return with_t(first.value - second.value, (of_tests, target.size), variance_of_fits(first, second), "larger")


def unfairness(chosen: np.ndarray, target: np.ndarray, groups: np.ndarray, weights: np.ndarray, is_odds: bool) -> np.ndarray:
    """Return the demographic parity difference, or the equalised odds difference, of every resample of test records, (resamples,), in [0, 1]. 0 is
    fair.

    The demographic parity difference is the largest less the smallest share of a group for which the second class is predicted. The equalised odds
    difference is the larger of these differences among records of the first class and among records of the second class (Hardt, Price and Srebro,
    NeurIPS 2016). Both are as in fairlearn. chosen, target (0 or 1) and groups (0, 1, …): one number per record. weights: how often each record
    counts, (resamples, records).
    """
    strata = [target == 1, target == 0] if is_odds else [np.ones(target.size, bool)]
    differences = []
    for stratum in strata:
        inside = np.stack([stratum & (groups == g) for g in range(groups.max() + 1)], axis=1)
        rates = (weights @ (inside & (chosen[:, None] > 0))) / np.maximum(weights @ inside, 1.0)
        differences.append(np.ptp(rates, axis=1))
    return np.max(differences, axis=0)
