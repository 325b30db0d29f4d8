"""The tables of a run: readings, samples, profiles, closed forms and slopes, written and read back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outcross.collapse.closed_forms import curves
from outcross.collapse.slopes import Slope, slopes
from outcross.errors import BadInput
from outcross.estimate import Reading
from outcross.experiment import parse
from outcross.experiment.arms import Arm, arms
from outcross.experiment.settings import families, flat_settings
from outcross.files.whole import read_text, write_whole
from outcross.measures import pages_of_runs

READINGS = {
    "run": str, "arm": str, "seed": int, "generation": int, "metric": str, "aspect": str,
    "value": float, "low": float, "high": float, "method": str, "n": int, "note": str,
}  # fmt: skip
SAMPLE_COLUMNS = {"arm": str, "seed": int, "generation": int, "prompt_id": int, "prompt": str, "text": str}
COLUMNS = READINGS | SAMPLE_COLUMNS | {"definition": str, "answer": str, "when": int}
"""What every column of a run's tables holds."""
ALWAYS_THERE = ("run", "arm", "generation", "metric", "aspect", "definition", "answer", "prompt_id")
"""Columns in which every row has a value."""
AGAIN = "run the experiment again, finished steps are kept"
MOST_ROWS = 10_000_000
"""A generation's or a prompt's largest number."""


@dataclass(frozen=True)
class Ended:
    """One generation of one arm has ended."""

    arm: str
    seed: int
    generation: int
    readings: tuple[Reading, ...]
    samples: tuple[tuple[int, str, str], ...]
    """(prompt number, prompt, what the model wrote)."""
    is_new: bool


def write_tables(folder: Path, made: tuple[Arm, ...], ended: list[Ended]) -> None:
    """Every table of a finished run."""
    readings = write_readings(folder, made, ended)
    write_whole(folder / "profile.parquet", _profiles(made, readings))
    if (laws := curves(made, readings)) is not None:
        write_whole(folder / "laws.parquet", laws)


def write_readings(folder: Path, made: tuple[Arm, ...], ended: list[Ended], over: bool = False) -> Any:
    """The readings and the samples; with `over` beside those rows of the tables there that none of these replaces."""
    import polars

    order = {arm.name: i for i, arm in enumerate(made)}
    ended = sorted(ended, key=lambda one: (order[one.arm], one.seed, one.generation))
    samples = [(one.arm, one.seed, one.generation, *sample) for one in ended for sample in one.samples]
    tables = {
        "readings.parquet": tabulate(made[0].experiment.name, [(one.arm, one.seed, one.generation, one.readings) for one in ended]),
        "samples.parquet": polars.DataFrame(samples, schema=SAMPLE_COLUMNS, orient="row"),
    }
    for name, table in tables.items():
        if over and (folder / name).exists():
            kept = polars.read_parquet(folder / name).join(
                table, on=["arm", "seed", "generation"], how="anti", maintain_order="left"
            )
            tables[name] = table = polars.concat([kept, table])
        if len(table):
            write_whole(folder / name, table)
    return tables["readings.parquet"]


def _profiles(made: tuple[Arm, ...], readings: Any) -> Any:
    """The eight definitions of collapse for every arm."""
    import polars

    from outcross.collapse.profile import profile

    found = families(flat_settings(made))
    names = readings["arm"].unique(maintain_order=True)
    return polars.concat([profile(readings, arm=arm, families=found).frame() for arm in names])


def tabulate(run: str, ended: Iterable[tuple[str, int, int, tuple[Reading, ...]]]) -> Any:
    """The readings of (arm, seed, generation, readings) as a polars frame, a row a reading."""
    import polars

    rows = []
    for arm, seed, generation, readings in ended:
        for reading in readings:
            told = reading.estimate
            numbers = (None,) * 5 if told is None else (told.value, told.low, told.high, told.method, told.n)
            rows.append((run, arm, seed, generation, reading.metric, reading.aspect, *numbers, reading.note))
    return polars.DataFrame(rows, schema=READINGS, orient="row")


def read_table(path: Path, needed: Sequence[str]) -> Any:
    """A table that a run left, a polars frame; BadInput where it is damaged, or where a column is missing or is not what it was."""
    import polars

    try:
        frame = polars.read_parquet(path)
    except Exception as error:
        raise BadInput(f"{path} cannot be read ({type(error).__name__}); {AGAIN}") from None
    if missing := [column for column in needed if column not in frame.columns]:
        raise BadInput(f"{path} has no column {', '.join(missing)}; it has {', '.join(frame.columns)[:200]}; {AGAIN}")
    for name in [column for column in frame.columns if column in COLUMNS]:
        if why := _spoilt(frame[name]):
            raise BadInput(f"{path}: the column {name} {why}; {AGAIN}")
    if {"value", "low", "high"} <= set(frame.columns):
        half = frame.filter(polars.col("value").is_not_null() & (polars.col("low").is_null() != polars.col("high").is_null()))
        if half.height:
            raise BadInput(f"{path}: a value has one end of its interval; {AGAIN}")
    return frame


def _spoilt(column: Any) -> str:
    """Why a column is not what a run writes, or nothing."""
    import polars

    held = COLUMNS[column.name]
    fits = {str: column.dtype == polars.String, int: column.dtype.is_integer(), float: column.dtype.is_numeric()}[held]
    if not fits and column.dtype != polars.Null:
        return f"must hold {held.__name__}, it holds {column.dtype}"
    if column.name in ALWAYS_THERE and column.null_count():
        return "has empty places"
    if column.dtype.is_float() and not column.is_finite().all():
        return "holds numbers that are not finite"
    if column.name in ("generation", "prompt_id") and len(column) and not 0 <= column.min() <= column.max() <= MOST_ROWS:
        return f"must be in [0, {MOST_ROWS}], got {column.min()} … {column.max()}"
    return ""


def read_readings(folder: Path) -> Any:
    """The readings of a run, a polars frame with a row a reading."""
    path = folder / "readings.parquet"
    if not path.exists():
        why = (
            "no generation has ended yet; run the same command to go on"
            if (folder / "ledger.jsonl").exists()
            else "give the folder of a run"
        )
        raise BadInput(f"{folder} holds no readings: {why}")
    return read_table(path, list(READINGS))


def read_arms(folder: Path) -> tuple[Arm, ...]:
    """The arms of a run; none where its experiment is not there."""
    stored = folder / "experiment.yaml"
    return arms(parse(read_text(stored, AGAIN), str(stored))) if stored.exists() else ()


def read_slopes(folder: Path) -> tuple[Slope, ...]:
    """How fast a run's arms collapse, against the numbers in which they differ."""
    laws: dict[tuple[str, str], dict[int, float]] = {}
    if (folder / "laws.parquet").exists():
        table = read_table(folder / "laws.parquet", ["arm", "metric", "generation", "value"]).drop_nulls("value")
        for row in table.iter_rows(named=True):
            laws.setdefault((row["arm"], row["metric"]), {})[row["generation"]] = row["value"]
    logarithmic = frozenset(name for name, page in pages_of_runs().items() if page.log)
    return slopes(read_readings(folder), flat_settings(read_arms(folder)), laws, logarithmic)


def summary(folder: Path) -> dict[str, Any]:
    """A run as plain data: its experiment, its readings, and how fast its arms collapse against what they differ in."""
    frame = read_readings(folder)
    told = parse(read_text(folder / "experiment.yaml", AGAIN), str(folder / "experiment.yaml"))
    found = [one.plain() for one in read_slopes(folder)]
    return {"schema": 1, "run": str(folder), "experiment": told, "readings": frame.to_dicts(), "slopes": found}
