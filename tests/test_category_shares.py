"""The share of every category is judged by its worst one: golden values, planted losses, and what must not matter."""

from __future__ import annotations

import os
from pathlib import Path

import damage
import numpy as np
import polars
import pytest
from scipy.stats import binom

import outcross
from outcross.estimate import NotApplicable
from outcross.measures.category_shares import CategoryShares
from outcross.statistics.categories import (
    ERROR,
    ComparedCounts,
    chance_of_fewer,
    chance_of_more,
    lost_mass,
    ratios,
    require_categories,
    worst,
)

DATA = Path(os.environ.get("OUTCROSS_DATA") or Path(__file__).parents[2] / "shared" / "data")
needs_adult = pytest.mark.skipif(not (DATA / "tabular_synthetic" / "adult").exists(), reason=f"there is no Adult in {DATA}")
BLUE_COLLAR = ("Craft-repair", "Machine-op-inspct", "Handlers-cleaners")
"""Occupations of 23 % of the records of Adult."""


def counts_of(synthetic, human):
    return ComparedCounts(np.array(synthetic), np.array(human))


def drawn(rng, shares, rows, sets):
    """ComparedCounts of two honest sets of one law, pair after pair."""
    for pair in rng.multinomial(rows, shares, size=(sets, 2)):
        yield ComparedCounts(*pair)


def shares_audit(synthetic, reference, **question):
    question = {"aspects": "category_shares"} | question
    return outcross.audit(synthetic, reference=reference, **question)


def lost(audit):
    return {(check.metric, check.column, check.group) for check in audit.of("lost")}


# What is known exactly


def test_ten_human_records_and_no_synthetic_one_have_the_chance_of_ten_coins():
    counts = counts_of([0, 1000], [10, 990])
    assert chance_of_fewer(counts)[0] == pytest.approx(2.0**-10, rel=1e-12)
    assert chance_of_more(counts)[0] == pytest.approx(1.0)


def test_the_chance_at_a_tolerance_is_that_of_a_binomial():
    counts = counts_of([10, 990], [40, 1960])
    assert chance_of_fewer(counts, 0.8)[0] == pytest.approx(binom.cdf(10, 50, 0.8 * 1000 / (2000 + 0.8 * 1000)), rel=1e-12)


def test_the_ends_of_an_interval_are_the_ratios_at_which_the_exact_tests_reject():
    counts = counts_of([7, 993], [20, 1480])
    low, high = ratios(counts, 0.01, 0.02)
    assert chance_of_fewer(counts, high[0])[0] == pytest.approx(0.01, rel=1e-9)
    assert chance_of_more(counts, low[0])[0] == pytest.approx(0.02, rel=1e-9)


def test_the_floor_of_lost_mass_is_what_honest_sets_show():
    equal = np.full(10, 0.1)
    simulated = np.array([lost_mass(counts)[0] for counts in drawn(np.random.default_rng(1), equal, 1000, 4000)])
    floor = lost_mass(counts_of([100] * 10, [100] * 10))[1]
    assert floor == pytest.approx(0.0535, abs=5e-5)
    assert simulated.mean() == pytest.approx(floor, abs=4 * simulated.std() / 4000**0.5 + 2e-4)


@pytest.mark.parametrize("rows", [100, 1000])
@pytest.mark.parametrize("shares", [np.full(2, 0.5), np.full(10, 0.1), 1 / np.arange(1, 41) ** 1.2], ids=["two", "ten", "zipf"])
def test_honest_sets_seldom_look_lost_or_grown(shares, rows):
    """All intervals of a column hold together, and the adjusted p is at most α in at most a share α of sets."""
    shares, sets = shares / shares.sum(), 400
    for way in ("fewer", "more"):
        comparisons = [worst(counts, way) for counts in drawn(np.random.default_rng([2, rows]), shares, rows, sets)]
        beyond = [comparison.estimate.high < 1 if way == "fewer" else comparison.estimate.low > 1 for comparison in comparisons]
        assert sum(beyond) <= binom.isf(1e-4, sets, ERROR)
        for level in (0.01, 0.05):
            assert sum(comparison.null.p <= level for comparison in comparisons) <= binom.isf(1e-4, sets, level)


def test_a_column_with_a_loss_beyond_the_tolerance_is_seldom_kept():
    """One of ten categories has 70 % of its share: at any size at most one in twenty intervals lies above 80 %."""
    human = np.full(10, 0.1)
    synthetic = np.append(0.07, np.full(9, 0.93 / 9))
    rng = np.random.default_rng(3)
    for rows in (500, 5000, 50_000):
        comparisons = [
            worst(ComparedCounts(rng.multinomial(rows, synthetic), rng.multinomial(rows, human)), "fewer") for _ in range(200)
        ]
        assert sum(comparison.estimate.low >= 0.8 for comparison in comparisons) <= 200 * 0.05
    assert sum(comparison.estimate.high < 0.8 and comparison.place == 0 for comparison in comparisons) >= 195  # at 50,000 records


