"""Text from outside, made fit to be shown: what cannot be seen is escaped, and what is too long is shortened."""

from __future__ import annotations

import re
from collections.abc import Iterable

# The controls C0 and C1, the marks that turn text around, the separators of lines, and halves of surrogate pairs.
_OBEYED = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]")


def escaped(text: str) -> str:
    """The text on one line, with every character that cannot be seen escaped as Python writes it.

    >>> escaped("a\\n\\x9b\\u202eb")
    'a\\\\n\\\\x9b\\\\u202eb'
    """
    return text if text.isprintable() else "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def escaped_json(written: str) -> str:
    """JSON on one line, in which controls and marks that turn text around are written as \\uXXXX: they can only stand within strings.

    >>> escaped_json('{"a": "\\u202eb"}')
    '{"a": "\\\\u202eb"}'
    """
    return _OBEYED.sub(lambda match: f"\\u{ord(match[0]):04x}", written)


_MARKS = re.compile(r"[^A-Za-z0-9 ,%/.;?\u0080-\U0010ffff-]|(?<=[wW]{3})\.")
"""ASCII that Markdown, HTML or a reader that makes links of addresses may obey."""


def in_markdown(text: str) -> str:
    """Text for a sentence or a cell of Markdown, on one line, in which no sign is a mark of Markdown, HTML or a link.

    >>> in_markdown("a_b|<b>*www.x.y*")
    'a&#95;b&#124;&#60;b&#62;&#42;www&#46;x.y&#42;'
    """
    return _MARKS.sub(lambda match: f"&#{ord(match[0])};", escaped(text))


def fenced(text: str, language: str = "") -> str:
    """Text as a block of code of Markdown, which no mark in it can leave."""
    ticks = "`" * max(3, _longest_ticks(text) + 1)
    return f"{ticks}{language}\n{text.rstrip()}\n{ticks}"


def coded(text: str) -> str:
    """Text on one line as a span of code of Markdown, which no mark in it can leave."""
    ticks = "`" * (_longest_ticks(text) + 1)
    return f"{ticks} {escaped(text)} {ticks}"


def _longest_ticks(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)


NAME = 60
"""Characters of a name from outside (a column, a value of a category) where a sentence, a screen or a page shows it."""


def names_apart(names: Iterable[str], length: int = 24) -> dict[str, str]:
    """Each of several names, shortened where it is too long, but never two of them to the same letters.

    >>> list(names_apart(["run-of-the-whole-corpus-seed-1-late", "run-of-the-whole-corpus-seed-2-late", "other"], 14).values())
    ['run-of-…1-late', 'run-of-…2-late', 'other']
    """
    names = list(dict.fromkeys(names))
    longest = max(map(len, names), default=0)
    for room in range(length, longest + 1):
        short = [shortened(name, room) for name in names]
        ends = [name if len(name) <= room else f"…{name[1 - room :]}" for name in names]
        for shortening in (short, ends):
            if len(set(shortening)) == len(names):
                return dict(zip(names, shortening, strict=True))
    return {name: name for name in names}


RULE = 160
"""Characters of what names a part of the data (the rule of a region, several groups together); it is wrapped where it is shown."""


def shortened(name: str, length: int = NAME) -> str:
    """A name without its middle where it is too long: names of arms begin and end with what tells them apart.

    >>> shortened("gaussian: human_share=0.1,rows=50", 20)
    'gaussian: …1,rows=50'
    """
    if len(name) <= length:
        return name
    end = (length - 1) // 2
    return f"{name[: length - 1 - end]}…{name[-end:]}"
