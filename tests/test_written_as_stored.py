"""A generation is written by the stored model, or not at all; and where writing is slow, step by step."""

import json
import signal
import time
from collections import Counter

import numpy as np
import pytest
import yaml
from conftest import NETWORKS, Started, write_tiny

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from outcross.data import Pool  # noqa: E402
from outcross.errors import BadInput, MachineGaveOut  # noqa: E402
from outcross.experiment import experiment  # noqa: E402
from outcross.ledger import Ledger  # noqa: E402
from outcross.loop import generate, run  # noqa: E402
from outcross.models.draw import Draw  # noqa: E402

pytestmark = pytest.mark.usefixtures("without_charts")

CAUSAL = {"kind": "causal_lm", "model": "tiny", "weights": "random", "vocabulary": 300, "shard": 16}
LEARNERS = {"transformer": None, "causal_lm": CAUSAL}


def recipe(folder, learner, **more):
    spec = yaml.safe_load(write_tiny(folder).read_text()) | {"metrics": ["held_out"], "policy": "replace", "generations": 1} | more
    return spec if LEARNERS[learner] is None else spec | {"learner": LEARNERS[learner]}


@pytest.fixture(scope="module", params=LEARNERS)
def written(request, tmp_path_factory):
    """The first generation of a run, its ledger, and the learner."""
    folder = tmp_path_factory.mktemp(request.param)
    asked = experiment(recipe(folder, request.param))
    ledger = Ledger(folder / "run")
    return next(iter(run(asked, ledger))), ledger, asked.learner


def test_each_generation_says_how_far_its_writer_was_from_the_stored_weights(written):
    generation, ledger, _ = written
    rescored = generation.drawn.records.rescored
    assert rescored.tokens == generation.drawn.records.tokens.size or rescored.tokens >= 1000
    assert 0 < rescored.difference < rescored.max_difference == 0.05
    stored = json.loads((ledger.folder / "steps" / generation.drawn.source.key / "rescored.json").read_text())
    assert stored == vars(rescored)


def test_records_that_another_version_wrote_are_refused_in_one_line(written, tmp_path):
    generation, *_ = written
    records = generation.drawn.records
    records.save(tmp_path)
    assert type(records).load(tmp_path).rescored == records.rescored
    (tmp_path / "rescored.json").write_text('{"tokens": 1000, "difference": 0.01, "largest": 0.05}')
    with pytest.raises(BadInput, match=r"rescored\.json was written by another version of outcross; make the run again"):
        type(records).load(tmp_path)


@pytest.mark.parametrize(
    "draw", [{}, {"temperature": 0.7, "top_k": 20}, {"temperature": 0, "beams": 3, "repetition_penalty": 2.0}], ids=str
)
def test_a_model_whose_weights_changed_after_the_fit_writes_nothing(written, draw):
    """The weights in memory are those of no step: they are others than the fit left and the ledger keeps."""
    generation, ledger, learner = written
    do, prompts = ledger.steps(7, 0), Pool((generation.human.training,))
    stored, asked = do.afresh(generation.model, learner.load), Draw(records=30, **draw)
    healthy = do(generate, asked, generation.model, prompts, stored, part=f"healthy {draw}")
    assert healthy.value.rescored.difference < 0.05
    network, noise = generation.model.value.network, np.random.default_rng(0)
    kept = {name: weights.clone() for name, weights in network.state_dict().items()}
    try:
        with torch.no_grad():
            for weights in network.parameters():
                weights += weights.std(correction=0) * torch.from_numpy(noise.standard_normal(weights.shape))
        with pytest.raises(MachineGaveOut, match=r"not written by the stored model: .* nats per token .*at most 0.05"):
            do(generate, asked, generation.model, prompts, stored, part=f"stale {draw}")
    finally:
        network.load_state_dict(kept)
    assert not any(entry.part.startswith("stale") for entry in ledger.entries.values()), "what a stale model wrote is not recorded"


def test_a_stored_model_that_was_changed_on_the_disk_is_refused(written, tmp_path):
    generation, ledger, learner = written
    file = next((ledger.folder / "steps" / generation.model.key).glob("*.safetensors"))
    before = file.read_bytes()
    try:
        file.write_bytes(before[:-4] + b"\0\0\0\1")
        with pytest.raises(MachineGaveOut, match="has changed since it was written"):
            _ = ledger.steps(7, 0).afresh(generation.model, learner.load).value
    finally:
        file.write_bytes(before)


def run_into(spec, out):
    """The words of a command that runs an experiment file."""
    return "outcross", "run", spec, "--out", out, "--workers", 1, "--quiet"


def sharded(folder):
    """The file of a run whose generation is written in steps of 16 records."""
    spec = recipe(folder, "causal_lm", name="sharded", rows=100, generations=1)
    (folder / "sharded.yaml").write_text(yaml.safe_dump(spec))
    return folder / "sharded.yaml"


def test_a_generation_killed_while_it_is_written_goes_on_where_it_was(tmp_path):
    spec = sharded(tmp_path)
    whole = Started(*run_into(spec, tmp_path / "whole"), modules=NETWORKS).completed()
    assert whole.returncode == 0, whole.stderr
    command = run_into(spec, tmp_path / "killed")
    timing, kills = tmp_path / "killed" / "timing.jsonl", 0
    for ended in (2, 4):  # killed once two shards have ended, and once four have
        process = Started(*command)
        while process.poll() is None and verbs(timing)["write"] < ended:
            time.sleep(0.01)
        process.kill(is_alone=False)
        kills += process.wait() == -signal.SIGKILL
    assert kills == 2 and verbs(timing)["join"] == 0, "the kills came while the generation was written"
    finished = Started(*command).completed()
    assert finished.returncode == 0, finished.stderr
    done = Counter(json.loads(line)["key"] for line in timing.read_text().splitlines())
    assert set(done.values()) == {1}, "nothing is written twice"
    assert verbs(timing)["write"] == 7
    for name in ("readings.parquet", "ledger.jsonl"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def verbs(timing):
    """How many steps of each verb have ended."""
    return (
        Counter(json.loads(line)["verb"] for line in timing.read_text().splitlines() if line.endswith("}"))
        if timing.exists()
        else Counter()
    )


def test_shards_continue_the_prompts_in_their_order(written):
    generation, _, learner = written
    if learner.shard is None:
        pytest.skip("this learner writes a generation in one step")
    drawn = generation.drawn.records
    assert np.array_equal(drawn.column("_prompt"), np.arange(len(drawn)) % len(generation.human.training))
    assert len({tuple(row) for row in drawn.tokens.tolist()}) > len(drawn) // 2, "each shard has random numbers of its own"
