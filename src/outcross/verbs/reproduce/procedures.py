"""What claims look at that is no reading of a loop: a closed list of procedures, each a recipe that gives readings as a run does.

A procedure that is about a mix or a detection goes through that verb. Its `seeds` are independent repeats, and intervals are over them.
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
"""Arm, seed, measure and value."""


class Procedure:
    """What is done, and what is read of it."""

    seeds: int

    def rows(self, data: Path | None) -> Iterator[Row]:
        """The numbers. `data` is the folder of --data."""
        raise NotImplementedError

    def frame(self, data: Path | None) -> DataFrame:
        """The numbers as the readings of a run, with one generation."""
        return readings(self.rows(data))


def readings(rows: Iterable[Row]) -> Any:
    """Numbers as the readings of a run: one generation, without an interval of their own."""
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
    """Least squares on n records, a share of which carries the labels of a shifted model: the test error beyond the noise."""

    shares: Annotated[tuple[float, ...], FROM_LIST]
    """Of records with shifted labels."""
    sizes: Annotated[tuple[int, ...], FROM_LIST]
    dimensions: int = 20
    shift: float = 1.0
    """The length of the difference between the two coefficient vectors, squared: c²."""
    seeds: Seeds = 10
    repeats: int = 10
    """Of which each seed is the mean."""

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
    """A linear classifier on binary labels that a generator wrote and a verifier let pass: its accuracy on true labels, below and above the breakdown."""

    pairs: Annotated[tuple[tuple[float, float], ...], FROM_LIST] = ((1.0, 1.0), (0.9, 0.3), (0.7, 0.05))
    """φ and ψ, the chances that a correct and a wrong label is kept."""
    away: float = 0.02
    """How far from the breakdown the generator's error is, on either side."""
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
    """`outcross mix` with the filter `route`: the mean competence of the teacher that each rule chooses, on a matrix of languages and teachers with noise."""

    languages: int = 5
    teachers: int = 4
    prompts: int = 200
    """Of each language."""
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
    """`outcross mix` with the filter `best_of` on the answers of AlpacaEval's models: the mean of an attribute under random choice, of the best single source, and of the best of all."""

    by: str = "words"
    seeds: Seeds = 5
    """Halves of the prompts, each drawn anew."""

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
    """`outcross detect` on mixtures of texts by people and by models with a known share: how far the estimated share is off, beside plain counting."""

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
