"""Are the numbers of a column higher or lower?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from outcross.data.columns import moment
from outcross.estimate import NotApplicable
from outcross.measures import Page, read_with_null, unread
from outcross.measures.of_tables import OfTables
from outcross.recipe import recipe
from outcross.statistics.location import median_shift, superiority


@recipe
class Location(OfTables):
    """Whether the numbers of a column are higher or lower than those of the reference, independent of their scale."""

    aspect = "spread"
    pages = {
        "location": Page(
            "SP10", "location", "Share of pairs of a synthetic and a human record in which the synthetic number is larger; ties count half. The tolerance corresponds to a shift by a tenth of a standard deviation of a normal column. The note gives the shift of the median in the column's own unit.",
            unit="fraction", healthy=0.5, collapsed="away from a half",
            margin=0.028, worse="either", margin_kind="difference", records=(2_203, "normal numbers"), role="spread", paper="Brunner and Munzel, Biom. J. 42:17, 2000",
        ),
    }  # fmt: skip

    def __call__(self, evidence, rng):
        columns = evidence.reference.of_kind("number")
        if not columns:
            yield unread("location", "no column of numbers")
        for column in columns:
            synthetic, human = (side.known_numbers(column) for side in (evidence.drawn, evidence.reference))
            unit = evidence.reference.unit(column)
            note = _shift(synthetic, human, unit)
            reading = read_with_null(
                "location", lambda ours=synthetic, theirs=human: superiority(ours, theirs), column=column, note=note
            )
            medians = [float(np.median(values)) if values.size else None for values in (human, synthetic)]
            yield replace(reading, before=medians[0], after=medians[1], unit=unit)


def _shift(synthetic: np.ndarray, human: np.ndarray, unit: str) -> str:
    """Return a note with both medians and the shift between them. The shift of times is in days, or in hours for times of day."""
    if not min(synthetic.size, human.size):
        return ""
    try:
        ours, theirs, shift = median_shift(synthetic, human)
        low, high = shift.interval
    except NotApplicable:
        return ""
    medians = [moment(median, unit) if unit else f"{_rounded(median):,.15g}" for median in (theirs, ours)]
    scale, of_unit = {"": (1, ""), "day": (1, " days"), "clock": (24, " hours")}[unit]
    value, *ends = (f"{_rounded(scale * number):+,.15g}" for number in (shift.value, low, high))
    return f"median {medians[0]} in the reference, {medians[1]} here: a shift of {value} [{', '.join(ends)}]{of_unit}"


def _rounded(number: float) -> float:
    return float(f"{number:.4g}")
