from __future__ import annotations

import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from outcross.errors import missing_extra
from outcross.recipe import recipe
from outcross.targets.handed import Series, folder_name
from outcross.targets.tracker import Log, Tracker


@recipe
class Wandb(Tracker):
    """Weights & Biases, offline: a run for every arm and seed, grouped by arm, with the report as a file. The command `wandb sync FOLDER/wandb/offline-run-*` uploads the runs."""

    owns = ("wandb",)

    def opened(self, folder, project, out):
        return OfflineRuns(folder, project)

    def keeps(self, path):
        return path.parts[1:2] != ("latest-run",) and not {"logs", "tmp"} & {*path.parts[2:3]} and super().keeps(path)


USED: Counter[str] = Counter()
"""How often this process has started each run of W&B, by the digest of its name."""


class OfflineRuns(Log):
    """A folder with offline runs of W&B."""

    def __init__(self, folder: Path, project: str):
        os.environ.update(WANDB_ERROR_REPORTING="false", WANDB_SILENT="true")
        try:
            import wandb  # pyright: ignore[reportMissingImports]
        except ImportError:
            raise missing_extra("wandb", "wandb") from None
        self.folder, self.project, self.wandb = folder.absolute(), folder_name(project), wandb
        self.open: dict[Series, Any] = {}

    def begin(self, series: Series) -> None:
        private = dict.fromkeys(("disable_git", "disable_code", "x_disable_stats", "x_disable_meta"), True)
        settings = self.wandb.Settings(
            mode="offline",
            silent=True,
            console="off",
            save_code=False,
            x_save_requirements=False,
            disable_job_creation=True,
            **private,
        )
        self.open[series] = self.wandb.init(
            project=self.project,
            name=series.name,
            group=series.group,
            id=self._identity(series),
            config={**series.settings, "outcross.varied": [*series.varied]},
            dir=str(self.folder),
            settings=settings,
            reinit="create_new",
        )

    def _identity(self, series: Series) -> str:
        """Return the id of a run in W&B. A run that is written again after a stop has the same id, so that W&B does not show it twice. Within one process
        W&B accepts an id only once, so that a number is appended."""
        digest = hashlib.sha256(f"{self.project}\0{series.name}".encode()).hexdigest()[:16]
        USED[digest] += 1
        return digest if USED[digest] == 1 else f"{digest}-{USED[digest]}"

    def add(self, series: Series, step: int, numbers: Mapping[str, float]) -> None:
        self.open[series].log({"generation": step, **numbers}, step=step, commit=True)

    def end(self, series: Series, report: Path | None) -> None:
        run = self.open.pop(series)
        if report is not None:
            place = Path(run.dir)
            shutil.copyfile(report, place / "report.html")  # W&B itself would create only a link
            run.save(str(place / "report.html"), base_path=str(place), policy="now")
        run.finish()

    def __exit__(self, *error: object) -> None:
        for series in [*self.open]:
            self.end(series, None)
