"""The counted contexts of an n-gram model, as sorted arrays, and the probabilities that follow from them.

The model is interpolated Kneser-Ney smoothing with three discounts per order ("modified"; Chen & Goodman, Computer Speech and Language 13:359,
1999):

    p(w | h) = max(a(h w) - D(a(h w)), 0) / Σ_v a(h v) + γ(h) p(w | h'),        γ(h) = Σ_v D(a(h v)) / Σ_v a(h v)

h' is h without its oldest token, down to the empty context. Below the empty context every token but the start is equally likely. At the
highest order a(h w) is the number of occurrences of h w; at lower orders it is the number of distinct tokens that precede h w. An n-gram that
opens a record is preceded only by the start, so it keeps its count (Heafield et al., ACL 2013). D(a) is D₁, D₂ or D₃ for a of 1, 2, or 3 and
more. These follow from the numbers of n-grams of that order with a of 1, 2, 3 and 4 (`discounts`). For a context that never occurred,
p(w | h) = p(w | h').
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property

import numpy as np

START = 0
"""The token before every record, as in outcross.text.vocabulary (which needs an extra). It is never predicted."""
NOTHING = -1
"""The mark for positions before the start."""
FALLBACK = (0.5, 1.0, 1.5)
"""Discounts if the counts allow no estimate, as in KenLM (--discount_fallback). This happens with little text, or text without singletons."""


@dataclass(frozen=True, eq=False)
class Tree:
    """A tree of contexts, with the tokens that followed each context.

    Every context is a node. Node 0 is the empty context, and the parent of a context is the context without its oldest token. Nodes are
    numbered by depth (the number of tokens in the context), then in the order of their keys, so that both arrays of keys are ascending.
    """

    tokens: int
    """Size of the vocabulary, including the start token."""
    contexts: np.ndarray  # (nodes - 1,): for nodes 1, 2, … the key parent × tokens + oldest token
    followers: np.ndarray  # (entries,): the key node × tokens + next token
    counts: np.ndarray  # (entries,): the adjusted counts a
    firsts: np.ndarray  # (order + 1,): the first node of each depth, and the number of nodes
    discounts: np.ndarray  # (order, 3): D₁, D₂ and D₃ for contexts of each depth

    @property
    def reach(self) -> int:
        """Number of tokens in the longest context, which is the order minus one."""
        return len(self.firsts) - 2

    @property
    def nodes(self) -> int:
        return int(self.firsts[-1])

    @cached_property
    def parents(self) -> np.ndarray:
        """The parent of each node, which is the context without its oldest token, (nodes,). The empty context is its own parent."""
        return np.concatenate(([0], self.contexts // self.tokens))

    @cached_property
    def bounds(self) -> np.ndarray:
        """The first entry of each node, followed by the number of entries, (nodes + 1,)."""
        return np.searchsorted(self.followers, np.arange(self.nodes + 1) * self.tokens)

    @cached_property
    def owners(self) -> np.ndarray:
        """The node of each entry, (entries,)."""
        return self.followers // self.tokens

    @cached_property
    def _taken(self) -> np.ndarray:
        """D(a) of each entry, (entries,)."""
        depths = np.repeat(np.arange(self.reach + 1), np.diff(self.bounds[self.firsts]))
        return self.discounts[depths, np.minimum(self.counts, 3) - 1]

    @cached_property
    def _totals(self) -> np.ndarray:
        """Σ a of each node, (nodes,); 1 for an empty tree."""
        return np.maximum(np.bincount(self.owners, weights=self.counts, minlength=self.nodes), 1)

    @cached_property
    def left(self) -> np.ndarray:
        """γ of each node, the mass that its discounts leave to shorter contexts, (nodes,), in (0, 1]."""
        if not len(self.followers):
            return np.ones(1)
        return np.bincount(self.owners, weights=self._taken, minlength=self.nodes) / self._totals

    @cached_property
    def kept(self) -> np.ndarray:
        """(a - D) / Σ a of each entry, (entries,)."""
        return (self.counts - self._taken) / self._totals[self.owners]

    @property
    def floor(self) -> float:
        """The probability of a token below the empty context."""
        return 1 / (self.tokens - 1)

    @cached_property
    def probabilities(self) -> np.ndarray:
        """p(token | context) of each entry, including the mass from shorter contexts, (entries,)."""
        chances = self.kept.copy()
        for first, end in itertools.pairwise(self.bounds[self.firsts]):
            owners, tokens = np.divmod(self.followers[first:end], self.tokens)
            entry = np.searchsorted(self.followers, self.parents[owners] * self.tokens + tokens)
            chances[first:end] += self.left[owners] * (self.floor if first == 0 else chances[entry])
        return chances

    @cached_property
    def peaks(self) -> np.ndarray:
        """The probability of the likeliest token after each context, (nodes,), which followed the context itself or one of its ancestors."""
        if not len(self.followers):
            return np.full(1, self.floor)
        highest = np.maximum.reduceat(self.probabilities, self.bounds[:-1])
        for first, end in itertools.pairwise(self.firsts[1:]):
            highest[first:end] = np.maximum(highest[first:end], self.left[first:end] * highest[self.parents[first:end]])
        return highest

    def deepest(self, before: np.ndarray) -> np.ndarray:
        """Return the longest known context at the end of each row of tokens (n, any), as nodes (n,). A context does not extend past NOTHING."""
        nodes, rows = np.zeros(len(before), dtype=np.int64), np.arange(len(before))
        for back in range(1, min(self.reach, before.shape[1]) + 1):
            token = before[rows, -back]
            rows, token = rows[token != NOTHING], token[token != NOTHING]
            place, is_known = _look_up(self.contexts, nodes[rows] * self.tokens + token)
            rows = rows[is_known]
            nodes[rows] = place[is_known] + 1
        return nodes

    def probability(self, nodes: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """Return p(token | context) for pairs of a node and a token, (n,). The tokens must not be the start."""
        chances, rows, nodes = np.ones(len(nodes)), np.arange(len(nodes)), nodes.copy()
        while rows.size:
            here = nodes[rows]
            place, is_known = _look_up(self.followers, here * self.tokens + tokens[rows])
            chances[rows[is_known]] *= self.probabilities[place[is_known]]
            rows, here = rows[~is_known], here[~is_known]
            chances[rows] *= self.left[here] * np.where(here == 0, self.floor, 1.0)
            nodes[rows] = self.parents[here]
            rows = rows[here > 0]
        return chances

    def distribution(self, nodes: np.ndarray) -> np.ndarray:
        """Return p(· | context), (n, tokens). The probability of the start token is 0."""
        chances = np.full((len(nodes), self.tokens), self.floor)
        chances[:, START] = 0
        for depth in range(self.reach + 1):
            rows = np.flatnonzero(nodes >= self.firsts[depth])
            here = self._ancestors(nodes[rows], depth)
            chances[rows] *= self.left[here][:, None]
            entries, many = self._entries(here)
            chances[np.repeat(rows, many), self.followers[entries] % self.tokens] = self.probabilities[entries]
        return chances

    def _ancestors(self, nodes: np.ndarray, depth: int) -> np.ndarray:
        while (is_deeper := nodes >= self.firsts[depth + 1]).any():
            nodes = np.where(is_deeper, self.parents[nodes], nodes)
        return nodes

    def _entries(self, nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return all entries of these nodes, node after node, and the number of entries of each node."""
        many = self.bounds[nodes + 1] - self.bounds[nodes]
        within = np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many)
        return np.repeat(self.bounds[nodes], many) + within, many


