"""Numbers of NumPy are numbers, and only exactly: the strict types of an experiment stay strict."""

import numpy as np
import pytest
import yaml

import outcross
from outcross.errors import BadInput
from outcross.policies.human_share import HumanShare
from outcross.recipe import plain

BASE = {"name": "mine", "human": {"distribution": "normal", "rows": 100}, "learner": "gaussian", "draw": {"prompts": "none"}}


def test_numpys_scalars_make_the_experiment_that_pythons_make():
    settings = {
        "name": np.str_("mine"),
        "human": {"distribution": "normal", "rows": np.int64(100)},
        "learner": {"kind": "gaussian", "known_variance": np.float64(2.0)},
        "policy": {"kind": "human_share", "share": np.float32(0.5), "align": np.False_},
        "draw": {"prompts": "none", "temperature": np.float64(0.5)},
        "rows": np.uint16(7),
        "chains": np.int32(10),
        "seed": np.int8(3),
    }
    same = {
        "name": "mine",
        "human": {"distribution": "normal", "rows": 100},
        "learner": {"kind": "gaussian", "known_variance": 2.0},
        "policy": {"kind": "human_share", "share": 0.5, "align": False},
        "draw": {"prompts": "none", "temperature": 0.5},
        "rows": 7,
        "chains": 10,
        "seed": 3,
    }
    with_numpy = outcross.experiment(settings)
    assert with_numpy == outcross.experiment(same)
    assert yaml.safe_load(yaml.safe_dump(plain(with_numpy))) == plain(with_numpy)


def test_numpys_numbers_may_be_swept_over():
    swept = outcross.arms(BASE | {"sweep": {"human.rows": list(np.array([20, 50])), "seed": list(np.arange(2))}})
    assert [(arm.name, arm.experiment.seed) for arm in swept] == [(f"replace,rows={n}", seed) for n in (20, 50) for seed in (0, 1)]


@pytest.mark.parametrize(
    "changes",
    [
        {"chains": np.float64(10)},
        {"chains": np.True_},
        {"seed": np.array([1])},
        {"rows": np.True_},
        {"seed": np.datetime64(3, "D")},
    ],
)
def test_numpys_values_of_another_type_are_refused(changes):
    with pytest.raises(BadInput, match=next(iter(changes))):
        outcross.experiment(BASE | changes)


def test_settings_by_position_are_refused_with_their_names():
    with pytest.raises(BadInput, match=r"^HumanShare takes its settings by name: HumanShare\(share=0\.2\)$"):
        HumanShare(0.2)  # type: ignore[misc]
