"""Records from files and from objects in memory, batch by batch, as they are written. Input is hostile, never executed."""

from __future__ import annotations

import codecs
import gzip
import io
import json
import math
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from outcross.errors import BadInput, MachineGaveOut

if TYPE_CHECKING:
    import polars

BATCH = 100_000
"""Rows in a batch, at most."""
BYTES = 1 << 26
"""Bytes of a batch as read, about, where its rows are long."""
WIDEST = 64
"""Columns up to which a matrix is that many columns of numbers; a wider one is a column of vectors."""
PARAGRAPHS = 0.02
"""Share of blank lines from which a text's records are its paragraphs, not its lines."""
TABULAR = (".csv", ".tsv", ".parquet", ".jsonl", ".ndjson", ".json", ".txt")
ARRAYS = (".npy", ".npz", ".idx")
PACKED = (".gz", ".zst")
IMAGES = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True, eq=False)
class Source:
    """Records that can be read again and again: `batches(columns)` starts anew each time; None is every column."""

    name: str
    columns: tuple[str, ...]
    batches: Callable[[Sequence[str] | None], Iterator[polars.DataFrame]]
    notes: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    """Columns that are text by the format."""


def read(data: Any) -> Source:
    """The records of a path, a glob, a list of paths, or an object in memory; BadInput where it is none of them."""
    import polars as pl

    if isinstance(data, str | Path):
        paths = _paths(str(data))
        return _joined([_file(path) for path in paths], paths[0].name if len(paths) == 1 else str(data))
    if isinstance(data, pl.DataFrame):
        return _held(data)
    if isinstance(data, pl.LazyFrame):
        return _guarded(
            lambda: _lazy(data, "LazyFrame"), lambda error: BadInput(f"the LazyFrame cannot be read: {_first_line(error)}")
        )
    if isinstance(data, np.ndarray):
        return _array(data, "")
    if hasattr(data, "to_frame") and not hasattr(data, "columns"):
        return read(data.to_frame())  # one column of polars or pandas
    if isinstance(data, Mapping):
        if splits := [name for name, split in data.items() if hasattr(split, "select_columns")]:
            raise BadInput(
                f"{type(data).__name__} holds several tables ({', '.join(splits)}); give one of them: data[{splits[0]!r}]"
            )
        return _held(_from_columns(data, "the mapping"))
    if type(data).__module__.partition(".")[0] == "pandas" and hasattr(data, "columns"):
        return _from_pandas(data)
    if hasattr(data, "to_polars") and hasattr(data, "select_columns"):
        return _from_hugging_face(data)
    if hasattr(data, "__arrow_c_stream__"):
        return _held(pl.DataFrame(data))
    if isinstance(data, list | tuple) and data and all(isinstance(item, str | Path) for item in data):
        paths = [path for item in data for path in _paths(str(item))]
        return _joined([_file(path) for path in paths], f"{data[0]}, …" if len(data) > 1 else str(data[0]))
    if isinstance(data, list | tuple) and data and all(isinstance(item, Mapping) for item in data):
        return _held(pl.DataFrame(list(data), infer_schema_length=None, strict=False))
    raise BadInput(
        f"{type(data).__name__} {data!r:.60} is no table; give a path, a glob, a list of paths, a polars, pandas or Arrow table, "
        "a Hugging Face Dataset, a NumPy array, or a dict of columns"
    )


def _paths(given: str) -> list[Path]:
    """The files that a path, a folder or a glob names, in the order of their names."""
    path = Path(given)
    if not given.strip():
        raise BadInput("an empty path names no file; give the path of a table")
    if path.is_dir():
        found = sorted(file for file in path.iterdir() if file.is_file() and _suffix(file)[0] in (*TABULAR, *ARRAYS))
        if found:
            return found
        if any(file.suffix.lower() in IMAGES for file in path.iterdir()):
            return [path]
        raise BadInput(f"{given} is a folder without tables or images; give files in {', '.join(TABULAR + IMAGES)}")
    if path.exists() or not any(sign in given for sign in "*?["):
        return [path]
    root = Path(path.anchor) if path.is_absolute() else Path()
    found = sorted(file for file in root.glob(str(path.relative_to(path.anchor))) if file.is_file())
    if not found:
        raise BadInput(f"no file fits {given}; check the path")
    return found


