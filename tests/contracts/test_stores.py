"""Promises of a store: read lazily, whole to the bit or refused in one line, and of the columns of provenance beside the user's own."""

import json
import os

import numpy as np
import polars
import pytest

from outcross.data import HUMAN, Made, Part
from outcross.data.framed import PROVENANCE, entity_series, table_rows
from outcross.data.records import Vectors, blocks, load_records
from outcross.data.store import MANIFEST, Store, StoreWriter
from outcross.errors import BadInput

FRAME = polars.DataFrame({"age": np.arange(20) + 0.5, "sex": ["f", "m"] * 10, "_id": [f"row {i}" for i in range(20)]})


def written(folder, records=None, shard=7):
    records = table_rows(FRAME, target="sex") if records is None else records
    with StoreWriter(folder) as writer:
        for start in range(0, len(records), shard):
            writer.write(records.take(np.arange(start, min(len(records), start + shard))))
    return Store.open(folder)


def test_a_store_holds_what_was_written_in_shards_and_a_manifest(tmp_path):
    store = written(tmp_path / "s")
    assert sorted(path.name for path in (tmp_path / "s").iterdir()) == [MANIFEST, *(f"shard-0000{i}.parquet" for i in range(3))]
    assert (len(store), [shard.rows for shard in store.shards], store.kind) == (20, [7, 7, 6], "rows")
    assert store.take(None).digest == table_rows(FRAME, target="sex").digest


def test_equal_stores_are_equal_to_the_byte(tmp_path):
    first, second = (written(tmp_path / name) for name in ("one", "other"))
    assert first.digest == second.digest != written(tmp_path / "third", shard=5).digest
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "other" / path.name).read_bytes()


def test_a_store_is_opened_without_its_shards_and_reads_only_those_that_are_asked_for(tmp_path):
    written(tmp_path / "s")
    for name in ("shard-00000.parquet", "shard-00002.parquet"):  # of the same size, so that only their digest can tell
        path = tmp_path / "s" / name
        path.write_bytes(bytes(path.stat().st_size))
    store = Store.open(tmp_path / "s")
    assert store.take(np.array([13, 7, 7])).column("_id").tolist() == ["row 13", "row 7", "row 7"]
    with pytest.raises(BadInput, match=r"shard-00000.parquet is damaged: its digest differs from that in manifest.json"):
        store.take(np.array([13, 0]))


def test_a_query_runs_over_all_shards_without_their_rows_in_memory(tmp_path):
    scanned = written(tmp_path / "s").scan()
    assert isinstance(scanned, polars.LazyFrame)
    assert scanned.group_by("sex").agg(polars.col("age").mean()).sort("sex").collect().rows() == [("f", 9.5), ("m", 10.5)]


def test_batches_are_the_shards_in_order(tmp_path):
    assert [batch.column("_id")[0] for batch in written(tmp_path / "s").batches()] == ["row 0", "row 7", "row 14"]


def test_one_flipped_bit_of_a_shard_is_refused_whichever_it_is(tmp_path):
    written(tmp_path / "s")
    path = tmp_path / "s" / "shard-00001.parquet"
    content = path.read_bytes()
    for bit in np.random.default_rng(0).choice(8 * len(content), 60, replace=False).tolist():
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        for read in (lambda store: store.take(None), lambda store: store.scan().collect(), lambda store: list(store.batches())):
            with pytest.raises(BadInput, match="is damaged") as refusal:
                read(Store.open(tmp_path / "s"))
            assert "\n" not in str(refusal.value)


def test_a_flipped_bit_of_the_manifest_is_refused_or_changes_nothing(tmp_path):
    store = written(tmp_path / "s")
    path = tmp_path / "s" / MANIFEST
    content = path.read_bytes()
    for bit in np.random.default_rng(1).choice(8 * len(content), 400, replace=False).tolist():
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        try:
            again = Store.open(tmp_path / "s")
        except BadInput as refusal:
            assert "\n" not in str(refusal)
        else:  # a flip in white space between the values
            assert (again.digest, again.shards, again.described) == (store.digest, store.shards, store.described)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: (folder / "shard-00001.parquet").unlink(), "shard-00001.parquet is missing"),
        (lambda folder: os.truncate(folder / "shard-00001.parquet", 99), "does not have .* bytes"),
        (lambda folder: (folder / MANIFEST).unlink(), "it has no manifest.json"),
        (lambda folder: (folder / MANIFEST).write_text("[" * 9999), "is damaged"),
        (lambda folder: (folder / MANIFEST).write_text(json.dumps({"sha256": 3})), "is damaged"),
    ],
)
def test_a_damaged_store_is_refused_as_it_is_opened(damage, said, tmp_path):
    written(tmp_path / "s")
    damage(tmp_path / "s")
    with pytest.raises(BadInput, match=said):
        Store.open(tmp_path / "s")


