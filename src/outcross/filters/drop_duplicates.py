from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from outcross.filters import Filter, FilterPage, Selection
from outcross.recipe import recipe
from outcross.text.near import near_twins

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
        n, texts = len(candidates), list(candidates.texts)
        is_human = np.asarray(candidates.authors, dtype=object) == "human"
        models = [str(model) for model in candidates.models]
        first = sorted(range(n), key=lambda row: (not is_human[row], texts[row], models[row]))
        rank = np.empty(n, np.int64)
        rank[first] = np.arange(n)
        match, value, reason = np.full(n, -1), np.full(n, np.nan), np.full(n, -1)
        kept_of: dict[str, int] = {}
        for row in first:
            leader = kept_of.setdefault(texts[row], row)
            if leader != row:
                match[row], value[row], reason[row] = leader, 1.0, 0
        if self.near:
            left = np.sort(np.flatnonzero(match < 0))
            for row, leader, alike in _near(left, [texts[row] for row in left], rank[left], self.threshold):
                match[row], value[row], reason[row] = leader, alike, 1
            # A copy of a text that goes is like the text that is kept for it.
            gone = np.flatnonzero((reason == 0) & (match[match] >= 0))
            match[gone] = match[match[gone]]
        times = (match < 0).astype(np.int64)
        return Selection(times, value=value, reason=reason, reasons=(SAME, ALMOST), match=match)


def _near(rows: np.ndarray, texts: list[str], rank: np.ndarray, threshold: float) -> list[tuple[int, int, float]]:
    """Each text that goes, the one that is kept for it, and how alike they are. Texts of the least rank are looked at first."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    first, second, alike = near_twins(texts, threshold)
    n = len(rows)
    # Texts of the same runs stand for each other: the twins of one are told of the first of them alone.
    same = alike >= 1
    _, of_class = connected_components(
        csr_array((np.ones(int(same.sum())), (first[same], second[same])), shape=(n, n)), directed=False
    )
    order = np.argsort(rank)
    heads = np.full(of_class.max(initial=-1) + 1, -1)
    heads[of_class[order[::-1]]] = order[::-1]
    pairs = [
        (int(rows[row]), int(rows[heads[of_class[row]]]), 1.0) for row in np.flatnonzero(heads[of_class] != np.arange(n)).tolist()
    ]
    twins: dict[int, dict[int, float]] = {}
    for first_class, second_class, similarity in zip(
        of_class[first[~same]].tolist(), of_class[second[~same]].tolist(), alike[~same].tolist(), strict=True
    ):
        for here, there in ((first_class, second_class), (second_class, first_class)):
            known = twins.setdefault(here, {})
            known[there] = max(similarity, known.get(there, 0.0))
    gone: dict[int, tuple[int, float]] = {}
    for group in sorted(twins, key=lambda group: rank[heads[group]]):
        if group in gone:
            continue
        for twin, similarity in twins[group].items():
            if twin not in gone and rank[heads[twin]] > rank[heads[group]]:
                gone[twin] = (group, similarity)
    pairs += [(int(rows[heads[group]]), int(rows[heads[leader]]), similarity) for group, (leader, similarity) in gone.items()]
    leaders = {row: leader for row, leader, _ in pairs}  # the leader of a copy may be gone itself
    return [(row, leaders.get(leader, leader), similarity) for row, leader, similarity in pairs]
