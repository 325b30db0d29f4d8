"""Do feedback loops of generators and classifiers lose accuracy and fairness, and does reparation restore them?

The experiment is `outcross run fairness-mnist` on MNIST with seeds 0 to 9. Size small has pictures of 14 by 14 pixels, 2,000 records a generation, ten
generations, a mixture on 20 principal components as the generator, and logistic regression as the classifier. Size full has 20,000 records and the
convolutional network, and size vae the published autoencoder at 16 by 16 pixels with one seed. The claims are those of Wyllie, Shumailov and Papernot
(FAccT 2024), as far as this setting can test them. Each claim is about the mean of a difference within a seed, with a t-interval, the exact sign-flip
test (1,024 flips for ten seeds), Holm's correction over the claims, and the number of seeds in which the difference has the claimed sign. Besides STAR,
there are arms that reweigh, equalise and oversample on the side of the classifier. Two more arms have no bias in the data: one with as many green as red
pictures, and one with a fifth of green ones. A later call runs only what is missing of the size that it names (`--size full`).
"""

from __future__ import annotations

import argparse
import os
from typing import Any

import numpy as np
import polars
from figures import DATA, RESULTS, write
from over_seeds import RUNS, over_seeds
from sessions import Study, Unit, check_settings, frame_of, stored

from outcross.experiment.file import load
from outcross.statistics.holm import holm
from outcross.statistics.sign_flip import sign_flip

MNIST = f"human.path={DATA / 'images' / 'mnist'}"
SIZES = {
    "digits": (("size=digits", "generations=2"), (0, 1)),
    "small": (("size=small", MNIST), tuple(range(10))),
    "full": (("size=full", MNIST), tuple(range(10))),
    "vae": (("size=vae", MNIST), (0,)),
}
"""By name: what is set, and the seeds. digits is a rehearsal with two seeds of scikit-learn's digits, whose results are kept nowhere."""
ONE_CLASSIFIER = [{"name": name, "learner.reparation": name} for name in ("reweigh", "equalise", "oversample")]
UNBIASED = [{"name": "unbiased", "human.green": [0.5, 0.5]}, {"name": "unbiased-fifth", "human.green": [0.2, 0.2]}]
READINGS = (
    ("accuracy", ""),
    ("accuracy_gap", ""),
    ("demographic_parity_gap", ""),
    ("equalised_odds_gap", ""),
    ("selection_rate", "red"),
    ("group_representation", "green"),
    ("selection_difference", "green less the others"),
)
CHAIN, STAR, GENERATOR_STAR, FIXED = "SeqGenSeqClass", "classifier-STAR", "generator-STAR", "SeqClass"


def main() -> None:
    asked, load_before = _asked(), os.getloadavg()
    chosen, seeds = SIZES[asked.size]
    spec = load("fairness-mnist", chosen)
    spec["arms"] = [*spec["arms"], *ONE_CLASSIFIER, *UNBIASED]
    question = "fairness_mnist" if asked.size == "small" else f"fairness_mnist_{asked.size}"
    folder = RUNS if asked.size == "digits" else RESULTS
    going = Study(RUNS / question, spec, dict.fromkeys((arm["name"] for arm in spec["arms"]), seeds), READINGS)
    before, settings = stored(folder / f"{question}.json"), going.settings()
    check_settings(folder / f"{question}.json", before.get("settings", {}), settings)

    def keep(units: list[Unit]) -> None:
        whole = [seed for seed in seeds if not going.missing(units, seed)]
        earlier = {key: before[key] for key in SHOWN if key in before}  # stands until as many seeds have ended
        shown = {
            key: work_out(frame_of(units).filter(polars.col("seed").is_in(whole))) if whole else []
            for key, work_out in SHOWN.items()
        }
        shown = earlier if earlier and len(whole) < len(seeds) else shown
        write(question, __doc__ or "", load_before, {"settings": settings} | shown | {"units": units}, folder)

    if units := going.go_on(before.get("units", []), asked.seeds or seeds, 1, keep, asked.arms):
        keep(units)
    for claim in stored(folder / f"{question}.json").get("claims", []):
        mean = claim["mean"]
        print(claim["claim"], mean["value"], mean["low"], mean["high"], claim["p_holm"], claim["as_claimed"])


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


SHOWN = {"claims": claims, "beside": beside, "unbiased": unbiased, "curves": curves}


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=[*SIZES], default="small")
    parser.add_argument("--seeds", type=int, nargs="+", default=[], help="run only these; all if left out")
    parser.add_argument("--arms", nargs="+", default=[], help="run only these; all if left out")
    return parser.parse_args()


if __name__ == "__main__":
    main()
