"""Promises of every definition of collapse: it is pure, whatever the order of readings, seldom says yes of a run in which nothing changes, and refuses in words."""

from collections import Counter
from functools import cache

import numpy as np
import polars as pl
import pytest
from reading_frames import frame
from scipy.stats import binom

from outcross.collapse.definitions import DEFINITIONS, Answer, Thresholds
from outcross.collapse.profile import profile
from outcross.errors import BadInput
from outcross.experiment.settings import ArmFamily

ASKED = [*DEFINITIONS, "early collapse", "late collapse"]
RUNS, GENERATIONS, SIZES = 100, 12, (100, 1000)
LEVEL, FALSE_ALARM = 0.05, 1e-4
STEADY = {
    ("held_out_loss", ""): (4.0, 0.02, None),
    ("log_variance", ""): (0.0, 0.03, None),
    ("rare_words", "1"): (1.0, 0.03, None),
    ("rare_words", "3-5"): (1.0, 0.02, None),
    ("groups", ""): (0.9, 0.02, 0.9),
    ("vocabulary_ratio", ""): (1.0, 0.02, None),
    ("beyond_human", "above human 99.9 %"): (0.01, 0.002, 0.01),
}
"""What is read: its true value at every generation, the standard error of a reading, and what human data show (as uncertain)."""


def readings_of(run, seeds, drift=0.0):
    """A run over two sizes in which nothing moves by more than chance, or by so many standard errors a generation to the worse."""
    rng, rows = np.random.default_rng([2026, run, seeds]), []
    for size in SIZES:
        for (measure, at), (true, error, human) in STEADY.items():
            worse = drift * error * np.arange(GENERATIONS) * (1 if measure in ("held_out_loss", "beyond_human") else -1)
            for seed in range(seeds):
                values = true + worse + error * rng.standard_normal(GENERATIONS)
                real = np.full(GENERATIONS, np.nan) if human is None else human + error * rng.standard_normal(GENERATIONS)
                where = {"run": "run", "arm": f"rows={size}", "seed": seed, "measure": measure, "at": at, "method": "t", "n": 99}
                rows += [
                    where
                    | {"generation": g, "value": value, "low": value - 1.96 * error, "high": value + 1.96 * error}
                    | ({"null": null, "null_low": null - 1.96 * error, "null_high": null + 1.96 * error} if human else {})
                    for g, (value, null) in enumerate(zip(values.tolist(), real.tolist(), strict=True))
                ]
    return frame(rows)


def asked(readings) -> dict[str, Answer]:
    families = (ArmFamily("human.rows", "replace", tuple((size, f"rows={size}") for size in SIZES)),)
    answers = profile(readings, arm=f"rows={SIZES[0]}", families=families)
    return {name: answers[name] for name in ASKED}


@cache
def steady(seeds):
    return [asked(readings_of(run, seeds)) for run in range(RUNS)]


@pytest.mark.parametrize("name", ASKED)
@pytest.mark.parametrize("seeds", [1, 3])
def test_a_definition_seldom_says_yes_of_a_run_in_which_nothing_changes(name, seeds):
    """A false yes has a chance of LEVEL at most, so that of so many runs on frozen streams more say yes by chance in FALSE_ALARM of all cases at most."""
    answers = Counter(answered[name].answer for answered in steady(seeds))
    assert answers["not_applicable"] == 0
    assert answers["yes"] <= binom.isf(FALSE_ALARM / (2 * len(ASKED)), RUNS, LEVEL)


def test_a_run_in_which_all_is_lost_at_every_size_changes_no_scaling_law_and_was_not_lost_early():
    """The risk rises at once; else every definition says yes."""
    answers = {name: answer.answer for name, answer in asked(readings_of(0, seeds=3, drift=20.0)).items()}
    assert answers == dict.fromkeys(ASKED, "yes") | {"change in scaling law": "no", "early collapse": "no"}


@pytest.mark.parametrize("seeds", [1, 3])
def test_an_answer_has_an_ordered_interval_a_generation_where_it_is_yes_and_a_reason(seeds):
    for answers in [*steady(seeds), asked(readings_of(0, seeds, drift=3.0))]:
        for answer in answers.values():
            assert answer.note and (answer.when is not None) == (answer.answer == "yes")
            if answer.value is not None and answer.low is not None and answer.high is not None:
                assert answer.low <= answer.value <= answer.high, answer


@pytest.mark.parametrize("drift", [0.0, 3.0])
def test_a_definition_is_pure_and_the_order_of_readings_moves_no_answer(drift):
    readings = readings_of(0, seeds=3, drift=drift)
    before, first = readings.clone(), asked(readings)
    assert asked(readings) == first and readings.equals(before)
    other = asked(readings[np.random.default_rng(0).permutation(readings.height)])
    for name, answer in first.items():
        assert (other[name].answer, other[name].when) == (answer.answer, answer.when)
        numbers = [
            [each for each in (compared.value, compared.low, compared.high) if each is not None]
            for compared in (answer, other[name])
        ]
        assert numbers[1] == pytest.approx(numbers[0], rel=1e-9, abs=1e-12)


def test_what_was_not_read_is_not_applicable_in_words():
    nothing = readings_of(0, seeds=1).filter(pl.col("measure") == "known_words")
    with pytest.raises(BadInput, match="no arm"):
        asked(nothing)
    other = readings_of(0, seeds=1).with_columns(measure=pl.lit("known_words"), at=pl.lit(""))
    for answer in asked(other.unique(["arm", "seed", "generation"])).values():
        assert answer.answer == "not_applicable" and answer.value is None and answer.note


def test_readings_of_two_runs_and_of_no_seed_are_refused():
    readings = readings_of(0, seeds=1)
    with pytest.raises(BadInput, match="filter the readings to one run"):
        asked(pl.concat([readings, readings.with_columns(run=pl.lit("another"))]))
    with pytest.raises(BadInput, match="no seed 7"):
        profile(readings, arm="rows=100", seed=7, thresholds=Thresholds())
