"""How diverse is the language of the texts?"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Annotated

import numpy as np
from pydantic import Field

from outcross.attributes.variety import Mtld
from outcross.estimate import Estimate, NotApplicable, Null, Reading
from outcross.measures import BEYOND, Evidence, Page, read_with_null
from outcross.measures.groups import INSIDE
from outcross.measures.of_texts import (
    OfTexts,
    inside_groups,
    known_and_fresh,
    read_beyond_prompts,
    without_prompt,
    written,
    written_beside_prompts,
)
from outcross.measures.writing import Writing, notes
from outcross.recipe import recipe
from outcross.statistics.clusters import average, share
from outcross.statistics.floors import Worse, normal
from outcross.statistics.kinds import fewer_kinds, held_in
from outcross.statistics.ratios import ratio_of_estimates
from outcross.statistics.variety import OfDistinctThings, OfEntropy, OfWordsSaidOnce
from outcross.text.lexicon import Sample, compression, distinct, entropy, hapax_share
from outcross.text.repetition import repetition
from outcross.text.self_bleu import self_bleu
from outcross.text.texts import Texts
from outcross.text.words import joined
from outcross.text.zipf import zipf_slope
from outcross.wording import amount

WORDS = 1_000_000
"""Maximum number of words at which two sets are compared."""
FEWEST = 20
"""Minimum number of long texts per side for the variety inside a text."""
LONG = 50
"""Minimum number of words of a text for its MTLD; shorter texts give little more than noise. Also the maximum number of words read for repetition."""
PORTIONS = 20
Compared = tuple[Estimate, Null, Callable[[float, float], float] | None]
"""A ratio, its null, and the rule for the smallest share of running words or bytes that would have to change. The rule is None if there is none."""
GUO = "Guo et al., The Curious Decline of Linguistic Diversity, NAACL 2024, arXiv 2311.09807"


@recipe
class LexicalDiversity(OfTexts):
    """Lexical diversity of the text, compared with that of human text with equally many words.

    Most of the numbers depend on the amount of text, so both sides are read at the same number of words, which the note gives. n-grams of
    words never cross the end of a text. `clusters.distinct` and `clusters.jackknife` explain the intervals of counts. The interval of the
    vocabulary comes from a permutation of documents, because its jackknife is too narrow if documents differ much, for instance in their language.
    Inside a group, the language is compared with that of the same group of people. Readings that count words are also computed without the words of
    the prompts: both sides have equally many written words, and a word that stands in the prompt of its own text does not count.

    The severity of a loss (`statistics.variety`) is the smallest share of running words that would have to change. It is exact for vocabulary, runs
    of words, the effective number of words and words that occur once. For the size when compressed it is the smallest share of bytes, if a byte that
    changes adds at most one compressed byte. Zipf's slope, the similarity of texts and the variety inside a text have no such smallest change. Their
    severity is the part of the human value that is missing, as for other ratios (`measures.severity`).
    """

    max_groups: Annotated[int, Field(ge=0)] = INSIDE
    """Maximum number of groups of a column whose language is read, those with the most human records first."""

    aspect = "diversity"
    pages = {
        "vocabulary_ratio": Page(
            "DI10", "vocabulary", "Number of distinct words, divided by the number of distinct words of human text, for equal numbers of words.",
            unit="ratio", healthy=1.0, collapsed="towards 0",
            margin=0.9, worse="smaller", role="diversity", preference=2, paper="Gotelli and Colwell, Ecol. Lett. 4:379, 2001 (whole records are drawn, not words)",
        ),
        "distinct_n": Page(
            "DI11", "distinct runs of words", "Number of distinct runs of 2, 3 and 4 words, divided by that of human text, for equal numbers of words.",
            unit="ratio", healthy=1.0, collapsed="towards 0",
            margin=0.9, worse="smaller", role="diversity", paper=f"Li et al., NAACL 2016 (distinct-n); {GUO}",
        ),
        "word_entropy": Page(
            "DI12", "effective number of words", "Exponential of the entropy of word frequencies, divided by that of human text, for equal numbers of words.",
            unit="ratio", healthy=1.0, collapsed="towards 0",
            margin=0.9, worse="smaller", role="diversity", paper="Gambetta et al., arXiv 2410.12341",
        ),
        "hapax_share": Page(
            "DI13", "words that occur once", "Share of the distinct words that occur only once, divided by that share of human text, for equal numbers of words.",
            unit="ratio", healthy=1.0, collapsed="towards 0",
            margin=0.9, worse="smaller", role="diversity", paper="Baayen, Word Frequency Distributions, 2001",
        ),
        "zipf_slope": Page(
            "DI14", "Zipf's slope", "Slope with which the frequency of words falls with their rank, divided by that of human text, for equal numbers of words. It is steeper if few words make up most of the text.",
            unit="ratio", change="excess", healthy=1.0, collapsed="grows",
            margin=0.9, worse="larger", role="diversity", paper="Clauset et al., SIAM Rev. 51:661, 2009, eq. 3.5",
        ),
        "compression": Page(
            "DI15", "size when compressed", "Bytes after compression with zlib divided by bytes before, divided by the same ratio of human text, for portions of equal size. It is smaller if texts repeat each other.",
            unit="ratio", healthy=1.0, collapsed="towards 0",
            margin=0.9, worse="smaller", role="diversity", paper="Shaib et al., arXiv 2403.00553",
        ),
        "self_bleu": Page(
            "DI16", "similarity of texts", "Self-BLEU-4 of random texts, divided by that of equally many human texts. It is larger if texts are similar to each other.",
            unit="ratio", change="excess", healthy=1.0, collapsed="grows",
            margin=0.8, worse="larger", role="diversity", paper="Zhu et al., Texygen, SIGIR 2018",
        ),
        "mtld": Page(
            "DI17", "variety inside a text", "Mean MTLD (measure of textual lexical diversity) of texts of at least 50 words, divided by that of human text.",
            unit="ratio", healthy=1.0, collapsed="towards 0",
            margin=0.9, worse="smaller", role="diversity", paper="McCarthy and Jarvis, Behav. Res. Methods 42:381, 2010",
        ),
        "repetition": Page(
            "DI18", "repetition", "1 − (1 − r₂)(1 − r₃)(1 − r₄), where rₙ is the share of word n-grams, over all texts, that occurred earlier in the same text. The first 50 words of each text are read, or fewer if half of the texts are shorter.",
            unit="fraction", healthy="the value of human text", collapsed="towards 1",
            margin=0.02, worse="larger", margin_kind="difference", role="quality", paper="Drayson et al., arXiv 2502.15654; Welleck et al., ICLR 2020",
        ),
        "known_words": Page(
            "DI19", "known words", "Share of the running words that occur in human text, compared with fresh human text. The human text is the reference, and the fresh text the holdout. Without a holdout they are two halves of the reference.",
            unit="fraction", healthy="the value of fresh human text", collapsed="falls if words are made up",
            margin=0.02, worse="smaller", margin_kind="difference", is_invention=True, role="quality", paper="Shumailov et al., Nature 631:755, 2024, Fig. 1: the high tail of perplexity",
        ),
    }  # fmt: skip
    pages |= {
        "vocabulary_ratio_beyond_prompt": without_prompt(pages["vocabulary_ratio"], "DI20", preference=1),
        "word_entropy_beyond_prompt": without_prompt(pages["word_entropy"], "DI21"),
        "hapax_share_beyond_prompt": without_prompt(pages["hapax_share"], "DI22"),
        "known_words_beyond_prompt": without_prompt(pages["known_words"], "DI23"),
    }

    def __call__(self, evidence, rng):
        plain = list(self._plain(evidence, rng))
        yield from plain
        pages = [page for page in self.pages if page.endswith(BEYOND)]
        (own,) = rng.spawn(1)  # so that these readings do not depend on how many random numbers the others used
        yield from read_beyond_prompts(evidence, pages, plain, lambda prompted: self._beyond(prompted, own))

    def _plain(self, evidence: Evidence, rng: np.random.Generator) -> Iterator[Reading]:
        for column in evidence.reference.of_kind("text"):
            yield from _richness(column, written(evidence, column), rng)
        yield from inside_groups(evidence, self.max_groups, "vocabulary_ratio", lambda column, sides: _richness(column, sides, rng))

    def _beyond(self, evidence: Evidence, rng: np.random.Generator) -> Iterator[Reading]:
        for column in evidence.reference.of_kind("text"):
            yield from _beyond_prompts(column, written_beside_prompts(evidence, column), rng)
        read = lambda column, sides: _beyond_prompts(column, sides, rng)  # noqa: E731
        yield from inside_groups(evidence, self.max_groups, "vocabulary_ratio" + BEYOND, read, prompted=True)


def _richness(column: str, sides: Mapping[str, Writing], rng: np.random.Generator) -> Iterator[Reading]:
    synthetic, human = sides["synthetic"], sides["reference"]
    size = min(WORDS, len(synthetic.texts.words), len(human.texts.words))
    compared = notes(synthetic, human)

    def beside(check: str, number: Callable[[], Compared], at: str = "", said: str = f"at {amount(size, 'word')}") -> Reading:
        return _read(check, number, at=at, column=column, note="; ".join(filter(None, (said, compared))))

    yield beside("vocabulary_ratio", lambda: _vocabulary(synthetic, human, size, rng))
    for n in (2, 3, 4):
        yield beside("distinct_n", lambda n=n: _distinct_runs(synthetic.sample, human.sample, n, size), amount(n, "word"))
    for check, number in NUMBERS.items():
        yield beside(check, lambda number=number: number(synthetic.sample.first(size, rng), human.sample.first(size, rng)))

    whole = [side.whole_documents() for side in (synthetic, human)]
    portion = int(min(100_000, max(2_000, min(side.bytes.sum() for side in whole) // (PORTIONS + 1))))
    yield beside("compression", lambda: _compressed(whole[0], whole[1], portion, rng), said=f"of portions of {portion:,} bytes")
    single = [side.one_of_each().texts for side in (synthetic, human)]
    many = int(min(100, max(10, min(map(len, single)) // PORTIONS)))
    yield beside(
        "self_bleu",
        lambda: _likeness(single[0], single[1], many, rng),
        said=f"of {many} texts a draw",
    )
    yield beside("mtld", lambda: _ratio(_variety(synthetic), _variety(human)), said="")
    span = _span(synthetic, human)
    yield beside(
        "repetition",
        lambda: (*_repetition(synthetic, human, span), None),
        said=f"of the first {span} words of texts with at least as many",
    )
    yield beside("known_words", lambda: (*_known(sides, rng), None), said="")


def _read(check: str, number: Callable[[], Compared], column: str, note: str, at: str = "") -> Reading:
    """Return the reading of a comparison, or of the reason why it cannot be computed."""
    number = cache(number)
    reading = read_with_null(check, lambda: number()[:2], at=at, column=column, note=note)
    return reading if reading.estimate is None else replace(reading, change=number()[2])


def _ratio(
    synthetic: Estimate, human: Estimate, worse: Worse = "smaller", change: Callable[[float, float], float] | None = None
) -> Compared:
    return *ratio_of_estimates(synthetic, human, worse), change


def _distinct_runs(synthetic: Sample, human: Sample, n: int, size: int) -> Compared:
    own, usual = distinct(synthetic, n, size), distinct(human, n, size)
    return _ratio(own, usual, change=OfDistinctThings(usual.value))


def _effective_words(synthetic: Sample, human: Sample) -> Compared:
    both = joined(synthetic.words, human.words)
    counts = both.take(np.arange(synthetic.words.n)).counts[both.counts > 0]
    change = OfEntropy(tuple((counts / max(1, counts.sum())).tolist()))
    own, usual = (_exponential(entropy(side, 1)) for side in (synthetic, human))
    return _ratio(own, usual, change=change)


def _said_once(synthetic: Sample, human: Sample) -> Compared:
    return _ratio(hapax_share(synthetic), hapax_share(human), change=OfWordsSaidOnce.of(synthetic.words.counts))


def _slopes(synthetic: Sample, human: Sample) -> Compared:
    return _ratio(zipf_slope(synthetic), zipf_slope(human), worse="larger")


NUMBERS: Mapping[str, Callable[[Sample, Sample], Compared]] = {
    "word_entropy": _effective_words,
    "hapax_share": _said_once,
    "zipf_slope": _slopes,
}
"""The readings that are compared at equal numbers of words, each with its function."""


def _likeness(synthetic: Texts, human: Texts, many: int, rng: np.random.Generator) -> Compared:
    own, usual = (self_bleu(texts, rng, many) for texts in (synthetic, human))
    return _ratio(own, usual, worse="larger")


def _compressed(synthetic: Texts, human: Texts, portion: int, rng: np.random.Generator) -> Compared:
    own, usual = (compression(texts, rng, portion) for texts in (synthetic, human))
    return _ratio(own, usual, change=OfDistinctThings(usual.value))


def _beyond_prompts(column: str, sides: Mapping[str, Writing], rng: np.random.Generator) -> Iterator[Reading]:
    """Yield the readings that count words, without the words of each text's own prompt, for equal numbers of written words."""
    synthetic, human = sides["synthetic"], sides.get("holdout", sides["reference"])
    size = min(WORDS, len(synthetic.texts.words), len(human.texts.words))
    note = "; ".join(filter(None, (f"at {amount(size, 'word')}", notes(synthetic, human))))

    def of_first(number: Callable[[Sample, Sample], Compared]) -> Compared:
        return number(synthetic.sample.first(size, rng).own, human.sample.first(size, rng).own)

    numbers: dict[str, Callable[[], Compared]] = {
        "vocabulary_ratio": lambda: _vocabulary(synthetic, human, size, rng),
        "word_entropy": lambda: of_first(_effective_words),
        "hapax_share": lambda: of_first(_said_once),
        "known_words": lambda: (*_known(sides, rng), None),
    }
    for page, number in numbers.items():
        yield _read(page + BEYOND, number, column=column, note=note)


