"""Records that know where they came from: Origin, Part, Pool and Human."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, Self, TypeVar

import numpy as np

from outcross.errors import BadInput
from outcross.estimate import NotApplicable

T = TypeVar("T")


@dataclass(frozen=True)
class Origin:
    """Who wrote the records of a part.

    `mixed` stands only where independent chains differ in the origin of the same row.
    """

    author: Literal["human", "model", "edited", "translated", "unknown", "mixed"]
    model: str | None = None
    """The digest or the name of the model that wrote them."""
    generation: int | None = None
    decoding: str | None = None
    """How they were sampled, as canonical JSON of the Draw."""


HUMAN = Origin("human")


class Made(Generic[T]):
    """What a step made: its digest and size (records per chain; 0 for what holds none) at once, its value when touched."""

    def __init__(self, digest: str, size: int, load: Callable[[], T], key: str = ""):
        self.digest = digest
        self.key = key
        """The step that made it."""
        self.size = size
        self._load: Callable[[], T] | None = load

    @property
    def value(self) -> T:
        if self._load is not None:
            self._value, self._load = self._load(), None  # let go of what the loader holds
        return self._value


class Records(Protocol):
    """Records of one kind. Leading axes, where there are any, are independent chains.

    `some` returns a reference to n records drawn without replacement (in every chain on its own); `take` resolves one.
    A reference is an array, or None for all records.
    """

    kind: str

    def __len__(self) -> int: ...
    def some(self, n: int, rng: np.random.Generator) -> np.ndarray: ...
    def take(self, rows: np.ndarray | None) -> Self: ...
    @classmethod
    def concat(cls, many: Sequence[Self]) -> Self: ...
    def save(self, folder: Path) -> None: ...
    @classmethod
    def load(cls, folder: Path) -> Self: ...


@dataclass(frozen=True)
class Vectors:
    """Points: an array (chains…, n, d) of floats."""

    array: np.ndarray
    kind = "vectors"

    def __len__(self) -> int:
        return self.array.shape[-2]

    @property
    def dimensions(self) -> int:
        return self.array.shape[-1]

    @cached_property
    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean (chains…, d) and scatter about it, sum of (x - mean)(x - mean)ᵀ, (chains…, d, d)."""
        mean = self.array.mean(axis=-2)
        centred = self.array - mean[..., None, :]
        if self.dimensions == 1:
            flat = centred[..., 0]
            return mean, np.einsum("...n,...n->...", flat, flat)[..., None, None]
        return mean, np.swapaxes(centred, -1, -2) @ centred

    def some(self, n: int, rng: np.random.Generator) -> np.ndarray:
        keys = rng.random((*self.array.shape[:-2], len(self)))
        return np.argpartition(keys, n - 1, axis=-1)[..., :n] if n < len(self) else np.argsort(keys, axis=-1)

    def take(self, rows: np.ndarray | None) -> Vectors:
        if rows is None:
            return self
        if rows.ndim == 1:
            return Vectors(self.array[..., rows, :])
        return Vectors(np.take_along_axis(self.array, rows[..., None], axis=-2))

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
    """Vectors one after the other, put into one array only when it is touched: a pool that grows is not copied at every generation."""

    def __init__(self, pieces: Sequence[Vectors]):
        object.__setattr__(self, "pieces", tuple(pieces))

    @cached_property
    def array(self) -> np.ndarray:  # type: ignore[override]
        return np.concatenate([piece.array for piece in self.pieces], axis=-2)

    def __len__(self) -> int:
        return sum(map(len, self.pieces))

    @property
    def dimensions(self) -> int:
        return self.pieces[0].dimensions

    @cached_property
    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Those of the pieces, merged (Chan, Golub and LeVeque 1979); each piece works out its own once."""
        n, (mean, scatter) = len(self.pieces[0]), self.pieces[0].moments
        for piece in self.pieces[1:]:
            m, (other, around) = len(piece), piece.moments
            apart = other - mean
            scatter = scatter + around + n * m / (n + m) * apart[..., :, None] * apart[..., None, :]
            mean, n = mean + m / (n + m) * apart, n + m
        return mean, scatter


@dataclass(frozen=True)
class Counts:
    """How often each of K states occurs among n records: an array (chains…, K) of integers, the same n in every chain."""

    array: np.ndarray
    kind = "counts"

    def __len__(self) -> int:
        return int(self.array[(0,) * (self.array.ndim - 1)].sum())

    def some(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Multivariate hypergeometric, state by state, vectorised over chains; the reference is itself counts."""
        left, wanted = self.array.sum(axis=-1), np.full(self.array.shape[:-1], n)
        taken = np.empty_like(self.array)
        for state in range(self.array.shape[-1]):
            here = self.array[..., state]
            taken[..., state] = rng.hypergeometric(here, left - here, wanted)
            left, wanted = left - here, wanted - taken[..., state]
        return taken

    def take(self, rows: np.ndarray | None) -> Counts:
        return self if rows is None else Counts(rows)

    @classmethod
    def concat(cls, many: Sequence[Counts]) -> Counts:
        return Counts(np.sum([one.array for one in many], axis=0))

    def save(self, folder: Path) -> None:
        np.savez(folder / "counts.npz", array=self.array)

    @classmethod
    def load(cls, folder: Path) -> Counts:
        with np.load(folder / "counts.npz", allow_pickle=False) as stored:
            return cls(stored["array"])


