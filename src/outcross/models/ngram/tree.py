"""Counted contexts: what an n-gram model knows, as sorted arrays, and what it makes of them.

Interpolated Kneser-Ney smoothing with three discounts an order ("modified"; Chen & Goodman, Computer Speech and Language 13:359, 1999):

    p(w | h) = max(a(h w) - D(a(h w)), 0) / Σ_v a(h v) + γ(h) p(w | h'),        γ(h) = Σ_v D(a(h v)) / Σ_v a(h v)

h' is h without its oldest token, down to the empty context, below which every token but the start is as likely as the next. a(h w) is, at the
highest order, how often h w occurs, and below it how many kinds of token precede h w; an n-gram that opens a record has only the start
before it and keeps its count (Heafield et al., ACL 2013). D(a) is D₁, D₂ or D₃ for a of 1, 2, 3 or more, from how many n-grams of that
order have a of 1, 2, 3 and 4 (`discounts`). A context that never occurred leaves all to h'.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property

import numpy as np

START = 0
"""The token before every record, as in outcross.vocabulary (which needs an extra). Never predicted."""
NOTHING = -1
"""What stands before the start."""
FALLBACK = (0.5, 1.0, 1.5)
"""Discounts where the counts allow no estimate, as in KenLM (--discount_fallback): little text, or text without singletons."""


@dataclass(frozen=True, eq=False)
class Tree:
    """Contexts as nodes, 0 the empty one, each the child of itself without its oldest token; and the tokens that followed each.

    Nodes are numbered by depth (tokens of the context), then in the order of their keys, so that both arrays of keys ascend.
    """

    tokens: int
    """Size of the vocabulary, the start token among them."""
    contexts: np.ndarray  # (nodes - 1,): parent × tokens + the oldest token, of nodes 1, 2, …
    followers: np.ndarray  # (entries,): node × tokens + the token that followed
    counts: np.ndarray  # (entries,): the adjusted counts a
    firsts: np.ndarray  # (order + 1,): the first node of each depth, and the number of nodes
    discounts: np.ndarray  # (order, 3): D₁, D₂ and D₃ for contexts of each depth

    @property
    def reach(self) -> int:
        """Tokens of the longest context: the order less one."""
        return len(self.firsts) - 2

    @property
    def nodes(self) -> int:
        return int(self.firsts[-1])

    @cached_property
    def parents(self) -> np.ndarray:
        """The context without its oldest token, (nodes,); of the empty one itself."""
        return np.concatenate(([0], self.contexts // self.tokens))

    @cached_property
    def bounds(self) -> np.ndarray:
        """Where each node's entries begin, and where the last one's end, (nodes + 1,)."""
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
        """γ of each node, what its discounts leave to shorter contexts, (nodes,), in (0, 1]."""
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
        """p(token | context) of each entry, shorter contexts counted in, (entries,)."""
        chances = self.kept.copy()
        for first, end in itertools.pairwise(self.bounds[self.firsts]):
            owners, tokens = np.divmod(self.followers[first:end], self.tokens)
            entry = np.searchsorted(self.followers, self.parents[owners] * self.tokens + tokens)
            chances[first:end] += self.left[owners] * (self.floor if first == 0 else chances[entry])
        return chances

    @cached_property
    def peaks(self) -> np.ndarray:
        """The probability of the likeliest token after each context, (nodes,): one that followed it, or the parent's."""
        if not len(self.followers):
            return np.full(1, self.floor)
        highest = np.maximum.reduceat(self.probabilities, self.bounds[:-1])
        for first, end in itertools.pairwise(self.firsts[1:]):
            highest[first:end] = np.maximum(highest[first:end], self.left[first:end] * highest[self.parents[first:end]])
        return highest

    def deepest(self, before: np.ndarray) -> np.ndarray:
        """The longest known context that ends each row of tokens (n, any), (n,). NOTHING ends a context."""
        nodes, rows = np.zeros(len(before), dtype=np.int64), np.arange(len(before))
        for back in range(1, min(self.reach, before.shape[1]) + 1):
            token = before[rows, -back]
            rows, token = rows[token != NOTHING], token[token != NOTHING]
            place, is_known = _look_up(self.contexts, nodes[rows] * self.tokens + token)
            rows = rows[is_known]
            nodes[rows] = place[is_known] + 1
        return nodes

    def probability(self, nodes: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """p(token | context) for pairs of them, (n,); tokens other than the start."""
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
        """p(· | context), (n, tokens); the start token has none."""
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
        """All entries of these nodes, node after node, and how many each has."""
        many = self.bounds[nodes + 1] - self.bounds[nodes]
        within = np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many)
        return np.repeat(self.bounds[nodes], many) + within, many


