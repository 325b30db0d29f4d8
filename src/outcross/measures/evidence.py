"""The data that a measure may read, from a run or from an audit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np

from outcross.data import Human, Part, Pool, Training
from outcross.data.tables import Absent, Table
from outcross.estimate import NotApplicable


class Evidence:
    """The data that a measure may read: the results of one generation of a loop, or the tables of an audit.

    Keywords are the names of the properties. `drawn`, `kept`, `rejected`, `reference` and `holdout` are given as records, or as parts that
    load on first use; `training` is given as a training set. They are read as records: text blocks, vectors, counts, or a table.
    Reading a property that was not given raises NotApplicable with the reason.
    """

    def __init__(self, **given: Any):
        assert given.keys() <= _WHAT.keys(), given.keys() - _WHAT.keys()
        self._given = {name: value for name, value in given.items() if value is not None}

    def but(self, **changes: Any) -> Evidence:
        """Return the same evidence with some properties replaced. None removes a property."""
        return Evidence(**{**self._given, **changes})

    @property
    def drawn(self) -> Any:
        """The records that a model wrote: those of this generation, or the audited data."""
        return self._records("drawn")

    @property
    def kept(self) -> Any:
        """The drawn records that the filters kept."""
        return self._records("kept")

    @property
    def rejected(self) -> Any:
        """The drawn records that the filters rejected."""
        return self._records("rejected")

    @property
    def decoding(self) -> str | None:
        """The sampling settings of the records, as canonical JSON of the Draw. None if they are not known."""
        drawn = self._known("drawn")
        return drawn.origin.decoding if isinstance(drawn, Part) else None

    @property
    def training(self) -> Any:
        """The training set of this generation's model."""
        return self._records("training")

    @property
    def mixed(self) -> Any:
        """The training set as the policy mixed it, before filters selected from it."""
        return self._records("mixed")

    @property
    def human_shares(self) -> tuple[float, float]:
        """The human share of the training set before and after the filters. Raises NotApplicable if the origin of a record is unknown."""
        before, after = (self._known(name).pool.human_share for name in ("mixed", "training"))
        return before, after

    @property
    def human(self) -> Human:
        """The human data of a run, with the true distribution if it is known."""
        return self._known("human")

    @property
    def reference(self) -> Any:
        """Human records to compare with: in a run those of held-out documents, in an audit the reference."""
        return self._of_human("reference")

    @property
    def holdout(self) -> Any:
        """Further human records that no model saw. In a run they are as many as the training records and are drawn in the same way."""
        return self._of_human("holdout")

    @property
    def model(self) -> Any:
        """The model of this generation."""
        return self._known("model")

    @property
    def first_model(self) -> Any:
        """The model of generation 0, fitted on human data."""
        return self._known("first_model")

    @property
    def prompts(self) -> Any:
        """The prompts that the model continued, if they are not human training blocks.

        Record i was written after prompt i, modulo the number of prompts.
        """
        return self._records("prompts")

    @property
    def beside_prompts(self) -> Evidence:
        """Tables in which each text has the prompt that it was written after. They may hold other records than the tables without prompts."""
        return self._known("beside_prompts")()

    @property
    def human_side(self) -> str:
        """A description of the human texts that have prompts, for notes."""
        return self._given.get("human_side", "human text after its own prompts")

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the columns that hold the group of each record. Empty if none were named."""
        return self._given.get("groups", ())

    @property
    def target(self) -> str:
        """The target column of prediction tasks."""
        return self._known("target")

    @property
    def absent(self) -> tuple[Absent, ...]:
        """Columns of the human data that the drawn records lack. Empty if the columns were not compared."""
        return self._given.get("absent", ())

    @property
    def over_cap(self) -> Evidence:
        """Tables of the columns beyond the cap, which are too many to be examined one by one."""
        return self._known("over_cap")

    @property
    def counted(self) -> Mapping[str, tuple[Any, Any]]:
        """The counts over every row: the name of each sketch (`Measure.sketches`) with its results for (drawn, reference)."""
        return _Counted(self._given.get("counted", {}))

    def has(self, name: str) -> bool:
        """Whether a property can be read."""
        try:
            getattr(self, name)
        except NotApplicable:
            return False
        return True

    def sides(self) -> dict[str, Any]:
        """Return the sets of records of an audit by name: synthetic, reference and, if there is one, holdout."""
        sides = {"synthetic": self.drawn, "reference": self.reference}
        return sides | ({"holdout": self.holdout} if self.has("holdout") else {})

    def inside(self, group: Callable[[Table], np.ndarray]) -> Evidence:
        """Return evidence with the records of one group on every side. It has no counts yet."""
        kept = {side: table.where(group(table)) for side, table in self.sides().items()}
        return self.but(
            drawn=kept["synthetic"],
            reference=kept["reference"],
            holdout=kept.get("holdout"),
            counted=None,
            absent=None,
            over_cap=None,
        )

    def _known(self, name: str) -> Any:
        if name not in self._given:
            raise NotApplicable(f"needs {_WHAT[name]}, not available here")
        return self._given[name]

    def _records(self, name: str) -> Any:
        value = self._known(name)
        return value.records if isinstance(value, Part | Pool | Training) else value

    def _of_human(self, name: Literal["reference", "holdout"]) -> Any:
        if name in self._given:
            return self._records(name)
        part = getattr(self._given.get("human"), name, None)
        if part is None:
            raise NotApplicable(f"needs {_WHAT[name]}, but the human data have none")
        return part.records


class _Counted(dict):
    """Counts by the name of their sketch. A missing sketch raises NotApplicable."""

    def __missing__(self, name: str) -> Any:
        raise NotApplicable(f"needs the sketch {name} over every row, but it was not counted")


_WHAT = {
    "drawn": "records that a model wrote",
    "kept": "records that a filter kept",
    "mixed": "training records before the filters",
    "rejected": "records that a filter rejected",
    "training": "the records that the model learned from",
    "human": "the human data of a run",
    "reference": "held-out human records",
    "holdout": "a second human sample",
    "model": "the model that wrote the records",
    "first_model": "the model of generation 0",
    "prompts": "the prompts of the records",
    "beside_prompts": "the prompt of each text: a column _prompt of text in both sets",
    "human_side": "a description of the human texts",
    "groups": "columns that name groups",
    "target": "a target column",
    "absent": "columns that the records lack",
    "over_cap": "columns over the cap",
    "counted": "counts over every row",
}
