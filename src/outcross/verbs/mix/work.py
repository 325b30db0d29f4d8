"""Build a mix: write the shards of its sets as one step of a ledger, and its manifests."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from outcross import runtime
from outcross.errors import BadInput
from outcross.files import names
from outcross.files.names import read_parquet
from outcross.files.whole import read_text, write_whole
from outcross.ledger import Ledger, results, verb
from outcross.verbs.mix.asked import MixRecipe
from outcross.verbs.mix.door import at_the_door
from outcross.verbs.mix.manifest import realised, requested
from outcross.verbs.mix.mixing import TWIN, Mixing
from outcross.verbs.mix.rows import draws_of_rows, write_shards
from outcross.verbs.mix.splits.settings import EVALUATED

if TYPE_CHECKING:
    import polars

LIBRARIES = ("PyYAML", "icu4py", "numpy", "pillow", "polars", "scikit-learn", "scipy", "tokenizers", "torch", "transformers")
"""The packages whose versions affect the drawn and the written rows."""
DATA = "data"
"""The folder of the shards of a set."""
SUMMARY = "summary.json"
MANIFEST = "manifest.json"
DRAWS = "draws.parquet"
REJECTED = "rejected.parquet"


class Mixed:
    """The output of the step of a mix: shards, how often each row was drawn, and a summary of the content."""

    def __init__(self, folder: Path, summary: Mapping[str, Any]):
        self.folder, self.summary = folder, summary

    def __len__(self) -> int:
        return self.summary[""]["rows"]

    def save(self, folder: Path) -> None:
        """Move the written files into a folder on the same file system, and write the summary."""
        for path in sorted(self.folder.iterdir()):
            os.replace(path, folder / path.name)
        write_whole(folder / SUMMARY, json.dumps(self.summary, allow_nan=False, ensure_ascii=False))

    @classmethod
    def load(cls, folder: Path) -> Mixed:
        return cls(folder, json.loads(read_text(folder / SUMMARY)))

    @property
    def files(self) -> dict[str, Path]:
        """Every file of the mix except its manifests, by its path in the folder of the result."""
        paths = [self.folder / name for name in (DRAWS, REJECTED) if (self.folder / name).is_file()]
        for name, summary in self.summary.items():
            paths += [self.folder / folder_of(name) / DATA / shard for shard in summary["files"]]
        return {str(path.relative_to(self.folder)): path for path in paths}


def folder_of(name: str) -> str:
    """Return the folder of a set. All splits share a folder, and the set of human rows alone has its own."""
    return TWIN if name == TWIN else ""


@verb(LIBRARIES, 0, load=lambda folder, digest, asked, mixing: Mixed.load(folder))
def mix(asked: MixRecipe, mixing: Mixing, *, rng: np.random.Generator) -> Mixed:
    """Write the shards of all sets of a mix. Its random streams are named by its pools, so that `rng` is not used."""
    folder = runtime.working.get()
    assert folder is not None
    sets = mixing.sets  # raises errors before anything is written
    split_of_rows = mixing.split_of_rows
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with ThreadPoolExecutor(2) as beside:
            times_drawn = draws_of_rows([rows for name, rows in sets.items() if name != TWIN], split_of_rows)
            draws = beside.submit(write_whole, folder / DRAWS, times_drawn)
            digests = {
                name: write_shards(rows, folder / folder_of(name) / DATA, mixing.where, beside) for name, rows in sets.items()
            }
            counts = {name: realised(rows) for name, rows in sets.items()}
            summary = {
                name: (counts[name] if name else mixing.described(counts[name])) | {"sha256": digests[name](), "files": rows.names}
                for name, rows in sets.items()
            }
            draws.result()
    except BadInput:  # the files that are there cannot become this mix
        shutil.rmtree(folder, ignore_errors=True)
        raise
    if mixing.filtered is not None:
        write_whole(folder / REJECTED, mixing.filtered.rejected())
    return Mixed(folder, summary)


def write(mixing: Mixing, out: Path) -> None:
    """Write a mix into a folder. Existing parts of this mix are kept. Raises BadInput if the folder contains something else, such as another mix."""
    inputs = [*mixing.inputs()]
    results.check_folder(out, "mix", inputs)
    if not mixing.asked.filters:
        _ = mixing.plan  # raises the error of an impossible mix before anything is written
    with results.opened(out, "mix", inputs) as ledger:
        mixing.filtered_by(ledger)
        _ = mixing.plan  # the selections of the filters are stored even if the mix is impossible
        _check_same(ledger, mixing, out)
        step = ledger.steps(mixing.asked.seed)(mix, mixing.asked.identity, mixing.external)
        judged = () if mixing.filtered is None else mixing.filtered.keys
        searched = () if mixing.searched is None else mixing.searched.keys
        results.write(ledger, _files(step.value, ledger.entries[step.key].files, mixing), [step.key, *judged, *searched])


def manifest(facts: Mapping[str, Any], shards: Sequence[Mapping[str, Any]], mixing: Mixing) -> dict[str, Any]:
    """Return the manifest of a set: its content, the request, its sources and its files."""
    return {
        "schema": 1,
        **{key: value for key, value in facts.items() if key != "files"},
        "requested": requested(mixing.asked),
        "inputs": mixing.external.names,
        "read": mixing.read,
        "read_as_numbers": mixing.plan.read_as_numbers,
        "warnings": [*mixing.plan.warnings],
        "shards": [*shards],
    } | _splits_and_search(mixing)


def _splits_and_search(mixing: Mixing) -> dict[str, Any]:
    """Return the division into splits and the result of a search, as far as they were requested."""
    facts = {} if mixing.plan.splits is None else {"splits": json.loads(json.dumps(mixing.plan.splits))}
    return facts | ({"search": mixing.searched.plain} if mixing.searched else {})


def held_back(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of a split that is not used for training."""
    return {key: facts[key] for key in ("rows", "sha256", "realised", "origins", "teachers", "groups")}


