"""The definitions of one module of source, with the digest and the references of each.

Two sources with equal syntax trees have equal digests. Comments, docstrings, the texts of errors and the papers of parts are ignored.
"""

from __future__ import annotations

import ast
import builtins
import gc
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

REFUSALS = "outcross.errors"
"""The module of the exceptions whose arguments are ignored, because they are texts for people."""

Target = tuple[str, str | None]
"""The target of an import: a module and the name in it. None stands for the module itself."""
Chain = tuple[str, ...]
"""A name and the attributes that are accessed on it: `np.linalg.eigh` is ("np", "linalg", "eigh")."""


@dataclass(frozen=True)
class Meaning:
    """The digest of some statements, and the names to which they refer."""

    digest: str
    chains: frozenset[Chain]
    """Every name that they use, with the attributes that are accessed on it."""
    imports: dict[str, set[Target]]
    """The imports within the statements, by the bound name."""


@dataclass
class Module:
    """The definitions of one module, by name."""

    name: str
    is_package: bool
    definitions: dict[str, list[ast.stmt]] = field(default_factory=dict)
    """The statements that define functions, classes and constants, by name. A name that is bound several times has several statements."""
    imports: dict[str, set[Target]] = field(default_factory=dict)
    whole_imports: set[str] = field(default_factory=set)
    """Modules from which everything is imported (`from module import *`)."""
    effects: list[ast.stmt] = field(default_factory=list)
    """Statements with effects when the module is imported. Every definition may depend on them."""
    _meanings: dict[str, Meaning] = field(default_factory=dict)

    @classmethod
    def read(cls, name: str, path: Path) -> Module:
        """Parse a file. Raises SyntaxError if it is not Python, and OSError if it cannot be read."""
        source = path.read_bytes()
        module, sets_globals = cls(name, path.name == "__init__.py"), b"global " in source
        collects = gc.isenabled()
        gc.disable()  # a tree is thousands of new objects without garbage, and collecting would take as long as parsing
        try:
            tree = ast.parse(source)
        finally:
            if collects:
                gc.enable()
        for statement in tree.body:
            module._index(statement, sets_globals)
        return module

    def meaning(self, name: str) -> Meaning:
        """Return the meaning of the definition of a name."""
        if name not in self._meanings:
            self._meanings[name] = self._read(self.definitions[name])
        return self._meanings[name]

    @cached_property
    def effect(self) -> Meaning:
        """The meaning of the statements in `effects`."""
        return self._read(self.effects)

    def _read(self, statements: list[ast.stmt]) -> Meaning:
        reader = _Reader(self)
        for statement in statements:
            reader.statement(statement)
        digest = hashlib.sha256("\x00".join(reader.words).encode(errors="surrogatepass")).hexdigest()
        return Meaning(digest, frozenset(reader.chains), reader.imports)

    def _index(self, statement: ast.stmt, sets_globals: bool) -> None:
        if _is_remark(statement) or _is_family(statement):
            return
        if isinstance(statement, ast.Import | ast.ImportFrom):
            self._bring(statement)
            return
        names = set(_bound(statement))
        if names == {"__all__"}:
            return
        for name in names:
            self._define(name, statement)
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for inner in ast.walk(statement) if sets_globals else ():
                if isinstance(inner, ast.Global):  # code that reads the name depends on the function that sets it
                    for name in inner.names:
                        self._define(name, statement)
            return
        for inner in ast.walk(statement):
            if isinstance(inner, ast.Import | ast.ImportFrom):
                self._bring(inner)
        if not _only_binds(statement):
            self.effects.append(statement)

    def _define(self, name: str, statement: ast.stmt) -> None:
        self.definitions.setdefault(name, []).append(statement)

    def _bring(self, statement: ast.Import | ast.ImportFrom) -> None:
        for name, target in self.brought(statement):
            if name == "*":
                self.whole_imports.add(target[0])
            else:
                self.imports.setdefault(name, set()).add(target)

    def brought(self, statement: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, Target]]:
        """Yield what an import statement binds, as (name, target)."""
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                yield (
                    (alias.asname, (alias.name, None))
                    if alias.asname
                    else (alias.name.split(".")[0], (alias.name.split(".")[0], None))
                )
            return
        source = statement.module or ""
        if statement.level:
            package = self.name.split(".") if self.is_package else self.name.split(".")[:-1]
            package = package[: len(package) - statement.level + 1]
            source = ".".join([*package, *([source] if source else [])])
        if source != "__future__":
            for alias in statement.names:
                yield alias.asname or alias.name, (source, alias.name)

    def refuses(self, called: ast.expr) -> bool:
        """Whether a raised exception is an error for people, whose text no code reads: one of REFUSALS or a built-in exception."""
        if isinstance(called, ast.IfExp):
            return self.refuses(called.body) and self.refuses(called.orelse)
        if not isinstance(called, ast.Name) or called.id in self.definitions:
            return False
        if called.id in self.imports:
            return all(module == REFUSALS for module, _ in self.imports[called.id])
        own = getattr(builtins, called.id, None)
        return isinstance(own, type) and issubclass(own, Exception)


