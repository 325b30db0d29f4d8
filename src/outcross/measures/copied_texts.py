"""What copying and diversity say of columns of text: taken over word for word, said again, said nearly again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from outcross.estimate import Estimate, NotApplicable, Null, Reading
from outcross.measures import Evidence, Page, Pointed, read_with_null
from outcross.measures.writing import Writing, called, notes, writings
from outcross.statistics import clusters
from outcross.statistics.floors import larger_share
from outcross.text.copies import RUN, Verbatim, nearest, verbatim, verbatim_elsewhere

CHARACTERS = 4_000_000
"""Characters of synthetic and of fresh human texts that are looked up in the reference, at most."""
RECORDS = 50_000
HALF = 0.5
"""Share of the runs of a text that stand in the reference from which it is called taken over."""
LONGEST = 0.01
"""Share of human records whose longest copied run is called long."""
ALIKE = 0.7
"""Jaccard similarity of 5-grams of words from which two texts are near duplicates."""
FEWEST = 30
"""Texts of eight words a side, below which no copies are compared."""
POINTED = 200

COPYING = {
    "verbatim": Page(
        "CP3", "texts taken over", "Share of texts (of eight words at least) half of whose runs of eight words stand in the reference, against what fresh human texts show.",
        unit="fraction", healthy="what real data of this size show", collapsed="rises above what is healthy",
        margin=0.01, worse="larger", of="difference", is_invention=True, role="copying", paper="Brown et al., arXiv 2005.14165, appendix C (runs of words); Lee et al., ACL 2022, arXiv 2107.06499",
    ),
    "longest_run": Page(
        "CP4", "long runs taken over", "Share of texts whose longest run of words that stands in the reference is as long as that of the 1 % of fresh human texts that take most over, at least eight words.",
        unit="fraction", healthy="what real data of this size show", collapsed="rises above what is healthy",
        margin=0.01, worse="larger", of="difference", is_invention=True, role="copying", paper="Carlini et al., Quantifying Memorization, ICLR 2023, arXiv 2202.07646",
    ),
}  # fmt: skip

DIVERSITY = {
    "repeated_texts": Page(
        "DI8", "texts said again", "Share of texts that stand, to the character, elsewhere in the set, against as many human texts.",
        unit="fraction", healthy="what real data of this size show", collapsed="rises above what is healthy",
        margin=0.01, worse="larger", of="difference", role="diversity", paper="Lee et al., Deduplicating Training Data, ACL 2022, arXiv 2107.06499",
    ),
    "alike_texts": Page(
        "DI9", "texts nearly said again", "Share of texts (of five words at least) that share 70 % of their runs of five words with another of the set (Jaccard), against as many human texts.",
        unit="fraction", healthy="what real data of this size show", collapsed="rises above what is healthy",
        margin=0.01, worse="larger", of="difference", role="diversity", paper="Broder, 1997; Lee et al., ACL 2022, arXiv 2107.06499",
    ),
}  # fmt: skip


def taken_over(evidence: Evidence) -> Iterator[Reading | Pointed]:
    """What stands in the reference word for word, of every column of text."""
    for column in evidence.reference.of_kind("text"):
        sides = {side: writings(told)[column] for side, told in evidence.sides().items()}
        synthetic, reference, holdout = sides["synthetic"], sides["reference"], sides.get("holdout")
        drawn = synthetic.at_most(CHARACTERS, RECORDS)
        own = _copied(drawn, verbatim(drawn.texts.words, reference.texts.words))
        if holdout is not None:
            fresh = holdout.at_most(CHARACTERS, RECORDS)
            human = _copied(fresh, verbatim(fresh.texts.words, reference.texts.words))
        else:
            human = _copied(reference, verbatim_elsewhere(reference.texts.words, reference.documents), PAIRED)
        note = "; ".join(filter(None, (f"{len(own):,} texts in {len(reference):,} of the reference", notes(synthetic, reference))))
        yield read_with_null("verbatim", lambda own=own, human=human: own.taken(human), column=column, note=note)
        yield read_with_null("longest_run", lambda own=own, human=human: own.long(human), column=column, note=note)
        many = np.flatnonzero(own.share >= HALF)
        many = many[np.argsort(-own.share[many], kind="stable")][:POINTED]
        if many.size:
            why = f"{HALF:.0%} or more of its runs of {RUN} words stand in the reference"
            yield Pointed("synthetic", own.rows[many], own.share[many], why)


PAIRED = 0.25
"""What a text is worth that is held against others of its own set: these come in pairs at least, and one that is there once moves many."""


@dataclass(frozen=True, eq=False)
class Copied:
    """How much of each text of eight words or more stands in the reference."""

    rows: np.ndarray
    share: np.ndarray
    """Of its runs of eight words that stand there, (texts,)."""
    longest: np.ndarray
    """Words of the longest stretch that stands there, (texts,)."""
    documents: np.ndarray
    of: str
    """What the documents are called."""
    worth: float
    """How many independent texts each is worth, in (0, 1]."""

    def __len__(self) -> int:
        return self.rows.size

    def taken(self, human: Copied) -> tuple[Estimate, Null]:
        return self._more(human, self.share >= HALF, human.share >= HALF)

    def long(self, human: Copied) -> tuple[Estimate, Null]:
        if not len(human):
            raise NotApplicable("no human text has eight words")
        limit = max(RUN, int(np.sort(human.longest)[-int(LONGEST * len(human)) - 1]))
        return self._more(human, self.longest >= limit, human.longest >= limit)

    def _more(self, human: Copied, own: np.ndarray, others: np.ndarray) -> tuple[Estimate, Null]:
        if min(len(self), len(human)) < FEWEST:
            raise NotApplicable(
                f"{len(self)} synthetic and {len(human)} human texts have {RUN} words, copies are compared from {FEWEST}"
            )
        (hits, sizes), (human_hits, human_sizes) = _by_document(self.documents, own), _by_document(human.documents, others)
        estimate = clusters.share(hits, sizes, "texts", self.of)
        n = max(1.0, clusters.effective_size(hits, sizes))
        m = max(1.0, human.worth * clusters.effective_size(human_hits, human_sizes))
        usual = float(others.mean())
        null = larger_share(round(float(own.mean()) * n), round(n), round(usual * m), round(m))
        return estimate, replace(null, typical=usual, floor=max(usual, null.floor or 0.0))


def _copied(writing: Writing, told: Verbatim, worth: float = 1.0) -> Copied:
    there = writing.texts.words.per_block >= RUN
    rows, documents = writing.rows[there], writing.documents[there]
    return Copied(rows, told.share[there], told.longest[there], documents, called(writing), worth)


def _by_document(documents: np.ndarray, hits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Hits and texts of each document."""
    sizes = np.bincount(documents)
    return np.bincount(documents, hits, sizes.size)[sizes > 0], sizes[sizes > 0].astype(float)


def said_again(evidence: Evidence) -> Iterator[Reading]:
    """What is said again within each set, the synthetic one and as much of the human one, of every column of text."""
    for column in evidence.reference.of_kind("text"):
        pair = [writings(side)[column].at_most(CHARACTERS, RECORDS) for side in (evidence.drawn, evidence.reference)]
        n = min(map(len, pair))
        synthetic, human = (side.at_most(2 * CHARACTERS, n) for side in pair)
        note = "; ".join(filter(None, (f"{n:,} texts a side", notes(synthetic, human))))
        yield read_with_null(
            "repeated_texts", lambda a=synthetic, b=human: _again(_repeated(a), _repeated(b)), column=column, note=note
        )
        yield read_with_null("alike_texts", lambda a=synthetic, b=human: _again(_alike(a), _alike(b)), column=column, note=note)


def _repeated(side: Writing) -> np.ndarray:
    from outcross.text.copies import repeated

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
