from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from outcross.data.records import Blocks
from outcross.estimate import Estimate, NotApplicable, Null, read_off, student_quantile_over
from outcross.measures import Measure, Page, read_with_null
from outcross.measures.held_out import exp, nats
from outcross.recipe import recipe
from outcross.statistics.beyond import End, farthest, known, limit_or_farthest, more_beyond, widened
from outcross.statistics.clusters import correlation_within, document_of, effective_size, prompts_of, ratio_of_sums, share, totals
from outcross.wording import amount

QUANTILES = (0.05, 0.5, 0.95)
ENDS: dict[str, tuple[float, End]] = {"below human 5 %": (0.05, "lower"), "above human 99.9 %": (0.001, "upper")}
"""Each end with the share of human blocks beyond its limit."""

BINS = (4, 8, 16, 32, 64, 128, 256, 512)
"""Edges of the histogram of perplexities, in tokens. They double, so that bins are equally wide on a logarithmic axis."""

FIGURE = "Shumailov et al., Nature 631:755 (2024), Fig. 1"


@recipe
class GeneratedPerplexity(Measure):
    """Perplexity of the drawn text under the model of generation 0, and the share of drawn text beyond both ends of human text.

    In Shumailov et al. (Fig. 1b, c) the mass moves to low perplexity while a tail grows at the high end, so the mean alone may not change. A quantile
    is taken at rank q (n + 1), which new human text exceeds with probability 1 − q. The independent units are the prompts of drawn blocks and the
    documents of human blocks. The intervals of the shares at the ends include the error of the human limit.
    """

    aspect = "text_quality"
    needs = ("text",)
    pages = {
        "generated_perplexity": Page(
            "GP1", "perplexity of the drawn text", "exp of the mean of −ln p per token under the model of generation 0, over all drawn tokens, and its quantiles over drawn blocks. "
            "The null is the same of held-out human blocks.",
            unit="tokens", healthy="the value of other human text", collapsed="falls (repetition) or grows (noise)",
            log=True, role="quality", paper=FIGURE,
        ),
        "beyond_human": Page(
            "GP2", "drawn text beyond human text", "Share of drawn blocks that are more likely under the model of generation 0 than all but 5 % of the held-out human blocks, and share of those "
            "that are less likely than 99.9 % of them. The null is the share of fresh human blocks there.",
            unit="fraction", healthy="the share of other human text", collapsed="1: at the lower end if text is repetitive, at the upper end if it is noise",
            role="invention", preference=1, paper=FIGURE,
        ),
        "perplexity_histogram": Page(
            "GP3", "histogram of perplexities", "Share of drawn blocks whose perplexity under the model of generation 0 lies in a bin. The bins double in width. The null is the share of held-out human blocks.",
            unit="fraction", healthy="the share of other human text", collapsed="moves to low perplexity, with a tail that grows at the high end",
            role="quality", paper=FIGURE,
        ),
    }  # fmt: skip

    def __call__(self, evidence, rng):
        def drawn():
            return _scored(evidence.first_model, evidence.drawn, prompts_of(evidence.drawn))

        def human():
            return _scored(evidence.first_model, evidence.reference, (document_of(evidence.reference), "documents"))

        yield read_off("generated_perplexity", lambda: _mean(drawn()), null=lambda: _mean(human()))
        for q in QUANTILES:
            yield read_off(
                "generated_perplexity",
                lambda q=q: quantile_of_perplexity(drawn(), q),
                null=lambda q=q: quantile_of_perplexity(human(), q),
                at=f"quantile {q}",
            )
        for at, (depth, end) in ENDS.items():
            yield read_with_null(
                "beyond_human", lambda depth=depth, end=end: beyond_human_quantile(drawn(), human(), depth, end), at=at
            )
        for low, high in pairwise((0.0, *map(float, BINS), math.inf)):
            yield read_off(
                "perplexity_histogram",
                lambda low=low, high=high: _share_between(drawn(), low, high),
                null=lambda low=low, high=high: _share_between(human(), low, high),
                at=named_bin(low, high),
            )


def named_bin(low: float, high: float) -> str:
    """Return the name of a bin of perplexities.

    >>> named_bin(0.0, 4.0), named_bin(4.0, 8.0), named_bin(512.0, math.inf)
    ('below 4', '4 to 8', '512 and above')
    """
    if low == 0:
        return f"below {high:g}"
    return f"{low:g} and above" if math.isinf(high) else f"{low:g} to {high:g}"


def _share_between(text: Scored, low: float, high: float) -> Estimate:
    """Return the share of blocks whose perplexity lies in [low, high)."""
    perplexity = np.exp(text.nats)
    is_between = (perplexity >= low) & (perplexity < high)
    return share(totals(is_between.astype(float), text.clusters, text.units), text.sizes, "blocks", text.cluster_kind)


