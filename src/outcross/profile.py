"""The eight definitions of model collapse, read off a run's readings.

"Model collapse" has been used for at least eight things (Schaeffer et al., "Position: Model Collapse Does Not Mean What
You Think", arXiv 2503.03150), and a run may show one and not another: accumulating runs lose their tails while the risk
is bounded. `profile` answers all eight side by side, then tells early from late collapse (Shumailov et al., Nature 2024,
Definition 2.1) and dates both. There is no overall verdict, on purpose.

How the questions are decided, everywhere:

* Everything is a difference between generations of one arm. One seed: its error comes from the readings' own intervals,
  taken as independent between generations, which is cautious, since generations share held-out data and inherit each
  other's error; it speaks of this run's models, not of another training. Several seeds: the difference is taken within
  each seed and Student's t-interval over the seeds is used.
* `when` is the first generation from which the finding holds in every generation to the last. Testing from the last
  generation backwards and stopping at the first failure keeps the chance of a false "yes" at 5 % a definition, however
  many generations there are (a fixed-sequence test). A change that has gone by the last generation is no "yes".
* "no" needs evidence too: an interval that leaves out every change worth naming (`Thresholds.margin`). Between the two
  it is "cannot_tell".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from outcross.errors import BadInput
from outcross.estimate import NotApplicable

if TYPE_CHECKING:
    import polars as pl

Verdict = Literal["yes", "no", "cannot_tell", "not_applicable"]

DEFINITIONS: dict[str, str] = {
    "catastrophic increase of population risk": "The population risk becomes many times that of generation 0.",
    "any increase of population risk": "The population risk rises at all.",
    "asymptotically diverging population risk": "The population risk goes on rising without end.",
    "collapsing variance": "What models write varies less and less.",
    "change in scaling law": "The risk falls differently with the number of rows.",
    "disappearance or entanglement of real modes": "Modes of the human data disappear.",
    "disappearance of real tail data": "Rare human data disappear.",
    "appearance of hallucinated data": "Data appear that are unlike any human data.",
}
"""The eight definitions of arXiv 2503.03150 in its order, each in one sentence."""

VARIANCE, TAILS = "collapsing variance", "disappearance of real tail data"
Z = 1.959964


@dataclass(frozen=True)
class Answer:
    """What a run says to one definition, with the statistic that says it.

    `value` with its 95 % interval is the statistic that `note` names; None where there is none, or where an end is
    unbounded. `when` is the first generation from which the finding holds to the end of the run, None unless "yes".
    """

    definition: str
    answer: Verdict
    value: float | None
    low: float | None
    high: float | None
    when: int | None
    note: str


@dataclass(frozen=True)
class Thresholds:
    """Where the definitions leave a number open. Each is stated in the note of the answers that it decides."""

    catastrophe: float = 2.0
    """Risk ratio to generation 0 that counts as catastrophic if the rise is not nearly flat too. A loss counts as its perplexity, so 2 is one bit a token
    more. An unbiased estimator that accumulates never passes pi^2/6 = 1.64 (Dey and Donoho 2410.22812)."""
    margin: float = 0.05
    """Smallest change worth naming: a fraction of generation 0 or of the floor; in nats or true variances for what the
    last doubling of the fits brought; a difference of exponents."""
    excess_share: float = 0.01
    """Smallest share of unlikely blocks beyond the floor worth naming, in [0, 1]."""
    flat: float = 0.25
    """Rise of the risk, in nats a token or true variances, below which it counts as nearly flat (early collapse)."""
    far_loss: float = math.log(10)
    """Rise of the loss, in nats a token, from which little resemblance is left (late collapse): 10 × the perplexity."""
    far_distance: float = 1.0
    """The same for squared distances: as far off as the true law is wide, in true variances."""
    remains: float = 0.1
    """Share of generation 0's variance or diversity at which little resemblance is left (late collapse)."""
    enough: int = 4
    """Generations that the last third of a run must hold before its slope is read as the way it goes on."""


@dataclass(frozen=True)
class Profile:
    """An arm's answers to the eight definitions, and whether and when it collapsed early and late.

    `seed` is None where the answers are over all seeds.
    """

    arm: str
    seed: int | None
    answers: tuple[Answer, ...]
    early: Answer
    late: Answer

    def __getitem__(self, definition: str) -> Answer:
        """The answer to a definition by its name, or to `early collapse` or `late collapse`."""
        for answer in (*self.answers, self.early, self.late):
            if answer.definition == definition:
                return answer
        raise KeyError(f"{definition!r} is no definition; known: {', '.join(DEFINITIONS)}, early collapse, late collapse")

    def frame(self) -> pl.DataFrame:
        """One row an answer: arm, seed, definition, answer, value, low, high, when, note; early and late come last."""
        import polars as pl

        rows = [{"arm": self.arm, "seed": self.seed} | asdict(answer) for answer in (*self.answers, self.early, self.late)]
        numbers = dict.fromkeys(("value", "low", "high"), pl.Float64)
        words = dict.fromkeys(("arm", "definition", "answer", "note"), pl.String)
        return pl.DataFrame(rows, schema_overrides=numbers | words | {"seed": pl.Int64, "when": pl.Int64})


