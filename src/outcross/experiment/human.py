"""The setting `human` of an experiment: short forms of a source of data, and whether it names a source at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any

from outcross.errors import BadInput
from outcross.sources import is_in_memory, must_name_files


def names_a_source(human: Mapping[str, Any]) -> bool:
    """Whether the settings of `human` name a source of data. For example, `{kind: path, path: null}` does not."""
    named = human.get("kind", human.get("text", human.get("distribution")))
    if named is None or named in ("path", "hub", "array", "labelled_table"):
        return any(human.get(word) is not None for word in ("path", "hub", "array"))
    return True


def source_settings(value: object) -> object:
    """Turn `{text: stdlib}`, `{distribution: normal}`, `{path: …}`, `{hub: …}` and `{array: …}` into settings with the `kind` of a source."""
    for source in value.values() if isinstance(value, Mapping) else [value]:
        if is_in_memory(source) and not is_dataclass(source):
            raise BadInput(f"human {must_name_files(source)}: {{path: human.parquet, text_column: …}} or {{array: points.npy}}")
    if not isinstance(value, Mapping):
        return value
    settings = dict(value)
    for word in ("text", "distribution"):
        if word in settings:
            named = str(settings.pop(word))
            if settings.setdefault("kind", named) != named:
                raise BadInput(f"human.{word} is {named!r:.80}, but human.kind is {settings['kind']!r:.80}; write only one of them")
    for word in ("path", "hub", "array"):
        if settings.get(word) is not None:
            return {"kind": word} | settings
    if not names_a_source(settings):
        raise BadInput(
            "human must say where the data come from; add human.path=FILE (or human.hub=ID) to the command, or write text: stdlib or distribution: normal"
        )
    return settings
