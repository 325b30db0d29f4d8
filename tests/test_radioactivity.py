"""Radioactivity end to end: a writer with a watermark, students that learn from shares of its text, and the test of each."""

import json
from dataclasses import replace

import numpy as np
import pytest

from outcross.detectors.radioactivity import radioactivity
from outcross.detectors.watermark import WatermarkDetector
from outcross.errors import BadInput
from outcross.estimate import NotApplicable
from outcross.experiment import experiment
from outcross.loop import run
from outcross.models.draw import Draw

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
SIZE = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    where = tmp_path_factory.mktemp("writer")
    (where / "config.json").write_text(json.dumps({"vocab_size": SIZE}))
    return str(where)


def green_mask(detector):
    """Whether each token is green after each other one, (before, token)."""
    return np.array([[detector.is_green((before,), token) for token in range(SIZE)] for before in range(SIZE)])


def written(law, rng, texts=30, length=60):
    """Texts of a bigram law, (texts, length)."""
    tokens = np.zeros((texts, length), np.int64)
    tokens[:, 0] = rng.integers(SIZE, size=texts)
    above = np.cumsum(law, axis=1)
    for at in range(1, length):
        tokens[:, at] = np.minimum((rng.random((texts, 1)) > above[tokens[:, at - 1]]).sum(axis=1), SIZE - 1)
    return tokens


def student(texts, rng):
    """A bigram model by counts; ties, and contexts that it never saw, are predicted at random."""
    counts = rng.random((SIZE, SIZE)) / 2
    np.add.at(counts, (texts[:, :-1].ravel(), texts[:, 1:].ravel()), 1)
    likeliest = counts.argmax(axis=1)
    return lambda tokens: likeliest[tokens]


def world(folder, key, share, rng):
    """The test of a student that learned a share of marked text."""
    detector = WatermarkDetector(tokenizer=folder, key=key)
    law = rng.dirichlet(np.full(SIZE, 0.5), SIZE)
    marked_law = law * np.where(green_mask(detector), np.exp(2.0), 1.0)
    marked = written(marked_law / marked_law.sum(axis=1, keepdims=True), rng)
    learned = written(law, rng)
    count = round(share * len(learned))
    if count:
        learned[:count] = marked[:count]
    return radioactivity(detector, student(learned, rng), list(marked))


def test_a_student_of_unmarked_text_has_a_valid_p(folder):
    """A fresh key a student: P(p ≤ α) is at most α + 3 standard errors."""
    n = 30
    p = np.array([world(folder, 100 + key, 0.0, np.random.default_rng(key)).p for key in range(n)])
    for level in (0.05, 0.2):
        assert np.mean(p <= level) <= level + 3 * np.sqrt(level * (1 - level) / n)


def test_the_evidence_grows_with_the_share_of_marked_text(folder):
    z = [
        np.mean([world(folder, 900 + seed, share, np.random.default_rng(seed)).z for seed in range(4)]) for share in (0.0, 0.3, 1.0)
    ]
    assert z[0] < z[1] < z[2]
    assert world(folder, 5, 1.0, np.random.default_rng(9)).p < 1e-3


def test_a_context_and_its_prediction_count_once(folder):
    detector = WatermarkDetector(tokenizer=folder)
    text = np.arange(40) % SIZE
    once = radioactivity(detector, lambda tokens: tokens, [text])
    assert radioactivity(detector, lambda tokens: tokens, [text, text]) == once
    assert once.scored == 40


def test_what_is_green_is_what_the_writer_marks(folder):
    """With two tokens of context, and with the token itself in the seed, as transformers' processor has it."""
    from transformers import WatermarkLogitsProcessor

    for seeding, width in (("lefthash", 1), ("lefthash", 2), ("selfhash", 1)):
        detector = replace(WatermarkDetector(tokenizer=folder), seeding=seeding, context=width)
        processor = WatermarkLogitsProcessor(
            vocab_size=SIZE, device="cpu", greenlist_ratio=0.25, bias=2.0, seeding_scheme=seeding, context_width=width
        )
        before = (7, 11)
        scores = processor(torch.tensor([before]), torch.linspace(1, 0, SIZE)[None])[0] - torch.linspace(1, 0, SIZE)
        marked = np.flatnonzero(scores.numpy() > 1).tolist()
        own = [token for token in range(SIZE) if detector.is_green(before, token)]
        assert set(marked) <= set(own) if seeding == "selfhash" else marked == own  # selfhash marks the likeliest candidates alone


