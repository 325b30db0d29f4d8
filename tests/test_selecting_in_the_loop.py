"""What a loop keeps goes on and what it rejects does not, everywhere; filters that cannot be asked are refused in one line."""

import json
import random

import numpy as np
import pytest

import outcross
from outcross import loop
from outcross.collapse.closed_forms import law_arguments
from outcross.data.selected import JudgedCandidates, Rejected
from outcross.errors import BadInput
from outcross.experiment import experiment
from outcross.experiment.arms import arms
from outcross.experiment.file import load
from outcross.filters import FILTERS, Filter, Selection
from outcross.filters.of_records import RecordCandidates
from outcross.filters.selecting import judged
from outcross.ledger import Ledger
from outcross.recipe import plain, read, recipe
from outcross.verbs.audit.generations import lines
from outcross.verbs.run.page import study

pytestmark = pytest.mark.usefixtures("without_charts")

GAUSSIAN = {
    "name": "cut",
    "human": {"distribution": "normal", "rows": 40, "dimensions": 2},
    "learner": "gaussian",
    "policy": "accumulate",
    "draw": {"prompts": "none", "candidates": 3},
    "select": [{"kind": "central", "share": 0.5}, {"kind": "random", "share": 0.5}],
    "generations": 3,
    "metrics": ["fitted_law", "selection"],
}


def text(paragraphs=60):
    words = ["rain", "falls", "on", "the", "green", "hill", "and", "every", "river", "sleeps", "under", "snow"]
    chosen = random.Random(0)
    return "\n\n".join(" ".join(chosen.choices(words, k=25)) + "." for _ in range(paragraphs)) + "\n"


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    """An experiment of texts."""
    path = tmp_path_factory.mktemp("words") / "text.txt"
    path.write_text(text())
    human = {"path": str(path), "held_out": 0.2, "rows": 20}
    return {"name": "words", "human": human, "block": 8, "learner": "ngram", "generations": 2, "metrics": ["selection"]}


def ran(recipe, folder=None):
    ledger = Ledger(folder)
    return list(loop.run(experiment(recipe), ledger)), ledger


@pytest.mark.parametrize("chains", [1, 5])
def test_what_is_kept_goes_on_and_what_is_rejected_does_not(chains):
    generations, _ = ran(GAUSSIAN | {"chains": chains, "store": "all"})
    for g, generation in enumerate(generations):
        drawn, kept, said = generation.drawn.records.array, generation.kept.records.array, generation.selection.value.judged
        assert drawn.shape[-2] == 120 and kept.shape[-2] == len(generation.kept) == 30
        assert len(generation.training.value) == 40 + 30 * g
        rejected = Rejected.of(generation.drawn.records, said)
        both = np.concatenate([kept, rejected.records.array], axis=-2)
        assert np.array_equal(np.sort(both, axis=-2), np.sort(drawn, axis=-2))  # the funnel adds up, dimension by dimension
        counts = [(said.reason == number).sum() for number in range(len(said.reasons))]
        assert sum(counts) + (said.times > 0).sum() == said.times.size and (said.times <= 1).all()
        assert np.isfinite(said.values[0]).all() and np.isnan(said.values[1]).all()
        central = next(number for number, reason in enumerate(said.reasons) if reason.startswith("central"))
        assert counts[central] == 60 * chains
    newest = generations[2].training.value.pool.newest
    assert newest.records.array[..., :30, :] == pytest.approx(generations[1].kept.records.array)


def test_the_acceptance_rate_is_a_reading_and_the_spread_stands_beside_a_random_choice():
    (generation, *_), _ = ran(GAUSSIAN)
    settings = {(reading.measure, reading.at): reading for reading in generation.measured}
    assert settings["acceptance", ""].estimate.value == 0.25
    assert settings["rejection", "central: not among the nearest to the middle"].estimate.value == 0.5
    spread = settings["selected_spread", ""]
    assert spread.estimate.value < 0.6 < spread.null.low < spread.null.typical < spread.null.high
    assert settings["selected_tail", ""].estimate.value == 0 and settings["selected_tail", ""].null.typical > 0.5


