"""What a model expects next: closed forms on made-up models, and the law that real ones are scored by."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
from scipy.stats import binom
from test_text_metrics import evidence, read, text, value

from outcross.data import HUMAN, Human, part_of
from outcross.data.records import blocks
from outcross.estimate import NotApplicable
from outcross.measures.next_tokens import TOGETHER, NextTokens
from outcross.measures.text_groups import gap
from outcross.models.ngram import Ngram
from outcross.models.ngram.words import WordVocabulary

ANY = np.array([[1, 2], [3, 4], [5, 6], [7, 8], [9, 10], [11, 12]])


@dataclass(frozen=True, eq=False)
class Expecting:
    """A model that expects the same after any text: these probabilities; as many tokens as there are numbers."""

    probabilities: tuple[float, ...]

    def next_log_prob(self, records):
        with np.errstate(divide="ignore"):
            return np.tile(np.log(self.probabilities), (len(records), 1))


def readings(model, first, anchors=6, documents=(0, 1, 2, 3, 4, 5)):
    reference = text(*["a"] * anchors, document=list(documents), tokens=np.resize(ANY, (anchors, 2)))
    compared = evidence(text("a"), text("a"), reference, model=first).but(model=model)
    return read(NextTokens(), compared)


def test_the_entropy_of_equally_likely_tokens_is_the_logarithm_of_their_number():
    by_place = readings(Expecting((0.0, *[1 / 8] * 8)), Expecting((0.0, *[1 / 4] * 4, *[0.0] * 4)))
    assert value(by_place, "next_token_entropy") == pytest.approx(math.log(8))
    assert value(by_place, "next_token_entropy_change") == pytest.approx(math.log(8) - math.log(4))
    assert value(by_place, "next_token_entropy_spread") == pytest.approx(0.0, abs=1e-7)
    assert by_place["next_token_entropy", ""].estimate.n == 6
    assert by_place["next_token_entropy", ""].note == "after 6 held-out human blocks, the same at every generation"


def test_models_that_share_no_token_are_ln_2_apart_and_a_model_is_nowhere_from_itself():
    first, second = Expecting((0.0, 0.5, 0.5, 0.0)), Expecting((0.0, 0.0, 0.0, 1.0))
    assert value(readings(first, second), "next_token_divergence") == pytest.approx(math.log(2))
    assert value(readings(first, first), "next_token_divergence") == 0
    # M = (1/4, 1/4, 1/2): H(M) = 1.5 ln 2, of which half of H(P) = ln 2 is taken.
    third = Expecting((0.0, 0.25, 0.25, 0.5))
    between = (0.375, 0.375, 0.25)
    js = -sum(p * math.log(p) for p in between) - (math.log(2) + 1.5 * math.log(2)) / 2
    assert value(readings(first, third), "next_token_divergence") == pytest.approx(js)


def test_anchors_are_the_same_whatever_the_generation_and_blocks_of_a_document_are_alike():
    @dataclass(frozen=True, eq=False)
    class Asked(Expecting):
        seen: tuple = ()

        def next_log_prob(self, records):
            self.seen[0].append(records.tokens.copy())
            return super().next_log_prob(records)

    reference = text(*["a"] * 90, document=[i // 3 for i in range(90)], tokens=np.arange(180).reshape(90, 2))
    seen: tuple[list, ...] = ([], [], [])
    first, second, third = (Asked((0.0, 0.5, 0.5), (own,)) for own in seen)
    for model in (first, second, third):
        compared = evidence(text("a"), text("a"), reference, model=first).but(model=model)
        by_place = read(NextTokens(anchors=70), compared)
    assert [len(some) for some in seen[0]] == [TOGETHER, TOGETHER, 70 - 2 * TOGETHER]  # generation 0 is asked once
    assert all(np.array_equal(anchors, other) for own in seen[1:] for anchors, other in zip(seen[0], own, strict=True))
    assert by_place["next_token_entropy", ""].estimate.n <= 30


def test_a_model_that_does_not_say_what_comes_next_is_refused_in_words():
    with pytest.raises(NotApplicable, match="the probability of each next token"):
        readings(object(), object())


def learned(learner, rng):
    vocabulary = WordVocabulary([f"w{i} " for i in range(12)])
    rows = rng.integers(257, 257 + 12, (60, 4)).astype(np.int32)
    human = Human(training=part_of(HUMAN, _blocks(vocabulary, rows)), vocabulary=vocabulary)
    return learner.fit(human.training.records, None, learner.begin(human, None, rng), None, rng), vocabulary, rows


def _blocks(vocabulary, rows):
    return blocks(rows, vocabulary.decode(rows), vocabulary.byte_lengths[rows].sum(axis=1))


def check_next(model, make, prefixes, size):
    """Probabilities of the next token add up to one and are those by which the model scores whole blocks."""
    log_probabilities = model.next_log_prob(make(prefixes))
    assert log_probabilities.shape == (len(prefixes), size) and np.isneginf(log_probabilities[:, 0]).all()
    assert np.exp(log_probabilities.astype(float)).sum(axis=1) == pytest.approx(1.0, abs=1e-5)
    before = model.log_prob(make(prefixes))
    for token in (300 % size, size - 1, 1):
        longer = np.column_stack((prefixes, np.full(len(prefixes), token, np.int32)))
        assert model.log_prob(make(longer)) - before == pytest.approx(log_probabilities[:, token].astype(float), abs=1e-4)


def test_an_ngram_model_expects_what_it_scores():
    model, vocabulary, rows = learned(Ngram(order=3, tokens="words"), np.random.default_rng(0))
    check_next(model, lambda tokens: _blocks(vocabulary, tokens), rows[:5, :3], vocabulary.size)


def test_a_transformer_expects_what_it_scores():
    pytest.importorskip("torch")
    from outcross.models.transformer import TextModel
    from outcross.models.transformer.network import Shape, initial

    vocabulary = WordVocabulary([f"w{i} " for i in range(12)])
    network = initial(Shape(vocabulary.size, 1, 8, 2), np.random.default_rng(0))
    model = TextModel(network, vocabulary, 4, "fp32")  # type: ignore[arg-type]
    rows = np.random.default_rng(1).integers(257, 257 + 12, (5, 3)).astype(np.int32)
    check_next(model, lambda tokens: _blocks(vocabulary, tokens), rows, vocabulary.size)


# Gaps between groups


def test_the_gap_between_groups_is_that_of_the_worst_and_the_best():
    """Three groups of forty documents lose 0, 1 and 3 nats a token, all alike inside a group."""
    groups = np.repeat([0, 1, 2], 40)
    loss = np.choose(groups, [0.0, 1.0, 3.0])
    estimate = gap(5 * loss, np.full(120, 5.0), np.arange(120), groups, "documents")
    assert estimate.value == pytest.approx(3.0) and estimate.n == 120


def test_groups_that_are_alike_have_no_gap_on_average():
    """The largest of twenty estimates less the smallest is 3.7 standard errors; chosen on one half and read on the other it is none."""
    rng, groups = np.random.default_rng(20261128), np.repeat(np.arange(20), 10)
    estimates = [gap(rng.normal(size=200), np.ones(200), np.arange(200), groups, "documents") for _ in range(300)]
    values = np.array([estimate.value for estimate in estimates])
    assert abs(values.mean()) < 3.9 * values.std() / math.sqrt(300)
    missed = sum(not estimate.low <= 0 <= estimate.high for estimate in estimates)
    assert missed <= binom.isf(1e-4, 300, 0.05)


def test_a_gap_needs_two_groups_with_two_documents_in_either_half():
    with pytest.raises(NotApplicable, match="a gap needs two groups"):
        gap(np.ones(6), np.ones(6), np.arange(6), np.array([0, 0, 0, 0, 0, 1]), "documents")
