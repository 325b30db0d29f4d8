"""Sampling from an n-gram model, for all records at once, token by token."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from outcross.models.green import GreenLists, green_lists
from outcross.models.ngram.tree import NOTHING, START, Tree

CELLS = 2**20
"""Size of a table of whole distributions, in numbers of 8 bytes; it fits in the cache of a CPU."""


def sample(tree: Tree, prompts: np.ndarray, length: int, draw, rng: np.random.Generator) -> np.ndarray:
    """Continue each prompt (n, prompt) by `length` tokens, (n, length), exactly from the law of `draw`. Prompts without columns are empty."""
    written = np.full((len(prompts), tree.reach + length), NOTHING, dtype=np.int32, order="F")
    read = opened(prompts, tree.reach)
    written[:, tree.reach - read.shape[1] : tree.reach] = read
    is_written_out = draw.cuts or draw.temperature == 0 or draw.watermark is not None
    lists = None if draw.watermark is None else green_lists(tree.tokens, draw.watermark)
    mixture = None if is_written_out else mixed(tree, draw.temperature)
    for place in range(length):
        nodes = tree.deepest(written[:, place : place + tree.reach])
        if lists is not None:
            token = _marked(tree, nodes, written[:, tree.reach + place - 1], lists, draw.temperature, rng)
        else:
            token = _written_out(tree, nodes, draw, rng) if mixture is None else mixture.draw(nodes, rng)
        written[:, tree.reach + place] = token
    return np.ascontiguousarray(written[:, tree.reach :])


def opened(tokens: np.ndarray, reach: int) -> np.ndarray:
    """Return the last `reach` of the start token and the given tokens, (n, at most reach)."""
    start = np.full((len(tokens), 1), START, dtype=tokens.dtype)
    both = np.concatenate((start, tokens), axis=1)
    return both[:, max(0, both.shape[1] - reach) :]


@dataclass(frozen=True, eq=False)
class BackoffMixture:
    """A law in which each context adds mass to the law of the next shorter context. No table of all tokens is needed.

    A draw begins at the longest known context. With some probability it chooses one of the tokens that followed this context; otherwise it
    goes on to the next shorter context. Below the empty context all tokens are equally likely.
    """

    tree: Tree
    heights: np.ndarray  # (entries + 1,): the cumulative sum, over entries, of the probability that the entry's context chooses it

    def draw(self, nodes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw the next token after each context, (n,)."""
        tree, heights = self.tree, self.heights
        next_tokens, rows = np.empty(len(nodes), dtype=np.int64), np.arange(len(nodes))
        while rows.size:
            height = rng.random(rows.size)
            first, end = heights[tree.bounds[nodes]], heights[tree.bounds[nodes + 1]]
            names = height < end - first
            here = nodes[names]
            entry = np.searchsorted(heights, first[names] + height[names], side="right") - 1
            entry = np.clip(entry, tree.bounds[here], tree.bounds[here + 1] - 1)  # rounding of the sum can exceed the last entry
            next_tokens[rows[names]] = tree.followers[entry] - here * tree.tokens
            rows, nodes = rows[~names], nodes[~names]
            is_last = nodes == 0
            next_tokens[rows[is_last]] = rng.integers(START + 1, tree.tokens, size=int(is_last.sum()))
            rows, nodes = rows[~is_last], tree.parents[nodes[~is_last]]
        return next_tokens


def mixed(tree: Tree, temperature: float) -> BackoffMixture:
    """Return the law p^(1/T), normalised, at any temperature T above 0.

    p(w | h) is at least γ(h) p(w | h'), with equality if w never followed h. Therefore
    p(w | h)^(1/T) = added + γ(h)^(1/T) p(w | h')^(1/T), where `added` is not negative, and is 0 for tokens that never followed h.
    Powers are relative to the likeliest token after h, so that they do not underflow at low temperatures.
    """
    power, owners = 1 / temperature, tree.owners
    added = (tree.probabilities / tree.peaks[owners]) ** power - ((tree.probabilities - tree.kept) / tree.peaks[owners]) ** power
    added = np.maximum(added, 0)
    sums = np.bincount(
        owners, weights=added, minlength=tree.nodes
    )  # sums of the powers of all tokens, after the shorter contexts are added below
    sums[0] += (tree.tokens - 1) * (tree.left[0] * tree.floor / tree.peaks[0]) ** power
    for first, end in itertools.pairwise(tree.firsts[1:]):
        nodes, shorter = slice(first, end), tree.parents[first:end]
        sums[nodes] += (tree.left[nodes] * tree.peaks[shorter] / tree.peaks[nodes]) ** power * sums[shorter]
    return BackoffMixture(tree, np.concatenate(([0.0], np.cumsum(added / sums[owners]))))


