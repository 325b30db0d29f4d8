"""Draws in which a model writes several candidates for each record that is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Any

from pydantic import Field

from outcross.errors import BadInput
from outcross.models.draw import Draw
from outcross.recipe import Nested, kind, recipe


@recipe
class Drawing(Draw):
    """A Draw in which the model writes several candidates for each record that is to be kept."""

    candidates: Annotated[int, Field(ge=1, le=10_000)] = 1
    """Number of records that the model writes for each record that `rows` requests. `select` selects among them."""


def candidates_of(draw: Draw) -> int:
    """Number of records that the model writes for each record that is requested."""
    return draw.candidates if isinstance(draw, Drawing) else 1


def step_draw(draw: Draw, records: int) -> Draw:
    """The draw of a step that writes all candidates of `records` records. It has the total number of records instead of `candidates`."""
    settings: dict[str, Any] = {field.name: getattr(draw, field.name) for field in fields(Draw)}
    settings["records"] = records * candidates_of(draw)
    return Draw(**settings)


def _read(value: object) -> Draw:
    if isinstance(value, Draw):
        return value
    if not isinstance(value, Mapping):
        raise BadInput(f"draw must be a mapping of settings, got {value!r:.80}")
    settings = {str(key): inner for key, inner in value.items() if (key, inner) != ("kind", kind(Drawing()))}
    try:
        drawing = Drawing(**settings)
        return drawing if drawing.candidates > 1 else Draw(**{key: inner for key, inner in settings.items() if key != "candidates"})
    except BadInput as error:
        raise BadInput(f"draw.{error}") from None


DRAWING: Any = Nested(_read, recipe=Drawing)
"""The pydantic annotation of a field that holds a Draw, given as a Draw or as a mapping, which may contain `candidates`."""
