"""An audit in words: its summary, its checks as rows of a table, and a comment for a pull request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from outcross.escapes import RULE, shortened
from outcross.verbs.audit.judgement import NOTE
from outcross.verbs.audit.phrases import clause, columns_of_direction, parts_of_group, written
from outcross.wording import amount

if TYPE_CHECKING:
    from outcross.measures import Page
    from outcross.verbs.audit.check import Check
    from outcross.verbs.audit.result import Audit

NAMED = 3
"""Maximum number of losses that the first sentence names."""
PLAIN = ("location", "category_share", "share", "variance", "interquartile_range", "gone_missing")
"""Checks of one column that describe the loss of a region of that column more plainly."""
SPREADS = ("variance", "interquartile_range")
"""Those of these checks that read how widely numbers are spread."""
EMPTIER = 0.8
"""An intersection of groups is a loss of its own if its remaining share is below EMPTIER times the remaining share of the group."""
SHOWN = 20
"""Maximum number of checks that a comment lists."""


def summary(audit: Audit) -> str:
    """Return the summary: the most severe losses, what was not examined in full, and how many checks cannot tell."""
    return " ".join(filter(None, (first_sentence(audit), rest_of_summary(audit))))


def first_sentence(audit: Audit) -> str:
    """Return the first sentence: the most severe losses, and what was not examined in full."""
    return _losses(audit) + _unseen(audit)


def rest_of_summary(audit: Audit) -> str:
    """Return the rest of the summary: the number of losses, the inventions, and how many checks cannot tell."""
    return " ".join(filter(None, (_counts(audit), inventions(audit), _undecided(audit))))


def _losses(audit: Audit) -> str:
    """Return the most severe losses, at most three, without the full stop."""
    if not audit.of("lost"):
        kept = len(audit.of("kept"))
        if not kept and not audit.of("cannot_tell", "invented"):
            return "No check could be made; each gives its reason"
        said = f"Nothing is lost that {amount(audit.rows['synthetic'], 'record')} can show"
        if invented := audit.of("invented"):
            return f"{said}{f' ({within_tolerance(kept)})' if kept else ''}, but {clause(invented[0])}"
        return f"{said}: {within_tolerance(kept)}" if kept else "No check can tell whether something is lost"
    clauses = "; ".join([*_gone_columns(audit), *map(clause, greatest(audit))][:NAMED])
    return capitalised(clauses)


def within_tolerance(kept: int) -> str:
    """Return how many checks are kept.

    >>> within_tolerance(1), within_tolerance(12)
    ('1 check within its tolerance', '12 checks within their tolerance')
    """
    return f"{amount(kept, 'check')} within {'its' if kept == 1 else 'their'} tolerance"


def greatest(audit: Audit) -> list[Check]:
    """Return the losses that the first sentence names, the most severe first.

    They have different subjects, and a group that has vanished is always included.
    """
    lost = _explained([check for check in audit.of("lost") if check.metric != "column"])
    of_groups = {frozenset(_subjects(check, audit)) for check in lost if _is_share(check) and not check.at}
    named: list[Check] = []
    covered: set[str] = set()
    for check in lost:
        subjects = _subjects(check, audit)
        # A region of one column repeats the share of a group.
        if not subjects <= covered and not (check.metric == "region" and frozenset(subjects) in of_groups):
            named.append(check)
            covered |= subjects
    room = NAMED - len(_gone_columns(audit))
    named, others = named[:room], named[room:]
    vanished = [check for check in [*named, *others] if check.value == 0 and check.aspect == "groups" and check.group]
    if named and vanished and not any(check in vanished for check in named):
        named[-1] = vanished[0]
    return named


def _explained(lost: list[Check]) -> list[Check]:
    """Return the losses, each replaced by the plainer loss that explains it, if there is one."""
    plain: list[Check] = []
    for check in lost:
        said = check if _is_cut(check, lost) else next((loss for loss in lost if _explains(loss, check)), check)
        plain += [said] if said not in plain else []
    return plain


def _is_cut(check: Check, lost: list[Check]) -> bool:
    """Whether a region is the part of one column that has been cut off, so that the column has a smaller spread.

    "No record has day ≥ 500 (half of the human ones)" is as plain as a smaller spread, and says more. If the numbers are shifted, the spread is kept.
    """
    if check.metric != "region" or check.value != 0 or not check.explained_by or " and " in check.at:
        return False
    spreads = [loss for loss in lost if loss.metric in SPREADS and loss.column == check.explained_by]
    return bool(spreads) and all((check.severity or 0.0) > (loss.severity or 0.0) for loss in spreads)


def _explains(plain: Check, check: Check) -> bool:
    """Whether the plain loss explains a check: a loss of one column explains a region of it, and a lost group explains an intersection that is not
    emptier."""
    if check.explained_by:
        return plain.metric in PLAIN and plain.column == check.explained_by
    if check.metric != "share" or plain.metric != "share" or None in (plain.value, check.value):
        return False
    parts = [f"{column}={value}" for column, value in parts_of_group(check)]
    return len(parts) > 1 and plain.group in parts and check.value >= EMPTIER * plain.value  # type: ignore[operator]


def _is_share(check: Check) -> bool:
    """Whether a check is about the number of records of a group or a category."""
    return check.metric in ("share", "category_share", "category_growth")


def _subjects(check: Check, audit: Audit) -> set[str]:
    """Return what a check is about: its columns, a pair of columns as one subject, the columns of a region's rule, or its aspect."""
    if check.at.startswith("with "):
        return {f"{check.column} {check.at}"}
    if _is_share(check):
        return {column for column, _ in parts_of_group(check)}
    if check.metric == "direction" and (columns := columns_of_direction(check)):
        return {columns[0]}
    if check.metric == "region":
        return {column for column in audit.kinds if column in check.at} or {check.at}
    return {check.column} if check.column else {check.aspect}


