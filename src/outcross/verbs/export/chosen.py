"""One model of a run: the one that is to be handed out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from outcross.data import Training
from outcross.errors import BadInput
from outcross.experiment import Experiment
from outcross.ledger.entries import GenerationEntry, StepEntry
from outcross.recipe import nearest
from outcross.verbs.export.question import ExportQuestion
from outcross.verbs.run.result import Run
from outcross.wording import amount


@dataclass(frozen=True)
class Chosen:
    """One model of a run."""

    run: Run
    experiment: Experiment
    """Of its arm and seed."""
    ended: GenerationEntry
    """Its generation."""
    note: str = ""
    """What was left out of the question and had to be decided; empty where nothing was."""

    @property
    def model(self) -> StepEntry:
        """The step that trained it."""
        return self.run.ledger.entries[self.ended.steps["model"]]

    @property
    def folder(self) -> Path:
        """The folder in which that step keeps it; BadInput where the run has lost it."""
        return self.run.kept(self.ended.steps["model"])

    @property
    def card(self) -> str:
        """The model card: what it was trained on, in Markdown."""
        from outcross.verbs.export.card import card

        return card(self)

    @property
    def trainings(self) -> tuple[tuple[int, Training], ...]:
        """The training sets of its generation and of those before it, generation 0 first."""
        arm, seed = self.ended.arm, self.ended.seed
        own = (
            generation_step
            for generation_step in self.run.tables.ended
            if (generation_step.arm, generation_step.seed) == (arm, seed)
        )
        return tuple(
            (generation_step.generation, self.run.training(arm, seed, generation_step.generation))
            for generation_step in own
            if generation_step.generation <= self.ended.generation
        )


def chosen(run: Run, question: ExportQuestion) -> Chosen:
    """The model that a question names. BadInput where the run has no such model, or keeps none."""
    experiments = {(arm.name, arm.experiment.seed): arm.experiment for arm in run.arms}
    names = list(dict.fromkeys(arm.name for arm in run.arms))
    name = question.arm
    if name is None and len(names) > 1:
        raise BadInput(f"{run.folder} has {amount(len(names), 'arm')}; name one with --arm: {', '.join(names)[:300]}")
    name = names[0] if name is None else name
    if name not in names:
        raise BadInput(f"{run.folder} has no arm {name!r:.80}{nearest(name, names)}; it has {', '.join(names)[:300]}")
    if next(arm for arm in run.arms if arm.name == name).experiment.store != "all":
        raise BadInput(f"{run.folder} keeps readings and no models; run the experiment with store=all into another folder")
    ended = [
        generation_step
        for generation_step in run.tables.ended
        if generation_step.arm == name and question.seed in (None, generation_step.seed)
    ]
    if not ended:
        seed = "" if question.seed is None else f" with seed {question.seed}"
        raise BadInput(f"no generation of {name}{seed} has ended in {run.folder}; {_there(run, name)}")
    seed = ended[0].seed
    of_seed = {generation_step.generation: generation_step for generation_step in ended if generation_step.seed == seed}
    newest = max(of_seed)
    wanted = newest if question.generation is None else question.generation
    if wanted not in of_seed:
        raise BadInput(f"no generation {wanted} of {name} with seed {seed} has ended in {run.folder}; 0 to {newest} have")
    experiment = experiments[name, seed]
    if experiment.teachers:
        raise BadInput(
            f"arm {name} has {amount(len(experiment.teachers), 'teacher')}, and no single model that could be handed out; choose an arm of one model, "
            "or run a teacher by itself"
        )
    notes = []
    if question.seed is None and len({generation_step.seed for generation_step in ended}) > 1:
        notes.append(f"of {len({generation_step.seed for generation_step in ended})} seeds this is the first, {seed}")
    if question.generation is None and newest + 1 < experiment.generations:
        notes.append(
            f"the run has not ended: of {experiment.generations} generations this is the newest that has, generation {newest}"
        )
    return Chosen(run, experiment, of_seed[wanted], "; ".join(notes))


def _there(run: Run, arm: str) -> str:
    """What there is instead, or how to get it."""
    seeds = sorted({generation_step.seed for generation_step in run.tables.ended if generation_step.arm == arm})
    return f"its seeds are {', '.join(map(str, seeds))[:200]}" if seeds else "run the experiment again to go on"
