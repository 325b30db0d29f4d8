"""What texts say of themselves: columns of provenance, phrases that assistants are known by, and dates."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from outcross.detectors import Detector, DetectorPage, FittedDetector, Reader
from outcross.detectors.given import FirstColumn
from outcross.recipe import recipe

PHRASES = re.compile(
    r"\bas an? (?:ai|artificial intelligence|large)(?: language)?(?: model)?\b(?=,| i\b| model)|\bas a(?: large)? language model\b"
    r"|\bi(?:'m| am)(?: just| only)? an? (?:ai|artificial intelligence)\b|\bmy (?:knowledge|training) (?:cut-?off|data)\b"
    r"|\bi (?:cannot|can't) (?:fulfil?l|assist with) (?:this|that|your) request\b|\bregenerate response\b",
    re.IGNORECASE,
)
"""Phrases that assistants write of themselves."""


@recipe
class DeclaredDetector(Detector):
    """Reads who wrote a text where the data say so, and counts phrases that assistants write of themselves. It never changes what is declared."""

    page = DetectorPage(
        "declared",
        "The columns `_origin` and `_model`; of texts without them, phrases such as “as an AI language model” and dates before 2019.",
        "It believes what is declared. A phrase is also written by people who quote it, and most models' texts have none. A date is taken for the day on which the text was written.",
        "W3C PROV-O (2013); Liang et al., arXiv 2403.07183, on texts from before large language models",
    )
    needs_ai = False

    date: str | None = None
    """The column of dates; left out: the first of _date, date, year, created, published, timestamp that is there."""
    before: Annotated[int, Field(ge=1500, le=2100)] = 2019
    """A text of an earlier year is taken for a person's."""

    def reader(self, given: Sequence[str]) -> Reader:
        return phrases_of

    def fit(self, features: Any, is_model: np.ndarray, groups: np.ndarray, rng: np.random.Generator) -> FittedDetector:
        return FirstColumn()


def phrases_of(texts: Sequence[str]) -> np.ndarray:
    """Phrases of assistants in each text, (n, 1).

    >>> phrases_of(["As an AI language model, I cannot.", "As an aisle seat goes, fine."]).tolist()
    [[1.0], [0.0]]
    """
    return np.array([float(len(PHRASES.findall(text))) for text in texts]).reshape(-1, 1)
