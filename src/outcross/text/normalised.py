"""Texts without what a copy, an editor or a trick leaves in them: invisible characters, letters of other scripts that look alike, typographic signs, Markdown.

A detector must not decide by them: a newline, a curly quote or a Cyrillic letter says how a file was made, and not who wrote the text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from outcross.text.texts import texts

INVISIBLE = "\u00ad\u034f\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069\ufeff"
"""Characters without width: joiners, marks of direction, soft hyphens."""
LOOKALIKES = dict(
    zip(
        "АВЕЅІЈКМНОРСТХЗаеѕіјорсухԁһԛԝΑΒΕΖΗΙΚΜΝΟΡΤΥΧοινα",
        "ABESIJKMHOPCTX3aesijopcyxdhqwABEZHIKMNOPTYXoiva",
        strict=True,
    )
)
"""Cyrillic and Greek letters, and the Latin letter that each looks like."""
PLAIN = {**dict.fromkeys("‘’‚‛′ʼ`´", "'"), **dict.fromkeys("“”„‟″«»", '"'), **dict.fromkeys("‐‑‒–—―−", "-"), "…": "..."}
"""Typographic signs, and what stands for each on a keyboard."""
_SIGNS, _GONE = (re.compile(f"[{''.join(signs)}]") for signs in (PLAIN, INVISIBLE))
_LATIN_WORD = re.compile(r"[^\W\d_]*[A-Za-z][^\W\d_]*")
_ALIKE = re.compile(f"[{''.join(LOOKALIKES)}]")
_TO_LATIN = str.maketrans(LOOKALIKES)
_START_OF_LINE = re.compile(r"\s{0,3}(?:#{1,6}\s+|>\s+|[-*+•]\s+|\d+[.)]\s+)")
_STARTS_OF_LINES = re.compile(f"(?m)^{_START_OF_LINE.pattern}")
_AROUND_WORDS = re.compile(r"[*_~]{1,3}(?=\S)|(?<=\S)[*_~]{1,3}|'{3}")


@dataclass(frozen=True, eq=False)
class NormalisedTexts:
    """Texts as a detector reads them, and what was taken out."""

    strings: list[str]
    has_invisible: np.ndarray
    """Whether characters without width stood in each text, (n,)."""
    has_lookalikes: np.ndarray
    """Whether letters of another script stood in a Latin word of it, (n,)."""


def normalised(given: Sequence[str]) -> NormalisedTexts:
    """Texts in one form: NFKC, no invisible characters, look-alikes inside Latin words as Latin letters, plain quotes and dashes, no Markdown, single spaces.

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
    """A text without marks at the start of a line and around words."""
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