def test_a_store_that_was_not_finished_is_no_store(tmp_path):
    with pytest.raises(ZeroDivisionError), StoreWriter(tmp_path / "s") as writer:
        writer.write(table_rows(FRAME))
        _ = 1 / 0
    with pytest.raises(BadInput, match="is not a store"):
        Store.open(tmp_path / "s")
    with pytest.raises(BadInput, match="is not empty"):
        StoreWriter(tmp_path / "s")


def test_what_cannot_be_joined_is_no_shard_of_one_store(tmp_path):
    with StoreWriter(tmp_path / "s") as writer:
        writer.write(table_rows(FRAME))
        with pytest.raises(BadInput, match="rows that differ in age, kinds cannot be joined"):
            writer.write(table_rows(FRAME.drop("age")))
        with pytest.raises(BadInput, match="can contain text, rows, series, got vectors"):
            writer.write(Vectors(np.zeros((3, 1))))
        with pytest.raises(BadInput, match="a store of rows cannot take text"):
            writer.write(blocks(np.zeros((1, 2), np.int32), ["a"], np.ones(1)))
    assert len(Store.open(tmp_path / "s")) == 20


def test_a_store_is_written_anew_and_known_by_its_manifest(tmp_path):
    store = written(tmp_path / "s")
    (tmp_path / "copy").mkdir()
    store.save(tmp_path / "copy")
    again = load_records(tmp_path / "copy")
    assert isinstance(again, Store) and again.digest == store.digest


def test_a_part_refers_to_rows_of_a_store(tmp_path):
    store = written(tmp_path / "s")
    part = Part(HUMAN, Made(store.digest, len(store), lambda: store), len(store)).take(np.array([19, 0, 7]))
    assert part.take(np.array([2, 0])).records.column("_id").tolist() == ["row 7", "row 19"]


def test_rows_out_of_range_are_refused(tmp_path):
    with pytest.raises(BadInput, match="must be from 0 to 19, got 20"):
        written(tmp_path / "s").take(np.array([20]))


# Rows of a table, and series.


def test_a_table_has_typed_columns_a_target_and_its_provenance_beside_the_users_own():
    records = table_rows(FRAME.with_columns(_generation=polars.lit(3)), target="sex")
    assert records.columns == ["age", "sex"] and records.kinds == {"age": "number", "sex": "category"} and records.target == "sex"
    assert records.frame.columns == ["age", "sex", *PROVENANCE]
    assert records.frame["_generation"].to_list() == [3] * 20 and records.frame["_weight"].null_count() == 20
    assert records.take(np.array([5, 5])).column("_id").tolist() == ["row 5", "row 5"]


@pytest.mark.parametrize(
    ("frame", "settings", "said"),
    [
        (FRAME, {"target": "sexx"}, "the target 'sexx' is not a column; did you mean 'sex'"),
        (FRAME, {"kinds": {"ages": "number"}}, "there is no column 'ages'; did you mean 'age'"),
        (FRAME, {"kinds": {"age": "colour"}}, "must be one of number, category"),
        (FRAME.rename({"age": "_age"}), {}, "column '_age' starts with _, which is reserved for provenance"),
        (FRAME.with_columns(_generation=polars.lit("first")), {}, "column '_generation' must be Int32, got String"),
        (FRAME.select("_id"), {}, "no column has a value"),
    ],
)
def test_a_table_that_cannot_be_typed_is_refused(frame, settings, said):
    with pytest.raises(BadInput, match=said):
        table_rows(frame, **settings)


def test_series_stand_by_entity_and_come_back_as_they_were():
    long = polars.DataFrame({"who": ["b", "a", "b", "b", "a"], "day": [2, 1, 1, 3, 0], "heat": [2.0, 5.0, 1.0, None, 4.0]})
    records = entity_series(long, "who", "day")
    assert len(records) == 2 and records.column("who").tolist() == ["b", "a"]
    assert records.frame["heat"].to_list() == [[1.0, 2.0, None], [4.0, 5.0]]
    assert records.long().rows() == [("b", 1, 1.0), ("b", 2, 2.0), ("b", 3, None), ("a", 0, 4.0), ("a", 1, 5.0)]
    assert records.take(np.array([1])).long().rows() == [("a", 0, 4.0), ("a", 1, 5.0)]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"entity": "whom"}, "there is no column 'whom'; did you mean 'who'"),
        ({"entity": "who", "time": "days"}, "there is no column 'days'"),
    ],
)
def test_series_without_their_columns_are_refused(settings, said):
    with pytest.raises(BadInput, match=said):
        entity_series(polars.DataFrame({"who": ["a"], "day": [1], "heat": [1.0]}), **settings)


def test_blind_rows_have_the_users_own_columns_in_an_order_of_their_content():
    first, second = (
        table_rows(FRAME.with_columns(_source=polars.lit(word))[order])
        for word, order in (("human", slice(None)), ("model", slice(None, None, -1)))
    )
    assert first.blinded().digest == second.blinded().digest
    assert all(first.blinded().frame[name].null_count() == 20 for name in PROVENANCE)
