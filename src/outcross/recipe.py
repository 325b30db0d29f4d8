"""Recipes: frozen, validated values that describe what to do, apart from the code that does it.

`recipe` makes a class of recipes, `read` makes a recipe from YAML, and `plain` turns a recipe back into plain data (its identity).
"""

from __future__ import annotations

import contextlib
import difflib
import functools
import importlib
import inspect
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass, make_dataclass, replace
from dataclasses import dataclass as plain_dataclass
from dataclasses import field as plain_field
from typing import Any, dataclass_transform

import numpy as np
from pydantic import BeforeValidator, ConfigDict, PlainValidator, ValidationError
from pydantic.dataclasses import dataclass
from pydantic_core import core_schema

from outcross import own_parts, own_source
from outcross.errors import BadInput


class Family(dict[str, "str | type"]):
    """The members of a family by name. A value is a class, or "module:Class" for a member that is imported only when it is used.

    A family with a name and a protocol is open: users add members of their own, which are instances of the protocol. A user's member is given as an
    instance, as `my_parts.py:Half` in a file or module that was imported on request (`own_parts`), or by an entry point of an installed package
    (`outcross.NAME`). The mapping contains only the built-in members, so that defaults do not depend on the installed packages.
    """

    def __init__(
        self, members: Mapping[str, str | type], *, name: str = "", protocol: type | None = None, page: type | None = None
    ):
        super().__init__(members)
        self.name = name
        """The name under which packages offer members, as in `outcross.policies`; empty for a closed family."""
        self.protocol = protocol
        self.page = page
        """The type of the pages that describe members; None if members have no pages."""
        self.of_users: dict[str, type] = {}
        """The users' members that were read in this process, by their reference."""

    def __or__(self, others: Mapping[str, str | type]) -> Family:  # type: ignore[override]
        return Family({**self, **others}, name=self.name, protocol=self.protocol, page=self.page)

    @property
    def is_open(self) -> bool:
        return self.protocol is not None

    def may_have(self, name: str) -> bool:
        """Whether a name may belong to a member: a built-in one, a user's class, or an entry point."""
        return name in self or (self.is_open and (":" in name or name in own_parts.offered(self.name)))

    def of_user(self, name: str, what: str) -> type | None:
        """The user's class of this name; None if there is none. Raises BadInput if it may not be imported or is not a member."""
        if not self.is_open:
            return None
        if ":" in name:
            return self.admitted(own_parts.find(name, what), what)
        offered = own_parts.entry(self.name, name, what)
        if offered is None:
            return None
        cls = own_parts.loaded(offered)
        if isinstance(cls, type) and _kind_of(cls) != name:
            raise BadInput(
                f"the entry point {name} of {own_parts.distribution(offered)} names {cls.__name__}, which is called {_kind_of(cls)}; "
                "give the entry point that name"
            )
        if isinstance(cls, type):
            own_parts.name(cls, name)
        return self.admitted(cls, what)

    def admitted(self, cls: type, what: str) -> type:
        """Check that a user's class is a member, and return it. BadInput names the class, its file and line, and what is wrong."""
        assert self.protocol is not None
        if not isinstance(cls, type) or not issubclass(cls, self.protocol):
            base = f"{self.protocol.__module__}.{self.protocol.__qualname__}"
            where = own_source.place_of(cls) if isinstance(cls, type) else repr(cls)[:80]
            raise BadInput(f"{what}: {where} does not derive from {self.protocol.__name__}; derive it from {base}")
        if cls in self.of_users.values() or not own_parts.is_own(cls):
            return cls
        if not is_dataclass(cls) or not cls.__dataclass_params__.frozen:  # type: ignore[attr-defined]
            raise BadInput(
                f"{what}: {own_source.place_of(cls)} is not a frozen value; write @recipe above the class (from outcross.recipe import recipe)"
            )
        if (called := _kind_of(cls)) in self and own_parts.reference(cls) != called:
            raise BadInput(f"{what}: {own_source.place_of(cls)} has the name of a built-in part, {called}; rename the class")
        if lacking := _lacking(cls, self.protocol):
            raise BadInput(f"{what}: {own_source.place_of(cls)} {lacking}")
        own_parts.know(cls)
        self.of_users[own_parts.reference(cls)] = cls
        return cls


