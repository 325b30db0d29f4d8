"""Tables, series and images as records for a detector: samples and data with the same columns, of the same kinds on all sides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from outcross.data.columns import Given, understood
from outcross.data.entities import Entities
from outcross.data.tables import Table, alike, table
from outcross.data.values import Side
from outcross.detectors import Detector
from outcross.detectors.calibrated import USUAL
from outcross.detectors.records import READ, TypedRecords, records_of
from outcross.detectors.samples import MOST, CalibrationSample, opened, telling_columns
from outcross.detectors.samples import USUAL as USUAL_TEXTS
from outcross.detectors.two_sample import TwoSampleDetector
from outcross.errors import BadInput
from outcross.files.source import in_memory
from outcross.verbs.audit.question import pairs_of, words_of
from outcross.verbs.detect.reading import ShardOfData, TypedAs, shards_of

if TYPE_CHECKING:
    from outcross.verbs.detect.question import DetectQuestion

OPTIONS = ("kinds", "ignore", "entity", "time")
"""Options for the reading of columns, which do not apply to texts."""
MOST_NOTES = 10
"""Maximum number of notes on columns that are shown."""


@dataclass(frozen=True, eq=False)
class RecordSets:
    """Samples of known authors, and the data as records with the same columns."""

    samples: tuple[CalibrationSample, ...]
    typed: TypedAs
    shards: tuple[ShardOfData, ...]
    columns: tuple[str, ...]
    """Columns of the data."""
    telling: tuple[str, ...]
    """Columns that reveal the author perfectly, which no detector reads."""
    notes: tuple[str, ...]


def detector_of_records(question: DetectQuestion, detector: Detector) -> Detector | None:
    """Return the detector of records if the data are records; None if they are texts. Raises BadInput if the detector does not fit the data."""
    from outcross.detectors.classifier import ClassifierDetector

    asked = [name for name in OPTIONS if getattr(question, name)]
    if detector.reads == "records":
        if question.text_column is not None:
            raise BadInput(
                f"--text-column {question.text_column} requests text, but the detector reads records; leave one of them out"
            )
        return detector
    if detector != ClassifierDetector() or question.text_column is not None or not (asked or _hold_no_text(question)):
        if asked:
            raise BadInput(
                f"--{asked[0]} applies to columns of tables and not to texts; leave it out, or leave --detector and --text-column out"
            )
        return None
    return TwoSampleDetector()


def _hold_no_text(question: DetectQuestion) -> bool:
    """Whether no column of the data holds text, by its name or its content, and at least one holds other data."""
    import polars as pl

    source = opened(question.data, "data")
    if source.texts:
        return False
    first = next(iter(source.batches(None)), None)
    if first is None or not first.height:
        return False
    strings = [name for name, dtype in first.schema.items() if dtype == pl.String and not name.startswith("_")]
    if any(name in USUAL_TEXTS for name in strings):
        return False
    columns = understood([Side(first, np.arange(first.height))], Given())
    compared = [name for name, column in columns.items() if column.kind is not None]
    if any(columns[name].kind == "text" for name in compared):
        return False
    return bool(compared) and not (len(compared) == 1 and compared[0] in strings)


def record_sets(question: DetectQuestion) -> RecordSets:
    """Return the samples and the data of a question about records. Raises BadInput if they have no readable column in common."""
    given = {"--human": question.human, "--ai": question.ai, "--edited": question.edited, "data": question.data}
    sides = {name: data for name, data in given.items() if data is not None}
    tables, columns, shards = _folded(question, sides) if question.entity else _tables(question, sides)
    comparable = alike(tables)
    own = [part.select([name for name in part.kinds if part.kinds[name] in READ]) for part in comparable.tables]
    if not own[0].kinds:
        raise BadInput(
            f"no column of {own[0].name} has one of the kinds {', '.join(READ)}; name a column of text with --text-column"
        )
    left_out = [name for name, kind in comparable.tables[0].kinds.items() if kind not in READ]
    notes = [
        *comparable.notes,
        *(f"column {name!r} is left out: it holds text, which no detector of records reads" for name in left_out),
    ]
    authors = {"--human": "human", "--ai": "model", "--edited": "edited"}
    samples = [_sample(authors[name], part, question.seed) for name, part in zip(sides, own, strict=True) if name != "data"]
    telling: list[str] = []
    if len(samples) > 1:
        telling = _telling(samples)
        stays = [name for name in own[0].kinds if name not in telling]
        if not stays:
            raise BadInput(
                f"every column reveals the author perfectly ({', '.join(telling)[:200]}); give samples that were processed in the same way"
            )
        samples = [replace(sample, content=_selected(sample.content, stays)) for sample in samples]
        own = [part.select(stays) for part in own]
    first, data = own[0], own[-1]
    widths = {name: dtype.shape[0] for name, dtype in first.frame.schema.items() if first.kinds[name] == "vector"}  # type: ignore[attr-defined]
    typed_as = TypedAs(
        first.kinds, first.frame.clear(), widths, {name: form for name, form in data.forms.items() if name in first.kinds}
    )
    return RecordSets(tuple(samples), typed_as, tuple(shards), tuple(columns), tuple(telling), tuple(notes[:MOST_NOTES]))


def _tables(question: DetectQuestion, sides: Mapping[str, Any]) -> tuple[list[Table], Sequence[str], list[ShardOfData]]:
    kinds, ignored = pairs_of(question.kinds, "--kinds"), list(words_of(question.ignore))
    source = opened(question.data, "data")
    first = opened(question.human if question.human is not None else question.data, "--human")
    ignored += [question.group] if question.group in first.columns and question.group not in ignored else []
    names = list(sides)
    reference = table(sides[names[0]], names[0], kinds=kinds, ignored=ignored)
    return [reference, *(table(sides[name], name) for name in names[1:])], source.columns, shards_of(question.data, source)


def _folded(question: DetectQuestion, sides: Mapping[str, Any]) -> tuple[list[Table], Sequence[str], list[ShardOfData]]:
    """Fold long tables into one record per entity. The records of the data are in memory, in the order of the first row of each entity."""
    assert question.entity is not None
    given = Given(pairs_of(question.kinds, "--kinds"), (), (), words_of(question.ignore))
    entities = Entities(question.entity, question.time, given)
    tables = entities.tables([(name, entities.long(data, name)) for name, data in sides.items()])
    data = tables[-1]
    frame = data.records[np.argsort(data.places)]
    return tables, tuple(frame.columns), [ShardOfData(0, None, in_memory(frame, data.name))]


def _sample(author: str, part: Table, seed: int) -> CalibrationSample:
    """Return the records of one author; a random sample if there are more than 50,000."""
    rows = np.arange(part.frame.height)
    if rows.size > MOST:
        rows = np.sort(np.random.default_rng([seed, len(author)]).choice(rows.size, MOST, replace=False))
    content = records_of(part, part.frame[rows])
    return CalibrationSample(author, (), content, np.full(rows.size, USUAL), part.records[rows], 0, part.rows - rows.size)


def _selected(content: Any, columns: Sequence[str]) -> TypedRecords:
    chosen = content.table.select(columns)
    return records_of(chosen, chosen.frame)


def _telling(samples: Sequence[CalibrationSample]) -> list[str]:
    """Return the columns that reveal the author perfectly: categories and texts without a common value, and numbers with disjoint ranges."""
    first, second = (sample.content for sample in samples[:2])
    telling = [name for name in telling_columns(samples) if name in first.table.kinds]  # type: ignore[union-attr]
    for name in first.table.of_kind("number"):  # type: ignore[union-attr]
        low, high = first.frame[name].min(), first.frame[name].max()  # type: ignore[union-attr]
        smallest, largest = second.frame[name].min(), second.frame[name].max()  # type: ignore[union-attr]
        if None not in (low, smallest) and (high < smallest or largest < low) and name not in telling:  # type: ignore[operator]
            telling.append(name)
    return telling
