"""Makes text of a model safe to show: no character is invisible, and none changes the direction of the page."""

from __future__ import annotations

import difflib
import re

# Bidirectional overrides and isolates reorder the text around them. The other code points are invisible or not characters.
_SHOWN_BY_CODE = re.compile("[\x80-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ufffe\uffff]")
_CONTROLS = {code: 0x2400 + code for code in range(0x20) if chr(code) not in "\n\t"} | {0x7F: 0x2421}

COMMON_WORDS = 3
"""Smallest number of consecutive words that count as common to two texts."""


def visible(text: str) -> str:
    """Replace control characters by their pictures or codes. Newlines and tabs stay.

    >>> visible("a\\0b\\u202ec")
    'a␀b⟨U+202E⟩c'
    """
    text = text.encode("utf-8", "replace").decode("utf-8") if _has_surrogates(text) else text
    text = text.replace("\r\n", "\n").translate(_CONTROLS)
    return _SHOWN_BY_CODE.sub(lambda match: f"⟨U+{ord(match[0]):04X}⟩", text)


def _has_surrogates(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def cut(text: str, length: int) -> str:
    """The beginning of a text, with an ellipsis if the text is longer."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def ending(text: str, length: int = 140) -> str:
    """The end of a text, with an ellipsis if the text is longer."""
    text = text.strip()
    return text if len(text) <= length else "…" + text[1 - length :].lstrip()


def repeats(text: str, words: int = 3) -> list[tuple[str, bool]]:
    """Split a text into pieces, each with whether it repeats `words` or more consecutive words from earlier in the same text.

    >>> repeats("to the end and to the end")
    [('to the end and ', False), ('to the end', True)]
    """
    places = [(match.start(), match.end()) for match in re.finditer(r"\w+", text)]
    keys = [text[start:end].casefold() for start, end in places]
    seen: set[tuple[str, ...]] = set()
    repeated: set[int] = set()
    for first in range(len(keys) - words + 1):
        phrase = tuple(keys[first : first + words])
        if phrase in seen:
            repeated.update(range(first, first + words))
        seen.add(phrase)
    runs: list[tuple[str, bool]] = []
    position = 0
    for index in sorted(repeated):
        start, end = places[index]
        if index - 1 in repeated and runs:
            runs[-1] = (runs[-1][0] + text[position:end], True)
        else:
            if start > position:
                runs.append((text[position:start], False))
            runs.append((text[start:end], True))
        position = end
    if position < len(text):
        runs.append((text[position:], False))
    return runs


def shared(before: str, text: str) -> list[bool]:
    """For every character of a text, whether it belongs to at least COMMON_WORDS consecutive words that also occur, in the same order, in an earlier text.

    >>> kept = shared("the cat sat on the mat", "a cat sat on the log")
    >>> "".join(letter for letter, is_kept in zip("a cat sat on the log", kept) if is_kept)
    'cat sat on the'
    """
    places = [[(match.start(), match.end()) for match in re.finditer(r"\w+", each_text)] for each_text in (before, text)]
    first, second = (
        [each_text[start:end].casefold() for start, end in spans] for each_text, spans in zip((before, text), places, strict=True)
    )
    is_shared = [False] * len(text)
    for block in difflib.SequenceMatcher(None, first, second, autojunk=False).get_matching_blocks():
        if block.size >= COMMON_WORDS:
            start, end = places[1][block.b][0], places[1][block.b + block.size - 1][1]
            is_shared[start:end] = [True] * (end - start)
    return is_shared
