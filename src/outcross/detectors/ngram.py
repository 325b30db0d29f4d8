"""Detection by the probability of a text under n-gram models of the samples."""

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
    """The log-likelihood of a text per byte under Kneser-Ney models of words.

    It is that of a model of models' texts minus that of a model of human texts, or the latter alone.
    """

    page = DetectorPage(
        "n-gram likelihood",
        "(ln p_models − ln p_people) per byte, with p from interpolated Kneser-Ney models of words that are fitted to the samples; with against: nothing, ln p_people alone.",
        "It knows phrases and not the structure of texts, so it is weak on other subjects and generators. Small samples give uninformative models.",
        "Ney, Essen and Kneser, Comput. Speech Lang. 8:1 (1994)",
    )
    libraries = ("numpy",)

    order: Annotated[int, Field(ge=1, le=5)] = 3
    """Number of words in the longest n-grams."""
    against: Annotated[str, Field(pattern="^(models|nothing)$")] = "models"
    """What the model of human texts is compared with: a model of models' texts, or nothing."""

    def reader(self, given: Sequence[str]) -> Reader:
        return _as_they_are

    def fit(self, features: Any, is_model: np.ndarray, groups: np.ndarray, rng: np.random.Generator) -> FittedDetector:
        sides = [features[:, 0][is_model == side].tolist() for side in (False, True)]
        if not sides[0] or (self.against == "models" and not sides[1]):
            raise BadInput(
                "an n-gram detector needs texts of people and, with against: models, texts of models; add the missing sample"
            )
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
    """Fitted models of the words of human texts and of models' texts."""

    people: NgramReading
    models: NgramReading | None

    def score(self, features: Any) -> np.ndarray:
        texts = features[:, 0].tolist()
        size = np.maximum([len(text.encode()) for text in texts], 1)
        nats = self.people.nats(texts)
        return (-nats if self.models is None else nats - self.models.nats(texts)) / size


def _as_they_are(texts: Sequence[str]) -> np.ndarray:
    """Return the texts as a column, (n, 1)."""
    column = np.empty((len(texts), 1), object)
    column[:, 0] = list(texts)
    return column
