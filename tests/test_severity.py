"""Losses are ordered by the share of records that would have to change, said in plain words, and ranked only as far as they can be told apart."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import polars
import pytest
from scipy.stats import binom, norm

import outcross
from outcross import audits
from outcross.estimate import Estimate, Null, Reading
from outcross.measures import audit_aspects, pages_of_aspect
from outcross.measures.severity import WORKED, records_to_change, severity
from outcross.report.sides import column_figure
from outcross.verbs.audit.check import Check
from outcross.verbs.audit.judgement import judge
from outcross.verbs.audit.rankings import ranking, surely_less
from outcross.verbs.audit.result import Audit
from outcross.verbs.audit.scorecard import standing
from outcross.verbs.audit.sentences import clause


@pytest.mark.parametrize(
    ("name", "about", "value", "end", "typical", "worse", "severe"),
    [(name, *numbers, severe) for name, _, *numbers, _, severe in WORKED],
)
def test_every_worked_example_is_as_the_page_of_checks_says(name, about, value, end, typical, worse, severe):
    aspect, _, metric = name.partition(".")
    page = pages_of_aspect(aspect)[metric]
    limit = page.limit(Null(typical), page.margin)
    assert severity(value, end, limit, page, about, worse) == pytest.approx(severe, abs=6e-5)


def test_the_variance_of_a_normal_law_needs_the_records_that_a_simulation_counts():
    """The distance of N(0, k) and N(0, 1) is the share of grid mass that differs."""
    grid = np.linspace(-12, 12, 200_001)
    page = pages_of_aspect("spread")["variance"]
    for value in (0.1, 0.3, 0.6, 0.8):
        narrow, wide = norm.pdf(grid, scale=np.sqrt(value)), norm.pdf(grid, scale=np.sqrt(0.9))
        distance = np.abs(narrow - wide).sum() / 2 * (grid[1] - grid[0])
        assert records_to_change(value, 0.9, page, 1.0, "smaller") == pytest.approx(distance, abs=1e-4)


def test_a_share_is_inside_its_tolerance_once_so_many_records_have_changed():
    """By counting: of 1,000 records 50 are men where 400 would be human; 270 that change their sex bring 320, four fifths of 400."""
    page = pages_of_aspect("groups")["share"]
    share = records_to_change(0.125, 0.8, page, 0.4, "smaller")
    assert (50 + 1000 * share) / 400 == pytest.approx(0.8)


def test_a_category_that_grew_is_inside_its_tolerance_once_so_many_records_have_changed():
    """By counting: of 1,000 records 90 are in a category with 30 of 1,000 human ones; without 52.5 of them it is at its limit of 37.5. That is more than
    the category's share of human records."""
    page = pages_of_aspect("groups")["category_growth"]
    share = records_to_change(3.0, page.limit(Null(1.0), page.margin), page, 0.03, "larger")
    assert share == pytest.approx(0.0525) and (90 - 1000 * share) / 30 == pytest.approx(1.25)
    assert records_to_change(1e9, 1.25, page, 0.03, "larger") == 1.0


def test_the_loss_of_a_model_counts_the_same_inside_a_group_for_the_share_of_the_group():
    pages = pages_of_aspect("use")
    for value in (1.2, 2.0, 50.0):
        whole, inside = (
            records_to_change(value, 1 / 0.9, pages[name], about, "larger") for name, about in (("loss", 1.0), ("loss_inside", 0.3))
        )
        assert inside == pytest.approx(0.3 * whole) and whole == pytest.approx(0.9 - 1 / value)


def test_only_the_growth_of_a_category_counts_records_where_a_ratio_is_worse_the_larger_it_is():
    rules = {
        name: page.change
        for aspect in audit_aspects()
        for name, page in pages_of_aspect(aspect).items()
        if page.unit == "ratio" and page.worse == "larger" and page.margin is not None
    }
    assert rules.pop("category_growth") == "mass" and set(rules.values()) == {"excess"} and len(rules) >= 6


