"""The figures of an audit, each with its data: the checks, the columns in which something is lost, and the calibration of predictions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from outcross.escapes import RULE, shortened
from outcross.measures import pages_of_aspect
from outcross.report.characters import cut
from outcross.report.figure import Figure
from outcross.report.shapes import (
    checks_figure,
    file_word,
    lines_figure,
    matrix_figure,
    share_curve_figure,
)
from outcross.report.sides import calibration_figure, column_figure, quantile_figure, regions_figure
from outcross.verbs.audit.rankings import ranking
from outcross.verbs.audit.sentences import title, where

if TYPE_CHECKING:
    from outcross.verbs.audit.check import Check
    from outcross.verbs.audit.result import Audit

CHECKS = 20
"""Maximum number of checks in one figure, the most severe first."""
COLUMNS = 30
"""Maximum number of columns with a figure of their own, those with the most severe losses first."""
ASSOCIATIONS = ("correlation", "correlation_ratio", "cramer")
"""Checks of pairs of columns that share a heat map."""
MAPPED = 12
"""Maximum number of columns in a heat map."""
REGIONS = 8
"""Maximum number of regions on the map of regions."""


@dataclass(frozen=True)
class Depth:
    """The value and interval of a check on a scale with the healthy value at 0 and the tolerance at 1."""

    value: float
    low: float
    high: float
    floor: float | None


def depth_of(check: Check) -> Depth | None:
    """Return the depth of a check. None if it has no interval, or if the tolerance equals the healthy value."""
    healthy = pages_of_aspect(check.aspect)[check.metric].healthy
    healthy = check.real_vs_real if isinstance(healthy, str) else healthy
    value, low, high, margin = check.value, check.low, check.high, check.margin
    if healthy is None or value is None or low is None or high is None or margin is None or healthy == margin:
        return None

    def depth(number: float) -> float:
        return (healthy - number) / (healthy - margin)

    first, last = sorted((depth(low), depth(high)))
    return Depth(depth(value), first, last, None if check.floor is None else depth(check.floor))


def associations(worst: Sequence[Check]) -> dict[tuple[str, str], float]:
    """Return the change of the association of each pair of columns. Empty if fewer than three have changed."""
    changes = {
        (check.column, check.at.removeprefix("with ")): check.value
        for check in worst
        if check.metric in ASSOCIATIONS and check.at.startswith("with ") and check.value is not None
    }
    return changes if len(changes) >= 3 else {}


def lost_regions(audit: Audit) -> list[Check]:
    """Return the lost regions, the worst first."""
    return [check for check in audit.of("lost") if check.metric == "region"][:REGIONS]


def map_of_regions(audit: Audit) -> Figure:
    """Return the figure of the lost regions, the worst first. There must be at least one."""
    return regions_figure(
        [(cut(region.at, RULE), region.about, region.about * (region.value or 0.0)) for region in lost_regions(audit)]
    )


def map_of_associations(changes: Mapping[tuple[str, str], float]) -> Figure:
    """Return the heat map of the changes of the association of each pair of columns."""
    names = list(dict.fromkeys(column for pair in changes for column in pair))[:MAPPED]
    rows = [
        {"one": first, "other": second, "change": value}
        for (first, second), value in changes.items()
        if {first, second} <= {*names}
    ]
    caption = "How much the association of each pair of columns differs from that in human data. Orange: weaker; blue: stronger."
    return matrix_figure("associations", "Changes of associations", rows, caption, "change", is_signed=True)


def figures_of(audit: Audit) -> Iterator[Figure]:
    """Yield every figure of one audit."""
    worst = audit.of("lost", "invented")
    if drawn := _checks(audit, "checks"):
        yield drawn
    columns = list(dict.fromkeys(check.column for check in worst if check.column in audit.portraits))
    for column in columns[:COLUMNS]:
        yield column_figure(column, audit.portraits[column])
    for column in dict.fromkeys(check.column for check in worst if check.aspect == "tails" and check.column in audit.portraits):
        if (drawn := quantile_figure(column, audit.portraits[column])) is not None:
            yield drawn
    if lost_regions(audit):
        yield map_of_regions(audit)
    if changes := associations(worst):
        yield map_of_associations(changes)
    for reliability in audit.calibration:
        yield calibration_figure(reliability)
    for design in () if audit.share_curve is None else audit.share_curve.designs:
        yield share_curve_figure(design, audit.share_curve.loss)  # type: ignore[union-attr]


def figures_of_several(audits: Sequence[Audit], are_generations: bool, arm: str = "") -> Iterator[Figure]:
    """Yield the figures of several audits: the losses of each set in each aspect, and the checks of each set."""
    if len(audits) == 1 and not arm:
        yield from figures_of(audits[0])
        return
    opening = f"{file_word(arm)}-" if arm else ""
    if len(audits) > 1:
        rows: list[dict[str, Any]] = [
            {
                "one": place.aspect.replace("_", " "),
                "other": place.name,
                "loss": place.loss,
                "rank": place.rank,
                "rank_at_worst": place.last,
                "lost": place.lost,
                "checks": place.checks,
            }
            for place in ranking(audits)
        ]
        caption = "The mean share of records that would have to change, over the checks that all sets have. The ranks in the data are confidence sets."
        if rows:
            yield matrix_figure(f"{opening}aspects", "What each set lost", rows, caption, "loss", is_signed=False)
        if are_generations and rows:
            yield onsets_figure(audits, opening)
    for audit in audits:
        if drawn := _checks(audit, f"{opening}checks-{file_word(audit.name)}"):
            yield drawn


def onsets_figure(audits: Sequence[Audit], opening: str = "") -> Figure:
    """Return the figure of the mean share of records that would have to change in each aspect, over generations."""
    order = {audit.name: g for g, audit in enumerate(audits)}
    rows = [
        {"generation": order[place.name], "aspect": place.aspect.replace("_", " "), "loss": place.loss} for place in ranking(audits)
    ]
    rows.sort(key=lambda row: row["generation"])
    return lines_figure(
        f"{opening}generations", "records that would have to change, mean over checks", rows, "generation", "aspect", "loss"
    )


def _checks(audit: Audit, name: str) -> Figure | None:
    """Return the figure of the worst checks on one scale. If nothing is lost, it shows the checks that are closest to their tolerance."""
    worst = audit.of("lost", "invented")
    rest = [check for check in audit.every if check.verdict in ("cannot_tell", "kept")]
    depths = [(check, depth) for check in (worst or rest) if (depth := depth_of(check)) is not None]
    depths = depths[:CHECKS] if worst else sorted(depths, key=lambda pair: -pair[1].value)[:CHECKS]
    if not depths:
        return None
    rows = [
        {
            "check": shortened(f"{check.code} {title(check)} {where(check)}".strip(), 60),
            "verdict": check.verdict,
            "depth": depth.value,
            "low": depth.low,
            "high": depth.high,
        }
        | {
            key: getattr(check, key)
            for key in ("code", "aspect", "metric", "column", "group", "at", "value", "margin", "severity", "n", "method")
        }
        | {"value_low": check.low, "value_high": check.high}
        for check, depth in depths
    ]
    what = "What is lost or invented" if worst else "The checks that are nearest to their tolerance"
    return checks_figure(
        name,
        f"{what}: {audit.name}",
        rows,
        "Bars are 95 % intervals. 0 is the human value and 1 is the tolerance. Values beyond -1 or 4 are drawn at the edge.",
    )


__all__ = [
    "Depth",
    "associations",
    "depth_of",
    "figures_of",
    "figures_of_several",
    "lost_regions",
    "map_of_associations",
    "map_of_regions",
    "onsets_figure",
]
