"""How long a model is trained, and from where it starts."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from outcross.recipe import Family, one_of, recipe


class Start:
    """Where each generation's training begins."""

    follows: ClassVar[bool] = False
    """Whether a generation goes on from the model before it."""


@recipe
class Pretrained(Start):
    """Every generation fine-tunes the same base, trained once on all human training text (Shumailov et al., Nature 2024)."""

    steps: Annotated[int, Field(ge=1)] = 1500
    batch: Annotated[int, Field(ge=1)] = 16
    """Windows of two blocks a step."""
    learning_rate: Annotated[float, Field(gt=0, lt=1)] = 4e-3


@recipe
class Scratch(Start):
    """Every generation starts from new random weights (Gerstgrasser et al., arXiv 2404.01413)."""


@recipe
class Previous(Start):
    """Every generation goes on from the one before (Gambetta et al., arXiv 2410.12341)."""

    follows = True


STARTS: Family = {"pretrained": Pretrained, "scratch": Scratch, "previous": Previous}


@recipe
class Schedule:
    """Compute is a variable: the same number of steps at every generation and arm, or epochs over whatever the policy gives.

    A larger training set must not win by being trained longer, so matched steps are the default.
    """

    steps: Annotated[int, Field(ge=1)] | None = None
    epochs: Annotated[float, Field(gt=0)] | None = None
    batch: Annotated[int, Field(ge=1)] = 32
    """Records a step."""
    learning_rate: Annotated[float, Field(gt=0, lt=1)] = 1e-3
    checkpoint: Literal["last", "best"] = "last"
    """The network after the last step, or that of ten checks on the way which is best at human validation text. `best` leaks: at every generation
    people choose the model, though the policy gives it no human text (Shumailov et al. chose so)."""
    start: Annotated[Start, one_of(STARTS, "start")] = Pretrained()

    @model_validator(mode="after")
    def _one_budget(self):
        if self.steps is not None and self.epochs is not None:
            raise ValueError("training has steps or epochs, not both; leave one out")
        return self

    def steps_for(self, records: int) -> int:
        """Optimiser steps of a fit on so many records."""
        if self.epochs is not None:
            return max(1, round(self.epochs * records / self.batch))
        return 250 if self.steps is None else self.steps
