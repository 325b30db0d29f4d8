from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from outcross.data.records import Blocks
from outcross.estimate import Estimate, NotApplicable, read_off, student_quantile_over
from outcross.measures import Measure, Page
from outcross.measures.held_out import exp, nats
from outcross.measures.tail_mass import widened
from outcross.recipe import recipe
from outcross.statistics.clusters import document_of, prompts_of, ratio, share, totals

QUANTILES = (0.05, 0.5, 0.95)
ENDS = {"below human 5 %": (0.05, -1), "above human 99.9 %": (0.999, 1)}
"""Which quantile of human blocks, and on which side of it (-1 below, 1 above)."""

FIGURE = "Shumailov et al., Nature 631:755 (2024), Fig. 1"


@recipe
class GeneratedPerplexity(Measure):
    """How likely the drawn text is to the model of generation 0, and at both ends: what it finds too easy, and what it would never say.

    In Shumailov et al. (Fig. 1b, c) the mass moves to low perplexity while a tail grows at the high end, so that the mean alone may
    stand still. A quantile is taken at rank q (n + 1), for which new human text exceeds it with chance 1 − q. Drawn
    blocks count one by one, human ones in documents; the shares at the ends count the error of the human quantile too.
    """

    aspect = "text_quality"
    needs = ("text",)
    pages = {
        "generated_perplexity": Page(
            "GP1", "perplexity of the drawn text", "exp of −ln p a token under the model of generation 0: over all drawn tokens, and quantiles over drawn blocks. "
            "Floors: the held-out human blocks.",
            unit="tokens", healthy="its floor", collapsed="falls (repetition) or grows (noise)",
            log=True, role="quality", paper=FIGURE,
        ),
        "beyond_human": Page(
            "GP2", "drawn text beyond human text", "Share of drawn blocks that are likelier under the model of generation 0 than all but 5 % of the held-out human blocks, and of those "
            "that are less likely than 99.9 % of them. Floors: each human document against all others.",
            unit="fraction", healthy="its floor", collapsed="1: below, where text repeats what is likely; above, where it is noise",
            role="invention", preference=1, paper=FIGURE,
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
        for end, (q, side) in ENDS.items():
            yield read_off(
                "beyond_human",
                lambda q=q, side=side: beyond_human_quantile(drawn(), human(), q, side),
                null=lambda q=q, side=side: _beyond_others(human(), q, side),
                at=end,
            )


@dataclass(frozen=True)
class Scored:
    """Nats a token of each block, each block's cluster as a number, and the clusters' name."""

    nats: np.ndarray  # (n,)
    clusters: np.ndarray  # (n,)
    of: str

    def quantiles(self, q: float, weights: np.ndarray) -> np.ndarray:
        """The q-quantile of the blocks when each cluster counts so often (resamples, clusters): one a resample."""
        order = np.argsort(self.nats, kind="stable")
        so_far = np.cumsum(weights[:, self.clusters[order]], axis=1)  # (resamples, n)
        blocks = so_far[:, -1]
        rank = np.clip(q * (blocks + 1), 1, blocks)
        below, above = (self.nats[order][(so_far < whole[:, None]).sum(axis=1)] for whole in (np.floor(rank), np.ceil(rank)))
        return below + (rank - np.floor(rank)) * (above - below)

    def bounded(self, q: float) -> tuple[float, float, float]:
        """The q-quantile of blocks and its interval, infinite where the blocks do not bound it.

        Its ends are the quantiles at the ends of the interval of the share below it (Woodruff, JASA 47:635, 1952).
        """
        everyone = np.ones((1, self.units))
        value = float(self.quantiles(q, everyone)[0])
        below = share(self._first(math.floor(q * (self.nats.size + 1))), np.bincount(self.clusters), "blocks", self.of)
        least, most = below.interval
        low, high = (float(self.quantiles(end, everyone)[0]) for end in (least, most))
        blocks = self.nats.size + 1
        return (
            value,
            min(low, value) if least * blocks >= 1 else -math.inf,
            max(high, value) if most * blocks <= self.nats.size else math.inf,
        )

    def _first(self, blocks: int) -> np.ndarray:
        """How many of the first blocks each cluster has, (clusters,): blocks that are tied for the last places count alike, in parts of one.

        So the order in which blocks come does not decide which of equal ones is among the first.
        """
        last = np.sort(self.nats)[max(0, blocks - 1)]
        before, tied = (np.bincount(self.clusters[which], minlength=self.units) for which in (self.nats < last, self.nats == last))
        return before + tied * ((blocks - before.sum()) / tied.sum())

    @property
    def units(self) -> int:
        return int(self.clusters.max()) + 1


def _scored(model, blocks: Blocks, clusters: tuple[np.ndarray, str]) -> Scored:
    if len(blocks) == 0:
        raise NotApplicable("there are no blocks to score")
    return Scored(nats(model, blocks) / blocks.tokens.shape[1], *clusters)


def _mean(text: Scored) -> Estimate:
    return exp(ratio(totals(text.nats, text.clusters), np.bincount(text.clusters).astype(float), text.of))


def quantile_of_perplexity(text: Scored, q: float) -> Estimate:
    """The q-quantile of the perplexity of blocks, q in (0, 1), with its interval; NotApplicable where the blocks do not bound it."""
    value, low, high = text.bounded(q)
    if not (math.isfinite(low) and math.isfinite(high)):
        raise NotApplicable(
            f"{text.nats.size} blocks in {text.units} {text.of} are too few for an interval of their {q:.0%} quantile"
        )
    return exp(Estimate(value, low, high, f"order statistics over {text.of}", text.units))


def beyond_human_quantile(text: Scored, human: Scored, q: float, side: int) -> Estimate:
    """The share of blocks, in [0, 1], that lie beyond the q-quantile of human ones: below it where `side` is -1, above it where it is 1.

    Its error is that of the share and, independent of it, that of the quantile (`tail_mass.widened`).
    """
    _enough(human, q)
    student_quantile_over(text.units, text.of)
    at, *ends = human.bounded(q)
    told = share(totals(side * (text.nats - at) > 0, text.clusters), np.bincount(text.clusters), "blocks", text.of)
    return widened(told, [float(np.mean(side * (text.nats - end) > 0)) for end in ends])


def _beyond_others(human: Scored, q: float, side: int) -> Estimate:
    """The share of human blocks beyond the quantile of all other documents' blocks."""
    _enough(human, q)
    limits = human.quantiles(q, 1.0 - np.eye(human.units))[human.clusters]
    beyond = side * (human.nats - limits) > 0
    return share(totals(beyond, human.clusters), np.bincount(human.clusters), "blocks", human.of)


def _enough(human: Scored, q: float) -> None:
    """Refuse a quantile of fewer blocks than it can be read from, or of one document."""
    if human.nats.size * min(q, 1 - q) < 0.5:
        raise NotApplicable(
            f"the {q:.1%} quantile of human text needs at least {0.5 / min(q, 1 - q):.0f} blocks, there are {human.nats.size}"
        )
    student_quantile_over(human.units, human.of)
