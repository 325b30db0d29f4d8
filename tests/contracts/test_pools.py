"""Promises of pools: parts know their generation, records have weights of their own, and a blind pool tells nothing of who wrote it."""

import gc
import json
import pickle
from types import FunctionType, ModuleType

import numpy as np
import pytest

import outcross
from outcross.data import HUMAN, Human, Inventory, Made, Origin, Part, Plan, Pool, Take, Training, mix, part_of
from outcross.data.records import Counts, Vectors, blocks
from outcross.errors import BadInput
from outcross.models.gaussian import Gaussian

ROWS = 12


def points(seed, chains=(), n=ROWS):
    return Vectors(np.random.default_rng(seed).standard_normal((*chains, n, 2)))


def counts(seed, chains=(), n=ROWS):
    return Counts(np.random.default_rng(seed).multinomial(n, [0.5, 0.3, 0.2], size=chains or None))


def text(seed, chains=(), n=ROWS):
    """Blocks of people, which say what document they are cut from and the group that it is of."""
    tokens = np.random.default_rng(seed).integers(0, 50, size=(n, 4)).astype(np.int32)
    texts = [" ".join(map(str, row)) for row in tokens]
    return blocks(tokens, texts, np.full(n, 12), document=np.arange(n), group=np.full(n, "letters", dtype=object))


def moments(seed, chains=(), n=ROWS):
    return points(seed, chains, n).moments


KINDS = {"points": points, "counts": counts, "moments": moments, "text": text}
CASES = [(kind, chains) for kind in KINDS for chains in ((), (3,)) if kind != "text" or not chains]


def written(make, g, teacher, chains=(), seed=None):
    records = make(10 * g + teacher if seed is None else seed, chains)
    return Part(Origin("model", f"teacher {teacher} of {g}", g), Made(f"step {teacher} {g} {seed}", ROWS, lambda: records), ROWS)


def test_two_teachers_of_one_generation_are_two_parts_of_the_newest_generation():
    pool = Pool((part_of(HUMAN, points(99), "human"),))
    for g in range(3):
        pool += Pool((written(points, g, 0), written(points, g, 1)))
    assert pool.generation == 3 and len(pool.human) == ROWS and len(pool.models) == 6 * ROWS
    assert [part.origin.model for part in pool.newest.parts] == ["teacher 0 of 2", "teacher 1 of 2"]
    assert {part.origin.generation for part in pool.back(2).parts} == {1, 2}
    there = Inventory.of(pool, ROWS)
    assert (there.newest, there.written()) == (2 * ROWS, 6 * ROWS)
    human = Human(training=pool.parts[0])
    replaced = mix(outcross.experiment(EXPERIMENT).policy.plan(there), pool, human, np.random.default_rng(0))
    assert [part.origin.model for part in replaced.pool.parts] == ["teacher 0 of 2", "teacher 1 of 2"]
    some = mix(Plan((Take(what="models", rows=9, back=1, choice="redrawn"),)), pool, human, np.random.default_rng(0)).pool
    assert len(some) == 9 and {part.origin.generation for part in some.parts} == {2}


EXPERIMENT = {"name": "teachers", "human": {"distribution": "normal"}, "learner": "gaussian"}


def test_before_any_model_wrote_the_newest_records_are_the_human_ones():
    pool = Pool((part_of(HUMAN, points(1)),))
    assert pool.newest.parts == pool.human.parts == pool.parts and len(pool.models) == 0


def test_a_part_that_does_not_say_its_generation_is_of_the_one_that_it_joins():
    pool = Pool((part_of(HUMAN, points(1)),)) + part_of(Origin("model"), points(2)) + part_of(Origin("model"), points(3))
    assert [part.origin.generation for part in pool.parts] == [None, 0, 1] and len(pool.newest) == ROWS


