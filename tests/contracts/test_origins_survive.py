"""Who wrote a record is known after every policy, for every kind of record, in every chain.

Every record of these pools carries a mark of who wrote it in its own content: people write what is marked 0, the model of
generation g what is marked g + 1. So the shares that a pool tells are held against a count of the records themselves.
"""

from collections import Counter

import numpy as np
import pytest

import outcross
from outcross import loop
from outcross.data import HUMAN, Human, Inventory, Made, Origin, Part, Pool, Training, mix, part_of
from outcross.data.records import Counts, Vectors, blocks
from outcross.errors import BadInput
from outcross.policies import POLICIES
from outcross.recipe import read

ROWS, GENERATIONS = 24, 3
NEEDED = {
    "human_share": {"share": 0.25},
    "fresh": {"human": 10},
    "weighted": {"weight": 0.3},
    "detector_weighted": {"share": 0.5, "detector": "oracle", "draws": 1.0},
    "crawl": {"rise": 0.1},
}
"""What a policy cannot be made without; of a crawl, a rise that leaves people and models in the third generation."""


class Points:
    """Points of two numbers: the mark is the integer part of the first."""

    @staticmethod
    def generate(mark, n, chains, seed):
        array = np.random.default_rng(seed).random((*chains, n, 2))
        array[..., 0] += mark
        return Vectors(array)

    @staticmethod
    def marks(records):
        return np.floor(records.array[..., 0]).astype(int)


class RegressionRows(Points):
    """Rows (x, y) with five predictors, the label last."""

    @staticmethod
    def generate(mark, n, chains, seed):
        array = np.random.default_rng(seed).random((*chains, n, 6))
        array[..., 0] += mark
        return Vectors(array)


class States:
    """Counts of states: the states 3 m, 3 m + 1 and 3 m + 2 have the mark m."""

    @staticmethod
    def generate(mark, n, chains, seed):
        counts = np.zeros((*chains, 3 * (GENERATIONS + 1)), dtype=np.int64)
        counts[..., 3 * mark : 3 * mark + 3] = np.random.default_rng(seed).multinomial(n, [0.5, 0.3, 0.2], size=chains or None)
        return Counts(counts)

    @staticmethod
    def marks(records):
        states = np.arange(records.array.shape[-1]) // 3
        each = [np.repeat(states, counts) for counts in records.array.reshape(-1, states.size)]
        return np.array(each).reshape(*records.array.shape[:-1], -1)


class Text:
    """Blocks of text: the tokens of a block are 100 m and more, below 100 (m + 1)."""

    @staticmethod
    def generate(mark, n, chains, seed):
        tokens = np.random.default_rng(seed).integers(100 * mark, 100 * (mark + 1), size=(n, 4)).astype(np.int32)
        return blocks(tokens, [" ".join(map(str, row)) for row in tokens], np.full(n, 12))

    @staticmethod
    def marks(records):
        return records.tokens[:, 0] // 100


KINDS = {"points": Points, "regression rows": RegressionRows, "counts": States, "text": Text}
CASES = [(kind, chains) for kind in KINDS for chains in ((), (5,)) if kind != "text" or not chains]
EVERY_POLICY = [
    pytest.param(name, kind, chains, id=f"{name}-{kind}-{'one chain' if not chains else 'five chains'}")
    for name in POLICIES
    for kind, chains in CASES
]


class Marked:
    """What people go on to write."""

    def __init__(self, kind):
        self.kind = kind

    def draw(self, n, chains, rng):
        return self.kind.generate(0, n, chains, int(rng.integers(2**31)))


def pool_of(kind, chains):
    """A pool of the human records and of three generations of models, and the human data."""
    training = part_of(HUMAN, kind.generate(0, ROWS, chains, 1), "human")
    pool = Pool((training,))
    for g in range(GENERATIONS):
        records = kind.generate(g + 1, ROWS, chains, 10 + g)
        pool += Part(Origin("model", f"model {g}", g), Made(f"drawn {g}", ROWS, lambda records=records: records), ROWS)
    return pool, Human(training=training, truth=Marked(kind), chains=chains)


def mixed(name, kind, chains):
    pool, human = pool_of(kind, chains)
    plan = read(POLICIES, {"kind": name} | NEEDED.get(name, {}), "policy").plan(Inventory.of(pool, ROWS))
    return mix(plan, pool, human, np.random.default_rng(3)).pool


