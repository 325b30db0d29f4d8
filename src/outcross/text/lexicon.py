"""What the words of a whole set of texts are like: how many kinds, how evenly, how often new, each with its interval over documents.

Most of it depends on how much text there is. So two sets are compared at one number of words: `at` where a measure takes it, or
after `Sample.first`. Kinds are counted, not averaged, so their intervals are never bootstraps (`clusters.distinct`, `clusters.jackknife`).
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
"""How often a rare word occurs in human text."""
PORTIONS = 20
"""Portions at most, where a measure is read in several portions of one size."""


@dataclass(frozen=True)
class Sample:
    """Words, and what is resampled: each block's cluster as a number, and the clusters' name."""

    words: RunningWords
    clusters: np.ndarray  # (n,)
    cluster_kind: str

    def take(self, rows: np.ndarray) -> Sample:
        return Sample(self.words.take(rows), self.clusters[np.sort(rows)], self.cluster_kind)

    def first(self, words: int, rng: np.random.Generator) -> Sample:
        """Texts in random order until they hold so many words, to the nearest text."""
        if len(self.words) < words:
            raise NotApplicable(f"the text has {amount(len(self.words), 'word')}, fewer than {words}")
        if words == 0:
            raise NotApplicable("no words to compare")
        rows = rng.permutation(self.words.n)
        return self.take(rows[: np.abs(np.cumsum(self.words.per_block[rows]) - words).argmin() + 1])

    @property
    def own(self) -> Sample:
        """The same texts without the words that stand in their own prompts."""
        return Sample(self.words.own, self.clusters, self.cluster_kind)

    def runs(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Codes of its running n-grams and the cluster of each; NotApplicable where it has none."""
        runs = self.words.runs[n]
        if len(runs) == 0:
            raise NotApplicable("the text has no whole words" if n == 1 else f"no block of the text has {n} whole words")
        return runs.codes, self.clusters[runs.blocks]

    def spread(self, per_block: np.ndarray) -> np.ndarray:
        """What there is in each block, added up over clusters."""
        return totals(per_block, self.clusters)


def sample(given: Sequence[str], documents: np.ndarray | None = None) -> Sample:
    """The words of texts, and the document that each is cut from, (n,); None: each is one by itself."""
    words = texts(given).words
    document = np.arange(words.n) if documents is None else np.unique(documents, return_inverse=True)[1]
    return Sample(words, document, "documents")


@dataclass(frozen=True)
class Kinds:
    """The kinds of n-gram of a sample, and how often each cluster says each of its kinds."""

    counts: np.ndarray  # (codes,)
    running: np.ndarray  # (clusters,): n-grams of each cluster
    codes: np.ndarray  # (pairs,): the kind of each pair of a cluster and a kind
    clusters: np.ndarray  # (pairs,): … its cluster
    own: np.ndarray  # (pairs,): … how often

    def per_cluster(self, values: np.ndarray) -> np.ndarray:
        """Numbers of pairs, added up in each cluster, (clusters,)."""
        return totals(values, self.clusters, self.running.size)

    def without(self) -> np.ndarray:
        """How often the kind of each pair occurs outside the pair's cluster, (pairs,)."""
        return self.counts[self.codes] - self.own


