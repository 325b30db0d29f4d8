"""The closed forms that apply to an experiment, and their curves."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from outcross import own_parts
from outcross.data import Plan, Take
from outcross.data.shares import exact
from outcross.experiment import Experiment
from outcross.experiment.arms import Arm
from outcross.filters.best_of import BestOfFilter
from outcross.filters.cuts import CentralFilter, OutlyingFilter, RandomFilter
from outcross.filters.judging import ColumnNumber
from outcross.filters.noisy_check import NoisyCheckFilter
from outcross.laws.cells import KnownCells
from outcross.laws.expectations import Exchanged
from outcross.laws.selection import variance_kept
from outcross.laws.verifier import KnownAnswers
from outcross.models.panel import PanelLearner
from outcross.recipe import kind, plain
from outcross.sources.normal import Normal
from outcross.sources.tasks import Halfspace, Sums


def curves(arms: tuple[Arm, ...], readings: Any) -> Any:
    """Return the closed-form curves of all measures and arms that have one, as a polars frame (arm, measure, generation, value).

    None if there are none.
    """
    import polars

    from outcross.laws import expected

    rows = []
    for arm in {arm.name: arm for arm in arms}.values():
        recorded = getattr(arm.experiment.policy, "laws", {}) if isinstance(arm.experiment.policy, own_parts.Unimported) else {}
        arguments = law_arguments(arm.experiment, recorded.get(arm.name))
        measures = readings.filter(arm=arm.name)["measure"].unique(maintain_order=True) if arguments else ()
        for measure in measures:
            curve = expected(measure=measure, **arguments)
            if curve is not None:
                rows += [(arm.name, measure, g, float(value)) for g, value in enumerate(curve) if math.isfinite(value)]
    schema = {"arm": str, "measure": str, "generation": int, "value": float}
    return polars.DataFrame(rows, schema=schema, orient="row") if rows else None


def law_arguments(experiment: Experiment, policy: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the arguments of `laws.expected` for an experiment. Empty if no law applies.

    If the code of a policy was not imported, `policy` is the recorded policy of its plans. No law is known for other user-defined parts.
    """
    others = (experiment.human, *experiment.learners, *experiment.select)
    if any(own_parts.is_own(type(part)) or isinstance(part, own_parts.Unimported) for part in others):
        return {}
    human, learner = experiment.human, plain(experiment.learners[0])
    policy = law_policy(experiment) if policy is None else policy
    if policy is None or experiment.draw.cuts or experiment.draw.temperature == 0 or experiment.training is not None:
        return {}
    if learner["kind"] == "panel":
        answers = answers_of(experiment)
        of_panel = {"learner_kind": "panel", "n": human.rows, "generations": experiment.generations, "known_answers": answers}
        return {} if answers is None else of_panel | policy
    known, selected = _known_to_laws(human, learner), selection_of(experiment)
    if known is None or selected is None:
        return {}
    sizes = [human.rows, *(experiment.kept(g) for g in range(experiment.generations - 1))]
    arguments = {
        "learner_kind": learner["kind"],
        "n": sizes[0] if len(set(sizes)) == 1 else sizes,
        "generations": experiment.generations,
        "temperature": experiment.draw.temperature,
    }
    if not experiment.teachers:
        return arguments | known | policy | selected
    exchange = exchange_of(experiment)
    return arguments | known | policy | {"exchange": exchange} if exchange is not None else {}


def exchange_of(experiment: Experiment) -> Exchanged | None:
    """Return how identical teachers learn from each other.

    None if the teachers differ in what they learn, write or read, or if a quota is not a whole number.
    """
    first, *others = experiment.teachers.values()
    if experiment.select or first.human != "own" or any(other != first for other in others):
        return None
    many, rows = len(others) + 1, experiment.human.rows
    if isinstance(first.reads, float):
        migrants = exact(first.reads)
    else:
        migrants = {"own": Fraction(0), "all": 1 - Fraction(1, many)}.get(
            str(first.reads), Fraction(first.reads if isinstance(first.reads, int) else 0)
        )
    if rows % many or (migrants * rows / many / (many - 1)).denominator > 1:
        return None
    return Exchanged(many, float(migrants))


def learner_of_laws(experiment: Experiment) -> str:
    """Return the name of the learner in the laws.

    It is its kind, except that panels of points and panels of listed questions have different names.
    """
    learner = kind(experiment.learner)
    return "panel of points" if learner == "panel" and isinstance(experiment.human, Halfspace) else learner


def answers_of(experiment: Experiment) -> KnownAnswers | None:
    """Return the arguments of the laws of answers, or None if no law is known.

    A law is known for a task with a supported student, and with no selection, a verifier, or a choice by likelihood. No law is known if a teacher
    repeats its errors on the same questions, or if several teachers know different things.
    """
    human, learner = experiment.human, experiment.learner
    if not isinstance(learner, PanelLearner) or not isinstance(human, Sums | Halfspace):
        return None
    if learner.mistakes == "same_questions" or (learner.teachers > 1 and learner.specialised) or not learner.student_has_a_law:
        return None
    if any(isinstance(part, own_parts.Unimported) for part in experiment.select) or len(experiment.select) > 1:
        return None
    is_listed = isinstance(human, Sums)
    known = KnownAnswers(
        questions=human.truth.questions,
        answers=human.truth.answers,
        dimensions=0 if is_listed else human.dimensions,
        error=learner.error,
        mistakes=learner.mistakes if human.truth.answers > 2 else "same_answer",
    )
    match experiment.select, experiment.candidates:
        case (), 1:
            return known
        case (NoisyCheckFilter() as check,), 1:
            return replace(known, keeps_correct=check.keeps_correct, keeps_wrong=check.keeps_wrong)
        case (BestOfFilter(by=ColumnNumber(column="log_prob"), keep="most", k=None),), candidates if learner.teachers == 1:
            return replace(known, candidates=candidates)
    return None


