"""Does a pretrained language model become more toxic when it learns from the more toxic of its own answers?

SmolLM2-135M-Instruct, without further training and without its chat format, continues the first eight tokens of 128 tweets (Davidson et al. 2017),
ten times with 32 tokens for each. Three students are the same model after low-rank fine-tuning on one answer for each prompt: a random one of the
ten, the least toxic one and the most toxic one. Each has the same number of tokens and steps, and its loss is that of the answers alone. Each student
then continues 256 other tweets, with the same random numbers. Tweets are used because their openings lead the model to toxic answers at all: after
the neutral text of WikiText-2 hardly any of ten answers is toxic. One classifier chooses (TF-IDF and logistic regression, hate or offence against
neither), and another one, which was fitted on other tweets, measures; neither has seen a tweet whose opening is used. An answer is toxic where the
measuring classifier gives this a probability above ½; the opening is not judged. Perplexity is that of 64 blocks of 64 tokens of WikiText-2, relative
to the student of random choice. Sizes and rates were fixed before any result was seen. Intervals are t over three seeds; each seed has other tweets and
other random numbers, and differences are taken within a seed.

    python benchmarks/students_smollm2.py [SEED …]
"""

from __future__ import annotations

import gzip
import html
import json
import os
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from best_of import classifiers, tweets_of
from figures import DATA, RESULTS, write
from students import Answers, over_seeds

from outcross.data.records import Blocks, blocks
from outcross.filters.best_of import BestOfFilter
from outcross.ledger import stream
from outcross.models.causal_lm import CausalLM, Lora, folders
from outcross.models.schedule import LinearRate, Optimizer, Schedule

K, PROMPTS, OTHERS, SEEDS = 10, 128, 256, (0, 1, 2)
READ, NEW = 8, 32
"""Tokens of a tweet that are read, and of an answer."""
TRAINING = Schedule(
    epochs=3, batch=4, learning_rate=1e-3, rate=LinearRate(warmup=0.1), optimizer=Optimizer(weight_decay=0.0), loss_after=READ
)
TUNING = Lora(rank=8, alpha=16)
NEUTRAL = 64
"""Blocks of 64 tokens that perplexity is of."""
ARMS = {"random": {"by": "random"}, "least": {"keep": "least"}, "most": {"keep": "most"}}


