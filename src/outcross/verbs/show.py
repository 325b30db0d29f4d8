"""The verb `show`: what a run or an audit found, what is in a mix, or what an experiment says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclopts import Parameter

from outcross.errors import BadInput
from outcross.verbs.asking import asks

if TYPE_CHECKING:
    from outcross.verbs.audit.result import Audits
    from outcross.verbs.mix.result import Mix
    from outcross.verbs.run.result import Run

    What = str | Path
    Settings = Mapping[str, Any] | Sequence[str]
else:  # what the command line gives
    What, Settings = str, tuple[str, ...]


@Parameter(name="*")
@dataclass(frozen=True)
class ShowQuestion:
    """Print what a run or an audit found (of a run the last generation of every arm, its seeds pooled; --json: all), what is in a mix, or what an experiment says, every key resolved, with what each generation learns from."""

    what: What
    """A folder of a run, an audit or a mix, an experiment file, or the name of a built-in experiment."""
    settings: Settings = ()
    """Changes to an experiment, as `run` takes them."""
    _: KW_ONLY
    seeds: bool = False
    """Of a run, print every seed by itself."""


@dataclass(frozen=True)
class Described:
    """What an experiment says, every default written out."""

    experiment: Mapping[str, Any]
    plans: Mapping[str, Sequence[str]]
    """What each generation learns from, in words, by the names of the arms."""
    missing: Sequence[str]
    """Keys that must be given before it can be run."""

    def plain(self) -> dict[str, Any]:
        """The experiment as plain data."""
        return {"schema": 1, "experiment": self.experiment, "plan": self.plans, "missing": self.missing}

    def lines(self, width: int) -> Iterator[str]:
        """The experiment as YAML that `run` takes."""
        from outcross.files.plain_yaml import dump
        from outcross.verbs.terminal import comment_lines

        for key in self.missing:
            yield f"# {key} is missing: give it before this can be run, as in {key}=FILE"
        yield from dump(self.experiment, width).splitlines()
        yield from comment_lines(self.plans, width)


def shown(question: ShowQuestion) -> Run | Audits | Mix | Described:
    """The run, the audits or the mix that a folder holds, or what an experiment says. BadInput where it is none of them."""
    from outcross.experiment.arms import described, planned
    from outcross.experiment.file import load
    from outcross.files.names import kind_at
    from outcross.verbs.audit.result import stored
    from outcross.verbs.mix.result import stored_mix
    from outcross.verbs.run.answer import open as open_run

    what, settings = question.what, question.settings
    if kind_at(what) != "folder":
        loaded = load(str(what), settings)
        experiment, missing = described(loaded)
        return Described(experiment, planned(loaded), missing)
    if settings:
        raise BadInput(f"{what} is a folder, which has no settings to change ({next(iter(settings))!r:.80}); leave them out")
    for result in (stored(Path(what)), stored_mix(Path(what))):
        if result is not None:
            return result
    return open_run(what)


show = asks(ShowQuestion, shown)


def print_shown(result: Run | Audits | Mix | Described, every_seed: bool = False) -> None:
    """Print a result as people read it; of a run every seed by itself on request."""
    from outcross.verbs.audit.result import Audits
    from outcross.verbs.audit.screen import print_audits
    from outcross.verbs.mix.result import Mix
    from outcross.verbs.mix.screen import mix_lines
    from outcross.verbs.run.screen import run_lines
    from outcross.verbs.terminal import width

    if isinstance(result, Audits):
        print_audits(result)
    elif isinstance(result, Mix):
        print("\n".join(mix_lines(result, width())))
    elif isinstance(result, Described):
        print("\n".join(result.lines(width())))
    else:
        print("\n".join(run_lines(result, width(), every_seed=every_seed)))
