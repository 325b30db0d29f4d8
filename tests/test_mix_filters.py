"""Filters in a mix: what they keep is what is mixed, every row is accounted for, and what each costs is said."""

import itertools
import json

import numpy as np
import polars
import pytest
from conftest import outcross, script
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.stats import hypergeom

from outcross import BadInput, mix, show
from outcross.filters import FILTERS, Filter, FilterPage, Selection
from outcross.recipe import recipe
from outcross.verbs.mix.door import as_asked
from outcross.verbs.mix.screen import mix_lines
from outcross.verbs.mix.targets.settings import targets_of

pytestmark = pytest.mark.usefixtures("without_charts")

WORDS = ["tower", "night", "storm", "river", "stone", "bread", "window", "garden", "letter", "winter"]


def people(rows: int, languages: tuple[str, ...] = ("en",)) -> dict:
    rng = np.random.default_rng(1)
    data = {
        "prompt": [f"asked of people {number}" for number in range(rows)],
        "text": [f"person{number} " + " ".join(rng.choice(WORDS, 8)) for number in range(rows)],
        "lang": [languages[number % len(languages)] for number in range(rows)],
    }
    return {"name": "human", "data": data, "origin": "human", "prompt_column": "prompt"}


def teacher(name: str, rows: int, words: int, languages: tuple[str, ...] = ("en",)) -> dict:
    rng = np.random.default_rng(ord(name))
    data = {
        "prompt": [f"prompt {number}" for number in range(rows)],
        "text": [f"{name}{number} " + " ".join(rng.choice(WORDS, words + number % 3)) for number in range(rows)],
        "lang": [languages[number % len(languages)] for number in range(rows)],
    }
    return {"name": name, "data": data, "origin": {"model": name}, "prompt_column": "prompt"}


def pools() -> list[dict]:
    return [people(60), teacher("a", 60, 5), teacher("b", 60, 9), teacher("c", 60, 7)]


BEST = {"best_of": {"by": "words"}, "pools": ["a", "b", "c"]}


def test_what_is_mixed_is_what_the_filters_kept():
    mixed = mix(pools=pools(), filters=[BEST])
    frame = mixed.frame()
    assert frame["_source"].value_counts().sort("_source")["count"].to_list() == [60, 60] and set(frame["_source"]) == {
        "b",
        "human",
    }
    answered = frame.filter(polars.col("_source") != "human")["_prompt"]
    assert answered.is_unique().all() and answered.len() == 60
    (filtered,) = mixed.manifest["filters"]
    assert (filtered["seen"], filtered["kept"], filtered["rejected"]) == (180, 60, 120) and filtered["prefers"]


def check_adds_up(manifest: dict, rejected: int) -> None:
    steps = manifest["funnel"]
    for before, after in itertools.pairwise(steps[:-1]):
        gone = after["rejected"]
        assert before["rows"] == after["rows"] + gone["rows"] == sum(after["pools"].values()) + sum(gone["pools"].values())
        for pool, count in before["pools"].items():
            assert count == after["pools"][pool] + gone["pools"][pool]
        for group, values in before["groups"].items():
            assert sum(values.values()) == before["rows"]
            for value, count in values.items():
                assert count == after["groups"][group][value] + gone["groups"][group][value]
        if "reasons" in after:
            assert sum(after["reasons"].values()) == gone["rows"]
    assert steps[-1]["rows"] == manifest["rows"] and sum(step["rejected"]["rows"] for step in steps[1:-2]) == rejected
    for pool in manifest["pools"]:
        assert (
            pool["available"] + pool["rejected"] == steps[0]["pools"][pool["name"]]
            and pool["unique"] + pool["unused"] == pool["available"]
        )


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    sizes=st.tuples(st.integers(1, 30), st.integers(0, 30), st.integers(0, 30)),
    order=st.permutations(
        [BEST, "drop_duplicates", {"best_of": {"by": "random"}}, {"drop_boilerplate": {"texts": 2, "share": 0.9}}]
    ),
    count=st.integers(1, 4),
)
def test_the_funnel_adds_up_by_pool_and_by_group(sizes, order, count):
    both = ("en", "mt")
    given_pools = [
        people(sizes[0], both),
        teacher("a", sizes[1], 5, both),
        teacher("b", sizes[2], 9, both),
        teacher("c", 3, 2, both),
    ]
    mixed = mix(pools=given_pools, filters=order[:count], groups=["lang"])
    rejected = mixed.mixing.filtered.rejected()
    check_adds_up(mixed.manifest, rejected.height)
    left = {pool["name"]: pool["available"] for pool in mixed.manifest["pools"]}
    assert dict(mixed.frame()["_source"].value_counts().iter_rows()) == {name: rows for name, rows in left.items() if rows}


