"""What happens if models keep learning from models, under this data policy?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from outcross.errors import BadInput
from outcross.experiment import Experiment, changed, load
from outcross.experiment.arms import Arm, arm_of, arms
from outcross.ledger import Ledger
from outcross.recipe import plain
from outcross.runtime import Where
from outcross.verbs.run.result import Run
from outcross.verbs.run.result import opened as open
from outcross.verbs.run.tables import Tables
from outcross.verbs.run.work import open_folder


def run(
    spec: str | Path | Mapping[str, Any] | Experiment,
    out: str | Path | None = None,
    settings: Mapping[str, Any] | Sequence[str] = (),
    workers: int = 1,
    fork: bool = False,
    device: str = "cpu",
    ray: str | None = None,
) -> Run:
    """The run of an experiment: iterating it does the work and yields each generation, and `finish()` does the rest.

    `spec` is the name of a built-in experiment, the path of a YAML file, a mapping of what such a file says, or an Experiment; `settings` are
    changes to it by dotted key. With `out` the run goes into that folder, and what is there is loaded; without, it stays in memory.
    `finish()` works with so many `workers`, or on a `ray` cluster. Raises BadInput where the parts do not fit together, or where the folder
    holds something else (another experiment, too, unless `fork` is given).

    >>> told = {"name": "mine", "human": {"distribution": "normal", "rows": 50}, "learner": "gaussian", "chains": 100, "generations": 3}
    >>> [generation.g for generation in run(told, settings={"draw.prompts": "none"})]
    [0, 1, 2]
    """
    made = arms_of(spec, settings)
    if workers < 1:
        raise BadInput(f"--workers must be at least 1, got {workers}")
    if out is None:
        if workers > 1 or ray is not None or fork:
            raise BadInput("workers, a Ray cluster and forks need a folder to work in; pass out=")
        return Run(made, None, Tables(made, Ledger(None)), device=device)
    folder, reuse = open_folder(Path(out), made, fork)
    if settings and _is_file_of(spec, folder):
        raise BadInput(f"{spec} is an input, and the run would write it anew with {_first(settings)!r:.80}; run a copy of it")
    return Run(made, folder, Tables(made, Ledger(folder)), reuse, Where(workers, ray), device)


def arms_of(spec: str | Path | Mapping[str, Any] | Experiment, settings: Mapping[str, Any] | Sequence[str]) -> tuple[Arm, ...]:
    """Every arm and seed of an experiment in any of its forms, changed by these settings."""
    if isinstance(spec, Experiment):
        if not settings:
            return (arm_of(spec),)
        spec = {key: value for key, value in plain(spec).items() if key != "kind"}
    return arms(changed(spec, settings, str(spec.get("name", ""))) if isinstance(spec, Mapping) else load(str(spec), settings))


def _is_file_of(spec: Any, folder: Path) -> bool:
    """Whether an experiment is read from the very file that the run would write."""
    stored = folder / "experiment.yaml"
    return isinstance(spec, str | Path) and Path(spec).is_file() and stored.exists() and stored.samefile(spec)


def _first(settings: Mapping[str, Any] | Sequence[str]) -> str:
    return f"{(first := next(iter(settings)))}={settings[first]}" if isinstance(settings, Mapping) else settings[0]


__all__ = ["Run", "open", "run"]
