"""A student that learned from data selected for a goal: the goal attribute, the student's size, and a skill that a program checks."""

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
"""The two other sums that precede each question, as offsets from its number."""


@recipe
class SculptedMeasure(Measure):
    """The goal attribute of the texts that a model writes, its number of parameters, and its accuracy on sums.

    A goal alone proves little, because even the smallest model can write long or varied texts. Compare it with the held-out loss and with the
    accuracy on sums. Each sum is a choice among ten answers, and the answer with the highest probability counts. Chance is 10 %.
    """

    goal: Annotated[Attribute, one_of(ATTRIBUTES, "goal")] = field(default_factory=TypeToken)
    """The attribute of texts for which the data are selected."""

    by_default = False
    aspect = "use"
    needs = ("text",)
    libraries = (*Measure.libraries, "icu4py", "polars")
    pages = {
        "goal": Page(
            "SC1", "goal attribute", "Mean of the attribute for which data were selected, over the texts that the model wrote. Texts without a value are left out.",
            unit="as the attribute", healthy="the value of human text", collapsed="depends on the attribute",
            role="use", lead=1, paper=SHIMABUCORO,
        ),
        "parameters": Page(
            "SC2", "parameters", "Number of learned parameters: weights of a network, or counts of an n-gram model.",
            unit="numbers", healthy="any", collapsed="any", log=True,
            role="use", paper=SHIMABUCORO, range=(0.0, float("inf")),
        ),
        "sums_right": Page(
            "SC3", "correct sums", "Share of the hundred sums of two digits modulo 10 for which the correct answer has the highest probability among ten answers. Two other sums precede each question.",
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
            raise NotApplicable("the goal is an attribute that needs human text to compare with; choose another goal")
        values = np.asarray(self.goal(drawn.texts), dtype=float)
        has = np.isfinite(values)
        if not has.any():
            raise NotApplicable("the attribute has no value for any text")
        prompts = drawn.column("_prompt")
        prompt_of_text = np.where(prompts < 0, np.arange(len(prompts)), prompts)[has]
        return ratio_of_sums(totals(values[has], prompt_of_text), totals(np.ones(prompt_of_text.size), prompt_of_text), "prompts")


def _parameters(model: Any) -> float:
    parameters = getattr(model, "parameters", None)
    if not isinstance(parameters, int):
        raise NotApplicable("needs a model that gives its number of parameters")
    return float(parameters)


def sums_right(model: Any) -> np.ndarray:
    """Return whether the correct answer has the highest probability among ten answers, for each of the hundred sums, (100,)."""
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