def test_neither_the_order_of_files_nor_that_of_rows_changes_what_is_kept(tmp_path):
    for number, order in enumerate(([0, 1, 2], [2, 0, 1])):
        place = tmp_path / str(number)
        place.mkdir()
        for pool in pools():
            frame = polars.DataFrame(pool["data"])
            parts = [frame[part::3] for part in range(3)]
            for name, part in enumerate(order):
                parts[part].sample(fraction=1.0, shuffle=True, seed=number).write_ndjson(place / f"{pool['name']}-{name}.jsonl")

    def built(number):
        named = [
            {key: value for key, value in pool.items() if key != "data"}
            | {"path": str(tmp_path / str(number) / f"{pool['name']}-*.jsonl")}
            for pool in pools()
        ]
        mixed = mix(pools=named, rows=50, filters=[{"best_of": {"by": "random"}}, "drop_duplicates"], seed=3)
        return mixed.manifest["sha256"], mixed.mixing.filtered.rejected()

    (first, gone), (other, gone_too) = built(0), built(1)
    assert first == other and gone.equals(gone_too)


@pytest.mark.parametrize("name", ["drop_duplicates", "drop_boilerplate", "decontaminate"])
def test_filters_that_compare_texts_hold_none_of_them(name, tmp_path):
    """They read texts as often as they need; the column is never in memory as a whole."""
    polars.DataFrame({"text": ["the words of a test set"]}).write_ndjson(tmp_path / "test.jsonl")
    settings = {"decontaminate": {"path": str(tmp_path / "test.jsonl")}, "drop_boilerplate": {"texts": 2, "share": 1.0}}
    mixed = mix(pools=[people(20)], filters=[{name: settings[name]} if name in settings else name])
    store = mixed.mixing.store
    assert mixed.manifest["filters"][0]["costs"] is not None
    assert "texts" not in store.__dict__ and "text" not in store.in_memory


def test_every_rejected_row_stands_in_the_folder_with_its_reason(tmp_path):
    twice = people(20)
    copies = {"name": "copies", "data": {name: values[:5] for name, values in twice["data"].items()}, "origin": {"model": "m"}}
    spec = {"pools": [twice, copies], "filters": ["drop_duplicates", {"best_of": {"by": "mtld", "keep": "least"}}]}
    mixed = mix(**spec, out=tmp_path / "mix")
    gone = polars.read_parquet(tmp_path / "mix" / "rejected.parquet")
    assert gone.columns == ["_id", "_source", "filter", "reason", "value", "match"] and gone.height == 5
    assert (
        set(gone["_source"]) == {"copies"}
        and set(gone["reason"]) == {"the same text is kept"}
        and set(gone["filter"]) == {"1 drop_duplicates"}
    )
    drawn = polars.read_parquet(tmp_path / "mix" / "draws.parquet")
    human = drawn.filter(polars.col("_source") == "human")["_id"]
    assert gone["match"].is_in(human.implode()).all() and not gone["_id"].is_in(mixed.frame()["_id"].implode()).any()
    assert drawn.filter(polars.col("_id").is_in(gone["_id"].implode()))["drawn"].to_list() == [0] * 5
    check_adds_up(mixed.manifest, 5)
    assert mix(**spec, out=tmp_path / "mix").manifest == mixed.manifest
    assert "1 drop_duplicates" in "\n".join(mix_lines(show(tmp_path / "mix"), 120))


