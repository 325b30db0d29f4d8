"""The loop of a run: mix → train → generate → select → measure, then the next generation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np

from outcross import data, own_parts, own_source
from outcross.data import Human, Inventory, Made, Origin, Part, Plan, Pool, Training
from outcross.data.records import Counts, blocks, load_records
from outcross.data.selected import Rejected, Selected, chosen
from outcross.detecting import fit_detector, fit_of, samples_of
from outcross.detectors.of_samples import ReadyDetector, SampledDetector
from outcross.errors import BadInput, MachineGaveOut
from outcross.estimate import NotApplicable, Reading
from outcross.experiment import Experiment
from outcross.experiment.drawing import step_draw
from outcross.files.reading import content_digest
from outcross.filters import Filter
from outcross.filters.of_records import RecordCandidates
from outcross.filters.selecting import Choice, counted, judged
from outcross.ledger import Ledger, Steps, verb
from outcross.ledger.reach import source_digest
from outcross.measures import Evidence, Measure, check_readings, unread
from outcross.models import Learner, Task
from outcross.models.draw import Draw
from outcross.models.online import Online
from outcross.models.schedule import Schedule
from outcross.models.writing import RESCORED_TOKENS
from outcross.recipe import FROM_LIST, exactly, kind, plain, recipe
from outcross.sources import Gathering
from outcross.wording import amount

OF_RECORDS = ("numpy", "polars")
"""The libraries that store human data, pools and records of every kind. Every verb uses them."""


@dataclass(frozen=True)
class Generation:
    """The results of one generation. Parts are loaded when they are read."""

    g: int
    """The number of the generation. Generation 0 is fitted on human data. After generation g there were T = g + 1 fits, as papers count."""
    human: Human
    mixed: Made[Training]
    """The training set as the policy mixed it. It is `training` itself if no filter selects from it."""
    training: Made[Training]
    model: Made[Any]
    drawn: Part
    kept: Part
    """The drawn records that later generations may learn from: all of them if the experiment selects nothing."""
    selection: Made[Selected] | None
    """The records that the filters kept, with their judgement of every drawn record; None if there are no filters."""
    shown: Made[Any] | None
    """The model's continuations of the experiment's own prompts, one record per prompt; None if there are no such prompts."""
    readings: dict[str, Made[tuple[Reading, ...]]]
    """The readings, by the name of their measure."""

    @property
    def measured(self) -> tuple[Reading, ...]:
        """The readings of all measures."""
        return tuple(reading for readings in self.readings.values() for reading in readings.value)


def run(experiment: Experiment, ledger: Ledger | None = None) -> Iterator[Generation]:
    """Yield each generation as it ends. A step that is already in the ledger is loaded and not done again.

    Raises BadInput if the parts do not fit together. Raises it before the work begins if a generation needs more records than there will
    be. NotApplicable is never raised: a measure that cannot be computed gives a note.
    """
    ledger = Ledger(None) if ledger is None else ledger
    store = experiment.store == "all"
    do = ledger.steps(experiment.seed, store=store)
    content = experiment.learner.content() if experiment.human.is_text else ""
    human = do(
        gather,
        Gathering(
            source=experiment.human, form=experiment.form, chains=experiment.chains, content=experiment.human.content(),
            tokenizer=content,
        ),
    )  # fmt: skip
    reach = _reach(experiment, named(human))
    task = Task(learner=experiment.learner, training=experiment.training)
    start = model = first = do(begin, replace(task, content=content), human)
    pool, spent = Pool((named(human).training,)), 0
    teachers: tuple[Made[Any], ...] = ()
    detectors: dict[str, Made[ReadyDetector]] = {}
    written_rows = np.zeros(experiment.generations + 1, dtype=np.int64)
    for g in range(experiment.generations):
        do = ledger.steps(experiment.seed, g, store)
        plan = experiment.plan(Inventory(g, len(pool.human), written_rows))
        if experiment.select:
            plan.check(Inventory(g, len(pool.human), written_rows, left(human, spent)), kind(experiment.policy))
        mixed = do(mix, plan, pool.newest_only(plan.reach), unspent(human, spent))
        training = _resampled(do, experiment, mixed, human, detectors)
        start = start_of(do, task, start, model, human)
        model = do(train, task, training, start, human, *_writers(experiment, teachers, plan))
        spent += plan.fresh_rows
        draw = step_draw(experiment.draw, experiment.records(g))
        prompts = _prompts(draw, pool, experiment.records(g))
        drawn = written(generated(do, experiment.learner, draw, model, prompts), model, draw, g)
        detectors = _detectors(do, experiment, human, draw, model, prompts) if g == 0 else detectors
        asked = OwnPrompts(draw=replace(draw, prefix=0, records=1), prompts=experiment.prompts)
        shown = do(answer, asked, model, human) if asked.prompts else None
        kept, selection = _selected(do, experiment, drawn, human, prompts, g)
        first = model if g == 0 else first
        evidence = {"drawn": drawn, "kept": kept, "training": training, "human": human, "model": model, "first_model": first}
        if draw.prompts == "newest":
            evidence["prompts"] = prompts
        if selection is not None:
            evidence["rejected"] = rejected(drawn, selection)
        if training is not mixed:
            evidence["mixed"] = mixed
        readings = {
            kind(metric): do(measure, metric, evidence, part=metric.stream or kind(metric)) for metric in experiment.measured
        }
        pool, written_rows[g + 1] = (pool + kept).newest_only(reach), written_rows[g] + len(kept)
        teachers = _last((*teachers, model), reach)
        yield Generation(g, named(human), mixed, training, model, drawn, kept, selection, shown, readings)


def _reach(experiment: Experiment, human: Human) -> int | None:
    """The number of generations of model records that the pool must keep; None for all.

    Raises BadInput if a plan of any generation requests more records than there will be.
    """
    reach = 1 if experiment.draw.prompts == "newest" else 0
    for inventory, plan in experiment.plans(fresh=human.unspent):
        plan.check(inventory, kind(experiment.policy))
        reach = None if reach is None or plan.reach is None else max(reach, plan.reach)
    return reach


@verb(OF_RECORDS, 0, load=lambda folder, digest, recipe: recipe.load(folder), acts=True, given=lambda recipe: recipe.given)
def gather(gathering: Gathering, *, rng: np.random.Generator) -> Human:
    """Read or draw the human data, split them, and put them in the learner's form."""
    human = gathering.open(rng)
    source = gathering.source
    if not isinstance(human, Human):
        raise BadInput(f"{own_source.place_of(type(source), 'open')} must return a Human, got {human!r:.80}")
    if own_parts.is_own(type(source)) and not source.is_text and len(human.training) != source.rows:
        raise BadInput(
            f"{own_source.place_of(type(source), 'open')} gave {len(human.training):,} training records, but {source.rows:,} were requested"
        )
    if len(human.training) == 0:
        raise BadInput("the human data contain no records; give more data or a smaller block")
    return human


