"""The function `export`, which writes a folder that another tool reads."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from outcross.errors import BadInput
from outcross.ledger import results
from outcross.recipe import read
from outcross.targets import TARGETS
from outcross.verbs.asking import asks
from outcross.verbs.export.chosen import chosen
from outcross.verbs.export.question import ExportQuestion
from outcross.verbs.export.result import Export
from outcross.verbs.export.whole import whole
from outcross.verbs.run.answer import open as open_run

MODEL_ONLY = ("arm", "generation", "seed")
"""Fields of the question that select a model."""


def exported(question: ExportQuestion) -> Export:
    """Write a result, or a model of a run, for another tool.

    `to` is the tool. `transformers` loads the folder with `AutoModelForCausalLM.from_pretrained(out)` and
    `AutoTokenizer.from_pretrained(out)`, and computes the same logits as the model in Outcross. Trackers (`mlflow`, `tensorboard`, `wandb`, `trackio`)
    get one of their runs for every arm and seed. `csv`, `parquet` and `croissant` get tables.

    Raises BadInput if the tool does not take this result or is not installed, or if the folder `out` contains something else.
    """
    target = read(TARGETS, str(question.to), "--to")
    folder, out = Path(question.result), Path(question.out)
    if "model" in target.takes:
        return _model(target, question, folder, out)
    if given := next((name for name in MODEL_ONLY if getattr(question, name) is not None), None):
        raise BadInput(f"--{given} selects a model for transformers, but {question.to} takes a whole result; leave it out")
    handed, note = whole(folder)
    if handed.kind not in target.takes:
        instead = (
            ", for which outcross card writes a Croissant file beside its rows"
            if handed.kind == "mix" and question.to == "croissant"
            else ""
        )
        able = [name for name in TARGETS if handed.kind in read(TARGETS, name, "--to").takes]
        raise BadInput(f"{folder} holds a {handed.kind}{instead}, which {question.to} does not take; {', '.join(able)} do")
    results.check_folder(out, "export", [folder])
    with TemporaryDirectory() as place:
        files = target.files(handed, Path(place), out)
        results.write_folder(out, "export", files, [folder])
    return Export(out, question.to, folder, f"the {handed.kind} {handed.name}", tuple(sorted(files)), note)


def _model(target: Any, question: ExportQuestion, folder: Path, out: Path) -> Export:
    """Write a model of a run."""
    selected = chosen(open_run(folder), question)
    results.check_folder(out, "export", [folder])
    files = target.files(selected, out, out)
    results.write_folder(out, "export", files, [folder])
    ended = selected.ended
    what = f"generation {ended.generation} of {ended.arm}, seed {ended.seed}"
    return Export(
        out,
        question.to,
        folder,
        what,
        tuple(sorted(files)),
        selected.note,
        ended.arm,
        ended.seed,
        ended.generation,
        selected.model.output,
    )


export = asks(ExportQuestion, exported)
