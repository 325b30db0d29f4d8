"""Export: what was handed out, and where it is."""

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
    """The folder of the run, the audit or the mix."""
    what: str
    """What was handed out, in words."""
    files: tuple[str, ...]
    note: str = ""
    """What was left out of the question and had to be decided, or what the tool cannot hold; empty where there is nothing to say."""
    arm: str | None = None
    """Of a model; as are seed and generation."""
    seed: int | None = None
    generation: int | None = None
    model: str = ""
    """The digest of the model, as the ledger of the run has it; empty where no model was handed out."""

    def plain(self) -> dict[str, Any]:
        """What was written, as plain data."""
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
        """What was written for which tool, and where."""
        return f"Export to {self.to}: generation {self.generation} of {self.arm}, seed {self.seed}, {amount(len(self.files), 'file')} in {self.folder}"

    def frame(self) -> Any:
        """A row a file that was written (polars)."""
        import polars

        sizes = [(self.folder / name).stat().st_size if (self.folder / name).is_file() else None for name in self.files]
        return polars.DataFrame({"file": list(self.files), "bytes": sizes}, schema={"file": str, "bytes": int})

    def lines(self, width: int = WIDTH) -> Iterator[str]:
        """What was written, as a terminal shows it."""
        yield escaped(f"{self.to}: {self.what}, in {self.folder}")
        if self.note:
            yield escaped(self.note)
