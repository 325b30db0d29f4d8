from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from outcross.data.records import Counts
from outcross.files import packed
from outcross.models import Learner
from outcross.recipe import recipe


@recipe
class Categorical(Learner):
    """Empirical frequencies of K states: the next-token model of one context, and the neutral gene of population genetics."""

    paper = "Seddik et al., arXiv 2404.05090; Kazdan et al., arXiv 2410.16713, discrete; Shumailov et al., Nature 2024, discrete distributions"
    learns = ("counts",)

    def fit(self, records, weights, start, training, rng):
        return CategoricalModel(records.array / records.array.sum(axis=-1, keepdims=True))

    def load(self, folder):
        return CategoricalModel.load(folder)


@dataclass(frozen=True, eq=False)
class CategoricalModel:
    """Probabilities of K states, one row per chain. Each row sums to 1."""

    probabilities: np.ndarray  # (chains…, K)

    def law(self, draw) -> np.ndarray:
        """Return the probabilities that a draw samples from: first the temperature, then top-k, then the nucleus. Ties keep the lower state."""
        p = self.probabilities
        if draw.temperature == 0:
            p = np.eye(p.shape[-1])[np.argmax(p, axis=-1)]
        elif draw.temperature != 1:
            with np.errstate(divide="ignore"):
                logits = np.log(p) / draw.temperature
            p = np.exp(logits - logits.max(axis=-1, keepdims=True))
            p /= p.sum(axis=-1, keepdims=True)
        if draw.cuts:
            order = np.argsort(-p, axis=-1, kind="stable")
            ranked = np.take_along_axis(p, order, axis=-1)
            keep = np.arange(p.shape[-1]) < (draw.top_k or p.shape[-1])
            ranked = ranked * keep / (ranked * keep).sum(axis=-1, keepdims=True)
            ranked = ranked * (np.cumsum(ranked, axis=-1) - ranked < draw.top_p)
            p = np.empty_like(p)
            np.put_along_axis(p, order, ranked, axis=-1)
            p /= p.sum(axis=-1, keepdims=True)
        return p

    def sample(self, draw, prompts, rng) -> Counts:
        """Return the counts (chains…, K) of `draw.records` independent draws."""
        return Counts(rng.multinomial(draw.records, self.law(draw)))

    def log_prob(self, records: Counts) -> np.ndarray:
        """Return the log-likelihood of all records of a chain in nats, as an ordered sequence, (chains…)."""
        with np.errstate(divide="ignore"):
            logs = np.log(self.probabilities)
        return np.where(records.array > 0, records.array * logs, 0.0).sum(axis=-1)

    @classmethod
    def load(cls, folder: Path) -> CategoricalModel:
        return cls(packed.load(folder / "categorical.npz")["probabilities"])

    def save(self, folder: Path) -> None:
        # With a few hundred records the shares have few different values, so the packed file is small.
        packed.save(folder / "categorical.npz", probabilities=self.probabilities)