def _suffix(path: Path) -> tuple[str, str]:
    """What a file holds and how it is packed, by its name: (".csv", ".gz")."""
    packed = path.suffix.lower() if path.suffix.lower() in PACKED else ""
    name = path.name[: -len(packed)] if packed else path.name
    held = Path(name).suffix.lower()
    return (".idx" if name.endswith("-ubyte") else held), packed


def _joined(sources: Sequence[Source], name: str) -> Source:
    """Shards one after another; a column that one of them has not is missing there."""
    if len(sources) == 1:
        return replace(sources[0], name=name)
    columns = tuple(dict.fromkeys(column for source in sources for column in source.columns))
    lacking = [
        f"{source.name} has no column {', '.join(map(repr, missing[:5]))}: missing there"
        for source in sources
        if (missing := [column for column in columns if column not in source.columns])
    ]

    def batches(wanted: Sequence[str] | None) -> Iterator[polars.DataFrame]:
        for source in sources:
            held = [column for column in source.columns if wanted is None or column in wanted]
            yield from source.batches(held or source.columns[:1])  # rows without any of them count too

    notes = dict.fromkeys([*lacking, *(note for source in sources for note in source.notes)])
    return Source(name, columns, batches, tuple(notes), tuple(dict.fromkeys(text for source in sources for text in source.texts)))


def _held(frame: polars.DataFrame, name: str = "", notes: Sequence[str] = ()) -> Source:
    """Records in memory."""

    def batches(wanted: Sequence[str] | None) -> Iterator[polars.DataFrame]:
        return (frame if wanted is None else frame.select(wanted)).iter_slices(BATCH)

    return Source(name, tuple(frame.columns), batches, tuple(notes))


def _lazy(query: polars.LazyFrame, name: str, notes: Sequence[str] = ()) -> Source:
    """Records that polars reads as they are asked for."""

    def batches(wanted: Sequence[str] | None) -> Iterator[polars.DataFrame]:
        asked = query if wanted is None else query.select(wanted)
        first = asked.head(1_000).collect()
        return iter(asked.collect_batches(chunk_size=_rows(first.estimated_size() / max(first.height, 1)), lazy=True))

    return Source(name, tuple(query.collect_schema().names()), batches, tuple(notes))


def _rows(width: float) -> int:
    """Rows in a batch, of so many bytes each."""
    return int(min(BATCH, max(1.0, BYTES / max(width, 1.0))))


def _file(path: Path) -> Source:
    held, packed = _suffix(path)
    if path.is_dir():
        return _pictures(path)
    if not path.exists():
        raise BadInput(f"no file {path}; check the path")
    if held in ARRAYS or (held == ".json"):
        return {".npy": _numpy, ".npz": _numpy, ".idx": _idx, ".json": _json}[held](path, packed)
    if held not in TABULAR:
        raise BadInput(
            f"{path} is none of {', '.join(TABULAR + ARRAYS)} (also .gz, .zst); rename it, or read it yourself and pass a frame"
        )
    if held == ".parquet" and packed:
        raise BadInput(
            f"{path} is packed twice; unpack it ({'gzip' if packed == '.gz' else 'zstd'} -d): Parquet is compressed within"
        )
    scan = {".parquet": _parquet, ".txt": _text}.get(
        held, _lines if held in (".jsonl", ".ndjson") else partial(_delimited, held=held)
    )
    source = _guarded(lambda: scan(path), partial(_refusal, path))
    if held not in (".csv", ".tsv", ".txt"):
        return source
    strange = "".join(source.columns)
    if "\0" in strange or ("\ufffd" in strange and _undecodable(path, packed)):
        raise _refusal(path, ValueError("a zero byte in its header"))
    return replace(source, batches=lambda wanted: (_without_zero_byte(batch, path) for batch in source.batches(wanted)))


def _guarded(make: Callable[[], Source], refusal: Callable[[BaseException], Exception]) -> Source:
    """A source whose reader's errors, now and later, are refusals in one line."""
    try:
        source = make()
    except BadInput:
        raise
    except Exception as error:
        raise refusal(error) from None

    def batches(wanted: Sequence[str] | None) -> Iterator[polars.DataFrame]:
        from polars.exceptions import PanicException

        try:
            yield from source.batches(wanted)
        except BadInput:
            raise
        except (Exception, PanicException) as error:  # a panic of polars is no Exception
            raise refusal(error) from None

    return replace(source, batches=batches)


