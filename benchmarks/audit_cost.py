"""How much processor time does an audit take?

The command is measured from start to end, with every aspect, with the reference levels that other human data give, and with one thread. *Adult* is an
audit of 24,421 × 15 synthetic records (CTGAN) against as many human ones, with the human holdout, the groups sex and race, and the target income. It
is measured twice: for the answer alone, and with `--out`, which also writes the page with its pictures, a score and a reason for every record of both
sides, and the regions to fill. *Wide* is an audit with `--out` of 5,000 records a side with 300 columns. Of these, 200 are numbers and 100 are
categories of 2 to 40 values, with three common factors. By default the audit looks at two thirds of these columns in full and at the others by a
sketch; the second measurement looks at all of them in full. Our modules are compiled beforehand, as pip compiles them when it installs a package. Each
number is from one run. Processor time is compared, since other work may run on the machine at the same time.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from audit_speed import ADULT
from figures import OUTCROSS, RESULTS, process, write

import outcross

FULL = "--most-columns 300"
TARGETS = {
    "Adult, the answer": 20.0,
    "Adult, with --out": 20.0,
    "300 columns × 5,000, with --out": 40.0,
    f"300 columns × 5,000, with --out {FULL}": 40.0,
}
"""Seconds of processor that each may take."""
THREADS = dict.fromkeys(("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
ROWS, NUMBERS, CATEGORIES = 5_000, 200, 100


def main() -> None:
    """Measure all, or those whose names hold a word of the command line; the others stay as they were measured before."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("words", nargs="*")
    asked = parser.parse_args().words
    os.environ.update(THREADS)
    load, path = os.getloadavg(), RESULTS / "audit_cost.json"
    kept = json.loads(path.read_text(encoding="utf-8"))["costs"] if path.exists() else []
    costs = {cost["what"]: cost for cost in kept}
    with tempfile.TemporaryDirectory() as folder:
        compiled = _compiled(Path(folder) / "package")
        for what, target in TARGETS.items():
            if not asked or any(word in what for word in asked):
                costs[what] = _measured(what, [*compiled, *_command(what, Path(folder))], target)
                write("audit_cost", __doc__ or "", load, {"costs": [costs[name] for name in TARGETS if name in costs]})


def _compiled(folder: Path) -> list[object]:
    """What a command opens with so that it runs a compiled copy of our package, which is made in a folder."""
    shutil.copytree(Path(outcross.__file__).parent, folder / "outcross")
    subprocess.run([sys.executable, "-m", "compileall", "-q", folder], check=True)
    return ["/usr/bin/env", f"PYTHONPATH={folder}"]


def _measured(what: str, command: Sequence[object], target: float) -> dict[str, Any]:
    cost = process(lambda: command)()
    print(f"  {what}: {cost.cpu:.1f} s of processor, {cost.seconds:.1f} s, {cost.memory:,.0f} MB", flush=True)
    return {"what": what, "cpu": cost.cpu, "seconds": cost.seconds, "memory": cost.memory, "target": target}


def _command(what: str, folder: Path) -> list[object]:
    out = ["--out", folder / f"audit-{len(what)}"] if "--out" in what else []
    if what.startswith("Adult"):
        synthetic, reference, holdout = ADULT
        asked = ["--reference", reference, "--holdout", holdout, "--groups", "sex,race", "--target", "income"]
        return [*OUTCROSS, "audit", synthetic, *asked, "--quiet", *out]
    paths = [folder / f"{side}.parquet" for side in ("synthetic", "human")]
    for seed, path in enumerate(paths):
        wide(seed).write_parquet(path)
    asked = ["--reference", paths[1], "--groups", "category 0", "--target", "category 1", *(FULL.split() if FULL in what else [])]
    return [*OUTCROSS, "audit", paths[0], *asked, "--quiet", *out]


def wide(seed: int) -> Any:
    """Numbers and categories that share three factors; two seeds are two samples of one law."""
    import polars

    law, rng = np.random.default_rng(46), np.random.default_rng([46, seed])
    factors = rng.normal(size=(ROWS, 3))
    leaning = law.normal(size=(3, NUMBERS + CATEGORIES)) * 0.6
    latent = factors @ leaning + rng.normal(size=(ROWS, NUMBERS + CATEGORIES))
    numbers = {f"number {i}": np.exp(latent[:, i]) if i % 4 == 0 else np.round(latent[:, i], 2) for i in range(NUMBERS)}
    categories = {}
    for i in range(CATEGORIES):
        levels = int(law.integers(2, 41))
        edges = np.sort(law.normal(size=levels - 1))
        categories[f"category {i}"] = np.char.add("level ", np.searchsorted(edges, latent[:, NUMBERS + i]).astype(str)).tolist()
    return polars.DataFrame(numbers | categories)


if __name__ == "__main__":
    main()
