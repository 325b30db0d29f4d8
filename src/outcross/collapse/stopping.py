"""The rule that stops a run: one sequential test over all bounded readings and all generations.

After each generation, every bounded reading is compared with generation 0. An arm stops at the first generation at which the one-sided confidence
limit of a ratio lies beyond its bound. All limits together have an error probability of 5 %: generation g may spend 1 / (g (g + 1)) of it, and the
readings of a generation divide that equally. These shares add up to 1 over infinitely many generations. So, by the union bound, an arm with one
seed whose readings all stay within their bounds is stopped with a probability of at most 5 %, for any dependence between the readings and any number
of generations.

This holds as far as the intervals of the readings are valid at the level of each test, which is far below 2.5 % in later generations. Half of the
95 % interval is stretched to that level like Student's t with n - 1 degrees of freedom, so the readings must have normal tails. Skewed readings with
small n do not. For means of lognormal documents (standard deviation 1 of the logarithm), the short side of a corrected interval errs 2, 7 and 29
times too often at levels of 2.5, .25 and .02 % with 50 documents, and 1.2, 2.4 and 5.3 times with 500.

The limit of a ratio is computed from the intervals of its two readings by MOVER (Donner and Zou, Stat. Methods Med. Res. 21:347, 2012), which keeps
their asymmetry and assumes independence. That is cautious if both come from the same held-out data, because their errors are then positively
correlated. Held-out perplexity and held-out loss use the loss above that of generation 0 instead, which is paired by document and has a narrower
interval. A document that is hard for the first model leaves less to lose, so the errors of this change and of the loss of generation 0 are usually
negatively correlated. The limit of that ratio therefore holds for any correlation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from outcross.errors import BadInput
from outcross.estimate import Estimate, NotApplicable, Reading
from outcross.experiment.bounds import LOGARITHMS, TAIL_SURVIVAL
from outcross.experiment.teachers import TEACHER
from outcross.measures import standing_for

ERROR = 0.05
"""Maximum probability that an arm with one seed is stopped although all of its readings stay within their bounds."""

PAIRED: Mapping[str, str] = {"held_out_perplexity": "excess_loss", "held_out_loss": "excess_loss", "held_out_elbo": "excess_elbo"}
"""For a reading, the paired reading that measures its change since generation 0, with the interval of that change."""


def spent(generation: int) -> float:
    """Return the error probability that a generation may spend, in [0, ERROR]. The sum over generations 1, 2, 3 … is ERROR.

    >>> round(spent(1), 4), round(sum(map(spent, range(1, 100_000))), 4)
    (0.025, 0.05)
    """
    return ERROR / (generation * (generation + 1))


@dataclass(frozen=True)
class Ends:
    """A value with its 95 % interval and its n."""

    value: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, estimate: Estimate) -> Ends:
        """Return the value, interval and n of an estimate. Raises NotApplicable, with the reason, if it has no interval."""
        return cls(estimate.value, *estimate.interval, estimate.n)

    def below(self, level: float) -> float:
        """Return the distance of the one-sided lower limit at this level below the value."""
        return (self.value - self.low) * _stretch(level, self.n)

    def above(self, level: float) -> float:
        """Return the distance of the one-sided upper limit at this level above the value."""
        return (self.high - self.value) * _stretch(level, self.n)


@lru_cache(4096)
def _stretch(level: float, n: int) -> float:
    """Return the one-sided quantile at an error probability, divided by that of half a 95 % interval.

    It is Student's t with n - 1 degrees of freedom, or normal if n < 2.
    """
    from scipy.special import ndtri, stdtrit

    if n < 2:
        return float(ndtri(1 - level) / ndtri(0.975))
    return float(stdtrit(n - 1, 1 - level) / stdtrit(n - 1, 0.975))


@dataclass(frozen=True)
class Ratio:
    """The ratio of a reading to generation 0: `offset` + `now` / `first`, or exp(`now` - `first`) if the readings are logarithms."""

    now: Ends
    first: Ends
    is_logarithm: bool = False
    offset: Literal[0, 1] = 0
    """1 if `now` is a change since generation 0, else 0."""

    @property
    def value(self) -> float:
        if self.is_logarithm:
            return _exp(self.now.value - self.first.value)
        return self.offset + self.now.value / self.first.value

    def limit(self, side: Literal["lower", "upper"], level: float) -> float:
        """Return the one-sided confidence limit at an error probability. It is infinite if the error of generation 0 is too large."""
        now, first = self.now, self.first
        if self.is_logarithm:
            difference = now.value - first.value
            if side == "lower":
                return _exp(difference - math.hypot(now.below(level), first.above(level)))
            return _exp(difference + math.hypot(now.above(level), first.below(level)))
        if self.offset:
            return 1 + self._limit_of_change(side, level)
        outwards, inwards = (first.above, first.below) if now.value >= 0 else (first.below, first.above)
        if side == "lower":
            return _lower(now.value, now.below(level), first.value, outwards(level))
        return -_lower(-now.value, now.above(level), first.value, inwards(level))

    def _limit_of_change(self, side: Literal["lower", "upper"], level: float) -> float:
        """Return the limit r of `now` / `first` for any correlation of their errors.

        It solves now − r · first = half of now + |r| · half of first, where each half is that half of an interval that lies on the relevant side. By
        the Cauchy-Schwarz inequality the standard error of now − r · first is at most that of now plus |r| times that of first. So the limit is more
        cautious than that of Fieller's paired test.
        """
        now, first = self.now, self.first
        end = now.value - now.below(level) if side == "lower" else now.value + now.above(level)
        if (end >= 0) == (side == "lower"):
            return end / (first.value + first.above(level))
        lower_end = first.value - first.below(level)
        return end / lower_end if lower_end > 0 else math.copysign(math.inf, end)


def _lower(now: float, now_half: float, first: float, first_half: float) -> float:
    """Return the lower limit of now / first by MOVER: the smaller solution r of (now - r first)² = now_half² + r² first_half².

    `first_half` is half of the interval of `first`, on the side away from 0 if the ratio is positive and towards 0 if it is negative. The limit is
    minus infinity if `first_half` is at least |first|.
    """
    square = first**2 - first_half**2
    if square <= 0:
        return -math.inf
    product = now * first
    return (product - math.sqrt(max(0.0, product**2 - square * (now**2 - now_half**2)))) / square


def _exp(number: float) -> float:
    return math.exp(number) if number < 700 else math.inf


@dataclass(frozen=True)
class Stop:
    """Why an arm with one seed stopped: the first reading whose confidence limit is beyond its bound. Ratios are relative to generation 0."""

    arm: str
    seed: int
    generation: int
    """The last generation that was run."""
    reading: str
    at: str
    """The column, place or group of the reading. Empty for the whole."""
    bound: float
    ratio: float
    low: float | None
    """Lower end of the 95 % interval of the ratio. None if the error of generation 0 is too large."""
    high: float | None
    limit: float
    """The one-sided confidence limit of the ratio at `level`, which lies beyond the bound."""
    level: float
    """The error probability of this test."""

    def __str__(self) -> str:
        reading = f"exp({self.reading})" if self.reading in LOGARITHMS else self.reading
        name = f"{reading} ({self.at})" if self.at else reading
        side = "above" if self.bound > 1 else "below"
        ends = "" if self.low is None or self.high is None else f" [{self.low:.3g}, {self.high:.3g}]"
        return (
            f"{self.arm} with seed {self.seed} stopped after generation {self.generation}: {name} was {self.ratio:.3g}{ends} of generation 0, {side} the "
            f"bound of {self.bound:g} (confidence limit {self.limit:.3g} at an error probability of {100 * self.level:.2g} %)."
        )


GUARANTEE = (
    "An arm with one seed whose readings all stay within their bounds is stopped with a probability of at most 5 %, over all readings and generations together. "
    "This holds if the 95 % intervals, stretched by Student's t, are valid at the small levels of the tests (2.5 % at generation 1, and less at each later one)."
)
"""The guarantee of the rule."""

Place = tuple[str, str]


class Watch:
    """Watches one arm with one seed, generation by generation from 0, and reports when it must stop.

    Raises BadInput at generation 0 if a bounded reading is missing, has no interval, or is not above 0.
    """

    def __init__(self, bounds: Mapping[str, float], arm: str, seed: int):
        self.bounds, self.arm, self.seed = bounds, arm, seed
        self.ratios: dict[Place, Callable[[Sequence[Reading]], Ratio]] = {}
        """Functions that compute the ratio of each bounded reading and place from the readings of a generation."""

    def __call__(self, generation: int, readings: Sequence[Reading]) -> Stop | None:
        """Return the reason to stop after this generation, or None. A reading that is missing in a generation is not tested there.

        With several teachers, only the readings of all teachers together are tested.
        """
        if not self.bounds:
            return None
        readings = [reading for reading in readings if not reading.group.startswith(TEACHER)]
        if generation == 0:
            self.ratios = {place: ratio_of for name in self.bounds for place, ratio_of in _ratios(name, readings).items()}
            return None
        level = spent(generation) / len(self.ratios)
        for (name, at), ratio_of in self.ratios.items():
            try:
                ratio = ratio_of(readings)
            except NotApplicable:
                continue
            bound = self.bounds[name]
            limit = ratio.limit("lower" if bound > 1 else "upper", level)
            if limit > bound > 1 or limit < bound < 1:
                low, high = (_finite(ratio.limit(side, 0.025)) for side in ("lower", "upper"))
                return Stop(self.arm, self.seed, generation, name, at, bound, ratio.value, low, high, limit, level)
        return None


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _ratios(name: str, first: Sequence[Reading]) -> dict[Place, Callable[[Sequence[Reading]], Ratio]]:
    """Return functions that compute the ratios of a bounded reading, by place, given the readings of generation 0."""
    if name == TAIL_SURVIVAL:
        return {(name, ""): _tail_survival(first)}
    paired = PAIRED.get(name)
    if paired is not None and _has_interval(first, paired):
        whole = _ends_at(first, name, "")
        if name == "held_out_perplexity":
            return {
                (name, ""): lambda readings: Ratio(_ends_at(readings, paired, ""), _ends_at(first, paired, ""), is_logarithm=True)
            }
        _check_positive(name, whole)
        return {(name, ""): lambda readings: Ratio(_ends_at(readings, paired, ""), whole, offset=1)}
    places = [_place(reading) for reading in first if reading.measure == name]
    if "" in places:
        places = [""]
    known: dict[str, Ends] = {}
    reasons: list[str] = []
    for at in places:
        try:
            known[at] = _ends_at(first, name, at)
        except NotApplicable as why:
            reasons.append(str(why))
    if not known:
        raise _refused(name, reasons)
    is_logarithm = name in LOGARITHMS
    for ends in () if is_logarithm else known.values():
        _check_positive(name, ends)
    return {
        (name, at): lambda readings, at=at, ends=ends: Ratio(_ends_at(readings, name, at), ends, is_logarithm)
        for at, ends in known.items()
    }


def _tail_survival(first: Sequence[Reading]) -> Callable[[Sequence[Reading]], Ratio]:
    """Return a function that computes the ratio of the mean tail reading over the frequency bands."""
    reasons: list[str] = []
    for tail in standing_for("tail"):
        bands = []
        for reading in first:
            if reading.measure == tail:
                try:
                    _ends_at(first, tail, _place(reading))
                    bands.append(_place(reading))
                except NotApplicable as why:
                    reasons.append(str(why))
        if bands:
            start = _mean(_ends_at(first, tail, band) for band in bands)
            _check_positive(TAIL_SURVIVAL, start)
            return lambda readings: Ratio(_mean(_ends_at(readings, tail, band) for band in bands), start)
    raise _refused(TAIL_SURVIVAL, reasons)


def _mean(several: Iterable[Ends]) -> Ends:
    """Return the mean of bands. They share their text, so their errors count as fully correlated."""
    every = tuple(several)
    value, low, high = (
        math.fsum(ends) / len(every) for ends in zip(*((band.value, band.low, band.high) for band in every), strict=True)
    )
    return Ends(value, low, high, min(band.n for band in every))


def _place(reading: Reading) -> str:
    return ", ".join(filter(None, (reading.column, reading.at, reading.group)))


def _ends_at(readings: Sequence[Reading], name: str, at: str) -> Ends:
    """Return a reading at a place. Raises NotApplicable, with the reason, if it has no number or no interval."""
    for reading in readings:
        if reading.measure == name and _place(reading) == at:
            if reading.estimate is None:
                raise NotApplicable(reading.note)
            return Ends.of(reading.estimate)
    raise NotApplicable(f"it was not measured{f' at {at}' if at else ''}")


def _has_interval(readings: Sequence[Reading], name: str) -> bool:
    try:
        return bool(_ends_at(readings, name, ""))
    except NotApplicable:
        return False


def _check_positive(name: str, first: Ends) -> None:
    if first.value <= 0:
        raise BadInput(
            f"stop_when.{name} is a ratio to generation 0, but the reading is {first.value:.3g} there; bound a reading that is above 0"
        )


def _refused(name: str, reasons: Sequence[str]) -> BadInput:
    why = reasons[0] if reasons else "it was not measured at generation 0"
    more = "; use more chains, or bound another reading" if "one chain" in why else "; bound another reading"
    return BadInput(
        f"stop_when.{name} has no interval at generation 0 ({why}), so a loss could not be distinguished from chance{more}"
    )


__all__ = ["ERROR", "GUARANTEE", "PAIRED", "Ends", "Ratio", "Stop", "Watch", "spent"]