def test_what_filters_find_out_of_themselves_is_read_at_every_generation():
    verify = {"kind": "verify", "rules": ["x0 + x1 < 1"], "truth": "x0 < 1", "answers": 2}
    star = {"kind": "star", "columns": ["x0"], "share": 0.25, "cells": 500}
    (first, *_), _ = ran(GAUSSIAN | {"select": [verify, star], "draw": {"prompts": "none", "candidates": 10}, "generations": 1})
    settings = {reading.measure: reading.estimate for reading in first.measured if reading.estimate is not None}
    x = first.drawn.records.array
    right, kept = x[:, 0] < 1, x.sum(axis=1) < 1
    assert settings["keeps_correct"].value == pytest.approx(kept[right].mean()) and settings["keeps_wrong"].value == pytest.approx(
        kept[~right].mean()
    )
    assert (
        settings["kept_wrong"].value == pytest.approx((~right)[kept].mean()) and settings["kept_wrong"].method == "Clopper-Pearson"
    )
    assert settings["breakdown"].value == pytest.approx(1 / (1 + settings["keeps_wrong"].value / settings["keeps_correct"].value))
    assert settings["fill_in"].value == 1  # 500 cells and fewer records: no cell is due one


def test_a_random_selection_moves_a_gaussian_as_the_laws_of_as_many_records_say():
    arguments = law_arguments(experiment(GAUSSIAN | {"select": ["random"], "draw": {"prompts": "none", "candidates": 2}}))
    assert arguments["n"] == 40 and "kept_variance" not in arguments
    assert law_arguments(experiment(GAUSSIAN))["kept_variance"] == pytest.approx(0.306853, abs=1e-6)  # 1 − ln 2, two dimensions
    assert law_arguments(experiment(GAUSSIAN | {"select": ["central", "outlying"]})) == {}


def test_without_a_selection_no_step_selects_and_no_key_knows_of_it():
    recipe = GAUSSIAN | {"draw": {"prompts": "none"}, "metrics": ["fitted_law"]}
    _, bare = ran({name: value for name, value in recipe.items() if name != "select"})
    _, empty = ran(recipe | {"select": [], "draw": {"prompts": "none", "candidates": 1}})
    assert bare.entries.keys() == empty.entries.keys()
    assert "select" not in {entry.verb for entry in bare.entries.values()}
    assert all("candidates" not in json.dumps(entry.recipe) for entry in bare.entries.values() if entry.verb != "select")


def test_a_run_folder_keeps_what_was_chosen_and_goes_on_to_the_same_bytes(tmp_path):
    whole = outcross.run(GAUSSIAN, out=tmp_path / "whole").finish()
    outcross.run(GAUSSIAN | {"generations": 1}, out=tmp_path / "stopped").finish()
    outcross.run(GAUSSIAN, out=tmp_path / "stopped").finish()
    assert (tmp_path / "whole" / "ledger.jsonl").read_bytes() == (tmp_path / "stopped" / "ledger.jsonl").read_bytes()
    (name,) = {arm.name for arm in whole.arms}
    assert len(whole.drawn(name, 0, 1)) == 120 and len(whole.chosen(name, 0, 1)) == 30
    assert isinstance(whole.judged(name, 0, 1), JudgedCandidates)
    assert whole.lineage(f"{name}/seed-0/g00")[0].verb == "select"
    (line,) = lines(tmp_path / "whole")
    assert [len(line.sets[f"g{g}"].value) for g in range(3)] == [30, 30, 30]
    opened = outcross.open(tmp_path / "whole")
    assert opened.experiment["draw"]["candidates"] == 3 and plain(opened.arms[0].experiment) == plain(whole.arms[0].experiment)


def test_a_verifier_of_texts_keeps_a_number_that_depends_on_them_and_the_policy_counts_it(words):
    generations, _ = ran(words | {"policy": "accumulate", "select": [{"kind": "verify", "patterns": {"text": "rain|snow"}}]})
    first, second = generations
    assert 0 < len(first.kept) < len(first.drawn) == 20
    assert all("rain" in text or "snow" in text for text in first.kept.records.texts)
    assert len(second.training.value) == 20 + len(first.kept)


def test_candidates_of_a_prompt_compete(words):
    generations, _ = ran(words | {"draw": {"candidates": 2}, "rows": 8, "select": ["random"]})
    assert sorted(generations[0].drawn.records.column("_prompt").tolist()) == sorted([*range(8)] * 2)
    asked = generations[0].human.training.records
    candidates = RecordCandidates(generations[0].drawn.records, asked=asked, slots=8)
    assert candidates.take(np.array([9, 1])).prompts.tolist() == [1, 1]
    assert candidates.take(np.array([9])).prompt_texts == [asked.texts[9]]


