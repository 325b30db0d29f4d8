"""A recipe: a frozen, validated value that says what to do, apart from the code that does it.

`recipe` makes such a class, `read` makes one from YAML, `plain` turns one back into plain data (its identity).
"""

from __future__ import annotations

import difflib
import functools
import importlib
import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass, replace
from dataclasses import dataclass as plain_dataclass
from typing import Any, dataclass_transform

import numpy as np
from pydantic import BeforeValidator, ConfigDict, PlainValidator, ValidationError
from pydantic.dataclasses import dataclass
from pydantic_core import core_schema

from outcross.errors import BadInput

Family = Mapping[str, "str | type"]
"""Members by name: a class, or "module:Class" so that naming a member costs no import."""


@dataclass_transform(frozen_default=True, kw_only_default=True)
def recipe(cls: type) -> Any:
    """Make `cls` a frozen dataclass whose values are checked when it is made; a bad value raises BadInput.

    The check is strict: `true` is no number, nor is a number in quotes. NumPy's numbers, words and truths are Python's.
    """
    made = dataclass(cls, frozen=True, kw_only=True, config=ConfigDict(extra="forbid", allow_inf_nan=False, strict=True))
    checked = made.__init__

    @functools.wraps(checked)
    def __init__(self, *args, **kwargs):
        try:
            checked(self, *args, **{name: of_python(value) for name, value in kwargs.items()})
        except ValidationError as error:
            raise BadInput(explain(error, known=[field.name for field in fields(cls)])) from None

    made.__init__ = __init__
    return made


def of_python(value: Any) -> Any:
    """A value with NumPy's scalars, also those in lists and mappings, as Python's of the same value; all else as it is.

    >>> of_python({"rows": np.int64(5), "shares": [np.float64(0.5), True]})
    {'rows': 5, 'shares': [0.5, True]}
    """
    if isinstance(value, np.bool_ | np.integer | np.floating | np.str_):
        return value.item()
    if type(value) is dict:
        return {of_python(key): of_python(inner) for key, inner in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(of_python, value))
    return value


def kind(value: object) -> str:
    """The name of a recipe in its family: its class name in snake case, without the protocol's name where it ends in that.

    So two families may have members of one name, whose classes are called differently. A class that is called as its protocol keeps its name.

    >>> class Source: pass
    >>> class Normal(Source): pass
    >>> class ZipfianStatesSource(Source): pass
    >>> kind(Normal()), kind(ZipfianStatesSource())
    ('normal', 'zipfian_states')
    """
    name = type(value).__name__
    for protocol in type(value).__mro__[1:-1]:
        name = name.removesuffix(protocol.__name__) or name
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def member(family: Family, name: str, what: str) -> type:
    """The class called `name` in a family, imported now; BadInput with the nearest name where there is none."""
    if name not in family:
        raise BadInput(f"unknown {what} {name!r}{nearest(name, family)}; known: {', '.join(family)}")
    found = family[name]
    if isinstance(found, str):
        module, _, attribute = found.partition(":")
        found = getattr(importlib.import_module(module), attribute)
    return found  # type: ignore[return-value]


def read(family: Family, value: object, what: str) -> Any:
    """A member of a family from plain data.

    A plain word is a kind (`policy: replace`); a mapping names its kind (`{kind: human_share, share: 0.1}`) or is
    keyed by it (`{pretrained: {steps: 1500}}`); a recipe is passed through.
    """
    if isinstance(value, str):
        return _make(member(family, value, what), {}, what)
    if isinstance(value, Mapping):
        arguments = dict(value)
        if "kind" in arguments:
            return _make(member(family, str(arguments.pop("kind")), what), arguments, what)
        if len(arguments) == 1 and isinstance(inner := next(iter(arguments.values())), Mapping):
            return _make(member(family, str(next(iter(arguments))), what), dict(inner), what)
        raise BadInput(f"{what} must name its kind; write {what}: {{kind: {next(iter(family))}, …}}")
    if is_dataclass(value) and kind(value) in family:
        return value
    raise BadInput(f"{what} must be one of {', '.join(family)}, got {value!r:.80}")


def _make(cls: type, arguments: dict[str, Any], what: str) -> Any:
    try:
        return cls(**{str(key): value for key, value in arguments.items()})
    except BadInput as error:
        raise BadInput(f"{what}.{error}") from None


@plain_dataclass(frozen=True)
class Nested:
    """The pydantic annotation of a field whose value has settings of its own: how it is read, and which recipe or family it belongs to."""

    read: Callable[[Any], Any]
    recipe: type | None = None
    family: Family | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        return core_schema.no_info_plain_validator_function(self.read)


def one_of(family: Family, what: str, or_none: bool = False) -> Any:
    """The pydantic annotation of a field that holds a member of a family."""
    return Nested(lambda value: None if value is None and or_none else read(family, value, what), family=family)


def exactly(cls: type, what: str, or_none: bool = False) -> Any:
    """The pydantic annotation of a field that holds one kind of recipe, given as such or as a mapping."""

    def validate(value: object) -> Any:
        if isinstance(value, cls) or (value is None and or_none):
            return value
        if not isinstance(value, Mapping):
            raise BadInput(f"{what} must be a mapping of settings, got {value!r:.80}")
        return _make(cls, dict(value), what)

    return Nested(validate, recipe=cls)


