"""Laws of collapse as formulas.

A law is a closed form: a pure function from the numbers of an experiment (rows per fit, number of fits, policy,
temperature) to a curve over T = 1 … fits. T counts fits, so T = g + 1 for generation g. Each law says whether it is
exact for every finite size or a limit, under which conditions it holds, and from which paper it comes. The laws are the
oracles of the simulations: tests/laws compares each with a simulation that was written without this package. `expected`
returns the curve of an experiment's reading, if a law is known.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from outcross.laws.expectations import expected

__all__ = ["LAWS", "ClosedForm", "expected", "law"]


class ClosedForm(NamedTuple):
    """The place of a law's function ("module:function"), its id in science/collapse.md section 13, and its source."""

    where: str
    id: str
    citation: str


def __getattr__(name: str):
    if name == "expected":
        from outcross.laws.expectations import expected

        return expected
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def law(name: str):
    """Import and return the function with this name in LAWS.

    >>> law("best_weight")(1.0) < 0.62
    True
    """
    module, _, function = LAWS[name].where.partition(":")
    return getattr(importlib.import_module(module), function)


_GAUSSIAN, _CATEGORICAL = "outcross.laws.gaussian", "outcross.laws.categorical"
_SHUMAILOV = "Shumailov et al., Nature 631:755 (2024), arXiv 2305.17493"
_MAD = "Alemohammad et al. (2024), arXiv 2307.01850"
_KAZDAN = "Kazdan, Schaeffer et al. (2025), arXiv 2410.16713"
_SURESH = "Suresh et al. (2024), arXiv 2412.17646"
_HE = "He et al. (2025), arXiv 2502.18049"
_GERSTGRASSER = "Gerstgrasser et al. (2024), arXiv 2404.01413"
_DOHMATOB = "Dohmatob et al. (2024)"
_BERTRAND = "Bertrand et al. (2024), arXiv 2310.00429"
_SEDDIK = "Seddik et al. (2024), arXiv 2404.05090"
_WYLLIE = "Wyllie, Shumailov and Papernot, FAccT 2024, arXiv 2403.07857"
_WRIGHT_ISLANDS = "the island model (Wright, Genetics 28:114, 1943)"
_EPISTEMIC = "Epistemic diversity mitigates knowledge collapse, arXiv 2512.15011"
_WRIGHT_FISHER = "Wright-Fisher model; Ewens, Mathematical Population Genetics (2004)"

