"""How much synthetic data to train on. One function answers it for all verbs: at a fixed number of human records, and at a fixed total number of records."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from outcross.data.tables import Table, alike, table
from outcross.errors import BadInput
from outcross.estimate import Estimate, rounded
from outcross.measures import Evidence
from outcross.measures.groups import is_group, named, subsets
from outcross.recipe import nearest
from outcross.runtime.threads import one_thread_each
from outcross.statistics.prediction import LEARNERS, EncodedRecords, PredictionTask, task
from outcross.statistics.share_curves import ShareData, ShareDesign, SharePoint, designs
from outcross.verbs.results import WIDTH, Result
from outcross.wording import amount, in_percent

if TYPE_CHECKING:
    from outcross.report.figure import Figure

MOST_SHARES = 100
SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""The shares that are tried by default."""
LEARNER = "boosted trees"
ROWS = 10_000
"""Maximum number of human records that models learn from and are tested on, and maximum number of holdout records."""
CURVE_STREAM = 71
"""The number that, with the seed, identifies the random stream of a curve."""
GROUPS = 30
"""Maximum number of groups and intersections that are evaluated. Those with the most test records come first."""


@dataclass(frozen=True, repr=False)
class ShareCurve(Result):
    """The loss on human test records as a function of the share of synthetic training records, with intervals."""

    target: str
    learner: str
    loss: str
    """The name of the loss: log loss in nats, or squared error in human variances of the target."""
    discrimination: str
    """The name of the discrimination: the area under the ROC curve, or R²."""
    tested: int
    """Number of human records that models are tested on."""
    fixed_human: ShareDesign
    """The design that adds synthetic records to all human ones."""
    fixed_total: ShareDesign
    """The design that replaces human records by synthetic ones."""
    note: str
    """Which human records the models are tested on."""

    @property
    def designs(self) -> tuple[ShareDesign, ShareDesign]:
        return self.fixed_human, self.fixed_total

    @property
    def answer(self) -> str:
        """One sentence that says up to which share synthetic records help and which share is best, or that no share helps."""
        added, replacing = self.designs
        if added.helps:
            largest_help = f"helps up to {in_percent(max(added.helps))} of the training set{_last(added)}"
            first = f"Adding synthetic records to all {added.size:,} human ones {largest_help}; {_best(added)}"
        elif replacing.helps:
            first = f"Added to all {added.size:,} human records, synthetic ones help at no share and {_hurting(added)}"
        else:
            first = f"No share helps: added to all {added.size:,} human records, synthetic ones {_hurting(added)}"
        if replacing.helps:
            return (
                f"{first}; in the place of human records, they help up to {in_percent(max(replacing.helps))}, {_best(replacing)}."
            )
        return (
            f"{first}; in the place of human records, they {'help at no share and ' if added.helps else ''}{_hurting(replacing)}."
        )

    @property
    def short(self) -> str:
        """The target, the learner and the answer."""
        return f"ShareCurve of {self.target}, {self.learner}, {self.tested:,} test records\n{self.answer}"

    def plain(self) -> dict[str, Any]:
        """The curve as plain data."""
        return asdict(self) | {"answer": self.answer}

    def lines(self, width: int = WIDTH) -> list[str]:
        """The answer, and one line per share."""
        lines = textwrap.wrap(self.answer, width)
        for design in self.designs:
            lines.append(f"fixed {design.fixed}: {amount(design.size, 'record')}")
            lines += [
                f"  {100 * point.share:6.3g} %  {point.loss.value:.4g} [{point.loss.low:.4g}, {point.loss.high:.4g}]"
                for point in design.points
            ]
        return lines

    def figures(self) -> tuple[Figure, ...]:
        """Two figures of the loss over the share: synthetic records added to all human ones, and in the place of human ones."""
        from outcross.report.shapes import share_curve_figure

        return tuple(share_curve_figure(design, self.loss) for design in self.designs)

    def frame(self) -> Any:
        """One row per design and share (polars)."""
        import polars

        return polars.DataFrame(list(self._rows()), infer_schema_length=None)

    def _rows(self) -> Iterator[dict[str, Any]]:
        for design in self.designs:
            for point in design.points:
                yield {"fixed": design.fixed} | {
                    f"{field.name}{end}": value
                    for field in fields(point)
                    for end, value in _cells(getattr(point, field.name), "loss" in field.name or field.name == "discrimination")
                }


