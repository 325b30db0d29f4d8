"""The arms of an experiment file: one experiment for each arm and seed."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from outcross.data.plans import lines
from outcross.errors import BadInput
from outcross.experiment import Experiment, experiment, identity
from outcross.experiment.file import override
from outcross.experiment.human import names_a_source
from outcross.experiment.teachers import teacher_lines
from outcross.recipe import flatten, kind, name_in_records, short_kind, unflatten
from outcross.wording import amount

MOST_ARMS = 10_000
"""Maximum number of arms and seeds of one experiment file."""
MOST_SEEDS = 100
"""Maximum number of seeds of an arm whose repeats can be chains instead: one array replaces thousands of runs."""


@dataclass(frozen=True)
class Arm:
    """One arm with one seed. The name of the arm, which its seeds share, says how it differs from other arms."""

    name: str
    experiment: Experiment


def arms(data: Mapping[str, Any]) -> tuple[Arm, ...]:
    """Return every arm and seed of an experiment file's plain data: the cross product of `sweep:` with the list under `arms:`."""
    common = {key: value for key, value in data.items() if key not in ("sweep", "arms")}
    sweep, listed = data.get("sweep") or {}, data.get("arms")
    if not isinstance(sweep, Mapping) or not all(isinstance(values, list) and values for values in sweep.values()):
        raise BadInput("sweep must map keys to lists of values; write sweep: {policy: [replace, accumulate], seed: [0, 1]}")
    if listed is not None and not (
        isinstance(listed, list) and listed and all(isinstance(listed_arm, Mapping) for listed_arm in listed)
    ):
        raise BadInput("arms must be a list of settings; write arms: [{policy: replace}, {policy: accumulate}]")
    many = math.prod(map(len, sweep.values())) * len(listed or [{}])
    if many > MOST_ARMS:
        raise BadInput(f"sweep and arms make {amount(many, 'run')}, and the maximum is {MOST_ARMS:,}; sweep over fewer values")
    crossed = [dict(zip(sweep, values, strict=True)) for values in itertools.product(*sweep.values())]
    settings = [_crossed(listed_arm, crossing) for listed_arm in listed or [{}] for crossing in crossed]
    given_names = [setting.pop("name", None) for setting in settings]
    experiments = [experiment(override(common, setting)) for setting in settings]
    names = [str(name) if name is not None else own for name, own in zip(given_names, _names(experiments, settings), strict=True)]
    every_arm = tuple(itertools.starmap(Arm, zip(names, experiments, strict=True)))
    if len({(arm.name, arm.experiment.seed) for arm in every_arm}) < len(every_arm):
        raise BadInput("two arms have the same name and seed; make them differ, or give each a name")
    first = {arm.name: arm.experiment for arm in reversed(every_arm)}
    for arm in every_arm:
        if arm.experiment is not first[arm.name] and _but_for_its_seed(arm.experiment) != _but_for_its_seed(first[arm.name]):
            raise BadInput(
                f"two different arms have the name {arm.name}, which only seeds of one arm may share; give each arm a name"
            )
    _check_seeds(every_arm)
    return every_arm


def _but_for_its_seed(experiment: Experiment) -> dict[str, Any]:
    """The settings of an experiment without its seed. They are compared as they are, since building an experiment with another seed would check it again."""
    return {field.name: getattr(experiment, field.name) for field in fields(experiment) if field.name != "seed"}


