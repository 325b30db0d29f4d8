"""No family of rows is in two splits, the test split is human unless that is asked otherwise, and each split is exactly as large as asked."""

import json

import numpy as np
import polars
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outcross import BadInput, mix, show

SPLITS = {"train": 0.8, "validation": 0.1, "test": 0.1}


def written(name: str, rows: int, **more: list) -> dict:
    return {"id": [f"{name}-{row}" for row in range(rows)], "text": [f"{name} wrote record {row}" for row in range(rows)], **more}


def human(rows: int, **more: list) -> dict:
    return {"name": "human", "data": written("human", rows, **more), "origin": "human", "id_column": "id"}


def model(rows: int, name: str = "gpt", **more: list) -> dict:
    pool = {"name": name, "data": written(name, rows, **more), "origin": {"model": name}, "id_column": "id"}
    return pool | ({"parents_column": "parent"} if "parent" in more else {})


def where(mixed) -> dict[str, set[str]]:
    """The splits in which each row of the pools is found, by its id."""
    settings: dict[str, set[str]] = {}
    for split in mixed.manifest["splits"].keys() & SPLITS.keys():
        for row in mixed.frame(split)["id"].to_list():
            settings.setdefault(row, set()).add(split)
    return settings


def test_over_sampling_before_the_split_puts_no_row_in_two_splits():
    mixed = mix(pools=[human(100), model(400)], human_share=0.5, rows=300, max_repeats=4, splits=SPLITS)
    assert [mixed.frame(split).height for split in SPLITS] == [240, 30, 30]
    assert all(len(splits) == 1 for splits in where(mixed).values())
    train = mixed.frame("train")
    assert train["id"].is_duplicated().any() and train["_id"].is_unique().all()
    assert not any(mixed.frame(split)["id"].is_duplicated().any() for split in ("validation", "test"))


def test_a_synthetic_record_goes_where_its_parents_went_and_no_child_of_a_test_row_is_trained_on():
    parents = [f"human-{row % 100}" for row in range(300)]
    mixed = mix(pools=[human(100, parent=[None] * 100), model(300, parent=parents)], rows=200, human_share=0.3, splits=SPLITS)
    place = where(mixed)
    test = {row for row, splits in place.items() if "test" in splits}
    assert len(test) == 20 and all(row.startswith("human") for row in test)
    for row, parent in enumerate(parents):
        if f"gpt-{row}" in place and parent in place:
            assert place[f"gpt-{row}"] == place[parent]
        assert not (parent in test and f"gpt-{row}" in place)
    assert mixed.manifest["splits"]["left_out"] >= 60 and mixed.manifest["splits"]["families"]["largest"] == 4


def test_rows_of_one_id_are_of_one_family_with_all_that_was_made_from_them():
    ids = [f"human-{row // 2}" for row in range(100)]
    parents = [f"human-{row % 50}" for row in range(100)]
    people = {
        "name": "human",
        "data": written("human", 100, parent=[None] * 100) | {"id": ids},
        "origin": "human",
        "id_column": "id",
    }
    mixed = mix(pools=[people, model(100, parent=parents)], rows=120, human_share=0.3, splits=SPLITS, max_repeats=2)
    place = where(mixed)
    for row, parent in enumerate(parents):
        assert len(place.get(parent, set()) | place.get(f"gpt-{row}", set())) <= 1
    assert mixed.manifest["splits"]["families"]["pairs"]["ids"] == 50
    assert any("50 rows repeat an earlier id in 'id'" in warning for warning in mixed.manifest["warnings"])


