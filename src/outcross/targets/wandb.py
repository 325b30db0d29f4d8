from __future__ import annotations

import hashlib
import os
import shutil
import struct
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from outcross.errors import MachineGaveOut, missing_extra
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


WAIT = 60.0
"""Seconds that the process of W&B may take to write the end of a run, after it has said that the run is finished."""
BLOCK, FRAME = 32_768, struct.Struct("<IHB")
"""A run file of W&B is a log of LevelDB: blocks with frames of a checksum, a length and a kind (1 whole; 2, 3 and 4 the parts of a record)."""
START = 7
"""Bytes before the first frame."""


def _wait_for(store: Path) -> None:
    """Wait until the file of a finished run holds its last record, which W&B's own process writes a moment later. Raises MachineGaveOut after `WAIT` seconds."""
    limit = time.monotonic() + WAIT
    while not has_ended(store):
        if time.monotonic() > limit:
            raise MachineGaveOut(
                f"W&B has not finished {store} after {WAIT:g} s; run the command again when the machine is less busy"
            )
        time.sleep(0.02)


def has_ended(store: Path) -> bool:
    """Whether the last whole record of a run file is that of the exit."""
    from wandb.proto.wandb_internal_pb2 import Record  # pyright: ignore[reportMissingImports]

    content, place, record, last = store.read_bytes() if store.is_file() else b"", START, b"", b""
    while place + FRAME.size <= len(content):
        if BLOCK - place % BLOCK < FRAME.size:
            place += BLOCK - place % BLOCK
            continue
        _, length, kind = FRAME.unpack_from(content, place)
        piece = content[place + FRAME.size : place + FRAME.size + length]
        if len(piece) < length:
            return False
        record = piece if kind in (1, 2) else record + piece
        last = record if kind in (1, 4) else last
        place += FRAME.size + length
    return bool(last) and Record.FromString(last).WhichOneof("record_type") == "exit"


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
        store = Path(run.dir).parent / f"run-{run.id}.wandb"
        run.finish()
        _wait_for(store)

    def __exit__(self, *error: object) -> None:
        for series in [*self.open]:
            self.end(series, None)
