"""The variational autoencoder: what it is made of, how it learns, sets that are written while it learns, and what a run shows of it."""

import base64
import gzip
import itertools
import json
import re
import struct
import time
import zlib

import numpy as np
import pytest
from conftest import WITHOUT_CHARTS, outcross, started
from numpy.lib.stride_tricks import sliding_window_view

torch = pytest.importorskip("torch")

import outcross as package  # noqa: E402
from outcross import loop  # noqa: E402
from outcross.data import HUMAN, Human, Made, Origin, Part, Pool, Training, part_of  # noqa: E402
from outcross.data.records import Vectors, load_records  # noqa: E402
from outcross.errors import BadInput  # noqa: E402
from outcross.ledger import Ledger  # noqa: E402
from outcross.measures.latents import spread  # noqa: E402
from outcross.models import Task  # noqa: E402
from outcross.models.draw import Draw  # noqa: E402
from outcross.models.online import Online  # noqa: E402
from outcross.models.schedule import Schedule, Scratch  # noqa: E402
from outcross.models.vae import Vae, VaeModel, fitting  # noqa: E402
from outcross.models.vae.network import Autoencoder, PictureShape, initial, losses  # noqa: E402
from outcross.report.pictures import png  # noqa: E402
from outcross.sources.images import Images  # noqa: E402

torch.set_num_threads(1)
QUICK = Vae().schedule(Schedule(epochs=2, batch=32, start=Scratch()))
SMALL = {
    "name": "small", "human": {"kind": "images", "rows": 120}, "learner": "vae", "rows": "online", "generations": 3,
    "training": {"epochs": 1, "batch": 32, "start": "scratch"}, "draw": {"prompts": "none"}, "metrics": ["latents", "held_out_elbo"],
}  # fmt: skip


@pytest.fixture(scope="module")
def digits():
    return Images(rows=200).open(None, (), np.random.default_rng(0)).training.records


@pytest.fixture(scope="module")
def model(digits):
    return Vae().fit(digits, None, None, QUICK, np.random.default_rng(1))


def weights_of(model):
    return np.concatenate([parameter.detach().numpy().ravel() for parameter in model.network.parameters()])


# The network and its loss


def test_it_has_as_many_numbers_as_the_published_one_and_fewer_at_eight_pixels():
    for height, width, numbers in ((28, 28, 647_081), (8, 8, 295_721), (12, 16, Vae().numbers(12, 16))):
        assert Autoencoder(PictureShape(height, width)).parameters_in_all == Vae().numbers(height, width) == numbers


def test_every_layer_begins_as_wide_as_torch_begins_it():
    ours, theirs = initial(PictureShape(28, 28), np.random.default_rng(0)), Autoencoder(PictureShape(28, 28))
    for (name, own), expected in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert own.shape == expected.shape
        if own.numel() > 1000:  # a uniform law on [-a, a] has the deviation a / sqrt(3), estimated to some 2 % here
            assert own.std().item() == pytest.approx(expected.std().item(), rel=0.08), name


def test_the_divergence_is_the_closed_form_and_the_entropy_that_of_its_pixels():
    logits = torch.tensor([[[0.0, np.log(3.0)]]])
    entropy, divergence = losses(
        logits, torch.tensor([[[1.0, 0.25]]]), torch.tensor([[1.0, 0.0]]), torch.tensor([[np.log(4.0), 0.0]])
    )
    assert entropy.item() == pytest.approx(np.log(2) - 0.25 * np.log(0.75) - 0.75 * np.log(0.25), rel=1e-6)
    assert divergence.item() == pytest.approx((1 + 4 - 1 - np.log(4)) / 2, rel=1e-6)
    normal = torch.distributions.Normal
    known = torch.distributions.kl_divergence(normal(torch.tensor([0.3, -2.0]), torch.tensor([0.5, 1.5])), normal(0.0, 1.0)).sum()
    _, own = losses(torch.zeros(1, 1, 1), torch.zeros(1, 1, 1), torch.tensor([[0.3, -2.0]]), torch.tensor([[0.5, 1.5]]).log() * 2)
    assert own.item() == pytest.approx(known.item(), rel=1e-6)


