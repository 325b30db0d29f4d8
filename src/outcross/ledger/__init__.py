"""The ledger records each step once, with its inputs, seed and output. It serves provenance, resuming and caching.

The key of a step is the digest of its verb, its recipe, the digests of its inputs, its random stream, the source that its verb and its recipe use,
and the versions of the libraries that determine its numbers. The machine on which it ran is not part of the key. If the ledger holds the key, and
the output files still have their digests, the step is loaded and not done again.

On disk there are `ledger.jsonl` (a line for the folder, one per step and one per generation, appended as they end and sorted into canonical order
when a run ends), `steps/<key>/` (the output of the step) and `timing.jsonl` (which is not reproducible). Several processes may work on one ledger.
A step is done by the process that holds its lock.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import hashlib
import itertools
import json
import os
import shlex
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Generic, TypeVar

import numpy as np

from outcross import own_parts, runtime
from outcross.data import Made
from outcross.errors import BadInput, MachineGaveOut, OutcrossError
from outcross.files.whole import write_whole
from outcross.ledger.digests import digest_file
from outcross.ledger.entries import (
    FORMAT,
    Entry,
    GenerationEntry,
    ResultEntry,
    RunEntry,
    StepEntry,
    as_kept,
    entry_of,
    is_cut_off,
    key_of,
    line_of,
    other_format,
    output_of,
)
from outcross.ledger.external import External
from outcross.ledger.lineage import Ancestor, given_to, lineage, read_by
from outcross.ledger.locks import lock
from outcross.ledger.reach import root_of, source_digest, versions
from outcross.recipe import plain

T = TypeVar("T")


def stream(*names: object) -> np.random.Generator:
    """Return the random stream of this name. Equal names give equal numbers, and different names give independent numbers."""
    seed = int.from_bytes(hashlib.sha256(json.dumps([str(name) for name in names]).encode()).digest()[:16], "big")
    return np.random.Generator(np.random.SFC64(seed))


@dataclass(frozen=True)
class Verb(Generic[T]):
    """The function of a step, and the storage of its output: files that `load` reads back, or readings in the line of the step."""

    name: str
    do: Callable[..., T]
    libraries: tuple[str, ...]
    """Packages, by their names on the package index, whose versions determine its numbers, in addition to those declared by the recipe."""
    place: int
    """Position in the order of verbs. The steps of a generation are listed in this order."""
    load: Callable[..., T] | None
    """(folder, digest, recipe, *inputs) -> output. None if the output is readings."""
    learns: bool
    """Whether the step uses the learner. Of several processes, the one whose learner is ready first does the step."""
    acts: bool
    """Whether the output contains code, such as a model that samples and scores. Then later steps are done again if that code changes."""
    given: Callable[[Any], Mapping[str, str]]
    """(recipe) -> the digests of all data that it reads and that no step made, by the names that the user gave."""


def verb(
    libraries: tuple[str, ...],
    place: int,
    load: Callable[..., T] | None = None,
    learns: bool = False,
    acts: bool = False,
    given: Callable[[Any], Mapping[str, str]] = lambda recipe: {},
) -> Callable[[Callable[..., T]], Verb[T]]:
    """Turn a function `(recipe, *inputs, rng) -> output` into a verb. The output has a method `save(folder)`, or it is readings."""
    return lambda do: Verb(do.__name__, do, libraries, place, load, learns, acts, given)


def work(verb: Verb[T], recipe: Any, inputs: tuple[Any, ...], names: tuple[object, ...]) -> T:
    """Execute a verb with the values of its inputs and the random stream of these names."""
    return verb.do(recipe, *(_value(value) for value in inputs), rng=stream(*names))


@dataclass(frozen=True)
class Step:
    """The progress of one step."""

    verb: str
    part: str
    generation: int
    share: float = 1.0
    """Fraction done, in [0, 1]."""
    fresh: bool = True
    """Whether the step is being done now, and was not loaded."""


class Ledger:
    """The steps of a run folder. `Ledger(None)` stores nothing, so every step is done in memory."""

    def __init__(self, folder: Path | None, reuse: Path | None = None):
        self.folder = folder
        self.watch: Callable[[Step], None] = lambda step: None
        self.get_ready: Callable[[], None] = lambda: None
        self.reuse = None if reuse is None else Ledger(reuse)
        """The ledger of an older run whose finished steps may be reused (for a fork)."""
        self.run: RunEntry | None = None
        """For a run folder, the entry of the run: its experiment, data and environment."""
        self.result: ResultEntry | None = None
        """For the folder of another result, the entry of the result: its files, and the steps from which they are made."""
        self.entries: dict[str, StepEntry] = {}
        """The finished steps, by key."""
        self.generations: dict[tuple[str, int, int], GenerationEntry] = {}
        """The generations that have ended, by arm, seed and number."""
        self.damaged = 0
        """Number of the first damaged line, counted from 1, or 0. An incomplete last line of a killed process is not damage."""
        self.untouched: deque[Made[Any]] = deque()
        """Recorded steps that stored nothing. They are computed again, the oldest first, when a new step may need their outputs."""
        self.shared: dict[tuple[str, str], Made[Any]] = {}
        """The latest steps up to generation 0, by verb and part. The arms of a seed share them, so that they stay in memory."""
        self._holders: dict[str, tuple[str, str]] = {}
        """By the digest of a file, a step that stored it and its name there."""
        self._read_to = self._lines = 0
        self._is_new = folder is not None and not folder.exists()
        self.refresh()

    def over(self, watch: Callable[[Step], None], get_ready: Callable[[], None]) -> Ledger:
        """Prepare this ledger for another run, and return it.

        `watch` is called with the progress of its steps. `get_ready` prepares the learner, and is called while another process does a step.
        """
        self.watch, self.get_ready = watch, get_ready
        self.untouched.clear()
        return self

    def steps(self, seed: int, generation: int = -1, store: bool = True) -> Steps:
        """Return the function that does the steps of one generation of one seed."""
        if self.folder is not None and self._is_new:  # only once: a deleted folder is not created again
            self.folder.mkdir(parents=True, exist_ok=True)
            self._is_new = False
        return Steps(self, seed, generation, store and self.folder is not None)

    @property
    def path(self) -> Path:
        assert self.folder is not None
        return self.folder / "ledger.jsonl"

    @property
    def lines(self) -> list[Entry]:
        """Every entry in canonical order: the run or result, then the steps by seed, generation, place of the verb, part and key."""
        heads = [entry for entry in (self.run, self.result) if entry is not None]
        return sorted([*heads, *self.entries.values(), *self.generations.values()], key=lambda entry: entry.order)

    def refresh(self) -> None:
        """Read the lines that this or another process has added. A damaged line counts as absent.

        Raises BadInput if the ledger was written in another format.
        """
        if self.folder is None or not self.path.exists():
            return
        tail = b""
        with self.path.open("rb") as file, _without_collecting():
            file.seek(self._read_to)
            for tail in file:
                if not tail.endswith(b"\n"):
                    break
                self._read_to += len(tail)
                self._lines += 1
                if (entry := entry_of(tail)) is not None:
                    self._take(entry)
                elif (other := other_format(tail)) is not None:
                    raise BadInput(_of_another_format(self.folder, other))
                else:
                    self.damaged = self.damaged or self._lines
                tail = b""
        if tail and not is_cut_off(tail):
            self.damaged = self.damaged or self._lines + 1

    def _take(self, entry: Entry) -> bool:
        """Store an entry in place of the former one of the same name. Returns whether the two differ."""
        match entry:
            case StepEntry():
                before, self.entries[entry.key] = self.entries.get(entry.key), entry
                self._holders |= {digest: (entry.key, name) for name, digest in entry.files.items()}
            case GenerationEntry():
                name = entry.arm, entry.seed, entry.generation
                before, self.generations[name] = self.generations.get(name), entry
            case RunEntry():
                before, self.run = self.run, entry
            case ResultEntry():
                before, self.result = self.result, entry
        return before != entry

    def record(self, entry: Entry) -> None:
        """Append one line, completely or not at all. An entry that the ledger already holds is not appended.

        Raises MachineGaveOut if the disk is full, or if the folder was deleted.
        """
        if not self._take(entry) or self.folder is None:
            return
        try:
            with lock(self.folder / ".ledger.lock"), self.path.open("a+b") as file:
                size = _without_cut_off_line(file)
                try:
                    if size < file.seek(0, os.SEEK_END):
                        os.truncate(self.path, size)
                    file.write(line_of(entry))
                    file.flush()
                except OSError:
                    os.truncate(self.path, size)
                    raise
        except OSError as error:
            raise MachineGaveOut(
                f"{self.path} could not be written: {error.strerror}; finished steps are kept, so free space and run again"
            ) from None

    def close(self) -> None:
        """Write the ledger in canonical order (`lines`) without its damaged lines, and remove the files that only a running process needs."""
        if self.folder is None:
            return
        self.refresh()
        write_whole(self.path, b"".join(map(line_of, self.lines)))
        self._read_to, self._lines, self.damaged = self.path.stat().st_size, len(self.lines), 0
        shutil.rmtree(self.folder / "steps" / ".locks", ignore_errors=True)
        for left in (self.folder / "steps").glob(".writing-*"):
            shutil.rmtree(left, ignore_errors=True)
        for left in (self.folder / "steps").glob(f"{WORKING}*"):
            if (
                left.name.removeprefix(WORKING) in self.entries
            ):  # the process was killed after the step had ended, but before the folder was removed
                shutil.rmtree(left, ignore_errors=True)

    def keep(self, keys: Iterable[str]) -> None:
        """Remove every step that is not an ancestor of these steps, with its output. The caller must hold the lock of the folder."""
        assert self.folder is not None
        self.refresh()
        kept = {ancestor.key for key in keys for ancestor in self.lineage(key)}
        for key in self.entries.keys() - kept:
            shutil.rmtree(self.folder / "steps" / key, ignore_errors=True)
            del self.entries[key]
        for place in (self.folder / "steps").glob("*"):
            if place.name not in kept:
                shutil.rmtree(place, ignore_errors=True)
        self.close()

    def lineage(self, key: str) -> tuple[Ancestor, ...]:
        """Return the step of this key and all its ancestors, back to the data that the user gave. The nearest steps come first.

        Raises BadInput if the ledger holds no such step.
        """
        if key not in self.entries:
            raise BadInput(f"{self.folder or 'the ledger'} holds no step {key[:80]!r}; give a key from its ledger.jsonl")
        return lineage(self.entries, key)

    def is_whole(self, entry: StepEntry) -> bool:
        """Whether the files of a step exist and still have their digests."""
        if self.folder is None:
            return False
        place = self.folder / "steps" / entry.key
        try:
            return all(_is_own(place, name) and digest_file(place / name) == digest for name, digest in entry.files.items())
        except OSError:
            return False

    def whole(self, key: str) -> StepEntry | None:
        """Return a finished step if all its files exist unchanged, else None."""
        entry = self.entries.get(key)
        return entry if entry is not None and (not entry.files or self.is_whole(entry)) else None

    def stored(self, digest: str) -> Path | None:
        """Return a file with this digest that a step has already stored here, or None. For example, successive models share their vocabulary."""
        key, name = self._holders.get(digest, ("", ""))
        if self.folder is None or key not in self.entries:
            return None
        place = self.folder / "steps" / key
        with contextlib.suppress(OSError):
            if _is_own(place, name) and digest_file(place / name) == digest:
                return place / name
        return None

    def listed(self, content: Any) -> str | None:
        """Return the recorded digest of a file that a step of this ledger stored. None for anything else."""
        if self.folder is None or not isinstance(content, Path) or self.folder / "steps" not in content.parents:
            return None
        key, *parts = content.relative_to(self.folder / "steps").parts
        return self.entries[key].files.get(str(Path(*parts))) if key in self.entries else None

    def has(self, keys: Iterable[str]) -> bool:
        """Whether these steps are recorded and their files exist. The content of the files is not checked."""
        if self.folder is None:
            return False
        entries = [self.entries.get(key) for key in keys]
        return all(
            entry is not None and all((self.folder / "steps" / entry.key / name).is_file() for name in entry.files)
            for entry in entries
        )

    def take_over(self, key: str) -> StepEntry | None:
        """Reuse a step of the run of which this one is a fork, by linking its files here.

        Returns None if there is none. The caller must hold the lock of the step.
        """
        if self.reuse is None or (entry := self.reuse.whole(key)) is None:
            return None
        if entry.files:
            assert self.folder is not None and self.reuse.folder is not None
            place, writing = self.folder / "steps" / key, self.folder / "steps" / f".writing-{key}-{os.getpid()}"
            shutil.rmtree(writing, ignore_errors=True)  # left by a killed process with the same id
            for name in entry.files:
                (writing / name).parent.mkdir(parents=True, exist_ok=True)
                _link(self.reuse.folder / "steps" / key / name, writing / name)
            shutil.rmtree(place, ignore_errors=True)
            os.replace(writing, place)
        self.record(entry)
        return entry


@dataclass(frozen=True)
class Steps:
    """The function `do` of the loop. It does a verb, or loads its earlier output."""

    ledger: Ledger
    seed: int
    generation: int
    store: bool

    def __call__(self, verb: Verb[T], recipe: Any, *inputs: Any, part: str = "") -> Made[T]:
        """Do `verb(recipe, *inputs, rng)` once. `part` names the stream if one verb is done several times."""
        names = (self.seed, self.generation, verb.name, part)
        identity = {
            "format": FORMAT,
            "verb": verb.name,
            "recipe": plain(recipe),
            "inputs": [_digest(data) for data in inputs],
            "stream": names,
            "source": source_digest((root_of(verb.do), root_of(work)), recipe),
            "libraries": versions(verb.libraries, recipe),
        }
        key = key_of(identity)
        do = functools.partial(work, verb, recipe, inputs, names)
        step = Step(verb.name, part, self.generation)
        with self._alone(key, verb.learns) as entry:
            if entry is not None:
                self.ledger.watch(replace(step, fresh=False))
                return self._shared((verb.name, part), key, lambda: self._of_entry(entry, verb, recipe, inputs, do))
            while self.ledger.untouched:
                _ = self.ledger.untouched.popleft().value
            started = time.perf_counter()
            telling = runtime.telling.set(lambda share: self.ledger.watch(replace(step, share=share)))
            working = runtime.working.set(self._working(key))
            try:
                result = self._save(identity | {"key": key, "acts": verb.acts}, verb, do(), recipe, inputs)
                self._end_working(key)
            finally:
                runtime.telling.reset(telling)
                runtime.working.reset(working)
        self._time(key, verb.name, time.perf_counter() - started)
        self.ledger.watch(step)
        return self._shared((verb.name, part), key, lambda: result)

    def afresh(self, result: Made[T], load: Callable[[Path], T]) -> Made[T]:
        """Return the output of a step so that it is read again from its files, and a change of the object in memory has no effect.

        If the ledger stores nothing, the output is returned unchanged.
        """
        entry = self.ledger.entries.get(result.key)
        if self.ledger.folder is None or entry is None or not entry.files:
            return result
        place = self.ledger.folder / "steps" / entry.key

        def read() -> T:
            if not self.ledger.is_whole(entry):
                raise MachineGaveOut(
                    f"{place} has changed since it was written; run the same command again, which repeats the step"
                )
            return _read_back(place, entry.files, lambda: load(place))

        return Made(result.digest, result.size, read, result.key)

    def _working(self, key: str) -> Path | None:
        """Return the folder in which a step keeps intermediate results for the case that it is interrupted."""
        return self.ledger.folder / "steps" / f"{WORKING}{key}" if self.store and self.ledger.folder is not None else None

    def _end_working(self, key: str) -> None:
        if (place := self._working(key)) is not None and place.exists():
            shutil.rmtree(place, ignore_errors=True)

    def _shared(self, name: tuple[str, str], key: str, make: Callable[[], Made[T]]) -> Made[T]:
        """Return the object of this step from an earlier arm, if arms share the step."""
        if self.generation > 0:
            return make()
        ready = self.ledger.shared
        if name not in ready or ready[name].key != key:
            ready[name] = make()
        return ready[name]

    def _of_entry(self, entry: StepEntry, verb: Verb[T], recipe: Any, inputs: tuple[Any, ...], do: Callable[[], T]) -> Made[T]:
        if verb.load is None:
            return Made(entry.output, 0, lambda: tuple(entry.readings or ()), entry.key)  # type: ignore[arg-type, return-value]
        if not entry.files:
            result = Made(entry.output, entry.size, do, entry.key)
            self.ledger.untouched.append(result)
            return result
        assert self.ledger.folder is not None
        place, load = self.ledger.folder / "steps" / entry.key, verb.load
        read = lambda: _read_back(place, entry.files, lambda: load(place, entry.output, recipe, *inputs))  # noqa: E731
        return Made(entry.output, entry.size, read, entry.key)

    def _save(self, fields: dict[str, Any], verb: Verb[T], value: T, recipe: Any, inputs: tuple[Any, ...]) -> Made[T]:
        size = len(value) if hasattr(value, "__len__") and verb.load is not None else 0  # type: ignore[arg-type]
        fields |= {"files": {}, "readings": None}
        if verb.load is None:
            fields["readings"] = [as_kept(reading) for reading in value]  # type: ignore[attr-defined]
        elif self.store and value is not None:
            fields["files"] = self._write(fields["key"], value)
        reads, given = read_by(inputs), given_to(inputs) | dict(verb.given(recipe))
        entry = StepEntry(**fields, place=verb.place, reads=reads, given=given, size=size, output=output_of(fields))
        self.ledger.record(entry)
        if entry.files and verb.load is not None:
            return self._of_entry(entry, verb, recipe, inputs, lambda: value)
        return Made(entry.output, size, lambda: value, entry.key)

    def _write(self, key: str, value: Any) -> dict[str, str]:
        assert self.ledger.folder is not None
        place = self.ledger.folder / "steps" / key
        writing = self.ledger.folder / "steps" / f".writing-{key}-{os.getpid()}"
        try:
            shutil.rmtree(writing, ignore_errors=True)  # left by a killed process with the same id
            writing.mkdir()
            value.save(writing)
            files = {str(path.relative_to(writing)): digest_file(path) for path in sorted(writing.rglob("*")) if path.is_file()}
            for name, digest in files.items():
                if (stored := self.ledger.stored(digest)) is None or not _replace_by_link(stored, writing / name):
                    _sync(writing / name)
            shutil.rmtree(place, ignore_errors=True)
            os.replace(writing, place)
            _sync(place.parent)
            return files
        except OutcrossError:
            raise
        except Exception as error:
            if not isinstance(error, OSError) and (said := own_parts.blame(error)):
                raise BadInput(said) from None
            raise MachineGaveOut(
                f"{place.parent} could not be written: {error}; finished steps are kept, so free space and run again"
            ) from None
        finally:
            shutil.rmtree(writing, ignore_errors=True)

    @contextlib.contextmanager
    def _alone(self, key: str, learns: bool) -> Iterator[StepEntry | None]:
        """Yield the finished step, or None while this process holds the lock of the step and may do it."""
        finished = self.ledger.whole(key)
        if finished is not None or not self.store:
            yield finished or self.ledger.take_over(key)
            return
        assert self.ledger.folder is not None
        locks = self.ledger.folder / "steps" / ".locks"
        try:
            locks.parent.mkdir(exist_ok=True)
            locks.mkdir(exist_ok=True)
        except OSError as error:
            raise MachineGaveOut(
                f"{locks.parent} could not be written: {error.strerror}; run the same command again to continue"
            ) from None
        if learns:
            self.ledger.get_ready()
        with lock(locks / key, meanwhile=self.ledger.get_ready):
            self.ledger.refresh()
            yield self.ledger.whole(key) or self.ledger.take_over(key)

    def _time(self, key: str, verb: str, seconds: float) -> None:
        if self.store and self.ledger.folder is not None:
            line = {"key": key, "verb": verb, "seconds": round(seconds, 3), "ended": time.time(), "process": os.getpid()}
            with (self.ledger.folder / "timing.jsonl").open("a") as file:
                file.write(json.dumps(line) + "\n")


def _read_back(place: Path, files: Iterable[str], load: Callable[[], T]) -> T:
    """Load the output of a step. Raises MachineGaveOut if its files were deleted since they were checked, and BadInput if they cannot be loaded."""
    try:
        return load()
    except MemoryError:
        raise
    except Exception as error:
        if not all((place / name).exists() for name in files):
            raise MachineGaveOut(f"{place} was deleted; run the same command again (finished steps are kept)") from None
        if isinstance(error, OutcrossError):
            raise
        if said := own_parts.blame(error):
            raise BadInput(said) from None
        raise BadInput(
            f"{place} does not hold the output of its step ({type(error).__name__}: {str(error)[:120]}); delete that folder and run again"
        ) from None


def _digest(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _digest(part) for name, part in value.items()}
    return None if value is None else value.digest


def _value(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _value(part) for name, part in value.items()}
    return value.value if isinstance(value, Made) else value


def _is_own(place: Path, name: str) -> bool:
    """Whether a file in the folder of a step, and every folder on the path to it, is not a symbolic link."""
    path = place / name
    return not any(ancestor.is_symlink() for ancestor in (path, *path.parents[: len(Path(name).parts)]))


@contextlib.contextmanager
def _without_collecting() -> Iterator[None]:
    """Disable garbage collection meanwhile.

    Entries are thousands of new objects without garbage, and collecting would take as long as reading them.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _without_cut_off_line(file: BinaryIO) -> int:
    """Return the size of a ledger without an incomplete last line, which a killed process may have left."""
    end = file.seek(0, os.SEEK_END)
    for back in itertools.chain((1,), itertools.count(CHUNK, CHUNK)):
        start = max(0, end - back)
        file.seek(start)
        if newline := file.read(min(back, CHUNK)).rfind(b"\n") + 1:
            return start + newline
        if start == 0:
            return 0
    raise AssertionError("the beginning of a file is always reached")


WORKING = ".working-"
"""Beginning of the name of the folder, followed by the key of a step, in which the step keeps intermediate results."""
HIDDEN = ".outcross"
"""The folder with the ledger of a result, within the folder of the result."""
CHUNK = 65_536
"""Number of bytes read at a time, backwards from the end of a ledger."""


def _of_another_format(folder: Path, number: int) -> str:
    if folder.name == HIDDEN:
        return f"{folder.parent} was written in format {number}, but this version of outcross uses format {FORMAT}; choose another --out"
    spec, again = shlex.quote(str(folder / "experiment.yaml")), shlex.quote(f"{folder}-again")
    return f"{folder} is a run of format {number}, but this version of outcross uses format {FORMAT}; repeat it with: outcross run {spec} --out {again}"


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _replace_by_link(stored: Path, path: Path) -> bool:
    """Replace a file by a hard link to an equal file. Returns False, and leaves the file, if the file system has no hard links."""
    link = path.with_name(f"{path.name}.link")
    try:
        os.link(stored, link)
        os.replace(link, path)
        return True
    except OSError:
        return False


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


__all__ = ["Ancestor", "External", "Ledger", "Step", "Steps", "Verb", "root_of", "stream", "verb", "work"]
