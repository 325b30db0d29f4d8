"""Lexical measures of whole sets: by hand, by leaving every document out, over all subsets, and as reference packages have them."""

from __future__ import annotations

import itertools
import math
import zlib
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcross.estimate import NotApplicable, rounding
from outcross.statistics.clusters import average, ratio_of_sums
from outcross.text.lexicon import compression, distinct, entropy, hapax_share, kinds, sample
from outcross.text.self_bleu import bleu, self_bleu
from outcross.text.words import count
from outcross.text.zipf import likeliest_exponent, zipf_slope

DOCUMENTS = st.lists(st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=8).map(" ".join), min_size=3, max_size=6)


def zipfian(documents, seed, length=50, slope=1.0, kinds=5000):
    """Documents of words whose frequency falls as rank^-slope."""
    rng = np.random.default_rng(seed)
    shares = np.arange(1, kinds + 1) ** -slope
    drawn = rng.choice(kinds, size=(documents, length), p=shares / shares.sum())
    return [" ".join(f"w{number}" for number in row) for row in drawn]


def counted(texts, n=1):
    runs = [tuple(text.split()[at : at + n]) for text in texts for at in range(len(text.split()) - n + 1)]
    return Counter(runs)


# By hand


def test_measures_of_three_documents_are_those_that_a_hand_counts():
    text = sample(["a b", "a a", "c"])
    assert distinct(text, 1).value == 3 / 5
    assert hapax_share(text).value == 2 / 3
    assert entropy(text, 1).value == pytest.approx(-(0.6 * math.log(0.6) + 0.4 * math.log(0.2)))
    assert entropy(text, 1, corrected=True).value == pytest.approx(entropy(text, 1).value + 2 / 10)


def test_what_cannot_be_had_says_why():
    with pytest.raises(NotApplicable, match="fewer than 100"):
        distinct(sample(["a b a", "c"]), 1, at=100)
    with pytest.raises(NotApplicable, match="less than one of the documents"):
        distinct(sample(["a b c a", "c d a b"]), 1, at=2)
    with pytest.raises(NotApplicable, match="no whole words"):
        distinct(sample(["", "1 2"]), 1)
    with pytest.raises(NotApplicable, match="at least 2"):
        zipf_slope(sample(["a b", "c"]))
    with pytest.raises(NotApplicable, match="different frequencies"):
        zipf_slope(sample(["a b", "a b"]), smallest=2)
    with pytest.raises(NotApplicable, match="portions of one size"):
        compression(["a"], np.random.default_rng(0))
    with pytest.raises(NotApplicable, match="draws of 100 texts"):
        self_bleu(["a b"] * 150, np.random.default_rng(0))
    with pytest.raises(NotApplicable, match="fewer than 9"):
        sample(["a b"]).first(9, np.random.default_rng(0))


@given(DOCUMENTS, st.integers(1, 20))
def test_some_texts_of_a_set_have_the_measures_that_they_have_alone(texts, words):
    whole = sample([*texts, "x y z x"])
    rows = np.sort(np.random.default_rng(words).permutation(len(texts))[:2])
    for measure in (hapax_share, lambda text: distinct(text, 1), lambda text: entropy(text, 1, corrected=True)):
        taken, alone = measure(whole.take(rows)), measure(sample([texts[row] for row in rows]))
        assert (taken.value, taken.low, taken.high, taken.n) == pytest.approx((alone.value, alone.low, alone.high, alone.n))


def test_the_first_words_of_a_set_are_as_many_as_asked_to_the_nearest_text():
    text = sample(zipfian(100, 10))
    some = text.first(520, np.random.default_rng(0))
    assert len(some.words) == 500 and some.words.n == 10
    assert len(set(some.clusters.tolist())) == 10


# Rarefied


