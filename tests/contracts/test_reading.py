"""One reader: the same records are the same, whatever they are written as, and by every door that reads them."""

import gzip
import io
import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from outcross.data.tables import Table, table
from outcross.errors import BadInput
from outcross.experiment import Experiment
from outcross.files.inputs import digest
from outcross.files.names import named
from outcross.files.numbers import points
from outcross.files.reading import content_digest, read
from outcross.sources.array import Array
from outcross.sources.hub import Hub
from outcross.sources.path import Path as TextPath
from outcross.text.gathering import Document, documents

TABLES = ("csv", "tsv", "jsonl", "ndjson", "json", "parquet")
ENDINGS = [
    *TABLES,
    "arrow",
    *[f"{ending}.gz" for ending in TABLES],
    *[f"{ending}.zst" for ending in TABLES if ending != "parquet"],
]  # fmt: skip
TEXTS = ["txt", "md", "rst", "txt.gz", "md.gz", "txt.zst", "md.zst"]


@pytest.fixture(scope="module")
def records() -> pl.DataFrame:
    """Two hundred sentences of two writers with a number and a code each; some of them are missing, or hold what is hard to write."""
    rng = np.random.default_rng(7)
    words = ["oak", "ash", 'said "no"', "one, two", "a;b", "zwölf", "漢字", "مرحبا", "line\nbreak", "  space  "]
    return pl.DataFrame(
        {
            "text": [" ".join(rng.choice(words, 30)) if i % 13 else None for i in range(200)],
            "writer": [("ann", "bob", "ann", None)[i % 4] for i in range(200)],
            "weight": [float(value) if i % 7 else None for i, value in enumerate(rng.normal(size=200).round(6))],
            "code": rng.integers(0, 5, 200),
        }
    )


def written(frame: pl.DataFrame, path: Path) -> Path:
    """The records in a file, as its ending says."""
    content = io.BytesIO()
    write: dict[str, Callable[[Any], Any]] = {
        ".csv": frame.write_csv,
        ".tsv": lambda file: frame.write_csv(file, separator="\t"),
        ".json": frame.write_json,
        ".parquet": frame.write_parquet,
        ".arrow": frame.write_ipc,
    }
    write.get(path.suffixes[0], frame.write_ndjson)(content)
    return packed(content.getvalue(), path)


def packed(content: bytes, path: Path) -> Path:
    if path.suffix == ".gz":
        content = gzip.compress(content)
    if path.suffix == ".zst":
        try:
            content = subprocess.run(["zstd", "-c"], input=content, capture_output=True, check=True).stdout
        except FileNotFoundError:
            pytest.skip("no zstd program to pack with")
    path.write_bytes(content)
    return path


@dataclass(frozen=True)
class Ways:
    """What the doors give: the table of an audit, and the documents of a run."""

    table: Table
    documents: list[Document]

    def assert_same(self, other: "Ways") -> None:
        assert self.documents == other.documents
        assert self.table.kinds == other.table.kinds
        assert_frame_equal(self.table.frame, other.table.frame, rel_tol=1e-12)


def of_path(path: Path) -> Ways:
    return Ways(table(path), TextPath(path=str(path), text_column="text", group_column="writer").documents())


def of_object(data: Any) -> Ways:
    return Ways(table(data), documents(read(data), "text", "writer"))


@pytest.fixture(scope="module")
def expected(records) -> Ways:
    ways = of_object(records)
    assert ways.table.kinds == {"text": "text", "writer": "category", "weight": "number", "code": "category"}
    assert {document.group for document in ways.documents} == {"ann", "bob", ""}
    assert len(ways.documents) > 20
    return ways


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_format_gives_the_same_records_to_a_run_and_to_an_audit(ending, records, expected, tmp_path):
    of_path(written(records, tmp_path / f"t.{ending}")).assert_same(expected)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_folder_and_a_glob_of_shards_are_one_set(ending, records, expected, tmp_path):
    for i in range(4):
        written(records[50 * i : 50 * i + 50], tmp_path / f"shard-{i}.{ending}")
    (tmp_path / "README.txt").write_text("What lies here.")
    (tmp_path / "README.md").write_text("What lies here.")
    of_path(tmp_path).assert_same(expected)
    of_path(tmp_path / "shard-*").assert_same(expected)


