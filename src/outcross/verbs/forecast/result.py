"""Forecast: where each reading goes, how long it stays within its budget, and with what human share."""

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
from outcross.wording import amount

if TYPE_CHECKING:
    import polars

    from outcross.report.figure import Figure

FILE, CURVES = "forecast.json", "curves.parquet"
PLANNED = "runs"
"""The folder beside a forecast that holds the small runs that it planned, each an ordinary run."""
"""What is said of a number of generations that no end was found of."""
AS_OBSERVED = "as observed, without an interval"
"""What is said of a number of generations that was read, in the place of its interval."""


@dataclass(frozen=True)
class FanPoint:
    """A reading at one generation: observed, or ahead with its 95 % and its 80 % interval."""

    generation: int
    value: float
    """The mean over the runs; ahead the median of the forecast."""
    low: float | None = None
    high: float | None = None
    inner_low: float | None = None
    """The ends of the 80 % interval; None of what was observed."""
    inner_high: float | None = None

    @property
    def is_ahead(self) -> bool:
        """Whether it is predicted."""
        return self.inner_low is not None


@dataclass(frozen=True)
class SafeHorizon:
    """For how many generations the mean over the runs stays within its budget, up to the one before it is outside for the first time: the lower end of the 95 % interval, the median, the upper end.

    None is more than were looked at. Where the budget was left in what was observed, the three are the same number, as it was read: it has no interval.
    """

    low: int | None
    median: int | None
    high: int | None
    looked_at: int
    """The last generation that was looked at."""
    is_observed: bool = False
    """Whether the budget was left in a generation that was observed."""

    def in_words(self, end: int | None) -> str:
        """One of the three numbers; where it is not known, which number it is larger than."""
        return f"more than {self.looked_at:,}" if end is None else f"{end:,}"

    def __str__(self) -> str:
        if self.is_observed:
            return f"{self.median} ({AS_OBSERVED})"
        if self.low is None:
            return self.in_words(None)
        return f"{self.in_words(self.median)} [{self.in_words(self.low)}, {self.in_words(self.high)}]"


@dataclass(frozen=True)
class ReadingForecast:
    """One reading of one arm: what was observed, what is ahead, and how well laws would have predicted what is known."""

    measure: str
    at: str
    arm: str
    runs: int
    """Runs (seeds) that it is the mean of."""
    observed: int
    """Generations observed."""
    points: tuple[FanPoint, ...]
    tests: tuple[BackTest, ...]
    budget: float | None = None
    """The ratio to generation 0 that it may reach; None where it has no budget."""
    limit: float | None = None
    """The value that the budget allows, on the scale of the reading."""
    horizon: SafeHorizon | None = None

    @property
    def name(self) -> str:
        """The reading and its place."""
        return f"{self.measure}, {self.at}" if self.at else self.measure

    @property
    def ahead(self) -> tuple[FanPoint, ...]:
        """The generations ahead."""
        return tuple(point for point in self.points if point.is_ahead)

    @property
    def best_test(self) -> BackTest:
        """The law with the largest weight."""
        return max(self.tests, key=lambda test: test.weight)


@dataclass(frozen=True)
class NotForecast:
    """A reading of an arm that is not forecast, and why."""

    measure: str
    at: str
    arm: str
    why: str


@dataclass(frozen=True)
class SharePlace:
    """One arm of a share curve: how far the expectation of the reading goes by the last generation looked at, as a ratio to generation 0, with its 95 % interval."""

    share: float
    arm: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class LeastShare:
    """The least human share with which the expectation of a reading keeps its budget, for one policy; a single run that strays may need more.

    `low`, `value` and `high` are shares in [0, 1]; None means beyond the largest share that was run. `is_at_most`: the smallest share that was run keeps the budget already, so
    that the least one may be lower still.
    """

    measure: str
    at: str
    policy: str
    """Which human records those are: the same ones each time (fixed rows), another choice each time (redrawn rows), or new ones (fresh rows)."""
    among: str
    """What else tells these arms from others; empty where nothing does."""
    budget: float
    generations: int
    """For how many generations the budget holds."""
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

    def __str__(self) -> str:
        value, low, high = (
            f"more than {100 * self.largest:.3g} %" if share is None else f"{100 * share:.3g} %"
            for share in (self.value, self.low, self.high)
        )
        return f"{'at most ' * self.is_at_most}{value} [{low}, {high}]"


