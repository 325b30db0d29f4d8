"""Is each kind of damage found in its own aspect and named first, and is no damage ever called kept?

The tables are UCI Adult, COMPAS and an extract of the American Community Survey (ACS). Each is split into a human set, a set to audit and spare
records that are in neither; no record is drawn twice. The set to audit is then damaged in one way. Five kinds of damage are those of the six sets
above: tails cut and rare categories merged; 15 % less variance; half of the smallest group removed; every record repeated 20 times; all of these. The
others are: a common category halved; two classes or two columns swapped; a region of 10 % removed, by a rule of three columns that leaves every
single column within its tolerance; numbers moved by a fifth of a standard deviation or more; a column removed; a group removed; and five changes that
lie inside the tolerance. Spare records replace the records that were removed, as far as there are any (ACS has none, and COMPAS has 14 at 3,600
records). *Found* means that a check of the damaged thing, in the aspect named, reads lost; its interval is the exact binomial one. *Named* means that
the first sentence of the answer names the column, the category or what is repeated. *Cannot tell* counts the sets without a finding in which such a
check reads "cannot tell". *Kept* counts the sets in which a check of the damage reads kept although its true value lies beyond its tolerance,
whatever other checks read. This is an error, and the goal is at most 5 %. The true values compare the whole table with the damage to the whole table
without it, since the sets are drawn from that table. *Checks beyond* counts every check of any column whose true value lies beyond its tolerance,
over all sets, and how many of them read kept. *Checks inside* counts those whose true value lies inside it, and how many of them read lost. Inside
the tolerance, *found* is an error. Where nothing is planted, *found* counts sets with a loss in any aspect. Its exact one-sided upper bound holds for
the splits of one table, which overlap. The audits ask for the aspects spread, tails, groups and structure, for the regions of the aspect coverage,
and for diversity where records are repeated or nothing is planted. The aspect `use`, copies and neighbours are left out, since they cost the most and
none of the damage concerns them.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from audit import damage
from figures import DATA, RESULTS, write
from planted import planted

from outcross import Audit, audit
from outcross.measures import pages_of_aspect
from outcross.verbs.audit.check import Check

RESULT = RESULTS / "audit_damages.json"
SIZES = (("acs", 500), ("compas", 1_000), ("adult", 1_000), ("compas", 3_600), ("adult", 5_000), ("adult", 12_000))
SEEDS, SPLITS = 30, 400
"""Damaged sets of a kind and a size, and honest splits of a table and a size, at most."""
HONEST = "nothing"
ASKED = ("spread", "tails", "groups", "structure", "regions")
COUNTED = ("found", "named", "kept", "cannot_tell", "beyond", "beyond_kept", "inside", "inside_lost")
REPEATS = "diversity"
"""Asked of honest sets, and of those in which records are repeated."""


@dataclass(frozen=True)
class Deal:
    """What a damaged set is made of."""

    other: pl.DataFrame
    spare: pl.DataFrame
    rng: np.random.Generator
    table: Table

    def without(self, is_gone: pl.Expr, kept: float = 0.0) -> pl.DataFrame:
        """So much of some records left, and spare ones of the others in the place of those that are gone."""
        inside, rest = self.other.filter(is_gone), self.other.filter(~is_gone)
        left = inside[: round(kept * inside.height)]
        return pl.concat([rest, left, self.spare.filter(~is_gone)[: inside.height - left.height]])


@dataclass(frozen=True)
class Damage:
    """One kind of damage to a table."""

    aspect: str
    """In which it should be found."""
    harm: Callable[[Deal], pl.DataFrame]
    is_of: Callable[[Check], bool]
    """Which checks are about it; their true values lie beyond their tolerance, or inside of it where the damage does."""
    words: tuple[str, ...]
    """The first sentence names it where it holds one of them."""
    is_inside: bool = False
    """Whether its true size lies inside the tolerance."""


@dataclass(frozen=True)
class Table:
    """Where damage is planted."""

    groups: tuple[str, str]
    smallest: str
    """The group of the second column of groups that is halved."""
    gone: str
    """The group of that column of which nobody is left."""
    category: tuple[str, str]
    """A common category, of 12 to 18 % of records."""
    classes: str
    """A column of which two classes are swapped."""
    columns: tuple[str, str]
    """Two columns of categories that are swapped."""
    number: tuple[str, float]
    """A column of numbers, and how far it is moved: a fifth to a quarter of a standard deviation, or a third of that inside the tolerance."""
    narrowed: tuple[str, str]
    cut: tuple[str, str]
    """A column of numbers whose tails are cut, one of categories whose rare ones are merged."""
    region: tuple[str, str, str]
    """The columns of the rule of a region."""
    dropped: str


TABLES: Mapping[str, Table] = {
    "adult": Table(
        groups=("sex", "race"), smallest="Other", gone="Black", category=("occupation", "Craft-repair"), classes="income",
        columns=("education", "occupation"), number=("age", 3), narrowed=("age", "hours-per-week"), cut=("age", "native-country"),
        region=("age", "education", "hours-per-week"), dropped="education",
    ),
    "compas": Table(
        groups=("sex", "race"), smallest="Other", gone="Hispanic", category=("c_charge_desc", "Battery"), classes="sex",
        columns=("age_cat", "score_text"), number=("age", 3), narrowed=("age", "priors_count"), cut=("priors_count", "c_charge_desc"),
        region=("age", "priors_count", "c_charge_degree"), dropped="decile_score",
    ),
    "acs": Table(
        groups=("SEX", "RAC1P"), smallest="6", gone="6", category=("EDU", "9"), classes="DPHY",
        columns=("MSP", "EDU"), number=("AGEP", 5), narrowed=("AGEP", "PINCP"), cut=("PINCP", "INDP_CAT"),
        region=("AGEP", "EDU", "OWN_RENT"), dropped="MSP",
    ),
}  # fmt: skip


def damages(name: str) -> dict[str, Damage]:
    """Every kind of damage to a table, by its name."""
    table = TABLES[name]
    column, (number, far), race = table.category[0], table.number, table.groups[1]
    halved, gone, common = (pl.col(field) == value for field, value in ((race, table.smallest), (race, table.gone), table.category))
    cut, merged = table.cut
    region, inside = _region(name)

    def is_cut(check: Check) -> bool:
        is_tail = check.metric == "mass" and check.column == cut and check.at in ("upper 1 %", "upper 0.5 %")
        return is_tail or (check.metric == "rare_categories" and check.column == merged)

    def is_narrowed(check: Check) -> bool:
        return check.metric == "variance" and check.column in table.narrowed

    def is_group(value: str) -> Callable[[Check], bool]:
        return lambda check: check.metric in ("share", "category_share") and check.group == f"{race}={value}"

    def is_shared(*columns: str) -> Callable[[Check], bool]:
        return lambda check: check.metric in ("category_share", "share") and check.column in columns

    def is_located(check: Check) -> bool:
        return check.metric == "location" and check.column == number

    def is_region(check: Check) -> bool:
        return check.metric == "region" and (check.verdict != "lost" or sum(word in check.at for word in table.region) >= 2)

    def moved(deal: Deal, by: float) -> pl.DataFrame:
        return deal.other.with_columns(pl.col(number) + by)

    def without_tails(deal: Deal) -> pl.DataFrame:
        return damage.merged(_within(deal.other, cut, deal.rng), merged)

    def everything(deal: Deal) -> pl.DataFrame:
        damaged = Deal(damage.narrowed(without_tails(deal), table.narrowed), deal.spare, deal.rng, table)
        return _repeated(damaged.without(halved, 0.5), 5)

    every = (is_cut, is_narrowed, is_group(table.smallest), is_repeated)
    settings = {
        "tails cut": Damage("tails", without_tails, is_cut, (cut, merged)),
        "15 % less variance": Damage(
            "spread", lambda deal: damage.narrowed(deal.other, table.narrowed), is_narrowed, table.narrowed
        ),
        "smallest group halved": Damage("groups", lambda deal: deal.without(halved, 0.5), is_group(table.smallest), named(race, table.smallest)),
        "every record 20 times": Damage(
            "diversity", lambda deal: _repeated(deal.other, 20), is_repeated, REPEATED
        ),
        "all of these": Damage(
            "any", everything, lambda check: any(is_of(check) for is_of in every),
            (*table.cut, *table.narrowed, *REPEATED, *named(race, table.smallest)),
        ),
        "a common category halved": Damage("groups", lambda deal: deal.without(common, 0.5), is_shared(column), (column,)),
        "two classes swapped": Damage("groups", lambda deal: _swapped(deal.other, table.classes), is_shared(table.classes), (table.classes,)),
        "two columns swapped": Damage(
            "groups", lambda deal: deal.other.rename(dict(zip(table.columns, reversed(table.columns), strict=True))), is_shared(*table.columns), table.columns
        ),
        f"a region gone: {region}": Damage("coverage", lambda deal: deal.without(inside(deal)), is_region, table.region),
        "a mean moved": Damage("spread", lambda deal: moved(deal, far), is_located, (number,)),
        "a column gone": Damage(
            "structure", lambda deal: deal.other.drop(table.dropped), lambda check: check.metric == "column" and check.column == table.dropped, (table.dropped,)
        ),
        "a group gone": Damage("groups", lambda deal: deal.without(gone), is_group(table.gone), named(race, table.gone)),
        "a common category at 90 %": Damage("groups", lambda deal: deal.without(common, 0.9), is_shared(column), (), True),
        "a group at 90 %": Damage("groups", lambda deal: deal.without(gone, 0.9), is_group(table.gone), (), True),
        "5 % less variance": Damage("spread", lambda deal: damage.narrowed(deal.other, table.narrowed, 0.95), is_narrowed, (), True),
        "a mean moved by a third of that": Damage("spread", lambda deal: moved(deal, round(far / 3)), is_located, (), True),
        "a region at 90 %": Damage("coverage", lambda deal: deal.without(inside(deal), 0.9), lambda check: check.metric == "region", (), True),
    }  # fmt: skip
    return settings


def named(column: str, group: str) -> tuple[str, ...]:
    """How the first sentence may name a group."""
    return f"{group} ({column})", f"{column} = {group}"


def is_repeated(check: Check) -> bool:
    return check.metric in ("distinct_rows", "effective_rows") and not check.group


def _region(name: str) -> tuple[str, Callable[[Deal], pl.Expr]]:
    """A rule that holds 10 % of a table, and what says which records meet it, by the number of each."""
    rule = _planted(name)
    return rule.name, lambda deal: pl.col(ROW).is_in(np.flatnonzero(rule.inside).tolist())


REPEATED = ("uplicate", "distinct records", "effective number of records")
"""Words for records that are there again."""
ROW = "_row"
"""The number of each record in its table; it is taken out before an audit."""


@cache
def _planted(name: str) -> Any:
    return planted(_table(name).drop(ROW), TABLES[name].region, 0.1, seed=1)


@cache
def _table(name: str) -> pl.DataFrame:
    frame = damage.real(name, DATA)
    return frame.drop("").with_row_index(ROW) if "" in frame.columns else frame.with_row_index(ROW)


def _within(frame: pl.DataFrame, column: str, rng: np.random.Generator) -> pl.DataFrame:
    """Numbers outside their 1–99 % band replaced by numbers of other records inside it, each of them taken once."""
    values = frame[column].cast(pl.Float64).to_numpy().copy()
    low, high = np.nanquantile(values, [0.01, 0.99])
    is_out, is_in = (values < low) | (values > high), (values >= low) & (values <= high)
    values[is_out] = rng.permutation(values[is_in])[: is_out.sum()]
    return frame.with_columns(pl.Series(column, values, nan_to_null=True).cast(frame[column].dtype))


def _swapped(frame: pl.DataFrame, column: str) -> pl.DataFrame:
    first, second = frame[column].value_counts(sort=True)[column][:2]
    other = pl.when(pl.col(column) == first).then(pl.lit(second)).when(pl.col(column) == second).then(pl.lit(first))
    return frame.with_columns(other.otherwise(pl.col(column)).alias(column))


def _repeated(frame: pl.DataFrame, times: int) -> pl.DataFrame:
    return pl.concat([frame[: frame.height // times]] * times)


def dealt(name: str, rows: int, seed: int) -> tuple[pl.DataFrame, Deal]:
    """A human set, and what a damaged set is made of: disjoint records, none of them twice."""
    frame, rng = _table(name), np.random.default_rng([45, rows, seed])
    order = rng.permutation(frame.height)
    human, other, spare = frame[order[:rows]], frame[order[rows : 2 * rows]], frame[order[2 * rows :]]
    return human.drop(ROW), Deal(other, spare, rng, TABLES[name])


def audited(name: str, human: pl.DataFrame, damaged: pl.DataFrame, asked: Sequence[str]) -> Audit:
    groups = [group for group in TABLES[name].groups if group in damaged.columns]
    return audit(damaged.drop(ROW), reference=human, groups=groups, aspects=asked)


Place = tuple[str, str, str, str]
"""Which check: its name, column, group, and the place in the column."""
WORST = ("category_share", "category_growth")
"""Checks that name the worst category of a column, which is another one from set to set."""


def place_of(check: Check) -> Place:
    return check.metric, check.column, "" if check.metric in WORST else check.group, check.at


def is_beyond(check: Check) -> bool:
    """Whether the value of a check lies beyond its tolerance."""
    healthy = pages_of_aspect(check.aspect)[check.metric].healthy
    usual = check.real_vs_real if isinstance(healthy, str) else healthy
    assert check.value is not None and check.margin is not None and usual is not None
    return (check.value - check.margin) * (check.margin - usual) > 0


def truths(name: str, damage_: Damage, kind: str) -> dict[Place, bool]:
    """Whether the true value of each check lies beyond its tolerance: that of the whole table, damaged, against the whole table.

    A check of regions is left out: which regions it looks at is chance. Where a region is planted, none of it is left. Where records are repeated, only what counts repeats has one value:
    all else is that of the few records which are left, other ones in every set.
    """
    whole = _table(name)
    rng = np.random.default_rng([45, *kind.encode()])
    damaged = damage_.harm(Deal(whole, whole[:0], rng, TABLES[name]))
    judgement = audited(name, whole.drop(ROW), damaged, [aspect for aspect in asked_of(damage_) if aspect != "regions"])
    is_of_few = damage_.aspect in ("any", REPEATS)
    checks = [check for check in judgement.every if check.value is not None and check.margin is not None]
    return {place_of(check): is_beyond(check) for check in checks if not is_of_few or is_repeated(check)}


def truths_kept(folder: Path, name: str, damage_: Damage, kind: str) -> dict[Place, bool]:
    """`truths`, worked out once: a file beside the results keeps them, which goes where they go."""
    path = folder / "audit_damages_truths.json"
    stored: dict[str, list[Any]] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    key = f"{name}: {kind}"
    if key not in stored:
        stored[key] = [[*place, is_so] for place, is_so in truths(name, damage_, kind).items()]
        path.write_text(json.dumps(stored), encoding="utf-8")
    return {(metric, column, group, at): is_so for metric, column, group, at, is_so in stored[key]}


def asked_of(damage_: Damage | None) -> Sequence[str]:
    return (*ASKED, REPEATS) if damage_ is None or damage_.aspect in ("any", REPEATS) else ASKED


def outcome(judgement: Audit, planted: Damage, beyond: Mapping[Place, bool]) -> dict[str, Any]:
    """How one damaged set was read."""
    checks = [check for check in judgement.every if planted.is_of(check) and check.verdict != "not_applicable"]
    is_found = any(check.verdict == "lost" and planted.aspect in ("any", check.aspect) for check in checks)
    first = judgement.summary.partition(" Lost: ")[0]
    known = [
        (check, beyond[place_of(check)])
        for check in judgement.every
        if place_of(check) in beyond and check.verdict != "not_applicable"
    ]
    is_of_regions = not planted.is_inside and planted.aspect == "coverage"
    return {
        "found": is_found,
        "named": is_found and any(word in first for word in planted.words),
        "kept": any(check.verdict == "kept" and beyond.get(place_of(check), is_of_regions) for check in checks),
        "cannot_tell": not is_found and any(check.verdict == "cannot_tell" for check in checks),
        "beyond": sum(is_so for _, is_so in known),
        "beyond_kept": sum(is_so and check.verdict == "kept" for check, is_so in known),
        "inside": sum(not is_so for _, is_so in known),
        "inside_lost": sum(not is_so and check.verdict == "lost" for check, is_so in known),
        "others": [aspect for aspect in judgement.lost if aspect != planted.aspect],
    }


def honest(judgement: Audit) -> dict[str, Any]:
    """How a set was read in which nothing is damaged."""
    judged = [check for check in judgement.every if check.verdict != "not_applicable"]
    lost = sum(check.verdict == "lost" for check in judged)
    return dict.fromkeys(COUNTED, 0) | {
        "found": bool(judgement.lost),
        "inside": len(judged),
        "inside_lost": lost,
        "others": judgement.lost,
    }


def faults(judgement: Audit, outcome: Mapping[str, Any], harm: Damage | None) -> list[str]:
    """What is wrong with how a set was read, in words."""
    is_harmless = harm is None or harm.is_inside
    wrong = ["lost" if harm is None else "lost inside"] * (is_harmless and bool(outcome["found"]))
    wrong += ["not named"] * (not is_harmless and bool(outcome["found"]) and not outcome["named"])
    wrong += ["kept"] * bool(outcome["kept"])
    return [f"{fault}: {judgement.summary}" for fault in wrong]


class Row:
    """The outcomes of one kind of damage at one size, as the results hold them."""

    def __init__(self, counts: dict[str, Any]):
        self.counts = counts

    def add(self, outcome: dict[str, Any]) -> None:
        for name in COUNTED:
            self.counts[name] += outcome[name]
        self.counts["sets"] += 1
        self.counts["others"] = dict((Counter(self.counts["others"]) + Counter(outcome["others"])).most_common())
        self._bound()

    def _bound(self) -> None:
        from scipy.stats import beta, binomtest

        hits, sets = self.counts["found"], self.counts["sets"]
        interval = binomtest(hits, sets).proportion_ci(method="exact")
        upper = 1.0 if hits == sets else float(beta.ppf(0.95, hits + 1, sets - hits))
        self.counts |= {"low": float(interval.low), "high": float(interval.high), "upper": upper}


def fresh(name: str, rows: int, planted: str, damage_: Damage | None) -> dict[str, Any]:
    aspect = "any" if damage_ is None else damage_.aspect
    is_inside = damage_ is not None and damage_.is_inside
    counts = dict.fromkeys((*COUNTED, "sets"), 0)
    return {"table": name, "rows": rows, "planted": planted, "aspect": aspect, "is_inside": is_inside, **counts, "others": {}}


def kept_rows(result: Path) -> dict[tuple[str, int, str], Row]:
    stored = json.loads(result.read_text(encoding="utf-8"))["damages"] if result.exists() else []
    return {(row["table"], row["rows"], row["planted"]): Row(row) for row in stored}


def work(names: Sequence[tuple[str, int]], seeds: int, splits: int) -> Iterator[tuple[str, int, int, str]]:
    """What is to be measured, seed by seed, so that what is there at any time is balanced."""
    for seed in range(max(seeds, splits)):
        for name, rows in names:
            if seed < splits:
                yield name, rows, seed, HONEST
            if seed < seeds:
                yield from ((name, rows, seed, kind) for kind in damages(name))


def main() -> None:
    """Go on where the results stand, for a number of seconds; the rows of a table and size that are named as adult:1000, or all."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("sizes", nargs="*", metavar="TABLE:ROWS", default=[f"{name}:{rows}" for name, rows in SIZES])
    parser.add_argument("--seconds", type=float, default=3e5, help="begin no further set after so long")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--splits", type=int, default=SPLITS)
    parser.add_argument("--folder", type=Path, default=RESULTS, help="of the results, where several processes share the work")
    asked = parser.parse_args()
    if not DATA.exists():
        raise SystemExit(f"there is no {DATA}; set OUTCROSS_DATA to the folder that holds the tables")
    names = [(name, int(rows)) for name, _, rows in (size.partition(":") for size in asked.sizes)]
    load, rows, began, saved = os.getloadavg(), kept_rows(asked.folder / RESULT.name), time.monotonic(), time.monotonic()
    settings: dict[str, dict[str, Damage]] = {name: damages(name) for name, _ in names}
    true: dict[tuple[str, str], dict[Place, bool]] = {}
    for name, size, seed, kind in work(names, asked.seeds, asked.splits):
        harm = settings[name].get(kind)
        row = rows.setdefault((name, size, kind), Row(fresh(name, size, kind, harm)))
        if row.counts["sets"] > seed:
            continue
        if time.monotonic() - began > asked.seconds:
            break
        human, deal = dealt(name, size, seed)
        judgement = audited(name, human, deal.other if harm is None else harm.harm(deal), asked_of(harm))
        if harm is None:
            counts = honest(judgement)
        else:
            if (name, kind) not in true:
                true[name, kind] = truths_kept(asked.folder, name, harm, kind)
            counts = outcome(judgement, harm, true[name, kind])
        row.add(counts)
        for fault in faults(judgement, counts, harm):
            print(f"{name} {size} seed {seed}, {kind}: {fault}", flush=True)
        if time.monotonic() - saved > 20:
            save(rows, load, asked.folder)
            saved = time.monotonic()
    save(rows, load, asked.folder)


def save(rows: Mapping[tuple[str, int, str], Row], load: tuple[float, float, float], folder: Path) -> None:
    order = {size: i for i, size in enumerate(SIZES)}
    counts = [row.counts for row in rows.values() if row.counts["sets"]]
    counts.sort(key=lambda row: order.get((row["table"], row["rows"]), len(order)))
    write("audit_damages", __doc__ or "", load, {"damages": counts}, folder)


if __name__ == "__main__":
    main()