@dataclass(frozen=True, eq=False)
class Blocks:
    """Text: a polars frame, one row a block of tokens.

    Columns: `tokens` (Array of Int32), `text` (decoded, for people and word metrics), `_bytes` (UTF-8 bytes of the
    block), `_document` (which document a human block is cut from; -1 for model text), `_prompt` (the row of the
    human training set that a model's block continues, -1 for none), `_group` (empty where there are none).
    """

    frame: Any
    kind = "text"

    def __len__(self) -> int:
        return self.frame.height

    @cached_property
    def tokens(self) -> np.ndarray:
        """Token ids, (n, block), int32."""
        return np.ascontiguousarray(self.frame["tokens"].to_numpy()).reshape(len(self), -1)

    @property
    def texts(self) -> list[str]:
        return self.frame["text"].to_list()

    def column(self, name: str) -> np.ndarray:
        return self.frame[name].to_numpy()

    def some(self, n: int, rng: np.random.Generator) -> np.ndarray:
        return rng.permutation(len(self))[:n]

    def take(self, rows: np.ndarray | None) -> Blocks:
        return self if rows is None else Blocks(self.frame[rows])

    @classmethod
    def concat(cls, many: Sequence[Blocks]) -> Blocks:
        import polars

        return many[0] if len(many) == 1 else Blocks(polars.concat([one.frame for one in many]))

    def save(self, folder: Path) -> None:
        self.frame.write_parquet(folder / "text.parquet", compression="zstd", statistics=False)

    @classmethod
    def load(cls, folder: Path) -> Blocks:
        import polars

        return cls(polars.read_parquet(folder / "text.parquet"))


def blocks(tokens: np.ndarray, texts: Sequence[str], lengths: np.ndarray, **columns: np.ndarray) -> Blocks:
    """Blocks from token ids (n, block), their text and their length in bytes; other columns by keyword."""
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


RECORDS: dict[str, type] = {"vectors": Vectors, "counts": Counts, "text": Blocks}


def load_records(folder: Path) -> Any:
    """The records that a folder holds, whichever kind they are."""
    for kind, file in (("vectors", "vectors.npz"), ("counts", "counts.npz"), ("text", "text.parquet")):
        if (folder / file).exists():
            return RECORDS[kind].load(folder)
    raise BadInput(f"{folder} holds no records")


