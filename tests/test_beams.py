"""Text written other than by the model's own law: beams, repetition penalties, and data drawn anew for every batch."""

import itertools

import numpy as np
import pytest
import yaml
from conftest import write_tiny
from scipy.stats import chisquare

from outcross.errors import BadInput
from outcross.experiment import experiment
from outcross.loop import run

torch = pytest.importorskip("torch")

from outcross.models.decoding import distribution, penalised  # noqa: E402
from outcross.models.transformer.beams import search  # noqa: E402
from outcross.models.transformer.network import Shape, after_start, initial  # noqa: E402
from outcross.models.transformer.sampling import sample  # noqa: E402
from outcross.models.transformer.scoring import log_prob  # noqa: E402

torch.set_num_threads(1)


def lively(vocabulary, seed=0):
    """A network whose next tokens are far from alike."""
    network = initial(Shape(vocabulary, layers=2, width=32, heads=2), np.random.default_rng(seed))
    with torch.no_grad():
        for weights in network.parameters():
            weights.mul_(8 if weights.dim() > 1 else 1)
    return network


def prompts_of(n, length, vocabulary, seed=1):
    return np.random.default_rng(seed).integers(1, vocabulary, (n, length), dtype=np.int32)


@pytest.mark.parametrize("seed", range(5))
def test_a_search_as_wide_as_all_beginnings_finds_the_likeliest_text(seed):
    network = lively(8, seed)
    every = np.array(list(itertools.product(range(1, 8), repeat=3)), dtype=np.int32)
    best = every[log_prob(network, every, precision="fp32").argmax()]
    assert np.array_equal(search(network, None, 3, n=2, beams=49, precision="fp32"), [best, best])


def test_a_search_of_one_beam_is_greedy():
    network, prompts = lively(50), prompts_of(9, 6, 50)
    greedy = sample(network, prompts, 7, rng=np.random.default_rng(0), temperature=0, precision="fp32")
    assert np.array_equal(search(network, prompts, 7, beams=1, precision="fp32", batch=4), greedy)


@pytest.mark.parametrize("penalty", [1.0, 3.0])
def test_a_search_is_the_plain_one_without_a_cache(penalty):
    network, prompts = lively(50), prompts_of(7, 6, 50)
    texts = search(network, prompts, 8, beams=5, repetition_penalty=penalty, precision="fp32", batch=17)
    for prompt, text in zip(prompts, texts, strict=True):
        beams = [(0.0, [0, *prompt.tolist()])]
        for _ in range(8):
            longer = []
            for total, tokens in beams:
                with torch.no_grad():
                    scores = network.logits(network(torch.tensor([tokens]))[:, -1]).log_softmax(-1)[0]
                for token in range(1, 50):
                    score = scores[token].item()
                    longer.append((total + (score * penalty if token in tokens else score), [*tokens, token]))
            beams = sorted(longer, key=lambda beam: -beam[0])[:5]
        assert text.tolist() == beams[0][1][7:]


def test_beams_find_text_at_least_as_likely_as_greedy_on_average():
    network, prompts = lively(50), prompts_of(40, 6, 50)
    ends = [search(network, prompts, 8, beams=beams, precision="fp32") for beams in (1, 5)]
    alone, beamed = (log_prob(network, np.concatenate((prompts, end), axis=1), precision="fp32").mean() for end in ends)
    assert beamed > alone


def test_a_penalty_divides_what_is_above_nought_and_multiplies_what_is_below():
    scores = torch.tensor([[2.0, -1.0, 3.0, -4.0]])
    assert penalised(scores, torch.tensor([[0, 1, 0]]), 2.0).tolist() == [[1.0, -2.0, 3.0, -4.0]]
    assert penalised(scores, torch.tensor([[0, 1, 0]]), 1.0) is scores


def test_what_is_sampled_with_a_penalty_has_the_penalised_law():
    network, prompt, n = lively(20), prompts_of(1, 6, 20), 20_000
    drawn = sample(network, prompt.repeat(n, axis=0), 1, rng=np.random.default_rng(3), repetition_penalty=1.8, precision="fp32")
    text = after_start(torch.cat((torch.from_numpy(prompt).long(), torch.zeros(1, 1, dtype=torch.int64)), dim=1))
    with torch.no_grad():
        logits = network.logits(network(text)[:, -1])
    law, plain = (distribution(scores)[0].double().numpy() for scores in (penalised(logits, text, 1.8), logits))
    seen = np.bincount(drawn[:, 0], minlength=20)
    often = law * n >= 5
    observed, expected = (np.append(counts[often], counts[~often].sum()) for counts in (seen, law / law.sum() * n))
    assert chisquare(observed[expected > 0], expected[expected > 0]).pvalue > 1e-6
    assert np.abs(law - plain).max() > 0.01, "a penalty that changes nothing is not tried"


def recipe(tmp_path, **more):
    return yaml.safe_load(write_tiny(tmp_path).read_text()) | {"metrics": ["held_out", "decoding"], "policy": "replace"} | more


def test_a_run_by_beams_draws_nothing_by_chance(tmp_path):
    draw = {"temperature": 0, "beams": 3, "repetition_penalty": 1.5}
    first, again = (
        [generation.drawn.records.tokens for generation in run(experiment(recipe(tmp_path, draw=draw, generations=2)))]
        for _ in range(2)
    )
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    greedy = next(iter(run(experiment(recipe(tmp_path, draw={"temperature": 0}, generations=1))))).drawn.records.tokens
    assert first[0].shape == greedy.shape and not np.array_equal(first[0], greedy)


def test_beams_are_told_apart_from_learning(tmp_path):
    """The metric `decoding` samples the model fully where its arm did not, a repetition penalty alone included."""
    draw = {"repetition_penalty": 3.0}
    (only,) = run(experiment(recipe(tmp_path, draw=draw, generations=1, metrics=[{"kind": "decoding", "blocks": 20}])))
    estimates = [reading.estimate for reading in only.measured if reading.measure == "decoding_loss" and reading.estimate]
    assert any(estimate.method != "exact" for estimate in estimates)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"draw": {"beams": 5}}, "temperature: 0"),
        ({"draw": {"beams": 5, "temperature": 0}, "learner": "ngram", "training": None}, "ngram is not one"),
        ({"draw": {"repetition_penalty": 2}, "learner": "ngram", "training": None}, "ngram is not one"),
        ({"draw": {"temperature": 0, "prompts": "none"}}, "the same text again and again"),
        ({"rows": 130, "policy": {"kind": "human_share", "share": 0.5}}, "needs 65 original human records for 130"),
        ({"rows": {"grow": 1.5}, "generations": 3, "policy": {"kind": "human_share", "share": 0.5}}, "needs 68 original"),
        ({"rows": "online", "training": {"epochs": 2}}, "write training.steps"),
        ({"rows": "online", "learner": "ngram", "training": None}, "write training.steps"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, more, why):
    with pytest.raises(BadInput, match=why):
        experiment(recipe(tmp_path, **more))


def test_online_data_are_read_once_each(tmp_path):
    training = {"steps": 9, "batch": 8, "start": {"pretrained": {"steps": 4, "batch": 4}}}
    first, second = run(experiment(recipe(tmp_path, rows="online", training=training, generations=2, metrics=["held_out"])))
    assert len(first.drawn) == len(second.training.value) == 72
    from outcross.models.transformer.fitting import batches

    read = np.concatenate(list(batches(72, 8, 9, np.random.default_rng(0))))
    assert sorted(read) == list(range(72))
