"""Do shares of categories, locations and clusters find what changed, and nothing where nothing changed?

*Simulated columns*: two sets of one distribution are drawn many times. `beyond nothing` counts the sets whose interval excludes the true value on the
side of a loss (2.5 % of the sets may do so for categories, and 5 % for locations, which have two sides). `beyond the margin` counts those that would
be called lost at p ≤ 5 %. *Adult*: two disjoint sets of UCI Adult, with 400 honest splits (splits of one table overlap, so that they say less than
400 tables would), and with damage in one of the two: a job of 23 % of the records halved, incomes swapped, two columns swapped, ages raised by .2
standard deviations, a country of 2 % removed. Two changes lie inside the margin: the job at 90 % of its records, and ages raised by a year (.07
standard deviations). *Modes*: twenty normal modes, of which one is removed. *Found* counts the sets in which the damaged column (and its category) is
called lost, with the exact binomial interval; the last column counts those in which it is called kept.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import polars
from audit import Rate, damage
from figures import DATA, write

import outcross
from outcross.statistics.categories import ComparedCounts, worst
from outcross.statistics.location import superiority

SIMULATED, SPLITS, DAMAGED = 1_000, 400, 60
"""Pairs of sets of a simulated law, honest splits of Adult, and damaged ones of a size."""
SHARES: Mapping[str, np.ndarray] = {
    "two equal categories": np.full(2, 0.5),
    "one category of 3 %": np.array([0.97, 0.03]),
    "ten equal categories": np.full(10, 0.1),
    "forty categories by rank": 1 / np.arange(1, 41) ** 1.3,
    "a thousand rare categories": np.append(1.0, np.full(1000, 0.001)),
}
LAWS: Mapping[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "normal": lambda rng, n: rng.normal(size=n),
    "log-normal": lambda rng, n: rng.lognormal(0, 2, n),
    "counts": lambda rng, n: rng.poisson(1.0, n).astype(float),
    "mostly zero": lambda rng, n: np.where(rng.random(n) < 0.95, 0.0, rng.exponential(size=n)),
    "two values": lambda rng, n: (rng.random(n) < 0.1).astype(float),
}
ROWS = ((200, 200), (2_000, 500), (20_000, 20_000))
BLUE_COLLAR = ("Craft-repair", "Machine-op-inspct", "Handlers-cleaners")
MEASURES = ("category_shares", "location")


def rate(
    table: str, rows: int, planted: str, aspect: str, hits: int, sets: int, cannot_tell: int = 0, kept: int | None = None
) -> Rate:
    from scipy.stats import binomtest

    low, high = binomtest(hits, sets).proportion_ci(method="exact")
    others = {} if kept is None else {"kept": kept}
    rate = Rate(table, rows, planted, aspect, hits, sets, float(low), float(high), cannot_tell, others)
    print(f"  {table} {rows} {planted}: {aspect} in {hits} of {sets}, cannot tell in {cannot_tell}; {others}", flush=True)
    return rate


def honest_columns() -> Iterator[Rate]:
    """False alarms in columns of known laws."""
    for name, weights in SHARES.items():
        shares = weights / weights.sum()
        for human, synthetic in ROWS:
            rng = np.random.default_rng([41, human])
            beyond = lost = 0
            for x, y in zip(rng.multinomial(human, shares, SIMULATED), rng.multinomial(synthetic, shares, SIMULATED), strict=True):
                compared = [worst(ComparedCounts(y, x), way) for way in ("fewer", "more")]
                ends = [
                    compared[0].estimate.interval[1],
                    1 / compared[1].estimate.interval[0] if compared[1].estimate.interval[0] else 2.0,
                ]
                beyond += ends[0] < 1
                lost += any(end < 0.8 and (test.null.p or 0) <= 0.05 for end, test in zip(ends, compared, strict=True))
            yield rate(name, human, "nothing", "beyond nothing", beyond, SIMULATED)
            yield rate(name, human, "nothing", "beyond the margin", lost, SIMULATED)
    for name, law in LAWS.items():
        for human, synthetic in ROWS[:2]:
            rng = np.random.default_rng([42, human])
            compared = [superiority(law(rng, synthetic), law(rng, human)) for _ in range(SIMULATED)]
            ends = [estimate.interval for estimate, _ in compared]
            yield rate(name, human, "nothing", "beyond nothing", sum(low > 0.5 or high < 0.5 for low, high in ends), SIMULATED)
            yield rate(
                name, human, "nothing", "beyond the margin", sum(low > 0.528 or high < 0.472 for low, high in ends), SIMULATED
            )


def adult() -> polars.DataFrame:
    """UCI Adult with a column of jobs in which some occupations are one."""
    job = polars.when(polars.col("occupation").is_in(BLUE_COLLAR)).then(polars.lit("blue-collar")).otherwise("occupation")
    return damage.real("adult", DATA).with_columns(job.alias("job"))


def dealt(frame: polars.DataFrame, rows: int, seed: int) -> Iterator[polars.DataFrame]:
    """Three disjoint sets: a reference, an honest one, and as many more records that replace what is taken away."""
    order = np.random.default_rng([43, rows, seed]).permutation(frame.height)
    return (frame[order[at * rows : (at + 1) * rows]] for at in range(3))


def thinned(frame: polars.DataFrame, more: polars.DataFrame, is_of: polars.Expr, kept: float) -> polars.DataFrame:
    """So much of some records left, others of `more` in the place of those that are gone."""
    inside, rest = frame.filter(is_of), frame.filter(~is_of)
    left = inside[: round(kept * inside.height)]
    return polars.concat([rest, left, more.filter(~is_of)[: inside.height - left.height]])


def swapped(frame: polars.DataFrame) -> polars.DataFrame:
    low, high = "<=50K", ">50K"
    return frame.with_columns(income=polars.when(polars.col("income") == low).then(polars.lit(high)).otherwise(polars.lit(low)))


OF_JOB, OF_COUNTRY = polars.col("job") == "blue-collar", polars.col("native-country") == "Mexico"
DAMAGE: Mapping[str, tuple[str, str, Callable[[polars.DataFrame, polars.DataFrame], polars.DataFrame]]] = {
    "a job of 23 % halved": ("job", "job=blue-collar", lambda other, more: thinned(other, more, OF_JOB, 0.5)),
    "incomes swapped": ("income", "income=<=50K", lambda other, more: swapped(other)),
    "two columns swapped": (
        "occupation",
        "",
        lambda other, more: other.rename({"occupation": "education", "education": "occupation"}),
    ),
    "a country of 2 % gone": ("native-country", "native-country=Mexico", lambda other, more: thinned(other, more, OF_COUNTRY, 0.0)),
    "ages .2 deviations older": ("age", "", lambda other, more: other.with_columns(polars.col("age") + 2.74)),
    "the job at 90 %, inside the margin": ("job", "job=blue-collar", lambda other, more: thinned(other, more, OF_JOB, 0.9)),
    "ages a year older, inside the margin": ("age", "", lambda other, more: other.with_columns(polars.col("age") + 1)),
}
"""What is planted: the column, the category that must be named (none, where any may be), and how."""


def of_adult() -> Iterator[Rate]:
    frame = adult()
    for rows in (1_000, 5_000):
        alarms = 0
        for split in range(SPLITS):
            reference, other, _ = dealt(frame, rows, split)
            alarms += bool(outcross.audit(other, reference=reference, aspects=MEASURES).of("lost"))
        yield rate("Adult", rows, "nothing", "any", alarms, SPLITS)
    for rows in (500, 1_000, 5_000):
        for planted, (column, group, harm) in DAMAGE.items():
            yield _planted(frame, rows, planted, column, group, harm)


def _planted(
    frame: polars.DataFrame, rows: int, planted: str, column: str, group: str, harm: Callable[..., polars.DataFrame]
) -> Rate:
    hits = cannot_tell = kept = 0
    for split in range(DAMAGED):
        reference, other, more = dealt(frame, rows, split)
        # What is lost is read first; growth elsewhere is the other side of the same loss.
        audit = outcross.audit(harm(other, more), reference=reference, aspects=MEASURES)
        checks = [check for check in audit.every if check.column == column and check.metric != "category_growth"]
        is_found = any(check.verdict == "lost" and group in ("", check.group) for check in checks)
        hits += is_found
        cannot_tell += not is_found and any(check.verdict == "cannot_tell" for check in checks)
        kept += not is_found and all(check.verdict == "kept" for check in checks)
    return rate("Adult", rows, planted, column, hits, DAMAGED, cannot_tell, kept)


def blobs(rng: np.random.Generator, rows: int, modes: int) -> dict[str, np.ndarray]:
    mode = rng.choice(modes, rows)
    return {"x": mode // 5 * 10.0 + rng.normal(size=rows), "y": mode % 5 * 10.0 + rng.normal(size=rows)}


def modes() -> Iterable[Rate]:
    """Twenty modes, of which one is gone, or none."""
    aspects: list[Any] = [{"kind": "coverage", "points": 50, "draws": 19}]
    for rows in (1_000, 4_000):
        for planted, left, sets in (("nothing", 20, SPLITS), ("one mode of twenty gone", 19, DAMAGED)):
            verdicts = []
            for split in range(sets):
                rng = np.random.default_rng([44, rows, split, left])
                audit = outcross.audit(blobs(rng, rows, left), reference=blobs(rng, rows, 20), aspects=aspects)
                verdicts += [check.verdict for check in audit.every if check.metric == "clusters"]
            yield rate(
                "modes",
                rows,
                planted,
                "clusters",
                verdicts.count("lost"),
                sets,
                verdicts.count("cannot_tell"),
                verdicts.count("kept"),
            )


def main() -> None:
    if not DATA.exists():
        raise SystemExit(f"there is no {DATA}; set OUTCROSS_DATA to the folder that holds the tables")
    load = os.getloadavg()
    rows = [*honest_columns(), *of_adult(), *modes()]
    write("shares", __doc__ or "", load, {"rates": [rate.stored() for rate in rows]})


if __name__ == "__main__":
    main()
