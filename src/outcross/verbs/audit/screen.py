"""The lines that a terminal shows of an audit: one screen with the most severe losses first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from outcross.escapes import escaped, names_apart, shortened
from outcross.report.characters import visible
from outcross.verbs.audit.plan import ColumnPlan, ReadColumn
from outcross.verbs.audit.rankings import Onset, onsets
from outcross.verbs.audit.result import Audit, Audits
from outcross.verbs.audit.scorecard import MARKS, Comparison, Standing, comparison, scorecard, sentence_of
from outcross.verbs.audit.sentences import first_sentence, inventions
from outcross.verbs.terminal import width

LONGEST = 2000
"""Maximum number of characters of a sentence, a note or a list of columns."""
SCREEN = 22
"""Number of lines of an audit. With the command and the prompt they fill a screen of 24 lines."""
SENTENCE, NOTES, READ = 5, 4, 3
"""Maximum number of lines of the first sentence, of the notes, and of the summary of how columns are read."""
ROOM = 16
"""Width of the name of an aspect with its mark, in characters."""


NO_REPORT = "--out DIR writes the report, with every number and a picture of each loss"
"""The hint that is shown after an audit without a report."""


def console() -> Any:
    from rich.console import Console

    return Console(width=width(), highlight=False)


def print_audits(audits: Audits, out: Path | None = None) -> None:
    """Print one screen for a set, with one line per aspect, or a comparison of sets. For a run, arm by arm."""
    folders = audits.folders()
    for arm, of_arm in audits.by_arm.items():
        if arm:
            _print_line(f"\narm {escaped(arm)}")
        if len(of_arm) == 1:
            lines = audit_lines(of_arm[0], width())
        else:
            lines = comparison_lines(of_arm, width())
        for line in lines:
            _print_line(line)
        if len(of_arm) > 1:
            for audit in of_arm:
                if audit.share_curve is not None:
                    _print_line(escaped(f"{audit.name}: {audit.share_curve.answer}"))
            if audits.are_of_generations(arm):
                print_onsets(onsets(of_arm), len(of_arm))
        for line in audits.cleaned.lines() if audits.cleaned else ():
            _print_line(line)
        if out is not None:
            _print_line(f"report: {escaped(str((out / folders[arm] if arm else out) / 'report.html'))}")


def audit_lines(audit: Audit, width: int) -> list[str]:
    """Return the lines of one screen: the first sentence, one line per aspect, what was compared, and notes.

    Findings are wrapped if there is room.
    """
    opening = [*_fitted(read_as(audit.columns), width, READ), ""] if audit.columns else []
    sentence = _fitted(" ".join(filter(None, (first_sentence(audit), inventions(audit)))), width, SENTENCE)
    sides = ", ".join(f"{rows:,} {side}" for side, rows in audit.rows.items())
    ending = [
        *([] if audit.share_curve is None else _fitted(audit.share_curve.answer, width, 3)),
        *_fitted(f"{sides} records. Lost means that the whole 95 % interval lies beyond the tolerance.", width, 2),
        *_noted(audit, width),
    ]
    room = SCREEN - len(opening) - len(sentence) - len(ending) - 2
    return [*opening, *sentence, "", *_aspect_lines(scorecard(audit), width, room), "", *ending]


def _aspect_lines(standings: Sequence[Standing], width: int, room: int) -> Iterator[str]:
    """Yield one line per aspect. A long finding continues below it while there is room."""
    spare = room - len(standings)
    for standing in standings:
        lines = _fitted(_verdict_words(standing), width - ROOM, 1 + max(0, min(2, spare)))
        spare -= len(lines) - 1
        name = f"{MARKS[standing.verdict]} {standing.aspect.replace('_', ' ')}"
        yield from (f"{name if i == 0 else '':{ROOM}}{line}" for i, line in enumerate(lines))


def _verdict_words(standing: Standing) -> str:
    return standing.said if standing.verdict == "kept" else f"{standing.verdict.replace('_', ' ')}: {standing.said}"


def read_as(columns: Sequence[ReadColumn]) -> str:
    """Return one sentence about how columns were read: the number of each type, columns that are missing, guesses to check, and columns left out."""
    compared = Counter(column.kind for column in columns if column.is_compared)
    kinds = ", ".join(f"{number:,} as {kind}" for kind, number in compared.items())
    guesses = [
        f"{shortened(column.column, 30)} as {column.kind} ({column.why})"
        for column in columns
        if column.is_guess and column.is_compared
    ]
    missing = [shortened(column.column, 30) for column in columns if column.is_missing]
    left_out = [
        f"{shortened(column.column, 30)} ({column.kind})" for column in columns if not column.is_compared and not column.is_missing
    ]
    sentences = [
        f"Columns read: {kinds}" if kinds else "",
        f"missing: {_some(missing, 5)}" if missing else "",
        f"worth a look: {_some(guesses, 2)}" if guesses else "",
        f"left out: {_some(left_out, 5)}" if left_out else "",
    ]
    return "; ".join(filter(None, sentences)) + (" (--plan shows every column)." if guesses or left_out or missing else ".")


def _some(words: Sequence[str], limit: int) -> str:
    return ", ".join(words[:limit]) + (f" and {len(words) - limit:,} more" if len(words) > limit else "")


def _noted(audit: Audit, width: int) -> Iterator[str]:
    """Yield the first notes, one line each, and the number of further notes."""
    notes = [note for note in audit.notes if not note.startswith("column ")]
    for note in notes[:NOTES]:
        yield from _fitted(f"note: {note}", width, 1)
    if len(notes) > NOTES:
        yield f"… and {len(notes) - NOTES} more notes, in the report"


def comparison_lines(audits: Sequence[Audit], width: int) -> list[str]:
    """Return the lines of a comparison: the best sets, a matrix of sets and aspects, and the most severe losses of each set."""
    compared = comparison(audits)
    sentence = _fitted(sentence_of(compared), width, SENTENCE)
    matrix = _matrix(compared, width)
    worst = [
        line for audit in audits for line in _fitted(f"{names_apart(compared.sets)[audit.name]}: {first_sentence(audit)}", width, 2)
    ]
    ending = _fitted(
        "Marks: ✗ lost, ! invented, ? cannot tell, ✓ kept. The number is the rank. Sets that cannot be told apart share a rank.",
        width,
        2,
    )
    return [*sentence, "", *matrix, *ending, "", *worst]


def _matrix(compared: Comparison, width: int) -> list[str]:
    """Return the matrix with one row per set if it fits into the width, otherwise with one row per aspect, and finally with numbers for the sets."""
    from rich.cells import cell_len

    short = names_apart(compared.sets)
    aspects = {aspect: aspect.replace("_", " ") for aspect in compared.aspects}
    cells = {(aspect, name): _cell(compared, aspect, name) for aspect in aspects for name in compared.sets}
    of_sets = [["", *aspects.values()], *([short[name], *(cells[aspect, name] for aspect in aspects)] for name in compared.sets)]
    of_aspects = [
        ["", *short.values()],
        *([words, *(cells[aspect, name] for name in compared.sets)] for aspect, words in aspects.items()),
    ]
    for rows in (of_sets, of_aspects):
        lines = _columns(rows)
        if max(map(cell_len, lines)) <= width:
            return lines
    numbered = {name: f"{i + 1}" for i, name in enumerate(compared.sets)}
    rows = [
        ["", *numbered.values()],
        *([words, *(cells[aspect, name] for name in compared.sets)] for aspect, words in aspects.items()),
    ]
    return [*_columns(rows), *(line for name, number in numbered.items() for line in _fitted(f"{number}: {short[name]}", width, 1))]


def _cell(compared: Comparison, aspect: str, name: str) -> str:
    place, standing = compared.places.get((aspect, name)), compared.standings[aspect, name]
    mark = MARKS[standing.verdict]
    return f"{mark} {place.rank}" if place is not None else mark


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    from rich.cells import cell_len, set_cell_size

    widths = [max(cell_len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(set_cell_size(cell, size) for cell, size in zip(row, widths, strict=True)).rstrip() for row in rows]


def _fitted(text: str, width: int, lines: int) -> list[str]:
    """Return a text as at most `lines` lines. If it is longer, the last line ends with an ellipsis.

    A Chinese or Japanese character is two columns wide.
    """
    from rich.cells import set_cell_size
    from rich.text import Text

    on_one_line = " ".join(visible(shortened(text, LONGEST)).split())
    wrapped = [line.plain.rstrip() for line in Text(on_one_line).wrap(console(), width)] or [""]
    if len(wrapped) <= lines:
        return wrapped
    return [*wrapped[: lines - 1], f"{set_cell_size(wrapped[lines - 1], width - 2).rstrip()} …"]


def print_plan(plan: ColumnPlan) -> None:
    """Print how every column of every set is read. Sets that are read in the same way share one table."""
    out = console()
    alike: dict[tuple[ReadColumn, ...], list[str]] = {}
    for name, columns in plan.columns.items():
        alike.setdefault(tuple(columns), []).append(name)
    for columns, names_ in alike.items():
        sides = ", ".join(f"{rows:,} {side}" for side, rows in plan.rows[names_[0]].items())
        out.print(_plain(f"{', '.join(names_)}: {sides} records"))
        cells = (
            (_mark(column), column.column, column.kind, column.why, column.example, column.change or "–") for column in columns
        )
        _table(out, ("", "column", "read as", "why", "example", "to change"), cells)
        for note in dict.fromkeys(note for name in names_ for note in plan.notes[name] if not note.startswith("column ")):
            out.print(_plain(f"note: {note}"))
    missing = "✗ missing in the synthetic data, " if any(column.is_missing for columns in alike for column in columns) else ""
    out.print(f"✓ compared, ? compared and worth a look, {missing}· left out. Nothing was audited. Leave out --plan to audit.")


def _mark(column: ReadColumn) -> str:
    if column.is_missing:
        return MARKS["lost"]
    return "·" if not column.is_compared else "?" if column.is_guess else "✓"


def _print_line(text: str) -> None:
    console().print(text, markup=False, highlight=False)


def print_onsets(onsets: Sequence[Onset], generations: int) -> None:
    """Print the generation in which each aspect was first lost."""
    out = console()
    cells = (
        (onset.aspect, f"not in {generations}" if onset.generation is None else str(onset.generation), onset.name)
        for onset in onsets
    )
    _table(out, ("aspect", "first lost in", "set"), cells)


def _table(out: Any, headings: Iterable[str], cells: Iterable[Iterable[str]]) -> None:
    from rich.table import Table

    table = Table(*headings, box=None, pad_edge=False)
    for row in cells:
        table.add_row(*map(_plain, row))
    out.print(table)


def _plain(text: str) -> str:
    """Return a text with its control characters and markup escaped for a terminal."""
    from rich.markup import escape

    text = shortened(text, LONGEST)
    return escape("".join(letter if letter.isprintable() or letter == "\n" else ascii(letter)[1:-1] for letter in text))
