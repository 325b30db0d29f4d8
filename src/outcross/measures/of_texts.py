"""Shared parts of the measures of texts: the texts that they compare, overall and inside groups."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from outcross.data.tables import Table
from outcross.estimate import NotApplicable, Reading
from outcross.measures import BEYOND, Evidence, Page, unread
from outcross.measures.groups import is_group, largest, named
from outcross.measures.of_tables import OfTables, as_tables
from outcross.measures.tabular import PROMPT
from outcross.measures.writing import Writing, prompted_writings, writings, writings_inside
from outcross.text.words import are_spaceless, can_cut

HUMAN_SIDE = "In a run the human texts are the human continuations of the same blocks. If fewer than a tenth of the blocks have a fresh continuation, they are human texts with prompts from other documents."
FEWEST_TEXTS = 30
"""Minimum number of texts of a group per side."""


class OfTexts(OfTables):
    """A measure of columns of text. A run of texts computes it by default.

    The text of a generation is compared with the human text that generation 0 learned from, because this is the text that can be lost or copied.
    The records of a run have one column of text, so the readings of a run name no column.
    """

    needs = ("table", "text")
    compares_with = "training"
    reads_words = True

    def of_run(self, evidence, rng):
        if not as_tables(evidence, self.compares_with).reference.of_kind("text"):
            raise NotApplicable("needs text, but the records of this run are not text")
        for record in super().of_run(evidence, rng):
            yield replace(record, column="") if isinstance(record, Reading) else record


def uncut(evidence: Evidence) -> dict[str, str]:
    """Return the columns of text that are written without spaces and cannot be cut into words in this installation, with the reason."""
    if can_cut():
        return {}
    why = (
        "Chinese, Japanese, Thai and other texts without spaces are cut into words by icu4py, which is not installed; "
        "pip install 'outcross[words]'"
    )
    sides = (evidence.reference, evidence.drawn)
    return {column: why for column in sides[0].of_kind("text") if any(_is_spaceless(side, column) for side in sides)}


def _is_spaceless(table: Table, column: str) -> bool:
    """Return whether at least one text in twenty of a column is written without spaces."""
    share = are_spaceless(table.frame[column].drop_nulls().str.slice(0, 2_000)).mean()
    return share is not None and float(share) >= 0.05  # type: ignore[arg-type]


def written(evidence: Evidence, column: str) -> Mapping[str, Writing]:
    """Return the texts of a column on every side."""
    return {side: writings(table)[column] for side, table in evidence.sides().items()}


def beside_prompts(evidence: Evidence) -> Evidence:
    """Return tables in which each text has its own prompt. In an audit these are the tables with a column `_prompt` of text.

    The human texts with prompts are the holdout, if it has prompts, or else the reference, of which one half is then compared with the other.
    Raises NotApplicable if there are no prompts.
    """
    sides = evidence.sides()
    if evidence.has("beside_prompts") or not _has_prompts(sides["synthetic"]):
        return evidence.beside_prompts
    if "holdout" in sides and _has_prompts(sides["holdout"]):
        return evidence
    return evidence.but(holdout=None) if _has_prompts(sides["reference"]) else evidence.beside_prompts


def _has_prompts(table: Table) -> bool:
    import polars as pl

    return table.records.schema.get(PROMPT) == pl.String


def written_beside_prompts(evidence: Evidence, column: str) -> Mapping[str, Writing]:
    """Return the texts of a column on every side, with their prompts on the sides that have prompts."""
    return {
        side: (prompted_writings if _has_prompts(table) else writings)(table)[column] for side, table in evidence.sides().items()
    }


def without_prompt(page: Page, code: str, preference: int | None = None) -> Page:
    """Return the page of a reading without the words of each text's own prompt, from the page of the reading that counts all words."""
    return replace(
        page,
        code=code,
        title=f"{page.title} not in the prompt",
        definition=f"{page.definition} A word that also occurs in the prompt of its own text does not count, on either side. {HUMAN_SIDE}",
        preference=preference,
        paper=f"{page.paper}; words that the source does not have: See et al., ACL 2017, arXiv 1704.04368",
    )


