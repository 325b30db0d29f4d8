"""How near does detect come to the true share of records of tables?

The detector is two_sample, as detect takes it for tables. *Adult*: the human records are of UCI Adult's holdout, which no synthesizer saw, and the model's are of a published synthesizer (CTGAN, MOSTLY AI, TVAE). *COMPAS*: in each split the
learner `trees` (as synthpop's CART) is fitted to 2,400 records and writes others; the human records are the rest. In each split 1,000 records an author are the samples and up to 2,000 an author the test side, all of them drawn anew; the
detector is fitted and calibrated anew. Mixtures of 1,000 records are drawn from the test side, with shares of 0 to 75 %, and no record twice where the test side has enough of them. *Unseen generator*: the sample is of CTGAN, the records of the mixture are of TVAE. Coverage is that of the
95 % interval; where detect says that the data are unlike the samples, it gives only a lower limit.

    python benchmarks/detect_records.py [splits]
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
from detect_shares import estimates, study
from figures import DATA

from outcross.data.records import Vectors
from outcross.detectors.two_sample import TwoSampleDetector
from outcross.ledger import stream
from outcross.models.draw import Draw
from outcross.models.schedule import Schedule
from outcross.models.trees import Trees
from outcross.runtime import Where
from outcross.verbs.detect.of_records import record_sets
from outcross.verbs.detect.question import DetectQuestion
from outcross.verbs.detect.reading import judged_records
from outcross.verbs.detect.work import calibration

SAMPLE, TEST, LEARNED, SPLITS, MIXTURES = 1_000, 2_000, 2_400, 20, 24
KINDS: dict[str, tuple[str, str] | Trees] = {
    "Adult, CTGAN": ("ctgan", "ctgan"),
    "Adult, MOSTLY AI": ("mostly", "mostly"),
    "Adult, unseen generator": ("ctgan", "tvae"),
    "COMPAS, trees": Trees(),
    "COMPAS, small trees": Trees(depth=2),
}
"""Of each kind the generators of the sample and of the test, or the learner of ours that writes."""
COMPAS = (
    "sex", "age", "race", "juv_fel_count", "juv_misd_count", "juv_other_count", "priors_count", "c_charge_degree", "decile_score", "score_text", "two_year_recid",
)  # fmt: skip


def main(splits: int = SPLITS) -> None:
    study("detect_records", __doc__ or "", list(KINDS), splits, mixtures)


def mixtures(kind: str, number: int) -> Iterator[dict[str, Any]]:
    """The estimates of one split."""
    human, sample, model = _records(kind, number)
    data = pl.concat([human[SAMPLE : SAMPLE + TEST], model[:TEST]])
    question = DetectQuestion(data=data, human=human[:SAMPLE], ai=sample[:SAMPLE])
    sets = record_sets(question)
    calibrated = calibration(TwoSampleDetector(), sets.samples, None, number)
    read = judged_records(sets.shards, sets.columns, calibrated, sets.typed, (), 0.01, None, Where())
    is_model = np.arange(data.height) >= data.height - min(TEST, model.height)
    yield from estimates(kind, number, calibrated, read, is_model, MIXTURES)


def _records(kind: str, number: int) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """The human records, those of the sample of a model, and those that it is tested on; the last two have none in common."""
    rng = stream("records", kind, number)
    generators = KINDS[kind]
    if isinstance(generators, Trees):
        frame = pl.read_parquet(DATA / "tabular" / "compas_two_years_deidentified.parquet", columns=list(COMPAS))
        frame = frame[rng.permutation(frame.height)]
        model = _written(generators, frame[:LEARNED], SAMPLE + TEST, rng)
        return frame[LEARNED:], model[:SAMPLE], model[SAMPLE:]
    names = ("real_holdout", *(f"syn_{generator}" for generator in generators))
    human, sample, model = (
        _shuffled(pl.read_parquet(DATA / "tabular_synthetic" / "adult" / f"{name}.parquet"), rng) for name in names
    )
    return human, sample, sample[SAMPLE:] if generators[0] == generators[1] else model


def _shuffled(frame: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    return frame[rng.permutation(frame.height)]


def _written(learner: Trees, frame: pl.DataFrame, rows: int, rng: np.random.Generator) -> pl.DataFrame:
    """Records of a learner after a table; a category is a number to it."""
    values = {name: frame[name].unique().sort() for name, dtype in frame.schema.items() if dtype == pl.String}
    points = np.column_stack(
        [values[name].search_sorted(frame[name]).to_numpy() if name in values else frame[name].to_numpy() for name in frame.columns]
    )
    written = learner.fit(Vectors(points.astype(float)), None, None, Schedule(), rng).sample(Draw(records=rows), None, rng).array
    columns = [
        values[name].gather(column.astype(np.int64)) if name in values else pl.Series(name, column).cast(frame.schema[name])
        for name, column in zip(frame.columns, written.T, strict=True)
    ]
    return pl.DataFrame(columns)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else SPLITS)
