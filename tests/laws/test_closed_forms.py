"""Each law against a simulation written here, in a few lines of NumPy and nothing of ours.

Exact laws are tested by z-scores over independent chains: |z| < 4.5 fails a true law 7 times in a million comparisons,
so one of the few hundred here fails about once in 500 choices of streams. Streams are fixed. Limits (C5, C7) are tested
to the error that section 13 of science/collapse.md states for them.
"""

import numpy as np
import pytest

from outcross.errors import BadInput
from outcross.laws import categorical, expected, gaussian

WORST = 4.5
DDOF = {"n": 0, "n-1": 1}
CHAINS = 20_000


def z_scores(samples, truth):
    """How many standard errors the mean over chains, the last axis, lies from the truth; (curve,)."""
    error = samples.std(axis=-1, ddof=1) / np.sqrt(samples.shape[-1])
    return (samples.mean(axis=-1) - truth) / error


def assert_agrees(samples, truth):
    scores = z_scores(np.asarray(samples), np.asarray(truth))
    assert np.abs(scores).max() < WORST, scores


def normal(rng, mean, variance, n):
    return mean[:, None] + np.sqrt(variance)[:, None] * rng.standard_normal((mean.size, n))  # (chains, n)


def gaussian_chains(rng, fits, sizes, *, choose, ddof, temperature=1.0):
    """Fitted means and variances, (fits, chains) each; `choose(rng, human, written, fit)` gives the rows to fit."""
    human = rng.standard_normal((CHAINS, sizes[0]))
    written, means, variances = [], [], []
    for fit in range(fits):
        rows = choose(rng, human, written, fit)
        means.append(rows.mean(axis=1))
        variances.append(rows.var(axis=1, ddof=ddof))
        written.append(normal(rng, means[-1], temperature * variances[-1], sizes[min(fit + 1, len(sizes) - 1)]))
    return np.array(means), np.array(variances)


def replace(rng, human, written, fit):
    return written[-1] if written else human


def accumulate(rng, human, written, fit):
    return np.concatenate([human, *written], axis=1)


def subsample(rng, human, written, fit):
    pool = np.concatenate([human, *written], axis=1)
    chosen = rng.random(pool.shape).argsort(axis=1)[:, : human.shape[1]]
    return np.take_along_axis(pool, chosen, axis=1)


def mixed(kept, kind):
    """`kept` human rows of the kind of `gaussian.mixed` beside the newest model's other rows."""

    def choose(rng, human, written, fit):
        if not written:
            return human
        if kind == "fresh":
            rows = rng.standard_normal((CHAINS, kept))
        elif kind == "fixed":
            rows = human[:, :kept]
        else:
            chosen = rng.random(human.shape).argsort(axis=1)[:, :kept]
            rows = np.take_along_axis(human, chosen, axis=1)
        return np.concatenate([rows, written[-1][:, : human.shape[1] - kept]], axis=1)

    return choose


@pytest.mark.parametrize("divisor", ["n", "n-1"])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
@pytest.mark.parametrize("sizes", [[10], [8, 12, 18, 27, 40, 60]])
def test_replace_moves_a_gaussian_as_g1_to_g5_and_g7_say(divisor, temperature, sizes):
    fits, rng = 6, np.random.default_rng([1, len(sizes), DDOF[divisor], round(10 * temperature)])
    means, variances = gaussian_chains(rng, fits, sizes, choose=replace, ddof=DDOF[divisor], temperature=temperature)
    rows = sizes[0] if len(sizes) == 1 else sizes
    options = {"divisor": divisor, "temperature": temperature}
    assert_agrees(variances, gaussian.variance_replace(rows, fits, **options))
    assert_agrees(means**2, gaussian.mean_error_replace(rows, fits, **options))
    assert_agrees(np.sqrt(variances), gaussian.deviation_replace(rows, fits, **options))
    assert_agrees(means**2 + (np.sqrt(variances) - 1) ** 2, gaussian.w2_replace(rows, fits, **options))
    logs = gaussian.log_variance_replace(rows, fits, **options)
    assert_agrees(np.log(variances), logs)
    assert_agrees((np.log(variances) - logs[:, None]) ** 2, gaussian.log_variance_spread_replace(rows, fits))