def known_and_fresh(sides: Mapping[str, Writing], rng: np.random.Generator) -> tuple[Writing, Writing]:
    """Return known human text and fresh human text: the reference and the holdout, or two halves of the reference if there is no holdout."""
    human = sides["reference"]
    return (human, sides["holdout"]) if "holdout" in sides else human.halves(rng)


def inside_groups(
    evidence: Evidence,
    limit: int,
    measure: str,
    read: Callable[[str, Mapping[str, Writing]], Iterator[Reading]],
    *,
    prompted: bool = False,
) -> Iterator[Reading]:
    """Yield the readings of the texts of each group, for at most `limit` groups of a column, with their prompts if `prompted`.

    A group with too few texts has one reading with the reason.
    """
    for group_column, column in written_by(evidence):
        groups = largest(evidence, group_column)
        for value in groups[:limit]:
            group = named((group_column,), (value,))
            sides = {
                side: writings_inside(table, column, group_column, value, prompted and _has_prompts(table))
                for side, table in evidence.sides().items()
            }
            if why := too_few(len(sides["synthetic"]), len(sides["reference"])):
                yield unread(measure, why, column=column, group=group)
                continue
            about = float(is_group(evidence.reference, group_column, value).mean())
            yield from (replace(reading, group=group, about=about * reading.about) for reading in read(column, sides))
        if why := left_out(groups, limit):
            yield unread(measure, why, at=group_column, column=column)


def written_by(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """Yield each pair of a column that names groups and another column of text."""
    for group_column in evidence.groups:
        yield from ((group_column, column) for column in evidence.reference.of_kind("text") if column != group_column)


def too_few(synthetic: int, human: int) -> str:
    """Return the reason if a group has too few texts to be compared, else an empty text."""
    if min(synthetic, human) >= FEWEST_TEXTS:
        return ""
    return f"{synthetic} synthetic and {human} human texts, but the language of a group is compared only from {FEWEST_TEXTS} per side on"


def left_out(groups: Sequence[str], limit: int) -> str:
    """Return a note on how many groups are left out, or an empty text if none is."""
    return f"the {len(groups) - limit} smallest of {len(groups)} groups are left out" if len(groups) > limit else ""


def read_beyond_prompts(
    evidence: Evidence,
    pages: Sequence[str],
    plain: Sequence[Reading],
    read: Callable[[Evidence], Iterator[Reading]],
) -> Iterator[Reading]:
    """Yield the readings without the words of each text's own prompt, under the names of `pages`.

    If every prompt is empty, no word is left out, and the readings are those that count every word, `plain`. If there are no prompts at all, each
    page and column has a reading with the reason.
    """
    try:
        prompted = beside_prompts(evidence)
    except NotApplicable as why:
        for column in evidence.reference.of_kind("text"):
            yield from (unread(page, str(why), column=column) for page in pages)
        return
    if _is_unprompted(prompted.drawn):
        for reading in plain:
            if (name := reading.measure + BEYOND) in pages:
                yield replace(reading, measure=name, note="; ".join(filter(None, ("written without prompts", reading.note))))
        return
    for reading in read(prompted):
        note = "; ".join(filter(None, (reading.note, f"beside {prompted.human_side}")))
        yield replace(reading, note=note) if reading.estimate else reading


def _is_unprompted(table: Table) -> bool:
    return bool((table.records[PROMPT].fill_null("") == "").all())


__all__ = [
    "BEYOND", "OfTexts", "beside_prompts", "inside_groups", "known_and_fresh", "left_out", "read_beyond_prompts", "too_few", "uncut", "without_prompt",
    "written", "written_beside_prompts", "written_by",
]  # fmt: skip
