"""What a terminal shows of a result or of the parts, no line wider than it is."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from outcross.estimate import Estimate
from outcross.exponent import Exponent
from outcross.report.characters import shortened, visible
from outcross.report.numerals import decimal
from outcross.slopes import Slope

NARROWEST, WIDEST = 40, 120
"""Characters of a line: on a terminal narrower than this a line is wrapped by it, and wider text is hard to read."""


def width() -> int:
    """Characters of a line: the terminal's, or COLUMNS; 80 where neither says."""
    return min(max(shutil.get_terminal_size().columns, NARROWEST), WIDEST)


def run_lines(folder: Path, width: int) -> Iterator[str]:
    """The last generation of every arm and seed, reading by reading, with intervals; then the exponents that the arms give."""
    from outcross.run_folder import read_exponents, read_readings, read_slopes

    yield from summary_lines(read_readings(folder), width)
    yield from exponent_lines(read_exponents(folder), width)
    yield from slope_lines(read_slopes(folder), width)


def summary_lines(readings: Any, width: int) -> Iterator[str]:
    """A block a reading, in it a line an arm (and seed): generation, value, 95 % interval; two lines where names are long."""
    many = readings["seed"].n_unique() > 1
    last: dict[tuple[str, int], int] = {}
    for arm, seed, generation in readings.select("arm", "seed", "generation").iter_rows():
        last[arm, seed] = max(generation, last.get((arm, seed), 0))
    blocks: dict[tuple[str, str], list[tuple[str, str, str]]] = {}
    for row in readings.filter(~readings["aspect"].str.starts_with("floor")).iter_rows(named=True):
        if row["generation"] == last[row["arm"], row["seed"]]:
            name = visible(f"{row['arm']} seed {row['seed']}" if many else row["arm"])
            blocks.setdefault((row["metric"], row["aspect"]), []).append((name, f"g{row['generation']}", _value(row)))
    every = [row for block in blocks.values() for row in block]
    names = max((len(name) for name, _, _ in every), default=0)
    is_wide = names + max((len(value) for _, _, value in every), default=0) + 10 <= width
    for (metric, aspect), block in blocks.items():
        yield shortened(visible(f"{metric}, {aspect}" if aspect else metric), width)
        for name, generation, value in block:
            if is_wide:
                yield f"  {name:{names}}  {generation:>4}  {value}"
            else:
                yield f"  {shortened(name, width - 2)}"
                yield f"  {generation:>6}  {value}"


def exponent_lines(found: Sequence[Exponent], width: int) -> Iterator[str]:
    """A block a setting, in it a line a reading and group of arms; or why there is no exponent."""
    for setting in dict.fromkeys(one.setting for one in found):
        yield ""
        yield from _wrapped(f"exponent b of the speed, the mean change a generation ∝ {setting}^b", width)
        for one in found:
            if one.setting == setting:
                yield from _wrapped(f"{one.metric}{f', {one.among}' if one.among else ''}: {_told(one)}", width, indent=2)


def slope_lines(found: Sequence[Slope], width: int) -> Iterator[str]:
    """A line a slope of the start and the speed of collapse against a setting, over arms that differ in nothing else."""
    if found:
        yield ""
        yield from _wrapped(
            "slopes, start: the risk at generation 0; speed: its growth a generation; narrowing: nats of log-variance lost a generation",
            width,
        )
    for one in found:
        of = one.of or f"{one.quantity} against {one.setting}"
        value = (
            f"– ({one.note})"
            if one.slope is None
            else f"{_interval(one.slope)}, bend {_interval(one.bend)} over {len(one.points)} arms"
        )
        yield from _wrapped(f"{of}{f' ({one.held})' if one.held else ''}, {one.metric}: {value}", width, indent=2)


def _interval(estimate: Estimate | None) -> str:
    return "–" if estimate is None else f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


def part_lines(families: Mapping[str, Sequence[Mapping[str, Any]]], width: int) -> Iterator[str]:
    """Every family with its members, their readings and the numbers of their papers; then each paper once."""
    numbers: dict[str, int] = {}
    for family, members in families.items():
        yield family
        for member in members:
            cited = "".join(f" [{numbers.setdefault(paper, len(numbers) + 1)}]" for paper in member["papers"])
            name = f"{member['name']:22} " if len(member["name"]) <= 22 else f"{member['name']}: "
            yield from _wrapped(f"{name}{member['what']}{cited}", width, indent=2, hang=25)
            if "readings" in member:
                yield from _wrapped(f"reads {', '.join(member['readings'])}", width, indent=25)
        yield ""
    yield "papers"
    for paper, number in numbers.items():
        yield from _wrapped(f"[{number}] {paper}", width, indent=2, hang=7)


def _value(row: Mapping[str, Any]) -> str:
    if row["value"] is None:
        return "–"
    interval = "" if row["low"] is None else f" [{row['low']:.4g}, {row['high']:.4g}]"
    return f"{row['value']:.4g}{interval}"


def _told(one: Exponent) -> str:
    closed_form = "" if one.closed_form is None else f"; closed form {decimal(one.closed_form)}"
    if one.estimate is None:
        return f"– ({one.note}){closed_form}"
    value = f"{decimal(one.estimate.value)} [{decimal(one.estimate.low)}, {decimal(one.estimate.high)}]"
    return f"{value} over {one.estimate.method}, n = {one.estimate.n}{closed_form}"


def _wrapped(text: str, width: int, indent: int = 0, hang: int | None = None) -> list[str]:
    first, later = " " * indent, " " * (indent + 2 if hang is None else hang)
    return textwrap.wrap(visible(text), width, initial_indent=first, subsequent_indent=later, break_on_hyphens=False)