def test_the_severity_of_what_is_gone_is_a_lower_bound_of_what_would_have_to_change():
    for value, high in ((0.0, 0.1), (0.0, 0.9), (0.2, 0.3)):
        reading = Reading(
            "share",
            Estimate(value, 0.0, high, "exact", 1000),
            Null(1.0, floor=0.9, p=1e-9),
            column="sex",
            group="sex=Male",
            about=0.02,
        )
        (judged,) = judge({"groups": [reading]}, {}, 0.05, 1000, 1000)
        assert judged.severity is not None and judged.to_change is not None and judged.severity <= judged.to_change
        assert judged.to_change == pytest.approx(0.02 if value == 0 else 0.02 * 0.6)


def test_nothing_within_the_tolerance_is_severe_and_severity_grows_as_the_value_falls():
    for aspect, metric in (("groups", "share"), ("spread", "variance"), ("structure", "correlation"), ("coverage", "recall")):
        page = pages_of_aspect(aspect)[metric]
        limit = page.limit(Null(0.95), page.margin)
        values = np.linspace(limit + 0.05, max(page.values[0], limit - 0.6), 30)
        shares = records_to_change(values, limit, page, 1.0, "smaller")
        assert shares[0] == 0 and (np.diff(shares) >= -1e-12).all() and (shares <= 1).all()


def check(value, half, aspect="groups", metric="share", p=1e-9, column="sex", group="sex=Male", about=0.4, typical=1.0, at=""):
    """A judged check of an interval."""
    reading = Reading(
        metric, Estimate(value, max(0.0, value - half), value + half, "told", 1000), Null(typical, floor=typical, p=p),
        at, column, group, about=about,
    )  # fmt: skip
    (judged,) = judge({aspect: [reading]}, {}, 0.05, 1000, 1000)
    return Check(
        judged.page.code, aspect, metric, column, group, at, judged.verdict, value, max(0.0, value - half), value + half, 1000, "told",
        typical, typical, judged.limit, p, about, judged.severity, None, None, judged.differs, judged.why,
    )  # fmt: skip


def audit_of(*checks, name="s", **more):
    return Audit(name, {"synthetic": 1000, "reference": 1000}, tuple(checks), {}, {"sex": "category"}, (), 0.05, **more)


def test_men_who_fell_from_40_to_5_percent_come_before_a_category_of_one_and_a_half_percent_that_is_gone():
    audited = audit_of(
        check(0.0, 0.05, "tails", "rare_mass", column="job", group="", about=0.015),
        check(0.125, 0.02),
        check(0.59, 0.05, column="default", group="default=yes", about=0.22),
        check(0.0, 0.1, "tails", "mass", column="income", group="", about=0.01, at="upper 1 %"),
        check(0.75, 0.02, column="age", group="age=old", about=0.1),
    )
    assert audited.summary.split(". ")[0] == (
        "Male (sex) fell from 40 % to 5 % of records; records with default = yes fell from 22 % to 13 %; rare categories of job never occur"
    )
    assert audited.of("lost")[0].group == "sex=Male" and audited.worst(2).frame()["group"].to_list() == ["sex=Male", "default=yes"]


def test_the_line_of_an_aspect_counts_losses_and_inventions_apart():
    lost = [check(value, 0.02, "tails", "mass", column="income", group="", about=0.05, at="upper 5 %") for value in (0.1, 0.2, 0.3)]
    invented = check(0.1, 0.02, "tails", "unseen_categories", column="job", group="", about=1.0, typical=0.0)
    assert standing(audit_of(*lost, invented), "tails").said.endswith("; 2 more; 1 invented")
    assert standing(audit_of(lost[0], invented), "tails").said.endswith("; 1 invented")
    assert standing(audit_of(*lost), "tails").said.endswith("; 2 more") and ";" not in standing(audit_of(invented), "tails").said


def test_a_number_that_moved_is_said_in_its_own_unit():
    rng = np.random.default_rng([20_26, 73])
    human, older = (polars.DataFrame({"age": rng.normal(mean, 8, 3000).round(1)}) for mean in (38, 46))
    first = outcross.audit(older, reference=human, aspects="location").summary
    assert re.match(r"The median of age rose from 3[78](\.\d)? to 4[56](\.\d)?\.", first), first


