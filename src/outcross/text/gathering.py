"""Documents from the records of a source: joined paragraphs, articles under headings, or the rows of a column of texts."""

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
"""Number of characters at which joined paragraphs or short texts make a document."""
SHORT_DOCUMENT = 400
"""Minimum of this number in a group with little text. It is a few blocks, so that cutting loses little."""
DOCUMENTS = 20
"""Number of documents into which a group with little text is divided, so that it has both training and held-out documents."""


@dataclass(frozen=True)
class Document:
    """A human text. Documents are never divided between training and held-out text."""

    text: str
    group: str = ""
    """The group of the document, such as a language or a speaker; empty if there are no groups."""


def documents(
    source: TableSource, text_column: str | None, group_column: str | None, heading: str | None = None, blank_lines: bool = False
) -> list[Document]:
    """Return the documents of a source that was read with `whole_texts`: those of each text file, or those of a column of a table.

    With `blank_lines` they contain every line of the source, including blank lines, and a line break at the end of a row adds no further line.
    Raises BadInput if the column does not exist or holds no text, if no line of a file is a heading, or if the text needs more memory than an input
    may use.
    """
    if source.texts and source.texts == source.columns:
        if text_column is not None:
            raise BadInput(
                f"{source.name} is plain text, which has no column {text_column!r}; leave text_column out, or give .csv, .jsonl or .parquet"
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
    """Split a text into paragraphs. With `blank_lines` a paragraph includes the blank lines after it, and joining by line breaks restores the text.

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
    """Make documents of consecutive texts of one group: articles that begin with headings, or texts that are joined until they are long enough.

    Joined texts have at least 2,000 characters. A longer text stays a separate document, and a very long text is cut. The texts of a small group
    (under 40,000 characters) make shorter documents, of a twentieth of the group or 400 characters, so that the group has documents on both sides
    of the split. With `blank_lines` no line of a text is dropped.
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
    """Yield the lines from each heading to the next, and those before the first heading. Blank lines are dropped unless `blank_lines` is true."""
    lines = [line for text in texts for line in text.split("\n") if blank_lines or line.strip()]
    starts = headings(lines, heading)
    if not starts:
        raise BadInput(
            f"human.heading {heading!r} matches no line of the text that begins with {''.join(lines[:1]).strip()[:40]!r}; leave it out (human.heading=null), or write an expression that matches the first line of a document"
        )
    ends: list[int] = [*([0] if starts[0] else []), *starts, len(lines)]
    for first, end in itertools.pairwise(ends):
        yield "\n".join(lines[first:end])


def headings(lines: Sequence[str], heading: str) -> list[int]:
    """Return the numbers of the lines that match a heading, ignoring space around them. Raises ValueError if it is not a valid expression.

    Matching takes time that is linear in the text, because polars uses Rust's regex crate. Python's own engine backtracks: with
    `(a+)+$` a line of thirty letters takes more than a minute. Therefore look-around and back-references are not supported.
    """
    import polars

    stripped = polars.Series([line.strip() for line in lines], dtype=polars.String)
    try:
        stripped.head(0).str.contains(heading)  # checked alone, because `a)|(b` is valid only inside the brackets below
        return stripped.str.contains(rf"\A(?:{heading})\z").arg_true().to_list()
    except (polars.exceptions.ComputeError, UnicodeEncodeError) as error:
        reason = str(error).split("This error occurred")[0].rpartition("error: ")[2]
        raise ValueError(" ".join(reason.split())[:160]) from None


def _pieces(text: str) -> list[str]:
    return [text[i : i + 10 * DOCUMENT] for i in range(0, len(text), 10 * DOCUMENT)]


def _known(source: TableSource, column: str | None, field: str) -> str:
    """Return the column if the source has it. Raises BadInput, with the existing columns, if it was not given or does not exist."""
    names = ", ".join(source.columns[:12])
    if column is None:
        raise BadInput(f"{source.name} is a table; write human.{field}=NAME, one of {names}")
    if column not in source.columns:
        raise BadInput(
            f"{source.name} has no column {column!r}{nearest(column, source.columns)}; write human.{field}=NAME, one of {names}"
        )
    return column


def _rows(source: TableSource, text: str, group: str | None) -> Iterator[tuple[str, str]]:
    """Yield the text and the group of each row, empty if there is none. Raises BadInput if they need more memory than an input may use."""
    columns, size = list(dict.fromkeys([text] if group is None else [text, group])), 0
    for batch in source.batches(columns):
        texts = _strings(batch, text, "text_column", source.name)
        # A file can store a long text once and refer to it in a million rows.
        size += int(texts.str.len_bytes().sum())
        inputs.check_memory(Path(source.name), size, f"in its column {text!r} unfolds to")
        groups = [""] * batch.height if group is None else _strings(batch, group, "group_column", source.name).to_list()
        yield from zip(texts.to_list(), groups, strict=True)


def _strings(batch: polars.DataFrame, column: str, field: str, name: str) -> polars.Series:
    import polars as pl

    if column not in batch.columns:  # only other shards have the column
        return pl.Series([""] * batch.height, dtype=pl.String)
    try:
        return batch[column].cast(pl.String).fill_null("")
    except pl.exceptions.PolarsError:
        raise BadInput(f"{name}: the column {column!r} holds {batch[column].dtype}, not text; choose another {field}") from None
