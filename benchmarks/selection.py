"""What does a selection that prefers the middle do, in four families under four policies?

The built-in experiment `selection` has 300 records a generation and 200 fits, as in Qiao et al. (README of their repository, commit 1cb625b). Their
values at n = 300 stand beside ours. The selector is our own, so that the order of the policies and the size of the effect can be compared, but not
the digits.

    python benchmarks/selection.py [family or arm …]
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import outcross
from outcross.experiment.arms import arms
from outcross.experiment.file import load
from outcross.laws.selection import variance_accumulate_selected, variance_kept

RESULTS = Path(__file__).parent / "results" / "selection.json"
POLICIES = ("accumulate", "accumulate-selected", "replace", "replace-selected")
PUBLISHED = {
    "anisotropic": {"accumulate": 0.9646, "accumulate-selected": 0.0652, "replace": 0.4221, "replace-selected": 0.0},
    "mixture": {"accumulate": 1.0162, "accumulate-selected": 0.0729, "replace": 0.5798, "replace-selected": 0.0},
    "laplace": {"accumulate": 0.9803, "accumulate-selected": 0.0161, "replace": 2.2282, "replace-selected": 0.0},
}
"""Disp(P_t)/Disp(P_0) at t = 200, n = 300: one run each. The isotropic Gaussian has no row there."""


def main(asked: list[str]) -> None:
    experiment = load("selection")
    for arm in arms(experiment):
        family, _, policy = arm.name.partition("-")
        if asked and not {family, arm.name} & set(asked):
            continue
        started = time.process_time()
        readings = outcross.run(arm.experiment).finish().readings
        spread = readings.filter(measure="spread_ratio").sort("generation")
        row = {name: spread[name].to_list() for name in ("value", "low", "high")}
        last = {
            "fits": len(row["value"]),
            "chains": arm.experiment.chains,
            "spread at the end": [row[name][-1] for name in ("value", "low", "high")],
            "spread at fit 1, 10, 50": [row["value"][fit - 1] for fit in (1, 10, 50)],
            "published": PUBLISHED.get(family, {}).get(policy),
            "seconds of processor time": round(time.process_time() - started, 1),
        }
        if policy == "accumulate-selected" and family.endswith("tropic"):
            last["law"] = float(variance_accumulate_selected(300, 200, kept=variance_kept(0.5, 2))[-1])
        results: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"families": {}}
        results["families"].setdefault(family, {})[policy] = last
        print(arm.name, last, flush=True)
        results["checks"] = checks(results["families"])
        RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")


def checks(families: dict[str, Any]) -> dict[str, Any]:
    """What was to hold, family by family; only of those that are complete."""
    rows = {}
    for family, by_policy in families.items():
        if set(by_policy) != set(POLICIES):
            continue
        value = {policy: by_policy[policy]["spread at the end"][0] for policy in POLICIES}
        rows[family] = {
            "accumulate within .1 of 1": abs(value["accumulate"] - 1) <= 0.1,
            "accumulate with selection below .2": value["accumulate-selected"] < 0.2,
            "order": sorted(value, key=lambda policy: -value[policy]),
            "order as published": sorted(PUBLISHED.get(family, {}), key=lambda policy: -PUBLISHED[family][policy]) or None,
        }
    return rows


if __name__ == "__main__":
    main(sys.argv[1:])
