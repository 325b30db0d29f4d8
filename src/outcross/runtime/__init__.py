"""The place of work: this process, several processes on this machine, or a Ray cluster. It is never part of an experiment's identity."""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import queue
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from outcross import own_parts, own_source
from outcross.errors import BadInput, GateFailed, MachineGaveOut, OutcrossError, missing_extra

Item = TypeVar("Item")
Result = TypeVar("Result")
Emit = Callable[[Any], None]

telling: ContextVar[Callable[[float], None]] = ContextVar("telling", default=lambda share: None)
"""The function that receives the progress of the current step, a fraction in [0, 1]: `telling.get()(0.5)`."""

working: ContextVar[Path | None] = ContextVar("working", default=None)
"""A folder for the intermediate results of the current step, which the step finds again after an interruption. The step creates it when needed, and it
is removed when the step has ended. None if nothing is stored."""


def device() -> str:
    """Return the device on which networks are trained and sampled, as given by --device."""
    return os.environ.get("OUTCROSS_DEVICE", "cpu")


@contextmanager
def on_device(name: str) -> Iterator[None]:
    """Train and sample networks on this device meanwhile, in this process and in the processes that it starts."""
    before = os.environ.get("OUTCROSS_DEVICE")
    os.environ["OUTCROSS_DEVICE"] = name
    try:
        yield
    finally:
        if before is None:
            del os.environ["OUTCROSS_DEVICE"]
        else:
            os.environ["OUTCROSS_DEVICE"] = before


def free_memory() -> int | None:
    """Return the number of bytes that this process can still allocate: the free memory of the machine, within the limits of its control group.

    None if unknown.
    """
    free = [_said_in(Path("/proc/meminfo"), "MemAvailable:", 1024)]
    group = Path("/sys/fs/cgroup")
    limit, used = _said_in(group / "memory.max"), _said_in(group / "memory.current")
    if limit is not None and used is not None:
        free.append(max(0, limit - used))
    return min((size for size in free if size is not None), default=None)


def _said_in(file: Path, name: str = "", unit: int = 1) -> int | None:
    """Return the number after a name in a system file, or None if there is none."""
    try:
        line = next((line for line in file.read_text().splitlines() if line.startswith(name)), "")
        return int(line.removeprefix(name).split()[0]) * unit
    except (OSError, ValueError, IndexError):
        return None


@dataclass(frozen=True)
class Where:
    """The place of work."""

    workers: int = 1
    """Number of items that are processed at the same time, one process each. 1 is this process."""
    ray: str | None = None
    """Address of a Ray cluster, or "local" to start one here. Its machines must share the folder that the items name."""


