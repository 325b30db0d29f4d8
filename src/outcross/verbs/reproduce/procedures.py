"""Procedures for claims that are not about a run: a closed list of recipes that give readings as a run does.

A procedure about a mix or a detection uses that verb. Its `seeds` are independent repeats, and intervals are over them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from outcross.ledger import stream
from outcross.recipe import FROM_LIST, Family, recipe

if TYPE_CHECKING:
    from polars import DataFrame

Row = tuple[str, int, str, float]
"""The arm, the seed, the measure and the value of a number."""


class Procedure:
    """A simulation or a use of a verb, and the numbers that are read from it."""

    seeds: int

    def rows(self, data: Path | None) -> Iterator[Row]:
        """Yield the numbers of all seeds. `data` is the folder of --data."""
        raise NotImplementedError

    def frame(self, data: Path | None) -> DataFrame:
        """The numbers as the readings of a run, with one generation."""
        return readings(self.rows(data))


def readings(rows: Iterable[Row]) -> Any:
    """Numbers in the form of a run's readings, with one generation and without intervals."""
    import polars

    records = [
        (arm, seed, 0, measure, "", "", "", float(value), None, None, "one seed: no interval", 1, "")
        for arm, seed, measure, value in rows
    ]
    schema = {
        "arm": str, "seed": int, "generation": int, "measure": str, "at": str, "column": str, "group": str,
        "value": float, "low": float, "high": float, "method": str, "n": int, "note": str,
    }  # fmt: skip
    return polars.DataFrame(records, schema=schema, orient="row")


Seeds = Annotated[int, Field(ge=2)]


@recipe
class LabelShiftProcedure(Procedure):
    """The excess test error of least squares on n records, a share of which has labels of a shifted model."""

    shares: Annotated[tuple[float, ...], FROM_LIST]
    """Shares of records with shifted labels, in [0, 1]."""
    sizes: Annotated[tuple[int, ...], FROM_LIST]
    dimensions: int = 20
    shift: float = 1.0
    """The squared length of the difference between the two coefficient vectors, c²."""
    seeds: Seeds = 10
    repeats: int = 10
    """Number of repeats whose mean is the number of a seed."""

    def rows(self, data):
        for seed in range(self.seeds):
            for n in self.sizes:
                for share in self.shares:
                    rng = stream("label-shift", seed, n, str(share))
                    yield (
                        f"{share:g}-{n}",
                        seed,
                        "excess_error",
                        float(np.mean([self._error(rng, n, share) for _ in range(self.repeats)])),
                    )

    def _error(self, rng: np.random.Generator, n: int, share: float) -> float:
        x = rng.standard_normal((n, self.dimensions))
        direction = rng.standard_normal(self.dimensions)
        away = np.sqrt(self.shift) * direction / np.linalg.norm(direction)
        y = rng.standard_normal(n)
        shifted = round(share * n)
        y[:shifted] += x[:shifted] @ away
        return float(np.square(np.linalg.lstsq(x, y, rcond=None)[0]).sum())


