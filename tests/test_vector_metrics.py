"""What the metrics of vectors read: counted by hand on a few points, equal to the packages of their papers, and promised on any points."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from reading_frames import with_nulls

import outcross
from outcross.data import HUMAN, Human, Origin, Pool, Training, part_of
from outcross.data.records import Vectors
from outcross.estimate import NotApplicable
from outcross.experiment import experiment
from outcross.loop import run
from outcross.measures import Evidence, measure
from outcross.measures.distance import W1, EnergyDistance, SlicedW2, energy, transport
from outcross.measures.held_out_nats import HeldOutNats
from outcross.measures.modes import Modes
from outcross.measures.neighbours import Neighbours
from outcross.measures.tail_mass import TAILS, Limit, TailMass, mass
from outcross.models.gaussian import NormalModel
from outcross.recipe import kind
from outcross.sources.normal import StandardNormal
from outcross.statistics.neighbours import graph

pytestmark = pytest.mark.usefixtures("without_charts")

OURS = (TailMass, Modes, Neighbours, W1, SlicedW2, EnergyDistance, HeldOutNats)


def points(*rows):
    """Points of one dimension from numbers, of more from tuples, (n, d)."""
    array = np.array(rows, dtype=float)
    return array[:, None] if array.ndim == 1 else array


def normal(mean=0.0, variance=1.0, d=1):
    return NormalModel(np.full(d, mean), variance * np.eye(d))


def evidence(drawn, reference=None, holdout=None, truth=None, model=None):
    parts = {
        name: part_of(HUMAN, Vectors(array))
        for name, array in {"reference": reference, "holdout": holdout}.items()
        if array is not None
    }
    human = Human(training=part_of(HUMAN, Vectors(drawn)), truth=truth, **parts)
    written = part_of(Origin("model"), Vectors(drawn))
    first = normal(d=drawn.shape[-1])
    return Evidence(
        drawn=written,
        kept=written,
        training=Training(Pool((human.training,))),
        human=human,
        model=model or first,
        first_model=first,
    )


def read(metric, compared, seed=0):
    return {
        " ".join(filter(None, key)): reading for key, reading in with_nulls(metric(compared, np.random.default_rng(seed))).items()
    }


def values(by_place):
    return {name: reading.estimate.value for name, reading in by_place.items() if reading.estimate is not None}


def one_chain(drawn, real):
    return drawn[None], real[None]


def numbers(drawn, real, k=5):
    return graph(drawn, real).numbers(k)


# By hand


def test_w1_moves_sorted_points_onto_sorted_points():
    assert transport(*one_chain(points(3, 0, 1), points(1, 3, 2)), 1).value == pytest.approx(2 / 3)
    assert transport(*one_chain(points(3, 0, 1), points(1, 3, 5)), 2).value == pytest.approx((1 + 4 + 4) / 3)
    flat = points((3, 7), (0, 7), (1, 7)), points((1, 7), (3, 7), (2, 7))  # a dimension where nothing moves halves the mean
    assert transport(*one_chain(*flat), 1).value == pytest.approx(1 / 3)


def test_energy_distance_is_over_pairs_of_different_points():
    across, among, among_real = (1 + 4 + 1 + 2) / 4, 2, 3
    assert energy(*one_chain(points(0, 2), points(1, 4))).value == pytest.approx(2 * across - among - among_real)


def test_balls_reach_to_the_nearest_neighbour():
    real, drawn = points(0, 1, 10), points(0.5, 20, 21)  # radii 1, 1, 9 and 19.5, 1, 1
    shares = numbers(drawn, real, k=1)
    assert shares == pytest.approx({"precision": 1 / 3, "recall": 1, "density": 2 / 3, "coverage": 2 / 3})


def test_tail_mass_counts_what_lies_beyond_the_real_quantiles():
    real = points(*range(999))  # beyond lies what is as far out as the 1, 10, 50, 950, 990, 999th of 999
    compared = evidence(points(-1, 0, 8, 48, 500, 950, 995, 2000), reference=real)
    beyond = {"below 0.1 %": 2, "below 1 %": 3, "below 5 %": 4, "above 95 %": 3, "above 99 %": 2, "above 99.9 %": 1}
    by_place = read(TailMass(), compared)
    assert {aspect: by_place[f"tail_mass {aspect}"].estimate.value * 8 for aspect in TAILS} == beyond
    assert by_place["tail_mass above 99.9 %"].null.typical == 0.001


def test_a_quantile_of_too_few_points_is_a_note_that_says_how_many_are_needed():
    by_place = read(TailMass(), evidence(points(1, 2), reference=points(*range(99))))
    assert by_place["tail_mass below 1 %"].estimate is not None
    assert (
        "0 human values lie that far out, but the minimum is 1; give 999 human records" in by_place["tail_mass above 99.9 %"].note
    )


@dataclass(frozen=True)
class Two:
    """Modes at 0 and 10."""

    deviation = 1.0
    centres = np.array([[0.0], [10.0]])

    def draw(self, n, chains, rng):
        return Vectors(rng.standard_normal((*chains, n, 1)) + 10 * rng.integers(2, size=(*chains, n, 1)))


def test_a_mode_is_covered_by_one_point_within_three_deviations():
    estimates = values(read(Modes(), evidence(points(-3, 0, 3, 6.9, 5), truth=Two())))
    assert estimates["modes"] == 0.5 and estimates["high_quality"] == pytest.approx(3 / 5)
    assert values(read(Modes(), evidence(points(-3, 7), truth=Two())))["modes"] == 1
    assert read(Modes(), evidence(points(0, *[0] * 99), truth=Two()))["modes"].null.typical == 1


@dataclass(frozen=True)
class Leaning(Two):
    """Two modes in the plane, long along the diagonal."""

    means = np.array([[0.0, 0.0], [10.0, 10.0]])
    covariances = np.tile([[2.0, 1.9], [1.9, 2.0]], (2, 1, 1))
    centres = property(lambda self: self.means)  # type: ignore[assignment]
    deviation = property()  # type: ignore[assignment]

    def draw(self, n, chains, rng):
        return Vectors(np.zeros((*chains, n, 2)))


def test_a_mode_that_leans_is_measured_along_its_own_axes():
    estimates = values(read(Modes(), evidence(points((4, 4), (1, -1)), truth=Leaning())))  # 2.9 deviations along, 4.5 across
    assert estimates["high_quality"] == 0.5


def test_held_out_nats_are_those_of_the_normal_law():
    real = points(-1, 0, 3)
    reading = read(HeldOutNats(), evidence(real, reference=real, model=normal(1.0, 4.0)))["held_out_nats"]
    assert reading.estimate.value == pytest.approx(0.5 * math.log(2 * math.pi * 4) + (4 + 1 + 4) / 3 / 8)
    assert reading.null.typical == pytest.approx(0.5 * math.log(2 * math.pi) + (1 + 0 + 9) / 3 / 2)


def test_a_point_without_density_is_no_number_but_a_share():
    real = points((0, 0), (0, 1), (1, 1), (1, 0))
    flat = NormalModel(np.zeros(2), np.diag([1.0, 0.0]))
    reading = read(HeldOutNats(), evidence(real, reference=real, model=flat))["held_out_nats"]
    assert reading.estimate is None and "100.0% of 4 held-out real points have no finite density" in reading.note


# As the packages of the papers


@pytest.mark.parametrize(
    ("n", "d", "scale", "shift"), [(50, 1, 1.0, 0.0), (200, 3, 0.5, 0.5), (300, 20, 1.2, 0.1), (100, 2, 0.1, 2.0)]
)
def test_precision_recall_density_and_coverage_are_those_of_prdc(n, d, scale, shift):
    from prdc import compute_prdc

    rng = np.random.default_rng(n)
    real, drawn = rng.standard_normal((n, d)), scale * rng.standard_normal((n, d)) + shift
    for k in (1, 5):
        theirs = compute_prdc(real_features=real, fake_features=drawn, nearest_k=k)
        assert numbers(drawn, real, k) == pytest.approx(theirs, abs=1e-9)


def test_the_energy_distance_squared_is_scipys_without_the_own_distance_of_each_point():
    from scipy.stats import energy_distance

    rng = np.random.default_rng(0)
    x, y = rng.standard_normal(40), 0.3 * rng.standard_normal(40) + 1
    own = sum(np.abs(side[:, None] - side).sum() for side in (x, y)) * (1 / (40 * 39) - 1 / 40**2)
    ours = energy(*one_chain(points(*x), points(*y))).value
    assert ours + own == pytest.approx(energy_distance(x, y) ** 2, rel=1e-12)


def test_w1_is_scipys_in_every_dimension():
    from scipy.stats import wasserstein_distance

    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((40, 3)), rng.exponential(size=(40, 3))
    theirs = np.mean([wasserstein_distance(x[:, i], y[:, i]) for i in range(3)])
    assert transport(*one_chain(x, y), 1).value == pytest.approx(theirs, rel=1e-12)


# On any points


SOME = st.tuples(st.integers(12, 30), st.integers(1, 3)).flatmap(
    lambda shape: st.tuples(*[arrays(np.float64, shape, elements=st.integers(-8, 8).map(lambda i: i / 4))] * 2)
)
"""Two samples with many ties."""


@settings(max_examples=40, deadline=None)
@given(SOME)
def test_a_sample_compared_with_itself_has_lost_nothing(pair):
    same, _ = pair
    shares = numbers(same, same)
    assert shares["precision"] == shares["recall"] == shares["coverage"] == 1 and shares["density"] >= 1
    assert transport(*one_chain(same, same), 1).value == transport(*one_chain(same, same), 2).value == 0
    assert energy(*one_chain(same, same)).value <= 1e-12  # unbiased: below 0 by the own distances that it leaves out


@settings(max_examples=40, deadline=None)
@given(SOME)
def test_precision_and_recall_are_each_other_with_the_roles_swapped(pair):
    forwards, backwards = numbers(*pair), numbers(*pair[::-1])
    assert (forwards["precision"], forwards["recall"]) == (backwards["recall"], backwards["precision"])
    for distance in (lambda *both: transport(*both, 1), lambda *both: transport(*both, 2), energy):
        assert distance(*one_chain(*pair)).value == pytest.approx(distance(*one_chain(*pair[::-1])).value, abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(SOME, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_changes_nothing(pair, shuffler):
    drawn, real = pair
    order = list(range(len(drawn)))
    shuffler.shuffle(order)
    for metric in (TailMass(), W1(), SlicedW2(projections=5), EnergyDistance(), Neighbours(k=2), HeldOutNats()):
        before, after = (
            read(metric, evidence(synthetic, reference=other)) for synthetic, other in ((drawn, real), (drawn[order], real[order]))
        )
        assert values(before) == pytest.approx(values(after), abs=1e-9), kind(metric)
        assert {name: reading.note for name, reading in before.items()} == {name: reading.note for name, reading in after.items()}


@settings(max_examples=40, deadline=None)
@given(SOME)
def test_many_chains_read_what_each_of_them_reads(pair):
    drawn, real = pair
    both = np.stack((drawn, real)), np.stack((real, drawn))
    alone = (np.mean, lambda distance: [distance(*one_chain(*pair)).value, distance(*one_chain(*pair[::-1])).value])
    for distance in (lambda *both: transport(*both, 1), lambda *both: transport(*both, 2), energy):
        assert distance(*both).value == pytest.approx(alone[0](alone[1](distance)), abs=1e-9)
    at = Limit(np.zeros(drawn.shape[1]), 0.5)
    assert mass(both[0], at, "upper").value == pytest.approx((mass(drawn, at, "upper").value + mass(real, at, "upper").value) / 2)


def test_points_that_are_all_alike_are_precise_and_reach_nothing():
    real, drawn = np.random.default_rng(0).standard_normal((100, 2)), np.full((100, 2), 0.1)
    by_place = read(Neighbours(), evidence(drawn, reference=real))
    assert values(by_place)["point_precision"] == 1 and values(by_place)["point_recall"] == 0
    assert by_place["point_recall"].estimate.high > 0.03  # and there is a width at 0


# Floors and known values, over chains; 4.5 standard errors: a false alarm in 150,000


def over(metric, drawn, truth, seed=0):
    return {
        name: reading.estimate
        for name, reading in read(metric, evidence(drawn, truth=truth), seed).items()
        if reading.estimate is not None
    }


def holds(estimate, value):
    return abs(estimate.value - value) < 4.5 * estimate.standard_error


def test_floors_are_what_theory_says_of_two_real_samples():
    n, k, truth = 30, 3, StandardNormal(2)
    drawn = truth.draw(n, (400,), np.random.default_rng(1)).array
    estimates = over(Neighbours(k=k, chains=400), drawn, truth)
    missed = math.prod((n - i) / (2 * n - i) for i in range(1, k + 1))
    for aspect in ("", " null"):  # Naeem et al., Lemmas 1 and 2
        assert holds(estimates[f"point_density{aspect}"], 1) and holds(estimates[f"point_coverage{aspect}"], 1 - missed)
        assert holds(over(EnergyDistance(), drawn, truth)[f"energy_distance{aspect}"], 0)
        assert holds(over(HeldOutNats(), drawn, truth)[f"held_out_nats{aspect}"], 1 + math.log(2 * math.pi))


def test_distances_of_points_at_the_mean_are_moments_of_the_normal_law():
    truth, drawn = StandardNormal(1), np.zeros((2000, 20, 1))
    assert holds(over(W1(), drawn, truth)["w1"], math.sqrt(2 / math.pi))
    assert holds(over(SlicedW2(chains=2000), drawn, truth)["sliced_w2"], 1)
    assert holds(over(EnergyDistance(), drawn, truth)["energy_distance"], (2 * math.sqrt(2) - 2) / math.sqrt(math.pi))


@dataclass(frozen=True)
class Known(StandardNormal):
    """A normal law that knows its quantiles."""

    def quantile(self, q):
        from scipy.special import ndtri

        return np.full(self.dimensions, ndtri(q))


def test_tail_mass_of_a_narrower_law_is_that_of_its_quantiles():
    from scipy.special import ndtr, ndtri

    drawn = 0.7 * np.random.default_rng(0).standard_normal((500, 100, 2))
    for truth in (Known(2), StandardNormal(2)):
        estimates = over(TailMass(), drawn, truth)
        for aspect, (tail, _) in TAILS.items():
            assert holds(estimates[f"tail_mass {aspect}"], ndtr(ndtri(tail) / 0.7)), aspect
    assert estimates["tail_mass below 1 %"].n == drawn.size


# In the loop


def test_what_takes_time_is_read_only_where_it_is_asked_for():
    settings = {"name": "v", "human": {"distribution": "normal"}, "learner": "gaussian"}
    names = [kind(metric) for metric in experiment(settings).measured]
    assert {"fitted_law", "tail_mass"} <= set(names) and not {"neighbours", "modes", "w1", "energy_distance"} & set(names)
    asked = experiment(settings | {"metrics": ["neighbours", "w1"]}).measured
    assert [kind(metric) for metric in asked] == ["neighbours", "w1"]


@pytest.mark.parametrize("chains", [1, 300])
def test_every_reading_of_a_run_has_a_number_or_a_reason(chains):
    settings = {
        "name": "v",
        "human": {"distribution": "normal", "dimensions": 2, "rows": 40},
        "learner": "gaussian",
        "draw": {"prompts": "none"},
        "generations": 2,
        "chains": chains,
        "metrics": [kind(metric()) for metric in OURS],
    }
    for generation in run(experiment(settings)):
        spec = {(reading.measure, reading.at): reading for reading in generation.measured}
        assert {name for name, _ in spec} == {page for metric in OURS for page in metric.pages}
        for (name, _), reading in spec.items():
            assert (reading.estimate is None) == (name in ("modes", "high_quality")), reading
        assert all(
            spec[name, ""].null is not None for name in ("w1", "sliced_w2", "energy_distance", "point_recall", "held_out_nats")
        )
        if chains > 1:
            assert spec["sliced_w2", ""].estimate.n == 200 and spec["w1", ""].estimate.n == 300


def test_a_file_of_points_is_compared_with_its_held_out_rows(tmp_path):
    for rows, floor in ((200, True), (290, False)):
        np.save(tmp_path / "points.npy", np.random.default_rng(0).standard_normal((600, 2)))
        human = {"array": str(tmp_path / "points.npy"), "rows": rows}
        settings = {"name": "v", "human": human, "learner": "gaussian", "draw": {"prompts": "none"}, "generations": 1, "rows": 250}
        (generation,) = run(experiment(settings | {"metrics": ["w1", "neighbours", "modes"]}))
        spec = {(reading.measure, reading.at): reading for reading in generation.measured}
        assert spec["w1", ""].estimate.n == spec["point_recall", ""].estimate.n == min(rows, 250)
        assert (spec["w1", ""].null is not None) == (spec["point_recall", ""].null is not None) == floor
        assert "finite set" in spec["modes", ""].note


def test_points_that_are_no_numbers_are_refused_with_their_share():
    compared = evidence(points(0, np.nan, 1, np.inf), reference=points(0, 1, 2, 3))
    for metric in (W1(), EnergyDistance(), Neighbours(), TailMass()):
        with pytest.raises(NotApplicable, match=r"50.0% of the drawn coordinates are not finite"):
            list(metric(compared, np.random.default_rng(0)))


def test_ours_are_members():
    assert all(measure(kind(metric())) is metric for metric in OURS)


@pytest.mark.filterwarnings("error")
def test_a_true_covariance_that_is_singular_in_double_precision_has_no_log_variance():
    human = {"distribution": "regression", "rows": 9, "dimensions": 2, "coefficient": 2**63}
    settings = {"name": "a", "human": human, "learner": "regression", "chains": 3, "generations": 1, "draw": {"prompts": "human"}}
    (generation,) = outcross.run(settings)
    (reading,) = (reading for reading in generation.measured if reading.measure == "log_variance")
    assert reading.estimate is None and "singular in double precision" in reading.note
