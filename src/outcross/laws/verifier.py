"""Laws of selection by a verifier: when it prevents collapse, and how many errors remain."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from outcross.errors import BadInput


def verifier_breakdown(keeps_correct: float, keeps_wrong: float) -> float:
    """Share of wrong labels above which selection by a verifier no longer saves a linear classifier (V1).

    p* = 1/(1 + psi/phi) with phi = `keeps_correct` = P(kept | correct) in (0, 1] and psi = `keeps_wrong` = P(kept | wrong). In
    the limit of infinite data a classifier that is trained on the kept records is perfect if the generator errs less often
    than p*, and inverted if it errs more often. p* is 1/2 for a verifier that keeps everything, and 1 for a perfect verifier.
    There are two classes, and labels are wrong at random. Only the ratio matters: a stricter verifier with the same ratio
    does not help.

    Source: Feng et al. 2406.07515 (threshold); at p* the sign of E[kept label | true label] changes.

    >>> verifier_breakdown(1.0, 1.0), verifier_breakdown(0.5, 0.0), verifier_breakdown(0.8, 0.2)
    (0.5, 1.0, 0.8)
    """
    if not (0 < keeps_correct <= 1 and 0 <= keeps_wrong <= 1):
        raise BadInput(f"keep rates are probabilities, keeps_correct above 0; got {keeps_correct} and {keeps_wrong}")
    return 1 / (1 + keeps_wrong / keeps_correct)


def plurality_breakdown(keeps_correct: float, keeps_wrong: float, answers: int) -> float:
    """Share of wrong answers above which the right answer is no longer the most frequent kept answer, for `answers` possible answers (V2).

    p*_K = (K − 1)φ / ((K − 1)φ + ψ) if the wrong answers are spread evenly over the K − 1 others; for K = 2 it is `verifier_breakdown`. A
    teacher with a systematic error always gives the same wrong answer. For such a teacher use the value for K = 2, for every K.

    Source: derived here; the binary case is Feng et al. 2406.07515.

    >>> [round(plurality_breakdown(*chances), 4) for chances in ((1.0, 1.0, 10), (0.9, 0.3, 10), (0.9, 0.3, 2))]
    [0.9, 0.9643, 0.75]
    """
    if answers < 2:
        raise BadInput(f"answers must be at least 2, got {answers}; a question needs several possible answers")
    ratio = 1 / verifier_breakdown(keeps_correct, keeps_wrong) - 1
    return 1 / (1 + ratio / (answers - 1))


def kept_error(wrong: float, keeps_correct: float, keeps_wrong: float) -> float:
    """Share of wrong records among those that a verifier keeps: pψ / (pψ + (1 − p)φ) (V3).

    p = `wrong` is their share before the selection. Valid for every kind of record and every learner.

    >>> round(kept_error(0.2, 0.9, 0.3), 4)
    0.0769
    """
    if not 0 <= wrong <= 1:
        raise BadInput(f"wrong must be in [0, 1], got {wrong}; write 0.2 for twenty percent")
    verifier_breakdown(keeps_correct, keeps_wrong)  # checks the rates
    passed = wrong * keeps_wrong + (1 - wrong) * keeps_correct
    if passed == 0:
        raise BadInput(
            "the verifier keeps nothing, because every record is wrong and it keeps no wrong record; raise keeps_wrong or lower wrong"
        )
    return wrong * keeps_wrong / passed


class LinearAccuracy(NamedTuple):
    """Distribution over training sets of the accuracy of the theorem's classifier."""

    mean: float
    spread: float
    """Standard deviation of the accuracy of a classifier."""


