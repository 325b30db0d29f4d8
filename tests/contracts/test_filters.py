"""Promises of every filter; members are found by themselves, each with candidates that it can judge."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from outcross.errors import BadInput
from outcross.estimate import NotApplicable
from outcross.filters import FILTERS, FilterPage
from outcross.ledger.reach import NOT_DECIDING, reached
from outcross.recipe import member, plain, read

N = 60


@dataclass(frozen=True)
class Stored:
    """Candidates of every kind at once, by example. Chains have points alone."""

    frame: pl.DataFrame
    array: np.ndarray
    people: "Stored | None" = None
    of_prompt: np.ndarray | None = None

    def __len__(self):
        return self.array.shape[-2]

    @property
    def chains(self):
        return self.array.shape[:-2]

    @property
    def texts(self):
        return self.frame["text"].to_list()

    @property
    def points(self):
        return self.array

    @property
    def columns(self):
        return self.frame.columns

    def column(self, name):
        if name not in self.frame.columns:
            raise BadInput(f"there is no column {name!r}")
        return self.frame[name]

    @property
    def prompts(self):
        return np.arange(len(self)) % 20 if self.of_prompt is None else self.of_prompt

    @property
    def prompt_texts(self):
        return [f"prompt {number}" for number in self.prompts]

    @property
    def authors(self):
        return self.frame["_author"].to_numpy()

    @property
    def models(self):
        return self.frame["_model"].to_numpy()

    @property
    def human(self):
        if self.people is None:
            raise NotApplicable("compares with human records, there are none here")
        return self.people

    def in_order(self, order):
        return replace(self, frame=self.frame[order], array=self.array[..., order, :], of_prompt=self.prompts[order])


def candidates(seed=0, chains=(), people=True):
    rng = np.random.default_rng(seed)
    words = ["rain", "falls", "on", "green", "hills", "and", "rivers", "sleep", "under", "snow"]
    frame = pl.DataFrame(
        {
            "text": [" ".join(rng.choice(words, rng.integers(3, 12))) for _ in range(N)],
            "score": rng.normal(size=N),
            "q": rng.random(N),
            "label": rng.choice(["a", "b"], N),
            "group": rng.choice(["f", "m"], N, p=[0.3, 0.7]),
            "right": rng.random(N) < 0.7,
            "_author": np.where(np.arange(N) % 3 == 0, "human", "model"),
            "_model": np.where(np.arange(N) % 3 == 0, "", np.where(np.arange(N) % 2, "one", "other")),
        }
    )
    stored = Stored(frame, rng.normal(size=(*chains, N, 2)))
    return replace(stored, people=candidates(seed + 1, people=False)) if people else stored


MADE = {
    "central": {"share": 0.4},
    "outlying": {"share": 0.4},
    "random": {"share": 0.4},
    "verify": {
        "rules": ["score > -0.5 and label in ('a', 'b')"],
        "patterns": {"text": "rain|snow"},
        "truth": "right",
        "answers": 2,
    },
    "star": {"columns": ["label", "group"]},
    "importance": {"column": "q"},
    "best_of": {"by": {"column": "score"}},
    "route": {"rule": "reward", "reward": {"column": "score"}},
    "decontaminate": {"path": str(Path(__file__).parent / "test_set.txt"), "run": 3},
    "drop_boilerplate": {"texts": 2},
}
"""Settings by which a member can judge these candidates; {} where it needs none."""
IN_ORDER = {"random", "importance", "star", "reweigh", "equalise", "oversample"}
"""Members whose choice depends on the order of the candidates through what they draw, or because the first are served first."""


def made(name):
    return read(FILTERS, {"kind": name} | MADE.get(name, {}), "filter")


def select(name, given, seed=3):
    return made(name).select(given, np.random.default_rng(seed))


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_has_a_page_and_says_how_it_can_harm(name):
    page = member(FILTERS, name, "filter").page
    assert isinstance(page, FilterPage) and page.title and page.definition and page.misleads and page.paper


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_is_pure_and_gives_a_reason_for_every_rejected_candidate_and_no_other(name):
    given = candidates()
    before = given.array.copy()
    one, again = (select(name, given) for _ in range(2))
    assert np.array_equal(one.times, again.times) and np.array_equal(given.array, before)
    assert one.times.shape == (N,) and np.issubdtype(one.times.dtype, np.integer) and one.times.min() >= 0 and one.kept.any()
    if one.reason is not None:
        assert np.array_equal(one.reason >= 0, ~one.kept) and one.reason.max() < len(one.reasons)
    assert one.reasons and all(one.reasons)
    if one.value is not None:
        assert one.value.shape == (N,)


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_keeps_as_many_as_it_said_before_it_looked(name):
    least, most = made(name).bounds(N)
    for seed in range(3):
        assert least <= select(name, candidates(seed), seed).times.sum() <= most


@pytest.mark.parametrize("name", [name for name in FILTERS if name not in IN_ORDER])
def test_the_order_of_candidates_decides_nothing(name):
    given, order = candidates(), np.random.default_rng(5).permutation(N)
    assert np.array_equal(select(name, given.in_order(order)).times, select(name, given).times[order])


@pytest.mark.parametrize("name", ["central", "outlying", "random"])
def test_a_filter_of_points_selects_in_each_chain_on_its_own_and_as_many(name):
    given = candidates(chains=(4, 2))
    told = select(name, given)
    assert told.times.shape == (4, 2, N) and np.ptp(told.times.sum(axis=-1)) == 0
    if name != "random":
        alone = replace(given, array=given.array[2, 1])
        assert np.array_equal(select(name, alone).times, told.times[2, 1])


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_reads_the_columns_that_it_says(name):
    given = candidates()
    named = made(name).reads(given.columns)
    assert set(named) <= set(given.columns)
    others = [column for column in given.frame.columns if column in named or column in ("text", "_author", "_model")]
    few = replace(given, frame=given.frame.select(others), people=replace(given.human, frame=given.human.frame.select(others)))
    assert np.array_equal(select(name, few).times, select(name, given).times)


@pytest.mark.parametrize("name", FILTERS)
def test_no_candidate_and_one_candidate_are_candidates_too(name):
    for few in (0, 1):
        try:
            told = select(name, candidates().in_order(np.arange(few)))
        except (BadInput, NotApplicable) as why:  # as of weights that are all 0
            assert "\n" not in str(why) and len(str(why)) > 20
        else:
            assert told.times.shape == (few,)


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_works_without_human_records_or_says_that_it_compares_with_them(name):
    given = candidates(people=False)
    alone = replace(given, frame=given.frame.with_columns(_author=pl.lit("model"), _model=pl.lit("one")))
    try:
        assert select(name, alone).times.shape == (N,)
    except NotApplicable as why:
        assert "human" in str(why)


@pytest.mark.parametrize("name", FILTERS)
def test_a_record_goes_for_the_sake_of_one_that_stays(name):
    given = candidates()
    texts = given.frame["text"].to_list()
    doubled = replace(given, frame=given.frame.with_columns(pl.Series("text", texts[: N // 2] * 2)))
    told = select(name, doubled)
    if told.match is not None:
        gone = told.match >= 0
        assert gone.sum() >= N // 2 and told.kept[told.match[gone]].all() and not told.kept[gone].any()


@pytest.mark.parametrize("name", ["best_of", "route"])
def test_a_candidate_without_a_number_is_rejected_with_that_reason_and_too_many_stop_the_filter(name):
    def lacking(count):
        given = candidates()
        score = given.frame["score"].to_list()
        return replace(given, frame=given.frame.with_columns(score=pl.Series([None] * count + score[count:])))

    told = select(name, lacking(3))
    assert told.reasons[told.reason[1]] == "it has no number" and np.isnan(told.value[1]) and not told.kept[1]
    with pytest.raises(BadInput, match=r"score has no number for 20 of 60 candidates, more than 0\.1 of them; mend it, or raise"):
        select(name, lacking(20))
    many = read(FILTERS, {"kind": name, "most_missing": 0.6} | MADE[name], "filter")
    assert many.select(lacking(20), np.random.default_rng(0)).kept.any()


PACKAGES = {"PIL": "pillow", "sklearn": "scikit-learn"}


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_declares_the_libraries_that_its_source_imports(name):
    cls = member(FILTERS, name, "filter")
    imported = {PACKAGES.get(library, library) for library in reached([(cls.__module__, None)]).libraries - NOT_DECIDING.keys()}
    assert imported - {"numpy", "polars"} == {*cls.libraries} - {"polars"}


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_is_the_same_once_it_was_plain_data(name):
    assert read(FILTERS, plain(made(name)), "filter") == made(name)
