"""A report of two mixes counts every row of both, and says which values are gone and which tails are thinner."""

from collections import Counter

import numpy as np
import polars
import pytest

from outcross import BadInput, mix, report
from outcross.cli import main


def pool(name: str, origin, languages: list[str], spread: float, rows: int = 1500, seed: int = 0) -> dict:
    rng = np.random.default_rng(seed)
    data = {
        "text": ["w" * int(length) for length in rng.integers(1, 400, rows)],
        "age": rng.normal(40, 10 * spread, rows),
        "lang": rng.choice(languages, rows),
        "flag": rng.random(rows) < 0.5,
    }
    return {"name": name, "data": data, "origin": origin}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Two mixes: the second is less human, has lost a language, and has narrower numbers."""
    folder = tmp_path_factory.mktemp("changes")
    human, model = pool("human", "human", ["en", "de", "sw"], 1.0), pool("gpt", {"model": "gpt-x"}, ["en", "de"], 0.5, 3000, 1)
    mix(pools=[human, model], rows=2000, human_share=0.5, out=folder / "first")
    less = {**human, "data": polars.DataFrame(human["data"]).filter(polars.col("lang") != "sw")}
    other = pool("<i>", {"model": "<script>alert(1)</script>"}, ["en", "fr"], 0.2, 500, 2)
    mix(pools=[less, model, other], rows=2000, human_share=0.25, out=folder / "second")
    return folder


@pytest.fixture(scope="module")
def written(place):
    return report([place / "first", place / "second"])


def test_every_count_is_that_of_the_rows(place, written):
    frames = [mixed_frame(place / name) for name in ("first", "second")]
    for by, column in (("origin", "_origin"), ("pool", "_source"), ("column lang", "lang")):
        counts = [Counter(frame[column]) for frame in frames]
        for change in written.changes.tables[by]:
            assert (change.before, change.after) == tuple(count[change.value] for count in counts)
            assert change.difference == change.after / 2000 - change.before / 2000
    assert sum(change.after for change in written.changes.tables["origin"]) == 2000


def mixed_frame(folder):
    return polars.read_parquet([str(path) for path in sorted((folder / "data").iterdir())])


def test_a_group_of_one_mix_is_counted_in_the_rows_of_the_other(place, tmp_path):
    """A mix that was not grouped by a column still has its values; a group whose column the other mix lacks is compared with nothing."""
    human = pool("human", "human", ["en", "de"], 1.0)
    bare = {**human, "data": {name: values for name, values in human["data"].items() if name != "lang"}}
    mix(pools=[human], rows=1000, groups=["lang"], out=tmp_path / "grouped")
    mix(pools=[bare], rows=1000, out=tmp_path / "bare")
    for pair in ((place / "first", tmp_path / "grouped"), (tmp_path / "grouped", place / "first")):
        changes = report(list(pair), out=tmp_path / "changes.html").changes
        counts = [Counter(mixed_frame(folder)["lang"]) for folder in pair]
        assert {change.value: (change.before, change.after) for change in changes.tables["group lang"]} == {
            value: (counts[0][value], counts[1][value]) for value in ("en", "de", "sw")
        }
    changes = report([tmp_path / "grouped", tmp_path / "bare"]).changes
    assert "group lang" not in changes.tables and not changes.lost and "column lang is in only one of the mixes" in changes.notes


def test_what_is_gone_and_what_is_new_is_named(written):
    assert written.changes.lost == {"column lang": ["sw"]}
    assert written.changes.new == {"teacher": ["<script>alert(1)</script>"], "pool": ["<i>"], "column lang": ["fr"]}
    assert written.changes.summary.startswith("The human share goes from 0.5 to 0.25, 1 value is gone (column lang: sw), and ")


def test_tails_are_beyond_the_quantiles_of_the_human_rows_of_the_first(place, written):
    first, second = (mixed_frame(place / name) for name in ("first", "second"))
    human = first.filter(polars.col("_origin") == "human")["age"].to_numpy()
    tails = {(tail.column, tail.side, tail.level): tail for tail in written.changes.tails}
    assert {column for column, *_ in tails} == {"age", "text"}
    for side, level in (("below", 0.05), ("above", 0.01)):
        tail = tails["age", side, level]
        bound = np.sort(human)[int(np.ceil((level if side == "below" else 1 - level) * len(human))) - 1]
        assert tail.bound == bound and tail.human.total_before == len(human) == 1000
        for frame, count in ((first, tail.rows.before), (second, tail.rows.after)):
            ages = frame["age"].to_numpy()
            assert count == ((ages < bound) if side == "below" else (ages > bound)).sum()
        assert tail.rows.share_after < tail.rows.share_before
    assert tails["text", "above", 0.05].what == "characters of its texts" and tails["text", "above", 0.05].bound <= 400


def test_the_page_shows_names_as_words_and_stands_beside_the_first(place, written):
    assert written.path == place / "compare.html"
    page = written.path.read_text()
    assert "<script>" not in page and "&lt;script&gt;alert(1)" in page and "0.25" in page and "no interval" in page
    assert 'name="generator" content="Outcross"' in page and "http" not in page.split("<style>")[0].replace("http-equiv", "")


def test_the_terminal_says_the_same(place, capsys):
    with pytest.raises(SystemExit):
        main(["report", str(place / "first"), str(place / "second"), "--out", str(place / "x.html")])
    said = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "human 1,000 0.5 500 0.25 -0.25" in said and any(line.startswith("sw gone") for line in said)
    assert said[-1] == f"report: {place / 'x.html'}"


def test_a_mix_has_not_changed_from_itself(place, tmp_path):
    unchanged = report([place / "first", place / "first"], out=tmp_path / "same.html").changes
    assert all(change.difference == 0 for changes in unchanged.tables.values() for change in changes)
    assert not unchanged.lost and not unchanged.new and not unchanged.thinner and unchanged.summary == "The human share stays 0.5."


def test_few_human_rows_have_no_quantiles(tmp_path):
    for rows in (20, 30):
        mix(pools=[{"name": "h", "data": {"n": list(range(rows)), "l": [[1]] * rows}, "origin": "human"}], out=tmp_path / str(rows))
    changed = report([tmp_path / "20", tmp_path / "30"]).changes
    assert (
        not changed.tails
        and any("30 human rows are too few" in note for note in changed.notes)
        and any("no tails" in note for note in changed.notes)
    )


def test_what_is_no_pair_of_mixes_is_refused_in_one_line(place, tmp_path):
    (tmp_path / "empty").mkdir()
    for given, said in (
        ([place / "first"], "compares two mixes, got 1; write `outcross report"),
        ([place / "first"] * 3, "compares two mixes, got 3"),
        ([place / "first", tmp_path / "empty"], "holds no mix"),
        ([place / "first", place / "nowhere"], "holds no mix"),
    ):
        with pytest.raises(BadInput, match=said) as refused:
            report(given, out=tmp_path / "x.html")
        assert "\n" not in str(refused.value) and not (tmp_path / "x.html").exists()
