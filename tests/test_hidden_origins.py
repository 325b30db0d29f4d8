"""Where nobody says who wrote what: a detector that is fitted once chooses what the next model learns from, and reads no origins."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from given_candidates import Given

import outcross
from outcross import loop
from outcross.detectors import DETECTORS
from outcross.detectors.of_samples import ReadyDetector, pair_of_texts, ready
from outcross.errors import BadInput
from outcross.estimate import NotApplicable
from outcross.experiment import experiment
from outcross.filters import FILTERS
from outcross.filters.of_records import RecordCandidates
from outcross.ledger import Ledger
from outcross.policies import POLICIES
from outcross.recipe import read
from outcross.report.choosing import choosing_of
from outcross.report.page import Allowance, render
from outcross.report.study import Chooser, ShownReading, Study, join
from outcross.verbs.run.page import choosers

pytestmark = pytest.mark.usefixtures("without_charts")


def ran(recipe, folder=None):
    ledger = Ledger(folder)
    return list(loop.run(experiment(recipe), ledger)), ledger


TELLING = {"kind": "detector_weighted", "share": 0.5, "detector": "ngram"}


@pytest.fixture(scope="module")
def many_words(tmp_path_factory):
    """An experiment of a hundred short texts, of which an n-gram model writes more."""
    rng = np.random.default_rng(0)
    ranks = np.minimum(rng.zipf(1.3, (200, 24)), 400)
    path = tmp_path_factory.mktemp("words") / "people.jsonl"
    path.write_text("".join(json.dumps({"text": " ".join(f"w{rank}" for rank in row)}) + "\n" for row in ranks.tolist()))
    return {
        "name": "hidden", "human": {"path": str(path), "text_column": "text", "rows": 70, "held_out": 0.1}, "block": 20,
        "learner": {"kind": "ngram", "tokens": "words"}, "draw": {"prompts": "none"}, "generations": 3, "metrics": ["selection"],
    }  # fmt: skip


def test_a_detector_weighted_policy_asks_a_detector_that_was_fitted_once(many_words):
    """To what generation 0 wrote for it alone; the models learn from other records."""
    generations, ledger = ran(many_words | {"policy": TELLING})
    (fit,) = (entry for entry in ledger.entries.values() if entry.verb == "fit_detector")
    assert fit.recipe["kind"]["kind"] == "ngram" and fit.generation == 0
    parts = {entry.part: entry.output for entry in ledger.entries.values() if entry.verb == "generate" and entry.generation == 0}
    assert set(parts) == {"", "for a detector"} and parts["for a detector"] in fit.reads and parts[""] not in fit.reads
    for later in generations[1:]:
        assert len(later.mixed.value) == 70 and later.mixed.value.pool.human_share == 0.5
        assert len(later.training.value) == 105
    readings = {(reading.measure, reading.at): reading.estimate for reading in generations[2].measured}
    assert readings["selected_human", "before"].value == 0.5
    assert readings["selected_human", ""].value == pytest.approx(generations[2].training.value.pool.human_share, abs=0.005)


def test_a_detector_that_was_stored_says_what_it_said(many_words, tmp_path):
    """To the bit, so that a run that goes on is the run that was not stopped; a blend keeps all its parts."""
    (first,), _ = ran(many_words | {"generations": 1})
    kind = read(DETECTORS, {"kind": "blend", "detectors": ["classifier", "ngram"]}, "kind")
    fitted = ready(kind, pair_of_texts(first.human.training.records.texts, first.drawn.records.texts))
    fitted.save(tmp_path)
    again = ReadyDetector.load(tmp_path, kind)
    texts = [*first.human.holdout.records.texts, *first.drawn.records.texts]
    assert again.chances(texts).model.tolist() == fitted.chances(texts).model.tolist()


def test_a_detector_reads_no_origin(many_words):
    """Records whose authors are swapped or not known are chosen as they were."""
    generations, _ = ran(many_words | {"generations": 2, "policy": TELLING})
    mixed = generations[1].mixed.value
    fitted = ready(
        read(DETECTORS, "ngram", "kind"),
        pair_of_texts(generations[0].human.holdout.records.texts, generations[0].drawn.records.texts),
    )
    (chooses,) = read(POLICIES, TELLING, "policy").selects
    chosen = [
        chooses.select(
            RecordCandidates(mixed.records, author=np.full(70, author), detectors={chooses.detector: fitted}),
            np.random.default_rng(5),
        ).times.tolist()
        for author in ("human", "model", "unknown")
    ]
    assert chosen[0] == chosen[1] == chosen[2]


def test_a_detector_without_samples_is_refused_outside_of_a_loop():
    alone = read(FILTERS, {"kind": "importance", "detector": {"kind": "classifier"}}, "filter")
    with pytest.raises(NotApplicable, match="outside of a loop set human and ai"):
        alone.select(Given(["some text"]), np.random.default_rng(0))


def test_power_0_draws_as_many_at_random(many_words):
    generations, _ = ran(many_words | {"policy": TELLING | {"detector": "oracle", "power": 0}})
    assert [len(later.training.value) for later in generations[1:]] == [105, 105]
    assert 0.3 < generations[1].training.value.pool.human_share < 0.7


def test_too_little_human_text_for_a_detector_is_said(many_words):
    few = many_words | {"human": many_words["human"] | {"rows": 30}, "policy": TELLING}
    with pytest.raises(BadInput, match="the human sample of the detector has 30 independent texts"):
        ran(few)


def test_a_mix_keeps_the_same_step_and_loads_it_where_another_filter_asks_for_the_detector(many_words, tmp_path):
    """The samples count by what they hold: another name of the file is the same step."""
    lines = Path(many_words["human"]["path"]).read_text().splitlines()
    for name, part in (("human", lines[:70]), ("ai", [line.replace("w1", "v1") for line in lines[70:140]]), ("pool", lines[140:])):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(part) + "\n")
    (tmp_path / "again.jsonl").write_text((tmp_path / "human.jsonl").read_text())
    fits = []
    for human in ("human", "again"):
        asked = {"human": str(tmp_path / f"{human}.jsonl"), "ai": str(tmp_path / "ai.jsonl"), "kind": "ngram"}
        outcross.mix(
            pools=[{"name": "crawl", "path": str(tmp_path / "pool.jsonl"), "origin": "unknown"}],
            filters=[{"importance": {"detector": asked}}],
            rows=20,
            out=tmp_path / human,
        )
        entries = Ledger(tmp_path / human / ".outcross").entries.values()
        fits.append([entry.key for entry in entries if entry.verb == "fit_detector"])
    assert len(fits[0]) == 1 and fits[0] == fits[1]


def chosen(seeds):
    """Readings of three arms at two generations: of the oracle's gain of .2 the detector has half at the first and a quarter at the second, a little more or less by seed."""
    readings = []
    for seed in range(seeds):
        for generation, part in ((0, 0.0), (1, 0.5), (2, 0.25)):
            off = 0.01 * (seed - 1)
            for arm, loss in (("random", 5.0), ("detector", 5.0 - 0.2 * part - off), ("oracle", 4.8 - off)):
                readings.append(ShownReading(arm, generation, "held_out_loss", loss, seed=seed))
            for arm, left in (("detector", 0.7), ("oracle", 1.0)):
                readings.append(ShownReading(arm, generation, "selected_human", left + off * (arm == "detector"), seed=seed))
    return Study("x", ("random", "detector", "oracle"), tuple(readings), choosers=(Chooser("detector", "random", "oracle"),))


