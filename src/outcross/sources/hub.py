from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from outcross.errors import BadInput, MachineGaveOut, missing_extra
from outcross.files.inputs import digest
from outcross.files.names import kind_at
from outcross.files.reading import read
from outcross.recipe import recipe
from outcross.sources.text import Heading, HeldOut, HeldOutRows, Rows, Text
from outcross.text.gathering import documents


@recipe
class Hub(Text):
    """A dataset of the Hugging Face hub, or a folder that the library datasets can load (data files, or the result of save_to_disk).

    No other source uses the network.
    """

    libraries = (*Text.libraries, "datasets", "polars", "pillow")

    hub: Annotated[str, Field(min_length=1)]
    configuration: str | None = None
    split: str = "train"
    text_column: str = "text"
    group_column: str | None = None
    heading: Heading | None = None
    """The regular expression of lines that begin a document, as for a file. A row is a line or a text of several lines."""
    rows: Rows = 1000
    held_out: HeldOut = 0.1
    held_out_rows: HeldOutRows = None

    def inputs(self):
        return (Path(self.hub),)

    def content(self):
        """Return the digest of a folder's files; empty for an id of the hub, which this method does not download."""
        if kind_at(self.hub) != "folder":
            return ""
        files = sorted(path for path in Path(self.hub).rglob("*") if path.is_file())
        return digest(files, below=Path(self.hub))

    def documents(self, blank_lines=False):
        source = read(_hub_table(self.hub, self.configuration, self.split))
        named = replace(source, name=f"hub {self.hub}")
        return documents(named, self.text_column, self.group_column, self.heading, blank_lines)


def _hub_table(hub: str, configuration: str | None, split: str) -> Any:
    try:
        import datasets  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise missing_extra("datasets", "hf") from None
    datasets.disable_progress_bars()
    try:
        if kind_at(hub) != "folder":
            return datasets.load_dataset(hub, configuration, split=split)
        folder = str(Path(hub).resolve())
        if sign := next((sign for sign in ("*", "?", "[", "]", "::", "\n") if sign in folder), ""):
            raise BadInput(f"hub {hub}: the library datasets would read {sign!r} in {folder} as a pattern; rename the folder")
        if (Path(hub) / "state.json").is_file():  # written by Dataset.save_to_disk, without splits
            return datasets.load_from_disk(folder)
        return datasets.load_dataset(folder, configuration, split=split)
    except ConnectionError as error:
        raise MachineGaveOut(
            f"hub {hub} cannot be reached ({_short(error)}); give a folder, or a file as human.path=FILE"
        ) from None
    except BadInput:
        raise
    except Exception as error:
        raise BadInput(f"hub {hub}: {type(error).__name__}: {_short(error)}") from None


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:160]