def settings_of(cls: type | None, name: str, value: Any) -> tuple[dict[str, Any], type | None] | None:
    """The settings that the value of the field `name` of the recipe `cls` has, as a mapping that one more can be put into, and their recipe.

    A plain word names its kind, a mapping keyed by its kind (`{pretrained: {…}}`) says it under `kind`, and where no kind is given it is
    that of the field's default. None for a value that has no settings; the recipe is None where it is not known.

    >>> from outcross.models.schedule import Schedule
    >>> settings_of(Schedule, "start", None)[0], settings_of(Schedule, "start", {"scratch": {}})[0]
    ({'kind': 'pretrained'}, {'kind': 'scratch'})
    """
    nested = _nested(cls, name)
    if nested is None:
        return (dict(value), None) if isinstance(value, Mapping) else ({}, None) if value is None else None
    if is_dataclass(value) and not isinstance(value, type):
        value = plain(value)
    if nested.family is None:
        return (dict(value) if isinstance(value, Mapping) else {}), nested.recipe
    if isinstance(value, str):
        value = {"kind": value}
    elif not isinstance(value, Mapping):
        value = {}
    elif len(value) == 1 and isinstance(inner := next(iter(value.values())), Mapping):
        value = {"kind": next(iter(value))} | dict(inner)
    if "kind" not in value and (default := _default(cls, name)) is not None:
        value = {"kind": kind(default)} | dict(value)
    own = str(value.get("kind"))
    return dict(value), member(nested.family, own, name) if own in nested.family else None


def _nested(cls: type | None, name: str) -> Nested | None:
    field = getattr(cls, "__pydantic_fields__", {}).get(name)
    return next((one for one in field.metadata if isinstance(one, Nested)), None) if field is not None else None


def _default(cls: type | None, name: str) -> Any:
    """The value of a field that is left out; None where it is needed."""
    field = next(one for one in fields(cls) if one.name == name)  # type: ignore[arg-type]
    if field.default_factory is not MISSING:
        return field.default_factory()
    return None if field.default is MISSING else field.default


def many_of(family: Family, what: str) -> Any:
    """The pydantic annotation of a field that holds a tuple of members of a family."""

    def validate(values: object) -> tuple[Any, ...]:
        if isinstance(values, str) or not isinstance(values, list | tuple):
            raise BadInput(f"{what} must be a list, got {values!r:.80}")
        return tuple(read(family, value, what) for value in values)

    return PlainValidator(validate)


def from_list(value: object) -> object:
    """A list as YAML has it, as the tuple that a strict field wants."""
    return tuple(value) if isinstance(value, list) else value


FROM_LIST = BeforeValidator(from_list)
"""The pydantic annotation of a field that holds a tuple of plain values."""


def filled(value: Any, **defaults: Any) -> Any:
    """A recipe with these values in the place of those that were left out (None)."""
    return replace(value, **{name: default for name, default in defaults.items() if getattr(value, name) is None})


def plain(value: Any) -> Any:
    """A recipe as plain data (dicts, lists, numbers, words) from which it is made again: its identity.

    A member of a family (it has a protocol above it) says its kind.
    """
    if is_dataclass(value) and not isinstance(value, type):
        own_kind = {} if type(value).__bases__ == (object,) else {"kind": kind(value)}
        return own_kind | {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a recipe holds plain values only, got {type(value).__name__}")


def flatten(told: Any, prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one with dotted keys.

    >>> flatten({"policy": {"kind": "human_share", "share": 0.1}})
    {'policy.kind': 'human_share', 'policy.share': 0.1}
    """
    if not isinstance(told, Mapping) or not told:
        return {prefix: told}
    inner = [flatten(value, f"{prefix}.{name}" if prefix else str(name)) for name, value in told.items()]
    return {key: value for one in inner for key, value in one.items()}


def unflatten(flat: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `flatten`."""
    told: dict[str, Any] = {}
    for key, value in flat.items():
        *path, last = key.split(".")
        inner = told
        for name in path:
            inner = inner.setdefault(name, {})
        inner[last] = value
    return told


_ABSENT = object()


def nearest(name: str, known: Any) -> str:
    """The hint that names the nearest known word, or nothing."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def explain(error: ValidationError, known: list[str]) -> str:
    """The first complaint of a validation in one line: where, the rule, the value."""
    complaints = error.errors(include_url=False, include_context=True)
    first = min(
        complaints, key=lambda one: not one["type"].startswith(("unexpected", "extra"))
    )  # a misspelt key is also a missing one
    where = ".".join(str(part) for part in first["loc"] if not str(part).startswith("function-"))
    if first["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        return f"{where} is not known{nearest(where, known)}; known: {', '.join(known) or 'none'}"
    if first["type"] in ("missing", "missing_argument", "missing_keyword_only_argument"):
        return f"{where} is needed"
    message = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    if first["type"] == "value_error":
        return message if not where or message.startswith((where, "unknown ")) else f"{where} {message}"
    return f"{where} must be {message}, got {first['input']!r:.80}"
