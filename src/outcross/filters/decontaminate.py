from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import numpy as np
from pydantic import Field

from outcross.errors import BadInput
from outcross.filters import Filter, FilterPage, Selection
from outcross.filters.judging import check_column
from outcross.recipe import recipe

WHOLE, RUN = "it has the same words as a test record", "it shares a run of words with a test record"
STANDS_FOR = "the test set"
"""The placeholder for the path of a test set in a step key, where a digest describes the content of the test set."""


@recipe
class DecontaminateFilter(Filter):
    """Drop records that have the same words as a record of a test set, or share a long run of words with one."""

    path: Annotated[str, Field(min_length=1)]
    """The test set: a file, a folder or a pattern."""
    column: str | None = None
    """The column of the test set with its texts; all text columns if left out."""
    run: Annotated[int, Field(ge=2, le=100)] = 13
    """The length in words of a shared run that is too long for a coincidence."""

    page = FilterPage(
        "decontaminate", "A text is dropped if its words (in lower case, without punctuation) are those of a test text, or if it shares a run of at least 13 words (unless set) with one. Its number is the length in words of the longest shared run.",
        "Quotations, names of laws and forms are runs that many people write. A paraphrase of a test record is not found.",
        "Brown et al., NeurIPS 2020, arXiv 2005.14165, appendix C",
    )  # fmt: skip
    libraries = ("icu4py", "pillow", "polars")

    @property
    def samples(self):
        return "rows"

    @property
    def needs(self):
        return ("texts",)

    @property
    def paths(self):
        return (self.path,)

    def without_paths(self):
        return replace(self, path=STANDS_FOR)

    def select(self, candidates, rng):
        from outcross.text.copies import runs_of, verbatim_among
        from outcross.text.texts import texts

        test = texts(self._test_texts())
        runs, known = runs_of(test.words, self.run), set(_in_words(test.strings))
        (longest, many), whole = np.zeros((2, len(candidates)), np.int64), np.zeros(len(candidates), bool)
        for places, batch in candidates.batches_of_texts():
            read = texts(batch)
            longest[places], many[places] = verbatim_among(read.words, runs, self.run).longest, read.words.per_block
            whole[places] = [words != "" and words in known for words in _in_words(read.strings)]
        reason = np.where(whole, 0, np.where(longest > 0, 1, -1))
        value = np.where(whole, many, longest).astype(float)
        return Selection(
            (reason < 0).astype(np.int64),
            value=value,
            reason=reason,
            reasons=(WHOLE, RUN),
            notes=(f"{len(test):,} test texts were looked for",),
            facts={"test_texts": len(test), "whole": int(whole.sum()), "runs": int((reason == 1).sum())},
        )

    def _test_texts(self) -> list[str]:
        import polars as pl

        from outcross.files.chats import unfolded
        from outcross.files.reading import read

        source = unfolded(read(self.path))
        if self.column is not None:
            check_column(self.column, source.columns)
        test_texts: list[str] = []
        for batch in source.batches(None):
            wanted = (
                [self.column] if self.column is not None else [name for name, kind in batch.schema.items() if kind == pl.String]
            )
            for name in wanted:
                test_texts += batch[name].cast(pl.String).drop_nulls().to_list()
        if not test_texts:
            raise BadInput(f"the test set {self.path} contains no text; name its column, or give another test set")
        return test_texts


def _in_words(texts: list[str]) -> list[str]:
    """Return the words of each text in lower case, joined by spaces."""
    import re

    return [" ".join(re.findall(r"\w+", text.lower())) for text in texts]
