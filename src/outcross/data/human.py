"""Human data: a finite set that is split into disjoint parts, or a distribution."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from outcross.data.origins import HUMAN
from outcross.data.parts import Made, Part, part_of
from outcross.data.pools import Pool
from outcross.data.records import load_records
from outcross.errors import BadInput
from outcross.estimate import NotApplicable
from outcross.files import packed


class Truth(Protocol):
    """A known distribution from which human records are drawn. `draw` returns (chains…, n) records."""

    def draw(self, n: int, chains: tuple[int, ...], rng: np.random.Generator) -> Any: ...


HUMAN_PARTS = ("training", "reference", "holdout", "validation", "reserve", "continuations")


@dataclass(frozen=True, eq=False)
class Human:
    """Human data: a finite set shuffled once and split into disjoint parts, or a distribution.

    The fresh records of a generation are taken from `reserve` for a finite set, and drawn from `truth` for a distribution.
    """

    training: Part
    """The records that generation 0 is fitted to: the `original human records` of the policies."""
    reference: Part | None = None
    """Held-out records, on which loss and similarity are measured."""
    holdout: Part | None = None
    """More human records, drawn in the same way and as many as the training set, for comparisons of real with real data (floors)."""
    validation: Part | None = None
    reserve: Part | None = None
    continuations: Part | None = None
    """The human continuation of each training block that has a next block. `_prompt` is the number of the training row."""
    windows: np.ndarray | None = None
    """All human training text as windows of two blocks, (m, 2 block) token ids, for the pretraining of a base model."""
    vocabulary: Any = None
    truth: Any = None
    chains: tuple[int, ...] = ()
    note: dict[str, Any] = field(default_factory=dict)
    """Facts about the data that were read: digest, documents, bytes, tokens."""
    spent: int = 0
    """The number of fresh records that earlier generations have used."""

    def save(self, folder: Path) -> None:
        for name in HUMAN_PARTS:
            if (part := getattr(self, name)) is not None:
                (folder / name).mkdir()
                part.records.save(folder / name)
        if self.windows is not None:
            packed.save(folder / "windows.npz", windows=self.windows)
        if self.vocabulary is not None:
            self.vocabulary.save(folder / "vocabulary.json")
        sizes = {name: len(part) for name in HUMAN_PARTS if (part := getattr(self, name)) is not None}
        description = {"chains": list(self.chains), "note": self.note, "sizes": sizes}
        (folder / "human.json").write_text(json.dumps(description, indent=1, sort_keys=True))

    @classmethod
    def load(cls, folder: Path, truth: Any, load_vocabulary: Callable[[Path], Any] | None) -> Human:
        """Load the human data that a step stored. `truth` comes from the recipe, which is stored elsewhere."""
        stored = json.loads((folder / "human.json").read_text())
        parts: dict[str, Any] = {
            name: Part(HUMAN, Made("", size, lambda name=name: load_records(folder / name)), size)
            for name, size in stored["sizes"].items()
        }
        windows = vocabulary = None
        if (folder / "windows.npz").exists():
            windows = packed.load(folder / "windows.npz")["windows"]
        if load_vocabulary is not None and (folder / "vocabulary.json").exists():
            vocabulary = load_vocabulary(folder / "vocabulary.json")
        return cls(
            **parts, windows=windows, vocabulary=vocabulary, truth=truth, chains=tuple(stored["chains"]), note=stored["note"]
        )

    def named(self, digest: str) -> Human:
        """Return the same data with parts named after the step that gathered them, so that training sets can refer to them."""
        parts = {name: getattr(self, name) for name in HUMAN_PARTS if getattr(self, name) is not None}
        sources = {name: Made(f"{digest}/{name}", len(part), lambda part=part: part.source.value) for name, part in parts.items()}
        return replace(self, **{name: replace(part, source=sources[name]) for name, part in parts.items()})

    @property
    def sources(self) -> dict[str, Made[Any]]:
        """The sources of its parts, by digest."""
        parts = [getattr(self, name) for name in HUMAN_PARTS]
        return {part.source.digest: part.source for part in parts if part is not None}

    @property
    def kind(self) -> str:
        return self.training.records.kind

    def fresh(self, n: int, rng: np.random.Generator) -> Part:
        """Return n human records that no generation has seen. Raises BadInput, with the number that is left, when the reserve has fewer than n."""
        if self.truth is not None:
            return part_of(HUMAN, self.truth.draw(n, self.chains, rng))
        if self.reserve is None or n > self.reserved - self.spent:
            raise BadInput(
                f"fresh human records run out: {n} more were requested, and {self.reserved - self.spent} of {self.reserved} in reserve are left; "
                "lower human.rows, the share or the generations"
            )
        return self.reserve.take(np.arange(self.spent, self.spent + n))

    @property
    def reserved(self) -> int:
        """The initial number of fresh records of a finite set; 0 without a reserve."""
        return 0 if self.reserve is None else len(self.reserve)

    @property
    def unspent(self) -> int | None:
        """The number of fresh records that are left; None for a distribution, which has no limit."""
        return None if self.truth is not None else self.reserved - self.spent

    def aligned(self, synthetic: Pool, n: int, rng: np.random.Generator) -> tuple[Part, Pool]:
        """Replace n synthetic records by the human continuations of the same prompts. Returns these and the other synthetic records."""
        if self.continuations is None:
            raise BadInput("align: true needs text sampled from human prompts; leave align out")
        prompts, places = synthetic.records.column("_prompt"), self.continuations.records.column("_prompt")
        replaceable = np.flatnonzero(np.isin(prompts, places))
        if not len(replaceable):
            raise BadInput("align: true needs draw.prompts: human; leave align out")
        if n > len(replaceable):
            raise BadInput(f"align: true has {len(replaceable)} human continuations, and {n} were requested; lower the share")
        chosen = np.sort(rng.permutation(replaceable)[:n])
        written = self.continuations.take(np.searchsorted(places, prompts[chosen]))  # places are ascending
        return written, synthetic.take(np.setdiff1d(np.arange(len(prompts)), chosen))

    def known(self, what: str) -> Any:
        """Return the distribution of the human records. Raises NotApplicable for a finite set."""
        if self.truth is None:
            raise NotApplicable(f"{what} needs a known distribution, and the human data are a finite set")
        return self.truth
