"""Shared parts of the measures of tables. A run and an audit call them in the same way and get the same readings of the same records."""

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
    """A measure of tables, which a run of one chain can also compute.

    In a run the records of a generation become a table (`as_table`), which is compared with human records as in an audit of these records.
    """

    needs = ("table",)
    libraries = (*Measure.libraries, "icu4py")  # cuts the texts of a run into words
    compares_with: ClassVar[Literal["reference", "training"]] = "reference"
    """The human records of a run that drawn records are compared with: the held-out records (reference), or those that generation 0 learned from
    (training)."""

    def of_run(self, evidence, rng):
        """Return the readings that an audit of the same records gives. It uses the random numbers of that audit instead of `rng`."""
        tables = as_tables(evidence, self.compares_with)
        sketches = [gather(side, self.sketches(tables)) for side in (tables.drawn, tables.reference)]
        counted = {name: (sketches[0][name], sketches[1][name]) for name in sketches[0]}
        return read_tables(self, tables.but(counted=counted))


def read_tables(measure: Measure, evidence: Evidence, seed: int = 0) -> list[Reading | Pointed | Reliability]:
    """Return the readings of a measure of tables whose sketches are counted, for runs and for audits.

    The random stream depends only on the name of the measure and on `seed`. Leaving a measure out therefore changes no other, and the
    same records give the same readings in a run and in an audit.
    """
    name = hashlib.sha256(kind(measure).encode()).digest()[:8]
    return list(measure(evidence, np.random.default_rng([seed, int.from_bytes(name, "little")])))


def as_tables(evidence: Evidence, compares_with: Literal["reference", "training"]) -> Evidence:
    """Return the evidence of a run as the tables that an audit of the same records would read. Raises NotApplicable if it has several chains.

    If there are no held-out human records, drawn records are compared with those that generation 0 learned from. If they are compared with
    these, the holdout is the second human sample, or the held-out records if there is no second sample. The second sample comes from the
    same documents as the training records, which are divided block by block, so the independent units are then records and not documents.
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
    """Return the tables that are compared without the words of prompts. Raises NotApplicable if this is not possible."""
    both = compared(evidence)
    drawn, human = (as_prompted_table(side.blocks, side.prompts) for side in (both.drawn, both.human))
    groups = (GROUP,) if all(GROUP in side.kinds for side in (drawn, human)) else ()
    training = evidence.human.training.records
    reference, holdout = (human, None) if both.human.blocks is training else (as_dealt_table(training), human)
    return Evidence(drawn=drawn, reference=reference, holdout=holdout, groups=groups, human_side=both.how)


def _target(human: Human, records: Any) -> str | None:
    """Return the target column: the label of a regression, or the column that a table names as its target. None if there is none."""
    if hasattr(human.truth, "coefficients"):
        return f"x{records.dimensions - 1}"
    return getattr(records, "target", None)