def audited(mixing: Mixing, mixed: polars.DataFrame) -> dict[str, Any]:
    """Return the result of the audit of the mix, for the manifest; empty if no audit was requested."""
    return {"audit": at_the_door(mixing.asked, mixing.store, mixed)} if mixing.asked.audit else {}


def _files(mixed: Mixed, digests: Mapping[str, str], mixing: Mixing) -> dict[str, Any]:
    """Return every file of a mix. The manifest, by which a mix is recognised, comes last. digests: the SHA-256 of each file of the step, by its path."""
    files = {
        name: [_shard(mixed.folder, Path(folder_of(name)) / DATA / shard, digests) for shard in split_facts["files"]]
        for name, split_facts in mixed.summary.items()
    }
    manifests = {name: manifest(mixed.summary[name], files[name], mixing) for name in ("", TWIN) if name in files}
    for name in EVALUATED:
        if name in files:
            manifests[""]["splits"][name] |= held_back(mixed.summary[name]) | {"shards": files[name]}
    if mixing.asked.audit:
        import polars as pl

        shards = [read_parquet(mixed.folder / DATA / name) for name in mixed.summary[""]["files"]]
        manifests[""] |= audited(mixing, pl.concat(shards))
    if TWIN in manifests:
        manifests[""]["match"] = {"folder": TWIN} | {key: manifests[TWIN][key] for key in ("rows", "sha256")}
    written = {
        str(Path(name) / MANIFEST): json.dumps(content, allow_nan=False, ensure_ascii=False, indent=1) + "\n"
        for name, content in manifests.items()
    }
    return mixed.files | {name: written[name] for name in sorted(written, key=len, reverse=True)}


def _shard(folder: Path, place: Path, digests: Mapping[str, str]) -> dict[str, Any]:
    """Return the entry of a shard in the manifest. place: its path in the folder of the step."""
    import polars as pl

    path = folder / place
    rows = pl.scan_parquet(names.literal(path), glob=False, hive_partitioning=False).select(pl.len()).collect().item()
    return {"file": f"{DATA}/{place.name}", "rows": rows, "bytes": path.stat().st_size, "sha256": digests[str(place)]}


def _check_same(ledger: Ledger, mixing: Mixing, out: Path) -> None:
    """Raise BadInput if the folder contains another mix, since a training set is never replaced silently."""
    if ledger.result is None or not ledger.result.files or not (out / MANIFEST).is_file():
        return
    stored = json.loads(read_text(out / MANIFEST))
    asked = json.loads(json.dumps(requested(mixing.asked)))
    if stored.get("requested") != asked or sorted(stored.get("inputs", {}).values()) != sorted(mixing.external.names.values()):
        raise BadInput(
            f"{out} contains another mix (sha256 {str(stored.get('sha256'))[:16]}…); choose another --out, or remove that folder first"
        )
