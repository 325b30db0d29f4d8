"""Texts that can be converted to numbers without a loss: the number has exactly the value that is written."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars

WHOLE = r"^-?(?:0|[1-9][0-9]*)$"
"""A whole number without leading zeros, a plus sign or spaces."""
NUMBER = r"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?$"
CERTAIN = 15
"""Number of significant digits that a 64-bit number always keeps (DBL_DIG of IEEE 754)."""
MOST = 400
"""Maximum length of a number in characters. Longer ones are not converted."""


def lossless(text: polars.Series) -> polars.DataType | None:
    """The type, Int64 or Float64, to which every text of a column can be converted exactly; None if a conversion would change one.

    A leading zero (007), a number that is too large (1e400) or too long (20 digits), a plus sign, spaces and an empty text would be changed. Zeros at the
    end of a fraction do not count as a change: 9.90 and 9.9 are the same number. Missing values are ignored.

    >>> import polars
    >>> [lossless(polars.Series(texts)) for texts in (["1", "-20"], ["0.5", "3"], ["007"], ["1e400"], ["12345678901234567890"])]
    [Int64, Float64, None, None, None]
    """
    import polars as pl

    there = text.drop_nulls()
    if not there.str.contains(NUMBER).all() or (there.str.len_chars() > MOST).any():
        return None
    if there.str.contains(WHOLE).all() and not (there == "-0").any():
        whole = there.cast(pl.Int64, strict=False)
        return pl.Int64() if not whole.null_count() else None
    digits = there.str.replace(r"[eE].*$", "").str.replace_all(r"[-.]", "").str.strip_chars_start("0").str.len_chars()
    numbers = there.cast(pl.Float64, strict=False)
    doubtful = (digits > CERTAIN) | (numbers.abs() < 1e-300) | (numbers == 0) | ~(numbers.abs() < 1e300)
    if numbers.null_count() or not numbers.is_finite().all():
        return None
    pairs = zip(there.filter(doubtful).to_list(), numbers.filter(doubtful).to_list(), strict=True)
    return (
        pl.Float64()
        if all(Decimal(written) == Decimal(repr(number)) and not _is_minus_zero(written) for written, number in pairs)
        else None
    )


def _is_minus_zero(written: str) -> bool:
    return written.startswith("-") and Decimal(written) == 0
