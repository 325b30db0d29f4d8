"""The verb detect on tables, series and images, whose authors are known by construction."""

import json

import numpy as np
import polars as pl
import pytest
from conftest import outcross as command

import outcross
from outcross.detectors.records import points_reader, points_reader_of, typed
from outcross.errors import BadInput

JOBS = ["clerk", "nurse", "baker", "driver"]


def people(n, seed, lost=0.0):
    """A table of four columns; where something is lost, pay follows age less and spreads less, and fewer hours are 0."""
    rng = np.random.default_rng(seed)
    age = rng.gamma(4 + lost, 9, n)
    pay = np.exp(rng.normal(10 + 0.01 * age * (1 - lost), 0.4 - 0.15 * lost, n))
    hours = np.where(rng.random(n) < 0.3 - 0.15 * lost, 0.0, rng.normal(38, 6, n))
    return pl.DataFrame({"age": age.round(1), "job": rng.choice(JOBS, n), "pay": pay.round(2), "hours": hours.round(1)})


def courses(n, seed, memory):
    """Series of 40 values, each going on from the last by so much, with the same variance."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, 40))
    for at in range(1, 40):
        values[:, at] = memory * values[:, at - 1] + np.sqrt(1 - memory**2) * values[:, at]
    return values


def pictures(n, seed, noise):
    """Bars of eight by eight points, with so much noise."""
    rng = np.random.default_rng(seed)
    place = rng.integers(1, 7, n)
    bars = np.exp(-((np.arange(8) - place[:, None]) ** 2))
    return 8 * bars[:, None, :] * np.ones((1, 8, 1)) + rng.normal(0, noise, (n, 8, 8))


HUMAN, MODEL = 0.0, 1.0


@pytest.fixture(scope="module")
def samples():
    return {"human": people(500, 0, HUMAN), "ai": people(500, 1, MODEL)}


@pytest.fixture(scope="module")
def mixed():
    """A quarter of 480 records by the model, all of them in one of two towns."""
    return pl.concat([people(360, 2, HUMAN), people(120, 3, MODEL)]).with_columns(town=pl.Series(["a"] * 240 + ["b"] * 240))


@pytest.fixture(scope="module")
def detection(samples, mixed):
    return outcross.detect(mixed, **samples, by="town", fpr=0.05)


def test_the_share_of_a_table_has_an_interval_that_holds_it(detection):
    assert detection.share.low <= 0.25 <= detection.share.high
    assert detection.share.high - detection.share.low < 0.25
    assert detection.in_distribution is True and detection.unit == "records"
    shares = detection.by("town")
    assert shares["a"].low <= 0.0 and shares["b"].low <= 0.5 <= shares["b"].high
    assert "of the 480 records" in detection.summary


def test_a_row_a_record_and_weights(detection, mixed):
    frame = detection.frame()
    assert frame.height == mixed.height and frame["_p_ai"].null_count() == 0
    assert frame["_p_ai"][360:].mean() > frame["_p_ai"][:360].mean() + 0.2
    assert frame["_p_ai"].mean() == pytest.approx(detection.share.value, abs=0.06)
    assert frame["_weight"].to_numpy() == pytest.approx((1 - frame["_p_ai"].to_numpy()) ** 10)


def test_false_alarms_keep_the_rate_in_tables(samples):
    """Of 1,500 fresh human records the flagged share is inside the stated range of the realised rate, binomial scatter added."""
    detection = outcross.detect(people(1500, 4, HUMAN), **samples, fpr=0.05)
    (rate,) = detection.flags.lengths.values()
    scatter = 2 * np.sqrt(0.05 * 0.95 / 1500)
    assert rate.low - scatter <= detection.flags.flagged / detection.flags.judged <= rate.high + scatter


def test_series_and_images():
    """Columns of lists, long tables of entities, and arrays of images."""

    def lists(*parts):
        return pl.DataFrame({"course": np.concatenate(parts).tolist()})

    data = [courses(210, 2, 0.7), courses(90, 3, 0.2)]
    samples = [courses(300, 0, 0.7), courses(300, 1, 0.2)]
    detection = outcross.detect(lists(*data), human=lists(samples[0]), ai=lists(samples[1]))
    assert detection.share.low <= 0.3 <= detection.share.high and detection.in_distribution is True

    def long(*parts):
        values = np.concatenate(parts)
        return pl.DataFrame(
            {"who": np.repeat(np.arange(len(values)), 40), "day": np.tile(np.arange(40), len(values)), "value": values.ravel()}
        )

    of_entities = outcross.detect(long(*data), human=long(samples[0]), ai=long(samples[1]), entity="who", time="day")
    assert len(of_entities) == 300 and of_entities.share.low <= 0.3 <= of_entities.share.high
    assert of_entities.frame()["_p_ai"][210:].mean() > of_entities.frame()["_p_ai"][:210].mean() + 0.5
    images = np.concatenate([pictures(200, 5, 1.0), pictures(100, 6, 0.7)])
    detection = outcross.detect(images, human=pictures(300, 7, 1.0), ai=pictures(300, 8, 0.7))
    assert detection.share.low <= 1 / 3 <= detection.share.high and detection.area.value > 0.8


def test_another_kind_of_record_gives_a_lower_limit_alone(samples):
    other = people(300, 5, HUMAN).with_columns(pl.col("age") + 60, hours=pl.lit(80.0) + pl.col("pay") * 0)
    detection = outcross.detect(other, **samples)
    assert detection.in_distribution is False and detection.shares is None and detection.share.high == 1.0


def test_without_records_of_models_there_is_a_lower_limit_alone(samples):
    data = pl.concat([people(300, 6, HUMAN), people(300, 7, MODEL).with_columns(pl.col("pay") / 50)])
    detection = outcross.detect(data, human=samples["human"])
    assert 0.1 < detection.share.low <= 0.5 and detection.share.high == 1.0
    assert set(detection.frame()["_why"].to_list()) == {"cannot_tell: no records of models were given"}


def test_the_order_of_records_changes_nothing(detection, samples, mixed):
    turned = outcross.detect(mixed.reverse(), **samples, by="town", fpr=0.05)
    assert turned.frame()["_p_ai"].reverse().to_numpy() == pytest.approx(detection.frame()["_p_ai"].to_numpy(), rel=1e-6, abs=1e-9)
    assert turned.share.value == pytest.approx(detection.share.value, abs=1e-9)


def test_columns_that_tell_the_author_are_named_and_not_read(samples, mixed):
    marked = {
        name: frame.with_columns(file=pl.lit(name), saved_at=pl.Series(np.arange(500.0) + 0.5 + 1e6 * (name == "ai")))
        for name, frame in samples.items()
    }
    data = mixed.with_columns(file=pl.lit("human"), saved_at=pl.Series(np.arange(480.0) + 0.5))
    detection = outcross.detect(data, **marked)
    warned = [warning for warning in detection.warnings if "perfectly" in warning]
    assert ["'file'" in warned[0], "'saved_at'" in warned[1]] == [True, True]
    assert detection.share.low <= 0.25 <= detection.share.high


def test_a_detector_of_records_reads_back_what_it_knew():
    frame = people(60, 0).with_columns(
        course=pl.Series(courses(60, 0, 0.5).tolist()), image=pl.Series(pictures(60, 0, 1.0).reshape(60, 64).astype(np.float32), dtype=pl.Array(pl.Float32, 64))
    )  # fmt: skip
    reader = points_reader(typed(frame))
    again = points_reader_of(reader.arrays())
    assert np.array_equal(reader(typed(frame[:7])), again(typed(frame[:7])))
    assert np.isfinite(reader(typed(frame.clear()))).all()


def test_a_folder_of_records_is_written_and_opened(tmp_path, samples, mixed):
    for name, frame in {**samples, "data": mixed}.items():
        frame.write_parquet(tmp_path / f"{name}.parquet")
    asked = ["detect", tmp_path / "data.parquet", "--human", tmp_path / "human.parquet", "--ai", tmp_path / "ai.parquet"]
    ran = command(*asked, "--add-columns", "--out", tmp_path / "out")
    assert ran.returncode == 0, ran.stderr
    assert "records" in ran.stdout and "texts" not in ran.stdout
    assert pl.read_parquet(tmp_path / "out/records.parquet").columns == [*mixed.columns, "_p_ai", "_weight", "_flagged", "_why"]
    assert outcross.show(tmp_path / "out").plain() == json.loads((tmp_path / "out/detection.json").read_text())
    page = outcross.report(tmp_path / "out", out=tmp_path / "again.html").path
    assert page.read_bytes() == (tmp_path / "out/report.html").read_bytes()
    assert "texts" not in page.read_text().partition("<main")[2]


BAD = [
    ({"text_column": "job"}, "--text-column|text of at least 10 words"),
    ({"detector": "two_sample", "text_column": "job"}, "reads records"),
    ({"detector": "ngram"}, "any of the columns|no column holds text|text of at least 10 words"),
    ({"human": pl.DataFrame({"text": ["a b c d e f g h i j"] * 60})}, "no column"),
    ({"human": people(40, 0)}, "40 independent records"),
    ({"kinds": ["age=nummer"]}, "kind of 'age' must be"),
    ({"ignore": "agee"}, "did you mean 'age'"),
    ({"ignore": "age,job,pay,hours"}, "no column"),
    ({"entity": "job"}, "4 independent records"),
    ({"by": "twon"}, "did you mean 'town'"),
    ({"group": "house"}, "no sample has a column 'house'"),
    ({"workers": 0}, "--workers must be at least 1"),
    ({"ray": "local"}, "the data are in memory"),
    ({"entity": "job", "add_columns": True, "out": "out"}, "a record is several rows"),
]


@pytest.mark.parametrize(("changed", "words"), BAD, ids=[str(number) for number in range(len(BAD))])
def test_bad_input_about_records_is_one_line(samples, mixed, changed, words):
    with pytest.raises(BadInput, match=words) as refusal:
        outcross.detect(mixed, **(samples | changed))
    assert "\n" not in str(refusal.value)


def test_options_of_tables_are_refused_for_texts():
    texts = pl.DataFrame({"text": ["one two three four five six seven eight nine ten"] * 60})
    with pytest.raises(BadInput, match="--ignore applies to columns of tables"):
        outcross.detect(texts, human=texts, ai=texts, text_column="text", ignore="a")
    with pytest.raises(BadInput, match="no column of --human has one of the kinds"):
        outcross.detect(texts, human=texts, ai=texts, kinds=["text=text"])


def test_several_processes_give_the_bytes_of_one(tmp_path, samples, mixed):
    """Files of records are judged by two processes; how many there are changes no byte."""
    (tmp_path / "data").mkdir()
    for number, part in enumerate(mixed.iter_slices(160)):
        part.write_parquet(tmp_path / "data" / f"{number}.parquet")
    asked = {"by": "town", "fpr": 0.05, "seed": 1} | samples
    outcross.detect(str(tmp_path / "data"), **asked, out=tmp_path / "one")
    outcross.detect(str(tmp_path / "data"), **asked, out=tmp_path / "two", workers=2)
    for name in ("detection.json", "records.parquet", "report.html"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


def test_a_function_that_no_other_process_can_have_is_refused(tmp_path):
    texts = [" ".join(f"w{word}" for word in row) for row in np.random.default_rng(0).integers(0, 300, (120, 20)).tolist()]
    for number in range(2):
        pl.DataFrame({"text": texts[60 * number :][:60]}).write_parquet(tmp_path / f"{number}.parquet")
    sample = pl.DataFrame({"text": texts})
    with pytest.raises(BadInput, match="cannot be sent to another process"):
        outcross.detect(
            str(tmp_path / "*.parquet"), human=sample, ai=sample, detector=lambda given: [len(text) for text in given], workers=2
        )