def profile(readings: pl.DataFrame, *, arm: str, seed: int | None = None, thresholds: Thresholds | None = None) -> Profile:
    """Answer the eight definitions of collapse for one arm of one run, and date early and late collapse.

    `readings` is a run's readings.parquet (columns run, arm, seed, generation, metric, aspect, value, low, high, method,
    n, note); other arms are only read where a scaling law wants them. All seeds are taken together unless `seed` says
    which one.
    BadInput where the arm or seed is not there, or the arm is found in several runs.

    The risk is `held_out_loss` (or the log of `held_out_perplexity`) where there is one, in nats a token; a ratio of
    risks is then a ratio of perplexities, which the entropy of the text does not dilute. For numeric runs it is the
    *excess* risk `w2` or else `mean_error`, in true variances (a squared distance where the true variance is 1): the
    ratio is to the error of one fit, so for large n it may be large while the error is small. Notes give both numbers.

    >>> import polars as pl
    >>> columns = "run arm seed generation metric aspect value low high method n note".split()
    >>> losses = enumerate([4.1, 5.1, 6.0])
    >>> rows = [("r", "replace", 0, g, "held_out_loss", "", x, x - 0.02, x + 0.02, "bootstrap", 99, "") for g, x in losses]
    >>> found = profile(pl.DataFrame(rows, schema=columns, orient="row"), arm="replace")
    >>> found["catastrophic increase of population risk"].when, found["disappearance of real tail data"].answer
    (1, 'not_applicable')
    """
    chosen = Readings(_of_arm(readings, arm, seed))
    limits = thresholds or Thresholds()
    questions: dict[str, Callable[[], Answer]] = {
        "catastrophic increase of population risk": lambda: _catastrophe(_risk(chosen), limits),
        "any increase of population risk": lambda: _increase(_risk(chosen), limits),
        "asymptotically diverging population risk": lambda: _divergence(_risk(chosen), limits),
        VARIANCE: lambda: _narrowing(_spread(chosen), limits),
        "change in scaling law": lambda: _scaling(_sizes(readings, chosen, arm, seed), limits),
        "disappearance or entanglement of real modes": lambda: _lost_modes(chosen, limits),
        TAILS: lambda: _lost_tails(chosen, limits),
        "appearance of hallucinated data": lambda: _hallucination(chosen, limits),
    }
    answers = tuple(_asked(name, question) for name, question in questions.items())
    return Profile(
        arm=arm,
        seed=seed,
        answers=answers,
        early=_asked("early collapse", lambda: _early(chosen, answers, limits)),
        late=_asked("late collapse", lambda: _late(chosen, limits)),
    )


def _asked(definition: str, question: Callable[[], Answer]) -> Answer:
    """The answer under its definition's name; a question that does not apply is answered with the reason."""
    try:
        return replace(question(), definition=definition)
    except NotApplicable as reason:
        return Answer(definition, "not_applicable", None, None, None, None, str(reason))


def _of_arm(readings: pl.DataFrame, arm: str, seed: int | None) -> pl.DataFrame:
    import polars as pl

    found = readings.filter(pl.col("arm") == arm)
    if found.is_empty():
        raise BadInput(f"no arm {arm!r} in the readings; there are: {', '.join(map(str, _distinct(readings, 'arm')))}")
    if (runs := found["run"].n_unique()) > 1:
        raise BadInput(f"arm {arm!r} is in {runs} runs; filter the readings to one run")
    if seed is None:
        return found
    if seed not in (seeds := _distinct(found, "seed")):
        raise BadInput(f"arm {arm!r} has no seed {seed}; there are: {', '.join(map(str, seeds))}")
    return found.filter(pl.col("seed") == seed)


def _distinct(frame: pl.DataFrame, column: str) -> list:
    return frame[column].unique().sort().to_list()


