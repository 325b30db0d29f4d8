"""What learns and writes.

A learner is a recipe (frozen values); `fit` returns a model, which is another type: `sample(draw, prompts, rng)` writes
records (exactly from the law that `draw` names), `log_prob(records)` is their log-likelihood in nats, `save(folder)` and
the learner's `load(folder)` keep it without pickle. A language model also has `next_log_prob(records)`. `learns` names the kinds of records it takes, `takes_weights` whether it can weigh
records (the loop resamples where it cannot), `trains` whether it has steps, batches and a start, `searches` whether it has beams. Vector models act on
leading chain axes. The same stream gives the same bytes.

`exports` names the targets of `outcross export` that its models can be written for. A learner that names `transformers` has `as_transformers`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Protocol

import numpy as np

from outcross.data import Human
from outcross.errors import BadInput
from outcross.models.draw import Draw
from outcross.models.schedule import Schedule
from outcross.recipe import Family, kind, one_of, recipe


class Model(Protocol):
    """What came of a fit."""

    def sample(self, draw: Draw, prompts: Any, rng: np.random.Generator) -> Any: ...
    def log_prob(self, records: Any) -> np.ndarray: ...
    def save(self, folder: Path) -> None: ...


class LanguageModel(Model, Protocol):
    """A model of text, which says what may come next."""

    def next_log_prob(self, records: Any) -> np.ndarray:
        """Log-probability of each token to follow each block of text, in nats, (n, vocabulary): the law that `sample` draws from at temperature 1.

        Minus infinity for a token that never comes. Who asks hands over as many blocks as the rows that it can hold.
        """
        ...


class Learner:
    """What learns: frozen values, and how to fit."""

    paper: ClassVar[str] = ""
    """Where the learner is from; empty for one that is not published."""
    libraries: ClassVar[tuple[str, ...]] = ("numpy",)
    """Packages of others, as the package index names them, whose versions decide the numbers of its models."""
    learns: ClassVar[tuple[str, ...]]
    takes_weights: ClassVar[bool] = True
    trains: ClassVar[bool] = False
    searches: ClassVar[bool] = False
    """Whether its models write by beams and with a repetition penalty."""
    marks: ClassVar[bool] = False
    """Whether its models can leave a watermark in what they write."""
    reads_online: ClassVar[bool] = False
    """Whether a fit can have its batches written anew by the models of their records (`rows: online`); it then takes `online`."""

    continues: ClassVar[bool] = False
    """Whether every fit is given the model of the generation before it, as one whose labels it learns from."""
    rescores: ClassVar[bool] = False
    """Whether its models say how probable they hold the tokens that they write (`decoded`), and hold what another said against themselves
    (`rescored`)."""
    shard: int | None = None
    """Records that one step of a generation writes, where writing is slow; None for all. Models then take `first`, the number of the first one."""
    exports: ClassVar[tuple[str, ...]] = ()
    is_remote: ClassVar[bool] = False
    """Whether its models write elsewhere: what they wrote must be kept, because it cannot be had again."""

    def form(self, block: int) -> Any:
        """How text must be cut for this learner (a recipe); None for learners of numbers."""
        return None

    def content(self) -> str:
        """Digest of the files that it reads beside the human data: weights and tokenizer; empty where there are none."""
        return ""

    def schedule(self, training: Schedule) -> Schedule:
        """The full schedule, what was left out filled in; BadInput where it says what this learner would ignore. Called again it changes nothing."""
        return training

    def check(self, draw: Draw) -> None:
        """BadInput where its models cannot write as `draw` says."""

    def get_ready(self) -> None:
        """Import what fitting and sampling need, where that takes long: done while another process does a step."""

    def begin(self, human: Human, training: Schedule | None, rng: np.random.Generator) -> Model | None:
        """What training starts from; None where a fit needs no start."""
        return None

    def fit(
        self, records: Any, weights: np.ndarray | None, start: Model | None, training: Schedule | None, rng: np.random.Generator
    ) -> Model:
        """A learner that keeps the best of its checkpoints also takes `validation`, human records; one that reads on-line also takes `online`."""
        raise NotImplementedError

    def load(self, folder: Path) -> Model:
        raise NotImplementedError

    def as_transformers(self, folder: Path) -> Mapping[str, bytes | Path]:
        """The files of a folder that `transformers` loads, of a model that was saved in `folder`: by name what each holds, or a file to copy."""
        raise BadInput(
            f"{kind(self)} makes no model that transformers can load; name transformers in its exports, and write as_transformers"
        )


LEARNERS: Family = Family({
    "gaussian": "outcross.models.gaussian:Gaussian",
    "categorical": "outcross.models.categorical:Categorical",
    "cells": "outcross.models.cells:CellsLearner",
    "laplace": "outcross.models.laplace:LaplaceLearner",
    "kde": "outcross.models.kde:Kde",
    "gaussian_mixture": "outcross.models.gaussian_mixture:GaussianMixture",
    "principal": "outcross.models.principal:Principal",
    "trees": "outcross.models.trees:Trees",
    "labelling": "outcross.models.labelling:Labelling",
    "regression": "outcross.models.regression:Regression",
    "spike": "outcross.models.spike:Spike",
    "panel": "outcross.models.panel:PanelLearner",
    "plurality": "outcross.models.plurality:PluralityLearner",
    "linear_answers": "outcross.models.linear_answers:LinearAnswers",
    "hutter": "outcross.models.hutter:Hutter",
    "ngram": "outcross.models.ngram:Ngram",
    "transformer": "outcross.models.transformer:Transformer",
    "causal_lm": "outcross.models.causal_lm:CausalLM",
    "vae": "outcross.models.vae:Vae",
    "apprentice": "outcross.models.apprentice:Apprentice",
    "server": "outcross.models.server:Server",
}, name="models", protocol=Learner)  # fmt: skip


@recipe
class Task:
    """What is learned, and for how long."""

    learner: Annotated[Learner, one_of(LEARNERS, "learner")]
    training: Schedule | None = None
    content: str = ""
    """Digest of the files that the learner reads, where the step reads them."""

    @property
    def given(self) -> dict[str, str]:
        """The digest of what the learner reads, by the name that people gave it."""
        return {str(getattr(self.learner, "model", kind(self.learner))): self.content} if self.content else {}
