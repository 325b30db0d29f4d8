"""Does the audit find damage planted in real tables, and does it find nothing in their other half?

UCI Adult (48,842 records), COMPAS (7,214) and an extract of the American Community Survey (1,000) are each split into two random halves, ten times.
One half is the reference. The other half is audited without change (*nothing* planted) and with damage: the tails of one column cut and, in another,
all categories but the ten most common merged; 15 % less variance in two columns; half of the smallest group removed, for two columns of groups; every
record repeated 20 times; all of these. The damaged columns are in tests/damage.py, and the columns of the table below are those of the question
before. The smallest race has 18 records in COMPAS and 2 in the survey, and a half of 500 records says little about it. There the audit should answer
that it cannot tell. The data are read from the folder OUTCROSS_DATA, by default shared/data beside the repository.
"""

from __future__ import annotations

import json
import os
import sys

import numpy as np
from audit import Audit, audited, damage, rates
from figures import DATA, RESULTS, write

SPLITS = 10
RESULT = RESULTS / "audit_real.json"
TARGETS = {"adult": "income", "compas": "two_year_recid", "acs": "PINCP_DECILE"}


def _split(name: str, seed: int) -> dict[str, Audit]:
    planted, rng = damage.REAL[name], np.random.default_rng([31, seed])
    reference, other = damage.dealt(damage.real(name, DATA), rng)
    return audited(planted.sets(other, rng), reference, planted.groups, TARGETS[name])


def main() -> None:
    """Measure every table, or those named on the command line, and keep what was measured of the others."""
    if not DATA.exists():
        raise SystemExit(f"there is no {DATA}; set OUTCROSS_DATA to the folder that holds the tables")
    load, names = os.getloadavg(), sys.argv[1:] or list(damage.REAL)
    kept = json.loads(RESULT.read_text(encoding="utf-8"))["rates"] if RESULT.exists() else []
    for name in names:
        of_table = rates(name, [_split(name, seed) for seed in range(SPLITS)], damage.REAL[name].columns)
        kept = [row for row in kept if row["table"] != name] + [rate.stored() for rate in of_table]
        write("audit_real", __doc__ or "", load, {"rates": kept})


if __name__ == "__main__":
    main()
