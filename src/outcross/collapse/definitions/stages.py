"""Early and late collapse (Shumailov et al., Nature 2024, Definition 2.1), and the onset of each."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

from outcross.collapse.course import Course, Readings
from outcross.collapse.definitions import DEFINITIONS, Answer, Thresholds, Verdict, answer, definition, since
from outcross.collapse.definitions.risk import NATS, VARIANCES, Risk, risk_of
from outcross.collapse.definitions.signals import Followed, moved, next_tokens_of
from outcross.collapse.definitions.spread import spread_of
from outcross.collapse.definitions.survival import tails_of
from outcross.estimate import NotApplicable

SIGNS: Mapping[str, Callable[[Readings], Course]] = {
    "collapsing variance": lambda readings: spread_of(readings).course,
    "disappearance of real tail data": tails_of,
    "narrowing of next-token distributions": next_tokens_of,
}
"""The courses of what is lost in early collapse, by the definition (for the next tokens, the signal) that decides whether it is lost."""


def early(readings: Readings, limits: Thresholds) -> Answer:
    """Tails, spread or the spread of next-token distributions are lost while the risk is nearly flat.

    A loss counts only if its own definition answers "yes", and only if it happened after generation 0. Losses from the first fit or from decoding
    are not collapse over generations.
    """
    said = {name: verdict for name in SIGNS if (verdict := _verdict(name, readings, limits)) is not None}
    if not said:
        raise NotApplicable("no reading of tails, spread or next tokens")
    going = {name: _since_start(SIGNS[name](readings)) for name, verdict in said.items() if verdict == "yes"}
    starts = {name: start for name, start in going.items() if start is not None}
    if not starts:
        if unsure := [name for name, verdict in said.items() if verdict == "cannot_tell"]:
            return answer("cannot_tell", None, None, f"It is uncertain whether these are lost: {', '.join(unsure)}.")
        return answer("no", None, None, "None of these is lost after generation 0: " + ", ".join(said) + ".")
    try:
        risk = risk_of(readings)
    except NotApplicable as reason:
        return answer("cannot_tell", None, None, f"{', '.join(starts)}, but it is unknown whether the risk was flat: {reason}.")
    return _dated(risk, starts, limits)


def _verdict(name: str, readings: Readings, limits: Thresholds) -> Verdict | None:
    try:
        if name in DEFINITIONS:
            return definition(name)(readings, limits).answer
        return moved(Followed(name, SIGNS[name](readings)), limits).answer
    except NotApplicable:
        return None


def _since_start(course: Course) -> int | None:
    return since([change.high < 0 for change in course.changes()])


def _dated(risk: Risk, starts: dict[str, int], limits: Thresholds) -> Answer:
    """Answer early collapse, given the generations from which tails and spread are lost.

    Its date is the first such generation with a nearly flat risk.
    """
    first = min(starts.values())
    rises = risk.course.changes()[first - 1 :]
    what = ", ".join(f"{name} from generation {start}" for name, start in starts.items())
    limit = f"nearly flat below {limits.flat:g} {risk.unit}"
    for generation, rise in enumerate(rises, start=first):
        if rise.high < limits.flat:
            return answer("yes", rise, generation, f"{what}, when {risk.measure} had risen by {rise}, {limit}.")
    if not rises:
        return answer("cannot_tell", None, None, f"{what}, but {risk.measure} was not measured there.")
    verdict: Verdict = "no" if all(rise.low >= limits.flat for rise in rises) else "cannot_tell"
    return answer(verdict, rises[0], None, f"{what}, but {risk.measure} had risen by {rises[0]} at generation {first}, {limit}.")


def late(readings: Readings, limits: Thresholds) -> Answer:
    """Little resemblance is left: the risk has risen far, or hardly any spread remains."""
    signs = [sign for sign in (_far(readings, limits), _narrow(readings, limits)) if sign is not None]
    if not signs:
        raise NotApplicable("no reading of a risk or a spread over two generations")
    note = " ".join(sign.note for sign in signs)
    if late_signs := [sign for sign in signs if sign.answer == "yes"]:
        earliest = min(late_signs, key=lambda sign: sign.when if sign.when is not None else math.inf)
        return replace(earliest, note=note)
    return replace(signs[0], answer="no" if all(sign.answer == "no" for sign in signs) else "cannot_tell", note=note)


def _far(readings: Readings, limits: Thresholds) -> Answer | None:
    try:
        risk = risk_of(readings)
    except NotApplicable:
        return None
    # A threshold in probability squared would depend on the number of states. Their spread decides instead.
    far = {NATS: limits.far_loss, VARIANCES: limits.far_distance}.get(risk.unit)
    rises = risk.course.changes()
    if far is None or not rises:
        return None
    when = since([rise.low >= far for rise in rises])
    verdict: Verdict = "yes" if when is not None else "no" if all(rise.high < far for rise in rises) else "cannot_tell"
    return answer(verdict, rises[-1], when, f"{risk.measure} has risen by {rises[-1]} {risk.unit}, and {far:.3g} counts as far.")


def _narrow(readings: Readings, limits: Thresholds) -> Answer | None:
    try:
        spread = spread_of(readings)
    except NotApplicable:
        return None
    left = [change.exponential() for change in spread.course.changes()]
    when = since([share.high <= limits.remains for share in left])
    if spread.gone is not None:
        note = f"Nothing varies from generation {spread.gone} on."
        return answer("yes", left[-1] if left else None, spread.gone if when is None else when, note)
    if not left:
        return None
    is_wide = spread.clears and all(share.low > limits.remains for share in left)
    verdict: Verdict = "yes" if when is not None else "no" if is_wide else "cannot_tell"
    note = f"By {spread.name}, {left[-1]} of the spread of generation 0 is left, and {limits.remains:g} counts as little."
    return answer(verdict, left[-1], when, note)