@given(DOCUMENTS)
def test_kinds_expected_at_a_number_of_words_are_the_mean_over_all_sets_of_documents(texts):
    text, running = sample(texts), sum(len(text.split()) for text in texts)
    for drawn in range(1, len(texts) + 1):
        if running * drawn % len(texts):
            continue  # so many words are no whole number of documents
        subsets = [Counter(word for text in some for word in text.split()) for some in itertools.combinations(texts, drawn)]
        at = running * drawn // len(texts)
        assert at * distinct(text, 1, at=at).value == pytest.approx(np.mean([len(subset) for subset in subsets]))


@given(DOCUMENTS)
def test_all_words_have_the_kinds_that_there_are(texts):
    text = sample(texts)
    assert distinct(text, 1, at=len(text.words)).value == pytest.approx(distinct(text, 1).value)


def test_rarefied_measures_of_a_large_and_a_small_set_of_one_law_agree():
    large, small = sample(zipfian(4000, 0)), sample(zipfian(400, 1))
    at = len(small.words)
    for measure in (lambda text: distinct(text, 1, at=at), lambda text: distinct(text, 2, at=at)):
        of_large, of_small = measure(large), measure(small)
        # Six standard errors of the difference: a false alarm below one in 10⁸, and the jackknife's are too wide if anything.
        assert abs(of_large.value - of_small.value) < 6 * math.hypot(of_large.standard_error, of_small.standard_error)
    assert len(kinds(large).counts) > 1.5 * len(kinds(small).counts)


def test_text_in_clumps_is_not_richer_for_being_large():
    """Documents that say one word ten times: a draw of words would find more kinds in the larger set, a draw of documents does not."""
    texts = [" ".join([f"w{at}"] * 10) for at in range(200)]
    assert 500 * distinct(sample(texts), 1, at=500).value == pytest.approx(50)


# Intervals


def left_out(texts, measure):
    """A jackknife as told in clusters.jackknife, every document left out by hand."""
    value = measure(sample(texts)).value
    return np.array([value - measure(sample(texts[:at] + texts[at + 1 :])).value for at in range(len(texts))])


@pytest.mark.parametrize(
    "measure",
    [
        hapax_share,
        lambda text: entropy(text, 1),
        lambda text: entropy(text, 1, corrected=True),
        lambda text: entropy(text, 2),
    ],
)
def test_intervals_are_those_of_leaving_every_document_out(measure):
    from scipy.special import stdtrit

    texts = zipfian(30, 2, kinds=300)
    sizes = np.full(30, 50)
    drops = left_out(texts, measure)
    spread = drops - sizes * drops.sum() / sizes.sum()
    half = stdtrit(29, 0.975) * math.sqrt(29 / 30 * (spread**2).sum())
    estimate = measure(sample(texts))
    assert estimate.high - estimate.value == pytest.approx(half, rel=1e-9) and estimate.n == 30


def test_the_slope_without_a_document_is_nearly_that_of_a_new_fit():
    texts = zipfian(40, 3)
    drops = left_out(texts, zipf_slope)
    from scipy.special import stdtrit

    half = stdtrit(39, 0.975) * math.sqrt(39 / 40 * ((drops - drops.mean()) ** 2).sum())
    slope = zipf_slope(sample(texts))
    assert slope.high - slope.value == pytest.approx(half, rel=0.01)  # one Newton step instead of a fit


def test_an_average_of_single_values_is_their_sum_over_their_number():
    values = np.random.default_rng(0).random(12)
    mean, ratio = average(values, np.arange(12), "documents"), ratio_of_sums(values, np.ones(12), "documents")
    assert mean == ratio and mean.value == pytest.approx(values.mean())


def test_values_that_are_not_there_are_left_out_of_an_average():
    assert average(np.array([1.0, np.nan, 3.0]), np.arange(3), "documents").value == 2
    with pytest.raises(NotApplicable, match="there is 1"):
        average(np.array([1.0, np.nan]), np.arange(2), "documents")


