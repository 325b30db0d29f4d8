from __future__ import annotations

import math

import numpy as np

from outcross.data.records import Blocks
from outcross.estimate import Estimate, NotApplicable, Reading, read_off
from outcross.measures import Measure, Page
from outcross.recipe import recipe
from outcross.runtime.remembered import remembered
from outcross.statistics.clusters import document_of, ratio_of_sums, totals

SHUMAILOV = "Shumailov et al., Nature 631:755 (2024)"


@recipe
class HeldOut(Measure):
    """Loss of the model on human text of documents that no generation has seen.

    It detects late collapse. It may stay flat while the tails are lost (Shumailov et al.). Each block is scored alone, without
    context from other blocks. The interval is over documents, because the blocks of one document are similar.
    """

    aspect = "risk"
    needs = ("text",)
    pages = {
        "held_out_loss": Page(
            "HO1", "held-out loss", "−Σ ln p over all tokens of the held-out human blocks, divided by the number of tokens. Each block is scored alone.",
            unit="nats a token", healthy="that of generation 0", collapsed="grows",
            role="risk", preference=2, lead=2, paper=SHUMAILOV,
        ),
        "excess_loss": Page(
            "HO2", "held-out loss above generation 0", "The held-out loss less that of generation 0's model, document by document. Both losses are on the same documents, so "
            "the interval is that of the change.",
            unit="nats a token", healthy=0.0, collapsed="grows",
            worse="larger", role="risk", preference=1, paper=SHUMAILOV,
        ),
        "held_out_perplexity": Page(
            "HO3", "held-out perplexity", "exp of the held-out loss, which is the mean over all tokens. A second reading is the mean over blocks of each block's perplexity, which is larger.",
            unit="tokens", healthy="that of generation 0", collapsed="grows; a uniform model has the size of the vocabulary",
            log=True, role="risk", preference=3, lead=1, paper=SHUMAILOV,
        ),
        "bits_per_byte": Page(
            "HO4", "bits per byte", "−Σ log₂ p over the held-out human blocks, divided by their bytes in UTF-8. It is comparable across tokenisers.",
            unit="bits a byte", healthy="that of generation 0", collapsed="grows; 8 is as bad as chance",
            role="quality", lead=3, paper="Gao et al., The Pile, arXiv 2101.00027 §3.1",
        ),
    }  # fmt: skip

    def __call__(self, evidence, rng):
        reference = evidence.reference
        surprise, documents = nats(evidence.model, reference), document_of(reference)
        tokens = np.full(len(reference), float(reference.tokens.shape[1]))
        loss = ratio_of_sums(totals(surprise, documents), totals(tokens, documents), "documents")
        yield Reading("held_out_loss", loss)
        yield read_off(
            "excess_loss",
            lambda: ratio_of_sums(
                totals(surprise - nats(evidence.first_model, reference), documents), totals(tokens, documents), "documents"
            ),
        )
        yield read_off("held_out_perplexity", lambda: exp(loss))
        yield read_off("held_out_perplexity", lambda: _mean_of_exp(surprise, tokens, documents), at="mean over blocks")
        yield read_off(
            "bits_per_byte",
            lambda: ratio_of_sums(totals(surprise / math.log(2), documents), totals(_bytes(reference), documents), "documents"),
        )


@remembered
def nats(model, blocks: Blocks) -> np.ndarray:
    """Return −ln p of every block under a model, (n,).

    The result is remembered while model and text are in memory, because every generation needs the scores of generation 0's model.
    """
    surprise = -np.asarray(model.log_prob(blocks), dtype=float)
    if impossible := int((~np.isfinite(surprise)).sum()):
        raise NotApplicable(f"{impossible} of {len(blocks)} blocks have no finite likelihood under the model")
    return surprise


def _mean_of_exp(surprise: np.ndarray, tokens: np.ndarray, documents: np.ndarray) -> Estimate:
    """Return the mean over blocks of each block's own perplexity. By Jensen's inequality it is above the exponential of the mean loss."""
    with np.errstate(over="ignore", invalid="ignore"):
        return ratio_of_sums(totals(np.exp(surprise / tokens), documents), totals(np.ones(tokens.size), documents), "documents")


def exp(loss: Estimate) -> Estimate:
    """Return the exponential of an estimate. Raises NotApplicable if it overflows."""
    with np.errstate(over="ignore"):
        return loss.on_scale(np.exp)


def _bytes(blocks: Blocks) -> np.ndarray:
    size = blocks.column("_bytes")
    if not (size > 0).all():
        raise NotApplicable("a held-out block has no bytes")
    return size
