"""A mix is what was asked, row by row, or it is refused with what is possible."""

import json
import math
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars
import pytest
from conftest import Started, script
from hypothesis import given, settings
from hypothesis import strategies as st

from outcross import BadInput, mix, show
from outcross.data.order import bound
from outcross.files.lossless import lossless
from outcross.verbs.mix.provenance import PROVENANCE


def pool(name: str, rows: int, origin: object = "human", **more: object) -> dict:
    return {"name": name, "data": {"text": [f"{name} {i}" for i in range(rows)]}, "origin": origin, **more}


def two(human: int = 2000, model: int = 20_000, **asked: object) -> dict:
    return {"pools": [pool("human", human), pool("gpt", model, {"model": "gpt-x", "generation": 0})], **asked}


def deviations(frame: polars.DataFrame, name: str, share: float) -> np.ndarray:
    """By how many rows each beginning of a mix differs from a share of a pool, the empty one first."""
    is_of_pool = (frame["_source"] == name).to_numpy()
    return np.concatenate([[0], np.cumsum(is_of_pool)]) - share * np.arange(len(is_of_pool) + 1)


def write_pools(folder, shards: int) -> list[dict]:
    """A human pool in one Parquet file, and a model's in some JSON files."""
    folder.mkdir(parents=True)
    polars.DataFrame({"text": [f"human {i % 280}" for i in range(300)]}).write_parquet(folder / "human.parquet")
    model = polars.DataFrame({"text": [f"gpt {i}" for i in range(700)]})
    for number in range(shards):
        model[number::shards].write_ndjson(folder / f"gpt-{number:02}.jsonl")
    return [
        {"name": "human", "path": str(folder / "human.parquet"), "origin": "human"},
        {"name": "gpt", "path": str(folder / "gpt-*.jsonl"), "origin": {"model": "gpt-x"}},
    ]


# The mixing test of peers.md, section 2.2, and what users ask for elsewhere.