def test_the_parents_of_a_record_may_be_the_ids_that_an_earlier_mix_gave(tmp_path):
    data = {"text": [f"human wrote record {row}" for row in range(50)]}
    pool = {"name": "human", "data": data, "origin": "human"}
    first = mix(pools=[pool]).frame()
    children = {"text": [f"child {row}" for row in range(50)], "up": first["_id"].to_list()}
    pools = [pool, {"name": "gpt", "data": children, "origin": {"model": "g"}, "parents_column": "up"}]
    mixed = mix(pools=pools, columns=["text"], splits={"train": 0.5, "test": {"share": 0.5, "synthetic": True}}, rows=60)
    assert mixed.manifest["splits"]["families"] == {"count": 50, "largest": 2, "pairs": {"parents": 100, "twins": 0, "near": 0}}
    parent_of = dict(zip(children["text"], first["text"], strict=True))
    train, test = (set(mixed.frame(split)["text"]) for split in ("train", "test"))
    assert not {parent_of.get(text) for text in train} & test and not {parent_of.get(text) for text in test} & train


def test_a_near_duplicate_goes_where_its_twin_went_and_so_does_who_answers_the_same_prompt():
    words = [f"{'abcdefghij'[i % 10]}{i}" for i in range(4000)]
    texts = [" ".join(words[40 * row : 40 * row + 40]) for row in range(100)]
    twins = [f"{text} and one more thing" for text in texts]
    data = {"text": texts, "id": [f"h{row}" for row in range(100)], "prompt": [f"p{row // 2}" for row in range(100)]}
    copies = {"text": twins, "id": [f"g{row}" for row in range(100)], "prompt": [f"q{row}" for row in range(100)]}
    pools = [
        {"name": "h", "data": data, "origin": "human", "prompt_column": "prompt"},
        {"name": "g", "data": copies, "origin": {"model": "g"}, "prompt_column": "prompt"},
    ]
    asked = {"pools": pools, "rows": 100, "splits": {"train": 0.5, "test": {"share": 0.5, "synthetic": True}}}
    for lineage, size in (({}, 2), ({"prompts": True}, 4), ({"near": None}, 1), ({"near": 0.95}, 1)):
        mixed = mix(asked | {"lineage": lineage})
        assert mixed.manifest["splits"]["families"]["largest"] == size
        place = where(mixed)
        if size > 1:
            for row in range(100):
                assert len(place.get(f"h{row}", set()) | place.get(f"g{row}", set())) <= 1
        if size == 4:
            assert all(len(place.get(f"h{row}", set()) | place.get(f"h{row + 1}", set())) <= 1 for row in range(0, 100, 2))


def test_rows_of_tables_without_text_are_twins_where_all_their_columns_are():
    rng = np.random.default_rng(0)
    numbers = rng.integers(1000, size=200)
    pools = [
        {"name": "h", "data": {"n": numbers[:100], "m": numbers[:100] % 7}, "origin": "human"},
        {"name": "g", "data": {"n": numbers[50:150], "m": numbers[50:150] % 7}, "origin": {"model": "g"}},
    ]
    mixed = mix(pools=pools, rows=80, splits={"train": 0.5, "test": {"share": 0.5, "synthetic": True}})
    assert not set(mixed.frame("train")["n"]) & set(mixed.frame("test")["n"])
    loose = mix(pools=pools, rows=80, splits={"train": 0.5, "test": {"share": 0.5, "synthetic": True}}, lineage={"twins": False})
    assert loose.manifest["splits"]["families"]["largest"] == 1


def test_the_test_split_is_of_human_rows_alone_unless_it_is_told_otherwise():
    pools = [human(200), model(800)]
    result = mix(pools=pools, rows=400, human_share=0.25, splits=SPLITS)
    assert set(result.frame("test")["_origin"]) == {"human"} and result.manifest["splits"]["test"]["realised"]["human_share"] == 1
    for split in ("train", "validation"):
        assert result.frame(split)["_origin"].eq("human").mean() == pytest.approx(0.25, abs=1 / 40)
    mixed = mix(pools=pools, rows=400, human_share=0.25, splits=SPLITS | {"test": {"share": 0.1, "synthetic": True}})
    assert mixed.frame("test")["_origin"].eq("human").sum() == 10
    with pytest.raises(BadInput, match=r"needs human rows, and no pool has any.*synthetic: true"):
        mix(pools=pools[1:], rows=400, splits=SPLITS)


