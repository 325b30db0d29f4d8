"""The small transformer: vocabulary, training, keeping."""

import copy
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from outcross.models import networks  # noqa: E402
from outcross.models.transformer import fitting, network  # noqa: E402
from outcross.models.transformer.fitting import fit, mean_loss  # noqa: E402
from outcross.models.transformer.network import Network, Shape, initial  # noqa: E402
from outcross.models.transformer.sampling import sample  # noqa: E402
from outcross.models.transformer.scoring import log_prob  # noqa: E402
from outcross.text.vocabulary import SMALLEST, START, START_TEXT, Vocabulary  # noqa: E402

torch.set_num_threads(1)
TEXTS = ["the cat sat on the mat", "the dog sat on the log", "naïve café: 你好 <|start|>"] * 20


@pytest.fixture(scope="module")
def vocabulary():
    return Vocabulary.train(TEXTS, 300)


@pytest.fixture(scope="module")
def untrained():
    return initial(Shape(vocabulary=50, layers=2, width=32, heads=2), np.random.default_rng(0))


def blocks(n, length=8, seed=1):
    return np.random.default_rng(seed).integers(1, 50, (n, length), dtype=np.int32)


def teach(start, records, **changes):
    recipe = {"steps": 5, "batch": 4, "learning_rate": 1e-2, "warmup": 2, "precision": "fp32"} | changes
    return fit(start, records, rng=np.random.default_rng(2), **recipe)


def largest_difference(first, second):
    pairs = zip(first.parameters(), second.parameters(), strict=True)
    return max((a - b).abs().max().item() for a, b in pairs)


# Vocabulary


@given(st.one_of(st.text(), st.binary().map(lambda raw: raw.decode("utf-8", "replace"))))
@settings(max_examples=150, deadline=None)
def test_every_text_comes_back_from_its_tokens(vocabulary, text):
    (tokens,) = vocabulary.encode([text])
    assert vocabulary.decode([tokens]) == [text]
    assert vocabulary.byte_lengths[tokens].sum() == len(text.encode())
    assert START not in tokens


@given(st.lists(st.integers(0, SMALLEST - 1)))
@settings(max_examples=100, deadline=None)
def test_any_tokens_have_a_text(vocabulary, tokens):
    raw = b"".join(vocabulary.token_bytes[token] for token in tokens)
    assert vocabulary.decode([tokens]) == [raw.decode("utf-8", "replace")]


def test_text_that_spells_the_start_token_is_ordinary_text(vocabulary):
    (tokens,) = vocabulary.encode([START_TEXT])
    assert START not in tokens
    assert vocabulary.decode([[START, *tokens]]) == [START_TEXT]
    assert vocabulary.byte_lengths[START] == 0


def test_frequent_pairs_become_tokens(vocabulary):
    assert b" the" in vocabulary.token_bytes
    assert vocabulary.size <= 300
    assert sum(map(len, vocabulary.encode(TEXTS))) < sum(len(text.encode()) for text in TEXTS) / 2


def test_a_vocabulary_is_kept_to_the_byte(vocabulary, tmp_path):
    vocabulary.save(tmp_path / "one.json")
    loaded = Vocabulary.load(tmp_path / "one.json")
    loaded.save(tmp_path / "two.json")
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()
    assert all((a == b).all() for a, b in zip(vocabulary.encode(TEXTS), loaded.encode(TEXTS), strict=True))


def test_a_vocabulary_too_small_for_bytes_is_refused():
    with pytest.raises(ValueError, match="at least 257"):
        Vocabulary.train(TEXTS, 256)


# Training


def test_training_memorises_a_tiny_corpus(untrained):
    records = blocks(8)
    fitted = teach(untrained, records, steps=300, batch=8, learning_rate=1e-2, warmup=10)
    assert fitted.losses[0] == pytest.approx(np.log(49), abs=0.1)
    # What is left is the choice among 8 records: log(8) nats a block of 8 tokens.
    assert -log_prob(fitted.network, records).mean() / 8 < np.log(8) / 8 + 0.02


def test_bf16_learns_what_fp32_learns(untrained):
    records = blocks(16)
    precise, coarse = (teach(untrained, records, steps=60, precision=precision).losses for precision in ("fp32", "bf16"))
    assert coarse[-1] == pytest.approx(precise[-1], rel=0.05)


def test_weight_two_counts_a_record_twice_exactly(untrained):
    records = torch.from_numpy(blocks(3)).long()
    weighted = mean_loss(untrained, records, torch.tensor([2.0, 1.0, 1.0]) / 4 * 3)
    repeated = mean_loss(untrained, records[[0, 0, 1, 2]], torch.ones(4))
    assert weighted.item() == pytest.approx(repeated.item(), rel=1e-6)


