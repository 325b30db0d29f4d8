"""What a column looks like on both sides, as numbers and as a picture."""

from __future__ import annotations

import sys
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import polars
import pytest

import outcross
from outcross.data.tables import alike, table
from outcross.report.sides import calibration_figure, column_figure, quantile_figure, regions_figure
from outcross.statistics.portraits import BARS, BINS, OTHERS, Reliability, portraits
from outcross.verbs.audit.figures import map_of_associations


def portraits_of(drawn: dict, human: dict, **kinds):
    sides = alike([table(polars.DataFrame(human), "human", kinds), table(polars.DataFrame(drawn), "drawn", kinds)]).tables
    return portraits(sides[1], sides[0])


def test_every_value_is_in_one_bin_or_bar_or_missing():
    rng = np.random.default_rng(0)
    human = {"x": [*rng.normal(size=997), None, None, None], "c": [*rng.choice(list("abcdefghijklmnopqrst"), 999), None]}
    drawn = {"x": [*(5 * rng.normal(size=500))], "c": [*rng.choice(list("abz"), 490), *[None] * 10]}
    columns = portraits_of(drawn, human)
    number, category = columns["x"], columns["c"]
    assert (sum(number.human), sum(number.synthetic), number.missing) == (997, 500, (3, 0))
    assert (sum(category.human), sum(category.synthetic), category.missing) == (999, 490, (1, 10))
    assert len(number.human) == len(number.places) + 1 == BINS
    assert len(category.names) == BARS + 1 and category.names[-1] == OTHERS
    assert number.synthetic[0] + number.synthetic[-1] > 0.4 * 500  # far out on both sides, in the open bins


def test_few_values_have_a_bin_each():
    column = portraits_of({"x": [1.0, 1.0, 2.0, 4.0] * 20}, {"x": [1.0, 2.0, 3.0] * 20}, x="number")["x"]
    assert column.places == (1.5, 2.5) and column.human == (20, 20, 20) and column.synthetic == (40, 20, 20)


@pytest.mark.parametrize("count", [-1, 10**30])
@pytest.mark.parametrize("name", ["human", "synthetic", "missing"])
def test_a_stored_portrait_with_an_impossible_count_is_refused(name, count):
    portrait = portraits_of({"x": [1.0, 2.0] * 20}, {"x": [1.0, 2.0] * 20}, x="number")["x"]
    with pytest.raises(ValueError, match="every count of records"):
        replace(portrait, **{name: (count, 1)})


def test_quantiles_are_those_of_both_sides_at_depths_that_both_can_show():
    human, drawn = np.arange(1001.0), np.arange(201.0) * 2
    column = portraits_of({"x": drawn}, {"x": human})["x"]
    assert min(column.depths) == 0.005 and max(column.depths) == 0.995
    assert column.human_quantiles == pytest.approx(np.quantile(human, column.depths))
    assert column.synthetic_quantiles == pytest.approx(np.quantile(drawn, column.depths))


def test_the_order_of_the_rows_changes_nothing():
    rng = np.random.default_rng(1)
    human, drawn = ({"x": rng.normal(size=300), "c": rng.choice(["a", "b"], 300)} for _ in range(2))
    order = rng.permutation(300)
    assert portraits_of(drawn, human) == portraits_of({name: values[order] for name, values in drawn.items()}, human)


HOSTILE = "\"><script>alert(1)</script>\x00\u2028'] + 1"


def test_figures_of_columns_are_whole_and_hold_what_the_data_say_as_text_alone():
    pytest.importorskip("vl_convert")
    rng = np.random.default_rng(2)
    human = {HOSTILE: rng.choice([HOSTILE, "a"], 200), "x": rng.lognormal(0, 3, 200), "one": [1.0] * 100 + [2.0] * 100}
    portraits = portraits_of(human, human)
    figures = [column_figure(column, portrait) for column, portrait in portraits.items()]
    figures += [figure for column, portrait in portraits.items() if (figure := quantile_figure(column, portrait)) is not None]
    assert len(figures) == 4
    figures.append(regions_figure([(HOSTILE, 0.1, 0.05)]))
    figures.append(calibration_figure(Reliability(HOSTILE, "boosting", HOSTILE, ((0.1, 0.1),), ((0.1, 0.1),))))
    figures.append(map_of_associations({(HOSTILE, "x"): -0.5, (HOSTILE, "one"): 0.2, ("x", "one"): 0.1}))
    for figure in figures:
        tree = ElementTree.fromstring(figure.svg())
        tags = {element.tag.split("}")[-1] for element in tree.iter()}
        assert tags <= {"svg", "g", "rect", "line", "path", "text", "circle", "title"}
        assert "\x00" not in figure.caption + "".join(figure.data.columns)


def test_equal_sides_have_nothing_lost_and_a_lost_half_is_shaded():
    values = np.random.default_rng(3).normal(size=400)
    human = {"x": values, "c": ["a", "b"] * 200}
    assert not lost(portraits_of(human, human))
    half = portraits_of({"x": values[values < 0], "c": ["a"] * int((values < 0).sum())}, human)
    assert lost(half) == {"x", "c"}
    # Each side's shares sum to 1, and the shaded part of the categories is what human data have beyond the synthetic ones.
    data = column_figure("c", half["c"]).data
    assert data.group_by("side").agg(polars.col("share").sum())["share"].to_list() == [1.0, 1.0]
    shaded = [row for row in rows_of(column_figure("c", half["c"])) if row.get("side") == "lost"]
    assert [(row["name"], row["first"], row["last"]) for row in shaded] == [("b", 0.0, 0.5)]


def lost(portraits):
    return {
        column
        for column, portrait in portraits.items()
        if any(row.get("side") == "lost" for row in rows_of(column_figure(column, portrait)))
    }


def rows_of(figure):
    return [row for layer in figure.spec["layer"] for row in layer["data"]["values"]]


def test_names_that_are_cut_alike_stay_apart():
    name = "x" * 60
    portrait = portraits_of({"c": [f"{name}1"] * 50}, {"c": [f"{name}1", f"{name}2"] * 50})["c"]
    bars = [row for row in rows_of(column_figure("c", portrait)) if row["side"] == "human"]
    assert len({row["place"] for row in bars}) == 2 and len({row["name"] for row in bars}) == 1


def test_columns_whose_names_make_one_file_name_are_drawn_apart(tmp_path):
    pytest.importorskip("vl_convert")
    rng = np.random.default_rng(4)
    human = polars.DataFrame({"a b": rng.normal(size=300), "a-b": rng.normal(size=300) * 1000})
    narrow = human.with_columns(polars.col("a b") * 0.2, polars.col("a-b") * 0.2)
    audit = outcross.audit(narrow, reference=human, aspects=("spread",), out=tmp_path / "audit")
    page = (tmp_path / "audit" / "report.html").read_text(encoding="utf-8")
    for column in ("a b", "a-b"):
        assert audit.plot(column).svg() in page
    assert "No pictures" not in page


def test_without_the_chart_engine_a_page_says_what_is_missing(tmp_path, monkeypatch):
    rng = np.random.default_rng(4)
    human = polars.DataFrame({"x": rng.normal(size=300)})
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    outcross.audit(human * 0.2, reference=human, aspects=("spread",), out=tmp_path / "audit")
    page = (tmp_path / "audit" / "report.html").read_text(encoding="utf-8")
    assert "No pictures: <code>pip install 'outcross[report]'</code>" in page
