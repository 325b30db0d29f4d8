"""What a column looks like on both sides, as numbers and as a picture."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import polars
import pytest

from outcross.data.tables import alike, table
from outcross.report.portraits import heat_map, portrait, quantiles
from outcross.statistics.portraits import BARS, BINS, OTHERS, portraits


def of(drawn: dict, human: dict, **kinds):
    sides = alike([table(polars.DataFrame(human), "human", kinds), table(polars.DataFrame(drawn), "drawn", kinds)]).tables
    return portraits(sides[1], sides[0])


def test_every_value_is_in_one_bin_or_bar_or_missing():
    rng = np.random.default_rng(0)
    human = {"x": [*rng.normal(size=997), None, None, None], "c": [*rng.choice(list("abcdefghijklmnopqrst"), 999), None]}
    drawn = {"x": [*(5 * rng.normal(size=500))], "c": [*rng.choice(list("abz"), 490), *[None] * 10]}
    columns = of(drawn, human)
    number, category = columns["x"], columns["c"]
    assert (sum(number.human), sum(number.synthetic), number.missing) == (997, 500, (3, 0))
    assert (sum(category.human), sum(category.synthetic), category.missing) == (999, 490, (1, 10))
    assert len(number.human) == len(number.places) + 1 == BINS
    assert len(category.names) == BARS + 1 and category.names[-1] == OTHERS
    assert number.synthetic[0] + number.synthetic[-1] > 0.4 * 500  # far out on both sides, in the open bins


def test_few_values_have_a_bin_each():
    column = of({"x": [1.0, 1.0, 2.0, 4.0] * 20}, {"x": [1.0, 2.0, 3.0] * 20}, x="number")["x"]
    assert column.places == (1.5, 2.5) and column.human == (20, 20, 20) and column.synthetic == (40, 20, 20)


def test_quantiles_are_those_of_both_sides_at_depths_that_both_can_show():
    human, drawn = np.arange(1001.0), np.arange(201.0) * 2
    column = of({"x": drawn}, {"x": human})["x"]
    assert min(column.depths) == 0.005 and max(column.depths) == 0.995
    assert column.human_quantiles == pytest.approx(np.quantile(human, column.depths))
    assert column.synthetic_quantiles == pytest.approx(np.quantile(drawn, column.depths))


def test_the_order_of_the_rows_changes_nothing():
    rng = np.random.default_rng(1)
    human, drawn = ({"x": rng.normal(size=300), "c": rng.choice(["a", "b"], 300)} for _ in range(2))
    order = rng.permutation(300)
    assert of(drawn, human) == of({name: values[order] for name, values in drawn.items()}, human)


def test_pictures_are_whole_and_hold_what_the_data_say_as_text_alone():
    rng = np.random.default_rng(2)
    hostile = '"><script>alert(1)</script>\x00'
    human = {hostile: rng.choice([hostile, "a"], 200), "x": rng.lognormal(0, 3, 200), "one": [1.0] * 100 + [2.0] * 100}
    columns = of(human, human)
    for column, data in columns.items():
        for picture in filter(None, (portrait(column, data), quantiles(column, data))):
            tree = ElementTree.fromstring(picture.replace("\x00", ""))
            assert {element.tag for element in tree.iter()} <= {"svg", "rect", "line", "polyline", "text", "circle", "title"}
    tree = ElementTree.fromstring(heat_map([hostile, "x"], {(hostile, "x"): -0.5}).replace("\x00", ""))
    assert len(tree.findall("rect")) == 2
    # Equal sides have no lost part.
    assert 'class="gap"' not in "".join(portrait(column, data) for column, data in columns.items())
