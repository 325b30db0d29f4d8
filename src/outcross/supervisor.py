"""Runs the command in a child process, so that every failure of a library ends with one line and an exit code.

A library in C or Rust that runs out of memory or open files may end its process with a signal, which no `except` can catch. The work is
therefore done in a child process, which is forked before anything is imported. If the child ends, its parent reports in one line what ended
it. The fork takes about a millisecond. Output of libraries to standard error (panics, stack traces, warnings) is discarded. Set
OUTCROSS_DEBUG to see it and to work without a child process.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import NoReturn

from outcross.errors import is_of_the_machine

INTERRUPTED = "interrupted; run the same command again to resume"
FORWARDED = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT") if hasattr(signal, name)]
"""Signals that ask a process to end."""
OURS = 10
"""Number added to the exit code of the child. It tells the parent that Outcross ended the child and not a library that calls exit itself
(OpenBLAS exits with 1)."""
CODES = (0, 1, 2, 3, 130)
"""Exit codes of the command line (design.md)."""
FEWER_COLLECTIONS = (100_000, 50, 100)
"""Thresholds of Python's garbage collector. With Python's defaults (700, 10, 10) it takes a tenth of the time of all imports."""
PATIENCE = 2.0
"""Seconds after the first Ctrl-C. From then on another Ctrl-C ends the work at once."""


def supervise(work: Callable[[], None]) -> NoReturn:
    """Do the work in a child process, and exit with its code."""
    if os.environ.get("OUTCROSS_DEBUG") or not hasattr(os, "fork"):
        sys.exit(_guarded(work))
    signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED)  # from here on, a Ctrl-C waits until a handler is installed
    try:
        link = os.pipe()
    except OSError:
        link = None
    child, is_alone = 0, False
    try:
        child = os.fork()
    except OSError:
        is_alone = True  # if no process can be started, the work is done here
    if child:
        sys.exit(_watch(child, link))
    if is_alone:
        sys.exit(_guarded(work))
    if link is not None:
        _die_with_parent(*link)
    gc.set_threshold(*FEWER_COLLECTIONS)
    code = _guarded(work)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent may still forward a Ctrl-C that was handled here
    _end(OURS + code)


def _end(code: int) -> NoReturn:
    """End this process as Python does, but let the system free its memory. Destroying every module and object would take 0.2 seconds."""
    import atexit
    import threading

    threading._shutdown()  # type: ignore[attr-defined] # as Python does: end open thread pools, then wait for all threads
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, AttributeError, ValueError):
            stream.flush()
    os._exit(code)


def _die_with_parent(reading: int, writing: int) -> None:
    """Have this process end when its parent ends. Then no process holds the writing end of the pipe, and the system sends SIGIO."""
    os.close(writing)
    try:
        import fcntl

        signal.signal(signal.SIGIO, signal.SIG_DFL)
        fcntl.fcntl(reading, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(reading, fcntl.F_SETFL, fcntl.fcntl(reading, fcntl.F_GETFL) | os.O_ASYNC)
    except (ImportError, OSError, AttributeError):
        os.close(reading)  # the system lacks such signals or descriptors: the work then goes on until it is done


def _guarded(work: Callable[[], None]) -> int:
    """Do the work in this process and return its exit code. Ctrl-C prints one line, even if a library swallows the KeyboardInterrupt."""
    is_interrupted = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal is_interrupted
        if not is_interrupted:
            is_interrupted = True
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    code = 0
    try:
        if hasattr(signal, "pthread_sigmask"):
            signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED)
        if not os.environ.get("OUTCROSS_DEBUG"):
            _silence_libraries()
        work()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 3
    except BaseException as error:
        if os.environ.get("OUTCROSS_DEBUG"):
            raise
        code = 3
        if not is_interrupted:
            what = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
            if is_of_the_machine(error):
                return _gave_out(what)
            _say(f"the program could not be started: {what}")
    if is_interrupted and code != 130:
        _say(INTERRUPTED)
        code = 130
    return code


def _silence_libraries() -> None:
    """Discard what libraries write to the descriptor of standard error. Outcross writes its own lines to a copy of that descriptor."""
    import warnings

    try:
        ours = os.dup(2)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
        sys.stderr = open(ours, "w", buffering=1, encoding="utf-8", errors="backslashreplace")  # noqa: PTH123, SIM115
    except OSError:
        pass  # no descriptor is free, or standard error is closed: the output of libraries then stays visible
    sys.unraisablehook = lambda _: None
    warnings.simplefilter("ignore")
    os.environ.setdefault("PYTHONWARNINGS", "ignore")  # for worker processes
    os.environ.setdefault("TQDM_DISABLE", "1")  # no progress bars of libraries beside those of Outcross


def _watch(child: int, link: tuple[int, int] | None) -> int:
    """Wait for the child and forward signals to it. Return its exit code, or the exit code for what ended it."""
    import time

    asked: list[tuple[int, float]] = []

    def forward(number: int, frame: FrameType | None) -> None:
        is_again = number == signal.SIGINT and any(time.monotonic() - at > PATIENCE for earlier, at in asked if earlier == number)
        asked.append((number, time.monotonic()))
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL if is_again else number)

    for number in FORWARDED:
        if signal.getsignal(number) is not signal.SIG_IGN:  # a signal that nohup ignores stays ignored
            signal.signal(number, forward)
    if link is not None:
        os.close(link[0])
    signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED)
    _, status = os.waitpid(child, 0)
    for number in FORWARDED:
        signal.signal(number, signal.SIG_IGN)
    if os.WIFSIGNALED(status):
        return _ended_by(os.WTERMSIG(status), {number for number, _ in asked})
    code = os.WEXITSTATUS(status) - OURS
    return code if code in CODES else _gave_out(f"a library with exit code {code + OURS}")


def _ended_by(number: int, asked: set[int]) -> int:
    """Report which signal ended the work and return the exit code. A signal that the user sent is not an error."""
    if number == signal.SIGINT or (number == signal.SIGKILL and signal.SIGINT in asked):
        _say(INTERRUPTED)
        return 130
    if number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE, signal.SIGIO):
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)  # this process ends by the same signal as its child
    return _gave_out(signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}")


def _gave_out(what: str) -> int:
    way_out = "free memory, or raise the limits of memory (ulimit -v), open files (-n) and processes (-u), and run again"
    _say(f"the work was ended by {what}, which happens when memory, open files or threads run out; {way_out}")
    return 3


def _say(message: str) -> None:
    line = f"outcross: {message}\n"
    try:
        sys.stderr.write(line)
        sys.stderr.flush()
    except (OSError, AttributeError, ValueError):
        pass
