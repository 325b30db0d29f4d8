"""Series whose stretches were shuffled: each value goes with the next, and nothing with what lies farther off."""

from __future__ import annotations

import numpy as np
import polars
import pytest
from scipy.signal import lfilter

from outcross.data.tables import alike, table
from outcross.estimate import Reading
from outcross.measures import Evidence
from outcross.measures.structure import Structure
from outcross.statistics import dynamics
from outcross.verbs.audit.judgement import judge


def autoregressive(rng: np.random.Generator, records: int, steps: int, share: float) -> np.ndarray:
    noise = rng.normal(size=(records, steps + 200))
    return lfilter([1.0], [1.0, -share], noise, axis=1)[:, 200:]


def in_shuffled_blocks(series: np.ndarray, block: int, rng: np.random.Generator) -> np.ndarray:
    blocks = series.reshape(len(series), -1, block)
    return np.stack([values[rng.permutation(len(values))].ravel() for values in blocks])


def looked_at(synthetic: np.ndarray, reference: np.ndarray, seed: int = 0) -> dict[tuple[str, str], tuple[str, Reading]]:
    kinds = {"load": "series"}
    sides = [
        table({"load": polars.Series(list(side))}, name, kinds=kinds)
        for side, name in ((reference, "reference"), (synthetic, "synthetic"))
    ]
    human, drawn = alike(sides).tables
    measured = list(Structure()(Evidence(drawn=drawn, reference=human), np.random.default_rng(seed)))
    judged = judge({"structure": measured}, {}, 0.05, len(synthetic), len(reference))
    return {(judgement.reading.measure, judgement.reading.at): (judgement.verdict, judgement.reading) for judgement in judged}


def test_shuffled_blocks_keep_the_closed_form_of_autocorrelation():
    """φᵏ (1 - k/B)₊ for φ = .9, B = 12: lag 6 .2657 instead of .5314, lag 12 0 instead of .2824; within 4 standard errors and the bias of centring."""
    rng = np.random.default_rng(1)
    series = autoregressive(rng, 60, 24_000, 0.9)
    shuffled = in_shuffled_blocks(series, 12, rng)
    for values, expected in ((series, {6: 0.5314, 12: 0.2824}), (shuffled, {6: 0.2657, 12: 0.0})):
        for lag, truth in expected.items():
            correlations = dynamics.autocorrelation(values, lag)
            assert correlations.mean() == pytest.approx(truth, abs=4 * correlations.std(ddof=1) / np.sqrt(60) + 0.001), lag


@pytest.mark.parametrize(("share", "block"), [(0.9, 12), (0.97, 48)])
def test_shuffled_blocks_have_lost_what_lasts(share, block):
    rng = np.random.default_rng(2)
    human, again = autoregressive(rng, 200, 480, share), autoregressive(rng, 200, 480, share)
    judgements = looked_at(in_shuffled_blocks(again, block, rng), human)
    verdict, reading = next(judgement for (name, _), judgement in judgements.items() if name == "lasting")
    assert verdict == "lost"
    assert block / 2 <= int(reading.at.removeprefix("lag ")) <= block
    assert "the worst of 12 lags from 3 to 128" in reading.note
    if block == 48:
        assert judgements["autocorrelation", "lag 1"][0] == judgements["autocorrelation", "lag 2"][0] == "kept"
    honest = next(judgement for (name, _), judgement in looked_at(again, human).items() if name == "lasting")
    assert honest[0] == "kept"


def test_the_worst_of_many_lags_seldom_looks_bad_where_nothing_is_lost():
    """P(p ≤ level) ≤ level, and intervals hold 0, by exact binomial tests at one in a thousand each."""
    from scipy.stats import binom

    rng, repeats = np.random.default_rng(3), 150
    readings = []
    for seed in range(repeats):
        sides = [autoregressive(rng, 30, 64, 0.8), autoregressive(rng, 25, 64, 0.8)]
        measured = Structure()(
            Evidence(
                **{
                    name: table({"load": polars.Series(list(side))}, kinds={"load": "series"})
                    for name, side in zip(("drawn", "reference"), sides, strict=True)
                }
            ),
            np.random.default_rng(seed),
        )
        readings.append(next(reading for reading in measured if reading.measure == "lasting"))
    p = np.array([reading.null.p for reading in readings])
    for level in (0.01, 0.05, 0.1):
        assert (p <= level).sum() <= binom.isf(0.001, repeats, level)
    assert sum(reading.estimate.low <= 0 <= reading.estimate.high for reading in readings) >= binom.ppf(0.001, repeats, 0.95)
