"""A detection as one HTML file that opens offline."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from outcross.files.outputs import write_page
from outcross.report.templates import environment, resource
from outcross.verbs.detect.result import Detection, declared_sentences

WIDTH, HEIGHT, FOOT = 640.0, 180.0, 30.0
"""Units of the picture of log-ratios."""


def write_page_of(result: Detection, path: Path) -> Path:
    """Write the page."""
    return write_page(path, page(result))


def page(result: Detection) -> bytes:
    """The page, rendered."""
    text = _template().render(
        result=result,
        declared=declared_sentences(result),
        picture=_picture(result) if result.histogram else "",
        parts=() if result.shares is None else [
            (name, share) for name, share in (
                ("Written by a model", result.shares.model), ("Edited by a model", result.shares.edited), ("Written by people", result.shares.people),
            ) if share is not None
        ],
        style=resource("page.css") + resource("detection.css"),
    )  # fmt: skip
    return text.encode("utf-8", "replace")


def _picture(result: Detection) -> str:
    """The histograms of log-ratios: the data filled, what people and models wrote in the calibration samples as outlines at their estimated shares."""
    edges, data, human, model = (result.histogram[name] for name in ("edges", "data", "human", "model"))
    share = result.share.value if result.shares is not None else None
    lines = (
        {"human": human, "model": model}
        if share is None
        else {"human": [(1 - share) * part for part in human], "model": [share * part for part in model]}
    )
    most = max([*data, *lines["human"], *lines["model"], 1e-9])
    width = WIDTH / len(data)
    bars = [
        f'<rect class="data" x="{at * width + 0.5:.1f}" y="{HEIGHT * (1 - part / most):.1f}" width="{width - 1:.1f}" height="{HEIGHT * part / most:.1f}"/>'
        for at, part in enumerate(data)
    ]
    outlines = [f'<polyline class="{name}" points="{_steps(parts, width, most)}"/>' for name, parts in lines.items()]
    zero = WIDTH * (0 - edges[0]) / (edges[-1] - edges[0])
    middle = f'<line class="zero" x1="{zero:.1f}" x2="{zero:.1f}" y1="0" y2="{HEIGHT:g}"/>' if 0 < zero < WIDTH else ""
    labels = f'<text x="0" y="{HEIGHT + 18:g}">more like people’s</text><text x="{WIDTH:g}" y="{HEIGHT + 18:g}" text-anchor="end">more like a model’s</text>'
    return (
        f'<svg class="ratios" viewBox="0 0 {WIDTH:g} {HEIGHT + FOOT:g}" role="img" aria-label="histogram of the log-ratios of the data, of human texts and of '
        f'models’ texts">{"".join(bars)}{middle}{"".join(outlines)}{labels}</svg>'
    )


def _steps(parts: Sequence[float], width: float, largest: float) -> str:
    return " ".join(
        f"{x:.1f},{HEIGHT * (1 - part / largest):.1f}" for at, part in enumerate(parts) for x in (at * width, (at + 1) * width)
    )


@cache
def _template() -> Any:
    templates = environment()
    templates.filters |= {"percents": lambda share: f"{100 * share:.1f} %", "place": lambda share: f"{100 * share:.2f}%"}
    return templates.from_string(resource("detection.html"))
