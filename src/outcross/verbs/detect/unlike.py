"""What a detector does not read, and what tells that texts are not of the kind that it was calibrated on: letters, lengths and subjects."""

from __future__ import annotations

import string
import zlib
from collections.abc import Sequence

import numpy as np

from outcross.detectors.features import pieces

SUBJECTS = 16
"""Directions in which the rarer words of a text are projected."""
SIGNS = string.ascii_lowercase + string.digits
CONTROLS = " \n\t,.;:!?'\"-–—’“”*#()•…"
"""Punctuation and white space, as written, that the control detector counts."""


def plain_features(texts: Sequence[str], frequent: Sequence[str]) -> np.ndarray:
    """Shares of letters and digits, capitals, other scripts, the log of the length, letters a word, and directions of the rarer words, (n, features)."""
    common = frozenset(frequent)
    features = np.zeros((len(texts), len(SIGNS) + 4 + SUBJECTS))
    directions: dict[str, np.ndarray] = {}
    for row, text in enumerate(texts):
        lower = text.lower()
        size = max(len(text), 1)
        words = [piece for piece in pieces(lower) if piece[0].isalpha()]
        rare = [word for word in words if word not in common]
        features[row, : len(SIGNS)] = [lower.count(sign) / size for sign in SIGNS]
        features[row, len(SIGNS) : len(SIGNS) + 4] = (
            sum(map(str.isupper, text)) / size,
            0.0 if text.isascii() else sum(ord(sign) > 0x24F for sign in text) / size,
            np.log(size),
            len(lower) / max(len(words), 1),
        )
        if rare:
            features[row, len(SIGNS) + 4 :] = sum(_direction(word, directions) for word in rare) / np.sqrt(len(rare))
    return features


def _direction(word: str, known: dict[str, np.ndarray]) -> np.ndarray:
    if word not in known:
        code = zlib.crc32(word.encode())
        signs = np.array([1.0 if code >> bit & 1 else -1.0 for bit in range(SUBJECTS)])
        if len(known) > 200_000:
            return signs
        known[word] = signs
    return known[word]


def common_shares(texts: Sequence[str], frequent: Sequence[str]) -> np.ndarray:
    """The share of each text's words that are frequent ones, (n,).

    >>> common_shares(["the cat and the dog", "der Hund"], ["the", "and"]).tolist()
    [0.6, 0.0]
    """
    known = frozenset(frequent)
    read = [[piece for piece in pieces(text.lower()) if piece[0].isalpha()] for text in texts]
    return np.array([sum(word in known for word in words) / max(len(words), 1) for words in read])


def lengths_alone(raw: Sequence[str]) -> np.ndarray:
    """What the first control detector reads: the logs of the characters and of the words, (n, 2)."""
    return np.log1p([[len(text), len(text.split())] for text in raw]).reshape(-1, 2)


def signs_alone(raw: Sequence[str]) -> np.ndarray:
    """What the second control detector reads: how many of each sign of punctuation and white space stand in a hundred characters, (n, signs)."""
    return np.array([[100 * text.count(sign) / max(len(text), 1) for sign in CONTROLS] for text in raw]).reshape(-1, len(CONTROLS))


def control_area(features: np.ndarray, is_model: np.ndarray, fold: np.ndarray) -> float:
    """The area under the ROC curve of logistic regression on these features, each text by a fit that did not see its group."""
    from sklearn.linear_model import LogisticRegression

    from outcross.statistics.prediction import area_under_the_curve

    scaled = (features - features.mean(axis=0)) / np.maximum(features.std(axis=0), 1e-9)
    score = np.zeros(len(features))
    for number in np.unique(fold).tolist():
        own = fold == number
        model = LogisticRegression(class_weight="balanced", max_iter=500).fit(scaled[~own], is_model[~own])
        score[own] = model.decision_function(scaled[own])
    return area_under_the_curve(score, is_model).value
