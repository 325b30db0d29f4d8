"""A requested mix with its pools: what is read, filtered, divided, aimed at and planned, each computed once, on first use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from outcross import runtime
from outcross.errors import BadInput
from outcross.estimate import Estimate
from outcross.files import names
from outcross.ledger import External, Ledger
from outcross.ledger.digests import digest_file, digest_of
from outcross.ledger.external import external
from outcross.verbs.mix.apart import is_apart, scanned_apart
from outcross.verbs.mix.asked import MixRecipe
from outcross.verbs.mix.draws import Draws, drawn, twin
from outcross.verbs.mix.filtering.candidates import CandidateStore
from outcross.verbs.mix.filtering.costs import lost_groups
from outcross.verbs.mix.filtering.estimates import FilterEstimate, estimated, notes_of
from outcross.verbs.mix.filtering.filtered import FilteredPools, bounds_of, check_columns, filter_pools
from outcross.verbs.mix.filtering.steps import FilterSteps
from outcross.verbs.mix.plan import FilterPlan, MixPlan, Supply, planned
from outcross.verbs.mix.pools import (
    OpenPool,
    ScannedPool,
    Schema,
    counted_pool,
    opened,
    read_as_numbers,
    scanned,
    shared_schema,
    text_column,
    tokenizer_file,
    tokenizer_of,
)
from outcross.verbs.mix.rows import RowSet
from outcross.verbs.mix.samples import sampled_plan, tokens_a_character
from outcross.verbs.mix.search.settings import Searched
from outcross.verbs.mix.splits.cut import Cut, cut, described, replanned
from outcross.verbs.mix.splits.families import Families, families
from outcross.verbs.mix.splits.settings import SPLITS
from outcross.verbs.mix.targets.aimed import Aimed, TrainingRows, aimed
from outcross.verbs.mix.targets.judged import JudgedRows, judged
from outcross.verbs.mix.targets.settings import files_of_target, paths_of
from outcross.verbs.mix.weights import weights_of_pools
from outcross.wording import amount

TWIN = "human-only"
"""The folder of the set of human rows alone."""
KEPT = "what the filters kept"
"""The name of the digest of the filtered pools among the digests of the inputs."""
CUT = "how the pools were cut before the search"
"""The name of the digest of the splits, for a mix whose shares were searched."""
UNCHANGED = ("pools", "schema", "scans", "externals", "store", "filtered", "judged", "admitted", "admitted_scans", "families")
"""The attributes that do not depend on the shares of a mix."""
ASKED = 20_000
"""The maximum number of rows for which a plan applies the filters. For more rows it gives bounds of what they keep."""
NO_NEAR = "a plan of this many rows does not search for near twins; the mix itself joins their families, so that the number of families here is an upper bound"
PREFERS = "Data that are selected repeatedly by the same preference can collapse, even if they accumulate; the manifest gives the costs of the filter"
"""The warning of a plan for every filter with a preference (science/oracles.md B1)."""


@dataclass(frozen=True, eq=False)
class Mixing:
    """A requested mix with its pools. Every property is computed once, on first use."""

    asked: MixRecipe
    data: tuple[Any, ...]
    """The data of each pool."""
    is_plan: bool = False
    """Whether only the plan is requested."""
    where: runtime.Where = field(default_factory=runtime.Where)
    """The processes or machines that read the files. The result does not depend on them."""
    searched: Searched | None = None
    """The result of a search for the best shares; None before the search, or without one."""

    def with_shares(self, searched: Searched) -> Mixing:
        """Return the same mix with the shares that a search proposes, and with the same opened pools."""
        asked = self.asked
        if searched.weights is not None:
            pools = zip(asked.pools, searched.weights, strict=True)
            asked = replace(asked, pools=tuple(replace(pool, weight=float(weight)) for pool, weight in pools))
        mixing = replace(self, asked=asked, searched=searched)
        mixing.__dict__.update({name: self.__dict__[name] for name in UNCHANGED if name in self.__dict__})
        before = self.external  # the same files with another request
        digest, names_of = before.digest, before.names
        if self.cut is not None:
            # Splits are made before the search, so that no row of the test split is used in it.
            mixing.__dict__["cut"] = replanned(self.cut, asked, self.admitted_scans)
            names_of = {**names_of, CUT: self.cut.digest}
            digest = digest_of([digest, self.cut.digest])
        mixing.__dict__["external"] = External(digest, lambda: mixing, before.reads, names_of)
        return mixing

    @cached_property
    def pools(self) -> tuple[OpenPool, ...]:
        return tuple(opened(recipe, data) for recipe, data in zip(self.asked.pools, self.data, strict=True))

    @cached_property
    def schema(self) -> Schema:
        return shared_schema(self.asked, self.pools)

    @cached_property
    def judged(self) -> JudgedRows:
        """The properties of every row that targets use."""
        return judged(self.asked, self.pools, self.scans, self.schema) if self.asked.targets else JudgedRows()

    @property
    def read_rows(self) -> tuple[np.ndarray, ...]:
        """For each pool the indices in reading order of the rows that filters keep, repeated as often as they are kept."""
        if self.filtered is None:
            return tuple(np.arange(scan.rows) for scan in self.scans)
        return tuple(rows for rows, _ in self.filtered.kept)

    @cached_property
    def admitted(self) -> tuple[np.ndarray, ...]:
        """For each pool the indices, among the rows that filters keep, of those that targets do not reject."""
        if not self.judged.reasons:
            return tuple(np.arange(scan.rows) for scan in self.available)
        return tuple(np.flatnonzero(reason[rows] < 0) for reason, rows in zip(self.judged.reason, self.read_rows, strict=True))

    @cached_property
    def admitted_scans(self) -> tuple[ScannedPool, ...]:
        if not self.judged.reasons:
            return self.available
        return tuple(scan.take(rows) for scan, rows in zip(self.available, self.admitted, strict=True))

    @cached_property
    def families(self) -> Families:
        """The families of the admitted rows. Links through rows that are not admitted count too."""
        rows = [read[own] for read, own in zip(self.read_rows, self.admitted, strict=True)]
        if self.is_counted and self.asked.lineage.near is not None:
            asked = replace(self.asked, lineage=replace(self.asked.lineage, near=None))
            families_of_rows = families(asked, self.pools, self.scans, self.schema).take(rows)
            return replace(families_of_rows, notes=(*families_of_rows.notes, NO_NEAR))
        return families(self.asked, self.pools, self.scans, self.schema).take(rows)

    @cached_property
    def cut(self) -> Cut | None:
        """The division of the pools into splits; None if no splits are requested. Raises BadInput if it is impossible."""
        return None if self.asked.splits is None else cut(self.asked, self.families, self.admitted_scans)

    @cached_property
    def training(self) -> tuple[tuple[ScannedPool, ...], tuple[np.ndarray, ...]]:
        """The scans of the training rows of each pool, and their indices among the rows that filters keep."""
        if self.cut is None:
            return self.admitted_scans, self.admitted
        rows = tuple(own[eligible] for own, eligible in zip(self.admitted, self.cut.eligible["train"], strict=True))
        return self.cut.scans("train", self.admitted_scans), rows

    @property
    def training_budget(self) -> int | None:
        """The budget of the training rows, in the budget's unit; None if the mix is as large as the shares allow."""
        return self.asked.budget if self.cut is None else self.cut.plan.total

    @cached_property
    def aimed(self) -> Aimed | None:
        """The training rows that meet the targets; None if there are no targets. Raises BadInput if this is impossible."""
        if not self.asked.targets:
            return None
        scans, rows = self.training
        budget = self.training_budget
        as_read = tuple(read[own] for read, own in zip(self.read_rows, rows, strict=True))
        try:
            result = aimed(TrainingRows(self.asked, scans, as_read, self.judged, budget))
            _ = result.rows
        except BadInput as error:
            raise BadInput(str(error) if self.cut is None else f"in the training rows that remain, {error}") from None
        return result

    @cached_property
    def plan(self) -> MixPlan:
        """The plan of the mix, or of its training rows if there are splits. Raises BadInput if the mix is impossible."""
        schema = self.schema  # an error of columns comes before that of an impossible plan
        if self.filters_are_bounded:
            check_columns(self.store_of_schema)
        plan = self._plan_of_rows
        filters = tuple(self._filter_plans())
        numbers = {pool.recipe.name: columns for pool in self.pools if (columns := read_as_numbers(pool, schema))}
        return replace(plan, filters=filters, warnings=(*plan.warnings, *self._warnings(filters)), read_as_numbers=numbers)

    @property
    def _plan_of_rows(self) -> MixPlan:
        """The plan without the plans of the filters. With targets or splits it is for the training rows, otherwise for all rows. Counts or a sample are used
        where they are enough."""
        unit, are_bounded = self.asked.unit, self.filters_are_bounded
        if (self.asked.targets or self.asked.splits is not None) and not are_bounded:
            return self._plan_of_training
        if not self.asked.filters or are_bounded:  # no filter changes the supply
            if unit == "rows":
                return planned(self.asked, [Supply(pool.rows, pool.rows) for pool in self.pools])
            if self.is_plan and "scans" not in self.__dict__:
                sampled = sampled_plan(self.asked, self.pools, self.schema, are_bounded or self.tokens_are_estimated)
                if sampled:
                    return sampled
        copies = (
            [1] * len(self.pools)
            if self.filtered is None
            else [int(self.filtered.times_of(pool).max(initial=1)) for pool in range(len(self.pools))]
        )
        supplies = [
            Supply(scan.rows, scan.rows if unit == "rows" else int(scan.amounts[unit].sum()), repeats)
            for scan, repeats in zip(self.available, copies, strict=True)
        ]
        return planned(self.asked, supplies)

    @property
    def _plan_of_training(self) -> MixPlan:
        """The plan of the training rows, with the facts of targets and splits."""
        try:
            return self._plan_of_parts
        except BadInput as error:
            if not self.tokens_are_estimated:
                raise
            raise BadInput(f"{error}; this is based on an estimate: {self._tokens_in_words}") from None

    @property
    def _plan_of_parts(self) -> MixPlan:
        if self.aimed is not None:
            plan = replace(self.aimed.plan, targets=self.aimed.facts, warnings=(*self.aimed.plan.warnings, *self._rejections()))
        else:
            assert self.cut is not None
            plan = self.cut.plan
        if self.cut is None:
            return plan
        splits = described(self.cut, self.families, self.asked, self.admitted_scans)
        return replace(plan, splits=splits, warnings=(*plan.warnings, *self.families.notes))

    @property
    def is_counted(self) -> bool:
        """Whether a plan reads only the named columns and does not search for near twins, so that it takes only seconds."""
        asked = self.asked
        has_parents = any(
            pool.recipe.parents_column or "_parents" in pool.schema for pool in self.pools
        )  # parents are named by digests, which need all columns
        is_plain = not asked.filters and asked.search is None and not has_parents
        return self.is_plan and is_plain and sum(pool.rows for pool in self.pools) > ASKED

    @property
    def tokens_are_estimated(self) -> bool:
        """Whether a plan estimates the tokens of each row from its characters and a sample of the pool. Tokenizing a million texts takes minutes."""
        return self.is_counted and "tokens" in self.asked.counted

    @cached_property
    def token_rates(self) -> tuple[Estimate, ...]:
        """The estimated tokens per character of each pool, from a sample."""
        tokenizer, text = tokenizer_of(self.asked.tokenizer), text_column(self.asked, self.schema)
        return tuple(tokens_a_character(pool, self.asked, text, tokenizer) for pool in self.pools)

    @property
    def _tokens_in_words(self) -> str:
        rates = [
            f"{pool.recipe.name} has {rate.value:.4g} [{rate.interval[0]:.4g}, {rate.interval[1]:.4g}] tokens per character, from a sample of {rate.n:,} rows"
            for pool, rate in zip(self.pools, self.token_rates, strict=True)
        ]
        return f"{'; '.join(rates)}; the mix itself counts every token, so that its shares and rows can differ from the plan, and it may be refused"

    @property
    def filters_are_bounded(self) -> bool:
        """Whether the plan gives bounds of what filters keep without applying them, so that it takes only seconds."""
        is_asked = self.searched is not None or "filtered" in self.__dict__
        return self.is_plan and bool(self.asked.filters) and not is_asked and sum(pool.rows for pool in self.pools) > ASKED

    @cached_property
    def sampled(self) -> FilterEstimate:
        """The estimate of what the filters keep, from a sample, for a plan that does not apply them."""
        return estimated(self.asked, self.pools, self.schema)

    def _filter_plans(self) -> Iterator[FilterPlan]:
        if self.filters_are_bounded:
            bounds = bounds_of(self.asked, [pool.rows for pool in self.pools])
            for number, (recipe, seen, low, high) in enumerate(bounds, 1):
                estimate = self.sampled.steps[number - 1]
                yield FilterPlan(f"{number} {recipe.name}", recipe.filter.prefers, seen, low, high, estimate)
            return
        for outcome in self.filtered.outcomes if self.filtered is not None else ():
            kept = int(outcome.selection.times.sum())
            yield FilterPlan(outcome.step, outcome.recipe.filter.prefers, len(outcome.at), kept, kept)

    def _warnings(self, filters: Sequence[FilterPlan]) -> Iterator[str]:
        for plan in filters:
            if plan.prefers:
                yield f"filter {plan.step} prefers: {plan.prefers}. {PREFERS}"
        if self.tokens_are_estimated and "token_rates" in self.__dict__:
            yield self._tokens_in_words
        if self.filters_are_bounded:
            rows = sum(pool.rows for pool in self.pools)
            yield (
                f"available, unique, repeated and unused rows of each pool are bounds, as if the filters kept every row: a plan applies filters to at most {ASKED:,} rows, and "
                f"there are {rows:,}; the mix itself applies them to all rows and may be refused"
            )
            yield from notes_of(self.asked, self.sampled)
        elif self.filtered is not None:
            yield from lost_groups(self.filtered)

    @cached_property
    def store(self) -> CandidateStore:
        """All rows of the pools, in the form that filters and the audit read."""
        return CandidateStore(self.asked, self.pools, self.scans, self.schema)

    @property
    def store_of_schema(self) -> CandidateStore:
        """The columns of the pools without their rows, which are not read."""
        return CandidateStore(self.asked, self.pools, (), self.schema)

    @cached_property
    def filtered(self) -> FilteredPools | None:
        """The pools after the filters; None if there are no filters."""
        return filter_pools(self.store) if self.asked.filters else None

    def filtered_by(self, ledger: Ledger) -> None:
        """Apply the filters, or load their selections from a ledger. Raises BadInput if a filter cannot be applied, or keeps no row."""
        if self.asked.filters and "filtered" not in self.__dict__:
            steps = FilterSteps(ledger, self.asked, digest_of([external.digest for external in self.externals]))
            self.__dict__["filtered"] = filter_pools(self.store, steps)

    @property
    def available(self) -> tuple[ScannedPool, ...]:
        """The pools after the filters."""
        return self.scans if self.filtered is None else tuple(scan for _, scan in self.filtered.kept)

    def _rejections(self) -> Iterator[str]:
        """Yield the number of rows that targets reject, with the reasons."""
        rows = sum(scan.rows for scan in self.scans)
        for reason, of_pools in self.judged.funnel.items():
            yield f"{sum(of_pools.values()):,} of {rows:,} rows are not drawn: {reason}"

    @cached_property
    def scans(self) -> tuple[ScannedPool, ...]:
        if self.is_counted:
            rates = [rate.value for rate in self.token_rates] if self.tokens_are_estimated else [0.0] * len(self.pools)
            return tuple(
                counted_pool(pool, self.asked, self.schema, place, rate)
                for place, (pool, rate) in enumerate(zip(self.pools, rates, strict=True))
            )
        if is_apart(self.where, self.pools):
            return scanned_apart(self.pools, self.asked, self.schema, self.where)
        tokenizer = tokenizer_of(self.asked.tokenizer) if "tokens" in self.asked.counted else None
        schema = self.schema
        return tuple(runtime.side_by_side(lambda pool: scanned(pool, self.asked, schema, tokenizer), self.pools))

    @cached_property
    def sets(self) -> dict[str, RowSet]:
        """The requested sets by name: the training rows (""), the other splits, and the set of human rows alone."""
        for pool, target, scan in zip(self.asked.pools, self.plan.pools, self.scans, strict=True):
            if (
                self.asked.unit == "rows"
                and self.filtered is None
                and self.cut is None
                and self.aimed is None
                and scan.rows != target.available
            ):
                raise BadInput(
                    f"pool {pool.name!r} had {amount(target.available, 'row')} and now has {scan.rows:,}; give files that do not change while they are read"
                )
        scans, rows = self.training
        mix_draws = self.aimed.draws if self.aimed is not None else drawn(self.asked, self.plan, scans)
        human = twin(self.asked, self.plan, scans, mix_draws)
        part = self.cut
        held_back = {} if part is None else {name: part.draws(name, self.asked, self.admitted_scans) for name in part.targets}
        return (
            {"": self._set(mix_draws.of(rows))}
            | {name: self._set(draws.of(self.admitted), name) for name, draws in held_back.items()}
            | ({} if human is None else {TWIN: self._set(human.of(rows))})
        )

    def _set(self, draws: Draws, split: str = "train") -> RowSet:
        as_read = draws if self.filtered is None else self.filtered.as_read(draws)
        factors = weights_of_pools(self.asked, [len(own) for own in draws.pools])
        return RowSet(
            self.asked, self.pools, self.scans, as_read, self.schema, split, self.filtered, factors, tuple(self._passed_over(split))
        )

    def _passed_over(self, split: str) -> Iterator[tuple[str, tuple[np.ndarray, ...]]]:
        """Yield the rows that are not drawn for a split, as indices in reading order: those that targets reject, and those of other splits."""
        for number, reason in enumerate(self.judged.reasons):
            yield f"target: {reason}", tuple(np.flatnonzero(own == number) for own in self.judged.reason)
        if self.cut is not None:
            eligible = self.cut.eligible[split]
            of_others = []
            for rows, admitted, own in zip(self.read_rows, self.admitted, eligible, strict=True):
                is_other = np.ones(len(admitted), bool)
                is_other[own] = False
                of_others.append(rows[admitted[is_other]])
            yield "other splits", tuple(of_others)

    def described(self, summary: dict[str, Any]) -> dict[str, Any]:
        """Return the summary of the mix, with the requested and the realised values of targets."""
        return summary if self.aimed is None else summary | {"targets": self.aimed.facts}

    @property
    def split_of_rows(self) -> list[np.ndarray] | None:
        """For each pool the name of the split of each row's family, (rows,); None if there are no splits."""
        if self.cut is None:
            return None
        splits = []
        for scan, read, rows, family in zip(self.scans, self.read_rows, self.admitted, self.families.of_rows, strict=True):
            own = np.full(scan.rows, None, dtype=object)
            own[read[rows]] = np.array(SPLITS, dtype=object)[self.cut.split[family]]
            splits.append(own)
        return splits

    def inputs(self) -> Iterator[Path]:
        """Yield every file and folder that the mix names."""
        given = [
            path
            for data in self.data
            for path in (data if isinstance(data, list | tuple) else [data])
            if isinstance(path, str | Path)
        ]
        read = [path for mix_filter in self.asked.filters for path in mix_filter.filter.paths]
        read += [path for target in self.asked.targets for path in paths_of(target)]
        for path in [*given, *([self.asked.tokenizer] if self.asked.tokenizer else []), *read]:
            yield from names.fitting(str(path)) if names.is_pattern(str(path)) else [Path(path)]

    @cached_property
    def externals(self) -> tuple[External[Any], ...]:
        """The data of each pool, with the digest of every file."""
        return tuple(external(list(data) if isinstance(data, tuple) else data) for data in self.data)

    @property
    def read(self) -> dict[str, Any]:
        """The sources of each pool: the given names of its files, or that it was in memory, with SHA-256."""
        return {
            recipe.name: {"files" if _is_of_files(data) else "memory": source.names}
            for recipe, data, source in zip(self.asked.pools, self.data, self.externals, strict=True)
        }

    @cached_property
    def external(self) -> External[Mixing]:
        """The pools as an input of a step. The digest covers their content and their order."""
        of_pools = self.externals
        digests = {name: digest for external in self.externals for name, digest in external.names.items()}
        if self.asked.tokenizer is not None:
            digests[self.asked.tokenizer] = digest_file(tokenizer_file(self.asked.tokenizer))
        if self.filtered is not None:
            # The key contains the result of the filters, so that it does not depend on how they judged.
            digests |= {
                name: digest
                for mix_filter in self.asked.filters
                for path in mix_filter.filter.paths
                for name, digest in external(path).names.items()
            }
            digests[KEPT] = self.filtered.digest
        of_targets = [digest_file(path) for target in self.asked.targets for path in files_of_target(target)]
        digests |= {f"target {number}": digest for number, digest in enumerate(of_targets, 1)}
        if self.judged.functions:
            digests["numbers of your functions"] = self.judged.digest()
        others = [digests.get(str(self.asked.tokenizer), ""), digests.get(KEPT, ""), *of_targets, self.judged.digest()]
        digest = digest_of([*(pool.digest for pool in of_pools), *others])
        return External(digest, lambda: self, [path for pool in of_pools for path in pool.reads], digests)


def _is_of_files(data: Any) -> bool:
    several = data if isinstance(data, list | tuple) else [data]
    return bool(several) and all(isinstance(place, str | Path) for place in several)
