"""What does a selection do to the records, beside a random choice of as many?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from outcross.data.records import Blocks, Counts, Vectors
from outcross.data.selected import Rejected
from outcross.estimate import Estimate, NotApplicable, Null, Reading, over_chains, share, without_interval
from outcross.measures import Evidence, Measure, Page, read_with_null, unread
from outcross.recipe import recipe

QIAO = "Qiao et al., When Sample Selection Bias Precipitates Model Collapse (the effect; the measure is our own)"
FENG = "Feng et al., ICLR 2025, arXiv 2406.07515"
WYLLIE = "Wyllie, Shumailov and Papernot, FAccT 2024, arXiv 2403.07857"
DRAYSON = "Drayson, Yilmaz and Lampos, EMNLP 2025, arXiv 2502.15654"
OUTER = 0.05
"""Share of the drawn points that count as their tail: those of the largest Mahalanobis distance."""
RARE = 3
"""Occurrences among the drawn records up to which a token is rare."""


@recipe
class SelectionMeasure(Measure):
    """How much of what a model wrote goes on, and what that does to spread, tails and groups beside random choices of as many.

    Spread and tails are those of the kept records over those of all drawn ones. What random choices show is found by making them: one
    in each of many chains, `choices` of one chain. A value that no random choice reaches is the doing of the filters: accumulation with a
    selection that narrows collapses as a power of the generations (`variance_accumulate_selected`).
    """

    choices: Annotated[int, Field(ge=19, le=10_000)] = 199
    """Random choices of as many records."""

    aspect = "spread"
    needs = ("selection",)
    pages = {
        "acceptance": Page(
            "SE1", "acceptance rate", "Drawn records that are kept at least once, as a fraction.",
            unit="fraction", healthy="what the filters are to keep", collapsed="1 where a verifier lets all pass, 0 where it lets none",
            role="decoding", paper=FENG,
        ),
        "rejection": Page(
            "SE2", "rejected for a reason", "Drawn records that a filter rejected for this reason, as a fraction.",
            unit="fraction", healthy="what the filters are to reject", collapsed="1",
            role="decoding", paper=FENG,
        ),
        "selected_spread": Page(
            "SE3", "spread that a selection keeps", "Of points, the trace of the covariance of the kept over that of all drawn; of texts, different tokens among the kept over those of random choices of as many.",
            unit="ratio", healthy=1.0, collapsed="0",
            role="decoding", paper=QIAO,
        ),
        "selected_tail": Page(
            "SE4", "tail that a selection keeps", "Of points, the share of the outermost 5 % of the drawn ones that is kept; of texts, the share of rare tokens (up to three occurrences) that still occur; over that of a random choice of as many.",
            unit="ratio", healthy=1.0, collapsed="0",
            role="decoding", paper=QIAO,
        ),
        "selected_group": Page(
            "SE5", "group that a selection keeps", "Share of a group's drawn records that is kept, over that of all records.",
            unit="ratio", healthy=1.0, collapsed="0",
            role="decoding", paper=WYLLIE,
        ),
        "selected_human": Page(
            "SE12", "human share that a selection leaves", "Records that people wrote among those that the next model learns from, after filters have chosen among them, as a fraction; at `before`, as the policy mixed them.",
            unit="fraction", healthy="1 where every human record is told from every other", collapsed="what it was before",
            role="decoding", paper=DRAYSON,
        ),
        "fill_in": Page(
            "SE6", "fill-ins of a reparation", "Share of the kept records that were drawn without regard to their cell, because there were too few of some cell.",
            unit="fraction", healthy=0.0, collapsed="1", worse="larger",
            role="decoding", paper=WYLLIE,
        ),
        "wrong_before": Page(
            "SE7", "wrong records before the verifier", "p, the share of wrong ones among the records whose truth is known.",
            unit="fraction", healthy=0.0, collapsed="1", worse="larger",
            role="decoding", paper=FENG,
        ),
        "kept_wrong": Page(
            "SE8", "wrong records that pass", "pψ/(pψ + (1 − p)φ), the share of wrong ones among the kept records whose truth is known.",
            unit="fraction", healthy=0.0, collapsed="1", worse="larger",
            role="decoding", paper=FENG,
        ),
        "keeps_correct": Page(
            "SE9", "correct records that pass", "φ, the share of the correct ones that the verifier keeps.",
            unit="fraction", healthy=1.0, collapsed="0", worse="smaller",
            role="decoding", paper=FENG,
        ),
        "keeps_wrong": Page(
            "SE10", "share of the wrong that passes", "ψ, the share of the wrong ones that the verifier keeps.",
            unit="fraction", healthy=0.0, collapsed="1", worse="larger",
            role="decoding", paper=FENG,
        ),
        "breakdown": Page(
            "SE11", "wrong labels that verification bears", "1/(1 + ψ/φ) for two answers, (K − 1)φ/((K − 1)φ + ψ) for K wrong ones alike: the share of wrong labels from which what is kept teaches the wrong answer.",
            unit="fraction", healthy=1.0, collapsed="the share before the verifier, and below", worse="smaller",
            role="decoding", paper=FENG,
        ),
    }  # fmt: skip

    def __call__(self, evidence, rng):
        if evidence.has("mixed"):
            yield from self._of_training(evidence, rng)
            if not evidence.has("rejected"):
                return
        rejected, drawn, kept = evidence.rejected, evidence.drawn, evidence.kept
        if not isinstance(rejected, Rejected):
            raise NotApplicable("needs what filters said of the records that they rejected")
        if isinstance(drawn, Counts):
            yield from _of_filters(rejected, len(kept))
            return
        chains = int(np.prod(drawn.chains))
        yield Reading("acceptance", share((len(drawn) - len(rejected)) * chains, len(drawn) * chains))
        for number, reason in enumerate(rejected.reasons):
            count = int((rejected.reason == number).sum())
            yield Reading("rejection", share(count, len(drawn) * chains), at=reason)
        yield from _of_filters(rejected, len(kept))
        if isinstance(drawn, Vectors):
            yield from self._of_points(drawn, kept, rng)
        elif isinstance(drawn, Blocks):
            yield from self._of_texts(drawn, kept, rng)
            yield from _of_groups(drawn, kept)

    def _of_training(self, evidence: Evidence, rng: np.random.Generator) -> Iterator[Reading]:
        """What filters leave of a training set, each different record once, read at `training`."""
        mixed, learned = evidence.mixed, evidence.training
        sizes = len(mixed), len(learned)
        for at, n, number in zip(("before", ""), sizes, (0, 1), strict=True):

            def human(n: int = n, number: int = number) -> tuple[Estimate, None]:
                return share(round(evidence.human_shares[number] * n), n), None

            yield read_with_null("selected_human", human, at=at)
        if isinstance(mixed, Vectors) and not mixed.chains:
            readings = self._of_points(mixed, _different(learned, learned.array), rng)
        elif isinstance(mixed, Blocks):
            readings = self._of_texts(mixed, _different(learned, learned.tokens), rng)
        else:
            return
        for reading in readings:
            yield replace(reading, at="training")

    def _of_points(self, drawn: Vectors, kept: Vectors, rng: np.random.Generator) -> Iterator[Reading]:
        width, far = _spread(drawn.array), _outer(drawn.array)
        if not np.all(width > 0):
            for name in ("selected_spread", "selected_tail"):
                yield unread(name, "the drawn records have no spread left")
            return
        if drawn.chains:
            random = drawn.take(drawn.some(min(len(kept), len(drawn)), rng)).array

            def compared(statistic: Callable[[np.ndarray], np.ndarray]) -> tuple[Estimate, Null]:
                return over_chains(statistic(kept.array)), _of_chains(statistic(random))
        else:
            choices = [drawn.array[rows] for rows in self._choices(drawn, kept, rng)]

            def compared(statistic: Callable[[np.ndarray], np.ndarray]) -> tuple[Estimate, Null]:
                return _beside(statistic(kept.array).item(), np.array([statistic(choice).item() for choice in choices]))

        yield read_with_null("selected_spread", lambda: compared(lambda points: _spread(points) / width))
        yield read_with_null("selected_tail", lambda: compared(lambda points: _tail(points, drawn.array, far)))

    def _of_texts(self, drawn: Blocks, kept: Blocks, rng: np.random.Generator) -> Iterator[Reading]:
        names, counts = np.unique(drawn.tokens, return_counts=True)
        rare = names[counts <= RARE]
        choices = [drawn.tokens[rows] for rows in self._choices(drawn, kept, rng)]

        def compared(statistic: Callable[[np.ndarray], float]) -> tuple[Estimate, Null]:
            random = np.array([statistic(choice) for choice in choices])
            if not (middle := float(np.median(random))):
                raise NotApplicable(f"no token occurs {RARE} times or less among the drawn records")
            return _beside(statistic(kept.tokens) / middle, random / middle)

        yield read_with_null("selected_spread", lambda: compared(lambda tokens: float(len(np.unique(tokens)))))
        yield read_with_null("selected_tail", lambda: compared(lambda tokens: float(np.isin(rare, tokens).sum())))

    def _choices(self, drawn: Any, kept: Any, rng: np.random.Generator) -> list[np.ndarray]:
        return [rng.permutation(len(drawn))[: len(kept)] for _ in range(self.choices)]


def _different(records: Any, rows: np.ndarray) -> Any:
    """Each different record once."""
    return records.take(np.sort(np.unique(rows, axis=0, return_index=True)[1]))


def _spread(points: np.ndarray) -> np.ndarray:
    """The trace of the covariance of every chain, divisor n, (chains…)."""
    return points.var(axis=-2).sum(axis=-1)


def _outer(points: np.ndarray) -> np.ndarray:
    """Mahalanobis distance beyond which the outermost share of points of each chain lies, with their middle and shape."""
    return np.quantile(_distances(points, points), 1 - OUTER, axis=-1)


def _tail(some: np.ndarray, drawn: np.ndarray, far: np.ndarray) -> np.ndarray:
    """How much of `some` is tail of the drawn ones, over what of these is: (chains…)."""
    own = (_distances(drawn, drawn) > far[..., None]).mean(axis=-1)
    if not np.all(own):
        raise NotApplicable("the drawn points have no tail, many lie equally far out")
    return (_distances(some, drawn) > far[..., None]).mean(axis=-1) / own


def _distances(points: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Squared Mahalanobis distances (chains…, n) to the mean of the drawn points, by their covariance."""
    apart, own = points - drawn.mean(axis=-2, keepdims=True), drawn - drawn.mean(axis=-2, keepdims=True)
    if points.shape[-1] == 1:
        return np.square(apart[..., 0])
    covariance = np.swapaxes(own, -1, -2) @ own / own.shape[-2]
    return ((apart @ np.linalg.pinv(covariance, hermitian=True)) * apart).sum(axis=-1)


