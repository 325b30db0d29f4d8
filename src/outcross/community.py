"""The loop of several teachers. Each teacher does mix → train → generate; then select → deal → measure follow for all of them together."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Annotated, Any, TypeVar

import numpy as np

from outcross.data import Human, Inventory, Made, Origin, Part, Plan, Pool, Training
from outcross.data.dealing import Dealt, deal
from outcross.data.records import Blocks, blocks, load_records
from outcross.data.selected import Rejected, Selected, chosen
from outcross.errors import BadInput
from outcross.estimate import Reading
from outcross.experiment import Experiment
from outcross.experiment.drawing import step_draw
from outcross.experiment.teachers import TEACHER
from outcross.filters.of_records import RecordCandidates
from outcross.filters.selecting import Choice, judged
from outcross.ledger import Ledger, Steps, Verb, verb
from outcross.loop import (
    OF_RECORDS,
    Generation,
    OwnPrompts,
    answer,
    begin,
    choice_of,
    gather,
    generated,
    left,
    measure,
    mix,
    named,
    start_of,
    train,
    unspent,
)
from outcross.measures import MEASURES, Measure
from outcross.models import Task
from outcross.models.community import CommunityModel
from outcross.models.draw import Draw
from outcross.recipe import FROM_LIST, exactly, kind, one_of, plain, recipe
from outcross.sources import Gathering

T = TypeVar("T")


@dataclass(frozen=True)
class TeacherGeneration:
    """The results of one teacher in one generation."""

    training: Made[Training]
    model: Made[Any]
    drawn: Part
    kept: Part
    """The drawn records that the filters kept: all of them if the experiment selects nothing."""
    read: Pool
    """The new records that it may learn from next: its own and those of other teachers, in the fractions of its `reads`."""
    shown: Made[Any] | None


@dataclass(frozen=True)
class CommunityGeneration(Generation):
    """The results of one generation of several teachers. The training set, the model and the records are those of all teachers together."""

    teachers: Mapping[str, TeacherGeneration] = field(default_factory=dict)
    together: Made[Any] | None = None
    """The step with the records of all teachers, one teacher after the other; None if the run stores no records."""

    @property
    def steps(self) -> dict[str, str]:
        """The keys of the steps by readable names: the records of all teachers, and the training set, model and records of each teacher."""
        steps = {} if self.together is None else {"drawn": self.together.key}
        for name, teacher in self.teachers.items():
            steps |= {
                f"training-{name}": teacher.training.key,
                f"model-{name}": teacher.model.key,
                f"drawn-{name}": teacher.drawn.source.key,
            }
        return steps


@dataclass
class TeacherLine:
    """The state of one teacher between generations."""

    name: str
    experiment: Experiment
    """The experiment of this teacher by itself."""
    share: float
    task: Task
    human: Made[Human]
    """The human data. Their text for the base of a network is this teacher's part of it."""
    pool: Pool
    """The human records and the records of models that it may learn from."""
    start: Made[Any]
    model: Made[Any]
    reach: int | None
    rows: np.ndarray
    """The total number of model records that it has been given before each generation, (generations + 1,)."""


@dataclass(frozen=True)
class TeacherTurn:
    """What a teacher learned from and wrote in one generation, before any selection."""

    training: Made[Training]
    drawn: Part
    prompts: Pool | None
    shown: Made[Any] | None


@dataclass(frozen=True)
class TeacherSteps(Steps):
    """The steps of one teacher. The names of their random streams contain the teacher's name."""

    teacher: str

    @classmethod
    def of(cls, do: Steps, teacher: str) -> TeacherSteps:
        return cls(do.ledger, do.seed, do.generation, do.store, teacher)

    def __call__(self, verb: Verb[T], recipe: Any, *inputs: Any, part: str = "") -> Made[T]:
        return super().__call__(verb, recipe, *inputs, part=f"{self.teacher} {part}".strip())