def test_a_page_shows_the_share_of_the_oracles_gain_by_generation():
    (page,) = choosing_of(chosen(3))
    assert [row.generation for row in page.gains] == [1, 2]
    assert [row.share.partition(" ")[0] for row in page.gains] == ["0.50", "0.25"]
    low, high = map(float, page.gains[0].share.partition("[")[2].rstrip("]").split(", "))
    assert low < 0.5 < high
    assert [(row.what, row.oracle) for row in page.effects] == [("human share of the chosen records", "1.000")]
    html = render(join([chosen(3), chosen(3)]), Allowance()).decode()
    assert html.count("What the detector’s choice gains") == 2 and "0.25 [" in html
    (alone,) = choosing_of(chosen(1))
    assert alone.gains[0].share.endswith("(one seed: no interval)")
    assert "One seed: no intervals" in render(chosen(1), Allowance()).decode()
    assert "choosing" not in render(replace(chosen(3), choosers=()), Allowance()).decode().partition("<main")[2]


def test_arms_are_held_against_those_that_differ_in_who_chooses_alone(many_words):
    same = TELLING | {"draws": 0.5, "max_repeats": 1}
    arms = [
        {"name": "all", "policy": {"kind": "human_share", "share": 0.5}},
        {"name": "random", "policy": same | {"detector": "oracle", "power": 0}},
        {"name": "other random", "policy": same | {"detector": "oracle", "power": 0, "share": 0.25}},
        {"name": "mine", "policy": same},
        {"name": "oracle", "policy": same | {"detector": "oracle"}},
    ]
    run = outcross.run(many_words | {"arms": arms, "sweep": {"seed": [0, 1]}})
    assert list(choosers(run.arms)) == [Chooser("mine", "random", "oracle")]
