"""The user's own parts: the files and modules that were imported on request, the classes in them, and their names in records.

Nothing here imports a module because an experiment file names it. `load` imports what the command line (`--import my_parts.py`) or `imports=`
in Python names. `find` returns a class of an imported module. `unimported` reads records that name parts which were not imported here. A part
that is passed as an instance is known by its class. `own_source` reads the source of parts.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import inspect
import keyword
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence, Set
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from outcross import own_source
from outcross.errors import BadInput, OutcrossError, first_words

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint


@dataclass(frozen=True)
class Imported:
    """A file or a module that was imported on request."""

    module: str
    file: Path
    digest: str
    """SHA-256 of the file as it was imported."""


_imported: dict[str, Imported] = {}
"""The imported files and modules, by the name of the module."""
_known: dict[str, type] = {}
"""The user's classes that were read in this process, by their reference."""
_called: dict[type, str] = {}
"""The plain names of classes, as entry points give them."""


def load(names: Sequence[str | os.PathLike[str]]) -> None:
    """Import Python files (`my_parts.py`) and installed modules (`my_package.parts`).

    If one cannot be imported, raises BadInput with its file and line.
    """
    if isinstance(names, str | os.PathLike):
        names = [names]
    for name in (os.fspath(path) for path in names):
        if name.endswith(".py") or os.sep in name:
            _load_file(Path(name), f"--import {name}")
        else:
            _load_module(name)


def _load_file(path: Path, option: str) -> None:
    if not path.is_file():
        raise BadInput(f"{option}: there is no such file; name a Python file or an installed module")
    file, module = path.resolve(), path.stem
    if not module.isidentifier() or keyword.iskeyword(module):
        raise BadInput(f"{option}: {module!r} is not a name of a module; rename the file, with letters, digits and _")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    other = _file_of(module)
    if other is not None and other != file:
        raise BadInput(f"{option}: another module called {module} is at {other}; rename the file")
    if module in _imported and _imported[module].digest == digest:
        return
    is_changed = module in _imported
    _check_names_beside(file, option)
    if str(file.parent) not in sys.path:
        sys.path.append(str(file.parent))  # last in the path, so that no file beside it shadows a library
    if module not in sys.modules or is_changed:
        for name in own_source.local_modules(module, file) if is_changed else ():
            sys.modules.pop(name, None)
        with _explained(option, file):
            _execute(module, file)
    _imported[module] = Imported(module, file, digest)
    if is_changed:
        for reference in [reference for reference, cls in _known.items() if cls.__module__ == module]:
            del _known[reference]
        own_source.changed()


def _execute(module: str, file: Path) -> None:
    """Import a file as a module, compiled from its current text. A cached bytecode file may belong to an older text of the same second."""
    spec = importlib.util.spec_from_file_location(module, file)
    assert spec is not None
    executed = importlib.util.module_from_spec(spec)
    sys.modules[module] = executed
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        exec(compile(file.read_bytes(), str(file), "exec"), executed.__dict__)
    except BaseException:
        sys.modules.pop(module, None)
        raise
    finally:
        sys.dont_write_bytecode = before


def _load_module(name: str) -> None:
    option = f"--import {name}"
    if not all(part.isidentifier() for part in name.split(".")):
        raise BadInput(f"{option}: it must name a Python file (my_parts.py) or an installed module (my_package.parts)")
    if name.partition(".")[0] in {"outcross", "__main__"}:
        raise BadInput(f"{option}: parts of Outcross need no import; name a file or a module of your own")
    with _explained(option, None):
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
                beside = f"; did you mean {name}.py?" if Path(f"{name}.py").is_file() else ""
                raise BadInput(
                    f"{option}: there is no module {error.name}{beside}; name a Python file or an installed module"
                ) from None
            raise
    file = getattr(module, "__file__", None)
    if file is None:
        raise BadInput(
            f"{option}: its source file does not exist, so no key could cover it; name a module that is written in Python"
        )
    path = Path(file).resolve()
    _imported[name] = Imported(name, path, hashlib.sha256(path.read_bytes()).hexdigest())


