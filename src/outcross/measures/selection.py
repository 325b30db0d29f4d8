"""The effect of filters on the records, compared with a random choice of equally many."""

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
"""Share of the drawn points that count as their tail: those with the largest Mahalanobis distance."""
RARE = 3
"""Maximum number of occurrences among the drawn records of a rare token."""


@recipe
class SelectionMeasure(Measure):
    """Share of the drawn records that filters keep, and its effect on spread, tails and groups, compared with random choices of equally many records.

    Spread and tails of the kept records are divided by those of all drawn records. The null comes from actual random choices: one in each of many
    chains, or `choices` of a single chain. A value outside the range of random choices is an effect of the filters. Accumulation with a selection
    that narrows the data collapses as a power of the number of generations (`variance_accumulate_selected`).
    """

    choices: Annotated[int, Field(ge=19, le=10_000)] = 199
    """Number of random choices of equally many records."""

    aspect = "spread"
    needs = ("selection",)
    pages = {
        "acceptance": Page(
            "SE1", "acceptance rate", "Share of drawn records that are kept at least once.",
            unit="fraction", healthy="the share that the filters should keep", collapsed="1 if a verifier lets all records pass, 0 if none",
            role="decoding", paper=FENG,
        ),
        "rejection": Page(
            "SE2", "rejected for a reason", "Share of drawn records that a filter rejected for this reason.",
            unit="fraction", healthy="the share that the filters should reject", collapsed="1",
            role="decoding", paper=FENG,
        ),
        "selected_spread": Page(
            "SE3", "spread that a selection keeps", "For points: the trace of the covariance of the kept points, divided by that of all drawn points. For texts: the number of different tokens in the kept texts, divided by that of random choices of equally many.",
            unit="ratio", healthy=1.0, collapsed="0",
            role="decoding", paper=QIAO,
        ),
        "selected_tail": Page(
            "SE4", "tail that a selection keeps", "For points: the share of kept points beyond the outermost 5 % of the drawn points, divided by that share of all drawn points. For texts: the number of rare tokens (up to three occurrences) that still occur, divided by that of random choices of equally many.",
            unit="ratio", healthy=1.0, collapsed="0",
            role="decoding", paper=QIAO,
        ),
        "selected_group": Page(
            "SE5", "group that a selection keeps", "Share of a group's drawn records that is kept, divided by the share of all drawn records that is kept.",
            unit="ratio", healthy=1.0, collapsed="0",
            role="decoding", paper=WYLLIE,
        ),
        "selected_human": Page(
            "SE12", "human share that a selection leaves", "Human share of the training set of the next model, after the filters; at `before`, as the policy mixed it.",
            unit="fraction", healthy="1 if the filters reject every record that a model wrote", collapsed="the share before the filters",
            role="decoding", paper=DRAYSON,
        ),
        "fill_in": Page(
            "SE6", "fill-ins of a reparation", "Share of the kept records that were drawn without regard to their cell, because there were too few of some cell.",
            unit="fraction", healthy=0.0, collapsed="1", worse="larger",
            role="decoding", paper=WYLLIE,
        ),
        "wrong_before": Page(
            "SE7", "wrong records before the verifier", "p, the share of wrong records among the records with a known truth.",
            unit="fraction", healthy=0.0, collapsed="1", worse="larger",
            role="decoding", paper=FENG,
        ),
        "kept_wrong": Page(
            "SE8", "wrong records that pass", "pψ/(pψ + (1 − p)φ), the share of wrong records among the kept records with a known truth.",
            unit="fraction", healthy=0.0, collapsed="1", worse="larger",
            role="decoding", paper=FENG,
        ),
        "keeps_correct": Page(
            "SE9", "correct records that pass", "φ, the share of the correct records that the verifier keeps.",
            unit="fraction", healthy=1.0, collapsed="0", worse="smaller",
            role="decoding", paper=FENG,
        ),
        "keeps_wrong": Page(
            "SE10", "share of the wrong records that passes", "ψ, the share of the wrong records that the verifier keeps.",
            unit="fraction", healthy=0.0, collapsed="1", worse="larger",
            role="decoding", paper=FENG,
        ),
        "breakdown": Page(
            "SE11", "wrong labels that verification tolerates", "The share of wrong labels from which the kept records teach the wrong answer: 1/(1 + ψ/φ) for two answers, (K − 1)φ/((K − 1)φ + ψ) for K answers with equally likely errors.",
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
            raise NotApplicable("needs rejected records with the reasons of the filters")
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
        """Yield the effect of filters on a training set, with each different record counted once. These readings are at `training`."""
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
                yield unread(name, "the variance of the drawn records is 0")
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
                raise NotApplicable(f"no token occurs at most {RARE} times among the drawn records")
            return _beside(statistic(kept.tokens) / middle, random / middle)

        yield read_with_null("selected_spread", lambda: compared(lambda tokens: float(len(np.unique(tokens)))))
        yield read_with_null("selected_tail", lambda: compared(lambda tokens: float(np.isin(rare, tokens).sum())))

    def _choices(self, drawn: Any, kept: Any, rng: np.random.Generator) -> list[np.ndarray]:
        return [rng.permutation(len(drawn))[: len(kept)] for _ in range(self.choices)]


def _different(records: Any, rows: np.ndarray) -> Any:
    """Return each different record once."""
    return records.take(np.sort(np.unique(rows, axis=0, return_index=True)[1]))


def _spread(points: np.ndarray) -> np.ndarray:
    """Return the trace of the covariance of every chain, divisor n, (chains…)."""
    return points.var(axis=-2).sum(axis=-1)


def _outer(points: np.ndarray) -> np.ndarray:
    """Return the squared Mahalanobis distance beyond which the outermost 5 % of the points of each chain lie, by their own mean and covariance."""
    return np.quantile(_distances(points, points), 1 - OUTER, axis=-1)


def _tail(some: np.ndarray, drawn: np.ndarray, far: np.ndarray) -> np.ndarray:
    """Return the share of the points `some` beyond the distance `far`, divided by that share of the drawn points, (chains…)."""
    own = (_distances(drawn, drawn) > far[..., None]).mean(axis=-1)
    if not np.all(own):
        raise NotApplicable("the drawn points have no tail, because the farthest points are tied")
    return (_distances(some, drawn) > far[..., None]).mean(axis=-1) / own


def _distances(points: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Return squared Mahalanobis distances, (chains…, n), to the mean of the drawn points, by their covariance."""
    apart, own = points - drawn.mean(axis=-2, keepdims=True), drawn - drawn.mean(axis=-2, keepdims=True)
    if points.shape[-1] == 1:
        return np.square(apart[..., 0])
    covariance = np.swapaxes(own, -1, -2) @ own / own.shape[-2]
    return ((apart @ np.linalg.pinv(covariance, hermitian=True)) * apart).sum(axis=-1)


def _of_chains(values: np.ndarray) -> Null:
    mean = over_chains(values)
    return Null(mean.value, mean.low, mean.high, method="a random choice of equally many records in each chain")


def _beside(value: float, random: np.ndarray) -> tuple[Estimate, Null]:
    """Return the value of one selection, without an interval, and the null from random choices of equally many records."""
    low, high = np.quantile(random, [0.025, 0.975])
    null = Null(
        float(np.median(random)),
        float(low),
        float(high),
        method=f"{len(random)} random choices of equally many records, middle 95 %",
    )
    return without_interval(value, "one selection: no interval", len(random)), null


def _of_filters(rejected: Rejected, kept: int) -> Iterator[Reading]:
    """Yield the facts that the filters recorded about their own selection."""
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
