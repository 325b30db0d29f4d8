"""What a terminal shows fits it, and says every paper once."""

import json

import pytest

from outcross.cli import main
from outcross.measures import MEASURES, pages_of_runs

SWEEP = """
name: s
human: {distribution: normal, rows: 20}
learner: gaussian
draw: {prompts: none}
generations: 3
chains: 10
sweep: {policy: [replace, {kind: human_share, share: 0.1}], human.rows: [20, 50], draw.temperature: [0.5, 1.0], seed: [0, 1]}
"""


def shown(capsys, *arguments) -> str:
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    assert stopped.value.code == 0, printed.err
    return printed.out


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    (folder / "s.yaml").write_text(SWEEP)
    with pytest.raises(SystemExit):
        main(["run", str(folder / "s.yaml"), "--out", str(folder / "run"), "--quiet"])
    return folder / "run"


@pytest.mark.parametrize("columns", [40, 80, 100])
def test_show_and_list_fit_the_terminal(run, columns, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    for arguments in (["show", run], ["show", run, "--seeds"], ["list"], ["list", "measures"], ["show", "stdlib"]):
        screen = shown(capsys, *arguments)
        assert max(map(len, screen.splitlines())) <= columns


def test_the_families_fit_one_screen_with_the_number_of_their_parts(capsys):
    lines = shown(capsys, "list").splitlines()
    assert len(lines) <= 24
    for family, members in json.loads(shown(capsys, "list", "--json"))["parts"].items():
        assert any(line.split()[:2] == [family, str(len(members))] for line in lines if line)


def test_the_help_says_what_a_command_does_in_one_or_two_lines(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    table = shown(capsys, "--help").partition("Commands")[2].splitlines()[1:]
    cells = [(line[2:15].strip(), line[15:-1].strip()) for line in table if line.startswith("│")]
    lines = {}
    for name, text in cells:
        if name:
            lines[name] = []
        lines[[*lines][-1]].append(text)
    assert {"run", "audit", "mix", "list", "show", "card"} <= set(lines)
    assert all(len(text) <= 2 and " ".join(text).endswith((".", "?")) for text in lines.values())


def test_every_arm_and_seed_is_shown_with_its_interval_on_request(run, capsys):
    screen = shown(capsys, "show", run, "--seeds").partition("\nlog_variance\n")[2]
    assert "replace,temperature=0.5,rows=20 seed 1" in screen
    readings = json.loads(shown(capsys, "show", run, "--json"))["readings"]
    assert screen.count(" g2  ") == sum(reading["generation"] == 2 and not reading["at"].startswith("null") for reading in readings)


def test_a_paper_is_said_once_and_its_number_where_it_is_used(capsys):
    screen = shown(capsys, "list", "laws")
    listed = json.loads(shown(capsys, "list", "laws", "--json"))["parts"]["laws"]
    papers = list(dict.fromkeys(paper for law in listed for paper in law["papers"]))
    assert len(papers) < len(listed)
    for number, paper in enumerate(papers, 1):
        assert screen.count(f"[{number}]") == 1 + sum(law["papers"].count(paper) for law in listed)


def test_metrics_name_their_readings(capsys):
    screen = " ".join(shown(capsys, "list", "measures").split())
    assert "reads FL1 log_variance, FL2 spread_ratio, FL3 mean_error" in screen
    own = {
        page for cls in MEASURES.of_users.values() for page in dict(cls.pages)
    }  # of other tests in this process; `list` reads none of them
    assert all(name in screen for name in pages_of_runs() if name not in own)
    assert all(name in screen for name in MEASURES)


def test_the_eight_definitions_are_listed(capsys):
    stored = json.loads(shown(capsys, "list", "definitions", "--json"))["parts"]["definitions"]
    assert len(stored) == 8 and all("2503.03150" in definition["papers"][0] and definition["what"] for definition in stored)
