"""Which mix? Small mixes are tried, and the shares that a law finds best are in the plan, the manifest and the mix."""

import json

import numpy as np
import polars
import pytest

import outcross
from outcross.errors import BadInput
from outcross.verbs.mix.screen import mix_lines

NGRAM = {"kind": "ngram", "order": 2, "vocabulary": 300}
SMALL = {"learner": NGRAM, "size": 3000, "block": 16}


def texts(words: list[str], count: int, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    shares = 1 / np.arange(1.0, len(words) + 1)
    return [" ".join(rng.choice(words, 30, p=shares / shares.sum())) for _ in range(count)]


GOOD, ODD = [f"word{number}" for number in range(30)], [f"xyz{number * 7919}" for number in range(30)]
HUMAN = {"text": texts(GOOD, 300, 0)}
POOLS = [
    {"name": "human", "data": HUMAN, "origin": "human"},
    {"name": "near", "data": {"text": texts(GOOD, 400, 1)}, "origin": {"model": "near"}},
    {"name": "far", "data": {"text": texts(ODD, 400, 2)}, "origin": {"model": "far"}},
]


def written(folder, shards: int) -> list[dict]:
    """The pools in files, each in so many."""
    pools = []
    for pool in POOLS:
        place = folder / f"{pool['name']}-{shards}"
        place.mkdir()
        values = pool["data"]["text"]
        for shard in range(shards):
            own = values[shard * len(values) // shards : (shard + 1) * len(values) // shards]
            (place / f"{shard}.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in own))
        pools.append({"name": pool["name"], "path": str(place), "origin": pool["origin"]})
    return pools


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    folder = tmp_path_factory.mktemp("search")
    asked = {"pools": written(folder, 1), "rows": 500, "human_share": {"at_least": 0.2}, "search": SMALL}
    outcross.mix(asked, out=folder / "out", plan=True)  # what is tried is kept
    tried = (folder / "out/.outcross/ledger.jsonl").read_text().count('"verb":"small_mix"')
    return folder, asked, tried, outcross.mix(asked, out=folder / "out")


def test_the_pool_that_is_unlike_human_text_gets_nothing_and_the_human_floor_is_kept(searched):
    _, _, _, mixed = searched
    search, realised = mixed.manifest["search"], mixed.manifest["realised"]
    shares = {name: share["value"] for name, share in search["proposal"]["shares"].items()}
    assert shares["far"] == 0 and sum(shares.values()) == pytest.approx(1)
    assert realised["human_share"] >= 0.2 and realised["shares"]["far"] == 0
    assert all(realised["shares"][name] == pytest.approx(share, abs=1 / 500) for name, share in shares.items())
    assert all(share["low"] <= share["value"] <= share["high"] for share in search["proposal"]["shares"].values())
    assert search["law"]["human"]["t"]["far"]["value"] > search["law"]["human"]["t"]["human"]["value"]


def test_the_design_is_as_large_as_asked_and_the_back_test_names_every_rival(searched):
    search = searched[-1].manifest["search"]
    roles = [small_mix["role"] for small_mix in search["mixes"]]
    assert roles.count("fit") == 3 * 3 + 6 and roles.count("held out") == 10
    assert all(len(losses) == 2 for small_mix in search["mixes"] for losses in small_mix["losses"].values())
    for tried in search["mixes"]:
        rows = {name: share / search["read_of_one_unit"][name] for name, share in tried["shares"].items()}
        assert rows["human"] / sum(rows.values()) >= 0.2 - 0.01  # whole blocks
    assert set(search["back_test"]["regret"]) == {"law", "linear", "observed", "asked"}
    assert min(regret["value"] for regret in search["back_test"]["regret"].values()) == 0
    test = search["back_test"]["held_out"]
    assert test["mixes"] == 10 and test["law"]["mean_error"] < test["linear"]["mean_error"]


def test_a_plan_with_a_folder_keeps_what_it_tried_and_the_mix_tries_nothing_again(searched):
    folder, asked, tried, mixed = searched
    steps = (folder / "out/.outcross/ledger.jsonl").read_text().count('"verb":"small_mix"')
    assert tried == steps >= 2 * 25
    before = (folder / "out/.outcross/ledger.jsonl").read_bytes()
    again = outcross.mix(asked, out=folder / "out")
    assert again.manifest == mixed.manifest and (folder / "out/.outcross/ledger.jsonl").read_bytes() == before


def test_people_see_the_proposal_and_its_rivals(searched):
    said = " ".join(mix_lines(searched[-1], 100))
    assert (
        "proposed shares of rows [95 %]" in said
        and "loss above the lowest measured loss" in said
        and "the mean error of the law is" in said
    )


def test_the_number_of_files_changes_no_share_and_no_row(searched, tmp_path):
    _, asked, _, mixed = searched
    other = outcross.mix(asked | {"pools": written(tmp_path, 3)})
    assert other.plan.plain()["pools"] == mixed.plan.plain()["pools"]
    assert other.mixing.searched.plain == mixed.manifest["search"]
    assert other.frame()["_id"].equals(mixed.frame()["_id"])


def test_two_pools_of_one_law_have_no_best_share_and_keep_what_was_asked(tmp_path):
    polars.DataFrame({"text": texts(GOOD, 100, 9)}).write_parquet(tmp_path / "v.parquet")
    pools = [
        {"name": "human", "data": HUMAN, "origin": "human", "weight": 1},
        {"name": "other", "data": {"text": texts(GOOD, 300, 7)}, "origin": {"model": "m"}, "weight": 3},
    ]
    mixed = outcross.mix(pools=pools, rows=100, search=SMALL | {"validation": str(tmp_path / "v.parquet")}, plan=True)
    said = mixed.plain()["search"]
    assert said["proposal"] is None and "do not differ beyond the error" in said["note"]
    assert said["share_curve"]["fixed_total"]["likely"] == [
        point["share"] for point in said["share_curve"]["fixed_total"]["points"]
    ]
    assert [pool["used"] for pool in mixed.plain()["pools"]] == [25, 75]


def tables(count: int, slope: float, seed: int, **more) -> polars.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=count)
    settings = {"x": x, "z": rng.normal(size=count), "y": np.where(slope * x + rng.normal(0, 0.5, count) > 0, "yes", "no")}
    return polars.DataFrame(settings | more)


OF_Y = {"column": "y", "predictor": "linear model", "size": 500}


def test_two_pools_have_the_share_curve_of_an_audit():
    human, flipped = tables(400, 1.0, 0), tables(400, -1.0, 1)
    pools = [{"name": "human", "data": human, "origin": "human"}, {"name": "model", "data": flipped, "origin": {"model": "m"}}]
    mixed = outcross.mix(pools=pools, rows=300, human_share={"at_least": 0.4}, search=OF_Y, plan=True)
    said = mixed.plain()["search"]
    curve = outcross.share_curve(flipped, reference=human, target="y", learner="linear model")
    # The same function of the same records: only the random splits are others.
    assert said["share_curve"].keys() == {*vars(curve), "answer"}
    assert [point["share"] for point in said["share_curve"]["fixed_total"]["points"]] == [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    for point, own in zip(said["share_curve"]["fixed_total"]["points"], curve.fixed_total.points, strict=False):
        assert point["loss"]["low"] < own.loss.high and own.loss.low < point["loss"]["high"]
    assert said["proposal"]["shares"]["model"]["value"] == 0 and [pool["used"] for pool in mixed.plain()["pools"]] == [300, 0]


def test_a_search_reads_what_filters_leave_and_measures_on_people_whom_they_have_not_seen():
    """The rows of one pool that help are marked, and a filter keeps them: the search then wants the pool that it leaves alone."""
    good, bad = tables(500, 1.0, 3, mark=[1] * 500), tables(500, -1.0, 4, mark=[0] * 500)
    pools = [
        {"name": "human", "data": tables(250, 1.0, 5, mark=[1] * 250), "origin": "human"},
        {"name": "mixed", "data": polars.concat([good, bad]), "origin": {"model": "m"}},
        {"name": "bad", "data": bad, "origin": {"model": "n"}},
    ]
    asked = {"pools": pools, "rows": 200, "columns": ["x", "z", "y", "mark"], "search": OF_Y}
    rule = {"verify": {"rules": ["mark = 1"], "pools": ["mixed"]}}
    plain, kept = (outcross.mix(asked | more, plan=True).plain()["search"] for more in ({}, {"filters": [rule]}))
    law = [search["law"]["human"]["t"]["mixed"]["value"] for search in (kept, plain)]
    assert law[0] < law[1] and kept["proposal"]["shares"]["bad"]["value"] == 0
    assert kept["measured_on"] == "a tenth of the human pools, before any filter; no small mix contains these rows"


def test_a_search_beside_splits_measures_on_the_validation_split_and_leaves_the_test_split_as_it_is(tmp_path):
    pools = [pool | {"data": {"text": [f"{text} {number}" for number, text in enumerate(pool["data"]["text"])]}} for pool in POOLS]
    splits = {"train": 0.7, "validation": {"share": 0.2, "synthetic": False}, "test": 0.1}
    asked = {"pools": pools, "rows": 300, "splits": splits, "lineage": {"near": None}}
    mixed = outcross.mix(asked | {"search": SMALL}, out=tmp_path / "out")
    said, plain = mixed.manifest["search"], outcross.mix(asked)
    assert "the validation split" in said["measured_on"] and "test split" in said["measured_on"]
    assert said["proposal"]["shares"]["far"]["value"] == 0 and mixed.manifest["realised"]["shares"]["far"] == 0
    assert mixed.frame("test")["_id"].equals(plain.frame("test")["_id"])
    assert not {*mixed.frame("test")["_id"]} & {*mixed.frame()["_id"]}
    again = outcross.mix(asked | {"search": SMALL}, out=tmp_path / "out")
    assert again.manifest == mixed.manifest


def test_small_mixes_meet_the_targets_of_the_mix_and_the_proposal_can_be_had():
    """Only `far` has rows of kind b, of which two fifths are asked for: no mix can have less of it, however little it is worth."""
    pools = [
        {"name": "human", "data": tables(300, 1.0, 0, kind=["a"] * 300), "origin": "human"},
        {"name": "near", "data": tables(300, 1.0, 1, kind=["a"] * 300), "origin": {"model": "m"}},
        {"name": "far", "data": tables(300, -1.0, 2, kind=["a", "b", "b"] * 100), "origin": {"model": "n"}},
    ]
    target = {"column": "kind", "shares": {"b": {"at_least": 0.4}}}
    said = outcross.mix(pools=pools, rows=200, targets=[target], search=OF_Y, plan=True).plain()
    assert min(small_mix["shares"]["far"] for small_mix in said["search"]["mixes"]) >= 0.4 - 1 / 500  # whole records
    assert 80 <= {pool["name"]: pool["used"] for pool in said["pools"]}["far"] <= 90
    assert said["targets"][0]["values"]["b"]["realised"] >= 0.4


def test_weights_decide_how_much_of_a_small_mix_each_pool_is():
    """Half of the rows at a third of the weight are a quarter of what is learned from: 1/3 · 1/2 over 1/3 · 1/2 + 1/2."""
    human, flipped = tables(400, 1.0, 0), tables(400, -1.0, 1)
    pools = [{"name": "human", "data": human, "origin": "human"}, {"name": "model", "data": flipped, "origin": {"model": "m"}}]
    said = outcross.mix(pools=pools, rows=300, weights={"model": 1 / 3}, search=OF_Y, plan=True).plain()["search"]
    assert said["shares_of_weight"]["0.5"] == pytest.approx(0.25)
    assert said["proposal"]["shares"]["model"]["value"] == 0


def test_an_exact_human_share_is_kept_and_domains_are_weighed():
    human = {"text": texts(GOOD, 200, 5) + texts(ODD, 200, 6)}
    pools = [{"name": "human", "data": human, "origin": "human"}, *POOLS[1:]]
    asked = {"pools": pools, "rows": 300, "human_share": 0.3}
    mixed = outcross.mix(asked | {"search": SMALL | {"validation": "pools"}}, plan=True)
    assert mixed.plain()["feasible"]["human_share"] == 0.3
    assert list(mixed.plain()["search"]["validation"]) == ["human"]


def test_a_table_is_searched_by_what_predicts_a_column(tmp_path):
    rng = np.random.default_rng(0)

    def records(count: int, slope: float) -> polars.DataFrame:
        x = rng.normal(size=count)
        return polars.DataFrame(
            {"x": x, "z": rng.normal(size=count), "y": np.where(slope * x + rng.normal(0, 0.5, count) > 0, "yes", "no")}
        )

    records(600, 1.0).write_parquet(tmp_path / "test.parquet")
    pools = [
        {"name": "human", "data": records(400, 1.0), "origin": "human"},
        {"name": "same", "data": records(400, 1.0), "origin": {"model": "same"}},
        {"name": "flipped", "data": records(400, -1.0), "origin": {"model": "flipped"}},
    ]
    search = {"column": "y", "predictor": "linear model", "size": 500, "validation": {"city": str(tmp_path / "test.parquet")}}
    said = outcross.mix(pools=pools, rows=400, search=search, plan=True).plain()["search"]
    assert said["loss"] == "nats a record" and said["repeats"] == {"human": 2, "same": 2, "flipped": 2}
    assert said["proposal"]["shares"]["flipped"]["value"] == 0


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"pools": POOLS[:1]}, "search compares shares of 2 to 12 pools, got 1"),
        ({"pools": POOLS[1:]}, "no pool has origin: human; name one, or give search.validation"),
        ({"search": {"mixes": 5}}, "from 3 P + 6 = 15 for 3 pools"),
        ({"search": {"mixs": 5}}, "did you mean 'mixes'"),
        ({"search": {"held_out": 2}}, "at least 10, got 2"),
        ({"search": {"seeds": 1}}, "at least 2, got 1"),
        ({"search": {"learner": "causal_lm"}}, "unknown learner 'causal_lm'"),
        ({"search": {"training": {"steps": 3}}}, "mix: search.training is only for a transformer; write learner: transformer"),
        ({"search": {"learner": "transformer", "training": {"epochs": 3}}}, "leave epochs out"),
        ({"search": {"learner": "ngram", "column": "y"}}, "mix: search.learner is for text and column for tables; give only one of them"),
        ({"search": {"column": "y"}}, "not a column of the mix"),
        ({"search": {"validation": 3}}, "validation must be pools, a path"),
        ({"search": {"validation": "nowhere.jsonl"}}, "nowhere.jsonl"),
        ({"search": {"weights": {"human": -1}}}, "mix: search.weights of 'human' must be 0 or more"),
        ({"search": SMALL | {"weights": {"humn": 1}}}, "did you mean 'human'"),
        ({"search": 3}, "search must be a mapping"),
        ({"targets": [{"mean": 300.0, "attribute": "words"}]}, "mean"),
        ({"pools": POOLS[:2], "human_share": 0.3}, "allow only one share"),
        ({"pools": [*POOLS[:2], {"name": "few", "data": {"text": ["one"]}, "origin": {"model": "m"}}]}, "tokens for small mixes"),
    ],
)  # fmt: skip
def test_what_cannot_be_searched_is_refused_in_one_line(asked, said):
    with pytest.raises(BadInput) as refusal:
        outcross.mix({"pools": POOLS, "rows": 100, "search": SMALL} | asked, plan=True)
    assert said in str(refusal.value) and "\n" not in str(refusal.value)
