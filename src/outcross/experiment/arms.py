"""The arms of an experiment file: what differs, one experiment an arm and seed."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from outcross.data.plans import lines
from outcross.errors import BadInput
from outcross.experiment import Experiment, experiment, identity, names_a_source
from outcross.experiment.file import override
from outcross.experiment.teachers import teacher_lines
from outcross.recipe import flatten, kind, name_in_records, short_kind, unflatten
from outcross.wording import amount

MOST_ARMS = 10_000
"""Arms and seeds of one experiment file."""
MOST_SEEDS = 100
"""Seeds of an arm that can be repeated as chains: one array does what thousands of runs would."""


@dataclass(frozen=True)
class Arm:
    """One arm with one seed: its name by what differs (seeds of an arm share it), and its experiment."""

    name: str
    experiment: Experiment


def arms(data: Mapping[str, Any]) -> tuple[Arm, ...]:
    """Every arm and seed of an experiment file's plain data: the cross product of `sweep:`, or the list under `arms:`."""
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
        raise BadInput(f"sweep and arms make {amount(many, 'run')}, at most {MOST_ARMS:,} can be; sweep over fewer values")
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
            raise BadInput(f"two different arms are called {arm.name}; only seeds share a name")
    _check_seeds(every_arm)
    return every_arm


def _but_for_its_seed(experiment: Experiment) -> dict[str, Any]:
    """The settings of an experiment without its seed. (Another seed needs no check of an experiment that was checked with its own.)"""
    return {field.name: getattr(experiment, field.name) for field in fields(experiment) if field.name != "seed"}


def _crossed(listed: Mapping[str, Any], crossing: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a listed arm at one point of a sweep; a name that it was given says the point, too (`verified,error=0.3`)."""
    crossed = {**listed, **crossing}
    if listed.get("name") is not None:
        point = [f"{key.rpartition('.')[2]}={value}" for key, value in crossing.items() if key != "seed"]
        crossed["name"] = ",".join([str(listed["name"]), *point])
    return crossed


def _check_seeds(arms: tuple[Arm, ...]) -> None:
    """Refuse thousands of runs where chains, side by side in one array, are the same repeats."""
    seeds = Counter(arm.name for arm in arms)
    for arm in arms:
        experiment = arm.experiment
        if seeds[arm.name] > MOST_SEEDS and experiment.human.truth is not None and not experiment.learner.trains:
            chains = seeds[arm.name] * experiment.chains
            raise BadInput(
                f"seed takes {amount(seeds[arm.name], 'value')}, at most {MOST_SEEDS} can be where chains do the same: {kind(experiment.learner)} repeats side by "
                f"side in one array; write chains: {chains} in place of the seeds"
            )


def arm_of(experiment: Experiment) -> Arm:
    """The only arm of one experiment."""
    return Arm(_names([experiment], [{}])[0], experiment)


def resolved(arms: tuple[Arm, ...]) -> dict[str, Any]:
    """An experiment file with every default written out: the common settings, and what differs under `arms:`, where a single arm stands if it was
    given a name."""
    flat = [flatten(identity(arm.experiment)) for arm in arms]
    common = {key: value for key, value in flat[0].items() if all(settings.get(key, _ABSENT) == value for settings in flat)}
    differing = [{key: value for key, value in settings.items() if key not in common} for settings in flat]
    data = unflatten({key: value for key, value in common.items() if key != "kind"})
    first, *others = arms
    if others or first != arm_of(first.experiment):
        data["arms"] = [{"name": arm.name} | own for arm, own in zip(arms, differing, strict=True)]
    return data


def described(data: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What an experiment file says, every default written out, and the keys that are missing before it can be run.

    An experiment for text of one's own names no file: its `human.path` is missing, and stands as null in what is written out.
    """
    complete = resolved(_complete(data))
    return (override(complete, {"human.path": None}), ("human.path",)) if lacks_a_source(data) else (complete, ())


def planned(data: Mapping[str, Any]) -> dict[str, list[str]]:
    """What each arm of an experiment file learns from at every generation, in a few lines."""
    return plan_lines(_complete(data))


def _complete(data: Mapping[str, Any]) -> tuple[Arm, ...]:
    """The arms of an experiment file, with a file in place of the text that it does not name."""
    return arms(override(data, {"human.path": "a file"}) if lacks_a_source(data) else data)


def lacks_a_source(data: Mapping[str, Any]) -> bool:
    """Whether neither the common settings nor any arm says where the human data come from."""
    sweep, listed = data.get("sweep") or {}, data.get("arms") or []
    keys = [*sweep, *(key for arm in listed if isinstance(arm, Mapping) for key in arm)] if isinstance(listed, list) else []
    human = data.get("human")
    return (
        isinstance(human, Mapping) and not names_a_source(human) and not any(str(key).partition(".")[0] == "human" for key in keys)
    )


def plan_lines(arms: tuple[Arm, ...]) -> dict[str, list[str]]:
    """What each arm learns from at every generation, in a few lines; arms of one plan stand together, their names joined by commas.

    Generation 0, which always learns from the original human records, is said only where it is the only one.
    """
    names: dict[tuple[str, ...], list[str]] = {}
    for arm in {arm.name: arm for arm in arms}.values():
        if arm.experiment.unimported:
            planned = (f"what {name_in_records(arm.experiment.unimported[0])} says, whose code only a run imports",)
        else:
            plans = [(inventory.generation, plan) for inventory, plan in arm.experiment.plans()]
            planned = tuple(lines(plans[1:] or plans))
            if arm.experiment.teachers:
                of_all = [f"of all teachers together: {line}" for line in planned]
                planned = (*(f"teacher {line}" for line in teacher_lines(arm.experiment.teachers)), *of_all)
        names.setdefault(planned, []).append(arm.name)
    return {", ".join(arms_of_plan): list(planned) for planned, arms_of_plan in names.items()}


def _names(experiments: list[Experiment], settings: list[dict[str, Any]]) -> list[str]:
    """Names by what an arm sets: the policy with its share or weight, then `key=value` (`human_share=0.1`, `replace,temperature=1`)."""
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
    """`key=value`; constant rows need no key."""
    if key == "rows" and value == "constant":
        return "constant"
    return f"{key.rpartition('.')[2]}={_word(value)}"


def _word(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else short_kind(str(value))