def linear_accuracy(n: int, dimensions: int, wrong: float, keeps_correct: float, keeps_wrong: float) -> LinearAccuracy:
    """Accuracy of the mean of ±x as a classifier, learned from the labels that a verifier keeps of n labels (V4).

    x ~ N(0, I). The label is the side of a plane through the origin, and it is wrong with probability p. There are N = n[(1 − p)φ + pψ] kept
    labels; let s = [(1 − p)φ − pψ]/[(1 − p)φ + pψ]. The component of the classifier along the true direction is normal with mean s√(2/π) and
    variance (1 − 2s²/π)/N. The component orthogonal to it has length χ_{d−1}/√N. The accuracy is 1 − angle/π. Exact except that N is replaced by its
    mean. At `verifier_breakdown` s changes its sign, and the accuracy crosses 1/2.

    Source: derived here; the setting is Theorem 4.2 of Feng et al. 2406.07515.

    >>> [round(linear_accuracy(100_000, 50, p, 1.0, 1.0).mean, 3) for p in (0.48, 0.5, 0.52)]
    [0.807, 0.5, 0.193]
    """
    from scipy.stats import chi, norm

    if not 0 <= wrong <= 1:
        raise BadInput(f"wrong must be in [0, 1], got {wrong}; write 0.2 for twenty percent")
    if dimensions < 2 or n < 1:
        raise BadInput(f"a plane needs at least two dimensions and one label, got {dimensions} and {n}")
    verifier_breakdown(keeps_correct, keeps_wrong)  # checks the rates
    correct, passed = (1 - wrong) * keeps_correct, wrong * keeps_wrong
    if correct + passed == 0:
        raise BadInput(
            "the verifier keeps nothing, because every label is wrong and it keeps no wrong label; raise keeps_wrong or lower wrong"
        )
    kept, sign = n * (correct + passed), (correct - passed) / (correct + passed)
    middles = (np.arange(400) + 0.5) / 400
    along = sign * np.sqrt(2 / np.pi) + np.sqrt((1 - 2 * sign**2 / np.pi) / kept) * norm.ppf(middles)
    across = chi(dimensions - 1).ppf(middles) / np.sqrt(kept)
    accuracy = 1 - np.arctan2(across[None, :], along[:, None]) / np.pi
    return LinearAccuracy(float(accuracy.mean()), float(accuracy.std()))


def plurality_accuracy(right: float, wrong: float, rivals: int, silent: int = 0) -> float:
    """Probability that the right answer to a question is the most frequent of the kept answers (V5).

    `right` is the expected number of right answers to the question, and `wrong` is that of each of `rivals` wrong answers. `silent` further answers
    never occur. Counts are Poisson, the limit for many questions, and ties are broken at random:
    Σ_j f(j; right) [F(j)^{R+1} − F(j − 1)^{R+1}] / [(R + 1) f(j)], with f and F of a rival. For large counts it becomes a step at
    `plurality_breakdown`.

    Source: derived here.

    >>> [round(plurality_accuracy(*counts, 9), 9) for counts in ((0.0, 0.0), (1000.0, 0.0), (5.0, 5.0))]
    [0.1, 1.0, 0.1]
    """
    from scipy.stats import poisson

    if not (0 <= right < np.inf and 0 <= wrong < np.inf and rivals >= 1 and silent >= 0):
        raise BadInput(f"expected counts must be at least 0 and rivals at least 1; got {right}, {wrong}, {rivals} and {silent}")
    counts = np.arange(1, int(max(right, wrong) + 12 * np.sqrt(max(right, wrong)) + 40))
    own, below, at = poisson.pmf(counts, right), poisson.cdf(counts - 1, wrong), poisson.pmf(counts, wrong)
    upto = below + at
    with np.errstate(divide="ignore", invalid="ignore"):
        split = (upto ** (rivals + 1) - below ** (rivals + 1)) / ((rivals + 1) * at)
    wins = np.where(at > 1e-12, split, below**rivals)
    nothing = np.exp(-right - rivals * wrong) / (1 + rivals + silent)
    return float(min(1.0, own @ wins + nothing))


