"""Stratified reparation."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field, model_validator

from outcross.attributes import ATTRIBUTES, Attribute
from outcross.errors import BadInput
from outcross.filters import Candidates, Filter, FilterPage, Selection
from outcross.filters.judging import attribute_of
from outcross.recipe import FROM_LIST, many_of, recipe
from outcross.statistics.cells import star_counts, star_rows


@recipe
class StarFilter(Filter):
    """Keep as many records of every cell, class by group, as far as there are any; fill up with records that nobody chose.

    B = `share` × n records are kept. The last B candidates are set aside. Of the others the first ⌊B/K⌋ of each of the K cells
    are kept; what is missing then to B is filled up with the first of those set aside, whatever their cell. A model's draws
    come one after the other from one law, so that these are fresh draws. Their number is noted: they keep the collapsed shares.
    """

    selects_counts = True
    page = FilterPage(
        "stratified reparation (STAR)",
        "⌊B/K⌋ records of each of the K cells of the columns named, the rest uncurated.",
        "A cell that has died out stays dead, and the fill-in keeps the shares that reparation is to mend. Groups that a classifier guesses are only as right as it is.",
        "Wyllie, Shumailov and Papernot, Fairness Feedback Loops, FAccT 2024, arXiv 2403.07857",
    )

    columns: Annotated[tuple[str, ...], FROM_LIST] = ()
    """Columns whose values together name the cell of a record, as its class and its group."""
    attributes: Annotated[tuple[Attribute, ...], many_of(ATTRIBUTES, "attributes")] = ()
    """Attributes of texts that name the cell too, each cut into `parts` at the quantiles of the human texts."""
    parts: Annotated[int, Field(ge=2, le=100)] = 2
    """Parts that an attribute is cut into."""
    share: Annotated[float, Field(gt=0, le=0.5)] = 1 / 3
    """Records kept as a fraction of the candidates, in (0, 1/2]: half of them leaves no extra budget, a third as many again (R = B)."""
    cells: Annotated[int, Field(ge=1)] | None = None
    """How many cells there are; None: those that occur among the candidates and the human records."""

    @model_validator(mode="after")
    def _names_a_cell(self):
        if not self.columns and not self.attributes:
            raise ValueError("columns are needed: name those whose values make the cells, as columns: [label, group]")
        return self

    @property
    def samples(self):
        return "rows"

    @property
    def needs(self):
        return ("texts",) if self.attributes else ()

    @property
    def prefers(self):
        return "cells that have few records"

    def bounds(self, candidates):
        return self._wanted(candidates), self._wanted(candidates)

    def _wanted(self, candidates: int) -> int:
        """B, the records that are kept."""
        return round(self.share * candidates)

    def reads(self, columns):
        return self.columns

    def select_counts(self, counts, rng):
        *chains, classes, groups = counts.shape
        flat = counts.reshape(*chains, classes * groups)
        wanted = self._some(int(flat.reshape(-1, classes * groups)[0].sum()))
        kept, filled = star_counts(flat, wanted, self.cells or classes * groups, rng)
        facts = {"fill_in": int(filled.sum()), "kept": wanted * filled.size, "quota": wanted // (self.cells or classes * groups)}
        return kept.reshape(counts.shape), facts

    def _some(self, candidates: int) -> int:
        """B, where it is a record at least."""
        if (wanted := self._wanted(candidates)) < 1:
            raise BadInput(f"star keeps {self.share:g} of {candidates} candidates, which is no record; raise share")
        return wanted

    def select(self, candidates, rng):
        wanted = self._some(len(candidates))
        names, human = self._named(candidates)
        cells, number = np.unique(names, return_inverse=True)
        known = self.cells or len(set(cells) | set(human))
        if known < len(cells):
            raise BadInput(f"star was told of {known} cells, the candidates have {len(cells)}; raise cells or leave it out")
        return repaired(number, wanted, known, [str(cell) for cell in cells])

    def _named(self, candidates: Candidates) -> tuple[np.ndarray, np.ndarray]:
        """The cell of every candidate and of every human record, in words. No human record where there are none to compare with."""
        from outcross.estimate import NotApplicable

        own, of_people = [], []
        try:
            human = candidates.human
            len(human)
        except NotApplicable:
            if self.attributes:
                raise
            human = None
        for name in self.columns:
            own.append(_words(candidates, name))
            if human is not None and name in human.columns:
                of_people.append(_words(human, name))
        for attribute in self.attributes:
            assert human is not None
            mine, theirs = attribute_of(candidates, attribute), attribute_of(human, attribute)
            cuts = np.nanquantile(theirs, np.arange(1, self.parts) / self.parts)
            own.append(np.searchsorted(cuts, mine, side="right").astype(str))
            of_people.append(np.searchsorted(cuts, theirs, side="right").astype(str))
        has_all = human is not None and len(of_people) == len(own)
        return _joined(own), _joined(of_people) if has_all else np.zeros(0, dtype=object)


def repaired(cell: np.ndarray, wanted: int, cells: int, names: list[str]) -> Selection:
    """The selection of candidates whose cells have these numbers, (n,)."""
    quota, offered = wanted // cells, len(cell) - wanted
    times = star_rows(cell, wanted, cells)
    filled = int(times[offered:].sum())
    counts = dict(zip(names, np.bincount(cell[:offered], minlength=len(names)).tolist(), strict=True))
    reason = np.where(np.arange(len(cell)) < offered, 0, 1)
    reason[times > 0] = -1
    note = f"{filled} of {wanted} records are fill-ins, drawn without regard to their cell; a cell gets {quota} at most."
    facts = {"fill_in": filled, "quota": quota, "offered": counts, "cells": cells}
    return Selection(
        times, reason=reason, reasons=("its cell is full", "set aside for the fill-in and not needed"), notes=(note,), facts=facts
    )


def _words(candidates: Candidates, name: str) -> np.ndarray:
    import polars

    return candidates.column(name).cast(polars.String).fill_null("missing").to_numpy()


def _joined(names: list[np.ndarray]) -> np.ndarray:
    """The values of several columns as one word a record."""
    return np.array([" × ".join(map(str, row)) for row in zip(*names, strict=True)], dtype=object)
