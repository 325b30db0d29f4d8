"""A sweep is shown as a researcher asks for it: the response to the swept number first, seeds pooled, single seeds on request."""

import math
import re
from dataclasses import replace

import pytest
from scipy.stats import t as student

import outcross
from outcross.cli import main
from outcross.estimate import Estimate, share
from outcross.measures import audit_aspects, pages_of_aspect, pages_of_runs
from outcross.report import ShownReading, Study, write
from outcross.report.charts import BASELINE, COLOURS, INK
from outcross.report.curves import Curve, CurvePoint, half_width, mean_over_seeds, measured, pooled, within_range
from outcross.report.differences import over_time
from outcross.report.response import responses
from outcross.report.templates import resource
from outcross.verbs.run.progress import cell
from outcross.verbs.run.study import from_tables

SWEEP = """
name: rows
human: {distribution: normal, rows: 20}
learner: gaussian
draw: {prompts: none}
generations: 3
chains: 1
policy: replace
sweep: {human.rows: [50, 10, 20], seed: [0, 1, 2, 3, 4]}
"""


def called(capsys, *arguments) -> str:
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    assert stopped.value.code == 0, printed.err
    return printed.out


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep")
    (folder / "s.yaml").write_text(SWEEP)
    with pytest.raises(SystemExit) as stopped:
        main(["run", str(folder / "s.yaml"), "--out", str(folder / "run"), "--workers", "1", "--quiet"])
    assert stopped.value.code == 0
    return folder / "run"


def values(run, arm, measure):
    """The values of an arm's seeds in the last generation."""
    import polars as pl

    readings = pl.read_parquet(run / "readings.parquet")
    own = readings.filter((pl.col("arm") == arm) & (pl.col("measure") == measure) & (pl.col("generation") == 2))
    return own["value"].to_list()


def test_show_begins_with_the_response_to_the_swept_number_sorted_by_it(run, capsys):
    lines = called(capsys, "show", run).splitlines()
    assert lines[0] == "log_variance against human.rows"
    assert [line.split()[0] for line in lines[1:4]] == ["10", "20", "50"]


def test_show_gives_an_arm_one_line_with_students_interval_over_its_seeds(run, capsys):
    screen = called(capsys, "show", run)
    for arm in ("replace,rows=10", "replace,rows=20", "replace,rows=50"):
        of_seeds = values(run, arm, "spread_ratio")
        mean = sum(of_seeds) / 5
        error = math.sqrt(sum((value - mean) ** 2 for value in of_seeds) / 4 / 5)
        half = student.ppf(0.975, 4) * error
        block = screen.partition("\nspread_ratio\n")[2].partition("\nmean_error\n")[0]
        (line,) = [line for line in block.splitlines() if arm in line]
        assert line.split(maxsplit=2)[2] == f"{mean:.4g} [{mean - half:.4g}, {mean + half:.4g}] 5 seeds"
    assert "seed 0" not in screen and "one chain" not in screen


def test_show_prints_single_seeds_on_request(run, capsys):
    screen = called(capsys, "show", run, "--seeds").partition("\nspread_ratio\n")[2].partition("\nmean_error\n")[0]
    assert len(screen.splitlines()) == 15
    for arm in ("replace,rows=10", "replace,rows=20", "replace,rows=50"):
        for seed, value in enumerate(values(run, arm, "spread_ratio")):
            assert re.search(rf"{arm} seed {seed} +g2  {re.escape(f'{value:.4g}')} \(one chain: no interval\)", screen)


def test_an_arm_of_one_seed_says_why_it_has_no_interval(tmp_path, capsys):
    (tmp_path / "s.yaml").write_text(SWEEP.replace(", seed: [0, 1, 2, 3, 4]", ""))
    screen = called(capsys, "run", tmp_path / "s.yaml", "--out", tmp_path / "run", "--workers", "1")
    assert "log_variance against human.rows\n  10    g2  " in screen  # the end of a run says the response, too
    block = screen.partition("against human.rows\n")[2].splitlines()[:3]
    assert all(line.endswith("(one chain: no interval)") for line in block)


def test_a_run_of_quick_arms_ends_with_one_row_an_arm_and_the_response(tmp_path, capsys):
    (tmp_path / "s.yaml").write_text(SWEEP)
    screen = called(capsys, "run", tmp_path / "s.yaml", "--out", tmp_path / "run", "--workers", "1")
    rows, _, response = screen.partition("log_variance against human.rows\n")
    assert [line.partition(" seeds) ")[0] for line in rows.splitlines()[1:-1]] == [
        "replace,rows=50 (5", "replace,rows=10 (5", "replace,rows=20 (5",
    ]  # fmt: skip
    assert all("±" in line for line in rows.splitlines()[1:-1])
    assert [line.split()[0] for line in response.splitlines()[:3]] == ["10", "20", "50"]


