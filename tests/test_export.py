"""`outcross export`: a model of a run as a folder that transformers loads, with the logits that it has here."""

import json
import shutil

import numpy as np
import pytest
import yaml
from conftest import TWO_ARMS, write_tiny

import outcross
from outcross.errors import BadInput
from outcross.models import LEARNERS
from outcross.recipe import member
from outcross.targets import TARGETS
from outcross.text.vocabulary import START, START_TEXT, Vocabulary

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from outcross.models.transformer import gpt_neox  # noqa: E402
from outcross.models.transformer.beams import search  # noqa: E402
from outcross.models.transformer.network import Shape, initial  # noqa: E402
from outcross.models.transformer.sampling import sample  # noqa: E402
from outcross.models.transformer.scoring import log_prob  # noqa: E402

pytestmark = pytest.mark.usefixtures("without_charts")

torch.set_num_threads(1)
TEXTS = ["the cat sat on the mat", "the dog sat on the log", "naïve café: 你好 <|start|>"] * 20
BLOCK = 12


@pytest.fixture(scope="module")
def vocabulary():
    return Vocabulary.train(TEXTS, 300)


def uneven(shape, seed=0):
    """A network far from its beginning: every weight, the gains of its norms too, is moved by normal noise."""
    network, noise = initial(shape, np.random.default_rng(seed)), torch.Generator().manual_seed(seed)
    for weights in network.parameters():
        weights.data += 0.2 * torch.randn(weights.shape, generator=noise)
    return network


def loaded(folder):
    """What transformers makes of a folder: a model and a tokenizer."""
    model = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    return model, transformers.AutoTokenizer.from_pretrained(folder)


@pytest.fixture(scope="module", params=[(2, 32, 2), (1, 24, 1), (3, 32, 8)], ids=str)
def pair(request, vocabulary, tmp_path_factory):
    """A network of ours, and what transformers loads of it."""
    network, folder = uneven(Shape(vocabulary.size, *request.param)), tmp_path_factory.mktemp("converted")
    for name, content in gpt_neox.files(network, vocabulary, BLOCK).items():
        (folder / name).write_bytes(content)
    return network, *loaded(folder)


def records(vocabulary, n=5, length=BLOCK):
    return np.random.default_rng(1).integers(START + 1, vocabulary.size, (n, length), dtype=np.int32)


def opened(tokens):
    """Tokens behind a start token, as transformers reads them."""
    return torch.cat((torch.full((len(tokens), 1), START), torch.from_numpy(tokens.astype(np.int64))), dim=1)


@torch.no_grad()
def test_log_probabilities_are_equal_and_the_start_token_has_none(pair, vocabulary):
    network, theirs, _ = pair
    read = opened(records(vocabulary))
    ours, other = (logits.log_softmax(-1) for logits in (network.logits(network(read)), theirs(read).logits))
    assert torch.allclose(other[..., START + 1 :], ours[..., START + 1 :], atol=1e-4, rtol=0)
    assert (other[..., START].exp() == 0).all()


@torch.no_grad()
def test_greedy_and_beam_outputs_are_those_of_our_own_samplers(pair, vocabulary):
    network, theirs, _ = pair
    prompts = records(vocabulary)
    read = opened(prompts)
    asked = {"attention_mask": torch.ones_like(read), "max_new_tokens": BLOCK, "do_sample": False}
    greedy = sample(network, prompts, BLOCK, rng=np.random.default_rng(0), temperature=0, precision="fp32")
    assert np.array_equal(theirs.generate(read, **asked)[:, read.shape[1] :], greedy)
    beams = search(network, prompts, BLOCK, beams=4, precision="fp32")
    assert np.array_equal(theirs.generate(read, num_beams=4, **asked)[:, read.shape[1] :], beams)


@torch.no_grad()
def test_half_precision_keeps_the_start_token_from_being_written(pair, vocabulary):
    _, theirs, _ = pair
    logits = type(theirs)(theirs.config).half()
    logits.load_state_dict({name: weights.half() for name, weights in theirs.state_dict().items()})
    assert (logits(opened(records(vocabulary))).logits.float().softmax(-1)[..., START] == 0).all()


@pytest.mark.parametrize("text", ["the cat", f"a {START_TEXT} b", "naïve 你好\n\ttail ", "  two  spaces", "🦜", ""])
def test_the_tokenizer_has_our_ids_behind_a_start_token_and_gives_the_text_back(pair, vocabulary, text):
    *_, tokenizer = pair
    (ours,) = vocabulary.encode([text])
    assert tokenizer(text).input_ids == [START, *ours]
    assert tokenizer(text, add_special_tokens=False).input_ids == ours.tolist()
    assert tokenizer.decode(ours.tolist()) == text
    assert (tokenizer.bos_token_id, len(tokenizer)) == (START, vocabulary.size)


