"""The network of a variational autoencoder of grey pictures: two convolutions, latent normal variables, two transposed convolutions."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from outcross.models.vae import FACTOR, KERNEL, PADDING, STRIDE, WIDTHS


@dataclass(frozen=True)
class PictureShape:
    """The sizes of a network."""

    height: int
    """Number of rows of pixels, a multiple of 4."""
    width: int
    latents: int = 20
    """Number of latent dimensions."""

    @property
    def inner(self) -> tuple[int, int, int]:
        """Channels, rows and columns between the convolutions and the latents."""
        return WIDTHS[1], self.height // FACTOR, self.width // FACTOR


class Autoencoder(nn.Module):
    """Encoder and decoder (Kingma and Welling 2014, in the sizes of Shumailov et al. 2024), with weights in fp32.

    Pictures are (n, height, width) with values in [0, 1]. `decoded` returns the logits of their means.
    """

    def __init__(self, shape: PictureShape):
        super().__init__()
        self.shape = shape
        first, second = WIDTHS
        features = math.prod(shape.inner)
        self.narrow_once = nn.Conv2d(1, first, KERNEL, STRIDE, PADDING)
        self.narrow_twice = nn.Conv2d(first, second, KERNEL, STRIDE, PADDING)
        self.mean = nn.Linear(features, shape.latents)
        self.log_variance = nn.Linear(features, shape.latents)
        self.unfold = nn.Linear(shape.latents, features)
        self.widen_once = nn.ConvTranspose2d(second, first, KERNEL, STRIDE, PADDING)
        self.widen_twice = nn.ConvTranspose2d(first, 1, KERNEL, STRIDE, PADDING)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def encoded(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean and the log-variance of the latents given pictures, (n, latents) each."""
        features = self.narrow_twice(self.narrow_once(pictures[:, None]).relu()).relu().flatten(1)
        return self._precise(self.mean(features)), self._precise(self.log_variance(features))

    def decoded(self, latents: Tensor) -> Tensor:
        """Return the logits of the mean pictures given latents, (n, height, width)."""
        features = self.unfold(latents).unflatten(1, self.shape.inner).contiguous(memory_format=torch.channels_last)
        return self._precise(self.widen_twice(self.widen_once(features).relu())[:, 0])

    def _precise(self, numbers: Tensor) -> Tensor:
        """Convert numbers to the precision of the weights."""
        return numbers.to(self.mean.weight.dtype)

    @property
    def device(self) -> torch.device:
        return self.mean.weight.device

    @property
    def parameters_in_all(self) -> int:
        """Number of parameters: 647,081 at 28 by 28 pixels."""
        return sum(weights.numel() for weights in self.parameters())


def losses(logits: Tensor, pictures: Tensor, mean: Tensor, log_variance: Tensor) -> tuple[Tensor, Tensor]:
    """Return, for each picture, the binary cross-entropy of its pixels and the divergence of its latents from N(0, I), in nats, (n,) each.

    The cross-entropy is -Σ (x ln p + (1 - x) ln(1 - p)) with p = sigmoid(logit). The divergence is KL(N(m, s²) ‖ N(0, 1)) =
    (m² + s² - 1 - ln s²) / 2, summed over the latents. Their sum is the negative ELBO for one latent per picture.
    """
    entropy = nn.functional.binary_cross_entropy_with_logits(logits, pictures, reduction="none").flatten(1).sum(1)
    divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)
    return entropy, divergence


def initial(shape: PictureShape, rng: np.random.Generator, device: str | torch.device = "cpu") -> Autoencoder:
    """Return an untrained network. Every weight and bias is uniform within ±1 / sqrt(fan-in), as in torch's layers."""
    network = Autoencoder(shape)
    for layer in network.children():
        fan_in = math.prod(layer.weight.shape[1:])  # type: ignore[union-attr, arg-type]
        for weights in (layer.weight, layer.bias):
            drawn = rng.uniform(-1, 1, tuple(weights.shape)) / math.sqrt(fan_in)  # type: ignore[union-attr, arg-type]
            weights.data.copy_(torch.from_numpy(drawn.astype(np.float32)))  # type: ignore[union-attr, operator]
    return network.to(device)
