"""The texts that the models of a run wrote, and the lineage of a text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from typing import TYPE_CHECKING, Any, overload

from outcross.data.records import Blocks, load_records
from outcross.errors import BadInput
from outcross.escapes import escaped, shortened
from outcross.ledger.lineage import Ancestor
from outcross.recipe import nearest
from outcross.verbs.run.tables import with_settings
from outcross.wording import amount

if TYPE_CHECKING:
    from outcross.ledger.entries import GenerationEntry
    from outcross.verbs.run.result import Run

TEXTS = {"id": str, "arm": str, "seed": int, "generation": int, "row": int, "prompt": str, "text": str}
ID = re.compile(r"(?P<arm>[^/]+)/seed-(?P<seed>\d+)/g(?P<generation>\d+)(?:/(?P<row>\d+))?")
LONGEST = 160
"""Maximum number of characters of a text that a terminal shows."""


def texts_frame(run: Run, arm: str | None = None, seed: int | None = None, generation: int | None = None) -> Any:
    """Return the texts of all finished generations, or of the named ones, as a polars frame with one row per text.

    The columns are id, arm, one for every setting in which the arms differ, seed, generation, row, prompt and text. Raises BadInput if the run
    keeps no texts, or has no such generation.
    """
    import polars

    rows: list[tuple[Any, ...]] = []
    humans: dict[str, list[str]] = {}
    for ended in _named(run, arm, seed, generation):
        records = _texts_of(run, ended)
        key = _human_step(run, ended.steps["drawn"])
        if key and key not in humans:
            humans[key] = list(load_records(run.kept(key) / "training").texts)
        prompts = [humans[key][row] if key and row >= 0 else "" for row in records.column("_prompt").tolist()]
        place = f"{ended.arm}/seed-{ended.seed}/g{ended.generation:02d}"
        rows += [
            (f"{place}/{row}", ended.arm, ended.seed, ended.generation, row, prompt, text)
            for row, (prompt, text) in enumerate(zip(prompts, records.texts, strict=True))
        ]
    return with_settings(polars.DataFrame(rows, schema=TEXTS, orient="row"), run.arms)


def _named(run: Run, arm: str | None, seed: int | None, generation: int | None) -> list[GenerationEntry]:
    """Return the finished generations that match. Raises BadInput, with what exists, if there is none."""
    ended = run.tables.ended
    names = list(dict.fromkeys(known_arm.name for known_arm in run.arms))
    if arm is not None and arm not in names:
        raise BadInput(f"{run.name} has no arm {arm!r:.80}{nearest(arm, names)}; it has {', '.join(names)[:300]}")
    chosen = [
        generation_step
        for generation_step in ended
        if arm in (None, generation_step.arm)
        and seed in (None, generation_step.seed)
        and generation in (None, generation_step.generation)
    ]
    if not chosen:
        if not ended:
            raise BadInput(f"{run.folder or run.name} holds no texts: no generation has ended yet")
        asked = {"arm": arm, "seed": seed, "generation": generation}
        words = ", ".join(f"{name} {value}" for name, value in asked.items() if value is not None)
        raise BadInput(
            f"no generation with {words} has ended; {len(ended)} others have, up to generation {max(entry.generation for entry in ended)}"
        )
    return chosen


def _texts_of(run: Run, ended: GenerationEntry) -> Blocks:
    store = next(arm.experiment.store for arm in run.arms if arm.name == ended.arm)
    if store != "all" and run.folder is not None:
        raise BadInput(
            f"{run.folder} keeps readings but no records; run.samples has the first texts of each generation, and a run with store=all in another folder keeps all of them"
        )
    records = run.drawn(ended.arm, ended.seed, ended.generation)
    if not isinstance(records, Blocks):
        raise BadInput(
            f"{run.name} draws {records.kind}, which are not texts; use drawn({ended.arm!r}, {ended.seed}, {ended.generation})"
        )
    return records


def _human_step(run: Run, drawn_key: str) -> str:
    """Return the key of the step that read the human records from which the prompts are taken. Empty if the ledger does not say."""
    return next((step.key for step in run.ledger.lineage(drawn_key) if step.verb == "gather"), "")


@dataclass(frozen=True, eq=False)
class Ancestry(Sequence[Ancestor]):
    """The steps from which a generation, or a text of it, comes. The nearest is first; the last ones read the human data."""

    id: str
    """The id as in `run.texts()`: arm/seed-0/g02/17, or arm/seed-0/g02 for a whole generation."""
    steps: tuple[Ancestor, ...]
    record: Mapping[str, Any] | None = None
    """The text with its prompt, as a row of `run.texts()`. None for a whole generation."""

    @overload
    def __getitem__(self, place: int) -> Ancestor: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Ancestor]: ...
    def __getitem__(self, place: int | slice) -> Ancestor | Sequence[Ancestor]:
        return self.steps[place]

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def given(self) -> dict[str, str]:
        """The digests of the files and other human data at the end of the lineage, by name."""
        return {name: digest for step in self.steps for name, digest in step.given.items()}

    def frame(self) -> Any:
        """Return a polars frame with one row per step: verb, generation, part, key, digest of the output, keys of the steps read, human data read."""
        import polars

        rows = [asdict(step) | {"comes_from": list(step.comes_from), "given": [*step.given]} for step in self.steps]
        return polars.DataFrame(
            rows, schema_overrides={"comes_from": polars.List(polars.String), "given": polars.List(polars.String)}
        )

    def plain(self) -> dict[str, Any]:
        """Return the lineage as plain data."""
        return {"schema": 1, "id": self.id, "record": self.record, "steps": [asdict(step) for step in self.steps]}

    def lines(self) -> Iterator[str]:
        """Yield the lines for a terminal: the text, then the steps."""
        if self.record is not None:
            yield escaped(f"{self.id}: {shortened(self.record['text'], LONGEST)}")
            if self.record["prompt"]:
                yield escaped(f"  prompt: {shortened(self.record['prompt'], LONGEST)}")
        for step in self.steps:
            when = "before generation 0" if step.generation < 0 else f"generation {step.generation}"
            sources = f", from {', '.join(step.given)}" if step.given else ""
            yield escaped(f"  {step.verb}, {when}: step {step.key[:12]}{sources}")

    def __repr__(self) -> str:
        sources = (
            ", ".join(f"{escaped(name)} ({digest[:12]})" for name, digest in self.given.items())
            or "the human data of the experiment"
        )
        return f"Lineage of {self.id}: {amount(len(self.steps), 'step')}, back to {shortened(sources, 300)}"

    def _repr_html_(self) -> str:
        return f"<pre>{escape(chr(10).join(self.lines()))}</pre>"


def lineage_of(run: Run, id: str) -> Ancestry:
    """Return the lineage of a text or of a whole generation. Raises BadInput if there is no such generation or text."""
    match = ID.fullmatch(str(id).strip())
    if match is None:
        raise BadInput(f"an id must have the form arm/seed-0/g02 or arm/seed-0/g02/17, as in run.texts(), got {id!r:.120}")
    arm, seed, generation = match["arm"], int(match["seed"]), int(match["generation"])
    steps = run.steps_of(arm, seed, generation)
    lineage = run.ledger.lineage(steps.get("kept", steps["drawn"]))
    if match["row"] is None:
        return Ancestry(id, lineage)
    texts, row = texts_frame(run, arm, seed, generation), int(match["row"])
    if row >= texts.height:
        raise BadInput(
            f"generation {generation} of {arm} holds {amount(texts.height, 'text')}, numbered from 0; there is no text {row:,}"
        )
    return Ancestry(id, lineage, texts.row(row, named=True))


__all__ = ["Ancestry", "lineage_of", "texts_frame"]
