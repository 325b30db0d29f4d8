"""The function `export`: from a question to a folder that another tool reads."""

from __future__ import annotations

from pathlib import Path

from outcross.ledger import results
from outcross.recipe import read
from outcross.targets import TARGETS
from outcross.verbs.asking import asks
from outcross.verbs.export.chosen import chosen
from outcross.verbs.export.question import ExportQuestion
from outcross.verbs.export.result import Export
from outcross.verbs.run.answer import open as open_run


def exported(question: ExportQuestion) -> Export:
    """Write a model of a run for another tool. BadInput where the run has no such model, where the tool cannot read it, or where the
    folder holds something else.

    `to` is the tool: `transformers` loads the folder with `AutoModelForCausalLM.from_pretrained(out)` and
    `AutoTokenizer.from_pretrained(out)`, and gets the logits that the model has here.
    """
    target = read(TARGETS, str(question.to), "--to")
    folder, out = Path(question.run), Path(question.out)
    run = open_run(folder)
    one = chosen(run, question)
    results.check_folder(out, "export", [folder])
    files = target.files(one)
    results.write_folder(out, "export", files, [folder])
    ended = one.ended
    return Export(
        out, question.to, folder, ended.arm, ended.seed, ended.generation, one.model.output, tuple(sorted(files)), one.note
    )


export = asks(ExportQuestion, exported)