def test_every_record_has_a_weight_of_its_own():
    weights = np.arange(1.0, ROWS + 1)
    part = part_of(HUMAN, points(1))
    weighed = Part(HUMAN, part.source, ROWS, None, weights)
    taken = weighed.take(np.array([3, 3, 0]))
    assert taken.weights is not None and taken.weights.tolist() == [4.0, 4.0, 1.0]
    pool = Pool((weighed, part_of(HUMAN, points(2))))
    expected = np.concatenate([weights, np.ones(ROWS)])
    np.testing.assert_allclose(Training(pool).weights, expected / expected.mean())
    assert weighed.digest != part.digest != Part(HUMAN, part.source, ROWS, None, weights[::-1]).digest


@pytest.mark.parametrize("weights", [np.arange(1.0, ROWS + 1), np.full(ROWS, 0.1)])
def test_weights_are_stored_to_the_bit(weights, tmp_path):
    training = Training(Pool((Part(HUMAN, Made("step", ROWS, lambda: points(1)), ROWS, None, weights),)))
    training.save(tmp_path)
    again = Training.load(tmp_path, {"step": Made("step", ROWS, lambda: points(1))})
    assert np.array_equal(again.pool.parts[0].weights, weights) and again.pool.digest == training.pool.digest


def test_counts_are_weighed_by_one_number_a_part():
    part = part_of(HUMAN, counts(1))
    assert np.array_equal(Pool((part.weighted(0.5),)).records.array, part.records.array * 0.5)
    with pytest.raises(BadInput, match="counts have no rows, so that their weights cannot differ"):
        _ = Pool((Part(HUMAN, part.source, ROWS, None, np.arange(1.0, ROWS + 1)),)).records


@pytest.mark.parametrize(("kind", "chains"), CASES)
def test_a_part_at_hand_is_known_by_its_content(kind, chains):
    same, again, other = (part_of(HUMAN, KINDS[kind](seed, chains)) for seed in (1, 1, 2))
    assert same.digest == again.digest != other.digest


@pytest.mark.parametrize(("kind", "chains"), CASES)
def test_a_subsample_survives_storage_with_its_origins(kind, chains, tmp_path):
    if kind == "moments":
        pytest.skip("moments are taken whole")
    pool = Pool((Part(HUMAN, Made("human", ROWS, lambda: KINDS[kind](0, chains)), ROWS),))
    for g in range(2):
        pool += written(KINDS[kind], g, 0, chains)
    training = Training(pool.some(20, np.random.default_rng(0)))
    training.save(tmp_path)
    again = Training.load(tmp_path, {leaf.source.digest: leaf.source for part in pool.parts for leaf in part.leaves})
    assert again.pool.digest == training.pool.digest and again.records.digest == training.records.digest
    assert again.pool.by_author == training.pool.by_author
    twice = [Training(stored.pool.some(7, np.random.default_rng(1))) for stored in (training, again)]
    assert twice[0].records.digest == twice[1].records.digest and twice[0].human_share == twice[1].human_share


def test_the_authors_of_a_subsample_stand_beside_its_rows():
    pool = Pool((part_of(HUMAN, Vectors(np.zeros((3, ROWS, 1)))),)) + part_of(Origin("model"), Vectors(np.ones((3, ROWS, 1))))
    (part,) = pool.some(9, np.random.default_rng(0)).parts
    assert np.array_equal(part.authors, part.records.array[..., 0])
    (again,) = (
        Pool((part, part_of(Origin("model", generation=4), Vectors(np.full((3, 5, 1), 2.0)))))
        .some(8, np.random.default_rng(1))
        .parts
    )
    assert np.array_equal(again.authors, again.records.array[..., 0])


def test_the_states_of_a_subsample_of_counts_have_authors_by_the_hypergeometric_law():
    chains = 20_000
    people, model = (np.tile(row, (chains, 1)) for row in ([6, 2], [2, 6]))
    pool = Pool((part_of(HUMAN, Counts(people)),)) + part_of(Origin("model"), Counts(model))
    (part,) = pool.some(8, np.random.default_rng(0)).parts
    by_origin = dict(part.counts)
    assert np.array_equal(sum(by_origin.values()), part.records.array)
    # 8 of 16 records, 8 of them human: the mean is 4, the variance 8 (1/2) (1/2) (8/15); 4.5 standard errors: a false alarm in 150,000
    human = by_origin[HUMAN].sum(axis=-1)
    assert abs(human.mean() - 4) < 4.5 * np.sqrt(16 / 15 / chains)
    assert (by_origin[HUMAN] <= people).all() and (part.records.array - by_origin[HUMAN] <= model).all()


