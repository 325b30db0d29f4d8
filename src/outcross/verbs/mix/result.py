"""The result of the verb `mix`: a training set that was built out of pools, or its plan."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outcross.errors import BadInput, missing_extra
from outcross.files import names
from outcross.files.inputs import digest
from outcross.files.names import read_parquet
from outcross.files.whole import read_text
from outcross.verbs.mix import work
from outcross.verbs.mix.canonical import update
from outcross.verbs.mix.manifest import realised
from outcross.verbs.mix.mixing import TWIN, Mixing
from outcross.verbs.mix.plan import MixPlan
from outcross.verbs.mix.splits.settings import EVALUATED
from outcross.verbs.results import WIDTH, Result
from outcross.wording import in_percent

if TYPE_CHECKING:
    import polars

    from outcross.report.figure import Figure


@dataclass(frozen=True, eq=False, repr=False)
class Mix(Result):
    """A training set with the origin of every row.

    `frame()` returns its rows in order, and `to_hf()` a Hugging Face dataset. `manifest` contains the request and the content. `write(folder)`
    writes it to disk. Rows are drawn on first use. Before that, `plan` shows what will be drawn.
    """

    mixing: Mixing | None
    """The request with the opened pools; None for a mix that was loaded from a folder."""
    folder: Path | None = None
    """The folder of the mix; None if it is not written."""
    is_plan: bool = False
    """Whether only the plan was requested."""

    @property
    def plan(self) -> MixPlan:
        """The plan of the mix: the amount of each pool. Raises BadInput for a mix that was loaded from a folder, which has a manifest instead."""
        if self.mixing is None:
            raise BadInput(f"the mix in {self.folder} is already written and has no plan; read its manifest")
        return self.mixing.plan

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """The request and the content of the mix, as the JSON of design.md."""
        if self.folder is not None:
            return read_manifest(self.folder)
        assert self.mixing is not None
        summary = {
            name: realised(self.mixing.sets[name or ""]) | {"sha256": _digest(self.frame(name))}
            for name in (None, *self._held_back)
        }
        manifest = work.manifest(self.mixing.described(summary.pop(None)), [], self.mixing) | work.audited(
            self.mixing, self.frame()
        )
        for name, split_summary in summary.items():
            manifest["splits"][name] |= work.held_back(split_summary) | {"shards": []}
        return manifest

    @property
    def _held_back(self) -> list[str]:
        """The splits other than train that have rows."""
        if self.mixing is not None:
            return [name for name in EVALUATED if name in self.mixing.sets]
        return [name for name in EVALUATED if "shards" in self.manifest.get("splits", {}).get(name, {})]

    def frame(self, split: str | None = None) -> polars.DataFrame:
        """Return the training rows, or the rows of another split, as a polars frame in order, with the columns of provenance.

        Raises BadInput if a shard differs from the manifest, or if there is no such split.
        """
        if split in (None, "train"):
            return self._frame
        if split not in self._held_back:
            raise BadInput(f"the mix has no split {split!r}; it has {', '.join(['train', *self._held_back])}")
        return self._rows_of(split)

    @cached_property
    def _frame(self) -> polars.DataFrame:
        return self._rows_of("")

    def _rows_of(self, name: str) -> polars.DataFrame:
        import polars as pl

        if self.folder is None:
            assert self.mixing is not None
            return pl.concat([rows for rows in self.mixing.sets[name].frames() if rows is not None])
        manifest = self.manifest if not name else self.manifest["splits"][name]
        return pl.concat([read_parquet(path) for path in shards(self.folder, manifest)])

    def twin(self) -> polars.DataFrame:
        """Return the set of human rows alone of equal size, as a polars frame. Raises BadInput if `match` did not request it."""
        import polars as pl

        if self.folder is not None:
            place = self.folder / TWIN
            return pl.concat([read_parquet(path) for path in shards(place, read_manifest(place))])
        assert self.mixing is not None
        if TWIN not in self.mixing.sets:
            raise BadInput("the mix has no set of human rows alone; write match: rows, or match: tokens")
        return pl.concat([rows for rows in self.mixing.sets[TWIN].frames() if rows is not None])

    def to_hf(self) -> Any:
        """Return the rows as a Hugging Face Dataset, or a DatasetDict if there are splits. Raises BadInput if `datasets` is not installed."""
        try:
            from datasets import Dataset, DatasetDict  # pyright: ignore[reportMissingImports]
        except ImportError:
            raise missing_extra("datasets", "hf") from None
        if not self._held_back:
            return Dataset.from_polars(self.frame())
        return DatasetDict({name: Dataset.from_polars(self.frame(name)) for name in ("train", *self._held_back)})

    def write(self, out: str | Path) -> Mix:
        """Write the mix into a folder, which must be new, empty, or contain the same mix. Returns the written mix."""
        if self.mixing is None:
            raise BadInput(f"the mix in {self.folder} is already written; copy the folder")
        work.write(self.mixing, Path(out))
        return Mix(self.mixing, Path(out))

    @property
    def short(self) -> str:
        """The number of rows, the share of each origin, and the folder, in one line."""
        if self.is_plan:
            return f"Mix, planned: {self.plan.plain()['rows']:,} rows"
        manifest = self.manifest
        parts = ", ".join(f"{in_percent(facts['share'], 4)} {author}" for author, facts in manifest.get("origins", {}).items())
        return f"Mix of {manifest['rows']:,} rows ({parts}), {'not written' if self.folder is None else f'in {self.folder}'}"

    def lines(self, width: int = WIDTH) -> list[str]:
        """Return the lines for a terminal: the request and the content, with one line per pool."""
        from outcross.verbs.mix.screen import mix_lines

        return list(mix_lines(self, width))

    def figures(self) -> tuple[Figure, ...]:
        """Return figures of the rows by origin, teacher, generation, pool and group. A plan has none."""
        from outcross.report.shapes import counts_figure

        if self.is_plan:
            return ()
        manifest = self.manifest
        counts = {
            by: {value: facts["rows"] for value, facts in manifest.get(f"{by}s", {}).items()}
            for by in ("origin", "teacher", "generation")
        }
        counts["pool"] = {pool["name"]: pool.get("used", 0) for pool in manifest["pools"]}
        counts |= {
            f"group {name}": {value: facts["rows"] for value, facts in counted.items()}
            for name, counted in manifest.get("groups", {}).items()
        }
        return tuple(counts_figure(by, f"Rows by {by}", counted) for by, counted in counts.items() if counted)

    def report(self, path: str | Path) -> Path:
        """Write the content of the mix as one HTML file that opens offline. Returns the path."""
        if self.is_plan:
            raise BadInput("a plan has no rows to report; mix without plan=True, then report")
        return super().report(path)

    def plain(self) -> dict[str, Any]:
        """Return the manifest as plain data, or the plan if only the plan was requested."""
        if not self.is_plan:
            return self.manifest
        searched = None if self.mixing is None else self.mixing.searched
        return self.plan.plain() | ({} if searched is None else {"search": searched.plain})


def _digest(frame: polars.DataFrame) -> str:
    content = hashlib.sha256()
    update(content, frame)
    return content.hexdigest()


KEYS = {
    "schema": int,
    "rows": int,
    "sha256": str,
    "pools": list,
    "realised": dict,
    "requested": dict,
    "order": dict,
    "shards": list,
    "warnings": list,
}
"""The keys that every manifest has, with their types."""


def stored_mix(folder: Path) -> Mix | None:
    """Return the mix in a folder; None if there is none."""
    return Mix(None, folder) if is_stored(folder) else None


def is_stored(folder: Path) -> bool:
    """Whether a folder contains a mix, complete or damaged."""
    path = folder / work.MANIFEST
    if names.kind_at(path) != "file":
        return False
    try:
        manifest = json.loads(read_text(path))
    except (ValueError, RecursionError):
        return False
    return isinstance(manifest, dict) and "pools" in manifest and "sha256" in manifest


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read the manifest of a mix. Raises BadInput if it is not valid."""
    path = folder / work.MANIFEST
    try:
        manifest = json.loads(read_text(path))
        is_one = isinstance(manifest, dict) and all(type(manifest.get(key)) is kind for key, kind in KEYS.items())
        is_one = is_one and all(isinstance(pool, dict) and isinstance(pool.get("name"), str) for pool in manifest["pools"])
    except (ValueError, RecursionError):
        is_one, manifest = False, {}
    if not is_one:
        raise BadInput(f"{path} is not a manifest of a mix; build the mix again")
    return manifest


def shards(folder: Path, manifest: dict[str, Any]) -> list[Path]:
    """Return the files of a mix. Raises BadInput if one is missing, or differs from the digest in the manifest."""
    paths = []
    for shard in manifest["shards"]:
        name = shard.get("file") if isinstance(shard, dict) else None
        if not isinstance(name, str) or Path(name).is_absolute() or ".." in Path(name).parts:
            raise BadInput(f"{folder / work.MANIFEST} names a shard {name!r:.80} outside its folder; build the mix again")
        if digest([folder / name]) != shard.get("sha256"):
            raise BadInput(
                f"{folder / name} is missing or damaged: its digest differs from that in {work.MANIFEST}; build the mix again"
            )
        paths.append(folder / name)
    return paths
