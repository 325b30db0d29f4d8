"""Does a student acquire the attribute that its data were chosen for?

This is active inheritance at the level of students. A teacher learns from WikiText-2 (1,000 blocks of the validation split in ../shared/data) and
writes ten blocks of 64 tokens after each of its training blocks. A new student of the same kind learns one block for each prompt: a random one of the
ten, the one with the most of an attribute, or the one with the least. All sets have the same number of tokens, and all students take the same number
of steps. Each student then writes blocks after other human text. Every number is compared with the student of random choice of the same seed;
intervals are t over seeds. Perplexity is that of human text of held-out articles, per token. For toxicity one classifier of tweets chooses and
another one measures (as in best_of.py).

    python benchmarks/students.py [n-gram] [transformer]
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from best_of import classifiers
from figures import DATA, RESULTS, write
from scipy.stats import t

import outcross
from outcross.attributes import ATTRIBUTES
from outcross.data.records import Blocks
from outcross.filters.best_of import BestOfFilter
from outcross.ledger import stream
from outcross.models.draw import Draw
from outcross.recipe import read

K, SEEDS = 10, (0, 1, 2)
LEARNERS = {
    "n-gram": {"learner": {"kind": "ngram", "order": 3, "vocabulary": 2048}},
    "transformer": {
        "learner": {"kind": "transformer", "layers": 2, "width": 128, "heads": 2, "vocabulary": 2048},
        "training": {"steps": 300, "batch": 16, "learning_rate": 0.003, "start": "scratch"},
    },
}
CHOSEN = {"n-gram": ("characters", "type_token", "punctuation"), "transformer": ("characters", "type_token", "toxicity")}
ROWS = {"n-gram": 1_000, "transformer": 1_000}
"""Prompts, and blocks that a student writes."""


@dataclass(frozen=True, eq=False)
class Answers:
    """Blocks that a teacher wrote, block i after prompt i modulo their number."""

    blocks: Blocks
    prompt_count: int

    def __len__(self) -> int:
        return len(self.blocks)

    @property
    def texts(self) -> Sequence[str]:
        return self.blocks.texts

    @property
    def prompts(self) -> np.ndarray:
        return np.arange(len(self)) % self.prompt_count


def experiment(kind: str, seed: int, data: Path) -> Any:
    files = str(data / "text" / "wikitext2" / "valid.txt.gz")
    settings = {
        "name": "students",
        "human": {"path": files, "heading": "= [^=].* =", "held_out": 0.2, "rows": ROWS[kind]},
        "block": 64,
        "generations": 1,
        "seed": seed,
        "metrics": ["held_out"],
        "draw": {"prompts": "human"},
    }
    return outcross.experiment(settings | LEARNERS[kind])


@cache
def judges(name: str, data: Path) -> tuple[Any, Any]:
    """What answers are chosen by, and what they are measured by: for toxicity another classifier, fitted on other tweets."""
    if name == "toxicity":
        (chooses, measures), _ = classifiers(data)
        return (lambda texts: chooses([*texts])), (lambda texts: measures([*texts]))
    attribute = read(ATTRIBUTES, name, "attribute")
    return name, attribute


def studied(kind: str, seed: int, data: Path) -> list[dict[str, Any]]:
    asked = experiment(kind, seed, data)
    (first,) = outcross.run(asked)
    human, teacher = first.human, first.model.value
    prompts, others, neutral = human.training.records, human.holdout.records, human.reference.records
    answers = Answers(teacher.sample(Draw(records=K * len(prompts)), prompts, stream(seed, kind, "teacher")), len(prompts))

    def student(chosen: Blocks) -> tuple[list[str], float]:
        start = asked.learner.begin(human, asked.training, stream(seed, kind, "begin"))
        model = asked.learner.fit(chosen, None, start, asked.training, stream(seed, kind, "fit"))
        written = model.sample(Draw(records=ROWS[kind]), others, stream(seed, kind, "student"))
        return written.texts, float(np.exp(-model.log_prob(neutral).sum() / neutral.tokens.size))

    def chosen(**how: Any) -> Blocks:
        kept = BestOfFilter(**how).select(answers, stream(seed, kind, "choice")).kept  # type: ignore[arg-type]
        return answers.blocks.take(np.flatnonzero(kept))

    random = chosen(by="random")
    wrote, perplexity = student(random)
    rows = []
    for name in CHOSEN[kind]:
        by, measure = judges(name, data)
        for keep in ("most", "least"):
            own = chosen(by=by, keep=keep)
            texts, own_perplexity = student(own)
            means = [float(np.nanmean(measure(some))) for some in (random.texts, own.texts, wrote, texts)]
            rows.append(
                {
                    "student": kind,
                    "attribute": name,
                    "keep": keep,
                    "data": means[1] / means[0] - 1,
                    "wrote": means[3] / means[2] - 1,
                    "perplexity": own_perplexity / perplexity - 1,
                    "random_perplexity": perplexity,
                }
            )
            print(seed, rows[-1], flush=True)
    return rows


def over_seeds(values: Sequence[float]) -> dict[str, float]:
    numbers = np.array(values)
    half = float(t.ppf(0.975, len(numbers) - 1) * numbers.std(ddof=1) / np.sqrt(len(numbers)))
    return {
        "value": float(numbers.mean()),
        "low": float(numbers.mean()) - half,
        "high": float(numbers.mean()) + half,
        "n": len(numbers),
    }


def main(*kinds: str) -> None:
    load, place = os.getloadavg(), RESULTS / "students.json"
    rows = (
        [row for row in json.loads(place.read_text())["students"] if row["student"] not in kinds]
        if kinds and place.exists()
        else []
    )
    for kind in kinds or LEARNERS:
        seeds = [studied(kind, seed, DATA) for seed in SEEDS]
        for same in zip(*seeds, strict=True):
            settings = {key: same[0][key] for key in ("student", "attribute", "keep")}
            rows.append(
                settings
                | {key: over_seeds([row[key] for row in same]) for key in ("data", "wrote", "perplexity", "random_perplexity")}
            )
        write("students", __doc__ or "", load, {"students": rows})


if __name__ == "__main__":
    main(*sys.argv[1:])
