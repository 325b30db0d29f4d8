"""A run that is to stop when a reading is beyond its bound: the rule's chance of error, what it leaves, and how it goes on."""

import json
import math

import numpy as np
import pytest
from scipy.special import ndtr

import outcross
from outcross.cli import main
from outcross.collapse.stopping import ERROR, Ends, Ratio, Watch, spent
from outcross.errors import BadInput, GateFailed
from outcross.estimate import NORMAL_QUANTILE, Estimate, Reading
from outcross.experiment.bounds import LOGARITHMS, WORSE, side_of
from outcross.measures import MEASURES, measure, pages_of_runs

pytestmark = pytest.mark.usefixtures("without_charts")

ONE_ARM = {
    "name": "g", "human": {"distribution": "normal", "rows": 10}, "learner": "gaussian", "policy": "replace", "draw": {"prompts": "none"},
    "generations": 8, "chains": 300, "metrics": ["fitted_law"],
}  # fmt: skip


def read(name: str, value: float, error: float, n: int = 1, at: str = "") -> Reading:
    half = NORMAL_QUANTILE * error
    return Reading(name, Estimate(value, value - half, value + half, "known", n), at=at)


# The rule by itself


def test_the_chance_of_error_is_spent_to_the_end_and_no_further():
    shares = [spent(generation) for generation in range(1, 10_001)]
    assert math.isclose(math.fsum(shares), ERROR * (1 - 1 / 10_001), rel_tol=1e-12)
    assert shares == sorted(shares, reverse=True)


@pytest.mark.parametrize("name, bound", [("w2", 1.2), ("spread_ratio", 0.8), ("log_variance", 0.8)])
def test_one_look_at_the_bound_itself_errs_as_often_as_the_normal_law_says(name, bound):
    """At generation 1, with errors that are known, the rule is a one-sided test at 2.5 %."""
    runs, error = 4000, 0.02
    rng = np.random.default_rng(1)
    first = (0.0 if name in LOGARITHMS else 1.0) + error * rng.standard_normal(runs)
    now = (math.log(bound) if name in LOGARITHMS else bound) + error * rng.standard_normal(runs)
    stops = 0
    for start, value in zip(first, now, strict=True):
        watch = Watch({name: bound}, "arm", 0)
        assert watch(0, [read(name, start, error)]) is None
        stops += watch(1, [read(name, value, error)]) is not None
    expected = spent(1) * runs
    assert abs(stops - expected) <= 4 * math.sqrt(expected), stops


def test_at_most_one_run_in_twenty_is_stopped_where_every_reading_stays_at_its_bound():
    """Two readings over twelve generations that all share the error of generation 0, on the edge of what is allowed."""
    runs, generations, error = 1500, 12, 0.02
    rng = np.random.default_rng(2)
    stops = 0
    for _ in range(runs):
        watch = Watch({"w2": 1.2, "spread_ratio": 0.8}, "arm", 0)
        watch(
            0,
            [read("w2", 1 + error * rng.standard_normal(), error), read("spread_ratio", 1 + error * rng.standard_normal(), error)],
        )
        noise = error * rng.standard_normal((generations, 2))
        stops += any(
            watch(1 + g, [read("w2", 1.2 + noise[g, 0], error), read("spread_ratio", 0.8 + noise[g, 1], error)]) is not None
            for g in range(generations)
        )
    assert 0.005 * runs < stops <= ERROR * runs + 4 * math.sqrt(ERROR * runs), stops


def test_a_limit_of_a_ratio_solves_its_own_equation():
    now, first = Ends(0.7, 0.62, 0.8, 1), Ends(1.0, 0.93, 1.06, 1)
    for level in (0.025, 0.001):
        z = _normal_quantile(1 - level) / NORMAL_QUANTILE
        upper = Ratio(now, first).limit("upper", level)
        assert math.isclose(upper - 0.7, math.hypot(z * (0.8 - 0.7), upper * z * (1.0 - 0.93)), rel_tol=1e-9)
        lower = Ratio(now, first).limit("lower", level)
        assert math.isclose(0.7 - lower, math.hypot(z * (0.7 - 0.62), lower * z * (1.06 - 1.0)), rel_tol=1e-9)
    assert Ratio(now, Ends(1.0, 0.1, 5.0, 1)).limit("lower", 0.025) == -math.inf


def _normal_quantile(probability: float) -> float:
    from scipy.special import ndtri

    assert math.isclose(ndtr(ndtri(probability)), probability)
    return float(ndtri(probability))


