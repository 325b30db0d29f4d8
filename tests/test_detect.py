"""The verb detect: shares, thresholds, weights and warnings on texts whose authors are known by construction."""

import json
import re
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from conftest import outcross as command

import outcross
from outcross.detectors.classifier import ClassifierDetector
from outcross.detectors.samples import sample_of_texts
from outcross.errors import BadInput
from outcross.estimate import Estimate
from outcross.filters import FILTERS
from outcross.recipe import plain, read
from outcross.statistics.mixture_fit import mixture_fit
from outcross.text.normalised import normalised
from outcross.verbs.detect.answer import unlike_the_rest
from outcross.verbs.detect.page import page as detection_page
from outcross.verbs.detect.reading import asked_texts, judged_data
from outcross.verbs.detect.result import SliceOfData
from outcross.verbs.detect.shares import RATE, MixtureRows, Shares, counted, fits, shares
from outcross.verbs.detect.work import STYLE, calibration

VOCABULARY = 600
LAW = 1 / np.arange(1, VOCABULARY + 1)


def written(rng, n, tilt, words=(12, 70), first=0, others=0.0):
    """Texts of independent words: a Zipf law, whose every third word is exp(tilt) times as frequent, and whose words after these exp(others) times."""
    place = np.arange(VOCABULARY) % 3
    weights = LAW * np.exp(tilt * (place == 0) + others * (place == 1))
    chosen = rng.choice(VOCABULARY, (n, words[1]), p=weights / weights.sum()) + first
    lengths = rng.integers(*words, n)
    return [
        " ".join(_spelt(word) for word in row[:length]) + "." for row, length in zip(chosen.tolist(), lengths.tolist(), strict=True)
    ]


