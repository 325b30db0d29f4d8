"""The audit of the finished mix against its human pools, adjusted to the targets of the mix.

A share that a target changes on purpose is not a loss, and neither are its consequences: with more women there are fewer husbands. Therefore the mix is compared with
human rows that have the same shares, bounds and means. Each human row is kept with a probability that gives them these. Targets of similarity to another file and
targets of text attributes do not refer to a column, so that human rows are not adjusted to them. The audit names these targets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from outcross.errors import BadInput
from outcross.verbs.mix.asked import MixRecipe
from outcross.verbs.mix.filtering.candidates import CandidateStore
from outcross.verbs.mix.provenance import PROVENANCE
from outcross.verbs.mix.targets.settings import Between, GroupTarget, NeedTarget, NumberTarget, Target

if TYPE_CHECKING:
    import polars

RAKED = 30
"""The number of rounds of raking over several targets."""
STREAM = 0xD002
"""The random stream that selects the human rows."""


def at_the_door(asked: MixRecipe, store: CandidateStore, mixed: polars.DataFrame) -> dict[str, Any]:
    """Audit the mix against its human pools, before any filter and adjusted to its targets. Returns the summary and the checks that are lost.

    Raises BadInput if there are too few human rows, or if an aspect is unknown. The human rows of the mix are among the human rows that it is compared with.
    """

    from outcross.verbs.audit.answer import audit

    human = store.frame([*store.schema], np.flatnonzero(store.authors == "human"))
    if not human.height:
        raise BadInput(
            "audit compares the mix with human rows, and no pool has any; give a pool of origin: human, or leave audit out"
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
    """Return human rows that meet the targets: shares of a column, and bounds and the mean of a numeric column.

    Each row gets a weight under which every share and mean has the requested value (raking, Deming and Stephan 1940; a mean by the weight exp(t x)). The row is
    kept with the probability weight / largest weight. The kept rows are a sample of the requested distribution. Shares that lie within their bounds need no change, and values that no human row has are ignored.
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
    """Return the names of the targets to which the human rows are not adjusted."""
    return [target.name for target in targets if not _is_followed(target, columns)]


def _is_followed(target: Target, columns: Sequence[str]) -> bool:
    """Whether human rows can be adjusted to a target: shares of all rows, or numbers, in a column of theirs.

    A target of needs raises missing rows to the human share, so that human rows meet it without a change.
    """
    if isinstance(target, GroupTarget):
        return target.among is None and target.column in columns
    if isinstance(target, NumberTarget):
        return target.attribute is None and target.column in columns
    return isinstance(target, NeedTarget)


def _factors(target: Target, human: polars.DataFrame, weights: np.ndarray) -> np.ndarray:
    """Return the factor for the weight of each row, (rows,)."""
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
    """Return 1 for rows within the bounds and 0 for others, times exp(t x) if a mean is requested that these rows can reach."""
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
