from __future__ import annotations

import numpy as np

from outcross.data.records import Blocks
from outcross.estimate import NotApplicable, read_off
from outcross.measures import Measure, Page
from outcross.recipe import recipe
from outcross.statistics.clusters import document_of
from outcross.text.lexicon import BANDS, survival
from outcross.text.words import RunningWords, words


@recipe
class TailSurvival(Measure):
    """Which of the words that people used still occur, by how often they used them: early collapse, which perplexity hides.

    It depends on how much text there is to look in. So it is read beside its floor: the same share for another human sample
    of as many blocks as were drawn, and only a gap between the two is a loss.

    The interval is one over words, as a sample of the words that people use so often; n counts them. Wilson over words
    would be too narrow, for the rare words of a document come and go together (a name, a foreign phrase); a bootstrap over drawn
    blocks is wrong, because a resample holds fewer distinct blocks and so fewer words. So: Wilson at the effective
    sample size, words in the human documents where they stand (the first, for those that stand in several; blocks, where
    the human text is one document). That covers both which words are rare and which of them happened to be drawn.
    """

    aspect = "tails"
    needs = ("text",)
    pages = {
        "tail_survival": Page(
            "TS1", "tail survival", "Of the distinct words that occur so often in the human training text, the share that occurs at all in the drawn text "
            "(lower case, whole words, block ends dropped).",
            unit="fraction", healthy="its floor: human text of as many blocks", collapsed="0, the rarest words first",
            role="tail", preference=1, paper="Shumailov et al., Nature 631:755 (2024); Suresh et al., arXiv 2412.17646",
        ),
    }  # fmt: skip

    def __call__(self, evidence, rng):
        human, drawn = evidence.human.training.records, words(evidence.drawn)
        clusters, inside = clusters_of(human)
        rows = rng.permutation(0 if evidence.human.holdout is None else len(evidence.human.holdout))[: drawn.n]
        for band in BANDS:
            yield read_off(
                "tail_survival",
                lambda band=band: survival(words(human), drawn, band, clusters, inside),
                null=lambda band=band: survival(words(human), _as_many(evidence, rows, drawn.n), band, clusters, inside),
                at=band,
            )


def clusters_of(human: Blocks) -> tuple[np.ndarray, str]:
    """What the words of human text come in: the document of each block, or the block where there is one document; and their name."""
    of = document_of(human)
    return (of, "documents") if of.max(initial=0) > 0 else (np.arange(len(human)), "blocks")


def _as_many(evidence, rows: np.ndarray, n: int) -> RunningWords:
    holdout = words(evidence.holdout)
    if holdout.n < n:
        raise NotApplicable(f"a floor needs as many other human blocks as were drawn, {n}; there are {holdout.n}")
    return holdout.take(rows)
