"""Tests and benchmarks know the package by its public names alone, so that what is private may change without them."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted({path for folder in ("tests", "benchmarks") for path in (ROOT / folder).rglob("*.py")} - {Path(__file__)})
"""All but this one, whose examples are private names."""
BY_NAME = {"setattr", "getattr", "delattr", "hasattr"}
"""Functions that take the name of an attribute as their second argument."""
IN_A_STRING = re.compile(r"\boutcross(?:\.\w+)*\._(?!_)\w*|\bfrom outcross[\w.]* import [^\n]*?\b_(?!_)\w+")
"""A private name in code or in a target of monkeypatch that is written as a string."""


def is_private(name: str) -> bool:
    """Whether a name is nobody else's business: it begins with one underscore, and is no hook of a library, as `_repr_html_` of Jupyter."""
    return name.startswith("_") and not name.startswith("__") and not name.endswith("_")


def private_names(source: str) -> Iterator[tuple[int, str]]:
    """The private names of the package that a file touches, with their lines: what it imports, reads off modules and objects, or patches."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.ImportFrom(module=str(module), names=names) if module.partition(".")[0] == "outcross":
                for name in names:
                    if any(map(is_private, (*module.split("."), name.name))):
                        yield node.lineno, f"from {module} import {name.name}"
            case ast.Import(names=names):
                for name in names:
                    if name.name.partition(".")[0] == "outcross" and any(map(is_private, name.name.split("."))):
                        yield node.lineno, f"import {name.name}"
            case ast.Attribute(value=owner, attr=attribute) if is_private(attribute):
                if not (isinstance(owner, ast.Name) and owner.id in ("self", "cls")):
                    yield node.lineno, ast.unparse(node)
            case ast.Call(func=function, args=[_, ast.Constant(value=str(attribute)), *_]) if is_private(attribute):
                if ast.unparse(function).rpartition(".")[2] in BY_NAME:
                    yield node.lineno, ast.unparse(node)
            case ast.Constant(value=str(text)):
                yield from ((node.lineno, private) for private in IN_A_STRING.findall(text))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_test_and_no_benchmark_touches_a_private_name(path):
    assert list(private_names(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "source",
    [
        "from outcross.measures.spread import _compared",
        "from outcross.measures.spread import _compared as compared",
        "from outcross._hidden import shown",
        "import outcross._hidden",
        "import outcross.measures.spread as spread\nspread._compared()",
        "import outcross\noutcross.measures.spread._compared()",
        "model._weights",
        "monkeypatch.setattr('outcross.measures.spread._compared', None)",
        "monkeypatch.setattr(spread, '_compared', None)",
        "getattr(spread, '_compared')",
        "run([sys.executable, '-c', 'from outcross.measures.spread import Spread, _compared'])",
    ],
)
def test_every_way_to_a_private_name_is_seen(source):
    assert len(list(private_names(source))) == 1


def test_what_is_public_or_a_hook_is_let_through():
    source = "from outcross.data import part_of\nclass Own:\n    def __init__(self):\n        self._own = part_of.__name__\naudit._repr_html_()"
    assert list(private_names(source)) == []