def law_policy(experiment: Experiment) -> dict[str, Any] | None:
    """Return the policy of `laws.expected` that matches the plans of an experiment. None if no law is known, or if the policy was not imported."""
    if isinstance(experiment.policy, own_parts.Unimported):
        return None
    return policy_of(plan for inventory, plan in experiment.plans() if inventory.generation)


def selection_of(experiment: Experiment) -> dict[str, Any] | None:
    """Return the arguments of `laws.expected` for the selection of an experiment.

    Empty if records are selected at random or not at all, and None if no law is known. Laws exist for a cut by the distance of points from their mean.
    """
    cuts = [part for part in experiment.selecting if not isinstance(part, RandomFilter)]
    if not cuts:
        return {}
    first = cuts[0]
    if (
        len(cuts) > 1
        or not isinstance(first, CentralFilter | OutlyingFilter)
        or first.about != "mean"
        or first.needs != ("points",)
    ):
        return None
    if not isinstance(experiment.human, Normal):
        return None
    end = "central" if isinstance(first, CentralFilter) else "outlying"
    return {"kept_variance": variance_kept(first.share, experiment.human.dimensions, end)}


def policy_of(plans: Iterable[Plan]) -> dict[str, Any] | None:
    """Return the policy of `laws.expected`, with its settings, that matches the plans of all generations after 0. None if no law is known.

    Only the records that are taken count and not the name of the policy: a human share of 0 is `replace`.
    """
    policies = [_policy_of(plan) for plan in plans] or [REPLACE]
    return policies[0] if all(policy == policies[0] for policy in policies) else None


REPLACE = {"policy_kind": "replace"}


def _policy_of(plan: Plan) -> dict[str, Any] | None:
    takes: dict[str, Take] = {take.what: take for take in plan.takes}
    people, written = takes.get("human"), takes.get("models")
    if any(take.align or take.max_repeats > 1 for take in plan.takes) or len(takes) < len(plan.takes):
        return None
    match sorted(takes):
        case ["all"]:
            return {"policy_kind": "accumulate_subsample"}
        case ["human"]:
            return {"policy_kind": "human_only"} if plan.is_whole else None
        case ["models"]:
            return REPLACE if plan.is_whole and plan.reach == 1 else None
        case ["fresh", "models"]:
            return _beside_the_newest(takes["fresh"], takes["models"], {"human": takes["fresh"].rows})
        case ["human", "models"] if people is not None and written is not None:
            if plan.reach is None:
                return {"policy_kind": "accumulate"} if plan.is_whole else None
            if people.choice == "whole":
                return _beside_the_newest(people, written, {})
            if plan.reach == 1 and people.weight is None:
                return {"policy_kind": "human_share", "human_share": people.rows / len(plan), "rows": people.choice}
    return None


def _beside_the_newest(people: Take, written: Take, fresh: dict[str, int]) -> dict[str, Any] | None:
    """Return the policy that adds human records to all records of the newest generation, with or without a weight."""
    if written.choice != "whole" or written.back != 1:
        return None
    if people.weight is None:
        return {"policy_kind": "fresh" if fresh else "augment"} | fresh
    return {"policy_kind": "weighted", "weight": people.weight, "rows": "fresh" if fresh else "fixed"} | fresh


def _known_to_laws(human: Any, learner: dict[str, Any]) -> dict[str, Any] | None:
    """Return the arguments of the closed forms for a source and a learner. None if no law is known for the pair."""
    pair = (kind(human), learner["kind"])
    if pair == ("normal", "gaussian") and learner["known_variance"] is None:
        return {"dimensions": human.dimensions, "divisor": learner["divisor"]}
    if pair == ("normal", "kde"):
        return {"dimensions": human.dimensions, "bandwidth": learner["bandwidth"]}
    if pair == ("regression", "regression") and _is_least_squares(learner, human.dimensions):
        is_fitted = learner["noise"] == "fitted"
        arguments = {
            "dimensions": human.dimensions,
            "noise": human.noise,
            "noise_is_fitted": is_fitted,
            "design": learner["design"],
        }
        return arguments if is_fitted or learner["noise"] == human.noise else None
    if pair == ("cells", "cells"):
        known = KnownCells(np.array(human.shares), human.fixed_groups)
        return {"known_cells": known, "probabilities": known.shares.ravel()}
    if learner["kind"] == "hutter" and learner["writes"] != "frequencies":
        return None
    return {"probabilities": human.truth.probabilities} if hasattr(human.truth, "probabilities") else None


def _is_least_squares(regression: dict[str, Any], dimensions: int) -> bool:
    """Whether a regression is ordinary least squares on all predictors, without a ridge or early stopping."""
    return regression["ridge"] == 0 and regression["steps"] is None and regression["predictors"] in (None, dimensions)
