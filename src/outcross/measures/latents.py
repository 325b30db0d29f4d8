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
    """Mean and standard deviation of the pictures of a generation in the latent space of generation 0's encoder.

    Latents are drawn from N(0, I) and decoded by the model of this generation. Generation 0's encoder then gives each picture a posterior
    mean, which makes (latents × dimensions) numbers. The numbers of one picture are not independent, so the interval is over the pictures. It holds
    for these models only: the variation between training runs needs several seeds.
    """

    aspect = "spread"
    needs = ("images",)
    pages = {
        "latent_spread": Page(
            "LS1", "spread of latents", "Standard deviation of all coordinates of the posterior means that generation 0's encoder gives to pictures of this generation (100 pictures, unless set; divisor n − 1).",
            unit="standard deviations of the prior", healthy="that of generation 0", collapsed="0: one picture is left",
            role="spread", preference=4, lead=8, paper=SHUMAILOV,
        ),
        "latent_mean": Page(
            "LS2", "mean of latents", "Mean of the same posterior means.",
            unit="standard deviations of the prior", healthy=0.0, collapsed="the mean of the last picture",
            role="quality", paper=SHUMAILOV,
        ),
    }  # fmt: skip

    latents: Annotated[int, Field(ge=2, le=100_000)] = 100
    """Number of latents that are drawn and decoded."""

    def __call__(self, evidence, rng):
        means = self._posterior_means(evidence, rng)
        yield read_off("latent_spread", lambda: spread(means))
        yield read_off(
            "latent_mean", lambda: ratio_of_sums(means.sum(axis=1), np.full(len(means), float(means.shape[1])), "latents")
        )

    def _posterior_means(self, evidence: Evidence, rng: np.random.Generator) -> np.ndarray:
        """Return the posterior means of generation 0's encoder for pictures of this generation, (latents, dimensions)."""
        model, first = evidence.model, evidence.first_model
        if not (hasattr(model, "decode") and hasattr(first, "encode")):
            raise NotApplicable("needs models that decode latents and encode pictures, as vae does")
        latents = rng.standard_normal((self.latents, model.network.shape.latents), dtype=np.float32)
        return first.encode(model.decode(latents).reshape(self.latents, -1))[0].astype(np.float64)


def spread(means: np.ndarray) -> Estimate:
    """Return the standard deviation of all numbers of an array (pictures, dimensions). Its interval is that of their variance over pictures."""
    squares = np.square(means - means.mean()).sum(axis=1)
    variance = float(squares.sum() / (means.size - 1))
    parts = (squares - squares.mean()) / (means.size - 1)
    return sum_of(variance, parts, np.ones(len(means)), "latents").on_scale(lambda value: math.sqrt(max(value, 0.0)))
