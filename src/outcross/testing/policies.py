"""The promises of policies."""

from __future__ import annotations

from typing import Any

import numpy as np

from outcross import own_parts
from outcross.data import HUMAN, Human, Inventory, Made, Origin, Part, Plan, Pool, mix, part_of
from outcross.data.records import Counts, Vectors
from outcross.errors import BadInput
from outcross.testing.promises import Broken, promise, require, unchanged


def vectors(n: int, chains: tuple[int, ...] = (), seed: int = 0, d: int = 2) -> Vectors:
    return Vectors(np.random.default_rng(seed).standard_normal((*chains, n, d)))


def counts(n: int, chains: tuple[int, ...] = (), seed: int = 0) -> Counts:
    return Counts(np.random.default_rng(seed).multinomial(n, [0.5, 0.3, 0.2], size=chains or None))


class Fixed:
    """A stand-in for a distribution, which draws with a function of the number of records, the chains and a seed."""

    def __init__(self, make: Any):
        self.make = make

    def draw(self, n: int, chains: tuple[int, ...], rng: np.random.Generator) -> Any:
        return self.make(n, chains, int(rng.integers(2**31)))


def pool_of(make: Any, chains: tuple[int, ...], generations: int = 3, n: int = 20) -> tuple[Pool, Human]:
    """A pool of human records and of the records of several generations of models, and the human data."""
    training = part_of(HUMAN, make(n, chains, 1), "human")
    human = Human(training=training, truth=Fixed(make), chains=chains)
    pool = Pool((training,))
    for g in range(generations):
        records = make(n, chains, 10 + g)
        pool += Part(Origin("model", f"m{g}", g), Made(f"drawn {g}", n, lambda records=records: records), n)
    return pool, human


def planned(policy: Any, pool: Pool, human: Human) -> Plan:
    """The plan of a policy for a pool."""
    plan = policy.plan(Inventory.of(pool, len(human.training)))
    if not isinstance(plan, Plan):
        raise Broken(f"it must return a Plan, got {plan!r:.80}", "plan")
    return plan


def mixed(policy: Any, pool: Pool, human: Human, seed: int = 3) -> Pool:
    """The records that are drawn by the plan of a policy."""
    plan = planned(policy, pool, human)
    plan.check(Inventory.of(pool, len(human.training)), type(policy).__name__)
    return mix(plan, pool.newest_only(plan.reach), human, np.random.default_rng(seed)).pool


KINDS = [(make, chains) for make in (vectors, counts) for chains in ((), (7,))]


@promise("It makes the same plan for the same inventory, and changes neither the inventory nor any record.")
def is_pure(policy: Any) -> None:
    inventory = Inventory(3, 20, np.array([0, 20, 40, 60]))
    is_same = unchanged([inventory.totals])
    first, again = policy.plan(inventory), policy.plan(inventory)
    require(first == again, f"it planned {first}, and then {again} for the same inventory", "plan")
    require(is_same(), "it changed the inventory", "plan")
    for make, chains in KINDS:
        pool, human = pool_of(make, chains)
        is_same = unchanged([part.records.array for part in pool.parts])
        records, other = (mixed(policy, pool, human).records.array for _ in range(2))
        require(np.array_equal(records, other), "the same stream drew other records", "plan")
        require(is_same(), "it changed records of the pool", "plan")


@promise("It takes at least one record, takes only records of the pool, and keeps their origins.")
def takes_what_is_there(policy: Any) -> None:
    for make, chains in KINDS:
        pool, human = pool_of(make, chains)
        try:
            training = mixed(policy, pool, human)
        except BadInput as error:
            if own_parts.blame(error):
                raise
            raise Broken(str(error), "plan") from None
        require(0 < len(training) == sum(len(part) for part in training.parts), "it takes no record", "plan")
        require(training.records.array.shape[: len(chains)] == chains, "its records have other chains than the pool", "plan")
        authors = {origin.author for part in training.parts for origin in part.origins}
        require(authors <= {"human", "model"}, f"the records have the authors {authors}", "plan")
        require(training.generation == pool.generation, "the generation of the pool is lost", "plan")


@promise("Its plan says in advance how many records, and how many human ones, are drawn.")
def draws_what_it_plans(policy: Any) -> None:
    for generations in (1, 2, 5):
        pool, human = pool_of(vectors, (), generations)
        plan, training = planned(policy, pool, human), mixed(policy, pool, human, 0)
        require(len(training) == len(plan) > 0, f"the plan says {len(plan)} records, but {len(training)} are drawn", "plan")
        if all(take.what != "all" for take in plan.takes):
            require(
                len(training.human) == plan.human_rows + plan.fresh_rows,
                "the number of human records differs from the plan",
                "plan",
            )
            oldest = min((part.origin.generation or 0 for part in training.models.parts), default=generations)
            require(plan.reach is None or oldest >= generations - plan.reach, "it reads further back than its plan says", "plan")
        require(training.is_weighted == any(take.weight is not None for take in plan.takes), "weights differ from the plan", "plan")


@promise("It reads no older generations than its plan says.")
def reads_no_further_back(policy: Any) -> None:
    pool, human = pool_of(vectors, ())
    plan = planned(policy, pool, human)
    whole, near = (
        mix(plan, pool_read, human, np.random.default_rng(3)).records.array for pool_read in (pool, pool.newest_only(plan.reach))
    )
    require(np.array_equal(near, whole), "older generations than the plan reads change what is drawn", "plan")


@promise("It takes whole parts if its plan says so, and single records if not.")
def takes_parts_whole(policy: Any) -> None:
    pool, human = pool_of(lambda *asked: vectors(*asked).moments, (7,))
    try:
        training = mixed(policy, pool, human)
        is_whole = not training.is_weighted and len(training.records) == len(training)
    except BadInput:
        is_whole = False
    require(is_whole == planned(policy, pool, human).is_whole, "the plan says otherwise", "plan")


def outcome(policy: Any) -> str:
    """The plans of a policy, to be compared with those in another process."""
    inventories = [Inventory(g, 20, np.arange(g + 1) * 20) for g in (1, 2, 5)]
    return repr([policy.plan(inventory) for inventory in inventories])


PROMISES = (is_pure, takes_what_is_there, draws_what_it_plans, reads_no_further_back, takes_parts_whole)
