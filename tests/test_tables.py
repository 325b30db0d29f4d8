"""Tables: the same records are the same table whatever they come in; what is no table is refused in one line."""

import gzip
import io
import json
import shutil
import subprocess
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from scipy import stats

from outcross.data import tables
from outcross.data.tables import alike, table
from outcross.errors import BadInput
from outcross.files import formats
from outcross.files import source as of_source


@pytest.fixture
def people() -> pl.DataFrame:
    """Three hundred people with a column of every sort, some values missing."""
    rng = np.random.default_rng(0)
    n = 300
    return pl.DataFrame(
        {
            "age": rng.integers(17, 90, n),
            "income": [None if lost < 0.1 else value for lost, value in zip(rng.random(n), rng.lognormal(size=n).tolist(), strict=True)],
            "race": rng.integers(1, 6, n),
            "sex": [["m", "f", None][i] for i in rng.integers(0, 3, n)],
            "employed": rng.random(n) < 0.6,
            "born": [date(1950, 1, 1) + timedelta(days=int(days)) for days in rng.integers(0, 20_000, n)],
            "seen": [datetime(2020, 1, 1) + timedelta(seconds=int(seconds)) for seconds in rng.integers(0, 10**7, n)],
            "says": [" ".join(map(str, rng.integers(0, 1000, 8))) for _ in range(n)],
        }
    )  # fmt: skip


KINDS = {
    "age": "number", "income": "number", "race": "category", "sex": "category", "employed": "category", "born": "number",
    "seen": "number", "says": "text",
}  # fmt: skip


def lists(rng: np.random.Generator, n: int = 50) -> dict[str, list]:
    return {
        "picture": rng.normal(size=(n, 4)).round(3).tolist(),
        "course": [rng.normal(size=length).tolist() for length in rng.integers(1, 9, n)],
    }


@pytest.mark.parametrize(
    "name",
    [
        "t.csv",
        "t.csv.gz",
        "t.csv.zst",
        "t.tsv",
        "t.parquet",
        "t.jsonl",
        "t.jsonl.gz",
        "t.jsonl.zst",
        "t.ndjson",
        "t.json",
        "t.json.gz",
    ],
)
def test_every_format_holds_the_same_table(people, tmp_path, name):
    path = tmp_path / name
    write = {
        "csv": people.write_csv,
        "tsv": lambda file: people.write_csv(file, separator="\t"),
        "parquet": people.write_parquet,
        "json": people.write_json,
    }.get(name.split(".")[1], people.write_ndjson)
    content = io.BytesIO()
    write(content)
    if name.endswith(".zst") and not shutil.which("zstd"):
        pytest.skip("no zstd program to pack with")
    pack = {".gz": gzip.compress, ".zst": lambda raw: subprocess.run(["zstd", "-c"], input=raw, capture_output=True).stdout}
    path.write_bytes(pack.get(path.suffix, bytes)(content.getvalue()))
    read = table(path)
    assert read.name == name
    assert read.kinds == KINDS
    assert_frame_equal(read.frame, table(people).frame, rel_tol=1e-12)


@pytest.mark.parametrize(
    "as_object", [lambda frame: frame.lazy(), lambda frame: frame.to_dict(as_series=False), lambda frame: frame.to_dicts()]
)
def test_every_object_holds_the_same_table(people, as_object):
    read = table(as_object(people))
    assert read.kinds == KINDS
    assert_frame_equal(read.frame, table(people).frame)


@pytest.mark.parametrize("library", ["pandas", "pyarrow", "datasets"])
def test_the_objects_of_other_libraries_hold_the_same_table(people, library):
    module = pytest.importorskip(library)
    data = {
        "pandas": lambda: module.DataFrame(people.to_dicts()),
        "pyarrow": lambda: people.to_arrow(),
        "datasets": lambda: module.Dataset.from_list(people.to_dicts()),
    }[library]()
    read = table(data)
    assert read.kinds == KINDS
    assert_frame_equal(read.frame, table(people).frame)


