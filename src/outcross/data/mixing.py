"""Draw the training set of a plan."""

from __future__ import annotations

import numpy as np

from outcross.data.human import Human
from outcross.data.plans import Plan, Take
from outcross.data.pools import AnyPart, Pool, Training
from outcross.errors import BadInput

FIXED = 0x0C
"""The random stream of a choice that is the same at every generation."""


def mix(plan: Plan, pool: Pool, human: Human, rng: np.random.Generator) -> Training:
    """Draw the training set of a plan from a pool and from fresh human records. Every record keeps its origin.

    The takes are drawn in order from one random stream. Raises BadInput if there are fewer records than a take requests.
    """
    if any(take.align for take in plan.takes):
        return Training(Pool(_aligned(plan, pool, human, rng), pool.generation))
    parts = (part for take in plan.takes for part in _taken(take, pool, human, rng))
    return Training(Pool(tuple(part for part in parts if len(part)), pool.generation))


def _aligned(plan: Plan, pool: Pool, human: Human, rng: np.random.Generator) -> tuple[AnyPart, ...]:
    """Return the newest records, with human continuations in place of as many of them as the plan requests."""
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
    """Draw records without replacement. If more are requested than there are, all records are used equally often, to within one."""
    if take.rows > len(there) * take.max_repeats:
        raise BadInput(f"{take.rows} records were requested of {len(there)}; lower the share or the rows, or add data")
    copies, rest = divmod(take.rows, len(there))
    whole = there.parts * copies
    if rest == 0:
        return whole
    if len(there.parts) == 1 and (take.what == "human" or take.back == 1):
        return (*whole, there.parts[0].some(rest, rng))  # a single part keeps the order of the draw
    return (*whole, *there.some(rest, rng).parts)


def _weighted(parts: tuple[AnyPart, ...], each: float) -> tuple[AnyPart, ...]:
    return tuple(part.weighted(each) for part in parts)
