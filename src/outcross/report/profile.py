"""The collapse profile: eight definitions side by side, one answer an arm, and when collapse set in."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from outcross.report.numerals import number
from outcross.report.study import ShownAnswer, Study
from outcross.wording import amount

PAPER = "Schaeffer et al., Position: Model Collapse Does Not Mean What You Think, arXiv:2503.03150"
DATED = ("early collapse", "late collapse")
ORDER = "what moved first"
WARNING = "early warning"
ACROSS = 6  # arms that fit beside each other on a page of 1,100 pixels
SIGNALS = (
    "rare things are lost", "less variety is written", "next-token distributions narrow", "groups drift apart", "the model fits human data worse", ORDER, WARNING,
)  # fmt: skip
"""The signals of early and of late collapse, as a profile names them, the order in which they moved, and how long the warning is."""
MOVED = {
    "yes": ("●", "moved"),
    "no": ("○", "still"),
    "cannot_tell": ("?", "cannot tell"),
    "not_applicable": ("–", "not applicable"),
}
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
    signals: tuple[tuple[str, tuple[Verdict | None, ...]], ...]
    """When each signal moved, those that no arm has left out."""
    orders: tuple[tuple[str, tuple[str, ...]], ...]
    """Of every arm, which signal moved first and how much later the others, and how long the warning is: a sentence a seed that says another. Arms of which the same is said stand together."""

    @property
    def across(self) -> int:
        """How many arms stand beside each other: of more than fit on a page each table has as nearly the same number as can be.

        >>> [ProfileTable(tuple("abcdefghi"[:arms]), (), (), (), ()).across for arms in (1, 6, 7, 9)]
        [1, 6, 4, 5]
        """
        return math.ceil(len(self.arms) / math.ceil(len(self.arms) / ACROSS))


def profile_of(study: Study) -> ProfileTable | None:
    """The profile, None where the study has none."""
    if not study.profile:
        return None
    arms = tuple(arm for arm in study.arms if any(answer.arm == arm for answer in study.profile))
    rows = {
        definition: _row(study, definition, arms) for definition in dict.fromkeys(answer.definition for answer in study.profile)
    }
    definitions = tuple((name, row) for name, row in rows.items() if name not in (*DATED, *SIGNALS))
    dates = tuple((name, rows[name]) for name in DATED if name in rows)
    read_signals = [
        name for name in SIGNALS if name not in (ORDER, WARNING) and name in rows and any(_is_read(cell) for cell in rows[name])
    ]
    orders = [
        (arm, tuple(dict.fromkeys(_said(answer) for answer in study.profile if answer.arm == arm and _is_order(answer))))
        for arm in arms
    ]
    alike: dict[tuple[str, ...], list[str]] = {}
    for arm, sentences in orders:
        alike.setdefault(sentences, []).append(arm)
    order_sentences = tuple((", ".join(names), sentences) for sentences, names in alike.items() if sentences)
    return ProfileTable(arms, definitions, dates, tuple((name, rows[name]) for name in read_signals), order_sentences)


def said_by(arms: Sequence[str], row: Sequence[Verdict | None]) -> list[tuple[str, str]]:
    """The notes of a row, each once, with the arms that it is about."""
    alike: dict[str, list[str]] = {}
    for arm, verdict in zip(arms, row, strict=True):
        for note in () if verdict is None else verdict.notes:
            alike.setdefault(note, []).append(arm)
    return [(", ".join(names), note) for note, names in alike.items()]


def _is_order(answer: ShownAnswer) -> bool:
    """Whether an answer says what moved first, or how long the warning is."""
    return answer.definition == ORDER or (answer.definition == WARNING and answer.answer != "not_applicable")


def _said(answer: ShownAnswer) -> str:
    """The order of the signals, or how long the warning is, in words."""
    return answer.note if answer.definition == ORDER else f"Early warning: {answer.note}"


def _is_read(verdict: Verdict | None) -> bool:
    return verdict is not None and verdict.kind != "not_applicable"


def _row(study: Study, definition: str, arms: Sequence[str]) -> tuple[Verdict | None, ...]:
    answers = [[answer for answer in study.profile if answer.definition == definition and answer.arm == arm] for arm in arms]
    return tuple(_verdict(of_arm) if of_arm else None for of_arm in answers)


def _verdict(answers: Sequence[ShownAnswer]) -> Verdict:
    """Seeds that agree give one word; seeds that do not are counted."""
    counts = Counter(answer.answer for answer in answers)
    common = next(iter(counts)) if len(counts) == 1 else "cannot_tell"
    words = MOVED if answers[0].definition in SIGNALS else WORDS
    mark, word = words.get(common, ("·", common))
    if len(counts) > 1:
        word = ", ".join(f"{words.get(answer, ('', answer))[1]} {count}" for answer, count in counts.items()) + " seeds"
    elif len(answers) > 1:
        word = f"{word} ({amount(len(answers), 'seed')})"
    if answers[0].definition in SIGNALS:
        whens = sorted({answer.when for answer in answers if answer.when is not None})
        details = tuple(f"from generation {when} on" for when in whens)
    else:
        details = tuple(dict.fromkeys(detail for answer in answers if (detail := _detail(answer))))
    notes = tuple(dict.fromkeys(answer.note for answer in answers if answer.note))
    return Verdict(common, mark, word, details, notes)


def _detail(answer: ShownAnswer) -> str:
    value = number(answer.value) if answer.value is not None else ""
    interval = f"[{number(answer.low)}, {number(answer.high)}]" if answer.low is not None and answer.high is not None else ""
    when = f"generation {answer.when}" if answer.when is not None else ""
    return "; ".join(part for part in (when, " ".join(filter(None, (value, interval)))) if part)
