"""Near twins are those that an exact comparison of every pair finds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outcross.errors import BadInput
from outcross.text.near import near_twins


def runs_of(text: str, size: int) -> set[tuple[str, ...]]:
    words = text.lower().split()
    if len(words) < size:
        return {tuple(words)} if words else set()
    return {tuple(words[at : at + size]) for at in range(len(words) - size + 1)}


def families(pairs, n: int) -> list[int]:
    """The least number of each text's family, joined pair by pair."""
    smallest = list(range(n))
    for _ in range(n):
        for first, second in pairs:
            smallest[first] = smallest[second] = min(smallest[first], smallest[second])
    return smallest


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from(["a", "b", "c", "d", "7"]), max_size=9).map(" ".join), max_size=12),
    st.sampled_from([0.3, 0.5, 0.75, 0.8, 1.0]),
    st.integers(1, 3),
)
def test_twins_are_joined_as_an_exact_comparison_joins_them(texts, threshold, size):
    sets = [runs_of(text, size) for text in texts]
    exact = {
        (i, j): len(sets[i] & sets[j]) / len(sets[i] | sets[j])
        for j in range(len(texts))
        for i in range(j)
        if sets[i] and sets[j] and len(sets[i] & sets[j]) / len(sets[i] | sets[j]) >= threshold
    }
    twins = near_twins(texts, threshold, size)
    pairs = list(zip(twins.first.tolist(), twins.second.tolist(), strict=True))
    assert len(set(pairs)) == len(pairs) and pairs == sorted(pairs)
    for pair, similarity in zip(pairs, twins.similarity.tolist(), strict=True):
        assert exact[pair] == pytest.approx(similarity, abs=1e-15)
    assert families(pairs, len(texts)) == families(exact, len(texts))


def test_every_planted_twin_among_many_texts_is_found():
    rng = np.random.default_rng(0)
    words = np.array([f"w{chr(97 + i % 26)}{i}" for i in range(2000)])
    drawn = words[rng.integers(2000, size=(3000, 30))]
    drawn[2900:] = drawn[:100]
    drawn[2900:, 0] = "other"  # the first of 26 runs is another: 25 of 27 are shared
    twins = near_twins([" ".join(row) for row in drawn])
    assert twins.first.tolist() == list(range(100)) and twins.second.tolist() == list(range(2900, 3000))
    assert twins.similarity == pytest.approx(25 / 27)


def test_a_crowd_of_texts_that_share_a_run_is_joined_in_work_that_grows_as_the_texts():
    stem = " ".join(f"s{chr(97 + i)}" for i in range(20))
    crowd = [f"{stem} {'x' * (1 + i % 50)} {'y' * (1 + i // 50)}" for i in range(600)]
    twins = near_twins(crowd, 0.6)
    assert families(zip(twins.first.tolist(), twins.second.tolist(), strict=True), 600) == [0] * 600
    assert twins.first.size < 20_000


def test_the_order_of_the_texts_changes_no_family():
    rng = np.random.default_rng(1)
    texts = [" ".join(rng.choice(list("abcdef"), 8)) for _ in range(200)]
    order = rng.permutation(200)
    said = [near_twins(texts, 0.5, 2), near_twins([texts[i] for i in order], 0.5, 2)]
    pairs = [
        {tuple(sorted((texts[i], texts[j]))) for i, j in zip(said[0].first, said[0].second, strict=True)},
        {tuple(sorted((texts[order[i]], texts[order[j]]))) for i, j in zip(said[1].first, said[1].second, strict=True)},
    ]
    joined = [dict(zip(texts, families([(texts.index(a), texts.index(b)) for a, b in some], 200), strict=True)) for some in pairs]
    assert joined[0] == joined[1]


def test_texts_that_differ_in_a_number_alone_are_as_different_as_in_a_word():
    sums = [f"What is {first} plus {second}?" for first in range(30) for second in range(30)]
    assert near_twins(sums).first.size == 0 and near_twins([*sums, sums[7].upper()]).first.tolist() == [7]


def test_no_texts_and_texts_without_words_have_no_twins():
    for texts in ([], ["", "", "?!", "?!"], ["one alone"]):
        assert near_twins(texts).first.size == 0


@pytest.mark.parametrize(("threshold", "shingle"), [(0, 5), (1.1, 5), (0.8, 0)])
def test_a_threshold_or_a_run_out_of_range_is_refused(threshold, shingle):
    with pytest.raises(BadInput, match="must be"):
        near_twins(["a"], threshold, shingle)


def test_texts_in_batches_and_in_another_order_have_the_same_twins():
    rng = np.random.default_rng(3)
    said = [" ".join(f"w{word}" for word in rng.integers(0, 2, 8)) for _ in range(60)]
    order = rng.permutation(60)
    whole = near_twins([said[row] for row in order], 0.5)
    parts = near_twins(iter([said[:7], [], said[7:50], said[50:]]), 0.5, order=order)
    assert len(whole.first) > 20
    for of_whole, of_parts in zip(whole, parts, strict=True):
        assert np.array_equal(of_whole, of_parts)


@pytest.mark.parametrize("ranked", [1, 7, 100])
def test_how_many_runs_are_looked_through_together_changes_nothing(ranked, monkeypatch):
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(["a", "b", "c", "d", "e", "f"], int(size))) for size in rng.integers(0, 12, 60)]
    whole = near_twins(texts, 0.4, 2)
    monkeypatch.setattr("outcross.text.near.RANKED", ranked)
    parts = near_twins(iter([texts[:20], texts[20:]]), 0.4, 2)
    assert whole.first.size and all((of_whole == of_parts).all() for of_whole, of_parts in zip(whole, parts, strict=True))
