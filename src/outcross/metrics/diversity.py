from __future__ import annotations

import numpy as np

from outcross.clusters import bootstrapped, documents, jackknife, share
from outcross.data import Blocks
from outcross.estimate import Estimate, NotApplicable, read_off
from outcross.metrics import Metric, Page
from outcross.recipe import recipe
from outcross.remembered import remembered
from outcross.words import Runs, Words, lowest, words

GUO = "Guo et al., arXiv 2311.09807; Li et al., NAACL 2016 (distinct-n)"
REPEATED = (2, 3, 4)
ENTROPIES = {"words": 1, "word pairs": 2}


@recipe
class Diversity(Metric):
    """How many different things the drawn text says, against human text of the same size.

    Words as everywhere: lower case, block ends dropped; n-grams of words never cross the end of a block. Counts of distinct things depend
    on the amount of text: their floors are human text (the second sample, filled up from the training text) cut to as many blocks
    (vocabulary) or as many words, to the nearest block (distinct n-grams, entropy). Drawn blocks are resampled one by
    one, human ones in documents. The jackknife's intervals are somewhat too wide, which `clusters.jackknife` explains.
    """

    reads = ("text",)
    pages = {
        "vocabulary": Page("vocabulary", "Distinct words in the drawn text.", "words", "its floor: human text of as many blocks", "shrinks to a few words", GUO, log=True),
        "known_words": Page(
            "known words",
            "Share of the running words that occur in any human text at hand: training, validation, held-out, second sample, reserve and continuations. "
            "Its floor: the words of the second sample in the others.",
            "fraction", "its floor", "falls where the model makes up words; 1 where it only repeats", "Shumailov et al., Nature 631:755 (2024), Fig. 1: the high tail of perplexity",
        ),
        "distinct_1": Page("distinct words", "Distinct words over running words (type-token ratio).", "fraction", "its floor: human text of as many words", "towards 0", GUO),
        "distinct_2": Page("distinct word pairs", "Distinct pairs of neighbouring words over running pairs.", "fraction", "its floor: human text of as many words", "towards 0", GUO),
        "distinct_3": Page("distinct word triples", "Distinct runs of three words over running ones.", "fraction", "its floor: human text of as many words", "towards 0", GUO),
        "ngram_entropy": Page(
            "entropy of words", "−Σ p ln p of the shares p of words, and of pairs of neighbouring words, as counted (not corrected for what was not seen).",
            "nats", "its floor: human text of as many words", "0", "Gambetta et al., arXiv 2410.12341",
        ),
        "repetition": Page(
            "repetition", "1 − (1 − r₂)(1 − r₃)(1 − r₄), where rₙ is the share of a block's word n-grams that it has said before, over all blocks of 4 words or more.",
            "fraction", "its floor: the second human sample", "towards 1", "Drayson et al., arXiv 2502.15654",
        ),
    }  # fmt: skip

    def __call__(self, evidence, rng):
        drawn = words(evidence.drawn.records)
        blocks = np.arange(drawn.n)
        order = rng.permutation(0 if evidence.human.holdout is None else len(evidence.human.holdout))
        rest = rng.permutation(len(evidence.human.training))

        def human(cut):
            return cut(_human_text(evidence.holdout, evidence.human.training.records), order, rest, drawn)

        for prefix, sample in (("", lambda cut: (drawn, blocks, "blocks")), ("floor", human)):
            yield read_off("vocabulary", prefix, lambda: _vocabulary(*sample(_as_many_blocks)))
            for n in (1, 2, 3):
                yield read_off(f"distinct_{n}", prefix, lambda n=n: _distinct(n, *sample(_as_many_words)))
            for aspect, n in ENTROPIES.items():
                yield read_off("ngram_entropy", f"{prefix} {aspect}".strip(), lambda n=n: _entropy(n, *sample(_as_many_words)))
        yield read_off("known_words", "", lambda: _known(drawn, blocks, "blocks", _human_words(evidence.human, {})))
        yield read_off("known_words", "floor", lambda: _known(*_second(evidence), _human_words(evidence.human, {"holdout"})))
        yield read_off("repetition", "", lambda: _repetition(drawn, blocks, "blocks", rng))
        yield read_off("repetition", "floor", lambda: _repetition(*_second(evidence), rng))
