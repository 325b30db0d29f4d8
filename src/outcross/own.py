"""Parts of the user's own: the files and modules that a command was told to import, the classes in them, and the names that records keep.

Nothing here imports what an experiment file alone names. `load` imports what the command line names (`--import my_parts.py`) or `imports=` in
Python; `find` gives a class of what was loaded; `unimported` reads records in which parts stand that nobody imported here. A part that comes
as an instance is known by its class.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import importlib
import importlib.util
import keyword
import os
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from outcross.errors import BadInput, OutcrossError, first_words

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

PACKAGE = Path(__file__).parent


@dataclass(frozen=True)
class Imported:
    """A file or a module that was imported because somebody named it."""

    module: str
    file: Path
    digest: str
    """SHA-256 of the file as it was imported."""


_imported: dict[str, Imported] = {}
"""By the name of the module."""
_known: dict[str, type] = {}
"""Classes of the user's own that were read in this process, by their reference."""
_called: dict[type, str] = {}
"""Classes that go by a plain name, as an entry point gives it."""
_changes: list[Callable[[], None]] = []
"""What must be forgotten where a file was imported anew."""


def when_changed(forget: Callable[[], None]) -> None:
    """Have `forget` called whenever a file is imported anew: whoever remembers what source says must read it again."""
    _changes.append(forget)


def load(names: Sequence[str | os.PathLike[str]]) -> None:
    """Import Python files (`my_parts.py`) and installed modules (`my_package.parts`). BadInput where one cannot be imported, with its file and line."""
    if isinstance(names, str | os.PathLike):
        names = [names]
    for name in (os.fspath(given) for given in names):
        if name.endswith(".py") or os.sep in name:
            _load_file(Path(name), f"--import {name}")
        else:
            _load_module(name)


def _load_file(path: Path, told: str) -> None:
    if not path.is_file():
        raise BadInput(f"{told}: there is no such file; name a Python file or an installed module")
    file, module = path.resolve(), path.stem
    if not module.isidentifier() or keyword.iskeyword(module):
        raise BadInput(f"{told}: {module!r} is no name of a module; rename the file, with letters, digits and _")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    there = _file_of(module)
    if there is not None and there != file:
        raise BadInput(f"{told}: another module called {module} is at {there}; rename the file")
    if module in _imported and _imported[module].digest == digest:
        return
    is_changed = module in _imported
    _check_names_beside(file, told)
    if str(file.parent) not in sys.path:
        sys.path.append(str(file.parent))  # behind all others, so that no file beside it takes the place of a library
    if module not in sys.modules or is_changed:
        for name in _local(module, file) if is_changed else ():
            sys.modules.pop(name, None)
        with _explained(told, file):
            _execute(module, file)
    _imported[module] = Imported(module, file, digest)
    if is_changed:
        for reference in [reference for reference, cls in _known.items() if cls.__module__ == module]:
            del _known[reference]
        for forget in _changes:
            forget()


def _execute(module: str, file: Path) -> None:
    """Import a file under a name, compiled from what it says now: a cached bytecode file may be of an older text of the same second."""
    spec = importlib.util.spec_from_file_location(module, file)
    assert spec is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[module] = made
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        exec(compile(file.read_bytes(), str(file), "exec"), made.__dict__)
    except BaseException:
        sys.modules.pop(module, None)
        raise
    finally:
        sys.dont_write_bytecode = before


def _load_module(name: str) -> None:
    told = f"--import {name}"
    if not all(part.isidentifier() for part in name.split(".")):
        raise BadInput(f"{told}: it must name a Python file (my_parts.py) or an installed module (my_package.parts)")
    if name.partition(".")[0] in {"outcross", "__main__"}:
        raise BadInput(f"{told}: parts of Outcross need no import; name a file or a module of your own")
    with _explained(told, None):
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
                beside = f"; did you mean {name}.py?" if Path(f"{name}.py").is_file() else ""
                raise BadInput(
                    f"{told}: there is no module {error.name}{beside}; name a Python file or an installed module"
                ) from None
            raise
    file = getattr(module, "__file__", None)
    if file is None:
        raise BadInput(f"{told}: its source is not there, so that no key could cover it; name a module that is written in Python")
    path = Path(file).resolve()
    _imported[name] = Imported(name, path, hashlib.sha256(path.read_bytes()).hexdigest())