def as_pandas(frame: pl.DataFrame) -> Any:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    return pandas.DataFrame(frame.to_dict(as_series=False))


def as_arrow(frame: pl.DataFrame) -> Any:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    return frame.to_arrow()


def as_dataset(frame: pl.DataFrame) -> Any:
    datasets = pytest.importorskip("datasets", reason="datasets is not installed; pip install 'outcross[hf]'")
    return datasets.Dataset.from_list(frame.to_dicts())


class Capsule:
    """A table of another library, of which only the Arrow stream is known."""

    def __init__(self, frame: pl.DataFrame):
        self.frame = frame

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.frame.__arrow_c_stream__(requested_schema)


OBJECTS = {
    "polars": lambda frame: frame,
    "lazy": lambda frame: frame.lazy(),
    "columns": lambda frame: frame.to_dict(as_series=False),
    "records": lambda frame: frame.to_dicts(),
    "stream": Capsule,
    "pandas": as_pandas,
    "arrow": as_arrow,
    "datasets": as_dataset,
}


@pytest.mark.parametrize("library", OBJECTS)
def test_every_object_gives_the_same_records_to_both_doors(library, records, expected):
    of_object(OBJECTS[library](records)).assert_same(expected)


def test_a_dataset_saved_to_disk_is_read_by_both_doors(records, expected, tmp_path):
    """The layout that Dataset.save_to_disk writes: Arrow streams, the names of which state.json lists in order."""
    names = ["b.arrow", "a.arrow"]
    for name, rows in zip(names, (records[:120], records[120:]), strict=True):
        rows.write_ipc_stream(tmp_path / name)
    records[:1].write_ipc_stream(tmp_path / "cache-of-a-map.arrow")
    (tmp_path / "state.json").write_text(json.dumps({"_data_files": [{"filename": name} for name in names], "_split": "train"}))
    (tmp_path / "dataset_info.json").write_text("{}")
    of_path(tmp_path).assert_same(expected)
    assert content_digest(str(tmp_path)) == digest([tmp_path / name for name in names])
    (tmp_path / "a.arrow").unlink()
    with pytest.raises(BadInput, match=r"no file .*a\.arrow"):
        table(tmp_path)
    (tmp_path / "state.json").write_text(json.dumps({"_data_files": [{"filename": "../outside.arrow"}]}))
    assert content_digest(str(tmp_path)) != ""


def test_an_arrow_file_is_read_by_its_very_name(tmp_path):
    for name in ("t1.arrow", "t[1].arrow"):
        pl.DataFrame({"name": [name] * 3}).write_ipc(tmp_path / name)
    assert table(tmp_path / "t[1].arrow").frame["name"].unique().to_list() == ["t[1].arrow"]


@pytest.mark.parametrize("write", [pl.DataFrame.write_ipc, pl.DataFrame.write_ipc_stream])
def test_an_arrow_file_with_any_byte_changed_is_read_or_refused(write, tmp_path):
    """Every 53rd byte turned over, one at a time: a wrong value may pass, nothing else may."""
    write(pl.DataFrame({"a": np.arange(90) / 7, "b": ["x", "y"] * 45}), tmp_path / "t.arrow")
    content = (tmp_path / "t.arrow").read_bytes()
    for broken in [
        *(content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :] for at in range(0, len(content), 53)),
        content[:200],
        b"",
    ]:
        (tmp_path / "t.arrow").write_bytes(broken)
        try:
            table(tmp_path / "t.arrow")
        except BadInput as refusal:
            assert "\n" not in str(refusal)


