"""What all trackers share: a folder is opened, runs are begun in it, and their numbers are logged step by step."""

from __future__ import annotations

import shutil
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, ClassVar

from outcross.errors import MachineGaveOut, OutcrossError, first_words
from outcross.targets import Target
from outcross.targets.handed import Handed, Series


class Log(AbstractContextManager):
    """The open folder of a tracker. Leaving it ends every run that was begun."""

    @abstractmethod
    def begin(self, series: Series) -> None:
        """Begin a run with its settings."""

    @abstractmethod
    def add(self, series: Series, step: int, numbers: Mapping[str, float]) -> None:
        """Log the numbers of one step; they reach the disk before it returns, so that who watches sees them."""

    @abstractmethod
    def end(self, series: Series, report: Path | None) -> None:
        """End a run. The page goes with it, where the tool takes files."""


class Tracker(Target):
    """A tracker of experiments: a run in it for every arm and seed, settings as its parameters, readings as metrics with the generation as step."""

    takes: ClassVar[tuple[str, ...]] = ("run", "audit", "reproduction")
    owns: ClassVar[tuple[str, ...]] = ()
    """Patterns of the files and folders that the tool makes at the top of its folder."""

    @abstractmethod
    def opened(self, folder: Path, project: str, out: Path) -> Log:
        """The folder, opened for the runs of a project. `out` is where the folder will lie. BadInput where the tool is not installed."""

    def files(self, handed: Handed, place: Path, out: Path) -> Mapping[str, Any]:
        report = None if handed.report is None else handed.report(place / "report.html")
        store = place / "store"
        store.mkdir()
        with complaining(type(self).__name__.lower(), out):
            with self.opened(store, handed.name, out) as log:
                for series, points in handed.points.items():
                    log.begin(series)
                    for step, numbers in points:
                        log.add(series, step, numbers)
                    log.end(series, report)
            return {
                path.relative_to(store).as_posix(): path
                for path in sorted(store.rglob("*"))
                if path.is_file() and not path.is_symlink() and self.keeps(path.relative_to(store))
            }

    def keeps(self, path: Path) -> bool:
        """Whether a file that the tool made belongs to what is handed out; links and the tool's own notes on its work do not."""
        return path.name != ".lock" and path.suffix not in (".lock", ".log")

    def cleared(self, folder: Path) -> None:
        """Remove what the tool made in its folder."""
        for pattern in self.owns:
            for path in folder.glob(pattern):
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


@contextmanager
def complaining(name: str, folder: Path) -> Iterator[None]:
    """An error of the tool's own in one line."""
    try:
        yield
    except (OutcrossError, KeyboardInterrupt, MemoryError):
        raise
    except OSError as error:
        raise MachineGaveOut(
            f"{folder} could not be written for {name}: {error.strerror or first_words(error)}; make room or choose another folder"
        ) from None
    except Exception as error:
        raise MachineGaveOut(f"{name} could not write {folder}: {type(error).__name__}: {first_words(error)}") from None
