"""Does the audit find what was taken away, and nothing where nothing was?

Six sets of 20,000 records of one law (tests/damage.py), fresh for each of thirty seeds, against a fresh human set: an honest one; B tails cut and rare
categories merged; C 15 % less variance; D a minority of 3 % halved; E every record 20 times; all of these. *Found* counts the sets in which
the aspect that was damaged has lost something, with the exact binomial interval; on honest sets it counts false alarms, of the whole audit and of each aspect that gave
one. *Cannot tell* counts the sets not found in which a check of the damaged columns says so. *Also lost* is what else was called lost:
damage shows in more than one aspect (repeated records in most), so that is no error by itself.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from figures import HERE, write

from outcross import Audit, audits
from outcross.measures import audit_aspects

sys.path.insert(0, str(HERE.parent / "tests"))

import damage

SEEDS = 30
TOLD = ("spread", "tails", "groups", "diversity")
"""Aspects that something is planted in; honest sets are audited in all of them."""
PLANTED: Mapping[str, tuple[str, ...]] = {
    "tails": ("income", "occupation"),
    "spread": ("age", "income"),
    "groups": ("group",),
    "diversity": ("",),
}


@dataclass(frozen=True)
class Rate:
    """In how many sets of how many an aspect was called lost."""

    table: str
    rows: int
    """Human records."""
    planted: str
    aspect: str
    found: int
    of: int
    low: float
    high: float
    """Exact binomial interval of the share, 95 %."""
    cannot_tell: int
    """Sets not found in which a check of a damaged column cannot tell."""
    others: Mapping[str, int]
    """Sets in which another aspect was called lost."""


def rates(table: str, made: Sequence[Mapping[str, Audit]], planted: Mapping[str, tuple[str, ...]]) -> list[Rate]:
    """The rates of audits of sets, one mapping a seed."""
    told = [*_alarms(table, [one["honest"] for one in made])]
    told += [_rate(table, what, what.split()[0], [one[what] for one in made], columns) for what, columns in planted.items()]
    every = dict.fromkeys(what.split()[0] for what in planted)
    told += [_rate(table, "everything", aspect, [one["everything"] for one in made], ()) for aspect in every]
    for one in told:
        print(
            f"  {table} {one.planted}: {one.aspect} in {one.found} of {one.of}, cannot tell in {one.cannot_tell}; {dict(one.others)}",
            flush=True,
        )
    return told


def _alarms(table: str, honest: Sequence[Audit]) -> Iterable[Rate]:
    found = Counter(aspect for audit in honest for aspect in audit.lost)
    for aspect, count in {"any": sum(bool(audit.lost) for audit in honest), **found}.items():
        yield _counted(table, "nothing", aspect, honest, count, 0, {})


def _rate(table: str, planted: str, aspect: str, made: Sequence[Audit], columns: tuple[str, ...]) -> Rate:
    missed = [audit for audit in made if aspect not in audit.lost]
    untold = sum(any(_is_of(check, aspect, columns) for check in audit.of("cannot_tell")) for audit in missed)
    others = Counter(other for audit in made for other in audit.lost if other != aspect)
    return _counted(table, planted, aspect, made, len(made) - len(missed), untold, dict(others.most_common()))


def _is_of(check: Any, aspect: str, columns: tuple[str, ...]) -> bool:
    return check.aspect == aspect and check.column in columns


def _counted(table: str, planted: str, aspect: str, made: Sequence[Audit], found: int, untold: int, others: dict[str, int]) -> Rate:
    from scipy.stats import binomtest

    low, high = binomtest(found, len(made)).proportion_ci(method="exact")
    return Rate(table, made[0].rows["reference"], planted, aspect, found, len(made), float(low), float(high), untold, others)


def audited(sets: Mapping[str, Any], reference: Any, groups: Sequence[str], target: str) -> dict[str, Audit]:
    """Audits of damaged sets in the aspects that are told, of the honest one in every aspect."""
    damaged = {name: one for name, one in sets.items() if name != "honest"}
    made = audits(damaged, reference=reference, groups=groups, aspects=TOLD)
    honest = audits({"honest": sets["honest"]}, reference=reference, groups=groups, target=target, aspects=tuple(audit_aspects()))
    return {audit.name: audit for audit in [*honest, *made]}


def _six(seed: int) -> dict[str, Audit]:
    rng = np.random.default_rng([30, seed])
    reference = damage.human(rng)
    sets = {what: make(rng) for what, make in damage.SETS.items()} | {"everything": damage.everything(rng)}
    return audited(sets, reference, ("group",), "label")


def main() -> None:
    load = os.getloadavg()
    told = rates("one law", [_six(seed) for seed in range(SEEDS)], PLANTED)
    write("audit", __doc__ or "", load, {"rates": [asdict(one) for one in told]})


if __name__ == "__main__":
    main()
