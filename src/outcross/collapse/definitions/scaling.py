"""Definition (5): a change of the scaling law."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from outcross.collapse.course import Course, Readings
from outcross.collapse.definitions import Answer, Thresholds, answer, since
from outcross.collapse.definitions.risk import Risk, risk_of
from outcross.estimate import NotApplicable
from outcross.experiment.settings import ROWS


def change(readings: Readings, limits: Thresholds) -> Answer:
    """The scaling of the risk with the number of rows changes: its exponent differs from that of generation 0."""
    risks = {rows: risk_of(of_size) for rows, of_size in _by_rows(readings).items()}
    risk = next(iter(risks.values()))
    if any(other.measure != risk.measure for other in risks.values()):
        raise NotApplicable("the sizes have different risks")
    exponent = _exponent(risks)
    if exponent.generations < 2:
        raise NotApplicable("the sizes have no generation in common except generation 0")
    changes = exponent.changes()
    when = since([change.low > 0 or change.high < 0 for change in changes])
    is_same = all(max(-change.low, change.high) < limits.margin for change in changes)
    caveat = "; the exponent is that of the whole loss, whose irreducible part makes it smaller" if risk.is_loss else ""
    note = (
        f"Exponent of {risk.measure} across rows {', '.join(map(str, risks))}: {exponent.at(0).value:.3g} at generation 0, "
        f"{exponent.at(-1).value:.3g} at generation {exponent.generations - 1}; it changed by {changes[-1]}: "
        f"yes if surely not 0, no if surely within {limits.margin:g}{caveat}."
    )
    return answer("yes" if when is not None else "no" if is_same else "cannot_tell", changes[-1], when, note)


def _by_rows(readings: Readings) -> dict[int, Readings]:
    """Return the readings of the arms that differ from this one only in their number of rows, by rows."""
    run = readings.every.filter(run=readings.rows["run"][0])
    if readings.seed is not None:
        run = run.filter(seed=readings.seed)
    there = set(run["arm"].unique().to_list())
    for family in readings.families:
        by_rows = {int(rows): arm for rows, arm in family.arms if arm in there}
        if family.setting in ROWS and readings.arm in by_rows.values() and len(by_rows) > 1:
            return {rows: replace(readings, every=run, arm=arm) for rows, arm in by_rows.items()}
    raise NotApplicable("a scaling law needs a sweep over rows, but no other arm is known to differ from this one only in rows")


def _exponent(risks: dict[int, Risk]) -> Course:
    """Return the exponent of the risk against rows over generations, by least squares of logarithms within each seed."""
    courses = [risk.course.logged() for risk in risks.values()]
    if len({len(course.values) for course in courses}) > 1:
        raise NotApplicable("the sizes have different numbers of seeds")
    shared = [course.until(min(other.generations for other in courses)) for course in courses]
    values = np.stack([course.values for course in shared])  # (sizes, seeds, generations)
    errors = np.stack([course.errors for course in shared])
    logs = np.log(list(risks))
    weights = (logs - logs.mean()) / np.sum((logs - logs.mean()) ** 2)  # (sizes,)
    why = next((course.why for course in shared if course.why), "")
    rounding_error = float(np.abs(weights).sum() * max(1.0, np.abs(values).max()))
    return Course(np.tensordot(weights, values, 1), np.sqrt(np.tensordot(weights**2, errors**2, 1)), why, rounding_error)
