"""Search for near duplicates among texts, without comparing all pairs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from outcross.errors import BadInput
from outcross.text.texts import texts
from outcross.text.words import RunningWords, count_with_numbers

SHINGLE = 5
"""Number of words in the runs by which texts are compared."""
TOGETHER = 50_000
"""Number of texts that are split into words together."""
COMPARED = 2**20
"""Number of pairs that are compared together."""
RANKED = 2**22
"""Number of runs that are searched together for runs that occur in several texts."""
CROWD = 200
"""Maximum number of texts with a common rare run that are all compared with each other. In a larger crowd each text is compared only with the first
text of each class of similar texts."""
LIKENESSES = 64
"""Maximum number of classes of similar texts in a crowd."""


class Twins(NamedTuple):
    """Pairs of near duplicates, each once, in the order of their numbers."""

    first: np.ndarray  # (pairs,)
    second: np.ndarray  # (pairs,), the larger number of each pair
    similarity: np.ndarray  # (pairs,): in [threshold, 1]


def near_twins(
    given: Sequence[str] | Iterator[Sequence[str]],
    threshold: float = 0.8,
    shingle: int = SHINGLE,
    order: np.ndarray | None = None,
) -> Twins:
    """Return the pairs of texts whose distinct runs of `shingle` words have a Jaccard similarity of at least `threshold`.

    Words are in lower case, bare numbers count as words, and punctuation and white space are ignored. A text with fewer words than a run has a single
    run, the whole text. A text without words has no near duplicate. The similarity is exact: shared runs over all runs of both texts. Two texts of
    such a similarity share one of the rarest runs of each, the rarest fraction (1 − threshold) (prefix filtering; Chaudhuri, Ganti & Kaushik, ICDE
    2006; Bayardo, Ma & Srikant, WWW 2007). So no pair is missed by chance, in contrast to MinHash.

    Any two near duplicates are connected by a chain of the returned pairs, but not all pairs are returned. Texts with the same runs are paired only
    with the first of them, and its other pairs are not repeated for them. If more than 200 different texts share a rare run, each is compared only
    with the first text of each of 64 classes of similar texts. This keeps the work proportional to the number of texts, but it can break a chain.

    Memory is about 10 bytes per word, plus 40 bytes for each run that occurs in several texts. Texts can be given in batches; then no text is kept in
    memory after its runs are hashed. `order` is the order in which the texts are processed, and pairs are numbered by it; by default the given order.

    >>> said = ["the old tower fell in the night of the great storm", "a dog", "The old tower fell, in the night of the great storm!", "A dog."]
    >>> [(int(i), int(j), float(alike)) for i, j, alike in zip(*near_twins(said))]
    [(0, 2, 1.0), (1, 3, 1.0)]
    """
    if not 0 < threshold <= 1:
        raise BadInput(f"threshold must be above 0 and at most 1, got {threshold}; write 0.8 for eighty percent of all runs shared")
    if shingle < 1:
        raise BadInput(f"shingle must be at least 1 word, got {shingle}; write 5 for runs of five words")
    runs = RankedRuns.of(given, shingle, order)
    same_first, same_second = runs.of_the_same_runs()
    is_copy = np.zeros(runs.texts, bool)
    is_copy[same_second] = True
    pairs = [_over(threshold, runs, same_first, same_second)]
    pairs += [_over(threshold, runs, first, second) for first, second in _candidates(runs, threshold, ~is_copy)]
    first, second, similarity = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    first, second = np.minimum(first, second), np.maximum(first, second)
    _, keep = np.unique(first * np.int64(runs.texts) + second, return_index=True)
    return Twins(first[keep], second[keep], similarity[keep])


def _over(threshold: float, runs: RankedRuns, first: np.ndarray, second: np.ndarray) -> Twins:
    """Return the pairs with a similarity of at least `threshold`."""
    similarity = runs.similarity(first, second)
    keep = similarity >= threshold
    return Twins(first[keep], second[keep], similarity[keep])


@dataclass(frozen=True, eq=False)
class RankedRuns:
    """The distinct runs of words that occur in several texts, each given by its rank; the rarest run has the lowest rank."""

    keys: np.ndarray  # (runs,), ascending: the text in the upper 32 bits, the rank of the run in the lower 32 bits
    bounds: np.ndarray  # (texts + 1,): index of the first run of each text
    sizes: np.ndarray  # (texts,): number of distinct runs of each text, including those of no other text
    digests: np.ndarray  # (texts,): a digest of all runs of each text

    @classmethod
    def of(cls, given: Sequence[str] | Iterator[Sequence[str]], shingle: int, order: np.ndarray | None = None) -> RankedRuns:
        batches = given if isinstance(given, Iterator) else iter([given])
        codes, sizes, digests = [], [np.zeros(0, np.int64)], [np.zeros(0, np.uint64)]
        for some in (piece for batch in batches for piece in _in_pieces(texts(batch).strings)):
            of_piece, many = _distinct(count_with_numbers(some), shingle)
            codes.append(of_piece)
            sizes.append(many)
            digests.append(_digests(of_piece, many))
        shared, many = _shared(codes, sizes[1:])
        size, digest = np.concatenate(sizes), np.concatenate(digests)
        if order is not None:
            shared, many = _reordered(shared, many, order)
            size, digest = size[order], digest[order]
        ranks = _ranked(shared)
        del shared
        keys = np.repeat(np.arange(len(many), dtype=np.uint64) << np.uint64(32), many) | ranks
        keys.sort()
        return cls(keys, np.concatenate([[0], np.cumsum(many)]), size, digest)

    @property
    def texts(self) -> int:
        return self.sizes.size

    def of_the_same_runs(self) -> tuple[np.ndarray, np.ndarray]:
        """Return, for each text whose runs seem equal to those of an earlier text, the first such text, and the text itself."""
        filled = np.flatnonzero(self.sizes)
        order = filled[np.lexsort((filled, self.sizes[filled], self.digests[filled]))]
        is_first = np.ones(order.size, bool)
        is_first[1:] = (np.diff(self.sizes[order]) != 0) | (self.digests[order][1:] != self.digests[order][:-1])
        leader = order[np.maximum.accumulate(np.where(is_first, np.arange(order.size), 0))]
        return leader[~is_first], order[~is_first]

    def rarest(self, threshold: float, is_asked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the rarest runs of these texts, as ascending ranks, and the text of each run.

        Two near duplicates share at least one of them. Runs that no other text has are omitted.
        """
        needed = np.ceil(threshold * self.sizes * (1 - 1e-12)).astype(np.int64)  # rounding can add a run, but never remove one
        of_no_other = self.sizes - np.diff(self.bounds)  # runs of no other text are the rarest
        many = np.where(is_asked & (self.sizes > 0), np.maximum(self.sizes - needed + 1 - of_no_other, 0), 0)
        text = np.repeat(np.arange(self.texts), many)
        at = self.bounds[:-1][text] + np.arange(text.size) - np.repeat(np.cumsum(many) - many, many)
        ranks = (self.keys[at] & np.uint64(0xFFFFFFFF)).astype(np.int64)
        order = np.lexsort((text, self.sizes[text], ranks))
        return ranks[order], text[order]

    def similarity(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Return the Jaccard similarity of pairs of texts: shared runs over all runs, (pairs,)."""
        shared, sizes, of_several = np.zeros(first.size, np.int64), self.sizes, np.diff(self.bounds)
        work = np.cumsum(np.minimum(of_several[first], of_several[second]))
        for low, high in _pieces(work):
            less = np.where(of_several[first[low:high]] <= of_several[second[low:high]], first[low:high], second[low:high])
            more = first[low:high] + second[low:high] - less
            many = of_several[less]
            pair = np.repeat(np.arange(high - low), many)
            at = self.bounds[less[pair]] + np.arange(pair.size) - np.repeat(np.cumsum(many) - many, many)
            wanted = (more[pair].astype(np.uint64) << np.uint64(32)) | (self.keys[at] & np.uint64(0xFFFFFFFF))
            there = self.keys[np.minimum(np.searchsorted(self.keys, wanted), self.keys.size - 1)] == wanted
            shared[low:high] = np.bincount(pair[there], minlength=high - low)
        return shared / np.maximum(sizes[first] + sizes[second] - shared, 1)


def _in_pieces(read: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield batches of at most TOGETHER texts."""
    yield from (read[at : at + TOGETHER] for at in range(0, len(read), TOGETHER))


def _reordered(codes: np.ndarray, sizes: np.ndarray, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the runs in another order of the texts. `codes` are (runs,); `sizes` and `order` are (texts,)."""
    starts, many = (np.cumsum(sizes) - sizes)[order], sizes[order]
    at = np.repeat(starts - (np.cumsum(many) - many), many) + np.arange(len(codes))
    return codes[at], many


def _distinct(words: RunningWords, shingle: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct runs of each text as numbers, (runs,), and their count in each text, (texts,). Equal runs have equal numbers."""
    codes, starts = words.run_hashes(shingle)
    owner = words.blocks[starts]
    short = np.flatnonzero((words.per_block > 0) & (words.per_block < shingle))
    if short.size:  # the whole text is a single run
        few = words.take(short)
        firsts = np.cumsum(few.per_block) - few.per_block
        length = np.repeat(few.per_block, few.per_block)
        place = np.arange(len(few)) - np.repeat(firsts, few.per_block)
        whole = np.zeros(short.size, np.uint64)
        for size in np.unique(few.per_block).tolist():
            of_size, at = few.run_hashes(size)
            is_whole = (place[at] == 0) & (length[at] == size)
            whole[few.blocks[at[is_whole]]] = of_size[is_whole]
        codes, owner = np.concatenate([codes, whole]), np.concatenate([owner, short])
    order = np.lexsort((codes, owner))
    codes, owner = codes[order], owner[order]
    is_first = np.ones(codes.size, bool)
    is_first[1:] = (codes[1:] != codes[:-1]) | (owner[1:] != owner[:-1])
    return codes[is_first], np.bincount(owner[is_first], minlength=words.n)


def _digests(codes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return a digest of all runs of each text, (texts,). `codes` are (runs,); `sizes` are (texts,)."""
    digests, filled = np.zeros(len(sizes), np.uint64), np.flatnonzero(sizes)
    if filled.size:
        digests[filled] = np.add.reduceat(codes * (codes | np.uint64(1)), (np.cumsum(sizes) - sizes)[filled])
    return digests


def _shared(codes: list[np.ndarray], sizes: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the runs that occur in several texts, (runs,), and their number in each text, (texts,).

    The codes of each batch are removed from the list as they are processed, to limit the memory.
    """
    runs = sum(part.size for part in codes)
    bits = max(0, (runs // RANKED).bit_length())  # the upper bits divide the runs into parts of about RANKED
    is_shared = [np.zeros(part.size, bool) for part in codes]
    for upper in range(1 << bits):
        at = [np.flatnonzero(_upper(part, bits) == upper) for part in codes]
        some = np.concatenate([np.zeros(0, np.uint64), *(part[own] for part, own in zip(codes, at, strict=True))])
        of_several = np.split(_is_repeated(some), np.cumsum([own.size for own in at])[:-1]) if codes else []
        for mask, own, repeated in zip(is_shared, at, of_several, strict=True):
            mask[own] = repeated
    many = [np.zeros(0, np.int64)]
    for place, (mask, own) in enumerate(zip(is_shared, sizes, strict=True)):
        before = np.concatenate([[0], np.cumsum(mask)])
        ends = np.cumsum(own)
        many.append(before[ends] - before[ends - own])
        codes[place] = codes[place][mask]
    return np.concatenate([np.zeros(0, np.uint64), *codes]), np.concatenate(many)


def _upper(codes: np.ndarray, bits: int) -> np.ndarray:
    """Return the upper `bits` bits of numbers, (n,)."""
    return codes >> np.uint64(64 - bits) if bits else np.zeros(codes.size, np.uint64)


def _is_repeated(codes: np.ndarray) -> np.ndarray:
    """Whether each number occurs several times, (n,) of bool."""
    order = np.argsort(codes)
    ordered = codes[order]
    is_same = ordered[1:] == ordered[:-1]
    repeated = np.zeros(codes.size, bool)
    repeated[order[1:][is_same]] = True
    repeated[order[:-1][is_same]] = True
    return repeated


def _ranked(codes: np.ndarray) -> np.ndarray:
    """Return the rank of each run among all runs, (runs,); the rarest run has the lowest rank."""
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    is_first = np.ones(codes.size, bool)
    is_first[1:] = ordered[1:] != ordered[:-1]
    del ordered
    number = np.cumsum(is_first) - 1
    times = np.bincount(number) if codes.size else np.zeros(0, np.int64)
    place = np.empty(times.size, np.uint64)
    place[np.argsort(times, kind="stable")] = np.arange(times.size, dtype=np.uint64)
    ranks = np.empty(codes.size, np.uint64)
    ranks[order] = place[number]
    return ranks


def _candidates(runs: RankedRuns, threshold: float, is_asked: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield batches of pairs of texts that share one of their rarest runs and whose sizes allow the similarity. A pair can occur several times."""
    ranks, text = runs.rarest(threshold, is_asked)
    if not ranks.size:
        return
    starts = np.flatnonzero(np.diff(ranks, prepend=-1))
    sizes = np.diff(starts, append=ranks.size)
    small = np.flatnonzero((sizes > 1) & (sizes <= CROWD))
    work = np.cumsum(sizes[small] * (sizes[small] - 1) // 2)
    for low, high in _pieces(work):
        first, second = _all_pairs(text, starts[small[low:high]], sizes[small[low:high]])
        near = np.minimum(runs.sizes[first], runs.sizes[second]) / np.maximum(runs.sizes[first], runs.sizes[second]) >= threshold
        codes = np.unique(np.minimum(first, second)[near] * np.int64(runs.texts) + np.maximum(first, second)[near])
        yield codes // runs.texts, codes % runs.texts
    for crowd in np.flatnonzero(sizes > CROWD).tolist():
        yield from _of_crowd(runs, threshold, text[starts[crowd] : starts[crowd] + sizes[crowd]])


def _all_pairs(text: np.ndarray, starts: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return all pairs within each of several ranges of an array."""
    member = np.repeat(starts, sizes) + np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    later = np.repeat(starts + sizes, sizes) - member - 1
    first = np.repeat(member, later)
    second = first + 1 + np.arange(later.sum()) - np.repeat(np.cumsum(later) - later, later)
    return text[first], text[second]


def _of_crowd(runs: RankedRuns, threshold: float, members: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield pairs of each text of a crowd with the first text of each class, until the text is similar to one of them."""
    for _ in range(LIKENESSES):
        if members.size < 2:
            return
        first, second = np.full(members.size - 1, members[0]), members[1:]
        yield first, second
        members = second[runs.similarity(first, second) < threshold]


def _pieces(work: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield ranges (low, high) with about COMPARED work each. `work` is the cumulative sum of the work."""
    low = 0
    while low < work.size:
        done = int(work[low - 1]) if low else 0
        high = max(low + 1, int(np.searchsorted(work, done + COMPARED, side="right")))
        yield low, high
        low = high
