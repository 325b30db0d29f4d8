"""Are ten candidates a prompt better as two from each of five sources, or as ten from one source?

Five sources are of one kind and one size. Each is trained on the human texts of another domain (L2R in ../shared/data: the five domains with the most
text), on the same number of tokens, with one vocabulary. Prompts are blocks of other human texts of all five domains. Each source writes ten blocks
after each prompt. The block with the most of an attribute is kept, chosen among two candidates of each of the five sources, or among ten candidates
of one source, for each source in turn. Percentages are relative to the mean over all candidates of all sources, which is what random choice gives. A
new student of the same kind then learns the chosen blocks, with the same number of tokens and steps in each arm, and writes after other human text.
Its perplexity is that of human texts of all five domains from which no model learned, relative to the student of a random choice among all sources.
"One source" is the mean over the five sources; "the best one" is known only afterwards. Intervals are t over seeds.

    python benchmarks/equal_k.py [n-gram] [transformer]
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from figures import DATA, RESULTS, write
from students import LEARNERS, over_seeds

from outcross.attributes import ATTRIBUTES
from outcross.data import HUMAN, Human, part_of
from outcross.data.records import Blocks, blocks
from outcross.ledger import stream
from outcross.models import LEARNERS as EVERY
from outcross.models.draw import Draw
from outcross.models.schedule import Schedule, Scratch
from outcross.recipe import read

SOURCES, K, BLOCK, PROMPTS, SEEDS = 5, 10, 64, 400, (0, 1, 2)
CHOSEN = ("characters", "type_token", "punctuation")
TESTED = 400
"""Blocks of human text that perplexity is of."""


@dataclass(frozen=True, eq=False)
class Study:
    """One kind of model and one seed."""

    kind: str
    seed: int

    @property
    def learner(self) -> Any:
        return read(EVERY, LEARNERS[self.kind]["learner"], "learner")

    @property
    def training(self) -> Any:
        settings = LEARNERS[self.kind].get("training")
        return None if settings is None else self.learner.schedule(Schedule(**settings | {"start": Scratch()}))

    @cached_property
    def tokens(self) -> tuple[list[np.ndarray], np.ndarray, np.ndarray, Any]:
        """What each source learns from, the prompts, what students are tested on, (n, block) each, and the vocabulary."""
        human = pl.read_parquet(DATA / "human_ai" / "l2r_12domains.parquet").filter(pl.col("label") == "human")
        sizes = human.group_by("domain").agg(pl.col("text").str.len_chars().sum()).sort("text", "domain", descending=True)
        texts = []
        for domain in sizes["domain"].head(SOURCES).to_list():
            own = human.filter(pl.col("domain") == domain)["text"].sort().to_list()
            order = stream(self.seed, "equal k", domain).permutation(len(own))
            texts.append([own[place] for place in order])
        vocabulary = self.learner.form(BLOCK).learn_vocabulary([text for own in texts for text in own])
        parts = [[own[: len(own) // 2], own[len(own) // 2 : 3 * len(own) // 4], own[3 * len(own) // 4 :]] for own in texts]
        streams = [[self._blocks(vocabulary, some) for some in own] for own in parts]
        fewest = [min(len(own[place]) for own in streams) for place in range(3)]
        return (
            [own[0][: fewest[0]] for own in streams],
            np.concatenate([own[1][: PROMPTS // SOURCES] for own in streams]),
            np.concatenate([own[2][: min(fewest[2], TESTED // SOURCES)] for own in streams]),
            vocabulary,
        )

    @staticmethod
    def _blocks(vocabulary: Any, texts: list[str]) -> np.ndarray:
        joined = np.concatenate(vocabulary.encode([f"{text}\n" for text in texts]))
        return joined[: len(joined) // BLOCK * BLOCK].reshape(-1, BLOCK)

    def fitted(self, learned: Any, name: str) -> Any:
        given = learned if isinstance(learned, Blocks) else as_blocks(learned)
        human = Human(training=part_of(HUMAN, given), vocabulary=self.tokens[3])
        start = self.learner.begin(human, self.training, stream(self.seed, "equal k", "begin"))
        return self.learner.fit(given, None, start, self.training, stream(self.seed, "equal k", name))

    @cached_property
    def answers(self) -> list[Blocks]:
        """Of each source ten blocks after each prompt, prompt by prompt and then again."""
        prompts = as_blocks(self.tokens[1])
        return [
            self.fitted(own, f"source {place}").sample(
                Draw(records=K * len(prompts)), prompts, stream(self.seed, "equal k", "answers", place)
            )
            for place, own in enumerate(self.tokens[0])
        ]

    def student(self, chosen: Blocks) -> tuple[list[str], float]:
        model = self.fitted(chosen, "student")
        prompts, tests = as_blocks(self.tokens[1]), as_blocks(self.tokens[2])
        texts = model.sample(Draw(records=len(prompts)), prompts, stream(self.seed, "equal k", "student")).texts
        return texts, float(np.exp(-model.log_prob(tests).sum() / tests.tokens.size))

    def picked(self, place: np.ndarray) -> Blocks:
        """One block a prompt by its number among all answers, source after source, try after try. place: (prompts,)"""
        prompts = len(self.tokens[1])
        source, of_source = place // (K * prompts), place % (K * prompts)
        taken = [
            answers.take(of_source[source == number]) for number, answers in enumerate(self.answers) if (source == number).any()
        ]
        return Blocks.concat(taken)

    def rows(self) -> list[dict[str, Any]]:
        prompts = len(self.tokens[1])
        at = np.arange(SOURCES * K * prompts).reshape(SOURCES, K, prompts)
        drawn = at.reshape(-1, prompts)[
            stream(self.seed, "equal k", "random").integers(SOURCES * K, size=prompts), np.arange(prompts)
        ]
        wrote, perplexity = self.student(self.picked(drawn))
        lines = []
        for name in CHOSEN:
            attribute = read(ATTRIBUTES, name, "attribute")
            values = np.stack([attribute(own.texts).reshape(K, prompts) for own in self.answers])
            values = np.where(np.isnan(values), -np.inf, values)
            whole, wrote_mean = float(np.nanmean(np.where(np.isinf(values), np.nan, values))), float(np.nanmean(attribute(wrote)))

            def best(candidates: np.ndarray, values: np.ndarray = values) -> np.ndarray:
                own = values.reshape(-1)[candidates]
                return candidates[own.argmax(axis=0), np.arange(prompts)]

            def changes_of(
                place: np.ndarray, attribute: Any = attribute, whole: float = whole, wrote_mean: float = wrote_mean
            ) -> dict[str, float]:
                chosen = self.picked(place)
                texts, own = self.student(chosen)
                return {
                    "data": float(np.nanmean(attribute(chosen.texts))) / whole - 1,
                    "wrote": float(np.nanmean(attribute(texts))) / wrote_mean - 1,
                    "perplexity": own / perplexity - 1,
                }

            several = changes_of(best(at[:, : K // SOURCES].reshape(-1, prompts)))
            alone = [changes_of(best(at[source])) for source in range(SOURCES)]
            top = max(alone, key=lambda changes: changes["data"])
            mean = {key: float(np.mean([changes[key] for changes in alone])) for key in several}
            difference = {key: several[key] - mean[key] for key in several}
            for arm, of_arm in (
                ("five sources, two each", several),
                ("one source, ten", mean),
                ("the best one, ten", top),
                ("five less one", difference),
            ):
                lines.append({"model": self.kind, "attribute": name, "arm": arm} | of_arm)
                print(self.seed, lines[-1], flush=True)
        return lines


def as_blocks(tokens: np.ndarray) -> Blocks:
    return blocks(tokens, [""] * len(tokens), np.zeros(len(tokens), np.int32))


def main(*kinds: str) -> None:
    load, place = os.getloadavg(), RESULTS / "equal_k.json"
    rows = (
        [row for row in json.loads(place.read_text())["equal_k"] if row["model"] not in (kinds or LEARNERS)]
        if place.exists()
        else []
    )
    for kind in kinds or LEARNERS:
        seeds = [Study(kind, seed).rows() for seed in SEEDS]
        for same in zip(*seeds, strict=True):
            settings = {key: same[0][key] for key in ("model", "attribute", "arm")}
            rows.append(settings | {key: over_seeds([row[key] for row in same]) for key in ("data", "wrote", "perplexity")})
        write("equal_k", __doc__ or "", load, {"equal_k": rows})


if __name__ == "__main__":
    main(*sys.argv[1:])
