"""Which records of a set look as fresh human records seldom do."""

from __future__ import annotations

import numpy as np
import polars
import pytest
from scipy.spatial.distance import cdist

from outcross.data.tables import alike, table
from outcross.estimate import NotApplicable, share
from outcross.statistics.embedding import embedding
from outcross.statistics.neighbours import nearest
from outcross.statistics.suspects import Finding, Nearness, Suspicion, improbable, repeated, suspects

SUSPECT = 2.0
"""Fewer than one in a hundred fresh human records are as suspect."""


def people(n: int, rng: np.random.Generator) -> polars.DataFrame:
    """Two numbers that go together and two categories, of which one pair of values never occurs together."""
    age = rng.normal(45, 12, n)
    sex = rng.choice(["man", "woman"], n)
    kin = np.where(rng.random(n) < 0.4, "single", np.where(sex == "man", "husband", "wife"))
    return polars.DataFrame({"age": age, "hours": age / 2 + rng.normal(0, 5, n), "sex": sex, "kin": kin})


def scores_and_reasons(drawn: polars.DataFrame, human: polars.DataFrame, holdout: polars.DataFrame | None = None):
    """The scores and reasons in the order of the rows given."""
    sides = alike([table(human, "human"), table(drawn, "drawn"), *([] if holdout is None else [table(holdout, "holdout")])]).tables
    result = suspects(sides[1], sides[0], sides[2] if holdout is not None else None, np.random.default_rng(1))
    order = np.argsort(sides[1].places)
    return result.scores[order], [result.reasons[row] for row in order], result


@pytest.mark.parametrize("with_holdout", [False, True])
def test_every_kind_of_planted_record_is_named_and_few_honest_ones_are(with_holdout):
    rng = np.random.default_rng(0)
    human, honest = people(2000, rng), people(1500, rng)
    combined = people(40, rng).with_columns(sex=polars.lit("man"), kin=polars.lit("wife"))
    old = people(30, rng).with_columns(age=polars.lit(140.0))
    drawn = polars.concat([honest, human[:50], combined, old, honest[100:160]])
    scores, reasons, _ = scores_and_reasons(drawn, human, people(2000, rng) if with_holdout else None)
    copies, combinations, outside, repeats = reasons[1500:1550], reasons[1550:1590], reasons[1590:1620], reasons[1620:]
    assert all(reason.startswith("copy") or "copy" in reason for reason in copies)
    assert all("sex = man with kin = wife: no human record" in reason for reason in combinations)
    assert all("age = 140, the largest human value is" in reason for reason in outside)
    assert (scores[1500:1620] >= SUSPECT).all()
    assert sum("near duplicate" in reason for reason in [*reasons[100:160], *repeats]) >= 60  # one of each pair
    assert np.mean(scores[:1500] >= SUSPECT) - 60 / 1500 < 0.02


def test_one_of_each_pair_of_repeated_records_stays():
    rng = np.random.default_rng(3)
    honest = people(800, rng)
    _, reasons, _ = scores_and_reasons(polars.concat([honest, honest[:80]]), people(1000, rng))
    named = np.array(["near duplicate" in reason for reason in reasons])
    assert (named[:80] ^ named[800:]).all()


def test_a_rule_that_fits_many_honest_records_makes_no_record_suspect():
    rng = np.random.default_rng(4)

    def coins(n):
        return polars.DataFrame({"a": rng.integers(0, 2, n).astype(str), "b": rng.integers(0, 3, n).astype(str)})

    scores, reasons, result = scores_and_reasons(coins(500), coins(500))
    assert scores.max() < 0.01 and "copy" in reasons[0]
    assert next(suspicion for suspicion in result.suspicions if suspicion.reason == "copy").honest.value == 1