def test_a_folder_that_holds_what_other_filters_kept_is_refused(tmp_path):
    spec = {"pools": pools(), "rows": 40}
    mix(**spec, filters=[{"best_of": {"by": lambda texts: [len(text) for text in texts]}}], out=tmp_path / "mix")
    with pytest.raises(BadInput, match="contains another mix"):  # another function of the same name
        mix(**spec, filters=[{"best_of": {"by": lambda texts: [-len(text) for text in texts]}}], out=tmp_path / "mix")
    with pytest.raises(BadInput, match="contains another mix"):
        mix(**spec, out=tmp_path / "mix")


@recipe
class Twice(Filter):
    """Keep the rows of even length three times, at half their weight."""

    page = FilterPage("twice", "A filter of a test.", "It is one.", "none")

    def bounds(self, candidates):
        return 0, 3 * candidates

    def select(self, candidates, rng):
        even = np.array([len(text) % 2 == 0 for text in candidates.texts])
        return Selection(np.where(even, 3, 1), weights=np.where(even, 0.5, 1.0), reasons=("never",))


@pytest.fixture
def copying(monkeypatch):
    monkeypatch.setitem(FILTERS, "twice", Twice)


def test_rows_that_a_filter_keeps_several_times_are_drawn_as_often_and_carry_its_weight(copying):
    given_pools = [people(20), teacher("a", 10, 4)]
    mixed = mix(pools=given_pools, filters=["twice"])
    frame = mixed.frame()
    expected = {text: 3 if len(text) % 2 == 0 else 1 for pool in given_pools for text in pool["data"]["text"]}
    assert dict(frame["text"].value_counts().iter_rows()) == expected and frame["_id"].is_unique().all()
    assert set(zip(frame["text"].str.len_chars() % 2, frame["_weight"], strict=True)) == {(0, 0.5), (1, 1.0)}
    twice = mix(pools=given_pools, filters=["twice"], rows=2 * frame.height, max_repeats=2).frame()
    assert (
        dict(twice["text"].value_counts().iter_rows()) == {text: 2 * times for text, times in expected.items()}
        and twice["_id"].is_unique().all()
    )
    assert mixed.manifest["filters"][0]["copies"] == sum(times - 1 for times in expected.values())
    with pytest.raises(BadInput, match="max_repeats is 1"):
        mix(pools=given_pools, filters=["twice"], rows=2 * frame.height)


def test_a_plan_asks_filters_where_rows_are_few_and_gives_bounds_where_they_are_many(copying):
    few = mix(pools=pools(), filters=[BEST, "twice"], plan=True).plan
    assert few.plain()["filters"][0] == {
        "filter": "1 best_of",
        "prefers": "of each prompt the candidate with the most words",
        "seen": 180,
        "low": 60,
        "high": 60,
    }
    assert few.filters[1].low == few.filters[1].high == few.total
    assert any("prefers" in warning and "can collapse, even if they accumulate" in warning for warning in few.warnings)
    rows = 30_000
    many = [
        {"name": "human", "data": {"text": ["a"] * 10}, "origin": "human"},
        {"name": "m", "data": {"text": ["b"] * rows, "_prompt": ["p"] * rows}, "origin": {"model": "m"}},
    ]
    plan = mix(pools=many, columns="union", filters=[BEST | {"pools": ["m"]}, "twice"], plan=True).plan
    assert [(count.low, count.high) for count in plan.filters] == [(1, rows), (0, 3 * (rows + 10))]
    assert "there are 30,010" in plan.warnings[-2] and "leaves 1 to 30,000" in "\n".join(
        mix_lines(mix(pools=many, columns="union", filters=[BEST | {"pools": ["m"]}], plan=True), 120)
    )


def test_a_filter_is_told_beside_a_random_selection_of_as_many():
    both = ("en", "en", "en", "mt")
    given_pools = [people(400, both), teacher("a", 400, 3, both), teacher("b", 400, 9, both)]
    random = mix(pools=given_pools, filters=[{"best_of": {"by": "random"}, "pools": ["a", "b"]}], groups=["lang"]).manifest[
        "filters"
    ][0]
    longest = mix(pools=given_pools, filters=[{"best_of": {"by": "words"}, "pools": ["a", "b"]}], groups=["lang"]).manifest[
        "filters"
    ][0]
    assert [line["verdict"] for line in random["costs"]].count("as random") >= len(random["costs"]) - 1
    settings = {line["what"]: line for line in longest["costs"]}
    assert settings["_model = a"]["verdict"] == "lost" and settings["_model = b"]["verdict"] == "more"
    assert settings["standard deviation of characters of text"]["verdict"] == "less"
    assert settings["words that only one candidate uses"]["n"] == 400
    line = {entry["what"]: entry for entry in random["costs"]}["_model = a"]
    assert line["rows"]["random"] == [int(hypergeom.ppf(q, 800, 400, 400)) for q in (0.025, 0.975)]


