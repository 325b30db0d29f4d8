"""The n-gram model is interpolated Kneser-Ney, token for token, and writes what it says."""

import json
from collections import Counter
from functools import cache
from pydoc_data.topics import topics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from outcross.cli import main
from outcross.data.records import blocks
from outcross.models.categorical import CategoricalModel
from outcross.models.draw import Draw
from outcross.models.ngram import Ngram, NgramModel
from outcross.models.ngram.sampling import picked, sample
from outcross.models.ngram.tree import FALLBACK, START, discounts, grow
from outcross.models.ngram.words import FIRST, WordBlocks, WordVocabulary

pytestmark = pytest.mark.usefixtures("without_charts")

FALSE_ALARM = 1e-5  # of each chi-square below; with fixed streams a pass stays a pass
BOUND = 4.5  # standard errors


def records(tokens):
    return blocks(np.asarray(tokens, dtype=np.int32), [""] * len(tokens), np.zeros(len(tokens), dtype=np.int32))


def corpus(n=60, block=12, size=30, seed=0):
    """Tokens 1 … size - 1, frequent and rare ones, that depend on the one before."""
    rng = np.random.default_rng(seed)
    tokens = np.minimum(rng.zipf(1.6, (n, block)), size - 1)
    repeats = rng.random((n, block - 1)) < 0.4
    tokens[:, 1:][repeats] = (3 * tokens[:, :-1][repeats]) % (size - 1) + 1
    return tokens


def kneser_ney(texts, order, size):
    """p(token, context), straight from Chen & Goodman's formula, with dictionaries: what the arrays must agree with."""
    seen = Counter()
    for row in ((START, *text) for text in texts):
        for end in range(1, len(row)):
            seen.update(row[end - m + 1 : end + 1] for m in range(1, min(order, end + 1) + 1))

    kinds_before = Counter(gram[1:] for gram in seen)
    adjusted_counts = {gram: seen[gram] if len(gram) == order or gram[0] == START else kinds_before[gram] for gram in seen}

    def discount(m, a):
        n = Counter(min(count, 5) for gram, count in adjusted_counts.items() if len(gram) == m)
        discounts = FALLBACK
        if n[1] and n[2] and n[3] and n[4]:
            y = n[1] / (n[1] + 2 * n[2])
            estimates = (1 - 2 * y * n[2] / n[1], 2 - 3 * y * n[3] / n[2], 3 - 4 * y * n[4] / n[3])
            discounts = estimates if 0 < estimates[0] <= 1 and 0 < estimates[1] <= 2 and 0 < estimates[2] <= 3 else FALLBACK
        return discounts[min(a, 3) - 1]

    @cache
    def probability(token, context):
        followers = {gram[-1]: a for gram, a in adjusted_counts.items() if gram[:-1] == context}
        shorter = probability(token, context[1:]) if context else 1 / (size - 1)
        if not followers:
            return shorter
        taken = {follower: discount(len(context) + 1, a) for follower, a in followers.items()}
        total = sum(followers.values())
        own = followers[token] - taken[token] if token in followers else 0
        return own / total + sum(taken.values()) / total * shorter

    return probability


def direct_nats(probability, text, order):
    row = (START, *map(int, text))
    return sum(np.log(probability(row[end], row[max(0, end - order + 1) : end])) for end in range(1, len(row)))


# What it says


def test_a_bigram_model_worked_out_by_hand():
    """1 2 and 1 3, each behind a start, tokens 1 to 3. No order has counts of 1, 2, 3 and 4, so the discounts are 0.5, 1 and 1.5.

    Kinds of token before 1, 2, 3: one each (the start, 1, 1). p(w) = (1 - 0.5)/3 + (3 × 0.5/3) (1/3) = 1/3.
    After 1: 2 and 3 once each. p(2 | 1) = (1 - 0.5)/2 + (2 × 0.5/2) (1/3) = 5/12, p(1 | 1) = (1/2)(1/3) = 1/6.
    After the start: 1 twice. p(1 | start) = (2 - 1)/2 + (1/2)(1/3) = 2/3, p(2 | start) = (1/2)(1/3) = 1/6. After 2: p(w) = 1/3.
    """
    model = NgramModel(grow(np.array([[1, 2], [1, 3]]), 2, 4), WordVocabulary([]), 2)
    probabilities = model.distribution(np.array([[1], [2]]))
    assert np.allclose(probabilities, [[0, 1 / 6, 5 / 12, 5 / 12], [0, 1 / 3, 1 / 3, 1 / 3]])
    assert np.allclose(model.distribution(np.empty((1, 0), dtype=int)), [[0, 2 / 3, 1 / 6, 1 / 6]])
    assert np.allclose(np.exp(model.log_prob(records([[1, 2], [3, 1], [2, 2]]))), [2 / 3 * 5 / 12, 1 / 6 * 1 / 3, 1 / 6 * 1 / 3])


