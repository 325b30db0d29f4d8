"""Vega-Lite specifications as inline SVG, or as the bytes of an SVG, PDF or PNG."""

from __future__ import annotations

import re
from typing import Any

from outcross.errors import MachineGaveOut, first_words, is_of_the_machine

Specification = dict[str, Any]


def draw(specification: Specification, key: str) -> str:
    """The SVG of a specification. `key` makes its inner ids unique on the page.

    Raises ModuleNotFoundError if vl-convert is missing, and MachineGaveOut if it lacks memory, files or threads.
    """
    svg = converted(specification).decode()
    for count, name in enumerate(dict.fromkeys(re.findall(r'\bid="([^"]+)"', svg))):
        svg = svg.replace(f'id="{name}"', f'id="{key}-{count}"').replace(f"url(#{name})", f"url(#{key}-{count})")
    svg = _DOT.sub(r'<circle aria-label="\1" cx="\2" cy="\3" r="\4" fill="\5"/>', _NOISE.sub("", svg))
    return _COORDINATES.sub(lambda attribute: _LONG_DECIMAL.sub(_shorter, attribute[0]), svg)


def converted(specification: Specification, form: str = "svg", dots_an_inch: int = 72) -> bytes:
    """A specification as the bytes of an SVG, PDF or PNG. Raises the same errors as `draw`."""
    try:
        import vl_convert

        if form == "png":  # a pixel of a specification is a point, 1/72 inch
            return vl_convert.vegalite_to_png(specification, ppi=dots_an_inch)
        if form == "pdf":
            return _NAMES_OF_A_PDF.sub(_sorted_lines, vl_convert.vegalite_to_pdf(specification))
        return vl_convert.vegalite_to_svg(specification).encode()
    except (ModuleNotFoundError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic in Rust is a BaseException
        # After a panic of its worker, the engine reports that its channel was cancelled.
        if is_of_the_machine(error) or "cancel" in str(error) or not isinstance(error, Exception):
            raise MachineGaveOut(
                f"the chart engine failed ({first_words(error)}); free memory, or raise the limit of open files (ulimit -n), and "
                "write the report again"
            ) from None
        raise


# The engine lists the names of a page in the order of a hash that differs from call to call.
_NAMES_OF_A_PDF = re.compile(rb"(?: {6}/\w+ \d+ 0 R\n)+")


def _sorted_lines(match: re.Match[bytes]) -> bytes:
    return b"".join(sorted(match[0].splitlines(keepends=True)))


_NOISE = re.compile(r' (?:aria-roledescription|xmlns:xlink|version|pointer-events)="[^"]*"|<path class="\w+"[^>]*display="none"/>')
# The engine draws a dot as a path of arcs, which is three times as long as a circle element.
_DOT = re.compile(
    r'<path aria-label="([^"]*)" role="graphics-symbol" transform="translate\(([\d.-]+),([\d.-]+)\)" '
    r'd="M([\d.]+),0A[^"]*" fill="([^"]*)" stroke-width="2" (?:stroke-dasharray="1,0" )?opacity="1"/>'
)
# Only path data and translations are shortened. Numbers in the text of a chart keep their decimals.
_COORDINATES = re.compile(r' (?:d|transform)="[^"]*"')
_LONG_DECIMAL = re.compile(r"-?\d+\.\d{3,}")


def _shorter(match: re.Match[str]) -> str:
    return f"{float(match[0]):.2f}".rstrip("0").rstrip(".")
