"""Search for the best shares of a mix. Small mixes are tried, a mixing law is fitted to their losses, and its best shares are measured beside their rivals.

The design, the mixes for testing the law, and the regret against the best mix, a linear model and the best observed mix follow
science/oracles.md B3. Every small mix is a step of the ledger.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from outcross.errors import BadInput
from outcross.estimate import Estimate, rounded, student_quantile
from outcross.ledger import Ledger, stream
from outcross.recipe import plain
from outcross.statistics.mixing_law import (
    ALPHA,
    FittedMixingLaw,
    LossPlane,
    MixingLaw,
    Objective,
    best_shares,
    chance_of_no_effect,
    fit_linear_model,
    fit_mixing_law,
    least_corner,
)
from outcross.statistics.simplex import design, held_out_design
from outcross.verbs.mix.mixing import Mixing
from outcross.verbs.mix.search.settings import Searched, least_mixes
from outcross.verbs.mix.search.small_mixes import TextPools
from outcross.verbs.mix.search.small_rows import MILLION
from outcross.verbs.mix.search.trial import MixTrial, TriedMix
from outcross.verbs.mix.search.two_pools import of_two_pools

PROPOSED = 100
"""The number of resampled laws whose best shares give the interval of the proposal."""


def searched(mixing: Mixing, ledger: Ledger) -> Searched:
    """Return the result of a search for a mix. Raises BadInput if its pools cannot be searched."""
    trial = MixTrial(mixing, ledger)
    return of_two_pools(trial) if trial.has_a_curve else of_many_pools(trial)


def of_many_pools(trial: MixTrial) -> Searched:
    """Try a design of mixes, fit the law, test it on other mixes, and measure its proposal beside the rivals."""
    count = trial.search.mixes or least_mixes(len(trial.names))
    if not len(trial.region.corners):
        raise BadInput(
            "search: no shares of the pools give the requested human share; give a pool of origin human, or another human_share"
        )
    points = design(trial.region, count)
    tests = held_out_design(trial.region, trial.search.held_out, points)
    points, tests = (np.array([trial.reachable(point) for point in some]) for some in (points, tests))
    tried, keys = [], []
    for role, shares in [*(("fit", point) for point in points), *(("held out", point) for point in tests)]:
        measured_mix, steps = trial.measured(role, shares)
        tried.append(measured_mix)
        keys += steps
    fitted, held_out = tried[: len(points)], tried[len(points) :]
    chance = chance_of_no_effect(np.array([tried_mix.shares for tried_mix in tried]), trial.loss(tried).mean(axis=1))
    laws = {
        name: fit_mixing_law(
            np.array([tried_mix.shares for tried_mix in fitted]),
            np.array([tried_mix.losses[:, place].mean() for tried_mix in fitted]),
            stream(trial.asked.seed, "mix", "search", "law"),
        )
        for place, name in enumerate(trial.domains)
    }
    line = fit_linear_model(np.array([tried_mix.shares for tried_mix in fitted]), trial.loss(fitted).mean(axis=1))
    described: dict[str, Any] = _settings(trial) | {
        "chance_of_no_effect": rounded(chance),
        "law": {name: _law(trial, law) for name, law in laws.items()},
    }
    test = _held_out(trial, fitted, held_out, laws, line)
    if chance > ALPHA:
        note = f"the shares change the loss no more than chance does (p = {chance:.2g}): no shares are better than others, so that the requested shares stay"
        return Searched(described | _of(trial, tried, None, {"held_out": test, "regret": None}, note), None, tuple(keys))
    rivals, steps = _rivals(trial, tried, laws, line)
    regret = _regret(trial, tried, rivals)
    best = _chosen(regret)
    weights = trial.affordable(
        next(rival.shares for rival in rivals if rival.role == best)
        if best != "law"
        else _best(trial, [law.law for law in laws.values()])
    )
    proposal = _proposal(trial, laws, weights, best)
    note = _note(trial, best, regret)
    described |= _of(
        trial,
        [*tried, *rivals],
        proposal,
        {"held_out": test, "regret": {name: _plain(estimate) for name, estimate in regret.items()}},
        note,
    )
    return Searched(described, weights, (*keys, *steps))


def _best(trial: MixTrial, laws: Sequence[MixingLaw]) -> np.ndarray:
    """Return the allowed shares of what a learner reads with the lowest weighted loss over all domains, according to their laws, (pools,)."""
    counted = [(law, weight) for law, weight in zip(laws, trial.weights, strict=True) if weight]
    return best_shares(Objective(tuple(law for law, _ in counted), np.array([weight for _, weight in counted])), trial.capped)


def _rivals(
    trial: MixTrial, tried: Sequence[TriedMix], laws: Mapping[str, FittedMixingLaw], line: LossPlane
) -> tuple[list[TriedMix], list[str]]:
    """Measure the best mix of the law and of the linear model, the best observed mix and the requested mix, each on samples that were not used for fitting."""
    asked = {"law": _best(trial, [law.law for law in laws.values()]), "linear": least_corner(line.slopes, trial.capped)}
    can_be_had = [
        tried_mix for tried_mix in tried if bool(trial.capped.holds(tried_mix.shares)) or _nearly(trial, tried_mix.shares)
    ]
    if can_be_had:
        asked["observed"] = min(
            can_be_had, key=lambda tried_mix: float((tried_mix.losses.mean(axis=0) * trial.weights).sum())
        ).shares
    if bool(trial.capped.holds(trial.natural)):
        asked["asked"] = trial.natural
    rivals, keys = [], []
    for role, shares in asked.items():
        rival, steps = trial.measured(role, trial.reachable(shares), trial.search.seeds)
        rivals.append(rival)
        keys += steps
    return rivals, keys


def _nearly(trial: MixTrial, shares: np.ndarray) -> bool:
    """Whether shares are allowed up to the rounding to whole blocks."""
    region, size = trial.capped, 2.0 / trial.small.encoded.size
    is_kept = region.caps is None or bool((shares @ region.caps.T >= -size * np.abs(region.caps).max()).all())
    if region.floor is None:
        return is_kept
    margin = float(shares @ region.floor)
    return is_kept and (abs(margin) <= size if region.is_exact else margin >= -size)


def _regret(trial: MixTrial, tried: Sequence[TriedMix], rivals: Sequence[TriedMix]) -> dict[str, Estimate]:
    """Return the regret of each rival: its loss above the lowest loss, with the interval of a difference of two mixes.

    The error of a difference is the scatter of all mixes over their samples, without the part that all mixes of one sample have in common.
    """
    losses = trial.loss(tried)
    left = losses - losses.mean(axis=1, keepdims=True) - losses.mean(axis=0, keepdims=True) + losses.mean()
    degrees = (losses.shape[0] - 1) * (losses.shape[1] - 1)
    half = student_quantile(degrees) * math.sqrt(float((left**2).sum()) / degrees * 2 / losses.shape[1])
    mean_losses = trial.loss(rivals).mean(axis=1)
    lowest = float(mean_losses.min())
    return {
        rival.role: Estimate(
            float(loss) - lowest,
            float(loss) - lowest - half,
            float(loss) - lowest + half,
            "scatter of mixes over their samples",
            losses.size,
        )
        for rival, loss in zip(rivals, mean_losses, strict=True)
    }


def _chosen(regret: Mapping[str, Estimate]) -> str:
    """Return the role of the proposed mix: the law's mix, unless another one is better beyond the error."""
    return "law" if regret["law"].interval[0] <= 0 else min(regret, key=lambda name: regret[name].value)