class Interval(NamedTuple):
    """A number and its 95 % interval; the ends are infinite where nothing says how far to trust it."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        if not math.isfinite(self.low):
            return f"{self.value:.3g}"
        return f"{self.value:.3g} [{self.low:.3g}, {self.high:.3g}]"


@dataclass(frozen=True)
class Course:
    """A reading over generations, a row a seed. Whatever is asked of it is a weighted sum over its generations."""

    generations: np.ndarray  # (generations,), the first is 0
    values: np.ndarray  # (seeds, generations)
    errors: np.ndarray  # (seeds, generations) standard errors; NaN where a reading has no interval

    def sum(self, weights: np.ndarray) -> Interval:
        """The weighted sum over generations: within each seed, then over seeds."""
        seeds = len(self.values)
        sums = self.values @ weights
        if seeds > 1:
            error = sums.std(ddof=1) / math.sqrt(seeds)
            half = _quantile(seeds - 1) * error
        else:
            used = weights != 0
            half = Z * math.sqrt(float(weights[used] ** 2 @ self.errors[0, used] ** 2))
        return _interval(float(sums.mean()), half)

    def at(self, place: int) -> Interval:
        """The reading of the generation at this place."""
        return self.sum(_unit(self.generations.size, place))

    def changes(self) -> list[Interval]:
        """How far each generation is from generation 0, for every generation after it."""
        size = self.generations.size
        return [self.sum(_unit(size, place) - _unit(size, 0)) for place in range(1, size)]

    def slope(self, first: int = 0) -> Interval:
        """The mean step a generation from the place `first` to the last.

        Generations inherit each other's error, so the steps are averaged and no line is fitted to the levels. One seed:
        the wider of the readings' own error and that of the steps' scatter, which training noise adds to.
        """
        size = self.generations.size
        span = self.generations[-1] - self.generations[first]
        slope = self.sum((_unit(size, size - 1) - _unit(size, first)) / span)
        return self._widened(slope, first, math.sqrt(1 / span))

    def bend(self) -> Interval | None:
        """The change over the last doubling of the fits less the change over the doubling before; None under four fits.

        R(T) - 2 R(T/2) + R(T/4), T = g + 1, read between generations along straight lines. By Cauchy's condensation,
        steps that shrink as a power of 1/T add up to a limit exactly where doublings bring less and less: negative for a
        rise that levels off, 0 for a logarithm, positive for a line.
        """
        fits = self.generations + 1.0
        if fits[-1] < 4 * fits[0]:
            return None
        last, half, quarter = (_between(fits, fits[-1] * share) for share in (1, 0.5, 0.25))
        bend = self.sum(last - 2 * half + quarter)
        return self._widened(bend, fits.size - math.ceil(fits.size / 3), math.sqrt(0.75 * fits[-1]))

    def last_doubling(self) -> Interval:
        """The change from half the fits to all of them, T = g + 1."""
        fits = self.generations + 1.0
        return self.sum(_between(fits, fits[-1]) - _between(fits, fits[-1] / 2))

    def _widened(self, number: Interval, first: int, scale: float) -> Interval:
        """Where there is one seed: an interval no narrower than `scale` times the scatter of the steps since `first`."""
        steps = np.diff(self.values[0, first:]) / np.diff(self.generations[first:])
        if len(self.values) > 1 or steps.size < 2:
            return number
        scatter = _quantile(steps.size - 1) * steps.std(ddof=1) * scale
        own = number.high - number.value
        return _interval(number.value, max(own, scatter) if math.isfinite(own) else scatter)

    def logged(self) -> Course:
        """The natural logarithm; NotApplicable where a value is not above 0."""
        if self.values.min() <= 0:
            raise NotApplicable(f"a value of {self.values.min():g} has no logarithm")
        return replace(self, values=np.log(self.values), errors=self.errors / self.values)

    def over(self, other: Course) -> Course:
        """The ratio to another course of the same generations, errors to first order."""
        ratio = self.values / other.values
        return replace(self, values=ratio, errors=np.hypot(self.errors, ratio * other.errors) / other.values)

    def minus(self, other: Course) -> Course:
        return replace(self, values=self.values - other.values, errors=np.hypot(self.errors, other.errors))

    def until(self, place: int) -> Course:
        return Course(self.generations[:place], self.values[:, :place], self.errors[:, :place])


def _interval(value: float, half: float) -> Interval:
    return Interval(value, value - half, value + half) if math.isfinite(half) else Interval(value, -math.inf, math.inf)


def _quantile(freedom: int) -> float:
    """Student's 97.5 % point."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.975))


def _unit(size: int, place: int) -> np.ndarray:
    weights = np.zeros(size)
    weights[place] = 1.0
    return weights


def _between(fits: np.ndarray, position: float) -> np.ndarray:
    """The weights that read a course at `position` along straight lines."""
    return np.array([np.interp(position, fits, _unit(fits.size, place)) for place in range(fits.size)])


@dataclass(frozen=True)
class Readings:
    """The readings of one arm, as courses."""

    rows: pl.DataFrame

    def course(self, metric: str, aspect: str = "") -> Course:
        """One aspect of a metric over the generations that every seed has; NotApplicable with the reason if none."""
        found = self._of(metric, aspect)
        values = found.drop_nulls("value")
        if values.is_empty():
            notes = [note for note in found["note"].to_list() if note]
            raise NotApplicable(f"{metric}: {notes[0]}" if notes else f"no reading of {_named(metric, aspect)}")
        seeds = _distinct(values, "seed")
        generations = [generation for (generation,), rows in values.group_by("generation") if rows["seed"].n_unique() == len(seeds)]
        if 0 not in generations:
            raise NotApplicable(f"{_named(metric, aspect)} was not read at generation 0, so nothing compares with it")
        return _course(values, sorted(generations), seeds, _named(metric, aspect))

    def aspects(self, metric: str) -> list[str]:
        """The aspects read, floors aside."""
        rows = self.rows.filter(self.rows["metric"] == metric)
        named = rows["aspect"].fill_null("").unique(maintain_order=True).to_list()
        return [aspect for aspect in named if not aspect.startswith("floor")]

    def floor(self, metric: str, aspect: str, like: Course) -> Course | None:
        """What real data of the same size show, at the generations of `like`; one reading stands for all."""
        try:
            floor = self.course(metric, f"floor {aspect}".strip())
        except NotApplicable:
            return None
        places = np.searchsorted(floor.generations, like.generations)
        inside = places < floor.generations.size
        places = np.where(inside & np.isin(like.generations, floor.generations), places, 0)
        seeds = len(like.values)
        values, errors = floor.values[:, places], floor.errors[:, places]
        if len(values) != seeds:  # human data alone: one floor may serve every seed
            values, errors = np.repeat(values[:1], seeds, axis=0), np.repeat(errors[:1], seeds, axis=0)
        return Course(like.generations, values, errors)

    def _of(self, metric: str, aspect: str) -> pl.DataFrame:
        import polars as pl

        return self.rows.filter((pl.col("metric") == metric) & (pl.col("aspect").fill_null("") == aspect))


def _named(metric: str, aspect: str) -> str:
    return f"{metric} ({aspect})" if aspect else metric


def _course(values: pl.DataFrame, generations: list[int], seeds: list, name: str) -> Course:
    import polars as pl

    rows = values.filter(pl.col("generation").is_in(generations)).sort("seed", "generation")
    if rows.height != len(seeds) * len(generations):
        raise BadInput(f"{name} is read more than once in a generation of a seed; filter the readings to one run")
    shape = (len(seeds), len(generations))
    low, high, middle = (rows[column].cast(pl.Float64).to_numpy().reshape(shape) for column in ("low", "high", "value"))
    return Course(np.array(generations), middle, (high - low) / (2 * Z))


