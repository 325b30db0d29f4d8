"""Digits in two colours, one of which is correlated with the favourable class."""

from __future__ import annotations

import pathlib
from dataclasses import replace
from typing import Annotated

import numpy as np
from pydantic import BeforeValidator, Field

from outcross.data import HUMAN, Human, part_of
from outcross.data.labelled import LabelledPoints
from outcross.errors import BadInput
from outcross.files.names import named
from outcross.files.numbers import points
from outcross.files.reading import content_digest, read
from outcross.files.refusals import suffix
from outcross.recipe import recipe
from outcross.sources import Named, Source

CLASSES = ("below 5", "5 or above")
GROUPS = ("red", "green")
DIGITS_WHITE = 16.0
"""The brightest value of scikit-learn's digits."""
TWO_THIRDS = 2 / 3
"""Share of scikit-learn's digits that are available for training."""


def _pair(value: object) -> object:
    return (
        tuple(float(item) for item in value)
        if isinstance(value, list | tuple) and all(isinstance(number, int | float) for number in value)
        else value
    )


@recipe
class ColouredDigits(Source):
    """Red and green digits (ColoredMNIST).

    The class says whether a digit is 5 or above, the group is the colour, and green is correlated with the favourable class. A record has side ×
    side numbers for red and the same number for green, in [0, 1]. The test set has equal numbers of red and green digits in each class, and no
    wrong labels. In a folder with MNIST (`train-images…`, `train-labels…`, `t10k-images…`, `t10k-labels…`) the first part is for training and the
    second is held out. Without a folder the source uses scikit-learn's digits (1,797 of 8 by 8 pixels), which need no download, and holds out a
    third of them.
    """

    libraries = (*Source.libraries, "polars", "pillow", "scikit-learn")

    path: Named | None = None
    """A folder with the IDX files of MNIST; scikit-learn's digits if left out."""
    rows: Annotated[int, Field(ge=1)] = 1198
    side: Annotated[int, Field(ge=4, le=256)] | None = None
    """Side of the pictures in pixels, to which they are padded and averaged; their own size if left out."""
    green: Annotated[tuple[Annotated[float, Field(ge=0, le=1)], Annotated[float, Field(ge=0, le=1)]], BeforeValidator(_pair)] = (
        0.3,
        0.7,
    )
    """P(green) for digits below 5 and for digits of 5 or above, in the training data."""
    flips: Annotated[float, Field(ge=0, le=0.5)] = 0.05
    """Share of wrong labels in the training data."""

    def content(self):
        return content_digest(self.path) if self.path is not None else ""

    def inputs(self):
        return tuple(named(self.path)) if self.path is not None else ()

    def open(self, form, chains, rng):
        if chains:
            raise BadInput(
                "chains are independent samples of a known distribution, which digits do not have; write sweep: {seed: [0, 1]} instead"
            )
        (pictures, digits), test = self._digits() if self.path is None else self._files(self.path)
        order = rng.permutation(len(digits))
        pictures, digits = pictures[order], digits[order]
        if test is None:
            cut = int(TWO_THIRDS * len(digits))
            test = pictures[cut:], digits[cut:]
            pictures, digits = pictures[:cut], digits[:cut]
        if len(digits) < self.rows:
            raise BadInput(
                f"{self.path or 'scikit-learn'} holds {len(digits):,} digits for training, fewer than human.rows={self.rows}; lower human.rows"
            )
        right = digits >= 5
        group = rng.random(len(digits)) < np.where(right, self.green[1], self.green[0])
        label = right ^ (rng.random(len(digits)) < self.flips)
        people = self._coloured(pictures, label, group)
        return Human(
            training=part_of(HUMAN, people.take(np.arange(self.rows))),
            reference=part_of(HUMAN, self._coloured(test[0], test[1] >= 5, _balanced(test[1] >= 5, rng))),
            reserve=part_of(HUMAN, people.take(np.arange(self.rows, len(people)))) if len(people) > self.rows else None,
        )

    def _coloured(self, pictures: np.ndarray, label: np.ndarray, group: np.ndarray) -> LabelledPoints:
        """Return the coloured records of grey pictures (n, height, width)."""
        small = pictures if self.side is None else _resized(pictures, self.side)
        colour = np.zeros((len(small), len(GROUPS), *small.shape[1:]), dtype=np.float32)
        colour[np.arange(len(small)), group.astype(int)] = small
        return LabelledPoints(colour.reshape(len(small), -1), label.astype(np.int64), group.astype(np.int64), CLASSES, GROUPS)

    def _digits(self):
        from sklearn.datasets import load_digits

        pictures, digits = load_digits(return_X_y=True)
        return ((np.asarray(pictures) / DIGITS_WHITE).astype(np.float32).reshape(-1, 8, 8), np.asarray(digits)), None

    def _files(self, path: str):
        """Return the pictures and digits for training, and those that are held out."""
        folder = pathlib.Path(path)
        return tuple(tuple(self._read(folder, f"{part}-{what}") for what in ("images", "labels")) for part in ("train", "t10k"))

    def _read(self, folder: pathlib.Path, name: str) -> np.ndarray:
        files = [file for file in sorted(folder.glob(f"{name}*")) if suffix(file)[0] == ".idx"] if folder.is_dir() else []
        if len(files) != 1:
            raise BadInput(
                f"{folder} must be a folder with one file {name}-idx…-ubyte(.gz), but it has {len(files)}; give a folder of MNIST, or leave human.path out"
            )
        source = read(str(files[0]))
        values = points(replace(source, name=str(files[0])))
        if name.endswith("labels"):
            return values[:, 0].astype(np.int64)
        return (values / 255).astype(np.float32).reshape(-1, *source.record)


def _balanced(label: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw a colour for each label, with equal numbers of both colours in each class (up to one, if the class has an odd size)."""
    group = np.zeros(len(label), dtype=bool)
    for class_label in (False, True):
        rows = rng.permutation(np.flatnonzero(label == class_label))
        group[rows[: len(rows) // 2]] = True
    return group


def _resized(pictures: np.ndarray, side: int) -> np.ndarray:
    """Return square pictures of this side, padded with black to the next multiple of it and averaged over blocks."""
    largest = max(pictures.shape[1:])
    factor = -(-largest // side)
    pads = [((factor * side - have) // 2, -(-(factor * side - have) // 2)) for have in pictures.shape[1:]]
    padded = np.pad(pictures, ((0, 0), *pads))
    return padded.reshape(len(pictures), side, factor, side, factor).mean(axis=(2, 4))
