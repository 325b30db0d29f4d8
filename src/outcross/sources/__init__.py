"""Sources of human data.

A source is a recipe. Its `open(form, chains, rng)` reads or draws the records, splits them and returns a Human. Text is cut by the
learner's `form`; numbers need no form. `rows` is the size of the original human training set.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BeforeValidator, Field

from outcross.data import Human
from outcross.errors import BadInput
from outcross.recipe import Family, kind, one_of, plain, recipe


class Source:
    """A source of human records."""

    is_text: ClassVar[bool] = False
    libraries: ClassVar[tuple[str, ...]] = ("numpy",)
    """Third-party packages whose versions affect its records, by their names in the package index."""
    rows: int
    records: Literal["points", "moments"] = "points"
    """For sources of numbers: whether a part holds single points or only their moments."""

    @property
    def truth(self) -> Any:
        """The distribution of the records, if it is known; otherwise None."""
        return None

    def content(self) -> str:
        """Return the digest of the files that are read, so that an edited file counts as other human data; empty if none are read or exist."""
        return ""

    def inputs(self) -> tuple[Path, ...]:
        """Return the files and folders that it reads, which a run must not write to. They need not exist."""
        return ()

    def open(self, form: Any, chains: tuple[int, ...], rng: np.random.Generator) -> Human:
        raise NotImplementedError


def must_name_files(value: object) -> str:
    """Return the error message for human data in memory. A run records its inputs and can be repeated only from files."""
    return (
        f"must name files, got {type(value).__name__} in memory; write it to a file first, as with frame.write_parquet('human.parquet') "
        "or numpy.save('points.npy', array), and give that file"
    )


def is_in_memory(value: object) -> bool:
    """Whether a value is data in memory (a frame, an array, a dataset) instead of a plain setting."""
    return not (value is None or isinstance(value, str | os.PathLike | bool | int | float | list | tuple | Mapping))


def _name(value: object) -> object:
    if isinstance(value, str | os.PathLike):
        return os.fspath(value)
    raise ValueError(must_name_files(value))


Named = Annotated[str, Field(min_length=1), BeforeValidator(_name)]
"""The name of a file or a folder of shards, or a glob."""

SOURCES: Family = Family({
    "stdlib": "outcross.sources.text:Stdlib",
    "stdlib_sums": "outcross.sources.sums_in_text:StdlibSums",
    "path": "outcross.sources.path:Path",
    "hub": "outcross.sources.hub:Hub",
    "array": "outcross.sources.array:Array",
    "normal": "outcross.sources.normal:Normal",
    "scaled_normal": "outcross.sources.scaled_normal:ScaledNormal",
    "laplace": "outcross.sources.laplace:LaplaceSource",
    "categorical": "outcross.sources.categorical:CategoricalSource",
    "cells": "outcross.sources.cells:CellsSource",
    "coloured_digits": "outcross.sources.coloured_digits:ColouredDigits",
    "labelled_table": "outcross.sources.labelled_table:LabelledTable",
    "blobs": "outcross.sources.blobs:Blobs",
    "regression": "outcross.sources.regression:RegressionSource",
    "sums": "outcross.sources.tasks:Sums",
    "halfspace": "outcross.sources.tasks:Halfspace",
    "uniform": "outcross.sources.uniform:Uniform",
    "images": "outcross.sources.images:Images",
}, name="sources", protocol=Source)  # fmt: skip


@recipe
class Gathering:
    """Human data in the form that a learner needs: the source, the form in which text is cut, and the number of chains."""

    source: Annotated[Source, one_of(SOURCES, "human")]
    form: Any = None
    chains: Annotated[int, Field(ge=1)] = 1
    content: str = ""
    """Digest of the files that the source reads."""
    tokenizer: str = ""
    """Digest of the files of the learner's tokenizer; empty if the vocabulary is learned from the human text."""

    def open(self, rng: np.random.Generator) -> Human:
        if self.source.is_text != (self.form is not None):
            content = "text" if self.source.is_text else "numbers"
            raise BadInput(
                f"the human data of {kind(self.source)} are {content}, which this learner cannot read; choose another learner"
            )
        if self.source.is_text and self.chains > 1:
            raise BadInput(
                f"chains are independent samples of a known distribution, which text does not have; write sweep: {{seed: [0, 1]}} instead of chains: {self.chains}"
            )
        human = self.source.open(self.form, (self.chains,) if self.chains > 1 else (), rng)
        return replace(
            human, note=human.note | {"source": plain(self.source)}
        )  # equal records with another true distribution are other data

    @property
    def given(self) -> dict[str, str]:
        """The digest of the files that the source reads, under each name that the user gave."""
        return {str(path): self.content for path in self.source.inputs()}

    def load(self, folder: Path) -> Human:
        return Human.load(folder, self.source.truth, self.form.load_vocabulary if self.form is not None else None)
