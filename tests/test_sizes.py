"""An experiment file may hold smaller sizes of itself; what they cut is said, and what the command line sets still wins."""

import pytest
import yaml

from outcross.cli import main
from outcross.errors import BadInput
from outcross.experiment.arms import arms
from outcross.experiment.file import load

pytestmark = pytest.mark.usefixtures("without_charts")

TOLD = {
    "name": "mine",
    "notes": ["It is an example."],
    "human": {"distribution": "normal", "rows": 50},
    "learner": "gaussian",
    "chains": 5,
    "generations": 10,
    "draw": {"prompts": "none"},
    "sweep": {"seed": [0, 1]},
    "sizes": {"small": {"human.rows": 20, "generations": 3, "sweep": None, "arms": [{"policy": "accumulate"}]}},
}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(TOLD, sort_keys=False))
    return str(path)


def test_an_experiment_is_of_full_size_where_no_size_is_named(file):
    arm, other = arms(load(file))
    assert (arm.experiment.human.rows, arm.experiment.generations, arm.name) == (50, 10, "replace")
    assert arms(load(file, ["size=full"])) == (arm, other)
    assert arm.experiment.notes == ("It is an example.",)


def test_a_size_puts_its_settings_in_and_says_what_they_cut(file):
    (arm,) = arms(load(file, ["size=small"]))
    assert (arm.experiment.human.rows, arm.experiment.generations, arm.name) == (20, 3, "accumulate")
    assert arm.experiment.notes[0] == "It is an example."
    cuts = (
        "Size small cuts human.rows: 20 (at full size 50); generations: 3 (at full size 10); sweep: none (at full size seed 0, 1); "
    )
    assert arm.experiment.notes[1] == cuts + "arms: an arm (at full size none)."


def test_a_setting_of_the_command_line_wins_over_the_size_whatever_their_order(file):
    for settings in (["size=small", "generations=4"], ["generations=4", "size=small"]):
        assert arms(load(file, settings))[0].experiment.generations == 4


def test_no_note_speaks_of_what_the_command_line_sets(file):
    notes = arms(load(file, ["size=small", "generations=4", "arms=[{policy: replace}]", "sweep=null"]))[0].experiment.notes
    assert notes[1] == "Size small cuts human.rows: 20 (at full size 50); sweep: none (at full size seed 0, 1)."


def test_notes_of_a_size_stand_in_the_place_of_the_experiments(tmp_path):
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(TOLD | {"sizes": {"small": {"generations": 3, "notes": ["It is small."]}}}))
    notes = arms(load(str(tmp_path / "mine.yaml"), ["size=small"]))[0].experiment.notes
    assert notes == ("It is small.", "Size small cuts generations: 3 (at full size 10).")


def test_an_unknown_size_is_refused_with_the_nearest(file):
    with pytest.raises(BadInput, match="has no size 'smal'; did you mean 'small'"):
        load(file, ["size=smal"])
    with pytest.raises(BadInput, match="has no size 'small'"):
        load("gaussian", ["size=small"])


def test_a_run_says_its_notes_first_and_writes_them_on_its_page(file, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        main(["run", file, "size=small", "--out", str(tmp_path / "run")])
    assert end.value.code == 0
    printed = capsys.readouterr().out
    assert printed.startswith("note: It is an example.\nnote: Size small cuts ")
    page = (tmp_path / "run" / "report.html").read_text()
    assert "It is an example." in page and "human.rows: 20 (at full size 50)" in page


def test_a_run_grows_where_only_its_notes_have_changed(file, tmp_path):
    for settings in ([], ["notes=[Something else.]"]):
        with pytest.raises(SystemExit) as end:
            main(["run", file, *settings, "--out", str(tmp_path / "run"), "--quiet"])
        assert end.value.code == 0


def test_a_source_on_the_command_line_takes_the_place_of_the_source_in_the_file(tmp_path):
    (tmp_path / "a.txt").write_text("text")
    (first, *_) = arms(load("stdlib", [f"human.path={tmp_path / 'a.txt'}"]))
    assert str(first.experiment.human.path) == str(tmp_path / "a.txt")
    assert first.experiment.human.rows == 1000
