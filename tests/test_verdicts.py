"""A verdict compares an interval with a tolerance, and no p-value overrules it."""

from __future__ import annotations

import numpy as np
import polars
import pytest

import outcross
from outcross.estimate import Estimate, Null, Reading
from outcross.measures import audit_aspects, pages_of_aspect
from outcross.verbs.audit.judgement import judge


def verdict(low, high, p, measure="variance", aspect="spread", typical=1.0, **about):
    """The judged reading of an interval and a p-value: the margin of a variance is .9."""
    reading = Reading(measure, Estimate((low + high) / 2, low, high, "told", 1000), Null(typical, floor=typical, p=p), **about)
    (judged,) = judge({aspect: [reading]}, {}, 0.05, 1000, 1000)
    return judged


@pytest.mark.parametrize(
    ("low", "high", "p", "word", "differs"),
    [
        (0.95, 0.97, 1e-12, "kept", True),  # inside the tolerance and detectable
        (0.95, 1.05, 0.4, "kept", False),
        (0.85, 0.95, 1e-12, "cannot_tell", False),  # the smallest p loses nothing by itself
        (0.5, 1.5, 1.0, "cannot_tell", False),  # and the largest keeps nothing
        (0.85, 0.89, 1e-12, "lost", False),
        (0.85, 0.89, 0.2, "cannot_tell", False),
    ],
)
def test_a_verdict_compares_the_interval_with_the_tolerance_and_p_never_overrules_it(low, high, p, word, differs):
    judged = verdict(low, high, p)
    assert (judged.verdict, judged.differs) == (word, differs)
    assert judged.why.startswith("differs detectably, by -4 %") == differs


@pytest.mark.parametrize(
    ("measure", "aspect", "typical", "about"),
    [
        ("unseen_categories", "tails", 1.0, {}),  # a share above 1.01
        ("missing", "structure", 0.0, {"range": (-0.01, 0.99)}),  # a share that falls by .02 from .01
        ("rare_categories", "tails", 0.0, {}),  # a share below 0
    ],
)
def test_a_check_whose_limit_no_value_can_pass_is_not_applicable_and_says_why(measure, aspect, typical, about):
    judged = verdict(0.0, 1.0, 0.5, measure, aspect, typical, **about)
    assert judged.verdict == "not_applicable" and "no loss beyond the margin" in judged.why


def test_every_page_of_an_audit_says_what_values_it_can_have_and_can_be_lost():
    for aspect in audit_aspects():
        for page in pages_of_aspect(aspect).values():
            least, most = page.values
            assert least < most and page.values_in_words
            if isinstance(page.healthy, float):
                assert page.margin is not None and least <= page.healthy <= most
                assert least <= (page.limit(None, page.margin) or 0.0) <= most


def test_categories_of_which_every_one_is_unseen_are_not_kept():
    rng = np.random.default_rng([20_26, 60])
    one, other = (polars.DataFrame({"c": [f"{side}{i}" for i in range(400)], "x": rng.normal(size=400)}) for side in "ab")
    kinds = {"c": "category", "x": "number"}
    audit = outcross.audit(one, reference=other, kinds=kinds, aspects="tails")
    assert {check.verdict for check in audit.every if check.metric == "unseen_categories"} == {"not_applicable"}
