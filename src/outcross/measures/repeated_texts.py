"""Do texts of a set repeat each other?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from outcross.estimate import Estimate, NotApplicable, Null
from outcross.measures import Page, read_with_null
from outcross.measures.of_texts import OfTexts
from outcross.measures.writing import Writing, notes, writings
from outcross.recipe import recipe
from outcross.statistics import clusters
from outcross.statistics.floors import larger_share
from outcross.text.copies import nearest, repeated
from outcross.wording import amount

CHARACTERS = 4_000_000
"""Maximum number of characters that are read per side."""
RECORDS = 50_000
ALIKE = 0.7
"""Minimum Jaccard similarity of the word 5-grams of two near duplicates."""
FEWEST = 30
"""Minimum number of texts per side."""


@recipe
class RepeatedTexts(OfTexts):
    """Exact and near duplicates among the texts, compared with equally many human texts."""

    aspect = "diversity"
    by_default = False
    pages = {
        "repeated_texts": Page(
            "DI8", "repeated texts", "Share of texts that occur again in the set, character by character, compared with equally many human texts.",
            unit="fraction", healthy="the value for real data of this size", collapsed="rises above the healthy value",
            margin=0.01, worse="larger", margin_kind="difference", role="diversity", paper="Lee et al., Deduplicating Training Data, ACL 2022, arXiv 2107.06499",
        ),
        "alike_texts": Page(
            "DI9", "nearly repeated texts", "Share of texts (of at least five words) whose runs of five words have a Jaccard similarity of at least 0.7 with those of another text of the set, compared with equally many human texts.",
            unit="fraction", healthy="the value for real data of this size", collapsed="rises above the healthy value",
            margin=0.01, worse="larger", margin_kind="difference", role="diversity", paper="Broder, 1997; Lee et al., ACL 2022, arXiv 2107.06499",
        ),
    }  # fmt: skip

    def __call__(self, evidence, rng):
        for column in evidence.reference.of_kind("text"):
            pair = [writings(side)[column].at_most(CHARACTERS, RECORDS) for side in (evidence.drawn, evidence.reference)]
            n = min(map(len, pair))
            synthetic, human = (side.at_most(2 * CHARACTERS, n) for side in pair)
            note = "; ".join(filter(None, (f"{amount(n, 'text')} a side", notes(synthetic, human))))
            for check, counted in (("repeated_texts", _repeated), ("alike_texts", _alike)):
                yield read_with_null(
                    check, lambda counted=counted, a=synthetic, b=human: _again(counted(a), counted(b)), column=column, note=note
                )


def _repeated(side: Writing) -> np.ndarray:
    return repeated(side.texts)


def _alike(side: Writing) -> np.ndarray:
    """Return whether each text has a near duplicate, for the texts of at least five words."""
    likeness = nearest(side.texts)
    return likeness[~np.isnan(likeness)] >= ALIKE


def _again(synthetic: np.ndarray, human: np.ndarray) -> tuple[Estimate, Null]:
    """Return the share of duplicates and its null. Duplicates come in pairs, so half as many are independent."""
    if min(synthetic.size, human.size) < FEWEST:
        raise NotApplicable(
            f"{synthetic.size} synthetic and {human.size} human texts, but duplicates are compared only from {FEWEST} per side on"
        )
    (hits, n), (human_hits, m) = ((int(side.sum()) // 2, side.size // 2) for side in (synthetic, human))
    estimate = clusters.share(np.array([0.0] * (n - hits) + [1.0] * hits), np.ones(n), "pairs", "pairs")
    value, usual = float(synthetic.mean()), float(human.mean())
    low, high = estimate.interval
    estimate = replace(estimate, value=value, low=min(low, value), high=max(high, value), n=synthetic.size)
    null = larger_share(hits, n, human_hits, m)
    return estimate, replace(null, typical=usual, floor=max(usual, null.floor or 0.0))
