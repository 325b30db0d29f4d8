"""What several tests share: a transformer experiment small enough to run in seconds."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TINY = """
name: tiny
human: {text: stdlib, held_out: 0.1, rows: 60}
block: 16
learner: {kind: transformer, layers: 1, width: 32, heads: 1, vocabulary: 400}
training: {steps: 6, batch: 8, learning_rate: 0.003, start: {pretrained: {steps: 12, batch: 8}}}
draw: {temperature: 0.7}
generations: 3
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """The file of a transformer experiment on the standard library's text, two arms of three generations."""
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY + "arms: [{policy: replace}, {policy: {kind: human_share, share: 0.25, align: true}}]\n")
    return path


def outcross(*arguments: object, **environment: str) -> subprocess.CompletedProcess:
    """The command line in a process of its own, as a user calls it."""
    command = [sys.executable, "-m", "outcross", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, timeout=300, check=False)