@dataclass(frozen=True)
class Risk:
    """The population risk over generations, and what makes two of them comparable."""

    metric: str
    course: Course
    unit: str
    is_loss: bool

    @property
    def logs(self) -> Course:
        """A course whose differences are logs of risk ratios: a loss is one already (its perplexity's log)."""
        return self.course if self.is_loss else self.course.logged()

    def span(self) -> str:
        first, last = self.course.at(0).value, self.course.at(-1).value
        return f"{self.metric} {first:.4g} → {last:.4g} {self.unit}"


def _risk(readings: Readings) -> Risk:
    nats, distances = "nats a token", "true variances"
    makers: Sequence[Callable[[], Risk]] = (
        lambda: Risk("held_out_loss", readings.course("held_out_loss"), nats, is_loss=True),
        lambda: Risk("log held_out_perplexity", readings.course("held_out_perplexity").logged(), nats, is_loss=True),
        lambda: Risk("w2", readings.course("w2"), distances, is_loss=False),
        lambda: Risk("mean_error", readings.course("mean_error"), distances, is_loss=False),
    )
    return _first(makers, "no reading of a population risk: held_out_loss, held_out_perplexity, w2 or mean_error")


@dataclass(frozen=True)
class Spread:
    """The log of how much records vary, over generations; `gone` is the first generation where nothing varies."""

    name: str
    course: Course
    gone: int | None = None
    caveat: str = ""


def _spread(readings: Readings) -> Spread:
    def of_states() -> Spread:
        concentration = readings.course("concentration")
        left = replace(concentration, values=1 - concentration.values)
        return _logged_spread("log (1 - concentration), the variance of a state", left)

    def of_trace() -> Spread:
        caveat = "a mean over chains that rare chains carry, so that it is level says nothing: read log_variance"
        return _logged_spread("log spread_ratio", readings.course("spread_ratio"), caveat)

    def of_text() -> Spread:
        caveat = "text has no variance: the share of distinct word pairs stands in for it"
        return _logged_spread("log distinct_2", readings.course("distinct_2"), caveat)

    makers = (lambda: Spread("log_variance", readings.course("log_variance")), of_states, of_trace, of_text)
    return _first(makers, "no reading of a variance: log_variance, concentration, spread_ratio, or distinct_2 in its place")


def _logged_spread(name: str, course: Course, caveat: str = "") -> Spread:
    """The log up to the generation at which nothing is left in some seed."""
    dead = np.flatnonzero((course.values <= 0).any(axis=0))
    if dead.size == 0:
        return Spread(name, course.logged(), None, caveat)
    if dead[0] == 0:
        raise NotApplicable(f"{name}: nothing varied at generation 0")
    return Spread(name, course.until(dead[0]).logged(), int(course.generations[dead[0]]), caveat)


def _first(makers: Sequence[Callable], otherwise: str):
    """The first that applies; else `otherwise` with the reasons that readings gave."""
    reasons = []
    for make in makers:
        try:
            return make()
        except NotApplicable as reason:
            reasons.append(str(reason))
    given = [reason for reason in reasons if not reason.startswith("no reading of")]
    raise NotApplicable("; ".join([otherwise, *given]))


def _since(generations: np.ndarray, holds: Sequence[bool]) -> int | None:
    """The first generation from which something holds in every generation to the last."""
    first = len(holds)
    while first > 0 and holds[first - 1]:
        first -= 1
    return int(generations[first]) if first < len(holds) else None


def _answer(verdict: Verdict, number: Interval | None, when: int | None, note: str) -> Answer:
    """An answer whose definition is still to be named; ends that are not finite are left out."""
    value, low, high = (end if end is not None and math.isfinite(end) else None for end in number or (None, None, None))
    return Answer("", verdict, value, low, high, when if verdict == "yes" else None, note)


def _compared(risk: Risk) -> list[Interval]:
    """Risk ratios to generation 0 for every later generation."""
    if risk.course.generations.size < 2:
        raise NotApplicable(f"{risk.metric} has one generation, so nothing has changed yet")
    return [_exponential(change) for change in risk.logs.changes()]


def _exponential(number: Interval) -> Interval:
    """The ratio of which `number` is the log; ends that say nothing still say nothing."""
    with np.errstate(over="ignore"):
        value, low, high = np.exp(number).tolist()
    return Interval(value, low if math.isfinite(number.low) else -math.inf, high)


def _catastrophe(risk: Risk, limits: Thresholds) -> Answer:
    """(1) The largest risk ratio to generation 0, against a threshold.

    The rise must also be more than nearly flat: an excess risk of 0.001 that has become 0.003 is no catastrophe.
    """
    ratios, rises = _compared(risk), risk.course.changes()
    later = risk.course.generations[1:]
    peak = int(np.argmax([ratio.value for ratio in ratios]))
    pairs = list(zip(ratios, rises, strict=True))
    when = _since(later, [ratio.low > limits.catastrophe and rise.low > limits.flat for ratio, rise in pairs])
    is_safe = all(ratio.high < limits.catastrophe or rise.high < limits.flat for ratio, rise in pairs)
    note = (
        f"Largest risk ratio to generation 0 {ratios[peak]} at generation {later[peak]}, threshold {limits.catastrophe:g} "
        f"with a rise of {limits.flat:g} {risk.unit}; {_kind_of_ratio(risk)}; {risk.span()}."
    )
    return _answer("yes" if when is not None else "no" if is_safe else "cannot_tell", ratios[peak], when, note)


