"""How small can a student be whose data were chosen for a goal?

The run is the built-in experiment `outcross run sculpt`. Students are n-gram models of orders 1 to 5, with five seeds, and learn from the same number of
tokens in every arm, whose data are chosen in another way. The table has for every arm the number of parameters, the goal (the type-token ratio of the
text that the student writes), the held-out loss, and the share of sums that are right, with t-intervals over seeds. For each way to choose data the
sentences below name the smallest student that equals the largest student on random data: in the goal alone, and in the goal, in held-out loss (at most
2 % worse) and in sums together.

    python benchmarks/sculpt.py [WORKERS] [transformer]
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from equal_k import as_blocks
from figures import DATA, write
from students import over_seeds

import outcross
from outcross.attributes import ATTRIBUTES
from outcross.data import HUMAN, Human, part_of
from outcross.ledger import stream
from outcross.models.draw import Draw
from outcross.models.ngram import Ngram
from outcross.recipe import read
from outcross.report.curves import measured
from outcross.report.frontier import JUDGED, frontier_sentences
from outcross.report.response import responses
from outcross.statistics.frontier import equal_size, judged_students
from outcross.verbs.run.page import study


def studied(size: str | None, workers: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        settings = {} if size is None else {"size": size}
        run = outcross.run("sculpt", out=Path(folder) / "run", workers=workers, settings=settings).finish()
        of_run = study(run)
    measures = measured(of_run)
    every = {measure.measure: measure for measure in measures if not measure.at}
    rows, kinds = [], {}
    for response in responses(of_run.settings, [every["goal"]], {}):
        kinds[response.among] = [(answer.setting, answer.arm) for answer in response.answers]
        for answer in response.answers:
            row: dict[str, Any] = {"data": response.among, "size": answer.setting}
            for measure in ("parameters", *JUDGED):
                end = every[measure].curves[answer.arm].end
                row[measure] = {"value": end.value, "low": end.low, "high": end.high, "n": end.n}
            rows.append(row)
            print(row, flush=True)
    sentences = frontier_sentences(kinds, measures)
    print(*sentences, sep="\n", flush=True)
    return {"sculpted": rows, "verdicts": list(sentences)}


POOL = DATA / "instructions" / "alpacaeval_outputs.parquet"
PEOPLE, BLOCK, ORDERS, SEEDS = "human_reference", 64, (1, 2, 3, 4, 5), tuple(range(10))


def pooled(seed: int) -> list[dict[str, Any]]:
    """One seed of the AlpacaEval pool."""
    frame = pl.read_parquet(POOL).filter(pl.col("output").str.strip_chars().str.len_chars() > 0)
    counts = frame.group_by("model").len().filter(pl.col("len") == pl.col("len").max())["model"].to_list()
    names = sorted(name for name in counts if name != PEOPLE)
    wide = frame.filter(pl.col("model").is_in([*names, PEOPLE])).pivot(on="model", index="prompt_id", values="output").drop_nulls()
    order = stream(seed, "sculpt pool", "prompts").permutation(wide.height)
    learned, unseen = wide[order[: wide.height // 2]], wide[order[wide.height // 2 :]]
    learner = Ngram(order=1, vocabulary=4096)
    vocabulary = learner.form(BLOCK).learn_vocabulary([text for name in (*names, PEOPLE) for text in learned[name].to_list()])

    def cut(texts: list[str]) -> np.ndarray:
        joined = np.concatenate(vocabulary.encode([f"{text}\n" for text in texts]))
        return joined[: len(joined) // BLOCK * BLOCK].reshape(-1, BLOCK)

    goal = read(ATTRIBUTES, "mtld", "goal")
    answers = np.array([learned[name].to_list() for name in names], dtype=object)
    values = np.array([goal(row.tolist()) for row in answers])
    prompts = np.arange(answers.shape[1])
    chance = stream(seed, "sculpt pool", "choice").integers(len(names), size=len(prompts))
    single, best = int(np.nanmean(values, axis=1).argmax()), np.nan_to_num(values, nan=-np.inf).argmax(axis=0)
    sets = {name: cut(answers[at, prompts].tolist()) for name, at in (("random", chance), ("single", single), ("best", best))}
    people = cut(learned[PEOPLE].to_list())
    fewest = min(*map(len, sets.values()), 2 * len(people))
    mixing = stream(seed, "sculpt pool", "blocks")
    some = {name: blocks[mixing.permutation(len(blocks))[:fewest]] for name, blocks in sets.items()}
    some["mixed"] = np.concatenate([some["best"][: fewest // 2], people[mixing.permutation(len(people))[: fewest - fewest // 2]]])
    held_out, rows = as_blocks(cut(unseen[PEOPLE].to_list())), []
    for name, tokens in some.items():
        for size in ORDERS:
            given = as_blocks(tokens)
            student, rng = Ngram(order=size, vocabulary=4096), stream(seed, "sculpt pool", "student", name, size)
            start = student.begin(Human(training=part_of(HUMAN, given), vocabulary=vocabulary), None, rng)
            model = student.fit(given, None, start, None, rng)
            wrote = model.sample(Draw(records=1000, prompts="none"), None, rng).texts
            loss = -float(model.log_prob(held_out).sum()) / held_out.tokens.size
            rows.append(
                {
                    "data": name,
                    "size": size,
                    "parameters": model.parameters,
                    "goal": float(np.nanmean(goal(wrote))),
                    "loss": loss,
                    "blocks": fewest,
                }
            )
    print(seed, names, rows[0], rows[-1], flush=True)
    return rows


def pool() -> dict[str, Any]:
    """The students of the AlpacaEval pool over seeds. Raises SystemExit where the pool is absent."""
    if not POOL.exists():
        raise SystemExit(f"{POOL} is not there; it needs the columns prompt_id, model and output, with people as {PEOPLE}")
    seeds = [pooled(seed) for seed in SEEDS]
    students = []
    for same in zip(*seeds, strict=True):
        settings = {key: same[0][key] for key in ("data", "size")}
        students.append(settings | {key: over_seeds([row[key] for row in same]) for key in ("parameters", "goal", "loss")})
    at = {(row["data"], row["size"]): number for number, row in enumerate(students)}

    def table(data: str, key: str) -> np.ndarray:
        return np.array([[rows[at[data, size]][key] for size in ORDERS] for rows in seeds])

    largest = table("random", "goal")[:, -1], table("random", "loss")[:, -1], np.zeros(len(SEEDS))
    verdicts = {}
    for data in ("single", "best", "mixed"):
        sizes, goals, losses = (table(data, key) for key in ("parameters", "goal", "loss"))
        equal = equal_size(sizes.mean(axis=0).tolist(), goals, largest[0])
        each = judged_students(list(map(float, ORDERS)), goals, losses, np.zeros_like(goals), largest)
        verdicts[data] = {
            "on_the_goal": equal.note if equal.size is None else [equal.size.value, equal.size.low, equal.size.high],
            "by_size": {str(size): list(judged.not_shown) or ["holds both"] for size, judged in zip(ORDERS, each, strict=True)},
            "goal_difference": {
                str(size): [judged.goal.value, judged.goal.low, judged.goal.high] for size, judged in zip(ORDERS, each, strict=True)
            },
            "loss_ratio": {
                str(size): [judged.loss.value, judged.loss.low, judged.loss.high] for size, judged in zip(ORDERS, each, strict=True)
            },
        }
        print(data, verdicts[data], flush=True)
    return {"sculpted": students, "verdicts": verdicts}


def main(workers: str = "1", size: str | None = None) -> None:
    load, start = os.getloadavg(), time.perf_counter()
    result = studied(size, int(workers))
    name = "sculpt" if size is None else f"sculpt_{size}"
    write(name, __doc__ or "", load, result | {"seconds": time.perf_counter() - start})


if __name__ == "__main__":
    main(*sys.argv[1:])