def test_no_end_of_an_interval_lies_outside_of_what_a_row_says():
    """None of 50 chains: the interval is [0, .071], and ±.036, half of its width, would leave its upper half out."""
    assert cell(share(0, 50)) == "0.000 ±0.071" and cell(Estimate(1.0, 0.9, 1.1, "chains", 9)) == "1.000 ±0.100"


def test_the_page_draws_means_and_bands_and_keeps_single_seeds_in_details(run):
    page = (run / "report.html").read_text()
    thin = 'stroke-width="0.8"'
    assert thin not in re.sub(r"<details.*?</details>", "", page, flags=re.DOTALL)
    every = re.search(r"<summary>Every seed</summary>(.*?)</details>", page, re.DOTALL)
    assert every is not None and every[1].count(thin) == 15
    assert page.index('id="response"') < page.index('<section class="first')


def rows_of(seeds, arms=("a", "b", "c"), generations=3):
    """Readings of arms whose value is the arm's number plus the seed's."""
    return tuple(
        ShownReading(arm, g, "entropy", float(i + 1) + 0.1 * seed, None, None, "one chain: no interval", 1, seed=seed)
        for i, arm in enumerate(arms)
        for seed in range(seeds)
        for g in range(generations)
    )


@pytest.mark.parametrize(("seeds", "threads"), [(1, 0), (3, 3), (4, 0)])
def test_at_most_three_seeds_are_thin_lines_beside_their_mean(seeds, threads, tmp_path):
    study = Study("s", ("a",), rows_of(seeds, ("a",)))
    (shown,) = map(pooled, measured(study))
    assert len(shown.curves["a"].threads) == threads
    page = write(study, tmp_path / "p.html").read_text()
    assert ("Thin lines: single seeds." in page) == (threads > 0)
    assert ("<summary>Every seed</summary>" in page) == (seeds > 3)


def test_a_response_is_at_the_last_generation_that_every_seed_has():
    readings = tuple(reading for reading in rows_of(2) if (reading.seed, reading.generation) != (1, 2))
    settings = {arm: {"rows": number} for arm, number in (("a", 30), ("b", 10), ("c", 20))}
    (response,) = responses(settings, measured(Study("s", ("a", "b", "c"), readings)))
    assert [(answer.setting, answer.arm, answer.point.generation, answer.point.n) for answer in response.answers] == [
        (10, "b", 1, 2), (20, "c", 1, 2), (30, "a", 1, 2),
    ]  # fmt: skip


def test_two_values_are_a_sweep_where_every_arm_belongs_to_it():
    every = measured(Study("s", ("a", "b", "c"), rows_of(1)))
    two = {"a": {"rows": 10}, "b": {"rows": 20}}
    only = [replace(shown, curves={arm: shown.curves[arm] for arm in two}) for shown in every]
    assert len(responses(two, only)) == 1
    assert responses({**two, "c": {"rows": 10, "policy.kind": "fresh"}}, every) == ()


def test_seeds_that_agree_are_no_certainty():
    alike = mean_over_seeds([CurvePoint(0, 0.0, None, None, "one chain: no interval", 1)] * 5, None)
    assert (alike.value, alike.low, alike.method) == (0.0, None, "5 seeds agree: no interval")
    exact = mean_over_seeds([CurvePoint(0, 2.0, 2.0, 2.0, "exact", 1)] * 5, None)
    assert (exact.value, exact.low, exact.method) == (2.0, 2.0, "exact")


def pages_with_a_range():
    """The pages of all readings, of runs and of audits, whose possible values end somewhere."""
    pages = dict(pages_of_runs()) | {name: page for aspect in audit_aspects() for name, page in pages_of_aspect(aspect).items()}
    return {name: page for name, page in pages.items() if any(map(math.isfinite, page.values))}


BOUNDED = pages_with_a_range()


@pytest.mark.parametrize("name", BOUNDED)
def test_an_interval_over_seeds_ends_where_the_possible_values_do(name):
    """Three seeds near each end of the range: Student's interval crosses that end. It is cut there, and nothing else changes."""
    page = BOUNDED[name]
    lowest, highest = page.values
    width = highest - lowest if math.isfinite(highest - lowest) else 1.0
    for end, inward in ((lowest, 1.0), (highest, -1.0)):
        if math.isinf(end):
            continue
        points = [CurvePoint(3, end + inward * width * share) for share in (0.0, 0.02, 0.1)]
        whole, shown = mean_over_seeds(points, None), mean_over_seeds(points, page)
        assert not lowest <= whole.low <= whole.high <= highest
        assert (shown.low, shown.high) == (max(whole.low, lowest), min(whole.high, highest))
        assert (shown.value, shown.method, shown.n) == (whole.value, whole.method, whole.n)
        assert half_width(shown) == half_width(whole)
        inside = [CurvePoint(3, (end + inward * width * share)) for share in (0.4, 0.4001, 0.4002)]
        assert mean_over_seeds(inside, page) == mean_over_seeds(inside, None)


