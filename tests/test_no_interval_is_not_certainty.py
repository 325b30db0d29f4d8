"""One chain of one seed says nothing of how far its number can be trusted, and nobody who reads the number may forget that.

A width of rounding is no interval either.
"""

import html
import json
import math
import re

import numpy as np
import polars as pl
import pytest
from conftest import outcross as command
from pydantic import TypeAdapter
from reading_frames import beside, frame

import outcross
from outcross.estimate import Reading, mean, rounding, without_interval
from outcross.ledger.digests import canonical
from outcross.ledger.entries import as_kept
from outcross.verbs.audit.judgement import judge

ONE_CHAIN = """
name: one
human: {distribution: normal, rows: 40}
learner: gaussian
generations: 8
metrics: [fitted_law]
sweep: {human.rows: [20, 40, 80]}
"""
SINGLE = {
    "fitted_law": {"human": {"distribution": "normal", "rows": 40}, "learner": "gaussian"},
    "support": {"human": {"distribution": "categorical", "rows": 40}, "learner": "categorical"},
    "memory": {"human": {"distribution": "categorical", "rows": 40, "law": "zipf"}, "learner": "categorical"},
    "coefficient_error": {"human": {"distribution": "regression", "rows": 40}, "learner": "regression"},
    "mixture_distance": {
        "human": {"distribution": "blobs", "rows": 60},
        "learner": {"kind": "gaussian_mixture", "components": 2},
    },
}
"""An experiment of one chain for every metric whose interval is one over chains."""
INDEPENDENT_THINGS = {"absorbed"}
"""Readings of these metrics that count chains as a share, so that one chain has Wilson's interval."""

