"""The recipe of an experiment: everything that determines its results."""

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
    """Whether the settings of `human` name a source of data. For example, `{kind: path, path: null}` does not."""
    named = human.get("kind", human.get("text", human.get("distribution")))
    if named is None or named in ("path", "hub", "array", "labelled_table"):
        return any(human.get(word) is not None for word in ("path", "hub", "array"))
    return True


def _source(value: object) -> object:
    """Turn `{text: stdlib}`, `{distribution: normal}`, `{path: …}`, `{hub: …}` and `{array: …}` into settings with the `kind` of a source."""
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
                raise BadInput(f"human.{word} is {named!r:.80}, but human.kind is {settings['kind']!r:.80}; write only one of them")
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
    """Growth of the number of records by a factor per generation. Generation 0 draws the number of original human records times this factor."""

    grow: Annotated[float, Field(gt=0, le=100)]
    """The factor by which the number of drawn records grows from each generation to the next."""


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
    """A change to the default metrics: one that is added (`+w1`), or one that is left out (`-support`)."""

    name: str
    added: Measure | None
    """The added metric; None for one that is left out."""


def _metrics(values: object) -> tuple[Measure | Changed, ...]:
    """Read metrics by name, or changes to the default ones. Among changes, an instance counts as added.

    Raises BadInput if names with a sign and names without one are mixed.
    """
    if isinstance(values, str) or not isinstance(values, list | tuple):
        raise BadInput(
            f"metrics must be a list, got {values!r:.80}; write metrics: [fitted_law], or metrics: [+w1] to add w1 to the defaults"
        )
    names = [_named(value) for value in values]
    signed = [name for name in names if name[:1] in ("+", "-")]
    are_instances = [is_dataclass(value) for value in values]
    if signed and len(signed) + sum(are_instances) < len(names):
        bare = next(name for name, is_instance in zip(names, are_instances, strict=True) if name not in signed and not is_instance)
        raise BadInput(
            f"metrics mixes {signed[0]!r:.80}, which changes the defaults, with {bare!r:.80}, which replaces them; "
            "write a sign before every name, or before none"
        )
    if not signed:
        return tuple(read(MEASURES, value, "metrics") for value in values)
    return tuple(
        Changed(kind(part), part) if is_instance and (part := read(MEASURES, value, "metrics")) else _change(name, value)
        for name, is_instance, value in zip(names, are_instances, values, strict=True)
    )


def _named(value: object) -> str:
    """The name of a metric as it was given: a word, the kind of a mapping, or its only key. Empty for an instance."""
    if isinstance(value, Mapping) and value:
        return str(value.get("kind", next(iter(value))))
    return value if isinstance(value, str) else ""


def _change(name: str, value: object) -> Changed:
    word = name[1:]
    if name.startswith("-"):
        if isinstance(value, Mapping):
            raise BadInput(f"metrics leaves out {name!r:.80}, which takes no settings; write {name}")
        member(MEASURES, word, "metrics")
        return Changed(word, None)
    if isinstance(value, Mapping):
        value = dict(value) | {"kind": word} if "kind" in value else {word: value[name]}
    added = read(MEASURES, word if isinstance(value, str) else value, "metrics")
    return Changed(kind(added), added)