# Texts


def prose(paragraphs: int = 60) -> str:
    rng = np.random.default_rng(3)
    return "\n\n".join(f"{i} " + " ".join(rng.choice(["oak", "elm", "ash tree"], 40)) for i in range(paragraphs)) + "\n"


@pytest.mark.parametrize("ending", TEXTS)
@pytest.mark.parametrize(
    "dress", [str, lambda text: "\ufeff" + text, lambda text: text.replace("\n", "\r\n")], ids=["plain", "mark", "crlf"]
)
def test_a_text_gives_the_same_documents_whatever_its_ending_and_its_line_ends(ending, dress, tmp_path):
    given = packed(dress(prose()).encode(), tmp_path / f"t.{ending}")
    (tmp_path / "plain.txt").write_text(prose())
    read_documents = TextPath(path=str(given)).documents()
    assert read_documents == TextPath(path=str(tmp_path / "plain.txt")).documents()
    assert "\n".join(document.text for document in read_documents) == prose().replace("\n\n", "\n")
    if "rst" not in ending:
        assert table(given).frame["text"].len() == 60


def test_no_document_goes_over_the_end_of_a_text_file(tmp_path):
    for name in ("a.txt", "b.txt", "c.txt.gz"):
        packed(f"{name} one\n\n{name} two".encode(), tmp_path / name)
    assert [document.text for document in TextPath(path=str(tmp_path)).documents()] == [
        f"{name} one\n{name} two" for name in ("a.txt", "b.txt", "c.txt.gz")
    ]


def test_a_heading_must_fit_a_line_of_every_file(tmp_path):
    (tmp_path / "a.txt").write_text("= A =\none\n= B =\ntwo")
    (tmp_path / "b.txt").write_text("nothing")
    assert len(TextPath(path=str(tmp_path / "a.txt"), heading="= .* =").documents()) == 2
    with pytest.raises(BadInput, match="matches no line of the text that begins with 'nothing'"):
        TextPath(path=str(tmp_path), heading="= .* =").documents()


# Numbers

NUMBERS = np.random.default_rng(5).normal(size=(90, 3)).round(9)


def spread(folder: Path, ending: str) -> Path:
    """The numbers in a file of this ending, by columns where it is a table."""
    path = folder / f"n.{ending}"
    if ending == "npy":
        np.save(path, NUMBERS)
    elif ending == "npz":
        np.savez_compressed(path, points=NUMBERS)
    else:
        written(pl.DataFrame(NUMBERS, schema=["x", "y", "z"], orient="row").with_columns(_id=pl.lit("kept out")), path)
    return path


@pytest.mark.parametrize("ending", ["npy", "npz", *ENDINGS])
def test_every_format_gives_the_same_points(ending, tmp_path):
    np.testing.assert_array_equal(points(read(spread(tmp_path, ending))), NUMBERS)


@pytest.mark.parametrize("width", [1, 3, 64, 65, 200])
@pytest.mark.parametrize("dtype", ["f8", "f4", "i8", "u1", "?", ">f8"])
def test_points_keep_every_bit_of_an_array(width, dtype, tmp_path):
    array = (np.random.default_rng(0).normal(size=(40, width)) * 2**40).astype("i8").astype(dtype)
    np.save(tmp_path / "n.npy", array)
    for given in (tmp_path / "n.npy", array):
        np.testing.assert_array_equal(points(read(given)), array.astype(float))


