"""A forecast as one HTML file that opens offline, and its figures."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outcross.collapse.growth import GROWTH, growth_law
from outcross.experiment.bounds import TAIL_SURVIVAL
from outcross.files.outputs import write_page
from outcross.measures import pages_of_runs
from outcross.recipe import first_line
from outcross.report.curves import CurvePoint
from outcross.report.fans import Fan, ShareOfHuman, fan_figure, named, share_figure
from outcross.report.numerals import number
from outcross.report.templates import template
from outcross.verbs.forecast.result import AS_OBSERVED, BEYOND, Forecast, LeastShare, ReadingForecast, SafeHorizon

if TYPE_CHECKING:
    from outcross.report.figure import Figure

SMALL_WEIGHT = 0.005
"""Laws of a smaller weight are not listed beside a forecast."""


def write_page_of(result: Forecast, path: Path) -> Path:
    """Write the page."""
    return write_page(path, page(result))


def figures(result: Forecast) -> tuple[Figure, ...]:
    """A figure of fans for each reading, and one of each share curve."""
    fans = [_fans(group) for group in _by_reading(result).values()]
    return (*fans, *(_share_figure(one) for one in result.shares))


def _by_reading(result: Forecast) -> dict[tuple[str, str], list[ReadingForecast]]:
    found: dict[tuple[str, str], list[ReadingForecast]] = {}
    for one in result.curves:
        found.setdefault((one.measure, one.at), []).append(one)
    return found


def _fans(group: list[ReadingForecast]) -> Figure:
    first = group[0]
    page = pages_of_runs().get(first.measure)
    fans = [
        Fan(
            arm=one.arm,
            observed=[
                CurvePoint(point.generation, point.value, point.low, point.high) for point in one.points if not point.is_ahead
            ],
            ahead=[CurvePoint(point.generation, point.value, point.low, point.high) for point in one.ahead],
            inner=[(point.inner_low, point.inner_high) for point in one.ahead],  # type: ignore[misc]
            limit=one.limit,
            safe=None if one.horizon is None else (one.horizon.low, one.horizon.median, one.horizon.high),
        )
        for one in group
    ]
    return fan_figure(
        named("forecast", first.measure, first.at),
        title_of(first.measure, first.at),
        fans,
        is_log=page is not None and page.log,
        is_fraction=page is not None and page.unit == "fraction",
    )


def title_of(measure: str, at: str) -> str:
    """What a reading is called on a page."""
    page = pages_of_runs().get(measure)
    title = "tail survival" if measure == TAIL_SURVIVAL else measure if page is None else page.title
    return f"{title}, {at}" if at else title


def _share_figure(one: LeastShare) -> Figure:
    return share_figure(
        named("share", one.measure, one.at, one.policy, one.among),
        f"{title_of(one.measure, one.at)}, {one.policy}",
        [ShareOfHuman(place.share, place.arm, place.value, place.low, place.high) for place in one.places],
        one.budget,
        (one.low, one.value, one.high),
    )


def page(result: Forecast) -> bytes:
    """The page, rendered."""
    groups = list(_by_reading(result).values())
    drawn = [(group, _fans(group)) for group in groups]
    text = _template().render(
        result=result,
        readings=[
            {
                "title": title_of(group[0].measure, group[0].at),
                "name": group[0].name,
                "picture": figure.svg(f"f{place}"),
                "caption": figure.caption,
                "arms": group,
                "tests": [(one.arm, [test for test in one.tests if test.weight >= SMALL_WEIGHT]) for one in group],
            }
            for place, (group, figure) in enumerate(drawn)
        ],
        shares=[
            (one, title_of(one.measure, one.at), _share_figure(one).svg(f"s{place}")) for place, one in enumerate(result.shares)
        ],
        laws=[(name, first_line(type(growth_law(name))), growth_law(name).paper) for name in GROWTH],
        titles={(one.measure, one.at): title_of(one.measure, one.at) for one in result.refused},
    )
    return text.encode("utf-8", "replace")


def end_words(one: int | None) -> str:
    """A number of generations, or that no end was found."""
    return BEYOND if one is None else f"{one:,}"


def interval_words(horizon: SafeHorizon) -> str:
    """The interval of a number of generations in words."""
    if horizon.is_observed:
        return AS_OBSERVED
    return f"{end_words(horizon.low)} to {end_words(horizon.high)}" if horizon.low is not None else BEYOND


def share_words(one: LeastShare, share: float | None) -> str:
    """A share in percent, or that it lies beyond those that were run."""
    return f"more than {100 * one.largest:.3g} %" if share is None else f"{100 * share:.3g} %"


@cache
def _template() -> Any:
    return template(
        "forecast.html",
        {
            "end": end_words,
            "interval": interval_words,
            "weight": lambda share: f"{100 * share:.3g} %",
            "signed": number,
            "share_words": share_words,
        },
    )


__all__ = ["end_words", "figures", "interval_words", "page", "share_words", "title_of", "write_page_of"]
