"""Every generation's model continues the experiment's own prompts for people to read, and nothing learns from it."""

from pathlib import Path

import pytest

import outcross
from outcross.errors import BadInput

pytestmark = pytest.mark.usefixtures("without_charts")

TOLD = {
    "name": "mine",
    "human": {"path": str(Path(outcross.__file__).parents[2] / "docs" / "explanation" / "*.md"), "rows": 40},
    "block": 16,
    "learner": {"kind": "ngram", "vocabulary": 400},
    "generations": 2,
    "metrics": ["held_out"],
}
PROMPTS = ["The church tower was built before 1360", "Return the"]


def test_every_generation_continues_the_prompts_before_the_first_records():
    run = outcross.run(TOLD | {"prompts": PROMPTS}).finish()
    for generation in (0, 1):
        rows = run.samples.filter(run.samples["generation"] == generation).sort("prompt_id").to_dicts()
        assert [row["prompt"] for row in rows[:2]] == PROMPTS
        assert all(row["text"] for row in rows[:2]) and len(rows) == 8


def test_nothing_learns_from_what_is_written_after_them():
    plain, asked = outcross.run(TOLD).finish(), outcross.run(TOLD | {"prompts": PROMPTS}).finish()
    assert plain.readings.equals(asked.readings)
    first = asked.samples.filter(asked.samples["prompt_id"] >= 2)
    assert first["text"].to_list() == plain.samples["text"].to_list()


def test_they_open_the_page(tmp_path):
    run = outcross.run(TOLD | {"prompts": PROMPTS}, out=tmp_path / "run").finish()
    page = run.report().read_text()
    assert PROMPTS[0] in page


def test_prompts_for_a_learner_of_numbers_are_refused():
    with pytest.raises(BadInput, match="prompts are texts, but gaussian learns vectors; leave them out"):
        outcross.run({"name": "a", "human": {"distribution": "normal"}, "learner": "gaussian", "prompts": PROMPTS})