def convolved(pictures, weight, bias):
    """A convolution of 4 × 4, stride 2 and padding 1, by hand: pictures (channels, h, w)."""
    windows = sliding_window_view(np.pad(pictures, ((0, 0), (1, 1), (1, 1))), (4, 4), axis=(1, 2))[:, ::2, ::2]
    return np.einsum("cijkl,ockl->oij", windows, weight) + bias[:, None, None]


def transposed(pictures, weight, bias):
    """The transposed convolution by hand: every number adds its kernel, scaled, to the picture of twice the sides."""
    channels, height, width = pictures.shape
    values = np.zeros((weight.shape[1], 2 * height + 2, 2 * width + 2))
    for c, i, j in itertools.product(range(channels), range(height), range(width)):
        values[:, 2 * i : 2 * i + 4, 2 * j : 2 * j + 4] += pictures[c, i, j] * weight[c]
    return values[:, 1:-1, 1:-1] + bias[:, None, None]


def elbo_by_hand(network, picture, noise):
    """The negative ELBO of one picture, in NumPy alone."""
    part = {name: weights.detach().numpy() for name, weights in network.named_parameters()}

    def layer(name):
        return part[f"{name}.weight"], part[f"{name}.bias"]

    features = np.maximum(convolved(picture[None], *layer("narrow_once")), 0)
    features = np.maximum(convolved(features, *layer("narrow_twice")), 0).ravel()
    mean, log_variance = (weight @ features + bias for weight, bias in (layer("mean"), layer("log_variance")))
    weight, bias = layer("unfold")
    opened = (weight @ (mean + noise * np.exp(log_variance / 2)) + bias).reshape(network.shape.inner)
    logits = transposed(np.maximum(transposed(opened, *layer("widen_once")), 0), *layer("widen_twice"))[0]
    p = 1 / (1 + np.exp(-logits))
    entropy = -(picture * np.log(p) + (1 - picture) * np.log(1 - p)).sum()
    return entropy + ((mean**2 + np.exp(log_variance) - 1 - log_variance) / 2).sum()


def test_the_elbo_and_its_gradient_are_what_a_computation_by_hand_gives():
    rng = np.random.default_rng(3)
    network = initial(PictureShape(4, 8, latents=2), rng).double()
    picture, noise = rng.random((4, 8)), rng.standard_normal(2)
    total = sum(fitting.elbo_parts(network, torch.from_numpy(picture)[None], torch.from_numpy(noise)[None])).sum()
    assert total.item() == pytest.approx(elbo_by_hand(network, picture, noise), rel=1e-10)
    total.backward()
    step = 1e-6
    for name, weights in network.named_parameters():
        place = tuple(rng.integers(size) for size in weights.shape)
        ends = []
        for sign in (1, -1):
            with torch.no_grad():
                weights[place] += sign * step
                ends.append(elbo_by_hand(network, picture, noise))
                weights[place] -= sign * step
        assert weights.grad[place].item() == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-5, abs=1e-7), name