def _kind_of_ratio(risk: Risk) -> str:
    return "a ratio of perplexities" if risk.is_loss else "a ratio of excess risks"


def _increase(risk: Risk, limits: Thresholds) -> Answer:
    """(2) Any rise of the risk that its interval tells from none."""
    ratios, rises = _compared(risk), risk.course.changes()
    when = _since(risk.course.generations[1:], [ratio.low > 1 for ratio in ratios])
    small = 1 + limits.margin
    is_level = all(ratio.high < small or rise.high < limits.margin for ratio, rise in zip(ratios, rises, strict=True))
    note = (
        f"Risk ratio of the last generation to generation 0 {ratios[-1]}: yes if surely above 1, no if every generation is "
        f"surely below {small:g} or {limits.margin:g} {risk.unit} more; {_kind_of_ratio(risk)}; {risk.span()}."
    )
    if when is None and any(ratio.low > 1 for ratio in ratios):
        return _answer("cannot_tell", ratios[-1], None, f"{note} It was higher in between and came back.")
    return _answer("yes" if when is not None else "no" if is_level else "cannot_tell", ratios[-1], when, note)


def _divergence(risk: Risk, limits: Thresholds) -> Answer:
    """(3) Whether the risk still rises in the last third, and as if it would not stop.

    No finite run shows a limit. "yes" says that it rises at the end and that doublings of the fits bring ever more, "no"
    that it is level or that doublings bring ever less; both hold if it goes on as it went. A risk that has reached its
    worst levels off too: read the ratio beside it.
    """
    course = risk.course
    size = course.generations.size
    if size < 2:
        raise NotApplicable(f"{risk.metric} has one generation, so it has no slope")
    held = math.ceil(size / 3)
    slope = course.slope(size - max(held, 2))
    rate = f"Slope over the last third {slope} {risk.unit} a generation"
    if held < limits.enough:
        note = f"{rate}, but that is {held} generations and {limits.enough} are needed to say how it goes on."
        return _answer("cannot_tell", slope, None, note)
    start = int(course.generations[size - held])
    if slope.low > 0:
        bend = course.bend()
        verdict, why = _bent(bend)
        return _answer(verdict, slope, start, f"{rate}: still rising; {why}.")
    rise = course.last_doubling()
    if slope.high <= 0 or rise.high < limits.margin:
        note = f"{rate}: level; the last doubling of the fits brought {rise} {risk.unit}, small below {limits.margin:g}."
        return _answer("no", slope, None, note)
    return _answer("cannot_tell", slope, None, f"{rate}: neither a rise nor its absence is sure.")


def _bent(bend: Interval | None) -> tuple[Verdict, str]:
    """What doublings say of a change that is under way."""
    if bend is None:
        return "cannot_tell", "too few generations to compare doublings of the fits"
    if bend.low > 0:
        return (
            "yes",
            f"the last doubling of the fits brought more than the one before by {bend}, so it does not level off",
        )
    if bend.high < 0:
        return "no", f"the last doubling of the fits brought less than the one before by {bend}, so it levels off"
    return "cannot_tell", f"the last doubling of the fits against the one before: {bend}, so it may level off or not"


def _narrowing(spread: Spread, limits: Thresholds) -> Answer:
    """(4) Whether the log variance falls, and as if it would not stop, or little is left already."""
    course, caveat = spread.course, f" ({spread.caveat})" if spread.caveat else ""
    if course.generations.size < 2:
        if spread.gone is not None:
            return _answer("yes", None, spread.gone, f"Nothing varies from generation {spread.gone} on; {spread.name}{caveat}.")
        raise NotApplicable(f"{spread.name} has one generation, so it has no slope")
    slope, changes = course.slope(), course.changes()
    when = _since(course.generations[1:], [change.high < 0 for change in changes])
    rate = f"Slope of {spread.name}{caveat} {slope} a generation"
    if spread.gone is not None:
        return _answer(
            "yes",
            slope,
            spread.gone if when is None else when,
            f"{rate}; nothing varies from generation {spread.gone} on.",
        )
    if changes[-1].high < math.log(limits.remains):
        left = f"less than {limits.remains:g} of generation 0's is left"
        return _answer("yes", slope, when, f"{rate}: {left}.")
    is_kept = changes[-1].low > math.log(1 - limits.margin)
    if slope.high < 0 and when is not None:
        verdict, why = _bent(replace(course, values=-course.values).bend())
        if verdict != "cannot_tell" or not is_kept:
            return _answer(verdict, slope, when, f"{rate}: falling; {why}.")
    if is_kept:
        verdict = "cannot_tell" if spread.name == "log spread_ratio" else "no"
        kept = f"the last generation surely keeps {1 - limits.margin:g} of generation 0's"
        return _answer(verdict, slope, None, f"{rate}: {kept}.")
    return _answer("cannot_tell", slope, None, f"{rate}: neither a fall nor its absence is sure.")


