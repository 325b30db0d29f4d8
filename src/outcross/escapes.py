"""Makes text from outside safe to show: invisible characters are escaped, and long names are shortened."""

from __future__ import annotations

import re
from collections.abc import Iterable

# Control characters (C0 and C1), marks of text direction, line separators and lone surrogates.
_OBEYED = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]")


def escaped(text: str) -> str:
    """The text on one line. Characters that cannot be printed are escaped as Python writes them.

    >>> escaped("a\\n\\x9b\\u202eb")
    'a\\\\n\\\\x9b\\\\u202eb'
    """
    return text if text.isprintable() else "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def escaped_json(written: str) -> str:
    """JSON on one line. Control characters and marks of text direction, which occur only inside strings, are written as \\uXXXX.

    >>> escaped_json('{"a": "\\u202eb"}')
    '{"a": "\\\\u202eb"}'
    """
    return _OBEYED.sub(lambda match: f"\\u{ord(match[0]):04x}", written)


_MARKS = re.compile(r"[^A-Za-z0-9 ,%/.;?\u0080-\U0010ffff-]|(?<=[wW]{3})\.")
"""ASCII characters that may be markup in Markdown or HTML, or that may turn an address into a link."""


def in_markdown(text: str) -> str:
    """Text on one line for a sentence or a table cell of Markdown. Characters that may be markup or form a link are escaped.

    >>> in_markdown("a_b|<b>*www.x.y*")
    'a&#95;b&#124;&#60;b&#62;&#42;www&#46;x.y&#42;'
    """
    return _MARKS.sub(lambda match: f"&#{ord(match[0])};", escaped(text))


def fenced(text: str, language: str = "") -> str:
    """Text as a code block of Markdown. The fence is longer than every run of backticks in the text."""
    ticks = "`" * max(3, _longest_ticks(text) + 1)
    return f"{ticks}{language}\n{text.rstrip()}\n{ticks}"


def coded(text: str) -> str:
    """Text on one line as a code span of Markdown. The delimiter is longer than every run of backticks in the text."""
    ticks = "`" * (_longest_ticks(text) + 1)
    return f"{ticks} {escaped(text)} {ticks}"


def _longest_ticks(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)


NAME = 60
"""Maximum length, in characters, of a name from outside (a column, a category) in a sentence, on a screen or on a page."""


def names_apart(names: Iterable[str], length: int = 24) -> dict[str, str]:
    """Short forms of several names, by name. A name that is too long is shortened, but no two names get the same short form.

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
"""Maximum length, in characters, of the description of a part of the data (the rule of a region, several groups together).

It is wrapped when it is shown.
"""


def shortened(name: str, length: int = NAME) -> str:
    """A name without its middle if it is longer than `length`. Names of arms usually differ at their beginning and end, which are kept.

    >>> shortened("gaussian: human_share=0.1,rows=50", 20)
    'gaussian: …1,rows=50'
    """
    if len(name) <= length:
        return name
    end = (length - 1) // 2
    return f"{name[: length - 1 - end]}…{name[-end:]}"
