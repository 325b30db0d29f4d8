"""An audit in words: one sentence, one screen, one comment on a pull request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from outcross.escapes import RULE, shortened
from outcross.verbs.audit.judgement import NOTE
from outcross.verbs.audit.phrases import clause, written
from outcross.wording import amount

if TYPE_CHECKING:
    from outcross.measures import Page
    from outcross.verbs.audit.result import Audit, Check

NAMED = 3
"""Losses that the first sentence names."""
OF_NUMBERS = ("diversity", "use")
"""Roles of checks whose ratio is none of numbers of records, also where it is about the records of a group."""
PLAIN = ("location", "category_share", "share", "variance", "interquartile_range", "gone_missing")
"""Checks of one column that say what a region of that column shows more plainly."""
EMPTIER = 0.8
"""Share of what is left of a group that is left of an intersection of it, below which the intersection is a loss of its own."""
SHOWN = 20
"""Checks that a screen or a comment lists."""


def summary(audit: Audit) -> str:
    """What is lost first, what was not looked at, and what could not be told."""
    return " ".join(filter(None, (first_sentence(audit), rest_of_summary(audit))))


def first_sentence(audit: Audit) -> str:
    """What is lost first, and what was not looked at."""
    return _losses(audit) + _unseen(audit)


def rest_of_summary(audit: Audit) -> str:
    """How many checks are lost, what is invented, and what could not be told."""
    return " ".join(filter(None, (_counts(audit), inventions(audit), _untold(audit))))


def _losses(audit: Audit) -> str:
    """The greatest losses, at most three, without the full stop."""
    if not audit.of("lost"):
        kept = len(audit.of("kept"))
        if not kept and not audit.of("cannot_tell", "invented"):
            return "No check could be made; each says why"
        said, within = (
            f"Nothing is lost that {amount(audit.rows['synthetic'], 'record')} can show",
            f"{amount(kept, 'check')} within their margins",
        )
        invented = audit.of("invented")
        return f"{said} ({within}), but {clause(invented[0])}" if invented else f"{said}: {within}"
    clauses = "; ".join([*_gone_columns(audit), *map(clause, greatest(audit))][:NAMED])
    return capitalised(clauses)


def greatest(audit: Audit) -> list[Check]:
    """The losses that the sentence names, each about something else, the most severe first; a group of which nobody is left is always among them."""
    lost = _explained([check for check in audit.of("lost") if check.metric != "column"])
    of_groups = {frozenset(_subjects(check, audit)) for check in lost if _is_share(check) and not check.at}
    named: list[Check] = []
    covered: set[str] = set()
    for check in lost:
        subjects = _subjects(check, audit)
        # A region of one column is what the share of a group says of all records.
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
    """The losses with the plainer one that explains it in the place of each that has one."""
    plain: list[Check] = []
    for check in lost:
        said = next((loss for loss in lost if _explains(loss, check)), check)
        plain += [said] if said not in plain else []
    return plain


def _explains(plain: Check, check: Check) -> bool:
    """Whether a loss of one column says what a region of that column shows, or that of one group what an intersection shows which is no emptier than the group."""
    if check.explained_by:
        return plain.metric in PLAIN and plain.column == check.explained_by
    if check.metric != "share" or plain.metric != "share" or None in (plain.value, check.value):
        return False
    parts = check.group.split(", ")
    return len(parts) > 1 and plain.group in parts and check.value >= EMPTIER * plain.value  # type: ignore[operator]


def _is_share(check: Check) -> bool:
    """Whether a check is about how many records a group or a category has."""
    return check.metric in ("share", "category_share", "category_growth")


def _subjects(check: Check, audit: Audit) -> set[str]:
    """What a check is about: its columns, a pair of them as such, those of a region's rule, or all of its aspect."""
    if check.at.startswith("with "):
        return {f"{check.column} {check.at}"}
    if _is_share(check):
        return {part.partition("=")[0] for part in check.group.split(", ")}
    if check.metric == "direction" and "(" in check.at:
        return {check.at.partition("(")[2].rstrip(")").split(", ")[0].lstrip("+-")}  # the column that leans on it most
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
    """What was not looked at, in which the first sentence ends."""
    columns, measures = audit.unseen.columns, audit.unseen.measures
    what = [f"{amount(len(columns), 'column')}, {shortened(next(iter(columns)))} among them"] if columns else []
    what += [f"{', '.join(measures)}, as time was over"] if measures else []
    return f" (not looked at in full: {'; '.join(what)})." if what else "."