def _sizes(readings: pl.DataFrame, chosen: Readings, arm: str, seed: int | None) -> dict[int, Risk]:
    """The risk of the arms that differ from this one in `rows=` alone (in the arm's name or the run's), by rows."""
    import polars as pl

    run = chosen.rows["run"][0]
    family = _without_rows(run), _without_rows(arm)
    found: dict[int, Risk] = {}
    for other_run, other_arm in readings.select("run", "arm").unique(maintain_order=True).iter_rows():
        rows = _rows_in(other_arm) or _rows_in(other_run)
        if rows is None or (_without_rows(other_run), _without_rows(other_arm)) != family:
            continue
        part = readings.filter((pl.col("run") == other_run) & (pl.col("arm") == other_arm))
        found[rows] = _risk(Readings(part if seed is None else part.filter(pl.col("seed") == seed)))
    if len(found) < 2:
        raise NotApplicable("a scaling law needs a sweep over rows; these readings hold one size")
    if len({risk.metric for risk in found.values()}) > 1:
        raise NotApplicable("the sizes were read by different risks")
    return dict(sorted(found.items()))


def _rows_in(name: str) -> int | None:
    import re

    match = re.search(r"\brows=([\d_]+)", name or "")
    return int(match.group(1)) if match else None


def _without_rows(name: str) -> str:
    import re

    return re.sub(r"[\s,;_-]*\brows=[\d_]+", "", name or "").strip(" ,;_-")


def _scaling(risks: dict[int, Risk], limits: Thresholds) -> Answer:
    """(5) How the exponent of risk against rows has changed since generation 0, by least squares of logs on logs."""
    generations = sorted(set.intersection(*(set(risk.course.generations.tolist()) for risk in risks.values())))
    if len(generations) < 2:
        raise NotApplicable("the sizes have no generation in common beside generation 0")
    logs = np.log(list(risks))
    slope_weights = (logs - logs.mean()) / np.sum((logs - logs.mean()) ** 2)  # (sizes,)

    def at(risk: Risk, generation: int) -> np.ndarray:
        return _unit(risk.course.generations.size, risk.course.generations.tolist().index(generation))

    def summed(select: Callable[[Risk], np.ndarray]) -> Interval:
        parts = [risk.course.logged().sum(select(risk)) for risk in risks.values()]
        halves = np.array([part.high - part.value for part in parts])
        return _interval(float(slope_weights @ [part.value for part in parts]), float(np.sqrt(slope_weights**2 @ halves**2)))

    changes = [summed(lambda risk, later=later: at(risk, later) - at(risk, 0)) for later in generations[1:]]
    first, last = summed(lambda risk: at(risk, 0)), summed(lambda risk: at(risk, generations[-1]))
    when = _since(np.array(generations[1:]), [change.low > 0 or change.high < 0 for change in changes])
    is_same = all(max(-change.low, change.high) < limits.margin for change in changes)
    risk = next(iter(risks.values()))
    caveat = "; of the whole loss, whose floor flattens it" if risk.is_loss else ""
    note = (
        f"Exponent of {risk.metric} across rows {', '.join(map(str, risks))}: {first.value:.3g} at generation 0, "
        f"{last.value:.3g} at generation {generations[-1]}; it changed by {changes[-1]}: yes if surely not 0, "
        f"no if surely within {limits.margin:g}{caveat}."
    )
    return _answer("yes" if when is not None else "no" if is_same else "cannot_tell", changes[-1], when, note)


def _kept(readings: Readings, metric: str, aspect: str = "", is_count: bool = False) -> tuple[Course, str]:
    """A reading as a share of its floor, or of generation 0 where none was read, and what it is a share of."""
    course = readings.course(metric, aspect)
    if is_count:  # what a run still holds is counted, not estimated
        course = replace(course, errors=np.nan_to_num(course.errors))
    floor = readings.floor(metric, aspect, course)
    if floor is not None and floor.values.min() > 0:
        return course.over(replace(floor, errors=np.nan_to_num(floor.errors))), "its floor in human data"
    if course.values[:, 0].min() <= 0:
        raise NotApplicable(f"{_named(metric, aspect)} was 0 at generation 0 and has no floor")
    start = replace(course, values=np.repeat(course.values[:, :1], course.generations.size, axis=1), errors=0 * course.errors)
    return course.over(start), "generation 0, so what the first fit lost is not counted"


def _lost_modes(readings: Readings, limits: Thresholds) -> Answer:
    """(6) The share of groups or states still there."""
    makers = [lambda name=name: (name, *_kept(readings, name, is_count=True)) for name in ("groups", "support")]
    name, kept, of = _first(makers, "no reading of groups or support")
    generations, parts = _against_one(kept, of)
    when = _since(generations, [part.high < 1 for part in parts])
    is_whole = all(part.low > 1 - limits.margin for part in parts)
    note = (
        f"{name} of the last generation is {parts[-1]} of {of}: yes if surely below 1, "
        f"no if every generation is surely above {1 - limits.margin:g}."
    )
    return _answer("yes" if when is not None else "no" if is_whole else "cannot_tell", parts[-1], when, note)


def _against_one(kept: Course, of: str) -> tuple[np.ndarray, list[Interval]]:
    """Shares to compare with 1: of a floor at every generation, of generation 0 at the later ones."""
    if of.startswith("its floor"):
        return kept.generations, [kept.at(place) for place in range(kept.generations.size)]
    if kept.generations.size < 2:
        raise NotApplicable("one generation and no floor, so nothing to compare with")
    return kept.generations[1:], [Interval(*(1 + end for end in change)) for change in kept.changes()]


