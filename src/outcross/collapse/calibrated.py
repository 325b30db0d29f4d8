"""What forecasts take from other runs: from the development specs of benchmarks/forecast.py alone, of which no held-out run is one."""

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
"""What each law is worth before it is tried, against the random walk."""
TEMPER = 1.5
"""How much the logarithm of a back-test's score counts, times the root of how many readings it predicted."""
RATIOS = (0.2, 0.6, 1.0, 2.0)
"""Generations ahead over generations observed."""
STRETCH = {
    "closed form": (1.0, 1.05, 1.1, 1.15),
    "growth laws": (1.05, 0.85, 0.85, 0.8),
    "closed form, mean": (1.3, 1.15, 1.35, 1.5),
    "growth laws, mean": (1.1, 1.0, 1.0, 1.1),
}
"""By how much a central 95 % interval is widened at these ratios (split conformal): where a closed form has most of the weight, and elsewhere; of a run and of the mean over runs."""
