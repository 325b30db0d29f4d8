"""Several models as one mixture, in which each model writes its share of the records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from outcross.estimate import NotApplicable


class NoneInCommon(NotApplicable, AttributeError):
    """An attribute that a single model has and a mixture of models does not have."""


@dataclass(frozen=True, eq=False)
class CommunityModel:
    """The mixture of the models of several teachers. The probability that a teacher wrote a record is the teacher's share.

    If the models have known moments or state probabilities, `mean`, `covariance` and `probabilities` are those of the mixture.
    """

    models: Mapping[str, Any]
    """By teacher."""
    shares: Mapping[str, float]
    """Share of the records that each teacher writes, in (0, 1]; the shares sum to 1."""

    def __len__(self) -> int:
        return len(self.models)

    @cached_property
    def logs(self) -> np.ndarray:
        """The log of every share, (teachers,)."""
        return np.log([self.shares[name] for name in self.models])

    def log_prob(self, records: Any) -> np.ndarray:
        """Return the log of the mean of the models' densities of each record, weighted by the shares, in nats."""
        return _log_mean([model.log_prob(records) for model in self.models.values()], self.logs)

    def next_log_prob(self, records: Any) -> np.ndarray:
        """Return the log-probability of each token to follow a block, (n, vocabulary).

        The weight of a model is proportional to its share times its probability of the block.
        """
        of_block = np.array([model.log_prob(records) for model in self.models.values()]) + self.logs[:, None]
        weights = of_block - np.logaddexp.reduce(of_block, axis=0)
        nexts = np.array([model.next_log_prob(records) for model in self.models.values()])
        return np.logaddexp.reduce(nexts + weights[:, :, None], axis=0)

    def __getattr__(self, name: str) -> Any:
        if name in ("mean", "covariance", "probabilities") and all(hasattr(model, name) for model in self.models.values()):
            return getattr(self, f"_{name}")()
        raise NoneInCommon(
            f"needs a model's {name}, which a mixture of several teachers does not have; read {name} of each teacher"
        )

    def _weighted(self, name: str) -> np.ndarray:
        return np.sum([self.shares[teacher] * getattr(model, name) for teacher, model in self.models.items()], axis=0)

    def _probabilities(self) -> np.ndarray:
        return self._weighted("probabilities")

    def _mean(self) -> np.ndarray:
        return self._weighted("mean")

    def _covariance(self) -> np.ndarray:
        """Return the covariance of the mixture: the mean covariance plus the covariance of the means about their common mean."""
        common = self._mean()
        apart = {name: model.mean - common for name, model in self.models.items()}
        between = [self.shares[name] * offset[..., :, None] * offset[..., None, :] for name, offset in apart.items()]
        return self._weighted("covariance") + np.sum(between, axis=0)


def _log_mean(logs: list[np.ndarray], shares: np.ndarray) -> np.ndarray:
    every = np.array(logs)
    return np.logaddexp.reduce(every + shares.reshape(-1, *[1] * (every.ndim - 1)), axis=0)
