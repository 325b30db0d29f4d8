"""The tables of a run.

Only the ledger of a run folder is read back, because a digest covers each of its lines. The tables, experiment.yaml and environment.json
beside it are written for people and other tools.
"""

from __future__ import annotations

import math
import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from outcross.collapse.closed_forms import curves
from outcross.collapse.profile import profile
from outcross.collapse.slopes import Slope, slopes
from outcross.collapse.stopping import Stop, Watch
from outcross.errors import BadInput
from outcross.estimate import Reading
from outcross.experiment.arms import Arm
from outcross.experiment.settings import NO_SETTINGS, families, flat_settings
from outcross.files.whole import write_whole
from outcross.ledger import Ledger
from outcross.ledger.entries import GenerationEntry
from outcross.measures import pages_of_runs
from outcross.report.curves import CurvePoint, mean_over_seeds

READINGS = {
    "run": str, "arm": str, "seed": int, "generation": int, "measure": str, "at": str, "column": str, "group": str,
    "value": float, "low": float, "high": float, "method": str, "n": int,
    "null": float, "null_low": float, "null_high": float, "floor": float, "p": float, "note": str,
}  # fmt: skip
SAMPLE_COLUMNS = {"arm": str, "seed": int, "generation": int, "prompt_id": int, "prompt": str, "text": str}
PICTURE_COLUMNS = {"arm": str, "seed": int, "generation": int, "author": str, "height": int, "width": int, "pixels": str}
TABLES = ("readings.parquet", "samples.parquet", "profile.parquet", "laws.parquet")
"""Every table that a run may leave."""


@dataclass(frozen=True)
class Ended:
    """One generation of one arm has ended."""

    arm: str
    seed: int
    generation: int
    readings: tuple[Reading, ...]
    is_new: bool


