"""Do feedback loops of generators and classifiers lose accuracy and fairness, and does reparation win it back?

`outcross run fairness-mnist` on MNIST at 14 by 14 pixels with seeds 0 to 9: 2,000 records a generation, ten generations, a mixture on 20 principal
components as the generator, logistic regression as the classifier. The claims are those of Wyllie, Shumailov and Papernot (FAccT 2024) as they can be
asked here; each is the mean of a difference within a seed, with a t-interval, the exact sign-flip test (1,024 flips), Holm over the claims, and the
count of seeds in which it points as claimed. Beside STAR the classifier's side is reweighed, equalised and oversampled; two more arms have no bias in the
data: as many green as red, and a fifth green.
"""

from __future__ import annotations

import argparse
import os
from typing import Any

import numpy as np
import polars
from figures import DATA, RESULTS, write
from over_seeds import RUNS, over_seeds, readings_of, run

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
    for seed in asked.seeds or seeds:
        common = (*sizes, f"seed={seed}", "--quiet", "--workers", "1")
        run(folder / f"arms-{seed}", "fairness-mnist", *common)
        if not asked.arms_only:
            run(folder / f"beside-{seed}", "fairness-mnist", f"arms={ONE_CLASSIFIER + UNBIASED}", *common)
    if asked.seeds:
        return
    readings = polars.concat(
        [readings_of([folder / f"{of}-{seed}"]).select(COLUMNS) for seed in seeds for of in ("arms", "beside")]
    )
    told = {"claims": claims(readings), "beside": beside(readings), "unbiased": unbiased(readings), "curves": curves(readings)}
    write("fairness_mnist", __doc__ or "", load, told, results)
    for claim in told["claims"]:
        print(
            claim["claim"],
            claim["mean"]["value"],
            claim["mean"]["low"],
            claim["mean"]["high"],
            claim["p_holm"],
            claim["as_claimed"],
        )


def values(readings: polars.DataFrame, arm: str, measure: str, generation: int, at: str = "") -> np.ndarray:
    """The values of a reading of an arm at a generation (-1 is the last), by seed; NaN where there is none."""
    last = int(readings["generation"].max())  # type: ignore[arg-type]
    own = readings.filter(arm=arm, measure=measure, at=at, generation=last if generation < 0 else generation).sort("seed")
    return own["value"].cast(polars.Float64).to_numpy()


def claims(readings: polars.DataFrame) -> list[dict[str, Any]]:
    """A row a claim: what is compared, its mean over seeds, the tests, and in how many seeds it points as claimed."""

    def change(arm: str, measure: str, at: str = "") -> np.ndarray:
        return values(readings, arm, measure, -1, at) - values(readings, arm, measure, 0, at)

    def against(arm: str, measure: str) -> np.ndarray:
        return values(readings, arm, measure, -1) - values(readings, CHAIN, measure, -1)

    def imbalance(arm: str) -> np.ndarray:
        return np.abs(values(readings, arm, "group_representation", -1, "green") - 0.5)

    asked = [
        ("(i) SeqGenSeqClass loses accuracy, last generation less first", change(CHAIN, "accuracy"), -1),
        (
            "(i) SeqGenSeqClass selects fewer of the minority, last generation less first",
            change(CHAIN, "selection_rate", "red"),
            -1,
        ),
        ("(ii) classifier-side STAR has a lower demographic parity difference", against(STAR, "demographic_parity_gap"), -1),
        ("(ii) classifier-side STAR has a lower equalised odds difference", against(STAR, "equalised_odds_gap"), -1),
        ("(iii) generator-side STAR holds the share of groups nearer one half", imbalance(GENERATOR_STAR) - imbalance(CHAIN), -1),
        ("(iv) SeqClass loses less accuracy than SeqGenSeqClass", change(FIXED, "accuracy") - change(CHAIN, "accuracy"), 1),
    ]
    known = [(claim, found[np.isfinite(found)], sign) for claim, found, sign in asked]
    p = [sign_flip(found.tolist()) for _, found, _ in known]
    return [
        {"claim": claim, "mean": over_seeds(found.tolist()), "differences": found.tolist(), "p": one, "p_holm": corrected}
        | {"as_claimed": int((np.sign(found) == sign).sum()), "seeds": len(found)}
        for (claim, found, sign), one, corrected in zip(known, p, holm(p), strict=True)
    ]


def beside(readings: polars.DataFrame) -> list[dict[str, Any]]:
    """Each reparation against none at the last generation, within a seed; no claim was made of these."""
    arms = (STAR, "reweigh", "equalise", "oversample", GENERATOR_STAR)
    return [
        {"arm": arm, "measure": measure, "less_none": over_seeds((own - values(readings, CHAIN, measure, -1)).tolist())}
        for arm in arms
        for measure in ("accuracy", "demographic_parity_gap", "equalised_odds_gap")
        if np.isfinite(own := values(readings, arm, measure, -1)).all()
    ]


def unbiased(readings: polars.DataFrame) -> list[dict[str, Any]]:
    """The signed difference of selection where the data have no bias, and its square, at the first and the last generation."""
    place = "green less the others"
    rows = []
    for arm in ("unbiased", "unbiased-fifth"):
        first, last = (values(readings, arm, "selection_difference", generation, place) for generation in (0, -1))
        both = np.isfinite(first) & np.isfinite(last)
        rows.append(
            {
                "arm": arm,
                "seeds": int(both.sum()),
                "first": over_seeds(first[both].tolist()),
                "last": over_seeds(last[both].tolist()),
            }
            | {"square_first": over_seeds((first[both] ** 2).tolist()), "square_last": over_seeds((last[both] ** 2).tolist())}
            | {"square_grows": over_seeds((last[both] ** 2 - first[both] ** 2).tolist())}
        )
    return rows


def curves(readings: polars.DataFrame) -> list[dict[str, Any]]:
    """The means of an arm at every generation."""
    wanted = ("accuracy", "demographic_parity_gap", "equalised_odds_gap", "accuracy_gap")
    own = readings.filter(polars.col("at") == "", polars.col("measure").is_in(wanted)).drop_nulls("value")
    grouped = own.group_by("arm", "measure", "generation", maintain_order=True).agg(polars.col("value"))
    return [
        {"arm": arm, "measure": measure, "generation": generation} | over_seeds(found)
        for arm, measure, generation, found in grouped.iter_rows()
    ]


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rehearse", action="store_true", help="two seeds of scikit-learn's digits, two generations")
    parser.add_argument("--arms-only", action="store_true", help="with --seeds: leave out what STAR is compared with, and the arms without bias")
    parser.add_argument("--seeds", type=int, nargs="*", help="only run these seeds, and work out nothing")
    return parser.parse_args()


if __name__ == "__main__":
    main()
