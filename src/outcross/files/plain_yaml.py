"""Reads YAML of plain values safely: words, numbers, lists and mappings."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any

import yaml

from outcross.errors import BadInput


def read(text: str, where: str, way_out: str = "correct the line") -> Any:
    """Read the value of a YAML text. Raises BadInput with the line if it is not YAML, repeats a key, or contains other than plain values.

    `where` and `way_out` are the beginning and the end of the error for a text that is not YAML.
    """
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
        raise BadInput(f"{where}{at}: {problem}; {way_out}") from None
    except Exception as error:  # a tag on a value that it does not fit (`!!timestamp x`) can raise any error
        raise BadInput(f"{where}: not readable as YAML ({type(error).__name__}); quote the values") from None


MOST_VALUES = 200_000
"""Maximum number of values in a file. Values that aliases repeat count each time, so a small file cannot expand to gigabytes."""
DEEPEST = 40
"""Maximum number of nested levels of lists and mappings in a file."""


def _plain_yaml(value: Any, where: str, seen: Iterator[int], depth: int) -> Any:
    """Check that a value consists of words, numbers, lists and mappings, and return it with words as keys."""
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
        raise BadInput(f"{where} holds a whole number of {value.bit_length()} bits, and the maximum is 64; write a smaller one")
    if isinstance(value, str) and any(letter == "\0" or "\ud800" <= letter <= "\udfff" for letter in value):
        raise BadInput(f"{where} holds {value!r:.80}; a value is text without zero bytes and lone surrogates")
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise BadInput(
        f"{where} holds {value!r:.80}, a {type(value).__name__}; write it in quotes, or as a number, a list or a mapping"
    )


def dump(value: Any, width: int = 110) -> str:
    """Write plain data as YAML with lines of about `width` characters."""
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=width)


class _TooDeep(Exception):
    """More brackets are open than the maximum number of levels."""


class _Loader(yaml.SafeLoader):
    """Loads safe YAML without duplicate keys. It stops at the first bracket that is too deep, since reading takes quadratic time in the depth."""

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
