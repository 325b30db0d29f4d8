from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from outcross.recipe import recipe
from outcross.targets import Target


@recipe
class Parquet(Target):
    """Tables as Parquet: the readings, texts, profile and closed forms of a run, the checks of an audit, the rows of a mix, or the comparisons of a reproduction."""

    takes = ("run", "audit", "mix", "reproduction")

    def files(self, handed, place, out) -> Mapping[str, Any]:
        return {f"{name}.parquet": table for name, table in handed.tables.items()}
