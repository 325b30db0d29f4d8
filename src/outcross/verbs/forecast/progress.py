"""The progress of small runs on a terminal: the plan with its cost, and a line as each run begins."""

from __future__ import annotations

import sys

from outcross.verbs.forecast.planning import Watch
from outcross.verbs.terminal import width, wrapped


def watcher(is_quiet: bool) -> Watch:
    """Return a function that prints each sentence immediately, or nothing with `is_quiet`."""

    def watch(line: str) -> None:
        if not is_quiet:
            sys.stdout.writelines(f"{screen_line}\n" for screen_line in wrapped(line, width()))
            sys.stdout.flush()

    return watch