CATASTROPHE, INCREASE, LATE = "catastrophic increase of population risk", "any increase of population risk", "late collapse"
EARLY, VARIANCE = "early collapse", "collapsing variance"
MODES, TAILS = "disappearance or entanglement of real modes", "disappearance of real tail data"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A finished run of three arms of one chain and one seed each."""
    place = tmp_path_factory.mktemp("one")
    (place / "one.yaml").write_text(ONE_CHAIN)
    done = command("run", place / "one.yaml", "--out", place / "run", "--quiet")
    assert done.returncode == 0, done.stderr
    return place / "run"


@pytest.fixture(scope="module")
def shown(folder):
    """What `outcross show` says of that run as JSON."""
    done = command("show", folder, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def page(folder):
    """The page that `outcross report` writes of that run."""
    done = command("report", folder, "--out", folder.parent / "page.html")
    assert done.returncode == 0, done.stderr
    return (folder.parent / "page.html").read_text()


def has_no_width(low, high):
    """Whether there are two ends and nothing lies between them."""
    return low is not None and high is not None and low == high


def rows_of(measure, values, half, *, at="", seed=0, method="bootstrap"):
    """The rows of one reading over generations; `half` is half its interval, None where it has none."""
    ends = [(None, None) if half is None else (value - half, value + half) for value in values]
    where = {"run": "run", "arm": "replace", "seed": seed, "measure": measure, "at": at, "method": method, "n": 1000}
    return frame(
        where | {"generation": g, "value": value, "low": low, "high": high}
        for g, (value, (low, high)) in enumerate(zip(values, ends, strict=True))
    )


def answered(readings, definition):
    return outcross.profile(readings, arm="replace")[definition]


# What an estimate says of itself.


@pytest.mark.parametrize("metric", SINGLE)
def test_an_estimate_of_one_chain_has_no_interval(metric):
    experiment = outcross.experiment({"name": "one", "generations": 2, "metrics": [metric], **SINGLE[metric]})
    generation = next(iter(outcross.run(experiment)))
    estimates = [
        reading.estimate
        for reading in generation.measured
        if reading.estimate is not None and reading.measure not in INDEPENDENT_THINGS
    ]
    assert estimates
    assert all(estimate.low is None and estimate.high is None for estimate in estimates)


@pytest.mark.parametrize("metric", SINGLE)
def test_an_estimate_of_one_chain_says_why_it_has_no_interval(metric):
    experiment = outcross.experiment({"name": "one", "generations": 2, "metrics": [metric], **SINGLE[metric]})
    generation = next(iter(outcross.run(experiment)))
    readings = [
        reading for reading in generation.measured if reading.estimate is not None and reading.measure not in INDEPENDENT_THINGS
    ]
    assert all("one chain" in f"{reading.estimate!r} {reading.note}" for reading in readings)


def test_an_estimate_without_an_interval_has_no_standard_error_of_zero():
    experiment = outcross.experiment({"name": "one", "generations": 1, "metrics": ["fitted_law"], **SINGLE["fitted_law"]})
    estimate = next(iter(outcross.run(experiment))).measured[0].estimate
    assert estimate is not None
    try:
        error = estimate.standard_error
    except outcross.NotApplicable:
        return
    assert error != 0


def test_an_estimate_that_is_exact_is_certain_and_says_so():
    experiment = outcross.experiment({"name": "one", "generations": 1, "metrics": ["tail_mass"], **SINGLE["fitted_law"]})
    nulls = [reading.null for reading in next(iter(outcross.run(experiment))).measured if reading.null is not None]
    assert nulls and all(null.low == null.typical == null.high and null.method == "exact" for null in nulls)


# What readers make of a run of one chain.


def test_the_readings_of_one_chain_hold_no_interval_of_no_width(folder):
    readings = pl.read_parquet(folder / "readings.parquet").drop_nulls("value")
    assert len(readings)
    assert not [row for row in readings.iter_rows(named=True) if row["method"] != "exact" and has_no_width(row["low"], row["high"])]


@pytest.mark.parametrize("definition", [CATASTROPHE, INCREASE, LATE])
def test_a_profile_of_one_chain_cannot_tell_what_needs_an_interval(folder, definition):
    answers = pl.read_parquet(folder / "profile.parquet").filter(definition=definition)["answer"].to_list()
    assert answers == ["cannot_tell"] * 3


def test_a_profile_of_one_chain_shows_no_interval_of_no_width(folder):
    answers = pl.read_parquet(folder / "profile.parquet").drop_nulls("value").iter_rows(named=True)
    assert not [answer for answer in answers if has_no_width(answer["low"], answer["high"])]


def test_the_note_of_an_answer_shows_no_interval_of_no_width(folder):
    notes = " ".join(pl.read_parquet(folder / "profile.parquet")["note"].to_list())
    assert not intervals_of_no_width(notes)


def test_slopes_over_arms_of_one_chain_say_that_they_have_no_interval(shown):
    assert shown["slopes"]
    assert all(slope["slope"] is None and "no interval" in slope["note"] for slope in shown["slopes"])


def test_the_json_of_show_has_null_for_the_ends_that_are_not_known(shown):
    readings = [reading for reading in shown["readings"] if reading["value"] is not None]
    assert readings
    assert all(reading["low"] is None and reading["high"] is None for reading in readings)


def test_the_terminal_shows_no_interval_of_no_width(folder):
    done = command("show", folder)
    assert done.returncode == 0 and "log_variance" in done.stdout
    assert not intervals_of_no_width(done.stdout)


def test_the_headline_of_one_chain_does_not_call_a_change_a_fact(page):
    headline = html.unescape(re.sub(r"<[^>]+>", "", re.findall(r"<h1.*?</h1>", page, flags=re.DOTALL)[0]))
    assert "log-variance" in headline
    assert re.search(r"no interval|one chain|one seed", headline), headline


def test_the_tables_of_the_page_leave_unknown_ends_empty(page):
    rows = re.findall(r"<tr><td>(\d+)<td>([^<]+)<td>([^<]*)<td>([^<]*)<td>", page)
    assert rows
    assert not [row for row in rows if row[1] == row[2] == row[3]]


def test_the_profile_of_the_page_shows_no_interval_of_no_width(page):
    assert not intervals_of_no_width(html.unescape(re.sub(r"<[^>]+>", " ", page)))


def intervals_of_no_width(text):
    """Every `[a, a]` of a text."""
    return [low for low, high in re.findall(r"\[(-?[\d.,e+-]*\d), (-?[\d.,e+-]*\d)\]", text) if low == high]


# What readers make of a reading that comes without an interval.


@pytest.mark.parametrize("definition", [CATASTROPHE, INCREASE, LATE])
def test_a_risk_without_an_interval_is_neither_yes_nor_no(definition):
    risk = rows_of("held_out_loss", [4.1 + 0.6 * g for g in range(8)], None)
    answer = answered(risk, definition)
    assert (answer.answer, answer.low, answer.high) == ("cannot_tell", None, None)


def test_a_spread_without_an_interval_is_not_surely_gone():
    spread = rows_of("log_variance", [-0.9 * g for g in range(3)], None)
    assert answered(spread, VARIANCE).answer == "cannot_tell"
    assert answered(spread, LATE).answer == "cannot_tell"
    assert answered(spread, EARLY).answer == "cannot_tell"


@pytest.mark.parametrize("metric", ["support", "modes", "groups"])
def test_lost_modes_without_an_interval_are_neither_yes_nor_no(metric):
    modes = rows_of(metric, [10.0, 9.5, 9.0, 8.5], None, method="one chain: no interval")
    assert answered(modes, MODES).answer == "cannot_tell"


def test_states_that_one_chain_lost_are_neither_yes_nor_no():
    experiment = outcross.experiment({"name": "one", "generations": 8, "metrics": ["support"], **SINGLE["support"]})
    readings = pl.concat(
        [
            rows_of(reading.measure, [reading.estimate.value], None).with_columns(
                generation=pl.lit(generation.g, pl.Int64),
                low=pl.lit(reading.estimate.low, pl.Float64),
                high=pl.lit(reading.estimate.high, pl.Float64),
                method=pl.lit(reading.estimate.method),
            )
            for generation in outcross.run(experiment)
            for reading in generation.measured
            if reading.measure == "support" and reading.estimate is not None
        ]
    )
    assert answered(readings, MODES).answer == "cannot_tell"


def test_a_floor_without_an_interval_is_not_known_exactly():
    groups = rows_of("groups", [0.78, 0.74, 0.70], 0.005)
    floor = rows_of("groups", [0.8, 0.8, 0.8], None, method="one sample: no interval")
    assert answered(beside(groups, floor), MODES).answer == "cannot_tell"


def test_a_floor_that_is_exact_is_compared_as_such():
    groups = rows_of("groups", [0.78, 0.74, 0.70], 0.005)
    floor = rows_of("groups", [0.8, 0.8, 0.8], 0.0, method="exact")
    answer = answered(beside(groups, floor), MODES)
    assert answer.answer == "yes" and answer.high is not None and answer.high < 1


@pytest.mark.parametrize("definition", [INCREASE, CATASTROPHE])
def test_seeds_of_one_chain_each_have_an_interval_over_seeds(definition):
    noise = [0.00, 0.01, 0.02, -0.01]
    risk = pl.concat([rows_of("held_out_loss", [4 + e, 5 - e, 6 + 2 * e], None, seed=seed) for seed, e in enumerate(noise)])
    answer = answered(risk, definition)
    assert answer.answer == "yes"
    assert answer.value is not None and answer.low is not None and answer.high is not None
    assert 0 < answer.low < answer.value < answer.high and math.isfinite(answer.high)


# What an estimate refuses, and how wide rounding is.


def test_an_interval_has_both_ends_or_none():
    with pytest.raises(outcross.BadInput, match="an interval has two ends"):
        outcross.Estimate(1.0, None, 2.0, "made up", 1)
    with pytest.raises(outcross.BadInput, match="no reason"):
        outcross.Estimate(1.0, None, None, "", 1)


def test_whoever_asks_for_an_interval_that_is_not_there_hears_why():
    estimate = outcross.Estimate(3.02, None, None, "one chain: no interval", 1)
    for question in (lambda: estimate.interval, lambda: estimate.standard_error):
        with pytest.raises(outcross.NotApplicable, match="one chain: no interval"):
            question()


def test_a_ledger_keeps_an_estimate_without_an_interval():
    reading = Reading("w2", without_interval(3.02, "one chain: no interval"))
    assert TypeAdapter(Reading).validate_json(canonical(as_kept(reading)), strict=True) == reading


@pytest.mark.parametrize("value", [0.1, 1 / 3, 1e9])
@pytest.mark.parametrize("chains", [3, 7, 1000])
def test_a_scatter_that_is_rounding_alone_gives_an_interval_as_wide_as_rounding(value, chains):
    estimate = mean(np.full(chains, value), "chains")
    low, high = estimate.interval
    assert low < value < high and high - low == pytest.approx(2 * rounding(value), rel=0.01)


def test_a_change_in_the_last_bits_is_no_increase():
    rises = [rows_of("held_out_loss", [4.0, 4.0 + 2**-50, 4.0 + 2**-50], 0.0, seed=seed, method="exact") for seed in range(3)]
    assert answered(pl.concat(rises), INCREASE).answer == "no"
    assert answered(rises[0], INCREASE).answer == "no"


def test_a_ratio_in_the_last_bits_is_no_increase():
    risk = rows_of("held_out_perplexity", [1.0, 1.0 + 2**-52, 1.0 + 2**-52], 0.0, method="exact")
    assert answered(risk, INCREASE).answer == "no"


def test_a_check_without_an_interval_cannot_tell():
    finding = Reading("variance", without_interval(0.2, "one document: no interval"), column="age")
    (judged,) = judge({"spread": [finding]}, {}, 0.05, 100, 100)
    assert (judged.verdict, judged.why) == ("cannot_tell", "one document: no interval")
