"""Do feedback loops of generators and classifiers lose accuracy and fairness, and does reparation restore them?

The experiment is `outcross run fairness-mnist` on MNIST at 14 by 14 pixels with seeds 0 to 9: 2,000 records a generation, ten generations, a mixture
on 20 principal components as the generator, and logistic regression as the classifier. The claims are those of Wyllie, Shumailov and Papernot (FAccT
2024), as far as this setting can test them. Each claim is about the mean of a difference within a seed, with a t-interval, the exact sign-flip test
(1,024 flips), Holm's correction over the claims, and the number of seeds in which the difference has the claimed sign. Besides STAR, there are arms
that reweigh, equalise and oversample on the side of the classifier. Two more arms have no bias in the data: one with as many green as red pictures,
and one with a fifth of green ones.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars
from figures import DATA, RESULTS, write
from over_seeds import RUNS, over_seeds, readings_of, run

import outcross
from outcross.statistics.sign_flip import holm, sign_flip

MNIST = DATA / "images" / "mnist"
SEEDS = tuple(range(10))
ONE_CLASSIFIER = [{"name": name, "learner.reparation": name} for name in ("reweigh", "equalise", "oversample")]
UNBIASED = [{"name": "unbiased", "human.green": [0.5, 0.5]}, {"name": "unbiased-fifth", "human.green": [0.2, 0.2]}]
COLUMNS = ("arm", "seed", "generation", "measure", "at", "value")
CHAIN, STAR, GENERATOR_STAR, FIXED = "SeqGenSeqClass", "classifier-STAR", "generator-STAR", "SeqClass"


def main() -> None:
    asked = _asked()
    folder, results = (RUNS / "fairness-mnist-rehearsal",) * 2 if asked.rehearse else (RUNS / "fairness-mnist", RESULTS)
    seeds = SEEDS[:2] if asked.rehearse else SEEDS
    sizes = ("size=digits", "generations=2") if asked.rehearse else ("size=small", f"human.path={MNIST}")
    load = os.getloadavg()
    for seed in () if asked.finished else asked.seeds or seeds:
        common = (*sizes, f"seed={seed}", "--quiet", "--workers", "1")
        run(folder / f"arms-{seed}", "fairness-mnist", *common)
        if not asked.arms_only:
            run(folder / f"beside-{seed}", "fairness-mnist", f"arms={ONE_CLASSIFIER + UNBIASED}", *common)
    if asked.seeds:
        return
    readings = polars.concat([readings_of([run]).select(COLUMNS) for run in ended(folder, seeds, must=not asked.finished)])
    settings = {"claims": claims(readings), "beside": beside(readings), "unbiased": unbiased(readings), "curves": curves(readings)}
    write("fairness_mnist", __doc__ or "", load, settings, results)
    for claim in settings["claims"]:
        print(
            claim["claim"],
            claim["mean"]["value"],
            claim["mean"]["low"],
            claim["mean"]["high"],
            claim["p_holm"],
            claim["as_claimed"],
        )


def ended(folder: Path, seeds: Sequence[int], must: bool) -> list[Path]:
    """The folders of runs that have ended, which all `must` have."""
    folders = [folder / f"{which}-{seed}" for seed in seeds for which in ("arms", "beside")]
    done = [run for run in folders if (run / "ledger.jsonl").exists() and not outcross.open(run).unfinished]
    if must and len(done) < len(folders):
        raise SystemExit(f"{len(folders) - len(done)} runs have not ended; run it again to go on, or write --finished")
    return done


def values(readings: polars.DataFrame, arm: str, measure: str, generation: int, at: str = "") -> dict[int, float]:
    """The values of a reading of an arm at a generation (-1 is the last), by seed; seeds where it could not be had are left out."""
    last = int(readings["generation"].max())  # type: ignore[arg-type]
    own = readings.filter(arm=arm, measure=measure, at=at, generation=last if generation < 0 else generation).drop_nulls("value")
    return dict(own.select("seed", "value").iter_rows())


def less(own: dict[int, float], other: dict[int, float]) -> list[float]:
    """The differences of the seeds that both have."""
    return [own[seed] - other[seed] for seed in sorted(own.keys() & other.keys())]


def claims(readings: polars.DataFrame) -> list[dict[str, Any]]:
    """A row a claim: what is compared, its mean over seeds, the tests, and in how many seeds it points as claimed."""

    def change(arm: str, measure: str, at: str = "") -> dict[int, float]:
        first, last = (values(readings, arm, measure, generation, at) for generation in (0, -1))
        return {seed: last[seed] - first[seed] for seed in first.keys() & last.keys()}

    def against(arm: str, measure: str) -> list[float]:
        return less(values(readings, arm, measure, -1), values(readings, CHAIN, measure, -1))

    def imbalance(arm: str) -> dict[int, float]:
        return {seed: abs(value - 0.5) for seed, value in values(readings, arm, "group_representation", -1, "green").items()}

    asked = [
        ("(i) SeqGenSeqClass loses accuracy, last generation less first", [*change(CHAIN, "accuracy").values()], -1),
        (
            "(i) SeqGenSeqClass selects fewer of the minority, last less first",
            [*change(CHAIN, "selection_rate", "red").values()],
            -1,
        ),
        ("(ii) classifier-side STAR has a lower demographic parity difference", against(STAR, "demographic_parity_gap"), -1),
        ("(ii) classifier-side STAR has a lower equalised odds difference", against(STAR, "equalised_odds_gap"), -1),
        (
            "(iii) generator-side STAR holds the share of groups nearer one half",
            less(imbalance(GENERATOR_STAR), imbalance(CHAIN)),
            -1,
        ),
        ("(iv) SeqClass loses less accuracy than SeqGenSeqClass", less(change(FIXED, "accuracy"), change(CHAIN, "accuracy")), 1),
    ]
    p = [sign_flip(differences) for _, differences, _ in asked]
    return [
        {"claim": claim, "mean": over_seeds(differences), "differences": differences, "p": p_value, "p_holm": corrected}
        | {"as_claimed": int((np.sign(differences) == sign).sum()), "seeds": len(differences)}
        for (claim, differences, sign), p_value, corrected in zip(asked, p, holm(p), strict=True)
    ]


def beside(readings: polars.DataFrame) -> list[dict[str, Any]]:
    """Each reparation against none at the last generation, within a seed; no claim was made of these."""
    return [
        {
            "arm": arm,
            "measure": measure,
            "less_none": over_seeds(less(values(readings, arm, measure, -1), values(readings, CHAIN, measure, -1))),
        }
        for arm in (STAR, "reweigh", "equalise", "oversample", GENERATOR_STAR)
        for measure in ("accuracy", "demographic_parity_gap", "equalised_odds_gap")
    ]


def unbiased(readings: polars.DataFrame) -> list[dict[str, Any]]:
    """The signed difference of selection where the data have no bias, and its square, at the first and the last generation."""
    rows = []
    for arm in ("unbiased", "unbiased-fifth"):
        first, last = (values(readings, arm, "selection_difference", generation, "green less the others") for generation in (0, -1))
        seeds = sorted(first.keys() & last.keys())
        squares = [{seed: value**2 for seed, value in by_seed.items()} for by_seed in (first, last)]
        rows.append(
            {"arm": arm, "seeds": len(seeds)}
            | {"first": over_seeds([first[seed] for seed in seeds]), "last": over_seeds([last[seed] for seed in seeds])}
            | {"square_first": over_seeds([squares[0][seed] for seed in seeds])}
            | {"square_last": over_seeds([squares[1][seed] for seed in seeds])}
            | {"square_grows": over_seeds(less(squares[1], squares[0]))}
        )
    return rows


def curves(readings: polars.DataFrame) -> list[dict[str, Any]]:
    """The means of an arm at every generation."""
    wanted = ("accuracy", "demographic_parity_gap", "equalised_odds_gap", "accuracy_gap")
    own = readings.filter(polars.col("at") == "", polars.col("measure").is_in(wanted)).drop_nulls("value")
    grouped = own.group_by("arm", "measure", "generation", maintain_order=True).agg(polars.col("value"))
    return [
        {"arm": arm, "measure": measure, "generation": generation} | over_seeds(values_of_seeds)
        for arm, measure, generation, values_of_seeds in grouped.iter_rows()
    ]


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rehearse", action="store_true", help="two seeds of scikit-learn's digits, two generations")
    parser.add_argument("--finished", action="store_true", help="run nothing, work out what the runs that have ended say")
    parser.add_argument(
        "--arms-only", action="store_true", help="with --seeds: leave out what STAR is compared with, and the arms without bias"
    )
    parser.add_argument("--seeds", type=int, nargs="*", help="only run these seeds, and work out nothing")
    return parser.parse_args()


if __name__ == "__main__":
    main()
