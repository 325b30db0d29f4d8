"""The generations of a run as sets to audit: what each wrote, and the human records that the run began with."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outcross.data.records import Blocks, Vectors, load_records
from outcross.errors import BadInput
from outcross.ledger import Ledger
from outcross.recipe import nearest
from outcross.text.words import inner


@dataclass(frozen=True, eq=False)
class Line:
    """One arm of a run with one seed."""

    name: str
    sets: Mapping[str, Any]
    """What each generation wrote, g0 first."""
    reference: Any
    """The human records that generation 0 learned from."""
    holdout: Any
    """As many human records, which no generation learned from; None where the run has none."""
    note: str = ""
    """Which seed's, where the arm has several."""


def is_run(path: str | Path) -> bool:
    """Whether a path is the folder of a run."""
    return (Path(path) / "ledger.jsonl").is_file()


def lines(folder: Path, arm: str | None = None) -> list[Line]:
    """The arms of a run, each with its first seed, or one of them. BadInput where the run kept no records, or there is no such arm."""
    arms = {path.name: path for path in sorted((folder / "arms").glob("*")) if path.is_dir()}
    if not arms:
        raise BadInput(f"{folder} kept no records to audit; run it to its end with store: all")
    if arm is not None and arm not in arms:
        raise BadInput(f"{folder} has no arm {arm!r}{nearest(arm, arms)}; it has {', '.join(arms)[:200]}")
    ledger = Ledger(folder)
    return [_line(ledger, name, path) for name, path in arms.items() if arm in (None, name)]


def _line(ledger: Ledger, name: str, arm: Path) -> Line:
    seeds = sorted(arm.glob("seed-*"), key=lambda path: (len(path.name), path.name))
    drawn = {path.parent.name: path for seed in seeds[:1] for path in sorted(seed.glob("g*/drawn"))}
    if not drawn:
        raise BadInput(f"{arm} holds no generation; run the experiment again, finished steps are kept")
    keys = {f"g{int(generation[1:])}": _key(link) for generation, link in drawn.items()}
    human = _place(ledger, _human(ledger, next(iter(keys.values())), arm))
    holdout = human / "holdout"
    return Line(
        name,
        {generation: _frame(_place(ledger, key)) for generation, key in keys.items()},
        _frame(human / "training"),
        _frame(holdout) if holdout.is_dir() else None,
        f"of {len(seeds)} seeds the first is audited, {seeds[0].name}" if len(seeds) > 1 else "",
    )


def _key(link: Path) -> str:
    """The step that a name for people leads to: its last word alone, wherever it points."""
    try:
        return Path(os.readlink(link)).name
    except OSError:
        raise BadInput(f"{link} does not lead to a step; run the experiment again, finished steps are kept") from None


def _human(ledger: Ledger, drawn: str, arm: Path) -> str:
    """The step that gathered the human records of these."""
    inputs = ledger.entries.get(drawn, {}).get("inputs", [])
    for key, entry in ledger.entries.items():
        if entry["verb"] == "gather" and entry["output"] in inputs:
            return key
    raise BadInput(f"{arm}: its ledger does not say which human records it began with; run the experiment again")


def _place(ledger: Ledger, key: str) -> Path:
    """The folder of a finished step whose files are as they were."""
    entry = ledger.whole(key)
    if entry is None or not entry["files"]:
        raise BadInput(f"{ledger.folder} has lost step {key[:12]}; run the experiment again, finished steps are kept")
    assert ledger.folder is not None
    return ledger.folder / "steps" / key


def _frame(place: Path) -> Any:
    """Records as an audit reads them. A block of text is cut at tokens: its first and its last piece, which a cut may have maimed, are dropped on all sides.

    Blocks were dealt to the human sets one by one, so that they and not their documents are what is exchangeable.
    """
    records = load_records(place)
    if isinstance(records, Blocks):
        return {"text": [inner(text) for text in records.texts]}
    if isinstance(records, Vectors) and records.array.ndim == 2:
        return records.array
    raise BadInput(f"{place} holds {records.kind} of independent chains or states, an audit reads text and points")
