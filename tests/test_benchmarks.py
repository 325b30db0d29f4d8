"""Every script and every file of results in benchmarks/ has its place, and the page of the benchmarks says what the results say."""

from __future__ import annotations

import doctest
import json
import re
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

import cells
import figures
import page
from run import NAMES, OTHERS, QUESTIONS

BENCHMARKS = figures.HERE
RESULTS = sorted((BENCHMARKS / "results").glob("*.json"))
TEXT = (BENCHMARKS / "README.md").read_text(encoding="utf-8")


def is_data_of(name: str, question: str) -> bool:
    """Whether the script of a question names this file of results as its own."""
    return name.startswith(f"{question}_") and f'"{name}.json"' in (BENCHMARKS / f"{question}.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_every_file_of_results_is_that_of_a_question_or_data_of_one(path):
    if path.stem not in NAMES:
        assert any(is_data_of(path.stem, question) for question in NAMES), f"no question of benchmarks/run.py has {path.name}"
        return
    results = page.stored(path.stem)
    assert results["schema"] == 1 and results["question"] == path.stem
    assert {"title", "about", "date", "machine", "load_before"} <= set(results)
    assert f"### {results['title']}\n\n{results['about']}\n" in TEXT
    assert f"*`{path.stem}`: " in TEXT


def test_the_page_is_what_the_results_give():
    assert page.text_of(QUESTIONS, OTHERS) == TEXT, "write it again: make bench QUESTIONS=--page"


def test_every_script_is_a_question_or_is_named_in_the_list_of_the_others():
    assert sorted([*NAMES, *OTHERS]) == sorted(path.stem for path in BENCHMARKS.glob("*.py"))
    for name in OTHERS:
        assert f"- `{name}.py`: {page.docstring_of(name)[0]}\n" in TEXT


def test_every_link_of_the_page_leads_to_a_heading_or_to_a_picture_and_every_picture_is_shown():
    headings = {page.anchor(title) for title in re.findall(r"^##+ (.*)$", TEXT, re.MULTILINE)}
    links = re.findall(r"\]\(([^)]+)\)", TEXT)
    assert {link[1:] for link in links if link.startswith("#")} <= headings
    assert sorted(link for link in links if link.endswith(".svg")) == sorted(
        f"results/{path.name}" for path in (BENCHMARKS / "results").glob("*.svg")
    )


@pytest.mark.parametrize("module", [cells, figures, page], ids=lambda module: module.__name__)
def test_the_examples_of_docstrings_are_right(module):
    assert doctest.testmod(module).failed == 0


def test_what_follows_from_stored_numbers_keeps_their_date_and_machine(tmp_path):
    figures.write(
        "start", "How long?\n\nA while.\n\n    python benchmarks/start.py\n", (1.0, 2.0, 3.0), {"numbers": [1, 2]}, tmp_path
    )
    before = (tmp_path / "start.json").read_text(encoding="utf-8")
    figures.restate("start", "How long?\n\nA while.", {"numbers": [1, 2]}, tmp_path)
    assert (tmp_path / "start.json").read_text(encoding="utf-8") == before
    figures.restate("start", "How short?\n\nA while.", {"numbers": [1, 2], "sum": 3}, tmp_path)
    assert '"title": "How short?"' in (tmp_path / "start.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", ["src/outcross/report/forecast.html", "docs/howto/forecast.md"])
def test_what_a_text_says_of_the_minimum_share_is_what_was_measured(path):
    results = json.loads((BENCHMARKS / "results" / "forecast.json").read_text(encoding="utf-8"))
    pairs = [row["holds"] for row in results["share_pairs"] if row["holds"] is not None]
    stated = re.findall(r"(\d+) of (\d+) cases", (BENCHMARKS.parent / path).read_text(encoding="utf-8"))
    shares = {(inside, count) for inside, count in stated if count != "100"}
    assert shares == {(str(sum(pairs)), str(len(pairs)))}
