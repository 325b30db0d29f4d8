"""What the transformer's sampler draws is exactly what `distribution` says."""

import numpy as np
import pytest
from scipy import stats

torch = pytest.importorskip("torch")

from outcross.models.decoding import distribution, draw  # noqa: E402
from outcross.models.transformer.network import Cache, Shape, after_start, initial  # noqa: E402
from outcross.models.transformer.sampling import sample  # noqa: E402
from outcross.models.transformer.scoring import log_prob  # noqa: E402
from outcross.text.vocabulary import START  # noqa: E402

torch.set_num_threads(1)
FALSE_ALARM = 1e-5  # of each chi-square below; with fixed streams a pass stays a pass
DRAWS = 100_000


@pytest.fixture(scope="module")
def network():
    """Untrained, with weights large enough that its next token is far from uniform and depends on those before."""
    network = initial(Shape(vocabulary=40, layers=2, width=32, heads=2), np.random.default_rng(0))
    for weights in network.parameters():
        if weights.dim() == 2:
            weights.data *= 10
    return network


def next_logits(network, prompt):
    with torch.no_grad():
        tokens = torch.tensor([[START, *prompt]])
        return network.logits(network(tokens)[:, -1])


@pytest.mark.parametrize(
    "settings",
    [
        {"temperature": 1.0},
        {"temperature": 0.7},
        {"temperature": 1.0, "top_k": 7},
        {"temperature": 1.3, "top_p": 0.8},
        {"temperature": 0.9, "top_k": 12, "top_p": 0.7},
    ],
    ids=str,
)
def test_draws_follow_the_distribution(network, settings):
    prompt = [3, 17, 9]
    probabilities = distribution(next_logits(network, prompt), **settings)[0].double().numpy()
    prompts = np.tile(np.int32(prompt), (DRAWS, 1))
    drawn = sample(network, prompts, 1, rng=np.random.default_rng(1), precision="fp32", batch=20_000, **settings)
    counts = np.bincount(drawn[:, 0], minlength=len(probabilities))
    assert counts[probabilities == 0].sum() == 0
    is_common = probabilities * DRAWS >= 5
    observed = np.append(counts[is_common], counts[~is_common].sum())
    expected = np.append(probabilities[is_common], probabilities[~is_common].sum()) * DRAWS
    possible = expected > 0
    assert stats.chisquare(observed[possible], expected[possible] * (DRAWS / expected.sum())).pvalue > FALSE_ALARM


def test_distribution_keeps_the_start_token_out(network):
    assert distribution(next_logits(network, [5]))[0, START] == 0


def test_temperature_comes_before_the_cuts():
    logits = torch.tensor([[0.5, 0.3, 0.2]]).log()
    # At temperature 1/2: 25 : 9 : 4 of 38. The two likeliest hold 34/38 = 0.895, the first alone 0.658.
    assert torch.allclose(distribution(logits, 0.5, top_p=0.8), torch.tensor([[25 / 34, 9 / 34, 0.0]]))
    assert torch.allclose(distribution(logits, 0.5, top_p=0.6), torch.tensor([[1.0, 0.0, 0.0]]))
    # Top-k first, then the nucleus of what is left: 25/34 = 0.735 holds 0.7 of it, though only 0.658 of all.
    assert torch.allclose(distribution(logits, 0.5, top_k=2, top_p=0.7), torch.tensor([[1.0, 0.0, 0.0]]))


def test_equals_are_cut_from_the_highest_number():
    logits = torch.zeros(1, 5)
    assert distribution(logits, top_k=3).tolist() == [pytest.approx([1 / 3, 1 / 3, 1 / 3, 0, 0])]
    assert distribution(logits, top_p=0.4).tolist() == [pytest.approx([0.5, 0.5, 0, 0, 0])]
    assert distribution(logits, temperature=0).tolist() == [[1, 0, 0, 0, 0]]


def test_nucleus_is_the_smallest_set_with_the_mass():
    rng = np.random.default_rng(2)
    logits = torch.from_numpy(rng.normal(size=(50, 30)).astype(np.float32) * 2)
    full = distribution(logits).double()
    kept = distribution(logits, top_p=0.9) > 0
    mass = torch.where(kept, full, 0).sum(-1)
    smallest = torch.where(kept, full, 1).amin(-1)
    assert (mass >= 0.9 - 1e-6).all()
    assert (mass - smallest < 0.9).all()
    assert (torch.where(kept, 0, full).amax(-1) <= smallest).all()


