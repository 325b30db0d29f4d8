"""Profiles of hand-made readings, with answers that a person can check."""

import importlib
import inspect
import math

import numpy as np
import polars as pl
import pytest
from reading_frames import beside, frame

import outcross
from outcross.collapse.definitions import definition
from outcross.collapse.definitions.early_warning import WARNING
from outcross.collapse.definitions.signals import FIRST, SIGNALS
from outcross.collapse.profile import DEFINITIONS, Thresholds, profile, time_to_absorption
from outcross.errors import BadInput
from outcross.estimate import NotApplicable
from outcross.experiment.arms import arms
from outcross.experiment.file import load, override
from outcross.experiment.settings import ArmFamily, families, flat_settings
from outcross.laws import categorical, expected, gaussian
from outcross.loop import run
from outcross.verbs.run.tables import tabulate

CATASTROPHE, INCREASE, DIVERGENCE, VARIANCE, SCALING, MODES, TAILS, HALLUCINATION = DEFINITIONS
EARLY, LATE = "early collapse", "late collapse"


def course(measure, values, half=0.0, *, at="", arm="replace", seed=0, run="run", n=1000, note=""):
    """The rows of one reading over generations; `half` is half its interval, None for no interval."""
    rows = []
    for generation, value in enumerate(values):
        ends = (None, None) if half is None or value is None else (value - half, value + half)
        where = {"run": run, "arm": arm, "seed": seed, "generation": generation, "measure": measure, "at": at}
        rows.append(where | {"value": value, "low": ends[0], "high": ends[1], "method": "bootstrap", "n": n, "note": note})
    return frame(rows)


def loss(perplexities, half=0.02, **more):
    return course("held_out_loss", np.log(perplexities).tolist(), half, **more)


def text(perplexities, tails, **more):
    """A text run: the loss, and the words seen 3-5 times as a share of what 0.8 of fresh human text would be."""
    kept = course("rare_words", [tail / 0.8 for tail in tails], 0.025, at="3-5 times", **more)
    return pl.concat([loss(perplexities, **more), kept])


REPLACE = text([61, 158, 421, 1267, 2948, 5166], [0.78, 0.55, 0.33, 0.17, 0.08, 0.03])
SHARE = text([61, 118, 161, 178, 182, 220], [0.78, 0.6, 0.5, 0.44, 0.41, 0.4], arm="human_share=0.1")
ACCUMULATE = text([61, 66, 74, 81, 88, 95], [0.78, 0.6, 0.45, 0.34, 0.26, 0.2], arm="accumulate")
TEXTS = pl.concat([REPLACE, SHARE, ACCUMULATE])


def said(profiled):
    return {answer.definition: answer.answer for answer in (*profiled.answers, profiled.early, profiled.late)}


def test_a_profile_answers_eight_definitions_and_is_no_boolean():
    profiled = profile(TEXTS, arm="replace")
    assert [answer.definition for answer in profiled.answers] == list(DEFINITIONS) and len(DEFINITIONS) == 8
    assert not hasattr(profiled, "collapsed")


def test_replace_is_a_catastrophe_and_late_collapse():
    profiled = profile(TEXTS, arm="replace")
    catastrophe = profiled[CATASTROPHE]
    assert (catastrophe.answer, catastrophe.when) == ("yes", 1)  # 158/61 = 2.6 is above 2 already
    assert catastrophe.value == pytest.approx(5166 / 61)
    assert catastrophe.low == pytest.approx(5166 / 61 * math.exp(-math.hypot(0.02, 0.02)))
    assert (profiled[INCREASE].answer, profiled[INCREASE].when) == ("yes", 1)
    assert (profiled[TAILS].answer, profiled[TAILS].when) == ("yes", 1)  # 0.78 against 0.8 may be chance, 0.55 not
    assert (profiled.late.answer, profiled.late.when) == ("yes", 3)  # 421/61 = 6.9, 1267/61 = 20.8, far from 10
    assert profiled.early.answer == "no"  # the tails went when the risk had risen by ln(158/61) = 0.95 nats already
    assert profiled.early.value == pytest.approx(math.log(158 / 61))


