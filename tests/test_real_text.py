"""The built-in experiments on texts that people wrote: plays, Wikipedia, sentences in 112 languages.

The data are looked for in the folder OUTCROSS_DATA, by default shared/data beside the repository; tests that need them skip without.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import polars
import pytest
from conftest import WITHOUT_CHARTS, outcross
from hypothesis import given
from hypothesis import strategies as st

import outcross as library
from outcross import loop
from outcross.errors import BadInput
from outcross.experiment.file import parse
from outcross.ledger import Ledger
from outcross.sources.hub import Hub
from outcross.sources.path import Path as TextFile
from outcross.text.documents import TokenBlocks, deal, split
from outcross.text.gathering import SHORT_DOCUMENT, Document, gather_documents, headings

DATA = Path(os.environ.get("OUTCROSS_DATA") or Path(__file__).parents[2] / "shared" / "data")
PLAYS = DATA / "text/tinyshakespeare/input.txt.gz"
ARTICLES = DATA / "text/wikitext2/valid.txt.gz"
SENTENCES = DATA / "text/multilingual/tatoeba_112.parquet"
TITLE = "= [^=].* ="
SMALL = (
    "learner={kind: transformer, layers: 1, width: 32, heads: 1, vocabulary: 400}",
    "training={steps: 4, batch: 8, start: {pretrained: {steps: 8, batch: 8}}}",
    "generations=2",
)


def needs(path: Path) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not path.exists(), reason=f"there is no {path}; set OUTCROSS_DATA to the folder that holds it")


def run(name: str, data: Path, out: Path, *settings: str, **environment: str) -> polars.DataFrame:
    """The readings of a built-in experiment, run small through the command line."""
    words = "run", name, f"human.path={data}", *SMALL, *settings, "--out", out, "--workers", 1, "--quiet"
    ended = outcross(*words, **environment)
    assert ended.returncode == 0, ended.stderr
    assert (out / "report.html").stat().st_size > 10_000
    return polars.read_parquet(out / "readings.parquet")


def assert_told(readings: polars.DataFrame, measure: str, arms: int, at: str = "") -> None:
    """Every arm and generation has this reading, with an interval about its value."""
    chosen = readings.filter(measure=measure, at=at, group="")
    assert len(chosen) == 2 * arms, chosen
    assert ((chosen["low"] <= chosen["value"]) & (chosen["value"] <= chosen["high"]) & (chosen["n"] > 0)).all(), chosen


# The three experiments, small


@needs(PLAYS)
def test_shakespeare_runs_on_a_text_given_by_path(tmp_path):
    readings = run("shakespeare", PLAYS, tmp_path / "run", "human.rows=40")
    assert readings["arm"].n_unique() == 5
    assert_told(readings, "held_out_loss", arms=5)


@needs(ARTICLES)
def test_nature_lm_from_scratch_keeps_a_tenth_of_the_human_blocks(tmp_path):
    settings = (
        "size=scratch",
        "human.heading== [^=].* =",
        "human.rows=50",
        "block=32",
        "generations=2",
        SMALL[0],
        "training.start.steps=8",
    )
    words = "run", "nature-lm", f"human.path={ARTICLES}", *settings, "--out", tmp_path / "run", "--workers", 1, "--quiet"
    ended = outcross(*words, **WITHOUT_CHARTS)
    assert ended.returncode == 0, ended.stderr
    readings = polars.read_parquet(tmp_path / "run" / "readings.parquet")
    assert_told(readings, "held_out_loss", arms=4)
    arm = next(
        arm for arm in library.arms(parse((tmp_path / "run" / "experiment.yaml").read_text(), "")) if arm.name == "tenth_kept"
    )
    last = list(loop.run(arm.experiment, Ledger(tmp_path / "run")))[-1]
    authors = Counter({part.origin.author: len(part) for part in last.training.value.pool.parts})
    assert authors == {"human": 5, "model": 45}


@pytest.fixture(scope="module")
def languages(tmp_path_factory) -> tuple[Path, polars.DataFrame]:
    """A run of the languages in two arms: models' text alone, and people's alone at every generation."""
    folder = tmp_path_factory.mktemp("languages") / "run"
    arms = "arms=[{policy: replace}, {policy: {kind: human_share, share: 1.0}}]"
    return folder, run(
        "languages",
        SENTENCES,
        folder,
        "human.rows=1500",
        "metrics=[{kind: text_groups, each: true}, held_out]",
        arms,
        **WITHOUT_CHARTS,
    )


@needs(SENTENCES)
def test_groups_are_read_by_size_with_intervals_and_floors(languages):
    _, readings = languages
    bands = [at for at in readings.filter(measure="group_share")["at"].unique() if at.startswith("groups of")]
    assert len(bands) >= 4
    for band in bands:
        for metric in ("groups", "group_survival", "group_share"):
            assert_told(readings, metric, 2, band)
            assert readings.filter(measure=metric, at=band)["null"].null_count() == 0
        assert_told(readings, "group_loss", 2, band)
    assert_told(readings, "groups", 2)
    assert readings.filter(measure="groups", at="")["n"].to_list() == [112] * 4


@needs(SENTENCES)
def test_every_group_is_read_by_itself_where_asked(languages):
    _, readings = languages
    for metric in ("group_survival", "group_share", "group_loss"):
        assert readings.filter(polars.col("group") != "", measure=metric).height == 112 * 4
    german = readings.filter(measure="group_share", group="deu")
    assert german["null"].min() > 0.5  # people's German is German; a guess is right once in 112


@needs(SENTENCES)
def test_human_text_alone_keeps_every_language_at_every_generation(languages):
    folder, _ = languages
    arm = next(arm for arm in library.arms(parse((folder / "experiment.yaml").read_text(), "")) if "human_share" in arm.name)
    for generation in loop.run(arm.experiment, Ledger(folder)):
        assert {part.origin.author for part in generation.training.value.pool.parts} == {"human"}
        human = Counter(generation.human.training.records.column("_group"))
        assert len(human) == 112
        assert Counter(generation.training.value.records.column("_group")) == human
        assert Counter(generation.drawn.records.column("_group")) == human


@needs(SENTENCES)
def test_every_language_has_text_to_learn_and_text_held_out(languages):
    folder, _ = languages
    arm = library.arms(parse((folder / "experiment.yaml").read_text(), ""))[0]
    human = next(iter(loop.run(arm.experiment, Ledger(folder)))).human
    sizes = [Counter(part.records.column("_group")) for part in (human.training, human.holdout, human.reference)]
    assert [len(size) for size in sizes] == [112] * 3
    assert sizes[0] == sizes[1]  # the second human sample holds as many blocks of each, so every group has a floor


# Documents


@needs(SENTENCES)
def test_no_document_is_on_two_sides_and_every_language_is_on_both():
    documents = TextFile(path=str(SENTENCES), text_column="text", group_column="lang").documents()
    sides = split(documents, 0.1, np.random.default_rng(0))
    numbers = [{id(document) for document in side} for side in (sides.training, sides.reference, sides.validation)]
    assert sum(map(len, numbers)) == len(set().union(*numbers)) == len(documents)
    assert (
        {document.group for document in sides.training}
        == {document.group for document in sides.reference}
        == {document.group for document in documents}
    )
    assert min(Counter(document.group for document in documents).values()) >= 4


@needs(ARTICLES)
def test_no_article_of_wikipedia_is_on_two_sides():
    documents = TextFile(path=str(ARTICLES), heading=TITLE).documents()
    assert len(documents) == 60  # WikiText-2's validation articles (Merity et al. 2016, table 1)
    lines = [line for document in documents for line in document.text.split("\n")]
    sides = split(documents, 0.1, np.random.default_rng(0))
    titles = [
        Counter(document.text.split("\n")[0] for document in side) for side in (sides.training, sides.reference, sides.validation)
    ]
    assert all(title.startswith(" = ") and title.count("=") == 2 for side in titles for title in side)
    assert sum(titles, Counter()) == Counter(line for line in lines if line in set().union(*titles))


def test_a_heading_opens_a_document_and_what_stands_before_the_first_is_one():
    texts = ["preface\n", " = A = \n one \n = = part = = \n", "two\n", "\n", " = B = \n three"]
    documents = [document.text for document in gather_documents(texts, None, TITLE)]
    assert documents == ["preface", " = A = \n one \n = = part = = \ntwo", " = B = \n three"]


@pytest.mark.parametrize("heading", [None, TITLE])
def test_where_every_line_has_a_start_token_no_line_is_dropped(tmp_path, heading):
    lines = [" = A = ", " ", " one of two ", "", "", " two of two ", " ", " = B = ", "", f" {'long ' * 700}", "", " end"]
    (tmp_path / "text.txt").write_text("\n".join(lines) + "\n")
    kept = TextFile(path=str(tmp_path / "text.txt"), heading=heading).documents(blank_lines=True)
    assert [line for document in kept for line in document.text.split("\n")] == lines
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps({"text": line and line + "\n"}) + "\n" for line in lines))
    rows = TextFile(path=str(tmp_path / "rows.jsonl"), text_column="text", heading=heading).documents(blank_lines=True)
    assert [line for document in rows for line in document.text.split("\n")] == lines


HOSTILE = """
from outcross.errors import BadInput
from outcross.text.gathering import gather_documents
try:
    gather_documents(["a" * 200 + "b", "a" * 100_000 + "b"], None, "(a+)+$")