@verb(
    OF_RECORDS,
    1,
    load=lambda folder, digest, task, human: task.learner.load(folder),
    learns=True,
    acts=True,
    given=lambda task: task.given,
)
def begin(task: Task, human: Human, *, rng: np.random.Generator) -> Any:
    """Return the model that training starts from: pretrained on the human data, untrained, or none."""
    if human.kind not in task.learner.learns:
        raise BadInput(
            f"{kind(task.learner)} learns {' or '.join(task.learner.learns)}, but the human data are {human.kind}; choose another learner"
        )
    return task.learner.begin(human, task.training, rng)


@verb(OF_RECORDS, 2, load=lambda folder, digest, plan, pool, human: Training.load(folder, _sources(pool, human)))
def mix(plan: Plan, pool: Pool, human: Human, *, rng: np.random.Generator) -> Training:
    """Draw the next training set. Refuses an empty one."""
    training = data.mix(plan, pool, human, rng)
    if len(training) == 0:
        raise BadInput(f"the plan ({plan}) leaves no training records; raise the shares or the rows")
    return training


@verb(OF_RECORDS, 3, load=lambda folder, digest, task, *inputs: task.learner.load(folder), learns=True, acts=True)
def train(
    task: Task, training: Training, start: Any, human: Human, writers: dict[str, Any] | None = None, *, rng: np.random.Generator
) -> Any:
    """Fit a model. For a learner that takes no weights, the records are redrawn in proportion to their weights.

    `writers` are models by their digests. Each of them writes its records anew whenever the fit reads them.
    """
    records, weights = training.records, training.weights
    if weights is not None and not task.learner.takes_weights:
        records = records.take(rng.choice(len(records), len(records), p=weights / weights.sum()))
        weights = None
    online = {} if writers is None else {"online": Online.of(training.pool, writers)}
    try:
        model = task.learner.fit(records, weights, start, task.training, rng, **_checked_on(task.training, human), **online)
        for method in ("sample", "log_prob", "save"):
            if not callable(getattr(model, method, None)):
                raise BadInput(
                    f"{own_source.place_of(type(task.learner), 'fit')} must return a model with {method}, got {model!r:.80}"
                )
        return model
    except np.linalg.LinAlgError as error:
        raise BadInput(
            f"{kind(task.learner)} cannot be fitted to these records ({error}); give more of them, or columns that differ"
        ) from None


