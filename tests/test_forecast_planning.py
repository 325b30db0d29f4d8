"""A forecast from an experiment: which small runs are planned, that they are ordinary runs and are made once, and what they cost."""

import json
from dataclasses import replace

import pytest

import outcross
from outcross.cli import main
from outcross.errors import BadInput
from outcross.verbs.forecast.answer import forecasted
from outcross.verbs.forecast.design import DesignEnd, RunDesign, width_of
from outcross.verbs.forecast.plan import ForecastPlan
from outcross.verbs.forecast.question import ForecastQuestion
from outcross.verbs.forecast.result import LeastShare, SharePlace

SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)


def least_share(low, value, high, seen, widths=()):
    """A least share between shares that were run; `widths` are those of the intervals of these shares, in nats."""
    places = tuple(
        SharePlace(share, f"human_share={share:g}", 1.0, 1.0, 2.718281828**wide)
        for share, wide in zip(seen, widths or [0.1] * len(seen), strict=True)
    )
    return LeastShare("log_variance", "", "redrawn rows", "", 0.8, 15, low, value, high, False, places)


def test_a_design_begins_with_both_ends_and_the_middle_with_two_seeds_each():
    runs = RunDesign(SHARES).first
    assert [(run.share, run.seed) for run in runs] == [(0.0, 0), (0.0, 1), (0.5, 0), (0.5, 1), (0.3, 0), (0.3, 1)]
    assert len(RunDesign(SHARES, most_runs=4).first) == 4


def test_the_next_run_is_of_the_share_next_to_the_crossing():
    design, seeds = RunDesign(SHARES), {0.0: 2, 0.3: 2, 0.5: 2}
    following = design.after(seeds, [least_share(0.02, 0.12, 0.28, (0.0, 0.3, 0.5))])
    assert [(run.share, run.seed) for run in following] == [(0.1, 0), (0.1, 1)]
    # Of two readings that with the wider interval is looked at.
    following = design.after(
        seeds, [least_share(0.02, 0.12, 0.28, (0.0, 0.3, 0.5)), least_share(0.05, 0.38, None, (0.0, 0.3, 0.5))]
    )
    assert {run.share for run in following} == {0.4}


def test_where_all_shares_about_the_crossing_were_run_the_widest_of_them_has_another_seed():
    design, seen = RunDesign(SHARES), (0.0, 0.1, 0.2, 0.5)
    seeds = {0.0: 2, 0.1: 2, 0.2: 3, 0.5: 2}
    (run,) = design.after(seeds, [least_share(0.0, 0.1, 0.2, seen, (0.1, 0.2, 0.9, 5.0))])
    assert (run.share, run.seed) == (0.2, 3)  # that of 0.5 is wider, and lies beyond the interval


def test_a_design_stops_at_its_width_at_its_number_of_runs_and_where_all_lies_beyond():
    design, seen = RunDesign(SHARES, most_runs=6, width=0.1), (0.0, 0.3, 0.5)
    seeds = dict.fromkeys(seen, 2)
    narrow, wide, beyond = least_share(0.1, 0.15, 0.2, seen), least_share(0.1, 0.2, 0.3, seen), least_share(None, None, None, seen)
    assert "at most 0.1 wide" in design.after(seeds, [narrow, beyond]).why
    assert "6 runs were made" in design.after(seeds, [narrow, wide]).why
    assert isinstance(design.after(seeds, []), DesignEnd)
    assert width_of(beyond) == 0 and width_of(least_share(0.1, 0.4, None, seen)) == float("inf")
    (run,) = replace(design, most_runs=7).after(seeds, [wide])  # one run is left
    assert run.share in (0.1, 0.2)


SPEC = {
    "name": "planned", "human": {"distribution": "normal", "rows": 40}, "learner": "gaussian", "draw": {"prompts": "none"}, "chains": 200,
    "metrics": ["fitted_law"], "policy": "human_share", "store": "all",
}  # fmt: skip
ASKED = {"ahead": 10, "budgets": {"log_variance": 0.8}, "shares": [0.0, 0.05, 0.1, 0.2, 0.3, 0.5], "most_runs": 8, "width": 0.02}


def stop_at(run):
    def watch(line):
        if line.startswith(f"run {run} "):
            raise KeyboardInterrupt

    return watch


def steps_of(folder):
    """When each step of each small run was done: a step that is done again is recorded again."""
    return {path.parent.name: path.read_text() for path in sorted((folder / "runs").glob("*/timing.jsonl"))}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("planning")


@pytest.fixture(scope="module")
def planned(place):
    """A forecast that was stopped before its fourth run, and then went on."""
    with pytest.raises(KeyboardInterrupt):
        forecasted(ForecastQuestion(SPEC, **ASKED, out=place / "out"), stop_at(4))
    before = steps_of(place / "out")
    forecast = outcross.forecast(SPEC, **ASKED, out=place / "out")
    return before, forecast


