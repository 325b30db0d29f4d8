"""Promises of every policy's plan: it says what is drawn, before anything is drawn."""

import json

import numpy as np
import pytest

import outcross
from outcross.cli import main
from outcross.collapse.closed_forms import law_arguments
from outcross.data import HUMAN, Human, Inventory, Made, Origin, Part, Plan, Pool, Take, mix, part_of
from outcross.data.plans import lines
from outcross.data.records import Vectors
from outcross.errors import BadInput
from outcross.experiment.file import parse
from outcross.policies import POLICIES
from outcross.recipe import read

NEEDED = {
    "human_share": {"share": 0.25},
    "fresh": {"human": 10},
    "weighted": {"weight": 0.3},
    "detector_weighted": {"share": 0.5, "detector": "oracle", "draws": 1.0},
}
SETTINGS = [
    *({"kind": name} | NEEDED.get(name, {}) for name in POLICIES),
    {"kind": "human_share", "share": 0},
    {"kind": "human_share", "share": 1},
    {"kind": "human_share", "share": 0.5, "rows": "fixed"},
    {"kind": "weighted", "weight": "golden", "rows": "fresh", "human": 7},
    {"kind": "crawl", "rise": 0.5},
]


def gaussian(**settings):
    return outcross.experiment(
        {"name": "plans", "human": {"distribution": "normal", "rows": 100}, "learner": "gaussian", "generations": 5} | settings
    )


def named(settings):
    return ",".join(f"{value}" for value in settings.values())


def points(n, seed):
    return Vectors(np.random.default_rng(seed).standard_normal((n, 2)))


class Normal:
    """What people go on to write."""

    def draw(self, n, chains, rng):
        return Vectors(rng.standard_normal((n, 2)))


def pool_of(generations, n=20):
    training = part_of(HUMAN, points(n, 0), "human")
    pool = Pool((training,))
    for g in range(generations):
        records = points(n, g + 1)
        pool += Part(Origin("model", f"m{g}", g), Made(f"drawn {g}", n, lambda records=records: records), n)
    return pool, Human(training=training, truth=Normal())


@pytest.mark.parametrize("generations", [1, 2, 5])
@pytest.mark.parametrize("settings", SETTINGS, ids=named)
def test_what_is_drawn_is_what_the_plan_says(settings, generations):
    pool, human = pool_of(generations)
    plan = read(POLICIES, settings, "policy").plan(Inventory.of(pool, 20))
    taken = mix(plan, pool, human, np.random.default_rng(0)).pool
    assert len(taken) == len(plan) > 0
    if all(take.what != "all" for take in plan.takes):
        assert len(taken.human) == plan.human_rows + plan.fresh_rows
        oldest = min((part.origin.generation for part in taken.models.parts), default=generations)
        assert plan.reach is None or oldest >= generations - plan.reach
    assert taken.is_weighted == any(take.weight is not None for take in plan.takes)


@pytest.mark.parametrize("settings", SETTINGS, ids=named)
def test_the_plans_of_an_experiment_are_those_of_its_run(settings):
    experiment = gaussian(policy=settings, metrics=["fitted_law"])
    planned = [len(plan) for _, plan in experiment.plans()]
    assert planned == [len(generation.training.value) for generation in outcross.run(experiment)]


def test_an_inventory_counts_back_from_the_newest_generation():
    there = Inventory(3, 100, np.array([0, 10, 30, 60]))
    assert (there.newest, there.written(1), there.written(2), there.written(9), there.written()) == (30, 30, 50, 60, 60)
    assert there.available(Take(what="all", rows=1)) == 160
    assert Inventory(0, 100, np.array([0])).newest == 100


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"policy": {"kind": "human_share", "share": 0.5}, "rows": 300},
            "needs 150 original human records for 300 .* at generation 1, and there are 100",
        ),
        (
            {"policy": {"kind": "human_share", "share": 0.5}, "rows": {"grow": 1.3}},
            r"needs 110 original .* at generation 3, and there are 100",
        ),
        ({"policy": {"kind": "human_share", "share": 0.9}, "rows": 112}, "needs 101 original human records for 112"),
    ],
)
def test_what_no_generation_can_have_is_refused_with_the_generation_and_the_count(settings, said):
    with pytest.raises(BadInput, match=said):
        gaussian(**settings)


def test_fresh_only_reads_no_human_record_twice_and_ends_with_the_reserve(tmp_path):
    path = tmp_path / "points.npy"
    np.save(path, np.random.default_rng(0).standard_normal((102, 1)))
    settings = {"name": "fresh", "human": {"array": str(path), "rows": 20}, "learner": "gaussian", "policy": "fresh_only"}
    run = outcross.run(outcross.experiment(settings | {"generations": 3}))
    values = np.concatenate([generation.training.value.records.array.ravel() for generation in run])
    assert len(values) == 60 and len(np.unique(values)) == 60
    with pytest.raises(BadInput, match="policy fresh_only takes 20 more for generation 3, when 2 in reserve are left"):
        list(outcross.run(outcross.experiment(settings | {"generations": 4})))


