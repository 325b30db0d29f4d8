"""Do texts say again what others of the set say?"""

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
"""Characters of either side that are looked at, at most."""
RECORDS = 50_000
ALIKE = 0.7
"""Jaccard similarity of 5-grams of words from which two texts are near duplicates."""
FEWEST = 30
"""Texts a side, below which no duplicates are looked for."""


@recipe
class RepeatedTexts(OfTexts):
    """Texts that stand in their set again, to the character or nearly so, against as many human texts."""

    aspect = "diversity"
    by_default = False
    pages = {
        "repeated_texts": Page(
            "DI8", "texts said again", "Share of texts that stand, to the character, elsewhere in the set, against as many human texts.",
            unit="fraction", healthy="what real data of this size show", collapsed="rises above what is healthy",
            margin=0.01, worse="larger", margin_kind="difference", role="diversity", paper="Lee et al., Deduplicating Training Data, ACL 2022, arXiv 2107.06499",
        ),
        "alike_texts": Page(
            "DI9", "texts nearly said again", "Share of texts (of five words at least) that share 70 % of their runs of five words with another of the set (Jaccard), against as many human texts.",
            unit="fraction", healthy="what real data of this size show", collapsed="rises above what is healthy",
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
    """Whether each text has a near duplicate, of those with a run."""
    likeness = nearest(side.texts)
    return likeness[~np.isnan(likeness)] >= ALIKE


def _again(synthetic: np.ndarray, human: np.ndarray) -> tuple[Estimate, Null]:
    """Duplicates come in pairs, so half as many are independent."""
    if min(synthetic.size, human.size) < FEWEST:
        raise NotApplicable(f"{synthetic.size} synthetic and {human.size} human texts, duplicates are looked for from {FEWEST}")
    (hits, n), (human_hits, m) = ((int(side.sum()) // 2, side.size // 2) for side in (synthetic, human))
    estimate = clusters.share(np.array([0.0] * (n - hits) + [1.0] * hits), np.ones(n), "pairs", "pairs")
    value, usual = float(synthetic.mean()), float(human.mean())
    low, high = estimate.interval
    estimate = replace(estimate, value=value, low=min(low, value), high=max(high, value), n=synthetic.size)
    null = larger_share(hits, n, human_hits, m)
    return estimate, replace(null, typical=usual, floor=max(usual, null.floor or 0.0))
