"""Logging a run to experiment trackers: a finished run, or each generation as it ends."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outcross.errors import BadInput
from outcross.experiment.arms import Arm
from outcross.experiment.settings import flat_settings, settings
from outcross.files import outputs
from outcross.files.names import kind_at
from outcross.files.whole import read_text, write_whole
from outcross.recipe import member, nearest
from outcross.targets import TARGETS, TRACKERS
from outcross.targets.handed import Series, metrics
from outcross.verbs.run.tables import Ended, Tables

if TYPE_CHECKING:
    from outcross.targets.tracker import Log, Tracker

MARKER = ".outcross-track.json"
"""The file in the folder of a tracker that says which run it belongs to."""


def series_of(arms: Sequence[Arm]) -> dict[tuple[str, int], Series]:
    """Return for every arm with every seed its run in a tracker: its name, its settings, and the settings in which the arms differ."""
    flat = flat_settings(arms)
    varied = tuple(key for setting in settings(flat) for key in (setting.key, *setting.along))
    seeds: dict[str, int] = {}
    for arm in arms:
        seeds[arm.name] = seeds.get(arm.name, 0) + 1
    series = {}
    for arm in arms:
        seed = arm.experiment.seed
        name = arm.name if seeds[arm.name] == 1 else f"{arm.name}, seed {seed}"
        settings_of_arm = {
            key: value if isinstance(value, bool | int | float | str) else json.dumps(value)
            for key, value in flat[arm.name].items()
            if key != "kind"
        }
        series[arm.name, seed] = Series(name, arm.name, {"arm": arm.name, **settings_of_arm, "seed": seed}, varied)
    return series


def points_of(tables: Tables) -> dict[Series, list[tuple[int, Mapping[str, float]]]]:
    """Return for every arm and seed the values of its finished generations, as pairs of generation and values."""
    series = series_of(tables.arms)
    points: dict[Series, list[tuple[int, Mapping[str, float]]]] = {}
    for entry in tables.ended:
        points.setdefault(series[entry.arm, entry.seed], []).append((entry.generation, metrics(tables.readings_of(entry))))
    return points


def trackers_of(track: str | Sequence[str]) -> tuple[str, ...]:
    """Return the names of the trackers in a text separated by commas, or in a sequence, each once. Raises BadInput for an unknown name."""
    names = tuple(dict.fromkeys(filter(None, track.split(",") if isinstance(track, str) else track)))
    for name in names:
        if name not in TRACKERS:
            raise BadInput(f"unknown --track {name!r:.80}{nearest(name, TRACKERS)}; known: {', '.join(TRACKERS)}")
    return names


def folder_of(run: Path, tracker: str) -> Path:
    """Return the folder of a tracker, beside that of the run: runs/mine-mlflow for runs/mine."""
    return run.with_name(f"{run.name}-{tracker}")


class Tracking(AbstractContextManager):
    """The trackers of a run. It is called with the events of the run and logs each generation as it ends.

    The folder of a tracker is cleared and written again whenever the run begins or resumes. So no generation is logged twice or missing,
    no matter when the run was stopped.
    """

    def __init__(self, arms: Sequence[Arm], run: Path, names: Sequence[str]):
        self.series = series_of(arms)
        self.last = {(arm.name, arm.experiment.seed): arm.experiment.generations - 1 for arm in arms}
        self.run, self.project = run, arms[0].experiment.name
        self.trackers: dict[str, Tracker] = {name: member(TARGETS, name, "--track")() for name in names}  # type: ignore[misc]
        self.logs: dict[str, Log] = {}
        self.begun: set[Series] = set()
        self.open = ExitStack()
        for name in names:
            _check_folder(folder_of(run, name), name, run)

    def __enter__(self) -> Tracking:
        from outcross.targets.tracker import complaining

        with ExitStack() as stack:
            for name, tracker in self.trackers.items():
                folder = folder_of(self.run, name)
                with complaining(name, folder):
                    folder.mkdir(parents=True, exist_ok=True)
                    write_whole(folder / MARKER, json.dumps({"tracker": name, "run": self.run.name}) + "\n")
                    tracker.cleared(folder)
                    self.logs[name] = stack.enter_context(tracker.opened(folder, self.project, folder))
            self.open = stack.pop_all()
        return self

    def __call__(self, event: Any) -> None:
        from outcross.targets.tracker import complaining

        if not isinstance(event, Ended):
            return
        series = self.series[event.arm, event.seed]
        for name, log in self.logs.items():
            with complaining(name, folder_of(self.run, name)):
                if series not in self.begun:
                    log.begin(series)
                log.add(series, event.generation, metrics(event.readings))
        self.begun.add(series)

    def report(self, page: Path) -> None:
        """End every run in the trackers and attach the page to it."""
        from outcross.targets.tracker import complaining

        for name, log in self.logs.items():
            with complaining(name, folder_of(self.run, name)):
                for series in sorted(self.begun, key=lambda run_series: run_series.name):
                    log.end(series, page)
        self.begun.clear()

    def __exit__(self, *error: Any) -> None:
        from outcross.targets.tracker import complaining

        with complaining("/".join(self.trackers), self.run):
            self.open.__exit__(*error)


def _check_folder(folder: Path, name: str, run: Path) -> None:
    """Raise BadInput if the folder of a tracker holds something else."""
    match kind_at(folder):
        case "":
            outputs.check_name(folder)
            return
        case "file":
            raise BadInput(f"{folder} is a file, but --track {name} needs a folder of that name; move the file")
    if not any(folder.iterdir()):
        return
    try:
        stored = json.loads(read_text(folder / MARKER))
        is_own = isinstance(stored, dict) and stored.get("tracker") == name and stored.get("run") == run.name
    except (BadInput, OSError, ValueError, RecursionError):
        is_own = False
    if not is_own:
        raise BadInput(
            f"{folder} exists and was not written by --track {name} for this run; move it, or choose an --out other than {shlex.quote(str(run))}"
        )