def run(experiment: Experiment, ledger: Ledger | None = None) -> Iterator[CommunityGeneration]:
    """Yield each generation of all teachers as it ends. A step that is already in the ledger is loaded and not done again.

    Raises BadInput if the parts do not fit together. Raises it before the work begins if a teacher needs more records than there will be.
    """
    ledger = Ledger(None) if ledger is None else ledger
    store = experiment.store == "all"
    do = ledger.steps(experiment.seed, store=store)
    human = do(gather, _gathering(experiment))
    lines = _lines(do, experiment, human)
    firsts: dict[str, Made[Any]] = {}
    spent = 0
    for g in range(experiment.generations):
        do = ledger.steps(experiment.seed, g, store)
        turns: dict[str, TeacherTurn] = {}
        for line, rows in zip(lines, experiment.dealt_rows(g).values(), strict=True):
            plan = _plan(line.experiment, line.name, Inventory(g, len(line.pool.human), line.rows, left(human, spent)))
            turns[line.name] = _turn(TeacherSteps.of(do, line.name), experiment, line, plan, human, spent, rows)
            spent += plan.fresh_rows
        drawn = {name: turn.drawn for name, turn in turns.items()}
        prompts_of = {name: turn.prompts for name, turn in turns.items() if turn.prompts is not None}
        kept, selection = _selected(do, experiment, drawn, human, prompts_of, g)
        dealt = do(share_out, _exchange(experiment), kept)
        firsts = firsts or {line.name: line.model for line in lines}
        model = _together({line.name: line.model for line in lines}, lines)
        together = _evidence(
            drawn,
            kept,
            {name: turn.training for name, turn in turns.items()},
            human,
            prompts_of,
            experiment.draw,
        )
        if selection is not None:
            together["rejected"] = _rejected(drawn, selection)
        together |= {"model": model, "first_model": _together(firsts, lines)}
        readings = {
            kind(metric): do(measure, metric, together, part=metric.stream or kind(metric)) for metric in experiment.measured
        }
        readings |= _of_teachers(do, experiment, lines, turns, kept, human, firsts)
        for line in lines:
            read = dealt.value.pools[line.name]
            line.pool, line.rows[g + 1] = (line.pool + read).newest_only(line.reach), line.rows[g] + len(read)
        yield CommunityGeneration(
            g=g,
            human=named(human),
            mixed=together["training"],
            training=together["training"],
            model=model,
            drawn=Pool(tuple(drawn.values()), g),  # type: ignore[arg-type]
            kept=Pool(tuple(kept.values()), g),  # type: ignore[arg-type]
            selection=selection,
            shown=None,
            readings=readings,
            teachers={
                line.name: TeacherGeneration(
                    training=turns[line.name].training,
                    model=line.model,
                    drawn=drawn[line.name],
                    kept=kept.get(line.name, drawn[line.name].take(np.arange(0))),
                    read=dealt.value.pools[line.name],
                    shown=turns[line.name].shown,
                )
                for line in lines
            },
            together=do(pool_up, Writers(names=tuple(drawn)), drawn) if store else None,
        )


def _turn(
    own: TeacherSteps, experiment: Experiment, line: TeacherLine, plan: Plan, human: Made[Human], spent: int, rows: int
) -> TeacherTurn:
    """Let a teacher learn and write its records of a generation. Its line then holds the new model."""
    training = own(mix, plan, line.pool.newest_only(plan.reach), unspent(human, spent))
    line.start = start_of(own, line.task, line.start, line.model, line.human)
    line.model = own(train, line.task, training, line.start, human)
    draw = step_draw(experiment.draw, rows)
    prompts = _prompts(experiment, line, human, rows)
    asked = replace(draw, prompts="newest") if prompts is not None and draw.prompts == "human" else draw
    records = generated(own, line.task.learner, asked, line.model, prompts)
    shown = _shown(own, experiment, line, human, draw)
    return TeacherTurn(training, _stamped(records, line, draw, own.generation), prompts, shown)


def _gathering(experiment: Experiment) -> Gathering:
    content = experiment.learner.content() if experiment.human.is_text else ""
    form = experiment.learners[0].form(experiment.block)
    return Gathering(
        source=experiment.human, form=form, chains=experiment.chains, content=experiment.human.content(), tokenizer=content
    )


def _lines(do: Steps, experiment: Experiment, human: Made[Human]) -> list[TeacherLine]:
    """The state of every teacher before generation 0.

    Raises BadInput if a plan of any generation requests more records than there will be.
    """
    pools = _human_pools(do, experiment, human)
    totals = {name: np.zeros(experiment.generations + 1, dtype=np.int64) for name in experiment.teachers}
    for g in range(experiment.generations - 1):
        for name, rows in experiment.read_rows(g).items():
            totals[name][g + 1] = totals[name][g] + rows
    fresh, reaches = named(human).unspent, dict.fromkeys(experiment.teachers, 1 if experiment.draw.prompts == "newest" else 0)
    for g in range(experiment.generations):
        for name in experiment.teachers:
            inventory = Inventory(g, len(pools[name]), totals[name], fresh)
            plan = _plan(experiment, name, inventory)
            fresh = None if fresh is None else fresh - plan.fresh_rows
            known = reaches[name]
            reaches[name] = None if known is None or plan.reach is None else max(known, plan.reach)  # type: ignore[assignment]
    lines = []
    for name, teacher in experiment.teachers.items():
        alone = experiment.alone(name)
        task = Task(learner=alone.learner, training=alone.training)
        own = _human_of(experiment, name, human, pools[name])
        content = alone.learner.content() if experiment.human.is_text else ""
        start = TeacherSteps.of(do, name)(begin, replace(task, content=content), own)
        rows = np.zeros(experiment.generations + 1, dtype=np.int64)
        assert teacher.share is not None
        lines.append(TeacherLine(name, alone, teacher.share, task, own, pools[name], start, start, reaches[name], rows))
    return lines


