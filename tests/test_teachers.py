"""Several teachers in one loop: who reads what, what routing keeps, what a run keeps, and what is refused."""

import json
import time
from fractions import Fraction

import numpy as np
import polars
import pytest
from conftest import outcross as command
from conftest import started

import outcross
from outcross.cli import main
from outcross.data import Origin, part_of
from outcross.data.dealing import deal, quotas
from outcross.data.records import Counts, Vectors
from outcross.errors import BadInput
from outcross.models.categorical import CategoricalModel
from outcross.models.community import CommunityModel
from outcross.models.gaussian import NormalModel

pytestmark = pytest.mark.usefixtures("without_charts")

NUMBERS = {
    "name": "numbers", "human": {"distribution": "normal", "rows": 60}, "learner": {"kind": "gaussian", "divisor": "n"},
    "draw": {"prompts": "none"}, "generations": 3, "metrics": ["fitted_law"],
}  # fmt: skip


def recipe(**changes):
    return NUMBERS | {"teachers": {"a": {}, "b": {}}} | changes


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    """A text experiment of n-grams, over sentences of two groups."""
    path = tmp_path_factory.mktemp("texts") / "human.csv"
    words = np.random.default_rng(0)
    rows = [
        {"text": " ".join(words.choice(["rain", "sun", "sea", "hill", "walks", "sleeps", "the", "a", group], 60)), "lang": group}
        for group in ("de", "fr")
        for _ in range(60)
    ]
    polars.DataFrame(rows).write_csv(path)
    ngram = {"kind": "ngram", "vocabulary": 300}
    return {
        "name": "words", "human": {"path": str(path), "text_column": "text", "group_column": "lang", "rows": 60, "held_out": 0.2},
        "block": 16, "learner": ngram, "draw": {"prefix": 4}, "generations": 2, "metrics": ["held_out"],
        "teachers": {"a": {}, "b": {"learner": ngram | {"order": 2}}},
    }  # fmt: skip


def written(**sizes):
    """Parts of numbers that say who wrote them."""
    return {
        name: part_of(Origin("model", name, 0), Vectors(1000.0 * place + np.arange(n)[:, None]))
        for place, (name, n) in enumerate(sizes.items())
    }


def test_equal_readers_partition_what_was_written_and_quotas_are_exact():
    half = {"a": Fraction(1, 3), "b": Fraction(1, 3), "c": Fraction(1, 3)}
    parts = written(a=30, b=30, c=30)
    dealt = deal(parts, dict.fromkeys("abc", half), np.random.default_rng(1)).pools
    assert [[len(part) for part in pool.parts] for pool in dealt.values()] == [[10, 10, 10]] * 3
    every = np.concatenate([pool.records.array[:, 0] for pool in dealt.values()])
    assert len(np.unique(every)) == 90
    assert [part.origin.model for part in dealt["a"].parts] == ["a", "b", "c"]


@pytest.mark.parametrize("sizes", [{"a": 7, "b": 5}, {"a": 1, "b": 100}])
def test_quotas_sum_to_what_a_reader_is_owed_to_the_record(sizes):
    asked = {"a": {"a": Fraction(2, 3), "b": Fraction(1, 3)}, "b": {"a": Fraction(1), "b": Fraction(1, 9)}}
    for reader, quota in quotas(sizes, asked).items():
        owed = sum(asked[reader][name] * n for name, n in sizes.items())
        assert abs(sum(quota.values()) - owed) <= Fraction(1, 2) and all(n <= sizes[name] for name, n in quota.items())


def test_counts_are_dealt_without_replacement_in_every_chain():
    counts = np.random.default_rng(0).multinomial(20, [0.5, 0.3, 0.2], size=50)
    parts = {name: part_of(Origin("model", name, 0), Counts(counts)) for name in "ab"}
    half = dict.fromkeys("ab", Fraction(1, 2))
    dealt = deal(parts, {"a": half, "b": half}, np.random.default_rng(1)).pools
    taken = [[part.records.array for part in pool.parts] for pool in dealt.values()]
    assert all((array.sum(axis=-1) == 10).all() for arrays in taken for array in arrays)
    for place in range(2):
        assert (taken[0][place] + taken[1][place] == counts).all()


def test_a_record_that_several_ask_for_goes_to_both_and_never_twice_to_one():
    dealt = deal(written(a=10, b=10), {"a": {"a": Fraction(1), "b": Fraction(0)}, "b": {"a": Fraction(1, 2), "b": Fraction(3, 5)}}, np.random.default_rng(1)).pools  # fmt: skip
    assert len(dealt["a"]) == 10 and len(np.unique(dealt["b"].records.array)) == len(dealt["b"]) == 11