def test_training_with_weight_two_is_training_on_the_record_twice(untrained):
    records = blocks(3)
    weighted = teach(untrained, records, batch=3, weights=np.array([20.0, 10.0, 10.0]))
    repeated = teach(untrained, records[[0, 0, 1, 2]], batch=4)
    assert largest_difference(weighted.network, repeated.network) < 1e-4
    assert largest_difference(weighted.network, teach(untrained, records, batch=3).network) > 1e-3


def test_the_loss_is_minus_log_prob_and_its_gradient_is_autograds(untrained):
    records = torch.from_numpy(blocks(5)).long()
    weights = torch.tensor([0.0, 1.0, 2.0, 1.0, 1.0])
    plain = untrained.logits(untrained(network.after_start(records))).log_softmax(-1).gather(2, records[..., None])[..., 0]
    plain = -(plain.mean(dim=1) * weights).mean()
    ours = mean_loss(untrained, records, weights)
    assert ours.item() == pytest.approx(plain.item(), rel=1e-6)
    parameters = list(untrained.parameters())
    for own, expected in zip(torch.autograd.grad(ours, parameters), torch.autograd.grad(plain, parameters), strict=True):
        assert torch.allclose(own, expected, rtol=1e-4, atol=1e-7)


def test_chunks_of_the_vocabulary_do_not_change_the_loss(untrained, monkeypatch):
    records = torch.from_numpy(blocks(5)).long()
    whole = mean_loss(untrained, records, torch.ones(5)).item()
    parameters = list(untrained.parameters())
    exact = torch.autograd.grad(mean_loss(untrained, records, torch.ones(5)), parameters)
    for scores in (40, 17):
        monkeypatch.setattr(fitting, "SCORES_AT_A_TIME", 50 * scores)
        monkeypatch.setattr(fitting, "LOGITS_AT_A_TIME", 50 * 7)  # of 40 rows
        loss = mean_loss(untrained, records, torch.ones(5))
        assert loss.item() == pytest.approx(whole, rel=1e-6)
        for gradient, other in zip(torch.autograd.grad(loss, parameters), exact, strict=True):
            assert torch.allclose(gradient, other, rtol=1e-4, atol=1e-7)


def test_attention_in_bf16_has_the_gradient_of_attention_in_fp32():
    rng = np.random.default_rng(0)
    parts = [torch.from_numpy(rng.normal(size=(2, 2, 9, 8)).astype(np.float32)).bfloat16().requires_grad_() for _ in range(3)]
    exact = [part.detach().float().requires_grad_() for part in parts]
    ours = networks.attend_causally(*parts)
    plain = torch.nn.functional.scaled_dot_product_attention(*exact, is_causal=True)
    assert torch.allclose(ours.float(), plain, atol=0.03)
    upstream = torch.ones_like(plain)
    for own, expected in zip(
        torch.autograd.grad(ours, parts, upstream.bfloat16()), torch.autograd.grad(plain, exact, upstream), strict=True
    ):
        assert torch.allclose(own.float(), expected, atol=0.06)


def test_the_optimizer_is_torchs_to_the_bit(untrained):
    """Its objects cost three seconds to import; the steps must be theirs."""
    ours, theirs = copy.deepcopy(untrained), copy.deepcopy(untrained)
    decays = [{"params": [parameter for parameter in theirs.parameters() if parameter.dim() > 1], "weight_decay": 0.1},
              {"params": [parameter for parameter in theirs.parameters() if parameter.dim() == 1], "weight_decay": 0.0}]  # fmt: skip
    optimizer, torchs = fitting.AdamW(ours), torch.optim.AdamW(decays, betas=(0.9, 0.95), fused=True)
    records, weights = torch.from_numpy(blocks(6)).long(), torch.ones(6)
    for learning_rate in (1e-2, 3e-3, 1e-4):
        for group in torchs.param_groups:
            group["lr"] = learning_rate
        torchs.zero_grad()
        for trained in (ours, theirs):
            mean_loss(trained, records, weights).backward()
        optimizer.step(learning_rate)
        torchs.step()
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(ours.parameters(), untrained.parameters(), strict=True))


def test_every_record_is_seen_equally_often():
    for n in (1, 3, 10, 32):
        rows = np.concatenate(list(fitting.batches(n, 8, 15, np.random.default_rng(0))))
        counts = np.bincount(rows, minlength=n)
        assert len(rows) == 120
        assert counts.max() - counts.min() <= 1


def test_fewer_records_than_a_batch_take_the_exact_number_of_steps(untrained):
    assert len(teach(untrained, blocks(2), steps=7, batch=32).losses) == 7


def test_windows_longer_than_a_block_are_trained_on(untrained):
    fitted = teach(untrained, blocks(6, length=16), steps=30)
    assert fitted.losses[-1] < fitted.losses[0]
    assert sample(fitted.network, blocks(2), 8, rng=np.random.default_rng(0)).shape == (2, 8)


