"""Where work is done: this process, or several on this machine. Never part of an experiment's identity."""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any, TypeVar

from outcross.errors import BadInput, GateFailed, MachineGaveOut, OutcrossError

Item = TypeVar("Item")
Emit = Callable[[Any], None]

telling: ContextVar[Callable[[float], None]] = ContextVar("telling", default=lambda share: None)
"""Who is told how far the step under way is, as a fraction in [0, 1]: `telling.get()(0.5)`."""


def device() -> str:
    """Where networks are trained and sampled: what --device said."""
    return os.environ.get("OUTCROSS_DEVICE", "cpu")


def map(function: Callable[[Item, Emit], None], items: Sequence[Item], handle: Emit, workers: int = 1) -> None:
    """Call `function(item, emit)` for every item; what it emits reaches `handle`, here, as it comes.

    With several workers the items run in as many processes, started afresh; function and items must be importable. An error of one
    stops all; Ctrl-C stops all at once; a process whose parent died stops by itself.
    """
    if workers == 1 or len(items) < 2:
        for item in items:
            function(item, handle)
        return
    context = multiprocessing.get_context("spawn")
    waiting, told = context.SimpleQueue(), context.Queue()
    for item in items:
        waiting.put(item)
    count = min(workers, len(items))
    for _ in range(count):
        waiting.put(None)
    processes = [context.Process(target=_work, args=(function, waiting, told, os.getpid()), daemon=True) for _ in range(count)]
    for process in processes:
        process.start()
    try:
        _listen(processes, told, handle)
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.join()


def _listen(processes: list[Any], told: Any, handle: Emit) -> None:
    working = len(processes)
    while working:
        try:
            what, value = told.get(timeout=0.5)
        except queue.Empty:
            dead = [process.exitcode for process in processes if process.exitcode not in (None, 0)]
            if dead:
                raise MachineGaveOut(
                    f"a worker was killed (exit code {dead[0]}), out of memory perhaps; run the same command again to go on, with fewer --workers"
                ) from None
            continue
        if what == "done":
            working -= 1
        elif what == "failed":
            kind, message = value
            raise _FAILURES.get(kind, RuntimeError)(message)
        else:
            handle(value)


_FAILURES: dict[str, type[Exception]] = {one.__name__: one for one in (BadInput, GateFailed, MachineGaveOut, MemoryError)}


def _work(function: Callable[[Any, Emit], None], waiting: Any, told: Any, parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()
    try:
        while (item := waiting.get()) is not None:
            function(item, lambda value: told.put(("event", value)))
        told.put(("done", None))
    except (OutcrossError, MemoryError) as error:
        told.put(("failed", (type(error).__name__, str(error))))
    except Exception as error:
        told.put(("failed", ("", f"{type(error).__name__}: {error}")))
        if os.environ.get("OUTCROSS_DEBUG"):
            raise
    told.close()
    told.join_thread()
    sys.exit(0)


def _follow(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