def test_accumulate_does_well_by_risk_and_badly_by_tails():
    profiled = profile(TEXTS, arm="accumulate")
    assert profiled[CATASTROPHE].answer == "no" and profiled[CATASTROPHE].value == pytest.approx(95 / 61)
    assert profiled[DIVERGENCE].answer == "cannot_tell"
    assert profiled[INCREASE].answer == "yes"  # any increase: 66 against 61 is one
    assert (profiled[TAILS].answer, profiled[TAILS].when) == ("yes", 1)
    assert profiled[TAILS].value == pytest.approx(0.2 / 0.8)
    assert (profiled.early.answer, profiled.early.when) == ("yes", 1)  # tails gone while ln(66/61) = 0.08 nats
    assert profiled.late.answer == "no"


def test_a_human_share_is_a_catastrophe_later_and_no_late_collapse():
    profiled = profile(TEXTS, arm="human_share=0.1")
    assert (profiled[CATASTROPHE].answer, profiled[CATASTROPHE].when) == ("yes", 2)  # 118/61 = 1.93, 161/61 = 2.6
    assert profiled.late.answer == "no"  # 220/61 = 3.6 is not 10
    assert profile(TEXTS, arm="human_share=0.1", thresholds=Thresholds(catastrophe=4))[CATASTROPHE].answer == "no"


def test_six_generations_cannot_tell_whether_risk_diverges_and_say_so():
    for arm in ("replace", "accumulate", "human_share=0.1"):
        answer = profile(TEXTS, arm=arm)[DIVERGENCE]
        assert answer.answer == "cannot_tell" and "2 generations and 4 are needed" in answer.note
    slopes = [profile(TEXTS, arm=arm)[DIVERGENCE].value for arm in ("replace", "human_share=0.1")]
    assert slopes == pytest.approx([math.log(5166 / 2948), math.log(220 / 182)])  # the share is flatter at the end


def test_what_was_not_read_is_not_applicable_with_the_reason():
    profiled = profile(TEXTS, arm="replace")
    assert said(profiled)[MODES] == said(profiled)[HALLUCINATION] == said(profiled)[SCALING] == "not_applicable"
    assert "no reading of groups, modes or support" in profiled[MODES].note
    refused = pl.concat([REPLACE, course("vocabulary_ratio", [None, None], note="needs two words a block")])
    assert "needs two words a block" in profile(refused, arm="replace")[VARIANCE].note


@pytest.mark.parametrize("name", ["human_only", "steady"])
def test_a_run_without_change_says_no(name):
    steady = pl.concat(
        [
            text([61, 60.5, 61.2, 61] * 3, [0.8, 0.81, 0.8, 0.79] * 3, arm=name),
            course("vocabulary_ratio", [0.5, 0.501, 0.499, 0.5] * 3, 0.003, arm=name),
            course("beyond_human", [0.001] * 12, 0.001, at="above human 99.9 %", arm=name),
            course("groups", [12.0] * 12, 0.2, arm=name),
        ]
    )
    profiled = profile(steady, arm=name)
    answers = said(profiled)
    assert {answers.pop(SCALING)} == {"not_applicable"}
    assert set(answers.values()) == {"no"}, answers
    assert all(answer.when is None for answer in profiled.answers)


def test_wide_intervals_cannot_tell():
    profiled = profile(loss([61, 66, 74, 81, 88, 95], half=2.0), arm="replace")
    assert said(profiled)[CATASTROPHE] == said(profiled)[INCREASE] == said(profiled)[LATE] == "cannot_tell"


def test_readings_without_intervals_cannot_tell_a_level():
    profiled = profile(loss([61, 66, 74, 81, 88, 95], half=None), arm="replace")
    assert said(profiled)[CATASTROPHE] == said(profiled)[INCREASE] == "cannot_tell"
    assert profiled[CATASTROPHE].low is None and profiled[CATASTROPHE].value == pytest.approx(95 / 61)


def test_a_rise_that_has_gone_again_is_no_yes():
    answer = profile(loss([61, 61, 80, 62, 61], half=0.02), arm="replace")[INCREASE]
    assert answer.answer == "cannot_tell" and "fell back" in answer.note


