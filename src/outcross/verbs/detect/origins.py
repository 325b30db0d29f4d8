"""Authors of texts as declared in columns of the data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from outcross.detectors.samples import words_of_column
from outcross.errors import BadInput
from outcross.recipe import nearest

if TYPE_CHECKING:
    import polars

AUTHORS = ("human", "model", "edited", "translated", "unknown")
ORIGIN, MODEL = "_origin", "_model"
COLUMNS = (ORIGIN, MODEL)
MOST_MODELS = 20
"""Maximum number of models that are listed with their counts."""


@dataclass(frozen=True, eq=False)
class Declarations:
    """The declared author of each text."""

    authors: np.ndarray
    """Index in AUTHORS for each text, (n,)."""
    models: Mapping[str, int]
    """Number of texts for each declared model, in descending order."""

    def of(self, author: str) -> np.ndarray:
        """Whether each text is declared to be by this author, (n,)."""
        return self.authors == AUTHORS.index(author)

    def plain(self) -> dict[str, Any]:
        """Return the counts as plain data."""
        counts = np.bincount(self.authors, minlength=len(AUTHORS)).tolist()
        return {"authors": dict(zip(AUTHORS, counts, strict=True)), "models": dict(self.models)}


@dataclass
class Declaring:
    """Declarations that are collected batch by batch."""

    authors: list[np.ndarray] = field(default_factory=lambda: [np.empty(0, np.int8)])
    models: Counter[str] = field(default_factory=Counter)

    def add(self, batch: polars.DataFrame) -> None:
        """Add the author of each row of a batch. A row with a model but without an origin is the model's. Raises BadInput for unknown origins."""
        n = batch.height
        origins = words_of_column(batch[ORIGIN]) if ORIGIN in batch.columns else [None] * n
        models = words_of_column(batch[MODEL]) if MODEL in batch.columns else [None] * n
        said = [
            origin if origin is not None else "model" if model else "unknown" for origin, model in zip(origins, models, strict=True)
        ]
        if odd := next((origin for origin in said if origin not in AUTHORS), None):
            raise BadInput(
                f"column {ORIGIN!r} must be one of {', '.join(AUTHORS)}, got {odd!r:.80}{nearest(odd, AUTHORS)}; rename the column"
            )
        self.authors.append(np.array([AUTHORS.index(origin) for origin in said], np.int8))
        self.models.update(model for model in models if model)

    @property
    def whole(self) -> Declarations:
        """Return the declarations of all batches."""
        return Declarations(np.concatenate(self.authors), dict(self.models.most_common(MOST_MODELS)))
