"""How long does a mix take beside Hugging Face datasets?

Three pools of short records, each a Parquet file (one written by people, two by models), 30 % human. *Ours*: the command from start to end, with the plan, an exact share, a
seeded order of all rows (`shuffled`, or `even`), ten columns of provenance a row, `draws.parquet`, the manifest and the SHA-256 of every file and of the rows. *datasets*: the same files read with
`Dataset.from_parquet`, `interleave_datasets` with probabilities .3, .37 and .33 and a seed (`first_exhausted`, as it is without being told), `save_to_disk`; it keeps no origin, and takes the rows
of each pool in the order of the file. *datasets, shuffled*: each pool is shuffled first, by a seed, which is what a random sample takes. A cache is made anew each time. What counts is rows
written: datasets ends with the first pool that is used up. One thread each but for what polars and Arrow take by themselves. *Plan*: `--plan` alone.

*Filters*: a million short texts (12 to 30 words) in two pools, of which 10 % repeat another with a word more and 5 % repeat one as it is; half as many rows are drawn, 30 % human. Each filter is
held against the same mix without one. `decontaminate` compares with 2,500 texts of a test set, 500 of which are in the pools with two words more; `like` draws half of that, towards the test set by hashed n-grams.
The plan is that of the mix with `drop_duplicates`.

`python benchmarks/mix.py mix` or `filters` measures one part and keeps the results of the other. A number of rows measures fewer than ten million, or than a million texts, and writes no results.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from figures import OUTCROSS, RESULTS, Figure, Side, compare, process, write

ROWS, TEXTS = 10_000_000, 1_000_000
PAIRS = 3
PLAN_SECONDS, NEAR_SECONDS, MEMORY = 5.0, 600.0, 2_000.0
"""What a plan and the removal of near duplicates may take in seconds, and a mix in MB."""
SHARES = {"human": 0.35, "gpt": 0.45, "llama": 0.4}
"""Rows of each pool, as fractions of the rows of the mix."""
DRAWN = (0.3, 0.37, 0.33)
"""The shares that are drawn of them."""


def write_pools(folder: Path, rows: int) -> list[dict]:
    """The pools of a mix of so many rows, each in a Parquet file, written once."""
    import polars

    pools = []
    for name, share in SHARES.items():
        path, count = folder / f"{name}.parquet", int(rows * share)
        if not path.exists():
            numbers = np.random.default_rng(0).integers(0, 10**9, count)
            text = polars.format(f"a short record of {name} {{}}", polars.lit(polars.Series(numbers)))
            polars.DataFrame({"row": np.arange(count)}).select(text.alias("text"), "row").write_parquet(path)
        pools.append({"name": name, "path": str(path), "origin": "human" if name == "human" else {"model": name}})
    return pools


def interleaved(folder: Path, out: str, is_shuffled: bool) -> None:
    """What datasets does with the same files."""
    from datasets import Dataset, interleave_datasets

    pools = [Dataset.from_parquet(str(folder / f"{name}.parquet"), cache_dir=f"{out}-cache") for name in SHARES]
    if is_shuffled:
        pools = [pool.shuffle(seed=0) for pool in pools]
    mixed = interleave_datasets(pools, probabilities=list(DRAWN), seed=0)
    mixed.save_to_disk(out)
    print(len(mixed))


def _fresh(folder: Path) -> str:
    """A new place, once what was left in the others is removed: a mix takes gigabytes."""
    for old in folder.glob("out-*"):
        subprocess.run(["rm", "-rf", str(old)], check=True)
    return str(folder / f"out-{time.time_ns()}")


def figures(folder: Path, rows: int) -> Sequence[Figure]:
    subprocess.run(
        [sys.executable, __file__, "pools", str(folder), str(rows)], check=True
    )  # what is large here is in every child's peak
    asked = {"pools": json.loads((folder / "pools.json").read_text()), "rows": rows, "human_share": 0.3}
    for pool, share in zip(asked["pools"], DRAWN, strict=True):
        pool["weight"] = share
    for order in ("even", "shuffled"):
        (folder / f"{order}.yaml").write_text(json.dumps(asked | {"order": order}))

    def ours(order: str) -> Side:
        return Side(
            f"ours, {order}",
            process(lambda: [*OUTCROSS, "mix", folder / f"{order}.yaml", "--out", _fresh(folder), "--quiet"]),
            rows,
        )

    def theirs(name: str, is_shuffled: bool) -> Side:
        command = [sys.executable, __file__, "interleaved", folder]
        there = subprocess.run(
            [*map(str, command), _fresh(folder), str(int(is_shuffled))], capture_output=True, text=True, check=True
        )
        return Side(name, process(lambda: [*command, _fresh(folder), int(is_shuffled)]), int(there.stdout.split()[-1]))

    plan = Side("ours, plan alone", process(lambda: [*OUTCROSS, "mix", folder / "shuffled.yaml", "--plan", "--quiet"]), rows)
    rivals = [theirs("datasets", False), theirs("datasets, shuffled", True)]
    measured = [
        *compare("a mix", ours("shuffled"), [*rivals, ours("even")], unit="rows", pairs=PAIRS, target_ratio=1.0, warm=False)
    ]
    measured += compare("a plan", plan, [ours("shuffled")], unit="rows", pairs=1, target=PLAN_SECONDS, warm=False)
    peak = max(figure.ours.memory or 0.0 for figure in measured)
    print(f"  peak memory {peak:,.0f} MB, target {MEMORY:,.0f} MB: {'met' if peak <= MEMORY else 'missed'}", flush=True)
    return measured


def texts_of(words: np.ndarray, count: int, seed: int) -> list[str]:
    """Texts of 12 to 30 words, a few of which are frequent."""
    rng, texts = np.random.default_rng(seed), []
    for start in range(0, count, 100_000):
        lengths = rng.integers(12, 31, min(100_000, count - start))
        drawn = (5 * rng.pareto(0.6, lengths.sum())).astype(np.int64)
        own = words[np.where(drawn < len(words), drawn, rng.integers(len(words), size=drawn.size))]
        texts += [" ".join(some.tolist()) for some in np.split(own, np.cumsum(lengths)[:-1])]
    return texts


def write_texts(folder: Path, count: int) -> None:
    """Two pools of so many texts together, with near and exact repeats, and a test set."""
    import polars

    rng = np.random.default_rng(7)
    words = np.array([f"word{number}" for number in range(40_000)])
    first = texts_of(words, int(0.85 * count), seed=1)
    near = [f"{first[place]} {words[rng.integers(len(words))]}" for place in rng.integers(len(first), size=count // 10).tolist()]
    exact = [first[place] for place in rng.integers(len(first), size=count - len(first) - len(near)).tolist()]
    texts, order = first + near + exact, rng.permutation(count)
    for name, places in (("human", order[: int(0.4 * count)]), ("gpt", order[int(0.4 * count) :])):
        polars.DataFrame({"text": [texts[place] for place in places.tolist()]}).write_parquet(folder / f"{name}.parquet")
    test = texts_of(words, 2_000, seed=3) + [f"{text} and more" for text in first[:500]]
    polars.DataFrame({"text": test}).write_parquet(folder / "test.parquet")


def filters(folder: Path, count: int) -> Sequence[Figure]:
    """What filters that compare texts take, beside the same mix without one."""
    subprocess.run([sys.executable, __file__, "texts", str(folder), str(count)], check=True)
    origins = {"human": "human", "gpt": {"model": "gpt"}}
    pools = [{"name": name, "path": str(folder / f"{name}.parquet"), "origin": origin} for name, origin in origins.items()]
    asked = {"pools": pools, "rows": count // 2, "human_share": 0.3}
    test = str(folder / "test.parquet")
    more = {
        "no filter": {},
        "drop_duplicates": {"filters": ["drop_duplicates"]},
        "decontaminate": {"filters": [{"decontaminate": {"path": test}}]},
        "drop_boilerplate": {"filters": ["drop_boilerplate"]},
        "like": {"rows": count // 4, "targets": [{"like": test, "shortest": 10}]},
    }
    for name, own in more.items():
        (folder / f"{name}.yaml").write_text(json.dumps(asked | own))

    def side(name: str) -> Side:
        work = process(lambda: [*OUTCROSS, "mix", folder / f"{name}.yaml", "--out", _fresh(folder), "--quiet"])
        return Side(f"ours, {name}", work, count)

    measured = [
        figure
        for name in list(more)[1:]
        for figure in compare(
            f"a mix with {name}",
            side(name),
            [side("no filter")],
            unit="texts",
            pairs=1,
            target=NEAR_SECONDS if name == "drop_duplicates" else None,
            warm=False,
        )
    ]
    command = [*OUTCROSS, "mix", folder / "drop_duplicates.yaml", "--plan", "--quiet"]
    plan = Side("ours, plan alone", process(lambda: command), count)
    return [
        *measured,
        *compare(
            "a plan with drop_duplicates", plan, [side("drop_duplicates")], unit="texts", pairs=1, target=PLAN_SECONDS, warm=False
        ),
    ]


PARTS = {"mix": (figures, ROWS, ("a mix", "a plan")), "filters": (filters, TEXTS, ())}
"""Each part: what measures it, of how many rows, and what its figures are of; all others are of filters."""


def stored_beside(part: str) -> list[dict]:
    """The figures of the other part, as they were measured."""
    place = RESULTS / "mix.json"
    stored = json.loads(place.read_text())["figures"] if place.exists() else []
    return [figure for figure in stored if (figure["what"] in PARTS["mix"][2]) != (part == "mix")]


def main() -> None:
    os.environ["HF_DATASETS_DISABLE_PROGRESS_BARS"] = "1"
    load = os.getloadavg()
    match sys.argv[1:]:
        case ["pools", folder, rows]:
            (Path(folder) / "pools.json").write_text(json.dumps(write_pools(Path(folder), int(rows))))
        case ["texts", folder, count]:
            write_texts(Path(folder), int(count))
        case ["interleaved", folder, out, is_shuffled]:
            interleaved(Path(folder), out, is_shuffled == "1")
        case [part, rows]:
            with tempfile.TemporaryDirectory() as folder:
                PARTS[part][0](Path(folder), int(rows))
        case parts:
            for part in parts or PARTS:
                measure, rows, _ = PARTS[part]
                with tempfile.TemporaryDirectory() as folder:
                    own = [asdict(figure) for figure in measure(Path(folder), rows)]
                beside = stored_beside(part)
                write("mix", __doc__ or "", load, {"figures": own + beside if part == "mix" else beside + own})


if __name__ == "__main__":
    main()
