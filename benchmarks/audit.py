"""Does the audit find what was taken away, and does it report nothing where nothing was taken away?

Six sets of 20,000 records come from one distribution (tests/damage.py). For each of thirty seeds they are drawn anew and audited against a fresh
human set. One set is honest (*nothing* planted). In each of the others one damage is planted: the tails are cut and the rare categories are merged
(*tails*), the variance is 15 % less, a minority of 3 % is halved, every record appears 20 times; the last has all of these. *Found* counts the sets in which the damaged aspect has lost
something, with the exact binomial interval. On honest sets it counts false alarms: those of the whole audit, and those of each aspect that gave one.
*Cannot tell* counts the sets in which the damage was not found and a check of the damaged columns reads "cannot tell". *Also lost* lists the other
aspects in which something was called lost. This is no error by itself, because damage often shows in more than one aspect, and repeated records show
in most of them.
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
DAMAGED = ("spread", "tails", "groups", "diversity")
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
    hits: int
    sets: int
    low: float
    high: float
    """Exact binomial interval of the share, 95 %."""
    cannot_tell: int
    """Sets not found in which a check of a damaged column cannot tell."""
    others: Mapping[str, int]
    """Sets in which another aspect was called lost."""

    def stored(self) -> dict[str, Any]:
        """The rate as the results hold it, where the hits are called `found`."""
        return {"found" if name == "hits" else name: number for name, number in asdict(self).items()}


def rates(table: str, seeds: Sequence[Mapping[str, Audit]], planted: Mapping[str, tuple[str, ...]]) -> list[Rate]:
    """The rates of audits of sets, one mapping a seed."""
    rows = [*_alarms(table, [by_name["honest"] for by_name in seeds])]
    rows += [
        _rate(table, what, what.split()[0], [by_name[what] for by_name in seeds], columns) for what, columns in planted.items()
    ]
    every = dict.fromkeys(what.split()[0] for what in planted)
    rows += [_rate(table, "everything", aspect, [by_name["everything"] for by_name in seeds], ()) for aspect in every]
    for rate in rows:
        print(
            f"  {table} {rate.planted}: {rate.aspect} in {rate.hits} of {rate.sets}, cannot tell in {rate.cannot_tell}; {dict(rate.others)}",
            flush=True,
        )
    return rows


def _alarms(table: str, honest: Sequence[Audit]) -> Iterable[Rate]:
    alarms = Counter(aspect for audit in honest for aspect in audit.lost)
    for aspect, count in {"any": sum(bool(audit.lost) for audit in honest), **alarms}.items():
        yield _counted(table, "nothing", aspect, honest, count, 0, {})


def _rate(table: str, planted: str, aspect: str, damaged: Sequence[Audit], columns: tuple[str, ...]) -> Rate:
    missed = [audit for audit in damaged if aspect not in audit.lost]
    cannot_tell = sum(any(_is_of(check, aspect, columns) for check in audit.of("cannot_tell")) for audit in missed)
    others = Counter(other for audit in damaged for other in audit.lost if other != aspect)
    return _counted(table, planted, aspect, damaged, len(damaged) - len(missed), cannot_tell, dict(others.most_common()))


def _is_of(check: Any, aspect: str, columns: tuple[str, ...]) -> bool:
    return check.aspect == aspect and check.column in columns


def _counted(
    table: str, planted: str, aspect: str, of_seeds: Sequence[Audit], hits: int, cannot_tell: int, others: dict[str, int]
) -> Rate:
    from scipy.stats import binomtest

    low, high = binomtest(hits, len(of_seeds)).proportion_ci(method="exact")
    return Rate(
        table, of_seeds[0].rows["reference"], planted, aspect, hits, len(of_seeds), float(low), float(high), cannot_tell, others
    )


def audited(sets: Mapping[str, Any], reference: Any, groups: Sequence[str], target: str) -> dict[str, Audit]:
    """Audits of damaged sets in the aspects that are told, of the honest one in every aspect."""
    damaged = {name: frame for name, frame in sets.items() if name != "honest"}
    of_damaged = audits(damaged, reference=reference, groups=groups, aspects=DAMAGED)
    honest = audits({"honest": sets["honest"]}, reference=reference, groups=groups, target=target, aspects=tuple(audit_aspects()))
    return {audit.name: audit for audit in [*honest, *of_damaged]}


def _six(seed: int) -> dict[str, Audit]:
    rng = np.random.default_rng([30, seed])
    reference = damage.human(rng)
    sets = {what: make(rng) for what, make in damage.SETS.items()} | {"everything": damage.everything(rng)}
    return audited(sets, reference, ("group",), "label")


def main() -> None:
    load = os.getloadavg()
    rows = rates("one law", [_six(seed) for seed in range(SEEDS)], PLANTED)
    write("audit", __doc__ or "", load, {"rates": [rate.stored() for rate in rows]})


if __name__ == "__main__":
    main()
