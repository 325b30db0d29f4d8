"""How many records a generation draws for those that it keeps."""

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
    """Records that the model writes for each that `rows` asks for; `select` chooses among them."""


def candidates_of(draw: Draw) -> int:
    """Records that the model writes for each that is asked for."""
    return draw.candidates if isinstance(draw, Drawing) else 1


def step_draw(draw: Draw, records: int) -> Draw:
    """The draw of a step, which writes all candidates of so many records. Steps know no candidates, only how many records they write."""
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
"""The pydantic annotation of a field that holds a Draw, given as such or as a mapping, in which `candidates` may stand."""
