"""What the measures of texts share: which texts they compare, of all and inside groups."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from outcross.estimate import NotApplicable, Reading
from outcross.measures import Evidence, unread
from outcross.measures.groups import largest, named
from outcross.measures.of_tables import OfTables, as_tables
from outcross.measures.writing import Writing, writings, writings_inside

FEWEST_TEXTS = 30
"""Texts of a group a side, below which its language is not compared."""


class OfTexts(OfTables):
    """A measure of columns of text, which a run of texts reads unless it is told otherwise.

    What a generation wrote is held against the human text that generation 0 learned from: that says what was there to be lost, and to be copied.
    The records of a run have one column of text, so that its readings name no column.
    """

    needs = ("table", "text")
    compares_with = "training"

    def of_run(self, evidence, rng):
        if not as_tables(evidence, self.compares_with).reference.of_kind("text"):
            raise NotApplicable("the records of this run are no text")
        for record in super().of_run(evidence, rng):
            yield replace(record, column="") if isinstance(record, Reading) else record


def written(evidence: Evidence, column: str) -> Mapping[str, Writing]:
    """The texts of a column on every side."""
    return {side: writings(table)[column] for side, table in evidence.sides().items()}


def known_and_fresh(sides: Mapping[str, Writing], rng: np.random.Generator) -> tuple[Writing, Writing]:
    """Human text that says what people say, and other human text that is held against it: the reference and the holdout, else halves of the reference."""
    human = sides["reference"]
    return (human, sides["holdout"]) if "holdout" in sides else human.halves(rng)


def inside_groups(
    evidence: Evidence, most: int, measure: str, read: Callable[[str, Mapping[str, Writing]], Iterator[Reading]]
) -> Iterator[Reading]:
    """What is read of the texts of each group, at most so many of a column; of what has too few texts, why nothing is read."""
    for group_column, column in written_by(evidence):
        groups = largest(evidence, group_column)
        for value in groups[:most]:
            group = named((group_column,), (value,))
            sides = {side: writings_inside(table, column, group_column, value) for side, table in evidence.sides().items()}
            if why := too_few(len(sides["synthetic"]), len(sides["reference"])):
                yield unread(measure, why, column=column, group=group)
                continue
            yield from (replace(reading, group=group) for reading in read(column, sides))
        if why := left_out(groups, most):
            yield unread(measure, why, at=group_column, column=column)


def written_by(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """Each column that names groups, with each column of text that they write."""
    for group_column in evidence.groups:
        yield from ((group_column, column) for column in evidence.reference.of_kind("text") if column != group_column)


def too_few(synthetic: int, human: int) -> str:
    """Why the language of a group with so many texts is not compared; nothing where it is."""
    if min(synthetic, human) >= FEWEST_TEXTS:
        return ""
    return f"{synthetic} synthetic and {human} human texts, the language of a group is compared from {FEWEST_TEXTS} a side"


def left_out(groups: Sequence[str], most: int) -> str:
    """How many groups are not looked into; nothing where all are."""
    return f"the {len(groups) - most} smallest of {len(groups)} groups are not looked into" if len(groups) > most else ""


__all__ = ["OfTexts", "inside_groups", "known_and_fresh", "left_out", "too_few", "written", "written_by"]
