"""How fast does a small language model learn and write?

The network is the default one of `outcross run stdlib` (vocabulary 2048, 3 layers, width 128, 2 heads; bf16). Tokens a second are measured in
training on 32 blocks of 64 a step, and in writing 64 tokens after each of 1000 prompts of 64 at temperature 1. The other side is Hugging Face
transformers with GPT-2 of the same shape and with a Llama of as many weights (random weights, no dropout), trained by the plain torch loop (AdamW,
gradients clipped) and sampled by `generate` with its KV cache. Either side has one torch thread. Peak memory is that of a separate process for each
side, which does this work once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from figures import Cost, Figure, Side, answer, compare, here, process

from outcross.models.transformer import fitting, network, sampling

SHAPE = network.Shape(vocabulary=2048, layers=3, width=128, heads=2)
BLOCK, BATCH, STEPS = 64, 32, 15
PROMPTS = 1000
LEARNING_RATE = 1e-3
TRAINED, WRITTEN = STEPS * BATCH * BLOCK, PROMPTS * BLOCK
TRAINING_PAIRS, SAMPLING_PAIRS = 5, 3


def measure() -> list[Figure]:
    training = [_side(name, TRAINED) for name in ("GPT-2, fp32", "GPT-2, bf16 autocast", "Llama, bf16 autocast")]
    writing = [
        _side(name, WRITTEN) for name in ("generate, batches of 128", "generate, batches of 256", "generate, 128, bf16 autocast")
    ]
    figures = [
        *compare("training", _side("our training, bf16", TRAINED), training, unit="tokens", pairs=TRAINING_PAIRS),
        *compare("writing", _side("our sampling, bf16", WRITTEN), writing, unit="tokens", pairs=SAMPLING_PAIRS, warm=False),
    ]
    return [_with_memory(figure) for figure in figures]


def our_training() -> None:
    fitting.fit(_ours(), _tokens(), steps=STEPS, batch=BATCH, learning_rate=LEARNING_RATE, warmup=1, rng=_rng())


def our_sampling() -> None:
    sampling.sample(_ours(), _tokens(), BLOCK, rng=_rng())


def plain_training(kind: str, is_bf16: bool) -> None:
    """The loop of a torch tutorial."""
    model, tokens, rng = _peer(kind), _tokens(), _rng()
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    model.train()
    for _ in range(STEPS):
        batch = torch.from_numpy(tokens[rng.choice(len(tokens), BATCH, replace=False)].astype(np.int64))
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=is_bf16):
            loss = model(input_ids=batch, labels=batch).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()


def generated(batch: int, is_bf16: bool) -> None:
    """`generate` over all prompts, batch by batch, from the full distribution."""
    model = _peer("GPT-2").eval()
    prompts = torch.from_numpy(_tokens().astype(np.int64))
    full = {
        "do_sample": True,
        "top_k": 0,
        "top_p": 1.0,
        "temperature": 1.0,
        "max_new_tokens": BLOCK,
        "use_cache": True,
        "pad_token_id": 0,
    }
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=is_bf16):
        for few in prompts.split(batch):
            written = model.generate(few, attention_mask=torch.ones_like(few), **full)
            assert written.shape == (len(few), 2 * BLOCK)


WORK: dict[str, Callable[[], None]] = {
    "our training, bf16": our_training,
    "our sampling, bf16": our_sampling,
    "GPT-2, fp32": partial(plain_training, "GPT-2", False),
    "GPT-2, bf16 autocast": partial(plain_training, "GPT-2", True),
    "Llama, bf16 autocast": partial(plain_training, "Llama", True),
    "generate, batches of 128": partial(generated, 128, False),
    "generate, batches of 256": partial(generated, 256, False),
    "generate, 128, bf16 autocast": partial(generated, 128, True),
}


def _side(name: str, amount: int) -> Side:
    return Side(name, here(WORK[name]), amount)


def _with_memory(figure: Figure) -> Figure:
    sides = (replace(side, memory=_alone(side.name).memory) for side in (figure.ours, figure.theirs))
    return replace(figure, **dict(zip(("ours", "theirs"), sides, strict=True)))


@cache
def _alone(name: str) -> Cost:
    return process(lambda: (sys.executable, Path(__file__), name))()


@cache
def _ours() -> network.Network:
    return network.initial(SHAPE, _rng())


def _peer(kind: str) -> Any:
    """A model of the same size with random weights, made without the hub."""
    import transformers  # pyright: ignore[reportMissingImports]

    transformers.logging.set_verbosity_error()
    torch.manual_seed(0)
    common = {"vocab_size": SHAPE.vocabulary, "bos_token_id": None, "eos_token_id": None, "pad_token_id": 0}
    if kind == "GPT-2":
        sizes = {"n_positions": 2 * BLOCK, "n_embd": SHAPE.width, "n_layer": SHAPE.layers, "n_head": SHAPE.heads}
        dropout = dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), 0.0)
        return transformers.GPT2LMHeadModel(transformers.GPT2Config(**common, **sizes, **dropout))
    # A Llama layer widens with two matrices: 8/3 of the width, not 4 times, make as many weights.
    sizes = {"hidden_size": SHAPE.width, "intermediate_size": 8 * SHAPE.width // 3, "num_hidden_layers": SHAPE.layers}
    heads = {"num_attention_heads": SHAPE.heads, "max_position_embeddings": 2 * BLOCK, "tie_word_embeddings": True}
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(**common, **sizes, **heads))


@cache
def _tokens() -> np.ndarray:
    return _rng().integers(1, SHAPE.vocabulary, (PROMPTS, BLOCK), dtype=np.int32)  # (n, block)


def _rng() -> np.random.Generator:
    return np.random.default_rng(0)


if __name__ == "__main__":
    torch.set_num_threads(1)
    if len(sys.argv) > 1:
        WORK[sys.argv[1]]()
    else:
        answer(__file__, __doc__, measure)
