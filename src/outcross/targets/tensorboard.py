from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from outcross.errors import missing_extra
from outcross.recipe import recipe
from outcross.targets.handed import Series, folder_name
from outcross.targets.tracker import Log, Tracker


@recipe
class Tensorboard(Tracker):
    """TensorBoard: event files, with a folder for every arm and seed, scalars in single precision, and the settings as hyperparameters."""

    owns = ("*/events.out.tfevents.*",)

    def opened(self, folder, project, out):
        return EventFiles(folder)


class EventFiles(Log):
    """The folder that `tensorboard --logdir` reads."""

    def __init__(self, folder: Path):
        try:
            from tensorboard.summary.writer.event_file_writer import EventFileWriter
        except ImportError:
            raise missing_extra("tensorboard", "tensorboard") from None
        self.folder, self.writer = folder, EventFileWriter
        self.open: dict[Series, Any] = {}

    def begin(self, series: Series) -> None:
        from tensorboard.plugins.hparams.summary_v2 import hparams_pb

        self.open[series] = self.writer(str(self.folder / folder_name(series.name)))
        plain = {key: value for key, value in series.settings.items() if isinstance(value, bool | int | float | str)}
        self._write(series, 0, hparams_pb(plain, trial_id=series.name, start_time_secs=0))

    def add(self, series: Series, step: int, numbers: Mapping[str, float]) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary  # pyright: ignore[reportAttributeAccessIssue]

        self._write(series, step, Summary(value=[Summary.Value(tag=name, simple_value=value) for name, value in numbers.items()]))
        self.open[series].flush()

    def _write(self, series: Series, step: int, summary: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event  # pyright: ignore[reportAttributeAccessIssue]

        self.open[series].add_event(Event(wall_time=time.time(), step=step, summary=summary))

    def end(self, series: Series, report: Path | None) -> None:
        self.open.pop(series).close()

    def __exit__(self, *error: object) -> None:
        for series in [*self.open]:
            self.end(series, None)
