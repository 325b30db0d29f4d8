"""Does the memory of detect grow with its data?

The command from start to end, report and records.parquet written, over files of texts of some 1,100 characters, each of three human texts of ../shared/data (l2r_12domains) that are drawn at random and cut;
500 texts of people and 500 of models are the samples. *memory* is the peak of the process, *growth* the bytes a text that a file adds to it over the smallest one. A file holds as many MB (10^6 bytes) as it says.

    python benchmarks/detect_memory.py [MB …]        # 25 and 100 where left out; 500 and 4000 take minutes and most of an hour
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from figures import DATA, OUTCROSS, process, write

SIZES, SAMPLE, LENGTH = (25, 100), 500, 1_100


def main(sizes: tuple[int, ...] = SIZES) -> None:
    load = os.getloadavg()
    texts = pl.read_parquet(DATA / "human_ai" / "l2r_12domains.parquet")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for author, label in (("human", "human"), ("model", "ai")):
            texts.filter(pl.col("label") == label).select("text").head(SAMPLE).write_parquet(folder / f"{author}.parquet")
        human = texts.filter(pl.col("label") == "human")["text"].to_list()
        rows = [_measured(folder, human, size) for size in sizes]
    for row in rows[1:]:
        row["growth"] = 1e6 * (row["memory"] - rows[0]["memory"]) / (row["texts"] - rows[0]["texts"])
    write("detect_memory", __doc__ or "", load, {"sizes": rows})


def _measured(folder: Path, human: list[str], size: int) -> dict[str, Any]:
    path = folder / f"{size}.jsonl"
    rng, written, texts = np.random.default_rng(size), 0, 0
    with path.open("w") as file:
        while written < size * 1_000_000:
            words = " ".join(human[row] for row in rng.integers(len(human), size=3).tolist())
            start = int(rng.integers(max(1, len(words) - LENGTH)))
            written += file.write(json.dumps({"text": words[start : start + LENGTH]}) + "\n")
            texts += 1
    samples = ["--human", folder / "human.parquet", "--ai", folder / "model.parquet"]
    cost = process(lambda: [*OUTCROSS, "detect", path, *samples, "--out", folder / f"out-{size}", "--quiet"])()
    path.unlink()
    row = {"MB": size, "texts": texts, "seconds": cost.seconds, "processor seconds": cost.cpu, "memory": cost.memory}
    print(row, flush=True)
    return row


if __name__ == "__main__":
    main(tuple(int(word) for word in sys.argv[1:]) or SIZES)