@contextlib.contextmanager
def _explained(told: str, file: Path | None) -> Iterator[None]:
    """Say in one line, with file and line, why a module could not be imported. What it prints goes to standard error."""
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except (KeyboardInterrupt, MemoryError):
        raise
    except OutcrossError as error:
        place = None if file is None or not isinstance(error, BadInput) else _place(error.__traceback__, file.parent)
        if place is None or file is None or file.parent not in Path(place[0]).parents:
            raise
        where = "" if f"({shown(place[0])}, line" in str(error) else f" ({shown(place[0])}, line {place[1]})"
        raise BadInput(f"{told} cannot be imported: {error}{where}") from None
    except BaseException as error:
        if isinstance(error, SyntaxError) and error.filename is not None:
            where = f"{shown(error.filename)}, line {error.lineno}"
            why = f"{type(error).__name__}: {error.msg}"
        else:
            place = _place(error.__traceback__, None if file is None else file.parent)
            where = f"{shown(place[0])}, line {place[1]}" if place else told
            why = f"{type(error).__name__}: {first_words(error)}" if str(error).strip() else type(error).__name__
        raise BadInput(f"{told} cannot be imported: {why} ({where})") from None


def _place(trace: TracebackType | None, folder: Path | None) -> tuple[str, int] | None:
    """The file and line of the innermost frame in a folder; of the innermost frame at all where there is none, or no folder."""
    places = []
    while trace is not None:
        places.append((trace.tb_frame.f_code.co_filename, trace.tb_lineno))
        trace = trace.tb_next
    inside = [place for place in places if folder is not None and folder in Path(place[0]).parents]
    return (inside or [place for place in places if not place[0].startswith("<")] or [None])[-1]


def shown(file: str | Path) -> str:
    """A file as people read it: from the folder in which they are, where it lies there."""
    path = Path(file)
    with contextlib.suppress(ValueError, OSError):
        return str(path.resolve().relative_to(Path.cwd()))
    return str(path)


def _file_of(module: str) -> Path | None:
    """Where a module of this name is that is imported, or would be; nothing is imported. None where there is none."""
    if module in sys.modules:
        file = getattr(sys.modules[module], "__file__", None)
        return Path(file).resolve() if file else Path(f"<{module}>")
    with contextlib.suppress(ImportError, ValueError):
        spec = importlib.util.find_spec(module)
        if spec is not None:
            return Path(spec.origin).resolve() if spec.origin and spec.has_location else Path(f"<{module}>")
    return None


def _check_names_beside(file: Path, told: str) -> None:
    """BadInput where a module beside a file that the file imports has the name of an installed one, which would be imported in its place."""
    for name, path in _walk(file.stem, file).items():
        top = name.partition(".")[0]
        there = _file_of(top)
        beside = file.parent / path.relative_to(file.parent).parts[0]
        if there is not None and file.parent not in there.parents:
            raise BadInput(f"{told}: {shown(beside)}, which it imports, has the name of another module, at {there}; rename it")


def _walk(module: str, file: Path) -> dict[str, Path]:
    """A module and the modules beside it that it imports, one from another, anywhere in their text: by name the file of each.

    Of a package that is installed, only modules of that package. What cannot be parsed is there and says no more.
    """
    root = file.parents[module.count(".") + (1 if file.name == "__init__.py" else 0)]
    within = module.partition(".")[0] if is_installed(file) else None
    found: dict[str, Path] = {}
    waiting = [(module, file)]
    while waiting:
        name, path = waiting.pop()
        if name in found:
            continue
        found[name] = path
        for imported in _named(name, path):
            top = imported.partition(".")[0]
            if top in sys.stdlib_module_names and top != within and not (root / f"{top}.py").exists():
                continue
            if top == "outcross" or (within is not None and top != within):
                continue
            base = root.joinpath(*imported.split("."))
            there = next((one for one in (base / "__init__.py", base.with_suffix(".py")) if one.is_file()), None)
            if there is not None:
                waiting.append((imported, there))
    return found


def _named(module: str, file: Path) -> Iterator[str]:
    """The names of all modules that a file may import, with the packages that they are in."""
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


def _local(module: str, file: Path) -> list[str]:
    """A module and the modules beside it that it imports, by name."""
    return [*_walk(module, file)]


def is_installed(file: str | Path) -> bool:
    """Whether a file belongs to Python or to a package that was installed."""
    return any(str(file).startswith(sysconfig.get_path(name)) for name in ("purelib", "platlib", "stdlib"))


# What names a class


def is_own(cls: type) -> bool:
    """Whether a class is no part of Outcross."""
    return cls.__module__.partition(".")[0] != "outcross" and not issubclass(cls, Unimported)


