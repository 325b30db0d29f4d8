"""Which weights a fit moves: all of them, or low-rank changes to some."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from outcross.recipe import FROM_LIST, Family, recipe


class Tuning:
    """Which weights a fit moves."""


@recipe
class Full(Tuning):
    """All weights."""


@recipe
class Lora(Tuning):
    """A product of two thin matrices beside each of some linear layers (Hu et al., arXiv 2106.09685).

    Every fit has new ones, which are added to the weights when it ends: what is sampled, scored and stored is one plain network.
    """

    rank: Annotated[int, Field(ge=1, le=65536)] = 8
    alpha: Annotated[int, Field(ge=1)] = 16
    """The product is added alpha / rank times."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    targets: Annotated[tuple[str, ...], FROM_LIST] = ()
    """Names of the layers, as the architecture calls them (q_proj, v_proj …); left out: those that peft takes for it."""


TUNINGS: Family = Family({"full": Full, "lora": Lora})
