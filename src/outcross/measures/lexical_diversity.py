from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from outcross.data import HUMAN_PARTS, Human
from outcross.data.records import Blocks
from outcross.estimate import Estimate, NotApplicable, read_off
from outcross.measures import Measure, Page
from outcross.recipe import recipe
from outcross.runtime.remembered import remembered
from outcross.statistics.clusters import document_of, prompts_of, share, sum_of, totals
from outcross.text.lexicon import Sample, distinct, entropy, vocabulary
from outcross.text.words import RunningWords, words

GUO = "Guo et al., arXiv 2311.09807; Li et al., NAACL 2016 (distinct-n)"
REPEATED = (2, 3, 4)
ENTROPIES = {"words": 1, "word pairs": 2}


@recipe
class LexicalDiversity(Measure):
    """How many different things the drawn text says, against human text of the same size.

    Words as everywhere: lower case, block ends dropped; n-grams of words never cross the end of a block. Counts of distinct things depend
    on the amount of text: their floors are human text (the second sample, filled up from the training text) cut to as many blocks
    (vocabulary) or as many words, to the nearest block (distinct n-grams, entropy). Intervals are over drawn blocks one
    by one, over human ones in documents. How intervals of counts are made `clusters.distinct` explains.
    """

    aspect = "diversity"
    stream = "diversity"
    needs = ("text",)
    pages = {
        "vocabulary": Page(
            "LD1", "vocabulary", "Distinct words in the drawn text.",
            unit="words", healthy="its floor: human text of as many blocks", collapsed="shrinks to a few words",
            log=True, role="diversity", paper=GUO,
        ),
        "known_words": Page(
            "LD2", "known words", "Share of the running words that occur in any human text at hand: training, validation, held-out, second sample, reserve and continuations. "
            "Its floor: the words of the second sample in the others.",
            unit="fraction", healthy="its floor", collapsed="falls where the model makes up words; 1 where it only repeats",
            role="quality", paper="Shumailov et al., Nature 631:755 (2024), Fig. 1: the high tail of perplexity",
        ),
        "distinct_1": Page(
            "LD3", "distinct words", "Distinct words over running words (type-token ratio).",
            unit="fraction", healthy="its floor: human text of as many words", collapsed="towards 0",
            role="diversity", paper=GUO,
        ),
        "distinct_2": Page(
            "LD4", "distinct word pairs", "Distinct pairs of neighbouring words over running pairs.",
            unit="fraction", healthy="its floor: human text of as many words", collapsed="towards 0",
            role="diversity", preference=1, paper=GUO,
        ),
        "distinct_3": Page(
            "LD5", "distinct word triples", "Distinct runs of three words over running ones.",
            unit="fraction", healthy="its floor: human text of as many words", collapsed="towards 0",
            role="diversity", paper=GUO,
        ),
        "ngram_entropy": Page(
            "LD6", "entropy of words", "−Σ p ln p of the shares p of words, and of pairs of neighbouring words, as counted (not corrected for what was not seen).",
            unit="nats", healthy="its floor: human text of as many words", collapsed="0",
            role="diversity", paper="Gambetta et al., arXiv 2410.12341",
        ),
        "repetition": Page(
            "LD7", "repetition", "1 − (1 − r₂)(1 − r₃)(1 − r₄), where rₙ is the share of a block's word n-grams that it has said before, over all blocks of 4 words or more.",
            unit="fraction", healthy="its floor: the second human sample", collapsed="towards 1",
            role="diversity", paper="Drayson et al., arXiv 2502.15654",
        ),
    }  # fmt: skip

    def __call__(self, evidence, rng):
        text = words(evidence.drawn)
        drawn = Sample(text, *prompts_of(evidence.drawn))
        order = [rng.permutation(0 if part is None else len(part)) for part in (evidence.human.holdout, evidence.human.training)]

        def as_many(cut):
            return cut(_human_text(evidence.holdout, evidence.human.training.records), order, text)

        def beside(name, count, cut, at=""):
            return read_off(name, lambda: count(drawn), null=lambda: count(as_many(cut)), at=at)

        yield beside("vocabulary", vocabulary, _as_many_blocks)
        for n in (1, 2, 3):
            yield beside(f"distinct_{n}", lambda sample, n=n: distinct(sample, n), _as_many_words)
        for of, n in ENTROPIES.items():
            yield beside("ngram_entropy", lambda sample, n=n: entropy(sample, n), _as_many_words, of)
        yield read_off(
            "known_words",
            lambda: _known(drawn, evidence.human, but=""),
            null=lambda: _known(_human(evidence.holdout), evidence.human, but="holdout"),
        )
        yield read_off("repetition", lambda: _repetition(drawn), null=lambda: _repetition(_human(evidence.holdout)))


