"""Statistics of the words of a set of texts, such as their diversity and evenness, with intervals over documents.

Most of them depend on the amount of text. Two sets are therefore compared at the same number of words: by `at` if a measure takes it, or
after `Sample.first`. Kinds are counted and not averaged, so their intervals are never bootstraps (`clusters.distinct`, `clusters.jackknife`).
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from outcross.estimate import Estimate, NotApplicable, mean
from outcross.statistics.clusters import distinct as counted
from outcross.statistics.clusters import jackknife, share, totals
from outcross.text.texts import texts
from outcross.text.words import RunningWords
from outcross.wording import amount

BANDS = {"1 time": (1, 1), "2 times": (2, 2), "3-5 times": (3, 5), "6-10 times": (6, 10)}
"""Bands of rare words, by their number of occurrences in human text."""
PORTIONS = 20
"""Maximum number of portions for measures that are computed on several portions of equal size."""


@dataclass(frozen=True)
class Sample:
    """Words with the clusters for resampling: the cluster number of each block, and the name of the clusters."""

    words: RunningWords
    clusters: np.ndarray  # (n,)
    cluster_kind: str

    def take(self, rows: np.ndarray) -> Sample:
        return Sample(self.words.take(rows), self.clusters[np.sort(rows)], self.cluster_kind)

    def first(self, words: int, rng: np.random.Generator) -> Sample:
        """Return texts in random order with about `words` words, to the nearest text."""
        if len(self.words) < words:
            raise NotApplicable(f"the text has {amount(len(self.words), 'word')}, fewer than {words}")
        if words == 0:
            raise NotApplicable("no words to compare")
        rows = rng.permutation(self.words.n)
        return self.take(rows[: np.abs(np.cumsum(self.words.per_block[rows]) - words).argmin() + 1])

    @property
    def own(self) -> Sample:
        """Return the same texts without the words that occur in their own prompts."""
        return Sample(self.words.own, self.clusters, self.cluster_kind)

    def runs(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the codes of its running n-grams and the cluster of each. Raises NotApplicable if there are none."""
        runs = self.words.runs[n]
        if len(runs) == 0:
            raise NotApplicable("the text has no whole words" if n == 1 else f"no block of the text has {n} whole words")
        return runs.codes, self.clusters[runs.blocks]

    def spread(self, per_block: np.ndarray) -> np.ndarray:
        """Sum numbers per block over clusters."""
        return totals(per_block, self.clusters)


def sample(given: Sequence[str], documents: np.ndarray | None = None) -> Sample:
    """Return the words of texts as a sample. `documents` (n,) is the document of each text; None if every text is a separate document."""
    words = texts(given).words
    document = np.arange(words.n) if documents is None else np.unique(documents, return_inverse=True)[1]
    return Sample(words, document, "documents")


@dataclass(frozen=True)
class Kinds:
    """The kinds of n-grams in a sample, and how often each kind occurs in each cluster."""

    counts: np.ndarray  # (codes,)
    running: np.ndarray  # (clusters,): number of n-grams of each cluster
    codes: np.ndarray  # (pairs,): the kind, for each pair of a cluster and a kind
    clusters: np.ndarray  # (pairs,): the cluster of each pair
    own: np.ndarray  # (pairs,): the number of occurrences of the kind in the cluster

    def per_cluster(self, values: np.ndarray) -> np.ndarray:
        """Sum the values of pairs over each cluster, (clusters,)."""
        return totals(values, self.clusters, self.running.size)

    def without(self) -> np.ndarray:
        """Return the number of occurrences of the kind of each pair outside the pair's cluster, (pairs,)."""
        return self.counts[self.codes] - self.own


