"""Constants of forecasts that were calibrated on other runs: the experiments of `benchmarks/forecast.py calibrate`. No experiment that is held out is
among them."""

PRIORS = {
    "random walk": 1.0,
    "random walk with drift": 0.03,
    "line": 0.01,
    "level plus drift": 0.03,
    "pull to a level": 0.1,
    "saturating exponential": 0.05,
    "power law": 0.02,
    "logistic between levels": 2.0,
    "drift after a jump": 0.3,
    "logistic to a floor": 0.01,
    "closed form": 20.0,
}
"""Prior weight of each law, relative to the random walk."""
TEMPER = 1.5
"""Weight of the logarithm of a back-test score, multiplied by the square root of the number of predicted readings."""
RATIOS = (0.2, 0.6, 1.0, 2.0)
"""Ratios of generations ahead to observed generations, at which STRETCH is given."""
STRETCH = {
    "closed form": (1.05, 1.0, 1.1, 1.05),
    "growth laws": (1.05, 0.9, 0.8, 0.75),
    "growth laws, networks": (1.2, 1.55, 1.8, 2.25),
    "closed form, mean": (1.25, 1.0, 1.15, 1.2),
    "growth laws, mean": (1.05, 0.95, 0.9, 0.8),
    "growth laws, networks, mean": (1.2, 1.55, 1.8, 2.25),
}
"""Factors by which a central 95 % interval is widened at these ratios, for a run and for the mean over runs: split conformal prediction by group, with
the experiment as the unit. The groups are forecasts in which a closed form has most of the weight (126 experiments), and of the others those of
learners that are trained in steps (36 experiments with transformers) and those of the rest (282). The means of networks have the factors of a run: the
factor of 36 means would be the largest error of all of them, and a mean is not more uncertain than one of its runs."""
