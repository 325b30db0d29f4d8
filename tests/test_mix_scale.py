"""A mix of large pools: a plan from a sample, and the same bytes wherever the files are read."""

import json

import numpy as np
import polars
import pytest
from conftest import script

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
    folder, described, truth = tmp_path_factory.mktemp("pools"), [], {}
    for name, origin in (("human", "human"), ("model", {"model": "m"})):
        frame = lengths(20_000, len(name))
        frame.write_parquet(folder / f"{name}.parquet", row_group_size=5_000)
        frame.write_ndjson(folder / f"{name}.jsonl")
        described.append({"name": name, "path": str(folder / f"{name}.parquet"), "origin": origin})
        truth[name] = int(frame["text"].str.len_chars().sum())
    return folder, described, truth


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
        inside += sum(interval["low"] <= truth[name] <= interval["high"] for name, interval in said.items())
    assert inside >= 68  # 80 intervals of 95 %: fewer once in 2,000 times


def test_a_file_of_lines_gives_the_same_sample_as_one_of_columns(pools):
    folder, given, _ = pools
    lines = [pool | {"path": str(folder / f"{pool['name']}.jsonl")} for pool in given]
    of_columns, of_lines = (outcross.mix(pools=own, characters=100_000, plan=True).plain() for own in (given, lines))
    assert of_columns == of_lines


def test_a_budget_that_a_sample_cannot_decide_is_decided_by_every_text(pools):
    _, given, truth = pools
    asked = {"pools": given, "human_share": 0.5}
    said = outcross.mix(asked | {"characters": 2 * truth["human"]}, plan=True).plain()
    assert "sample" not in said and said["pools"][0]["available"] == truth["human"]
    with pytest.raises(BadInput, match=f"but has {truth['human']:,}, and max_repeats is 1"):
        outcross.mix(asked | {"characters": 2 * truth["human"] + 2}, plan=True)


@pytest.fixture
def tokenizer(tmp_path):
    """A tokenizer whose tokens are words."""
    tokenizers = pytest.importorskip("tokenizers")
    model = tokenizers.Tokenizer(tokenizers.models.WordLevel({"w": 0, "?": 1}, unk_token="?"))
    model.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    model.save(str(tmp_path / "tokenizer.json"))
    return str(tmp_path / "tokenizer.json")


def worded_pools(rows: int) -> tuple[list[dict], dict[str, int]]:
    """Pools of texts of one to thirty words, in three languages, and how many words each pool has."""
    rng, given, truth = np.random.default_rng(0), [], {}
    for name, origin in (("human", "human"), ("gpt", {"model": "g"})):
        words = rng.integers(1, 31, rows)
        data = polars.DataFrame({"text": ["w " * int(count) for count in words], "lang": rng.choice(["a", "b", "c"], rows)})
        given.append({"name": name, "data": data, "origin": origin})
        truth[name] = int(words.sum())
    return given, truth


@pytest.mark.parametrize(
    "more", [{"targets": [{"column": "lang", "parity": True}]}, {"splits": {"train": 0.9, "test": 0.1}}], ids=["targets", "splits"]
)
def test_a_plan_of_many_rows_in_tokens_takes_them_from_a_sample_and_says_how_sure_it_is(more, tokenizer):
    given, truth = worded_pools(15_000)
    asked = {"pools": given, "tokens": 100_000, "human_share": 0.3, "tokenizer": tokenizer, "lineage": {"near": None}} | more
    said = outcross.mix(asked, plan=True).plain()
    (warning,) = [warning for warning in said["warnings"] if "tokens per character" in warning]
    assert "from a sample of 10,000 rows" in warning and "it may be refused" in warning
    built = outcross.mix(asked)
    for pool, planned in zip(built.manifest["pools"], said["pools"], strict=True):
        assert planned["used"] == pytest.approx(pool["tokens"]["used"], rel=0.02)
    with pytest.raises(BadInput, match=r"based on an estimate: human has 0\.5"):
        outcross.mix(asked | {"tokens": 3 * sum(truth.values())}, plan=True)


ASKED: list[str] = []
"""The texts of the records that `is_kept` was asked about."""


def is_kept(record):
    ASKED.append(record["text"])
    return True


@pytest.mark.parametrize("unit", ["characters", "tokens"])
def test_a_plan_of_many_rows_asks_filters_about_a_sample_alone_whatever_the_budget_is_in(unit, tokenizer):
    given, truth = worded_pools(25_000)
    ASKED.clear()
    asked = {"pools": given, unit: 100_000, "human_share": 0.3, "filters": [{"verify": {"function": is_kept}}]}
    asked |= {"tokenizer": tokenizer} if unit == "tokens" else {}
    said = outcross.mix(asked, plan=True).plain()
    assert len(ASKED) == 2 * 20_000 and said["sample"]["human"]["rows_read"] == 10_000
    assert "are bounds, as if the filters kept every row" in " ".join(said["warnings"])
    whole = 2 * sum(truth.values()) if unit == "characters" else sum(truth.values())
    with pytest.raises(BadInput, match="according to a sample of the pools"):
        outcross.mix(asked | {unit: 2 * whole}, plan=True)
    human = truth["human"] * (2 if unit == "characters" else 1)
    close = outcross.mix(asked | {unit: human, "human_share": 0.999}, plan=True).plain()
    assert any("the sample cannot tell whether the mix is possible" in warning for warning in close["warnings"])


def test_a_mix_counts_every_text(pools):
    _, given, truth = pools
    mixed = outcross.mix(pools=given, characters=20_000, human_share=0.3)
    assert {pool["name"]: pool["characters"]["available"] for pool in mixed.manifest["pools"]} == truth


