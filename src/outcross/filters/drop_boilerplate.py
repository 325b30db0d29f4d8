from __future__ import annotations

import re
from collections import Counter
from typing import Annotated

import numpy as np
from pydantic import Field

from outcross.filters import Filter, FilterPage, Selection
from outcross.recipe import FROM_LIST, recipe

PHRASE, LINES = "it holds a phrase that was named", "it is made of lines that many candidates share"
PIECES = re.compile(r"[\r\n]+|(?<=[.!?…])\s+|(?<=[。！？])")
"""Where a line or a sentence ends."""


@recipe
class DropBoilerplateFilter(Filter):
    """Drop texts that are made of lines which many others share, as notices, menus and refusals."""

    texts: Annotated[int, Field(ge=2)] = 10
    """Different texts in which a line or a sentence stands that is boilerplate, at least."""
    share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Fraction of a text's characters in such lines from which it goes, in (0, 1]."""
    phrases: Annotated[tuple[str, ...], FROM_LIST] = ()
    """Words of which a text that holds any goes, whoever else says them, as "as an ai language model"."""

    page = FilterPage(
        "drop boilerplate", "Lines and sentences in lower case, digits as one sign, that stand in ten different texts (unless set) are boilerplate; a text goes where they make up half of its characters (unless set), or where it holds a phrase that was named.",
        "Ten is few among millions of texts and many among hundreds. Refrains, prayers and short answers (yes, thank you) are said by many because people say them. Copies of one text count once.",
        "Raffel et al., JMLR 21:140 (2020), section 2.2 (C4); Lee et al., ACL 2022, arXiv 2107.06499",
    )  # fmt: skip
    libraries = ("polars",)

    @property
    def needs(self):
        return ("texts",)

    def select(self, candidates, rng):
        texts = list(candidates.texts)
        pieces = [[_alike(piece) for piece in PIECES.split(text) if piece.strip()] for text in texts]
        copies = Counter(tuple(lines) for lines in pieces)
        counts = Counter(piece for lines in copies for piece in set(lines))
        shares = np.zeros(len(texts))
        for row, lines in enumerate(pieces):
            total = sum(map(len, lines))
            shares[row] = sum(len(line) for line in lines if counts[line] >= self.texts) / total if total else 0.0
        named = [_alike(phrase) for phrase in self.phrases]
        says = np.array([any(phrase in _alike(text) for phrase in named) for text in texts], dtype=bool)
        reason = np.where(says, 0, np.where(shares >= self.share, 1, -1))
        common = [f"{line!r:.80} ({count:,})" for line, count in counts.most_common(3) if count >= self.texts]
        return Selection(
            (reason < 0).astype(np.int64),
            value=shares,
            reason=reason,
            reasons=(PHRASE, LINES),
            notes=(f"the lines that most share: {', '.join(common)}",) if common else (),
            facts={"lines": sum(count >= self.texts for count in counts.values())},
        )


def _alike(piece: str) -> str:
    """A line without what differs between copies: letters in lower case, white space as one space, numbers as 0."""
    return re.sub(r"\d+", "0", " ".join(piece.lower().split()))
