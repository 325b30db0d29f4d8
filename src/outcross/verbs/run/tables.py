"""What a run has recorded, read back from its ledger, and the tables that are written from it.

The ledger is all that is believed of a run folder, for each of its lines is covered by a digest. The tables, experiment.yaml and
environment.json beside it are written for people and other tools, and are never read back.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from outcross.collapse.closed_forms import curves
from outcross.collapse.profile import profile
from outcross.collapse.slopes import Slope, slopes
from outcross.errors import BadInput
from outcross.estimate import Reading
from outcross.experiment.arms import Arm, arms
from outcross.experiment.settings import families, flat_settings
from outcross.files.whole import write_whole
from outcross.ledger import Ledger
from outcross.ledger.entries import GenerationEntry, RunEntry
from outcross.measures import pages_of_runs

READINGS = {
    "run": str, "arm": str, "seed": int, "generation": int, "measure": str, "at": str, "column": str, "group": str,
    "value": float, "low": float, "high": float, "method": str, "n": int,
    "null": float, "null_low": float, "null_high": float, "floor": float, "p": float, "note": str,
}  # fmt: skip
SAMPLE_COLUMNS = {"arm": str, "seed": int, "generation": int, "prompt_id": int, "prompt": str, "text": str}
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
class Recorded:
    """What the ledger of a run folder says: the experiment, and of every generation that has ended its steps, readings and samples."""

    folder: Path
    ledger: Ledger

    @property
    def run(self) -> RunEntry:
        """The experiment, the environment and the digests of the human data."""
        assert self.ledger.run is not None
        return self.ledger.run

    @property
    def name(self) -> str:
        """The experiment's."""
        return self.arms[0].experiment.name

    @cached_property
    def arms(self) -> tuple[Arm, ...]:
        """Every arm with every seed, in the order of the experiment."""
        return arms(self.run.experiment)

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
        return f"The run has not ended: {len(self.ended)} of {asked} generations are here; run the same command to go on."

    @cached_property
    def readings(self) -> Any:
        """A polars frame with a row a reading; BadInput where no generation has ended."""
        if not self.ended:
            raise BadInput(f"{self.folder} holds no readings: no generation has ended yet; run the same command to go on")
        return tabulate(self.name, [(one.arm, one.seed, one.generation, self._readings(one)) for one in self.ended])

    def _readings(self, ended: GenerationEntry) -> tuple[Reading, ...]:
        steps = [self.ledger.entries.get(key) for key in ended.measured]
        readings = [None if step is None else step.readings for step in steps]
        if any(some is None for some in readings):
            raise BadInput(f"{self.ledger.path} has lost readings of {ended.arm}; {again(self.folder)}")
        return tuple(reading for some in readings for reading in some or ())

    @cached_property
    def samples(self) -> Any:
        """A polars frame with a row a sample: what the model of a generation wrote after one of the first prompts."""
        import polars

        rows = [(one.arm, one.seed, one.generation, *sample) for one in self.ended for sample in one.samples]
        return polars.DataFrame(rows, schema=SAMPLE_COLUMNS, orient="row")

    @cached_property
    def profile(self) -> Any:
        """A polars frame with a row an answer: the eight definitions of collapse for every arm."""
        import polars

        found = families(flat_settings(self.arms))
        names = self.readings["arm"].unique(maintain_order=True)
        return polars.concat([profile(self.readings, arm=arm, families=found).frame() for arm in names])

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


def recorded(folder: Path) -> Recorded:
    """What a run folder's ledger says; BadInput where the folder is no run, or where the ledger is damaged.

    A run that is under way, or that was killed, shows what it has recorded so far.
    """
    if not (folder / "ledger.jsonl").is_file():
        raise BadInput(f"{folder} holds no ledger.jsonl; give the folder of a run, which `outcross run SPEC --out DIR` makes")
    ledger = Ledger(folder)
    if ledger.damaged:
        raise BadInput(f"{ledger.path} is damaged at line {ledger.damaged}; {again(folder)}")
    if ledger.run is None:
        raise BadInput(f"{ledger.path} does not say which experiment it is of; {again(folder)}")
    if ledger.run.lines not in (None, len(ledger.lines) - 1):
        raise BadInput(
            f"{ledger.path} has {len(ledger.lines) - 1} of the {ledger.run.lines} lines of a finished run; {again(folder)}"
        )
    return Recorded(folder, ledger)


def again(folder: Path) -> str:
    """The way out for who finds a run folder damaged."""
    spec, out = shlex.quote(str(folder / "experiment.yaml")), shlex.quote(str(folder))
    return f"write it again, finished steps are kept: outcross run {spec} --out {out}"


def write_tables(run: Recorded) -> None:
    """Every table of a finished run."""
    write_readings(run)
    write_whole(run.folder / "profile.parquet", run.profile)
    if run.laws is not None:
        write_whole(run.folder / "laws.parquet", run.laws)


def write_readings(run: Recorded) -> None:
    """The readings and the samples so far, where there are any."""
    if run.ended:
        write_whole(run.folder / "readings.parquet", run.readings)
    if len(run.samples):
        write_whole(run.folder / "samples.parquet", run.samples)


def tabulate(run: str, ended: Iterable[tuple[str, int, int, tuple[Reading, ...]]]) -> Any:
    """The readings of (arm, seed, generation, readings) as a polars frame, a row a reading."""
    import polars

    rows = []
    for arm, seed, generation, readings in ended:
        for reading in readings:
            told, real = reading.estimate, reading.null
            numbers = (None,) * 5 if told is None else (told.value, told.low, told.high, told.method, told.n)
            of_real = (None,) * 5 if real is None else (real.typical, real.low, real.high, real.floor, real.p)
            where = (reading.measure, reading.at, reading.column, reading.group)
            rows.append((run, arm, seed, generation, *where, *numbers, *of_real, reading.note))
    return polars.DataFrame(rows, schema=READINGS, orient="row")


def summary(run: Recorded) -> dict[str, Any]:
    """A run as plain data: its experiment, its readings, and how fast its arms collapse against what they differ in."""
    return {
        "schema": 1,
        "run": str(run.folder),
        "finished": not run.unfinished,
        "experiment": run.run.experiment,
        "readings": run.readings.to_dicts(),
        "slopes": [one.plain() for one in run.slopes],
    }