def test_importance_chooses_among_what_is_learned_from_and_keeps_origins(words):
    recipe = words | {"policy": "augment", "select": [{"kind": "importance", "detector": "oracle"}], "metrics": ["held_out_loss"]}
    recipe.pop("metrics")
    generations, ledger = ran(recipe)
    assert len(generations[0].training.value) == 20  # generation 0 learns from the human records as they are
    pool = generations[1].training.value.pool
    assert len(pool) == 60 and pool.human_share == 1  # a perfect detector: each of 20 human records three times
    assert {entry.verb for entry in ledger.entries.values()} >= {"resample"} and generations[1].selection is None
    erring = recipe | {"select": [{"kind": "importance", "detector": "oracle", "hit": 0.5, "false_alarm": 0.5}]}
    assert 0 < ran(erring)[0][1].training.value.pool.human_share < 1


def test_a_detector_of_samples_chooses_in_a_loop_without_seeing_origins(words, tmp_path):
    """It is calibrated on two files, which are in the key of the step by what they hold; the text of one author has other words than that of the other."""
    for name, length in (("human", 25), ("ai", 40)):
        chosen = random.Random(name)
        texts = [
            " ".join(
                chosen.choices(text(1).replace(".", "").split() if name == "human" else ["tall", "ships", "sail", "far"], k=length)
            )
            for _ in range(120)
        ]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps({"text": written}) + "\n" for written in texts))
    detector = {"human": str(tmp_path / "human.jsonl"), "ai": str(tmp_path / "ai.jsonl"), "kind": "ngram"}
    recipe = words | {"block": 40, "policy": "augment", "select": [{"kind": "importance", "detector": detector}]}
    recipe.pop("metrics")
    generations, ledger = ran(recipe)
    assert 0 < len(generations[1].training.value) <= 60
    (entry,) = (entry for entry in ledger.entries.values() if entry.verb == "resample")
    assert set(entry.recipe["content"]) == {detector["human"], detector["ai"]}
    assert all(entry.recipe["content"].values())


def is_even(record):
    return len(record["text"]) % 2 == 0


def is_broken(record):
    raise ValueError("no")


