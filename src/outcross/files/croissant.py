"""Croissant 1.1 (MLCommons, 2026-01-29): the terms of its JSON-LD, and the columns of a table as Croissant fields."""

from __future__ import annotations

import re
from typing import Any

from outcross.escapes import escaped

CONFORMS_TO = "http://mlcommons.org/croissant/1.1"
RAI = "http://mlcommons.org/croissant/RAI/1.0"
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "prov": "http://www.w3.org/ns/prov#",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "description": {"@container": "@language"},
    "name": {"@container": "@language"},
    "conformsTo": "dct:conformsTo",
} | {
    term: f"cr:{term}"
    for term in (
        "annotation", "arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "excludes", "extract", "field", "fileObject",
        "fileProperty", "fileSet", "format", "includes", "isArray", "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "readLines",
        "recordSet", "references", "regex", "repeated", "replace", "samplingRate", "sdVersion", "separator", "source", "subField", "transform", "unArchive", "value",
    )
}  # fmt: skip
"""The terms of appendix 1 of the specification and of the official reader, and those of PROV."""


def field(records: str, number: int, column: str, dtype: Any, source: dict[str, Any]) -> dict[str, Any]:
    """A column with a polars type, as a field of a record set."""
    kind, is_list = _type(dtype)
    described = {
        "@type": "cr:Field",
        "@id": identifier(records, number, column),
        "name": escaped(column),
        "dataType": kind,
        "source": source,
    }
    return described | ({"isArray": True, "arrayShape": "-1"} if is_list else {})


def identifier(records: str, number: int, column: str) -> str:
    """The identifier of a field: the name of its column, or the number of the column if its name has characters that are not allowed."""
    return f"{records}/{column if re.fullmatch('[A-Za-z_][0-9A-Za-z_]*', column) else number}"


def _type(dtype: Any) -> tuple[str, bool]:
    """The Croissant type of a column, and whether the column holds lists."""
    import polars as pl

    if isinstance(dtype, pl.List | pl.Array) and not dtype.inner.is_nested():  # pyright: ignore[reportAttributeAccessIssue, reportOptionalMemberAccess]
        return _type(dtype.inner)[0], True
    if dtype == pl.Boolean:
        return "sc:Boolean", False
    if dtype.is_integer():
        return "sc:Integer", False
    if dtype.is_float() or dtype.is_decimal():
        return "sc:Float", False
    if dtype == pl.Date:
        return "sc:Date", False
    return ("sc:DateTime", False) if dtype.is_temporal() else ("sc:Text", isinstance(dtype, pl.List))
