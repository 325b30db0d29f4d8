"""The lines that a terminal shows of a forecast."""

from __future__ import annotations

from collections.abc import Iterator

from outcross.report.characters import visible
from outcross.report.numerals import number
from outcross.verbs.forecast.result import Forecast, ReadingForecast
from outcross.verbs.terminal import wrapped

NAME = 34
"""Width of the column of arm names, in characters."""


def forecast_lines(result: Forecast, width: int) -> Iterator[str]:
    """Yield the summary, the generations within each budget, the least shares, the last generation of the other readings, and what could not be
    forecast."""
    yield from wrapped(result.summary, width)
    bounded = [curve for curve in result.curves if curve.horizon is not None]
    for name in dict.fromkeys(curve.name for curve in bounded):
        own = [curve for curve in bounded if curve.name == name]
        budget = f"{own[0].budget:g} times generation 0"
        yield from wrapped(f"{name}: generations within {budget}, median and 95 % interval", width)
        for curve in own:
            yield from _indented(curve.arm, _horizon_words(curve), width)
    if result.shares:
        yield from wrapped(
            f"least human share that keeps the budget for {result.shares[0].generations} generations, with its 95 % interval", width
        )
        for least_share in result.shares:
            yield from _indented(
                ", ".join(filter(None, (least_share.name, least_share.policy, least_share.among))), str(least_share), width
            )
    others = [curve for curve in result.curves if curve.horizon is None]
    for name in dict.fromkeys(curve.name for curve in others):
        own = [curve for curve in others if curve.name == name]
        yield from wrapped(f"{name}: at generation {own[0].points[-1].generation}, median and 95 % interval", width)
        for curve in own:
            end = curve.points[-1]
            yield from _indented(curve.arm, f"{number(end.value)} [{number(end.low)}, {number(end.high)}]", width)
    for refusal in result.refused:
        yield from wrapped(
            f"not forecast: {', '.join(filter(None, (refusal.measure, refusal.at)))} of {refusal.arm}: {refusal.why}", width
        )
    for note in result.notes:
        yield from wrapped(note, width)


def _horizon_words(curve: ReadingForecast) -> str:
    horizon = curve.horizon
    assert horizon is not None
    return str(horizon)


def _indented(name: str, words: str, width: int) -> Iterator[str]:
    shown = visible(name)
    if len(shown) <= NAME and 2 + NAME + 1 + len(words) <= width:
        yield f"  {shown:{NAME}} {words}"
    else:
        yield from wrapped(shown, width, indent=2)
        yield from wrapped(words, width, indent=6)
