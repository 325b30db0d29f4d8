"""The weights that a fit trains: all of them, or low-rank changes to some of them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from outcross.recipe import FROM_LIST, Family, recipe


class Tuning:
    """The weights that a fit trains."""


@recipe
class Full(Tuning):
    """All weights."""


@recipe
class Lora(Tuning):
    """Low-rank adaptation: a product of two thin matrices is trained beside each of some linear layers (Hu et al., arXiv 2106.09685).

    Every fit starts with new matrices and merges them into the weights at its end. Sampling, scoring and storage thus use one plain network.
    """

    rank: Annotated[int, Field(ge=1, le=65536)] = 8
    alpha: Annotated[int, Field(ge=1)] = 16
    """The product is multiplied by alpha / rank before it is added."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    targets: Annotated[tuple[str, ...], FROM_LIST] = ()
    """Names of the adapted layers in the architecture (q_proj, v_proj …). If left out, peft chooses them by the architecture."""


TUNINGS: Family = Family({"full": Full, "lora": Lora})
