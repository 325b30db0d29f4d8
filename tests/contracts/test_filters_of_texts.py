"""Promises of every filter, whatever it is given."""

from __future__ import annotations

import numpy as np
import pytest
from given_candidates import Given

from outcross.errors import BadInput
from outcross.estimate import NotApplicable
from outcross.filters import FILTERS, FilterPage, Selection
from outcross.ledger.reach import NOT_DECIDING, reached
from outcross.recipe import member, read

TEST_SET = [{"text": "the very sentence that a test asks of everybody who comes along here today and tomorrow too"}]
SETTINGS = {
    "best_of": {"by": "words"},
    "route": {"rule": "reward", "reward": {"column": "score"}},
    "decontaminate": {},
    "drop_boilerplate": {"texts": 2},
}
"""Settings under which a filter draws nothing, so that the order of candidates cannot matter."""
PACKAGES = {"PIL": "pillow", "sklearn": "scikit-learn"}
WORDS = [
    "tower",
    "night",
    "storm",
    "river",
    "stone",
    "bread",
    "window",
    "garden",
    "letter",
    "winter",
    "summer",
    "horse",
    "candle",
    "bridge",
    "market",
]


def some(n: int, seed: int = 0) -> Given:
    """Candidates of three teachers and of people, four to a prompt, of different lengths and scores; every tenth says what another says."""
    rng = np.random.default_rng(seed)
    texts = [" ".join(rng.choice(WORDS, 3 + number)) for number in range(n)]
    texts = [texts[number - 5] if number % 10 == 9 else text for number, text in enumerate(texts)]
    people = Given([" ".join(rng.choice(WORDS, 12)) for _ in range(20)])
    wrote = ["" if number % 4 == 3 else "abc"[number % 4] for number in range(n)]
    return Given(
        texts,
        {
            "score": [float(score) for score in rng.permutation(n)],
            "language": [("en", "mt")[number // 4 % 2] for number in range(n)],
        },
        asked=[f"prompt {number // 4}" for number in range(n)],
        who=["model" if name else "human" for name in wrote],
        wrote=wrote,
        people=people,
    )


@pytest.fixture(params=FILTERS)
def one(request, tmp_path):
    import polars

    told = {"kind": request.param} | SETTINGS.get(request.param, {})
    if request.param == "decontaminate":
        polars.DataFrame(TEST_SET).write_ndjson(tmp_path / "test.jsonl")
        told["path"] = str(tmp_path / "test.jsonl")
    return read(FILTERS, told, "filter")


def select(one, candidates, seed=0) -> Selection:
    return one.select(candidates, np.random.default_rng(seed))


def reasons(selection: Selection) -> list[str]:
    """The reason of each in words, empty where it is kept."""
    reason = np.zeros(selection.times.shape, int) if selection.reason is None else selection.reason
    return ["" if kept else selection.reasons[number] for kept, number in zip(selection.kept, reason, strict=True)]


def test_a_filter_says_what_it_is_and_how_it_can_harm(one):
    assert isinstance(one.page, FilterPage) and all((one.page.title, one.page.definition, one.page.misleads, one.page.paper))
    assert isinstance(one.prefers, str) and one.needs in ((), ("texts",), ("points",))


def test_the_order_of_candidates_decides_nothing(one):
    candidates, order = some(40), np.random.default_rng(1).permutation(40)
    straight, turned = select(one, candidates), select(one, candidates.take(order.tolist()))
    assert np.array_equal(straight.times[order], turned.times) and np.array(reasons(straight))[order].tolist() == reasons(turned)
    if straight.value is not None:
        assert turned.value is not None and np.array_equal(straight.value[order], turned.value, equal_nan=True)


def test_the_same_stream_gives_the_same_selection_and_changes_no_candidate(one):
    candidates = some(40)
    texts, columns = list(candidates.texts), {name: list(values) for name, values in candidates.data.items()}
    first, again = select(one, candidates), select(one, candidates)
    assert np.array_equal(first.times, again.times) and reasons(first) == reasons(again)
    assert texts == candidates.texts and columns == candidates.data


def test_every_rejected_candidate_has_a_reason_and_a_match_that_is_kept(one):
    candidates = some(40)
    found = select(one, candidates)
    assert found.times.shape == (40,) and found.times.dtype.kind == "i" and (found.times >= 0).all()
    assert found.reason is None or np.array_equal(found.reason >= 0, ~found.kept)
    if found.match is not None:
        matched = found.match[found.match >= 0]
        assert found.kept[matched].all() and not found.kept[found.match >= 0].any()
    low, high = one.bounds(40)
    assert low <= found.times.sum() <= high


def test_no_candidate_and_one_candidate_are_candidates_too(one):
    assert select(one, some(0)).times.shape == (0,)
    assert select(one, some(1)).times.tolist() == [1]


def test_a_filter_works_without_human_records_or_says_that_it_needs_them(one):
    from dataclasses import replace

    alone = replace(some(40), people=None, who=["model"] * 40, wrote=["abc"[number % 3] for number in range(40)])
    try:
        assert select(one, alone).times.shape == (40,)
    except NotApplicable as why:
        assert "human" in str(why)


@pytest.mark.parametrize("name", ["best_of", "route"])
def test_a_candidate_without_a_number_is_rejected_with_the_reason(name):
    candidates = some(40)
    candidates.data["score"][7] = float("nan")
    candidates.data["score"][8] = None
    settings = {"by": {"column": "score"}} if name == "best_of" else {"rule": "reward", "reward": {"column": "score"}}
    found = select(read(FILTERS, {"kind": name} | settings, "filter"), candidates)
    assert reasons(found)[8] == "it has no number" and found.value is not None and np.isnan(found.value[8])
    assert name == "route" or reasons(found)[7] == "it has no number"


@pytest.mark.parametrize("name", ["best_of", "route"])
def test_where_many_have_no_number_the_filter_stops_and_says_how_many(name):
    candidates = some(40)
    candidates.data["score"][::2] = [None] * 20
    settings = {"by": {"column": "score"}} if name == "best_of" else {"rule": "reward", "reward": {"column": "score"}}
    with pytest.raises(
        BadInput, match=r"score has no number for 20 of 40 candidates, more than 0\.1 of them; mend it, or raise most_missing"
    ):
        select(read(FILTERS, {"kind": name} | settings, "filter"), candidates)
    assert select(read(FILTERS, {"kind": name, "most_missing": 0.6} | settings, "filter"), candidates).times.any()


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_declares_the_libraries_that_its_source_imports(name):
    cls = member(FILTERS, name, "filter")
    imported = {PACKAGES.get(library, library) for library in reached([(cls.__module__, None)]).libraries - NOT_DECIDING.keys()}
    assert imported - {"numpy"} == {*cls.libraries}
