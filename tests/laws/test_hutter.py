"""A memorising learner errs where it has not read: H1, and the loop against it."""

import numpy as np
import pytest

from outcross.collapse.closed_forms import law_arguments
from outcross.data import HUMAN, Human, Pool, Training, part_of
from outcross.data.records import Counts
from outcross.errors import BadInput
from outcross.estimate import NotApplicable
from outcross.experiment import experiment
from outcross.laws import expected
from outcross.laws.hutter import cut_tail, memory_error, memory_error_replace
from outcross.loop import run
from outcross.measures import Evidence
from outcross.measures.memory import Memory
from outcross.models.hutter import Hutter
from outcross.sources.categorical import CategoricalSource

BOUND = 4.5
"""Standard errors: a false alarm in 150,000 comparisons; the file makes about ninety."""


def zipf(states, exponent=1.5):
    weights = np.arange(1, states + 1) ** -exponent
    return weights / weights.sum()


RECORDS = [100, 1000, 10_000, 100_000]


def test_the_law_holds_its_golden_values_H1():
    p = zipf(100_000)
    assert [f"{error:.4f}" for error in memory_error(RECORDS, p)] == ["0.2003", "0.0919", "0.0413", "0.0179"]
    assert [f"{error:.4f}" for error in memory_error(RECORDS, p, cut_tail(p, 100))] == ["0.1959", "0.0965", "0.0742", "0.0741"]


def test_the_law_is_the_sum_over_all_sequences():
    p, q = np.array([0.5, 0.3, 0.2]), np.array([0.7, 0.3, 0.0])
    expected = sum(
        q[a] * q[b] * q[c] * p[[i for i in range(3) if i not in (a, b, c)]].sum()
        for a in range(3)
        for b in range(3)
        for c in range(3)
    )
    assert memory_error(3, p, q) == pytest.approx(expected)


def test_the_error_falls_as_the_theorem_says():
    """T^{-(β-1)/β} while the tail is endless, and a floor Σ_{i>k} p_i ~ k^{-(β-1)} where it is cut (Theorem 2.1)."""
    for beta in (1.5, 2.0):
        p = zipf(2_000_000, beta)
        few, many = memory_error([300, 3000], p)
        assert np.log10(many / few) == pytest.approx(-(beta - 1) / beta, abs=0.04)
        floors = [memory_error(10**9, p, cut_tail(p, k)) for k in (100, 1000)]
        assert np.log10(floors[1] / floors[0]) == pytest.approx(-(beta - 1), abs=0.04)


def test_replace_at_one_fit_is_the_law_and_errors_only_grow():
    p = zipf(30)
    curve = memory_error_replace(40, 8, p)
    assert curve[0] == pytest.approx(memory_error(40, p))
    assert (np.diff(curve) > 0).all()


def test_a_tail_is_cut_at_a_state_that_is_there():
    with pytest.raises(BadInput, match=r"states must be in \[1, 3\], got 4"):
        cut_tail([0.5, 0.3, 0.2], 4)
    with pytest.raises(BadInput, match="for each of the 3 states, got 2"):
        memory_error(5, [0.5, 0.3, 0.2], [0.5, 0.5])


def errors(policy="replace", human=40, states=30, generations=6, chains=20_000, writes="frequencies", **more):
    """The test error as the loop measures it, generation by generation."""
    settings = {
        "name": "memory",
        "human": {"distribution": "categorical", "law": "zipf", "exponent": 1.5, "states": states, "rows": human},
        "learner": {"kind": "hutter", "writes": writes},
        "policy": policy,
        "draw": {"prompts": "none"} | more.pop("draw", {}),
        "generations": generations,
        "chains": chains,
        "metrics": ["memory"],
        "store": "readings",
    }
    return [generation.measured[0].estimate for generation in run(experiment(settings | more))]


def agree(estimates, curve):
    assert len(estimates) == len(curve)
    for estimate, value in zip(estimates, curve, strict=True):
        assert abs(estimate.value - value) <= BOUND * estimate.standard_error + 1e-12, f"{estimate} against {value}"


@pytest.mark.parametrize("records", [100, 1000, 10_000])
def test_the_loop_on_human_records_obeys_H1(records):
    agree(errors(human=records, states=10_000, generations=1, chains=100), [memory_error(records, zipf(10_000))])


@pytest.mark.parametrize("records", [100, 300, 10_000])
def test_a_learner_of_a_cut_tail_obeys_H1(records):
    """Generation 0 has surely read the 20 most frequent facts; what it writes of them is what generation 1 learns from."""
    p = zipf(1000)
    estimates = errors(human=20_000, rows=records, states=1000, generations=2, chains=400, writes="truth", draw={"top_k": 20})
    agree(estimates[1:], [memory_error(records, p, cut_tail(p, 20))])


def test_generations_that_write_what_they_read_obey_the_exact_chain():
    agree(errors(), memory_error_replace(40, 6, zipf(30)))


@pytest.mark.parametrize("learner", ["hutter", "categorical"])
@pytest.mark.parametrize("policy", ["replace", "accumulate", "augment", "human_only"])
def test_a_run_draws_the_missing_mass(learner, policy):
    settings = {
        "name": "law", "human": {"distribution": "categorical", "states": 30, "law": "zipf", "rows": 40}, "learner": learner,
        "policy": policy, "draw": {"prompts": "none"}, "generations": 6, "chains": 4000, "metrics": ["memory"],
    }  # fmt: skip
    curve = expected(measure="test_error", **law_arguments(experiment(settings)))
    assert curve is not None
    agree([generation.measured[0].estimate for generation in run(experiment(settings))], curve)


def test_clean_records_beside_a_cut_tail_bring_it_back():
    """500 human records beside 2,000 of the 20 most frequent facts: a fact is missed where both miss it (Theorem 3.2)."""
    p = zipf(1000)
    more = {"human": 2000, "states": 1000, "generations": 5, "chains": 400, "writes": "truth", "draw": {"top_k": 20}}
    both = p @ ((1 - p) ** 500 * (1 - cut_tail(p, 20)) ** 2000)
    agree(errors({"kind": "fresh", "human": 500}, **more)[1:], [both] * 4)
    assert both < 0.7 * errors(**more)[-1].value


def test_what_is_not_known_of_the_humans_or_the_model_is_told():
    """Without true probabilities there is no test error; without them hutter cannot write in proportion to them either."""
    training = part_of(HUMAN, Counts(np.array([3, 1, 0])))
    model = Hutter().fit(training.records, None, None, None, np.random.default_rng(0))

    def read(human, model):
        evidence = Evidence(
            drawn=training, kept=training, training=Training(Pool((training,))), human=human, model=model, first_model=model
        )
        return list(Memory()(evidence, np.random.default_rng(0)))

    (reading,) = read(Human(training=training, truth=CategoricalSource(states=3).truth), model)
    assert reading.estimate.value == pytest.approx(1 / 3)
    with pytest.raises(NotApplicable, match="known distribution"):
        read(Human(training=training), model)
    with pytest.raises(NotApplicable, match="a probability for each state"):
        read(Human(training=training, truth=CategoricalSource(states=3).truth), None)
    with pytest.raises(BadInput, match=r"learner\.writes=frequencies"):
        Hutter(writes="truth").begin(Human(training=training), None, np.random.default_rng(0))
