"""Claims are data, their rules are decided before they run, and a verdict never says more than its numbers do."""

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import polars
import pytest

import outcross
from outcross import BadInput
from outcross.cli import main
from outcross.estimate import Estimate, NotApplicable, student_quantile, without_interval
from outcross.recipe import read
from outcross.verbs.reproduce.claim import Claim, claim_files, claims, read_claim
from outcross.verbs.reproduce.lookup import Lookup, combined, error_of
from outcross.verbs.reproduce.result import ClaimResult, ReproducedClaim, Reproduction, result_file, stored_reproduction
from outcross.verbs.reproduce.rules import RULES, ClaimComparison
from outcross.verbs.reproduce.verdicts import holm_factors, verdict
from outcross.verbs.reproduce.work import run_folder


def made_up(curves: dict[str, list[list[float]]], scatter: float = 0.0) -> polars.DataFrame:
    """The readings of a run that never was: by the arm, a list of numbers over the generations for each seed."""
    rows = [
        (arm, seed, g, "number", "", "", "", value, None, None, "one chain: no interval", 1, "")
        for arm, seeds in curves.items()
        for seed, values in enumerate(seeds)
        for g, value in enumerate(values)
    ]
    names = ("arm", "seed", "generation", "measure", "at", "column", "group", "value", "low", "high", "method", "n", "note")
    schema = dict.fromkeys(names, polars.String) | {"seed": polars.Int64, "generation": polars.Int64, "n": polars.Int64}
    schema |= dict.fromkeys(("value", "low", "high"), polars.Float64)
    return polars.DataFrame(rows, schema=schema, orient="row")


def around(value: float, spread: float = 0.01) -> list[list[float]]:
    """Five seeds with one generation each, whose mean is the value."""
    return [[value + spread * step] for step in (-2, -1, 0, 1, 2)]


def look(arm: str = "", **more) -> dict:
    return {"measure": "number", "arm": arm, **more}


PLACES = [look("a", x=1), look("b", x=2), look("c", x=3)]
MADE_UP = {
    "equal": ({"reading": look(), "published": 1.0}, {"a": around(1.0)}, {"a": around(2.0)}),
    "below": ({"reading": look(), "bound": 1.0}, {"a": around(0.5)}, {"a": around(1.5)}),
    "order": (
        {"readings": [look("a"), look("b"), look("c")]},
        {"a": around(1), "b": around(2), "c": around(3)},
        {"a": around(1), "b": around(3), "c": around(2)},
    ),
    "sign": ({"reading": look(), "direction": "down"}, {"a": around(-1)}, {"a": around(1)}),
    "slope": (
        {"readings": PLACES, "published": 2.0},
        {"a": around(1), "b": around(3), "c": around(5)},
        {"a": around(1), "b": around(2), "c": around(3)},
    ),
    "convex": (
        {"readings": PLACES},
        {"a": around(1), "b": around(2), "c": around(4)},
        {"a": around(1), "b": around(3), "c": around(4)},
    ),
    "flip": (
        {"readings": PLACES, "threshold": 1.5, "first": "above", "no_effect": 0.5},
        {"a": around(0.9), "b": around(0.2), "c": around(0.1)},
        {"a": around(0.9), "b": around(0.8), "c": around(0.1)},
    ),
}
"""Of every rule its settings, a result that agrees and one that does not."""


def claim(rule: dict, tag: str = "paper", protocol: str = "exact", **more) -> Claim:
    settings = {
        "sentence": "It is so.",
        "source": {"paper": "A paper"},
        "protocol": protocol,
        "small": {"run": "gaussian", "minutes": 1.0},
    }
    return Claim(id="made-up", parts=[{"what": "a number", "tag": tag, "rule": rule}], **settings, **more)


