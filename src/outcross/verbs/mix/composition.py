"""What a set of rows is made of: how many are of whom, of which model, generation, pool and group, counted from the rows themselves."""

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

if TYPE_CHECKING:
    import polars

    from outcross.report.figure import Figure

TELLING = ("_origin", "_model", "_generation", "_source")
"""Columns of which a folder has at least one where its rows say where they come from."""
MOST = 100_000
"""Different authors, pools or values of a group that are counted."""
UNNAMED = "not said"
"""What stands for a model or a generation that nobody named."""
MISSING = "missing"
"""What stands for a missing value of a group, as in a manifest."""


@dataclass(frozen=True)
class AuthorRows:
    """The rows of one author: who wrote them, by which model, in which generation."""

    origin: str
    model: str | None
    generation: int | None
    rows: int
    with_decoding: int
    """Rows that say how they were sampled."""
    with_prompt: int
    with_parents: int
    """Rows that name what they were made from."""

    @property
    def is_synthetic(self) -> bool:
        """Whether a model wrote, edited or translated them."""
        return self.origin in ("model", "edited", "translated")


@dataclass(frozen=True, eq=False, repr=False)
class Composition(Result):
    """What the rows of a folder are made of. It is a census: every row is counted, so that no number has an interval."""

    folder: Path
    rows: int
    authors: tuple[AuthorRows, ...]
    sources: Mapping[str, int]
    """Rows by the pool that they were drawn from, as `_source` says."""
    groups: Mapping[str, Mapping[str, int]]
    schema: Mapping[str, Any]
    """The polars type of each column."""
    files: tuple[Path, ...]
    manifest: Mapping[str, Any] | None
    """Of a mix; None for another folder."""

    @property
    def origins(self) -> dict[str, int]:
        """Rows by who wrote them."""
        return self._by(lambda written: written.origin, self.authors)

    @property
    def teachers(self) -> dict[str, int]:
        """Rows that models wrote, edited or translated, by the model."""
        return self._by(lambda written: written.model or UNNAMED, self.synthetic)

    @property
    def generations(self) -> dict[str, int]:
        """Rows that models wrote, edited or translated, by the generation."""
        counts = self._by(lambda written: UNNAMED if written.generation is None else str(written.generation), self.synthetic)
        return dict(sorted(counts.items(), key=lambda item: (item[0] == UNNAMED, int(item[0]) if item[0] != UNNAMED else 0)))

    @cached_property
    def synthetic(self) -> tuple[AuthorRows, ...]:
        """The authors that are models, or worked with one."""
        return tuple(author for author in self.authors if author.is_synthetic)

    def share(self, rows: int) -> float:
        """Rows as a fraction of all, in [0, 1]."""
        return rows / self.rows if self.rows else 0.0

    @property
    def synthetic_rows(self) -> int:
        return sum(written.rows for written in self.synthetic)

    @property
    def unknown_rows(self) -> int:
        return self.origins.get("unknown", 0)

    @property
    def tables(self) -> dict[str, Mapping[str, int]]:
        """Every count by what it is by: origin, teacher, generation, pool, and each group."""
        tables: dict[str, Mapping[str, int]] = {"origin": self.origins}
        tables |= {"teacher": self.teachers, "generation": self.generations} if self.synthetic else {}
        tables |= {"pool": self.sources} if self.sources else {}
        return tables | {f"group {name}": counts for name, counts in self.groups.items()}

    @property
    def short(self) -> str:
        """How many rows there are, and of whom."""
        parts = ", ".join(f"{100 * self.share(rows):.4g} % {author}" for author, rows in self.origins.items())
        return f"Composition of {self.rows:,} rows in {self.folder}: {parts}"

    def frame(self) -> polars.DataFrame:
        """A row a count (polars): what it is by, the value, rows, share."""
        import polars

        rows = [(by, value, count, self.share(count)) for by, counts in self.tables.items() for value, count in counts.items()]
        return polars.DataFrame(rows, schema={"by": str, "value": str, "rows": int, "share": float}, orient="row")

    def lines(self, width: int = WIDTH) -> list[str]:
        """What a terminal shows: a table each by origin, teacher, generation, pool and group."""
        from outcross.verbs.mix.screen import composition_lines

        return list(composition_lines(self, width))

    def figures(self) -> tuple[Figure, ...]:
        """Its rows by origin, teacher, generation, pool and group."""
        from outcross.report.shapes import counts_figure

        return tuple(counts_figure(by, f"Rows by {by}", counts) for by, counts in self.tables.items())

    def plain(self) -> dict[str, Any]:
        """The composition as plain data."""

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
    """Whether a folder holds data whose rows say where they come from, be they of a mix or not."""
    if names.kind_at(folder) != "folder":
        return False
    if is_stored(folder):
        return True
    try:
        return any(name in source.columns for source in [read(str(folder))] for name in TELLING)
    except BadInput:
        return False


def composed(folder: Path, groups: Sequence[str] = ()) -> Composition:
    """The composition of a mix, or of a folder of data with columns of provenance. BadInput where it is neither, or where a mix is damaged.

    `groups` are columns to count by beside those of the mix.
    """
    if names.kind_at(folder) != "folder":
        raise BadInput(f"no folder {folder}; give the folder of a mix, or of data with columns such as _origin and _model")
    manifest = read_manifest(folder) if is_stored(folder) else None
    files = shards(folder, manifest) if manifest is not None else files_of(str(folder))
    source = read([str(file) for file in files])
    if manifest is None and not any(name in source.columns for name in TELLING):
        raise BadInput(
            f"{folder} holds no mix, and its data have none of the columns {', '.join(TELLING)} that say where rows come from; "
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
    """Rows by origin, model and generation, and how many of them name decoding, prompt and parents. BadInput where a row names no origin that there is."""
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
        raise BadInput(f"column '_generation' must hold generations (0, 1, …), got {wrong[0]!r:.80}")
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
        raise BadInput(f"column {name!r} holds {batch.schema[name]}; groups are columns of plain values")
    counts = batch.select(pl.col(name).cast(pl.String).fill_null(missing)).group_by(name).len()
    return dict(counts.iter_rows())


def _check(composition: Composition, manifest: Mapping[str, Any]) -> None:
    """BadInput where the rows are not what the manifest says."""
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
