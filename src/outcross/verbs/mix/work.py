"""How a mix is built: its pools opened, its plan made, its rows drawn, and its shards written as one step of a ledger."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from outcross import runtime
from outcross.errors import BadInput
from outcross.files import names
from outcross.files.names import read_parquet
from outcross.files.whole import read_text, write_whole
from outcross.ledger import External, Ledger, results, verb
from outcross.ledger.digests import digest_file, digest_of
from outcross.ledger.external import external
from outcross.verbs.mix.asked import MixRecipe
from outcross.verbs.mix.candidates import CandidateStore
from outcross.verbs.mix.costs import lost_groups
from outcross.verbs.mix.door import at_the_door
from outcross.verbs.mix.draws import Draws, drawn, twin
from outcross.verbs.mix.filtering import FilteredPools, bounds_of, check_columns, filter_pools
from outcross.verbs.mix.manifest import realised, requested
from outcross.verbs.mix.plan import FilterPlan, MixPlan, Supply, planned
from outcross.verbs.mix.pools import (
    OpenPool,
    ScannedPool,
    Schema,
    opened,
    read_as_numbers,
    scanned,
    shared_schema,
    tokenizer_file,
    tokenizer_of,
)
from outcross.verbs.mix.rows import RowSet, draws_frame, write_shards

if TYPE_CHECKING:
    import polars

LIBRARIES = ("icu4py", "numpy", "pillow", "polars", "scipy", "tokenizers")
"""Packages whose versions decide what is drawn and written."""
DATA = "data"
"""The folder of the shards of a set."""
TWIN = "human-only"
"""The folder of the set of human rows alone."""
SUMMARY = "summary.json"
MANIFEST = "manifest.json"
DRAWS = "draws.parquet"
REJECTED = "rejected.parquet"
KEPT = "what the filters kept"
"""The name under which its digest stands among those of the inputs."""
ASKED = 20_000
"""Rows up to which a plan asks the filters; of more it says within what bounds they leave rows."""
PREFERS = "Data that are selected so again and again collapse, as a power of the generation even where they accumulate; what the filter costs stands in the manifest"
"""What a plan says of every filter that prefers (science/oracles.md B1)."""


@dataclass(frozen=True, eq=False)
class Mixing:
    """A mix that is asked for, over pools that are open. What is asked of it is worked out once, when it is asked."""

    asked: MixRecipe
    data: tuple[Any, ...]
    """What each pool is read from."""
    is_plan: bool = False
    """Whether the plan alone is asked for."""

    @cached_property
    def pools(self) -> tuple[OpenPool, ...]:
        return tuple(opened(recipe, data) for recipe, data in zip(self.asked.pools, self.data, strict=True))

    @cached_property
    def schema(self) -> Schema:
        return shared_schema(self.asked, self.pools)

    @cached_property
    def plan(self) -> MixPlan:
        """What will be drawn of each pool. BadInput where that cannot be."""
        schema, unit = self.schema, self.asked.unit
        if self.filters_are_bounded:
            check_columns(self.store_of_schema)
        if unit == "rows" and (not self.asked.filters or self.filters_are_bounded):
            plan = planned(self.asked, [Supply(pool.rows, pool.rows) for pool in self.pools])
        else:
            assert schema is not None
            copies = (
                [1] * len(self.pools)
                if self.filtered is None
                else [int(self.filtered.times_of(pool).max(initial=1)) for pool in range(len(self.pools))]
            )
            plan = planned(
                self.asked,
                [
                    Supply(scan.rows, scan.rows if unit == "rows" else int(scan.amounts[unit].sum()), most)
                    for scan, most in zip(self.available, copies, strict=True)
                ],
            )
        filters = tuple(self._filter_plans())
        numbers = {pool.recipe.name: columns for pool in self.pools if (columns := read_as_numbers(pool, schema))}
        return replace(plan, filters=filters, warnings=(*plan.warnings, *self._warnings(filters)), read_as_numbers=numbers)

    @property
    def filters_are_bounded(self) -> bool:
        """Whether the plan says of filters how many rows they leave at most, and does not ask them: it is to be had in seconds."""
        return self.is_plan and bool(self.asked.filters) and sum(pool.rows for pool in self.pools) > ASKED

    def _filter_plans(self) -> Iterator[FilterPlan]:
        if self.filters_are_bounded:
            bounds = bounds_of(self.asked, [pool.rows for pool in self.pools])
            for number, (recipe, seen, low, high) in enumerate(bounds, 1):
                yield FilterPlan(f"{number} {recipe.name}", recipe.filter.prefers, seen, low, high)
            return
        for outcome in self.filtered.outcomes if self.filtered is not None else ():
            kept = int(outcome.selection.times.sum())
            yield FilterPlan(outcome.step, outcome.recipe.filter.prefers, len(outcome.at), kept, kept)

    def _warnings(self, filters: Sequence[FilterPlan]) -> Iterator[str]:
        for plan in filters:
            if plan.prefers:
                yield f"filter {plan.step} prefers: {plan.prefers}. {PREFERS}"
        if self.filters_are_bounded:
            yield f"{sum(pool.rows for pool in self.pools):,} rows are too many to ask the filters in a plan; what is planned is the most that they can leave"
        elif self.filtered is not None:
            yield from lost_groups(self.filtered)

    @cached_property
    def store(self) -> CandidateStore:
        """All rows of the pools, as filters and the audit see them."""
        return CandidateStore(self.asked, self.pools, self.scans, self.schema)

    @property
    def store_of_schema(self) -> CandidateStore:
        """The pools by their columns alone: no row is read."""
        return CandidateStore(self.asked, self.pools, (), self.schema)

    @cached_property
    def filtered(self) -> FilteredPools | None:
        """What filters leave of the pools; None where none is asked for."""
        return filter_pools(self.store) if self.asked.filters else None

    @property
    def available(self) -> tuple[ScannedPool, ...]:
        """The pools after the filters."""
        return self.scans if self.filtered is None else tuple(scan for _, scan in self.filtered.kept)

    @cached_property
    def scans(self) -> tuple[ScannedPool, ...]:
        tokenizer = tokenizer_of(self.asked.tokenizer) if "tokens" in self.asked.counted else None
        return tuple(scanned(pool, self.asked, self.schema, tokenizer) for pool in self.pools)

    @cached_property
    def sets(self) -> dict[str, RowSet]:
        """The mix, and its twin where one is asked for, by the folder that each is written to."""
        for pool, target, scan in zip(self.asked.pools, self.plan.pools, self.scans, strict=True):
            if self.asked.unit == "rows" and self.filtered is None and scan.rows != target.available:
                raise BadInput(
                    f"pool {pool.name!r} had {target.available:,} rows and has {scan.rows:,}; give files that nothing writes to"
                )
        mix_draws = drawn(self.asked, self.plan, self.available)
        human = twin(self.asked, self.plan, self.available, mix_draws)
        return {"": self._set(mix_draws)} | ({} if human is None else {TWIN: self._set(human)})

    def _set(self, draws: Draws) -> RowSet:
        as_read = draws if self.filtered is None else self.filtered.as_read(draws)
        return RowSet(self.asked, self.pools, self.scans, as_read, self.schema, self.filtered)

    def inputs(self) -> Iterator[Path]:
        """Every file and folder that is named."""
        given = [
            one for data in self.data for one in (data if isinstance(data, list | tuple) else [data]) if isinstance(one, str | Path)
        ]
        read = [path for one in self.asked.filters for path in one.filter.paths]
        for path in [*given, *([self.asked.tokenizer] if self.asked.tokenizer else []), *read]:
            yield from names.fitting(str(path)) if names.is_pattern(str(path)) else [Path(path)]

    @cached_property
    def externals(self) -> tuple[External[Any], ...]:
        """What each pool is read from, with the digest of every file."""
        return tuple(external(list(data) if isinstance(data, tuple) else data) for data in self.data)

    @property
    def read(self) -> dict[str, Any]:
        """What each pool is read from: its files by the names that were given, or that it was in memory, with their SHA-256."""
        return {
            recipe.name: {"files" if _is_of_files(data) else "memory": one.names}
            for recipe, data, one in zip(self.asked.pools, self.data, self.externals, strict=True)
        }

    @cached_property
    def external(self) -> External[Mixing]:
        """The pools as a step reads them, told apart by what they hold and in their order."""
        of_pools = self.externals
        found = {name: digest for one in of_pools for name, digest in one.names.items()}
        if self.asked.tokenizer is not None:
            found[self.asked.tokenizer] = digest_file(tokenizer_file(self.asked.tokenizer))
        if self.filtered is not None:
            # What filters kept is in the key as they kept it, so that it does not matter by what they judged.
            found |= {
                name: digest
                for one in self.asked.filters
                for path in one.filter.paths
                for name, digest in external(path).names.items()
            }
            found[KEPT] = self.filtered.digest
        digest = digest_of([*(one.digest for one in of_pools), found.get(str(self.asked.tokenizer), ""), found.get(KEPT, "")])
        return External(digest, lambda: self, [one for pool in of_pools for one in pool.reads], found)


def _is_of_files(data: Any) -> bool:
    several = data if isinstance(data, list | tuple) else [data]
    return bool(several) and all(isinstance(one, str | Path) for one in several)


class Mixed:
    """What the step of a mix made: shards, how often each row was drawn, and what they hold in all."""

    def __init__(self, folder: Path, summary: Mapping[str, Any]):
        self.folder, self.summary = folder, summary

    def __len__(self) -> int:
        return self.summary[""]["rows"]

    def save(self, folder: Path) -> None:
        """Move what was written into a folder: it lies on the same file system."""
        for path in sorted(self.folder.iterdir()):
            os.replace(path, folder / path.name)
        write_whole(folder / SUMMARY, json.dumps(self.summary, allow_nan=False, ensure_ascii=False))

    @classmethod
    def load(cls, folder: Path) -> Mixed:
        return cls(folder, json.loads(read_text(folder / SUMMARY)))

    @property
    def files(self) -> dict[str, Path]:
        """Every file of the mix but its manifests, by its path in the folder of the result."""
        found = [self.folder / name for name in (DRAWS, REJECTED) if (self.folder / name).is_file()]
        for name, told in self.summary.items():
            found += [self.folder / name / DATA / shard for shard in told["files"]]
        return {str(path.relative_to(self.folder)): path for path in found}


@verb(LIBRARIES, 0, load=lambda folder, digest, asked, mixing: Mixed.load(folder))
def mix(asked: MixRecipe, mixing: Mixing, *, rng: np.random.Generator) -> Mixed:
    """Write the shards of a mix and of its twin. Its random streams are named by its pools, so that `rng` is not needed."""
    folder = runtime.working.get()
    assert folder is not None
    sets = mixing.sets  # what cannot be drawn is told before anything is written
    summary = {}
    try:
        for name, rows in sets.items():
            content = write_shards(rows, folder / name / DATA)
            summary[name] = realised(rows) | {"sha256": content, "files": rows.names}
    except BadInput:  # what is there cannot become this mix
        shutil.rmtree(folder, ignore_errors=True)
        raise
    write_whole(folder / DRAWS, draws_frame(sets[""]))
    if mixing.filtered is not None:
        write_whole(folder / REJECTED, mixing.filtered.rejected())
    return Mixed(folder, summary)


def write(mixing: Mixing, out: Path) -> None:
    """Write a mix into a folder. BadInput where it holds something else, another mix too; what is there of this mix is kept."""
    inputs = [*mixing.inputs()]
    results.check_folder(out, "mix", inputs)
    _ = mixing.plan  # what cannot be had is told before anything is written
    with results.opened(out, "mix", inputs) as ledger:
        _check_same(ledger, mixing, out)
        made = ledger.steps(mixing.asked.seed)(mix, mixing.asked.identity, mixing.external)
        results.write(ledger, _files(made.value, mixing), [made.key])


def manifest(told: Mapping[str, Any], shards: Sequence[Mapping[str, Any]], mixing: Mixing) -> dict[str, Any]:
    """The manifest of a set: what is in it, what was asked, what it was read from, and its files."""
    return {
        "schema": 1,
        **{key: value for key, value in told.items() if key != "files"},
        "requested": requested(mixing.asked),
        "inputs": mixing.external.names,
        "read": mixing.read,
        "read_as_numbers": mixing.plan.read_as_numbers,
        "warnings": [*mixing.plan.warnings],
        "shards": [*shards],
    }


def audited(mixing: Mixing, mixed: polars.DataFrame) -> dict[str, Any]:
    """What the audit at the door found, for the manifest; nothing where none was asked for."""
    return {"audit": at_the_door(mixing.asked, mixing.store, mixed)} if mixing.asked.audit else {}


def _files(made: Mixed, mixing: Mixing) -> dict[str, Any]:
    """Every file of a mix; its manifest, by which it is known, comes last."""
    told = {
        name: manifest(one, [_shard(made.folder / name, shard) for shard in one["files"]], mixing)
        for name, one in made.summary.items()
    }
    if mixing.asked.audit:
        import polars as pl

        shards = [read_parquet(made.folder / DATA / name) for name in made.summary[""]["files"]]
        told[""] |= audited(mixing, pl.concat(shards))
    if TWIN in told:
        told[""]["match"] = {"folder": TWIN} | {key: told[TWIN][key] for key in ("rows", "sha256")}
    written = {
        str(Path(name) / MANIFEST): json.dumps(one, allow_nan=False, ensure_ascii=False, indent=1) + "\n"
        for name, one in told.items()
    }
    return made.files | {name: written[name] for name in sorted(written, key=len, reverse=True)}


def _shard(folder: Path, name: str) -> dict[str, Any]:
    import polars as pl

    path = folder / DATA / name
    rows = pl.scan_parquet(names.literal(path), glob=False, hive_partitioning=False).select(pl.len()).collect().item()
    return {"file": f"{DATA}/{name}", "rows": rows, "bytes": path.stat().st_size, "sha256": digest_file(path)}


def _check_same(ledger: Ledger, mixing: Mixing, out: Path) -> None:
    """BadInput where the folder holds another mix: a training set is not replaced by the way."""
    if ledger.result is None or not ledger.result.files or not (out / MANIFEST).is_file():
        return
    told = json.loads(read_text(out / MANIFEST))
    asked = json.loads(json.dumps(requested(mixing.asked)))
    if told.get("requested") != asked or sorted(told.get("inputs", {}).values()) != sorted(mixing.external.names.values()):
        raise BadInput(
            f"{out} holds another mix (sha256 {str(told.get('sha256'))[:16]}…); choose another --out, or remove that folder first"
        )