def test_adam_steps_as_torch_does():
    rng = np.random.default_rng(4)
    start = rng.standard_normal(50)
    ours, theirs = (torch.nn.Parameter(torch.from_numpy(start.astype(np.float32))) for _ in range(2))
    own, known = fitting.Adam([ours], 1e-2), torch.optim.Adam([theirs], 1e-2, weight_decay=fitting.WEIGHT_DECAY)
    for _ in range(5):
        gradient = torch.from_numpy(rng.standard_normal(50).astype(np.float32))
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        own.step()
        known.step()
    assert torch.allclose(ours, theirs, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    ("lengths", "sizes"),
    [
        ({"epochs": 2, "batch": 256}, ([256] * 3 + [132]) * 2),
        ({"epochs": 0.5, "batch": 256}, [256, 194]),
        ({"steps": 4, "batch": 256}, [256] * 4),
    ],
)
def test_an_epoch_reads_every_record_once_and_ends_with_a_smaller_batch(lengths, sizes):
    schedule = Schedule(start=Scratch(), **lengths)
    batches = list(fitting.batches(900, schedule, np.random.default_rng(0)))
    assert [len(rows) for rows in batches] == sizes and fitting.steps(900, schedule) == len(sizes)
    assert sorted(np.concatenate(batches)[:900]) == list(range(900)) or "epochs" in lengths
    if lengths.get("epochs") == 2:
        assert sorted(np.concatenate(batches[:4])) == sorted(np.concatenate(batches[4:])) == list(range(900))


def test_as_published_a_fit_has_235_steps_an_epoch():
    assert fitting.steps(60_000, Vae().schedule(Schedule())) == 30 * 235


# Learning and writing


def test_the_same_stream_gives_the_same_weights_and_pictures_and_a_folder_keeps_them(model, digits, tmp_path):
    again = Vae().fit(digits, None, None, QUICK, np.random.default_rng(1))
    assert np.array_equal(weights_of(model), weights_of(again))
    model.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.json", "network.json", "network.safetensors"]
    kept = Vae().load(tmp_path)
    from_fitted, from_stored = (each.sample(Draw(records=7), None, np.random.default_rng(5)).array for each in (model, kept))
    assert (
        np.array_equal(from_fitted, from_stored)
        and from_fitted.shape == (7, 64)
        and from_fitted.min() >= 0
        and from_fitted.max() <= 1
    )
    assert np.array_equal(model.pictures, kept.pictures) and model.pictures.dtype == np.uint8


def test_learning_explains_people_better(model, digits):
    untrained = VaeModel(initial(PictureShape(8, 8), np.random.default_rng(1)), "mean", "fp32")
    assert model.log_prob(digits).mean() > untrained.log_prob(digits).mean() + 5


def test_a_weight_counts_as_often_as_it_says(digits):
    """A record of weight 0 is not learned from: whatever it is, the fit is the same."""
    weights = np.where(np.arange(200) < 100, 1.0, 0.0)
    other = digits.array.copy()
    other[100:] = 0
    weighted, same = (Vae().fit(Vectors(array), weights, None, QUICK, np.random.default_rng(1)) for array in (digits.array, other))
    assert np.array_equal(weights_of(weighted), weights_of(same))


def test_pixels_are_black_or_white_with_the_chances_of_the_mean(model):
    chances = VaeModel(model.network, "pixels", "fp32").sample(Draw(records=3000), None, np.random.default_rng(0)).array
    assert set(np.unique(chances)) == {0.0, 1.0}
    means = VaeModel(model.network, "mean", "fp32").sample(Draw(records=3000), None, np.random.default_rng(0)).array
    errors = np.sqrt((means * (1 - means)).sum(axis=0)) / len(means)
    assert (np.abs(chances.mean(axis=0) - means.mean(axis=0)) < 4.5 * errors + 1e-9).all()


def test_golden_values_of_the_stand_in():
    """The ELBO of the first digits under weights that a stream alone decides, and of others after three steps of training.

    To 1e-3, as processors differ in the order of sums; between instruction sets (SSE4.1, AVX2, AVX-512) it differs by 1e-7.
    """
    from sklearn.datasets import load_digits

    untrained = VaeModel(initial(PictureShape(8, 8), np.random.default_rng(0)), "mean", "fp32")
    learned = Vectors((load_digits().data[:96] / 16).astype(np.float32))
    exact = Vae(precision="fp32")
    after = exact.fit(learned, None, None, exact.schedule(Schedule(epochs=1, batch=32, start=Scratch())), np.random.default_rng(1))
    scores = [model.log_prob(Vectors(learned.array[:3])) for model in (untrained, after)]
    assert np.array(scores) == pytest.approx(np.array(GOLDEN_ELBO), abs=1e-3)


