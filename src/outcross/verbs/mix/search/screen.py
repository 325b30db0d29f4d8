"""The terminal output of a search for the best shares."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from outcross.escapes import escaped
from outcross.verbs.terminal import wrapped


def search_lines(search: Any, width: int) -> Iterator[str]:
    """Yield the lines of a search: its trials, the proposal, and its loss beside the rivals. Others may have written it, so that it is escaped."""
    if not isinstance(search, dict):
        return
    mixes, proposal = search.get("mixes"), search.get("proposal")
    tried = (
        f"{len(mixes)} small mixes tried, {escaped(str(search.get('seeds')))} samples each"
        if isinstance(mixes, list)
        else f"the share curve of {escaped(str(search.get('share_of')))}"
    )
    yield from wrapped(f"search: {tried}; {escaped(str(search.get('note')))}", width)
    yield from wrapped(f"losses are measured on {escaped(str(search.get('measured_on')))}", width)
    if isinstance(proposal, dict) and isinstance(proposal.get("shares"), dict):
        said = [f"{escaped(str(name))} {_share(share)}" for name, share in proposal["shares"].items() if isinstance(share, dict)]
        yield from wrapped(f"proposed shares of {escaped(str(proposal.get('unit')))} [95 %]: {', '.join(said)}", width, hang=4)
    test = search.get("back_test")
    held_out, regret = (test.get("held_out"), test.get("regret")) if isinstance(test, dict) else (None, None)
    if isinstance(held_out, dict) and all(isinstance(held_out.get(name), dict) for name in ("law", "linear")):
        yield from wrapped(
            f"on {_number(held_out.get('mixes'))} held-out mixes the mean error of the law is {_number(held_out['law'].get('mean_error'))} "
            f"{escaped(str(search.get('loss')))}, that of a linear model {_number(held_out['linear'].get('mean_error'))}",
            width,
        )
    if isinstance(regret, dict):
        said = [
            f"{escaped(str(name))} {_number(estimate.get('value'))} [{_number(estimate.get('low'))}, {_number(estimate.get('high'))}]"
            for name, estimate in regret.items()
            if isinstance(estimate, dict)
        ]
        yield from wrapped(f"loss above the lowest measured loss [95 %]: {', '.join(said)}", width, hang=4)


def _share(share: dict[str, Any]) -> str:
    low, high = share.get("low"), share.get("high")
    ends = "" if low is None or high is None else f" [{_number(low)}, {_number(high)}]"
    return f"{_number(share.get('value'))}{ends}"


def _number(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, int | float) and not isinstance(value, bool) else "–"
