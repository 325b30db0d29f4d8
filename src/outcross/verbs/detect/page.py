"""A detection as one HTML file that opens offline."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from outcross.files.outputs import write_page
from outcross.report.templates import template
from outcross.verbs.detect.figures import log_ratios_figure
from outcross.verbs.detect.result import Detection, declared_sentences


def write_page_of(result: Detection, path: Path) -> Path:
    """Write the page."""
    return write_page(path, page(result))


def page(result: Detection) -> bytes:
    """Return the rendered page."""
    text = _template().render(
        result=result,
        declared=declared_sentences(result),
        picture=log_ratios_figure(result) if result.histogram else None,
        parts=() if result.shares is None else [
            (name, share) for name, share in (
                ("Written by a model", result.shares.model), ("Edited by a model", result.shares.edited), ("Written by people", result.shares.people),
            ) if share is not None
        ],
    )  # fmt: skip
    return text.encode("utf-8", "replace")


@cache
def _template() -> Any:
    return template(
        "detection.html", {"percents": lambda share: f"{100 * share:.1f} %", "place": lambda share: f"{100 * share:.2f}%"}
    )
