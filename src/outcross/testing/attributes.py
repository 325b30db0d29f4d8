"""The promises of attributes."""

from __future__ import annotations

from typing import Any

import numpy as np

from outcross.attributes import AttributePage
from outcross.testing.promises import Broken, promise, require, require_page

HUMAN = [
    f"the {animal} saw a {other}, and the {other} ran. So it was."
    for animal in ["cat", "dog", "cow", "hen"]
    for other in ["fox", "owl", "elk"]
]
HOSTILE = [
    "",
    " \t\r\n",
    "\x00\x01\x1b[31m",
    "\ud800 lone \udfff",
    "…" * 500,
    "日本語のテキスト。東京！",
    "שלום עולם",
    "हिन्दी में लिखा",
    "ภาษาไทยไม่มีเว้นวรรค",
    "👩‍👩‍👧 🏳️‍🌈",
    "a" * 100_000,
    "e\u0301" * 1000,
    "<script>alert('x')</script>",
    "1,847.5 2nd ½ Ⅷ",
    "İSTANBUL ß ﬁ",
    "word " * 3000,
]
"""Hostile texts such as crawlers collect."""


def reading(attribute: Any, reader: Any, texts: Any) -> np.ndarray:
    """The numbers that an attribute reads. Raises Broken unless there is one number in its range for each text."""
    values = reader(texts)
    if not isinstance(values, np.ndarray) or values.shape != (len(texts),) or values.dtype != np.float64:
        shape = getattr(values, "shape", None) if not isinstance(values, list) else (len(values),)
        raise Broken(
            f"it must give an array of {len(texts)} float64 for {len(texts)} texts, got {type(values).__name__} of shape {shape}",
            "__call__",
        )
    low, high = attribute.page.range
    numbers = values[~np.isnan(values)]
    require(np.isfinite(numbers).all(), "it gives an infinite number", "__call__")
    outside = numbers[(numbers < low - 1e-12) | (numbers > high + 1e-12)]
    require(not outside.size, f"it gives {outside[:1]}, outside its range [{low:g}, {high:g}]", "__call__")
    return values


@promise("It has a page: a title, a definition, a unit, a range, what it misleads about, and its paper.")
def has_a_page(attribute: Any) -> None:
    require_page(attribute.page, AttributePage, ("title", "definition", "unit", "misleads", "paper"))
    require(attribute.page.range[0] < attribute.page.range[1], f"its range is {attribute.page.range}")


@promise(
    "It gives one number in its range for each text, whatever this text and the other texts are, and NaN only if a text has no such number."
)
def reads_any_text(attribute: Any) -> None:
    reader = attribute.fit(HUMAN)
    texts = [*HOSTILE, *HUMAN[:2]]
    copy = list(texts)
    values = reading(attribute, reader, texts)
    require(texts == copy, "it changes the list of texts", "__call__")
    alone = np.array([reading(attribute, reader, [text])[0] for text in texts])
    wrong = np.flatnonzero(~np.isclose(values, alone, rtol=1e-12, atol=1e-12, equal_nan=True))
    require(not wrong.size, f"text {wrong[:1]} has another number if it is read alone", "__call__")
    require(reading(attribute, reader, []).shape == (0,), "an empty list of texts must give an empty array", "__call__")


@promise("It reads every plain human text.")
def reads_people(attribute: Any) -> None:
    values = reading(attribute, attribute.fit(HUMAN), HUMAN)
    if bad := int((~np.isfinite(values)).sum()):
        raise Broken(f"{bad} of {len(HUMAN)} plain texts have NaN", "__call__")


@promise("It reads lists, tuples and arrays of texts alike.")
def reads_any_sequence(attribute: Any) -> None:
    reader = attribute.fit(HUMAN)
    readings = reading(attribute, reader, HUMAN)
    for other in (tuple(HUMAN), np.array(HUMAN)):
        require(
            np.array_equal(reading(attribute, reader, other), readings, equal_nan=True),
            f"a {type(other).__name__} gives other numbers",
            "__call__",
        )


@promise("The order of the human texts that it is fitted to changes no reading.")
def order_of_human_texts(attribute: Any) -> None:
    others = [*HUMAN[::-1], "a text of another kind; it has 12 words, or so."]
    readings, readings_reversed = (reading(attribute, attribute.fit(human), others) for human in (HUMAN, HUMAN[::-1]))
    require(np.array_equal(readings, readings_reversed, equal_nan=True), "it changes the readings", "fit")


def outcome(attribute: Any) -> str:
    """The readings of an attribute, to be compared with those in another process."""
    return attribute.fit(HUMAN)([*HUMAN, *HOSTILE]).tobytes().hex()


PROMISES = (has_a_page, reads_any_text, reads_people, reads_any_sequence, order_of_human_texts)
