"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from outcross.errors import MachineGaveOut


def write_whole(path: Path, content: Any) -> None:
    """Write text, bytes or a polars frame (as Parquet): a temporary file, fsync, rename."""
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
