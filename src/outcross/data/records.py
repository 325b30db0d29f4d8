"""Kinds of records: points, moments of points, counts of states, blocks of text. All but text may have leading axes for independent chains."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn, Protocol, Self

import numpy as np

from outcross.errors import BadInput
from outcross.estimate import NotApplicable
from outcross.files import packed
from outcross.files.names import literal, read_parquet


def read_only(array: np.ndarray) -> np.ndarray:
    """Return a view of an array that raises ValueError if it is changed.

    Several parts of a run read the same records. If one of them changed them in place, all later ones would read other records than the ledger names.
    """
    view = array.view()
    view.flags.writeable = False
    return view


@dataclass(frozen=True, eq=False)
class Subcounts:
    """A reference to some records of counts: their number in every state, an array (chains…, K) of integers.

    Counts have no rows. This type distinguishes numbers of records from row numbers.
    """

    array: np.ndarray

    def __len__(self) -> int:
        return int(self.array[(0,) * (self.array.ndim - 1)].sum())


Reference = np.ndarray | Subcounts
"""A reference to records: row numbers, (n,) for the same rows in all chains or (chains…, n) for different rows; or counts of states."""


class Records(Protocol):
    """Records of one kind. Leading axes, if there are any, are independent chains.

    `some` returns a reference to n records that are drawn without replacement, in every chain separately. `take` resolves a reference; None
    means all records. `blinded` returns the same records in an order that depends only on their content, without columns of provenance.
    """

    kind: str

    def __len__(self) -> int: ...
    @property
    def chains(self) -> tuple[int, ...]: ...
    @property
    def digest(self) -> str: ...
    def some(self, n: int, rng: np.random.Generator) -> Reference: ...
    def take(self, rows: Reference | None) -> Self: ...
    def blinded(self) -> Self: ...
    @classmethod
    def concat(cls, many: Sequence[Self]) -> Self: ...
    def save(self, folder: Path) -> None: ...
    @classmethod
    def load(cls, folder: Path) -> Self: ...


@dataclass(frozen=True)
class Vectors:
    """Points: an array (chains…, n, d) of floats, which cannot be changed."""

    array: np.ndarray
    kind = "vectors"

    def __post_init__(self) -> None:
        object.__setattr__(self, "array", read_only(self.array))

    def __len__(self) -> int:
        return self.array.shape[-2]

    @property
    def dimensions(self) -> int:
        return self.array.shape[-1]

    @property
    def chains(self) -> tuple[int, ...]:
        return self.array.shape[:-2]

    @property
    def digest(self) -> str:
        """The SHA-256 of the points."""
        return digest_of_arrays(self.kind, self.array)

    @cached_property
    def moments(self) -> Moments:
        """The number, the mean and the scatter of the points; zeros if there is no point."""
        if len(self) == 0:
            return Moments(0, np.zeros((*self.chains, self.dimensions)), np.zeros((*self.chains, self.dimensions, self.dimensions)))
        mean = self.array.mean(axis=-2)
        centred = self.array - mean[..., None, :]
        if self.dimensions == 1:
            flat = centred[..., 0]
            return Moments(len(self), mean, np.einsum("...n,...n->...", flat, flat)[..., None, None])
        return Moments(len(self), mean, np.swapaxes(centred, -1, -2) @ centred)

    def some(self, n: int, rng: np.random.Generator) -> np.ndarray:
        keys = rng.random((*self.chains, len(self)))
        return np.argpartition(keys, n - 1, axis=-1)[..., :n] if n < len(self) else np.argsort(keys, axis=-1)

    def take(self, rows: Reference | None) -> Vectors:
        if rows is None:
            return self
        rows = row_numbers(rows, self.kind)
        if rows.ndim == 1 or not self.chains:
            return Vectors(self.array[..., rows, :])
        return Vectors(np.take_along_axis(self.array, rows[..., None], axis=-2))

    def blinded(self) -> Vectors:
        """Return the points in ascending order, compared dimension by dimension."""
        return self.take(np.lexsort(np.moveaxis(self.array, -1, 0)[::-1]))

    @classmethod
    def concat(cls, many: Sequence[Vectors]) -> Vectors:
        return many[0] if len(many) == 1 else JoinedVectors(many)

    def save(self, folder: Path) -> None:
        np.savez(folder / "vectors.npz", array=self.array)

    @classmethod
    def load(cls, folder: Path) -> Vectors:
        with np.load(folder / "vectors.npz", allow_pickle=False) as stored:
            return cls(stored["array"])


class JoinedVectors(Vectors):
    """Several Vectors in a row. They are joined to one array only on first use, so that a growing pool is not copied at every generation."""

    pieces: tuple[Vectors, ...]

    def __init__(self, pieces: Sequence[Vectors]):
        object.__setattr__(self, "pieces", tuple(pieces))

    @cached_property
    def array(self) -> np.ndarray:  # type: ignore[override]
        return read_only(np.concatenate([piece.array for piece in self.pieces], axis=-2))

    def __len__(self) -> int:
        return sum(map(len, self.pieces))

    @property
    def dimensions(self) -> int:
        return self.pieces[0].dimensions

    @property
    def chains(self) -> tuple[int, ...]:
        return self.pieces[0].chains

    @cached_property
    def moments(self) -> Moments:
        """The joined moments of the pieces. Each piece computes its own moments once."""
        return Moments.concat([piece.moments for piece in self.pieces])


@dataclass(frozen=True, eq=False)
class Moments:
    """The number of points, their mean and their scatter about it, which are all that the fit of a normal distribution needs.

    The points themselves are not stored. Parts can only be taken whole, and methods that need points raise an error.
    """

    n: int
    mean: np.ndarray  # (chains…, d)
    scatter: np.ndarray  # (chains…, d, d), sum of (x - mean)(x - mean)ᵀ
    kind = "moments"

    def __post_init__(self) -> None:
        for name in ("mean", "scatter"):
            object.__setattr__(self, name, read_only(getattr(self, name)))

    def __len__(self) -> int:
        return self.n

    @property
    def dimensions(self) -> int:
        return self.mean.shape[-1]

    @property
    def chains(self) -> tuple[int, ...]:
        return self.mean.shape[:-1]

    @property
    def digest(self) -> str:
        """The SHA-256 of the moments."""
        return digest_of_arrays(self.kind, np.array(self.n), self.mean, self.scatter)

    @property
    def moments(self) -> Moments:
        return self

    @property
    def array(self) -> NoReturn:
        raise NotApplicable("needs points, and only their moments are stored; write human.records: points")

    def some(self, n: int, rng: np.random.Generator) -> NoReturn:
        raise BadInput(
            f"{n} of {self.n} points cannot be taken, because only their moments are stored; "
            "write human.records: points, or a policy that takes parts whole"
        )

    def take(self, rows: Reference | None) -> Moments:
        return self if rows is None else self.some(size_of(rows), np.random.default_rng(0))

    def blinded(self) -> Moments:
        """Return the same moments without the reference to the parts that they were joined from."""
        return Moments(self.n, self.mean.copy(), self.scatter.copy())

    @staticmethod
    def concat(many: Sequence[Moments]) -> Moments:
        """Return the moments of all points, part after part.

        The first part stores the last result. For a growing pool only the newest part is then joined at every generation.
        """
        first, rest = many[0], tuple(many[1:])
        known, joined = first.__dict__.get("_joined", ((), first))
        if rest[: len(known)] != known:
            known, joined = (), first
        for part in rest[len(known) :]:
            joined = joined._beside(part)
        if rest:
            object.__setattr__(first, "_joined", (rest, joined))
        return joined

    def _beside(self, other: Moments) -> Moments:
        """Return the moments of the points of both (Chan, Golub and LeVeque 1979)."""
        n, m = self.n, other.n
        if n == 0 or m == 0:
            return self if m == 0 else other
        apart = other.mean - self.mean
        scatter = self.scatter + other.scatter + n * m / (n + m) * apart[..., :, None] * apart[..., None, :]
        return Moments(n + m, self.mean + m / (n + m) * apart, scatter)

    def save(self, folder: Path) -> None:
        np.savez(folder / "moments.npz", n=self.n, mean=self.mean, scatter=self.scatter)

    @classmethod
    def load(cls, folder: Path) -> Moments:
        with np.load(folder / "moments.npz", allow_pickle=False) as stored:
            return cls(int(stored["n"]), stored["mean"], stored["scatter"])


@dataclass(frozen=True)
class Counts:
    """How often each of K states occurs among n records: an array (chains…, K) of integers, the same n in every chain. It cannot be changed."""

    array: np.ndarray
    kind = "counts"

    def __post_init__(self) -> None:
        object.__setattr__(self, "array", read_only(self.array))

    def __len__(self) -> int:
        return int(self.array[(0,) * (self.array.ndim - 1)].sum())

    @property
    def chains(self) -> tuple[int, ...]:
        return self.array.shape[:-1]

    @property
    def digest(self) -> str:
        """The SHA-256 of the counts."""
        return digest_of_arrays(self.kind, self.array)

    def some(self, n: int, rng: np.random.Generator) -> Subcounts:
        """Draw n records without replacement: multivariate hypergeometric, state by state, vectorised over chains."""
        left, wanted = self.array.sum(axis=-1), np.full(self.array.shape[:-1], n)
        taken = np.empty_like(self.array)
        for state in range(self.array.shape[-1]):
            here = self.array[..., state]
            taken[..., state] = rng.hypergeometric(here, left - here, wanted)
            left, wanted = left - here, wanted - taken[..., state]
        return Subcounts(taken)

    def take(self, rows: Reference | None) -> Counts:
        if rows is None:
            return self
        if not isinstance(rows, Subcounts):
            raise BadInput(
                f"counts have no rows, and {size_of(rows)} row numbers were given; draw records of counts with some(n, rng)"
            )
        return Counts(rows.array)

    def blinded(self) -> Counts:
        """Return the same counts, which have no order."""
        return Counts(self.array.copy())

    @classmethod
    def concat(cls, many: Sequence[Counts]) -> Counts:
        return Counts(np.sum([counts.array for counts in many], axis=0))

    def save(self, folder: Path) -> None:
        packed.save(folder / "counts.npz", array=self.array)

    @classmethod
    def load(cls, folder: Path) -> Counts:
        return cls(packed.load(folder / "counts.npz")["array"])


@dataclass(frozen=True, eq=False)
class Decoded:
    """The log-probabilities that a model gave to some of its tokens while it wrote them."""

    rows: np.ndarray  # (m,), row numbers of the records
    log_probs: np.ndarray
    """The log-probability of each new token of those records, in nats, (m, new), before temperature, cuts and penalty."""

    def some(self, tokens: float) -> Decoded:
        """Return the first records that have at least this number of new tokens together; all if they have fewer."""
        few = slice(0, max(1, math.ceil(tokens / max(1, self.log_probs.shape[1]))))
        return Decoded(self.rows[few], self.log_probs[few])


@dataclass(frozen=True)
class Rescored:
    """The difference between the log-probabilities of a model while it wrote and those of its stored weights."""

    tokens: int
    difference: float
    """The mean absolute difference of log-probabilities, in nats per token."""
    max_difference: float
    """The largest difference that rounding at this precision explains, in nats per token."""

    @classmethod
    def of(cls, parts: Sequence[Rescored]) -> Rescored:
        """Combine the differences of several pieces of text."""
        tokens = sum(part.tokens for part in parts)
        mean = sum(part.difference * part.tokens for part in parts) / tokens
        return cls(tokens, mean, max(part.max_difference for part in parts))


def _rescored(file: Path) -> Rescored:
    """What a step stored. BadInput where a version of outcross with other fields wrote it."""
    try:
        return Rescored(**json.loads(file.read_text()))
    except (TypeError, ValueError):
        raise BadInput(f"{file} was written by another version of outcross; make the run again") from None


@dataclass(frozen=True, eq=False)
class Blocks:
    """Text: a polars frame with one row per block of tokens.

    Columns: `tokens` (Array of Int32), `text` (decoded, for readers and word metrics), `_bytes` (UTF-8 bytes of the
    block), `_document` (the number of the document of a human block; -1 for model text), `_prompt` (the row of the
    human training set that a model's block continues; -1 for none), `_group` (empty if there are no groups).
    """

    frame: Any
    decoded: Decoded | None = None
    """The log-probabilities of blocks that a model has just written, if it reports them. They are not stored."""
    rescored: Rescored | None = None
    """The comparison with the stored weights for all blocks that one model wrote in a step, for information. It is not part of the records."""
    kind = "text"

    def __len__(self) -> int:
        return self.frame.height

    @property
    def chains(self) -> tuple[int, ...]:
        return ()

    @property
    def digest(self) -> str:
        """The SHA-256 of every column."""
        return digest_of_frame(self.kind, self.frame)

    @cached_property
    def tokens(self) -> np.ndarray:
        """The token ids, (n, block), int32."""
        width = self.frame.schema["tokens"].shape[0]
        return read_only(np.ascontiguousarray(self.frame["tokens"].to_numpy()).reshape(len(self), width))

    @property
    def texts(self) -> list[str]:
        return self.frame["text"].to_list()

    def column(self, name: str) -> np.ndarray:
        return self.frame[name].to_numpy()

    def some(self, n: int, rng: np.random.Generator) -> np.ndarray:
        return rng.permutation(len(self))[:n]

    def take(self, rows: Reference | None) -> Blocks:
        return self if rows is None else Blocks(self.frame[row_numbers(rows, self.kind)])

    def blinded(self) -> Blocks:
        """Return only tokens, text and length, sorted by tokens, since documents, prompts and groups distinguish human from model text."""
        order = np.lexsort(self.tokens.T[::-1]) if len(self) else np.arange(0)
        return blocks(self.tokens[order], [self.texts[row] for row in order], self.column("_bytes")[order])

    @classmethod
    def concat(cls, many: Sequence[Blocks]) -> Blocks:
        import polars

        return many[0] if len(many) == 1 else Blocks(polars.concat([part.frame for part in many]))

    @classmethod
    def pieced(cls, pieces: Sequence[Blocks]) -> Blocks:
        """Join the blocks that one model wrote in several pieces. The result equals the blocks that it would write in one piece."""
        rescored = [piece.rescored for piece in pieces if piece.rescored is not None]
        return replace(cls.concat(pieces), rescored=Rescored.of(rescored) if rescored else None)

    def save(self, folder: Path) -> None:
        self.frame.write_parquet(literal(folder / "text.parquet"), compression="zstd", statistics=False)
        if self.rescored is not None:
            (folder / "rescored.json").write_text(json.dumps(asdict(self.rescored)) + "\n")

    @classmethod
    def load(cls, folder: Path) -> Blocks:
        stored, rescored_file = cls.of_frame(read_parquet(folder / "text.parquet"), {}), folder / "rescored.json"
        return replace(stored, rescored=_rescored(rescored_file)) if rescored_file.exists() else stored

    @property
    def described(self) -> dict[str, Any]:
        """The description that the frame does not contain, which is empty."""
        return {}

    @classmethod
    def of_frame(cls, frame: Any, described: Mapping[str, Any]) -> Blocks:
        """Return the blocks of a stored frame. Raises ValueError if its columns differ from those of blocks."""
        like = blocks(np.zeros((0, 1), dtype=np.int32), [], np.zeros(0)).frame.schema
        types = {name: kind.base_type() for name, kind in frame.schema.items()}
        if types != {name: kind.base_type() for name, kind in like.items()}:
            raise ValueError(f"columns {', '.join(types)}")
        return cls(frame)


WRITTEN_BY = "written by "
"""The beginning of the group of a block if the group names the model that wrote it."""


def names_its_writer(group: str) -> bool:
    """Whether the group of a block names the model that wrote it."""
    return group.startswith(WRITTEN_BY)


def blocks(tokens: np.ndarray, texts: Sequence[str], lengths: np.ndarray, **columns: np.ndarray) -> Blocks:
    """Return blocks from token ids (n, block), their texts and their lengths in bytes. Other columns are given by keyword."""
    import polars

    n = len(tokens)
    frame = {
        "tokens": polars.Series(tokens, dtype=polars.Array(polars.Int32, tokens.shape[1])),
        "text": polars.Series(list(texts), dtype=polars.String),
        "_bytes": polars.Series(lengths, dtype=polars.Int32),
        "_document": polars.Series(columns.get("document", np.full(n, -1)), dtype=polars.Int32),
        "_prompt": polars.Series(columns.get("prompt", np.full(n, -1)), dtype=polars.Int32),
        "_group": polars.Series(list(columns.get("group", [""] * n)), dtype=polars.String),
    }
    return Blocks(polars.DataFrame(frame))


def size_of(rows: Reference) -> int:
    """Return the number of records per chain of a reference."""
    return len(rows) if isinstance(rows, Subcounts) else rows.shape[-1]


def row_numbers(rows: Reference, kind: str) -> np.ndarray:
    """Return a reference as row numbers. Raises BadInput if it refers to counts."""
    if isinstance(rows, Subcounts):
        raise BadInput(f"{kind} are taken by row numbers, and counts of states were given; draw them with some(n, rng)")
    return rows


def composed(outer: Reference | None, inner: Reference, kind: str = "records") -> Reference:
    """Return one reference that is equal to taking `outer` first and then `inner` of the result."""
    if outer is None or isinstance(outer, Subcounts):
        if outer is not None and not isinstance(inner, Subcounts):
            raise BadInput(
                f"counts have no rows, and {size_of(inner)} row numbers were given; draw records of counts with some(n, rng)"
            )
        return inner
    inner = row_numbers(inner, kind)
    if outer.ndim == 1:
        return outer[inner]
    return outer[..., inner] if inner.ndim == 1 else np.take_along_axis(outer, inner, axis=-1)


def digest_of_arrays(kind: str, *arrays: np.ndarray) -> str:
    """Return the SHA-256 of the kind and of the type, shape and content of every array."""
    content = hashlib.sha256(kind.encode())
    for array in arrays:
        content.update(f" {array.dtype.str} {array.shape} ".encode())
        content.update(np.ascontiguousarray(array).tobytes())
    return content.hexdigest()


def digest_of_frame(kind: str, frame: Any) -> str:
    """Return the SHA-256 of the kind and of the name, type, missing values and content of every column of a polars frame."""
    content = hashlib.sha256(kind.encode())
    for column in frame.get_columns():
        content.update(f" {column.name!r} {column.dtype} {len(column)} ".encode())
        for piece in _pieces(column):
            content.update(piece)
    return content.hexdigest()


def _pieces(values: Any) -> Iterator[bytes]:
    """Yield the content of a polars series as bytes that depend on nothing else."""
    import polars

    yield values.is_null().to_numpy().tobytes()
    if isinstance(values.dtype, polars.List | polars.Array):
        lengths = values.list.len() if isinstance(values.dtype, polars.List) else values.arr.len()
        yield lengths.fill_null(0).cast(polars.Int64).to_numpy().tobytes()
        yield from _pieces(values.explode())
    elif values.dtype == polars.String:
        yield values.str.len_bytes().fill_null(0).cast(polars.Int64).to_numpy().tobytes()
        yield "".join(values.fill_null("").to_list()).encode()
    else:
        physical = values.to_physical()
        yield np.ascontiguousarray(physical.fill_null(physical.dtype.to_python()(0)).to_numpy()).tobytes()


FILES = {
    "vectors": "vectors.npz",
    "moments": "moments.npz",
    "counts": "counts.npz",
    "text": "text.parquet",
    "labelled": "labelled.npz",
    "rows": "rows.parquet",
    "series": "series.parquet",
    "store": "manifest.json",
}
"""The file by which a folder with records of each kind is recognised."""


def record_type(kind: str) -> Any:
    """Return the class of a kind of records."""
    from outcross.data.framed import EntitySeries, TableRows
    from outcross.data.labelled import LabelledPoints
    from outcross.data.store import Store

    classes = {
        "vectors": Vectors,
        "moments": Moments,
        "counts": Counts,
        "text": Blocks,
        "labelled": LabelledPoints,
        "rows": TableRows,
        "series": EntitySeries,
        "store": Store,
    }
    return classes[kind]


def load_records(folder: Path) -> Any:
    """Load the records in a folder, of any kind."""
    for kind, file in FILES.items():
        if (folder / file).exists():
            try:
                return record_type(kind).load(folder)
            except MemoryError:
                raise
            except Exception as error:  # records are read on first use, where no caller can explain the error
                raise BadInput(
                    f"{folder / file} does not contain {kind} ({type(error).__name__}); delete the step's folder and run again"
                ) from None
    raise BadInput(f"{folder} contains no records")