# Blind pools.


def two_pools(kind, chains=()):
    """Pools of the same records, of which people and models have changed places."""
    for people, model in ((1, 2), (2, 1)):
        yield Pool((part_of(HUMAN, KINDS[kind](people, chains)),)) + written(KINDS[kind], 0, 0, chains, seed=model)


def reachable(value):
    """Everything that can be reached from a value, without classes, modules and functions of modules."""
    seen, waiting = {}, [value]
    while waiting:
        each = waiting.pop()
        if id(each) in seen or isinstance(each, type | ModuleType):
            continue
        if isinstance(each, FunctionType) and each.__closure__ is None:
            continue
        seen[id(each)] = each
        waiting += gc.get_referents(each)
        waiting += [each.base] if isinstance(each, np.ndarray) else []
    return list(seen.values())


@pytest.mark.parametrize(("kind", "chains"), CASES)
def test_blind_pools_of_the_same_records_are_the_same_to_the_byte_whoever_wrote_them(kind, chains):
    first, second = (pool.blind() for pool in two_pools(kind, chains))
    assert pickle.dumps(first) == pickle.dumps(second)
    assert first.digest == second.digest and len(first) == len(second) == 2 * ROWS
    described = [
        json.dumps([str(part.origin), part.size, part.digest, part.rows is None]) for pool in (first, second) for part in pool.parts
    ]
    assert described[0] == described[1] and len(described) == 2


@pytest.mark.parametrize(("kind", "chains"), CASES)
def test_nothing_that_a_blind_pool_leads_to_knows_who_wrote_a_record(kind, chains):
    for pool in two_pools(kind, chains):
        blind = pool.blind()
        _ = blind.records, blind.digest
        authors = {each.author for each in reachable(blind) if isinstance(each, Origin)}
        assert authors == {"unknown"}
        assert not any(each is part or each is part.source for each in reachable(blind) for part in pool.parts)
        for said in (repr(blind), pickle.dumps(blind)):
            assert not any((word if isinstance(said, str) else word.encode()) in said for word in ("human", "teacher", "step 0"))


@pytest.mark.parametrize(("kind", "chains"), CASES)
def test_a_blind_pool_holds_the_records_and_no_column_of_provenance(kind, chains):
    pool = next(two_pools(kind, chains))
    blind = pool.blind().records
    if kind == "text":
        assert sorted(blind.texts) == sorted(pool.records.texts)
        assert set(blind.column("_document")) == {-1} and set(blind.column("_group")) == {""}
    elif kind == "points":
        assert np.array_equal(np.sort(blind.array, axis=None), np.sort(pool.records.array, axis=None))
    else:
        assert len(blind) == len(pool.records)


def test_what_is_trained_on_a_blind_pool_cannot_depend_on_who_wrote_it():
    models = [
        Gaussian().fit(Training(pool.blind()).records, None, None, None, np.random.default_rng(0)) for pool in two_pools("points")
    ]
    assert np.array_equal(models[0].mean, models[1].mean) and np.array_equal(models[0].covariance, models[1].covariance)


@pytest.mark.parametrize("share", ["synthetic_share", "human_share"])
def test_the_shares_of_a_blind_pool_are_not_applicable(share):
    with pytest.raises(outcross.NotApplicable, match="the author of 24 of 24 is unknown"):
        getattr(Training(next(two_pools("points")).blind()), share)


def test_a_weighted_pool_cannot_be_blind():
    with pytest.raises(BadInput, match="weights show who wrote a record"):
        Pool((part_of(HUMAN, points(1)).weighted(0.5),)).blind()
