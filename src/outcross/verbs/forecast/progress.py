"""What a person sees while small runs are planned and made: the plan with its cost, and a line as each begins."""

from __future__ import annotations

import sys

from outcross.verbs.forecast.planning import Watch
from outcross.verbs.terminal import width, wrapped


def watcher(is_quiet: bool) -> Watch:
    """Prints what it is told, at once; nothing where nobody wants to know."""

    def watch(line: str) -> None:
        if not is_quiet:
            sys.stdout.writelines(f"{screen_line}\n" for screen_line in wrapped(line, width()))
            sys.stdout.flush()

    return watch
