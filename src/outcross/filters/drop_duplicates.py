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
"""Characters of texts with twins that are held while these are put in order, and more only where one chain of twins has more."""
SAME, ALMOST = "the same text is kept", "a text that is almost the same is kept"


@recipe
class DropDuplicatesFilter(Filter):
    """Of texts that are the same, or almost, keep one, across all pools: the one that a person wrote, if any."""

    threshold: Annotated[float, Field(gt=0, le=1)] = 0.8
    """The share of runs of five words that near duplicates have in common (Jaccard), in (0, 1]; exact duplicates always go."""
    near: bool = True
    """Whether near duplicates go too."""

    page = FilterPage(
        "drop duplicates", "Texts that are equal to the character, and texts whose distinct runs of five words have a Jaccard similarity of at least the threshold. Human texts are looked at first; a text goes where one that is kept is like it.",
        "What people say often (greetings, licences, forms) is said often: where one copy of each is left, its share falls to that of what is said once.",
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
            # A copy of a text that goes is like the text that is kept for it.
            gone = np.flatnonzero((reason == 0) & (match[match] >= 0))
            match[gone] = match[match[gone]]
        times = (match < 0).astype(np.int64)
        return Selection(times, value=alike, reason=reason, reasons=(SAME, ALMOST), match=match)


@dataclass(frozen=True, eq=False)
class _TextsRead:
    """What is held of texts once they were read: they are read again where more is needed."""

    candidates: Candidates
    digests: np.ndarray  # (n, 2)
    lengths: np.ndarray  # (n,): characters
    arrived: np.ndarray  # (n,): the candidates in the order in which their texts come

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
        """Whether another than a person wrote each, (n,)."""
        return np.asarray(self.candidates.authors, dtype=object) != "human"

    def among(self, rows: np.ndarray) -> np.ndarray:
        """Which candidates these are, (n,) of bool."""
        chosen = np.zeros(len(self.lengths), bool)
        chosen[rows] = True
        return chosen


def _copies(read: _TextsRead) -> tuple[np.ndarray, np.ndarray]:
    """For each candidate the first of those that have its text, −1 for that one itself, and how alike they are: people come first, then the names of models."""
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
    """For each of these candidates the place among them of the one that is kept for it, −1 where it stays, and how alike they are, (rows,) each.

    People are looked at first, then texts in their alphabetical order.
    """
    n, among = rows.size, read.among(rows)
    batches = (texts for _, texts in read.candidates.batches_of_texts(among))
    first, second, similarity = near_twins(batches, threshold, order=np.argsort(read.arrived[among[read.arrived]]))
    rank = _ranks(read, rows, first, second)
    # Texts of the same runs stand for each other: pairs with other texts name the first of them alone.
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
    later = leader[leader]  # the leader of a copy may be gone itself
    return np.where((leader >= 0) & (later >= 0), later, leader), alike


def _chains(first: np.ndarray, second: np.ndarray, n: int) -> np.ndarray:
    """The number of the chain of pairs that each of n texts is in, (n,)."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    return connected_components(csr_array((np.ones(first.size, bool), (first, second)), shape=(n, n)), directed=False)[1]


def _ranks(read: _TextsRead, rows: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """When each text is looked at among those that a chain of twins joins it with, (rows,); 0 for a text without a twin.

    Texts are read again for it, those of so many chains at a time as `READ_AGAIN` allows.
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
