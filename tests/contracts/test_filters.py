"""What filters do beyond the promises of their family (outcross.testing.filters)."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from parts_for_contracts import NEEDED, new_part

from outcross.errors import BadInput
from outcross.filters import FILTERS
from outcross.ledger.reach import NOT_DECIDING, reached
from outcross.recipe import member, read
from outcross.testing.candidates import N, candidates

IN_ORDER = {"random", "noisy_check", "importance", "star", "reweigh", "equalise", "oversample"}
"""Members whose choice depends on the order of the candidates through what they draw, or because the first are served first."""


def filter_named(name):
    return new_part("filters", name)


def select(name, given, seed=3):
    return filter_named(name).select(given, np.random.default_rng(seed))


@pytest.mark.parametrize("name", [name for name in FILTERS if name not in IN_ORDER])
def test_the_order_of_candidates_decides_nothing(name):
    given, order = candidates(), np.random.default_rng(5).permutation(N)
    assert np.array_equal(select(name, given.in_order(order)).times, select(name, given).times[order])


@pytest.mark.parametrize("name", ["central", "outlying", "random"])
def test_a_filter_of_points_selects_in_each_chain_on_its_own_and_as_many(name):
    given = candidates(chains=(4, 2))
    selection = select(name, given)
    assert selection.times.shape == (4, 2, N) and np.ptp(selection.times.sum(axis=-1)) == 0
    if name != "random":
        alone = replace(given, array=given.array[2, 1])
        assert np.array_equal(select(name, alone).times, selection.times[2, 1])


@pytest.mark.parametrize("name", ["best_of", "route"])
def test_a_candidate_without_a_number_is_rejected_with_that_reason_and_too_many_stop_the_filter(name):
    def lacking(count):
        given = candidates()
        score = given.frame["score"].to_list()
        return replace(given, frame=given.frame.with_columns(score=pl.Series([None] * count + score[count:])))

    selection = select(name, lacking(3))
    assert selection.reasons[selection.reason[1]] == "it has no number" and np.isnan(selection.value[1]) and not selection.kept[1]
    with pytest.raises(
        BadInput, match=r"score has no number for 20 of 60 candidates, more than the fraction 0\.1; correct it, or raise"
    ):
        select(name, lacking(20))
    many = read(FILTERS, {"kind": name, "most_missing": 0.6} | NEEDED[name], "filter")
    assert many.select(lacking(20), np.random.default_rng(0)).kept.any()


PACKAGES = {"PIL": "pillow", "sklearn": "scikit-learn"}


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_declares_the_libraries_that_its_source_imports(name):
    cls = member(FILTERS, name, "filter")
    imported = {PACKAGES.get(library, library) for library in reached([(cls.__module__, None)]).libraries - NOT_DECIDING.keys()}
    assert imported - {"numpy", "polars"} == {*cls.libraries} - {"polars"}
