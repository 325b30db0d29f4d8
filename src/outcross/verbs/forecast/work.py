"""The work of a forecast: the predicted course of each reading, the generations within a budget, and the least human share."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from outcross.collapse.closed_forms import law_arguments
from outcross.collapse.course import Course, Readings
from outcross.collapse.forecasting import LEAST, Outlook, Tried, outlook, too_few, tried_on, turning_point
from outcross.collapse.growth import Observed
from outcross.estimate import NotApplicable
from outcross.experiment import Experiment
from outcross.experiment.bounds import LOGARITHMS, TAIL_SURVIVAL
from outcross.laws import expected
from outcross.measures import leading, pages_of_runs, standing_for
from outcross.recipe import kind
from outcross.verbs.forecast.arms import ForecastArm, by_policy, dose_of
from outcross.verbs.forecast.budgets import Budget
from outcross.verbs.forecast.result import FanPoint, LeastShare, NotForecast, ReadingForecast, SafeHorizon, SharePlace
from outcross.wording import amount

LEVELS = (0.025, 0.1, 0.5, 0.9, 0.975)
DRAWS = 4000
"""Number of random courses of each curve with a budget. They give the generations within the budget and the least share."""
STREAM = 16
"""Seed of the random streams of these draws. Each curve has a stream of its own."""
FIXED_SETS = ("HO", "EL", "NT")
"""Beginnings of the codes of readings on held-out records, which are the same records at every generation."""
MOST_PLACES = 12
"""Maximum number of places of one reading that are forecast."""


@dataclass(frozen=True, eq=False)
class ReadingPath:
    """One observed reading of one arm, on its own scale and on the scale of the laws."""

    measure: str
    at: str
    arm: ForecastArm
    course: Course
    observed: Observed
    is_log: bool
    values: tuple[float, float]
    """The minimum and maximum that the reading can take."""

    def back(self, scaled: np.ndarray) -> np.ndarray:
        """Transform values from the scale of the laws to that of the reading."""
        with np.errstate(over="ignore"):
            return np.clip(np.exp(scaled) if self.is_log else scaled, *self.values)

    @property
    def first(self) -> float:
        """The mean over the runs at generation 0, of the same kind as `means`."""
        return float(self.means[0])

    @property
    def means(self) -> np.ndarray:
        """The mean over the runs at every observed generation, on the scale of the reading.

        It is the geometric mean if the laws work on logarithms.
        """
        return self.back(self.observed.values.mean(axis=0)) if self.is_log else self.course.values.mean(axis=0)

    def interval(self, generation: int) -> tuple[float | None, float | None]:
        """Return the 95 % interval of the mean over the runs at an observed generation, or (None, None) if its error is unknown."""
        interval = self.course.logged().at(generation).exponential() if self.is_log else self.course.at(generation)
        return (interval.low, interval.high) if interval.is_known else (None, None)


@dataclass(frozen=True, eq=False)
class Seen:
    """An observed path with its forecast."""

    path: ReadingPath
    outlook: Outlook
    budget: Budget | None

    @cached_property
    def paths(self) -> np.ndarray:
        """Random future courses of the mean over the runs, on the scale of the reading, (DRAWS, ahead).

        Their random stream depends on the names of reading and arm.
        """
        return self.path.back(self.outlook.paths(DRAWS, self._stream))

    @cached_property
    def expected_paths(self) -> np.ndarray:
        """Random future courses of the expectation, on the scale of the reading, (DRAWS, ahead)."""
        return self.path.back(self.outlook.expected_paths(DRAWS, self._stream))

    @property
    def _stream(self) -> np.random.Generator:
        name = "\n".join((self.path.measure, self.path.at, self.path.arm.name))
        return np.random.default_rng([STREAM, zlib.crc32(name.encode("utf-8", "surrogatepass"))])


def forecasts(
    arms: Sequence[ForecastArm], ahead: int, budgets: Sequence[Budget]
) -> tuple[tuple[ReadingForecast, ...], tuple[LeastShare, ...], tuple[NotForecast, ...]]:
    """Return the forecast of every reading of every arm, the least shares, and the readings that could not be forecast with the reason."""
    curves: list[ReadingForecast] = []
    shares: list[LeastShare] = []
    refused: list[NotForecast] = []
    there = {name for arm in arms for name in arm.readings["measure"].unique().to_list()}
    bounded = {budget.reading: budget for budget in budgets}
    for measure in wanted(there, bounded):
        seen, without = _seen(measure, arms, ahead, bounded.get(measure))
        refused += without
        curves += [curve_of(reading, ahead) for reading in seen]
        if measure in bounded:
            shares += _least_shares(seen, arms)
    return tuple(curves), tuple(shares), tuple(refused)


def least_shares(
    arms: Sequence[ForecastArm], ahead: int, budgets: Sequence[Budget]
) -> tuple[tuple[LeastShare, ...], tuple[NotForecast, ...]]:
    """Return only the least shares of `forecasts`, and the readings that could not be forecast."""
    shares: list[LeastShare] = []
    refused: list[NotForecast] = []
    for budget in budgets:
        seen, without = _seen(budget.reading, arms, ahead, budget)
        shares += _least_shares(seen, arms)
        refused += without
    return tuple(shares), tuple(refused)


def _seen(measure: str, arms: Sequence[ForecastArm], ahead: int, budget: Budget | None) -> tuple[list[Seen], list[NotForecast]]:
    """Return the forecast of one reading in each arm, and the arms in which it could not be forecast."""
    paths, without = _paths(measure, arms, ahead, is_bounded=budget is not None)
    tried = [tried_on(path.observed) for path in paths]
    seen = [Seen(path, outlook(path.observed, ahead, tried[at], _alike(at, paths, tried)), budget) for at, path in enumerate(paths)]
    return seen, without


def wanted(there: set[str], bounded: Mapping[str, Budget]) -> list[str]:
    """Return the readings to forecast: those with a budget, then those that lead a report or, without budgets, stand for a role."""
    standing = [name for name, page in pages_of_runs().items() if page.preference is not None] if len(bounded) == 0 else []
    tails = [TAIL_SURVIVAL] if any(name in there for name in standing_for("tail")) else []
    known = [name for name in (*leading(), *standing) if name in there]
    return list(dict.fromkeys([*bounded, *known, *tails]))


def _alike(at: int, paths: Sequence[ReadingPath], tried: Sequence[Tried]) -> list[Tried]:
    """Return the back-tests of the laws on the other arms of the same policy, at the same place."""
    own = paths[at]
    policy = kind(own.arm.experiment.policy)
    return [
        tried[other]
        for other, path in enumerate(paths)
        if other != at and path.at == own.at and kind(path.arm.experiment.policy) == policy
    ]


def _paths(
    measure: str, arms: Sequence[ForecastArm], ahead: int, *, is_bounded: bool
) -> tuple[list[ReadingPath], list[NotForecast]]:
    """Return a path for each arm and place of a reading that can be forecast, and the reasons for the others."""
    paths: list[ReadingPath] = []
    refused: list[NotForecast] = []
    for arm in arms:
        readings = Readings(arm.readings, arm.name)
        for at in _places(readings, measure):
            try:
                path = _path(measure, at, arm, readings, ahead)
                if is_bounded and measure not in LOGARITHMS and path.first <= 0:
                    raise NotApplicable(
                        f"a budget is a ratio to generation 0, and no ratio exists because the reading is {path.first:.3g} there; give a budget for another reading"
                    )
                paths.append(path)
            except NotApplicable as why:
                refused.append(NotForecast(measure, at, arm.name, str(why)))
    return paths, refused


def _places(readings: Readings, measure: str) -> list[str]:
    if measure == TAIL_SURVIVAL:
        return [""]
    places = readings.places(measure)
    return [""] if "" in places else places[:MOST_PLACES]


def _path(measure: str, at: str, arm: ForecastArm, readings: Readings, ahead: int) -> ReadingPath:
    course = _tail_survival(readings) if measure == TAIL_SURVIVAL else readings.course(measure, at)
    if course.generations < LEAST:
        raise NotApplicable(too_few(course.generations))
    page = pages_of_runs().get(measure)
    unit = "ratio" if page is None else page.unit
    values = (0.0, math.inf) if page is None else page.values
    is_log = not unit.startswith(("nats", "bits")) and measure not in LOGARITHMS and bool((course.values > 0).all())
    closed_form = _closed_form(arm.experiment, measure, at, course.generations + ahead, is_log)
    scaled = course.logged() if is_log else course
    errors = _own_errors(readings, measure, scaled)
    floor, ceiling = (float(np.log(end)) if is_log and 0 < end < math.inf else end if not is_log else None for end in values)
    ends = (end if end is not None and math.isfinite(end) else None for end in (floor, ceiling))
    dose = dose_of(arm.experiment)
    observed = Observed(
        scaled.values,
        errors,
        closed_form,
        *ends,
        closed_form_is_log_of_mean=is_log,
        human_share=None if dose is None else dose.share,
        is_trained=arm.experiment.training is not None,
    )
    if closed_form is None and (turn := turning_point(observed)) is not None:
        way = "rises" if scaled.values[:, turn].mean() > scaled.values[:, 0].mean() else "falls"
        back = "falls" if way == "rises" else "rises"
        raise NotApplicable(
            f"it significantly {way} until generation {turn} and {back} after it (95 %, over {amount(len(scaled.values), 'run')}), and no growth law has a turning point"
        )
    return ReadingPath(measure, at, arm, course, observed, is_log, values)


def _tail_survival(readings: Readings) -> Course:
    """Return the mean of the tail reading over the frequency bands, as `stop_when` uses it.

    The bands share their text, so their errors count as fully correlated.
    """
    for tail in standing_for("tail"):
        courses = []
        for band in readings.places(tail):
            with suppress(NotApplicable):
                courses.append(readings.course(tail, band))
        if courses:
            last = min(course.generations for course in courses)
            cut = [course.until(last) for course in courses]
            values, errors = (np.mean([getattr(course, name) for course in cut], axis=0) for name in ("values", "errors"))
            return Course(values, errors, cut[0].why)
    raise NotApplicable("no reading of the tails")


def _own_errors(readings: Readings, measure: str, course: Course) -> np.ndarray:
    """Return the errors of readings that are independent between generations.

    They are 0 if the errors are the scatter of chains, because chains continue, or of one held-out set, because all generations share it.
    """
    page = pages_of_runs().get(measure)
    if page is not None and page.code.rstrip("0123456789") in FIXED_SETS:
        return np.zeros(course.values.shape)
    names = standing_for("tail") if measure == TAIL_SURVIVAL else (measure,)
    rows = readings.rows.filter(readings.rows["measure"].is_in(list(names)))
    methods = set(rows["method"].drop_nulls().unique().to_list())
    if any("chain" in method for method in methods):
        return np.zeros(course.values.shape)
    return np.nan_to_num(course.errors, nan=0.0)


def _closed_form(experiment: Experiment, measure: str, at: str, generations: int, is_log: bool) -> np.ndarray | None:
    """Return the closed form of a reading on the scale of the laws, or None if none is known."""
    if at:
        return None
    try:
        longer = replace(experiment, generations=generations)
        arguments = law_arguments(longer)
        curve = expected(measure=measure, **arguments) if arguments else None
    except ValueError:  # a longer run is impossible, for example because its sizes grow beyond any machine
        return None
    if curve is None or not np.isfinite(curve).all() or (is_log and curve.min() <= 0):
        return None
    return np.log(curve) if is_log else np.asarray(curve, dtype=float)


def curve_of(seen: Seen, ahead: int) -> ReadingForecast:
    """Return the forecast of one reading of one arm."""
    path, mean = seen.path, seen.outlook.mean()
    low, inner_low, middle, inner_high, high = (path.back(row[0]) for row in mean.quantiles(LEVELS))
    observed = path.course
    points = [FanPoint(g, float(value), *path.interval(g)) for g, value in enumerate(path.means[: observed.generations].tolist())]
    points += [
        FanPoint(observed.generations + step, *(float(course[step]) for course in (middle, low, high, inner_low, inner_high)))
        for step in range(ahead)
    ]
    budget, horizon, limit = seen.budget, None, None
    if budget is not None:
        limit = budget.limit(path.first)
        horizon = horizon_of(path.means[: observed.generations], seen.paths, budget, path.first)
    return ReadingForecast(
        measure=path.measure,
        at=path.at,
        arm=path.arm.name,
        runs=path.observed.runs,
        observed=observed.generations,
        points=tuple(points),
        tests=tuple(sorted(seen.outlook.tests, key=lambda test: -test.weight)),
        budget=None if budget is None else budget.ratio,
        limit=limit,
        horizon=horizon,
    )


def horizon_of(observed: np.ndarray, paths: np.ndarray, budget: Budget, first: float) -> SafeHorizon:
    """Return the number of generations in which a reading stays within a budget, up to the generation before the first one outside.

    `observed` is the mean at every observed generation; `paths` are random future courses, (paths, ahead). If the budget was already left in an
    observed generation, the result is that observed number, without an interval.
    """
    last = observed.size + paths.shape[1] - 1
    if (gone := np.flatnonzero(_outside(observed, budget, first))).size:
        left = int(gone[0]) - 1
        return SafeHorizon(left, left, left, looked_at=last, is_observed=True)
    outside = _outside(paths, budget, first)
    within = np.where(outside.any(axis=1), observed.size - 1 + outside.argmax(axis=1), last + 1)
    low, median, high = (int(end) for end in np.quantile(within, (0.025, 0.5, 0.975), method="inverted_cdf"))
    return SafeHorizon(*(None if end > last else end for end in (low, median, high)), looked_at=last)


def _outside(values: np.ndarray, budget: Budget, first: float) -> np.ndarray:
    limit = budget.limit(first)
    return values > limit if budget.is_upper else values < limit


def _least_shares(seen: Sequence[Seen], arms: Sequence[ForecastArm]) -> Iterator[LeastShare]:
    """Yield the least share for each place of a reading with a budget, and for each policy."""
    by_arm = {(reading.path.arm.name, reading.path.at): reading for reading in seen}
    for (whose, among), group in by_policy(arms).items():
        for at in dict.fromkeys(reading.path.at for reading in seen):
            there = [(share, by_arm[arm.name, at]) for share, arm in group if (arm.name, at) in by_arm]
            if len({share for share, _ in there}) > 1:
                yield least_share(there, whose, among)


def least_share(there: Sequence[tuple[float, Seen]], whose: str, among: str) -> LeastShare:
    """Return the least share with which the expectation stays within a budget, over the generations that are forecast in every arm.

    Each draw takes one course of the expectation of each arm. The worst ratio that a course reaches by the last generation is made to decrease with
    the share (isotonic regression). The interval goes from the largest share that was run and fails to the smallest share that was run and stays
    within the budget, at the 2.5 % quantile of the draws on either side, because only the order is known between two shares that were run. The
    value is interpolated between them, as if the worst ratio were linear in 1/(share + a): with a human share α, deviations accumulate over about
    1/α generations, and without human data over all T generations. The onset differs between readings, so each draw has its own a, between 1/(2 T)
    and 1/2.
    """
    budget = there[0][1].budget
    assert budget is not None
    through = min(reading.path.course.generations + reading.outlook.parts[0].own.size for _, reading in there) - 1
    sides = 1.0 if budget.is_upper else -1.0
    worst = np.array(
        [_worst(reading, budget, through) for _, reading in there]
    )  # (arms, draws): distance beyond the budget, in nats of the ratio to generation 0
    shares = np.array([share for share, _ in there])
    rng = np.random.default_rng(STREAM)
    turns = np.exp(rng.uniform(math.log(0.5 / (through + 1)), math.log(0.5), DRAWS))
    falling = [_falling(row) for row in worst.T]
    crossed = np.array([_crossing(shares, row, turn) for row, turn in zip(falling, turns.tolist(), strict=True)])
    fails, keeps = np.array([_neighbours(shares, row) for row in falling]).T
    low, value, high = (
        _share(float(np.quantile(drawn, level, method="inverted_cdf")), shares)
        for drawn, level in ((fails, 0.025), (crossed, 0.5), (keeps, 0.975))
    )
    places = tuple(
        SharePlace(share, reading.path.arm.name, *(float(_as_ratio(sides * end, budget)) for end in _three(row, sides)))
        for (share, reading), row in zip(there, worst, strict=True)
    )
    path = there[0][1].path
    return LeastShare(
        measure=path.measure,
        at=path.at,
        policy=whose,
        among=among,
        budget=budget.ratio,
        generations=through,
        low=low,
        value=value,
        high=high,
        is_at_most=bool(np.quantile(crossed, 0.5, method="inverted_cdf") == -math.inf),
        places=places,
    )


def _three(row: np.ndarray, sides: float) -> tuple[float, float, float]:
    """Return the median and the 95 % interval of the distance beyond the budget, ordered as (median, end with the lower ratio, end with the higher
    ratio)."""
    low, value, high = np.quantile(row, (0.025, 0.5, 0.975)).tolist()
    return (value, low, high) if sides > 0 else (value, high, low)


def _as_ratio(beyond: float, budget: Budget) -> float:
    """Return the ratio to generation 0 that is `beyond` nats above the budget (below it, if negative)."""
    return budget.ratio * math.exp(min(beyond, 700.0))


def _worst(reading: Seen, budget: Budget, through: int) -> np.ndarray:
    """Return the largest distance of each course of the expectation beyond its budget up to generation `through`, in nats of the ratio to generation
    0, (draws,)."""
    path = reading.path
    observed = np.repeat(path.means[None, :], DRAWS, axis=0)
    whole = np.concatenate([observed, reading.expected_paths], axis=1)[:, : through + 1]
    if budget.reading in LOGARITHMS:
        ratio = whole - path.first
    else:
        ratio = np.log(np.maximum(whole / path.first, 1e-12))
    sides = 1.0 if budget.is_upper else -1.0
    return (sides * (ratio - math.log(budget.ratio))).max(axis=1)


def _falling(values: np.ndarray) -> np.ndarray:
    """Return the closest non-increasing values (isotonic regression, pool adjacent violators)."""
    blocks: list[list[float]] = []
    for value in values.tolist():
        blocks.append([value, 1.0])
        while len(blocks) > 1 and blocks[-2][0] < blocks[-1][0]:
            last, size = blocks.pop()
            before, count = blocks[-1]
            blocks[-1] = [(before * count + last * size) / (count + size), count + size]
    return np.concatenate([np.full(int(size), value) for value, size in blocks])


def _neighbours(shares: np.ndarray, beyond: np.ndarray) -> tuple[float, float]:
    """Return the largest share that fails and the smallest that stays within the budget, for decreasing values `beyond`.

    They are minus infinity if no share fails, and infinity if no share stays within the budget.
    """
    failing = int((beyond > 0).sum())
    return (
        float(shares[failing - 1]) if failing else -math.inf,
        float(shares[failing]) if failing < len(shares) else math.inf,
    )


def _crossing(shares: np.ndarray, beyond: np.ndarray, turn: float) -> float:
    """Return the share at which decreasing values reach 0, interpolated linearly in 1/(share + turn).

    It is minus infinity if the smallest share has already reached 0, and infinity if no share reaches it.
    """
    if beyond[0] <= 0:
        return -math.inf
    if beyond[-1] > 0:
        return math.inf
    after = int(np.argmax(beyond <= 0))
    first, last = 1 / (shares[after - 1] + turn), 1 / (shares[after] + turn)
    part = beyond[after - 1] / (beyond[after - 1] - beyond[after])
    return float(1 / (first + part * (last - first)) - turn)


def _share(crossed: float, shares: np.ndarray) -> float | None:
    """Return a share for the result: the smallest share that was run if that is enough, and None beyond the largest."""
    if crossed == math.inf:
        return None
    return float(shares[0]) if crossed == -math.inf else crossed


__all__ = ["curve_of", "forecasts", "horizon_of", "least_share", "least_shares", "wanted"]
