"""Tables with textbook losses planted in them: the six sets that today's audits pass (20,000 rows, one law, five kinds of damage), and real tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars

ROWS = 20_000
OCCUPATIONS = 40
COMMON = 10
"""Occupations beyond the commonest ten are the rare ones that damage B merges into one."""


def human(rng: np.random.Generator, rows: int = ROWS) -> polars.DataFrame:
    """Age normal; income log-normal, tied to age and group; 40 Zipf-like occupations; a minority of 3 %; a binary label."""
    age = rng.normal(45, 12, rows)
    minority = rng.random(rows) < 0.03
    income = np.exp(10 + 0.01 * (age - 45) - 0.2 * minority + rng.normal(0, 0.5, rows))
    shares = 1 / np.arange(1, OCCUPATIONS + 1)
    occupation = rng.choice(OCCUPATIONS, rows, p=shares / shares.sum())
    label = rng.random(rows) < 1 / (1 + np.exp(-(np.log(income) - 10) - 0.02 * (age - 45)))
    return polars.DataFrame(
        {
            "age": age,
            "income": income,
            "occupation": [f"job {i:02}" for i in occupation],
            "group": np.where(minority, "minority", "majority"),
            "label": np.where(label, "yes", "no"),
        }
    )


def honest(rng: np.random.Generator, rows: int = ROWS) -> polars.DataFrame:
    """A: a fresh sample of the same law."""
    return human(rng, rows)


def tails_lost(rng: np.random.Generator, rows: int = ROWS) -> polars.DataFrame:
    """B: incomes outside the 1–99 % band redrawn from inside it, the 30 rare occupations merged into one."""
    return _without_tails(human(rng, rows), rng)


def spread_lost(rng: np.random.Generator, rows: int = ROWS) -> polars.DataFrame:
    """C: 15 % less variance in age and in log income."""
    return _narrowed(human(rng, rows))


def minority_halved(rng: np.random.Generator, rows: int = ROWS) -> polars.DataFrame:
    """D: half of the minority replaced by new records of the majority."""
    return _fewer(human(rng, rows), human(rng, rows), rng)


def few_distinct(rng: np.random.Generator, rows: int = ROWS) -> polars.DataFrame:
    """E: only 5 % distinct rows, each 20 times."""
    return _repeated(human(rng, rows), 20)


def everything(rng: np.random.Generator, rows: int = ROWS) -> polars.DataFrame:
    """F: B, C and D, then a fifth of the rows, each 5 times."""
    return _repeated(_fewer(_narrowed(_without_tails(human(rng, rows), rng)), human(rng, rows), rng), 5)


def _without_tails(frame: polars.DataFrame, rng: np.random.Generator) -> polars.DataFrame:
    occupation = [job if int(job[4:]) < COMMON else f"job {COMMON:02}" for job in frame["occupation"]]
    return within(frame, "income", rng).with_columns(polars.Series("occupation", occupation))


def _narrowed(frame: polars.DataFrame) -> polars.DataFrame:
    logs = frame.with_columns(polars.col("income").log())
    return narrowed(logs, ("age", "income")).with_columns(polars.col("income").exp())


def _fewer(frame: polars.DataFrame, fresh: polars.DataFrame, rng: np.random.Generator) -> polars.DataFrame:
    kept = halved(frame, "group", "minority", rng)
    return polars.concat([kept, fresh.filter(polars.col("group") == "majority")[: frame.height - kept.height]])


def within(frame: polars.DataFrame, column: str, rng: np.random.Generator) -> polars.DataFrame:
    """Values of a column of numbers outside their 1–99 % band redrawn from inside it; missing ones stay."""
    values = frame[column].to_numpy().copy()
    low, high = np.nanquantile(values, [0.01, 0.99])
    is_out, is_in = (values < low) | (values > high), (values >= low) & (values <= high)
    values[is_out] = rng.choice(values[is_in], is_out.sum())
    return frame.with_columns(polars.Series(column, values, nan_to_null=True).cast(frame[column].dtype))


def merged(frame: polars.DataFrame, column: str, common: int = COMMON) -> polars.DataFrame:
    """The categories beyond the commonest so many written as one of them."""
    rare = frame[column].drop_nulls().value_counts(sort=True)[column][common:]
    return frame.with_columns(
        polars.when(polars.col(column).is_in(rare.implode())).then(polars.lit(rare[0])).otherwise(column).alias(column)
    )


def narrowed(frame: polars.DataFrame, columns: Sequence[str], variance: float = 0.85) -> polars.DataFrame:
    """So much of the variance left in each column of numbers; whole numbers stay whole."""

    def narrow(values: polars.Series) -> polars.Series:
        near = values.mean() + np.sqrt(variance) * (values - values.mean())
        return near.round().cast(values.dtype) if values.dtype.is_integer() else near

    return frame.with_columns(narrow(frame[column]) for column in columns)


def halved(frame: polars.DataFrame, column: str, group: str, rng: np.random.Generator) -> polars.DataFrame:
    """Half of the records of a group gone, and none in their place."""
    rows = np.flatnonzero((frame[column] == group).fill_null(False).to_numpy())
    gone = rng.choice(rows, rows.size // 2, replace=False)
    return frame[np.setdiff1d(np.arange(frame.height), gone)]


def smallest(frame: polars.DataFrame, column: str) -> str:
    """The group of fewest records."""
    counts = frame[column].drop_nulls().value_counts().sort("count", column)
    return counts[column][0]


def _repeated(frame: polars.DataFrame, times: int) -> polars.DataFrame:
    return polars.concat([frame[: frame.height // times]] * times)


SETS: dict[str, Callable[..., polars.DataFrame]] = {
    "honest": honest, "tails": tails_lost, "spread": spread_lost, "groups": minority_halved, "diversity": few_distinct,
}  # fmt: skip
"""Each set by the aspect in which it has lost something."""


@dataclass(frozen=True)
class Planted:
    """Where the same five kinds of damage are planted in a real table."""

    number: str
    """The column whose tails are cut."""
    category: str
    """The column whose rare categories are merged into one."""
    narrowed: tuple[str, ...]
    """Columns of numbers that lose 15 % of their variance."""
    groups: tuple[str, ...]
    """Columns whose smallest group is halved, each by itself."""

    @property
    def columns(self) -> Mapping[str, tuple[str, ...]]:
        """Where each kind of damage should be found, by what is planted."""
        less = {f"groups {column}": (column,) for column in self.groups}
        return {"tails": (self.number, self.category), "spread": self.narrowed, **less, "diversity": ("",)}

    def sets(self, frame: polars.DataFrame, rng: np.random.Generator) -> Mapping[str, polars.DataFrame]:
        """The damaged sets of an honest one, by what is planted: the aspect, and the column of a halved group."""
        cut = merged(within(frame, self.number, rng), self.category)
        less = {f"groups {column}": halved(frame, column, smallest(frame, column), rng) for column in self.groups}
        first = self.groups[0]
        every = _repeated(halved(narrowed(cut, self.narrowed), first, smallest(frame, first), rng), 5)
        return {
            "honest": frame, "tails": cut, "spread": narrowed(frame, self.narrowed), **less,
            "diversity": _repeated(frame, 20), "everything": every,
        }  # fmt: skip


REAL = {
    "adult": Planted("age", "native-country", ("age", "hours-per-week"), ("sex", "race")),
    "compas": Planted("c_days_from_compas", "c_charge_desc", ("age", "priors_count"), ("sex", "race")),
    "acs": Planted("PINCP", "INDP_CAT", ("AGEP", "PINCP"), ("SEX", "RAC1P")),
}
"""By the name of the table."""


def real(name: str, data: Path) -> polars.DataFrame:
    """A real table of the shared data, its human records together; FileNotFoundError where they are not there."""
    if name == "adult":
        folder = data / "tabular_synthetic" / "adult"
        return polars.concat([polars.read_parquet(folder / f"{half}.parquet") for half in ("real_train", "real_holdout")])
    if name == "compas":
        return polars.read_parquet(data / "tabular" / "compas_two_years_deidentified.parquet")
    frame = polars.read_csv(data / "tabular" / "nist_acs_national2019_1000.csv", infer_schema=False)
    return frame.with_columns(polars.col("AGEP", "PINCP").cast(float, strict=False))


def dealt(frame: polars.DataFrame, rng: np.random.Generator) -> tuple[polars.DataFrame, polars.DataFrame]:
    """Two random halves."""
    order = rng.permutation(frame.height)
    return frame[order[: frame.height // 2]], frame[order[frame.height // 2 :]]