def _tails(readings: Readings) -> tuple[Course, str, str]:
    """Mean share of the tails kept over the frequency bands read, what it is a share of, and each band's last share."""
    bands = readings.aspects("tail_survival")
    parts = [(band, *_kept(readings, "tail_survival", band)) for band in bands if _has(readings, band)]
    if not parts:
        readings.course("tail_survival")  # raises with the reason that the readings give
        raise NotApplicable("no reading of tail_survival")
    of = parts[0][2] if all(part[2] == parts[0][2] for part in parts) else "its floor or generation 0"
    shared = set.intersection(*(set(part[1].generations.tolist()) for part in parts))
    courses = [_at_generations(part[1], sorted(shared)) for part in parts]
    mean = Course(
        courses[0].generations,
        np.mean([course.values for course in courses], axis=0),
        np.mean([course.errors for course in courses], axis=0),  # bands share their text: errors as if fully correlated
    )
    return (
        mean,
        of,
        ", ".join(f"{part[0] or 'all'}: {course.at(-1).value:.2f}" for part, course in zip(parts, courses, strict=True)),
    )


def _has(readings: Readings, band: str) -> bool:
    try:
        _kept(readings, "tail_survival", band)
    except NotApplicable:
        return False
    return True


def _at_generations(course: Course, generations: list[int]) -> Course:
    places = np.searchsorted(course.generations, generations)
    return Course(course.generations[places], course.values[:, places], course.errors[:, places])


def _lost_tails(readings: Readings, limits: Thresholds) -> Answer:
    """(7) The share of the rare words of the human text that are still written."""
    kept, of, bands = _tails(readings)
    generations, parts = _against_one(kept, of)
    when = _since(generations, [part.high < 1 for part in parts])
    is_kept = all(part.low > 1 - limits.margin for part in parts)
    note = (
        f"tail_survival of the last generation is {parts[-1]} of {of}, mean of the bands ({bands}): "
        f"no if every generation is surely above {1 - limits.margin:g}, else yes if surely below 1."
    )
    return _answer("no" if is_kept else "yes" if when is not None else "cannot_tell", parts[-1], when, note)


def _hallucination(readings: Readings, limits: Thresholds) -> Answer:
    """(8) The share of generated blocks less likely than almost any human block, beyond what human blocks show."""
    aspect = "above human 99.9 %"
    course = readings.course("generated_perplexity", aspect)
    floor = readings.floor("generated_perplexity", aspect, course)
    of = "the floor in human data"
    if floor is None or floor.values.max() == 0:  # none seen in a finite floor: its share is known all the same
        floor, of = (
            Course(course.generations, np.full_like(course.values, 0.001), np.zeros_like(course.values)),
            "0.001 by definition",
        )
    excess = course.minus(replace(floor, errors=np.nan_to_num(floor.errors)))
    parts = [excess.at(place) for place in range(excess.generations.size)]
    when = _since(excess.generations, [part.low > 0 for part in parts])
    is_human = all(part.high < limits.excess_share for part in parts)
    note = (
        f"Share of generated blocks above the human 99.9th percentile of perplexity under generation 0 is "
        f"{course.at(-1).value:.3g}, {parts[-1]} beyond {of} ({floor.at(-1).value:.3g}): "
        f"no if every generation is surely below {limits.excess_share:g}, else yes if surely above 0."
    )
    return _answer("no" if is_human else "yes" if when is not None else "cannot_tell", parts[-1], when, note)


def _early(readings: Readings, answers: tuple[Answer, ...], limits: Thresholds) -> Answer:
    """Tails or spread going while the risk is nearly flat (Shumailov et al., Definition 2.1).

    Only what its own definition answers "yes" counts, and only what has gone since generation 0: what the first fit or
    the decoding lost is no collapse over generations.
    """
    said = {answer.definition: answer.answer for answer in answers}
    signs = {VARIANCE: lambda: _spread(readings).course, TAILS: lambda: _tails(readings)[0]}
    asked = [name for name in signs if said[name] != "not_applicable"]
    if not asked:
        raise NotApplicable("no reading of tails or spread")
    going = {name: _since_start(signs[name]()) for name in asked if said[name] == "yes"}
    starts = {name: start for name, start in going.items() if start is not None}
    if not starts:
        unsure = [name for name in asked if said[name] == "cannot_tell"]
        if unsure:
            return _answer("cannot_tell", None, None, f"Not sure whether these go: {', '.join(unsure)}.")
        return _answer("no", None, None, "Neither tails nor spread were seen to go after generation 0.")
    try:
        risk = _risk(readings)
    except NotApplicable as reason:
        return _answer("cannot_tell", None, None, f"{', '.join(starts)}, but whether the risk was flat is unknown: {reason}.")
    return _dated(risk, starts, limits)


def _dated(risk: Risk, starts: dict[str, int], limits: Thresholds) -> Answer:
    """Early collapse, given when tails and spread begin to go: the first such generation with a nearly flat risk."""
    later = risk.course.generations[1:].tolist()
    rises = dict(zip(later, risk.course.changes(), strict=True))
    begun = [generation for generation in later if generation >= min(starts.values())]
    what = ", ".join(f"{name} from generation {start}" for name, start in starts.items())
    limit = f"nearly flat below {limits.flat:g} {risk.unit}"
    for generation in begun:
        if rises[generation].high < limits.flat:
            note = f"{what}, when {risk.metric} had risen by {rises[generation]}, {limit}."
            return _answer("yes", rises[generation], generation, note)
    if not begun:
        return _answer("cannot_tell", None, None, f"{what}, where {risk.metric} was not read.")
    rise = rises[begun[0]]
    verdict: Verdict = "no" if all(rises[generation].low >= limits.flat for generation in begun) else "cannot_tell"
    return _answer(verdict, rise, None, f"{what}, but {risk.metric} had risen by {rise} at generation {begun[0]}, {limit}.")


