"""Can a student be better than its best teacher? The built-in experiment and the classifier of the theorem, against closed forms.

The experiments are `surpass` at its full size (five seeds), and `surpass-theorem`. For every kind of arm the figures show the error of the student
minus that of the best teacher, over the error p of the teachers, with t-intervals over seeds and the closed form where one is known. They also show
the p at which this difference falls below 0 (on straight lines between the values of p), and the threshold p* in the limit of many records.

    python benchmarks/surpass.py [WORKERS] [FOLDERS]

FOLDERS are those of a finished `surpass` and a finished `surpass-theorem`; they are then read instead of run.
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
from outcross.estimate import Estimate
from outcross.report.crossings import Crossing
from outcross.report.curves import measured
from outcross.report.response import crossings_of, responses
from outcross.verbs.run.page import study


def plain(estimate: Estimate | None) -> dict[str, Any] | None:
    return None if estimate is None else {"value": estimate.value, "low": estimate.low, "high": estimate.high, "n": estimate.n}


def said(crossing: Crossing) -> dict[str, Any]:
    between = None if crossing.bracket is None else list(crossing.bracket)
    return {
        "crossing": plain(crossing.measured),
        "between": between,
        "closed_form": crossing.closed_form,
        "threshold": crossing.threshold,
        "note": crossing.note,
    }


def studied(name: str, workers: int, finished: str | None = None) -> list[dict[str, Any]]:
    """Every kind of arm over p."""
    with tempfile.TemporaryDirectory() as folder:
        run = outcross.open(finished) if finished else outcross.run(name, out=Path(folder) / "run", workers=workers).finish()
        of_run = study(run)
    laws: dict[tuple[str, str], dict[int, float]] = {}
    for law in of_run.laws:
        laws.setdefault((law.measure, law.arm), {})[law.generation] = law.value
    every = {measure.measure: measure for measure in measured(of_run)}
    rows = []
    for response in responses(of_run.settings, [every["student_gain"]], laws):
        (crossing,) = crossings_of([response], of_run.thresholds)
        points = []
        for answer in response.answers:
            accuracy, wrong = (every[name].curves[answer.arm].end for name in ("answer_accuracy", "taught_wrong"))
            points.append(
                {"p": answer.setting, "gain": answer.point.value, "low": answer.point.low, "high": answer.point.high, "n": answer.point.n,
                 "closed_form": answer.closed_form, "accuracy": accuracy.value, "taught_wrong": wrong.value}
            )  # fmt: skip
        rows.append({"arm": response.among or "all", "points": points} | said(crossing))
        print(crossing.words, flush=True)
    return rows


def main(workers: str = "1", *finished: str) -> None:
    load, start = os.getloadavg(), time.perf_counter()
    of_questions, of_theorem = finished or (None, None)
    questions = studied("surpass", int(workers), of_questions)
    middle = time.perf_counter()
    theorem = studied("surpass-theorem", int(workers), of_theorem)
    seconds = {"surpass": middle - start, "theorem": time.perf_counter() - middle}
    seconds = {} if finished else {"seconds": seconds}
    write("surpass", __doc__ or "", load, {"surpass": questions, "theorem": theorem} | seconds)


if __name__ == "__main__":
    main(*sys.argv[1:])