def _spelt(number):
    """A word of letters for a number."""
    return "".join(chr(97 + number // 26**place % 26) for place in range(3)) + "aeiou"[number % 5]


HUMAN, EDITED, MODEL = 0.0, 0.8, 1.6
NEAR = 1.0


@pytest.fixture(scope="module")
def samples():
    rng = np.random.default_rng(0)
    return {"human": written(rng, 400, HUMAN), "ai": written(rng, 400, MODEL)}


@pytest.fixture(scope="module")
def mixed(samples):
    """A quarter of 600 texts by the model, in two slices of which one has none."""
    rng = np.random.default_rng(1)
    texts = [*written(rng, 450, HUMAN), *written(rng, 150, MODEL), "too short"]
    sources = ["web"] * 300 + ["blog"] * 300 + ["web"]
    return pl.DataFrame({"text": texts, "source": sources})


@pytest.fixture(scope="module")
def detection(samples, mixed):
    return outcross.detect(mixed, **frames(samples), by="source", fpr=0.05)


def frames(samples):
    return {name: pl.DataFrame({"text": texts}) for name, texts in samples.items()}


def test_the_share_has_an_interval_that_holds_it(detection):
    low, high = detection.share.interval
    assert low <= 0.25 <= high
    assert high - low < 0.15
    assert detection.in_distribution is True
    assert detection.shares.people.value == pytest.approx(1 - detection.share.value)
    assert low <= detection.adjusted <= high


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_all_of_one_author(samples, share):
    texts = written(np.random.default_rng(2), 300, MODEL if share else HUMAN)
    detected = outcross.detect(pl.DataFrame({"text": texts}), **frames(samples))
    assert detected.share.low <= share <= detected.share.high
    assert abs(detected.share.value - share) < 0.06


def test_slices_have_their_own_shares(detection):
    shares = detection.by("source")
    assert shares["web"].low <= 0.0
    assert shares["blog"].low <= 0.5 <= shares["blog"].high
    with pytest.raises(BadInput, match="did you mean 'source'"):
        detection.by("sourc")


def test_a_row_a_text_and_weights(detection, mixed):
    frame = detection.frame()
    assert frame.height == mixed.height
    assert frame["_why"].to_list()[-1] == "cannot_tell: too short"
    assert frame["_p_ai"].to_list()[-1] is None
    judged = frame.head(600)
    assert judged["_p_ai"][450:].mean() > judged["_p_ai"][:450].mean() + 0.5
    assert judged["_weight"].to_numpy() == pytest.approx((1 - judged["_p_ai"].to_numpy()) ** 10)
    assert judged["_p_ai"].mean() == pytest.approx(detection.share.value, abs=0.05)  # calibrated
    weights = judged["_weight"].to_numpy()
    assert detection.weights["effective_sample_size"] == pytest.approx(weights.sum() ** 2 / (weights**2).sum(), abs=0.01)


def test_false_alarms_keep_the_rate_at_every_length(samples):
    """Of 1,500 fresh human texts of each length the flagged share is inside the stated range of the realised rate, binomial scatter added."""
    rng = np.random.default_rng(3)
    for words in (12, 60):
        fresh = pl.DataFrame({"text": written(rng, 1500, HUMAN, (words, words + 1))})
        detected = outcross.detect(fresh, **frames(samples), fpr=0.05)
        length = max(length for length in detected.flags.lengths if length <= words)
        rate = detected.flags.lengths[length]
        scatter = 2 * np.sqrt(0.05 * 0.95 / 1500)
        assert rate.low - scatter <= detected.flags.flagged / detected.flags.judged <= rate.high + scatter


def test_another_kind_of_text_gives_a_lower_limit_alone(samples):
    other = pl.DataFrame({"text": written(np.random.default_rng(4), 300, HUMAN, first=5000)})
    detected = outcross.detect(other, **frames(samples))
    assert detected.in_distribution is False
    assert detected.shares is None
    assert detected.share.high == 1.0
    assert any("unlike both calibration samples" in warning for warning in detected.warnings)


@pytest.fixture(scope="module")
def calibrated(samples):
    authors = [sample_of_texts(author, samples[name]) for author, name in (("human", "human"), ("model", "ai"))]
    return calibration(ClassifierDetector(), authors, None, 0)


def partly_by_another(rng, calibrated, others):
    """600 judged texts. A sixth is by a generator that favours, or avoids, words that the sample's one does not."""
    texts = [*written(rng, 500, HUMAN), *written(rng, 100, MODEL, others=others)]
    return judged_data(asked_texts(pl.DataFrame({"text": texts}), "text"), calibrated, 0.01)


@pytest.mark.parametrize("others", [0.0, 0.9])
def test_a_sixth_by_another_generator_is_another_kind_of_text(calibrated, others):
    p, _ = fits(calibrated, partly_by_another(np.random.default_rng(17), calibrated, others))
    assert (p > RATE) is (others == 0.0)


def test_words_weighted_by_the_chance_of_a_model_see_more_of_another_generator(calibrated):
    """The words of people, who wrote most of the texts, say nothing about the generator and hide what the others say."""
    columns = calibrated.judging.plain_columns[STYLE]
    for others in (0.7, -0.7):
        for seed in range(3):
            judged = partly_by_another(np.random.default_rng([18, seed]), calibrated, others)
            groups = [np.arange(len(judged)), *(sample.groups for sample in calibrated.samples)]
            unweighted = mixture_fit([side[:, columns] for side in (judged.plain, *calibrated.plain)], groups).p
            assert fits(calibrated, judged)[1][STYLE] < unweighted


def test_without_texts_of_models_there_is_a_lower_limit_alone(samples, mixed):
    detected = outcross.detect(mixed, human=frames(samples)["human"])
    assert 0.0 <= detected.share.low <= 0.25
    assert detected.share.high == 1.0
    assert detected.frame()["_p_ai"].null_count() == mixed.height


def shares_without_the_test_of_kind(data, samples):
    authors = [sample_of_texts({"ai": "model"}.get(author, author), texts) for author, texts in samples.items()]
    calibrated = calibration(ClassifierDetector(), authors, None, 0)
    judged = judged_data(asked_texts(data, "text"), calibrated, 0.01)
    return shares(calibrated, judged, np.arange(len(judged)))


def test_three_authors(samples):
    rng = np.random.default_rng(5)
    edited = pl.DataFrame({"text": written(rng, 400, EDITED)})
    texts = [*written(rng, 400, HUMAN), *written(rng, 200, EDITED), *written(rng, 200, MODEL)]
    data = pl.DataFrame({"text": texts})
    detected = outcross.detect(data, **frames(samples), edited=edited)
    assert list(detected.samples) == ["human", "model", "edited"]
    # Whether data are of the samples' kind is tested at 5 %, and detect gives no shares beneath an alarm, so they are read without it.
    parts = shares_without_the_test_of_kind(data, samples | {"edited": edited["text"].to_list()})
    for estimate, truth in ((parts.model, 0.25), (parts.edited, 0.25), (parts.people, 0.5)):
        assert estimate.low <= truth <= estimate.high
    assert parts.model.value + parts.edited.value + parts.people.value == pytest.approx(1)


@pytest.fixture(scope="module")
def two_generators():
    """A sample of 300 texts of a generator that is nearer to people, 300 of another, and 20 of a third."""
    rng = np.random.default_rng(14)
    texts = [*written(rng, 300, NEAR), *written(rng, 300, MODEL), *written(rng, 20, MODEL)]
    return pl.DataFrame({"text": texts, "_model": ["near"] * 300 + ["far"] * 300 + ["few"] * 20})


def test_a_sample_of_several_generators_gives_a_share_for_each(tmp_path, samples, two_generators):
    rng = np.random.default_rng(15)
    data = pl.DataFrame({"text": [*written(rng, 300, HUMAN), *written(rng, 50, NEAR), *written(rng, 50, MODEL)]})
    human = frames(samples)["human"]
    detected = outcross.detect(data, human=human, ai=two_generators, out=tmp_path / "out")
    assert [(part.name, part.n) for part in detected.generators] == [("near", 300), ("far", 300), ("few", 20)]
    near, far, few = detected.generators
    assert far.shares.model.value < detected.share.value < near.shares.model.value
    assert few.shares is None and "fewer than 50 independent texts" in few.why
    assert any(re.match(r"  near +\d+\.\d % .* 300 texts in the sample", line) for line in detected.lines())
    assert outcross.show(tmp_path / "out").plain() == detected.plain()
    assert "If one generator wrote all texts of models" in (tmp_path / "out" / "report.html").read_text()
    assert outcross.detect(data, human=human, ai=two_generators.drop("_model")).generators == ()


def test_the_share_for_a_generator_holds_where_it_wrote_all(samples, two_generators):
    """A quarter of the data is by the generator near people. The whole sample of models says less, since its other half is easier to tell."""
    rng = np.random.default_rng(16)
    authors = [
        sample_of_texts(author, texts)
        for author, texts in (("human", samples["human"]), ("model", two_generators["text"].to_list()))
    ]
    calibrated = calibration(ClassifierDetector(), authors, None, 0)
    data = pl.DataFrame({"text": [*written(rng, 900, HUMAN), *written(rng, 300, NEAR)]})
    judged = judged_data(asked_texts(data, "text"), calibrated, 0.01)
    every = np.arange(len(judged))
    whole = MixtureRows.of(calibrated, judged, every)
    of_near, of_both = (whole.shares(rows).model for rows in (np.arange(300), None))
    assert of_near.low <= 0.25 <= of_near.high
    assert of_both.high < 0.25


def test_the_order_of_the_data_changes_nothing(detection, samples, mixed):
    turned = outcross.detect(mixed.reverse(), **frames(samples), by="source", fpr=0.05)
    before, after = (result.frame()["_p_ai"].drop_nulls() for result in (detection, turned))
    assert after.reverse().to_numpy() == pytest.approx(before.to_numpy(), rel=1e-6, abs=1e-9)
    assert turned.share.value == pytest.approx(detection.share.value, abs=1e-9)


def test_signs_do_not_change_what_a_text_is():
    plain = ["The small house stood near the river and nobody came."] * 2
    dressed = [
        "**The sm\u0430ll**\u200b house stood\nnear the river\u00a0and  nobody came.",
        "> The small house stood near the river and nobody came.",
    ]
    form = normalised(dressed)
    assert form.strings == plain
    assert form.has_invisible.tolist() == [True, False]
    assert form.has_lookalikes.tolist() == [True, False]


def test_leaks_are_named(samples):
    human = pl.DataFrame({"text": samples["human"], "file": "a"})
    ai = pl.DataFrame({"text": [f"{text}\n\n{text}" for text in samples["ai"]], "file": "b"})
    detected = outcross.detect(pl.DataFrame({"text": samples["human"][:50]}), human=human, ai=ai)
    assert any("'file'" in warning and "perfectly" in warning for warning in detected.warnings)
    assert any("punctuation and white space alone" in warning for warning in detected.warnings)


def test_near_twins_are_never_on_both_sides(samples):
    """Each human text ten times with one word more: ten times the texts, no more groups."""
    human = [f"{text[:-1]} {_spelt(i)}." for text in samples["human"] for i in range(3)]
    detected = outcross.detect(
        pl.DataFrame({"text": samples["ai"][:40]}), human=pl.DataFrame({"text": human}), ai=frames(samples)["ai"]
    )
    assert detected.samples["human"]["texts"] == 1200
    assert detected.samples["human"]["groups"] <= 420


def test_texts_of_one_document_count_as_one(samples):
    """Each text of the data four times with another frequent word at its end: four times the texts say as much as one of each."""
    rng = np.random.default_rng(8)
    texts = [*written(rng, 150, HUMAN), *written(rng, 50, MODEL)]
    once = outcross.detect(pl.DataFrame({"text": texts}), **frames(samples))
    copied = pl.DataFrame(
        {"text": [f"{text} {_spelt(word)}" for text in texts for word in (1, 2, 4, 5)], "document": np.repeat(np.arange(200), 4)}
    )
    known, unknown = (
        outcross.detect(
            copied,
            **frames(samples) | {"human": frames(samples)["human"].with_columns(document=-1 - pl.arange(0, 400))},
            group=group,
        )
        for group in ("document", None)
    )
    widths = [result.share.high - result.share.low for result in (once, known, unknown)]
    assert widths[1] == pytest.approx(widths[0], rel=0.1)
    assert unknown.in_distribution is False or widths[2] < 0.8 * widths[0]  # too sure, one way or the other


def test_texts_of_one_author_count_as_one_in_a_rate_of_false_positives(samples, mixed):
    """Half of the human texts are by 25 authors of eight texts each, the others by an author each."""
    human = frames(samples)["human"].with_columns(
        source=pl.Series(["few"] * 200 + ["many"] * 200), author=pl.Series([row // 8 for row in range(200)] + [*range(200, 400)])
    )
    detected = outcross.detect(mixed, human=human, ai=frames(samples)["ai"], group="author", by="source", fpr=0.05)
    assert {part.value: part.rate.n for part in detected.human_slices} == {"few": 25, "many": 200}
    low, high = detected.human_slices[[part.value for part in detected.human_slices].index("few")].rate.interval
    assert high - low > 0.12  # 0 to .137 even if none of 25 is flagged


def test_a_function_is_a_detector(samples, mixed):
    def share_of_thirds(texts):
        every_third = {_spelt(number) for number in range(0, VOCABULARY, 3)}
        return [np.mean([word.strip(".") in every_third for word in text.split()]) for text in texts]

    detected = outcross.detect(mixed, **frames(samples), detector=share_of_thirds)
    assert detected.share.low <= 0.25 <= detected.share.high


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda texts: 1 / 0, "ZeroDivisionError"),
        (lambda texts: [0.5], "one number per text"),
        (lambda texts: [float("inf")] * len(texts), "infinite"),
        (lambda texts: [float("nan")] * len(texts), "scores no text"),
    ],
)
def test_a_function_that_is_no_detector(samples, mixed, function, words):
    with pytest.raises(BadInput, match=words):
        outcross.detect(mixed, **frames(samples), detector=function)


def test_a_document_of_many_words_is_read_in_pieces(samples):
    rng = np.random.default_rng(6)
    texts = [*written(rng, 40, HUMAN, (5000, 5001)), *written(rng, 1, MODEL, (200_000, 200_001))]
    detected = outcross.detect(pl.DataFrame({"text": texts}), **frames(samples))
    assert detected.frame()["_p_ai"].to_list()[-1] > 0.9


def test_a_folder_holds_what_was_found(tmp_path, samples, mixed):
    for name, frame in {**frames(samples), "data": mixed}.items():
        frame.write_parquet(tmp_path / f"{name}.parquet")
    arguments = [
        "detect",
        tmp_path / "data.parquet",
        "--human",
        tmp_path / "human.parquet",
        "--ai",
        tmp_path / "ai.parquet",
        "--by",
        "source",
        "--add-columns",
    ]
    ran = command(*arguments, "--out", tmp_path / "out")
    assert ran.returncode == 0, ran.stderr
    assert "A model wrote" in ran.stdout
    records = pl.read_parquet(tmp_path / "out" / "records.parquet")
    assert records.columns == ["text", "source", "_p_ai", "_weight", "_flagged", "_why"]
    assert records["text"].to_list() == mixed["text"].to_list()
    shown = outcross.show(tmp_path / "out")
    stored = json.loads((tmp_path / "out" / "detection.json").read_text())
    assert shown.plain() == stored
    page = outcross.report(tmp_path / "out", out=tmp_path / "again.html").path
    assert page.read_bytes() == (tmp_path / "out" / "report.html").read_bytes()
    again = outcross.detect(
        str(tmp_path / "data.parquet"), human=str(tmp_path / "human.parquet"), ai=str(tmp_path / "ai.parquet"), by="source"
    )
    assert again.plain() == stored
    (tmp_path / "out" / "detection.json").write_text("{}")
    with pytest.raises(BadInput, match="damaged"):
        outcross.show(tmp_path / "out")


BAD = [
    ({"human": None}, "--human is missing"),
    ({"fpr": 0.0}, "--fpr must be above 0"),
    ({"fpr": 0.7}, "--fpr must be above 0 and at most 0.5"),
    ({"fpr": 1e-300}, "--fpr 1e-300 needs more than 50,000 human texts"),
    ({"fpr": 5e-324}, "needs more than 50,000 human texts"),
    ({"seed": -1}, "--seed must be at least 0"),
    ({"time": "source"}, "--time source needs --entity"),
    ({"power": -1.0}, "--power"),
    ({"weight": "odds", "most_weight": 0.0}, "--most-weight"),
    ({"weight": "odds", "most_weight": float("inf")}, "--most-weight must be a finite number"),
    ({"add_columns": True}, "--add-columns needs --out"),
    ({"ai": None, "edited": ["a b c"] * 3}, "--edited needs --ai"),
    ({"text_column": "txt"}, "no column 'txt'"),
    ({"human": pl.DataFrame({"text": [["a", "b"]] * 60}), "text_column": "text"}, "type List.* and not text"),
    ({"group": "document"}, "no sample has a column 'document'"),
    ({"by": "sauce"}, "did you mean 'source'"),
    ({"by": " , "}, "names no column"),
    ({"detector": "clasifier"}, "did you mean 'classifier'"),
    ({"human": pl.DataFrame({"text": ["one two"] * 300})}, "--human has no text of at least 10 words"),
    (
        {"ai": pl.DataFrame({"text": ["one two three four five six seven eight nine ten eleven"] * 300})},
        "--ai has 1 independent text of at least 10 words",
    ),
    ({"human": pl.DataFrame({"number": [1, 2]})}, "no column holds text"),
    ({"human": pl.DataFrame({"first": ["a"], "second": ["b"]})}, "could be in any of the columns first, second"),
]


@pytest.mark.parametrize(("changed", "words"), BAD, ids=[words for _, words in BAD])
def test_bad_input_is_one_line(samples, mixed, changed, words):
    with pytest.raises(BadInput, match=words) as refusal:
        outcross.detect(mixed, **(frames(samples) | changed))
    assert "\n" not in str(refusal.value)


def test_empty_data_are_refused(samples):
    with pytest.raises(BadInput, match="data has no row; give at least one text"):
        outcross.detect(pl.DataFrame({"body": []}, {"body": pl.String}), **frames(samples))
    with pytest.raises(BadInput, match="empty"):
        outcross.detect(pl.DataFrame({"text": []}, {"text": pl.String}), text_column="text", **frames(samples))
    with pytest.raises(BadInput, match="no share can be estimated: a share needs at least 30 texts that can be judged, got 0"):
        outcross.detect(pl.DataFrame({"text": ["", "one"] * 40}), **frames(samples))


def declared(texts, **columns):
    return pl.DataFrame({"text": texts} | columns)


def test_declared_origins_are_counted_and_contradicted(samples):
    """40 of 200 that are declared human are a model's, and 30 of 100 that are declared a model's are human."""
    rng = np.random.default_rng(11)
    long = (40, 70)
    texts = [
        *written(rng, 160, HUMAN, long),
        *written(rng, 40, MODEL, long),
        *written(rng, 70, MODEL, long),
        *written(rng, 30, HUMAN, long),
    ]
    data = declared(texts, _origin=["human"] * 200 + [None] * 100, _model=[None] * 200 + ["m"] * 100)
    detected = outcross.detect(data, **frames(samples), fpr=0.05)
    assert detected.declared["authors"] == {"human": 200, "model": 100, "edited": 0, "translated": 0, "unknown": 0}
    assert detected.declared["models"] == {"m": 100}
    human, model = detected.declared["human_but_flagged"], detected.declared["model_but_in_the_human_tail"]
    assert (human["judged"], human["by_chance"]) == (200, 10.0)
    assert 25 <= human["texts"] <= 40 + 20
    assert 15 <= model["texts"] <= 30 + 12
    assert outcross.detect(pl.DataFrame({"text": texts}), **frames(samples)).declared is None


def test_columns_of_lists_and_bytes_are_read_as_words(samples, mixed):
    """Neither the column of models nor that of groups has to be of words."""
    ai = frames(samples)["ai"].with_columns(_model=pl.Series([["a"], ["b"]] * 200))
    human = frames(samples)["human"].with_columns(document=pl.Series([bytes([i % 256, i // 256, 255]) for i in range(400)]))
    detected = outcross.detect(mixed.with_columns(_model=pl.Series([["a"]] * 601)), human=human, ai=ai, group="document")
    assert detected.declared["models"] == {"['a']": 601}
    assert [part.name for part in detected.generators] == ["['a']", "['b']"]


def test_the_share_that_is_declared_is_exact_and_the_unknown_stays_unknown(tmp_path):
    texts = ["plain words"] * 6 + ["As an AI language model, I cannot say."] * 2 + ["an old letter"] * 2
    data = declared(texts, _origin=["human"] * 3 + ["model"] * 2 + [None] * 5, date=["2024-01-01"] * 8 + ["1999-05-01"] * 2)
    detected = outcross.detect(data, detector="declared", out=tmp_path / "out")
    assert (detected.share.value, detected.share.low, detected.share.high) == (2 / 5, 0.2, 0.7)
    assert detected.declared["unknown_with_a_phrase"] == 2 and detected.declared["unknown_and_early"] == 2
    assert detected.declared["assumed_share"]["low"] == 0.4 and detected.declared["assumed_share"]["high"] == 0.5
    assert detected.frame()["_p_ai"].to_list() == [0.0] * 3 + [1.0] * 2 + [None] * 5
    assert outcross.show(tmp_path / "out").plain() == detected.plain()
    assert "What the data declare" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.parametrize(
    ("data", "asked", "words"),
    [
        ({"text": ["a", "b"], "date": [[2020], [2021]]}, {}, "declare no author"),
        ({"text": ["a", "b"], "date": [b"2020", b"\xff\xfe"]}, {}, "declare no author"),
        ({"text": ["a", "b"]}, {}, "declare no author"),
        ({"text": ["a"], "_origin": ["hunan"]}, {}, "did you mean 'human'"),
        ({"text": ["a"]}, {"human": ["a b c"] * 3}, "reads only the declared authors and no samples"),
        ({"text": ["a"], "_origin": ["human"]}, {"detector": {"kind": "declared", "date": "dat"}}, "no column 'dat'"),
        ({"text": ["a"], "_origin": ["human"]}, {"detector": {"kind": "declared", "before": 1}}, "before"),
    ],
)
def test_declarations_that_say_nothing(data, asked, words):
    with pytest.raises(BadInput, match=words):
        outcross.detect(pl.DataFrame(data), **({"detector": "declared"} | asked))


def test_another_language_is_named(samples):
    rng = np.random.default_rng(12)
    texts = [*written(rng, 200, HUMAN, (40, 70)), *written(rng, 60, HUMAN, (40, 70), first=5000)]
    detected = outcross.detect(pl.DataFrame({"text": texts}), **frames(samples))
    assert any(
        re.match("Hardly any frequent word of the samples occurs in 6[0-9] texts", warning) for warning in detected.warnings
    )  # 1 in 100 of the samples' own too
    frame = detected.frame()
    assert frame["_p_ai"][200:].null_count() == 60 and frame["_flagged"][200:].null_count() == 60
    assert set(frame["_why"][200:].to_list()) == {"cannot_tell: another language or vocabulary than the samples"}
    assert detected.plain()["cannot_tell"]["another language"] == frame["_p_ai"].null_count()
    assert detected.share.n == frame["_p_ai"].count()
    own = outcross.detect(pl.DataFrame({"text": texts[:200]}), **frames(samples))
    assert not any("hardly any" in warning for warning in own.warnings)


class Texts:
    """Candidates of a filter that have texts, and no origins."""

    def __init__(self, texts):
        self.texts = texts
        self.detectors = {}

    def __len__(self):
        return len(self.texts)


def test_a_mix_weighs_texts_by_a_detector_that_it_calibrates(tmp_path, samples):
    """Half of the candidates are a model's. Of what is drawn most is human, as the detector's errors allow; a file that is not there is named."""
    for name, frame in frames(samples).items():
        frame.write_parquet(tmp_path / f"{name}.parquet")
    rng = np.random.default_rng(13)
    texts = [*written(rng, 100, HUMAN, (40, 70)), *written(rng, 100, MODEL, (40, 70)), "too short"]
    asked = {"human": str(tmp_path / "human.parquet"), "ai": str(tmp_path / "ai.parquet"), "kind": "classifier"}
    selecting = read(FILTERS, {"kind": "importance", "detector": asked}, "filter")
    selection = selecting.select(Texts(texts), np.random.default_rng(0))
    assert selection.times.sum() == round(1.5 * 201)
    assert selection.times[:100].sum() > 0.85 * selection.times.sum()
    assert selection.times.max() <= 3
    assert abs(selection.facts["share"] - 0.5) < 0.12
    assert selection.facts["undecided"] == 1
    assert selection.value[-1] == pytest.approx(selection.facts["share"])
    again = read(FILTERS, plain(selecting), "filter").select(Texts(texts), np.random.default_rng(0))
    assert again.times.tolist() == selection.times.tolist()
    assert asked["human"] in selecting.paths and str(tmp_path) not in str(plain(selecting.without_paths()))
    lacking = read(FILTERS, {"kind": "importance", "detector": asked | {"human": str(tmp_path / "none.parquet")}}, "filter")
    with pytest.raises(BadInput, match=r"none\.parquet"):
        lacking.select(Texts(texts), np.random.default_rng(0))


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("orakle", "must be oracle or a mapping"),
        ({"human": "a.jsonl"}, "ai"),
        ({"human": "a.jsonl", "ai": "b.jsonl", "kind": "clasifier"}, "did you mean 'classifier'"),
    ],
)
def test_a_detector_of_a_filter_that_is_none(asked, words):
    with pytest.raises(BadInput, match=words) as refusal:
        read(FILTERS, {"kind": "importance", "detector": asked}, "filter")
    assert "\n" not in str(refusal.value)


def test_columns_that_link_the_samples_are_named(samples):
    linked = {name: frame.with_columns(document=pl.arange(0, 400)) for name, frame in frames(samples).items()}
    data = pl.DataFrame({"text": written(np.random.default_rng(9), 60, HUMAN)})
    assert any("add --group document" in warning for warning in outcross.detect(data, **linked).warnings)
    assert not any("--group" in warning for warning in outcross.detect(data, **linked, group="document").warnings)


def test_without_texts_of_models_the_page_is_written_too(tmp_path, samples, mixed):
    detected = outcross.detect(mixed, human=frames(samples)["human"])
    assert "lower" in detected.report(tmp_path / "page.html").read_text()
    assert set(detected.frame()["_why"].drop_nulls().to_list()) == {
        "cannot_tell: too short",
        "cannot_tell: no texts of models were given",
    }


def test_a_mix_reads_what_could_not_be_judged_as_the_average(detection, mixed):
    crawled = mixed.hstack(detection.frame().select("_p_ai")).rename({"_p_ai": "q"})
    mixed_rows = outcross.mix(
        pools=[{"name": "crawl", "data": crawled, "origin": "unknown"}], filters=[{"importance": {"column": "q"}}], rows=200
    )
    assert mixed_rows.frame().height == 200


def estimated(value, error, n):
    return Shares(n, Estimate(value, value - 1.96 * error, value + 1.96 * error, "given", n))


def test_slices_that_differ_are_named_with_their_number_counted():
    """Of two the difference is z = .1/√(2 · .03²) = 2.36, p = .018; among ten of which nine agree, Holm asks for p ≤ .005, and the standard error is that of one against nine: z = 3.2, p = .0015."""
    two = [SliceOfData("c", str(place), 100, estimated(share, 0.03, 100)) for place, share in enumerate((0.2, 0.3))]
    assert [part.differs for part in unlike_the_rest(two)] == [True, True]
    ten = [SliceOfData("c", str(place), 100, estimated(0.3 if place else 0.2, 0.03, 100)) for place in range(10)]
    assert [part.differs for part in unlike_the_rest(ten)] == [True] + [False] * 9
    small = [SliceOfData("c", str(place), 100, estimated(0.3 if place else 0.23, 0.03, 100)) for place in range(10)]
    assert not any(part.differs for part in unlike_the_rest(small))  # z = 2.2, p = .027: beyond .05 once ten are counted
    assert not any(part.differs for part in unlike_the_rest([SliceOfData("c", "a", 3, None, "too few"), *two[:1]]))


def test_a_detection_has_figures_and_is_opened(tmp_path, detection, samples):
    """Each with its data; what was drawn is what the page says."""
    assert [figure.name for figure in detection.figures()] == ["log-ratios", "shares"]
    rows = detection.plot("shares").data
    assert rows["share"][0] == detection.share.value and rows.filter(pl.col("subset").str.starts_with("source")).height == len(
        detection.by("source")
    )
    data = detection.plot("log-ratios").data
    assert data.filter(pl.col("texts") == "data")["share"].sum() == pytest.approx(1)
    assert b"<svg" in detection.plot("shares").rendered("svg")
    data = pl.DataFrame({"text": written(np.random.default_rng(3), 60, HUMAN)})
    outcross.detect(data, **frames(samples), out=tmp_path / "found")
    opened = outcross.open(tmp_path / "found")
    assert opened.summary == outcross.show(tmp_path / "found").summary
    assert {path.suffix for path in outcross.report(tmp_path / "found", figures=tmp_path / "figures").saved} == {".svg", ".csv"}


def test_a_sample_without_the_column_of_the_data_is_searched_for_its_own(samples):
    data = pl.DataFrame({"body": written(np.random.default_rng(3), 60, HUMAN), "other": ["a b c"] * 60})
    assert len(outcross.detect(data, **frames(samples), text_column="body")) == 60
    with pytest.raises(BadInput, match="data has no column 'bodi'"):
        outcross.detect(data, **frames(samples), text_column="bodi")


def test_declared_shares_have_slices_and_weights():
    data = declared(["plain words"] * 6, _origin=["human", "model", None] * 2, source=["web"] * 3 + ["blog"] * 2 + [None])
    detected = outcross.detect(data, detector="declared", by="source", weight="odds", most_weight=5.0)
    assert {value: (share.value, share.low, share.high) for value, share in detected.by("source").items()} == {
        "web": (0.5, pytest.approx(1 / 3), pytest.approx(2 / 3)),
        "blog": (0.5, 0.5, 0.5),
        "missing": (0.0, 0.0, 1.0),
    }
    assert detected.frame()["_weight"].to_list() == [5.0, 0.0, None] * 2
    assert "share that the data declare as a model's, by slice:" in "\n".join(detected.lines())
    known = outcross.detect(declared(["a", "b"], _origin=["human", "model"]), detector="declared")
    assert "The share that models wrote is 50.0 %, because every text has a declared author." in known.lines()
    with pytest.raises(BadInput, match="did you mean 'source'"):
        outcross.detect(data, detector="declared", by="sauce")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"ai": ["a b c"] * 3}, "leave --ai out"),
        ({"edited": ["a b c"] * 3}, "leave --edited out"),
        ({"group": "text"}, "--group has no effect on --detector declared"),
        ({"kinds": ("text=category",)}, "--kinds has no effect on --detector declared"),
    ],
)
def test_options_without_effect_on_declarations_are_refused(asked, words):
    with pytest.raises(BadInput, match=words):
        outcross.detect(declared(["a"], _origin=["human"]), detector="declared", **asked)