def kinds(text: Sample, n: int = 1) -> Kinds:
    """Return the kinds of n-grams in a sample. Raises NotApplicable if there are none."""
    codes, clusters = text.runs(n)
    counts, running = np.bincount(codes), np.bincount(clusters, minlength=_documents(text))
    occurs = counts > 0  # some codes can be unused, because the words of a part are numbered as in the whole
    codes, counts = (np.cumsum(occurs) - 1)[codes], counts[occurs]
    pairs, own = np.unique(clusters * counts.size + codes, return_counts=True)
    return Kinds(counts, running, pairs % counts.size, pairs // counts.size, own)


def distinct(text: Sample, n: int, at: int | None = None) -> Estimate:
    """Return the number of distinct n-grams of words over all n-grams, in [0, 1], at `at` words (distinct-n; Li et al., NAACL 2016).

    With `at` it is rarefied: the expectation, in closed form, for random documents that have `at` words together. Documents are drawn instead of
    words, because words cluster within documents. Single words from a large set would therefore look richer than a small set of whole documents
    (sample-based rarefaction on the scale of individuals; Gotelli & Colwell, Ecol. Lett. 4:379, 2001).
    """
    ngrams = kinds(text, n)
    if ngrams.own.sum() == ngrams.codes.size == ngrams.counts.size:  # no n-gram is repeated, so the jackknife would have no width
        return share(ngrams.running, ngrams.running, "n-grams", text.cluster_kind)
    if at is None:
        return counted(*text.runs(n), ngrams.running, text.cluster_kind, per=float(ngrams.running.sum()), maximum=1.0)
    value, drops, part = _expected(ngrams, _documents(text), _documents_for(at, text))
    running = float(ngrams.running.sum()) * part
    return jackknife(value / running, drops / running, ngrams.running, text.cluster_kind, maximum=1.0)


def _documents(text: Sample) -> int:
    return int(text.clusters.max(initial=-1)) + 1


def _documents_for(at: int, text: Sample) -> float:
    """Return the number of random documents that have `at` words on average."""
    words, documents = len(text.words), _documents(text)
    if words < at:
        raise NotApplicable(f"the text has {amount(words, 'word')}, fewer than {at}")
    if at * documents < words:
        raise NotApplicable(
            f"{at} words are less than one of the {text.cluster_kind}, which have {words / documents:.0f} on average"
        )
    return at * documents / words


def _expected(ngrams: Kinds, documents: int, drawn: float | None = None) -> tuple[float, np.ndarray, float]:
    """Return the expected number of kinds in `drawn` random documents (by default all), and the decrease without each cluster, (clusters,).

    The third value is the fraction of documents that is drawn.
    """
    drawn = documents if drawn is None else drawn
    inside = np.bincount(ngrams.codes, minlength=ngrams.counts.size)  # number of documents with each kind
    value = _seen(inside, documents, drawn).sum()
    left = min(drawn, documents - 1)
    others = _seen(np.arange(inside.max() + 1), documents - 1, left)
    lost = ngrams.per_cluster((others[inside] - others[inside - 1])[ngrams.codes])
    return float(value), value - others[inside].sum() + lost, drawn / documents


def _seen(inside: np.ndarray, documents: int, drawn: float) -> np.ndarray:
    """Return the probability that `drawn` of all documents include a kind that occurs in `inside` documents.

    It is 1 − C(documents − inside, drawn) / C(documents, drawn).
    """
    from scipy.special import gammaln

    spare = documents - inside - drawn + 1
    missed = spare > 0
    kept = np.maximum(spare, 1e-9)
    chance = (
        gammaln(np.maximum(documents - inside, 0) + 1.0) - gammaln(kept) - gammaln(documents + 1) + gammaln(documents - drawn + 1)
    )
    return np.where(missed, -np.expm1(np.minimum(chance, 0)), 1.0)


def entropy(text: Sample, n: int, corrected: bool = False) -> Estimate:
    """Return the entropy of n-grams of words in nats, ln N − Σ c ln c / N over counts c, optionally `corrected` for unseen kinds.

    The correction adds (kinds − 1) / 2N (Miller 1955), which removes the leading bias if most kinds occur often. This does not hold for words: in
    English (WikiText-2), 10⁴ words give 6.18 without and 6.31 with correction, and 1.7·10⁵ words give 6.64 and 6.67. So compare sets at the same
    number of words.
    """
    from scipy.special import xlogy

    ngrams = kinds(text, n)
    total, there, others = ngrams.counts.sum(), ngrams.counts[ngrams.codes], ngrams.without()
    whole = np.sort(xlogy(ngrams.counts, ngrams.counts)).sum()  # sorted, so that the order of the blocks changes no digit
    value, left = np.log(total) - whole / total, np.maximum(total - ngrams.running, 1)
    rest = np.log(left) - (whole + ngrams.per_cluster(xlogy(others, others) - xlogy(there, there))) / left
    if corrected:
        value += (ngrams.counts.size - 1) / (2 * total)
        rest += (ngrams.counts.size - ngrams.per_cluster(others == 0) - 1) / (2 * left)
    return jackknife(max(0.0, float(value)), value - rest, ngrams.running, text.cluster_kind)


def hapax_share(text: Sample) -> Estimate:
    """Return the share of distinct words that occur only once, in [0, 1]. It is larger for less text, so compare sets at the same number of words."""
    ngrams = kinds(text)
    others, there = ngrams.without(), ngrams.counts[ngrams.codes]
    once, distinct_words = int((ngrams.counts == 1).sum()), ngrams.counts.size
    new_once = ngrams.per_cluster((others == 1).astype(float)) - ngrams.per_cluster((there == 1).astype(float))
    left = np.maximum(distinct_words - ngrams.per_cluster(others == 0), 1)
    return jackknife(
        once / distinct_words, once / distinct_words - (once + new_once) / left, ngrams.running, text.cluster_kind, maximum=1.0
    )


def compression(given: Sequence[str], rng: np.random.Generator, size: int = 100_000) -> Estimate:
    """Return the bytes after zlib (level 9) over the bytes before, for portions of `size` bytes or up to a text more.

    The portions have equal size, because more text compresses better (up to 32 kB, the range of zlib). A portion consists of texts in random order,
    joined by line ends. The interval is over up to 20 portions (the reciprocal of Shaib et al., arXiv 2403.00553).
    """
    read = texts(given)
    order = rng.permutation(len(read))
    portion = np.cumsum(read.bytes[order]) // size
    whole = [order[portion == number] for number in range(min(PORTIONS, int(portion.max(initial=0))))]
    joined = ["\n".join(read[row] for row in rows).encode() for rows in whole if rows.size]
    return mean(np.array([len(zlib.compress(text, 9)) / len(text) for text in joined]), "portions of one size")


def surviving(alive: np.ndarray, clusters: np.ndarray, inside: str) -> Estimate:
    """Return the share of words that are alive, with the cluster of each word."""
    return share(totals(alive, clusters), totals(np.ones(alive.size), clusters), "words", inside)
