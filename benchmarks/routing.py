"""How long does it take to route a million candidates?

Four teachers answer 250,000 prompts. The reward is noise of unit variance, and is half a unit higher for the teacher of the prompt's topic. Every
rule of the filter `route` chooses one answer to each prompt. A prompt has sixteen words, drawn by Zipf's law from 30,000. The learned router reads the
words and the topic. Libraries are loaded before the clock starts.

    python benchmarks/routing.py
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from figures import write

from outcross.filters.route import RouteFilter
from outcross.testing.candidates import GivenCandidates

PROMPTS, TEACHERS = 250_000, 4
LENGTH, VOCABULARY, ZIPF = 16, 30_000, 1.05


@dataclass(frozen=True)
class PromptedCandidates(GivenCandidates):
    """Candidates with the text of each one's prompt."""

    asked: Sequence[str] = ()

    @property
    def prompt_texts(self) -> list[str]:
        return list(self.asked)


def answers(prompts: int) -> PromptedCandidates:
    """The answers of all teachers to so many prompts."""
    rng = np.random.default_rng(0)
    n, teacher = prompts * TEACHERS, np.tile(np.arange(TEACHERS), prompts)
    prompt = np.repeat(np.arange(prompts), TEACHERS)
    frame = pl.DataFrame(
        {
            "reward": rng.standard_normal(n) + 0.5 * (teacher == prompt % TEACHERS),
            "topic": [f"topic {number}" for number in (prompt % TEACHERS).tolist()],
            "_model": [f"teacher {number}" for number in teacher.tolist()],
            "_author": ["model"] * n,
        }
    )
    shares = np.arange(1, VOCABULARY + 1) ** -ZIPF
    words = np.array([f"word{number}" for number in range(VOCABULARY)])
    drawn = words[rng.choice(VOCABULARY, (prompts, LENGTH), p=shares / shares.sum())]
    asked = np.repeat(np.array([" ".join(row) for row in drawn.tolist()], dtype=object), TEACHERS)
    return PromptedCandidates(frame, np.zeros((n, 1)), of_prompt=prompt, asked=asked.tolist())


def routed() -> dict[str, float]:
    """Seconds in which each rule chooses among a million candidates."""
    reward = {"column": "reward"}
    rules = {
        "random": RouteFilter(rule="random"),
        "single": RouteFilter(rule="single", reward=reward),
        "table": RouteFilter(
            rule="table", by="topic", table={f"topic {number}": f"teacher {number}" for number in range(TEACHERS)}
        ),
        "reward": RouteFilter(rule="reward", reward=reward),
        "learned": RouteFilter(rule="learned", reward=reward, columns=("topic",)),
    }
    few, candidates, seconds = answers(100), answers(PROMPTS), {}
    for name, rule in rules.items():
        rule.select(few, np.random.default_rng(1))
        start = time.perf_counter()
        rule.select(candidates, np.random.default_rng(1))
        seconds[name] = time.perf_counter() - start
        print(name, f"{seconds[name]:.2f} s", flush=True)
    return seconds


if __name__ == "__main__":
    write("routing", __doc__ or "", os.getloadavg(), {"routing": routed()})
