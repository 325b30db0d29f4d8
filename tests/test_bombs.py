"""Input that unfolds, never ends or never begins is refused at once, and a name of a page is shown shortened."""

import gzip
import io
import json
import os
import socket
import struct
import time
import zipfile
import zlib

import numpy as np
import polars
import pytest

from outcross import audit
from outcross.cli import main
from outcross.data.tables import table
from outcross.errors import BadInput
from outcross.experiment.file import load
from outcross.files import arrays, inputs
from outcross.files.numbers import points
from outcross.files.reading import read
from outcross.sources.path import Path as TextFile
from outcross.verbs.audit.page import page
from outcross.verbs.audit.sentences import markdown

pytestmark = pytest.mark.usefixtures("without_charts")


def refused(capsys, *arguments) -> str:
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    said = capsys.readouterr()
    assert stopped.value.code == 2 and said.out == "", said
    assert said.err.startswith("outcross: ") and said.err.count("\n") == 1, said.err
    return said.err


@pytest.fixture
def small(monkeypatch):
    """The bound made a megabyte, so that a bomb of two is one."""
    monkeypatch.setattr(inputs, "MEMORY", 1 << 20)
    for function in (inputs.read, inputs.unpacked_size):
        monkeypatch.setattr(function, "__defaults__", (1 << 20,))


def test_gzip_that_unfolds_beyond_the_bound_is_refused_with_it(small, tmp_path):
    bomb = gzip.compress(b"a,b\n" + b"1,2\n" * (1 << 19))
    for name in ("t.csv.gz", "t.jsonl.gz", "t.txt.gz", "T.CSV.GZ"):
        (tmp_path / name).write_bytes(bomb)
        with pytest.raises(BadInput, match="unpacks to more than 1 MiB"):
            table(tmp_path / name)
    with pytest.raises(BadInput, match="unpacks to more than 1 MiB"):
        TextFile(path=tmp_path / "t.txt.gz").documents()


def test_a_gzip_bomb_of_gigabytes_is_refused_within_seconds(tmp_path):
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(bytes(1 << 24)) * 80)
    with pytest.raises(BadInput, match="unpacks to more than 1 GiB"):
        table(tmp_path / "t.csv.gz")


def zstandard(blocks: list[tuple[int, int, bytes]]) -> bytes:
    """A frame of blocks (kind, length, content): 0 raw, 1 one byte again and again, 2 compressed."""
    headers = [(i == len(blocks) - 1) | kind << 1 | length << 3 for i, (kind, length, _) in enumerate(blocks)]
    body = b"".join(header.to_bytes(3, "little") + content for header, (_, _, content) in zip(headers, blocks, strict=True))
    return (0xFD2FB528).to_bytes(4, "little") + b"\x00\x58" + body


def test_zstandard_is_measured_by_its_blocks(small, tmp_path):
    path = tmp_path / "t.csv.zst"
    path.write_bytes(zstandard([(0, 4, b"a,b\n"), (0, 4, b"1,2\n")]))
    assert inputs.unpacked_size(path) == 8
    assert table(path).rows == 1
    path.write_bytes(zstandard([(1, 1 << 17, b"x")] * 9))
    with pytest.raises(BadInput, match="unpacks to more than 1 MiB"):
        table(path)
    path.write_bytes(zstandard([(0, 4, b"a,b\n")])[:-6])
    with pytest.raises(BadInput, match="is not a whole zstd file"):
        table(path)


def npy_header(shape: str, descr: str = "<f8") -> bytes:
    words = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"
    words = words.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(words)) + words.encode()


def test_what_an_array_declares_is_checked_before_memory_is_taken(tmp_path):
    path = tmp_path / "t.npy"
    for shape in ("(1000000000000,)", "(10, 99999999999)", f"({10**30}, 2)", "(-1, 4)"):
        path.write_bytes(npy_header(shape) + bytes(800))
        with pytest.raises(BadInput, match="is not a whole"):
            table(path)
    path.write_bytes(npy_header(f"(1, {1 << 30})", "|u1"))
    os.truncate(path, 128 + (1 << 30))  # sparse: it takes no room on the disk
    for reader in (lambda: points(read(path)), lambda: table(path)):
        with pytest.raises(BadInput, match="more than 1 GiB"):
            reader()