def test_an_order_of_filters_that_lost_a_group_is_seen_in_one_table():
    given_pools = [people(20), teacher("a", 60, 3, ("en",)), teacher("b", 60, 9, ("pt",)), teacher("c", 60, 5, ("mt",))]
    mixed = mix(pools=given_pools, filters=["drop_duplicates", BEST], groups=["lang"])
    said = "\n".join(mix_lines(mixed, 160))
    row = next(line for line in said.splitlines() if line.startswith("lang") and " mt " in line)
    assert row.split() == ["lang", "mt", "60", "60", "0", "0", "0", "2", "best_of"]
    assert any(
        "no row of lang = mt is left: filter 2 best_of removed the last of 60" in warning for warning in mixed.manifest["warnings"]
    )


def test_the_audit_at_the_door_says_what_the_mix_lost_of_its_human_pools(tmp_path):
    rng = np.random.default_rng(0)
    human = {"x": rng.normal(size=1500), "y": rng.normal(size=1500)}
    narrow = {"x": 0.3 * rng.normal(size=1500), "y": rng.normal(size=1500)}
    given_pools = [{"name": "human", "data": human, "origin": "human"}, {"name": "m", "data": narrow, "origin": {"model": "m"}}]
    mixed = mix(pools=given_pools, human_share=0.1, rows=1500, audit=["spread"], out=tmp_path / "mix")
    audited = mixed.manifest["audit"]
    assert audited["lost"] == audited["aspects"] == ["spread"] and "Lost: " in audited["summary"]
    assert {check["verdict"] for check in audited["checks"]} == {"lost"} and audited["judged"]["lost"] == len(audited["checks"])
    assert f"audit against the human pools: {audited['summary'][:30]}" in "\n".join(mix_lines(mixed, 400))
    with pytest.raises(BadInput, match="no pool has any"):
        _ = mix(pools=[given_pools[1]], audit=["spread"]).manifest
    with pytest.raises(BadInput, match="audit of the mix: "):
        _ = mix(pools=given_pools, audit=["spraed"]).manifest


def test_the_audit_at_the_door_calls_no_share_lost_that_a_target_asked_for():
    """Women rise from 30 % to 50 %, so that husbands fall and ages with them: all of it was asked for. A generator's loss beside it is still seen."""
    rng = np.random.default_rng(1)

    def people(rows, women):
        sex = np.where(rng.random(rows) < women, "woman", "man")
        kin = np.where(rng.random(rows) < 0.5, "single", np.where(sex == "man", "husband", "wife"))
        return {"sex": sex.tolist(), "kin": kin.tolist(), "age": rng.normal(np.where(sex == "man", 45.0, 40.0), 10)}

    human, fresh = people(4000, 0.3), people(4000, 0.3)
    pools = [{"name": "human", "data": human, "origin": "human"}, {"name": "m", "data": fresh, "origin": {"model": "m"}}]
    shares = {"rows": 2000, "targets": [{"column": "sex", "parity": True}], "audit": ["groups", "spread"]}
    mixed = mix(pools=pools, **shares).manifest["audit"]
    assert mixed["lost"] == [] and 2000 < mixed["human_rows"]["as_asked"] < mixed["human_rows"]["all"] == 4000
    fresh["kin"] = [kin if kin != "single" or rng.random() < 0.3 else "wife" for kin in fresh["kin"]]
    mixed = mix(pools=pools, human_share=0.1, **shares).manifest["audit"]
    assert [check["group"] for check in mixed["checks"] if check["metric"] == "category_share"] == ["kin=single"]


