"""Where human data come from.

A source is a recipe; `open(form, chains, rng)` reads or draws the records, splits them and returns a Human. Text is cut as the
learner's `form` says; numbers need none. `rows` is the size of the original human training set.
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
    """Where human records come from."""

    is_text: ClassVar[bool] = False
    libraries: ClassVar[tuple[str, ...]] = ("numpy",)
    """Packages of others, as the package index names them, whose versions decide its records."""
    rows: int
    records: Literal["points", "moments"] = "points"
    """Of numbers: one by one, or of each part their moments alone."""

    @property
    def truth(self) -> Any:
        """The distribution, where it is known."""
        return None

    def content(self) -> str:
        """Digest of what is read, so that an edited file is other human data; empty where nothing is read (or it is not there)."""
        return ""

    def inputs(self) -> tuple[Path, ...]:
        """The files and folders that it reads, which a run must not write to; none of them need exist."""
        return ()

    def open(self, form: Any, chains: tuple[int, ...], rng: np.random.Generator) -> Human:
        raise NotImplementedError


def must_name_files(value: object) -> str:
    """What to say of human data that lie in memory: a run says what it read, and can be told again only from files."""
    return (
        f"must name files, got {type(value).__name__} in memory; write it to a file first, as with frame.write_parquet('human.parquet') "
        "or numpy.save('points.npy', array), and give that file"
    )


def is_in_memory(value: object) -> bool:
    """Whether a value is no plain one: a frame, an array, a dataset."""
    return not (value is None or isinstance(value, str | os.PathLike | bool | int | float | list | tuple | Mapping))


def _name(value: object) -> object:
    if isinstance(value, str | os.PathLike):
        return os.fspath(value)
    raise ValueError(must_name_files(value))


Named = Annotated[str, Field(min_length=1), BeforeValidator(_name)]
"""A file, a folder of shards, or a glob."""

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
    """Human data as a learner wants them: the source, the form that its text is cut to, and how many chains."""

    source: Annotated[Source, one_of(SOURCES, "human")]
    form: Any = None
    chains: Annotated[int, Field(ge=1)] = 1
    content: str = ""
    """Digest of what the source reads."""
    tokenizer: str = ""
    """Digest of the files that the learner's tokenizer comes from; empty where the vocabulary is learned from the human text."""

    def open(self, rng: np.random.Generator) -> Human:
        if self.source.is_text != (self.form is not None):
            content = "text" if self.source.is_text else "numbers"
            raise BadInput(
                f"the human data of {kind(self.source)} are {content}, which this learner does not read; choose another learner"
            )
        if self.source.is_text and self.chains > 1:
            raise BadInput(
                f"chains are independent repeats of a distribution, text has one; write sweep: {{seed: [0, 1]}} instead of chains: {self.chains}"
            )
        human = self.source.open(self.form, (self.chains,) if self.chains > 1 else (), rng)
        return replace(human, note=human.note | {"source": plain(self.source)})  # equal records of another truth are other data

    @property
    def given(self) -> dict[str, str]:
        """The digest of what the source reads, by the name that people gave it."""
        return {str(path): self.content for path in self.source.inputs()}

    def load(self, folder: Path) -> Human:
        return Human.load(folder, self.source.truth, self.form.load_vocabulary if self.form is not None else None)