@pytest.mark.parametrize("correlation, now_spread", [(0.5, 1.0), (0.9, 1.0), (-1.0, 1.0), (1.0, 2.0)])
def test_a_change_at_its_bound_errs_no_more_often_than_its_level_however_it_goes_with_the_first_loss(correlation, now_spread):
    """Losses of 4 ± .07 and, at its bound, of 8: a limit that took the change as independent of the first loss erred 2 to 4 times too often."""
    runs, level, error, bound = 4000, 0.0025, 0.07, 2.0
    rng = np.random.default_rng(3)
    first = rng.standard_normal(runs)
    now = correlation * first + math.sqrt(1 - correlation**2) * rng.standard_normal(runs)
    of_change = error * math.sqrt(1 + now_spread**2 - 2 * correlation * now_spread)
    lower, upper = 0, 0
    for at_first, later in zip(4 + error * first, 4 * bound + error * now_spread * now, strict=True):
        ratio = Ratio(known(later - at_first, of_change), known(at_first, error), offset=1)
        lower += ratio.limit("lower", level) > bound
        upper += ratio.limit("upper", level) < bound
    largest = level * runs + 4 * math.sqrt(level * runs)
    assert lower <= largest and upper <= largest, (lower, upper)


def known(value: float, error: float) -> Ends:
    return Ends(value, value - NORMAL_QUANTILE * error, value + NORMAL_QUANTILE * error, 1)


def test_a_limit_of_a_change_solves_its_own_equation_on_both_sides_of_0():
    first = Ends(4.0, 3.8, 4.3, 1)
    for change in (Ends(1.0, 0.9, 1.2, 1), Ends(-1.0, -1.1, -0.8, 1)):
        lower, upper = (Ratio(change, first, offset=1).limit(side, 0.025) - 1 for side in ("lower", "upper"))
        assert math.isclose(change.low, lower * (4.3 if lower > 0 else 3.8)) and math.isclose(
            change.high, upper * (3.8 if upper > 0 else 4.3)
        )
    unknown = Ends(1.0, -1.0, 3.0, 1)
    assert Ratio(Ends(1.0, 0.9, 1.2, 1), unknown, offset=1).limit("upper", 0.025) == math.inf


def test_few_things_give_a_wider_limit():
    limits = [Ratio(Ends(1.5, 1.4, 1.6, n), Ends(1.0, 1.0, 1.0, n)).limit("lower", 0.001) for n in (5, 50, 10**6, 1)]
    assert limits == sorted(limits) and math.isclose(limits[2], limits[3], rel_tol=1e-4)


def test_held_out_perplexity_is_looked_at_by_the_loss_that_is_paired_with_generation_0():
    """The perplexity itself is hardly known; the loss above generation 0 is known well, document by document."""
    watch = Watch({"held_out_perplexity": 1.2}, "arm", 0)
    watch(0, [read("held_out_perplexity", 50.0, 20.0), read("excess_loss", 0.0, 0.0)])
    stop = watch(1, [read("held_out_perplexity", 65.0, 26.0), read("excess_loss", math.log(1.3), 0.01)])
    assert stop is not None and math.isclose(stop.ratio, 1.3) and stop.limit > 1.2

    watch = Watch({"held_out_loss": 1.05}, "arm", 0)
    watch(0, [read("held_out_loss", 4.0, 0.5), read("excess_loss", 0.0, 0.0)])
    assert watch(1, [read("held_out_loss", 4.1, 0.5), read("excess_loss", 0.1, 0.01)]) is None
    stop = watch(2, [read("held_out_loss", 5.0, 0.5), read("excess_loss", 1.0, 0.01)])
    assert stop is not None and math.isclose(stop.ratio, 1.25) and "held_out_loss was 1.25" in str(stop)


def test_tail_survival_is_the_mean_of_the_bands():
    def bands(*values):
        return [read("rare_words_beyond_prompt", value, 0.01, at=f"{i} times") for i, value in enumerate(values)]

    watch = Watch({"tail_survival": 0.8}, "arm", 0)
    watch(0, bands(0.8, 1.0))
    assert watch(1, bands(0.1, 1.6)) is None  # their mean is .85 of .9
    stop = watch(2, bands(0.4, 0.8))
    assert stop is not None and math.isclose(stop.ratio, 0.6 / 0.9) and stop.at == ""


