"""The pages of a reproduction: docs/reproduction.md, and an HTML page with one figure per claim."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outcross.files.outputs import write_page
from outcross.recipe import kind
from outcross.report.charts import BASELINE, COLOURS, canvas
from outcross.report.figure import Figure, table, together
from outcross.report.numerals import number
from outcross.report.templates import template
from outcross.verbs.reproduce.claim import TAGS, claims
from outcross.verbs.reproduce.result import ReproducedClaim
from outcross.verbs.reproduce.screen import compared, protocol_words
from outcross.verbs.reproduce.verdicts import MEANINGS, ClaimVerdict
from outcross.wording import amount

if TYPE_CHECKING:
    from outcross.verbs.reproduce.claim import Claim
    from outcross.verbs.reproduce.result import Reproduction
    from outcross.verbs.reproduce.rules import ClaimComparison

TITLE = "Do published results hold?"
INTRODUCTION = """Each claim was written down before its experiment ran: the statement of the paper, the source of its number, the experiment, and the rule that decides. The rules and the
verdicts are fixed ([how](howto/reproduce.md)). No tolerance of a claim was changed after a result was seen. Where a claim was changed after its first result, its discussion says what was changed and why.
Holm's correction covers all claims that were compared. The rules themselves were corrected on 2026-11-29, after results had been seen, because a review found errors in their formulas: in the standard
errors of few seeds, in the precision of both numbers, and in claims of several comparisons. Three verdicts changed: gaussian-accumulate, hutter-exponents and kazdan-gaussian-table had agreed before."""
SHOWN: Sequence[ClaimVerdict] = ("agrees", "same direction", "differs", "cannot tell")
"""The verdicts of claims that were compared, in the order of the page."""
BY_INEQUALITY = "An inequality decides this claim, so its verdict says nothing about the paper"
FIGURES = "reproduction"
"""The folder of the figures beside reproduction.md."""
WIDTH, HEIGHT = 420, 26
"""Size of a comparison in a figure: its width, and the height of one row, in pixels."""


def claim_figure(entry: ReproducedClaim) -> Figure:
    """A figure of all comparisons of a claim, each on its own axis: the published number, ours with its 95 % interval, and the value that means no effect."""
    assert entry.result is not None
    several = [
        (f"{part.what}: {comparison.what}" if len(compared_of) > 1 else part.what, _comparison_figure(comparison))
        for part, compared_of in zip(entry.claim.parts, entry.result.comparisons, strict=True)
        for comparison in compared_of
    ]
    caption = "A dot is our number with its 95 % interval. A diamond is the published number, give or take three of its standard errors. The grey line is the value that means no effect."
    return together(entry.claim.id, entry.claim.sentence, several, caption, columns=1)


def _comparison_figure(comparison: ClaimComparison) -> Figure:
    rows: list[tuple[Any, ...]] = [("ours", comparison.ours.value, comparison.ours.low, comparison.ours.high)]
    if comparison.published is not None:
        low, high = (comparison.published + sign * 3 * comparison.error for sign in (-1, 1))
        rows.append(("published", comparison.published, low, high))
    data = table(
        [(*row, comparison.none) for row in rows], {"whose": str, "value": float, "low": float, "high": float, "none": float}
    )
    values = [{"whose": whose, "value": value, "low": low, "high": high} for whose, value, low, high in rows]
    scale = {"zero": False, "nice": True}
    axis = {"tickCount": 6, "labelOverlap": True}
    across = {"field": "value", "type": "quantitative", "scale": scale, "title": None, "axis": axis}
    colours = {"domain": ["ours", "published"], "range": [COLOURS[1], COLOURS[0]]}
    colour = {"field": "whose", "type": "nominal", "scale": colours, "legend": None}
    down = {
        "field": "whose",
        "type": "nominal",
        "title": None,
        "sort": ["published", "ours"],
        "axis": {"domain": False, "ticks": False},
    }
    layers = [
        {"data": {"values": [{"none": comparison.none}]}, "mark": {"type": "rule", "color": BASELINE, "strokeDash": [3, 3]}, "encoding": {"x": {**across, "field": "none"}}},
        {"mark": {"type": "rule", "strokeWidth": 2}, "encoding": {"x": {**across, "field": "low"}, "x2": {"field": "high"}, "y": down, "color": colour}, "transform": [{"filter": "datum.low != null"}]},
        {"mark": {"type": "point", "filled": True, "size": 55, "opacity": 1}, "encoding": {"x": across, "y": down, "color": colour, "shape": {"field": "whose", "type": "nominal", "scale": {"domain": ["ours", "published"], "range": ["circle", "diamond"]}, "legend": None}}},
    ]  # fmt: skip
    spec = {**canvas(WIDTH, HEIGHT * len(rows), right=12), "data": {"values": values}, "layer": layers}
    return Figure("comparison", "", spec, data)


def markdown(result: Reproduction, drawn: Container[str] = ()) -> str:
    """The page of a reproduction as Markdown, with links to the figures in `drawn`.

    Claims with a verdict come first, grouped by verdict. Claims without one are in a table at the end.
    """
    lines = [
        f"# {TITLE}",
        "",
        INTRODUCTION,
        "",
        f"{result.short}. {_derived_alone(result)}".strip(),
        "",
        "| verdict | meaning |",
        "|---|---|",
    ]
    lines += [f"| {word} | {meaning} |" for word, meaning in MEANINGS.items()]
    groups, others = _by_verdict(result)
    if groups:
        lines += ["", "| claim | verdict | protocol | published | ours | small cost |", "|---|---|---|---|---|---|"]
        lines += [_row(result, entry) for entries in groups.values() for entry in entries]
    for word, entries in groups.items():
        lines += ["", f"## {word.capitalize()}"]
        for entry in entries:
            lines += ["", f"### {entry.claim.id}", "", *_about(result, entry, entry.claim.id in drawn)]
    if others:
        lines += ["", f"## {WITHOUT}", "", "| claim | statement | why there is no verdict |", "|---|---|---|"]
        lines += [f"| {' | '.join(map(_cell, _without_verdict(result, entry)))} |" for entry in others]
    return "\n".join([*lines, ""])


WITHOUT = "Without a verdict"


def _by_verdict(result: Reproduction) -> tuple[dict[str, list[ReproducedClaim]], list[ReproducedClaim]]:
    """The claims that were compared, grouped by verdict, and the other claims."""
    groups = {word: [entry for entry in result.entries if result.verdicts[entry.claim.id] == word] for word in SHOWN}
    others = [entry for entry in result.entries if result.verdicts[entry.claim.id] not in SHOWN]
    return {word: entries for word, entries in groups.items() if entries}, others


def _without_verdict(result: Reproduction, entry: ReproducedClaim) -> tuple[str, str, str]:
    """The row of a claim without a verdict: its id, its statement and source, and the reason."""
    claim = entry.claim
    cost = "" if claim.small is None else f" (about {number(claim.small.minutes, 2)} min)"
    why = result.reason(entry)
    if entry.is_stale:
        why = f"stale: the claim was changed after it was run, and must be run again{cost}"
    return (
        claim.id,
        f"{claim.sentence} {_source(claim)}.",
        f"not run here: {why}" if why and not entry.is_stale else why or f"not run yet{cost}",
    )


def _source(claim: Claim) -> str:
    return ", ".join(filter(None, [claim.source.paper, claim.source.place]))


def _derived_alone(result: Reproduction) -> str:
    """A sentence with the number of agreeing claims that were compared only with results derived here, and not with a number or an order of their paper."""
    agreeing = [entry.claim for entry in result.entries if result.verdicts[entry.claim.id] == "agrees"]
    derived = [claim for claim in agreeing if all(part.tag == "derived" for part in claim.parts)]
    if not derived:
        return ""
    return f"Of the {len(agreeing)} claims that agree, {len(derived)} are compared only with results that were derived here from the assumptions of the paper, and not with a number in the paper."


def _row(result: Reproduction, entry: ReproducedClaim) -> str:
    claim = entry.claim
    first = next(iter(entry.verdicts(result.factors.get(claim.id, 1))), None)
    published = "" if first is None or first[1].published is None else number(first[1].published)
    if published and claim.parts[first[0]].tag == "derived":  # type: ignore[index]
        published += " (derived here)"
    ours = "" if first is None else _with_interval(first[1])
    more = sum(1 for _ in entry.verdicts(1)) - 1
    ours += f" (and {more} more)" if more > 0 else ""
    cost = "" if claim.small is None else f"{number(claim.small.minutes, 2)} min"
    return f"| [{claim.id}](#{claim.id}) | {result.verdicts[claim.id] or 'not run yet'} | {protocol_words(entry)} | {published} | {_cell(ours)} | {cost} |"


def _with_interval(comparison: ClaimComparison) -> str:
    ours = comparison.ours
    return number(ours.value) if ours.low is None else f"{number(ours.value)} [{number(ours.low)}, {number(ours.high)}]"


def _about(result: Reproduction, entry: ReproducedClaim, is_drawn: bool) -> Iterator[str]:
    claim = entry.claim
    yield f"*{claim.sentence}* {_source(claim)}. **{(result.verdicts[claim.id] or 'not run yet').capitalize()}** ({entry.protocol})."
    if claim.decided_by:
        yield from ("", f"{BY_INEQUALITY}: {claim.decided_by}.")
    if why := result.reason(entry):
        yield from ("", f"Not compared because {why}.".replace("..", "."))
    rows = list(entry.verdicts(result.factors.get(claim.id, 1)))
    if rows:
        yield from ("", "| statement | source of the number | comparison | verdict |", "|---|---|---|---|")
        for place, comparison, word in rows:
            part = claim.parts[place]
            known = TAGS[part.tag] + (f"; error: {part.error_from}" if part.error_from else "")
            yield f"| {_cell(part.what)} | {_cell(known)} | {_cell(compared(comparison))} | {word} |"
    if rows and is_drawn:
        yield from ("", f"![{_cell(claim.id)}: published numbers and ours]({FIGURES}/{claim.id}.svg)")
    if entry.result is not None:
        yield from ("", _facts(entry))
    if claim.at_most_same_direction:
        yield from ("", f"At most *same direction*: {claim.at_most_same_direction}")
    if claim.discussion:
        yield from ("", claim.discussion)


def _facts(entry: ReproducedClaim) -> str:
    result = entry.result
    assert result is not None
    seeds = f"{len(result.seeds)} seed{'s' * (len(result.seeds) != 1)}"
    chains = f", {amount(result.chains, 'chain')}" if result.chains > 1 else ""
    seconds = "" if result.seconds is None else f", {number(result.seconds, 2)} s by the clock"
    return f"Size {result.size}: {result.arms} arm{'s' * (result.arms != 1)}, {seeds}{chains}, {result.generations:,} generation{'s' * (result.generations != 1)}; {result.date}, {result.machine}{seconds}."


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def html(result: Reproduction) -> bytes:
    """The page of a reproduction as one HTML file, in the order of `markdown`."""
    figures = {figure.name: figure for figure in result.figures()}
    groups, others = _by_verdict(result)
    text = template("reproduction.html").render(
        title=TITLE,
        introduction=INTRODUCTION.replace("[how](howto/reproduce.md)", "docs/howto/reproduce.md"),
        short=f"{result.short}. {_derived_alone(result)}".strip(),
        meanings=MEANINGS,
        groups={
            word: [_claim_page(result, entry, figures.get(entry.claim.id)) for entry in entries] for word, entries in groups.items()
        },
        without=WITHOUT,
        others=[_without_verdict(result, entry) for entry in others],
    )
    return text.encode("utf-8", "replace")


def _claim_page(result: Reproduction, entry: ReproducedClaim, figure: Figure | None) -> dict[str, Any]:
    """The data of the HTML page for a claim that was compared."""
    claim = entry.claim
    return {
        "id": claim.id,
        "protocol": protocol_words(entry),
        "sentence": claim.sentence,
        "source": _source(claim),
        "why": result.reason(entry),
        "decided_by": f"{BY_INEQUALITY}: {claim.decided_by}." if claim.decided_by else "",
        "facts": "" if entry.result is None else _facts(entry),
        "discussion": " ".join(filter(None, [claim.at_most_same_direction, claim.discussion])),
        "rows": [
            (claim.parts[place].what, TAGS[claim.parts[place].tag], compared(comparison), word)
            for place, comparison, word in entry.verdicts(result.factors.get(claim.id, 1))
        ],
        "svg": "" if figure is None else figure.svg(),
        "caption": "" if figure is None else figure.caption,
    }


def write_reproduction(result: Reproduction, path: Path) -> Path:
    """Write the page of a reproduction. Returns the path."""
    return write_page(path, html(result))


def claims_page() -> str:
    """docs/reference/claims.md: every claim with its source, its rules and its duration."""
    every = list(claims().values())
    lines = [
        "# The claims",
        "",
        CLAIMS_INTRODUCTION,
        "",
        "| claim | statement | source | protocol | small, minutes | full, minutes |",
        "|---|---|---|---|---|---|",
    ]
    for claim in every:
        costs = [
            "" if size is None else number(size.minutes, 2) + ("" if size.is_measured else " (estimated)")
            for size in (claim.small, claim.full)
        ]
        protocol = protocol_words(ReproducedClaim(claim)) if not claim.not_run else f"not run here: {claim.not_run}"
        lines.append("| " + " | ".join(map(_cell, (f"`{claim.id}`", claim.sentence, _source(claim), protocol, *costs))) + " |")
    lines += ["", "## What is compared", "", "| claim | part | rule | published | source of the number |", "|---|---|---|---|---|"]
    for claim in every:
        for part in claim.parts:
            rule = part.rule
            published = getattr(rule, "published", getattr(rule, "bound", getattr(rule, "threshold", None)))
            error = f" ± {number(margin)}" if (margin := getattr(rule, "error", 0.0)) else ""
            known = TAGS[part.tag] + (f"; error: {part.error_from}" if part.error_from else "")
            cells = (f"`{claim.id}`", part.what, kind(rule), "" if published is None else number(published) + error, known)
            lines.append("| " + " | ".join(map(_cell, cells)) + " |")
    return "\n".join([*lines, ""])


CLAIMS_INTRODUCTION = """These claims can be run with `outcross reproduce` ([how](../howto/reproduce.md)). A claim is a data file in `outcross/claims`, and its rule was chosen before it was run. Durations
were measured on two cores of a shared machine, unless they are marked as estimated."""

__all__ = ["claim_figure", "claims_page", "html", "markdown", "write_reproduction"]
