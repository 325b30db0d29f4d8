"""Where work is done: this process, or several on this machine. Never part of an experiment's identity."""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import threading
import time
from collections import deque
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


def map(function: Callable[[Item, Emit], Item | None], items: Sequence[Item], handle: Emit, workers: int = 1) -> None:
    """Call `function(item, emit)` for every item; what it emits reaches `handle`, here, as it comes.

    A function may stop half-way and return the rest of its item, which then waits for its next turn behind the others: so many items
    stay even on few workers. With several workers the items run in as many processes, started afresh; function and items must be
    importable. An error of one stops all; Ctrl-C stops all at once; a process whose parent died stops by itself.
    """
    if workers == 1 or len(items) < 2:
        waiting = deque(items)
        while waiting:
            rest = function(waiting.popleft(), handle)
            if rest is not None:
                waiting.append(rest)
        return
    context = multiprocessing.get_context("spawn")
    queued, told = context.SimpleQueue(), context.Queue()
    for item in items:
        queued.put(item)
    count = min(workers, len(items))
    processes = [context.Process(target=_work, args=(function, queued, told, os.getpid()), daemon=True) for _ in range(count)]
    for process in processes:
        process.start()
    try:
        _listen(processes, queued, told, len(items), handle)
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.join()


def _listen(processes: list[Any], queued: Any, told: Any, unfinished: int, handle: Emit) -> None:
    while unfinished:
        try:
            what, value = told.get(timeout=0.5)
        except queue.Empty:
            dead = [process.exitcode for process in processes if process.exitcode is not None]
            if dead:
                raise MachineGaveOut(
                    f"a worker was killed (exit code {dead[0]}), out of memory perhaps; "
                    "run the same command again to go on, with fewer --workers"
                ) from None
            continue
        if what == "event":
            handle(value)
        elif what == "failed":
            kind, message = value
            raise _FAILURES.get(kind, RuntimeError)(message)
        elif value is None:
            unfinished -= 1
        else:
            queued.put(value)


_FAILURES: dict[str, type[Exception]] = {one.__name__: one for one in (BadInput, GateFailed, MachineGaveOut, MemoryError)}


def _work(function: Callable[[Any, Emit], Any], queued: Any, told: Any, parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()
    while True:
        try:
            told.put(("rest", function(queued.get(), lambda value: told.put(("event", value)))))
        except (OutcrossError, MemoryError) as error:
            told.put(("failed", (type(error).__name__, str(error))))
        except Exception as error:
            told.put(("failed", ("", f"{type(error).__name__}: {error}")))
            if os.environ.get("OUTCROSS_DEBUG"):
                raise


def _follow(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
