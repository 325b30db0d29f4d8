from __future__ import annotations

import numpy as np

from outcross.estimate import NotApplicable, Reading, read_off
from outcross.measures import Evidence, Measure, Page
from outcross.recipe import recipe
from outcross.statistics.clusters import ratio_of_sums

KINGMA = "Kingma and Welling, arXiv 1312.6114; in the loop: Shumailov et al., Nature 631:755 (2024), supplement"


@recipe
class HeldOutElbo(Measure):
    """Negative evidence lower bound (ELBO) of a variational autoencoder on human pictures that no generation has seen.

    For black-and-white pictures it is an upper bound of −ln p. For grey pictures it is the published loss, but not a bound. Its two parts are
    readings at places of their own. It detects late collapse: a model that writes grey pictures explains no picture well. One latent per picture is
    drawn, the same for this generation's model and for generation 0's, so that the change is computed over pairs. The interval is over pictures.
    """

    aspect = "risk"
    needs = ("images",)
    pages = {
        "held_out_elbo": Page(
            "EL1", "held-out negative ELBO", "Mean over held-out human pictures of the cross-entropy of their pixels given one latent drawn from the posterior, plus the divergence of that posterior from N(0, I).",
            unit="nats a picture", healthy="that of generation 0", collapsed="grows, up to the value of a model with a single picture",
            role="risk", preference=9, lead=9, paper=KINGMA,
        ),
        "excess_elbo": Page(
            "EL2", "held-out negative ELBO above generation 0", "The held-out negative ELBO less that of generation 0's model, picture by picture.",
            unit="nats a picture", healthy=0.0, collapsed="grows",
            worse="larger", role="risk", preference=8, paper=KINGMA,
        ),
    }  # fmt: skip

    def __call__(self, evidence, rng):
        pictures, model, first = self._given(evidence)
        noise = rng.standard_normal((len(pictures), model.network.shape.latents), dtype=np.float32)
        each = np.ones(len(pictures))
        entropy, divergence = model.elbo_parts(pictures, noise)
        total = entropy + divergence
        yield Reading("held_out_elbo", ratio_of_sums(total, each, "pictures"))
        yield Reading("held_out_elbo", ratio_of_sums(entropy, each, "pictures"), at="cross-entropy")
        yield Reading("held_out_elbo", ratio_of_sums(divergence, each, "pictures"), at="divergence")
        yield read_off("excess_elbo", lambda: ratio_of_sums(total - sum(first.elbo_parts(pictures, noise)), each, "pictures"))

    def _given(self, evidence: Evidence):
        pictures, model, first = evidence.reference.array, evidence.model, evidence.first_model
        if not (hasattr(model, "elbo_parts") and hasattr(first, "elbo_parts")):
            raise NotApplicable("needs models with an evidence lower bound, as vae has")
        return pictures, model, first