def test_chance_alone_seldom_makes_an_increase():
    """At most 5 % of steady runs say yes however many generations they have: above 7.5 % of these at exactly 5 %: 1 stream in 90."""
    rng = np.random.default_rng(2503)
    noise = 4 + 0.01 * rng.standard_normal((400, 8))
    answers = [profile(course("held_out_loss", row.tolist(), 1.96 * 0.01), arm="replace")[INCREASE].answer for row in noise]
    assert answers.count("yes") <= 30


def test_a_small_error_that_triples_is_an_increase_and_no_catastrophe():
    profiled = profile(course("w2", [0.001, 0.002, 0.003, 0.003], 0.0001), arm="replace")
    assert said(profiled)[INCREASE] == "yes" and said(profiled)[CATASTROPHE] == "no"


def test_perplexity_stands_in_for_the_loss():
    by_perplexity = course("held_out_perplexity", [61, 66, 74, 81, 88, 95], 1.0, arm="accumulate")
    answer = profile(by_perplexity, arm="accumulate")[CATASTROPHE]
    assert answer.answer == "no" and answer.value == pytest.approx(95 / 61)


@pytest.mark.parametrize(
    ("curve", "answer"),
    [
        (gaussian.w2_replace(100, 24), "yes"),  # (3/2) T/n: a line
        (gaussian.mean_error_replace(100, 24), "yes"),
        (gaussian.accumulate(100, 24, divisor="n-1").mean_error, "no"),  # steps 1/T^2: a limit
        (0.01 + 0.01 * np.log(np.arange(1, 25)), "cannot_tell"),  # steps 1/T: on the border
        (np.full(24, 0.01), "no"),
        (0.01 * np.arange(24, 0, -1), "no"),
    ],
)
def test_divergence_is_told_from_levelling_off(curve, answer):
    answered = profile(course("w2", curve.tolist(), 1e-5), arm="replace")[DIVERGENCE]
    assert answered.answer == answer, answered.note
    assert answered.value == pytest.approx((curve[-1] - curve[-8]) / 7)
    assert answered.when == (16 if answer == "yes" else None)


def test_seeds_are_taken_together_by_their_t_interval():
    perplexities = {0: [60, 90], 1: [60, 100], 2: [60, 110]}
    seeds = pl.concat([loss(values, half=1e-6, seed=seed) for seed, values in perplexities.items()])
    answered = profile(seeds, arm="replace")[INCREASE]
    rises = np.log([1.5, 100 / 60, 110 / 60])
    half = 4.302653 * rises.std(ddof=1) / math.sqrt(3)  # Student's 97.5 % point for 2 degrees of freedom
    assert answered.value == pytest.approx(math.exp(rises.mean()))
    assert (answered.low, answered.high) == pytest.approx((math.exp(rises.mean() - half), math.exp(rises.mean() + half)))
    assert profile(seeds, arm="replace", seed=1)[INCREASE].value == pytest.approx(100 / 60)


@pytest.mark.parametrize(
    ("curve", "answer"),
    [
        (gaussian.log_variance_replace(10, 12), "yes"),
        (np.log(gaussian.variance_accumulate(10, 12)), "no"),  # falls, to the sinc limit
        (np.full(12, -0.1), "no"),
    ],
)
def test_variance_that_collapses_is_told_from_variance_that_falls_to_a_limit(curve, answer):
    answered = profile(course("log_variance", curve.tolist(), 0.002), arm="replace")[VARIANCE]
    assert answered.answer == answer, answered.note
    assert answered.value == pytest.approx((curve[-1] - curve[0]) / 11)


def test_a_gaussian_run_collapses_early_then_late():
    fits = 60
    profiled = profile(
        pl.concat(
            [
                course("log_variance", gaussian.log_variance_replace(10, fits).tolist(), 0.01),
                course("w2", gaussian.w2_replace(10, fits).tolist(), 0.01),
            ]
        ),
        arm="replace",
    )
    assert (profiled.early.answer, profiled.early.when) == ("yes", 1)
    # W2 has risen by 1 at T with T/n + 2 - 2 c4^T = 1.155; the variance is down to a tenth after 2.3/0.115 = 20 fits.
    rise = gaussian.w2_replace(10, fits) - gaussian.w2_replace(10, 1)
    assert (profiled.late.answer, profiled.late.when) == ("yes", int(np.argmax(rise - math.hypot(0.01, 0.01) >= 1)))
    assert 5 < profiled.late.when < 10


