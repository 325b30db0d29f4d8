"""How much synthetic data to train on: closed forms, and data of which the answer is known."""

from __future__ import annotations

import numpy as np
import polars
import pytest
from scipy.stats import binom

import outcross
from outcross.errors import BadInput
from outcross.estimate import NotApplicable
from outcross.report.shapes import share_curve_figure
from outcross.statistics.prediction import EncodedRecords
from outcross.statistics.share_curves import ShareData, designs
from outcross.verbs.audit.screen import audit_lines
from outcross.verbs.audit.stored import stored
from outcross.verbs.share_curve import shares_of

LINEAR = {"learner": "linear model", "target": "y"}
DIMENSIONS = 8


def least_squares(training: EncodedRecords, classes: int):
    def design(records: EncodedRecords) -> np.ndarray:
        return np.column_stack([np.ones(len(records)), records.numbers])

    weights = np.linalg.lstsq(design(training), training.target, rcond=None)[0]
    return lambda records: design(records) @ weights


def line(rng: np.random.Generator, n: int, shift: float = 0.0, dimensions: int = DIMENSIONS) -> EncodedRecords:
    """Numbers of which a target hangs with noise of variance 1; `shift` moves one slope, as a generator does that has learned it wrongly."""
    x = rng.normal(size=(n, dimensions))
    return EncodedRecords(x, np.empty((n, 0), int), x.sum(axis=1) + shift * x[:, 0] + rng.normal(size=n))


def expected_loss(share: float, records: int, shift: float) -> float:
    """Of least squares with an intercept on so many records of which a share has the slope moved: noise, variance of the fit, bias (oracle R3)."""
    variance = (DIMENSIONS + 1) / (records - DIMENSIONS - 2) * (1 + shift**2 * share * (1 - share))
    return 1 + variance + (share * shift) ** 2


def people(rng: np.random.Generator, n: int, is_flipped: bool = False) -> dict:
    """A class that hangs on a number, the same for both groups."""
    x, group = rng.normal(size=n), np.where(rng.random(n) < 0.4, "f", "m")
    is_yes = (rng.random(n) < 1 / (1 + np.exp(-2 * x))) ^ is_flipped
    return {"x": x, "z": rng.normal(size=n), "group": group, "y": np.where(is_yes, "yes", "no")}


def test_the_loss_of_every_share_is_the_closed_form_and_the_best_share_is_among_the_likely_ones():
    """At a fixed number of human records n the loss is least at a share of s² d / (2 n c²), here .3, by the closed form of a mixture of two regressions."""
    human, shares, repeats = 60, (0.0, 0.3, 0.6), 40
    shift = np.sqrt(DIMENSIONS / (2 * human * 0.3))
    truth = np.array([expected_loss(share, round(human / (1 - share)), shift) for share in shares])
    assert truth.argmin() == 1
    rng = np.random.default_rng(1)
    curves = [
        designs(ShareData(line(rng, 75), line(rng, 150, shift), line(rng, 600), {}, 0), shares, least_squares, rng)[0]
        for _ in range(repeats)
    ]
    values = np.array([[point.loss.value for point in curve.points] for curve in curves])
    errors = values.std(axis=0, ddof=1) / np.sqrt(repeats)
    # Mixing by parts is a fixed number of each, whose closed form is right to a few percent of the excess.
    assert (np.abs(values.mean(axis=0) - truth) < 4 * errors + 0.05 * (truth - 1)).all()
    assert sum(0.3 in curve.likely for curve in curves) >= binom.ppf(0.001, repeats, 0.95)
    covered = [
        sum(point.loss.low <= loss <= point.loss.high for point, loss in zip(curve.points, truth, strict=True)) for curve in curves
    ]
    assert sum(covered) >= binom.ppf(0.001, 3 * repeats, 0.95)


def test_records_of_the_true_law_help_when_added_and_change_nothing_when_they_replace():
    rng = np.random.default_rng(2)
    human, synthetic = (line(rng, n, dimensions=60) for n in (150, 2000))
    added, replacing = designs(ShareData(human, synthetic, None, {}, 0), (0.25, 0.5, 0.9), least_squares, rng)
    assert added.size == replacing.size == 120
    assert added.helps == (0.25, 0.5, 0.9) and added.likely == (0.9,) and added.best == 0.9
    assert [(point.human, point.synthetic) for point in added.points] == [(120, 0), (120, 40), (120, 120), (120, 1080)]
    assert [(point.human, point.synthetic) for point in replacing.points] == [(120, 0), (90, 30), (60, 60), (12, 108)]
    assert not replacing.helps and not replacing.harms and 0.0 in replacing.likely


def test_flipped_labels_never_help_and_the_sentence_says_so():
    rng = np.random.default_rng(3)
    curve = outcross.share_curve(people(rng, 500, is_flipped=True), reference=people(rng, 500), shares="0:0.5:0.25", **LINEAR)
    assert not curve.fixed_human.helps and curve.fixed_human.best == 0.0 and curve.fixed_human.harms == (0.25, 0.5)
    assert curve.answer == (
        "No share helps: added to all 400 human records, synthetic ones hurt from 25 % on; "
        "in the place of human records, they hurt from 25 % on."
    )
    assert curve.fixed_human.points[1].discrimination.value < curve.fixed_human.points[0].discrimination.value
    assert "tested on human records that a fit was not trained on" in curve.note


