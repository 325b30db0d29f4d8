"""What a network of transformers writes by our own code: by beams, greedily and by chance, held against their `generate` and against exact laws."""

import itertools

import numpy as np
import pytest
from scipy.stats import chisquare

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from outcross.models.causal_lm import beams, sampling, scoring  # noqa: E402
from outcross.models.decoding import distribution, penalised, top  # noqa: E402

torch.set_num_threads(1)
transformers.logging.set_verbosity_error()
START, END = 1, 2
FALSE_ALARM = 1e-5  # of each chi-square below; with fixed streams a pass stays a pass
SIZES = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 6}
GPT2_SIZES = {"n_embd": 48, "n_layer": 2, "n_head": 6, "n_positions": 64}
LLAMA3 = {"rope_type": "llama3", "rope_theta": 1e4, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
SHAPES = {
    "llama": ("Llama", {**SIZES, "intermediate_size": 64, "num_key_value_heads": 2, "tie_word_embeddings": True, "initializer_range": 0.3}),
    "llama, other switches": ("Llama", {
        **SIZES, "intermediate_size": 64, "num_key_value_heads": 6, "attention_bias": True, "mlp_bias": True, "head_dim": 10, "hidden_act": "gelu",
        "rope_parameters": LLAMA3 | {"original_max_position_embeddings": 8}, "initializer_range": 0.3,
    }),
    "opt": ("OPT", {**SIZES, "ffn_dim": 64, "word_embed_proj_dim": 48, "init_std": 0.3}),
    "opt, norms after": ("OPT", {**SIZES, "ffn_dim": 64, "word_embed_proj_dim": 24, "do_layer_norm_before": False, "init_std": 0.3}),
    "gpt2": ("GPT2", {**GPT2_SIZES, "initializer_range": 0.3}),
    "gpt2, other switches": ("GPT2", {**GPT2_SIZES, "scale_attn_by_inverse_layer_idx": True, "activation_function": "relu", "initializer_range": 0.3}),
    "a family without a forward pass of ours": ("GPTNeoX", {**SIZES, "intermediate_size": 64, "initializer_range": 0.3}),
}  # fmt: skip


def network_of(shape, vocabulary=97):
    """A random network whose next tokens are far from alike."""
    family, sizes = SHAPES[shape]
    name = "GPT2LMHeadModel" if family == "GPT2" else f"{family}ForCausalLM"
    common = {"vocab_size": vocabulary, "bos_token_id": START, "eos_token_id": END, "pad_token_id": 0}
    places = {} if family == "GPT2" else {"max_position_embeddings": 64}
    torch.manual_seed(0)
    return getattr(transformers, name)(getattr(transformers, f"{family}Config")(**common, **places, **sizes)).eval()


@pytest.fixture(scope="module", params=SHAPES)
def network(request):
    return network_of(request.param)


def prompts_of(n, length, vocabulary=97, seed=1):
    return np.random.default_rng(seed).integers(3, vocabulary, (n, length), dtype=np.int32)


def generated(network, prompts, new_tokens, **settings):
    """What transformers' own `generate` writes after the start token and the prompts, (n, new_tokens)."""
    text = torch.from_numpy(np.insert(prompts, 0, START, axis=1).astype(np.int64))
    lengths = {"max_new_tokens": new_tokens, "min_new_tokens": new_tokens}
    with torch.no_grad():
        written = network.generate(text, attention_mask=torch.ones_like(text), do_sample=False, **lengths, **settings)
    return written[:, text.shape[1] :].numpy()


@pytest.mark.parametrize("penalty", [1.0, 2.0])
def test_a_search_by_beams_is_theirs(network, penalty):
    prompts = prompts_of(7, 6)
    for width in (2, 5):
        ours = beams.search(
            network, prompts, 8, start=START, beams=width, repetition_penalty=penalty, precision="fp32", batch=3 * width
        )
        assert np.array_equal(ours, generated(network, prompts, 8, num_beams=width, repetition_penalty=penalty))


@pytest.mark.parametrize("penalty", [1.0, 2.0])
def test_greedy_writing_is_theirs(network, penalty):
    prompts, rng = prompts_of(7, 6), np.random.default_rng(0)
    ours = sampling.sample(network, prompts, 8, rng=rng, start=START, temperature=0, repetition_penalty=penalty, precision="fp32")
    assert np.array_equal(ours, generated(network, prompts, 8, repetition_penalty=penalty))
    assert rng.bit_generator.state == np.random.default_rng(0).bit_generator.state, "greedy writing draws nothing"


@pytest.mark.parametrize("suppressed", [(), (END, 4)])
def test_a_search_as_wide_as_all_beginnings_finds_the_likeliest_text(network, suppressed):
    network = network_of("llama" if network.config.model_type == "llama" else "opt", vocabulary=6)
    every = np.array(list(itertools.product(sorted(set(range(6)) - set(suppressed)), repeat=3)), dtype=np.int32)
    best = every[scoring.log_probs(network, every, start=START).sum(axis=1).argmax()]
    written = beams.search(network, None, 3, n=2, start=START, beams=36, suppressed=suppressed, precision="fp32")
    assert np.array_equal(written, [best, best])


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_log_probabilities_that_writing_hands_out_are_those_of_a_plain_forward_pass(network, precision):
    """Raw, whatever the temperature, the cuts, the penalty and the suppressed tokens. Bounds: those of the guard of a run."""
    prompts, settings = prompts_of(9, 6), {"start": START, "repetition_penalty": 1.5, "precision": precision}
    drawn = sampling.write(network, prompts, 9, rng=np.random.default_rng(2), temperature=1.3, top_k=40, top_p=0.9, **settings)
    for written in (drawn, beams.write(network, prompts, 9, beams=4, **settings)):
        assert np.array_equal(written.scored, np.arange(9)), "81 tokens are all handed out"
        plain = scoring.log_probs(network, np.concatenate((prompts, written.tokens), axis=1), start=START)[:, 6:]
        assert np.abs(plain - written.log_probs).mean() < {"fp32": 1e-4, "bf16": 0.05}[precision]


def test_scores_are_those_of_the_networks_own_forward_pass(network):
    texts = prompts_of(5, 12)
    with torch.no_grad():
        logits = network(torch.from_numpy(np.insert(texts, 0, START, axis=1).astype(np.int64))).logits.double()
    expected = logits[:, :-1].log_softmax(-1).gather(2, torch.from_numpy(texts)[..., None].long())[..., 0].numpy()
    assert np.allclose(scoring.log_probs(network, texts, start=START), expected, atol=1e-4)
    unopened = scoring.log_probs(network, np.insert(texts, 0, START, axis=1), start=None)
    assert np.allclose(unopened[:, 1:], expected, atol=1e-4) and np.isnan(unopened[:, 0]).all()


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"temperature": 0.7, "top_k": 7},
        {"temperature": 1.3, "top_p": 0.8, "suppressed": ()},
        {"repetition_penalty": 1.8, "suppressed": (3, 5)},
    ],
    ids=str,
)
@pytest.mark.parametrize("shape", ["llama", "opt", "a family without a forward pass of ours"])
def test_two_drawn_tokens_have_their_exact_joint_law(shape, settings):
    network, prompt, n = network_of(shape, vocabulary=12), np.int32([[3, 7, 9]]), 20_000
    law = {"suppressed": (END,)} | settings
    drawn = sampling.sample(
        network, prompt.repeat(n, axis=0), 2, rng=np.random.default_rng(1), start=START, precision="fp32", batch=5_000, **settings
    )
    first = exact(network, [[START, 3, 7, 9]], law)[0]
    both = first[:, None] * exact(network, [[START, 3, 7, 9, token] for token in range(12)], law)
    seen = np.bincount(drawn[:, 0] * 12 + drawn[:, 1], minlength=144)
    expected = both.flatten() / both.sum() * n
    assert seen[expected == 0].sum() == 0
    is_often = expected >= 5
    observed, expected = (np.append(part[is_often], part[~is_often].sum()) for part in (seen, expected))
    assert chisquare(observed[expected > 0], expected[expected > 0]).pvalue > FALSE_ALARM


