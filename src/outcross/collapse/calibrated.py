"""Constants of forecasts that were calibrated on other runs: the development experiments of benchmarks/forecast.py. No held-out run was used."""

PRIORS = {
    "random walk": 1.0,
    "random walk with drift": 0.03,
    "line": 0.01,
    "level plus drift": 0.03,
    "pull to a level": 0.1,
    "saturating exponential": 0.05,
    "power law": 0.02,
    "logistic between levels": 2.0,
    "logistic to a floor": 0.01,
    "closed form": 20.0,
}
"""Prior weight of each law, relative to the random walk."""
TEMPER = 1.5
"""Weight of the logarithm of a back-test score, multiplied by the square root of the number of predicted readings."""
RATIOS = (0.2, 0.6, 1.0, 2.0)
"""Ratios of generations ahead to observed generations, at which STRETCH is given."""
STRETCH = {
    "closed form": (1.0, 1.05, 1.1, 1.15),
    "growth laws": (1.05, 0.85, 0.85, 0.8),
    "closed form, mean": (1.3, 1.15, 1.35, 1.5),
    "growth laws, mean": (1.1, 1.0, 1.0, 1.1),
}
"""Factors by which a central 95 % interval is widened at these ratios (split conformal), if a closed form has most of the weight and otherwise, for a
run and for the mean over runs."""
