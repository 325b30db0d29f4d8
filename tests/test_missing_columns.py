"""A column that is gone is a loss; a column that was not compared fails a gate; many columns are sketched together without a false alarm."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import polars
import pytest
from scipy.stats import binom

import outcross
from outcross import audits
from outcross.data.tables import table
from outcross.errors import BadInput, GateFailed
from outcross.measures import Evidence
from outcross.measures.columns import Columns, sketched

CASES = Path(__file__).parent.parent.parent / "shared" / "cases"


def people(n, seed, **more):
    rng = np.random.default_rng([20_26, 61, seed])
    return polars.DataFrame({"age": rng.normal(40, 10, n), "region": rng.choice(["north", "south", "east"], n)} | more)


def gate(audited, *gates):
    with pytest.raises(GateFailed) as failure:
        audited.check_gates(gates)
    return str(failure.value)


def test_a_column_that_the_synthetic_side_lacks_is_lost_and_fails_every_gate():
    audited = audits({"s": people(300, 0).drop("region")}, reference=people(300, 1), aspects=("columns", "spread"))
    (check,) = audited[0].of("lost")
    assert (check.code, check.aspect, check.column, check.value) == ("ST20", "structure", "region", 0.0)
    assert "region" in gate(audited, "any") and "region" in gate(audited, "spread")
    assert "region" in audited[0].summary.split(". ")[0]


def test_a_column_of_words_where_people_have_numbers_is_lost():
    words = people(300, 2).with_columns(age=polars.lit("unusable"))
    assert audits({"s": words}, reference=people(300, 3), aspects=("columns", "spread"))[0].of("lost")[0].column == "age"


def test_a_column_whose_every_value_is_missing_is_lost():
    empty = people(300, 4).with_columns(age=polars.lit(None, dtype=polars.Float64))
    lost = outcross.audit(empty, reference=people(300, 5), aspects=("columns",)).of("lost")
    assert [(check.metric, check.column) for check in lost] == [("column", "age")]


def test_a_column_that_may_be_missing_fails_no_gate_and_is_named_by_its_name():
    asked = {"reference": people(3000, 1), "aspects": ("columns", "spread")}
    audited = audits({"s": people(3000, 0).drop("region")}, allow_missing="region", **asked)
    audited.check_gates(["any"])
    assert audited[0].lost == []
    with pytest.raises(BadInput, match="is not a column of the reference"):
        audits({"s": people(300, 0).drop("region")}, allow_missing="all", **asked)


def test_a_group_or_a_target_that_is_gone_is_a_loss_and_no_wrong_question():
    audited = audits(
        {"s": people(300, 0).drop("region")}, reference=people(300, 1), groups="region", target="region", aspects=("columns",)
    )
    assert audited[0].lost == ["structure"]


def test_columns_over_the_cap_are_sketched_said_in_the_first_sentence_and_fail_a_gate():
    rng = np.random.default_rng([20_26, 62])
    human, synthetic = (polars.DataFrame(rng.normal(size=(400, 12)), schema=[f"x{i}" for i in range(12)]) for _ in range(2))
    audited = audits({"s": synthetic}, reference=human, most_columns=10, aspects=("columns", "spread"))
    assert "not compared in full: 2 columns, for example x10" in audited[0].summary.split(". ")[0]
    assert "x10 x11" in gate(audited, "spread")
    audits({"s": synthetic}, reference=human, most_columns=10, allow_missing="x10,x11", aspects=("columns", "spread")).check_gates(
        ["spread"]
    )


def test_the_cap_keeps_kinds_in_proportion():
    rng = np.random.default_rng([20_26, 63])
    numbers = {f"x{i}": rng.normal(size=200) for i in range(30)}
    frame = polars.DataFrame(numbers | {f"c{i}": rng.choice(list("ab"), 200) for i in range(10)})
    kinds = outcross.audit(frame, reference=frame, most_columns=8, aspects=("columns",)).kinds
    assert sorted(kinds.values()) == ["category"] * 2 + ["number"] * 6


def test_what_no_time_was_left_for_fails_the_gate_that_asks_for_it():
    audited = audits({"s": people(100, 0)}, reference=people(100, 1), most_seconds=0.0, aspects=("spread", "tails"))
    assert "tails, rare_words, because the time limit was reached" in audited[0].summary.split(". ")[0]
    assert "left out because the time limit was reached" in gate(audited, "tails")


def test_one_record_is_answered_without_a_warning_and_its_gate_fails():
    single, many = people(1, 0), people(3000, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        audited = audits({"one": single}, reference=many, aspects=("spread", "tails", "coverage", "diversity", "structure"))
    assert audited[0].every and audited[0].lost == []
    assert "no check could answer" in gate(audited, "any")


def test_the_case_of_the_vanished_column_reads_as_its_page_says():
    if not CASES.exists():
        pytest.skip("the shared cases are not beside this checkout")
    audited = audits([CASES / "vanished_dropped.csv.gz"], reference=CASES / "vanished_ref.csv.gz")
    assert audited[0].of("lost")[0].column == "region" and "region" in gate(audited, "any")


@pytest.fixture(scope="module")
def wide():
    """Three thousand records of 1,000 columns: normal, heavy-tailed, counts, with gaps, and categories."""
    rng = np.random.default_rng([20_26, 64])
    n = 3000
    numbers = {f"n{i}": rng.normal(size=n) for i in range(440)} | {f"t{i}": rng.standard_t(1.5, n) for i in range(200)}
    counts = {f"k{i}": rng.poisson(1 + i % 5, n).astype(float) + 0.0 for i in range(200)}
    gaps = {f"g{i}": np.where(rng.random(n) < 0.3, np.nan, rng.exponential(size=n)) for i in range(100)}
    words = {f"c{i}": rng.choice([f"w{j}" for j in range(2 + i % 9)], n) for i in range(60)}
    kinds = dict.fromkeys([*numbers, *counts, *gaps], "number") | dict.fromkeys(words, "category")
    return table(polars.DataFrame(numbers | counts | gaps | words), kinds=kinds)


def test_sketches_raise_no_alarm_over_a_hundred_honest_sets_of_a_thousand_columns(wide):
    """An adjusted p of 5 % comes up in one honest set of twenty at most; it is far less, as Fisher's test and Holm's bound are both conservative."""
    rng = np.random.default_rng([20_26, 65])
    alarms, lost = 0, 0
    for _ in range(100):
        rows = rng.permutation(wide.rows)[:400]
        over = Evidence(drawn=wide.take(rows[:200]), reference=wide.take(rows[200:]))
        asked = Evidence(drawn=over.drawn, reference=over.reference, over_cap=over)
        sketches = [reading for reading in Columns()(asked, rng) if reading.measure == "sketch"]
        alarms += any(reading.null.p <= 0.05 for reading in sketches)
        lost += any(reading.null.p <= 0.05 and reading.estimate.high < 0.8 for reading in sketches)
    assert alarms <= binom.isf(1e-4, 100, 0.05) and lost == 0


def test_p_values_of_sketches_are_honest_for_every_part(wide):
    rng = np.random.default_rng([20_26, 66])
    parts = []
    for _ in range(5):
        rows = rng.permutation(wide.rows)[:400]
        parts.append(sketched(wide.take(rows[:200]), wide.take(rows[200:])))
    p, names = np.concatenate([part.p for part in parts]), np.concatenate([part.names for part in parts])
    for name in ("below the human median", "above the human median", "outside the human middle half"):
        values = p[names == name]
        assert values.size > 2000
        for level in (0.001, 0.01, 0.05):  # columns of one set are independent here
            assert (values <= level).sum() <= binom.isf(1e-5, values.size, level), (name, level)


def test_of_a_thousand_columns_the_901st_that_lost_its_spread_is_found():
    rng = np.random.default_rng([20_26, 67])
    human, synthetic = (rng.normal(size=(2000, 1000)) for _ in range(2))
    synthetic[:, 900] *= 0.3
    names = [f"x{i}" for i in range(1, 1001)]
    audited = audits(
        {"s": polars.DataFrame(synthetic, schema=names)}, reference=polars.DataFrame(human, schema=names), aspects=("columns",)
    )
    assert [check.column for check in audited[0].of("lost")] == ["x901"]
    assert "x901" in audited[0].summary.split(". ")[0] and "lost" in gate(audited, "structure")
