from __future__ import annotations

from math import inf

import numpy as np

from outcross.estimate import NotApplicable, over_chains, read_off
from outcross.measures import Measure, Page
from outcross.recipe import recipe

SCHAEFFER = "Kazdan et al., arXiv 2410.16713 §3; Schaeffer et al., arXiv 2503.03150"


@recipe
class FittedLaw(Measure):
    """Spread and drift of the fitted distribution, compared with the true distribution (or held-out human records).

    The fitted mean and covariance are the model's own if it has them, else those of the drawn records (divisor n - 1).
    The expectation of s² over chains hides collapse: under replace, E s² with divisor n - 1 stays constant, while s² of almost every
    chain goes to 0. The log-variance shows the collapse.
    """

    aspect = "spread"
    needs = ("vectors",)
    pages = {
        "log_variance": Page(
            "FL1", "log-variance", "ln of the determinant of the fitted covariance divided by that of the true covariance, mean over chains.",
            unit="nats", healthy=0.0, collapsed="minus infinity, linearly in the generations",
            role="spread", preference=1, lead=4, paper=SCHAEFFER,
        ),
        "spread_ratio": Page(
            "FL2", "spread ratio", "Trace of the fitted covariance divided by the trace of the true covariance, mean over chains.",
            unit="ratio", healthy=1.0, collapsed="0 in almost every chain (the mean may stay at 1)",
            role="spread", preference=3, lead=5, paper=SCHAEFFER,
        ),
        "mean_error": Page(
            "FL3", "squared error of the mean", "Squared distance between the fitted and the true mean, divided by the true variance per dimension.",
            unit="variances", range=(0.0, inf), healthy="d/n for n records of d dimensions", collapsed="grows, then stays constant once the variance has vanished",
            role="risk", preference=6, paper=SCHAEFFER,
        ),
        "w2": Page(
            "FL4", "squared 2-Wasserstein distance", "‖m − m₀‖² + tr(S + S₀ − 2 (S₀^½ S S₀^½)^½) of the normal laws with the fitted and true moments.",
            unit="squared data units", range=(0.0, inf), healthy="about 1.5 d/n", collapsed="goes to infinity",
            role="risk", preference=5, paper="Shumailov et al., Nature 631:755 (2024), Theorem 3.1",
        ),
    }  # fmt: skip

    def __call__(self, evidence, rng):
        true_mean, true_covariance = _true_moments(evidence)
        mean, covariance = _moments(evidence)
        trace, true_trace = np.trace(covariance, axis1=-2, axis2=-1), np.trace(true_covariance)
        error = np.square(mean - true_mean).sum(axis=-1)
        yield read_off("log_variance", lambda: over_chains(_log_variance(covariance, true_covariance)))
        yield read_off("spread_ratio", lambda: over_chains(trace / true_trace))
        yield read_off("mean_error", lambda: over_chains(error / (true_trace / len(true_mean))))
        yield read_off("w2", lambda: over_chains(error + _bures(covariance, true_covariance)))


def _true_moments(evidence) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and the covariance of the true distribution if it is known, else of the held-out human records (divisor n - 1)."""
    if evidence.human.truth is not None:
        return evidence.human.truth.mean, evidence.human.truth.covariance
    human = evidence.reference.moments
    if np.linalg.matrix_rank(human.scatter) < len(human.mean):
        raise NotApplicable("the held-out human records do not span all dimensions; give more rows")
    return human.mean, human.scatter / (len(evidence.reference) - 1)


def _moments(evidence) -> tuple[np.ndarray, np.ndarray]:
    if hasattr(evidence.model, "covariance"):
        return evidence.model.mean, evidence.model.covariance
    drawn = evidence.drawn.moments
    return drawn.mean, drawn.scatter / (len(drawn) - 1)


def _log_determinant(covariance: np.ndarray) -> np.ndarray:
    """Return ln det, (chains…). In one dimension no decomposition is used, which is ten times as fast for thousands of chains."""
    return np.log(covariance[..., 0, 0]) if covariance.shape[-1] == 1 else np.linalg.slogdet(covariance)[1]


def _log_variance(covariance: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Return ln det of the fitted covariance less that of the true one, (chains…). Raises NotApplicable if one of them is singular."""
    with np.errstate(divide="ignore"):
        fitted, human = _log_determinant(covariance), _log_determinant(true)
    if not np.isfinite(human):
        raise NotApplicable("the true covariance is singular in double precision: it has no log-variance")
    if not np.isfinite(fitted).all():
        raise NotApplicable(
            f"the fitted covariance is singular in {np.mean(~np.isfinite(fitted)):.1%} of the chains: its log-variance is minus infinity"
        )
    return fitted - human


def _bures(covariance: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Return the squared Bures distance tr(S + S₀ − 2 (S₀^½ S S₀^½)^½), (chains…)."""
    return np.trace(covariance, axis1=-2, axis2=-1) + np.trace(true) - 2 * _overlap(covariance, true)


def _overlap(covariance: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Return tr (S₀^½ S S₀^½)^½, (chains…)."""
    if len(true) == 1:
        return np.sqrt(np.maximum(covariance * true, 0))[..., 0, 0]
    values, vectors = np.linalg.eigh(true)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    return np.sqrt(np.maximum(np.linalg.eigvalsh(root @ covariance @ root), 0)).sum(axis=-1)
