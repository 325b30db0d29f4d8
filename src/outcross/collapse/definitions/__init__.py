"""What "model collapse" has been said to mean.

A definition reads the readings of an arm and answers yes, no or cannot_tell, or raises NotApplicable("why").

The words have been used for at least eight things (Schaeffer et al., "Position: Model Collapse Does Not Mean What You
Think", arXiv 2503.03150), and a run may show one and not another: accumulating runs lose their tails while the risk is
bounded. How the questions are decided, everywhere:

* Everything is a difference between generations of one arm. One seed: its error comes from the readings' own intervals,
  taken as independent between generations, which is cautious, since generations share held-out data and inherit each
  other's error; it speaks of this run's models, not of another training. Several seeds: the difference is taken within
  each seed and Student's t-interval over the seeds is used.
* `when` is the first generation from which the finding holds in every generation to the last. Testing from the last
  generation backwards and stopping at the first failure keeps the chance of a false "yes" at 5 % a definition, however
  many generations there are (a fixed-sequence test). A change that has gone by the last generation is no "yes".
* "no" needs evidence too: an interval that excludes every change larger than the tolerance (`Thresholds.margin`). Between the two
  it is "cannot_tell".
* A reading without an interval, as that of one chain, has a value and no error that is known. One seed of it can tell nothing,
  and the note says why; several seeds have the interval over seeds.
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
    """What a run says to one definition, with the statistic that says it.

    `value` with its 95 % interval is the statistic that `note` names; None where there is none, or where an end is
    unbounded. `when` is the first generation from which the finding holds to the end of the run, None unless "yes".
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
    """Where the definitions leave a number open. Each is stated in the note of the answers that it decides."""

    catastrophe: float = 2.0
    """Risk ratio to generation 0 that counts as catastrophic if the rise is not nearly flat too. A loss counts as its perplexity, so 2 is one bit a token
    more. An unbiased estimator that accumulates never passes pi^2/6 = 1.64 (Dey and Donoho 2410.22812)."""
    margin: float = 0.05
    """The tolerance: the smallest change that counts, a fraction of generation 0 or of the floor; in units of the risk for what the last
    doubling of the fits brought; a difference of exponents."""
    excess_share: float = 0.01
    """The tolerance of the share of unlikely blocks beyond the floor, in [0, 1]."""
    flat: float = 0.25
    """Rise of the risk, in nats a token, true variances or probability squared, below which it counts as nearly flat
    (early collapse)."""
    far_loss: float = math.log(10)
    """Rise of the loss, in nats a token, from which little resemblance is left (late collapse): 10 × the perplexity."""
    far_distance: float = 1.0
    """The same for squared distances: as far off as the true law is wide, in true variances."""
    remains: float = 0.1
    """Share of generation 0's variance or diversity at which little resemblance is left (late collapse)."""
    enough: int = 4
    """Generations that the last third of a run must hold before its slope is read as the way it goes on."""


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
    """The function that answers a definition, imported now."""
    module, _, function = DEFINITIONS[name].partition(":")
    return getattr(importlib.import_module(module), function)


def answer(verdict: Verdict, number: Interval | None, when: int | None, note: str) -> Answer:
    """An answer whose definition `profile` names; ends that are not finite are left out."""
    ends = (None, None, None) if number is None else number[:3]
    value, low, high = (end if end is not None and math.isfinite(end) else None for end in ends)
    return Answer("", verdict, value, low, high, when if verdict == "yes" else None, note)


def since(holds: Sequence[bool], first: int = 1) -> int | None:
    """The generation from which something holds to the last, told of every generation from `first` on.

    >>> since([True, False, True, True]), since([True, False])
    (3, None)
    """
    start = len(holds)
    while start > 0 and holds[start - 1]:
        start -= 1
    return first + start if start < len(holds) else None


def first_that_applies(makers: Sequence[Callable[[], Any]], otherwise: str) -> Any:
    """What the first maker that can makes; NotApplicable with `otherwise` and the reasons that readings gave if none."""
    reasons = []
    for make in makers:
        try:
            return make()
        except NotApplicable as reason:
            reasons.append(str(reason))
    given = [reason for reason in reasons if not reason.startswith("no reading of")]
    raise NotApplicable("; ".join([otherwise, *given]))


def without_end(bend: Interval | None) -> tuple[Verdict, str]:
    """Whether a change that is under way goes on without end ("yes") or levels off ("no"), by its last doublings."""
    if bend is None:
        return "cannot_tell", "too few generations to compare doublings of the fits"
    if bend.low > 0:
        return "yes", f"the last doubling of the fits brought more than the one before by {bend}, so it does not level off"
    if bend.high < 0:
        return "no", f"the last doubling of the fits brought less than the one before by {bend}, so it levels off"
    return "cannot_tell", f"the last doubling of the fits against the one before: {bend}, so it may level off or not"