GOLDEN_ELBO = [[-42.6208, -43.3013, -45.9463], [-45.5821, -42.6045, -46.4552]]


@pytest.mark.parametrize(
    ("records", "why"),
    [
        (np.zeros((9, 60)), "not a square"),
        (np.zeros((9, 36)), "multiples of 4, got 6 by 6"),
        (np.full((9, 64), 2.0), r"values in \[0, 1\]"),
        (np.zeros((2, 9, 64)), "one chain"),
    ],
)
def test_records_that_are_no_grey_pictures_are_refused_with_the_way_out(records, why):
    with pytest.raises(BadInput, match=why):
        Vae().fit(Vectors(records), None, None, QUICK, np.random.default_rng(0))


def test_colour_is_refused_even_where_its_numbers_would_make_a_square(tmp_path):
    np.save(tmp_path / "colour.npy", np.zeros((30, 12, 4, 3), dtype=np.uint8))  # 144 numbers, as 12 by 12 grey pixels have
    human = {"kind": "images", "path": str(tmp_path / "colour.npy"), "rows": 10}
    with pytest.raises(BadInput, match=r"pictures of shape \(12, 4, 3\), .* convert colour pictures to grey"):
        next(iter(package.run(SMALL | {"human": human})))


def test_a_picture_need_not_be_square():
    fitted = Vae(height=4).fit(Vectors(np.zeros((9, 48))), None, None, QUICK, np.random.default_rng(0))
    assert fitted.pictures.shape == (10, 4, 12)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        (
            {"training": {"epochs": 1}},
            "training.start pretrained does not apply to vae; write training.start: scratch",
        ),
        (
            {"learner": "gaussian", "training": None, "metrics": ["fitted_law"]},
            "rows: online draws the records that the training steps read",
        ),
        ({"training": {"optimizer": {}, "start": "scratch"}}, "training.optimizer cannot be set for vae"),
        ({"training": {"checkpoint": "best", "start": "scratch"}}, "write training.checkpoint: last"),
        ({"learner": {"kind": "vae", "writes": "ink"}}, "writes"),
        ({"metrics": ["support"]}, "the metric support reads counts"),
        ({"draw": {"prompts": "none", "temperature": 0.5}}, "a vae has no exact sampler"),
    ],
)
def test_what_cannot_be_is_refused_before_the_work_begins(changes, why):
    with pytest.raises(BadInput, match=why):
        package.experiment(SMALL | changes)


# Sets that are written while they are read


def training_of(model, finite, share=1.0):
    """A training set of which a model wrote a share, by name `m`."""
    n = round(share * len(finite))
    written = Part(Origin("model", "m", 0), Made("drawn", n, lambda: Vectors(finite[:n])), n)
    people = part_of(HUMAN, Vectors(finite[n:]))
    return Training(Pool(tuple(part for part in (written, people) if len(part)), 1))


def test_generation_1_reads_no_human_picture_and_no_finite_set(model, digits):
    """On-line, other human pictures and other drawn ones leave the weights of generation 1 as they are, to the bit."""
    task = Task(learner=Vae(), training=QUICK)
    other = 1 - digits.array
    fitted = [
        loop.train.do(
            task,
            training_of(model, finite),
            None,
            Human(training=part_of(HUMAN, Vectors(people))),
            {"m": model},
            rng=np.random.default_rng(1),
        )
        for finite, people in ((digits.array, digits.array), (other, digits.array), (digits.array, other))
    ]
    assert all(np.array_equal(weights_of(fitted[0]), weights_of(network)) for network in fitted[1:])
    finite = [
        loop.train.do(task, training_of(model, array), None, Human(training=part_of(HUMAN, digits)), rng=np.random.default_rng(1))
        for array in (digits.array, other)
    ]
    assert not np.array_equal(weights_of(finite[0]), weights_of(finite[1]))