def side_by_side(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Return the results of a function for all items, in order, computed by two threads of this process. It is for work outside of Python's global lock.

    Raises the error of the first item that has one.
    """
    if len(items) < 2:
        return [function(item) for item in items]
    threads = ThreadPoolExecutor(2)
    try:
        return [future.result() for future in [threads.submit(copy_context().run, function, item) for item in items]]
    finally:
        threads.shutdown(wait=False, cancel_futures=True)  # after an error or Ctrl-C, do not wait for the other thread


def map(
    function: Callable[[Item, Emit], Item | None],
    items: Sequence[Item],
    handle: Emit,
    where: Where,
) -> None:
    """Call `function(item, emit)` for every item. Emitted values are passed to `handle` in this process as they come.

    A function may stop early and return the rest of its item, which then waits behind the other items. So many items progress evenly on few workers.
    With several workers, the items run in that many new processes. Each has its own copy of the function, which may keep data between items.
    Function and items must be importable. An error of one item stops all, Ctrl-C stops all immediately, and a process whose parent has died ends itself.

    ProcessPoolExecutor and joblib are not used, because both leave processes running when the parent is killed (the processes here end within 0.5 s), and
    neither passes on emitted values. At Ctrl-C, ProcessPoolExecutor waits for all running items, and joblib takes 0.65 s instead of 0.2 s to start
    processes.
    """
    if where.ray is not None:
        _map_on_ray(function, items, handle, where.workers, where.ray)
        return
    if where.workers == 1 or len(items) < 2:
        waiting = deque(items)
        while waiting:
            rest = function(waiting.popleft(), handle)
            if rest is not None:
                waiting.append(rest)
        return
    # After Ctrl-C, multiprocessing's tracker may clean up a semaphore. Its warning is of no use to the user.
    os.environ["PYTHONWARNINGS"] = ",".join(filter(None, [os.environ.get("PYTHONWARNINGS"), "ignore:resource_tracker"]))
    leave_to_parent()
    context = multiprocessing.get_context("spawn")
    queued, answers = context.Queue(), context.Queue()  # their feeder threads never block, for any number of waiting items
    queued.cancel_join_thread()
    for item in items:
        queued.put(item)
    count = min(where.workers, len(items))
    processes = [context.Process(target=_work, args=(function, queued, answers, os.getpid()), daemon=True) for _ in range(count)]
    with _known_as_parent():
        for process in processes:
            process.start()
    try:
        _listen(processes, queued, answers, len(items), handle)
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.join()


PARENT = "OUTCROSS_PARENT"
"""The environment variable with the id of a worker's parent process, while the worker imports the script of the parent."""
UNGUARDED = 88
"""The exit code of a worker whose script starts workers itself while it is imported."""
_is_at_work = False


@contextmanager
def _known_as_parent() -> Iterator[None]:
    """Tell workers that are started meanwhile the id of their parent process."""
    before = os.environ.get(PARENT)
    os.environ[PARENT] = str(os.getpid())
    try:
        yield
    finally:
        if before is None:
            del os.environ[PARENT]
        else:
            os.environ[PARENT] = before


def leave_to_parent() -> None:
    """End this process if it is a worker that is importing its parent's script and is about to start workers itself.

    The parent then reports the error.
    """
    if not _is_at_work and os.environ.get(PARENT) == str(os.getppid()):
        os._exit(UNGUARDED)


def _listen(processes: list[Any], queued: Any, answers: Any, unfinished: int, handle: Emit) -> None:
    while unfinished:
        try:
            what, value = answers.get(timeout=0.5)
        except queue.Empty:
            dead = [process.exitcode for process in processes if process.exitcode is not None]
            if UNGUARDED in dead:
                raise BadInput(
                    "several workers are processes that import your script again, but the script has no guard; put its code under "
                    "if __name__ == '__main__': or use workers=1"
                ) from None
            if dead:
                raise MachineGaveOut(
                    f"a worker was killed (exit code {dead[0]}), perhaps because memory ran out; "
                    "run the same command again with fewer --workers to continue"
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


def _map_on_ray(function: Callable[[Any, Emit], Any], items: Sequence[Any], handle: Emit, workers: int, address: str) -> None:
    """Run each turn of an item as a Ray task.

    Emitted values arrive when the task ends. A cluster that this process has already joined is used and kept.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
        from ray.exceptions import RayError
    except ImportError:
        raise missing_extra("ray", "ray") from None
    shipped = own_parts.shipped()
    _check_answers(address)
    is_ours = not ray.is_initialized()
    place: dict[str, Any] = {"num_cpus": workers, "include_dashboard": False} if address == "local" else {"address": address}
    try:
        if is_ours:
            ray.init(**place, log_to_driver=False, logging_level=logging.ERROR, configure_logging=False)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise MachineGaveOut(
            f"--ray {address}: no cluster answers there ({error}); use --ray local or the address of a cluster"
        ) from None
    try:
        turn = ray.remote(num_cpus=1, max_retries=0)(_turn)
        environment = {
            name: value for name, value in os.environ.items() if name.startswith(("OUTCROSS_", "OMP_", "PYTHONHASHSEED"))
        }
        packed_function = pickle.dumps(function)
        pending = [turn.remote(shipped, packed_function, pickle.dumps(item), environment) for item in items]
        while pending:
            ended, pending = ray.wait(pending, num_returns=1)
            try:
                events, packed, failure = ray.get(ended[0])
            except RayError as error:
                raise MachineGaveOut(
                    f"a Ray worker was lost ({type(error).__name__}); run the same command again to continue"
                ) from None
            for event in pickle.loads(events):
                handle(event)
            if failure is not None:
                kind, message = failure
                raise _FAILURES.get(kind, RuntimeError)(message)
            if packed is not None:
                pending.append(turn.remote(shipped, packed_function, packed, environment))
    finally:
        if is_ours:
            ray.shutdown()


def _check_answers(address: str) -> None:
    """Raise MachineGaveOut if a host does not answer within five seconds. Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except OSError as error:
        raise MachineGaveOut(
            f"--ray {address}: nothing answers there ({error.strerror or error}); use --ray local or a cluster's address"
        ) from None


def _turn(
    shipped: own_source.Shipped, packed_function: bytes, packed: bytes, environment: dict[str, str]
) -> tuple[bytes, bytes | None, tuple[str, str] | None]:
    """Run one turn of an item. Returns the emitted values, the rest of the item, and its error.

    Values are sent as bytes, because a machine can read them only after it has the source of the user-defined parts.
    """
    os.environ.update(environment)
    events: list[Any] = []
    try:
        shipped.unpack()
        rest = pickle.loads(packed_function)(pickle.loads(packed), events.append)
        return pickle.dumps(events), None if rest is None else pickle.dumps(rest), None
    except (OutcrossError, MemoryError) as error:
        return pickle.dumps(events), None, (type(error).__name__, str(error))
    except Exception as error:
        return pickle.dumps(events), None, ("", f"{type(error).__name__}: {error}")


_FAILURES: dict[str, type[Exception]] = {
    failure.__name__: failure for failure in (BadInput, GateFailed, MachineGaveOut, MemoryError)
}


def _work(function: Callable[[Any, Emit], Any], queued: Any, answers: Any, parent: int) -> None:
    global _is_at_work
    _is_at_work = True
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()
    while True:
        try:
            answers.put(("rest", function(queued.get(), lambda value: answers.put(("event", value)))))
        except (OutcrossError, MemoryError) as error:
            answers.put(("failed", (type(error).__name__, str(error))))
        except Exception as error:
            answers.put(("failed", ("", f"{type(error).__name__}: {error}")))
            if os.environ.get("OUTCROSS_DEBUG"):
                raise


def _follow(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