def test_shards_are_one_table_whatever_their_types(people, tmp_path):
    people[:100].write_csv(tmp_path / "a.csv")
    people[100:200].write_parquet(tmp_path / "b.parquet")
    people[200:].with_columns(pl.col("age").cast(pl.Float64)).write_parquet(tmp_path / "c.parquet")
    for given_as in (str(tmp_path / "*"), [tmp_path / "c.parquet", tmp_path / "a.csv", str(tmp_path / "b.parquet")], tmp_path):
        assert_frame_equal(table(given_as).frame, table(people).frame, rel_tol=1e-12)


def test_a_shard_without_a_column_is_missing_there_and_said(people, tmp_path):
    people[:100].drop("age").write_csv(tmp_path / "a.csv")
    people[100:].write_csv(tmp_path / "b.csv")
    read = table(tmp_path / "*.csv")
    assert read.frame["age"].null_count() == 100
    assert any("age" in note and "a.csv" in note for note in read.notes)


def test_the_order_of_rows_changes_nothing(people):
    shuffled = table(people.sample(fraction=1, shuffle=True, seed=3))
    assert shuffled.frame.equals(table(people).frame)
    assert shuffled.kinds == table(people).kinds


def test_places_and_records_lead_back_to_the_rows_that_were_read(people):
    read = table(people.with_row_index("_id"))
    assert read.records["_id"].to_list() == read.places.tolist()
    assert people["age"].to_numpy()[read.places].tolist() == read.numbers("age").tolist()


def test_matrices_are_columns_and_wider_arrays_are_vectors(tmp_path):
    rng = np.random.default_rng(1)
    assert list(table(rng.normal(size=(50, 3))).kinds) == ["x0", "x1", "x2"]
    assert table(rng.normal(size=50)).kinds == {"x0": "number"}
    assert table(rng.normal(size=(50, 65))).kinds == {"vector": "vector"}
    pictures = rng.integers(0, 256, (50, 5, 6), dtype=np.uint8)
    read = table(pictures)
    assert read.frame.schema == {"vector": pl.Array(pl.Float32, 30)}
    np.testing.assert_array_equal(read.frame["vector"].to_numpy(), pictures.reshape(50, 30)[read.places])
    np.savez(tmp_path / "p.npz", pictures)
    np.save(tmp_path / "p.npy", pictures)
    (tmp_path / "p-idx3-ubyte.gz").write_bytes(
        gzip.compress(bytes([0, 0, 8, 3, 0, 0, 0, 50, 0, 0, 0, 5, 0, 0, 0, 6]) + pictures.tobytes())
    )
    for name in ("p.npz", "p.npy", "p-idx3-ubyte.gz"):
        assert table(tmp_path / name).frame.equals(read.frame)


def test_several_arrays_of_one_file_are_columns(tmp_path):
    np.savez(tmp_path / "a.npz", image=np.ones((30, 2, 2)), label=np.arange(30) % 3)
    assert table(tmp_path / "a.npz").kinds == {"image": "vector", "label": "category"}


def test_lists_of_one_length_are_vectors_and_of_several_series(tmp_path):
    data = pl.DataFrame(lists(np.random.default_rng(2)))
    data.write_ndjson(tmp_path / "l.jsonl")
    data.write_parquet(tmp_path / "l.parquet")
    for source in (data, tmp_path / "l.jsonl", tmp_path / "l.parquet"):
        read = table(source)
        assert read.kinds == {"picture": "vector", "course": "series"}
        assert read.frame.schema == {"picture": pl.Array(pl.Float32, 4), "course": pl.List(pl.Float64)}
        assert read.frame.equals(table(data).frame)


def test_lists_of_lists_of_one_shape_are_vectors():
    assert table({"grid": [[[1.0, 2.0], [3.0, 4.0]]] * 5}).frame["grid"][0].to_list() == [1.0, 2.0, 3.0, 4.0]


