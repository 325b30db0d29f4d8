"""The function `forecast`: from runs to where their readings go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from outcross.collapse.forecasting import LEAST, too_few
from outcross.errors import BadInput
from outcross.ledger import results
from outcross.verbs.asking import asks
from outcross.verbs.forecast.arms import together
from outcross.verbs.forecast.budgets import budgets_of, numbers_of
from outcross.verbs.forecast.question import ForecastQuestion
from outcross.verbs.forecast.result import Forecast, NotForecast
from outcross.verbs.forecast.work import forecasts
from outcross.verbs.run.answer import open as open_run
from outcross.verbs.run.result import Run

MOST_AHEAD = 200
FARTHEST = 2
"""Generations ahead for each one observed, up to which intervals were calibrated."""


def forecasted(question: ForecastQuestion) -> Forecast:
    """Where the readings of runs go. BadInput where the runs do not belong together, have too few generations, or lack a reading with a budget.

    `runs` are folders, or what `outcross.run` and `outcross.open` return; `budgets` maps readings to ratios to generation 0. With `out` the forecast is written there too.
    """
    runs, given, ahead = _asked(question)
    if not 1 <= ahead <= MOST_AHEAD:
        raise BadInput(f"ahead must be a whole number from 1 to {MOST_AHEAD}, got {ahead}; write ahead=20")
    if question.out is not None:
        results.check_folder(Path(question.out), "forecast", [run.folder for run in runs if run.folder is not None])
    arms = together(runs)
    _check_generations(runs)
    budgets = budgets_of(given, {name for arm in arms for name in arm.readings["measure"].unique().to_list()})
    curves, shares, refused = forecasts(arms, ahead, budgets)
    if not curves:
        why = refused[0].why if refused else "they have none of the readings that a report leads with"
        raise BadInput(f"nothing of {runs[0].name} can be forecast: {why}")
    if given:
        _check_budgets(given, {one.measure for one in curves}, refused)
    result = Forecast(
        names=tuple(str(run.folder or run.name) for run in runs),
        ahead=ahead,
        budgets={budget.reading: budget.ratio for budget in budgets},
        curves=curves,
        shares=shares,
        refused=refused,
        notes=tuple(_notes(runs, curves)),
    )
    return result if question.out is None else replace(result, folder=result.write(question.out))


def _asked(question: ForecastQuestion) -> tuple[list[Run], Mapping[str, float], int]:
    """The runs, the budgets and how far. Words of the command line may hold all three."""
    given = question.runs
    several = [given] if isinstance(given, str | Path | Run) else list(given)
    for one in several:
        if not isinstance(one, str | Path | Run):
            raise BadInput(f"runs must be folders of runs or runs, got {one!r:.80}; write outcross.forecast('runs/stdlib')")
    budgets, settings, folders = numbers_of(one for one in several if isinstance(one, str))
    named: Any = question.budgets
    if isinstance(named, str | tuple | list):
        more, _, left = numbers_of(f"budget.{word}" for word in ((named,) if isinstance(named, str) else named))
        if left:
            raise BadInput(
                f"--budgets takes READING=RATIO, got {left[0].removeprefix('budget.')!r:.80}; write --budgets held_out_perplexity=1.2"
            )
        named = more
    budgets |= dict(named or {})
    runs = [_run(one) for one in [*folders, *(one for one in several if not isinstance(one, str))]]
    if not runs:
        raise BadInput(
            "forecast needs the folder of a run; write outcross forecast runs/stdlib ahead=20 budget.held_out_perplexity=1.2"
        )
    places = [run.folder.resolve() for run in runs if run.folder is not None]
    if twice := next((place for place in places if places.count(place) > 1), None):
        raise BadInput(f"{twice} is given twice; give each run once")
    return runs, budgets, settings.get("ahead", question.ahead)


def _run(given: str | Path | Run) -> Run:
    if isinstance(given, Run):
        return given
    place = Path(given)
    if not place.is_dir():
        raise BadInput(f"{given} is no folder of a run; forecast reads finished runs: write outcross run SPEC --out {given} first")
    return open_run(place)


def _check_generations(runs: list[Run]) -> None:
    """BadInput where no arm of a run has enough generations; says how many more would do."""
    for run in runs:
        counts = run.readings.group_by("arm", "seed").agg(generations=_distinct()).get_column("generations")
        longest = int(counts.max() or 0)  # type: ignore[arg-type]
        if longest < LEAST:
            out = "" if run.folder is None else f" --out {run.folder}"
            raise BadInput(
                f"{run.folder or run.name}: {too_few(longest)}: run the same experiment on, outcross run SPEC generations={LEAST}{out}"
            )


def _distinct() -> Any:
    import polars

    return polars.col("generation").n_unique()


def _check_budgets(given: Mapping[str, float], there: set[str], refused: tuple[NotForecast, ...]) -> None:
    """BadInput where no arm could be forecast of a reading that was given a budget; the reason is named."""
    for name in given:
        if name not in there:
            why = next((one.why for one in refused if one.measure == name), "it was not read")
            raise BadInput(f"budget.{name} cannot be forecast in any arm: {why}")


def _notes(runs: list[Run], curves: tuple[Any, ...]) -> Iterator[str]:
    """What a reader must know before the numbers."""
    yield (
        "A forecast is of these runs going on as they were run, with the same data, sizes and policy. The interval holds the mean of the runs that would be read there with a chance of 95 %."
    )
    least = min(one.observed for one in curves)
    if (far := max(one.points[-1].generation + 1 - one.observed for one in curves)) > FARTHEST * least:
        yield f"Some arms were observed for {least} generations and are forecast {far} ahead: the width of the intervals was calibrated up to {FARTHEST * least} ahead."
    for run in runs:
        if run.unfinished:
            yield run.unfinished
    if (fewest := min(one.runs for one in curves)) < 3:
        yield f"Some arms have {fewest} run{'s' * (fewest != 1)}: how runs scatter is then known from few steps, and intervals are wide. Several seeds narrow them."


forecast = asks(ForecastQuestion, forecasted)

__all__ = ["forecast", "forecasted"]
