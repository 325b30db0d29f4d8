"""The tables of the studies of a single check of an audit: how many records it asks for, and what its interval covers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cells import as_estimate, as_table


def of_grids(grids: list[dict[str, Any]]) -> Iterator[str]:
    """A row a check and grid: how often as many records as it asks for give a verdict."""
    words = {"chosen": "first grid", "held out": "second grid"}
    rows = [
        [
            words[grid["grid"]],
            line.get("check", "all checks"),
            f"{line['cells']:,}",
            f"{line['samples']:,}",
            f"**{as_estimate(line['verdict'])}**" if "check" not in line else as_estimate(line["verdict"]),
            f"{line['median_over_true']:.2f}",
        ]
        for grid in grids
        for line in (grid["all"], *grid["by_check"])
    ]
    yield as_table(["", "check", "cells", "fresh samples", "a verdict [95 % over cells]", "asked over true"], rows)


def of_tails(tails: Mapping[str, list[dict[str, Any]]]) -> Iterator[str]:
    """A row a pair of distributions and a number of records."""
    said = {
        "alike": "Both sets from one distribution, whose true difference is 0:",
        "different": "Human and synthetic sets from two distributions:",
    }
    for kind, rows in tails.items():
        yield said[kind]
        yield as_table(
            ["human, synthetic" if kind == "different" else "distribution", "records a side", "true difference", "covered [95 %]", "p ≤ .05 [95 %]", "p ≤ .01 [95 %]", "mean width", "samples"],
            [_of_tail(row) for row in rows],
        )  # fmt: skip


def _of_tail(row: dict[str, Any]) -> list[str]:
    known = row["samples"] - row["not_applicable"]
    samples = f"{known:,}" + (f" (not applicable in {row['not_applicable']:,})" if row["not_applicable"] else "")
    first = [row["pair"], f"{row['n']:,}", f"{row['difference']:.3f}"]
    if "covered" not in row:
        return [*first, "–", "–", "–", "–", samples]
    return [*first, f"**{as_estimate(row['covered'])}**", as_estimate(row["p_05"]), as_estimate(row["p_01"]), f"{row['width']:.3f}", samples]  # fmt: skip