def test_a_time_that_moved_is_said_and_drawn_as_a_date():
    def visits(first, last, hour):
        days = [
            f"{day:%Y-%m-%d}" for day in polars.date_range(polars.date(2022, 1, first), polars.date(2022, 12, last), eager=True)
        ]
        return polars.DataFrame({"visit": days, "at": [f"{hour + i % 5}:30" for i in range(len(days))]})

    human, moved = visits(1, 31, 8), visits(1, 31, 12)
    moved = moved.with_columns(visit=polars.col("visit").str.replace("2022", "2023"))
    audited = outcross.audit(moved, reference=human, aspects=("location",))
    said = {check.column: (clause(check), check.why) for check in audited.of("lost")}
    assert said["visit"][0] == "the median of visit moved from 2022-07-02 to 2023-07-02" and "+365 [" in said["visit"][1]
    assert said["at"][0] == "the median of at moved from 10:30 to 14:30" and "+4 [" in said["at"][1] and "hours" in said["at"][1]
    portrait = audited.portraits["visit"]
    assert portrait.unit == "day" and "2022-" in column_figure("visit", portrait).data["value"][0]


def test_a_group_of_which_nobody_is_left_is_named_however_small_it_is():
    checks = [check(0.3, 0.02, column=name, group=f"{name}=x", about=0.4) for name in "abcd"]
    first = audit_of(*checks, check(0.0, 0.1, column="race", group="race=small", about=0.02)).summary.split(". ")[0]
    assert "small (race) never occurs" in first and first.count(";") == 2


def test_a_group_is_named_and_no_intersection_that_lost_no_more_of_it():
    group = check(0.6, 0.05, column="race", group="race=Black", about=0.5)
    both = check(0.6, 0.05, column="race+sex", group="race=Black, sex=Male", about=0.45)
    assert audit_of(both, group).summary.startswith("Black (race) fell from 50 % to 30 % of records. ")
    emptier = check(0.1, 0.05, column="race+sex", group="race=Black, sex=Male", about=0.45)
    assert audit_of(emptier, group).summary.startswith("Black (race) and Male (sex) together fell")


def test_a_set_that_lost_nothing_and_copies_says_so_first():
    copies = check(0.5, 0.03, "copying", "exact", column="", group="", about=1.0, typical=0.0)
    first = "Nothing is lost that 1,000 records can show, but 50 % of records are exact copies of human ones."
    assert audit_of(copies).summary == first


def test_a_rare_amount_that_is_gone_costs_the_records_that_had_it():
    """8 % of people have a gain, here nobody has one: 8 % of records would have to change, and not all."""
    rng = np.random.default_rng(12)
    human = polars.DataFrame({"gain": np.where(rng.random(2000) < 0.08, rng.lognormal(8, 1, 2000), 0.0)})
    (lost,) = [
        check for check in outcross.audit(human * 0, reference=human, aspects="spread").of("lost") if check.metric == "variance"
    ]
    assert lost.severity == pytest.approx((human["gain"] > 0).mean(), abs=1e-9)


def test_men_lead_in_an_audit_of_records():
    rng = np.random.default_rng([20_26, 70])

    def people(n, men, rare):
        job = rng.choice(["a", "b", "rare"], n, p=[0.5, 0.5 - rare, rare] if rare else [0.5, 0.5, 0.0])
        return polars.DataFrame({"sex": np.where(rng.random(n) < men, "Male", "Female"), "job": job, "x": rng.normal(size=n)})

    audit = outcross.audit(people(4000, 0.05, 0.0), reference=people(4000, 0.4, 0.015), groups="sex", aspects=("groups", "tails"))
    assert audit.summary.startswith("Male (sex) fell") and audit.of("lost")[0].group == "sex=Male"


