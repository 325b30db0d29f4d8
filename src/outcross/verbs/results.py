"""The base class of all results: a frame, plain data, lines for a terminal, figures, a page, and a short form for a notebook."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outcross.errors import BadInput

if TYPE_CHECKING:
    from outcross.report.figure import Figure

WIDTH = 100
"""Length of a line on a page and in a notebook, in characters."""


class Result(ABC):
    """The answer of a verb.

    `frame()` returns its numbers as a tidy polars frame, `plain()` the data that --json prints, and `lines()` the lines for a terminal. `figures()` returns the
    figures of its page, `plot()` one of them by its name, and `report()` writes the page. A result never changes. Its `repr` is one to three lines long.
    """

    @property
    @abstractmethod
    def short(self) -> str:
        """The result in one to three lines."""

    @abstractmethod
    def frame(self) -> Any:
        """The numbers of the result, one per row (polars)."""

    @abstractmethod
    def plain(self) -> dict[str, Any]:
        """The result as plain data, as --json prints it."""

    @abstractmethod
    def lines(self, width: int = WIDTH) -> Iterable[str]:
        """The lines for a terminal that is `width` characters wide."""

    def figures(self) -> tuple[Figure, ...]:
        """The figures of its page, each with its data."""
        return ()

    def plot(self, name: str = "") -> Figure:
        """The figure of this name, or the first figure if no name is given. Raises BadInput with the nearest name if there is none."""
        return named_figure(self.figures(), name, self.short)

    def report(self, path: str | Path) -> Path:
        """Write the result as one HTML file that opens offline. Returns the path."""
        from outcross.report.plain import write_plain

        heading, _, _ = self.short.partition("\n")
        return write_plain(Path(path), heading, list(self.lines()), self.figures(), self.frame())

    def __repr__(self) -> str:
        return self.short

    def _repr_html_(self) -> str:
        """The HTML that a notebook shows."""
        return f"<pre>{escape(chr(10).join([self.short, '', *self.lines()]))}</pre>"


def named_figure(figures: Iterable[Figure], name: str, whose: str) -> Figure:
    """The figure with this name, or with a name that ends in it (`age` for `column-age`). Without a name, the first figure.

    Raises BadInput with the nearest name if there is none.
    """
    from outcross.recipe import nearest
    from outcross.report.shapes import file_word

    by_name = {figure.name: figure for figure in figures}
    if not by_name:
        raise BadInput(f"there is no figure in {whose.partition(chr(10))[0]:.200}")
    if not name:
        return next(iter(by_name.values()))
    wanted = file_word(name)
    keys = [key for key in by_name if key == wanted] or [key for key in by_name if key.endswith(f"-{wanted}")]
    if not keys:
        ends = {key.partition("-")[2] or key: key for key in by_name} | {key: key for key in by_name}
        raise BadInput(f"there is no figure {name!r:.80}{nearest(wanted, ends)}; there are {', '.join(by_name)[:400]}")
    return by_name[keys[0]]


__all__ = ["WIDTH", "Result", "named_figure"]
