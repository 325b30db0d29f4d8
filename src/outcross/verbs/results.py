"""What the answers of all verbs have in common: a frame, plain data, lines, figures, a page, and a short form in a notebook."""

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
"""Characters of a line on a page and in a notebook."""


class Result(ABC):
    """What a verb answers.

    `frame()` is its numbers in a tidy polars frame, `plain()` what --json prints, `lines()` what a terminal shows. `figures()` are the figures of its
    page, `plot()` gives one of them by its name, and `report()` writes the page. A result is never changed; `repr` says it in one to three lines.
    """

    @property
    @abstractmethod
    def short(self) -> str:
        """The result in one to three lines."""

    @abstractmethod
    def frame(self) -> Any:
        """Its numbers, a row each (polars)."""

    @abstractmethod
    def plain(self) -> dict[str, Any]:
        """The result as plain data, as --json prints it."""

    @abstractmethod
    def lines(self, width: int = WIDTH) -> Iterable[str]:
        """What a terminal of that many characters shows."""

    def figures(self) -> tuple[Figure, ...]:
        """The figures of its page, each by itself with its data."""
        return ()

    def plot(self, name: str = "") -> Figure:
        """One of its figures, the first if no name is given. BadInput names the nearest."""
        return named_figure(self.figures(), name, self.short)

    def report(self, path: str | Path) -> Path:
        """Write the result as one HTML file that opens offline. Returns the path."""
        from outcross.report.plain import write_plain

        heading, _, _ = self.short.partition("\n")
        return write_plain(Path(path), heading, list(self.lines()), self.figures(), self.frame())

    def __repr__(self) -> str:
        return self.short

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return f"<pre>{escape(chr(10).join([self.short, '', *self.lines()]))}</pre>"


def named_figure(figures: Iterable[Figure], name: str, whose: str) -> Figure:
    """The figure of this name, or what its name ends with (`age` for `column-age`); the first if no name is given. BadInput names the nearest."""
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
