"""Laws of several lines of models that learn from each other's records, or only from their own.

There are `lines` lines with n records per fit each, so a generation has `lines` × n records. A record is a number of variance 1 (a mean
error is in units of this variance) or a state as a one-hot vector. The laws use only second moments, so they need no further assumption on the
distribution. T counts fits: T = 1 is the fit to human records, of which every line has its own n. W is the expected variance of a
fitted line, and D is the expected variance of the lines' means about their common mean (divisor `lines`). The records of all lines together have
the variance W + D. In population genetics this is Wright's island model.

For a single line of all records see `gaussian.variance_replace`. The divisor of a fit and the temperature affect W as in that law.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from outcross.errors import BadInput
from outcross.laws.gaussian import Divisor


class LineMoments(NamedTuple):
    """The second moments of several lines over T = 1 … fits, in true variances."""

    within: np.ndarray
    """W: the variance of a fitted line, averaged over lines. (fits,)"""
    between: np.ndarray
    """D: the variance of the lines' means about their common mean. (fits,)"""
    mean_error: np.ndarray
    """The squared error of the common mean. (fits,)"""

    @property
    def pooled(self) -> np.ndarray:
        """W + D: the variance of the records of all lines together; 1 is healthy, 0 is collapsed."""
        return self.within + self.between


def lines_by_quotas(
    n: int, fits: int, *, lines: int, migrants: float, divisor: Divisor = "n", temperature: float = 1.0
) -> LineMoments:
    """Moments of lines that take the share m = `migrants` of their records from the other lines, in equal parts (L1).

    W' = (1 − 1/n) W + B and D' = ρ² D + (1 − 1/k) W/n, with the number k of lines, ρ = 1 − m k/(k − 1) and
    B = [1 − (1 − m)² − m²/(k − 1)] D k/(k − 1). For m = 0 the lines are isolated. For m = 1 − 1/k they exchange records by equal quotas, with
    B = D and ρ = 0. Exact if each record is written once and learned by one line. At every m the sum obeys W' + D' = D + W (1 − 1/(k n)): a
    generation loses a part of the variance within lines and nothing of the variance between lines, and migrants convert the latter into the former.

    Source: derived here.

    >>> round(float(lines_by_quotas(25, 10, lines=4, migrants=0.75).pooled[-1]), 6)
    0.90681
    """
    return _followed(n, fits, lines, migrants, divisor, temperature, is_drawn=False)


def lines_at_random(
    n: int, fits: int, *, lines: int, migrants: float, divisor: Divisor = "n", temperature: float = 1.0
) -> LineMoments:
    """Moments of lines in which every record comes from another line with probability m = `migrants`, all equally likely (L2).

    W' = (1 − 1/n)(W + B) and D' = ρ² D + (1 − 1/k)(W + B)/n, with B and ρ as in `lines_by_quotas`. At m = 1 − 1/k a record comes from all lines
    with the same probability. Then W + D = (1 − 1/(k n))^T, exactly as for a single line of all records. Exact.

    Source: derived here.

    >>> round(float(lines_at_random(25, 10, lines=4, migrants=0.75).pooled[-1]), 6)
    0.904382
    """
    return _followed(n, fits, lines, migrants, divisor, temperature, is_drawn=True)


def lines_isolated(n: int, fits: int, *, lines: int) -> np.ndarray:
    """W + D of lines that learn only from their own records, divisor n (L3).

    1 − (1/k)[1 − (1 − 1/n)^T], whose limit is 1 − 1/k and not 0: every line collapses, but each to a different point. Exact.

    Source: derived here.

    >>> round(float(lines_isolated(25, 100, lines=4)[-1]), 6)
    0.754218
    """
    return 1 - (1 - (1 - 1 / n) ** np.arange(1, fits + 1)) / lines


def _followed(n: int, fits: int, lines: int, migrants: float, divisor: Divisor, temperature: float, is_drawn: bool) -> LineMoments:
    if lines < 1 or not 0 <= migrants <= 1 or (lines == 1 and migrants):
        raise BadInput(f"migrants must be in [0, 1], the share of records that other lines wrote, got {migrants} for {lines} lines")
    bias = 1.0 if divisor == "n" else n / (n - 1)
    others = max(lines - 1, 1)
    kept, apart = 1 - migrants * lines / others, 1 - (1 - migrants) ** 2 - migrants**2 / others
    moments = np.empty((3, fits))
    moments[:, 0] = bias * (1 - 1 / n), (1 - 1 / lines) / n, 1 / (lines * n)
    for fit in range(1, fits):
        within, between, error = moments[:, fit - 1]
        written = temperature * within
        mixed = apart * between * lines / others
        noise = (written + (mixed if is_drawn else 0)) / n
        fitted = (1 - 1 / n) * (written + mixed) if is_drawn else (1 - 1 / n) * written + mixed
        moments[:, fit] = bias * fitted, kept**2 * between + (1 - 1 / lines) * noise, error + noise / lines
    return LineMoments(*moments)
