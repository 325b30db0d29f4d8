from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from outcross.data.records import Vectors
from outcross.errors import BadInput
from outcross.laws.mixture import NormalMixture, log_sum_exp
from outcross.models import Learner
from outcross.models.kde import refuse_reshaping
from outcross.recipe import recipe

NUMBERS = 2**22
"""Size of a block of chains that are fitted together: chains x records x components x dimensions."""


@recipe
class GaussianMixture(Learner):
    """A mixture of normal distributions with full covariances, fitted by expectation-maximisation.

    Each fit begins with k-means++ centres drawn from the run's stream, and keeps the likeliest of `starts` fits. A fit stops when a
    step changes the mean log-likelihood of a record by less than `tolerance`. From the same start scikit-learn's
    GaussianMixture gives the same numbers (tests/laws/test_mixture.py), but it supports neither weights nor chains.
    """

    paper = "Shumailov et al., Nature 631:755 (2024), Gaussian mixture; Alemohammad et al., arXiv 2307.01850 (25 modes); Dempster et al. (1977)"
    learns = ("vectors", "blobs")  # Blobs are vectors in clusters, which add the measures of mixtures.

    components: Annotated[int, Field(ge=1, le=10_000)] = 2
    """Number of normal distributions in the mixture."""
    tolerance: Annotated[float, Field(gt=0)] = 1e-5
    """Change of the mean log-likelihood, in nats per record, below which a fit stops."""
    iterations: Annotated[int, Field(ge=1)] = 2000
    """Maximum number of iterations of expectation-maximisation."""
    regularisation: Annotated[float, Field(ge=0)] = 1e-6
    """Number that is added to every variance at every step, in squared units of the data. No component can become narrower than this."""
    starts: Annotated[int, Field(ge=1, le=1000)] = 1
    """Number of random starts; the likeliest fit is kept."""

    def fit(self, records, weights, start, training, rng):
        *chains, n, d = records.array.shape
        if n < self.components:
            raise BadInput(
                f"gaussian_mixture with {self.components} components needs at least {self.components} records, got {n}; give more records or fewer components"
            )
        points = records.array.reshape(-1, n, d)
        shares = np.full(n, 1 / n) if weights is None else weights / weights.sum()
        at_once = max(1, NUMBERS // (n * self.components * d))
        try:
            blocks = [self._likeliest(points[i : i + at_once], shares, rng) for i in range(0, len(points), at_once)]
        except np.linalg.LinAlgError:
            raise BadInput(
                f"a component of gaussian_mixture shrank to a point with regularisation {self.regularisation:g}; raise regularisation"
            ) from None
        parts = [np.concatenate(part) for part in zip(*blocks, strict=True)]
        return MixtureModel(*(part.reshape(*chains, *part.shape[1:]) for part in parts))

    def _likeliest(self, points: np.ndarray, shares: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Return weights, means and covariances of the likeliest of several fits, for each chain."""
        fits = [self.maximise(points, shares, self.seeded(points, shares, rng)) for _ in range(self.starts)]
        best = np.argmax([likelihood for _, likelihood in fits], axis=0), np.arange(len(points))
        return tuple(np.stack([getattr(fit, part) for fit, _ in fits])[best] for part in ("weights", "means", "covariances"))

    def seeded(self, points: np.ndarray, shares: np.ndarray, rng: np.random.Generator) -> NormalMixture:
        """Return the mixture of the clusters around k-means++ centres, (chains, K)."""
        centres = seeds(points, shares, self.components, rng)
        nearest = np.argmin(_squares(points, centres), axis=-1)
        belongs = (nearest[..., None] == np.arange(self.components)).astype(float)
        return self._maximised(points, shares, belongs)

    def maximise(self, points: np.ndarray, shares: np.ndarray, start: NormalMixture) -> tuple[NormalMixture, np.ndarray]:
        """Return the mixture at which each chain has converged, and its mean log-likelihood per record in nats."""
        parameters = [start.weights.copy(), start.means.copy(), start.covariances.copy()]
        likelihood = np.full(len(points), -np.inf)
        active = np.arange(len(points))
        for _ in range(self.iterations):
            now = NormalMixture(*(part[active] for part in parameters))
            joint = now.log_joint(points[active])
            total = log_sum_exp(joint)
            belongs = np.exp(joint - total[..., None])
            better = self._maximised(points[active], shares, belongs)
            for part, own in zip(parameters, (better.weights, better.means, better.covariances), strict=True):
                part[active] = own
            before, likelihood[active] = likelihood[active], total @ shares
            active = active[np.abs(likelihood[active] - before) >= self.tolerance]
            if not len(active):
                break
        return NormalMixture(*parameters), likelihood

    def _maximised(self, points: np.ndarray, shares: np.ndarray, belongs: np.ndarray) -> NormalMixture:
        """Return the likeliest mixture, given the responsibility of each component for each record, (chains, n, K)."""
        owned = np.swapaxes(belongs, -1, -2) * shares  # (chains, K, n)
        sizes = owned.sum(axis=-1) + 10 * np.finfo(float).eps / len(shares)
        means = owned @ points / sizes[..., None]
        centred = points[..., None, :, :] - means[..., :, None, :]  # (chains, K, n, d)
        covariances = np.swapaxes(centred * owned[..., None], -1, -2) @ centred / sizes[..., None, None]
        covariances += self.regularisation * np.eye(points.shape[-1])
        return NormalMixture(sizes / sizes.sum(axis=-1, keepdims=True), means, covariances)

    def load(self, folder):
        with np.load(folder / "mixture.npz", allow_pickle=False) as stored:
            return MixtureModel(stored["weights"], stored["means"], stored["covariances"])


class MixtureModel(NormalMixture):
    """One fitted mixture of normal distributions per chain."""

    def sample(self, draw, prompts, rng) -> Vectors:
        """Return independent points (chains…, n, d); they are not ordered by component."""
        refuse_reshaping(draw, "gaussian_mixture", "filter what it writes instead")
        return Vectors(self.points(draw.records, rng))

    def log_prob(self, records: Vectors) -> np.ndarray:
        """Return the log-density in nats, (chains…, n)."""
        return self.log_density(records.array)

    def save(self, folder: Path) -> None:
        np.savez(folder / "mixture.npz", weights=self.weights, means=self.means, covariances=self.covariances)


def seeds(points: np.ndarray, shares: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    """Return k records that are far from each other, (chains, k, d), by greedy k-means++ (Arthur and Vassilvitskii 2007; scikit-learn's variant).

    A candidate for a centre is drawn with probability proportional to its weight times its squared distance to the nearest centre so far.
    Of 2 + ln k candidates, the candidate with the smallest remaining total distance becomes the centre.
    """
    chains = np.arange(len(points))[:, None]
    first = rng.choice(points.shape[1], size=len(points), p=shares)
    centres = points[chains, first[:, None]]  # (chains, 1, d)
    nearest = _squares(points, centres)[..., 0]  # (chains, n)
    while centres.shape[1] < k:
        odds = np.cumsum(nearest * shares, axis=-1)
        aims = rng.random((len(points), 2 + int(np.log(k)))) * odds[:, -1:]
        candidates = np.minimum((aims[..., None] >= odds[:, None, :]).sum(axis=-1), points.shape[1] - 1)  # (chains, candidates)
        left = np.minimum(nearest[..., None], _squares(points, points[chains, candidates]))  # (chains, n, candidates)
        chosen = np.argmin(np.einsum("cnj,n->cj", left, shares), axis=-1)[:, None]
        nearest = np.take_along_axis(left, chosen[:, None, :], axis=-1)[..., 0]
        centres = np.concatenate([centres, points[chains, np.take_along_axis(candidates, chosen, axis=-1)]], axis=1)
    return centres


def _squares(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Return the squared distances, (chains, n, K)."""
    return sum(np.square(points[..., :, None, axis] - centres[..., None, :, axis]) for axis in range(points.shape[-1]))  # type: ignore[return-value]
