"""Error messages for files that cannot be read: the damage, its place, and the way out, in one line."""

from __future__ import annotations

import codecs
import gzip
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from outcross.errors import BadInput, MachineGaveOut, is_of_the_machine
from outcross.files import inputs

PACKED = (".gz", ".zst")
"""Suffixes of packed files."""


def suffix(path: Path) -> tuple[str, str]:
    """The format of a file and its packing, according to its name: (".csv", ".gz")."""
    packed = path.suffix.lower() if path.suffix.lower() in PACKED else ""
    name = path.name[: -len(packed)] if packed else path.name
    ending = Path(name).suffix.lower()
    return (".idx" if name.endswith("-ubyte") else ending), packed


def refusal(path: Path, error: BaseException) -> Exception:
    """The error to raise for a file that cannot be read."""
    form, packed = suffix(path)
    said = first_line(error)
    if isinstance(error, FileNotFoundError):
        return BadInput(f"no file {path}; check the path")
    if is_of_the_machine(error):
        return MachineGaveOut(f"{path} cannot be read: {said}; free memory or open files")
    if isinstance(error, OSError) and packed:
        return BadInput(f"{path} is not a whole {packed} file ({said[:80]}); fetch it again")
    if isinstance(error, OSError):
        return MachineGaveOut(f"{path} cannot be read: {error.strerror or said[:120]}")
    if form not in (".parquet", ".arrow", ".feather") and (damage := undecodable(path)):
        # WINDOWS-1252 has all printable characters of Latin-1, and a few more.
        coding = inputs.coding_of_utf16(path).upper() or "WINDOWS-1252"
        return BadInput(f"{path} is not UTF-8 text ({damage}); convert it, for example with iconv -f {coding} -t UTF-8")
    if "empty" in said.lower():
        return BadInput(f"{path} is empty; give a file with records")
    if "more fields than defined" in said:
        return BadInput(
            f"{path} has a line with more fields than its header; quote fields that contain the separator, or correct the line"
        )
    if form in (".jsonl", ".ndjson") and (damage := _broken_line(path, packed)):
        return BadInput(f"{path} is not JSON with one record per line: {damage}; correct it, or write the file again")
    return BadInput(f"{path} is not a whole {form} file: {said}; fetch or write it again")


def first_line(error: BaseException) -> str:
    """The first paragraph of an error's message on one line. In polars, later paragraphs describe internals."""
    return " ".join(str(error).strip().partition("\n\n")[0].split())[:160]


@contextmanager
def _unpacked(path: Path, packed: str) -> Iterator[Any]:
    """Open the unpacked content of a file whose unpacked size was checked."""
    with inputs.opened(path) as file:
        if not packed:
            yield file
            return
        with gzip.open(file) as unpacked:
            yield unpacked


def _broken_line(path: Path, packed: str) -> str:
    """The first line that is not a JSON record, and why; empty if there is none or if the file cannot be unpacked here."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not a JSON number (write null)")

    if packed == ".zst":
        return ""
    with _unpacked(path, packed) as file:
        for number, line in enumerate(file, 1):
            if line.startswith(codecs.BOM_UTF8):
                return "it begins with a byte order mark (remove the first three bytes)"
            if b"\0" in line:
                return f"line {number} has a zero byte"
            try:
                if line.strip() and not isinstance(json.loads(str(line, "utf-8"), parse_constant=refuse), dict):
                    return f"line {number} is not a record in braces"
            except (ValueError, RecursionError) as error:
                return f"line {number}: {first_line(error)}"
    return ""


def undecodable(path: Path) -> str:
    """The byte and line at which a file is no longer UTF-8; empty if all of it is, or if it cannot be unpacked here."""
    packed = suffix(path)[1]
    if packed == ".zst":
        return ""
    decoder, before, line = codecs.getincrementaldecoder("utf-8")(), 0, 1
    try:
        with _unpacked(path, packed) as file:
            while block := file.read(1 << 20):
                waiting = len(decoder.getstate()[0])
                try:
                    decoder.decode(block)
                except UnicodeDecodeError as error:
                    at = max(0, error.start - waiting)
                    return f"byte {before + error.start - waiting}, line {line + block[:at].count(10)}"
                before, line = before + len(block), line + block.count(10)
    except (OSError, EOFError, zlib.error):
        return ""
    return ""