def _human_pools(do: Steps, experiment: Experiment, human: Made[Human]) -> dict[str, Pool]:
    """The original human records of every teacher."""
    training = named(human).training
    own = [name for name, teacher in experiment.teachers.items() if teacher.human == "own"]
    dealt: dict[str, Pool] = {}
    if own:
        shares = {name: {"human": experiment.teachers[name].share or 0.0} for name in own}
        dealt = dict(do(share_out, Exchange(fractions=shares), {"human": training}).value.pools)
    for name, teacher in experiment.teachers.items():
        if teacher.human == "all":
            dealt[name] = Pool((training,))
        elif isinstance(teacher.human, tuple):
            dealt[name] = Pool((training.take(_rows_of_groups(name, teacher.human, training)),))
        if len(dealt[name]) == 0:
            raise BadInput(f"teachers.{name} has no human records; raise human.rows or its share")
    return dealt


def _rows_of_groups(name: str, groups: tuple[str, ...], training: Part) -> np.ndarray:
    """The row numbers of the human training records of some groups. Raises BadInput if a group has no records."""
    if not isinstance(training.records, Blocks):
        raise BadInput(f"teachers.{name}.human names groups, but {training.records.kind} have no groups; write human: own")
    groups_of_rows = training.records.column("_group").astype(str)
    known_groups = sorted({*groups_of_rows} - {""})
    for group in groups:
        if group not in known_groups:
            known = (
                f"the groups are {', '.join(known_groups)[:200]}"
                if known_groups
                else "the records have no groups: name a column with human.group_column"
            )
            raise BadInput(f"teachers.{name}.human names the group {group!r:.60}, which has no human training records; {known}")
    return np.flatnonzero(np.isin(groups_of_rows, groups))


def _human_of(experiment: Experiment, name: str, human: Made[Human], pool: Pool) -> Made[Human]:
    """The human data of one teacher. The text that a base model is trained on is cut to the teacher's share, unless it has all human records."""
    whole = experiment.teachers[name].human == "all"
    shares = np.cumsum([0.0, *(teacher.share or 0.0 for teacher in experiment.teachers.values())])
    place = [*experiment.teachers].index(name)

    def own() -> Human:
        people = named(human)
        windows = people.windows
        if windows is not None and not whole:
            first, last = (round(share * len(windows)) for share in shares[place : place + 2])
            windows = windows[first : max(last, first + 1)]
        return replace(people, windows=windows)

    return human if whole else Made(f"{human.digest} of {name} {pool.digest} {shares[place]:.9g}", human.size, own)


def _plan(experiment: Experiment, teacher: str, inventory: Inventory) -> Plan:
    """The plan of a teacher's training set. Raises BadInput, with the teacher's name, if it requests more records than there are."""
    plan = experiment.plan(inventory)
    try:
        plan.check(inventory, kind(experiment.policy))
    except BadInput as error:
        raise BadInput(f"teachers.{teacher}: {error}") from None
    return plan


def _prompts(experiment: Experiment, line: TeacherLine, human: Made[Human], rows: int) -> Pool | None:
    """The records that a teacher continues: human records or the newest ones that it has, as `draw.prompts` says. None if it has no prompts.

    The human records are its own, or those of all teachers if a router compares the answers to one prompt.
    """
    if experiment.draw.prompts == "none":
        return None
    if experiment.draw.prompts == "newest":
        prompts = line.pool.newest if line.pool.models.parts else _numbered(line.pool, human)
    else:
        prompts = _numbered(Pool((named(human).training,)) if experiment.is_routed else line.pool.human, human)
    return prompts.take(np.arange(rows)) if experiment.candidates > 1 and rows < len(prompts) else prompts


def _numbered(pool: Pool, human: Made[Human]) -> Pool:
    """The human records of a pool. A text carries its row number in the training records as `_prompt`."""
    return Pool(tuple(_numbered_part(part, human) for part in pool.human.parts))  # type: ignore[arg-type]


