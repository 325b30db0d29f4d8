"""What a person sees of an audit in a terminal: what is lost first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from outcross.escapes import escaped, shortened
from outcross.verbs.audit.plan import ColumnPlan, ReadColumn
from outcross.verbs.audit.rankings import Onset, onsets, ranking
from outcross.verbs.audit.result import Audit, Audits
from outcross.verbs.audit.sentences import SHOWN, percent, phrase_of, value_of, written
from outcross.verbs.terminal import width

LONGEST = 2000
"""Characters of a sentence, a note or a list of columns."""
MARKS = {"lost": "✗", "invented": "!", "kept": "✓", "cannot_tell": "?", "not_applicable": "·"}


def console() -> Any:
    from rich.console import Console

    return Console(width=width(), highlight=False)


def print_audit(audit: Audit) -> None:
    """The sentence, what is lost, and how each aspect stands."""
    out = console()
    _print_read(out, audit.columns)
    out.print(_plain(audit.summary))
    if audit.share_curve is not None:
        out.print(_plain(audit.share_curve.answer))
    worst = audit.of("lost", "invented")
    if worst:
        cells = (
            (
                MARKS[check.verdict],
                check.code,
                phrase_of(check),
                value_of(check),
                written(check.real_vs_real),
                written(check.margin),
            )
            for check in worst[:SHOWN]
        )
        _table(out, ("", "", "check", "value [95 %]", "real", "margin"), cells)
        if len(worst) > SHOWN:
            out.print(f"… and {len(worst) - SHOWN} more; --json and --out have all of them.")
    out.print()
    _table(out, ("aspect", "", *MARKS), _standings(audit))
    out.print("real: what real data of this size show; margin: the smallest loss worth naming")
    sides = ", ".join(f"{rows_:,} {side}" for side, rows_ in audit.rows.items())
    out.print(_plain(f"{sides} records; false-discovery rate {audit.rate:g}; columns: {_kinds(audit)}"))
    for note in audit.notes:
        out.print(_plain(f"note: {note}"))


def print_audits(audits: Audits, out: Path | None = None) -> None:
    """One screen: what is lost first; of a run, arm by arm."""
    folders = audits.folders()
    for arm, found in audits.by_arm.items():
        if arm:
            _print_line(f"\narm {escaped(arm)}")
        if len(found) == 1:
            print_audit(found[0])
        else:
            print_ranking(found)
            if audits.are_of_generations(arm):
                print_onsets(onsets(found), len(found))
        for line in audits.cleaned.lines() if audits.cleaned else ():
            _print_line(line)
        if out is not None:
            _print_line(f"report: {escaped(str((out / folders[arm] if arm else out) / 'report.html'))}")


def print_plan(plan: ColumnPlan) -> None:
    """How every column of every set is read, set by set; sets that are read alike are one table."""
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
    out.print("✓ compared, ? compared and worth a look, · left out; nothing was audited yet: leave out --plan")


def _mark(column: ReadColumn) -> str:
    return "·" if not column.is_compared else "?" if column.is_guess else "✓"


READ_AS = 8
"""Rows of the table that says how columns were read, at most, above an audit."""


def _print_read(out: Any, columns: Sequence[ReadColumn]) -> None:
    """How columns were read, those together that were read alike; what is a guess or left out comes first."""
    rows: dict[tuple[str, str], list[ReadColumn]] = {}
    for column in sorted(columns, key=lambda column: not column.is_guess):
        why = column.why if column.is_guess or not column.is_compared else ""
        rows.setdefault((column.kind, why), []).append(column)
    if not rows:
        return
    cells = []
    for (kind, why), alike in list(rows.items())[:READ_AS]:
        columns_ = ", ".join(shortened(column.column, 30) for column in alike[:6]) + (
            f" and {len(alike) - 6} more" if len(alike) > 6 else ""
        )
        change = alike[0].change if len(alike) == 1 and (alike[0].is_guess or not alike[0].is_compared) else ""
        cells.append((columns_, kind, why, change))
    _table(out, ("columns", "read as", "why", "to change"), cells)
    if len(rows) > READ_AS:
        out.print(f"… and {len(rows) - READ_AS} more rows; --plan shows every column.")
    out.print()


def _print_line(text: str) -> None:
    console().print(text, markup=False, highlight=False)


def _standings(audit: Audit) -> Iterable[tuple[str, ...]]:
    """Each aspect: its worst verdict, and how many checks have which."""
    for aspect in dict.fromkeys(check.aspect for check in audit.every):
        counts = [sum(check.aspect == aspect and check.verdict == verdict for check in audit.every) for verdict in MARKS]
        worst = next((verdict for verdict, count in zip(MARKS, counts, strict=True) if count), "not_applicable")
        if worst == "kept" and counts[3]:
            worst = "cannot_tell" if counts[3] > counts[2] else "kept"
        # Where nothing applies the mark says so, and the table stays within 80 columns.
        verdict = MARKS[worst] if worst == "not_applicable" else f"{MARKS[worst]} {worst}"
        yield aspect, verdict, *(str(count) if count else "" for count in counts)


def _kinds(audit: Audit) -> str:
    named: dict[str, list[str]] = {}
    for column, kind in audit.kinds.items():
        named.setdefault(kind, []).append(column)
    return "; ".join(
        f"{kind}: {', '.join(map(shortened, columns[:20]))}{' …' if len(columns) > 20 else ''}" for kind, columns in named.items()
    )


def print_ranking(audits: Sequence[Audit]) -> None:
    """A ranking of the sets in every aspect, the one that lost least first."""
    out = console()
    places: dict[tuple[str, str], Any] = {(place.aspect, place.name): place for place in ranking(audits)}
    aspects = list(dict.fromkeys(aspect for aspect, _ in places))
    cells = ((audit.name, *(_place(places.get((aspect, audit.name))) for aspect in aspects)) for audit in audits)
    _table(out, ("set", *aspects), cells)
    out.print(
        "rank in the aspect (checks lost or invented; records that would have to change, mean over checks); sets that cannot be told apart share a rank"
    )


def _place(place: Any) -> str:
    return "" if place is None else f"{place.rank} ({place.lost}; {percent(place.loss)})"


def print_onsets(onsets: Sequence[Onset], generations: int) -> None:
    """The generation in which each aspect was first lost."""
    out = console()
    cells = ((one.aspect, f"not in {generations}" if one.generation is None else str(one.generation), one.name) for one in onsets)
    _table(out, ("aspect", "first lost in", "set"), cells)


def _table(out: Any, headings: Iterable[str], cells: Iterable[Iterable[str]]) -> None:
    from rich.table import Table

    table = Table(*headings, box=None, pad_edge=False)
    for row in cells:
        table.add_row(*map(_plain, row))
    out.print(table)


def _plain(text: str) -> str:
    """Text whose control characters and markup do nothing in a terminal."""
    from rich.markup import escape

    text = shortened(text, LONGEST)
    return escape("".join(letter if letter.isprintable() or letter == "\n" else ascii(letter)[1:-1] for letter in text))