def _written_out(tree: Tree, nodes: np.ndarray, draw, rng: np.random.Generator) -> np.ndarray:
    """Draw the next token after each context, (n,), from its whole distribution. This supports every law, but is slower."""
    heights = rng.random(len(nodes))
    next_tokens, many = np.empty(len(nodes), dtype=np.int64), max(1, CELLS // tree.tokens)
    order = np.argsort(nodes, kind="stable")  # so that rows of the same context are adjacent
    for first in range(0, len(nodes), many):
        rows = order[first : first + many]
        distinct, which = np.unique(nodes[rows], return_inverse=True)
        probabilities = tree.distribution(distinct)
        if draw.temperature == 0:
            next_tokens[rows] = probabilities.argmax(axis=1)[which]
        else:
            next_tokens[rows] = picked(probabilities, which, heights[rows], draw)
    return next_tokens


def _marked(
    tree: Tree, nodes: np.ndarray, before: np.ndarray, lists: GreenLists, temperature: float, rng: np.random.Generator
) -> np.ndarray:
    """Draw the next token after each context, (n,), with the odds of green tokens multiplied by e^bias.

    `before` is the previous token of each row, (n,), which decides the green tokens.
    """
    heights = rng.random(len(nodes))
    next_tokens, many = np.empty(len(nodes), dtype=np.int64), max(1, CELLS // tree.tokens)
    for first in range(0, len(nodes), many):
        rows = slice(first, first + many)
        law = tree.distribution(nodes[rows])
        law = (law / law.max(axis=1, keepdims=True)) ** (1 / temperature) * np.where(
            lists.after(before[rows]), np.exp(lists.bias), 1.0
        )
        mass = np.cumsum(law, axis=1)
        height = np.minimum(heights[rows, None] * mass[:, -1:], np.nextafter(mass[:, -1:], 0))
        next_tokens[rows] = (mass <= height).sum(axis=1)
    return next_tokens


def picked(probabilities: np.ndarray, which: np.ndarray, heights: np.ndarray, draw) -> np.ndarray:
    """Draw one token for each row, (n,), after the temperature, then the cut to top-k, then the nucleus of the remaining tokens.

    `probabilities` are (distributions, tokens). `which` is the distribution of each draw, (n,). `heights` are uniform numbers in [0, 1), (n,).

    The law is that of `CategoricalModel.law`, without sorting the tokens. First a rank is drawn by inversion of the cumulative sum, then the
    token with this rank is located. Equally likely tokens rank by their number.
    """
    ranked = _ranked(probabilities, draw.top_k)
    mass = np.cumsum((ranked / ranked[:, :1]) ** (1 / draw.temperature), axis=1)
    nucleus = np.argmax(mass >= draw.top_p * mass[:, -1:], axis=1)
    total = np.take_along_axis(mass, nucleus[:, None], axis=1)[which]
    below = np.minimum(
        heights[:, None] * total, np.nextafter(total, 0)
    )  # A height below the total draws no token of probability 0.
    rank = (mass[which] <= below).sum(axis=1)
    value = ranked[which, rank][:, None]
    equals_before = rank - (ranked[which] > value).sum(axis=1)
    return _nth(probabilities[which] == value, equals_before)


def _ranked(probabilities: np.ndarray, top_k: int) -> np.ndarray:
    """Return the `top_k` largest probabilities of each row in descending order; 0 returns all."""
    if 0 < top_k < probabilities.shape[1]:
        probabilities = np.partition(probabilities, -top_k, axis=1)[:, -top_k:]
    return np.sort(probabilities, axis=1)[:, ::-1]


def _nth(holds: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Return the column at which each row of `holds` is true for the n-th time, counted from 0."""
    place = holds.argmax(axis=1)
    later = np.flatnonzero(n)
    place[later] = (np.cumsum(holds[later], axis=1) > n[later, None]).argmax(axis=1)
    return place
