"""Conditions under which retraining on a mix with a model's own samples is stable."""

from __future__ import annotations

from outcross.errors import BadInput


def is_locally_stable(weight: float, *, distance: float, lipschitz: float, concavity: float) -> bool:
    """Whether iterative retraining near the best model is known to be stable (S1).

    The condition is weight (1 + lipschitz distance / concavity) < 1/2. `weight` is lambda, the weight of synthetic relative
    to human records in argmax E_data log p + lambda E_model log p: a ratio and not a share, which can exceed 1. `distance` is
    the Wasserstein distance of the best model of the family from the data, `lipschitz` the Lipschitz constant of the Hessian
    of the log-likelihood in the record, and `concavity` the strong concavity of the expected log-likelihood at the best
    model. The condition is sufficient and local: False means that stability is not known, not that it is absent. It bounds
    the expected update; finite samples add their own error.

    Source: Bertrand et al. 2310.00429 (secondary sources, twice; see science/collapse.md section 5.1).

    >>> is_locally_stable(0.4, distance=0.0, lipschitz=1.0, concavity=1.0)
    True
    >>> is_locally_stable(0.4, distance=0.5, lipschitz=1.0, concavity=1.0)
    False
    """
    return weight < largest_stable_weight(distance=distance, lipschitz=lipschitz, concavity=concavity)


def largest_stable_weight(*, distance: float, lipschitz: float, concavity: float) -> float:
    """The synthetic weight below which retraining is known to be stable: 1 / (2 (1 + lipschitz distance / concavity)) (S1).

    It is at most 1/2, which is one synthetic record in three. Conditions and source are those of `is_locally_stable`.

    >>> largest_stable_weight(distance=1.0, lipschitz=1.0, concavity=1.0)
    0.25
    """
    if concavity <= 0 or distance < 0 or lipschitz < 0:
        raise BadInput(f"concavity must be above 0, distance and lipschitz at least 0; got {concavity}, {distance}, {lipschitz}")
    return 1 / (2 * (1 + lipschitz * distance / concavity))
