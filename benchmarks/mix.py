"""How long a mix takes, and how much memory: short rows of three pools, 30 % human, in an even and in a shuffled order.

python benchmarks/mix.py 1000000 FOLDER
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars

SHARES = {"human": 0.35, "gpt": 0.45, "llama": 0.4}
"""Rows of each pool, as fractions of the rows of the mix."""


def write_pools(folder: Path, rows: int) -> list[dict]:
    pools = []
    for name, share in SHARES.items():
        path = folder / f"{name}.parquet"
        count = int(rows * share)
        if not path.exists():
            numbers = np.random.default_rng(0).integers(0, 10**9, count).astype(str)
            polars.DataFrame({"text": np.char.add(f"a short record of {name} ", numbers), "row": np.arange(count)}).write_parquet(
                path
            )
        pools.append({"name": name, "path": str(path), "origin": "human" if name == "human" else {"model": name}})
    return pools


def timed(*words: object) -> dict:
    """Seconds and megabytes of the command line in a process of its own."""
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "outcross", *map(str, words)], env={**os.environ, "OUTCROSS_DEBUG": "1"})
    _, status, used = os.wait4(process.pid, 0)
    assert status == 0, status
    return {
        "seconds": round(time.perf_counter() - started, 2),
        "processor seconds": round(used.ru_utime + used.ru_stime, 2),
        "MB": used.ru_maxrss // 1024,
    }


def main() -> None:
    rows, folder = int(sys.argv[1]), Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    asked = {"pools": write_pools(folder, rows), "rows": rows, "human_share": 0.3}
    spec = folder / "mix.yaml"
    for order in ("even", "shuffled"):
        spec.write_text(json.dumps(asked | {"order": order}))
        out = folder / f"{order}-{time.time_ns()}"
        print(order, "plan", timed("mix", spec, "--plan", "--quiet"), flush=True)
        print(order, "mix", timed("mix", spec, "--out", out, "--quiet"), flush=True)


if __name__ == "__main__":
    main()
