"""The setting `metrics` of an experiment: a list of measures, or changes to the default ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass

from outcross.errors import BadInput
from outcross.measures import MEASURES, Measure
from outcross.recipe import kind, member, read


@dataclass(frozen=True)
class Changed:
    """A change to the default metrics: one that is added (`+w1`), or one that is left out (`-support`)."""

    name: str
    added: Measure | None
    """The added metric; None for one that is left out."""


def read_metrics(values: object) -> tuple[Measure | Changed, ...]:
    """Read metrics by name, or changes to the default ones. Among changes, an instance counts as added.

    Raises BadInput if names with a sign and names without one are mixed.
    """
    if isinstance(values, str) or not isinstance(values, list | tuple):
        raise BadInput(
            f"metrics must be a list, got {values!r:.80}; write metrics: [fitted_law], or metrics: [+w1] to add w1 to the defaults"
        )
    names = [_named(value) for value in values]
    signed = [name for name in names if name[:1] in ("+", "-")]
    are_instances = [is_dataclass(value) for value in values]
    if signed and len(signed) + sum(are_instances) < len(names):
        bare = next(name for name, is_instance in zip(names, are_instances, strict=True) if name not in signed and not is_instance)
        raise BadInput(
            f"metrics mixes {signed[0]!r:.80}, which changes the defaults, with {bare!r:.80}, which replaces them; "
            "write a sign before every name, or before none"
        )
    if not signed:
        return tuple(read(MEASURES, value, "metrics") for value in values)
    return tuple(
        Changed(kind(part), part) if is_instance and (part := read(MEASURES, value, "metrics")) else _change(name, value)
        for name, is_instance, value in zip(names, are_instances, values, strict=True)
    )


def _named(value: object) -> str:
    """The name of a metric as it was given: a word, the kind of a mapping, or its only key. Empty for an instance."""
    if isinstance(value, Mapping) and value:
        return str(value.get("kind", next(iter(value))))
    return value if isinstance(value, str) else ""


def _change(name: str, value: object) -> Changed:
    word = name[1:]
    if name.startswith("-"):
        if isinstance(value, Mapping):
            raise BadInput(f"metrics leaves out {name!r:.80}, which takes no settings; write {name}")
        member(MEASURES, word, "metrics")
        return Changed(word, None)
    if isinstance(value, Mapping):
        value = dict(value) | {"kind": word} if "kind" in value else {word: value[name]}
    added = read(MEASURES, word if isinstance(value, str) else value, "metrics")
    return Changed(kind(added), added)


def listed(metrics: tuple[Measure | Changed, ...], defaults: Callable[[], Sequence[Measure]]) -> tuple[Measure, ...]:
    """The full list of metrics, in which changes are applied to the default ones. Metrics without changes stay as they are."""
    changes = [change for change in metrics if isinstance(change, Changed)]
    if not changes:
        return metrics  # type: ignore[return-value]
    names = [change.name for change in changes]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"metrics names {twice} twice; leave one out")
    every = {kind(metric): metric for metric in defaults()}
    for change in changes:
        if change.added is not None:
            every[change.name] = change.added
        elif change.name in every:
            del every[change.name]
        else:
            raise ValueError(
                f"metrics leaves out {change.name}, which is not measured by default here; the defaults are {', '.join(every)}"
            )
    if not every:
        raise ValueError(
            f"metrics leaves out every default ({', '.join(names)}); keep one, or name those to measure without a sign"
        )
    return tuple(every.values())