def test_thirty_percent_is_thirty_percent_in_the_whole_in_every_beginning_and_in_every_shard():
    mixed = mix(two(human_share=0.3, rows=6660))
    frame = mixed.frame()
    assert (frame["_origin"] == "human").sum() == 1998 and mixed.manifest["realised"]["human_share"] == pytest.approx(0.3, abs=0)
    ahead = deviations(frame, "human", 0.3)
    assert np.abs(ahead).max() <= 0.5 + 1e-9
    for shards in (3, 7, 100):
        ends = [number * 6660 // shards for number in range(shards + 1)]
        assert np.abs(np.diff(ahead[ends])).max() < 2
    assert frame.height == 6660 and frame["_id"].is_unique().all()


def test_the_human_share_of_two_human_and_three_other_pools_is_within_two_rows_in_every_beginning():
    pools = [pool("a", 900), pool("b", 300)] + [pool(name, 2000, {"model": name}) for name in "xyz"]
    mixed = mix(pools=pools, human_share=0.3, rows=2010)
    frame = mixed.frame()
    ahead = np.cumsum((frame["_origin"] == "human").to_numpy()) - 0.3 * np.arange(1, 2011)
    assert (frame["_origin"] == "human").sum() == 603 and np.abs(ahead).max() < 2
    assert mixed.manifest["order"]["largest_of_the_human_share_in_a_beginning"] == pytest.approx(np.abs(ahead).max())
    assert mixed.manifest["order"]["largest_in_a_beginning"] <= float(bound(5))


def test_a_share_that_there_are_too_few_rows_for_is_refused_with_the_nearest_that_can_be():
    with pytest.raises(BadInput) as refused:
        mix(two(human_share=0.3, rows=10_000))
    said = str(refused.value)
    assert "\n" not in said and "'human' must give 3,000 rows, but has 2,000, and max_repeats is 1" in said
    for way_out in ({"rows": 6668}, {"max_repeats": 2}, {"human_share": 0.2}):
        ((key, value),) = way_out.items()
        assert f"{key}: {value}" in said
        mixed = mix(two(**{"human_share": 0.3, "rows": 10_000} | way_out))
        assert mixed.plan.total == way_out.get("rows", 10_000)
    assert "add 1,000 rows to 'human'" in said and mix(two(3000, human_share=0.3, rows=10_000)).plan.total == 10_000


def test_no_smaller_change_than_the_ones_that_a_refusal_names_would_do():
    for way_out in ({"rows": 6669}, {"human_share": 0.2001}, {"max_repeats": 1}):
        with pytest.raises(BadInput, match="Nearest"):
            mix(two(**{"human_share": 0.3, "rows": 10_000} | way_out))


def test_the_bound_on_repeats_wins_over_weights_and_the_refusal_says_so():
    pools = [pool("a", 20, weight=1), pool("b", 500, weight=1)]
    with pytest.raises(
        BadInput, match=r"so that this mix is impossible.*rows: 40;.*weight by pool, with the same total: a 20, b 80"
    ):
        mix(pools=pools, rows=100)
    pools = [pool("a", 20, weight=20), pool("b", 500, weight=80)]
    assert [pool.target for pool in mix(pools=pools, rows=100).plan.pools] == [20, 80]


def test_impossible_proportions_are_answered_with_possible_ones():
    with pytest.raises(BadInput, match=r"human_share: 0\.6;"):
        mix(two(1000, 40, human_share=0.5, rows=100))
    assert mix(two(1000, 40, human_share=0.6, rows=100)).plan.human == pytest.approx(0.6)


def test_absurd_repeats_are_shown_before_work_begins():
    mixed = mix(two(10, 100_000, human_share=0.3, rows=100_000, max_repeats=5000), plan=True)
    assert (
        mixed.plan.pools[0].repeats == 3000
        and "drawn up to 3,000 times" in mixed.plan.warnings[0]
        and "rule of thumb" in mixed.plan.warnings[0]
    )
    assert mixed.plain()["pools"][0] | {"unique": 10, "repeated": 29_990} == mixed.plain()["pools"][0]


@pytest.mark.parametrize(
    ("asked", "is_warned"),
    [
        ({"pools": [pool("h", 10)], "rows": 40}, False),
        ({"pools": [pool("h", 10)], "rows": 41}, True),
        (two(10, 500, human_share=0.3, rows=500), False),
        (two(10, 500, human_share=0.4, rows=500), True),
    ],
)
def test_repeats_are_warned_of_above_four_for_human_rows_alone_and_above_fifteen_in_a_mixture(asked, is_warned):
    assert bool(mix(asked | {"max_repeats": 100}).plan.warnings) == is_warned


def test_a_weight_that_would_receive_nothing_is_refused_with_the_smallest_rows_that_serve_it():
    pools = [pool("a", 100, weight=1e-3), pool("b", 5000, weight=1)]
    with pytest.raises(BadInput, match=r"'a' would contribute no record.*rows: 501,"):
        mix(pools=pools, rows=100)
    assert [pool.target for pool in mix(pools=pools, rows=501).plan.pools] == [1, 500]
    with pytest.raises(BadInput, match="would contribute no record"):
        mix(pools=pools, rows=500)


def test_no_row_is_lost_by_rounding():
    pools = [pool(name, 100, weight=1) for name in "abc"]
    for rows in (100, 101, 299, 300):
        mixed = mix(pools=pools, rows=rows)
        assert mixed.frame().height == rows and max(pool.target for pool in mixed.plan.pools) == math.ceil(rows / 3)


def test_shuffling_after_merging_drops_nothing_and_keeps_the_shares():
    even, shuffled = (mix(two(300, 700, order=order)).frame() for order in ("even", "shuffled"))
    assert sorted(even["_id"]) == sorted(shuffled["_id"]) and even.height == 1000 and not even.equals(shuffled)


def test_a_shuffled_mix_is_a_uniform_order():
    """Whether a place holds one of 3 human rows among 10 is 3/10 everywhere: chi-square over places, 300 seeds, 1 % region of 9 degrees."""
    counts = np.zeros(10)
    for seed in range(300):
        counts += (mix(two(3, 7, order="shuffled", seed=seed)).frame()["_source"] == "human").to_numpy()
    assert ((counts - 90) ** 2 / (300 * 0.3 * 0.7)).sum() * 0.9 < 21.7


def test_the_sample_is_random_and_never_a_prefix():
    """Each of 20 rows is one of 5 that are drawn with chance 1/4: chi-square over rows, 400 seeds, .1 % region of 19 degrees."""
    counts = np.zeros(20)
    for seed in range(400):
        drawn = mix(pools=[pool("a", 20)], rows=5, seed=seed).frame()["text"]
        counts[[int(text.split()[1]) for text in drawn]] += 1
    assert ((counts - 100) ** 2 / (400 * 0.25 * 0.75)).sum() * 19 / 20 < 43.8


def test_how_often_each_row_was_drawn_is_written(tmp_path):
    mixed = mix(two(30, 700, human_share=0.3, rows=250, max_repeats=3), out=tmp_path / "mix")
    draws = polars.read_parquet(tmp_path / "mix" / "draws.parquet")
    assert draws.height == 730 and draws["_id"].is_unique().all()
    by_pool = {name: frame["drawn"] for (name,), frame in draws.group_by("_source")}
    assert by_pool["human"].sum() == 75 and set(by_pool["human"]) == {2, 3} and set(by_pool["gpt"]) == {0, 1}
    texts = mixed.frame()
    assert texts["_id"].is_unique().all()
    repeats = texts.filter(polars.col("_source") == "human").group_by("text").len()["len"]
    assert sorted(repeats) == sorted(by_pool["human"])
    (human, gpt) = mixed.manifest["pools"]
    assert (human["used"], human["unique"], human["max_repeats"], human["unused"]) == (75, 30, 3, 0)
    assert (gpt["used"], gpt["unique"], gpt["max_repeats"], gpt["unused"]) == (175, 175, 1, 525)


def test_a_pass_over_a_pool_ends_before_a_row_is_drawn_again():
    texts = mix(pools=[pool("h", 10)], rows=25, max_repeats=3).frame()["text"].to_list()
    assert len({*texts[:10]}) == len({*texts[10:20]}) == 10 and len({*texts[20:]}) == 5 and texts[:10] != texts[10:20]


def test_resharding_changes_no_row_and_no_byte(tmp_path):
    digests, files = set(), set()
    for shards in (1, 3, 11):
        folder = tmp_path / str(shards)
        mixed = mix(pools=write_pools(folder, shards), rows=900, human_share=0.3, out=folder / "mix", shards=2)
        digests.add(mixed.manifest["sha256"])
        files.add(tuple((folder / "mix" / name).read_bytes() for name in ("data/train-00000-of-00002.parquet", "draws.parquet")))
        for out in (1, 5):
            other = mix(pools=[*write_pools(folder / str(out), shards)], rows=900, human_share=0.3, shards=out)
            assert other.frame().equals(mixed.frame()) and other.manifest["sha256"] == mixed.manifest["sha256"]
    assert len(digests) == len(files) == 1


def test_rows_of_long_texts_come_in_more_shards_however_their_pools_are_cut_into_files(tmp_path, monkeypatch):
    monkeypatch.setattr("outcross.verbs.mix.rows.BYTES", 10_000)
    for shards in (1, 4):
        pools = write_pools(tmp_path / str(shards), shards)
        of_pools = {
            "human": polars.read_parquet(pools[0]["path"]),
            "gpt": polars.read_ndjson(tmp_path / str(shards) / "gpt-*.jsonl"),
        }
        mixed = mix(pools=pools, rows=900, human_share=0.3, out=tmp_path / str(shards) / "mix")
        canonical_bytes = sum(
            mixed.frame()["_source"].eq(name).sum()
            * sum(len(f'{{"text":"{text}"}}') for text in pool_frame["text"])
            // pool_frame.height
            for name, pool_frame in of_pools.items()
        )
        assert len(mixed.manifest["shards"]) == -(-canonical_bytes // 10_000) == 2


def test_another_seed_gives_another_mix_and_the_same_seed_the_same():
    settings = {seed: mix(two(300, 700, rows=500, seed=seed)).manifest["sha256"] for seed in (0, 1)}
    assert settings[0] != settings[1] and settings[0] == mix(two(300, 700, rows=500)).manifest["sha256"]


def test_a_human_only_twin_of_equal_rows_is_written_and_holds_the_human_rows_of_the_mix(tmp_path):
    mixed = mix(two(500, 2000, human_share=0.3, rows=1000, match="rows", max_repeats=2), out=tmp_path / "mix")
    twin = mixed.twin()
    assert twin.height == 1000 and (twin["_origin"] == "human").all()
    human = mixed.frame().filter(polars.col("_origin") == "human")["_id"]
    assert human.is_in(twin["_id"].implode()).all() and mixed.manifest["match"]["rows"] == 1000
    assert json.loads((tmp_path / "mix" / "human-only" / "manifest.json").read_text())["realised"]["human_share"] == 1
    with pytest.raises(BadInput, match=r"match: rows needs 1,000 human rows.*rows: 500; or max_repeats: 2; or leave match out"):
        mix(two(500, 2000, human_share=0.3, rows=1000, match="rows"))


def test_shares_and_budgets_in_characters_are_exact_to_one_record():
    rng = np.random.default_rng(0)
    human, model = (["x" * n for n in rng.integers(1, 60, rows)] for rows in (500, 2000))
    pools = [
        {"name": "human", "data": {"text": human}, "origin": "human"},
        {"name": "gpt", "data": {"text": model}, "origin": {"model": "g"}},
    ]
    mixed = mix(pools=pools, characters=20_000, human_share=0.3)
    frame = mixed.frame().with_columns(size=polars.col("text").str.len_chars())
    assert abs(frame["size"].sum() - 20_000) <= 60
    assert abs(frame.filter(polars.col("_origin") == "human")["size"].sum() - 6000) <= 60
    assert mixed.manifest["realised"]["characters"] == frame["size"].sum() and mixed.plan.total == 20_000
    assert mixed.manifest["realised"]["human_share"] == pytest.approx(0.3, abs=0.003)
    with pytest.raises(BadInput, match="characters: "):
        mix(pools=pools, characters=200_000, human_share=0.3)


def test_shares_and_twins_in_tokens_are_exact_to_one_record(tmp_path):
    tokenizers = pytest.importorskip("tokenizers")
    model = tokenizers.Tokenizer(tokenizers.models.WordLevel({"w": 0, "?": 1}, unk_token="?"))
    model.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    model.save(str(tmp_path / "tokenizer.json"))
    rng = np.random.default_rng(0)
    texts = [[" ".join(["w"] * n) for n in rng.integers(1, 20, rows)] for rows in (800, 2000)]
    pools = [
        {"name": "human", "data": {"text": texts[0]}, "origin": "human"},
        {"name": "gpt", "data": {"text": texts[1]}, "origin": {"model": "g"}},
    ]
    mixed = mix(
        pools=pools, tokens=5000, human_share=0.25, tokenizer=str(tmp_path / "tokenizer.json"), match="tokens", out=tmp_path / "mix"
    )
    tokens = polars.col("text").str.split(" ").list.len()
    frame, twin = mixed.frame().with_columns(n=tokens), mixed.twin().with_columns(n=tokens)
    assert abs(frame["n"].sum() - 5000) <= 20 and abs(frame.filter(polars.col("_source") == "human")["n"].sum() - 1250) <= 20
    assert abs(twin["n"].sum() - frame["n"].sum()) <= 20 and (twin["_origin"] == "human").all()
    with pytest.raises(BadInput, match="tokens are counted by a tokenizer"):
        mix(pools=pools, tokens=5000)


# Provenance.


def test_every_row_says_where_it_comes_from():
    data = {
        "text": ["a", "b"],
        "by": ["m1", None],
        "prompt": ["p", "q"],
        "t": [{"temperature": 0.7}, None],
        "g": [2, 3],
        "up": [["x"], []],
    }
    columns = {
        "model_column": "by",
        "prompt_column": "prompt",
        "decoding_column": "t",
        "generation_column": "g",
        "parents_column": "up",
    }
    frame = mix(pools=[{"name": "p", "data": data, **columns}]).frame().sort("text")
    assert frame.columns[-10:] == list(PROVENANCE)
    assert frame.select(PROVENANCE[1:-2]).rows() == [
        ("model", "p", "m1", 2, ["x"], "p", '{"temperature":0.7}', ),
        ("unknown", "p", None, 3, [], "q", None),
    ]  # fmt: skip
    model = {"model": "gpt-x", "revision": "abc", "generation": 1}
    frame = mix(pools=[pool("g", 3, model, decoding={"temperature": 0.7})]).frame()
    assert frame.select("_origin", "_model", "_generation", "_decoding", "_weight").row(0) == (
        "model",
        "gpt-x@abc",
        1,
        '{"temperature": 0.7}',
        1.0,
    )


def test_what_nobody_said_stays_unknown():
    mixed = mix(pools=[pool("h", 10), pool("web", 10, None)], human_share=0.5)
    assert mixed.manifest["realised"]["unknown_share"] == 0.5 and mixed.plain()["origins"]["unknown"]["rows"] == 10
    assert "the origin of web is unknown" in mixed.plan.warnings[0]


def test_the_rows_of_an_earlier_mix_keep_who_wrote_them_and_are_the_parents_of_the_new_ones(tmp_path):
    first = mix(two(30, 70), out=tmp_path / "first")
    former = first.frame()
    frame = mix(pools=[{"name": "again", "path": str(tmp_path / "first")}, pool("more", 50)], rows=150).frame()
    kept = frame.filter(polars.col("_source").str.starts_with("again/"))
    assert kept.height == 100 and set(kept["_source"]) == {"again/human", "again/gpt"} and set(kept["_model"]) == {None, "gpt-x"}
    joined = kept.with_columns(parent=polars.col("_parents").list.first()).join(
        former, left_on="parent", right_on="_id", suffix="_former"
    )
    assert (
        joined.height == 100
        and (joined["text"] == joined["text_former"]).all()
        and (joined["_origin"] == joined["_origin_former"]).all()
    )
    with pytest.raises(BadInput, match=r"has origin: human, and 70 of its rows have 'model'"):
        mix(pools=[{"name": "again", "path": str(tmp_path / "first"), "origin": "human"}]).frame()


def test_an_id_is_of_content_pool_and_occurrence_alone():
    data = {"text": ["a", "b", "a"]}
    ids = {
        order: set(mix(pools=[{"name": "p", "data": {"text": texts}}]).frame()["_id"])
        for order, texts in enumerate((["a", "b", "a"], ["a", "a", "b"]))
    }
    assert ids[0] == ids[1] and len(ids[0]) == 3
    twice = mix(pools=[{"name": "p", "data": data}], rows=6, max_repeats=2).frame()
    assert twice["_id"].is_unique().all() and ids[0] < set(twice["_id"])
    assert not ids[0] & set(mix(pools=[{"name": "q", "data": data}]).frame()["_id"])


def test_chat_tables_and_texts_are_mixed_alike(tmp_path):
    (tmp_path / "h.txt").write_text("one\ntwo\nthree\n")
    (tmp_path / "g.jsonl").write_text("".join(json.dumps({"answer": f"a {i}"}) + "\n" for i in range(9)))
    pools = [
        {"name": "h", "path": str(tmp_path / "h.txt"), "origin": "human"},
        {"name": "g", "path": str(tmp_path / "g.jsonl"), "origin": {"model": "g"}, "rename": {"answer": "text"}},
    ]
    assert mix(pools=pools, human_share=0.25).frame().height == 12
    chat = [{"messages": [{"role": "user", "content": "hello"}, {"role": "assistant", "content": f"{i}"}]} for i in range(5)]
    mixed = mix(pools=[{"name": "c", "data": chat}], characters=18)
    assert mixed.frame()["messages"].to_list()[0][0] == {"role": "user", "content": "hello"} and mixed.frame().height == 3


def test_groups_are_counted_and_each_pool_is_sampled_in_proportion():
    data = {"text": [f"{i}" for i in range(100)], "lang": ["en"] * 70 + ["de"] * 29 + ["fr"]}
    mixed = mix(pools=[{"name": "h", "data": data, "origin": "human"}], rows=50, groups=["lang"])
    counts = {value: counted["rows"] for value, counted in mixed.manifest["groups"]["lang"].items()}
    assert abs(counts["en"] - 35) <= 1 and abs(counts["de"] - 14.5) <= 1 and sum(counts.values()) == 50


# Any pools at all.

SIZES = st.sampled_from([0, 1, 2, 7, 40])
WEIGHTS = st.sampled_from([0.0, 1e-6, 0.5, 1.0, 3.0])


@settings(max_examples=60)
@given(
    st.lists(st.tuples(SIZES, WEIGHTS), min_size=1, max_size=4),
    st.integers(1, 60),
    st.integers(1, 3),
    st.sampled_from(["even", "shuffled"]),
)
def test_any_mix_is_exact_or_refused_in_one_line(sizes, rows, repeats, order):
    pools = [pool(f"p{i}", size, "human" if i % 2 else "unknown", weight=weight) for i, (size, weight) in enumerate(sizes)]
    before = json.dumps(pools)
    asked = {"pools": pools, "rows": rows, "max_repeats": repeats, "order": order}
    try:
        mixed = mix(asked)
    except BadInput as refused:
        assert "\n" not in str(refused)
        return
    finally:
        assert json.dumps(pools) == before
    frame, manifest = mixed.frame(), mixed.manifest
    assert frame.height == rows and frame["_id"].is_unique().all()
    assert sum(manifest["realised"]["shares"].values()) == pytest.approx(1)
    assert frame.group_by("text").len()["len"].max() <= repeats
    assert mix(asked).manifest["sha256"] == manifest["sha256"]
    total = sum(weight for _, weight in sizes)
    for (_, weight), plan in zip(sizes, mixed.plan.pools, strict=True):
        assert abs(plan.target - rows * weight / total) < 1 and (plan.target > 0) == (weight > 0)
    if order == "even":
        assert (
            manifest["order"]["largest_in_a_beginning"] <= float(bound(sum(pool.target > 0 for pool in mixed.plan.pools))) + 1e-12
        )
        assert all(
            told_pool["ends"] == plan.ends[0]
            for told_pool, plan in zip(manifest["pools"], mixed.plan.pools, strict=True)
            if plan.ends
        )


@given(st.integers(1, 50), st.integers(1, 80), st.floats(0.01, 0.99), st.integers(1, 200), st.integers(1, 3))
@settings(max_examples=60)
def test_what_a_refusal_names_can_be_had(human, model, share, rows, repeats):
    asked = two(human, model, human_share=round(share, 2), rows=rows, max_repeats=repeats)
    try:
        mix(asked)
    except BadInput as refused:
        said = str(refused)
        if "Nearest" not in said:
            return
        for option in said.partition("Nearest: ")[2].split("; or "):
            key, _, value = option.partition(": ")
            if key in ("rows", "max_repeats", "human_share"):
                mix(asked | {key: json.loads(value)})


# Bad input.


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"pools": []}, "needs 1 to 1,000 pools"),
        ({"rows": 3}, "names no pools"),
        (two(human_share=30), "write 0.3 for thirty percent"),
        (two(rows=3, characters=4), "contradict each other"),
        (two(row=3), "did you mean 'rows'"),
        ({"pools": [pool("a", 3), pool("a", 3)]}, "two pools are called 'a'"),
        ({"pools": [pool("a", 3), pool("b", 3, weight=1)]}, "has no weight, and other pools of its side have one"),
        ({"pools": [pool("a", 3)], "human_share": 0.5}, "every pool has origin: human"),
        ({"pools": [pool("a", 3, "unknown")], "human_share": 0.5}, "no pool has origin: human"),
        ({"pools": [pool("a", 0)], "rows": 3}, "there are no records"),
        ({"pools": [pool("a", 3, weight=0)], "rows": 3}, "every weight is 0"),
        ({"pools": [pool("a", 3, "gpt-4")]}, "name a model, as in {model: gpt-x}"),
        ({"pools": [pool("a", 3, {"model": "g", "author": "human"})]}, "a human origin has no model"),
        ({"pools": [pool("a", 3, prompt_column="tex")]}, "has no column 'tex'; did you mean 'text'"),
        ({"pools": [pool("a", 3)], "groups": ["language"]}, "the mix has no column 'language'"),
        ({"pools": [{"name": "a"}]}, "pool 'a' needs a path"),
        ({"pools": [{"name": "a", "path": "no/such.csv"}]}, "no file no/such.csv"),
        ({"pools": [pool("a", 3), {"name": "b", "data": {"words": ["x"]}}]}, "columns: union"),
        ({"pools": [pool("a", 3), {"name": "b", "data": {"text": [1]}}]}, "is String in pool 'a' and Int64 in 'b'"),
        ({"pools": [{"name": "a", "data": {"n": [1], "m": [2]}}], "characters": 3}, "name it as text_column"),
        ({"pools": [pool("a", 3, generation_column="text")]}, "must contain generations"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(asked, said):
    with pytest.raises(BadInput) as refused:
        mix(asked).frame()
    assert said in str(refused.value) and "\n" not in str(refused.value)


def test_columns_that_one_pool_lacks_are_null_where_that_is_asked():
    pools = [pool("a", 3), {"name": "b", "data": {"text": ["x"], "more": [1]}}]
    frame = mix(pools=pools, columns="union").frame()
    mixed = mix(
        pools=[*pools, {"name": "c", "data": {"text": [None]}}], columns="union", groups=["more"], text_column="text", characters=9
    )
    assert mixed.manifest["groups"]["more"]["missing"]["rows"] == 3 and mixed.frame().height == 4
    assert frame["more"].null_count() == 3 and mix(pools=pools, columns=["text"]).frame().columns == ["text", *PROVENANCE]


def test_a_folder_that_holds_something_else_or_another_mix_is_refused(tmp_path):
    mixed = mix(two(30, 70), out=tmp_path / "mix")
    with pytest.raises(BadInput, match=f"contains another mix .sha256 {mixed.manifest['sha256'][:16]}"):
        mix(two(30, 70, seed=1), out=tmp_path / "mix")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    with pytest.raises(BadInput, match=r"holds notes\.txt"):
        mix(two(30, 70), out=tmp_path / "other")
    pools = [{"name": "a", "path": str(tmp_path / "mix"), "origin": None}]
    with pytest.raises(BadInput, match="is both an input and --out"):
        mix(pools=pools, out=tmp_path / "mix")
    again = mix(two(30, 70), out=tmp_path / "mix")
    assert again.manifest == mixed.manifest and show(tmp_path / "mix").frame().equals(mixed.frame())


def test_a_mix_that_is_killed_and_killed_again_leaves_no_half_shard_and_loses_no_row(tmp_path):
    """20 moments over all changes of the file system; the second time it is killed at half that many of its own."""
    ended = script(Path(__file__).with_name("killed_mixes.py"), tmp_path, 20)
    assert ended.returncode == 0, ended.stderr
    stored = json.loads(ended.stdout)
    whole = stored["whole"]
    assert "manifest.json" in whole and len(stored["killed"]) == 20
    for stopped, stopped_again, ended in stored["killed"]:
        for was_built, _, files in (stopped, stopped_again, ended):
            assert files.items() <= whole.items() and ("manifest.json" not in files or files == whole)
            assert was_built <= (files == whole)
        assert not stopped[0] and ended[0] and ended[2] == whole
    assert any(ended[1] < stored["changes"] // 2 for *_, ended in stored["killed"])  # what was done is not done again


def test_a_full_disk_is_one_line_and_the_next_try_goes_on(tmp_path):
    asked = {"pools": write_pools(tmp_path / "pools", 1), "rows": 900, "human_share": 0.3, "shards": 3}
    (tmp_path / "mix.yaml").write_text(json.dumps(asked))
    ended = Started("outcross", "mix", tmp_path / "mix.yaml", "--out", tmp_path / "mix", limits={"RLIMIT_FSIZE": 6000}).completed()
    assert ended.returncode == 3 and ended.stderr.count("\n") == 1 and "could not be written" in ended.stderr, ended.stderr
    assert [path.name for path in (tmp_path / "mix").iterdir()] == [".outcross"]
    mixed = mix(asked, out=tmp_path / "mix")
    assert mixed.frame().equals(mix(asked).frame())


def test_a_damaged_shard_or_manifest_is_refused(tmp_path):
    mixed = mix(two(30, 70), out=tmp_path / "mix")
    shard = tmp_path / "mix" / mixed.manifest["shards"][0]["file"]
    shard.write_bytes(shard.read_bytes()[:-9])
    with pytest.raises(BadInput, match="missing or damaged"):
        show(tmp_path / "mix").frame()
    stored = json.loads((tmp_path / "mix" / "manifest.json").read_text())
    (tmp_path / "mix" / "manifest.json").write_text(json.dumps(stored | {"pools": 3}))
    with pytest.raises(BadInput, match="not a manifest of a mix"):
        show(tmp_path / "mix").plain()


def test_a_dataset_of_hugging_face_is_given_where_it_is_installed():
    mixed = mix(two(3, 7))
    try:
        import datasets  # noqa: F401
    except ImportError:
        with pytest.raises(BadInput, match=r"pip install 'outcross\[hf\]'"):
            mixed.to_hf()
    else:
        assert mixed.to_hf()["_id"] == mixed.frame()["_id"].to_list()


def test_numbers_of_a_csv_are_read_as_numbers_where_those_of_another_pool_are(tmp_path):
    polars.DataFrame({"n": [1, 2], "x": [0.5, 1.25]}).write_parquet(tmp_path / "a.parquet")
    (tmp_path / "b.csv").write_text("n,x\n4,9.90\n,1e3\n-5,0.30000000000000004\n")
    pools = [{"name": "a", "path": str(tmp_path / "a.parquet")}, {"name": "b", "path": str(tmp_path / "b.csv")}]
    mixed = mix(pools=pools)
    frame = mixed.frame().filter(polars.col("_source") == "b").sort("x")
    assert frame["n"].to_list() == [-5, 4, None] and frame["x"].to_list() == [0.1 + 0.2, 9.9, 1000.0]
    assert (
        mixed.plan.read_as_numbers
        == mixed.manifest["read_as_numbers"]
        == mixed.plan.plain()["read_as_numbers"]
        == {"b": ["n", "x"]}
    )
    alone = mix(pools=pools[1:])
    assert alone.frame()["n"].dtype == polars.String and sorted(alone.frame()["_id"]) == sorted(frame["_id"])


@pytest.mark.parametrize(
    "cell", ["007", "1e400", "12345678901234567890", "+5", " 5", "0x1f", "5 kg", "1,5", "nan", "-0", "0.1234567890123456789"]
)
def test_a_cell_that_would_be_changed_keeps_its_column_text_and_the_mix_is_refused(tmp_path, cell):
    polars.DataFrame({"n": [1, 2]}).write_parquet(tmp_path / "a.parquet")
    (tmp_path / "b.csv").write_text(f'n\n4\n"{cell}"\n')
    pools = [{"name": "a", "path": str(tmp_path / "a.parquet")}, {"name": "b", "path": str(tmp_path / "b.csv")}]
    with pytest.raises(BadInput, match="column 'n' is Int64 in pool 'a' and String in 'b'"):
        mix(pools=pools).frame()


def test_groups_of_a_csv_that_are_numbers_are_counted_with_those_of_other_pools(tmp_path):
    polars.DataFrame({"n": [1.0, 2.0]}).write_parquet(tmp_path / "a.parquet")
    (tmp_path / "b.csv").write_text("n\n1\n1\n")
    pools = [{"name": "a", "path": str(tmp_path / "a.parquet")}, {"name": "b", "path": str(tmp_path / "b.csv")}]
    assert {value: counted["rows"] for value, counted in mix(pools=pools, groups=["n"]).manifest["groups"]["n"].items()} == {
        "1.0": 3,
        "2.0": 1,
    }


@given(
    st.lists(
        st.decimals(allow_nan=False, allow_infinity=False).map(str) | st.integers().map(str) | st.floats(allow_nan=False).map(repr),
        min_size=1,
        max_size=5,
    )
)
def test_what_is_read_as_numbers_says_what_was_written(texts):
    dtype = lossless(polars.Series(texts))
    if dtype is not None:
        assert all(
            Decimal(text) == Decimal(repr(number)) for text, number in zip(texts, polars.Series(texts).cast(dtype), strict=True)
        )
