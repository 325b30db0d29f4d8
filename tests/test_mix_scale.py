"""A mix of large pools: a plan from a sample, and the same bytes wherever the files are read."""

import json

import numpy as np
import polars
import pytest

import outcross
from outcross.errors import BadInput


def lengths(rows: int, seed: int) -> polars.DataFrame:
    """Texts whose lengths drift along the file and are alike among neighbours."""
    rng = np.random.default_rng(seed)
    sizes = (20 + 20 * np.arange(rows) / rows + 10 * np.repeat(rng.random(rows // 100), 100) + 5 * rng.random(rows)).astype(int)
    return polars.DataFrame({"text": ["x" * size for size in sizes.tolist()]})


@pytest.fixture(scope="module")
def pools(tmp_path_factory):
    """Files of 20,000 rows, and how many characters each pool holds."""
    folder, found, truth = tmp_path_factory.mktemp("pools"), [], {}
    for name, origin in (("human", "human"), ("model", {"model": "m"})):
        frame = lengths(20_000, len(name))
        frame.write_parquet(folder / f"{name}.parquet", row_group_size=5_000)
        frame.write_ndjson(folder / f"{name}.jsonl")
        found.append({"name": name, "path": str(folder / f"{name}.parquet"), "origin": origin})
        truth[name] = int(frame["text"].str.len_chars().sum())
    return folder, found, truth


def test_a_plan_in_characters_reads_a_sample_and_its_interval_holds_what_there_is(pools):
    _, given, truth = pools
    said = outcross.mix(pools=given, characters=100_000, human_share=0.3, plan=True).plain()
    for name, sample in said["sample"].items():
        assert sample["low"] <= truth[name] <= sample["high"] and sample["high"] < 1.2 * sample["low"]
        assert sample["rows_read"] == 10_000 and sample["rows"] == 20_000
    assert sum("estimated from a sample" in warning for warning in said["warnings"]) == 2
    assert [pool["used"] for pool in said["pools"]] == [30_000, 70_000]


def test_the_intervals_of_samples_hold_as_often_as_they_say(pools):
    _, given, truth = pools
    inside = 0
    for seed in range(40):
        said = outcross.mix(pools=given, characters=100_000, seed=seed, plan=True).plain()["sample"]
        inside += sum(one["low"] <= truth[name] <= one["high"] for name, one in said.items())
    assert inside >= 68  # 80 intervals of 95 %: fewer once in 2,000 times


def test_a_file_of_lines_gives_the_same_sample_as_one_of_columns(pools):
    folder, given, _ = pools
    lines = [pool | {"path": str(folder / f"{pool['name']}.jsonl")} for pool in given]
    one, other = (outcross.mix(pools=own, characters=100_000, plan=True).plain() for own in (given, lines))
    assert one == other


def test_a_budget_that_a_sample_cannot_decide_is_decided_by_every_text(pools):
    _, given, truth = pools
    asked = {"pools": given, "human_share": 0.5}
    said = outcross.mix(asked | {"characters": 2 * truth["human"]}, plan=True).plain()
    assert "sample" not in said and said["pools"][0]["available"] == truth["human"]
    with pytest.raises(BadInput, match=f"it has {truth['human']:,} and max_repeats is 1"):
        outcross.mix(asked | {"characters": 2 * truth["human"] + 2}, plan=True)


def test_a_mix_counts_every_text(pools):
    _, given, truth = pools
    made = outcross.mix(pools=given, characters=20_000, human_share=0.3)
    assert {pool["name"]: pool["characters"]["available"] for pool in made.manifest["pools"]} == truth


@pytest.mark.parametrize(
    "more",
    [
        {"filters": ["drop_duplicates"], "weights": {"gpt": 0.5}},
        {"splits": {"train": 0.8, "test": 0.2}, "targets": [{"column": "lang", "shares": {"a": 0.75, "b": 0.25}}]},
    ],
    ids=["filters and weights", "splits and targets"],
)
def test_workers_give_the_bytes_of_one_process_whatever_is_asked_of_the_rows(tmp_path, more):
    pools = [
        {"name": name, "path": str(tmp_path / name), "origin": origin}
        for name, origin in (("human", "human"), ("gpt", {"model": "g"}))
    ]
    for pool in pools:
        (tmp_path / pool["name"]).mkdir()
        for file in range(2):
            rows = [{"text": f"{pool['name']} {row % 70} {file}", "lang": "ab"[row % 2]} for row in range(90)]
            (tmp_path / pool["name"] / f"{file}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    asked = {"pools": pools, "rows": 60, "human_share": 0.5, "shards": 2, "lineage": {"near": None}} | more
    for name, workers in (("here", 1), ("there", 2)):
        outcross.mix(asked, out=tmp_path / name, workers=workers)
    files = sorted(path.relative_to(tmp_path / "here") for path in (tmp_path / "here").rglob("*.parquet"))
    assert sum(path.parent.name == "data" and "train" in path.name for path in files) >= 2
    for path in [*files, "manifest.json"]:
        assert (tmp_path / "here" / path).read_bytes() == (tmp_path / "there" / path).read_bytes(), path


@pytest.mark.parametrize(
    "more",
    [
        {"filters": ["drop_duplicates"]},
        {"splits": {"train": 0.8, "test": 0.2}},
        {"targets": [{"column": "lang", "shares": {"a": 0.75, "b": 0.25}}]},
    ],
)
def test_a_plan_of_what_is_left_of_the_pools_reads_every_text(more):
    human = {"text": [f"{'abcdefgh'[row % 8] * 5} {row // 2}" for row in range(80)], "lang": ["a", "b"] * 40}
    asked = {"pools": [{"name": "human", "data": human, "origin": "human"}], "characters": 200}
    assert "sample" in outcross.mix(asked, plan=True).plain()
    assert "sample" not in outcross.mix(asked | more, plan=True).plain()


def test_a_number_of_workers_below_one_is_refused(pools):
    with pytest.raises(BadInput, match="workers"):
        outcross.mix(pools=pools[1], rows=10, plan=True, workers=0)
