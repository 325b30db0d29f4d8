"""Selection of the closed form for a reading of an experiment, if one is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from outcross.errors import BadInput
from outcross.laws import categorical, cells, gaussian, hutter, kde, lines, regression, selection, verifier
from outcross.laws.gaussian import Divisor, FitMoments, HumanRows, Sizes


def expected(
    policy_kind: str,
    learner_kind: str,
    measure: str,
    *,
    n: Sizes,
    generations: int,
    dimensions: int = 1,
    divisor: Divisor = "n",
    temperature: float = 1.0,
    human_share: float | None = None,
    human: int | None = None,
    rows: HumanRows | None = None,
    weight: float | Literal["golden"] | None = None,
    probabilities: ArrayLike | None = None,
    bandwidth: kde.Bandwidth = "scott",
    noise: float = 1.0,
    noise_is_fitted: bool = False,
    design: Literal["same", "fresh"] = "same",
    kept_variance: float | None = None,
    known_cells: cells.KnownCells | None = None,
    known_answers: verifier.KnownAnswers | None = None,
    exchange: Exchanged | None = None,
) -> np.ndarray | None:
    """Return the expected reading for g = 0 … generations - 1, (generations,); None if no closed form is known.

    The first model learns from `n` human rows, and every model writes n rows (a sequence for growing sizes: only for
    replace and accumulate of a Gaussian). The policies, with the fields of their recipes, are `replace`, `human_only`,
    `accumulate`, `accumulate_subsample`, `augment`; `human_share` (`human_share`, `rows` "redrawn" unless "fixed");
    `fresh` (`human` new rows beside the n); `weighted` (`weight`, `rows` "fixed" unless "fresh", then with `human` rows).

    Learner `gaussian` on normal data of `dimensions`, fitted with `divisor`, sampled at `temperature` (MAD's lambda: the
    covariance times lambda; human data are not scaled). Measures: `spread_ratio` (trace of the fitted over the true
    covariance), `mean_error` (squared distance of the means over the true trace per dimension), and, under replace and
    human_only, `log_variance` (log determinant over the true one) and `w2` (squared, in true variances, one dimension).

    Learner `categorical` on human `probabilities`, at temperature 1. Measures: `concentration` (sum p^2), `excess_risk`
    (sum (p - p_0)^2 with the human probabilities p_0; this is the concentration minus the human concentration, because
    every policy keeps E p = p_0), and, under replace, human_only or for generation 0 alone, `support` (or
    `surviving_states`), `entropy` (nats) and `absorbed` (share of chains with one state left). The latter come from the
    exact chain, for n up to categorical.MOST_ROWS.

    Learners `categorical` and `hutter` (with writes: frequencies): `test_error`, the missing mass, under replace, accumulate,
    augment and human_only.

    Learner `kde` on normal data of `dimensions`, with `bandwidth`, at temperature 1: `spread_ratio` and `mean_error`.

    Learner `regression` on x of `dimensions` with label noise of standard deviation `noise`, no ridge: `coefficient_error`, under
    replace and human_only, and also under accumulate if the noise is known, the `design` is the same and the temperature is 1. The
    temperature scales a known noise once at every generation. For a fitted noise (`noise_is_fitted`) its effect accumulates over generations.

    Learner `cells` on `known_cells`, under replace: the readings of `measures.cells` (laws.cells), and, if the groups have no fixed sizes, those
    of `categorical` on the shares of all cells.

    Learner `panel` on `known_answers`, under replace: the readings of `measures.answers` at generation 1 (laws.verifier).
    `exchange`: several lines of a gaussian or of states that share the n records and learn from each other under replace (laws.lines). The
    readings are those of all lines together: `spread_ratio` and `mean_error`, `concentration` and `excess_risk`.

    `kept_variance`: the fraction of the variance of a generation's records that a selection keeps (`variance_kept`). The sizes are then the
    numbers of kept records, and `spread_ratio` of a gaussian under replace and accumulate is the limit for many records. All other values are
    exact expectations over chains.

    >>> np.round(expected("replace", "gaussian", "spread_ratio", n=10, generations=3), 3).tolist()
    [0.9, 0.81, 0.729]
    >>> expected("accumulate", "gaussian", "log_variance", n=10, generations=3) is None
    True
    """
    if known_answers is not None:
        is_replaced = policy_kind == "replace" and temperature == 1.0 and np.ndim(n) == 0
        return verifier.expected_of_answers(measure, int(n), generations, known_answers) if is_replaced else None  # type: ignore[arg-type]
    if exchange is not None:
        return _of_lines(
            policy_kind, learner_kind, measure, n, generations, exchange, divisor, temperature, probabilities, dimensions
        )
    if kept_variance is not None and policy_kind != "human_only":
        return _selected(policy_kind, learner_kind, measure, n, generations, kept_variance, temperature)
    if policy_kind == "human_only":  # every generation has the same rows and thus the same fit
        first = expected(
            "replace",
            learner_kind,
            measure,
            n=n if np.ndim(n) == 0 else np.asarray(n)[:1],
            generations=1,
            dimensions=dimensions,
            divisor=divisor,
            temperature=temperature,
            probabilities=probabilities,
            bandwidth=bandwidth,
            noise=noise,
            noise_is_fitted=noise_is_fitted,
            design=design,
            known_cells=known_cells,
        )
        return None if first is None else np.repeat(first, generations)
    kept = HumanKept(human_share, human, rows, weight)
    if learner_kind == "gaussian":
        if policy_kind == "replace" and measure in ("log_variance", "w2"):
            return _replaced(measure, n, generations, dimensions, divisor, temperature)
        moments = _moments(policy_kind, n, generations, kept, _of_gaussian(divisor, temperature))
        if moments is None:
            return None
        return {"spread_ratio": moments.variance, "mean_error": dimensions * moments.mean_error}.get(measure)
    if learner_kind == "kde" and temperature == 1.0:
        moments = _moments(policy_kind, n, generations, kept, _of_kde(bandwidth, dimensions))
        if moments is None:
            return None
        return {"spread_ratio": moments.variance, "mean_error": dimensions * moments.mean_error}.get(measure)
    if learner_kind == "regression" and measure == "coefficient_error":
        with np.errstate(over="ignore"):
            noises = noise * temperature ** (np.minimum(np.arange(generations), np.inf if noise_is_fitted else 1.0) / 2)
        is_as_written = temperature == 1.0 and not noise_is_fitted
        return _labelled(policy_kind, n, dimensions, noises, design, is_as_written)
    if learner_kind in ("categorical", "hutter") and measure == "test_error" and temperature == 1.0 and probabilities is not None:
        return _forgotten(policy_kind, n, generations, probabilities)
    if known_cells is not None and policy_kind == "replace" and temperature == 1.0 and np.ndim(n) == 0:
        curve = cells.expected_of_cells(measure, int(n), generations, known_cells)  # type: ignore[arg-type]
        if curve is not None:
            return curve
    is_categorical = learner_kind == "categorical" or (known_cells is not None and not known_cells.fixed_groups)
    if is_categorical and temperature == 1.0 and probabilities is not None and np.ndim(n) == 0:
        if measure in ("concentration", "excess_risk"):
            moments = _moments(policy_kind, n, generations, kept, _of_gaussian("n", 1.0))
            if moments is None:
                return None
            concentration = categorical.concentration_of(moments.variance, probabilities)
            return concentration - (np.sum(np.square(probabilities)) if measure == "excess_risk" else 0)
        if policy_kind == "replace" or generations == 1:
            return _counted(measure, int(n), generations, probabilities)  # type: ignore[arg-type]
    return None


class Exchanged(NamedTuple):
    """The exchange of records between several lines."""

    lines: int
    migrants: float
    """Fraction of the records of each line that the other lines wrote, in equal parts, in [0, 1]."""


def _of_lines(
    policy_kind: str,
    learner_kind: str,
    measure: str,
    n,
    generations: int,
    exchange: Exchanged,
    divisor: Divisor,
    temperature: float,
    probabilities: ArrayLike | None,
    dimensions: int,
) -> np.ndarray | None:
    """Return the expected reading of several lines together; each line has its part of the n records."""
    if policy_kind != "replace" or np.ndim(n):
        return None
    is_gaussian = learner_kind == "gaussian"
    if not is_gaussian and (learner_kind != "categorical" or temperature != 1.0 or probabilities is None):
        return None
    many = {"lines": exchange.lines, "migrants": exchange.migrants}
    curves = lines.lines_by_quotas(
        int(n) // exchange.lines, generations, **many, divisor=divisor if is_gaussian else "n", temperature=temperature
    )
    if is_gaussian:
        return {"spread_ratio": curves.pooled, "mean_error": dimensions * curves.mean_error}.get(measure)
    concentration = categorical.concentration_of(curves.pooled, probabilities)  # type: ignore[arg-type]
    return {"concentration": concentration, "excess_risk": concentration - np.sum(np.square(probabilities))}.get(measure)  # type: ignore[arg-type]


def _selected(policy_kind: str, learner_kind: str, measure: str, n, generations: int, kept: float, temperature: float):
    """Return the spread of a gaussian that learns from selected records."""
    if learner_kind != "gaussian" or measure != "spread_ratio":
        return None
    if policy_kind == "replace":
        return selection.variance_replace_selected(generations, kept=kept, temperature=temperature)
    if policy_kind == "accumulate":
        return selection.variance_accumulate_selected(n, generations, kept=kept, temperature=temperature)
    return None


def name_of(policy_kind: str, learner_kind: str, measure: str, is_selected: bool = False, is_exchanged: bool = False) -> str | None:
    """Return the name in LAWS of the closed form that `expected` uses for this reading; None if there is none.

    If several laws make up a reading (`excess_risk` is a concentration minus a constant), it is the name of the law that changes over generations.

    >>> name_of("accumulate", "gaussian", "spread_ratio"), name_of("replace", "transformer", "held_out_loss")
    ('accumulate', None)
    """
    if is_exchanged:
        return "lines_by_quotas"
    is_first_alone = policy_kind == "human_only"  # every fit equals the first fit
    if is_selected and not is_first_alone:
        names = {"replace": "variance_replace_selected", "accumulate": "variance_accumulate_selected"}
        return names.get(policy_kind) if (learner_kind, measure) == ("gaussian", "spread_ratio") else None
    policy = "replace" if is_first_alone else policy_kind
    by_policy = _NAMES.get((learner_kind, measure), {})
    if is_first_alone and measure in ("support", "surviving_states"):
        return "surviving_at_first_fit"
    return by_policy.get(policy, by_policy.get("mixed") if policy in _MIXED else None)


_MIXED = ("augment", "fresh", "weighted", "human_share")
_OF_MOMENTS = {"accumulate": "accumulate", "accumulate_subsample": "accumulate_subsample", "mixed": "mixed"}
_OF_KDE = {
    "replace": "kde_replace", "accumulate": "kde_accumulate", "accumulate_subsample": "kde_accumulate_subsample", "mixed": "kde_mixed",
}  # fmt: skip
_OF_COUNTS = _OF_MOMENTS | {"replace": "concentration_replace", "accumulate": "concentration_accumulate"}
_OF_MEMORY = {"replace": "memory_error_replace", "accumulate": "memory_error", "augment": "memory_error"}
_NAMES: dict[tuple[str, str], dict[str, str]] = {
    ("gaussian", "spread_ratio"): _OF_MOMENTS | {"replace": "variance_replace"},
    ("gaussian", "mean_error"): _OF_MOMENTS | {"replace": "mean_error_replace"},
    ("gaussian", "log_variance"): {"replace": "log_variance_replace"},
    ("gaussian", "w2"): {"replace": "w2_replace"},
    ("kde", "spread_ratio"): _OF_KDE,
    ("kde", "mean_error"): _OF_KDE,
    ("regression", "coefficient_error"): {"replace": "coefficient_error_replace", "accumulate": "coefficient_error_accumulate"},
    ("categorical", "concentration"): _OF_COUNTS,
    ("categorical", "excess_risk"): _OF_COUNTS,
    ("categorical", "support"): {"replace": "surviving_states"},
    ("categorical", "surviving_states"): {"replace": "surviving_states"},
    ("categorical", "entropy"): {"replace": "entropy"},
    ("categorical", "absorbed"): {"replace": "absorbed"},
    ("categorical", "test_error"): _OF_MEMORY,
    ("hutter", "test_error"): _OF_MEMORY,
    ("cells", "rarest_share"): {"replace": "cell_share"},
    ("cells", "rarest_variance"): {"replace": "cell_variance"},
    ("cells", "heterozygosity"): {"replace": "heterozygosity"},
    ("cells", "rarest_lost"): {"replace": "cell_lost"},
    ("cells", "signed_gap"): {"replace": "cell_share"},
    ("cells", "squared_gap"): {"replace": "squared_gap"},
    ("panel", "taught_wrong"): {"replace": "kept_error"},
    ("panel", "answer_accuracy"): {"replace": "plurality_accuracy"},
    ("panel", "student_gain"): {"replace": "plurality_accuracy"},
    ("panel of points", "taught_wrong"): {"replace": "kept_error"},
    ("panel of points", "answer_accuracy"): {"replace": "linear_accuracy"},
    ("panel of points", "student_gain"): {"replace": "linear_accuracy"},
}
_NAMES |= {
    ("cells", measure): names
    for (learner, measure), names in _NAMES.items()
    if learner == "categorical" and measure != "test_error"
}
"""The law of each policy for each learner and reading; `mixed` stands for policies that combine human records with the newest part."""


@dataclass(frozen=True)
class HumanKept:
    """The human rows that a policy combines with the newest model's rows, with the fields of the policy's recipe."""

    share: float | None
    human: int | None
    rows: HumanRows | None
    weight: float | Literal["golden"] | None


def _replaced(measure: str, n, generations: int, dimensions: int, divisor: Divisor, temperature: float):
    """Return the reading from the laws that hold only under replace, because they need the whole distribution of the fit."""
    if measure == "log_variance" and np.min(n) > dimensions:
        options = {"dimensions": dimensions, "divisor": divisor, "temperature": temperature}
        return gaussian.log_variance_replace(n, generations, **options)
    if measure == "w2" and dimensions == 1:
        return gaussian.w2_replace(n, generations, divisor=divisor, temperature=temperature)
    return None


def _labelled(policy_kind: str, n, dimensions: int, noises: np.ndarray, design: str, is_as_written: bool):
    """Return the error of least squares on its own labels.

    With the same x there must be a single size, and every fit needs more than dimensions + 1 rows. `noises` are the standard deviations of the
    labels of each fit. `is_as_written` says that they are known and equal.
    """
    if np.min(n) <= dimensions + 1 or (design == "same" and np.ndim(n) > 0):
        return None
    if policy_kind == "replace":
        return regression.coefficient_error_replace(n, len(noises), dimensions=dimensions, noise=noises)
    if policy_kind == "accumulate" and design == "same" and is_as_written:
        return regression.coefficient_error_accumulate(n, len(noises), dimensions=dimensions, noise=noises[0])
    return None


class MomentLaws(NamedTuple):
    """The laws for the moments of a learner: functions of (sizes, fits); `mixed` is a function of (human, synthetic, fits) and further arguments."""

    replace: Callable[..., FitMoments]
    accumulate: Callable[..., FitMoments]
    accumulate_subsample: Callable[..., FitMoments]
    mixed: Callable[..., FitMoments]


def _of_gaussian(divisor: Divisor, temperature: float) -> MomentLaws:
    options = {"divisor": divisor, "temperature": temperature}

    def replace(n, fits) -> FitMoments:
        return FitMoments(gaussian.variance_replace(n, fits, **options), gaussian.mean_error_replace(n, fits, **options))

    others = (gaussian.accumulate, gaussian.accumulate_subsample, gaussian.mixed)
    return MomentLaws(replace, *(partial(law, **options) for law in others))


def _of_kde(bandwidth: kde.Bandwidth, dimensions: int) -> MomentLaws:
    laws = (kde.kde_replace, kde.kde_accumulate, kde.kde_accumulate_subsample, kde.kde_mixed)
    return MomentLaws(*(partial(law, bandwidth=bandwidth, dimensions=dimensions) for law in laws))


def _moments(policy_kind: str, n, generations: int, kept: HumanKept, laws: MomentLaws) -> FitMoments | None:
    """Return variance and mean error under a policy. These two need no other property of the distribution."""
    if policy_kind == "replace":
        return laws.replace(n, generations)
    if policy_kind == "accumulate":
        return laws.accumulate(n, generations)
    if np.ndim(n) > 0:
        return None
    if policy_kind == "accumulate_subsample":
        return laws.accumulate_subsample(n, generations)
    if policy_kind == "augment":
        return laws.mixed(n, n, generations, first=n, human_rows="fixed")
    if policy_kind == "fresh":
        return laws.mixed(_needed(kept.human, policy_kind, "human"), n, generations, first=n)
    if policy_kind == "weighted":
        return _weighted(n, generations, kept, laws)
    if policy_kind == "human_share":
        return _shared(n, generations, kept, laws)
    return None


def _needed(value, policy_kind: str, name: str):
    if value is None:
        raise BadInput(f"{policy_kind} needs {name}; give the value of its recipe")
    return value


def _weighted(n: int, generations: int, kept: HumanKept, laws: MomentLaws) -> FitMoments:
    is_fresh = kept.rows == "fresh"
    human = _needed(kept.human, "weighted with fresh rows", "human") if is_fresh else n
    asked = _needed(kept.weight, "weighted", "weight")
    weight = gaussian.best_weight(human / n) if asked == "golden" else asked
    human_rows = "fresh" if is_fresh else "fixed"
    return laws.mixed(human, n, generations, first=n, human_rows=human_rows, weight=weight)


def _shared(n: int, generations: int, kept: HumanKept, laws: MomentLaws) -> FitMoments | None:
    share = _needed(kept.share, "human_share", "human_share")
    if not 0 <= share <= 1:
        raise BadInput(f"human_share must be in [0, 1], got {share}; write 0.3 for thirty percent")
    human = round(share * n)
    if human == n:  # every fit sees all n human rows
        first = laws.accumulate(n, 1)
        return FitMoments(np.repeat(first.variance, generations), np.repeat(first.mean_error, generations))
    if human == 0:
        return laws.replace(n, generations)
    return laws.mixed(human, n - human, generations, first=n, human_rows=kept.rows or "redrawn")


def _forgotten(policy_kind: str, n, generations: int, probabilities: ArrayLike) -> np.ndarray | None:
    """Return the test error of memory. If the original human records are kept, nothing is forgotten and nothing new is learned."""
    if policy_kind in ("accumulate", "augment"):
        return np.repeat(hutter.memory_error(int(np.ravel(n)[0]), probabilities), generations)
    if policy_kind == "replace" and np.ndim(n) == 0 and n <= categorical.MOST_ROWS:
        return hutter.memory_error_replace(int(n), generations, probabilities)
    return None


def _counted(measure: str, n: int, generations: int, probabilities: ArrayLike) -> np.ndarray | None:
    if measure in ("support", "surviving_states") and generations == 1:
        return np.array([categorical.surviving_at_first_fit(n, probabilities)])
    functions = {
        "support": categorical.surviving_states,
        "surviving_states": categorical.surviving_states,
        "entropy": categorical.entropy,
        "absorbed": categorical.absorbed,
    }
    if measure not in functions or n > categorical.MOST_ROWS:
        return None
    return functions[measure](n, generations, probabilities)
