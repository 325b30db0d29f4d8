"""What selection by a verifier can save, and what it lets pass."""

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


def plurality_breakdown(keeps_correct: float, keeps_wrong: float, answers: int) -> float:
    """Share of wrong answers beyond which the right one is no longer the most frequent of those kept, of `answers` possible ones (V2).

    p*_K = (K − 1)φ / ((K − 1)φ + ψ) where the wrong answers are spread evenly over the K − 1 others; with K = 2 it is `verifier_breakdown`. A
    teacher with a systematic error gives one wrong answer again and again: there it is the value for K = 2, whatever K is.

    Source: derived here; the binary case is Feng et al. 2406.07515.

    >>> [round(plurality_breakdown(*told), 4) for told in ((1.0, 1.0, 10), (0.9, 0.3, 10), (0.9, 0.3, 2))]
    [0.9, 0.9643, 0.75]
    """
    if answers < 2:
        raise BadInput(f"answers must be 2 at least, got {answers}; a question with one answer is none")
    ratio = 1 / verifier_breakdown(keeps_correct, keeps_wrong) - 1
    return 1 / (1 + ratio / (answers - 1))


def kept_error(wrong: float, keeps_correct: float, keeps_wrong: float) -> float:
    """Share of wrong records among those that a verifier keeps: pψ / (pψ + (1 − p)φ) (V3).

    p = `wrong` is their share before it looks. Valid for every kind of record, whatever learns from them.

    >>> round(kept_error(0.2, 0.9, 0.3), 4)
    0.0769
    """
    if not 0 <= wrong <= 1:
        raise BadInput(f"wrong must be in [0, 1], got {wrong}; write 0.2 for twenty percent")
    verifier_breakdown(keeps_correct, keeps_wrong)  # which checks the rates
    passed = wrong * keeps_wrong + (1 - wrong) * keeps_correct
    if passed == 0:
        raise BadInput(
            "the verifier keeps nothing, every record is wrong and it keeps no wrong one; there is no share of what is kept"
        )
    return wrong * keeps_wrong / passed
