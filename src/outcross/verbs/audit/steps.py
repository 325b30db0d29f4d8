"""The audit of one set as a step. It is done once, stored in a ledger with the digests of the data and the question, and loaded afterwards."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from outcross.attributes import ATTRIBUTES
from outcross.ledger import External, Ledger, verb
from outcross.ledger.digests import digest_of
from outcross.ledger.external import external
from outcross.measures import audit_aspects
from outcross.recipe import member
from outcross.verbs.audit.asked import Asked
from outcross.verbs.audit.result import Audit
from outcross.verbs.audit.work import ResolvedQuestion, beside, measures_of, value_of

LIBRARIES = ("PyYAML", "icu4py", "numpy", "pillow", "polars", "scikit-learn", "scipy")
"""Packages whose versions decide the numbers of an audit."""


class HumanSide:
    """The human data with which sets are compared. They are read once, for the first set."""

    def __init__(self, reference: Any, holdout: Any, question: ResolvedQuestion):
        self.reference, self.holdout, self.question = reference, holdout, question

    @cached_property
    def audit_of(self) -> Callable[[str, Any], Audit]:
        """The function (name, data) → audit of the data."""
        return beside(self.reference, self.holdout, self.question)


@verb(LIBRARIES, 0, load=lambda folder, digest, asked, data, human: Audit.load(folder))
def audit(asked: Asked, data: Any, human: HumanSide, *, rng: np.random.Generator) -> Audit:
    """Return what a set has lost, compared with human data. `rng` is unused, because the random streams are named by the aspects."""
    result = human.audit_of(asked.name, data)
    return replace(result, notes=(asked.note, *result.notes)) if asked.note else result


class Auditing:
    """Audits sets one after another against the same human data, through a ledger if a folder is given."""

    def __init__(self, reference: Any, holdout: Any, question: ResolvedQuestion, note: str = "", folder: Path | None = None):
        self.question, self.note = question, note
        self.ledger = None if folder is None else Ledger(folder)
        self._human = HumanSide(value_of(reference), value_of(holdout), question) if folder is None else None
        self._sides = reference, holdout

    def __call__(self, name: str, data: Any) -> Audit:
        asked = asked_of(self.question, name, self.note)
        if self.ledger is None:
            assert self._human is not None
            return audit.do(asked, value_of(data), self._human, rng=np.random.default_rng(asked.seed))
        human = self.human  # errors of the human data are reported before those of a set
        step = self.ledger.steps(asked.seed)(audit, asked, external(data), human)
        return replace(step.value, key=step.key)

    @cached_property
    def human(self) -> External[HumanSide]:
        """The human data, identified by the digest of their content."""
        reference, holdout = (None if side is None else external(side) for side in self._sides)
        sides = [side for side in (reference, holdout) if side is not None]
        return External(
            digest_of([side.digest for side in sides]),
            lambda: HumanSide(value_of(reference), value_of(holdout), self.question),
            [digest for side in sides for digest in side.reads],
            {name: digest for side in sides for name, digest in side.names.items()},
        )


def asked_of(question: ResolvedQuestion, name: str, note: str) -> Asked:
    """Return the recipe of the audit of one set."""
    aspects = question.aspects if question.aspects is not None else measures_of(audit_aspects())
    named = dict.fromkeys(attribute for aspect in aspects for attribute in getattr(aspect, "attributes", ()))
    settings: Mapping[str, Any] = vars(question) | {
        "aspects": aspects,
        "attributes": tuple(member(ATTRIBUTES, attribute, "attribute")() for attribute in named),
        "most_seconds": question.most_seconds if math.isfinite(question.most_seconds) else None,
    }
    return Asked(name=name, note=note, **settings)
