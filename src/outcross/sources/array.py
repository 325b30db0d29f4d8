from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from outcross.data import HUMAN, Human, part_of
from outcross.data.records import Vectors
from outcross.errors import BadInput
from outcross.files.human import digest, read_array
from outcross.recipe import recipe
from outcross.sources import Source


@recipe
class Array(Source):
    """Points in a .npy or .npz file: an array (n, d) of numbers, or (n,) for one dimension; never pickled objects.

    The rows are shuffled once and dealt out: the original training set, a reference and a holdout as large where there are enough,
    and the rest in reserve.
    """

    array: Annotated[str, Field(min_length=1)]
    """The file."""
    rows: Annotated[int, Field(ge=1)] = 100

    def content(self):
        return digest(Path(self.array))

    def inputs(self):
        return (Path(self.array),)

    def open(self, form, chains, rng):
        if chains:
            raise BadInput("chains are independent repeats of a distribution, a file has one; write sweep: {seed: [0, 1]} instead")
        points = read_array(Path(self.array))
        if len(points) < 2 * self.rows:
            raise BadInput(
                f"{self.array} holds {len(points)} rows, human.rows={self.rows} needs twice as many, half of them held out; lower human.rows"
            )
        shuffled = points[rng.permutation(len(points))]
        cuts = np.cumsum([self.rows, self.rows, self.rows if len(points) >= 3 * self.rows else 0])
        training, reference, holdout, reserve = (
            part_of(HUMAN, Vectors(one)) if len(one) else None for one in np.split(shuffled, cuts)
        )
        assert training is not None
        return Human(training=training, reference=reference, holdout=holdout, reserve=reserve)