def test_a_script_without_a_guard_is_told_what_to_write(tmp_path):
    for name in ("human", "gpt"):
        for file in range(2):
            (tmp_path / f"{name}-{file}.jsonl").write_text('{"text": "a"}\n{"text": "b"}\n')
    file = tmp_path / "script.py"
    file.write_text(
        "import outcross\n"
        "pools = [{'name': n, 'path': f'{n}-*.jsonl', 'origin': o} for n, o in (('human', 'human'), ('gpt', {'model': 'g'}))]\n"
        "try:\n    outcross.mix(pools=pools, rows=2, out='out', workers=2)\n"
        "except Exception as error:\n    print(type(error).__name__, error)\n"
    )
    done = script(file, folder=tmp_path)
    assert done.stdout == (
        "BadInput several workers are processes that import your script again, but the script has no guard; put its code under "
        "if __name__ == '__main__': or use workers=1\n"
    )
    assert done.stderr == ""
    guarded = file.read_text().replace("try:", "if __name__ == '__main__':", 1).replace("except Exception as error:\n    print(type(error).__name__, error)\n", "")  # fmt: skip
    file.write_text(guarded)
    done = script(file, folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "") and (tmp_path / "out" / "manifest.json").is_file()


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


def large_pools(rows: int, seed: int) -> tuple[list[dict], list[polars.DataFrame]]:
    """Two pools whose numbers are alike among neighbours, with three rows a prompt."""
    rng = np.random.default_rng(seed)
    frames = [
        polars.DataFrame(
            {
                "text": ["a"] * rows,
                "x": rng.normal(size=rows) + np.repeat(rng.normal(size=rows // 250), 250),
                "p": np.arange(rows) // 3,
            }
        )
        for _ in range(2)
    ]
    named = zip(("human", "gpt"), frames, ("human", {"model": "g"}), strict=True)
    return [{"name": name, "data": frame, "origin": origin, "prompt_column": "p"} for name, frame, origin in named], frames


def test_a_plan_says_which_counts_are_bounds_and_estimates_what_filters_leave():
    inside, many = 0, 12
    for seed in range(many):
        pools, frames = large_pools(30_000, seed)
        said = outcross.mix(pools=pools, rows=50_000, filters=[{"verify": {"rules": ["x > 0.5"]}}], seed=seed, plan=True).plain()
        truth = sum(int((frame["x"] > 0.5).sum()) for frame in frames)
        (filtered,) = said["filters"]
        assert (filtered["low"], filtered["high"]) == (0, 60_000) and filtered["estimate"]["n"] == 40_000
        inside += filtered["estimate"]["low"] <= truth <= filtered["estimate"]["high"]
    assert inside >= 9  # of 12 intervals of 95 %: fewer once in 500 times
    assert "are bounds, as if the filters kept every row" in said["warnings"][0]
    assert "according to the sample the mix is impossible" in said["warnings"][-1]


def test_a_plan_samples_whole_prompts_where_candidates_of_one_compete_and_says_what_no_sample_tells():
    pools, frames = large_pools(30_000, 0)
    ask = [{"verify": {"rules": ["x > 0.5"]}}, {"best_of": {"by": {"column": "x"}}}, "drop_duplicates"]
    said = outcross.mix(pools=pools, rows=100, filters=ask, plan=True).plain()
    truth = polars.concat(frames).filter(polars.col("x") > 0.5)["p"].n_unique()
    low, high = (said["filters"][1]["estimate"][end] for end in ("low", "high"))
    assert low <= truth <= high < 1.2 * low and "estimate" not in said["filters"][2]
    assert any("drop_duplicates cannot be estimated from a sample" in warning for warning in said["warnings"])


def test_a_plan_of_many_rows_with_targets_and_splits_reads_the_columns_that_are_named_and_plans_what_is_built(tmp_path):
    rng = np.random.default_rng(0)
    pools = []
    for name, origin in (("human", "human"), ("gpt", {"model": "g"})):
        frame = polars.DataFrame(
            {
                "text": [f"{name} {row // 2}" for row in range(12_000)],
                "lang": rng.choice(["en", "de"], 12_000, p=[0.8, 0.2]),
                "x": rng.normal(size=12_000),
            }
        )
        frame.with_columns(unread=polars.lit("y")).write_parquet(tmp_path / f"{name}.parquet")
        pools.append({"name": name, "path": str(tmp_path / f"{name}.parquet"), "origin": origin})
    targets = [{"column": "lang", "shares": {"de": 0.3}}, {"column": "x", "mean": 0.2}]
    asked = {
        "pools": pools,
        "rows": 6_000,
        "human_share": 0.4,
        "splits": {"train": 0.9, "test": 0.1},
        "targets": targets,
        "text_column": "text",
    }
    plan = outcross.mix(asked, plan=True).plain()
    mixed = outcross.mix(asked).plan.plain()
    for key in ("rows", "feasible"):
        assert plan[key] == mixed[key]
    for planned, built in zip(plan["pools"], mixed["pools"], strict=True):
        assert (planned["used"], planned["requested_share"], planned["repeated"]) == (
            built["used"],
            built["requested_share"],
            built["repeated"],
        )
        assert planned["available"] == pytest.approx(built["available"], rel=0.01)  # the cut is another random one
    assert [target["values"]["de"]["realised"] for target in plan["targets"] if "values" in target] == [0.3]
    assert any("does not search for near twins" in warning for warning in plan["warnings"])
