"""What the audit finds near, far, copied and repeated: counted by hand, equal to the packages of the papers, and honest where nothing is lost."""

from __future__ import annotations

import math
from collections import defaultdict
from itertools import combinations

import numpy as np
import polars as pl
import pytest

from outcross import audit
from outcross.data.tables import table
from outcross.estimate import Reading
from outcross.measures import Evidence, Pointed
from outcross.measures.copying import Copying
from outcross.measures.coverage import Coverage
from outcross.measures.diversity import Diversity, corrected_entropy, spectrum, vendi
from outcross.statistics.embedding import embedding
from outcross.statistics.neighbours import cloud, graph, nearest, wide_graph
from outcross.statistics.repeats import Repeats, distinct_at, equal_pairs, found_in, occurrences, seen_again
from outcross.statistics.sketches import gather

pytestmark = pytest.mark.usefixtures("without_charts")

NEAR = ("coverage", "copying", "diversity")


def people(n, stream):
    """Records of numbers and categories that hang together."""
    rng = np.random.default_rng(stream)
    is_old = rng.random(n) < 0.3
    age = rng.normal(40 + 20 * is_old, 8)
    shares = 1 / np.arange(1, 13.0)
    work = rng.choice([f"work {i}" for i in range(12)], n, p=shares / shares.sum())
    return pl.DataFrame(
        {"age": age, "income": np.exp(rng.normal(9 + 0.02 * age, 0.8)), "work": work, "sex": rng.choice(["f", "m"], n)}
    )


def vectors(n, stream):
    return {"vector": np.random.default_rng(stream).normal(size=(n, 80)) * np.linspace(2, 0.1, 80)}


def compared(synthetic, reference, holdout=None, aspect=None, groups=()):
    human = table(reference, "reference")
    sides = [
        table(records, name, kinds=human.kinds)
        for records, name in ((synthetic, "synthetic"), (holdout, "holdout"))
        if records is not None
    ]
    evidence = Evidence(drawn=sides[0], reference=human, holdout=sides[1] if holdout is not None else None, groups=groups)
    counts = [gather(side, aspect.sketches(evidence)) for side in (evidence.drawn, evidence.reference)] if aspect else [{}, {}]
    return evidence.but(counted={name: (counts[0][name], counts[1][name]) for name in counts[0]})


def findings(aspect, stream, *sides, groups=()):
    evidence = compared(*sides, aspect=aspect, groups=groups)
    return list(aspect(evidence, np.random.default_rng(stream)))


def checks(audited):
    return {(check.metric, check.column, check.at): check for check in audited.every}


# Neighbours


@pytest.mark.parametrize("dimensions", [2, 40])
def test_labelled_neighbours_give_the_numbers_of_the_graph(dimensions):
    rng = np.random.default_rng(3)
    points = rng.normal(size=(240, dimensions)).round()
    points[:30] = points[30:60]  # ties, and places with many points
    is_first = np.arange(240) % 2 == 0
    numbers = cloud(points, 240).balls(is_first, 5)
    assert numbers == pytest.approx(graph(points[is_first], points[~is_first]).numbers(5), abs=1e-12)
    assert numbers == pytest.approx(wide_graph(points[is_first], points[~is_first]).numbers(5), abs=1e-12)


def test_wide_graphs_give_the_numbers_of_prdc():
    from prdc import compute_prdc

    rng = np.random.default_rng(4)
    real, drawn = rng.normal(size=(300, 30)), 0.8 * rng.normal(size=(300, 30))
    assert wide_graph(drawn, real).numbers(5) == pytest.approx(compute_prdc(real, drawn, 5), abs=1e-9)


