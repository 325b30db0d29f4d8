"""A variational autoencoder of grey pictures, as in the supplement of Shumailov et al. (Nature 2024)."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from outcross import runtime
from outcross.data.records import Vectors
from outcross.errors import BadInput
from outcross.models import Learner
from outcross.models.accelerator import device, one_thread
from outcross.models.schedule import Previous, Schedule, Scratch
from outcross.recipe import filled, kind, recipe
from outcross.wording import amount

if TYPE_CHECKING:
    from outcross.models.online import Online
    from outcross.models.vae.network import Autoencoder

WIDTHS = (64, 128)
"""Channels after the first and the second convolution."""
KERNEL, STRIDE, PADDING = 4, 2, 1
"""Of every convolution: each halves the sides of a picture, each transposed one doubles them."""
FACTOR = STRIDE * STRIDE
"""What the sides of a picture must be multiples of."""
LEARNING_RATE = 1e-3
AT_ONCE = 1024
"""Pictures that are decoded or encoded at a time."""
SHOWN = 10
"""Pictures that a model shows."""
SHOWN_STREAM = 0x5EE
"""The stream of their latents, the same for every model: so eyes compare what generations make of them."""
SCORING_STREAM = 0xE1B0
"""The stream of the latents by which pictures are scored, the same for every model."""


@recipe
class Vae(Learner):
    """A variational autoencoder of grey pictures: two convolutions, 20 latents, two transposed convolutions; 647,081 numbers at 28 by 28 pixels.

    It learns by binary cross-entropy + KL and Adam with weight decay 1e-5. Pictures are points whose numbers lie in [0, 1], row by row; both
    sides must be multiples of 4. With `rows: online` every batch of a fit is written anew by the models of its records: no finite synthetic
    set exists, and what is left is the error of the learning itself.
    """

    paper = "Shumailov et al., Nature 631:755 (2024), supplement (VAE on MNIST); Kingma and Welling, arXiv 1312.6114"
    libraries = ("numpy", "torch", "safetensors")
    learns = ("vectors", "images")
    trains = True
    reads_online = True

    latents: Annotated[int, Field(ge=1, le=10_000)] = 20
    """Dimensions of the latent normal law."""
    height: Annotated[int, Field(ge=4, le=4096)] | None = None
    """Rows of pixels of a picture; left out, pictures are square."""
    writes: Literal["mean", "pixels"] = "mean"
    """What a latent is decoded to: the mean of the picture (Shumailov et al.), or pixels that are black or white, drawn with these chances."""
    precision: Literal["bf16", "fp32"] = "bf16"
    """Of matrix products and convolutions in training and sampling; weights, losses and what is measured are fp32 either way."""

    def schedule(self, training):
        if training == Schedule():
            return Schedule(epochs=30, batch=256, learning_rate=LEARNING_RATE, start=Scratch())
        for name in ("rate", "optimizer", "loss_after", "tokens"):
            if getattr(training, name):
                raise BadInput(
                    f"training.{name} has no meaning for vae, which learns pictures by Adam at one learning rate; leave it out"
                )
        if training.checkpoint == "best":
            raise BadInput("training.checkpoint best needs human validation text, vae reads none; write training.checkpoint: last")
        if not isinstance(training.start, Scratch | Previous):
            raise BadInput(
                f"training.start {kind(training.start)} has no meaning for vae; write training.start: scratch (as published) or previous"
            )
        return filled(training, learning_rate=LEARNING_RATE)

    def check(self, draw):
        if draw.cuts or draw.temperature != 1:
            raise BadInput("draw.temperature, top_k and top_p have no exact sampler for a vae; leave them out")

    def numbers(self, height: int, width: int) -> int:
        """Numbers that are learned of pictures of this size, weights and biases of all layers.

        >>> Vae().numbers(28, 28), Vae().numbers(8, 8)
        (647081, 295721)
        """
        first, second = WIDTHS
        features = second * (height // FACTOR) * (width // FACTOR)
        convolutions = 2 * KERNEL**2 * (first + first * second) + 2 * first + second + 1
        return convolutions + self.latents * 3 * features + 2 * self.latents + features

    def get_ready(self):
        one_thread()
        from outcross.models.vae import fitting, network  # noqa: F401

    def fit(self, records, weights, start: Any, training: Any, rng, online: Online | None = None):
        one_thread()
        from outcross.models.vae import fitting, network

        training = self.schedule(training or Schedule())
        shape = self._shape(records)
        if start is None or not isinstance(training.start, Previous):
            start = self._model(network.initial(shape, rng, device()))
        elif start.network.shape != shape:
            raise BadInput(
                f"the previous model writes pictures of another size ({start.network.shape}), these are {shape}; write training.start: scratch"
            )
        known = records.array
        if online is None or (online.teacher_of_row < 0).any():
            _check_range(known)

        def read(rows: np.ndarray) -> np.ndarray:
            pictures = known[rows] if online is None else online.read(known, rows, rng)
            return pictures.astype(np.float32, copy=False).reshape(-1, shape.height, shape.width)

        try:
            fitted = fitting.fit(
                start.network,
                read,
                len(records),
                training,
                weights=weights,
                precision=self.precision,
                rng=rng,
                progress=runtime.telling.get(),
            )
        except FloatingPointError as error:
            raise BadInput(f"training diverged: {error}; lower training.learning_rate") from None
        return self._model(fitted)

    def _shape(self, records: Any) -> Any:
        from outcross.models.vae.network import PictureShape

        if records.chains:
            raise BadInput("vae learns from one chain of pictures; write chains: 1, and sweep: {seed: [0, 1]} for more")
        pixels = records.dimensions
        height = math.isqrt(pixels) if self.height is None else self.height
        width = pixels // height
        if height * width != pixels:
            said = "no square" if self.height is None else f"not {amount(self.height, 'row')}"
            raise BadInput(
                f"vae learns grey pictures of height × width numbers, these records have {pixels}, which is {said}; write learner.height, "
                "or make colour pictures grey"
            )
        if height % FACTOR or width % FACTOR:
            raise BadInput(
                f"vae halves a picture twice, so that its sides must be multiples of {FACTOR}, got {height} by {width}; crop or pad them"
            )
        return PictureShape(height, width, self.latents)

    def _model(self, network: Autoencoder) -> VaeModel:
        return VaeModel(network, self.writes, self.precision)

    def load(self, folder):
        one_thread()
        from outcross.models.vae import network

        return self._model(network.load(folder, device()))


def _check_range(pictures: np.ndarray) -> None:
    """Refuse numbers that are no brightness."""
    if pictures.size and not (pictures.min() >= 0 and pictures.max() <= 1):
        raise BadInput(
            f"vae learns pictures with values in [0, 1], these lie in [{pictures.min():g}, {pictures.max():g}]; write human: {{kind: images, …}}, which scales them"
        )


@dataclass(frozen=True, eq=False)
class VaeModel:
    """A fitted network, and how pictures are written with it."""

    network: Autoencoder
    writes: Literal["mean", "pixels"]
    precision: Literal["bf16", "fp32"]

    def sample(self, draw, prompts, rng) -> Vectors:
        """Pictures as points (n, height × width), float32: each the decoded mean of a latent drawn from N(0, I), or pixels drawn with these chances."""
        shape = self.network.shape
        latents = rng.standard_normal((draw.records, shape.latents), dtype=np.float32)
        pictures = self.decode(latents, self.precision).reshape(len(latents), -1)
        if self.writes == "pixels":
            pictures = (rng.random(pictures.shape, dtype=np.float32) < pictures).astype(np.float32)
        return Vectors(pictures)

    def decode(self, latents: np.ndarray, precision: Literal["bf16", "fp32"] = "fp32") -> np.ndarray:
        """The mean pictures of latents (n, latents), (n, height, width) float32 in [0, 1]."""
        import torch

        from outcross.models.transformer.network import precise

        at, shape = self.network.device, self.network.shape
        pictures = np.empty((len(latents), shape.height, shape.width), dtype=np.float32)
        with torch.no_grad(), precise(precision, at):
            for first in range(0, len(latents), AT_ONCE):
                some = torch.from_numpy(latents[first : first + AT_ONCE]).to(at)
                pictures[first : first + AT_ONCE] = self.network.decoded(some).sigmoid().cpu().numpy()
        return pictures

    def encode(self, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and log-variance of the latents given pictures (n, height × width), (n, latents) each."""
        import torch

        encoded = []
        with torch.no_grad():
            for some in self._batches(pictures):
                encoded.append([part.cpu().numpy() for part in self.network.encoded(some)])
        mean, log_variance = zip(*encoded, strict=True)
        return np.concatenate(mean), np.concatenate(log_variance)

    def elbo_parts(self, pictures: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What the negative ELBO of each picture is made of, in nats, (n,) each: the cross-entropy of its pixels, and the divergence of its latents.

        Pictures are (n, height × width); `noise` (n, latents) is standard normal and draws one latent of each.
        """
        import torch

        from outcross.models.vae import fitting

        parts, first = [], 0
        with torch.no_grad():
            for some in self._batches(pictures):
                drawn = torch.from_numpy(noise[first : first + len(some)]).to(self.network.device)
                parts.append([part.double().cpu().numpy() for part in fitting.elbo_parts(self.network, some, drawn)])
                first += len(some)
        entropy, divergence = zip(*parts, strict=True)
        return np.concatenate(entropy), np.concatenate(divergence)

    def _batches(self, pictures: np.ndarray):
        """Pictures as tensors (some, height, width), some at a time."""
        import torch

        shape = self.network.shape
        for first in range(0, len(pictures), AT_ONCE):
            some = pictures[first : first + AT_ONCE].astype(np.float32, copy=False)
            yield torch.from_numpy(some.reshape(-1, shape.height, shape.width)).to(self.network.device)

    def log_prob(self, records: Vectors) -> np.ndarray:
        """The ELBO of each picture in nats, (n,), by one latent from a stream that all models share.

        Of pictures whose pixels are black or white it is a lower bound of the log-probability, in expectation over the latent. Of grey ones it
        is the loss that is published, with its sign turned, and no bound: a cross-entropy is no density of grey values.
        """
        _check_range(records.array)
        noise = np.random.default_rng(SCORING_STREAM).standard_normal((len(records), self.network.shape.latents), dtype=np.float32)
        entropy, divergence = self.elbo_parts(records.array, noise)
        return -(entropy + divergence)

    @property
    def pictures(self) -> np.ndarray:
        """What it makes of the same ten latents as every other model of as many, (10, height, width) of bytes, 255 is white."""
        latents = np.random.default_rng(SHOWN_STREAM).standard_normal((SHOWN, self.network.shape.latents), dtype=np.float32)
        return np.rint(255 * self.decode(latents)).astype(np.uint8)

    def save(self, folder: Path) -> None:
        from outcross.models.vae import network

        network.save(self.network, folder)
        acting = {"precision": self.precision, "writes": self.writes}  # equal networks that write otherwise are other models
        (folder / "model.json").write_text(json.dumps(acting, sort_keys=True) + "\n", encoding="utf-8")
