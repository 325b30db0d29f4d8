"""Which mix does a search propose on real pools, and how does its law compare with a linear model and with the best observed mix?

`python benchmarks/mix_search.py` prints one line for each search. The pools of texts are human texts of twelve domains, and the rewrites by three
models of other texts of the same domains (L2R). The loss is that of an n-gram model on human texts that are in no pool and that no model rewrote. The
pools of Adult are 2,000 human records and two synthesizers; the loss is that of gradient-boosted trees that predict the income, on the human holdout.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import polars as pl
from audit_real import DATA

import outcross

SEEDS = (0, 1)
ADULT = ("syn_ctgan", "syn_tvae")


def texts(folder: Path, seed: int, human_share: Any) -> dict[str, Any]:
    every = pl.read_parquet(DATA / "human_ai" / "l2r_12domains.parquet")
    groups = every["group_id"].unique().sort()
    place = {name: number % 4 for number, name in enumerate(groups.shuffle(seed).to_list())}
    part = every["group_id"].replace_strict(place, return_dtype=pl.Int64)
    is_human = every["label"] == "human"
    validation = folder / f"human-{seed}.parquet"
    every.filter(is_human & (part == 0)).select("text").write_parquet(validation)
    pools = [{"name": "human", "data": every.filter(is_human & (part == 1)).select("text"), "origin": "human"}]
    for model in every.filter(~is_human)["model"].unique().sort().to_list():
        rows = every.filter((every["model"] == model) & (part > 1)).select("text")
        pools.append({"name": model, "data": rows, "origin": {"model": model}})
    return {"pools": pools, "human_share": human_share, "seed": seed, "search": {"validation": str(validation)}}


def adult(_: Path, seed: int, human_share: Any) -> dict[str, Any]:
    folder = DATA / "tabular_synthetic" / "adult"
    human = pl.read_parquet(folder / "real_train.parquet").sample(2000, seed=seed)
    pools = [{"name": "human", "data": human, "origin": "human"}]
    pools += [{"name": name, "path": str(folder / f"{name}.parquet"), "origin": {"model": name}} for name in ADULT]
    search = {"column": "income", "validation": str(folder / "real_holdout.parquet")}
    return {"pools": pools, "rows": 4000, "human_share": human_share, "seed": seed, "search": search}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, asked in (("texts", texts), ("Adult", adult)):
            for human_share in ({"at_least": 0.1}, 0.2):
                for seed in SEEDS:
                    mixed = outcross.mix(asked(Path(folder), seed, human_share), plan=True).plain()["search"]
                    print(f"{name}, human share {human_share}, seed {seed}: {mixed['note']}", flush=True)
                    print(f"  {mixed['proposal'] and mixed['proposal']['shares']}\n  {mixed['back_test']}", flush=True)


if __name__ == "__main__":
    main()