@recipe
class Experiment:
    """One chain of generations, or many independent chains. Every field determines results; none says where the experiment runs."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    """The name of the run, and of its folder if --out is left out."""
    human: Annotated[Source, one_of(SOURCES, "human"), BeforeValidator(_source)]
    """The source of the human data."""
    learner: Annotated[Learner, one_of(LEARNERS, "learner")]
    """The model that learns from records and writes new ones."""
    policy: Annotated[Policy, one_of(POLICIES, "policy")] = field(default_factory=Replace)
    """The rule for the training set of every generation after the first."""
    block: Annotated[int, Field(ge=2, le=4096)] = 64
    """Length of a text record, in tokens."""
    training: Annotated[Schedule | None, exactly(Schedule, "training", or_none=True)] = None
    """The training schedule, for learners that are trained in steps."""
    rows: Annotated[int | Growth | Literal["constant", "online"], Nested(_rows, recipe=Growth)] = "constant"
    """Number of records drawn in a generation: `constant` (the number of original human records), a number, `{grow: 1.5}` (1.5 times the previous
    number), or `online`. With `online`, the models draw new records for every batch of a fit. A learner that reads online (vae) is fitted while the
    models write, and the run draws as many records as there are original human ones only to measure them. For other learners, a generation draws as
    many records as the next fit reads, so that under `replace` each is read once."""
    draw: Annotated[Draw, DRAWING] = field(default_factory=Draw)
    """How a model is sampled."""
    prompts: Annotated[tuple[Annotated[str, Field(min_length=1, max_length=10_000)], ...], FROM_LIST] = ()
    """Texts that every generation's model continues for people to read. The page shows the continuations before the first records of the run. No model
    learns from them."""
    select: Annotated[tuple[Filter, ...], many_of(FILTERS, "select")] = ()
    """The filters that select among the records that a model has written, in this order. No model learns from rejected records. A filter that `chooses`
    among the training set (importance) is applied to the training set of the next model instead."""
    generations: Annotated[int, Field(ge=1, le=100_000)] = 6
    """Number of generations. 6 means g0 … g5, where g0 is the model fitted on human data."""
    metrics: Annotated[tuple[Measure, ...], PlainValidator(_metrics)] = ()
    """The measures to read. By default, all that apply and cost little. `[+w1]` adds w1 to the defaults and `[-support]` leaves support out of them; the
    experiment then stores the full list."""
    chains: Annotated[int, Field(ge=1, le=10_000_000)] = 1
    """Number of independent repeats of a statistical experiment, which are computed together in one array."""
    store: Literal["all", "readings"] | None = None
    """What the folder of a run keeps: `all` for every training set, model and draw, or `readings` for the numbers alone. The default is `all` for a single
    chain and `readings` for several chains. Thousands of chains would take hundreds of megabytes, no audit reads them, and they are computed again
    about as fast as they are read. A stopped run resumes with either value."""
    seed: Annotated[int, Field(ge=0, le=2**63)] = 0
    """The seed of every random stream."""
    stop_when: Annotated[Bounds, PlainValidator(read_bounds)] = field(default_factory=Bounds)
    """Bounds on readings, each a ratio to the value at generation 0: `{tail_survival: 0.8, held_out_perplexity: 1.2}`. An arm stops after the generation at
    which a reading is significantly beyond its bound. The same command without the bound resumes it. Bounds change no reading."""
    teachers: Annotated[dict[str, Teacher], TEACHERS] = field(default_factory=dict)
    """Several teachers by name. Each is a line of models that writes its share of every generation, and learns from the records of all teachers or from its
    own alone. `select` selects among the records of all teachers together, and its filter `route` keeps one teacher's answer to each prompt."""
    notes: Annotated[tuple[str, ...], FROM_LIST] = ()
    """Sentences that the page shows before the numbers, for example how the experiment differs from the published one."""

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
                    f"the metric {kind(metric)} reads {' or '.join(metric.needs)}, but {kind(self.learner)} learns {self.learner.learns[0]}; "
                    f"leave it out{self._instead(metric.aspect)}"
                )
        if len({kind(metric) for metric in self.metrics}) < len(self.metrics):
            raise ValueError("metrics names one metric twice; leave one out")
        if self.stop_when:
            check_bounds(self.stop_when, {name: page for metric in self.measured for name, page in metric.pages.items()})
        self._prefix_fits()
        if self.draw.temperature == 0 and self.draw.prompts == "none" and "text" in self.learner.learns:
            raise ValueError(
                "draw.temperature 0 writes the same text again and again if there are no prompts; write draw.prompts: human"
            )
        if self.prompts and "text" not in self.learner.learns:
            raise ValueError(f"prompts are texts, but {kind(self.learner)} learns {self.learner.learns[0]}; leave them out")
        if self.draw.looks_back and not self.learner.searches:
            raise ValueError(
                f"draw.beams and draw.repetition_penalty apply to language models that are trained, and {kind(self.learner)} is not one; "
                "write draw.beams: 1 and draw.repetition_penalty: 1"
            )
        if self.draw.watermark is not None and not self.learner.marks:
            raise ValueError(
                f"draw.watermark works with the language models ngram and transformer, but not with {kind(self.learner)}; leave it out"
            )
        self.learner.check(self.draw)
        if self.learner.is_remote and self.store == "readings":
            raise ValueError(
                f"store readings keeps none of the records that {kind(self.learner)} writes, and they cannot be written again; write store: all"
            )
        if self.rows == "online" and not self.is_online and (self.training is None or not self.training.is_matched):
            raise ValueError(
                "rows: online draws the records that the training steps read, but there are no steps; write training.steps, or a number of rows"
            )
        if self.draw.records:
            raise ValueError("draw.records is set by rows; leave it out")
        self._selection_fits()
        self._fits_a_machine()
        self._plans_can_be_had()
        return self

    @property
    def parts(self) -> tuple[Any, ...]:
        """All parts of the experiment: its source, learners, policy, filters and metrics."""
        return (
            self.human,
            self.learner,
            *(teacher.learner for teacher in self.teachers.values()),
            self.policy,
            *self.select,
            *self.metrics,
        )

    def _teachers_fit(self) -> None:
        """Fill in the settings that the teachers leave out, and check the experiment of each teacher alone by all rules of an experiment."""
        teachers = completed(self.teachers, self.learner)
        object.__setattr__(self, "teachers", teachers)
        self._list_changed_metrics()
        self._kinds_fit()
        if self.training is not None and not any(learner.trains for learner in self.learners):
            raise ValueError("training has no meaning here, since no teacher is trained in steps; leave it out")
        if self.rows == "online":
            raise ValueError(
                "rows: online lets one model write while the next one is fitted, which several teachers cannot do; write a number of rows"
            )
        if self.human.records == "moments":
            raise ValueError("teachers deal out single records, but human.records is moments; write human.records: points")
        if self.select and (self.chains > 1 or (self.human.truth is not None and "counts" in self.learner.learns)):
            raise ValueError(
                "select would keep a different number of each teacher's records in every chain; write chains: 1 and sweep: {seed: [0, 1, 2]}"
            )
        if any(selected_filter.chooses == "training" for selected_filter in self.select):
            raise ValueError(
                "select names a filter that chooses among the training set, but every teacher has a training set of its own; choose another filter"
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
                    f"teachers.{name} learns {' or '.join(other.learner.learns)}, but {first} learns {' or '.join(teacher.learner.learns)}; teachers learn from "
                    "each other, so all must learn one kind of records; choose another learner"
                )
            if teacher.learner.form(self.block) != other.learner.form(self.block):
                raise ValueError(
                    f"teachers.{name} ({kind(other.learner)}) cuts text into other tokens than {first} ({kind(teacher.learner)}), and they read what each other wrote; "
                    "give their learners one vocabulary"
                )
            if teacher.learner.content() != other.learner.content():
                raise ValueError(
                    f"teachers.{name} reads other files than {first}, so their tokens may differ; give their learners one model folder"
                )
        for name, other in self.teachers.items():
            if isinstance(other.human, tuple) and other.learner is not None and other.learner.trains and self._has_base:
                raise ValueError(
                    f"teachers.{name} is a specialist of groups, but its base would be trained on all human text; write training.start: scratch"
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
                        "select route compares answers to one prompt, but with draw.prompts: newest every teacher continues other records; write draw.prompts: human"
                    )

    @property
    def learners(self) -> tuple[Learner, ...]:
        """The learner of the experiment, or the learners of its teachers."""
        return tuple(teacher.learner or self.learner for teacher in self.teachers.values()) or (self.learner,)

    @property
    def is_routed(self) -> bool:
        """Whether every teacher answers every prompt, and one answer to each prompt is kept."""
        return any(isinstance(selected_filter, RouteFilter) for selected_filter in self.select)

    @property
    def fractions(self) -> Fractions:
        """The fraction of each teacher's records that each teacher reads, by reader and then by writer."""
        return fractions(self.teachers)

    def alone(self, name: str) -> Experiment:
        """The experiment of one teacher alone, with its learner and its share of the training steps or tokens."""
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
        """The number of records of generation g that each teacher writes, by name."""
        if self.is_routed:
            return dict.fromkeys(self.teachers, self.records(g))
        counts = largest_remainder([*exact_shares(self.teachers).values()], [self.records(g)])[0]
        if counts.min() < 1:
            raise BadInput(
                f"a generation has {amount(self.records(g), 'record')}, too few for {len(self.teachers)} teachers; raise the rows, or the smallest share"
            )
        return dict(zip(self.teachers, counts.tolist(), strict=True))

    def human_rows(self) -> dict[str, int]:
        """The number of original human records of each teacher, by name. A specialist of groups counts with its share; the data may have another number."""
        counts = largest_remainder([*exact_shares(self.teachers).values()], [self.human.rows])[0].tolist()
        return {
            name: self.human.rows if teacher.human == "all" else n
            for (name, teacher), n in zip(self.teachers.items(), counts, strict=True)
        }

    def read_rows(self, g: int) -> dict[str, int]:
        """The number of records of generation g that each teacher reads, by name; the maximum number if filters select."""
        written = self.dealt_rows(g)
        if self.select:
            total = self.selected(self.candidates * sum(written.values()))[1]
            kept_rows = largest_remainder([Fraction(n) for n in written.values()], [total])[0]
            written = dict(zip(written, kept_rows.tolist(), strict=True))
        return {reader: sum(by_writer.values()) for reader, by_writer in quotas(written, self.fractions).items()}

    @property
    def unimported(self) -> tuple[Any, ...]:
        """The user's own parts whose code was not imported, so that none of their methods can be called."""
        return tuple(part for part in self.parts if isinstance(part, own_parts.Unimported))

    def _readings_have_one_name(self) -> None:
        """Refuse a user's measure that gives a reading the name of another reading."""
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
        """Refuse filters that cannot judge these records, and several candidates without a filter that selects among them."""
        drawn_rows = self.candidates * self.records(0)
        if self.candidates > 1 and self.selected(drawn_rows)[0] == drawn_rows:
            keeps = "select keeps them all" if self.select else "no filter selects among them"
            raise ValueError(
                f"with draw.candidates {self.candidates} the model writes {amount(drawn_rows, 'record')} per generation for {self.records(0):,}, but {keeps}; "
                f"add a filter that keeps fewer, as select: [{{kind: random, share: {1 / self.candidates:.3g}}}], or write draw.candidates: 1"
            )
        if not self.selecting:
            return
        if self.human.records == "moments":
            raise ValueError("select judges single records, but human.records is moments; write human.records: points")
        if self.is_online:
            raise ValueError(
                "select chooses among records that are drawn once, but with rows: online a model writes new records for every batch; write a number of rows"
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
                    f"select {kind(selected_filter)} judges single records, but cells have only counts; choose star, reweigh, equalise or oversample"
                )
            return
        if not {"vectors", "text", "labelled", "answers"} & set(learns):
            raise ValueError(f"select judges single records, but {kind(self.learner)} learns {learns[0]}; choose another learner")
        if own_parts.is_own(type(selected_filter)):
            check_needs(selected_filter.needs, own_source.place_of(type(selected_filter)))
        for need, learned_kind in (("points", "vectors"), ("texts", "text")):
            if need in selected_filter.needs and learned_kind not in learns and not (need == "points" and "labelled" in learns):
                raise ValueError(
                    f"select {kind(selected_filter)} judges by {need}, but {kind(self.learner)} learns {learns[0]}; choose another filter"
                )
        if self.chains > 1 and selected_filter.chooses == "training":
            raise ValueError(
                f"select {kind(selected_filter)} chooses among the training set of one chain, but chains is {self.chains}; write chains: 1 and sweep: {{seed: [0, 1, 2]}}"
            )

    def selected(self, drawn_rows: int) -> tuple[int, int]:
        """The minimum and maximum number of records that `select` keeps of this number of drawn records, in every chain."""
        fewest = greatest = drawn_rows
        for selected_filter in self.choosing("drawn"):
            fewest, greatest = (
                selected_filter.bounds(fewest)[0],
                max(selected_filter.bounds(fewest)[1], selected_filter.bounds(greatest)[1]),
            )
        return fewest, greatest

    def choosing(self, among: Literal["drawn", "training"]) -> tuple[Filter, ...]:
        """The filters that select among the drawn records of a model, or among the training set of the next one."""
        return tuple(selected_filter for selected_filter in self.selecting if selected_filter.chooses == among)

    @property
    def selecting(self) -> tuple[Filter, ...]:
        """The filters of the policy and those of `select`."""
        return (*getattr(self.policy, "selects", ()), *self.select)

    def _is_a_table(self, metric: str, aspect: str) -> None:
        """Refuse a metric that reads records as a table if there are several chains or no single records."""
        if self.chains > 1:
            raise ValueError(
                f"the metric {metric} reads the records of one chain as a table, but chains is {self.chains}; "
                f"write chains: 1{self._instead(aspect)}"
            )
        if self.human.records == "moments":
            raise ValueError(f"the metric {metric} reads single records, but human.records is moments; write human.records: points")

    def _training_fits(self) -> None:
        """Complete the schedule of a learner that is trained in steps. Refuse a schedule for any other learner.

        If the command line changes the learner, a schedule in the experiment file is refused and not dropped. So the settings that are written are
        always those that run, whether they come from the command line, a file, the arms of a sweep or Python. The error names the word to add.
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
        """Replace changes to the default metrics by the full list of metrics."""
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
        """Refuse a prefix if there are no text prompts, or if it leaves no tokens to write."""
        prefix = self.draw.prefix
        if prefix and (self.draw.prompts == "none" or "text" not in self.learner.learns):
            raise ValueError(
                f"draw.prefix is the length of a text prompt, but there are no text prompts, got {prefix}; leave it out"
            )
        if prefix >= self.block:
            raise ValueError(f"draw.prefix must be shorter than a block of {self.block} tokens, got {prefix}")
        if prefix and getattr(self.policy, "align", False):
            raise ValueError(
                "policy.align replaces a record by the human continuation of its prompt, but draw.prefix keeps the prompt in the record; choose one"
            )

    def _plans_can_be_had(self) -> None:
        """Refuse, before the work begins, a policy that requests more records than there will be."""
        policy = kind(self.policy)
        for inventory, plan in self.plans():
            plan.check(inventory, policy)
            if self.human.records == "moments" and not plan.is_whole:
                raise ValueError(
                    f"policy {policy} takes or weighs single records, but human.records is moments; write human.records: points"
                )

    def _fits_a_machine(self) -> None:
        """Refuse, before the work begins, numbers that are too large for any machine."""
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
                f"and the maximum is {MOST_RECORDS:,}; lower rows, generations or chains"
            )

    @property
    def form(self) -> Any:
        """The form into which text is cut for the learner; None for numbers."""
        return self.learner.form(self.block)

    @property
    def is_online(self) -> bool:
        """Whether models write new records for every batch of a fit, so that the learner sees no finite synthetic set."""
        return self.rows == "online" and self.learner.reads_online

    @property
    def measured(self) -> tuple[Measure, ...]:
        """The metrics. By default, all default measures that read this kind of records, or groups if the human data have them."""
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
        """The measures of an aspect that fit the learner, as the way out of an error."""
        known = {name: measure(name) for name in MEASURES}
        instead = [
            name for name, metric in known.items() if metric.aspect == aspect and set(self.learner.learns) & set(metric.needs)
        ]
        return f", or write {', '.join(instead)}" if instead else ""

    def plan(self, inventory: Inventory) -> Plan:
        """The plan of the training set of the generation of this inventory. Generation 0 always learns from the original human records."""
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
                f"policy {own_source.place_of(type(self.policy), 'plan')} must return a Plan, got {plan!r:.80}; write return Plan((Take(what=…, rows=…),))"
            )
        return plan

    def plans(self, fresh: int | None = None) -> Iterator[tuple[Inventory, Plan]]:
        """Yield the inventory and the plan of every generation, from generation 0 on. `fresh` is the initial number of fresh human records.

        If the number of records that filters keep depends on the records, the maximum number is assumed.
        """
        totals = np.cumsum([0, *(self.kept(g) for g in range(self.generations - 1))])
        for g in range(self.generations):
            inventory = Inventory(g, self.human.rows, totals, fresh)
            plan = self.plan(inventory)
            yield inventory, plan
            fresh = None if fresh is None else fresh - plan.fresh_rows

    @property
    def candidates(self) -> int:
        """Number of records that a model writes for each record that `rows` requests."""
        return candidates_of(self.draw)

    def kept(self, g: int) -> int:
        """Number of records of generation g that are kept; the maximum number if it depends on the records."""
        return self.selected(self.candidates * self.records(g))[1]

    def records(self, g: int) -> int:
        """Number of records that `rows` requests at generation g, without further candidates."""
        if isinstance(self.rows, int):
            return self.rows
        if self.rows == "online" and not self.is_online:
            assert self.training is not None
            return self.training.steps_for(0, self.block) * self.training.batch
        growth = self.rows.grow if isinstance(self.rows, Growth) else 1.0
        return max(1, round(self.human.rows * growth ** (g + 1)))


def _part(number: int, share: float | None) -> int:
    """A share of a number of steps or tokens, at least 1."""
    return max(1, round(number * (share or 1.0)))


MOST_RECORDS = 10**10
"""Maximum number of records of one generation in all chains together: 80 GB if each is a single number."""


def _numbers(data: Any, key: str = "") -> Iterator[tuple[str, int | float]]:
    """Every number of plain data with its dotted key."""
    if isinstance(data, dict | list):
        for name, value in data.items() if isinstance(data, dict) else enumerate(data):
            yield from _numbers(value, f"{key}.{name}" if key else str(name))
    elif isinstance(data, int | float):
        yield key, data


def identity(experiment: Experiment) -> dict[str, Any]:
    """An experiment as plain data. The key `teachers` is left out if there are none."""
    settings = plain(experiment)
    return settings if experiment.teachers else {key: value for key, value in settings.items() if key != "teachers"}


def experiment(data: Mapping[str, Any]) -> Experiment:
    """Read an experiment from plain data. BadInput names the key, the rule and the way out."""
    data = {key: value for key, value in data.items() if key not in ("arms", "sweep") or value is not None}
    if many := [key for key in ("arms", "sweep") if key in data]:
        raise BadInput(f"{many[0]} describes several experiments; use outcross.arms")
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
