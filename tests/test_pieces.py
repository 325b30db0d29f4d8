"""Words and signs of many texts at once: the same as one text at a time."""

import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcross.detectors.features import HashedFeatures, frequent_words
from outcross.detectors.pieces import in_runs, is_among, pieces_of, spellings
from outcross.text.normalised import normalised
from outcross.verbs.detect.unlike import common_shares, plain_features, word_rates

PIECE = re.compile(r"\w+(?:'\w+)*|[^\w\s]")
TEXTS = st.lists(st.text(st.sampled_from("aAbZzé'_-.,0 9²\n\tßΣİ漢\u0301\x1c"), max_size=12) | st.text(max_size=12), max_size=5)
SIMPLE = st.lists(
    st.lists(st.sampled_from(["the", "The", "cat", "dog's", "it's", "3", "Ünder"]), max_size=8).map(" ".join), max_size=6
)


def as_strings(texts):
    joined, pieces = "".join(f"{text}\n" for text in texts), pieces_of(texts)
    by_text = [[] for _ in texts]
    for owner, first, end in zip(pieces.owner.tolist(), pieces.first.tolist(), pieces.end.tolist(), strict=True):
        by_text[owner].append(joined[first:end])
    return by_text


@given(TEXTS)
def test_pieces_are_those_of_a_regular_expression(texts):
    assert as_strings(texts) == [PIECE.findall(text) for text in texts]


@given(TEXTS, TEXTS)
def test_a_spelling_depends_on_the_letters_alone(texts, others):
    alone, together = pieces_of(texts), pieces_of([*others, *texts])
    assert alone.spelling.tolist() == together.spelling[together.owner >= len(others)].tolist()
    words = [word for text in as_strings([*others, *texts]) for word in text]
    same = {}
    for word, number in zip(words, together.spelling.tolist(), strict=True):
        assert same.setdefault("".join(sign.lower() if len(sign.lower()) == 1 else sign for sign in word), number) == number
    assert len(set(same.values())) == len(same)


@given(SIMPLE, st.integers(1, 5))
def test_frequent_words_are_those_in_the_most_texts(texts, limit):
    counts = Counter(word for text in texts for word in {word.lower() for word in PIECE.findall(text) if word[0].isalpha()})
    expected = [word for word, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:limit]]
    assert list(frequent_words(texts, limit)) == expected


@given(SIMPLE)
def test_shares_of_frequent_words_and_letters_are_counted(texts):
    frequent = ("the", "it's")
    words = [[word.lower() for word in PIECE.findall(text) if word[0].isalpha()] for text in texts]
    expected = [sum(word in frequent for word in own) / max(len(own), 1) for own in words]
    assert common_shares(texts, frequent) == pytest.approx(expected)
    features = plain_features(texts, frequent)
    assert features[:, 4] == pytest.approx([text.lower().count("e") / max(len(text), 1) for text in texts])
    assert features[:, 36] == pytest.approx([sum(map(str.isupper, text)) / max(len(text), 1) for text in texts])


def test_features_do_not_depend_on_the_texts_beside(monkeypatch):
    texts = ["The cat's 3 dogs ran; the cat sat.", "", "Über 漢字 und 1984!", "a"]
    reader = HashedFeatures(("the", "und"))
    whole = reader(texts)
    monkeypatch.setattr("outcross.detectors.pieces.in_runs.__defaults__", (4,))
    assert list(in_runs(texts)) == [(0, 1), (1, 3), (3, 4)]
    assert (reader(texts).toarray() == whole.toarray()).all()
    assert np.allclose(whole.multiply(whole).sum(axis=1).ravel(), [1, 0, 1, 0.5])


def test_known_spellings_are_found():
    pieces = pieces_of(["The cat THE"])
    assert is_among(pieces.spelling, spellings(["the", "dog"])).tolist() == [True, False, True]
    assert not is_among(pieces.spelling, spellings([])).any()


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("# A title\n\n- one\n* two\n12) three", "A title one two three"),
        ("**bold** and _it_ `code` '''x'''", "bold and it 'code' x"),
        ("5 * 3 is not a list", "5 * 3 is not a list"),
        ("> a quote — “so” …\u200b", 'a quote - "so" ...'),
        ("- \n- x", "x"),
    ],
)
def test_markdown_and_typographic_signs_are_taken_out(text, form):
    assert normalised([text]).strings == [form]


@given(SIMPLE)
def test_word_rates_are_counts_over_the_root_of_the_length(texts):
    words = ("the", "it's", "never", "3")
    pieces = [[piece.lower() for piece in PIECE.findall(text)] for text in texts]
    expected = [[own.count(word) / max(len(own), 1) ** 0.5 for word in words] for own in pieces]
    assert word_rates(texts, words) == pytest.approx(np.array(expected).reshape(-1, 4))
