"""The report of a study as one HTML file that opens offline."""

from __future__ import annotations

import base64
import hashlib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from outcross.files.outputs import write_page
from outcross.measures import leading, standing_for
from outcross.report.charts import Look, looks
from outcross.report.choosing import choosing_of
from outcross.report.crossings import crossed
from outcross.report.curves import Measured, measured, pooled
from outcross.report.differences import INDEPENDENT, CurveDifference, between
from outcross.report.headline import (
    Change,
    Tail,
    change,
    chiefs,
    extremes,
    is_baseline,
    sentence,
    silence,
    tail_measure,
    tails,
    warnings,
)
from outcross.report.histograms import HISTOGRAMS, histogram
from outcross.report.multiples import multiples
from outcross.report.pictures import grids as grids_of
from outcross.report.profile import PAPER, profile_of, said_by
from outcross.report.response import leads as leading_of
from outcross.report.response import response_sections
from outcross.report.sections import CROWDED, EXPLAINED, Pen, Section, draw_whole, every_seed, main_section, page_of, places_section
from outcross.report.slopes import slopes_of
from outcross.report.study import Page, PolicyPage, Study
from outcross.report.templates import resource, template
from outcross.report.texts import excerpts, writers

LIMIT = 1_000_000  # bytes
VIEWPORT = b'<meta name="viewport"'
ROWS = 6_000
PREPARED = 30_000  # maximum number of characters of an experiment or environment that are shown