def test_the_mean_spread_never_clears_a_run():
    """E s^2 stays at 1 under replace with divisor n-1 while almost every chain collapses."""
    profiled = profile(course("spread_ratio", [1.0] * 12, 0.001), arm="replace")
    assert profiled[VARIANCE].answer == "cannot_tell" and "rare chains" in profiled[VARIANCE].note


def states(n, fits, shares):
    """Replace on a few states, by its closed forms."""
    laws = {"support": 0.01, "concentration": 1e-5, "excess_risk": 1e-5}
    law = {"n": n, "generations": fits, "probabilities": shares}
    return {name: course(name, expected("replace", "categorical", name, **law).tolist(), half) for name, half in laws.items()}


def test_states_that_are_lost_are_lost_modes_and_collapsing_variance():
    n = 20
    profiled = profile(pl.concat(states(n, 30, [0.25] * 4).values()), arm="replace")
    assert (profiled[MODES].answer, profiled[MODES].when) == ("yes", 1)
    assert profiled[VARIANCE].answer == "yes" and profiled[VARIANCE].value == pytest.approx(math.log(1 - 1 / n))


def test_the_risk_of_states_is_their_excess_risk():
    n, fits, left = 20, 60, 0.75  # 1 - sum p^2 of four states alike
    profiled = profile(pl.concat(states(n, fits, [0.25] * 4).values()), arm="replace")
    risk = left * (1 - (1 - 1 / n) ** np.arange(1, fits + 1))
    assert (profiled[INCREASE].answer, profiled[INCREASE].when) == ("yes", 1)
    assert profiled[CATASTROPHE].answer == "yes" and profiled[CATASTROPHE].value == pytest.approx(risk[-1] / risk[0])
    assert "probability squared" in profiled[CATASTROPHE].note
    assert profiled[DIVERGENCE].answer == "no"  # it ends at 1 - sum p^2, where a single state is left
    assert (profiled.early.answer, profiled.early.when) == ("yes", 1)
    # A tenth of the variance is left once 0.95^g < 0.1.
    assert (profiled.late.answer, profiled.late.when) == ("yes", 45)


def test_states_without_a_risk_cannot_date_early_collapse():
    known = states(20, 30, [0.25] * 4)
    profiled = profile(pl.concat([known["support"], known["concentration"]]), arm="replace")
    assert profiled[CATASTROPHE].answer == "not_applicable"
    assert profiled.early.answer == "cannot_tell" and "unknown" in profiled.early.note


def test_a_risk_of_states_is_never_far_by_itself():
    profiled = profile(states(20, 60, [0.25] * 4)["excess_risk"], arm="replace")
    assert profiled.late.answer == "not_applicable"


def test_a_chain_in_one_state_has_no_variance_left():
    profiled = profile(course("concentration", [0.3, 0.5, 0.8, 1.0, 1.0], None), arm="replace")
    assert (profiled[VARIANCE].answer, profiled[VARIANCE].when) == ("yes", 3)
    assert (profiled.late.answer, profiled.late.when) == ("yes", 3)


def test_a_lost_group_needs_an_interval_to_be_a_fact():
    answered = profile(course("groups", [12.0, 12.0, 11.0, 11.0], 0.5), arm="replace")[MODES]
    assert (answered.answer, answered.when) == ("yes", 2) and answered.value == pytest.approx(11 / 12)
    bare = profile(course("groups", [12.0, 12.0, 11.0, 11.0], None), arm="replace")[MODES]
    assert (bare.answer, bare.low) == ("cannot_tell", None) and bare.value == pytest.approx(11 / 12) and "no interval" in bare.note


def test_modes_of_a_density_that_nothing_is_drawn_from_are_lost_modes():
    answered = profile(course("modes", [1.0, 1.0, 0.9, 0.72], 0.05), arm="replace")[MODES]
    assert answered.answer == "yes" and answered.value == pytest.approx(0.72) and "modes" in answered.note