def test_fitting_leaves_the_start_as_it_was(untrained):
    before = [weights.clone() for weights in untrained.parameters()]
    teach(untrained, blocks(4))
    assert all((a == b).all() for a, b in zip(before, untrained.parameters(), strict=True))


def test_validation_and_progress_change_nothing_learnt(untrained):
    seen = []
    taught = teach(untrained, blocks(6), steps=30, validation=blocks(3, seed=9), progress=lambda *news: seen.append(news))
    assert largest_difference(taught.network, teach(untrained, blocks(6), steps=30).network) == 0
    assert [done for done, _ in taught.validation] == list(range(3, 31, 3))
    assert [done for done, _ in seen] == [25, 30]


def test_a_loss_that_is_not_finite_says_so(untrained):
    broken = initial(untrained.shape, np.random.default_rng(0))
    broken.embedding.data[7] = float("nan")
    with pytest.raises(FloatingPointError, match=r"must stay finite, got nan at step 0; lower the learning rate \(it was 0.01\)"):
        teach(broken, np.full((4, 8), 7, dtype=np.int32))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights": np.array([1.0, -1, 1, 1])}, "not negative"),
        ({"weights": np.ones(3)}, "one per block"),
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"learning_rate": 0}, "learning_rate must be above 0"),
        ({"precision": "fp16"}, "precision must be"),
    ],
    ids=str,
)
def test_a_fit_that_makes_no_sense_is_refused(untrained, changes, message):
    with pytest.raises(ValueError, match=message):
        teach(untrained, blocks(4), **changes)


def test_tokens_of_another_vocabulary_are_refused(untrained):
    for wrong in (np.full((2, 4), 50), np.full((2, 4), START)):
        with pytest.raises(ValueError, match="must consist of tokens from 1 to 49"):
            log_prob(untrained, wrong)


# Keeping


def test_a_network_is_kept_to_the_byte(untrained, tmp_path):
    networks.save(untrained, tmp_path / "one")
    loaded = networks.load(Network, Shape, tmp_path / "one")
    networks.save(loaded, tmp_path / "two")
    assert loaded.shape == untrained.shape
    assert largest_difference(loaded, untrained) == 0
    for name in ("network.json", "network.safetensors"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_width_that_heads_cannot_share_is_refused():
    with pytest.raises(ValueError, match="try width 128"):
        Shape(vocabulary=50, width=126, heads=4)


def test_golden_log_probabilities():
    """To 1e-3 on any machine: of a text under weights that were drawn, and after three steps of training.

    Between processors' instruction sets (SSE4.1, AVX2, AVX-512) they differ by 2e-6.
    """
    drawn = initial(Shape(vocabulary=50, layers=2, width=32, heads=2), np.random.default_rng(0))
    with torch.no_grad():
        for parameter in drawn.parameters():
            parameter.mul_(8 if parameter.dim() > 1 else 1)  # next tokens that are far from alike
    text = blocks(6, 12)
    after = teach(drawn, text, steps=3, warmup=1).network
    scores = [log_prob(trained, text[:2]) for trained in (drawn, after)]
    assert np.array(scores) == pytest.approx(np.array(GOLDEN), abs=1e-3)


GOLDEN = [[-55.09890, -56.03799], [-38.12096, -41.13713]]


PROGRAM = """
import hashlib, sys
from pathlib import Path
import numpy as np, torch
from outcross.text import vocabulary
from outcross.models import networks
from outcross.models.transformer import fitting, network, sampling, scoring
torch.set_num_threads(1)
folder = Path(sys.argv[1])
rng = np.random.default_rng(7)
words = rng.integers(0, 200, (300, 30))
texts = [" ".join(f"word{word}" for word in row) for row in words]
learnt = vocabulary.Vocabulary.train(texts, 400)
learnt.save(folder / "vocabulary.json")
blocks = np.concatenate([tokens[: len(tokens) // 16 * 16].reshape(-1, 16) for tokens in learnt.encode(texts)])
start = network.initial(network.Shape(learnt.size, 2, 32, 2), rng)
model = fitting.fit(start, blocks, steps=20, batch=8, learning_rate=1e-2, warmup=2, rng=rng).network
networks.save(model, folder)
written = sampling.sample(model, blocks[:20], 16, rng=rng, temperature=0.7, top_p=0.9)
np.save(folder / "written.npy", written)
np.save(folder / "scores.npy", scoring.log_prob(model, written, precision="bf16"))
"""


def test_two_processes_learn_and_write_the_same_bytes(tmp_path):
    kept = []
    for hash_seed in ("1", "2"):
        folder = tmp_path / hash_seed
        folder.mkdir()
        environment = os.environ | {"PYTHONHASHSEED": hash_seed}
        subprocess.run([sys.executable, "-c", PROGRAM, folder], env=environment, check=True)
        kept.append({file.name: file.read_bytes() for file in sorted(folder.iterdir())})
    assert len(kept[0]) == 5
    assert kept[0] == kept[1]
