"""A curve of theory carries the name of its law and its source, and every caption says what its bands are."""

import itertools
import re

import pytest

from outcross.cli import main
from outcross.laws import LAWS, expected
from outcross.laws.expectations import name_of
from outcross.report.curves import Curve, CurvePoint, Measured
from outcross.report.figures import bands_of

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
