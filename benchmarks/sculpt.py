"""How small can a student be whose data were chosen for a goal? The built-in experiment `sculpt`.
Students that are n-gram models of orders 1 to 5, five seeds, on as many tokens in every arm. Of every arm: parameters, goal attribute (type-token ratio of what the student writes), held-out loss and sums that are right, with t-intervals over seeds; and for each way to choose data the smallest student that equals the largest one on random data: on
the goal alone, and on goal, held-out loss (at most 2 % worse) and sums together.

    python benchmarks/sculpt.py [WORKERS] [transformer]
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from figures import write

import outcross
from outcross.report.curves import measured
from outcross.report.frontier import JUDGED, frontier_sentences
from outcross.report.response import responses
from outcross.verbs.run.page import study


def studied(size: str | None, workers: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        settings = {} if size is None else {"size": size}
        run = outcross.run("sculpt", out=Path(folder) / "run", workers=workers, settings=settings).finish()
        told = study(run)
    found = measured(told)
    every = {one.measure: one for one in found if not one.at}
    rows, kinds = [], {}
    for response in responses(told.settings, [every["goal"]], {}):
        kinds[response.among] = [(answer.setting, answer.arm) for answer in response.answers]
        for answer in response.answers:
            row: dict[str, Any] = {"data": response.among, "size": answer.setting}
            for measure in ("parameters", *JUDGED):
                end = every[measure].curves[answer.arm].end
                row[measure] = {"value": end.value, "low": end.low, "high": end.high, "n": end.n}
            rows.append(row)
            print(row, flush=True)
    sentences = frontier_sentences(kinds, found)
    print(*sentences, sep="\n", flush=True)
    return {"students": rows, "verdicts": list(sentences)}


def main(workers: str = "1", size: str | None = None) -> None:
    load, start = os.getloadavg(), time.perf_counter()
    result = studied(size, int(workers))
    name = "sculpt" if size is None else f"sculpt_{size}"
    write(name, __doc__ or "", load, result | {"seconds": time.perf_counter() - start})


if __name__ == "__main__":
    main(*sys.argv[1:])
