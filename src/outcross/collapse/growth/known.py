from __future__ import annotations

import numpy as np

from outcross.collapse.growth import Ahead, GrowthLaw, Observed, step_noise
from outcross.estimate import NotApplicable

WIDEST_STEP = 0.5
"""Variance of one step of a logarithm, up to which half of it is what the mean of a logarithm lies below the logarithm of a mean: of gamma variables of this variance .21, not .25."""


class KnownCurve(GrowthLaw):
    """The closed form of the experiment, at the distance that the runs keep from it; what a run strays from it fades at a rate that is fitted.

    Where the closed form is of a reading and runs are followed on a logarithmic scale, the mean of their logarithms falls behind it: by half the variance of a step at
    each step (Jensen, to second order). Where a step scatters too widely for that, the law does not apply.
    """

    paper = "that of the closed form, which outcross list laws names"
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
        if observed.closed_form_is_log_of_mean:
            if own[0] > WIDEST_STEP:
                raise NotApplicable(
                    f"the closed form is of the mean, and the logarithm of the reading scatters by a variance of {own[0]:.3g} at a step, more than {WIDEST_STEP:g}"
                )
            location = location - own / 2
        return Ahead(location, own, np.zeros(generations), noise.freedom, left)
