"""Questions. The fields of a question are both the options of a command and the keywords of the Python function of the same name."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any, ParamSpec, TypeVar

from outcross import runtime
from outcross.errors import BadInput

P = ParamSpec("P")
Q = TypeVar("Q")
R = TypeVar("R")
T = TypeVar("T")


def asks(question: Callable[P, Q], answer: Callable[[Q], R]) -> Callable[P, R]:
    """The Python function of a verb. It takes the fields of the question and returns the answer.

    It raises BadInput, with the nearest field, for a keyword that is not a field.
    """
    signature = inspect.signature(question)

    @functools.wraps(answer)
    def ask(*given: P.args, **named: P.kwargs) -> R:
        _check_known(named, list(signature.parameters))
        asked = question(*given, **named)
        check_not_empty(asked)
        return answer(asked)

    ask.__signature__ = signature  # type: ignore[attr-defined]
    return ask


def settings_apart(
    named: Mapping[str, T], settings: Sequence[str], question: Callable[..., Any]
) -> tuple[dict[str, T], dict[str, T]]:
    """Divide the keywords of a verb that reads a file into settings, which are keys of the file, and options, which are fields of its question.

    Raises BadInput, with the nearest word, for a keyword that is neither.
    """
    _check_known(named, [*inspect.signature(question).parameters, *settings])
    of_file = {name: value for name, value in named.items() if name in settings}
    return of_file, {name: value for name, value in named.items() if name not in settings}


def _check_known(named: Iterable[str], known: Sequence[str]) -> None:
    for word in named:
        if word not in known:
            from outcross.recipe import nearest

            raise BadInput(f"there is no option {word!r}{nearest(word, known)}; known: {', '.join(known)}")


def check_not_empty(asked: object) -> None:
    """Raise BadInput if a field of a question is an empty string and that is not its default."""
    for own in fields(asked):  # type: ignore[arg-type]
        value = getattr(asked, own.name)
        if isinstance(value, str) and not value and own.default != "":
            raise BadInput(f"{own.name} is empty; give a value, or leave it out")


def check_workers(workers: int | None) -> None:
    """Raise BadInput if the number of workers is below 1.

    A worker process that executes a script without a `__main__` guard ends here, before it repeats the work of the script.
    """
    if workers is not None and workers < 1:
        raise BadInput(f"--workers must be at least 1, got {workers}")
    if workers is not None and workers > 1:
        runtime.leave_to_parent()


def as_many_as_cores(limit: int | None = None) -> int:
    """The number of CPU cores that this process may use, at most `limit` if that is given."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores if limit is None else max(1, min(cores, limit))
