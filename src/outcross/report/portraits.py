"""Columns of two sets as pictures: human against synthetic, the lost part shaded."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from html import escape

from outcross.escapes import shortened
from outcross.report.numerals import number, percent
from outcross.statistics.portraits import Portrait, Reliability

WIDTH, HEIGHT, FOOT = 300, 110, 16
"""Pixels of a picture, and of the line of labels under it."""
LINE = 18
"""Pixels of one bar of a category."""
NAMES = 110
"""Pixels of the names of categories."""
DWARFS = 5
"""A bin so many times as high as the highest of all others is cut off, so that these can be seen."""
RULE_LINE, RULE_LINES = 50, 4
"""Characters of a line of a region's rule, and its lines, at most."""
LABEL = 18
"""Characters of a category's name in a picture."""


def portrait(column: str, values: Portrait) -> str:
    """The picture of a column: a histogram of numbers, or bars of categories."""
    return _histogram(column, values) if values.kind == "number" else _bars(column, values)


def _histogram(column: str, portrait: Portrait) -> str:
    """Human values as an outline, synthetic ones as filled bars, and between them in another colour what is lost."""
    human, synthetic = (_shares(counts) for counts in (portrait.human, portrait.synthetic))
    largest = _scale([*human, *synthetic])
    width = WIDTH / len(human)
    cut_off = [
        _label((i + 1) * width + 2, 9, label, "start") if i < len(human) / 2 else _label(i * width - 2, 9, label, "end")
        for i, label in (
            (i, f"{100 * share:.0f} %") for i, share in enumerate(human) if share > largest
        )  # it goes on above the picture
    ]
    bars: list[str] = []
    human, synthetic = ([min(share, largest) for share in shares] for shares in (human, synthetic))
    for i, (ours, theirs) in enumerate(zip(synthetic, human, strict=True)):
        x, top, outline = i * width, HEIGHT * (1 - ours / largest), HEIGHT * (1 - theirs / largest)
        if theirs > ours:
            bars.append(_rectangle("gap", x, outline, width, top - outline))
        if ours > 0:
            bars.append(_rectangle("own", x + 0.5, top, width - 1, HEIGHT - top))
    points = " ".join(
        f"{x:.1f},{HEIGHT * (1 - share / largest):.1f}" for i, share in enumerate(human) for x in (i * width, (i + 1) * width)
    )
    ends = (number(portrait.places[0]), number(portrait.places[-1])) if portrait.places else ("", "")
    labels = _label(width, HEIGHT + 12, f"≤ {ends[0]}", "start") + _label(WIDTH - width, HEIGHT + 12, f"{ends[1]} ≤", "end")
    spoken = f"{column}: histogram of {sum(portrait.synthetic):,} synthetic values, filled, and of {sum(portrait.human):,} human ones, outlined"
    return _svg(WIDTH, HEIGHT + FOOT, spoken, [*bars, f'<polyline class="human" points="{points}"/>', labels, *cut_off])


def _bars(column: str, portrait: Portrait) -> str:
    """A line a category: the synthetic share as a bar, the human share as a mark, and what is lost between them."""
    human, synthetic = (_shares(counts) for counts in (portrait.human, portrait.synthetic))
    largest, room = max(*human, *synthetic, 1e-9), WIDTH - NAMES
    parts = []
    for i, (name, theirs, ours) in enumerate(zip(portrait.names, human, synthetic, strict=True)):
        y, own, mark = i * LINE, room * ours / largest, room * theirs / largest
        parts.append(_label(NAMES - 6, y + 12, shortened(name, LABEL), "end"))
        if theirs > ours:
            parts.append(_rectangle("gap", NAMES + own, y + 3, mark - own, LINE - 6))
        parts.append(_rectangle("own", NAMES, y + 3, own, LINE - 6))
        parts.append(f'<line class="human" x1="{NAMES + mark:.1f}" x2="{NAMES + mark:.1f}" y1="{y + 1}" y2="{y + LINE - 1}"/>')
    spoken = f"{column}: share of each category among {sum(portrait.synthetic):,} synthetic records, filled, and {sum(portrait.human):,} human ones, marked"
    return _svg(WIDTH, LINE * len(portrait.names), spoken, parts)


def quantiles(column: str, portrait: Portrait) -> str:
    """Quantiles of the synthetic values against the human ones of the same depth: on the line where nothing is lost."""
    if len(portrait.depths) < 3:
        return ""
    size = HEIGHT + 30
    values = [*portrait.human_quantiles, *portrait.synthetic_quantiles]
    is_log = min(values) > 0 and max(values) / min(values) > 100
    low, high = (math.log(end) if is_log else end for end in (min(values), max(values)))
    if high <= low:
        return ""

    def place(value: float) -> float:
        return 6 + (size - 12) * ((math.log(value) if is_log else value) - low) / (high - low)

    dots = [
        f'<circle class="{"own" if 0.05 <= depth <= 0.95 else "far"}" cx="{place(human):.1f}" cy="{size - place(ours):.1f}" r="3">'
        f"<title>{depth:g} quantile: human {number(human)}, synthetic {number(ours)}</title></circle>"
        for depth, human, ours in zip(portrait.depths, portrait.human_quantiles, portrait.synthetic_quantiles, strict=True)
    ]
    line = f'<line class="human" x1="6" x2="{size - 6}" y1="{size - 6}" y2="6"/>'
    spoken = f"{column}: quantiles of synthetic values against human ones{', both logarithmic' if is_log else ''}; on the line nothing is lost"
    return _svg(size, size, spoken, [line, *dots])


