"""What measures do beyond the promises of their family (outcross.testing.measures): the order of rows, codes, roles."""

import numpy as np
import polars as pl
import pytest
from scipy.stats import hypergeom

from outcross.data.tables import table
from outcross.estimate import NotApplicable, Reading
from outcross.measures import ASPECTS, MEASURES, Pointed, leading, measure, pages_of_runs, standing_for
from outcross.measures.use import Use
from outcross.measures.writing import writings
from outcross.statistics.portraits import Reliability
from outcross.testing.evidence import counted, evidence_for
from outcross.testing.measures import values

STREAM, OTHER_STREAM = 7, 8


SLOW = {"use": Use(learners=("linear model",), fits=2)}
"""Measures that the default settings make slow."""


def measure_named(name):
    return SLOW[name] if name in SLOW else measure(name)()


def read(name, evidence, stream=STREAM):
    """The readings of a measure; none where it refuses the evidence, which it does in words."""
    try:
        every = list(measure_named(name)(evidence, np.random.default_rng(stream)))
    except NotApplicable as why:
        assert str(why)
        return []
    assert all(isinstance(entry, Reading | Pointed | Reliability) for entry in every)
    return [entry for entry in every if isinstance(entry, Reading)]


def shuffled(evidence):
    """The same records of an audit in another order."""
    rng = np.random.default_rng(3)
    sides = {"drawn": evidence.drawn, "reference": evidence.reference, "holdout": evidence.holdout}
    return evidence.but(**{name: side.take(rng.permutation(side.rows)) for name, side in sides.items()}, counted=None)


@pytest.mark.parametrize("name", [name for name in MEASURES if "table" in measure(name).needs and name != "use"])
def test_the_order_of_rows_moves_no_number_that_is_not_drawn_at_random(name):
    evidence = evidence_for(measure_named(name))
    first, second = values(read(name, evidence)), values(read(name, evidence, OTHER_STREAM))
    fixed = {key: value for key, value in first.items() if value is not None and value == second.get(key)}
    again = values(read(name, counted(measure_named(name), shuffled(evidence))))
    assert {key: again[key] for key in fixed} == pytest.approx(fixed, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    "name", ["rare_words", "prompt_copying", "verbatim_copies", "repeated_texts", "lexical_diversity", "text_quality"]
)
def test_the_order_of_rows_moves_nothing_of_a_column_of_text(name):
    """Not even what is drawn at random from the same stream, nor inside groups: texts have an order of their own."""
    evidence = evidence_for(measure_named(name))
    first, other = (
        [reading for reading in read(name, read_from) if reading.column == "text"]
        for read_from in (evidence, counted(measure_named(name), shuffled(evidence)))
    )
    assert first and other == first


def test_texts_come_in_one_order_whatever_the_order_of_rows_and_repeated_ones_are_scattered():
    rng = np.random.default_rng(4)
    said = pl.DataFrame(
        {"text": [f"text {i}" for i in range(500)] + ["the same"] * 500, "_document": [str(i % 90) for i in range(1000)]}
    )
    first, second = (writings(table(frame, kinds={"text": "text"}))["text"] for frame in (said, said[rng.permutation(1000)]))
    assert list(second.texts) == list(first.texts) and np.array_equal(second.documents, first.documents)
    repeated = sum(text == "the same" for text in first.texts[:200])
    assert hypergeom(1000, 500, 200).cdf(repeated) > 1e-5 and hypergeom(1000, 500, 200).sf(repeated - 1) > 1e-5


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
    # What data were chosen for, and what answers are asked about, lead where an experiment reads them; else perplexity does.
    assert next(name for name in leading() if name not in ("goal", "student_gain")) == "held_out_perplexity"
    assert set(leading()) <= set(pages_of_runs())


def test_every_aspect_has_a_measure():
    assert {measure(name).aspect for name in MEASURES} == set(ASPECTS)
