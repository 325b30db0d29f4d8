"""What the report promises: one small file, nothing from outside, nothing executed, every number in a table."""

import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import polars
import pytest
from reading_frames import frame as readings_frame

import outcross
from outcross.cli import main
from outcross.errors import BadInput
from outcross.experiment.arms import arms as arms_of
from outcross.experiment.settings import flat_settings
from outcross.measures import Page
from outcross.measures.likelihood import BINS, named_bin
from outcross.report import Law, Making, PolicyPage, ShownAnswer, ShownReading, ShownSample, Study, join, write
from outcross.report.axes import axis
from outcross.report.charts import Size, chart, looks
from outcross.report.curves import Curve, CurvePoint, mean_over_seeds, measured
from outcross.report.drawing import draw
from outcross.report.headline import chief, sentence, warnings
from outcross.report.histograms import histogram
from outcross.report.multiples import multiples
from outcross.report.numerals import estimated, number
from outcross.report.sections import Pen, page_of
from outcross.verbs.run.page import study as study_of
from outcross.verbs.run.study import from_tables

SHUMAILOV = "Shumailov et al., Nature 2024, https://doi.org/10.1038/s41586-024-07566-y"
GERSTGRASSER = "Gerstgrasser et al., arXiv:2404.01413"


def described(title, definition="", unit="", healthy="", collapsed="", paper="", **more):
    """A page of which a report shows what is there."""
    return Page("", title, definition, unit, healthy, collapsed, **({"role": "quality", "paper": paper} | more))


METRICS = {
    "held_out_perplexity": described(
        "Held-out perplexity",
        "exp of the mean loss on human text that no model has seen; how surprised the model is by people.",
        "",
        "stays at generation 0's",
        "rises without bound",
        SHUMAILOV,
        log=True,
        worse="larger",
    ),
    "rare_words": described(
        "Rare words",
        "Of the words that are rare in human text, how many the generation writes over how many as much fresh human text holds.",
        "ratio",
        "1",
        "0",
        SHUMAILOV,
        worse="smaller",
    ),
    "vocabulary_ratio": described(
        "Vocabulary", "Distinct words over those of as many words of human text.", "fraction", "as human text", "0", worse="smaller"
    ),
    "entropy": described("Entropy", "Shannon entropy of the words written.", "nats a word", worse="smaller"),
    "log_variance": described(
        "Log variance",
        "Logarithm of the fitted variance, in units of the human one.",
        "nats",
        "0",
        "falls by a constant each generation",
        SHUMAILOV,
        worse="smaller",
    ),
}
POLICIES = {
    "replace": PolicyPage("the newest generation's output alone", SHUMAILOV),
    "human_share=0.1": PolicyPage("the newest output with 10 % human text", SHUMAILOV),
    "accumulate": PolicyPage("human text and the output of all generations so far", GERSTGRASSER),
    "replace,temperature=1": PolicyPage("the newest output alone, sampled at temperature 1", SHUMAILOV),
    "human_only": PolicyPage("human text alone, for as many steps"),
}
LIMITS = (
    "One learner of one size on one corpus; larger models may collapse more slowly.",
    "One seed: intervals cover the test documents, not the training.",
)
PERPLEXITY = {
    "replace": [61, 158, 421, 1267, 2948, 5166],
    "human_share=0.1": [61, 118, 161, 178, 182, 220],
    "accumulate": [61, 66, 74, 81, 88, 95],
    "replace,temperature=1": [61, 120, 157, 200, 257, 334],
    "human_only": [61, 61.4, 60.8, 61.2, 61.1, 60.9],
}
KEPT = {  # words seen 3-5 times
    "replace": [0.78, 0.41, 0.22, 0.12, 0.07, 0.04],
    "human_share=0.1": [0.78, 0.52, 0.44, 0.4, 0.38, 0.37],
    "accumulate": [0.78, 0.55, 0.41, 0.32, 0.25, 0.20],
    "replace,temperature=1": [0.78, 0.69, 0.6, 0.52, 0.44, 0.38],
    "human_only": [0.78, 0.77, 0.78, 0.79, 0.78, 0.78],
}
BANDS = {"1 time": 0.45, "2 times": 0.7, "3-5 times": 1.0, "6-10 times": 1.15}
DEFINITIONS = (
    "catastrophic increase of population risk",
    "any increase of population risk",
    "asymptotically diverging population risk",
    "collapsing variance",
    "change in scaling law",
    "disappearance or entanglement of real modes",
    "disappearance of real tail data",
    "appearance of hallucinated data",
)
PROSE = (
    "the parser reads a line, splits it at the first colon and strips what is left; "
    "if the key is unknown it raises an error that names the file.",
    "returns the first match, or None where the pattern does not occur. "
    "Compiled patterns are cached, so a loop need not keep its own.",
    "a socket that is already closed. The timeout is in seconds and may be a float; zero makes the call return at once.",
)


