"""The recipe of an experiment: everything that determines its results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field, fields, replace
from fractions import Fraction
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, Field, PlainValidator, model_validator

from outcross import own_parts, own_source
from outcross.data import Inventory, Plan
from outcross.data.dealing import Fractions, quotas
from outcross.data.shares import largest_remainder
from outcross.errors import BadInput
from outcross.experiment.bounds import Bounds, read_bounds
from outcross.experiment.drawing import DRAWING, candidates_of
from outcross.experiment.human import source_settings
from outcross.experiment.metrics import listed, read_metrics
from outcross.experiment.rows import Growth, checked_rows
from outcross.experiment.rules import check_parts, check_teachers, schedule_of
from outcross.experiment.teachers import TEACHERS, Teacher, completed, exact_shares, fractions
from outcross.filters import FILTERS, Filter
from outcross.filters.route import RouteFilter
from outcross.measures import MEASURES, Measure, measure
from outcross.models import LEARNERS, Learner
from outcross.models.draw import Draw
from outcross.models.schedule import Pretrained, Schedule
from outcross.policies import POLICIES, Policy
from outcross.policies.human_only import HumanOnly
from outcross.policies.replace import Replace
from outcross.recipe import FROM_LIST, Nested, exactly, many_of, nearest, one_of, plain, recipe
from outcross.sources import SOURCES, Source
from outcross.wording import amount


@recipe
class Experiment:
    """One chain of generations, or many independent chains. Every field determines results; none says where the experiment runs."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    """The name of the run, and of its folder if --out is left out."""
    human: Annotated[Source, one_of(SOURCES, "human"), BeforeValidator(source_settings)]
    """The source of the human data."""
    learner: Annotated[Learner, one_of(LEARNERS, "learner")]
    """The model that learns from records and writes new ones."""
    policy: Annotated[Policy, one_of(POLICIES, "policy")] = field(default_factory=Replace)
    """The rule for the training set of every generation after the first."""
    block: Annotated[int, Field(ge=2, le=4096)] = 64
    """Length of a text record, in tokens."""
    training: Annotated[Schedule | None, exactly(Schedule, "training", or_none=True)] = None
    """The training schedule, for learners that are trained in steps."""
    rows: Annotated[int | Growth | Literal["constant", "online"], Nested(checked_rows, recipe=Growth)] = "constant"
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
    metrics: Annotated[tuple[Measure, ...], PlainValidator(read_metrics)] = ()
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
    def _complete_and_check(self):
        if self.store is None:
            self._complete("store", "all" if self.chains == 1 else "readings")
        if self.teachers:
            self._complete("teachers", completed(self.teachers, self.learner))
        else:
            self._complete("training", schedule_of(self))
        self._complete("metrics", listed(self.metrics, self._default_metrics))
        check = check_teachers if self.teachers else check_parts
        check(self)
        return self

    def _complete(self, name: str, value: Any) -> None:
        """Fill in a setting that follows from the others."""
        object.__setattr__(self, name, value)

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
