"""The size of a loss in one unit for every check: the share of records that would have to change."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from outcross.measures import Page

Direction = Literal["smaller", "larger"]


def records_to_change(value: Any, limit: float, page: Page, about: float, worse: Direction) -> Any:
    """Return the share of synthetic records that would have to change to bring a value to the limit, in [0, 1]. It is 0 if the value is within the
    limit.

    value: a number or an array. `about` is the share of human records that the check is about. `page.change` names the rule:

    - `mass`, for a ratio of shares: a category with the human share p has the share r p here, and the limit is ρ p. Each of n records
      that changes its category moves the share by 1 / n. The result is p (ρ − r), or p (r − ρ) if the category has grown, which may be more than p.
    - `mass`, for a fraction: each record counts once, so the result is |value − limit|, times p if only the records of the category count. The same
      is a bound for a mean over pairs (location, area under a curve): a record is in one pair of every row and moves the mean by at most its own
      share.
    - `excess`, for any other ratio that is worse when it is larger (losses, similarity): p (1 / limit − 1 / value), the missing part of the human
      value.
    - `variance`, `scale`: the total variation distance of two normal laws whose variances have the ratio k = value / limit (its square for a scale):
      2 (Φ(x / √k) − Φ(x)) with x² = k ln(1 / k) / (1 − k). This is the mass that must move from one law to the other. For a constant column it is the
      share of human records that have another value (`statistics.variety.OfOneValue`).
    - `association`: half of the difference. In a 2 × 2 table with even margins, a share w of records that moves to the diagonal raises φ by 2 w.

    >>> from outcross.measures import pages_of_aspect
    >>> share, variance = pages_of_aspect("groups")["share"], pages_of_aspect("spread")["variance"]
    >>> print(f"{records_to_change(0.125, 0.8, share, 0.4, 'smaller'):.3f} {records_to_change(0.5, 0.9, variance, 1.0, 'smaller'):.3f}")
    0.270 0.141
    """
    beyond = limit - value if worse == "smaller" else value - limit
    if np.ndim(beyond) == 0 and not beyond > 0:
        return 0.0
    value = np.asarray(value, dtype=float)
    if page.change in ("variance", "scale"):
        share = _between_normals(value / limit if page.change == "variance" else (value / limit) ** 2)
    elif page.change == "association":
        share = beyond / 2
    elif page.change == "excess":
        with np.errstate(divide="ignore"):
            share = 1 / limit - 1 / np.maximum(value, 1e-12)
    else:
        share = beyond
    share = np.where(beyond > 0, np.clip(about * share, 0.0, most_to_change(page, about, worse)), 0.0)
    return float(share) if share.ndim == 0 else share


def most_to_change(page: Page, about: float, worse: Direction) -> float:
    """Return the upper limit of the share of records that would have to change: the share of human records that the check is about, or all records if
    the check is about a category that has grown.

    >>> from outcross.measures import pages_of_aspect
    >>> pages = pages_of_aspect("groups")
    >>> most_to_change(pages["category_share"], 0.03, "smaller"), most_to_change(pages["category_growth"], 0.03, "larger")
    (0.03, 1.0)
    """
    return 1.0 if page.unit == "ratio" and page.change == "mass" and worse == "larger" else about


def severity(value: float, end: float, limit: float, page: Page, about: float, worse: Direction) -> float:
    """Return the lower confidence bound of the share of records that would have to change, from the end of the interval that is nearest to the limit.

    For numbers of kinds, of pairs and of distinct things the exact smallest number of records is used instead (`statistics.variety`).
    If a group, a column or a tail is gone completely, all the human records that it had count: p (1 − r) at that end.

    >>> from outcross.measures import pages_of_aspect
    >>> share = pages_of_aspect("groups")["share"]
    >>> severity(0.0, 0.0, 0.8, share, 0.015, "smaller"), severity(0.7, 0.85, 0.8, share, 0.4, "smaller")
    (0.015, 0.0)
    """
    if page.unit == "ratio" and page.change == "mass" and worse == "smaller" and value == 0 and end < limit:
        return about * (1 - end)
    return records_to_change(end, limit, page, about, worse)


def _between_normals(k: Any) -> Any:
    """Return the total variation distance between N(0, k) and N(0, 1). k: a number above 0 or an array.

    >>> print(f"{_between_normals(0.25):.4f} {_between_normals(4.0):.4f} {_between_normals(1.0):.4f} {_between_normals(0.0):.4f}")
    0.3227 0.3227 0.0000 1.0000
    """
    from scipy.special import ndtr

    k = np.asarray(k, dtype=float)
    k = np.clip(np.minimum(k, 1 / np.maximum(k, 1e-300)), 1e-300, 1 - 1e-9)
    x = np.sqrt(k * np.log(1 / k) / (1 - k))
    return 2 * (ndtr(x / np.sqrt(k)) - ndtr(x))


WORKED = (
    ("groups.share", "Men fell from 40 % to 5 % of records: r = .125 [.11, .14].", 0.4, 0.125, 0.14, 1.0, "smaller", "0.4 × (0.8 − 0.14)", 0.264),
    ("groups.share", "A category of 1.5 % is gone: r = 0 [0, .1].", 0.015, 0.0, 0.1, 1.0, "smaller", "0.015 × (1 − 0.1): all that it held", 0.0135),
    ("groups.category_growth", "A category grew from 3 % to 9 % of records: r = 3 [2.8, 3.2].", 0.03, 3.0, 2.8, 1.0, "larger", "0.03 × (2.8 − 1 / 0.8)", 0.0465),
    ("structure.column", "A column is gone that 90 % of human records filled.", 0.9, 0.0, 0.0, 1.0, "smaller", "0.9: all that it held", 0.9),
    ("tails.mass", "The upper 1 % of incomes fell to 0.3 %: r = .3 [.2, .45].", 0.01, 0.3, 0.45, 1.0, "smaller", "0.01 × (0.8 − 0.45)", 0.0035),
    ("spread.variance", "A variance halved: .5 [.45, .55].", 1.0, 0.5, 0.55, 1.0, "smaller", "normal laws of variances 0.55 and 0.9", 0.1186),
    ("spread.interquartile_range", "A middle half is half as wide: .5 [.46, .54].", 1.0, 0.5, 0.54, 1.0, "smaller", "normal laws of variances 0.54² and 0.9²", 0.242),
    ("structure.correlation", "A correlation fell by .5 [−.54, −.46].", 1.0, -0.5, -0.46, 0.0, "smaller", "(0.46 − 0.05) / 2", 0.205),
    ("structure.gone_missing", "Missing values rose by 12 points [.10, .14].", 1.0, 0.12, 0.1, 0.0, "larger", "0.10 − 0.02", 0.08),
    ("tails.unseen_categories", "10 % [8 %, 12 %] of records are in categories that no human record has; human samples show 1 %.", 1.0, 0.1, 0.08, 0.01, "larger", "0.08 − (0.01 + 0.01)", 0.06),
    ("coverage.recall", "Recall is .5 [.46, .54]; human samples show .95.", 1.0, 0.5, 0.54, 0.95, "smaller", "0.9 × 0.95 − 0.54", 0.315),
    ("use.loss", "The loss of a model is 1.5 [1.4, 1.6] times as large.", 1.0, 1.5, 1.4, 1.0, "larger", "0.9 − 1 / 1.4", 0.1857),
    ("use.loss_inside", "The loss of a model is 1.5 [1.4, 1.6] times as large in a group of 20 %.", 0.2, 1.5, 1.4, 1.0, "larger", "0.2 × (0.9 − 1 / 1.4)", 0.0371),
)  # fmt: skip
"""Worked examples: check, description, the share of human records that it is about, value, the end of the interval nearest to the limit,
the healthy value, the direction that is worse, the calculation, severity."""
