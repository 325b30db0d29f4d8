"""Any key of an experiment may be changed on the command line, and what a file leaves to its defaults stays what it was."""

import json

import pytest
import yaml

from outcross.cli import main
from outcross.errors import BadInput
from outcross.experiment import experiment
from outcross.experiment.arms import arms, described, resolved
from outcross.experiment.file import builtin, load, override
from outcross.recipe import flatten, kind

NEEDS_TEXT = {
    "languages": ("human.path=sentences.parquet",),
    "fairness-compas": ("human.path=compas.parquet",),
    "fairness-text": ("human.path=texts.parquet",),
    "shakespeare": ("human.path=a.txt",),
}
WITHOUT_SWEEP = {"surpass": ("sweep=null",), "sculpt": ("sweep=null",)}
"""Hundreds of arms and seeds are made by crossing a few with a sweep, which changes no key that they leave alone."""
BASE = {"name": "a", "human": {"distribution": "normal", "rows": 20}, "learner": "gaussian", "draw": {"prompts": "none"}}


def shown(name, *settings):
    given = {word.partition("=")[0] for word in settings}
    needed = [word for word in ("arms=null", "sweep=null", *NEEDS_TEXT.get(name, ())) if word.partition("=")[0] not in given]
    return resolved(arms(load(name, (*needed, *settings))))


def on_the_command_line(key, value):
    return f"{key}={yaml.safe_dump(value, default_flow_style=True, width=10_000).removesuffix('...' + chr(10)).strip()}"


@pytest.mark.parametrize("name", builtin())
def test_setting_any_key_to_the_value_that_show_prints_changes_nothing(name):
    before = shown(name)
    keys = flatten(before)
    assert {"human.kind", "learner.kind", "policy.kind", "draw.temperature", "generations"} <= set(keys)
    for key, value in keys.items():
        assert shown(name, on_the_command_line(key, value)) == before, key
    assert shown(name, *(on_the_command_line(key, value) for key, value in keys.items())) == before


@pytest.mark.parametrize("name", builtin())
def test_setting_a_key_that_the_arms_leave_alone_changes_no_arm(name):
    always = (*NEEDS_TEXT.get(name, ()), *WITHOUT_SWEEP.get(name, ()))
    before = resolved(arms(load(name, always)))
    for key, value in flatten({key: value for key, value in before.items() if key not in ("arms", "human", "policy")}).items():
        assert resolved(arms(load(name, (*always, on_the_command_line(key, value))))) == before, key


@pytest.mark.parametrize(
    "start",
    [None, "pretrained", {"pretrained": {"batch": 8}}, {"kind": "pretrained", "batch": 8}],
    ids=["left out", "word", "keyed", "kind"],
)
def test_a_nested_key_reaches_every_way_in_which_its_parent_may_be_written(start):
    recipe = (
        BASE | {"human": {"text": "stdlib"}, "learner": "transformer"} | ({} if start is None else {"training": {"start": start}})
    )
    changed = experiment(override(recipe, {"training.start.steps": 200}))
    assert changed.training.start.steps == 200
    assert changed.training.start.batch == (8 if isinstance(start, dict) else 16)


def test_rows_that_are_a_word_can_be_made_to_grow():
    assert experiment(override(BASE, {"rows.grow": 1.5})).rows.grow == 1.5


def test_a_sweep_that_is_a_setting_sets_a_part_of_another_setting():
    swept = arms(load("gaussian", ["arms=null", "policy=human_share", "sweep={policy.share: [0.1, 0.5]}"]))
    assert [arm.experiment.policy.share for arm in swept] == [0.1, 0.5]
    with pytest.raises(BadInput, match=r"policy\.share is set by the arms"):
        load("gaussian", ["arms=null", "policy.share=0.2", "sweep={policy.share: [0.1, 0.5]}"])


def test_a_sweep_reaches_a_nested_default():
    recipe = BASE | {"human": {"text": "stdlib"}, "learner": "transformer", "sweep": {"training.start.steps": [100, 200]}}
    assert [arm.experiment.training.start.steps for arm in arms(recipe)] == [100, 200]


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("generations.x", "generations is 3, which has no x"),
        ("draw.x", "draw.x is not known"),
        ("policy.share", "policy.share is not known"),
        ("training.start.stepz", "training.start.stepz is not known; did you mean 'steps'"),
        ("human.text", "human.text is '1', but human.kind is 'normal'; write only one of them"),
    ],
)
def test_a_nested_key_that_its_parent_has_not_is_refused_by_its_name(key, message):
    base = BASE | {"generations": 3} | ({"human": {"kind": "normal"}} if key == "human.text" else {})
    base |= {"human": {"text": "stdlib"}, "learner": "transformer"} if key.startswith("training") else {}
    with pytest.raises(BadInput) as refused:
        experiment(override(base, {key: 1}))
    assert message in str(refused.value)


