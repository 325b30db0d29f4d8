"""The weight of each text in training, from the probability that a model wrote it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from outcross.estimate import NotApplicable
from outcross.statistics.two_sources import effective_size

if TYPE_CHECKING:
    from outcross.verbs.detect.question import DetectQuestion


def weights(question: DetectQuestion, chances: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """Return the weight of each text, (n,), and a description of the weights.

    chances: the probability that a model wrote each text, (n,); NaN if that is unknown, and then the weight is NaN too.
    """
    if question.weight == "importance":
        weight = (1 - chances) ** question.power
        described: dict[str, Any] = {"kind": "importance", "power": question.power}
    else:
        with np.errstate(divide="ignore"):
            weight = np.minimum((1 - chances) / chances, question.most_weight)
        described = {"kind": "odds", "most_weight": question.most_weight}
    known = weight[np.isfinite(weight)]
    described |= {"n": int(known.size), "effective_sample_size": None}
    try:
        return weight, described | {"effective_sample_size": round(effective_size(known), 2)}
    except NotApplicable as why:
        return weight, described | {"why": str(why)}