def _proposal(trial: MixTrial, laws: Mapping[str, FittedMixingLaw], weights: Sequence[int], by: str) -> dict[str, Any]:
    """Return the proposed shares, with their intervals from resampled laws."""
    if by == "law":
        again = [_best(trial, [law.replicates[place] for law in laws.values()]) for place in range(PROPOSED)]
        low, high = np.quantile(trial.in_units(np.array(again)), [0.025, 0.975], axis=0)
        method, ends = "resampled laws", [(float(a), float(b)) for a, b in zip(low, high, strict=True)]
    else:
        method, ends = "a measured mix: no interval", [(None, None)] * len(weights)
    return {
        "by": by,
        "unit": trial.asked.unit,
        "shares": {
            name: {
                "value": weight / MILLION,
                "low": None if low is None else rounded(min(low, weight / MILLION)),
                "high": None if high is None else rounded(max(high, weight / MILLION)),
            }
            for name, weight, (low, high) in zip(trial.names, weights, ends, strict=True)
        },
        "method": method,
    }


def _held_out(
    trial: MixTrial,
    fitted: Sequence[TriedMix],
    held_out: Sequence[TriedMix],
    laws: Mapping[str, FittedMixingLaw],
    line: LossPlane,
) -> dict[str, Any]:
    """Return how well the law and a linear model predict held-out mixes, and the regret of choosing among these mixes by each prediction."""
    shares, truth = np.array([tried_mix.shares for tried_mix in held_out]), trial.loss(held_out).mean(axis=1)
    predicted = {"law": np.column_stack([law.law(shares) for law in laws.values()]) @ trial.weights, "linear": line(shares)}
    spread = float(((truth - trial.loss(fitted).mean()) ** 2).sum())
    return {"mixes": len(truth)} | {
        name: {
            "mean_error": rounded(float(np.abs(values - truth).mean())),
            "r2": rounded(1 - float(((values - truth) ** 2).sum()) / spread) if spread > 0 else None,
            "regret_of_its_choice": rounded(float(truth[int(np.argmin(values))] - truth.min())),
        }
        for name, values in predicted.items()
    }