def reading(arm, generation, measure, value, *, at="", real=None, width=0.06, n=500, seed=0, note=""):
    known = value is not None
    return {
        "run": "stdlib",
        "arm": arm,
        "seed": seed,
        "generation": generation,
        "measure": measure,
        "at": at,
        "value": None if not known else float(value),
        "low": float(value) * (1 - width) if known else None,
        "high": float(value) * (1 + width) if known else None,
        "method": "bootstrap over documents" if known else None,
        "n": n if known else None,
        "null": real,
        "null_low": None if real is None else 0.97 * real,
        "null_high": None if real is None else 1.03 * real,
        "note": note,
    }


def text_readings():
    for arm, values in PERPLEXITY.items():
        for g, value in enumerate(values):
            yield reading(arm, g, "held_out_perplexity", value)
            yield reading(arm, g, "vocabulary_ratio", 0.62 * KEPT[arm][g] ** 0.35 / 0.78**0.35, width=0.03)
            yield reading(arm, g, "entropy", 6.9 + 1.2 * math.log(KEPT[arm][g] / 0.78), width=0.02)
            yield reading(arm, g, "bits_per_byte", 1.1 * math.log(value) / math.log(61), width=0.02)
            yield reading(arm, g, "log_variance", None, note="records are text, not numbers")
            for band, ease in BANDS.items():
                kept, real = min(0.97, KEPT[arm][g] * ease), min(0.98, 0.8 * ease)
                yield reading(arm, g, "rare_words", kept / real, at=band, real=1.0, width=0.09, n=2210)


def written(arm, generation, prompt_id):
    """Text that repeats itself the more, the higher the perplexity."""
    words = PROSE[prompt_id % len(PROSE)].split()
    stuck = min(len(words), round(4 * math.log(PERPLEXITY[arm][generation] / 60)))
    return " ".join(words[: len(words) - stuck] + (words[2:5] * stuck)[: 2 * stuck])


def text_samples():
    prompts = ('def read(path):\n    """Read a file: ', "This function ", "Raises an error when given ")
    for arm in PERPLEXITY:
        for g in range(6):
            for prompt_id, prompt in enumerate(prompts):
                yield {
                    "arm": arm,
                    "seed": 0,
                    "generation": g,
                    "prompt_id": prompt_id,
                    "prompt": prompt,
                    "text": written(arm, g, prompt_id),
                }


def text_profile():
    for arm in PERPLEXITY:
        collapsed = PERPLEXITY[arm][-1] > 200
        for number_, definition in enumerate(DEFINITIONS):
            answer = ("not_applicable", "cannot_tell")[number_ % 2] if number_ in (2, 4) else ("yes" if collapsed else "no")
            yield {
                "arm": arm,
                "seed": 0,
                "definition": definition,
                "answer": answer,
                "value": None if number_ in (2, 4) else PERPLEXITY[arm][-1] / 61,
                "low": None if number_ in (2, 4) else PERPLEXITY[arm][-1] / 66,
                "high": None if number_ in (2, 4) else PERPLEXITY[arm][-1] / 56,
                "when": 2 if answer == "yes" else None,
                "note": {2: "six generations cannot show a limit", 4: "one model size"}.get(number_, ""),
            }
        for definition, when in (("early collapse", 1), ("late collapse", 4)):
            answer = "yes" if collapsed else "no"
            row = {"arm": arm, "seed": 0, "definition": definition, "answer": answer, "value": None, "low": None, "high": None}
            yield {**row, "when": when if collapsed else None, "note": ""}


def frame(rows) -> polars.DataFrame:
    return polars.DataFrame(list(rows), infer_schema_length=None)


def study_of_tables(name, readings, metrics, policies=None, limits=(), run=None, **tables) -> Study:
    """The study of what `outcross run` leaves."""
    return from_tables(
        name, readings_frame(readings), pages=metrics, policies=policies, limits=limits, run=run,
        **{table: frame(rows) for table, rows in tables.items()},
    )  # fmt: skip


def gaussian_readings(seeds=1):
    for seed in range(seeds):
        noise = np.random.default_rng(seed).normal(0, 0.012, (2, 31))
        for index, (arm, slope) in enumerate({"replace": -0.011, "accumulate": -0.0006}.items()):
            for g in range(31):
                value = slope * g + noise[index, g]
                row = reading(arm, g, "log_variance", value, n=10_000, seed=seed)
                yield {**row, "low": value - 0.02, "high": value + 0.02, "method": "chains"}


