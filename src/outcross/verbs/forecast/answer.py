"""The function `forecast`: predicts the readings of runs, or of an experiment whose small runs it plans."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from outcross.collapse.forecasting import LEAST, too_few
from outcross.errors import BadInput
from outcross.experiment import Experiment
from outcross.experiment.file import builtin, given_settings
from outcross.files.names import kind_at
from outcross.ledger import results
from outcross.recipe import nearest
from outcross.runtime.threads import one_thread_each
from outcross.verbs.asking import asks
from outcross.verbs.forecast.arms import together
from outcross.verbs.forecast.budgets import budgets_of, words_of
from outcross.verbs.forecast.design import MOST_RUNS, WIDTH, RunDesign
from outcross.verbs.forecast.plan import ForecastPlan
from outcross.verbs.forecast.planning import FARTHEST, Watch, all_runs, check_budgets, first_run, small_runs
from outcross.verbs.forecast.question import ForecastQuestion
from outcross.verbs.forecast.result import PLANNED, Forecast, NotForecast
from outcross.verbs.forecast.work import forecasts
from outcross.verbs.run.answer import open as open_run
from outcross.verbs.run.result import Run
from outcross.verbs.share_curve import shares_of

AHEAD, MOST_AHEAD = 20, 200
"""Default and maximum number of generations ahead of the last one."""
SHARES = "0:0.5:0.1"
"""Default of the human shares that may be tried."""


@one_thread_each()
def forecasted(question: ForecastQuestion, watch: Watch = lambda line: None) -> Forecast | ForecastPlan:
    """Forecast the readings of runs over the coming generations.

    `runs` are folders of runs, or Run objects as returned by `outcross.run` and `outcross.open`. `budgets` maps readings to ratios to generation 0.
    With `out`, the forecast is also written to that folder. Instead of runs, an experiment may be given: the name of a built-in one, a YAML file or
    a mapping. Its small runs are then planned and made, with human shares among `shares`, until there are `most_runs` of them or the interval of
    every least share is at most `width` wide. With `plan`, only the first small run is made, and the result is a ForecastPlan with the cost of all.
    Raises BadInput if the runs do not belong together, have too few generations, or lack a reading with a budget.
    """
    asked = _asked(question)
    if not 1 <= asked.ahead <= MOST_AHEAD:
        raise BadInput(f"ahead must be a whole number from 1 to {MOST_AHEAD}, got {asked.ahead}; write ahead=20")
    if asked.spec is None:
        _check_for_runs(question, asked)
        return _forecast(asked.runs, asked, question.out, ())
    return _planned(question, asked, watch)


@dataclass(frozen=True)
class AskedForecast:
    """The parsed arguments of a forecast."""

    runs: tuple[Run, ...]
    spec: Any
    """The experiment, if one is given instead of runs, or None."""
    budgets: Mapping[str, float]
    ahead: int
    own: Mapping[str, Any]
    """Further settings of the forecast of an experiment: shares, most_runs, width."""
    settings: Any
    """Changes to the experiment."""


def _forecast(runs: Sequence[Run], asked: AskedForecast, out: Any, notes: Sequence[str], is_planned: bool = False) -> Forecast:
    """Return the forecast of these runs. It is also written to `out`, if that is given."""
    if out is not None and not is_planned:
        results.check_folder(Path(out), "forecast", [run.folder for run in runs if run.folder is not None])
    arms = together(runs)
    _check_generations(runs)
    given = asked.budgets
    budgets = budgets_of(given, {name for arm in arms for name in arm.readings["measure"].unique().to_list()})
    curves, shares, refused = forecasts(arms, asked.ahead, budgets)
    if not curves:
        why = refused[0].why if refused else "they have none of the leading readings of a report"
        raise BadInput(f"no reading of {runs[0].name} can be forecast: {why}")
    if given:
        _check_budgets(given, {curve.measure for curve in curves}, refused)
    result = Forecast(
        names=tuple(dict.fromkeys(str(run.folder or run.name) for run in runs)),
        ahead=asked.ahead,
        budgets={budget.reading: budget.ratio for budget in budgets},
        curves=curves,
        shares=shares,
        refused=refused,
        notes=(*notes, *_notes(runs, curves)),
    )
    return result if out is None else replace(result, folder=result.write(out))


def _planned(question: ForecastQuestion, asked: AskedForecast, watch: Watch) -> Forecast | ForecastPlan:
    """Plan and make the small runs of an experiment, and return their forecast. With `plan`, return only the plan."""
    out = None if question.out is None else Path(question.out)
    design = RunDesign(
        tuple(sorted({*shares_of(asked.own.get("shares", SHARES), "human")})),
        asked.own.get("most_runs", MOST_RUNS),
        asked.own.get("width", WIDTH),
    )
    planned = small_runs(asked.spec, asked.settings, question.imports, design, asked.ahead, out)
    check_budgets(planned, asked.budgets)
    if out is not None:
        results.check_folder(out, "forecast", own=(PLANNED,))
    first, cost = first_run(planned)
    plan = ForecastPlan(planned.name, planned.design, cost, asked.ahead, first.folder)
    if question.plan:
        return plan
    for line in plan.sentences:
        watch(line)
    finished = all_runs(planned, first, asked.ahead, asked.budgets, watch)
    return _forecast(finished.runs, asked, out, (str(finished),), is_planned=True)


def _asked(question: ForecastQuestion) -> AskedForecast:
    """Parse a question into runs or an experiment, budgets and settings. Words of the command line may hold all of these."""
    given = question.runs
    several = [given] if isinstance(given, str | Path | Mapping | Run | Experiment) else list(given)
    for place in several:
        if not isinstance(place, str | Path | Mapping | Run | Experiment):
            raise BadInput(
                f"runs must be folders of runs, Run objects or one experiment, got {place!r:.80}; write outcross.forecast('runs/stdlib')"
            )
    words = words_of(place for place in several if isinstance(place, str))
    budgets = _budgets(question.budgets)
    options = {"ahead": question.ahead, "shares": question.shares, "most_runs": question.most_runs, "width": question.width}
    own = _joined(words.own, {name: value for name, value in options.items() if value is not None and not _is_empty(value)})
    places = [*words.places, *(place for place in several if not isinstance(place, str))]
    if not places:
        raise BadInput(
            "forecast needs the folder of a run, or an experiment; write outcross forecast runs/stdlib ahead=20 budget.held_out_perplexity=1.2"
        )
    runs, spec = _runs_or_experiment(places)
    return AskedForecast(
        runs,
        spec,
        _joined(words.budgets, budgets, "budget."),
        AHEAD if (ahead := own.pop("ahead", None)) is None else ahead,
        own,
        _both(words.settings, question.settings),
    )


def _budgets(given: Any) -> dict[str, Any]:
    """The budgets of --budgets by reading: a mapping, or words such as held_out_perplexity=1.2."""
    if not isinstance(given, str | tuple | list):
        return dict(given or {})
    words = words_of(f"budget.{word}" for word in ((given,) if isinstance(given, str) else given))
    if words.places:
        raise BadInput(
            f"--budgets takes READING=RATIO, got {words.places[0].removeprefix('budget.')!r:.80}; write --budgets held_out_perplexity=1.2"
        )
    return dict(words.budgets)


def _runs_or_experiment(places: Sequence[Any]) -> tuple[tuple[Run, ...], Any]:
    """The runs that the places name, or the one experiment. Raises BadInput if they name both, something else, or a run twice."""
    specs = [place for place in places if not _is_place_of_run(place)]
    runs = () if specs else tuple(_run(place) for place in places)
    if unknown := next((place for place in specs if isinstance(place, str | Path) and not _is_experiment(place)), None):
        raise BadInput(
            f"{unknown} is neither the folder of a run nor an experiment{nearest(str(unknown), builtin())}; "
            f"write outcross run SPEC --out {unknown} first, or give a YAML file or a built-in experiment"
        )
    if specs and len(places) > 1:
        first, other = _called(specs[0]), _called(next(place for place in places if place is not specs[0]))
        raise BadInput(
            f"{first} is an experiment and cannot be combined with {other}; give folders of runs, or one experiment alone"
        )
    folders = [run.folder.resolve() for run in runs if run.folder is not None]
    if twice := next((place for place in folders if folders.count(place) > 1), None):
        raise BadInput(f"{twice} is given twice; give each run once")
    return runs, specs[0] if specs else None


def _is_empty(value: Any) -> bool:
    return isinstance(value, str) and not value


def _both(words: Sequence[str], settings: Any) -> Any:
    """Return the settings of an experiment from the words of the command line and from the question."""
    if isinstance(settings, str | Path):
        raise BadInput(f"settings must be a mapping of keys to values, got {settings!r:.80}; write settings={{'human.rows': 50}}")
    return _joined(given_settings(words), given_settings(settings))


def _joined(words: Mapping[str, Any], named: Mapping[str, Any], what: str = "") -> dict[str, Any]:
    """Return the settings from the words of the command line together with those from options. Raises BadInput if both give the same setting."""
    for name in words:
        if name in named:
            raise BadInput(f"{what}{name} is given twice; give it once")
    return {**words, **named}


def _check_for_runs(question: ForecastQuestion, asked: AskedForecast) -> None:
    """Raise BadInput if runs are given together with a setting that only an experiment can have."""
    if asked.settings:
        key = next(iter(asked.settings))
        raise BadInput(
            f"forecast has no setting {key!r:.80}; it takes ahead=20 and budget.READING=1.2, and folders of runs without = in their names"
        )
    wanted = next(iter(asked.own), "--plan" if question.plan else "--import" if question.imports else None)
    if wanted is not None:
        raise BadInput(
            f"{wanted} needs an experiment, but {asked.runs[0].folder or asked.runs[0].name} is a run; leave it out, or give an experiment"
        )


def _is_place_of_run(place: Any) -> bool:
    """Whether it is a Run or a folder, which may hold a run."""
    return isinstance(place, Run) or (isinstance(place, str | Path) and Path(place).is_dir())


def _is_experiment(place: str | Path) -> bool:
    """Whether a word names a built-in experiment or a file."""
    return str(place) in builtin() or kind_at(Path(place)) == "file"


def _called(place: Any) -> str:
    if isinstance(place, str | Path):
        return str(place)
    return place.name if isinstance(place, Run | Experiment) else str(place.get("name", "a mapping"))


def _run(given: str | Path | Run) -> Run:
    if isinstance(given, Run):
        return given
    return open_run(Path(given))


def _check_generations(runs: Sequence[Run]) -> None:
    """Raise BadInput if no arm of a run has enough generations. The message gives the necessary number."""
    for run in runs:
        counts = run.readings.group_by("arm", "seed").agg(generations=_distinct()).get_column("generations")
        longest = int(counts.max() or 0)  # type: ignore[arg-type]
        if longest < LEAST:
            out = "" if run.folder is None else f" --out {run.folder}"
            raise BadInput(
                f"{run.folder or run.name}: {too_few(longest)}: continue the run, outcross run SPEC generations={LEAST}{out}"
            )


def _distinct() -> Any:
    import polars

    return polars.col("generation").n_unique()


def _check_budgets(given: Mapping[str, float], there: set[str], refused: tuple[NotForecast, ...]) -> None:
    """Raise BadInput, with the reason, if a reading with a budget could not be forecast in any arm."""
    for name in given:
        if name not in there:
            why = next((refusal.why for refusal in refused if refusal.measure == name), "it was not measured")
            raise BadInput(f"budget.{name} cannot be checked, because {name} could not be forecast in any arm: {why}")


def _notes(runs: Sequence[Run], curves: tuple[Any, ...]) -> Iterator[str]:
    """Yield the notes to read before the numbers."""
    yield (
        "The forecast assumes that these runs continue with the same data, sizes and policy. On average over experiments, 95 of 100 intervals include the mean reading of the continued runs."
    )
    fewest = min(curve.observed for curve in curves)
    if (far := max(curve.points[-1].generation + 1 - curve.observed for curve in curves)) > FARTHEST * fewest:
        yield f"Some arms were observed for {fewest} generations and are forecast {far} ahead, but the width of the intervals was calibrated only up to {FARTHEST * fewest} ahead."
    for run in runs:
        if run.unfinished:
            yield run.unfinished
    if (fewest := min(curve.runs for curve in curves)) < 3:
        yield f"Some arms have only {fewest} run{'s' * (fewest != 1)}. The scatter between runs is then estimated from few steps, and the intervals are wide. More seeds make them narrower."


forecast = asks(ForecastQuestion, forecasted)

__all__ = ["forecast", "forecasted"]
