"""The model card, which says what a model was trained on."""

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
    """The number and weight of the records of a training set that one author wrote."""

    origin: Origin
    records: float
    weight: float
    """Fraction of the weight of all records, in [0, 1]. Without weights, every record counts as 1."""

    @property
    def author(self) -> str:
        """The author in words."""
        is_of_a_generation = self.origin.author == "model" and self.origin.generation is not None
        return f"model of generation {self.origin.generation}" if is_of_a_generation else self.origin.author


def authored(training: Training) -> tuple[Authored, ...]:
    """The authors of a training set: people first, then models by generation."""
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
        "**This is a research artefact of a model-collapse experiment and not a model for use.** In such an experiment, models learn from texts that "
        "models wrote, in order to show what is lost. The model was made with Outcross. Nobody has checked its texts for truth or for harm."
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
    yield "- Licence: not known to Outcross. The terms of the human data, and of any weights that training started from, also apply to this model."
    yield from ("", "## Settings", "", "The experiment, with all defaults:", "")
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
USE_NOTE = """`generate` is greedy by default. With `do_sample=True` it samples from the full distribution of the model, without temperature, top-k or
top-p. The key `draw` above says how the records of the experiment were decoded."""


def _generation(generation: int, generations: int) -> str:
    if generation == 0:
        return f"It is generation 0 of {generations}: it learned only from human text."
    return (
        f"It is generation {generation} of {generations}, counted from 0. Generation 0 learned only from human text. Each later generation learned from the "
        "human text and the records of earlier generations that its policy takes:"
    )


def _authors(parts: tuple[Authored, ...]) -> str:
    """The authors of records in words, with their numbers and shares."""
    total = sum(part.records for part in parts)
    is_weighted = any(abs(part.weight - part.records / total) > 1e-9 for part in parts)
    return "; ".join(
        f"{part.author} {part.records:,.0f} ({part.records / total:.1%}{f', {part.weight:.1%} of the weight' if is_weighted else ''})"
        for part in parts
    )


def _human(chosen: Chosen, human: Human) -> Iterator[str]:
    """The source of the human data, their digests and their sizes."""
    source = plain(chosen.experiment.human)
    yield f"Source: {coded(', '.join(f'{key}: {value}' for key, value in source.items() if value is not None))}"
    if digest := human.note.get("sha256"):
        yield f"SHA-256 of the documents as read: `{digest}`"
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
