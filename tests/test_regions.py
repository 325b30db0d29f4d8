"""A region that is lost is found and named, whatever its columns hold, and none is where nothing is lost."""

import datetime
from itertools import combinations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

import outcross
from outcross.data.tables import table
from outcross.estimate import NotApplicable, Reading
from outcross.measures import Evidence, Pointed
from outcross.measures.regions import Regions, facets_of, missing_regions, regions_of
from outcross.statistics.facets import between, of_numbers
from outcross.statistics.holm import holm
from outcross.statistics.regions import looked_at
from outcross.statistics.scan import best_codes

ROWS = 1_500
SURE = 1e-5
"""How seldom a check of an honest rate fails here."""


def people(rng, rows=ROWS):
    age = rng.integers(18, 80, rows).astype(float)
    return pl.DataFrame(
        {
            "age": np.where(rng.random(rows) < 0.05, np.nan, age),
            "job": rng.choice(["student", "nurse", "clerk", "farmer"], rows, p=[0.3, 0.3, 0.3, 0.1]),
            "city": rng.choice([f"c{i}" for i in range(12)], rows),
            "income": np.round(rng.lognormal(10, 0.5, rows), 2),
        }
    )


def without(frame, inside):
    return frame.filter(~inside)


def sides(draw, inside, rng, rows=ROWS, **settings):
    """A human set, and one of as many records without those inside."""
    reference, other = draw(rng, rows), draw(rng, 3 * rows)
    return table(without(other, inside)[:rows], "synthetic", **settings), table(reference, "reference", **settings)


def surest(synthetic, reference, seed=0):
    return missing_regions(synthetic, reference, np.random.default_rng(seed))


def test_a_region_of_two_columns_is_named_in_natural_units():
    inside = (pl.col("age") < 30) & (pl.col("job") == "student")
    synthetic, reference = sides(people, inside, np.random.default_rng(1))
    (region,) = surest(synthetic, reference)
    assert region.rule == "age < 30 and job = student"
    age, job = region.conditions
    assert (age.kind, age.at_least, age.below, age.or_missing) == ("interval", None, 30.0, False)
    assert (job.kind, job.values) == ("among", ("student",))
    assert region.ratio.value == 0 and region.weight is None and region.p < 1e-6
    counted = ((reference.frame["age"] < 30) & (reference.frame["job"] == "student")).fill_null(False).mean()
    assert region.human_share == pytest.approx(counted, rel=1e-12)
    assert region.missing_share == pytest.approx(region.human_share, rel=1e-12)
    refilled = region.missing_records / (synthetic.rows + region.missing_records)
    assert refilled == pytest.approx(region.human_share, abs=1e-3)


def test_the_measure_reads_a_lost_region_and_points_at_its_human_records():
    inside = (pl.col("age") < 30) & (pl.col("job") == "student")
    synthetic, reference = sides(people, inside, np.random.default_rng(2))
    evidence = Evidence(drawn=synthetic, reference=reference)
    reading, pointed = Regions()(evidence, np.random.default_rng(0))
    assert isinstance(reading, Reading) and isinstance(pointed, Pointed)
    assert reading.at == "age < 30 and job = student" and 0.03 < reading.about < 0.1
    assert reading.estimate.high < 0.8 and reading.null.p < 1e-6 and reading.null.floor > 0.3
    there = reference.frame[pointed.rows]
    assert pointed.side == "reference" and (there["age"] < 30).all() and (there["job"] == "student").all()


def test_a_region_that_one_columns_shift_takes_away_is_said_by_that_column_and_an_interaction_is_not():
    rng = np.random.default_rng([8, 11, 28])
    human, moved = people(rng), people(rng)
    moved = moved.with_columns(pl.col("age") + 9)
    audit = outcross.audit(moved, reference=human, aspects=("spread", "regions"))
    assert any(check.metric == "region" and check.explained_by == "age" for check in audit.of("lost"))
    assert audit.summary.startswith("The median of age rose from")
    synthetic, reference = sides(people, (pl.col("age") < 40) & (pl.col("job") == "nurse"), rng)
    (region, *_) = regions_of(synthetic, reference, rng)
    assert region.ratio.high < 0.8 and region.explained_by == ""


