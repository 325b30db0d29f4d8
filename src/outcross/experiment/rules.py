"""The rules of an experiment: whether its parts fit together, checked before any work begins. Every error names the value, the rule and the way out."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from outcross import own_parts, own_source
from outcross.errors import BadInput
from outcross.experiment.bounds import check_bounds
from outcross.experiment.rows import Growth
from outcross.experiment.teachers import check_known
from outcross.filters import Filter, check_needs
from outcross.filters.route import RouteFilter
from outcross.measures import MEASURES, Measure, measure
from outcross.models.schedule import Pretrained, Schedule
from outcross.recipe import kind, plain
from outcross.wording import amount

if TYPE_CHECKING:
    from outcross.experiment import Experiment

MOST_RECORDS = 10**10
"""Maximum number of records of one generation in all chains together: 80 GB if each is a single number."""


def check_parts(experiment: Experiment) -> None:
    """Check an experiment with one learner."""
    _check_names(experiment)
    if experiment.unimported:
        return
    _check_metrics(experiment)
    _check_prefix(experiment)
    _check_draw(experiment)
    _check_learner(experiment)
    _check_selection(experiment)
    _check_sizes(experiment)
    _check_plans(experiment)


def schedule_of(experiment: Experiment) -> Schedule | None:
    """The completed schedule of a learner that is trained in steps, None for any other learner. Refuse a schedule for any other learner.

    If the command line changes the learner, a schedule in the experiment file is refused and not dropped. So the settings that are written are
    always those that run, whether they come from the command line, a file, the arms of a sweep or Python. The error names the word to add.
    """
    if experiment.learner.trains:
        training = experiment.learner.schedule(experiment.training or Schedule())
        if training.loss_after >= experiment.block:
            raise ValueError(
                f"training.loss_after must be less than a block of {experiment.block} tokens, got {training.loss_after}"
            )
        return training
    if experiment.training is not None:
        raise ValueError(
            f"training has no meaning for {kind(experiment.learner)}, which is not trained in steps; "
            "add training=null to the command, or take training out of the experiment file"
        )
    return None


def _check_names(experiment: Experiment) -> None:
    """Refuse a user's measure that gives a reading the name of another reading."""
    for metric in experiment.metrics:
        if own_parts.is_own(type(metric)):
            for name in metric.pages:
                other_name = next((kind(other) for other in experiment.metrics if other is not metric and name in other.pages), "")
                other_name = other_name or next(
                    (other for other in MEASURES if name in measure(other).pages and measure(other) is not type(metric)), ""
                )
                if other_name:
                    raise ValueError(
                        f"the metric {own_source.place_of(type(metric))} calls a reading {name}, as {other_name} does; rename it"
                    )


def _check_metrics(experiment: Experiment) -> None:
    """Refuse metrics that read other kinds of records, or that are named twice, and bounds on readings that are not measured."""
    for metric in experiment.metrics:
        if "table" in metric.needs:
            _check_table(experiment, metric)
        elif not set(metric.needs) & {*experiment.learner.learns, "groups", "blobs", "pairs", "selection"}:
            raise ValueError(
                f"the metric {kind(metric)} reads {' or '.join(metric.needs)}, but {kind(experiment.learner)} learns {experiment.learner.learns[0]}; "
                f"leave it out{_instead(experiment, metric.aspect)}"
            )
    if len({kind(metric) for metric in experiment.metrics}) < len(experiment.metrics):
        raise ValueError("metrics names one metric twice; leave one out")
    if experiment.stop_when:
        check_bounds(experiment.stop_when, {name: page for metric in experiment.measured for name, page in metric.pages.items()})


def _check_table(experiment: Experiment, metric: Measure) -> None:
    """Refuse a metric that reads records as a table if there are several chains or no single records."""
    if experiment.chains > 1:
        raise ValueError(
            f"the metric {kind(metric)} reads the records of one chain as a table, but chains is {experiment.chains}; "
            f"write chains: 1{_instead(experiment, metric.aspect)}"
        )
    if experiment.human.records == "moments":
        raise ValueError(
            f"the metric {kind(metric)} reads single records, but human.records is moments; write human.records: points"
        )


def _instead(experiment: Experiment, aspect: str) -> str:
    """The measures of an aspect that fit the learner, as the way out of an error."""
    known = {name: measure(name) for name in MEASURES}
    instead = [
        name for name, metric in known.items() if metric.aspect == aspect and set(experiment.learner.learns) & set(metric.needs)
    ]
    return f", or write {', '.join(instead)}" if instead else ""


def _check_prefix(experiment: Experiment) -> None:
    """Refuse a prefix if there are no text prompts, or if it leaves no tokens to write."""
    prefix = experiment.draw.prefix
    if prefix and (experiment.draw.prompts == "none" or "text" not in experiment.learner.learns):
        raise ValueError(f"draw.prefix is the length of a text prompt, but there are no text prompts, got {prefix}; leave it out")
    if prefix >= experiment.block:
        raise ValueError(f"draw.prefix must be shorter than a block of {experiment.block} tokens, got {prefix}")
    if prefix and getattr(experiment.policy, "align", False):
        raise ValueError(
            "policy.align replaces a record by the human continuation of its prompt, but draw.prefix keeps the prompt in the record; choose one"
        )


