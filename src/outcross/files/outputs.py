"""Rules for the output of commands. A page may replace only a page that Outcross wrote, and an output never replaces an input.

The rule for folders of results is in `ledger.results`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from outcross.errors import BadInput, MachineGaveOut
from outcross.files.names import kind_at
from outcross.files.whole import write_whole

GENERATOR = b'<meta name="generator" content="Outcross">'
"""The mark in the head of every page that Outcross writes."""
PAGES = (".html", ".htm")


def check_apart(out: Path, inputs: Iterable[Path]) -> None:
    """Raise BadInput if an input, or a file of an input folder, lies in the output folder, under any spelling or through any link."""
    if kind_at(out) != "folder":
        return
    folder = out.resolve()
    replaced = {_identity(path) for path in files_in(folder)} - {None}
    for given in inputs:
        if not kind_at(given):
            continue
        if given.samefile(folder):
            raise BadInput(f"{given} is both an input and --out; choose another --out")
        for path in files_in(given.resolve(), apart_from=folder):
            if folder in path.resolve().parents or _identity(path) in replaced:
                raise BadInput(f"{path} is an input and lies in --out {out}, where files are replaced; choose another --out")


def check_page(path: Path) -> None:
    """Raise BadInput if no page may be written: the suffix is not .html, or the file exists and is not a page of Outcross."""
    if path.suffix.lower() not in PAGES:
        raise BadInput(f"--out {path} must end with .html, because a report is an HTML page; write --out report.html")
    if kind_at(path) == "folder":
        raise BadInput(f"--out {path} is a folder; name a file that ends with .html")
    if kind_at(path) and not is_page(path):
        raise BadInput(f"{path} exists and is not a page of Outcross; choose another --out, or remove that file first")
    check_name(path)


def check_name(path: Path) -> None:
    """Raise BadInput if no file can be created under a name: it is a broken link, it is too long, or it lies below a file.

    Raises MachineGaveOut if the folder in which it would be created may not be written.
    """
    try:
        is_link = path.is_symlink()
    except OSError as error:
        raise BadInput(f"--out {path} cannot be created: {error.strerror}; choose another --out") from None
    if is_link and not kind_at(path):
        raise BadInput(f"--out {path} is a broken link; choose another --out")
    above = next(folder for folder in path.absolute().parents if kind_at(folder))
    if kind_at(above) == "file":
        raise BadInput(f"--out {path} cannot be created: {above} is a file; choose another --out")
    check_writable(above, path)


def check_writable(folder: Path, out: Path) -> None:
    """Raise MachineGaveOut if nothing may be created in a folder, so that `out` cannot be written."""
    if not os.access(folder, os.W_OK | os.X_OK):
        raise MachineGaveOut(f"--out {out} cannot be written: you may not write into {folder.absolute()}; choose another --out")


def write_page(path: Path, page: bytes) -> Path:
    """Write a page if it may be written, either completely or not at all. Returns the path."""
    check_page(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, page)
    return path


def is_page(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return GENERATOR in file.read(1000)
    except OSError:
        return False


def files_in(given: Path, apart_from: Path | None = None) -> Iterator[Path]:
    """Yield a file itself, or every file below a folder except those in `apart_from`. Links to files count as files. Links to folders are not followed."""
    if not given.is_dir():
        yield given
        return
    for place, inner, names in os.walk(given):
        inner[:] = [name for name in inner if Path(place, name) != apart_from]
        yield from (Path(place, name) for name in names)


def _identity(path: Path) -> tuple[int, int] | None:
    """The device and the inode number of a file, which are the same under each of its names; None if the file no longer exists."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