@dataclass(frozen=True)
class Scored:
    """The loss of each block in nats per token, the number of each block's cluster, and the name of the clusters."""

    nats: np.ndarray  # (n,)
    clusters: np.ndarray  # (n,)
    cluster_kind: str

    def quantile(self, q: float) -> float:
        """Return the q-quantile of the blocks, at rank q (n + 1), interpolated linearly between whole ranks."""
        ordered, rank = np.sort(self.nats), min(max(q * (self.nats.size + 1), 1), self.nats.size)
        below, above = ordered[math.floor(rank) - 1], ordered[math.ceil(rank) - 1]
        return float(below + (rank - math.floor(rank)) * (above - below))

    def bounded(self, q: float) -> tuple[float, float, float]:
        """Return the q-quantile of blocks and the ends of its interval. An end is infinite if there are too few blocks to bound it.

        The ends are the quantiles at the ends of the interval of the share below the quantile (Woodruff, JASA 47:635, 1952).
        """
        value = self.quantile(q)
        below = share(self._first(math.floor(q * (self.nats.size + 1) + 1e-9)), self.sizes, "blocks", self.cluster_kind)
        share_low, share_high = below.interval
        low, high = self.quantile(share_low), self.quantile(share_high)
        blocks = self.nats.size + 1
        return (
            value,
            min(low, value) if share_low * blocks >= 1 else -math.inf,
            max(high, value) if share_high * blocks <= self.nats.size else math.inf,
        )

    def _first(self, blocks: int) -> np.ndarray:
        """Return how many of the `blocks` blocks with the smallest loss each cluster has, (clusters,).

        Blocks that are tied for the last places share them equally, so that the order of the blocks does not matter.
        """
        last = np.sort(self.nats)[max(0, blocks - 1)]
        before, tied = (np.bincount(self.clusters[which], minlength=self.units) for which in (self.nats < last, self.nats == last))
        return before + tied * ((blocks - before.sum()) / tied.sum())

    @property
    def units(self) -> int:
        return int(self.clusters.max()) + 1

    @property
    def sizes(self) -> np.ndarray:
        """Number of blocks of each cluster, (clusters,)."""
        return np.bincount(self.clusters, minlength=self.units).astype(float)

    def beyond(self, limit: float, end: End) -> np.ndarray:
        """Return how many blocks of each cluster lie at the limit or beyond it, (clusters,)."""
        is_beyond = self.nats <= limit if end == "lower" else self.nats >= limit
        return totals(is_beyond.astype(float), self.clusters, self.units)

    def independent(self, hits: np.ndarray) -> float:
        """Return the effective number of independent blocks for the share beyond the limit, at most the number of blocks.

        hits: number of blocks beyond the limit in each cluster. Blocks of a cluster are similar. The few blocks beyond the limit seldom show how
        much, but the ranks of all blocks do. The smaller of the two effective numbers is used.
        """
        from scipy.stats import rankdata

        n, ranks = float(self.nats.size), rankdata(self.nats)
        alike = correlation_within(ranks, self.clusters)
        return min(effective_size(hits, self.sizes), n / (1 + (float(np.square(self.sizes).sum()) / n - 1) * alike))


def _scored(model, blocks: Blocks, clusters: tuple[np.ndarray, str]) -> Scored:
    if len(blocks) == 0:
        raise NotApplicable("there are no blocks to score")
    return Scored(nats(model, blocks) / blocks.tokens.shape[1], *clusters)


def _mean(text: Scored) -> Estimate:
    return exp(ratio_of_sums(totals(text.nats, text.clusters), np.bincount(text.clusters).astype(float), text.cluster_kind))


def quantile_of_perplexity(text: Scored, q: float) -> Estimate:
    """Return the q-quantile of the perplexity of blocks, q in (0, 1), with its interval.

    Raises NotApplicable if there are too few blocks to bound it.
    """
    value, low, high = text.bounded(q)
    if not (math.isfinite(low) and math.isfinite(high)):
        raise NotApplicable(
            f"{amount(text.nats.size, 'block')} in {text.units} {text.cluster_kind} are too few for an interval of their {q:.0%} quantile"
        )
    return exp(Estimate(value, low, high, f"order statistics over {text.cluster_kind}", text.units))


def beyond_human_quantile(text: Scored, human: Scored, depth: float, end: End) -> tuple[Estimate, Null]:
    """Return the share of blocks that are as far out as a share `depth` of human blocks, with the null of fresh human blocks.

    The error combines that of the share and, independently, that of the limit (`beyond.widened`). Blocks of a document are similar, so the limit has
    the information of fewer blocks than there are. The null is beta-binomial in effective numbers of independent blocks, at least one of which sets
    the limit. At a level of 5 % it calls 1 to 5 % of fresh human text worse (tests/test_beyond.py); if every block counted as independent, it would
    be up to 26 %. It misleads if one document in twenty differs from all others: a sample of forty documents may have none of these, and the rate is
    10 %.
    """
    _enough(human, depth)
    student_quantile_over(text.units, text.cluster_kind)
    ordered = np.sort(human.nats)
    limit, m = limit_or_farthest(ordered, depth, end), human.nats.size
    hits, human_hits = text.beyond(limit, end), human.beyond(limit, end)
    fresh = float(human_hits.sum()) / (m + 1)
    _, *ends = human.bounded(fresh if end == "lower" else 1 - fresh)
    low, high = (float(text.beyond(at, end).sum()) / text.nats.size for at in ends)
    estimate = widened(share(hits, text.sizes, "blocks", text.cluster_kind), (low, high))
    n, independent = round(text.independent(hits)), human.independent(human_hits)
    set_by = max(1, round(float(human_hits.sum()) / m * independent))
    is_tied = human_hits.sum() > max(1, farthest(depth, m))
    count = round(float(hits.sum()) / text.nats.size * n)
    _, null = more_beyond(count, n, set_by, max(set_by, round(independent)), is_tied=bool(is_tied))
    return estimate, known(null, fresh)


def _enough(human: Scored, depth: float) -> None:
    """Raise NotApplicable if less than half a human block is expected at this depth, or if the human blocks come from too few documents."""
    if human.nats.size * depth < 0.5:
        raise NotApplicable(
            f"the outermost {depth:.1%} of human text needs at least {0.5 / depth:.0f} blocks, got {human.nats.size}"
        )
    student_quantile_over(human.units, human.cluster_kind)