def test_sets_that_cannot_be_told_apart_share_a_rank():
    def audit_with(name, *values):
        return audit_of(*(check(v, 0.05, column=f"c{i}", group="", about=0.4) for i, v in enumerate(values)), name=name)

    places = {
        place.name: place for place in ranking([audit_with("a", 0.5, 0.5), audit_with("b", 0.52, 0.49), audit_with("c", 0.1, 0.1)])
    }
    assert (places["a"].rank, places["b"].rank, places["c"].rank) == (1, 1, 3)
    assert (places["a"].last, places["b"].last, places["c"].last) == (2, 2, 3)


def test_sets_of_one_loss_are_told_apart_in_one_of_twenty_rankings_at_most():
    """Six sets, whose eight checks all truly have one value, as each reads it with a normal error of its own: any pair told apart is false."""
    rng = np.random.default_rng([20_26, 71])
    page = pages_of_aspect("groups")["share"]
    false = 0
    repeats = 150
    for _ in range(repeats):
        value = 0.6 + 0.05 * rng.normal(size=(6, 8, 1))
        drawn = value + 0.05 * rng.normal(size=(6, 8, 600))
        false += surely_less(records_to_change(drawn, 0.8, page, 0.4, "smaller").mean(axis=1)).any()
    assert false <= binom.isf(1e-4, repeats, 0.05)


def test_the_human_holdout_is_shown_among_several_sets_and_fails_no_gate():
    rng = np.random.default_rng([20_26, 72])
    human, holdout = (rng.normal(size=(1500, 2)) for _ in range(2))
    sets = {"narrow": 0.6 * rng.normal(size=(1500, 2)), "wide": 0.8 * rng.normal(size=(1500, 2))}
    audited = audits(sets, reference=human, holdout=holdout, aspects="spread")
    assert [(audit.name, audit.is_human) for audit in audited] == [("narrow", False), ("wide", False), ("human holdout", True)]
    places = {place.name: place.rank for place in ranking(audited.every) if place.aspect == "spread"}
    assert places["human holdout"] == 1 and places["narrow"] == 3
    assert [entry["is_human"] for entry in json.loads(json.dumps(audited.plain()))["audits"]] == [False, False, True]
    replace(audited, by_arm={"": audited.every[2:]}).check_gates(["any"])


def test_diversity_inside_a_group_is_about_the_records_of_the_group():
    """Else what a group of 10 % has lost would come before what everybody has lost."""
    rng = np.random.default_rng(12)
    group = np.repeat(["few", "many"], [100, 900])
    human = {"group": group, "job": rng.choice(list("abcdefgh"), 1000)}
    synthetic = human | {"job": np.where(group == "few", "a", rng.choice(list("abcdefgh"), 1000))}
    (check,) = (
        check
        for check in outcross.audit(synthetic, reference=human, groups=("group",), aspects=("diversity",)).every
        if (check.metric, check.column, check.group) == ("effective_categories", "job", "group=few")
    )
    assert check.about == pytest.approx(0.1) and check.severity <= 0.1
    assert (
        clause(check) == "the values of job are less varied among few (group), as with 1 equally common categories instead of 8.16"
    )


def test_sets_that_lost_other_categories_are_ranked_by_the_worst_of_each():
    """If only checks of the same category were compared, these sets would share no check, and nothing could be told apart."""
    rng = np.random.default_rng([20_26, 73])

    def people(rows, *chances):
        return polars.DataFrame({"job": rng.choice(["clerk", "driver", "nurse", "cook"], rows, p=chances)})

    sets = {"fewer-cooks": people(3000, 0.26, 0.26, 0.26, 0.22), "half-of-the-nurses": people(3000, 0.29, 0.29, 0.13, 0.29)}
    audited = audits(sets, reference=people(3000, 0.25, 0.25, 0.25, 0.25), aspects=("category_shares",))
    worst = {check.group for audit in audited for check in audit.every if check.metric == "category_share"}
    places = {place.name: (place.rank, place.checks) for place in ranking(audited.every) if place.aspect == "groups"}
    assert len(worst) == 2 and places == {"fewer-cooks": (1, 2), "half-of-the-nurses": (2, 2)}
