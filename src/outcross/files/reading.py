"""Opens the data that a user gives as a source: a path, a glob, several of them, or an object in memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from outcross.errors import BadInput
from outcross.files import inputs
from outcross.files.formats import FORMATS, PICTURES, TEXTS, from_file, pictures_of
from outcross.files.names import fitting, is_pattern, kind_at
from outcross.files.objects import from_array, from_columns, from_hugging_face, from_pandas
from outcross.files.refusals import first_line, suffix
from outcross.files.source import TableSource, guarded, in_memory, joined, lazy


def read(data: Any, whole_texts: bool = False) -> TableSource:
    """The records of a path, a glob, a list of paths, or an object in memory. Raises BadInput if it is none of them.

    In a text file, each paragraph or each line is a record. With `whole_texts`, a text file or a file of an unknown format is a single record, for
    callers that cut texts themselves.
    """
    import polars as pl

    if isinstance(data, str | Path):
        paths = files_of(str(data))
        return joined([from_file(path, whole_texts) for path in paths], paths[0].name if len(paths) == 1 else str(data))
    if isinstance(data, pl.DataFrame):
        return in_memory(data)
    if isinstance(data, pl.LazyFrame):
        return _of_object(lambda: lazy(data, "LazyFrame"), "LazyFrame")
    if isinstance(data, np.ndarray):
        return from_array(data, "")
    if hasattr(data, "to_frame") and not hasattr(data, "columns"):
        return read(data.to_frame())  # one column of polars or pandas
    if isinstance(data, Mapping):
        if splits := [name for name, split in data.items() if hasattr(split, "select_columns")]:
            raise BadInput(
                f"{type(data).__name__} holds several tables ({', '.join(splits)}); give one of them: data[{splits[0]!r}]"
            )
        return in_memory(from_columns(data, "the mapping"))
    if type(data).__module__.partition(".")[0] == "pandas" and hasattr(data, "columns"):
        return from_pandas(data)
    if hasattr(data, "to_polars") and hasattr(data, "select_columns"):
        return _of_object(lambda: from_hugging_face(data), "Dataset")
    if hasattr(data, "__arrow_c_stream__"):
        return _of_object(lambda: in_memory(pl.DataFrame(data)), "table")
    if isinstance(data, list | tuple) and data:
        return _several(list(data), whole_texts)
    raise _no_table(data)


def _several(items: list, whole_texts: bool) -> TableSource:
    """The records of a list of paths, or of a list of records."""
    import polars as pl

    if all(isinstance(item, str | Path) for item in items):
        paths = [path for item in items for path in files_of(str(item))]
        return joined([from_file(path, whole_texts) for path in paths], f"{items[0]}, …" if len(items) > 1 else str(items[0]))
    if all(isinstance(item, Mapping) for item in items):
        return _of_object(lambda: in_memory(pl.DataFrame(items, infer_schema_length=None, strict=False)), "list of records")
    raise _no_table(items)


def _no_table(data: Any) -> BadInput:
    return BadInput(
        f"{type(data).__name__} {data!r:.60} is not a table; give a path, a glob, a list of paths, a polars, pandas or Arrow table, "
        "a Hugging Face Dataset, a NumPy array, or a dict of columns"
    )


def _of_object(make: Callable[[], TableSource], what: str) -> TableSource:
    return guarded(make, lambda error: BadInput(f"the {what} cannot be read: {first_line(error)}"))


def content_digest(given: str) -> str:
    """Digest of all files that a path, a folder or a glob is read from; empty if there is none, or if a single file cannot be read."""
    try:
        paths = files_of(given)
    except BadInput:
        return ""
    return inputs.digest([file for path in paths for file in (pictures_of(path) if kind_at(path) == "folder" else [path])])


CARDS = ("croissant.json", "training-content.json")
"""Files of a folder that describe its data and contain none."""


def files_of(given: str) -> list[Path]:
    """The files that a path, a folder or a glob names, in the order of their names; the folder itself if it contains pictures."""
    path = Path(given)
    if not given.strip():
        raise BadInput("an empty path names no file; give the path of a table")
    if kind_at(path) != "folder":
        return fitting(given) if is_pattern(given) else [path]
    if saved := _saved(path):
        return saved
    if splits := sorted(split.parent.name for split in path.glob("*/state.json") if (path / "dataset_dict.json").is_file()):
        raise BadInput(f"{given} holds several tables ({', '.join(splits)[:200]}); give one of them: {path / splits[0]}")
    files = sorted(file for file in path.iterdir() if file.is_file() and suffix(file)[0] in FORMATS and file.name not in CARDS)
    tables = [file for file in files if suffix(file)[0] not in TEXTS]
    plain, marked = ([file for file in files if suffix(file)[0] == ending] for ending in TEXTS)
    if readable := tables or plain:  # a text file beside tables describes them
        return readable
    if pictures_of(path):
        return [path]
    if marked:
        return marked
    raise BadInput(f"{given} is a folder without tables or images; give files in {', '.join((*FORMATS, *PICTURES))}")


def _saved(folder: Path) -> list[Path]:
    """The data files, in order, that are listed in the folder of a Hugging Face Dataset or of a mix; empty for another folder."""
    for listing, key, name in (("state.json", "_data_files", "filename"), ("manifest.json", "shards", "file")):
        try:
            names = [Path(str(file[name])) for file in json.loads(inputs.read(folder / listing))[key]]
        except (BadInput, ValueError, RecursionError, KeyError, TypeError):
            continue
        if paths := [folder / name for name in names if not name.is_absolute() and ".." not in name.parts]:
            return paths
    return []