def test_a_record_is_written_anew_at_every_reading_and_one_of_people_never(model, digits):
    training = training_of(model, digits.array, share=0.25)
    online = Online.of(training.pool, {"m": model})
    known, rows, rng = training.records.array, np.array([180, 3, 60, 7]), np.random.default_rng(0)
    first, second = (online.read(known, rows, rng) for _ in range(2))
    assert np.array_equal(first[[0, 2]], known[[180, 60]]) and np.array_equal(second[[0, 2]], known[[180, 60]])
    assert not np.array_equal(first[1], second[1]) and not np.array_equal(first[1], known[3])


def test_what_is_written_on_line_has_the_law_of_what_the_model_draws(model):
    training = training_of(model, np.zeros((2000, 64), dtype=np.float32))
    read = Online.of(training.pool, {"m": model}).read(training.records.array, np.arange(2000), np.random.default_rng(0))
    assert np.array_equal(read, model.sample(Draw(records=2000), None, np.random.default_rng(0)).array)


@pytest.mark.parametrize(
    "policy", ["accumulate", {"kind": "human_share", "share": 0.5}, "augment", "accumulate_subsample", "human_only"]
)
def test_every_policy_has_its_shares_on_line(policy):
    generations = list(package.run(package.experiment(SMALL | {"policy": policy, "metrics": ["latents"]})))
    finite = list(package.run(package.experiment(SMALL | {"policy": policy, "metrics": ["latents"], "rows": "constant"})))
    sizes = [[len(generation.training.value) for generation in some] for some in (generations, finite)]
    assert sizes[0] == sizes[1] and all(len(generation.drawn) == 120 for generation in generations)


# Measures


def test_the_spread_of_latents_is_the_standard_deviation_and_covers_the_truth():
    means = np.random.default_rng(0).standard_normal((100, 20))
    estimate = spread(means)
    assert estimate.value == pytest.approx(means.std(ddof=1)) and estimate.n == 100
    inside = 0
    for stream in range(300):  # pictures whose numbers go together: only pictures are independent
        rng = np.random.default_rng([1, stream])
        low, high = spread(rng.standard_normal((100, 1)) + 0.5 * rng.standard_normal((100, 20))).interval
        inside += low <= np.sqrt(1.25) <= high
    assert inside / 300 > 0.95 - 3.5 * np.sqrt(0.95 * 0.05 / 300)  # 3.5 standard errors: a false alarm in 4,000


def test_a_run_measures_every_generation_against_the_first():
    generations = list(package.run(package.experiment(SMALL)))
    for generation in generations:
        settings = {(reading.measure, reading.at): reading.estimate for reading in generation.measured}
        total, entropy, divergence = (settings["held_out_elbo", at].value for at in ("", "cross-entropy", "divergence"))
        assert total == pytest.approx(entropy + divergence) and settings["held_out_elbo", ""].n == 120
        assert settings["latent_spread", ""].low < settings["latent_spread", ""].value < settings["latent_spread", ""].high
        assert (settings["excess_elbo", ""].value == 0) == (generation.g == 0)


def test_equal_networks_that_write_otherwise_share_no_records_in_a_ledger(tmp_path):
    ledger, drawn = Ledger(tmp_path / "run"), {}
    for writes in ("mean", "pixels"):
        recipe = SMALL | {
            "learner": {"kind": "vae", "writes": writes},
            "rows": "constant",
            "generations": 1,
            "metrics": ["latents"],
        }
        (generation,) = loop.run(package.experiment(recipe), ledger)
        drawn[writes] = generation.drawn.records.array
    assert set(np.unique(drawn["pixels"])) <= {0, 1} and len(np.unique(drawn["mean"])) > 2


# Pictures of people