def test_scaling_even_the_human_data_gives_the_other_form_of_g7():
    fits, n, share, rng = 4, 10, 0.7, np.random.default_rng(7)
    mean, variance = np.zeros(CHAINS), np.ones(CHAINS)
    means, variances = [], []
    for _ in range(fits):
        rows = normal(rng, mean, share * variance, n)
        mean, variance = rows.mean(axis=1), rows.var(axis=1, ddof=1)
        means.append(mean)
        variances.append(variance)
    steps = np.arange(1, fits + 1)
    assert_agrees(np.array(variances), gaussian.variance_replace(n, fits, temperature=share, first_temperature=share))
    assert_agrees(np.array(means) ** 2, gaussian.mean_error_replace(n, fits, temperature=share, first_temperature=share))
    np.testing.assert_allclose(
        gaussian.mean_error_replace(n, fits, temperature=share, first_temperature=share),
        share * (1 - share**steps) / (n * (1 - share)),
    )
    np.testing.assert_allclose(gaussian.mean_error_replace(n, fits, temperature=share), (1 - share**steps) / (n * (1 - share)))


@pytest.mark.parametrize("divisor", ["n", "n-1"])
def test_replace_moves_a_gaussian_of_many_dimensions_as_g1_g2_and_g6_say(divisor):
    fits, n, true, rng = 3, 9, np.array([1.0, 2.0, 4.0]), np.random.default_rng([6, len(divisor)])
    rows = rng.standard_normal((CHAINS, n, 3)) * np.sqrt(true)
    traces, errors, logs = [], [], []
    for _ in range(fits):
        mean = rows.mean(axis=1, keepdims=True)
        covariance = np.swapaxes(rows - mean, 1, 2) @ (rows - mean) / (n - DDOF[divisor])
        traces.append(np.trace(covariance, axis1=1, axis2=2) / true.sum())
        errors.append((mean[:, 0] ** 2).sum(axis=1) / (true.sum() / 3))
        logs.append(np.linalg.slogdet(covariance)[1] - np.log(true).sum())
        rows = mean + rng.standard_normal((CHAINS, n, 3)) @ np.swapaxes(np.linalg.cholesky(covariance), 1, 2)
    law = gaussian.log_variance_replace(n, fits, dimensions=3, divisor=divisor)
    assert_agrees(np.array(traces), gaussian.variance_replace(n, fits, divisor=divisor))
    assert_agrees(np.array(errors), 3 * gaussian.mean_error_replace(n, fits, divisor=divisor))
    assert_agrees(np.array(logs), law)
    assert_agrees((np.array(logs) - law[:, None]) ** 2, gaussian.log_variance_spread_replace(n, fits, dimensions=3))


def test_fewer_rows_than_dimensions_have_no_log_determinant():
    with pytest.raises(BadInput, match="more than 3 rows, got 3"):
        gaussian.log_variance_replace(3, 5, dimensions=3)
    assert expected("replace", "gaussian", "log_variance", n=3, generations=5, dimensions=3) is None


@pytest.mark.parametrize("ddof", [0, 1])
def test_the_standard_deviation_keeps_under_the_tail_bound_g8(ddof):
    _, variances = gaussian_chains(np.random.default_rng([8, ddof]), 40, [6], choose=replace, ddof=ddof)
    for threshold in (0.1, 0.3, 0.6):
        assert np.all((np.sqrt(variances) > threshold).mean(axis=1) <= gaussian.tail_bound_replace(6, 40, threshold))


def test_the_tail_bound_is_markovs_inequality():
    n = np.arange(2, 5000)
    assert np.all(gaussian.c4(n) <= np.exp(-1 / (4 * n)))


@pytest.mark.parametrize("divisor", ["n", "n-1"])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
@pytest.mark.parametrize("sizes", [[6], [6, 9, 13, 20, 30]])
def test_accumulate_moves_a_gaussian_as_g9_and_g10_say(divisor, temperature, sizes):
    fits, rng = 5, np.random.default_rng([9, len(sizes), len(divisor), round(10 * temperature)])
    means, variances = gaussian_chains(rng, fits, sizes, choose=accumulate, ddof=DDOF[divisor], temperature=temperature)
    rows = sizes[0] if len(sizes) == 1 else sizes
    law = gaussian.accumulate(rows, fits, divisor=divisor, temperature=temperature)
    assert_agrees(variances, law.variance)
    assert_agrees(means**2, law.mean_error)


