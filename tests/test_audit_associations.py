"""Associations as experts would recompute them: Bergsma's V, and tails that meet where values are tied."""

from __future__ import annotations

import math
from itertools import combinations, permutations

import numpy as np
import pytest

from outcross.data.tables import alike, table
from outcross.estimate import Reading
from outcross.measures import Evidence
from outcross.measures.structure import Structure
from outcross.statistics.associations import Classes, cramer, crossed, on_human_categories, outermost, strongest


def readings(synthetic: dict, reference: dict, kind: str) -> dict[tuple[str, str], Reading]:
    kinds = dict.fromkeys(reference, kind)
    human, drawn = alike([table(reference, "reference", kinds=kinds), table(synthetic, "synthetic", kinds=kinds)]).tables
    measured = Structure()(Evidence(drawn=drawn, reference=human), np.random.default_rng(0))
    return {(reading.measure, reading.at): reading for reading in measured}


def records(counts: list[list[int]]) -> dict:
    """The records of a table of counts, the categories of two columns."""
    cells = [(i, j) for i, row in enumerate(counts) for j, count in enumerate(row) for _ in range(count)]
    return {"x": [f"x{i}" for i, _ in cells], "y": [f"y{j}" for _, j in cells]}


def bergsma(counts: np.ndarray, r: int, c: int) -> float:
    n = counts.sum()
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / n
    square = float(((counts - expected)[expected > 0] ** 2 / expected[expected > 0]).sum() / n)
    sizes = [size - (size - 1) ** 2 / (n - 1) for size in (r, c)]
    return math.sqrt(max(0.0, square - (r - 1) * (c - 1) / (n - 1)) / (min(sizes) - 1))


def test_v_is_bergsmas():
    assert float(cramer(np.array([[30, 10], [10, 30]]))) == pytest.approx(0.490290, abs=5e-7)


def test_v_of_both_sets_is_on_the_human_sets_categories():
    """The synthetic set lost the third category of y, and has a third one of x that no human record has."""
    human, synthetic = [[300, 100, 40], [100, 300, 60]], [[150, 50], [40, 160], [500, 10]]
    reading = readings(records(synthetic), records(human), "category")["cramer", "with y"]
    level = bergsma(np.array(human), 2, 3)
    ours = bergsma(np.array(synthetic[:2]), 2, 3)
    assert reading.estimate.value == pytest.approx(ours - level, abs=1e-12)
    assert reading.estimate.n == 400
    assert reading.note == f"{ours:.3f} in the synthetic data and {level:.3f} in the reference"


def test_random_labels_are_read_on_the_categories_of_those_that_are_called_human():
    counts = np.array([[[[5, 0], [4, 3]], [[5, 2], [4, 3]]], [[[0, 0], [9, 8]], [[3, 0], [4, 0]]]])
    kept, (r, c) = on_human_categories(counts)
    assert r.tolist() == [1, 2] and c.tolist() == [2, 1]
    assert kept[0].tolist() == [[[0, 0], [4, 3]], [[5, 0], [4, 0]]]
    assert (kept[1] == counts[1]).all()


def test_tied_values_lie_in_a_tail_as_often_as_all_deals_of_ties_put_them_there():
    """Every order of the ties of five records, by hand: which two are outermost, and how many records are in a corner of both columns."""
    first, second = np.array([1.0, 1.0, 1.0, 2.0, 3.0]), np.array([5.0, 4.0, 4.0, 4.0, 7.0])

    def lowest(values: np.ndarray) -> list[np.ndarray]:
        deals = [sorted(range(5), key=lambda i: (values[i], order[i])) for order in permutations(range(5))]
        return [np.isin(np.arange(5), deal[:2]) for deal in deals]

    dealt = np.mean([[(a & b).sum() for b in lowest(second)] for a in lowest(first)])
    shared = outermost(first, 0.4), outermost(second, 0.4)
    assert shared[0][:, 0] == pytest.approx(np.mean(lowest(first), axis=0), abs=1e-12)
    assert float(shared[0][:, 0] @ shared[1][:, 0]) == pytest.approx(float(dealt), abs=1e-12)


def test_tails_of_counts_are_compared_without_a_deal():
    """Most values are tied at nought, so that the corner of zeros holds what chance brings; the upper one holds whole records. No stream changes a bit."""
    rng = np.random.default_rng(1)
    shared = rng.poisson(0.4, (2, 4000))
    sets = [{"x": shared[i] + rng.poisson(0.1, 4000), "y": shared[i] + rng.poisson(0.1, 4000)} for i in (0, 1)]
    values = readings(sets[0], sets[1], "number")
    corners = [at for name, at in values if name == "tail_dependence"]
    assert corners == ["upper 5 % with upper 5 % of y"]
    reading = values["tail_dependence", corners[0]]
    assert reading.estimate.low < 1 < reading.estimate.high
    ends = [[outermost(side[column].astype(float), 0.05)[:, 1] for column in "xy"] for side in sets]
    assert reading.estimate.value == pytest.approx(float(ends[0][0] @ ends[0][1]) / float(ends[1][0] @ ends[1][1]), abs=1e-12)


def test_the_pairs_that_go_together_most_are_those_of_tables_of_their_own():
    """Of columns with missing values and of unlike numbers of classes."""
    rng = np.random.default_rng(7)
    factor = rng.normal(size=900)
    columns = []
    for i in range(40):
        size = int(rng.integers(2, 13))
        codes = np.clip((factor * rng.random() + rng.normal(size=900) + 3) * size / 6, 0, size - 1).astype(int)
        codes[rng.random(900) < 0.1 * (i % 2)] = -1
        columns.append(Classes(str(i), is_number=True, size=size, synthetic=codes[:400], reference=codes[400:]))
    chosen, left_out = strongest(columns, 50, rng)
    strength = {pair: float(cramer(crossed(*pair).sum(axis=0))) for pair in combinations(columns, 2)}
    assert (len(chosen), left_out) == (50, 40 * 39 // 2 - 50)
    assert min(strength[pair] for pair in chosen) >= sorted(strength.values())[-50] - 1e-12