def test_tails_lost_by_the_first_fit_are_lost_tails_but_no_early_collapse():
    """A model that never writes rare words, at low temperature say, and gets no worse."""
    profiled = profile(text([61] * 6, [0.5] * 6), arm="replace")
    assert (profiled[TAILS].answer, profiled[TAILS].when) == ("yes", 0)
    assert profiled.early.answer == "no"


def test_bands_of_rare_words_are_averaged_and_told_apart():
    bands = pl.concat(
        [
            ACCUMULATE,
            course("rare_words", [1.0, 0.75, 0.5, 0.25, 0.125, 0.1], 0.025, at="1 time", arm="accumulate"),
        ]
    )
    answer = profile(bands, arm="accumulate")[TAILS]
    assert answer.value == pytest.approx((0.2 / 0.8 + 0.04 / 0.4) / 2)
    assert "3-5 times: 0.25" in answer.note and "1 time: 0.10" in answer.note


def test_blocks_that_no_human_would_write_are_hallucinated():
    above = course("beyond_human", [0.002, 0.01, 0.06, 0.2], 0.005, at="above human 99.9 %")
    floor = course("beyond_human", [0.001] * 4, 0.001, at="above human 99.9 %")
    answer = profile(beside(above, floor), arm="replace")[HALLUCINATION]
    assert (answer.answer, answer.when) == ("yes", 1)
    assert answer.value == pytest.approx(0.199)
    assert profile(above, arm="replace")[HALLUCINATION].value == pytest.approx(0.199)  # 0.1 % by definition


def by_rows(policy, sizes):
    return ArmFamily("human.rows", policy, tuple((n, f"{policy},rows={n}") for n in sizes))


def test_a_sweep_over_rows_shows_whether_the_scaling_law_changes():
    sizes, generations = (100, 1000, 10_000), np.arange(6)
    same = [course("mean_error", ((generations + 1) / n).tolist(), 1e-6, arm=f"replace,rows={n}") for n in sizes]
    worse = [course("mean_error", (1 / n + generations / 50).tolist(), 1e-6, arm=f"mixed,rows={n}") for n in sizes]
    readings = pl.concat([*same, *worse])
    families = [by_rows("replace", sizes), by_rows("mixed", sizes)]
    kept = profile(readings, arm="replace,rows=100", families=families)[SCALING]
    assert kept.answer == "no" and kept.value == pytest.approx(0, abs=1e-9) and "-1 at generation 0" in kept.note
    lost = profile(readings, arm="mixed,rows=100", families=families)[SCALING]
    assert (lost.answer, lost.when) == ("yes", 1) and lost.value > 0.9  # a plateau: more rows no longer help
    assert profile(readings, arm="mixed,rows=100")[SCALING].answer == "not_applicable"  # names alone say nothing


def test_a_scaling_law_is_fitted_within_each_seed_of_one_run():
    """Every seed's exponent goes from -1 to -1 + change, whatever its level: the interval is that of the changes alone."""
    sizes, changes = (10, 1000), {0: 0.1, 1: 0.2, 2: 0.3}
    arms = [
        course("w2", [seed + 1.0, (seed + 1) * (n / 10) ** (change + 1)], None, arm=f"replace,rows={n}", seed=seed)
        for n in sizes
        for seed, change in changes.items()
    ]
    families = [by_rows("replace", sizes)]
    answered = profile(pl.concat(arms), arm="replace,rows=10", families=families)[SCALING]
    half = 4.302653 * np.std(list(changes.values()), ddof=1) / math.sqrt(3)
    assert (answered.value, answered.low, answered.high) == pytest.approx((1.2, 1.2 - half, 1.2 + half))
    of_seed = profile(pl.concat(arms), arm="replace,rows=10", seed=1, families=families)[SCALING]
    assert of_seed.value == pytest.approx(1.2) and of_seed.low is None
    elsewhere = pl.concat([arms[0], course("w2", [1.0, 2.0], arm="replace,rows=1000", run="other")])
    assert profile(elsewhere, arm="replace,rows=10", families=families)[SCALING].answer == "not_applicable"


def test_an_arm_of_several_runs_is_refused():
    runs = [course("mean_error", [1 / n, 2 / n], 1e-6, run=f"gaussian {n}") for n in (10, 100)]
    with pytest.raises(BadInput, match="in 2 runs"):
        profile(pl.concat(runs), arm="replace")


