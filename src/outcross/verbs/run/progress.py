"""The progress of a run on a terminal: a bar with the remaining time, and a row of readings for each generation that has ended."""

from __future__ import annotations

import math
import os
import sys
import time
from collections import Counter
from contextlib import AbstractContextManager
from typing import Any

from outcross.escapes import shortened
from outcross.estimate import Estimate, NotApplicable, rounding
from outcross.experiment.arms import Arm
from outcross.experiment.teachers import TEACHER
from outcross.measures import Page, pages_of_runs, readings_of_users
from outcross.report.characters import visible
from outcross.report.curves import CurvePoint, mean_over_seeds
from outcross.verbs.run.tables import Ended
from outcross.verbs.run.work import ArmStopped, UnderWay
from outcross.wording import amount

HEADLINES = {
    "perplexity": ("held_out_perplexity", ""),
    "words 1×": ("rare_words_beyond_prompt", "1 time"), "words 3–5×": ("rare_words_beyond_prompt", "3-5 times"),
    "copied": ("prompt_copying", ""), "distinct-2": ("distinct_n", "2 words"), "known words": ("known_words", ""),
    "all words 1×": ("rare_words", "1 time"), "all words 3–5×": ("rare_words", "3-5 times"),
    "coefficients": ("coefficient_error", ""), "modes": ("modes", ""), "log-variance": ("log_variance", ""), "spread": ("spread_ratio", ""),
    "mean error": ("mean_error", ""), "W2²": ("w2", ""), "L2²": ("l2_squared", ""),
    "test error": ("test_error", ""), "states": ("support", ""), "entropy": ("entropy", ""), "Σp²": ("concentration", ""),
    "absorbed": ("absorbed", ""),
}  # fmt: skip
"""The readings that a generation's row may show, the most informative first. Heading → (measure, place)."""
COLUMNS = 5
OF_USERS = 2
"""Number of columns that readings of the user's own measures may always take. They may also take those that the readings above leave free."""
HEADING = 13
"""Width of a column, in characters."""
Readings = dict[tuple[str, str], Estimate | None]
"""The estimates of one generation by measure and place."""


def watcher(arms: tuple[Arm, ...]) -> Any:
    """Return a progress bar if standard error is a terminal, and plain lines otherwise."""
    return ProgressBar(arms) if sys.stderr.isatty() else Lines(arms)