def regions(places: Sequence[tuple[str, float, float]]) -> str:
    """Regions of the data by their rules, each with its share of human records as a mark, of synthetic ones as a bar, and what is lost between them. places: rule, human share, synthetic share"""
    largest = max((share for _, *shares in places for share in shares), default=0.0) or 1.0
    room, parts, y = WIDTH - 86, [], 0.0
    for rule, human, ours in places:
        for line in textwrap.wrap(rule, RULE_LINE, break_on_hyphens=False)[:RULE_LINES]:
            y += 13
            parts.append(_label(0, y, line, "start"))
        own, mark = room * ours / largest, room * human / largest
        if human > ours:
            parts.append(_rectangle("gap", own, y + 4, mark - own, LINE - 6))
        parts.append(_rectangle("own", 0, y + 4, own, LINE - 6))
        parts.append(f'<line class="human" x1="{mark:.1f}" x2="{mark:.1f}" y1="{y + 2:.1f}" y2="{y + LINE:.1f}"/>')
        parts.append(_label(WIDTH, y + 14, f"{percent(human)} → {percent(ours)}", "end"))
        y += LINE + 8
    return _svg(WIDTH, y, "regions of the data: share of human records, marked, and of synthetic ones, filled", parts)


def calibration(reliability: Reliability) -> str:
    """Predictions against what came true on human records: a model that learned from human records as a line, one that learned from synthetic ones as dots; on the diagonal they are as sure as they may be."""
    size = HEIGHT + 40
    values = [number for side in (reliability.human, reliability.synthetic) for point in side for number in point]
    low, high = (0.0, 1.0) if reliability.of.startswith("the chance") else (min(values), max(values))
    if high <= low:
        return ""

    def place(value: float) -> float:
        return 6 + (size - 12) * (value - low) / (high - low)

    human = " ".join(f"{place(x):.1f},{size - place(y):.1f}" for x, y in reliability.human)
    ours = " ".join(f"{place(x):.1f},{size - place(y):.1f}" for x, y in reliability.synthetic)
    dots = [
        f'<circle class="far" cx="{place(x):.1f}" cy="{size - place(y):.1f}" r="3"><title>predicted {number(x)}, came true {number(y)}</title></circle>'
        for x, y in reliability.synthetic
    ]
    parts = [
        f'<line class="even" x1="6" x2="{size - 6}" y1="{size - 6}" y2="6"/>',
        f'<polyline class="human" points="{human}"/>',
        f'<polyline class="trace" points="{ours}"/>',
        *dots,
        _label(size / 2, size + 12, f"predicted: {shortened(reliability.of, 24)}", "middle"),
        _label(0, 10, "came true", "start"),
    ]
    spoken = f"{reliability.target}: predictions against what came true, of a model that learned from synthetic records, dotted, and from human ones, a line; {reliability.learner}"
    return _svg(size, size + FOOT, spoken, parts)


def heat_map(names: Sequence[str], changes: dict[tuple[str, str], float]) -> str:
    """The change of each pair's association: the darker, the more is lost."""
    cell, margin = 22, 96
    size = margin + cell * len(names)
    largest = max((abs(change) for change in changes.values()), default=0.0) or 1.0
    parts = [_label(margin - 6, margin + i * cell + 15, shortened(name, 14), "end") for i, name in enumerate(names)]
    parts += [
        f'<text class="label" text-anchor="start" transform="translate({margin + i * cell + 14} {margin - 6}) rotate(-60)">{escape(shortened(name, 14))}</text>'
        for i, name in enumerate(names)
    ]
    for i, first in enumerate(names):
        for j, second in enumerate(names):
            change = changes.get((first, second), changes.get((second, first)))
            if i == j or change is None:
                continue
            side = "gap" if change < 0 else "own"
            parts.append(
                f'<rect class="{side}" x="{margin + j * cell + 1}" y="{margin + i * cell + 1}" width="{cell - 2}" height="{cell - 2}" '
                f'fill-opacity="{abs(change) / largest:.2f}"><title>{escape(shortened(first))} with {escape(shortened(second))}: {change:+.2f}</title></rect>'
            )
    return _svg(size, size, "change of the association of each pair of columns", parts)


def _scale(shares: Sequence[float]) -> float:
    """The share at the top of a histogram: the largest, unless one bin dwarfs all others, which is then cut off."""
    ordered = sorted(shares, reverse=True)
    rest = [share for share in ordered if share < ordered[0] / DWARFS]
    if rest and rest[0] > 0 and len(ordered) - len(rest) <= 2:
        return 2 * rest[0]
    return max(ordered[0], 1e-9)


def _shares(counts: Sequence[int]) -> list[float]:
    total = sum(counts) or 1
    return [count / total for count in counts]


def _rectangle(kind: str, x: float, y: float, width: float, height: float) -> str:
    return f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{max(0.0, width):.1f}" height="{max(0.0, height):.1f}"/>'


def _label(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text class="label" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(width: float, height: float, spoken: str, parts: Sequence[str]) -> str:
    return (
        f'<svg class="portrait" viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}" role="img" '
        f'aria-label="{escape(shortened(spoken, 200), quote=True)}">{"".join(parts)}</svg>'
    )


__all__ = ["calibration", "heat_map", "portrait", "quantiles", "regions"]