@contextlib.contextmanager
def _explained(option: str, file: Path | None) -> Iterator[None]:
    """Report in one line, with file and line, why a module could not be imported. What the module prints goes to standard error."""
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except (KeyboardInterrupt, MemoryError):
        raise
    except OutcrossError as error:
        place = None if file is None or not isinstance(error, BadInput) else _place(error.__traceback__, file.parent)
        if place is None or file is None or file.parent not in Path(place[0]).parents:
            raise
        where = "" if f"({own_source.shown(place[0])}, line" in str(error) else f" ({own_source.shown(place[0])}, line {place[1]})"
        raise BadInput(f"{option} cannot be imported: {error}{where}") from None
    except BaseException as error:
        if isinstance(error, SyntaxError) and error.filename is not None:
            where = f"{own_source.shown(error.filename)}, line {error.lineno}"
            why = f"{type(error).__name__}: {error.msg}"
        else:
            place = _place(error.__traceback__, None if file is None else file.parent)
            where = f"{own_source.shown(place[0])}, line {place[1]}" if place else option
            why = f"{type(error).__name__}: {first_words(error)}" if str(error).strip() else type(error).__name__
        raise BadInput(f"{option} cannot be imported: {why} ({where})") from None


def _place(trace: TracebackType | None, folder: Path | None) -> tuple[str, int] | None:
    """The file and line of the innermost frame in a folder. Without a folder or such a frame, of the innermost frame of any file."""
    places = []
    while trace is not None:
        places.append((trace.tb_frame.f_code.co_filename, trace.tb_lineno))
        trace = trace.tb_next
    inside = [place for place in places if folder is not None and folder in Path(place[0]).parents]
    return (inside or [place for place in places if not place[0].startswith("<")] or [None])[-1]


def _file_of(module: str) -> Path | None:
    """The file of the module that is imported, or would be imported, under this name; None if there is none. Nothing is imported."""
    if module in sys.modules:
        file = getattr(sys.modules[module], "__file__", None)
        return Path(file).resolve() if file else Path(f"<{module}>")
    with contextlib.suppress(ImportError, ValueError):
        spec = importlib.util.find_spec(module)
        if spec is not None:
            return Path(spec.origin).resolve() if spec.origin and spec.has_location else Path(f"<{module}>")
    return None


def _check_names_beside(file: Path, option: str) -> None:
    """Raise BadInput if a file imports a module beside it that has the name of another module, which would be imported instead."""
    for name, path in own_source.local_modules(file.stem, file).items():
        top = name.partition(".")[0]
        installed = _file_of(top)
        beside = file.parent / path.relative_to(file.parent).parts[0]
        if installed is not None and file.parent not in installed.parents:
            raise BadInput(
                f"{option}: {own_source.shown(beside)}, which it imports, has the name of another module, at {installed}; rename it"
            )


def is_own(cls: type) -> bool:
    """Whether a class belongs to the user and not to Outcross."""
    return cls.__module__.partition(".")[0] != "outcross" and not issubclass(cls, Unimported)


def reference(cls: type) -> str:
    """The name of a user's class in records: `my_parts.py:Half`, `my_package.parts:Half`, or the name of its entry point.

    It does not contain the folder, so it is the same wherever the file lies.
    """
    if cls in _called:
        return _called[cls]
    file = own_source.file_of(cls)
    if file is not None and ("." not in cls.__module__ and not own_source.is_installed(file)):
        return f"{file.name}:{cls.__qualname__}"
    return f"{cls.__module__}:{cls.__qualname__}"


def name(cls: type, called: str) -> None:
    """Give a class a plain name."""
    _called[cls] = called


def know(cls: type) -> None:
    """Register a class that was read in this process under its reference. Raises BadInput if a class of another file has this reference."""
    name_of_class = reference(cls)
    before = _known.get(name_of_class)
    if before is not None and before is not cls and own_source.file_of(before) != own_source.file_of(cls):
        raise BadInput(
            f"two parts are called {name_of_class}, in {own_source.file_of(before)} and in {own_source.file_of(cls)}; rename one of the classes or files"
        )
    _known[name_of_class] = cls


def find(reference: str, what: str) -> type:
    """The imported class with this reference. Raises BadInput, which names the option to import it, if it was not imported."""
    module, _, class_name = reference.rpartition(":")
    if reference in _known:
        return _known[reference]
    candidates = [imported for imported in _imported.values() if _is_meant(module, imported)]
    if len({imported.file for imported in candidates}) > 1:
        raise BadInput(
            f"{what} {reference!r} may be in {' or '.join(own_source.shown(imported.file) for imported in candidates)}; write more of its folder before it"
        )
    if not candidates:
        raise BadInput(
            f"{what} is {reference!r}, which is Python code, and an experiment file may not run code by itself. If you trust it, add --import {_path_of(module)} "
            f"(in Python: imports=[{_path_of(module)!r}])"
        )
    named: Any = sys.modules[candidates[0].module]
    for part in class_name.split("."):
        named = getattr(named, part, None)
    if not isinstance(named, type):
        from difflib import get_close_matches

        classes = [
            name for name, value in vars(sys.modules[candidates[0].module]).items() if isinstance(value, type) and is_own(value)
        ]
        close = get_close_matches(class_name, classes, n=1)
        raise BadInput(
            f"{what}: {own_source.shown(candidates[0].file)} defines no class {class_name!r}{f'; did you mean {close[0]!r}?' if close else ''}; "
            f"it defines {', '.join(classes) or 'none'}"
        )
    return named