def grow(blocks: np.ndarray, order: int, tokens: int) -> Tree:
    """Count the n-grams of up to `order` tokens in blocks (n, block), each preceded by a start token."""
    return grow_running(blocks.ravel(), np.tile(np.arange(blocks.shape[1]), len(blocks)), order, tokens)


def grow_running(running: np.ndarray, places: np.ndarray, order: int, tokens: int) -> Tree:
    """Count the n-grams of concatenated records of any length.

    `running` are the tokens, and `places` the position 0, 1, … of each token in its record.
    """
    levels = [_first_level(running)]
    while len(levels) < order:
        levels.append(_next_level(levels[-1], running, places, tokens))
    counts = [_kinds_before(*pair) for pair in itertools.pairwise(levels)] + [levels[-1].times]
    return Tree(
        tokens=tokens,
        contexts=np.concatenate([level.contexts for level in levels]),
        followers=np.concatenate([level.followers for level in levels]),
        counts=np.concatenate(counts),
        firsts=np.array([*(level.first for level in levels), levels[-1].first + levels[-1].size]),
        discounts=np.array([discounts(count) for count in counts]),
    )


def contexts_of(running: np.ndarray, places: np.ndarray, reach: int) -> np.ndarray:
    """Return the `reach` tokens before each token of concatenated records, oldest first, (tokens, reach)."""
    contexts = np.full((running.size, reach), NOTHING, dtype=np.int32)
    for back in range(1, reach + 1):
        contexts[places == back - 1, -back] = START
        rows = np.flatnonzero(places >= back)
        contexts[rows, -back] = running[rows - back]
    return contexts