def test_a_reading_counts_up_to_the_first_generation_that_lacks_it():
    answered = profile(course("log_variance", [0.0, -0.1, -0.2, None, -9.0], 1e-4, note="singular"), arm="replace")[VARIANCE]
    assert answered.value == pytest.approx(-0.1) and answered.when is None
    whole = profile(course("held_out_loss", [4.1, None, 9.0], 0.01), arm="replace")[INCREASE]
    assert whole.answer == "not_applicable" and "one generation" in whole.note


def test_a_frame_has_one_row_an_answer():
    frame = profile(TEXTS, arm="replace").frame()
    assert frame.columns == ["arm", "seed", "definition", "answer", "value", "low", "high", "when", "note"]
    assert frame["definition"].to_list() == [*DEFINITIONS, EARLY, LATE, *SIGNALS, FIRST, WARNING]
    assert frame["when"].dtype == pl.Int64 and frame["seed"].null_count() == frame.height
    assert frame.schema == profile(loss([61, 62]), arm="replace", seed=0).frame().schema


RARE, VARIETY, NARROW, GROUPS, RISK = SIGNALS


def signals_of(*courses):
    profiled = profile(pl.concat(courses), arm="replace")
    return {name: (profiled[name].answer, profiled[name].when) for name in SIGNALS}, profiled[FIRST]


def narrowing(values, half=0.02):
    return course("next_token_entropy_change", values, half)


def test_signals_are_dated_and_say_how_much_later_the_others_moved():
    """Rare words and next tokens move at once, the gap between groups a generation later, and the loss two generations after that."""
    when, first = signals_of(
        loss([61, 61, 61, 61, 80, 90]),
        course("rare_words_beyond_prompt", [1.0, 0.7, 0.6, 0.5, 0.4, 0.3], 0.05, at="1 time"),
        narrowing([0.0, -0.2, -0.3, -0.4, -0.5, -0.6]),
        course("group_loss_gap", [0.0, 0.01, 0.2, 0.3, 0.4, 0.5], 0.05),
    )
    assert when == {RARE: ("yes", 1), VARIETY: ("not_applicable", None), NARROW: ("yes", 1), GROUPS: ("yes", 2), RISK: ("yes", 4)}
    assert (first.answer, first.when) == ("yes", 1)
    assert first.note == (
        "First at generation 1: rare things are lost and next-token distributions narrow; 1 generation later: groups drift apart; "
        "3 generations later: the model fits human data worse."
    )


def test_a_signal_that_came_back_or_is_unsure_has_not_moved():
    when, first = signals_of(
        loss([61, 70, 61, 61]), narrowing([0.0, -0.01, 0.0, 0.01], 0.005), course("group_loss_gap", [0.0, 0.2, 0.1], 0.3)
    )
    assert (when[RISK], when[NARROW], when[GROUPS]) == (("cannot_tell", None), ("no", None), ("cannot_tell", None))
    assert (first.answer, first.when, first.note) == (
        "cannot_tell",
        None,
        "By the intervals of the readings, no signal has surely moved.",
    )
    assert signals_of(narrowing([0.0, 0.0, 0.0], 0.01))[1].note == "By the intervals of the readings, no signal has moved."


def test_narrowing_next_tokens_are_early_collapse_while_the_loss_is_flat():
    profiled = profile(pl.concat([loss([61, 61, 61.5, 62]), narrowing([0.0, -0.1, -0.2, -0.3])]), arm="replace")
    assert (profiled.early.answer, profiled.early.when) == ("yes", 1)
    assert "narrowing of next-token distributions from generation 1" in profiled.early.note


def test_the_reading_without_the_prompts_words_leads_where_it_has_a_number():
    """Counting every word nothing is lost; without those of the own prompt half is."""
    plain = course("rare_words", [1.0, 1.0, 1.0], 0.02, at="1 time")
    beyond = course("rare_words_beyond_prompt", [1.0, 0.7, 0.5], 0.02, at="1 time")
    assert profile(pl.concat([loss([61, 61, 61]), plain, beyond]), arm="replace")[TAILS].value == pytest.approx(0.5)
    unread = course("rare_words_beyond_prompt", [None] * 3, note="the records start with the first 4 tokens of their prompt")
    assert profile(pl.concat([loss([61, 61, 61]), plain, unread]), arm="replace")[TAILS].value == pytest.approx(1.0)


