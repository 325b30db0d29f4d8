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
"""Numbers of channels after the first and the second convolution."""
KERNEL, STRIDE, PADDING = 4, 2, 1
"""Settings of every convolution. A convolution halves the sides of a picture, and a transposed convolution doubles them."""
FACTOR = STRIDE * STRIDE
"""The sides of a picture must be multiples of this number."""
LEARNING_RATE = 1e-3
AT_ONCE = 1024
"""Number of pictures that are decoded or encoded at a time."""
SHOWN = 10
"""Number of example pictures of a model."""
SHOWN_STREAM = 0x5EE
"""The random stream of their latents. It is the same for every model, so that readers can compare the pictures of generations."""
SCORING_STREAM = 0xE1B0
"""The random stream of the latents in `log_prob`, the same for every model."""


@recipe
class Vae(Learner):
    """A variational autoencoder of grey pictures.

    It has two convolutions, 20 latents and two transposed convolutions, with 647,081 parameters at 28 by 28 pixels. The loss is binary
    cross-entropy plus KL divergence, and the optimizer is Adam with weight decay 1e-5. Pictures are points with numbers in [0, 1], row by row.
    Both sides must be multiples of 4. With `rows: online` the models of the records generate every batch of a fit afresh. The synthetic data
    are then unlimited, and only the error of learning remains.
    """

    paper = "Shumailov et al., Nature 631:755 (2024), supplement (VAE on MNIST); Kingma and Welling, arXiv 1312.6114"
    libraries = ("numpy", "torch", "safetensors")
    learns = ("vectors", "images")
    trains = True
    reads_online = True

    latents: Annotated[int, Field(ge=1, le=10_000)] = 20
    """Number of dimensions of the latent normal distribution."""
    height: Annotated[int, Field(ge=4, le=4096)] | None = None
    """Number of rows of pixels in a picture. If left out, pictures are square."""
    writes: Literal["mean", "pixels"] = "mean"
    """The output of the decoder: the mean picture (Shumailov et al.), or black and white pixels that are drawn with the means as probabilities."""
    precision: Literal["bf16", "fp32"] = "bf16"
    """Precision of matrix products and convolutions in training and sampling. Weights, losses and measurements are always fp32."""

    def schedule(self, training):
        if training == Schedule():
            return Schedule(epochs=30, batch=256, learning_rate=LEARNING_RATE, start=Scratch())
        for name in ("rate", "optimizer", "loss_after", "tokens"):
            if getattr(training, name):
                raise BadInput(
                    f"training.{name} cannot be set for vae, which uses Adam with a constant learning rate; leave it out"
                )
        if training.checkpoint == "best":
            raise BadInput(
                "training.checkpoint best needs human validation text, which vae does not use; write training.checkpoint: last"
            )
        if not isinstance(training.start, Scratch | Previous):
            raise BadInput(
                f"training.start {kind(training.start)} does not apply to vae; write training.start: scratch (as published) or previous"
            )
        return filled(training, learning_rate=LEARNING_RATE)

    def check(self, draw):
        if draw.cuts or draw.temperature != 1:
            raise BadInput("a vae has no exact sampler for draw.temperature, top_k and top_p; leave them out")

    def numbers(self, height: int, width: int) -> int:
        """Return the number of parameters for pictures of this size, which are the weights and biases of all layers.

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
                f"the previous model writes pictures of another size ({start.network.shape}) than these ({shape}); write training.start: scratch"
            )
        known = records.array
        if online is None or (online.teacher_of_row < 0).any():
            _check_range(known)

        def read(rows: np.ndarray) -> np.ndarray:
            pictures = known[rows] if online is None else online.read(known, rows, rng)
            # Arrays of records cannot be changed and tensors can, so those that are not copied by `known[rows]` are copied here.
            return np.require(pictures, np.float32, "W").reshape(-1, shape.height, shape.width)

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
            raise BadInput("vae learns from one chain of pictures; write chains: 1, and sweep: {seed: [0, 1]} for several runs")
        pixels = records.dimensions
        height = math.isqrt(pixels) if self.height is None else self.height
        width = pixels // height
        if height * width != pixels:
            said = "not a square" if self.height is None else f"not {amount(self.height, 'row')}"
            raise BadInput(
                f"vae learns grey pictures of height × width numbers, but these records have {pixels}, which is {said}; write learner.height, "
                "or convert colour pictures to grey"
            )
        if height % FACTOR or width % FACTOR:
            raise BadInput(
                f"vae halves a picture twice, so its sides must be multiples of {FACTOR}, got {height} by {width}; crop or pad the pictures"
            )
        return PictureShape(height, width, self.latents)

    def _model(self, network: Autoencoder) -> VaeModel:
        return VaeModel(network, self.writes, self.precision)

    def load(self, folder):
        one_thread()
        from outcross.models import networks
        from outcross.models.vae.network import Autoencoder, PictureShape

        return self._model(networks.load(Autoencoder, PictureShape, folder, device()))


def _check_range(pictures: np.ndarray) -> None:
    """Raise BadInput for numbers outside [0, 1]."""
    if pictures.size and not (pictures.min() >= 0 and pictures.max() <= 1):
        raise BadInput(
            f"vae learns pictures with values in [0, 1], got values in [{pictures.min():g}, {pictures.max():g}]; write human: {{kind: images, …}}, which scales them"
        )


@dataclass(frozen=True, eq=False)
class VaeModel:
    """A fitted network, with the settings of sampling."""

    network: Autoencoder
    writes: Literal["mean", "pixels"]
    precision: Literal["bf16", "fp32"]

    def sample(self, draw, prompts, rng) -> Vectors:
        """Return pictures as points (n, height × width), float32.

        Each picture is the decoded mean of a latent drawn from N(0, I), or black and white pixels drawn with these means as probabilities.
        """
        shape = self.network.shape
        latents = rng.standard_normal((draw.records, shape.latents), dtype=np.float32)
        pictures = self.decode(latents, self.precision).reshape(len(latents), -1)
        if self.writes == "pixels":
            pictures = (rng.random(pictures.shape, dtype=np.float32) < pictures).astype(np.float32)
        return Vectors(pictures)

    def decode(self, latents: np.ndarray, precision: Literal["bf16", "fp32"] = "fp32") -> np.ndarray:
        """Return the mean pictures of latents (n, latents), as (n, height, width) float32 in [0, 1]."""
        import torch

        from outcross.models.networks import precise

        at, shape = self.network.device, self.network.shape
        pictures = np.empty((len(latents), shape.height, shape.width), dtype=np.float32)
        with torch.no_grad(), precise(precision, at):
            for first in range(0, len(latents), AT_ONCE):
                some = torch.from_numpy(latents[first : first + AT_ONCE]).to(at)
                pictures[first : first + AT_ONCE] = self.network.decoded(some).sigmoid().cpu().numpy()
        return pictures

    def encode(self, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean and the log-variance of the latents given pictures (n, height × width), (n, latents) each."""
        import torch

        encoded = []
        with torch.no_grad():
            for some in self._batches(pictures):
                encoded.append([part.cpu().numpy() for part in self.network.encoded(some)])
        mean, log_variance = zip(*encoded, strict=True)
        return np.concatenate(mean), np.concatenate(log_variance)

    def elbo_parts(self, pictures: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the two parts of the negative ELBO of each picture, in nats, (n,) each.

        They are the cross-entropy of its pixels and the divergence of its latents. Pictures are (n, height × width). `noise` (n, latents) is
        standard normal and draws one latent for each picture.
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
        """Yield the pictures as tensors (AT_ONCE or fewer, height, width)."""
        import torch

        shape = self.network.shape
        for first in range(0, len(pictures), AT_ONCE):
            # A copy, because arrays of records cannot be changed and tensors can.
            some = pictures[first : first + AT_ONCE].astype(np.float32)
            yield torch.from_numpy(some.reshape(-1, shape.height, shape.width)).to(self.network.device)

    def log_prob(self, records: Vectors) -> np.ndarray:
        """Return the ELBO of each picture in nats, (n,), for one latent from a random stream that all models share.

        For black and white pixels it is a lower bound of the log-probability, in expectation over the latent. For grey pixels it is the negative
        of the published loss. It is then not a bound, because a cross-entropy is not a density of grey values.
        """
        _check_range(records.array)
        noise = np.random.default_rng(SCORING_STREAM).standard_normal((len(records), self.network.shape.latents), dtype=np.float32)
        entropy, divergence = self.elbo_parts(records.array, noise)
        return -(entropy + divergence)

    @property
    def pictures(self) -> np.ndarray:
        """Ten example pictures, (10, height, width) of bytes; 255 is white. Models with equal numbers of latents decode the same ten latents."""
        latents = np.random.default_rng(SHOWN_STREAM).standard_normal((SHOWN, self.network.shape.latents), dtype=np.float32)
        return np.rint(255 * self.decode(latents)).astype(np.uint8)

    def save(self, folder: Path) -> None:
        from outcross.models import networks

        networks.save(self.network, folder)
        acting = {
            "precision": self.precision,
            "writes": self.writes,
        }  # Equal networks with other settings of sampling are other models.
        (folder / "model.json").write_text(json.dumps(acting, sort_keys=True) + "\n", encoding="utf-8")
