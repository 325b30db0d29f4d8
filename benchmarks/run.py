"""Measure every question, or those named, and rewrite README.md."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable

import page
import peers
from figures import HERE, QUIET

QUESTIONS: dict[str, tuple[str, ...]] = {
    "Speed and cost of runs": ("start", "chains", "growth", "resume", "workers", "transformer", "causal_lm"),
    "Audits": (
        "audit", "audit_real", "audit_damages", "blind_spots", "shares", "regions", "records_for_a_verdict", "tail_index", "audit_cost", "audit_speed",
        "audit_scale",
    ),
    "Detection of what models wrote": (
        "detectors", "lock_box", "detect_shares", "detect_limits", "detect_records", "detect_speed", "detect_memory",
    ),
    "Mixes and choices among what models wrote": (
        "mix", "mix_search", "best_of", "routing", "selection", "selecting_text", "students", "equal_k",
    ),
    "Forecasts and early warnings": ("forecast", "forecast_families", "early_warning"),
    "Students and their teachers": ("surpass", "sculpt", "sculpt_alpacaeval"),
    "Long studies": (
        "vae", "community", "fairness_mnist", "students_smollm2", "hidden_origins", "stdlib_seeds", "nature_lm_scratch", "nature_lm_small",
    ),
}  # fmt: skip
"""By topic; a script each. The long studies are last, and those that take hours go on where they were stopped."""
OTHERS = (
    "run", "page", "cells", "tables_of_checks", "tables_of_selections", "log_log", "figures", "launch", "peers", "peer_scores", "planted", "over_seeds", "sessions",
    "nature_lm", "gpu_causal_lm",
)  # fmt: skip
"""The scripts that are no questions of this page."""
INTERPRETERS: dict[str, Callable[[], object]] = {"transformer": peers.python}
"""For questions that need another interpreter than this one: how it is found."""
NAMES = [name for names in QUESTIONS.values() for name in names]


def main() -> None:
    asked = _asked()
    failed = [] if asked.page else [question for question in asked.questions or NAMES if not _measured(question)]
    page.rewrite(QUESTIONS, OTHERS)
    print(f"{HERE / 'README.md'} is rewritten")
    sys.exit(1 if failed else 0)


def _measured(question: str) -> bool:
    print(question, flush=True)
    try:
        interpreter = INTERPRETERS[question]() if question in INTERPRETERS else sys.executable
    except RuntimeError as why:
        print(f"  left out: {why}")
        return True
    return subprocess.run([str(interpreter), str(HERE / f"{question}.py")], env=os.environ | QUIET, check=False).returncode == 0


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "questions",
        nargs="*",
        metavar="QUESTION",
        help=f"{', '.join(NAMES)}; all if left out (hours: the studies at the end are long)",
    )
    parser.add_argument("--page", action="store_true", help="measure nothing, only rewrite the page")
    asked = parser.parse_args()
    if unknown := [question for question in asked.questions if question not in NAMES]:
        parser.error(f"no question {unknown[0]!r}; there are: {', '.join(NAMES)}")
    return asked


if __name__ == "__main__":
    main()
