from __future__ import annotations

import math

import numpy as np

from outcross.collapse.growth import Ahead, GrowthLaw, Observed, step_noise
from outcross.estimate import NotApplicable

NEWTON = 8
"""Steps to the shape of a gamma variable; they double its digits."""


class KnownCurve(GrowthLaw):
    """Each run follows the closed form of the experiment. Every generation keeps a fitted share of the distance between the run and the closed form, at most all of it.

    Where the closed form is of a reading and runs are followed on a logarithmic scale, the mean of their logarithms lies below it, the lower the more they scatter:
    as far as for gamma variables, which variances and squared errors are.
    """

    paper = "the source of the closed form, as outcross list laws gives it"
    reads_the_level = True

    def ahead(self, observed: Observed, generations: int) -> Ahead:
        curve, count = observed.closed_form, observed.generations
        if curve is None or curve.size < count + generations:
            raise NotApplicable("no closed form is known of this reading")
        apart = observed.values - curve[:count]
        before, after = apart[:, :-1], apart[:, 1:]
        size = float(np.square(before).sum())
        # How much of a distance is left: 1 where errors are inherited. Shrunk to 1 as if two more steps had kept it.
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
    """How far the mean of the logarithm of a gamma variable lies below the logarithm of its mean, given the variance of the logarithm: half of that where it is small.

    With the shape k the variance is ψ′(k) and the loss ln k - ψ(k).

    >>> round(_log_lost(0.01), 5), round(_log_lost(4.93480), 3)  # the latter of a squared normal variable
    (0.00498, 1.27)
    """
    from scipy.special import digamma, polygamma

    shape = 0.5 + 1 / variance if variance < 10 else 1 / math.sqrt(variance)
    for _ in range(NEWTON):
        trigamma = float(polygamma(1, shape))
        shape += trigamma * (1 - trigamma / variance) / float(polygamma(2, shape))
    return math.log(shape) - float(digamma(shape))