def _check_draw(experiment: Experiment) -> None:
    """Refuse a way of sampling that the learner does not support, or that writes the same text again and again."""
    if experiment.draw.temperature == 0 and experiment.draw.prompts == "none" and "text" in experiment.learner.learns:
        raise ValueError(
            "draw.temperature 0 writes the same text again and again if there are no prompts; write draw.prompts: human"
        )
    if experiment.prompts and "text" not in experiment.learner.learns:
        raise ValueError(f"prompts are texts, but {kind(experiment.learner)} learns {experiment.learner.learns[0]}; leave them out")
    if experiment.draw.looks_back and not experiment.learner.searches:
        raise ValueError(
            f"draw.beams and draw.repetition_penalty apply to language models that are trained, and {kind(experiment.learner)} is not one; "
            "write draw.beams: 1 and draw.repetition_penalty: 1"
        )
    if experiment.draw.watermark is not None and not experiment.learner.marks:
        raise ValueError(
            f"draw.watermark works with the language models ngram and transformer, but not with {kind(experiment.learner)}; leave it out"
        )


def _check_learner(experiment: Experiment) -> None:
    """Refuse what the learner cannot do: a draw, a store without records, or rows that follow steps that it does not have."""
    experiment.learner.check(experiment.draw)
    if experiment.learner.is_remote and experiment.store == "readings":
        raise ValueError(
            f"store: readings keeps none of the records that {kind(experiment.learner)} writes, and they cannot be written again; write store: all"
        )
    if (
        experiment.rows == "online"
        and not experiment.is_online
        and (experiment.training is None or not experiment.training.is_matched)
    ):
        raise ValueError(
            "rows: online draws the records that the training steps read, but there are no steps; write training.steps, or a number of rows"
        )
    if experiment.draw.records:
        raise ValueError("draw.records is set by rows; leave it out")


def _check_selection(experiment: Experiment) -> None:
    """Refuse filters that cannot judge these records, and several candidates without a filter that selects among them."""
    drawn_rows = experiment.candidates * experiment.records(0)
    if experiment.candidates > 1 and experiment.selected(drawn_rows)[0] == drawn_rows:
        keeps = "select keeps them all" if experiment.select else "no filter selects among them"
        raise ValueError(
            f"with draw.candidates {experiment.candidates} the model writes {amount(drawn_rows, 'record')} per generation for {experiment.records(0):,}, but {keeps}; "
            f"add a filter that keeps fewer, as select: [{{kind: random, share: {1 / experiment.candidates:.3g}}}], or write draw.candidates: 1"
        )
    if not experiment.selecting:
        return
    if experiment.human.records == "moments":
        raise ValueError("select judges single records, but human.records is moments; write human.records: points")
    if experiment.is_online:
        raise ValueError(
            "select chooses among records that are drawn once, but with rows: online a model writes new records for every batch; write a number of rows"
        )
    for selected_filter in experiment.selecting:
        _check_filter(experiment, selected_filter)
    if experiment.selected(drawn_rows)[1] == 0:
        raise ValueError(f"select keeps none of the {drawn_rows:,} records of a generation; raise its share, or the rows")


def _check_filter(experiment: Experiment, selected_filter: Filter) -> None:
    """Refuse a filter that cannot judge the records that the learner learns."""
    learns = experiment.learner.learns
    if "cells" in learns:
        if not selected_filter.selects_counts:
            raise ValueError(
                f"select {kind(selected_filter)} judges single records, but cells have only counts; choose star, reweigh, equalise or oversample"
            )
        return
    if not {"vectors", "text", "labelled", "answers"} & set(learns):
        raise ValueError(f"select judges single records, but {kind(experiment.learner)} learns {learns[0]}; choose another learner")
    if own_parts.is_own(type(selected_filter)):
        check_needs(selected_filter.needs, own_source.place_of(type(selected_filter)))
    for need, learned_kind in (("points", "vectors"), ("texts", "text")):
        if need in selected_filter.needs and learned_kind not in learns and not (need == "points" and "labelled" in learns):
            raise ValueError(
                f"select {kind(selected_filter)} judges by {need}, but {kind(experiment.learner)} learns {learns[0]}; choose another filter"
            )
    if experiment.chains > 1 and selected_filter.chooses == "training":
        raise ValueError(
            f"select {kind(selected_filter)} chooses among the training set of one chain, but chains is {experiment.chains}; write chains: 1 and sweep: {{seed: [0, 1, 2]}}"
        )