def _is_meant(module: str, imported: Imported) -> bool:
    """Whether an experiment file names this imported file or module. A path must be equal to the end of the imported path."""
    if not module.endswith(".py"):
        return module == imported.module
    parts = [part for part in Path(module).parts if part not in (".", "..")]
    return list(imported.file.parts[-len(parts) :]) == parts


_beside: ContextVar[Path | None] = ContextVar("beside", default=None)
"""The folder of the experiment file that is being read."""


def _path_of(module: str) -> str:
    """The argument of --import for the module of a reference. A path is relative to the current folder."""
    base = _beside.get()
    return module if base is None or not module.endswith(".py") else os.path.normpath(base / module)


def _folder_of(spec: str | Path) -> Path | None:
    """The folder of a file; None if there is no such file, or if the name is too long for a file."""
    try:
        return Path(spec).parent if Path(spec).is_file() else None
    except OSError:
        return None


@contextlib.contextmanager
def beside(spec: object) -> Iterator[None]:
    """Within this context, paths of parts are relative to this experiment file."""
    token = _beside.set(_folder_of(spec) if isinstance(spec, str | Path) else None)
    try:
        yield
    finally:
        _beside.reset(token)


_allowed: set[str] = set()
"""The functions, `module:function`, that were passed in Python."""


def allow(function: str) -> None:
    """Allow a function that was passed in Python to be called by its name, `module:function`."""
    _allowed.add(function)


def check_function(function: str) -> None:
    """Raise BadInput if an experiment or a mix names a function, `module:function`, of a module that was not imported on request."""
    module = function.partition(":")[0]
    if function not in _allowed and module not in _imported:
        raise BadInput(
            f"{function!r:.80} is Python code, and a file of settings may not run code by itself. If you trust it, add --import {module:.80} "
            f"(in Python: imports=[{module!r:.80}], or pass the function)"
        )


def offered(family: str) -> dict[str, list[EntryPoint]]:
    """The parts of a family that installed packages offer (`outcross.policies`), by name. None of them is imported."""
    from importlib.metadata import entry_points

    points: dict[str, list[EntryPoint]] = {}
    for point in sorted(entry_points(group=f"outcross.{family}"), key=lambda point: (point.name, point.value)):
        if point not in points.setdefault(point.name, []):
            points[point.name].append(point)
    return points


def entry(family: str, point_name: str, what: str) -> EntryPoint | None:
    """The entry point of this name; None if there is none. Raises BadInput if two packages offer one."""
    several = offered(family).get(point_name, [])
    if len(several) > 1:
        packages = " and ".join(sorted({distribution(point) for point in several}))
        raise BadInput(
            f"two parts are called {point_name!r}, from {packages}; uninstall one, or name the class, as {what}: {several[0].value}"
        )
    return several[0] if several else None


def distribution(point: EntryPoint) -> str:
    """The package that offers an entry point, with its version."""
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else point.value


def loaded(point: EntryPoint) -> type:
    """Import and return the class that an entry point names. Raises BadInput in one line if that fails."""
    label = f"the entry point {point.name} of {distribution(point)}"
    with _explained(label, None):
        return point.load()


def shipped() -> own_source.Shipped:
    """The source of every user's class that was read in this process and is not installed.

    Raises BadInput if a class is defined in the script itself, which other processes cannot import.
    """
    files: dict[str, bytes] = {}
    for cls in _known.values():
        if cls.__module__ in ("__main__", "__mp_main__"):
            raise BadInput(
                f"{cls.__qualname__} is defined in the script itself, which no other machine can import; move it into a file of its own and import it"
            )
        for module, path in own_source.sources(cls).items():
            if not own_source.is_installed(path):
                name = Path(*module.split("."))
                files[str(name / "__init__.py" if path.name == "__init__.py" else name.with_suffix(".py"))] = path.read_bytes()
    return own_source.Shipped(tuple(sorted(files.items())))


