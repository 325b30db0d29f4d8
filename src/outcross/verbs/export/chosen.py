"""The selection of one model of a run for an export."""

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
    """The experiment of the model's arm and seed."""
    ended: GenerationEntry
    """The generation of the model."""
    note: str = ""
    """The choices that were made for options that the question leaves out; empty if there were none."""

    @property
    def model(self) -> StepEntry:
        """The step that trained it."""
        return self.run.ledger.entries[self.ended.steps["model"]]

    @property
    def folder(self) -> Path:
        """The folder in which this step keeps the model. Raises BadInput if the run has lost it."""
        return self.run.kept(self.ended.steps["model"])

    @property
    def card(self) -> str:
        """The model card in Markdown, which says what the model was trained on."""
        from outcross.verbs.export.card import card

        return card(self)

    @property
    def trainings(self) -> tuple[tuple[int, Training], ...]:
        """The training sets of the model's generation and of all earlier ones, generation 0 first."""
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
    """The model that a question names. Raises BadInput if the run has no such model, or keeps no models."""
    experiments = {(arm.name, arm.experiment.seed): arm.experiment for arm in run.arms}
    names = list(dict.fromkeys(arm.name for arm in run.arms))
    name = question.arm
    if name is None and len(names) > 1:
        raise BadInput(f"{run.folder} has {amount(len(names), 'arm')}; name one with --arm: {', '.join(names)[:300]}")
    name = names[0] if name is None else name
    if name not in names:
        raise BadInput(f"{run.folder} has no arm {name!r:.80}{nearest(name, names)}; it has {', '.join(names)[:300]}")
    if next(arm for arm in run.arms if arm.name == name).experiment.store != "all":
        raise BadInput(f"{run.folder} keeps only readings and no models; run the experiment with store=all into another folder")
    ended = [
        generation_step
        for generation_step in run.tables.ended
        if generation_step.arm == name and question.seed in (None, generation_step.seed)
    ]
    if not ended:
        seed = "" if question.seed is None else f" with seed {question.seed}"
        raise BadInput(f"no generation of {name}{seed} is finished in {run.folder}; {_there(run, name)}")
    seed = ended[0].seed
    of_seed = {generation_step.generation: generation_step for generation_step in ended if generation_step.seed == seed}
    newest = max(of_seed)
    wanted = newest if question.generation is None else question.generation
    if wanted not in of_seed:
        raise BadInput(
            f"generation {wanted} of {name} with seed {seed} is not finished in {run.folder}; generations 0 to {newest} are"
        )
    experiment = experiments[name, seed]
    if experiment.teachers:
        raise BadInput(
            f"arm {name} has {amount(len(experiment.teachers), 'teacher')}, but an export needs a single model; choose an arm without teachers, "
            "or run one teacher alone"
        )
    notes = []
    if question.seed is None and len({generation_step.seed for generation_step in ended}) > 1:
        notes.append(f"seed {seed} was exported, the first of {len({generation_step.seed for generation_step in ended})} seeds")
    if question.generation is None and newest + 1 < experiment.generations:
        notes.append(
            f"the run is not finished: generation {newest} was exported, the newest finished one of {experiment.generations}"
        )
    return Chosen(run, experiment, of_seed[wanted], "; ".join(notes))


def _there(run: Run, arm: str) -> str:
    """The way out of an error: the seeds that exist, or how to resume the run."""
    seeds = sorted({generation_step.seed for generation_step in run.tables.ended if generation_step.arm == arm})
    return f"its seeds are {', '.join(map(str, seeds))[:200]}" if seeds else "run the experiment again to resume it"
