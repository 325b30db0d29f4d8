"""The description of a set of rows that all files of a card share: its parts, its columns, and what is unknown about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from outcross.files.inputs import digest
from outcross.verbs.mix.asked import AUTHORS
from outcross.verbs.mix.finished.composition import UNNAMED, Composition
from outcross.verbs.mix.mixing import TWIN
from outcross.verbs.mix.provenance import PROVENANCE
from outcross.verbs.mix.result import read_manifest, shards
from outcross.verbs.mix.splits.settings import EVALUATED
from outcross.wording import amount

WORDS = {
    "human": "people",
    "model": "models",
    "edited": "models that edited",
    "translated": "models that translated",
    "unknown": "unknown authors",
}
"""The author of the rows of each origin, in words."""
COLUMNS = {
    "_id": "a digest of the content of the row, the name of its pool, and its number among the rows with the same content",
    "_origin": "the author of the row: human, model, edited, translated or unknown",
    "_source": "the pool that the row was drawn from",
    "_model": "the model that wrote the row, with its revision",
    "_generation": "the generation of models in which the row was written, from 0",
    "_parents": "the rows that the row was made from, the nearest first",
    "_prompt": "the prompt of the model",
    "_decoding": "how the row was sampled",
    "_weight": "the weight of the row",
    "_p_ai": "the probability that a model wrote the row, if a detector estimated it",
}
"""The content of the columns of provenance, in words."""


@dataclass(frozen=True)
class DataFile:
    """A file of rows."""

    path: str
    """The path within the folder of the data, with slashes."""
    sha256: str
    size: int
    """The size in bytes."""


@dataclass(frozen=True, eq=False)
class DataDescription:
    """The description of a set of rows for its card."""

    composition: Composition
    name: str
    license: str
    """The licence as it was given; empty if none was given."""

    @cached_property
    def files(self) -> tuple[DataFile, ...]:
        """The files that contain the rows."""
        return self._files(self.composition.files, self.composition.folder, self.manifest)

    def _files(self, paths: Sequence[Path], folder: Path, manifest: Mapping[str, Any]) -> tuple[DataFile, ...]:
        """Files of rows with their digests. The digests of a mix come from its manifest; they were checked when the rows were read."""
        checked = {folder / shard["file"]: shard["sha256"] for shard in manifest.get("shards", ())}
        root = self.composition.folder
        return tuple(
            DataFile(
                path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name,
                checked.get(path) or digest([path]),
                path.stat().st_size,
            )
            for path in paths
        )

    @property
    def manifest(self) -> Mapping[str, Any]:
        """The manifest of a mix; empty for other data."""
        return self.composition.manifest or {}

    @cached_property
    def twin(self) -> tuple[DataFile, ...]:
        """The files of the matched set of human rows; empty if there is none."""
        folder = self.composition.folder / TWIN
        if not isinstance(self.manifest.get("match"), dict):
            return ()
        manifest = read_manifest(folder)
        return self._files(shards(folder, manifest), folder, manifest)

    @property
    def held_back(self) -> dict[str, list[str]]:
        """The files of the splits for evaluation, by the name of the split."""
        splits = self.manifest.get("splits") or {}
        return {name: [shard["file"] for shard in splits[name]["shards"]] for name in EVALUATED if "shards" in splits.get(name, {})}

    @property
    def columns(self) -> list[str]:
        """The columns of the data without the columns of provenance."""
        return [name for name in self.composition.schema if name not in PROVENANCE]

    @property
    def provenance(self) -> list[str]:
        return [name for name in self.composition.schema if name in PROVENANCE]

    @property
    def inputs(self) -> dict[str, dict[str, str]]:
        """The files that each pool was read from, with the SHA-256 of each; empty for a pool that was given in memory."""
        read = self.manifest.get("read")
        by_pool: dict[str, dict[str, str]] = {}
        for pool, digests in read.items() if isinstance(read, dict) else ():
            files = digests.get("files") if isinstance(digests, dict) else None
            by_pool[str(pool)] = {str(name): str(sha256) for name, sha256 in files.items()} if isinstance(files, dict) else {}
        return by_pool

    @property
    def summary(self) -> str:
        """The number of rows by their authors, in one sentence."""
        rows = self.composition.rows
        said = [
            f"{count:,} ({self.composition.share(count):.6g}) were written by {WORDS[origin]}"
            for origin, count in self.composition.origins.items()
        ]
        return f"{amount(rows, 'row')}, of which {_listed(said)}." if rows else "There are no rows."

    @property
    def modalities(self) -> list[str]:
        """The kinds of content of the columns, according to their types."""
        return list(dict.fromkeys(kind for name in self.columns for kind in [modality(self.composition.schema[name])]))

    def unknown(self) -> Iterator[str]:
        """Yield a sentence for each fact that is unknown."""
        composition = self.composition
        if not self.license:
            yield "The licence, which was not given. The terms of every pool and of every model also apply to these rows."
        if composition.unknown_rows:
            yield f"Who wrote {composition.unknown_rows:,} of {composition.rows:,} rows."
        synthetic = composition.synthetic_rows
        which = f"of {synthetic:,} rows that models wrote, edited or translated"
        unnamed = composition.teachers.get(UNNAMED, 0)
        for count, what in (
            (unnamed, "Which model wrote"),
            (composition.generations.get(UNNAMED, 0), "The generation of"),
            (synthetic - sum(written.with_decoding for written in composition.synthetic), "How the model was sampled for"),
            (synthetic - sum(written.with_prompt for written in composition.synthetic), "The prompt of"),
            (synthetic - sum(written.with_parents for written in composition.synthetic), "The records that were the source of"),
        ):
            if count:
                yield f"{what} {count:,} {which}."
        if composition.origins.get("human"):
            yield "Whether people wrote the human rows: their pools declare it, and no detector checked it."
        yield "Whether the rows contain personal data, works under copyright, or harmful content: they were not searched for these."
        yield "The languages of texts, unless a group above counts them."
        for pool, files in self.inputs.items():
            if not files:
                yield f"The files of pool {pool}, which was given in memory."

    @property
    def asked(self) -> dict[str, Any]:
        """The request for a mix in the form of a mix file, with the files that were read; empty for other data."""
        requested = self.manifest.get("requested")
        if not isinstance(requested, dict):
            return {}
        pools = []
        for pool in requested.get("pools", ()):
            own = dict(pool) if isinstance(pool, dict) else {}
            files = list(self.inputs.get(str(own.get("name")), {}))
            if isinstance(own.get("origin"), dict):
                own["origin"] = _origin({key: value for key, value in own["origin"].items() if value is not None})
            pools.append(
                {"name": own.pop("name", None)} | ({"path": files[0] if len(files) == 1 else files} if files else {}) | own
            )
        rest = {key: value for key, value in requested.items() if key != "pools" and value not in (None, [], {})}
        return {"pools": pools} | rest


def _origin(said: dict[str, Any]) -> Any:
    return said["author"] if set(said) == {"author"} and said["author"] in AUTHORS else said


def modality(dtype: Any) -> str:
    """The kind of content of a column with this polars type."""
    import polars as pl

    if dtype == pl.String or dtype in (pl.Categorical, pl.Enum):
        return "text"
    if (
        isinstance(dtype, pl.List)
        and isinstance(dtype.inner, pl.Struct)
        and "content" in {part.name for part in dtype.inner.fields}
    ):
        return "text"
    if dtype.is_numeric() or dtype.is_temporal() or dtype == pl.Boolean:
        return "numbers"
    return "other"


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
