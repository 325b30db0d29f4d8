"""The progress of claims on a terminal: one line when each begins."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from outcross.report.numerals import number
from outcross.verbs.reproduce.claim import Claim


def watcher(is_quiet: bool) -> Callable[[Claim], Callable[[Any], None]]:
    """A function that prints a line when a claim begins, and returns a watcher that ignores its steps."""

    def watch(claim: Claim) -> Callable[[Any], None]:
        if not is_quiet:
            cost = "" if claim.small is None else f" (small: about {number(claim.small.minutes, 2)} min)"
            sys.stdout.write(f"{claim.id}{cost} …\n")
            sys.stdout.flush()
        return lambda event: None

    return watch