def idx(pictures):
    return struct.pack(">BBBB3I", 0, 0, 8, 3, *pictures.shape) + pictures.tobytes()


@pytest.fixture
def mnist(tmp_path):
    """A folder as MNIST's is, of pictures of 4 by 4."""
    rng, folder = np.random.default_rng(0), tmp_path / "mnist"
    folder.mkdir()
    for name, n in (("train", 30), ("t10k", 11)):
        pictures = rng.integers(0, 256, (n, 4, 4), dtype=np.uint8)
        (folder / f"{name}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(pictures)))
        (folder / f"{name}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(struct.pack(">BBBBI", 0, 0, 8, 1, n) + bytes(n)))
    return folder


def test_of_a_folder_as_of_mnist_the_test_pictures_are_held_out(mnist):
    human = Images(path=str(mnist), rows=12).open(None, (), np.random.default_rng(0))
    assert [len(part) for part in (human.training, human.reference, human.holdout, human.reserve)] == [12, 11, 12, 6]
    every = np.concatenate([part.records.array for part in (human.training, human.holdout, human.reserve)])
    train = np.frombuffer(gzip.decompress((mnist / "train-images-idx3-ubyte.gz").read_bytes())[16:], np.uint8).reshape(
        30, 16
    ) / np.float32(255)
    assert sorted(every.tolist()) == sorted(train.astype(np.float32).tolist())
    alone = Images(path=str(mnist / "train-images-idx3-ubyte.gz"), rows=10).open(None, (), np.random.default_rng(0))
    assert [len(part) for part in (alone.training, alone.reference, alone.holdout)] == [10, 10, 10]


def test_the_digits_stand_in_where_no_path_is_given():
    human = Images().open(None, (), np.random.default_rng(0))
    assert len(human.training) == 1198 and len(human.reference) == 599 and human.training.records.dimensions == 64
    assert human.training.records.array.max() == 1


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"rows": 31}, r"holds 30 pictures, but human.rows=31 needs 31; lower human.rows"),
        ({"rows": 5, "white": 16}, "write human.white"),
        ({"rows": 5, "reference": "other.npy"}, "give pictures of the same size"),
    ],
)
def test_pictures_that_do_not_fit_are_refused_with_the_way_out(mnist, tmp_path, monkeypatch, settings, why):
    monkeypatch.chdir(tmp_path)
    np.save("other.npy", np.zeros((9, 8, 8), dtype=np.uint8))
    path = mnist if "reference" not in settings else mnist / "train-images-idx3-ubyte.gz"
    with pytest.raises(BadInput, match=why):
        Images(path=str(path), **settings).open(None, (), np.random.default_rng(0))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"junkjunk", "not an IDX file"),
        (idx(np.zeros((3, 4, 4), np.uint8))[:-1], "cut off"),
        (struct.pack(">BBBB3I", 0, 0, 8, 3, 2**31, 2**31, 4), "cut off"),
        (idx(np.zeros((0, 4, 4), np.uint8)), "no record of numbers"),
    ],
)
def test_a_file_that_is_not_whole_is_refused_packed_or_not(content, why, tmp_path):
    (tmp_path / "a.idx").write_bytes(content)
    (tmp_path / "b.idx.gz").write_bytes(gzip.compress(content))
    (tmp_path / "c.idx.gz").write_bytes(gzip.compress(content)[:-9])
    for name, said in (("a.idx", why), ("b.idx.gz", why), ("c.idx.gz", "not a whole gzip file")):
        with pytest.raises(BadInput, match=said):
            Images(path=str(tmp_path / name), rows=1).open(None, (), np.random.default_rng(0))


# A run


