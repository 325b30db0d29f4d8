"""The pictures of seconds against size, for the question `growth`."""

from __future__ import annotations

from typing import Any

from outcross.report.charts import COLOURS, DASHES, STYLE
from outcross.report.drawing import draw

WIDTH, HEIGHT, LABELS = 460, 300, 270


def drawn(panel: dict[str, Any]) -> str:
    """A line a curve, the median over rounds, with bars from the fastest round to the slowest; named in a legend with its exponent.

    Raises ImportError where vl-convert is missing.
    """
    rows = [row for curve in panel["curves"] for row in _rows(curve)]
    names = list(dict.fromkeys(row["curve"] for row in rows))
    logarithmic = {"type": "quantitative", "scale": {"type": "log", "nice": False}}
    x = {"field": "size", "title": panel["over"], **logarithmic, "axis": {"format": "~s", "tickCount": 5, "grid": False}}
    y = {"title": panel["unit"], **logarithmic, "axis": {"format": ".0e", "tickCount": 6}}
    colour = {"domain": names, "range": list(COLOURS[: len(names)])}
    dashes = {"domain": names, "range": [list(dash) for dash in DASHES[: len(names)]]}
    layers = [
        {
            "mark": {"type": "rule", "strokeWidth": 3, "opacity": 0.35},
            "encoding": {"y": {"field": "fastest", **y}, "y2": {"field": "slowest"}},
        },
        {"mark": {"type": "line", "strokeWidth": 2}, "encoding": {"y": {"field": "median", **y}}},
        {"mark": {"type": "point", "filled": True, "size": 28, "opacity": 1}, "encoding": {"y": {"field": "median", **y}}},
    ]
    legend = {
        "title": None,
        "labelLimit": LABELS,
        "labelFontSize": 11,
        "symbolSize": 300,
        "symbolType": "stroke",
        "symbolOpacity": 1,
    }
    return draw(
        {
            "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
            "width": WIDTH,
            "height": HEIGHT,
            "background": "#ffffff",
            "config": STYLE,
            "data": {"values": rows},
            "layer": layers,
            "encoding": {
                "x": x,
                "color": {"field": "curve", "type": "nominal", "scale": colour, "legend": legend},
                "strokeDash": {"field": "curve", "type": "nominal", "scale": dashes, "legend": legend},
            },
        },
        key=panel["over"],
    )


def _rows(curve: dict[str, Any]) -> list[dict[str, Any]]:
    name = f"{curve['name']}: exponent {curve['exponent']['value']:.2f}"
    return [
        {"curve": name, "size": size, "median": middle, "fastest": min(rounds), "slowest": max(rounds)}
        for size, middle, rounds in zip(curve["sizes"], curve["median"], zip(*curve["seconds"], strict=True), strict=True)
    ]
