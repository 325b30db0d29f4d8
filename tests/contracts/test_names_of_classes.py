"""A class name means one thing in the whole package."""

import ast
from collections import defaultdict
from pathlib import Path

import outcross

SOURCE = Path(outcross.__file__).parent
ALLOWED = {
    "Page": ["attributes/__init__.py", "measures/__init__.py"],
    "Words": ["attributes/length.py", "text/words.py"],
    "Spread": ["collapse/definitions/spread.py", "measures/spread.py"],
    "Kept": ["collapse/definitions/survival.py", "laws/expectations.py"],
    "Records": ["data/records.py", "statistics/prediction.py"],
    "Moments": ["data/records.py", "laws/gaussian.py", "statistics/sketches.py"],
    "Counts": ["data/records.py", "statistics/sketches.py"],
    "Source": ["files/source.py", "sources/__init__.py"],
    "Mixture": ["laws/mixture.py", "models/ngram/sampling.py"],
    "Tails": ["measures/tails.py", "statistics/sketches.py"],
    "Text": ["measures/text_groups.py", "sources/text.py"],
    "Task": ["models/__init__.py", "statistics/prediction.py"],
    "Categorical": ["models/categorical.py", "sources/categorical.py"],
    "Regression": ["models/regression.py", "sources/regression.py"],
}
"""Names that several files define still. The list only shortens: what stands here is exactly what there is."""


def defined_in_several_files() -> dict[str, list[str]]:
    files = defaultdict(set)
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                files[node.name].add(str(path.relative_to(SOURCE)))
    return {name: sorted(where) for name, where in files.items() if len(where) > 1}


def test_no_two_files_define_a_class_of_one_name():
    assert defined_in_several_files() == ALLOWED