def test_a_reading_of_several_places_is_looked_at_in_each():
    watch = Watch({"direction": 0.8}, "arm", 0)
    watch(0, [read("direction", 1.0, 0.01, at=place) for place in ("first", "last")])
    stop = watch(1, [read("direction", 1.0, 0.01, at="first"), read("direction", 0.5, 0.01, at="last")])
    assert stop is not None and stop.at == "last" and stop.level == spent(1) / 2


def test_a_reading_that_is_missing_at_a_generation_is_not_looked_at_there():
    watch = Watch({"w2": 1.2}, "arm", 0)
    watch(0, [read("w2", 1.0, 0.01)])
    assert watch(1, [Reading("w2", None, note="singular")]) is None
    assert watch(2, [read("w2", 2.0, 0.01)]) is not None


def test_every_reading_that_goes_one_way_says_which():
    """The table of sides names readings of runs alone, and none whose page says the side itself."""
    pages = pages_of_runs()
    assert all(pages[name].worse is None and pages[name].healthy != "" for name in WORSE)
    assert all(side_of(name, pages[name]) for name in LOGARITHMS)
    silent = {
        name
        for name, page in pages.items()
        if page.role in ("risk", "spread", "tail", "modes", "diversity") and side_of(name, page) is None
    }
    built_in = {
        page for name in MEASURES for page in measure(name).pages
    }  # other tests in this process may have parts of their own
    assert silent & built_in == {"absorbed", "location"}


# In a run


def test_an_arm_stops_and_the_same_experiment_without_the_bound_goes_on(tmp_path):
    bound = {"log_variance": 0.8}
    free = outcross.run(ONE_ARM, out=tmp_path / "free").finish()
    assert free.stops == () and free.plain()["stops"] == [] and free.said_of_stops == ()

    run = outcross.run(ONE_ARM, out=tmp_path / "run", stop_when=bound).finish()
    (stop,) = run.stops
    assert 1 <= stop.generation < 7 and stop.limit < 0.8 and (stop.arm, stop.seed) == ("replace", 0)
    assert run.readings["generation"].max() == stop.generation
    assert run.unfinished.startswith(f"The run was stopped by stop_when: {stop.generation + 1} of 8 generations are finished")
    described = run.plain()
    assert (
        described["finished"] is False
        and described["stops"][0]["reading"] == "log_variance"
        and described["stops"][0]["bound"] == 0.8
    )
    page = (tmp_path / "run" / "report.html").read_text()
    assert f"stopped after generation {stop.generation}" in page and "at most 5 %" in page
    with pytest.raises(GateFailed, match="stopped after generation"):
        run.check_stops()

    again = outcross.open(tmp_path / "run")
    assert again.stops == run.stops
    same = outcross.run(ONE_ARM, out=tmp_path / "run", stop_when=bound).finish()
    assert same.stops == run.stops and same.readings.equals(run.readings)

    wider = outcross.run(ONE_ARM, out=tmp_path / "run", stop_when={"log_variance": 0.6}).finish()
    assert stop.generation < wider.stops[0].generation if wider.stops else not wider.unfinished
    on = outcross.run(ONE_ARM, out=tmp_path / "run").finish()
    assert not on.unfinished and on.stops == ()
    assert (tmp_path / "run" / "readings.parquet").read_bytes() == (tmp_path / "free" / "readings.parquet").read_bytes()
    keys = [
        {line["key"] for line in map(json.loads, (tmp_path / name / "ledger.jsonl").open()) if "key" in line}
        for name in ("run", "free")
    ]
    assert keys[0] == keys[1]

    narrow = outcross.run(ONE_ARM, out=tmp_path / "run", stop_when=bound).finish()
    assert narrow.stops == run.stops and not narrow.unfinished and narrow.readings["generation"].max() == 7


def test_each_arm_and_seed_stops_by_itself_in_memory_and_on_two_workers(tmp_path):
    """Where records are kept, several workers take the arms in turns."""
    recipe = {key: value for key, value in ONE_ARM.items() if key != "policy"} | {
        "stop_when": {"log_variance": 0.8},
        "store": "all",
    }
    recipe |= {"sweep": {"policy": ["replace", "human_only"], "seed": [0, 1]}}
    run = outcross.run(recipe)
    last = {}
    for generation in run:
        last[generation.arm, generation.seed] = (generation.g, generation.is_last)
    stops = {(stop.arm, stop.seed): stop.generation for stop in run.stops}
    assert stops.keys() == {("replace", 0), ("replace", 1)}
    assert last == {key: (stops.get(key, 7), True) for key in last} and len(last) == 4
    folder = outcross.run(recipe, out=tmp_path / "run", workers=2).finish()
    assert folder.stops == run.stops and folder.readings.equals(run.readings)