@dataclass(frozen=True)
class Allowance:
    """The maximum content of the page: bytes of charts, rows of tables, and bytes of text and of pictures."""

    charts: int = 700_000
    rows: int = ROWS
    texts: int = 180_000
    pictures: int = 150_000

    def less(self) -> Allowance:
        """The next smaller allowance. Charts are reduced the least, since they matter most to readers."""
        return Allowance(self.charts * 3 // 4, self.rows // 2, self.texts // 2, self.pictures // 2)


@dataclass(frozen=True)
class ArmPage:
    """A line of the legend: the look of an arm, its policy and its last value."""

    name: str
    look: Look
    policy: PolicyPage | None
    page: Page | None
    change: Change | None
    tail: Tail | None
    compared: CurveDifference | None = None
    """The difference of this arm from the reference arm, at the last generation that both have."""
    as_arm: str = ""
    """An earlier arm with the same policy, whose line describes it; empty if there is none."""


@dataclass(frozen=True)
class Pair:
    """An arm among those that differ only in temperature, which shows the effect of decoding apart from learning."""

    arm: str
    temperature: str
    page: Page
    change: Change


def write(study: Study, path: str | Path, head: bytes = b"") -> Path:
    """Write the report of a study, with `head` added to its HTML head. The same study gives the same bytes. Returns the path."""
    path = Path(path)
    allowance = Allowance()
    page = render(study, allowance)
    while len(page) > LIMIT and allowance.rows > 100:
        allowance = allowance.less()
        page = render(study, allowance)
    return write_page(path, page.replace(VIEWPORT, head + VIEWPORT, 1))


def render(study: Study, allowance: Allowance) -> bytes:
    """The page within an allowance."""
    seeded = measured(study)
    readings = [pooled(reading) for reading in seeded]
    names = {(law.measure, law.arm): law.name for law in study.laws}
    pen = Pen(looks(study.arms), allowance.charts, "human text" if study.samples else "human data", names)
    every = _every(study, allowance.rows)
    answers = response_sections(study, seeded, pen)
    compared = [reading for reading in chiefs(seeded, study.closed_forms) if not answers or _has_a_course(reading)]
    leads = [(pooled(reading), page_of(study, reading.measure, readings)) for reading in compared]
    mains = [main_section(study, lead, page, pen, every) for lead, page in leads]
    grids = [
        grid
        for lead in leading_of(readings, study.closed_forms)
        for grid in multiples(study, lead, page_of(study, lead.measure, readings), pen)
    ]
    rest = _rest(study, readings, [lead for lead, _ in leads], pen, every)
    slopes = slopes_of(study, [lead.measure for lead, _ in leads], pen)
    seeds = [every_seed(reading, page_of(study, reading.measure, readings), pen) for reading in compared]
    shown_writers, prompts_left_out = writers(study, allowance.texts)
    prompt, excerpted = excerpts(study, *extremes(*leads[0])) if leads else ("", ())
    tables = [*(section.table for section in (*mains, *rest, *answers, *slopes)), *(grid.figure.table for grid in grids)]
    kinds = {columns: f"t{number}" for number, columns in enumerate(dict.fromkeys(table.columns for table in tables))}
    script = resource("page.js")
    text = _template().render(
        study=study,
        sentences=crossed(answer.crossings for answer in answers)
        or [sentence(lead, readings, page) for lead, page in leads]
        or [silence(study)],
        warnings=warnings(readings),
        mains=mains,
        grids=grids,
        arms=_arms(study, readings, leads),
        tail_figure=next((section for section in rest if section.measure == tail_measure(readings)), None),
        decoding_figures=[section for section in rest if section.measure in standing_for("decoding")],
        figures=[section for section in rest if section.measure not in (tail_measure(readings), *standing_for("decoding"))],
        absent=_absent(study),
        writers=shown_writers,
        pictures=grids_of(study, allowance.pictures),
        prompts_left_out=prompts_left_out,
        prompt=prompt,
        excerpts=excerpted,
        pairs=[pair for lead in leads for pair in _pairs(*lead)],
        profile=profile_of(study),
        references=[reference_of(lead) for lead, _ in leads],
        independent=INDEPENDENT,
        said_by=said_by,
        slopes=slopes,
        choosing=choosing_of(study),
        responses=answers,
        seeds=seeds,
        papers=_papers(study, readings),
        every=every,
        explained=EXPLAINED,
        first_with_laws=next((section.measure for section in (*mains, *rest) if section.agreement), ""),
        pen=pen,
        shown=PREPARED,
        named=zip,
        kinds=kinds,
        labels=_labels(kinds),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )
    return text.encode()


def _labels(kinds: Mapping[tuple[str, ...], str]) -> str:
    """The style that puts the name of its column before each cell of a table, on a page that is too narrow for columns."""
    rules = [
        f'.{kind} td:nth-child({place})::before{{content:"{column} ";color:var(--quiet)}}'
        for columns, kind in kinds.items()
        for place, column in enumerate(columns, 1)
        if re.fullmatch(r"[\w .%-]+", column)
    ]
    return f"@media screen and (max-width: 720px) {{{''.join(rules)}}}"


@cache
def _template() -> Any:
    return template("page.html")


def _has_a_course(reading: Measured) -> bool:
    """Whether a reading has several generations in some arm, so that there is a curve to draw."""
    return any(len(line.known) > 1 for line in reading.curves.values())


def _every(study: Study, rows: int) -> int:
    """The step between the generations that tables show: 1 for all, or more if a long study would exceed the size limit."""
    generations = {reading.generation for reading in study.readings}
    if len(study.readings) <= rows or len(generations) <= CROWDED:
        return 1
    rough = math.ceil(len(study.readings) / rows)
    return next(step for power in range(12) for step in (10**power, 2 * 10**power, 5 * 10**power) if step >= rough)


def _rest(study: Study, readings: Sequence[Measured], leads: Sequence[Measured], pen: Pen, every: int) -> list[Section]:
    """The sections of the measures that do not lead the page: first those with established names, then the others in the order of the readings."""
    places: dict[str, list[Measured]] = {}
    for reading in readings:
        if reading not in leads:
            places.setdefault(reading.measure, []).append(reading)
    preferred, rare_words = leading(), tail_measure(readings)

    def place(measure: str) -> tuple[bool, int]:
        return measure != rare_words, preferred.index(measure) if measure in preferred else len(preferred)

    order = sorted(places, key=place)
    for measure in order:
        if measure not in HISTOGRAMS:
            draw_whole(study, places[measure], page_of(study, measure, readings), pen)

    def section(measure: str) -> Section:
        draw = histogram if measure in HISTOGRAMS else places_section
        return draw(study, measure, places[measure], page_of(study, measure, readings), pen, every)

    return [section(measure) for measure in order]


def _arms(study: Study, readings: Sequence[Measured], leads: Sequence[tuple[Measured, Page]]) -> list[ArmPage]:
    styles, tails_by_arm = looks(study.arms), tails(readings)
    ends = {arm: (page, change(line, page)) for main, page in leads for arm, line in main.curves.items()}
    compared = {arm: difference for main, page in leads for arm, difference in compared_with(main, page).items()}
    firsts: dict[tuple[str, str], str] = {}
    lines = []
    for arm in study.arms:
        policy = study.policies.get(arm)
        first = firsts.setdefault((policy.description, policy.paper), arm) if policy is not None else arm
        own = ends.get(arm, (None, None))
        lines.append(
            ArmPage(arm, styles[arm], policy, *own, tails_by_arm.get(arm), compared.get(arm), "" if first == arm else first)
        )
    return lines


def reference_of(main: Measured) -> str:
    """The arm with which the others are compared: the human baseline if there is one, otherwise the first arm."""
    return next((arm for arm in main.curves if is_baseline(arm)), next(iter(main.curves)))


def compared_with(main: Measured, page: Page) -> dict[str, CurveDifference]:
    """The difference of every other arm from the reference arm, at the last generation that both have."""
    reference = main.curves[reference_of(main)]
    differences = {}
    for arm, line in main.curves.items():
        last = min(line.end.generation, reference.end.generation)
        if arm != reference.arm and (difference := between(line, reference, last, page.log)) is not None:
            differences[arm] = difference
    return differences


def _absent(study: Study) -> list[tuple[str, str, str]]:
    """Measures that could not be computed in any arm: the measure, the place and the reasons."""
    whys: dict[tuple[str, str], dict[str, None]] = {}
    for reading in study.readings:
        if not reading.is_floor:
            whys.setdefault((reading.measure, reading.at), {})
            if reading.value is None or not math.isfinite(reading.value):
                whys[reading.measure, reading.at].setdefault(reading.note or "not finite")
            else:
                whys[reading.measure, reading.at][""] = None
    return [
        (study.pages[measure].title if measure in study.pages else measure, at, "; ".join(reasons))
        for (measure, at), reasons in whys.items()
        if "" not in reasons
    ]


def _pairs(main: Measured, page: Page) -> list[Pair]:
    """Arms whose names differ only in temperature."""
    families: dict[str, list[Pair]] = {}
    for arm, line in main.curves.items():
        parts = arm.split(",")
        temperature = [part.split("=")[-1] for part in parts if _TEMPERATURE.match(part)]
        rest = ",".join(part for part in parts if not _TEMPERATURE.match(part))
        pair = Pair(arm, temperature[0] if temperature else "as in the experiment", page, change(line, page))
        families.setdefault(rest, []).append(pair)
    return [pair for family in families.values() if len(family) > 1 for pair in family]


_TEMPERATURE = re.compile(r"\s*(draw\.)?temperature=")


def _papers(study: Study, readings: Iterable[Measured]) -> list[tuple[str, str]]:
    """Each paper once, with the parts that are based on it."""
    parts: dict[str, dict[str, None]] = {}

    def cite(paper: str, part: str) -> None:
        if paper:
            parts.setdefault(paper, {})[part] = None

    for arm in study.arms:
        if arm in study.policies:
            cite(study.policies[arm].paper, arm)
    for measure in dict.fromkeys(reading.measure for reading in study.readings):
        if measure in study.pages:
            cite(study.pages[measure].paper, study.pages[measure].title)
    for law in study.laws:
        cite(law.citation, law.name)
    if study.profile:
        cite(PAPER, "the collapse profile")
    return [(paper, ", ".join(used)) for paper, used in parts.items()]
