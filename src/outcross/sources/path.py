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
    """Text in a file, a folder of shards, or a glob: paragraphs that are gathered into documents, or a column of a table.

    Tables are .csv, .tsv, .jsonl, .ndjson, .json and .parquet; .txt, .md and every other ending are plain text; .gz and .zst are
    unpacked. Whole documents are held out, and none goes over the end of a text file. Where the text is a row of articles, `heading`
    says which lines open one, so that no article is on both sides.
    """

    libraries = (*Text.libraries, "polars", "pillow")

    path: Named
    """A file, a folder of shards, or a pattern."""
    text_column: str | None = None
    """Needed for tables; a row is a text."""
    group_column: str | None = None
    """Whose text it is: a language, a speaker."""
    heading: Heading | None = None
    """A regular expression for the lines that open a document, as `= [^=].* =` in WikiText."""
    rows: Rows = 1000
    """Blocks of the human training set."""
    held_out: HeldOut = 0.1
    """The fraction of documents that is held out of training."""
    held_out_rows: HeldOutRows = None
    """Blocks of each held-out sample, at most; all if left out."""

    def content(self):
        return content_digest(self.path)

    def inputs(self):
        return named(self.path)

    def documents(self, blank_lines=False):
        source = replace(read(self.path, whole_texts=True), name=self.path)
        return documents(source, self.text_column, self.group_column, self.heading, blank_lines)
