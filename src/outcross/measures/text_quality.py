"""Do the texts still have the properties of human texts?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated

import numpy as np
from pydantic import Field

from outcross.attributes import ATTRIBUTES, Reader
from outcross.data.columns import Given
from outcross.data.tables import Table, table_of
from outcross.estimate import Estimate, NotApplicable, Null, Reading
from outcross.files.source import in_memory
from outcross.measures import Evidence, Page, read_with_null, unread
from outcross.measures.groups import INSIDE, is_group, largest, named
from outcross.measures.of_tables import OfTables
from outcross.measures.of_texts import left_out, too_few, written_by
from outcross.measures.spread import variances
from outcross.measures.tails import Tails
from outcross.measures.writing import Writing, notes, writings
from outcross.recipe import FROM_LIST, member, recipe
from outcross.statistics.beyond import farthest, limit, more_beyond
from outcross.statistics.clusters import average
from outcross.statistics.ratios import ratio_of_estimates
from outcross.statistics.sketches import gather
from outcross.wording import amount

CHARACTERS = 4_000_000
"""Maximum number of characters per side whose attributes are read."""
RECORDS = 50_000
FEWEST = 100
"""Minimum number of human texts for a quantile of 1 %."""
TOP = 0.01
"""Share of human texts with the highest perplexity, which sets the limit for unlikely texts."""
ENDS = {"mass": "ends", "beyond_range": "attribute_beyond_range"}
"""Checks of `tails` and their names here."""
DOHMATOB = "Dohmatob et al., A Tale of Tails, ICML 2024, arXiv 2402.07043"


Readings = dict[str, tuple[np.ndarray, np.ndarray]]
"""Attribute → the number of each synthetic and of each human text."""


@recipe
class TextQuality(OfTables):
    """Attributes of each text (length, readability, variety, perplexity …): their variance, also inside each group, and both ends of their
    distributions.

    An attribute is a column of numbers, which is compared as `spread` and `tails` compare any column. Perplexity is that under a model of the
    reference; each half of the reference is scored by a model of the other half. Texts above nearly all human texts are inventions. If no text is
    surprising, the tail is lost. If texts are cut from known documents, one text of each document is read, because texts of the same document are not
    independent. Inside a group the same numbers are compared among its texts that were read. A group has few texts at the ends, so the ends are
    compared only overall.
    """

    attributes: Annotated[tuple[str, ...], FROM_LIST, Field(min_length=1)] = tuple(ATTRIBUTES)
    """Names of the attributes that are read."""
    max_groups: Annotated[int, Field(ge=0)] = INSIDE
    """Maximum number of groups of a column that are read, those with the most human records first."""

    aspect = "text_quality"
    reads_words = True
    pages = {
        "spread": Page(
            "TQ1", "spread of an attribute", "Variance of an attribute of the texts, divided by that of the reference.",
            unit="ratio", change="variance", healthy=1.0, collapsed="towards 0",
            margin=0.8, worse="smaller", records=(840, "texts of which the attribute is normal"), role="quality", paper="Shimabucoro et al., EMNLP 2024, arXiv 2407.01490",
        ),
        "ends": Page(
            "TQ2", "both ends of an attribute", "Share of texts beyond a human quantile (5 %, 1 % or 0.5 %, at either end) of an attribute, divided by the expected share of fresh human texts there.",
            unit="ratio", healthy=1.0, collapsed="towards 0",
            margin=0.8, worse="smaller", records=(8_700, "the outer 5 % of any attribute"), role="quality", paper=f"Shumailov et al., Nature 631:755, 2024, Fig. 1; {DOHMATOB}",
        ),
        "attribute_beyond_range": Page(
            "TQ3", "beyond the human range", "Share of texts whose attribute is below the smallest or above the largest value of human texts.",
            unit="fraction", healthy=0.0, collapsed="rises above the healthy value",
            margin=0.01, worse="larger", records=(1_000, "texts of any attribute"), margin_kind="difference", is_invention=True, role="quality", paper="Schaeffer et al., arXiv 2503.03150",
        ),
        "unlikely": Page(
            "TQ4", "less likely than human text", "Share of texts whose perplexity under a model of the reference is above that of 99 % of human texts that the model did not see.",
            unit="fraction", healthy="the value for real data of this size", collapsed="rises above the healthy value",
            margin=0.01, worse="larger", margin_kind="difference", is_invention=True, role="quality", paper="Shumailov et al., Nature 631:755, 2024, Fig. 1 (the long tail of later generations)",
        ),
        "surprise": Page(
            "TQ5", "surprise", "Mean logarithm of the perplexity under a model of the reference (nats per byte), divided by that of human texts. It is smaller if only likely texts are left.",
            unit="ratio", healthy=1.0, collapsed="towards 0",
            margin=0.9, worse="smaller", role="quality", paper=f"Shumailov et al., Nature 631:755, 2024, Fig. 1; {DOHMATOB}",
        ),
    }  # fmt: skip

    def __call__(self, evidence, rng):
        columns = evidence.reference.of_kind("text")
        if not columns:
            yield unread("spread", "no column of text; pass --text-column")
        for column in columns:
            synthetic, human = (
                writings(side)[column].one_of_each().at_most(CHARACTERS, RECORDS) for side in (evidence.drawn, evidence.reference)
            )
            if not min(len(synthetic), len(human)):
                yield unread("spread", "no texts", column=column)
                continue
            yield from self._column(evidence, column, synthetic, human, rng)

    def _column(
        self, evidence: Evidence, column: str, synthetic: Writing, human: Writing, rng: np.random.Generator
    ) -> Iterator[Reading]:
        readings, missing = self._read(synthetic, human)
        more = notes(synthetic, human)
        for attribute, why in missing.items():
            yield unread("spread", why, at=attribute, column=column)
        for reading in (*_as_numbers(readings, rng), *_as_perplexity(readings)):
            yield _of_texts(reading, column, (len(synthetic), len(human)), more)
        for group_column in (group_column for group_column, own in written_by(evidence) if own == column):
            groups = largest(evidence, group_column)
            for value in groups[: self.max_groups]:
                masks = (
                    is_group(side, group_column, value)[written.rows]
                    for side, written in ((evidence.drawn, synthetic), (evidence.reference, human))
                )
                yield from _inside(readings, tuple(masks), column, named((group_column,), (value,)), more, rng)
            if why := left_out(groups, self.max_groups):
                yield unread("spread", why, at=group_column, column=column)

    def _read(self, synthetic: Writing, human: Writing) -> tuple[Readings, dict[str, str]]:
        """Compute every attribute of both sides. Returns the attributes, and the reason for each that cannot be computed."""
        readings, missing = {}, {}
        for name in self.attributes:
            attribute = member(ATTRIBUTES, name, "attribute")()
            try:
                read: Reader = attribute.fit(human.texts, human.documents)
            except NotApplicable as why:
                missing[name] = str(why)
                continue
            readings[name] = read(synthetic.texts), read(human.texts)
        return readings, missing


def _inside(
    readings: Readings, masks: tuple[np.ndarray, ...], column: str, group: str, more: str, rng: np.random.Generator
) -> Iterator[Reading]:
    """Yield the readings of the texts of one group. masks: whether each text belongs to the group, for either side."""
    synthetic, human = (int(mask.sum()) for mask in masks)
    if why := too_few(synthetic, human):
        yield unread("spread", why, column=column, group=group)
        return
    own = {attribute: (values[0][masks[0]], values[1][masks[1]]) for attribute, values in readings.items()}
    about = float(masks[1].mean())
    for reading in (*_spreads(_as_tables(own), rng), *_as_perplexity(own)):
        yield replace(_of_texts(reading, column, (synthetic, human), more), group=group, about=about * reading.about)


def _of_texts(reading: Reading, column: str, texts: tuple[int, int], more: str) -> Reading:
    note = "; ".join(filter(None, (reading.note, f"{texts[0]:,} and {amount(texts[1], 'text')}", more)))
    return replace(reading, column=column, note=note)


def _as_perplexity(readings: Readings) -> Iterator[Reading]:
    """Yield the readings of perplexity alone."""
    if "perplexity" in readings:
        pair = readings["perplexity"]
        yield read_with_null("unlikely", lambda: _unlikely(*pair), at="perplexity")
        yield read_with_null("surprise", lambda: _surprise(*pair), at="perplexity")


def _as_tables(readings: Readings) -> Evidence:
    return Evidence(drawn=_table(readings, 0, "synthetic"), reference=_table(readings, 1, "reference"))


def _spreads(evidence: Evidence, rng: np.random.Generator) -> Iterator[Reading]:
    for reading in variances(evidence, rng, "spread"):
        yield replace(reading, at=reading.column)


def _as_numbers(readings: Readings, rng: np.random.Generator) -> Iterator[Reading]:
    """Yield the readings of `spread` and `tails` for the attributes, each as a column of numbers."""
    evidence = _as_tables(readings)
    yield from _spreads(evidence, rng)
    tails = Tails()
    synthetic, human = (gather(side, tails.sketches(evidence)) for side in (evidence.drawn, evidence.reference))
    own = evidence.but(counted={name: (synthetic[name], human[name]) for name in synthetic})
    for reading in tails(own, rng):
        if reading.measure in ENDS:
            yield replace(reading, measure=ENDS[reading.measure], at=f"{reading.column} {reading.at}".strip())


def _table(readings: Readings, side: int, name: str) -> Table:
    import polars

    columns = polars.DataFrame({attribute: of_sides[side] for attribute, of_sides in readings.items()})
    return table_of(in_memory(columns), name, Given(dict.fromkeys(columns.columns, "number")))


def _there(values: np.ndarray) -> np.ndarray:
    return values[np.isfinite(values)]


def _unlikely(synthetic: np.ndarray, human: np.ndarray) -> tuple[Estimate, Null]:
    synthetic, human = _there(synthetic), np.sort(_there(human))
    if human.size < FEWEST or not synthetic.size:
        raise NotApplicable(
            f"{human.size} human and {synthetic.size} synthetic texts have a perplexity, but the upper 1 % needs {FEWEST} human texts"
        )
    at = limit(human, TOP, "upper")
    count, usual = (int((texts >= at).sum()) for texts in (synthetic, human))
    return more_beyond(count, synthetic.size, usual, human.size, is_tied=usual > farthest(TOP, human.size))


def _surprise(synthetic: np.ndarray, human: np.ndarray) -> tuple[Estimate, Null]:
    ours, theirs = (average(np.log(texts), np.arange(texts.size), "texts") for texts in map(_there, (synthetic, human)))
    return ratio_of_estimates(ours, theirs, "smaller")