def judged(asserted: Claim, frame: polars.DataFrame) -> str | None:
    """The verdict of a claim on the readings of a run."""
    compared = tuple(tuple(part.rule.compare(frame)) for part in asserted.parts)
    result = ClaimResult("small", asserted.digest, asserted.protocol, compared)
    return Reproduction((ReproducedClaim(asserted, result),)).verdicts[asserted.id]


@pytest.mark.parametrize("kind", RULES)
def test_each_rule_agrees_with_a_result_that_does_and_not_with_one_that_does_not(kind):
    settings, agreeing, other = MADE_UP[kind]
    asserted = claim({"kind": kind, **settings})
    assert judged(asserted, made_up(agreeing)) == "agrees"
    assert judged(asserted, made_up(other)) == "differs"


@pytest.mark.parametrize("kind", RULES)
def test_an_unverified_number_a_stand_in_or_a_reason_never_yields_agreement(kind):
    settings, agreeing, _ = MADE_UP[kind]
    for more in (
        {"tag": "abstract"},
        {"tag": "secondary"},
        {"tag": "memory"},
        {"protocol": "stand_in"},
        {"at_most_same_direction": "So."},
    ):
        assert judged(claim({"kind": kind, **settings}, **more), made_up(agreeing)) == "same direction"


@pytest.mark.parametrize("kind", RULES)
def test_wide_scatter_cannot_tell(kind):
    settings, agreeing, _ = MADE_UP[kind]
    wide = {arm: [[value + 20 * (place - 2)] for place, (value,) in enumerate(seeds)] for arm, seeds in agreeing.items()}
    rng = np.random.default_rng(1)
    wide = {arm: [[value + 20 * rng.standard_normal()] for (value,) in seeds] for arm, seeds in wide.items()}
    assert judged(claim({"kind": kind, **settings}), made_up(wide)) == "cannot tell"


def compare(value, half, published=1.0, error=0.0, none=0.0):
    return ClaimComparison("x", Estimate(value, value - half, value + half, "seeds", 100), none, published, error)


def test_agreement_is_close_and_precise_and_beyond_no_effect():
    asserted = claim({"kind": "equal", "reading": look(), "published": 1.0})
    part = asserted.parts[0]
    assert verdict(part, compare(1.02, 0.05), asserted, "exact") == "agrees"
    assert verdict(part, compare(1.2, 0.05), asserted, "exact") == "differs"
    assert verdict(part, compare(1.2, 0.05, error=0.1), asserted, "exact") == "agrees"  # within 3 standard errors of the difference
    assert (
        verdict(part, compare(1.2, 0.05, error=0.2), asserted, "exact") == "cannot tell"
    )  # the published number itself is too wide
    assert verdict(part, compare(1.2, 0.05), asserted, "reduced") == "same direction"
    assert verdict(part, compare(1.1, 0.3), asserted, "exact") == "cannot tell"  # close, but more than a quarter of the effect wide
    assert verdict(part, compare(0.1, 0.3), asserted, "exact") == "cannot tell"  # holds no effect
    assert verdict(part, compare(-0.5, 0.1), asserted, "exact") == "differs"
    lonely = ClaimComparison("x", without_interval(1.0, "one seed"), 0.0, 1.0)
    assert verdict(part, lonely, asserted, "exact") == "cannot tell"


def test_a_number_that_is_not_precise_neither_agrees_nor_differs():
    """2 ± .4 is far from 1, but half of its interval is more than a quarter of the effect. Where only a direction can be shown, neither is asked."""
    asserted = claim({"kind": "equal", "reading": look(), "published": 1.0})
    assert verdict(asserted.parts[0], compare(2.0, 0.4), asserted, "exact") == "cannot tell"
    for value in (1.1, 2.0, 5.0):
        for protocol in ("stand_in", "reduced"):
            assert verdict(asserted.parts[0], compare(value, 0.4), asserted, protocol) == "same direction"