def test_a_difference_from_a_cut_interval_has_the_error_of_the_whole_interval():
    page = BOUNDED["cell_share"]
    assert page.values == (0.0, 1.0)
    whole = CurvePoint(0, 0.02, -0.05, 0.09, "seeds", 5)
    later = CurvePoint(1, 0.5, 0.4, 0.6, "chains", 9)
    by_hand = math.hypot(0.07, 0.1)
    apart = over_time(Curve("a", (within_range(whole, page), later)), is_ratio=False)
    assert apart.high - apart.value == pytest.approx(by_hand)
    assert over_time(Curve("a", (within_range(whole, page), later)), is_ratio=True) is None
    # By hand, to first order: the errors of the logarithms are .2 / 1.96 / .9 and, from the ends, (ln .6 - ln .4) / 3.92.
    high = within_range(CurvePoint(0, 0.9, 0.7, 1.1, "seeds", 5), page)
    ratio = over_time(Curve("a", (high, later)), is_ratio=True)
    assert math.log(ratio.high / ratio.value) == pytest.approx(math.hypot(0.2 / 0.9, (math.log(0.6) - math.log(0.4)) / 2))


CELLS = {
    "name": "rare", "learner": "cells", "policy": "replace", "draw": {"prompts": "none"}, "generations": 6, "chains": 1, "sweep": {"seed": [0, 1, 2]},
    "human": {"distribution": "cells", "rows": 40, "shares": [[0.5, 0.3], [0.15, 0.05]], "classes": ["no", "yes"], "groups": ["a", "b"]},
}  # fmt: skip


def test_no_pooled_interval_of_a_run_leaves_the_possible_values(tmp_path):
    run = outcross.run(CELLS, out=tmp_path / "run").finish()
    pages = pages_of_runs()
    of_seeds = run.frame(pooled=True).filter(method="seeds")
    assert of_seeds.height
    cut_intervals = 0
    for row in of_seeds.iter_rows(named=True):
        lowest, highest = pages[row["measure"]].values
        assert lowest <= row["low"] <= row["value"] <= row["high"] <= highest, row
        cut_intervals += row["low"] == lowest or row["high"] == highest
    assert cut_intervals  # three seeds of a share of a few records: some interval reaches an end
    shown = measured(from_tables(run.name, run.readings, pages=pages))
    of_page = {
        (reading.measure, reading.at, point.generation): (point.low, point.high)
        for reading in shown
        for point in reading.curves["replace"].points
    }
    for row in of_seeds.iter_rows(named=True):
        at = ", ".join(filter(None, (row["column"], row["at"], row["group"])))
        assert of_page[row["measure"], at, row["generation"]] == (row["low"], row["high"])


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb or #rgb, in [0, 1] (WCAG 2.2)."""
    digits = colour.removeprefix("#")
    digits = "".join(2 * digit for digit in digits) if len(digits) == 3 else digits
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(colour: str, background: str) -> float:
    """Contrast of two colours, in [1, 21] (WCAG 2.2)."""
    low, high = sorted((luminance(colour), luminance(background)))
    return (high + 0.05) / (low + 0.05)


def colour_of(pattern: str, rules: str) -> str:
    """The colour that a rule sets, which must be there."""
    match = re.search(pattern, rules)
    assert match, pattern
    return match[1]


def dark(name: str) -> str:
    _, opening, rules = resource(name).partition("@media screen and (prefers-color-scheme: dark) {")
    assert opening, f"{name} has no dark theme"
    return rules.partition("\n}")[0]


def test_every_colour_is_readable_in_the_dark():
    rules = dark("page.css")
    paper = colour_of(r"--paper: (#\w+)", rules)
    for name in ("ink", "quiet", "warn"):
        assert contrast(colour_of(rf"--{name}: (#\w+)", rules), paper) >= 4.5
    for channel, colour in [(channel, colour) for channel in ("fill", "stroke") for colour in (*COLOURS, BASELINE, INK)]:
        match = re.search(rf'svg \[{channel}="{colour}"\][^{{]*{{ {channel}: (#\w+)', rules)
        assert contrast(match[1] if match else colour, paper) >= 3, (channel, colour)
    for colour in re.findall(r"color: (#\w+); }", dark("audit.css").partition("td.n")[0]):
        assert contrast(colour, paper) >= 4.5


def test_every_colour_of_an_audit_bar_is_readable_in_the_dark():
    from outcross.verbs.audit.page import COLOURS as VERDICTS

    rules, paper = dark("audit.css"), colour_of(r"--paper: (#\w+)", dark("page.css"))
    for channel, colour in [(channel, colour) for channel in ("fill", "stroke") for colour in VERDICTS.values()]:
        match = re.search(rf'svg \[{channel}="{colour}"\] {{ {channel}: (#\w+)', rules)
        assert match and contrast(match[1], paper) >= 4.5, (channel, colour)