def self_selected_error(wrong: float, ways: int, candidates: int) -> float:
    """Share of wrong answers if a teacher keeps the likeliest of `candidates` answers of its own (V6).

    The teacher errs with probability p = `wrong`, shared equally by `ways` wrong answers, and it knows its own law. If the right answer is its
    likeliest answer, 1 − p > p/ways, a right answer is kept if at least one of the k candidates is right, so the share of wrong answers is p^k.
    Otherwise a right answer is kept only if all candidates are right, so the share is 1 − (1 − p)^k. If all answers are equally likely (p/ways and
    1 − p differ by no more than rounding), the choice is random, and the share is p. A vote over answers and a choice by likelihood thus fail at the
    same p, and a choice by likelihood never detects errors that the teacher considers likely.

    Source: derived here.

    >>> round(self_selected_error(0.3, 9, 4), 4), round(self_selected_error(0.6, 1, 4), 4)
    (0.0081, 0.9744)
    """
    if not (0 <= wrong <= 1 and ways >= 1 and candidates >= 1):
        raise BadInput(f"wrong must be in [0, 1], ways and candidates at least 1; got {wrong}, {ways} and {candidates}")
    each = wrong / ways
    if is_tie(each, 1 - wrong):
        return wrong
    return wrong**candidates if each < 1 - wrong else 1 - (1 - wrong) ** candidates


def is_tie(first: float, second: float) -> bool:
    """Whether two probabilities of single answers are equal up to rounding, as with .9/9 and 1 − .9.

    >>> is_tie(0.9 / 9, 1 - 0.9), is_tie(0.1, 0.1001)
    (True, False)
    """
    return math.isclose(first, second, rel_tol=1e-9)


@dataclass(frozen=True)
class KnownAnswers:
    """The facts about questions and teachers for a law: the task, the errors of the teachers, and the selection."""

    questions: int | None
    """Number of equally likely questions; None for points and the side of a plane on which they lie."""
    answers: int
    dimensions: int
    error: float
    mistakes: Literal["random", "same_answer"]
    keeps_correct: float = 1.0
    keeps_wrong: float = 1.0
    candidates: int = 1
    """Number of answers of a teacher to each question, of which its likeliest answer is kept."""

    @property
    def ways(self) -> int:
        """Number of wrong answers that share the probability of an error."""
        return 1 if self.mistakes == "same_answer" else self.answers - 1

    @property
    def threshold(self) -> float:
        """The share of wrong answers of a teacher from which on the kept answers teach a wrong answer, in the limit of many records."""
        return plurality_breakdown(self.keeps_correct, self.keeps_wrong, self.ways + 1)


def expected_of_answers(measure: str, n: int, generations: int, known: KnownAnswers) -> np.ndarray | None:
    """Return the curve of a reading of `measures.answers` if teachers answer n questions at generation 0; None if no law is known.

    There is no law for students of students, so the curve ends at generation 1.
    """
    error = self_selected_error(known.error, known.ways, known.candidates)
    correct, passed = (1 - error) * known.keeps_correct, error * known.keeps_wrong
    if generations < 2 or correct + passed == 0:
        return None
    curve = np.full(generations, np.nan)
    if measure in ("answer_accuracy", "student_gain"):
        if known.questions is None:
            accuracy = linear_accuracy(n, known.dimensions, error, known.keeps_correct, known.keeps_wrong).mean
        else:
            each = n / known.questions
            accuracy = plurality_accuracy(
                each * correct, each * passed / known.ways, known.ways, silent=known.answers - 1 - known.ways
            )
        curve[1] = accuracy - (1 - known.error if measure == "student_gain" else 0)
        if measure == "answer_accuracy":
            curve[0] = 1 - known.error
        return curve
    if measure in ("taught_wrong", "taught_correct"):
        curve[:2] = (0.0, passed / (correct + passed)) if measure == "taught_wrong" else (n, n * correct)
        return curve
    return None
