"""Sources of files, by their name suffixes. Input may be hostile and is never executed."""

from __future__ import annotations

import csv
import io
import itertools
import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from outcross.errors import BadInput, MachineGaveOut, first_words, is_of_the_machine
from outcross.files import inputs
from outcross.files import source as of_source
from outcross.files.names import kind_at, literal, literal_pattern
from outcross.files.objects import from_array, from_columns
from outcross.files.refusals import refusal, suffix, undecodable
from outcross.files.source import TableSource, guarded, in_memory, lazy

if TYPE_CHECKING:
    import polars

PICTURES = (".png", ".jpg", ".jpeg")
TEXTS = (".txt", ".md")
"""Suffixes of plain text files."""
PARAGRAPHS = 0.02
"""Minimum share of blank lines at which the records of a text are its paragraphs and not its lines."""


def from_file(path: Path, whole_texts: bool = False) -> TableSource:
    """The records of a file, or of a folder of pictures. Raises BadInput in one line, now or during reading, if it contains none.

    With `whole_texts`, a text file or a file of an unknown format is a single record with its whole text.
    """
    form, packed = suffix(path)
    if kind_at(path) == "folder":
        return _pictures(path)
    inputs.check(path)
    if whole_texts and (form in TEXTS or form not in _READERS):
        return guarded(lambda: _whole(path), partial(refusal, path))
    if form not in _READERS:
        raise BadInput(
            f"{path} must end in one of {', '.join(_READERS)} (also .gz, .zst); rename it, or read it yourself and pass a frame"
        )
    if packed and (form in (".arrow", ".feather", ".npy", ".npz") or (packed == ".zst" and form in (".parquet", ".idx"))):
        raise BadInput(f"{path} cannot be read packed; unpack it ({'gzip' if packed == '.gz' else 'zstd'} -d)")
    if packed:
        inputs.unpacked_size(path)  # polars unpacks without a limit
    source = guarded(lambda: _READERS[form](path), partial(refusal, path))
    return _checked(source, path) if form in (".csv", ".tsv", *TEXTS) else source


def _checked(source: TableSource, path: Path) -> TableSource:
    """A source of text whose columns are always all read: polars ignores surplus fields of a line if it leaves out columns.

    A zero byte is refused, because polars would read it as a character.
    """
    names = "".join(source.columns)
    if "\0" in names or ("\ufffd" in names and undecodable(path)):
        raise refusal(path, ValueError("a zero byte in its header"))

    def batches(wanted: Sequence[str] | None) -> Iterator[polars.DataFrame]:
        for batch in source.batches(None):
            whole = _without_zero_byte(batch, path)
            yield whole if wanted is None else whole.select(wanted)

    return replace(source, batches=batches)


def _without_zero_byte(batch: polars.DataFrame, path: Path) -> polars.DataFrame:
    import polars as pl

    has_zero = batch.select(pl.col(pl.String).str.contains("\0", literal=True).any())
    if has_zero.width and (columns := list(itertools.compress(has_zero.columns, has_zero.row(0)))):
        raise BadInput(f"{path} is not text (a zero byte in column {columns[0]!r}); give a text file, in UTF-8")
    return batch


def _parquet(path: Path) -> TableSource:
    import polars as pl

    if suffix(path)[1]:
        return lazy(pl.scan_parquet(io.BytesIO(_content(path))), str(path))
    return lazy(pl.scan_parquet(literal(path), glob=False, hive_partitioning=False), str(path))


def _arrow(path: Path) -> TableSource:
    """An Arrow file, which is read batch by batch, or an Arrow stream (as Hugging Face datasets save it), which is read completely each time."""
    import polars as pl

    with inputs.opened(path) as file:
        magic = file.read(6)
    if magic[:4] == b"FEA1":
        raise BadInput(f"{path} is Feather of version 1, which cannot be read; write it again as Feather 2, Arrow or Parquet")
    if magic == b"ARROW1":
        pattern = literal_pattern(path)
        return lazy(pl.scan_ipc(pattern), str(path))

    def batches(wanted: Sequence[str] | None) -> Iterator[polars.DataFrame]:
        frame = pl.read_ipc_stream(io.BytesIO(_content(path)))
        inputs.check_memory(path, int(frame.estimated_size()))
        return in_memory(frame).batches(wanted)

    columns = pl.read_ipc_stream(io.BytesIO(_content(path)), n_rows=0).columns
    return TableSource(str(path), tuple(columns), batches)


def _delimited(path: Path, separator: str) -> TableSource:
    """Read every field as a string. The kind of a column is decided later from all of its values, not from its first lines."""
    import polars as pl

    sixteen = inputs.utf16(path)
    opening = sixteen[:OPENING].decode(errors="ignore") if sixteen else _opening(path)
    said = ["it is UTF-16 text, read as such"] if sixteen else []
    if (sign := _separator(opening, separator)) != separator:
        said.append(f"fields are separated by {sign!r}")
    data = io.BytesIO(sixteen) if sixteen else literal(path)
    source = lazy(pl.scan_csv(data, separator=sign, infer_schema=False, glob=False), str(path), said)
    twice = [
        column for column in source.columns if "_duplicated_" in column and column.rpartition("_duplicated_")[0] in source.columns
    ]
    return replace(source, notes=(*said, *(f"a column name occurs twice: the second is {name!r}" for name in twice)))


