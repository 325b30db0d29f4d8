"""The training schedule of a model: its length, its learning rate and its start."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from outcross.recipe import FROM_LIST, Family, exactly, one_of, recipe

LearningRate = Annotated[float, Field(gt=0, lt=1)]


class Start:
    """The model from which the training of each generation starts."""

    follows: ClassVar[Literal["base", "previous", "best"]] = "base"
    """The start of training: the base, the model of the previous generation, or the best model so far."""


@recipe
class Pretrained(Start):
    """Every generation fine-tunes the same base (Shumailov et al., Nature 2024).

    A learner with random weights trains the base once on all human training text with these settings. A setting that is left out takes the
    learner's default. A learner that reads pretrained weights already has a base and refuses these settings.
    """

    steps: Annotated[int, Field(ge=1)] | None = None
    batch: Annotated[int, Field(ge=1)] | None = None
    """Number of windows per step; a window has two blocks."""
    learning_rate: LearningRate | None = None

    @property
    def full(self) -> tuple[int, int, float]:
        """Steps, batch and learning rate, after the learner has filled them in."""
        assert self.steps is not None and self.batch is not None and self.learning_rate is not None
        return self.steps, self.batch, self.learning_rate

    @property
    def given(self) -> str:
        """The name of the first setting that is given; empty if there is none."""
        return next((field.name for field in fields(self) if getattr(self, field.name) is not None), "")  # type: ignore[arg-type]


@recipe
class Scratch(Start):
    """Every generation starts from new random weights (Gerstgrasser et al., arXiv 2404.01413)."""


@recipe
class Previous(Start):
    """Every generation continues from the previous one (Gambetta et al., arXiv 2410.12341)."""

    follows = "previous"


@recipe
class PreviousBest(Start):
    """Every generation continues from the best of all earlier models, as judged by human validation text.

    Shumailov et al. (Nature 2024) write that the best model on the original task is the base of the following generations. This leaks
    information: human text chooses the model, even if the policy gives it no human text for training.
    """

    follows = "best"


STARTS: Family = Family({"pretrained": Pretrained, "scratch": Scratch, "previous": Previous, "previous_best": PreviousBest})


class Rate:
    """The learning rate as a function of the step."""

    def at(self, step: int, steps: int, epochs_a_step: float, peak: float) -> float:
        """Return the learning rate of step number `step`, counted from 0, of `steps` steps. `peak` is the highest rate."""
        raise NotImplementedError


Warmup = Annotated[float, Field(ge=0, lt=1)]
Floor = Annotated[float, Field(ge=0, lt=1)]


@recipe
class ConstantRate(Rate):
    """A constant learning rate, after a linear warm-up."""

    warmup: Warmup = 0.0
    """Fraction of the steps in which the learning rate rises linearly."""

    def at(self, step, steps, epochs_a_step, peak):
        return peak * _rise(step, steps, self.warmup)


@recipe
class LinearRate(Rate):
    """A learning rate that falls linearly."""

    warmup: Warmup = 0.0
    """Fraction of the steps in which the learning rate rises linearly."""
    floor: Floor = 0.0
    """The final learning rate, as an absolute value and not as a fraction of `learning_rate`."""

    def at(self, step, steps, epochs_a_step, peak):
        done = _done(step, steps, self.warmup)
        return (self.floor + (peak - self.floor) * (1 - done)) * _rise(step, steps, self.warmup)


@recipe
class CosineRate(Rate):
    """A learning rate that falls along half a cosine (Loshchilov & Hutter, ICLR 2017)."""

    warmup: Warmup = 0.0
    """Fraction of the steps in which the learning rate rises linearly."""
    floor: Floor = 0.0
    """The final learning rate, as an absolute value and not as a fraction of `learning_rate`."""
    every: Literal["step", "epoch"] = "step"
    """When the rate changes. With `epoch` it is constant within an epoch, and in the last epoch it is one change above the floor, as in Shumailov
    et al.'s code."""

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
    """The optimizer AdamW (Loshchilov & Hutter, ICLR 2019). The defaults are those of torch, which Shumailov et al. used."""

    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0.01
    """Weight decay of all weights, including vectors."""
    betas: Annotated[tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]], FROM_LIST] = (0.9, 0.999)
    epsilon: Annotated[float, Field(gt=0, lt=1)] = 1e-8
    clip: Annotated[float, Field(gt=0)] | None = None
    """Maximum norm of the gradient; if left out, gradients are not clipped."""


@recipe
class Schedule:
    """The amount and the settings of training: the same number of steps at every generation and arm, or epochs over the training set.

    Matched steps are the default, so that a larger training set does not win because it is trained on longer. The learner fills in all settings
    that are left out, and the experiment records the full schedule. A learner refuses settings that it would ignore.
    """

    steps: Annotated[int, Field(ge=1)] | None = None
    """Number of steps of a fit; 250 if steps, epochs and tokens are all left out."""
    epochs: Annotated[float, Field(gt=0)] | None = None
    """Number of passes over the training set, instead of steps."""
    tokens: Annotated[int, Field(ge=1)] | None = None
    """Number of tokens that a fit reads, including repeated records, instead of steps. It is rounded to whole steps."""
    batch: Annotated[int, Field(ge=1)] = 32
    """Number of records per step."""
    learning_rate: LearningRate | None = None
    """The highest learning rate; the learner's default if left out."""
    rate: Annotated[Rate | None, one_of(RATES, "rate", or_none=True)] = None
    """The learning rate as a function of the step; the learner's default if left out."""
    optimizer: Annotated[Optimizer | None, exactly(Optimizer, "optimizer", or_none=True)] = None
    """Settings of the optimizer; the learner's default if left out."""
    loss_after: Annotated[int, Field(ge=0)] = 0
    """Number of tokens at the beginning of a record that are excluded from the loss. With 0 the whole record is learned; with the value of
    `draw.prefix` only the continuation is learned."""
    checkpoint: Literal["last", "best"] = "last"
    """The network of the last step, or the best network of several checks on human validation text. `best` leaks information: at every
    generation human text chooses the model, even if the policy gives it no human text for training (as in Shumailov et al.)."""
    start: Annotated[Start, one_of(STARTS, "start")] = Pretrained()
    """The start of a fit: pretrained, scratch, previous or previous_best."""

    @model_validator(mode="after")
    def _one_budget(self):
        budgets = [name for name in ("steps", "epochs", "tokens") if getattr(self, name) is not None]
        if len(budgets) > 1:
            raise ValueError(
                f"{' and '.join(budgets)} are given, but only one of steps, epochs and tokens is possible; leave the others out"
            )
        floor = getattr(self.rate, "floor", 0.0)
        if self.learning_rate is not None and floor > self.learning_rate:
            raise ValueError(
                f"rate.floor must be at most learning_rate ({self.learning_rate:g}), got {floor:g}; write a smaller floor"
            )
        return self

    @property
    def is_matched(self) -> bool:
        """Whether every fit has the same number of steps for any number of records."""
        return self.epochs is None

    def steps_for(self, records: int, block: int) -> int:
        """Return the number of optimizer steps of a fit on `records` records of `block` tokens."""
        if self.epochs is not None:
            return max(1, round(self.epochs * records / self.batch))
        if self.tokens is not None:
            return max(1, round(self.tokens / (self.batch * block)))
        return 250 if self.steps is None else self.steps
