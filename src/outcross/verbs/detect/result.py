"""Detection: who wrote how much of the data, and what each text weighs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from outcross.errors import BadInput
from outcross.estimate import Estimate, rounded
from outcross.recipe import nearest
from outcross.verbs.results import WIDTH, Result
from outcross.wording import amount

if TYPE_CHECKING:
    import polars

    from outcross.report.figure import Figure
    from outcross.verbs.detect.shares import Shares

OTHER_LANGUAGE = "cannot_tell: another language or vocabulary than the samples"
FILE, RECORDS = "detection.json", "records.parquet"


@dataclass(frozen=True)
class SliceOfHuman:
    """How often human calibration texts of one slice are flagged, each by a detector that did not see it."""

    column: str
    value: str
    rate: Estimate
    differs: bool
    """Whether the rate differs from that of the others (exact test, Holm over the slices)."""


@dataclass(frozen=True)
class SliceOfData:
    """The share of one slice of the data, or why it has none."""

    column: str
    value: str
    n: int
    shares: Shares | None
    why: str = ""
    differs: bool = False
    """Whether its share differs from that of the other slices of the column together (Holm over them)."""


@dataclass(frozen=True)
class Flags:
    """What is flagged at the rate that was asked for."""

    rate: float
    lengths: Mapping[int, Estimate | None]
    """Words, and the realised false-positive rate there with the central 95 % over human samples of this size; None where the human sample is too small for the length."""
    needed: int
    """Groups of human texts that a length needs."""
    flagged: int
    judged: int
    """Texts that are as long as the shortest length with a threshold."""


@dataclass(frozen=True, eq=False, repr=False)
class Detection(Result):
    """Who wrote how much of the data, texts or records of a table.

    `share` is what models wrote, an Estimate; where the data are unlike both calibration samples it is a lower limit alone, as it is without texts of
    models. `frame()` has a row a text: `_p_ai`, the chance that a model wrote it at the estimated share, and `_weight`. `by(column)` gives the share of each value.
    """

    name: str
    share: Estimate
    shares: Shares | None
    """None where the share has no upper limit."""
    in_distribution: bool | None
    """Whether the data could be a mixture of the calibration kinds; None where that is not known."""
    checks: Mapping[str, float]
    """P by test."""
    naive: float | None
    """The share of texts that look more like a model's: biased, beside the estimate to explain the difference."""
    adjusted: float | None
    """That count, adjusted for false alarms and misses."""
    flags: Flags | None
    slices: tuple[SliceOfData, ...]
    human_slices: tuple[SliceOfHuman, ...]
    area: Estimate | None
    """The area under the ROC curve on calibration texts that the detector did not see."""
    hits: Mapping[float, float]
    """Share of the models' calibration texts that are found, by false-positive rate."""
    weights: Mapping[str, Any]
    """How `_weight` is made, and the effective sample size."""
    warnings: tuple[str, ...]
    detector: Mapping[str, Any]
    samples: Mapping[str, Mapping[str, int]]
    states: np.ndarray
    """(n,): 0 judged, 1 too short, 2 the detector abstained, 3 nothing is declared, 4 another language than the samples."""
    p_ai: np.ndarray
    """(n,), NaN where it cannot be told."""
    weight: np.ndarray
    is_flagged: np.ndarray
    """(n,) of 1, 0, and -1 where it cannot be told."""
    histogram: Mapping[str, Sequence[float]]
    """Shares of texts by bin of the log-ratio: the data, human and model calibration texts; and the edges."""
    folder: Path | None = None
    data: Any = None
    unit: str = "texts"
    """What a row of the data is: texts or records."""
    declared: Mapping[str, Any] | None = None
    """Texts by the author that the data declare, and how many the detector contradicts; None where nothing is declared."""
    p_value: np.ndarray | None = None
    """(n,): P(so many marks or more | no watermark); None without a watermark's key."""

    def __len__(self) -> int:
        return self.states.size

    def frame(self) -> polars.DataFrame:
        """A row a text, in the order of the data: `_row`, `_p_ai`, `_weight`, `_flagged` (missing where it cannot be told), and `_why` it cannot; with a watermark's key also `_p_value`."""
        import polars as pl

        abstained = f"no {self.unit} of models were given" if self.weights.get("kind") == "none" else "the detector abstained"
        why = [None, "cannot_tell: too short", f"cannot_tell: {abstained}", "cannot_tell: nothing is declared", OTHER_LANGUAGE]
        is_finite = np.isfinite(self.p_ai)
        frame = pl.DataFrame(
            {
                "_row": np.arange(len(self)),
                "_p_ai": pl.Series(self.p_ai).fill_nan(None),
                "_weight": pl.Series(np.where(is_finite, self.weight, np.nan)).fill_nan(None),
                "_flagged": pl.Series(self.is_flagged == 1).set(pl.Series(self.is_flagged < 0), None),
                "_why": pl.Series(why, dtype=pl.String).gather(self.states),
            }
        )
        if self.p_value is None:
            return frame
        return frame.insert_column(1, pl.Series("_p_value", self.p_value).fill_nan(None))

    def by(self, column: str) -> dict[str, Estimate]:
        """The share of each value of a column that was asked for with `by`; values without one are left out. BadInput for another column."""
        known = list(dict.fromkeys(part.column for part in self.slices))
        if column not in known:
            raise BadInput(f"no slices by {column!r}{nearest(column, known)}; ask detect for by={column!r}")
        return {part.value: part.shares.model for part in self.slices if part.column == column and part.shares is not None}

    @cached_property
    def summary(self) -> str:
        """One sentence of what was found."""
        if self.detector.get("kind") == "declared" and self.declared is not None:
            return f"Of {amount(len(self), 'text')} the data declare {_authors(self.declared)}."
        if self.p_value is not None:
            judged, flagged = self.detector["judged"], self.detector["flagged"]
            return f"At least {_percent(self.share.low or 0.0)} of the texts carry the watermark ({flagged:,} of {judged:,} have p ≤ {self.detector['rate']:g})."
        if self.shares is None:
            reason = (
                f"no {self.unit} of models were given"
                if self.in_distribution is None
                else "the data are unlike both calibration samples"
            )
            if self.share.low:
                return f"At least {_percent(self.share.low)} of the {self.unit} are not of the human sample's kind; no more can be said, because {reason}."
            return f"Nothing can be said of who wrote the {self.unit}, because {reason}."
        if self.shares.edited is not None:
            parts = (
                ("a model wrote", self.shares.model),
                ("a model edited", self.shares.edited),
                ("people wrote", self.shares.people),
            )
            return f"Of the {self.unit} " + ", ".join(f"{who} {_with_interval(part)}" for who, part in parts) + "."
        return f"A model wrote {_with_interval(self.share)} of the {self.share.n:,} {self.unit} that can be judged."

    def plain(self) -> dict[str, Any]:
        """The detection as design.md's JSON."""
        return {
            "schema": 1,
            "name": self.name,
            "n": len(self),
            "unit": self.unit,
            "share": _plain(self.share) | {"in_distribution": self.in_distribution, "checks": {name: rounded(p) for name, p in self.checks.items()}},
            "shares": None if self.shares is None else {
                "model": _plain(self.shares.model), "human": _plain(self.shares.people),
                "edited": None if self.shares.edited is None else _plain(self.shares.edited),
            },
            "naive": {"count": rounded(self.naive), "adjusted_count": rounded(self.adjusted)},
            "slices": [
                {"column": part.column, "value": part.value, "n": part.n, "why": part.why, "differs": part.differs}
                | {"share": None if part.shares is None else _plain(part.shares.model)}
                for part in self.slices
            ],
            "fpr": {} if self.flags is None else {
                "asked": self.flags.rate, "flagged": self.flags.flagged, "judged": self.flags.judged, "groups_needed": self.flags.needed,
                "lengths": {str(length): None if rate is None else _plain(rate) for length, rate in self.flags.lengths.items()},
                "slices": [
                    {"column": part.column, "value": part.value, "differs": part.differs, "rate": _plain(part.rate)} for part in self.human_slices
                ],
            },
            "detector": dict(self.detector) | {
                "area": None if self.area is None else _plain(self.area), "hits": {str(rate): rounded(hit) for rate, hit in self.hits.items()},
            },
            "weights": dict(self.weights),
            "declared": None if self.declared is None else dict(self.declared),
            "samples": {author: dict(counts) for author, counts in self.samples.items()},
            "cannot_tell": {"too short": int((self.states == 1).sum()), "abstained": int((self.states == 2).sum()), "nothing declared": int((self.states == 3).sum()), "another language": int((self.states == 4).sum())},
            "histogram": dict(self.histogram),
            "summary": self.summary,
            "warnings": list(self.warnings),
        }  # fmt: skip

    def figures(self) -> tuple[Figure, ...]:
        """The histogram of log-ratios, and the share of each slice."""
        from outcross.verbs.detect.figures import figures_of

        return figures_of(self)

    def report(self, path: str | Path) -> Path:
        """Write the page of it."""
        from outcross.verbs.detect.page import write_page_of

        return write_page_of(self, Path(path))

    @property
    def short(self) -> str:
        """The share with its interval, in a sentence."""
        return f"Detection({self.name!r}, {len(self):,} {self.unit})\n{self.summary}"

    def lines(self, width: int = WIDTH) -> list[str]:
        """What a terminal shows."""
        from outcross.verbs.detect.screen import detection_lines

        return list(detection_lines(self, width))


