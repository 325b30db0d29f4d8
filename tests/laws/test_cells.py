"""Cells, class by group: the closed forms against a loop that is written here, against golden values, and against the experiment itself."""

import numpy as np
import pytest

import outcross
from outcross.errors import BadInput
from outcross.filters.parity import EqualiseFilter, OversampleFilter, ReweighFilter
from outcross.filters.star import StarFilter
from outcross.laws import cells
from outcross.statistics.cells import apportioned, independent, spread_over

SHARES = np.array([0.05, 0.15, 0.30, 0.50])


def drifted(n, fits, shares, chains, seed=0):
    """Shares refitted to their own samples, (chains, K)."""
    rng = np.random.default_rng(seed)
    now = np.broadcast_to(shares, (chains, len(shares)))
    for _ in range(fits):
        now = rng.multinomial(n, now) / n
    return now


def within(values, expected, errors=4.0):
    """Whether a mean is within so many standard errors: a false alarm in 16,000."""
    return abs(values.mean() - expected) < errors * values.std(ddof=1) / np.sqrt(len(values))


def test_cells_drift_as_f1_f2_and_f3_say():
    n, fits, chains = 50, 12, 20_000
    now = drifted(n, fits, SHARES, chains)
    rarest = now[:, 0]
    assert within(rarest, cells.cell_share(fits, 0.05)[-1])
    assert within((rarest - 0.05) ** 2, cells.cell_variance(n, fits, 0.05)[-1])
    assert within(1 - (now**2).sum(axis=1), cells.heterozygosity(n, fits, SHARES)[-1])
    assert within((rarest == 0).astype(float), cells.cell_lost(n, fits, 0.05)[-1])
    assert cells.cell_lost(n, 1, 0.05)[0] == pytest.approx(0.95**50, rel=1e-12)


def test_the_squared_gap_of_exchangeable_groups_holds_its_golden_value_f4():
    assert cells.squared_gap((100, 100), 10, (0.5, 0.5))[-1] == pytest.approx(2 * 0.25 * (1 - 0.99**10), rel=1e-12)
    assert round(float(cells.squared_gap((100, 100), 10, (0.5, 0.5))[-1]), 4) == 0.0478
    rng, rates = np.random.default_rng(1), np.full((20_000, 2), 0.5)
    for _ in range(10):
        rates = rng.binomial([160, 40], rates) / [160, 40]
    gap = rates[:, 1] - rates[:, 0]
    assert within(gap, 0.0) and within(gap**2, cells.squared_gap((160, 40), 10, (0.5, 0.5))[-1])


@pytest.mark.parametrize(
    ("extra", "golden"),
    [(0, (0.065, 0.195, 0.340, 0.400)), (256, (0.108, 0.272, 0.295, 0.325)), (1024, (0.239, 0.252, 0.254, 0.256))],
)
def test_the_filter_star_keeps_the_expected_shares_of_cells_f5(extra, golden):
    batch, chains = 256, 2000
    expected = cells.star_shares(SHARES, batch, extra)
    assert np.abs(expected - golden).max() < 6e-4
    rng = np.random.default_rng(extra)
    candidates = 2 * batch + extra  # the last batch is set aside for the fill-in
    drawn = rng.multinomial(candidates, SHARES, size=chains).reshape(chains, 2, 2)
    kept, facts = StarFilter(columns=("label", "group"), share=batch / candidates).select_counts(drawn, rng)
    shares = kept.reshape(chains, 4) / batch
    errors = shares.std(axis=0, ddof=1) / np.sqrt(chains)
    assert (np.abs(shares.mean(axis=0) - expected) < 3 * errors + 1e-12).all()
    assert facts["kept"] == batch * chains and 0 < facts["fill_in"] < facts["kept"]


def test_uniform_cells_are_the_fixed_point_of_star_and_a_dead_cell_stays_dead():
    assert cells.star_shares([0.25] * 4, 256, 64) == pytest.approx([0.25] * 4, abs=1e-12)
    dead = np.array([0.0, 0.2, 0.3, 0.5])
    assert cells.star_shares(dead, 256, 1024)[0] == 0
    rng, now = np.random.default_rng(0), np.broadcast_to(dead, (50, 4))
    for _ in range(20):
        counts = rng.multinomial(768, now).reshape(-1, 2, 2)
        now = StarFilter(columns=("label", "group")).select_counts(counts, rng)[0].reshape(-1, 4) / 256
    assert (now[:, 0] == 0).all() and (now[:, 1:] > 0.2).all()


