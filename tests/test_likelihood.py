"""Detectors by likelihood, against the martingale identities (science/oracles.md D5), and blends."""

import json

import numpy as np
import pytest
from test_detect import HUMAN, MODEL, written

from outcross import testing
from outcross.detectors import DETECTORS
from outcross.detectors.blend import BlendDetector
from outcross.detectors.ngram import NgramDetector
from outcross.errors import BadInput
from outcross.recipe import read
from outcross.statistics.prediction import area_under_the_curve

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
SIZE = 40


@pytest.fixture(scope="module")
def network():
    """A Llama of one layer whose random weights are large, so that its laws are far from uniform."""
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=SIZE, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, max_position_embeddings=64,
        initializer_range=0.6, bos_token_id=0, eos_token_id=None,
    )  # fmt: skip
    return transformers.LlamaForCausalLM(config).eval()


@pytest.fixture(scope="module")
def folder(network, tmp_path_factory):
    from tokenizers import Tokenizer, models, pre_tokenizers

    where = tmp_path_factory.mktemp("network")
    network.save_pretrained(where)
    tokenizer = Tokenizer(models.WordLevel({f"w{number}": number for number in range(SIZE)}, unk_token="w1"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(where / "tokenizer.json"))
    (where / "tokenizer_config.json").write_text(json.dumps({"bos_token": "w0"}))
    return str(where)


def test_it_keeps_the_promises_of_detectors(folder):
    detector = read(DETECTORS, {"kind": "likelihood", "model": folder}, "detector")
    assert not [seen for promise in testing.promises("detectors")[:-1] if (seen := testing.seen_against(promise, detector))]


def sampled(network, n, length, temperature=1.0):
    """Tokens that the network writes after its start token, (n, length)."""
    generator = torch.Generator().manual_seed(1)
    ids = torch.zeros((n, 1), dtype=torch.long)
    with torch.inference_mode():
        for _ in range(length):
            law = torch.softmax(network(input_ids=ids).logits[:, -1] / temperature, dim=-1)
            ids = torch.cat((ids, torch.multinomial(law, 1, generator=generator)), dim=1)
    return ids[:, 1:].numpy()


@pytest.mark.parametrize("length", [2, 12])
def test_text_of_the_scoring_model_meets_the_martingale_identities(network, length):
    """E Σ(log p − μ) = 0 and E (Σ(log p − μ))² = E Σσ² within three standard errors; the ratio of the means is 1."""
    from outcross.detectors.token_statistics import token_statistics

    read_texts = token_statistics(network, list(sampled(network, 600, length)), start=0)
    away = np.array([(text.log_prob - text.mean).sum() for text in read_texts])
    variance = np.array([text.variance.sum() for text in read_texts])
    assert variance.mean() > 0.3 * length
    assert abs(away.mean()) <= 3 * away.std() / np.sqrt(600)
    excess = away**2 - variance
    assert abs(excess.mean()) <= 3 * excess.std() / np.sqrt(600)
    nats, entropy = (np.array([getattr(text, name).sum() for text in read_texts]) for name in ("log_prob", "entropy"))
    ratio = -nats.mean() / entropy.mean()
    assert abs(ratio - 1) <= 3 * (-nats - entropy).std() / np.sqrt(600) / entropy.mean()


def test_statistics_do_not_depend_on_what_is_read_together(network):
    from outcross.detectors.token_statistics import token_statistics

    texts = [row[:length] for row, length in zip(sampled(network, 4, 9), (9, 0, 3, 7), strict=True)]
    together = token_statistics(network, texts, start=0)
    for text, own in zip(texts, together, strict=True):
        (alone,) = token_statistics(network, [text], start=0)
        assert own.log_prob == pytest.approx(alone.log_prob, abs=1e-5)
        assert own.log_rank.size == len(text)


def test_colder_text_is_found_and_its_own_temperature_is_not(network, folder):
    words = [[" ".join(f"w{token}" for token in row) for row in sampled(network, 80, 30, heat)] for heat in (1.0, 0.5)]
    for statistic in ("curvature", "ratio", "log_likelihood", "log_rank"):
        detector = read(DETECTORS, {"kind": "likelihood", "model": folder, "statistic": statistic}, "detector")
        own, cold = (detector.reader([])(texts)[:, 0] for texts in words)
        assert cold.mean() > own.mean() + own.std()
        if statistic == "curvature":
            assert abs(own.mean()) < 3 * own.std() / np.sqrt(80) + 0.3
        if statistic == "ratio":
            assert own.mean() == pytest.approx(-1, abs=0.1)
    assert np.isnan(detector.reader([])(["w1 w2"])).all()
    other = read(DETECTORS, {"kind": "likelihood", "model": folder, "reference": folder, "statistic": "ratio"}, "detector")
    assert other.reader([])(words[0][:3]).shape == (3, 1)


@pytest.fixture(scope="module")
def texts():
    rng = np.random.default_rng(0)
    return [*written(rng, 150, HUMAN, (20, 40)), *written(rng, 150, MODEL, (20, 40))], np.arange(300) >= 150


def area(detector, texts, is_model):
    """The area under the ROC curve on every third text, of a detector that learned the others."""
    features = detector.reader(texts)(texts)
    seen = np.flatnonzero(np.arange(len(texts)) % 3 != 0)
    unseen = np.flatnonzero(np.arange(len(texts)) % 3 == 0)
    score = detector.fit(features[seen], is_model[seen], seen, np.random.default_rng(0)).score(features[unseen])
    return area_under_the_curve(score, is_model[unseen]).value


def test_an_ngram_model_of_each_author_tells_them_apart(texts):
    assert area(NgramDetector(order=1), *texts) > 0.8
    assert area(NgramDetector(order=1, against="nothing"), *texts) > 0.3


def test_a_blend_gives_the_weight_to_the_detector_that_knows(texts):
    blend = BlendDetector(detectors=["classifier", "declared", {"kind": "ngram", "order": 1}])
    assert area(blend, *texts) > 0.8
    features = blend.reader(texts[0])(texts[0])
    fitted = blend.fit(features, texts[1], np.arange(len(texts[0])), np.random.default_rng(0))
    assert abs(fitted.weights[1]) < 1e-6 < fitted.weights[2]  # nobody writes an assistant's phrase here


def test_a_blend_does_not_weigh_a_detector_by_rewrites_of_what_it_learned():
    """Each story is told by people and by a model in its own words, which say nothing of who tells the next one; a few common words do."""
    rng, stories = np.random.default_rng(0), 240

    def story_by(story: int, is_model: bool) -> str:
        words = [f"name{story}x{number}" for number in rng.permutation(40) % 20]
        habits = ["moreover", "thus"] if is_model else ["and", "but"]
        common = [
            habits[rng.integers(2)] if rng.random() < 0.3 else ["moreover", "thus", "and", "but"][rng.integers(4)] for _ in range(6)
        ]
        return " ".join([*words, *common])

    texts = [story_by(story, is_model) for is_model in (False, True) for story in range(stories)]
    is_model, groups = np.arange(2 * stories) >= stories, np.tile(np.arange(stories), 2)
    blend = BlendDetector(detectors=["classifier", {"kind": "ngram", "order": 1}])
    features = blend.reader(texts)(texts)
    by_story = blend.fit(features, is_model, groups, rng)
    by_text = blend.fit(features, is_model, rng.permutation(2 * stories), rng)
    assert by_story.weights[1] > 0.2 > 0 > by_text.weights[1]


def test_bad_settings_are_one_line(tmp_path):
    with pytest.raises(BadInput, match="at least two"):
        BlendDetector(detectors=["classifier"])
    with pytest.raises(BadInput, match="did you mean 'classifier'"):
        BlendDetector(detectors=["clasifier", "ngram"])
    with pytest.raises(BadInput, match="nothing"):
        read(DETECTORS, {"kind": "likelihood", "model": str(tmp_path / "nothing")}, "detector").reader([])(["a b c"])
