"""What decides what a step does: the source that its verb and its recipe reach, and the versions of the libraries that they declare.

Source is followed by definition, not by module, over names, imports and the attributes of modules. It is followed too far rather than
not far enough: a class is covered whole as soon as it is named, be it in an annotation.
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
    "pydantic": "It checks recipes; the values that it lets through are in the key themselves.",
    "pydantic_core": "It is the part of pydantic that does the checks.",
    "threadpoolctl": "It says how many threads of a library work at a time.",
}
"""Libraries that the source of steps imports and no key covers, each with the reason why its version decides no number."""
LEFT_OUT = {
    "outcross.errors": "It words refusals and gives them their exit codes; a step that is refused leaves nothing behind.",
    "outcross.own_parts": "It finds parts of the user's own by their names; the source of such a part is in the key itself.",
    "outcross.own_source": "It reads the source of parts of the user's own, whose digest is in the key itself.",
    "outcross.runtime": "It says where work is done and tells how far it is; where a step ran is no part of what it did.",
    "outcross.models.as_transformers": "It writes a model that a step has made for other tools; no step reads what it writes.",
    "outcross.models.server.asking": "It carries questions to a server and answers back; what was asked and answered is kept.",
    "outcross.models.transformer.gpt_neox": "It writes a model that a step has made for other tools; no step reads what it writes.",
    "outcross.report.figure": "It holds and saves what is drawn of a result; no step reads what it holds.",
    "outcross.report.shapes": "It draws results, from what the steps have stored.",
    "outcross.report.sides": "It draws both sides of an audit, from what the step has stored.",
    "outcross.verbs.results": "It shows results, from what the steps have stored.",
    "outcross.verbs.audit.figures": "It draws what an audit found, from the checks that the step has stored.",
    "outcross.verbs.audit.screen": "It prints what an audit found, from the checks that the step has stored.",
    "outcross.verbs.audit.page": "It draws what an audit found, from the checks that the step has stored.",
    "outcross.verbs.audit.sentences": "It says what an audit found, from the checks that the step has stored.",
}
"""Modules that steps use and no key covers, each with the reason why its source decides no number."""

Root = tuple[str, str | None]
"""A module and a definition in it from which source is followed; None is all of the module."""


Place = tuple[str, str]
"""A module and a definition in it; the name is empty for what the module does as it is imported."""


@dataclass(frozen=True)
class Reached:
    """What some roots reach."""

    definitions: frozenset[Place]
    libraries: frozenset[str]
    """Packages of others that these definitions use, Python's own left out, by the name that is imported."""
    digest: str


def source_digest(verbs: Iterable[Root], recipe: Any) -> str:
    """Digest of the source that decides what a step does: of its verb's functions, its recipe's modules, and all that they reach."""
    return _digest(frozenset([*verbs, *((module, None) for module in modules(recipe))]))


@functools.cache
def _digest(roots: frozenset[Root]) -> str:
    return reached(roots).digest[:16]


def modules(recipe: Any) -> set[str]:
    """The modules that define a recipe and the recipes within it."""
    return {kind.__module__ for kind in kinds(recipe)}


def kinds(recipe: Any) -> set[type]:
    """The classes of a recipe and of the recipes within it."""
    if isinstance(recipe, tuple | list):
        return set().union(*map(kinds, recipe))
    if not is_dataclass(recipe):
        return set()
    return {type(recipe)}.union(*(kinds(getattr(recipe, field.name)) for field in fields(recipe)))


def root_of(function: Any) -> Root:
    """Where a function is defined; all of its module where it is defined within another function."""
    return function.__module__, None if "." in function.__qualname__ else function.__qualname__


def versions(libraries: Iterable[str], recipe: Any) -> dict[str, str]:
    """The versions that decide the numbers of a step: of Python, of these libraries, and of those that its recipe declares.

    A recipe and the recipes within it declare them in `libraries`, by their names on the package index; of a part of the user's own, what its
    source imports is added. The version of what is not installed is empty.

    Of Python the minor version counts (3.11): it decides the tables of Unicode, by which words are told apart, and how floats are
    summed (`sum` compensates from 3.12 on). Its patches mend faults and leave both alone.
    """
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    declared = {*libraries}.union(*(getattr(kind, "libraries", ()) for kind in kinds(recipe)))
    declared |= {_package(name) for kind in kinds(recipe) if own_parts.is_own(kind) for name in own_source.libraries(kind)}
    return {"python": python} | {name: _version(name) for name in sorted(declared)}


@functools.cache
def _package(library: str) -> str:
    """The name on the package index of what is imported by a name."""
    try:
        metadata.version(library)
    except metadata.PackageNotFoundError:
        return min(distributions().get(library, [library]))
    return library


@functools.cache
def distributions() -> Mapping[str, list[str]]:
    """The distributions that are installed, by the name that is imported: {"sklearn": ["scikit-learn"]}. Reading them takes a third of a second."""
    return metadata.packages_distributions()


@functools.cache
def _version(library: str) -> str:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return ""


def reached(roots: Iterable[Root]) -> Reached:
    """All definitions of ours that some definitions reach, and the libraries of others that those use."""
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
    """What one definition says, and what it refers to."""

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
    """The definitions that roots name, and the libraries among them."""
    search = _Search(packages)
    for root in roots:
        search.visit(root)
    return search.places, search.libraries


class _Search:
    """Finds where names are defined."""

    def __init__(self, packages: frozenset[str]):
        self.packages = packages
        self.seen: set[tuple[Target, tuple[str, ...]]] = set()
        self.places: set[Place] = set()
        self.libraries: set[str] = set()

    def visit(self, target: Target, chain: tuple[str, ...] = ()) -> None:
        """Find a module (its name None), or a name in it; `chain` are the attributes that are read off it."""
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
        """Reach all of the modules of which a module imports everything."""
        for star in module.whole_imports:
            self.visit((star, None))


def _called(module: str) -> str:
    """The name of a module; a script that workers started afresh goes by the name that it has here."""
    return "__main__" if module == "__mp_main__" else module


@functools.cache
def _module(name: str, packages: frozenset[str]) -> Module | None:
    """A module whose source is followed; None for the libraries of others, and where a module has no source."""
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
    """The file of a module of ours, not imported."""
    base = Path(__file__).parents[1].joinpath(*module.split(".")[1:])
    return next((path for path in (base / "__init__.py", base.with_suffix(".py")) if path.exists()), None)


def _users_file(module: str, packages: frozenset[str]) -> Path | None:
    """The file of a user's module: of a package that has parts in it, or of one beside it that is not installed."""
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
    """Read source again: a file of the user's own was imported anew."""
    for remembered in (_digest, _links, _module, _read):
        remembered.cache_clear()


own_source.when_changed(_forget)
