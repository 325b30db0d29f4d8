"""A verdict compares an interval with a tolerance, and no p-value overrules it."""

from __future__ import annotations

import numpy as np
import polars
import pytest
from scipy.stats import binom

import outcross
from outcross.estimate import NORMAL_QUANTILE, Estimate, Null, Reading
from outcross.measures import audit_aspects, pages_of_aspect
from outcross.statistics.ratios import ratio_of_shares
from outcross.verbs.audit.enough import records_for_a_verdict, times_the_records
from outcross.verbs.audit.judgement import judge
from outcross.verbs.audit.sentences import is_of_few_records


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
    assert judged.verdict == "not_applicable" and "a loss beyond the margin" in judged.why


def test_every_page_of_an_audit_says_what_values_it_can_have_and_can_be_lost():
    for aspect in audit_aspects():
        for page in pages_of_aspect(aspect).values():
            smallest, largest = page.values
            assert smallest < largest and page.values_in_words
            if isinstance(page.healthy, float):
                assert page.margin is not None and smallest <= page.healthy <= largest
                assert smallest <= (page.limit(None, page.margin) or 0.0) <= largest


def test_categories_of_which_every_one_is_unseen_are_not_kept():
    rng = np.random.default_rng([20_26, 60])
    drawn, human = (polars.DataFrame({"c": [f"{side}{i}" for i in range(400)], "x": rng.normal(size=400)}) for side in "ab")
    kinds = {"c": "category", "x": "number"}
    audit = outcross.audit(drawn, reference=human, kinds=kinds, aspects="tails")
    assert {check.verdict for check in audit.every if check.metric == "unseen_categories"} == {"not_applicable"}


def test_as_many_records_as_are_named_tell_in_four_of_five_fresh_samples_and_are_no_more_than_three_times_too_many():
    """Effects d standard errors from the margin, evenly between -2.5 and 2.5; benchmarks/records_for_a_verdict.py has checks, laws and losses."""
    rng = np.random.default_rng([20_26, 68])
    d = rng.uniform(-2.5, 2.5, 200_000)
    z = d + rng.normal(size=d.size)
    names_a_number = (np.abs(z) > 1) & (np.abs(z) < NORMAL_QUANTILE)
    d, k = d[names_a_number], np.vectorize(times_the_records)(np.abs(z[names_a_number]))
    is_clear = np.abs(d * np.sqrt(k) + rng.normal(size=d.size)) > NORMAL_QUANTILE
    true = ((NORMAL_QUANTILE + 0.8416) / d) ** 2
    assert is_clear.mean() >= 0.8 and np.median(k / true) <= 3


def test_records_named_for_a_share_tell_in_four_of_five_fresh_samples():
    rng = np.random.default_rng([20_26, 69])
    clear = []
    for ratio in (0.5, 0.6, 0.7, 0.9, 1.0):  # a group of 20 % of human records, 600 records a side
        for _ in range(120):
            value, low, high = ratio_of_shares(rng.binomial(600, 0.2 * ratio), 600, rng.binomial(600, 0.2), 600)
            if not low <= 0.8 <= high:
                continue
            records = records_for_a_verdict(value, high if value < 0.8 else low, 0.8, 600, True)
            if records is not None:
                n = int(records)
                _, low, high = ratio_of_shares(rng.binomial(n, 0.2 * ratio), n, rng.binomial(n, 0.2), n)
                clear.append(not low <= 0.8 <= high)
    assert len(clear) > 100 and sum(clear) >= binom.isf(1 - 1e-4, len(clear), 0.8)


def test_an_effect_within_a_standard_error_of_the_margin_names_no_number():
    judged = verdict(0.75, 1.0, 0.5)  # .875, where the margin is .9
    assert judged.verdict == "cannot_tell" and "cannot be estimated" in judged.why and "about" not in judged.why
    assert "about 11,000 records on each side" in verdict(0.88, 1.12, 0.5).why


def test_too_few_records_is_said_only_where_records_are_the_reason():
    rng = np.random.default_rng([20_26, 59])
    few = outcross.audit(rng.normal(size=(200, 2)), reference=rng.normal(size=(200, 2)), aspects="spread")
    assert "because of too few records" in few.summary
    assert all(
        "for a verdict" in check.why or "give a verdict" in check.why for check in few.of("cannot_tell") if is_of_few_records(check)
    )
