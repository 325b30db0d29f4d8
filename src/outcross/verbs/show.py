"""The verb `show`, which prints a result, the origins of the rows of a mix, or the settings of an experiment."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclopts import Parameter

from outcross.errors import BadInput
from outcross.verbs.asking import asks
from outcross.verbs.results import WIDTH, Result

if TYPE_CHECKING:
    from outcross.verbs.audit.result import Audits
    from outcross.verbs.detect.result import Detection
    from outcross.verbs.forecast.result import Forecast
    from outcross.verbs.mix.finished.composition import Composition
    from outcross.verbs.mix.finished.trace import Trace
    from outcross.verbs.mix.result import Mix
    from outcross.verbs.reproduce.result import Reproduction
    from outcross.verbs.run.result import Run

    What = str | Path
    Settings = Mapping[str, Any] | Sequence[str]
else:  # what the command line gives
    What, Settings = str, tuple[str, ...]


@Parameter(name="*")
@dataclass(frozen=True)
class ShowQuestion:
    """Print a result or an experiment in the terminal.

    For a run: the last generation of every arm, with its seeds pooled. For an audit or a forecast: its findings. For a reproduction: its verdicts. For a mix, or for
    other data whose rows name their origin: their composition. For an experiment: every key with its value, and the records that each generation learns from.
    """

    what: What
    """A folder of a run, an audit, a forecast, a mix, a reproduction, or of data with columns such as _origin and _model; an experiment file, or the name of a built-in experiment."""
    settings: Settings = ()
    """Changes to an experiment, written as for `run`."""
    _: KW_ONLY
    seeds: bool = False
    """For a run: print every seed on a line of its own."""
    id: str = ""
    """For a mix: trace one row, named by its _id or the beginning of it, to the file that it was read from, to its parents, and through earlier mixes."""


@dataclass(frozen=True, repr=False)
class Described(Result):
    """The settings of an experiment, with all defaults."""

    experiment: Mapping[str, Any]
    plans: Mapping[str, Sequence[str]]
    """The records that each generation learns from, in words, by the names of the arms."""
    missing: Sequence[str]
    """The keys that must be given before the experiment can run."""
    of_users: Sequence[str] = ()
    """The user's own parts, each with the digest of its source. None of them was imported."""

    @property
    def short(self) -> str:
        """The name of the experiment, its number of arms, and the keys that must be given."""
        missing = f"; {', '.join(self.missing)} must be given before it can be run" if self.missing else ""
        names = sum(len(names.split(", ")) for names in self.plans)
        return f"Experiment {self.experiment.get('name')}: {names} arm{'s' * (names != 1)}{missing}"

    def frame(self) -> Any:
        """One row per setting (polars): its dotted key and its value. Settings in which arms differ have keys that begin with `arms`."""
        import polars

        from outcross.recipe import flatten

        flat = flatten(self.experiment)
        return polars.DataFrame(
            {"key": list(flat), "value": [str(value) for value in flat.values()]}, schema={"key": str, "value": str}
        )

    def plain(self) -> dict[str, Any]:
        """The experiment as plain data."""
        content = {"schema": 1, "experiment": self.experiment, "plan": self.plans, "missing": self.missing}
        return content | ({"of_users": list(self.of_users)} if self.of_users else {})

    def lines(self, width: int = WIDTH) -> Iterator[str]:
        """The experiment as a YAML file for `run`."""
        from outcross.files.plain_yaml import dump
        from outcross.report.characters import visible
        from outcross.verbs.terminal import comment_lines

        for key in self.missing:
            yield f"# {key} is missing: give it before this can be run, as in {key}=FILE"
        for said in self.of_users:
            yield from textwrap.wrap(visible(said), width, initial_indent="# ", subsequent_indent="#   ")
        yield from dump(self.experiment, width).splitlines()
        yield from comment_lines(self.plans, width)


def shown(question: ShowQuestion) -> Run | Audits | Mix | Detection | Forecast | Composition | Trace | Reproduction | Described:
    """Read the result in a folder, trace a row of a mix, or describe an experiment. Raises BadInput if there is none of them."""
    from outcross import own_parts
    from outcross.experiment.arms import described, planned
    from outcross.experiment.file import load
    from outcross.files.names import kind_at
    from outcross.verbs.audit.generations import is_run
    from outcross.verbs.audit.stored import stored
    from outcross.verbs.detect.result import stored_detection
    from outcross.verbs.forecast.result import stored_forecast
    from outcross.verbs.mix.finished.composition import composed, tells
    from outcross.verbs.mix.result import stored_mix
    from outcross.verbs.reproduce.result import stored_reproduction
    from outcross.verbs.run.answer import open as open_run
    from outcross.verbs.run.of_users import of_users_in, said_of

    what, settings = question.what, question.settings
    if question.id:
        return _traced(what, question.id)
    if kind_at(what) != "folder":
        loaded = load(str(what), settings)
        with own_parts.beside(what), own_parts.unimported({}):
            experiment, missing = described(loaded)
            plans = planned(loaded)
            said = [said_of(name, own_parts.facts_beside(name)) for name in of_users_in(experiment)]
        return Described(experiment, plans, missing, tuple(said))
    if settings:
        raise BadInput(f"{what} is a folder, which has no settings to change ({next(iter(settings))!r:.80}); leave them out")
    readers = (stored, stored_mix, stored_detection, stored_forecast, stored_reproduction)
    for result in (read(Path(what)) for read in readers):
        if result is not None:
            return result
    return composed(Path(what)) if not is_run(what) and tells(Path(what)) else open_run(what)


def _traced(what: What, beginning: str) -> Trace:
    """The origin of a row of a mix. Raises BadInput if the folder contains no mix."""
    from outcross.verbs.mix.finished.trace import traced
    from outcross.verbs.mix.result import is_stored

    if not is_stored(Path(what)):
        raise BadInput(f"{what} holds no mix, and --id traces only the rows of mixes; give the folder of a mix")
    return traced(Path(what), beginning)


show = asks(ShowQuestion, shown)


def print_shown(
    result: Run | Audits | Mix | Detection | Forecast | Composition | Trace | Reproduction | Described, every_seed: bool = False
) -> None:
    """Print a result for people to read. `every_seed` prints each seed of a run on a line of its own."""
    from outcross.verbs.audit.result import Audits
    from outcross.verbs.audit.screen import print_audits
    from outcross.verbs.detect.result import Detection
    from outcross.verbs.detect.screen import detection_lines
    from outcross.verbs.forecast.result import Forecast
    from outcross.verbs.forecast.screen import forecast_lines
    from outcross.verbs.mix.finished.composition import Composition
    from outcross.verbs.mix.finished.trace import Trace
    from outcross.verbs.mix.result import Mix
    from outcross.verbs.mix.screen import composition_lines, mix_lines, trace_lines
    from outcross.verbs.reproduce.result import Reproduction
    from outcross.verbs.run.screen import run_lines
    from outcross.verbs.terminal import width

    if isinstance(result, Audits):
        print_audits(result)
    elif isinstance(result, Mix):
        print("\n".join(mix_lines(result, width())))
    elif isinstance(result, Detection):
        print("\n".join(detection_lines(result, width())))
    elif isinstance(result, Forecast):
        print("\n".join(forecast_lines(result, width())))
    elif isinstance(result, Composition):
        print("\n".join(composition_lines(result, width())))
    elif isinstance(result, Trace):
        print("\n".join(trace_lines(result, width())))
    elif isinstance(result, Described | Reproduction):
        print("\n".join(result.lines(width())))
    else:
        print("\n".join(run_lines(result, width(), every_seed=every_seed)))
