from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Annotated

import numpy as np
from pydantic import Field

from outcross.filters import Candidates, Filter, FilterPage, Selection
from outcross.recipe import recipe
from outcross.text.near import near_twins

READ_AGAIN = 2**27
"""The maximum number of characters of texts with twins that are in memory while the texts are ranked. A single chain of twins may exceed it."""
SAME, ALMOST = "the same text is kept", "a text that is almost the same is kept"


@recipe
class DropDuplicatesFilter(Filter):
    """Keep one text of each set of equal or almost equal texts, across all pools. A human text is preferred."""

    threshold: Annotated[float, Field(gt=0, le=1)] = 0.8
    """The minimum Jaccard similarity of near duplicates, over their runs of five words, in (0, 1]. Exact duplicates are always dropped."""
    near: bool = True
    """Whether near duplicates are dropped too."""

    page = FilterPage(
        "drop duplicates", "Duplicates are texts with the same characters, and texts whose distinct runs of five words have a Jaccard similarity of at least the threshold. Human texts come first. A text is dropped if it is a duplicate of a text that is kept.",
        "Some texts (greetings, licences, forms) are frequent because people write them often. If one copy of each is left, their share falls to that of a text that is written once.",
        "Lee et al., ACL 2022, arXiv 2107.06499",
    )  # fmt: skip
    libraries = ("icu4py", "polars", "scipy")

    @property
    def needs(self):
        return ("texts",)

    def bounds(self, candidates):
        return min(candidates, 1), candidates

    def select(self, candidates, rng):
        read = _TextsRead.of(candidates)
        match, alike = _copies(read)
        reason = np.where(match >= 0, 0, -1)
        if self.near:
            rows = np.flatnonzero(match < 0)
            leader, similarity = _near(read, rows, self.threshold)
            goes = leader >= 0
            match[rows[goes]], alike[rows[goes]], reason[rows[goes]] = rows[leader[goes]], similarity[goes], 1
            # A copy of a dropped text is matched with the text that is kept in its place.
            gone = np.flatnonzero((reason == 0) & (match[match] >= 0))
            match[gone] = match[match[gone]]
        times = (match < 0).astype(np.int64)
        return Selection(times, value=alike, reason=reason, reasons=(SAME, ALMOST), match=match)


@dataclass(frozen=True, eq=False)
class _TextsRead:
    """What stays in memory of the texts after one pass: digests and lengths. The texts themselves are read again when they are needed."""

    candidates: Candidates
    digests: np.ndarray  # (n, 2)
    lengths: np.ndarray  # (n,): characters
    arrived: np.ndarray  # (n,): the candidates in the order in which their texts are read

    @classmethod
    def of(cls, candidates: Candidates) -> _TextsRead:
        n, arrived = len(candidates), [np.zeros(0, np.int64)]
        digests, lengths = np.zeros((n, 2), np.uint64), np.zeros(n, np.int64)
        for places, texts in candidates.batches_of_texts():
            joined = b"".join(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest() for text in texts)
            digests[places] = np.frombuffer(joined, np.uint64).reshape(-1, 2)
            lengths[places] = [*map(len, texts)]
            arrived.append(places)
        return cls(candidates, digests, lengths, np.concatenate(arrived))

    @cached_property
    def is_model(self) -> np.ndarray:
        """Whether each candidate has an author other than human, (n,)."""
        return np.asarray(self.candidates.authors, dtype=object) != "human"

    def among(self, rows: np.ndarray) -> np.ndarray:
        """Return the mask of these candidates, (n,) of bool."""
        chosen = np.zeros(len(self.lengths), bool)
        chosen[rows] = True
        return chosen


