"""What a page says of two values: their difference with its own interval, words that are new, and one paragraph for many arms."""

import math

import pytest

from outcross.measures import Page
from outcross.report import Law, PolicyPage, ShownReading, ShownSample, Study, write
from outcross.report.curves import measured
from outcross.report.differences import between, over_time
from outcross.report.headline import warnings
from outcross.report.texts import writers

SQUARED = Page(
    "SQ", "squared distance", "", unit="squared units", healthy=0.0, collapsed="", role="risk", paper="", range=(0.0, math.inf)
)  # fmt: skip


def seeds(arm, *by_seed):
    """The readings of an arm, a sequence of values a seed, each with an interval of ±1."""
    return [
        ShownReading(arm, g, "distance", value, value - 1, value + 1, "documents", 40, seed=seed)
        for seed, values in enumerate(by_seed)
        for g, value in enumerate(values)
    ]


def lines_of(*readings):
    (reading,) = measured(Study("s", tuple(dict.fromkeys(reading.arm for reading in readings)), tuple(readings)))
    return reading.curves


def test_arms_of_the_same_seeds_differ_where_their_bands_overlap():
    """Seeds scatter by 10, and each pair is 1 apart to within .1: by hand mean 1, s = .1, half width 4.302653 · .1 / √3."""
    lines = lines_of(*seeds("a", [0, 10], [0, 20], [0, 30]), *seeds("b", [0, 10.9], [0, 21.0], [0, 31.1]))
    difference = between(lines["b"], lines["a"], 1, is_ratio=False)
    half = 4.302652729911275 * 0.1 / math.sqrt(3)
    assert (difference.value, difference.low, difference.high) == pytest.approx((1.0, 1.0 - half, 1.0 + half))
    assert difference.is_clear and difference.how == "over 3 paired seeds"


def test_arms_of_one_seed_have_the_wider_interval_of_independent_ones_and_say_so():
    lines = lines_of(*seeds("a", [5, 5]), *seeds("b", [5, 6]))
    difference = between(lines["b"], lines["a"], 1, is_ratio=False)
    assert (difference.low, difference.high) == pytest.approx((1 - math.sqrt(2), 1 + math.sqrt(2)))
    assert not difference.is_clear and difference.how == "as if the two were independent"


def test_a_ratio_is_compared_on_the_logarithmic_scale():
    lines = lines_of(*seeds("a", [2, 4], [2, 8]))
    ratio = over_time(lines["a"], is_ratio=True)
    half = 12.706204736432095 * math.log(2) / 2  # t with one degree of freedom, s = ln 2 / √2
    assert math.log(ratio.value) == pytest.approx(1.5 * math.log(2))
    assert (math.log(ratio.low), math.log(ratio.high)) == pytest.approx(
        (math.log(ratio.value) - half, math.log(ratio.value) + half)
    )


def test_without_intervals_there_is_no_difference():
    bare = [ShownReading("a", g, "distance", float(g), method="one chain: no interval", n=1) for g in (0, 1)]
    assert over_time(lines_of(*bare)["a"], is_ratio=False) is None


def test_an_interval_of_a_squared_quantity_does_not_go_below_0(tmp_path):
    study = Study("s", ("a",), tuple(seeds("a", [0.5, 0.5])), pages={"distance": SQUARED})
    page = write(study, tmp_path / "page.html").read_text()
    assert "<td>0.5<td>0<td>1.5" in page and "-0.5" not in page.split("<main>")[1].split('<section id="made">')[0]


def test_arms_that_train_on_the_same_say_it_once_and_each_is_compared(tmp_path):
    arms = ("replace", *(f"human_share={share}" for share in (0.1, 0.2, 0.3, 0.4)))
    policies = {arm: PolicyPage("A share of human records stays." if "share" in arm else "The newest part.") for arm in arms}
    readings = [reading for place, arm in enumerate(arms) for reading in seeds(arm, [5, 5 + 4 * place])]
    page = write(Study("s", arms, tuple(readings), policies=policies), tmp_path / "page.html").read_text()
    assert (
        page.count("A share of human records stays.") == 1
        and page.count("same policy as human_share=0.1, with the settings in its own name") == 3
    )
    assert 'data-label="compared with replace">4 [2.59, 5.41]' in page


def test_many_arms_whose_tails_say_no_are_warned_of_once():
    arms = [f"arm{i}" for i in range(5)]
    readings = [ShownReading(arm, g, "held_out_perplexity", 60.0 + g, 55.0, 65.0, "documents", 9) for arm in arms for g in (0, 1)]
    readings += [ShownReading(arm, g, "rare_words", 0.3, 0.2, 0.4, "documents", 9, at="1 time") for arm in arms for g in (0, 1)]
    (warning,) = warnings(measured(Study("s", tuple(arms), tuple(readings))))
    assert all(warning.count(f"{arm} (60 to 61; 30\xa0%)") == 1 for arm in arms) and warning.count("perplexity does not show") == 1


def test_words_that_the_generation_before_wrote_are_told_from_new_ones():
    texts = ["the cat sat on the mat", "a cat sat on the log", "quite another text"]
    samples = tuple(ShownSample("a", g, 0, "once", text) for g, text in enumerate(texts))
    ((writer,), _) = writers(Study("s", ("a",), samples=samples), 100_000)
    (continued,) = writer.prompts
    assert [text.runs for text in continued.texts] == [
        (("the cat sat on the mat", ""),),
        (("a ", ""), ("cat sat on the", "kept"), (" log", "")),
        (("quite another text", ""),),
    ]


def test_a_closed_form_carries_its_name_in_the_chart(tmp_path):
    pytest.importorskip("vl_convert")
    laws = tuple(Law("a", g, "distance", 5.0 + g, name="drift_of_a") for g in range(3))
    page = write(Study("s", ("a",), tuple(seeds("a", [5, 6, 7])), laws=laws), tmp_path / "page.html").read_text()
    chart = page.split('<div class="broad">')[1].split("</svg>")[0]
    assert "theory: drift_of_a" in chart


def test_a_closed_form_of_two_arms_that_end_apart_says_of_which(tmp_path):
    pytest.importorskip("vl_convert")
    laws = tuple(Law(arm, g, "distance", 5.0 + slope * g, name="drift") for arm, slope in (("a", 1), ("b", 40)) for g in range(3))
    readings = (*seeds("a", [5, 6, 7]), *seeds("b", [5, 45, 85]))
    page = write(Study("s", ("a", "b"), readings, laws=laws), tmp_path / "page.html").read_text()
    chart = page.split('<div class="broad">')[1].split("</svg>")[0]
    assert "theory of a: drift" in chart
    assert "theory of b: drift" in chart
