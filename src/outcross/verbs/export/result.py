"""The result of an export: the exported object, and the files that were written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outcross.escapes import escaped
from outcross.verbs.results import WIDTH, Result
from outcross.wording import amount


@dataclass(frozen=True, repr=False)
class Export(Result):
    """A folder that was written for another tool."""

    folder: Path
    to: str
    result: Path
    """The folder of the run, the audit, the mix or the reproduction."""
    what: str
    """The exported object in words."""
    files: tuple[str, ...]
    note: str = ""
    """The choices that were made for options that the question leaves out, or what the tool cannot store; empty if there is nothing to say."""
    arm: str | None = None
    """The arm of an exported model. `arm`, `seed` and `generation` are None for other results."""
    seed: int | None = None
    generation: int | None = None
    model: str = ""
    """The digest of an exported model in the ledger of the run; empty for other results."""

    def plain(self) -> dict[str, Any]:
        """The export as plain data."""
        of_model = {"arm": self.arm, "seed": self.seed, "generation": self.generation, "model": self.model} if self.model else {}
        return {
            "schema": 2,
            "export": str(self.folder),
            "to": self.to,
            "result": str(self.result),
            "what": self.what,
            **of_model,
            "files": list(self.files),
            "note": self.note,
        }

    @property
    def short(self) -> str:
        """The tool, the exported object, and the folder."""
        return f"Export to {self.to}: {self.what}, {amount(len(self.files), 'file')} in {self.folder}"

    def frame(self) -> Any:
        """One row per file that was written (polars)."""
        import polars

        sizes = [(self.folder / name).stat().st_size if (self.folder / name).is_file() else None for name in self.files]
        return polars.DataFrame({"file": list(self.files), "bytes": sizes}, schema={"file": str, "bytes": int})

    def lines(self, width: int = WIDTH) -> Iterator[str]:
        """The lines for a terminal: the exported object, the folder, and the note."""
        yield escaped(f"{self.to}: {self.what}, in {self.folder}")
        if self.note:
            yield escaped(self.note)
