"""A row of a mix leads back to the row of the file that it was read from, through earlier mixes, or the chain says why it ends."""

import json
import os
from pathlib import Path

import polars
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outcross import BadInput, mix, show
from outcross.cli import main


def chain(folder: Path) -> dict[str, polars.DataFrame]:
    """A mix of people and a model, and a mix of that one with paraphrases of its human rows."""
    polars.DataFrame({"text": [f"human {i % 7}" for i in range(10)]}).write_parquet(folder / "h.parquet")
    for part in range(2):
        polars.DataFrame({"text": [f"model {i}" for i in range(part, 10, 2)]}).write_ndjson(folder / f"g{part}.jsonl")
    first = mix(
        pools=[
            {"name": "human", "path": str(folder / "h.parquet"), "origin": "human"},
            {"name": "gpt", "path": str(folder / "g*.jsonl"), "origin": {"model": "gpt-x", "generation": 0}},
        ],
        rows=30, human_share=0.5, max_repeats=3, out=folder / "first",
    )  # fmt: skip
    people = first.frame().filter(polars.col("_origin") == "human")["_id"].to_list()
    paraphrases = {"text": ["p 0", "p 1", "p 2"], "from": [people[:2], ["h-17"], []]}
    polars.DataFrame(paraphrases).write_parquet(folder / "p.parquet")
    second = mix(
        pools=[
            {"name": "old", "path": str(folder / "first")},
            {"name": "para", "path": str(folder / "p.parquet"), "origin": {"author": "edited", "model": "q"}, "parents_column": "from"},
        ],
        columns=["text"], out=folder / "second",
    )  # fmt: skip
    return {"first": first.frame(), "second": second.frame()}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trace")
    return folder, chain(folder)


def text_of(trace) -> str:
    """What the file of a trace holds at its row."""
    path = Path(trace.file.file)
    frame = polars.read_parquet(path) if path.suffix == ".parquet" else polars.read_ndjson(path)
    return frame["text"][trace.file.row - 1]


def test_every_row_of_a_mix_of_a_mix_leads_back_to_the_file_that_holds_it(place):
    folder, frames = place
    for name, frame in frames.items():
        seen = set()
        for row in frame.iter_rows(named=True):
            trace = show(folder / name, id=row["_id"])
            assert (trace.id, trace.origin, trace.model, trace.source) == (
                row["_id"],
                row["_origin"],
                row["_model"],
                row["_source"],
            )
            shard = polars.read_parquet(folder / name / trace.shard)
            assert shard["_id"][trace.row - 1] == row["_id"] and text_of(trace) == row["text"]
            if row["_source"].startswith("old/"):
                (trace,) = trace.parents
                assert trace.id == row["_parents"][0] and trace.mix == str(folder / "first") and text_of(trace) == row["text"]
            if row["_source"] != "para":
                assert Path(trace.file.file).name in ("h.parquet", "g0.jsonl", "g1.jsonl")
                seen.add((trace.file.file, trace.file.row))
        assert len(seen) == 20  # there are ten rows of each origin, and each of them is drawn


def test_equal_rows_are_told_apart_by_their_place_in_the_file(place):
    folder, frames = place
    alike = frames["first"].filter(polars.col("text") == "human 0")
    rows = [show(folder / "first", id=row_id).file.row for row_id in alike["_id"]]
    assert sorted(set(rows)) == [1, 8] and len(rows) >= 2


def test_parents_that_a_column_names_are_followed_into_the_earlier_mix_or_said_to_be_nowhere(place):
    folder, frames = place
    own = {row["text"]: row["_id"] for row in frames["second"].filter(polars.col("_source") == "para").iter_rows(named=True)}
    both = show(folder / "second", id=own["p 0"])
    assert [parent.origin for parent in both.parents] == ["human", "human"] and not both.ends
    assert all(parent.mix == str(folder / "first") and "people wrote it" in parent.ends for parent in both.parents)
    (nowhere,) = show(folder / "second", id=own["p 1"]).parents
    assert nowhere.id == "h-17" and "in none of the files" in nowhere.ends
    assert "it was edited by q, and its parents are unknown" in show(folder / "second", id=own["p 2"]).ends


def test_the_beginning_of_an_id_is_enough_where_one_row_has_it(place):
    folder, frames = place
    names = frames["first"]["_id"].to_list()
    for name in names[:5]:
        length = next(n for n in range(4, 33) if sum(other.startswith(name[:n]) for other in names) == 1)
        assert show(folder / "first", id=name[:length]).id == name


def test_a_beginning_that_several_rows_have_is_refused_with_them(tmp_path):
    rows = 3000
    frame = mix(pools=[{"name": "a", "data": {"n": list(range(rows))}}], out=tmp_path / "mix").frame()
    counts = frame.group_by(frame["_id"].str.head(4).alias("start")).len().sort("len", descending=True)
    start, several = counts.row(0)
    assert several > 1  # 3,000 ids over 65,536 beginnings: a repeat is all but certain
    with pytest.raises(BadInput, match=rf"{several} rows starts with {start}: {start}.*give more characters"):
        show(tmp_path / "mix", id=start)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("abc", "too short"),
        ("xyzw", "characters 0-9 and a-f"),
        ("0" * 33, "up to 32"),
        ("0" * 32, "has no row, drawn or not"),
        ("../..", "characters 0-9"),
    ],
)
def test_what_is_no_id_is_refused_in_one_line(place, given, said):
    with pytest.raises(BadInput, match=said) as refused:
        show(place[0] / "first", id=given)
    assert "\n" not in str(refused.value)


