"""How long does a mix take beside Hugging Face datasets?

There are three pools of short records, each a Parquet file: one is written by people and two by models, and 30 % of the rows are human. *Ours* is the
command from start to end, with the plan, an exact share, a seeded order of all rows (`shuffled`, or `even`), ten columns of provenance for each row,
`draws.parquet`, the manifest, and the SHA-256 of every file and of the rows. *datasets* reads the same files with `Dataset.from_parquet`, mixes them
by `interleave_datasets` with probabilities .3, .37 and .33 and a seed (with its default `first_exhausted`), and writes them by `save_to_disk`; it
keeps no origin, and takes the rows of each pool in the order of the file. *datasets, shuffled* shuffles each pool first with a seed, which a random
sample needs. The cache is made anew each time. Sides are compared by rows written, since datasets ends with the first pool that is used up. Each side
has one thread, except for the threads that polars and Arrow start by themselves. *Plan* is `--plan` alone. `python benchmarks/mix.py ROWS` measures
another number of rows than ten million, and writes no results.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from figures import OUTCROSS, Figure, Side, answer, compare, process

ROWS = 10_000_000
PAIRS = 3
PLAN_SECONDS, MEMORY = 5.0, 2_000.0
"""What a plan may take in seconds, and a mix in MB."""
SHARES = {"human": 0.35, "gpt": 0.45, "llama": 0.4}
"""Rows of each pool, as fractions of the rows of the mix."""
DRAWN = (0.3, 0.37, 0.33)
"""The shares that are drawn of them."""


def write_pools(folder: Path, rows: int) -> list[dict]:
    """The pools of a mix of so many rows, each in a Parquet file, written once."""
    import polars

    pools = []
    for name, share in SHARES.items():
        path, count = folder / f"{name}.parquet", int(rows * share)
        if not path.exists():
            numbers = np.random.default_rng(0).integers(0, 10**9, count)
            text = polars.format(f"a short record of {name} {{}}", polars.lit(polars.Series(numbers)))
            polars.DataFrame({"row": np.arange(count)}).select(text.alias("text"), "row").write_parquet(path)
        pools.append({"name": name, "path": str(path), "origin": "human" if name == "human" else {"model": name}})
    return pools


def interleaved(folder: Path, out: str, is_shuffled: bool) -> None:
    """What datasets does with the same files."""
    from datasets import Dataset, interleave_datasets

    pools = [Dataset.from_parquet(str(folder / f"{name}.parquet"), cache_dir=f"{out}-cache") for name in SHARES]
    if is_shuffled:
        pools = [pool.shuffle(seed=0) for pool in pools]
    mixed = interleave_datasets(pools, probabilities=list(DRAWN), seed=0)
    mixed.save_to_disk(out)
    print(len(mixed))


def _fresh(folder: Path) -> str:
    """A new place, once what was left in the others is removed: a mix takes gigabytes."""
    for old in folder.glob("out-*"):
        subprocess.run(["rm", "-rf", str(old)], check=True)
    return str(folder / f"out-{time.time_ns()}")


def figures(folder: Path, rows: int) -> Sequence[Figure]:
    subprocess.run(
        [sys.executable, __file__, "pools", str(folder), str(rows)], check=True
    )  # what is large here is in every child's peak
    asked = {"pools": json.loads((folder / "pools.json").read_text()), "rows": rows, "human_share": 0.3}
    for pool, share in zip(asked["pools"], DRAWN, strict=True):
        pool["weight"] = share
    for order in ("even", "shuffled"):
        (folder / f"{order}.yaml").write_text(json.dumps(asked | {"order": order}))

    def ours(order: str) -> Side:
        return Side(
            f"ours, {order}",
            process(lambda: [*OUTCROSS, "mix", folder / f"{order}.yaml", "--out", _fresh(folder), "--quiet"]),
            rows,
        )

    def theirs(name: str, is_shuffled: bool) -> Side:
        command = [sys.executable, __file__, "interleaved", folder]
        there = subprocess.run(
            [*map(str, command), _fresh(folder), str(int(is_shuffled))], capture_output=True, text=True, check=True
        )
        return Side(name, process(lambda: [*command, _fresh(folder), int(is_shuffled)]), int(there.stdout.split()[-1]))

    plan = Side("ours, plan alone", process(lambda: [*OUTCROSS, "mix", folder / "shuffled.yaml", "--plan", "--quiet"]), rows)
    rivals = [theirs("datasets", False), theirs("datasets, shuffled", True)]
    measured = [
        *compare("a mix", ours("shuffled"), [*rivals, ours("even")], unit="rows", pairs=PAIRS, target_ratio=1.0, warm=False)
    ]
    measured += compare("a plan", plan, [ours("shuffled")], unit="rows", pairs=1, target=PLAN_SECONDS, warm=False)
    peak = max(figure.ours.memory or 0.0 for figure in measured)
    print(f"  peak memory {peak:,.0f} MB, target {MEMORY:,.0f} MB: {'met' if peak <= MEMORY else 'missed'}", flush=True)
    return measured


def main() -> None:
    os.environ["HF_DATASETS_DISABLE_PROGRESS_BARS"] = "1"
    match sys.argv[1:]:
        case ["pools", folder, rows]:
            (Path(folder) / "pools.json").write_text(json.dumps(write_pools(Path(folder), int(rows))))
        case ["interleaved", folder, out, is_shuffled]:
            interleaved(Path(folder), out, is_shuffled == "1")
        case [rows]:
            with tempfile.TemporaryDirectory() as folder:
                figures(Path(folder), int(rows))
        case _:
            with tempfile.TemporaryDirectory() as folder:
                answer(__file__, __doc__, lambda: figures(Path(folder), ROWS))


if __name__ == "__main__":
    main()
