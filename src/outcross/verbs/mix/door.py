"""The audit at the door: the finished mix against its human pools, as its targets ask for them.

A share that a target raised on purpose is no loss, and neither is what goes with it: with more women there are fewer husbands. So the mix is held against human rows that a draw
by the same shares, bounds and means would bring: each human row is kept with a chance that makes them so. What targets like another file ask for, and attributes of texts, is in no
column that a person could read, so that the human rows stay as they are and the audit says it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from outcross.errors import BadInput
from outcross.verbs.mix.aims import Between, GroupTarget, NeedTarget, NumberTarget, Target
from outcross.verbs.mix.asked import MixRecipe
from outcross.verbs.mix.candidates import CandidateStore
from outcross.verbs.mix.provenance import PROVENANCE

if TYPE_CHECKING:
    import polars

RAKED = 30
"""Times that the weights go through several targets."""
STREAM = 0xD002
"""The random stream of the human rows that are kept."""


def at_the_door(asked: MixRecipe, store: CandidateStore, mixed: polars.DataFrame) -> dict[str, Any]:
    """What the mix has lost of what its human pools hold, before any filter and as its targets ask for it: the sentence, and the checks that are lost.

    BadInput where there are too few human rows, or an aspect is not known. The human rows of the mix are among those that it is held against.
    """

    from outcross.verbs.audit.answer import audit

    human = store.frame([*store.schema], np.flatnonzero(store.authors == "human"))
    if not human.height:
        raise BadInput(
            "audit holds the mix against its human rows, and no pool has any; give one of origin: human, or leave audit out"
        )
    own = mixed.drop(PROVENANCE, strict=False)
    people = as_asked(human, asked.targets, np.random.default_rng([STREAM, asked.seed]))
    try:
        result = audit(own, name="mix", reference=people, aspects=asked.audit, groups=asked.groups, seed=asked.seed)
    except BadInput as error:
        raise BadInput(f"audit of the mix: {error}") from None
    plain = result.plain()
    return {
        "aspects": list(asked.audit),
        "n": plain["n"],
        "human_rows": {"all": human.height, "as_asked": people.height, "not_followed": not_followed(asked.targets, human.columns)},
        "summary": plain["summary"],
        "lost": plain["lost"],
        "checks": [check for check in plain["checks"] if check["verdict"] in ("lost", "invented")],
        "judged": {verdict: sum(check["verdict"] == verdict for check in plain["checks"]) for verdict in ("lost", "invented", "kept", "cannot_tell", "not_applicable")},
    }  # fmt: skip


def as_asked(human: polars.DataFrame, targets: Sequence[Target], rng: np.random.Generator) -> polars.DataFrame:
    """Human rows as a draw by the targets would bring them: by shares of a column, and bounds and a mean of a column of numbers.

    Each row has a weight under which every share and mean is as asked (raking, Deming and Stephan 1940; a mean by a weight exp(t x)), and is kept with a
    chance of that weight over the greatest. Rows kept so are a sample of the law that was asked for. Shares within their bounds, and values that no human row has, ask for nothing.
    """
    followed = [target for target in targets if _is_followed(target, human.columns)]
    weights = np.ones(human.height)
    for _ in range(RAKED if len(followed) > 1 else 1):
        for target in followed:
            weights = weights * _factors(target, human, weights)
    if not followed or not weights.any():
        return human
    return human.filter(rng.random(human.height) < weights / weights.max())


def not_followed(targets: Sequence[Target], columns: Sequence[str]) -> list[str]:
    """The targets that the human rows do not follow, by their names."""
    return [target.name for target in targets if not _is_followed(target, columns)]


def _is_followed(target: Target, columns: Sequence[str]) -> bool:
    """Whether a target asks for shares of all rows or for numbers of a column that human rows have; what an audit found missing is brought up to the human share, so that human rows are as it asks."""
    if isinstance(target, GroupTarget):
        return target.among is None and target.column in columns
    if isinstance(target, NumberTarget):
        return target.attribute is None and target.column in columns
    return isinstance(target, NeedTarget)


def _factors(target: Target, human: polars.DataFrame, weights: np.ndarray) -> np.ndarray:
    """By how much the weight of each row is to be multiplied, (rows,)."""
    if isinstance(target, GroupTarget):
        return _of_shares(target, human[target.column], weights)
    if isinstance(target, NumberTarget):
        return _of_numbers(target, human[str(target.column)], weights)
    return np.ones(weights.size)


def _of_shares(target: GroupTarget, values: polars.Series, weights: np.ndarray) -> np.ndarray:
    import polars as pl

    names = values.cast(pl.String)
    places = names.rank("dense").fill_null(0).to_numpy().astype(np.int64)
    known = ["", *names.drop_nulls().unique().sort().to_list()]
    now = np.bincount(places, weights, minlength=len(known)) / weights.sum()
    wanted = np.full(len(known), np.nan)
    if target.parity:
        wanted[1:], wanted[0] = 1 / (len(known) - 1), 0.0
    for place, name in enumerate(known[1:], start=1):
        share = target.shares.get(name)
        if isinstance(share, Between):
            wanted[place] = np.clip(now[place], share.at_least or 0.0, 1.0 if share.at_most is None else share.at_most)
        elif share is not None:
            wanted[place] = share
    is_free = np.isnan(wanted)
    left = max(0.0, 1 - np.nansum(wanted))
    wanted[is_free] = now[is_free] * left / max(float(now[is_free].sum()), 1e-12)
    return (wanted / np.maximum(now, 1e-12))[places]


def _of_numbers(target: NumberTarget, values: polars.Series, weights: np.ndarray) -> np.ndarray:
    """1 for rows within the bounds, 0 for others, times exp(t x) where a mean is asked that some of them can bring."""
    import polars as pl
    from scipy.optimize import brentq

    numbers = values.cast(pl.Float64, strict=False).to_numpy()
    low, high = (-np.inf if target.at_least is None else target.at_least), (np.inf if target.at_most is None else target.at_most)
    inside = (numbers >= low) & (numbers <= high)
    present = numbers[inside & (weights > 0)]
    if target.mean is None or present.size == 0 or not present.min() < target.mean < present.max():
        return inside.astype(float)
    scale = float(present.std())
    standard = np.where(inside, (numbers - target.mean) / scale, 0.0)

    def lean(t: float) -> np.ndarray:
        return np.where(inside, np.exp(np.clip(t * standard, -50, 50)), 0.0)

    excess = lambda t: float((weights * lean(t)) @ standard)  # noqa: E731
    if not excess(-20.0) < 0 < excess(20.0):
        return inside.astype(float)
    root: Any = brentq(excess, -20.0, 20.0)
    return lean(float(root))