@dataclass(frozen=True, eq=False)
class Tables:
    """The readings and samples of a ledger as frames, and the results computed from them.

    Each object belongs to one state of the ledger, so results of fewer generations are never shown for more.
    """

    arms: tuple[Arm, ...]
    """Every arm with every seed, in the order of the experiment."""
    ledger: Ledger

    @property
    def name(self) -> str:
        """Name of the experiment."""
        return self.arms[0].experiment.name

    @cached_property
    def ended(self) -> tuple[GenerationEntry, ...]:
        """The generations that have ended, arm by arm, seed by seed."""
        order = {arm.name: i for i, arm in reversed([*enumerate(self.arms)])}
        last = {(arm.name, arm.experiment.seed): arm.experiment.generations for arm in self.arms}
        names = sorted(
            (name for name in self.ledger.generations if name[2] < last.get(name[:2], 0)),
            key=lambda name: (order[name[0]], *name[1:]),
        )
        return tuple(self.ledger.generations[name] for name in names)

    @property
    def unfinished(self) -> str:
        """A sentence about the progress of a run that has not ended. Empty if it has ended."""
        asked = sum(arm.experiment.generations for arm in self.arms)
        if len(self.ended) == asked:
            return ""
        progress = f"{len(self.ended)} of {asked} generations are finished"
        stopped = {(stop.arm, stop.seed) for stop in self.stops}
        ended = Counter((entry.arm, entry.seed) for entry in self.ended)
        for arm in self.arms:
            name = (arm.name, arm.experiment.seed)
            if name not in stopped and ended[name] < arm.experiment.generations:
                return f"The run has not ended: {progress}; {self._go_on}."
        if self.ledger.folder is None:
            return f"The run was stopped by stop_when: {progress}; a run with a wider bound or without one continues further."
        return (
            f"The run was stopped by stop_when: {progress}; run the same command with stop_when=null or a wider bound to continue."
        )

    @cached_property
    def stops(self) -> tuple[Stop, ...]:
        """Why arms have stopped: for each arm with each seed, the first reading whose confidence limit is beyond its bound."""
        watches = {
            (arm.name, arm.experiment.seed): Watch(arm.experiment.stop_when, arm.name, arm.experiment.seed)
            for arm in self.arms
            if arm.experiment.stop_when
        }
        first_stops: dict[tuple[str, int], Stop] = {}
        following: Counter[tuple[str, int]] = Counter()
        for ended in self.ended:
            name = (ended.arm, ended.seed)
            if name in watches and name not in first_stops and ended.generation == following[name]:
                following[name] += 1
                stop = watches[name](ended.generation, self.readings_of(ended))
                if stop is not None:
                    first_stops[name] = stop
        return tuple(first_stops.values())

    @property
    def _go_on(self) -> str:
        return "call finish() to continue" if self.ledger.folder is None else "run the same command to continue"

    @cached_property
    def readings(self) -> Any:
        """The readings as a polars frame with one row per reading, and a column for every setting in which the arms differ, named by its key.

        Raises BadInput if no generation has ended.
        """
        if not self.ended:
            raise BadInput(f"{self.ledger.folder or self.name} holds no readings: no generation has ended yet; {self._go_on}")
        rows = [(entry.arm, entry.seed, entry.generation, self.readings_of(entry)) for entry in self.ended]
        return with_settings(tabulate(self.name, rows), self.arms)

    def readings_of(self, ended: GenerationEntry) -> tuple[Reading, ...]:
        """Return the readings of a generation that has ended. Raises BadInput if the ledger has lost them."""
        steps = [self.ledger.entries.get(key) for key in ended.measured]
        readings = [None if step is None else step.readings for step in steps]
        if any(of_step is None for of_step in readings):
            assert self.ledger.folder is not None
            raise BadInput(f"{self.ledger.path} has lost readings of {ended.arm}; {again(self.ledger.folder)}")
        return tuple(reading for of_step in readings for reading in of_step or ())

    @cached_property
    def samples(self) -> Any:
        """The samples as a polars frame with one row per sample, a text that the model of a generation wrote after one of the first prompts."""
        import polars

        rows = [(entry.arm, entry.seed, entry.generation, *sample) for entry in self.ended for sample in entry.samples]
        return polars.DataFrame(rows, schema=SAMPLE_COLUMNS, orient="row")

    @cached_property
    def pictures(self) -> Any:
        """The pictures as a polars frame.

        Each row holds several pictures of one author, their height and width in pixels, and their grey pixels in base64.
        """
        import polars

        rows = [(entry.arm, entry.seed, entry.generation, *picture) for entry in self.ended for picture in entry.pictures]
        return polars.DataFrame(rows, schema=PICTURE_COLUMNS, orient="row")

    @cached_property
    def profile(self) -> Any:
        """The eight definitions of collapse for every arm, as a polars frame with one row per answer."""
        import polars

        compared = families(flat_settings(self.arms))
        names = self.readings["arm"].unique(maintain_order=True)
        return polars.concat([profile(self.readings, arm=arm, families=compared).frame() for arm in names])

    @cached_property
    def laws(self) -> Any:
        """The values of the closed forms that apply, as a polars frame (arm, measure, generation, value). None if there are none."""
        return curves(self.arms, self.readings)

    @cached_property
    def slopes(self) -> tuple[Slope, ...]:
        """Slopes of the speed of collapse against the numeric settings in which the arms differ."""
        laws: dict[tuple[str, str], dict[int, float]] = {}
        for row in () if self.laws is None else self.laws.iter_rows(named=True):
            laws.setdefault((row["arm"], row["measure"]), {})[row["generation"]] = row["value"]
        logarithmic = frozenset(name for name, page in pages_of_runs().items() if page.log)
        return slopes(self.readings, flat_settings(self.arms), laws, logarithmic)


POOLED = ("null", "null_low", "null_high")
"""Columns of readings that are averaged over the seeds when seeds are pooled."""


