"""YAML of plain values: words, numbers, lists and mappings, read safely."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any

import yaml

from outcross.errors import BadInput


def read(text: str, where: str) -> Any:
    """The value that a text holds; BadInput with the line where it is no YAML, holds a key twice or more than plain values."""
    try:
        return _plain_yaml(yaml.load(text, _Loader), where, itertools.count(), 0)
    except _TooDeep:
        raise BadInput(f"{where} holds more than {DEEPEST} levels of lists and mappings; write it flatter") from None
    except BadInput:
        raise
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        at = f" line {mark.line + 1}" if mark else ""
        problem = (getattr(error, "problem", None) or "not YAML").replace("'<stream end>'", "the end of the file")
        raise BadInput(f"{where}{at}: {problem}; `outcross show gaussian` prints an example") from None
    except Exception as error:  # a tag on what it does not fit (`!!timestamp x`) fails as its constructor happens to
        raise BadInput(f"{where}: not YAML that can be read ({type(error).__name__}); quote the values") from None


MOST_VALUES = 200_000
"""Values of a file, those that aliases repeat counted again, so that a page cannot unfold into gigabytes."""
DEEPEST = 40
"""Levels of lists and mappings in a file."""


def _plain_yaml(value: Any, where: str, seen: Iterator[int], depth: int) -> Any:
    """The value, if it is made of words, numbers, lists and mappings alone; keys are words."""
    if next(seen) > MOST_VALUES or depth > DEEPEST:
        raise BadInput(
            f"{where} holds more than {MOST_VALUES:,} values or {DEEPEST} levels, or an alias of itself; write it out, smaller"
        )
    if isinstance(value, dict):
        return {
            str(_plain_yaml(key, where, seen, depth)): _plain_yaml(content, where, seen, depth + 1)
            for key, content in value.items()
        }
    if isinstance(value, list):
        return [_plain_yaml(item, where, seen, depth + 1) for item in value]
    if isinstance(value, int) and abs(value) > 2**64:
        raise BadInput(f"{where} holds a whole number of {value.bit_length()} bits, 64 at most can be used; write a smaller one")
    if isinstance(value, str) and any(letter == "\0" or "\ud800" <= letter <= "\udfff" for letter in value):
        raise BadInput(f"{where} holds {value!r:.80}; a value is text without zero bytes and lone surrogates")
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise BadInput(
        f"{where} holds {value!r:.80}, a {type(value).__name__}; write it in quotes, or as a number, a list or a mapping"
    )


def dump(value: Any, width: int = 110) -> str:
    """Plain data as YAML, in lines of about so many characters."""
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=width)


class _TooDeep(Exception):
    """More brackets are open than a file may have levels."""


class _Loader(yaml.SafeLoader):
    """Safe YAML without duplicate keys, given up at the first bracket that is too deep: the time to read brackets is quadratic in their depth."""

    def fetch_flow_collection_start(self, token_class):
        if self.flow_level > DEEPEST:
            raise _TooDeep
        super().fetch_flow_collection_start(token_class)

    def construct_mapping(self, node, deep=False):
        seen = set()
        for key, _ in node.value:
            name = self.construct_object(key, deep=True)
            if not isinstance(name, str | int | float | bool | None):
                raise yaml.constructor.ConstructorError(None, None, "a key must be a plain word", key.start_mark)
            if name in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {name!r} is given twice; leave one out", key.start_mark
                )
            seen.add(name)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+"), list("-+0123456789"))
"""1e-3 is a number (YAML 1.2), not a word (1.1)."""