def _cells(value: Any, is_estimate: bool) -> Iterator[tuple[str, Any]]:
    if not is_estimate:
        yield "", value
        return
    for end, name in (("", "value"), ("_low", "low"), ("_high", "high")):
        yield end, None if value is None else getattr(value, name)


@one_thread_each()
def share_curve(
    data: Any,
    *,
    reference: Any,
    target: str,
    holdout: Any = None,
    groups: Iterable[str] = (),
    kinds: Mapping[str, str] | None = None,
    shares: Any = SHARES,
    learner: str = LEARNER,
    seed: int = 0,
) -> ShareCurve:
    """Estimate how much synthetic `data` to train on, in addition to the human `reference` and in its place.

    `data`, `reference` and `holdout` are given as in an audit. `target` is the column that models predict. `shares` are shares of training records that are synthetic, in [0, 1],
    as a list or as "0:0.9:0.1". Models are tested on human records that they were not fitted on, or on the holdout if there is one.

    Raises NotApplicable with the reason if no curve can be computed, and BadInput as an audit does.

    >>> rng = np.random.default_rng(0)
    >>> def people(n):
    ...     x = rng.normal(size=n)
    ...     return {"x": x, "y": np.where(rng.random(n) < 1 / (1 + np.exp(-2 * x)), "yes", "no")}
    >>> human, fresh, flipped = people(400), people(400), people(400)
    >>> flipped["y"] = np.where(flipped["y"] == "yes", "no", "yes")
    >>> curve = share_curve(flipped, reference=human, target="y", shares=[0.25, 0.5], learner="linear model")
    >>> print(curve.answer)
    No share helps: added to all 320 human records, synthetic ones hurt from 25 % on; in the place of human records, they hurt from 25 % on.
    """
    groups = tuple(groups) if not isinstance(groups, str) else (groups,)
    all_kinds = dict(kinds or {}) | {group: "category" for group in groups if group not in (kinds or {})}
    human = table(reference, "reference", kinds=all_kinds, kept=[target])
    sides = [(data, "synthetic"), *([] if holdout is None else [(holdout, "holdout")])]
    comparable = alike([human, *(table(side, name, columns=human.kinds) for side, name in sides)])
    human, synthetic, *more = comparable.tables
    for column in groups:
        if column not in human.kinds:
            raise BadInput(f"no column {column!r} is in both sets (group){nearest(column, human.kinds)}")
    evidence = Evidence(drawn=synthetic, reference=human, holdout=more[0] if more else None, groups=groups, target=target)
    return curve_of(evidence, shares, np.random.default_rng([seed, CURVE_STREAM]), learner=learner)


def curve_of(evidence: Evidence, shares: Any, rng: np.random.Generator, *, learner: str = LEARNER) -> ShareCurve:
    """The share curve of an audit's evidence. Raises NotApplicable with the reason if there is none, and BadInput for a wrong share or learner."""
    if learner not in LEARNERS:
        raise BadInput(f"unknown learner {learner!r}{nearest(learner, LEARNERS)}; known: {', '.join(LEARNERS)}")
    tried = shares_of(shares)
    prediction = task(evidence.reference, evidence.target if evidence.has("target") else None)
    holdout = evidence.holdout if evidence.has("holdout") else None
    human, human_rows = _sampled(prediction, evidence.reference, rng)
    synthetic, _ = prediction.records(evidence.drawn)
    test, test_rows = (None, human_rows) if holdout is None else _sampled(prediction, holdout, rng)
    of_tests = (evidence.reference if holdout is None else holdout).take(test_rows)
    masks = dict(_masks(of_tests, tuple(group for group in evidence.groups if group != prediction.target)))
    is_class = bool(prediction.classes)
    words = CurveWords(
        target=prediction.target,
        learner=learner,
        loss="log loss, in nats" if is_class else "squared error, in human variances of the target",
        discrimination="area under the ROC curve" if is_class else "R²",
    )
    data = ShareData(human, synthetic, test, masks, len(prediction.classes))
    return curve_between(data, tried, LEARNERS[learner], rng, words)


@dataclass(frozen=True)
class CurveWords:
    """The names of a curve's target, learner, loss and discrimination."""

    target: str
    learner: str
    loss: str
    discrimination: str


