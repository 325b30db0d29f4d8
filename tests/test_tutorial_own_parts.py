"""Every snippet of docs/tutorial/own-parts.md does what the page says, in its order."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import outcross

PAGE = Path(__file__).parents[1] / "docs/tutorial/own-parts.md"


@pytest.fixture(scope="module")
def snippets():
    found: dict[str, list[str]] = {}
    for language, text in re.findall(r"```(\w+)\n(.*?)```", PAGE.read_text(), re.DOTALL):
        found.setdefault(language, []).append(text)
    return found


@pytest.fixture(scope="module")
def place(snippets, tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    (folder / "my_parts.py").write_text(snippets["python"][0])
    (folder / "my.yaml").write_text(snippets["yaml"][0])
    return folder


def test_every_snippet_runs(snippets, place):
    def python(*words):
        ended = subprocess.run([sys.executable, *words], capture_output=True, text=True, cwd=place, timeout=200, check=False)
        assert ended.returncode == 0, ended.stderr[-2000:]
        return ended.stdout

    checked, run, swept = snippets["python"][1:]
    assert "shape: (3," in python("-c", f"{checked}\n{run}")
    assert python("-c", swept) == "['old_and_new=0', 'old_and_new=0.5']\n"
    said = [python("-m", *shlex.split(line)) for line in snippets["sh"][0].splitlines()]
    assert "my_parts.py:OldAndNew" in said[1] and "SHA-256" in said[1]
    assert "breadth" in said[2]
    assert "my_parts.py:OldAndNew" in said[3] and "A share of the original human records" in said[3].replace("\n" + " " * 25, " ")
    run = outcross.open(place / "mine")
    assert {arm.name for arm in run.arms} == {"old_and_new=0.2"} and not run.unfinished


def test_the_entry_point_of_the_page_is_one(snippets):
    import tomllib

    (group,) = tomllib.loads(snippets["toml"][0])["project"]["entry-points"]
    assert group == "outcross.policies"
