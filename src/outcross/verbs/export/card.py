"""The model card: what a model was trained on, for whoever finds it elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from outcross.data import Human, Origin, Training
from outcross.data.plans import lines
from outcross.escapes import coded, fenced
from outcross.files.plain_yaml import dump
from outcross.recipe import kind, plain
from outcross.verbs.parts import first_line

if TYPE_CHECKING:
    from outcross.verbs.export.chosen import Chosen


@dataclass(frozen=True)
class Authored:
    """How much of a training set one author wrote."""

    origin: Origin
    records: float
    weight: float
    """Fraction of the weight of all records, in [0, 1]; that of the records where none is weighted."""

    @property
    def author(self) -> str:
        """In words."""
        is_of_a_generation = self.origin.author == "model" and self.origin.generation is not None
        return f"model of generation {self.origin.generation}" if is_of_a_generation else self.origin.author


def authored(training: Training) -> tuple[Authored, ...]:
    """Who wrote a training set, people first, then models by their generation."""
    records: dict[Origin, float] = {}
    weights: dict[Origin, float] = {}
    for part in training.pool.parts:
        mean = 1.0 if part.weights is None else float(part.weights.mean())
        for origin, count in part.by_origin().items():
            records[origin] = records.get(origin, 0.0) + count
            weights[origin] = weights.get(origin, 0.0) + count * mean
    total = sum(weights.values())
    first = sorted(records, key=lambda origin: (origin.author != "human", origin.generation or 0, str(origin)))
    return tuple(Authored(origin, records[origin], weights[origin] / total) for origin in first)


def card(chosen: Chosen) -> str:
    """A model card in Markdown, with the header that Hugging Face reads."""
    experiment, ended = chosen.experiment, chosen.ended
    name = f"{experiment.name}, arm {ended.arm}, generation {ended.generation}"
    header = {
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["outcross", "model-collapse", "synthetic-data", "research-artefact"],
    }
    return "\n".join(["---", dump(header) + "---", "", f"# {name}", "", *_body(chosen), ""])


def _body(chosen: Chosen) -> Iterator[str]:
    experiment, ended = chosen.experiment, chosen.ended
    human = Human.load(chosen.run.kept(_gathered(chosen)), None, None)
    yield (
        "**This is a research artefact of a model-collapse experiment, not a model to be used.** In such an experiment models learn from what "
        "models wrote, so that one can see what is lost. It was made with Outcross, and what it writes has been checked for nothing: not for truth, "
        "not for harm."
    )
    yield from ("", "## What it was trained on", "")
    yield _generation(ended.generation, experiment.generations)
    yield from ("", "| generation | records | written by |", "|---|---|---|")
    for generation, training in chosen.trainings:
        yield f"| {generation} | {len(training):,} | {_authors(authored(training))} |"
    yield from ("", f"- Policy: `{kind(experiment.policy)}`. {first_line(type(experiment.policy))}")
    plans = [(there.generation, plan) for there, plan in experiment.plans()]
    yield from (f"- Planned: {line}" for line in lines(plans[1:] or plans))
    if experiment.training is not None:
        start = experiment.training.start
        yield f"- Training starts from: `{kind(start)}`. {first_line(type(start))}"
    yield from ("", "## Human data", "")
    yield from (f"- {line}" for line in _human(chosen, human))
    yield "- Licence: not known to Outcross. The terms of the human data, and of any weights that training began with, hold for this model too."
    yield from ("", "## Settings", "", "The experiment, every default written out:", "")
    yield fenced(dump({key: value for key, value in plain(experiment).items() if key != "kind"}, 100), "yaml")
    yield from ("", "## Use", "")
    yield fenced(USE, "python")
    yield from ("", USE_NOTE, "", "## Where it comes from", "")
    yield f"- Run: `{experiment.name}`, arm `{ended.arm}`, seed {ended.seed}, generation {ended.generation}"
    yield f"- Step `{chosen.model.key}`, whose output has the digest `{chosen.model.output}`"
    packages = chosen.run.environment.get("packages", {})
    versions = ", ".join(f"{name} {version}" for name, version in packages.items() if version)
    yield f"- Versions: Python {chosen.run.environment.get('python', 'unknown')}, {versions}"


USE = """from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained("this folder")
tokenizer = AutoTokenizer.from_pretrained("this folder")
"""
USE_NOTE = """`generate` is greedy unless it is told otherwise, and with `do_sample=True` it draws from the model's whole law: no temperature, no top-k, no
top-p. How the records of the experiment were decoded stands under `draw` above."""


def _generation(generation: int, generations: int) -> str:
    if generation == 0:
        return f"It is generation 0 of {generations}: it learned from human text alone."
    return (
        f"It is generation {generation}, counted from 0, of {generations}. Generation 0 learned from human text alone; each one after it from what its "
        "policy takes of human text and of what earlier generations wrote:"
    )


def _authors(parts: tuple[Authored, ...]) -> str:
    """Who wrote how many records, with their shares."""
    total = sum(part.records for part in parts)
    is_weighted = any(abs(part.weight - part.records / total) > 1e-9 for part in parts)
    return "; ".join(
        f"{part.author} {part.records:,.0f} ({part.records / total:.1%}{f', {part.weight:.1%} of the weight' if is_weighted else ''})"
        for part in parts
    )


def _human(chosen: Chosen, human: Human) -> Iterator[str]:
    """Where the human data come from, and what was read of them."""
    source = plain(chosen.experiment.human)
    yield f"Source: {coded(', '.join(f'{key}: {value}' for key, value in source.items() if value is not None))}"
    if digest := human.note.get("sha256"):
        yield f"SHA-256 of the documents, as they were read: `{digest}`"
    content = (chosen.run.ledger.run and chosen.run.ledger.run.human.get(chosen.ended.arm)) or ""
    if re.fullmatch("[0-9a-f]{64}", content):
        yield f"SHA-256 of the files: `{content}`"
    if documents := human.note.get("documents"):
        counts = ", ".join(f"{count:,} for {what}" for what, count in documents.items() if what != "all")
        yield f"Documents: {documents['all']:,} ({counts}); {human.note.get('bytes', 0):,} bytes"
    yield f"Records of the original human training set: {len(human.training):,}"


def _gathered(chosen: Chosen) -> str:
    """The step that gathered the human data."""
    lineage = chosen.run.ledger.lineage(chosen.model.key)
    return next(step.key for step in lineage if step.verb == "gather")
