"""The setting `rows` of an experiment: the number of records that a generation draws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from outcross.errors import BadInput
from outcross.recipe import recipe


@recipe
class Growth:
    """Growth of the number of records by a factor per generation. Generation 0 draws the number of original human records times this factor."""

    grow: Annotated[float, Field(gt=0, le=100)]
    """The factor by which the number of drawn records grows from each generation to the next."""


def checked_rows(value: object) -> object:
    """Check the setting `rows`, and turn `{grow: 1.5}` into Growth."""
    if value in ("constant", "online") or isinstance(value, Growth):
        return value
    if isinstance(value, Mapping) and set(value) == {"grow"}:
        try:
            return Growth(**value)
        except BadInput as error:
            raise BadInput(f"rows.{error}") from None
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    raise BadInput(f"rows must be constant, online, a whole number from 1 or {{grow: 1.5}}, got {value!r:.80}")