def test_texts_of_one_document_count_as_one_without_texts_of_models(samples):
    """Half of the data are by a model, but all by one author: a single independent text cannot show a share."""
    texts = [*samples["human"][:200], *written(np.random.default_rng(21), 200, MODEL)]
    data = pl.DataFrame({"text": texts, "author": [str(row) for row in range(200)] + ["bot"] * 200})
    human = pl.DataFrame({"text": samples["human"][200:], "author": [f"h{row}" for row in range(200)]})
    apart, together = (outcross.detect(data, human=human, group=group).share for group in (None, "author"))
    assert apart.low > 0.1 > together.low
    with pytest.raises(BadInput, match="no sample has a column 'autor'; did you mean 'author'"):
        outcross.detect(data, human=human, group="autor")


def test_data_that_are_in_a_sample_are_judged_by_detectors_that_did_not_see_them(samples):
    """The human sample itself is not unlike people, and its texts beside as many by the model are half of the data."""
    alone = outcross.detect(pl.DataFrame({"text": samples["human"]}), **frames(samples))
    assert alone.in_distribution is True and alone.share.low == 0.0 and alone.share.value < 0.03
    assert any("have 400 texts that a sample also has" in warning for warning in alone.warnings)
    both = outcross.detect(pl.DataFrame({"text": [*samples["human"], *samples["ai"]]}), **frames(samples))
    assert both.in_distribution is True and abs(both.share.value - 0.5) < 0.03


