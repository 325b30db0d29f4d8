"""Bounds on readings, relative to their values at generation 0, and the direction in which each reading becomes worse.

A bound is a ratio to the value at generation 0. It is above 1 for a reading that rises as data collapse
(`held_out_perplexity: 1.2` allows a rise by a fifth) and below 1 for one that falls (`tail_survival: 0.8` allows a fall by a fifth).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Literal

from outcross.errors import BadInput
from outcross.measures import Page, standing_for
from outcross.recipe import nearest

Side = Literal["larger", "smaller"]

TAIL_SURVIVAL = "tail_survival"
"""The mean over the frequency bands of the reading of the tails: `rare_words_beyond_prompt`, or `rare_words` if the former was not read."""

WORSE: Mapping[str, Side] = {
    **dict.fromkeys(
        ("held_out_loss", "held_out_perplexity", "held_out_elbo", "bits_per_byte", "group_loss", "mean_error", "w2", "concentration", "verbatim_training"),
        "larger",
    ),
    **dict.fromkeys(
        ("log_variance", "spread_ratio", "latent_spread", "next_token_entropy_spread", "entropy", "support", "groups", "group_share", "group_survival",
         "group_survival_beyond_prompt", "group_representation", "class_representation", "cell_representation", "kept_representation"),
        "smaller",
    ),
}  # fmt: skip
"""The direction in which a reading becomes worse over generations, for readings whose page names no direction for an audit."""

LOGARITHMS = ("log_variance", "excess_loss", "group_loss_gap", "next_token_entropy_change")
"""Readings that are the logarithm of a ratio, and 0 if nothing is lost. A bound applies to that ratio (of variances, of perplexities, or of the effective
numbers of next tokens)."""


class Bounds(Mapping[str, float]):
    """An immutable mapping from the name of a reading to its bound."""

    def __init__(self, ratios: Mapping[str, float] = {}):
        self._ratios = dict(ratios)

    def __getitem__(self, name: str) -> float:
        return self._ratios[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._ratios)

    def __len__(self) -> int:
        return len(self._ratios)

    def __hash__(self) -> int:
        return hash(tuple(sorted(self._ratios.items())))

    def __repr__(self) -> str:
        return f"Bounds({self._ratios!r})"


def read_bounds(value: object, key: str = "stop_when") -> Bounds:
    """Read bounds from plain data. None means no bounds. Raises BadInput if they are not a mapping of names to positive numbers other than 1."""
    if value is None or isinstance(value, Bounds):
        return value or Bounds()
    if not isinstance(value, Mapping):
        raise BadInput(f"{key} must map readings to bounds, got {value!r:.80}; write {key}: {{tail_survival: 0.8}}")
    for name, bound in value.items():
        if isinstance(bound, bool) or not isinstance(bound, int | float) or not math.isfinite(bound) or bound <= 0 or bound == 1:
            raise BadInput(
                f"{key}.{name} must be a positive number other than 1, got {bound!r:.80}; it is the ratio to generation 0: write 0.8 for a fifth less, 1.2 for a fifth more"
            )
    return Bounds({str(name): float(bound) for name, bound in value.items()})


def check_bounds(bounds: Mapping[str, float], pages: Mapping[str, Page], key: str = "stop_when") -> None:
    """Raise BadInput if a bound is on an unknown reading, on one that has no single worse direction, or on the side that is not a loss."""
    known = {**pages, **_composite(pages)}
    for name, bound in bounds.items():
        if name not in known:
            raise BadInput(
                f"{key}.{name} is not a reading of this experiment{nearest(name, known)}; it has {', '.join(sorted(known))[:400]}"
            )
        page = known[name]
        side = side_of(name, page)
        if side is None:
            raise BadInput(
                f"{key}.{name} cannot be bounded on one side: as data collapse it goes {page.collapsed.rstrip('.')}; "
                f"{_others(known)}"
            )
        if not can_be_bounded(name, page):
            raise BadInput(f"{key}.{name} is 0 if nothing is lost, so its ratio to generation 0 has no meaning; {_others(known)}")
        if (bound > 1) != (side == "larger"):
            way, limit = ("rises", "above 1") if side == "larger" else ("falls", "below 1")
            raise BadInput(
                f"{key}.{name} must be {limit}, got {bound:g}: it {way} as data collapse, and the bound is its ratio to generation 0"
            )


def side_of(name: str, page: Page) -> Side | None:
    """The direction in which a reading becomes worse as data collapse; None if it may go either way."""
    if page.worse == "larger" or page.worse == "smaller":
        return page.worse
    return None if page.worse is not None else WORSE.get(name)


def can_be_bounded(name: str, page: Page) -> bool:
    """Whether the ratio of a reading to its value at generation 0 measures how much worse it is."""
    return side_of(name, page) is not None and (name in LOGARITHMS or page.healthy != 0.0)


def _composite(pages: Mapping[str, Page]) -> dict[str, Page]:
    """`tail_survival`, with the page of the reading that it averages; empty if that reading is not read."""
    tail = next((name for name in standing_for("tail") if name in pages), None)
    return {} if tail is None else {TAIL_SURVIVAL: pages[tail]}


def _others(known: Mapping[str, Page]) -> str:
    """The readings that can be bounded, as the way out of an error."""
    names = [name for name, page in known.items() if can_be_bounded(name, page)]
    return f"bound one of {', '.join(sorted(names))[:300]}" if names else "no reading of this experiment can be bounded"


__all__ = ["LOGARITHMS", "TAIL_SURVIVAL", "WORSE", "Bounds", "Side", "can_be_bounded", "check_bounds", "read_bounds", "side_of"]
