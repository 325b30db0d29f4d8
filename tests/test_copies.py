"""Copies: found by hand, and by comparing every pair."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcross.text.copies import contained, copied, longest_copied, nearest, repeated

LETTERS = st.lists(st.sampled_from("abc"), max_size=40).map(" ".join)


def words(n, seed):
    return [f"w{number}" for number in np.random.default_rng(seed).integers(10**9, size=n)]


def shingles(text, n=5):
    said = text.split()
    return {tuple(said[at : at + n]) for at in range(len(said) - n + 1)}


def similarity(text, source):
    first, second = shingles(text), shingles(source)
    return len(first & second) / len(first | second)


def test_exact_copies_are_equal_to_the_character():
    assert repeated(["a b", "a  b", "a b", ""]).tolist() == [True, False, True, False]
    assert copied(["a b", "c"], ["c", "c "]).tolist() == [False, True]


def test_a_text_is_contained_by_the_share_of_its_runs():
    source = words(30, 0)
    copied = words(5, 1) + source[3:15] + words(4, 2)  # 21 words, 14 runs of 8, of which 5 stand in the source
    short = source[:7]
    shares = contained([" ".join(copied), " ".join(short), " ".join(source).upper() + "!", ""], [" ".join(source)])
    assert shares[0] == 5 / 14 and shares[2] == 1 and np.isnan(shares[[1, 3]]).all()
    assert longest_copied([" ".join(copied), " ".join(short), ", ".join(source), ""], [" ".join(source)]).tolist() == [12, 0, 30, 0]


def test_runs_never_cross_from_one_text_to_the_next():
    source = words(16, 0)
    halves = [" ".join(source[:8]), " ".join(source[8:])]
    assert contained([" ".join(source)], halves)[0] == 2 / 9
    assert longest_copied(halves, [" ".join(source)]).tolist() == [8, 8]


def test_nothing_stands_in_an_empty_source():
    texts = [" ".join(words(20, 0))]
    assert contained(texts, [])[0] == contained(texts, [""])[0] == 0
    assert longest_copied(texts, [""])[0] == 0 and nearest(texts, [])[0] == 0
    assert contained([], texts).size == longest_copied([], texts).size == nearest([]).size == nearest([], texts).size == 0


def longest_verbatim(text, source):
    said = text.split()
    padded = [f" {text} " for text in source]
    runs = (said[at:end] for at in range(len(said)) for end in range(at + 1, len(said) + 1))
    return max((len(run) for run in runs if any(f" {' '.join(run)} " in text for text in padded)), default=0)


@given(LETTERS, st.lists(LETTERS, max_size=3))
def test_the_longest_stretch_is_no_shorter_than_the_longest_verbatim_run(text, source):
    longest, verbatim = longest_copied([text], source, run=4)[0], longest_verbatim(text, source)
    assert longest >= verbatim if verbatim >= 4 else longest == 0
    assert (longest > 0) == (np.nan_to_num(contained([text], source, run=4))[0] > 0)


@given(st.integers(0, 2**32 - 1), st.integers(8, 40), st.integers(0, 20))
def test_the_longest_stretch_is_the_longest_verbatim_run_where_no_words_repeat(seed, length, before):
    source = words(60, seed)
    copied = words(before, seed + 1) + source[10 : 10 + length] + words(3, seed + 2)
    assert longest_copied([" ".join(copied)], [" ".join(source)])[0] == length


def test_near_copies_are_found_and_their_similarity_is_exact():
    texts, pairs = [], []
    for at in range(200):
        said = words(100, at)
        changed = said.copy()
        for place in range(20, 20 + 20 * (at % 3), 20):  # none, one or two words of a hundred changed: 1, .9 or .81
            changed[place] = "changed"
        pairs.append((len(texts), len(texts) + 1))
        texts += [" ".join(said), " ".join(changed)]
    similarities = nearest(texts)
    exact = np.repeat([similarity(texts[first], texts[other]) for first, other in pairs], 2)
    missed = ~np.isclose(similarities, exact)
    # One pair in 2,800 is overlooked at .8, fewer above: more than one of 200 with a chance below .003.
    assert missed.sum() <= 2 and (similarities[missed] == 0).all()


def test_near_copies_of_a_source_are_found_across_and_not_within():
    source = [" ".join(words(60, at)) for at in range(50)]
    texts = [text + " and more" for text in source[:10]] + [" ".join(words(60, 900))] * 2
    similarities = nearest(texts, source)
    assert similarities[:10].tolist() == pytest.approx([similarity(*pair) for pair in zip(texts[:10], source[:10], strict=True)])
    assert similarities[10:].tolist() == [0, 0]
    assert nearest(texts)[10:].tolist() == [1, 1]


@given(st.lists(LETTERS, min_size=1, max_size=6), st.lists(LETTERS, max_size=4))
def test_no_similarity_is_higher_than_that_of_the_closest_pair(texts, source):
    for similarities, others in ((nearest(texts), None), (nearest(texts, source), source)):
        for row, text in enumerate(texts):
            if len(text.split()) < 5:
                assert np.isnan(similarities[row])
                continue
            rest = texts[:row] + texts[row + 1 :] if others is None else others
            best = max((similarity(text, other) for other in rest if len(other.split()) >= 5), default=0)
            assert similarities[row] <= best + 1e-12
            assert best < 1 or similarities[row] == 1


def test_the_order_of_texts_changes_nothing_that_is_exact():
    texts = [" ".join(words(30, at % 20)) for at in range(60)]
    assert nearest(texts)[::-1].tolist() == nearest(texts[::-1]).tolist()


def test_hostile_texts_are_compared():
    hostile = ["", "\x00\x01", "\ud800 lone \udfff", "日本語のテキスト東京", "👩‍👩‍👧", "x " * 10_000]
    assert nearest(hostile).shape == contained(hostile, hostile).shape == longest_copied(hostile, hostile).shape == (6,)
    assert repeated(hostile).sum() == 0 and copied(hostile, hostile).all()
