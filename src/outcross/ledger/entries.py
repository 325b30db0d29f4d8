"""The lines of a ledger: what each says, and whether it can be believed.

A line ends with the digest of all that stands before it (`whole`), so that no bit of it changes unnoticed. There are three types of
entry. A *step* holds its identity, the key that is that identity's digest, and the files made with their digests or the readings. A
*run* says which experiment the folder holds, on which human data and in which environment. A *generation* says that one has ended: its
steps, its readings and what people may read of it. A line that does not fit its digest is damaged, and counts as absent; so does an
entry that is not what its type holds.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from outcross.estimate import Estimate, Null, Reading
from outcross.ledger.digests import digest_of

FORMAT = 3
"""Of a run folder and of its ledger. It is raised when a verb's own meaning or the shape of a line changes, so that nothing older is
taken for new: a folder of another format is refused."""
IDENTITY = ("format", "verb", "recipe", "inputs", "stream", "source", "libraries")
VERBS = ("gather", "begin", "mix", "train", "generate", "select", "measure")
NAMED = ("training", "model", "drawn")
"""The steps of a generation that a run folder has names for."""
WHOLE = ',"whole":"'
"""What opens the digest at the end of a line. No key of an entry sorts behind `whole`."""


def line_of(entry: dict[str, Any]) -> bytes:
    """The line of an entry: canonical JSON, the SHA-256 of that JSON as its last value, and a newline."""
    told = json.dumps(
        {name: value for name, value in entry.items() if name != "whole"}, sort_keys=True, separators=(",", ":"), allow_nan=False
    )
    return f'{told[:-1]}{WHOLE}{hashlib.sha256(told.encode()).hexdigest()}"}}\n'.encode()


def entry_of(line: bytes) -> dict[str, Any] | None:
    """The entry of a line, or None where the line is damaged or forged: it does not fit its digest, or it is no entry."""
    try:
        if not _is_whole(line):
            return None
        entry = json.loads(line)
        del entry["whole"]
        if b"\\ud" in line:
            json.dumps(entry, ensure_ascii=False).encode()  # half a letter is no text
        if entry["format"] != FORMAT:
            return None
        if "type" in entry:
            return entry if {"run": _is_run, "generation": _is_generation}[entry["type"]](entry) else None
        if not _is_step(entry) or entry["verb"] not in VERBS:
            return None
        fits = entry["key"] == digest_of({name: entry[name] for name in IDENTITY}) and entry["output"] == output_of(entry)
        return entry if fits else None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def other_format(line: bytes) -> int | None:
    """The format of a line that is whole and was written in another format than today's; None for every other line.

    Lines of format 1 had no digest of their own; what is believed of them is that their key fits their identity.
    """
    try:
        entry = json.loads(line)
        told = entry["format"]
        if type(told) is not int or told == FORMAT:
            return None
        is_whole = (
            _is_whole(line)
            if "whole" in entry
            else entry["key"] == digest_of({name: entry[name] for name in IDENTITY if name != "libraries"})
        )
        return told if is_whole else None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def is_cut_off(tail: bytes) -> bool:
    """Whether bytes without a newline are what a killed process leaves of a line; a whole entry with more behind it is damage."""
    try:
        json.loads(tail.decode("latin-1"))
        return True
    except RecursionError:
        return False
    except ValueError as error:
        return not str(error).startswith("Extra data")


def _is_whole(line: bytes) -> bool:
    """Whether a line ends with the digest of what stands before it."""
    told, opening, digest = line.rpartition(WHOLE.encode())
    return bool(opening) and digest == f'{hashlib.sha256(told + b"}").hexdigest()}"}}\n'.encode()


def run_entry(experiment: dict[str, Any], human: dict[str, str], environment: dict[str, Any], lines: int | None) -> dict[str, Any]:
    """What a folder holds: the experiment with every default written out, the digest of each arm's human data by the arm's name, the
    environment, and how many other lines the ledger of the finished run has (None while it is unfinished)."""
    return {"type": "run", "format": FORMAT, "experiment": experiment, "human": human, "environment": environment, "lines": lines}


def generation_entry(
    arm: str, seed: int, generation: int, steps: dict[str, str], measured: list[str], samples: list[list[Any]]
) -> dict[str, Any]:
    """One generation of one arm has ended: the keys of its steps by name and of its readings, and its samples (prompt number, prompt, text)."""
    return {
        "type": "generation", "format": FORMAT, "arm": arm, "seed": seed, "generation": generation, "steps": steps, "measured": measured,
        "samples": samples,
    }  # fmt: skip


def _is_run(entry: Any) -> bool:
    return (
        entry.keys() == {"type", "format", "experiment", "human", "environment", "lines"}
        and all(type(entry[name]) is dict for name in ("experiment", "human", "environment"))
        and all(type(told) is str for told in entry["human"].values())
        and (entry["lines"] is None or type(entry["lines"]) is int)
    )


def _is_generation(entry: Any) -> bool:
    return (
        entry.keys() == {"type", "format", "arm", "seed", "generation", "steps", "measured", "samples"}
        and type(entry["arm"]) is str
        and type(entry["seed"]) is int
        and type(entry["generation"]) is int
        and entry["generation"] >= 0
        and entry["steps"].keys() == set(NAMED)
        and all(type(key) is str for key in (*entry["steps"].values(), *entry["measured"]))
        and all(tuple(map(type, sample)) == (int, str, str) and 0 <= sample[0] < 2**31 for sample in entry["samples"])
    )


def _is_step(entry: Any) -> bool:
    """Whether it has the shape of a step; it names files within the folder of its step alone."""
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
        told.keys() == {"measure", "at", "column", "group", "estimate", "null", "note"}
        and all(type(told[name]) is str for name in ("measure", "at", "column", "group", "note"))
        and _is_null(told["null"])
        and (
            one is None
            or (
                one.keys() == {"value", "low", "high", "method", "n"}
                and type(one["value"]) is float
                and (type(one["low"]), type(one["high"])) in ((float, float), (type(None), type(None)))
                and (type(one["method"]), type(one["n"])) == (str, int)
            )
        )
    )


def _is_null(told: Any) -> bool:
    return told is None or (
        told.keys() == {"typical", "low", "high", "floor", "p", "method"}
        and type(told["typical"]) is float
        and (type(told["low"]), type(told["high"])) in ((float, float), (type(None), type(None)))
        and all(type(told[name]) in (float, type(None)) for name in ("floor", "p"))
        and type(told["method"]) is str
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
    """Where an entry stands in the canonical order: the run, then its steps by seed, generation, verb, part and key, and behind the steps
    of a generation that it has ended."""
    if entry.get("type") == "run":
        return (-1,)
    if entry.get("type") == "generation":
        return entry["seed"], entry["generation"], len(VERBS), entry["arm"], ""
    seed, generation, verb, part = entry["stream"]
    return seed, generation, VERBS.index(verb), part, entry["key"]


def as_told(reading: Reading) -> dict[str, Any]:
    """A reading as an entry holds it."""
    one = reading.estimate
    estimate = (
        None
        if one is None
        else {"value": float(one.value), "low": _end(one.low), "high": _end(one.high), "method": one.method, "n": int(one.n)}
    )
    real = reading.null
    null = (
        None
        if real is None
        else {
            "typical": float(real.typical), "low": _end(real.low), "high": _end(real.high),
            "floor": _end(real.floor), "p": _end(real.p), "method": real.method,
        }
    )  # fmt: skip
    return {
        "measure": reading.measure, "at": reading.at, "column": reading.column, "group": reading.group,
        "estimate": estimate, "null": null, "note": reading.note,
    }  # fmt: skip


def _end(end: float | None) -> float | None:
    """An end of an interval as an entry holds it; null where there is no interval."""
    return None if end is None else float(end)


def readings_of(told: list[dict[str, Any]]) -> tuple[Reading, ...]:
    """The readings that an entry holds."""
    return tuple(
        Reading(**one | {"estimate": one["estimate"] and Estimate(**one["estimate"]), "null": one["null"] and Null(**one["null"])})
        for one in told
    )
