"""Features that a detector does not read, which show whether texts are of the calibrated kind: letters, lengths and subjects."""

from __future__ import annotations

import string
import zlib
from collections.abc import Sequence

import numpy as np

from outcross.detectors.pieces import CharacterArrays, Pieces, in_runs, is_among, pieces_of, spelling_of, spellings

SUBJECTS = 16
"""Number of directions on which the rarer words of a text are projected."""
SIGNS = string.ascii_lowercase + string.digits
COMMON = 10
"""Number of the most frequent words whose rates are compared, beside those of the signs of punctuation."""
LATIN = 0x24F
"""The last code point of Latin letters."""
PLAIN = len(SIGNS) + 4 + SUBJECTS
"""Plain features of a text."""
CONTROLS = " \n\t,.;:!?'\"-–—’“”*#()•…"
"""Punctuation and white space that the control detector counts, without normalisation."""


def plain_features(texts: Sequence[str], frequent: Sequence[str]) -> np.ndarray:
    """Return the plain features of texts, (n, features).

    They are the shares of letters and digits, capitals and other scripts, the log of the length, the letters per word, and directions of the rarer
    words.
    """
    known = spellings(frequent)
    parts = [_plain(texts[first:end], known) for first, end in in_runs(texts)]
    return np.concatenate([np.zeros((0, PLAIN)), *parts])


def marks_of_style(frequent: Sequence[str]) -> tuple[str, ...]:
    """Return the `COMMON` most frequent words and the signs of punctuation, whose rates show the style of a writer (Burrows, Lit. Linguist. Comput. 17:267, 2002).

    They are not chosen by how much they differ between the samples. A mark that is chosen so differs less in new texts, and a test that compares new
    texts with the same samples would find that the texts are of another kind too often.

    >>> marks_of_style(["the", "a"])[:4]
    ('the', 'a', ',', '.')
    """
    return (*frequent[:COMMON], *(sign for sign in CONTROLS if not sign.isspace()))


def word_rates(texts: Sequence[str], words: Sequence[str]) -> np.ndarray:
    """Return how often each of some words or signs occurs in each text, divided by the square root of the number of words and signs of the text, (n, words).

    >>> word_rates(["the cat, the dog", ""], ["the", ","]).round(3).tolist()
    [[0.894, 0.447], [0.0, 0.0]]
    """
    known = spelling_of(words)
    order = np.argsort(known)
    rates = [np.zeros((0, len(words)))]
    for first, end in in_runs(texts):
        pieces, n = pieces_of(texts[first:end]), end - first
        place = order[np.minimum(np.searchsorted(known[order], pieces.spelling), len(words) - 1)]
        is_known = known[place] == pieces.spelling
        counts = np.bincount(pieces.owner[is_known] * len(words) + place[is_known], minlength=n * len(words)).reshape(n, -1)
        rates.append(counts / np.sqrt(np.maximum(np.bincount(pieces.owner, minlength=n), 1))[:, None])
    return np.concatenate(rates)


def _plain(texts: Sequence[str], known: np.ndarray) -> np.ndarray:
    pieces = pieces_of(texts)
    n, characters = len(texts), pieces.characters
    size, words = np.maximum(characters.lengths, 1), pieces.owner[pieces.is_word]
    is_rare = pieces.is_word & ~is_among(pieces.spelling, known)
    rare, direction = pieces.owner[is_rare], _directions(pieces, np.flatnonzero(is_rare))
    rare_count = np.bincount(rare, minlength=n)
    sums = [2 * np.bincount(rare[(direction >> bit & 1) > 0], minlength=n) - rare_count for bit in range(SUBJECTS)]
    owner = characters.owner
    return np.column_stack(
        [
            _letters(characters) / size[:, None],
            np.bincount(owner, characters.is_capital, n) / size,
            np.bincount(owner, characters.points > LATIN, n) / size,
            np.log(size),
            characters.lengths / np.maximum(np.bincount(words, minlength=n), 1),
            np.stack(sums, axis=1) / np.sqrt(np.maximum(rare_count, 1))[:, None],
        ]
    )


def _directions(pieces: Pieces, rows: np.ndarray) -> np.ndarray:
    """Return a number for each word, whose bits are the signs of its directions, (rows,)."""
    _, first, which = np.unique(pieces.spelling[rows], return_index=True, return_inverse=True)
    return np.array([zlib.crc32(word.encode("utf-8", "surrogatepass")) for word in pieces.strings(rows[first])], np.int64)[which]


def _letters(characters: CharacterArrays) -> np.ndarray:
    """Count each of `SIGNS` in each text, in upper and lower case, (n, signs)."""
    places = np.full(128, len(SIGNS))
    places[[ord(sign) for sign in SIGNS]] = np.arange(len(SIGNS))
    place = np.where(characters.lower < 128, places[np.minimum(characters.lower, 127)], len(SIGNS))
    width, n = len(SIGNS) + 1, characters.lengths.size
    return np.bincount(characters.owner * width + place, minlength=n * width).reshape(n, width)[:, :-1]


def common_shares(texts: Sequence[str], frequent: Sequence[str]) -> np.ndarray:
    """Return the share of frequent words among the words of each text, (n,).

    >>> common_shares(["the cat and the dog", "der Hund"], ["the", "and"]).tolist()
    [0.6, 0.0]
    """
    known, shares = spellings(frequent), [np.zeros(0)]
    for first, end in in_runs(texts):
        pieces = pieces_of(texts[first:end])
        words, common = (
            np.bincount(pieces.owner[rows], minlength=pieces.texts)
            for rows in (pieces.is_word, pieces.is_word & is_among(pieces.spelling, known))
        )
        shares.append(common / np.maximum(words, 1))
    return np.concatenate(shares)


def lengths_alone(raw: Sequence[str]) -> np.ndarray:
    """Return the features of the first control detector: the logs of the numbers of characters and of words, (n, 2)."""
    return np.log1p([[len(text), len(text.split())] for text in raw]).reshape(-1, 2)


def signs_alone(raw: Sequence[str]) -> np.ndarray:
    """Return the features of the second control detector: the number of each punctuation or white-space sign per hundred characters, (n, signs)."""
    return np.array([[100 * text.count(sign) / max(len(text), 1) for sign in CONTROLS] for text in raw]).reshape(-1, len(CONTROLS))


def control_area(features: np.ndarray, is_model: np.ndarray, fold: np.ndarray) -> float:
    """Return the area under the ROC curve of a logistic regression on these features. Each text is scored by a fit that did not see its group."""
    from sklearn.linear_model import LogisticRegression

    from outcross.statistics.prediction import area_under_the_curve

    scaled = (features - features.mean(axis=0)) / np.maximum(features.std(axis=0), 1e-9)
    score = np.zeros(len(features))
    for number in np.unique(fold).tolist():
        own = fold == number
        model = LogisticRegression(class_weight="balanced", max_iter=500).fit(scaled[~own], is_model[~own])
        score[own] = model.decision_function(scaled[own])
    return area_under_the_curve(score, is_model).value