def test_human_rows_are_as_shares_bounds_and_means_ask_for_them():
    rng = np.random.default_rng(2)
    human = polars.DataFrame(
        {"sex": ["man"] * 3000 + ["woman"] * 1000, "city": rng.choice(["a", "b", "c"], 4000), "age": rng.normal(50, 10, 4000)}
    )
    asked = targets_of(
        [
            {"column": "sex", "shares": {"woman": 0.5}},
            {"column": "city", "shares": {"a": {"at_least": 0.5}}},
            {"column": "age", "at_least": 30, "mean": 45},
        ]
    )
    people = as_asked(human, asked, rng)
    assert abs((people["sex"] == "woman").mean() - 0.5) < 0.05 and abs((people["city"] == "a").mean() - 0.5) < 0.05
    assert people["age"].min() >= 30 and abs(people["age"].mean() - 45) < 1
    assert as_asked(human, (), rng) is human


CHAT = [
    {"messages": [{"role": "user", "content": "Say it."}, {"role": "assistant", "content": "it " * words}]} for words in (3, 9, 5)
]


def test_chats_answer_the_prompt_that_their_users_say():
    mixed = mix(pools=[{"name": "m", "data": CHAT, "origin": {"model": "m"}}], filters=[{"best_of": {"by": "words"}}])
    assert mixed.frame()["messages"].to_list()[0][1]["content"] == "it " * 9 and mixed.frame().height == 1


@pytest.mark.parametrize(
    ("filters", "why"),
    [
        ("best_of", r"filters must be a list of filters, as in \[drop_duplicates\]"),
        ([{"best_of": {"by": "words"}, "pools": ["d"]}], "a filter names the pool 'd'; there are human, a, b, c"),
        ([{"best_of": {"by": {"column": "scroe"}}}], r"filter 1 best_of: there is no column 'scroe'"),
        ([{"best_of": {"by": {"column": "lang"}}}], r"filter 1 best_of: lang has no number for 240 of 240 candidates.*as 'en'"),
        (
            [{"route": {"rule": "learned", "reward": "words"}, "pools": ["a"]}],
            "filter 1 route: needs at least 10 prompts and two teachers",
        ),
        ([{"decontaminate": {"path": "nowhere.jsonl"}}], "nowhere.jsonl"),
        (["drop_duplicates", {"best_of": {"by": "words", "most": 1}}], r"filters\.most is not known; known: by, keep, k"),
        (["drop_duplicate"], "unknown filter 'drop_duplicate'; did you mean 'drop_duplicates'"),
        ([{"best_of": "words"}], r"best_of must be a mapping of its settings, as in \{best_of: \{…\}\}, got 'words'"),
        ([{"best_of": {"by": "words"}, "pool": "a"}], "only pools is allowed beside best_of, got 'pool'; did you mean 'pools'"),
        ([3], "filters must be one of best_of"),
    ],
)
def test_filters_that_cannot_be_asked_are_refused_in_one_line(filters, why):
    with pytest.raises(BadInput, match=why) as refused:
        _ = mix(pools=pools(), filters=filters)
    assert "\n" not in str(refused.value)


def test_a_column_that_a_pool_lacks_and_texts_that_are_missing_are_no_error():
    prompts = ["1", "1", "2", "2", None]
    lacking = {
        "name": "a",
        "data": {"text": ["x", None, "", "y", "z"], "p": prompts},
        "origin": {"model": "a"},
        "prompt_column": "p",
    }
    scored = {"name": "b", "data": {"text": ["one"], "p": ["1"], "score": [0.5]}, "origin": {"model": "b"}, "prompt_column": "p"}
    mixed = mix(pools=[lacking, scored], columns="union", filters=[{"best_of": {"by": {"column": "score"}}}])
    assert mixed.frame()["text"].to_list() == ["one"] and mixed.manifest["filters"][0]["rejected"] == 5
    longest = mix(pools=[lacking, scored], columns="union", filters=[{"best_of": {"by": "characters"}}, "drop_duplicates"]).frame()
    assert sorted(longest["text"].to_list()) == ["one", "y", "z"]  # what has no prompt competes with nothing


