"""Templates of the report: everything that reaches a page is escaped, and nothing on it hides."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import Any

from outcross.escapes import shortened
from outcross.report.characters import ending, visible
from outcross.report.headline import words_of
from outcross.report.numerals import number, percent, times


def resource(name: str) -> str:
    """A file of the report: a template, a style, a script."""
    return (files("outcross.report") / name).read_text(encoding="utf-8")


LONGEST = 20_000
"""Characters of one piece of text on a page: an experiment in YAML is a few thousand."""


def template(name: str, filters: Mapping[str, Callable[..., Any]] | None = None, longest: int = LONGEST) -> Any:
    """A template of the report by its name, such as audit.html, with filters of its own.

    Escaping is on, an unknown name is an error, and a text of more than `longest` characters is shortened. Every page extends base.html.
    """
    import jinja2
    from markupsafe import Markup

    templates = jinja2.Environment(
        loader=jinja2.FunctionLoader(resource),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        # Every string that reaches the page passes here, so no control character slips in by a new door.
        finalize=lambda value: (
            visible(shortened(value, longest)) if isinstance(value, str) and not isinstance(value, Markup) else value
        ),
    )
    templates.filters |= {
        "drawn": Markup,  # only for what we drew or wrote ourselves: SVG, style and script
        "cited": _cited,
        "with_code": _with_code,
        "number": number,
        "percent": percent,
        "times": times,
        "words_of": words_of,
        "ending": ending,
        **(filters or {}),
    }
    templates.globals["resource"] = resource
    return templates.get_template(name)


def _cited(paper: str) -> str:
    """A citation, escaped, its arXiv numbers and https addresses turned into links."""
    from markupsafe import Markup, escape

    pieces, position = [], 0
    for match in _ADDRESS.finditer(paper):
        target = match[0] if match[0].startswith("https://") else f"https://arxiv.org/abs/{match['arxiv']}"
        pieces += [escape(visible(paper[position : match.start()])), Markup('<a href="{}">{}</a>').format(target, match[0])]
        position = match.end()
    return Markup("").join([*pieces, escape(visible(paper[position:]))])


def _with_code(text: str) -> Any:
    """A text, escaped, in which what stands between backticks is code, as in Markdown."""
    from markupsafe import Markup, escape

    pieces = visible(text).split("`")
    if len(pieces) % 2 == 0:  # a backtick without a second one is a backtick
        return escape("`".join(pieces))
    return Markup("").join(
        Markup("<code>{}</code>").format(piece) if place % 2 else escape(piece) for place, piece in enumerate(pieces)
    )


_ADDRESS = re.compile(r"https://[\w./%#?=&()~+-]*[\w/]|(?:arXiv[: ])?\b(?P<arxiv>\d{4}\.\d{5})(?:v\d+)?\b")