@pytest.mark.parametrize("reparation", [ReweighFilter(), EqualiseFilter(), OversampleFilter()])
def test_reparation_keeps_what_it_says_and_revives_no_cell(reparation):
    rng = np.random.default_rng(3)
    counts = rng.multinomial(400, [0.5, 0.3, 0.15, 0.05], size=500).reshape(-1, 2, 2)
    kept, _ = reparation.select_counts(counts, rng)
    assert kept.shape == counts.shape and (kept.sum(axis=(1, 2)) == 400).all()
    if isinstance(reparation, ReweighFilter):
        assert np.abs((kept / 400 - independent(counts)).mean(axis=0)).max() < 4 * 0.5 / np.sqrt(400 * 500)
    elif isinstance(reparation, EqualiseFilter):
        assert np.array_equal(kept.sum(axis=1), counts.sum(axis=1))  # groups keep their sizes
        rates = kept[:, 1] / kept.sum(axis=1)
        assert np.abs(rates[:, 1] - rates[:, 0]).max() <= 0.5 / counts.sum(axis=1).min() * 2
    else:
        assert (kept == 100).all()
    dead, _ = reparation.select_counts(np.array([[[50, 30], [20, 0]]]), rng)
    assert dead[0, 1, 1] == 0 and dead.sum() == 100


def test_cells_are_apportioned_to_the_record_and_records_of_a_cell_are_repeated_evenly():
    assert apportioned(np.array([[0.5, 0.5], [0.0, 0.0]]), 7).tolist() == [[4, 3], [0, 0]]
    times = spread_over(np.array([0, 0, 0, 1]), np.array([4, 2]), np.random.default_rng(0))
    assert sorted(times[:3].tolist()) == [1, 1, 2] and times[3] == 2


def cells_experiment(**more):
    human = {"distribution": "cells", "shares": [[0.5, 0.3], [0.15, 0.05]], "rows": 100}
    settings = {"name": "small", "human": human, "learner": "cells", "generations": 8, "chains": 2000, "draw": {"prompts": "none"}}
    return settings | {"metrics": ["cells"]} | more


@pytest.mark.parametrize(
    "human",
    [
        {},
        {"shares": [[0.25, 0.25], [0.25, 0.25]], "fixed_groups": True, "rows": 200},
        {"shares": [[0.4, 0.1], [0.4, 0.1]], "fixed_groups": True},
    ],
)
def test_the_loop_of_cells_obeys_f1_to_f4(human):
    own = cells_experiment()
    run = outcross.run(own | {"human": own["human"] | human}).finish()
    law = {(measure, g): value for _, measure, g, value in run.laws.rows()}
    measures = {measure for measure, _ in law}
    assert measures == (
        {"rarest_share", "rarest_variance", "rarest_lost"} | ({"signed_gap", "squared_gap"} if human else {"heterozygosity"})
    )
    for reading in run.readings.filter(at="").iter_rows(named=True):
        if (reading["measure"], reading["generation"]) not in law or reading["generation"] not in (0, 7):
            continue
        away = abs(reading["value"] - law[reading["measure"], reading["generation"]])
        half = max(reading["high"] - reading["value"], reading["value"] - reading["low"])
        assert away <= 2.1 * half, reading  # some four standard errors, of 16 readings


def test_star_in_the_loop_brings_cells_to_uniform_and_logs_its_fill_in():
    star = {"draw": {"prompts": "none", "candidates": 3}, "select": [{"kind": "star", "columns": ["label", "group"]}]}
    run = outcross.run(cells_experiment(**star, metrics=["cells", "selection"], chains=200)).finish()
    last = run.readings.filter(generation=7)
    # A quarter of 100 is 25; of 200 records offered some 10 are of the rarest cell, so that 15 are missing at generation 0.
    shares = last.filter(measure="cell_share")["value"].to_numpy()
    fill_in = run.readings.filter(measure="fill_in").sort("generation")["value"].to_numpy()
    assert np.abs(shares - 0.25).max() < 0.02
    assert 0.12 < fill_in[0] < 0.2 and fill_in[-1] < 0.1 and last.filter(measure="rarest_lost")["value"].item() < 0.05


@pytest.mark.parametrize(
    ("human", "says"),
    [
        ({"shares": [[0.5, 0.5]]}, "at least two classes"),
        ({"shares": [[0.5], [0.5]]}, "at least two classes"),
        (
            {"shares": [[0.5, 0.3], [0.2, 0.0]]},
            "the cell class 1 × group 1 empty, and a cell that is empty at the start stays empty",
        ),
        ({"shares": [[0.5, 0.3], [0.2, 0.1]]}, r"shares must sum to 1, got 1\.1"),
        ({"rows": 3}, "4 cells, which is more than the 3 records"),
        ({"classes": ["a", "a"]}, "2 different names"),
    ],
)
def test_cells_that_make_no_sense_are_refused_in_one_line(human, says):
    own = cells_experiment()
    with pytest.raises(BadInput, match=says) as refused:
        outcross.run(own | {"human": own["human"] | human})
    assert "\n" not in str(refused.value)


def test_a_filter_that_looks_at_records_is_refused_where_only_cells_are_known():
    with pytest.raises(BadInput, match="cells have only counts; choose star, reweigh, equalise or oversample"):
        outcross.run(cells_experiment(select=[{"kind": "random", "share": 0.5}], draw={"prompts": "none", "candidates": 2}))