def _without_zero_byte(batch: polars.DataFrame, path: Path) -> polars.DataFrame:
    import polars as pl

    for column in batch.select(pl.col(pl.String)):
        if column.str.contains("\0", literal=True).any():
            raise BadInput(f"{path} is not text (a zero byte in column {column.name!r}); give a text file, in UTF-8")
    return batch


def _refusal(path: Path, error: BaseException) -> Exception:
    """What to say of a file that cannot be read."""
    held, packed = _suffix(path)
    said = _first_line(error)
    if isinstance(error, FileNotFoundError):
        return BadInput(f"no file {path}; check the path")
    if isinstance(error, OSError) and packed:
        return BadInput(f"{path} is not a whole {packed} file ({said[:80]}); fetch it again")
    if isinstance(error, OSError):
        return MachineGaveOut(f"{path} cannot be read: {error.strerror or said[:120]}")
    if held != ".parquet" and (found := _undecodable(path, packed)):
        return BadInput(f"{path} is not UTF-8 text ({found}); convert it, as with iconv -f LATIN1 -t UTF-8")
    if "empty" in said.lower():
        return BadInput(f"{path} is empty; give a file with records")
    if "more fields than defined" in said:
        return BadInput(
            f"{path} has a line with more fields than its header; quote fields that hold the separator, or mend the line"
        )
    if held in (".jsonl", ".ndjson") and (found := _broken_line(path, packed)):
        return BadInput(f"{path} is not JSON of one record a line: {found}; mend it, or write the file again")
    return BadInput(f"{path} is not a whole {held} file: {said}; fetch or write it again")


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0][:160]


