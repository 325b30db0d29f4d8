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
    """Keep an equal number of records of every cell (class and group), as far as they exist, and fill up with records that are not selected by cell.

    B = `share` × n records are kept. The last B candidates are set aside. Of the others the first ⌊B/K⌋ of each of the K cells
    are kept. The number that is then missing to B is taken from the start of those set aside, whatever their cell. A model's draws
    are independent and identically distributed, so that these fill-ins are fresh draws. Their number is reported, because they keep
    the collapsed shares.
    """

    selects_counts = True
    page = FilterPage(
        "stratified reparation (STAR)",
        "⌊B/K⌋ records of each of the K cells of the named columns are kept, and the rest is filled up without selection.",
        "A cell without records stays empty, and the fill-in keeps the shares that reparation should correct. Groups that a classifier predicts are only as correct as the classifier.",
        "Wyllie, Shumailov and Papernot, Fairness Feedback Loops, FAccT 2024, arXiv 2403.07857",
    )

    columns: Annotated[tuple[str, ...], FROM_LIST] = ()
    """Columns whose values together define the cell of a record, such as its class and its group."""
    attributes: Annotated[tuple[Attribute, ...], many_of(ATTRIBUTES, "attributes")] = ()
    """Attributes of texts that also define the cell, each cut into `parts` at the quantiles of the human texts."""
    parts: Annotated[int, Field(ge=2, le=100)] = 2
    """The number of parts that an attribute is cut into."""
    share: Annotated[float, Field(gt=0, le=0.5)] = 1 / 3
    """Fraction of the candidates that is kept, in (0, 1/2]. 1/2 leaves no extra budget; 1/3 leaves an extra budget of B (R = B)."""
    cells: Annotated[int, Field(ge=1)] | None = None
    """The number of cells; None: the number that occurs among the candidates and the human records."""

    @model_validator(mode="after")
    def _names_a_cell(self):
        if not self.columns and not self.attributes:
            raise ValueError("columns are needed, or attributes: name those that define the cells, as in columns: [label, group]")
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
        """Return B, the number of records to keep."""
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
        """Return B. Raises BadInput if it is 0."""
        if (wanted := self._wanted(candidates)) < 1:
            raise BadInput(f"star keeps {self.share:g} of {candidates} candidates, which is less than one record; raise share")
        return wanted

    def select(self, candidates, rng):
        wanted = self._some(len(candidates))
        names, human = self._named(candidates)
        cells, number = np.unique(names, return_inverse=True)
        known = self.cells or len(set(cells) | set(human))
        if known < len(cells):
            raise BadInput(f"cells of star is {known}, and the candidates have {len(cells)} cells; raise cells or leave it out")
        return repaired(number, wanted, known, [str(cell) for cell in cells])

    def _named(self, candidates: Candidates) -> tuple[np.ndarray, np.ndarray]:
        """Return the name of the cell of every candidate and of every human record. The second array is empty if there are no human records."""
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
    """Return the selection of candidates. cell: the number of the cell of each, (n,)."""
    quota, offered = wanted // cells, len(cell) - wanted
    times = star_rows(cell, wanted, cells)
    filled = int(times[offered:].sum())
    counts = dict(zip(names, np.bincount(cell[:offered], minlength=len(names)).tolist(), strict=True))
    reason = np.where(np.arange(len(cell)) < offered, 0, 1)
    reason[times > 0] = -1
    note = f"{filled} of {wanted} records are fill-ins, drawn without regard to their cell; a cell gets at most {quota}."
    facts = {"fill_in": filled, "quota": quota, "offered": counts, "cells": cells}
    return Selection(
        times, reason=reason, reasons=("its cell is full", "set aside for the fill-in and not needed"), notes=(note,), facts=facts
    )


def _words(candidates: Candidates, name: str) -> np.ndarray:
    import polars

    return candidates.column(name).cast(polars.String).fill_null("missing").to_numpy()


def _joined(names: list[np.ndarray]) -> np.ndarray:
    """Return the values of several columns joined to one word per record."""
    return np.array([" × ".join(map(str, row)) for row in zip(*names, strict=True)], dtype=object)
