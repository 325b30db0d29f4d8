"""The report of a forecast, one HTML file that opens offline, and its figures."""

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
from outcross.report.fans import Fan, ShareOfHuman, fan_figure, fan_panels, named, share_figure
from outcross.report.numerals import number
from outcross.report.templates import template
from outcross.verbs.forecast.result import AS_OBSERVED, Forecast, LeastShare, ReadingForecast, SafeHorizon
from outcross.wording import in_percent

if TYPE_CHECKING:
    from outcross.report.figure import Figure

SMALL_WEIGHT = 0.005
"""Minimum weight of a law that is listed beside a forecast."""


def write_page_of(result: Forecast, path: Path) -> Path:
    """Write the page of a forecast and return its path."""
    return write_page(path, page(result))


def figures(result: Forecast) -> tuple[Figure, ...]:
    """Return a fan chart for each reading, and a figure of each share curve."""
    fans = [fan_figure(**_fans(group)) for group in _by_reading(result).values()]
    return (*fans, *(_share_figure(least_share) for least_share in result.shares))


def _by_reading(result: Forecast) -> dict[tuple[str, str], list[ReadingForecast]]:
    by_reading: dict[tuple[str, str], list[ReadingForecast]] = {}
    for curve in result.curves:
        by_reading.setdefault((curve.measure, curve.at), []).append(curve)
    return by_reading


def _fans(group: list[ReadingForecast]) -> dict[str, Any]:
    """Return the arguments of `fan_figure` and `fan_panels` for one reading."""
    first = group[0]
    page = pages_of_runs().get(first.measure)
    fans = [
        Fan(
            arm=curve.arm,
            observed=[
                CurvePoint(point.generation, point.value, point.low, point.high) for point in curve.points if not point.is_ahead
            ],
            ahead=[CurvePoint(point.generation, point.value, point.low, point.high) for point in curve.ahead],
            inner=[(point.inner_low, point.inner_high) for point in curve.ahead],  # type: ignore[misc]
            limit=curve.limit,
            safe=None if curve.horizon is None else (curve.horizon.low, curve.horizon.median, curve.horizon.high),
        )
        for curve in group
    ]
    return {
        "name": named("forecast", first.measure, first.at),
        "title": title_of(first.measure, first.at),
        "fans": fans,
        "is_log": page is not None and page.log,
        "is_fraction": page is not None and page.unit == "fraction",
    }


def title_of(measure: str, at: str) -> str:
    """Return the title of a reading on a page."""
    page = pages_of_runs().get(measure)
    title = "tail survival" if measure == TAIL_SURVIVAL else measure if page is None else page.title
    return f"{title}, {at}" if at else title


def _share_figure(least_share: LeastShare) -> Figure:
    return share_figure(
        named("share", least_share.measure, least_share.at, least_share.policy, least_share.among),
        f"{title_of(least_share.measure, least_share.at)}, {least_share.policy}",
        [ShareOfHuman(place.share, place.arm, place.value, place.low, place.high) for place in least_share.places],
        least_share.budget,
        (least_share.low, least_share.value, least_share.high),
    )


def page(result: Forecast) -> bytes:
    """Return the page as bytes."""
    groups = list(_by_reading(result).values())
    drawn = [(group, *fan_panels(**_fans(group))) for group in groups]
    text = _template().render(
        result=result,
        readings=[
            {
                "title": title_of(group[0].measure, group[0].at),
                "name": group[0].name,
                "panels": [(arm, figure.svg(f"f{place}-{row}")) for row, (arm, figure) in enumerate(panels)],
                "caption": caption,
                "arms": group,
                "tests": [(curve.arm, [test for test in curve.tests if test.weight >= SMALL_WEIGHT]) for curve in group],
            }
            for place, (group, panels, caption) in enumerate(drawn)
        ],
        shares=[
            (least_share, title_of(least_share.measure, least_share.at), _share_figure(least_share).svg(f"s{place}"))
            for place, least_share in enumerate(result.shares)
        ],
        laws=[(name, first_line(type(growth_law(name))), growth_law(name).paper) for name in GROWTH],
        titles={(own.measure, own.at): title_of(own.measure, own.at) for own in (*result.refused, *result.curves)},
    )
    return text.encode("utf-8", "replace")


def interval_words(horizon: SafeHorizon) -> str:
    """Return the interval of a number of generations in words."""
    if horizon.is_observed:
        return AS_OBSERVED
    return (
        f"{horizon.in_words(horizon.low)} to {horizon.in_words(horizon.high)}"
        if horizon.low is not None
        else horizon.in_words(None)
    )


@cache
def _template() -> Any:
    return template(
        "forecast.html",
        {
            "interval": interval_words,
            "weight": in_percent,
            "signed": number,
        },
    )


__all__ = ["figures", "interval_words", "page", "title_of", "write_page_of"]