def _broken_line(path: Path, packed: str) -> str:
    """The first line that is no JSON record, and why; nothing where there is none, or it cannot be unpacked here."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON number (write null)")

    if packed == ".zst":
        return ""
    with gzip.open(path) if packed else path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.startswith(codecs.BOM_UTF8):
                return "it opens with a byte order mark (remove the first three bytes)"
            try:
                if line.strip() and not isinstance(json.loads(line, parse_constant=refuse), dict):
                    return f"line {number} is no record in braces"
            except (ValueError, RecursionError) as error:
                return f"line {number}: {_first_line(error)}"
    return ""


def _undecodable(path: Path, packed: str) -> str:
    """Where a file stops being UTF-8: the byte and the line; nothing where it does not, or cannot be unpacked here."""
    if packed == ".zst":
        return ""
    decoder, before, line = codecs.getincrementaldecoder("utf-8")(), 0, 1
    try:
        with gzip.open(path) if packed else path.open("rb") as file:
            while block := file.read(1 << 20):
                waiting = len(decoder.getstate()[0])
                try:
                    decoder.decode(block)
                except UnicodeDecodeError as error:
                    at = max(0, error.start - waiting)
                    return f"byte {before + error.start - waiting}, line {line + block[:at].count(10)}"
                before, line = before + len(block), line + block.count(10)
    except (OSError, EOFError, zlib.error):
        return ""
    return ""


def _parquet(path: Path) -> Source:
    import polars as pl

    return _lazy(pl.scan_parquet(path, glob=False), str(path))


def _delimited(path: Path, held: str) -> Source:
    """Every field as a string: what a column holds is decided for all of it, not for its first lines."""
    import polars as pl

    scan = partial(pl.scan_csv, path, infer_schema=False, glob=False)
    source = _lazy(scan(separator="\t" if held == ".tsv" else ","), str(path))
    if len(source.columns) == 1 and (separator := next((sign for sign in ";\t|" if sign in source.columns[0]), "")):
        return _lazy(scan(separator=separator), str(path), [f"fields are separated by {separator!r}"])
    twice = [
        column for column in source.columns if "_duplicated_" in column and column.rpartition("_duplicated_")[0] in source.columns
    ]
    return _lazy(
        scan(separator="\t" if held == ".tsv" else ","), str(path), [f"a column name occurs twice: {name!r}" for name in twice]
    )


def _lines(path: Path) -> Source:
    import polars as pl

    schema = pl.scan_ndjson(path, infer_schema_length=None).collect_schema()  # of all lines, once
    return _lazy(pl.scan_ndjson(path, schema=schema), str(path))


def _json(path: Path, packed: str) -> Source:
    """A list of records, or one record a line."""
    import polars as pl

    from outcross.files import read_bytes

    if packed == ".zst":
        raise BadInput(f"{path} must be unpacked first (zstd -d); .jsonl.zst is read as it is")
    content = read_bytes(path)
    try:
        return _held(pl.read_json(io.BytesIO(content), infer_schema_length=None), str(path))
    except Exception as error:
        try:
            return _held(pl.read_ndjson(io.BytesIO(content), infer_schema_length=None), str(path))
        except Exception:
            raise _refusal(path, error) from None


def _text(path: Path) -> Source:
    """A paragraph a record where blank lines part them, else a line a record; blank ones are none."""
    import polars as pl

    query = pl.scan_lines(path, name="text", glob=False)
    first = next(iter(query.collect_batches(chunk_size=BATCH, lazy=True)), pl.DataFrame({"text": []}, schema={"text": pl.String}))
    if ((first["text"].str.strip_chars() == "").mean() or 0.0) < PARAGRAPHS:  # type: ignore[operator]
        lines = _lazy(query.filter(pl.col("text").str.strip_chars() != ""), str(path), ["a line a record"])
        return replace(lines, texts=("text",))
    paragraphs = partial(query.collect_batches, chunk_size=BATCH, lazy=True)
    return Source(str(path), ("text",), lambda wanted: _paragraphs(iter(paragraphs())), ("a paragraph a record",), ("text",))


def _paragraphs(batches: Iterator[polars.DataFrame]) -> Iterator[polars.DataFrame]:
    import polars as pl

    begun = pl.DataFrame({"text": []}, schema={"text": pl.String})
    for batch in batches:
        lines = pl.concat([begun, batch.select("text")]).with_columns(blank=pl.col("text").str.strip_chars() == "")
        lines = lines.with_columns(place=pl.col("blank").cum_sum())
        begun = lines.filter(~pl.col("blank") & (pl.col("place") == pl.col("place").max())).select("text")
        yield _put_together(lines.filter(pl.col("place") < pl.col("place").max()))
    yield _put_together(begun.with_columns(place=0, blank=False))


def _put_together(lines: polars.DataFrame) -> polars.DataFrame:
    import polars as pl

    whole = lines.filter(~pl.col("blank")).group_by("place", maintain_order=True).agg(pl.col("text").str.join("\n"))
    return whole.select("text")


def _numpy(path: Path, packed: str) -> Source:
    """The array of a .npy file, or each array of a .npz file as a column of its name."""
    from outcross.files import load_arrays

    if packed:
        raise BadInput(f"{path} must be unpacked first ({'gzip' if packed == '.gz' else 'zstd'} -d)")
    arrays = load_arrays(path)
    return (
        _array(next(iter(arrays.values())), str(path)) if len(arrays) == 1 else _held(_from_columns(arrays, str(path)), str(path))
    )


def _idx(path: Path, packed: str) -> Source:
    """An array in the IDX format of the MNIST files: two zero bytes, the type, the number of axes, their lengths, the values."""
    from outcross.files import read_bytes

    types = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
    if packed == ".zst":
        raise BadInput(f"{path} must be unpacked first (zstd -d)")
    content = read_bytes(path)
    axes = content[3] if len(content) > 3 else 0
    header = 4 + 4 * axes
    if content[:2] != b"\0\0" or content[2:3] == b"" or content[2] not in types or axes == 0 or len(content) < header:
        raise BadInput(f"{path} is not an IDX file; its first bytes are {content[:4]!r}")
    shape = tuple(int(length) for length in np.frombuffer(content, ">u4", axes, 4))
    values = (
        np.frombuffer(content, types[content[2]], offset=header)
        if (len(content) - header) % int(types[content[2]][2]) == 0
        else None
    )
    if values is None or values.size != np.prod([*map(int, shape)], dtype=object):
        raise BadInput(f"{path} is cut off: {len(content) - header} bytes of values for the shape {shape}; fetch it again")
    return _array(values.astype(values.dtype.newbyteorder("=")).reshape(shape), str(path))


def _pictures(folder: Path) -> Source:
    """The pictures of a folder, in the order of their names, as vectors; all must be of one size and mode."""
    try:
        from PIL import Image
    except ImportError:
        raise BadInput("Pillow is not installed, which reads pictures; pip install pillow, or give an .npz array") from None
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGES)
    pictures: list[np.ndarray] = []
    for path in paths:
        try:
            with Image.open(path) as picture:
                pictures.append(np.asarray(picture))
        except Exception as error:
            raise BadInput(f"{path} is not a whole picture: {' '.join(str(error).split())[:120]}") from None
        if pictures[-1].shape != pictures[0].shape:
            raise BadInput(
                f"{path} is of shape {pictures[-1].shape}, {paths[0].name} of {pictures[0].shape}; make them of one size and mode"
            )
    return _array(np.stack(pictures), str(folder))


def _array(array: np.ndarray, name: str) -> Source:
    """Columns x0, x1, … of an array (n,) or (n, d) with d up to 64; else the column `vector`, (n, …) flattened."""
    import polars as pl

    if array.dtype.kind not in "fiub" or array.ndim == 0:
        raise BadInput(f"{name or 'the array'} must hold numbers of shape (n, …), got {array.dtype} {array.shape}")
    width = math.prod(array.shape[1:])
    is_wide = array.ndim > 2 or width > WIDEST
    columns = ["vector"] if is_wide else [f"x{i}" for i in range(width)]

    def frame(rows: np.ndarray) -> polars.DataFrame:
        if is_wide:
            return pl.DataFrame({"vector": _vectors(rows)})
        flat = rows.reshape(len(rows), width)  # (n, d)
        return pl.DataFrame({column: np.ascontiguousarray(flat[:, i]) for i, column in enumerate(columns)})

    def batches(wanted: Sequence[str] | None) -> Iterator[polars.DataFrame]:
        step = _rows(4 * width)
        for start in range(0, len(array) if width else 0, step):
            batch = frame(array[start : start + step])
            yield batch if wanted is None else batch.select(wanted)

    return Source(name, tuple(columns), batches)


def _vectors(array: np.ndarray) -> polars.Series:
    import polars as pl

    flat = np.ascontiguousarray(array.reshape(len(array), math.prod(array.shape[1:])), dtype=np.float32)  # (n, d)
    return pl.Series(flat, dtype=pl.Array(pl.Float32, flat.shape[1])) if flat.size else pl.Series([], dtype=pl.Array(pl.Float32, 1))


def _from_columns(columns: Mapping[Any, Any], what: str) -> polars.DataFrame:
    """A frame of named columns, each an array or a list, all of one length."""
    import polars as pl

    made: dict[str, polars.Series] = {}
    for name, values in columns.items():
        try:
            if isinstance(values, np.ndarray) and values.dtype.kind in "fiub" and values.ndim > 1:
                made[str(name)] = _vectors(values)
            else:
                held = values.tolist() if isinstance(values, np.ndarray) and values.dtype.kind == "O" else values
                made[str(name)] = pl.Series(held, strict=False)
        except Exception as error:
            raise BadInput(f"{what}: column {name!r} is no list of values: {' '.join(str(error).split())[:120]}") from None
    if len(lengths := {len(values) for values in made.values()}) > 1:
        raise BadInput(f"{what} has columns of {', '.join(map(str, sorted(lengths)))} rows; make them of one length")
    return pl.DataFrame(made)


def _from_pandas(frame: Any) -> Source:
    """A pandas frame, column by column, so that neither pandas nor pyarrow is needed here; its index is left out."""
    names: list[str] = []
    for name in map(str, frame.columns):
        names.append(name if name not in names else f"{name}_duplicated_{sum(other.startswith(name) for other in names) - 1}")
    twice = [f"a column name occurs twice: {name!r}" for name in names if "_duplicated_" in name]

    def values(column: Any) -> Any:
        if isinstance(column.dtype, np.dtype) and column.dtype.kind in "fiubmM":
            return column.to_numpy()
        missing = column.isna().tolist()
        return [None if is_missing else value for value, is_missing in zip(column.tolist(), missing, strict=True)]

    return _held(_from_columns({name: values(frame.iloc[:, i]) for i, name in enumerate(names)}, "the frame"), "DataFrame", twice)


def _from_hugging_face(data: Any) -> Source:
    """A Dataset, which lies on the disk and is read in batches."""

    def batches(wanted: Sequence[str] | None) -> Iterator[polars.DataFrame]:
        return (data if wanted is None else data.select_columns(list(wanted))).to_polars(batch_size=BATCH, batched=True)

    return Source("Dataset", tuple(data.column_names or ()), batches)