def test_a_rare_category_that_vanished_is_named_among_many():
    human = np.array([4000, 3000, 2500, *[25] * 20])
    synthetic = np.array([4000, 3000, 2500, 0, *[25] * 19])
    comparison = worst(ComparedCounts(synthetic, human), "fewer")
    assert comparison.place == 3 and comparison.estimate.value == 0 and comparison.estimate.high < 0.8 and comparison.null.p < 1e-4


def test_categories_with_too_few_records_to_be_found_do_not_count_as_comparisons():
    many_rare = ComparedCounts(np.array([400, 600, *[1] * 500]), np.array([500, 500, *[1] * 500]))
    assert worst(many_rare, "fewer").members == 2
    with pytest.raises(NotApplicable, match="has enough records to be found"):
        worst(counts_of([1, 1], [1, 1]), "fewer")


def test_more_categories_that_fell_are_told_by_holm():
    counts = counts_of([10, 20, 500, 470], [100, 100, 400, 400])
    assert worst(counts, "fewer").place == 0 and worst(counts, "fewer").others == (1,)
    assert {worst(counts, "more").place, *worst(counts, "more").others} == {2, 3}


# What an audit says


def test_swapped_answers_are_lost_although_the_entropy_is_the_same():
    rng = np.random.default_rng(4)
    human = rng.choice(["no", "yes"], 600, p=[0.7, 0.3])
    swapped = np.where(rng.choice(["no", "yes"], 600, p=[0.7, 0.3]) == "no", "yes", "no")
    audit = shares_audit({"default": swapped}, {"default": human})
    assert lost(audit) == {("category_share", "default", "default=no"), ("category_growth", "default", "default=yes")}
    about = [reading for reading in audit.every if reading.metric == "category_share"]
    assert "% of records would have to change their category" in about[0].why


def test_a_column_of_names_is_no_category():
    rng = np.random.default_rng(5)
    names = [f"{first} {last}" for first, last in zip(rng.integers(0, 10**6, 800), rng.integers(0, 10**6, 800), strict=True)]
    audit = shares_audit(
        {"name": names[:400]}, {"name": names[400:]}, kinds={"name": "category"}, aspects=("category_shares", "tails")
    )
    settings = {check.metric: check for check in audit.every if check.column == "name"}
    assert {check.verdict for check in settings.values()} == {"not_applicable"}
    assert all("400 different values in 400 human records are names" in check.why for check in settings.values())
    require_categories(np.array([5]))  # a constant is a category


def test_one_rare_category_that_vanished_is_lost_and_its_survival_is_no_share():
    human, synthetic = ["a"] * 12_000 + ["b"] * 7_850 + ["rare"] * 150, ["a"] * 12_100 + ["b"] * 7_900
    audit = shares_audit({"c": synthetic}, {"c": human}, kinds={"c": "category"}, aspects=("category_shares", "tails"))
    settings = {check.metric: check for check in audit.every}
    assert {check.metric for check in audit.of("lost")} == {"category_share", "rare_mass"}
    assert settings["category_share"].group == "c=rare" and settings["category_share"].high < 0.05
    assert settings["rare_categories"].verdict == "not_applicable" and "one category" in settings["rare_categories"].why


def test_one_record_of_a_rare_group_does_not_keep_it():
    """Given six records of the group on both sides, one of them synthetic, its chance p has (1 - p)^6 = .975 at the lower end of 95 %: by Wilson's
    intervals that end of the ratio was 3.5, and the group was kept."""
    human = {"g": ["rare"] * 5 + ["other"] * 95}
    audit = outcross.audit({"g": ["rare"]}, reference=human, groups=("g",), aspects=("groups",))
    checks = {check.group: check for check in audit.every if check.metric == "share"}
    rare, other = checks["g=rare"], checks["g=other"]
    assert (rare.value, rare.verdict) == (20, "cannot_tell") and rare.low == pytest.approx(100 * (0.975 ** (-1 / 6) - 1))
    assert (other.value, other.low, other.verdict) == (0, 0, "cannot_tell")
    assert other.high == pytest.approx(100 * (0.025 ** (-1 / 95) - 1))


def test_a_column_of_groups_is_not_counted_twice():
    rng = np.random.default_rng(6)
    human, other = ({"sex": rng.choice(["f", "m"], 500), "city": rng.choice(["a", "b"], 500)} for _ in range(2))
    audit = shares_audit(other, human, groups=("sex",), aspects="groups")
    settings = {(check.metric, check.column) for check in audit.every}
    assert ("category_share", "sex") not in settings and {
        ("share", "sex"),
        ("category_growth", "sex"),
        ("category_share", "city"),
    } <= settings


def table(rng, rows, shares):
    cities = np.array([f"city {i}" for i in range(len(shares))])
    return polars.DataFrame({"city": rng.choice(cities, rows, p=shares), "other": rng.choice(["x", "y", "z"], rows)})


def numbers(audit, group_name=lambda name: name):
    return {
        (check.metric, check.column, group_name(check.group)): (
            check.verdict,
            check.value,
            check.low,
            check.high,
            check.p,
            check.floor,
        )
        for check in audit.every
    }