def _lacking(cls: type, protocol: type) -> str:
    """What a class lacks to follow its protocol, in words: a value, a method, or the arguments of a method. Empty if nothing is missing."""
    for name in _needed(protocol):
        if not hasattr(cls, name):
            return f"has no attribute {name}; write {name} = … in the class"
    for name, promised in vars(protocol).items():
        if not inspect.isfunction(promised) or (name.startswith("_") and name != "__call__"):
            continue
        method = getattr(cls, name)
        if method is promised:
            if is_abstract(promised) and not (name == "__call__" and getattr(cls, "compares", False)):
                return f"has no {name}; write def {name}{_arguments(promised)}"
            continue
        positional = [
            parameter for parameter in inspect.signature(promised).parameters.values() if parameter.default is parameter.empty
        ]
        try:
            inspect.signature(method).bind(*positional)
        except TypeError:
            return f"has {own_source.place_of(cls, name)} with the arguments {_arguments(method)}; it is called with {_arguments(promised)}"
    return ""


def _needed(protocol: type) -> list[str]:
    """The class variables that every member of a protocol must set."""
    declared = {name: hint for base in reversed(protocol.__mro__) for name, hint in vars(base).get("__annotations__", {}).items()}
    return [name for name, hint in declared.items() if str(hint).startswith("ClassVar") and not hasattr(protocol, name)]


def is_abstract(function: Any) -> bool:
    """Whether a method of a protocol is abstract, so that a member must define it."""
    return "NotImplementedError" in function.__code__.co_names


def _arguments(function: Any) -> str:
    return "(" + ", ".join(inspect.signature(function).parameters) + ")"


@dataclass_transform(frozen_default=True, kw_only_default=True)
def recipe(cls: type) -> Any:
    """Make `cls` a frozen dataclass that checks its values when an instance is created. A bad value raises BadInput.

    The check is strict: neither `true` nor a number in quotes counts as a number. NumPy's numbers, strings and booleans count as those of Python.
    """
    _check_annotations(cls)
    checked_class = dataclass(cls, frozen=True, kw_only=True, config=ConfigDict(extra="forbid", allow_inf_nan=False, strict=True))
    checked = checked_class.__init__

    @functools.wraps(checked)
    def __init__(self, *args, **kwargs):
        if args:
            names = [field.name for field in fields(cls)]
            shown = ", ".join([f"{name}={value!r:.40}" for name, value in zip(names, args, strict=False)])
            raise BadInput(
                f"{cls.__name__} takes its settings by name: {cls.__name__}({shown})"
                if names
                else f"{cls.__name__} has no settings, got {args[0]!r:.40}; write {cls.__name__}()"
            )
        try:
            checked(self, **{name: of_python(value) for name, value in kwargs.items()})
        except ValidationError as error:
            raised = (complaint.get("ctx", {}).get("error") for complaint in error.errors(include_url=False))
            blamed = next((message for cause in raised if isinstance(cause, Exception) and (message := _blame(cause, cls))), "")
            raise BadInput(blamed or explain(error, known=[field.name for field in fields(cls)])) from None

    checked_class.__init__ = __init__
    return checked_class


def _check_annotations(cls: type) -> None:
    """Raise BadInput if a plain value in the body of a class looks like a setting but is not one, because it has no annotation.

    A value that a base class has (such as the `learns` of a learner) and a constant in capitals are not settings.
    """
    annotated = {name for base in cls.__mro__ for name in vars(base).get("__annotations__", {})}
    for name, value in vars(cls).items():
        if name in annotated or name.startswith("_") or name.isupper() or not isinstance(value, bool | int | float | str):
            continue
        if not any(hasattr(base, name) for base in cls.__bases__):
            raise BadInput(
                f"{name} of {own_source.place_of(cls)} has no annotation, so it would not be a setting; "
                f"write {name}: {type(value).__name__} = {value!r:.40}, or {name.upper()} for a constant"
            )


