"""A question is written once: its fields are the options of a command and the keywords of the Python function of the same name."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable
from dataclasses import fields
from typing import ParamSpec, TypeVar

from outcross import runtime
from outcross.errors import BadInput

P = ParamSpec("P")
Q = TypeVar("Q")
R = TypeVar("R")


def asks(question: Callable[P, Q], answer: Callable[[Q], R]) -> Callable[P, R]:
    """The Python function of a verb: it takes the fields of the question and returns the answer. BadInput names a keyword that is no field."""
    signature = inspect.signature(question)

    @functools.wraps(answer)
    def ask(*given: P.args, **named: P.kwargs) -> R:
        for word in named:
            if word not in signature.parameters:
                from outcross.recipe import nearest

                known = list(signature.parameters)
                raise BadInput(f"there is no option {word!r}{nearest(word, known)}; known: {', '.join(known)}")
        asked = question(*given, **named)
        check_not_empty(asked)
        return answer(asked)

    ask.__signature__ = signature  # type: ignore[attr-defined]
    return ask


def check_not_empty(asked: object) -> None:
    """BadInput for a field of a question that is an empty text, unless that is what it is if left out."""
    for own in fields(asked):  # type: ignore[arg-type]
        value = getattr(asked, own.name)
        if isinstance(value, str) and not value and own.default != "":
            raise BadInput(f"{own.name} is empty; give a value, or leave it out")


def check_workers(workers: int | None) -> None:
    """BadInput for a number of workers below 1. A worker that reads an unguarded script ends here, before it does the script's work again."""
    if workers is not None and workers < 1:
        raise BadInput(f"--workers must be at least 1, got {workers}")
    if workers is not None and workers > 1:
        runtime.leave_to_parent()


def as_many_as_cores(limit: int | None = None) -> int:
    """A worker a core, at most so many where a number is given."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores if limit is None else max(1, min(cores, limit))
