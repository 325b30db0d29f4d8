"""The lines that a terminal shows of a run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from outcross.collapse.slopes import chief
from outcross.experiment.settings import flat_settings
from outcross.measures import pages_of_runs
from outcross.report.curves import measured
from outcross.report.response import Response, responses
from outcross.verbs.run.study import from_tables
from outcross.verbs.terminal import at_the_end, order_lines, response_lines, slope_lines, summary_lines, wrapped

if TYPE_CHECKING:
    from outcross.report.study import Study
    from outcross.verbs.run.result import Run


def run_lines(run: Run, width: int, *, every_seed: bool = False) -> Iterator[str]:
    """Yield the response to the swept settings, the last generation of every arm (or seed), the order in which readings moved, and the slopes."""
    yield from wrapped(run.unfinished, width)
    yield from stop_lines(run, width)
    yield from note_lines(run, width)
    responses = _responses(run)
    yield from response_lines(responses, width)
    ends = _ends(run, every_seed=every_seed)
    shown = {(response.measured.measure, response.measured.at, answer.arm) for response in responses for answer in response.answers}
    rest = [reading for reading in ends.readings if every_seed or (reading.measure, reading.at, reading.arm) not in shown]
    yield from summary_lines(replace(ends, readings=tuple(rest)), width, every_seed=every_seed)
    if not every_seed and any(len(line.threads) for curve in measured(ends) for line in curve.curves.values()):
        yield from wrapped(
            "An arm with several seeds shows their mean with Student's 95 % interval over the seeds. --seeds shows every seed.",
            width,
        )
    yield from order_lines(run.profile, width)
    yield from slope_lines(run.slopes, width)


def note_lines(run: Run, width: int) -> Iterator[str]:
    """Yield the notes to read before the numbers."""
    for note in (*run.notes, *run.of_teachers):
        yield from wrapped(f"note: {note}", width)


def stop_lines(run: Run, width: int) -> Iterator[str]:
    """Yield which reading stopped each arm, when and by how much, and what the rule guarantees."""
    for sentence in run.said_of_stops:
        yield from wrapped(sentence, width)


def end_lines(run: Run, width: int) -> Iterator[str]:
    """Yield the lines at the end of a run: its stops, the response to the swept settings, the order in which readings moved, and the chief slopes."""
    yield from stop_lines(run, width)
    yield from response_lines(_responses(run), width)
    for sentence in run.of_networks:
        yield from wrapped(f"note: {sentence}", width)
    yield from order_lines(run.profile, width)
    yield from slope_lines(chief(run.slopes), width)


def _responses(run: Run) -> tuple[Response, ...]:
    return responses(flat_settings(run.arms), measured(_ends(run)))


def _ends(run: Run, *, every_seed: bool = False) -> Study:
    """Return the readings of the last generation of every arm (or seed), with their pages."""
    return from_tables(run.name, at_the_end(run.readings, every_seed=every_seed), pages=pages_of_runs())