def test_rows_that_say_themselves_that_people_wrote_them_may_be_tested_on(tmp_path):
    mix(pools=[human(50), model(150)], out=tmp_path / "first")
    again = mix(pools=[{"name": "again", "path": str(tmp_path / "first")}], rows=100, splits=SPLITS)
    assert set(again.frame("test")["_origin"]) == {"human"} and set(again.frame("train")["_origin"]) == {"human", "model"}


def test_neither_the_order_of_files_nor_their_number_changes_a_split(tmp_path):
    rows = polars.DataFrame(written("human", 200)).with_columns(
        text=polars.col("text") + " in the long and quiet year of the flood"
    )
    digests = set()
    for count in (1, 3, 7):
        folder = tmp_path / str(count)
        folder.mkdir()
        for number in range(count):
            rows.reverse()[number::count].write_ndjson(folder / f"{count - number}.jsonl")
        pools = [{"name": "human", "path": str(folder / "*.jsonl"), "origin": "human"}, model(300)]
        mixed = mix(pools=pools, rows=300, human_share=0.4, splits=SPLITS)
        digests.add(
            tuple([mixed.manifest["sha256"]] + [mixed.manifest["splits"][name]["sha256"] for name in ("validation", "test")])
        )
    assert len(digests) == 1
    other = mix(pools=[human(200), model(300)], rows=300, human_share=0.4, splits=SPLITS, seed=1)
    assert where(other) != where(mix(pools=[human(200), model(300)], rows=300, human_share=0.4, splits=SPLITS))


def test_splits_are_written_where_datasets_finds_them_and_another_mix_reads_the_training_rows_alone(tmp_path):
    mixed = mix(
        pools=[human(100), model(300)],
        rows=200,
        human_share=0.3,
        splits=SPLITS,
        shards=2,
        match="rows",
        max_repeats=3,
        out=tmp_path / "mix",
    )
    files = sorted(path.name for path in (tmp_path / "mix" / "data").iterdir())
    assert files == [f"{split}-0000{part}-of-00002.parquet" for split in ("test", "train", "validation") for part in (0, 1)]
    stored = show(tmp_path / "mix")
    for split in SPLITS:
        assert stored.frame(split).equals(mixed.frame(split))
    assert mixed.twin().height == mixed.frame().height == 160
    assert not set(mixed.twin()["id"]) & set(mixed.frame("test")["id"])
    again = mix(pools=[{"name": "again", "path": str(tmp_path / "mix")}])
    assert again.frame().height == 160
    draws = polars.read_parquet(tmp_path / "mix" / "draws.parquet")
    assert draws["drawn"].sum() == 200 and set(draws["split"]) == set(SPLITS)
    datasets = pytest.importorskip("datasets")
    loaded = datasets.load_dataset(str(tmp_path / "mix"), cache_dir=str(tmp_path / "cache"))
    assert {name: part.num_rows for name, part in loaded.items()} == {"train": 160, "validation": 20, "test": 20}
    assert {name: part.num_rows for name, part in stored.to_hf().items()} == {"train": 160, "validation": 20, "test": 20}
    row = mixed.frame("test")["_id"][0]
    assert "data/test-0000" in json.dumps(show(tmp_path / "mix", id=row).plain())
    with pytest.raises(BadInput, match="no split 'dev'; it has train, validation, test"):
        stored.frame("dev")


def test_what_families_do_not_allow_is_refused_with_the_nearest_size_that_they_do():
    pools = [human(100), model(900)]
    with pytest.raises(BadInput) as refused:
        mix(pools=pools, rows=500, human_share=0.3, splits=SPLITS)
    said = str(refused.value)
    assert "in the training rows that remain, pool 'human' must give 120 rows" in said and "\n" not in said
    rows = int(said.partition("Nearest: rows: ")[2].partition(";")[0])
    assert mix(pools=pools, rows=rows, human_share=0.3, splits=SPLITS).frame().height == round(0.8 * rows)
    with pytest.raises(BadInput):
        mix(pools=pools, rows=rows + 1, human_share=0.3, splits=SPLITS)
    assert mix(pools=pools, human_share=0.3, splits=SPLITS).manifest["splits"]["rows"] == rows


