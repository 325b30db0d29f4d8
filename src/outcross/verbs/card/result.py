"""The result of the verb `card`: the files that describe a set of rows, and their folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outcross.escapes import escaped
from outcross.verbs.results import WIDTH, Result

if TYPE_CHECKING:
    from outcross.report.figure import Figure
    from outcross.verbs.card.description import DataDescription
    from outcross.verbs.mix.finished.composition import Composition


@dataclass(frozen=True, eq=False, repr=False)
class Card(Result):
    """A card that was written.

    `composition` counts the rows by their origin. `readme`, `croissant` and `training_content` read the files of the card.
    """

    folder: Path
    files: tuple[str, ...]
    described: DataDescription

    @property
    def composition(self) -> Composition:
        """The numbers of rows by their origin."""
        return self.described.composition

    @property
    def readme(self) -> str:
        """The text of README.md, for people and for the Hugging Face Hub."""
        return (self.folder / "README.md").read_text(encoding="utf-8")

    @property
    def croissant(self) -> dict[str, Any]:
        """The content of croissant.json, for machines."""
        import json

        return json.loads((self.folder / "croissant.json").read_text(encoding="utf-8"))

    @property
    def training_content(self) -> dict[str, Any]:
        """The items on synthetic data of the EU template."""
        import json

        return json.loads((self.folder / "training-content.json").read_text(encoding="utf-8"))

    def plain(self) -> dict[str, Any]:
        """The files, the composition of the rows and the unknown facts, as plain data."""
        return {
            "schema": 1,
            "card": str(self.folder),
            "files": list(self.files),
            "composition": self.composition.plain(),
            "unknown": list(self.described.unknown()),
        }

    @property
    def short(self) -> str:
        """The folder of the data, the folder of the card, and a summary."""
        return f"Card of {self.composition.folder}, in {self.folder}\n{self.described.summary}"

    def frame(self) -> Any:
        """The numbers of rows by their origin, one count per row (polars)."""
        return self.composition.frame()

    def figures(self) -> tuple[Figure, ...]:
        """The rows by origin, teacher, generation, pool and group."""
        return self.composition.figures()

    def lines(self, width: int = WIDTH) -> Iterator[str]:
        """The lines for a terminal: the summary, and the files that were written."""
        yield escaped(self.described.summary)
        yield escaped(f"written into {self.folder}: {', '.join(self.files)}")
