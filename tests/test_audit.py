"""The audit finds what was taken away, in the aspect it was taken from, and nothing where nothing was."""

from __future__ import annotations

import json
import re

import damage
import numpy as np
import polars
import pytest

import outcross
from outcross import audits
from outcross.cli import main
from outcross.errors import BadInput
from outcross.verbs.audit.rankings import onsets, ranking

SEEDS = (0,)
"""`make bench` takes thirty."""


@pytest.fixture(scope="module", params=SEEDS)
def six(request):
    rng = np.random.default_rng([20_26, request.param])
    reference = damage.human(rng)
    sets = {aspect: make(rng) for aspect, make in damage.SETS.items()} | {"everything": damage.everything(rng)}
    return {audit.name: audit for audit in audits(sets, reference=reference, groups=("group",), aspects=TOLD)}


TOLD = ("spread", "tails", "groups", "diversity")


def test_an_honest_sample_has_lost_nothing(six):
    assert six["honest"].lost == []


@pytest.mark.parametrize("aspect", [aspect for aspect in damage.SETS if aspect != "honest"])
def test_each_planted_loss_is_found_in_its_aspect(six, aspect):
    assert aspect in six[aspect].lost


def test_all_damage_at_once_is_found_in_every_aspect(six):
    assert set(six["everything"].lost) >= {"tails", "spread", "groups", "diversity"}


def test_a_halved_minority_is_said_first_where_it_is_the_only_loss(six):
    assert re.match(r"Minority \(group\) fell from [\d.]+ % to [\d.]+ % of records", six["groups"].summary), six["groups"].summary


