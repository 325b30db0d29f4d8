"""The result of a detection: the shares of authors in the data, and the weight of each text."""

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
    """False-positive rate of the human calibration texts of one slice, each judged by a detector that did not see it."""

    column: str
    value: str
    rate: Estimate
    differs: bool
    """Whether the rate differs from that of the other slices (exact test, Holm over the slices)."""


@dataclass(frozen=True)
class SliceOfData:
    """The share of one slice of the data, or the reason why it has none."""

    column: str
    value: str
    n: int
    shares: Shares | None
    why: str = ""
    differs: bool = False
    """Whether its share differs from that of the other slices of the column together (Holm over the slices)."""


@dataclass(frozen=True)
class ShareIfGenerator:
    """The shares if one generator of the sample of models wrote all texts of models in the data, or the reason why there are none."""

    name: str
    """The value of the column `_model` of the sample."""
    n: int
    """Number of texts of the generator in the sample."""
    shares: Shares | None
    why: str = ""


@dataclass(frozen=True)
class Flags:
    """The flagged texts at the requested false-positive rate."""

    rate: float
    lengths: Mapping[int, Estimate | None]
    """For each length in words the realised false-positive rate, with the central 95 % over human samples of this size; None if the human sample is too
    small for the length."""
    needed: int
    """Number of groups of human texts that a length needs."""
    flagged: int
    judged: int
    """Number of texts that reach the minimum length with a threshold."""