@recipe
class VerifiedLabelsProcedure(Procedure):
    """The accuracy on true labels of a linear classifier that learns from verified labels of a generator, below and above the breakdown."""

    pairs: Annotated[tuple[tuple[float, float], ...], FROM_LIST] = ((1.0, 1.0), (0.9, 0.3), (0.7, 0.05))
    """Pairs of φ and ψ, the probabilities that the verifier keeps a correct and a wrong label."""
    away: float = 0.02
    """Distance of the generator's error from the breakdown, on either side."""
    records: int = 200_000
    dimensions: int = 10
    seeds: Seeds = 5

    def rows(self, data):
        from outcross.laws.verifier import verifier_breakdown

        for seed in range(self.seeds):
            for keeps_correct, keeps_wrong in self.pairs:
                breakdown = verifier_breakdown(keeps_correct, keeps_wrong)
                for side, wrong in (("before", breakdown - self.away), ("after", breakdown + self.away)):
                    rng = stream("verified-labels", seed, str(keeps_correct), str(keeps_wrong), side)
                    yield (
                        f"{keeps_correct:g}-{keeps_wrong:g}-{side}",
                        seed,
                        "accuracy",
                        self._accuracy(rng, wrong, keeps_correct, keeps_wrong),
                    )

    def _accuracy(self, rng: np.random.Generator, wrong: float, keeps_correct: float, keeps_wrong: float) -> float:
        x = rng.standard_normal((self.records, self.dimensions))
        truth = np.sign(x[:, 0])
        is_wrong = rng.random(self.records) < wrong
        kept = rng.random(self.records) < np.where(is_wrong, keeps_wrong, keeps_correct)
        y = np.where(is_wrong, -truth, truth)[kept]
        direction = np.linalg.lstsq(x[kept], y, rcond=None)[0]
        test = rng.standard_normal((self.records // 10, self.dimensions))
        return float(np.mean(np.sign(test @ direction) == np.sign(test[:, 0])))


@recipe
class RoutingProcedure(Procedure):
    """The mean quality of the answers that each rule of the filter `route` chooses in `outcross mix`, for languages and teachers of random competence."""

    languages: int = 5
    teachers: int = 4
    prompts: int = 200
    """Number of prompts in each language."""
    noise: float = 0.5
    """Standard deviation of an answer around its teacher's competence in the language."""
    seeds: Seeds = 5

    def rows(self, data):
        import polars

        from outcross.verbs.mix.answer import mix

        for seed in range(self.seeds):
            rng = stream("routing", seed)
            competence = rng.standard_normal((self.languages, self.teachers))
            language = np.repeat(np.arange(self.languages), self.prompts)
            quality = competence[language] + self.noise * rng.standard_normal((language.size, self.teachers))
            best = competence.argmax(axis=1)
            rules = {
                "random": {"rule": "random"},
                "single": {"rule": "single", "reward": {"column": "quality"}},
                "fixed": {"rule": "table", "by": "language", "table": {f"l{i}": f"t{best[i]}" for i in range(self.languages)}},
                "reward": {"rule": "reward", "reward": {"column": "quality"}},
            }
            pools = [
                {
                    "name": f"t{teacher}",
                    "origin": {"model": f"t{teacher}"},
                    "prompt_column": "prompt",
                    "data": polars.DataFrame(
                        {
                            "prompt": [f"p{i}" for i in range(language.size)],
                            "language": [f"l{i}" for i in language],
                            "quality": quality[:, teacher],
                        }
                    ),
                }
                for teacher in range(self.teachers)
            ]
            for name, rule in rules.items():
                chosen = mix(pools=pools, filters=[{"route": rule}], seed=seed).frame()
                yield name, seed, "quality", float(chosen["quality"].mean())  # type: ignore[arg-type]


@recipe
class BestOfProcedure(Procedure):
    """The mean of an attribute of the answers of AlpacaEval's models: with a random choice, with the best single model, and with the filter `best_of` of `outcross mix`."""

    by: str = "words"
    seeds: Seeds = 5
    """Number of seeds. Each draws another half of the prompts."""

    def rows(self, data):
        import polars as pl

        from outcross.attributes import ATTRIBUTES
        from outcross.files.names import read_parquet
        from outcross.recipe import read
        from outcross.verbs.mix.answer import mix

        assert data is not None
        outputs = read_parquet(data / "instructions" / "alpacaeval_outputs.parquet")
        outputs = outputs.filter(~pl.col("model").is_in(["human_reference", "phi-2"])).rename({"output": "text"})
        attribute = read(ATTRIBUTES, self.by, "by")
        outputs = outputs.with_columns(number=pl.Series(np.asarray(attribute(outputs["text"].to_list()), dtype=float)))
        prompts = outputs["prompt_id"].unique().sort()
        for seed in range(self.seeds):
            half = prompts.gather(np.sort(stream("halves", seed).permutation(len(prompts))[: len(prompts) // 2]))
            some = outputs.filter(pl.col("prompt_id").is_in(half.implode()))
            pools = [
                {
                    "name": model,
                    "data": some.filter(pl.col("model") == model),
                    "origin": {"model": model},
                    "prompt_column": "prompt_id",
                }
                for model in some["model"].unique().sort()
            ]
            by_source = some.group_by("model").agg(pl.col("number").mean())["number"]
            yield "single", seed, "attribute", float(by_source.max())  # type: ignore[arg-type]
            for name, by in (("random", "random"), ("best", {"column": "number"})):
                chosen = mix(pools=pools, filters=[{"best_of": {"by": by}}], text_column="text", seed=seed).frame()
                yield name, seed, "attribute", float(chosen["number"].mean())  # type: ignore[arg-type]


@recipe
class ShareProcedure(Procedure):
    """The errors of the share that `outcross detect` estimates, and of plain counting, on mixtures of human and AI texts with a known share."""

    shares: Annotated[tuple[float, ...], FROM_LIST] = (0.05, 0.25)
    texts: int = 1000
    seeds: Seeds = 3

    def rows(self, data):
        import polars as pl

        from outcross.files.names import read_parquet
        from outcross.verbs.detect.answer import detect

        assert data is not None
        texts = read_parquet(data / "human_ai" / "l2r_12domains.parquet")
        for seed in range(self.seeds):
            rng = stream("share-of-models", seed)
            groups = texts["group_id"].unique().sort()
            known = groups.gather(np.sort(rng.permutation(len(groups))[: len(groups) // 2])).implode()
            samples, test = texts.filter(pl.col("group_id").is_in(known)), texts.filter(~pl.col("group_id").is_in(known))
            human, model = (samples.filter(pl.col("label") == label) for label in ("human", "ai"))
            for share in self.shares:
                many = round(share * self.texts)
                parts = [
                    test.filter(pl.col("label") == label).sample(n, with_replacement=True, seed=int(rng.integers(2**31)))
                    for label, n in (("ai", many), ("human", self.texts - many))
                ]
                result = detect(pl.concat(parts), human=human, ai=model, text_column="text", group="group_id", seed=seed)
                if result.share is not None:
                    yield f"share-{share:g}", seed, "error", abs(result.share.value - share)
                    if result.naive is not None:
                        yield f"share-{share:g}", seed, "error_of_counting", abs(result.naive / self.texts - share)


PROCEDURES: Family = Family(
    {
        "label_shift": LabelShiftProcedure,
        "verified_labels": VerifiedLabelsProcedure,
        "routing": RoutingProcedure,
        "best_of": BestOfProcedure,
        "share": ShareProcedure,
    }
)