@contextlib.contextmanager
def blaming() -> Iterator[None]:
    """If an error comes from the user's code, report in one line its class, file and line."""
    try:
        yield
    except (OutcrossError, MemoryError, OSError):
        raise
    except Exception as error:
        if blamed := blame(error):
            raise BadInput(blamed) from None
        raise


def blame(error: BaseException) -> str:
    """The user's class, file and line that raised an error, and its message. Empty if the error comes from elsewhere.

    A frame counts if Outcross called it and if its file defines a class that was read, or is imported by such a file.
    """
    files = {path for cls in _known.values() for path in own_source.sources(cls).values()}
    is_called, place, trace = False, None, error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        file = Path(code.co_filename)
        is_called = is_called or own_source.PACKAGE in file.parents
        if is_called and (file in files or file.resolve() in files):
            place = f"{code.co_qualname} ({own_source.shown(file)}, line {trace.tb_lineno})"
        trace = trace.tb_next
    place = place or _wrongly_called(error, files)
    if not place:
        return ""
    if isinstance(error, BadInput):
        return f"{place}: {error}"
    way_out = "; a part may not change what it is given, so work on a copy" if _is_change_of_input(error) else ""
    return f"{place} raised {type(error).__name__}: {first_words(error)}{way_out}"


def _is_change_of_input(error: BaseException) -> bool:
    """Whether an error is NumPy's refusal to change an array that may only be read, as those of records (`data.records.read_only`)."""
    return isinstance(error, ValueError) and "read-only" in str(error)


_CALL = re.compile(r"^([\w.]+)\(\) (?:takes|missing|got)")
"""How Python names the method that was called with the wrong arguments."""


def _wrongly_called(error: BaseException, files: Set[Path]) -> str:
    """The user's method, file and line that Outcross called with arguments that the method does not take. Empty if there is no such method.

    Python raises this TypeError before the first line of the method, so no frame of the traceback is the user's.
    """
    call = _CALL.match(str(error)) if isinstance(error, TypeError) else None
    if call is None:
        return ""
    for module in {cls.__module__ for cls in _known.values()}:
        member: Any = sys.modules.get(module)
        for name in call[1].split("."):
            member = getattr(member, name, None)
        code = getattr(inspect.unwrap(member), "__code__", None) if callable(member) else None
        if code is not None and {Path(code.co_filename), Path(code.co_filename).resolve()} & files:
            return f"{call[1]} ({own_source.shown(code.co_filename)}, line {code.co_firstlineno})"
    return ""


class Unimported:
    """A part that a record names and whose code was not imported. It has its settings and the recorded facts about its class."""


_recorded: ContextVar[Mapping[str, Mapping[str, Any]] | None] = ContextVar("recorded", default=None)


@contextlib.contextmanager
def unimported(facts: Mapping[str, Mapping[str, Any]]) -> Iterator[None]:
    """Within this context, read the user's parts without their code. `facts` are the recorded facts about each part, by its reference."""
    token = _recorded.set(facts)
    try:
        yield
    finally:
        _recorded.reset(token)


def recorded(reference: str) -> Mapping[str, Any] | None:
    """The recorded facts about a part that must not be imported; None if parts may be imported or if this one is already known."""
    facts = _recorded.get()
    if facts is None or reference in _known:
        return None
    return facts[reference] if reference in facts else facts_beside(reference)


def facts_beside(reference: str) -> dict[str, Any]:
    """The facts that a file declares about a part. The file lies beside the experiment that names the part. Nothing is run.

    Empty if there is no such file.
    """
    module, _, class_name = reference.rpartition(":")
    path = (_beside.get() or Path()) / module
    if not module.endswith(".py") or not path.is_file():
        return {}
    files = {
        f"{name}.py": hashlib.sha256(file.read_bytes()).hexdigest()
        for name, file in own_source.local_modules(path.stem, path.resolve()).items()
    }
    declared = next((cls for cls in own_source.declared(path.stem, path.resolve()) if cls.name == class_name), None)
    if declared is None:
        return {"files": files}
    values = {name: value for name, value in declared.values.items() if name not in ("page", "pages")}
    return {"files": files, "what": declared.what, "class": values}


def forget(modules: Sequence[str]) -> None:
    """Forget imported modules and their classes, so that other files of the same names can be imported."""
    for module in modules:
        sys.modules.pop(module, None)
        _imported.pop(module, None)
    for reference in [reference for reference, cls in _known.items() if cls.__module__ in modules]:
        del _known[reference]
    own_source.changed()