def _known(sample: Sample, human: Human, but: str) -> Estimate:
    text = sample.words
    parts = [getattr(human, name) for name in HUMAN_PARTS if name != but]
    known = text.are_in([words(part.records) for part in parts if part is not None])[text.ids]
    found = sample.spread(np.bincount(text.blocks[known], minlength=text.n))
    return share(found, sample.spread(text.per_block), "words", sample.of)


def _repetition(sample: Sample) -> Estimate:
    text = sample.words
    if not (long := text.per_block >= max(REPEATED)).any():
        raise NotApplicable(f"no block of the text has {max(REPEATED)} whole words")
    clusters = np.unique(sample.clusters[long], return_inverse=True)[1]
    inside = [text.runs[n].inside(text.n) for n in REPEATED]
    counted = [(totals(unlike[long], clusters), totals(running[long], clusters)) for unlike, running in inside]

    return repeated(counted, sample.of)


def repeated(counted: list[tuple[np.ndarray, np.ndarray]], of: str) -> Estimate:
    """1 - Π (different / running) of runs of each length, told for every cluster."""
    new = [unlike.sum() / running.sum() for unlike, running in counted]
    if (value := 1 - math.prod(new)) > 0:
        parts = [(share * running - unlike) / unlike.sum() for share, (unlike, running) in zip(new, counted, strict=True)]
        told = sum_of(value, math.prod(new) * np.sum(parts, axis=0), counted[0][1], of)  # to first order
        low, high = told.interval
        return replace(told, low=max(0.0, low), high=min(1.0, high))
    pairs = counted[0][1]  # no block repeats a pair, so none repeats a longer run, and there is no scatter
    none = share(np.zeros(pairs.size), pairs, "word pairs", of)
    return replace(none, high=1 - (1 - none.interval[1]) ** len(REPEATED))


def _human(blocks: Blocks) -> Sample:
    return Sample(words(blocks), document_of(blocks), "documents")


@remembered
def _human_text(holdout: Blocks, training: Blocks) -> Blocks:
    return Blocks.concat((holdout, training))


def _as_many_blocks(human: Blocks, order: list[np.ndarray], drawn: RunningWords) -> Sample:
    return _human(human).take(_in_turn(order)[: _enough(drawn.n, len(human), "blocks")])


def _as_many_words(human: Blocks, order: list[np.ndarray], drawn: RunningWords) -> Sample:
    rows, wanted = _in_turn(order), _enough(len(drawn), len(words(human)), "words")
    so_far = np.cumsum(words(human).per_block[rows])
    return _human(human).take(rows[: np.abs(so_far - wanted).argmin() + 1])


def _in_turn(order: list[np.ndarray]) -> np.ndarray:
    """The rows of the second human sample in their order, then those of the training text."""
    first, then = order
    return np.concatenate((first, first.size + then))


def _enough(wanted: int, there: int, what: str) -> int:
    if wanted == 0:
        raise NotApplicable(f"the drawn text has no {what}")
    if there < wanted:
        raise NotApplicable(f"a floor needs as many human {what} as were drawn, {wanted}; there are {there}")
    return wanted