def _numbered_part(part: Part, human: Made[Human]) -> Part:
    rows = part.rows
    if human.value.kind != "text":
        return part

    def numbered() -> Blocks:
        records = part.records
        places = np.arange(len(records)) if rows is None else np.asarray(rows)
        columns = {name: records.column(f"_{name}") for name in ("document", "group")}
        return blocks(records.tokens, records.texts, records.column("_bytes"), prompt=places, **columns)

    return Part(part.origin, Made(f"{part.source.digest} numbered {part.digest}", part.size, numbered), part.size)


def _stamped(records: Made[Any], line: TeacherLine, draw: Draw, g: int) -> Part:
    """The drawn records of a teacher, stamped with its name and model."""
    decoding = json.dumps(plain(draw), sort_keys=True)
    return Part(Origin("model", f"{line.name}:{line.model.digest}", g, decoding), records, records.size)


def _shown(own: TeacherSteps, experiment: Experiment, line: TeacherLine, human: Made[Human], draw: Draw) -> Made[Any] | None:
    """A teacher's continuations of the experiment's own prompts; None if there are no such prompts."""
    if not experiment.prompts:
        return None
    return own(answer, OwnPrompts(draw=replace(draw, prefix=0, records=1), prompts=experiment.prompts), line.model, human)


@recipe
class AmongTeachers:
    """A selection by filters from the records of several teachers."""

    choice: Annotated[Choice, exactly(Choice, "choice")]
    teachers: Annotated[tuple[str, ...], FROM_LIST]


@verb(
    OF_RECORDS,
    5,
    load=lambda folder, digest, among, drawn, human, prompts: Selected.load(folder),
    given=lambda among: among.choice.content,
)
def select_among(
    among: AmongTeachers, drawn: dict[str, Part], human: Human, prompts: Pool | None, *, rng: np.random.Generator
) -> Selected:
    """Select records of all teachers with the filters, to which a teacher's name is its model. Refuses a filter that keeps nothing."""
    parts = [drawn[name] for name in among.teachers]
    records = Pool(tuple(parts)).records
    names = np.repeat(np.array(among.teachers, dtype=object), [len(part) for part in parts])
    number = np.concatenate([np.arange(len(part)) for part in parts])
    asked = None if prompts is None else prompts.records
    candidates = RecordCandidates(
        records, people=human.training.records, model=names, asked=asked, number=number, slots=among.choice.slots
    )
    selection = judged(among.choice.filters, candidates, rng)
    return Selected(records.take(chosen(selection.times)), selection)


def _selected(
    do: Steps, experiment: Experiment, drawn: Mapping[str, Part], human: Made[Human], prompts: Mapping[str, Pool], g: int
) -> tuple[dict[str, Part], Made[Selected] | None]:
    """The kept records of each teacher, and the step that selected them. Without filters, all records are kept and there is no step.

    A teacher without kept records is left out.
    """
    filters = experiment.choosing("drawn")
    if not filters:
        return dict(drawn), None
    among = AmongTeachers(choice=choice_of(filters, experiment.records(g)), teachers=tuple(drawn))
    asked = next(iter(prompts.values()), None) if experiment.is_routed else None
    selection = do(select_among, among, dict(drawn), human, asked)
    times, ends = selection.value.judged.times, np.cumsum([len(part) for part in drawn.values()])
    teacher = np.searchsorted(ends, chosen(times), side="right")
    kept = Made(selection.digest, selection.size, lambda: selection.value.records, selection.key)
    parts = {name: np.flatnonzero(teacher == number) for number, name in enumerate(drawn)}
    return {name: Part(drawn[name].origin, kept, len(rows), rows) for name, rows in parts.items() if len(rows)}, selection


def _rejected(drawn: Mapping[str, Part], selection: Made[Selected]) -> Made[Rejected]:
    records = Pool(tuple(drawn.values()))
    return Made(f"{selection.digest}/rejected", 0, lambda: Rejected.of(records.records, selection.value.judged))


@recipe
class Exchange:
    """The fractions of the records of each writer that each reader reads."""

    fractions: dict[str, dict[str, float]]
    """By reader and then by writer, in [0, 1]. Each is rounded to a fraction with a denominator of at most 10⁹, so that 0.1 means exactly 1/10."""


def _exchange(experiment: Experiment) -> Exchange:
    return Exchange(
        fractions={
            reader: {writer: float(fraction) for writer, fraction in by_writer.items()}
            for reader, by_writer in experiment.fractions.items()
        }
    )


