"""Does variety among teachers slow collapse at an equal number of records, and by how much?

There are three parts: `outcross run community` (normal distributions, against the closed forms for lines of teachers); five arms of `outcross run community-text`
(n-gram models of the Python documentation, 200 blocks, three generations); and, on request, 1,600 blocks of 112 languages of Tatoeba, three
generations, which eight teachers share at random or as specialists of fourteen languages each. There are five seeds of each. Every arm learns from the
same number of records, and writes the same number. Readings are of all teachers together unless they name one teacher. Intervals are t over seeds, and
differences from one model are taken within a seed. The sizes were chosen before any result was seen. A later call runs only what is missing of the
studies that it names (`--only text languages`).
"""

from __future__ import annotations

import argparse
import os
from typing import Any

import polars
from figures import DATA, RESULTS, write
from over_seeds import RUNS, difference, over_seeds, run
from sessions import Study, Unit, check_settings, frame_of, stored

import outcross
from outcross.experiment.file import builtin, parse

SEEDS = tuple(range(5))
TATOEBA = DATA / "text" / "multilingual" / "tatoeba_112.parquet"
TEACHERS = 8
LEARNER = {"kind": "ngram", "order": 3, "vocabulary": 4096}
ARMS = ("one-model", "exchange-alike-4", "isolated-alike-4", "exchange-different-4", "isolated-different-4")
READINGS = (("held_out_loss", ""), ("excess_loss", ""))


def main() -> None:
    asked, load, path = _asked(), os.getloadavg(), RESULTS / "community.json"
    results = {key: part for key, part in stored(path).items() if key in ("numbers", *STUDIES)}
    if "numbers" not in results:
        run(RUNS / "community" / "numbers", "community", "--quiet", "--workers", "1")
        results["numbers"] = numbers(outcross.open(RUNS / "community" / "numbers"))
    for name in asked.only:
        spec = STUDIES[name]()
        going = Study(RUNS / "community" / name, spec, dict.fromkeys((arm["name"] for arm in spec["arms"]), SEEDS), READINGS)
        before, settings = results.get(name, {}), going.settings()
        check_settings(path, before.get("settings", {}), settings)

        def keep(units: list[Unit], name: str = name, settings: Any = settings) -> None:
            results[name] = {"settings": settings, "over_seeds": of_seeds(frame_of(units)), "units": units}
            write("community", __doc__ or "", load, results, RESULTS)

        if units := going.go_on(before.get("units", []), asked.seeds, 1, keep):
            keep(units)
    write("community", __doc__ or "", load, results, RESULTS)


def texts() -> dict[str, Any]:
    """Five arms of the experiment of text, smaller."""
    spec = parse(builtin()["community-text"].read_text(encoding="utf-8"), "community-text")
    arms = [arm for arm in spec["arms"] if arm["name"] in ARMS]
    return spec | {
        "human": spec["human"] | {"rows": 200},
        "generations": 3,
        "metrics": ["held_out"],
        "store": "readings",
        "arms": arms,
    }


def languages() -> dict[str, Any]:
    """The experiment of languages."""
    every = sorted(polars.read_parquet(TATOEBA, columns=["lang"])["lang"].unique())
    names = [f"t{place}" for place in range(TEACHERS)]
    groups = {name: every[place::TEACHERS] for place, name in enumerate(names)}
    arms = [
        {"name": "one-model"},
        {"name": "exchange", "teachers": {name: {} for name in names}},
        {"name": "isolated", "teachers": {name: {"reads": "own"} for name in names}},
        {"name": "specialists-exchange", "teachers": {name: {"human": groups[name]} for name in names}},
        {"name": "specialists-isolated", "teachers": {name: {"human": groups[name], "reads": "own"} for name in names}},
    ]
    return {
        "name": "community-languages", "human": {"path": str(TATOEBA), "text_column": "text", "group_column": "lang", "rows": 1600, "held_out": 0.1},
        "block": 16, "learner": LEARNER, "draw": {"prompts": "human", "prefix": 4}, "generations": 3, "metrics": ["held_out"], "store": "readings",
        "arms": arms,
    }  # fmt: skip


STUDIES = {"text": texts, "languages": languages}


def numbers(done: outcross.Run) -> list[dict[str, Any]]:
    """The spread of all teachers together and of the first one, beside the closed form of all."""
    laws = {
        (row["arm"], row["generation"]): row["value"]
        for row in done.tables.laws.filter(measure="spread_ratio").iter_rows(named=True)
    }
    rows = []
    for row in (
        done.readings.filter(measure="spread_ratio").filter(polars.col("generation").is_in([0, 9, 29, 59])).iter_rows(named=True)
    ):
        if row["group"] in ("", "teacher a"):
            law = None if row["group"] else laws.get((row["arm"], row["generation"]))
            keys = ("arm", "generation", "group", "value", "low", "high", "n")
            rows.append({key: row[key] for key in keys} | {"closed_form": law})
    return rows


def of_seeds(readings: polars.DataFrame) -> list[dict[str, Any]]:
    """A row a reading, arm and generation: of all teachers together, the difference from one model within a seed, and the mean over teachers by themselves."""
    rows = []
    for measure, at in READINGS:
        own_readings = readings.filter(measure=measure, at=at).drop_nulls("value")
        values = {
            (arm, g, seed): value
            for arm, g, seed, value in own_readings.filter(group="").select("arm", "generation", "seed", "value").rows()
        }
        each = (
            own_readings.filter(polars.col("group") != "")
            .group_by("arm", "generation", "seed")
            .agg(polars.col("value").mean())
            .rows()
        )
        alone = {(arm, g, seed): value for arm, g, seed, value in each}
        for arm, g in dict.fromkeys((arm, g) for arm, g, _ in values):
            seeds = sorted(seed for name, generation, seed in values if (name, generation) == (arm, g))
            own = [values[arm, g, seed] for seed in seeds]
            row = {"measure": measure, "at": at, "arm": arm, "generation": g, "together": over_seeds(own)}
            row |= {"over_one_model": difference(own, [values.get(("one-model", g, seed)) for seed in seeds])}
            if (arm, g, seeds[0]) in alone:
                row |= {"a_teacher_by_itself": over_seeds([alone[arm, g, seed] for seed in seeds])}
            rows.append(row)
    return rows


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--only", nargs="*", choices=[*STUDIES], default=["text"], help="which of the studies of texts to go on with"
    )
    parser.add_argument("--seeds", nargs="+", type=int, choices=SEEDS, default=SEEDS, help="run only these; all if left out")
    return parser.parse_args()


if __name__ == "__main__":
    main()
