from __future__ import annotations

from typing import Annotated

from pydantic import Field

from outcross.recipe import recipe
from outcross.sources.text import Stdlib
from outcross.text.gathering import Document

LINES = 40
"""Number of sums in a document."""
STRIDES = (3, 7, 9, 11, 13, 17, 19, 21, 23, 27, 29, 31, 33, 37, 39, 41, 43, 47, 49)
"""Step widths, coprime to 100, by which documents go through the hundred sums in different orders."""


@recipe
class StdlibSums(Stdlib):
    """The text of `stdlib` together with documents of sums of two digits, modulo 10. A program can check the sums but not the rest of the text."""

    sums: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Share of all characters that belong to sums, in (0, 1)."""

    def documents(self, blank_lines=False):
        return with_sums(super().documents(blank_lines), self.sums)


def with_sums(documents: list[Document], share: float) -> list[Document]:
    """Return the documents, followed by documents of sums that have this share of all characters."""
    wanted = sum(len(document.text) for document in documents) * share / (1 - share)
    drills: list[Document] = []
    while wanted > 0:
        drills.append(Document(drill(len(drills))))
        wanted -= len(drills[-1].text)
    return [*documents, *drills]


def drill(number: int) -> str:
    """Return the text of one document of sums.

    >>> drill(0).splitlines()[:3]
    ['0 + 0 = 0', '0 + 3 = 3', '0 + 6 = 6']
    """
    stride, first = STRIDES[number % len(STRIDES)], number * LINES
    return "\n".join(line((first + step * stride) % 100) for step in range(LINES))


def line(number: int) -> str:
    """Return one of the hundred sums with its answer."""
    return f"{asked(number)} {right(number)}"


def asked(number: int) -> str:
    """Return one of the hundred sums without its answer."""
    return f"{number // 10} + {number % 10} ="


def right(number: int) -> int:
    """Return the answer, modulo 10."""
    return (number // 10 + number % 10) % 10