except BadInput as error:
    print(error)
"""


def test_held_out_rows_are_a_sample_over_all_held_out_documents_and_change_no_training_record(tmp_path):
    for i in range(40):
        (tmp_path / f"{i:02}.txt").write_text(" ".join(f"word{j * (i + 1) % 97}" for j in range(400)) + "\n")
    form = TokenBlocks(block=16, vocabulary=300)

    def gathered(held_out_rows):
        source = TextFile(path=str(tmp_path / "*.txt"), rows=50, held_out=0.5, held_out_rows=held_out_rows)
        return source.open(form, (), np.random.default_rng(0))

    whole, sample = gathered(None), gathered(60)
    assert (len(sample.reference), len(sample.validation)) == (60, 15)
    assert sample.training.records.frame.equals(whole.training.records.frame)
    documents = set(sample.reference.records.column("_document").tolist())
    assert len(documents) > 0.8 * len(set(whole.reference.records.column("_document").tolist()))
    assert set(sample.reference.records.texts) <= set(whole.reference.records.texts)
    assert len(gathered(10**6).reference) == len(whole.reference)


def test_a_heading_that_makes_others_backtrack_for_ever_is_answered():
    ended = subprocess.run([sys.executable, "-c", HOSTILE], capture_output=True, text=True, timeout=60, check=True)
    assert "'(a+)+$' matches no line of the text" in ended.stdout


def test_a_heading_fits_the_whole_of_a_line_whatever_it_holds():
    lines = [" one ", "two", "one two", "ONE", "", "zwölf 3"]
    assert headings(lines, "one|two") == [0, 1]
    assert headings(lines, "(?i)one") == [0, 3]
    assert headings(lines, r"\w+ \d") == [5]


def test_an_article_is_one_document_however_long():
    assert [len(document.text) for document in gather_documents(["= A =\n" + "x" * 90_000, "= B ="], None, TITLE)] == [
        90_006,
        5,
    ]


def test_a_small_group_has_several_documents_and_a_text_without_groups_is_cut_as_before():
    texts = ["a sentence of forty characters or about."] * 60
    assert len(gather_documents(texts, None)) == 2
    grouped = gather_documents(texts * 2, ["small"] * 60 + ["other"] * 60)
    assert Counter(document.group for document in grouped) == {"small": 6, "other": 6}
    assert all(len(document.text) >= SHORT_DOCUMENT for document in grouped)


@given(st.lists(st.sampled_from("abc"), min_size=2, max_size=30), st.floats(0.01, 0.99))
def test_a_group_of_two_documents_or_more_is_on_both_sides_whatever_is_held_out(groups, held_out):
    many = Counter(groups)
    if max(many.values()) < 2:
        groups, many = [*groups, groups[0]], Counter([*groups, groups[0]])
    sides = split([Document(str(i), group) for i, group in enumerate(groups)], held_out, np.random.default_rng(0))
    assert {document.group for document in sides.training} == set(many)
    assert {document.group for document in sides.reference} == {group for group, n in many.items() if n > 1}


@given(st.lists(st.sampled_from(["", "a", "b", "cd"]), min_size=1, max_size=60), st.data())
def test_rows_are_dealt_in_proportion_to_the_groups(groups, data):
    rows = data.draw(st.integers(1, len(groups)))
    dealt = deal(groups, rows, np.random.default_rng(rows))
    assert sorted(np.concatenate(dealt).tolist()) == list(range(len(groups)))
    assert len(dealt[0]) == rows
    assert len(dealt[1]) <= rows
    for group, n in Counter(groups).items():
        first, second = (sum(groups[i] == group for i in part) for part in dealt[:2])
        assert abs(first - rows * n / len(groups)) < 1
        assert second == min(first, n - first)


def test_rows_of_one_group_are_dealt_as_a_plain_shuffle():
    order = np.random.default_rng(5).permutation(20)
    first, second, rest = deal([""] * 20, 7, np.random.default_rng(5))
    assert [*first, *second, *rest] == order.tolist()


# What is refused, in one line


@pytest.mark.parametrize("name", ["shakespeare", "languages"])
def test_without_a_text_it_says_what_to_write(name, tmp_path):
    ended = outcross("run", name, "--workers", 1, "--out", tmp_path / "run")
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert "add human.path=FILE" in ended.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("heading", "why"),
    [
        ("(", "heading must be a regular expression"),
        ("a)|(b", "heading must be a regular expression"),
        ("(?=a)a", "without look-around and back-references"),
        (r"(a)\1", "without look-around and back-references"),
        ("Chapter .*", "'Chapter .*' matches no line of the text"),
    ],
)
def test_a_heading_that_cannot_be_used_is_refused(heading, why, tmp_path):
    (tmp_path / "text.txt").write_text("One.\n\nTwo.\n")
    with pytest.raises(BadInput, match="heading") as refused:
        TextFile(path=str(tmp_path / "text.txt"), heading=heading).documents()
    assert why in str(refused.value)


# Datasets of the Hugging Face hub, from folders


@pytest.fixture
def datasets():
    return pytest.importorskip("datasets", reason="datasets is not installed; pip install 'outcross[hf]'")


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder of data files: ten rows in two groups."""
    rows = [{"text": f"sentence {i} " * 30, "lang": "ab"[i % 2]} for i in range(10)]
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path / "data"


