"""The switches of an experiment do what their page says (docs/explanation/switches.md): what is kept of a prompt, and which checkpoint."""

import math
import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import outcross, write_tiny

from outcross.errors import BadInput
from outcross.experiment import experiment
from outcross.loop import run

PAGE = Path(__file__).parent.parent / "docs" / "explanation" / "switches.md"


def recipe(tmp_path, **more):
    return yaml.safe_load(write_tiny(tmp_path).read_text()) | {"metrics": ["held_out"], "policy": "replace"} | more


@pytest.mark.parametrize("learner", [None, "ngram"])
def test_a_prefix_of_the_prompt_opens_the_record_and_is_trained_on(tmp_path, learner):
    more = {"learner": learner, "training": None} if learner else {}
    first, second = run(experiment(recipe(tmp_path, draw={"prefix": 5}, generations=2, **more)))
    drawn, human = first.drawn.records, first.human.training.records
    assert drawn.tokens.shape == (60, 16)
    assert np.array_equal(drawn.tokens[:, :5], human.tokens[drawn.column("_prompt")][:, :5])
    assert not np.array_equal(drawn.tokens[:, 5:], human.tokens[drawn.column("_prompt")][:, 5:])
    assert np.array_equal(second.training.value.records.tokens, drawn.tokens)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"draw": {"prefix": 16}}, "shorter than a block of 16"),
        ({"draw": {"prefix": 4, "prompts": "none"}}, "the length of a text prompt"),
        ({"draw": {"prefix": 4}, "policy": {"kind": "human_share", "share": 0.5, "align": True}}, "choose one"),
    ],
)
def test_a_prefix_that_cannot_be_is_refused(tmp_path, more, why):
    with pytest.raises(BadInput, match=why):
        experiment(recipe(tmp_path, **more))


def test_the_best_checkpoint_is_the_one_that_human_validation_text_likes_best():
    from outcross.models.transformer.fitting import fit
    from outcross.models.transformer.network import Shape, initial
    from outcross.models.transformer.scoring import log_prob

    rng = np.random.default_rng(1)
    start = initial(Shape(vocabulary=50, layers=1, width=32, heads=1), np.random.default_rng(0))
    records, checked = (rng.integers(1, 50, (20, 8), dtype=np.int32) for _ in range(2))
    training = {"steps": 60, "batch": 10, "learning_rate": 1e-2, "warmup": 2, "precision": "fp32", "validation": checked}
    last, best = (fit(start, records, rng=np.random.default_rng(2), keep_best=keep, **training) for keep in (False, True))
    losses = [loss for _, loss in best.validation]
    assert min(losses) < losses[-1], "learning noise by heart gets worse at other noise"
    for fitted, loss in ((last, losses[-1]), (best, min(losses))):
        assert math.isclose(-log_prob(fitted.network, checked, precision="fp32").mean() / 8, loss, rel_tol=1e-6)


def test_a_run_keeps_the_best_checkpoint_where_it_is_asked_to(tmp_path):
    def loss(checkpoint):
        training = {"steps": 60, "batch": 8, "learning_rate": 0.02, "start": {"pretrained": {"steps": 12, "batch": 8}}}
        (only,) = run(experiment(recipe(tmp_path, training=training | {"checkpoint": checkpoint}, generations=1)))
        assert only.human.validation is not None
        validation = only.human.validation.records
        return -only.model.value.log_prob(validation).mean()

    assert loss("best") <= loss("last")


def test_the_perplexity_of_the_mean_is_below_the_mean_of_perplexities(tmp_path):
    (only,) = run(experiment(recipe(tmp_path, generations=1)))
    settings = {
        reading.at: reading.estimate.value
        for reading in only.measured
        if reading.measure == "held_out_perplexity" and reading.estimate
    }
    assert settings[""] < settings["mean over blocks"]


def test_every_switch_of_the_page_is_a_key_that_show_prints():
    """Keys of the page stand in backquotes before their values; one of three experiments must print each."""
    keys = set(re.findall(r"^\| \d+ \|[^|]*\| `([a-z_.]+)`", PAGE.read_text(), re.MULTILINE))
    shown = "".join(outcross("show", name).stdout for name in ("stdlib", "gaussian", "regression"))
    assert len(keys) >= 8
    for key in keys:
        assert re.search(rf"\b{key.split('.')[-1]}:", shown), key
