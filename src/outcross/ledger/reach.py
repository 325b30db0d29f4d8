"""The source and the library versions that determine a step: the source that its verb and its recipe use, and the libraries that they declare.

Source is followed definition by definition and not module by module, over names, imports and attributes of modules. It is followed too far rather
than not far enough: a class is included completely if it is named anywhere, even in an annotation.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from outcross import own_parts, own_source
from outcross.ledger.digests import digest_of
from outcross.ledger.syntax import Module, Target

NOT_DECIDING = {
    "pydantic": "It checks recipes, and the checked values are in the key themselves.",
    "pydantic_core": "It is the part of pydantic that does the checks.",
}
"""Libraries that steps import but keys do not cover, each with the reason why its version does not change a number."""
LEFT_OUT = {
    "outcross.errors": "It formulates errors and gives them exit codes. A step with an error stores nothing.",
    "outcross.own_parts": "It finds user-defined parts by their names. The source of such a part is in the key itself.",
    "outcross.own_source": "It reads the source of user-defined parts, whose digest is in the key itself.",
    "outcross.runtime": "It distributes work and reports progress. The place where a step ran does not change its result.",
    "outcross.models.as_transformers": "It exports the model of a step for other tools. No step reads the exported files.",
    "outcross.models.server.asking": "It sends requests to a server and receives the answers. Both are stored.",
    "outcross.models.transformer.gpt_neox": "It exports the model of a step for other tools. No step reads the exported files.",
    "outcross.report.figure": "It holds and saves the figures of a result. No step reads them.",
    "outcross.report.shapes": "It draws results from the stored outputs of steps.",
    "outcross.report.sides": "It draws both sides of an audit from the stored output of the step.",
    "outcross.verbs.results": "It shows results from the stored outputs of steps.",
    "outcross.verbs.audit.figures": "It draws an audit from the stored checks of the step.",
    "outcross.verbs.audit.screen": "It prints an audit from the stored checks of the step.",
    "outcross.verbs.audit.page": "It draws an audit from the stored checks of the step.",
    "outcross.verbs.audit.sentences": "It describes an audit in words from the stored checks of the step.",
}
"""Modules that steps use but keys do not cover, each with the reason why its source does not change a number."""

Root = tuple[str, str | None]
"""A module and a definition in it from which source is followed. None stands for the whole module."""


Place = tuple[str, str]
"""A module and a definition in it. An empty name stands for the statements that are executed when the module is imported."""


@dataclass(frozen=True)
class Reached:
    """The definitions and libraries that some roots use."""

    definitions: frozenset[Place]
    libraries: frozenset[str]
    """Third-party packages that these definitions use, by the imported name. The standard library is left out."""
    digest: str


def source_digest(verbs: Iterable[Root], recipe: Any) -> str:
    """Return the digest of the source that determines a step: the functions of its verb, the modules of its recipe, and everything that they use."""
    return _digest(frozenset([*verbs, *((module, None) for module in modules(recipe))]))


@functools.cache
def _digest(roots: frozenset[Root]) -> str:
    return reached(roots).digest[:16]


def modules(recipe: Any) -> set[str]:
    """Return the modules that define a recipe and the recipes within it."""
    return {kind.__module__ for kind in kinds(recipe)}


def kinds(recipe: Any) -> set[type]:
    """Return the classes of a recipe and of the recipes within it."""
    if isinstance(recipe, tuple | list):
        return set().union(*map(kinds, recipe))
    if not is_dataclass(recipe):
        return set()
    return {type(recipe)}.union(*(kinds(getattr(recipe, field.name)) for field in fields(recipe)))


def root_of(function: Any) -> Root:
    """Return the root of a function. It is the whole module if the function is defined within another function."""
    return function.__module__, None if "." in function.__qualname__ else function.__qualname__


def versions(libraries: Iterable[str], recipe: Any) -> dict[str, str]:
    """Return the versions that determine the numbers of a step: of Python, of these libraries, and of those that its recipe declares.

    A recipe and the recipes within it declare libraries in `libraries`, by their names on the package index. For a user-defined part, the libraries
    that its source imports are added. The version of a library that is not installed is empty.

    Only the minor version of Python counts (3.11). It determines the Unicode tables, by which words are separated, and the summation of floats (`sum`
    compensates from 3.12 on). Patch releases change neither.
    """
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    declared = {*libraries}.union(*(getattr(kind, "libraries", ()) for kind in kinds(recipe)))
    declared |= {_package(name) for kind in kinds(recipe) if own_parts.is_own(kind) for name in own_source.libraries(kind)}
    return {"python": python} | {name: _version(name) for name in sorted(declared)}


@functools.cache
def _package(library: str) -> str:
    """Return the name on the package index of an imported library."""
    try:
        metadata.version(library)
    except metadata.PackageNotFoundError:
        return min(distributions().get(library, [library]))
    return library


@functools.cache
def distributions() -> Mapping[str, list[str]]:
    """Return the installed distributions by the imported name: {"sklearn": ["scikit-learn"]}. Reading them takes a third of a second."""
    return metadata.packages_distributions()


@functools.cache
def _version(library: str) -> str:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return ""


def reached(roots: Iterable[Root]) -> Reached:
    """Return all definitions of this package and of the user that some roots use, and the third-party libraries that these use."""
    packages = frozenset(module.partition(".")[0] for module, _ in roots)
    waiting, libraries = _places(roots, packages)
    digests: dict[Place, str] = {}
    while waiting:
        place = waiting.pop()
        if place not in digests:
            links = _links(place, packages)
            digests[place] = links.digest
            waiting |= links.places
            libraries |= links.libraries
    lines = sorted([_called(module), name, digest] for (module, name), digest in digests.items())
    return Reached(frozenset(digests), frozenset(libraries), digest_of(lines))


@dataclass(frozen=True)
class _Links:
    """The digest of one definition, and the definitions and libraries to which it refers."""

    digest: str
    places: set[Place]
    libraries: set[str]


@functools.cache
def _links(place: Place, packages: frozenset[str]) -> _Links:
    module = _module(place[0], packages)
    assert module is not None
    meaning = module.meaning(place[1]) if place[1] else module.effect
    search, brought = _Search(packages), []
    for first, *rest in meaning.chains:
        targets = meaning.imports.get(first, set()) | module.imports.get(first, set())
        brought += [(first, source, attribute or "") for source, attribute in targets]
        for target in targets:
            search.visit(target, tuple(rest))
        if first in module.definitions:
            search.places.add((module.name, first))
    if module.effects:
        search.places.add((module.name, ""))
    search.visit_stars(module)
    return _Links(digest_of([meaning.digest, sorted(brought)]), search.places, search.libraries)


def _places(roots: Iterable[Root], packages: frozenset[str]) -> tuple[set[Place], set[str]]:
    """Return the definitions that roots name, and the libraries among them."""
    search = _Search(packages)
    for root in roots:
        search.visit(root)
    return search.places, search.libraries


class _Search:
    """Searches for the definitions of names."""

    def __init__(self, packages: frozenset[str]):
        self.packages = packages
        self.seen: set[tuple[Target, tuple[str, ...]]] = set()
        self.places: set[Place] = set()
        self.libraries: set[str] = set()

    def visit(self, target: Target, chain: tuple[str, ...] = ()) -> None:
        """Find a module (if the name in it is None) or a name in a module. `chain` are the attributes that are accessed on it."""
        if (target, chain) in self.seen:
            return
        self.seen.add((target, chain))
        name, attribute = target
        if name in LEFT_OUT:
            return
        if attribute is None and chain:
            attribute, chain = chain[0], chain[1:]
        if (module := _module(name, self.packages)) is None:
            package = name.partition(".")[0]
            if package not in sys.stdlib_module_names:
                self.libraries.add(package)
        elif attribute is None:
            self.places |= {(name, definition) for definition in (*module.definitions, "")}
            self.visit_stars(module)
        elif attribute in module.definitions or attribute in module.imports:
            if attribute in module.definitions:
                self.places.add((name, attribute))
            for brought in module.imports.get(attribute, ()):
                self.visit(brought, chain)
        elif f"{name}.{attribute}" in LEFT_OUT:
            return
        elif module.is_package and _module(f"{name}.{attribute}", self.packages) is not None:
            self.visit((f"{name}.{attribute}", None), chain)
        else:
            if "__getattr__" in module.definitions:
                self.places.add((name, "__getattr__"))
            self.visit_stars(module)

    def visit_stars(self, module: Module) -> None:
        """Visit all modules from which a module imports everything."""
        for star in module.whole_imports:
            self.visit((star, None))


def _called(module: str) -> str:
    """Return the name of a module. The script has the same name in worker processes as in this process."""
    return "__main__" if module == "__mp_main__" else module


@functools.cache
def _module(name: str, packages: frozenset[str]) -> Module | None:
    """Return a module whose source is followed. None for third-party libraries and for modules without source."""
    if name.partition(".")[0] == "outcross":
        path = _own_file(name)
    else:
        path = _users_file(name, packages) if packages - {"outcross"} else None
    return None if path is None else _read(name, path)


@functools.cache
def _read(name: str, path: Path) -> Module | None:
    try:
        return Module.read(name, path)
    except (OSError, SyntaxError, ValueError):
        return None


def _own_file(module: str) -> Path | None:
    """Return the file of a module of this package without importing it."""
    base = Path(__file__).parents[1].joinpath(*module.split(".")[1:])
    return next((path for path in (base / "__init__.py", base.with_suffix(".py")) if path.exists()), None)


def _users_file(module: str, packages: frozenset[str]) -> Path | None:
    """Return the file of a module of the user: one in a package with parts, or another one that is not installed."""
    import importlib.util

    package = module.partition(".")[0]
    if package in sys.stdlib_module_names and package != "__main__":
        return None
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None:
        try:
            spec = importlib.util.find_spec(module)
        except (ImportError, ValueError):
            return None
        file = None if spec is None else spec.origin
    if file is None or not file.endswith(".py"):
        return None
    return Path(file) if package in packages or not _is_installed(file) else None


def _is_installed(file: str) -> bool:
    import sysconfig

    return any(file.startswith(sysconfig.get_path(name)) for name in ("purelib", "platlib", "stdlib"))


def _forget() -> None:
    """Forget all source that was read, because a file of the user was imported again."""
    for remembered in (_digest, _links, _module, _read):
        remembered.cache_clear()


own_source.when_changed(_forget)