def gaussian_laws():
    for arm, slope in {"replace": -0.011, "accumulate": -0.0006}.items():
        for g in range(31):
            yield {"arm": arm, "measure": "log_variance", "generation": g, "value": slope * g}


@pytest.fixture(scope="module")
def text_study():
    making = Making("stdlib", "name: stdlib\nblock: 64\n", json.dumps({"python": "3.11.7"}), 124, "outcross run stdlib")
    tables = {"samples": text_samples(), "profile": text_profile()}
    return study_of_tables("stdlib", text_readings(), METRICS, POLICIES, LIMITS, making, **tables)


@pytest.fixture(scope="module")
def gaussian_study():
    return study_of_tables("gaussian", gaussian_readings(), METRICS, laws=gaussian_laws())


class Written(HTMLParser):
    """The page as a browser's parser takes it: tags with attributes, the text of table cells, scripts."""

    def __init__(self, html: str):
        super().__init__(convert_charrefs=True)
        self.tags, self.cells, self.scripts, self.open, self.words = [], [], [], "", []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.open = tag
        if tag == "td":
            self.cells.append("")

    def handle_data(self, data):
        if self.open == "td":
            self.cells[-1] += data
        if self.open == "script":
            self.scripts.append(data)
        elif self.open != "style":
            self.words.append(data)

    def handle_endtag(self, tag):
        self.open = ""


def page_of_study(study, folder) -> Written:
    return Written(write(study, folder / "report.html").read_text(encoding="utf-8"))


def tiny(**changes) -> Study:
    readings = tuple(ShownReading("replace", g, "entropy", 3.0 - g, 2.9 - g, 3.1 - g, "chains", 9) for g in range(3))
    return replace(Study("tiny", ("replace",), readings), **changes)


def test_a_report_is_under_a_megabyte_and_the_same_bytes_twice(text_study, tmp_path):
    first = write(text_study, tmp_path / "a.html").read_bytes()
    assert len(first) < 1_000_000
    assert write(text_study, tmp_path / "b.html").read_bytes() == first


def test_the_engine_draws_the_same_chart_alike():
    vl_convert = pytest.importorskip("vl_convert")
    draw = vl_convert.vegalite_to_svg.__wrapped__  # which tests/drawn_once.py asks for a chart once
    data = {"values": [{"x": 1, "y": 2.5, "arm": "a"}, {"x": 2, "y": 1.25, "arm": "a"}, {"x": 1, "y": 3.0, "arm": "b"}]}
    encoding = {
        name: {"field": field, "type": kind}
        for name, field, kind in (("x", "x", "quantitative"), ("y", "y", "quantitative"), ("color", "arm", "nominal"))
    }
    specification = {"data": data, "mark": {"type": "line", "point": True}, "encoding": encoding}
    assert draw(specification) == draw(specification)


def test_nothing_is_fetched_and_only_papers_are_linked(text_study, gaussian_study, tmp_path):
    for study in (text_study, gaussian_study):
        for tag, attributes in page_of_study(study, tmp_path).tags:
            assert tag not in {"link", "img", "iframe", "object", "embed", "image", "foreignobject", "base"}
            assert not {"src", "srcset", "xlink:href", "action", "data"} & set(attributes)
            assert not [name for name in attributes if name.startswith("on")]
            if "href" in attributes:
                assert tag == "a" and attributes["href"].startswith(("https://", "#"))
            assert "url(" not in attributes.get("style", "")


def test_the_only_script_is_ours_whatever_the_data_say(tmp_path):
    hostile = "<script>alert(1)</script></textarea></style>\0\u202e\x1b[31m\ud800<img src=x onerror=alert(1)>{{7*7}}&quot;'\""
    study = Study(
        name=hostile,
        arms=(hostile, "b"),
        readings=tuple(
            ShownReading(arm, g, metric, 2.0 + g, 1.5, 3.5, hostile, 3, at=aspect, note=hostile)
            for arm in (hostile, "b")
            for g in range(3)
            for metric in ("held_out_perplexity", hostile)
            for aspect in ("", hostile)
        ),
        samples=tuple(ShownSample(hostile, g, 0, hostile, hostile) for g in range(3)),
        profile=(ShownAnswer(hostile, hostile, hostile, 1.0, 0.5, 1.5, 2, note=hostile),),
        pages={hostile: described(hostile, hostile, hostile, hostile, hostile, hostile)},
        policies={hostile: PolicyPage(hostile, 'javascript:alert(1) https://x.org/a"onclick=alert(1)')},
        limits=(hostile,),
        runs=(Making(hostile, hostile, hostile, 1, hostile),),
    )
    html = write(study, tmp_path / "report.html").read_text(encoding="utf-8")
    page = Written(html)
    ours = page_of_study(tiny(), tmp_path)
    assert page.scripts == ours.scripts and len(page.scripts) == 1
    assert not {"img", "textarea"} & {tag for tag, _ in page.tags}
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert not re.search("[\0\x1b\u202e\ud800]", html)
    assert "␀⟨U+202E⟩␛[31m" in html and "{{7*7}}" in html


