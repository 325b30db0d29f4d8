"""A small decoder-only transformer, trained, sampled and scored by our own batched code. It needs no download of weights or tokenizers."""

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
from outcross.errors import BadInput
from outcross.models import Learner
from outcross.models.accelerator import device, one_thread
from outcross.models.green import green_lists
from outcross.models.schedule import Pretrained, Scratch
from outcross.models.writing import prompts_of, rescored, written
from outcross.recipe import filled, recipe
from outcross.text.documents import TokenBlocks

if TYPE_CHECKING:
    from outcross.models.transformer.network import Network
    from outcross.text.vocabulary import Vocabulary


@recipe
class Transformer(Learner):
    """A decoder-only transformer of any size over byte-level BPE. Every token of a block has a probability."""

    paper = "Vaswani et al. 2017; in the loop: Shumailov et al., Nature 2024; Gerstgrasser et al., arXiv 2404.01413"
    libraries = ("numpy", "torch", "safetensors", "tokenizers", "transformers")
    learns = ("text",)
    trains = True
    searches = True
    marks = True
    rescores = True
    exports = ("transformers",)

    layers: Annotated[int, Field(ge=1, le=200)] = 3
    """Number of layers."""
    width: Annotated[int, Field(ge=2, le=65536)] = 128
    """Dimension of the representation of a token."""
    heads: Annotated[int, Field(ge=1)] = 2
    """Number of attention heads per layer."""
    vocabulary: Annotated[int, Field(ge=257, le=1_000_000)] = 2048
    """Size of the vocabulary that is learned from the human text."""
    precision: Literal["bf16", "fp32"] = "bf16"
    """Precision of matrix products in training and sampling. Weights, norms, logits and log-probabilities are always fp32."""

    @model_validator(mode="after")
    def _heads_fit(self):
        if self.width % (2 * self.heads):
            raise ValueError(
                f"width must be a multiple of twice the number of heads (rotary embeddings rotate pairs), got {self.width} with {self.heads} heads"
            )
        return self

    def form(self, block):
        return TokenBlocks(block=block, vocabulary=self.vocabulary)

    def schedule(self, training):
        for name in ("rate", "optimizer", "loss_after"):
            if getattr(training, name):
                raise BadInput(
                    f"training.{name} cannot be set for transformer, which learns whole records with its own AdamW and cosine; leave it out"
                )
        start = training.start
        if isinstance(start, Pretrained):
            start = filled(start, steps=1500, batch=16, learning_rate=4e-3)
        return filled(replace(training, start=start), learning_rate=1e-3)

    def get_ready(self):
        one_thread()
        from outcross.models.transformer import beams, fitting, network, sampling, scoring  # noqa: F401

    def begin(self, human: Human, training: Any, rng):
        one_thread()
        from outcross.models.transformer import network

        shape = network.Shape(human.vocabulary.size, self.layers, self.width, self.heads)
        block = human.training.records.tokens.shape[1]
        model = TextModel(network.initial(shape, rng, device()), human.vocabulary, block, self.precision)
        start = self.schedule(training).start
        if not isinstance(start, Pretrained):
            return model
        if human.windows is None or not len(human.windows):
            raise BadInput("the human training text is shorter than two blocks, which is too short for pretraining; give more text")
        return model.trained(human.windows, None, *start.full, rng)

    def fit(self, records, weights, start: Any, training: Any, rng, validation: Blocks | None = None):
        one_thread()
        from outcross.models.transformer import network

        if isinstance(training.start, Scratch):
            start = replace(start, network=network.initial(start.network.shape, rng, device()))
        training = self.schedule(training)
        steps = training.steps_for(len(records), records.tokens.shape[1])
        checked = None if validation is None else validation.tokens
        return start.trained(records.tokens, weights, steps, training.batch, training.learning_rate, rng, checked)

    def load(self, folder):
        one_thread()
        from outcross.models import networks
        from outcross.models.transformer.network import Network, Shape
        from outcross.text.vocabulary import Vocabulary

        block = json.loads((folder / "block.json").read_text())
        return TextModel(
            networks.load(Network, Shape, folder, device()), Vocabulary.load(folder / "vocabulary.json"), block, self.precision
        )

    def as_transformers(self, folder):
        one_thread()
        from outcross.models import networks
        from outcross.models.transformer import gpt_neox
        from outcross.models.transformer.network import Network, Shape
        from outcross.text.vocabulary import Vocabulary

        block = json.loads((folder / "block.json").read_text())
        return gpt_neox.files(networks.load(Network, Shape, folder), Vocabulary.load(folder / "vocabulary.json"), block)