def test_a_token_of_probability_zero_is_never_drawn():
    probabilities = torch.tensor([[0.0, 0.1, 0.0, 0.2, 0.7, 0.0]] * 4)
    uniforms = torch.tensor([0.0, np.nextafter(1.0, 0.0), 0.1, 0.05], dtype=torch.float64)
    tokens = draw(probabilities, uniforms)
    assert (probabilities.gather(1, tokens[:, None]) > 0).all()
    assert tokens[:2].tolist() == [1, 4]


def test_temperature_zero_takes_the_likeliest_token(network):
    drawn = sample(network, np.int32([[4, 8]]), 6, temperature=0, rng=np.random.default_rng(0), precision="fp32")[0]
    written = [4, 8]
    for token in drawn:
        assert token == next_logits(network, written).argmax()
        written.append(int(token))


def test_log_prob_is_the_distribution_that_is_sampled(network):
    blocks = np.random.default_rng(3).integers(1, 40, (5, 6))
    prompts = np.random.default_rng(4).integers(1, 40, (5, 3))
    scores = log_prob(network, blocks, prompts, per_token=True)
    for row, (prompt, block) in enumerate(zip(prompts, blocks, strict=True)):
        for place, token in enumerate(block):
            probability = distribution(next_logits(network, [*prompt, *block[:place]]))[0, token]
            assert scores[row, place] == pytest.approx(float(probability.log()), abs=1e-5)


def test_blocks_have_a_proper_distribution():
    network = initial(Shape(vocabulary=9, layers=1, width=8, heads=1), np.random.default_rng(0))
    network.embedding.data *= 30
    every = np.stack(np.meshgrid(*[np.arange(1, 9)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    assert np.exp(log_prob(network, every)).sum() == pytest.approx(1, abs=1e-5)


def test_log_prob_of_sampled_text_averages_to_its_entropy(network):
    n, block = 2000, 8
    blocks = sample(network, None, block, n=n, rng=np.random.default_rng(5), precision="fp32")
    with torch.no_grad():
        logits = network.logits(network(after_start(torch.from_numpy(blocks).long())))
    probabilities = distribution(logits).double()
    entropies = -torch.xlogy(probabilities, probabilities).sum(-1).numpy()  # (n, block), nats
    surprise = -log_prob(network, blocks, per_token=True)
    difference = (surprise - entropies).sum(axis=1)  # a martingale: mean zero
    # 4.4 standard errors: a false alarm in 1e5 (two-sided normal).
    assert abs(difference.mean()) < 4.4 * difference.std() / np.sqrt(n)


def test_cached_and_uncached_reading_agree(network):
    tokens = torch.from_numpy(np.random.default_rng(6).integers(1, 40, (3, 10)))
    with torch.no_grad():
        whole = network(tokens)
        cache = Cache(network.shape, 3, 10, network.device)
        steps = [network(tokens[:, :4], cache), *(network(tokens[:, [place]], cache) for place in range(4, 10))]
    assert torch.allclose(torch.cat(steps, dim=1), whole, atol=1e-5)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("settings", [{}, {"top_p": 0.9}, {"temperature": 0}], ids=str)
def test_batch_size_does_not_change_what_is_written(network, precision, settings):
    prompts = np.random.default_rng(7).integers(1, 40, (30, 5))
    large, small = (
        sample(network, prompts, 12, rng=np.random.default_rng(8), precision=precision, batch=batch, **settings)
        for batch in (30, 7)
    )
    assert (large == small).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": -1}, "temperature must be 0"),
        ({"top_k": -1}, "top_k must be 0"),
        ({"top_p": 0}, r"top_p must be in \(0, 1\]"),
        ({"top_p": 30}, r"top_p must be in \(0, 1\], got 30"),
    ],
    ids=str,
)
def test_settings_without_a_distribution_are_refused(network, settings, message):
    with pytest.raises(ValueError, match=message):
        sample(network, np.int32([[1]]), 1, rng=np.random.default_rng(0), **settings)
