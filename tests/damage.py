"""Tables with textbook losses planted in them: the six sets that today's audits pass (20,000 rows, one law, five kinds of damage)."""

from __future__ import annotations

from collections.abc import Callable

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
    income = frame["income"].to_numpy().copy()
    low, high = np.quantile(income, [0.01, 0.99])
    is_out = (income < low) | (income > high)
    income[is_out] = rng.choice(income[~is_out], is_out.sum())
    occupation = [job if int(job[4:]) < COMMON else f"job {COMMON:02}" for job in frame["occupation"]]
    return frame.with_columns(polars.Series("income", income), polars.Series("occupation", occupation))


def _narrowed(frame: polars.DataFrame) -> polars.DataFrame:
    age, income = frame["age"].to_numpy(), np.log(frame["income"].to_numpy())
    factor = np.sqrt(0.85)
    narrow = [values.mean() + factor * (values - values.mean()) for values in (age, income)]
    return frame.with_columns(polars.Series("age", narrow[0]), polars.Series("income", np.exp(narrow[1])))


def _fewer(frame: polars.DataFrame, fresh: polars.DataFrame, rng: np.random.Generator) -> polars.DataFrame:
    rows = np.flatnonzero((frame["group"] == "minority").to_numpy())
    gone = rng.choice(rows, rows.size // 2, replace=False)
    kept = np.setdiff1d(np.arange(frame.height), gone)
    return polars.concat([frame[kept], fresh.filter(polars.col("group") == "majority")[: gone.size]])


def _repeated(frame: polars.DataFrame, times: int) -> polars.DataFrame:
    return polars.concat([frame[: frame.height // times]] * times)


SETS: dict[str, Callable[..., polars.DataFrame]] = {
    "honest": honest, "tails": tails_lost, "spread": spread_lost, "groups": minority_halved, "diversity": few_distinct,
}  # fmt: skip
"""Each set by the aspect in which it has lost something."""