@dataclass(frozen=True)
class Part:
    """Records of one origin, by reference: what made them, and which of its rows (None: all). Loaded when touched."""

    origin: Origin
    source: Made[Any]
    size: int
    rows: np.ndarray | None = None
    weight: float | None = None
    """Weight of each record in the fit; None where the policy does not weigh."""

    def __len__(self) -> int:
        return self.size

    @cached_property
    def records(self) -> Any:
        return self.source.value.take(self.rows)

    @cached_property
    def digest(self) -> str:
        if self.rows is None and self.weight is None:
            return self.source.digest
        told = hashlib.sha256(f"{self.source.digest} {self.weight}".encode())
        if self.rows is not None:
            told.update(np.ascontiguousarray(self.rows).tobytes())
        return told.hexdigest()

    def some(self, n: int, rng: np.random.Generator) -> Part:
        """n of its records, drawn without replacement."""
        if n > self.size:
            raise BadInput(f"{n} records were asked of a part of {self.size}; lower the share or add data")
        if n == self.size:
            return self
        rows = self.records.some(n, rng)
        return replace(self, rows=rows, size=n) if self.rows is None else part_of(self.origin, self.records.take(rows))

    def take(self, rows: np.ndarray) -> Part:
        """The records at these rows of a whole part of text or vectors."""
        if self.rows is not None:
            rows = self.rows[rows]
        return replace(self, rows=rows, size=rows.shape[-1])


def part_of(origin: Origin, records: Any, digest: str | None = None) -> Part:
    """A part whose records are at hand."""
    return Part(origin, Made(digest or f"at hand {id(records)}", len(records), lambda: records), len(records))


@dataclass(frozen=True)
class Pool:
    """Parts, oldest first: what there is to train on, and also what is trained on."""

    parts: tuple[Part, ...]
    generation: int = 0
    """How many generations of models have written into it."""

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def __add__(self, part: Part) -> Pool:
        return Pool((*self.parts, part), self.generation + 1)

    @property
    def human(self) -> Part:
        """The first human part: the training set of generation 0."""
        return next(part for part in self.parts if part.origin.author == "human")

    @property
    def newest(self) -> Part:
        return self.parts[-1]

    @property
    def synthetic_share(self) -> float:
        """Fraction of records that a model wrote, in [0, 1]."""
        return sum(len(part) for part in self.parts if part.origin.author == "model") / len(self)

    @property
    def digest(self) -> str:
        return hashlib.sha256(" ".join(part.digest for part in self.parts).encode()).hexdigest()

    def newest_only(self, reach: int | None) -> Pool:
        """The pool without the model-written parts that no policy of this reach will read again (None: all stay)."""
        if reach is None:
            return self
        written = [part for part in self.parts if part.origin.author != "human"]
        forgotten = written[: len(written) - reach] if reach else written
        return replace(self, parts=tuple(part for part in self.parts if not any(part is gone for gone in forgotten)))

    def some(self, n: int, rng: np.random.Generator) -> Pool:
        """n records of the pool, uniformly and without replacement, as parts that keep their origin.

        In chains every chain draws on its own, so that the origins of a row differ: one part of mixed origin.
        """
        if n > len(self):
            raise BadInput(f"{n} records were asked of a pool of {len(self)}")
        if isinstance(self.newest.records, Blocks):
            rows = np.sort(rng.permutation(len(self))[:n])
            ends = np.cumsum([len(part) for part in self.parts])
            starts = ends - [len(part) for part in self.parts]
            picked = [
                (part, rows[(rows >= start) & (rows < end)] - start)
                for part, start, end in zip(self.parts, starts, ends, strict=True)
            ]
            return replace(self, parts=tuple(part.take(own) for part, own in picked if len(own)))
        records = self.records()
        return replace(self, parts=(part_of(Origin("mixed"), records.take(records.some(n, rng))),))

    def records(self) -> Any:
        """All records, oldest first. Weighted counts hold their weights themselves: each part's counts times its weight."""
        many = [part.records for part in self.parts]
        if self.is_weighted and isinstance(many[0], Counts):
            weights = [1.0 if part.weight is None else part.weight for part in self.parts]
            return Counts(np.sum([one.array * weight for one, weight in zip(many, weights, strict=True)], axis=0))
        return type(many[0]).concat(many)

    @property
    def is_weighted(self) -> bool:
        return any(part.weight is not None for part in self.parts)

    def weights(self) -> np.ndarray | None:
        """The weight of every record, (n,), with mean 1; None where no part is weighted or the records are counts."""
        if not self.is_weighted or isinstance(self.newest.records, Counts):
            return None
        weights = np.concatenate([np.full(len(part), 1.0 if part.weight is None else part.weight) for part in self.parts])
        return weights / weights.mean()


