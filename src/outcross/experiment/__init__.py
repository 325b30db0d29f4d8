"""Experiment: what to run, as a value."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from fractions import Fraction
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, Field, PlainValidator, model_validator

from outcross import own_parts, own_source
from outcross.data import Inventory, Plan
from outcross.data.dealing import Fractions, quotas
from outcross.data.shares import largest_remainder
from outcross.errors import BadInput
from outcross.experiment.bounds import Bounds, check_bounds, read_bounds
from outcross.experiment.drawing import DRAWING, candidates_of
from outcross.experiment.teachers import TEACHERS, Teacher, check_known, completed, exact_shares, fractions
from outcross.filters import FILTERS, Filter, check_needs
from outcross.filters.route import RouteFilter
from outcross.measures import MEASURES, Measure, measure
from outcross.models import LEARNERS, Learner
from outcross.models.draw import Draw
from outcross.models.schedule import Pretrained, Schedule
from outcross.policies import POLICIES, Policy
from outcross.policies.human_only import HumanOnly
from outcross.policies.replace import Replace
from outcross.recipe import FROM_LIST, Nested, exactly, kind, many_of, member, nearest, one_of, plain, read, recipe
from outcross.sources import SOURCES, Source, is_in_memory, must_name_files
from outcross.wording import amount


def names_a_source(human: Mapping[str, Any]) -> bool:
    """Whether the settings of `human` say where the data come from; `{kind: path, path: null}` does not."""
    named = human.get("kind", human.get("text", human.get("distribution")))
    if named is None or named in ("path", "hub", "array", "labelled_table"):
        return any(human.get(word) is not None for word in ("path", "hub", "array"))
    return True


def _source(value: object) -> object:
    """`{text: stdlib}`, `{distribution: normal}`, `{path: …}`, `{hub: …}` and `{array: …}` as members of the family of sources."""
    for source in value.values() if isinstance(value, Mapping) else [value]:
        if is_in_memory(source) and not is_dataclass(source):
            raise BadInput(f"human {must_name_files(source)}: {{path: human.parquet, text_column: …}} or {{array: points.npy}}")
    if not isinstance(value, Mapping):
        return value
    settings = dict(value)
    for word in ("text", "distribution"):
        if word in settings:
            named = str(settings.pop(word))
            if settings.setdefault("kind", named) != named:
                raise BadInput(f"human.{word} is {named!r:.80} and human.kind {settings['kind']!r:.80}; write one of them")
    for word in ("path", "hub", "array"):
        if settings.get(word) is not None:
            return {"kind": word} | settings
    if not names_a_source(settings):
        raise BadInput(
            "human must say where the data come from; add human.path=FILE (or human.hub=ID) to the command, or write text: stdlib or distribution: normal"
        )
    return settings


@recipe
class Growth:
    """Every generation draws so many times as many records as the one before; the first the original human rows times it."""

    grow: Annotated[float, Field(gt=0, le=100)]
    """How many times as many records each generation draws as the one before."""


def _rows(value: object) -> object:
    if value in ("constant", "online") or isinstance(value, Growth):
        return value
    if isinstance(value, Mapping) and set(value) == {"grow"}:
        try:
            return Growth(**value)
        except BadInput as error:
            raise BadInput(f"rows.{error}") from None
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    raise BadInput(f"rows must be constant, online, a whole number from 1 or {{grow: 1.5}}, got {value!r:.80}")


@dataclass(frozen=True)
class Changed:
    """A metric that is measured beside the default ones (`+w1`), or a default one that is left out (`-support`)."""

    name: str
    added: Measure | None
    """None for one that is left out."""


def _metrics(values: object) -> tuple[Measure | Changed, ...]:
    """Metrics by name, or changes to the default ones, among which an instance is added; BadInput where names with and without a sign are mixed."""
    if isinstance(values, str) or not isinstance(values, list | tuple):
        raise BadInput(
            f"metrics must be a list, got {values!r:.80}; write metrics: [fitted_law], or metrics: [+w1] for the defaults and w1"
        )
    names = [_named(value) for value in values]
    signed = [name for name in names if name[:1] in ("+", "-")]
    are_instances = [is_dataclass(value) for value in values]
    if signed and len(signed) + sum(are_instances) < len(names):
        bare = next(name for name, is_instance in zip(names, are_instances, strict=True) if name not in signed and not is_instance)
        raise BadInput(
            f"metrics mixes {signed[0]!r:.80}, a change to the defaults, with {bare!r:.80}, a list of its own; "
            "write a sign before every name, or before none"
        )
    if not signed:
        return tuple(read(MEASURES, value, "metrics") for value in values)
    return tuple(
        Changed(kind(part), part) if is_instance and (part := read(MEASURES, value, "metrics")) else _change(name, value)
        for name, is_instance, value in zip(names, are_instances, values, strict=True)
    )


def _named(value: object) -> str:
    """The name under which a metric is given: a word, the kind of a mapping, or its only key."""
    if isinstance(value, Mapping) and value:
        return str(value.get("kind", next(iter(value))))
    return value if isinstance(value, str) else ""


def _change(name: str, value: object) -> Changed:
    word = name[1:]
    if name.startswith("-"):
        if isinstance(value, Mapping):
            raise BadInput(f"metrics leaves out {name!r:.80}, which needs no settings; write {name}")
        member(MEASURES, word, "metrics")
        return Changed(word, None)
    if isinstance(value, Mapping):
        value = dict(value) | {"kind": word} if "kind" in value else {word: value[name]}
    added = read(MEASURES, word if isinstance(value, str) else value, "metrics")
    return Changed(kind(added), added)


@recipe
class Experiment:
    """One chain of generations, or many side by side; every field is identity, none says where it runs."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    """The name of the run, and of its folder if --out is left out."""
    human: Annotated[Source, one_of(SOURCES, "human"), BeforeValidator(_source)]
    """Where the human data come from."""
    learner: Annotated[Learner, one_of(LEARNERS, "learner")]
    """What learns from records and writes new ones."""
    policy: Annotated[Policy, one_of(POLICIES, "policy")] = field(default_factory=Replace)
    """What every generation after the first is trained on."""
    block: Annotated[int, Field(ge=2, le=4096)] = 64
    """Tokens of a text record."""
    training: Annotated[Schedule | None, exactly(Schedule, "training", or_none=True)] = None
    """How long a network is trained; for learners that are trained in steps."""
    rows: Annotated[int | Growth | Literal["constant", "online"], Nested(_rows, recipe=Growth)] = "constant"
    """Records drawn in a generation: `constant` (as many as the original human records), a number, `{grow: 1.5}` times the last, or `online`: what
    a fit reads is drawn anew for every batch. A learner that reads on-line (vae) has the models write while it is fitted, and as many records as
    the original human ones are drawn to be measured; for another as many are drawn as the next fit reads, each of them once under `replace`."""
    draw: Annotated[Draw, DRAWING] = field(default_factory=Draw)
    """How a model is sampled."""
    prompts: Annotated[tuple[Annotated[str, Field(min_length=1, max_length=10_000)], ...], FROM_LIST] = ()
    """Texts that every generation's model continues for people to read, before the first records of the run; no model learns from what it writes there."""
    select: Annotated[tuple[Filter, ...], many_of(FILTERS, "select")] = ()
    """What is kept of the records that a model has written, filter by filter; the others are rejected, and no model learns from them. A filter that
    `chooses` among the training set (importance) is asked when the next model is about to learn."""
    generations: Annotated[int, Field(ge=1, le=100_000)] = 6
    """6 means g0 … g5; g0 is the model fitted on human data."""
    metrics: Annotated[tuple[Measure, ...], PlainValidator(_metrics)] = ()
    """Left out: all that apply and cost little, the defaults. `[+w1]` is the defaults and w1, `[-support]` the defaults without support;
    the experiment then holds the full list."""
    chains: Annotated[int, Field(ge=1, le=10_000_000)] = 1
    """Independent repeats of a statistical experiment, side by side in one array."""
    store: Literal["all", "readings"] | None = None
    """What a run's folder keeps: `all` is every training set, model and draw, `readings` the numbers alone. Left out: all of a single chain;
    of chains side by side the readings, because thousands of repeats take hundreds of megabytes, no audit reads them, and they are worked
    out again about as fast as they are read. A run that was stopped goes on with either."""
    seed: Annotated[int, Field(ge=0, le=2**63)] = 0
    """The seed of every random stream."""
    stop_when: Annotated[Bounds, PlainValidator(read_bounds)] = field(default_factory=Bounds)
    """Bounds on readings, each the ratio to generation 0: `{tail_survival: 0.8, held_out_perplexity: 1.2}`. An arm stops after the generation at which a
    reading is surely beyond its bound; the same command without the bound goes on. It changes no reading."""
    teachers: Annotated[dict[str, Teacher], TEACHERS] = field(default_factory=dict)
    """Several teachers by name: each is a line of models that writes its share of every generation, and learns from what all of them wrote or from its
    own records. What they wrote is one pool of a part a teacher; `select` chooses among all of it, and there `route` picks whose answer goes on."""
    notes: Annotated[tuple[str, ...], FROM_LIST] = ()
    """What a reader must know before the numbers, as in which way the experiment differs from the published one: sentences that stand on its page."""

    @model_validator(mode="after")
    def _parts_fit(self):
        if self.store is None:
            object.__setattr__(self, "store", "all" if self.chains == 1 else "readings")
        if self.teachers:
            self._teachers_fit()
            return self
        self._training_fits()
        self._list_changed_metrics()
        self._readings_have_one_name()
        if self.unimported:
            return self
        for metric in self.metrics:
            if "table" in metric.needs:
                self._is_a_table(kind(metric), metric.aspect)
            elif not set(metric.needs) & {*self.learner.learns, "groups", "blobs", "pairs", "selection"}:
                raise ValueError(
                    f"the metric {kind(metric)} reads {' or '.join(metric.needs)}, {kind(self.learner)} learns {self.learner.learns[0]}; "
                    f"leave it out{self._instead(metric.aspect)}"
                )
        if len({kind(metric) for metric in self.metrics}) < len(self.metrics):
            raise ValueError("metrics names one metric twice; leave one out")
        if self.stop_when:
            check_bounds(self.stop_when, {name: page for metric in self.measured for name, page in metric.pages.items()})
        self._prefix_fits()
        if self.draw.temperature == 0 and self.draw.prompts == "none" and "text" in self.learner.learns:
            raise ValueError(
                "draw.temperature 0 writes one text again and again where there are no prompts; write draw.prompts: human"
            )
        if self.prompts and "text" not in self.learner.learns:
            raise ValueError(f"prompts are texts, {kind(self.learner)} learns {self.learner.learns[0]}; leave them out")
        if self.draw.looks_back and not self.learner.searches:
            raise ValueError(
                f"draw.beams and draw.repetition_penalty are ways to write of language models that are trained, {kind(self.learner)} has none; "
                "write draw.beams: 1 and draw.repetition_penalty: 1"
            )
        if self.draw.watermark is not None and not self.learner.marks:
            raise ValueError(
                f"draw.watermark is left by the language models ngram and transformer, {kind(self.learner)} leaves none; leave it out"
            )
        self.learner.check(self.draw)
        if self.learner.is_remote and self.store == "readings":
            raise ValueError(
                f"store readings keeps nothing of what {kind(self.learner)} writes, which cannot be had again; write store: all"
            )
        if self.rows == "online" and not self.is_online and (self.training is None or not self.training.is_matched):
            raise ValueError(
                "rows: online draws what the steps of training read, and there are none; write training.steps, or a number of rows"
            )
        if self.draw.records:
            raise ValueError("draw.records is set by rows; leave it out")
        self._selection_fits()
        self._fits_a_machine()
        self._plans_can_be_had()
        return self

    @property
    def parts(self) -> tuple[Any, ...]:
        """The members of families that it is made of."""
        return (
            self.human,
            self.learner,
            *(teacher.learner for teacher in self.teachers.values()),
            self.policy,
            *self.select,
            *self.metrics,
        )

    def _teachers_fit(self) -> None:
        """Fill in what the teachers leave out, and hold the experiment of each by itself against every rule of an experiment."""
        teachers = completed(self.teachers, self.learner)
        object.__setattr__(self, "teachers", teachers)
        self._list_changed_metrics()
        self._kinds_fit()
        if self.training is not None and not any(learner.trains for learner in self.learners):
            raise ValueError("training has no meaning here, no teacher is trained in steps; leave it out")
        if self.rows == "online":
            raise ValueError(
                "rows: online has one model write while another is fitted, there are several teachers; write a number of rows"
            )
        if self.human.records == "moments":
            raise ValueError("teachers deal records out one by one, and human.records is moments; write human.records: points")
        if self.select and (self.chains > 1 or (self.human.truth is not None and "counts" in self.learner.learns)):
            raise ValueError(
                "select chooses among what all teachers wrote, of whom other numbers would be left in every chain; write chains: 1 and sweep: {seed: [0, 1, 2]}"
            )
        if any(selected_filter.chooses == "training" for selected_filter in self.select):
            raise ValueError(
                "select asks for a filter that chooses among the training set, of which every teacher has one; choose another filter"
            )
        self._routing_fits()
        for name in teachers:
            try:
                self.alone(name)
            except BadInput as error:
                raise BadInput(f"teachers.{name}: {error}") from None
        self.dealt_rows(0)

    def _kinds_fit(self) -> None:
        """Refuse teachers that learn records of different kinds, or that cut text in different ways."""
        (first, teacher), *others = self.teachers.items()
        assert teacher.learner is not None
        for name, other in others:
            assert other.learner is not None
            if not set(teacher.learner.learns) & set(other.learner.learns):
                raise ValueError(
                    f"teachers.{name} learns {' or '.join(other.learner.learns)}, {first} learns {' or '.join(teacher.learner.learns)}: teachers learn from "
                    "each other, so that all must learn one kind of records; choose another learner"
                )
            if teacher.learner.form(self.block) != other.learner.form(self.block):
                raise ValueError(
                    f"teachers.{name} ({kind(other.learner)}) cuts text into other tokens than {first} ({kind(teacher.learner)}), and they read what each other wrote; "
                    "give their learners one vocabulary"
                )
            if teacher.learner.content() != other.learner.content():
                raise ValueError(
                    f"teachers.{name} reads other files than {first}, so that their tokens may differ; give their learners one model folder"
                )
        for name, other in self.teachers.items():
            if isinstance(other.human, tuple) and other.learner is not None and other.learner.trains and self._has_base:
                raise ValueError(
                    f"teachers.{name} is a specialist of groups, and its base would be trained on all human text; write training.start: scratch"
                )

    @property
    def _has_base(self) -> bool:
        return isinstance((self.training or Schedule()).start, Pretrained)

    def _routing_fits(self) -> None:
        for selected_filter in self.select:
            if isinstance(selected_filter, RouteFilter):
                check_known(selected_filter.table, self.teachers, "select route.table")
                if self.draw.prompts == "newest":
                    raise ValueError(
                        "select route compares answers to one prompt, and with draw.prompts: newest every teacher continues other records; write draw.prompts: human"
                    )

    @property
    def learners(self) -> tuple[Learner, ...]:
        """What learns: the learner, or that of each teacher."""
        return tuple(teacher.learner or self.learner for teacher in self.teachers.values()) or (self.learner,)

    @property
    def is_routed(self) -> bool:
        """Whether every teacher answers every prompt, and one answer of each is kept."""
        return any(isinstance(selected_filter, RouteFilter) for selected_filter in self.select)

    @property
    def fractions(self) -> Fractions:
        """Which fraction of every teacher's records each teacher reads, by reader and writer."""
        return fractions(self.teachers)

    def alone(self, name: str) -> Experiment:
        """The experiment of one teacher by itself: its learner, which is trained for its share of the steps or tokens."""
        teacher = self.teachers[name]
        assert teacher.learner is not None
        training = self.training
        if not teacher.learner.trains:
            training = None
        elif training is not None:
            base = training.start
            if isinstance(base, Pretrained) and base.steps is not None:
                base = replace(base, steps=_part(base.steps, teacher.share))
            budget = {key: _part(getattr(training, key), teacher.share) for key in ("steps", "tokens") if getattr(training, key)}
            training = replace(training, start=base, **budget)
        return replace(self, teachers={}, learner=teacher.learner, training=training)

    def dealt_rows(self, g: int) -> dict[str, int]:
        """Records of generation g that each teacher writes, by its name."""
        if self.is_routed:
            return dict.fromkeys(self.teachers, self.records(g))
        counts = largest_remainder([*exact_shares(self.teachers).values()], [self.records(g)])[0]
        if counts.min() < 1:
            raise BadInput(
                f"{amount(self.records(g), 'record')} of a generation are too few for {len(self.teachers)} teachers; raise the rows, or their smallest share"
            )
        return dict(zip(self.teachers, counts.tolist(), strict=True))

    def human_rows(self) -> dict[str, int]:
        """Original human records that each teacher has of its own, by its name; of a specialist of groups its share, which the data may change."""
        counts = largest_remainder([*exact_shares(self.teachers).values()], [self.human.rows])[0].tolist()
        return {
            name: self.human.rows if teacher.human == "all" else n
            for (name, teacher), n in zip(self.teachers.items(), counts, strict=True)
        }

    def read_rows(self, g: int) -> dict[str, int]:
        """Records of generation g that each teacher reads, by its name; at most so many where filters choose."""
        written = self.dealt_rows(g)
        if self.select:
            total = self.selected(self.candidates * sum(written.values()))[1]
            kept_rows = largest_remainder([Fraction(n) for n in written.values()], [total])[0]
            written = dict(zip(written, kept_rows.tolist(), strict=True))
        return {reader: sum(by_writer.values()) for reader, by_writer in quotas(written, self.fractions).items()}

    @property
    def unimported(self) -> tuple[Any, ...]:
        """Parts of the user's own of which the code was not imported, so that nothing can be asked of them."""
        return tuple(part for part in self.parts if isinstance(part, own_parts.Unimported))

    def _readings_have_one_name(self) -> None:
        """Refuse a measure of the user's own that gives a reading the name of another."""
        for metric in self.metrics:
            if own_parts.is_own(type(metric)):
                for name in metric.pages:
                    other_name = next((kind(other) for other in self.metrics if other is not metric and name in other.pages), "")
                    other_name = other_name or next(
                        (other for other in MEASURES if name in measure(other).pages and measure(other) is not type(metric)), ""
                    )
                    if other_name:
                        raise ValueError(
                            f"the metric {own_source.place_of(type(metric))} calls a reading {name}, as {other_name} does; rename it"
                        )

    def _selection_fits(self) -> None:
        """Refuse filters that cannot be asked of these records, and candidates among which nothing chooses."""
        drawn_rows = self.candidates * self.records(0)
        if self.candidates > 1 and self.selected(drawn_rows)[0] == drawn_rows:
            keeps = "select keeps them all" if self.select else "nothing chooses among them"
            raise ValueError(
                f"draw.candidates {self.candidates} has the model write {amount(drawn_rows, 'record')} a generation for {self.records(0):,}, and {keeps}; "
                f"add a filter that keeps fewer, as select: [{{kind: random, share: {1 / self.candidates:.3g}}}], or write draw.candidates: 1"
            )
        if not self.selecting:
            return
        if self.human.records == "moments":
            raise ValueError("select looks at records one by one, and human.records is moments; write human.records: points")
        if self.is_online:
            raise ValueError(
                "select chooses among records that are drawn once, and rows: online has a model write anew for every batch; write a number of rows"
            )
        for selected_filter in self.selecting:
            self._filter_fits(selected_filter)
        if self.selected(drawn_rows)[1] == 0:
            raise ValueError(f"select keeps none of the {drawn_rows:,} records of a generation; raise its share, or the rows")

    def _filter_fits(self, selected_filter: Filter) -> None:
        learns = self.learner.learns
        if "cells" in learns:
            if not selected_filter.selects_counts:
                raise ValueError(
                    f"select {kind(selected_filter)} looks at records one by one, and of cells only the counts are known; choose star, reweigh, equalise or oversample"
                )
            return
        if not {"vectors", "text", "labelled", "answers"} & set(learns):
            raise ValueError(f"select looks at records one by one, {kind(self.learner)} learns {learns[0]}; choose another learner")
        if own_parts.is_own(type(selected_filter)):
            check_needs(selected_filter.needs, own_source.place_of(type(selected_filter)))
        for need, learned_kind in (("points", "vectors"), ("texts", "text")):
            if need in selected_filter.needs and learned_kind not in learns and not (need == "points" and "labelled" in learns):
                raise ValueError(
                    f"select {kind(selected_filter)} judges by {need}, {kind(self.learner)} learns {learns[0]}; choose another filter"
                )
        if self.chains > 1 and selected_filter.chooses == "training":
            raise ValueError(
                f"select {kind(selected_filter)} chooses among the training set of one chain, chains is {self.chains}; write chains: 1 and sweep: {{seed: [0, 1, 2]}}"
            )

    def selected(self, drawn_rows: int) -> tuple[int, int]:
        """How many of so many drawn records `select` keeps in every chain, at least and at most."""
        fewest = greatest = drawn_rows
        for selected_filter in self.choosing("drawn"):
            fewest, greatest = (
                selected_filter.bounds(fewest)[0],
                max(selected_filter.bounds(fewest)[1], selected_filter.bounds(greatest)[1]),
            )
        return fewest, greatest

    def choosing(self, among: Literal["drawn", "training"]) -> tuple[Filter, ...]:
        """The filters that choose among what a model has written, or among what the next one is about to learn from."""
        return tuple(selected_filter for selected_filter in self.selecting if selected_filter.chooses == among)

    @property
    def selecting(self) -> tuple[Filter, ...]:
        """The filters of the policy and those of `select`."""
        return (*getattr(self.policy, "selects", ()), *self.select)

    def _is_a_table(self, metric: str, aspect: str) -> None:
        """Refuse a metric that reads records as a table where there are several chains, or no records one by one."""
        if self.chains > 1:
            raise ValueError(
                f"the metric {metric} reads the records of one chain as a table, chains is {self.chains}; "
                f"write chains: 1{self._instead(aspect)}"
            )
        if self.human.records == "moments":
            raise ValueError(
                f"the metric {metric} reads records one by one, and human.records is moments; write human.records: points"
            )

    def _training_fits(self) -> None:
        """Give a learner that trains its schedule; refuse a schedule for one that is fitted in closed form, and say how to take it away.

        A schedule that an experiment file wrote is refused, not dropped, where the command line changes the learner: what is run is what was
        written, on the command line as in a file, in the arms of a sweep as in Python, and one refusal that names the word to add does for
        all four. To drop it would need a second rule for the command line, and a channel for the line that says so.
        """
        if self.learner.trains:
            training = self.learner.schedule(self.training or Schedule())
            if training.loss_after >= self.block:
                raise ValueError(f"training.loss_after must be less than a block of {self.block} tokens, got {training.loss_after}")
            object.__setattr__(self, "training", training)
        if self.training is not None and not self.learner.trains:
            raise ValueError(
                f"training has no meaning for {kind(self.learner)}, which is not trained in steps; "
                "add training=null to the command, or take training out of the experiment file"
            )

    def _list_changed_metrics(self) -> None:
        """Put the full list of metrics in the place of changes to the defaults."""
        changes = [change for change in self.metrics if isinstance(change, Changed)]
        if not changes:
            return
        names = [change.name for change in changes]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"metrics names {twice} twice; leave one out")
        listed = {kind(metric): metric for metric in self._default_metrics()}
        for change in changes:
            if change.added is not None:
                listed[change.name] = change.added
            elif change.name in listed:
                del listed[change.name]
            else:
                raise ValueError(
                    f"metrics leaves out {change.name}, which is not measured by default here; the defaults are {', '.join(listed)}"
                )
        if not listed:
            raise ValueError(
                f"metrics leaves out every default ({', '.join(names)}); keep one, or name those to measure without a sign"
            )
        object.__setattr__(self, "metrics", tuple(listed.values()))

    def _prefix_fits(self) -> None:
        """Refuse a prefix that nothing can be prompted with, or that leaves nothing to write."""
        prefix = self.draw.prefix
        if prefix and (self.draw.prompts == "none" or "text" not in self.learner.learns):
            raise ValueError(f"draw.prefix is a part of a text prompt, there is none here; leave it out, got {prefix}")
        if prefix >= self.block:
            raise ValueError(f"draw.prefix must be shorter than a block of {self.block} tokens, got {prefix}")
        if prefix and getattr(self.policy, "align", False):
            raise ValueError(
                "policy.align puts what people wrote after a prompt in its record's place, draw.prefix keeps the prompt; choose one"
            )

    def _plans_can_be_had(self) -> None:
        """Refuse a policy that asks for records that no generation will have, before the work begins."""
        policy = kind(self.policy)
        for inventory, plan in self.plans():
            plan.check(inventory, policy)
            if self.human.records == "moments" and not plan.is_whole:
                raise ValueError(
                    f"policy {policy} takes or weighs records one by one, and human.records is moments; write human.records: points"
                )

    def _fits_a_machine(self) -> None:
        """Refuse numbers that no machine can hold, before the work begins."""
        for key, value in _numbers(plain(self)):
            if isinstance(value, int) and value > MOST_RECORDS and key != "seed":
                raise ValueError(f"{key} must be at most {MOST_RECORDS:,}, got {value}")
            if isinstance(value, float) and value and not 1e-50 <= abs(value) <= 1e50:
                raise ValueError(f"{key} must be 0 or between 1e-50 and 1e50 in size, got {value}; change the unit")
        growth = self.rows.grow if isinstance(self.rows, Growth) else 1.0
        largest = (
            math.log10(max(self.human.rows, self.candidates * (1 if isinstance(self.rows, Growth) else self.records(0))))
            + max(0.0, self.generations * math.log10(growth))
            + math.log10(self.chains)
        )
        if largest > math.log10(MOST_RECORDS):
            raise ValueError(
                f"rows, grown over {amount(self.generations, 'generation')} in {self.chains} chains, come to 10^{largest:.0f} records, "
                f"at most {MOST_RECORDS:,} can be; lower rows, generations or chains"
            )

    @property
    def form(self) -> Any:
        """How text is cut for the learner; None for numbers."""
        return self.learner.form(self.block)

    @property
    def is_online(self) -> bool:
        """Whether every batch of a fit is written anew by the models of its records, so that no finite synthetic set is learned from."""
        return self.rows == "online" and self.learner.reads_online

    @property
    def measured(self) -> tuple[Measure, ...]:
        """The metrics, by default all that read this kind of records (and groups, where the human data have them)."""
        return self.metrics or self._default_metrics()

    def _default_metrics(self) -> tuple[Measure, ...]:
        available = {
            *self.learner.learns,
            *(["groups"] if self.human.is_text and getattr(self.human, "group_column", None) else []),
        }
        available |= {"selection"} if self.selecting else set()
        known = [measure(name) for name in MEASURES]
        return tuple(metric() for metric in known if metric.by_default and available & set(metric.needs))

    def _instead(self, aspect: str) -> str:
        """The measures of an aspect that read what the learner learns, as the way out of an error."""
        known = {name: measure(name) for name in MEASURES}
        instead = [
            name for name, metric in known.items() if metric.aspect == aspect and set(self.learner.learns) & set(metric.needs)
        ]
        return f", or write {', '.join(instead)}" if instead else ""

    def plan(self, inventory: Inventory) -> Plan:
        """What the generation of this inventory learns from; generation 0 always learns from the original human records."""
        if not inventory.generation:
            return HumanOnly().plan(inventory)
        try:
            plan = self.policy.plan(inventory)
        except BadInput as error:
            if message := own_parts.blame(error):
                raise BadInput(message) from None
            raise
        if not isinstance(plan, Plan):
            raise BadInput(
                f"policy {own_source.place_of(type(self.policy), 'plan')} must give a Plan, got {plan!r:.80}; write return Plan((Take(what=…, rows=…),))"
            )
        return plan

    def plans(self, fresh: int | None = None) -> Iterator[tuple[Inventory, Plan]]:
        """What there is for every generation and what it learns from, from generation 0 on; `fresh` human records in the beginning.

        Where filters keep a number that depends on what the records say, the most that they can keep is counted on.
        """
        totals = np.cumsum([0, *(self.kept(g) for g in range(self.generations - 1))])
        for g in range(self.generations):
            inventory = Inventory(g, self.human.rows, totals, fresh)
            plan = self.plan(inventory)
            yield inventory, plan
            fresh = None if fresh is None else fresh - plan.fresh_rows

    @property
    def candidates(self) -> int:
        """Records that a model writes for each that `rows` asks for."""
        return candidates_of(self.draw)

    def kept(self, g: int) -> int:
        """Records of generation g that are kept; at most so many where that depends on what they say."""
        return self.selected(self.candidates * self.records(g))[1]

    def records(self, g: int) -> int:
        """Records that are asked for at generation g, without further candidates: the size of what generation g + 1 learns from where all are kept."""
        if isinstance(self.rows, int):
            return self.rows
        if self.rows == "online" and not self.is_online:
            assert self.training is not None
            return self.training.steps_for(0, self.block) * self.training.batch
        growth = self.rows.grow if isinstance(self.rows, Growth) else 1.0
        return max(1, round(self.human.rows * growth ** (g + 1)))


