"""Where a command may write: one rule for folders, one for pages.

A folder must be absent, empty, or hold what a former command of the same kind left there and nothing else. A page must be absent or
a page that Outcross wrote. An input is never among what is replaced.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outcross.errors import BadInput, MachineGaveOut
from outcross.files.names import kind_at
from outcross.files.whole import is_running, write_whole

MANIFEST = ".outcross"
"""The file in a result's folder that lists what the command wrote there, each with its SHA-256."""
WRITING = ".outcross-writing-"
"""The opening of the name of the folder in which a result is written before it is moved to its place; a process's number follows."""
GENERATOR = b'<meta name="generator" content="Outcross">'
"""What stands in the head of every page of ours."""
PAGES = (".html", ".htm")


def check_folder(out: Path, kind: str, inputs: Iterable[Path] = ()) -> None:
    """BadInput where a command of this kind may not write its result into the folder, or would replace an input by it."""
    match kind_at(out):
        case "file":
            raise BadInput(f"--out {out} is a file; name a folder")
        case "":
            _check_name(out)
            return
    if other := next(_others(out, kind), ""):
        raise BadInput(f"{out} holds {other}, which no {kind} left there; choose a new folder with another --out")
    check_apart(out, inputs)


def check_apart(out: Path, inputs: Iterable[Path]) -> None:
    """BadInput where an input, or a file of an input folder, lies in the output folder, by any spelling or link."""
    if kind_at(out) != "folder":
        return
    folder = out.resolve()
    replaced = {_identity(path) for path in _files(folder)} - {None}
    for given in inputs:
        if not kind_at(given):
            continue
        if given.samefile(folder):
            raise BadInput(f"{given} is an input and --out too; choose another --out")
        for path in _files(given.resolve(), apart_from=folder):
            if folder in path.resolve().parents or _identity(path) in replaced:
                raise BadInput(f"{path} is an input and lies in --out {out}, where files are replaced; choose another --out")


def write_folder(out: Path, kind: str, files: Mapping[str, Any]) -> None:
    """Write a result whole: its files (by their path in the folder: text, bytes or a polars frame) in place of a former result.

    Everything is written and synced in a hidden folder first, then the former result is moved aside and the new one to its place. An
    error puts the former result back. A process that is killed leaves files of one result alone, never of two; the next command
    of this kind clears what it left. The files come in the order given, so that the one by which readers know the result is last.
    """
    check_folder(out, kind)
    created = _create(out)
    for left in _temporary(out):
        shutil.rmtree(left, ignore_errors=True)
    for place, *_ in os.walk(out, topdown=False):  # a killed command may leave folders of ours empty
        if place != str(out) and not any(Path(place).iterdir()):
            Path(place).rmdir()
    writing = out / f"{WRITING}{os.getpid()}"
    new, old = writing / "new", writing / "old"
    try:
        listed: dict[str, str] = {}
        for name, content in files.items():
            (new / name).parent.mkdir(parents=True, exist_ok=True)
            write_whole(new / name, content)
            listed[name] = _digest(new / name)
        write_whole(new / MANIFEST, json.dumps({"schema": 1, "kind": kind, "files": listed}, indent=1) + "\n")
        there = {str(path.relative_to(out)) for path in _files(out, apart_from=writing)}  # a manifest may list what is elsewhere
        before = [name for name in (*reversed(list(_manifest(out).files)), MANIFEST) if name in there]
        _move([*((out / name, old / name) for name in before), *((new / name, out / name) for name in (MANIFEST, *files))], out)
    except OSError as error:
        raise MachineGaveOut(f"{out} could not be written: {error.strerror or error}; free space and run again") from None
    finally:
        shutil.rmtree(writing, ignore_errors=True)
        for folder in reversed(created):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()


def check_page(path: Path) -> None:
    """BadInput where no page may be written: under another ending than .html, or over what is no page of ours."""
    if path.suffix.lower() not in PAGES:
        raise BadInput(f"--out {path} must end with .html, because a report is an HTML page; write --out report.html")
    if kind_at(path) == "folder":
        raise BadInput(f"--out {path} is a folder; name a file that ends with .html")
    if kind_at(path) and not _is_page(path):
        raise BadInput(f"{path} exists and is no page of Outcross; choose another --out, or remove that file first")
    _check_name(path)


