"""Card: the files that describe a set of rows, and where they are."""

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
    from outcross.verbs.mix.composition import Composition


@dataclass(frozen=True, eq=False, repr=False)
class Card(Result):
    """A card that was written.

    `composition` says what the rows are made of, `readme`, `croissant` and `training_content` read the files.
    """

    folder: Path
    files: tuple[str, ...]
    described: DataDescription

    @property
    def composition(self) -> Composition:
        """How many rows are of whom."""
        return self.described.composition

    @property
    def readme(self) -> str:
        """The card for people and for the Hugging Face Hub."""
        return (self.folder / "README.md").read_text(encoding="utf-8")

    @property
    def croissant(self) -> dict[str, Any]:
        """The card for machines."""
        import json

        return json.loads((self.folder / "croissant.json").read_text(encoding="utf-8"))

    @property
    def training_content(self) -> dict[str, Any]:
        """The items on synthetic data of the EU template."""
        import json

        return json.loads((self.folder / "training-content.json").read_text(encoding="utf-8"))

    def plain(self) -> dict[str, Any]:
        """What was written, and what the rows are made of, as plain data."""
        return {
            "schema": 1,
            "card": str(self.folder),
            "files": list(self.files),
            "composition": self.composition.plain(),
            "unknown": list(self.described.unknown()),
        }

    @property
    def short(self) -> str:
        """Of what it is, and where."""
        return f"Card of {self.composition.folder}, in {self.folder}\n{self.described.summary}"

    def frame(self) -> Any:
        """How many rows are of whom, a row a count (polars)."""
        return self.composition.frame()

    def figures(self) -> tuple[Figure, ...]:
        """The rows by origin, teacher, generation, pool and group."""
        return self.composition.figures()

    def lines(self, width: int = WIDTH) -> Iterator[str]:
        """What was written, as a terminal shows it."""
        yield escaped(self.described.summary)
        yield escaped(f"written into {self.folder}: {', '.join(self.files)}")
