"""How long does it take to route a million candidates?

Four teachers answer 250,000 prompts. The reward is noise of unit variance, and is half a unit higher for the teacher of the prompt's topic. Every
rule of the filter `route` chooses one answer to each prompt.

    python benchmarks/routing.py
"""

from __future__ import annotations

import os
import time

import numpy as np
import polars as pl
from figures import write

from outcross.filters.route import RouteFilter
from outcross.testing.candidates import GivenCandidates

PROMPTS, TEACHERS = 250_000, 4


def routed() -> dict[str, float]:
    """Seconds in which each rule chooses among a million candidates."""
    rng = np.random.default_rng(0)
    n, teacher = PROMPTS * TEACHERS, np.tile(np.arange(TEACHERS), PROMPTS)
    prompt = np.repeat(np.arange(PROMPTS), TEACHERS)
    frame = pl.DataFrame(
        {
            "reward": rng.standard_normal(n) + 0.5 * (teacher == prompt % TEACHERS),
            "topic": [f"topic {number}" for number in (prompt % TEACHERS).tolist()],
            "_model": [f"teacher {number}" for number in teacher.tolist()],
            "_author": ["model"] * n,
        }
    )
    candidates = GivenCandidates(frame, np.zeros((n, 1)), of_prompt=prompt)
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
    seconds = {}
    for name, rule in rules.items():
        start = time.perf_counter()
        rule.select(candidates, np.random.default_rng(1))
        seconds[name] = time.perf_counter() - start
        print(name, f"{seconds[name]:.2f} s", flush=True)
    return seconds


if __name__ == "__main__":
    write("routing", __doc__ or "", os.getloadavg(), {"routing": routed()})