@pytest.fixture
def outcross_cli(capsys):
    """The command line in this process: exit code, standard output, standard error."""

    def call(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stopped:
            main(list(words))
        printed = capsys.readouterr()
        return int(stopped.value.code or 0), printed.out, printed.err

    return call


@pytest.fixture(scope="module")
def pair():
    rng = np.random.default_rng([20_26, 7])
    return damage.human(rng, 2000), damage.tails_lost(rng, 2000)


def test_identical_sets_have_lost_nothing(pair):
    human, _ = pair
    audit = outcross.audit(human, reference=human, groups=("group",), aspects=TOLD)
    assert audit.lost == [] and [check.metric for check in audit.of("invented")] == ["copied_values"] * 2


def test_the_order_of_rows_changes_nothing(pair):
    human, synthetic = pair
    rng = np.random.default_rng(1)
    shuffled = [frame[rng.permutation(frame.height)] for frame in pair]
    audit = outcross.audit(synthetic, reference=human, groups=("group",))
    again = outcross.audit(shuffled[1], reference=shuffled[0], groups=("group",))
    assert audit.checks.equals(again.checks)


def test_inputs_stay_as_they_were(pair):
    human, synthetic = pair
    before = human.clone(), synthetic.clone()
    outcross.audit(synthetic, reference=human, groups=("group",))
    assert human.equals(before[0]) and synthetic.equals(before[1])


def test_the_same_question_has_the_same_answer(pair):
    human, synthetic = pair
    assert outcross.audit(synthetic, reference=human).plain() == outcross.audit(synthetic, reference=human).plain()


def test_leaving_an_aspect_out_changes_no_number_of_another(pair):
    human, synthetic = pair
    alone = outcross.audit(synthetic, reference=human, aspects=("spread",)).checks
    two = outcross.audit(synthetic, reference=human, aspects=("tails", "spread")).checks.filter(polars.col("aspect") == "spread")
    numbers = ["value", "low", "high", "floor", "p"]
    assert alone.select(numbers).equals(two.select(numbers))


def test_doubling_the_records_never_turns_lost_into_kept_or_back():
    rng = np.random.default_rng([20_26, 8])
    answered = 0
    for make in (damage.honest, damage.spread_lost):
        human, synthetic = damage.human(rng, 16_000), make(rng, 16_000)
        verdicts = []
        for rows in (1000, 2000, 4000, 8000, 16_000):
            checks = outcross.audit(synthetic[:rows], reference=human[:rows], aspects=("spread", "tails")).every
            verdicts.append({(check.metric, check.column, check.at): check.verdict for check in checks})
        for key in verdicts[-1]:
            settings = {verdict.get(key) for verdict in verdicts} & {"lost", "kept"}
            assert len(settings) <= 1, (make.__name__, key)
        answered += sum(verdict in ("lost", "kept") for verdict in verdicts[-1].values()) > sum(
            verdict in ("lost", "kept") for verdict in verdicts[0].values()
        )
    assert answered == 2


def test_the_json_is_as_designed(pair):
    human, synthetic = pair
    stored = json.loads(json.dumps(outcross.audit(synthetic, reference=human, groups="group").plain(), allow_nan=False))
    assert stored["schema"] == 2 and stored["n"] == {"synthetic": 2000, "reference": 2000}
    wanted = {
        "code",
        "aspect",
        "column",
        "group",
        "metric",
        "value",
        "low",
        "high",
        "floor",
        "margin",
        "real_vs_real",
        "verdict",
        "n",
        "why",
    }
    assert all(wanted <= set(check) for check in stored["checks"])
    assert {check["verdict"] for check in stored["checks"]} <= {"lost", "invented", "kept", "cannot_tell", "not_applicable"}
    assert "Lost: " in stored["summary"]


def test_a_check_that_cannot_tell_says_what_would(pair):
    human, synthetic = pair
    undecided = outcross.audit(synthetic[:200], reference=human[:200]).of("cannot_tell")
    assert undecided and all(
        any(words in check.why for words in ("give a verdict", "for a verdict", "by chance", "--holdout")) for check in undecided
    )


def test_a_check_that_does_not_apply_says_why(pair):
    human, synthetic = pair
    audit = outcross.audit(synthetic[:10], reference=human[:10]).of("not_applicable")
    assert audit and all(check.why for check in audit)


def test_margins_move_verdicts():
    rng = np.random.default_rng([20_26, 9])
    human, synthetic = rng.normal(size=(5000, 2)), 0.9 * rng.normal(size=(5000, 2))
    assert outcross.audit(synthetic, reference=human, aspects="spread").lost == ["spread"]
    assert outcross.audit(synthetic, reference=human, aspects="spread", margins={"spread": 0.5}).lost == []
    with pytest.raises(BadInput, match="did you mean 'spread'"):
        outcross.audit(synthetic, reference=human, margins={"spred": 0.5})


def test_what_human_data_do_not_have_is_invented():
    rng = np.random.default_rng([20_26, 10])
    human = polars.DataFrame({"x": rng.normal(size=3000), "c": rng.choice(list("abc"), 3000)})
    synthetic = polars.DataFrame(
        {"x": np.where(rng.random(3000) < 0.1, 9.0, rng.normal(size=3000)), "c": rng.choice(list("abcz"), 3000)}
    )
    audit = outcross.audit(synthetic, reference=human, aspects="tails")
    assert {(check.metric, check.column) for check in audit.of("invented")} == {("beyond_range", "x"), ("unseen_categories", "c")}
    assert "z" in next(check.why for check in audit.of("invented") if check.column == "c")


def test_missing_categories_are_named(six):
    check = next(check for check in six["tails"].of("lost") if check.metric == "rare_categories")
    assert "missing: job " in check.why


def test_sets_are_ranked_by_aspect_and_ties_share_a_rank():
    rng = np.random.default_rng([20_26, 11])
    human = rng.normal(size=(4000, 2))
    sets = {"narrow": 0.6 * rng.normal(size=(4000, 2)), "middle": 0.8 * rng.normal(size=(4000, 2)), "same": human, "again": human}
    places = [place for place in ranking(audits(sets, reference=human, aspects="spread")) if place.aspect == "spread"]
    assert [(place.name, place.rank) for place in places] == [("same", 1), ("again", 1), ("middle", 3), ("narrow", 4)]


def test_the_generation_that_lost_first_is_named():
    rng = np.random.default_rng([20_26, 12])
    human = rng.normal(size=(4000, 2))
    sets = {f"g{g}": scale * rng.normal(size=(4000, 2)) for g, scale in enumerate((1.0, 0.97, 0.7, 0.5))}
    (onset,) = onsets(audits(sets, reference=human, aspects="spread"))
    assert (onset.generation, onset.name) == (2, "g2")


def test_markdown_and_page_hold_no_markup_of_the_data(tmp_path):
    rng = np.random.default_rng([20_26, 13])
    human = polars.DataFrame({"<script>alert(1)</script>|": rng.normal(size=500), "c": rng.choice(["<b>x", "y"], 500)})
    synthetic = human.with_columns(polars.col(human.columns[0]) * 0.3, polars.lit("y").alias("c"))
    audit = outcross.audit(synthetic, reference=human, groups="c")
    page = audit.report(tmp_path / "page.html").read_text()
    for shown in (audit.markdown(), page, audit._repr_html_()):
        assert "<script>alert" not in shown and "<b>x" not in shown
    assert "src=" not in page and "&lt;script&gt;alert(1)" in page and len(page) < 1_000_000


def test_a_gate_fails_with_code_1_and_writes_what_it_found(tmp_path, outcross_cli, pair):
    human, synthetic = pair
    human.write_csv(tmp_path / "human.csv")
    synthetic.write_parquet(tmp_path / "synthetic.parquet")
    asked = ["audit", str(tmp_path / "synthetic.parquet"), "--reference", str(tmp_path / "human.csv"), "--aspects", "tails"]
    code, out, err = outcross_cli(*asked, "--fail-on", "tails", "--out", str(tmp_path / "audit"))
    assert (code, err.strip()) == (1, "outcross: lost in synthetic: tails (--fail-on tails)")
    assert {path.name for path in (tmp_path / "audit").iterdir()} >= {"audit.json", "audit.md", "report.html"}
    assert "✗ tails" in out and "report:" in out and len(out.splitlines()) <= 24
    code, out, _ = outcross_cli(*asked, "--json")
    assert code == 0 and json.loads(out)["lost"] == ["tails"]


def test_a_gate_on_copying_fails_on_copies(tmp_path, outcross_cli, pair):
    human, _ = pair
    human.write_csv(tmp_path / "human.csv")
    asked = ["audit", str(tmp_path / "human.csv"), "--reference", str(tmp_path / "human.csv"), "--aspects", "copying", "--quiet"]
    code, _, err = outcross_cli(*asked, "--fail-on", "copying")
    assert (code, err.strip()) == (1, "outcross: invented in human: copying (--fail-on copying)")


def test_an_audit_is_shown_and_reported_again(tmp_path, outcross_cli, pair):
    human, synthetic = pair
    human.write_csv(tmp_path / "human.csv")
    for name, frame in (("g0", human), ("g1", synthetic)):
        frame.write_csv(tmp_path / f"{name}.csv")
    asked = ["--reference", str(tmp_path / "human.csv"), "--aspects", "tails", "--quiet"]
    for name in ("g0", "g1"):
        assert outcross_cli("audit", str(tmp_path / f"{name}.csv"), *asked, "--out", str(tmp_path / f"audit-{name}"))[0] == 0
    before = (tmp_path / "audit-g1" / "report.html").read_bytes()
    code, out, _ = outcross_cli("show", str(tmp_path / "audit-g1"))
    assert code == 0 and "✗ tails" in out
    assert outcross_cli("report", str(tmp_path / "audit-g1"))[0] == 0
    assert (tmp_path / "audit-g1" / "report.html").read_bytes() == before
    code, out, _ = outcross_cli("report", str(tmp_path / "audit-g0"), str(tmp_path / "audit-g1"))
    assert code == 0 and "Ranked, aspect by aspect" in (tmp_path / "compare.html").read_text()


@pytest.mark.parametrize("content", ["", "{", "[]", "3", "{}", '{"checks": [{}]}', '{"audits": 4}', "[" * 100_000, "\0"])
def test_a_broken_audit_is_refused_in_one_line(tmp_path, outcross_cli, content):
    (tmp_path / "audit.json").write_text(content)
    for verb in ("show", "report"):
        code, _, err = outcross_cli(verb, str(tmp_path))
        assert code == 2 and err.count("\n") == 1


def test_thresholds_come_from_a_file_and_flags_win(tmp_path, outcross_cli, pair):
    human, synthetic = pair
    for name, frame in (("h", human), ("s", synthetic)):
        frame.write_csv(tmp_path / f"{name}.csv")
    thresholds = tmp_path / "thresholds.yaml"
    thresholds.write_text("margins: {tails: 0.0001}\nfail_on: [tails]\naspects: tails\n")
    asked = ["audit", str(tmp_path / "s.csv"), "--reference", str(tmp_path / "h.csv"), "--thresholds", str(thresholds), "--quiet"]
    assert outcross_cli(*asked)[0] == 1  # mass of 0 is beyond any margin
    code, _, err = outcross_cli(*asked, "--fail-on", "groups")
    assert code == 1 and "no check could answer" in err  # a gate that nothing can answer is not green


def test_what_a_filter_did_is_before_against_after(tmp_path, outcross_cli):
    rng = np.random.default_rng([20_26, 14])
    before = damage.human(rng, 5000)
    before.write_csv(tmp_path / "before.csv")
    before.filter(polars.col("group") == "majority").write_csv(tmp_path / "after.csv")
    asked = [
        "--before",
        str(tmp_path / "before.csv"),
        "--after",
        str(tmp_path / "after.csv"),
        "--groups",
        "group",
        "--aspects",
        "groups",
    ]
    code, out, _ = outcross_cli("audit", *asked, "--json")
    assert code == 0 and json.loads(out)["lost"] == ["groups"]


BAD = {
    "nothing": ([], "audit needs data"),
    "no_reference": (["{s}"], "pass --reference"),
    "half_a_filter": (["--before", "{h}"], "must be given together"),
    "no_file": (["nowhere.csv", "--reference", "{h}"], "nowhere.csv"),
    "unknown_group": (["{s}", "--reference", "{h}", "--groups", "sexx"], "sexx"),
    "unknown_aspect": (["{s}", "--reference", "{h}", "--aspects", "tail"], "did you mean 'tails'"),
    "unknown_gate": (["{s}", "--reference", "{h}", "--fail-on", "tail"], "did you mean 'tails'"),
    "bad_margin": (["{s}", "--reference", "{h}", "--margins", "tails=x"], "must be a number"),
    "margin_of_nothing": (["{s}", "--reference", "{h}", "--margins", "tials=0.5"], "unknown aspect or check"),
    "bad_rate": (["{s}", "--reference", "{h}", "--rate", "5"], "must be in (0, 1)"),
    "bad_kind": (["{s}", "--reference", "{h}", "--kinds", "age=numbr"], "kind of 'age' must be"),
    "bad_seed": (["{s}", "--reference", "{h}", "--seed=-1"], "seed must be at least 0"),
    "no_columns": (["{s}", "--reference", "{h}", "--most-columns", "0"], "most_columns must be at least 1"),
    "out_is_a_file": (["{s}", "--reference", "{h}", "--out", "{h}"], "is a file"),
    "same_set_twice": (["{s}", "{s}", "--reference", "{h}"], "given twice"),
    "unlike": (["{u}", "--reference", "{h}"], "no column of"),
    "not_yaml": (["{s}", "--reference", "{h}", "--thresholds", "{h}"], ""),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_questions_are_refused_in_one_line(tmp_path, outcross_cli, case):
    rng = np.random.default_rng(3)
    paths = {key: str(tmp_path / f"{key}.csv") for key in "hsu"}
    damage.human(rng, 60).write_csv(paths["h"])
    damage.human(rng, 60).write_csv(paths["s"])
    polars.DataFrame({"other": [1.5, 2.5, 3.5]}).write_csv(paths["u"])
    words, said = BAD[case]
    code, out, err = outcross_cli("audit", *(word.format(**paths) for word in words))
    assert code == 2 and err.count("\n") == 1 and "Traceback" not in err and not out
    assert said in err


ODD = {
    "one_row": polars.DataFrame({"x": [1.5], "c": ["a"]}),
    "all_missing": polars.DataFrame({"x": [None] * 50, "c": [None] * 50}, schema={"x": float, "c": str}),
    "constant": polars.DataFrame({"x": [3.25] * 50, "c": ["a"] * 50}),
    "infinite": polars.DataFrame({"x": [float("inf"), float("-inf"), float("nan")] * 20, "c": ["a", "b", "c"] * 20}),
    "many_categories": polars.DataFrame({"x": np.arange(21_000) + 0.5, "c": [f"c{i}" for i in range(21_000)]}),
    "huge": polars.DataFrame({"x": [1e300, -1e300, 1e-300, 0.5] * 20, "c": ["a" * 100_000, "b"] * 40}),
}


@pytest.mark.parametrize("case", ODD)
@pytest.mark.parametrize("is_reference", [False, True])
def test_odd_tables_are_audited_or_refused_in_one_line(case, is_reference):
    rng = np.random.default_rng(4)
    usual = polars.DataFrame({"x": rng.normal(size=300), "c": rng.choice(list("abcdef"), 300)})
    sides = (usual, ODD[case]) if is_reference else (ODD[case], usual)
    try:
        audit = outcross.audit(sides[0], reference=sides[1], groups="c", kinds={"x": "number", "c": "category"})
    except BadInput as refusal:
        assert "\n" not in str(refusal)
    else:
        json.dumps(audit.plain(), allow_nan=False)
        assert audit.summary and audit.markdown()


def copula_generation(frame: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Records of a Gaussian copula fitted to these: normal scores of ranks, their correlation, and back through the values themselves."""
    from scipy.special import ndtr, ndtri
    from scipy.stats import rankdata

    n, d = frame.shape
    scores = ndtri((rankdata(frame, axis=0) - 0.5) / n)
    drawn = rng.multivariate_normal(np.zeros(d), np.corrcoef(scores, rowvar=False), size=n)
    return np.take_along_axis(np.sort(frame, axis=0), (ndtr(drawn) * n).astype(int), axis=0)


@pytest.mark.parametrize("columns", [("x",), ("x", "c")])
@pytest.mark.parametrize("seed", SEEDS)
def test_honest_records_of_one_number_are_no_copies_and_reach_everything(columns, seed):
    rng = np.random.default_rng([20_26, 16, seed])

    def people(n):
        return polars.DataFrame({"x": rng.normal(size=n), "c": rng.choice(list("abc"), n)}).select(columns)

    audit = outcross.audit(people(300), reference=people(400), aspects=("copying", "coverage", "diversity"))
    assert audit.lost == [] and audit.invented == []


def test_a_copula_loop_whose_variance_is_flat_is_caught_by_copied_values_and_tail_dependence():
    rng = np.random.default_rng([20_26, 15])

    def people(n):  # pairs that are extreme together: a t copula of 2 degrees of freedom
        return rng.standard_normal((n, 3)) @ np.linalg.cholesky(0.5 * np.eye(3) + 0.5).T / np.sqrt(rng.chisquare(2, (n, 1)) / 2)

    human, holdout = (np.arctan(people(6000)) * 100 for _ in range(2))
    written = human
    for _ in range(4):
        written = copula_generation(written, rng)
    audit = outcross.audit(written, reference=human, holdout=holdout, aspects=("spread", "structure", "diversity", "copying"))
    assert "spread" not in audit.lost
    variances = [check.value for check in audit.every if check.metric == "variance"]
    assert len(variances) == 3 and all(0.9 < value < 1.1 for value in variances)
    assert any("dependence" in check.metric for check in audit.of("lost"))
    assert any(check.metric == "copied_values" for check in audit.of("invented"))
