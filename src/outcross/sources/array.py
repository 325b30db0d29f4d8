from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import numpy as np
from pydantic import Field

from outcross.data import HUMAN, Human, part_of
from outcross.data.records import Vectors
from outcross.errors import BadInput
from outcross.files.names import named
from outcross.files.numbers import points
from outcross.files.reading import content_digest, read
from outcross.recipe import recipe
from outcross.sources import Named, Source
from outcross.wording import amount


@recipe
class Array(Source):
    """Points in a file, a folder of shards, or a glob: an array (n, d) of .npy or .npz, the columns of a table, or pictures.

    Records with several axes are flattened, and columns whose names start with `_` are ignored. Pickled objects are never read.

    The rows are shuffled once and split: the original training set, a reference of the same size, a holdout of the same size if there are
    enough rows, and the rest in reserve.
    """

    libraries = (*Source.libraries, "polars", "pillow")

    array: Named
    """A file, a folder of shards, or a glob."""
    rows: Annotated[int, Field(ge=1)] = 100
    """Number of records in the human training set."""

    def content(self):
        return content_digest(self.array)

    def inputs(self):
        return named(self.array)

    def open(self, form, chains, rng):
        if chains:
            raise BadInput(
                "chains are independent samples of a known distribution, which a file does not have; write sweep: {seed: [0, 1]} instead"
            )
        every = points(replace(read(self.array), name=self.array))
        if len(every) < 2 * self.rows:
            raise BadInput(
                f"{self.array} holds {amount(len(every), 'row')}, but human.rows={self.rows} needs twice as many, because half are held out; lower human.rows"
            )
        shuffled = every[rng.permutation(len(every))]
        cuts = np.cumsum([self.rows, self.rows, self.rows if len(every) >= 3 * self.rows else 0])
        training, reference, holdout, reserve = (
            part_of(HUMAN, Vectors(rows)) if len(rows) else None for rows in np.split(shuffled, cuts)
        )
        assert training is not None
        return Human(training=training, reference=reference, holdout=holdout, reserve=reserve)
