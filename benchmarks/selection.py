"""What does a selection that prefers the middle do, in four families of distributions under two policies?

The run is the built-in experiment `outcross run selection`, with 300 records a generation and 200 fits, as in Qiao et al. (README of their repository,
commit 1cb625b). A distribution is fitted to records, 300 new records are drawn from the fit, and so on. They replace the records before them (`replace`),
or all of them accumulate (`accumulate`). *Selected*: 600 records are drawn, and the half that lies nearest to their mean is kept. The spread is the trace
of the fitted covariance divided by the true one, which is 1 where nothing is lost. Intervals are t over chains, which are independent runs. Published
values are those of one run each, with a selector of their own whose code we have not seen, so that the order of the policies and the size of the effect
can be compared, but not the digits. The closed form holds for Gaussians in the limit of many records; where a spread is nearly lognormal (under replace
without a selection), the interval over a few chains is too short.

    python benchmarks/selection.py
"""

from __future__ import annotations

import os
import time
from typing import Any

from figures import write

import outcross
from outcross.experiment.arms import arms
from outcross.experiment.file import load
from outcross.laws.selection import variance_accumulate_selected, variance_kept

POLICIES = ("accumulate", "accumulate-selected", "replace", "replace-selected")
PUBLISHED = {
    "anisotropic": {"accumulate": 0.9646, "accumulate-selected": 0.0652, "replace": 0.4221, "replace-selected": 0.0},
    "mixture": {"accumulate": 1.0162, "accumulate-selected": 0.0729, "replace": 0.5798, "replace-selected": 0.0},
    "laplace": {"accumulate": 0.9803, "accumulate-selected": 0.0161, "replace": 2.2282, "replace-selected": 0.0},
}
"""Disp(P_t)/Disp(P_0) at t = 200, n = 300: one run each. The isotropic Gaussian has no row there."""
FITS = (1, 10, 50, 200)


def main() -> None:
    before, rows = os.getloadavg(), []
    for arm in arms(load("selection")):
        family, _, policy = arm.name.partition("-")
        started = time.process_time()
        readings = outcross.run(arm.experiment).finish().readings
        spreads = readings.filter(measure="spread_ratio").sort("generation").select("value", "low", "high", "n").to_dicts()
        row = {
            "family": family,
            "policy": policy,
            "spread": {str(fit): spreads[fit - 1] for fit in FITS},
            "published": PUBLISHED.get(family, {}).get(policy),
            "closed_form": _law(family, policy),
            "cpu": round(time.process_time() - started, 1),
        }
        rows.append(row)
        print(arm.name, row["spread"][str(FITS[-1])], flush=True)
    write("selection", __doc__ or "", before, {"spreads": rows, "orders": orders(rows)})


def _law(family: str, policy: str) -> float | None:
    if policy != "accumulate-selected" or not family.endswith("tropic"):
        return None
    return float(variance_accumulate_selected(300, FITS[-1], kept=variance_kept(0.5, 2))[-1])


def orders(rows: list[dict[str, Any]]) -> dict[str, dict[str, list[str] | None]]:
    """The policies of each family by their spread at the end, largest first: ours, and as published."""
    by_family: dict[str, dict[str, float]] = {}
    for row in rows:
        by_family.setdefault(row["family"], {})[row["policy"]] = row["spread"][str(FITS[-1])]["value"]
    return {
        family: {
            "ours": sorted(values, key=lambda policy: -values[policy]),
            "published": sorted(PUBLISHED[family], key=lambda policy: -PUBLISHED[family][policy]) if family in PUBLISHED else None,
        }
        for family, values in by_family.items()
    }


if __name__ == "__main__":
    main()
