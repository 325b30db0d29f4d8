"""What a run has recorded, as tables.

The ledger is all that is believed of a run folder, for each of its lines is covered by a digest. The tables, experiment.yaml and
environment.json beside it are written for people and other tools, and are never read back.
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
    """What a ledger holds of the arms of a run, as frames: its readings and samples, and what follows from them.

    A value of its own for each state of a ledger: what was worked out from fewer generations is never shown for more.
    """

    arms: tuple[Arm, ...]
    """Every arm with every seed, in the order of the experiment."""
    ledger: Ledger

    @property
    def name(self) -> str:
        """The experiment's."""
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
        """How far a run is that has not ended; empty where it has."""
        asked = sum(arm.experiment.generations for arm in self.arms)
        if len(self.ended) == asked:
            return ""
        progress = f"{len(self.ended)} of {asked} generations are here"
        stopped = {(stop.arm, stop.seed) for stop in self.stops}
        ended = Counter((entry.arm, entry.seed) for entry in self.ended)
        for arm in self.arms:
            name = (arm.name, arm.experiment.seed)
            if name not in stopped and ended[name] < arm.experiment.generations:
                return f"The run has not ended: {progress}; {self._go_on}."
        if self.ledger.folder is None:
            return f"The run was stopped by stop_when: {progress}; a run with a wider bound, or with none, goes further."
        return f"The run was stopped by stop_when: {progress}; run the same command with stop_when=null, or with a wider bound, to go on."

    @cached_property
    def stops(self) -> tuple[Stop, ...]:
        """Why arms have stopped: for each arm with each seed the first reading that is surely beyond its bound."""
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
        return "call finish() to go on" if self.ledger.folder is None else "run the same command to go on"

    @cached_property
    def readings(self) -> Any:
        """A polars frame with a row a reading, and a column for every setting in which the arms differ, by its key in an experiment file.

        BadInput where no generation has ended.
        """
        if not self.ended:
            raise BadInput(f"{self.ledger.folder or self.name} holds no readings: no generation has ended yet; {self._go_on}")
        rows = [(entry.arm, entry.seed, entry.generation, self.readings_of(entry)) for entry in self.ended]
        return with_settings(tabulate(self.name, rows), self.arms)

    def readings_of(self, ended: GenerationEntry) -> tuple[Reading, ...]:
        """The readings of a generation that has ended. BadInput where the ledger has lost them."""
        steps = [self.ledger.entries.get(key) for key in ended.measured]
        readings = [None if step is None else step.readings for step in steps]
        if any(of_step is None for of_step in readings):
            assert self.ledger.folder is not None
            raise BadInput(f"{self.ledger.path} has lost readings of {ended.arm}; {again(self.ledger.folder)}")
        return tuple(reading for of_step in readings for reading in of_step or ())

    @cached_property
    def samples(self) -> Any:
        """A polars frame with a row a sample: what the model of a generation wrote after one of the first prompts."""
        import polars

        rows = [(entry.arm, entry.seed, entry.generation, *sample) for entry in self.ended for sample in entry.samples]
        return polars.DataFrame(rows, schema=SAMPLE_COLUMNS, orient="row")

    @cached_property
    def pictures(self) -> Any:
        """A polars frame with a row for some pictures: who made them, the rows and columns of pixels of each, and their grey pixels in base64."""
        import polars

        rows = [(entry.arm, entry.seed, entry.generation, *picture) for entry in self.ended for picture in entry.pictures]
        return polars.DataFrame(rows, schema=PICTURE_COLUMNS, orient="row")

    @cached_property
    def profile(self) -> Any:
        """A polars frame with a row an answer: the eight definitions of collapse for every arm."""
        import polars

        compared = families(flat_settings(self.arms))
        names = self.readings["arm"].unique(maintain_order=True)
        return polars.concat([profile(self.readings, arm=arm, families=compared).frame() for arm in names])

    @cached_property
    def laws(self) -> Any:
        """A polars frame of the closed forms that apply (arm, measure, generation, value); None where there are none."""
        return curves(self.arms, self.readings)

    @cached_property
    def slopes(self) -> tuple[Slope, ...]:
        """How fast the arms collapse, against the numbers in which they differ."""
        laws: dict[tuple[str, str], dict[int, float]] = {}
        for row in () if self.laws is None else self.laws.iter_rows(named=True):
            laws.setdefault((row["arm"], row["measure"]), {})[row["generation"]] = row["value"]
        logarithmic = frozenset(name for name, page in pages_of_runs().items() if page.log)
        return slopes(self.readings, flat_settings(self.arms), laws, logarithmic)


POOLED = ("null", "null_low", "null_high")
"""Columns of readings that are averaged where seeds are pooled."""


def pooled_over_seeds(readings: Any) -> Any:
    """A run's readings with one row for all seeds of an arm: their mean with a 95 % t-interval over the seeds, and n seeds.

    An arm of one seed keeps the interval that it has. A reading that some seeds lack is the mean of the others, and n says of how many. What real
    data show is the mean over the seeds.
    """
    import polars

    own = ("seed", "value", "low", "high", "method", "n", *POOLED, "floor", "p", "note")
    keys = [name for name in readings.columns if name not in own]
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in readings.iter_rows(named=True):
        groups.setdefault(tuple(row[key] for key in keys), []).append(row)
    rows = []
    for place, group in groups.items():
        pooled = mean_over_seeds(
            [CurvePoint(0, row["value"], row["low"], row["high"], row["method"] or "", row["n"]) for row in group]
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
    """The way out for who finds a run folder damaged."""
    spec, out = shlex.quote(str(folder / "experiment.yaml")), shlex.quote(str(folder))
    return f"write it again, finished steps are kept: outcross run {spec} --out {out}"


def write_tables(folder: Path, tables: Tables) -> None:
    """Every table of a finished run."""
    write_readings(folder, tables)
    write_whole(folder / "profile.parquet", tables.profile)
    if tables.laws is not None:
        write_whole(folder / "laws.parquet", tables.laws)


def write_readings(folder: Path, tables: Tables) -> None:
    """The readings and the samples so far, where there are any."""
    if tables.ended:
        write_whole(folder / "readings.parquet", tables.readings)
    if len(tables.samples):
        write_whole(folder / "samples.parquet", tables.samples)


def tabulate(run: str, ended: Iterable[tuple[str, int, int, tuple[Reading, ...]]]) -> Any:
    """The readings of (arm, seed, generation, readings) as a polars frame, a row a reading."""
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
    """The readings with a column, behind the arm's, for every setting in which the arms differ; null where an arm has no such setting.

    A column is called by the dotted key that changes the setting (`policy.share`). It holds numbers where all its values are numbers, else words.
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
