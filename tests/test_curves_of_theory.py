"""A curve of theory carries the name of its law and its source, and every caption says what its bands are."""

import itertools
import re

import pytest

from outcross.cli import main
from outcross.laws import LAWS, expected
from outcross.laws.expectations import name_of
from outcross.report.axes import axis
from outcross.report.charts import LEADER, Size, chart, looks
from outcross.report.curves import Curve, CurvePoint, Measured
from outcross.report.drawing import draw
from outcross.report.sections import bands_of

POLICIES = {
    "replace": {}, "human_only": {}, "accumulate": {}, "accumulate_subsample": {}, "augment": {}, "human_share": {"human_share": 0.5},
    "fresh": {"human": 5}, "weighted": {"weight": 0.5},
}  # fmt: skip
READINGS = (
    "spread_ratio", "mean_error", "log_variance", "w2", "coefficient_error", "concentration", "excess_risk", "support",
    "surviving_states", "entropy", "absorbed", "test_error", "held_out_loss",
)  # fmt: skip


@pytest.mark.parametrize("learner", ["gaussian", "kde", "regression", "categorical", "hutter", "transformer"])
def test_every_closed_form_that_is_drawn_has_a_name_and_a_source(learner):
    for (policy, settings), metric in itertools.product(POLICIES.items(), READINGS):
        curve = expected(policy, learner, metric, n=10, generations=3, probabilities=[0.6, 0.4], **settings)
        name = name_of(policy, learner, metric)
        assert (curve is None) or (name in LAWS and LAWS[name].citation), (policy, metric)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("law") / "run"
    settings = ("chains=30", "generations=3", "metrics=[fitted_law]", "arms=[{policy: replace},{policy: accumulate}]")
    with pytest.raises(SystemExit) as ended:
        main(["run", "gaussian", *settings, "--out", str(folder), "--workers", "1", "--quiet"])
    assert ended.value.code == 0
    return (folder / "report.html").read_text()


def test_the_page_names_its_closed_forms_and_cites_them(page):
    for name in ("variance_replace", "mean_error_replace", "log_variance_replace", "accumulate"):
        assert f"<code>{name}</code>" in page
    assert "Nature 631:755" in page[page.index("<code>variance_replace</code>") :][:600]
    papers = page[page.index("<h3>Papers</h3>") :]
    assert "variance_replace" in papers


def test_every_figure_says_what_its_bands_are(page):
    figures = re.findall(r'<p class="meaning">.*?<details', page, re.DOTALL)
    assert figures and all("Bands: 95 % intervals over 30 chains." in figure for figure in figures)


def line(method, n, width=0.1):
    return Measured("loss", "", {"a": Curve("a", (CurvePoint(0, 1.0, 1 - width, 1 + width, method, n),))}, {})


def test_a_caption_names_every_method_with_its_n():
    assert bands_of([line("seeds", 3)]) == "Bands: 95 % intervals over 3 seeds."
    both = bands_of([line("Wilson", 40), line("Wilson", 90), line("chains", 7)])
    assert both == "Bands: 95 % intervals by Wilson, n = 40 to 90; over 7 chains."
    assert bands_of([line("exact", 1, width=0.0)]) == "No bands: no value here has an interval."


def test_a_caption_says_what_is_dashed_where_there_is_a_floor():
    with_floor = Measured("tails", "", line("chains", 7).curves, line("chains", 7).curves)
    assert bands_of([with_floor]).endswith("Dashed: what other human data of the same size show; grey: the interval of that.")


def course(arm, values):
    return Curve(arm, tuple(CurvePoint(g, value, value - 0.01, value + 0.01, "chains", 100) for g, value in enumerate(values)))


def names_in(specification):
    """The names of lines in a chart: each with where its line ends and where it stands, in pixels from the left."""
    texts = next(layer for layer in specification["layer"] if layer["mark"]["type"] == "text")
    return {row["text"]: (row["x"], row["right"]) for row in texts["data"]["values"]}


