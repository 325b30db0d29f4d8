"""Cyclopts works out a command's options anew for every command line, and the check of each value: two thirds of the time of a small one.

A process parses one command line where people use it, and thousands in the tests. Here the options of a command are worked out once a process; every
command line gets copies that hold no value yet.
"""

import copy
import functools
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pydantic
import pytest
from cyclopts import App, ArgumentCollection


def parse_commands_once(patch: pytest.MonkeyPatch) -> None:
    """Have every command line of this process read by options that were worked out for the first one of its command."""
    patch.setattr(App, "assemble_argument_collection", _once_a_command(App.assemble_argument_collection))
    patch.setattr(pydantic, "TypeAdapter", _once_a_type(pydantic.TypeAdapter))


def _once_a_command(assemble: Callable[..., ArgumentCollection]) -> Callable[..., ArgumentCollection]:
    every: dict[Any, ArgumentCollection] = {}

    @functools.wraps(assemble)
    def assembled(app: App, **settings: Any) -> ArgumentCollection:
        key = (app.default_command, *sorted(settings.items()))
        if key not in every:
            every[key] = assemble(app, **settings)
        return _without_values(every[key])

    return assembled


def _without_values(arguments: ArgumentCollection) -> ArgumentCollection:
    copies = {id(argument): copy.copy(argument) for argument in arguments}
    for argument in copies.values():
        argument.tokens = []
        argument.children = ArgumentCollection(copies[id(child)] for child in argument.children)
    return ArgumentCollection(copies.values())


def _once_a_type(adapter: Callable[[Any], Any]) -> Callable[[Any], Any]:
    every = functools.cache(adapter)

    def adapted(kind: Any, *settings: Any, **named: Any) -> Any:
        with suppress(TypeError):  # a type that cannot be hashed
            if not settings and not named:
                return every(kind)
        return adapter(kind, *settings, **named)

    return adapted
