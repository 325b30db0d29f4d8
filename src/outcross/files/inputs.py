"""Opens the files that a user names. They must be regular files, and their size, also unpacked, is limited. Opening never waits."""

from __future__ import annotations

import codecs
import errno
import gzip
import hashlib
import os
import stat
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from outcross.errors import BadInput, MachineGaveOut, OutcrossError, is_of_the_machine

MEMORY = 1 << 30
"""Maximum memory of one input that is read completely or unpacked, in bytes: 1 GiB. Files that are read batch by batch may be larger."""
PIECE = 1 << 20
"""Number of bytes that are unpacked at a time."""
ZSTANDARD = 0xFD2FB528
BLOCK = 128 * 1024
"""Maximum unpacked size of a block of a .zst file, in bytes (RFC 8878, section 3.1.1.2.4)."""


def check(path: Path) -> int:
    """The size of a regular file in bytes. Raises BadInput if there is none, or if it is a folder, a pipe, a socket or a device.

    The file is not opened, since opening a pipe waits for its writer.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        raise BadInput(f"no file {path}; check the path") from None
    except (OSError, ValueError) as error:
        if getattr(error, "errno", None) == errno.ENAMETOOLONG:
            raise BadInput(
                f"{str(path)[:60]!r}… is too long for a path; a string is read as the path of a file, so give texts as a column of a table: "
                "{'text': […]}"
            ) from None
        kind = MachineGaveOut if is_of_the_machine(error) else BadInput
        raise kind(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if not stat.S_ISREG(status.st_mode):
        raise BadInput(f"{path} is {_what(status.st_mode)}, not a file; write its content to a file and give that")
    return status.st_size


def _what(mode: int) -> str:
    kinds = {
        stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device",
    }  # fmt: skip
    return kinds.get(stat.S_IFMT(mode), "something else")


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a regular file to read its bytes. Raises BadInput as `check` does, and if the file may not be read."""
    check(path)
    try:
        # If the file became a pipe after the check, it is opened without waiting and then refused.
        descriptor = os.open(
            path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
        )
    except OSError as error:
        kind = MachineGaveOut if is_of_the_machine(error) else BadInput
        raise kind(f"{path} cannot be read: {error.strerror or error}") from None
    with open(descriptor, "rb") as file:  # noqa: PTH123
        if not stat.S_ISREG(mode := os.fstat(descriptor).st_mode):
            raise BadInput(f"{path} is {_what(mode)}, not a file; write its content to a file and give that")
        yield file


def read(path: Path, limit: int = MEMORY) -> bytes:
    """The content of a file, unpacked if its name ends in .gz. Raises BadInput if it has more than `limit` bytes."""
    try:
        with opened(path) as file:
            if path.suffix.lower() == ".gz":
                return b"".join(_unpacked(file, path, limit))
            content = file.read(limit + 1)
    except BadInput:
        raise
    except OSError as error:
        raise MachineGaveOut(f"{path} cannot be read: {error.strerror or error}") from None
    if len(content) > limit:
        raise _too_large(path, "holds", limit)
    return content


def opening(path: Path, size: int) -> bytes:
    """The first `size` bytes of a file's content, unpacked if its name ends in .gz."""
    pieces: list[bytes] = []
    with opened(path) as file:
        for piece in _unpacked(file, path, MEMORY) if path.suffix.lower() == ".gz" else iter(lambda: file.read(size), b""):
            pieces.append(piece)
            if sum(map(len, pieces)) >= size:
                break
    return b"".join(pieces)[:size]


def coding_of_utf16(path: Path) -> str:
    """The name of the UTF-16 encoding of a file; empty if it is in another encoding or packed as .zst.

    A file in UTF-16 begins with a byte order mark, or every other byte at its beginning is zero (ASCII text).
    """
    start = b"" if path.suffix.lower() == ".zst" else opening(path, 200)
    if start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return "utf-16"
    of_lows, of_highs = start[1::2], start[::2]
    for coding, zeros, letters in (("utf-16-le", of_lows, of_highs), ("utf-16-be", of_highs, of_lows)):
        if len(start) >= 4 and zeros.count(0) > 0.9 * len(zeros) and not letters.count(0):
            return coding
    return ""


