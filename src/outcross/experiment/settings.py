"""The settings in which the arms of an experiment differ, whether they are fully crossed, and which arms differ in a single number."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from outcross.experiment import identity
from outcross.experiment.arms import Arm
from outcross.experiment.teachers import teacher_lines
from outcross.recipe import flatten, short_kind

NO_SETTINGS = ("name", "notes", "seed", "metrics", "store", "chains", "generations", "stop_when")
"""Keys that do not count as differences between arms: they do not change what a generation does."""
FIRST = ("policy", "learner")
ROWS = ("human.rows", "rows")
"""Settings that count records: the n of a scaling law."""

Level = int | float | str


@dataclass(frozen=True)
class Setting:
    """A setting in which arms differ: its key in the experiment file, and its level in every arm."""

    key: str
    levels: Mapping[str, Level]
    along: tuple[str, ...] = ()
    """Other keys that always change together with this one, so that their effects cannot be separated."""

    @property
    def values(self) -> tuple[Level, ...]:
        """The distinct levels: numbers by size, words in the order of the arms."""
        levels = dict.fromkeys(self.levels.values())
        return tuple(sorted(levels)) if self.is_number else tuple(levels)  # type: ignore[type-var]

    @property
    def is_number(self) -> bool:
        return all(map(_is_number, self.levels.values()))

    @property
    def name(self) -> str:
        return " with ".join((self.key, *self.along))

    def numbers(self) -> dict[str, float]:
        """The arms whose level is a number."""
        return {arm: float(level) for arm, level in self.levels.items() if _is_number(level)}

    def in_words(self, level: Level) -> str:
        """A level in words: `human.rows = 50`. A policy or learner is named without its key."""
        return word(level) if self.key in FIRST else f"{self.name} = {word(level)}"


@dataclass(frozen=True)
class ArmFamily:
    """Arms that differ only in one number."""

    setting: str
    """The key of that number in the experiment file."""
    among: str
    """What distinguishes these arms from the other families of this setting (`replace`); empty if there is only one family."""
    arms: tuple[tuple[float, str], ...]
    """The number and the arm, the smallest number first. There are at least two different numbers."""


def flat_settings(arms: Iterable[Arm]) -> dict[str, dict[str, Any]]:
    """Every setting of every arm by its dotted key. The seeds of an arm share its settings.

    If arms have different teachers, all settings of the teachers are a single setting in words.
    """
    arms = tuple(arms)
    by_name = len({tuple(arm.experiment.teachers) for arm in arms}) == 1
    return {arm.name: flatten(identity(arm.experiment) | ({} if by_name else _teachers(arm))) for arm in arms}


def _teachers(arm: Arm) -> dict[str, str]:
    """The teachers of an arm in words; "none" if the arm has no teachers."""
    return {"teachers": "; ".join(teacher_lines(arm.experiment.teachers)) or "none"}


def settings(flat: Mapping[str, Mapping[str, Any]]) -> tuple[Setting, ...]:
    """The settings in which these arms differ: the policy first, then the learner, then the others by key.

    If a part is of different kinds, it is one setting (`policy`), and its own settings are not listed.

    >>> [setting.key for setting in settings({"a": {"policy.kind": "replace", "rows": 5}, "b": {"policy.kind": "replace", "rows": 9}})]
    ['rows']
    """
    differing = [key for key in dict.fromkeys(key for own in flat.values() for key in own) if _differs(key, flat)]
    keys = dict.fromkeys(_whole(key, differing) for key in differing if key.split(".")[0] not in NO_SETTINGS)
    ordered = sorted(keys, key=lambda key: (FIRST.index(head) if (head := key.split(".")[0]) in FIRST else len(FIRST), key))
    by_partition: dict[tuple[int, ...], Setting] = {}
    for key in ordered:
        setting = Setting(key, {arm: _level(key, own, differing) for arm, own in flat.items()})
        split = _partition(setting)
        before = by_partition.get(split)
        by_partition[split] = Setting(before.key, before.levels, (*before.along, key)) if before else setting
    return tuple(by_partition.values())


def families(flat: Mapping[str, Mapping[str, Any]]) -> tuple[ArmFamily, ...]:
    """The families of arms that differ only in one number. Numbers that change together form no family, since their effects cannot be separated.

    >>> [family.arms for family in families({"a": {"rows": 9}, "b": {"rows": 5}})]
    [((5.0, 'b'), (9.0, 'a'))]
    """
    rivals_by_key: dict[str, list[tuple[tuple[float, str], ...]]] = {}
    for alike in _by_kinds(flat):
        several = settings(alike)
        for setting in several:
            if not setting.along:
                rivals_by_key.setdefault(setting.key, []).extend(_otherwise_alike(setting, several))
    return tuple(
        ArmFamily(key, among, arms)
        for key, rivals in rivals_by_key.items()
        for among, arms in zip(_differences_in_words(key, [arms[0][1] for arms in rivals], flat), rivals, strict=True)
    )


def _by_kinds(flat: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Mapping[str, Any]]]:
    """The arms grouped by the kinds of their parts. Within a group, the numbers of a part (`policy.share`) are settings of their own."""
    by_kinds: dict[str, dict[str, Mapping[str, Any]]] = {}
    for arm, own in flat.items():
        kinds = sorted((key, str(value)) for key, value in own.items() if key.split(".")[-1] == "kind")
        by_kinds.setdefault(repr(kinds), {})[arm] = own
    return list(by_kinds.values())


def _otherwise_alike(setting: Setting, several: Iterable[Setting]) -> list[tuple[tuple[float, str], ...]]:
    """The groups of arms that differ only in this setting, each arm with its number."""
    others = [other for other in several if other is not setting]
    alike: dict[tuple[Level, ...], list[tuple[float, str]]] = {}
    for arm, number in setting.numbers().items():
        alike.setdefault(tuple(other.levels[arm] for other in others), []).append((number, arm))
    return [tuple(sorted(arms)) for arms in alike.values() if len({number for number, _ in arms}) > 1]


def _differences_in_words(key: str, arms: Iterable[str], flat: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The differences between these arms in words, without one key."""
    arms = list(arms)
    names = [arm.rpartition(f",{key.rpartition('.')[2]}=")[0] for arm in arms]
    if len(arms) > 1 and all(names) and len(set(names)) == len(names):  # a sweep over arms that people named
        return names
    differing = settings({arm: {name: value for name, value in flat[arm].items() if name != key} for arm in arms})
    return [", ".join(setting.in_words(setting.levels[arm]) for setting in differing) for arm in arms]