def _gone_columns(audit: Audit) -> list[str]:
    gone = [shortened(check.column) for check in audit.of("lost") if check.metric == "column"]
    if not gone:
        return []
    more = f" and {len(gone) - 5} more" if len(gone) > 5 else ""
    return [
        f"{'column' if len(gone) == 1 else f'{len(gone)} columns'} {', '.join(gone[:5])}{more} {'is' if len(gone) == 1 else 'are'} gone"
    ]


def _unseen(audit: Audit) -> str:
    """Return the end of the first sentence: what was not examined in full, and the full stop."""
    columns, measures = audit.unseen.columns, audit.unseen.measures
    what = [f"{amount(len(columns), 'column')}, for example {shortened(next(iter(columns)))}"] if columns else []
    what += [f"{', '.join(measures)}, because the time limit was reached"] if measures else []
    return f" (not compared in full: {'; '.join(what)})." if what else "."


def _counts(audit: Audit) -> str:
    lost = audit.of("lost")
    aspects = ", ".join(aspect.replace("_", " ") for aspect in audit.lost)
    return f"Lost: {amount(len(lost), 'check')} in {amount(len(audit.lost), 'aspect')} ({aspects})." if lost else ""


def inventions(audit: Audit) -> str:
    """Return a sentence about the inventions: the worst, or only their number if the first sentence names the worst. Empty if it names the only one."""
    invented = audit.of("invented")
    if invented and not audit.of("lost"):
        return f"Invented: {amount(len(invented), 'check')}." if len(invented) > 1 else ""
    return f"Invented: {clause(invented[0])}{f', and {len(invented) - 1} more' if len(invented) > 1 else ''}." if invented else ""


def _undecided(audit: Audit) -> str:
    """Return a sentence with the number of checks that cannot tell, and how many of them have too few records."""
    undecided = audit.of("cannot_tell")
    few = sum(is_of_few_records(check) for check in undecided)
    if not undecided:
        return ""
    other = f", {len(undecided) - few} for other reasons" if few < len(undecided) else ""
    return f"{amount(len(undecided), 'check')} cannot tell" + (
        f": {few} because of too few records{other}." if few else ": each gives its reason."
    )


def is_of_few_records(check: Check) -> bool:
    """Whether a check cannot tell because there are too few records, that is, its interval contains the margin."""
    return None not in (check.low, check.high, check.margin) and check.low <= check.margin <= check.high  # type: ignore[operator]


