"""What arms differ in is found from what they were told, and a grid is drawn only where every setting meets every other."""

from outcross.arms import arms
from outcross.settings import flat_settings, is_crossed, settings

BASE = {"name": "a", "human": {"distribution": "normal", "rows": 20}, "learner": "gaussian", "draw": {"prompts": "none"}}


def differing(**told):
    return settings(flat_settings(arms(BASE | told)))


def test_a_sweep_is_found_again_the_policy_first():
    found = differing(
        sweep={"human.rows": [50, 20], "policy": ["replace", {"kind": "human_share", "share": 0.1}], "seed": [0, 1]}, generations=3
    )
    assert [one.key for one in found] == ["policy", "human.rows"]
    assert found[0].values == ("replace", "human_share=0.1") and found[1].values == (20, 50)
    assert found[1].is_number and not found[0].is_number
    assert found[0].told("replace") == "replace" and found[1].told(50) == "human.rows = 50"
    assert is_crossed(found)


def test_a_dose_of_one_policy_is_a_number():
    (share,) = differing(policy={"kind": "human_share", "share": 0.1}, sweep={"policy.share": [0.1, 0.5]})
    assert (share.key, share.values, share.is_number) == ("policy.share", (0.1, 0.5), True)


def test_arms_that_leave_combinations_out_are_not_crossed():
    listed = [{"policy": "replace"}, {"policy": "accumulate"}, {"policy": "replace", "draw.temperature": 0.5}]
    assert not is_crossed(differing(arms=listed))
    assert not is_crossed(differing(sweep={"policy": ["replace", "accumulate"]}))


def test_settings_that_nothing_tells_apart_are_one():
    (rows,) = differing(arms=[{"human.rows": 20, "draw.temperature": 1.0}, {"human.rows": 50, "draw.temperature": 0.5}])
    assert rows.name == "draw.temperature with human.rows"


def test_rows_that_grow_beside_rows_that_do_not_are_words():
    (rows,) = differing(sweep={"rows": ["constant", 30, {"grow": 2}]})
    assert rows.key == "rows" and not rows.is_number
    assert rows.values == ("constant", 30, "grow=2")


def test_more_generations_chains_and_metrics_are_no_settings():
    listed = [{"name": "a", "generations": 3, "chains": 5}, {"name": "b", "generations": 4, "chains": 6, "metrics": ["spread"]}]
    assert differing(arms=listed) == ()
