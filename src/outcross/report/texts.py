"""Continuations of the same prompts by all generations, cut to fit on a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

from outcross.report.characters import cut, repeats, shared, visible
from outcross.report.study import ShownSample, Study

LONGEST = 900  # maximum number of characters of one text
COLUMNS = 12  # maximum number of generations of one arm
EXCERPT = 170  # characters


@dataclass(frozen=True)
class Written:
    """One generation's text in pieces. The mark of a piece is `repeats` if it occurs earlier in the text, `kept` if it occurs in the previous generation's text, or
    empty if it is new."""

    generation: int
    runs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Continued:
    """One prompt, continued by every generation of an arm."""

    prompt: str
    number: int  # counted from 1; the same prompt has the same number in every arm
    texts: tuple[Written, ...]


@dataclass(frozen=True)
class Writer:
    """An arm and its continuations."""

    arm: str
    prompts: tuple[Continued, ...]


@dataclass(frozen=True)
class Excerpt:
    """A text short enough for the first screen."""

    arm: str
    generation: int
    runs: tuple[tuple[str, str], ...]


def writers(study: Study, room: int) -> tuple[tuple[Writer, ...], int]:
    """The texts of every arm in at most `room` bytes, and the number of prompts that did not fit."""
    samples = _first_seed(study)
    prompts = sorted({sample.prompt_id for sample in samples})
    cost = {prompt: sum(_bytes(sample) for sample in samples if sample.prompt_id == prompt) for prompt in prompts}
    shown_prompts: list[int] = []
    for prompt in prompts:
        if not shown_prompts or sum(cost[each_prompt] for each_prompt in (*shown_prompts, prompt)) <= room:
            shown_prompts.append(prompt)
    shown = tuple(_writer(arm, samples, shown_prompts, room) for arm in study.arms if any(sample.arm == arm for sample in samples))
    return shown, len(prompts) - len(shown_prompts)


def excerpts(study: Study, worst: str, best: str) -> tuple[str, tuple[Excerpt, ...]]:
    """The first prompt and three texts: that of the first generation, and those of the last generations of the worst and the best arm."""
    samples = _first_seed(study)
    of_worst = [sample for sample in samples if sample.arm == worst]
    if not of_worst:
        return "", ()
    prompt = min(sample.prompt_id for sample in of_worst)
    by_arm = [
        [sample for sample in samples if sample.arm == arm and sample.prompt_id == prompt] for arm in dict.fromkeys((worst, best))
    ]
    chosen = [min(by_arm[0], key=_generation), *(max(of_arm, key=_generation) for of_arm in by_arm if of_arm)]
    shown = tuple(Excerpt(sample.arm, sample.generation, _runs(sample.text, EXCERPT)) for sample in dict.fromkeys(chosen))
    return chosen[0].prompt, shown


def _generation(sample: ShownSample) -> int:
    return sample.generation


def _first_seed(study: Study) -> list[ShownSample]:
    first: dict[str, int] = {}
    for sample in study.samples:
        first[sample.arm] = min(sample.seed, first.get(sample.arm, sample.seed))
    return [sample for sample in study.samples if sample.seed == first[sample.arm]]


def _bytes(sample: ShownSample) -> int:
    return len(escape(visible(cut(sample.text, LONGEST))).encode()) + 120


def _writer(arm: str, samples: Sequence[ShownSample], prompts: Sequence[int], room: int) -> Writer:
    longest = LONGEST if len(prompts) > 1 else max(80, min(LONGEST, room // max(1, len(samples))))
    of_arm = [sample for sample in samples if sample.arm == arm]
    return Writer(arm, tuple(_continued(of_arm, prompt, index, longest) for index, prompt in enumerate(prompts, 1)))


def _continued(of_arm: Sequence[ShownSample], prompt: int, index: int, longest: int) -> Continued:
    of_prompt = sorted((sample for sample in of_arm if sample.prompt_id == prompt), key=_generation)
    shown = _spread(of_prompt)
    before = [None, *(sample.text for sample in shown)]
    texts = tuple(
        Written(sample.generation, _runs(sample.text, longest, former)) for sample, former in zip(shown, before, strict=False)
    )
    return Continued(of_prompt[0].prompt if of_prompt else "", index, texts)


def _spread(samples: Sequence[ShownSample]) -> list[ShownSample]:
    """At most COLUMNS of the samples, evenly spaced, including the first and the last."""
    if len(samples) <= COLUMNS:
        return list(samples)
    return [samples[round(index * (len(samples) - 1) / (COLUMNS - 1))] for index in range(COLUMNS)]


def _runs(text: str, longest: int, before: str | None = None) -> tuple[tuple[str, str], ...]:
    """A text in pieces with their marks. A piece that repeats is marked `repeats`, even if it also occurs in the text before."""
    text = cut(text, longest)
    is_shared = [False] * len(text) if before is None else shared(cut(before, longest), text)
    runs: list[tuple[str, str]] = []
    position = 0
    for run, is_repeat in repeats(text):
        for is_kept, group in groupby(range(position, position + len(run)), key=lambda place: is_shared[place]):
            places = list(group)
            mark = "repeats" if is_repeat else "kept" if is_kept else ""
            piece = text[places[0] : places[-1] + 1]
            if runs and runs[-1][1] == mark:
                runs[-1] = (runs[-1][0] + piece, mark)
            else:
                runs.append((piece, mark))
        position += len(run)
    return tuple(runs)