@verb(OF_RECORDS, 2, load=lambda folder, digest, task, before, model, human: task.learner.load(folder), learns=True, acts=True)
def choose(task: Task, before: Any, model: Any, human: Human, *, rng: np.random.Generator) -> Any:
    """Return the model with the higher mean log-likelihood on the human validation records, or `before` if both are equal."""
    checked = _validation(human, "training.start previous_best")
    return max((before, model), key=lambda candidate: float(np.mean(candidate.log_prob(checked))))


def _checked_on(training: Schedule | None, human: Human) -> dict[str, Any]:
    """The human validation records for a fit that keeps its best checkpoint; empty for a fit that keeps its last one."""
    if training is None or training.checkpoint == "last":
        return {}
    return {"validation": _validation(human, "training.checkpoint best")}


def _validation(human: Human, what: str) -> Any:
    """The human validation records. Raises BadInput if there are none."""
    if human.validation is None or len(human.validation) == 0:
        raise BadInput(f"{what} needs human validation text, but there is none; raise human.held_out, or leave the setting out")
    return human.validation.records


def generated(do: Steps, learner: Learner, draw: Draw, model: Made[Any], prompts: Pool | None, part: str = "") -> Made[Any]:
    """The records that the model writes. A learner that writes slowly writes them in several steps, whose records are joined.

    part: the name of this draw, if the same model writes another one.
    """
    inputs = (model, prompts, do.afresh(model, learner.load)) if learner.rescores else (model, prompts)
    shard = learner.shard or draw.records
    if draw.records <= shard:
        return do(generate, draw, *inputs, part=part)
    shards = [
        RecordRange(draw=replace(draw, records=min(shard, draw.records - first)), first=first, total=draw.records)
        for first in range(0, draw.records, shard)
    ]
    return do(
        join,
        draw,
        {
            f"{shard_range.first:08d}": do(write, shard_range, *inputs, part=f"{part}from {shard_range.first:08d}")
            for shard_range in shards
        },
        part=part,
    )


@recipe
class RecordRange:
    """A contiguous range of the records of a generation."""

    draw: Annotated[Draw, exactly(Draw, "draw")]
    """How the records of the range are written, and their number."""
    first: int
    """The index of the first record of the range within the generation."""
    total: int
    """Number of records of the whole generation."""


