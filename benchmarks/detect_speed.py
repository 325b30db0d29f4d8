"""How fast does detect fit, judge and read likelihoods?

*Fit*: the detector `classifier` is fitted and calibrated on 10,000 texts: the human and AI texts of ../shared/data (l2r_12domains) and 400 paragraphs of
WikiText-2. This takes five fits, thresholds at every length, and the control detectors. *Judged*: human texts cut to 50 or 180 words are judged by a
process that is calibrated on 1,000 texts. All that the command does with a text counts, from the file to the score. Rates are texts a second of
processor time; two cores judge twice as many in two files (`--workers 2`). *Likelihood*: tokens a second of the detector `likelihood` are compared with
the forward pass of its network alone, on the same batches, in turns. The network is a Llama of four layers of width 512 with a vocabulary of 8,192 and
random weights. Processor time is compared, since other work may run on the machine.

    python benchmarks/detect_speed.py
"""

from __future__ import annotations

import gzip
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from figures import DATA, here, write

from outcross.detectors.classifier import ClassifierDetector
from outcross.detectors.samples import calibration as sample_of
from outcross.runtime.threads import one_thread_each
from outcross.verbs.detect.reading import asked_texts, judged_data
from outcross.verbs.detect.work import Calibration, calibration

TEXTS, SHORT, LONG, PAIRS = 20_000, 50, 180, 3
TARGETS = {"fit": 30.0, "judged": 1_000.0}
"""Seconds that a fit to 10,000 texts may take, and texts of `SHORT` words that are to be judged a second on one of two cores."""
RECORDS, TOKENS = 512, 128


def main() -> None:
    load = os.getloadavg()
    texts = pl.read_parquet(DATA / "human_ai" / "l2r_12domains.parquet")
    human = texts.filter(pl.col("label") == "human")["text"].to_list()
    model = texts.filter(pl.col("label") == "ai")["text"].to_list()
    with gzip.open(DATA / "text" / "wikitext2" / "valid.txt.gz", "rt", encoding="utf-8") as file:
        paragraphs = [line for line in file if len(line.split()) > SHORT]
    whole = [*human, *paragraphs[: 10_000 - len(human) - len(model)]]
    fit = here(lambda: _calibrated(whole, model))()
    print("fit", fit, flush=True)
    results: dict[str, Any] = {
        "fit": {"texts": len(whole) + len(model), "seconds": fit.seconds, "cpu": fit.cpu, "target": TARGETS["fit"]}
    }
    calibrated = _calibrated(human[:500], model[:500])
    results["judged"] = [_judged(human, calibrated, words) for words in (SHORT, LONG)]
    results["likelihood"] = _likelihood()
    write("detect_speed", __doc__ or "", load, {"speed": results})


def _calibrated(human: Sequence[str], model: Sequence[str]) -> Calibration:
    samples = [
        sample_of(author, pl.DataFrame({"text": texts}), author, "text", 0)
        for author, texts in (("human", human), ("model", model))
    ]
    with one_thread_each():  # as detect does
        return calibration(ClassifierDetector(), samples, None, 0)


def _judged(human: Sequence[str], calibrated: Calibration, words: int) -> dict[str, Any]:
    """How many texts of so many words are judged by second of processor: median, least and largest of three runs."""
    rng = np.random.default_rng(words)
    every = " ".join(human).split()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "texts.jsonl"
        starts = rng.integers(len(every) - words, size=TEXTS).tolist()
        pl.DataFrame({"text": [" ".join(every[start : start + words]) for start in starts]}).write_ndjson(path)
        costs = [here(lambda: judged_data(asked_texts(path, "text"), calibrated, 0.01))() for _ in range(1 + PAIRS)][1:]
    rates = sorted(TEXTS / cost.cpu for cost in costs)
    row = {
        "words": words,
        "texts": TEXTS,
        "by cpu": rates[len(rates) // 2],
        "smallest": rates[0],
        "largest": rates[-1],
        "target": TARGETS["judged"] if words == SHORT else None,
    }
    print(row, flush=True)
    return row


def _likelihood() -> dict[str, Any]:
    """Tokens a second of the statistics of every token, and of the forward pass alone on the same batches."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from outcross.detectors.token_statistics import token_statistics

    torch.set_num_threads(1)
    torch.manual_seed(0)
    shape = LlamaConfig(vocab_size=8_192, hidden_size=512, intermediate_size=1_376, num_hidden_layers=4, num_attention_heads=8)
    network: Any = LlamaForCausalLM(shape).eval()
    rng = np.random.default_rng(0)
    texts = [rng.integers(1, 8_192, int(length)) for length in rng.integers(TOKENS // 4, TOKENS, RECORDS)]
    tokens = sum(map(len, texts))
    batches: list[torch.Tensor] = []
    hook = network.register_forward_pre_hook(lambda _, __, given: batches.append(given["input_ids"]), with_kwargs=True)
    token_statistics(network, texts, start=0)
    hook.remove()

    def forward() -> None:
        with torch.inference_mode():
            for batch in batches:
                network(input_ids=batch, use_cache=False)

    turns = [(here(lambda: token_statistics(network, texts, start=0))().cpu, here(forward)().cpu) for _ in range(PAIRS)]
    shares = sorted(bound / ours for ours, bound in turns)
    row = {
        "tokens": tokens, "batches": len(batches), "ours": tokens / float(np.median([ours for ours, _ in turns])), "bound": tokens / float(np.median([bound for _, bound in turns])),
        "share of the bound": shares[len(shares) // 2], "smallest": shares[0], "largest": shares[-1], "pairs": PAIRS,
    }  # fmt: skip
    print(row, flush=True)
    return row


if __name__ == "__main__":
    main()
