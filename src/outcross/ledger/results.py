"""The folder of a result: the files that a command wrote for people, and in `.outcross` the ledger of the steps from which they are made.

A command may write into a folder that does not exist, is empty, or holds only the result of an earlier command of the same kind. The first line of
the ledger shows this: it lists the files of the result, each with its SHA-256, and the steps from which they are made. Finished steps are kept,
however the command ends. A result is written completely or not at all.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from outcross.errors import BadInput, MachineGaveOut
from outcross.files.names import kind_at
from outcross.files.outputs import PAGES, check_apart, check_name, check_writable, is_page
from outcross.files.whole import read_text, write_whole, written_from
from outcross.ledger import HIDDEN, WORKING, Ledger
from outcross.ledger.digests import digest_file
from outcross.ledger.entries import ResultEntry
from outcross.ledger.locks import alone

LEDGER = "ledger.jsonl"
OF_WORK = (".ledger.lock", ".run.lock", "timing.jsonl")
"""Files beside a ledger that only a running command needs."""
BESIDE = "beside.json"
"""The file beside a ledger that lists the files of other commands in the same folder, by command and each with its SHA-256."""
WRITING = "writing"
"""The folder in which a result is written before it is moved to its place."""


def check_folder(out: Path, kind: str, inputs: Iterable[Path] = (), own: Sequence[str] = ()) -> None:
    """Raise BadInput if a command of this kind may not write its result into the folder, or would overwrite an input.

    `own` names subfolders that the command fills in addition to its result, such as the runs that a forecast planned.
    """
    match kind_at(out):
        case "file":
            raise BadInput(f"--out {out} is a file; name a folder")
        case "":
            check_name(out)
            return
    if other := next(_others(out, kind, own), ""):
        raise BadInput(f"{out} holds {other}, which was not written by {kind}; choose a new folder with another --out")
    check_writable(out, out)
    check_apart(out, inputs)


@contextmanager
def opened(out: Path, kind: str, inputs: Iterable[Path] = (), own: Sequence[str] = ()) -> Iterator[Ledger]:
    """Lock the folder for a command of this kind, and yield its ledger. Raises BadInput as `check_folder` does.

    A command that ends without a new step and without a result leaves the folder unchanged.
    """
    check_folder(out, kind, inputs, own)
    place = out / HIDDEN
    created = _create(place)
    try:
        with alone(place):
            shutil.rmtree(place / WRITING, ignore_errors=True)  # left by a killed command
            ledger = Ledger(place)
            before = {*ledger.entries}
            try:
                if ledger.result is None:
                    ledger.record(ResultEntry(kind=kind, steps=[], files=[]))
                yield ledger
            finally:
                _leave(ledger, before)
    finally:
        for folder in reversed(created):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()


def write(ledger: Ledger, files: Mapping[str, Any], steps: Sequence[str] = ()) -> None:
    """Write the files of a result in place of an earlier result, completely or not at all.

    `files` maps paths in the folder to text, bytes, a polars frame, or a file to copy. Everything is first written and synced in a hidden folder. Then
    the earlier result is moved away, the ledger lists the new one, and the new one is moved to its place. So the folder always holds files of one
    result, which the ledger lists. An error restores the earlier result. The files are moved in the given order, so the file by which readers recognise
    the result must be last. Steps from which the result is not made are removed. A result that already exists with the same bytes is left unchanged.
    """
    assert ledger.folder is not None and ledger.result is not None
    out, writing, former = ledger.folder.parent, ledger.folder / WRITING, ledger.result
    files = {name: content if isinstance(content, Path) else _bytes(content) for name, content in files.items()}
    listed = [(name, ledger.listed(content) or _digest(content)) for name, content in files.items()]
    result = ResultEntry(kind=former.kind, steps=[*steps], files=listed)
    if result == former and all((out / name).is_file() and digest_file(out / name) == digest for name, digest in listed):
        ledger.keep(steps)
        return
    _remove_empty(out)
    new, old = writing / "new", writing / "old"
    moved: list[tuple[Path, Path]] = []
    try:
        for name, content in files.items():
            (new / name).parent.mkdir(parents=True, exist_ok=True)
            if not (isinstance(content, Path) and ledger.folder in content.parents and _linked(content, new / name)):
                write_whole(new / name, content)
        there = [name for name, _ in reversed(former.files) if (out / name).is_file()]
        _move(((out / name, old / name) for name in there), out, moved)
        ledger.record(result)
        _move(((new / name, out / name) for name in files), out, moved)
    except BaseException as error:
        for source, target in reversed(moved):
            source.parent.mkdir(parents=True, exist_ok=True)
            target.rename(source)
        ledger.record(former)
        _remove_empty(out)
        if isinstance(error, OSError):
            raise MachineGaveOut(f"{out} could not be written: {error.strerror or error}; free space and run again") from None
        raise
    finally:
        shutil.rmtree(writing, ignore_errors=True)
    ledger.keep(steps)


def _linked(source: Path, target: Path) -> bool:
    """Link a file of a step to its place, which needs neither space nor time. Returns whether it was possible."""
    try:
        os.link(source, target)
    except OSError:
        return False
    return True


def _bytes(content: Any) -> bytes | memoryview:
    """Return text as UTF-8, bytes unchanged, and a polars frame as Parquet, of which there is no second copy."""
    if isinstance(content, str | bytes):
        return content.encode() if isinstance(content, str) else content
    written = io.BytesIO()
    content.write_parquet(written)
    return written.getbuffer()


def _digest(content: bytes | memoryview | Path) -> str:
    return digest_file(content) if isinstance(content, Path) else hashlib.sha256(content).hexdigest()


def write_folder(out: Path, kind: str, files: Mapping[str, Any], inputs: Iterable[Path] = (), own: Sequence[str] = ()) -> None:
    """Write a result without steps, like `write`. Raises BadInput as `check_folder` does."""
    with opened(out, kind, inputs, own) as ledger:
        write(ledger, files)


def write_beside(folder: Path, kind: str, files: Mapping[str, str]) -> None:
    """Write texts into a folder that holds a result or data, and list them as written by this kind of command.

    Raises BadInput if one of the files exists and was not written by an earlier command of this kind, or was changed since. The files are listed
    before they are written, so that a command recognises its files after it was killed.
    """
    place = folder / HIDDEN
    listed = _beside(place)
    own = listed.get(kind, {})
    for name in files:
        path = folder / name
        if path.is_symlink() or (kind_at(path) and (kind_at(path) != "file" or digest_file(path) not in own.get(name, []))):
            raise BadInput(
                f"{path} exists and was not written by {kind}, or was changed since; move it, or choose another folder with --out"
            )
    created = _create(place)
    try:
        with alone(place):
            try:
                _write_listed(folder, kind, files, listed)
            finally:
                shutil.rmtree(place / WRITING, ignore_errors=True)
                for name in OF_WORK:
                    (place / name).unlink(missing_ok=True)
    except OSError as error:
        raise MachineGaveOut(f"{folder} could not be written: {error.strerror or error}; free space and run again") from None
    finally:
        for created_path in reversed(created):
            if created_path.is_dir() and not any(created_path.iterdir()):
                created_path.rmdir()


def _write_listed(folder: Path, kind: str, files: Mapping[str, str], listed: Mapping[str, Mapping[str, list[str]]]) -> None:
    """Write texts and list them. Each file is moved to its place when it is complete."""
    place, own = folder / HIDDEN, dict(listed.get(kind, {}))
    written = {name: _digest(text.encode()) for name, text in files.items()}
    before = {name: [*own.get(name, []), digest] for name, digest in written.items()}
    write_whole(place / BESIDE, json.dumps({**listed, kind: {**own, **before}}))
    (place / WRITING).mkdir(exist_ok=True)
    for name, text in files.items():
        write_whole(place / WRITING / name, text)
        os.replace(place / WRITING / name, folder / name)
    write_whole(place / BESIDE, json.dumps({**listed, kind: {**own, **{name: [digest] for name, digest in written.items()}}}))


def _beside(place: Path) -> dict[str, dict[str, list[str]]]:
    """Return the possible digests of the files that were written beside a result, by command and file name."""
    try:
        stored = json.loads(read_text(place / BESIDE))
        return {
            str(kind): {str(name): [str(digest) for digest in digests] for name, digests in files.items()}
            for kind, files in stored.items()
        }
    except (BadInput, ValueError, RecursionError, AttributeError, TypeError):
        return {}


def _others(out: Path, kind: str, own: Sequence[str]) -> Iterator[str]:
    """Yield what a folder holds besides an earlier result of this kind and the folders `own`: unlisted or changed files, links and folders."""
    place = out / HIDDEN
    listed: dict[str, str] = {}
    beside: list[tuple[str, list[str]]] = []
    if place.is_symlink() or place.exists():
        yield from _not_of_a_ledger(place)
        result = Ledger(place).result
        if result is not None and result.kind != kind:
            yield HIDDEN
        elif result is not None:
            listed = dict(result.files)
            beside = [item for files in _beside(place).values() for item in files.items()]
    folders = {str(parent) for name in listed for parent in Path(name).parents}
    for root, inner, names in os.walk(out):
        apart = [place, *(out / name for name in own if not (out / name).is_symlink())]
        inner[:] = [name for name in inner if Path(root, name) not in apart]
        for name in sorted([*inner, *names]):
            path = Path(root, name)
            relative = str(path.relative_to(out))
            digests = [listed[relative]] if relative in listed else dict(beside).get(relative, [])
            is_known = relative in folders if path.is_dir() else any(_is_unchanged(path, digest) for digest in digests)
            if path.is_symlink() or not is_known:
                yield relative


def _not_of_a_ledger(place: Path) -> Iterator[str]:
    """Yield what the hidden folder of a result holds that does not belong to a ledger."""
    if place.is_symlink() or not place.is_dir():
        yield HIDDEN
        return
    for path in sorted(place.iterdir()):
        is_ours = path.name in (LEDGER, BESIDE, *OF_WORK) or written_from(path.name) in (LEDGER, BESIDE)
        if path.is_symlink() or not (path.is_file() if is_ours else path.is_dir() and path.name in ("steps", WRITING)):
            yield f"{HIDDEN}/{path.name}"
    for path in sorted((place / "steps").glob("*")):
        if path.is_symlink() or not re.fullmatch(
            r"[0-9a-f]{64}|\.locks|\.writing-[0-9a-f]{64}-[0-9]+|\.working-[0-9a-f]{64}", path.name
        ):
            yield f"{HIDDEN}/steps/{path.name}"


def _is_unchanged(path: Path, digest: str) -> bool:
    """Whether a file is unchanged. A page may have been drawn again by `outcross report`."""
    return path.is_file() and (digest_file(path) == digest or (path.suffix in PAGES and is_page(path)))


def _leave(ledger: Ledger, before: set[str]) -> None:
    """Clean up the ledger when a command ends. The outputs of new steps are kept. Without new steps, the earlier state is restored."""
    place = ledger.folder
    assert place is not None
    if not place.is_dir():
        return
    ledger.refresh()
    is_stopped = any((place / "steps").glob(f"{WORKING}*"))  # intermediate results of an interrupted step
    if not is_stopped and not any((place / "steps" / key).is_dir() for key in ledger.entries.keys() - before):
        if ledger.result is None or not (ledger.result.files or before):
            shutil.rmtree(place, ignore_errors=True)
            return
        if ledger.result.files:
            ledger.keep(ledger.result.steps)
    for name in OF_WORK:
        (place / name).unlink(missing_ok=True)


def _create(place: Path) -> list[Path]:
    """Create a folder. Returns the folders that were created, the outermost first."""
    missing = [folder for folder in (place, *place.parents) if not kind_at(folder)]
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        refusal = BadInput if error.errno in (errno.ENAMETOOLONG, errno.ENOTDIR) else MachineGaveOut
        raise refusal(f"--out {place.parent} could not be created: {error.strerror}; choose another --out") from None
    return missing[::-1]


def _remove_empty(out: Path) -> None:
    """Remove empty folders of a result, which a killed command may have left."""
    for root, *_ in os.walk(out, topdown=False):
        if Path(root) != out and out / HIDDEN not in (Path(root), *Path(root).parents) and not any(Path(root).iterdir()):
            Path(root).rmdir()


def _move(moves: Iterable[tuple[Path, Path]], out: Path, moved: list[tuple[Path, Path]]) -> None:
    """Rename each source to its target, note the move in `moved`, and remove folders in `out` that become empty."""
    for source, target in moves:
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)
        moved.append((source, target))
        for folder in source.parents:
            if folder == out or any(folder.iterdir()):
                break
            folder.rmdir()
