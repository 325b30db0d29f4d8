"""How fast a GPU trains a network of the shape of OPT-125m, and how fast that network writes; it prints the answer.

One command runs on a machine with a GPU that has torch, transformers and this package; nothing is downloaded. Weights of that shape are random, and
the text is random tokens. The command trains for some steps, samples one generation of text, and writes one generation by 5 beams for a tenth of the
blocks. It prints tokens a second for each of these; each has one warm-up at the full batch, which is not counted. The goal on one H200 is 300,000
tokens a second in training and 180,000 new tokens a second in sampling. The command takes about three minutes there, and ends itself after ten.

    python benchmarks/gpu_causal_lm.py                  # on the GPU
    python benchmarks/gpu_causal_lm.py --tiny --device cpu  # runs every line of the script in seconds
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
import transformers

from outcross.models.causal_lm import beams, fitting, sampling, scoring
from outcross.models.causal_lm.tuning import Full
from outcross.models.schedule import ConstantRate, Optimizer, Schedule

BLOCK = 64
TIME = 600.0
"""Seconds after which no further question is begun."""


def main() -> None:
    asked = _asked()
    started = time.perf_counter()
    network = _network(asked.tiny).to(asked.device)
    blocks = np.random.default_rng(0).integers(5, network.config.vocab_size, (asked.blocks, BLOCK), dtype=np.int32)
    few = blocks[: max(1, len(blocks) // 10)]
    rng = np.random.default_rng(1)
    written = sampling.write(network, blocks[: asked.batch], BLOCK, rng=rng, batch=asked.batch)  # the warm-up
    _trained(network, blocks, 2, asked.batch // 4)
    questions: dict[str, tuple[int, Callable[[], object]]] = {
        "training, tokens": (
            asked.steps * asked.batch * BLOCK // 4,
            lambda: _trained(network, blocks, asked.steps, asked.batch // 4),
        ),
        "sampling, new tokens": (len(blocks) * BLOCK, lambda: sampling.write(network, blocks, BLOCK, rng=rng, batch=asked.batch)),
        f"5 beams for {len(few)} of {len(blocks)} blocks, new tokens": (
            len(few) * BLOCK,
            lambda: beams.write(network, few, BLOCK, beams=5, batch=asked.batch),
        ),
    }
    results: dict[str, object] = {
        "device": _name(asked.device),
        "torch": torch.__version__,
        "blocks": len(blocks),
        "batch": asked.batch,
    }
    whole = np.concatenate((blocks[written.scored], written.tokens[written.scored]), axis=1)
    plain = scoring.log_probs(network, whole)[:, BLOCK:]
    results["mean difference of log-probabilities, nats"] = float(np.abs(plain - written.log_probs).mean())
    for what, (amount, work) in questions.items():
        if time.perf_counter() - started > TIME:
            results[what] = "not reached in ten minutes"
            continue
        seconds = _seconds(work, asked.device)
        results[what] = {"seconds": round(seconds, 2), "a second": round(amount / seconds)}
        print(f"{what}: {amount / seconds:,.0f} a second ({seconds:.1f} s)", file=sys.stderr, flush=True)
    if asked.device.startswith("cuda"):
        results["peak memory, GB"] = round(torch.cuda.max_memory_allocated() / 1e9, 1)
    print(json.dumps(results, indent=1))


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--blocks", type=int, default=38_000, help="of a generation, as in Shumailov et al.")
    parser.add_argument(
        "--batch", type=int, default=2048, help="texts that are written at a time; a quarter of it in a training step"
    )
    parser.add_argument("--steps", type=int, default=100, help="of training")
    parser.add_argument("--tiny", action="store_true", help="two small layers, 40 blocks, batches of 8 and two steps")
    asked = parser.parse_args()
    if asked.tiny:
        asked.blocks, asked.batch, asked.steps = 40, 8, 2
    return asked


def _network(is_tiny: bool) -> transformers.PreTrainedModel:
    torch.manual_seed(0)
    sizes = {
        "hidden_size": 64,
        "ffn_dim": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "word_embed_proj_dim": 64,
        "vocab_size": 500,
    }
    return transformers.OPTForCausalLM(transformers.OPTConfig(dropout=0.0, **sizes if is_tiny else {})).eval()


def _trained(network: transformers.PreTrainedModel, blocks: np.ndarray, steps: int, batch: int) -> None:
    """Steps of a fit as a run has them, in bf16; its copy of the network and its arrays are counted."""
    schedule = Schedule(steps=steps, batch=batch, learning_rate=2e-5, rate=ConstantRate(), optimizer=Optimizer())
    fitting.fit(network, blocks, schedule, start=None, rng=np.random.default_rng(2), tuning=Full())


def _seconds(work: Callable[[], object], device: str) -> float:
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    started = time.perf_counter()
    work()
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return time.perf_counter() - started


def _name(device: str) -> str:
    return torch.cuda.get_device_name() if device.startswith("cuda") else device


if __name__ == "__main__":
    main()