@dataclass(frozen=True, eq=False, repr=False)
class Detection(Result):
    """The shares of authors in the data, which are texts or records of a table.

    `share` is the share that models wrote, an Estimate. It is only a lower limit if the data are unlike both calibration samples, or if there are no
    texts of models. `frame()` has one row per text with `_p_ai`, the probability that a model wrote it given the estimated share, and `_weight`.
    `by(column)` returns the share of each value.
    """

    name: str
    share: Estimate
    shares: Shares | None
    """The shares of all authors; None if the share has no upper limit."""
    in_distribution: bool | None
    """Whether the data are consistent with a mixture of the kinds of the calibration samples; None if that is unknown."""
    checks: Mapping[str, float]
    """The p-value of each test."""
    naive: float | None
    """The share of texts that look more like a model's. It is biased, and is reported to explain the difference from the estimate."""
    adjusted: float | None
    """The naive share, adjusted for false alarms and misses."""
    flags: Flags | None
    slices: tuple[SliceOfData, ...]
    human_slices: tuple[SliceOfHuman, ...]
    area: Estimate | None
    """The area under the ROC curve on unseen calibration texts."""
    hits: Mapping[float, float]
    """Share of the models' calibration texts that are detected, for each false-positive rate."""
    weights: Mapping[str, Any]
    """Description of `_weight`, and the effective sample size."""
    warnings: tuple[str, ...]
    detector: Mapping[str, Any]
    samples: Mapping[str, Mapping[str, int]]
    states: np.ndarray
    """State of each text, (n,): 0 judged, 1 too short, 2 the detector abstained, 3 nothing is declared, 4 another language than the samples."""
    p_ai: np.ndarray
    """Probability that a model wrote each text, (n,); NaN if it cannot be judged."""
    weight: np.ndarray
    is_flagged: np.ndarray
    """Whether each text is flagged, (n,): 1 or 0, and -1 if it cannot be judged."""
    histogram: Mapping[str, Sequence[float]]
    """Shares of texts in each bin of the log-ratio, for the data and for the human and models' calibration texts, and the edges of the bins."""
    folder: Path | None = None
    data: Any = None
    unit: str = "texts"
    """The kind of the rows of the data: texts or records."""
    declared: Mapping[str, Any] | None = None
    """Number of texts for each declared author, and for how many the detector contradicts it; None if nothing is declared."""
    generators: tuple[ShareIfGenerator, ...] = ()
    """The shares for each generator in the sample of models; empty if its column `_model` has fewer than two values, or if the data have no share."""
    p_value: np.ndarray | None = None
    """P(at least this number of marks | no watermark) for each text, (n,); None without a watermark's key."""

    def __len__(self) -> int:
        return self.states.size

    def frame(self) -> polars.DataFrame:
        """Return a frame with one row per text, in the order of the data.

        Its columns are `_row`, `_p_ai`, `_weight`, `_flagged` (missing if a text cannot be judged) and `_why`, the reason why it cannot be judged. With
        a watermark's key there is also `_p_value`.
        """
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
        """Return the share of each value of a column in the question's `by`, without values that have no share. Raises BadInput for another column."""
        known = list(dict.fromkeys(part.column for part in self.slices))
        if column not in known:
            raise BadInput(f"there are no slices by {column!r}{nearest(column, known)}; run detect with by={column!r}")
        return {part.value: part.shares.model for part in self.slices if part.column == column and part.shares is not None}

    @property
    def about_slices(self) -> tuple[str, str]:
        """What the share of a slice is, and what its interval means, in words."""
        if self.detector.get("kind") == "declared":
            return (
                "share that the data declare as a model's",
                "The interval reaches from none to all of the texts of unknown authors.",
            )
        if self.p_value is not None:
            return (
                "minimum share that carries the watermark",
                "Each interval holds for its slice alone. It has no upper limit, because other models leave no such mark.",
            )
        return (
            "share that a model wrote",
            "Each interval holds for its slice alone. It assumes that the people and the models of the slice write like those of the whole samples. If they do not, the "
            "share can be wrong by more than the interval says. A slice is marked “unlike the others” if its share differs significantly from that of the other slices "
            "of its column together (level 5 % for all slices of the column, Holm).",
        )

    @cached_property
    def summary(self) -> str:
        """The result in one sentence."""
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
                return f"At least {_percent(self.share.low)} of the {self.unit} are not of the human sample's kind; nothing more is known, because {reason}."
            return f"The share of {self.unit} by models cannot be estimated, because {reason}."
        if self.shares.edited is not None:
            parts = (
                ("a model wrote", self.shares.model),
                ("a model edited", self.shares.edited),
                ("people wrote", self.shares.people),
            )
            return f"Of the {self.unit} " + ", ".join(f"{who} {_with_interval(part)}" for who, part in parts) + "."
        return f"A model wrote {_with_interval(self.share)} of the {self.share.n:,} {self.unit} that can be judged."

    def plain(self) -> dict[str, Any]:
        """Return the detection as plain data for its JSON file (format in design.md)."""
        return {
            "schema": 1,
            "name": self.name,
            "n": len(self),
            "unit": self.unit,
            "share": self.share.plain() | {"in_distribution": self.in_distribution, "checks": {name: rounded(p) for name, p in self.checks.items()}},
            "shares": None if self.shares is None else {
                "model": self.shares.model.plain(), "human": self.shares.people.plain(),
                "edited": None if self.shares.edited is None else self.shares.edited.plain(),
            },
            "generators": [
                {"name": part.name, "n": part.n, "why": part.why, "share": None if part.shares is None else part.shares.model.plain()}
                for part in self.generators
            ],
            "naive": {"count": rounded(self.naive), "adjusted_count": rounded(self.adjusted)},
            "slices": [
                {"column": part.column, "value": part.value, "n": part.n, "why": part.why, "differs": part.differs}
                | {"share": None if part.shares is None else part.shares.model.plain()}
                for part in self.slices
            ],
            "fpr": {} if self.flags is None else {
                "asked": self.flags.rate, "flagged": self.flags.flagged, "judged": self.flags.judged, "groups_needed": self.flags.needed,
                "lengths": {str(length): None if rate is None else rate.plain() for length, rate in self.flags.lengths.items()},
                "slices": [
                    {"column": part.column, "value": part.value, "differs": part.differs, "rate": part.rate.plain()} for part in self.human_slices
                ],
            },
            "detector": dict(self.detector) | {
                "area": None if self.area is None else self.area.plain(), "hits": {str(rate): rounded(hit) for rate, hit in self.hits.items()},
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
        """Return the histogram of log-ratios and the figure of the shares."""
        from outcross.verbs.detect.figures import figures_of

        return figures_of(self)

    def report(self, path: str | Path) -> Path:
        """Write the page of the detection."""
        from outcross.verbs.detect.page import write_page_of

        return write_page_of(self, Path(path))

    @property
    def short(self) -> str:
        """Return the name, the number of rows and the summary in two lines."""
        return f"Detection({self.name!r}, {len(self):,} {self.unit})\n{self.summary}"

    def lines(self, width: int = WIDTH) -> list[str]:
        """Return the lines for a terminal."""
        from outcross.verbs.detect.screen import detection_lines

        return list(detection_lines(self, width))


def _percent(share: float) -> str:
    """Format a share in percent with one decimal digit.

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
    """Return the numbers of texts of each declared author, in words."""
    counts = [f"{count:,} {AUTHORS.get(author, author)}" for author, count in declared["authors"].items() if count]
    return f"{', '.join(counts[:-1])} and {counts[-1]}" if len(counts) > 1 else "".join(counts)


def declared_sentences(result: Detection) -> list[str]:
    """Return sentences on the declared authors, and on the texts for which the detector contradicts them."""
    declared = result.declared
    if declared is None:
        return []
    known = _authors(declared)
    lines = [] if result.detector.get("kind") == "declared" else [f"The data declare {known}."]
    if declared["models"]:
        lines.append("Models named: " + ", ".join(f"{name[:60]} ({count:,})" for name, count in declared["models"].items()) + ".")
    for key, words in (
        ("human_but_flagged", "texts that are declared human, the detector flags {}"),
        ("model_but_in_the_human_tail", "texts that are declared a model's, {} look more human than texts of models do"),
    ):
        if (count := declared.get(key)) and count["judged"]:
            lines.append(
                f"Of {count['judged']:,} {words.format(format(count['texts'], ','))}; its error rate explains about {count['by_chance']:g}."
            )
    for key, words in (
        ("unknown_with_a_phrase", "texts of unknown authors contain a phrase of an assistant"),
        ("unknown_and_early", "texts of unknown authors have dates from before language models"),
        ("human_with_a_phrase", "texts that are declared human contain a phrase of an assistant"),
        ("model_and_early", "texts that are declared a model's have dates from before language models"),
    ):
        if count := declared.get(key):
            lines.append(f"{count:,} {words}.")
    if assumed := declared.get("assumed_share"):
        low, high = result.share.interval
        lines.append(
            f"The share that models wrote is between {_percent(low)} and {_percent(high)} for all possible authors of the unknown texts; with the assumptions in the warnings, between "
            f"{_percent(assumed['low'])} and {_percent(assumed['high'])}."
            if low < high
            else f"The share that models wrote is {_percent(low)}, because every text has a declared author."
        )
    return lines


def is_detection(folder: Path) -> bool:
    """Whether a folder holds a detection."""
    return (folder / FILE).is_file() and (folder / RECORDS).is_file()


def stored_detection(folder: Path) -> Detection | None:
    """Return the detection in a folder; None if there is none. Raises BadInput if its files are damaged."""
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
            generators=tuple(
                ShareIfGenerator(part["name"], part["n"], None if part["share"] is None else Shares(part["share"]["n"], estimate(part["share"])), part["why"])
                for part in content.get("generators", ())
            ),
            declared=content["declared"],
            p_value=frame["_p_value"].cast(pl.Float64).fill_null(float("nan")).to_numpy() if "_p_value" in frame.columns else None,
        )  # fmt: skip
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, pl.exceptions.PolarsError) as error:
        raise BadInput(f"{folder} holds a damaged detection ({type(error).__name__}); run detect again into a new folder") from None
