"""How long before held-out loss rises an early signal moves, on readings that a person can check."""

import pytest
from reading_frames import frame

from outcross.collapse.definitions.early_warning import WARNING
from outcross.collapse.profile import profile

LOSS = 4.0
"""Nats a token at generation 0; 5 % more is 4.2."""


def seeds(*courses: tuple[list[float], list[float]], half: float = 0.01):
    """An arm: for each seed the share of rare words that is kept, and held-out loss, over the generations."""
    rows = []
    for seed, (kept, losses) in enumerate(courses):
        for measure, at, values in (("rare_words_beyond_prompt", "1 time", kept), ("held_out_loss", "", losses)):
            for generation, value in enumerate(values):
                where = {"run": "run", "arm": "replace", "seed": seed, "generation": generation, "measure": measure, "at": at}
                rows.append(
                    where | {"value": value, "low": value - half, "high": value + half, "method": "documents", "n": 100, "note": ""}
                )
    return profile(frame(rows), arm="replace")[WARNING]


EARLY = ([1.0, 0.95, 0.85, 0.8, 0.7, 0.6], [LOSS, 4.0, 4.1, 4.1, 4.25, 4.4])
"""A tenth of the rare words is lost at generation 2, and the loss has risen by 5 % at generation 4."""
TIED = ([1.0, 0.95, 0.85, 0.8, 0.7, 0.6], [LOSS, 4.0, 4.3, 4.3, 4.3, 4.4])
LATE = ([1.0, 0.98, 0.97, 0.96, 0.85, 0.8], [LOSS, 4.1, 4.3, 4.3, 4.3, 4.4])


def test_one_seed_has_a_lead_and_no_verdict():
    answer = seeds(EARLY)
    assert (answer.answer, answer.value, answer.low, answer.when) == ("cannot_tell", 2.0, None, 2)
    assert answer.note.startswith(
        "By the values alone, the early signal (rare things are lost) had lost a tenth 2 generations before held-out loss had risen by 5 %. "
    )
    assert "by which either signal is first in half of such runs" in answer.note
    assert (
        "By their 95 % intervals, the early signal had surely moved from generation 2 on, and held-out loss had surely moved from generation 2 on."
        in answer.note
    )


def test_six_seeds_that_agree_are_beyond_what_swapping_the_signals_gives():
    """Of 64 flips of signs two are as far: 1/32. Five seeds have 1/16."""
    answer = seeds(*[EARLY] * 6)
    assert (answer.answer, answer.value) == ("yes", 2.0) and "a probability of 0.031" in answer.note
    assert seeds(*[EARLY] * 5).answer == "cannot_tell"
    assert seeds(*[LATE] * 6).answer == "no" and seeds(*[LATE] * 6).value == -2.0


def test_ties_are_told_apart_and_are_no_lead():
    answer = seeds(*[EARLY] * 5, TIED)
    assert answer.value == pytest.approx(10 / 6) and answer.answer == "cannot_tell"
    assert "The early signal was first in 5, both came in the same generation in 1 of 6 seeds" in answer.note
    assert "had lost a tenth in the generation in which held-out loss had risen by 5 %" in seeds(TIED).note


def test_a_loss_that_has_not_risen_makes_the_lead_a_lower_bound():
    answer = seeds((EARLY[0], [LOSS] * 6))
    assert answer.value == 4.0
    assert "had lost a tenth from generation 2 on, and held-out loss had not risen by 5 % by the last generation" in answer.note
    still = seeds(([1.0] * 6, [LOSS] * 6))
    assert (still.answer, still.value) == ("no", None)
    assert "had not lost a tenth, and held-out loss had not risen" in still.note
    late = seeds(([1.0] * 6, LATE[1]))
    assert (late.value, late.when) == (-4.0, None) and "had not lost a tenth by the last generation" in late.note


def test_how_exact_a_reading_is_does_not_change_its_order():
    coarse, exact = seeds(EARLY, half=0.2), seeds(EARLY, half=0.001)
    assert coarse.value == exact.value == 2.0
    assert "the early signal had surely moved from generation 2 on" in exact.note
    assert "the early signal had surely moved from generation 5 on" in coarse.note


def test_without_an_early_signal_there_is_no_warning():
    rows = [
        {"run": "run", "arm": "replace", "seed": 0, "generation": g, "measure": "held_out_loss", "at": "", "value": LOSS + g, "low": None,
         "high": None, "method": "", "n": 1, "note": ""}
        for g in range(3)
    ]  # fmt: skip
    answer = profile(frame(rows), arm="replace")[WARNING]
    assert (answer.answer, answer.note) == ("not_applicable", "no early signal has readings in two generations")