def curve_between(
    data: ShareData, shares: tuple[float, ...], learner: Any, rng: np.random.Generator, words: CurveWords
) -> ShareCurve:
    """The share curve of records of any kind, including texts. Raises NotApplicable if there are too few records."""
    added, replacing = (_rounded(design) for design in designs(data, shares, learner, rng))
    said = (
        "tested on the holdout"
        if data.holdout is not None
        else "tested on human records that a fit was not trained on; the generator may have seen them"
    )
    return ShareCurve(
        target=words.target,
        learner=words.learner,
        loss=words.loss,
        discrimination=words.discrimination,
        tested=len(data.tests),
        fixed_human=added,
        fixed_total=replacing,
        note=said,
    )


def shares_of(value: Any, whose: str = "synthetic") -> tuple[float, ...]:
    """Shares in [0, 1] from a list, or from "first:last:step" with both ends. `whose` names the records of the shares in an error.

    >>> shares_of("0:0.5:0.25"), shares_of([1])
    ((0.0, 0.25, 0.5), (1.0,))
    """
    try:
        if isinstance(value, str):
            first, last, step = map(float, value.split(":"))
            # One share more than the maximum is enough to show that there are too many.
            value = [first + i * step for i in range(min(MOST_SHARES, math.floor((last - first) / step + 1e-9)) + 1)]
        shares = tuple(round(float(share), 9) for share in value)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        raise BadInput(f"shares must be a list of numbers or first:last:step, got {value!r:.80}; write 0:0.9:0.1") from None
    if outside := [share for share in shares if not 0 <= share <= 1]:
        raise BadInput(
            f"a share of training records that are {whose} must be in [0, 1], got {outside[0]:g}; write 0.3 for thirty percent"
        )
    if len(shares) > MOST_SHARES:
        raise BadInput(f"at most {MOST_SHARES} shares can be tried, got {len(shares)} or more; take larger steps")
    return shares


def _sampled(prediction: PredictionTask, side: Table, rng: np.random.Generator) -> tuple[EncodedRecords, np.ndarray]:
    """A random sample of at most `ROWS` records whose target is known, and their row numbers."""
    records, rows = prediction.records(side)
    chosen = np.sort(rng.choice(len(records), min(len(records), ROWS), replace=False))
    return records.take(chosen), rows[chosen]


def _masks(tests: Table, columns: tuple[str, ...]) -> Iterator[tuple[str, np.ndarray]]:
    """The names of the largest groups, each with a mask of its test records."""
    masks: list[tuple[str, np.ndarray]] = []
    for subset in subsets(columns):
        for group in tests.frame.select(subset).drop_nulls().unique().sort(subset).iter_rows():
            names = tuple(map(str, group))
            inside = [is_group(tests, column, name) for column, name in zip(subset, names, strict=True)]
            masks.append((named(subset, names), np.logical_and.reduce(inside)))
    yield from sorted(masks, key=lambda mask: -mask[1].sum())[:GROUPS]


def _rounded(design: ShareDesign) -> ShareDesign:
    """The design with its numbers rounded to the digits in which all processors agree."""
    return replace(design, points=tuple(_rounded_point(point) for point in design.points))


def _rounded_point(point: SharePoint) -> SharePoint:
    digits: Callable[[float], float] = lambda number: rounded(number) or 0.0  # noqa: E731
    estimates = {field.name: value for field in fields(point) if isinstance(value := getattr(point, field.name), Estimate)}
    return replace(point, **{name: value.on_scale(digits) for name, value in estimates.items()})


def _best(design: ShareDesign) -> str:
    low, high = design.interval
    return f"best share {in_percent(design.best)} [{in_percent(low)}, {in_percent(high)}]"


def _last(design: ShareDesign) -> str:
    return ", the largest share tried" if max(design.helps) == design.points[-1].share else ""


def _hurting(design: ShareDesign) -> str:
    """The words for the share from which on the loss is significantly larger, or for the interval of the best share."""
    shares = [point.share for point in design.points]
    if design.harms:
        # The minimum share such that it and every larger share that was tried does harm, if there is one.
        from_on = next((share for share in shares if all(other in design.harms for other in shares if other >= share)), None)
        return (
            f"hurt from {in_percent(from_on)} on" if from_on is not None else f"hurt at {', '.join(map(in_percent, design.harms))}"
        )
    low, high = design.interval
    return f"do not surely hurt either (the best share is anywhere from {in_percent(low)} to {in_percent(high)})"