def test_every_reading_is_in_a_table(text_study, tmp_path):
    cells = set(page_of_study(text_study, tmp_path).cells)
    cells = {cell.strip() for cell in cells}
    for reading in text_study.readings:
        if reading.value is None:
            continue
        assert {number(reading.value), number(reading.low), number(reading.high)} <= cells
        assert reading.is_floor or {reading.method, f"{reading.n:,}"} <= cells


def test_the_sentence_says_what_the_readings_hold(text_study):
    shown = measured(text_study)
    main = chief(shown)
    assert main is not None and main.measure == "held_out_perplexity"
    text = sentence(main, shown, page_of(text_study, main.measure, shown)).replace("\xa0", " ")
    assert text == (
        "After 5 generations, replace raised held-out perplexity from 61 to 5,166 (×85) and kept 5 % of the words seen 3-5 times "
        "that fresh human text of the same size holds; accumulate ended at 95 (×1.6), human_only ended at 60.9 (×1.0)."
    )


def test_perplexity_that_hides_lost_tails_is_called_out(text_study):
    texts = [warning.replace("\xa0", " ") for warning in warnings(measured(text_study))]
    assert len(texts) == 1 and texts[0].startswith(
        "accumulate has a loss that perplexity does not show (61 to 95, ×1.6): of the words"
    )
    assert texts[0].endswith("it writes only 25 % as many as fresh human text of the same size.")


def test_a_difference_whose_interval_includes_0_is_not_called_a_change():
    readings = tuple(ShownReading("a", g, "entropy", 3.0 + 0.01 * g, 2.5, 3.5, "chains", 9) for g in range(3))
    shown = measured(Study("s", ("a",), readings))
    text = sentence(shown[0], shown, described("Entropy"))
    # By hand: standard errors of 1 / 3.92 each, so that the half width is sqrt(2) / 2.
    assert text.endswith("the 95 % interval of the difference, 0.02 [-0.687, 0.727], includes 0.")


def test_seeds_are_drawn_as_their_mean_with_students_interval():
    point = mean_over_seeds([CurvePoint(4, value) for value in (2.0, 4.0, 9.0)], None)
    assert point.value == 5.0 and point.n == 3 and point.method == "seeds"
    # By hand: s = sqrt(13), t(2, 0.975) = 4.30265, so 4.30265 * sqrt(13 / 3) = 8.9567.
    assert point.high - 5 == pytest.approx(8.9567, abs=1e-3)


def test_several_seeds_keep_every_number(tmp_path):
    study = study_of_tables("seeds", gaussian_readings(seeds=3), METRICS)
    cells = {cell.strip() for cell in page_of_study(study, tmp_path).cells}
    assert {number(reading.value) for reading in study.readings} <= cells
    assert {"seeds", "mean"} <= cells


def test_a_closed_form_is_compared_point_by_point(gaussian_study, tmp_path):
    words = " ".join(page_of_study(gaussian_study, tmp_path).words)
    inside = sum(
        abs(reading.value - slope * reading.generation) <= 0.02
        for arm, slope in (("replace", -0.011),)
        for reading in gaussian_study.readings
        if reading.arm == arm
    )
    assert f"in the grey band: {inside} of 31 (replace)" in words


def test_means_over_three_seeds_are_compared_with_a_closed_form_by_students_interval(tmp_path):
    """Seeds 1, 2 and 3 with a closed form of 4: the mean is 2 and half of its interval 4.303 / √3, so that it is 0.8 half widths away."""
    readings = [reading("replace", g, "log_variance", float(seed), n=10, seed=seed) for seed in (1, 2, 3) for g in (0, 1)]
    laws = [{"arm": "replace", "measure": "log_variance", "generation": g, "value": 4.0} for g in (0, 1)]
    page = page_of_study(study_of_tables("seeds", readings, METRICS, laws=laws), tmp_path)
    assert "-0.8" in [cell.strip() for cell in page.cells] and "in the grey band: 2 of 2 (replace)" in " ".join(page.words)


def test_joined_studies_keep_their_arms_apart(text_study, gaussian_study, tmp_path):
    both = join([text_study, gaussian_study, gaussian_study])
    assert len(set(both.arms)) == len(both.arms) == 9
    assert "gaussian (2): replace" in both.arms
    assert {reading.arm for reading in both.readings} == set(both.arms)
    assert write(both, tmp_path / "report.html").stat().st_size < 1_000_000


