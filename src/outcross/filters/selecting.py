"""Apply filters one after the other, each to the records that the previous filter kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np

from outcross import own_source
from outcross.data.records import Counts
from outcross.data.selected import JudgedCandidates, chosen
from outcross.errors import BadInput
from outcross.estimate import NotApplicable
from outcross.filters import FILTERS, Filter, Selection
from outcross.filters.of_records import RecordCandidates
from outcross.recipe import kind, many_of, recipe
from outcross.wording import amount


@recipe
class Choice:
    """The filters of a selection, in the order in which they are applied."""

    filters: Annotated[tuple[Filter, ...], many_of(FILTERS, "select")]
    slots: int
    """The requested number of records. Candidates without a prompt compete for this number of slots."""
    content: dict[str, str]
    """The digest of every file that the filters read, and of the source of every user's function that they call, by its name."""


def judged(filters: Sequence[Filter], candidates: RecordCandidates, rng: np.random.Generator) -> JudgedCandidates:
    """Apply the filters and return the result for every candidate.

    Raises BadInput if a filter cannot be applied, keeps no record, or keeps different numbers in the chains.
    """
    shape = (*candidates.chains, len(candidates))
    rows = np.broadcast_to(np.arange(len(candidates)), shape)  # (chains…, n), the remaining candidates
    reason = np.full(shape, -1)
    values = np.full((len(filters), *shape), np.nan)
    reasons: list[str] = []
    notes: list[str] = []
    facts = {}
    for number, part in enumerate(filters):
        selection = _asked(part, candidates, rng)
        if selection.value is not None:
            _put(values[number], rows, selection.value)
        local = np.zeros(selection.times.shape, dtype=np.int64) if selection.reason is None else selection.reason
        gone = np.full(shape, -1)
        _put(gone, rows, np.where(selection.kept, -1, local + len(reasons)))
        reason = np.where((reason < 0) & (gone >= 0), gone, reason)
        reasons += [f"{kind(part)}: {said}" for said in selection.reasons]
        notes += [f"{kind(part)}: {note}" for note in selection.notes]
        facts |= {f"{number} {kind(part)}": dict(selection.facts)} if selection.facts else {}
        kept = chosen(_equal(selection.times, part))
        rows = np.take_along_axis(rows, kept, axis=-1) if rows.ndim > 1 else rows[kept]
        candidates = candidates.take(kept)
    times = _times(rows, shape)
    return JudgedCandidates(times, np.where(times > 0, -1, reason), values, tuple(reasons), tuple(notes), facts)


def counted(filters: Sequence[Filter], records: Counts, shape: tuple[int, int], rng: np.random.Generator) -> JudgedCandidates:
    """Apply the filters to counts whose states are the cells of a table of this shape. `times` of the result are counts of states, (chains…, K)."""
    kept = records.array.reshape(*records.chains, *shape)
    facts: dict[str, Any] = {}
    for number, part in enumerate(filters):
        try:
            kept, said = part.select_counts(kept, rng)
        except BadInput as error:
            raise BadInput(f"select {kind(part)}: {error}") from None
        facts |= {f"{number} {kind(part)}": said} if said else {}
    times = kept.reshape(records.array.shape)
    nothing = np.zeros((*records.chains, 0))
    return JudgedCandidates(times, nothing.astype(np.int64), nothing[None][:0], (), (), facts)


def _asked(part: Filter, candidates: RecordCandidates, rng: np.random.Generator) -> Selection:
    try:
        selection = part.select(candidates, rng)
    except NotApplicable as why:
        raise BadInput(f"select {kind(part)} {why}; choose another filter") from None
    except BadInput as error:
        raise BadInput(f"select {kind(part)}: {error}") from None
    check_selection(part, selection, (*candidates.chains, len(candidates)))
    return selection


def check_selection(part: Filter, selection: Any, shape: tuple[int, ...]) -> None:
    """Raise BadInput if a filter does not return for every candidate how often it is kept."""
    place = own_source.place_of(type(part), "select")
    if not isinstance(selection, Selection):
        raise BadInput(f"{place} must return a Selection, got {selection!r:.80}; write return Selection(times)")
    times = np.asarray(selection.times)
    if times.shape != shape or not np.issubdtype(times.dtype, np.integer) or times.min(initial=0) < 0:
        raise BadInput(
            f"{place} must return how often each of {shape[-1]:,} candidates is kept, as whole numbers of shape {shape}, "
            f"got {times.dtype} of shape {times.shape}"
        )


def _equal(times: np.ndarray, part: Filter) -> np.ndarray:
    """Return `times` unchanged. Raises BadInput if no record is kept, or if chains keep different numbers."""
    sums = times.sum(axis=-1)
    if sums.max(initial=0) == 0:
        raise BadInput(f"select {kind(part)} keeps none of {times.shape[-1]:,} records; loosen it, or raise draw.candidates")
    if sums.min() != sums.max() or (times.ndim > 1 and np.ptp((times > 0).sum(axis=-1))):
        raise BadInput(
            f"select {kind(part)} keeps {amount(sums.min(), 'record')} in one chain and {sums.max():,} in another, and all chains must keep the same number; "
            "choose a filter that keeps a share, or write chains: 1"
        )
    return times


def _put(target: np.ndarray, rows: np.ndarray, values: np.ndarray) -> None:
    """Write values (chains…, m) into `target` at the candidates `rows` (chains…, m)."""
    np.put_along_axis(target, rows, values, axis=-1)


def _times(rows: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return how often each candidate occurs in `rows`, (chains…, n)."""
    flat = rows.reshape(-1, rows.shape[-1]) + shape[-1] * np.arange(rows.size // rows.shape[-1])[:, None]
    return np.bincount(flat.ravel(), minlength=int(np.prod(shape))).reshape(shape)
