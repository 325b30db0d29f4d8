"""The single figures of a detection."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from outcross.estimate import rounded
from outcross.report.charts import INK, canvas
from outcross.report.figure import Figure, table

if TYPE_CHECKING:
    from outcross.verbs.detect.result import Detection

WIDTH, HEIGHT = 440, 180
AUTHORS = {"model": "#d55e00", "edited": "#cc79a7", "people": "#0072b2"}
TEXTS = {"data": "#b9c6d6", "human": "#0072b2", "model": "#d55e00"}


def figures_of(result: Detection) -> tuple[Figure, ...]:
    """Return the histogram of log-ratios, and the shares of the whole data by author and of every slice."""
    return tuple(_figures(result))


def _figures(result: Detection) -> Iterator[Figure]:
    if result.histogram:
        yield log_ratios_figure(result)
    if result.shares is not None:
        yield _shares(result)


def log_ratios_figure(result: Detection) -> Figure:
    """Return the histograms of log-ratios.

    The data are a filled area. The calibration samples of people and models are lines at their estimated shares.
    """
    edges = result.histogram["edges"]
    share = None if result.shares is None else rounded(result.share.value)
    scale = {"data": 1.0, "human": 1.0 if share is None else 1 - share, "model": 1.0 if share is None else share}
    rows = [
        (name, low, high, scale[name] * part)
        for name in TEXTS
        for low, high, part in zip(edges[:-1], edges[1:], result.histogram[name], strict=True)
    ]
    rows += [(name, edges[-1], edges[-1], scale[name] * result.histogram[name][-1]) for name in TEXTS if name != "data"]
    data = table(rows, {"texts": str, "from": float, "to": float, "share": float})
    across = {
        "field": "from",
        "type": "quantitative",
        "title": "log-ratio: more like people ← → more like a model",
        "axis": {"grid": False, "tickCount": 6},
        "scale": {"domain": [edges[0], edges[-1]], "nice": False},
    }
    upward = {
        "field": "share",
        "type": "quantitative",
        "title": f"share of the {result.unit}",
        "stack": None,
        "axis": {"format": ".3~%", "tickCount": 4},
    }
    colour = {
        "field": "texts",
        "type": "nominal",
        "scale": {"domain": [*TEXTS], "range": [*TEXTS.values()]},
        "legend": {"title": None, "orient": "top"},
    }
    zero = [
        {"data": {"values": [{"from": 0}]}, "mark": {"type": "rule", "color": INK, "strokeDash": [3, 3]}, "encoding": {"x": across}}
    ]
    spec = {
        **canvas(WIDTH, HEIGHT, right=4),
        "data": {"values": data.to_dicts()},
        "layer": [
            {
                "transform": [{"filter": "datum.texts == 'data'"}],
                "mark": {"type": "rect", "aria": False},
                "encoding": {"x": across, "x2": {"field": "to"}, "y": upward, "y2": {"datum": 0}, "color": colour},
            },
            *(zero if edges[0] < 0 < edges[-1] else []),
            {
                "transform": [{"filter": "datum.texts != 'data'"}],
                "mark": {"type": "line", "interpolate": "step-after", "aria": False},
                "encoding": {"x": across, "y": upward, "color": colour},
            },
        ],
    }
    at = " at their estimated shares" if share is not None else ""
    caption = f"Filled area: the data. Lines: the calibration {result.unit} of people and of models{at}, scored by detectors that were not fitted to them."
    return Figure("log-ratios", f"How the {result.unit} look to the detector", {**spec, "description": caption}, data, caption)


def _shares(result: Detection) -> Figure:
    assert result.shares is not None
    rows = [
        (f"all {result.unit}", name, estimate)
        for name, estimate in (("model", result.shares.model), ("edited", result.shares.edited), ("people", result.shares.people))
        if estimate is not None
    ]
    rows += [(f"{part.column} = {part.value}", "model", part.shares.model) for part in result.slices if part.shares is not None]
    data = table(
        [(subset, author, estimate.value, estimate.low, estimate.high, estimate.n) for subset, author, estimate in rows],
        {"subset": str, "author": str, "share": float, "low": float, "high": float, "n": int},
    )
    there = [author for author in AUTHORS if any(author == own for _, own, _ in rows)]
    y = {"field": "subset", "type": "nominal", "sort": None, "title": None}
    colour = {
        "field": "author",
        "type": "nominal",
        "title": "written by",
        "scale": {"domain": there, "range": [AUTHORS[author] for author in there]},
    }
    spec = {
        **canvas(WIDTH, 24 * len({subset for subset, _, _ in rows}), right=4),
        "data": {"values": data.to_dicts()},
        "layer": [
            {"mark": {"type": "rule", "strokeWidth": 2}, "encoding": {"y": y, "x": {"field": "low", "type": "quantitative", "title": f"share of the {result.unit}", "scale": {"domain": [0, 1]}}, "x2": {"field": "high"}, "color": colour}},
            {"mark": {"type": "point", "filled": True, "size": 60}, "encoding": {"y": y, "x": {"field": "share", "type": "quantitative"}, "color": colour}},
        ],
    }  # fmt: skip
    return Figure(
        "shares",
        f"Who wrote the {result.unit}",
        spec,
        data,
        "Points: estimated shares. Lines: their separate 95 % intervals.",
    )