def _law(trial: MixTrial, law: FittedMixingLaw) -> dict[str, Any]:
    return {
        "formula": "loss = c + sum of k exp(t · shares), sum of t = 0",
        "terms": len(law.law.pulls),
        "c": _plain(law.constant),
        "k": _plain(law.scale),
        "t": {name: _plain(exponent) for name, exponent in zip(trial.names, law.exponents, strict=True)},
        "pulls": [[rounded(value) for value in row] for row in law.law.pulls.tolist()],
    }


def _settings(trial: MixTrial) -> dict[str, Any]:
    small_pools = trial.small.encoded
    is_text = isinstance(small_pools, TextPools)
    tests = {name: len(records) for name, records in small_pools.tests.items()}
    repeats = {
        name: -(-small_pools.size // len(sample))
        for name, sample in zip(trial.names, small_pools.samples, strict=True)
        if len(sample) < small_pools.size
    }
    return {
        "measured_on": trial.small.records.held_out,
        "learner": plain(small_pools.learner) if is_text else {"kind": small_pools.predictor, "column": trial.search.column},
        "training": plain(small_pools.training) if is_text else None,
        "size": {"tokens": small_pools.tokens} if is_text else {"records": small_pools.size},
        "seeds": trial.search.seeds,
        "loss": "nats a token" if is_text else "nats a record" if small_pools.classes else "squared error, in human variances",
        "validation": {
            name: {"weight": float(weight), "blocks" if is_text else "records": tests[name]}
            for name, weight in zip(trial.domains, trial.weights, strict=True)
        },
        "read_of_one_unit": {name: rounded(float(amount)) for name, amount in zip(trial.names, trial.a_unit, strict=True)},
        "repeats": repeats,
        "asked": {name: rounded(float(share)) for name, share in zip(trial.names, trial.in_units(trial.natural), strict=True)},
    }


def _of(
    trial: MixTrial, tried: Sequence[TriedMix], proposal: dict[str, Any] | None, test: dict[str, Any], note: str
) -> dict[str, Any]:
    mixes = [
        {
            "role": tried_mix.role,
            "shares": {name: rounded(float(share)) for name, share in zip(trial.names, tried_mix.shares, strict=True)},
            "losses": {
                name: [rounded(float(loss)) for loss in tried_mix.losses[:, place]] for place, name in enumerate(trial.domains)
            },
        }
        for tried_mix in tried
    ]
    return {"proposal": proposal, "back_test": test, "note": note, "mixes": mixes}


def _note(trial: MixTrial, by: str, regret: Mapping[str, Estimate]) -> str:
    if by != "law":
        return f"the loss of the law's best mix is {regret['law'].value:.3g} higher than that of {_RIVALS[by]}, which is proposed instead"
    rival = min((name for name in regret if name != "law"), key=lambda name: regret[name].value)
    difference = regret["law"].value - regret[rival].value
    how = "equal to" if difference == 0 else f"{abs(difference):.3g} {'lower' if difference < 0 else 'higher'} than"
    return f"the law's best mix is proposed; its loss is {how} that of its nearest rival, {_RIVALS[rival]}"


_RIVALS = {
    "linear": "the best mix of a linear model",
    "observed": "the best observed mix",
    "asked": "the requested mix",
}


def _plain(estimate: Estimate) -> dict[str, Any]:
    return {
        "value": rounded(estimate.value),
        "low": rounded(estimate.low),
        "high": rounded(estimate.high),
        "method": estimate.method,
        "n": estimate.n,
    }
