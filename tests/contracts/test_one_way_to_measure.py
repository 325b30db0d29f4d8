"""A run and an audit of the very records that it drew give the same number with the same interval.

A run is done, its records are handed to `outcross.audit` beside the human records that the run compared them with, and the two are held
against each other: value, low and high, and what real data show. What only a run can take (how likely its text is to its own first model,
how much decoding loses) is no reading of an audit, and has another name.
"""

import json
from dataclasses import dataclass
from functools import cache

import numpy as np
import polars as pl
import pytest

import outcross
from outcross.measures import BEYOND, Evidence
from outcross.measures.of_tables import as_tables
from outcross.measures.tabular import as_dealt_table, as_table

pytestmark = pytest.mark.usefixtures("without_charts")

ROWS = 600
TEMPERATURE = 0.8
TIGHT = 1e-9
"""Relative difference that is none: an audit tells its numbers to ten digits."""
STATES = ["tails", {"kind": "coverage", "draws": 49}, "diversity"]
TABLES = {
    "numbers": {"variance", "location", "interquartile_range", "mass", "beyond_range"},
    "points": {
        "variance", "interquartile_range", "direction", "mass", "beyond_range", "precision", "recall", "density", "coverage", "clusters",
        "pair_support", "correlation", "distinct_rows", "distinct_values", "copied_values", "vendi", "near_duplicates",
    },
    "copies": {"exact", "near"},
    "states": {"rare_categories", "rare_mass", "unseen_categories", "pair_support", "effective_categories", "effective_rows"},
    "regression": {"variance", "interquartile_range", "mass", "correlation"},
    "text": {
        "rare_words", "verbatim", "longest_run", "repeated_texts", "alike_texts", "vocabulary_ratio", "distinct_n", "word_entropy",
        "hapax_share", "zipf_slope", "compression", "repetition", "known_words",
    },
    "qualities of text": {"spread", "attribute_beyond_range", "surprise"},
}  # fmt: skip
"""Records that a run has as a table, and of which checks an audit of them has a number at least."""


@dataclass(frozen=True)
class Both:
    """What a run read of its records, and what an audit of the same records found."""

    checks: pl.DataFrame
    every: dict
    """The readings of the run by the measure, the place, the column and the group."""

    def reading(self, check):
        """What the run read where an audit has this check. The text of a run is its one column, which its readings need not name."""
        named = check["metric"], check["at"], check["column"], check["group"]
        return self.every.get(named) or self.every[named[0], named[1], "", named[3]]


def both(experiment, frame_of, aspects, against="reference", **question):
    """The first generation of a run, audited against the human records with which the run compares."""
    generation = next(iter(outcross.run(outcross.experiment(experiment))))
    human = generation.human
    reference = human.training if human.reference is None or against == "training" else human.reference
    assert reference is not None
    holdout = None if human.holdout is None else frame_of(human.holdout.records)
    audit = outcross.audit(
        frame_of(generation.drawn.records), reference=frame_of(reference.records), holdout=holdout, aspects=aspects, **question
    )
    every = {(reading.measure, reading.at, reading.column, reading.group): reading for reading in generation.measured}
    return Both(audit.checks, every), generation


def number_frame(records):
    return pl.DataFrame(records.array, schema=[f"x{i}" for i in range(records.array.shape[-1])])


def dealt_frame(records):
    return as_dealt_table(records).records


def text_frame(records):
    return as_table(records).records


def state_frame(records):
    counts = records.array
    return pl.DataFrame({"state": [f"state {i}" for i in np.repeat(np.arange(counts.size), counts).tolist()]})