def _vocabulary(synthetic: Writing, human: Writing, size: int, rng: np.random.Generator) -> Compared:
    """Compare the numbers of distinct words of both sides."""
    if size == 0:
        raise NotApplicable("no words in the synthetic or the human text")
    words, of_texts, drawn = synthetic.beside(human, size, rng)
    number = int(of_texts.max()) + 1
    if min(drawn, number - drawn) < 2:
        raise NotApplicable(
            f"{drawn} synthetic and {number - drawn} human {synthetic.cluster_kind}, but a permutation needs 2 per side"
        )
    said = words.own
    is_human = of_texts[said.blocks] >= drawn
    if not is_human.any():
        raise NotApplicable("every word of the human text stands in its own prompt")
    counts = held_in(said.ids, of_texts[said.blocks], len(words.spellings), number)
    change = OfDistinctThings(np.unique(said.ids[is_human]).size / int(is_human.sum()))
    return *fewer_kinds(counts, np.arange(number) < drawn, np.bincount(of_texts, words.per_block), rng), change


def _exponential(estimate: Estimate) -> Estimate:
    low, high = estimate.interval
    return Estimate(math.exp(estimate.value), math.exp(low), math.exp(high), estimate.method, estimate.n)


def _variety(text: Writing) -> Estimate:
    """Return the mean MTLD of long texts."""
    long = np.flatnonzero(text.texts.words.per_block >= LONG)
    if long.size < FEWEST:
        raise NotApplicable(f"{long.size} texts have {LONG} words or more, but at least {FEWEST} are needed")
    chosen = text.take(long[:20_000])
    return average(Mtld()(chosen.texts), chosen.documents, text.cluster_kind)