def _crossed(listed: Mapping[str, Any], crossing: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a listed arm at one point of a sweep. If the arm has a name, the point is added to it (`verified,error=0.3`)."""
    crossed = {**listed, **crossing}
    if listed.get("name") is not None:
        point = [f"{key.rpartition('.')[2]}={value}" for key, value in crossing.items() if key != "seed"]
        crossed["name"] = ",".join([str(listed["name"]), *point])
    return crossed


def _check_seeds(arms: tuple[Arm, ...]) -> None:
    """Refuse more than `MOST_SEEDS` seeds of an arm if chains, in one array, can repeat it instead."""
    seeds = Counter(arm.name for arm in arms)
    for arm in arms:
        experiment = arm.experiment
        if seeds[arm.name] > MOST_SEEDS and experiment.human.truth is not None and not experiment.learner.trains:
            chains = seeds[arm.name] * experiment.chains
            raise BadInput(
                f"seed takes {amount(seeds[arm.name], 'value')}, and the maximum is {MOST_SEEDS} for {kind(experiment.learner)}, which repeats faster as chains in "
                f"one array; write chains: {chains} in place of the seeds"
            )


def arm_of(experiment: Experiment) -> Arm:
    """The single arm of an experiment that has no other arms."""
    return Arm(_names([experiment], [{}])[0], experiment)


def resolved(arms: tuple[Arm, ...]) -> dict[str, Any]:
    """An experiment file with all defaults written out: the common settings, and under `arms:` the settings in which arms differ.

    A single arm is listed under `arms:` only if it was given a name.
    """
    flat = [flatten(identity(arm.experiment)) for arm in arms]
    common = {key: value for key, value in flat[0].items() if all(settings.get(key, _ABSENT) == value for settings in flat)}
    differing = [{key: value for key, value in settings.items() if key not in common} for settings in flat]
    data = unflatten({key: value for key, value in common.items() if key != "kind"})
    first, *others = arms
    if others or first != arm_of(first.experiment):
        data["arms"] = [{"name": arm.name} | own for arm, own in zip(arms, differing, strict=True)]
    return data


def described(data: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """An experiment file with all defaults written out, and the keys that must be given before it can run.

    An experiment for the user's own text names no file. Its `human.path` is missing, and is null in the first result.
    """
    complete = resolved(_complete(data))
    return (override(complete, {"human.path": None}), ("human.path",)) if lacks_a_source(data) else (complete, ())


def planned(data: Mapping[str, Any]) -> dict[str, list[str]]:
    """The records that each arm of an experiment file learns from at every generation, in a few lines."""
    return plan_lines(_complete(data))


def _complete(data: Mapping[str, Any]) -> tuple[Arm, ...]:
    """The arms of an experiment file. If it names no source of data, a placeholder for a file is put in."""
    return arms(override(data, {"human.path": "a file"}) if lacks_a_source(data) else data)


def lacks_a_source(data: Mapping[str, Any]) -> bool:
    """Whether neither the common settings nor any arm names a source of the human data."""
    sweep, listed = data.get("sweep") or {}, data.get("arms") or []
    keys = [*sweep, *(key for arm in listed if isinstance(arm, Mapping) for key in arm)] if isinstance(listed, list) else []
    human = data.get("human")
    return (
        isinstance(human, Mapping) and not names_a_source(human) and not any(str(key).partition(".")[0] == "human" for key in keys)
    )


def plan_lines(arms: tuple[Arm, ...]) -> dict[str, list[str]]:
    """The records that each arm learns from at every generation, in a few lines. Arms with the same plan share a key: their names joined by commas.

    Generation 0 always learns from the original human records. It has a line only if it is the only generation.
    """
    names: dict[tuple[str, ...], list[str]] = {}
    for arm in {arm.name: arm for arm in arms}.values():
        if arm.experiment.unimported:
            planned = (f"not known before a run, which imports the code of {name_in_records(arm.experiment.unimported[0])}",)
        else:
            plans = [(inventory.generation, plan) for inventory, plan in arm.experiment.plans()]
            planned = tuple(lines(plans[1:] or plans))
            if arm.experiment.teachers:
                of_all = [f"of all teachers together: {line}" for line in planned]
                planned = (*(f"teacher {line}" for line in teacher_lines(arm.experiment.teachers)), *of_all)
        names.setdefault(planned, []).append(arm.name)
    return {", ".join(arms_of_plan): list(planned) for planned, arms_of_plan in names.items()}


def _names(experiments: list[Experiment], settings: list[dict[str, Any]]) -> list[str]:
    """Names made from the settings of arms: the policy with its share or weight, then `key=value` (`human_share=0.1`, `replace,temperature=1`)."""
    flat = [flatten(identity(experiment) | {"seed": 0}) for experiment in experiments]
    differing = _differing(flat)
    by_policy = {
        name: _differing([settings for settings in flat if settings["policy.kind"] == name])
        for name in {settings["policy.kind"] for settings in flat}
    }
    names = []
    for flat_arm, own, setting in zip(flat, experiments, settings, strict=True):
        dose = flat_arm.get("policy.share", flat_arm.get("policy.weight"))
        head = kind(own.policy) + ("" if dose is None else f"={_word(dose)}")
        within = by_policy[flat_arm["policy.kind"]]
        policy = [key for key in within if key.startswith("policy.") and key not in ("policy.share", "policy.weight")]
        rest = [key for key in differing if not key.startswith("policy") and _is_set(key, setting)]
        names.append(",".join([head, *(_key_and_value(key, flat_arm[key]) for key in policy + rest if key in flat_arm)]))
    return names


def _is_set(key: str, setting: dict[str, Any]) -> bool:
    return any(key == own or key.startswith(f"{own}.") for own in setting)


_ABSENT = object()


def _differing(flat: list[dict[str, Any]]) -> list[str]:
    return sorted(
        key
        for key in {key for settings in flat for key in settings}
        if len({repr(settings.get(key, _ABSENT)) for settings in flat}) > 1
    )


def _key_and_value(key: str, value: Any) -> str:
    """`key=value`, or only `constant` for constant rows."""
    if key == "rows" and value == "constant":
        return "constant"
    return f"{key.rpartition('.')[2]}={_word(value)}"


def _word(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else short_kind(str(value))
