"""Draw what a plan says."""

from __future__ import annotations

import numpy as np

from outcross.data.human import Human
from outcross.data.plans import Plan, Take
from outcross.data.pools import AnyPart, Pool, Training
from outcross.errors import BadInput

FIXED = 0x0C
"""The stream of a choice that is the same at every generation."""


def mix(plan: Plan, pool: Pool, human: Human, rng: np.random.Generator) -> Training:
    """The training set that a plan says, drawn from a pool and from fresh human records: every record keeps its origin.

    The takes are drawn in their order from one stream. BadInput where there are fewer records than a take asks for.
    """
    if any(take.align for take in plan.takes):
        return Training(Pool(_aligned(plan, pool, human, rng), pool.generation))
    parts = (part for take in plan.takes for part in _taken(take, pool, human, rng))
    return Training(Pool(tuple(part for part in parts if len(part)), pool.generation))


def _aligned(plan: Plan, pool: Pool, human: Human, rng: np.random.Generator) -> tuple[AnyPart, ...]:
    """Human continuations in place of as many of the newest records."""
    wanted = sum(take.rows for take in plan.takes if take.what == "human")
    written, others = human.aligned(pool.newest, wanted, rng)
    return (written, *others.parts)


def _taken(take: Take, pool: Pool, human: Human, rng: np.random.Generator) -> tuple[AnyPart, ...]:
    if take.rows == 0:
        return ()
    if take.what == "fresh":
        parts: tuple[AnyPart, ...] = (human.fresh(take.rows, rng),)
    else:
        stream = np.random.default_rng(FIXED) if take.choice == "fixed" else rng
        parts = _drawn(take, _candidates(take, pool), stream)
    return parts if take.weight is None else _weighted(parts, take.weight / take.rows)


def _candidates(take: Take, pool: Pool) -> Pool:
    if take.what == "all":
        return pool
    return pool.human if take.what == "human" else pool.back(take.back)


def _drawn(take: Take, there: Pool, rng: np.random.Generator) -> tuple[AnyPart, ...]:
    """So many records of what there is: each as often as the others, up to once, and without replacement."""
    if take.rows > len(there) * take.max_repeats:
        raise BadInput(f"{take.rows} records were asked of {len(there)}; lower the share or the rows, or add data")
    copies, rest = divmod(take.rows, len(there))
    whole = there.parts * copies
    if rest == 0:
        return whole
    if len(there.parts) == 1 and (take.what == "human" or take.back == 1):
        return (*whole, there.parts[0].some(rest, rng))  # one part keeps the order in which its rows were drawn
    return (*whole, *there.some(rest, rng).parts)


def _weighted(parts: tuple[AnyPart, ...], each: float) -> tuple[AnyPart, ...]:
    return tuple(part.weighted(each) for part in parts)