def pooled_over_seeds(readings: Any) -> Any:
    """Return the readings of a run with one row for all seeds of an arm: their mean with a 95 % t-interval over the seeds, and n seeds.

    Intervals are cut to the possible values of their reading. An arm with one seed keeps its interval. If some seeds lack a reading, its mean is over the other seeds, and n is their number. The values of real
    data are averaged over the seeds.
    """
    import polars

    own = ("seed", "value", "low", "high", "method", "n", *POOLED, "floor", "p", "note")
    keys = [name for name in readings.columns if name not in own]
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in readings.iter_rows(named=True):
        groups.setdefault(tuple(row[key] for key in keys), []).append(row)
    rows, pages = [], pages_of_runs()
    for place, group in groups.items():
        pooled = mean_over_seeds(
            [CurvePoint(0, row["value"], row["low"], row["high"], row["method"] or "", row["n"]) for row in group],
            pages.get(group[0]["measure"]),
        )
        real = [_mean([row[name] for row in group if row[name] is not None]) for name in POOLED]
        note = "; ".join(dict.fromkeys(row["note"] for row in group if row["note"])) if pooled.value is None else ""
        rows.append((*place, len(group), pooled.value, pooled.low, pooled.high, pooled.method, pooled.n, *real, note))
    added = {"seeds": polars.Int64} | {
        name: readings.schema[name] for name in ("value", "low", "high", "method", "n", *POOLED, "note")
    }
    return polars.DataFrame(rows, schema={name: readings.schema[name] for name in keys} | added, orient="row")


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def again(folder: Path) -> str:
    """Return the advice for a damaged run folder."""
    spec, out = shlex.quote(str(folder / "experiment.yaml")), shlex.quote(str(folder))
    return f"run it again (finished steps are kept): outcross run {spec} --out {out}"


def write_tables(folder: Path, tables: Tables) -> None:
    """Write every table of a finished run."""
    write_readings(folder, tables)
    write_whole(folder / "profile.parquet", tables.profile)
    if tables.laws is not None:
        write_whole(folder / "laws.parquet", tables.laws)


def write_readings(folder: Path, tables: Tables) -> None:
    """Write the readings and the samples so far, if there are any."""
    if tables.ended:
        write_whole(folder / "readings.parquet", tables.readings)
    if len(tables.samples):
        write_whole(folder / "samples.parquet", tables.samples)


def tabulate(run: str, ended: Iterable[tuple[str, int, int, tuple[Reading, ...]]]) -> Any:
    """Return tuples of (arm, seed, generation, readings) as a polars frame with one row per reading."""
    import polars

    rows = []
    for arm, seed, generation, readings in ended:
        for reading in readings:
            estimate, real = reading.estimate, reading.null
            numbers = (
                (None,) * 5 if estimate is None else (estimate.value, estimate.low, estimate.high, estimate.method, estimate.n)
            )
            of_real = (None,) * 5 if real is None else (real.typical, real.low, real.high, real.floor, real.p)
            place = (reading.measure, reading.at, reading.column, reading.group)
            rows.append((run, arm, seed, generation, *place, *numbers, *of_real, reading.note))
    return polars.DataFrame(rows, schema=READINGS, orient="row")


def with_settings(readings: Any, arms: Sequence[Arm]) -> Any:
    """Return the readings with a column, after that of the arm, for every setting in which the arms differ. It is null for an arm without the setting.

    The name of a column is the dotted key of the setting (`policy.share`). The column is numeric if all its values are numbers, else it holds text.
    """
    import polars

    flat = flat_settings(arms)
    keys = dict.fromkeys(key for own in flat.values() for key in own if key.split(".")[0] not in NO_SETTINGS)
    columns = []
    for key in keys:
        values = {arm: own.get(key) for arm, own in flat.items()}
        if len({repr(value) for value in values.values()}) > 1:
            dtype = _type_of(values.values())
            levels = {arm: str(value) if dtype == polars.String and value is not None else value for arm, value in values.items()}
            columns.append(polars.col("arm").replace_strict(levels, return_dtype=dtype).alias(key))
    first = readings.columns[: readings.columns.index("arm") + 1]
    return readings.select(*first, *columns, *readings.columns[len(first) :])


def _type_of(values: Iterable[Any]) -> Any:
    import polars

    kinds = {type(value) for value in values if value is not None}
    return {frozenset({int}): polars.Int64, frozenset({float}): polars.Float64, frozenset({int, float}): polars.Float64}.get(
        frozenset(kinds), polars.String
    )
