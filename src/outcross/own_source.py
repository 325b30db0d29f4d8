"""The source of the user's own parts: its files, their digests, the libraries that they use, and the classes that they declare.

Nothing here imports a part. The source of a part is the file that defines its class and the modules beside it that this file imports. Its digests are
in the keys of steps and in records, and its text is sent to other machines.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import importlib
import os
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outcross.errors import BadInput, first_words

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

PACKAGE = Path(__file__).parent


_changes: list[Callable[[], None]] = []
"""Functions that clear a cache when a file is imported anew."""


def when_changed(forget: Callable[[], None]) -> None:
    """Register `forget`, which clears a cache of facts about source. It is called whenever a file is imported anew."""
    _changes.append(forget)


def changed() -> None:
    """Clear all caches of facts about source."""
    for forget in _changes:
        forget()


def shown(file: str | Path) -> str:
    """The path of a file as people read it: relative to the current folder if the file lies in it."""
    path = Path(file)
    with contextlib.suppress(ValueError, OSError):
        return str(path.resolve().relative_to(Path.cwd()))
    return str(path)


def local_modules(module: str, file: Path) -> dict[str, Path]:
    """The files, by module name, of a module and of the modules beside it that it imports, directly or indirectly, anywhere in their text.

    For an installed package, only modules of that package count. A file that cannot be parsed is included without its imports.
    """
    root = file.parents[module.count(".") + (1 if file.name == "__init__.py" else 0)]
    within = module.partition(".")[0] if is_installed(file) else None
    files: dict[str, Path] = {}
    waiting = [(module, file)]
    while waiting:
        name, path = waiting.pop()
        if name in files:
            continue
        files[name] = path
        for imported in imported_names(name, path):
            top = imported.partition(".")[0]
            if top in sys.stdlib_module_names and top != within and not (root / f"{top}.py").exists():
                continue
            if top == "outcross" or (within is not None and top != within):
                continue
            base = root.joinpath(*imported.split("."))
            beside = next((path for path in (base / "__init__.py", base.with_suffix(".py")) if path.is_file()), None)
            if beside is not None:
                waiting.append((imported, beside))
    return files


def imported_names(module: str, file: Path) -> Iterator[str]:
    """The names of all modules that a file may import, and of the packages that contain them."""
    with contextlib.suppress(OSError, SyntaxError, ValueError):
        for node in ast.walk(ast.parse(file.read_bytes())):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                source = node.module or ""
                if node.level:
                    package = module.split(".") if file.name == "__init__.py" else module.split(".")[:-1]
                    package = package[: len(package) - node.level + 1]
                    source = ".".join([*package, *([source] if source else [])])
                names = (
                    [source, *(f"{source}.{alias.name}" for alias in node.names)]
                    if source
                    else [alias.name for alias in node.names]
                )
            for name in names:
                parts = name.split(".")
                yield from (".".join(parts[: length + 1]) for length in range(len(parts)))


def is_installed(file: str | Path) -> bool:
    """Whether a file belongs to Python or to a package that was installed."""
    return any(str(file).startswith(sysconfig.get_path(name)) for name in ("purelib", "platlib", "stdlib"))


def file_of(cls: type) -> Path | None:
    """The file that defines a class; None if there is none, as in a notebook."""
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    return Path(file).resolve() if file and Path(file).is_file() else None


def sources(cls: type) -> dict[str, Path]:
    """The files of a class and of the modules beside it that it imports, by module; empty if the class has no file."""
    file = file_of(cls)
    if file is None:
        return {}
    module = file.stem if cls.__module__ in ("__main__", "__mp_main__") else cls.__module__
    return local_modules(module, file)


def digests(cls: type) -> dict[str, str]:
    """SHA-256 of the file of a class and of the modules beside it that it imports, by file name or module."""
    files = sources(cls).items()
    return {
        f"{module}.py" if "." not in module else module: hashlib.sha256(path.read_bytes()).hexdigest() for module, path in files
    }


def libraries(cls: type) -> set[str]:
    """The import names of the third-party packages that the source of a class uses."""
    local = sources(cls)
    tops = {name.partition(".")[0] for module, path in local.items() for name in imported_names(module, path)}
    own = {module.partition(".")[0] for module in local}
    return {top for top in tops - own if top not in sys.stdlib_module_names and top != "outcross"}


@dataclass(frozen=True)
class Shipped:
    """Source that is sent to other machines: the content of files by their path within one folder."""

    files: tuple[tuple[str, bytes], ...] = ()

    def unpack(self) -> None:
        """Write the files to a new folder in Python's import path. Loaded modules of the same names are forgotten."""
        if not self.files:
            return
        digest = hashlib.sha256(repr(self.files).encode()).hexdigest()[:16]
        folder = (
            Path(tempfile.gettempdir()) / f"outcross-parts-{os.getuid() if hasattr(os, 'getuid') else 0}-{os.getpid()}-{digest}"
        )
        for name, content in self.files:
            (folder / name).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            (folder / name).write_bytes(content)
        if str(folder) not in sys.path:
            tops = {Path(name).parts[0].removesuffix(".py") for name, _ in self.files}
            for module in [module for module in sys.modules if module.partition(".")[0] in tops]:
                del sys.modules[module]
            sys.path[:] = [path for path in sys.path if "outcross-parts-" not in path]
            sys.path.insert(0, str(folder))
            changed()