def test_a_community_is_the_mixture_of_its_models():
    near = NormalModel(np.array([0.0]), np.array([[1.0]]))
    other = NormalModel(np.array([4.0]), np.array([[3.0]]))
    both = CommunityModel({"a": near, "b": other}, {"a": 0.25, "b": 0.75})
    points = Vectors(np.array([[0.0], [5.0]]))
    density = 0.25 * np.exp(near.log_prob(points)) + 0.75 * np.exp(other.log_prob(points))
    assert np.allclose(both.log_prob(points), np.log(density), rtol=1e-12)
    assert np.allclose(both.mean, 3.0) and np.allclose(both.covariance, 0.25 + 0.75 * 3 + 0.25 * 0.75 * 16)
    states = CommunityModel(
        {"a": CategoricalModel(np.array([1.0, 0.0])), "b": CategoricalModel(np.array([0.5, 0.5]))}, {"a": 0.5, "b": 0.5}
    )
    assert (
        states.probabilities.tolist() == [0.75, 0.25] and not hasattr(states, "covariance") and not hasattr(both, "probabilities")
    )


def test_each_teacher_learns_from_its_quota_and_origins_name_the_teacher(tmp_path):
    shares = {"a": {"share": 0.5, "reads": 0.1}, "b": {"reads": 0.3}, "c": {"reads": "own"}}
    *_, before, last = outcross.run(recipe(teachers=shares, human={"distribution": "normal", "rows": 80}), out=tmp_path / "run")
    read = {
        name: [(part.origin.model.partition(":")[0], len(part)) for part in teacher.read.parts]
        for name, teacher in before.teachers.items()
    }
    assert read == {"a": [("a", 36), ("b", 2), ("c", 2)], "b": [("a", 4), ("b", 14), ("c", 2)], "c": [("c", 20)]}
    assert {name: len(teacher.training.value) for name, teacher in last.teachers.items()} == {"a": 40, "b": 20, "c": 20}
    assert [part.origin.model.partition(":")[0] for part in last.teachers["a"].training.value.pool.parts] == ["a", "b", "c"]
    assert len(last.drawn) == 80 and {reading.group for reading in last.measured} == {"", "teacher a", "teacher b", "teacher c"}
    run = outcross.open(tmp_path / "run")
    assert len(run.drawn("replace", 0, 2)) == 80
    assert len(run.training("replace", 0, 2, teacher="b")) == 20
    with pytest.raises(BadInput, match="has several teachers, a, b, c; name one of them"):
        run.training("replace", 0, 2)
    with pytest.raises(BadInput, match="needs a single model"):
        outcross.export(tmp_path / "run", to="transformers", out=tmp_path / "out")
    lineage = run.ledger.lineage(run.steps_of("replace", 0, 2)["drawn-a"])
    assert {"a", "b", "c"} <= {step.part for step in lineage if step.generation == 1}  # a learned from all three


def test_isolated_teachers_never_read_each_other_and_a_policy_holds_for_each():
    own = {"a": {"reads": "own"}, "b": {"reads": "own"}}
    *_, last = outcross.run(recipe(teachers=own, policy={"kind": "human_share", "share": 0.2}))
    for name, teacher in last.teachers.items():
        by_author = {part.origin.author: part.origin.model for part in teacher.training.value.pool.parts}
        assert by_author["model"].startswith(f"{name}:") and teacher.training.value.human_share == 0.2
    human = [{*teacher.training.value.pool.human.records.array[:, 0].tolist()} for teacher in last.teachers.values()]
    assert not human[0] & human[1]  # each has its own half of the human records


def test_what_teachers_do_is_told_in_words_and_is_one_setting_where_arms_have_other_teachers():
    arms = [
        {"name": "one", "teachers": {}},
        {"name": "two"},
        {"name": "three", "teachers": {name: {"reads": 0.2} for name in "abc"}},
    ]
    run = outcross.run(recipe(arms=arms, generations=1)).finish()
    words = dict(run.readings.select("arm", "teachers").unique().rows())
    assert words["one"] == "none" and words["two"].startswith(
        "a, b: gaussian (divisor n), writes 1/2 of the records, reads what all"
    )
    assert "a, b, c: gaussian (divisor n), writes 1/3 of the records, takes 0.2 of its records from the others" in words["three"]
    swept = outcross.run(recipe(sweep={"teachers.a.reads": [0.1, 0.4]}, generations=1)).finish()
    assert swept.readings["teachers.a.reads"].unique().sort().to_list() == [0.1, 0.4]
    again = outcross.run(run.experiment)  # every default written out is read back
    assert [arm.experiment.teachers for arm in again.arms] == [arm.experiment.teachers for arm in run.arms]


