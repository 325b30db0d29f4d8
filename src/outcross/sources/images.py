from __future__ import annotations

import pathlib
from dataclasses import replace
from typing import Annotated

import numpy as np
from pydantic import Field

from outcross.data import HUMAN, Human, part_of
from outcross.data.records import Vectors
from outcross.errors import BadInput
from outcross.files.names import kind_at, named
from outcross.files.numbers import points
from outcross.files.reading import content_digest, read
from outcross.files.refusals import suffix
from outcross.recipe import recipe
from outcross.sources import Named, Source

DIGITS_WHITE = 16.0
"""The brightest value of scikit-learn's digits."""


@recipe
class Images(Source):
    """Grey pictures of the same size with values in [0, 1], from IDX files such as MNIST, arrays or a folder of pictures, or scikit-learn's digits.

    Without a path the source uses the digits (1,797 of 8 by 8 pixels), which are part of scikit-learn and need no download. In a folder with
    `train-images…` and `t10k-images…`, generation 0 is trained on the first, and the second is held out, as usual for MNIST. Otherwise the
    pictures are shuffled once and split: the training set, a reference of the same size (or smaller if too few are left), a holdout of the same
    size if there are enough, and the rest in reserve.
    """

    libraries = (*Source.libraries, "polars", "pillow", "scikit-learn")

    path: Named | None = None
    """The pictures; scikit-learn's digits if left out."""
    reference: Named | None = None
    """Pictures that are held out of training; a part of `path` if left out."""
    rows: Annotated[int, Field(ge=1)] = 1198
    white: Annotated[float, Field(gt=0)] | None = None
    """The brightest value. If left out, it is 255 if a value is above 1, otherwise 1 (16 for the digits)."""

    def content(self):
        return " ".join(filter(None, (content_digest(given) for given in (self.path, self.reference) if given is not None)))

    def inputs(self):
        return tuple(path for given in (self.path, self.reference) if given is not None for path in named(given))

    def open(self, form, chains, rng):
        if chains:
            raise BadInput(
                "chains are independent samples of a known distribution, which pictures do not have; write sweep: {seed: [0, 1]} instead"
            )
        learned, held_out = self._files()
        pictures = _digits() if learned is None else self._read(learned)
        apart = None if held_out is None else self._read(held_out)
        if apart is not None and apart.shape[1] != pictures.shape[1]:
            raise BadInput(
                f"{held_out} holds pictures of {apart.shape[1]} pixels, but {learned} of {pictures.shape[1]}; give pictures of the same size"
            )
        needed = self.rows + (0 if apart is not None else 1)
        if len(pictures) < needed:
            raise BadInput(
                f"{learned or 'scikit-learn'} holds {len(pictures):,} pictures, but human.rows={self.rows} needs {needed:,}"
                f"{'' if apart is not None else ', one of them to hold out'}; lower human.rows{'' if self.path else ', or give human.path'}"
            )
        return _dealt(pictures[rng.permutation(len(pictures))], self.rows, apart)

    def _files(self) -> tuple[str | None, str | None]:
        """Return the files for training and the held-out files. The first is None for the digits, the second if a part of the first is held out."""
        if self.path is None or self.reference is not None or kind_at(self.path) != "folder":
            return self.path, self.reference
        folder = pathlib.Path(self.path)
        parts = [
            [file for file in sorted(folder.glob(f"{name}-images*")) if suffix(file)[0] == ".idx"] for name in ("train", "t10k")
        ]
        if all(len(files) == 1 for files in parts):
            (train,), (test,) = parts
            return str(train), str(test)
        return self.path, None

    def _read(self, given: str) -> np.ndarray:
        """Read pictures (n, pixels), float32 in [0, 1]."""
        source = read(given)
        if sum(side > 1 for side in source.record) > 2:
            raise BadInput(
                f"{given} holds pictures of shape {source.record}, but grey pictures have only height and width; convert colour pictures to grey"
            )
        pictures = points(replace(source, name=given)).astype(np.float32)
        white = self.white or (255.0 if pictures.max() > 1 else 1.0)
        if pictures.min() < 0 or pictures.max() > white:
            raise BadInput(
                f"{given} holds values from {pictures.min():g} to {pictures.max():g}, but pictures have values from 0 to {white:g}; "
                "write human.white, the brightest value"
            )
        return pictures / np.float32(white)


def _digits() -> np.ndarray:
    """Return scikit-learn's digits, (1797, 64) float32 in [0, 1]."""
    from sklearn.datasets import load_digits

    pictures, _ = load_digits(return_X_y=True)
    return (np.asarray(pictures) / DIGITS_WHITE).astype(np.float32)


def _dealt(shuffled: np.ndarray, rows: int, apart: np.ndarray | None) -> Human:
    """Split pictures into the parts of the human data in their order. `apart` are pictures that are already held out."""
    left = len(shuffled) - rows
    reference = 0 if apart is not None else min(rows, left)
    holdout = rows if left - reference >= rows else 0
    training, inside, second, reserve = np.split(shuffled, np.cumsum([rows, reference, holdout]))

    def part(pictures: np.ndarray):
        return part_of(HUMAN, Vectors(pictures)) if len(pictures) else None

    return Human(
        training=part_of(HUMAN, Vectors(training)),
        reference=part(inside if apart is None else apart),
        holdout=part(second),
        reserve=part(reserve),
    )
