"""How much synthetic data, as a picture: the loss of all records and of the worst group over the share of synthetic ones."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from outcross.escapes import shortened
from outcross.estimate import Estimate
from outcross.report.numerals import number
from outcross.statistics.share_curves import ShareDesign, SharePoint

WIDTH, HEIGHT = 330, 190
LEFT, RIGHT, TOP, FOOT = 48, 20, 8, 34
"""Pixels around the lines, for labels."""


def share_curve_picture(design: ShareDesign, loss: str) -> str:
    """One line with intervals for all records, one for the worst group; a band for the shares that may be the best; a dashed line where no synthetic records are."""
    lines: list[tuple[str, list[tuple[float, Estimate]]]] = [
        ("whole", [(point.share, point.loss) for point in design.points]),
        ("group", [(point.share, point.worst_loss) for point in design.points if point.worst_loss is not None]),
    ]
    ends = [end for _, line in lines for _, estimate in line for end in estimate.interval]
    low, high = min(ends), max(ends)
    largest = max(point.share for point in design.points) or 1.0

    def across(share: float, kind: str = "") -> float:
        # The two lines stand a little apart, so that their intervals do not lie on each other.
        return LEFT + (WIDTH - LEFT - RIGHT) * share / largest + {"whole": -2, "group": 2}.get(kind, 0)

    def down(value: float) -> float:
        return TOP + (HEIGHT - TOP - FOOT) * (1 - (value - low) / ((high - low) or 1.0))

    first, last = map(across, design.interval)
    baseline = down(design.points[0].loss.value)
    parts = [
        f'<rect class="band" x="{first - 4:.1f}" y="{TOP}" width="{last - first + 8:.1f}" height="{HEIGHT - TOP - FOOT}"/>',
        f'<line class="none" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{baseline:.1f}" y2="{baseline:.1f}"/>',
    ]
    for kind, line in lines:
        if not line:
            continue
        places = " ".join(f"{across(share, kind):.1f},{down(estimate.value):.1f}" for share, estimate in line)
        parts.append(f'<polyline class="{kind}" points="{places}"/>')
        parts += [
            _dot(kind, across(share, kind), [down(value) for value in (estimate.value, *estimate.interval)])
            for share, estimate in line
        ]
    parts += [_label(LEFT - 5, down(value) + 4, number(value), "end") for value in (low, high)]
    ticks = [point.share for point in design.points]
    parts += [_label(across(share), HEIGHT - FOOT + 14, f"{100 * share:.3g} %", "middle") for share in _apart(ticks, largest)]
    parts.append(_label((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 4, "share of training records that are synthetic", "middle"))
    spoken = f"{loss} on human records over the share of synthetic training records, {title(design)}: {_spoken(design.points)}"
    return (
        f'<svg class="portrait curve" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" '
        f'aria-label="{escape(shortened(spoken, 400), quote=True)}">{"".join(parts)}</svg>'
    )


def title(design: ShareDesign) -> str:
    """What a curve is of.

    >>> title(ShareDesign("human", 1200, (), 0.0, (0.0,), (), ()))
    'synthetic records added to all 1,200 human ones'
    """
    if design.fixed == "human":
        return f"synthetic records added to all {design.size:,} human ones"
    return f"{design.size:,} records in all, synthetic ones in the place of human ones"


def _spoken(points: Sequence[SharePoint]) -> str:
    return ", ".join(f"{number(point.loss.value)} at {100 * point.share:.3g} %" for point in points)


def _apart(shares: Sequence[float], largest: float) -> list[float]:
    """The shares whose labels have room beside each other."""
    shown: list[float] = []
    for share in shares:
        if not shown or (share - shown[-1]) / largest > 0.12:
            shown.append(share)
    return shown


def _dot(kind: str, x: float, places: Sequence[float]) -> str:
    value, low, high = places
    return (
        f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}"/>'
        f'<circle class="{kind}" cx="{x:.1f}" cy="{value:.1f}" r="3"/>'
    )


def _label(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text class="label" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


__all__ = ["share_curve_picture", "title"]