def test_bounds_are_on_what_all_teachers_are_together():
    alone = {"a": {"reads": "own"}, "b": {"reads": "own"}}
    run = outcross.run(recipe(teachers=alone, human={"distribution": "normal", "rows": 8}, chains=400, generations=4, stop_when={"spread_ratio": 0.62}))  # fmt: skip
    last = list(run)[-1]
    spread = {reading.group: reading.estimate.value for reading in last.measured if reading.measure == "spread_ratio"}
    assert last.g == 3 and spread[""] > 0.62 > max(
        spread["teacher a"], spread["teacher b"]
    )  # a single teacher is far below the bound


def test_networks_are_trained_for_their_share_of_the_steps(texts):
    network = {"kind": "transformer", "layers": 1, "width": 16, "heads": 2, "vocabulary": 300}
    taught = outcross.experiment(
        texts | {"learner": network, "training": {"steps": 100, "start": {"pretrained": {"steps": 40}}}, "teachers": {"a": {"share": 0.3}, "b": {"learner": texts["learner"]}}}
    )  # fmt: skip
    alone = taught.alone("a").training
    assert (alone.steps, alone.start.steps, taught.alone("b").training) == (30, 12, None)


def test_routing_keeps_one_answer_of_each_prompt_by_its_rule(texts):
    longest = {"column": "_bytes"}
    rules = {
        "random": {"rule": "random"}, "single": {"rule": "single", "reward": longest}, "reward": {"rule": "reward", "reward": longest},
        "table": {"rule": "table", "by": "_group", "table": {"de": "a", "fr": "b"}},
    }  # fmt: skip
    length = {}
    for name, rule in rules.items():
        first = next(iter(outcross.run(texts | {"select": [{"route": rule}], "generations": 1})))
        assert len(first.drawn) == 120 and sorted(first.kept.records.column("_prompt")) == list(range(60))
        length[name] = first.kept.records.column("_bytes").mean()
        who = {part.origin.model[0]: set(part.records.column("_group")) for part in first.kept.parts}
        assert name != "table" or who == {"a": {"de"}, "b": {"fr"}}
        assert name != "single" or len(who) == 1
    assert length["reward"] > max(length["random"], length["table"], length["single"])


def test_a_learned_router_and_a_specialist_learn_what_they_are_told(texts):
    route = {"route": {"rule": "learned", "reward": {"column": "_bytes"}}}
    *_, last = outcross.run(texts | {"select": [route]})
    assert sum(len(teacher.kept) for teacher in last.teachers.values()) == 60
    special = texts | {"teachers": {"german": {"human": ["de"]}, "both": {"human": "all"}}, "generations": 1}
    (first,) = outcross.run(special)
    training = {name: teacher.training.value.records for name, teacher in first.teachers.items()}
    assert {*training["german"].column("_group")} == {"de"} and len(training["both"]) == 60
    assert sorted(first.teachers["german"].drawn.records.column("_prompt")) == sorted(
        np.resize(np.flatnonzero(first.human.training.records.column("_group") == "de"), 30)
    )  # its prompts are its own human records, by their number among all


def test_experiments_without_teachers_say_nothing_of_them(tmp_path):
    outcross.run(recipe(teachers={}), out=tmp_path / "one").finish()
    outcross.run(NUMBERS, out=tmp_path / "other").finish()
    files = [(tmp_path / name / "ledger.jsonl").read_bytes() for name in ("one", "other")]
    assert files[0] == files[1] and b"teacher" not in files[0]


