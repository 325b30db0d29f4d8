"""How long a model is trained, how its learning rate moves, and from where it starts."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from outcross.recipe import FROM_LIST, Family, exactly, one_of, recipe

LearningRate = Annotated[float, Field(gt=0, lt=1)]


class Start:
    """Where each generation's training begins."""

    follows: ClassVar[Literal["base", "previous", "best"]] = "base"
    """What training begins from: the base, the model of the generation before, or the best model so far."""


@recipe
class Pretrained(Start):
    """Every generation fine-tunes the same base (Shumailov et al., Nature 2024).

    A learner with random weights trains the base once on all human training text, as these settings say; what is left out is the
    learner's own. A learner that reads pretrained weights has its base, and refuses them.
    """

    steps: Annotated[int, Field(ge=1)] | None = None
    batch: Annotated[int, Field(ge=1)] | None = None
    """Windows of two blocks a step."""
    learning_rate: LearningRate | None = None

    @property
    def full(self) -> tuple[int, int, float]:
        """Steps, batch and learning rate, once the learner has filled them in."""
        assert self.steps is not None and self.batch is not None and self.learning_rate is not None
        return self.steps, self.batch, self.learning_rate

    @property
    def given(self) -> str:
        """The first of its settings that is given; empty where none is."""
        return next((field.name for field in fields(self) if getattr(self, field.name) is not None), "")  # type: ignore[arg-type]


@recipe
class Scratch(Start):
    """Every generation starts from new random weights (Gerstgrasser et al., arXiv 2404.01413)."""


@recipe
class Previous(Start):
    """Every generation continues from the one before (Gambetta et al., arXiv 2410.12341)."""

    follows = "previous"


@recipe
class PreviousBest(Start):
    """Every generation continues from the best of all earlier models, judged by human validation text.

    Shumailov et al. (Nature 2024) write that the model which does best on the original task is the base of the generations that follow.
    It leaks: people choose the model, though the policy gives it no human text.
    """

    follows = "best"


STARTS: Family = Family({"pretrained": Pretrained, "scratch": Scratch, "previous": Previous, "previous_best": PreviousBest})


class Rate:
    """How the learning rate moves from step to step."""

    def at(self, step: int, steps: int, epochs_a_step: float, peak: float) -> float:
        """The learning rate of a step, counted from 0, of so many; `peak` is the rate that it moves from."""
        raise NotImplementedError


Warmup = Annotated[float, Field(ge=0, lt=1)]
Floor = Annotated[float, Field(ge=0, lt=1)]


@recipe
class ConstantRate(Rate):
    """One learning rate, after a line up to it."""

    warmup: Warmup = 0.0
    """Fraction of the steps."""

    def at(self, step, steps, epochs_a_step, peak):
        return peak * _rise(step, steps, self.warmup)


@recipe
class LinearRate(Rate):
    """A line down."""

    warmup: Warmup = 0.0
    """Fraction of the steps in which a line rises to the learning rate."""
    floor: Floor = 0.0
    """Where it ends: a learning rate, not a fraction of one."""

    def at(self, step, steps, epochs_a_step, peak):
        done = _done(step, steps, self.warmup)
        return (self.floor + (peak - self.floor) * (1 - done)) * _rise(step, steps, self.warmup)


@recipe
class CosineRate(Rate):
    """Half a cosine down (Loshchilov & Hutter, ICLR 2017)."""

    warmup: Warmup = 0.0
    """Fraction of the steps in which a line rises to the learning rate."""
    floor: Floor = 0.0
    """Where it ends: a learning rate, not a fraction of one."""
    every: Literal["step", "epoch"] = "step"
    """When it moves; by epochs it stays within each, and the last epoch is one move above the floor, as in Shumailov et al.'s code."""

    def at(self, step, steps, epochs_a_step, peak):
        if self.every == "epoch":
            epoch, last = (math.floor(steps_done * epochs_a_step + 1e-9) for steps_done in (step, steps - 1))
            done = epoch / (last + 1)
        else:
            done = _done(step, steps, self.warmup)
        return (self.floor + (peak - self.floor) * 0.5 * (1 + math.cos(math.pi * done))) * _rise(step, steps, self.warmup)