@pytest.fixture(scope="module")
def looked_at(tmp_path_factory):
    """What both say of numbers, of points, of text and of states, each done when it is first asked for."""
    folder = tmp_path_factory.mktemp("both")

    def drawn(dimensions, rows, metrics, aspects, against="reference"):
        np.save(folder / f"{dimensions}.npy", np.random.default_rng(0).standard_normal((3 * rows, dimensions)))
        experiment = {
            "name": "numbers",
            "human": {"array": str(folder / f"{dimensions}.npy"), "rows": rows},
            "learner": "gaussian",
            "draw": {"temperature": TEMPERATURE, "prompts": "none"},
            "generations": 1,
            "metrics": metrics,
        }
        return both(experiment, number_frame, aspects, against)

    @cache
    def numbers():
        return drawn(1, ROWS, ["fitted_law", "spread", "location", "tails", "tail_mass"], ("spread", "tails"))

    @cache
    def points():
        aspects = [{"kind": "coverage", "draws": 49}, "spread", "tails", "structure", "diversity"]
        return drawn(4, ROWS // 2, [*aspects, "location"], aspects)

    @cache
    def copies():
        return drawn(3, ROWS // 2, ["copying"], ("copying",), "training")

    def written(frame_of, metrics, aspects, against):
        from pydoc_data.topics import topics

        paragraphs = [paragraph for topic in sorted(topics) for paragraph in topics[topic].split("\n\n") if len(paragraph) >= 80]
        (folder / "topics.jsonl").write_text("\n".join(json.dumps({"text": paragraph}) for paragraph in paragraphs))
        experiment = {
            "name": "text",
            "human": {"path": str(folder / "topics.jsonl"), "text_column": "text", "rows": 600, "held_out": 0.2},
            "learner": {"kind": "ngram", "tokens": "words"},
            "block": 16,
            "draw": {"temperature": TEMPERATURE},
            "generations": 1,
            "metrics": metrics,
        }
        return both(experiment, frame_of, aspects, against, text_column="text")

    @cache
    def text():
        aspects = ["rare_words", "lexical_diversity", "verbatim_copies", "repeated_texts"]
        return written(dealt_frame, [*aspects, "prompt_copying"], aspects, "training")

    @cache
    def qualities():
        return written(text_frame, ["text_quality"], ("text_quality",), "reference")

    @cache
    def states():
        experiment = {
            "name": "states",
            "human": {"distribution": "categorical", "rows": 2000, "states": 300, "law": "zipf"},
            "learner": "categorical",
            "draw": {"temperature": TEMPERATURE, "prompts": "none"},
            "generations": 1,
            "metrics": ["support", "memory", *STATES],
        }
        return both(experiment, state_frame, STATES, kinds={"state": "category"})

    @cache
    def regression():
        experiment = {
            "name": "regression",
            "human": {"distribution": "regression", "rows": ROWS, "dimensions": 2},
            "learner": "regression",
            "draw": {"prompts": "human"},
            "generations": 1,
            "metrics": ["spread", "location", "tails", "structure"],
        }
        return both(experiment, number_frame, ("spread", "tails", "structure"))

    return {
        "numbers": numbers, "points": points, "copies": copies, "states": states, "regression": regression, "text": text,
        "qualities of text": qualities,
    }  # fmt: skip


@pytest.mark.parametrize("data", TABLES)
def test_every_check_of_an_audit_is_the_reading_of_a_run(data, looked_at):
    """The value, both ends of its interval, what real data show, and how often real data look as bad."""
    sides, _ = looked_at[data]()
    with_number = set()
    for check in sides.checks.to_dicts():
        if check["metric"].endswith(BEYOND):  # the records are audited without their prompts
            assert check["value"] is None and "needs the prompt of each text" in check["why"]
            continue
        reading = sides.reading(check)
        if check["value"] is None:
            assert reading.estimate is None and reading.note == check["why"]
            continue
        with_number.add(check["metric"])
        estimate, null = reading.estimate, reading.null
        numbers = [estimate.value, estimate.low, estimate.high, null and null.typical, null and null.floor, null and null.p]
        audited = [check[name] for name in ("value", "low", "high", "real_vs_real", "floor", "p")]
        assert numbers == pytest.approx(audited, rel=TIGHT, abs=1e-12)
        assert (estimate.n, estimate.method) == (check["n"], check["method"])
    assert with_number >= TABLES[data]


def test_an_audit_of_texts_beside_their_prompts_is_the_reading_of_a_run(looked_at):
    """What a run reads without the words of prompts an audit reads of the same texts with a column `_prompt`."""
    sides, generation = looked_at["text"]()
    compared = as_tables(Evidence(drawn=generation.drawn, human=generation.human), "training").beside_prompts
    audit = outcross.audit(
        compared.drawn.records, reference=compared.reference.records, holdout=compared.holdout.records,
        aspects=["rare_words", "lexical_diversity", "prompt_copying"], text_column="text",
    )  # fmt: skip
    with_number = set()
    for check in audit.checks.to_dicts():
        if check["value"] is not None and (check["metric"].endswith(BEYOND) or check["metric"] == "prompt_copying"):
            with_number.add(check["metric"])
            estimate = sides.reading(check).estimate
            audited = [check[name] for name in ("value", "low", "high")]
            assert [estimate.value, estimate.low, estimate.high] == pytest.approx(audited, rel=TIGHT, abs=1e-12)
    assert with_number == {
        "rare_words_beyond_prompt", "vocabulary_ratio_beyond_prompt", "word_entropy_beyond_prompt", "hapax_share_beyond_prompt",
        "known_words_beyond_prompt", "prompt_copying",
    }  # fmt: skip


# The defect as it was found: a normal distribution drawn at a temperature of 0.8.


def test_a_run_reads_the_variance_ratio_of_the_drawn_records(looked_at):
    sides, generation = looked_at["numbers"]()
    drawn, human = generation.drawn.records.array[:, 0], generation.human.reference.records.array[:, 0]
    estimate = sides.every["variance", "", "x0", ""].estimate
    assert estimate.value == pytest.approx(drawn.var(ddof=1) / human.var(ddof=1), rel=1e-10)
    assert estimate.low < estimate.value < estimate.high


def test_the_fitted_law_is_not_what_was_drawn_from_it(looked_at):
    """The model of generation 0 is as wide as the records that it learned from; what it draws at a low temperature is not."""
    sides, generation = looked_at["numbers"]()
    human = generation.human.training.records.array[:, 0].var(ddof=1) / generation.human.reference.records.array[:, 0].var(ddof=1)
    assert sides.every["spread_ratio", "", "", ""].estimate.value == pytest.approx(human, rel=1e-10)
    assert sides.every["variance", "", "x0", ""].estimate.value < 0.9 * human


def test_what_is_compared_as_a_table_needs_one_chain_and_its_records():
    numbers = {"name": "many", "human": {"distribution": "normal", "rows": 50}, "learner": "gaussian", "generations": 1}
    numbers |= {"draw": {"prompts": "none"}, "metrics": ["+spread"]}
    with pytest.raises(
        outcross.BadInput, match="the metric spread reads the records of one chain as a table, but chains is 5; write chains: 1"
    ):
        outcross.experiment(numbers | {"chains": 5})
    with pytest.raises(outcross.BadInput, match=r"single records, but human\.records is moments; write human\.records: points"):
        outcross.experiment(numbers | {"human": numbers["human"] | {"records": "moments"}})
    assert "spread" not in [reading.aspect for reading in outcross.experiment(numbers | {"metrics": ["tail_mass"]}).measured]