def file_of(cls: type) -> Path | None:
    """The file that defines a class; None where there is none, as in a notebook."""
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    return Path(file).resolve() if file and Path(file).is_file() else None


def reference(cls: type) -> str:
    """The name by which records keep a class of the user's own: `my_parts.py:Half`, `my_package.parts:Half`, or the name of its entry point.

    Folders are no part of it, so that it is the same wherever the file lies.
    """
    if cls in _called:
        return _called[cls]
    file = file_of(cls)
    if file is not None and ("." not in cls.__module__ and not is_installed(file)):
        return f"{file.name}:{cls.__qualname__}"
    return f"{cls.__module__}:{cls.__qualname__}"


def name(cls: type, called: str) -> None:
    """Let a class go by a plain name."""
    _called[cls] = called


def know(cls: type) -> None:
    """Keep a class that was read in this process, so that its reference leads to it. BadInput where another one goes by it."""
    told = reference(cls)
    before = _known.get(told)
    if before is not None and before is not cls and file_of(before) != file_of(cls):
        raise BadInput(
            f"two parts are called {told}, in {file_of(before)} and in {file_of(cls)}; rename one of the classes or files"
        )
    _known[told] = cls


def find(told: str, what: str) -> type:
    """The class of a reference, of what was imported. BadInput says which option would import it."""
    module, _, called = told.rpartition(":")
    if told in _known:
        return _known[told]
    among = [one for one in _imported.values() if _is_meant(module, one)]
    if len({one.file for one in among}) > 1:
        raise BadInput(
            f"{what} {told!r} may be of {' or '.join(shown(one.file) for one in among)}; write more of its folder before it"
        )
    if not among:
        raise BadInput(
            f"{what} is {told!r}, code that no experiment file runs by itself; if you trust it, add --import {_path_of(module)} "
            f"(in Python: imports=[{_path_of(module)!r}])"
        )
    there: Any = sys.modules[among[0].module]
    for part in called.split("."):
        there = getattr(there, part, None)
    if not isinstance(there, type):
        from difflib import get_close_matches

        classes = [name for name, value in vars(sys.modules[among[0].module]).items() if isinstance(value, type) and is_own(value)]
        close = get_close_matches(called, classes, n=1)
        raise BadInput(
            f"{what}: {shown(among[0].file)} defines no class {called!r}{f'; did you mean {close[0]!r}?' if close else ''}; "
            f"it defines {', '.join(classes) or 'none'}"
        )
    return there


def _is_meant(module: str, one: Imported) -> bool:
    """Whether what an experiment file names, a path or a module, is what was imported. Of a path the end must agree."""
    if not module.endswith(".py"):
        return module == one.module
    parts = [part for part in Path(module).parts if part not in (".", "..")]
    return list(one.file.parts[-len(parts) :]) == parts


_beside: ContextVar[Path | None] = ContextVar("beside", default=None)
"""The folder of the experiment file that is read."""


def _path_of(module: str) -> str:
    """What to give to --import for a reference: a path from where the user is."""
    base = _beside.get()
    return module if base is None or not module.endswith(".py") else os.path.normpath(base / module)


def _folder_of(spec: str | Path) -> Path | None:
    """The folder of a file; None where there is no such file, as where its name is too long for one."""
    try:
        return Path(spec).parent if Path(spec).is_file() else None
    except OSError:
        return None


@contextlib.contextmanager
def beside(spec: object) -> Iterator[None]:
    """Paths of parts are relative to this experiment file meanwhile."""
    token = _beside.set(_folder_of(spec) if isinstance(spec, str | Path) else None)
    try:
        yield
    finally:
        _beside.reset(token)


_allowed: set[str] = set()
"""Functions, `module:function`, that were handed over in Python."""


def allow(function: str) -> None:
    """Let a function that was handed over in Python be called by its name."""
    _allowed.add(function)


def check_function(function: str) -> None:
    """BadInput where a function that an experiment or a mix names, `module:function`, is of a module that nobody imported on request."""
    module = function.partition(":")[0]
    if function not in _allowed and module not in _imported:
        raise BadInput(
            f"{function!r:.80} is code that no file of settings runs by itself; if you trust it, add --import {module:.80} "
            f"(in Python: imports=[{module!r:.80}], or pass the function)"
        )


# Entry points


def offered(family: str) -> dict[str, list[EntryPoint]]:
    """The parts of a family that installed packages offer (`outcross.policies`), by name; none is imported."""
    from importlib.metadata import entry_points

    found: dict[str, list[EntryPoint]] = {}
    for one in sorted(entry_points(group=f"outcross.{family}"), key=lambda one: (one.name, one.value)):
        if one not in found.setdefault(one.name, []):
            found[one.name].append(one)
    return found


