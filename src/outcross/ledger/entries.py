"""The lines of a ledger: what each says, and whether it can be believed.

An entry holds its step's identity, the key that is that identity's digest, the files made with their digests or the readings, and the
digest of all that. A line in which these do not fit each other is damaged or forged, and counts as absent.
"""

from __future__ import annotations

import json
from typing import Any

from outcross.estimate import Estimate, Reading
from outcross.ledger.digests import digest_of

IDENTITY = ("format", "verb", "recipe", "inputs", "stream", "source", "libraries")
VERBS = ("gather", "begin", "mix", "train", "generate", "select", "measure")


def entry_of(line: bytes) -> dict[str, Any] | None:
    """The entry of a line, or None where the line is damaged or forged: its key no longer fits what it says, or it is no entry."""
    try:
        entry = json.loads(line)
        if not _is_entry(entry):
            return None
        whole = entry["key"] == digest_of({name: entry[name] for name in IDENTITY}) and entry["verb"] in VERBS
        return entry if whole and entry["output"] == output_of(entry) else None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _is_entry(entry: Any) -> bool:
    """Whether it has the shape of an entry; it names files within the folder of its step alone."""
    seed, generation, verb, part = entry["stream"]
    return (
        {*IDENTITY, "key", "files", "size", "output"} == entry.keys() - {"readings"}
        and all(type(one) is int for one in (seed, generation, entry["size"]))
        and all(type(one) is str for one in (verb, part, entry["key"], entry["output"]))
        and all(type(told) is str and _is_within(name) for name, told in entry["files"].items())
        and all(_is_reading(one) for one in entry.get("readings", ()))
        and ("readings" in entry) == (entry["verb"] == "measure")
    )


def _is_within(name: str) -> bool:
    """Whether a file's name leads nowhere but into its step's folder."""
    return bool(name) and "\0" not in name and not name.startswith("/") and not {"", ".", ".."} & set(name.split("/"))


def _is_reading(told: Any) -> bool:
    one = told["estimate"]
    return (
        told.keys() == {"metric", "aspect", "estimate", "note"}
        and all(type(told[name]) is str for name in ("metric", "aspect", "note"))
        and (
            one is None
            or (
                one.keys() == {"value", "low", "high", "method", "n"}
                and all(type(one[name]) is float for name in ("value", "low", "high"))
                and (type(one["method"]), type(one["n"])) == (str, int)
            )
        )
    )


def output_of(entry: dict[str, Any]) -> str:
    """The digest of what a step made. Of a model and of human data it includes what decides how their code acts on the steps after:
    a model samples and scores, and the known distribution of human data is asked for its quantiles, neither of which is in a file."""
    if "readings" in entry:
        return digest_of(entry["readings"])
    if not entry["files"]:
        return entry["key"]
    acts = entry["verb"] in ("gather", "begin", "train")
    return digest_of([entry["files"], [entry["source"], entry["libraries"]] if acts else []])


def order_of(entry: dict[str, Any]) -> tuple[Any, ...]:
    """Where an entry stands in the canonical order: by seed, generation, verb, part and key."""
    seed, generation, verb, part = entry["stream"]
    return seed, generation, VERBS.index(verb), part, entry["key"]


def as_told(reading: Reading) -> dict[str, Any]:
    """A reading as an entry holds it."""
    one = reading.estimate
    estimate = (
        None
        if one is None
        else {"value": float(one.value), "low": float(one.low), "high": float(one.high), "method": one.method, "n": int(one.n)}
    )
    return {"metric": reading.metric, "aspect": reading.aspect, "estimate": estimate, "note": reading.note}


def readings_of(told: list[dict[str, Any]]) -> tuple[Reading, ...]:
    """The readings that an entry holds."""
    return tuple(
        Reading(one["metric"], one["aspect"], one["estimate"] and Estimate(**one["estimate"]), one["note"]) for one in told
    )
