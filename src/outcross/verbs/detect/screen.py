"""The lines of a detection for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from outcross.escapes import escaped
from outcross.estimate import Estimate
from outcross.verbs.detect.result import Detection, declared_sentences
from outcross.verbs.terminal import wrapped

MOST = 12
"""Maximum number of slices that are shown."""
NAME = 30
"""Maximum number of characters of a slice's name."""


def detection_lines(result: Detection, width: int) -> Iterator[str]:
    """Yield the summary, the shares, the flagged texts, the slices and the warnings."""
    yield from wrapped(result.summary, width)
    if result.shares is not None:
        rows = [
            ("written by a model", result.shares.model),
            ("edited by a model", result.shares.edited),
            ("written by people", result.shares.people),
        ]
        yield from _table([(name, *_cells(share)) for name, share in rows if share is not None])
        if result.naive is not None and result.adjusted is not None:
            yield from wrapped(
                f"(Counting the {result.unit} that look more like a model's gives {100 * result.naive:.1f} %, which includes false alarms and excludes misses; adjusted "
                f"for both, {100 * result.adjusted:.1f} %.)",
                width,
            )
    yield from _generator_lines(result, width)
    yield from _flag_lines(result, width)
    yield from _declared_lines(result, width)
    if result.slices:
        what, meaning = result.about_slices
        yield from wrapped(f"{what}, by slice:", width)
        yield from _table(
            [
                (
                    f"{part.column} = {part.value}"[:NAME],
                    *(
                        ("–", "", part.why)
                        if part.shares is None
                        else (
                            *_cells(part.shares.model),
                            f"{part.n:,} {result.unit}" + (", unlike the others" if part.differs else ""),
                        )
                    ),
                )
                for part in result.slices[:MOST]
            ]
        )
        if len(result.slices) > MOST:
            yield f"… and {len(result.slices) - MOST} more; --json shows all"
        yield from wrapped(f"({meaning})", width)
    if size := result.weights.get("effective_sample_size"):
        what = f"(1 - q)^{result.weights['power']:g}" if result.weights["kind"] == "importance" else "(1 - q)/q"
        yield from wrapped(
            f"weights {what}: an effective sample size of {size:,.0f} for {result.weights['n']:,} {result.unit}", width
        )
    for warning in result.warnings:
        yield from wrapped(f"warning: {warning}", width)
    yield from wrapped(
        f"These are shares and probabilities for {result.unit}. They do not prove that a certain person used a model.", width
    )


def _generator_lines(result: Detection, width: int) -> Iterator[str]:
    """Yield the share for each generator of the sample of models."""
    if not result.generators:
        return
    yield from wrapped(f"share that a model wrote, if all {result.unit} of models in the data were written by:", width)
    yield from _table(
        [
            (
                part.name[:NAME],
                *(
                    ("–", "", part.why)
                    if part.shares is None
                    else (*_cells(part.shares.model), f"{part.n:,} {result.unit} in the sample")
                ),
            )
            for part in result.generators[:MOST]
        ]
    )
    if len(result.generators) > MOST:
        yield f"… and {len(result.generators) - MOST} more; --json shows all"


def _flag_lines(result: Detection, width: int) -> Iterator[str]:
    flags = result.flags
    if flags is None:
        return
    known = {length: rate for length, rate in flags.lengths.items() if rate is not None}
    if not known:
        what = "records" if result.unit == "records" else "texts of the same length"
        yield from wrapped(
            f"No {result.unit[:-1]} can be flagged at a false-positive rate of {100 * flags.rate:g} %, which needs {flags.needed:,} human {what}; give more human {result.unit}, or a larger --fpr.",
            width,
        )
        return
    shortest, longest = min(known), max(known)
    low, high = known[shortest].interval
    if result.unit == "records":
        yield from wrapped(
            f"flagged: {flags.flagged:,} of {flags.judged:,} records, at a false-positive rate of {100 * flags.rate:g} %. The threshold comes from {known[shortest].n:,} "
            f"independent human records, so the true rate may be {100 * low:.2f} to {100 * high:.2f} %.",
            width,
        )
        return
    yield from wrapped(
        f"flagged: {flags.flagged:,} of {flags.judged:,} texts with at least {shortest} words, at a false-positive rate of {100 * flags.rate:g} %. The threshold comes from "
        f"{known[shortest].n:,} independent human texts, so the true rate may be {100 * low:.2f} to {100 * high:.2f} %. Longer texts have separate thresholds, up to {longest} words.",
        width,
    )


def _declared_lines(result: Detection, width: int) -> Iterator[str]:
    """Yield the declared authors, and the number of texts for which the detector contradicts them."""
    for line in declared_sentences(result):
        yield from wrapped(line, width)


def _cells(share: Estimate) -> tuple[str, str]:
    low, high = share.interval
    return f"{100 * share.value:.1f} %", f"[{100 * low:.1f}, {100 * high:.1f}]"


def _table(rows: list[tuple[str, ...]]) -> Iterator[str]:
    shown = [[escaped(cell) for cell in row] for row in rows]
    widths = [max(len(row[place]) if place < len(row) else 0 for row in shown) for place in range(max(map(len, shown)))]
    for row in shown:
        cells = [
            f"{cell:<{size}}" if place in (0, 3) else f"{cell:>{size}}"
            for place, (cell, size) in enumerate(zip(row, widths, strict=False))
        ]
        yield "  " + "  ".join(cells).rstrip()
