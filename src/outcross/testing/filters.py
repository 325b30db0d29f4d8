"""The promises of filters."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from outcross.errors import BadInput
from outcross.estimate import NotApplicable
from outcross.filters import FilterPage, Selection
from outcross.testing.candidates import GivenCandidates, N, candidates
from outcross.testing.promises import Broken, promise, require, require_page, unchanged


def select(part: Any, given: GivenCandidates, seed: int = 3) -> Selection:
    """The selection of a filter. Raises Broken if it is not a Selection of these candidates."""
    selection = part.select(given, np.random.default_rng(seed))
    if not isinstance(selection, Selection):
        raise Broken(f"it must give a Selection, got {selection!r:.60}; write return Selection(times)", "select")
    times, shape = np.asarray(selection.times), (*given.chains, len(given))
    require(
        times.shape == shape,
        f"times must hold for each of {len(given)} candidates how often it is kept, got shape {times.shape}",
        "select",
    )
    require(
        np.issubdtype(times.dtype, np.integer), f"times must be whole numbers, got {times.dtype}; write times.astype(int)", "select"
    )
    require(times.min(initial=0) >= 0, "times holds a negative number", "select")
    return selection


@promise("It has a page: a title, a definition, how it can harm, and its paper.")
def has_a_page(part: Any) -> None:
    require_page(type(part).page, FilterPage, ("title", "definition", "misleads", "paper"))


@promise("The same candidates and stream give the same selection, and no candidate is changed.")
def is_pure(part: Any) -> None:
    given = candidates()
    is_same = unchanged([given.array])
    frame = given.frame.clone()
    first, again = (select(part, given) for _ in range(2))
    require(
        np.array_equal(first.times, again.times),
        "the same stream gave another selection; draw from the rng that you are given",
        "select",
    )
    require(is_same() and given.frame.equals(frame), "it changes the candidates", "select")
    require(first.kept.any(), f"it keeps none of {N} ordinary candidates", "select")


@promise(
    "It gives a reason for every rejected candidate and for no other, and a value for each candidate that it judged by a number."
)
def gives_reasons(part: Any) -> None:
    selection = select(part, candidates())
    require(selection.reasons and all(selection.reasons), 'it has no reasons; write reasons=("too short",)', "select")
    if selection.reason is not None:
        require(
            np.asarray(selection.reason).shape == selection.times.shape,
            f"reason has shape {np.asarray(selection.reason).shape}",
            "select",
        )
        require(
            np.array_equal(selection.reason >= 0, ~selection.kept),
            "reason must be -1 for each kept candidate, and an index of reasons for all others",
            "select",
        )
        require(selection.reason.max(initial=-1) < len(selection.reasons), "reason has an index that is not in reasons", "select")
    if selection.value is not None:
        require(
            np.asarray(selection.value).shape == selection.times.shape,
            f"value has shape {np.asarray(selection.value).shape}",
            "select",
        )
    if selection.weights is not None:
        weights = np.asarray(selection.weights, float)
        require(
            weights.shape == selection.times.shape and np.isfinite(weights).all() and (weights >= 0).all(),
            "weights must be finite numbers from 0, one per candidate",
            "select",
        )


@promise("It keeps a number of candidates within its bounds.")
def keeps_within_its_bounds(part: Any) -> None:
    fewest, largest = part.bounds(N)
    require(0 <= fewest <= largest, f"bounds gives {fewest} and {largest}", "bounds")
    for seed in range(3):
        kept = int(select(part, candidates(seed), seed).times.sum())
        require(fewest <= kept <= largest, f"it keeps {kept} of {N}, but its bounds are {fewest} to {largest}", "bounds")


@promise("It reads only the columns that it names.")
def reads_the_columns_it_says(part: Any) -> None:
    given = candidates()
    named = part.reads(given.columns)
    require(set(named) <= set(given.columns), f"it names columns that do not exist: {named}", "reads")
    columns = [column for column in given.frame.columns if column in named or column in ("text", "_author", "_model")]
    few = replace(given, frame=given.frame.select(columns), people=replace(given.human, frame=given.human.frame.select(columns)))
    try:
        same = np.array_equal(select(part, few).times, select(part, given).times)
    except BadInput as error:
        raise Broken(f"without the other columns it is refused: {error}", "reads") from None
    require(same, "columns that it does not name change its selection", "reads")


@promise("It accepts an empty set of candidates and a single candidate, or refuses them in one line.")
def takes_few_candidates(part: Any) -> None:
    for few in (0, 1):
        try:
            select(part, candidates().in_order(np.arange(few)))
        except (BadInput, NotApplicable) as why:  # for example, all weights are 0
            require("\n" not in str(why) and len(str(why)) > 20, f"its refusal is not one line of words: {why}", "select")


@promise("It works without human records, or says that it compares with them.")
def works_without_people(part: Any) -> None:
    given = candidates(people=False)
    alone = replace(given, frame=given.frame.with_columns(_author=pl.lit("model"), _model=pl.lit("one")))
    try:
        select(part, alone)
    except NotApplicable as why:
        require("human" in str(why), f"its refusal does not name human records: {why}", "select")


@promise("A record that is rejected because it matches another one is matched with a record that is kept.")
def matches_what_stays(part: Any) -> None:
    given = candidates()
    texts = given.frame["text"].to_list()
    selection = select(part, replace(given, frame=given.frame.with_columns(pl.Series("text", texts[: N // 2] * 2))))
    if selection.match is not None:
        gone = selection.match >= 0
        require(
            selection.kept[selection.match[gone]].all() and not selection.kept[gone].any(),
            "match names a record that is rejected itself",
            "select",
        )


@promise("It selects the points of each chain separately.")
def selects_in_each_chain(part: Any) -> None:
    if "points" not in part.needs:
        return
    alone = candidates()
    human = alone.human
    pair = np.stack([alone.array, alone.array + 50])
    given = replace(alone, array=pair, people=replace(human, array=np.stack([human.array, human.array])))
    try:
        of_two = select(part, given).times
    except (BadInput, NotApplicable):
        return
    for number, points in enumerate(pair):
        first, again = (select(part, replace(alone, array=points), seed).times for seed in (3, 4))
        if np.array_equal(first, again):  # otherwise it draws at random, and several chains have other draws
            require(
                np.array_equal(of_two[number], first),
                f"of {int(first.sum())} candidates that it keeps in a single chain, it keeps {int((of_two[number] * (first > 0)).sum())} if "
                "there is a second chain; points are (chains…, n, d): judge along the axes -2 and -1",
                "select",
            )


def outcome(part: Any) -> str:
    """The selection of a filter, to be compared with the one in another process."""
    selection = select(part, candidates())
    return repr(
        [
            selection.times.tolist(),
            None if selection.value is None else np.asarray(selection.value, float).tobytes().hex(),
            selection.reasons,
        ]
    )


PROMISES = (
    has_a_page, is_pure, gives_reasons, keeps_within_its_bounds, reads_the_columns_it_says, takes_few_candidates, works_without_people,
    matches_what_stays, selects_in_each_chain,
)  # fmt: skip