@pytest.mark.parametrize(
    ("measure", "truth_texts"),
    [
        (lambda text: distinct(text, 1, at=5000), 300),
        (lambda text: distinct(text, 2, at=5000), 300),
        (hapax_share, 200),
        (zipf_slope, 200),
    ],
)
def test_intervals_hold_the_mean_at_least_as_often_as_they_say(measure, truth_texts):
    estimates = [measure(sample(zipfian(truth_texts, seed, kinds=2000))) for seed in range(200)]
    centre = np.mean([estimate.value for estimate in estimates])
    inside = np.mean([estimate.low <= centre <= estimate.high for estimate in estimates])
    # 95 % less four standard errors of a share of 200: a false alarm once in 30,000 streams.
    assert inside >= 0.95 - 4 * math.sqrt(0.95 * 0.05 / 200)


# Reference packages

SENTENCES = (
    "Four score and seven years ago our fathers brought forth on this continent, a new nation, conceived in Liberty, and dedicated to the proposition that all men are created equal.",
    "Now we are engaged in a great civil war, testing whether that nation, or any nation so conceived and so dedicated, can long endure.",
    "We are met on a great battle-field of that war.",
    "We have come to dedicate a portion of that field, as a final resting place for those who here gave their lives that that nation might live.",
    "It is altogether fitting and proper that we should do this.",
    "But, in a larger sense, we can not dedicate -- we can not consecrate -- we can not hallow -- this ground.",
    "The brave men, living and dead, who struggled here, have consecrated it, far above our poor power to add or detract.",
    "The world will little note, nor long remember what we say here, but it can never forget what they did here.",
)
NLTK = (0.012078743167681096, 0.038494771267207496, 0.07641166194509465, 0.026883361967085205, 0.02818780157629645, 0.026510050122865468, 0.016243557528823845, 0.014857839440651324)  # fmt: skip
COUNTS = {1: 194, 2: 68, 3: 34, 4: 20, 5: 13, 6: 12, 7: 5, 8: 8, 9: 5, 10: 3, 11: 3, 12: 3, 14: 2, 15: 2, 16: 1, 17: 1, 18: 3, 19: 2, 20: 1, 21: 1, 23: 2, 24: 2, 25: 1, 27: 2, 34: 1, 38: 2, 40: 1, 50: 1, 61: 1, 63: 1, 70: 1, 91: 1, 132: 1, 218: 1, 638: 1}  # fmt: skip


def test_bleu_against_all_others_is_that_of_nltk():
    """nltk 3.10.4, sentence_bleu of the words of each sentence against those of all others, smoothing method 1."""
    assert bleu(count(SENTENCES)).tolist() == pytest.approx(NLTK, abs=1e-12)


def told_bleu(texts, row):
    """BLEU-4 as Papineni et al. (2002) tell it, one text at a time."""
    said, others = texts[row].split(), [text.split() for at, text in enumerate(texts) if at != row]
    logs = []
    for n in (1, 2, 3, 4):
        own, rest = counted([texts[row]], n), [counted([" ".join(words)], n) for words in others]
        hits = sum(min(times, max(counts[kind] for counts in rest)) for kind, times in own.items())
        if n == 1 and hits == 0:
            return 0.0
        logs.append(math.log((hits or 0.1) / max(1, len(said) - n + 1)))
    closest = min((len(words) for words in others), key=lambda length: (abs(length - len(said)), length))
    return min(1.0, math.exp(1 - closest / len(said))) * math.exp(sum(logs) / 4)


@given(DOCUMENTS)
def test_bleu_is_what_one_text_at_a_time_gives(texts):
    assert bleu(count(texts)).tolist() == pytest.approx([told_bleu(texts, row) for row in range(len(texts))], abs=1e-12)


def test_texts_that_say_the_same_have_a_self_bleu_of_one():
    estimate = self_bleu(["a b c d e"] * 40, np.random.default_rng(0), many=10)
    assert estimate.value == 1 and estimate.n == 4
    assert estimate.interval == pytest.approx((1, 1), rel=0, abs=2 * rounding(1.0))  # four equal draws scatter by rounding alone