def _plain(estimate: Estimate) -> dict[str, Any]:
    return {
        "value": rounded(estimate.value),
        "low": rounded(estimate.low),
        "high": rounded(estimate.high),
        "method": estimate.method,
        "n": estimate.n,
    }


def _percent(share: float) -> str:
    """A share in percent with one digit behind the point.

    >>> _percent(0.1234)
    '12.3 %'
    """
    return f"{100 * share:.1f} %"


def _with_interval(estimate: Estimate) -> str:
    low, high = estimate.interval
    return f"{_percent(estimate.value)} [{100 * low:.1f}, {100 * high:.1f}]"


AUTHORS = {
    "human": "written by people",
    "model": "written by a model",
    "edited": "edited by a model",
    "translated": "translated by a model",
    "unknown": "of unknown authors",
}


def _authors(declared: Mapping[str, Any]) -> str:
    """How many texts are declared to be whose, in words."""
    counts = [f"{count:,} {AUTHORS.get(author, author)}" for author, count in declared["authors"].items() if count]
    return f"{', '.join(counts[:-1])} and {counts[-1]}" if len(counts) > 1 else "".join(counts)


def declared_sentences(result: Detection) -> list[str]:
    """What the data declare of their authors, and how many texts the detector contradicts, a sentence each."""
    declared = result.declared
    if declared is None:
        return []
    known = _authors(declared)
    lines = [] if result.detector.get("kind") == "declared" else [f"The data declare {known}."]
    if declared["models"]:
        lines.append("Models named: " + ", ".join(f"{name[:60]} ({count:,})" for name, count in declared["models"].items()) + ".")
    for key, words in (
        ("human_but_flagged", "texts that are declared human, the detector flags {}"),
        ("model_but_in_the_human_tail", "texts that are declared a model's, {} look more like a person's than models' texts do"),
    ):
        if (count := declared.get(key)) and count["judged"]:
            lines.append(
                f"Of {count['judged']:,} {words.format(format(count['texts'], ','))}; its own errors explain about {count['by_chance']:g}."
            )
    for key, words in (
        ("unknown_with_a_phrase", "texts of unknown authors hold a phrase of an assistant"),
        ("unknown_and_early", "texts of unknown authors are dated before models wrote"),
        ("human_with_a_phrase", "texts that are declared human hold a phrase of an assistant"),
        ("model_and_early", "texts that are declared a model's are dated before models wrote"),
    ):
        if count := declared.get(key):
            lines.append(f"{count:,} {words}.")
    if assumed := declared.get("assumed_share"):
        low, high = result.share.interval
        lines.append(
            f"The share that models wrote is between {_percent(low)} and {_percent(high)}, whoever wrote the unknown texts; with the assumptions that the warnings name, between "
            f"{_percent(assumed['low'])} and {_percent(assumed['high'])}."
        )
    return lines


