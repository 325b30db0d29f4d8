"""Are regions that are planted in real data found and outlined, and is none reported where nothing is lost?

Two disjoint halves of human records are drawn, of 5,000 each or of as many as there are; no record is drawn twice. A region is removed from one of
them, and other honest records replace it where there are any. In tables the region is a rule of three columns that holds 10 or 5 % of the records and
leaves every single column within its tolerance (benchmarks/planted.py). In MNIST, whose records are pictures alone, the region is a digit (10 %) or
its heavier or lighter half (5 %). The digit is drawn anew each time, among those without which every pixel stays within the tolerance of numbers. The
AlpacaEval answers are audited as text together with the source of the prompt and the model, and the rule is about these and about the length of the
answer. In the last rows the text stands alone, and the region is a topic that only the prompt names.

*Found* counts the sets in which a region is lost by more than the margin (the simultaneous interval lies below 0.8) and matches the planted one with
a Jaccard index of at least ½ on all human records; its interval is exact. *Jaccard* is the median. Where nothing is planted, *found* counts the
splits with any region at p ≤ 0.05, and the table has the exact upper bound of that rate.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from figures import DATA, RESULTS, write
from planted import is_near, planted
from scipy.stats import beta

from outcross.data.tables import table
from outcross.measures.regions import facets_of, points_of, regions_of
from outcross.statistics.regions import looked_at

RESULT = RESULTS / "regions.json"
ROWS = 5_000
REPEATS = 20
"""Sets with a region planted, a row; half as many of texts."""
THINNED = "half of the records gone, "
"""What the name of a region opens with that is thinned out and not lost."""
MARGIN = 0.8
JACCARD = 0.5
COLUMNS = {
    "adult": (("age", "education", "hours-per-week"), ("marital-status", "occupation", "age"), ("education", "occupation", "age")),
    "compas": (("age", "priors_count", "c_charge_degree"), ("race", "decile_score", "age")),
    "alpaca": (("source", "words", "lines"), ("words", "lines")),
}
"""Columns of the rules that are planted."""
SHARES = 0.10, 0.05


@dataclass(frozen=True, eq=False)
class Data:
    """Human records, and what may be removed from them."""

    frame: pl.DataFrame
    kinds: Mapping[str, Any]
    regions: Mapping[str, Callable[[np.random.Generator], np.ndarray]]
    """Which records lie in a region that is drawn, by name."""
    pools: int
    """Sets of records where nothing is planted."""
    splits: int
    """Splits of each of them."""


def adult() -> Data:
    frame = pl.concat([pl.read_parquet(DATA / f"tabular_synthetic/adult/real_{half}.parquet") for half in ("train", "holdout")])
    rules = _rules(frame, "adult")
    return Data(frame, table(frame).kinds, rules | {THINNED + name: rules[name] for name in list(rules)[:1]}, pools=20, splits=20)


def compas() -> Data:
    frame = pl.read_parquet(DATA / "tabular/compas_two_years_deidentified.parquet")
    return Data(frame, table(frame).kinds, _rules(frame, "compas"), pools=1, splits=400)


def mnist() -> Data:
    pixels, labels = (_idx(name) for name in ("train-images-idx3", "train-labels-idx1"))
    pictures = pixels.reshape(len(labels), -1).astype(np.float32) / 255
    ink = pictures.sum(axis=1)
    some = np.arange(0, len(labels), 6)
    digits = [digit for digit in range(10) if all(is_near(pixel, labels[some] == digit) for pixel in pictures[some].T)]
    print(f"  digits without which every pixel is within tolerance: {digits}", flush=True)

    def half(rng: np.random.Generator) -> np.ndarray:
        is_digit = labels == rng.choice(digits)
        return is_digit & ((ink > np.median(ink[is_digit])) == (rng.random() < 0.5))

    frame = pl.DataFrame({"image": pl.Series(pictures, dtype=pl.Array(pl.Float32, pictures.shape[1]))})
    names = ", ".join(map(str, digits))
    regions = {f"10 %: a digit of {names}": lambda rng: labels == rng.choice(digits), f"5 %: half of a digit of {names}": half}
    return Data(frame, {"image": "vector"}, regions, pools=5, splits=20)


def alpaca() -> Data:
    frame = _answers()
    measured = frame.select(
        "source",
        "model",
        words=pl.col("output").str.split(" ").list.len().cast(pl.Float64),
        lines=pl.col("output").str.count_matches("\n").cast(pl.Float64),
    )
    kinds = {"source": "category", "model": "category", "output": "text"}
    return Data(frame.select(*kinds), kinds, _rules(measured, "alpaca"), pools=1, splits=100)


def answers() -> Data:
    frame = _answers()
    asked = frame["instruction"].str.to_lowercase()
    topics = {"recipes": "recipe|cook|ingredient", "code": "code|python|program|function|sql|regex"}
    inside = {name: asked.str.contains(words).to_numpy() for name, words in topics.items()}
    regions = {f"{mask.mean():.0%}: prompts about {name}": lambda rng, mask=mask: mask for name, mask in inside.items()}
    return Data(frame.select("output"), {"output": "text"}, regions, pools=1, splits=100)


def _answers() -> pl.DataFrame:
    folder = DATA / "instructions"
    prompts = pl.read_parquet(folder / "alpacaeval_prompts.parquet")
    return pl.read_parquet(folder / "alpacaeval_outputs.parquet").join(prompts, on="prompt_id", maintain_order="left")


def _idx(name: str) -> np.ndarray:
    packed = gzip.decompress((DATA / f"images/mnist/{name}-ubyte.gz").read_bytes())
    return np.frombuffer(packed, np.uint8, offset=16 if "images" in name else 8)


def _rules(frame: pl.DataFrame, name: str) -> dict[str, Callable[[np.random.Generator], np.ndarray]]:
    rules = [planted(frame, columns, share, seed=1) for columns in COLUMNS[name] for share in SHARES]
    return {f"{rule.inside.mean():.0%}: {rule.name}": lambda rng, rule=rule: rule.inside for rule in rules}


def detected(data: Data, name: str, region: str) -> dict[str, Any]:
    """A row of the study: how often a planted region is found."""
    rows = list(_detected(data, region))
    hits = sum(row["lost"] and row["jaccard"] >= JACCARD for row in rows)
    low, high = _exact(hits, len(rows))
    return {
        "table": name, "planted": region, "rows": rows[0]["rows"], "left": rows[0]["left"], "found": hits, "sets": len(rows), "low": low, "high": high,
        "jaccard": float(np.median([row["jaccard"] for row in rows])), "seconds": float(np.median([row["seconds"] for row in rows])),
        "rule": rows[0]["rule"],
    }  # fmt: skip


def _detected(data: Data, region: str) -> Iterator[dict[str, Any]]:
    is_thinned = region.startswith(THINNED)
    for repeat in range(REPEATS // (1 + ("text" in data.kinds.values()))):
        rng = np.random.default_rng([11, repeat])
        inside = data.regions[region](rng)
        order = rng.permutation(data.frame.height)
        size = min(ROWS, order.size // 2)
        human, others = order[:size], order[size:]
        gone = inside[others] & ((rng.random(others.size) < 0.5) | (not is_thinned))
        kept = others[~gone][:size]
        reference, synthetic = (
            table(data.frame[rows], name, kinds=data.kinds) for rows, name in ((human, "human"), (kept, "other"))
        )
        began = time.process_time()
        regions = regions_of(synthetic, reference, rng)
        seconds = time.process_time() - began
        there = inside[human][reference.places]
        overlaps = []
        for reported in regions:
            own = reported.inside[: there.size]
            jaccard = float((own & there).sum() / (own | there).sum())
            overlaps.append((reported.ratio.high is not None and reported.ratio.high < MARGIN, jaccard, reported.rule))
        lost, jaccard, rule = max(overlaps)
        yield {"rows": size, "left": kept.size, "lost": lost, "jaccard": jaccard, "seconds": seconds, "rule": rule}


def honest(data: Data, name: str) -> dict[str, Any]:
    """A row of the study: how often a region is reported where nothing is lost. What records are made of does not depend on their sides, so it is made once for many splits."""
    reported = lost = splits = 0
    size = min(ROWS, data.frame.height // 2)
    for pool in range(data.pools):
        rng = np.random.default_rng([12, pool])
        both = [
            table(data.frame[rows], "human", kinds=data.kinds)
            for rows in rng.permutation(data.frame.height)[: 2 * size].reshape(2, -1)
        ]
        facets, points = list(facets_of(*both)), points_of(*both, rng)
        for _ in range(data.splits):
            is_human = rng.permutation(2 * size) < size
            regions = looked_at(facets, points, is_human, rng)
            sure = [region for region in regions if (region.null.p or 1) <= 0.05]
            splits, reported = splits + 1, reported + bool(sure)
            lost += any(region.ratio.high is not None and region.ratio.high < MARGIN for region in regions)
    upper = float(beta.ppf(0.95, reported + 1, splits - reported))
    return {
        "table": name,
        "planted": "nothing",
        "rows": size,
        "left": size,
        "reported": reported,
        "lost": lost,
        "splits": splits,
        "upper": upper,
    }


def _exact(hits: int, n: int) -> tuple[float, float]:
    """The exact 95 % interval of a rate (Clopper and Pearson, 1934)."""
    low = 0.0 if hits == 0 else float(beta.ppf(0.025, hits, n - hits + 1))
    return low, 1.0 if hits == n else float(beta.ppf(0.975, hits + 1, n - hits))


TABLES: dict[str, Callable[[], Data]] = {"adult": adult, "compas": compas, "mnist": mnist, "alpaca": alpaca, "answers": answers}


def main() -> None:
    """Measure every table, or those named on the command line, and keep what was measured of the others."""
    if not DATA.exists():
        raise SystemExit(f"there is no {DATA}; set OUTCROSS_DATA to the folder that holds the tables")
    load = os.getloadavg()
    for name in sys.argv[1:] or TABLES:
        data, rows = TABLES[name](), []
        for region in (*data.regions, None):
            rows.append(honest(data, name) if region is None else detected(data, name, region))
            print(f"  {rows[-1]}", flush=True)
            kept = json.loads(RESULT.read_text(encoding="utf-8"))["regions"] if RESULT.exists() else []
            # Rows that this run has not come to yet stay as they were measured before.
            measured = {row["planted"] for row in rows}
            kept = [
                row for row in kept if row["table"] != name or (len(rows) <= len(data.regions) and row["planted"] not in measured)
            ] + rows
            kept.sort(key=lambda row: list(TABLES).index(row["table"]))
            write("regions", __doc__ or "", load, {"regions": kept})


if __name__ == "__main__":
    main()
