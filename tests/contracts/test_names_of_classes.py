"""A class name means one thing in the whole package."""

import ast
from collections import defaultdict
from pathlib import Path

import outcross

SOURCE = Path(outcross.__file__).parent


def defined_in_several_files() -> dict[str, list[str]]:
    files = defaultdict(set)
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                files[node.name].add(str(path.relative_to(SOURCE)))
    return {name: sorted(where) for name, where in files.items() if len(where) > 1}


def test_no_two_files_define_a_class_of_one_name():
    assert defined_in_several_files() == {}