def test_half_of_a_range_that_is_gone_is_said_by_its_limit_and_not_as_a_smaller_spread():
    rng = np.random.default_rng([8, 11, 29])

    def visits(last):
        return pl.DataFrame({"day": rng.integers(0, last, 2000) + 0.5, "job": rng.choice(["nurse", "cook"], 2000)})

    audit = outcross.audit(visits(500), reference=visits(1000), aspects=("spread", "regions"))
    assert {check.metric for check in audit.of("lost")} >= {"region", "variance"}
    assert audit.summary.startswith("No record has day ≥ 5")


def test_an_interaction_without_a_trace_in_either_column_is_found():
    """Both diagonal corners of two coins removed: every column is as before, and a tree that splits by one column at a time sees nothing."""

    def coins(rng, rows):
        return pl.DataFrame({name: rng.choice(["heads", "tails"], rows) for name in "abcd"})

    inside = ((pl.col("a") == "heads") & (pl.col("b") == "heads")) | ((pl.col("a") == "tails") & (pl.col("b") == "tails"))
    synthetic, reference = sides(coins, inside, np.random.default_rng(3), rows=1_000)
    shares = [side.frame["a"].eq("heads").mean() for side in (synthetic, reference)]
    assert abs(shares[0] - shares[1]) < 0.06
    assert {region.rule for region in surest(synthetic, reference)} == {"a = heads and b = heads", "a = tails and b = tails"}


def test_a_region_that_is_thinned_out_is_found_with_what_is_left_of_it():
    rng = np.random.default_rng(4)
    reference, other = people(rng, 4_000), people(rng, 12_000)
    inside = ((other["age"] >= 40) & (other["job"] == "nurse")).fill_null(False).to_numpy()
    kept = other.filter(~(inside & (rng.random(inside.size) < 0.6)))[:4_000]
    region = surest(table(kept), table(reference))[0]
    assert region.ratio.low < 0.45 < region.ratio.high < 0.8
    assert "job = nurse" in region.rule
    left = region.ratio.value * region.human_share
    weighted = region.weight * left / (region.weight * left + 1 - left)
    added = (left * 4_000 + region.missing_records) / (4_000 + region.missing_records)
    assert weighted == pytest.approx(region.human_share) and added == pytest.approx(region.human_share, abs=1e-4)


def test_missing_values_dates_and_many_categories_are_said_as_people_do():
    def visits(rng, rows):
        days = rng.integers(0, 700, rows)
        return pl.DataFrame(
            {
                "day": [datetime.date(2020, 1, 1) + datetime.timedelta(int(day)) for day in days],
                "size": np.where(rng.random(rows) < 0.3, np.nan, rng.normal(size=rows)),
                "code": rng.choice([f"k{i}" for i in range(300)], rows),
            }
        )

    inside = pl.col("size").is_nan() & (pl.col("day") >= datetime.date(2021, 3, 1))
    synthetic, reference = sides(visits, inside, np.random.default_rng(5), kinds={"code": "category"})
    region = min(surest(synthetic, reference), key=lambda region: region.p)
    day, size = region.conditions
    # No synthetic record lies in the region, and by chance none on the days before it.
    assert size.kind == "missing" and "2021-02-20" <= day.words.removeprefix("day ≥ ") <= "2021-03-05"


def test_pictures_that_are_lost_are_outlined_and_named_by_records():
    centres = np.random.default_rng(0).normal(size=(8, 40))

    def pictures(rng, rows):
        which = rng.integers(0, 8, rows)
        values = (centres[which] + 0.6 * rng.normal(size=(rows, 40))).astype(np.float32)
        return pl.DataFrame({"image": pl.Series(values, dtype=pl.Array(pl.Float32, 40)), "_which": which})

    synthetic, reference = sides(pictures, pl.col("_which") == 3, np.random.default_rng(6), rows=900)
    lost = [region for region in regions_of(synthetic, reference, np.random.default_rng(0)) if region.null.p < 0.01]
    there = (reference.records["_which"] == 3).to_numpy()
    own = lost[0].inside[: there.size]
    assert (own & there).sum() / (own | there).sum() > 0.8
    assert lost[0].rule.startswith("image like row ") and lost[0].ratio.high < 0.8


