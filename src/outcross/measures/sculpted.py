"""What a student has made of data that were chosen for a goal: the goal, its size, and a skill that a program checks."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Any

import numpy as np

from outcross.attributes import ATTRIBUTES, Attribute
from outcross.attributes.variety import TypeToken
from outcross.data.records import Blocks, blocks
from outcross.estimate import NotApplicable, exact, read_off, share
from outcross.measures import Measure, Page
from outcross.recipe import one_of, recipe
from outcross.sources.sums_in_text import asked, line, right
from outcross.statistics.clusters import ratio_of_sums, totals

SHIMABUCORO = "Shimabucoro et al., EMNLP 2024, arXiv 2407.01490"
BEFORE = (17, 58)
"""Which two other sums stand before the one that is asked, counted from it."""


@recipe
class SculptedMeasure(Measure):
    """The goal for which data were chosen, read off what the model writes, its number of parameters, and the sums that it gets right.

    A goal alone proves little: the smallest model can write long or varied texts. So read it beside held-out loss and beside the sums, which are asked as a
    choice among ten answers: the one to which the model gives most probability counts. Chance is 10 %.
    """

    goal: Annotated[Attribute, one_of(ATTRIBUTES, "goal")] = field(default_factory=TypeToken)
    """The attribute of texts that data are chosen for."""

    by_default = False
    aspect = "use"
    needs = ("text",)
    libraries = (*Measure.libraries, "icu4py", "polars")
    pages = {
        "goal": Page(
            "SC1", "goal attribute", "Mean over what the model wrote of the attribute that data were chosen for; texts without a number are left out.",
            unit="as the attribute", healthy="that of people", collapsed="depends on the attribute",
            role="use", lead=1, paper=SHIMABUCORO,
        ),
        "parameters": Page(
            "SC2", "parameters", "Numbers that the model has learned: weights of a network, counts of an n-gram model.",
            unit="numbers", healthy="any", collapsed="any", log=True,
            role="use", paper=SHIMABUCORO, range=(0.0, float("inf")),
        ),
        "sums_right": Page(
            "SC3", "sums that are right", "Of the hundred sums of two digits modulo 10, the share whose right answer has most probability among ten, after two other sums.",
            unit="fraction", healthy=1.0, collapsed="0.1, which is chance", worse="smaller",
            role="use", paper=SHIMABUCORO,
        ),
    }  # fmt: skip

    def __call__(self, evidence, rng):
        yield read_off("goal", lambda: self._mean(evidence.drawn))
        yield read_off("parameters", lambda: exact(_parameters(evidence.model)))
        yield read_off("sums_right", lambda: share(int(sums_right(evidence.model).sum()), 100))

    def _mean(self, drawn: Blocks):
        if self.goal.compares:
            raise NotApplicable("reads an attribute that needs no human text; choose another goal")
        values = np.asarray(self.goal(drawn.texts), dtype=float)
        has = np.isfinite(values)
        if not has.any():
            raise NotApplicable("no text has a number")
        prompts = drawn.column("_prompt")
        prompt_of_text = np.where(prompts < 0, np.arange(len(prompts)), prompts)[has]
        return ratio_of_sums(totals(values[has], prompt_of_text), totals(np.ones(prompt_of_text.size), prompt_of_text), "prompts")


def _parameters(model: Any) -> float:
    parameters = getattr(model, "parameters", None)
    if not isinstance(parameters, int):
        raise NotApplicable("needs a model that says how many numbers it has learned")
    return float(parameters)


def sums_right(model: Any) -> np.ndarray:
    """Whether the model gives the right answer to each of the hundred sums most probability among ten, (100,)."""
    if not hasattr(model, "vocabulary"):
        raise NotApplicable("needs a model that reads text with a vocabulary")
    texts = [f"{_before(number)}{asked(number)} {answer}" for number in range(100) for answer in range(10)]
    tokens = model.vocabulary.encode(texts)
    lengths = np.array([len(ids) for ids in tokens])
    scores = np.empty(len(texts))
    for length in np.unique(lengths):
        rows = np.flatnonzero(lengths == length)
        together = np.stack([np.asarray(tokens[row], dtype=np.int32) for row in rows])
        scores[rows] = model.log_prob(blocks(together, [texts[row] for row in rows], np.zeros(rows.size, np.int32)))
    return np.argmax(scores.reshape(100, 10), axis=1) == [right(number) for number in range(100)]


def _before(number: int) -> str:
    return "".join(f"{line((number + other) % 100)}\n" for other in BEFORE)
