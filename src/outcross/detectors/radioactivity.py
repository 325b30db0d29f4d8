"""Was a model trained on watermarked text? The open-model test of Sander et al. (NeurIPS 2024, arXiv 2402.14904): a model that learned from marked text prefers green tokens where no mark acts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from outcross.detectors.watermark import WatermarkDetector
from outcross.errors import BadInput
from outcross.estimate import NotApplicable
from outcross.models.green import GreenLists

Predict = Callable[[np.ndarray], np.ndarray]
"""From the tokens of a text, (n,), to the token that a model holds the likeliest after each of them, (n,)."""
FEWEST = 16
"""Different pairs of a context and a prediction, at least."""


@dataclass(frozen=True)
class Radioactivity:
    """How often a model predicts a green token, each context and prediction counted once."""

    green: int
    scored: int
    chance: float
    """The share of green tokens in the vocabulary."""
    p: float
    """P(so many green predictions or more | the model never saw the key), exact over keys."""

    @property
    def z(self) -> float:
        """Standard deviations above what chance gives."""
        return (self.green - self.chance * self.scored) / float(np.sqrt(self.scored * self.chance * (1 - self.chance)))


def radioactivity(detector: WatermarkDetector | GreenLists, predict: Predict, texts: Sequence[np.ndarray]) -> Radioactivity:
    """The test of a model by its predictions along texts of the suspected writer, which carry the mark. texts: tokens of each, (n,).

    A context and its prediction are counted once over all texts. A context that stands earlier in the same text is left out: a model that only repeats what
    followed it there would predict the marks of its prompt and not those of its training. Then P(p ≤ α) ≤ α over keys for a model that never saw the key. With one
    key and one vocabulary the test is exact for that key's draw alone, so that a p near α says little. BadInput for another scheme; NotApplicable with too few contexts.
    """
    from scipy.stats import binom

    if detector.scheme != "green":
        raise BadInput(
            f"the test of radioactivity counts green tokens, and the detector's scheme is {detector.scheme}; give scheme: green"
        )
    width = detector.context
    pairs: set[tuple[int, ...]] = set()
    for text in texts:
        tokens = np.asarray(text).tolist()
        predicted = np.asarray(predict(np.asarray(text)))
        if predicted.shape != (len(tokens),):
            raise BadInput(f"predict must give one token after each of {len(tokens)}, got an array of shape {predicted.shape}")
        seen: set[tuple[int, ...]] = set()
        for at in range(width - 1, len(tokens)):
            before = tuple(tokens[at - width + 1 : at + 1])
            if before not in seen:
                seen.add(before)
                pairs.add((*before, int(predicted[at])))
    if len(pairs) < FEWEST:
        raise NotApplicable(f"radioactivity needs at least {FEWEST} different contexts, there are {len(pairs)}; give more text")
    green = sum(detector.is_green(pair[:-1], pair[-1]) for pair in sorted(pairs))
    return Radioactivity(green, len(pairs), detector.green, float(binom.sf(green - 1, len(pairs), detector.green)))