@dataclass(frozen=True, eq=False)
class TextModel:
    """A network with its vocabulary."""

    network: Network
    vocabulary: Vocabulary
    block: int
    """Number of tokens in a record."""
    precision: Literal["bf16", "fp32"]

    def trained(
        self,
        tokens: np.ndarray,
        weights: np.ndarray | None,
        steps: int,
        batch: int,
        learning_rate: float,
        rng: np.random.Generator,
        validation: np.ndarray | None = None,
    ) -> TextModel:
        """Return this model after more training on the rows of tokens.

        With `validation` the result is the checkpoint with the lowest held-out loss. Raises BadInput if the loss stops being finite.
        """
        from outcross.models.transformer import fitting

        tell = runtime.telling.get()
        try:
            fitted = fitting.fit(
                self.network, tokens, steps=steps, batch=batch, learning_rate=learning_rate, warmup=max(1, steps // 10), weights=weights,
                precision=self.precision, rng=rng, validation=validation, keep_best=validation is not None, progress=lambda done, loss: tell(done / steps),
            )  # fmt: skip
        except FloatingPointError as error:
            raise BadInput(f"training diverged: {error}; lower training.learning_rate") from None
        return replace(self, network=fitted.network)

    def sample(self, draw, prompts: Blocks | None, rng: np.random.Generator, first: int = 0) -> Blocks:
        """Return blocks that continue the prompts in their order, from the first one again if there are too few prompts.

        A block consists of the `draw.prefix` tokens of its prompt that are kept, followed by the new tokens.
        """
        from outcross.models.transformer import beams, sampling

        read, new_tokens = prompts_of(draw, prompts, first), self.block - draw.prefix
        how = {
            "n": draw.records if read is None else None,
            "repetition_penalty": draw.repetition_penalty,
            "precision": self.precision,
        }
        if draw.beams > 1:
            by = beams.write(self.network, read, new_tokens, beams=draw.beams, **how)
        else:
            law: dict[str, Any] = {"temperature": draw.temperature, "top_k": draw.top_k, "top_p": draw.top_p}
            if draw.watermark is not None:
                law["marks"] = green_lists(self.vocabulary.size, draw.watermark)
            by = sampling.write(self.network, read, new_tokens, rng=rng, **law, **how)
        records = written(by.tokens, read, draw, prompts, self.vocabulary, first)
        return replace(records, decoded=Decoded(by.scored, by.log_probs))

    def rescored(self, records: Blocks, draw, prompts: Blocks | None, first: int = 0) -> Rescored:
        """Compare the log-probabilities that were recorded during sampling with those of a plain forward pass of this network in fp32."""
        from outcross.models.transformer import scoring

        decoded, read = records.decoded, prompts_of(draw, prompts, first)
        assert decoded is not None
        new = records.tokens[decoded.rows][:, draw.prefix if read is not None else 0 :]
        before = None if read is None else read[decoded.rows]
        return rescored(decoded, scoring.log_prob(self.network, new, before, per_token=True), self.precision)

    def log_prob(self, records: Blocks) -> np.ndarray:
        """Return the log-probability of each block in nats, (n,), without a prompt."""
        from outcross.models.transformer import scoring

        return scoring.log_prob(self.network, records.tokens)

    def next_log_prob(self, records: Blocks) -> np.ndarray:
        """Return the log-probability of each token to follow each block, in nats, (n, vocabulary); minus infinity for the start token."""
        from outcross.models.transformer import scoring

        return scoring.next_log_prob(self.network, records.tokens)

    @property
    def parameters(self) -> int:
        """Number of learned parameters, which are the weights of the network."""
        return sum(weight.numel() for weight in self.network.parameters())

    def save(self, folder: Path) -> None:
        from outcross.models import networks

        networks.save(self.network, folder)
        self.vocabulary.save(folder / "vocabulary.json")
        (folder / "block.json").write_text(json.dumps(self.block))
