from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from outcross.errors import BadInput, MachineGaveOut, missing_extra
from outcross.files.human import digest, gather_documents
from outcross.files.names import kind_at
from outcross.recipe import nearest, recipe
from outcross.sources.text import Heading, HeldOut, Rows, Text


@recipe
class Hub(Text):
    """A dataset of the Hugging Face hub, or a folder that its library can load (data files, or what save_to_disk wrote).

    The network is used only here.
    """

    libraries = (*Text.libraries, "datasets")

    hub: Annotated[str, Field(min_length=1)]
    configuration: str | None = None
    split: str = "train"
    text_column: str = "text"
    group_column: str | None = None
    heading: Heading | None = None
    """As for a file; the rows are lines, or texts of several."""
    rows: Rows = 1000
    held_out: HeldOut = 0.1

    def inputs(self):
        return (Path(self.hub),)

    def content(self):
        """Digest of a folder's files; empty for an id of the hub, which is not read here."""
        if kind_at(self.hub) != "folder":
            return ""
        files = sorted(path for path in Path(self.hub).rglob("*") if path.is_file())
        told = hashlib.sha256()
        for path in files:
            told.update(f"{path.relative_to(self.hub)}\0{digest(path)}\n".encode(errors="surrogateescape"))
        return told.hexdigest()

    def documents(self):
        table = _hub_table(self.hub, self.configuration, self.split)
        texts = _hub_column(table, self.text_column, "text_column", self.hub)
        groups = None if self.group_column is None else _hub_column(table, self.group_column, "group_column", self.hub)
        return gather_documents(texts, groups, self.heading)


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
            raise BadInput(f"hub {hub}: the library datasets reads {sign!r} in {folder} as a pattern; rename the folder")
        if (Path(hub) / "state.json").is_file():  # what Dataset.save_to_disk writes, which has no splits
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


def _hub_column(table: Any, column: str, field: str, hub: str) -> list[str]:
    if column not in table.column_names:
        names = ", ".join(table.column_names[:12])
        raise BadInput(
            f"hub {hub} has no column {column!r}{nearest(column, table.column_names)}; write human.{field}=NAME, one of {names}"
        )
    return ["" if value is None else str(value) for value in table[column]]


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:160]