@pytest.mark.parametrize("n", [2, 10, 1000])
def test_accumulate_is_eulers_product_and_keeps_variance_above_the_sinc_limit(n):
    product, recursion = gaussian.variance_accumulate(n, 3000), gaussian.accumulate(n, 3000)
    np.testing.assert_allclose(recursion.variance, product, rtol=1e-11)
    np.testing.assert_allclose(recursion.mean_error, 1 - product, rtol=1e-8)
    assert np.all(product > gaussian.variance_accumulate_limit(n))
    assert product[-1] - gaussian.variance_accumulate_limit(n) < 1 / (3000 * n)


@pytest.mark.parametrize("divisor", ["n", "n-1"])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_accumulate_subsample_moves_a_gaussian_as_g11_says(divisor, temperature):
    rng = np.random.default_rng([11, len(divisor), round(10 * temperature)])
    means, variances = gaussian_chains(rng, 5, [6], choose=subsample, ddof=DDOF[divisor], temperature=temperature)
    law = gaussian.accumulate_subsample(6, 5, divisor=divisor, temperature=temperature)
    assert_agrees(variances, law.variance)
    assert_agrees(means**2, law.mean_error)


@pytest.mark.parametrize("kind", ["fresh", "fixed", "redrawn"])
@pytest.mark.parametrize(("divisor", "temperature"), [("n", 1.0), ("n", 0.7), ("n-1", 1.0)])
def test_human_rows_beside_the_newest_model_move_a_gaussian_as_g12_says(kind, divisor, temperature):
    rng = np.random.default_rng([12, len(kind), len(divisor), round(10 * temperature)])
    means, variances = gaussian_chains(rng, 6, [12], choose=mixed(3, kind), ddof=DDOF[divisor], temperature=temperature)
    law = gaussian.mixed(3, 9, 6, first=12, human_rows=kind, divisor=divisor, temperature=temperature)
    assert_agrees(variances, law.variance)
    assert_agrees(means**2, law.mean_error)


@pytest.mark.parametrize("divisor", ["n", "n-1"])
@pytest.mark.parametrize("kind", ["fresh", "fixed"])
def test_weighted_rows_move_a_fitted_gaussian_as_the_law_says(kind, divisor):
    human, synthetic, weight, fits = 5, 8, 0.7, 5
    rng = np.random.default_rng([14, len(kind), DDOF[divisor]])
    shares = np.concatenate([np.full(human, weight / human), np.full(synthetic, (1 - weight) / synthetic)])
    scale = 1 if divisor == "n" else 1 / (1 - np.sum(shares**2))
    people = rng.standard_normal((CHAINS, human))
    means, variances = [people.mean(axis=1)], [people.var(axis=1, ddof=DDOF[divisor])]
    for _ in range(fits - 1):
        beside = rng.standard_normal((CHAINS, human)) if kind == "fresh" else people
        rows = np.concatenate([beside, normal(rng, means[-1], variances[-1], synthetic)], axis=1)
        means.append(rows @ shares)
        variances.append(scale * (np.square(rows - means[-1][:, None]) @ shares))
    law = gaussian.mixed(human, synthetic, fits, first=human, human_rows=kind, weight=weight, divisor=divisor)
    assert_agrees(np.array(variances), law.variance)
    assert_agrees(np.array(means) ** 2, law.mean_error)


@pytest.mark.parametrize("divisor", ["n", "n-1"])
def test_the_fresh_loop_ends_at_its_fixed_point_whatever_it_started_from(divisor):
    limit = gaussian.fresh_limit(5, 15, temperature=0.9, divisor=divisor)
    for first in (4, 1000):
        curve = gaussian.mixed(5, 15, 300, first=first, temperature=0.9, divisor=divisor)
        np.testing.assert_allclose([curve.variance[-1], curve.mean_error[-1]], limit, rtol=1e-12)


@pytest.mark.parametrize("weight", [0.3, 0.618034, 0.9])
def test_a_weighted_mean_errs_as_g13_says(weight):
    fits, human, synthetic, rng = 6, 10, 5, np.random.default_rng([13, round(100 * weight)])
    fitted = rng.standard_normal((CHAINS, human)).mean(axis=1)
    squares = [fitted**2]
    for _ in range(fits - 1):
        real = rng.standard_normal((CHAINS, human)).mean(axis=1)
        fitted = weight * real + (1 - weight) * (fitted + rng.standard_normal((CHAINS, synthetic)).mean(axis=1))
        squares.append(fitted**2)
    assert_agrees(np.array(squares), gaussian.mean_error_weighted(human, synthetic, weight, fits))
    far = gaussian.mean_error_weighted(human, synthetic, weight, 300)[-1]
    np.testing.assert_allclose(far, gaussian.mean_error_weighted_limit(human, synthetic, weight))


