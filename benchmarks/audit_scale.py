"""Does an audit of ten million records need little memory and little time?

The command is measured from start to end, with the report written. It reads two Parquet files of 10 columns, one file for each side. Five columns are
numbers and five are categories; one of these has 5,000 categories with Zipf-like frequencies. The audit asks for the aspects that a sketch can
answer: spread, tails with rare categories, groups, and distinct records. Checks of neighbours and of kinds of records use the 200,000 rows that are
kept in memory, or fewer. The audit has one thread, except for polars, which reads with as many threads as there are cores. *Rows* are those of one
side. Memory is the peak of the process.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from figures import OUTCROSS, QUIET, process, write

SIZES = (2_500_000, 5_000_000, 10_000_000)
ROUNDS = 3
SECONDS, MEMORY = 90.0, 2_000.0
"""What the largest may take: seconds, MB."""
ASPECTS = "spread,tails,groups,diversity"
WRITTEN = 500_000
"""Rows of a group of the file."""


def main() -> None:
    load = os.getloadavg()
    with tempfile.TemporaryDirectory() as folder:
        sizes = [_measured(Path(folder), rows) for rows in SIZES]
    write("audit_scale", __doc__ or "", load, {"sizes": sizes, "target_seconds": SECONDS, "target_memory": MEMORY})


def _measured(folder: Path, rows: int) -> dict[str, Any]:
    paths = [folder / f"{side}-{rows}.parquet" for side in ("synthetic", "reference")]
    for seed, path in enumerate(paths):  # in a process of its own, for what is large here is in the peak of what it starts
        subprocess.run([sys.executable, __file__, str(rows), str(path), str(seed)], env=os.environ | QUIET, check=True)
    asked = [paths[0], "--reference", paths[1], "--groups", "group,sex", "--aspects", ASPECTS, "--quiet", "--out", folder / "audit"]
    work = process(lambda: [*OUTCROSS, "audit", *asked])
    costs = [work() for _ in range(ROUNDS)]
    for path in paths:
        path.unlink()
    settings = {"rows": rows, "seconds": median(cost.seconds for cost in costs), "cpu": median(cost.cpu for cost in costs)}
    settings |= {"memory": max(cost.memory or 0.0 for cost in costs), "rounds": [asdict(cost) for cost in costs]}
    print(f"  {rows:,} rows: {settings['seconds']:.1f} s (cpu {settings['cpu']:.1f} s), {settings['memory']:,.0f} MB", flush=True)
    return settings


def _write(rows: int, path: Path, seed: int) -> None:
    import polars

    rng = np.random.default_rng([33, seed])

    def names(name: str, count: int, shares: np.ndarray | None = None) -> polars.Series:
        return polars.Series([f"{name} {i}" for i in range(count)])[rng.choice(count, rows, p=shares)]

    zipf = np.arange(1.0, 5_001.0) ** -1.5
    age = rng.normal(45, 12, rows)
    frame = polars.DataFrame(
        {
            "age": age,
            "income": np.exp(10 + 0.01 * (age - 45) + rng.normal(0, 0.5, rows)),
            "gain": rng.pareto(3, rows),
            "score": rng.random(rows),
            "hours": rng.integers(0, 99, rows).astype(float),
            "occupation": names("job", 5_000, zipf / zipf.sum()),
            "region": names("region", 300),
            "group": names("group", 2, np.array([0.97, 0.03])),
            "sex": names("sex", 2),
            "label": names("label", 2),
        }
    )
    frame.write_parquet(path, row_group_size=WRITTEN)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        _write(int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
