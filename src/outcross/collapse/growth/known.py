from __future__ import annotations

import math

import numpy as np

from outcross.collapse.growth import Ahead, GrowthLaw, Observed, step_noise
from outcross.estimate import NotApplicable

NEWTON = 8
"""Newton steps for the shape of a gamma variable. Each doubles the number of correct digits."""


class KnownCurve(GrowthLaw):
    """Each run follows the closed form of the experiment. Every generation keeps a fitted share of the distance between the run and the closed form, at most all of it.

    If runs are on a logarithmic scale, the mean of their logarithms lies below the logarithm of the closed form, by an amount that grows with their
    scatter. The amount is that of gamma variables, because variances and squared errors are approximately gamma distributed.
    """

    paper = "the source of the closed form (see outcross list laws)"
    reads_the_level = True

    def ahead(self, observed: Observed, generations: int) -> Ahead:
        curve, count = observed.closed_form, observed.generations
        if curve is None or curve.size < count + generations:
            raise NotApplicable("no closed form is known for this reading")
        apart = observed.values - curve[:count]
        before, after = apart[:, :-1], apart[:, 1:]
        size = float(np.square(before).sum())
        # Share of a distance that remains, 1 if errors are inherited. It is shrunk towards 1 by two pseudo-steps that keep the distance.
        scatter = float(np.square(after - before).sum()) / before.size
        left = 1.0 if size <= 0 else float((before * after).sum() + 2 * scatter) / (size + 2 * scatter)
        left = float(np.clip(left, 0.0, 1.0))
        noise = step_noise(after - left * before, spent=1)
        fades = left ** np.arange(1, generations + 1)
        location = curve[count : count + generations] + apart[:, -1:] * fades
        own = noise.added(count, generations, left)
        if observed.closed_form_is_log_of_mean and own[0] > 0:
            location = location - own * _log_lost(float(own[0])) / own[0]
        return Ahead(location, own, np.zeros(generations), noise.freedom, left)


def _log_lost(variance: float) -> float:
    """Return how far the mean logarithm of a gamma variable lies below the logarithm of its mean, given the variance of the logarithm.

    With the shape k, the variance is ψ′(k) and the result ln k - ψ(k). For a small variance it is half of the variance.

    >>> round(_log_lost(0.01), 5), round(_log_lost(4.93480), 3)  # the latter is a squared normal variable
    (0.00498, 1.27)
    """
    from scipy.special import digamma, polygamma

    shape = 0.5 + 1 / variance if variance < 10 else 1 / math.sqrt(variance)
    for _ in range(NEWTON):
        trigamma = float(polygamma(1, shape))
        shape += trigamma * (1 - trigamma / variance) / float(polygamma(2, shape))
    return math.log(shape) - float(digamma(shape))
