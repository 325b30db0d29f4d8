"""A question is written once: its fields are the options of a command and the keywords of the Python function of the same name."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Iterable
from typing import ParamSpec, TypeVar

from outcross.errors import BadInput

P = ParamSpec("P")
Q = TypeVar("Q")
R = TypeVar("R")


def asks(question: Callable[P, Q]) -> Callable[[Callable[[Q], R]], Callable[P, R]]:
    """Make a function of a question one that takes the fields of the question. BadInput names a keyword that the question has not."""
    signature = inspect.signature(question)

    def decorate(answer: Callable[[Q], R]) -> Callable[P, R]:
        @functools.wraps(answer)
        def ask(*given: P.args, **named: P.kwargs) -> R:
            check_known(answer.__name__, named, signature.parameters)
            return answer(question(*given, **named))

        ask.__signature__ = signature  # type: ignore[attr-defined]
        return ask

    return decorate


def check_known(verb: str, named: Iterable[str], known: Iterable[str]) -> None:
    """BadInput where a keyword is none of a question's fields."""
    from outcross.recipe import nearest

    fields = list(known)
    for word in named:
        if word not in fields:
            raise BadInput(f"{verb} has no {word!r}{nearest(word, fields)}; known: {', '.join(fields)}")


def check_workers(workers: int | None) -> None:
    """BadInput for a number of workers below 1."""
    if workers is not None and workers < 1:
        raise BadInput(f"--workers must be at least 1, got {workers}")


def as_many_as_cores(most: int) -> int:
    """A worker a core, at most so many."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, most))
