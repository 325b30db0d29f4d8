from __future__ import annotations

import ast
import platform
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from outcross.errors import BadInput
from outcross.recipe import recipe
from outcross.sources import Source
from outcross.text.gathering import Document, headings
from outcross.wording import amount


class Text(Source):
    """Documents that people wrote."""

    is_text = True
    rows: int
    held_out: float
    held_out_rows: int | None

    def documents(self, blank_lines: bool = False) -> list[Document]:
        """Return the documents. With `blank_lines` blank lines are kept, for forms that put a start token before every line."""
        raise NotImplementedError

    def open(self, form, chains, rng):
        documents = [document for document in self.documents(blank_lines=form.bos == "line") if document.text.strip()]
        if len(documents) < 2:
            raise BadInput(
                f"the human text holds {amount(len(documents), 'document')}, but splitting needs at least 2; give more text"
            )
        return form.cut(documents, self.rows, self.held_out, rng, self.held_out_rows)


Rows = Annotated[int, Field(ge=1, le=10_000_000)]
HeldOut = Annotated[float, Field(gt=0, lt=1)]
HeldOutRows = Annotated[int, Field(ge=4)] | None


def _pattern(heading: str) -> str:
    try:
        headings([""], heading)
    except ValueError as error:
        raise ValueError(
            f"heading must be a regular expression without look-around and back-references, such as '= [^=].* =', got {heading!r} ({error})"
        ) from None
    return heading


Heading = Annotated[str, Field(min_length=1), AfterValidator(_pattern)]
"""A regular expression for the lines that begin a document. It must match the whole line without surrounding space, and it has Rust's syntax, without
look-around and back-references."""


@recipe
class Stdlib(Text):
    """Text of every Python installation: the docstrings of the standard library and the topics of pydoc, about 2 MB.

    The modules are read with `ast` and never imported. Every module and every topic is a document. Test suites, and modules that some
    distributions leave out (IDLE, Tk, lib2to3), are skipped, so that installations of the same Python version agree. The digest is in the
    ledger.
    """

    rows: Rows = 1000
    """Number of blocks in the original human training set."""
    held_out: HeldOut = 0.1
    """Fraction of the documents that no model sees."""
    held_out_rows: HeldOutRows = None
    """Number of held-out blocks that are used, a random sample of the blocks of all held-out documents; null uses all. Validation text has a
    quarter of this number."""

    def content(self):
        return platform.python_version()

    def documents(self, blank_lines=False):
        root = Path(sysconfig.get_paths()["stdlib"])
        files = sorted(path for path in root.rglob("*.py") if not LEFT_OUT & set(path.relative_to(root).parts[:-1]))
        texts = ["\n\n".join(_docstrings(path)) for path in files]
        return [Document(text) for text in [*texts, *_topics(root / "pydoc_data" / "topics.py")] if len(text) >= SHORTEST]


SHORTEST = 200
"""Minimum number of characters of a module's docstrings; shorter texts are skipped."""
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


NESTING = ("body", "cases", "handlers", "orelse", "finalbody")
"""Fields of a statement that hold statements, in the order of the source."""


def _docstrings(path: Path) -> Iterator[str]:
    """Yield the docstrings of the module, its classes and its functions, outer ones before inner ones.

    Only statements are searched, because expressions contain no docstrings.
    """
    level = [_tree(path)]
    while level:
        for node in level:
            is_documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            if is_documented and (text := ast.get_docstring(node)):
                yield text
        level = [inner for node in level for name in NESTING for inner in getattr(node, name, ()) if isinstance(inner, ast.AST)]


def _topics(path: Path) -> Iterator[str]:
    if path.exists():
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.Dict):
                yield from (
                    value.value for value in node.values if isinstance(value, ast.Constant) and isinstance(value.value, str)
                )


def _tree(path: Path) -> ast.AST:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(path.read_bytes())
        except (SyntaxError, ValueError):
            return ast.Module(body=[], type_ignores=[])
