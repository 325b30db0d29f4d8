"""Promises of every member of every family; members are found by themselves."""

import dataclasses
import inspect

import numpy as np
import pytest

from outcross.data import HUMAN, Human, Inventory, Made, Origin, Part, Pool, mix, part_of
from outcross.data.records import Counts, Vectors
from outcross.errors import BadInput
from outcross.measures import ASPECTS, MEASURES, Page, askers, measure
from outcross.models import LEARNERS
from outcross.models.draw import Draw
from outcross.policies import POLICIES
from outcross.recipe import kind, member, plain, read
from outcross.sources import SOURCES
from outcross.verbs.parts import FAMILIES

EVERY = [(family, name) for family, members in FAMILIES.items() for name in members]
NEEDED = {
    "human_share": {"share": 0.25},
    "fresh": {"human": 5},
    "weighted": {"weight": 0.3},
    "array": {"array": "points.npy"},
    "path": {"path": "text.txt"},
    "hub": {"hub": "someone/something"},
}
"""What a member cannot be made without."""


def made(family, name, what="part"):
    return read(FAMILIES[family], {"kind": name} | NEEDED.get(name, {}), what)


@pytest.mark.parametrize(("family", "name"), EVERY)
def test_a_member_is_called_by_its_class_is_frozen_and_survives_plain_data(family, name):
    one = made(family, name)
    assert kind(one) == name
    assert read(FAMILIES[family], plain(one), "part") == one
    field = dataclasses.fields(one)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(one, field[0].name if field else "anything", 1)


@pytest.mark.parametrize(("family", "name"), EVERY)
def test_a_member_says_what_it_is_and_where_it_is_from(family, name):
    cls = member(FAMILIES[family], name, "part")
    assert len(inspect.getdoc(cls) or "") > 40
    if family in ("policies", "models"):
        assert cls.paper
    if family == "measures":
        assert cls.aspect in ASPECTS and askers(cls)
        assert cls.pages and all(
            isinstance(page, Page) and page.code and page.paper and page.healthy_words and page.collapsed and page.unit
            for page in cls.pages.values()
        )


@pytest.mark.parametrize(("family", "name"), EVERY)
def test_an_unknown_setting_is_refused_with_the_nearest_known_one(family, name):
    one = made(family, name)
    known = [field.name for field in dataclasses.fields(one)]
    with pytest.raises(BadInput, match="is not known"):
        read(FAMILIES[family], plain(one) | {"shrae": 1}, "part")
    if known:
        with pytest.raises(BadInput, match=f"did you mean '{known[0]}'"):
            read(FAMILIES[family], plain(one) | {known[0] + "x": 1}, "part")


def test_reading_names_are_given_by_one_measure_each():
    names = [reading for name in MEASURES for reading in measure(name).pages]
    assert sorted(names) == sorted(set(names))


def vectors(n, chains=(), seed=0, d=2):
    return Vectors(np.random.default_rng(seed).standard_normal((*chains, n, d)))


def counts(n, chains=(), seed=0):
    return Counts(np.random.default_rng(seed).multinomial(n, [0.5, 0.3, 0.2], size=chains or None))


def interval(n, chains=(), seed=0):
    return Vectors(np.random.default_rng(seed).random((*chains, n, 1)))


LEARNABLE = {"spike": interval}
"""Records for a learner that takes fewer than all of its kind."""
UNTEMPERED = ("kde", "gaussian_mixture", "spike")
"""Models that refuse a temperature: p^(1/temperature) of a sum of densities has no exact sampler."""


class Fixed:
    """A distribution of vectors or counts, by example."""

    def __init__(self, make):
        self.make = make

    def draw(self, n, chains, rng):
        return self.make(n, chains, int(rng.integers(2**31)))


def pool_of(make, chains, generations=3, n=20):
    training = part_of(HUMAN, make(n, chains, 1), "human")
    human = Human(training=training, truth=Fixed(make), chains=chains)
    pool = Pool((training,))
    for g in range(generations):
        records = make(n, chains, 10 + g)
        pool += Part(Origin("model", f"m{g}", g), Made(f"drawn {g}", n, lambda records=records: records), n)
    return pool, human


