"""Export: what was handed out, and where it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outcross.escapes import escaped


@dataclass(frozen=True)
class Export:
    """A folder that was written for another tool."""

    folder: Path
    to: str
    run: Path
    arm: str
    seed: int
    generation: int
    model: str
    """The digest of the model, as the ledger of the run has it."""
    files: tuple[str, ...]
    note: str
    """What was left out of the question and had to be decided; empty where nothing was."""

    def plain(self) -> dict[str, Any]:
        """What was written, as plain data."""
        return {
            "schema": 1,
            "export": str(self.folder),
            "to": self.to,
            "run": str(self.run),
            "arm": self.arm,
            "seed": self.seed,
            "generation": self.generation,
            "model": self.model,
            "files": list(self.files),
            "note": self.note,
        }

    def lines(self) -> Iterator[str]:
        """What was written, as a terminal shows it."""
        yield escaped(f"{self.to}: generation {self.generation} of {self.arm}, seed {self.seed}, in {self.folder}")
        if self.note:
            yield escaped(self.note)