def test_join_of_nothing_is_refused():
    with pytest.raises(BadInput, match="at least one"):
        join([])


@pytest.mark.parametrize(
    "study",
    [
        Study("nothing", ()),
        tiny(),
        tiny(readings=tiny().readings[:1]),
        tiny(readings=(ShownReading("replace", 0, "entropy", None, note="needs counts"),)),
        tiny(
            readings=(
                *tiny().readings,
                ShownReading("replace", 3, "entropy", math.nan),
                ShownReading("replace", 4, "entropy", math.inf),
            )
        ),
        tiny(readings=tuple(ShownReading("replace", g, "entropy", 0.0, 0.0, 0.0, "exact", 1) for g in range(3))),
        tiny(readings=tuple(ShownReading("replace", g, "entropy", 10.0 ** (300 - 300 * g)) for g in range(3))),
        tiny(readings=tuple(ShownReading("replace", g, "entropy", -5.0 - g, None, None) for g in range(3))),
        tiny(samples=(ShownSample("replace", 0, 7, "", ""),)),
        tiny(samples=(ShownSample("elsewhere", 0, 7, "p", "t"),)),
        tiny(laws=(Law("replace", 0, "entropy", 3.0), Law("absent", 0, "entropy", 3.0))),
        tiny(
            profile=(
                ShownAnswer("replace", "early collapse", "yes", when=1),
                ShownAnswer("replace", "early collapse", "no", seed=1),
            )
        ),
        tiny(readings=tuple(replace(reading, at=f"group {index}") for index, reading in enumerate(tiny().readings * 10))),
    ],
    ids=lambda study: f"{study.name}-{len(study.readings)}",
)
def test_missing_and_strange_pieces_still_give_a_page(study, tmp_path):
    page = page_of_study(study, tmp_path)
    assert any(tag == "h1" for tag, _ in page.tags)
    assert "traceback" not in " ".join(page.words).lower()


def test_what_moved_first_is_a_sentence_and_a_table_of_dates(tmp_path):
    signals = (
        ShownAnswer("replace", "rare things are lost", "yes", -0.4, -0.5, -0.3, 1, note="rare_words_beyond_prompt has changed"),
        ShownAnswer("replace", "groups drift apart", "not_applicable", note="no reading of group_loss_gap"),
        ShownAnswer("replace", "the model fits human data worse", "cannot_tell"),
        ShownAnswer("replace", "what moved first", "yes", when=1, note="First at generation 1: rare things are lost."),
    )
    words = " ".join(word.strip() for word in page_of_study(tiny(profile=signals), tmp_path).words)
    assert "What moved first?" in words and "replace First at generation 1: rare things are lost." in words
    assert "rare things are lost ● moved from generation 1 on" in words and "the model fits human data worse ? cannot tell" in words
    assert "groups drift apart" not in words  # no arm read it
    assert "What moved first?" not in " ".join(page_of_study(tiny(), tmp_path).words)


def test_the_headline_says_that_the_words_of_prompts_are_left_out():
    tails = tuple(
        ShownReading("replace", g, "rare_words_beyond_prompt", 0.9 - 0.3 * g, 0.1, 0.95, "permuted documents", 9, at="3-5 times")
        for g in range(3)
    )
    counted = tuple(replace(tail, measure="rare_words", value=1.0) for tail in tails)
    losses = tuple(
        ShownReading("replace", g, "held_out_perplexity", 60.0 + g, 59.0 + g, 61.0 + g, "documents", 9) for g in range(3)
    )
    study = tiny(readings=(*losses, *counted, *tails))
    shown = measured(study)
    (main,) = [curves for curves in shown if curves.measure == "held_out_perplexity"]
    text = sentence(main, shown, page_of(study, main.measure, shown)).replace("\xa0", " ")
    assert text.endswith(
        "kept 30 % of the words seen 3-5 times that fresh human text of the same size holds (not counting words of the own prompt on either side)."
    )


def test_decoding_and_learning_stand_under_their_own_heading(tmp_path):
    readings = tuple(
        ShownReading("replace", g, metric, 0.1 * g, 0.1 * g, 0.1 * g, "exact", 1)
        for metric in ("decoding_loss", "learning_loss")
        for g in range(4)
    )
    page = page_of_study(tiny(readings=(*tiny().readings, *readings)), tmp_path)
    assert "Decoding or learning?" in page.words and "0.3" in {cell.strip() for cell in page.cells}


