from __future__ import annotations

import ast
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Annotated

from pydantic import Field

from outcross.documents import Document
from outcross.errors import BadInput, missing_extra
from outcross.files import read_documents
from outcross.recipe import recipe
from outcross.sources import Source


class Text(Source):
    """Documents that people wrote."""

    is_text = True
    rows: int
    held_out: float

    def documents(self) -> list[Document]:
        raise NotImplementedError

    def open(self, form, chains, rng):
        documents = [document for document in self.documents() if document.text.strip()]
        if len(documents) < 2:
            raise BadInput(f"the human text holds {len(documents)} documents, splitting needs at least 2; give more text")
        return form.cut(documents, self.rows, self.held_out, rng)


Rows = Annotated[int, Field(ge=1, le=10_000_000)]
HeldOut = Annotated[float, Field(gt=0, lt=1)]


@recipe
class Stdlib(Text):
    """Text that every Python installation carries: its standard library's docstrings, and pydoc's topics; about 2 MB.

    Read with `ast`, never imported. A module is a document, and so is a topic. Test suites and what distributions leave out
    (IDLE, Tk, lib2to3) are passed over, so that installations of one Python version agree; the digest is in the ledger.
    """

    rows: Rows = 1000
    """Blocks of the original human training set."""
    held_out: HeldOut = 0.1
    """Fraction of the documents that no model sees."""

    def documents(self):
        root = FilePath(sysconfig.get_paths()["stdlib"])
        files = sorted(path for path in root.rglob("*.py") if not LEFT_OUT & set(path.relative_to(root).parts[:-1]))
        texts = ["\n\n".join(_docstrings(path)) for path in files]
        return [Document(text) for text in [*texts, *_topics(root / "pydoc_data" / "topics.py")] if len(text) >= SHORTEST]


SHORTEST = 200
"""Characters below which a module's docstrings are no text to learn from."""
LEFT_OUT = {
    "site-packages",
    "dist-packages",
    "test",
    "tests",
    "idlelib",
    "idle_test",
    "tkinter",
    "turtledemo",
    "lib2to3",
    "ensurepip",
    "pydoc_data",
    "__phello__",
}


def _docstrings(path: FilePath) -> Iterator[str]:
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    for node in ast.walk(_tree(path)):
        if isinstance(node, documented) and (text := ast.get_docstring(node)):
            yield text


def _topics(path: FilePath) -> Iterator[str]:
    if path.exists():
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.Dict):
                yield from (
                    value.value for value in node.values if isinstance(value, ast.Constant) and isinstance(value.value, str)
                )


def _tree(path: FilePath) -> ast.AST:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(path.read_bytes())
        except (SyntaxError, ValueError):
            return ast.Module(body=[], type_ignores=[])


@recipe
class Path(Text):
    """A file of text: .txt or .md (paragraphs, gathered into documents), or a column of .csv, .jsonl or .parquet; also .gz."""

    path: Annotated[str, Field(min_length=1)]
    text_column: str | None = None
    """Needed for tables; a row is a text."""
    group_column: str | None = None
    """Whose text it is: a language, a speaker."""
    rows: Rows = 1000
    held_out: HeldOut = 0.1

    def documents(self):
        return read_documents(FilePath(self.path), self.text_column, self.group_column)


@recipe
class Hub(Text):
    """A dataset of the Hugging Face hub, or one that its library can load from a folder; the network is used only here."""

    hub: Annotated[str, Field(min_length=1)]
    configuration: str | None = None
    split: str = "train"
    text_column: str = "text"
    group_column: str | None = None
    rows: Rows = 1000
    held_out: HeldOut = 0.1

    def documents(self):
        from outcross.files import gather_documents

        try:
            import datasets
        except ImportError:
            raise missing_extra("datasets", "hf") from None
        try:
            table = datasets.load_dataset(self.hub, self.configuration, split=self.split)
            texts = table[self.text_column]
            groups = table[self.group_column] if self.group_column else [""] * len(texts)
        except Exception as error:
            raise BadInput(f"hub {self.hub}: {type(error).__name__}: {error}") from None
        return gather_documents([str(text or "") for text in texts], [str(group or "") for group in groups])