def test_a_folder_of_data_files_is_read_as_the_hub_is(datasets, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    documents = Hub(hub=str(folder), group_column="lang").documents()
    assert Counter(document.group for document in documents) == {"a": 3, "b": 3}
    with pytest.raises(BadInput, match=r"has no column 'words'; write human.text_column=NAME, one of text, lang"):
        Hub(hub=str(folder), text_column="words").documents()
    with pytest.raises(BadInput, match=r"Unknown split"):
        Hub(hub=str(folder), split="test").documents()


def test_a_dataset_saved_to_disk_is_read(datasets, tmp_path):
    datasets.Dataset.from_dict({"text": ["= A =", "one", "", "= B =", "two"]}).save_to_disk(str(tmp_path / "saved"))
    documents = Hub(hub=str(tmp_path / "saved"), heading=TITLE).documents()
    assert [document.text for document in documents] == ["= A =\none", "= B =\ntwo"]


def test_a_folder_that_is_not_there_is_refused_in_one_line(datasets, tmp_path):
    ended = outcross("run", "shakespeare", f"human.hub={tmp_path / 'none'}", "--workers", 1, "--out", tmp_path / "run")
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1, ended.stderr


@pytest.mark.skipif(importlib.util.find_spec("datasets") is not None, reason="datasets is installed")
def test_the_hub_without_its_library_says_what_to_install():
    with pytest.raises(BadInput, match=r"pip install 'outcross\[hf\]'"):
        Hub(hub="any").documents()
