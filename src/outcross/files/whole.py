"""Writes files either completely or not at all, and reads text files."""

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
"""Number of rows in a row group of a lazy frame. It is fixed, so that the bytes do not depend on the size of the pieces."""


def write_whole(path: Path, content: Any) -> None:
    """Write text, bytes, a polars frame or lazy frame (as Parquet), or a copy of another file, through a temporary file, fsync and a rename.

    Temporary files that a killed process left for this file are removed.
    """
    temporary = _temporary(path)
    _clear(temporary)
    writing = temporary.with_name(f"{temporary.name}.{os.getpid()}")
    try:
        with writing.open("wb") as file:
            if isinstance(content, str | bytes | memoryview):
                file.write(content.encode() if isinstance(content, str) else content)
            elif isinstance(content, Path):
                with content.open("rb") as source:
                    shutil.copyfileobj(source, file)
            else:
                packed = io.BytesIO()  # if the disk is full, polars itself would report a failed computation
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
"""Maximum length, in bytes, of a file name to which a process number can be added. File systems allow 255 bytes."""


def _temporary(path: Path) -> Path:
    """The name of the temporary file beside a file, without the process number. A name that is too long is replaced by its digest."""
    name = path.name
    return path.with_name(f".{name}" if len(os.fsencode(name)) <= LONGEST else f".{sha256(os.fsencode(name)).hexdigest()}")


def _clear(temporary: Path) -> None:
    """Remove temporary files of this name whose process no longer runs."""
    for left in temporary.parent.glob(f"{escape(temporary.name)}.*"):
        if left.suffix[1:].isdecimal() and not is_running(int(left.suffix[1:])):
            left.unlink(missing_ok=True)


def written_from(name: str) -> str:
    """The name of the file for which a temporary file of this name was written; empty if it is not a temporary file."""
    stem, _, process = name.rpartition(".")
    return stem[1:] if stem.startswith(".") and process.isdecimal() else ""


def is_running(process: int) -> bool:
    """Whether there is a process with this number."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


def read_text(path: Path, way_out: str = "", limit: int = MEMORY) -> str:
    """Read a UTF-8 text file of at most `limit` bytes. Raises BadInput if it cannot be read.

    `way_out` says which kind of file is needed. If the file exists but is of another kind, it replaces the general way out in the error.
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