def test_shards_of_arrays_and_pictures_of_idx_are_points(tmp_path):
    np.save(tmp_path / "a.npy", NUMBERS[:50])
    np.save(tmp_path / "b.npy", NUMBERS[50:])
    np.testing.assert_array_equal(points(read(tmp_path)), NUMBERS)
    pictures = np.arange(2 * 3 * 4, dtype=np.uint8)
    header = bytes([0, 0, 8, 3]) + b"".join(length.to_bytes(4, "big") for length in (2, 3, 4))
    packed(header + pictures.tobytes(), tmp_path / "train-images-idx3-ubyte.gz")
    np.testing.assert_array_equal(points(read(tmp_path / "train-images-idx3-ubyte.gz")), pictures.reshape(2, 12))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ({"x": [1.0, None]}, "holds nan at row 1, column 0"),
        ({"x": ["1", "two"]}, "must hold numbers, got 'two' at row 1, column 'x'"),
        ({"x": [1.0], "when": [True]}, ""),
        ({"x": [{"a": 1}]}, "its column 'x' holds Struct"),
        ({"x": [[1.0], [1.0, 2.0]]}, "holds lists of [1, 2] numbers"),
        ({"x": [[], []]}, "holds lists of [0] numbers"),
        ({"x": [["a"]]}, "its column 'x' holds"),
        ({"x": [1e60]}, "numbers of size 1e+60"),
        ({"_id": [1]}, "has no record of numbers"),
        ({"x": []}, "must hold numbers"),
    ],
)
def test_what_is_no_point_is_refused_in_one_line(data, why):
    if not why:
        assert points(read(data)).tolist() == [[1.0, 1.0]]
        return
    with pytest.raises(BadInput) as refusal:
        points(read(data))
    assert why in str(refusal.value) and "\n" not in str(refusal.value)


# The digest by which an edited file is other human data


def edits(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]


@pytest.mark.parametrize("door", ["folder", "glob", "file", "hub", "array", "pictures"])
def test_the_digest_of_human_data_covers_every_file_that_is_read(door, tmp_path):
    folder = tmp_path / "data"
    (folder / "inner").mkdir(parents=True)
    if door == "array":
        for name in ("a.npy", "b.npy"):
            np.save(folder / name, NUMBERS)
    else:
        for name in {"hub": ("a.jsonl", "inner/b.jsonl"), "file": ("a.csv",), "pictures": ("a.png", "b.png")}.get(
            door, ("a.csv", "b.csv")
        ):
            (folder / name).write_text("text\nwords\n")
    source = {
        "folder": lambda: TextPath(path=str(folder), text_column="text"),
        "glob": lambda: TextPath(path=str(folder / "*.csv"), text_column="text"),
        "file": lambda: TextPath(path=str(folder / "a.csv"), text_column="text"),
        "hub": lambda: Hub(hub=str(folder)),
        "array": lambda: Array(array=str(folder)),
        "pictures": lambda: Array(array=str(folder)),
    }[door]()
    before = source.content()
    assert before and source.content() == before
    for path in edits(folder):
        kept = path.read_bytes()
        path.write_bytes(kept + b"more")
        assert source.content() != before
        path.write_bytes(kept)
    assert source.content() == before
    if door != "file":
        edits(folder)[-1].unlink()
        assert source.content() != before


def test_the_digest_of_one_file_is_its_sha_256_and_of_nothing_is_empty(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"abc")
    assert content_digest(str(tmp_path / "a.txt")).startswith("ba7816bf8f01cfea")
    assert content_digest(str(tmp_path / "*.txt")) == digest([tmp_path / "a.txt"])
    for nothing in ("none.txt", "none/*.txt", ""):
        assert content_digest(nothing and str(tmp_path / nothing)) == ""


def test_what_a_run_must_not_write_to_is_every_file_of_a_glob(tmp_path):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("x\n1\n")
    assert TextPath(path=str(tmp_path / "*.csv")).inputs() == (tmp_path / "a.csv", tmp_path / "b.csv")
    assert Array(array=str(tmp_path)).inputs() == (tmp_path,)
    assert named(str(tmp_path / "none-*")) == (tmp_path / "none-*",)


# What is refused


@dataclass(frozen=True)
class Hostile:
    """A file that no door takes, and what both say of it."""

    content: bytes
    why: str


