"""Audits to one HTML file that opens offline: what is lost first, each number beside its floor and its margin."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outcross.escapes import shortened
from outcross.files.outputs import write_page
from outcross.measures import Page, pages_of_aspect
from outcross.report.characters import cut
from outcross.report.templates import environment, resource
from outcross.verbs.audit.rankings import aspects_of, onsets, ranking
from outcross.verbs.audit.sentences import capitalised, clause, percent, phrase, title, where, written

if TYPE_CHECKING:
    from outcross.verbs.audit.result import Audit, Check

LIMIT = 1_000_000  # bytes
MARKS = {"lost": "✗", "invented": "!", "cannot_tell": "?", "kept": "✓", "not_applicable": "·"}
COLOURS = {"lost": "#9a3b00", "invented": "#6b3fa0", "cannot_tell": "#63625d", "kept": "#2f6b3c", "not_applicable": "#63625d"}
MOST = {"lost": 60, "invented": 60, "cannot_tell": 60, "kept": 60, "not_applicable": 40}
LONGEST = 2000
"""Characters of one piece of text on the page: a sentence, a note."""
POINTED = 12
"""Records shown of each side."""
HEALTHY, MARGIN = 60.0, 100.0
"""Where the bars have what is human and the margin, of 240 across."""


@dataclass(frozen=True)
class CheckBar:
    """A check as a bar across 240: places of its numbers."""

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
    """A check as a row."""

    check: Check
    title: str
    where: str
    bar: CheckBar | None


@dataclass(frozen=True)
class Group:
    """The checks of an aspect that have one verdict."""

    verdict: str
    rows: list[CheckRow]
    left: int
    """Checks that are not shown."""
    is_open: bool


@dataclass(frozen=True)
class AspectPage:
    """One aspect of one audit."""

    name: str
    counts: dict[str, int]
    groups: list[Group]


@dataclass(frozen=True)
class AuditPage:
    """One audit, as the page shows it."""

    name: str
    summary: str
    rows: dict[str, int]
    rate: float
    aspects: list[AspectPage]
    pointed: list[tuple[str, list[str], list[list[str]], int]]
    notes: list[str]
    kinds: list[tuple[str, str]]


def write_audits(audits: Sequence[Audit], path: Path, are_generations: bool = False) -> Path:
    """Write the report of one audit, or of several beside each other."""
    return write_page(path, page(audits, are_generations))


def page(audits: Sequence[Audit], are_generations: bool = False) -> bytes:
    """The page, below a megabyte: fewer rows where there are many."""
    share = 1.0
    text = _rendered(audits, are_generations, share)
    while len(text) > LIMIT and share > 0.02:
        share /= 2
        text = _rendered(audits, are_generations, share)
    return text


def fragment(audit: Audit) -> str:
    """The sentence and what is lost, for a notebook."""
    rows = [_row(check) for check in audit.of("lost", "invented")[:20]]
    return _template("fragment.html").render(audit=audit, rows=rows)


@cache
def _template(name: str) -> Any:
    templates = environment(LONGEST)
    templates.filters |= {"short": _short, "shade": _shade, "phrase": phrase, "margin_of": margin_of, "percent": percent}
    return templates.from_string(resource(name))


def _rendered(audits: Sequence[Audit], are_generations: bool, share: float) -> bytes:
    several = len(audits) > 1
    aspects = aspects_of(audits)
    text = _template("audit.html").render(
        heading=audits[0].name if not several else f"{len(audits)} sets",
        sentence=audits[0].summary if not several else _sentence(audits, are_generations),
        places=_places(audits, aspects) if several else [],
        aspects=aspects,
        anchors={audit.name: f"set-{i}" for i, audit in enumerate(audits)},
        onsets=onsets(audits) if are_generations and several else [],
        curves=_curves(audits, aspects) if are_generations and several else "",
        pages=[_page(audit, share, not several) for audit in audits],
        marks=MARKS,
        definitions=list(_definitions(audits)),
        style=resource("page.css") + resource("audit.css"),
    )
    return text.encode("utf-8", "replace")


def _sentence(audits: Sequence[Audit], are_generations: bool) -> str:
    if are_generations:
        first = [one for one in onsets(audits) if one.generation is not None]
        if not first:
            return f"Nothing is lost in {len(audits)} generations."
        earliest = [one for one in first if one.generation == first[0].generation]
        assert first[0].check is not None
        return f"Lost first, in generation {first[0].generation}: {', '.join(one.aspect for one in earliest)}. {capitalised(clause(first[0].check))}."
    audits = [audit for audit in audits if not audit.is_human]
    clean = [audit.name for audit in audits if not audit.lost]
    whole = f"; nothing is lost in {', '.join(clean[:5])}" if clean else ""
    return f"{len(audits) - len(clean)} of {len(audits)} sets have lost something{whole}."


def _places(audits: Sequence[Audit], aspects: Sequence[str]) -> list[tuple[str, list[Any]]]:
    places = {(place.aspect, place.name): place for place in ranking(audits)}
    return [(audit.name, [places.get((aspect, audit.name)) for aspect in aspects]) for audit in audits]


def _curves(audits: Sequence[Audit], aspects: Sequence[str]) -> str:
    """The mean share of records that would have to change in each aspect over generations, as drawn by the charts of runs; nothing where they cannot be drawn."""
    from outcross.report.charts import STYLE, draw

    losses = {(place.aspect, place.name): place.loss for place in ranking(audits)}
    rows = [
        {"generation": g, "aspect": aspect.replace("_", " "), "loss": losses[aspect, audit.name]}
        for g, audit in enumerate(audits)
        for aspect in aspects
        if (aspect, audit.name) in losses
    ]
    specification = {
        "width": 620,
        "height": 240,
        "config": STYLE,
        "data": {"values": rows},
        "mark": {"type": "line", "point": True, "strokeWidth": 2},
        "encoding": {
            "x": {
                "field": "generation",
                "type": "quantitative",
                "axis": {"values": list(range(len(audits))), "format": "d", "grid": False},
            },
            "y": {
                "field": "loss",
                "type": "quantitative",
                "axis": {"format": "%"},
                "title": "records that would have to change, mean over checks",
            },
            "color": {"field": "aspect", "type": "nominal", "title": None},
            "strokeDash": {"field": "aspect", "type": "nominal", "title": None},
        },
    }
    try:
        return draw(specification, "onsets")
    except ModuleNotFoundError:
        return ""


def _page(audit: Audit, share: float, is_alone: bool) -> AuditPage:
    order = list(dict.fromkeys([*audit.lost, *audit.invented, *(check.aspect for check in audit.every)]))
    return AuditPage(
        name=audit.name,
        summary=audit.summary,
        rows=dict(audit.rows),
        rate=audit.rate,
        aspects=[_aspect(audit, name, share, is_alone) for name in order],
        pointed=[_pointed(side, frame) for side, frame in audit.pointed.items() if frame.height],
        notes=list(audit.notes),
        kinds=[(shortened(column), kind) for column, kind in audit.kinds.items()],
    )


def _aspect(audit: Audit, name: str, share: float, is_alone: bool) -> AspectPage:
    groups = []
    counts = {}
    for verdict in MARKS:
        every = [check for check in audit.of(verdict) if check.aspect == name]  # type: ignore[arg-type]
        shown = max(1, round(MOST[verdict] * share))
        counts[verdict] = len(every)
        if every:
            is_open = is_alone and verdict in ("lost", "invented")
            groups.append(Group(verdict, list(map(_row, every[:shown])), max(0, len(every) - shown), is_open))
    return AspectPage(name, counts, groups)


def _row(check: Check) -> CheckRow:
    return CheckRow(check, title(check), cut(where(check), 120), _bar(check))


def _bar(check: Check) -> CheckBar | None:
    healthy = _check_page(check).healthy
    healthy = check.real_vs_real if isinstance(healthy, str) else healthy
    if None in (healthy, check.value, check.low, check.high, check.margin) or healthy == check.margin:
        return None

    def place(value: float) -> float:
        depth = (healthy - value) / (healthy - check.margin)  # type: ignore[operator]
        return round(min(236.0, max(4.0, HEALTHY + (MARGIN - HEALTHY) * depth)), 1)

    low, high = sorted((place(check.low), place(check.high)))  # type: ignore[arg-type]
    floor = None if check.floor is None else place(check.floor)
    spoken = f"{written(check.value)}, from {written(check.low)} to {written(check.high)}; margin {written(check.margin)}"
    return CheckBar(HEALTHY, MARGIN, low, max(high, low + 1), place(check.value), floor, COLOURS[check.verdict], spoken)  # type: ignore[arg-type]


def _check_page(check: Check) -> Page:
    return pages_of_aspect(check.aspect)[check.metric]


def _pointed(side: str, frame: Any) -> tuple[str, list[str], list[list[str]], int]:
    columns = ["_why", "_value", *(column for column in frame.columns if column not in ("_why", "_value"))][:14]
    rows = [[cut(_cell(value), 80) for value in row] for row in frame.select(columns).head(POINTED).iter_rows()]
    return side, [shortened(column.lstrip("_")) for column in columns], rows, frame.height


def _cell(value: Any) -> str:
    return "" if value is None else written(value) if isinstance(value, float) else str(value)


def _definitions(audits: Sequence[Audit]) -> Iterator[tuple[str, str, Page]]:
    for aspect, metric in dict.fromkeys((check.aspect, check.metric) for audit in audits for check in audit.every):
        yield aspect, metric, pages_of_aspect(aspect)[metric]


def margin_of(page: Page) -> str:
    """The margin of a check in words."""
    assert page.margin is not None
    healthy = page.healthy if isinstance(page.healthy, str) else written(page.healthy)
    if page.worse == "either":
        return f"Healthy: {healthy}. Margin: {written(page.margin)} on either side of that."
    if page.of == "ratio":
        return f"Healthy: {healthy}. Margin: {'below' if page.worse == 'smaller' else 'above'} {written(page.margin if page.worse == 'smaller' else 1 / page.margin)} times that."
    return f"Healthy: {healthy}. Margin: {written(page.margin)} {'below' if page.worse == 'smaller' else 'above'} that."


def _short(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.1e}" if 0 < abs(value) < 1e-4 else written(value)


DARKEST = 0.2
"""Mean share of records that would have to change from which a cell is as dark as it gets."""


def _shade(loss: float) -> str:
    share = min(1.0, loss / DARKEST)
    return f"rgb({255 - round(4 * share)},{255 - round(60 * share)},{255 - round(110 * share)})"
