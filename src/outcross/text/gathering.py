"""Documents out of the records of a source: paragraphs put together, articles under headings, the rows of a column of text."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from outcross.errors import BadInput
from outcross.files import inputs
from outcross.files.source import TableSource
from outcross.recipe import nearest

if TYPE_CHECKING:
    import polars

DOCUMENT = 2000
"""Characters at which gathered paragraphs or short texts make a document."""
SHORT_DOCUMENT = 400
"""The same at least, in a group that holds little text: a few blocks, so that cutting them loses little."""
DOCUMENTS = 20
"""Documents that a group is given where it holds text enough for short ones: some to learn from, some held out."""


@dataclass(frozen=True)
class Document:
    """One text that a person wrote; what is split is documents, so that no document is on two sides."""

    text: str
    group: str = ""
    """A language, a speaker …; empty where there are none."""


def documents(
    source: TableSource, text_column: str | None, group_column: str | None, heading: str | None = None, blank_lines: bool = False
) -> list[Document]:
    """The documents of a source that was read with `whole_texts`: of each text file by itself, or of a column of a table.

    With `blank_lines` they hold every line of the source, blank ones too, and a row that ends with a line break is one line more, not two.
    BadInput where there is no such column, where it holds no text, where no line of a file is a heading, or where the text takes more
    memory than one input may.
    """
    if source.texts and source.texts == source.columns:
        if text_column is not None:
            raise BadInput(
                f"{source.name} is read as plain text, which has no column {text_column!r}; leave text_column out, or give .csv, .jsonl or .parquet"
            )
        (column,) = source.columns
        return [
            document
            for text, _ in _rows(source, column, None)
            for document in gather_documents(_paragraphs(text, blank_lines), None, heading, blank_lines)
        ]
    column = _known(source, text_column, "text_column")
    group = None if group_column is None else _known(source, group_column, "group_column")
    rows = list(_rows(source, column, group))
    texts = [text.removesuffix("\n") if blank_lines else text for text, _ in rows]
    return gather_documents(texts, None if group is None else [name for _, name in rows], heading, blank_lines)


def _paragraphs(text: str, blank_lines: bool) -> list[str]:
    """The paragraphs of a text; with `blank_lines` each has those that follow it, and line breaks between the paragraphs make the text again.

    >>> _paragraphs("One.\\n\\n\\nTwo.\\n", False), _paragraphs("One.\\n\\n\\nTwo.\\n", True)
    (['One.', '\\nTwo.\\n'], ['One.\\n\\n', 'Two.'])
    """
    if not blank_lines:
        return re.split(r"\n[ \t]*\n", text)
    lines = text.removesuffix("\n").split("\n")
    starts = [i for i in range(1, len(lines)) if lines[i].strip() and not lines[i - 1].strip()]
    return ["\n".join(lines[first:end]) for first, end in itertools.pairwise([0, *starts, len(lines)])]


def gather_documents(
    texts: Sequence[str], groups: Sequence[str] | None, heading: str | None = None, blank_lines: bool = False
) -> list[Document]:
    """Documents out of consecutive texts of one group: articles where a heading opens each, else texts put together till they are long.

    Put together they hold at least 2,000 characters; a longer text stays one, a very long one is cut. The texts of a small group (under
    40,000 characters) make shorter documents, a twentieth of it or 400 characters, so that it too has some on either side of the split.
    With `blank_lines` no line of a text is dropped.
    """
    by_group: dict[str, list[str]] = {}
    for i, text in enumerate(texts):
        by_group.setdefault("" if groups is None else groups[i], []).append(text)
    if heading is not None:
        cut = partial(_articles, heading=heading, blank_lines=blank_lines)
    else:
        cut = partial(_gathered, shortest=DOCUMENT if groups is None else SHORT_DOCUMENT, blank_lines=blank_lines)
    return [Document(text, group) for group, own in by_group.items() for text in cut(own)]


def _gathered(texts: Sequence[str], shortest: int, blank_lines: bool) -> Iterator[str]:
    enough = min(DOCUMENT, max(shortest, sum(map(len, texts)) // DOCUMENTS))
    waiting: list[str] = []
    for piece in itertools.chain.from_iterable(_pieces(text) or [text] * blank_lines for text in texts):
        waiting.append(piece)
        if sum(map(len, waiting)) >= enough:
            yield "\n".join(waiting)
            waiting.clear()
    if "".join(waiting).strip():
        yield "\n".join(waiting)


def _articles(texts: Sequence[str], heading: str, blank_lines: bool) -> Iterator[str]:
    """The lines from each heading to the next, and those before the first; blank ones are dropped unless they are wanted."""
    lines = [line for text in texts for line in text.split("\n") if blank_lines or line.strip()]
    starts = headings(lines, heading)
    if not starts:
        raise BadInput(
            f"human.heading {heading!r} fits no line of the text that opens with {''.join(lines[:1]).strip()[:40]!r}; leave it out (human.heading=null), or write what a line that opens a document looks like"
        )
    ends: list[int] = [*([0] if starts[0] else []), *starts, len(lines)]
    for first, end in itertools.pairwise(ends):
        yield "\n".join(lines[first:end])


def headings(lines: Sequence[str], heading: str) -> list[int]:
    """Which lines a heading fits, the space around them aside; ValueError where it is no regular expression of this kind.

    Matched in time that is linear in the text (Rust's regex crate, which polars brings): Python's own engine backtracks, and on
    `(a+)+$` a line of thirty letters takes it over a minute. The price: no look-around, no back-references.
    """
    import polars

    stripped = polars.Series([line.strip() for line in lines], dtype=polars.String)
    try:
        stripped.head(0).str.contains(heading)  # by itself: `a)|(b` is whole only inside the brackets
        return stripped.str.contains(rf"\A(?:{heading})\z").arg_true().to_list()
    except (polars.exceptions.ComputeError, UnicodeEncodeError) as error:
        reason = str(error).split("This error occurred")[0].rpartition("error: ")[2]
        raise ValueError(" ".join(reason.split())[:160]) from None


def _pieces(text: str) -> list[str]:
    return [text[i : i + 10 * DOCUMENT] for i in range(0, len(text), 10 * DOCUMENT)]


def _known(source: TableSource, column: str | None, field: str) -> str:
    """A column that the source has; BadInput with the columns that it has where it was not named or is not there."""
    names = ", ".join(source.columns[:12])
    if column is None:
        raise BadInput(f"{source.name} is a table; write human.{field}=NAME, one of {names}")
    if column not in source.columns:
        raise BadInput(
            f"{source.name} has no column {column!r}{nearest(column, source.columns)}; write human.{field}=NAME, one of {names}"
        )
    return column


def _rows(source: TableSource, text: str, group: str | None) -> Iterator[tuple[str, str]]:
    """The text and the group of each row, empty where there is none. BadInput where they take more memory than one input may."""
    columns, size = list(dict.fromkeys([text] if group is None else [text, group])), 0
    for batch in source.batches(columns):
        texts = _strings(batch, text, "text_column", source.name)
        # A file may say a long text once and name it in a million rows.
        size += int(texts.str.len_bytes().sum())
        inputs.check_memory(Path(source.name), size, f"in its column {text!r} unfolds to")
        groups = [""] * batch.height if group is None else _strings(batch, group, "group_column", source.name).to_list()
        yield from zip(texts.to_list(), groups, strict=True)


def _strings(batch: polars.DataFrame, column: str, field: str, name: str) -> polars.Series:
    import polars as pl

    if column not in batch.columns:  # a shard of others that have it
        return pl.Series([""] * batch.height, dtype=pl.String)
    try:
        return batch[column].cast(pl.String).fill_null("")
    except pl.exceptions.PolarsError:
        raise BadInput(f"{name}: the column {column!r} holds {batch[column].dtype}, not text; choose another {field}") from None