YAML = """
name: pictures
human: {kind: images, rows: 120}
learner: vae
rows: online
training: {epochs: 20, batch: 32, start: scratch}
draw: {prompts: none}
generations: 3
metrics: [latents]
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "pictures.yaml").write_text(YAML)
    ended = outcross("run", folder / "pictures.yaml", "--out", folder / "run", "--workers", 1, **WITHOUT_CHARTS)
    assert ended.returncode == 0, ended.stderr
    assert "295,721 parameters at 8 by 8 pixels" in " ".join((ended.stdout + ended.stderr).split())
    return folder


def unpacked(content):
    """The pixels of a grey PNG file whose lines have no filter; every chunk must fit its checksum."""
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, rest = {}, content[8:]
    while rest:
        (size,) = struct.unpack(">I", rest[:4])
        assert zlib.crc32(rest[4 : 8 + size]) == struct.unpack(">I", rest[8 + size : 12 + size])[0]
        chunks[rest[4:8]], rest = rest[8 : 8 + size], rest[12 + size :]
    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    width, height, *kinds = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert kinds == [8, 0, 0, 0, 0]
    lines = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, width + 1)
    assert not lines[:, 0].any()
    return lines[:, 1:]


def test_a_png_file_holds_its_pixels():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7), dtype=np.uint8)
    assert np.array_equal(unpacked(png(pixels)), pixels)


def test_the_page_shows_what_every_generation_makes_of_the_same_latents(finished):
    page = (finished / "run" / "report.html").read_text()
    shown = re.findall(r'<img src="data:image/png;base64,([^"]+)" alt="([^"]+)"', page)
    assert [alt.split(" pictures ")[0] for _, alt in shown] == ["10"] * 4  # people, and three generations
    assert "img-src data:" in page and "295,721 parameters at 8 by 8 pixels" in page
    run = package.open(finished / "run")
    for g, (content, alt) in enumerate(shown[1:]):
        pixels = unpacked(base64.b64decode(content))
        model = Vae().load(finished / "run" / "arms" / "replace" / "seed-0" / f"g{g:02d}" / "model")
        assert f"generation {g}" in alt
        assert np.array_equal(pixels[:, :8], model.pictures[0]) and np.array_equal(pixels[:, -8:], model.pictures[-1])
    assert run.pictures["author"].to_list() == ["human", "model", "model", "model"]


def test_an_audit_reads_the_pictures_as_the_run_stored_them(finished):
    run = package.open(finished / "run")
    human = load_records(finished / "run" / "steps" / gathered(run) / "training").array
    for g, audit in enumerate(package.audits((finished / "run",), aspects=("spread",))):
        drawn = run.drawn("replace", 0, g).array
        (ratio,) = audit.checks.filter(metric="variance", column="x20")["value"]
        assert ratio == pytest.approx(drawn[:, 20].var() / human[:, 20].var(), rel=1e-4)


def gathered(run):
    """The key of the step that read the human pictures."""
    return next(entry.key for entry in run.ledger.entries.values() if entry.verb == "gather")


def contents(run):
    """Every file that a promise covers, by name."""
    left_out = {"timing.jsonl", "report.html", ".run.lock", ".ledger.lock"}
    return {
        str(path.relative_to(run)): path.read_bytes()
        for path in sorted(run.rglob("*"))
        if path.is_file() and path.name not in left_out
    }


def test_a_run_killed_while_it_learns_ends_as_an_uninterrupted_one(finished, tmp_path):
    command = "run", finished / "pictures.yaml", "--workers", 1, "--quiet", "--out", tmp_path / "run"
    killed = started(*command, **WITHOUT_CHARTS)
    timing = tmp_path / "run" / "timing.jsonl"
    while not timing.exists() or "generate" not in timing.read_text():  # generation 0 has written: the next fit is under way soon
        assert killed.poll() is None
        time.sleep(0.02)
    time.sleep(0.3)
    killed.kill()
    killed.wait()
    assert outcross(*command, **WITHOUT_CHARTS).returncode == 0
    assert contents(tmp_path / "run") == contents(finished / "run")
    done = [json.loads(line)["key"] for line in timing.read_text().splitlines()]
    assert len(done) == len(set(done))
