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
        """With `blank_lines` no line is dropped: a form with a start token a line has one for blank lines too."""
        raise NotImplementedError

    def open(self, form, chains, rng):
        documents = [document for document in self.documents(blank_lines=form.bos == "line") if document.text.strip()]
        if len(documents) < 2:
            raise BadInput(f"the human text holds {amount(len(documents), 'document')}, splitting needs at least 2; give more text")
        return form.cut(documents, self.rows, self.held_out, rng, self.held_out_rows)


Rows = Annotated[int, Field(ge=1, le=10_000_000)]
HeldOut = Annotated[float, Field(gt=0, lt=1)]
HeldOutRows = Annotated[int, Field(ge=4)] | None


def _pattern(heading: str) -> str:
    try:
        headings([""], heading)
    except ValueError as error:
        raise ValueError(
            f"heading must be a regular expression without look-around and back-references, as '= [^=].* =', got {heading!r} ({error})"
        ) from None
    return heading


Heading = Annotated[str, Field(min_length=1), AfterValidator(_pattern)]
"""A regular expression (Rust's: no look-around, no back-references) that fits the whole of a line, but for the space around it, that
opens a document."""


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
    held_out_rows: HeldOutRows = None
    """Held-out blocks that are read, a random sample of those of all held-out documents; all of them where it is null. Validation text has a
    quarter as many."""

    def content(self):
        return platform.python_version()

    def documents(self, blank_lines=False):
        root = Path(sysconfig.get_paths()["stdlib"])
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


NESTING = ("body", "cases", "handlers", "orelse", "finalbody")
"""Fields of a statement that hold statements, in the order of the source."""


def _docstrings(path: Path) -> Iterator[str]:
    """Of the module, its classes and its functions, the outer before the inner. Only statements are looked into: expressions hold none."""
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
