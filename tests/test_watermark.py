"""Watermarks, against closed forms (science/oracles.md D6, mitigation.md §5.7) and transformers' own marking."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import outcross
from outcross import testing
from outcross.detectors import watermark
from outcross.detectors.watermark import WatermarkDetector
from outcross.errors import BadInput

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
SIZE, LENGTH = 500, 200


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model's folder: a tokenizer of 500 words, and the size of the vocabulary."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    where = tmp_path_factory.mktemp("model")
    tokenizer = Tokenizer(models.WordLevel({f"w{number}": number for number in range(SIZE)}, unk_token="w0"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(where / "tokenizer.json"))
    (where / "config.json").write_text(json.dumps({"vocab_size": SIZE}))
    return str(where)


def test_it_keeps_the_promises_of_detectors(folder):
    detector = WatermarkDetector(tokenizer=folder)
    assert not [seen for promise in testing.promises("detectors")[:-1] if (seen := testing.seen_against(promise, detector))]


def texts_of(tokens):
    return [" ".join(f"w{number}" for number in row) for row in tokens]


def marked(processor, n, length=LENGTH):
    """Texts that are sampled from uniform logits under a processor of transformers."""
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(SIZE, (n, 1), generator=generator)
    for _ in range(length):
        chances = torch.softmax(processor(ids, torch.zeros(n, SIZE)), dim=1)
        ids = torch.cat((ids, torch.multinomial(chances, 1, generator=generator)), dim=1)
    return texts_of(ids.tolist())


def test_a_green_list_is_counted_as_its_closed_form_says(folder):
    """γ = .25, δ = 2: the green rate is γe^δ/(1 − γ + γe^δ) = .7112 and z over 200 tokens is 15.06."""
    processor = transformers.WatermarkLogitsProcessor(vocab_size=SIZE, device="cpu", greenlist_ratio=0.25, bias=2.0)
    detector = WatermarkDetector(tokenizer=folder)
    texts = marked(processor, 12)
    marks, counted, chance = detector.marks(texts)
    rate = marks.sum() / counted.sum()
    assert rate == pytest.approx(0.7112, abs=3 * np.sqrt(0.7112 * 0.2888 / counted.sum()))
    z = (marks - chance * counted) / np.sqrt(counted * chance * (1 - chance))
    assert z.mean() == pytest.approx(
        15.06, abs=3 * np.sqrt(0.7112 * 0.2888 / (0.25 * 0.75)) / np.sqrt(12) + 0.3
    )  # runs that repeat are counted once
    assert (detector.p_values(texts) < 1e-20).all()
    assert (
        detector.fit(None, np.zeros(0, bool), np.zeros(0, int), np.random.default_rng(0)).score(detector.reader([])(texts)) > 20
    ).all()


def test_text_without_the_mark_has_a_valid_p(folder):
    """A fresh key a text, repeated runs ignored: P(p ≤ α) is at most α + 3 standard errors."""
    rng = np.random.default_rng(1)
    n = 100
    texts = texts_of(rng.zipf(1.5, (n, 60)) % SIZE)
    p = np.array([WatermarkDetector(tokenizer=folder, key=1000 + row).p_values([text])[0] for row, text in enumerate(texts)])
    for level in (0.01, 0.05, 0.2):
        assert np.mean(p <= level) <= level + 3 * np.sqrt(level * (1 - level) / n)


def test_the_tail_is_exact(folder):
    """T = 200, γ = .25, z = 4: 6.15e-5, where the normal tail says 3.17e-5."""
    from scipy.stats import binom

    marks = int(np.ceil(0.25 * 200 + 4 * np.sqrt(200 * 0.25 * 0.75)))
    assert binom.sf(marks - 1, 200, 0.25) == pytest.approx(6.15e-5, rel=0.01)


def synthid(depth, n=20_000):
    """The mean mark of the last layer under the tournament of p = (.5, .25, .15, .1), over n random contexts."""
    processor = transformers.SynthIDTextWatermarkLogitsProcessor(5, list(range(11, 11 + depth)), 65536, 0, 4, device="cpu")
    contexts = torch.randint(100_000, (n, 4), generator=torch.Generator().manual_seed(2))
    law = torch.tensor([0.5, 0.25, 0.15, 0.1]).log().expand(n, 4)
    for read in (
        1,
        1,
        2,
        3,
        4,
    ):  # the processor keeps the context itself: the first call begins it, each later one adds the last token
        scores = processor(contexts[:, :read], law.clone())
    after = torch.softmax(scores, dim=1)
    marks = torch.stack(
        [processor.compute_g_values(torch.cat((contexts, torch.full((n, 1), token)), dim=1))[:, 0, -1] for token in range(4)], dim=1
    )
    return float((after * marks).sum(dim=1).mean())


@pytest.mark.parametrize(("depth", "mean"), [(1, 0.66375), (2, 0.652873)])
def test_the_tournament_has_its_closed_form(depth, mean):
    assert synthid(depth) == pytest.approx(mean, abs=3 * 0.25 / np.sqrt(20_000) + 0.001)


def test_synthid_is_found_and_its_absence_too(folder):
    keys = (654, 400, 836, 123, 340, 443, 597, 160, 57)
    processor = transformers.SynthIDTextWatermarkLogitsProcessor(
        5, list(keys), 65536, 0, 1024, device="cpu", skip_first_ngram_calls=True
    )
    detector = WatermarkDetector(tokenizer=folder, scheme="synthid", keys=keys)
    assert (detector.p_values(marked(processor, 4, 80)) < 1e-6).all()
    rng = np.random.default_rng(3)
    plain = detector.p_values(texts_of(rng.integers(SIZE, size=(60, 80))))
    assert np.mean(plain <= 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 60)


def test_short_texts_are_abstained_from(folder):
    assert np.isnan(WatermarkDetector(tokenizer=folder).p_values(["w1 w2 w3"])).all()
    assert np.isnan(WatermarkDetector(tokenizer=folder, scheme="synthid", keys=(1, 2)).p_values(["", "w1 w2 w3"])).all()


def test_bad_settings_are_one_line(folder, tmp_path):
    with pytest.raises(BadInput, match="keys must be given"):
        WatermarkDetector(tokenizer=folder, scheme="synthid")
    with pytest.raises(BadInput, match="synthid has a list of keys"):
        WatermarkDetector(tokenizer=folder, scheme="synthid", keys=(1,), key=3)
    with pytest.raises(BadInput, match="a single key"):
        WatermarkDetector(tokenizer=folder, keys=(1,))
    with pytest.raises(BadInput, match=r"no tokenizer\.json"):
        WatermarkDetector(tokenizer=str(tmp_path)).p_values(["a"])
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(BadInput, match="is not a tokenizer"):
        replace(WatermarkDetector(tokenizer=folder), tokenizer=str(tmp_path)).p_values(["a"])
    (tmp_path / "config.json").write_text('{"vocab_size": "many"}')
    (tmp_path / "tokenizer.json").write_bytes(Path(folder, "tokenizer.json").read_bytes())
    with pytest.raises(BadInput, match="vocab_size must be a whole number"):
        WatermarkDetector(tokenizer=str(tmp_path)).p_values(["w1 w2 " * 20])


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (None, r"has no config\.json"),
        ("[1]", "has no vocab_size"),
        ('{"vocab_size": true}', "vocab_size must be"),
        ('{"vocab_size": 0}', "vocab_size must be a whole number above 1"),
        ('{"vocab_size": 1000000000000}', "at most 16,777,216"),
        ('{"vocab_size": 10}', "the tokenizer has [0-9,]+ tokens, but vocab_size in config.json is 10"),
    ],
)
def test_a_folder_of_another_model_is_refused(folder, tmp_path, config, words):
    (tmp_path / "tokenizer.json").write_bytes(Path(folder, "tokenizer.json").read_bytes())
    if config is not None:
        (tmp_path / "config.json").write_text(config)
    with pytest.raises(BadInput, match=words):
        WatermarkDetector(tokenizer=str(tmp_path)).p_values(["w1 w2 " * 20])


def test_green_lists_take_a_bounded_memory(folder, monkeypatch):
    """They are one bit a token, and the marks are the same if hardly any list is kept."""
    texts = texts_of(np.random.default_rng(6).integers(SIZE, size=(4, 60)))
    detector = WatermarkDetector(tokenizer=folder)
    marks = detector.marks(texts)[0].tolist()
    assert sum(bits.nbytes for bits in detector.kept_lists.values()) == len(detector.kept_lists) * -(-SIZE // 8)
    monkeypatch.setattr(watermark, "MOST_BYTES", 3 * -(-SIZE // 8))
    few = WatermarkDetector(tokenizer=folder)
    assert few.marks(texts)[0].tolist() == marks
    assert len(few.kept_lists) <= 3


def test_the_files_that_decide_what_is_green_are_named(folder):
    assert [Path(path).name for path in WatermarkDetector(tokenizer=folder).paths] == ["tokenizer.json", "config.json"]
    assert [Path(path).name for path in WatermarkDetector(tokenizer=folder, scheme="synthid", keys=(1,)).paths] == [
        "tokenizer.json"
    ]


def test_slices_of_marked_texts(folder):
    """Every text of one slice carries the mark, none of the other, and those of the third are too short."""
    processor = transformers.WatermarkLogitsProcessor(vocab_size=SIZE, device="cpu", greenlist_ratio=0.25, bias=2.0)
    plain = texts_of(np.random.default_rng(5).integers(SIZE, size=(20, 60)))
    data = pl.DataFrame({"text": [*marked(processor, 20, 60), *plain, "w1"], "source": ["a"] * 20 + ["b"] * 20 + ["c"]})
    detector = {"kind": "watermark", "tokenizer": folder}
    detected = outcross.detect(data, detector=detector, by="source")
    shares = detected.by("source")
    assert shares["a"].low > 0.8 and shares["b"].low < 0.05 and "c" not in shares
    assert {part.value: part.why for part in detected.slices}["c"] == "every text is too short to count the watermark"
    assert "minimum share that carries the watermark, by slice:" in "\n".join(detected.lines())
    for asked, words in (
        ({"ai": data}, "--ai needs --human"),
        ({"group": "source"}, "--group has no effect on --detector watermark"),
        ({"by": "sauce"}, "did you mean 'source'"),
    ):
        with pytest.raises(BadInput, match=words):
            outcross.detect(data, detector=detector, **asked)


def test_a_key_needs_no_human_sample(folder):
    """40 of 100 texts carry the mark: the least share is (flagged − rate)/(1 − rate), and p-values stand beside the texts."""
    processor = transformers.WatermarkLogitsProcessor(vocab_size=SIZE, device="cpu", greenlist_ratio=0.25, bias=2.0)
    plain = texts_of(np.random.default_rng(5).integers(SIZE, size=(60, 60)))
    data = pl.DataFrame({"text": [*marked(processor, 40, 60), *plain, "w1 w2"]})
    detected = outcross.detect(data, detector={"kind": "watermark", "tokenizer": folder})
    assert detected.share.low <= 0.4 <= detected.share.value + 0.06
    assert detected.share.high == 1.0
    frame = detected.frame()
    assert (frame["_p_value"][:40] < 0.01).all()
    assert frame["_p_value"].to_list()[-1] is None and frame["_why"].to_list()[-1].startswith("cannot_tell")
    assert frame["_p_ai"].null_count() == 101
    assert any("fixed key" in warning for warning in detected.warnings)


def test_a_key_of_the_wrong_length_is_refused(folder):
    with pytest.raises(BadInput, match="key must be in"):
        WatermarkDetector(tokenizer=folder, key=2**64)
    with pytest.raises(BadInput, match="keys must be in"):
        WatermarkDetector(tokenizer=folder, scheme="synthid", keys=(1, 2**63))