def exact(network, texts, law):
    """The law of the token after each text, (n, vocabulary), from a plain forward pass."""
    tokens = torch.tensor(texts)
    with torch.no_grad():
        logits = penalised(network(tokens).logits[:, -1], tokens, law.get("repetition_penalty", 1.0))
    logits = logits.index_fill(1, torch.tensor(law["suppressed"], dtype=torch.int64), -torch.inf)
    return distribution(logits, law.get("temperature", 1.0), law.get("top_k", 0), law.get("top_p", 1.0)).double().numpy()


def test_batch_size_changes_nothing_but_rounding(network):
    prompts = prompts_of(30, 5)
    for settings in ({"top_p": 0.9}, {"temperature": 0}):
        whole, parted = (
            sampling.write(
                network, prompts, 9, rng=np.random.default_rng(8), start=START, precision="fp32", batch=batch, **settings
            )
            for batch in (30, 7)
        )
        assert np.array_equal(whole.tokens, parted.tokens)
        assert np.array_equal(whole.scored, parted.scored)
        assert np.allclose(whole.log_probs, parted.log_probs, atol=1e-5)


def test_what_ends_a_text_is_never_written_unless_it_is_asked_for():
    network, prompts = network_of("opt", vocabulary=6), prompts_of(50, 4, vocabulary=6)
    settings = {"start": START, "precision": "fp32"}
    assert not (sampling.sample(network, prompts, 9, rng=np.random.default_rng(0), **settings) == END).any()
    assert not (beams.search(network, prompts, 9, beams=3, **settings) == END).any()
    assert (sampling.sample(network, prompts, 9, rng=np.random.default_rng(0), suppressed=(), **settings) == END).any()


def test_the_highest_scores_of_a_large_vocabulary_are_found_in_two_levels():
    scores = torch.from_numpy(np.random.default_rng(0).normal(size=(20, 8192)).astype(np.float32))
    scores[:, :64] += 5  # the highest stand side by side
    values, tokens = top(scores, 9)
    assert torch.equal(values, scores.topk(9, dim=1).values)
    assert torch.equal(scores.gather(1, tokens), values)


@pytest.mark.parametrize(
    ("read", "more", "why"),
    [
        (None, {}, "either prompts or n"),
        (None, {"n": 2, "start": None}, "needs a prompt of one token or more"),
        (np.int32([[3, 97]]), {}, "tokens from 0 to 96, got 3 to 97"),
        (np.int32([3, 4]), {}, "two-dimensional"),
        (np.int32([[3]]), {"precision": "fp16"}, "must be 'bf16' or 'fp32'"),
        (np.int32([[3]]), {"top_p": 30}, r"top_p must be in \(0, 1\], got 30"),
    ],
)
def test_what_cannot_be_written_is_refused(read, more, why):
    with pytest.raises(ValueError, match=why):
        sampling.sample(network_of("gpt2"), read, 2, rng=np.random.default_rng(0), **({"start": START} | more))
