from __future__ import annotations

from dataclasses import replace

from outcross.files.names import named
from outcross.files.reading import content_digest, read
from outcross.recipe import recipe
from outcross.sources import Named
from outcross.sources.text import Heading, HeldOut, HeldOutRows, Rows, Text
from outcross.text.gathering import documents


@recipe
class Path(Text):
    """Text in a file, a folder of shards, or a glob: paragraphs that are joined into documents, or a column of a table.

    Tables are .csv, .tsv, .jsonl, .ndjson, .json and .parquet; .txt, .md and every other ending are plain text; .gz and .zst are
    decompressed. Whole documents are held out, and no document extends beyond the end of a text file. If a text consists of articles, `heading`
    describes the lines that begin an article, so that no article is both in the training and in the held-out text.
    """

    libraries = (*Text.libraries, "polars", "pillow")

    path: Named
    """A file, a folder of shards, or a glob."""
    text_column: str | None = None
    """The column of texts, one text per row; required for tables."""
    group_column: str | None = None
    """The column of the group of a text, for example a language or a speaker."""
    heading: Heading | None = None
    """A regular expression for the lines that begin a document, such as `= [^=].* =` in WikiText."""
    rows: Rows = 1000
    """Number of blocks in the human training set."""
    held_out: HeldOut = 0.1
    """The fraction of documents that is held out of training."""
    held_out_rows: HeldOutRows = None
    """Maximum number of blocks in each held-out sample; all if left out."""

    def content(self):
        return content_digest(self.path)

    def inputs(self):
        return named(self.path)

    def documents(self, blank_lines=False):
        source = replace(read(self.path, whole_texts=True), name=self.path)
        return documents(source, self.text_column, self.group_column, self.heading, blank_lines)
