"""A journal of results that arrive one by one and must not be requested twice. Each is written at once, so a killed process loses none."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from pathlib import Path
from typing import Any

from outcross.errors import MachineGaveOut


class Journal:
    """Plain mappings that are appended to a file, each on a line with its digest. Several threads may append.

    A line that was cut off, or that does not match its digest, is ignored. Without a file, the mappings are only in memory.
    """

    def __init__(self, path: Path | None):
        self.path = path
        self.entries: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        if path is not None and path.exists():
            self._read(path)

    def append(self, entry: dict[str, Any]) -> None:
        """Append a mapping. When this returns, it is on the disk. Raises MachineGaveOut if it cannot be written."""
        with self._lock:
            if self.path is not None:
                self._write(self.path, _line(entry))
            self.entries.append(entry)

    def _read(self, path: Path) -> None:
        content = path.read_bytes()
        self.entries = [entry for line in content.splitlines() if (entry := _entry(line)) is not None]
        if content and not content.endswith(b"\n"):  # so that the next line is not joined to one that was cut off
            self._write(path, b"\n")

    @staticmethod
    def _write(path: Path, line: bytes) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise MachineGaveOut(f"{path} could not be written: {error.strerror or error}; free space and run again") from None


def _line(entry: dict[str, Any]) -> bytes:
    content = json.dumps(entry, sort_keys=True, ensure_ascii=True, allow_nan=False).encode()
    return hashlib.sha256(content).hexdigest().encode() + b" " + content + b"\n"


def _entry(line: bytes) -> dict[str, Any] | None:
    digest, _, content = line.partition(b" ")
    return json.loads(content) if hashlib.sha256(content).hexdigest().encode() == digest else None