def test_filters_that_leave_nothing_or_know_no_prompt_say_so():
    own = [replace_prompt(pool) for pool in pools()]
    with pytest.raises(
        BadInput,
        match="filter 1 best_of: needs the prompt that each row answers, and no row names one; name prompt_column in its pool",
    ):
        mix(pools=own, filters=[{"best_of": {"by": "words"}}])
    phrase = {"drop_boilerplate": {"phrases": ["a", "person"]}}
    with pytest.raises(BadInput, match=r"filter 1 drop_boilerplate leaves no row: it contains one of the named phrases \(240\)"):
        mix(pools=pools(), filters=[phrase | {"drop_boilerplate": {"phrases": ["e"]}}])


def replace_prompt(pool: dict) -> dict:
    return {key: value for key, value in pool.items() if key != "prompt_column"}


def test_the_command_reads_filters_from_a_mix_file_and_says_what_they_did(tmp_path):
    for pool in pools():
        polars.DataFrame(pool["data"]).write_parquet(tmp_path / f"{pool['name']}.parquet")
    (tmp_path / "mix.yaml").write_text(
        "pools:\n"
        + "".join(
            f"  - {{name: {p['name']}, path: {tmp_path}/{p['name']}.parquet, origin: {json.dumps(p['origin'])}, prompt_column: prompt}}\n"
            for p in pools()
        )
        + "filters:\n  - best_of: {by: words}\n    pools: [a, b, c]\n  - drop_duplicates\n  - decontaminate: {path: "
        + f"{tmp_path}/human.parquet, column: prompt}}\n"
    )
    ended = outcross("mix", tmp_path / "mix.yaml", "--out", tmp_path / "out")
    assert ended.returncode == 0 and "filter 1 best_of: kept 60 of 180" in ended.stdout and ended.stderr == ""
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert str(tmp_path / "human.parquet") in manifest["inputs"] and "what the filters kept" in manifest["inputs"]
    assert manifest["requested"]["filters"][2]["filter"]["path"] == "the test set"


JUDGES = """
import os, signal, sys
from pathlib import Path
import outcross

def first(texts):
    Path("first.log").open("a").write("asked\\n")
    return [len(text) for text in texts]

def second(texts):
    if stop == "second filter":
        os.kill(os.getpid(), signal.SIGKILL)
    return [-len(text) for text in texts]

def killed(event, arguments):
    if event == "open" and stop == "shard" and "train-00000" in str(arguments[0]) and arguments[2] & (os.O_WRONLY | os.O_RDWR):
        os.kill(os.getpid(), signal.SIGKILL)

out, stop = sys.argv[1:]
sys.addaudithook(killed)
pools = [{"name": "human", "path": "h.jsonl", "origin": "human", "prompt_column": "p"}, {"name": "gpt", "path": "g.jsonl", "origin": {"model": "g"}, "prompt_column": "p"}]
outcross.mix(pools=pools, rows=20, filters=[{"best_of": {"by": first, "k": 3}}, {"best_of": {"by": second}}], out=out)
"""


def test_a_mix_that_was_killed_does_not_ask_its_filters_again(tmp_path):
    for name in ("h", "g"):
        rows = [{"text": f"{name}{'x' * (row % 7)}{row}", "p": f"{name} {row // 4}"} for row in range(80)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "judges.py").write_text(JUDGES)

    def run(out: str, stop: str = "") -> int:
        return script("judges.py", out, stop, folder=tmp_path).returncode

    assert run("whole") == 0
    (tmp_path / "first.log").unlink()
    assert run("out", "second filter") == -9 and run("out", "shard") == -9 and run("out") == 0 and run("out") == 0
    assert (tmp_path / "first.log").read_text() == "asked\n"
    files = [
        path.relative_to(tmp_path / "whole") for path in (tmp_path / "whole").rglob("*") if path.suffix in (".parquet", ".json")
    ]
    assert len(files) > 3
    for path in files:
        assert (tmp_path / "whole" / path).read_bytes() == (tmp_path / "out" / path).read_bytes(), path
    judges = (tmp_path / "judges.py").read_text().replace("[len(text)", "[1 + len(text)")
    (tmp_path / "judges.py").write_text(judges)  # another function is another filter
    assert run("other") == 0 and (tmp_path / "first.log").read_text() == "asked\n" * 2