def test_bad_questions_are_one_line(folder):
    detector = WatermarkDetector(tokenizer=folder)
    with pytest.raises(NotApplicable, match="at least 16"):
        radioactivity(detector, lambda tokens: tokens, [np.arange(3)])
    with pytest.raises(BadInput, match="one token after each"):
        radioactivity(detector, lambda tokens: tokens[:1], [np.arange(30)])
    with pytest.raises(BadInput, match="scheme"):
        radioactivity(WatermarkDetector(tokenizer=folder, scheme="synthid", keys=(1,)), lambda tokens: tokens, [np.arange(30)])


@pytest.fixture(scope="module")
def marked_loop(tmp_path_factory):
    """An experiment of 300 texts of a Markov chain of 200 words."""
    rng = np.random.default_rng(0)
    law = rng.dirichlet(np.full(200, 0.05), 200).cumsum(axis=1)
    state, words = rng.integers(200, size=300), []
    for _ in range(40):
        state = np.minimum((law[state] < rng.random((300, 1))).sum(axis=1), 199)
        words.append(state)
    path = tmp_path_factory.mktemp("marked") / "people.jsonl"
    path.write_text(
        "".join(json.dumps({"text": " ".join(f"w{word}" for word in row)}) + "\n" for row in np.stack(words, axis=1).tolist())
    )
    return {
        "name": "marked", "human": {"path": str(path), "text_column": "text", "rows": 200, "held_out": 0.2}, "block": 32, "learner": {"kind": "ngram", "tokens": "words"},
        "draw": {"prompts": "none", "watermark": {"bias": 3.0}}, "generations": 2, "metrics": ["radioactivity"],
    }  # fmt: skip


def test_a_student_in_a_loop_is_known_by_the_mark_of_its_teacher(marked_loop):
    """A student of marked text alone predicts green tokens; one of human text is read as generation 0 is; another key finds nothing."""
    p_values = {}
    for name, settings in {
        "marked": {"policy": "replace"},
        "unmarked": {"policy": "human_only"},
        "another key": {"policy": "replace", "metrics": [{"radioactivity": {"watermark": {"key": 7}}}]},
    }.items():
        first, student = run(experiment(marked_loop | settings))
        p_values[name] = [reading.null.p for generation in (first, student) for reading in generation.measured]
    assert p_values["marked"][1] < 1e-6 < 0.001 < min(p_values["marked"][0], *p_values["unmarked"], *p_values["another key"])
    assert p_values["unmarked"][0] == p_values["unmarked"][1] == p_values["marked"][0]


def test_a_network_writes_green_tokens_as_often_as_the_mark_says(folder):
    """On equal logits a green token has probability γe^δ/(1 − γ + γe^δ) = .711; n-gram models and networks write by the same lists as the detector reads."""
    from outcross.models.decoding import TokenLaw, write
    from outcross.models.draw import Watermark
    from outcross.models.green import green_lists
    from outcross.models.ngram.sampling import sample
    from outcross.models.ngram.tree import grow

    lists, detector = green_lists(SIZE, Watermark()), WatermarkDetector(tokenizer=folder)
    assert all(
        lists.is_green((before,), token) == detector.is_green((before,), token) for before in (0, 7) for token in range(SIZE)
    )

    class Flat:
        vocabulary = SIZE

        def read(self, tokens):
            return torch.zeros(len(tokens), 1)

        def logits(self, hidden):
            return torch.zeros(len(hidden), SIZE)

    opened = torch.arange(50)[:, None] % SIZE
    law = TokenLaw(temperature=2.0, marks=lists)
    tokens = write(lambda *_: Flat(), opened, 40, law, rng=np.random.default_rng(0), batch=50, device=torch.device("cpu")).tokens
    texts = np.concatenate((opened.numpy(), tokens), axis=1)
    of_ngram = sample(
        grow(np.empty((0, 40), np.int32), 2, SIZE),
        opened.numpy().astype(np.int32),
        40,
        Draw(watermark={}),
        np.random.default_rng(1),
    )
    for written_texts in (texts, np.concatenate((opened.numpy(), of_ngram), axis=1)):
        pairs = zip(written_texts[:, :-1].ravel().tolist(), written_texts[:, 1:].ravel().tolist(), strict=True)
        rate = np.mean([lists.is_green((before,), token) for before, token in pairs])
        expected = 0.25 * np.exp(2) / (0.75 + 0.25 * np.exp(2))
        assert abs(rate - expected) < 4 * np.sqrt(expected * (1 - expected) / 2000)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"draw": {"watermark": {}, "temperature": 0}}, "temperature above 0"),
        ({"draw": {"watermark": {"green": 1}}}, "green"),
        ({"draw": {"watermark": {"key": -1}}}, "key"),
        ({"learner": "causal_lm"}, "but not with causal_lm"),
    ],
)
def test_a_watermark_that_cannot_be_left_is_refused(marked_loop, changes, words):
    with pytest.raises(BadInput, match=words) as refusal:
        experiment(marked_loop | changes)
    assert "\n" not in str(refusal.value)