def _counts(audit: Audit) -> str:
    lost = audit.of("lost")
    aspects = ", ".join(aspect.replace("_", " ") for aspect in audit.lost)
    return f"Lost: {amount(len(lost), 'check')} in {amount(len(audit.lost), 'aspect')} ({aspects})." if lost else ""


def inventions(audit: Audit) -> str:
    """What human data have not; how many checks say so, where the first sentence names the worst."""
    invented = audit.of("invented")
    if invented and not audit.of("lost"):
        return f"Invented: {amount(len(invented), 'check')}."
    return f"Invented: {clause(invented[0])}{f', and {len(invented) - 1} more' if len(invented) > 1 else ''}." if invented else ""


def _untold(audit: Audit) -> str:
    """How many checks cannot tell, and of how many records are the reason."""
    untold = audit.of("cannot_tell")
    few = sum(is_of_few_records(check) for check in untold)
    if not untold:
        return ""
    other = f", {len(untold) - few} for another reason" if few < len(untold) else ""
    return f"{amount(len(untold), 'check')} cannot tell" + (f": {few} for too few records{other}." if few else ": each says why.")


def is_of_few_records(check: Check) -> bool:
    """Whether a check cannot tell as there are too few records: its interval holds the margin."""
    return None not in (check.low, check.high, check.margin) and check.low <= check.margin <= check.high  # type: ignore[operator]


def capitalised(sentence: str) -> str:
    """A sentence whose first word is a word begins with a capital; a name such as x901 stays as it is.

    >>> capitalised("recall fell"), capitalised("x901 never occurs")
    ('Recall fell', 'x901 never occurs')
    """
    return sentence[:1].upper() + sentence[1:] if sentence.partition(" ")[0].isalpha() else sentence


def _page(check: Check) -> Page:
    from outcross.measures import pages_of_aspect

    return pages_of_aspect(check.aspect)[check.metric]


def phrase(check: Check) -> str:
    """One check in words, as in `variance, age: 0.84 [0.81, 0.87], where real data show 1`."""
    return f"{phrase_of(check)}: {value_of(check)}, where real data show {written(check.real_vs_real)}"


def phrase_of(check: Check) -> str:
    """What a check is about, as in `mass beyond human quantiles, income upper 1 %`."""
    return ", ".join(filter(None, (title(check), where(check))))


def where(check: Check) -> str:
    """The column, the place in it and the group."""
    column, at, group = shortened(check.column), shortened(check.at, RULE), shortened(check.group, RULE)
    return ", ".join(filter(None, (" ".join(filter(None, (column, at))), group)))


def value_of(check: Check) -> str:
    """The value with its interval, or with the reason why it has none."""
    if check.low is None and check.high is None:
        return f"{written(check.value)} ({check.method})" if check.value is not None and check.method else written(check.value)
    return f"{written(check.value)} [{written(check.low)}, {written(check.high)}]"


def title(check: Check) -> str:
    return _page(check).title


def rows(checks: Sequence[Check]) -> Iterator[tuple[str, ...]]:
    """Checks as rows of words: verdict, code, what and where, value with interval, real against real, margin, n."""
    for check in checks:
        column, at, group = shortened(check.column), shortened(check.at, RULE), shortened(check.group, RULE)
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
