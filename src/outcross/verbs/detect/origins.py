"""Who wrote the texts, as columns of the data say it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from outcross.errors import BadInput
from outcross.recipe import nearest

if TYPE_CHECKING:
    import polars

AUTHORS = ("human", "model", "edited", "translated", "unknown")
COLUMNS = ("_origin", "_model")
MOST_MODELS = 20
"""Models that are named with their counts."""


@dataclass(frozen=True, eq=False)
class Declarations:
    """Who wrote each text, as the data say it."""

    authors: np.ndarray
    """(n,) of numbers of AUTHORS."""
    models: Mapping[str, int]
    """Texts by the model that is named, the most frequent first."""

    def of(self, author: str) -> np.ndarray:
        """Whether each text is declared to be by this author, (n,)."""
        return self.authors == AUTHORS.index(author)

    def plain(self) -> dict[str, Any]:
        """Counts as plain data."""
        counts = np.bincount(self.authors, minlength=len(AUTHORS)).tolist()
        return {"authors": dict(zip(AUTHORS, counts, strict=True)), "models": dict(self.models)}


@dataclass
class Declaring:
    """Declarations as they are read, batch by batch."""

    authors: list[np.ndarray] = field(default_factory=lambda: [np.empty(0, np.int8)])
    models: Counter[str] = field(default_factory=Counter)

    def add(self, batch: polars.DataFrame) -> None:
        """The author of each row. A row with a model and without an origin is the model's. BadInput where `_origin` names no author that there is."""
        n = batch.height
        origins = batch["_origin"].cast(str).to_list() if "_origin" in batch.columns else [None] * n
        models = batch["_model"].cast(str).to_list() if "_model" in batch.columns else [None] * n
        said = [
            origin if origin is not None else "model" if model else "unknown" for origin, model in zip(origins, models, strict=True)
        ]
        if odd := next((origin for origin in said if origin not in AUTHORS), None):
            raise BadInput(
                f"column '_origin' must be one of {', '.join(AUTHORS)}, got {odd!r:.80}{nearest(odd, AUTHORS)}; rename the column"
            )
        self.authors.append(np.array([AUTHORS.index(origin) for origin in said], np.int8))
        self.models.update(model for model in models if model)

    @property
    def whole(self) -> Declarations:
        """All that was read."""
        return Declarations(np.concatenate(self.authors), dict(self.models.most_common(MOST_MODELS)))