def test_the_budget_of_splits_may_be_in_characters():
    rng = np.random.default_rng(0)
    texts = ["x" * n for n in rng.choice(np.arange(1, 400), 300, replace=False)]
    pools = [{"name": "h", "data": {"text": texts}, "origin": "human"}]
    mixed = mix(pools=pools, characters=20_000, splits=SPLITS)
    for split, share in SPLITS.items():
        assert abs(mixed.frame(split)["text"].str.len_chars().sum() - 20_000 * share) <= 400


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.integers(0, 30), min_size=1, max_size=60),
    st.lists(st.integers(0, 40), min_size=0, max_size=60),
    st.integers(1, 60),
    st.booleans(),
    st.integers(1, 3),
)
def test_any_families_are_kept_whole_and_every_split_is_exact_or_all_is_refused(of_human, of_model, rows, is_mixed, repeats):
    pools = [human(len(of_human), kin=[f"k{number}" for number in of_human])]
    pools += [model(len(of_model), kin=[f"k{number}" for number in of_model])] if of_model else []
    for pool in pools:
        pool["parents_column"] = "kin"
    asked = {
        "pools": pools,
        "rows": rows,
        "max_repeats": repeats,
        "splits": SPLITS | {"test": {"share": 0.1, "synthetic": is_mixed}},
    }
    try:
        mixed = mix(asked)
    except BadInput as refused:
        assert "\n" not in str(refused)
        return
    kin = [set(mixed.frame(split)["kin"]) for split in SPLITS]
    assert not (kin[0] & kin[1] or kin[0] & kin[2] or kin[1] & kin[2])
    sizes = [mixed.frame(split).height for split in SPLITS]
    assert sum(sizes) == rows and all(abs(size - rows * share) < 1 for size, share in zip(sizes, SPLITS.values(), strict=True))
    assert is_mixed or set(mixed.frame("test")["_origin"]) == {"human"}
    assert mix(asked).frame().equals(mixed.frame())


@pytest.mark.parametrize(
    ("splits", "said"),
    [
        ({"train": 0.9, "test": 0.2}, "must add up to 1, got 1.1"),
        ({"train": 0.9, "tets": 0.1}, "did you mean 'test'"),
        ({"test": 1.0}, "splits needs train"),
        ({"train": 0.9, "test": 10}, "write 0.05 for five percent"),
        ({"train": 0.9, "test": {"share": 0.1, "synthetics": True}}, "did you mean 'synthetic'"),
        ({"train": {"share": 0.9, "synthetic": False}, "test": 0.1}, "write human_share: 1"),
        ({"train": 0.999, "test": 0.001}, "splits.test would have no record of 30 rows; write at least rows: 501"),
        ("test", "splits must be a mapping"),
    ],
)
def test_splits_that_cannot_be_are_refused_in_one_line(splits, said):
    with pytest.raises(BadInput) as refused:
        mix(pools=[human(100)], rows=30, splits=splits)
    assert said in str(refused.value) and "\n" not in str(refused.value)


def test_rows_that_a_filter_rejects_belong_to_no_split(tmp_path):
    """Of a pool of which half is rejected, half has a split, the kept rows."""
    settings = {"pools": [human(60), model(60)], "rows": 40, "splits": {"train": 0.5, "test": 0.5}, "columns": ["text"]}
    mixed = mix(**settings, filters=[{"verify": {"patterns": {"text": "^human|[02468]$"}}}])
    mixed.write(tmp_path / "out")
    splits = mixed.manifest["splits"]
    assert splits["families"]["count"] == splits["train"]["families"] + splits["test"]["families"] == 90
    drawn = polars.read_parquet(tmp_path / "out" / "draws.parquet")
    assert drawn.filter(_source="gpt")["split"].null_count() == 30
    assert drawn.filter(_source="human")["split"].null_count() == 0
