"""The audit of real tables: damage planted in them is found, their other half has lost nothing, graded sets are ranked in order.

The data are looked for in the folder OUTCROSS_DATA, by default shared/data beside the repository; without them the tests are skipped.
`make bench QUESTIONS=audit_real` takes every record, ten splits and every aspect.
"""

from __future__ import annotations

import os
from pathlib import Path

import damage
import numpy as np
import polars
import pytest

import outcross
from outcross import audits
from outcross.verbs.audit.rankings import ranking

DATA = Path(os.environ.get("OUTCROSS_DATA") or Path(__file__).parents[2] / "shared" / "data")
ADULT = DATA / "tabular_synthetic" / "adult"
pytestmark = pytest.mark.skipif(not ADULT.exists(), reason=f"there is no {ADULT}; set OUTCROSS_DATA to the folder that holds it")
SPLITS = (0,)
MOST = 12_000
"""Human records of a table that are dealt out, at most."""
FEW = 3_000
"""Records of each of the published sets that are looked at."""
GRADED = {
    ("diversity", "tails"): ("syn_mostly_temp10", "syn_mostly_temp09", "syn_mostly_temp05", "syn_mostly_temp01"),
    ("structure", "coverage"): ("perturbed_flip10", "perturbed_flip30", "perturbed_flip50", "perturbed_flip90"),
}
"""Sets from the best to the worst, by the aspects that tell: what sampling at low temperature takes, what replacing values breaks."""


@pytest.fixture(scope="module", params=[(name, split) for name in damage.REAL for split in SPLITS], ids=str)
def table(request):
    """A real table dealt into a reference and an honest set, the damaged sets of that, and where damage was planted."""
    name, split = request.param
    planted, rng = damage.REAL[name], np.random.default_rng([20_26, 40, split])
    frame = damage.real(name, DATA)
    reference, other = damage.dealt(frame[rng.permutation(frame.height)[:MOST]], rng)
    return planted, reference, planted.sets(other, rng)


def test_the_other_half_of_a_real_table_has_lost_nothing(table):
    planted, reference, sets = table
    aspects = ("spread", "tails", "groups", "diversity")
    assert outcross.audit(sets["honest"], reference=reference, groups=planted.groups, aspects=aspects).lost == []


@pytest.mark.parametrize("aspect", ["tails", "diversity"])
def test_tails_cut_and_records_repeated_are_found_in_every_real_table(table, aspect):
    _, reference, sets = table
    assert outcross.audit(sets[aspect], reference=reference, aspects=aspect).lost == [aspect]


def test_what_is_not_found_is_never_said_to_be_kept(table):
    planted, reference, sets = table
    for what, columns in planted.columns.items():
        aspect, *group = what.split()
        audit = outcross.audit(sets[what], reference=reference, groups=group, aspects=aspect)
        undecided = {check.column for check in audit.of("cannot_tell") if check.aspect == aspect}
        assert audit.lost == [aspect] or undecided & set(columns), what


def published(name: str) -> polars.DataFrame:
    return polars.read_parquet(ADULT / f"{name}.parquet")[:FEW]


@pytest.mark.parametrize("aspects", GRADED, ids=str)
def test_graded_sets_are_ranked_in_order(aspects):
    names = GRADED[aspects]
    shuffled = {name: published(name) for name in sorted(names)}
    places = ranking(audits(shuffled, reference=published("real_train"), aspects=aspects))
    for aspect in aspects:
        assert [place.name for place in places if place.aspect == aspect] == list(names), aspect


def test_every_synthesizer_is_ranked_beside_the_human_holdout():
    names = sorted(path.stem for path in ADULT.glob("syn_*.parquet"))
    sets = {name: published(name) for name in ["real_holdout", *names]}
    places = ranking(audits(sets, reference=published("real_train"), groups=("sex", "race"), aspects=("tails", "groups")))
    assert len(names) == 24
    for aspect in ("tails", "groups"):
        assert {place.name for place in places if place.aspect == aspect} == set(sets)


def test_the_human_holdout_has_lost_nothing_in_any_aspect():
    audit = outcross.audit(published("real_holdout"), reference=published("real_train"), groups=("sex", "race"), target="income")
    assert audit.lost == [] and audit.invented == []
