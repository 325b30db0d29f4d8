"""A class name means one thing in the whole package."""

import ast
from collections import defaultdict
from pathlib import Path

import outcross

SOURCE = Path(outcross.__file__).parent
ALLOWED: dict[str, str] = {}
"""Names that several files define, with the reason; the list shortens, and a name on it that is defined once must go."""


def defined_in_several_files() -> dict[str, list[str]]:
    files = defaultdict(set)
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                files[node.name].add(str(path.relative_to(SOURCE)))
    return {name: sorted(where) for name, where in files.items() if len(where) > 1}


def test_no_two_files_define_a_class_of_one_name():
    found = defined_in_several_files()
    assert {name: where for name, where in found.items() if name not in ALLOWED} == {}
    assert not set(ALLOWED) - set(found), "a name that is defined once needs no exception"