@dataclass(frozen=True)
class Training:
    """What one fit learns from: a pool of row references, with weights where the policy weighs."""

    pool: Pool

    def __len__(self) -> int:
        return len(self.pool)

    @property
    def records(self) -> Any:
        return self.pool.records()

    @property
    def weights(self) -> np.ndarray | None:
        return self.pool.weights()

    @property
    def human_share(self) -> float:
        """Fraction of records that people wrote, in [0, 1]."""
        return sum(len(part) for part in self.pool.parts if part.origin.author == "human") / len(self)

    def save(self, folder: Path) -> None:
        """Rows by reference; records only where no step made them."""
        parts, arrays = [], {}
        for i, part in enumerate(self.pool.parts):
            at_hand = part.source.digest.startswith("at hand")
            if at_hand:
                (folder / f"part-{i}").mkdir()
                part.records.save(folder / f"part-{i}")
            elif part.rows is not None:
                arrays[f"rows_{i}"] = part.rows
            parts.append(
                {
                    "origin": asdict(part.origin),
                    "source": None if at_hand else part.source.digest,
                    "size": len(part),
                    "weight": part.weight,
                }
            )
        np.savez(folder / "rows.npz", **arrays)
        (folder / "training.json").write_text(json.dumps({"generation": self.pool.generation, "parts": parts}, indent=1))

    @classmethod
    def load(cls, folder: Path, sources: dict[str, Made[Any]]) -> Training:
        """The training set stored in a folder; `sources` are the steps it may refer to, by digest."""
        stored = json.loads((folder / "training.json").read_text())
        with np.load(folder / "rows.npz", allow_pickle=False) as rows:
            parts = []
            for i, told in enumerate(stored["parts"]):
                if told["source"] is None:
                    part = part_of(Origin(**told["origin"]), load_records(folder / f"part-{i}"))
                else:
                    own = rows[f"rows_{i}"] if f"rows_{i}" in rows else None
                    part = Part(Origin(**told["origin"]), sources[told["source"]], told["size"], own)
                parts.append(replace(part, weight=told["weight"]))
        return cls(Pool(tuple(parts), stored["generation"]))


class Truth(Protocol):
    """A distribution that is known, from which human records are drawn. `draw` returns (chains…, n) records."""

    def draw(self, n: int, chains: tuple[int, ...], rng: np.random.Generator) -> Any: ...


HUMAN_PARTS = ("training", "reference", "holdout", "validation", "reserve", "continuations")


