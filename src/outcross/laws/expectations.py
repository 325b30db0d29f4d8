"""Selection of the closed form for a reading of an experiment, if one is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from outcross.errors import BadInput
from outcross.laws import categorical, cells, gaussian, hutter, kde, lines, regression, selection, verifier
from outcross.laws.gaussian import Divisor, FitMoments, HumanRows, Sizes


def expected(policy_kind: str, learner_kind: str, measure: str, **known: Any) -> np.ndarray | None:
    """Return the expected reading for g = 0 … generations - 1, (generations,); None if no closed form is known.

    `known` are the other fields of `KnownLoop`, at least `n` and `generations`. All values are exact expectations over chains, except those of a
    selection (`kept_variance`).

    Learner `gaussian` on normal data. Measures: `spread_ratio` (trace of the fitted over the true covariance), `mean_error` (squared distance of the
    means over the true trace per dimension), and, under replace and human_only, `log_variance` (log determinant over the true one) and `w2` (squared,
    in true variances, one dimension).

    Learner `categorical` on human `probabilities`, at temperature 1. Measures: `concentration` (sum p^2), `excess_risk` (sum (p - p_0)^2 with the human
    probabilities p_0; this is the concentration minus the human concentration, because every policy keeps E p = p_0), and, under replace, human_only
    or for generation 0 alone, `support` (or `surviving_states`), `entropy` (nats) and `absorbed` (share of chains with one state left). The latter come
    from the exact chain, for n up to categorical.MOST_ROWS.

    Learners `categorical` and `hutter` (with writes: frequencies): `test_error`, the missing mass, under replace, accumulate, augment and human_only.

    Learner `kde` on normal data, at temperature 1: `spread_ratio` and `mean_error`.

    Learner `regression` without ridge: `coefficient_error`, under replace and human_only, and also under accumulate if the noise is known, the `design` is
    the same and the temperature is 1. The temperature scales a known noise once at every generation. For a fitted noise its effect accumulates over
    generations.

    Learner `cells` on `known_cells`, under replace: the readings of `measures.cells` (laws.cells), and, if the groups have no fixed sizes, those of
    `categorical` on the shares of all cells.

    Learner `panel` on `known_answers`, under replace: the readings of `measures.answers` at generation 1 (laws.verifier).

    >>> np.round(expected("replace", "gaussian", "spread_ratio", n=10, generations=3), 3).tolist()
    [0.9, 0.81, 0.729]
    >>> expected("accumulate", "gaussian", "log_variance", n=10, generations=3) is None
    True
    """
    return _curve(KnownLoop(policy_kind=policy_kind, learner_kind=learner_kind, measure=measure, **known))


class Exchanged(NamedTuple):
    """The exchange of records between several lines."""

    lines: int
    migrants: float
    """Fraction of the records of each line that the other lines wrote, in equal parts, in [0, 1]."""


@dataclass(frozen=True, eq=False, kw_only=True)
class KnownLoop:
    """What the laws must know of a loop and of the reading that is expected."""

    policy_kind: str
    """`replace`, `human_only`, `accumulate`, `accumulate_subsample`, `augment`, `human_share`, `fresh` or `weighted`."""
    learner_kind: str
    measure: str
    n: Sizes
    """Number of human rows that the first model learns from, and of rows that every model writes. A sequence for growing sizes, only for replace and
    accumulate of a Gaussian. With `kept_variance`, the numbers of kept records."""
    generations: int
    dimensions: int = 1
    """Dimensions of the points, or of the x of a regression."""
    divisor: Divisor = "n"
    """How a Gaussian fits its covariance."""
    temperature: float = 1.0
    """The sampling bias λ of MAD: models are sampled with the covariance times λ; human data are not scaled."""
    human_share: float | None = None
    """The share of `human_share`, in [0, 1]."""
    human: int | None = None
    """Number of new human rows beside the n of `fresh`, and of `weighted` with fresh rows."""
    rows: HumanRows | None = None
    """The choice of human rows: `redrawn` unless "fixed" for `human_share`, `fixed` unless "fresh" for `weighted`."""
    weight: float | Literal["golden"] | None = None
    """The weight of `weighted`."""
    probabilities: ArrayLike | None = None
    """The human probabilities of all states."""
    bandwidth: kde.Bandwidth = "scott"
    noise: float = 1.0
    """Standard deviation of the labels of a regression."""
    noise_is_fitted: bool = False
    design: Literal["same", "fresh"] = "same"
    """Whether every fit of a regression has the same x."""
    kept_variance: float | None = None
    """The fraction of the variance of a generation's records that a selection keeps (`variance_kept`). `spread_ratio` of a Gaussian under replace and
    accumulate is then the limit for many records."""
    known_cells: cells.KnownCells | None = None
    known_answers: verifier.KnownAnswers | None = None
    exchange: Exchanged | None = None
    """The exchange between several lines of a Gaussian or of states that share the n records, under replace (laws.lines). The readings are then those of
    all lines together: `spread_ratio` and `mean_error`, `concentration` and `excess_risk`."""

    @property
    def is_growing(self) -> bool:
        """Whether the sizes differ between generations."""
        return np.ndim(self.n) > 0

    @property
    def size(self) -> int:
        """The number of rows of every generation."""
        assert not self.is_growing
        return int(self.n)  # type: ignore[arg-type]

    @property
    def first_fit(self) -> KnownLoop:
        """The same loop, ended after its first fit, which every policy makes in the same way."""
        n = np.asarray(self.n)[:1] if self.is_growing else self.n
        return replace(self, policy_kind="replace", n=n, generations=1, kept_variance=None)


def _curve(loop: KnownLoop) -> np.ndarray | None:
    if loop.known_answers is not None:
        return _of_answers(loop)
    if loop.exchange is not None:
        return _of_lines(loop, loop.exchange)
    if loop.policy_kind == "human_only":  # every generation has the same rows and thus the same fit
        first = _curve(loop.first_fit)
        return None if first is None else np.repeat(first, loop.generations)
    if loop.kept_variance is not None:
        return _of_selected(loop, loop.kept_variance)
    return {"gaussian": _of_gaussian, "kde": _of_kde, "regression": _of_regression}.get(loop.learner_kind, _of_states)(loop)


def _of_answers(loop: KnownLoop) -> np.ndarray | None:
    if loop.policy_kind != "replace" or loop.temperature != 1.0 or loop.is_growing:
        return None
    return verifier.expected_of_answers(loop.measure, loop.size, loop.generations, loop.known_answers)  # type: ignore[arg-type]


def _of_lines(loop: KnownLoop, exchange: Exchanged) -> np.ndarray | None:
    """Return the expected reading of several lines together; each line has its part of the n records."""
    if loop.policy_kind != "replace" or loop.is_growing:
        return None
    is_gaussian = loop.learner_kind == "gaussian"
    if not is_gaussian and (loop.learner_kind != "categorical" or loop.temperature != 1.0 or loop.probabilities is None):
        return None
    curves = lines.lines_by_quotas(
        loop.size // exchange.lines,
        loop.generations,
        lines=exchange.lines,
        migrants=exchange.migrants,
        divisor=loop.divisor if is_gaussian else "n",
        temperature=loop.temperature,
    )
    if is_gaussian:
        return {"spread_ratio": curves.pooled, "mean_error": loop.dimensions * curves.mean_error}.get(loop.measure)
    return _of_concentration(loop, curves.pooled)


def _of_selected(loop: KnownLoop, kept: float) -> np.ndarray | None:
    """Return the spread of a gaussian that learns from selected records."""
    if loop.learner_kind != "gaussian" or loop.measure != "spread_ratio":
        return None
    if loop.policy_kind == "replace":
        return selection.variance_replace_selected(loop.generations, kept=kept, temperature=loop.temperature)
    if loop.policy_kind == "accumulate":
        return selection.variance_accumulate_selected(loop.n, loop.generations, kept=kept, temperature=loop.temperature)
    return None


def _of_gaussian(loop: KnownLoop) -> np.ndarray | None:
    if loop.policy_kind == "replace" and loop.measure in ("log_variance", "w2"):
        return _of_whole_fits(loop)
    return _of_moments(loop, _gaussian_laws(loop.divisor, loop.temperature))


def _of_whole_fits(loop: KnownLoop) -> np.ndarray | None:
    """Return the reading from the laws that hold only under replace, because they need the whole distribution of the fit."""
    options: dict[str, Any] = {"divisor": loop.divisor, "temperature": loop.temperature}
    if loop.measure == "log_variance" and np.min(loop.n) > loop.dimensions:
        return gaussian.log_variance_replace(loop.n, loop.generations, dimensions=loop.dimensions, **options)
    if loop.measure == "w2" and loop.dimensions == 1:
        return gaussian.w2_replace(loop.n, loop.generations, **options)
    return None


def _of_kde(loop: KnownLoop) -> np.ndarray | None:
    return _of_moments(loop, _kde_laws(loop.bandwidth, loop.dimensions)) if loop.temperature == 1.0 else None


def _of_moments(loop: KnownLoop, laws: MomentLaws) -> np.ndarray | None:
    moments = _moments(loop, laws)
    if moments is None:
        return None
    return {"spread_ratio": moments.variance, "mean_error": loop.dimensions * moments.mean_error}.get(loop.measure)


def _of_regression(loop: KnownLoop) -> np.ndarray | None:
    """Return the error of least squares on its own labels.

    With the same x there must be a single size, and every fit needs more than dimensions + 1 rows.
    """
    is_same = loop.design == "same"
    if loop.measure != "coefficient_error" or np.min(loop.n) <= loop.dimensions + 1 or (is_same and loop.is_growing):
        return None
    with np.errstate(over="ignore"):
        # The standard deviation of the labels of each fit.
        noises = loop.noise * loop.temperature ** (
            np.minimum(np.arange(loop.generations), np.inf if loop.noise_is_fitted else 1.0) / 2
        )
    if loop.policy_kind == "replace":
        return regression.coefficient_error_replace(loop.n, loop.generations, dimensions=loop.dimensions, noise=noises)
    if loop.policy_kind == "accumulate" and is_same and loop.temperature == 1.0 and not loop.noise_is_fitted:
        return regression.coefficient_error_accumulate(loop.size, loop.generations, dimensions=loop.dimensions, noise=noises[0])
    return None


def _of_states(loop: KnownLoop) -> np.ndarray | None:
    """Return the reading of a learner of states or of cells."""
    if loop.temperature != 1.0:
        return None
    if loop.learner_kind in ("categorical", "hutter") and loop.measure == "test_error" and loop.probabilities is not None:
        return _forgotten(loop, loop.probabilities)
    if loop.is_growing:
        return None
    if loop.known_cells is not None and loop.policy_kind == "replace":
        curve = cells.expected_of_cells(loop.measure, loop.size, loop.generations, loop.known_cells)
        if curve is not None:
            return curve
    is_categorical = loop.learner_kind == "categorical" or (loop.known_cells is not None and not loop.known_cells.fixed_groups)
    if not is_categorical or loop.probabilities is None:
        return None
    if loop.measure in ("concentration", "excess_risk"):
        moments = _moments(loop, _gaussian_laws("n", 1.0))
        return None if moments is None else _of_concentration(loop, moments.variance)
    if loop.policy_kind == "replace" or loop.generations == 1:
        return _of_chain(loop, loop.probabilities)
    return None


def _of_concentration(loop: KnownLoop, variance: np.ndarray) -> np.ndarray | None:
    """Return the reading that follows from the variance of the shares of states, as a fraction of that of a single draw."""
    concentration = categorical.concentration_of(variance, loop.probabilities)  # type: ignore[arg-type]
    human = np.sum(np.square(loop.probabilities))  # type: ignore[arg-type]
    return {"concentration": concentration, "excess_risk": concentration - human}.get(loop.measure)


def _forgotten(loop: KnownLoop, probabilities: ArrayLike) -> np.ndarray | None:
    """Return the test error of memory. If the original human records are kept, nothing is forgotten and nothing new is learned."""
    if loop.policy_kind in ("accumulate", "augment"):
        return np.repeat(hutter.memory_error(int(np.ravel(loop.n)[0]), probabilities), loop.generations)
    if loop.policy_kind == "replace" and not loop.is_growing and loop.size <= categorical.MOST_ROWS:
        return hutter.memory_error_replace(loop.size, loop.generations, probabilities)
    return None


def _of_chain(loop: KnownLoop, probabilities: ArrayLike) -> np.ndarray | None:
    """Return a reading of the exact chain of counts, as far as that can be computed."""
    if loop.measure in ("support", "surviving_states") and loop.generations == 1:
        return np.array([categorical.surviving_at_first_fit(loop.size, probabilities)])
    functions = {
        "support": categorical.surviving_states,
        "surviving_states": categorical.surviving_states,
        "entropy": categorical.entropy,
        "absorbed": categorical.absorbed,
    }
    if loop.measure not in functions or loop.size > categorical.MOST_ROWS:
        return None
    return functions[loop.measure](loop.size, loop.generations, probabilities)


class MomentLaws(NamedTuple):
    """The laws for the moments of a learner: functions of (sizes, fits); `mixed` is a function of (human, synthetic, fits) and further arguments."""

    replace: Callable[..., FitMoments]
    accumulate: Callable[..., FitMoments]
    accumulate_subsample: Callable[..., FitMoments]
    mixed: Callable[..., FitMoments]


def _gaussian_laws(divisor: Divisor, temperature: float) -> MomentLaws:
    options = {"divisor": divisor, "temperature": temperature}

    def replaced(n, fits) -> FitMoments:
        return FitMoments(gaussian.variance_replace(n, fits, **options), gaussian.mean_error_replace(n, fits, **options))

    others = (gaussian.accumulate, gaussian.accumulate_subsample, gaussian.mixed)
    return MomentLaws(replaced, *(partial(law, **options) for law in others))


def _kde_laws(bandwidth: kde.Bandwidth, dimensions: int) -> MomentLaws:
    laws = (kde.kde_replace, kde.kde_accumulate, kde.kde_accumulate_subsample, kde.kde_mixed)
    return MomentLaws(*(partial(law, bandwidth=bandwidth, dimensions=dimensions) for law in laws))


def _moments(loop: KnownLoop, laws: MomentLaws) -> FitMoments | None:
    """Return variance and mean error under a policy. These two need no other property of the distribution."""
    n, generations = loop.n, loop.generations
    if loop.policy_kind == "replace":
        return laws.replace(n, generations)
    if loop.policy_kind == "accumulate":
        return laws.accumulate(n, generations)
    if loop.is_growing:
        return None
    if loop.policy_kind == "accumulate_subsample":
        return laws.accumulate_subsample(n, generations)
    if loop.policy_kind == "augment":
        return laws.mixed(n, n, generations, first=n, human_rows="fixed")
    if loop.policy_kind == "fresh":
        return laws.mixed(_needed(loop.human, "fresh", "human"), n, generations, first=n)
    if loop.policy_kind == "weighted":
        return _weighted(loop, laws)
    if loop.policy_kind == "human_share":
        return _shared(loop, laws)
    return None


def _needed(value, policy_kind: str, name: str):
    if value is None:
        raise BadInput(f"{policy_kind} needs {name}; give the value of its recipe")
    return value


def _weighted(loop: KnownLoop, laws: MomentLaws) -> FitMoments:
    n, is_fresh = loop.size, loop.rows == "fresh"
    human = _needed(loop.human, "weighted with fresh rows", "human") if is_fresh else n
    asked = _needed(loop.weight, "weighted", "weight")
    weight = gaussian.best_weight(human / n) if asked == "golden" else asked
    human_rows = "fresh" if is_fresh else "fixed"
    return laws.mixed(human, n, loop.generations, first=n, human_rows=human_rows, weight=weight)


def _shared(loop: KnownLoop, laws: MomentLaws) -> FitMoments | None:
    n, generations, share = loop.size, loop.generations, _needed(loop.human_share, "human_share", "human_share")
    if not 0 <= share <= 1:
        raise BadInput(f"human_share must be in [0, 1], got {share}; write 0.3 for thirty percent")
    human = round(share * n)
    if human == n:  # every fit sees all n human rows
        first = laws.accumulate(n, 1)
        return FitMoments(np.repeat(first.variance, generations), np.repeat(first.mean_error, generations))
    if human == 0:
        return laws.replace(n, generations)
    return laws.mixed(human, n - human, generations, first=n, human_rows=loop.rows or "redrawn")


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