def test_the_discounts_are_those_of_the_formula_or_the_fallback():
    y = 10 / 18
    assert discounts(np.repeat([1, 2, 3, 4, 9], [10, 4, 2, 1, 5])) == pytest.approx((y, 2 - 3 * y * 2 / 4, 3 - 4 * y / 2))
    assert discounts(np.array([1, 1, 2, 3])) == FALLBACK  # none of 4
    assert discounts(np.repeat([1, 2, 3, 4], [10, 1, 9, 1])) == FALLBACK  # D₂ below 0
    assert discounts(np.array([], dtype=int)) == FALLBACK


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
def test_perplexity_is_that_of_a_direct_implementation(order):
    texts, held_out = corpus(n=200, size=200), corpus(n=8, size=203, seed=1)  # held out are tokens that never occurred
    tree = grow(texts, order, 203)
    assert not (tree.discounts[: min(order, 3)] == FALLBACK).all(axis=1).any(), "the formula is not tried"
    probability = kneser_ney(tuple(map(tuple, texts.tolist())), order, 203)
    direct = [direct_nats(probability, text, order) for text in held_out]
    assert NgramModel(tree, WordVocabulary([]), 12).log_prob(records(held_out)) == pytest.approx(np.array(direct), rel=1e-12)


@given(
    st.lists(st.lists(st.integers(1, 4), min_size=3, max_size=3), min_size=1, max_size=8),
    st.integers(1, 5),
    st.lists(st.integers(1, 6), max_size=6),
)
@settings(max_examples=100, deadline=None)
def test_probabilities_sum_to_one_and_agree_with_a_direct_implementation(texts, order, context):
    """For texts of any shape, orders beyond the block, and contexts seen or unseen; 5 and 6 never occur."""
    model = NgramModel(grow(np.array(texts), order, 7), WordVocabulary([]), 3)
    probabilities = model.distribution(np.array([context], dtype=int).reshape(1, -1))[0]
    assert probabilities.sum() == pytest.approx(1, abs=1e-12)
    assert probabilities[START] == 0 and (probabilities[1:] > 0).all()
    probability = kneser_ney(tuple(map(tuple, texts)), order, 7)
    row = (START, *context)
    direct = [probability(token, row[len(row) - min(order - 1, len(row)) :]) for token in range(1, 7)]
    assert probabilities[1:] == pytest.approx(np.array(direct), rel=1e-12)


def test_log_prob_is_the_distribution_whatever_the_rows_at_a_time(monkeypatch):
    tree, text = grow(corpus(), 3, 32), corpus(n=9, seed=2)
    model = NgramModel(tree, WordVocabulary([]), 12)
    whole = model.log_prob(records(text))
    stepwise = [np.log(model.distribution(text[:, :place])[np.arange(9), text[:, place]]) for place in range(12)]
    assert whole == pytest.approx(np.sum(stepwise, axis=0), rel=1e-12)
    monkeypatch.setattr("outcross.models.ngram.POSITIONS", 25)
    assert np.array_equal(model.log_prob(records(text)), whole)


def test_golden_log_probabilities():
    """On any machine: of a text under counts of another."""
    model = NgramModel(grow(corpus(), 3, 30), WordVocabulary([]), 12)
    assert model.log_prob(records(corpus(n=3, seed=1))) == pytest.approx(GOLDEN, abs=1e-6)


GOLDEN = [-24.18956124, -32.03535238, -37.68307522]


def test_a_model_that_has_read_nothing_finds_all_tokens_alike():
    model = NgramModel(grow(np.empty((0, 4), dtype=int), 1, 11), WordVocabulary([]), 4)
    assert np.allclose(model.distribution(np.array([[3, 4]])), [[0] + [0.1] * 10])
    drawn = sample(model.tree, np.empty((50, 0), dtype=int), 4, Draw(temperature=0.5), np.random.default_rng(0))
    assert drawn.min() >= 1 and drawn.max() <= 10


# What it writes

DRAWS = 60_000
CONTEXTS = {"at the start": [], "seen": [1, 1], "seldom seen": [4, 13], "last token seen": [29, 2], "unseen": [31, 31]}
SETTINGS = [
    {},
    {"temperature": 0.7},
    {"temperature": 0.2},
    {"temperature": 1.4},
    {"top_k": 5},
    {"top_p": 0.8},
    {"temperature": 0.7, "top_k": 12, "top_p": 0.9},
]