def test_the_group_that_is_harmed_is_named():
    rng = np.random.default_rng(4)
    human, holdout, synthetic = people(rng, 500), people(rng, 600), people(rng, 500)
    synthetic["y"] = np.where(synthetic["group"] == "f", "yes", synthetic["y"])
    curve = outcross.share_curve(synthetic, reference=human, holdout=holdout, groups=("group",), shares=[0.5], **LINEAR)
    point = curve.fixed_human.points[-1]
    assert (point.worst_group, point.harmed_group) == ("group=f", "group=f") and point.harmed_loss.low > 0
    assert curve.tested == 600 and "holdout" in curve.note
    frame = curve.frame()
    drawn = curve.plot("share-curve-human")
    assert drawn.data.filter(records="all records")["loss"].to_list() == [point.loss.value for point in curve.fixed_human.points]
    assert curve.answer in repr(curve) and len(repr(curve).splitlines()) == 2
    assert frame.height == 4 and {"fixed", "share", "loss", "loss_low", "added_loss_high", "worst_group"} <= set(frame.columns)


def test_a_number_is_predicted_with_its_squared_error():
    rng = np.random.default_rng(5)
    human, synthetic = ({"x": x, "y": x + rng.normal(size=x.size)} for x in rng.normal(size=(2, 300)))
    curve = outcross.share_curve(synthetic, reference=human, shares=[0.5, 1], **LINEAR)
    assert curve.discrimination == "R²" and curve.fixed_human.points[0].discrimination.value == pytest.approx(0.5, abs=0.1)
    assert list(curve.fixed_human.left_out) == ["1"] and [point.share for point in curve.fixed_total.points] == [0, 0.5, 1]


def test_the_same_stream_gives_the_same_curve():
    sets = [people(np.random.default_rng(seed), 200) for seed in (6, 7)]
    first, second, other = (
        outcross.share_curve(sets[0], reference=sets[1], shares=[0.5], seed=seed, **LINEAR) for seed in (0, 0, 1)
    )
    assert first == second != other


def test_synthetic_records_of_one_class_cost_a_finite_loss():
    rng = np.random.default_rng(8)
    one_class = people(rng, 200) | {"y": ["yes"] * 200}
    curve = outcross.share_curve(one_class, reference=people(rng, 200), shares=[0.5, 1], **LINEAR)
    assert curve.fixed_total.harms == (0.5, 1.0) and curve.fixed_total.points[-1].loss.value < 10


@pytest.mark.parametrize(
    ("n", "change", "shares", "why"),
    [
        (60, {}, [0.5], "48 human records for training and 60 for testing, but a curve needs at least 50 of each"),
        (200, {"y": ["yes"] * 200}, [0.5], "the target 'y' has one value in the reference"),
        (200, {}, [0.0], "no share above 0 is possible: none was requested"),
    ],
)
def test_a_curve_that_cannot_be_had_says_why(n, change, shares, why):
    rng = np.random.default_rng(9)
    with pytest.raises(NotApplicable, match=why):
        outcross.share_curve(people(rng, n), reference=people(rng, n) | change, shares=shares, **LINEAR)


def test_shares_that_take_too_many_records_are_left_out_with_the_reason():
    rng = np.random.default_rng(10)
    curve = outcross.share_curve(people(rng, 100), reference=people(rng, 200), shares=[0.3, 0.5], **LINEAR)
    assert curve.fixed_human.left_out == {"0.5": "a share of 0.5 needs 160 synthetic records per fit, but there are 80"}
    assert [point.share for point in curve.fixed_human.points] == [0.0, 0.3]


@pytest.mark.parametrize(
    ("value", "why"),
    [
        *((value, "shares must be a list of numbers or first:last:step") for value in ("0:2", "a:b:c", "0:1:0", 3)),
        ([-0.1], "must be in \\[0, 1\\], got -0.1"),
        ("0:2:0.5", "must be in \\[0, 1\\], got 1.5"),
        ("0:1:1e-9", "at most 100 shares can be tried"),
        ([float("nan")], "must be in \\[0, 1\\], got nan"),
        ([30], "got 30; write 0.3 for thirty percent"),
    ],
)
def test_bad_shares_are_refused(value, why):
    with pytest.raises(BadInput, match=why):
        shares_of(value)


def test_an_audit_answers_in_a_sentence_a_picture_and_json(tmp_path):
    rng = np.random.default_rng(11)
    human, synthetic = (polars.DataFrame(people(rng, 150)) for _ in range(2))
    asked = {"target": "y", "aspects": ("groups",), "groups": ("group",)}
    (audited,) = outcross.audits({"set": synthetic}, reference=human, shares=[0.5], out=tmp_path / "out", **asked)
    assert stored(tmp_path / "out")[0].share_curve == audited.share_curve
    assert "added_loss" not in {check.metric for check in audited.every}
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert (
        "How much to train on" in page
        and share_curve_figure(audited.share_curve.fixed_human, audited.share_curve.loss).svg() in page
    )
    assert "share helps" in audited.markdown() or "records to all" in audited.markdown()
    screen = " ".join(" ".join(audit_lines(audited, 80)).split())
    assert " ".join(audited.share_curve.answer.split()[:6]) in screen
    few = outcross.audit(synthetic, reference=human[:60], shares=[0.5], **asked)
    assert few.share_curve is None and few.notes[0].startswith("how much synthetic data to train on: not applicable; 48 human")
    without = outcross.audit(synthetic.drop("y"), reference=human, shares=[0.5], **asked)
    assert without.share_curve is None and without.notes[0].endswith("not applicable; the synthetic data lack the target column")
    with pytest.raises(BadInput, match="--shares needs a column to predict; name it, for example --target income"):
        outcross.audit(synthetic, reference=human, shares=[0.5], aspects=("groups",))