def _check_sizes(experiment: Experiment) -> None:
    """Refuse, before the work begins, numbers that are too large for any machine."""
    for key, value in _numbers(plain(experiment)):
        if isinstance(value, int) and value > MOST_RECORDS and key != "seed":
            raise ValueError(f"{key} must be at most {MOST_RECORDS:,}, got {value}")
        if isinstance(value, float) and value and not 1e-50 <= abs(value) <= 1e50:
            raise ValueError(f"{key} must be 0 or between 1e-50 and 1e50 in size, got {value}; change the unit")
    growth = experiment.rows.grow if isinstance(experiment.rows, Growth) else 1.0
    largest = (
        math.log10(
            max(
                experiment.human.rows, experiment.candidates * (1 if isinstance(experiment.rows, Growth) else experiment.records(0))
            )
        )
        + max(0.0, experiment.generations * math.log10(growth))
        + math.log10(experiment.chains)
    )
    if largest > math.log10(MOST_RECORDS):
        raise ValueError(
            f"rows, grown over {amount(experiment.generations, 'generation')} in {experiment.chains} chains, come to 10^{largest:.0f} records, "
            f"and the maximum is {MOST_RECORDS:,}; lower rows, generations or chains"
        )


def _numbers(data: Any, key: str = "") -> Iterator[tuple[str, int | float]]:
    """Every number of plain data with its dotted key."""
    if isinstance(data, dict | list):
        for name, value in data.items() if isinstance(data, dict) else enumerate(data):
            yield from _numbers(value, f"{key}.{name}" if key else str(name))
    elif isinstance(data, int | float):
        yield key, data


def _check_plans(experiment: Experiment) -> None:
    """Refuse, before the work begins, a policy that requests more records than there will be."""
    policy = kind(experiment.policy)
    for inventory, plan in experiment.plans():
        plan.check(inventory, policy)
        if experiment.human.records == "moments" and not plan.is_whole:
            raise ValueError(
                f"policy {policy} takes or weighs single records, but human.records is moments; write human.records: points"
            )


def check_teachers(experiment: Experiment) -> None:
    """Check an experiment with several teachers, and the experiment of each teacher alone by all rules of an experiment."""
    _check_kinds(experiment)
    if experiment.training is not None and not any(learner.trains for learner in experiment.learners):
        raise ValueError("training has no meaning here, since no teacher is trained in steps; leave it out")
    if experiment.rows == "online":
        raise ValueError(
            "rows: online lets one model write while the next one is fitted, which several teachers cannot do; write a number of rows"
        )
    if experiment.human.records == "moments":
        raise ValueError("teachers deal out single records, but human.records is moments; write human.records: points")
    if experiment.select and (
        experiment.chains > 1 or (experiment.human.truth is not None and "counts" in experiment.learner.learns)
    ):
        raise ValueError(
            "select would keep a different number of each teacher's records in every chain; write chains: 1 and sweep: {seed: [0, 1, 2]}"
        )
    if any(selected_filter.chooses == "training" for selected_filter in experiment.select):
        raise ValueError(
            "select names a filter that chooses among the training set, but every teacher has a training set of its own; choose another filter"
        )
    _check_routing(experiment)
    for name in experiment.teachers:
        try:
            experiment.alone(name)
        except BadInput as error:
            raise BadInput(f"teachers.{name}: {error}") from None
    experiment.dealt_rows(0)


def _check_kinds(experiment: Experiment) -> None:
    """Refuse teachers that learn records of different kinds, or that cut text in different ways."""
    (first, teacher), *others = experiment.teachers.items()
    assert teacher.learner is not None
    for name, other in others:
        assert other.learner is not None
        if not set(teacher.learner.learns) & set(other.learner.learns):
            raise ValueError(
                f"teachers.{name} learns {' or '.join(other.learner.learns)}, but {first} learns {' or '.join(teacher.learner.learns)}; teachers learn from "
                "each other, so all must learn one kind of records; choose another learner"
            )
        if teacher.learner.form(experiment.block) != other.learner.form(experiment.block):
            raise ValueError(
                f"teachers.{name} ({kind(other.learner)}) cuts text into other tokens than {first} ({kind(teacher.learner)}), and they read what each other wrote; "
                "give their learners one vocabulary"
            )
        if teacher.learner.content() != other.learner.content():
            raise ValueError(
                f"teachers.{name} reads other files than {first}, so their tokens may differ; give their learners one model folder"
            )
    for name, other in experiment.teachers.items():
        if isinstance(other.human, tuple) and other.learner is not None and other.learner.trains and _has_base(experiment):
            raise ValueError(
                f"teachers.{name} is a specialist of groups, but its base would be trained on all human text; write training.start: scratch"
            )


def _has_base(experiment: Experiment) -> bool:
    return isinstance((experiment.training or Schedule()).start, Pretrained)


def _check_routing(experiment: Experiment) -> None:
    """Refuse a router that names an unknown teacher, or whose teachers do not answer the same prompts."""
    for selected_filter in experiment.select:
        if isinstance(selected_filter, RouteFilter):
            check_known(selected_filter.table, experiment.teachers, "select route.table")
            if experiment.draw.prompts == "newest":
                raise ValueError(
                    "select route compares answers to one prompt, but with draw.prompts: newest every teacher continues other records; write draw.prompts: human"
                )