@pytest.mark.parametrize(("human", "synthetic"), [(100, 100), (10, 40), (60, 20)])
def test_the_golden_weight_is_the_best_one(human, synthetic):
    weights = np.linspace(0.01, 0.99, 9801)
    errors = np.array([gaussian.mean_error_weighted_limit(human, synthetic, weight) for weight in weights])
    best = gaussian.best_weight(human / synthetic)
    assert abs(weights[errors.argmin()] - best) < 1.5e-4
    np.testing.assert_allclose(gaussian.mean_error_weighted_limit(human, synthetic, best), best / human)


def test_w2_is_its_one_dimensional_form_on_each_axis():
    assert gaussian.w2([1, 2], np.diag([4.0, 9.0]), [0, 0], np.eye(2)) == pytest.approx(5 + 1 + 4)
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    first, second = turn @ np.diag([4.0, 9.0]) @ turn.T, np.eye(2)
    assert gaussian.w2([0, 0], first, [0, 0], second) == pytest.approx(5)
    assert gaussian.w2([0, 0], first, [0, 0], first) == pytest.approx(0, abs=1e-12)


SHARES = np.array([0.5, 0.25, 0.15, 0.07, 0.03])


def shares_of(rng, fits, n, choose):
    """Fitted shares, (fits, chains, states), of categorical chains; `choose(human, written)` gives the counts to fit."""
    human = rng.multinomial(n, SHARES, size=CHAINS)
    written, fitted = [], []
    for _ in range(fits):
        counts = choose(human, written)
        fitted.append(counts / counts.sum(axis=1, keepdims=True))
        written.append(rng.multinomial(n, fitted[-1]))
    return np.array(fitted)


def concentration(fitted):
    return (fitted**2).sum(axis=-1)


def test_replace_concentrates_states_as_c1_says():
    fitted = shares_of(np.random.default_rng(21), 8, 12, lambda human, written: written[-1] if written else human)
    assert_agrees(concentration(fitted), categorical.concentration_replace(12, 8, SHARES))


def test_accumulate_concentrates_states_as_c2_says():
    fitted = shares_of(np.random.default_rng(22), 6, 8, lambda human, written: human + sum(written))
    assert_agrees(concentration(fitted), categorical.concentration_accumulate(8, 6, SHARES))


def test_a_fixed_human_part_concentrates_states_as_c3_says():
    fitted = shares_of(np.random.default_rng(23), 6, 8, lambda human, written: human + written[-1] if written else human)
    law = categorical.concentration_partial(8, 8, 6, SHARES)
    assert_agrees(concentration(fitted), law)
    far = categorical.concentration_partial(8, 8, 400, SHARES)[-1]
    np.testing.assert_allclose(far, categorical.concentration_partial_limit(8, 8, SHARES))


@pytest.mark.parametrize(("human", "synthetic"), [(100, 50), (7, 90)])
def test_c3_is_the_papers_recursion(human, synthetic):
    share = synthetic / (human + synthetic)
    start = np.sum(SHARES**2)
    first = start * (1 - 1 / human) + 1 / human
    curve = [first]
    for _ in range(20):
        curve.append((1 - share**2) * first + share**2 * (curve[-1] * (1 - 1 / synthetic) + 1 / synthetic))
    np.testing.assert_allclose(categorical.concentration_partial(human, synthetic, 21, SHARES), curve)


@pytest.fixture(scope="module")
def collapsed():
    """Chains run to collapse under replace, n = 10: the fit at which each collapsed, and into which state."""
    rng = np.random.default_rng(24)
    counts, times = np.tile(SHARES, (CHAINS, 1)) * 10, np.zeros(CHAINS, dtype=int)
    alive = np.arange(CHAINS)
    while alive.size:
        counts[alive] = rng.multinomial(10, counts[alive] / 10)
        times[alive] += 1
        alive = alive[counts[alive].max(axis=1) < 10]
    return times, counts.argmax(axis=1)