def test_the_command_exits_with_1_and_says_why_in_one_line(tmp_path, capsys):
    (tmp_path / "g.yaml").write_text(json.dumps(ONE_ARM))
    arguments = ["run", str(tmp_path / "g.yaml"), "stop_when.log_variance=0.8", "--out", str(tmp_path / "run"), "--workers", "1"]
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--json"])
    printed = capsys.readouterr()
    assert ended.value.code == 1 and printed.err.count("\n") == 1
    assert printed.err.startswith("outcross: replace with seed 0 stopped after generation") and "stop_when=null" in printed.err
    assert json.loads(printed.out)["stops"][0]["arm"] == "replace"
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "stop_when=null", "-q"])
    assert ended.value.code == 0


@pytest.mark.parametrize("seeds", [1, 2])
def test_the_table_of_the_terminal_has_a_row_for_arms_that_were_stopped(tmp_path, capsys, seeds):
    spec = {key: value for key, value in ONE_ARM.items() if key != "policy"} | {"stop_when": {"log_variance": 0.8}}
    spec |= {"sweep": {"policy": ["replace", "human_only"], "seed": [*range(seeds)]}}
    (tmp_path / "g.yaml").write_text(json.dumps(spec))
    with pytest.raises(SystemExit):
        main(["run", str(tmp_path / "g.yaml"), "--out", str(tmp_path / "run"), "--workers", "1"])
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    generations = {
        row[0]: int(row[1 if seeds == 1 else 3])
        for row in rows
        if row and row[0] in ("replace", "human_only") and "with" not in row and row[-1][-1].isdigit()
    }
    run = outcross.open(tmp_path / "run")
    assert generations == {"replace": min(stop.generation for stop in run.stops), "human_only": 7}


REFUSED = {
    "stop_when.log_varianse=0.8": "stop_when.log_varianse is not a reading of this experiment; did you mean 'log_variance'?",
    "stop_when.tail_survival=0.8": "stop_when.tail_survival is not a reading of this experiment",
    "stop_when.spread_ratio=1.2": "stop_when.spread_ratio must be below 1, got 1.2: it falls as data collapse",
    "stop_when.w2=0.8": "stop_when.w2 must be above 1, got 0.8: it rises as data collapse",
    "stop_when.w2=1": "stop_when.w2 must be a positive number other than 1, got 1",
    "stop_when.w2=-2": "stop_when.w2 must be a positive number other than 1, got -2",
    "stop_when.w2=high": "stop_when.w2 must be a positive number other than 1, got 'high'",
    "stop_when=0.8": "stop_when must map readings to bounds, got 0.8",
    "stop_when.tail_mass=0.8": "stop_when.tail_mass cannot be bounded on one side: as data collapse it goes 0, first in the farthest tail; above",
}


@pytest.mark.parametrize("setting, message", [*REFUSED.items()])
def test_a_bound_that_cannot_be_held_is_refused_before_the_work(setting, message):
    recipe = ONE_ARM | ({"metrics": ["fitted_law", "tail_mass"]} if "tail_mass" in setting else {})
    with pytest.raises(BadInput) as refused:
        outcross.run(recipe, settings=[setting])
    assert message in str(refused.value) and "\n" not in str(refused.value)


def test_a_reading_without_an_interval_is_refused_once_it_is_read(tmp_path):
    with pytest.raises(BadInput, match=r"stop_when\.w2 has no interval at generation 0 \(one chain: no interval\).*more chains"):
        outcross.run(ONE_ARM | {"chains": 1}, stop_when={"w2": 1.2}).finish()
    with pytest.raises(BadInput, match=r"stop_when\.w2 is a ratio to generation 0, but the reading is -1"):
        Watch({"w2": 1.2}, "arm", 0)(0, [read("w2", -1.0, 0.1)])
    with pytest.raises(
        BadInput, match=r"stop_when\.tail_survival has no interval at generation 0 \(it was not measured at generation 0\)"
    ):
        Watch({"tail_survival": 0.8}, "arm", 0)(0, [read("w2", 1.0, 0.1)])
