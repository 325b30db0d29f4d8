from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from typing import Any

from outcross.files import croissant as terms
from outcross.recipe import recipe
from outcross.targets import Target
from outcross.wording import amount


@recipe
class Croissant(Target):
    """Croissant 1.1 (MLCommons): the tables as Parquet, and a croissant.json that describes all their columns, with the SHA-256 of each file."""

    takes = ("run", "audit")

    def files(self, handed, place, out) -> Mapping[str, Any]:
        written = {f"{name}.parquet": _parquet(table) for name, table in handed.tables.items()}
        described = {
            "@context": terms.CONTEXT,
            "@type": "sc:Dataset",
            "name": handed.name,
            "description": handed.description,
            "conformsTo": terms.CONFORMS_TO,
            "distribution": [
                {
                    "@type": "cr:FileObject",
                    "@id": name,
                    "name": name,
                    "contentUrl": name,
                    "contentSize": f"{len(content)} B",
                    "encodingFormat": "application/x-parquet",
                    "sha256": hashlib.sha256(content).hexdigest(),
                }
                for name, content in written.items()
            ],
            "recordSet": [_records(name, table) for name, table in handed.tables.items()],
        }
        return {**written, "croissant.json": json.dumps(described, ensure_ascii=False, indent=1, allow_nan=False) + "\n"}


def _parquet(table: Any) -> bytes:
    content = io.BytesIO()
    table.write_parquet(content)
    return content.getvalue()


def _records(name: str, table: Any) -> dict[str, Any]:
    """Return the description of a table, with one field per column."""
    fields = [
        terms.field(name, number, column, dtype, {"fileObject": {"@id": f"{name}.parquet"}, "extract": {"column": column}})
        for number, (column, dtype) in enumerate(table.schema.items())
    ]
    return {"@type": "cr:RecordSet", "@id": name, "name": name, "description": f"{amount(table.height, 'row')}.", "field": fields}