def _blame(error: Exception, cls: type) -> str:
    """The place in the user's part that raised an error while another recipe was checked. Empty for a BadInput and for a user's own recipe."""
    return "" if isinstance(error, BadInput) or own_parts.is_own(cls) else own_parts.blame(error)


def of_python(value: Any) -> Any:
    """A value whose NumPy scalars, also those in lists and mappings, are replaced by Python's. All else is unchanged.

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
    """The name of a recipe in its family: its class name in snake case, without the name of the protocol at its end.

    So members of two families may share a name although their classes have different names. A class with the same name as its protocol keeps it.

    >>> class Source: pass
    >>> class Normal(Source): pass
    >>> class ZipfianStatesSource(Source): pass
    >>> kind(Normal()), kind(ZipfianStatesSource())
    ('normal', 'zipfian_states')
    """
    return _kind_of(type(value))


@functools.lru_cache(1000)
def _kind_of(cls: type) -> str:
    name = cls.__name__
    for protocol in cls.__mro__[1:-1]:
        name = name.removesuffix(protocol.__name__) or name
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def member(family: Mapping[str, str | type], name: str, what: str) -> type:
    """Import and return the class called `name` in a family. Raises BadInput with the nearest name if there is none."""
    if name in family:
        found_class = family[name]
        if isinstance(found_class, str):
            module, _, attribute = found_class.partition(":")
            found_class = getattr(importlib.import_module(module), attribute)
        if own_parts.is_own(found_class):
            own_parts.name(found_class, name)
        return found_class
    found_class = family.of_user(name, what) if isinstance(family, Family) else None
    if found_class is None:
        raise BadInput(f"unknown {what} {name!r}{nearest(name, family)}; known: {', '.join(family)}")
    return found_class


def _instance(family: Mapping[str, str | type], name: str, arguments: dict[str, Any], what: str) -> Any:
    """An instance of a member of a family. For a user's part that must not be imported, a stand-in with the recorded facts about it."""
    if (
        name not in family
        and isinstance(family, Family)
        and family.may_have(name)
        and (record := own_parts.recorded(name)) is not None
    ):
        return _stand_in(family, name, arguments, record)
    return _make(member(family, name, what), arguments, what)


def read(family: Mapping[str, str | type], value: object, what: str) -> Any:
    """Read a member of a family from plain data.

    A string is a kind (`policy: replace`). A mapping names its kind (`{kind: human_share, share: 0.1}`) or has it as its only key
    (`{pretrained: {steps: 1500}}`). A recipe, also a user's own, is returned unchanged.
    """
    if isinstance(value, str):
        return _instance(family, value, {}, what)
    if isinstance(value, Mapping):
        arguments = dict(value)
        if "kind" in arguments:
            return _instance(family, str(arguments.pop("kind")), arguments, what)
        if len(arguments) == 1 and isinstance(inner := next(iter(arguments.values())), Mapping):
            return _instance(family, str(next(iter(arguments))), dict(inner), what)
        raise BadInput(f"{what} must name its kind; write {what}: {{kind: {next(iter(family))}, …}}")
    if isinstance(family, Family) and family.is_open:
        assert family.protocol is not None
        if isinstance(value, type) and issubclass(value, family.protocol):
            raise BadInput(f"{what} must be an instance, got the class {value.__name__}; write {value.__name__}(…)")
        if isinstance(value, own_parts.Unimported) and isinstance(value, family.protocol):
            return value
        if isinstance(value, family.protocol) and (is_dataclass(value) or own_parts.is_own(type(value))):
            if not _is_in(family, type(value)):
                family.admitted(type(value), what)
            return value
    if is_dataclass(value) and kind(value) in family:
        return value
    raise BadInput(f"{what} must be one of {', '.join(family)}, got {value!r:.80}")