def test_three_standard_errors_are_those_of_the_seeds():
    """Seeds of 1.00 and 1.01 have a standard error of .005: 1.10 is not within three of these, and two seeds cannot say that it is another number."""
    two = made_up({"a": [[1.0], [1.01]]})
    asserted = claim({"kind": "equal", "reading": look(), "published": 1.1}, tag="derived")
    (comparison,) = asserted.parts[0].rule.compare(two)
    assert error_of(comparison.ours) == pytest.approx(0.005)
    assert not comparison.is_close()
    for published, is_close in ((1.019, True), (1.021, False)):
        assert dataclasses.replace(comparison, published=published).is_close() == is_close
    assert 0.03 < comparison.p_of_published() < 0.05  # t = 19 with one degree of freedom
    assert verdict(asserted.parts[0], comparison, asserted, "exact", within=2) == "cannot tell"


def test_an_order_of_equal_arms_seldom_differs():
    """Eleven arms without a difference, five seeds: ten comparisons, of which one that points the other way is enough."""
    rng = np.random.default_rng(1)
    names = [f"arm{i:02}" for i in range(11)]
    asserted = claim({"kind": "order", "readings": [look(name) for name in names]})
    words = [judged(asserted, made_up({name: rng.standard_normal((5, 1)).tolist() for name in names})) for _ in range(60)]
    assert words.count("differs") <= 6  # 2.5 % or less are expected, and 22 % without the correction


def test_equal_numbers_of_a_few_seeds_are_no_certainty():
    twice = claim({"kind": "sign", "reading": look(), "direction": "up"})
    assert judged(twice, made_up({"a": [[1.0], [1.0]]})) == "cannot tell"
    order = claim({"kind": "order", "readings": [look("a"), look("b")]})
    assert judged(order, made_up({"a": [[1.0], [1.0]], "b": [[2.0], [2.0]]})) == "cannot tell"
    stored = ClaimComparison("x", Estimate(2.0, 2.0, 2.0, "seeds", 5))
    assert stored.p == 1.0


def test_arms_that_differ_by_a_constant_in_every_seed_are_taken_as_independent():
    frame = made_up({"a": around(1), "b": around(2)})
    difference = combined([-1.0, 1.0], [Lookup(measure="number", arm=arm) for arm in "ab"], frame)
    half = student_quantile(4) * 2**0.5 * 0.01 * (2.5 / 5) ** 0.5
    assert difference.method == "independent arms" and difference.high == pytest.approx(1 + half)
    assert judged(claim({"kind": "order", "readings": [look("a"), look("b")]}), frame) == "agrees"


def test_a_printed_number_is_known_to_its_last_digit():
    """.7544 ± .00015 is what .754 is rounded from; a number that was derived here has all of its digits."""
    for tag, word in (("paper", "agrees"), ("derived", "differs")):
        asserted = claim({"kind": "equal", "reading": look(), "published": 0.754}, tag=tag)
        assert verdict(asserted.parts[0], compare(0.7544, 0.00015, published=0.754), asserted, "exact") == word


def test_a_published_number_that_is_no_effect_is_refused():
    for kind, more in (("equal", {"reading": look()}), ("slope", {"readings": PLACES})):
        with pytest.raises(BadInput, match="so no number could agree"):
            claim({"kind": kind, "published": 1.0, "no_effect": 1.0, **more})


def test_holms_correction_takes_agreement_from_a_claim_among_many():
    weak, strong = compare(1.0, 0.24, none=0.74), compare(1.0, 0.01)
    asserted = claim({"kind": "equal", "reading": look(), "published": 1.0})
    assert 0.01 < weak.p < 0.05
    assert (
        verdict(asserted.parts[0], weak, asserted, "exact", tests=1) == "cannot tell"
    )  # half of .24 is more than a quarter of .26
    barely = dataclasses.replace(compare(1.0, 0.19, none=0.8))
    assert verdict(asserted.parts[0], dataclasses.replace(barely, published=None), asserted, "exact", 1) == "agrees"
    assert verdict(asserted.parts[0], dataclasses.replace(barely, published=None), asserted, "exact", 5) == "cannot tell"
    assert holm_factors({"weak": weak.p, "strong": strong.p}) == {"strong": 2, "weak": 1}