LAWS: dict[str, ClosedForm] = {
    "variance_replace": ClosedForm(f"{_GAUSSIAN}:variance_replace", "G1 G2 G7", f"{_SHUMAILOV}; {_MAD}"),
    "mean_error_replace": ClosedForm(f"{_GAUSSIAN}:mean_error_replace", "G1 G2 G7", f"{_SHUMAILOV}; {_MAD}"),
    "deviation_replace": ClosedForm(f"{_GAUSSIAN}:deviation_replace", "G3", "derived here"),
    "w2_replace": ClosedForm(f"{_GAUSSIAN}:w2_replace", "G4", f"derived here; leading term {_SHUMAILOV}"),
    "log_variance_replace": ClosedForm(f"{_GAUSSIAN}:log_variance_replace", "G5 G6", f"derived here; cf. {_KAZDAN}"),
    "log_variance_spread_replace": ClosedForm(f"{_GAUSSIAN}:log_variance_spread_replace", "G5 G6", "derived here"),
    "tail_bound_replace": ClosedForm(f"{_GAUSSIAN}:tail_bound_replace", "G8", _SURESH),
    "variance_accumulate": ClosedForm(f"{_GAUSSIAN}:variance_accumulate", "G9", f"derived here; cf. {_KAZDAN}"),
    "variance_accumulate_limit": ClosedForm(f"{_GAUSSIAN}:variance_accumulate_limit", "G9", _KAZDAN),
    "accumulate": ClosedForm(f"{_GAUSSIAN}:accumulate", "G9 G10", "derived here"),
    "accumulate_subsample": ClosedForm(f"{_GAUSSIAN}:accumulate_subsample", "G11", f"derived here; policy {_KAZDAN}"),
    "mixed": ClosedForm(f"{_GAUSSIAN}:mixed", "G12", f"derived here; settings {_MAD}; {_SEDDIK}; {_SHUMAILOV}"),
    "fresh_limit": ClosedForm(f"{_GAUSSIAN}:fresh_limit", "G12", f"derived here; setting {_MAD}"),
    "mean_error_weighted": ClosedForm(f"{_GAUSSIAN}:mean_error_weighted", "G13", _HE),
    "mean_error_weighted_limit": ClosedForm(f"{_GAUSSIAN}:mean_error_weighted_limit", "G13", _HE),
    "best_weight": ClosedForm(f"{_GAUSSIAN}:best_weight", "G13", _HE),
    "kde_replace": ClosedForm("outcross.laws.kde:kde_replace", "K1", f"derived here; setting {_KAZDAN}"),
    "kde_replace_limit": ClosedForm("outcross.laws.kde:kde_replace_limit", "K1", f"derived here; setting {_KAZDAN}"),
    "kde_accumulate": ClosedForm("outcross.laws.kde:kde_accumulate", "K2", f"derived here; setting {_KAZDAN}"),
    "kde_accumulate_subsample": ClosedForm(
        "outcross.laws.kde:kde_accumulate_subsample", "K2 G11", f"derived here; setting {_KAZDAN}"
    ),
    "kde_mixed": ClosedForm("outcross.laws.kde:kde_mixed", "K1 G12", f"derived here; settings {_MAD}; {_SEDDIK}; {_SHUMAILOV}"),
    "kde_accumulate_growth": ClosedForm("outcross.laws.kde:kde_accumulate_growth", "K2", f"derived here; setting {_KAZDAN}"),
    "l2_squared": ClosedForm("outcross.laws.mixture:l2_squared", "M1", _SHUMAILOV),
    "coefficient_error_replace": ClosedForm("outcross.laws.regression:coefficient_error_replace", "R1 R2", _GERSTGRASSER),
    "coefficient_error_accumulate": ClosedForm("outcross.laws.regression:coefficient_error_accumulate", "R1", _GERSTGRASSER),
    "coefficient_error_accumulate_limit": ClosedForm(
        "outcross.laws.regression:coefficient_error_accumulate_limit", "R1", _GERSTGRASSER
    ),
    "coefficient_error_after": ClosedForm(
        "outcross.laws.regression:coefficient_error_after", "R2", f"{_DOHMATOB}, arXiv 2402.07712"
    ),
    "label_shift_error": ClosedForm(
        "outcross.laws.regression:label_shift_error", "R3", f"derived here; leading terms {_DOHMATOB}, arXiv 2410.04840"
    ),
    "verifier_breakdown": ClosedForm("outcross.laws.verifier:verifier_breakdown", "V1", "Feng et al. (2024), arXiv 2406.07515"),
    "plurality_breakdown": ClosedForm(
        "outcross.laws.verifier:plurality_breakdown", "V2", "derived here; cf. Feng et al. (2024), arXiv 2406.07515"
    ),
    "kept_error": ClosedForm("outcross.laws.verifier:kept_error", "V3", "Feng et al. (2024), arXiv 2406.07515"),
    "linear_accuracy": ClosedForm(
        "outcross.laws.verifier:linear_accuracy", "V4", "derived here; setting Feng et al. (2024), arXiv 2406.07515"
    ),
    "plurality_accuracy": ClosedForm("outcross.laws.verifier:plurality_accuracy", "V5", "derived here"),
    "self_selected_error": ClosedForm("outcross.laws.verifier:self_selected_error", "V6", "derived here"),
    "variance_kept": ClosedForm("outcross.laws.selection:variance_kept", "B1", "derived here; the effect: Qiao et al."),
    "variance_replace_selected": ClosedForm(
        "outcross.laws.selection:variance_replace_selected", "B1", "derived here; the effect: Qiao et al."
    ),
    "variance_accumulate_selected": ClosedForm(
        "outcross.laws.selection:variance_accumulate_selected", "B1", "derived here; the effect: Qiao et al."
    ),
    "is_locally_stable": ClosedForm("outcross.laws.stability:is_locally_stable", "S1", _BERTRAND),
    "largest_stable_weight": ClosedForm("outcross.laws.stability:largest_stable_weight", "S1", _BERTRAND),
    "concentration_replace": ClosedForm(f"{_CATEGORICAL}:concentration_replace", "C1", f"{_SEDDIK}, Theorem 1"),
    "concentration_accumulate": ClosedForm(f"{_CATEGORICAL}:concentration_accumulate", "C2", "derived here"),
    "concentration_partial": ClosedForm(f"{_CATEGORICAL}:concentration_partial", "C3", f"{_SEDDIK}, Theorem 2"),
    "concentration_partial_limit": ClosedForm(f"{_CATEGORICAL}:concentration_partial_limit", "C3", f"{_SEDDIK}, Theorem 2"),
    "absorption_probabilities": ClosedForm(f"{_CATEGORICAL}:absorption_probabilities", "C4", f"{_SHUMAILOV}; {_SEDDIK}"),
    "absorption_time_diffusion": ClosedForm(f"{_CATEGORICAL}:absorption_time_diffusion", "C5", _WRIGHT_FISHER),
    "absorbed_bounds": ClosedForm(f"{_CATEGORICAL}:absorbed_bounds", "C5", _SEDDIK),
    "absorption_time_bounds": ClosedForm(f"{_CATEGORICAL}:absorption_time_bounds", "C5", _SEDDIK),
    "loss_at_first_fit": ClosedForm(f"{_CATEGORICAL}:loss_at_first_fit", "C6", _SHUMAILOV),
    "surviving_at_first_fit": ClosedForm(f"{_CATEGORICAL}:surviving_at_first_fit", "C6", _SHUMAILOV),
    "rare_loss": ClosedForm(f"{_CATEGORICAL}:rare_loss", "C7", f"branching process; cf. {_SURESH}"),
    "rare_survival_bound": ClosedForm(f"{_CATEGORICAL}:rare_survival_bound", "C7", _SURESH),
    "transition_matrix": ClosedForm(f"{_CATEGORICAL}:transition_matrix", "C8", _WRIGHT_FISHER),
    "eigenvalues": ClosedForm(f"{_CATEGORICAL}:eigenvalues", "C8", f"Feller 1951; {_WRIGHT_FISHER}"),
    "count_distribution": ClosedForm(f"{_CATEGORICAL}:count_distribution", "C8", _WRIGHT_FISHER),
    "absorbed": ClosedForm(f"{_CATEGORICAL}:absorbed", "C8", _WRIGHT_FISHER),
    "surviving_states": ClosedForm(f"{_CATEGORICAL}:surviving_states", "C6 C8", _WRIGHT_FISHER),
    "entropy": ClosedForm(f"{_CATEGORICAL}:entropy", "C8", _WRIGHT_FISHER),
    "absorption_time": ClosedForm(f"{_CATEGORICAL}:absorption_time", "C8", _WRIGHT_FISHER),
    "cell_share": ClosedForm("outcross.laws.cells:cell_share", "F1", f"{_WRIGHT_FISHER}; cells: {_WYLLIE}"),
    "cell_variance": ClosedForm("outcross.laws.cells:cell_variance", "F2", f"{_WRIGHT_FISHER}; cells: {_WYLLIE}"),
    "heterozygosity": ClosedForm("outcross.laws.cells:heterozygosity", "F2", _WRIGHT_FISHER),
    "cell_lost": ClosedForm("outcross.laws.cells:cell_lost", "F3", _WRIGHT_FISHER),
    "squared_gap": ClosedForm("outcross.laws.cells:squared_gap", "F4", f"derived here; the effect: {_WYLLIE}"),
    "star_shares": ClosedForm("outcross.laws.cells:star_shares", "F5", f"derived here; STAR: {_WYLLIE}"),
    "lines_by_quotas": ClosedForm("outcross.laws.lines:lines_by_quotas", "L1", f"derived here; setting {_WRIGHT_ISLANDS}"),
    "lines_at_random": ClosedForm("outcross.laws.lines:lines_at_random", "L2", f"derived here; setting {_WRIGHT_ISLANDS}"),
    "lines_isolated": ClosedForm("outcross.laws.lines:lines_isolated", "L3", f"derived here; the effect: {_EPISTEMIC}"),
    "memory_error": ClosedForm("outcross.laws.hutter:memory_error", "H1", "Dohmatob et al. (2024), arXiv 2402.07043"),
    "memory_error_replace": ClosedForm("outcross.laws.hutter:memory_error_replace", "H1 C8", "derived here"),
}
