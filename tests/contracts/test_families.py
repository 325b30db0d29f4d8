"""Promises of every member of every family; members are found by themselves."""

import dataclasses
import inspect

import numpy as np
import pytest
from parts_for_contracts import NEEDED, new_part
from scipy.stats import binom

import outcross
from outcross.data.records import Counts, Vectors
from outcross.errors import BadInput
from outcross.measures import ASPECTS, MEASURES, Page, askers, measure
from outcross.models import LEARNERS
from outcross.policies import POLICIES
from outcross.recipe import kind, member, plain, read
from outcross.sources import SOURCES
from outcross.testing.policies import counts, mixed, pool_of, vectors
from outcross.verbs.parts import FAMILIES

EVERY = [(family, name) for family, members in FAMILIES.items() for name in members]


@pytest.mark.parametrize(("family", "name"), EVERY)
def test_a_member_is_called_by_its_class_is_frozen_and_survives_plain_data(family, name):
    instance = new_part(family, name)
    assert kind(instance) == name
    assert read(FAMILIES[family], plain(instance), "part") == instance
    field = dataclasses.fields(instance)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(instance, field[0].name if field else "anything", 1)


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
    instance = new_part(family, name)
    known = [field.name for field in dataclasses.fields(instance)]
    with pytest.raises(BadInput, match="is not known"):
        read(FAMILIES[family], plain(instance) | {"shrae": 1}, "part")
    if known:
        with pytest.raises(BadInput, match=f"did you mean '{known[0]}'"):
            read(FAMILIES[family], plain(instance) | {known[0] + "x": 1}, "part")


def test_reading_names_are_given_by_one_measure_each():
    names = [reading for name in MEASURES for reading in measure(name).pages]
    assert sorted(names) == sorted(set(names))


def interval(n, chains=(), seed=0):
    return Vectors(np.random.default_rng(seed).random((*chains, n, 1)))


LEARNABLE = {"spike": interval}
"""Records for a learner that takes fewer than all of its kind."""


NUMERIC = [
    name
    for name in LEARNERS
    if not ({"text", "labelled", "answers"} & {*(cls := member(LEARNERS, name, "learner")).learns} or cls.trains)
]
"""Learners of numbers that are fitted in closed form, many chains at once; tests/test_vae.py, tests/test_labelling.py and tests/laws/test_surpass.py make the
same promises of others."""


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
        first, second = (mixed(policy, pool, human, seed).parts[0].records.array for seed in (1, 2))
        assert np.array_equal(first, second) == same


def test_a_subsample_of_counts_is_hypergeometric_in_every_chain():
    chains, n = 20_000, 6
    pool = Counts(np.tile([6, 3, 1], (chains, 1)))
    taken = pool.some(n, np.random.default_rng(0))
    taken = taken.array
    assert (taken.sum(axis=-1) == n).all() and (taken <= pool.array).all()
    means, expected = taken.mean(axis=0), n * np.array([6, 3, 1]) / 10
    variance = n * np.array([0.6 * 0.4, 0.3 * 0.7, 0.1 * 0.9]) * (10 - n) / 9
    assert (np.abs(means - expected) < 4.5 * np.sqrt(variance / chains)).all()  # 4.5 standard errors: a false alarm in 50,000


STARTS_AT_ROWS = {"gaussian_mixture"}
"""Learners that draw the rows at which they start: another order of rows is another draw."""


@pytest.mark.parametrize("name", [name for name in NUMERIC if "counts" not in member(LEARNERS, name, "learner").learns])
def test_a_fit_changes_no_record_and_the_order_of_rows_changes_no_fit(name):
    learner = new_part("models", name)
    records = LEARNABLE.get(name, vectors)(30, (4,))
    before, order = records.array.copy(), np.random.default_rng(1).permutation(30)
    first, again, other = (
        learner.fit(Vectors(array), None, None, None, np.random.default_rng(0)).log_prob(records)
        for array in (records.array, records.array, records.array[:, order])
    )
    assert np.array_equal(records.array, before) and np.array_equal(first, again)
    if name not in STARTS_AT_ROWS:
        assert other == pytest.approx(first, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("name", LEARNERS)
def test_human_data_of_a_kind_that_a_learner_does_not_learn_are_refused_with_the_way_out(name):
    learns = member(LEARNERS, name, "learner").learns
    source_of_kind = {
        "vectors": "categorical",
        "blobs": "categorical",
        "pairs": "categorical",
        "counts": "normal",
        "text": "normal",
        "labelled": "normal",
        "rows": "normal",
    }
    source = read(SOURCES, source_of_kind[learns[0]], "human")
    experiment = {
        "name": "small",
        "human": plain(source) | {"rows": 12},
        "learner": {"kind": name} | NEEDED.get(name, {}),
        "generations": 1,
    }
    if "text" not in learns:
        experiment["draw"] = {"prompts": "none"}
    with pytest.raises(BadInput, match=r"choose another learner|does not read|learns"):
        list(outcross.run(outcross.experiment(experiment)))


FALSE_ALARM = 1e-5
"""The chance of each test of a law below; its stream is frozen."""


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_draws_every_human_record_equally_often(name):
    """RUNS mixtures on frozen streams: how often each record is there has a binomial acceptance region, whose chance of alarm all records share."""
    policy, n, runs = new_part("policies", name), 20, 400
    pool, human = pool_of(vectors, (), n=n)
    original = human.training.records.array[:, 0]
    times = np.zeros(n)
    for run in range(runs):
        taken = np.isin(original, mixed(policy, pool, human, seed=run).records.array[:, 0])
        times += taken
    share = times.mean() / runs
    if 0 < share < 1 and not is_fixed(policy, pool, human):
        law = binom(runs, share)
        assert (np.minimum(law.cdf(times), law.sf(times - 1)) > FALSE_ALARM / (2 * n)).all()
    else:
        assert set(times.tolist()) <= {0, runs}


def is_fixed(policy, pool, human):
    """Whether the same human records are taken whatever the stream."""
    first, second = (mixed(policy, pool, human, seed=seed).records.array for seed in (1, 2))
    original = human.training.records.array
    return np.array_equal(np.isin(original, first), np.isin(original, second))