def test_no_default_of_transformers_cuts_what_is_sampled(pair):
    _, theirs, _ = pair
    defaults = theirs.generation_config
    assert (
        defaults.do_sample,
        defaults.top_k,
        defaults.top_p,
        defaults.temperature,
        defaults.num_beams,
        defaults.repetition_penalty,
    ) == (
        False,
        0,
        1,
        1,
        1,
        1,
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run of two arms."""
    folder = tmp_path_factory.mktemp("run")
    spec = write_tiny(folder, "odd`name", more=TWO_ARMS + "metrics: [decoding]\n")
    spec.write_text(spec.read_text().replace("tiny", "odd"))
    return outcross.run(spec, {"generations": 3}, out=folder / "run").finish()


@torch.no_grad()
def test_what_a_model_wrote_has_the_probability_in_transformers_that_it_has_here(run, tmp_path):
    export = outcross.export(run.folder, to="transformers", arm="replace", generation=1, out=tmp_path / "model")
    assert (export.arm, export.seed, export.generation, export.note) == ("replace", 0, 1, "")
    theirs, tokenizer = loaded(export.folder)
    drawn = run.drawn("replace", 0, 1)
    learner = run.arms[0].experiment.learner
    model = learner.load(run.kept(run.ledger.generations["replace", 0, 1].steps["model"]))
    read = opened(drawn.tokens)
    scores = theirs(read[:, :-1]).logits.log_softmax(-1).gather(-1, read[:, 1:, None])[..., 0]
    assert np.allclose(scores.double().sum(1), log_prob(model.network, drawn.tokens), atol=1e-3, rtol=0)
    assert tokenizer(drawn.texts[0], add_special_tokens=False).input_ids == model.vocabulary.encode(drawn.texts[:1])[0].tolist()


def test_nothing_that_is_exported_is_a_pickle_and_every_file_is_listed(run, tmp_path):
    export = outcross.export(run.folder, to="transformers", arm="replace", out=tmp_path / "model")
    there = {path.name for path in export.folder.iterdir() if path.is_file()}
    assert there == set(export.files) == {
        "README.md", "config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
    }  # fmt: skip
    assert export.plain()["files"] == sorted(there)
    assert repr(export).startswith("Export to transformers: generation 2 of replace")


def test_an_export_of_a_whole_run_names_no_generation(run, tmp_path):
    export = outcross.export(run.folder, to="csv", out=tmp_path / "tables")
    assert repr(export).startswith("Export to csv: ") and "None" not in repr(export)


def test_the_card_says_what_the_model_was_trained_on(run, tmp_path):
    export = outcross.export(run.folder, to="transformers", arm="human_share=0.25", out=tmp_path / "model")
    card = (export.folder / "README.md").read_text()
    _, header, body = card.split("---\n", 2)
    assert yaml.safe_load(header)["library_name"] == "transformers" and "model-collapse" in yaml.safe_load(header)["tags"]
    assert "research artefact of a model-collapse experiment" in body
    assert "| 0 | 60 | human 60 (100.0%) |" in body
    assert "| 2 | 60 | human 15 (25.0%); model of generation 1 45 (75.0%) |" in body
    (settings,) = (part.split("```")[0] for part in body.split("```yaml\n")[1:2])
    assert yaml.safe_load(settings)["policy"] == {"kind": "human_share", "share": 0.25, "rows": "redrawn", "align": True}
    model = run.ledger.generations["human_share=0.25", 0, 2].steps["model"]
    gathered = next(step.key for step in run.lineage("human_share=0.25/seed-0/g02") if step.verb == "gather")
    human = json.loads((run.kept(gathered) / "human.json").read_text())
    assert human["note"]["sha256"] in body and run.ledger.entries[model].output in body


def test_a_former_export_is_replaced_and_what_was_changed_by_hand_is_not(run, tmp_path):
    asked = {"to": "transformers", "arm": "replace", "out": tmp_path / "model"}
    first = outcross.export(run.folder, generation=0, **asked)
    weights = (first.folder / "model.safetensors").read_bytes()
    outcross.export(run.folder, generation=1, **asked)
    assert (first.folder / "model.safetensors").read_bytes() != weights
    (first.folder / "README.md").write_text("my own words")
    with pytest.raises(BadInput, match=r"holds README.md, which was not written by export"):
        outcross.export(run.folder, generation=0, **asked)
    assert (first.folder / "README.md").read_text() == "my own words"


def test_an_unfinished_run_gives_its_newest_generation_and_says_so(tmp_path):
    spec = write_tiny(tmp_path, more="metrics: [decoding]\n")
    for generation in outcross.run(spec, out=tmp_path / "run"):
        if generation.g == 1:
            break
    export = outcross.export(tmp_path / "run", to="transformers", out=tmp_path / "model")
    assert export.generation == 1
    assert export.note == "the run is not finished: generation 1 was exported, the newest finished one of 3"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"arm": None}, "has 2 arms; name one with --arm: replace, human_share=0.25"),
        ({"arm": "replac"}, "has no arm 'replac'; did you mean 'replace'"),
        ({"generation": 3}, "generation 3 of replace with seed 0 is not finished in .*; generations 0 to 2 are"),
        ({"generation": -1}, "generation -1 of replace"),
        ({"seed": 7}, "no generation of replace with seed 7 is finished in .*; its seeds are 0"),
        ({"to": "transformer"}, "unknown --to 'transformer'; did you mean 'transformers'"),
        ({"to": ""}, "to is empty; give a value, or leave it out"),
        ({"out": "file.txt"}, "is a file; name a folder"),
        ({"out": "full"}, "holds a.txt, which was not written by export"),
        ({"result": "full"}, "holds no ledger.jsonl"),
    ],
)
def test_a_question_that_cannot_be_answered_is_refused_in_one_line(run, tmp_path, monkeypatch, changes, why):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.txt").write_text("x")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a.txt").write_text("x")
    before = sorted(tmp_path.rglob("*"))
    asked = {"result": run.folder, "to": "transformers", "arm": "replace", "out": "new"} | changes
    with pytest.raises(BadInput, match=why) as refused:
        outcross.export(**asked)
    assert "\n" not in str(refused.value) and sorted(tmp_path.rglob("*")) == before


def test_the_folder_of_the_run_is_no_place_for_its_export(run):
    with pytest.raises(BadInput, match="which was not written by export"):
        outcross.export(run.folder, to="transformers", arm="replace", out=run.folder)


def test_a_model_whose_files_were_changed_is_not_handed_out(run, tmp_path):
    shutil.copytree(run.folder, tmp_path / "run", symlinks=True)
    weights = tmp_path / "run" / "steps" / run.ledger.generations["replace", 0, 2].steps["model"] / "network.safetensors"
    weights.unlink()
    weights.write_bytes(b"something else")
    with pytest.raises(BadInput, match="has lost step"):
        outcross.export(tmp_path / "run", to="transformers", arm="replace", out=tmp_path / "model")
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("opening", ["nothing", "bos"])
def test_a_model_of_transformers_is_handed_on_as_the_run_keeps_it(tmp_path, opening):
    learner = {"kind": "causal_lm", "model": "tiny", "weights": "random", "vocabulary": 300, "opening": opening}
    recipe = yaml.safe_load(write_tiny(tmp_path).read_text()) | {"learner": learner, "generations": 1, "metrics": ["decoding"]}
    recipe["training"]["start"] = {"scratch": {}}
    run = outcross.run(recipe, out=tmp_path / "run").finish()
    export = outcross.export(run.folder, to="transformers", out=tmp_path / "model")
    theirs, tokenizer = loaded(export.folder)
    model = run.arms[0].experiment.learner.load(run.kept(run.ledger.generations["replace", 0, 0].steps["model"]))
    read = opened(run.drawn("replace", 0, 0).tokens)
    with torch.no_grad():
        assert torch.equal(theirs(read).logits, model.network(read).logits)
    (ours,) = model.vocabulary.encode(["the end"])
    assert tokenizer("the end").input_ids == ([START] if opening == "bos" else []) + ours.tolist()
    assert (theirs.generation_config.top_k, theirs.generation_config.do_sample) == (0, False)


GAUSSIAN = {
    "name": "g", "human": {"distribution": "normal", "rows": 20}, "learner": "gaussian", "draw": {"prompts": "none"}, "generations": 2,
    "metrics": ["fitted_law"],
}  # fmt: skip


def test_a_model_that_cannot_be_exported_is_refused_with_those_that_can(tmp_path):
    outcross.run(GAUSSIAN, out=tmp_path / "run").finish()
    with pytest.raises(
        BadInput,
        match=r"the learner gaussian gives a model that transformers cannot load; export a run whose learner is .*transformer",
    ):
        outcross.export(tmp_path / "run", to="transformers", out=tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_run_that_keeps_readings_alone_has_no_model_to_export(tmp_path):
    outcross.run(GAUSSIAN | {"chains": 3}, out=tmp_path / "run").finish()
    with pytest.raises(BadInput, match="keeps only readings and no models; run the experiment with store=all"):
        outcross.export(tmp_path / "run", to="transformers", out=tmp_path / "model")


@pytest.mark.parametrize("name", LEARNERS)
def test_a_learner_names_targets_that_there_are_and_writes_for_each(name):
    learner = member(LEARNERS, name, "learner")
    assert set(learner.exports) <= set(TARGETS)
    assert all(f"as_{target}" in vars(learner) for target in learner.exports)