def test_transformations_are_worked_out_in_every_seed():
    frame = made_up({"a": [[1.0, 0.8, 0.4, 0.2], [1.0, 0.9, 0.4, 0.1]], "b": [[2.0, 2.0, 2.0, 2.0], [2.0, 2.0, 2.0, 4.0]]})

    def number(**more):
        return combined([1.0], [Lookup(measure="number", **more)], frame).value

    assert number(arm="a") == pytest.approx(0.15)
    assert number(arm="a", transform="ratio_to_first", generation=1) == pytest.approx(0.85)
    assert number(arm="a", transform="change") == pytest.approx(-0.85)
    assert number(arm="a", transform="mean", since=2) == pytest.approx(0.275)
    assert number(arm="a", transform="trend") == pytest.approx((-0.28 - 0.32) / 2)
    assert number(arm="a", transform="halving_time") == pytest.approx((1.75 + 1.8) / 2)
    assert number(arm="a", transform="crossing_time", moved=0.15) == 1.5
    assert number(arm="a", over_arm="b") == pytest.approx((0.1 + 0.025) / 2)
    gone = made_up({"a": [[0.0, 0.5, 1.0], [0.5, 1.0, 1.0]]})
    assert combined([1.0], [Lookup(measure="number", transform="survival_time")], gone).value == pytest.approx((2.5 + 1.5) / 2)
    with pytest.raises(NotApplicable, match="are left after 2 generations"):
        combined([1.0], [Lookup(measure="number", transform="survival_time", generation=1)], gone)


def test_a_reading_that_is_not_there_is_refused_with_the_nearest():
    frame = made_up({"replace": around(1)})
    with pytest.raises(BadInput, match="no arm 'replce'; did you mean 'replace'"):
        combined([1.0], [Lookup(measure="number", arm="replce")], frame)
    with pytest.raises(BadInput, match="no reading 'numbers'; did you mean 'number'"):
        combined([1.0], [Lookup(measure="numbers")], frame)


def test_every_claim_can_be_read_and_says_where_it_is_from():
    every = claims()
    assert len(every) == len(claim_files())
    for name, asserted in every.items():
        assert asserted.id == name and asserted.source.paper and asserted.sentence.endswith(".")
        assert asserted.not_run or asserted.parts
        for part in asserted.parts:
            has_error = getattr(part.rule, "error", 0) > 0
            assert bool(part.error_from) == has_error, f"{name}: {part.what} says where its standard error is from, if it has one"


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("[]", "holds no claim"),
        ("sentence: a\nsource: {paper: p}\nprotocol: exakt\nnot_run: x", "protocol must be"),
        ("sentence: a\nsource: {paper: p}\nprotocol: exact\nnotrun: x", "notrun is not known; did you mean 'not_run'"),
        ("sentence: a\nsource: {paper: p}\nprotocol: exact", "a claim needs parts and a small size, or not_run"),
        ("sentence: a\nsource: {paper: p}\nprotocol: exact\nparts: [{what: w, tag: paper, rule: {kind: equl}}]", "unknown rule 'equl'; did you mean 'equal'"),
        ("sentence: a\nsource: {paper: p}\nprotocol: exact\nparts: [{what: w, tag: heard, rule: {kind: sign, direction: up, reading: {measure: m}}}]", "tag must be"),
        ("sentence: a\nsource: {paper: p}\nprotocol: exact\nparts: [{what: w, tag: paper, rule: {kind: order, readings: [{measure: m}]}}]", "an order needs at least two readings"),
        ("id: x\nsentence: a\nsource: {paper: p}\nprotocol: exact\nnot_run: x", "leave id out"),
    ],
)  # fmt: skip
def test_a_claim_file_that_says_what_cannot_be_is_refused_in_one_line(tmp_path, written, words):
    path = tmp_path / "mine.yaml"
    path.write_text(written)
    with pytest.raises(BadInput, match=words.replace("[", r"\[")) as refusal:
        read_claim(path)
    assert "\n" not in str(refusal.value) and "mine.yaml" in str(refusal.value)


