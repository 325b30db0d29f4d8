"""Normalisation of texts: it removes invisible characters, look-alike letters of other scripts, typographic signs and Markdown.

A detector must not use these traces of copying, editing or manipulation. A newline, a curly quote or a Cyrillic letter shows how a file was
processed, and not who wrote the text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from outcross.text.texts import texts

INVISIBLE = "\u00ad\u034f\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069\ufeff"
"""Characters without width: joiners, direction marks, soft hyphens."""
LOOKALIKES = dict(
    zip(
        "АВЕЅІЈКМНОРСТХЗаеѕіјорсухԁһԛԝΑΒΕΖΗΙΚΜΝΟΡΤΥΧοινα",
        "ABESIJKMHOPCTX3aesijopcyxdhqwABEZHIKMNOPTYXoiva",
        strict=True,
    )
)
"""Cyrillic and Greek letters with the Latin letters that they look like."""
PLAIN = {**dict.fromkeys("‘’‚‛′ʼ`´", "'"), **dict.fromkeys("“”„‟″«»", '"'), **dict.fromkeys("‐‑‒–—―−", "-"), "…": "..."}
"""Typographic signs with their replacements from a keyboard."""
_SIGNS, _GONE = (re.compile(f"[{''.join(signs)}]") for signs in (PLAIN, INVISIBLE))
_LATIN_WORD = re.compile(r"[^\W\d_]*[A-Za-z][^\W\d_]*")
_ALIKE = re.compile(f"[{''.join(LOOKALIKES)}]")
_TO_LATIN = str.maketrans(LOOKALIKES)
_START_OF_LINE = re.compile(r"\s{0,3}(?:#{1,6}\s+|>\s+|[-*+•]\s+|\d+[.)]\s+)")
_STARTS_OF_LINES = re.compile(f"(?m)^{_START_OF_LINE.pattern}")
_AROUND_WORDS = re.compile(r"[*_~]{1,3}(?=\S)|(?<=\S)[*_~]{1,3}|'{3}")


@dataclass(frozen=True, eq=False)
class NormalisedTexts:
    """Normalised texts for a detector, with marks for removed characters."""

    strings: list[str]
    has_invisible: np.ndarray
    """Whether each text had characters without width, (n,)."""
    has_lookalikes: np.ndarray
    """Whether each text had letters of another script in a Latin word, (n,)."""


def normalised(given: Sequence[str]) -> NormalisedTexts:
    """Normalise texts: NFKC, no invisible characters, no look-alikes in Latin words, plain quotes and dashes, no Markdown, single spaces.

    >>> normalised(["**Sm\\u0430rt**\\u200b  \\u201cquotes\\u201d\\n- and a list"]).strings
    ['Smart "quotes" and a list']
    """
    strings = texts(given).strings
    invisible, lookalikes = np.zeros(len(strings), bool), np.zeros(len(strings), bool)
    forms = []
    for row, text in enumerate(strings):
        if not text.isascii():
            text, invisible[row], lookalikes[row] = _in_plain_signs(text)
        text = text.replace("`", "'") if text.isascii() else _SIGNS.sub(lambda sign: PLAIN[sign[0]], text)
        forms.append(" ".join(_without_markdown(text).split()))
    return NormalisedTexts(forms, invisible, lookalikes)


def _without_markdown(text: str) -> str:
    """Remove Markdown marks at the start of lines and around words."""
    if "\n" in text:
        text = _STARTS_OF_LINES.sub("", text)
    elif mark := _START_OF_LINE.match(text):
        text = text[mark.end() :]
    return _AROUND_WORDS.sub("", text) if any(sign in text for sign in ("*", "_", "~", "'''")) else text


def _in_plain_signs(text: str) -> tuple[str, bool, bool]:
    seen = _GONE.sub("", text)
    composed = unicodedata.normalize("NFKC", seen)
    latin = _LATIN_WORD.sub(lambda word: word[0].translate(_TO_LATIN), composed) if _ALIKE.search(composed) else composed
    return latin, seen != text, latin != composed
