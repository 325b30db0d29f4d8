"""The large packages name each of their modules in the docstring of `__init__.py`, so that a reader finds what he looks for."""

import ast
import re
from pathlib import Path

import pytest

import outcross

ROOT = Path(outcross.__file__).parent
MAPPED = ("report", "statistics", "verbs/audit", "verbs/mix")


@pytest.mark.parametrize("package", MAPPED)
def test_every_module_is_on_the_map_of_its_package_and_nothing_else(package):
    folder = ROOT / package
    docstring = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    packages = {path.parent.name for path in folder.glob("*/__init__.py")}
    named = set(re.findall(r"`([a-z_]+)`", docstring))
    assert modules | packages <= named
    assert named - modules - packages <= {"mix"}  # the name of the verb
