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

QUESTIONS: dict[str, Callable[[], object]] = {
    "start": lambda: sys.executable,
    "chains": lambda: sys.executable,
    "growth": lambda: sys.executable,
    "resume": lambda: sys.executable,
    "workers": lambda: sys.executable,
    "transformer": peers.python,
    "causal_lm": lambda: sys.executable,
    "audit": lambda: sys.executable,
    "audit_real": lambda: sys.executable,
    "audit_damages": lambda: sys.executable,
    "blind_spots": lambda: sys.executable,
    "shares": lambda: sys.executable,
    "regions": lambda: sys.executable,
    "audit_cost": lambda: sys.executable,
    "audit_speed": lambda: sys.executable,
    "audit_scale": lambda: sys.executable,
    "detectors": lambda: sys.executable,
    "lock_box": lambda: sys.executable,
    "detect_shares": lambda: sys.executable,
    "detect_limits": lambda: sys.executable,
    "detect_records": lambda: sys.executable,
    "detect_speed": lambda: sys.executable,
    "detect_memory": lambda: sys.executable,
    "mix": lambda: sys.executable,
    "best_of": lambda: sys.executable,
    "students": lambda: sys.executable,
    "forecast": lambda: sys.executable,
    "forecast_families": lambda: sys.executable,
    "equal_k": lambda: sys.executable,
    "surpass": lambda: sys.executable,
    "routing": lambda: sys.executable,
    "sculpt": lambda: sys.executable,
    "sculpt_alpacaeval": lambda: sys.executable,
    "early_warning": lambda: sys.executable,
    "vae": lambda: sys.executable,
    "community": lambda: sys.executable,
    "fairness_mnist": lambda: sys.executable,
    "stdlib_seeds": lambda: sys.executable,
    "nature_lm_scratch": lambda: sys.executable,
    "nature_lm_small": lambda: sys.executable,
}
"""A script each, and the interpreter that it needs; the long studies are last, and go on where they were stopped."""


def main() -> None:
    asked = _asked()
    failed = [] if asked.page else [question for question in asked.questions or QUESTIONS if not _measured(question)]
    page.rewrite(QUESTIONS)
    print(f"{HERE / 'README.md'} is rewritten")
    sys.exit(1 if failed else 0)


def _measured(question: str) -> bool:
    print(question, flush=True)
    try:
        interpreter = QUESTIONS[question]()
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
        help=f"{', '.join(QUESTIONS)}; all if left out (hours: the studies at the end are long)",
    )
    parser.add_argument("--page", action="store_true", help="measure nothing, only rewrite the page")
    asked = parser.parse_args()
    if unknown := [question for question in asked.questions if question not in QUESTIONS]:
        parser.error(f"no question {unknown[0]!r}; there are: {', '.join(QUESTIONS)}")
    return asked


if __name__ == "__main__":
    main()
