"""The search for two pools, which have only one share. The loss over this share is the share curve of an audit, computed on the rows that the mix may train on."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from outcross.data.tables import alike, table
from outcross.errors import BadInput
from outcross.estimate import NotApplicable, rounded
from outcross.files.whole import read_text, write_whole
from outcross.ledger import verb
from outcross.measures import Evidence
from outcross.recipe import kind, plain, recipe
from outcross.statistics.share_curves import ShareData
from outcross.verbs.mix.search.settings import MixSearch, Searched
from outcross.verbs.mix.search.small_mixes import HELD, LIBRARIES, RECORDS, SmallPools, TextPools, as_blocks
from outcross.verbs.mix.search.trial import MixTrial
from outcross.verbs.share_curve import SHARES, CurveWords, ShareCurve, curve_between, curve_of

CURVE = "curve.json"
STEPS = 1000
"""The number of parts of [0, 1] in which the bounds of the allowed shares are searched."""


@recipe
class CurveAsked:
    """The settings of a share curve of two pools."""

    search: MixSearch
    base: int
    """The number of the pool whose records are replaced by records of the other pool: the human pool, or the first."""
    shares: tuple[float, ...]
    """The shares of the other pool in the training records, in [0, 1]. If rows have weights, they are shares of the weight."""


@dataclass(frozen=True)
class MadeCurve:
    """A share curve as plain data."""

    plain: dict[str, Any]

    def __len__(self) -> int:
        return len(self.plain["fixed_total"]["points"])

    def save(self, folder: Path) -> None:
        write_whole(folder / CURVE, json.dumps(self.plain, ensure_ascii=False, allow_nan=False))

    @classmethod
    def load(cls, folder: Path) -> MadeCurve:
        return cls(json.loads(read_text(folder / CURVE)))


@verb(LIBRARIES, 0, load=lambda folder, digest, asked, pools: MadeCurve.load(folder), learns=True)
def mix_curve(asked: CurveAsked, pools: SmallPools, *, rng: np.random.Generator) -> MadeCurve:
    """Compute the share curve of two pools. Raises BadInput if it cannot be computed."""
    try:
        curve = _of_tables(asked, pools, rng) if pools.text is None else _of_texts(asked, pools.encoded, rng)
    except NotApplicable as why:
        raise BadInput(f"search: {why}") from None
    return MadeCurve(json.loads(json.dumps(asdict(curve) | {"answer": curve.answer})))


def _of_tables(asked: CurveAsked, pools: SmallPools, rng: np.random.Generator) -> ShareCurve:
    import polars as pl

    records, search, schema = pools.records, asked.search, pools.mixing.schema
    columns = [name for name in schema if schema[name] != pl.Null]
    wanted = search.size or RECORDS
    # Each fit draws its own records of the other pool from a larger sample, so that no lucky sample decides the result.
    sizes = {asked.base: wanted, 1 - asked.base: HELD * wanted}
    frames = [records.frame_of(place, records.sample_of(place, size), columns) for place, size in sizes.items()]
    names = [records.asked.pools[place].name for place in (asked.base, 1 - asked.base)]
    tests = [*pools.tests.values()]
    groups = tuple(name for name in records.asked.groups if name != search.column)
    kinds = dict.fromkeys(groups, "category")
    given = [*zip(frames, names, strict=True), *((test, "validation") for test in tests)]
    tables = alike([table(frame, name, kinds=kinds) for frame, name in given]).tables
    evidence = Evidence(
        reference=tables[0],
        drawn=tables[1],
        holdout=tables[2] if tests else None,
        groups=tuple(name for name in groups if name in tables[0].kinds),
        target=search.column,
    )
    return curve_of(evidence, asked.shares, rng, learner=search.predictor)


@dataclass(frozen=True, eq=False)
class BlockSample:
    """Blocks of tokens that a learner is fitted to and tested on."""

    tokens: np.ndarray
    """The tokens, (n, block)."""

    def take(self, rows: np.ndarray) -> BlockSample:
        return BlockSample(self.tokens[rows])

    def __add__(self, other: BlockSample) -> BlockSample:
        return BlockSample(np.concatenate([self.tokens, other.tokens]))

    def __len__(self) -> int:
        return len(self.tokens)


def _of_texts(asked: CurveAsked, pools: Any, rng: np.random.Generator) -> ShareCurve:
    assert isinstance(pools, TextPools)
    # Each fit draws its own records of the other pool from a larger sample, so that no lucky sample decides the result.
    base, other = BlockSample(pools.samples[asked.base][: pools.size]), BlockSample(pools.samples[1 - asked.base])
    tests = [BlockSample(tokens) for tokens in pools.tests.values()]

    def learner(training: BlockSample, classes: int) -> Any:
        model = pools.learner.fit(as_blocks(training.tokens), None, pools.start, pools.training, rng)
        return lambda records: -np.asarray(model.log_prob(as_blocks(records.tokens)), dtype=float) / records.tokens.shape[1]

    data = ShareData(base, other, tests[0] if tests else None, {}, 0, losses=lambda nats, records: nats, discrimination=None)
    words = CurveWords(target="the next token", learner=kind(pools.learner), loss="nats a token", discrimination="none")
    return curve_between(data, asked.shares, learner, rng, words)


def of_two_pools(trial: MixTrial) -> Searched:
    """Propose the allowed share with the lowest loss on the curve at a fixed total number of records."""
    are_human = [pool.is_human for pool in trial.asked.pools]
    base = are_human.index(True) if any(are_human) else 0
    allowed = _allowed(trial, base)
    weighed = [round(_weighed(trial, base, share), 9) for share in allowed]
    steps = trial.ledger.steps(trial.asked.seed)
    asked = CurveAsked(search=trial.search.identity, base=base, shares=tuple(weighed))
    step = steps(mix_curve, asked, trial.pools, part="search curve")
    curve = step.value.plain["fixed_total"]
    losses = {point["share"]: point["loss"] for point in curve["points"]}
    of_weight = {share: own for share, own in zip(allowed, weighed, strict=True) if own in losses}
    if not of_weight:
        raise BadInput(f"search: none of the allowed shares could be tried: {'; '.join(curve['left_out'].values())[:300]}")
    likely = [share for share, own in of_weight.items() if own in curve["likely"]]
    best = min(of_weight, key=lambda share: losses[of_weight[share]]["value"])
    name, answer = trial.names[1 - base], step.value.plain["answer"]
    described = _description(trial, step.value.plain, of_weight, name)
    if len(likely) == len(of_weight):
        note = "the losses of the allowed shares do not differ beyond the error, so that the requested shares stay"
        return Searched(described | {"proposal": None, "note": f"{answer} {note[0].upper()}{note[1:]}."}, None, (step.key,))
    shares = np.zeros(2)
    shares[base], shares[1 - base] = 1 - best, best
    weights = trial.affordable(shares)
    low, high = (min(likely), max(likely)) if likely else (None, None)
    of_units = [
        trial.in_units(np.array([1 - share, share][:: 1 if base == 0 else -1])) for share in (low, high) if share is not None
    ]
    ends = (
        [(float(min(pool_shares)), float(max(pool_shares))) for pool_shares in zip(*of_units, strict=True)]
        if of_units
        else [(None, None)] * 2
    )
    proposal = {
        "by": "share curve",
        "unit": trial.asked.unit,
        "shares": {
            pool_name: {"value": weight / 1_000_000, "low": rounded(low), "high": rounded(high)}
            for pool_name, weight, (low, high) in zip(trial.names, weights, ends, strict=True)
        },
        "method": "shares whose loss is not significantly higher than the lowest"
        if likely
        else "no interval: the lowest loss is at a share that is not allowed",
    }
    note = f"{answer} A share of {best:.3g} of {name} has the lowest loss of the allowed shares, and is proposed."
    return Searched(described | {"proposal": proposal, "note": note}, weights, (step.key,))


def _allowed(trial: MixTrial, base: int) -> list[float]:
    """Return the possible shares of the other pool, of what a learner reads, with the requested human share. Raises BadInput if there is only one."""
    every = np.linspace(0, 1, STEPS + 1)
    shares = np.stack([1 - every, every][:: 1 if base == 0 else -1], axis=1)
    can = every[trial.capped.holds(shares)]
    if not can.size or can[0] == can[-1]:
        raise BadInput(
            "search: human_share and the sizes of the pools allow only one share; write human_share: {at_least: …}, or leave search out"
        )
    ends = float(can[0]), float(can[-1])
    return sorted({round(share, 9) for share in (*ends, *(share for share in SHARES if ends[0] <= share <= ends[1]))})


def _weighed(trial: MixTrial, base: int, share: float) -> float:
    """Convert a share of the other pool to its share of the weight; unchanged if rows have no weights."""
    records = trial.small.records
    if not records.has_weights:
        return share
    read = np.zeros(2)
    read[base], read[1 - base] = 1 - share, share
    small_pools = trial.small.encoded
    a_row = small_pools.a_row if isinstance(small_pools, TextPools) else np.ones(2)
    rows = read / a_row
    weighed = records.weighed(rows / rows.sum()) * a_row
    return float(weighed[1 - base] / weighed.sum())


def _description(trial: MixTrial, curve: dict[str, Any], of_weight: dict[float, float], name: str) -> dict[str, Any]:
    """Return the description of the search as plain data for the manifest."""
    small = trial.small
    learner = (
        plain(small.encoded.learner)
        if isinstance(small.encoded, TextPools)
        else {"kind": trial.search.predictor, "column": trial.search.column}
    )
    return {
        "measured_on": small.records.held_out,
        "learner": learner,
        "loss": curve["loss"],
        "share_of": name,
        "shares_of_weight": {f"{share:g}": own for share, own in of_weight.items()} if small.records.has_weights else {},
        "asked": {
            pool_name: rounded(float(share)) for pool_name, share in zip(trial.names, trial.in_units(trial.natural), strict=True)
        },
        "share_curve": curve,
    }
