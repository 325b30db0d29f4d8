"""What people do with an audit: gate a change, look at records, drop some."""

from __future__ import annotations

import json

import numpy as np
import polars
import pytest
import yaml
from conftest import outcross

from outcross import audit as outcross_audit
from outcross import audits as outcross_audits
from outcross.estimate import exact
from outcross.measures.regions import MissingRegion
from outcross.statistics.facets import Condition
from outcross.verbs.audit.needs import needs_file


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """Human records, and synthetic ones of which 60 are copies and 40 are older than anybody."""
    folder, rng = tmp_path_factory.mktemp("people"), np.random.default_rng(0)

    def records(n):
        age = rng.normal(45, 12, n)
        return polars.DataFrame({"age": age, "hours": age / 2 + rng.normal(0, 5, n), "sex": rng.choice(["man", "woman"], n)})

    human, honest = records(1000), records(700)
    human.write_parquet(folder / "human.parquet")
    old = records(40).with_columns(age=polars.lit(150.0))
    polars.concat([honest, human[:60], old]).write_csv(folder / "synthetic.csv")
    return folder


ASPECTS = ("--aspects", "copying,spread")


def audit(people, *words, code=0):
    ended = outcross("audit", people / "synthetic.csv", "--reference", people / "human.parquet", *ASPECTS, *words)
    assert ended.returncode == code, ended.stderr
    return ended


def test_every_record_is_in_the_folder_with_its_score(people, tmp_path):
    audit(people, "--out", tmp_path / "out", "--quiet")
    records = polars.read_parquet(tmp_path / "out" / "records.parquet")
    synthetic = records.filter(_side="synthetic")
    assert (synthetic.height, records.filter(_side="reference").height) == (800, 1000)
    assert synthetic["_row"].to_list() == list(range(800))
    assert (synthetic[700:]["_score"] >= 2).all() and (synthetic[:700]["_score"] >= 2).mean() < 0.02
    assert synthetic[700:760]["_reason"].str.contains("copy").all() and synthetic[760:]["_reason"].str.contains("age = 150").all()
    assert "<testsuites" in (tmp_path / "out" / "junit.xml").read_text()


def test_what_is_missing_is_written_with_bounds_of_zero_and_lost_groups(tmp_path):
    rng = np.random.default_rng(1)

    def records(n):
        return {"x": rng.normal(size=n), "y": rng.normal(size=n), "sex": rng.choice(["man", "woman"], n)}

    human, many = records(3000), polars.DataFrame(records(9000))
    is_kept = ~((many["x"] > 0) & (many["y"] > 0)).to_numpy() & ((many["sex"] == "man").to_numpy() | (rng.random(9000) < 0.2))
    outcross_audit(many.filter(is_kept)[:3000], reference=human, groups=("sex",), aspects=("groups",), out=tmp_path / "out")
    needs = yaml.safe_load((tmp_path / "out" / "needs.yaml").read_text())
    rules = {need["rule"]: need for need in needs["needs"]}
    group = rules["sex = woman"]
    assert group["conditions"] == [{"column": "sex", "kind": "among", "values": ["woman"], "words": "sex = woman"}]
    assert group["missing_records"] == pytest.approx((0.5 - group["synthetic_share"]) * 3000 / 0.5, rel=0.1)
    inside = group["synthetic_share"] * group["weight"]  # all other records keep the weight 1
    assert inside / (inside + 1 - group["synthetic_share"]) == pytest.approx(group["human_share"], rel=1e-3)
    bounds = [condition for need in needs["needs"] for condition in need["conditions"] if condition["kind"] == "interval"]
    assert bounds and all("at_least" in bound or "below" in bound for bound in bounds)


def test_a_bound_of_zero_is_a_bound():
    condition = Condition("x", "interval", at_least=0.0, words="x ≥ 0")
    need = MissingRegion("x ≥ 0", (condition,), 0.5, 0.25, exact(0.5), 1e-9, 2.0, 100)
    (need_written,) = yaml.safe_load(needs_file("set", {"synthetic": 100}, [need]))["needs"]
    assert need_written["conditions"] == [{"column": "x", "kind": "interval", "at_least": 0.0, "words": "x ≥ 0"}]


def test_a_holdout_beside_several_sets_is_not_scored(people, tmp_path):
    frame = polars.read_csv(people / "synthetic.csv")
    sets, human = {"a": frame[:400], "b": frame[400:]}, people / "human.parquet"
    outcross_audits(sets, reference=human, holdout=frame[:300], aspects=("spread",), out=tmp_path / "out")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"a-records.parquet", "b-records.parquet", "a-needs.yaml", "b-needs.yaml"} <= names
    assert not [name for name in names if "human" in name]
    assert ">2 sets<" in (tmp_path / "out" / "report.html").read_text()


def test_a_clean_set_has_no_suspect_record_and_says_what_that_cost(people, tmp_path):
    clean = tmp_path / "clean.csv"
    said = audit(people, "--write-clean", clean).stdout
    kept = polars.read_csv(clean)
    assert kept.columns == ["age", "hours", "sex"] and 680 < kept.height <= 700
    assert f"holds {kept.height} of 800 records" in " ".join(said.split())
    stored = json.loads(audit(people, "--write-clean", tmp_path / "more.parquet", "--json").stdout)
    assert stored["cleaned"]["dropped"] == 800 - kept.height and sum(stored["cleaned"]["reasons"].values()) == 800 - kept.height


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--write-clean", "clean.txt"), "must end with .parquet or .csv"),
        (("--write-clean", "{there}"), "exists; name a new file"),
        (("--thresholds", "{broken}"), "expected ',' or ']', but got the end of the file; correct the line"),
        (("--target", "sex", "--shares", "0:2:0.5"), "must be in [0, 1], got 1.5; write 0.3 for thirty percent"),
        (("--baseline", "{there}"), "add one, for example --fail-on any"),
        (("--baseline", "{there}", "--fail-on", "any", "--out", "never"), "is not a valid audit.json"),
    ],
)
def test_what_cannot_be_done_is_one_line(people, tmp_path, words, why):
    there = tmp_path / "there.csv"
    there.write_text("a\n1\n")
    broken = tmp_path / "broken.yaml"
    broken.write_text("fail_on: [tails")
    said = audit(people, *(word.format(there=there, broken=broken) for word in words), code=2)
    assert why in said.stderr and len(said.stderr.splitlines()) == 1
    assert there.read_text() == "a\n1\n" and not (tmp_path / "clean.txt").exists()


def test_a_known_loss_passes_a_gate_with_a_baseline(people, tmp_path):
    audit(people, "--out", tmp_path / "out", "--quiet", "--fail-on", "any", code=1)
    said = audit(people, "--fail-on", "any", "--baseline", tmp_path / "out" / "audit.json").stdout
    assert "Nothing is worse than in the baseline." in said
    better = json.loads((tmp_path / "out" / "audit.json").read_text())
    for check in better["checks"]:
        check["verdict"] = "kept" if check["metric"] == "exact" else check["verdict"]
    (tmp_path / "better.json").write_text(json.dumps(better))
    said = audit(people, "--fail-on", "any", "--baseline", tmp_path / "better.json", code=1)
    assert "Worse than in the baseline: 7.5 % of records are exact copies of human ones." in said.stdout
    assert said.stderr == "outcross: invented in synthetic: copying (--fail-on any)\n"


def test_annotations_stand_after_the_screen(people):
    lines = audit(people, "--github", "--fail-on", "any", code=1).stdout.splitlines()
    assert [line for line in lines if line.startswith("::error title=invented in copying::")]