def _part(number: int, share: float | None) -> int:
    """A share of so many steps or tokens, at least one."""
    return max(1, round(number * (share or 1.0)))


MOST_RECORDS = 10**10
"""Records of one generation, all chains together: 80 GB of single numbers."""


def _numbers(data: Any, key: str = "") -> Iterator[tuple[str, int | float]]:
    """Every number of plain data with its dotted key."""
    if isinstance(data, dict | list):
        for name, value in data.items() if isinstance(data, dict) else enumerate(data):
            yield from _numbers(value, f"{key}.{name}" if key else str(name))
    elif isinstance(data, int | float):
        yield key, data


def identity(experiment: Experiment) -> dict[str, Any]:
    """An experiment as plain data; one without teachers says nothing of them."""
    settings = plain(experiment)
    return settings if experiment.teachers else {key: value for key, value in settings.items() if key != "teachers"}


def experiment(data: Mapping[str, Any]) -> Experiment:
    """An experiment from plain data; BadInput names the key, the rule and the way out."""
    data = {key: value for key, value in data.items() if key not in ("arms", "sweep") or value is not None}
    if many := [key for key in ("arms", "sweep") if key in data]:
        raise BadInput(f"{many[0]} makes several experiments of one file; use outcross.arms")
    known = [field.name for field in fields(Experiment)]
    for key in data:
        if key not in known:
            raise BadInput(
                f"{key} is not known{nearest(str(key), [*known, 'sweep', 'arms'])}; known: {', '.join(known)}, sweep, arms"
            )
    teachers = data.get("teachers")
    if "learner" not in data and isinstance(teachers, Mapping):
        first = next(iter(teachers.values()), None)
        learner = first.get("learner") if isinstance(first, Mapping) else getattr(first, "learner", None)
        data |= {"learner": learner} if learner is not None else {}
    return Experiment(**data)
