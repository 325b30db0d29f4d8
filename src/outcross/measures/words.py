"""What tails and diversity say of columns of text: rare words, and how rich the language is."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from outcross.attributes.variety import Mtld
from outcross.estimate import Estimate, NotApplicable, Null, Reading
from outcross.measures import Evidence, Page, read_with_null, unread
from outcross.measures.groups import largest, named
from outcross.measures.writing import Writing, notes, writings, writings_inside
from outcross.statistics.clusters import average
from outcross.statistics.floors import Worse, from_draws, normal
from outcross.text.lexicon import BANDS, Sample, compression, distinct, entropy, hapax_share
from outcross.text.self_bleu import self_bleu
from outcross.text.texts import Texts
from outcross.text.words import RunningWords, joined
from outcross.text.zipf import zipf_slope

RARE = ("1", "2", "3-5", "6-10")
"""How often a rare word occurs in the human text that it is looked up in."""
FEWEST = 20
"""Rare words that fresh human text holds, below which their survival is not compared."""
FEWEST_TEXTS = 30
"""Texts of a group a side, below which its language is not compared."""
PERMUTATIONS, TOGETHER = 499, 100
NAMED = 12
"""Missing words that a note names."""
WORDS = 1_000_000
"""Words at which two sets are compared, at most."""
LONG = 50
"""Words of a text from which its MTLD is more than noise."""
PORTIONS = 20
WIDEST = 10.0
"""Standard error of the logarithm of a ratio from which it says nothing."""
GUO = "Guo et al., The Curious Decline of Linguistic Diversity, NAACL 2024, arXiv 2311.09807"

TAILS = {
    "rare_words": Page(
        "TA7", "rare words", "Of the words that occur 1, 2, 3–5 or 6–10 times in human text, the share that occurs at all in the synthetic text, over the share that occurs in as many words of other human text: of the holdout, "
        "or of half of the reference, whose other half then says which words are rare.",
        unit="ratio", healthy=1.0, collapsed="towards 0",
        margin=0.9, worse="smaller", role="tail", paper="Shumailov et al., Nature 631:755, 2024; Dohmatob et al., ICML 2024, arXiv 2402.07043",
    ),
}  # fmt: skip

DIVERSITY = {
    "vocabulary_ratio": Page(
        "DI10", "vocabulary", "Distinct words among so many, over those of as many words of human text.",
        unit="ratio", healthy=1.0, collapsed="towards 0",
        margin=0.9, worse="smaller", role="diversity", paper="Gotelli and Colwell, Ecol. Lett. 4:379, 2001 (whole records are drawn, not words)",
    ),
    "distinct_n": Page(
        "DI11", "distinct runs of words", "Distinct runs of 2, 3 and 4 words among so many, over those of human text among as many.",
        unit="ratio", healthy=1.0, collapsed="towards 0",
        margin=0.9, worse="smaller", role="diversity", paper=f"Li et al., NAACL 2016 (distinct-n); {GUO}",
    ),
    "word_entropy": Page(
        "DI12", "effective number of words", "Exponential of the entropy of words at a fixed number of them, over that of human text.",
        unit="ratio", healthy=1.0, collapsed="towards 0",
        margin=0.9, worse="smaller", role="diversity", paper="Gambetta et al., arXiv 2410.12341",
    ),
    "hapax_share": Page(
        "DI13", "words said once", "Words that occur once over distinct words, at a fixed number of words, over that of human text.",
        unit="ratio", healthy=1.0, collapsed="towards 0",
        margin=0.9, worse="smaller", role="diversity", paper="Baayen, Word Frequency Distributions, 2001",
    ),
    "zipf_slope": Page(
        "DI14", "Zipf's slope", "How steeply the frequency of words falls with their rank, at a fixed number of words, over that of human text; steeper where few words do all.",
        unit="ratio", healthy=1.0, collapsed="grows",
        margin=0.9, worse="larger", role="diversity", paper="Clauset et al., SIAM Rev. 51:661, 2009, eq. 3.5",
    ),
    "compression": Page(
        "DI15", "size when compressed", "Bytes after zlib over bytes before, of portions of one size, over that of human text; smaller where texts repeat each other.",
        unit="ratio", healthy=1.0, collapsed="towards 0",
        margin=0.9, worse="smaller", role="diversity", paper="Shaib et al., arXiv 2403.00553",
    ),
    "self_bleu": Page(
        "DI16", "likeness of texts", "Self-BLEU-4 of random texts, as many a draw on both sides, over that of human text; larger where texts are alike.",
        unit="ratio", healthy=1.0, collapsed="grows",
        margin=0.8, worse="larger", role="diversity", paper="Zhu et al., Texygen, SIGIR 2018",
    ),
    "mtld": Page(
        "DI17", "variety inside a text", "Mean MTLD of texts of at least 50 words, over that of human text.",
        unit="ratio", healthy=1.0, collapsed="towards 0",
        margin=0.9, worse="smaller", role="diversity", paper="McCarthy and Jarvis, Behav. Res. Methods 42:381, 2010",
    ),
}  # fmt: skip


def rare_words(evidence: Evidence, rng: np.random.Generator) -> Iterator[Reading]:
    """The survival of rare words, band by band, of every column of text."""
    for column in evidence.reference.of_kind("text"):
        yield from _survivals(column, {side: writings(told)[column] for side, told in evidence.sides().items()}, rng)


def rare_words_inside(evidence: Evidence, most: int, rng: np.random.Generator) -> Iterator[Reading]:
    """The survival of the rare words of each group, in the text of that group."""
    yield from _inside(evidence, most, "rare_words", _survivals, rng)


def _survivals(column: str, sides: Mapping[str, Writing], rng: np.random.Generator) -> Iterator[Reading]:
    try:
        looked = _looked_up(sides, rng)
    except NotApplicable as why:
        yield from (unread("rare_words", str(why), at=_band(band), column=column) for band in RARE)
        return
    for band in RARE:
        yield looked.reading(column, band, rng)


def _inside(
    evidence: Evidence,
    most: int,
    check: str,
    measures: Callable[[str, Mapping[str, Writing], np.random.Generator], Iterator[Reading]],
    rng: np.random.Generator,
) -> Iterator[Reading]:
    """What is said of the texts of each group, at most so many of a column; of what has too few texts, why nothing is said."""
    for group_column, column in written_by(evidence):
        groups = largest(evidence, group_column)
        for value in groups[:most]:
            group = named((group_column,), (value,))
            sides = {side: writings_inside(told, column, group_column, value) for side, told in evidence.sides().items()}
            if why := too_few(len(sides["synthetic"]), len(sides["reference"])):
                yield unread(check, why, column=column, group=group)
                continue
            yield from (replace(reading, group=group) for reading in measures(column, sides, rng))
        if why := left_out(groups, most):
            yield unread(check, why, at=group_column, column=column)


def written_by(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """Each column that names groups, with each column of text that they write."""
    for group_column in evidence.groups:
        yield from ((group_column, column) for column in evidence.reference.of_kind("text") if column != group_column)


def too_few(synthetic: int, human: int) -> str:
    """Why the language of a group with so many texts is not compared; nothing where it is."""
    if min(synthetic, human) >= FEWEST_TEXTS:
        return ""
    return f"{synthetic} synthetic and {human} human texts, the language of a group is compared from {FEWEST_TEXTS} a side"


def left_out(groups: Sequence[str], most: int) -> str:
    """How many groups are not looked into; nothing where all are."""
    return f"the {len(groups) - most} smallest of {len(groups)} groups are not looked into" if len(groups) > most else ""


def _band(band: str) -> str:
    return f"{band} {'time' if band == '1' else 'times'}"


def _looked_up(sides: Mapping[str, Writing], rng: np.random.Generator) -> LookedUp:
    synthetic, human = sides["synthetic"], sides["reference"]
    known, other = (human, sides["holdout"]) if "holdout" in sides else human.halves(rng)
    size = min(len(synthetic.texts.words), len(other.texts.words))
    if size == 0:
        raise NotApplicable("no words in the synthetic or the human text")
    drawn, fresh = (one.sample.first(size, rng) for one in (synthetic, other))
    words = joined(joined(known.texts.words, drawn.words), fresh.words)
    clusters = np.concatenate(
        [np.unique(drawn.clusters, return_inverse=True)[1], np.unique(fresh.clusters, return_inverse=True)[1]]
    )
    clusters[drawn.words.n :] += clusters[: drawn.words.n].max(initial=-1) + 1
    return LookedUp(words, len(known), clusters, drawn.words.n, size, notes(synthetic, human))


@dataclass(frozen=True, eq=False)
class LookedUp:
    """Words that human text knows, looked up in synthetic text and in as much other human text."""

    words: RunningWords
    """Of the texts that say how often each occurs, then of the synthetic ones, then of the other human ones."""
    known: int
    """Texts of the first."""
    clusters: np.ndarray
    """The document of each text of the second and the third, (texts,)."""
    drawn: int
    """Texts of the second."""
    size: int
    """Words of the second, and of the third."""
    note: str

    @cached_property
    def sizes(self) -> np.ndarray:
        """Words of each document of the second and the third, (documents,)."""
        return np.bincount(self.clusters, self.words.per_block[self.known :])

    def reading(self, column: str, band: str, rng: np.random.Generator) -> Reading:
        note = "; ".join(filter(None, (f"in {self.size:,} words", self.note)))
        try:
            estimate, null, gone = self._survival(band, rng)
        except NotApplicable as why:
            return unread("rare_words", str(why), at=_band(band), column=column)
        return Reading("rare_words", estimate, null, at=_band(band), column=column, note="; ".join(filter(None, (gone, note))))

    def _survival(self, band: str, rng: np.random.Generator) -> tuple[Estimate, Null, str]:
        """Documents of both sides are dealt anew: which words are rare is said by a third set of texts, so that labels alone are drawn."""
        least, most = BANDS[band]
        is_known = self.words.blocks < self.known
        counts = np.bincount(self.words.ids[is_known], minlength=len(self.words.spellings))
        rare = np.flatnonzero((counts >= least) & (counts <= most))
        place = np.full(counts.size, -1)
        place[rare] = np.arange(rare.size)
        here = ~is_known & (place[self.words.ids] >= 0)
        documents = self.clusters[self.words.blocks[here] - self.known]
        number, first = int(self.clusters.max()) + 1, int(self.clusters[: self.drawn].max(initial=-1)) + 1
        said = _said(place[self.words.ids[here]], documents, rare.size, number)
        is_drawn = np.arange(number) < first
        alive = said @ np.stack([is_drawn, ~is_drawn], axis=1).astype(np.float32) > 0
        if (human := int(alive[:, 1].sum())) < FEWEST:
            raise NotApplicable(f"{human} of these words are in fresh human text, their survival needs {FEWEST}; give more text")
        estimate, null = _kinds(said, alive, self.sizes, rng)
        missing = rare[alive[:, 1] & ~alive[:, 0]]
        named = sorted(self.words.spellings[i] for i in missing[np.argsort(-counts[missing], kind="stable")][:NAMED].tolist())
        gone = f"missing, as {', '.join(named)}" if named and estimate.value < 1 else ""
        return estimate, null, gone


def _kinds(said, alive: np.ndarray, sizes: np.ndarray, rng: np.random.Generator) -> tuple[Estimate, Null]:
    """How many of these words the synthetic set says over how many the human one says, in as many words.

    said: (words, documents), how often; alive: (words, 2), whether either set says it; sizes: words of each document.
    """
    difference = float(_log_ratio(*alive.sum(axis=0)))
    draws = np.concatenate([_relabelled(said, sizes, rng) for _ in range(-(-PERMUTATIONS // TOGETHER))])
    low, high = np.quantile(draws, [0.025, 0.975])
    null = from_draws(difference, draws, "smaller", "permuted documents")
    value, least, most = (math.exp(difference - reach) for reach in (0.0, max(0.0, high), min(0.0, low)))
    estimate = Estimate(value, least, most, "permuted documents", int(alive.any(axis=1).sum()))
    return estimate, null.on_scale(math.exp)


def _said(ids: np.ndarray, documents: np.ndarray, kinds: int, number: int):
    """How often each kind of word is said in each document, (kinds, documents), sparse."""
    from scipy.sparse import coo_matrix

    return coo_matrix((np.ones(documents.size, np.float32), (ids, documents)), (kinds, number)).tocsr()


def _relabelled(said, sizes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """log of the ratio of survivals where documents in random order are cut into two sets of as many words, (draws,); sizes: words of each."""
    order = rng.permuted(np.tile(np.arange(sizes.size), (TOGETHER, 1)), axis=1)
    is_first = np.cumsum(sizes[order], axis=1) - sizes[order] / 2 <= sizes.sum() / 2
    labels = np.zeros((sizes.size, TOGETHER), np.float32)
    labels[order.T, np.arange(TOGETHER)] = is_first.T
    one, two = ((said @ side > 0).sum(axis=0) for side in (labels, 1 - labels))
    return _log_ratio(one, two)


def _log_ratio(alive, human):
    """Half a word more on both sides, so that none has a logarithm."""
    return np.log((alive + 0.5) / (human + 0.5))


def richness(evidence: Evidence, rng: np.random.Generator) -> Iterator[Reading]:
    """How rich the language of every column of text is, at one number of words."""
    for column in evidence.reference.of_kind("text"):
        yield from _richness(column, {side: writings(told)[column] for side, told in evidence.sides().items()}, rng)


def richness_inside(evidence: Evidence, most: int, rng: np.random.Generator) -> Iterator[Reading]:
    """How rich the language of each group is, at one number of words of that group."""
    yield from _inside(evidence, most, "vocabulary_ratio", _richness, rng)


def _richness(column: str, sides: Mapping[str, Writing], rng: np.random.Generator) -> Iterator[Reading]:
    synthetic, human = sides["synthetic"], sides["reference"]
    note = notes(synthetic, human)
    size = min(WORDS, len(synthetic.texts.words), len(human.texts.words))
    yield read_with_null(
        "vocabulary_ratio", lambda: _vocabulary(synthetic, human, size, rng), at=f"{size:,} words", column=column, note=note
    )
    for check, at, worse, number in _measures(synthetic, human, rng):
        yield read_with_null(check, lambda number=number, worse=worse: ratio(*number(), worse), at=at, column=column, note=note)


def _vocabulary(synthetic: Writing, human: Writing, size: int, rng: np.random.Generator) -> tuple[Estimate, Null]:
    """Distinct words of both sides. Their jackknife is too narrow for documents that differ much (of several languages), so documents are dealt anew."""
    if size == 0:
        raise NotApplicable("no words in the synthetic or the human text")
    sides = [one.sample.first(size, rng) for one in (synthetic, human)]
    words = joined(*(side.words for side in sides))
    own = [np.unique(side.clusters, return_inverse=True)[1] for side in sides]
    first = int(own[0].max()) + 1
    clusters = np.concatenate([own[0], own[1] + first])
    number = int(clusters.max()) + 1
    if min(first, number - first) < 2:
        raise NotApplicable(f"{first} and {number - first} {synthetic.of}, labels are drawn from 2 a side")
    said = _said(words.ids, clusters[words.blocks], len(words.spellings), number)
    alive = np.stack([np.diff(side.indptr) > 0 for side in (said[:, :first], said[:, first:])], axis=1)
    return _kinds(said, alive, np.bincount(clusters, words.per_block), rng)


Both = Callable[[], tuple[Estimate, Estimate]]


def _measures(synthetic: Writing, human: Writing, rng: np.random.Generator) -> Iterator[tuple[str, str, Worse, Both]]:
    """Every measure: check, place, which way is worse, and the estimates of both sides."""
    size = min(WORDS, len(synthetic.texts.words), len(human.texts.words))
    at = f"{size:,} words"

    def of_all(measure: Callable[[Sample], Estimate]) -> Both:
        return lambda: (measure(synthetic.sample), measure(human.sample))

    def of_first(measure: Callable[[Sample], Estimate]) -> Both:
        return lambda: (measure(synthetic.sample.first(size, rng)), measure(human.sample.first(size, rng)))

    for n in (2, 3, 4):
        yield "distinct_n", f"{n} words", "smaller", of_all(lambda text, n=n: distinct(text, n, size))
    yield "word_entropy", at, "smaller", of_first(lambda text: _exponential(entropy(text, 1)))
    yield "hapax_share", at, "smaller", of_first(hapax_share)
    yield "zipf_slope", at, "larger", of_first(zipf_slope)
    whole = [one.whole_documents() for one in (synthetic, human)]
    portion = int(min(100_000, max(2_000, min(told.bytes.sum() for told in whole) // (PORTIONS + 1))))
    yield "compression", f"{portion:,} bytes", "smaller", lambda: _both(lambda told: compression(told, rng, portion), whole)
    single = [one.one_of_each().texts for one in (synthetic, human)]
    many = int(min(100, max(10, min(map(len, single)) // PORTIONS)))
    yield "self_bleu", f"{many} texts", "larger", lambda: _both(lambda told: self_bleu(told, rng, many), single)
    yield "mtld", f"{LONG} words or more", "smaller", lambda: (_variety(synthetic), _variety(human))


def _both(measure: Callable[[Texts], Estimate], sides: list[Texts]) -> tuple[Estimate, Estimate]:
    return measure(sides[0]), measure(sides[1])


def _exponential(told: Estimate) -> Estimate:
    low, high = told.interval
    return Estimate(math.exp(told.value), math.exp(low), math.exp(high), told.method, told.n)


def _variety(text: Writing) -> Estimate:
    """Mean MTLD of long texts."""
    long = np.flatnonzero(text.texts.words.per_block >= LONG)
    if long.size < FEWEST:
        raise NotApplicable(f"{long.size} texts have {LONG} words or more, their variety needs {FEWEST}")
    chosen = text.take(long[:20_000])
    return average(Mtld()(chosen.texts), chosen.documents, text.of)


def ratio(one: Estimate, two: Estimate, worse: Worse) -> tuple[Estimate, Null]:
    """The ratio of two estimates on the logarithmic scale."""
    if min(one.value, two.value) <= 0:
        raise NotApplicable(f"{one.value:.3g} against {two.value:.3g}: a ratio needs both above 0")
    error = math.hypot(one.standard_error / one.value, two.standard_error / two.value)
    if error > WIDEST:
        raise NotApplicable(f"{one.n} and {two.n} of what is independent give no interval of a ratio; give more text")
    difference = math.log(one.value / two.value)
    null = normal(difference, error, worse, one.method)
    value, low, high = (math.exp(difference + side * 1.96 * error) for side in (0, -1, 1))
    return Estimate(value, low, high, one.method, one.n), null.on_scale(math.exp)
