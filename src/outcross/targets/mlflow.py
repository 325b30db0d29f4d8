from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.request import url2pathname

from outcross.errors import BadInput, missing_extra
from outcross.recipe import recipe
from outcross.targets.handed import Series
from outcross.targets.tracker import Log, Tracker

Item = TypeVar("Item")
METRICS, PARAMETERS, LONGEST = 1000, 100, 6000
"""The limits of MLflow: metrics and parameters of one request, and characters of a parameter."""


@recipe
class Mlflow(Tracker):
    """MLflow: a SQLite store with one experiment, which has a run for every arm and seed, with the report as an artefact. `mlflow ui --backend-store-uri sqlite:///FOLDER/mlflow.db` opens it."""

    def opened(self, folder, project, out):
        return MlflowStore(folder, project, out)


class MlflowStore(Log):
    """A store of MLflow in one folder: mlflow.db and artifacts."""

    def __init__(self, folder: Path, project: str, out: Path):
        if odd := next((sign for sign in "?#%" if sign in f"{folder.absolute()}{out.absolute()}"), ""):
            raise BadInput(
                f"the path {out} contains {odd!r}, which MLflow does not allow in the address of a store; choose another folder"
            )
        os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
        try:
            import alembic  # noqa: F401  # pyright: ignore[reportMissingImports]
            import sqlalchemy  # noqa: F401  # pyright: ignore[reportMissingImports]
            from mlflow.tracking import MlflowClient  # pyright: ignore[reportMissingImports]
        except ImportError as error:
            raise missing_extra(error.name or "mlflow", "mlflow") from None
        for name in ("mlflow", "alembic"):  # they log how they create their tables
            logging.getLogger(name).setLevel(logging.WARNING)
        address = f"sqlite:///{folder.absolute() / 'mlflow.db'}"
        self.folder, self.out = folder.absolute(), out.absolute()
        self.client = MlflowClient(tracking_uri=address, registry_uri=address)
        self.experiment = self._experiment(project)
        self.open: dict[Series, str] = {}

    def _experiment(self, project: str) -> str:
        """Return the id of the experiment of a project, without runs. A server may have the store open. Therefore earlier runs are deleted through MLflow,
        and not together with the file."""
        there = self.client.get_experiment_by_name(project)
        if there is None:
            return self.client.create_experiment(project, artifact_location=str(self.out / "artifacts"))
        while runs := self.client.search_runs([there.experiment_id]):
            for run in runs:
                self.client.delete_run(run.info.run_id)
        return there.experiment_id

    def begin(self, series: Series) -> None:
        from mlflow.entities import Param  # pyright: ignore[reportMissingImports]

        tags = {"outcross.arm": series.group, "outcross.varied": ", ".join(series.varied)}
        run = self.client.create_run(self.experiment, run_name=series.name, tags=tags)
        self.open[series] = run.info.run_id
        parameters = [Param(key, str(value)[:LONGEST]) for key, value in series.settings.items()]
        for some in _several(parameters, PARAMETERS):
            self.client.log_batch(run.info.run_id, params=some)

    def add(self, series: Series, step: int, numbers: Mapping[str, float]) -> None:
        from mlflow.entities import Metric  # pyright: ignore[reportMissingImports]

        now = int(1000 * time.time())
        for some in _several([Metric(name, value, now, step) for name, value in numbers.items()], METRICS):
            self.client.log_batch(self.open[series], metrics=some)

    def end(self, series: Series, report: Path | None) -> None:
        run = self.open.pop(series)
        if report is not None:  # MLflow itself would copy the file to the final folder, which does not exist yet
            place = Path(url2pathname(str(self.client.get_run(run).info.artifact_uri).removeprefix("file://")))
            artefacts = self.folder / place.relative_to(self.out)
            artefacts.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(report, artefacts / "report.html")
        self.client.set_terminated(run)

    def __exit__(self, *error: object) -> None:
        for run in self.open.values():
            self.client.set_terminated(run, "KILLED" if error[0] else "FINISHED")
        self.open.clear()


def _several(items: Sequence[Item], limit: int) -> Iterator[Sequence[Any]]:
    yield from (items[start : start + limit] for start in range(0, len(items), limit))
