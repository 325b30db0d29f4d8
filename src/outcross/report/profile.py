"""The collapse profile: eight definitions side by side, one answer an arm, and when collapse set in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from outcross.report.numerals import number
from outcross.report.study import ShownAnswer, Study

PAPER = "Schaeffer et al., Position: Model Collapse Does Not Mean What You Think, arXiv:2503.03150"
DATED = ("early collapse", "late collapse")
# A mark beside the word, so that the table reads in grey and for the colour-blind.
WORDS = {"yes": ("●", "yes"), "no": ("○", "no"), "cannot_tell": ("?", "cannot tell"), "not_applicable": ("–", "not applicable")}


@dataclass(frozen=True)
class Verdict:
    """One definition's answer for one arm, over its seeds."""

    kind: str
    mark: str
    word: str
    details: tuple[str, ...]
    """When, and the number with its interval."""
    notes: tuple[str, ...]
    """The statistic, its threshold and why."""


@dataclass(frozen=True)
class ProfileTable:
    """A row a definition, a cell an arm; None where an arm was not asked."""

    arms: tuple[str, ...]
    definitions: tuple[tuple[str, tuple[Verdict | None, ...]], ...]
    dates: tuple[tuple[str, tuple[Verdict | None, ...]], ...]


def profile_of(study: Study) -> ProfileTable | None:
    """The profile, None where the study has none."""
    if not study.profile:
        return None
    arms = tuple(arm for arm in study.arms if any(answer.arm == arm for answer in study.profile))
    rows = {definition: _row(study, definition, arms) for definition in dict.fromkeys(one.definition for one in study.profile)}
    definitions = tuple((name, row) for name, row in rows.items() if name not in DATED)
    return ProfileTable(arms, definitions, tuple((name, rows[name]) for name in DATED if name in rows))


def _row(study: Study, definition: str, arms: Sequence[str]) -> tuple[Verdict | None, ...]:
    answers = [[one for one in study.profile if one.definition == definition and one.arm == arm] for arm in arms]
    return tuple(_verdict(of_arm) if of_arm else None for of_arm in answers)


def _verdict(answers: Sequence[ShownAnswer]) -> Verdict:
    """Seeds that agree give one word; seeds that do not are counted."""
    counts = Counter(answer.answer for answer in answers)
    common = next(iter(counts)) if len(counts) == 1 else "cannot_tell"
    mark, word = WORDS.get(common, ("·", common))
    if len(counts) > 1:
        word = ", ".join(f"{WORDS.get(answer, ('', answer))[1]} {count}" for answer, count in counts.items()) + " seeds"
    elif len(answers) > 1:
        word = f"{word} ({len(answers)} seeds)"
    details = tuple(dict.fromkeys(detail for answer in answers if (detail := _detail(answer))))
    notes = tuple(dict.fromkeys(answer.note for answer in answers if answer.note))
    return Verdict(common, mark, word, details, notes)


def _detail(answer: ShownAnswer) -> str:
    value = number(answer.value) if answer.value is not None else ""
    interval = f"[{number(answer.low)}, {number(answer.high)}]" if answer.low is not None and answer.high is not None else ""
    when = f"generation {answer.when}" if answer.when is not None else ""
    return "; ".join(part for part in (when, " ".join(filter(None, (value, interval)))) if part)