@pytest.mark.parametrize("dimensions", [3, 30])
@pytest.mark.parametrize("k", [1, 2, 6])
def test_nearest_finds_the_nearest(dimensions, k):
    from scipy.spatial.distance import cdist

    rng = np.random.default_rng(5)
    points, among = rng.normal(size=(50, dimensions)), rng.normal(size=(90, dimensions))
    among[:5] = points[:5]
    distances, rows = nearest(points, among, k)
    whole = cdist(points, among)
    assert distances == pytest.approx(np.sort(whole, axis=1)[:, :k], abs=1e-9)
    assert np.take_along_axis(whole, rows, axis=1) == pytest.approx(distances, abs=1e-9)
    assert (distances[:5, 0] == 0).all()


@pytest.mark.parametrize("columns", [4, 300])
def test_categories_that_differ_count_as_their_distances_do(columns):
    """With few columns of categories and with more than a byte can count; the coordinates of a category are √½ apart from nothing."""
    rng = np.random.default_rng(12)
    widths = rng.integers(2, 6, columns)
    ends = 3 + np.cumsum(widths)
    kinds = [slice(end - width, end) for end, width in zip(ends.tolist(), widths.tolist(), strict=True)]
    sides = []
    for n in (60, 90):
        points = np.zeros((n, ends[-1]))
        points[:, :3] = rng.normal(size=(n, 3))
        for kind, width in zip(kinds, widths, strict=True):
            points[np.arange(n), kind.start + rng.integers(0, width, n)] = np.sqrt(0.5)
        sides.append(points)
    sides[0][:5] = sides[1][:5]
    distances = nearest(*sides, 3, kinds)[0]
    assert distances == pytest.approx(nearest(*sides, 3)[0], abs=1e-12)
    assert (distances[:5, 0] == 0).all()
    counted, whole = wide_graph(*sides, kinds), wide_graph(*sides)
    assert np.allclose(counted.across, whole.across, rtol=1e-6) and (counted.real.diagonal() == 0).all()


def test_roles_swapped_swap_precision_and_recall():
    rng = np.random.default_rng(6)
    wide, narrow = rng.normal(size=(200, 20)), 0.6 * rng.normal(size=(200, 20))
    of_narrow, of_wide = wide_graph(narrow, wide).numbers(5), wide_graph(wide, narrow).numbers(5)
    assert (of_narrow["precision"], of_narrow["recall"]) == (of_wide["recall"], of_wide["precision"])
    assert of_narrow["precision"] > of_narrow["recall"]


# Points


