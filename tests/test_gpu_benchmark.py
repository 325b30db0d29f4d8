"""The benchmark for a machine with a GPU runs here at a tiny size, every line of it."""

import json
from pathlib import Path

import pytest
from conftest import NETWORKS, script

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "gpu_causal_lm.py"


def test_the_benchmark_for_a_gpu_answers_every_question_on_a_processor():
    for package in ("torch", "transformers"):
        pytest.importorskip(package)
    ended = script(SCRIPT, "--tiny", "--device", "cpu", modules=NETWORKS)
    assert ended.returncode == 0, ended.stderr
    results = json.loads(ended.stdout)
    assert results["device"] == "cpu" and results["mean difference of log-probabilities, nats"] < 0.05
    questions = {name: answer for name, answer in results.items() if isinstance(answer, dict)}
    assert [name.partition(",")[0] for name in questions] == ["training", "sampling", "5 beams for 4 of 40 blocks"]
    assert all(answer["a second"] > 0 for answer in questions.values())
