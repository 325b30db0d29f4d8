"""Near copies: what lies nearer to the records learned from than to as many others; a low temperature is no copy."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.stats import binom

import outcross
from outcross.data.tables import table
from outcross.estimate import Reading
from outcross.measures import Evidence, Pointed
from outcross.measures.copying import Copying
from outcross.statistics.sketches import gather

pytestmark = pytest.mark.usefixtures("without_charts")

ADULT = Path(os.environ.get("OUTCROSS_DATA") or Path(__file__).parents[2] / "shared" / "data") / "tabular_synthetic" / "adult"


def people(n: int, rng: np.random.Generator, temperature: float = 1.0) -> pl.DataFrame:
    """Records of one law; at a low temperature typical ones alone, which crowd where human records do."""
    shares = np.array([0.4, 0.3, 0.2, 0.1]) ** min(100.0, 1 / temperature)
    kind = rng.choice(4, n, p=shares / shares.sum())
    numbers = rng.normal(size=(n, 3)) * np.sqrt(temperature) + kind[:, None]
    return pl.DataFrame({"x": numbers[:, 0], "y": numbers[:, 1], "z": numbers[:, 2], "kind": [f"k{i}" for i in kind]})


def looked_at(
    synthetic: pl.DataFrame, reference: pl.DataFrame, holdout: pl.DataFrame | None, seed: int = 0
) -> list[Reading | Pointed]:
    human = table(reference, "reference")
    drawn = table(synthetic, "synthetic", kinds=human.kinds)
    other = None if holdout is None else table(holdout, "holdout", kinds=human.kinds)
    evidence = Evidence(drawn=drawn, reference=human, holdout=other)
    sketches = [gather(side, Copying().sketches(evidence))["rows"] for side in (drawn, human)]
    return list(Copying()(evidence.but(counted={"rows": tuple(sketches)}), np.random.default_rng(seed)))


def reading(findings: list[Reading | Pointed], measure: str) -> Reading:
    return next(finding for finding in findings if isinstance(finding, Reading) and finding.measure == measure)


def with_copies(fresh: pl.DataFrame, reference: pl.DataFrame, share: float, rng: np.random.Generator) -> pl.DataFrame:
    copied = reference[: round(share * fresh.height)]
    moved = [(pl.col(name) + pl.Series(rng.normal(0, 0.001, copied.height))).alias(name) for name in "xyz"]
    return pl.concat([copied.with_columns(moved), fresh[copied.height :]])


@pytest.mark.parametrize("temperature", [1.0, 0.1, 0.001])
def test_a_low_temperature_is_not_a_copy(temperature):
    """Half of the records lie nearer to either side, with any crowding: levels and intervals by exact binomial tests at one in a thousand each."""
    rng, repeats = np.random.default_rng(1), 60
    settings = {"near": [], "closest": []}
    for seed in range(repeats):
        sides = looked_at(people(600, rng, temperature), people(300, rng), people(300, rng), seed)
        for measure, readings in settings.items():
            readings.append(reading(sides, measure))
    for measure, healthy in (("near", 0.5), ("closest", 0.0)):
        known = [reading for reading in settings[measure] if reading.estimate is not None]
        assert len(known) == repeats or temperature < 0.1, (measure, [reading.note for reading in settings[measure]])
        for level in (0.01, 0.05, 0.1):
            assert sum(reading.null.p <= level for reading in known) <= binom.isf(0.001, repeats, level), (measure, level)
        holds = sum(reading.estimate.low <= healthy <= reading.estimate.high for reading in known)
        assert holds >= binom.ppf(0.001, max(1, len(known)), 0.95)


@pytest.mark.parametrize(("share", "measure"), [(0.3, "near"), (0.03, "closest")])
def test_a_share_of_near_copies_is_half_as_much_nearer(share, measure):
    rng = np.random.default_rng(2)
    reference, holdout = people(2000, rng), people(3000, rng)
    drawn = with_copies(people(2000, rng), reference, share, rng)
    audit = outcross.audit(drawn, reference=reference, holdout=holdout, aspects="copying")
    check = next(finding for finding in audit.every if finding.metric == measure)
    assert check.verdict == "invented"
    assert check.low <= (0.5 + share / 2 if measure == "near" else share) <= check.high
    assert (audit.pointed["synthetic"]["_row"].to_numpy() < share * 2000).mean() >= 0.8


def test_without_a_holdout_near_copies_cannot_be_told_and_exact_ones_can():
    rng = np.random.default_rng(3)
    reference = people(1000, rng)
    drawn = pl.concat([reference[:200], people(800, rng)])
    audit = outcross.audit(drawn, reference=reference, aspects="copying")
    near, exact = (next(finding for finding in audit.every if finding.metric == metric) for metric in ("near", "exact"))
    assert near.verdict == "cannot_tell" and near.low is None
    assert "no holdout" in near.why and "--holdout" in near.why
    assert exact.verdict == "invented" and exact.value == pytest.approx(0.2)


@pytest.mark.skipif(not ADULT.exists(), reason=f"there is no {ADULT}; set OUTCROSS_DATA to the folder that holds it")
def test_published_sets_of_a_low_temperature_are_not_copies_and_perturbed_rows_are():
    train, holdout = (pl.read_parquet(ADULT / f"real_{side}.parquet")[:8000] for side in ("train", "holdout"))
    for name, expected in (("syn_mostly_temp01", False), ("syn_mostly_temp05", False), ("perturbed_flip10", True)):
        drawn = pl.read_parquet(ADULT / f"{name}.parquet")[:2500]
        audit = outcross.audit(drawn, reference=train, holdout=holdout, aspects="copying")
        assert ("near" in {finding.metric for finding in audit.of("invented")}) is expected, name
