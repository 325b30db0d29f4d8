"""Test whether a model was trained on watermarked text: the open-model test of Sander et al. (NeurIPS 2024, arXiv 2402.14904).

A model that learned from marked text prefers green tokens even if it writes without a watermark.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from outcross.detectors.watermark import WatermarkDetector
from outcross.errors import BadInput
from outcross.estimate import NotApplicable
from outcross.models.green import GreenLists

Predict = Callable[[np.ndarray], np.ndarray]
"""A function from the tokens of a text, (n,), to the model's likeliest next token after each of them, (n,)."""
FEWEST = 16
"""Minimum number of different pairs of a context and a prediction."""


@dataclass(frozen=True)
class Radioactivity:
    """How often a model predicts a green token, where each pair of a context and a prediction counts once."""

    green: int
    scored: int
    chance: float
    """The share of green tokens in the vocabulary."""
    p: float
    """P(at least this number of green predictions | the model never saw the key), exact over keys."""

    @property
    def z(self) -> float:
        """Number of standard deviations above the expectation under chance."""
        return (self.green - self.chance * self.scored) / float(np.sqrt(self.scored * self.chance * (1 - self.chance)))


def radioactivity(detector: WatermarkDetector | GreenLists, predict: Predict, texts: Sequence[np.ndarray]) -> Radioactivity:
    """Test a model by its predictions along watermarked texts of the suspected writer. `texts` are the tokens of each text, (n,).

    A pair of a context and its prediction counts once over all texts. A context that already occurred in the same text is skipped, because a model
    that only repeats what followed it there would show the marks of its prompt and not those of its training. Then P(p ≤ α) ≤ α over keys for a
    model that never saw the key. For a single key and vocabulary the test is exact only over the draw of that key, so a p close to α is weak
    evidence. Raises BadInput for another scheme, and NotApplicable for too few contexts.
    """
    from scipy.stats import binom

    if detector.scheme != "green":
        raise BadInput(
            f"the test of radioactivity counts green tokens, but the detector's scheme is {detector.scheme}; write scheme: green"
        )
    width = detector.context
    pairs: set[tuple[int, ...]] = set()
    for text in texts:
        tokens = np.asarray(text).tolist()
        predicted = np.asarray(predict(np.asarray(text)))
        if predicted.shape != (len(tokens),):
            raise BadInput(
                f"predict must return one token after each of {len(tokens)} tokens, got an array of shape {predicted.shape}"
            )
        seen: set[tuple[int, ...]] = set()
        for at in range(width - 1, len(tokens)):
            before = tuple(tokens[at - width + 1 : at + 1])
            if before not in seen:
                seen.add(before)
                pairs.add((*before, int(predicted[at])))
    if len(pairs) < FEWEST:
        raise NotApplicable(f"radioactivity needs at least {FEWEST} different contexts, got {len(pairs)}; give more text")
    green = sum(detector.is_green(pair[:-1], pair[-1]) for pair in sorted(pairs))
    return Radioactivity(green, len(pairs), detector.green, float(binom.sf(green - 1, len(pairs), detector.green)))
