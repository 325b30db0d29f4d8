"""Declared authors of texts: columns of provenance, typical phrases of assistants, and dates."""

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
"""Phrases that assistants write about themselves."""


@recipe
class DeclaredDetector(Detector):
    """Reads the author of a text from the data if it is declared, and counts phrases that assistants write about themselves.

    It never changes a declared author.
    """

    page = DetectorPage(
        "declared",
        "The columns `_origin` and `_model`; for texts without them, phrases such as “as an AI language model” and dates before 2019.",
        "It trusts the declared authors. People also write such phrases when they quote them, and most models' texts have none. A date is assumed to be the day on which the text was written.",
        "W3C PROV-O (2013); Liang et al., arXiv 2403.07183, on texts from before large language models",
    )
    needs_ai = False

    date: str | None = None
    """The column of dates; if left out, the first existing column of _date, date, year, created, published and timestamp."""
    before: Annotated[int, Field(ge=1500, le=2100)] = 2019
    """A text of an earlier year counts as human."""

    def reader(self, given: Sequence[str]) -> Reader:
        return phrases_of

    def fit(self, features: Any, is_model: np.ndarray, groups: np.ndarray, rng: np.random.Generator) -> FittedDetector:
        return FirstColumn()


def phrases_of(texts: Sequence[str]) -> np.ndarray:
    """Count the phrases of assistants in each text, (n, 1).

    >>> phrases_of(["As an AI language model, I cannot.", "As an aisle seat goes, fine."]).tolist()
    [[1.0], [0.0]]
    """
    return np.array([float(len(PHRASES.findall(text))) for text in texts]).reshape(-1, 1)
