"""What an experiment file says survives being written out, and arms are named by what differs."""

import pytest

from outcross.errors import BadInput
from outcross.experiment.arms import arms, resolved
from outcross.experiment.file import builtin, load, parse
from outcross.files.plain_yaml import dump

BASE = {"name": "a", "human": {"distribution": "normal", "rows": 20}, "learner": "gaussian", "draw": {"prompts": "none"}}
SWEEPS = [
    {"sweep": {"policy": ["replace", {"kind": "human_share", "share": 0.5}], "seed": [0, 1]}},
    {"policy": {"kind": "human_share", "share": 0.1}, "sweep": {"policy.share": [0.1, 0.2]}},
    {"sweep": {"human.rows": [20, 50], "draw.temperature": [1.0, 0.5]}},
    {
        "arms": [
            {"policy": "replace"},
            {"name": "two", "policy": {"kind": "weighted", "weight": "golden", "rows": "fresh", "human": 5}},
        ]
    },
    {"sweep": {"rows": ["constant", 30, {"grow": 2}]}},
    {"arms": [{"name": "alone", "policy": "replace"}]},
]


@pytest.mark.parametrize("changes", SWEEPS, ids=str)
def test_a_resolved_experiment_makes_the_same_arms(changes):
    resolved_arms = arms(BASE | changes)
    assert arms(parse(dump(resolved(resolved_arms)), "resolved")) == resolved_arms


OF_A_FILE = ("shakespeare", "languages", "fairness-compas", "fairness-text")
"""Experiments that say which file they need."""


@pytest.mark.parametrize("name", [name for name in builtin() if name not in OF_A_FILE])
def test_a_built_in_experiment_makes_the_same_arms_once_resolved(name):
    resolved_arms = arms(load(name))
    assert arms(parse(dump(resolved(resolved_arms)), name)) == resolved_arms


def test_arms_are_named_by_what_they_set():
    assert [arm.name for arm in arms(load("stdlib"))] == [
        "replace",
        "human_share=0.1",
        "accumulate",
        "human_only",
        "replace,temperature=1",
    ]
    assert [arm.name for arm in arms(BASE | SWEEPS[1])] == ["human_share=0.1", "human_share=0.2"]
    assert [arm.name for arm in arms(BASE | SWEEPS[4])] == ["replace,constant", "replace,rows=30", "replace,grow=2"]


def test_a_thousand_seeds_are_chains():
    with pytest.raises(
        BadInput, match=r"seed takes 1,000 values, and the maximum is 100 .* write chains: 1000 in place of the seeds"
    ):
        arms(BASE | {"sweep": {"seed": list(range(1000))}})
    with pytest.raises(BadInput, match="write chains: 1010 in place"):
        arms(BASE | {"chains": 10, "sweep": {"seed": list(range(101)), "policy": ["replace", "accumulate"]}})
    assert len(arms(BASE | {"sweep": {"seed": list(range(100))}})) == 100


def test_what_has_no_chains_may_have_any_number_of_seeds():
    text = {"name": "t", "human": {"text": "stdlib"}, "learner": "ngram", "sweep": {"seed": list(range(101))}}
    assert len(arms(text)) == 101
    array = BASE | {"human": {"array": "points.npy"}, "sweep": {"seed": list(range(101))}}
    assert len(arms(array)) == 101


def test_two_different_arms_never_share_a_name():
    with pytest.raises(BadInput, match="which only seeds of one arm may share"):
        arms(BASE | {"arms": [{"name": "x", "seed": 0, "policy": "replace"}, {"name": "x", "seed": 1, "policy": "accumulate"}]})
