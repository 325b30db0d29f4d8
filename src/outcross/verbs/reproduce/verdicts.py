"""Verdicts from comparisons (science/oracles.md E5). The rules are fixed before anything runs, and Holm's correction covers all claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from outcross.statistics.holm import holm
from outcross.verbs.reproduce.claim import UNVERIFIED, Claim, ClaimPart, Protocol
from outcross.verbs.reproduce.rules import LEVEL, ClaimComparison, print_error

ClaimVerdict = Literal["agrees", "same direction", "cannot tell", "differs", "not run here", "stale"]
ORDERED: tuple[ClaimVerdict, ...] = ("agrees", "same direction", "cannot tell", "differs")
"""The verdicts from best to worst. A claim with several comparisons has the worst of their verdicts."""
MEANINGS: Mapping[ClaimVerdict, str] = {
    "agrees": "Our number is within three standard errors of the published one. Both are precise to a quarter of the effect, and the value that means no effect lies outside our interval after Holm's correction over the claims. If an order or a sign is claimed, the exact protocol shows it.",
    "same direction": "The order or the sign is the published one. No more can be said, because the scale is smaller, the experiment is a stand-in, or the published number is unverified.",
    "cannot tell": "Our interval or that of the published number is too wide, or ours contains the value that means no effect, or there is no interval. Or our number is away from the published one, but by no more than few seeds or many comparisons explain.",
    "differs": "Our number is precise, and under the exact protocol it is away from the published one, or it points the other way. It does so after a correction over the comparisons of the claim.",
    "not run here": "The experiment needs data or hardware that this machine does not have. The reason is given with the claim.",
    "stale": "The claim was changed after it was run, and must be run again.",
}


def verdict(
    part: ClaimPart, comparison: ClaimComparison, claim: Claim, protocol: Protocol, tests: int = 1, within: int = 1
) -> ClaimVerdict:
    """The verdict of one comparison. `tests` is Holm's factor, by which its p-value is multiplied. `within` is the number of comparisons of the claim.

    A claim differs if any of its comparisons does, so the p-value of a difference is also multiplied by their number (Bonferroni).
    """
    may_agree = part.tag not in UNVERIFIED and not claim.at_most_same_direction and protocol != "stand_in"
    if not comparison.excludes_none or comparison.p * tests > LEVEL:
        return "cannot tell"
    if not comparison.is_same_side:
        return "differs" if comparison.p * tests * within <= LEVEL else "cannot tell"
    if not may_agree:
        return "same direction"
    if comparison.published is None:
        return "agrees" if protocol == "exact" else "same direction"
    printed = 0.0 if part.tag == "derived" else print_error(comparison.published)
    is_close = comparison.is_close(printed)
    if is_close and comparison.is_precise and comparison.is_published_precisely:
        return "agrees"
    if protocol == "reduced":
        return "same direction"
    if is_close or not comparison.is_precise:
        return "cannot tell"
    return "differs" if comparison.p_of_published(printed) * within <= LEVEL else "cannot tell"


def worst(several: Sequence[ClaimVerdict]) -> ClaimVerdict:
    """The worst of the verdicts of a claim's comparisons."""
    return max(several, key=ORDERED.index)


def holm_factors(p_values: Mapping[str, float]) -> dict[str, int]:
    """The factors by which Holm's method multiplies the p-values of claims: m for the smallest of m p-values, m − 1 for the next, and so on.

    The p-value of a claim is the largest among its comparisons, since all of them must differ from no effect. If a claim fails, all claims with larger
    p-values fail as well; they get the factor of that claim.

    >>> holm_factors({"a": 0.001, "b": 0.04, "c": 0.01})
    {'a': 3, 'c': 2, 'b': 1}
    >>> holm_factors({"a": 0.03, "b": 0.04})  # 0.03 · 2 fails, so 0.04 · 1 must also fail
    {'a': 2, 'b': 2}
    """
    names = sorted(p_values, key=lambda name: p_values[name])
    corrected = holm([p_values[name] for name in names])
    factors: dict[str, int] = {}
    has_failed = 0
    for place, (name, value) in enumerate(zip(names, corrected, strict=True)):
        factors[name] = has_failed or len(names) - place
        if value > LEVEL and not has_failed:
            has_failed = len(names) - place
    return factors