def test_texts_of_two_authors_are_counted(samples, mixed):
    ai = pl.DataFrame({"text": [*samples["ai"], *samples["human"][:7]]})
    detected = outcross.detect(mixed, human=frames(samples)["human"], ai=ai)
    assert any("The human sample has 7 texts that the sample of models also has" in warning for warning in detected.warnings)


def test_many_columns_that_tell_the_author_take_few_sentences(samples, mixed):
    columns = {f"c{number}": number for number in range(40)}
    human = frames(samples)["human"].with_columns(pl.lit(f"h{value}").alias(name) for name, value in columns.items())
    ai = frames(samples)["ai"].with_columns(pl.lit(f"m{value}").alias(name) for name, value in columns.items())
    warnings = outcross.detect(mixed, human=human, ai=ai).warnings
    assert sum("reveals the author perfectly" in warning for warning in warnings) == 10
    assert "The same holds for 30 more columns." in warnings


def test_a_column_is_a_slice_once(samples, mixed):
    once, twice = (outcross.detect(mixed, **frames(samples), by=by) for by in ("source", "source,source"))
    assert once.plain() == twice.plain()


def test_tiny_weights_have_an_effective_size(samples, mixed):
    detected = outcross.detect(mixed, **frames(samples), weight="odds", most_weight=1e-300)
    assert detected.weights["effective_sample_size"] == pytest.approx(600, abs=0.01)


