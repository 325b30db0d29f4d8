"""The lines that a terminal shows of a result or of the list of parts. No line is wider than the terminal."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from outcross.collapse.definitions.early_warning import WARNING
from outcross.collapse.definitions.signals import FIRST
from outcross.collapse.slopes import Slope
from outcross.escapes import shortened
from outcross.experiment.settings import word
from outcross.report.characters import visible
from outcross.report.curves import Curve, CurvePoint, curve
from outcross.report.numerals import decimal, estimated
from outcross.report.response import Response, crossings_of
from outcross.report.study import ShownReading, Study
from outcross.wording import amount

NARROWEST, WIDEST = 40, 120
"""Minimum and maximum length of a line, in characters. A narrower terminal wraps the lines itself, and longer lines are hard to read."""


def width() -> int:
    """The length of a line, in characters: the width of the terminal, or COLUMNS, or else 80."""
    return min(max(shutil.get_terminal_size().columns, NARROWEST), WIDEST)


def at_the_end(readings: Any, *, every_seed: bool = False) -> Any:
    """The rows of a run's readings (`readings.parquet`) in the last generation that all seeds of an arm have reached.

    With `every_seed`, the rows of each seed in its own last generation.
    """
    import polars as pl

    last = readings.group_by("arm", "seed").agg(pl.col("generation").max())
    if every_seed:
        return readings.join(last, on=["arm", "seed", "generation"], how="semi", maintain_order="left")
    common = last.group_by("arm").agg(pl.col("generation").min())
    return readings.join(common, on=["arm", "generation"], how="semi", maintain_order="left")


def response_lines(responses: Sequence[Response], width: int) -> Iterator[str]:
    """A block for each response, with one line per value of the setting: generation, value, 95 % interval."""
    for response in responses:
        where = f", {response.measured.at}" if response.measured.at else ""
        among = f", {response.among}" if response.among else ""
        yield from wrapped(f"{response.measured.measure}{where} against {response.setting}{among}", width)
        rows = [(word(answer.setting), response.measured.curves[answer.arm]) for answer in response.answers]
        yield from _block([_row(f"{setting:>{max(len(word) for word, _ in rows)}}", line) for setting, line in rows], width)
        for crossing in crossings_of([response], {}):
            yield from wrapped(crossing.words, width)


def summary_lines(study: Study, width: int, *, every_seed: bool = False) -> Iterator[str]:
    """A block for each reading, with one line per arm: generation, value, 95 % interval. If names are long, an arm takes two lines.

    `study` holds the last generation of every arm (`at_the_end`). Several seeds of an arm are one line, with their mean and Student's
    interval over the seeds. With `every_seed`, each seed is a line with its own interval.
    """
    many = len({reading.seed for reading in study.readings}) > 1
    blocks: dict[tuple[str, str], list[Row]] = {}
    for (measure, at, arm), own in _by_place(study).items():
        page = study.pages.get(measure)
        rows = (
            [_row(f"{arm} seed {reading.seed}" if many else arm, curve(arm, [reading], page)) for reading in own]
            if every_seed
            else [_row(arm, curve(arm, own, page))]
        )
        blocks.setdefault((measure, at), []).extend(rows)
    names = max((len(row.name) for block in blocks.values() for row in block), default=0)
    values = max((len(row.value) for block in blocks.values() for row in block), default=0)
    for (measure, at), block in blocks.items():
        yield shortened(visible(f"{measure}, {at}" if at else measure), width)
        yield from _block(block, width, names, values)


@dataclass(frozen=True)
class Row:
    """A line of a block."""

    name: str
    generation: str
    value: str


def _by_place(study: Study) -> dict[tuple[str, str, str], list[ShownReading]]:
    """The readings by measure, place and arm, without the readings of real data."""
    by_place: dict[tuple[str, str, str], list[ShownReading]] = {}
    for reading in study.readings:
        if not reading.is_floor:
            by_place.setdefault((reading.measure, reading.at, reading.arm), []).append(reading)
    return by_place


def _row(name: str, line: Curve) -> Row:
    """The last point of a curve: its value, its interval or why there is none, and how many of the arm's seeds it is the mean of."""
    point, seeds = line.end, max(1, len(line.threads))
    known = sum(
        own_point.value is not None for thread in line.threads for own_point in thread if own_point.generation == point.generation
    )
    words = "" if point.low is None and known == seeds else _seed_words(known, seeds)
    return Row(visible(name), f"g{point.generation}", f"{_point_words(point)}{words}")


def _seed_words(known: int, seeds: int) -> str:
    if seeds == 1 or known == 0:
        return ""
    return f" {amount(seeds, 'seed')}" if known == seeds else f" {known} of {seeds} seeds"


def _point_words(point: CurvePoint) -> str:
    if point.value is None:
        return "–"
    if point.low is None or point.high is None:
        return f"{point.value:.4g} ({point.method})" if point.method else f"{point.value:.4g}"
    return f"{point.value:.4g} [{point.low:.4g}, {point.high:.4g}]"


def _block(rows: Sequence[Row], width: int, names: int = 0, values: int = 0) -> Iterator[str]:
    """Rows as lines. If the columns of names and values are too wide for one line, each name is on a line of its own.

    `names` and `values` are the minimum widths of these columns, in characters.
    """
    names = max([names, *(len(row.name) for row in rows)])
    is_wide = names + max([values, *(len(row.value) for row in rows)]) + 10 <= width
    for row in rows:
        if is_wide:
            yield f"  {row.name:{names}}  {row.generation:>4}  {row.value}"
        else:
            yield f"  {shortened(row.name, width - 2)}"
            yield from wrapped(f"{row.generation}  {row.value}", width, indent=8 - len(row.generation), hang=10)