def test_a_schedule_for_a_learner_that_does_not_train_is_refused_with_the_words_that_take_it_away():
    with pytest.raises(BadInput, match=r"training has no meaning for ngram.*add training=null to the command"):
        arms(load("stdlib", ("learner=ngram",)))
    assert {kind(arm.experiment.learner) for arm in arms(load("stdlib", ("learner=ngram", "training=null")))} == {"ngram"}


@pytest.mark.parametrize("name", NEEDS_TEXT)
def test_an_experiment_for_text_of_ones_own_is_described_with_the_path_that_is_missing(name):
    recipe, missing = described(load(name))
    assert missing == ("human.path",) and recipe["human"]["path"] is None
    with_text = resolved(arms(load(name, ("human.path=a.txt",))))
    assert resolved(arms(override(recipe, {"human.path": "a.txt"}))) == with_text
    assert described(load(name, ("human.path=a.txt",))) == (with_text, ())
    with pytest.raises(BadInput, match=r"human must say where the data come from; add human\.path=FILE"):
        arms(recipe)
    assert described(recipe) == (recipe, missing)


def test_arms_that_each_bring_their_text_lack_nothing():
    recipe = BASE | {"human": {"held_out": 0.2}, "learner": "ngram", "sweep": {"human.path": ["a.txt", "b.txt"]}}
    assert described(recipe) == (resolved(arms(recipe)), ())


def test_show_names_what_is_missing_and_run_refuses_it_in_one_line(capsys):
    with pytest.raises(SystemExit):
        main(["show", "shakespeare"])
    shown_text = capsys.readouterr().out
    assert shown_text.startswith("# human.path is missing") and yaml.safe_load(shown_text)["learner"]["kind"] == "transformer"
    with pytest.raises(SystemExit):
        main(["show", "shakespeare", "--json"])
    assert json.loads(capsys.readouterr().out)["missing"] == ["human.path"]
    with pytest.raises(SystemExit) as ended:
        main(["run", "shakespeare"])
    assert ended.value.code == 2
    assert capsys.readouterr().err.splitlines() == [
        "outcross: human must say where the data come from; add human.path=FILE (or human.hub=ID) to the command, "
        f"as shakespeare says: {builtin()['shakespeare'].read_text().splitlines()[0].lstrip('# ')}"
    ]


def names(metrics):
    return [kind(measure) for measure in experiment(BASE | {"metrics": metrics}).measured]


def test_a_plus_adds_a_metric_to_the_defaults_and_a_minus_leaves_one_out():
    defaults = [kind(measure) for measure in experiment(BASE).measured]
    assert "w1" not in defaults and len(defaults) > 1
    assert names(["+w1"]) == [*defaults, "w1"]
    assert names([f"-{defaults[0]}", "+w1"]) == [*defaults[1:], "w1"]
    assert names([f"+{defaults[0]}"]) == defaults
    assert names(["w1"]) == ["w1"]


def test_a_metric_that_is_added_may_have_settings():
    text = BASE | {"human": {"path": "a.csv", "text_column": "text", "group_column": "lang"}, "learner": "ngram"}
    for metric_written in ({"kind": "+text_groups", "each": True}, {"+text_groups": {"each": True}}):
        groups = [metric for metric in experiment(text | {"metrics": [metric_written]}).metrics if kind(metric) == "text_groups"]
        assert [group.each for group in groups] == [True]


def test_the_resolved_experiment_lists_every_metric():
    recipe = resolved(arms(load("gaussian", ("metrics=[+w1]",))))
    listed = [metric["kind"] for metric in recipe["metrics"]]
    assert "fitted_law" in listed and listed[-1] == "w1" and not any(name[0] in "+-" for name in listed)
    assert resolved(arms(recipe)) == recipe


@pytest.mark.parametrize(
    ("metrics", "why"),
    [
        (["+w1", "fitted_law"], "metrics mixes .\\+w1., .* with .fitted_law., .*a sign before every name, or before none"),
        (["-w1"], "metrics leaves out w1, which is not measured by default here; the defaults are"),
        (["+w1", "-w1"], "metrics names w1 twice"),
        (["+w2"], "unknown metrics 'w2'"),
        (["-w2"], "unknown metrics 'w2'"),
        (["+"], "unknown metrics ''"),
        ([{"kind": "-fitted_law", "each": True}], "takes no settings"),
        (["-fitted_law", "-tail_mass"], "leaves out every default"),
        ("+w1", "metrics must be a list"),
        (["+support"], "the metric support reads counts"),
    ],
)
def test_changes_to_the_metrics_that_do_not_fit_are_refused_in_one_line(metrics, why):
    with pytest.raises(BadInput, match=why) as refused:
        names(metrics)
    assert "\n" not in str(refused.value)