def _check_name(path: Path) -> None:
    """BadInput where nothing can be made under a name: it is a link to nothing, or too long."""
    try:
        is_link = path.is_symlink()
    except OSError as error:
        raise BadInput(f"--out {path} cannot be made: {error.strerror}; choose another --out") from None
    if is_link and not kind_at(path):
        raise BadInput(f"--out {path} is a link that leads nowhere; choose another --out")


def write_page(path: Path, page: bytes) -> Path:
    """Write a page where one may be written, whole or not at all. Returns the path."""
    check_page(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, page)
    return path


@dataclass(frozen=True)
class Manifest:
    """What a result's folder says that a command left there."""

    kind: str
    files: Mapping[str, str]
    """Path in the folder → SHA-256, in the order in which they were written."""


def _manifest(folder: Path) -> Manifest:
    """The manifest of a folder; an empty one where there is none that can be read."""
    try:
        stored = json.loads((folder / MANIFEST).read_bytes())
        return Manifest(str(stored["kind"]), {str(name): str(digest) for name, digest in stored["files"].items()})
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return Manifest("", {})


def _others(out: Path, kind: str) -> Iterator[str]:
    """What a folder holds besides a former result of this kind: a file that is not listed or was changed since, a link, a folder."""
    manifest = _manifest(out)
    listed = manifest.files if manifest.kind == kind else {}
    folders = {str(parent) for name in listed for parent in Path(name).parents}
    temporary = {path.name for path in _temporary(out)}
    for place, inner, names in os.walk(out):
        inner[:] = [name for name in inner if place != str(out) or name not in temporary]
        for name in sorted([*inner, *names]):
            path = Path(place, name)
            relative = str(path.relative_to(out))
            if relative == MANIFEST and listed and not path.is_symlink():
                continue
            is_known = relative in folders if path.is_dir() else relative in listed and _is_unchanged(path, listed[relative])
            if path.is_symlink() or not is_known:
                yield relative


def _is_unchanged(path: Path, digest: str) -> bool:
    """Whether a file is as it was written; a page may have been drawn anew by `outcross report`."""
    return path.is_file() and (_digest(path) == digest or (path.suffix in PAGES and _is_page(path)))


def _is_page(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return GENERATOR in file.read(1000)
    except OSError:
        return False


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _temporary(out: Path) -> list[Path]:
    """Folders that commands which were killed left in an output folder; BadInput where one is at work there."""
    left: list[Path] = []
    for path in out.iterdir():
        process = path.name.removeprefix(WRITING)
        if process == path.name or not (process.isascii() and process.isdecimal()) or path.is_symlink() or not path.is_dir():
            continue
        if int(process) != os.getpid() and is_running(int(process)):
            raise BadInput(f"another process ({process}) writes into {out}; wait for it, or choose another --out")
        left.append(path)
    return left


def _create(out: Path) -> list[Path]:
    """Make a folder. Returns the folders that had to be made, the outermost first."""
    missing = [folder for folder in (out, *out.parents) if not kind_at(folder)]
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        refusal = BadInput if error.errno in (errno.ENAMETOOLONG, errno.ENOTDIR) else MachineGaveOut
        raise refusal(f"--out {out} cannot be made: {error.strerror}; choose another --out") from None
    return missing[::-1]


def _move(moves: Iterable[tuple[Path, Path]], out: Path) -> None:
    """Rename each to the other, and remove the folders in `out` that this leaves empty; an error undoes what was done."""
    done: list[tuple[Path, Path]] = []
    try:
        for source, target in moves:
            target.parent.mkdir(parents=True, exist_ok=True)
            source.rename(target)
            done.append((source, target))
            for folder in source.parents:
                if folder == out or any(folder.iterdir()):
                    break
                folder.rmdir()
    except BaseException:
        for source, target in reversed(done):
            source.parent.mkdir(parents=True, exist_ok=True)
            target.rename(source)
        raise


def _files(given: Path, apart_from: Path | None = None) -> Iterator[Path]:
    """A file itself, or every file below a folder, but for those of one folder; links to files are files, links to folders are not followed."""
    if not given.is_dir():
        yield given
        return
    for place, inner, names in os.walk(given):
        inner[:] = [name for name in inner if Path(place, name) != apart_from]
        yield from (Path(place, name) for name in names)


def _identity(path: Path) -> tuple[int, int] | None:
    """The device and the number of a file, the same under each of its names; None where it is no more."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
