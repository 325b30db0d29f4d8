"""The composition of a set of rows: the numbers by author, model, generation, pool and group, counted from the rows themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outcross.errors import BadInput
from outcross.files import names
from outcross.files.reading import files_of, read
from outcross.files.source import TableSource
from outcross.recipe import nearest
from outcross.verbs.mix import work
from outcross.verbs.mix.provenance import AUTHORS, PROVENANCE
from outcross.verbs.mix.result import is_stored, read_manifest, shards
from outcross.verbs.results import WIDTH, Result
from outcross.wording import in_percent

if TYPE_CHECKING:
    import polars

    from outcross.report.figure import Figure

TELLING = ("_origin", "_model", "_generation", "_source")
"""The columns of provenance. A folder has at least one of them if its rows name their origin."""
MOST = 100_000
"""The maximum number of different authors, pools or values of a group."""
UNNAMED = "not said"
"""The name for an unknown model or generation in tables."""
MISSING = "missing"
"""The name for a missing value of a group, as in a manifest."""


@dataclass(frozen=True)
class AuthorRows:
    """The number of rows with one origin, model and generation."""

    origin: str
    model: str | None
    generation: int | None
    rows: int
    with_decoding: int
    """The number of rows that say how they were sampled."""
    with_prompt: int
    """The number of rows that have a prompt."""
    with_parents: int
    """The number of rows that name the records they were made from."""

    @property
    def is_synthetic(self) -> bool:
        """Whether a model wrote, edited or translated them."""
        return self.origin in ("model", "edited", "translated")


@dataclass(frozen=True, eq=False, repr=False)
class Composition(Result):
    """The composition of the rows of a folder. It is a census: every row is counted, so that no number has an interval."""

    folder: Path
    rows: int
    authors: tuple[AuthorRows, ...]
    sources: Mapping[str, int]
    """The number of rows drawn from each pool, from the column `_source`."""
    groups: Mapping[str, Mapping[str, int]]
    schema: Mapping[str, Any]
    """The polars type of each column."""
    files: tuple[Path, ...]
    manifest: Mapping[str, Any] | None
    """The manifest of a mix; None for another folder."""

    @property
    def origins(self) -> dict[str, int]:
        """The number of rows by origin."""
        return self._by(lambda written: written.origin, self.authors)

    @property
    def teachers(self) -> dict[str, int]:
        """The number of rows that models wrote, edited or translated, by model."""
        return self._by(lambda written: written.model or UNNAMED, self.synthetic)

    @property
    def generations(self) -> dict[str, int]:
        """The number of rows that models wrote, edited or translated, by generation."""
        counts = self._by(lambda written: UNNAMED if written.generation is None else str(written.generation), self.synthetic)
        return dict(sorted(counts.items(), key=lambda item: (item[0] == UNNAMED, int(item[0]) if item[0] != UNNAMED else 0)))

    @cached_property
    def synthetic(self) -> tuple[AuthorRows, ...]:
        """The entries of rows that models wrote, edited or translated."""
        return tuple(author for author in self.authors if author.is_synthetic)

    def share(self, rows: int) -> float:
        """Return a number of rows as a fraction of all rows, in [0, 1]."""
        return rows / self.rows if self.rows else 0.0

    @property
    def synthetic_rows(self) -> int:
        return sum(written.rows for written in self.synthetic)

    @property
    def unknown_rows(self) -> int:
        return self.origins.get("unknown", 0)

    @property
    def tables(self) -> dict[str, Mapping[str, int]]:
        """The counts of every table: origin, teacher, generation, pool, and each group."""
        tables: dict[str, Mapping[str, int]] = {"origin": self.origins}
        tables |= {"teacher": self.teachers, "generation": self.generations} if self.synthetic else {}
        tables |= {"pool": self.sources} if self.sources else {}
        return tables | {f"group {name}": counts for name, counts in self.groups.items()}

    @property
    def short(self) -> str:
        """The number of rows and the share of each origin, in one line."""
        parts = ", ".join(f"{in_percent(self.share(rows), 4)} {author}" for author, rows in self.origins.items())
        return f"Composition of {self.rows:,} rows in {self.folder}: {parts}"

    def frame(self) -> polars.DataFrame:
        """Return a polars frame with one row per count: the table, the value, rows, share."""
        import polars

        rows = [(by, value, count, self.share(count)) for by, counts in self.tables.items() for value, count in counts.items()]
        return polars.DataFrame(rows, schema={"by": str, "value": str, "rows": int, "share": float}, orient="row")

    def lines(self, width: int = WIDTH) -> list[str]:
        """Return the lines for a terminal: tables by origin, teacher, generation, pool and group."""
        from outcross.verbs.mix.screen import composition_lines

        return list(composition_lines(self, width))

    def figures(self) -> tuple[Figure, ...]:
        """Return figures of the rows by origin, teacher, generation, pool and group."""
        from outcross.report.shapes import counts_figure

        return tuple(counts_figure(by, f"Rows by {by}", counts) for by, counts in self.tables.items())

    def plain(self) -> dict[str, Any]:
        """Return the composition as plain data."""

        def counted(counts: Mapping[str, int]) -> dict[str, Any]:
            return {value: {"rows": rows, "share": self.share(rows)} for value, rows in counts.items()}

        return {
            "schema": 1,
            "composition": str(self.folder),
            "rows": self.rows,
            "origins": counted(self.origins),
            "teachers": counted(self.teachers),
            "generations": counted(self.generations),
            "pools": counted(self.sources),
            "groups": {name: counted(counts) for name, counts in self.groups.items()},
        }

    def _by(self, key: Any, authors: Iterable[AuthorRows]) -> dict[str, int]:
        counts: Counter[str] = Counter()
        for author in authors:
            counts[key(author)] += author.rows
        return dict(sorted(counts.items()))


def tells(folder: Path) -> bool:
    """Whether a folder contains data whose rows name their origin, from a mix or from elsewhere."""
    if names.kind_at(folder) != "folder":
        return False
    if is_stored(folder):
        return True
    try:
        return any(name in source.columns for source in [read(str(folder))] for name in TELLING)
    except BadInput:
        return False


def composed(folder: Path, groups: Sequence[str] = ()) -> Composition:
    """Return the composition of a mix, or of a folder of data with columns of provenance. Raises BadInput for another folder, or for a damaged mix.

    groups: columns to count by in addition to those of the mix.
    """
    if names.kind_at(folder) != "folder":
        raise BadInput(f"there is no folder {folder}; give the folder of a mix, or of data with columns such as _origin and _model")
    manifest = read_manifest(folder) if is_stored(folder) else None
    files = shards(folder, manifest) if manifest is not None else files_of(str(folder))
    source = read([str(file) for file in files])
    if manifest is None and not any(name in source.columns for name in TELLING):
        raise BadInput(
            f"{folder} does not contain a mix, and its data have none of the columns of provenance ({', '.join(TELLING)}); "
            "build it with outcross mix, or add such columns"
        )
    of_mix = manifest.get("groups") if manifest is not None else None
    asked = list(dict.fromkeys([*(of_mix if isinstance(of_mix, dict) else ()), *groups]))
    for name in asked:
        if name not in source.columns:
            raise BadInput(f"{folder} has no column {name!r:.80}{nearest(name, source.columns)} (groups)")
    composition = _counted(folder, source, asked, files, manifest)
    if manifest is not None:
        _check(composition, manifest)
    return composition


def _counted(
    folder: Path, source: TableSource, groups: Sequence[str], files: Sequence[Path], manifest: Mapping[str, Any] | None
) -> Composition:
    authors: Counter[tuple] = Counter()
    more: dict[tuple, list[int]] = {}
    sources: Counter[str] = Counter()
    by_group: dict[str, Counter[str]] = {name: Counter() for name in groups}
    schema: dict[str, Any] = {}
    wanted = [name for name in source.columns if name in PROVENANCE or name in groups]
    for batch in source.batches(None if manifest is None else wanted):
        schema = schema or dict(batch.schema)
        for origin, model, generation, rows, *said in _authors(batch).iter_rows():
            key = (origin, model, generation)
            authors[key] += rows
            more[key] = [a + b for a, b in zip(more.get(key, [0, 0, 0]), said, strict=True)]
        if "_source" in batch.columns:
            sources.update(_values(batch, "_source", UNNAMED))
        for name, counts in by_group.items():
            counts.update(_values(batch, name, MISSING))
        if max(len(authors), len(sources), *(len(counts) for counts in by_group.values())) > MOST:
            raise BadInput(f"{folder} has more than {MOST:,} authors, pools or values of a group; name columns of fewer values")
    if manifest is not None:
        schema = dict(next(iter(read(str(files[0])).batches(None))).schema) if files else {}
    order = sorted(authors, key=lambda key: (AUTHORS.index(key[0]), key[1] or "", -1 if key[2] is None else key[2]))
    return Composition(
        folder=folder,
        rows=sum(authors.values()),
        authors=tuple(
            AuthorRows(
                *key, rows=authors[key], **dict(zip(("with_decoding", "with_prompt", "with_parents"), more[key], strict=True))
            )
            for key in order
        ),
        sources=dict(sorted(sources.items())),
        groups={name: dict(sorted(counts.items())) for name, counts in by_group.items()},
        schema=schema,
        files=tuple(files),
        manifest=manifest,
    )


def _authors(batch: polars.DataFrame) -> polars.DataFrame:
    """Return the number of rows by origin, model and generation, and of those with decoding, prompt and parents. Raises BadInput for an unknown origin."""
    import polars as pl

    def text(name: str) -> pl.Expr:
        return (pl.col(name).cast(pl.String) if name in batch.columns else pl.lit(None, dtype=pl.String)).alias(name)

    own = batch.with_columns(
        text("_origin"),
        text("_model"),
        text("_generation"),
        _decoding=text("_decoding").is_not_null(),
        _prompt=text("_prompt").is_not_null(),
        _parents=_has_parents(batch),
    )
    origins = own["_origin"].drop_nulls()
    odd = origins.filter(~origins.is_in(AUTHORS))
    if odd.len():
        raise BadInput(f"column '_origin' must be one of {', '.join(AUTHORS)}, got {odd[0]!r:.80}; rename the column")
    numbers = own["_generation"].cast(pl.Int64, strict=False)
    if wrong := own["_generation"].filter(numbers.is_null() & own["_generation"].is_not_null()).head(1).to_list():
        raise BadInput(f"column '_generation' must contain generations (0, 1, …), got {wrong[0]!r:.80}; rename the column")
    unsaid = pl.when(pl.col("_model").is_not_null()).then(pl.lit("model")).otherwise(pl.lit("unknown"))
    return (
        own.with_columns(pl.coalesce("_origin", unsaid), numbers)
        .group_by("_origin", "_model", "_generation", maintain_order=True)
        .agg(pl.len(), pl.col("_decoding").sum(), pl.col("_prompt").sum(), pl.col("_parents").sum())
    )


def _has_parents(batch: polars.DataFrame) -> polars.Expr:
    import polars as pl

    if "_parents" not in batch.columns:
        return pl.lit(False)
    is_list = isinstance(batch.schema["_parents"], pl.List)
    return (pl.col("_parents").list.len() > 0 if is_list else pl.col("_parents").is_not_null()).fill_null(False)


def _values(batch: polars.DataFrame, name: str, missing: str) -> dict[str, int]:
    import polars as pl

    if batch.schema[name].is_nested():
        raise BadInput(f"column {name!r} has the type {batch.schema[name]}, and groups need plain values; name another column")
    counts = batch.select(pl.col(name).cast(pl.String).fill_null(missing)).group_by(name).len()
    return dict(counts.iter_rows())


def _check(composition: Composition, manifest: Mapping[str, Any]) -> None:
    """Raise BadInput if the rows differ from the manifest."""
    origins = manifest.get("origins")
    said = (
        {value: facts.get("rows") for value, facts in origins.items() if isinstance(facts, dict)}
        if isinstance(origins, dict)
        else {}
    )
    if composition.rows != manifest["rows"] or said != composition.origins:
        raise BadInput(
            f"{composition.folder / work.MANIFEST} says {manifest['rows']:,} rows ({_words(said)}), and there are {composition.rows:,} ({_words(composition.origins)}); "
            "build the mix again"
        )


def _words(counts: Mapping[str, Any]) -> str:
    return ", ".join(f"{value} {rows}" for value, rows in counts.items())[:200]
