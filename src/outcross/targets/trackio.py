from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from outcross.errors import missing_extra
from outcross.recipe import recipe
from outcross.targets.handed import Series, folder_name
from outcross.targets.tracker import Log, Tracker


@recipe
class Trackio(Tracker):
    """trackio: a SQLite database with one project, which has a run for every arm and seed. `TRACKIO_DIR=FOLDER trackio show` opens it."""

    owns = ("*.db", "*.db-wal", "*.db-shm", "*.lock", "media", "report.html")

    def opened(self, folder, project, out):
        return Database(folder, project)


class Database(Log):
    """The folder of trackio, with one project."""

    def __init__(self, folder: Path, project: str):
        self.folder, self.project = folder, folder_name(project)
        self.begun: set[Series] = set()
        with self._pointed():
            pass

    @contextmanager
    def _pointed(self) -> Iterator[type]:
        """Yield trackio's storage with its databases in this folder. trackio reads the variable TRACKIO_DIR only on import, so that its modules are changed."""
        os.environ.setdefault("TRACKIO_DIR", str(self.folder))
        try:
            from trackio import sqlite_storage, utils
        except ImportError:
            raise missing_extra("trackio", "trackio") from None
        before = [(module, module.TRACKIO_DIR) for module in (sqlite_storage, utils)]
        try:
            for module, _ in before:
                module.TRACKIO_DIR = self.folder  # pyright: ignore[reportAttributeAccessIssue]
            yield sqlite_storage.SQLiteStorage
        finally:
            for module, place in before:
                module.TRACKIO_DIR = place  # pyright: ignore[reportAttributeAccessIssue]

    def begin(self, series: Series) -> None:
        self.begun.add(series)

    def add(self, series: Series, step: int, numbers: Mapping[str, float]) -> None:
        settings = {
            key: value if isinstance(value, bool | int | float | str) else str(value) for key, value in series.settings.items()
        }
        config = {**settings, "_Group": series.group, "outcross.varied": ", ".join(series.varied)}
        with self._pointed() as storage:
            storage.bulk_log(
                self.project,
                series.name,
                [dict(numbers)],
                steps=[step],
                config=config if series in self.begun else None,
                log_ids=[f"{folder_name(series.name)}-{step}"],
                run_id=folder_name(series.name),
            )
        self.begun.discard(series)

    def end(self, series: Series, report: Path | None) -> None:
        if report is not None:
            shutil.copyfile(report, self.folder / "report.html")

    def __exit__(self, *error: object) -> None:
        """Do nothing, since trackio closes its database after every step."""
