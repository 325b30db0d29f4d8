"""Several lines of models: the closed forms L1 to L3 against golden values, against a simulation without the package, and against the loop."""

import itertools

import numpy as np
import pytest

from outcross.collapse.closed_forms import law_arguments
from outcross.community import run
from outcross.errors import BadInput
from outcross.experiment import experiment
from outcross.laws import expected, gaussian, lines

CHAINS = 4000


def test_lines_hold_their_golden_values_L1_L2_L3():
    quotas = lines.lines_by_quotas(25, 100, lines=4, migrants=0.75).pooled
    random = lines.lines_at_random(25, 100, lines=4, migrants=0.75).pooled
    isolated, single = lines.lines_isolated(25, 100, lines=4), gaussian.variance_replace(100, 100, divisor="n")
    written = [[f"{curve[fits - 1]:.6f}" for fits in (10, 100)] for curve in (quotas, random, isolated, single)]
    assert written == [["0.906810", "0.376956"], ["0.904382", "0.366032"], ["0.916208", "0.754218"], ["0.904382", "0.366032"]]


def test_partial_migration_lies_between_isolation_and_exchange_and_meets_both_ends():
    settings = [lines.lines_by_quotas(25, 100, lines=4, migrants=share).pooled for share in (0.0, 0.01, 0.1, 0.5, 0.75)]
    assert all((less[2:] > more[2:]).all() for less, more in itertools.pairwise(settings))
    assert [f"{settings[place][99]:.6f}" for place in (1, 2)] == ["0.588249", "0.407803"]  # as docs/explanation/formulas.md says
    assert np.allclose(settings[0], lines.lines_isolated(25, 100, lines=4), rtol=1e-12)
    drawn = lines.lines_at_random(25, 100, lines=4, migrants=0.75)
    assert np.allclose(drawn.pooled, (1 - 1 / 100) ** np.arange(1, 101), rtol=1e-12)
    alone = lines.lines_by_quotas(25, 50, lines=1, migrants=0.0)
    assert np.allclose(alone.pooled, gaussian.variance_replace(25, 50, divisor="n"), rtol=1e-12)
    assert np.allclose(alone.mean_error, gaussian.mean_error_replace(25, 50, divisor="n"), rtol=1e-12)


@pytest.mark.parametrize("migrants", [0.0, 0.2, 0.75])
def test_a_generation_loses_nothing_of_the_variance_between_lines(migrants):
    variances = lines.lines_by_quotas(10, 30, lines=4, migrants=migrants)
    assert np.allclose(variances.pooled[1:], variances.between[:-1] + variances.within[:-1] * (1 - 1 / 40), rtol=1e-12)


def simulated(n, fits, many, counts, rng):
    """W, D and the squared error of the common mean of lines that learn from (chains, line, line) counts of each other's records."""
    mean, spread = np.zeros((CHAINS, many)), np.ones((CHAINS, many))
    moments = []
    for fit in range(fits):
        of_line = np.broadcast_to(np.arange(many)[:, None], (CHAINS, many, n)) if fit == 0 else counts(rng)
        chain = np.arange(CHAINS)[:, None, None]
        records = mean[chain, of_line] + spread[chain, of_line] * rng.standard_normal((CHAINS, many, n))
        mean, spread = records.mean(axis=-1), records.std(axis=-1)
        moments.append((np.square(spread).mean(axis=-1), mean.var(axis=-1), np.square(mean.mean(axis=-1))))
    return np.array(moments)  # (fits, 3, chains)


@pytest.mark.parametrize("by", ["quotas", "at random"])
def test_lines_move_as_a_simulation_without_the_package_says_L1_L2(by):
    n, fits, many, migrants = 8, 6, 3, 0.25
    rng = np.random.default_rng(5)
    fixed = np.array([[i] * 6 + [(i + 1) % 3, (i + 2) % 3] for i in range(3)])  # a quarter of 8 from the others, one of each

    def drawn(rng):
        moved = rng.random((CHAINS, many, n)) < migrants
        other = (np.arange(many)[:, None] + rng.integers(1, many, (CHAINS, many, n))) % many
        return np.where(moved, other, np.arange(many)[:, None])

    moments = simulated(n, fits, many, (lambda rng: np.broadcast_to(fixed, (CHAINS, many, n))) if by == "quotas" else drawn, rng)
    law = (lines.lines_by_quotas if by == "quotas" else lines.lines_at_random)(n, fits, lines=many, migrants=migrants)
    error = moments.std(axis=-1, ddof=1) / np.sqrt(CHAINS)
    assert (np.abs(moments.mean(axis=-1) - np.array(law).T) < 4 * error).all()  # 18 comparisons: one false alarm in 900


@pytest.mark.parametrize("reads", ["all", "own", 0.5])
@pytest.mark.parametrize("learner", ["gaussian", "categorical"])
def test_teachers_in_the_loop_obey_L1(reads, learner):
    """The readings of all teachers together, in every generation, against the curve that their page draws."""
    human = {
        "gaussian": {"distribution": "normal", "rows": 36},
        "categorical": {"distribution": "categorical", "states": 4, "rows": 36},
    }
    recipe = {
        "name": "lines", "human": human[learner], "learner": {"kind": learner} | ({"divisor": "n"} if learner == "gaussian" else {}),
        "draw": {"prompts": "none"}, "chains": 2000, "generations": 5, "teachers": {name: {"reads": reads} for name in "abc"},
        "metrics": ["fitted_law" if learner == "gaussian" else "support"],
    }  # fmt: skip
    arm = experiment(recipe)
    measured = ("spread_ratio", "mean_error") if learner == "gaussian" else ("concentration", "excess_risk")
    laws = {measure: expected(measure=measure, **law_arguments(arm)) for measure in measured}
    for generation in run(arm):
        for reading in generation.measured:
            if reading.measure in laws and not reading.group:
                error = (reading.estimate.high - reading.estimate.low) / 3.92
                assert (
                    abs(reading.estimate.value - laws[reading.measure][generation.g]) < 4.5 * error
                )  # 60 comparisons: one false alarm in 2,400


def test_no_curve_is_drawn_where_teachers_differ_or_a_quota_is_no_whole_number():
    recipe = {"name": "x", "human": {"distribution": "normal", "rows": 40}, "learner": "gaussian", "draw": {"prompts": "none"}}
    for teachers in (
        {"a": {}, "b": {"reads": "own"}},
        {"a": {"share": 0.3}, "b": {}},
        {name: {} for name in "abc"},
        {"a": {"reads": 0.33}, "b": {"reads": 0.33}},
    ):
        assert law_arguments(experiment(recipe | {"teachers": teachers})) == {}
    assert law_arguments(experiment(recipe | {"teachers": {"a": {}, "b": {}}}))["exchange"] == (2, 0.5)


def test_migrants_that_are_no_share_are_refused():
    with pytest.raises(BadInput, match="migrants must be in"):
        lines.lines_by_quotas(10, 5, lines=1, migrants=0.5)
