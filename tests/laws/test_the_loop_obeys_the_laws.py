"""The loop itself, policy by policy, against the closed forms of laws/: the same numbers, chain for chain.

Every comparison is a z-score over at least 10⁴ independent chains. The bound of 5.2 standard errors has a false-alarm rate of 2e-7; the
file makes about 2,000 comparisons, so one false alarm in 2,500 runs of it.
"""

import numpy as np
import pytest

from outcross.experiment import experiment
from outcross.laws import expected
from outcross.loop import run

BOUND = 5.2


def readings(recipe):
    """Metric → list over generations of Estimates, as the loop measures them."""
    settings = {}
    for generation in run(experiment(recipe)):
        for measured in generation.readings.values():
            for reading in measured.value:
                settings.setdefault(reading.measure, []).append(reading.estimate)
    return settings


def compare(estimates, metrics, **law):
    generations = len(next(iter(estimates.values())))
    compared = 0
    for metric in metrics:
        curve = expected(measure=metric, generations=generations, **law)
        if curve is None:
            continue
        for g, (estimate, value) in enumerate(zip(estimates[metric], curve, strict=True)):
            error = estimate.standard_error
            assert abs(estimate.value - value) <= BOUND * error + 1e-12 * abs(value), f"{metric} g{g}: {estimate} against {value}"
            compared += 1
    assert compared, "no law was compared"


def gaussian(
    policy, n=20, d=1, divisor="n", temperature=1.0, generations=12, rows="constant", chains=10_000, records="points", **learner
):
    return {
        "name": "law",
        "human": {"distribution": "normal", "dimensions": d, "rows": n, "records": records},
        "learner": {"kind": "gaussian", "divisor": divisor} | learner,
        "policy": policy,
        "draw": {"temperature": temperature, "prompts": "none"},
        "generations": generations,
        "chains": chains,
        "rows": rows,
    }


SPREAD = ("log_variance", "spread_ratio", "mean_error", "w2")
BOTH = pytest.mark.parametrize("records", ["points", "moments"])


@BOTH
@pytest.mark.parametrize("divisor", ["n", "n-1"])
@pytest.mark.parametrize("d", [1, 3])
def test_replace_of_a_gaussian_G1_to_G6(divisor, d, records):
    values = readings(gaussian("replace", d=d, divisor=divisor, records=records))
    compare(values, SPREAD, policy_kind="replace", learner_kind="gaussian", n=20, dimensions=d, divisor=divisor)


@BOTH
def test_biased_sampling_of_a_gaussian_G7(records):
    values = readings(gaussian("replace", temperature=0.8, divisor="n-1", records=records))
    compare(values, SPREAD, policy_kind="replace", learner_kind="gaussian", n=20, divisor="n-1", temperature=0.8)


@BOTH
@pytest.mark.parametrize("divisor", ["n", "n-1"])
def test_accumulate_of_a_gaussian_G9_G10(divisor, records):
    values = readings(gaussian("accumulate", n=10, divisor=divisor, records=records))
    compare(values, SPREAD, policy_kind="accumulate", learner_kind="gaussian", n=10, divisor=divisor)


def test_accumulate_subsample_of_a_gaussian_G11():
    values = readings(gaussian("accumulate_subsample", n=10))
    compare(values, SPREAD, policy_kind="accumulate_subsample", learner_kind="gaussian", n=10, divisor="n")


@BOTH
@pytest.mark.parametrize("temperature", [1.0, 0.8])
def test_the_fresh_loop_of_a_gaussian_comes_to_its_fixed_point_G12(temperature, records):
    recipe = gaussian({"kind": "fresh", "human": 30}, n=30, temperature=temperature, generations=40, rows=90, records=records)
    values = readings(recipe)
    spread, error = {1.0: (0.981221, 0.018779), 0.8: (0.617612, 0.011820)}[temperature]
    for metric, limit in (("spread_ratio", spread), ("mean_error", error)):
        last = values[metric][-1]
        assert abs(last.value - limit) <= BOUND * last.standard_error + 5e-7  # the golden values have six digits


