"""An audit is read at a glance: one sentence, one line an aspect, one screen, one matrix, and a picture of each loss."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import polars
import pytest
from rich.cells import cell_len

import outcross
from outcross.errors import BadInput, GateFailed
from outcross.escapes import names_apart
from outcross.measures import audit_aspects, pages_of_aspect
from outcross.report.sides import calibration_figure
from outcross.verbs.audit.check import Check
from outcross.verbs.audit.figures import map_of_regions
from outcross.verbs.audit.gates import gate_of
from outcross.verbs.audit.page import page
from outcross.verbs.audit.phrases import PHRASES, clause
from outcross.verbs.audit.rankings import differences
from outcross.verbs.audit.scorecard import comparison, scorecard, sentence_of
from outcross.verbs.audit.screen import audit_lines, comparison_lines

WIDTH = 80


def people(rng, rows, young=0.3, flipped=0.0):
    """Ages, jobs and an income that hangs on both; young students live in a corner of them."""
    age = np.where(rng.random(rows) < young, rng.integers(16, 26, rows), rng.integers(26, 80, rows))
    job = np.where((age < 26) & (rng.random(rows) < 0.6), "student", rng.choice(["clerk", "driver", "teacher"], rows))
    rich = rng.random(rows) < 1 / (1 + np.exp(-(age - 45) / 6))
    income = np.where(rich ^ (rng.random(rows) < flipped), "high", "low")
    return polars.DataFrame({"age": age, "job": job, "sex": rng.choice(["man", "woman"], rows), "income": income})


@pytest.fixture(scope="module")
def human():
    return people(np.random.default_rng([20_26, 11, 1]), 2000)


@pytest.fixture(scope="module")
def sets(human):
    """Without most of the young, with labels flipped, and honest."""
    rng = np.random.default_rng([20_26, 11, 2])
    settings = {
        "without-the-young-of-2026": people(rng, 2000, young=0.05),
        "with-labels-flipped-2026": people(rng, 2000, flipped=0.15),
        "honest": people(rng, 2000),
    }
    asked = {"aspects": ("groups", "regions", {"kind": "use", "fits": 2}, "location"), "target": "income"}
    return outcross.audits(settings, reference=human, **asked)


def test_every_check_of_an_audit_has_words_of_its_own_or_says_its_title_by_its_unit():
    metrics = {metric for aspect in audit_aspects() for metric, page in pages_of_aspect(aspect).items() if page.margin is not None}
    assert set(PHRASES) <= metrics
    common = ("groups", "spread", "coverage", "copying")
    assert all(
        metric in PHRASES
        for aspect in common
        for metric in pages_of_aspect(aspect)
        if metric in metrics and metric != "prompt_copying"
    )


def test_a_screen_of_80_columns_and_24_lines_says_the_first_sentence_and_a_line_an_aspect(sets):
    for audit in sets:
        lines = audit_lines(audit, WIDTH)
        assert len(lines) <= 22 and max(map(len, lines)) <= WIDTH
        text = " ".join(" ".join(lines).split())
        assert audit.summary.split(". ")[0][:100] in text
        assert all(score.aspect.replace("_", " ") in text for score in scorecard(audit))


def test_a_lost_region_is_said_by_its_rule_and_drawn_on_a_map(sets):
    lost = sets[0]
    region = next(check for check in lost.of("lost") if check.metric == "region")
    text = page([lost]).decode()
    assert "age" in region.at and map_of_regions(lost).svg() in text
    assert re.search(r"[Rr]ecords with age|[Nn]o record has age", text)


def test_flipped_labels_are_seen_in_the_reliability_of_predictions(sets):
    flipped = sets[1]
    (trees, _) = flipped.calibration
    assert trees.learner == "boosted trees" and len(trees.human) == len(trees.synthetic) == 10
    spans = [curve[-1][0] - curve[0][0] for curve in (trees.human, trees.synthetic)]
    assert spans[1] < spans[0] - 0.1  # flips draw every prediction towards the middle
    assert calibration_figure(trees).svg() in page([flipped]).decode()


def test_commas_and_signs_in_names_and_categories_are_no_separators():
    def said(column, group="", at="", metric="share"):
        lost = Check(
            "X",
            "spread" if at else "groups",
            metric,
            column,
            group,
            at,
            "lost",
            0.5,
            0.4,
            0.6,
            100,
            "",
            1.0,
            1.0,
            0.8,
            0.0,
            0.4,
            0.1,
            None,
            None,
            False,
            "",
        )
        return clause(lost)

    assert said("degree", "degree=MSc, with honours") == "MSc, with honours (degree) fell from 40 % to 20 % of records"
    both = said("sex+income, EUR", "sex=Male, income, EUR=high=top")
    assert both == "Male (sex) and high=top (income, EUR) together fell from 40 % to 20 % of records"
    spread = said("", at="direction 1 (+income, EUR, -age (years))", metric="direction")
    assert spread.startswith("the joint spread of income, EUR and age (years) fell")


def test_a_wide_character_takes_two_columns_of_a_screen(sets):
    wide = replace(sets[0], name="合成", notes=("記録" * 60,))
    assert max(map(cell_len, audit_lines(wide, WIDTH))) <= WIDTH


def test_several_sets_are_one_matrix_with_the_best_of_each_aspect_and_their_differences(sets):
    compared = comparison(sets.every)
    lines = comparison_lines(sets.every, WIDTH)
    assert max(map(len, lines)) <= WIDTH and len(lines) <= 24
    best = {ranked.aspect: ranked.names for ranked in compared.best}
    assert "honest" in best["use"] and "with-labels-flipped-2026" not in best["use"]
    assert sentence_of(compared).startswith("2 of 3 sets have lost") and "best for" in sentence_of(compared)
    between_sets = differences(sets.every)
    assert between_sets and all(difference.apart > 0 for difference in between_sets)
    assert all(
        difference.smallest_loss[1].high < difference.greatest_loss[1].low
        or difference.greatest_loss[1].high < difference.smallest_loss[1].low
        for difference in between_sets
    )
    assert "Where the sets differ" in page(sets.every).decode()


def test_names_of_sets_are_never_cut_to_the_same_letters():
    names = [f"a-long-name-of-a-run-that-goes-on-{i:03}-and-ends-alike-as-they-all-do" for i in range(120)]
    for length in (5, 12, 24):
        assert len(set(names_apart(names, length).values())) == len(names)
    assert names_apart(["short", "other"]) == {"short": "short", "other": "other"}


def test_the_worst_are_losses_alone_with_pictures_in_a_notebook_and_as_frames(sets):
    worst = sets[0].worst(5)
    assert 0 < len(worst) <= 5 and all(check.verdict == "lost" for check in worst)
    assert worst.frame()["code"].to_list() == [check.code for check in worst]
    assert "<svg" in worst._repr_html_() and worst[0].code in repr(worst)


def test_checks_become_a_pandas_frame(sets):
    pandas = pytest.importorskip("pandas")
    frame = sets[0].to_pandas()
    assert isinstance(frame, pandas.DataFrame) and len(frame) == len(sets[0].every)
    assert set(sets.to_pandas()["set"]) == {audit.name for audit in sets}


def test_a_gate_fails_from_a_severity_on(sets):
    severe = max(check.severity for check in sets[0].of("lost", "invented"))
    first = replace(sets, by_arm={"": sets.every[:1]})
    with pytest.raises(GateFailed, match=r"\(--fail-on any="):
        first.check_gates([f"any={severe - 0.001}"])
    first.check_gates([f"any={severe + 0.001}"])
    with pytest.raises(GateFailed, match="lost in "):
        first.check_gates(["lost=1%"])


@pytest.mark.parametrize("word", ["tail", "tails=", "tails=x", "tails=120%", "any=-1", "any=nan", "any=inf%", 5, "=5%", ""])
def test_a_gate_that_cannot_be_read_is_refused_in_one_line(word):
    with pytest.raises(BadInput) as refused:
        gate_of(word)
    assert "\n" not in str(refused.value) and "--fail-on" in str(refused.value)


def test_a_link_that_turned_round_is_not_called_weaker():
    rng = np.random.default_rng(5)
    x, y, noise = rng.normal(size=3000), rng.normal(size=3000), 0.5 * rng.normal(size=(2, 3000))
    human, synthetic = {"x": x, "y": noise[0] - x}, {"x": y, "y": noise[1] + y}
    summary = outcross.audit(synthetic, reference=human, aspects=("structure",)).summary
    assert "The link between x and y changed its sign, from -0." in summary
    assert "weakened" not in summary