def test_only_rows_of_a_mix_are_followed(place):
    for what in (place[0], place[0] / "h.parquet", "gaussian"):
        with pytest.raises(BadInput, match="holds no mix"):
            show(what, id="abcdef")


def test_a_row_that_was_not_drawn_is_found_too(tmp_path):
    polars.DataFrame({"text": [f"t {i}" for i in range(30)]}).write_csv(tmp_path / "a.csv")
    mix(pools=[{"name": "a", "path": str(tmp_path / "a.csv"), "origin": "human"}], rows=10, out=tmp_path / "mix")
    draws = polars.read_parquet(tmp_path / "mix" / "draws.parquet")
    for record in draws.filter(polars.col("drawn") == 0)["_id"].head(3):
        trace = show(tmp_path / "mix", id=record)
        assert trace.shard is None and "not drawn" in trace.ends
        assert polars.read_csv(trace.file.file)["text"][trace.file.row - 1].startswith("t ")


def test_the_chain_says_why_it_ends(tmp_path):
    frames = chain(tmp_path)
    old = frames["second"].filter(polars.col("_source") == "old/human")["_id"][0]
    (tmp_path / "h.parquet").rename(tmp_path / "moved.parquet")
    (there,) = show(tmp_path / "second", id=old).parents
    assert "h.parquet is no longer there" in there.ends and there.file is None and there.origin == "human"
    polars.DataFrame({"text": ["other"]}).write_parquet(tmp_path / "h.parquet")
    (there,) = show(tmp_path / "second", id=old).parents
    assert "has been changed since the mix was made" in there.ends
    (tmp_path / "first").rename(tmp_path / "gone")
    trace = show(tmp_path / "second", id=old)
    assert "is no longer there" in trace.ends and "of pool human in an earlier mix" in trace.parents[0].ends
    mixed = mix(pools=[{"name": "m", "data": {"text": ["a"]}, "origin": {"model": "x"}}], out=tmp_path / "memory")
    assert "was given in memory, as dict" in show(tmp_path / "memory", id=mixed.frame()["_id"][0]).ends


def test_files_are_found_from_a_folder_around_the_mix(tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    polars.DataFrame({"text": ["a", "b"]}).write_parquet("h.parquet")
    mixed = mix(pools=[{"name": "h", "path": "h.parquet", "origin": "human"}], out="mix")
    record = mixed.frame()["_id"][0]
    os.chdir(tmp_path)
    (tmp_path / "work").rename(tmp_path / "elsewhere")
    assert show("elsewhere/mix", id=record).file.file == str(tmp_path / "elsewhere" / "h.parquet")


def test_a_forged_manifest_leads_nowhere(tmp_path):
    chain(tmp_path)
    place = tmp_path / "second" / "manifest.json"
    stored = json.loads(place.read_text())
    record = polars.read_parquet(next((tmp_path / "second" / "data").iterdir()))["_id"][0]
    for change in (
        {"requested": {"pools": 3}},
        {"read": {"old": {"files": {"/dev/zero": "0"}}, "para": {"files": {"\0": "0"}}}},
        {"read": 3},
        {"pools": [{"name": "nobody"}]},
    ):
        place.write_text(json.dumps(stored | change))
        trace = show(tmp_path / "second", id=record)
        assert trace.ends and trace.file is None


@settings(max_examples=8)
@given(
    texts=st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=1, max_size=6),
    repeats=st.integers(1, 3),
    seed=st.integers(0, 3),
)
def test_any_row_is_found_however_often_it_repeats(tmp_path_factory, texts, repeats, seed):
    folder = tmp_path_factory.mktemp("any")
    polars.DataFrame({"text": texts}).write_parquet(folder / "a.parquet")
    mixed = mix(
        pools=[{"name": "a", "path": str(folder / "a.parquet")}],
        rows=len(texts) * repeats,
        max_repeats=repeats,
        seed=seed,
        out=folder / "mix",
    )
    texts_and_rows = [(row["text"], show(folder / "mix", id=row["_id"]).file.row) for row in mixed.frame().iter_rows(named=True)]
    assert all(texts[row - 1] == text for text, row in texts_and_rows)
    assert sorted(row for _, row in texts_and_rows) == sorted([*range(1, len(texts) + 1)] * repeats)


def test_ids_and_parents_are_the_same_when_all_is_built_again(tmp_path):
    columns = ["_id", "_parents", "_source"]
    frames = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        frames.append(chain(tmp_path / name))
    for name in ("first", "second"):
        assert frames[0][name].select(columns).equals(frames[1][name].select(columns))
    assert frames[0]["second"]["_parents"].list.len().max() == 2


def test_the_screen_names_every_step(place, capsys):
    folder, frames = place
    record = frames["second"].filter(polars.col("_source") == "old/gpt")["_id"][0]
    with pytest.raises(SystemExit):
        main(["show", str(folder / "second"), "--id", record[:12]])
    said = " ".join(capsys.readouterr().out.split())
    for words in (
        f"{record}: gpt-x, generation 0",
        "pool old (_source old/gpt)",
        "from",
        "pool gpt",
        "the chain ends here: gpt-x wrote it",
    ):
        assert words in said
