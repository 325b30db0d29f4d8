"""The promises of families, also for your own parts: `check(MyPolicy(…))` says in plain words which promise is broken, with the class and the line.

The tests of Outcross check every built-in member against the same promises. No test framework is needed.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from outcross import own_parts, own_source
from outcross.errors import BadInput, OutcrossError, PromiseBroken
from outcross.recipe import kind
from outcross.testing.promises import Broken, Promise, of_every_part
from outcross.testing.twice import TWICE, seen_elsewhere

FAMILIES = {
    "policies": "outcross.policies:POLICIES",
    "models": "outcross.models:LEARNERS",
    "measures": "outcross.measures:MEASURES",
    "filters": "outcross.filters:FILTERS",
    "attributes": "outcross.attributes:ATTRIBUTES",
    "sources": "outcross.sources:SOURCES",
    "detectors": "outcross.detectors:DETECTORS",
    "classifiers": "outcross.classifiers:CLASSIFIERS",
}
"""The families that have promises, each with its table of members. The promises are in the module of the same name."""


def check(*parts: Any) -> tuple[str, ...]:
    """Check parts against every promise of their families. Returns the promises, one sentence each, if all of them are kept.

    Parts are tried on small data, and in two other processes with other clocks, other global seeds, another PYTHONHASHSEED and another number of
    threads. In the second process, global random functions raise.

    Raises PromiseBroken with every broken promise, the class with its file and line, and the observation. Raises BadInput if a value belongs to
    no family.

    >>> from outcross.policies.human_share import HumanShare
    >>> from outcross.testing import check
    >>> check(HumanShare(share=0.2))[-1]
    'It gives the same in another process, whatever the clock, the global seeds, PYTHONHASHSEED and the number of threads.'
    """
    families = [family_of(part) for part in parts]
    violations_of_parts = [
        {promise.sentence: seen_against(promise, part) for promise in promises(family) if promise is not TWICE}
        for part, family in zip(parts, families, strict=True)
    ]
    for by_sentence, violation in zip(violations_of_parts, seen_elsewhere(parts), strict=True):
        by_sentence[TWICE.sentence] = violation
    broken = []
    for part, family, by_sentence in zip(parts, families, violations_of_parts, strict=True):
        if violations := {sentence: violation for sentence, violation in by_sentence.items() if violation}:
            count = "one promise" if len(violations) == 1 else f"{len(violations)} promises"
            broken.append(f"{own_source.place_of(type(part))} breaks {count} of {family}: {' | '.join(_by_cause(violations))}")
    if broken:
        raise PromiseBroken(" || ".join(broken))
    return tuple(dict.fromkeys(sentence for by_sentence in violations_of_parts for sentence in by_sentence))


def _by_cause(violations: Mapping[str, str]) -> Iterator[str]:
    """Each cause once, after the first promise that it breaks, with the number of other promises that it breaks."""
    sentences: dict[str, list[str]] = {}
    for sentence, violation in violations.items():
        cause = violation[1:-1] if violation.startswith("(") and violation.endswith(")") else violation
        same = next(
            (known_cause for known_cause in sentences if known_cause in cause), cause
        )  # another process reports the same cause with the class before it
        sentences.setdefault(same, []).append(sentence)
    for cause, (first, *others) in sentences.items():
        more = f", which breaks {len(others)} other{'s' if len(others) > 1 else ''} too" if others else ""
        yield f"{first} ({cause}{more})"


def promises(family: str) -> tuple[Promise, ...]:
    """The promises of every member of a family. The last one tries a part in other processes."""
    return (*of_every_part(table(family)), *importlib.import_module(f"outcross.testing.{family}").PROMISES, TWICE)


def table(family: str) -> Any:
    """The table of the members of a family."""
    module, _, name = FAMILIES[family].partition(":")
    return getattr(importlib.import_module(module), name)


def family_of(part: Any) -> str:
    """The family that a part belongs to. Raises BadInput, with class and line, if it belongs to none or lacks what every member needs."""
    for family in FAMILIES:
        members = table(family)
        if isinstance(part, members.protocol):
            if own_parts.is_own(type(part)):
                members.admitted(type(part), family)
            return family
    known = ", ".join(f"{table(family).protocol.__module__}.{table(family).protocol.__name__}" for family in FAMILIES)
    if isinstance(part, type):
        raise BadInput(f"check takes an instance, got the class {part.__name__}; write check({part.__name__}(…))")
    raise BadInput(f"{type(part).__name__} is a member of no family; derive it from one of {known}")


def seen_against(promise: Promise, part: Any) -> str:
    """The observation by which a part breaks a promise; empty if it keeps the promise."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            promise(part)
    except Broken as broken:
        return broken.seen(part)
    except OutcrossError as error:
        return f"({own_parts.blame(error) or f'{own_source.place_of(type(part))} was refused: {error}'})"
    except Exception as error:
        return f"({own_parts.blame(error) or f'{kind(part)} raised {type(error).__name__}: {error}'})"
    return ""


__all__ = ["FAMILIES", "Promise", "check", "family_of", "promises", "seen_against", "table"]
