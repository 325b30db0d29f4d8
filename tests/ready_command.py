"""The command line, or a script, in a process of its own that need not import anything: a second and a half of processor time less than a fresh one.

This process imports what commands use and runs none. It answers each line that it reads, a question in JSON, with a line. For words and an environment it
forks a process, the first of a session of its own, and answers with its number. The process is `outcross` with the words that follow, or Python with
`-c CODE` or a file and the words that follow. For the number under `end` this process answers with the exit code once that process has ended, for the
number under `ended` with null while it is under way. No table is read here, so that polars has started no pool of threads. A child has no cache
that a fresh process has not, but for modules and their source. Modules under `modules` are imported here first, once for all later children.
"""

import gc
import importlib
import json
import os
import pkgutil
import resource
import runpy
import signal
import sys
import types
from contextlib import suppress
from os import _exit as end_at_once
from pathlib import Path

TIMEOUT = 300
"""Seconds after which a command is ended by SIGALRM."""


def ready() -> None:
    """Import the package, but for what needs transformers, and read the source of the steps of a run, an audit and a mix."""
    import outcross
    from outcross.ledger.reach import reached
    from outcross.measures import pages_of_runs

    for name in ("polars", "sklearn", "torch", "jinja2", "icu4py", *modules_of(outcross)):
        with suppress(ImportError):
            importlib.import_module(name)
    pages_of_runs()
    roots = (
        "loop",
        "verbs.run.work",
        "verbs.audit.steps",
        "verbs.mix.work",
        "models.gaussian",
        "models.ngram",
        "models.transformer",
    )
    reached([(f"outcross.{module}", None) for module in roots])
    if "vl_convert" in sys.modules:  # some commands write their pages without
        raise RuntimeError("the engine of charts was imported for every command")
    gc.freeze()


def modules_of(package: types.ModuleType) -> list[str]:
    """The modules of the package that need no optional library at their import, or one that is soon imported."""
    names = [module.name for module in pkgutil.walk_packages(package.__path__, "outcross.", onerror=lambda name: None)]
    return [name for name in names if not name.endswith(("__main__", "as_transformers")) and ".causal_lm" not in name]


def become(asked: dict) -> None:
    """Be the command or the script, to its end. SystemExit of a script goes on to the end of this process."""
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
    for name, bound in asked["limits"].items():
        resource.setrlimit(getattr(resource, name), (bound, bound))
    first, *more = asked["words"]
    if first == "outcross":
        be_outcross(asked["words"])
    elif first == "-c":
        sys.argv, sys.modules["__main__"] = ["-c", *more[1:]], types.ModuleType("__main__")
        sys.path.insert(0, "")
        exec(compile(more[0], "<string>", "exec"), vars(sys.modules["__main__"]))
        sys.exit()
    else:
        sys.argv = asked["words"]
        sys.path.insert(0, str(Path(first).resolve().parent))
        runpy.run_path(first, run_name="__main__")
        sys.exit()


def be_outcross(words: list[str]) -> None:
    """Be the command, to its end. The process that has only watched the work has nothing to free, which would take a tenth of a second."""
    from outcross.__main__ import main

    sys.argv = words
    try:
        main()
    except SystemExit as ended:
        if os.environ.get("OUTCROSS_DEBUG"):  # the work was done in this process
            raise
        sys.stdout.flush()
        sys.stderr.flush()
        end_at_once(ended.code if isinstance(ended.code, int) else 0)


def serve() -> None:
    ready()
    for line in sys.stdin:
        asked = json.loads(line)
        if "words" in asked:
            for module in asked["modules"]:
                importlib.import_module(module)
            if (answer := os.fork()) == 0:
                become(asked)
        else:
            child, status = os.waitpid(asked["end"], 0) if "end" in asked else os.waitpid(asked["ended"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if child else None
        sys.stdout.write(f"{json.dumps(answer)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
