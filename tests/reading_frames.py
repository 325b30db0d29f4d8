"""The readings of a run as a frame, row by row, for tests that make their own."""

from __future__ import annotations

import polars as pl

from outcross.estimate import Estimate, Reading

WORDS = ("run", "arm", "measure", "at", "column", "group", "method", "note")
WHOLE = ("seed", "generation", "n")
ORDER = (
    "run", "arm", "seed", "generation", "measure", "at", "column", "group", "value", "low", "high", "method", "n",
    "null", "null_low", "null_high", "floor", "p", "note",
)  # fmt: skip
COLUMNS = {name: pl.String if name in WORDS else pl.Int64 if name in WHOLE else pl.Float64 for name in ORDER}
"""The columns of readings.parquet."""


def frame(rows):
    """Rows as mappings, in the columns of readings.parquet; what a row leaves out is empty."""
    empty = dict.fromkeys(ORDER) | {"column": "", "group": "", "note": ""}
    return pl.DataFrame([empty | row for row in rows], schema=COLUMNS, orient="row")


def beside(measured, real):
    """Readings with what real data show beside them: the values of as many other readings."""
    return measured.with_columns(null=real["value"], null_low=real["low"], null_high=real["high"])


def with_nulls(readings):
    """Readings by measure and place; what real data show stands beside them, at `null` and the place."""
    by_place = {}
    for reading in readings:
        place = " ".join(filter(None, (reading.at, reading.group)))
        by_place[reading.measure, place] = reading
        if reading.null is not None or reading.note.startswith("no null: "):
            real = reading.null and Estimate(reading.null.typical, reading.null.low, reading.null.high, reading.null.method, 1)
            by_place[reading.measure, f"null {place}".strip()] = Reading(
                reading.measure, real, note=reading.note.removeprefix("no null: ")
            )
    return by_place