BLOCK = 1 << 23
"""Approximate size of a block of lines that are read together, in bytes."""
SIGNS = ",;\t|"
"""Possible separators of fields."""
OPENING = 1 << 16
"""Size of the beginning of a file from which its separator is determined, in bytes."""


def _opening(path: Path) -> str:
    """The first lines of a text file; empty if only polars can unpack it."""
    return "" if suffix(path)[1] == ".zst" else inputs.opening(path, OPENING).decode(errors="ignore")


def _separator(opening: str, usual: str) -> str:
    """The separator with which every line has as many fields as the header. If several or none fit, the usual separator.

    A header may contain a comma (`income, EUR`), and the numbers below it may contain commas as well. If both semicolons and commas fit,
    semicolons are the separator, since names contain commas more often than semicolons.
    """
    lines = opening.splitlines()
    if len(opening) >= OPENING // 4:  # the last line may be cut off
        lines = lines[:-1]
    if not lines:
        return usual
    fields = {sign: _fields(lines, sign) for sign in SIGNS}
    fitting = [sign for sign, counts in fields.items() if counts[0] > 1 and len(set(counts)) == 1]
    if usual in fitting and not (usual == "," and ";" in fitting):
        return usual
    if fitting:
        return ";" if ";" in fitting else fitting[0]
    return usual if fields[usual][0] > 1 else next((sign for sign in SIGNS if fields[sign][0] > 1), usual)


def _fields(lines: Sequence[str], sign: str) -> list[int]:
    """The number of fields of each record of these lines, without blank lines. A field that is too long for the csv module ends the count."""
    counts: list[int] = []
    try:
        for record in csv.reader(lines, delimiter=sign):
            if record:
                counts.append(len(record))
    except csv.Error:
        pass
    # The text may be cut off within a quoted field, so the last record may be incomplete.
    return counts[:-1] if len(counts) > 2 else counts or [0]


def _lines(path: Path) -> TableSource:
    import polars as pl

    if sixteen := inputs.utf16(path):
        return in_memory(
            pl.read_ndjson(io.BytesIO(sixteen), infer_schema_length=None), str(path), ["it is UTF-16 text, read as such"]
        )
    pattern = literal_pattern(path)
    if suffix(path)[1]:
        schema = pl.scan_ndjson(pattern, infer_schema_length=None).collect_schema()  # from all lines, once
        return lazy(pl.scan_ndjson(pattern, schema=schema), str(path))
    schemas = [pl.scan_ndjson(io.BytesIO(block), infer_schema_length=None).collect_schema() for block in _blocks(path)]
    alike = bool(schemas) and all(schema == schemas[0] for schema in schemas)
    schema = schemas[0] if alike else pl.scan_ndjson(pattern, infer_schema_length=None).collect_schema()

    def batches(wanted: Sequence[str] | None) -> Iterator[polars.DataFrame]:
        for block in _blocks(path):
            query = pl.scan_ndjson(io.BytesIO(block), schema=schema)
            yield from (query if wanted is None else query.select(wanted)).collect().iter_slices(of_source.BATCH)

    return TableSource(str(path), tuple(schema.names()), batches)


def _blocks(path: Path) -> Iterator[bytes]:
    """Yield a file in blocks of whole lines, so that only one of them is in memory. polars itself would map the file and keep what it has read."""
    with inputs.opened(path) as file:
        while block := file.read(BLOCK) + file.readline():
            if block.strip():
                yield block


def _json(path: Path) -> TableSource:
    """Read a list of records, or one record per line."""
    import polars as pl

    content = inputs.utf16(path) or _content(path)
    try:
        return in_memory(pl.read_json(io.BytesIO(content), infer_schema_length=None), str(path))
    except (Exception, pl.exceptions.PanicException) as error:  # a panic in polars is a BaseException
        try:
            return in_memory(pl.read_ndjson(io.BytesIO(content), infer_schema_length=None), str(path))
        except (Exception, pl.exceptions.PanicException):
            raise refusal(path, error) from None


def _content(path: Path) -> bytes:
    """The unpacked content of a file. Raises BadInput if it is empty. The content of a .zst file must be text."""
    content = _unpacked_text(path) if suffix(path)[1] == ".zst" else inputs.read(path)
    if not content.strip():
        raise BadInput(f"{path} is empty; give a file with records")
    return content


def _unpacked_text(path: Path) -> bytes:
    """The text of a .zst file, without a byte order mark. Only polars can unpack zstd here, so it reads the text as a table with one field."""
    import polars as pl

    inputs.unpacked_size(path)  # polars unpacks without a limit
    end = "\0"  # does not occur in text
    table = pl.scan_csv(
        literal(path), separator=end, eol_char=end, quote_char=None, has_header=False, infer_schema=False, glob=False
    )
    try:
        return end.join(table.collect().to_series().fill_null("").to_list()).encode()
    except pl.exceptions.NoDataError:
        return b""