@pytest.mark.parametrize("form", ["parquet", "jsonl"])
def test_a_file_without_the_column_of_text_is_named_and_its_rows_count(tmp_path, samples, mixed, form):
    folder = tmp_path / "data"
    folder.mkdir()
    for name, part in (("a", mixed[:400]), ("b", mixed[400:].drop("text"))):
        part.write_parquet(folder / f"{name}.parquet") if form == "parquet" else part.write_ndjson(folder / f"{name}.jsonl")
    detected = outcross.detect(folder, **frames(samples))
    assert len(detected) == 601
    assert (detected.states == 1).sum() == 201
    assert any("has no column 'text': missing there" in warning for warning in detected.warnings)


def test_a_missing_column_of_the_data_is_named_before_the_fit(samples, mixed):
    """The samples are too small, which only the calibration says."""
    few = {name: pl.DataFrame({"text": texts[:20]}) for name, texts in samples.items()}
    with pytest.raises(BadInput, match="did you mean 'source'"):
        outcross.detect(mixed, **few, by="sauce")
    with pytest.raises(BadInput, match="no column 'txt'"):
        outcross.detect(mixed, **few, text_column="txt")


def test_a_page_without_an_adjusted_count_is_written(detection):
    page = detection_page(replace(detection, adjusted=None)).decode()
    assert "This count is biased" in page and "Adjusted for both" not in page