@verb(OF_RECORDS, 4, load=lambda folder, digest, draw, model, prompts, *stored: load_records(folder))
def generate(draw: Draw, model: Any, prompts: Pool | None, stored: Any = None, *, rng: np.random.Generator) -> Any:
    """Let the model write records. Refuses a wrong number of records, and records that the stored model did not write."""
    records = model.sample(draw, None if prompts is None else prompts.records, rng)
    _check_written(records, model, draw)
    return _checked_against_weights(records, RecordRange(draw=draw, first=0, total=draw.records), stored, prompts)


def _check_written(records: Any, model: Any, draw: Draw) -> None:
    """Raise BadInput if a model returns something other than records, or a wrong number of records."""
    if not (hasattr(records, "save") and hasattr(records, "__len__")):
        raise BadInput(
            f"{own_source.place_of(type(model), 'sample')} must return records, such as outcross.data.records.Vectors, got {records!r:.80}"
        )
    if len(records) != draw.records:
        raise BadInput(
            f"{own_source.place_of(type(model), 'sample')} gave {amount(len(records), 'record')}, but draw.records requests {draw.records:,}"
        )


@verb(OF_RECORDS, 4, load=lambda folder, digest, shard, model, prompts, *stored: load_records(folder))
def write(shard: RecordRange, model: Any, prompts: Pool | None, stored: Any = None, *, rng: np.random.Generator) -> Any:
    """Let the model write a range of the records of a generation. `generate` writes all of them in one step."""
    records = model.sample(shard.draw, None if prompts is None else prompts.records, rng, first=shard.first)
    _check_written(records, model, shard.draw)
    return _checked_against_weights(records, shard, stored, prompts)


@verb(OF_RECORDS, 5, load=lambda folder, digest, draw, shards: load_records(folder))
def join(draw: Draw, shards: dict[str, Any], *, rng: np.random.Generator) -> Any:
    """Join the records of a generation that several steps wrote."""
    records = [shards[name] for name in sorted(shards)]
    joined = type(records[0]).pieced(records)
    assert len(joined) == draw.records
    return joined


def _checked_against_weights(records: Any, shard: RecordRange, stored: Any, prompts: Pool | None) -> Any:
    """The records, once their log-probabilities agree with those that the stored model gives them.

    At least a thousand decoded tokens of a generation are scored again; a shard scores its share of them. Raises MachineGaveOut if the stored model did
    not write the records, since fast writers have used stale weights without an error.
    """
    if stored is None or records.decoded is None:
        return records
    records = replace(records, decoded=records.decoded.some(RESCORED_TOKENS * len(records) / shard.total))
    rescored = stored.rescored(records, shard.draw, None if prompts is None else prompts.records, first=shard.first)
    if not rescored.difference <= rescored.max_difference:
        raise MachineGaveOut(
            f"the records were not written by the stored model: their log-probabilities differ by {rescored.difference:.3g} nats per token from those of the"
            f" weights in the ledger (at most {rescored.max_difference:g}); none of them is kept; run the same command again, and report it if it happens twice"
        )
    return replace(records, decoded=None, rescored=rescored)


def choice_of(filters: tuple[Filter, ...], slots: int) -> Choice:
    """The recipe of a selection by filters, with the digest of every file and user's function that they use."""
    paths = {path: content_digest(path) for selected_filter in filters for path in selected_filter.paths}
    functions = {name: _source_of(name) for selected_filter in filters for name in selected_filter.functions}
    return Choice(filters=filters, slots=slots, content=paths | functions)


def _source_of(function: str) -> str:
    """The digest of a function, `module:function`, and of everything in its package that it reaches."""
    module, _, name = function.partition(":")
    return source_digest(((module, name),), None)