def test_texts_that_are_lost_are_named_by_the_words_that_mark_them():
    def letters(rng, rows):
        topics = [
            ["salt", "flour", "oven", "bake", "dough"],
            ["goal", "team", "match", "ball", "coach"],
            ["rain", "wind", "cloud", "storm", "snow"],
        ]
        own = rng.integers(0, 3, rows)
        words = [" ".join(rng.choice(topics[topic], 6)) + " " + " ".join(rng.choice(list("abcdefgh"), 4)) for topic in own]
        return pl.DataFrame({"text": words, "_topic": own})

    synthetic, reference = sides(letters, pl.col("_topic") == 1, np.random.default_rng(7), rows=400, kinds={"text": "text"})
    regions = surest(synthetic, reference)
    assert regions and all(region.ratio.high < 0.8 for region in regions[:1])
    assert any(word in regions[0].rule for word in ("goal", "team", "match", "ball", "coach"))


def test_honest_sets_show_a_region_in_at_most_one_of_twenty():
    """What records are made of does not depend on their sides, so that one set of records is dealt many times."""
    rng = np.random.default_rng(8)
    both = table(people(rng, 300)), table(people(rng, 300))
    facets = list(facets_of(*both))
    splits, reported = 80, 0
    for _ in range(splits):
        is_human = rng.permutation(600) < 300
        reported += any(region.null.p <= 0.05 for region in looked_at(facets, None, is_human, rng))
    assert reported <= binom.isf(SURE, splits, 0.05)


def test_names_and_orders_change_nothing_and_equal_sets_are_equal():
    rng = np.random.default_rng(9)
    synthetic, reference = sides(people, (pl.col("age") < 30) & (pl.col("job") == "student"), rng)
    before = [(region.null.p, region.ratio) for region in regions_of(synthetic, reference, np.random.default_rng(1))]
    reversed_rows = [table(side.records.reverse()) for side in (synthetic, reference)]
    renamed = [table(side.records.rename({"age": "years | <b>"})) for side in (synthetic, reference)]
    for sides_again in (reversed_rows, renamed):
        assert [(region.null.p, region.ratio) for region in regions_of(*sides_again, np.random.default_rng(1))] == before
    for region in regions_of(reference, reference, np.random.default_rng(1)):
        assert region.ratio.value == 1.0


def test_too_few_records_and_columns_that_do_not_vary_are_refused_in_words():
    few = table(pl.DataFrame({"x": np.arange(50.0)}))
    with pytest.raises(NotApplicable, match="50 records"):
        regions_of(few, few, np.random.default_rng(0))
    constant = table(pl.DataFrame({"x": np.ones(200)}))
    with pytest.raises(NotApplicable, match="varies"):
        regions_of(constant, constant, np.random.default_rng(0))
    reading = next(iter(Regions()(Evidence(drawn=few, reference=few), np.random.default_rng(0))))
    assert reading.estimate is None and "50 records" in reading.note


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-5, 5).map(float), min_size=2, max_size=9))
def test_the_best_interval_is_that_of_trying_all(worths):
    values = np.array([0.0, *worths])
    codes, value = best_codes(values, is_ordered=True)
    every = [values[start:end].sum() for start, end in combinations(range(1, values.size + 1), 2)]
    assert value == max(every) and codes[1:].any() and values[codes].sum() == value


def test_holm_is_the_step_down_of_bonferroni():
    p = np.array([0.04, 0.001, 0.02, 0.9])
    assert holm(p).tolist() == pytest.approx([0.08, 0.004, 0.06, 0.9])


@settings(max_examples=80, deadline=None)
@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_a_threshold_lies_between_the_values_that_it_parts(low, gap):
    high = low + gap
    if high > low:
        assert low < between(low, high) <= high


def test_a_value_of_many_records_is_a_code_of_its_own():
    facet = of_numbers("gain", np.concatenate([np.zeros(900), np.arange(1.0, 101.0)]))
    assert facet is not None
    (own,) = set(facet.codes[:900].tolist())
    assert not (facet.codes[900:] == own).any()