def test_shares_in_bins_are_a_histogram_an_arm_and_a_bin_without_a_value_draws_no_line(tmp_path):
    bins = [named_bin(low, high) for low, high in pairwise((0.0, *map(float, BINS), math.inf))]

    def lines_of(names):
        rows = tuple(
            ShownReading(arm, g, "perplexity_histogram", 1 / len(bins), 0.0, 0.5, "Wilson over blocks", 50, at=name, is_floor=is_floor)
            for arm in ("replace", "accumulate") for g in range(5) for name in names for is_floor in (False, True)
        )  # fmt: skip
        study = tiny(arms=("replace", "accumulate"), readings=rows)
        places, pen = measured(study), Pen(looks(study.arms), 100_000)
        figure = histogram(study, "perplexity_histogram", places, page_of(study, "perplexity_histogram", places), pen, 1)
        return [panel.svg.count('class="mark-line') for panel in figure.panels]

    assert lines_of(bins) == [4, 4]  # human text, the first, the middle and the last generation
    assert lines_of(bins[1:]) == [0, 0]


def test_twelve_arms_have_twelve_looks(tmp_path):
    arms = tuple(f"human_share=0.{index:02d}" for index in range(12))
    readings = tuple(ShownReading(arm, g, "held_out_perplexity", 60.0 + g * i) for i, arm in enumerate(arms) for g in range(6))
    page = page_of_study(Study("twelve", arms, readings), tmp_path)
    lines = [tuple(sorted(at.items())) for tag, at in page.tags if tag == "line" and at.get("x2") == "29"]
    assert len(set(lines)) == 12


@pytest.mark.parametrize("width", [None, 0.06], ids=["no intervals", "intervals"])
def test_a_line_ends_where_its_name_is_tied(width):
    values = [61.0, 122.0, 244.0, 488.0]
    reach = {"low": 1 - width, "high": 1 + width} if width else {}
    points = tuple(CurvePoint(g, value, **{end: value * part for end, part in reach.items()}) for g, value in enumerate(values))
    over = axis(points, is_log=True)
    specification = chart([Curve("replace", points)], looks(["replace"]), over, Size(600, 300, labels=100))
    svg = draw(specification, "a")
    ends = [float(end) for end in re.findall(r"L[\d.]+,([\d.]+)\"", svg)]
    assert any(end == pytest.approx(over.pixel(488.0, 300), abs=0.02) for end in ends)


def test_a_long_study_stays_under_a_megabyte_and_says_what_it_leaves_out(tmp_path):
    arms = tuple(f"arm {index}" for index in range(12))
    readings = tuple(
        ShownReading(arm, g, f"metric_{m}", 1.0 + g + m, g + m, 2.0 + g + m, "bootstrap over documents", 500)
        for arm in arms
        for g in range(100)
        for m in range(20)
    )
    samples = tuple(ShownSample(arm, g, p, "start", "<&" * 400) for arm in arms for g in range(10) for p in range(8))
    target = write(Study("long", arms, readings, samples), tmp_path / "report.html")
    assert target.stat().st_size < 1_000_000
    words = " ".join(Written(target.read_text()).words)
    assert "all of them are in readings.parquet" in words and "more prompts are in samples.parquet" in words


def test_without_vl_convert_the_tables_are_still_there(text_study, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "vl_convert", None)
    page = page_of_study(text_study, tmp_path)
    words = " ".join(page.words)
    assert "pip install 'outcross[report]'" in words
    assert "5,166" in {cell.strip() for cell in page.cells}


def test_a_folder_without_readings_is_refused_with_the_way_out(tmp_path):
    with pytest.raises(BadInput, match="outcross run"):
        study_of(outcross.open(tmp_path))


def test_the_tables_of_a_run_fill_the_study(text_study):
    assert text_study.name == "stdlib" and text_study.arms == tuple(PERPLEXITY)
    assert text_study.runs[0].steps == 124
    floors = {reading.at for reading in text_study.readings if reading.is_floor}
    assert floors == set(BANDS)


SWEPT = {
    "name": "swept",
    "human": {"distribution": "normal", "rows": 20},
    "learner": "gaussian",
    "draw": {"prompts": "none"},
    "sweep": {"policy": ["replace", "accumulate"], "human.rows": [20, 50, 100], "draw.temperature": [0.9, 1.0]},
}


def swept(**changes) -> Study:
    """A study whose arms are a sweep, each falling at a speed of its own."""
    swept_arms = arms_of(SWEPT | changes)
    readings = tuple(
        ShownReading(
            arm.name,
            g,
            "log_variance",
            -g * (i + 1) / arm.experiment.human.rows,
            -g * (i + 1) / arm.experiment.human.rows - 0.01,
            1.0,
        )
        for i, arm in enumerate(swept_arms)
        for g in range(4)
    )
    return Study("swept", tuple(arm.name for arm in swept_arms), readings, pages=METRICS, settings=flat_settings(swept_arms))


