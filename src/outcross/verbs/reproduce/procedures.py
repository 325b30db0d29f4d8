"""What claims look at that is no reading of a loop: a closed list of procedures, each a recipe that gives readings as a run does."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outcross.recipe import Family

if TYPE_CHECKING:
    from polars import DataFrame


class Procedure:
    """What is done, and what is read of it."""

    def frame(self, data: Path | None) -> DataFrame:
        """The readings, with the columns of `Run.frame()`. `data` is the folder of --data."""
        raise NotImplementedError


def readings(rows: Iterable[tuple[str, int, str, float]]) -> Any:
    """Rows of arm, seed, measure and value as the readings of a run: one generation, no interval of their own."""
    import polars

    told = [
        (arm, seed, 0, measure, "", "", "", value, None, None, "one seed: no interval", 1, "") for arm, seed, measure, value in rows
    ]
    schema = {
        "arm": str, "seed": int, "generation": int, "measure": str, "at": str, "column": str, "group": str,
        "value": float, "low": float, "high": float, "method": str, "n": int, "note": str,
    }  # fmt: skip
    return polars.DataFrame(told, schema=schema, orient="row")


PROCEDURES: Family = Family({})