def slope_lines(slopes: Sequence[Slope], width: int) -> Iterator[str]:
    """A block for each setting, with one line per slope over arms that differ in no other setting, or the reason why there is no slope."""
    if slopes:
        yield ""
        yield from wrapped(
            "slopes over arms that differ in one number; start: the risk at generation 0; speed: its growth per generation; narrowing: "
            "nats of log-variance lost per generation; change: the change of any other reading per generation",
            width,
        )
    for setting in dict.fromkeys(slope.setting for slope in slopes):
        yield from wrapped(f"against {setting}", width)
        for slope in slopes:
            if slope.setting == setting:
                yield from wrapped(f"{_fit(slope)}: {_slope_words(slope)}", width, indent=2)


def order_lines(profile: Any, width: int) -> Iterator[str]:
    """The signal of collapse that moved first in each arm, and how many generations later the others moved. Empty if no signal moved in any arm."""
    rows = profile.filter(profile["definition"] == FIRST)
    if not (rows["answer"] == "yes").any():
        return
    yield ""
    yield from wrapped(
        "what moved first (a signal moves at the generation from which on, to the end, it is significantly worse than at generation 0 by more than 5 %)",
        width,
    )
    warnings = profile.filter((profile["definition"] == WARNING) & (profile["answer"] != "not_applicable"))
    warned = dict(warnings.select("arm", "note").iter_rows())
    for arm, said in rows.select("arm", "note").iter_rows():
        yield from wrapped(f"{arm}: {said}", width, indent=2)
        if arm in warned:
            yield from wrapped(f"early warning: {warned[arm].partition('. ')[0]}.", width, indent=4)


def _fit(slope: Slope) -> str:
    """The arms, the reading and the scales of a slope: `replace, w2, ln speed against ln human.rows`."""
    return ", ".join(filter(None, (slope.among, slope.measure, slope.relation or slope.quantity)))


FAMILY_WORDS = {
    "experiments": "built-in experiments: `outcross run gaussian`",
    "policies": "rules for the training set of the next generation",
    "models": "models that learn from records and write new ones",
    "measures": "measures of a run or of an audit",
    "attributes": "a number for each record, such as its length",
    "filters": "rules that keep or reject records",
    "classifiers": "classifiers that label records in a loop",
    "detectors": "estimates of how likely it is that a model wrote a text",
    "sources": "sources of human data",
    "targets": "formats in which models and results are written for other tools",
    "definitions": "the eight definitions of collapse",
    "laws": "closed forms that are drawn into the charts of a run",
    "growth": "growth laws with which a forecast extrapolates",
}


def family_lines(families: Mapping[str, Sequence[Mapping[str, Any]]], width: int) -> Iterator[str]:
    """One line for each family: its name, its number of parts, and a description."""
    for family, members in families.items():
        yield from wrapped(f"{family:12} {len(members):3}  {FAMILY_WORDS.get(family, '')}", width, hang=18)
    yield ""
    yield from wrapped(
        "outcross list policies shows the parts of one family with their papers; outcross list --json has all.", width
    )


def part_lines(families: Mapping[str, Sequence[Mapping[str, Any]]], width: int) -> Iterator[str]:
    """For several families, the number of parts of each. For one family, its members with their readings and papers, and then the papers."""
    if len(families) > 1:
        yield from family_lines(families, width)
        return
    numbers: dict[str, int] = {}
    for family, members in families.items():
        yield family
        for member in members:
            cited = "".join(f" [{numbers.setdefault(paper, len(numbers) + 1)}]" for paper in member["papers"])
            name = f"{member['name']:22} " if len(member["name"]) <= 22 else f"{member['name']}: "
            yield from wrapped(f"{name}{member['what']}{cited}", width, indent=2, hang=25)
            if "taken_by" in member:
                yield from wrapped(f"aspect {member['aspect']}, for {' and '.join(member['taken_by'])}", width, indent=25)
            if "readings" in member:
                yield from wrapped(f"reads {', '.join(member['readings'])}", width, indent=25)
        yield ""
    yield "papers"
    for paper, number in numbers.items():
        yield from wrapped(f"[{number}] {paper}", width, indent=2, hang=7)


def _slope_words(slope: Slope) -> str:
    if slope.slope is None:
        return f"– ({slope.note})"
    clauses = [f"{estimated(slope.slope.value, *slope.slope.interval)} over {amount(len(slope.points), 'arm')}"]
    if slope.closed_form is not None:
        clauses.append(f"closed form {decimal(slope.closed_form)}")
    if slope.bend is not None:
        clauses.append(f"curvature {estimated(slope.bend.value, *slope.bend.interval)}")
    return f"{', '.join(clauses)}{f' ({slope.note})' if slope.note else ''}"


def comment_lines(plans: Mapping[str, Sequence[str]], width: int) -> Iterator[str]:
    """The plan of every arm as YAML comments. Arms with the same plan are listed together."""
    for names, lines in plans.items():
        for line in (f"What {names} {'learn' if ', ' in names else 'learns'} from:", *lines):
            yield from textwrap.wrap(visible(line), width, initial_indent="# ", subsequent_indent="#   ")


def wrapped(text: str, width: int, indent: int = 0, hang: int | None = None) -> list[str]:
    first, later = " " * indent, " " * (indent + 2 if hang is None else hang)
    return textwrap.wrap(visible(text), width, initial_indent=first, subsequent_indent=later, break_on_hyphens=False)
