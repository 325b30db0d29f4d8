"""An audit in words: one sentence, one screen, one comment on a pull request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from outcross.escapes import shortened
from outcross.verbs.audit.judgement import NOTE

if TYPE_CHECKING:
    from outcross.verbs.audit.result import Audit, Check

NAMED = 3
"""Losses that the sentence names."""
SHOWN = 20
"""Checks that a screen or a comment lists."""


def summary(audit: Audit) -> str:
    """What is lost first, what was not looked at, and what could not be told."""
    return " ".join(filter(None, (_losses(audit).removesuffix(".") + _unseen(audit), _inventions(audit), _untold(audit))))


def _unseen(audit: Audit) -> str:
    """What was not looked at, which the first sentence ends in."""
    columns, measures = audit.unseen.columns, audit.unseen.measures
    what = [f"{_count(len(columns), 'column')}, {shortened(next(iter(columns)))} among them"] if columns else []
    what += [f"{', '.join(measures)}, as time was over"] if measures else []
    return f" (not looked at in full: {'; '.join(what)})." if what else "."


def _losses(audit: Audit) -> str:
    lost = audit.of("lost")
    if not lost:
        kept = len(audit.of("kept"))
        if not kept and not audit.of("cannot_tell", "invented"):
            return "No check could be made; each says why."
        return f"Nothing is lost that {audit.rows['synthetic']:,} records can show: {kept} checks within their margins."
    first = [next(check for check in lost if check.aspect == aspect) for aspect in audit.lost]
    named = "; ".join(f"{check.aspect} ({phrase(check)})" for check in first[:NAMED])
    more = f"; {', '.join(audit.lost[NAMED:])}" if len(audit.lost) > NAMED else ""
    return f"Lost: {named}{more}. {_count(len(lost), 'check')} in {_count(len(audit.lost), 'aspect')}."


def _inventions(audit: Audit) -> str:
    invented = audit.of("invented")
    return f"Invented: {phrase(invented[0])}{f', and {len(invented) - 1} more' if len(invented) > 1 else ''}." if invented else ""


def _untold(audit: Audit) -> str:
    untold = len(audit.of("cannot_tell"))
    return f"{_count(untold, 'check')} cannot tell: too few records." if untold else ""


def phrase(check: Check) -> str:
    """One check in words, as in `variance, age: 0.84 [0.81, 0.87], where real data show 1`."""
    return f"{phrase_of(check)}: {value_of(check)}, where real data show {written(check.real_vs_real)}"


def phrase_of(check: Check) -> str:
    """What a check is about, as in `mass beyond human quantiles, income upper 1 %`."""
    return ", ".join(filter(None, (title(check), where(check))))


def where(check: Check) -> str:
    """The column, the place in it and the group."""
    column, at, group = map(shortened, (check.column, check.at, check.group))
    return ", ".join(filter(None, (" ".join(filter(None, (column, at))), group)))


def value_of(check: Check) -> str:
    """The value with its interval, or with the reason why it has none."""
    if check.low is None and check.high is None:
        return f"{written(check.value)} ({check.method})" if check.value is not None and check.method else written(check.value)
    return f"{written(check.value)} [{written(check.low)}, {written(check.high)}]"


def title(check: Check) -> str:
    from outcross.measures import pages_of_aspect

    return pages_of_aspect(check.aspect)[check.metric].title


def written(value: float | None) -> str:
    """A number to three digits.

    >>> written(0.123456), written(12345.6), written(-0.00081234), written(-0.00001), written(None)
    ('0.123', '12,300', '-0.0008', '0', 'unknown')
    """
    if value is None:
        return "unknown"
    rounded = float(f"{value:.3g}")
    if abs(rounded) >= 1000:
        return f"{rounded:,.0f}"
    return f"{round(value, 4) + 0.0:g}" if abs(rounded) < 0.001 else f"{rounded:g}"


def rows(checks: Sequence[Check]) -> Iterator[tuple[str, ...]]:
    """Checks as rows of words: verdict, code, what and where, value with interval, real against real, margin, n."""
    for check in checks:
        column, at, group = map(shortened, (check.column, check.at, check.group))
        where = " ".join(filter(None, (column, at, f"[{group}]" if group else "")))
        yield (
            check.verdict,
            check.code,
            title(check),
            where,
            value_of(check),
            written(check.real_vs_real),
            written(check.margin),
            f"{check.n or 0:,}",
        )


HEADINGS = ("verdict", "code", "check", "where", "value [95 %]", "real vs real", "margin", "n")


def markdown(audit: Audit) -> str:
    """The audit for a pull request: the sentence, what is lost, and counts of the rest."""
    told = audit.of("lost", "invented")[:SHOWN]
    lines = [f"### Outcross audit: {_cell(shortened(audit.name))}", "", _cell(audit.summary), ""]
    if told:
        lines += [_row(HEADINGS), _row(["---"] * len(HEADINGS)), *map(_row, rows(told)), ""]
    counts = ", ".join(
        f"{len(audit.of(verdict))} {verdict}" for verdict in ("lost", "invented", "kept", "cannot_tell", "not_applicable")
    )
    lines += [
        f"{counts}; {audit.rows['synthetic']:,} records against {audit.rows['reference']:,}; false-discovery rate {audit.rate:g}."
    ]
    return "\n".join([*lines, *(f"- {_cell(shortened(note, NOTE))}" for note in audit.notes)]) + "\n"


def _row(cells: Any) -> str:
    return "| " + " | ".join(map(_cell, cells)) + " |"


def _cell(text: str) -> str:
    """Text in which nothing is Markdown or HTML.

    >>> _cell("<b>|x`")
    '&lt;b&gt;\\\\|x\\\\`'
    """
    escaped = "".join(letter if letter.isprintable() else " " for letter in text)
    escaped = escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"\\{letter}" if letter in "\\|`*[]" else letter for letter in escaped)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