def test_a_run_that_was_stopped_or_killed_goes_on_to_the_same_bytes(texts, tmp_path):
    arms = [
        {"name": "all"},
        {"name": "routed", "select": [{"route": {"rule": "random"}}]},
        {"name": "own", "teachers.a.reads": "own"},
    ]
    spec = tmp_path / "words.yaml"
    spec.write_text(json.dumps(texts | {"arms": arms}))
    whole = command("run", spec, "--out", tmp_path / "whole", "--workers", 1)
    assert whole.returncode == 0, whole.stderr
    running = started("run", spec, "--out", tmp_path / "killed", "--workers", 2)
    ledger = tmp_path / "killed/ledger.jsonl"
    until = time.monotonic() + 120
    while time.monotonic() < until and not (ledger.exists() and ledger.read_bytes().count(b"\n") > 12):
        time.sleep(0.02)
    running.kill(is_alone=False)
    running.wait()
    done = command("run", spec, "--out", tmp_path / "killed", "--workers", 1)
    assert done.returncode == 0, done.stderr
    for name in ("ledger.jsonl", "readings.parquet", "samples.parquet"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "killed" / name).read_bytes(), name
    assert "[a]" in polars.read_parquet(tmp_path / "whole/samples.parquet")["prompt"][0]
    page = (tmp_path / "whole/report.html").read_text()
    assert "teacher a" in page and "teacher b" in page
    run = outcross.open(tmp_path / "whole")
    texts_of_run = run.texts("all", 0, 1)
    assert texts_of_run.height == 60
    assert {step.part for step in run.lineage("all/seed-0/g01/3").steps if step.verb == "train"} >= {"a", "b"}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"teachers": {"a": {}}}, "names only a"),
        ({"teachers": {"a": {"share": 0.5}, "b": {"share": 0.4}}}, "must sum to 1, got 0.9"),
        ({"teachers": {"a": {"share": 0.7}, "b": {"share": 0.3}, "c": {}}}, "leaves nothing for c"),
        ({"teachers": {"a": {"reads": "none"}, "b": {}}}, "teachers.a.reads must be all, own or a number"),
        ({"teachers": {"a": {"reads": 1.5}, "b": {}}}, "teachers.a.reads must be all, own or a number"),
        ({"teachers": {"a": {"share": 0.9, "reads": 0.5}, "b": {}}}, "lower reads or its share"),
        ({"teachers": {"a/b": {}, "b": {}}}, "cannot be called 'a/b'"),
        ({"teachers": {"a": {"sahre": 0.5}, "b": {}}}, "did you mean 'share'"),
        ({"teachers": ["a", "b"]}, "must map names to settings"),
        ({"teachers": {"a": {}, "b": {"learner": "categorical"}}}, "must learn one kind of records"),
        ({"teachers": {"a": {}, "b": {"human": ["de"]}}}, "vectors have no groups"),
        ({"rows": "online"}, "write a number of rows"),
        ({"rows": 1}, "too few for 2 teachers"),
        ({"human": {"distribution": "normal", "rows": 60, "records": "moments"}}, "human.records: points"),
        ({"chains": 3, "select": [{"kind": "random", "share": 0.5}]}, "write chains: 1"),
        ({"select": [{"route": {"rule": "table", "table": {"*": "claude"}}}]}, "names the teacher 'claude'; the teachers are a, b"),
        ({"select": [{"route": {"rule": "reward", "reward": {"column": "x9"}}}]}, "no column"),
    ],
)
def test_teachers_that_make_no_sense_are_refused_in_one_line(changes, says):
    with pytest.raises(BadInput) as refused:
        list(outcross.run(recipe(**changes)))
    assert says in str(refused.value) and "\n" not in str(refused.value)


def test_texts_that_teachers_cut_otherwise_and_groups_that_are_not_there_are_refused(texts):
    other = {"a": {}, "b": {"learner": {"kind": "ngram", "vocabulary": 400}}}
    with pytest.raises(BadInput, match="cuts text into other tokens"):
        outcross.experiment(texts | {"teachers": other})
    with pytest.raises(BadInput, match=r"names the group 'it'.*de, fr"):
        list(outcross.run(texts | {"teachers": {"a": {"human": ["it"]}, "b": {}}}))
    newest = texts | {"draw": {"prompts": "newest"}, "select": [{"route": {"rule": "random"}}]}
    with pytest.raises(BadInput, match="compares answers to one prompt"):
        outcross.experiment(newest)


def no_number(texts):
    return np.full(len(texts), np.nan)


def test_a_reward_that_is_no_number_is_refused(texts):
    with pytest.raises(BadInput, match=r"select route.*no number") as refused:
        list(outcross.run(texts | {"select": [{"route": {"rule": "reward", "reward": no_number}}]}))
    assert "\n" not in str(refused.value)


def test_a_teacher_that_routing_does_not_know_is_one_line_and_exit_code_2(tmp_path, capsys):
    spec = tmp_path / "spec.yaml"
    spec.write_text(json.dumps(recipe(select=[{"route": {"rule": "table", "table": {"*": "c"}}}])))
    with pytest.raises(SystemExit) as ended:
        main(["run", str(spec), "--out", str(tmp_path / "run")])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "names the teacher 'c'" in said and said.count("\n") == 1 and not (tmp_path / "run").exists()