def test_plain_text_is_a_paragraph_a_record_or_a_line(tmp_path):
    (tmp_path / "p.txt").write_text("one\ntwo\n\nthree\n \n\nfour\n")
    (tmp_path / "l.txt").write_text("".join(f"line {i}\n" for i in range(100)) + "\n")
    paragraphs, lines = table(tmp_path / "p.txt"), table(tmp_path / "l.txt")
    assert sorted(paragraphs.frame["text"]) == ["four", "one\ntwo", "three"]
    assert paragraphs.kinds == lines.kinds == {"text": "text"}
    assert lines.rows == 100


def test_paragraphs_are_whole_across_batches(tmp_path, monkeypatch):
    monkeypatch.setattr(of_source, "BATCH", 7)
    paragraphs = ["\n".join(f"{i} {j}" for j in range(i % 5 + 1)) for i in range(60)]
    (tmp_path / "p.txt").write_text("\n\n".join(paragraphs))
    assert sorted(table(tmp_path / "p.txt").frame["text"]) == sorted(paragraphs)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1.5, 2.5, 2.5, None] * 10, "number"),
        (list(range(18, 60)), "number"),
        ([1, 2, 3] * 10, "category"),
        ([1.0, 2.0, float("nan")] * 10, "category"),
        ([1, 2, 3], "number"),
        (["1", "2", "3"] * 10, "category"),
        ([str(i) for i in range(30)] + ["N"] * 300, "number"),
        ([str(i) for i in range(30)] + ["x"], "number"),
        ([str(i) for i in range(30)] + ["x"] * 3, "category"),
        ([f"{i:05}" for i in range(90)], "category"),
        (["2026-01-31", "2025-12-01", ""] * 5, "number"),
        (["2026-01-31T12:00:00Z", "2025-12-01 23:59:59.5"] * 5, "number"),
        ([True, False], "category"),
        (["?", "a"], "category"),
        ([f"a text of some {i} words" for i in range(9)], "text"),
        (["the same five words again"] * 9, "category"),
    ],
)  # fmt: skip
def test_kinds_are_inferred_by_the_rule(values, kind):
    assert table({"x": values}).kinds == {"x": kind}


def test_kinds_can_be_overridden():
    data = {"rank": [1, 2, 3] * 10, "code": [101, 202, 303] * 10, "note": ["short"] * 30}
    read = table(data, kinds={"rank": "number", "code": "category"}, text_column="note")
    assert read.kinds == {"rank": "number", "code": "category", "note": "text"}
    assert sorted(set(read.frame["code"])) == ["101", "202", "303"]


def test_missing_values_are_counted_in_the_notes():
    read = table({"x": [1.5, np.nan, np.inf, -np.inf, 1e60], "y": ["3.5", "N", "?", "", "4.5"]})
    assert np.isnan(read.numbers("x")).sum() == 4
    assert np.isnan(read.numbers("y")).sum() == 3
    assert any("'x': 4 values" in note for note in read.notes)
    assert any("'y': 2 values" in note and "'N'" in note for note in read.notes)


def test_truth_and_whole_numbers_are_written_alike_whatever_they_come_from():
    boolean = table({"x": pl.Series([True, False] * 5), "y": pl.Series([1, 2] * 5)}, kinds={"y": "category"})
    other = table({"x": ["True", " FALSE"] * 5, "y": ["1.0", "2 "] * 5}, kinds={"y": "category"})
    assert boolean.frame.equals(other.frame)


def test_provenance_indices_and_empty_columns_are_not_compared():
    read = table({"_id": ["a", "b"] * 5, "id": range(10), "none": [None] * 10, "x": [0.5, 1.5] * 5})
    assert list(read.kinds) == ["x"]
    assert len(read.notes) == 3


