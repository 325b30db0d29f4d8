"""Promises of every member of every family; members are found by themselves."""

import dataclasses
import inspect

import numpy as np
import pytest
from scipy.stats import binom, norm

import outcross
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
    "verify": {"score": "q", "at_least": 0.5},
    "star": {"columns": ["label"]},
    "importance": {"detector": "oracle"},
    "path": {"path": "text.txt"},
    "hub": {"hub": "someone/something"},
    "best_of": {"by": "words"},
    "route": {"rule": "random"},
    "decontaminate": {"path": "test.jsonl"},
    "watermark": {"tokenizer": "folder"},
    "blend": {"detectors": ["classifier", "ngram"]},
    "server": {"url": "http://localhost:9/v1", "model": "someone"},
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


NUMERIC = [name for name in LEARNERS if not ("text" in (cls := member(LEARNERS, name, "learner")).learns or cls.trains)]
"""Learners of numbers that are fitted in closed form, many chains at once; tests/test_vae.py makes the same promises of one that trains."""


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


@pytest.mark.parametrize("name", NUMERIC)
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


STARTS_AT_ROWS = {"gaussian_mixture"}
"""Learners that draw the rows at which they start: another order of rows is another draw."""


@pytest.mark.parametrize("name", [name for name in NUMERIC if "counts" not in member(LEARNERS, name, "learner").learns])
def test_a_fit_changes_no_record_and_the_order_of_rows_changes_no_fit(name):
    learner = made("models", name)
    records = LEARNABLE.get(name, vectors)(30, (4,))
    before, order = records.array.copy(), np.random.default_rng(1).permutation(30)
    one, again, other = (
        learner.fit(Vectors(array), None, None, None, np.random.default_rng(0)).log_prob(records)
        for array in (records.array, records.array, records.array[:, order])
    )
    assert np.array_equal(records.array, before) and np.array_equal(one, again)
    if name not in STARTS_AT_ROWS:
        assert other == pytest.approx(one, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("name", LEARNERS)
def test_human_data_of_a_kind_that_a_learner_does_not_learn_are_refused_with_the_way_out(name):
    learns = member(LEARNERS, name, "learner").learns
    told = {"vectors": "categorical", "blobs": "categorical", "pairs": "categorical", "counts": "normal", "text": "normal"}
    source = read(SOURCES, told[learns[0]], "human")
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


OF_NUMBERS = [name for name in SOURCES if not member(SOURCES, name, "source").is_text and name not in ("array", "images")]
"""Sources that are distributions."""
DRAWS = 4_000
FALSE_ALARM = 1e-5
"""The chance of each test of a law below; its stream is frozen."""


@pytest.mark.parametrize("name", OF_NUMBERS)
@pytest.mark.parametrize("chains", [(), (3,)])
def test_a_source_of_numbers_draws_what_it_was_asked_for_and_the_same_from_the_same_stream(name, chains):
    source = read(SOURCES, {"kind": name, "rows": 12}, "human")
    one, again, other = (source.open(None, chains, np.random.default_rng(stream)).training for stream in (0, 0, 1))
    assert len(one) == 12 and one.records.chains == chains
    assert np.array_equal(one.records.array, again.records.array) and not np.array_equal(one.records.array, other.records.array)
    assert {origin.author for origin in one.origins} == {"human"}


@pytest.mark.parametrize("name", OF_NUMBERS)
def test_a_source_of_numbers_draws_from_the_law_that_it_names(name):
    """Means of numbers by their standard error, counts of states by their binomial law: DRAWS records, FALSE_ALARM split over what is compared."""
    truth = read(SOURCES, name, "human").truth
    drawn = truth.draw(DRAWS, (), np.random.default_rng(5))
    if isinstance(drawn, Counts):
        law = binom(DRAWS, truth.probabilities)
        assert (np.minimum(law.cdf(drawn.array), law.sf(drawn.array - 1)) > FALSE_ALARM / (2 * drawn.array.size)).all()
        return
    covariance = np.asarray(truth.covariance)
    apart = (drawn.array.mean(axis=0) - truth.mean) / np.sqrt(np.diagonal(covariance) / DRAWS)
    assert np.abs(apart).max() < norm.isf(FALSE_ALARM / (2 * apart.size))
    values, vectors_ = np.linalg.eigh(covariance)
    squares = np.square((drawn.array - truth.mean) @ vectors_ / np.sqrt(values))  # of mean 1 in every direction
    errors = squares.std(axis=0, ddof=1) / np.sqrt(DRAWS)
    assert np.abs((squares.mean(axis=0) - 1) / errors).max() < norm.isf(FALSE_ALARM / (2 * len(values)))


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_draws_every_human_record_equally_often(name):
    """RUNS mixtures on frozen streams: how often each record is there has a binomial acceptance region, whose chance of alarm all records share."""
    policy, n, runs = made("policies", name), 20, 400
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
    one, other = (mixed(policy, pool, human, seed=seed).records.array for seed in (1, 2))
    original = human.training.records.array
    return np.array_equal(np.isin(original, one), np.isin(original, other))
