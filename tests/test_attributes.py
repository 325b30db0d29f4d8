"""Attributes: counted by hand, equal to reference packages, and the same law for human texts that the model did not see."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcross.attributes.length import SentenceLength, Words
from outcross.attributes.perplexity import Perplexity
from outcross.attributes.readability import Flesch, syllables
from outcross.attributes.symbols import Numerals, Punctuation
from outcross.attributes.variety import Compression, Entropy, Mtld, Repetition, TypeToken
from outcross.errors import BadInput
from outcross.estimate import NotApplicable
from outcross.text.texts import texts
from outcross.text.words import can_cut, count, joined, spoken

ADDRESS = (
    "Four score and seven years ago our fathers brought forth on this continent, a new nation, conceived in Liberty, and dedicated to "
    "the proposition that all men are created equal. Now we are engaged in a great civil war, testing whether that nation, or any nation "
    "so conceived and so dedicated, can long endure. We are met on a great battle-field of that war. We have come to dedicate a portion "
    "of that field, as a final resting place for those who here gave their lives that that nation might live. It is altogether fitting "
    "and proper that we should do this. But, in a larger sense, we can not dedicate -- we can not consecrate -- we can not hallow -- "
    "this ground. The brave men, living and dead, who struggled here, have consecrated it, far above our poor power to add or detract. "
    "The world will little note, nor long remember what we say here, but it can never forget what they did here."
)
SPOKEN = st.lists(st.sampled_from("abcdefgh"), max_size=60)


def number_of(attribute, text):
    return float(attribute([text])[0])


# Counted by hand


def test_a_sentence_ends_at_a_stop_before_white_space_and_holds_a_letter():
    writings = ['One. Two! 3.14 is pi… ("Yes.") and no stop', "日本。東京！", "... 1. 2. !", "Stop.Stop", ""]
    assert texts(writings).sentences.tolist() == [5, 2, 0, 1, 0]
    assert np.array_equal(SentenceLength()(writings)[:2], [8 / 5, 1 if can_cut() else 2])
    assert np.isnan(SentenceLength()(writings)[[2, 4]]).all()


def test_flesch_reading_ease_is_the_formula_of_1948():
    assert number_of(Flesch(), "The cat sat on the mat.") == pytest.approx(206.835 - 1.015 * 6 - 84.6 * 1)
    assert number_of(Flesch(), "Readability matters. It does!") == pytest.approx(206.835 - 1.015 * 2 - 84.6 * 9 / 4)


def test_flesch_is_not_read_where_most_words_are_not_in_latin_letters():
    assert np.isnan(Flesch()(["日本語の文。", "Привет, мир.", "", "42"])).all()
    assert np.isfinite(number_of(Flesch(), "Hello, мир."))


SYLLABLES = {
    1: "a the make hole walked cat strength played clothes seemed times hoped rhythm goes bathed pulled called belle",
    2: "table little wanted boxes wishes houses settled cycle only over agreed tables",
    3: "remember dedicate continent beautiful",
    4: "consecrated proposition information",
}
"""What a dictionary says of these."""


def test_syllables_of_common_words_are_counted_by_spelling():
    settings = {word: n for n, words in SYLLABLES.items() for word in words.split()}
    assert {word: syllables(word) for word in settings} == settings


def test_numerals_and_punctuation_are_shares_of_all_characters():
    assert number_of(Numerals(), "a1٣½ ") == 3 / 5
    assert number_of(Punctuation(), "a, «b»") == 3 / 6
    assert np.isnan(Numerals()([""])).all()


def test_repetition_is_one_minus_the_product_of_new_shares():
    # a b a b a b: pairs 2 of 5 new, triples 2 of 4, fours 2 of 3.
    assert number_of(Repetition(), "a b a b a b") == pytest.approx(1 - 2 / 5 * 2 / 4 * 2 / 3)
    assert number_of(Repetition(), "a b c d e") == 0
    assert np.isnan(number_of(Repetition(), "a b c"))


def test_entropy_is_that_of_the_shares_of_words():
    assert number_of(Entropy(), "a a b c") == pytest.approx(1.5 * math.log(2))
    assert number_of(Entropy(), "a a a") == 0
    assert number_of(TypeToken(), "a a b c") == 3 / 4


def test_compression_says_how_many_bytes_are_left():
    assert number_of(Compression(), "é" * 5000) < 0.01
    assert number_of(Compression(), "x") > 1
    assert np.isnan(number_of(Compression(), ""))


# Reference packages


def test_mtld_is_that_of_lexicalrichness():
    """lexicalrichness 0.5.1 on the same words, threshold .72 and .5: the address, its first sixty and nine words, and one that repeats."""
    words = spoken([ADDRESS])[0].to_list()
    writings = [" ".join(some) for some in (words, words[:60], words[:9], words[::-1] + words[:25])]
    assert Mtld()(writings).tolist() == pytest.approx([82.0, 61.5, 9.0, 59.320093457943926], abs=1e-9)
    assert number_of(Mtld(threshold=0.5), writings[0]) == pytest.approx(213.46031746031747, abs=1e-9)


def walked(words, threshold):
    """Words over factors in one direction, as McCarthy & Jarvis (2010) tell it."""
    factors, seen, since = 0.0, set(), 0
    for word in words:
        seen.add(word)
        since += 1
        if len(seen) / since <= threshold:
            factors, seen, since = factors + 1, set(), 0
    factors += (1 - len(seen) / since) / (1 - threshold) if since else 0
    return len(words) / (factors or 1)


@given(st.lists(SPOKEN, min_size=1, max_size=4), st.sampled_from([0.5, 0.72, 0.9]))
def test_mtld_is_what_a_walk_in_both_directions_counts(many, threshold):
    lengths = Mtld(threshold=threshold)([" ".join(words) for words in many])
    for words, value in zip(many, lengths, strict=True):
        if words:
            assert value == pytest.approx((walked(words, threshold) + walked(words[::-1], threshold)) / 2, abs=1e-9)
        else:
            assert np.isnan(value)


@given(st.lists(SPOKEN, min_size=1, max_size=4))
def test_distinct_runs_are_those_that_the_numbered_runs_have(many):
    words = count(" ".join(text_words) for text_words in many)
    for n in (1, 2, 3, 4):
        assert [run.tolist() for run in words.distinct_runs(n)] == [run.tolist() for run in words.runs[n].inside(words.n)]


@given(st.lists(SPOKEN, max_size=3), st.lists(SPOKEN, max_size=3))
def test_joined_words_are_those_of_all_texts(first, then):
    first, then = ([" ".join(text_words) for text_words in many] for many in (first, then))
    together, whole = joined(count(first), count(then)), count(first + then)
    assert together.spellings == whole.spellings and np.array_equal(together.ids, whole.ids)
    assert np.array_equal(together.blocks, whole.blocks) and together.n == whole.n


# Perplexity


def sayings(n, seed, words=30):
    """Independent texts of one law: a chain over thirty words, each of which likes two others."""
    rng = np.random.default_rng(seed)
    sentences = []
    for _ in range(n):
        at, said = int(rng.integers(words)), []
        for _ in range(int(rng.integers(5, 30))):
            at = int((at * 7 + rng.integers(2)) % words if rng.random() < 0.9 else rng.integers(words))
            said.append(f"w{at}")
        sentences.append(" ".join(said) + f" n{rng.integers(10**6)}")
    return sentences


def test_a_human_text_is_read_as_if_it_had_never_been_there():
    human = sayings(60, 0)
    read = Perplexity().fit(human)(human)
    for row in (0, 7, 31):
        without = Perplexity().fit(human[:row] + human[row + 1 :])([human[row]])
        assert without[0] == read[row]


def test_other_human_texts_have_the_law_of_those_that_were_fitted():
    from scipy.stats import mannwhitneyu

    human, others = sayings(800, 1), sayings(800, 2)
    read = Perplexity().fit(human)
    # A false alarm once in 10,000 streams; a model that had seen its texts gives less than 1e-50.
    assert mannwhitneyu(read(human), read(others)).pvalue > 1e-4


def test_texts_of_one_document_are_in_one_half():
    """What one of its texts says is unknown to the model that reads the others."""
    human, documents = sayings(60, 3), np.arange(60) // 3
    changed = human.copy()
    changed[1] += " zebra zebra zebra quagga quagga quagga"
    changed[0] += " quagga zebra"
    plain, said = (Perplexity().fit(many, documents).halves for many in (human, changed))
    new = [side for side in (0, 1) if said[side].vocabulary.size != plain[side].vocabulary.size]
    read = Perplexity().fit(changed, documents)
    assert len(new) == 1
    assert read(changed)[0] == np.exp(read.halves[1 - new[0]].nats(changed[:1]) / len(changed[0]))[0]


def test_perplexity_tells_repeats_and_noise_from_human_text():
    human = sayings(300, 4)
    read = Perplexity().fit(human)
    usual = np.median(read(sayings(100, 5)))
    shuffled = [" ".join(np.random.default_rng(i).permutation(text.split())) for i, text in enumerate(sayings(100, 5))]
    noise = ["".join(np.random.default_rng(i).permutation(list(text))) for i, text in enumerate(sayings(100, 5))]
    assert np.median(read(shuffled)) > 1.2 * usual
    assert np.median(read(noise)) > 3 * usual


def test_the_order_of_human_texts_changes_nothing():
    human = sayings(50, 6)
    there, back = Perplexity(characters=1500).fit(human)(human), Perplexity(characters=1500).fit(human[::-1])(human)
    assert np.array_equal(there, back)


def test_perplexity_is_a_distribution_over_what_may_come_next():
    """Σ p over every next token is 1, so nats are comparable whatever the text."""
    half = Perplexity().fit(sayings(40, 7)).halves[0]
    nodes = half.tree.deepest(np.array([[-1, 0], [0, 300], [300, 301]], dtype=np.int32))
    assert half.tree.distribution(nodes).sum(axis=1) == pytest.approx(1)


def test_perplexity_says_what_it_needs():
    with pytest.raises(BadInput, match="compares with human texts"):
        Perplexity()(["a"])
    with pytest.raises(NotApplicable, match="fell into one"):
        Perplexity().fit(["only one text"])


# What is no text


def test_what_is_no_sequence_of_texts_is_refused():
    for wrong, why in (("one text", r"write \[text\]"), (["a", None], "text 1 is None"), ([b"a"], "text 0 is b'a'")):
        with pytest.raises(BadInput, match=why):
            Words()(wrong)


def test_a_batch_boundary_loses_no_character():
    writings = ["1" * size for size in (0, 2**22 - 1, 1, 2**22 + 5, 0, 7)]
    assert texts(writings).characters_of("N").tolist() == [len(text) for text in writings]


def test_words_beyond_the_basic_plane_are_words():
    assert count(["𝒜b 𐐀𐐁 a𝒜'b 𠀀c"]).spellings == ("𝒜b", "𐐨𐐩", "a𝒜'b", "𠀀", "c")