def grids(study: Study):
    main_reading = chief(measured(study))
    assert main_reading is not None
    return multiples(study, main_reading, METRICS["log_variance"], Pen(looks(study.arms), 700_000))


def test_a_sweep_is_drawn_setting_by_setting_with_a_line_a_policy():
    (grid,) = grids(swept())
    assert [panel.title for panel in grid.figure.panels] == [
        f"human.rows = {rows}, draw.temperature = {temperature}" for rows in (20, 50, 100) for temperature in ("0.9", "1")
    ]
    assert grid.columns == 2 and [name for name, _ in grid.lines] == ["replace", "accumulate"]
    assert [group.title for group in grid.figure.table.groups] == [panel.title for panel in grid.figure.panels]
    assert all(len(group.rows) == 4 for group in grid.figure.table.groups)  # two lines, where they begin and end
    for panel in grid.figure.panels:
        assert all(look.colour in panel.svg for _, look in grid.lines)


def test_all_charts_of_a_grid_have_the_same_axes():
    (grid,) = grids(swept())
    axes = {tuple(re.findall(r'aria-label="([XY]-axis[^"]*)"', panel.svg)) for panel in grid.figure.panels}
    assert len(axes) == 1 and len(next(iter(axes))) == 2


def test_a_sweep_without_policies_draws_the_setting_of_fewest_values_as_lines():
    (grid,) = grids(swept(sweep={"human.rows": [20, 50, 100], "draw.temperature": [0.9, 1.0]}))
    assert [name for name, _ in grid.lines] == ["draw.temperature = 0.9", "draw.temperature = 1"]
    assert [panel.title for panel in grid.figure.panels] == ["human.rows = 20", "human.rows = 50", "human.rows = 100"]


def test_one_setting_or_arms_that_are_not_crossed_make_no_grid(text_study):
    assert grids(swept(sweep={"human.rows": [20, 50, 100]})) == []
    assert (
        grids(swept(sweep=None, arms=[{"policy": "replace"}, {"policy": "accumulate"}, {"policy": "replace", "human.rows": 5}]))
        == []
    )
    assert grids(replace(text_study, pages=METRICS)) == []


def test_a_grid_of_many_settings_says_how_many_it_leaves_out(tmp_path):
    many = {"policy": ["replace", "accumulate"], "human.rows": list(range(10, 20)), "draw.temperature": [0.8, 0.9, 1.0]}
    study = swept(sweep=many)
    (grid,) = grids(study)
    assert len(grid.figure.panels) == 24 and grid.left_out == 6 and len(grid.figure.table.groups) == 30
    target = write(study, tmp_path / "report.html")
    assert target.stat().st_size < 1_000_000
    assert "6 more settings are in the table" in " ".join(Written(target.read_text()).words)


def test_joined_runs_with_the_same_arms_are_drawn_run_by_run():
    simple = swept(sweep={"policy": ["replace", "accumulate"]})
    both = join([simple, replace(simple, name="again")])
    (grid,) = grids(both)
    assert [panel.title for panel in grid.figure.panels] == ["run = swept", "run = again"]
    assert [name for name, _ in grid.lines] == ["replace", "accumulate"]


def test_joined_runs_of_other_settings_each_have_their_grid():
    first, second = swept(), swept(sweep={"policy": ["replace", "human_only"], "human.rows": [30, 40]})
    every_grid = grids(join([first, replace(second, name="other")]))
    assert [(grid.run, len(grid.figure.panels)) for grid in every_grid] == [("swept", 6), ("other", 2)]


def test_the_slope_of_a_run_is_on_its_page_with_interval_and_closed_form(tmp_path):
    (tmp_path / "s.yaml").write_text(
        "{name: s, human: {distribution: normal, rows: 9}, learner: gaussian, draw: {prompts: none}, generations: 8, chains: 2000, "
        "store: readings, metrics: [fitted_law], sweep: {policy: [replace, human_only], human.rows: [10, 20, 40]}}"
    )
    with pytest.raises(SystemExit) as stopped:
        main(["run", str(tmp_path / "s.yaml"), "--out", str(tmp_path / "run"), "--quiet"])
    assert stopped.value.code == 0
    study = study_of(outcross.open(tmp_path / "run"))
    fitted = {slope.among: slope for slope in study.slopes if slope.quantity == "narrowing"}
    slope = fitted["replace"].slope
    assert slope is not None and slope.n == 3 and fitted["replace"].closed_form is not None
    page = Written((tmp_path / "run" / "report.html").read_text())
    words = " ".join(page.words)
    assert "What the speed of collapse depends on" in words
    cells = {cell.strip() for cell in page.cells}
    assert {estimated(slope.value, slope.low, slope.high), f"{fitted['replace'].closed_form:.2f}"} <= cells
    assert "no power law was fitted: the narrowing at 10, 20, 40 may be zero" in words  # human_only
    both = join([study, replace(study, name="again")])
    assert {slope.among for slope in both.slopes} == {
        f"{name}: {policy}" for name in ("s", "again") for policy in ("replace", "human_only")
    }
    assert {point.arm for slope in both.slopes for point in slope.points} <= set(both.arms)
    assert "again: replace" in " ".join(Written(write(both, tmp_path / "both.html").read_text()).words)


