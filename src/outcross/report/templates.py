"""Templates of the report: everything that reaches a page is escaped, and nothing on it hides."""

from __future__ import annotations

import re
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


def environment(longest: int = LONGEST) -> Any:
    """Where templates are rendered: escaping is on, an unknown name is an error, and a text of more than `longest` characters is shortened."""
    import jinja2
    from markupsafe import Markup

    templates = jinja2.Environment(
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
        "number": number,
        "percent": percent,
        "times": times,
        "words_of": words_of,
        "ending": ending,
    }
    return templates


def _cited(paper: str) -> str:
    """A citation, escaped, its arXiv numbers and https addresses turned into links."""
    from markupsafe import Markup, escape

    pieces, position = [], 0
    for match in _ADDRESS.finditer(paper):
        target = match[0] if match[0].startswith("https://") else f"https://arxiv.org/abs/{match['arxiv']}"
        pieces += [escape(visible(paper[position : match.start()])), Markup('<a href="{}">{}</a>').format(target, match[0])]
        position = match.end()
    return Markup("").join([*pieces, escape(visible(paper[position:]))])


_ADDRESS = re.compile(r"https://[\w./%#?=&()~+-]*[\w/]|(?:arXiv[: ])?\b(?P<arxiv>\d{4}\.\d{5})(?:v\d+)?\b")
