"""Statistics of how a series of numbers changes from step to step: a few numbers per record."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from outcross.estimate import NotApplicable

STATES = 5
"""Number of states of a series: the fifths of its own values."""
BANDS = (("slow", 0.0, 1 / 20), ("middle", 1 / 20, 1 / 4), ("fast", 1 / 4, 0.51))
"""Bands of frequencies in cycles per step: more than 20 steps per cycle, 4 to 20, and fewer than 4."""
SHORTEST = 16
"""Minimum number of values of a series."""
LONGEST = 1_024
"""Maximum number of values that are read of a series, from its start."""
SEGMENT = 256
"""Number of values of the segments over which a spectrum is averaged (Welch 1967)."""


@dataclass(frozen=True, eq=False)
class Courses:
    """Series of both sets, cut to the same length, (records, length) each."""

    synthetic: np.ndarray
    reference: np.ndarray
    note: str

    @property
    def both(self) -> np.ndarray:
        return np.concatenate([self.synthetic, self.reference])


def courses(synthetic: list[np.ndarray], reference: list[np.ndarray]) -> Courses:
    """Cut the series of both sets to the length that nine tenths of all series have, because estimates depend on the length.

    Raises NotApplicable if no series is long enough.
    """
    lengths = np.array([values.size for values in (*synthetic, *reference)])
    if not (lengths >= SHORTEST).any():
        raise NotApplicable(f"no series has {SHORTEST} values")
    length = int(min(LONGEST, np.quantile(lengths[lengths >= SHORTEST], 0.1, method="lower")))
    first, second = (
        np.array([values[:length] for values in side if values.size >= length]).reshape(-1, length)
        for side in (synthetic, reference)
    )
    short = int((lengths < length).sum())
    note = f"the first {length} values of each series" + (f"; {short} shorter ones are left out" if short else "")
    return Courses(first, second, note)


def autocorrelation(series: np.ndarray, lag: int) -> np.ndarray:
    """Return the autocorrelation of each series (records, length) at a lag, in [-1, 1], (records,). It is 0 for a constant series."""
    centred = series - series.mean(axis=1, keepdims=True)
    power = (centred**2).sum(axis=1)
    return (centred[:, lag:] * centred[:, : series.shape[1] - lag]).sum(axis=1) / np.where(is_constant(series), np.inf, power)


def longer_lags(length: int) -> tuple[int, ...]:
    """Return lags from 3 to a third of the length of the series. Each is larger than the one before by a third or a half.

    >>> longer_lags(64)
    (3, 4, 6, 8, 12, 16)
    """
    powers = [first << i for i in range(length.bit_length()) for first in (3, 4)]
    return tuple(lag for lag in powers if lag <= length // 3)


def is_constant(series: np.ndarray) -> np.ndarray:
    """Return whether each series is constant up to rounding, (records,)."""
    return np.ptp(series, axis=1) <= 1e-12 * np.abs(series).max(axis=1)


def spectra(series: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the frequencies above 0, in cycles per step, and the share of each series' power at each, (records, frequencies).

    The shares are NaN for a constant series.
    """
    from scipy.signal import welch

    frequencies, power = welch(series, nperseg=min(SEGMENT, series.shape[1]), axis=1)
    power = power[:, 1:]
    whole = power.sum(axis=1, keepdims=True)
    return frequencies[1:], power / np.where(is_constant(series)[:, None] | (whole <= 0), np.nan, whole)


def season(series: np.ndarray) -> int | None:
    """Return the period of the series in steps, from the peak of the mean spectrum. None if there is no clear peak.

    It is computed from all series together, so that it favours neither set.
    """
    frequencies, shares = spectra(series)
    shares = shares[np.isfinite(shares).all(axis=1)]
    if not len(shares):
        return None
    course = shares.mean(axis=0)
    # A trend has its power in the lowest frequencies and is not a season.
    inside = np.flatnonzero(frequencies >= 3 / min(SEGMENT, series.shape[1]))
    peak = inside[np.argmax(course[inside])] if inside.size else 0
    if not inside.size or peak == inside[0] or course[peak] < 3 * np.median(course):
        return None
    near = range(max(3, int(0.8 / frequencies[peak])), min(series.shape[1] // 3, int(1.25 / frequencies[peak]) + 1) + 1)
    if not near:
        return None
    return max(near, key=lambda lag: float(autocorrelation(series, lag).mean()))


def bands(series: np.ndarray) -> np.ndarray:
    """Return the share of power in each band, (records, bands). It is NaN for a constant series."""
    frequencies, shares = spectra(series)
    return np.stack([shares[:, (frequencies >= low) & (frequencies < high)].sum(axis=1) for _, low, high in BANDS], axis=1)


def spectral_entropy(series: np.ndarray) -> np.ndarray:
    """Return the entropy of the shares of power divided by that of white noise, in [0, 1], (records,). It is NaN for a constant series."""
    _, shares = spectra(series)
    return -(shares * np.log(np.where(shares > 0, shares, 1.0))).sum(axis=1) / np.log(shares.shape[1])


def log_variance(series: np.ndarray, smallest: float) -> np.ndarray:
    """Return the logarithm of the variance of each series, (records,). Variances below `smallest` count as `smallest`."""
    return np.log(np.maximum(series.var(axis=1), smallest))


def transitions(series: np.ndarray) -> np.ndarray:
    """Return the shares of each series' transitions between states, (records, states²). The states are the fifths of its own values.

    The shares are NaN for a constant series.
    """
    order = np.sort(series, axis=1)
    edges = order[:, [series.shape[1] * i // STATES for i in range(1, STATES)]]
    states = (series[:, :, None] >= edges[:, None, :]).sum(axis=2)
    moves = states[:, :-1] * STATES + states[:, 1:]
    cells = np.arange(len(series))[:, None] * STATES**2 + moves
    counts = np.bincount(cells.ravel(), minlength=len(series) * STATES**2).reshape(len(series), STATES**2)
    return np.where(is_constant(series)[:, None], np.nan, counts / max(1, moves.shape[1]))


def entropy_rate(moves: np.ndarray) -> np.ndarray:
    """Return the entropy of the next state given the present state, divided by the largest possible entropy, in [0, 1].

    moves: shares of transitions, (records, states²).
    """
    joint = moves.reshape(-1, STATES, STATES)
    here = joint.sum(axis=2, keepdims=True)
    share = joint / np.where(here > 0, here, 1.0)
    return -(joint * np.log(np.where(share > 0, share, 1.0))).sum(axis=(1, 2)) / np.log(STATES)
