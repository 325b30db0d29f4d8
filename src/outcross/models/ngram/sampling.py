"""Let an n-gram model write: all records at once, token after token."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from outcross.models.green import GreenLists, green_lists
from outcross.models.ngram.tree import NOTHING, START, Tree

CELLS = 2**20
"""Numbers of the tables of whole distributions, 8 bytes each: what a CPU keeps in its cache."""


def sample(tree: Tree, prompts: np.ndarray, length: int, draw, rng: np.random.Generator) -> np.ndarray:
    """Continue each prompt (n, prompt; no columns is none) by `length` tokens, (n, length), exactly as `draw` says."""
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
    """The start token and these, of which the last `reach` count, (n, at most reach)."""
    start = np.full((len(tokens), 1), START, dtype=tokens.dtype)
    both = np.concatenate((start, tokens), axis=1)
    return both[:, max(0, both.shape[1] - reach) :]


@dataclass(frozen=True, eq=False)
class BackoffMixture:
    """A law as what each context adds to that of the next shorter one: no table of all tokens is ever made.

    A draw asks the longest known context: it names one of the tokens that followed it, or leaves the choice to the next shorter one;
    below the empty context all tokens are alike.
    """

    tree: Tree
    heights: np.ndarray  # (entries + 1,): the chance that its context names an entry, summed over all entries before

    def draw(self, nodes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The next token after each context, (n,)."""
        tree, heights = self.tree, self.heights
        next_tokens, rows = np.empty(len(nodes), dtype=np.int64), np.arange(len(nodes))
        while rows.size:
            height = rng.random(rows.size)
            first, end = heights[tree.bounds[nodes]], heights[tree.bounds[nodes + 1]]
            names = height < end - first
            here = nodes[names]
            entry = np.searchsorted(heights, first[names] + height[names], side="right") - 1
            entry = np.clip(entry, tree.bounds[here], tree.bounds[here + 1] - 1)  # a sum rounded past the last one
            next_tokens[rows[names]] = tree.followers[entry] - here * tree.tokens
            rows, nodes = rows[~names], nodes[~names]
            is_last = nodes == 0
            next_tokens[rows[is_last]] = rng.integers(START + 1, tree.tokens, size=int(is_last.sum()))
            rows, nodes = rows[~is_last], tree.parents[nodes[~is_last]]
        return next_tokens


def mixed(tree: Tree, temperature: float) -> BackoffMixture:
    """The law p^(1/T), normalised, at any temperature T above 0.

    As p(w | h) is no less than γ(h) p(w | h'), and equal to it where w never followed h,
    p(w | h)^(1/T) = added + γ(h)^(1/T) p(w | h')^(1/T), with something added, never negative, for the tokens that followed h alone.
    Powers are taken relative to the likeliest token after h, so that none vanishes however low the temperature.
    """
    power, owners = 1 / temperature, tree.owners
    added = (tree.probabilities / tree.peaks[owners]) ** power - ((tree.probabilities - tree.kept) / tree.peaks[owners]) ** power
    added = np.maximum(added, 0)
    sums = np.bincount(owners, weights=added, minlength=tree.nodes)  # of all tokens' powers, once the shorter's are in
    sums[0] += (tree.tokens - 1) * (tree.left[0] * tree.floor / tree.peaks[0]) ** power
    for first, end in itertools.pairwise(tree.firsts[1:]):
        nodes, shorter = slice(first, end), tree.parents[first:end]
        sums[nodes] += (tree.left[nodes] * tree.peaks[shorter] / tree.peaks[nodes]) ** power * sums[shorter]
    return BackoffMixture(tree, np.concatenate(([0.0], np.cumsum(added / sums[owners]))))


def _written_out(tree: Tree, nodes: np.ndarray, draw, rng: np.random.Generator) -> np.ndarray:
    """The next token after each context, (n,), from the whole distribution: any law, more slowly."""
    heights = rng.random(len(nodes))
    next_tokens, many = np.empty(len(nodes), dtype=np.int64), max(1, CELLS // tree.tokens)
    order = np.argsort(nodes, kind="stable")  # so that rows of one context meet
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
    """The next token after each context, (n,), the odds of green ones raised by e to the bias; before: the token before each, (n,)."""
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
    """A token of each of the distributions named, (n,): the temperature, then top-k, then the nucleus of what is left.

    probabilities: (distributions, tokens); which: the distribution of each draw, (n,); heights: one of each draw, in [0, 1), (n,).

    The law of `CategoricalModel.law` without its sort of tokens: a rank is drawn by inverting the cumulative sum at heights in [0, 1), then
    the token of that rank is looked for; equally likely ones rank by number.
    """
    ranked = _ranked(probabilities, draw.top_k)
    mass = np.cumsum((ranked / ranked[:, :1]) ** (1 / draw.temperature), axis=1)
    nucleus = np.argmax(mass >= draw.top_p * mass[:, -1:], axis=1)
    total = np.take_along_axis(mass, nucleus[:, None], axis=1)[which]
    below = np.minimum(heights[:, None] * total, np.nextafter(total, 0))  # so that no token of probability 0 is drawn
    rank = (mass[which] <= below).sum(axis=1)
    value = ranked[which, rank][:, None]
    equals_before = rank - (ranked[which] > value).sum(axis=1)
    return _nth(probabilities[which] == value, equals_before)


def _ranked(probabilities: np.ndarray, top_k: int) -> np.ndarray:
    """The probabilities of each row, largest first; the `top_k` largest, or all for 0."""
    if 0 < top_k < probabilities.shape[1]:
        probabilities = np.partition(probabilities, -top_k, axis=1)[:, -top_k:]
    return np.sort(probabilities, axis=1)[:, ::-1]


def _nth(holds: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Where each row holds for the n-th time, counted from 0."""
    place = holds.argmax(axis=1)
    later = np.flatnonzero(n)
    place[later] = (np.cumsum(holds[later], axis=1) > n[later, None]).argmax(axis=1)
    return place
