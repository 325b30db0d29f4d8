from __future__ import annotations

import math
from typing import Annotated

import numpy as np
from pydantic import Field

from outcross.estimate import Estimate, NotApplicable, read_off
from outcross.measures import Evidence, Measure, Page
from outcross.recipe import recipe
from outcross.statistics.clusters import ratio_of_sums, sum_of

SHUMAILOV = "Shumailov et al., Nature 631:755 (2024), supplement (VAE on MNIST)"


@recipe
class Latents(Measure):
    """How widely the pictures of a generation are scattered, as the encoder of generation 0 sees them.

    Latents are drawn from N(0, I) and decoded by the model of this generation, and generation 0's encoder gives each picture a posterior
    mean: (latents × dimensions) numbers. The numbers of one picture are not independent, so the interval is over the pictures. It speaks
    of these models: how far another training run would end elsewhere, only seeds show.
    """

    aspect = "spread"
    needs = ("images",)
    pages = {
        "latent_spread": Page(
            "LS1", "spread of latents", "Standard deviation of all posterior means that generation 0's encoder gives to pictures of this generation (of 100 latents, unless set; divisor n − 1).",
            unit="standard deviations of the prior", healthy="that of generation 0", collapsed="0: one picture is left",
            role="spread", preference=4, lead=8, paper=SHUMAILOV,
        ),
        "latent_mean": Page(
            "LS2", "mean of latents", "Mean of the same posterior means.",
            unit="standard deviations of the prior", healthy=0.0, collapsed="where the last picture lies",
            role="quality", paper=SHUMAILOV,
        ),
    }  # fmt: skip

    latents: Annotated[int, Field(ge=2, le=100_000)] = 100
    """Latents that are drawn and decoded."""

    def __call__(self, evidence, rng):
        means = self._posterior_means(evidence, rng)
        yield read_off("latent_spread", lambda: spread(means))
        yield read_off(
            "latent_mean", lambda: ratio_of_sums(means.sum(axis=1), np.full(len(means), float(means.shape[1])), "latents")
        )

    def _posterior_means(self, evidence: Evidence, rng: np.random.Generator) -> np.ndarray:
        """What generation 0's encoder says of pictures of this generation, (latents, dimensions)."""
        model, first = evidence.model, evidence.first_model
        if not (hasattr(model, "decode") and hasattr(first, "encode")):
            raise NotApplicable("needs models that decode latents and encode pictures, as vae does")
        latents = rng.standard_normal((self.latents, model.network.shape.latents), dtype=np.float32)
        return first.encode(model.decode(latents).reshape(self.latents, -1))[0].astype(np.float64)


def spread(means: np.ndarray) -> Estimate:
    """The standard deviation of all numbers of an array (pictures, dimensions), its interval that of their variance over pictures."""
    squares = np.square(means - means.mean()).sum(axis=1)
    variance = float(squares.sum() / (means.size - 1))
    parts = (squares - squares.mean()) / (means.size - 1)
    return sum_of(variance, parts, np.ones(len(means)), "latents").on_scale(lambda value: math.sqrt(max(value, 0.0)))