def marks_of(pool, kind):
    """The mark of every record of a pool, part by part, (chains…, n)."""
    return np.concatenate([kind.marks(part.records) for part in pool.parts], axis=-1)


@pytest.mark.parametrize(("name", "kind", "chains"), EVERY_POLICY)
def test_the_synthetic_share_is_that_of_the_records(name, kind, chains):
    pool = mixed(name, KINDS[kind], chains)
    assert pool.synthetic_share == pytest.approx((marks_of(pool, KINDS[kind]) > 0).mean(), abs=1e-12)


@pytest.mark.parametrize(("name", "kind", "chains"), EVERY_POLICY)
def test_the_human_share_is_that_of_the_records(name, kind, chains):
    pool = mixed(name, KINDS[kind], chains)
    assert Training(pool).human_share == pytest.approx((marks_of(pool, KINDS[kind]) == 0).mean(), abs=1e-12)


@pytest.mark.parametrize(("name", "kind", "chains"), EVERY_POLICY)
def test_the_two_shares_are_the_whole(name, kind, chains):
    pool = mixed(name, KINDS[kind], chains)
    assert pool.synthetic_share + Training(pool).human_share == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", POLICIES)
def test_in_one_chain_every_part_says_who_wrote_its_records(name, kind):
    pool = mixed(name, KINDS[kind], ())
    rows_by_mark: Counter[int] = Counter()
    for part in pool.parts:
        assert part.origin.author in ("human", "model")
        rows_by_mark[0 if part.origin.author == "human" else part.origin.generation + 1] += len(part)
    assert rows_by_mark == Counter(marks_of(pool, KINDS[kind]).tolist())


@pytest.mark.parametrize("name", POLICIES)
def test_moments_are_taken_whole_and_keep_their_origins_or_are_refused(name):
    pool, human = pool_of(Points, (5,))
    whole = Pool(tuple(part_of(part.origin, part.records.moments) for part in pool.parts), pool.generation)
    human = Human(training=whole.parts[0], truth=Summaries(), chains=(5,))
    policy = read(POLICIES, {"kind": name} | NEEDED.get(name, {}), "policy")
    plan = policy.plan(Inventory.of(whole, ROWS))
    if not plan.is_whole:
        source = {"distribution": "normal", "records": "moments"}
        with pytest.raises(BadInput, match="moments"):
            outcross.experiment({"name": "refused", "human": source, "learner": "gaussian", "policy": policy})
        return
    taken = mix(plan, whole, human, np.random.default_rng(3)).pool
    people = sum(part.records.n for part in taken.parts if part.origin.author == "human")
    assert Training(taken).human_share == people / sum(part.records.n for part in taken.parts)
    assert taken.synthetic_share == pytest.approx(1 - Training(taken).human_share)


class Summaries:
    """What people go on to write, as moments."""

    def draw(self, n, chains, rng):
        return Points.generate(0, n, chains, int(rng.integers(2**31))).moments


@pytest.mark.parametrize("chains", [1, 3])
@pytest.mark.parametrize("policy", ["accumulate_subsample", {"kind": "crawl", "rise": 0.3}])
def test_a_run_knows_what_share_of_its_training_sets_people_wrote(policy, chains, tmp_path):
    experiment = outcross.experiment(
        {
            "name": "shares",
            "human": {"distribution": "normal", "rows": ROWS},
            "learner": "gaussian",
            "policy": policy,
            "generations": 4,
            "chains": chains,
            "metrics": ["fitted_law"],
        }
    )
    for _ in range(2):  # the second time everything is loaded
        for generation in loop.run(experiment, outcross.Ledger(tmp_path)):
            people = generation.human.training.records.array.reshape(chains, -1)
            learned = generation.training.value.records.array.reshape(chains, -1)
            share = np.mean([np.isin(own, human) for own, human in zip(learned, people, strict=True)])
            assert generation.training.value.human_share == pytest.approx(share, abs=1e-12)
            assert generation.training.value.pool.synthetic_share == pytest.approx(1 - share, abs=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_a_share_that_cannot_be_known_is_not_applicable(kind):
    people, unknown = (
        part_of(Origin(author), KINDS[kind].generate(0, ROWS, (), i)) for i, author in enumerate(("human", "unknown"))
    )
    pool = Pool((people, unknown))
    for share in (lambda: pool.synthetic_share, lambda: Training(pool).human_share):
        with pytest.raises(outcross.NotApplicable):
            share()
