"""The card of a data set as README.md, in the form that the Hugging Face Hub reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from outcross.escapes import coded, fenced, in_markdown, shortened
from outcross.files.plain_yaml import dump
from outcross.verbs.card.description import COLUMNS, DataDescription, DataFile
from outcross.verbs.mix.work import DATA, MANIFEST

SIZES = (
    (10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M"), (10**8, "10M<n<100M"),
    (10**9, "100M<n<1B"), (10**10, "1B<n<10B"), (10**11, "10B<n<100B"), (10**12, "100B<n<1T"),
)  # fmt: skip
"""The size categories of the Hub, each with its upper limit in rows."""
MOST = 200
"""Maximum number of values in a table of the card. The manifest contains all of them."""
LONGEST = 120
"""Maximum length of a value, in characters."""


def readme(described: DataDescription) -> str:
    """The card in Markdown, with the header that the Hub reads."""
    return "\n".join(["---", dump(header(described)) + "---", "", *_body(described), ""])


def header(described: DataDescription) -> dict[str, Any]:
    """The header that the Hub reads: the licence, the size, tags, and the files of the rows."""
    composition = described.composition
    tags = ["outcross", "croissant"]
    if composition.synthetic_rows:
        tags.append("synthetic")
    if composition.rows and not composition.unknown_rows:
        tags.append(f"synthetic-share:{composition.share(composition.synthetic_rows):.6g}")
    elif composition.rows:
        tags += [
            f"synthetic-share-at-least:{composition.share(composition.synthetic_rows):.6g}",
            f"unknown-share:{composition.share(composition.unknown_rows):.6g}",
        ]
    creators = {"language_creators": ["machine-generated"]} if composition.synthetic_rows and "text" in described.modalities else {}
    configs = [_config("default", described.files, is_first=True, held_back=described.held_back)]
    configs += [_config("human-only", described.twin)] if described.twin else []
    return {
        "license": described.license or "unknown",
        "pretty_name": shortened(described.name, LONGEST),
        "size_categories": [next((size for limit, size in SIZES if composition.rows < limit), "n>1T")],
        **creators,
        "tags": tags,
        "configs": configs,
    }


def _config(
    name: str, files: Sequence[DataFile], is_first: bool = False, held_back: Mapping[str, Sequence[str]] | None = None
) -> dict[str, Any]:
    paths = {"train": [file.path for file in files]} | {split: [*names] for split, names in (held_back or {}).items()}
    splits = [{"split": split, "path": of_split} for split, of_split in paths.items()]
    return {"config_name": name} | ({"default": True} if is_first else {}) | {"data_files": splits}


def _body(described: DataDescription) -> Iterator[str]:
    yield f"# {_words(described.name)}"
    yield from ("", f"**{described.summary}**", "")
    yield (
        "Every row was counted, so the numbers are exact and have no interval. "
        "A share is a fraction of all rows, in [0, 1]. Rows without a declared value are counted as unknown."
    )
    yield from ("", "## Composition")
    for by, counts in described.composition.tables.items():
        yield from ("", f"By {_words(by)}:", "")
        yield from table((_words(by), "rows", "share"), _counted(described, counts))
        if len(counts) > MOST:
            yield from ("", f"… and {len(counts) - MOST:,} more values, which are in the rows.")
    yield from ("", "## Columns", "")
    yield from table(("column", "type", "content"), _columns(described))
    yield from ("", "## How it was made", "")
    yield from _of_a_mix(described) if described.manifest else _of_no_mix(described)
    yield from ("", "## What is unknown", "")
    yield from (f"- {in_markdown(sentence)}" for sentence in described.unknown())
    yield from ("", "## How to rebuild", "")
    yield from _rebuilt(described)
    yield from ("", "## Files", "")
    yield from table(
        ("file", "bytes", "SHA-256"), ((_words(file.path), f"{file.size:,}", f"`{file.sha256}`") for file in described.files)
    )
    yield ""
    yield (
        "`croissant.json` contains the same facts for machines (Croissant 1.1, with the RAI vocabulary and PROV). `training-content.md` answers the items on "
        "synthetic data of the EU template for the public summary of training content."
    )


def _counted(described: DataDescription, counts: Mapping[str, int]) -> Iterator[tuple[str, str, str]]:
    for value, rows in list(counts.items())[:MOST]:
        yield _words(value), f"{rows:,}", f"{described.composition.share(rows):.6g}"


def _columns(described: DataDescription) -> Iterator[tuple[str, str, str]]:
    for name, dtype in described.composition.schema.items():
        yield _words(name), _words(str(dtype)), COLUMNS.get(name, "a column of the data")


def _of_no_mix(described: DataDescription) -> Iterator[str]:
    yield (
        "This is not known, since Outcross did not mix the data. Their rows have columns of provenance "
        f"({', '.join(coded(name) for name in described.provenance)}), from which the counts above were made."
    )


def _of_a_mix(described: DataDescription) -> Iterator[str]:
    manifest = described.manifest
    realised, order = manifest["realised"], manifest["order"]
    asked = manifest["requested"].get("human_share")
    yield (
        "It was mixed by `outcross mix` from the pools below. Each pool gave a stratified random sample, and never just the beginning of a file. "
        f"The requested human share was {_words(_said(asked))}; the achieved one is {_number(realised.get('human_share'))} of {_words(str(realised.get('unit')))}. "
        f"Order {_words(str(order.get('kind')))}, seed {_number(manifest.get('seed'))}, {_number(realised.get('repeated_rows'))} repeated rows."
    )
    yield ""
    heads = ("pool", "origin", "available", "drawn", "different rows", "most draws of a row", "unused")
    keys = ("available", "used", "unique", "max_repeats", "unused")
    rows = (
        (_words(pool["name"]), _words(str(pool.get("origin"))), *(_number(pool.get(key)) for key in keys))
        for pool in manifest["pools"]
    )
    yield from table(heads, rows)
    for pool, columns in _mapping(manifest.get("read_as_numbers")).items():
        yield from ("", f"Read as numbers of pool {_words(str(pool))}: {_words(', '.join(map(str, columns)))}.")
    for warning in manifest["warnings"]:
        yield from ("", f"Warning: {_words(str(warning))}.")


def _rebuilt(described: DataDescription) -> Iterator[str]:
    if not described.manifest:
        yield "This is not possible, since it is not recorded how the rows were made."
        return
    yield "Use this mix file with files that have these digests:"
    yield from ("", fenced(dump(described.asked, 100), "yaml"), "")
    files = [(pool, name, sha256) for pool, names in described.inputs.items() for name, sha256 in names.items()]
    if files:
        yield from table(
            ("pool", "file", "SHA-256"), ((_words(pool), _words(name), f"`{_words(sha256)}`") for pool, name, sha256 in files)
        )
        yield ""
    yield "    outcross mix mix.yaml --out train"
    yield from (
        "",
        f"The SHA-256 of the canonical rows in `{MANIFEST}` must then be `{_words(described.manifest['sha256'])}`.",
    )
    yield f"To trace the origin of a row, use `outcross show . --id` with its `_id` or the beginning of it (from the files of `{DATA}`)."


def table(heads: Sequence[str], rows: Any) -> Iterator[str]:
    """A table in Markdown. Its cells must already be Markdown."""
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    yield from (f"| {' | '.join(row)} |" for row in rows)


def _words(text: str) -> str:
    """Text from outside, escaped for Markdown and shortened."""
    return in_markdown(shortened(text, LONGEST)) if text.strip() else "(empty)"


def _said(value: Any) -> str:
    if value is None:
        return "none"
    return f"at least {value.get('at_least')}" if isinstance(value, dict) else str(value)


def _number(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "unknown"
    return f"{value:,}" if isinstance(value, int) else f"{value:.6g}"


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
