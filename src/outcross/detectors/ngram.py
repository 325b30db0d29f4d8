"""How probable n-gram models of the samples hold a text to be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from outcross.attributes.perplexity import NgramReading, ngram_reading
from outcross.detectors import Detector, DetectorPage, FittedDetector, Reader
from outcross.errors import BadInput
from outcross.recipe import recipe


@recipe
class NgramDetector(Detector):
    """The log-likelihood of a text a byte under a Kneser-Ney model of the words of people's texts, or how much more probable one of models' texts holds it."""

    page = DetectorPage(
        "n-gram likelihood",
        "(ln p_models − ln p_people) a byte, p of interpolated Kneser-Ney models of words that are fitted to the samples; with against: nothing, ln p_people alone.",
        "It knows phrases and not how texts are built: of another subject or generator it says little. Small samples give flat models.",
        "Ney, Essen and Kneser, Comput. Speech Lang. 8:1 (1994)",
    )
    libraries = ("numpy",)

    order: Annotated[int, Field(ge=1, le=5)] = 3
    """Words of the longest n-grams."""
    against: Annotated[str, Field(pattern="^(models|nothing)$")] = "models"
    """What the model of people's texts is held against."""

    def reader(self, given: Sequence[str]) -> Reader:
        return _as_they_are

    def fit(self, features: Any, is_model: np.ndarray, groups: np.ndarray, rng: np.random.Generator) -> FittedDetector:
        sides = [features[:, 0][is_model == side].tolist() for side in (False, True)]
        if not sides[0] or (self.against == "models" and not sides[1]):
            raise BadInput("an n-gram detector needs texts of people, and of models where they are held against them")
        people = ngram_reading(sides[0], self.order)
        return NgramLikelihood(people, ngram_reading(sides[1], self.order) if self.against == "models" else None)

    def arrays(self, reader: Reader, fitted: Any) -> dict[str, np.ndarray]:
        sides = {"people": fitted.people, "models": fitted.models}
        return {
            f"{side}.{name}": array for side, model in sides.items() if model is not None for name, array in model.arrays().items()
        }

    def restored(self, arrays: Mapping[str, np.ndarray]) -> tuple[Reader, FittedDetector]:
        people, models = (
            {name.removeprefix(side): array for name, array in arrays.items() if name.startswith(side)}
            for side in ("people.", "models.")
        )
        learned = NgramLikelihood(NgramReading.of_arrays(people), NgramReading.of_arrays(models) if models else None)
        return _as_they_are, learned


@dataclass(frozen=True, eq=False)
class NgramLikelihood:
    """Models of words, of people's texts and of models'."""

    people: NgramReading
    models: NgramReading | None

    def score(self, features: Any) -> np.ndarray:
        texts = features[:, 0].tolist()
        size = np.maximum([len(text.encode()) for text in texts], 1)
        nats = self.people.nats(texts)
        return (-nats if self.models is None else nats - self.models.nats(texts)) / size


def _as_they_are(texts: Sequence[str]) -> np.ndarray:
    """Texts as a column, (n, 1)."""
    column = np.empty((len(texts), 1), object)
    column[:, 0] = list(texts)
    return column