def test_a_function_of_ones_own_is_a_verifier_and_its_source_is_in_the_key(words, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    keys = []
    for number, body in enumerate(("len(record['text']) % 2 == 0", "len(record['text']) % 3 == 0", "len(record['text']) % 2 == 0")):
        (tmp_path / f"judge{number}.py").write_text(f"def passes(record):\n    return {body}\n")
        select = [{"kind": "verify", "function": f"judge{number}:passes"}]
        generations, ledger = ran(words | {"select": select, "generations": 1})
        assert all(len(text) % (2, 3, 2)[number] == 0 for text in generations[0].kept.records.texts)
        (entry,) = (entry for entry in ledger.entries.values() if entry.verb == "select")
        keys.append(entry.recipe["content"][f"judge{number}:passes"])
    assert len(set(keys)) == 3  # each is of a module of its own


@recipe
class UnequalFilter(Filter):
    """Keep points above 0: another number in every chain."""

    def select(self, candidates, rng):
        return Selection((candidates.points[..., 0] > 0).astype(int))


def test_chains_that_would_keep_unequal_numbers_are_refused():
    candidates = RecordCandidates(experiment(GAUSSIAN).human.truth.draw(30, (4,), np.random.default_rng(0)))
    with pytest.raises(BadInput, match=r"in one chain and .* in another, and all chains must keep the same number"):
        judged((UnequalFilter(),), candidates, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"select": []}, "with draw.candidates 3 the model writes 120 records per generation for 40, but no filter selects among them"),
        ({"select": [{"kind": "random", "share": 1.0}]}, "select keeps them all"),
        ({"select": "central"}, "select must be a list"),
        ({"select": ["centre"]}, "did you mean 'central'"),
        ({"select": [{"kind": "central", "share": 1.5}]}, "share must be at most 1"),
        ({"select": ["central"], "human": {"distribution": "normal", "records": "moments"}, "metrics": []}, "human.records is moments"),
        ({"select": [{"kind": "verify", "attribute": "words", "at_most": 3}]}, "judges by texts, but gaussian learns vectors"),
        ({"select": [{"kind": "verify"}]}, "a verifier without a check keeps all records"),
        ({"select": [{"kind": "verify", "rules": ["x0 >"]}]}, "is not a condition"),
        ({"select": [{"kind": "verify", "rules": ["x0 + 1"]}]}, "must be true or false for each record"),
        ({"select": [{"kind": "verify", "rules": ["y > 1"]}]}, "no column 'y'"),
        ({"select": [{"kind": "verify", "rules": ["x0 > 100"]}]}, "keeps none of 120 records"),
        ({"select": [{"kind": "verify", "patterns": {"x0": "(?=a)"}}]}, "is not a regular expression"),
        ({"select": [{"kind": "verify", "schema": {"type": "nothing"}}]}, "is not a JSON schema"),
        ({"select": [{"kind": "verify", "schema": {"$ref": "http://example.org/s"}}]}, "other documents are not fetched"),
        ({"select": [{"kind": "verify", "score": "x0"}]}, "a score needs at_least or at_most"),
        ({"select": [{"kind": "verify", "function": "nowhere:f"}]}, "is Python code, and a file of settings may not run code by itself. If you trust it, add --import nowhere"),
        ({"select": [{"kind": "verify", "function": f"{__name__}:is_broken"}]}, "add --import"),
        ({"select": [{"kind": "verify", "rules": ["x0 > 0"], "answers": 2}]}, "answers needs truth"),
        ({"select": [{"kind": "verify", "rules": ["x0 > 0"], "truth": "x0"}]}, "must be true, false or missing"),
        ({"select": ["star"]}, "columns are needed"),
        ({"select": [{"kind": "star", "columns": ["x0"], "cells": 2}]}, "cells of star is 2"),
        ({"select": [{"kind": "importance"}]}, "column or detector is needed"),
        ({"select": [{"kind": "importance", "detector": "oracle", "draws": 4.0}, "random"]}, "draws must be at most max_repeats"),
        ({"select": [{"kind": "importance", "detector": "oracle"}, "random"], "chains": 2}, "chains is 2"),
        ({"draw": {"prompts": "none", "candidates": 0}}, "draw.candidates must be at least 1"),
        ({"draw": {"prompts": "none", "candidats": 2}}, "did you mean 'candidates'"),
    ],
)  # fmt: skip
def test_a_selection_that_cannot_be_is_refused_in_one_line(settings, said):
    with pytest.raises(BadInput, match=said) as refused:
        list(outcross.run(GAUSSIAN | settings))
    assert "\n" not in str(refused.value)


def test_a_schema_keeps_texts_that_are_valid_json(words):
    import polars as pl

    from outcross.data.records import blocks

    texts = ['{"a": 1}', '{"a": "x"}', "no json", '{"b": 2}']
    records = blocks(np.zeros((4, 1), dtype=np.int32), texts, np.zeros(4))
    verify = read(
        FILTERS,
        {"kind": "verify", "schema": {"type": "object", "required": ["a"], "properties": {"a": {"type": "number"}}}},
        "filter",
    )
    selection = verify.select(RecordCandidates(records), np.random.default_rng(0))
    assert selection.times.tolist() == [1, 0, 0, 0] and isinstance(records.frame, pl.DataFrame)


def test_the_law_of_the_cut_is_drawn_under_the_curve_by_its_name():
    recipe = load(
        "selection", ["arms=null", "policy=accumulate", "draw.candidates=2", "select=[central]", "generations=4", "chains=6"]
    )
    drawn = study(outcross.run(recipe).finish())
    laws = {law.generation: law for law in drawn.laws if law.measure == "spread_ratio"}
    assert {law.name for law in laws.values()} == {"variance_accumulate_selected"} and laws[0].value == 1
    assert all(law.citation for law in laws.values()) and "acceptance" in drawn.pages


def test_the_built_in_experiment_has_four_families_under_four_policies():
    swept = arms(load("selection"))
    assert len(swept) == 16 and len({arm.name.partition("-")[0] for arm in swept}) == 4
    assert {arm.experiment.kept(5) for arm in swept} == {300} and {len(arm.experiment.select) for arm in swept} == {0, 1}
