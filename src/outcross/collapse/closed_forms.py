"""Which closed forms apply to an experiment, and their curves."""

from __future__ import annotations

import math
from typing import Any

from outcross.experiment import Experiment
from outcross.experiment.arms import Arm
from outcross.recipe import kind, plain

POLICIES_WITH_LAWS = {"replace", "human_only", "accumulate", "accumulate_subsample", "augment", "human_share", "fresh", "weighted"}


def curves(made: tuple[Arm, ...], readings: Any) -> Any:
    """The closed-form curve of every measure and arm that has one: arm, measure, generation, value; None where there are none."""
    import polars

    from outcross.laws import expected

    rows = []
    for arm in {arm.name: arm for arm in made}.values():
        told = law_arguments(arm.experiment) if kind(arm.experiment.policy) in POLICIES_WITH_LAWS else {}
        measures = readings.filter(arm=arm.name)["measure"].unique(maintain_order=True) if told else ()
        for measure in measures:
            curve = expected(measure=measure, **told)
            rows += (
                []
                if curve is None
                else [(arm.name, measure, g, float(value)) for g, value in enumerate(curve) if math.isfinite(value)]
            )
    return (
        polars.DataFrame(rows, schema={"arm": str, "measure": str, "generation": int, "value": float}, orient="row")
        if rows
        else None
    )


def law_arguments(experiment: Experiment) -> dict[str, Any]:
    """What `laws.expected` needs to know of an experiment; empty where no law applies to it."""
    human, policy, learner = experiment.human, plain(experiment.policy), plain(experiment.learner)
    known = _known_to_laws(human, learner)
    if known is None or experiment.draw.cuts or experiment.draw.temperature == 0 or experiment.training is not None:
        return {}
    sizes = [human.rows, *(experiment.records(g) for g in range(experiment.generations - 1))]
    told = {
        "policy_kind": policy.pop("kind"),
        "learner_kind": learner["kind"],
        "n": sizes[0] if len(set(sizes)) == 1 else sizes,
        "generations": experiment.generations,
        "temperature": experiment.draw.temperature,
    }
    if "share" in policy:
        policy["human_share"] = policy.pop("share")
        policy.pop("align")
    return told | known | {name: value for name, value in policy.items() if value is not None}


def _known_to_laws(human: Any, learner: dict[str, Any]) -> dict[str, Any] | None:
    """What the closed forms need to know of the data and what learns them; None for a pair of which no law is known."""
    pair = (kind(human), learner["kind"])
    if pair == ("normal", "gaussian") and learner["known_variance"] is None:
        return {"dimensions": human.dimensions, "divisor": learner["divisor"]}
    if pair == ("normal", "kde"):
        return {"dimensions": human.dimensions, "bandwidth": learner["bandwidth"]}
    if pair == ("regression", "regression") and _is_least_squares(learner, human.dimensions):
        is_fitted = learner["noise"] == "fitted"
        told = {"dimensions": human.dimensions, "noise": human.noise, "noise_is_fitted": is_fitted, "design": learner["design"]}
        return told if is_fitted or learner["noise"] == human.noise else None
    if learner["kind"] == "hutter" and learner["writes"] != "frequencies":
        return None
    return {"probabilities": human.truth.probabilities} if hasattr(human.truth, "probabilities") else None


def _is_least_squares(regression: dict[str, Any], dimensions: int) -> bool:
    """Whether a regression is fitted to the end, on all predictors."""
    return regression["ridge"] == 0 and regression["steps"] is None and regression["predictors"] in (None, dimensions)