HOSTILE = {
    "surplus.csv": Hostile(b"text,writer,n\nHello, world,ann,1\n", "more fields than its header"),
    "surplus.tsv": Hostile(b"text\twriter\nHello\tworld\tann\n", "more fields than its header"),
    "zero.csv": Hostile(b"text,writer,n\nx,a,1\0\n", "zero byte"),
    "latin.csv": Hostile("text,writer,n\nx,a,é\n".encode("latin-1"), "not UTF-8"),
    "quote.csv": Hostile(b'text,writer\n"x,2\n3,4\n', "not a whole .csv"),
    "empty.tsv": Hostile(b"", "is empty"),
    "empty.json": Hostile(b"", "is empty"),
    "cut.json": Hostile(b'[{"text": "a"},', "not a whole .json"),
    "cut.jsonl": Hostile(b'{"text": "a", "writer": "b"}\n{"text"\n', "line 2"),
    "cut.parquet": Hostile(b"PAR1\0\0", "not a whole .parquet"),
    "cut.csv.gz": Hostile(gzip.compress(os.urandom(9_000).hex().encode())[:5_000], "not a whole gzip file"),
    "cut.parquet.gz": Hostile(gzip.compress(b"PAR1"), "not a whole .parquet"),
    "junk.json.zst": Hostile(b"(\xb5/\xfdjunkjunk", "not a whole .zst file"),
    "junk.csv.zst": Hostile(b"junkjunk", "not a whole zstd file"),
    "junk.parquet.zst": Hostile(b"(\xb5/\xfd", "cannot be read packed"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_table_is_refused_in_one_line_by_both_doors(name, tmp_path):
    (tmp_path / name).write_bytes(HOSTILE[name].content)
    doors = (
        lambda: table(tmp_path / name),
        lambda: table(tmp_path / name, columns=["text"], most_columns=1),
        lambda: TextPath(path=str(tmp_path / name), text_column="text").documents(),
        lambda: points(read(tmp_path / name)),
    )
    for door in doors:
        with pytest.raises(BadInput) as refusal:
            door()
        assert HOSTILE[name].why in str(refusal.value)
        assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("latin.txt", "Zürich".encode("latin-1"), "not UTF-8 text (byte 1, line 1)"),
        ("zero.md", b"a\0b", "not text (a zero byte at 1)"),
        ("blank.rst", b" \n\n", "is empty"),
        ("zero.txt.zst", b"a\0b\n", "not text (a zero byte at 1)"),
        ("blank.txt.zst", b"\n", "is empty"),
    ],
)
def test_a_hostile_text_is_refused_in_one_line(name, content, why, tmp_path):
    packed(content, tmp_path / name)
    with pytest.raises(BadInput) as refusal:
        TextPath(path=str(tmp_path / name)).documents()
    assert why in str(refusal.value) and "\n" not in str(refusal.value)


@pytest.mark.parametrize(("name", "why"), [("none.csv", "no file"), ("none-*.csv", "no file matches"), ("inner", "folder without")])
def test_what_is_not_there_is_refused_by_both_doors(name, why, tmp_path):
    (tmp_path / "inner").mkdir()
    for door in (lambda path: table(path), lambda path: TextPath(path=path).documents(), lambda path: points(read(path))):
        with pytest.raises(BadInput, match=why):
            door(str(tmp_path / name))


def test_human_data_in_memory_are_refused_with_how_to_save_them(records):
    array = np.zeros((3, 2))
    for data in (records, {"data": records}, {"path": records}, {"array": array}, {"kind": "array", "array": array}):
        with pytest.raises(BadInput, match=r"human must name files, got (DataFrame|ndarray) in memory; .*write_parquet") as refusal:
            Experiment(name="g", human=data, learner="gaussian")  # type: ignore[arg-type]
        assert "\n" not in str(refusal.value)
    for build in (lambda: TextPath(path=records.to_dicts()), lambda: Array(array=array)):  # type: ignore[arg-type]
        with pytest.raises(BadInput, match="must name files"):
            build()