def utf16(path: Path) -> bytes:
    """The text, as UTF-8, of a file in UTF-16; empty for other files.

    Raises BadInput if it is not valid UTF-16, or if its unpacked size exceeds the limit.
    """
    coding = coding_of_utf16(path)
    if not coding:
        return b""
    try:
        return read(path).decode(coding).encode()
    except UnicodeError as error:
        raise BadInput(f"{path} begins as UTF-16 but is not valid UTF-16 text ({error}); write it again as UTF-8") from None


def digest(files: Sequence[Path], below: Path | None = None) -> str:
    """SHA-256 of a file; empty if it cannot be read. For several files, SHA-256 of their names and the SHA-256 of each, in this order.

    If the folder `below` is given, names are paths within it, and a single file is treated like several.
    """
    if len(files) == 1 and below is None:
        return _digest_of_one(files[0])
    content = hashlib.sha256()
    for path in files:
        name = path.name if below is None else path.relative_to(below)
        content.update(f"{name}\0{_digest_of_one(path)}\n".encode(errors="surrogateescape"))
    return content.hexdigest()


def _digest_of_one(path: Path) -> str:
    try:
        with opened(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()  # pyright: ignore[reportArgumentType]
    except (OutcrossError, OSError):
        return ""


def unpacked_size(path: Path, limit: int = MEMORY) -> int:
    """Unpacked size of a .gz file in bytes, or an upper bound of that of a .zst file.

    Raises BadInput if it is more than `limit`, or if the file is incomplete.
    """
    with opened(path) as file:
        if path.suffix.lower() == ".gz":
            return sum(map(len, _unpacked(file, path, limit)))
        return _size_of_zstandard(file, path, limit)


def _unpacked(file: BinaryIO, path: Path, limit: int) -> Iterator[bytes]:
    """Yield the content of a gzip file piece by piece. Raises BadInput as soon as it exceeds the limit."""
    size = 0
    try:
        with gzip.open(file) as unpacked:
            while piece := unpacked.read(PIECE):
                size += len(piece)
                if size > limit:
                    raise _too_large(path, "unpacks to", limit)
                yield piece
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BadInput(f"{path} is not a whole gzip file ({' '.join(str(error).split())[:120]}); fetch it again") from None


def _size_of_zstandard(file: BinaryIO, path: Path, limit: int) -> int:
    """An upper bound of the unpacked size of a .zst file, from the headers of its blocks. No block unpacks to more than 128 KiB."""
    size = 0
    while magic := file.read(4):
        number = int.from_bytes(magic, "little")
        if number & 0xFFFFFFF0 == 0x184D2A50:  # a skippable frame
            file.seek(int.from_bytes(_exactly(file, 4, path), "little"), os.SEEK_CUR)
            continue
        if number != ZSTANDARD:
            raise BadInput(f"{path} is not a whole zstd file (its first bytes are {magic!r}); fetch it again")
        descriptor = _exactly(file, 1, path)[0]
        is_single, has_checksum = bool(descriptor & 0x20), bool(descriptor & 0x04)
        field = (1 if is_single else 0, 2, 4, 8)[descriptor >> 6]
        _exactly(file, (0 if is_single else 1) + (0, 1, 2, 4)[descriptor & 3] + field, path)
        is_last = False
        while not is_last:
            header = int.from_bytes(_exactly(file, 3, path), "little")
            is_last, kind, length = bool(header & 1), header >> 1 & 3, header >> 3
            size += BLOCK if kind == 2 else length
            if size > limit:
                raise _too_large(path, "unpacks to", limit)
            file.seek(1 if kind == 1 else length, os.SEEK_CUR)
        file.seek(4 if has_checksum else 0, os.SEEK_CUR)
    return size


def _exactly(file: BinaryIO, count: int, path: Path) -> bytes:
    content = file.read(count)
    if len(content) < count:
        raise BadInput(f"{path} is not a whole zstd file (it ends too early); fetch it again")
    return content


def check_memory(path: Path, size: int, what: str = "unpacks to") -> None:
    """Raise BadInput if the size that a file declares, in bytes, exceeds the limit."""
    if size > MEMORY:
        raise _too_large(path, what, MEMORY)


def _too_large(path: Path, what: str, limit: int) -> BadInput:
    bound = f"{limit >> 30} GiB" if limit >= 1 << 30 else f"{limit >> 20} MiB" if limit >= 1 << 20 else f"{limit:,} bytes"
    return BadInput(f"{path} {what} more than {bound}, the limit for one input in memory; give a part of it")
