"""The lineage of a step: all steps from which it comes, back to the data of the user."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from outcross.data import Made, Pool
from outcross.ledger.entries import StepEntry
from outcross.ledger.external import External


@dataclass(frozen=True)
class Ancestor:
    """A step in a lineage."""

    key: str
    verb: str
    generation: int
    part: str
    output: str
    """The digest of its output."""
    comes_from: tuple[str, ...]
    """The keys of the steps whose output it read."""
    given: Mapping[str, str]
    """The digests of all data that it read and that no step made, by the names that the user gave."""


def lineage(entries: Mapping[str, StepEntry], key: str) -> tuple[Ancestor, ...]:
    """Return the step of this key and all its ancestors, the nearest first.

    If several steps made the same output, the first in canonical order counts as its origin.
    """
    makers: dict[str, StepEntry] = {}
    for entry in sorted(entries.values(), key=lambda entry: entry.order):
        makers.setdefault(entry.output, entry)
    ancestors: dict[str, Ancestor] = {}
    waiting = deque([entries[key]])
    while waiting:
        entry = waiting.popleft()
        if entry.key in ancestors:
            continue
        came = [makers[digest] for digest in entry.reads if digest in makers]
        keys = tuple(dict.fromkeys(maker.key for maker in came if maker.key != entry.key))
        ancestors[entry.key] = Ancestor(
            entry.key, entry.verb, entry.generation, entry.part, entry.output, comes_from=keys, given=entry.given
        )
        waiting.extend(entries[key] for key in keys)
    return tuple(ancestors.values())


def read_by(inputs: Iterable[Any]) -> list[str]:
    """Return the sorted digests of the step outputs and of the user's data that inputs contain."""
    return sorted({digest for part in _referred_to(inputs) for digest in _digests(part)})


def given_to(inputs: Iterable[Any]) -> dict[str, str]:
    """Return the digests of the user's data among inputs, by the names that the user gave."""
    return {name: digest for part in _referred_to(inputs) if isinstance(part, External) for name, digest in part.names.items()}


def _referred_to(inputs: Iterable[Any]) -> Iterator[Made[Any]]:
    """Yield the step outputs and external data to which inputs refer, also within pools and parts."""
    for value in inputs:
        if isinstance(value, Made):
            yield value
        elif isinstance(value, dict):
            yield from _referred_to(value.values())
        elif isinstance(value, Pool):
            yield from _referred_to(value.parts)
        elif value is not None:
            yield from (leaf.source for leaf in getattr(value, "leaves", (value,)))


def _digests(part: Made[Any]) -> tuple[str, ...]:
    """Return the digests of the contained data. A part of a step output has the digest of the whole output, followed by the name of the part."""
    if isinstance(part, External):
        return part.reads
    whole = re.match(r"[0-9a-f]{64}(?![0-9a-f])", part.digest)
    return (whole[0],) if whole else ()
