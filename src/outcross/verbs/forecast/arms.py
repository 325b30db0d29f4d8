"""The arms of several runs that belong together, and the human share of each arm."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from outcross.errors import BadInput
from outcross.experiment import Experiment
from outcross.experiment.settings import NO_SETTINGS
from outcross.recipe import flatten, plain

if TYPE_CHECKING:
    from outcross.verbs.run.result import Run

FREE = ("policy", *NO_SETTINGS)
"""Keys in which runs that belong together may differ: the policy, and how long and how often an arm is run and measured."""
WHOSE = {"fixed": "fixed rows", "redrawn": "redrawn rows", "fresh": "fresh rows"}


@dataclass(frozen=True, eq=False)
class ForecastArm:
    """One arm with its seeds, from one run or from several."""

    name: str
    experiment: Experiment
    readings: Any
    """The readings of all seeds of the arm under one name, as rows of readings.parquet (polars)."""


@dataclass(frozen=True)
class HumanDose:
    """The human part of the training records of each generation after the first: its share, and which records they are."""

    share: float
    whose: str
    """A value of WHOSE. Empty if the share is 0 or 1, because the choice of records then makes no difference."""
    rows: int
    """Number of training records of the last generation."""


def together(runs: Sequence[Run]) -> tuple[ForecastArm, ...]:
    """Return the arms of runs that belong together. An arm that several runs have with different seeds becomes one arm.

    Raises BadInput, with the field in which they differ, if the runs do not belong together.
    """
    import polars

    _check_alike(runs)
    by_settings: dict[str, list[tuple[str, Experiment, Any]]] = {}
    for run in runs:
        frame = run.readings
        for name, experiment in {arm.name: arm.experiment for arm in run.arms}.items():
            rows = frame.filter(frame["arm"] == name)
            if len(rows):
                by_settings.setdefault(repr(sorted(_settings(experiment).items())), []).append((name, experiment, rows))
    arms: list[ForecastArm] = []
    for several in by_settings.values():
        name, experiment, _ = several[0]
        if name in {arm.name for arm in arms}:
            name = f"{name} ({len(arms) + 1})"
        seeds = [seed for _, _, rows in several for seed in rows["seed"].unique().to_list()]
        if len(set(seeds)) < len(seeds):
            twice = next(seed for seed in seeds if seeds.count(seed) > 1)
            raise BadInput(
                f"arm {name} with seed {twice} is in two of the runs; give each run once, and only runs with different seeds"
            )
        columns = [rows.select(polars.lit("").alias("run"), polars.lit(name).alias("arm"), *KEPT) for _, _, rows in several]
        arms.append(ForecastArm(name, experiment, polars.concat(columns)))
    return tuple(arms)


KEPT = ("seed", "generation", "measure", "at", "column", "group", "value", "low", "high", "method", "n", "note")


def _settings(experiment: Experiment) -> dict[str, Any]:
    """Return the settings of an arm without those of its name, its length and its seeds."""
    settings = flatten(plain(experiment))
    return {key: value for key, value in settings.items() if key.split(".")[0] not in NO_SETTINGS}


def _check_alike(runs: Sequence[Run]) -> None:
    """Raise BadInput, with the differing field, if an arm of a run differs from every arm of the first run in more than the policy."""
    first = [_but_policy(arm.experiment) for arm in runs[0].arms]
    for run in runs[1:]:
        for arm in run.arms:
            own = _but_policy(arm.experiment)
            gaps = [
                sorted(key for key in own.keys() | candidate.keys() if own.get(key) != candidate.get(key)) for candidate in first
            ]
            fewest = min(gaps, key=len)
            if fewest:
                closest, key = first[gaps.index(fewest)], fewest[0]
                raise BadInput(
                    f"{_place(runs[0])} and {_place(run)} do not belong together: {key} is {closest.get(key)!r:.60} in one and {own.get(key)!r:.60} in the other; "
                    "forecast them separately"
                )


def _but_policy(experiment: Experiment) -> dict[str, Any]:
    return {key: value for key, value in _settings(experiment).items() if key.split(".")[0] not in FREE}


def _place(run: Run) -> str:
    return run.name if run.folder is None else str(run.folder)


def dose_of(experiment: Experiment) -> HumanDose | None:
    """Return the human part of each generation after the first. None if it changes between generations, for example when data accumulate."""
    doses: set[HumanDose] = set()
    plans = [(inventory, plan) for inventory, plan in experiment.plans() if inventory.generation]
    for _, plan in plans[:1] + plans[-1:]:
        if not len(plan) or any(take.what == "all" or take.weight is not None for take in plan.takes):
            return None
        share = (plan.human_rows + plan.fresh_rows) / len(plan)
        choices = {take.choice for take in plan.takes if take.what == "human"}
        whose = "" if share in (0.0, 1.0) else WHOSE["fresh" if plan.fresh_rows else "redrawn" if "redrawn" in choices else "fixed"]
        doses.add(HumanDose(round(share, 9), whose, len(plans[-1][1])))
    return doses.pop() if len(doses) == 1 else None


def by_policy(arms: Iterable[ForecastArm]) -> dict[tuple[str, str], list[tuple[float, ForecastArm]]]:
    """Return groups of arms that differ only in the human share, with the smallest share first.

    The keys are the choice of human records (a value of WHOSE) and a name for the group, empty if there is only one. Arms with different numbers
    of training records, for example `augment` and `human_share`, are in different groups.
    """
    dosed = [(dose, arm) for arm in arms if (dose := dose_of(arm.experiment)) is not None]
    groups: dict[str, list[tuple[HumanDose, ForecastArm]]] = {}
    for dose, arm in dosed:
        groups.setdefault(repr((dose.rows, sorted(_but_policy(arm.experiment).items()))), []).append((dose, arm))
    arms_by_source: dict[tuple[str, str], list[tuple[float, ForecastArm]]] = {}
    for at, group in enumerate(groups.values()):
        among = "" if len(groups) == 1 else f"group {at + 1}: {group[0][1].name}"
        for whose in sorted({dose.whose for dose, _ in group} - {""}):
            own = sorted(
                ((dose.share, arm) for dose, arm in group if dose.whose in ("", whose)), key=lambda share_and_arm: share_and_arm[0]
            )
            if len({share for share, _ in own}) > 1:
                arms_by_source[whose, among] = own
    return arms_by_source


__all__ = ["ForecastArm", "by_policy", "dose_of", "together"]