@pytest.mark.parametrize("weight", [0.3, "golden", 0.9])
def test_the_weighted_fresh_loop_of_a_gaussian_G13(weight):
    recipe = gaussian({"kind": "weighted", "weight": weight, "rows": "fresh", "human": 20}, generations=40, known_variance=1.0)
    w = 0.6180339887498949 if weight == "golden" else weight
    last = readings(recipe)["mean_error"][-1]
    limit = (w**2 / 20 + (1 - w) ** 2 / 20) / (2 * w - w**2)
    assert abs(last.value - limit) <= BOUND * last.standard_error


def test_the_golden_weight_does_harm_with_fixed_human_rows_and_is_refused_there():
    from outcross.errors import BadInput

    with pytest.raises(BadInput, match=r"1\.171/n"):
        experiment(gaussian({"kind": "weighted", "weight": "golden"}))
    recipe = gaussian(
        {"kind": "weighted", "weight": 0.6180339887498949, "rows": "fixed"}, generations=40, chains=20_000, known_variance=1.0
    )
    last = readings(recipe)["mean_error"][-1]
    assert abs(last.value - 1.171 / 20) <= BOUND * last.standard_error + 5e-4 / 20  # 1.171 has four digits


@pytest.mark.parametrize("rows", ["redrawn", "fixed"])
def test_a_human_share_of_a_gaussian_where_a_law_is_known(rows):
    values = readings(gaussian({"kind": "human_share", "share": 0.3, "rows": rows}))
    compare(values, SPREAD, policy_kind="human_share", human_share=0.3, rows=rows, learner_kind="gaussian", n=20, divisor="n")


@BOTH
@pytest.mark.parametrize("policy", ["human_only", "augment"])
def test_whole_human_parts_hold_a_gaussian_as_the_laws_say(policy, records):
    values = readings(gaussian(policy, records=records))
    compare(values, SPREAD, policy_kind=policy, learner_kind="gaussian", n=20, divisor="n")


@BOTH
def test_growing_sizes_slow_the_collapse_of_a_gaussian(records):
    values = readings(gaussian("replace", rows={"grow": 1.5}, generations=8, records=records))
    sizes = [20, *(max(1, round(20 * 1.5 ** (g + 1))) for g in range(7))]
    compare(values, SPREAD, policy_kind="replace", learner_kind="gaussian", n=sizes, divisor="n")


def categorical(policy, n=10, states=10, generations=15, chains=10_000, **human):
    return {
        "name": "law",
        "human": {"distribution": "categorical", "states": states, "rows": n} | human,
        "learner": "categorical",
        "policy": policy,
        "draw": {"prompts": "none"},
        "generations": generations,
        "chains": chains,
    }


STATES = ("concentration", "excess_risk", "support", "entropy", "absorbed")
ZIPF = np.arange(1, 7) ** -1.0 / (np.arange(1, 7) ** -1.0).sum()


@pytest.mark.parametrize("policy", ["replace", "accumulate", "augment", "human_only", "accumulate_subsample"])
def test_discrete_laws_C1_C2_C3_C6_C8(policy):
    recipe = categorical(policy, states=6, law="zipf")
    compare(readings(recipe), STATES, policy_kind=policy, learner_kind="categorical", n=10, probabilities=ZIPF)


def test_a_chain_ends_in_state_i_with_the_probability_of_state_i_C4():
    arm = experiment(categorical("replace", n=6, states=4, law="zipf", generations=120, chains=20_000) | {"metrics": ["support"]})
    *_, last = run(arm)
    p = last.model.value.probabilities
    assert (p.max(axis=-1) == 1).all(), "every chain is absorbed by then (P < 1e-7 otherwise)"
    law = np.arange(1, 5) ** -1.0 / (np.arange(1, 5) ** -1.0).sum()
    error = np.sqrt(law * (1 - law) / 20_000)
    assert (np.abs(p.mean(axis=0) - law) <= BOUND * error).all()


def test_the_mean_time_to_absorption_is_the_diffusion_limit_within_its_error_C5():
    from outcross.collapse.profile import time_to_absorption
    from outcross.verbs.run.tables import tabulate

    arm = experiment(
        categorical("replace", n=100, states=10, generations=1200, chains=2_000) | {"metrics": ["support"], "store": "readings"}
    )
    frame = tabulate("law", [("replace", 0, generation.g, generation.measured) for generation in run(arm)])
    time = time_to_absorption(frame, arm="replace")
    assert time.value == pytest.approx(189.65, rel=0.05)  # a few per cent at n >= 100, exact simulation 185.8 ± 1.6 (§3.5)