def entry(family: str, called: str, what: str) -> EntryPoint | None:
    """The entry point of a name; None where there is none. BadInput where two packages offer one."""
    several = offered(family).get(called, [])
    if len(several) > 1:
        packages = " and ".join(sorted({distribution(one) for one in several}))
        raise BadInput(
            f"two parts are called {called!r}, of {packages}; uninstall one, or name the class, as {what}: {several[0].value}"
        )
    return several[0] if several else None


def distribution(one: EntryPoint) -> str:
    """The package that offers an entry point, with its version."""
    return f"{one.dist.name} {one.dist.version}" if one.dist is not None else one.value


def loaded(one: EntryPoint) -> type:
    """The class that an entry point names, imported now; BadInput in one line where that fails."""
    told = f"the entry point {one.name} of {distribution(one)}"
    with _explained(told, None):
        return one.load()


# Source: its digest, its libraries, and shipping it


def sources(cls: type) -> dict[str, Path]:
    """The file of a class and of the modules beside it that it imports, by module; none where the class has no file."""
    file = file_of(cls)
    if file is None:
        return {}
    module = file.stem if cls.__module__ in ("__main__", "__mp_main__") else cls.__module__
    return _walk(module, file)


def digests(cls: type) -> dict[str, str]:
    """SHA-256 of the file of a class and of the modules beside it that it imports, by file name or module."""
    files = sources(cls).items()
    return {
        f"{module}.py" if "." not in module else module: hashlib.sha256(path.read_bytes()).hexdigest() for module, path in files
    }


def libraries(cls: type) -> set[str]:
    """Packages of others, by the name that is imported, that the source of a class uses."""
    local = sources(cls)
    tops = {name.partition(".")[0] for module, path in local.items() for name in _named(module, path)}
    own = {module.partition(".")[0] for module in local}
    return {top for top in tops - own if top not in sys.stdlib_module_names and top != "outcross"}


@dataclass(frozen=True)
class Shipped:
    """Source that travels to other machines: files by their path from one folder."""

    files: tuple[tuple[str, bytes], ...] = ()

    def unpack(self) -> None:
        """Put the files where Python finds them, in a folder of their own; modules of other texts of the same name are forgotten."""
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
            for forget in _changes:
                forget()


def shipped() -> Shipped:
    """The source of every class of the user's own that was read in this process and is not installed. BadInput where one has no module to import."""
    files: dict[str, bytes] = {}
    for cls in _known.values():
        if cls.__module__ in ("__main__", "__mp_main__"):
            raise BadInput(
                f"{cls.__qualname__} is defined in the script itself, which no other machine can import; move it into a file of its own and import it"
            )
        for module, path in sources(cls).items():
            if not is_installed(path):
                name = Path(*module.split("."))
                files[str(name / "__init__.py" if path.name == "__init__.py" else name.with_suffix(".py"))] = path.read_bytes()
    return Shipped(tuple(sorted(files.items())))


# What a part that fails is told


def place_of(cls: type, method: str = "") -> str:
    """A class of the user's own, or a method of it, with its file and line: `Half.plan (my_parts.py, line 12)`."""
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


@contextlib.contextmanager
def blaming() -> Iterator[None]:
    """Say in one line which class, file and line of the user's own an error comes from, if it comes from one."""
    try:
        yield
    except (OutcrossError, MemoryError, OSError):
        raise
    except Exception as error:
        if said := blame(error):
            raise BadInput(said) from None
        raise


def blame(error: BaseException) -> str:
    """The class, file and line of the user's own in which an error was raised, and what it says; empty where it comes from elsewhere.

    Frames count that Outcross called, in a file of a class that was read or beside it.
    """
    files = {path for cls in _known.values() for path in sources(cls).values()}
    is_called, found, trace = False, None, error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        file = Path(code.co_filename)
        is_called = is_called or PACKAGE in file.parents
        if is_called and (file in files or file.resolve() in files):
            found = f"{code.co_qualname} ({shown(file)}, line {trace.tb_lineno})"
        trace = trace.tb_next
    if not found:
        return ""
    return f"{found}: {error}" if isinstance(error, BadInput) else f"{found} raised {type(error).__name__}: {first_words(error)}"


# Parts in records that nobody imported here


class Unimported:
    """A part that a record names and whose code was not imported: its settings and what was recorded of its class."""


