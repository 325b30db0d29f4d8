"""The error rates of a verifier, estimated on records with a known truth."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from outcross.estimate import Estimate, NotApplicable, around
from outcross.statistics.rates import clopper_pearson


@dataclass(frozen=True)
class Verified:
    """Estimates about a verifier from a labelled sample: p, φ, ψ, and the numbers derived from them."""

    wrong: Estimate
    """p, the share of wrong labels before verification."""
    keeps_correct: Estimate | None
    """φ = P(kept | correct). None if no label is correct."""
    keeps_wrong: Estimate | None
    """ψ = P(kept | wrong). None if no label is wrong."""
    kept_wrong: Estimate | None
    """pψ / (pψ + (1 − p)φ), the share of wrong labels among the kept labels. None if none is kept."""
    ratio: Estimate | None
    """ψ/φ. None if φ or ψ is not known, or if φ is 0."""

    def breakdown(self, answers: int) -> Estimate:
        """Return the share of wrong labels from which the kept labels no longer teach the correct answer.

        It is p* = 1/(1 + ψ/φ) for two answers. For K answers with equally likely errors it is (K − 1)φ / ((K − 1)φ + ψ). Raises NotApplicable without
        a ratio.
        """
        if self.ratio is None:
            raise NotApplicable("needs correct and wrong labels, and some of the correct ones kept")
        ratio_low, ratio_high = self.ratio.interval
        value, low, high = (1 / (1 + ratio / (answers - 1)) for ratio in (self.ratio.value, ratio_high, ratio_low))
        return Estimate(value, low, high, self.ratio.method, self.ratio.n)


def verified(correct: np.ndarray, kept: np.ndarray) -> Verified:
    """Estimate the error rates of a verifier from records with a known truth. correct, kept: (m,) of truth values.

    Shares have Clopper and Pearson's exact interval. The share of wrong labels among the kept labels also has it, because the records are one
    sample. The ratio ψ/φ has the MOVER interval on the logarithmic scale (Zou and Donner, 2008). Raises NotApplicable if there is no record.

    >>> verification = verified(np.repeat([True, False], [80, 20]), np.repeat([True, False, True, False], [72, 8, 6, 14]))
    >>> f"{verification.kept_wrong.value:.4f}", f"{verification.breakdown(2).value:.2f}"
    ('0.0769', '0.75')
    """
    if len(correct) == 0:
        raise NotApplicable("needs records with a known truth, but there are none")
    wrong = ~correct
    phi = clopper_pearson(int((kept & correct).sum()), int(correct.sum()))
    psi = clopper_pearson(int((kept & wrong).sum()), int(wrong.sum()))
    return Verified(
        wrong=_there(clopper_pearson(int(wrong.sum()), len(correct))),
        keeps_correct=phi,
        keeps_wrong=psi,
        kept_wrong=clopper_pearson(int((kept & wrong).sum()), int(kept.sum())),
        ratio=_ratio(psi, phi),
    )


def error_of_kept(p: Estimate, phi: Estimate, psi: Estimate) -> Estimate:
    """Return pψ / (pψ + (1 − p)φ) if p comes from another sample than φ and ψ, with the delta interval on the logit, which is logit p + ln(ψ/φ).

    Raises NotApplicable if p is 0 or 1, or if φ or ψ is 0, because then the logit is not finite.
    """
    values = (p.value, phi.value, psi.value)
    if not (0 < p.value < 1 and phi.value > 0 and psi.value > 0):
        raise NotApplicable("the delta interval needs 0 < p < 1 and both keep rates above 0, got {:g}, {:g}, {:g}".format(*values))
    logit = math.log(p.value / (1 - p.value)) + math.log(psi.value / phi.value)
    variance = 1 / (p.n * p.value * (1 - p.value)) + sum((1 - rate.value) / (rate.n * rate.value) for rate in (phi, psi))
    on_logit = around(logit, math.sqrt(variance), "delta on the logit", p.n)
    return on_logit.on_scale(lambda x: 1 / (1 + math.exp(-x)))


def _ratio(top: Estimate | None, bottom: Estimate | None) -> Estimate | None:
    """Return ψ/φ with the MOVER interval of ln ψ − ln φ. Returns None if the ratio is not defined."""
    if top is None or bottom is None or bottom.value == 0:
        return None
    (top_low, top_high), (low, high) = top.interval, bottom.interval
    if top.value == 0:
        return Estimate(0.0, 0.0, top_high / low, "exact ends, divided", min(top.n, bottom.n))
    difference = math.log(top.value) - math.log(bottom.value)
    down = math.hypot(math.log(top.value / top_low), math.log(high / bottom.value))
    up = math.hypot(math.log(top_high / top.value), math.log(bottom.value / low))
    value, low, high = (math.exp(logarithm) for logarithm in (difference, difference - down, difference + up))
    return Estimate(value, low, high, "MOVER of logarithms", min(top.n, bottom.n))


def _there(estimate: Estimate | None) -> Estimate:
    assert estimate is not None
    return estimate
