"""The function `card`, which writes the files that describe a folder of rows."""

from __future__ import annotations

from pathlib import Path

from outcross.errors import BadInput
from outcross.escapes import escaped
from outcross.files.names import kind_at
from outcross.ledger.results import write_beside
from outcross.verbs.asking import asks
from outcross.verbs.audit.generations import is_run
from outcross.verbs.card.croissant import croissant
from outcross.verbs.card.description import DataDescription
from outcross.verbs.card.question import CardQuestion
from outcross.verbs.card.readme import readme
from outcross.verbs.card.result import Card
from outcross.verbs.card.training_content import as_json, as_markdown
from outcross.verbs.mix.finished.composition import composed
from outcross.verbs.mix.mixing import TWIN
from outcross.verbs.mix.result import is_stored

KIND = "card"
LONGEST = 200
"""Maximum length of a name or a licence, in characters."""


def carded(question: CardQuestion) -> Card:
    """Write the card of a mix, or of data whose rows name their origin.

    Raises BadInput if the folder contains neither, if a mix is damaged, or if a file that `card` did not write would be replaced.
    """
    folder = Path(question.data)
    out = folder if question.out is None else Path(question.out)
    if question.out is None and kind_at(folder) == "file":
        raise BadInput(f"{folder} is a file; give the folder that holds the data, or name a folder with --out")
    if kind_at(out) == "file":
        raise BadInput(f"--out {out} is a file; name a folder")
    for option, value in (("name", question.name), ("license", question.license)):
        if len(value) > LONGEST or not value.isprintable():
            raise BadInput(f"--{option} must be at most {LONGEST} characters that can be printed, got {value!r:.80}")
    if is_run(folder):
        raise BadInput(
            f"{folder} holds a run, and card describes data; outcross export {folder} --to transformers writes a model of the run with its card"
        )
    if question.out is None and folder.name == TWIN and is_stored(folder.resolve().parent):
        raise BadInput(f"{folder} is part of a mix, whose card also describes it; write a separate card elsewhere with --out")
    groups = question.groups.split(",") if isinstance(question.groups, str) else question.groups
    composition = composed(folder, [name for name in groups if name])
    described = DataDescription(composition, question.name or escaped(folder.resolve().name), question.license)
    if odd := next((file.path for file in described.files if not file.path.isprintable()), None):
        raise BadInput(f"{odd!r} has characters that cannot be printed, but a card names every file; rename it")
    files = {
        "README.md": readme(described),
        "croissant.json": croissant(described),
        "training-content.md": as_markdown(described),
        "training-content.json": as_json(described),
    }
    write_beside(out, KIND, files)
    return Card(out, tuple(files), described)


card = asks(CardQuestion, carded)