def test_a_rule_that_ranks_counts_for_less_where_it_names_many_fresh_records():
    finding = Finding(np.arange(2), ["near", "nearer"], np.array([1e-3, 5e-4]))
    seldom, often = (Suspicion("near duplicate", finding, share(count, 999)).chances for count in (0, 99))
    assert seldom == pytest.approx([1e-3, 5e-4]) and often == pytest.approx([0.1, 0.05])


def test_the_order_of_the_rows_changes_nothing():
    rng = np.random.default_rng(5)
    human, drawn = people(600, rng), people(400, rng)
    order = rng.permutation(400)
    scores, reasons, _ = scores_and_reasons(drawn, human)
    again, reasons_again, _ = scores_and_reasons(drawn[order], human[rng.permutation(600)])
    assert np.array_equal(scores[order], again) and [reasons[row] for row in order] == reasons_again


def test_searches_that_rules_share_find_what_each_would_find_by_itself():
    rng = np.random.default_rng(8)
    frames = [
        people(n, rng).with_columns(city=rng.integers(0, 12, n).astype(str)) for n in (500, 400, 300)
    ]  # 12 dimensions and more
    human, drawn, fresh = alike(
        [table(frame, name) for frame, name in zip(frames, ("human", "drawn", "fresh"), strict=True)]
    ).tables
    shared = Nearness(human, (drawn, fresh), 3)
    points = {side.name: embedding(human)(side) for side in (human, drawn, fresh)}
    for side in (drawn, fresh):
        for rule in (repeated, improbable):
            with_shared, with_own = rule(side, human, shared), rule(side, human, Nearness(human, (drawn, fresh), 3))
            assert (
                np.array_equal(with_shared.rows, with_own.rows)
                and np.array_equal(with_shared.chances, with_own.chances)
                and with_shared.details == with_own.details
            )
        assert shared.humans(side) == pytest.approx(cdist(points[side.name], points["human"]).min(axis=1), abs=0.01)
        own = cdist(points[side.name], points[side.name]) + np.diag(np.full(side.rows, np.inf))
        assert shared.others(side, side.rows)[0] == pytest.approx(own.min(axis=1), abs=1e-9)


def test_neighbours_by_kinds_are_those_of_all_distances():
    """Points that many share, that differ in one category, in several, and in numbers of one, with missing values among them."""
    rng = np.random.default_rng(9)
    frames = [
        people(n, rng).with_columns(city=rng.integers(0, 9, n).astype(str), hours=polars.lit(None, polars.Float64))
        for n in (300, 200)
    ]
    human, drawn = alike([table(frame, name) for frame, name in zip(frames, ("human", "drawn"), strict=True)]).tables
    embed = embedding(human)
    points, among, kinds = embed(drawn), embed(human), embed.categories(human)
    assert [kind.stop - kind.start for kind in kinds] == [4, 5, 11]
    points = np.concatenate([points, among[:40]])
    for k in (1, 2, 5):
        distances, rows = nearest(points, among, k, kinds)
        every = cdist(points, among)
        assert distances == pytest.approx(np.sort(every, axis=1)[:, :k], abs=1e-9)
        assert np.take_along_axis(every, rows, axis=1) == pytest.approx(distances, abs=1e-9)
        assert all(len(set(row)) == k for row in rows.tolist())


def test_texts_are_not_judged_by_rules_of_numbers():
    words = np.random.default_rng(6).integers(0, 500, (300, 12))
    texts = polars.DataFrame({"text": [" ".join(f"word{i}" for i in row) for row in words]})
    scores, _, result = scores_and_reasons(texts[:150], texts[150:])
    assert scores.max() == 0
    assert [note.split(":")[0] for note in result.notes] == [
        "outside the human range",
        "impossible combination",
        "near duplicate",
        "improbable",
    ]


def test_too_few_human_records_are_refused():
    rng = np.random.default_rng(7)
    with pytest.raises(NotApplicable, match="50 human records, but suspect records need at least 100"):
        scores_and_reasons(people(200, rng), people(50, rng))
