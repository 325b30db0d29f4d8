"""Reads experiment files: YAML as plain data, changed by the settings of a size and of the command."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from importlib.resources import files
from pathlib import Path
from typing import Any

from outcross.errors import BadInput
from outcross.experiment import Experiment
from outcross.files import plain_yaml
from outcross.files.whole import read_text
from outcross.recipe import flatten, member, nearest, settings_of
from outcross.sources import SOURCES

EXAMPLE = "`outcross show gaussian` prints an example"
"""The way out that an error names for a text that is not YAML."""


def override(spec: Mapping[str, Any], settings: Mapping[str, Any], owner: type | None = Experiment) -> dict[str, Any]:
    """Plain data of an experiment with dotted keys replaced: `{"policy.share": 0.2}`.

    A key may lead through a value that is a plain word (`policy: replace`), is keyed by its kind (`start: {pretrained: {…}}`), or is left out and
    so has its default. `owner` is the recipe that the keys belong to. Raises BadInput if a value on the way has no settings.
    """
    changed = dict(spec)
    for key, value in settings.items():
        _check_key(str(key))
        head, _, rest = str(key).partition(".")
        if rest:
            inner = settings_of(owner, head, changed.get(head))
            if inner is None:
                raise BadInput(f"{key}: {head} is {changed[head]!r:.80}, which has no {rest}; write {head}=value")
            changed[head] = override(inner[0], {rest: value}, inner[1])
        else:
            changed[head] = value
    return changed


def _check_key(key: str) -> None:
    """Refuse a key with an empty part, as in `generations.` or `a..b`."""
    if not all(part.strip() for part in key.split(".")):
        raise BadInput(
            f"{key!r:.80} is not the key of a setting, since one of its parts is empty; write key=value or key.subkey=value, as in generations=10"
        )


def load(spec: str, overrides: Sequence[str] | Mapping[str, Any] = ()) -> dict[str, Any]:
    """Read an experiment file (a path, or the name of a built-in one) as plain data, changed by settings such as `key.subkey=value`."""
    spec_of_file = {"name": re.sub(r"[^A-Za-z0-9._-]+", "-", Path(spec).stem).strip("-._")[:64] or "run"} | parse(_text(spec), spec)
    return changed(spec_of_file, overrides, spec)


def changed(spec: Mapping[str, Any], overrides: Sequence[str] | Mapping[str, Any], where: str) -> dict[str, Any]:
    """Plain data of an experiment, changed by settings: dotted keys with their values, or words such as `generations=10`.

    Raises BadInput if the arms of the experiment set the same key. `where` names the experiment in the error.
    """
    settings = given_settings(overrides)
    spec = of_size(spec, settings.pop("size", spec.get("size")), where, settings)
    spec = override(_without_source(spec, settings), settings)
    for key in settings:
        _check_not_overruled(spec, str(key), where, is_own_sweep="sweep" in settings)
    return spec


FULL = "full"
"""The size of an experiment as it is written. Other sizes are under `sizes`."""


def of_size(spec: Mapping[str, Any], size: object, where: str, then: Mapping[str, Any] = {}) -> dict[str, Any]:
    """Plain data of an experiment with the settings of one of its `sizes`. A note gives the full-size value of each of them.

    Notes of a size replace those of the experiment. A setting that `then` changes again does not come from the size, so no note mentions it.
    Raises BadInput if there is no such size.

    >>> spec = {"name": "mine", "generations": 10, "sizes": {"small": {"generations": 5}}}
    >>> of_size(spec, "small", "mine.yaml")
    {'name': 'mine', 'generations': 5, 'notes': ['Size small cuts generations: 5 (at full size 10).']}
    """
    sizes = spec.get("sizes") or {}
    if not isinstance(sizes, Mapping) or not all(isinstance(settings, Mapping) for settings in sizes.values()):
        raise BadInput(f"{where}: sizes must map names to settings; write sizes: {{small: {{human.rows: 100}}}}")
    full = {key: value for key, value in spec.items() if key not in ("size", "sizes")}
    if size in (None, FULL):
        return full
    if str(size) not in sizes:
        raise BadInput(
            f"{where} has no size {size!r:.80}{nearest(str(size), [FULL, *sizes])}; it has {', '.join([FULL, *map(str, sizes)])}"
        )
    settings = sizes[str(size)]
    flat, cut = flatten(full), {key: value for key, value in flatten(settings).items() if key not in ("name", "notes")}
    changed_again = [str(key) for key, value in then.items() if key not in cut or cut[key] != value]
    cuts = [
        f"{key}: {words(value)} (at full size {words(_at(key, flat))})"
        for key, value in cut.items()
        if not any(f"{key}.".startswith(f"{other}.") or f"{other}.".startswith(f"{key}.") for other in changed_again)
    ]
    notes = [*settings.get("notes", full.get("notes", ())), *([f"Size {size} cuts {'; '.join(cuts)}."] if cuts else [])]
    return override(full, settings) | {"notes": notes}


def _at(key: str, flat: Mapping[str, Any]) -> object:
    """The value of a dotted key. For a key that has settings of its own, such as `sweep`, all of them by name."""
    inner = {other.removeprefix(f"{key}."): value for other, value in flat.items() if other.startswith(f"{key}.")}
    return inner or flat.get(key)


def words(value: object) -> str:
    """A setting's value in the words of a note. A list of arms becomes their names."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {words(inner)}" for name, inner in value.items())
    if value is None:
        return "none"
    if isinstance(value, list):
        return ", ".join(str(item.get("name", "an arm")) if isinstance(item, Mapping) else words(item) for item in value)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _without_source(spec: Mapping[str, Any], settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """The experiment without its source of human data if the settings name another source, which replaces it.

    A source whose kind has this setting itself keeps its kind, as in `{kind: images, path: …}`.
    """
    human = spec.get("human")
    if not isinstance(human, Mapping):
        return spec
    of_kind = str(human.get("kind"))
    own = {field.name for field in fields(member(SOURCES, of_kind, "human"))} if of_kind in SOURCES else set()
    if not any(settings.get(f"human.{word}") is not None for word in SOURCE_WORDS if word not in own):
        return spec
    return {**spec, "human": {key: value for key, value in human.items() if key not in ("kind", *SOURCE_WORDS)}}


SOURCE_WORDS = ("text", "distribution", "path", "hub", "array")
"""Settings of `human` that name a source of data. Only one of them may be given."""


def given_settings(given: Sequence[str] | Mapping[str, Any]) -> dict[str, Any]:
    """Settings by their keys, from a mapping or from words such as `generations=10`. Raises BadInput if two words set the same key.

    >>> given_settings(["generations=3", "policy=replace"])
    {'generations': 3, 'policy': 'replace'}
    """
    if isinstance(given, Mapping):
        return dict(given)
    settings: dict[str, Any] = {}
    for key, value in map(setting, given):
        if key in settings:
            raise BadInput(f"{key} is given twice; give it once")
        settings[key] = value
    return settings


def setting(word: str) -> tuple[str, Any]:
    """The key and the value of a setting that is written as `key=value`."""
    key, equals, value = word.partition("=")
    if not equals or not key.strip():
        raise BadInput(f"{word!r:.80} is not a setting; write key=value, as in generations=10")
    return key.strip(), _scalar(value, word)


def _check_not_overruled(spec_of_file: Mapping[str, Any], key: str, spec: str, is_own_sweep: bool) -> None:
    """Raise BadInput if arms or a sweep set the same key as a setting.

    If the sweep itself is among the settings, it may set a part of the value, such as policy.share of policy=human_share.
    """
    arms, sweep = spec_of_file.get("arms"), spec_of_file.get("sweep")
    overruling = (
        [str(own) for arm in arms if isinstance(arm, Mapping) for own in arm if own != "name"] if isinstance(arms, list) else []
    )
    of_sweep = [str(own) for own in sweep] if isinstance(sweep, Mapping) else []
    overruling += [own for own in of_sweep if not (is_own_sweep and own.startswith(f"{key}."))]
    if any(own == key or own.startswith(f"{key}.") or key.startswith(f"{own}.") for own in overruling):
        raise BadInput(f"{key} is set by the arms of {spec}; add arms=null (or sweep=null) to run one arm, or give your own arms")


def builtin() -> dict[str, Path]:
    """The built-in experiments by name."""
    return {
        Path(str(path)).stem: Path(str(path))
        for path in sorted(files("outcross.experiments").iterdir(), key=str)
        if str(path).endswith(".yaml")
    }


def parse(text: str, where: str) -> dict[str, Any]:
    """Read YAML that contains plain values only. Duplicate keys are refused."""
    settings = plain_yaml.read(text, where, EXAMPLE)
    if not isinstance(settings, dict):
        raise BadInput(f"{where} holds no experiment; it must be a YAML mapping with name, human, learner, …")
    return settings


def _text(spec: str) -> str:
    path = builtin().get(spec) or Path(spec)
    if "\0" not in spec and not os.path.lexists(path):
        raise BadInput(
            f"there is no experiment or file {spec!r}{nearest(spec, builtin())}; give a YAML file, or a built-in experiment: {', '.join(builtin())}"
        )
    return read_text(path, "give an experiment file in YAML", MOST_BYTES)


MOST_BYTES = 1_000_000
"""Maximum size of an experiment file, in bytes."""


def _scalar(text: str, where: str) -> Any:
    try:
        return plain_yaml.read(text, f"{where[:80]!r}", EXAMPLE)
    except BadInput as error:
        raise BadInput(f"{error}; the value is not valid YAML, so quote it") from None
