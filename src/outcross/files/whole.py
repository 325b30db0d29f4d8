"""Files that are written whole or not at all, and texts that are read or refused."""

from __future__ import annotations

import io
import os
import shutil
from glob import escape
from hashlib import sha256
from pathlib import Path
from typing import Any

from outcross.errors import BadInput, MachineGaveOut
from outcross.files.inputs import MEMORY, opened

GROUP = 100_000
"""Rows of a row group of a lazy frame: said, so that no byte depends on the pieces in which it comes."""


def write_whole(path: Path, content: Any) -> None:
    """Write text, bytes, a polars frame, lazy or not (as Parquet), or what another file holds: a temporary file, fsync, rename. What a killed process began
    to write goes."""
    temporary = _temporary(path)
    _clear(temporary)
    writing = temporary.with_name(f"{temporary.name}.{os.getpid()}")
    try:
        with writing.open("wb") as file:
            if isinstance(content, str | bytes):
                file.write(content.encode() if isinstance(content, str) else content)
            elif isinstance(content, Path):
                with content.open("rb") as source:
                    shutil.copyfileobj(source, file)
            else:
                packed = io.BytesIO()  # polars itself would not say that the disk is full, but that it could not compute
                if hasattr(content, "sink_parquet"):
                    content.sink_parquet(packed, compression_level=1, row_group_size=GROUP)
                else:
                    content.write_parquet(packed, compression_level=1)
                file.write(packed.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        os.replace(writing, path)
    except OSError as error:
        raise MachineGaveOut(f"{path} could not be written: {error.strerror or error}; free space and run again") from None
    finally:
        writing.unlink(missing_ok=True)


LONGEST = 230
"""Bytes of a file's name to which the number of a process can be added: file systems take 255."""


def _temporary(path: Path) -> Path:
    """The temporary file beside a file, without the number of its process; of a name that is too long already, a digest."""
    name = path.name
    return path.with_name(f".{name}" if len(os.fsencode(name)) <= LONGEST else f".{sha256(os.fsencode(name)).hexdigest()}")


def _clear(temporary: Path) -> None:
    """Remove temporary files of this name whose process is no more."""
    for left in temporary.parent.glob(f"{escape(temporary.name)}.*"):
        if left.suffix[1:].isdecimal() and not is_running(int(left.suffix[1:])):
            left.unlink(missing_ok=True)


def written_from(name: str) -> str:
    """The name of the file that a temporary file of this name was to become; empty where it is none."""
    stem, _, process = name.rpartition(".")
    return stem[1:] if stem.startswith(".") and process.isdecimal() else ""


def is_running(process: int) -> bool:
    """Whether there is a process of this number."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


def read_text(path: Path, way_out: str = "", limit: int = MEMORY) -> str:
    """The text of a file in UTF-8, of at most so many bytes; BadInput where it cannot be read.

    `way_out` says what kind of file is wanted. It stands in place of a general way out where there is something of another kind; where there is nothing, the path is what
    is wrong.
    """
    ending = way_out and f"; {way_out}"
    try:
        with opened(path) as file:
            content = file.read(limit + 1)
        if len(content) > limit:
            raise BadInput(f"{path} holds more than {limit:,} bytes")
        return content.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise BadInput(f"{path} is not UTF-8 text (byte {error.start}){ending}") from None
    except BadInput as error:
        if not ending or not path.exists():
            raise
        raise BadInput(str(error).partition("; ")[0] + ending) from None
    except OSError as error:
        raise MachineGaveOut(f"{path} cannot be read: {error.strerror or error}") from None
