"""What arms differ in is found from what they were told, and a grid is drawn only where every setting meets every other."""

from outcross.experiment.arms import arms
from outcross.experiment.settings import families, flat_settings, is_crossed, settings

BASE = {"name": "a", "human": {"distribution": "normal", "rows": 20}, "learner": "gaussian", "draw": {"prompts": "none"}}


def differing(**changes):
    return settings(flat_settings(arms(BASE | changes)))


def test_a_sweep_is_found_again_the_policy_first():
    differences = differing(
        sweep={"human.rows": [50, 20], "policy": ["replace", {"kind": "human_share", "share": 0.1}], "seed": [0, 1]}, generations=3
    )
    assert [setting.key for setting in differences] == ["policy", "human.rows"]
    assert differences[0].values == ("replace", "human_share=0.1") and differences[1].values == (20, 50)
    assert differences[1].is_number and not differences[0].is_number
    assert differences[0].in_words("replace") == "replace" and differences[1].in_words(50) == "human.rows = 50"
    assert is_crossed(differences)


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
    listed = [{"name": "a", "generations": 3, "chains": 5}, {"name": "b", "generations": 4, "chains": 6, "metrics": ["fitted_law"]}]
    assert differing(arms=listed) == ()


def test_arms_that_differ_in_two_settings_are_no_family():
    both = {f"arm{n}": {"human.rows": n, "draw.temperature": 1 / n, "seed": n} for n in (1, 2, 4)}
    assert families(both) == ()
    settings_of_arms = {f"arm{n}": {"human.rows": n, "draw.temperature": 1.0, "learner.steps": None} for n in (1, 2, 4)}
    assert [(family.setting, family.arms) for family in families(settings_of_arms)] == [
        ("human.rows", ((1, "arm1"), (2, "arm2"), (4, "arm4")))
    ]


def test_a_number_that_some_arms_lack_makes_a_family_of_the_others():
    swept = arms(BASE | {"learner": {"kind": "regression"}, "human": {"distribution": "regression", "dimensions": 2, "rows": 20}} | {
        "arms": [{}, {"learner.steps": 4}, {"learner.steps": 8}, {"learner.steps": 16}]
    })  # fmt: skip
    (family,) = families(flat_settings(swept))
    assert family.setting == "learner.steps" and [number for number, _ in family.arms] == [4, 8, 16]


def test_doses_of_one_policy_are_a_family_beside_other_policies():
    shares = [{"kind": "human_share", "share": share} for share in (0.1, 0.2, 0.4)]
    swept = arms(BASE | {"sweep": {"policy": ["replace", *shares], "human.rows": [10, 20, 40]}})
    settings = {(family.setting, family.among): len(family.arms) for family in families(flat_settings(swept))}
    assert settings == {
        ("human.rows", among): 3 for among in ("replace", *(f"human_share={share}" for share in (0.1, 0.2, 0.4)))
    } | {("policy.share", f"human.rows = {rows}"): 3 for rows in (10, 20, 40)}
