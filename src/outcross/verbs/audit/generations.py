"""The generations of a run as sets to audit: the records of each generation, and the human records of generation 0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outcross.data.labelled import LabelledPoints
from outcross.data.records import Blocks, Vectors, load_records
from outcross.errors import BadInput
from outcross.files.names import kind_at
from outcross.ledger import External, Ledger
from outcross.ledger.entries import StepEntry
from outcross.recipe import nearest
from outcross.text.words import inner

if TYPE_CHECKING:
    from outcross.verbs.run.result import Run


@dataclass(frozen=True, eq=False)
class Line:
    """One arm of a run with one seed."""

    name: str
    sets: Mapping[str, External[Any]]
    """The records of each generation that its filters kept, g0 first."""
    reference: External[Any]
    """The human records that generation 0 was trained on."""
    holdout: External[Any] | None
    """Human records that no generation was trained on. None if the run has none."""
    is_text: bool
    steps: tuple[StepEntry, ...]
    """The steps of the run from which these records come, back to the human files."""
    note: str = ""
    """Which seed is audited, if the arm has several."""


def is_run(path: str | Path) -> bool:
    """Whether a path is the folder of a run."""
    return kind_at(path) == "folder" and (Path(path) / "ledger.jsonl").is_file()


def lines(folder: Path, arm: str | None = None) -> list[Line]:
    """Return the arms of a run, or one of them, each with its first seed. Raises BadInput if the run kept no records, or if there is no such arm."""
    from outcross.verbs.run.result import opened  # an audit of other data needs no run

    run = opened(folder)
    arms = sorted({ended.arm for ended in run.tables.ended})
    if not arms:
        raise BadInput(f"{folder} kept no records to audit; run it to its end with store: all")
    if arm is not None and arm not in arms:
        raise BadInput(f"{folder} has no arm {arm!r}{nearest(arm, arms)}; it has {', '.join(arms)[:200]}")
    if run.arms[0].experiment.store != "all":
        raise BadInput(f"{folder} kept no records to audit; run it to its end with store: all")
    return [_line(run, name) for name in arms if arm in (None, name)]


def _line(run: Run, arm: str) -> Line:
    ended = [generation_step for generation_step in run.tables.ended if generation_step.arm == arm]
    seeds = sorted({generation_step.seed for generation_step in ended})
    keys = {
        f"g{generation_step.generation}": generation_step.steps.get("kept", generation_step.steps["drawn"])
        for generation_step in ended
        if generation_step.seed == seeds[0]
    }
    human = _step(run.ledger, _human(run.ledger, next(iter(keys.values())), arm))
    parts = {name.partition("/")[0] for name in human.files}
    ancestors = {ancestor.key: None for key in keys.values() for ancestor in run.ledger.lineage(key)}
    return Line(
        arm,
        {generation: _records(run.ledger, _step(run.ledger, key)) for generation, key in keys.items()},
        _records(run.ledger, human, "training"),
        _records(run.ledger, human, "holdout") if "holdout" in parts else None,
        is_text="training/text.parquet" in human.files,
        steps=tuple(run.ledger.entries[key] for key in ancestors),
        note=f"only the first of {len(seeds)} seeds is audited, seed-{seeds[0]}" if len(seeds) > 1 else "",
    )


def _human(ledger: Ledger, drawn: str, arm: str) -> str:
    """Return the key of the step that read the human records of drawn records."""
    ancestors = ledger.lineage(drawn) if drawn in ledger.entries else ()
    for ancestor in ancestors:
        if ancestor.verb == "gather":
            return ancestor.key
    raise BadInput(f"{ledger.path} does not say which human records {arm} began with; run the experiment again")


def _step(ledger: Ledger, key: str) -> StepEntry:
    """Return a finished step after checking that its files are unchanged. Raises BadInput otherwise."""
    entry = ledger.whole(key)
    if entry is None or not entry.files:
        raise BadInput(f"{ledger.folder} has lost step {key[:12]}; run the experiment again, finished steps are kept")
    return entry


def _records(ledger: Ledger, step: StepEntry, part: str = "") -> External[Any]:
    """Return the records of a step, or one part of them, in the form that an audit reads."""
    assert ledger.folder is not None
    place = ledger.folder / "steps" / step.key / part
    return External(f"{step.output}/{part}" if part else step.output, lambda: _frame(place), [step.output], {})


def _frame(place: Path) -> Any:
    """Load records in the form that an audit reads. Blocks of text lose their first and last piece, because blocks are cut at tokens and these may be incomplete.

    Each block is a record, because blocks and not documents were assigned at random to the human sets, so that the blocks are exchangeable.
    """
    records = load_records(place)
    if isinstance(records, Blocks):
        return {"text": [inner(text) for text in records.texts]}
    if isinstance(records, Vectors) and records.array.ndim == 2:
        return records.array
    if isinstance(records, LabelledPoints):
        return records.frame
    raise BadInput(f"{place} holds {records.kind} of independent chains or of states, but an audit reads texts and points")
