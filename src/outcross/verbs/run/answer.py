"""The function `run`: from a question to a Run."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from outcross import own_parts, own_source
from outcross.errors import BadInput
from outcross.experiment import Experiment
from outcross.experiment.arms import Arm, arm_of, arms, lacks_a_source
from outcross.experiment.file import builtin, changed, given_settings, load
from outcross.ledger import Ledger
from outcross.recipe import plain
from outcross.runtime import Where
from outcross.verbs.asking import as_many_as_cores, check_not_empty, check_workers, settings_apart
from outcross.verbs.run.question import RunQuestion
from outcross.verbs.run.result import Run
from outcross.verbs.run.result import opened as open
from outcross.verbs.run.tables import Tables
from outcross.verbs.run.tracking import trackers_of
from outcross.verbs.run.work import open_folder


def begun(question: RunQuestion) -> Run:
    """Return the run of an experiment. Iterating it does the work and yields each generation; `finish()` does the remaining work.

    `spec` is the name of a built-in experiment, the path of a YAML file, a mapping with the keys of such a file, or an Experiment. `settings`
    changes keys of it, by their dotted names. Keys of an experiment file may also be passed as arguments: `policy=MyPolicy(…)`, `generations=10`.
    `imports` names Python files and modules whose parts the experiment may use; their code is executed. With `out`, the run is stored in that
    folder, and the finished steps in it are loaded. Without `out`, the run stays in memory. `finish()` uses `workers` processes (default 1) or a
    `ray` cluster. Raises BadInput if the parts do not fit together, or if the folder holds something other than a run of this experiment (another
    experiment is allowed with `fork`).

    >>> spec = {"name": "mine", "human": {"distribution": "normal", "rows": 50}, "learner": "gaussian", "chains": 100, "generations": 3}
    >>> [generation.g for generation in run(spec, settings={"draw.prompts": "none"})]
    [0, 1, 2]
    """
    check_workers(question.workers)
    track = trackers_of(question.track)
    arms = arms_of(question)
    for selected_filter in (selected_filter for arm in arms for selected_filter in arm.experiment.select):
        for function in selected_filter.functions:
            own_parts.check_function(function)
    _check_sources(arms, question)
    if question.out is None:
        if track:
            raise BadInput(f"--track {track[0]} needs the folder of a run, but this run stays in memory; pass out=")
        if (question.workers or 1) > 1 or question.ray is not None or question.fork:
            raise BadInput("workers, a Ray cluster and forks need a folder to work in; pass out=")
        return Run(arms, None, Tables(arms, Ledger(None)), device=question.device)
    folder, reuse = open_folder(Path(question.out), arms, question.fork)
    if question.settings and _is_file_of(question.spec, folder):
        first = _first(question.settings)
        raise BadInput(f"{question.spec} is an input, and the run would overwrite it with {first!r:.80}; run a copy of it")
    return Run(
        arms, folder, Tables(arms, Ledger(folder)), reuse, Where(question.workers or 1, question.ray), question.device, track
    )


SETTINGS = (*(field.name for field in fields(Experiment)), "sweep", "arms")
"""The keys of an experiment file. In Python each may be passed as an argument."""


def run(*given: Any, **named: Any) -> Run:
    settings, asked = settings_apart(named, SETTINGS, RunQuestion)
    question = RunQuestion(*given, **asked)
    check_not_empty(question)
    if settings and isinstance(question.settings, Mapping | tuple | list):
        question = replace(question, settings=_both(question.settings, settings))
    return begun(question)


run.__doc__ = begun.__doc__
run.__signature__ = inspect.signature(RunQuestion)  # type: ignore[attr-defined]


def _both(settings: Mapping[str, Any] | Sequence[str], named: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the settings of a question together with those passed as arguments. Raises BadInput if a key is given twice."""
    given = given_settings(settings)
    if twice := next((name for name in named if any(str(key).partition(".")[0] == name for key in given)), None):
        raise BadInput(f"{twice} is given in settings and by name; leave one out")
    return given | dict(named)


def _check_sources(arms: tuple[Arm, ...], question: RunQuestion) -> None:
    """Raise BadInput if one of the user's own classes is defined in no file. Its source could not be part of the step keys of a folder."""
    if question.out is None:
        return
    for part in (part for arm in arms for part in arm.experiment.parts):
        if own_parts.is_own(type(part)) and own_source.file_of(type(part)) is None:
            raise BadInput(
                f"{type(part).__name__} is defined in no file, so a run folder could not notice when it changes; write it into a file and import it, or leave out="
            )


def in_a_folder(question: RunQuestion) -> RunQuestion:
    """Return the question with the defaults of the command line: a folder, and one worker per core for experiments that become faster by it."""
    arms, workers = arms_of(question), question.workers
    if workers is None:  # a learner with a closed form is fitted faster in one process
        learner = arms[0].experiment.learner
        takes_long = learner.trains or learner.continues
        workers = as_many_as_cores(len(arms) if takes_long else 1)
    return replace(question, out=question.out or Path("runs") / arms[0].experiment.name, workers=workers)


def arms_of(question: RunQuestion) -> tuple[Arm, ...]:
    """Return every arm with every seed of an experiment. The experiment may have any of its forms; the settings of the question are applied."""
    own_parts.load(question.imports)
    spec, settings = question.spec, question.settings
    if isinstance(settings, str | Path):
        raise BadInput(f"settings must be a mapping of keys to values, got {settings!r:.80}; write out= for the folder")
    with own_parts.beside(spec), own_parts.blaming():
        if isinstance(spec, Experiment):
            if not settings:
                return (arm_of(spec),)
            spec = {key: value for key, value in plain(spec).items() if key != "kind"}
        if isinstance(spec, Mapping):
            return arms(changed(spec, settings, str(spec.get("name", ""))))
        loaded = load(str(spec), settings)
        if str(spec) in builtin() and lacks_a_source(loaded):
            needs = builtin()[str(spec)].read_text(encoding="utf-8").splitlines()[0].lstrip("# ")
            raise BadInput(
                f"human must say where the data come from; add human.path=FILE (or human.hub=ID) to the command, as {spec} says: {needs}"
            )
        return arms(loaded)


def _is_file_of(spec: Any, folder: Path) -> bool:
    """Whether the experiment is read from the same file that the run would write."""
    stored = folder / "experiment.yaml"
    return isinstance(spec, str | Path) and Path(spec).is_file() and stored.exists() and stored.samefile(spec)


def _first(settings: Mapping[str, Any] | Sequence[str]) -> str:
    return f"{(first := next(iter(settings)))}={settings[first]}" if isinstance(settings, Mapping) else settings[0]


__all__ = ["Run", "open", "run"]