def test_another_category_is_as_far_as_one_standard_deviation():
    n = 1001
    rng = np.random.default_rng(7)
    frame = pl.DataFrame({"x": np.sort(rng.normal(size=n)), "kind": ["a", "b"] * (n // 2) + ["a"]})
    human = table(frame, kinds={"x": "number", "kind": "category"})
    pair = table({"x": [0.0, 0.0, 1.0], "kind": ["a", "b", "a"]}, kinds=human.kinds)
    points = embedding(human)(pair)[np.argsort(pair.places)]
    assert np.linalg.norm(points[0] - points[1]) == pytest.approx(1.0)
    assert np.linalg.norm(points[0] - points[2]) == pytest.approx(1.0, abs=0.15)


def test_points_go_on_beyond_the_human_range_and_missing_values_have_a_place():
    human = table({"x": np.random.default_rng(8).lognormal(0, 2, 500)}, kinds={"x": "number"})
    top = float(np.nanmax(human.numbers("x")))
    drawn = table({"x": [top, 3 * top, None]}, kinds=human.kinds)
    points = embedding(human)(drawn)[np.argsort(drawn.places)]
    assert points[1, 0] > points[0, 0] + 1
    assert points[2].tolist() == [0.0, 1.0]


def test_unseen_and_rare_categories_have_a_place():
    names = [f"c{i}" for i in range(300) for _ in range(2)]
    human = table({"c": names}, kinds={"c": "category"})
    drawn = table({"c": ["c0", "new", None]}, kinds=human.kinds)
    points = embedding(human)(drawn)[np.argsort(drawn.places)]
    assert np.square(points).sum(axis=1) == pytest.approx(0.5)
    assert len(np.unique(points, axis=0)) == 3


# Counts


def test_distinct_things_at_a_size_are_the_mean_over_all_choices():
    counts = np.array([4, 2, 2, 1, 1])
    things = np.repeat(np.arange(5), counts)
    for size in (1, 3, 7, 9):
        mean = np.mean([len(set(chosen)) for chosen in combinations(things.tolist(), size)])
        assert distinct_at(counts, size)[0] == pytest.approx(mean, abs=1e-12)


def test_pairs_of_equal_records_by_hand():
    assert equal_pairs(np.array([3, 1]))[0] == pytest.approx(3 / 6)


def test_vendi_gives_the_numbers_of_its_package():
    """vendi-score 0.0.3: score_X, and score_dual(normalize=True) where rows are not of length 1."""
    rows = np.array([[1, 0, 0], [0.6, 0.8, 0], [0, 0, 1.0], [0, 1, 0], [0.6, 0, 0.8]])
    assert vendi(rows)[0] == pytest.approx(2.8345671958614402, abs=1e-9)
    i = np.arange(60).reshape(20, 3)
    assert vendi(np.cos(i * 1.7) + 0.3 * np.sin(i**2))[0] == pytest.approx(2.0699969587254246, abs=1e-9)


@pytest.mark.parametrize(("records", "dimensions"), [(40, 200), (60, 20), (30, 8)])
def test_the_error_of_the_vendi_score_is_the_jackknife_over_records(records, dimensions):
    """Each record left out in turn, and the matrix of the others decomposed anew; two records are equal."""
    points = np.random.default_rng(7).normal(size=(records, dimensions))
    points[:, 0], points[3] = 1.0, points[4]
    rows = points / np.linalg.norm(points, axis=1, keepdims=True)
    entropies = []
    for record in range(records):
        others = np.delete(rows, record, axis=0)
        values = np.linalg.eigvalsh(others @ others.T / len(others))
        values = values[values > 1e-12]
        entropies.append(-values @ np.log(values))
    expected = np.sqrt((records - 1) / records * np.square(entropies - np.mean(entropies)).sum())
    assert vendi(points)[1] == pytest.approx(expected, abs=1e-8)


def test_the_error_of_the_vendi_score_is_that_of_few_records_of_many_columns():
    """The scatter over 300 samples of 60 records in 200 dimensions with three factors; its own relative error is 4 %."""
    rng = np.random.default_rng(8)
    leaning = rng.normal(size=(3, 200))
    scores, errors = zip(*(vendi(rng.normal(size=(60, 3)) @ leaning + rng.normal(size=(60, 200))) for _ in range(300)), strict=True)
    assert np.mean(errors) == pytest.approx(np.std(np.log(scores)), rel=0.12)


def test_the_corrected_entropy_by_hand():
    assert corrected_entropy(np.array([2, 2, 0])) == pytest.approx(math.log(2) + 1 / 8)


def test_a_sketch_of_repeats_is_exact_below_its_cap_and_a_sample_above():
    frame = table(pl.DataFrame({"x": np.random.default_rng(9).integers(0, 4000, 20_000) + 0.5})).frame
    whole, capped, other = (Repeats(["x"], cap) for cap in (10_000, 1000, 1000))
    for start in range(0, 20_000, 5000):
        whole.update(frame[start : start + 5000])
        (capped if start < 10_000 else other).update(frame[start : start + 5000])
    capped.merge(other)
    exact, sampled = whole.result(), capped.result()
    assert exact.rows == 20_000 and exact.hashes.size == frame["x"].n_unique() and exact.largest is None
    assert sampled.hashes.size == 1000
    assert (exact.at_most(sampled.largest).counts == sampled.counts).all()
    count, n, _ = found_in(sampled, exact)
    assert count == n == sampled.rows


# Planted losses


def test_equal_sets_lose_nothing_and_reach_everything():
    human = people(1500, 10)
    audited = audit(human, reference=human, aspects=NEAR)
    by_place = checks(audited)
    assert by_place["precision", "", ""].value == by_place["recall", "", ""].value == 1.0
    assert by_place["exact", "", ""].value == 1.0
    assert audited.lost == []
    assert {check.metric for check in audited.of("invented")} == {"exact", "copied_values"}


def test_a_fresh_sample_loses_nothing():
    audited = audit(people(1500, 11), reference=people(1500, 12), holdout=people(1500, 13), aspects=NEAR, groups="sex")
    assert audited.lost == audited.invented == []


def test_a_lost_region_lowers_recall_and_is_pointed_at():
    human, drawn = people(3000, 14), people(4500, 15)
    young = drawn.filter(pl.col("age") < 52)[:3000]
    audited = audit(young, reference=human, aspects="coverage")
    assert {"recall", "coverage"} <= {check.metric for check in audited.of("lost")}
    pointed = audited.pointed["reference"]
    assert pointed["age"].min() > 50
    assert human[pointed["_row"].to_numpy()]["age"].to_list() == pointed["age"].to_list()


def test_a_made_up_region_lowers_precision():
    human, drawn = people(2000, 16), people(2000, 17)
    far = drawn.with_columns(age=pl.when(pl.int_range(pl.len()) % 3 == 0).then(pl.col("age") + 100).otherwise(pl.col("age")))
    audited = audit(far, reference=human, aspects="coverage")
    assert "precision" in {check.metric for check in audited.of("invented")}
    assert audited.pointed["synthetic"]["age"].min() > 100


def test_repeated_records_lose_diversity():
    human, few = people(2000, 18), people(100, 19)
    audited = audit(pl.concat([few] * 20), reference=human, aspects="diversity")
    assert {"distinct_rows", "effective_rows", "near_duplicates", "distinct_values"} <= {
        check.metric for check in audited.of("lost")
    }


def test_copies_are_found_exact_and_near():
    human, fresh = people(2000, 20), people(2000, 21)
    rng = np.random.default_rng(22)
    near = human.with_columns(age=pl.col("age") + rng.normal(0, 0.01, 2000))
    for copies, metric in ((human, "exact"), (near, "near")):
        audited = audit(pl.concat([copies[:400], fresh[:1600]]), reference=human, holdout=people(2000, 23), aspects="copying")
        assert metric in {check.metric for check in audited.of("invented")}
        rows = audited.pointed["synthetic"]["_row"].to_numpy()
        assert (rows < 400).mean() > 0.9


def test_a_rank_preserving_loop_is_caught_by_the_values_it_takes_over():
    human = people(2000, 24)
    rng = np.random.default_rng(25)
    taken = human.with_columns(*(pl.Series(column, rng.choice(human[column].to_numpy(), 2000)) for column in ("age", "income")))
    audited = audit(taken, reference=human, aspects=("spread", "diversity"))
    assert "spread" not in audited.lost
    by_place = checks(audited)
    for column in ("age", "income"):
        assert by_place["copied_values", column, ""].verdict == "invented"
        assert by_place["copied_values", column, ""].value == 1.0
        assert by_place["distinct_values", column, ""].verdict == "lost"


def test_lost_kinds_of_pictures_lower_recall_and_vendi():
    rng = np.random.default_rng(26)
    centres = rng.normal(size=(10, 80))

    def pictures(n, kinds):
        return {"vector": centres[rng.integers(0, kinds, n)] + 0.3 * rng.normal(size=(n, 80))}

    audited = audit(pictures(1000, 6), reference=pictures(1000, 10), aspects=("coverage", "diversity"))
    assert {"recall", "coverage", "clusters", "vendi"} <= {check.metric for check in audited.of("lost")}


# Where nothing is lost


def rejected(aspect, make, sizes, repeats, with_holdout):
    """How often each check's p-value is at most 0.01, 0.05 and 0.1, over independent sets of one law, {check: (3,)}."""
    p_values = defaultdict(list)
    for repeat in range(repeats):
        sides = [make(sizes[i], 1000 + 3 * repeat + i) for i in range(3 if with_holdout else 2)]
        for finding in findings(aspect, repeat, *sides):
            if isinstance(finding, Reading) and finding.null is not None:
                p_values[finding.measure, finding.column, finding.at].append(finding.null.p)
    return {
        check: [np.mean(np.array(p) <= level) for level in (0.01, 0.05, 0.1)]
        for check, p in p_values.items()
        if len(p) > repeats / 2
    }


@pytest.mark.parametrize(
    ("aspect", "make", "sizes", "with_holdout"),
    [
        (Coverage(draws=99), people, (100, 200), False),
        (Coverage(draws=99), vectors, (100, 100, 100), True),
        (Copying(), people, (200, 200), False),
        (Diversity(draws=99), people, (100, 200), False),
    ],
    ids=["coverage of tables", "coverage of vectors", "copying", "diversity"],
)
def test_real_against_real_seldom_looks_bad(aspect, make, sizes, with_holdout):
    """Of 120 pairs: a check that looks bad four times as often as its 5 % is found in 99 % of such studies, three times as often in 88 %; one that looks
    bad 2.5 times as often as its 10 % in 97 %; an honest check fails in .3 to .7 % (binomial)."""
    repeats = 120
    for check, shares in rejected(aspect, make, sizes, repeats, with_holdout).items():
        for level, share in zip((0.01, 0.05, 0.1), shares, strict=True):
            assert share <= level + 3 * math.sqrt(level * (1 - level) / repeats), (check, level, share)


@pytest.mark.parametrize("distinct", [20, 300, 2000, 50_000])
def test_records_seen_again_stand_for_fresh_ones(distinct):
    from outcross.statistics.floors import larger_share

    rng, repeats = np.random.default_rng(27), 1000
    p = np.zeros(repeats)
    for i in range(repeats):
        reference, fresh = (occurrences(rng.integers(0, distinct, 300)) for _ in range(2))
        count, n, _ = found_in(fresh, reference)
        p[i] = larger_share(count, n, *seen_again(reference.counts)).p
    for level in (0.01, 0.05, 0.1):
        assert (p <= level).mean() <= level + 3 * math.sqrt(level * (1 - level) / repeats)


def test_too_few_records_are_told_and_not_counted():
    for aspect in (Coverage(), Copying(), Diversity()):
        for finding in findings(aspect, 0, people(12, 28), people(12, 29)):
            if isinstance(finding, Pointed) or finding.measure == "exact":
                continue
            assert finding.estimate is None and finding.note


def test_the_spectrum_is_that_of_either_matrix():
    """XᵀX and XXᵀ have one spectrum: of more dimensions than records, and of fewer, with coordinates that nothing has a part in."""
    rng = np.random.default_rng(5)
    for records, dimensions in ((30, 80), (80, 30)):
        points = rng.normal(size=(records, dimensions)) * (rng.random(dimensions) < 0.7)
        rows = points / np.linalg.norm(points, axis=1, keepdims=True)
        values, vectors = np.linalg.eigh(rows.T @ rows / records)
        whole = spectrum(points)
        assert np.allclose(np.sort(whole.values), np.clip(values, 0, None), atol=1e-12)
        is_there = whole.values[: whole.squares.shape[1]] > 1e-9
        assert np.allclose(whole.squares[:, is_there].sum(axis=0) / records, whole.values[: is_there.size][is_there], atol=1e-12)
        influence = np.square(rows @ vectors[:, values > 1e-9]) @ np.log(values[values > 1e-9])
        mine = whole.squares[:, is_there] @ np.log(whole.values[: is_there.size][is_there])
        assert np.allclose(mine, influence, atol=1e-9)