def _since_start(course: Course) -> int | None:
    return _since(course.generations[1:], [change.high < 0 for change in course.changes()])


def _late(readings: Readings, limits: Thresholds) -> Answer:
    """Little resemblance left: the risk has risen far, or hardly any spread remains (Shumailov et al., Def. 2.1)."""
    signs = [sign for sign in (_far(readings, limits), _narrow(readings, limits)) if sign is not None]
    if not signs:
        raise NotApplicable("no reading of a risk or a spread over two generations")
    found = [sign for sign in signs if sign.answer == "yes"]
    note = " ".join(sign.note for sign in signs)
    if found:
        earliest = min(found, key=lambda sign: sign.when if sign.when is not None else math.inf)
        return replace(earliest, note=note)
    return replace(signs[0], answer="no" if all(sign.answer == "no" for sign in signs) else "cannot_tell", note=note)


def _far(readings: Readings, limits: Thresholds) -> Answer | None:
    try:
        risk = _risk(readings)
    except NotApplicable:
        return None
    far = limits.far_loss if risk.is_loss else limits.far_distance
    rises = risk.course.changes()
    if not rises:
        return None
    when = _since(risk.course.generations[1:], [rise.low >= far for rise in rises])
    verdict: Verdict = "yes" if when is not None else "no" if all(rise.high < far for rise in rises) else "cannot_tell"
    return _answer(verdict, rises[-1], when, f"{risk.metric} has risen by {rises[-1]} {risk.unit}, which is far at {far:.3g}.")


def _narrow(readings: Readings, limits: Thresholds) -> Answer | None:
    try:
        spread = _spread(readings)
    except NotApplicable:
        return None
    changes = [_exponential(change) for change in spread.course.changes()]
    when = _since(spread.course.generations[1:], [change.high <= limits.remains for change in changes])
    if spread.gone is not None:
        when = spread.gone if when is None else when
        return _answer("yes", changes[-1] if changes else None, when, f"Nothing varies from generation {spread.gone} on.")
    if not changes:
        return None
    is_wide = all(change.low > limits.remains for change in changes) and spread.name != "log spread_ratio"
    verdict: Verdict = "yes" if when is not None else "no" if is_wide else "cannot_tell"
    return _answer(
        verdict,
        changes[-1],
        when,
        f"{spread.name} says {changes[-1]} of generation 0's is left, little at {limits.remains:g}.",
    )


@dataclass(frozen=True)
class AbsorptionTime:
    """Mean generation at which chains have one state left, with its 95 % interval and the number of chains or seeds.

    In generations, g = 0 the human fit; add one for the papers' number of fits T. `is_lower_bound`: some chain had not
    collapsed at the last generation, so the mean time is at least `value` (and `high` bounds the truncated mean only).
    One chain has no interval.
    """

    value: float
    low: float | None
    high: float | None
    is_lower_bound: bool
    n: int
    note: str


def time_to_absorption(readings: pl.DataFrame, *, arm: str, seed: int | None = None) -> AbsorptionTime:
    """How many generations it takes on average until one state is left: the sum over g of P(not absorbed by g).

    Reads the metric `absorbed` (share of chains with one state left). Where generations were skipped, the sum is read
    along straight lines and the interval is widened to what any falling curve through the readings allows. Several
    seeds: t-interval over seeds. One seed: the spread of times that the curve itself implies, over the chains that `n`
    counts. Raises NotApplicable without such readings. Law: laws.categorical.absorption_time, less one.
    """
    chosen = Readings(_of_arm(readings, arm, seed))
    course = chosen.course("absorbed")
    alive = 1 - course.values  # (seeds, generations)
    gaps = np.diff(course.generations)
    most = alive[:, :-1] @ gaps + alive[:, -1]
    least = alive[:, 1:] @ (gaps - 1) + alive[:, :-1].sum(axis=1) + alive[:, -1]
    times = (most + least) / 2
    chains = _chains(chosen)
    if len(times) > 1:
        half, n, over = _quantile(len(times) - 1) * times.std(ddof=1) / math.sqrt(len(times)), len(times), "seeds"
    else:
        half, n, over = Z * _scatter(course, alive[0]) / math.sqrt(chains), chains, "chains"
    left = float(alive[:, -1].mean())
    last = int(course.generations[-1])
    tail = f"; at least, for {left:.3g} of the chains were not absorbed by generation {last}" if left > 0 else ""
    return AbsorptionTime(
        value=float(times.mean()),
        low=float(least.mean() - half) if n > 1 else None,
        high=float(most.mean() + half) if n > 1 else None,
        is_lower_bound=left > 0,
        n=n,
        note=f"Sum over generations of the share not absorbed, interval over {n} {over}{tail}.",
    )


def _chains(readings: Readings) -> int:
    counts = readings.rows.filter(readings.rows["metric"] == "absorbed")["n"].drop_nulls()
    return int(counts.min()) if counts.len() else 1  # type: ignore[arg-type]


def _scatter(course: Course, alive: np.ndarray) -> float:
    """Standard deviation of a chain's time to absorption, cut off at the last generation, from the curve of the alive."""
    ends = np.append(course.generations, course.generations[-1] + 1)
    chance = -np.diff(np.concatenate([[1.0], alive, [0.0]]))
    mean = chance @ ends
    return math.sqrt(max(float(chance @ (ends - mean) ** 2), 0.0))