def test_the_name_of_an_unfinished_line_stands_at_its_end():
    curves = [course("whole", [1 - g / 100 for g in range(41)]), course("begun", [1.0] * 11), course("nearly", [0.9] * 40)]
    points = [point for line in curves for point in line.points]
    size = Size(690, 360, labels=190)
    places = names_in(chart(curves, looks([line.arm for line in curves]), axis(points), size))
    width = min(right for text, (_, right) in places.items() if text.startswith("whole")) - LEADER - 3
    begun, nearly = (next(place for text, place in places.items() if text.startswith(arm)) for arm in ("begun", "nearly"))
    assert begun == pytest.approx((width * 10 / 40 + 3, width * 10 / 40 + 3 + LEADER))
    assert nearly == pytest.approx(
        (width * 39 / 40 + 3, width + 3 + LEADER)
    )  # no room beside its end: a longer line leads to the margin


def test_each_arm_says_the_value_of_its_closed_form_where_there_are_many():
    arms = [f"arm-{place}" for place in range(5)]
    curves = [course(arm, [1.0, 0.9 - place / 10]) for place, arm in enumerate(arms)]
    laws = {arm: {0: 1.0, 1: 0.85 - place / 10} for place, arm in enumerate(arms)}
    points = [point for line in curves for point in line.points]
    shown = chart(curves, looks(arms), axis(points), Size(690, 360, labels=190), laws=laws, law_names=dict.fromkeys(arms, "a_law"))
    assert set(names_in(shown)) == {f"arm-{place}: {0.9 - place / 10:.1g} (theory {0.85 - place / 10:.2g})" for place in range(5)}


def test_a_chart_rounds_coordinates_and_no_words():
    pytest.importorskip("vl_convert")
    curves = [course(f"arm-{place}", [1.0, 0.93146 - place / 10]) for place in range(5)]
    laws = {line.arm: {1: 0.88512 - place / 10} for place, line in enumerate(curves)}
    points = [point for line in curves for point in line.points]
    svg = draw(chart(curves, looks(list(laws)), axis(points), Size(690, 360, labels=190), laws=laws), "c")
    assert "arm-0: 0.931 (theory 0.885)" in svg and not re.search(r' d="[^"]*\.\d{3}', svg)


@pytest.fixture(scope="module")
def community(tmp_path_factory):
    folder = tmp_path_factory.mktemp("community") / "run"
    with pytest.raises(SystemExit) as ended:
        main(["run", "community", "chains=20", "generations=4", "--out", str(folder), "--workers", "1", "--quiet"])
    assert ended.value.code == 0
    return (folder / "report.html").read_text()


def test_a_community_leads_with_the_reading_that_its_laws_are_about(community):
    """One line alone has a closed form of the log-variance; all nine arms have one of the variance of all teachers together."""
    lead = community.split('<section class="first">')[1].split("</section>")[0]
    assert "<h2>spread ratio</h2>" in lead
    drawn = lead.split("Each arm with its closed form")[1].split('<p class="meaning">')[0]
    arms = (
        "one-line", "exchange-2", "exchange-4", "exchange-8", "eighth-4", "sixteenth-4", "isolated-2", "isolated-4", "isolated-8",
    )  # fmt: skip
    assert re.findall(r'<h4 dir="auto">([^<]*)</h4><svg', drawn) == list(arms)
    assert all(re.search(rf"{arm}: [\d.]+ \(theory [\d.]+\)", lead) for arm in arms)
    assert "closed form of one-line:" in drawn and f"closed form of {', '.join(arms[1:])}:" in drawn


def test_a_page_of_many_arms_explains_its_closed_forms_once_and_says_a_policy_once(community):
    assert community.count("If the closed form holds") == 1 and community.count("Train on the newest part only") == 1
    assert community.count("all teachers together") >= 3


def test_no_table_of_many_arms_is_wider_than_a_page(community):
    tables = re.findall(r'<table class="profile stacked"><thead>(.*?)</thead>', community, re.DOTALL)
    assert [heads.count("<th") - 1 for heads in tables] == [5, 4, 5, 4]
