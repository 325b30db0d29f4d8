"""The canonical text of rows. Digests are computed from it, so that they do not depend on the file or shard of a row."""

from __future__ import annotations

import hashlib
import io
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from outcross.data.bits import mixed_bits
from outcross.errors import BadInput, first_words

if TYPE_CHECKING:
    import polars

WIDTH = 16
"""The number of bytes of a digest: the first half of a SHA-256."""
LINES = 10_000
"""The number of rows that are written as text at a time."""
AHEAD = 4
"""The number of such parts that are written ahead of the digest."""


def canonical(frame: polars.DataFrame) -> polars.Series:
    """Return each row as JSON, with columns sorted by name, numbers in the notation of polars, and null for missing values.

    NaN and infinity are words, dates and decimals are text, and bytes are hexadecimal. Inside lists and structs NaN and infinity are null.
    Raises BadInput if a column contains values without a text form: bytes inside lists or structs, objects.
    """
    import polars as pl
    from polars.exceptions import PanicException

    if not frame.width:
        return pl.Series(["{}"] * frame.height, dtype=pl.String)
    for name, dtype in frame.schema.items():
        if _holds(dtype, (pl.Object,)) or (dtype.is_nested() and _holds(dtype, (pl.Binary,))):
            raise BadInput(
                f"column {name!r} has the type {dtype}, which has no canonical text; leave it out (columns: […]), or write it as text"
            )
    cells = [_cell(name, frame.schema[name]) for name in sorted(frame.columns)]
    try:
        return frame.select(pl.struct(cells).struct.json_encode().alias("row")).to_series()
    except (pl.exceptions.PolarsError, PanicException) as error:  # PanicException is not a subclass of Exception
        raise BadInput(
            f"rows with the columns {', '.join(frame.columns)[:200]} cannot be written as text: {first_words(error)}; leave out the column that fails (columns: […])"
        ) from None


def _cell(name: str, dtype: polars.DataType) -> polars.Expr:
    import polars as pl

    cell = pl.col(name)
    if dtype.is_float() or dtype.is_temporal() or dtype.is_decimal() or dtype in (pl.Categorical, pl.Enum):
        return cell.cast(pl.String)
    return cell.bin.encode("hex") if dtype == pl.Binary else cell


def _holds(dtype: polars.DataType, kinds: tuple) -> bool:
    """Whether a type is one of these, or contains one of them."""
    import polars as pl

    if isinstance(dtype, pl.List | pl.Array):
        return _holds(dtype.inner, kinds)  # pyright: ignore[reportArgumentType]
    if isinstance(dtype, pl.Struct):
        return any(_holds(field.dtype, kinds) for field in dtype.fields)  # pyright: ignore[reportArgumentType]
    return dtype in kinds


def digests(rows: polars.Series, pool: str) -> np.ndarray:
    """Return the digest of each row of a pool as two whole numbers, (n, 2). It depends only on the content and the pool's name.

    rows: the canonical text of the rows.
    """
    opening = hashlib.sha256(f"outcross row\0{pool}\0".encode())
    joined = bytearray()
    for row in rows.to_list():
        digest = opening.copy()
        digest.update(row.encode())
        joined += digest.digest()[:WIDTH]
    return np.frombuffer(bytes(joined), dtype=">u8").reshape(-1, 2).astype(np.uint64)


def ids(of_rows: np.ndarray, occurrences: np.ndarray) -> list[str]:
    """Return the `_id` of records as a list (see `id_column`)."""
    return id_column(of_rows, occurrences).to_list()


def id_column(of_rows: np.ndarray, occurrences: np.ndarray) -> polars.Series:
    """Return the `_id` of records: the digest of the row for its first occurrence, and a digest of that and the occurrence number for later ones.

    of_rows: digests, (n, 2). occurrences: occurrence numbers from 0, (n,).
    """
    import polars as pl

    raw = np.frombuffer(of_rows.astype(">u8").tobytes(), np.uint8).reshape(-1, WIDTH)
    bytewise = pl.Series("_id", raw, dtype=pl.Array(pl.UInt8, WIDTH)).cast(pl.List(pl.UInt8))
    ids = bytewise.cast(pl.Binary).bin.encode("hex")
    again = np.flatnonzero(occurrences)
    if not again.size:
        return ids
    readable = [
        hashlib.sha256(f"{first}\0{occurrence}".encode()).hexdigest()[: 2 * WIDTH]
        for first, occurrence in zip(ids[again].to_list(), occurrences[again].tolist(), strict=True)
    ]
    return ids.scatter(again, readable)


def order_of_digests(first: np.ndarray, second: np.ndarray, occurrences: np.ndarray) -> np.ndarray:
    """Return the order of records by their first number, then the second, then the occurrence, (n,). The later keys are used only for close first numbers.

    >>> order_of_digests(np.array([2, 1, 1, 2]), np.array([0, 9, 3, 0]), np.array([1, 0, 0, 0])).tolist()
    [2, 1, 3, 0]
    """
    # Each number gets its index in its last bits. Sorting these numbers takes half the time of an argsort.
    bits = np.uint64(max(1, len(first).bit_length()))
    packed = first.astype(np.uint64) >> bits << bits | np.arange(len(first), dtype=np.uint64)
    packed.sort()
    order = (packed & ((np.uint64(1) << bits) - np.uint64(1))).astype(np.int64)
    packed >>= bits
    is_equal_to_next = packed[1:] == packed[:-1]
    tied = np.flatnonzero(np.append(is_equal_to_next, False) | np.append(False, is_equal_to_next))
    rows = order[tied]
    order[tied] = rows[np.lexsort((occurrences[rows], second[rows], first[rows]))]
    return order


def update(content: Any, frame: polars.DataFrame) -> None:
    """Add rows, in their order, to the SHA-256 of a whole set, as one line of canonical text per row."""
    parts = iter(frame.iter_slices(LINES))
    with ThreadPoolExecutor(2) as writers:
        waiting = deque(writers.submit(_lines, part) for part in islice(parts, AHEAD))
        while waiting:
            content.update(waiting.popleft().result().getbuffer())
            waiting.extend(writers.submit(_lines, part) for part in islice(parts, 1))


def _lines(frame: polars.DataFrame) -> io.BytesIO:
    """Return rows as lines of canonical text. JSON contains no bare line break, so that CSV needs no quotes. polars writes CSV faster than it joins strings."""
    lines = io.BytesIO()
    canonical(frame).to_frame().write_csv(lines, include_header=False, quote_style="never")
    return lines


def scrambled(numbers: np.ndarray) -> np.ndarray:
    """Hash whole numbers of 64 bits to pseudo-random ones (SplitMix64)."""
    with np.errstate(over="ignore"):
        return mixed_bits(numbers + np.uint64(0x9E3779B97F4A7C15))