def _is_in(family: Mapping[str, str | type], cls: type) -> bool:
    """Whether a class is a built-in member of a family."""
    entry = family.get(_kind_of(cls))
    return entry is cls or entry == f"{cls.__module__}:{cls.__qualname__}"


def _stand_in(family: Family, name: str, arguments: Mapping[str, Any], record: Mapping[str, Any]) -> Any:
    """A stand-in for a part whose code was not imported. It has the part's settings and the recorded facts about its class."""
    settings = {str(key): value for key, value in arguments.items() if str(key).isidentifier()}
    cls = _stand_in_class(family, name, tuple(settings), json.dumps(record, sort_keys=True))
    if name not in family.of_users or issubclass(family.of_users[name], own_parts.Unimported):
        family.of_users[name] = cls
    return cls(**settings)


_stand_ins: dict[tuple[str, str, tuple[str, ...], str], type] = {}


def _stand_in_class(family: Family, name: str, settings: tuple[str, ...], record: str) -> type:
    """The class of a stand-in. Equal arguments give the same class, so that equal parts compare as equal."""
    key = (family.name, name, settings, record)
    if key not in _stand_ins:
        facts, protocol = json.loads(record), family.protocol
        assert protocol is not None
        methods = [method for method, function in vars(protocol).items() if inspect.isfunction(function) and is_abstract(function)]
        declared = class_facts_read(facts.get("class", {}), family.page)
        body: dict[str, Any] = {method: _refuses(name, method) for method in methods} | dict.fromkeys(_needed(protocol), ())
        body |= {fact: value for fact, value in declared.items() if fact not in settings} | {"laws": facts.get("laws", {})}
        body["__doc__"] = str(facts.get("what", "")) or f"A part of the user's own, {name}."
        label = re.sub(r"\W", "", name.rpartition(":")[2] if ":" in name else name.title()) or "Part"
        members = [(setting, Any, plain_field(default=None)) for setting in settings]
        cls = make_dataclass(label, members, bases=(own_parts.Unimported, protocol), namespace=body, frozen=True, kw_only=True)
        cls.__module__ = __name__
        own_parts.name(cls, name)
        _stand_ins[key] = cls
    return _stand_ins[key]


def _refuses(name: str, method: str) -> Any:
    def refuse(*given: Any, **named: Any) -> Any:
        raise BadInput(
            f"only the recorded facts about {name} are known here, since its code was not imported; run it: outcross run SPEC --import FILE "
            "(in Python: outcross.run(spec, imports=[file]))"
        )

    refuse.__name__ = method
    return refuse


def class_facts(cls: type, protocol: type) -> dict[str, Any]:
    """The facts about a user's class in records: the plain values and the pages that it declares. Reports are written from them without its code."""
    facts = {}
    for name in [field_name for base in protocol.__mro__ for field_name in vars(base).get("__annotations__", {})]:
        value = getattr(cls, name, None)
        if value is not None and not isinstance(value, property) and not hasattr(value, "__get__"):
            with contextlib.suppress(TypeError):
                facts[name] = _fact(value)
    return facts