@pytest.mark.parametrize("draw_settings", SETTINGS, ids=str)
@pytest.mark.parametrize("context", CONTEXTS)
def test_draws_follow_the_distribution(draw_settings, context):
    """At any temperature and cut, against the law that a categorical model makes of `distribution`."""
    tree, draw = grow(corpus(), 3, 32), Draw(**draw_settings)
    read = np.array([CONTEXTS[context]], dtype=np.int32).reshape(1, -1)
    probabilities = CategoricalModel(NgramModel(tree, WordVocabulary([]), 1).distribution(read)[0]).law(draw)
    drawn = sample(tree, np.repeat(read, DRAWS, axis=0), 1, draw, np.random.default_rng(3))
    counts = np.bincount(drawn[:, 0], minlength=32)
    assert counts[probabilities == 0].sum() == 0
    is_common = probabilities * DRAWS >= 5
    observed = np.append(counts[is_common], counts[~is_common].sum())
    expected = np.append(probabilities[is_common], probabilities[~is_common].sum()) * DRAWS
    possible = expected > 0
    if possible.sum() > 1:
        assert stats.chisquare(observed[possible], expected[possible] * (DRAWS / expected.sum())).pvalue > FALSE_ALARM


@given(st.integers(0, 10_000), st.floats(0.05, 5), st.integers(0, 12), st.floats(0.01, 1))
@settings(max_examples=60, deadline=None)
def test_a_cut_keeps_what_the_law_of_a_categorical_model_keeps(seed, temperature, top_k, top_p):
    """Also among equals, of which the lower number is kept: heights on a fine grid meet every token as often as its share of the law."""
    weights = np.random.default_rng(seed).integers(0, 4, (3, 10)) + np.array([0, 1, 0, 0, 0, 0, 0, 0, 0, 0])
    p, draw = weights / weights.sum(axis=1, keepdims=True), Draw(temperature=temperature, top_k=top_k, top_p=top_p)
    grid = (np.arange(1000) + 0.5) / 1000
    tokens = picked(p, np.repeat(np.arange(3), 1000), np.tile(grid, 3), draw).reshape(3, 1000)
    shares = np.array([np.bincount(row, minlength=10) for row in tokens]) / 1000
    assert np.abs(shares - CategoricalModel(p).law(draw)).max() <= 1.001 / 1000


@pytest.mark.parametrize("temperature", [0.002, 0])
def test_the_colder_the_nearer_the_likeliest_token(temperature):
    tree = grow(corpus(), 3, 32)
    p = tree.distribution(tree.deepest(np.array([[START, 3]])))[0]
    drawn = sample(tree, np.full((100, 1), 3, dtype=np.int32), 1, Draw(temperature=temperature), np.random.default_rng(0))
    assert np.sort(p)[-2] < 0.96 * p.max() and (drawn == p.argmax()).all()


def test_the_loss_on_what_it_writes_is_its_entropy():
    """-ln p of its own text less the entropies of the conditional distributions passed through has mean 0."""
    tree = grow(corpus(), 3, 32)
    model = NgramModel(tree, WordVocabulary([]), 10)
    drawn = sample(tree, np.empty((4000, 0), dtype=np.int32), 10, Draw(), np.random.default_rng(4))
    every = [model.distribution(drawn[:, :place]) for place in range(10)]
    entropy = sum(-np.where(p > 0, p * np.log(np.where(p > 0, p, 1)), 0).sum(axis=1) for p in every)
    surplus = -model.log_prob(records(drawn)) - entropy
    assert abs(surplus.mean()) < BOUND * surplus.std() / np.sqrt(surplus.size)


def test_a_prompt_is_continued_from_its_end():
    tree = grow(corpus(), 3, 32)
    short, long = (
        sample(tree, np.int32([[*prompt, 2, 5]] * 50), 6, Draw(), np.random.default_rng(1)) for prompt in ([7], [1, 1, 9])
    )
    assert np.array_equal(short, long)


# Words

TEXTS = ["The dog sat.\n\nThe  dog sat on the mat.", " naïve café: 你好\tthe dog", "x"]


@given(st.one_of(st.text(), st.binary().map(lambda raw: raw.decode("utf-8", "replace"))))
@settings(max_examples=100, deadline=None)
def test_every_text_comes_back_from_its_words(text):
    vocabulary = WordVocabulary.train(TEXTS, FIRST + 5)
    (tokens,) = vocabulary.encode([text])
    assert vocabulary.decode([tokens]) == [text]
    assert vocabulary.byte_lengths[tokens].sum() == len(text.encode())
    assert START not in tokens


