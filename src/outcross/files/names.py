"""Names that users gave. They are data and not patterns, and distinct names get distinct file names."""

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
"""Characters that make a name a pattern if there is no file with this name."""
LONGEST = 120
"""Maximum length, in bytes, of a name that is kept unchanged. File systems allow 255 bytes, and writers add a suffix."""
KEPT = 80
"""Number of bytes that are kept of a name that must be changed."""


def kind_at(path: str | Path) -> Literal["", "file", "folder"]:
    """Whether there is a file (or a pipe or a device), a folder, or nothing at a path. Links are followed. A name that is too long is nothing."""
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
    """The files that match a pattern, in the order of their names. Raises BadInput if there is none.

    If the first folders of a pattern exist literally, they are taken literally: `runs[1]/*.csv` looks into `runs[1]`.
    """
    path = Path(pattern)
    root, rest = Path(path.anchor), list(path.relative_to(path.anchor).parts)
    while len(rest) > 1 and kind_at(root / rest[0]) == "folder":
        root /= rest.pop(0)
    try:
        files = sorted(file for file in root.glob("/".join(rest)) if file.is_file())
    except (ValueError, NotImplementedError) as error:
        raise BadInput(f"{pattern!r} is neither a file nor a pattern ({error}); check the path") from None
    if not files:
        raise BadInput(f"no file matches {pattern}; check the path")
    return files


def is_pattern(given: str) -> bool:
    """Whether a name is a pattern: it contains a wildcard, and there is nothing with exactly this name."""
    return any(sign in given for sign in WILD) and not kind_at(given)


def named(given: str) -> tuple[Path, ...]:
    """The files that a name matches as a pattern, or else the path itself, whether it exists or not."""
    try:
        return tuple(fitting(given)) if is_pattern(given) else (Path(given),)
    except BadInput:
        return (Path(given),)


def literal(path: Path) -> Path:
    """The path in a form that polars takes literally with `glob=False`. It is absolute, because polars interprets a leading `~` or `file:`."""
    return path.absolute()


def literal_pattern(path: Path) -> str:
    """A pattern that matches only this path, for readers of polars that take every name as a pattern."""
    return escape(str(literal(path)))


def read_parquet(path: Path) -> Any:
    """Read the Parquet file with exactly this name as a polars frame."""
    import polars

    return polars.read_parquet(literal(path), glob=False, hive_partitioning=False)


def file_names(names: Iterable[str]) -> dict[str, str]:
    """A file name, or the beginning of one, for each of several different names. All of them differ, even without regard to case.

    A name that every file system accepts is kept. In other names, characters that are not allowed become `_`, the name is cut to 80 bytes, and a
    digest of the whole name is appended. This is also done for names that differ only in case, and for names that already end like a digest.

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
    """A form that is equal for names that file systems without case or with normalised accents take for the same name."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