def test_a_name_that_occurs_twice_is_said(tmp_path):
    (tmp_path / "t.csv").write_text("a,a\n1.5,2.5\n")
    read = table(tmp_path / "t.csv")
    assert list(read.kinds) == ["a", "a_duplicated_0"]
    assert any("twice" in note for note in read.notes)


def test_other_separators_are_found_and_said(tmp_path):
    (tmp_path / "t.csv").write_text("a;b\n1.5;x\n2.5;y\n")
    assert list(table(tmp_path / "t.csv").kinds) == ["a", "b"]


@pytest.mark.parametrize("coding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf16_is_read_with_and_without_a_byte_order_mark(tmp_path, coding):
    path = tmp_path / "wide.csv"
    path.write_bytes("age,city\n31,Köln\n47,Bonn\n".encode(coding))
    read = table(path)
    assert read.kinds == {"age": "number", "city": "category"} and {*read.frame["city"]} == {"Köln", "Bonn"}
    assert any("UTF-16" in note for note in read.notes)


def test_rows_are_chosen_into_new_tables(people):
    read = table(people)
    before = read.frame.clone()
    old = read.where(read.numbers("age") > 50)
    assert old.is_whole
    assert old.rows == old.frame.height == int((people["age"] > 50).sum())
    assert old.numbers("age").min() > 50
    assert sum(batch.height for batch in old.batches(["age"])) == old.rows
    assert old.records["age"].cast(pl.Float64).to_list() == old.numbers("age").tolist()
    twice = read.take(np.array([0, 0, 1]))
    assert twice.rows == 3
    assert read.select(["age", "sex"]).frame.columns == ["age", "sex"]
    assert read.frame.equals(before)


def test_an_unknown_column_is_refused_with_the_nearest(people):
    read = table(people)
    for ask in (lambda: read.numbers("agee"), lambda: read.select(["agee"]), lambda: list(read.batches(["agee"]))):
        with pytest.raises(BadInput, match="did you mean 'age'"):
            ask()
    with pytest.raises(BadInput, match="must be a number"):
        read.numbers("sex")


def test_inputs_are_never_changed(people):
    array = np.random.default_rng(4).normal(size=(40, 3))
    columns = {"x": [1.5, None, 2.5], "y": ["a ", "b", ""]}
    kept_array, kept_columns, kept_frame = array.copy(), {name: list(values) for name, values in columns.items()}, people.clone()
    for data in (array, columns, people):
        read = table(data)
        alike([read, read.take(np.arange(2))])
        read.numbers(read.of_kind("number")[0])
    np.testing.assert_array_equal(array, kept_array)
    assert columns == kept_columns
    assert people.equals(kept_frame)


class TestAlike:
    def test_all_sides_say_the_kinds(self):
        reference = table({"rank": [1, 2, 3] * 10, "grade": [1, 2, 3] * 10, "age": [20.5, 30.0, 41.0] * 10, "only": ["a"] * 30})
        other = table({"age": ["20", "N", "x"] * 10, "rank": np.linspace(0, 40, 30), "grade": [1.0, 3.0] * 15, "more": ["b"] * 30})
        assert other.kinds["rank"] == "number"
        matched = alike([reference, other])
        (first, second), notes = matched.tables, matched.notes
        assert first.kinds == second.kinds == {"rank": "number", "grade": "category", "age": "number"}
        assert first.frame.schema == second.frame.schema
        assert second.frame["age"].null_count() == 20
        assert any("'only'" in note and "left out" in note for note in notes)
        assert any("'more'" in note for note in notes)
        assert any("20 values" in note for note in notes)
        assert reference.kinds["only"] == "category"
        assert [(column.column, column.share) for column in matched.absent] == [("only", 1.0)] and matched.uncompared == {}

    def test_a_column_that_is_all_missing_in_another_table_stays(self):
        _, other = alike([table({"x": [1.5, 2.5], "y": [0.5, 1.5]}), table({"x": [None, None], "y": [0.5, 1.5]})]).tables
        assert other.kinds == {"x": "number", "y": "number"}
        assert other.frame["x"].null_count() == 2

    def test_a_column_of_which_no_value_can_be_of_the_kind_is_left_out(self):
        notes = alike([table({"x": [1.5, 2.5], "y": [0.5, 1.5]}), table({"x": ["a", "b"], "y": [0.5, 1.5]})]).notes
        assert len(notes) == 1
        assert "'x' is left out" in notes[0]

    def test_vectors_of_another_length_are_left_out(self):
        rng = np.random.default_rng(5)
        tables_ = [table({"v": rng.normal(size=(9, d)), "x": rng.normal(size=9)}) for d in (3, 4)]
        matched = alike(tables_)
        (first, _), notes = matched.tables, matched.notes
        assert list(first.kinds) == ["x"]
        assert "3 numbers" in notes[0]

    def test_nothing_in_common_is_refused(self):
        with pytest.raises(BadInput, match="no column"):
            alike([table({"x": [1.5]}), table({"y": [1.5]})])


class TestSample:
    """With the cap lowered to a hundred rows, as a table of ten million would be read."""

    @pytest.fixture(autouse=True)
    def lower(self, monkeypatch):
        monkeypatch.setattr(tables, "SAMPLE", 100)
        monkeypatch.setattr(of_source, "BATCH", 64)

    def test_a_larger_table_is_sampled_and_streamed(self, people, tmp_path):
        people.write_csv(tmp_path / "t.csv")
        read = table(tmp_path / "t.csv")
        assert (read.rows, read.frame.height, read.is_whole) == (300, 100, False)
        batches = list(read.batches())
        assert all(batch.schema == read.frame.schema for batch in batches)
        assert sorted(pl.concat(batches)["age"]) == sorted(people["age"].cast(float))
        assert any("100 of 300" in note for note in read.notes)
        first, second = alike([read, table(people)]).tables
        assert sum(batch.height for batch in second.batches(["age"])) == 300
        assert first.where(first.numbers("age") > 50).is_whole

    def test_the_sample_does_not_depend_on_the_format(self, people, tmp_path):
        people.write_csv(tmp_path / "t.csv")
        assert table(tmp_path / "t.csv").places.tolist() == table(people).places.tolist()

    @pytest.mark.parametrize("part", [lambda places: places // 2_000, lambda places: places % 20], ids=["blocks", "steps"])
    def test_every_part_of_a_table_is_drawn_alike(self, monkeypatch, part):
        """Chi-squared over 20 parts of 40,000 rows, of which 4,000 are drawn; a fair draw fails 1 in 10,000."""
        monkeypatch.setattr(tables, "SAMPLE", 4_000)
        drawn = np.bincount(part(table(np.arange(40_000.0)).places), minlength=20)
        variance = 200 * 0.9  # drawn without replacement: nine tenths of the multinomial's
        assert stats.chi2.sf(((drawn - 200) ** 2).sum() / variance, 19) > 1e-4

    def test_long_rows_are_held_within_the_bytes_allowed(self, monkeypatch):
        monkeypatch.setattr(tables, "BYTES", 100_000)
        read = table({"text": [f"{i} " * 2_000 for i in range(100)]})
        assert read.rows == 100
        assert 5 < read.frame.height < 30


HOSTILE = {
    "latin.csv": ("a,b\né,2\n".encode("latin-1"), "byte 4, line 2"),
    "latin-header.csv": ("é,b\n1,2\n".encode("latin-1"), "byte 0, line 1"),
    "latin.csv.gz": (gzip.compress("a,b\nx,1\né,2\n".encode("latin-1")), "byte 8, line 3"),
    "wide.csv": ("a,b\n1,2\n".encode("utf-16") + b"1", "not valid UTF-16"),
    "wide.txt": ("one\ntwo\n".encode("utf-16"), "iconv -f UTF-16"),
    "zero.csv": (b"a,b\nx\0y,2\n", "zero byte"),
    "empty.csv": (b"", "is empty"),
    "blank.csv": (b"\n\n\n", "is empty"),
    "header.csv": (b"a,b\n", "has no rows"),
    "ragged.csv": (b"a,b\n1,2,3\n", "more fields than its header"),
    "quote.csv": (b'a,b\n"x,2\n3,4\n', "not a whole .csv"),
    "missing.csv": (b"a,b\n,\n,\n", "has no value"),
    "cut.csv.gz": (gzip.compress(np.random.default_rng(0).bytes(9_000).hex().encode())[:5_000], "not a whole gzip file"),
    "junk.csv.zst": (b"(\xb5/\xfdjunkjunk", "not a whole .zst file"),
    "cut.parquet": (b"PAR1" + bytes(100), "not a whole .parquet"),
    "junk.parquet": (b"PAR1" + b"\xff" * 200 + b"PAR1", "not a whole .parquet"),
    "empty.parquet": (b"", "not a whole .parquet"),
    "nested.jsonl": (b'{"a":{"b":1}}\n', "no column to compare"),
    "mixed.jsonl": (b'{"a":{"b":1}}\n{"a":3}\n', "not a whole .jsonl"),
    "cut.jsonl": (b'{"a":1}\n{"a":\n', "line 2"),
    "nan.jsonl": (b'{"a":1}\n{"a":NaN}\n', "line 2: NaN is not a JSON number"),
    "list.jsonl": (b'[{"a":1}]\n', "not a record in braces"),
    "zeros.jsonl": (b'{"a":1}\n\0\0\0\0\n', "line 2 has a zero byte"),
    "deep.jsonl": (b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}\n", "line 1"),
    "latin.jsonl": ('{"a":"é"}\n'.encode("latin-1"), "byte 6, line 1"),
    "empty.jsonl": (b"", "is empty"),
    "cut.json": (b'[{"a":1},', "not a whole .json"),
    "empty.json": (b"[]", "has no rows"),
    "latin.txt": ("é\n".encode("latin-1"), "byte 0, line 1"),
    "zero.txt": (b"a\0b\n", "zero byte"),
    "blank.txt": (b"\n\n", "has no rows"),
    "cut.npy": (b"\x93NUMPY\x01", "not a whole .npy"),
    "cut.npz": (b"PK\3\4", "not a whole .npy or .npz"),
    "cut-idx3-ubyte": (bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2]) + b"123", "cut off"),
    "huge.idx": (bytes([0, 0, 8, 3]) + b"\xff" * 12, "cut off"),
    "junk.idx": (b"junkjunk", "not an IDX file"),
    "packed.parquet.gz": (gzip.compress(b"PAR1"), "not a whole .parquet"),
    "packed.npy.gz": (gzip.compress(b"\x93NUMPY"), "cannot be read packed"),
    "book.xlsx": (b"PK", "must end in one of"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_in_one_line(tmp_path, name):
    content, why = HOSTILE[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput) as refusal:
        table(tmp_path / name)
    assert why in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (None, "is not a table"),
        (3, "is not a table"),
        ([], "is not a table"),
        (["a text of some words " * 20], "a string is read as the path of a file, so give texts as a column of a table"),
        ("", "empty path"),
        ("nowhere/*.csv", "no file matches"),
        ("nowhere.csv", "no file nowhere.csv"),
        (["nowhere.csv"], "no file nowhere.csv"),
        (pl.DataFrame(), "no rows"),
        ({"a": []}, "no rows"),
        ({"a": [1], "b": [1, 2]}, "one length"),
        ({"a": 3}, "not a list of values"),
        ({"a": [object()]}, "no column to compare"),
        ({"a": [None]}, "has no value"),
        ({"a": [[], []]}, "all its lists are empty"),
        ({"a": [["x"], ["y"]]}, "no column to compare"),
        (np.array([1j]), "must hold numbers"),
        (np.zeros((0, 3)), "no rows"),
        (np.full(5, np.nan), "no finite number"),
        (pl.LazyFrame({"a": ["x"]}).select(pl.col("a").cast(pl.Int64)), "cannot be read"),
        (pl.LazyFrame({"a": ["x"]}).select("b"), "cannot be read"),
    ],
)  # fmt: skip
def test_a_hostile_object_is_refused_in_one_line(data, why):
    with pytest.raises(BadInput) as refusal:
        table(data)
    assert why in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_wrong_override_is_refused():
    with pytest.raises(BadInput, match="did you mean 'age'"):
        table({"age": [1.5]}, kinds={"agee": "number"})
    with pytest.raises(BadInput, match="must be one of number"):
        table({"age": [1.5]}, kinds={"age": "float"})  # type: ignore[dict-item]
    with pytest.raises(BadInput, match="cannot be a vector"):
        table({"age": [1.5]}, kinds={"age": "vector"})
    with pytest.raises(BadInput, match="no value of 'note' is a number"):
        table({"note": ["a cat", "a dog", None], "age": [1.5, 2.0, 3.0]}, kinds={"note": "number"})


def test_a_parquet_file_with_any_byte_changed_is_read_or_refused(tmp_path):
    """Every 37th byte turned over, one at a time: a wrong value may pass, nothing else may."""
    content = io.BytesIO()
    pl.DataFrame({"a": np.arange(200) / 7, "b": ["x", "y"] * 100}).write_parquet(content)
    for at in range(4, len(content.getvalue()), 37):
        broken = bytearray(content.getvalue())
        broken[at] ^= 0xFF
        (tmp_path / "t.parquet").write_bytes(broken)
        try:
            table(tmp_path / "t.parquet")
        except BadInput as refusal:
            assert "\n" not in str(refusal)


@settings(deadline=None)
@given(st.lists(st.one_of(st.none(), st.integers(), st.floats(), st.text(max_size=9), st.booleans()), min_size=1, max_size=30))
def test_any_column_is_read_or_refused(values):
    try:
        read = table({"x": values})
    except BadInput as refusal:
        assert "\n" not in str(refusal)
    else:
        assert read.frame.height == len(values)


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(tmp_path_factory, content):
    for name in ("t.csv", "t.jsonl", "t.json", "t.txt", "t.parquet", "t.npy", "t.idx"):
        path = tmp_path_factory.getbasetemp() / name
        path.write_bytes(content)
        try:
            table(path)
        except BadInput as refusal:
            assert "\n" not in str(refusal)


LINES = {
    "of one kind": [{"a": row, "text": f"line {row}"} for row in range(40)],
    "whole numbers, then fractions": [{"a": row if row < 20 else row / 2} for row in range(40)],
    "a column that comes late": [{"a": row} | ({"b": {"c": [row]}} if row > 30 else {}) for row in range(40)],
    "nothing, then words": [{"a": None if row < 25 else "word"} for row in range(40)],
}


@pytest.mark.parametrize("name", LINES)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n   \n"])
def test_lines_that_are_read_in_blocks_are_those_of_the_whole_file(tmp_path, monkeypatch, name, end):
    monkeypatch.setattr(formats, "BLOCK", 50)
    path = tmp_path / "lines.jsonl"
    content = end.join(json.dumps(line) for line in LINES[name])
    for text in (content, content + end):
        path.write_text(text, newline="")
        source = formats.from_file(path)
        whole = pl.read_ndjson(io.StringIO("\n".join(json.dumps(line) for line in LINES[name])), infer_schema_length=None)
        assert source.columns == tuple(whole.columns)
        assert_frame_equal(pl.concat(source.batches(None)), whole)
        assert_frame_equal(pl.concat(source.batches(["a"])), whole.select("a"))
