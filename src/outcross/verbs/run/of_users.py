"""Facts about the user's own parts. A run records them, so that its pages can be drawn without the code of these parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from outcross import own_parts, own_source
from outcross.attributes import ATTRIBUTES
from outcross.classifiers import CLASSIFIERS
from outcross.collapse.closed_forms import law_policy
from outcross.detectors import DETECTORS
from outcross.experiment.arms import Arm
from outcross.filters import FILTERS
from outcross.measures import MEASURES
from outcross.models import LEARNERS
from outcross.policies import POLICIES
from outcross.recipe import class_facts, first_line, name_in_records
from outcross.sources import SOURCES

OPEN = (POLICIES, LEARNERS, MEASURES, FILTERS, SOURCES, ATTRIBUTES, DETECTORS, CLASSIFIERS)


def of_users(arms: tuple[Arm, ...]) -> dict[str, dict[str, Any]]:
    """Return the facts of each of the user's own parts, by its name in the experiment.

    The facts are the SHA-256 of each source file, the first line of the docstring, the facts of the class, and for a policy the closed form by arm.
    """
    facts_by_name: dict[str, dict[str, Any]] = {}
    for arm in arms:
        for part in within(arm.experiment.parts):
            if not own_parts.is_own(type(part)):
                continue
            facts = facts_by_name.setdefault(name_in_records(part), _facts(type(part)))
            if part is arm.experiment.policy and (law := law_policy(arm.experiment)) is not None:
                facts.setdefault("laws", {})[arm.name] = law
    return facts_by_name


def within(parts: Iterable[Any]) -> Iterator[Any]:
    """Yield each part and the parts among its settings, at any depth."""
    for part in parts:
        if is_dataclass(part) and not isinstance(part, type):
            yield part
            yield from within(getattr(part, field.name) for field in fields(part))
        elif isinstance(part, tuple | list):
            yield from within(part)


def of_users_in(experiment: Any) -> list[str]:
    """Return the names of the user's own parts in the plain data of an experiment, each once."""
    inner = experiment.values() if isinstance(experiment, Mapping) else experiment if isinstance(experiment, list | tuple) else ()
    named = [experiment["kind"]] if isinstance(experiment, Mapping) and ":" in str(experiment.get("kind", "")) else []
    return list(dict.fromkeys([*named, *(name for value in inner for name in of_users_in(value))]))


def _facts(cls: type) -> dict[str, Any]:
    protocol = next((family.protocol for family in OPEN if family.protocol is not None and issubclass(cls, family.protocol)), None)
    said = {} if protocol is None else class_facts(cls, protocol)
    return {"files": own_source.digests(cls), "what": first_line(cls), "class": said}


def said_of(name: str, facts: Mapping[str, Any]) -> str:
    """Return a sentence with the name of one of the user's own parts and the digests of its source files."""
    files = ", ".join(f"{file} {digest[:16]}" for file, digest in facts.get("files", {}).items())
    return f"{name} is a user-defined part (SHA-256 of its source: {files})." if files else f"{name} is a user-defined part."