def test_a_plan_that_takes_more_than_there_is_cannot_be_drawn():
    pool, human = pool_of(1)
    with pytest.raises(BadInput, match="41 records were requested of 20"):
        mix(Plan((Take(what="human", rows=41, max_repeats=2),)), pool, human, np.random.default_rng(0))


@pytest.mark.parametrize("rows", [20, 33, 40])
def test_a_record_is_repeated_no_more_often_than_the_plan_allows(rows):
    pool, human = pool_of(1)
    taken = mix(Plan((Take(what="human", rows=rows, choice="redrawn", max_repeats=2),)), pool, human, np.random.default_rng(0))
    _, times = np.unique(taken.records.array[:, 0], return_counts=True)
    assert len(taken) == times.sum() == rows and times.max() == -(-rows // 20)


def test_a_human_share_of_nothing_is_replace_and_of_all_is_human_only():
    for share, name in ((0, "replace"), (1, "human_only")):
        shared, plain = (gaussian(policy=policy) for policy in ({"kind": "human_share", "share": share}, name))
        assert [plan for _, plan in shared.plans()] == [plan for _, plan in plain.plans()]
        assert law_arguments(shared) == law_arguments(plain) and law_arguments(shared)["policy_kind"] == name
        readings = [[reading for generation in outcross.run(each) for reading in generation.measured] for each in (shared, plain)]
        assert readings[0] == readings[1]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("replace", {"policy_kind": "replace"}),
        ("human_only", {"policy_kind": "human_only"}),
        ("accumulate", {"policy_kind": "accumulate"}),
        ("accumulate_subsample", {"policy_kind": "accumulate_subsample"}),
        ("augment", {"policy_kind": "augment"}),
        ({"kind": "fresh", "human": 7}, {"policy_kind": "fresh", "human": 7}),
        ("fresh_only", None),
        ({"kind": "human_share", "share": 0.3}, {"policy_kind": "human_share", "human_share": 0.3, "rows": "redrawn"}),
        (
            {"kind": "human_share", "share": 0.3, "rows": "fixed"},
            {"policy_kind": "human_share", "human_share": 0.3, "rows": "fixed"},
        ),
        ({"kind": "weighted", "weight": 0.4}, {"policy_kind": "weighted", "weight": 0.4, "rows": "fixed"}),
        (
            {"kind": "weighted", "weight": 0.4, "rows": "fresh", "human": 7},
            {"policy_kind": "weighted", "weight": 0.4, "rows": "fresh", "human": 7},
        ),
        ({"kind": "crawl", "rise": 0.1}, None),
        ({"kind": "crawl", "rise": 0.001}, {"policy_kind": "human_only"}),
    ],
)
def test_the_closed_form_follows_from_the_plans(policy, expected):
    arguments = law_arguments(gaussian(policy=policy))
    named = {"policy_kind", "human", "human_share", "rows", "weight"}
    assert ({name: value for name, value in arguments.items() if name in named} or None) == expected


def test_a_plan_is_said_in_a_few_lines():
    said = [
        lines([(there.generation, plan) for there, plan in gaussian(policy=policy, generations=40).plans()][1:])
        for policy in ({"kind": "human_share", "share": 0.1}, "accumulate", "accumulate_subsample")
    ]
    assert said[0] == ["g1 … g39: 10 original human records (redrawn), 90 newest model records (redrawn)"]
    assert len(said[1]) == 6 and said[1][-1] == "g39: 100 original human records, 3,900 model records of all generations"
    assert said[2] == ["g1 … g39: 100 human and model records of all generations (redrawn)"]


def test_show_prints_the_plan_of_every_arm_below_the_experiment(capsys, tmp_path):
    (tmp_path / "e.yaml").write_text(
        "human: {distribution: normal, rows: 1000}\nlearner: gaussian\nsweep: {policy: [replace, {kind: human_share, share: 0.1}]}\n"
    )
    with pytest.raises(SystemExit, match="0"):
        main(["show", str(tmp_path / "e.yaml")])
    printed = capsys.readouterr().out
    assert "# What replace learns from:\n# g1 … g5: 1,000 newest model records\n" in printed
    unwrapped = printed.replace("\n#   ", " ")  # a plan longer than the terminal goes on in the next line
    assert "# g1 … g5: 100 original human records (redrawn), 900 newest model records (redrawn)\n" in unwrapped
    with pytest.raises(SystemExit, match="0"):
        main(["show", str(tmp_path / "e.yaml"), "--json"])
    shown = json.loads(capsys.readouterr().out)
    assert parse(printed, "printed") == shown["experiment"]  # the plans are comments
    assert shown["plan"]["replace"] == ["g1 … g5: 1,000 newest model records"]
