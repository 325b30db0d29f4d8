"""Numbers in readable form."""

from __future__ import annotations

import math

NONE = "\N{EN DASH}"
ROUNDING = 1e-12
"""Relative size of a difference below which it may be a rounding error."""


def number(value: float | None, digits: int = 4) -> str:
    """A number with some significant digits. Below a million, no digit before the decimal point is dropped.

    >>> number(5166.2), number(0.2), number(61.0), number(2.5e9), number(None)
    ('5,166', '0.2', '61', '2.5e+09', '–')
    """
    if value is None:
        return NONE
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1e6 or size < 1e-4:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        return f"{mantissa.rstrip('0').rstrip('.') if '.' in mantissa else mantissa}e{exponent}"
    decimals = max(0, digits - 1 - math.floor(math.log10(size)))
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def decimal(value: float) -> str:
    """A number with two decimals, such as an exponent. Zero has no sign.

    >>> decimal(-0.9871), decimal(-1e-15)
    ('-0.99', '0.00')
    """
    return f"{round(value, 2) + 0.0:.2f}"


def estimated(value: float, low: float, high: float) -> str:
    """A number with its interval, to the first uncertain digit but with at least two decimals.

    An interval that is no wider than rounding errors is shown without width.

    >>> estimated(-0.99981, -1.0027, -0.9969), estimated(2.0, 1.0, 3.0), estimated(0.0, -9.6e-5, 9.6e-5), estimated(0.0, -2e-16, 2e-16)
    ('-1.000 [-1.003, -0.997]', '2.00 [1.00, 3.00]', '0.00000 [-0.00010, 0.00010]', '0.00 [0.00, 0.00]')
    """
    half = (high - low) / 2
    places = max(2, -math.floor(math.log10(half))) if half > ROUNDING * max(1.0, abs(value)) else 2
    shown, first, last = (f"{round(each, places) + 0.0:.{places}f}" for each in (value, low, high))
    return f"{shown} [{first}, {last}]"


def percent(fraction: float) -> str:
    """A fraction in [0, 1] in percent.

    >>> percent(0.04), percent(0.0412), percent(0.848)
    ('4\\xa0%', '4.1\\xa0%', '85\\xa0%')
    """
    return f"{number(100 * fraction, 2)}\N{NO-BREAK SPACE}%"


def times(ratio: float) -> str:
    """A ratio with two significant digits.

    >>> times(84.69), times(3.61), times(1.004)
    ('×85', '×3.6', '×1.0')
    """
    return f"\N{MULTIPLICATION SIGN}{ratio:.1f}" if 0.95 <= ratio < 9.95 else f"\N{MULTIPLICATION SIGN}{number(ratio, 2)}"