def test_a_small_share_is_drawn_over_its_own_range_and_a_large_one_over_the_whole():
    small = axis([CurvePoint(0, 0.001), CurvePoint(1, 0.012, 0.009, 0.015)], is_fraction=True)
    assert small.low == 0 and 0.015 <= small.high < 0.017 and small.ticks[0] == 0 and len(small.ticks) > 3
    large = axis([CurvePoint(0, 0.9), CurvePoint(1, 0.2)], is_fraction=True)
    assert (large.low, large.high) == (0, 1)
    nothing = axis([CurvePoint(0, 0.0), CurvePoint(1, 0.0)], is_fraction=True)
    assert nothing.low == 0 < nothing.high


@pytest.mark.parametrize("labels", [124, 190])
def test_names_of_joined_runs_are_told_apart_at_the_ends_of_their_lines(labels):
    arms = [
        f"{run}: {policy}"
        for run in ("stdlib", "stdlib (2)")
        for policy in ("accumulate_subsample", "human_share=0.1,temperature=1")
    ]
    curves = [Curve(arm, (CurvePoint(0, 1.0), CurvePoint(1, 2.0 + i))) for i, arm in enumerate(arms)]
    wide = 690 if labels == 190 else 330
    specification = chart(
        curves, looks(arms), axis([point for curve in curves for point in curve.points]), Size(wide, 300, labels=labels)
    )
    texts = [row["text"] for layer in specification["layer"] for row in layer["data"]["values"] if "text" in row]
    names = {text.rsplit(": ", 1)[0] for text in texts}
    assert len(names) == len(arms)
    if labels == 190:
        assert names == set(arms)


def test_two_runs_of_many_generations_leave_no_chart_out(tmp_path):
    def run(name):
        arms = ("replace", "accumulate", "accumulate_subsample", "human_share=0.1", "human_only")
        readings = tuple(
            ShownReading(arm, g, f"{name}_{m}", 1.0 + g + i, 0.5 + g + i, 1.5 + g + i, "chains", 2000)
            for m in range(6)
            for i, arm in enumerate(arms)
            for g in range(50)
        )
        return Study(name, arms, readings)

    target = write(join([run("one"), run("two")]), tmp_path / "compare.html")
    assert target.stat().st_size < 1_000_000
    assert "charts are left out" not in " ".join(Written(target.read_text()).words)


def test_tails_stand_beside_the_perplexity_setting_by_setting(tmp_path):
    swept_arms = arms_of(SWEPT | {"sweep": {"policy": ["replace", "accumulate"], "human.rows": [20, 50]}})
    readings = tuple(
        reading
        for i, arm in enumerate(swept_arms)
        for g in range(3)
        for reading in (
            ShownReading(arm.name, g, "held_out_perplexity", 60.0 + i * g, 50.0, 90.0, "bootstrap over documents", 9),
            ShownReading(arm.name, g, "rare_words", 0.7 - 0.1 * g, 0.1, 0.8, "permuted documents", 9, at="3-5 times"),
            ShownReading(arm.name, g, "rare_words", 1.0, None, None, "permuted documents", 9, at="3-5 times", is_floor=True),
        )
    )
    study = Study("text", tuple(arm.name for arm in swept_arms), readings, pages=METRICS, settings=flat_settings(swept_arms))
    words = " ".join(" ".join(page_of_study(study, tmp_path).words).split())
    assert "Held-out perplexity, setting by setting" in words
    assert "Rare words (words seen 3-5 times), setting by setting" in words


@pytest.mark.parametrize(("small", "is_apart"), [(0.001, True), (0.03, False)])
def test_shares_of_very_different_sizes_each_have_their_own_axis(small, is_apart, tmp_path):
    readings = tuple(
        ShownReading("replace", g, "tails_left", size * (1 + g), size * g, size * (2 + g), "chains", 9, at=aspect)
        for aspect, size in (("below 5 %", 0.05), ("below 0.1 %", small))
        for g in range(2)
    )
    page = page_of_study(
        tiny(readings=(*tiny().readings, *readings), pages={"tails_left": described("Tails left", unit="fraction")}), tmp_path
    )
    assert ("Each chart has its own axis." in page.words) == is_apart