def mixed(policy, pool, human, seed=3):
    plan = policy.plan(Inventory.of(pool, len(human.training)))
    return mix(plan, pool.newest_only(plan.reach), human, np.random.default_rng(seed)).pool


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("chains", [(), (7,)])
@pytest.mark.parametrize("make", [vectors, counts])
def test_a_policy_is_pure_keeps_origins_and_takes_records_that_are_there(name, make, chains):
    policy = made("policies", name)
    pool, human = pool_of(make, chains)
    before = [part.records.array.copy() for part in pool.parts]
    first, again = (mixed(policy, pool, human) for _ in range(2))
    assert np.array_equal(first.records.array, again.records.array)
    assert all(np.array_equal(part.records.array, copy) for part, copy in zip(pool.parts, before, strict=True))
    assert 0 < len(first) == sum(len(part) for part in first.parts)
    assert first.records.array.shape[: len(chains)] == chains
    assert {origin.author for part in first.parts for origin in part.origins} <= {"human", "model"}
    assert first.generation == pool.generation


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_takes_parts_whole_where_it_says_so(name):
    policy = made("policies", name)
    pool, human = pool_of(lambda *asked: vectors(*asked).moments, (7,))
    try:
        taken = mixed(policy, pool, human)
        is_whole = not taken.is_weighted and len(taken.records) == len(taken)
    except BadInput:
        is_whole = False
    assert is_whole == policy.plan(Inventory.of(pool, len(human.training))).is_whole


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_reads_no_further_back_than_it_says(name):
    policy = made("policies", name)
    pool, human = pool_of(vectors, ())
    plan = policy.plan(Inventory.of(pool, len(human.training)))
    whole, near = (mix(plan, of, human, np.random.default_rng(3)).records.array for of in (pool, pool.newest_only(plan.reach)))
    assert np.array_equal(near, whole)


@pytest.mark.parametrize("make", [vectors, counts])
def test_the_share_that_is_asked_for_is_the_share_that_is_there(make):
    pool, human = pool_of(make, (5,), n=40)
    for share in (0.0, 0.1, 0.5, 1.0):
        taken = mixed(read(POLICIES, {"kind": "human_share", "share": share}, "policy"), pool, human, seed=0)
        assert len(taken.human) == round(share * 40) and len(taken) == 40


def test_fixed_rows_stay_and_redrawn_rows_change():
    pool, human = pool_of(vectors, (3,), n=40)
    for rows, same in (("fixed", True), ("redrawn", False)):
        policy = read(POLICIES, {"kind": "human_share", "share": 0.5, "rows": rows}, "policy")
        one, other = (mixed(policy, pool, human, seed).parts[0].records.array for seed in (1, 2))
        assert np.array_equal(one, other) == same


def test_a_subsample_of_counts_is_hypergeometric_in_every_chain():
    chains, n = 20_000, 6
    pool = Counts(np.tile([6, 3, 1], (chains, 1)))
    taken = pool.some(n, np.random.default_rng(0))
    taken = taken.array
    assert (taken.sum(axis=-1) == n).all() and (taken <= pool.array).all()
    means, expected = taken.mean(axis=0), n * np.array([6, 3, 1]) / 10
    variance = n * np.array([0.6 * 0.4, 0.3 * 0.7, 0.1 * 0.9]) * (10 - n) / 9
    assert (np.abs(means - expected) < 4.5 * np.sqrt(variance / chains)).all()  # 4.5 standard errors: a false alarm in 50,000


@pytest.mark.parametrize("name", [name for name in LEARNERS if "text" not in member(LEARNERS, name, "learner").learns])
def test_a_model_keeps_without_pickle_and_the_same_stream_gives_the_same_records(name, tmp_path):
    learner = made("models", name)
    records = LEARNABLE.get(name, {"vectors": vectors, "counts": counts}[learner.learns[0]])(30, (4,))
    model = learner.fit(records, None, None, None, np.random.default_rng(0))
    model.save(tmp_path)
    assert not list(tmp_path.glob("*.pkl"))
    draw = Draw(records=11, temperature=1.0 if name in UNTEMPERED else 0.8)
    one, other = (each.sample(draw, records, np.random.default_rng(5)) for each in (model, learner.load(tmp_path)))
    assert np.array_equal(one.array, other.array) and len(one) == 11
    assert np.isfinite(model.log_prob(records)).all()


def test_every_source_of_numbers_draws_what_it_was_asked_for():
    for name in ("normal", "categorical", "blobs", "regression", "uniform"):
        human = read(SOURCES, {"kind": name, "rows": 12}, "human").open(None, (3,), np.random.default_rng(0))
        assert len(human.training) == 12 and human.training.records.array.shape[0] == 3
