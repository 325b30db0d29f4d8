"""Small evidence for tests of measures: a run for every kind of records, and the tables of an audit."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from outcross.data.selected import Rejected
from outcross.data.tables import Absent, table
from outcross.experiment import experiment
from outcross.loop import run
from outcross.measures import Evidence
from outcross.statistics.sketches import gather
from outcross.testing.promises import arrays_of, unchanged

RUNS: dict[str, dict[str, Any]] = {
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
    "answers": {"human": {"kind": "sums", "answers": 3, "rows": 60}, "learner": "panel", "draw": {"prompts": "human"}},
    "blobs": {"human": {"distribution": "blobs", "rows": 80}, "learner": {"kind": "gaussian_mixture", "iterations": 5}},
    "selection": {
        "human": {"distribution": "normal", "rows": 60, "dimensions": 2},
        "learner": "gaussian",
        "draw": {"prompts": "none", "candidates": 2},
        "select": ["central"],
    },
}
"""A run for every kind of records that can be drawn from a distribution."""
KINDS = (*RUNS, "text", "groups", "table")


def evidence_for(part: Any) -> Evidence:
    """Evidence that a measure can read, including the sketches that it needs."""
    if "table" in part.needs:
        return counted(part, tables())
    kind = next(need for need in part.needs if need in KINDS)
    return texts() if kind in ("text", "groups") else of_kind(kind)


def counted(part: Any, evidence: Evidence) -> Evidence:
    """The evidence of an audit with the sketches that a measure needs, which are computed over every row."""
    sides = [gather(side, part.sketches(evidence)) for side in (evidence.drawn, evidence.reference)]
    return evidence.but(counted={sketch: (sides[0][sketch], sides[1][sketch]) for sketch in sides[0]})


def people(rng: np.random.Generator, n: int, width: float) -> pl.DataFrame:
    """A table with columns of every kind except series. The words of its texts and prompts are drawn by rank from a Zipf distribution."""
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
def tables() -> Evidence:
    """The evidence of an audit of three tables. The drawn one has less variance than the others."""
    rng = np.random.default_rng(1)
    sides = {"drawn": people(rng, 240, 0.8), "reference": people(rng, 240, 1.0), "holdout": people(rng, 240, 1.0)}
    kinds: Any = {"text": "text", "city": "category", "sex": "category"}
    given = {name: table(frame, name, kinds=kinds) for name, frame in sides.items()}
    over_cap = Evidence(drawn=given["drawn"].select(["y", "sex"]), reference=given["reference"].select(["y", "sex"]))
    absent = (Absent("age", "number", 230, 240, "drawn has it not"),)
    return Evidence(**given, groups=("sex",), target="city", absent=absent, over_cap=over_cap)


@cache
def of_kind(kind: str) -> Evidence:
    """The evidence of one generation of a run with records of this kind."""
    return _watched(_of_run(RUNS[kind]))


@cache
def texts() -> Evidence:
    """The evidence of one generation of an n-gram model of words."""
    frame = people(np.random.default_rng(2), 120, 1.0).with_columns(language=pl.col("sex"))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "texts.jsonl"
        path.write_text(frame.select("text", "language").write_ndjson())
        human = {"path": str(path), "text_column": "text", "group_column": "language", "rows": 60, "held_out": 0.2}
        learner = {"kind": "ngram", "tokens": "words"}
        return _watched(_of_run({"human": human, "learner": learner, "block": 14, "draw": {"prompts": "human"}}))


_is_as_made: dict[int, Callable[[], bool]] = {}
"""For each evidence that is kept, by its identity: whether its records are those that the run made."""


def _watched(evidence: Evidence) -> Evidence:
    sides = (evidence.drawn, evidence.kept, evidence.human.training.records)
    _is_as_made[id(evidence)] = unchanged([array for side in sides for array in arrays_of(side)])
    return evidence


def is_as_made(evidence: Evidence) -> bool:
    """Whether the records of kept evidence are those that the run made. If a part has changed them, the evidence is made anew for the next part."""
    same = _is_as_made[id(evidence)]()
    if not same:
        of_kind.cache_clear()
        texts.cache_clear()
    return same


def _of_run(more: dict[str, Any]) -> Evidence:
    (generation,) = run(experiment({"name": "small", "generations": 1, "draw": {"prompts": "none"}} | more))
    model = generation.model.value
    rejected = None if generation.selection is None else Rejected.of(generation.drawn.records, generation.selection.value.judged)
    return Evidence(
        drawn=generation.drawn, kept=generation.kept, training=generation.training.value, human=generation.human,
        model=model, first_model=model, rejected=rejected,
    )  # fmt: skip