def test_small_runs_are_ordinary_runs_and_one_that_was_made_is_not_made_again(planned, place):
    before, forecast = planned
    after = steps_of(place / "out")
    assert len(before) == 3 and all(before[name] and after[name] == before[name] for name in before)
    (own,) = [share for share in forecast.shares if share.measure == "log_variance"]
    nearest = min(ASKED["shares"], key=lambda share: abs(share - own.value))
    assert len(after) == 8 and nearest in {place.share for place in own.places}
    assert any("8 small runs were planned and made" in note for note in forecast.notes)
    assert outcross.open(place / "out" / "runs" / f"share={nearest:g},seed=1").arms[0].experiment.generations == 5
    assert outcross.open(place / "out").plain() == forecast.plain()


def test_the_forecast_is_that_of_the_runs_and_the_same_seed_has_the_same_plan(planned, place):
    _, forecast = planned
    folders = [place / "out" / "runs" / name for name in steps_of(place / "out")]
    of_runs = outcross.forecast(folders, ahead=10, budgets=ASKED["budgets"])
    assert {curve.arm: curve.points for curve in of_runs.curves} == {curve.arm: curve.points for curve in forecast.curves}
    in_memory = outcross.forecast(SPEC, **ASKED)
    assert in_memory.curves == forecast.curves and in_memory.shares == forecast.shares and in_memory.notes == forecast.notes
    assert in_memory.names == ("planned",) and in_memory.folder is None


def test_a_plan_says_what_it_costs_after_one_run(place, capsys):
    plan = outcross.forecast(SPEC, **ASKED, plan=True, out=place / "plan")
    assert isinstance(plan, ForecastPlan) and plan.cost.seconds > 0 and plan.generations == 5
    assert [path.name for path in (place / "plan" / "runs").iterdir() if path.is_dir()] == ["share=0,seed=0"]
    again = outcross.forecast(SPEC, **ASKED, plan=True, out=place / "plan")
    assert again.cost.seconds == pytest.approx(plan.cost.seconds, abs=1e-5)  # of when it was made, not of when it was loaded
    assert again.frame().height == 6 and "7 more take" in plan.short
    assert max(map(len, replace(plan, folder=None).lines(60))) <= 60
    (place / "g.yaml").write_text(json.dumps({**SPEC, "sweep": {"seed": [0, 1]}}))
    words = [str(place / "g.yaml"), "ahead=10", "shares=0:0.5:0.1", "budget.log_variance=0.8", "human.rows=30", "--plan", "--json"]
    with pytest.raises(SystemExit) as stopped:
        main(["forecast", *words])
    planned = json.loads(capsys.readouterr().out)
    assert stopped.value.code == 0 and planned["shares"] == list(SHARES) and planned["most_runs"] == 24 and planned["width"] == 0.1


BAD = {
    "gaussian": "has arms of its own (arms), but forecast makes one arm for each human share; add arms=null policy=human_share",
    "g.yaml policy=replace": "policy replace of g.yaml has no human share to try; add policy=human_share",
    "g.yaml shares=0:2:0.5": "a share of training records that are human must be in [0, 1], got 1.5",
    "g.yaml shares=0.3:0.3:0.1": "shares must be at least two different human shares, got 0.3 alone",
    "g.yaml shares=30": "shares must be a list of numbers or first:last:step, got '30'",
    "text.yaml": "text.yaml holds no experiment",
    "gausian": "gausian is neither the folder of a run nor an experiment; did you mean 'gaussian'?",
    "g.yaml folder": "g.yaml is an experiment and cannot be combined with folder",
    "g.yaml gaussian": "give folders of runs, or one experiment alone",
    "g.yaml most_runs=2": "most_runs must be from 4",
    "g.yaml width=0": "width must be above 0 and at most 1, got 0",
    "g.yaml width=wide": "width must be a number, the width of an interval of shares, got 'wide'",
    "g.yaml generations=3": "a forecast needs 5 generations, but there are 3; 2 more are enough",
    "g.yaml policy.share=0.1": "policy.share is set by forecast",
    "g.yaml budget.log_varience=0.8": "is not a reading of this experiment; did you mean 'log_variance'?",
    "g.yaml --out folder": "folder holds other.txt, which was not written by forecast",
}


@pytest.mark.parametrize("words", BAD)
def test_bad_input_is_one_line_before_anything_is_run(words, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "g.yaml").write_text(json.dumps(SPEC))
    (tmp_path / "text.yaml").write_text("some text")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "other.txt").write_text("x")
    with pytest.raises(SystemExit) as stopped:
        main(["forecast", *words.split()])
    printed = capsys.readouterr()
    assert stopped.value.code == 2 and printed.out == "" and printed.err.count("\n") == 1 and BAD[words] in printed.err


@pytest.mark.parametrize("asked", [{"shares": "0:0.5:0.1"}, {"most_runs": 9}, {"width": 0.2}, {"plan": True}])
def test_what_is_for_an_experiment_is_refused_beside_runs(asked, planned, place):
    with pytest.raises(BadInput, match=r"needs an experiment, but .* is a run"):
        outcross.forecast(place / "out" / "runs" / "share=0,seed=0", **asked)
