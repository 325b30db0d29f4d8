"""Selection against its closed forms: the cut of a Gaussian (B1), reparation, verification (V1 to V3), importance resampling.

Comparisons are within 3 standard errors of frozen streams unless a test says otherwise.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
import pytest
from scipy.integrate import quad
from scipy.stats import binom, chi2, norm

from outcross.experiment import experiment
from outcross.filters import FILTERS
from outcross.filters.importance import ImportanceFilter
from outcross.filters.star import StarFilter
from outcross.laws import LAWS, expected
from outcross.laws.selection import variance_accumulate_selected, variance_kept, variance_replace_selected
from outcross.laws.verifier import kept_error, plurality_breakdown, verifier_breakdown
from outcross.loop import run
from outcross.recipe import read
from outcross.statistics.rates import clopper_pearson
from outcross.statistics.verification import error_of_kept, verified


@dataclass
class Columns:
    """Candidates that have columns and authors alone."""

    values: dict[str, Sequence]
    author: np.ndarray | None = None
    people: object = None
    chains: tuple[int, ...] = field(default=())

    def __len__(self):
        return len(next(iter(self.values.values())))

    @property
    def columns(self):
        return list(self.values)

    def column(self, name):
        return pl.Series(name, self.values[name])

    @property
    def authors(self):
        return self.author

    @property
    def human(self):
        from outcross.estimate import NotApplicable

        raise NotApplicable("there are none here")


def loop(policy, share, n, chains, generations, seed=0):
    """The spread of a Gaussian in every generation, as the loop measures it."""
    settings = {
        "name": "cut", "human": {"distribution": "normal", "rows": n}, "learner": {"kind": "gaussian", "divisor": "n"}, "policy": policy,
        "rows": round(n / share), "draw": {"prompts": "none"}, "select": [{"kind": "central", "share": share}],
        "generations": generations, "chains": chains, "metrics": ["fitted_law"], "seed": seed,
    }  # fmt: skip
    return [
        next(reading.estimate for reading in generation.measured if reading.measure == "spread_ratio")
        for generation in run(experiment(settings))
    ]


def test_the_cut_keeps_its_golden_variance_B1():
    assert variance_kept(0.5) == pytest.approx(0.142652, abs=5e-7) and variance_kept(0.9) == pytest.approx(0.623015, abs=5e-7)
    law = variance_accumulate_selected(10, 200, kept=variance_kept(0.5))
    assert law[9] == pytest.approx(0.147543, abs=5e-7) and law[199] == pytest.approx(0.011377, abs=5e-7)
    assert variance_accumulate_selected(10, 200, kept=variance_kept(0.9))[199] == pytest.approx(0.1513, abs=5e-5)


@pytest.mark.parametrize("end", ["central", "outlying"])
@pytest.mark.parametrize("dimensions", [1, 3])
def test_the_variance_that_is_kept_is_that_of_the_cut_law_B1(end, dimensions):
    law, share = chi2(dimensions), 0.3
    inside = law.ppf(share) if end == "central" else law.ppf(1 - share)
    ends = (0, inside) if end == "central" else (inside, np.inf)
    squares = quad(lambda square: square * law.pdf(square), *ends)[0] / share
    assert variance_kept(share, dimensions, end) == pytest.approx(squares / dimensions, rel=1e-7)


def test_the_law_of_equal_batches_is_the_recursion_of_any():
    equal = variance_accumulate_selected(50, 30, kept=0.4)
    assert variance_accumulate_selected([50] * 30, 30, kept=0.4) == pytest.approx(equal, rel=1e-12)
    assert equal[29] / equal[14] == pytest.approx(2 ** -(1 - 0.4), rel=0.02)  # a power of T


@pytest.mark.parametrize(("share", "n", "chains", "generations"), [(0.5, 300, 20, 200), (0.9, 900, 40, 10)])
def test_accumulation_with_a_central_cut_collapses_as_a_power_of_the_generations_B1(share, n, chains, generations):
    estimates = loop("accumulate", share, n, chains, generations)
    law = variance_accumulate_selected(n, generations, kept=variance_kept(share))
    for fit in {10, generations}:
        estimate = estimates[fit - 1]
        assert abs(estimate.value - law[fit - 1]) <= 3 * estimate.standard_error, (fit, estimate, law[fit - 1])


def test_replacement_with_a_central_cut_collapses_exponentially_B1():
    estimates = loop("replace", 0.5, 1000, 60, 10)
    law = variance_replace_selected(10, kept=variance_kept(0.5))
    assert all(abs(estimate.value - value) <= 3 * estimate.standard_error for estimate, value in zip(estimates, law, strict=True))


def test_a_law_of_a_selection_is_the_limit_that_expected_gives():
    settings = {"n": 100, "generations": 5, "kept_variance": 0.3}
    assert expected("accumulate", "gaussian", "spread_ratio", **settings) == pytest.approx(
        variance_accumulate_selected(100, 5, kept=0.3)
    )
    assert expected("replace", "gaussian", "spread_ratio", **settings) == pytest.approx(variance_replace_selected(5, kept=0.3))
    assert expected("augment", "gaussian", "spread_ratio", **settings) is None
    assert expected("accumulate", "gaussian", "mean_error", **settings) is None
    assert {"variance_kept", "variance_accumulate_selected", "plurality_breakdown", "kept_error"} <= set(LAWS)


CELLS = np.array([0.05, 0.15, 0.30, 0.50])
BATCH = 256
REPAIRED = {0: (0.065, 0.195, 0.340, 0.400), 256: (0.108, 0.272, 0.295, 0.325), 1024: (0.239, 0.252, 0.254, 0.256)}


def shares_after(probabilities, extra, batches, rng):
    """Cell shares of batches that STAR curated, (batches, cells)."""
    n = 2 * BATCH + extra
    star = StarFilter(columns=("cell",), share=BATCH / n, cells=4)
    shares = np.empty((batches, 4))
    for batch in range(batches):
        cell = rng.choice(4, n, p=probabilities)
        times = star.select(Columns({"cell": cell}), rng).times
        assert times.sum() == BATCH
        shares[batch] = np.bincount(cell, times, minlength=4) / BATCH
    return shares


@pytest.mark.parametrize(("extra", "golden"), REPAIRED.items())
def test_reparation_gives_the_cell_shares_of_its_closed_form(extra, golden):
    quota = BATCH // 4
    k = np.arange(quota)
    kept = quota - ((quota - k)[:, None] * binom(BATCH + extra, CELLS).pmf(k[:, None])).sum(axis=0)  # E min(Bin, quota)
    law = kept / BATCH + (1 - kept.sum() / BATCH) * CELLS
    assert law == pytest.approx(golden, abs=6e-4)
    shares = shares_after(CELLS, extra, 150, np.random.default_rng(extra))
    error = shares.std(axis=0, ddof=1) / np.sqrt(len(shares))
    assert (np.abs(shares.mean(axis=0) - law) <= 3 * error + 1e-12).all()


def test_equal_cells_are_the_fixed_point_of_reparation_and_a_dead_cell_stays_dead():
    rng = np.random.default_rng(1)
    shares = shares_after(np.full(4, 0.25), 256, 60, rng)
    assert (np.abs(shares.mean(axis=0) - 0.25) <= 3 * shares.std(axis=0, ddof=1) / np.sqrt(60) + 1e-12).all()
    dead = shares_after(np.array([0.0, 0.2, 0.3, 0.5]), 1024, 5, rng)
    assert (dead[:, 0] == 0).all() and (dead.sum(axis=1) == pytest.approx(1))


@pytest.mark.parametrize(("phi", "psi"), [(1.0, 1.0), (0.9, 0.3), (0.7, 0.05)])
def test_verification_turns_round_at_the_breakdown_V1(phi, psi):
    """A linear classifier on what the filter keeps, d = 50: right above one half below p*, wrong above it."""
    rng, n, d = np.random.default_rng(4), 50_000, 50
    x, y = rng.standard_normal((n, d)), np.ones(d) / np.sqrt(d)
    true = np.sign(x @ y)
    for offset in (-0.02, 0.02):
        wrong = rng.random(n) < verifier_breakdown(phi, psi) + offset
        passes = rng.random(n) < np.where(wrong, psi, phi)
        verify = read(FILTERS, {"kind": "verify", "rules": ["passes"], "truth": "right", "answers": 2}, "filter")
        selection = verify.select(Columns({"passes": passes, "right": ~wrong}), rng)
        kept = selection.kept
        weights = (x[kept] * np.where(wrong, -true, true)[kept, None]).mean(axis=0)
        fresh = rng.standard_normal((5_000, d))
        accuracy = (np.sign(fresh @ weights) == np.sign(fresh @ y)).mean()
        assert (accuracy > 0.5) == (offset < 0), (offset, accuracy)
        stated = selection.facts["breakdown"]
        assert abs(stated["value"] - verifier_breakdown(phi, psi)) <= (stated["high"] - stated["low"])  # four standard errors
        assert selection.facts["kept_wrong"]["value"] == pytest.approx(wrong[kept].mean(), abs=1e-10)


def test_the_right_answer_stays_the_most_frequent_until_the_breakdown_of_many_answers_V2():
    assert plurality_breakdown(1, 1, 10) == pytest.approx(0.9) and plurality_breakdown(0.9, 0.3, 10) == pytest.approx(
        0.9643, abs=5e-5
    )
    rng, n, phi, psi = np.random.default_rng(5), 400_000, 0.9, 0.3
    for offset in (-0.01, 0.01):
        wrong = rng.random(n) < plurality_breakdown(phi, psi, 10) + offset
        answer = np.where(wrong, rng.integers(1, 10, n), 0)
        kept = answer[rng.random(n) < np.where(wrong, psi, phi)]
        counts = np.bincount(kept, minlength=10)
        assert (counts[0] > counts[1:].max()) == (offset < 0)


def test_the_error_of_what_is_kept_has_intervals_that_hold_it_V3():
    """400 labelled samples of 300: of 95 % intervals 91 % or more hold the truth (a binomial acceptance region of 1e-4)."""
    rng, m, (p, phi, psi) = np.random.default_rng(6), 300, (0.2, 0.9, 0.3)
    settings = {"kept_wrong": 0, "breakdown": 0, "delta": 0}
    for _ in range(400):
        wrong = rng.random(m) < p
        verification = verified(~wrong, rng.random(m) < np.where(wrong, psi, phi))
        for name, estimate, truth in (
            ("kept_wrong", verification.kept_wrong, kept_error(p, phi, psi)),
            ("breakdown", verification.breakdown(2), verifier_breakdown(phi, psi)),
            (
                "delta",
                error_of_kept(verification.wrong, verification.keeps_correct, verification.keeps_wrong),
                kept_error(p, phi, psi),
            ),
        ):
            low, high = estimate.interval
            settings[name] += low <= truth <= high
    assert all(binom(400, 0.95).cdf(count) > 1e-4 for count in settings.values()), settings


def test_an_exact_interval_holds_a_share_of_which_none_was_seen():
    low, high = clopper_pearson(0, 59).interval
    assert low == 0 and binom(59, high).pmf(0) == pytest.approx(0.025)


N = 4_000
HALF = np.where(np.arange(N) % 2 == 0, "human", "model")


def human_share(q, author=HALF, seed=0, **settings):
    selection = ImportanceFilter(column="q", **settings).select(Columns({"q": q}, author), np.random.default_rng(seed))
    return selection.times[author == "human"].sum() / selection.times.sum(), selection.times


def test_a_perfect_detector_keeps_human_records_alone_three_times_each():
    for sure in (0.9, 1.0):
        share, times = human_share(np.where(HALF == "model", sure, 1 - sure))
        assert share == 1 and set(times[HALF == "human"]) == {3}


@pytest.mark.parametrize("q", [np.full(N, 0.5), np.random.default_rng(7).random(N)], ids=["constant", "random"])
def test_a_detector_that_knows_nothing_leaves_the_share_as_it_was(q):
    share, times = human_share(q)
    assert times.sum() == 1.5 * N and times.max() <= 3
    assert abs(share - 0.5) < 4.5 * np.sqrt(0.25 / (times > 0).sum())


def test_the_human_share_rises_with_the_power_and_with_what_the_detector_knows():
    rng = np.random.default_rng(8)
    noise = rng.normal(size=N)
    calibrated = {apart: norm.cdf(apart * (np.where(HALF == "model", 1, -1) + noise / apart) / 2) for apart in (0.5, 1.0, 2.0)}
    by_power = [human_share(calibrated[1.0], power=power)[0] for power in (0.0, 1.0, 3.0, 10.0)]
    by_detector = [human_share(q)[0] for q in calibrated.values()]
    assert by_power == sorted(by_power) and by_detector == sorted(by_detector) and by_power[0] < 0.52


@pytest.mark.parametrize(("false_alarm", "hit", "golden"), [(0.05, 0.8, 0.826), (0.2, 0.9, 0.818)])
def test_a_detector_that_errs_leaves_the_share_that_its_errors_say(false_alarm, hit, golden):
    """q is .1 or .9, half of the records human; 3 standard errors of the share of unique records."""
    oracle = ImportanceFilter(detector="oracle", hit=hit, false_alarm=false_alarm)
    shares = []
    for seed in range(30):
        times = oracle.select(Columns({"x": np.zeros(N)}, HALF), np.random.default_rng(seed)).times
        shares.append(times[HALF == "human"].sum() / times.sum())
    assert abs(np.mean(shares) - golden) <= 3 * np.std(shares, ddof=1) / np.sqrt(30) + 5e-4
