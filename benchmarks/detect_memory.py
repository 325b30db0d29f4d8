"""Does the memory of detect grow with its data?

The command is measured from start to end, with the report and records.parquet written. Its files (JSON lines) hold pieces of human texts of
../shared/data (l2r_12domains), of 1,100 characters or of 12 words (*short texts*). 500 texts of people and 500 of models are the samples. *Peak memory* is
that of the process, with the pages of files that it maps. A file of 4 GB has 3.7 million texts of 1,100 characters. A later call keeps what was measured
of other files. One MB is 10^6 bytes.

    python benchmarks/detect_memory.py [MB … | short:TEXTS …]        # 25, 100 and short:1000000 where left out; 500 takes minutes and 4000 most of an hour
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from figures import DATA, OUTCROSS, RESULTS, process, write

FILES, SAMPLE, LENGTH, SHORT = ("25", "100", "short:1000000"), 500, 1_100, 12


def main(files: Sequence[str] = FILES) -> None:
    load, path = os.getloadavg(), RESULTS / "detect_memory.json"
    kept = json.loads(path.read_text(encoding="utf-8")).get("files", []) if path.exists() else []
    rows = {row["file"]: row for row in kept}
    texts = pl.read_parquet(DATA / "human_ai" / "l2r_12domains.parquet")
    human = texts.filter(pl.col("label") == "human")["text"].to_list()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for author, label in (("human", "human"), ("model", "ai")):
            texts.filter(pl.col("label") == label).select("text").head(SAMPLE).write_parquet(folder / f"{author}.parquet")
        for file in files:
            rows[file] = _measured(folder, human, file)
            write(
                "detect_memory", __doc__ or "", load, {"files": sorted(rows.values(), key=lambda row: (row["is short"], row["MB"]))}
            )


def _measured(folder: Path, human: list[str], name: str) -> dict[str, Any]:
    path, is_short, count = folder / "texts.jsonl", name.startswith("short:"), int(name.removeprefix("short:"))
    written, texts = 0, 0
    with path.open("w") as file:
        for text in _short(human) if is_short else _long(human):
            if (texts if is_short else written) >= (count if is_short else count * 1_000_000):
                break
            written += file.write(json.dumps({"text": text}) + "\n")
            texts += 1
    samples = ["--human", folder / "human.parquet", "--ai", folder / "model.parquet"]
    cost = process(lambda: [*OUTCROSS, "detect", path, *samples, "--out", folder / f"out-{count}", "--quiet"])()
    row = {
        "file": name, "is short": is_short, "MB": round(path.stat().st_size / 1e6), "texts": texts, "seconds": cost.seconds, "processor seconds": cost.cpu,
        "memory": cost.memory,
    }  # fmt: skip
    print(row, flush=True)
    return row


def _long(human: list[str]) -> Iterator[str]:
    rng = np.random.default_rng(0)
    while True:
        words = " ".join(human[row] for row in rng.integers(len(human), size=3).tolist())
        start = int(rng.integers(max(1, len(words) - LENGTH)))
        yield words[start : start + LENGTH]


def _short(human: list[str]) -> Iterator[str]:
    rng, words = np.random.default_rng(0), " ".join(human).split()
    while True:
        for start in rng.integers(len(words) - SHORT, size=10_000).tolist():
            yield " ".join(words[start : start + SHORT])


if __name__ == "__main__":
    main(tuple(sys.argv[1:]) or FILES)
