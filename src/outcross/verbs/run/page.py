"""The report of one run or of several, with the definitions and papers of the parts that they used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outcross.collapse.closed_forms import answers_of, learner_of_laws, selection_of
from outcross.experiment.arms import Arm
from outcross.experiment.settings import flat_settings
from outcross.experiment.teachers import teacher_lines
from outcross.laws import LAWS
from outcross.laws.expectations import name_of
from outcross.measures import pages_of_runs
from outcross.policies.detector_weighted import DetectorWeighted
from outcross.recipe import kind
from outcross.report.curves import measured, pooled
from outcross.report.headline import chiefs, sentence
from outcross.report.page import write
from outcross.report.sections import page_of
from outcross.report.study import Chooser, Law, PolicyPage, Study, join
from outcross.verbs.parts import first_line
from outcross.verbs.run.screen import run_lines
from outcross.verbs.run.study import from_tables, read
from outcross.wording import amount

if TYPE_CHECKING:
    from outcross.verbs.run.result import Run


def write_runs(runs: Sequence[Run], path: Path, head: bytes = b"") -> Path:
    """Write the report of one run, or one report of several runs. `head` is added to the head of the page."""
    studies = [study(run) for run in runs]
    return write(studies[0] if len(studies) == 1 else join(studies), path, head)


def fragment(run: Run) -> str:
    """Return the HTML that a notebook shows of a run: its progress and the last readings of every arm."""
    lines = [f"{run.name}: {amount(len(run.arms), 'arm')}. {run.unfinished}".strip()]
    if run.tables.ended:
        lines += run_lines(run, 100)
    return f"<pre>{escape(chr(10).join(lines))}</pre>"


def short(run: Run) -> str:
    """Return one to three lines about a run: its size, its progress if it has not ended, and the first sentence of its report."""
    arms, seeds = {arm.name for arm in run.arms}, {arm.experiment.seed for arm in run.arms}
    generations = max(arm.experiment.generations for arm in run.arms)
    counts = [f"{len(members)} {word}{'s' * (len(members) != 1)}" for members, word in ((arms, "arm"), (seeds, "seed"))]
    place = "in memory" if run.folder is None else f"in {run.folder}"
    lines = [f"Run {run.name}: {', '.join(counts)}, {amount(generations, 'generation')}, {place}"]
    if run.unfinished:
        lines.append(run.unfinished)
    if run.tables.ended:
        tables_study = from_tables(run.name, run.readings, laws=run.laws, pages=pages_of_runs())
        curves = [pooled(curve) for curve in measured(tables_study)]
        lines += [
            sentence(curve, curves, page_of(tables_study, curve.measure, curves))
            for curve in chiefs(curves, tables_study.closed_forms)[:1]
        ]
    return "\n".join(lines)


def study(run: Run) -> Study:
    """Return the study of a run, with the definition and paper of every policy and measure."""
    policies = {
        arm.name: PolicyPage(first_line(type(arm.experiment.policy)), arm.experiment.policy.paper, _teachers(arm))
        for arm in run.arms
    }
    recorded = read(run, pages_of_runs(), policies, limits(run.arms))
    by_name = {arm.name: arm for arm in run.arms}
    laws = tuple(_named(law, by_name[law.arm]) for law in recorded.laws)
    thresholds = {arm.name: known.threshold for arm in by_name.values() if (known := answers_of(arm.experiment)) is not None}
    return replace(
        recorded,
        notes=(*recorded.notes, *run.said_of_stops, *run.notes),
        settings=flat_settings(run.arms),
        slopes=run.slopes,
        choosers=tuple(choosers(run.arms)),
        laws=laws,
        thresholds=thresholds,
    )


def choosers(arms: Sequence[Arm]) -> Iterator[Chooser]:
    """Yield the arms in which a detector chooses among records of undisclosed origin.

    Each comes with the two arms that differ from it only in the chooser: a random choice, and an oracle. Arms without both are left out.
    """
    flat = flat_settings(arms)
    policies = {arm.name: arm.experiment.policy for arm in arms}

    def others(arm: str, power: bool) -> str:
        own = policies[arm]
        assert isinstance(own, DetectorWeighted)
        alike = (
            name
            for name, policy in policies.items()
            if isinstance(policy, DetectorWeighted) and policy.detector == "oracle" and (policy.power > 0) == power
            if replace(policy, detector=own.detector, power=own.power) == own
            and _apart_from_policy(flat[name]) == _apart_from_policy(flat[arm])
        )
        return next(alike, "")

    for arm, policy in policies.items():
        if isinstance(policy, DetectorWeighted) and policy.detector != "oracle" and policy.power > 0:
            chooser = Chooser(arm, others(arm, power=False), others(arm, power=True))
            if chooser.random and chooser.oracle:
                yield chooser


def _apart_from_policy(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key.partition(".")[0] not in ("policy", "name", "seed")}


def _teachers(arm: Arm) -> str:
    """Return what each teacher of an arm writes and reads. Empty if the arm has a single model."""
    lines = teacher_lines(arm.experiment.teachers)
    return f"{amount(len(arm.experiment.teachers), 'teacher')}. {'; '.join(lines)}." if lines else ""


def _named(law: Law, arm: Arm) -> Law:
    """Return the value of a closed form with the name and the citation of its law."""
    name = name_of(
        kind(arm.experiment.policy),
        learner_of_laws(arm.experiment),
        law.measure,
        is_selected=bool(selection_of(arm.experiment)),
        is_exchanged=bool(arm.experiment.teachers),
    )
    return law if name is None else replace(law, name=name, citation=LAWS[name].citation)


def limits(arms: Sequence[Arm]) -> list[str]:
    """Return the limitations of a study of these arms, one sentence each."""
    experiment = arms[0].experiment
    seeds = len({arm.experiment.seed for arm in arms})
    sentences = []
    if experiment.human.is_text:
        sentences.append(
            "The study uses a small model and a small corpus. The order of the arms carries over to larger models better than the numbers do."
        )
        sentences.append(
            "Held-out loss is computed on blocks without context. Tail survival counts whole words and not their meaning."
        )
    if experiment.human.is_text and seeds == 1:
        sentences.append(
            "There is one seed, so the intervals hold for other documents but not for another training run. Add sweep: {seed: [0, 1, 2]} for that."
        )
    if "images" in experiment.learner.learns and seeds == 1:
        sentences.append(
            "There is one seed, so the intervals are over latents and pictures but not over training runs. Add sweep: {seed: [0, 1, 2]} for that."
        )
    if experiment.chains > 1:
        sentences.append(
            f"The intervals are over {experiment.chains:,} independent chains. A single chain varies much more than their mean."
        )
    sentences.append(
        "There is no single verdict. Eight definitions of collapse are shown side by side, because they disagree (Schaeffer et al., arXiv 2503.03150)."
    )
    trained = [(arm.experiment.training, arm.experiment.block) for arm in arms if arm.experiment.training is not None]
    if (
        trained
        and all(training.is_matched for training, _ in trained)
        and len({training.steps_for(1, block) for training, block in trained}) == 1
    ):
        sentences.append(
            "Every arm trains for the same number of steps. An arm with more records does not train longer, so accumulating data has no advantage in compute."
        )
    return sentences