def test_an_archive_is_refused_by_its_directory(small, tmp_path):
    np.savez_compressed(tmp_path / "t.npz", a=np.zeros(1 << 18))
    with pytest.raises(BadInput, match="unpacks to more than 1 MiB"):
        arrays.load(tmp_path / "t.npz")
    member = io.BytesIO()
    np.save(member, np.zeros(4))
    with zipfile.ZipFile(tmp_path / "lies.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", npy_header("(16777216,)") + bytes(1 << 19))
    with pytest.raises(BadInput, match="is cut off"):
        arrays.load(tmp_path / "lies.npz")


def test_pictures_are_measured_by_their_headers(tmp_path):
    pytest.importorskip("PIL")

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    picture = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(picture)
    with pytest.raises(BadInput, match=r"60000 by 60000 pixels|is not a whole picture"):
        table(tmp_path)


def test_a_text_said_once_and_named_a_million_times_is_refused(small, tmp_path):
    text = polars.Series("text", ["x" * 50_000], dtype=polars.String)
    polars.select(polars.lit(text[0]).repeat_by(100).explode().alias("text")).write_parquet(tmp_path / "t.parquet")
    with pytest.raises(BadInput, match="unfolds to more than 1 MiB"):
        TextFile(path=tmp_path / "t.parquet", text_column="text").documents()


@pytest.fixture
def endless(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(tmp_path / "socket"))
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "stdin").symlink_to("/dev/zero")
    (tmp_path / "folder").mkdir()
    yield tmp_path
    listening.close()


@pytest.mark.parametrize(
    ("name", "what"), [("pipe", "a pipe"), ("socket", "a socket"), ("zero", "a device"), ("folder", "a folder")]
)
def test_only_files_are_read_and_nothing_is_waited_for(name, what, endless, capsys):
    path = endless / name
    for ending in (".yaml", ".csv", ".npy", ".npz", ".txt", ".json", ".parquet", ".jsonl.gz", ".idx", ".txt.zst"):
        (endless / f"{name}{ending}").symlink_to(path)
    began = time.monotonic()
    readers = [
        lambda: load(str(endless / f"{name}.yaml")),
    ]
    if name != "folder":  # a folder of tables is a set
        readers += [
            lambda: points(read(endless / f"{name}.npy")),
            lambda: TextFile(path=endless / f"{name}.txt").documents(),
            lambda: TextFile(path=endless / f"{name}.txt.zst").documents(),
        ]
        endings = (".csv", ".npy", ".npz", ".txt", ".json", ".parquet", ".jsonl.gz", ".idx")
        readers += [lambda ending=ending: table(endless / f"{name}{ending}") for ending in endings]
    for reader in readers:
        with pytest.raises(BadInput, match=f"is {what}, not a file"):
            reader()
    good = endless / "good.csv"
    polars.DataFrame({"a": np.arange(50.0)}).write_csv(good)
    assert what in refused(capsys, "audit", good, "--reference", good, "--thresholds", endless / f"{name}.yaml")
    assert what in refused(capsys, "run", endless / f"{name}.yaml")
    assert time.monotonic() - began < 10


def test_an_endless_experiment_and_endless_human_text_are_refused(tmp_path, capsys):
    assert "a device" in refused(capsys, "run", "/dev/zero")
    assert "a device" in refused(
        capsys, "run", "gaussian", "arms=null", "chains=1", "learner=ngram", "human={path: /dev/zero}", "--out", tmp_path / "r"
    )
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize("setting", ["generations.=7", ".=1", "a..b=1", "=3", "a.=", " =2", "policy. .share=1", ".generations=2"])
def test_a_setting_with_an_empty_key_is_refused(setting, capsys, tmp_path):
    said = refused(capsys, "run", "gaussian", setting, "--out", tmp_path / "run")
    assert "key=value" in said and "outcross: " in said