@verb(
    OF_RECORDS,
    5,
    load=lambda folder, digest, choice, records, human, prompts: Selected.load(folder),
    given=lambda choice: choice.content,
)
def select(choice: Choice, records: Any, human: Human, prompts: Pool | None, *, rng: np.random.Generator) -> Selected:
    """Select the records of a generation with the filters. Refuses unequal chains, and a filter that keeps nothing."""
    if isinstance(records, Counts):
        selection = counted(choice.filters, records, human.truth.shape, rng)
        return Selected(Counts(selection.times), selection)
    asked = None if prompts is None else prompts.records
    candidates = RecordCandidates(records, people=human.training.records, asked=asked, slots=choice.slots)
    selection = judged(choice.filters, candidates, rng)
    return Selected(records.take(chosen(selection.times)), selection)


@verb(
    OF_RECORDS,
    2,
    load=lambda folder, digest, choice, training, human, detectors=None: Training.load(
        folder, _sources(training.value.pool, human)
    ),
    given=lambda choice: choice.content,
)
def resample(
    choice: Choice, training: Training, human: Human, detectors: dict[str, Any] | None = None, *, rng: np.random.Generator
) -> Training:
    """Select the records of a training set with the filters, which may repeat a record.

    detectors: the fitted detectors of all filters, keyed by their position in order, in four digits.
    """
    asked = [detector for part in choice.filters for detector in part.detectors]
    fitted = {detector: (detectors or {})[f"{place:04d}"] for place, detector in enumerate(asked)}
    parts = training.pool.parts
    authors, models = (
        np.concatenate([np.full(len(part), getattr(part.origin, name) or "") for part in parts]) for name in ("author", "model")
    )
    candidates = RecordCandidates(training.records, people=human.training.records, author=authors, model=models, detectors=fitted)
    return Training(training.pool.take(chosen(judged(choice.filters, candidates, rng).times)))


@recipe
class OwnPrompts:
    """The experiment's own prompts, which a model continues for people to read."""

    draw: Annotated[Draw, exactly(Draw, "draw")]
    """How one record is written."""
    prompts: Annotated[tuple[str, ...], FROM_LIST]


@verb(OF_RECORDS, 7, load=lambda folder, digest, asked, model, human: load_records(folder))
def answer(asked: OwnPrompts, model: Any, human: Human, *, rng: np.random.Generator) -> Any:
    """Let the model continue each prompt with one record. The column `_prompt` holds the number of the prompt."""
    answers = []
    for number, text in enumerate(asked.prompts):
        (tokens,) = human.vocabulary.encode([text])
        prompt = blocks(tokens[None], [text], np.array([len(text.encode())]), prompt=np.array([number]))
        answers.append(model.sample(replace(asked.draw, prompts="newest"), prompt, rng))
    return type(answers[0]).concat(answers)


@verb(OF_RECORDS, 6)
def measure(part: Measure, evidence: dict[str, Any], *, rng: np.random.Generator) -> tuple[Reading, ...]:
    """Read one measure. A reading that cannot be computed is a note that says why.

    A measure of tables gives the same readings as an audit of the same records. It uses the random numbers of that audit and not `rng`.
    """
    try:
        every = tuple(part.of_run(Evidence(**evidence), rng))
        check_readings(part, every)
        return tuple(
            replace(reading, change=None) for reading in every if isinstance(reading, Reading)
        )  # a run does not report which share of the records would have to change
    except NotApplicable as why:
        return tuple(unread(name, str(why)) for name in part.pages)


def named(human: Made[Human]) -> Human:
    return human.value.named(human.digest)


def unspent(human: Made[Human], spent: int) -> Made[Human]:
    """The human data with named parts, without the fresh records that earlier generations have used."""
    return Made(f"{human.digest} without {spent}", human.size, lambda: replace(named(human), spent=spent))


def left(human: Made[Human], spent: int) -> int | None:
    """The number of fresh human records that are left; None if the supply is unlimited."""
    unspent = human.value.unspent
    return None if unspent is None else unspent - spent


