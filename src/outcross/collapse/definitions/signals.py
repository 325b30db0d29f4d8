"""The signals of collapse, the date of each, and the order in which they moved."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from outcross.collapse.course import Course, Readings
from outcross.collapse.definitions import Answer, Thresholds, answer, since
from outcross.collapse.definitions.risk import risk_of
from outcross.collapse.definitions.spread import spread_of
from outcross.collapse.definitions.survival import tail_of, tails_of
from outcross.estimate import NotApplicable
from outcross.measures import standing_for

NEXT_TOKENS = "next_token_entropy_change"
FIRST = "what moved first"
"""The name of the answer about the order."""


@dataclass(frozen=True)
class Followed:
    """The course of a reading that falls (or rises) when data collapse."""

    name: str
    course: Course
    falls: bool = True

    @property
    def worsening(self) -> Course:
        """The course with its sign chosen so that it falls when data collapse."""
        return self.course if self.falls else replace(self.course, values=-self.course.values)


def _tails(readings: Readings) -> Followed:
    return Followed(f"{tail_of(readings)}, share kept of what is healthy, mean of the bands", tails_of(readings))


def _variety(readings: Readings) -> Followed:
    spread = spread_of(readings)
    return Followed(spread.name, spread.course)


def next_tokens_of(readings: Readings) -> Course:
    """Return how far the distributions of the next token have narrowed since generation 0. Raises NotApplicable if that was not measured."""
    return readings.course(NEXT_TOKENS)


def _next_tokens(readings: Readings) -> Followed:
    return Followed(NEXT_TOKENS, next_tokens_of(readings))


def _groups(readings: Readings) -> Followed:
    name = standing_for("groups")[0]
    return Followed(name, readings.course(name), falls=False)


def _risk(readings: Readings) -> Followed:
    risk = risk_of(readings)
    return Followed(risk.measure, risk.course, falls=False)


SIGNALS: Mapping[str, Callable[[Readings], Followed]] = {
    "rare things are lost": _tails,
    "less variety is written": _variety,
    "next-token distributions narrow": _next_tokens,
    "groups drift apart": _groups,
    "the model fits human data worse": _risk,
}
"""The signals in words. The last one is the signal of late collapse, the others are signals of early collapse."""
LATE = "the model fits human data worse"


def moved(followed: Followed, limits: Thresholds) -> Answer:
    """Answer whether a signal has become worse since generation 0, and from which generation to the end of the run.

    It has moved if it is surely worse by more than the tolerance, so that a reading does not come first only because its interval is narrow. The
    tolerance is the same for all signals: 0.05 is a twentieth of the healthy value, of the vocabulary, or of the perplexity (0.05 nats per token).
    """
    changes = followed.worsening.changes()
    if not changes:
        raise NotApplicable(f"{followed.name} has only one generation, so there is no change yet")
    when = since([change.high < -limits.margin for change in changes])
    is_still = all(change.low > -limits.margin for change in changes)
    change = followed.course.changes()[-1]
    note = (
        f"{followed.name} has changed by {change} since generation 0. It has moved if it is surely worse by more than {limits.margin:g}, "
        "and it has not moved if every generation is surely not worse by as much."
    )
    return answer("yes" if when is not None else "no" if is_still else "cannot_tell", change, when, note)


def signals(readings: Readings, limits: Thresholds) -> tuple[Answer, ...]:
    """Return the date of every signal, followed by the order in which they moved."""
    dated = []
    for name, follow in SIGNALS.items():
        try:
            dated.append(replace(moved(follow(readings), limits), definition=name))
        except NotApplicable as why:
            dated.append(Answer(name, "not_applicable", None, None, None, None, str(why)))
    return (*dated, _order(dated))


def _order(dated: Sequence[Answer]) -> Answer:
    """Answer which signal moved first, and how many generations later the others moved. Ties are possible."""
    when = {signal.definition: signal.when for signal in dated if signal.when is not None}
    if not when:
        answers = {answer.answer for answer in dated} - {"not_applicable"}
        if not answers:
            return Answer(FIRST, "not_applicable", None, None, None, None, "No signal has readings in two generations.")
        if answers == {"no"}:
            return Answer(FIRST, "no", None, None, None, None, "By the intervals of the readings, no signal has moved.")
        return Answer(FIRST, "cannot_tell", None, None, None, None, "By the intervals of the readings, no signal has surely moved.")
    start = min(when.values())
    return Answer(
        FIRST,
        "yes",
        None,
        None,
        None,
        start,
        in_words(when, [answer.definition for answer in dated if answer.answer == "cannot_tell"]),
    )


def in_words(when: Mapping[str, int], unsure: Sequence[str] = ()) -> str:
    """Return the order of signals in a sentence.

    >>> in_words({"rare things are lost": 1, "less variety is written": 1, "the model fits human data worse": 3})
    'First at generation 1: rare things are lost and less variety is written; 2 generations later: the model fits human data worse.'
    """
    start = min(when.values())
    parts = []
    for generation in sorted(set(when.values())):
        names = [name for name, own in when.items() if own == generation]
        later = generation - start
        at = f"first at generation {generation}" if not later else f"{later} generation{'s' * (later > 1)} later"
        parts.append(f"{at}: {_listed(names)}")
    sentence = "; ".join(parts)
    rest = f" It is uncertain whether these moved: {_listed(unsure)}." if unsure else ""
    return f"{sentence[:1].upper()}{sentence[1:]}.{rest}"


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


__all__ = ["FIRST", "LATE", "SIGNALS", "Followed", "in_words", "moved", "next_tokens_of", "signals"]