def grow(blocks: np.ndarray, order: int, tokens: int) -> Tree:
    """Count the n-grams of blocks (n, block), each behind a start token, in n-grams of up to `order` tokens."""
    return grow_running(blocks.ravel(), np.tile(np.arange(blocks.shape[1]), len(blocks)), order, tokens)


def grow_running(running: np.ndarray, places: np.ndarray, order: int, tokens: int) -> Tree:
    """Count the n-grams of records of any length, one after the other: their tokens, and the place 0, 1, … of each in its record."""
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
    """The `reach` tokens before each token of records that follow each other, oldest first, (tokens, reach)."""
    contexts = np.full((running.size, reach), NOTHING, dtype=np.int32)
    for back in range(1, reach + 1):
        contexts[places == back - 1, -back] = START
        rows = np.flatnonzero(places >= back)
        contexts[rows, -back] = running[rows - back]
    return contexts


def discounts(counts: np.ndarray) -> tuple[float, ...]:
    """D₁, D₂ and D₃ from the counts of one order (Chen & Goodman 1999, equation 26).

    With Y = n₁ / (n₁ + 2 n₂) and n_k the n-grams of count k, D_k = k - (k + 1) Y n_(k+1) / n_k; `FALLBACK` where a D_k is not in (0, k].

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
    """Contexts of one depth. An occurrence is a token of a record, record after record."""

    depth: int
    first: int
    """The number of the first node."""
    contexts: np.ndarray  # (nodes above the empty one,)
    followers: np.ndarray  # (entries,)
    times: np.ndarray  # (entries,): how often each occurs
    shorter: np.ndarray  # (entries,): the entry one level up, without the oldest token
    occurrences: np.ndarray  # those that have so many tokens before them, ascending
    nodes: np.ndarray  # … their node
    entries: np.ndarray  # … their entry
    opens: np.ndarray  # … and whether the oldest of those tokens is the start

    @property
    def size(self) -> int:
        """Nodes."""
        return len(self.contexts) if self.depth else 1


def _first_level(running: np.ndarray) -> _Level:
    none, every = np.empty(0, dtype=np.int64), np.arange(running.size)
    followers, entries, _, times = _numbered(running.astype(np.int64))
    return _Level(0, 0, none, followers, times, none, every, np.zeros_like(every), entries, np.zeros(running.size, dtype=bool))


def _next_level(above: _Level, running: np.ndarray, places: np.ndarray, tokens: int) -> _Level:
    """One token further back, for the occurrences that have one."""
    depth, first = above.depth + 1, above.first + above.size
    before = places[above.occurrences] + 1  # tokens before it, the start among them
    has_one = before >= depth
    occurrences, opens = above.occurrences[has_one], before[has_one] == depth
    oldest = np.where(opens, START, running[occurrences - depth])
    contexts, number, _, _ = _numbered(above.nodes[has_one] * tokens + oldest)
    nodes = first + number
    followers, entries, example, times = _numbered(nodes * tokens + running[occurrences])
    shorter = above.entries[has_one][example]
    return _Level(depth, first, contexts, followers, times, shorter, occurrences, nodes, entries, opens)


def _kinds_before(level: _Level, longer: _Level) -> np.ndarray:
    """Kinds of token that precede each n-gram of a level, (entries,); how often it occurs, where it opens a record."""
    size = len(level.followers)
    return np.bincount(longer.shorter, minlength=size) + np.bincount(level.entries[level.opens], minlength=size)


def _numbered(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The distinct keys, ascending; the number of each key among them; a place of each; how often each occurs.

    What np.unique gives, without its stable sort, which is five times slower.
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
    """Where the wanted keys stand among ascending ones, and whether they are there."""
    if not len(keys):
        return np.zeros(len(wanted), dtype=np.int64), np.zeros(len(wanted), dtype=bool)
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return place, keys[place] == wanted