def place_of(cls: type, method: str = "") -> str:
    """A user's class, or one of its methods, with file and line: `Half.plan (my_parts.py, line 12)`."""
    function = getattr(cls, method, None) if method else None
    if isinstance(function, property):
        function = function.fget
    code = getattr(getattr(function, "__wrapped__", function), "__code__", None)
    label = f"{cls.__name__}.{method}" if method else cls.__name__
    if code is not None:
        return f"{label} ({shown(code.co_filename)}, line {code.co_firstlineno})"
    file = file_of(cls)
    return f"{label} ({shown(file)}, line {_line_of(cls, file)})" if file is not None else label


def _line_of(cls: type, file: Path) -> int:
    with contextlib.suppress(OSError, SyntaxError, ValueError):
        for node in ast.walk(ast.parse(file.read_bytes())):
            if isinstance(node, ast.ClassDef) and node.name == cls.__name__:
                return node.lineno
    return 1


@dataclass(frozen=True)
class Declared:
    """A class that a file declares, as read from its text."""

    name: str
    base: type
    """The class of Outcross that it derives from."""
    what: str
    """The first paragraph of its docstring."""
    values: Mapping[str, Any]
    """The plain values that its body assigns."""


def declared(module: str, file: Path) -> Iterator[Declared]:
    """The classes of a file that derive from a class of Outcross, directly or through classes of files beside it. Nothing is run."""
    for statement in _tree(file).body:
        if isinstance(statement, ast.ClassDef) and (base := _base(module, file, statement.name, 0)) is not None:
            yield Declared(
                statement.name, base, " ".join((ast.get_docstring(statement) or "").split("\n\n")[0].split()), _values(statement)
            )


def _tree(file: Path) -> ast.Module:
    try:
        return ast.parse(file.read_bytes())
    except OSError as error:
        raise BadInput(f"{shown(file)} cannot be read: {error.strerror}; name a Python file") from None
    except (SyntaxError, ValueError) as error:
        where = f"line {error.lineno}" if isinstance(error, SyntaxError) else "not text"
        raise BadInput(f"{shown(file)} is not valid Python: {first_words(error)} ({shown(file)}, {where})") from None


def _values(statement: ast.ClassDef) -> dict[str, Any]:
    values = {}
    for inner in statement.body:
        target = inner.targets[0] if isinstance(inner, ast.Assign) else inner.target if isinstance(inner, ast.AnnAssign) else None
        if isinstance(target, ast.Name) and getattr(inner, "value", None) is not None:
            with contextlib.suppress(ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
                values[target.id] = ast.literal_eval(inner.value)  # type: ignore[union-attr]
    return values


def _base(module: str, file: Path, class_name: str, depth: int) -> type | None:
    """The class of Outcross that a class derives from, according to the text of its file and of the files beside it; None if there is none."""
    tree = _tree(file)
    statement = next((node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == class_name), None)
    imports = {
        alias.asname or alias.name: (node.module or "", alias.name)
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and not node.level
        for alias in node.names
    }
    local = local_modules(module, file)
    for base in statement.bases if statement is not None and depth < 20 else ():
        source, name = "", ""
        if isinstance(base, ast.Name):
            source, name = imports.get(base.id, (module, base.id))
        elif isinstance(base, ast.Attribute):
            source, name = ast.unparse(base.value), base.attr
        if source.partition(".")[0] == "outcross":
            with contextlib.suppress(ImportError):
                ours = getattr(importlib.import_module(source), name, None)
                if isinstance(ours, type):
                    return ours
        elif source in local and (inherited := _base(source, local[source], name, depth + 1)) is not None:
            return inherited
    return None


def located(name: str) -> tuple[str, Path]:
    """The module and the file that --import names. The module is not imported. Raises BadInput if there is none."""
    if name.endswith(".py") or os.sep in name:
        if not Path(name).is_file():
            raise BadInput(f"--import {name}: there is no such file; name a Python file or an installed module")
        return Path(name).stem, Path(name).resolve()
    parts = name.split(".")
    for folder in sys.path:
        base = Path(folder or ".").joinpath(*parts)
        for path in (base.with_suffix(".py"), base / "__init__.py"):
            if path.is_file():
                return name, path.resolve()
    raise BadInput(f"--import {name}: there is no module of this name; name a Python file or an installed module")


def file_of_entry(point: EntryPoint) -> Path | None:
    """The file of the module that an entry point names; None if it is not found. The module is not imported."""
    base = Path(*point.module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if point.dist is not None and Path(str(point.dist.locate_file(path))).is_file():
            return Path(str(point.dist.locate_file(path))).resolve()
    with contextlib.suppress(BadInput):
        return located(point.module)[1]
    return None
