"""Which mix does a search propose on real pools, and is it better than other mixes?

A search tries small mixes of the pools, fits a mixing law to their losses, and proposes the best mix of that law, unless another mix that it measured
has a lower loss beyond the error. *Texts*: the pools are human texts of twelve domains and the rewrites of other texts of these domains by three
models (L2R in ../shared/data); the loss is that of an n-gram model in nats a token, on human texts that are in no pool and that no model rewrote.
*Adult*: the pools are 2,000 human records of UCI Adult and the records of two synthesizers; the loss is that of boosted trees that predict the income,
in nats a record of the human holdout. The human share is left to the search, with a lower limit, or it is given. The first table has the proposed
shares; they have intervals, from resampled laws, where the law proposes them, and none where a measured mix is proposed. p is that of the test whether
the shares change the loss at all; above .05 no mix is proposed. A pool that is not named has a share of 0. The second table has the loss of each of
four mixes above the lowest of the four, on samples that were not used for fitting, with the 95 % interval of the difference of two mixes. The last
two columns have the mean error with which the law and a linear model predict the losses of held-out mixes. Seeds are shown one by one.

    python benchmarks/mix_search.py
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import polars as pl
from figures import DATA, write

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
    load, searches = os.getloadavg(), []
    with tempfile.TemporaryDirectory() as folder:
        for pools, asked in (("texts", texts), ("Adult", adult)):
            for human_share in ({"at_least": 0.1}, 0.2):
                for seed in SEEDS:
                    search = outcross.mix(asked(Path(folder), seed, human_share), plan=True).plain()["search"]
                    kept = {key: search[key] for key in ("chance_of_no_effect", "proposal", "back_test", "note", "mixes")}
                    searches.append({"pools": pools, "human_share": human_share, "seed": seed} | kept)
                    print(f"{pools}, human share {human_share}, seed {seed}: {search['note']}", flush=True)
    write("mix_search", __doc__ or "", load, {"searches": searches})


if __name__ == "__main__":
    main()