def is_detection(folder: Path) -> bool:
    """Whether a folder holds a detection."""
    return (folder / FILE).is_file() and (folder / RECORDS).is_file()


def stored_detection(folder: Path) -> Detection | None:
    """The detection that a folder holds; None where it holds none. BadInput where its files are damaged."""
    import json

    import polars as pl

    from outcross.files.whole import read_text
    from outcross.verbs.detect.shares import Shares

    if not is_detection(folder):
        return None
    try:
        content = json.loads(read_text(folder / FILE))
        frame = pl.read_parquet(folder / RECORDS, glob=False)

        def estimate(stored: dict[str, Any] | None) -> Any:
            return None if stored is None else Estimate(*(stored[name] for name in ("value", "low", "high", "method", "n")))

        shares, share, flags, detector = content["shares"], content["share"], content["fpr"], dict(content["detector"])
        area, hits = detector.pop("area", None), detector.pop("hits", {})
        why = frame["_why"].fill_null("").to_list()
        return Detection(
            name=content["name"],
            share=estimate(share),
            shares=None if shares is None else Shares(share["n"], *(estimate(shares[name]) for name in ("model", "edited", "human"))),
            in_distribution=share["in_distribution"],
            checks=share["checks"],
            naive=content["naive"]["count"],
            adjusted=content["naive"]["adjusted_count"],
            flags=None if not flags else Flags(
                flags["asked"], {int(length): estimate(rate) for length, rate in flags["lengths"].items()}, flags["groups_needed"], flags["flagged"], flags["judged"],
            ),
            slices=tuple(
                SliceOfData(part["column"], part["value"], part["n"], None if part["share"] is None else Shares(part["n"], estimate(part["share"])), part["why"], part["differs"])
                for part in content["slices"]
            ),
            human_slices=tuple(
                SliceOfHuman(part["column"], part["value"], estimate(part["rate"]), part["differs"]) for part in flags.get("slices", [])
            ),
            area=estimate(area),
            hits={float(rate): hit for rate, hit in hits.items()},
            weights=content["weights"],
            warnings=tuple(content["warnings"]),
            detector=detector,
            samples=content["samples"],
            states=np.array([0 if not word else 1 if "short" in word else 3 if "declared" in word else 4 if word == OTHER_LANGUAGE else 2 for word in why], np.int64),
            p_ai=frame["_p_ai"].cast(pl.Float64).fill_null(float("nan")).to_numpy(),
            weight=frame["_weight"].cast(pl.Float64).fill_null(float("nan")).to_numpy(),
            is_flagged=np.array([-1 if flag is None else int(flag) for flag in frame["_flagged"].to_list()], np.int8),
            histogram=content["histogram"],
            folder=folder,
            unit=content.get("unit", "texts"),
            declared=content["declared"],
            p_value=frame["_p_value"].cast(pl.Float64).fill_null(float("nan")).to_numpy() if "_p_value" in frame.columns else None,
        )  # fmt: skip
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, pl.exceptions.PolarsError) as error:
        raise BadInput(f"{folder} holds a damaged detection ({type(error).__name__}); run detect again into a new folder") from None