@verb(
    OF_RECORDS,
    7,
    load=lambda folder, digest, exchange, written: Dealt.load(
        folder, tuple(exchange.fractions), {part.source.digest: part.source for part in written.values()}
    ),
)
def share_out(exchange: Exchange, written: dict[str, Part], *, rng: np.random.Generator) -> Dealt:
    """Deal the records of all writers to the teachers that read them, at random and by exact quotas. Refuses a teacher that would read nothing."""
    fractions = {
        reader: {writer: Fraction(by_writer.get(writer, 0.0)).limit_denominator(10**9) for writer in written}
        for reader, by_writer in exchange.fractions.items()
    }
    dealt = deal(written, fractions, rng)
    for reader, pool in dealt.pools.items():
        if len(pool) == 0:
            raise BadInput(
                f"no records are left for the teacher {reader} to read; loosen select, raise the rows, or let it read all"
            )
    return dealt


@recipe
class Writers:
    """The teachers whose records are joined, in this order."""

    names: Annotated[tuple[str, ...], FROM_LIST]


@verb(OF_RECORDS, 5, load=lambda folder, digest, writers, drawn: load_records(folder))
def pool_up(writers: Writers, drawn: dict[str, Part], *, rng: np.random.Generator) -> Any:
    """Join the records of all teachers of a generation, one teacher after the other."""
    return Pool(tuple(drawn[name] for name in writers.names)).records


def _together(models: Mapping[str, Made[Any]], lines: list[TeacherLine]) -> Made[CommunityModel]:
    """The models of all teachers as one model of the community."""
    total = sum(line.share for line in lines)
    shares = {line.name: line.share / total for line in lines}
    digest = " ".join(f"{name} {shares[name]:.12g} {model.digest}" for name, model in models.items())
    return Made(f"community of {digest}", 0, lambda: CommunityModel({name: model.value for name, model in models.items()}, shares))


def _evidence(
    drawn: Mapping[str, Part],
    kept: Mapping[str, Part],
    trainings: Mapping[str, Made[Training]],
    human: Made[Human],
    prompts: Mapping[str, Pool],
    draw: Draw,
) -> dict[str, Any]:
    """The evidence that measures read about all teachers together."""

    def training() -> Training:
        return Training(Pool(tuple(part for training_set in trainings.values() for part in training_set.value.pool.parts)))

    evidence: dict[str, Any] = {
        "drawn": Pool(tuple(drawn.values())),
        "kept": Pool(tuple(kept.values())),
        "training": Made(f"training sets {' '.join(training_set.digest for training_set in trainings.values())}", 0, training),
        "human": human,
    }
    if draw.prompts == "newest":
        evidence["prompts"] = Pool(
            tuple(part for name, pool in prompts.items() for part in pool.take(np.arange(len(drawn[name])) % len(pool)).parts)
        )
    return evidence


@recipe
class OfTeacher:
    """A measure of the results of one teacher."""

    measure: Annotated[Measure, one_of(MEASURES, "metrics")]
    teacher: str


@verb(OF_RECORDS, 6)
def measure_teacher(asked: OfTeacher, evidence: dict[str, Any], *, rng: np.random.Generator) -> tuple[Reading, ...]:
    """Read one measure of one teacher. The group of a reading names the teacher."""
    name = f"{TEACHER}{asked.teacher}"
    return tuple(
        replace(reading, group=f"{name}: {reading.group}" if reading.group else name)
        for reading in measure.do(asked.measure, evidence, rng=rng)
    )


def _of_teachers(
    do: Steps,
    experiment: Experiment,
    lines: list[TeacherLine],
    turns: Mapping[str, TeacherTurn],
    kept: Mapping[str, Part],
    human: Made[Human],
    firsts: Mapping[str, Made[Any]],
) -> dict[str, Made[tuple[Reading, ...]]]:
    """The readings of each teacher alone."""
    readings = {}
    for line in lines:
        turn = turns[line.name]
        evidence = {"drawn": turn.drawn, "training": turn.training, "human": human, "model": line.model}
        evidence["first_model"] = firsts[line.name]
        if line.name in kept:
            evidence["kept"] = kept[line.name]
        if experiment.draw.prompts == "newest" and turn.prompts is not None:
            evidence["prompts"] = turn.prompts
        for metric in experiment.measured:
            asked = OfTeacher(measure=metric, teacher=line.name)
            part = f"{line.name} {metric.stream or kind(metric)}"
            readings[f"{kind(metric)} of {line.name}"] = do(measure_teacher, asked, evidence, part=part)
    return readings


__all__ = ["CommunityGeneration", "TeacherGeneration", "run"]