def _span(synthetic: Writing, human: Writing) -> int:
    """Return the number of words of a text that are read for repetition: at most so many that half of the texts of either side have them."""
    return int(min(LONG, *(np.median(side.texts.words.per_block) if len(side) else 0 for side in (synthetic, human))))


def _repetition(synthetic: Writing, human: Writing, span: int) -> tuple[Estimate, Null]:
    own, usual = (repetition(_first_words(side, span)) for side in (synthetic, human))
    return _against(own, usual, "larger")


def _first_words(text: Writing, span: int) -> Sample:
    words, rows = text.texts.words.first_of_each(span)
    return Sample(words, text.documents[rows], text.cluster_kind)


def _known(sides: Mapping[str, Writing], rng: np.random.Generator) -> tuple[Estimate, Null]:
    known, fresh = known_and_fresh(sides, rng)
    own, usual = (_known_in(text.sample, known) for text in (sides["synthetic"], fresh))
    return _against(own, usual, "smaller")


def _known_in(text: Sample, human: Writing) -> Estimate:
    words = text.words.own
    is_known = words.are_in([human.whole.texts.words])[words.ids]
    return share(
        text.spread(np.bincount(words.blocks[is_known], minlength=words.n)),
        text.spread(words.per_block),
        "words",
        text.cluster_kind,
    )


def _against(own: Estimate, usual: Estimate, worse: Worse) -> tuple[Estimate, Null]:
    """Return a share with the null of no difference from the share of human text. Both shares have an error."""
    error = math.hypot(own.standard_error, usual.standard_error)
    return own, normal(own.value, error, worse, own.method, usual.value)
