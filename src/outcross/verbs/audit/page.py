"""The report of audits, one HTML file that opens offline. The most severe losses come first, and each number has its floor and its margin."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outcross.escapes import RULE, names_apart, shortened
from outcross.files.outputs import write_page
from outcross.measures import ASPECTS, Page, pages_of_aspect
from outcross.report.characters import cut
from outcross.report.figure import Figure
from outcross.report.shapes import share_curve_figure, title_of_design
from outcross.report.sides import calibration_figure, column_figure, quantile_figure
from outcross.report.templates import template
from outcross.verbs.audit.figures import associations, depth_of, map_of_associations, map_of_regions, onsets_figure
from outcross.verbs.audit.judgement import Verdict
from outcross.verbs.audit.phrases import clause, percent, written
from outcross.verbs.audit.rankings import DIFFERENCES, differences, onsets
from outcross.verbs.audit.result import SIDES
from outcross.verbs.audit.scorecard import MARKS, Standing, comparison, scorecard, sentence_of
from outcross.verbs.audit.sentences import capitalised, first_sentence, phrase, phrase_of, rest_of_summary, title, value_of, where
from outcross.wording import amount

if TYPE_CHECKING:
    from outcross.estimate import Estimate
    from outcross.statistics.share_curves import ShareDesign
    from outcross.verbs.audit.check import Check
    from outcross.verbs.audit.plan import ReadColumn
    from outcross.verbs.audit.result import Audit
    from outcross.verbs.share_curve import ShareCurve

LIMIT = 1_000_000  # bytes
Drawn = dict[tuple[str, str], str]
"""The SVG of each figure that has been drawn, by its name and title."""
ORDER: Sequence[Verdict] = ("lost", "invented", "cannot_tell", "kept", "not_applicable")
"""The order in which the checks of an aspect are listed."""
COLOURS = {"lost": "#9a3b00", "invented": "#6b3fa0", "cannot_tell": "#63625d", "kept": "#2f6b3c", "not_applicable": "#63625d"}
MOST = {"lost": 60, "invented": 60, "cannot_tell": 60, "kept": 60, "not_applicable": 40}
LONGEST = 2000
"""Maximum number of characters of a sentence or a note on the page."""
WORST = 10
"""Maximum number of losses and inventions that a notebook shows."""
CARDS = 3
"""Maximum number of losses and inventions of an aspect that have a card. The others are in its table."""
PREDICTED = ("loss", "brier", "timid", "overconfident", "discrimination")
"""Checks of predictions. Their cards show the calibration of the predictions."""
INSIDE = ("spread_inside",)
"""Checks of a column among the records of a group."""
COLUMNS = 400
"""Maximum number of columns for which the page shows how they were read."""
POINTED = 12
"""Maximum number of records shown of each side."""
POINTED_COLUMNS = 14
"""Maximum number of columns shown of these records."""
HEALTHY, MARGIN = 60.0, 100.0
"""Horizontal positions of the human value and of the margin in a bar of width 240."""


@dataclass(frozen=True)
class CheckBar:
    """A check as a bar of width 240, with the horizontal positions of its numbers."""

    healthy: float
    margin: float
    low: float
    high: float
    value: float
    floor: float | None
    colour: str
    spoken: str


@dataclass(frozen=True)
class CheckRow:
    """A check as a row of a table."""

    check: Check
    title: str
    where: str
    bar: CheckBar | None


@dataclass(frozen=True)
class FindingCard:
    """A loss or an invention that is shown as a card: a picture, a sentence, a number line."""

    row: CheckRow
    said: str
    """The finding in words, with the value before and after."""
    page: Page
    pictures: list[tuple[str, str]]
    """Figures as SVG with their captions: the column on both sides, and its quantiles if a tail of numbers is lost."""


@dataclass(frozen=True)
class Group:
    """The checks of an aspect that have one verdict."""

    verdict: str
    rows: list[CheckRow]
    left: int
    """Number of checks that are not shown."""


@dataclass(frozen=True)
class AspectPage:
    """One aspect of one audit."""

    name: str
    question: str
    verdict: str
    said: str
    """The worst finding in words, or the numbers of checks by verdict."""
    findings: list[FindingCard]
    more: int
    """Number of losses and inventions without a card."""
    heat_map: tuple[str, str]
    """Heat map of the associations that have changed, as SVG with its caption. Empty if fewer than three have changed."""
    groups: list[Group]
    checks: int


@dataclass(frozen=True)
class PointedRecords:
    """Records of one side that an audit points out, as the page shows them."""

    side: str
    columns: list[str]
    """The value by which the records are sorted, followed by columns of the data."""
    reasons: list[tuple[str, list[list[str]]]]
    """Each reason with the cells of its records."""
    shown: int
    total: int
    left_columns: int
    """Number of columns of the data that are not shown."""


@dataclass(frozen=True)
class AuditPage:
    """One audit, as the page shows it."""

    name: str
    summary: str
    rows: dict[str, int]
    rate: float
    aspects: list[AspectPage]
    pointed: list[PointedRecords]
    notes: list[str]
    columns: list[ReadColumn]
    """How columns were read. Guesses and columns that are left out come first."""
    left_columns: int
    """Number of columns that are not shown."""
    read_as: dict[str, int]
    """Number of columns by type."""
    share_curve: ShareCurve | None
    """How much of the set to train on, if it was requested."""
    curves: list[tuple[ShareDesign, str]]
    """The two designs of the share curve, each with its figure as SVG."""
    is_missing_charts: bool
    """Whether there are no pictures, because the extra `report` is not installed."""


def write_audits(audits: Sequence[Audit], path: Path, are_generations: bool = False) -> Path:
    """Write the report of one audit, or of several side by side."""
    return write_page(path, page(audits, are_generations))


def page(audits: Sequence[Audit], are_generations: bool = False) -> bytes:
    """Return the page as bytes. If it exceeds a megabyte, fewer rows are shown."""
    share = 1.0
    drawn: Drawn = {}
    text = _rendered(audits, are_generations, share, drawn)
    while len(text) > LIMIT and share > 0.02:
        share /= 2
        text = _rendered(audits, are_generations, share, drawn)
    return text


def fragment(audit: Audit) -> str:
    """Return the HTML for a notebook: the first sentence, the verdict of each aspect, and the ten worst findings with figures."""
    worst = _apart(audit.of("lost", "invented"))[:WORST]
    aspects = [_aspect(audit, standing, 1.0, False, {}) for standing in scorecard(audit)]
    findings = _findings(audit, worst, {})
    return _template("fragment.html").render(audit=audit, aspects=aspects, findings=findings, marks=MARKS, colours=COLOURS)


def table_of_findings(audit: Audit, checks: Sequence[Check]) -> str:
    """Return checks as an HTML table with figures, for a notebook."""
    findings = _findings(audit, checks, {})
    return _template("fragment.html").render(audit=None, aspects=[], findings=findings, marks=MARKS, colours=COLOURS)


@cache
def _template(name: str) -> Any:
    filters = {
        "short": _short, "shade": _shade, "phrase": phrase, "phrase_of": phrase_of, "margin_of": margin_of, "value_of": value_of, "percent": percent, "capitalised": capitalised,
        "curve_title": lambda design: capitalised(title_of_design(design)), "interval": _interval,
    }  # fmt: skip
    return template(name, filters, LONGEST)


def _rendered(audits: Sequence[Audit], are_generations: bool, share: float, drawn: Drawn) -> bytes:
    several = len(audits) > 1
    text = _template("audit.html").render(
        heading=audits[0].name if not several else amount(sum(not audit.is_human for audit in audits), "set"),
        sentence=first_sentence(audits[0]) if not several else _sentence(audits, are_generations),
        rest="" if several else rest_of_summary(audits[0]),
        compared=comparison(audits) if several else None,
        differences=differences(audits)[:DIFFERENCES] if several and not are_generations else [],
        short=names_apart((audit.name for audit in audits), 40),
        anchors={audit.name: f"set-{i}" for i, audit in enumerate(audits)},
        onsets=onsets(audits) if are_generations and several else [],
        curves=_curves(audits) if are_generations and several else "",
        pages=[_page(audit, share, not several, drawn) for audit in audits],
        marks=MARKS,
        definitions=list(_definitions(audits)),
    )
    return text.encode("utf-8", "replace")


def _sentence(audits: Sequence[Audit], are_generations: bool) -> str:
    if not are_generations:
        return sentence_of(comparison(audits))
    first = [onset for onset in onsets(audits) if onset.generation is not None]
    if not first:
        return f"Nothing is lost in {len(audits)} generations."
    earliest = [onset for onset in first if onset.generation == first[0].generation]
    assert first[0].check is not None
    return f"Lost first, in generation {first[0].generation}: {', '.join(onset.aspect for onset in earliest)}. {capitalised(clause(first[0].check))}."


def _curves(audits: Sequence[Audit]) -> str:
    """Return the SVG of the mean share of records that would have to change in each aspect, over generations."""
    return onsets_figure(audits).svg("onsets")


def _page(audit: Audit, share: float, is_alone: bool, drawn: Drawn) -> AuditPage:
    aspects = [_aspect(audit, standing, share, is_alone, drawn) for standing in scorecard(audit)]
    columns = sorted(audit.columns, key=lambda column: (not column.is_missing, not column.is_guess, column.is_compared))
    shown_columns, curve = max(8, int(COLUMNS * share)), audit.share_curve
    return AuditPage(
        name=audit.name,
        summary=audit.summary,
        rows=dict(audit.rows),
        rate=audit.rate,
        aspects=aspects,
        pointed=[_pointed(side, audit.pointed[side]) for side in SIDES if side in audit.pointed and audit.pointed[side].height],
        notes=list(audit.notes),
        columns=[replace(column, column=shortened(column.column)) for column in columns[:shown_columns]],
        left_columns=max(0, len(columns) - shown_columns),
        read_as=dict(Counter(column.kind for column in columns)),
        share_curve=curve,
        curves=[] if curve is None else [(design, share_curve_figure(design, curve.loss).svg()) for design in curve.designs],
        is_missing_charts=any(not svg for aspect in aspects for card in aspect.findings for svg, _ in card.pictures),
    )


def _aspect(audit: Audit, standing: Standing, share: float, is_alone: bool, drawn: Drawn) -> AspectPage:
    groups = [
        Group(verdict, list(map(_row, every[:shown])), max(0, len(every) - shown))
        for verdict in ORDER
        if (every := standing.checks[verdict]) and (shown := max(1, round(MOST[verdict] * share)))
    ]
    cards = _apart(standing.findings)[: CARDS if is_alone else 0]
    return AspectPage(
        name=standing.aspect,
        question=ASPECTS[standing.aspect],
        verdict=standing.verdict,
        said=standing.said,
        findings=_findings(audit, cards, drawn),
        more=len(standing.findings) - len(cards),
        heat_map=_heat_map(standing.findings, drawn) if is_alone else ("", ""),
        groups=groups,
        checks=sum(map(len, standing.checks.values())),
    )


def _apart(worst: Sequence[Check]) -> list[Check]:
    """Return the checks with the first check of each column in front. Only the first region is kept, because all regions share a map."""
    first = {_subject(check, i): check for i, check in reversed(list(enumerate(worst)))}
    ordered = sorted(worst, key=lambda check: check not in first.values())
    regions = [check for check in ordered if check.metric == "region"]
    return [check for check in ordered if check.metric != "region" or check is regions[0]]


def _subject(check: Check, place: int) -> str:
    return "\0region" if check.metric == "region" else check.column or f"\0{place}"


def _findings(audit: Audit, checks: Sequence[Check], drawn: Drawn) -> list[FindingCard]:
    return [
        FindingCard(
            row=_row(check),
            said=capitalised(clause(check)),
            page=_check_page(check),
            pictures=[_picture(figure, drawn) for figure in _figures(audit, check)],
        )
        for check in checks
    ]


def _figures(audit: Audit, check: Check) -> list[Figure]:
    """Return the figures of a check: its column on both sides, the map of regions, or the calibration of predictions.

    A check within a group has no figure, because the figure of the whole column does not show the group.
    """
    if check.metric == "region":
        return [map_of_regions(audit)] if check.verdict == "lost" else []
    if check.metric in PREDICTED:
        return [
            calibration_figure(reliability)
            for reliability in audit.calibration
            if reliability.learner == check.at and reliability.target == check.column
        ]
    portrait = audit.portraits.get(check.column)
    if portrait is None or (check.group and check.metric in INSIDE):
        return []
    quantiles = quantile_figure(check.column, portrait) if portrait.kind == "number" and check.aspect == "tails" else None
    return [column_figure(check.column, portrait), *([] if quantiles is None else [quantiles])]


def _picture(figure: Figure, drawn: Drawn) -> tuple[str, str]:
    """Return a figure as SVG with its caption. Each figure is drawn only once, because a column may have several losses."""
    key = figure.name, figure.title
    if key not in drawn:
        drawn[key] = figure.svg()
    return drawn[key], figure.caption


def _heat_map(worst: Sequence[Check], drawn: Drawn) -> tuple[str, str]:
    """Return the heat map of the pairs of columns whose association has changed, if there are at least three."""
    changes = associations(worst)
    return _picture(map_of_associations(changes), drawn) if changes else ("", "")


def _row(check: Check) -> CheckRow:
    return CheckRow(check, title(check), cut(where(check), 2 * RULE), _bar(check))


def _bar(check: Check) -> CheckBar | None:
    depth = depth_of(check)
    if depth is None:
        return None

    def place(depth: float) -> float:
        return round(min(236.0, max(4.0, HEALTHY + (MARGIN - HEALTHY) * depth)), 1)

    low, high = place(depth.low), place(depth.high)
    floor = None if depth.floor is None else place(depth.floor)
    spoken = f"{written(check.value)}, from {written(check.low)} to {written(check.high)}; margin {written(check.margin)}"
    return CheckBar(HEALTHY, MARGIN, low, max(high, low + 1), place(depth.value), floor, COLOURS[check.verdict], spoken)


def _check_page(check: Check) -> Page:
    return pages_of_aspect(check.aspect)[check.metric]


def _pointed(side: str, frame: Any) -> PointedRecords:
    known = ("_why", "_value", "_row")
    every = ["_value", *(["_row"] if "_row" in frame.columns else []), *(name for name in frame.columns if name not in known)]
    columns = every[:POINTED_COLUMNS]
    reasons: dict[str, list[list[str]]] = {}
    for why, *values in frame.select("_why", *columns).head(POINTED).iter_rows():
        reasons.setdefault(cut(capitalised(_cell(why)), 2 * RULE), []).append([cut(_cell(value), 80) for value in values])
    return PointedRecords(
        side,
        [shortened(column.lstrip("_")) for column in columns],
        [(f"{why}.", rows) for why, rows in reasons.items()],
        sum(map(len, reasons.values())),
        frame.height,
        len(every) - len(columns),
    )


def _interval(estimate: Estimate | None) -> str:
    return "" if estimate is None else f"{written(estimate.value)} [{written(estimate.low)}, {written(estimate.high)}]"


def _cell(value: Any) -> str:
    return "" if value is None else written(value) if isinstance(value, float) else str(value)


def _definitions(audits: Sequence[Audit]) -> Iterator[tuple[str, str, Page]]:
    for aspect, metric in dict.fromkeys((check.aspect, check.metric) for audit in audits for check in audit.every):
        yield aspect, metric, pages_of_aspect(aspect)[metric]


def margin_of(page: Page) -> str:
    """Return the healthy value and the margin of a check in words."""
    assert page.margin is not None
    healthy = page.healthy if isinstance(page.healthy, str) else written(page.healthy)
    if page.worse == "either":
        return f"Healthy: {healthy}. Margin: {written(page.margin)} on either side of that."
    if page.margin_kind == "ratio":
        return f"Healthy: {healthy}. Margin: {'below' if page.worse == 'smaller' else 'above'} {written(page.margin if page.worse == 'smaller' else 1 / page.margin)} times that."
    return f"Healthy: {healthy}. Margin: {written(page.margin)} {'below' if page.worse == 'smaller' else 'above'} that."


def _short(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.1e}" if 0 < abs(value) < 1e-4 else written(value)


DARKEST = 0.2
"""Mean share of records that would have to change at which a cell has its darkest colour."""


def _shade(loss: float) -> str:
    share = min(1.0, loss / DARKEST)
    return f"rgb({255 - round(4 * share)},{255 - round(60 * share)},{255 - round(110 * share)})"
