from __future__ import annotations

import numpy as np

from outcross.data.records import Vectors
from outcross.estimate import Estimate, NotApplicable, over_chains, read_off
from outcross.measures import Evidence, Measure, Page
from outcross.recipe import recipe
from outcross.statistics.clusters import ratio_of_sums


@recipe
class HeldOutNats(Measure):
    """How unlikely the model finds real points that it has not seen: the cross-entropy, the metric of the papers on kernel densities.

    The floor is the same for the model of generation 0, fitted on as many real points. Densities have units: only differences
    mean something, and 0 is no end of the scale. One real point where the model has no density makes the mean infinite; then
    there is no number, and the note gives their share. The interval of a single chain is over points
    and speaks of this model: how another human sample would have taught it is not in it.
    """

    by_default = False
    aspect = "risk"
    needs = ("vectors",)
    pages = {
        "held_out_nats": Page(
            "HN1", "held-out nats", "−ln p of real points that no model learned from (a fresh sample of the truth, as many as were drawn; or the held-out human records), the mean over points and chains.",
            unit="nats a point", healthy="that of the model fitted on human data alone", collapsed="grows without end, or is infinite where the model lost its support",
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
    """−ln p of real points under a model, the mean over chains, else over points."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        surprise = -np.asarray(model.log_prob(real), dtype=float)  # (chains…, n)
    if lost := int((~np.isfinite(surprise)).sum()):
        raise NotApplicable(
            f"{lost / surprise.size:.1%} of {surprise.size:,} held-out real points have no finite density under the model"
        )
    return ratio_of_sums(surprise, np.ones(surprise.size), "points") if surprise.ndim == 1 else over_chains(surprise.mean(axis=-1))
