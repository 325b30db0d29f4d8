"""Every snippet of docs/tutorial/own-parts.md does what the page says, in its order."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from conftest import script

import outcross

PAGE = Path(__file__).parents[1] / "docs/tutorial/own-parts.md"


@pytest.fixture(scope="module")
def snippets():
    settings: dict[str, list[str]] = {}
    for language, text in re.findall(r"```(\w+)\n(.*?)```", PAGE.read_text(), re.DOTALL):
        settings.setdefault(language, []).append(text)
    return settings


@pytest.fixture(scope="module")
def place(snippets, tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    (folder / "my_parts.py").write_text(snippets["python"][0])
    (folder / "my_judges.py").write_text(next(text for text in snippets["python"] if "class Variety" in text))
    (folder / "my.yaml").write_text(snippets["yaml"][0])
    rng = np.random.default_rng(0)
    words = [f"word{number}" for number in range(60)]
    for name, some in (("people", 60), ("model", 25), ("texts", 60)):
        texts = [" ".join(rng.choice(words[:some], 40)) for _ in range(60)]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return folder


def test_every_snippet_runs(snippets, place):
    def output(*words):
        process = script(*words, folder=place)
        assert process.returncode == 0, process.stderr[-2000:]
        return process.stdout

    checked, run, swept = snippets["python"][1:4]
    assert "shape: (3," in output("-c", f"{checked}\n{run}")
    assert output("-c", swept) == "['old_and_new=0', 'old_and_new=0.5']\n"
    said = [output(*shlex.split(line)) for line in snippets["sh"][0].splitlines()]
    assert next(line for line in said[0].splitlines() if line.startswith("arm")).split()[-1] == "breadth"
    assert "my_parts.py:OldAndNew" in said[1] and "SHA-256" in said[1]
    assert "breadth" in said[2]
    assert "my_parts.py:OldAndNew" in said[3] and "A share of the original human records" in said[3].replace("\n" + " " * 25, " ")
    judged = [output(*shlex.split(line)) for line in snippets["sh"][1].splitlines()]
    assert "my_judges.py:Variety is a user-defined part (SHA-256 of its source: my_judges.py " in " ".join(judged[0].split())
    run = outcross.open(place / "labels")
    assert (
        run.experiment["learner"]["classifier"]["kind"] == "my_judges.py:NearestMean"
        and "accuracy" in run.readings["measure"].to_list()
    )
    assert any("my_judges.py:NearestMean is a user-defined part" in note for note in run.notes)
    output("-c", "from my_judges import NearestMean, Variety\nfrom outcross.testing import check\ncheck(Variety(), NearestMean())")
    run = outcross.open(place / "mine")
    assert {arm.name for arm in run.arms} == {"old_and_new=0.2"} and not run.unfinished


def test_the_entry_point_of_the_page_is_one(snippets):
    import tomllib

    (group,) = tomllib.loads(snippets["toml"][0])["project"]["entry-points"]
    assert group == "outcross.policies"
