"""Names that users gave: they are data, never patterns, and a result that is named by them keeps each under a name of its own."""

from __future__ import annotations

import errno
import hashlib
import re
import stat
import unicodedata
from collections import Counter
from collections.abc import Iterable
from glob import escape
from pathlib import Path
from typing import Any, Literal

from outcross.errors import BadInput

WILD = "*?["
"""Signs that make a pattern of a name that no file has."""
LONGEST = 120
"""Bytes of a name that is kept as it is; file systems take 255, and what is written adds an ending."""
KEPT = 80
"""Bytes that are kept of a name that had to be changed."""


def kind_at(path: str | Path) -> Literal["", "file", "folder"]:
    """What is at a path, links followed: a file (or a pipe, a device), a folder, or nothing; no name is too long to be asked for."""
    try:
        mode = Path(path).stat().st_mode
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG):
            return ""
        raise
    except ValueError:  # a zero byte
        return ""
    return "folder" if stat.S_ISDIR(mode) else "file"


def fitting(pattern: str) -> list[Path]:
    """The files that a pattern fits, in the order of their names; BadInput where there is none.

    The folders that a pattern opens with are taken by their very names where they exist: `runs[1]/*.csv` looks into `runs[1]`.
    """
    path = Path(pattern)
    root, rest = Path(path.anchor), list(path.relative_to(path.anchor).parts)
    while len(rest) > 1 and kind_at(root / rest[0]) == "folder":
        root /= rest.pop(0)
    try:
        files = sorted(file for file in root.glob("/".join(rest)) if file.is_file())
    except (ValueError, NotImplementedError) as error:
        raise BadInput(f"{pattern!r} is no file and no pattern either ({error}); check the path") from None
    if not files:
        raise BadInput(f"no file fits {pattern}; check the path")
    return files


def is_pattern(given: str) -> bool:
    """Whether a name is to be read as a pattern: it holds a wild sign, and nothing of that very name exists."""
    return any(sign in given for sign in WILD) and not kind_at(given)


def named(given: str) -> tuple[Path, ...]:
    """What a name stands for, be there anything or not: the files that it fits as a pattern, or the one path."""
    try:
        return tuple(fitting(given)) if is_pattern(given) else (Path(given),)
    except BadInput:
        return (Path(given),)


def literal(path: Path) -> Path:
    """The path as polars reads it with `glob=False`: absolute, because polars takes a leading `~` or `file:` for more than a name."""
    return path.absolute()


def literal_pattern(path: Path) -> str:
    """The pattern that fits this path alone, for readers of polars that read every name as a pattern."""
    return escape(str(literal(path)))


def read_parquet(path: Path) -> Any:
    """The polars frame of the Parquet file of this very name."""
    import polars

    return polars.read_parquet(literal(path), glob=False, hive_partitioning=False)


def file_names(names: Iterable[str]) -> dict[str, str]:
    """A name for a file, or the beginning of one, for each of several different names: no two are alike, in any case of letters.

    A name that every file system takes is kept. Another has its other signs replaced by `_`, is cut to 80 bytes, and ends with a
    digest of the whole name; so do names that differ in case alone, and names that look as if they ended with a digest.

    >>> file_names(["human_share=0.25", "a/b"])
    {'human_share=0.25': 'human_share=0.25', 'a/b': 'a_b-c14cddc033f64b9d'}
    """
    names = list(names)
    times = Counter(_folded(name) for name in names)
    return {name: name if _is_plain(name) and times[_folded(name)] == 1 else _changed(name) for name in names}


def _is_plain(name: str) -> bool:
    """Whether a name can be kept as it is."""
    if not name or name != _cleaned(name) or len(name.encode()) > LONGEST:
        return False
    return name[0] not in ".-" and name[-1] != "." and not re.search(r"-[0-9a-f]{16}\Z", name)


def _cleaned(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_.=,+" else "_" for letter in name)


def _changed(name: str) -> str:
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    kept = _cleaned(name).encode("utf-8", "replace")[:KEPT].decode("utf-8", "ignore").strip(".-")
    return f"{kept}-{digest}" if kept else digest


def _folded(name: str) -> str:
    """What file systems that ignore case, or the way an accent is written, take for the same name."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