@dataclass(frozen=True, eq=False)
class Human:
    """Human data: a finite set shuffled once and split into disjoint parts, or a distribution.

    The g-th fresh slice of a finite set is taken from `reserve`, of a distribution drawn from `truth`.
    """

    training: Part
    """What generation 0 is fitted on; the `original human records` of the policies."""
    reference: Part | None = None
    """Held-out documents: loss and likeness are measured on them."""
    holdout: Part | None = None
    """More human records, as many as the training set and drawn as it was: what real-against-real shows (floors)."""
    validation: Part | None = None
    reserve: Part | None = None
    continuations: Part | None = None
    """What people wrote after each training block that has a next one; `_prompt` names the training row."""
    windows: np.ndarray | None = None
    """All human training text as windows of two blocks, (m, 2 block) token ids: what a base is pretrained on."""
    vocabulary: Any = None
    truth: Any = None
    chains: tuple[int, ...] = ()
    note: dict[str, Any] = field(default_factory=dict)
    """What was read: digest, documents, bytes, tokens."""
    spent: int = 0
    """Fresh records that earlier generations have used up."""

    def save(self, folder: Path) -> None:
        for name in HUMAN_PARTS:
            if (part := getattr(self, name)) is not None:
                (folder / name).mkdir()
                part.records.save(folder / name)
        if self.windows is not None:
            np.savez(folder / "windows.npz", windows=self.windows)
        if self.vocabulary is not None:
            self.vocabulary.save(folder / "vocabulary.json")
        sizes = {name: len(part) for name in HUMAN_PARTS if (part := getattr(self, name)) is not None}
        told = {"chains": list(self.chains), "note": self.note, "sizes": sizes}
        (folder / "human.json").write_text(json.dumps(told, indent=1, sort_keys=True))

    @classmethod
    def load(cls, folder: Path, truth: Any, load_vocabulary: Callable[[Path], Any] | None) -> Human:
        """The human data that a step stored; `truth` comes from the recipe, which is written down elsewhere."""
        stored = json.loads((folder / "human.json").read_text())
        parts: dict[str, Any] = {
            name: Part(HUMAN, Made("", size, lambda name=name: load_records(folder / name)), size)
            for name, size in stored["sizes"].items()
        }
        windows = vocabulary = None
        if (folder / "windows.npz").exists():
            with np.load(folder / "windows.npz", allow_pickle=False) as file:
                windows = file["windows"]
        if load_vocabulary is not None and (folder / "vocabulary.json").exists():
            vocabulary = load_vocabulary(folder / "vocabulary.json")
        return cls(
            **parts, windows=windows, vocabulary=vocabulary, truth=truth, chains=tuple(stored["chains"]), note=stored["note"]
        )

    def named(self, digest: str) -> Human:
        """The same, its parts named after the step that gathered them, so that training sets can refer to them."""
        parts = {name: getattr(self, name) for name in HUMAN_PARTS if getattr(self, name) is not None}
        sources = {name: Made(f"{digest}/{name}", len(part), lambda part=part: part.source.value) for name, part in parts.items()}
        return replace(self, **{name: replace(part, source=sources[name]) for name, part in parts.items()})

    @property
    def sources(self) -> dict[str, Made[Any]]:
        """What made its parts, by digest."""
        parts = [getattr(self, name) for name in HUMAN_PARTS]
        return {part.source.digest: part.source for part in parts if part is not None}

    @property
    def kind(self) -> str:
        return self.training.records.kind

    def fixed(self, n: int) -> Part:
        """The same n of the original human records at every generation."""
        return self.training.some(n, np.random.default_rng(0x0C)) if n < len(self.training) else self.training

    def redrawn(self, n: int, rng: np.random.Generator) -> Part:
        """n of the original human records, another choice at every generation."""
        return self.training.some(n, rng)

    def fresh(self, n: int, rng: np.random.Generator) -> Part:
        """n human records that no generation has seen; BadInput with the count where the reserve runs out."""
        if self.truth is not None:
            return part_of(HUMAN, self.truth.draw(n, self.chains, rng))
        there = 0 if self.reserve is None else len(self.reserve)
        if self.reserve is None or self.spent + n > there:
            raise BadInput(
                f"fresh human records run out: {n} more were asked for, {there - self.spent} of {there} in reserve are left; "
                "lower human.rows, the share or the generations"
            )
        return self.reserve.take(np.arange(self.spent, self.spent + n))

    def aligned(self, synthetic: Part, n: int, rng: np.random.Generator) -> tuple[Part, Part]:
        """n human continuations, and the synthetic records without those that they take the place of."""
        if self.continuations is None:
            raise BadInput("align: true needs text sampled from human prompts; leave align out")
        prompts = synthetic.records.column("_prompt")
        places = self.continuations.records.column("_prompt")
        if not np.isin(places, prompts).any():
            raise BadInput("align: true needs draw.prompts: human; leave align out")
        if n > len(places):
            raise BadInput(f"align: true can place {len(places)} human continuations, {n} were asked for; lower the share")
        chosen = rng.permutation(len(places))[:n]
        return self.continuations.take(np.sort(chosen)), synthetic.take(np.flatnonzero(~np.isin(prompts, places[chosen])))

    def known(self, what: str) -> Any:
        """The distribution that the human records are drawn from, or NotApplicable."""
        if self.truth is None:
            raise NotApplicable(f"{what} needs a known distribution, the human data are a finite set")
        return self.truth