def test_a_chain_collapses_into_a_state_as_often_as_humans_use_it_c4(collapsed):
    _, into = collapsed
    assert_agrees((into == np.arange(5)[:, None]).astype(float), categorical.absorption_probabilities(SHARES))


def test_the_exact_chain_tells_when_states_collapse_c8(collapsed):
    times, _ = collapsed
    assert_agrees(times[None, :].astype(float), [categorical.absorption_time(10, SHARES)])
    by = np.arange(2, 41)
    assert_agrees((times <= by[:, None]).astype(float), categorical.absorbed(10, 40, SHARES)[1:])


def test_the_mean_collapse_time_is_the_sum_of_what_is_not_yet_absorbed():
    curve = categorical.absorbed(15, 1200, SHARES)
    assert categorical.absorption_time(15, SHARES) == pytest.approx(1 + np.sum(1 - curve), rel=1e-9)


def test_support_and_entropy_fall_as_the_exact_chain_says():
    fitted = shares_of(np.random.default_rng(28), 8, 12, lambda human, written: written[-1] if written else human)
    logs = np.log(np.where(fitted > 0, fitted, 1))
    assert_agrees((fitted > 0).sum(axis=-1).astype(float), categorical.surviving_states(12, 8, SHARES))
    assert_agrees(-(fitted * logs).sum(axis=-1), categorical.entropy(12, 8, SHARES))


def test_states_are_lost_at_the_first_fit_as_c6_says():
    rng = np.random.default_rng(26)
    missing = rng.multinomial(20, SHARES, size=CHAINS) == 0
    assert_agrees(missing.T.astype(float)[1:], categorical.loss_at_first_fit(20, SHARES)[1:])
    assert_agrees((~missing).sum(axis=1)[None].astype(float), [categorical.surviving_at_first_fit(20, SHARES)])
    assert categorical.surviving_at_first_fit(20, SHARES) == pytest.approx(categorical.surviving_states(20, 1, SHARES)[0])


@pytest.mark.parametrize("n", [3, 10, 25])
def test_the_binomial_chain_has_its_textbook_eigenvalues_c8(n):
    numeric = np.sort(np.linalg.eigvals(categorical.transition_matrix(n)).real)[::-1]
    np.testing.assert_allclose(numeric, categorical.eigenvalues(n), atol=1e-6)


@pytest.mark.parametrize("shares", [[0.5, 0.5], [0.1] * 10, [0.6, 0.3, 0.1]])
def test_the_diffusion_time_is_within_a_few_percent_from_a_hundred_rows_on_c5(shares):
    """Section 13: a few percent at n >= 100. The gap is about 2 fits at every size, so 3 % at 100 is generous."""
    for n in (100, 400, 1000):
        exact = categorical.absorption_time(n, shares)
        assert abs(categorical.absorption_time_diffusion(n, shares) / exact - 1) < 3 / n


@pytest.mark.parametrize("n", [2, 5, 40])
def test_exact_collapse_lies_within_seddiks_bounds(n):
    low, high = categorical.absorbed_bounds(n, 200, SHARES)
    exact = categorical.absorbed(n, 200, SHARES)
    assert np.all(low <= exact + 1e-12) and np.all(exact <= high + 1e-12)
    shortest, longest = categorical.absorption_time_bounds(n, SHARES)
    assert shortest <= categorical.absorption_time(n, SHARES) <= longest + 1e-9


@pytest.mark.parametrize("count", [1, 3, 8])
def test_a_rare_word_dies_out_as_c7_says_when_rows_are_many(count):
    """A limit: the law of a word with `count` of n rows differs by less than count/n at n = 10,000, under 0.001."""
    n, samplings, rng = 10_000, 12, np.random.default_rng([27, count])
    counts = np.full(100_000, count)
    gone = []
    for _ in range(samplings):
        counts = rng.binomial(n, counts / n)
        gone.append((counts == 0).mean())
    law = categorical.rare_loss(count, samplings)
    error = np.sqrt(law * (1 - law) / counts.size)
    assert np.all(np.abs(gone - law) < WORST * error + count / n)
    assert np.all(1 - law >= categorical.rare_survival_bound(count, samplings) - 1e-12)