def is_crossed(several: Iterable[Setting]) -> bool:
    """Whether there are at least two settings, and an arm for every combination of their levels."""
    several = tuple(several)
    combinations = {tuple(setting.levels[arm] for setting in several) for arm in several[0].levels} if several else set()
    return len(several) > 1 and len(combinations) == math.prod(len(setting.values) for setting in several)


def word(level: Level) -> str:
    return f"{level:g}" if isinstance(level, float) else f"{level:,}" if isinstance(level, int) else level


_ABSENT = "–"


def _is_number(level: object) -> bool:
    return isinstance(level, int | float) and not isinstance(level, bool)


def _differs(key: str, flat: Mapping[str, Mapping[str, Any]]) -> bool:
    return len({repr(own.get(key, _ABSENT)) for own in flat.values()}) > 1


def _whole(key: str, differing: list[str]) -> str:
    """The shortest beginning of a key whose value has several kinds, or is a mapping only in some arms; else the whole key."""
    path = key.split(".")
    heads = [".".join(path[:length]) for length in range(1, len(path))]
    return next((head for head in heads if head in differing or f"{head}.kind" in differing), key)


def _level(key: str, own: Mapping[str, Any], differing: list[str]) -> Level:
    if key in own:
        value = own[key]
        return value if _is_number(value) else str(value)
    inner = {name.removeprefix(f"{key}."): value for name, value in own.items() if name.startswith(f"{key}.")}
    kind = short_kind(str(inner.pop("kind", "")))
    dose = next((f"={word(inner.pop(name))}" for name in ("share", "weight") if inner.get(name) is not None), "")
    rest = [
        f"{name}={word(value)}" for name, value in inner.items() if not kind and f"{key}.{name}" in differing and value is not None
    ]
    return ",".join([*([kind + dose] if kind else []), *rest]) or _ABSENT


def _partition(setting: Setting) -> tuple[int, ...]:
    """For each arm, the index of the first arm with the same level. Settings that split the arms in the same way have equal results."""
    levels = list(setting.levels.values())
    return tuple(levels.index(level) for level in levels)