def _rise(step: int, steps: int, warmup: float) -> float:
    rising = math.floor(warmup * steps)
    return min(1.0, (step + 1) / rising) if rising else 1.0


def _done(step: int, steps: int, warmup: float) -> float:
    rising = math.floor(warmup * steps)
    return max(0, step - rising) / max(1, steps - rising)


RATES: Family = Family({"constant": ConstantRate, "linear": LinearRate, "cosine": CosineRate})


@recipe
class Optimizer:
    """AdamW (Loshchilov & Hutter, ICLR 2019); the defaults are torch's, which Shumailov et al. used."""

    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0.01
    """Of every weight, vectors included."""
    betas: Annotated[tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]], FROM_LIST] = (0.9, 0.999)
    epsilon: Annotated[float, Field(gt=0, lt=1)] = 1e-8
    clip: Annotated[float, Field(gt=0)] | None = None
    """The largest norm of a gradient; left out: gradients are not clipped."""


@recipe
class Schedule:
    """Compute is a variable: the same number of steps at every generation and arm, or epochs over whatever the policy gives.

    A larger training set must not win by being trained longer, so matched steps are the default. What is left out is filled in by the
    learner, and an experiment holds the full schedule; what a learner would ignore it refuses.
    """

    steps: Annotated[int, Field(ge=1)] | None = None
    """Left out, with epochs and tokens: 250."""
    epochs: Annotated[float, Field(gt=0)] | None = None
    """Passes over the training set, in the place of steps."""
    tokens: Annotated[int, Field(ge=1)] | None = None
    """Tokens that a fit reads, those of records read again included; rounded to whole steps."""
    batch: Annotated[int, Field(ge=1)] = 32
    """Records a step."""
    learning_rate: LearningRate | None = None
    """Left out: the learner's own."""
    rate: Annotated[Rate | None, one_of(RATES, "rate", or_none=True)] = None
    """How the learning rate moves; left out: the learner's own."""
    optimizer: Annotated[Optimizer | None, exactly(Optimizer, "optimizer", or_none=True)] = None
    """Left out: the learner's own."""
    loss_after: Annotated[int, Field(ge=0)] = 0
    """Tokens at the beginning of a record that carry no loss. 0: the whole record is learned; `draw.prefix`: the continuation alone."""
    checkpoint: Literal["last", "best"] = "last"
    """The network after the last step, or that of the checks on the way which is best at human validation text. `best` leaks: at every generation
    people choose the model, though the policy gives it no human text (Shumailov et al. chose so)."""
    start: Annotated[Start, one_of(STARTS, "start")] = Pretrained()
    """Where a fit starts: pretrained, scratch, previous or previous_best."""

    @model_validator(mode="after")
    def _one_budget(self):
        budgets = [name for name in ("steps", "epochs", "tokens") if getattr(self, name) is not None]
        if len(budgets) > 1:
            raise ValueError(
                f"training has {' and '.join(budgets)}, it takes one of steps, epochs and tokens; leave the others out"
            )
        floor = getattr(self.rate, "floor", 0.0)
        if self.learning_rate is not None and floor > self.learning_rate:
            raise ValueError(f"rate.floor must be at most learning_rate ({self.learning_rate:g}), got {floor:g}")
        return self

    @property
    def is_matched(self) -> bool:
        """Whether every fit takes the same steps, however many records there are."""
        return self.epochs is None

    def steps_for(self, records: int, block: int) -> int:
        """Optimiser steps of a fit on so many records of so many tokens."""
        if self.epochs is not None:
            return max(1, round(self.epochs * records / self.batch))
        if self.tokens is not None:
            return max(1, round(self.tokens / (self.batch * block)))
        return 250 if self.steps is None else self.steps
