"""What the measures of tables share: a run and an audit ask them alike, and get the same answers of the same records."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any, ClassVar, Literal

import numpy as np

from outcross.data import Human
from outcross.estimate import Reading
from outcross.measures import Evidence, Measure, Pointed
from outcross.measures.of_prompts import compared
from outcross.measures.tabular import GROUP, as_dealt_table, as_prompted_table, as_table
from outcross.recipe import kind
from outcross.statistics.portraits import Reliability
from outcross.statistics.sketches import gather


class OfTables(Measure):
    """A measure of tables, which a run of one chain can read too.

    In a run the records of a generation become a table (`as_table`), and are held against human records as an audit of them would be.
    """

    needs = ("table",)
    libraries = (*Measure.libraries, "icu4py")  # which cuts the texts of a run
    compares_with: ClassVar[Literal["reference", "training"]] = "reference"
    """Which human records of a run the drawn ones are held against: the held-out ones, or those that generation 0 learned from."""

    def of_run(self, evidence, rng):
        """What an audit of the same records reads, with the random numbers of that audit and not with `rng`."""
        tables = as_tables(evidence, self.compares_with)
        sketches = [gather(side, self.sketches(tables)) for side in (tables.drawn, tables.reference)]
        counted = {name: (sketches[0][name], sketches[1][name]) for name in sketches[0]}
        return read_tables(self, tables.but(counted=counted))


def read_tables(measure: Measure, evidence: Evidence, seed: int = 0) -> list[Reading | Pointed | Reliability]:
    """What a measure reads of tables, its sketches counted, whoever asks.

    Random numbers come from a stream that the name of the measure and `seed` decide. So leaving a measure out changes no other, and the
    same records give the same readings in a run and in an audit.
    """
    from threadpoolctl import threadpool_limits

    name = hashlib.sha256(kind(measure).encode()).digest()[:8]
    # The matrices are small: threads of BLAS wait for each other longer than they work.
    with threadpool_limits(1, user_api="blas"):
        return list(measure(evidence, np.random.default_rng([seed, int.from_bytes(name, "little")])))


def as_tables(evidence: Evidence, compares_with: Literal["reference", "training"]) -> Evidence:
    """The evidence of a run as the tables that an audit of the same records would read; NotApplicable where it has several chains.

    Where there are no held-out human records, drawn ones are held against those that generation 0 learned from. Where they are held
    against these, the held-out ones are the holdout, unless there is another: that one was dealt to the same documents record by record,
    so that records and not their documents are independent.
    """
    human: Human = evidence.human
    is_dealt = compares_with == "training" and human.holdout is not None
    table_of = as_dealt_table if is_dealt else as_table
    training, held_out, other = (
        None if part is None else table_of(part.records) for part in (human.training, human.reference, human.holdout)
    )
    reference = training if compares_with == "training" or held_out is None else held_out
    holdout = held_out if other is None and reference is training else other
    drawn = table_of(evidence.drawn)
    are_grouped = reference is not None and all(GROUP in side.kinds for side in (drawn, reference))
    target = _target(human, evidence.drawn)
    prompted = cache(lambda: _beside_prompts(evidence)) if compares_with == "training" and human.kind == "text" else None
    groups = (GROUP,) if are_grouped else ()
    return Evidence(drawn=drawn, reference=reference, holdout=holdout, groups=groups, target=target, beside_prompts=prompted)


def _beside_prompts(evidence: Evidence) -> Evidence:
    """The tables that are compared without the words of prompts; NotApplicable where they cannot be."""
    both = compared(evidence)
    drawn, human = (as_prompted_table(side.blocks, side.prompts) for side in (both.drawn, both.human))
    groups = (GROUP,) if all(GROUP in side.kinds for side in (drawn, human)) else ()
    training = evidence.human.training.records
    reference, holdout = (human, None) if both.human.blocks is training else (as_dealt_table(training), human)
    return Evidence(drawn=drawn, reference=reference, holdout=holdout, groups=groups, human_side=both.how)


def _target(human: Human, records: Any) -> str | None:
    """The column that people would predict: the label of a regression, or the one that rows of a table name."""
    if hasattr(human.truth, "coefficients"):
        return f"x{records.dimensions - 1}"
    return getattr(records, "target", None)
