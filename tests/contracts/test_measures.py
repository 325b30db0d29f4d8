"""Promises of every measure, whoever asks: it is pure, it has a null where it is judged, and it refuses what does not suffice in words."""

from functools import cache
from typing import get_args

import numpy as np
import polars as pl
import pytest
from scipy.stats import hypergeom

import outcross
from outcross.data.selected import Rejected
from outcross.data.tables import Absent, table
from outcross.estimate import Estimate, NotApplicable, Reading
from outcross.measures import ASPECTS, MEASURES, Evidence, Pointed, Role, askers, leading, measure, pages_of_runs, standing_for
from outcross.measures.use import Use
from outcross.measures.writing import writings
from outcross.statistics.portraits import Reliability
from outcross.statistics.sketches import gather

RUNS = {
    "vectors": {"human": {"distribution": "normal", "rows": 60, "dimensions": 2}, "learner": "gaussian"},
    "counts": {"human": {"distribution": "categorical", "rows": 60, "states": 8, "law": "zipf"}, "learner": "categorical"},
    "pairs": {
        "human": {"distribution": "regression", "rows": 60, "dimensions": 2},
        "learner": "regression",
        "draw": {"prompts": "human"},
    },
    "images": {
        "human": {"kind": "images", "rows": 60},
        "learner": "vae",
        "training": {"epochs": 1, "batch": 32, "start": "scratch"},
    },
    "cells": {"human": {"distribution": "cells", "rows": 60}, "learner": "cells", "chains": 12},
    "labelled": {
        "human": {"kind": "coloured_digits", "rows": 120},
        "learner": {"kind": "labelling", "generator": {"kind": "principal", "components": 4, "learner": "gaussian"}},
    },
    "blobs": {"human": {"distribution": "blobs", "rows": 80}, "learner": {"kind": "gaussian_mixture", "iterations": 5}},
    "selection": {
        "human": {"distribution": "normal", "rows": 60, "dimensions": 2},
        "learner": "gaussian",
        "draw": {"prompts": "none", "candidates": 2},
        "select": ["central"],
    },
}
"""A run for every kind of records that is drawn from a distribution."""
SETTINGS = {"use": lambda: Use(learners=("linear model",), fits=2)}
"""Measures that the default settings make slow."""
STREAM, OTHER_STREAM = 7, 8


def people(rng, n, width):
    """A table with columns of every kind but series, and texts of words that are drawn by rank, each after a prompt of such words."""
    ranks, before = (np.minimum(rng.zipf(1.5, (n, many)), 200) for many in (12, 6))
    x = width * rng.normal(size=n)
    return pl.DataFrame(
        {
            "x": x,
            "y": 0.5 * x + rng.normal(size=n),
            "city": rng.choice(["a", "b", "c", "d"], n, p=[0.5, 0.3, 0.15, 0.05]),
            "sex": rng.choice(["f", "m"], n),
            "text": [" ".join(f"w{rank}" for rank in row) for row in ranks.tolist()],
            "_prompt": [" ".join(f"w{rank}" for rank in row) for row in before.tolist()],
        }
    )


@cache
def tables():
    rng = np.random.default_rng(1)
    sides = {"drawn": people(rng, 240, 0.8), "reference": people(rng, 240, 1.0), "holdout": people(rng, 240, 1.0)}
    kinds = {"text": "text", "city": "category", "sex": "category"}
    given = {name: table(frame, name, kinds=kinds) for name, frame in sides.items()}
    over_cap = Evidence(drawn=given["drawn"].select(["y", "sex"]), reference=given["reference"].select(["y", "sex"]))
    absent = (Absent("age", "number", 230, 240, "drawn has it not"),)
    return Evidence(**given, groups=("sex",), target="city", absent=absent, over_cap=over_cap)


def of_run(more):
    experiment = {"name": "small", "generations": 1, "draw": {"prompts": "none"}} | more
    (generation,) = outcross.run(outcross.experiment(experiment))
    model = generation.model.value
    rejected = None if generation.selection is None else Rejected.of(generation.drawn.records, generation.selection.value.judged)
    return Evidence(
        drawn=generation.drawn, kept=generation.kept, training=generation.training.value, human=generation.human,
        model=model, first_model=model, rejected=rejected,
    )  # fmt: skip


@cache
def texts(folder):
    frame = people(np.random.default_rng(2), 120, 1.0).with_columns(language=pl.col("sex"))
    (folder / "texts.jsonl").write_text(frame.select("text", "language").write_ndjson())
    human = {"path": str(folder / "texts.jsonl"), "text_column": "text", "group_column": "language", "rows": 60, "held_out": 0.2}
    learner = {"kind": "ngram", "tokens": "words"}
    return of_run({"human": human, "learner": learner, "block": 14, "draw": {"prompts": "human"}})


@pytest.fixture(scope="module")
def evidence_of(tmp_path_factory):
    """The evidence that a measure can read."""
    folder = tmp_path_factory.mktemp("texts")

    @cache
    def drawn(kind):
        return texts(folder) if kind in ("text", "groups") else of_run(RUNS[kind])

    return lambda name: counted(name, tables()) if "table" in measure(name).needs else drawn(measure(name).needs[0])


def made(name):
    return SETTINGS.get(name, measure(name))()


def counted(name, evidence):
    """The evidence of an audit with what the measure wants counted over every row."""
    sides = [gather(side, made(name).sketches(evidence)) for side in (evidence.drawn, evidence.reference)]
    return evidence.but(counted={sketch: (sides[0][sketch], sides[1][sketch]) for sketch in sides[0]})