def test_an_unknown_arm_or_seed_is_refused_with_what_there_is():
    with pytest.raises(BadInput, match=r"the readings have no arm 'fresh'; they have accumulate, human_share=0\.1, replace"):
        profile(TEXTS, arm="fresh")
    with pytest.raises(BadInput, match="no seed 7; it has 0"):
        profile(TEXTS, arm="replace", seed=7)


def test_one_generation_is_nothing_to_compare():
    profiled = profile(text([61], [0.5]), arm="replace")
    assert said(profiled)[INCREASE] == said(profiled)[DIVERGENCE] == "not_applicable"
    assert (profiled[TAILS].answer, profiled[TAILS].when) == ("yes", 0)  # a floor needs no second generation


def test_the_time_to_absorption_is_the_sum_of_the_chains_that_are_left():
    absorbed = categorical.absorbed(10, 300, [0.5, 0.5])
    time = time_to_absorption(course("absorbed", absorbed.tolist(), 0.0, n=10_000), arm="replace")
    assert time.value + 1 == pytest.approx(categorical.absorption_time(10, [0.5, 0.5]), rel=1e-6)
    # Independent: the standard deviation of the time, from the chances of each generation.
    chances = np.diff(absorbed, prepend=0.0)
    times = np.arange(300)
    deviation = math.sqrt(chances @ times**2 - (chances @ times) ** 2)
    assert (time.high - time.low) / 2 == pytest.approx(1.959964 * deviation / 100, rel=2e-3)


def test_a_chain_that_survives_makes_the_time_a_lower_bound():
    time = time_to_absorption(course("absorbed", [0.0, 0.5, 0.75], 0.0, n=4), arm="replace")
    assert time.value == pytest.approx(1.75) and time.is_lower_bound and "a lower bound" in time.note
    ended = time_to_absorption(course("absorbed", [0.0, 0.5, 1.0], 0.0, n=4), arm="replace")
    assert ended.value == pytest.approx(1.5) and not ended.is_lower_bound


def test_time_to_absorption_needs_its_reading():
    with pytest.raises(NotApplicable, match="no reading of absorbed"):
        time_to_absorption(REPLACE, arm="replace")


@pytest.mark.parametrize(
    ("module", "name"), [("experiment.arms", "arms"), ("experiment", "experiment"), ("collapse.profile", "profile")]
)
def test_the_function_wins_over_the_module_of_its_name(module, name):
    module = importlib.import_module(f"outcross.{module}")
    assert getattr(outcross, name) is getattr(module, name)


def test_every_definition_says_what_it_is():
    assert all((inspect.getdoc(definition(name)) or "").split("\n")[0].endswith(".") for name in DEFINITIONS)


def test_a_band_that_one_seed_lacks_is_left_out_of_the_mean_over_bands():
    both = [course("rare_words", [1.0, 0.5], 0.01, at="1 time", seed=seed) for seed in (0, 1)]
    lacking = [
        course("rare_words", [0.9, 0.9], 0.01, at="2 times", seed=0),
        course("rare_words", [None, None], 0.01, at="2 times", seed=1),
    ]
    answered = outcross.profile(pl.concat([*both, *lacking]), arm="replace")["disappearance of real tail data"]
    assert answered.value == pytest.approx(0.5)


def test_a_scaling_law_is_found_whatever_the_arms_are_called():
    recipe = override(load("gaussian"), {"arms": None, "chains": 50, "generations": 3, "metrics": ["fitted_law"]})
    sized = arms(
        recipe | {"arms": [{"name": name, "human.rows": rows} for name, rows in {"few": 20, "many": 80, "most": 320}.items()]}
    )
    readings = tabulate(
        "sizes", [(arm.name, 0, generation.g, generation.measured) for arm in sized for generation in run(arm.experiment)]
    )
    answered = profile(readings, arm="few", families=families(flat_settings(sized)))[SCALING]
    assert answered.answer != "not_applicable" and "across rows 20, 80, 320" in answered.note
