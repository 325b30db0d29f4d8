"""The collapse profile: eight definitions with one answer per arm, and the generation at which collapse began."""

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
ACROSS = 6  # maximum number of arms beside each other on a page of 1,100 pixels
SIGNALS = (
    "rare things are lost", "less variety is written", "next-token distributions narrow", "groups drift apart", "the model fits human data worse", ORDER, WARNING,
)  # fmt: skip
"""The names of the signals of early and of late collapse in a profile, of the order in which they moved, and of the length of the early warning."""
MOVED = {
    "yes": ("●", "moved"),
    "no": ("○", "still"),
    "cannot_tell": ("?", "cannot tell"),
    "not_applicable": ("–", "not applicable"),
}
# A mark beside each word, so that the table can be read without colours.
WORDS = {"yes": ("●", "yes"), "no": ("○", "no"), "cannot_tell": ("?", "cannot tell"), "not_applicable": ("–", "not applicable")}


@dataclass(frozen=True)
class Verdict:
    """The answer of one definition for one arm, over its seeds."""

    kind: str
    mark: str
    word: str
    details: tuple[str, ...]
    """The generation, and the number with its interval."""
    notes: tuple[str, ...]
    """The statistic, its threshold and the reason for the answer."""


@dataclass(frozen=True)
class ProfileTable:
    """A table with one row per definition and one cell per arm. A cell is None if there is no answer for the arm."""

    arms: tuple[str, ...]
    definitions: tuple[tuple[str, tuple[Verdict | None, ...]], ...]
    dates: tuple[tuple[str, tuple[Verdict | None, ...]], ...]
    signals: tuple[tuple[str, tuple[Verdict | None, ...]], ...]
    """The generation at which each signal moved. Signals that no arm has are left out."""
    orders: tuple[tuple[str, tuple[str, ...]], ...]
    """Sentences about each arm: which signal moved first, how much later the others moved, and how long the early warning is. Seeds or arms with the same
    sentences share them."""

    @property
    def across(self) -> int:
        """The number of arms beside each other. If not all fit on the page, they are spread as evenly as possible over several tables.

        >>> [ProfileTable(tuple("abcdefghi"[:arms]), (), (), (), ()).across for arms in (1, 6, 7, 9)]
        [1, 6, 4, 5]
        """
        return math.ceil(len(self.arms) / math.ceil(len(self.arms) / ACROSS))


def profile_of(study: Study) -> ProfileTable | None:
    """The profile table of a study; None if the study has no profile."""
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
    """The notes of a row, each once with its arms."""
    alike: dict[str, list[str]] = {}
    for arm, verdict in zip(arms, row, strict=True):
        for note in () if verdict is None else verdict.notes:
            alike.setdefault(note, []).append(arm)
    return [(", ".join(names), note) for note, names in alike.items()]


def _is_order(answer: ShownAnswer) -> bool:
    """Whether an answer is about the order of the signals or the length of the early warning."""
    return answer.definition == ORDER or (answer.definition == WARNING and answer.answer != "not_applicable")


def _said(answer: ShownAnswer) -> str:
    """The order of the signals, or the length of the early warning, in words."""
    return answer.note if answer.definition == ORDER else f"Early warning: {answer.note}"


def _is_read(verdict: Verdict | None) -> bool:
    return verdict is not None and verdict.kind != "not_applicable"


def _row(study: Study, definition: str, arms: Sequence[str]) -> tuple[Verdict | None, ...]:
    answers = [[answer for answer in study.profile if answer.definition == definition and answer.arm == arm] for arm in arms]
    return tuple(_verdict(of_arm) if of_arm else None for of_arm in answers)


def _verdict(answers: Sequence[ShownAnswer]) -> Verdict:
    """The verdict over seeds. Seeds that agree give one word; otherwise the answers are counted."""
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