CHEAP = ("temperature-power", "mad-sampling-bias")


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory):
    """A cheap claim, run into a folder."""
    return outcross.reproduce("seddik-replace", out=tmp_path_factory.mktemp("claims") / "reproduce")


def test_three_cheap_claims_agree(reproduced):
    for result in (reproduced, *map(outcross.reproduce, CHEAP)):
        assert set(result.verdicts.values()) == {"agrees"}, result.frame()
        assert result.frame()["comparison"].unique().to_list() == ["agrees"]
        assert len(result.figures()) == 1 and "agrees 1" in repr(result)
    assert reproduced.open("seddik-replace").frame().height > 0


def test_a_replay_from_a_finished_folder_is_the_same_to_the_byte(reproduced):
    folder = reproduced.folder
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "timing.jsonl"]
    before = {path: path.read_bytes() for path in files}
    again = outcross.reproduce("seddik-replace", out=folder)
    assert again.verdicts["seddik-replace"] == "agrees"
    assert {path: path.read_bytes() for path in files} == before
    stored = stored_reproduction(folder)
    assert stored is not None
    assert json.loads((folder / "verdicts.json").read_text()) == json.loads(json.dumps(stored.plain()))


def test_new_rules_judge_a_finished_run_without_running_it_again(reproduced):
    """The comparisons are made anew from the readings of the run; the date and the seconds stay those of the work."""
    path = result_file(reproduced.folder, reproduced["seddik-replace"].claim, "small")
    former = path.read_text()
    content = json.loads(former)
    content["comparisons"][0][0]["high"] = 9.0
    content["seconds"] = 1234.5
    path.write_text(json.dumps(content))
    again = outcross.reproduce("seddik-replace", out=reproduced.folder)
    expected = json.loads(former) | {"seconds": 1234.5}
    assert json.loads(path.read_text()) == expected and again.verdicts["seddik-replace"] == "agrees"
    path.write_text(former)
    outcross.reproduce("seddik-replace", out=reproduced.folder)


def test_a_claim_that_changed_since_its_result_is_stale_and_not_run_over(reproduced, capsys):
    path = result_file(reproduced.folder, reproduced["seddik-replace"].claim, "small")
    former = path.read_text()
    try:
        path.write_text(former.replace(json.loads(former)["digest"], "0" * 64))
        stored = stored_reproduction(reproduced.folder)
        assert stored is not None
        assert stored.verdicts["seddik-replace"] == "stale"
        assert stored.plain()["claims"][[*claims()].index("seddik-replace")].get("comparisons") is None
        with pytest.raises(BadInput, match=r"seddik-replace has changed since its result of .*add --anew"):
            outcross.reproduce("seddik-replace", out=reproduced.folder)
        with pytest.raises(SystemExit) as end:
            main(["reproduce", "seddik-replace", "--out", str(reproduced.folder)])
        said = capsys.readouterr().err
        assert end.value.code == 2 and said.count("\n") == 1 and "has changed since its result" in said
        assert outcross.reproduce("seddik-replace", out=reproduced.folder, anew=True).verdicts["seddik-replace"] == "agrees"
    finally:
        path.write_text(former)


def test_what_this_machine_cannot_hold_is_refused(monkeypatch):
    monkeypatch.setattr("outcross.verbs.reproduce.work.memory", lambda: 0.5)
    with pytest.raises(BadInput, match=r"seddik-replace at size small needs 1 GB of memory, but this machine has 0\.5 GB"):
        outcross.reproduce("seddik-replace")


