"""Files that are written whole or not at all, and texts that are read or refused."""

from __future__ import annotations

import os
from glob import escape
from pathlib import Path
from typing import Any

from outcross.errors import BadInput, MachineGaveOut


def write_whole(path: Path, content: Any) -> None:
    """Write text, bytes or a polars frame (as Parquet): a temporary file, fsync, rename. What a killed process began to write goes."""
    _clear(path)
    writing = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with writing.open("wb") as file:
            if isinstance(content, str | bytes):
                file.write(content.encode() if isinstance(content, str) else content)
            else:
                content.write_parquet(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(writing, path)
    except OSError as error:
        raise MachineGaveOut(f"{path} could not be written: {error.strerror or error}; free space and run again") from None
    finally:
        writing.unlink(missing_ok=True)


def _clear(path: Path) -> None:
    """Remove temporary files of this name whose process is no more."""
    for left in path.parent.glob(f".{escape(path.name)}.*"):
        if left.suffix[1:].isdecimal() and not _is_running(int(left.suffix[1:])):
            left.unlink(missing_ok=True)


def written_from(name: str) -> str:
    """The name of the file that a temporary file of this name was to become; empty where it is none."""
    stem, _, process = name.rpartition(".")
    return stem[1:] if stem.startswith(".") and process.isdecimal() else ""


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


def read_text(path: Path, way_out: str = "") -> str:
    """The text of a file in UTF-8; BadInput, with the way out, where it cannot be read."""
    ending = way_out and f"; {way_out}"
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(f"{path} is not UTF-8 text (byte {error.start}){ending}") from None
    except (OSError, ValueError) as error:
        raise BadInput(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}{ending}") from None
