"""What tells one value, file or piece of source from another: their digests."""

from __future__ import annotations

import ast
import functools
import hashlib
import json
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any


def digest_of(value: Any) -> str:
    """SHA-256 of canonical JSON (sorted keys, no spaces)."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()).hexdigest()


def digest_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def modules(recipe: Any) -> set[str]:
    """The modules that define a recipe and the recipes within it."""
    if isinstance(recipe, tuple):
        return set().union(*(modules(one) for one in recipe)) if recipe else set()
    if not is_dataclass(recipe):
        return set()
    return {type(recipe).__module__}.union(*(modules(getattr(recipe, one.name)) for one in fields(recipe)))


SPINE = {
    "data", "data.records", "models.draw", "errors", "estimate", "experiment", "ledger", "ledger.digests", "ledger.entries", "ledger.locks",
    "loop", "recipe", "runtime", "models.schedule",
}  # fmt: skip
"""Modules that every step rests on; a change of their meaning raises FORMAT instead."""


@functools.cache
def source_digest(module: str) -> str:
    """Digest of the source that defines a recipe: its module, and the modules of ours that it imports, and they."""
    found: dict[str, bytes] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in found and (path := _source(name)) is not None:
            found[name] = path.read_bytes()
            waiting += _imported(found[name])
    return digest_of(sorted(hashlib.sha256(source).hexdigest() for source in found.values()))[:16]


def _source(module: str) -> Path | None:
    """The file of a module, not imported if it is ours; None where there is no such module, or it has no file."""
    package, *names = module.split(".")
    if package != "outcross":
        file = getattr(sys.modules.get(module), "__file__", None)
        return None if file is None else Path(file)
    base = Path(__file__).parents[1].joinpath(*names)
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.exists()), None)


def _imported(source: bytes) -> list[str]:
    """The modules of ours that a source imports, without the spine and the families' protocols."""
    left_out = {f"outcross.{one}" for one in (*SPINE, "measures", "models", "policies", "sources")} | {"outcross"}
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("outcross"):
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return [name for name in names if name not in left_out]
