"""How near does detect come to the true share?

The texts are the human and AI texts of ../shared/data (l2r_12domains): 2,400 groups of one human text and its rewrites by three models, in twelve
domains. Groups are split at random into calibration and test; calibration samples, detector and mixtures are drawn anew in each split. There are
three settings. In-domain: calibration and test have the same generators and domains. Held-out generator: the calibration sample has no text of the
generator that wrote the AI texts of the test. Held-out domain: the calibration sample has none of the three domains of the test. Mixtures of 1,000
texts are drawn from the test side. Each text is a model's with a chance of 0 to 75 %, and no two texts of a mixture are of one group; only where the
test side has fewer groups than that (held-out domain: 600) are texts drawn with replacement. The error is relative to the share of the
mixture that was drawn. Coverage is that of the 95 % interval: of this chance, which the interval is for, since the data are a sample, and beside it of the share that was drawn, which scatters less. Where detect says that the data are unlike the samples, it gives only a lower limit. The table counts how often this happens,
and shows the errors that these estimates would have had beside the errors of those that were given. The second table shows the coverage of the interval
and how often detect says "unlike", for each true share.

    python benchmarks/detect_shares.py [splits]
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl
from figures import DATA, RESULTS, write

from outcross.detectors.classifier import ClassifierDetector
from outcross.detectors.samples import calibration as sample_of
from outcross.estimate import NotApplicable
from outcross.ledger import stream
from outcross.verbs.detect.reading import JudgedData, judged_texts
from outcross.verbs.detect.shares import RATE, counted, fits, shares
from outcross.verbs.detect.work import Calibration, calibration

TEXTS, SHARES, MIXTURES, SPLITS = 1000, (0.0, 0.05, 0.1, 0.25, 0.5, 0.75), 25, 20
GENERATORS = ("GPT-3-Turbo", "GPT-4o", "Llama-3-70B")
KINDS = ("in-domain", "held-out generator", "held-out domain")


def split(frame: pl.DataFrame, kind: str, number: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Calibration and test."""
    rng = stream("split", number)
    groups = frame["group_id"].unique().sort()
    chosen = groups.gather(np.sort(rng.permutation(len(groups))[: len(groups) // 2]))
    known, test = (
        frame.filter(pl.col("group_id").is_in(chosen.implode())),
        frame.filter(~pl.col("group_id").is_in(chosen.implode())),
    )
    if kind == "held-out generator":
        held_out = GENERATORS[number % len(GENERATORS)]
        return known.filter(pl.col("model") != held_out), test.filter(pl.col("model").is_in(["human", held_out]))
    if kind == "held-out domain":
        domains = frame["domain"].unique().sort().gather(np.sort(rng.permutation(12)[:3])).implode()
        return frame.filter(~pl.col("domain").is_in(domains)), frame.filter(pl.col("domain").is_in(domains))
    return known, test


def mixtures(frame: pl.DataFrame, kind: str, number: int) -> Iterator[dict[str, Any]]:
    """The estimates of one split."""
    known, test = split(frame, kind, number)
    samples = [
        sample_of(author, known.filter(pl.col("label") == label), "", "text", 0)
        for author, label in (("human", "human"), ("model", "ai"))
    ]
    calibrated = calibration(ClassifierDetector(), samples, "group_id", number)
    read = judged_texts(test, calibrated, "text", (), 0.01, "group_id")
    yield from estimates(kind, number, calibrated, read, (test["label"] == "ai").to_numpy(), MIXTURES)


def estimates(
    kind: str, number: int, calibrated: Calibration, read: JudgedData, is_ai: np.ndarray, count: int
) -> Iterator[dict[str, Any]]:
    """What detect says of so many mixtures of what was judged, of which a model wrote some. is_ai: (n,) of truth values."""
    judged = read.is_judged
    human, model = np.flatnonzero(judged & ~is_ai), np.flatnonzero(judged & is_ai)
    place = np.full(len(read), -1)
    place[read.plain_rows] = np.arange(read.plain_rows.size)
    for mixture in range(count):
        rng = stream("mixture", kind, number, mixture)
        chance = SHARES[mixture % len(SHARES)]
        many = int(rng.binomial(TEXTS, chance))
        rows = drawn_rows(human, model, many, read.groups, rng)
        drawn = JudgedData(
            read.words[rows],
            read.ratios[rows],
            read.chance[rows],
            {},
            np.arange(TEXTS),
            read.plain[place[rows]],
            read.groups[rows],
            0,
            0,
        )
        naive, adjusted = counted(calibrated, drawn)
        line = {"kind": kind, "split": number, "chance": chance, "truth": many / TEXTS, "naive": naive, "adjusted": adjusted}
        try:
            p, _ = fits(calibrated, drawn)
            estimate = shares(calibrated, drawn, np.arange(TEXTS)).model
            yield line | {"p": p, "value": estimate.value, "low": estimate.low, "high": estimate.high}
        except NotApplicable as why:
            yield line | {"why": str(why)}


def drawn_rows(human: np.ndarray, model: np.ndarray, many: int, groups: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw rows of so many texts of models and of the other texts of people, `TEXTS` together, each of another group.

    If there are too few groups, rows are drawn with replacement.
    """
    of_people = rng.permutation(np.unique(groups[human]))[: TEXTS - many]
    of_models = rng.permutation(np.setdiff1d(groups[model], of_people))[:many]
    if of_people.size + of_models.size < TEXTS:
        return np.concatenate([rng.choice(human, TEXTS - many), rng.choice(model, many)])
    return np.concatenate([_one_of_each(human, of_people, groups, rng), _one_of_each(model, of_models, groups, rng)])


def _one_of_each(rows: np.ndarray, chosen: np.ndarray, groups: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw one of the rows of each chosen group."""
    shuffled = rng.permutation(rows[np.isin(groups[rows], chosen)])
    return shuffled[np.unique(groups[shuffled], return_index=True)[1]]


def summary(kind: str, lines: list[dict[str, Any]]) -> dict[str, Any]:
    there = [line for line in lines if "value" in line]
    truth, value, low, high, p = (np.array([line[name] for line in there]) for name in ("truth", "value", "low", "high", "p"))

    def errors(estimate: np.ndarray, own: np.ndarray) -> dict[str, float]:
        error = (estimate - truth)[own & np.isfinite(estimate)]
        return {"bias": float(error.mean()), "rmse": float(np.sqrt((error**2).mean())), "largest": float(np.abs(error).max())}

    counts = {
        "kind": kind,
        "splits": len({line["split"] for line in lines}),
        "mixtures": len(lines),
        "estimated": len(there),
    }
    if not there:
        return counts
    chance = np.array([line["chance"] for line in there])
    every, fires, inside = np.ones(truth.size, bool), p <= RATE, (low <= chance) & (chance <= high)
    row = counts | {
        "detect": errors(value, every),
        "naive": errors(np.array([line["naive"] for line in there]), every),
        "adjusted count": errors(np.array([line["adjusted"] for line in there], float), every),
        "coverage": float(inside.mean()),
        "coverage of the drawn share": float(((low <= truth) & (truth <= high)).mean()),
        "median width": float(np.median(high - low)),
        "said to be unlike": float(fires.mean()),
    }
    row["by share"] = [
        {"share": share, "n": int(own.sum()), "coverage": float(inside[own].mean()), "said to be unlike": float(fires[own].mean())}
        for share in SHARES
        if (own := chance == share).any()
    ]
    if (~fires).any():
        row["where it answers"] = errors(value, ~fires) | {
            "n": int((~fires).sum()),
            "coverage": float(inside[~fires].mean()),
        }
    return row


def summaries(done: list[dict[str, Any]], splits: int, kinds: Sequence[str] = KINDS) -> list[dict[str, Any]]:
    """A row a kind, of the splits that have ended; each says how many those are."""
    by_kind = {kind: [line for line in done if line["kind"] == kind and line["split"] < splits] for kind in kinds}
    return [summary(kind, lines) for kind, lines in by_kind.items() if lines]


def study(
    name: str, page: str, kinds: Sequence[str], splits: int, of_split: Callable[[str, int], Iterator[dict[str, Any]]]
) -> None:
    """Every kind with every split, the results written after each; a study that was stopped goes on where it was."""
    load, progress = os.getloadavg(), RESULTS / f"{name}.progress.jsonl"
    done = [json.loads(line) for line in progress.read_text().splitlines()] if progress.exists() else []
    for number in range(splits):
        for kind in kinds:
            if not any(line["kind"] == kind and line["split"] == number for line in done):
                new = list(of_split(kind, number))
                done += new
                with progress.open("a") as file:
                    file.writelines(json.dumps(line) + "\n" for line in new)
                print(kind, number, flush=True)
                write(name, page, load, {"shares": summaries(done, splits, kinds)})
    rows = summaries(done, splits, kinds)
    write(name, page, load, {"shares": rows})
    print(json.dumps(rows, indent=1))
    progress.unlink()


def main(splits: int = SPLITS) -> None:
    frame = pl.read_parquet(DATA / "human_ai" / "l2r_12domains.parquet")
    study("detect_shares", __doc__ or "", KINDS, splits, lambda kind, number: mixtures(frame, kind, number))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else SPLITS)