class Lines(AbstractContextManager):
    """One line for each generation. An arm whose learner has a closed form gets one line at its end, with the mean over its seeds."""

    def __init__(self, arms: tuple[Arm, ...]):
        experiment = arms[0].experiment
        self.columns: dict[tuple[str, str], str] = {}
        """The shown columns: (measure, place) → heading. They are chosen from the readings of the first line."""
        self.seeds = Counter(arm.name for arm in arms)
        """Number of seeds of each arm."""
        self.quick = not experiment.learner.trains
        """Whether an arm has a single line, at its end, instead of one for each generation."""
        self.readings: dict[str, dict[int, list[Readings]]] = {}
        """For arms with a single line: arm → generation → the readings of each seed. Holds only the last generation, unless a bound may stop a seed
        earlier."""
        self.ended: Counter[str] = Counter()
        """Number of seeds of each arm that have ended or were stopped."""
        self.may_stop = any(arm.experiment.stop_when for arm in arms)
        self.width = max(12, *(len(self.name(arm.name, arm.experiment.seed)) for arm in arms))
        self.last = max(arm.experiment.generations for arm in arms) - 1
        self.started = time.monotonic()

    def __call__(self, event: Any) -> None:
        if isinstance(event, ArmStopped):
            self.write(str(event.stop))
            if self.quick and event.stop.generation != self.last:
                self.end(event.stop.arm, event.stop.seed)
        if not isinstance(event, Ended):
            return
        # A reading of all records comes last, so that one of a single column or group does not take its place.
        ordered = sorted(event.readings, key=lambda reading: not (reading.column or reading.group))
        readings = {(reading.measure, reading.at): reading.estimate for reading in ordered if not reading.group.startswith(TEACHER)}
        if not self.quick:
            self.show(event.arm, event.seed, event.generation, readings)
            return
        if self.may_stop or event.generation == self.last:
            self.readings.setdefault(event.arm, {}).setdefault(event.generation, []).append(readings)
        if event.generation == self.last:
            self.end(event.arm, event.seed)

    def end(self, arm: str, seed: int) -> None:
        """Note that a seed of an arm has ended. After the last seed, write the arm's line for the last generation that all its seeds have reached."""
        self.ended[arm] += 1
        if self.ended[arm] < self.seeds[arm]:
            return
        by_generation = self.readings.pop(arm, {})
        whole = [generation for generation, of_seeds in by_generation.items() if len(of_seeds) == self.seeds[arm]]
        if whole:
            of_seeds = by_generation[max(whole)]
            pages = pages_of_runs()
            means = {place: _mean([readings.get(place) for readings in of_seeds], pages.get(place[0])) for place in of_seeds[0]}
            self.show(arm, seed, max(whole), means)

    def show(self, arm: str, seed: int, generation: int, readings: Readings) -> None:
        """Write a line of readings. The column headings are written above the first line."""
        if not self.columns:
            self.columns = shown_columns(readings)
            self.write(self.row(["arm", "g", *self.columns.values()]))
        values = [cell(readings.get(place)) for place in self.columns]
        self.write(self.row([self.name(arm, seed), str(generation), *values]))

    def __exit__(self, *error: object) -> None:
        if error[0] is None:
            self.write(f"{time.monotonic() - self.started:.0f} s")

    def name(self, arm: str, seed: int) -> str:
        """Return the label of an arm, with its seed if each seed has a line of its own, or with the number of seeds if they share a line."""
        if self.seeds[arm] == 1:
            return arm
        return f"{arm} ({amount(self.seeds[arm], 'seed')})" if self.quick else f"{arm} seed {seed}"

    def row(self, cells: list[str]) -> str:
        name, g, *values = cells
        return f"{name:{self.width}} {g:>3}  " + "  ".join(f"{value:>{HEADING}}" for value in values)

    def write(self, line: str) -> None:
        try:
            print(line, flush=True)
        except BrokenPipeError:  # the reader has closed the pipe; the run continues
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class ProgressBar(Lines):
    """Lines above a progress bar that shows the completed share of the work and the remaining time."""

    def __init__(self, arms: tuple[Arm, ...]):
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        super().__init__(arms)
        self.costs = {(arm.name, arm.experiment.seed): _costs(arm) for arm in arms}
        total = sum(_total(arm) for arm in arms)
        columns = (
            BarColumn(None),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        self.bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self.task = self.bar.add_task("", total=total)
        self.part: dict[tuple[str, int], tuple[Any, float]] = {}
        """The current step of each arm and seed, and how much of its cost the bar already shows."""

    def __enter__(self):
        self.bar.start()
        return super().__enter__()

    def __call__(self, event: Any) -> None:
        super().__call__(event)
        if isinstance(event, UnderWay):
            arm, step = (event.arm, event.seed), event.step
            done = self.costs[arm].get((step.generation < 0, step.verb), 0.0) * step.share
            generation = "base" if step.generation < 0 else f"g{step.generation}"
            name = (step.generation, step.verb, step.part)
            before = self.part.get(arm, (name, 0.0))
            self.bar.update(
                self.task,
                advance=done - before[1] if before[0] == name else done,
                description=f"{event.arm} {generation} {step.verb}",
            )
            self.part[arm] = (name, done)

    def __exit__(self, *error: object) -> None:
        self.bar.stop()
        super().__exit__(*error)

    def write(self, line: str) -> None:
        self.bar.console.print(line, markup=False, highlight=False)


def shown_columns(readings: Readings) -> dict[tuple[str, str], str]:
    """Return the readings that the lines show, each with its heading: those of `HEADLINES`, then those of the user's own measures.

    If a run has none of these, the first other readings are shown. Only readings of a place that `HEADLINES` names, or of no place, are shown.
    """
    known = [place for place, estimate in readings.items() if estimate is not None]
    headlines = {place: heading for heading, place in HEADLINES.items() if place in known}
    whole = {place: shortened(visible(place[0]), HEADING) for place in known if not place[1] and place not in headlines}
    of_users = readings_of_users()
    own = {place: heading for place, heading in whole.items() if place[0] in of_users}
    if not headlines and not own:
        return _first(whole, COLUMNS)
    own = _first(own, max(OF_USERS, COLUMNS - len(headlines)))
    return _first(headlines, COLUMNS - len(own)) | own


def _first(columns: dict[tuple[str, str], str], count: int) -> dict[tuple[str, str], str]:
    return dict(list(columns.items())[:count])


def _costs(arm: Arm) -> dict[tuple[bool, str], float]:
    """Return the approximate cost of each verb in training steps, by (before the generations, verb). Only the progress bar uses it."""
    training = arm.experiment.training
    if training is None:
        return dict.fromkeys(
            [(True, "gather"), (True, "begin"), *((False, verb) for verb in ("mix", "train", "generate", "measure"))], 1.0
        )
    base = 2.0 * (getattr(training.start, "steps", None) or 1)
    steps = float(training.steps_for(arm.experiment.human.rows, arm.experiment.block))
    records, shard = arm.experiment.records(0), arm.experiment.learner.shard
    writes = {"generate": 80.0} if shard is None or records <= shard else {"write": 80.0 / math.ceil(records / shard)}
    return {
        (True, "gather"): 20.0,
        (True, "begin"): base,
        (False, "mix"): 1.0,
        (False, "train"): steps,
        **{(False, verb): cost for verb, cost in writes.items()},
        (False, "measure"): 5.0,
    }


def _total(arm: Arm) -> float:
    costs = _costs(arm)
    records, shard = arm.experiment.records(0), arm.experiment.learner.shard
    teachers = len(arm.experiment.teachers) or 1
    times = {"measure": len(arm.experiment.measured), "write": math.ceil(records / shard) if shard else 1}
    times |= dict.fromkeys(("mix", "train", "generate"), teachers)
    once = sum(cost * (teachers if verb == "begin" else 1) for (is_base, verb), cost in costs.items() if is_base)
    each = sum(cost * times.get(verb, 1) for (is_base, verb), cost in costs.items() if not is_base)
    return once + each * arm.experiment.generations


def _mean(of_seeds: list[Estimate | None], page: Page | None) -> Estimate | None:
    """Return the mean over the seeds that have a value, with Student's interval over the seeds. A single seed keeps its own interval."""
    known = [
        CurvePoint(0, estimate.value, estimate.low, estimate.high, estimate.method, estimate.n)
        for estimate in of_seeds
        if estimate is not None
    ]
    if not known:
        return None
    point = mean_over_seeds(known, page)
    return None if point.value is None else Estimate(point.value, point.low, point.high, point.method, point.n or 1)


def cell(estimate: Estimate | None) -> str:
    """Return a value with ± the distance to the farther end of its interval. The interval therefore lies within value ± distance."""
    if estimate is None:
        return "–"
    digits = 0 if abs(estimate.value) >= 1000 else 1 if abs(estimate.value) >= 100 else 3
    value = f"{estimate.value:,.{digits}f}"
    try:
        low, high = estimate.interval
    except NotApplicable:
        return value
    reach = max(high - estimate.value, estimate.value - low)
    return value if reach <= rounding(estimate.value) else f"{value} ±{reach:,.{digits}f}"
