"""The page of a run while it goes on: drawn again as generations end, and at rest once the run has ended."""

import itertools
import sys

import pytest

import outcross
from outcross.errors import BadInput, MachineGaveOut
from outcross.verbs.run.following import LIVE, SHARE, LivePage
from outcross.verbs.run.tables import Ended

GAUSSIAN = {
    "name": "drift", "human": {"distribution": "normal", "rows": 20}, "learner": "gaussian", "draw": {"prompts": "none"}, "generations": 3,
    "chains": 20, "metrics": ["fitted_law"],
}  # fmt: skip
ENDED = Ended("replace", 0, 0, (), True)


@pytest.fixture(autouse=True)
def no_charts(monkeypatch):
    monkeypatch.setitem(sys.modules, "vl_convert", None)


def test_a_page_that_is_watched_loads_itself_again_and_the_last_one_does_not(tmp_path):
    """The clock of this page leaps, so that each generation is worth a drawing; each drawing holds the generations that have ended."""
    seen = []
    clock = itertools.count(0, 1000)
    run = outcross.run(GAUSSIAN, out=tmp_path / "run")
    page = LivePage(
        tmp_path / "run" / "report.html", lambda path: outcross.open(tmp_path / "run").report(path, live=True), lambda: next(clock)
    )
    page.cost = 1.0
    for generation in run:
        page.cost = 1.0
        page(Ended(generation.arm, generation.seed, generation.g, generation.measured, True))
        content = (tmp_path / "run" / "report.html").read_bytes()
        seen.append((LIVE in content, f"{generation.g + 1} of 3 generations are finished".encode() in content))
    assert seen == [(True, True), (True, True), (True, False)]  # the last one shows a run of which all generations are there
    page.end()
    assert LIVE not in page.page.read_bytes()
    assert b"refresh" not in run.report().read_bytes()


def test_a_run_that_is_watched_leaves_the_same_page_to_the_byte(tmp_path):
    watched = outcross.run(GAUSSIAN, out=tmp_path / "a" / "run").finish(live=True)
    alone = outcross.run(GAUSSIAN, out=tmp_path / "b" / "run").finish()
    name = [bytes(str(run.folder), "utf8") for run in (watched, alone)]
    pages = [run.report().read_bytes().replace(place, b"") for run, place in zip((watched, alone), name, strict=True)]
    assert pages[0] == pages[1]


def test_drawing_takes_a_small_share_of_the_time(tmp_path):
    """Steps of a second each, and drawings of two seconds: at most one second in 26 goes into drawing."""
    time, drawn = [0.0], []

    def draw(path):
        time[0] += 2.0
        drawn.append(time[0])

    page = LivePage(tmp_path / "report.html", draw, lambda: time[0])
    for _ in range(2000):
        time[0] += 1.0
        page(ENDED)
    assert len(drawn) > 30 and 2.0 * len(drawn) / time[0] <= 1 / (1 + SHARE) + 0.01


def test_a_run_of_a_few_seconds_draws_nothing_on_the_way(tmp_path):
    drawn = []
    page = LivePage(tmp_path / "report.html", drawn.append, iter([0.0, *(i / 10 for i in range(200))]).__next__)
    for _ in range(200):
        page(ENDED)
    assert not drawn


def test_a_page_that_cannot_be_drawn_does_not_stop_the_run(tmp_path):
    def draw(path):
        raise MachineGaveOut("no room")

    page = LivePage(tmp_path / "report.html", draw, itertools.count(0, 1000).__next__)
    page(ENDED)
    page(ENDED)
    page.end()


def test_a_page_of_somebody_else_is_not_replaced(tmp_path):
    outcross.run(GAUSSIAN, out=tmp_path / "run").finish()
    (tmp_path / "run" / "report.html").write_text("mine")
    with pytest.raises(BadInput, match="is not a page of Outcross"):
        outcross.run(GAUSSIAN, out=tmp_path / "run").finish(live=True)
    assert (tmp_path / "run" / "report.html").read_text() == "mine"