_recorded: ContextVar[Mapping[str, Mapping[str, Any]] | None] = ContextVar("recorded", default=None)


@contextlib.contextmanager
def unimported(facts: Mapping[str, Mapping[str, Any]]) -> Iterator[None]:
    """Read parts of the user's own without their code meanwhile: by reference what was recorded of each."""
    token = _recorded.set(facts)
    try:
        yield
    finally:
        _recorded.reset(token)


def recorded(told: str) -> Mapping[str, Any] | None:
    """What was recorded of a part that is not to be imported; None where parts may be imported, or this one is known already."""
    facts = _recorded.get()
    if facts is None or told in _known:
        return None
    return facts[told] if told in facts else facts_beside(told)


# What source says of its classes, read and not run


@dataclass(frozen=True)
class Declared:
    """A class that a file declares, as its text says it."""

    name: str
    base: type
    """The class of Outcross that it is derived from."""
    what: str
    """Its docstring."""
    values: Mapping[str, Any]
    """The plain values that stand in its body."""


def declared(module: str, file: Path) -> Iterator[Declared]:
    """The classes of a file that are derived from a class of Outcross, directly or by way of others beside it; nothing is run."""
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
        where = f"line {error.lineno}" if isinstance(error, SyntaxError) else "no text"
        raise BadInput(f"{shown(file)} is no Python: {first_words(error)} ({shown(file)}, {where})") from None


def _values(statement: ast.ClassDef) -> dict[str, Any]:
    found = {}
    for inner in statement.body:
        target = inner.targets[0] if isinstance(inner, ast.Assign) else inner.target if isinstance(inner, ast.AnnAssign) else None
        if isinstance(target, ast.Name) and getattr(inner, "value", None) is not None:
            with contextlib.suppress(ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
                found[target.id] = ast.literal_eval(inner.value)  # type: ignore[union-attr]
    return found


def _base(module: str, file: Path, called: str, depth: int) -> type | None:
    """The class of Outcross that a class is derived from, by the text of its file and of those beside it."""
    tree = _tree(file)
    statement = next((one for one in tree.body if isinstance(one, ast.ClassDef) and one.name == called), None)
    brought = {
        alias.asname or alias.name: (one.module or "", alias.name)
        for one in tree.body
        if isinstance(one, ast.ImportFrom) and not one.level
        for alias in one.names
    }
    local = _walk(module, file)
    for base in statement.bases if statement is not None and depth < 20 else ():
        source, name = "", ""
        if isinstance(base, ast.Name):
            source, name = brought.get(base.id, (module, base.id))
        elif isinstance(base, ast.Attribute):
            source, name = ast.unparse(base.value), base.attr
        if source.partition(".")[0] == "outcross":
            with contextlib.suppress(ImportError):
                found = getattr(importlib.import_module(source), name, None)
                if isinstance(found, type):
                    return found
        elif source in local and (found := _base(source, local[source], name, depth + 1)) is not None:
            return found
    return None


def facts_beside(told: str) -> dict[str, Any]:
    """What the file says of a part that an experiment names, beside that experiment; nothing is run. Empty where there is no such file."""
    module, _, called = told.rpartition(":")
    path = (_beside.get() or Path()) / module
    if not module.endswith(".py") or not path.is_file():
        return {}
    files = {f"{name}.py": hashlib.sha256(one.read_bytes()).hexdigest() for name, one in _walk(path.stem, path.resolve()).items()}
    said = next((one for one in declared(path.stem, path.resolve()) if one.name == called), None)
    if said is None:
        return {"files": files}
    values = {name: value for name, value in said.values.items() if name not in ("page", "pages")}
    return {"files": files, "what": said.what, "class": values}


def located(name: str) -> tuple[str, Path]:
    """The module and the file that an import names, which is not imported. BadInput where there is none."""
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


def file_of_entry(one: EntryPoint) -> Path | None:
    """The file of what an entry point names, which is not imported."""
    base = Path(*one.module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if one.dist is not None and Path(str(one.dist.locate_file(path))).is_file():
            return Path(str(one.dist.locate_file(path))).resolve()
    with contextlib.suppress(BadInput):
        return located(one.module)[1]
    return None


def forget(modules: Sequence[str]) -> None:
    """Forget modules that were imported and their classes, so that files of the same names can be imported in their place."""
    for module in modules:
        sys.modules.pop(module, None)
        _imported.pop(module, None)
    for told in [told for told, cls in _known.items() if cls.__module__ in modules]:
        del _known[told]
    for notify in _changes:
        notify()