@dataclass(frozen=True, eq=False, repr=False)
class Forecast(Result):
    """Where readings go over the generations that have not been run, with intervals.

    `curves` has a forecast for each reading and arm, `shares` the least human share for each reading and policy, `refused` what is not forecast and why. `horizon(reading)` gives
    the number of generations within the budget, an arm each.
    """

    names: tuple[str, ...]
    """Of the runs."""
    ahead: int
    budgets: Mapping[str, float]
    curves: tuple[ReadingForecast, ...]
    shares: tuple[LeastShare, ...]
    refused: tuple[NotForecast, ...]
    notes: tuple[str, ...]
    folder: Path | None = None

    def horizon(self, reading: str = "", arm: str = "") -> dict[str, SafeHorizon]:
        """For how many generations a reading stays within its budget, by arm (and place, where it has several); the first reading with a budget if none is named."""
        known = list(dict.fromkeys(curve.measure for curve in self.curves if curve.horizon is not None))
        if not known:
            raise BadInput("no reading was given a budget; write budgets={'held_out_perplexity': 1.2}")
        reading = reading or known[0]
        if reading not in known:
            raise BadInput(f"no budget on {reading!r:.80}{nearest(reading, known)}; there are budgets on {', '.join(known)}")
        arms = list(dict.fromkeys(curve.arm for curve in self.curves))
        if arm and arm not in arms:
            raise BadInput(f"no arm {arm!r:.80}{nearest(arm, arms)}; there are {', '.join(arms)[:300]}")
        several = len({curve.at for curve in self.curves if curve.measure == reading}) > 1
        return {
            f"{curve.arm}, {curve.at}" if several else curve.arm: curve.horizon
            for curve in self.curves
            if curve.measure == reading and curve.horizon is not None and arm in ("", curve.arm)
        }

    @property
    def summary(self) -> str:
        """One or two sentences: which reading leaves its budget first, and after how many generations."""
        safe = [curve for curve in self.curves if curve.horizon is not None]
        if not safe:
            return f"{len(self.curves)} readings are forecast {amount(self.ahead, 'generation')} ahead; none has a budget."
        ended = [curve for curve in safe if curve.horizon is not None and curve.horizon.low is not None]
        if not ended:
            last = max(curve.horizon.looked_at for curve in safe if curve.horizon is not None)
            return f"Every budget is kept up to generation {last}, the last that was looked at, with a chance of at least 97.5 % each{self._but}."
        first = min(ended, key=lambda curve: (_order(curve.horizon, "median"), _order(curve.horizon, "low")))
        horizon = first.horizon
        assert horizon is not None and horizon.low is not None
        interval = f"95 % interval {horizon.low} to {horizon.in_words(horizon.high)}"
        if horizon.is_observed and horizon.median is not None:
            return f"{first.name} of {first.arm} left its budget of {first.budget:g} in generation {horizon.median + 1}, which was observed."
        if horizon.median is None:
            return (
                f"Each budget is more likely kept than left up to generation {horizon.looked_at}, the last that was looked at; the first that may be left is that of {first.name} of {first.arm}, "
                f"after {amount(horizon.low, 'generation')} at the earliest (95 % interval)."
            )
        return f"{first.name} of {first.arm} is the first to leave its budget ({first.budget:g} times generation 0): it stays within the budget for {amount(horizon.median, 'generation')} ({interval})."

    @property
    def _but(self) -> str:
        """What a sentence about all budgets leaves out: the arms of which a reading with a budget is not forecast."""
        bounded = {curve.measure for curve in self.curves if curve.horizon is not None}
        arms = list(dict.fromkeys(refusal.arm for refusal in self.refused if refusal.measure in bounded))
        return f", but {', '.join(arms[:4])}{' and others' * (len(arms) > 4)} could not be forecast" if arms else ""

    @property
    def short(self) -> str:
        """Of what it is, and its summary."""
        return f"Forecast of {', '.join(self.names)[:200]}: {amount(len(self.curves), 'curve')}, {amount(self.ahead, 'generation')} ahead\n{self.summary}"

    def frame(self) -> polars.DataFrame:
        """A row a reading, arm and generation (polars): value with its 95 % interval, and whether it is predicted."""
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
        """The forecast as plain data."""
        content = {
            "schema": 1, "runs": list(self.names), "ahead": self.ahead, "budgets": dict(self.budgets), "summary": self.summary,
            "curves": [asdict(curve) for curve in self.curves], "shares": [asdict(least_share) for least_share in self.shares],
            "refused": [asdict(refusal) for refusal in self.refused], "notes": list(self.notes),
        }  # fmt: skip
        return _rounded(content)

    def figures(self) -> tuple[Figure, ...]:
        """A figure of fans for each reading, an arm a panel, and one of the share curve for each reading and policy."""
        from outcross.verbs.forecast.page import figures

        return figures(self)

    def report(self, path: str | Path) -> Path:
        """Write the page of it."""
        from outcross.verbs.forecast.page import write_page_of

        return write_page_of(self, Path(path))

    def write(self, out: str | Path) -> Path:
        """Write forecast.json, curves.parquet and report.html into a folder, beside the small runs that a forecast planned there. BadInput where it holds something else."""
        import json

        from outcross.ledger.results import write_folder
        from outcross.verbs.forecast.page import page

        out = Path(out)
        content = json.dumps(self.plain(), ensure_ascii=False, allow_nan=False, indent=1) + "\n"
        stored = _of_plain(json.loads(content))  # the page shows the numbers that the file holds, so that it can be written again
        files: dict[str, Any] = {CURVES: stored.frame(), "report.html": page(stored), FILE: content}
        write_folder(out, "forecast", files, own=(PLANNED,))
        return out

    def lines(self, width: int = WIDTH) -> list[str]:
        """What a terminal shows."""
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
    """The forecast that a folder holds; None where it holds none. BadInput where its file is damaged."""
    import json

    from outcross.files.whole import read_text

    if not is_forecast(folder):
        return None
    try:
        return replace(_of_plain(json.loads(read_text(folder / FILE))), folder=folder)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as why:
        raise BadInput(f"{folder / FILE} is damaged ({type(why).__name__}); run outcross forecast again") from None


def _of_plain(content: Mapping[str, Any]) -> Forecast:
    """A forecast from its plain data."""
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