def kinds(text: Sample, n: int = 1) -> Kinds:
    """The kinds of n-gram of a sample; NotApplicable where there is none."""
    codes, clusters = text.runs(n)
    counts, running = np.bincount(codes), np.bincount(clusters, minlength=_documents(text))
    occurs = counts > 0  # words of some texts are numbered as those of all
    codes, counts = (np.cumsum(occurs) - 1)[codes], counts[occurs]
    pairs, own = np.unique(clusters * counts.size + codes, return_counts=True)
    return Kinds(counts, running, pairs % counts.size, pairs // counts.size, own)


def distinct(text: Sample, n: int, at: int | None = None) -> Estimate:
    """Distinct n-grams of words over running ones, in [0, 1], `at` so many words (Li et al., NAACL 2016: distinct-n).

    Rarefied: what is expected in random documents that hold so many words together, in closed form. Documents are drawn, not
    words: a document says its words in clumps, so scattered words of a large set would look richer than a small set of whole ones
    (sample-based rarefaction on the scale of individuals; Gotelli & Colwell, Ecol. Lett. 4:379, 2001).
    """
    ngrams = kinds(text, n)
    if ngrams.own.sum() == ngrams.codes.size == ngrams.counts.size:  # nothing is said twice, so the jackknife has no width
        return share(ngrams.running, ngrams.running, "n-grams", text.cluster_kind)
    if at is None:
        return counted(*text.runs(n), ngrams.running, text.cluster_kind, per=float(ngrams.running.sum()), maximum=1.0)
    value, drops, part = _expected(ngrams, _documents(text), _documents_for(at, text))
    running = float(ngrams.running.sum()) * part
    return jackknife(value / running, drops / running, ngrams.running, text.cluster_kind, maximum=1.0)


def _documents(text: Sample) -> int:
    return int(text.clusters.max(initial=-1)) + 1


def _documents_for(at: int, text: Sample) -> float:
    """How many random documents hold so many words, on average."""
    words, documents = len(text.words), _documents(text)
    if words < at:
        raise NotApplicable(f"the text has {amount(words, 'word')}, fewer than {at}")
    if at * documents < words:
        raise NotApplicable(
            f"{at} words are less than one of the {text.cluster_kind}, which have {words / documents:.0f} on average"
        )
    return at * documents / words


def _expected(ngrams: Kinds, documents: int, drawn: float | None = None) -> tuple[float, np.ndarray, float]:
    """Kinds expected in random documents (all, unless said), the drop without each, (clusters,), and the part of all documents drawn."""
    drawn = documents if drawn is None else drawn
    inside = np.bincount(ngrams.codes, minlength=ngrams.counts.size)  # documents that say each kind
    value = _seen(inside, documents, drawn).sum()
    left = min(drawn, documents - 1)
    others = _seen(np.arange(inside.max() + 1), documents - 1, left)
    lost = ngrams.per_cluster((others[inside] - others[inside - 1])[ngrams.codes])
    return float(value), value - others[inside].sum() + lost, drawn / documents


def _seen(inside: np.ndarray, documents: int, drawn: float) -> np.ndarray:
    """The chance that so many documents drawn of all say a kind that `inside` of them say: 1 − C(documents − inside, drawn) / C(documents, drawn)."""
    from scipy.special import gammaln

    spare = documents - inside - drawn + 1
    missed = spare > 0
    kept = np.maximum(spare, 1e-9)
    chance = (
        gammaln(np.maximum(documents - inside, 0) + 1.0) - gammaln(kept) - gammaln(documents + 1) + gammaln(documents - drawn + 1)
    )
    return np.where(missed, -np.expm1(np.minimum(chance, 0)), 1.0)


def entropy(text: Sample, n: int, corrected: bool = False) -> Estimate:
    """Entropy of n-grams of words in nats: ln N − Σ c ln c / N over counts c, as counted or `corrected` for the unseen.

    The correction adds (kinds − 1) / 2N (Miller 1955), which takes the leading bias away where most kinds were seen often. Words
    are not: of English (WikiText-2), 10⁴ words read 6.18 as counted and 6.31 corrected, 1.7·10⁵ words 6.64 and 6.67. So compare at one
    number of words.
    """
    from scipy.special import xlogy

    ngrams = kinds(text, n)
    total, there, others = ngrams.counts.sum(), ngrams.counts[ngrams.codes], ngrams.without()
    whole = np.sort(xlogy(ngrams.counts, ngrams.counts)).sum()  # sorted: the order of the blocks moves no digit
    value, left = np.log(total) - whole / total, np.maximum(total - ngrams.running, 1)
    rest = np.log(left) - (whole + ngrams.per_cluster(xlogy(others, others) - xlogy(there, there))) / left
    if corrected:
        value += (ngrams.counts.size - 1) / (2 * total)
        rest += (ngrams.counts.size - ngrams.per_cluster(others == 0) - 1) / (2 * left)
    return jackknife(max(0.0, float(value)), value - rest, ngrams.running, text.cluster_kind)


def hapax_share(text: Sample) -> Estimate:
    """Words that occur once, over distinct words, in [0, 1]. It grows as text gets less: compare at one number of words."""
    ngrams = kinds(text)
    others, there = ngrams.without(), ngrams.counts[ngrams.codes]
    once, distinct_words = int((ngrams.counts == 1).sum()), ngrams.counts.size
    new_once = ngrams.per_cluster((others == 1).astype(float)) - ngrams.per_cluster((there == 1).astype(float))
    left = np.maximum(distinct_words - ngrams.per_cluster(others == 0), 1)
    return jackknife(
        once / distinct_words, once / distinct_words - (once + new_once) / left, ngrams.running, text.cluster_kind, maximum=1.0
    )


def compression(given: Sequence[str], rng: np.random.Generator, size: int = 100_000) -> Estimate:
    """Bytes after zlib (level 9) over bytes before, of texts joined by line ends into portions of `size` bytes or a text more.

    One size, because more text compresses better (up to the 32 kB that zlib looks back on). Portions are made of texts in random order;
    the interval is over up to 20 of them (the reciprocal of Shaib et al., arXiv 2403.00553).
    """
    read = texts(given)
    order = rng.permutation(len(read))
    portion = np.cumsum(read.bytes[order]) // size
    whole = [order[portion == number] for number in range(min(PORTIONS, int(portion.max(initial=0))))]
    joined = ["\n".join(read[row] for row in rows).encode() for rows in whole if rows.size]
    return mean(np.array([len(zlib.compress(text, 9)) / len(text) for text in joined]), "portions of one size")


def surviving(alive: np.ndarray, clusters: np.ndarray, inside: str) -> Estimate:
    """The share of words alive, each in the cluster where it stands."""
    return share(totals(alive, clusters), totals(np.ones(alive.size), clusters), "words", inside)