class _Reader:
    """Turns statements into words that identify their syntax tree, and collects the names that they use."""

    def __init__(self, module: Module):
        self.module = module
        self.words: list[str] = []
        self.chains: set[Chain] = set()
        self.imports: dict[str, set[Target]] = {}

    def statement(self, node: ast.AST) -> None:
        self._special.get(type(node), _Reader._generic)(self, node)

    def _generic(self, node: ast.AST) -> None:
        cls = type(node)
        append, special, generic = self.words.append, self._special, _Reader._generic
        append(cls.__name__)
        for name in _FIELDS[cls] if cls in _FIELDS else _fields(cls):
            value = getattr(node, name)
            kind = type(value)
            if kind is list:
                append("[")
                for item in value:
                    kind = type(item)
                    if kind in _PLAIN:
                        append(repr(item))
                    elif not ((kind is ast.Expr and _is_remark(item)) or (kind is ast.Assign and _is_caption(item))):
                        special.get(kind, generic)(self, item)
                append("]")
            elif kind in _PLAIN:
                append(repr(value))
            else:
                special.get(kind, generic)(self, value)

    def _name(self, node: ast.Name) -> None:
        self.words.append(node.id)
        self.chains.add((node.id,))

    def _attribute(self, node: ast.Attribute) -> None:
        names: list[str] = []
        value: ast.expr = node
        while isinstance(value, ast.Attribute):
            names.append(value.attr)
            value = value.value
        self.words.append("." + ".".join(names))
        if isinstance(value, ast.Name):
            self.words.append(value.id)
            self.chains.add((value.id, *reversed(names)))
        else:
            self.statement(value)

    def _constant(self, node: ast.Constant) -> None:
        self.words.append(repr(node.value))

    def _raise(self, node: ast.Raise) -> None:
        raised = node.exc
        called = raised.func if isinstance(raised, ast.Call) else raised
        if called is not None and self.module.refuses(called):
            self.words.append("Raise")
            self.statement(called)
        else:
            self._generic(node)

    def _assert(self, node: ast.Assert) -> None:
        self.words.append("Assert")
        self.statement(node.test)

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        self._generic(node)
        for name, target in self.module.brought(node):
            self.imports.setdefault(name, set()).add(target)

    _special: dict[type, Callable[..., None]] = {
        ast.Name: _name,
        ast.Attribute: _attribute,
        ast.Constant: _constant,
        ast.Raise: _raise,
        ast.Assert: _assert,
        ast.Import: _import,
        ast.ImportFrom: _import,
    }


_PLAIN = {type(None), str, int, bool}
_FIELDS: dict[type, tuple[str, ...]] = {}


def _fields(cls: type[ast.AST]) -> tuple[str, ...]:
    """Return the relevant fields of a node. The context of a name (load or store) is left out, because it follows from its position."""
    if cls not in _FIELDS:
        _FIELDS[cls] = tuple(name for name in cls._fields if name not in ("ctx", "type_comment", "kind"))
    return _FIELDS[cls]


def _is_remark(node: ast.AST) -> bool:
    """Whether a statement is the docstring of a module, class, function or field."""
    return type(node) is ast.Expr and type(node.value) is ast.Constant and type(node.value.value) is str


def _is_caption(node: ast.AST) -> bool:
    """Whether a statement gives the paper of a part (`paper = "…"`), which is only printed by `outcross list`."""
    return (
        isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Constant)
        and [target.id for target in node.targets if isinstance(target, ast.Name)] == ["paper"]
    )


def _is_family(statement: ast.stmt) -> bool:
    """Whether a statement is the table of a family. It is ignored, because the recipe names the member that does the work."""
    return (
        isinstance(statement, ast.AnnAssign)
        and isinstance(statement.annotation, ast.Name)
        and statement.annotation.id == "Family"
        and statement.value is not None
    )


def _targets(statement: ast.stmt) -> list[ast.expr]:
    if isinstance(statement, ast.Assign):
        return statement.targets
    return [statement.target] if isinstance(statement, ast.AnnAssign | ast.AugAssign) else []


def _bound(statement: ast.stmt) -> Iterator[str]:
    """Yield the names that a statement binds in its module, other than by import."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield statement.name
        return
    for target in _targets(statement):
        yield from (inner.id for inner in ast.walk(target) if isinstance(inner, ast.Name))
    for inner in ast.iter_child_nodes(statement):
        if isinstance(inner, ast.stmt | ast.excepthandler):
            yield from _bound(inner)  # type: ignore[arg-type]
    if isinstance(statement, ast.For | ast.AsyncFor):
        yield from (inner.id for inner in ast.walk(statement.target) if isinstance(inner, ast.Name))
    if isinstance(statement, ast.With | ast.AsyncWith):
        for item in statement.items:
            if item.optional_vars is not None:
                yield from (inner.id for inner in ast.walk(item.optional_vars) if isinstance(inner, ast.Name))


def _only_binds(statement: ast.stmt) -> bool:
    """Whether a statement only binds names: a plain assignment, or imports under a condition (`if TYPE_CHECKING:`)."""
    if isinstance(statement, ast.If):
        return all(isinstance(inner, ast.Import | ast.ImportFrom | ast.Pass) for inner in (*statement.body, *statement.orelse))
    targets = _targets(statement)
    return bool(targets) and all(
        isinstance(inner, ast.Name | ast.Tuple | ast.List | ast.Starred | ast.expr_context)
        for target in targets
        for inner in ast.walk(target)
    )
