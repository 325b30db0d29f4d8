from __future__ import annotations

import numpy as np

from outcross.data.records import Vectors
from outcross.estimate import Estimate, NotApplicable, over_chains, read_off
from outcross.measures import Evidence, Measure, Page
from outcross.recipe import recipe
from outcross.statistics.clusters import ratio_of_sums


@recipe
class HeldOutNats(Measure):
    """Cross-entropy of the model on real points that it has not seen, the metric of the papers on kernel densities.

    The floor is the value for the model of generation 0. Densities have units, so only differences have a meaning, and values may be below 0.
    A single real point with density 0 makes the mean infinite. In that case there is no number, and the note gives the share of such points.
    The interval of a single chain is over points and holds for this model only: it does not include the variation between human samples.
    """

    by_default = False
    aspect = "risk"
    needs = ("vectors",)
    pages = {
        "held_out_nats": Page(
            "HN1", "held-out nats", "−ln p of real points that no model learned from, mean over points and chains. The real points are a fresh sample of the true distribution, as many as were drawn, or the held-out human records.",
            unit="nats a point", healthy="that of the model fitted on human data alone", collapsed="grows without end, or is infinite if real points lie outside the model's support",
            worse="larger", role="quality", paper="Kazdan et al., arXiv 2410.16713 (kernel densities)",
        ),
    }  # fmt: skip

    def __call__(self, evidence, rng):
        real = _held_out(evidence, rng)
        yield read_off("held_out_nats", lambda: nats(evidence.model, real), null=lambda: nats(evidence.first_model, real))


def _held_out(evidence: Evidence, rng: np.random.Generator) -> Vectors:
    drawn, truth = evidence.drawn, evidence.human.truth
    return evidence.reference if truth is None else truth.draw(len(drawn), drawn.array.shape[:-2], rng)


def nats(model, real: Vectors) -> Estimate:
    """Return the mean of −ln p of real points under a model, with an interval over chains if there are several, else over points."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        surprise = -np.asarray(model.log_prob(real), dtype=float)  # (chains…, n)
    if lost := int((~np.isfinite(surprise)).sum()):
        raise NotApplicable(
            f"{lost / surprise.size:.1%} of {surprise.size:,} held-out real points have no finite density under the model"
        )
    return ratio_of_sums(surprise, np.ones(surprise.size), "points") if surprise.ndim == 1 else over_chains(surprise.mean(axis=-1))
