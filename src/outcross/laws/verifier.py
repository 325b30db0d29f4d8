"""What selection by a verifier can save."""

from __future__ import annotations

from outcross.errors import BadInput


def verifier_breakdown(keeps_correct: float, keeps_wrong: float) -> float:
    """Share of wrong labels beyond which a verifier's selection no longer saves a linear classifier (V1).

    p* = 1/(1 + psi/phi), phi = `keeps_correct` = P(kept | correct) in (0, 1] and psi = `keeps_wrong` = P(kept | wrong): in
    the limit of infinite data a classifier trained on what is kept is perfect where the generator errs less often than
    p*, and inverted where it errs more. A verifier that keeps everything gives 1/2, a perfect one 1. The labels are wrong
    at random, two classes. Only the ratio counts: a strict verifier that is no more discerning saves nothing.

    Source: Feng et al. 2406.07515 (threshold); it is where E[kept label | true label] changes its sign.

    >>> verifier_breakdown(1.0, 1.0), verifier_breakdown(0.5, 0.0), verifier_breakdown(0.8, 0.2)
    (0.5, 1.0, 0.8)
    """
    if not (0 < keeps_correct <= 1 and 0 <= keeps_wrong <= 1):
        raise BadInput(f"keep rates are probabilities, keeps_correct above 0; got {keeps_correct} and {keeps_wrong}")
    return 1 / (1 + keeps_wrong / keeps_correct)
