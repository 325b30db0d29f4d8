"""What a terminal shows of a result or of the parts, no line wider than it is."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from outcross.collapse.slopes import Slope
from outcross.escapes import shortened
from outcross.report.characters import visible
from outcross.report.numerals import decimal, estimated

NARROWEST, WIDEST = 40, 120
"""Characters of a line: on a terminal narrower than this a line is wrapped by it, and wider text is hard to read."""


def width() -> int:
    """Characters of a line: the terminal's, or COLUMNS; 80 where neither says."""
    return min(max(shutil.get_terminal_size().columns, NARROWEST), WIDEST)


def summary_lines(readings: Any, width: int) -> Iterator[str]:
    """A block a reading, in it a line an arm (and seed): generation, value, 95 % interval; two lines where names are long."""
    many = readings["seed"].n_unique() > 1
    last: dict[tuple[str, int], int] = {}
    for arm, seed, generation in readings.select("arm", "seed", "generation").iter_rows():
        last[arm, seed] = max(generation, last.get((arm, seed), 0))
    blocks: dict[tuple[str, str], list[tuple[str, str, str]]] = {}
    for row in readings.iter_rows(named=True):
        if row["generation"] == last[row["arm"], row["seed"]]:
            name = visible(f"{row['arm']} seed {row['seed']}" if many else row["arm"])
            where = ", ".join(filter(None, (row["column"], row["at"], row["group"])))
            blocks.setdefault((row["measure"], where), []).append((name, f"g{row['generation']}", _value(row)))
    every = [row for block in blocks.values() for row in block]
    names = max((len(name) for name, _, _ in every), default=0)
    is_wide = names + max((len(value) for _, _, value in every), default=0) + 10 <= width
    for (measure, at), block in blocks.items():
        yield shortened(visible(f"{measure}, {at}" if at else measure), width)
        for name, generation, value in block:
            if is_wide:
                yield f"  {name:{names}}  {generation:>4}  {value}"
            else:
                yield f"  {shortened(name, width - 2)}"
                yield f"  {generation:>6}  {value}"


def slope_lines(found: Sequence[Slope], width: int) -> Iterator[str]:
    """A block a setting, in it a line a slope over arms that differ in nothing else; or why there is none."""
    if found:
        yield ""
        yield from wrapped(
            "slopes over arms that differ in one number; start: the risk at generation 0; speed: its growth a generation; narrowing: "
            "nats of log-variance lost a generation; change: any other reading's a generation",
            width,
        )
    for setting in dict.fromkeys(one.setting for one in found):
        yield from wrapped(f"against {setting}", width)
        for one in found:
            if one.setting == setting:
                yield from wrapped(f"{_fit(one)}: {_told(one)}", width, indent=2)


def _fit(one: Slope) -> str:
    """Which reading of which arms, on which scales: `replace, w2, ln speed against ln human.rows`."""
    return ", ".join(filter(None, (one.among, one.measure, one.of or one.quantity)))


def part_lines(families: Mapping[str, Sequence[Mapping[str, Any]]], width: int) -> Iterator[str]:
    """Every family with its members, their readings and the numbers of their papers; then each paper once."""
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


def _value(row: Mapping[str, Any]) -> str:
    if row["value"] is None:
        return "–"
    why = f" ({row['method']})" if row["method"] else ""
    interval = why if row["low"] is None else f" [{row['low']:.4g}, {row['high']:.4g}]"
    return f"{row['value']:.4g}{interval}"


def _told(one: Slope) -> str:
    if one.slope is None:
        return f"– ({one.note})"
    told = [f"{estimated(one.slope.value, *one.slope.interval)} over {len(one.points)} arms"]
    if one.closed_form is not None:
        told.append(f"closed form {decimal(one.closed_form)}")
    if one.bend is not None:
        told.append(f"bend {estimated(one.bend.value, *one.bend.interval)}")
    return f"{', '.join(told)}{f' ({one.note})' if one.note else ''}"


def wrapped(text: str, width: int, indent: int = 0, hang: int | None = None) -> list[str]:
    first, later = " " * indent, " " * (indent + 2 if hang is None else hang)
    return textwrap.wrap(visible(text), width, initial_indent=first, subsequent_indent=later, break_on_hyphens=False)
