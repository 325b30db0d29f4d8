"""A small convolutional network for pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from outcross.classifiers import Classifier, Examples
from outcross.errors import BadInput
from outcross.recipe import recipe

if TYPE_CHECKING:
    import torch

AT_ONCE = 4096
"""Number of pictures that are classified at a time."""
KERNEL, FIRST, SECOND, HIDDEN, NARROW = 5, 6, 16, 120, 84
UNPADDED = 28
"""Side of a picture from which the convolutions need no padding."""


@recipe
class ConvolutionalClassifier(Classifier):
    """A small convolutional network, trained by SGD.

    It has convolutions with 6 and 16 filters of 5 by 5, each followed by pooling of 2, and layers with 120, 84 and one output per class. Points
    are square pictures, channel by channel and row by row. Pictures below 28 by 28 are padded, so that all sizes from 4 by 4 on are possible.
    """

    paper = "LeCun et al., Proc. IEEE 86:2278 (1998); as in Wyllie, Shumailov and Papernot, FAccT 2024, arXiv 2403.07857"
    libraries = ("numpy", "torch", "safetensors")
    starts = True

    channels: Annotated[int, Field(ge=1, le=16)] = 2
    """Number of colour channels of a picture."""
    epochs: Annotated[int, Field(ge=1, le=10_000)] = 30
    batch: Annotated[int, Field(ge=1)] = 256
    learning_rate: Annotated[float, Field(gt=0)] = 0.1

    def side(self, dimensions: int) -> int:
        """Return the side of a square picture with this many numbers. Raises BadInput if there is no such picture."""
        side = math.isqrt(dimensions // self.channels)
        if side * side * self.channels != dimensions or side < 4:
            raise BadInput(
                f"convolutional reads square pictures of {self.channels} colours and at least 4 by 4 pixels, but a record has {dimensions} numbers; "
                "set classifier.channels"
            )
        return side

    def network(self, side: int, classes: int) -> torch.nn.Module:
        """Return the network for pictures of this side, with torch's initial weights."""
        import torch
        from torch import nn

        torch.set_num_threads(1)
        padding = 0 if side >= UNPADDED else 2
        after = side
        for _ in range(2):
            after = (after + 2 * padding - KERNEL + 1) // 2
        return nn.Sequential(
            nn.Conv2d(self.channels, FIRST, KERNEL, padding=padding),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(FIRST, SECOND, KERNEL, padding=padding),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(SECOND * after * after, HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN, NARROW),
            nn.ReLU(),
            nn.Linear(NARROW, classes),
        )

    def learn(self, rows: Examples, weights, start: Any, rng):
        import torch

        side = self.side(rows.points.shape[1])
        network = self.network(side, rows.classes)
        initial = _initial(network, rng) if not isinstance(start, FittedConvolutional) else start.weights
        network.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in initial.items()})
        pictures = torch.from_numpy(rows.points.astype(np.float32).reshape(-1, self.channels, side, side))
        labels = torch.from_numpy(rows.labels.astype(np.int64))
        counted = torch.ones(len(rows)) if weights is None else torch.from_numpy((weights / weights.mean()).astype(np.float32))
        descent = torch.optim.SGD(network.parameters(), lr=self.learning_rate)
        for _ in range(self.epochs):
            order = torch.from_numpy(rng.permutation(len(rows)))
            for batch in order.split(self.batch):
                descent.zero_grad()
                losses = torch.nn.functional.cross_entropy(network(pictures[batch]), labels[batch], reduction="none")
                (losses * counted[batch]).mean().backward()
                descent.step()
        fitted = {name: value.detach().numpy().copy() for name, value in network.state_dict().items()}
        if not all(np.isfinite(value).all() for value in fitted.values()):
            raise BadInput(f"training of convolutional diverged with classifier.learning_rate {self.learning_rate:g}; lower it")
        unseen = np.setdiff1d(np.arange(rows.classes), np.unique(rows.labels))
        return FittedConvolutional(self, side, rows.classes, fitted, unseen)

    def load_learned(self, folder):
        from safetensors.numpy import load_file

        stored = load_file(folder / "convolutional.safetensors")
        side, classes = stored.pop("_shape").tolist()
        return FittedConvolutional(self, side, classes, stored, np.flatnonzero(stored.pop("_unseen")))


@dataclass(frozen=True, eq=False)
class FittedConvolutional:
    """A trained network."""

    classifier: ConvolutionalClassifier
    side: int
    classes: int
    weights: dict[str, np.ndarray]
    unseen: np.ndarray
    """Classes without records."""

    def predict(self, points: np.ndarray) -> np.ndarray:
        import torch

        network = self.classifier.network(self.side, self.classes)
        network.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in self.weights.items()})
        pictures = torch.from_numpy(points.astype(np.float32).reshape(-1, self.classifier.channels, self.side, self.side))
        with torch.inference_mode():
            scores = torch.cat([network(some) for some in pictures.split(AT_ONCE)]) if len(points) else torch.zeros(0, self.classes)
            scores[:, torch.from_numpy(self.unseen)] = -torch.inf
            return torch.softmax(scores.double(), dim=1).numpy()

    def save(self, folder: Path) -> None:
        from safetensors.numpy import save_file

        unseen = np.isin(np.arange(self.classes), self.unseen).astype(np.int64)
        save_file(
            self.weights | {"_shape": np.array([self.side, self.classes]), "_unseen": unseen}, folder / "convolutional.safetensors"
        )


def _initial(network: torch.nn.Module, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return weights and biases that are uniform within ±1/√(inputs), as in torch, drawn from `rng`."""
    import torch

    initial = {}
    for name, value in network.state_dict().items():
        if name.endswith("weight"):
            inputs = math.prod(value.shape[1:])
        bound = 1 / math.sqrt(inputs)
        initial[name] = rng.uniform(-bound, bound, tuple(value.shape)).astype(torch.zeros(0, dtype=value.dtype).numpy().dtype)
    return initial