def test_an_empty_key_in_a_sweep_is_refused(tmp_path, capsys):
    (tmp_path / "g.yaml").write_text(
        "human: {distribution: normal, rows: 20}\nlearner: gaussian\ndraw: {prompts: none}\nsweep: {generations.: [2, 3]}\n"
    )
    assert "one of its parts is empty" in refused(capsys, "run", tmp_path / "g.yaml", "--out", tmp_path / "run")


HIDDEN = "a\x9b31m\u202eb\u2066c\x1b[2J\x7f"


def test_what_cannot_be_seen_is_escaped_in_json_and_in_lines(tmp_path, capsys):
    frame = polars.DataFrame({HIDDEN: np.random.default_rng(0).normal(size=200)})
    frame.write_parquet(tmp_path / "t.parquet")
    out = tmp_path / f"o{HIDDEN.replace('/', '')}"
    with pytest.raises(SystemExit):
        main(["audit", str(tmp_path / "t.parquet"), "--reference", str(tmp_path / "t.parquet"), "--aspects", "spread", "--json"])
    written = capsys.readouterr().out
    assert written.strip().isprintable() and list(json.loads(written)["kinds"]) == [HIDDEN]
    with pytest.raises(SystemExit):
        main(
            [
                "audit",
                *[str(tmp_path / "t.parquet"), "--reference", str(tmp_path / "t.parquet")],
                "--aspects",
                "spread",
                "--out",
                str(out),
            ]
        )
    assert all(line.isprintable() for line in capsys.readouterr().out.splitlines())
    with pytest.raises(SystemExit):
        main(["report", str(out)])
    said = capsys.readouterr().out
    assert said.strip().isprintable() and "\\u202e" in said


def test_a_line_break_in_a_name_is_seen_in_the_error(capsys, tmp_path):
    (tmp_path / "x.csv").write_text("a\n1\n2\n")
    assert "nowhere.csv\\n;" in refused(capsys, "audit", f"{tmp_path}/nowhere.csv\n", "--reference", tmp_path / "x.csv")
    (tmp_path / "t.yaml\n").write_text("human: 3")
    assert "t.yaml\\n" in refused(capsys, "audit", "a.csv", "--reference", "b.csv", "--thresholds", tmp_path / "t.yaml\n")


def test_a_name_of_megabytes_is_shortened_wherever_it_is_shown(tmp_path, capsys):
    name, value = "n" * 3_000_000, "v" * 200_000
    rng = np.random.default_rng(0)
    human = polars.DataFrame({name: rng.normal(size=400), "group": [value, "other"] * 200})
    audited = audit(human.with_columns(polars.col(name) * 0.5), reference=human, aspects=("spread", "groups"), groups="group")
    assert audited.lost and next(iter(audited.kinds)) == name
    assert max(len(audited.summary), len(markdown(audited)), max(map(len, audited.notes), default=0)) < 20_000
    assert len(page([audited])) < 200_000
    (tmp_path / "audit.json").write_text(json.dumps(audited.plain()))
    with pytest.raises(SystemExit) as stopped:
        main(["show", str(tmp_path)])
    assert stopped.value.code == 0 and len(capsys.readouterr().out) < 20_000


def test_of_eight_thousand_columns_only_those_are_read_that_are_looked_at(tmp_path):
    rng = np.random.default_rng(0)
    frame = polars.DataFrame(rng.normal(size=(20, 8_000)), schema=[f"c{i}" for i in range(8_000)])
    frame.write_csv(tmp_path / "t.csv")
    assert table(tmp_path / "t.csv", columns=["c7999"], most_columns=50).records.width == 100
    audited = audit(tmp_path / "t.csv", reference=tmp_path / "t.csv", aspects=("spread",), target="c7999", most_columns=50)
    assert len(audited.kinds) == 50 and "c7999" in audited.kinds and "c0" in audited.kinds
    assert len(audited.unseen.columns) == 7_950
    assert any("columns are not read" in note for note in audited.notes)