def read(name, evidence, stream=STREAM):
    """The readings of a measure; none where it refuses the evidence, which it does in words."""
    try:
        every = list(made(name)(evidence, np.random.default_rng(stream)))
    except NotApplicable as why:
        assert str(why)
        return []
    assert all(isinstance(one, Reading | Pointed | Reliability) for one in every)
    return [one for one in every if isinstance(one, Reading)]


def values(readings):
    return {(one.measure, one.at, one.column, one.group): one.estimate and one.estimate.value for one in readings}


@pytest.mark.parametrize("name", MEASURES)
def test_a_measure_reads_the_same_from_the_same_stream_and_says_each_place_once(name, evidence_of):
    evidence = evidence_of(name)
    readings = read(name, evidence)
    assert readings and readings == read(name, evidence)
    assert len(values(readings)) == len(readings)
    assert any(one.estimate is not None for one in readings)


@pytest.mark.parametrize("name", MEASURES)
def test_a_reading_has_a_page_an_ordered_interval_and_a_reason_where_there_is_no_number(name, evidence_of):
    for one in read(name, evidence_of(name)):
        assert one.measure in measure(name).pages
        if one.estimate is None:
            assert one.note
            continue
        assert isinstance(one.estimate, Estimate) and one.estimate.method and one.estimate.n > 0
        if one.estimate.low is not None:
            low, high = one.estimate.interval
            assert low <= one.estimate.value <= high, one


@pytest.mark.parametrize("name", [name for name in MEASURES if any(page.margin for page in measure(name).pages.values())])
def test_what_is_judged_has_a_null_with_a_chance(name, evidence_of):
    judged = [one for one in read(name, evidence_of(name)) if one.estimate is not None]
    assert judged
    for one in judged:
        assert one.null is not None and one.null.method, one
        assert one.null.p is not None and 0 < one.null.p <= 1 and one.null.floor is not None


def shuffled(evidence):
    """The same records of an audit in another order."""
    rng = np.random.default_rng(3)
    sides = {"drawn": evidence.drawn, "reference": evidence.reference, "holdout": evidence.holdout}
    return evidence.but(**{name: side.take(rng.permutation(side.rows)) for name, side in sides.items()}, counted=None)


@pytest.mark.parametrize("name", [name for name in MEASURES if "table" in measure(name).needs and name != "use"])
def test_the_order_of_rows_moves_no_number_that_is_not_drawn_at_random(name, evidence_of):
    evidence = evidence_of(name)
    first, second = values(read(name, evidence)), values(read(name, evidence, OTHER_STREAM))
    fixed = {key: value for key, value in first.items() if value is not None and value == second.get(key)}
    told = values(read(name, counted(name, shuffled(evidence))))
    assert {key: told[key] for key in fixed} == pytest.approx(fixed, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    "name", ["rare_words", "prompt_copying", "verbatim_copies", "repeated_texts", "lexical_diversity", "text_quality"]
)
def test_the_order_of_rows_moves_nothing_of_a_column_of_text(name, evidence_of):
    """Not even what is drawn at random from the same stream, nor inside groups: texts have an order of their own."""
    evidence = evidence_of(name)
    first, other = (
        [one for one in read(name, told) if one.column == "text"] for told in (evidence, counted(name, shuffled(evidence)))
    )
    assert first and other == first


def test_texts_come_in_one_order_whatever_the_order_of_rows_and_repeated_ones_are_scattered():
    rng = np.random.default_rng(4)
    said = pl.DataFrame(
        {"text": [f"text {i}" for i in range(500)] + ["the same"] * 500, "_document": [str(i % 90) for i in range(1000)]}
    )
    one, other = (writings(table(frame, kinds={"text": "text"}))["text"] for frame in (said, said[rng.permutation(1000)]))
    assert list(other.texts) == list(one.texts) and np.array_equal(other.documents, one.documents)
    repeated = sum(text == "the same" for text in one.texts[:200])
    assert hypergeom(1000, 500, 200).cdf(repeated) > 1e-5 and hypergeom(1000, 500, 200).sf(repeated - 1) > 1e-5


@pytest.mark.parametrize("name", MEASURES)
@pytest.mark.parametrize("missing", ["everything", "reference", "human", "model"])
def test_evidence_that_does_not_suffice_is_refused_in_words(name, missing, evidence_of):
    evidence = Evidence() if missing == "everything" else evidence_of(name).but(**{missing: None})
    readings = read(name, evidence)
    assert missing != "everything" or all(one.estimate is None for one in readings)


def test_every_page_is_complete():
    for name in MEASURES:
        cls = measure(name)
        assert cls.aspect in ASPECTS and askers(cls) and cls.pages
        for page in cls.pages.values():
            assert (
                page.code and page.title and page.definition and page.unit and page.healthy_words and page.collapsed and page.paper
            )
            assert page.role in get_args(Role)
            assert page.margin is None or page.worse is not None


def test_codes_are_given_once_and_preferences_within_a_role_too():
    pages = [page for name in MEASURES for page in measure(name).pages.values()]
    codes = [page.code for page in pages]
    assert len(codes) == len(set(codes))
    preferred = [(page.role, page.preference) for page in pages if page.preference is not None]
    assert len(preferred) == len(set(preferred))


def test_a_role_is_stood_for_by_the_preferred_reading():
    assert standing_for("risk")[:2] == ("excess_loss", "held_out_loss")
    assert standing_for("tail") == ("rare_words_beyond_prompt", "rare_words")
    assert standing_for("diversity")[0] == "vocabulary_ratio_beyond_prompt"
    assert standing_for("use") == ()
    assert leading()[0] == "held_out_perplexity" and set(leading()) <= set(pages_of_runs())


def test_every_aspect_has_a_measure():
    assert {measure(name).aspect for name in MEASURES} == set(ASPECTS)