def _fact(value: Any) -> Any:
    """A value of a class as plain data. A page becomes a mapping of its fields, and a number that is not finite becomes a string."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _fact(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _fact(inner) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        return [_fact(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"{value!r:.80} is no plain value")


def class_facts_read(record: Mapping[str, Any], page: type | None) -> dict[str, Any]:
    """The inverse of `class_facts`. Raises BadInput if a recorded page is not valid."""

    def page_of(value: Any) -> Any:
        try:
            assert page is not None
            return page(
                **{
                    key: tuple(map(float, inner))
                    if key == "range" and inner
                    else tuple(inner)
                    if isinstance(inner, list)
                    else inner
                    for key, inner in value.items()
                }
            )
        except (TypeError, ValueError, AssertionError, AttributeError) as error:
            raise BadInput(f"the recorded page of a part is not a page of its family: {error}") from None

    read_back: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in record.items()}
    if "page" in read_back:
        read_back["page"] = page_of(read_back["page"])
    if "pages" in read_back:
        read_back["pages"] = {str(name): page_of(value) for name, value in read_back["pages"].items()}
    return read_back


def _make(cls: type, arguments: dict[str, Any], what: str) -> Any:
    try:
        return cls(**{str(key): value for key, value in arguments.items()})
    except BadInput as error:
        raise BadInput(f"{what}.{error}") from None


@plain_dataclass(frozen=True)
class Nested:
    """The pydantic annotation of a field whose value has settings of its own: the function that reads it, and its recipe or family."""

    read: Callable[[Any], Any]
    recipe: type | None = None
    family: Mapping[str, str | type] | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        return core_schema.no_info_plain_validator_function(self.read)


def one_of(family: Mapping[str, str | type], what: str, or_none: bool = False) -> Any:
    """The pydantic annotation of a field that holds a member of a family."""
    return Nested(lambda value: None if value is None and or_none else read(family, value, what), family=family)


def exactly(cls: type, what: str, or_none: bool = False) -> Any:
    """The pydantic annotation of a field that holds a recipe of one class, given as a recipe or as a mapping."""

    def validate(value: object) -> Any:
        if isinstance(value, cls) or (value is None and or_none):
            return value
        if not isinstance(value, Mapping):
            raise BadInput(f"{what} must be a mapping of settings, got {value!r:.80}")
        return _make(cls, dict(value), what)

    return Nested(validate, recipe=cls)


def several(cls: type, what: str) -> Any:
    """The pydantic annotation of a field that holds a tuple of recipes of one class, given as a list of mappings."""

    def validate(values: object) -> tuple[Any, ...]:
        if not isinstance(values, list | tuple):
            raise BadInput(f"{what} must be a list, got {values!r:.80}")
        for place, value in enumerate(values):
            if not isinstance(value, cls | Mapping):
                raise BadInput(f"{what}[{place}] must be a mapping of settings, got {value!r:.80}")
        return tuple(
            value if isinstance(value, cls) else _make(cls, dict(value), f"{what}[{place}]") for place, value in enumerate(values)
        )

    return PlainValidator(validate)


def settings_of(cls: type | None, name: str, value: Any) -> tuple[dict[str, Any], type | None] | None:
    """The settings of a value of the field `name` of the recipe `cls`, as a mapping to which a setting can be added, and their recipe.

    The mapping has the kind under `kind`: from a plain word, from the key of a mapping (`{pretrained: {…}}`), or else from the field's default.
    None for a value that has no settings. The recipe is None if it is not known.

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
    called = str(value.get("kind"))
    return dict(value), member(nested.family, called, name) if called in nested.family else None


def _nested(cls: type | None, name: str) -> Nested | None:
    field = getattr(cls, "__pydantic_fields__", {}).get(name)
    return next((rule for rule in field.metadata if isinstance(rule, Nested)), None) if field is not None else None


def _default(cls: type | None, name: str) -> Any:
    """The default value of a field; None if the field is required."""
    field = next(candidate for candidate in fields(cls) if candidate.name == name)  # type: ignore[arg-type]
    if field.default_factory is not MISSING:
        return field.default_factory()
    return None if field.default is MISSING else field.default


def many_of(family: Mapping[str, str | type], what: str) -> Any:
    """The pydantic annotation of a field that holds a tuple of members of a family."""

    def validate(values: object) -> tuple[Any, ...]:
        if isinstance(values, str) or not isinstance(values, list | tuple):
            raise BadInput(f"{what} must be a list, got {values!r:.80}")
        return tuple(read(family, value, what) for value in values)

    return PlainValidator(validate)


