"""Templates of the report. All text on a page is escaped, and invisible characters are made visible."""

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
    """The content of a file of the report: a template, a style or a script."""
    return (files("outcross.report") / name).read_text(encoding="utf-8")


LONGEST = 20_000
"""Maximum length of one text on a page, in characters. An experiment in YAML has a few thousand."""


def template(name: str, filters: Mapping[str, Callable[..., Any]] | None = None, longest: int = LONGEST) -> Any:
    """The template with this name, such as audit.html, with additional filters.

    Escaping is on, an unknown variable is an error, and a text of more than `longest` characters is shortened. Every page extends base.html.
    """
    import jinja2
    from markupsafe import Markup

    templates = jinja2.Environment(
        loader=jinja2.FunctionLoader(resource),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        # Every string on a page passes through here, so no control character can reach it.
        finalize=lambda value: (
            visible(shortened(value, longest)) if isinstance(value, str) and not isinstance(value, Markup) else value
        ),
    )
    templates.filters |= {
        "drawn": Markup,  # only for SVG, styles and scripts of our own
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
    """A citation, escaped, in which arXiv numbers and https addresses are links."""
    from markupsafe import Markup, escape

    pieces, position = [], 0
    for match in _ADDRESS.finditer(paper):
        target = match[0] if match[0].startswith("https://") else f"https://arxiv.org/abs/{match['arxiv']}"
        pieces += [escape(visible(paper[position : match.start()])), Markup('<a href="{}">{}</a>').format(target, match[0])]
        position = match.end()
    return Markup("").join([*pieces, escape(visible(paper[position:]))])


def _with_code(text: str) -> Any:
    """A text, escaped, in which the parts between backticks are code, as in Markdown."""
    from markupsafe import Markup, escape

    pieces = visible(text).split("`")
    if len(pieces) % 2 == 0:  # an unpaired backtick is an ordinary character
        return escape("`".join(pieces))
    return Markup("").join(
        Markup("<code>{}</code>").format(piece) if place % 2 else escape(piece) for place, piece in enumerate(pieces)
    )


_ADDRESS = re.compile(r"https://[\w./%#?=&()~+-]*[\w/]|(?:arXiv[: ])?\b(?P<arxiv>\d{4}\.\d{5})(?:v\d+)?\b")