def test_self_bleu_does_not_grow_with_the_set():
    small, large = (self_bleu(zipfian(n, n, kinds=200), np.random.default_rng(0), many=50) for n in (400, 1000))
    assert abs(small.value - large.value) < 6 * math.hypot(small.standard_error, large.standard_error)


def test_thelikeliest_exponent_of_counts_is_the_likeliest_and_that_of_powerlaw():
    """powerlaw 2.0.0, Fit(counts, discrete=True, xmin=…, estimate_discrete=False), whose search ends within 1e-4."""
    from scipy.special import zeta

    counts = np.repeat(list(COUNTS), list(COUNTS.values()))
    for smallest, expected in ((1, 1.788520587364035), (2, 1.8870452131233058), (5, 1.977098853631298)):
        logs = np.log(counts[counts >= smallest])
        likeliest = likeliest_exponent(logs.mean(), smallest)
        assert likeliest == pytest.approx(expected, abs=1e-4)

        def likelihood(exponent, logs=logs, smallest=smallest):
            return -logs.size * np.log(zeta(exponent, smallest)) - exponent * logs.sum()

        assert likelihood(likeliest) >= max(likelihood(likeliest + step) for step in (-1e-5, 1e-5, expected - likeliest))


def test_the_slope_of_words_is_read_off_their_counts():
    texts = zipfian(200, 5)
    counts = np.array(list(counted(texts).values()))
    slope = zipf_slope(sample(texts), smallest=5)
    assert slope.value == pytest.approx(1 / (likeliest_exponent(np.log(counts[counts >= 5]).mean(), 5) - 1))


def test_a_steeper_law_has_a_steeper_slope():
    flat, steep = (zipf_slope(sample(zipfian(400, 6, slope=slope))) for slope in (1.0, 1.4))
    assert flat.high < steep.low


# Compressed


def test_compression_is_read_in_portions_of_one_size():
    texts = zipfian(400, 7)
    ratio = compression(texts, np.random.default_rng(0), size=20_000)
    assert ratio.n == sum(len(text) for text in texts) // 20_000
    assert ratio.low <= len(zlib.compress("\n".join(texts[:60]).encode(), 9)) / len("\n".join(texts[:60])) <= ratio.high + 0.02
    more = compression(zipfian(4000, 8), np.random.default_rng(0), size=20_000)
    assert more.n == 20 and abs(more.value - ratio.value) < 6 * math.hypot(more.standard_error, ratio.standard_error)


def test_text_that_repeats_itself_compresses_better():
    said = zipfian(20, 9)
    again = compression(said * 100, np.random.default_rng(0), size=10_000)
    assert again.high < compression(zipfian(2000, 9), np.random.default_rng(0), size=10_000).low


# Any text


@given(st.lists(st.text(max_size=30), max_size=6))
def test_any_text_has_measures_in_their_range_or_says_why_not(texts):
    for measure, largest in (
        (hapax_share, 1),
        (lambda text: distinct(text, 2), 1),
        (lambda text: entropy(text, 1, corrected=True), math.inf),
        (lambda text: zipf_slope(text, smallest=1), math.inf),
        (lambda text: distinct(text, 1, at=3), 1),
    ):
        try:
            estimate = measure(sample(texts))
        except NotApplicable as why:
            assert str(why)
        else:
            assert 0 <= estimate.low <= estimate.value <= estimate.high <= largest


def test_kinds_are_counted_once_a_document():
    counts = kinds(sample(["a b a", "b", "", "b"], np.array([7, 7, 7, 9])))
    assert counts.counts.tolist() == [2, 3] and counts.running.tolist() == [4, 1]
    assert sorted(zip(counts.clusters.tolist(), counts.codes.tolist(), counts.own.tolist(), strict=True)) == [
        (0, 0, 2),
        (0, 1, 2),
        (1, 1, 1),
    ]