def from_list(value: object) -> object:
    """Turn a list, as YAML gives it, into the tuple that a strict field requires."""
    return tuple(value) if isinstance(value, list) else value


FROM_LIST = BeforeValidator(from_list)
"""The pydantic annotation of a field that holds a tuple of plain values."""


def first_line(part: object) -> str:
    """The first paragraph of a part's docstring on one line."""
    return (inspect.getdoc(part) or "").split("\n\n")[0].replace("\n", " ")


def filled(value: Any, **defaults: Any) -> Any:
    """A recipe whose fields that are None have these default values instead."""
    return replace(value, **{name: default for name, default in defaults.items() if getattr(value, name) is None})


def plain(value: Any) -> Any:
    """A recipe as plain data (dicts, lists, numbers, strings) from which it can be read again: its identity.

    A member of a family, which derives from a protocol, includes its kind.
    """
    if is_dataclass(value) and not isinstance(value, type):
        own_kind = {} if type(value).__bases__ == (object,) else {"kind": name_in_records(value)}
        return own_kind | {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a recipe holds plain values only, got {type(value).__name__}")


def name_in_records(value: object) -> str:
    """The kind of a recipe in records, from which it is read again. A user's class has its file or module in the name."""
    cls = type(value)
    return own_parts.reference(cls) if own_parts.is_own(cls) or isinstance(value, own_parts.Unimported) else kind(value)


def short_kind(recorded_kind: str) -> str:
    """The readable form of a kind in records.

    >>> short_kind("my_parts.py:HalfAndHalf"), short_kind("human_share")
    ('half_and_half', 'human_share')
    """
    return (
        re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", recorded_kind.rpartition(":")[2]).lower() if ":" in recorded_kind else recorded_kind
    )


def flatten(data: Any, prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one with dotted keys.

    >>> flatten({"policy": {"kind": "human_share", "share": 0.1}})
    {'policy.kind': 'human_share', 'policy.share': 0.1}
    """
    if not isinstance(data, Mapping) or not data:
        return {prefix: data}
    inner = [flatten(value, f"{prefix}.{name}" if prefix else str(name)) for name, value in data.items()]
    return {key: value for flat in inner for key, value in flat.items()}


def unflatten(flat: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `flatten`."""
    nested: dict[str, Any] = {}
    for key, value in flat.items():
        *path, last = key.split(".")
        inner = nested
        for name in path:
            inner = inner.setdefault(name, {})
        inner[last] = value
    return nested


def nearest(name: str, known: Any) -> str:
    """A hint that names the nearest known word; empty if no word is near."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def explain(error: ValidationError, known: list[str]) -> str:
    """The first complaint of a validation in one line: the field, the rule and the value."""
    complaints = error.errors(include_url=False, include_context=True)
    first = min(
        complaints, key=lambda complaint: not complaint["type"].startswith(("unexpected", "extra"))
    )  # a misspelt key is also reported as missing
    where = ".".join(str(part) for part in first["loc"] if not str(part).startswith("function-"))
    if first["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        return f"{where} is not known{nearest(where, known)}; known: {', '.join(known) or 'none'}"
    if first["type"] in ("missing", "missing_argument", "missing_keyword_only_argument"):
        return f"{where} is needed"
    message = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    for bound, words in (
        ("greater than or equal to", "at least"),
        ("less than or equal to", "at most"),
        ("greater than", "above"),
        ("less than", "below"),
    ):
        message = message.replace(bound, words)
    if first["type"] == "value_error":
        return message if not where or message.startswith((where, "unknown ")) else f"{where} {message}"
    given = first["input"]
    is_percent = message == "at most 1" and isinstance(given, int | float) and 1 < given <= 100
    return f"{where} must be {message}, got {given!r:.80}" + (f"; write {given / 100:g} for {given:g} %" if is_percent else "")