def test_a_word_is_one_token_and_an_unknown_one_is_spelt(tmp_path):
    vocabulary = WordVocabulary.train(["the dog the cat the dog x"] * 3, FIRST + 3)
    assert vocabulary.token_bytes[FIRST:] == [b"the ", b"dog ", b"cat "] and vocabulary.size == FIRST + 3
    (tokens,) = vocabulary.encode(["the cow dog "])
    assert tokens.tolist() == [FIRST, *(1 + byte for byte in b"cow "), FIRST + 1]
    vocabulary.save(tmp_path / "one.json")
    loaded = WordVocabulary.load(tmp_path / "one.json")
    assert loaded.token_bytes == vocabulary.token_bytes


def test_the_start_token_is_that_of_the_bpe():
    vocabulary = pytest.importorskip("outcross.text.vocabulary")
    assert vocabulary.START == START


# In the loop

TINY = """
name: tiny
human: {path: PATH, held_out: 0.1, rows: 120}
block: 16
learner: {kind: ngram, order: 3, vocabulary: 600, tokens: TOKENS}
generations: 3
metrics: [held_out, rare_words, lexical_diversity]
arms: [{policy: replace}, {policy: {kind: human_share, share: 0.25}}, {policy: {kind: weighted, weight: 0.5}}]
"""


@pytest.fixture(params=["bpe", "words"])
def tiny(request, tmp_path):
    if request.param == "bpe":
        pytest.importorskip("tokenizers")
    (tmp_path / "text.txt").write_text("\n\n".join(topics[name] for name in sorted(topics))[:150_000])
    spec = tmp_path / "tiny.yaml"
    spec.write_text(TINY.replace("PATH", str(tmp_path / "text.txt")).replace("TOKENS", request.param))
    return spec


def contents(run):
    """Every file that a promise covers, by name."""
    return {
        str(path.relative_to(run)): path.read_bytes()
        for path in sorted(run.rglob("*"))
        if path.is_file() and path.name not in ("timing.jsonl", "report.html")  # the page names the folder
    }


def test_the_loop_runs_with_an_ngram_and_the_same_command_gives_the_same_readings(tiny, tmp_path, capsys):
    printed = []
    for out in ("one", "two"):
        with pytest.raises(SystemExit) as stopped:
            main(["run", str(tiny), "--out", str(tmp_path / out), "--json"])
        captured = capsys.readouterr()
        assert stopped.value.code == 0, captured.err
        printed.append(json.loads(captured.out)["readings"])
    assert [reading | {"run": ""} for reading in printed[0]] == [reading | {"run": ""} for reading in printed[1]]
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    losses = [reading for reading in printed[0] if reading["measure"] == "held_out_loss"]
    assert len(losses) == 9 and all(0 < reading["value"] < np.log(600) for reading in losses)
    by_arm = {arm: [loss["value"] for loss in losses if loss["arm"].startswith(arm)] for arm in ("replace", "human_share")}
    assert by_arm["replace"][2] > by_arm["human_share"][2] > by_arm["human_share"][0]
    assert not list((tmp_path / "one").rglob("*.pkl"))


@pytest.mark.parametrize("tokens", ["bpe", "words"])
def test_a_model_is_kept_without_pickle_and_the_same_stream_gives_the_same_text(tokens, tmp_path):
    learner = Ngram(tokens=tokens, vocabulary=400)
    vocabulary = learner.form(8).learn_vocabulary(list(topics.values())[:5])
    (stream,) = vocabulary.encode(list(topics.values())[:1])
    text = stream[: len(stream) // 8 * 8].reshape(-1, 8)
    human = blocks(text, vocabulary.decode(text), vocabulary.byte_lengths[text].sum(axis=1))
    untrained = NgramModel(grow(np.empty((0, 8), dtype=int), 1, vocabulary.size), vocabulary, 8)
    model = learner.fit(human, None, untrained, None, np.random.default_rng(0))
    model.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ngram.npz", "vocabulary.json"]
    loaded, draw = learner.load(tmp_path), Draw(records=len(human) + 3, temperature=0.8)
    from_fitted, from_stored = (each.sample(draw, human, np.random.default_rng(5)) for each in (model, loaded))
    assert from_fitted.frame.equals(from_stored.frame) and from_fitted.texts == vocabulary.decode(from_fitted.tokens)
    assert from_fitted.column("_prompt").tolist() == [*range(len(human)), 0, 1, 2]
    assert np.array_equal(model.log_prob(human), loaded.log_prob(human))


def test_words_and_bpe_are_forms_of_their_own():
    assert isinstance(Ngram(tokens="words").form(4), WordBlocks)
    assert Ngram(tokens="words").form(4) != Ngram().form(4)