def test_the_order_of_rows_and_columns_and_the_names_of_categories_change_nothing():
    rng = np.random.default_rng(7)
    human, other = table(rng, 700, [0.4, 0.3, 0.2, 0.1]), table(rng, 900, [0.45, 0.35, 0.15, 0.05])
    first = numbers(shares_audit(other, human))
    shuffled = other[rng.permutation(900)].select("other", "city")
    assert numbers(shares_audit(shuffled, human[rng.permutation(700)])) == first
    renamed = {f"city {i}": name for i, name in enumerate(["zürich", "1", "a, b", "none"])}
    again = [frame.with_columns(polars.col("city").replace_strict(renamed)) for frame in (other, human)]
    back = {f"city={new}": f"city={old}" for old, new in renamed.items()}
    assert numbers(shares_audit(*again), lambda name: back.get(name, name)) == first


def test_twice_the_records_of_one_law_narrow_the_interval_and_keep_what_was_told():
    human, other = [400, 300, 200, 100], [460, 345, 145, 50]
    single, double = (worst(ComparedCounts(np.array(other) * times, np.array(human) * times), "fewer") for times in (1, 2))
    assert single.place == double.place == 3 and single.estimate.value == double.estimate.value
    assert single.estimate.low < double.estimate.low < double.estimate.high < single.estimate.high and double.null.p < single.null.p


# Adult


@pytest.fixture(scope="module")
def adult():
    """Three thousand human records of Adult a side, with a column of jobs."""
    frame = damage.real("adult", DATA)
    job = (
        polars.when(polars.col("occupation").is_in(BLUE_COLLAR))
        .then(polars.lit("blue-collar"))
        .otherwise("occupation")
        .alias("job")
    )
    frame = frame.with_columns(job)[np.random.default_rng(8).permutation(frame.height)[:6000]]
    return frame[:3000], frame[3000:]


@needs_adult
def test_nothing_is_lost_in_the_other_half_of_adult(adult):
    reference, other = adult
    assert lost(shares_audit(other, reference)) == set()


@needs_adult
def test_blue_collar_jobs_halved_are_named(adult):
    reference, other = adult
    halved = damage.halved(other, "job", "blue-collar", np.random.default_rng(9))
    audit = shares_audit(halved, reference)
    assert ("category_share", "job", "job=blue-collar") in lost(audit)


@needs_adult
def test_incomes_swapped_and_columns_swapped_are_lost(adult):
    reference, other = adult
    swapped = polars.when(polars.col("income") == ">50K").then(polars.lit("<=50K")).otherwise(polars.lit(">50K")).alias("income")
    assert ("category_share", "income", "income=<=50K") in lost(shares_audit(other.with_columns(swapped), reference))
    columns = other.rename({"education": "occupation", "occupation": "education"})
    assert {"education", "occupation"} <= {column for _, column, _ in lost(shares_audit(columns, reference))}


def test_a_reading_is_about_the_human_share_of_its_category():
    from outcross.data.tables import table as table_of
    from outcross.measures import Evidence
    from outcross.measures.of_tables import read_tables
    from outcross.statistics.sketches import gather

    sides = [table_of({"c": ["a"] * a + ["b"] * (300 - a)}) for a in (30, 60)]
    evidence = Evidence(drawn=sides[0], reference=sides[1])
    sketches = [gather(side, CategoryShares().sketches(evidence)) for side in sides]
    readings = read_tables(CategoryShares(), evidence.but(counted={"tally c": (sketches[0]["tally c"], sketches[1]["tally c"])}))
    assert {reading.group: reading.about for reading in readings} == {"c=a": 0.2, "c=b": 0.8}


# Modes


def blobs(rng, rows, modes):
    """Points of separate normal modes on a grid, 20 of them or fewer."""
    mode = rng.choice(modes, rows)
    points = np.stack(np.divmod(mode, 5), axis=1) * 10.0 + rng.normal(size=(rows, 2))
    return polars.DataFrame({"x": points[:, 0], "y": points[:, 1], "word": [f"w{i % 2}" for i in mode]})


def test_a_lost_mode_of_twenty_is_lost_and_described():
    """19 of 20 modes are covered, 95 %: a mean would lie within any tolerance."""
    rng = np.random.default_rng(10)
    audit = outcross.audit(blobs(rng, 4000, 19), reference=blobs(rng, 4000, 20), aspects="coverage")
    (check_of_clusters,) = [check for check in audit.every if check.metric == "clusters"]
    assert check_of_clusters.verdict == "lost" and check_of_clusters.value < 0.3 and check_of_clusters.p < 1e-6
    assert check_of_clusters.why == "the worst of 20 clusters, 125 human records (y about 40, x about 30)"


def test_no_mode_is_lost_where_none_is():
    rng = np.random.default_rng(11)
    verdicts = []
    for _ in range(5):
        audit = outcross.audit(blobs(rng, 1000, 20), reference=blobs(rng, 1000, 20), aspects="coverage")
        verdicts += [check.verdict for check in audit.every if check.metric == "clusters"]
    assert set(verdicts) <= {"kept", "cannot_tell"}