def _copies(read: _TextsRead) -> tuple[np.ndarray, np.ndarray]:
    """Return for each candidate the first candidate with the same text, and the similarity to it (1); −1 and NaN for the first candidate itself.

    Human texts come first, then the others by the names of their models.
    """
    model = [*map(str, read.candidates.models)]
    numbers = {name: number for number, name in enumerate(sorted(set(model)))}
    by_model = np.fromiter(map(numbers.__getitem__, model), np.int64, len(model))
    digests = read.digests
    order = np.lexsort((by_model, read.is_model, digests[:, 1], digests[:, 0]))
    is_first = np.ones(order.size, bool)
    is_first[1:] = (digests[order[1:]] != digests[order[:-1]]).any(axis=1)
    first = order[np.maximum.accumulate(np.where(is_first, np.arange(order.size), 0))]
    match, alike = np.full(order.size, -1), np.full(order.size, np.nan)
    match[order[~is_first]], alike[order[~is_first]] = first[~is_first], 1.0
    return match, alike


def _near(read: _TextsRead, rows: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Return for each of these candidates the index among them of the text that is kept in its place, and the similarity to it, (rows,) each.

    The index is −1 for a text that is kept. Human texts come first, then the others, each in alphabetical order.
    """
    n, among = rows.size, read.among(rows)
    batches = (texts for _, texts in read.candidates.batches_of_texts(among))
    first, second, similarity = near_twins(batches, threshold, order=np.argsort(read.arrived[among[read.arrived]]))
    rank = _ranks(read, rows, first, second)
    # Texts with the same runs form a group, and its first text stands for the group in pairs with other texts.
    same = similarity >= 1
    group = _chains(first[same], second[same], n)
    order = np.argsort(rank)
    heads = np.full(group.max(initial=-1) + 1, -1)
    heads[group[order[::-1]]] = order[::-1]
    leader, alike = heads[group], np.ones(n)
    leader[heads] = -1
    alike[heads] = np.nan
    twins: dict[int, dict[int, float]] = {}
    for first_group, second_group, likeness in zip(
        group[first[~same]].tolist(), group[second[~same]].tolist(), similarity[~same].tolist(), strict=True
    ):
        for here, there in ((first_group, second_group), (second_group, first_group)):
            known = twins.setdefault(here, {})
            known[there] = max(likeness, known.get(there, 0.0))
    for here in sorted(twins, key=lambda here: rank[heads[here]]):
        if leader[heads[here]] >= 0:
            continue
        for there, likeness in twins[here].items():
            if leader[heads[there]] < 0 and rank[heads[there]] > rank[heads[here]]:
                leader[heads[there]], alike[heads[there]] = heads[here], likeness
    later = leader[leader]  # the leader of a copy may itself be dropped
    return np.where((leader >= 0) & (later >= 0), later, leader), alike


def _chains(first: np.ndarray, second: np.ndarray, n: int) -> np.ndarray:
    """Return the number of the connected component (chain of pairs) of each of n texts, (n,)."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    return connected_components(csr_array((np.ones(first.size, bool), (first, second)), shape=(n, n)), directed=False)[1]


def _ranks(read: _TextsRead, rows: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the rank of each text within its chain of twins, (rows,); 0 for a text without a twin.

    Texts with twins are read again for this, as many whole chains at a time as `READ_AGAIN` allows.
    """
    rank, chain = np.zeros(rows.size, np.int64), _chains(first, second, rows.size)
    twins = np.unique(np.concatenate([first, second]))
    twins = twins[np.argsort(chain[twins], kind="stable")]
    ends = np.flatnonzero(np.diff(chain[twins], append=-1)) + 1
    characters = np.concatenate([[0], np.cumsum(read.lengths[rows[twins]])])
    low = 0
    while low < twins.size:
        within = int(np.searchsorted(characters[ends], characters[low] + READ_AGAIN, side="right"))
        high = int(ends[max(within - 1, int(np.searchsorted(ends, low, side="right")))])
        own = twins[low:high]
        texts: dict[int, str] = {}
        for places, some in read.candidates.batches_of_texts(read.among(rows[own])):
            texts.update(zip(places.tolist(), some, strict=True))
        of_people_first = [(bool(read.is_model[row]), texts[row]) for row in rows[own].tolist()]
        rank[own[sorted(range(own.size), key=of_people_first.__getitem__)]] = np.arange(own.size)
        low = high
    return rank