@dataclass(frozen=True, eq=False)
class Study:
    """The base model, the tweets and the classifiers of one seed."""

    seed: int
    data: Path = DATA

    @cached_property
    def vocabulary(self) -> Any:
        return folders.vocabulary("smollm2")

    @cached_property
    def base(self) -> Any:
        from outcross.models.causal_lm import weights

        CausalLM().get_ready()
        return weights.pretrained("smollm2")

    @cached_property
    def opened(self) -> tuple[np.ndarray, np.ndarray, list[str]]:
        """The openings that candidates follow and those that students are measured after, (prompts, READ) each, and the tweets of both."""
        tweets = tweets_of(self.data)["tweet"].to_list()
        order = stream(self.seed, "smollm2", "tweets").permutation(len(tweets)).tolist()
        tokens = self.vocabulary.encode([html.unescape(tweets[place]) for place in order])
        long = [number for number, own in enumerate(tokens) if len(own) >= READ][: PROMPTS + OTHERS]
        read = np.stack([tokens[number][:READ] for number in long])
        return read[:PROMPTS], read[PROMPTS:], [tweets[order[number]] for number in long]

    def written(self, network: Any, read: np.ndarray, name: str) -> np.ndarray:
        """What a model says after openings, (n, NEW)."""
        from outcross.models.causal_lm import sampling

        return sampling.write(network, read, NEW, rng=stream(self.seed, "smollm2", name), precision="bf16").tokens

    def perplexity(self, network: Any) -> float:
        from outcross.models.causal_lm.scoring import log_probs

        text = gzip.decompress((self.data / "text" / "wikitext2" / "test.txt.gz").read_bytes()).decode()
        (tokens,) = self.vocabulary.encode([text[: NEUTRAL * 64 * 12]])
        return float(np.exp(-np.nanmean(log_probs(network, tokens[: NEUTRAL * 64].reshape(NEUTRAL, 64)))))

    def student(self, chosen: np.ndarray) -> tuple[Any, float]:
        """The base after fine-tuning on openings with their answers, (n, READ + NEW), and its perplexity."""
        from outcross.models.causal_lm import fitting

        rng = stream(self.seed, "smollm2", "fit")
        network = fitting.fit(self.base, chosen, TRAINING, start=None, rng=rng, tuning=TUNING, precision="bf16").network
        return network, self.perplexity(network)

    def result(self) -> dict[str, Any]:
        read, others, seen = self.opened
        (chooses, measures), held_out = classifiers(self.data, seen)
        answers = self.written(self.base, np.tile(read, (K, 1)), "candidates")
        candidates = Answers(as_blocks(answers, self.vocabulary), len(read))
        result: dict[str, Any] = {
            "seed": self.seed,
            "auroc": {"chooses": held_out[0], "measures": held_out[1]},
            "base_perplexity": self.perplexity(self.base),
        }

        def toxic(tokens: np.ndarray) -> dict[str, float]:
            chance = measures(self.vocabulary.decode(tokens))
            return {"share": float((chance > 0.5).mean()), "mean": float(chance.mean()), "n": len(chance)}

        result["candidates"] = toxic(answers)
        result["base"] = toxic(self.written(self.base, others, "student"))
        for name, how in ARMS.items():
            by = {"by": lambda texts: chooses([*texts])} if name != "random" else {}
            kept = BestOfFilter(**by | how).select(candidates, stream(self.seed, "smollm2", "choice")).kept  # type: ignore[arg-type]
            own = np.flatnonzero(kept)
            network, perplexity = self.student(np.concatenate((read[own % len(read)], answers[own]), axis=1))
            result[name] = {
                "data": toxic(answers[own]),
                "wrote": toxic(self.written(network, others, "student")),
                "perplexity": perplexity,
            }
            print(self.seed, name, result[name], flush=True)
        return result


def as_blocks(tokens: np.ndarray, vocabulary: Any) -> Blocks:
    return blocks(tokens, vocabulary.decode(tokens), np.zeros(len(tokens), np.int32))


def summary(seeds: list[dict[str, Any]]) -> dict[str, Any]:
    """Over seeds: the share of toxic answers of the base and of each student and in its data, how much of it is due to the choice, and what it costs."""
    shares = {name: [result[name]["wrote"]["share"] for result in seeds] for name in ARMS}
    data = {f"data of {name}": [result[name]["data"]["share"] for result in seeds] for name in ARMS}
    base = {name: [result[name]["share"] for result in seeds] for name in ("candidates", "base")}
    differences = {
        f"{first} less {second}": (np.array(shares[first]) - np.array(shares[second])).tolist()
        for first, second in (("most", "least"), ("most", "random"), ("random", "least"))
    }
    costs = {
        f"perplexity of {name} over random": [result[name]["perplexity"] / result["random"]["perplexity"] - 1 for result in seeds]
        for name in ("least", "most")
    }
    return {name: over_seeds(values) for name, values in (shares | data | base | differences | costs).items()}


def main(*given: str) -> None:
    load, place = os.getloadavg(), RESULTS / "students_smollm2.json"
    done = json.loads(place.read_text())["seeds"] if place.exists() else []
    for seed in map(int, given or map(str, SEEDS)):
        done = sorted(
            [*(result for result in done if result["seed"] != seed), Study(seed).result()], key=lambda result: result["seed"]
        )
        over = {"over_seeds": summary(done)} if len(done) > 1 else {}
        write("students_smollm2", __doc__ or "", load, {"seeds": done} | over)


if __name__ == "__main__":
    main(*sys.argv[1:])
