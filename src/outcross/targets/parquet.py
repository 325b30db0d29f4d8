from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from outcross.recipe import recipe
from outcross.targets import Target


@recipe
class Parquet(Target):
    """Tables as Parquet: of a run its readings, texts, profile and closed forms; of an audit its checks; of a mix its rows; of a reproduction its comparisons."""

    takes = ("run", "audit", "mix", "reproduction")

    def files(self, handed, place, out) -> Mapping[str, Any]:
        return {f"{name}.parquet": table for name, table in handed.tables.items()}
