"""Forecast: the predicted course of each reading, the generations within its budget, and the least human share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outcross.collapse.forecasting import BackTest
from outcross.errors import BadInput
from outcross.estimate import rounded
from outcross.recipe import nearest
from outcross.verbs.results import WIDTH, Result
from outcross.wording import amount, in_percent

if TYPE_CHECKING:
    import polars

    from outcross.report.figure import Figure

FILE, CURVES = "forecast.json", "curves.parquet"
PLANNED = "runs"
"""The subfolder of a forecast with the small runs that it planned. Each is an ordinary run."""
AS_OBSERVED = "as observed, without an interval"
"""The words in place of the interval, for a number of generations that was observed."""


@dataclass(frozen=True)
class FanPoint:
    """A reading at one generation. If it is predicted, it has a 95 % and an 80 % interval."""

    generation: int
    value: float
    """The mean over the runs, or for a predicted generation the median of the forecast."""
    low: float | None = None
    high: float | None = None
    inner_low: float | None = None
    """Lower end of the 80 % interval. None for an observed generation."""
    inner_high: float | None = None

    @property
    def is_ahead(self) -> bool:
        """Whether the generation is predicted."""
        return self.inner_low is not None


@dataclass(frozen=True)
class SafeHorizon:
    """The number of generations in which the mean over the runs stays within its budget, before it is outside for the first time.

    `low`, `median` and `high` are the median with its 95 % interval. None means more than `looked_at`. If the budget was already left in an observed
    generation, the three are the same observed number, which has no interval.
    """

    low: int | None
    median: int | None
    high: int | None
    looked_at: int
    """The last generation of the forecast."""
    is_observed: bool = False
    """Whether the budget was left in an observed generation."""

    def in_words(self, end: int | None) -> str:
        """Return one of the three numbers in words. None becomes "more than" the last generation."""
        return f"more than {self.looked_at:,}" if end is None else f"{end:,}"

    def __str__(self) -> str:
        if self.is_observed:
            return f"{self.median} ({AS_OBSERVED})"
        if self.low is None:
            return self.in_words(None)
        return f"{self.in_words(self.median)} [{self.in_words(self.low)}, {self.in_words(self.high)}]"


@dataclass(frozen=True)
class ReadingForecast:
    """The forecast of one reading of one arm: the observed and predicted values, and the back-tests of the laws."""

    measure: str
    at: str
    arm: str
    runs: int
    """Number of runs (seeds) in the mean."""
    observed: int
    """Number of observed generations."""
    points: tuple[FanPoint, ...]
    tests: tuple[BackTest, ...]
    budget: float | None = None
    """The budget as a ratio to generation 0. None without a budget."""
    limit: float | None = None
    """The limit of the budget on the scale of the reading."""
    horizon: SafeHorizon | None = None

    @property
    def name(self) -> str:
        """The reading and its place."""
        return f"{self.measure}, {self.at}" if self.at else self.measure

    @property
    def ahead(self) -> tuple[FanPoint, ...]:
        """The predicted generations."""
        return tuple(point for point in self.points if point.is_ahead)

    @property
    def best_test(self) -> BackTest:
        """The law with the largest weight."""
        return max(self.tests, key=lambda test: test.weight)


@dataclass(frozen=True)
class NotForecast:
    """A reading of an arm that could not be forecast, with the reason."""

    measure: str
    at: str
    arm: str
    why: str


@dataclass(frozen=True)
class SharePlace:
    """One arm of a share curve: the worst ratio to generation 0 that the expectation of the reading reaches, with its 95 % interval."""

    share: float
    arm: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class LeastShare:
    """The smallest human share with which the expectation of a reading stays within its budget, for one policy. A single run may need more.

    `low`, `value` and `high` are shares in [0, 1]. None means larger than all shares that were run. `is_at_most` says that the smallest share that
    was run already stays within the budget, so that an even smaller one may be enough.
    """

    measure: str
    at: str
    policy: str
    """The choice of human records in each generation: always the same (fixed rows), drawn again from the same set (redrawn rows), or new (fresh
    rows)."""
    among: str
    """Name of the group of arms, if arms differ in more than the share. Empty otherwise."""
    budget: float
    generations: int
    """The last generation up to which the budget must hold."""
    low: float | None
    value: float | None
    high: float | None
    is_at_most: bool
    places: tuple[SharePlace, ...]

    @property
    def name(self) -> str:
        """The reading and its place."""
        return f"{self.measure}, {self.at}" if self.at else self.measure

    @property
    def largest(self) -> float:
        """The largest share that was run."""
        return max(place.share for place in self.places)

    def in_words(self, share: float | None) -> str:
        """Return a share in percent, or words that it is larger than all shares that were run."""
        return f"more than {in_percent(self.largest)}" if share is None else in_percent(share)

    def __str__(self) -> str:
        value, low, high = (self.in_words(share) for share in (self.value, self.low, self.high))
        return f"{'at most ' * self.is_at_most}{value} [{low}, {high}]"


@dataclass(frozen=True, eq=False, repr=False)
class Forecast(Result):
    """Predicted readings of generations that have not been run, with intervals.

    `curves` has a forecast for each reading and arm, `shares` the least human share for each reading and policy, and `refused` the readings that
    could not be forecast, with the reason. `horizon(reading)` returns the number of generations within the budget for each arm.
    """

    names: tuple[str, ...]
    """Names of the runs."""
    ahead: int
    budgets: Mapping[str, float]
    curves: tuple[ReadingForecast, ...]
    shares: tuple[LeastShare, ...]
    refused: tuple[NotForecast, ...]
    notes: tuple[str, ...]
    folder: Path | None = None

    def horizon(self, reading: str = "", arm: str = "") -> dict[str, SafeHorizon]:
        """Return the number of generations in which a reading stays within its budget, by arm (and by place, if there are several).

        Without `reading`, it is the first reading with a budget.
        """
        known = list(dict.fromkeys(curve.measure for curve in self.curves if curve.horizon is not None))
        if not known:
            raise BadInput("no reading has a budget; write budgets={'held_out_perplexity': 1.2}")
        reading = reading or known[0]
        if reading not in known:
            raise BadInput(f"{reading!r:.80} has no budget{nearest(reading, known)}; there are budgets on {', '.join(known)}")
        arms = list(dict.fromkeys(curve.arm for curve in self.curves))
        if arm and arm not in arms:
            raise BadInput(f"there is no arm {arm!r:.80}{nearest(arm, arms)}; the arms are {', '.join(arms)[:300]}")
        several = len({curve.at for curve in self.curves if curve.measure == reading}) > 1
        return {
            f"{curve.arm}, {curve.at}" if several else curve.arm: curve.horizon
            for curve in self.curves
            if curve.measure == reading and curve.horizon is not None and arm in ("", curve.arm)
        }

    @property
    def summary(self) -> str:
        """One or two sentences about the reading that leaves its budget first, and the number of generations until then."""
        safe = [curve for curve in self.curves if curve.horizon is not None]
        if not safe:
            return f"{len(self.curves)} readings are forecast {amount(self.ahead, 'generation')} ahead; none has a budget."
        ended = [curve for curve in safe if curve.horizon is not None and curve.horizon.low is not None]
        if not ended:
            last = max(curve.horizon.looked_at for curve in safe if curve.horizon is not None)
            return f"Every reading stays within its budget up to generation {last}, the last one of the forecast, each with a probability of at least 97.5 %{self._but}."
        first = min(ended, key=lambda curve: (_order(curve.horizon, "median"), _order(curve.horizon, "low")))
        horizon = first.horizon
        assert horizon is not None and horizon.low is not None
        interval = f"95 % interval {horizon.low} to {horizon.in_words(horizon.high)}"
        if horizon.is_observed and horizon.median is not None:
            return f"{first.name} of {first.arm} left its budget of {first.budget:g} in generation {horizon.median + 1}, which was observed."
        if horizon.median is None:
            return (
                f"Up to generation {horizon.looked_at}, the last one of the forecast, each reading is more likely to stay within its budget than to leave it. "
                f"The first that may leave it is {first.name} of {first.arm}, after {amount(horizon.low, 'generation')} at the earliest (95 % interval)."
            )
        return f"{first.name} of {first.arm} is the first to leave its budget ({first.budget:g} times generation 0): it stays within the budget for {amount(horizon.median, 'generation')} ({interval})."

    @property
    def _but(self) -> str:
        """The exception in a sentence about all budgets: arms for which a reading with a budget could not be forecast."""
        bounded = {curve.measure for curve in self.curves if curve.horizon is not None}
        arms = list(dict.fromkeys(refusal.arm for refusal in self.refused if refusal.measure in bounded))
        return f", but {', '.join(arms[:4])}{' and others' * (len(arms) > 4)} could not be forecast" if arms else ""

    @property
    def short(self) -> str:
        """The runs and the size of the forecast, followed by its summary."""
        return f"Forecast of {', '.join(self.names)[:200]}: {amount(len(self.curves), 'curve')}, {amount(self.ahead, 'generation')} ahead\n{self.summary}"

    def frame(self) -> polars.DataFrame:
        """Return a polars frame with one row per reading, arm and generation: the value with its 95 % and 80 % intervals, the limit, and whether it
        is predicted."""
        import polars as pl

        rows = [
            (curve.measure, curve.at, curve.arm, point.generation, point.is_ahead, point.value, point.low, point.high, point.inner_low, point.inner_high, curve.limit)
            for curve in self.curves
            for point in curve.points
        ]  # fmt: skip
        schema = {
            "measure": pl.String, "at": pl.String, "arm": pl.String, "generation": pl.Int64, "is_ahead": pl.Boolean, "value": pl.Float64, "low": pl.Float64,
            "high": pl.Float64, "inner_low": pl.Float64, "inner_high": pl.Float64, "limit": pl.Float64,
        }  # fmt: skip
        return pl.DataFrame(rows, schema=schema, orient="row")

    def plain(self) -> dict[str, Any]:
        """Return the forecast as plain data."""
        content = {
            "schema": 1, "runs": list(self.names), "ahead": self.ahead, "budgets": dict(self.budgets), "summary": self.summary,
            "curves": [asdict(curve) for curve in self.curves], "shares": [asdict(least_share) for least_share in self.shares],
            "refused": [asdict(refusal) for refusal in self.refused], "notes": list(self.notes),
        }  # fmt: skip
        return _rounded(content)

    def figures(self) -> tuple[Figure, ...]:
        """Return a fan chart for each reading, with one panel per arm, and a figure of the share curve for each reading and policy."""
        from outcross.verbs.forecast.page import figures

        return figures(self)

    def report(self, path: str | Path) -> Path:
        """Write the report of the forecast as one HTML file. Returns the path."""
        from outcross.verbs.forecast.page import write_page_of

        return write_page_of(self, Path(path))

    def write(self, out: str | Path) -> Path:
        """Write forecast.json, curves.parquet and report.html into a folder, beside the planned small runs.

        Raises BadInput if it holds something else.
        """
        import json

        from outcross.ledger.results import write_folder
        from outcross.verbs.forecast.page import page

        out = Path(out)
        content = json.dumps(self.plain(), ensure_ascii=False, allow_nan=False, indent=1) + "\n"
        stored = _of_plain(
            json.loads(content)
        )  # the page shows the rounded numbers of the file, so that it can be reproduced from the file
        files: dict[str, Any] = {CURVES: stored.frame(), "report.html": page(stored), FILE: content}
        write_folder(out, "forecast", files, own=(PLANNED,))
        return out

    def lines(self, width: int = WIDTH) -> list[str]:
        """Return the lines for a terminal."""
        from outcross.verbs.forecast.screen import forecast_lines

        return list(forecast_lines(self, width))


def _order(horizon: SafeHorizon | None, end: str) -> float:
    number = getattr(horizon, end)
    return float("inf") if number is None else number


def _rounded(content: Any) -> Any:
    if isinstance(content, Mapping):
        return {key: _rounded(value) for key, value in content.items()}
    if isinstance(content, Sequence) and not isinstance(content, str):
        return [_rounded(value) for value in content]
    return rounded(content) if isinstance(content, float) else content


def is_forecast(folder: Path) -> bool:
    """Whether a folder holds a forecast."""
    return (folder / FILE).is_file()


def stored_forecast(folder: Path) -> Forecast | None:
    """Return the forecast in a folder, or None if there is none. Raises BadInput if its file is damaged."""
    import json

    from outcross.files.whole import read_text

    if not is_forecast(folder):
        return None
    try:
        return replace(_of_plain(json.loads(read_text(folder / FILE))), folder=folder)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as why:
        raise BadInput(f"{folder / FILE} is damaged ({type(why).__name__}); run outcross forecast again") from None


def _of_plain(content: Mapping[str, Any]) -> Forecast:
    """Return a forecast from its plain data."""
    return Forecast(
        names=tuple(content["runs"]),
        ahead=content["ahead"],
        budgets=content["budgets"],
        curves=tuple(_curve(curve) for curve in content["curves"]),
        shares=tuple(
            LeastShare(**stored_share | {"places": tuple(SharePlace(**place) for place in stored_share["places"])})
            for stored_share in content["shares"]
        ),
        refused=tuple(NotForecast(**refusal) for refusal in content["refused"]),
        notes=tuple(content["notes"]),
    )


def _curve(content: Mapping[str, Any]) -> ReadingForecast:
    horizon = content["horizon"]
    curve = ReadingForecast(**content)
    return replace(
        curve,
        points=tuple(FanPoint(**point) for point in content["points"]),
        tests=tuple(BackTest(**test) for test in content["tests"]),
        horizon=None if horizon is None else SafeHorizon(**horizon),
    )
