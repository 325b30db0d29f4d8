"""Card: the files that describe a set of rows, and where they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outcross.escapes import escaped

if TYPE_CHECKING:
    from outcross.verbs.card.description import DataDescription
    from outcross.verbs.mix.composition import Composition


@dataclass(frozen=True, eq=False)
class Card:
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

    def lines(self) -> Iterator[str]:
        """What was written, as a terminal shows it."""
        yield escaped(self.described.summary)
        yield escaped(f"written into {self.folder}: {', '.join(self.files)}")
