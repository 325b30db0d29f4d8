"""How numbers, times and tables are written on the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def as_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; every row has as many cells as the head."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def as_estimate(estimate: Mapping[str, Any], form: str = ".3f") -> str:
    """A value with its 95 % interval.

    >>> as_estimate({"value": 0.12345, "low": 0.1, "high": 0.15}), as_estimate({"value": -2.0, "low": None, "high": None}, "+.1f")
    ('0.123 [0.100, 0.150]', '-2.0 (no interval)')
    """
    value = format(estimate["value"], form)
    if estimate.get("low") is None:
        return f"{value} (no interval)"
    return f"{value} [{format(estimate['low'], form)}, {format(estimate['high'], form)}]"


def as_time(seconds: float) -> str:
    """Three digits, in the unit that suits them.

    >>> as_time(612), as_time(0.25), as_time(0.0012), as_time(9e-6)
    ('10.2 min', '0.25 s', '1.2 ms', '9 µs')
    """
    if seconds >= 300:
        return f"{seconds / 60:.1f} min"
    if seconds >= 0.1:
        return f"{short(seconds)} s"
    return f"{short(seconds * 1e3)} ms" if seconds >= 1e-3 else f"{short(seconds * 1e6)} µs"


def short(value: float) -> str:
    """Three digits.

    >>> short(1117.9), short(12.34), short(0.07371)
    ('1,120', '12.3', '0.0737')
    """
    return grouped(value) if value >= 100 else format(value, ".3g")


def grouped(value: float) -> str:
    """Three digits, with commas between thousands.

    >>> grouped(1117.9), grouped(351234)
    ('1,120', '351,000')
    """
    return f"{float(format(value, '.3g')):,.0f}"
