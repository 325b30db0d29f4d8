"""Learners, and the models that they fit.

A learner is a recipe of frozen values. Its `fit` returns a model, which is a separate type. A model's `sample(draw, prompts, rng)` writes
records, exactly from the law that `draw` describes. Its `log_prob(records)` returns their log-likelihood in nats. `save(folder)` of the model
and `load(folder)` of the learner store it without pickle. A language model also has `next_log_prob(records)`: the
log-probability of each token to follow each block of text, in nats, (n, vocabulary), under the law that `sample` draws from at temperature 1. It returns
all rows at once, so the caller limits the number of blocks to what its memory can hold.

A learner's `learns` names the kinds of records that it takes. `takes_weights` says whether it can weigh records; if it cannot, the loop
resamples them. `trains` says whether it has steps, batches and a start. `searches` says whether its models have beam search.
Vector models act on leading chain axes. The same random stream gives the same bytes.

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
    """The result of a fit."""

    def sample(self, draw: Draw, prompts: Any, rng: np.random.Generator) -> Any: ...
    def log_prob(self, records: Any) -> np.ndarray: ...
    def save(self, folder: Path) -> None: ...


class Learner:
    """A recipe of frozen values that says how a model is fitted."""

    paper: ClassVar[str] = ""
    """The paper that the learner comes from; empty if it was not published."""
    libraries: ClassVar[tuple[str, ...]] = ("numpy",)
    """Third-party packages whose versions affect the numbers of its models, by their names in the package index."""
    learns: ClassVar[tuple[str, ...]]
    takes_weights: ClassVar[bool] = True
    trains: ClassVar[bool] = False
    searches: ClassVar[bool] = False
    """Whether its models support beam search and a repetition penalty."""
    marks: ClassVar[bool] = False
    """Whether its models can leave a watermark in what they write."""
    reads_online: ClassVar[bool] = False
    """Whether `fit` can draw fresh records for every batch from the models that wrote them (`rows: online`). It then takes `online`."""

    continues: ClassVar[bool] = False
    """Whether every fit receives the model of the previous generation, for example to learn from its labels."""
    rescores: ClassVar[bool] = False
    """Whether its models report the log-probabilities of the tokens that they write (`decoded`), and can compare reported
    log-probabilities with their own (`rescored`)."""
    shard: int | None = None
    """Number of records that one step of a generation writes, for models that write slowly; None if one step writes all. `sample` then takes
    `first`, the number of the step's first record."""
    exports: ClassVar[tuple[str, ...]] = ()
    is_remote: ClassVar[bool] = False
    """Whether its models run on a remote server. Their records must be stored, because they cannot be generated again."""

    def form(self, block: int) -> Any:
        """Return the recipe that says how text is cut into records for this learner; None for learners of numbers."""
        return None

    def content(self) -> str:
        """Return the digest of the files that the learner reads beside the human data, such as weights and a tokenizer; empty if there are none."""
        return ""

    def schedule(self, training: Schedule) -> Schedule:
        """Return the schedule with the learner's defaults for all values that were left out.

        Raises BadInput if the schedule sets a value that this learner would ignore. A second call changes nothing.
        """
        return training

    def check(self, draw: Draw) -> None:
        """Raise BadInput if its models cannot sample as `draw` says."""

    def get_ready(self) -> None:
        """Import the libraries for fitting and sampling if that is slow. It is called while another process does a step."""

    def begin(self, human: Human, training: Schedule | None, rng: np.random.Generator) -> Model | None:
        """Return the model that training starts from; None if a fit needs no start."""
        return None

    def fit(
        self, records: Any, weights: np.ndarray | None, start: Model | None, training: Schedule | None, rng: np.random.Generator
    ) -> Model:
        """Return a model that is fitted to the records.

        A learner that keeps the best of its checkpoints also takes `validation`, which are human records. A learner with `reads_online` also
        takes `online`.
        """
        raise NotImplementedError

    def load(self, folder: Path) -> Model:
        raise NotImplementedError

    def as_transformers(self, folder: Path) -> Mapping[str, bytes | Path]:
        """Return the files of a folder that `transformers` can load, for a model that was saved in `folder`.

        Each file name maps to the content of the file, or to the path of a file to copy.
        """
        raise BadInput(
            f"{kind(self)} makes no model that transformers can load; name transformers in its exports and define as_transformers"
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
    """A learner with its training schedule."""

    learner: Annotated[Learner, one_of(LEARNERS, "learner")]
    training: Schedule | None = None
    content: str = ""
    """Digest of the files that the learner reads, if the step reads them."""

    @property
    def given(self) -> dict[str, str]:
        """Return the digest of the files that the learner reads, under the name that the user gave the model; empty if there are none."""
        return {str(getattr(self.learner, "model", kind(self.learner))): self.content} if self.content else {}