@pytest.mark.parametrize("count", [1, 5])
def test_the_rare_word_limit_is_near_the_exact_chain(count):
    n = 1000
    distribution, steps, gone = np.eye(n + 1)[count], categorical.transition_matrix(n), []
    for _ in range(30):
        distribution = distribution @ steps
        gone.append(distribution[0])
    assert np.abs(np.array(gone) - categorical.rare_loss(count, 30)).max() < count / n


@pytest.mark.parametrize("policy", ["accumulate_subsample", "human_share", "fresh", "augment"])
def test_expected_concentration_holds_for_every_policy(policy):
    rng, n, fits = np.random.default_rng([29, len(policy)]), 8, 5
    human = rng.multivariate_hypergeometric  # draws rows without replacement from counts
    first = rng.multinomial(n, SHARES, size=CHAINS)
    records = np.array([np.repeat(np.arange(5), row) for row in first])  # (chains, n): the human rows as states
    records = rng.permuted(records, axis=1)
    pool, fitted = first.copy(), [first / n]
    for _ in range(fits - 1):
        written = rng.multinomial(n, fitted[-1])
        newest = rng.multinomial(6, fitted[-1])
        pool += written
        if policy == "accumulate_subsample":
            counts = np.array([human(row, n) for row in pool])
        elif policy == "human_share":
            counts = newest + (records[:, :2, None] == np.arange(5)).sum(axis=1)
        elif policy == "fresh":
            counts = written + rng.multinomial(2, SHARES, size=CHAINS)
        else:
            counts = first + written
        fitted.append(counts / counts.sum(axis=1, keepdims=True))
    options = {"human_share": 0.25, "rows": "fixed"} if policy == "human_share" else {"human": 2}
    law = expected(policy, "categorical", "concentration", n=n, generations=fits, probabilities=SHARES, **options)
    assert_agrees(concentration(np.array(fitted)), law)


def test_expected_counts_generations_from_the_human_fit():
    curve = expected("replace", "gaussian", "spread_ratio", n=10, generations=3)
    np.testing.assert_allclose(curve, [0.9, 0.81, 0.729])
    scaled = expected("replace", "gaussian", "spread_ratio", n=10, generations=3, divisor="n-1", temperature=0.5)
    np.testing.assert_allclose(scaled, [1, 0.5, 0.25])
    wide = expected("replace", "gaussian", "mean_error", n=10, generations=2, divisor="n-1", dimensions=3)
    np.testing.assert_allclose(wide, [0.3, 0.6])
    everything = expected("human_share", "gaussian", "mean_error", n=10, generations=2, human_share=1.0)
    np.testing.assert_allclose(everything, [0.1, 0.1])
    control = expected("human_only", "gaussian", "w2", n=10, generations=3)
    np.testing.assert_allclose(control, np.repeat(gaussian.w2_replace(10, 1, divisor="n"), 3))
    golden = expected("weighted", "gaussian", "mean_error", n=9, generations=4, rows="fresh", human=9, weight="golden")
    assert golden[1] == pytest.approx(gaussian.best_weight(1) ** 2 / 9 + (1 - gaussian.best_weight(1)) ** 2 * (1 / 9 + 8 / 81))
    nothing = expected("human_share", "gaussian", "mean_error", n=10, generations=2, human_share=0.0)
    np.testing.assert_allclose(nothing, gaussian.mean_error_replace(10, 2, divisor="n"))


def test_expected_is_none_where_no_closed_form_is_known():
    options = {"n": 10, "generations": 4}
    assert expected("accumulate", "gaussian", "w2", **options) is None
    assert expected("replace", "gaussian", "w2", dimensions=2, **options) is None
    assert expected("replace", "spike", "spread_ratio", **options) is None
    assert expected("star", "gaussian", "spread_ratio", **options) is None
    assert expected("accumulate", "categorical", "support", probabilities=SHARES, **options) is None
    assert expected("replace", "categorical", "entropy", probabilities=SHARES, n=10_000, generations=4) is None
    assert expected("replace", "categorical", "concentration", probabilities=SHARES, temperature=0.5, **options) is None
    at_first = expected("accumulate", "categorical", "support", probabilities=SHARES, n=10_000, generations=1)
    np.testing.assert_allclose(at_first, [categorical.surviving_at_first_fit(10_000, SHARES)])


def test_a_share_of_thirty_is_refused():
    with pytest.raises(BadInput, match=r"human_share must be in \[0, 1\], got 30"):
        expected("human_share", "gaussian", "mean_error", n=10, generations=2, human_share=30)
