"""The inventory of available records, and the plan of what a training set takes from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Integral
from typing import Any, ClassVar, Literal, get_args

import numpy as np

from outcross.data.pools import Pool
from outcross.data.records import read_only
from outcross.errors import BadInput, check_word

What = Literal["human", "fresh", "models", "all"]
Choice = Literal["whole", "redrawn", "fixed"]
_WORDS = (("what", get_args(What)), ("choice", get_args(Choice)))


@dataclass(frozen=True, eq=False)
class Inventory:
    """The numbers of available records, by origin, when a generation is about to learn."""

    generation: int
    """The generation that is about to learn, which is also the number of generations of models that have written."""
    human: int
    """The number of original human records."""
    totals: np.ndarray
    """The number of records that models wrote before generation 0, 1, 2 …, (generation + 1 or more,), increasing from 0."""
    fresh: int | None = None
    """The number of human records that no generation has seen; None if there is no limit, or if it is not known yet."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "totals", read_only(self.totals))

    @classmethod
    def of(cls, pool: Pool, human: int, fresh: int | None = None) -> Inventory:
        """Return the inventory of a pool, with these numbers of original human records and fresh records."""
        sizes = np.zeros(pool.generation + 1, dtype=np.int64)
        for part in pool.models.parts:
            sizes[1 + (part.origin.generation or 0)] += len(part)
        return cls(pool.generation, human, np.cumsum(sizes), fresh)

    def written(self, back: int | None = None) -> int:
        """Return the number of records that the last `back` generations of models wrote; None for all generations."""
        first = 0 if back is None else max(0, self.generation - back)
        return int(self.totals[self.generation] - self.totals[first])

    @property
    def newest(self) -> int:
        """The number of records of the last generation of models; before any model wrote, that of the original human records."""
        return self.written(1) if self.generation else self.human

    def available(self, take: Take) -> int | None:
        """Return the number of available records for a take; None if there is no limit."""
        if take.what == "fresh":
            return self.fresh
        people = 0 if take.what == "models" else self.human
        return people if take.what == "human" else people + self.written(take.back)


@dataclass(frozen=True, kw_only=True)
class Take:
    """A number of records of one kind, drawn without replacement."""

    what: What
    """`human` (original human records), `fresh` (human records that no generation has seen), `models`, or `all` (original human and model records)."""
    rows: int
    """The number of records per chain."""
    back: int | None = None
    """The number of generations of models to take records from, 1 for only the newest; None: all."""
    choice: Choice = "whole"
    """whole: every available record; redrawn: another choice at every generation; fixed: the same choice each time."""
    weight: float | None = None
    """The total weight of these records in the fit; None if the plan gives no weights."""
    align: bool = False
    """Whether human records replace those model records that continue the same text."""
    max_repeats: int = 1
    """The maximum number of times that one record is taken."""

    def __post_init__(self) -> None:
        for name, allowed in _WORDS:
            check_word(getattr(self, name), allowed, f"{name} of a Take")
        for name, minimum in (("rows", 0), ("back", 1), ("max_repeats", 1)):
            value: Any = getattr(self, name)
            if name == "back" and value is None:
                continue
            if not isinstance(value, Integral) or isinstance(value, bool) or value < minimum:  # type: ignore[operator]
                raise BadInput(f"{name} of a Take must be a whole number from {minimum}, got {value!r:.80}")
            object.__setattr__(self, name, int(value))


@dataclass(frozen=True)
class Plan:
    """The training set of one generation, as a tuple of takes in the order in which they are drawn."""

    libraries: ClassVar[tuple[str, ...]] = ("numpy",)
    """The third-party packages, by their names in the package index, whose versions affect the draws."""
    takes: tuple[Take, ...]

    def __len__(self) -> int:
        return sum(take.rows for take in self.takes)

    @property
    def reach(self) -> int | None:
        """The number of generations of models that it reads, counted back from the newest; None for all."""
        backs = [take.back for take in self.takes if take.what in ("models", "all")]
        return None if None in backs else max(backs, default=0)  # type: ignore[type-var]

    @property
    def human_rows(self) -> int:
        """The number of original human records that it takes."""
        return sum(take.rows for take in self.takes if take.what == "human")

    @property
    def fresh_rows(self) -> int:
        """The number of fresh human records that it uses."""
        return sum(take.rows for take in self.takes if take.what == "fresh")

    @property
    def is_whole(self) -> bool:
        """Whether it takes only whole parts without weights, so that the moments of each part are sufficient."""
        return all(take.choice == "whole" and take.weight is None and take.max_repeats == 1 for take in self.takes)

    def check(self, there: Inventory, policy: str) -> None:
        """Raise BadInput if the inventory has too few records, with the generation and the numbers."""
        if len(self) == 0:
            raise BadInput(
                f"the policy {policy} takes no training records at generation {there.generation}; raise its shares or rows"
            )
        for take in self.takes:
            available = there.available(take)
            if available is None or take.rows <= available * take.max_repeats:
                continue
            if take.what == "fresh":
                raise BadInput(
                    f"fresh human records run out: policy {policy} takes {take.rows:,} more for generation {there.generation}, when {available:,} in "
                    "reserve are left; lower human.rows, the share or the generations"
                )
            kind = "original human records" if take.what == "human" else "records"
            raise BadInput(
                f"policy {policy} needs {take.rows:,} {kind} for {there.newest:,} that are drawn at generation {there.generation}, and there are "
                f"{available:,}; lower the share or rows, or raise human.rows"
            )

    def __str__(self) -> str:
        """Return the plan in words, such as `900 newest model records (redrawn), 100 original human records`."""
        return ", ".join(_phrase(take) for take in self.takes)


def _phrase(take: Take) -> str:
    ages = {None: "model records of all generations", 1: "newest model records"}
    nouns = {
        "human": "original human records",
        "fresh": "fresh human records",
        "models": ages.get(take.back, f"model records of the last {take.back} generations"),
        "all": "human and model records of all generations",
    }
    notes = [take.choice] if take.choice != "whole" else []
    notes += ["aligned"] if take.align else []
    notes += [f"weight {take.weight:.3g}"] if take.weight is not None else []
    notes += [f"each at most {take.max_repeats} times"] if take.max_repeats > 1 else []
    return f"{take.rows:,} {nouns[take.what]}" + (f" ({', '.join(notes)})" if notes else "")


def lines(plans: Iterable[tuple[int, Plan]], limit: int = 6) -> list[str]:
    """Return the plans of generations as text, one line for every run of equal plans. Of more than `limit` lines, only the first ones and the last are kept.

    >>> plan = Plan((Take(what="models", rows=900, back=1, choice="redrawn"), Take(what="human", rows=100)))
    >>> lines([(1, plan), (2, plan)])
    ['g1 … g2: 900 newest model records (redrawn), 100 original human records']
    """
    groups: list[tuple[int, int, Plan]] = []
    for g, plan in plans:
        if groups and groups[-1][2] == plan:
            groups[-1] = (groups[-1][0], g, plan)
        else:
            groups.append((g, g, plan))
    shown = groups if len(groups) <= limit else [*groups[: limit - 2], groups[-1]]
    said = [f"g{first}: {plan}" if first == last else f"g{first} … g{last}: {plan}" for first, last, plan in shown]
    return said if len(groups) <= limit else [*said[:-1], "…", said[-1]]


def whole_or(choice: Literal["redrawn", "fixed"], rows: int, available: int) -> Literal["whole", "redrawn", "fixed"]:
    """Return the given choice, or `whole` if all available records are taken."""
    return "whole" if rows == available else choice
