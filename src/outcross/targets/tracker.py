"""The common part of all trackers: a folder is opened, runs are started in it, and their numbers are logged step by step."""

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
    """The open folder of a tracker, as a context manager that ends every open run on exit."""

    @abstractmethod
    def begin(self, series: Series) -> None:
        """Start a run with its settings."""

    @abstractmethod
    def add(self, series: Series, step: int, numbers: Mapping[str, float]) -> None:
        """Log the numbers of one step. They are on disk when the method returns, so that an observer sees them."""

    @abstractmethod
    def end(self, series: Series, report: Path | None) -> None:
        """End a run, and add the page to it if the tool accepts files."""


class Tracker(Target):
    """A tracker of experiments, with a run for every arm and seed, settings as parameters, and readings as metrics with the generation as step."""

    takes: ClassVar[tuple[str, ...]] = ("run", "audit", "reproduction")
    owns: ClassVar[tuple[str, ...]] = ()
    """Patterns of the files and folders that the tool creates at the top of its folder."""

    @abstractmethod
    def opened(self, folder: Path, project: str, out: Path) -> Log:
        """Open the folder for the runs of a project. `out` is the final folder. Raises BadInput if the tool is not installed."""

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
        """Whether a file of the tool belongs to the export. The tool's lock files and logs do not."""
        return path.name != ".lock" and path.suffix not in (".lock", ".log")

    def cleared(self, folder: Path) -> None:
        """Remove the files and folders that the tool created in its folder."""
        for pattern in self.owns:
            for path in folder.glob(pattern):
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


@contextmanager
def complaining(name: str, folder: Path) -> Iterator[None]:
    """Turn an error of the tool into a MachineGaveOut with one line."""
    try:
        yield
    except (OutcrossError, KeyboardInterrupt, MemoryError):
        raise
    except OSError as error:
        raise MachineGaveOut(
            f"{folder} could not be written for {name}: {error.strerror or first_words(error)}; free space or choose another folder"
        ) from None
    except Exception as error:
        raise MachineGaveOut(f"{name} could not write {folder}: {type(error).__name__}: {first_words(error)}") from None
