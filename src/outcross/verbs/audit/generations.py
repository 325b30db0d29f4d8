"""The generations of a run as sets to audit: what each wrote, and the human records that the run began with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outcross.data.records import Blocks, Vectors, load_records
from outcross.errors import BadInput
from outcross.files.names import kind_at
from outcross.ledger import Ledger
from outcross.recipe import nearest
from outcross.text.words import inner
from outcross.verbs.run.tables import Recorded, recorded


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
    return kind_at(path) == "folder" and (Path(path) / "ledger.jsonl").is_file()


def lines(folder: Path, arm: str | None = None) -> list[Line]:
    """The arms of a run, each with its first seed, or one of them. BadInput where the run kept no records, or there is no such arm."""
    run = recorded(folder)
    arms = sorted({ended["arm"] for ended in run.ended})
    if not arms:
        raise BadInput(f"{folder} kept no records to audit; run it to its end with store: all")
    if arm is not None and arm not in arms:
        raise BadInput(f"{folder} has no arm {arm!r}{nearest(arm, arms)}; it has {', '.join(arms)[:200]}")
    if run.arms[0].experiment.store != "all":
        raise BadInput(f"{folder} kept no records to audit; run it to its end with store: all")
    return [_line(run, name) for name in arms if arm in (None, name)]


def _line(run: Recorded, arm: str) -> Line:
    ended = [one for one in run.ended if one["arm"] == arm]
    seeds = sorted({one["seed"] for one in ended})
    keys = {f"g{one['generation']}": one["steps"]["drawn"] for one in ended if one["seed"] == seeds[0]}
    human = _place(run.ledger, _human(run.ledger, next(iter(keys.values())), arm))
    holdout = human / "holdout"
    return Line(
        arm,
        {generation: _frame(_place(run.ledger, key)) for generation, key in keys.items()},
        _frame(human / "training"),
        _frame(holdout) if holdout.is_dir() else None,
        f"of {len(seeds)} seeds the first is audited, seed-{seeds[0]}" if len(seeds) > 1 else "",
    )


def _human(ledger: Ledger, drawn: str, arm: str) -> str:
    """The step that gathered the human records of these."""
    inputs = ledger.entries.get(drawn, {}).get("inputs", [])
    for key, entry in ledger.entries.items():
        if entry["verb"] == "gather" and entry["output"] in inputs:
            return key
    raise BadInput(f"{ledger.path} does not say which human records {arm} began with; run the experiment again")


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