def _whole(path: Path) -> TableSource:
    """The whole text of a file as one record. Its lines end with "\\n", and it has no byte order mark."""
    import polars as pl

    def batches(wanted: Sequence[str] | None) -> Iterator[polars.DataFrame]:
        text = _content(path).decode("utf-8-sig")
        if "\0" in text:
            raise BadInput(f"{path} is not text (a zero byte at {text.index(chr(0))}); give a text file")
        yield pl.DataFrame({"text": [text.replace("\r\n", "\n")]})

    return TableSource(str(path), ("text",), batches, texts=("text",))


def _text(path: Path) -> TableSource:
    """One record per paragraph if blank lines separate paragraphs, otherwise one per line. Blank lines are not records."""
    import polars as pl

    query = pl.scan_lines(literal(path), name="text", glob=False)
    first = query.head(of_source.BATCH).collect()["text"]
    if (first.str.strip_chars() == "").sum() < PARAGRAPHS * len(first) or first.is_empty():
        lines = lazy(query.filter(pl.col("text").str.strip_chars() != ""), str(path), ["one record per line"])
        return replace(lines, texts=("text",))
    paragraphs = partial(query.collect_batches, chunk_size=of_source.BATCH, lazy=True)
    return TableSource(
        str(path), ("text",), lambda wanted: _paragraphs(iter(paragraphs())), ("one record per paragraph",), ("text",)
    )


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


def _numpy(path: Path) -> TableSource:
    """The array of a .npy file, or each array of a .npz file as a column with its name."""
    from outcross.files import arrays

    several = arrays.load(path)
    if len(several) > 1:
        return in_memory(from_columns(several, str(path)), str(path))
    return from_array(next(iter(several.values())), str(path))


def _idx(path: Path) -> TableSource:
    """An array in the IDX format of the MNIST files: two zero bytes, the type, the number of axes, their lengths, the values."""
    content = _content(path)
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _IDX_TYPES or content[3] == 0:
        raise BadInput(f"{path} is not an IDX file; its first bytes are {content[:4]!r}")
    kind, axes = np.dtype(_IDX_TYPES[content[2]]), content[3]
    shape = tuple(int(length) for length in np.frombuffer(content[4 : 4 + 4 * axes], ">u4")) if len(content) >= 4 + 4 * axes else ()
    values = content[4 + 4 * axes :]
    if len(shape) != axes or len(values) != math.prod(shape) * kind.itemsize:
        raise BadInput(f"{path} is cut off: {len(values)} bytes of values for the shape {shape}; fetch it again")
    return from_array(np.frombuffer(values, kind).astype(kind.newbyteorder("=")).reshape(shape), str(path))


def pictures_of(folder: Path) -> list[Path]:
    """The pictures of a folder, in the order of their names."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES)


def _pictures(folder: Path) -> TableSource:
    """The pictures of a folder as vectors, in the order of their names. All must have the same size and mode."""
    try:
        from PIL import Image  # type: ignore[import-not-found]
    except ImportError:
        raise BadInput("Pillow, which reads pictures, is not installed; pip install pillow, or give an .npz array") from None
    paths = pictures_of(folder)
    pictures: list[np.ndarray] = []
    for path in paths:
        try:
            with warnings.catch_warnings(), inputs.opened(path) as file:
                warnings.simplefilter("ignore")  # Pillow warns of large pictures, whose size is checked here, and of repairs
                with Image.open(file, formats=("PNG", "JPEG")) as picture:
                    size = picture.width * picture.height * len(picture.getbands())
                    inputs.check_memory(
                        path,
                        size * len(paths),
                        f"has {picture.width} by {picture.height} pixels, and {len(paths)} such pictures of the folder take",
                    )
                    pictures.append(np.asarray(picture))
        except (BadInput, MachineGaveOut):
            raise
        except Exception as error:
            if is_of_the_machine(error):
                raise MachineGaveOut(f"{path} cannot be read: {first_words(error)}") from None
            raise BadInput(f"{path} is not a whole picture: {first_words(error, 120)}") from None
        if pictures[-1].shape != pictures[0].shape:
            raise BadInput(
                f"{path} has shape {pictures[-1].shape}, but {paths[0].name} has {pictures[0].shape}; give all pictures one size and mode"
            )
    return from_array(np.stack(pictures), str(folder))


_IDX_TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
_READERS: Mapping[str, Callable[[Path], TableSource]] = {
    ".csv": partial(_delimited, separator=","),
    ".tsv": partial(_delimited, separator="\t"),
    ".parquet": _parquet,
    ".arrow": _arrow,
    ".feather": _arrow,
    ".jsonl": _lines,
    ".ndjson": _lines,
    ".json": _json,
    ".txt": _text,
    ".md": _text,
    ".npy": _numpy,
    ".npz": _numpy,
    ".idx": _idx,
}
FORMATS = tuple(_READERS)
"""The suffixes of files that can be read."""