def test_bad_input_is_one_line(tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        main(["reproduce", "sedik-replace"])
    said = capsys.readouterr().err
    assert end.value.code == 2 and said.count("\n") == 1
    assert "there is no claim 'sedik-replace'; did you mean 'seddik-replace'?" in said
    for settings, words in (
        ({"claims": "seddik-replace", "all": True}, "--all already takes every claim"),
        ({"claims": "seddik-replace", "size": "smal"}, "--size must be one of small, full, got 'smal'; did you mean 'small'"),
        ({"claims": "seddik-replace", "minutes": 1.0}, "--minutes is a limit for --all"),
        ({"all": True, "minutes": math.nan}, "--minutes must be a number above 0, got nan"),
        ({"all": True, "minutes": -3.0}, "--minutes must be a number above 0, got -3"),
        ({"claims": "seddik-replace", "data": tmp_path / "none"}, "is not a folder"),
    ):
        with pytest.raises(BadInput, match=words):
            outcross.reproduce(**settings)
    (tmp_path / "other.txt").write_text("mine")
    with pytest.raises(BadInput, match=r"holds other\.txt, which is not part of a reproduction"):
        outcross.reproduce("seddik-replace", out=tmp_path)


def test_what_is_not_run_here_says_why():
    result = outcross.reproduce("toedit-convex")
    assert result.verdicts["toedit-convex"] == "not run here"
    assert "Cosmopedia" in result.reason(result["toedit-convex"])
    assert result.frame()["note"][0] and result.frame()["value"][0] is None


def test_the_list_of_claims_is_quick_and_says_what_they_cost():
    listed = outcross.reproduce()
    assert {entry.claim.id for entry in listed.entries} == set(claim_files())
    assert Path(next(iter(claim_files().values()))).suffix == ".yaml"
    assert read(RULES, {"kind": "sign", "direction": "up", "reading": {"measure": "w2"}}, "rule").reading.measure == "w2"
    assert any("min small" in line or "s small" in line for line in listed.lines(100))


def test_verdicts_are_exported_and_shown(reproduced, tmp_path):
    outcross.export(reproduced.folder, to="csv", out=tmp_path / "csv")
    table = polars.read_csv(tmp_path / "csv" / "verdicts.csv")
    assert table.filter(polars.col("claim") == "seddik-replace")["comparison"].to_list() == ["agrees"]
    assert isinstance(outcross.show(reproduced.folder), Reproduction)
    page = outcross.report(reproduced.folder, out=tmp_path / "page.html").path
    assert page is not None and "seddik-replace" in page.read_text()
    assert "| [seddik-replace](#seddik-replace) | agrees | exact protocol | 0.4555 |" in reproduced.markdown()
    assert "<svg" in page.read_text()


def test_a_trackio_logbook_has_a_run_for_every_claim_that_was_compared(reproduced, tmp_path):
    pytest.importorskip("trackio", reason="the extra trackio is not installed")
    outcross.export(reproduced.folder, to="trackio", out=tmp_path / "logbook")
    assert any(path.suffix == ".db" for path in (tmp_path / "logbook").iterdir())


def test_a_claim_that_was_stopped_goes_on_and_ends_as_one_that_was_not(tmp_path):
    claim = read_claim(claim_files()["mad-sampling-bias"])
    assert claim.small is not None and isinstance(claim.small.run, dict)
    stopped = outcross.run(claim.small.run, out=run_folder(tmp_path / "stopped", claim, "small"))
    done = [generation.g for _, generation in zip(range(7), stopped, strict=False)]
    assert done == [*range(7)]
    before = (run_folder(tmp_path / "stopped", claim, "small") / "ledger.jsonl").read_text().count("\n")
    assert before > 7
    (resumed, whole) = (outcross.reproduce(claim.id, out=tmp_path / name) for name in ("stopped", "whole"))
    assert resumed.frame().equals(whole.frame())
