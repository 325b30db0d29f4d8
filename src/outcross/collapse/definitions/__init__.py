"""The definitions of "model collapse".

A definition takes the readings of an arm and answers yes, no or cannot_tell, or raises NotApplicable("why").

The term has been used for at least eight different things (Schaeffer et al., "Position: Model Collapse Does Not Mean What You Think",
arXiv 2503.03150), and a run may show one and not another. For example, accumulating runs lose their tails while the risk stays bounded. All
definitions are decided by the same rules:

* Every statistic is a difference between generations of one arm. With one seed, its error comes from the readings' own intervals, added as if
  generations were independent. That is cautious, because generations share held-out data and inherit each other's error. It covers the models of
  this run and not another training. With several seeds, the difference is taken within each seed and has Student's t-interval over the seeds.
* `when` is the first generation from which the finding holds in every generation to the last. Testing backwards from the last generation and
  stopping at the first failure keeps the probability of a false "yes" at 5 % per definition, for any number of generations (a fixed-sequence
  test). A change that has vanished by the last generation is not a "yes".
* "no" needs evidence too: an interval that excludes every change larger than the tolerance (`Thresholds.margin`). Otherwise the answer is
  "cannot_tell".
* A reading without an interval, such as that of one chain, has an unknown error. With one seed the answer is "cannot_tell", and the note gives
  the reason. Several seeds have an interval over seeds.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from outcross.collapse.course import Interval, Readings
from outcross.estimate import NotApplicable

Verdict = Literal["yes", "no", "cannot_tell", "not_applicable"]


@dataclass(frozen=True)
class Answer:
    """The answer of a run to one definition, with its statistic.

    `value` with its 95 % interval is the statistic that `note` names. They are None if there is no statistic, or if an end is unbounded. `when` is
    the first generation from which the finding holds to the end of the run. It is None unless the answer is "yes".
    """

    definition: str
    answer: Verdict
    value: float | None
    low: float | None
    high: float | None
    when: int | None
    note: str


@dataclass(frozen=True)
class Thresholds:
    """Numbers that the definitions leave open. Each is stated in the note of the answers that depend on it."""

    catastrophe: float = 2.0
    """Risk ratio to generation 0 that counts as catastrophic, unless the rise is nearly flat. A loss counts as its perplexity, so 2 is one more bit
    per token. An unbiased estimator that accumulates never exceeds pi^2/6 = 1.64 (Dey and Donoho 2410.22812)."""
    margin: float = 0.05
    """The tolerance, that is, the smallest change that counts: a fraction of generation 0 or of the floor, a rise in units of the risk over the last
    doubling of the fits, or a difference of exponents."""
    excess_share: float = 0.01
    """The tolerance of the share of unlikely blocks beyond the floor, in [0, 1]."""
    flat: float = 0.25
    """Rise of the risk below which it counts as nearly flat (early collapse), in nats per token, true variances or probability squared."""
    far_loss: float = math.log(10)
    """Rise of the loss from which little resemblance is left (late collapse), in nats per token: 10 × the perplexity."""
    far_distance: float = 1.0
    """Rise of a squared distance from which little resemblance is left (late collapse), in true variances."""
    remains: float = 0.1
    """Share of the variance or diversity of generation 0 at which little resemblance is left (late collapse)."""
    enough: int = 4
    """Minimum number of generations in the last third of a run, from which its slope is taken as its future course."""


Definition = Callable[[Readings, Thresholds], Answer]

DEFINITIONS: dict[str, str] = {
    "catastrophic increase of population risk": "outcross.collapse.definitions.risk:catastrophe",
    "any increase of population risk": "outcross.collapse.definitions.risk:increase",
    "asymptotically diverging population risk": "outcross.collapse.definitions.risk:divergence",
    "collapsing variance": "outcross.collapse.definitions.spread:collapsing_variance",
    "change in scaling law": "outcross.collapse.definitions.scaling:change",
    "disappearance or entanglement of real modes": "outcross.collapse.definitions.survival:lost_modes",
    "disappearance of real tail data": "outcross.collapse.definitions.survival:lost_tails",
    "appearance of hallucinated data": "outcross.collapse.definitions.hallucination:hallucination",
}
"""The eight definitions of arXiv 2503.03150 in its order, by "module:function"."""


def definition(name: str) -> Definition:
    """Import and return the function that answers a definition."""
    module, _, function = DEFINITIONS[name].partition(":")
    return getattr(importlib.import_module(module), function)


def answer(verdict: Verdict, number: Interval | None, when: int | None, note: str) -> Answer:
    """Return an answer without the name of its definition, which `profile` adds. Ends that are not finite become None."""
    ends = (None, None, None) if number is None else number[:3]
    value, low, high = (end if end is not None and math.isfinite(end) else None for end in ends)
    return Answer("", verdict, value, low, high, when if verdict == "yes" else None, note)


def since(holds: Sequence[bool], first: int = 1) -> int | None:
    """Return the generation from which something holds to the last. `holds` has one entry for every generation from `first`.

    >>> since([True, False, True, True]), since([True, False])
    (3, None)
    """
    start = len(holds)
    while start > 0 and holds[start - 1]:
        start -= 1
    return first + start if start < len(holds) else None


def first_that_applies(makers: Sequence[Callable[[], Any]], otherwise: str) -> Any:
    """Return the result of the first function that applies. Raises NotApplicable, with `otherwise` and the reasons, if none does."""
    reasons = []
    for make in makers:
        try:
            return make()
        except NotApplicable as reason:
            reasons.append(str(reason))
    given = [reason for reason in reasons if not reason.startswith("no reading of")]
    raise NotApplicable("; ".join([otherwise, *given]))


def without_end(bend: Interval | None) -> tuple[Verdict, str]:
    """Return whether a change continues without end ("yes") or levels off ("no"), judged by its last doublings of the fits."""
    if bend is None:
        return "cannot_tell", "too few generations to compare doublings of the fits"
    if bend.low > 0:
        return "yes", f"the last doubling of the fits added more than the one before, by {bend}, so it does not level off"
    if bend.high < 0:
        return "no", f"the last doubling of the fits added less than the one before, by {bend}, so it levels off"
    return "cannot_tell", f"the last doubling of the fits differs from the one before by {bend}, so it may or may not level off"
