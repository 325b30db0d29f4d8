"""One thread for each library that computes, since several processes use the other cores."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""The environment variables that OpenMP, OpenBLAS and MKL read when they are loaded."""


def loaded_libraries() -> Any:
    """Return the BLAS and OpenMP libraries that this process has loaded, for `one_thread_each`. Looking for them takes milliseconds."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@contextmanager
def environment(names: Iterable[str], value: str) -> Iterator[None]:
    """Set variables of the environment meanwhile. Processes that are started meanwhile inherit them."""
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(before, value))
    try:
        yield
    finally:
        for name, former in before.items():
            if former is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = former


@contextmanager
def one_thread_each(libraries: Any = None) -> Iterator[None]:
    """Limit BLAS and OpenMP to one thread within the block: the given `libraries`, all that are loaded now, and those of processes started within it.

    Outcross computes with many small matrices, for which threads of BLAS mostly wait for each other: `fairness-mnist` takes 33 seconds of processor time
    with two threads and 14 with one. `--workers` uses the other cores. The last digits of a result also depend on the number of threads, so
    they would depend on the machine.
    """
    loaded = loaded_libraries() if libraries is None else libraries
    with environment(VARIABLES, "1"), loaded.limit(limits=1):
        yield
