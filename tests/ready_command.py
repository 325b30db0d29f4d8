"""The command line in a process of its own that need not import anything: a second and a half of processor time less than `python -m outcross`.

This process imports what commands use and runs none. It answers each line that it reads, a question in JSON, with a line. For arguments and an environment
it forks a process that is `outcross` with them, the first of a session of its own, and answers with its number; for the number under `end` with its exit code
once it has ended, for that under `ended` with null while it is under way. A child starts no thread and has no cache that a fresh process has not, but
for modules and their source.
"""

import gc
import json
import os
import signal
import sys
from contextlib import suppress

TIMEOUT = 300
"""Seconds after which a command is ended by SIGALRM."""


def ready() -> None:
    import polars  # noqa: F401
    import sklearn  # noqa: F401

    from outcross.ledger.reach import reached
    from outcross.measures import pages_of_runs

    with suppress(ImportError):
        import torch  # noqa: F401

    pages_of_runs()
    reached(
        [
            (f"outcross.{module}", None)
            for module in ("loop", "verbs.run.work", "verbs.audit.steps", "models.gaussian", "models.ngram")
        ]
    )
    gc.freeze()


def become(asked: dict) -> None:
    """Be the command, to its end: SystemExit with its code."""
    from outcross.__main__ import main

    os.setsid()
    signal.alarm(TIMEOUT)
    for descriptor, path in enumerate((os.devnull, asked["out"], asked["err"])):
        os.dup2(os.open(path, os.O_RDWR), descriptor)
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(descriptor, mode) for descriptor, mode in ((0, "r"), (1, "w"), (2, "w")))
    before = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:0] = [path for path in asked["environment"].get("PYTHONPATH", "").split(os.pathsep) if path and path not in before]
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.chdir(asked["folder"])
    sys.argv = ["outcross", *asked["arguments"]]
    main()


def serve() -> None:
    ready()
    for line in sys.stdin:
        asked = json.loads(line)
        if "arguments" in asked:
            if (answer := os.fork()) == 0:
                become(asked)
        else:
            child, status = os.waitpid(asked["end"], 0) if "end" in asked else os.waitpid(asked["ended"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if child else None
        sys.stdout.write(f"{json.dumps(answer)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