def test_declarations_are_said_in_sentences():
    data = pl.DataFrame({"text": ["a"] * 4, "_origin": ["human", "human", "model", "unknown"]})
    assert outcross.detect(data, detector="declared").summary == (
        "Of 4 texts the data declare 2 written by people, 1 written by a model and 1 of unknown authors."
    )


def test_samples_that_cannot_be_told_apart_have_no_adjusted_count(samples):
    """Where a detector finds no more texts of models than it raises false alarms, the count cannot be adjusted, and nothing stops."""
    texts = samples["human"]
    authors = [sample_of_texts(author, some) for author, some in (("human", texts[:200]), ("model", texts[200:]))]
    calibrated = calibration(ClassifierDetector(), authors, None, 0)
    data = judged_data(asked_texts(pl.DataFrame({"text": texts}), "text"), calibrated, 0.01)
    human, model = (float((own > 0).mean()) for own in calibrated.ratios[0][:2])
    naive, adjusted = counted(calibrated, data)
    assert 0 <= naive <= 1 and (adjusted is None) == (model <= human)


def test_data_without_a_text_are_refused_also_without_a_sample_of_models(samples):
    with pytest.raises(BadInput, match="no row"):
        outcross.detect(pl.DataFrame({"text": []}, schema={"text": pl.String}), human=frames(samples)["human"])