def discounts(counts: np.ndarray) -> tuple[float, ...]:
    """Return D₁, D₂ and D₃ for the counts of one order (Chen & Goodman 1999, equation 26).

    Let n_k be the number of n-grams with count k, and Y = n₁ / (n₁ + 2 n₂). Then D_k = k - (k + 1) Y n_(k+1) / n_k. The result is `FALLBACK` if
    one of n₁ to n₄ is 0, or if a D_k is not in (0, k].

    >>> [round(discount, 4) for discount in discounts(np.repeat([1, 2, 3, 4], [10, 4, 2, 1]))]
    [0.5556, 1.1667, 1.8889]
    """
    n = np.bincount(np.minimum(counts, 5), minlength=5)
    if (n[1:5] == 0).any():
        return FALLBACK
    ratio = n[1] / (n[1] + 2 * n[2])
    estimates = tuple(float(k - (k + 1) * ratio * n[k + 1] / n[k]) for k in (1, 2, 3))
    return estimates if all(0 < estimate <= k for k, estimate in enumerate(estimates, start=1)) else FALLBACK


@dataclass(frozen=True, eq=False)
class _Level:
    """Contexts of one depth. An occurrence is a position in the concatenated records."""

    depth: int
    first: int
    """The number of the first node."""
    contexts: np.ndarray  # (nodes above the empty one,)
    followers: np.ndarray  # (entries,)
    times: np.ndarray  # (entries,): number of occurrences
    shorter: np.ndarray  # (entries,): the entry of the level above, without the oldest token
    occurrences: np.ndarray  # the positions with at least `depth` tokens before them, ascending
    nodes: np.ndarray  # the node of each of these positions
    entries: np.ndarray  # the entry of each of these positions
    opens: np.ndarray  # whether the oldest token of each of their contexts is the start

    @property
    def size(self) -> int:
        """Number of nodes."""
        return len(self.contexts) if self.depth else 1


def _first_level(running: np.ndarray) -> _Level:
    none, every = np.empty(0, dtype=np.int64), np.arange(running.size)
    followers, entries, _, times = _numbered(running.astype(np.int64))
    return _Level(0, 0, none, followers, times, none, every, np.zeros_like(every), entries, np.zeros(running.size, dtype=bool))


def _next_level(above: _Level, running: np.ndarray, places: np.ndarray, tokens: int) -> _Level:
    """Return the level whose contexts are one token longer, for the occurrences that have such a token."""
    depth, first = above.depth + 1, above.first + above.size
    before = places[above.occurrences] + 1  # number of tokens before it, including the start
    has_one = before >= depth
    occurrences, opens = above.occurrences[has_one], before[has_one] == depth
    oldest = np.where(opens, START, running[occurrences - depth])
    contexts, number, _, _ = _numbered(above.nodes[has_one] * tokens + oldest)
    nodes = first + number
    followers, entries, example, times = _numbered(nodes * tokens + running[occurrences])
    shorter = above.entries[has_one][example]
    return _Level(depth, first, contexts, followers, times, shorter, occurrences, nodes, entries, opens)


def _kinds_before(level: _Level, longer: _Level) -> np.ndarray:
    """Return the adjusted counts of the n-grams of a level, (entries,).

    They are the number of distinct tokens that precede an n-gram, or its number of occurrences if it opens a record.
    """
    size = len(level.followers)
    return np.bincount(longer.shorter, minlength=size) + np.bincount(level.entries[level.opens], minlength=size)


def _numbered(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the distinct keys in ascending order, the index of each key among them, one position of each, and their numbers of occurrences.

    The result is that of np.unique up to the choice of positions, without its stable sort, which is five times slower.
    """
    order = np.argsort(keys)
    ranked = keys[order]
    is_new = np.ones(len(keys), dtype=bool)
    is_new[1:] = ranked[1:] != ranked[:-1]
    firsts = np.flatnonzero(is_new)
    number = np.empty(len(keys), dtype=np.int64)
    number[order] = np.cumsum(is_new) - 1
    return ranked[firsts], number, order[firsts], np.diff(np.append(firsts, len(keys)))


def _look_up(keys: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions of the wanted keys among the ascending `keys`, and whether each is present."""
    if not len(keys):
        return np.zeros(len(wanted), dtype=np.int64), np.zeros(len(wanted), dtype=bool)
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return place, keys[place] == wanted
