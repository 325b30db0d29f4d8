"""A run of chains keeps its readings, a run of one chain everything, and either goes on where it was stopped."""

import random

import pytest
from conftest import outcross

from outcross.experiment import experiment

pytestmark = pytest.mark.usefixtures("without_charts")
CHAINS = """
name: chains
human: {distribution: DISTRIBUTION, rows: 20}
learner: LEARNER
draw: {prompts: none}
chains: 40
sweep: {policy: [replace, accumulate]}
"""
WORDS = """
name: words
human: {path: TEXT, held_out: 0.2, rows: 12}
block: 8
learner: ngram
training: null
metrics: [lexical_diversity]
generations: 3
"""
KINDS = [("normal", "gaussian"), ("categorical, states: 6", "categorical")]


def size(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(("distribution", "learner"), KINDS, ids=[learner for _, learner in KINDS])
def test_a_run_of_chains_stores_no_step_and_goes_on_to_the_same_bytes(tmp_path, distribution, learner):
    (tmp_path / "chains.yaml").write_text(CHAINS.replace("DISTRIBUTION", distribution).replace("LEARNER", learner))
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert outcross("run", tmp_path / "chains.yaml", "generations=8", "--workers", 1, "--out", whole).returncode == 0
    for generations in (3, 8):
        assert (
            outcross("run", tmp_path / "chains.yaml", f"generations={generations}", "--workers", 1, "--out", stopped).returncode
            == 0
        )
    assert "store: readings" in (whole / "experiment.yaml").read_text()
    assert not any(path.is_file() for path in (whole / "steps").rglob("*")) and not (whole / "arms").exists()
    assert len([path for path in whole.rglob("*") if path.is_file()]) <= 12 and size(whole) < 1_000_000
    for name in ("readings.parquet", "experiment.yaml", "ledger.jsonl"):
        assert (stopped / name).read_bytes() == (whole / name).read_bytes()


@pytest.mark.parametrize(("chains", "store"), [(1, "all"), (2, "readings")])
def test_what_is_kept_goes_by_the_chains_unless_it_is_said(chains, store):
    settings = {
        "name": "a",
        "human": {"distribution": "normal"},
        "learner": "gaussian",
        "draw": {"prompts": "none"},
        "chains": chains,
    }
    assert experiment(settings).store == store
    for said in ("all", "readings"):
        assert experiment(settings | {"store": said}).store == said


@pytest.mark.parametrize(("distribution", "learner"), KINDS, ids=[learner for _, learner in KINDS])
def test_a_run_that_stores_all_keeps_one_file_a_step_beside_the_human_records(tmp_path, distribution, learner):
    (tmp_path / "chains.yaml").write_text(CHAINS.replace("DISTRIBUTION", distribution).replace("LEARNER", learner))
    assert (
        outcross(
            "run", tmp_path / "chains.yaml", "store=all", "generations=3", "--workers", 1, "--out", tmp_path / "whole"
        ).returncode
        == 0
    )
    steps = [path for path in (tmp_path / "whole" / "steps").iterdir() if path.is_dir() and not (path / "human.json").exists()]
    assert steps and all(len([*step.iterdir()]) == 1 for step in steps)


def test_no_file_is_stored_twice(tmp_path):
    words = ["rain", "falls", "on", "the", "green", "hill", "and", "every", "river", "sleeps", "under", "snow"]
    chosen = random.Random(0)
    (tmp_path / "text.txt").write_text("\n\n".join(" ".join(chosen.choices(words, k=25)) + "." for _ in range(40)))
    (tmp_path / "words.yaml").write_text(WORDS.replace("TEXT", str(tmp_path / "text.txt")))
    for out in ("whole", "again"):
        assert outcross("run", tmp_path / "words.yaml", "--workers", 1, "--out", tmp_path / out).returncode == 0
    whole, again = ([path for path in (tmp_path / out / "steps").rglob("*") if path.is_file()] for out in ("whole", "again"))
    assert len({path.read_bytes() for path in whole}) == len({path.stat().st_ino for path in whole}) < len(whole)
    spoilt = next(path for path in whole if path.name == "vocabulary.json")
    spoilt.write_bytes(b"x" + spoilt.read_bytes()[1:])
    assert outcross("run", tmp_path / "words.yaml", "--workers", 1, "--out", tmp_path / "whole").returncode == 0
    assert sorted(path.read_bytes() for path in (tmp_path / "whole" / "steps").rglob("vocabulary.json")) == sorted(
        path.read_bytes() for path in again if path.name == "vocabulary.json"
    )