def _detectors(
    do: Steps, experiment: Experiment, human: Made[Human], draw: Draw, model: Made[Any], prompts: Pool | None
) -> dict[str, Made[ReadyDetector]]:
    """The fitted detectors of the filters of the training set.

    A detector without samples is fitted to text that the model of generation 0 writes for it. No model learns from that text.
    """
    fitted: dict[str, Made[ReadyDetector]] = {}
    for place, asked in enumerate(
        asked for selected_filter in experiment.choosing("training") for asked in selected_filter.detectors
    ):
        name = f"{place:04d}"
        if isinstance(asked, SampledDetector):
            fitted[name] = do(fit_detector, fit_of(asked), samples_of(asked), part=f"detector {name}")
        else:
            written_text = generated(do, experiment.learner, draw, model, prompts, "for a detector")
            fitted[name] = do(fit_detector, fit_of(asked), human, written_text, part=f"detector {name}")
    return fitted


def _resampled(
    do: Steps,
    experiment: Experiment,
    training: Made[Training],
    human: Made[Human],
    detectors: dict[str, Made[ReadyDetector]],
) -> Made[Training]:
    """The training set after the filters of training sets. Generation 0 learns from the original human records without these filters."""
    filters = experiment.choosing("training")
    if not filters or not do.generation:
        return training
    return do(resample, choice_of(filters, training.size), training, human, *([detectors] if detectors else []))


def _selected(
    do: Steps, experiment: Experiment, drawn: Part, human: Made[Human], prompts: Pool | None, g: int
) -> tuple[Part, Made[Selected] | None]:
    """The kept records, and the step that selected them. Without filters, all drawn records are kept and there is no step."""
    filters = experiment.choosing("drawn")
    if not filters:
        return drawn, None
    selection = do(select, choice_of(filters, experiment.records(g)), drawn.source, human, prompts)
    kept = Made(selection.digest, selection.size, lambda: selection.value.records, selection.key)
    return replace(drawn, source=kept, size=selection.size), selection


def rejected(drawn: Part, selection: Made[Selected]) -> Made[Rejected]:
    return Made(f"{selection.digest}/rejected", 0, lambda: Rejected.of(drawn.records, selection.value.judged))


def start_of(do: Steps, task: Task, before: Made[Any], model: Made[Any], human: Made[Human]) -> Made[Any]:
    """The model that a generation's training starts from.

    `before` is the model that the previous generation's training started from, and `model` is its result.
    """
    if task.learner.continues:
        return model
    follows = "base" if task.training is None else task.training.start.follows
    if follows == "best" and do.generation > 1:
        return do(choose, task, before, model, human)
    return before if follows == "base" else model


def _writers(experiment: Experiment, teachers: tuple[Made[Any], ...], plan: Plan) -> tuple[dict[str, Made[Any]], ...]:
    """The models that write the records of a plan anew, by their digests. Empty if a fit reads records as they were drawn."""
    writing = _last(teachers, plan.reach)
    return ({model.digest: model for model in writing},) if experiment.is_online and writing else ()


def _last(models: tuple[Made[Any], ...], generations: int | None) -> tuple[Made[Any], ...]:
    """The models of the last `generations` generations; all models if `generations` is None."""
    return models if generations is None else models[max(0, len(models) - generations) :]


def _prompts(draw: Draw, pool: Pool, records: int) -> Pool | None:
    """The records that the model continues: the original human records or those of the last generation. None if it has no prompts.

    If the model writes several candidates for each record, there are at most as many prompts as records, since candidates for one prompt compete.
    """
    if draw.prompts == "none":
        return None
    prompts = pool.human if draw.prompts == "human" else pool.newest
    return prompts.take(np.arange(records)) if records < min(draw.records, len(prompts)) else prompts


def written(records: Made[Any], model: Made[Any], draw: Draw, g: int) -> Part:
    """The drawn records, stamped with the model that wrote them."""
    decoding = json.dumps(plain(draw), sort_keys=True)
    return Part(Origin("model", model.digest, g, decoding), records, records.size)


def _sources(pool: Pool, human: Made[Human]) -> dict[str, Made[Any]]:
    return human.value.sources | {leaf.source.digest: leaf.source for part in pool.parts for leaf in part.leaves}