def _of_chains(values: np.ndarray) -> Null:
    mean = over_chains(values)
    return Null(mean.value, mean.low, mean.high, method="a random choice of as many in each chain")


def _beside(value: float, random: np.ndarray) -> tuple[Estimate, Null]:
    """The value of one selection, which has no interval, beside random choices of as many."""
    low, high = np.quantile(random, [0.025, 0.975])
    null = Null(float(np.median(random)), float(low), float(high), method=f"{len(random)} random choices of as many, middle 95 %")
    return without_interval(value, "one selection: no interval", len(random)), null


def _of_filters(rejected: Rejected, kept: int) -> Iterator[Reading]:
    """What filters found out of themselves."""
    for asked, facts in rejected.facts.items():
        if "fill_in" in facts:
            yield Reading("fill_in", share(facts["fill_in"], facts.get("kept", kept)), at=asked)
        for name in ("wrong", "kept_wrong", "keeps_correct", "keeps_wrong", "breakdown"):
            if facts.get(name) is not None:
                yield Reading("wrong_before" if name == "wrong" else name, Estimate(**facts[name]), at=asked)


def _of_groups(drawn: Blocks, kept: Blocks) -> Iterator[Reading]:
    groups, of_kept = drawn.column("_group"), kept.column("_group")
    overall = len(kept) / len(drawn)
    for group in sorted(set(groups) - {""}):
        n, count = int((groups == group).sum()), int((of_kept == group).sum())

        def ratio(n: int = n, count: int = count) -> tuple[Estimate, None]:
            share_kept = share(min(count, n), n)
            return share_kept.on_scale(lambda x: x / overall), None

        yield read_with_null("selected_group", ratio, group=group)