def capitalised(sentence: str) -> str:
    """Return a sentence with a capital first letter if its first word has only letters. A name such as x901 is unchanged.

    >>> capitalised("recall fell"), capitalised("x901 never occurs")
    ('Recall fell', 'x901 never occurs')
    """
    return sentence[:1].upper() + sentence[1:] if sentence.partition(" ")[0].rstrip(",;:").isalpha() else sentence


def _page(check: Check) -> Page:
    from outcross.measures import pages_of_aspect

    return pages_of_aspect(check.aspect)[check.metric]


def phrase(check: Check) -> str:
    """Return one check in words, for example `variance, age: 0.84 [0.81, 0.87], where real data show 1`."""
    return f"{phrase_of(check)}: {value_of(check)}, where real data show {written(check.real_vs_real)}"


def finding(check: Check) -> str:
    """Return a loss or an invention as a clause with its numbers: `Men fell from 40 % to 5 % of records (share of a group: 0.125 [0.11, 0.14])`."""
    return f"{capitalised(clause(check))} ({title(check)}: {value_of(check)})"


def phrase_of(check: Check) -> str:
    """Return what a check is about, for example `mass beyond human quantiles, income upper 1 %`."""
    return ", ".join(filter(None, (title(check), where(check))))


def where(check: Check) -> str:
    """Return the column of a check, the place in the column and the group."""
    column, at, group = shortened(check.column), shortened(check.at, RULE), shortened(check.group, RULE)
    return ", ".join(filter(None, (" ".join(filter(None, (column, at))), group)))


def value_of(check: Check) -> str:
    """Return the value of a check with its interval, or with the method if it has none."""
    if check.low is None and check.high is None:
        return f"{written(check.value)} ({check.method})" if check.value is not None and check.method else written(check.value)
    return f"{written(check.value)} [{written(check.low)}, {written(check.high)}]"


def title(check: Check) -> str:
    return _page(check).title


def rows(checks: Sequence[Check]) -> Iterator[tuple[str, ...]]:
    """Yield checks as rows of text: the finding, verdict, code, title, place, value with interval, value of real data, margin, n."""
    for check in checks:
        column, at, group = shortened(check.column), shortened(check.at, RULE), shortened(check.group, RULE)
        where = " ".join(filter(None, (column, at, f"[{group}]" if group else "")))
        yield (
            capitalised(clause(check)),
            check.verdict,
            check.code,
            title(check),
            where,
            value_of(check),
            written(check.real_vs_real),
            written(check.margin),
            f"{check.n or 0:,}",
        )


HEADINGS = ("finding", "verdict", "code", "check", "where", "value [95 %]", "real vs real", "margin", "n")


def markdown(audit: Audit) -> str:
    """Return the audit as Markdown for a pull request: the summary, a table of losses and inventions, counts of verdicts, and notes."""
    worst = audit.of("lost", "invented")[:SHOWN]
    lines = [f"### Outcross audit: {_cell(shortened(audit.name))}", "", _cell(audit.summary), ""]
    if audit.share_curve is not None:
        lines += [_cell(audit.share_curve.answer), ""]
    if worst:
        lines += [_row(HEADINGS), _row(["---"] * len(HEADINGS)), *map(_row, rows(worst)), ""]
    counts = ", ".join(
        f"{len(audit.of(verdict))} {verdict}" for verdict in ("lost", "invented", "kept", "cannot_tell", "not_applicable")
    )
    lines += [
        f"{counts}; {audit.rows['synthetic']:,} records compared with {audit.rows['reference']:,}; false-discovery rate {audit.rate:g}."
    ]
    return "\n".join([*lines, *(f"- {_cell(shortened(note, NOTE))}" for note in audit.notes)]) + "\n"


def _row(cells: Any) -> str:
    return "| " + " | ".join(map(_cell, cells)) + " |"


def _cell(text: str) -> str:
    """Escape a text, so that nothing in it is Markdown or HTML.

    >>> _cell("<b>|x`")
    '&lt;b&gt;\\\\|x\\\\`'
    """
    escaped = "".join(letter if letter.isprintable() else " " for letter in text)
    escaped = escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"\\{letter}" if letter in "\\|`*[]" else letter for letter in escaped)
