"""Promises of every kind of record, and of the parts that refer to them.

A selection of rows is one array for all chains, (n,), or a choice for every chain, (chains…, n). What is taken is compared with
the same selection of a plain list of what each chain holds. Counts have no rows: a reference to some of them has a type of its own.
"""

import math
import tempfile
from collections import Counter
from itertools import chain
from pathlib import Path

import numpy as np
import polars
import pytest

import outcross
from outcross.data import HUMAN, Made, Part, Pool, Training, part_of
from outcross.data.framed import entity_series, table_rows
from outcross.data.labelled import LabelledPoints
from outcross.data.records import Counts, Moments, Subcounts, Vectors, blocks, load_records
from outcross.data.store import Store, StoreWriter
from outcross.errors import BadInput

ROWS = 12


class Points:
    """Points of two numbers."""

    width = 2

    @classmethod
    def generate(cls, n, chains, seed=0):
        return Vectors(np.random.default_rng(seed).random((*chains, n, cls.width)))

    @staticmethod
    def listed(records):
        """What each chain holds, a list of records a chain."""
        array = records.array
        return [[tuple(row) for row in own] for own in array.reshape(math.prod(array.shape[:-2]), *array.shape[-2:]).tolist()]


class RegressionRows(Points):
    """Rows (x, y), the label last."""

    width = 6


class Joined(Points):
    """Points that were joined and are not yet in one array."""

    @classmethod
    def generate(cls, n, chains, seed=0):
        return Vectors.concat([Points.generate(n // 2, chains, seed), Points.generate(n - n // 2, chains, seed + 100)])


class States:
    """Counts of five states, one of which never occurs."""

    @classmethod
    def generate(cls, n, chains, seed=0):
        return Counts(np.random.default_rng(seed).multinomial(n, [0.4, 0.3, 0.0, 0.2, 0.1], size=chains or None))

    @staticmethod
    def listed(records):
        array = records.array.reshape(-1, records.array.shape[-1])
        return [np.repeat(np.arange(array.shape[-1]), counts).tolist() for counts in array]


class Text:
    """Blocks of four tokens."""

    @classmethod
    def generate(cls, n, chains, seed=0):
        tokens = np.random.default_rng(seed).integers(0, 1000, size=(n, 4)).astype(np.int32)
        return blocks(tokens, [" ".join(map(str, row)) for row in tokens], np.full(n, 12), document=np.arange(n) // 2)

    @staticmethod
    def listed(records):
        return [list(map(str, records.frame.rows()))]


class PointsWithLabels:
    """Points with a class and a group."""

    @classmethod
    def generate(cls, n, chains, seed=0):
        rng = np.random.default_rng(seed)
        return LabelledPoints(
            rng.random((n, 3)), rng.integers(0, 2, n), rng.integers(0, 3, n), ("no", "yes"), ("a", "b", "c"), ("x", "y", "z")
        )

    @staticmethod
    def listed(records):
        return [list(map(str, records.frame.rows()))]


class TableOfPeople:
    """Rows of a table with a column of every kind, of which some are copies of others but for their provenance."""

    @classmethod
    def frame(cls, n, seed):
        rng = np.random.default_rng(seed)
        return polars.DataFrame(
            {
                "age": rng.integers(18, 80, n) + rng.random(n),
                "sex": rng.choice(["f", "m"], n),
                "note": [" ".join(rng.choice(["a", "long", "word"], 6)) for _ in range(n)],
                "face": rng.random((n, 3)).tolist(),
                "pulse": [rng.random(1 + i % 3).tolist() for i in range(n)],
                "_id": [f"{seed} {i}" for i in range(n)],
                "_parents": [["x", "y"][: i % 3] for i in range(n)],
            }
        )

    @classmethod
    def generate(cls, n, chains, seed=0):
        kinds = {"age": "number", "sex": "category", "note": "text", "face": "vector", "pulse": "series"}
        return table_rows(cls.frame(n, seed), kinds, target="sex")

    @staticmethod
    def listed(records):
        return [list(map(str, records.take(None).frame.rows()))]


class SeriesOfEntities(TableOfPeople):
    """Two variables of each entity, in one to four days."""

    @classmethod
    def generate(cls, n, chains, seed=0):
        rng = np.random.default_rng(seed)
        entity = np.repeat(np.arange(n), 1 + np.arange(n) % 4)
        frame = polars.DataFrame(
            {"who": [f"{seed} {i}" for i in entity], "heat": rng.random(entity.size), "rain": rng.random(entity.size)}
        )
        return entity_series(frame.with_columns(polars.int_range(polars.len()).over("who").alias("day")), "who", "day")


class Stored(TableOfPeople):
    """The same rows in a store of shards of three rows and less."""

    @classmethod
    def generate(cls, n, chains, seed=0):
        folder, records = Path(tempfile.mkdtemp(dir=cls.folder)), super().generate(n, chains, seed)
        with StoreWriter(folder) as writer:
            for start in range(0, n, 3):
                writer.write(records.take(np.arange(start, min(n, start + 3))))
        return Store.open(folder)


@pytest.fixture(autouse=True, scope="module")
def _stores(tmp_path_factory):
    Stored.folder = tmp_path_factory.mktemp("stores")


KINDS = {"points": Points, "regression rows": RegressionRows, "joined points": Joined, "counts": States, "text": Text}
KINDS |= {"labelled points": PointsWithLabels}
KINDS |= {"rows of a table": TableOfPeople, "series by entity": SeriesOfEntities, "stored rows": Stored}
WITHOUT_CHAINS = ("text", "labelled points", "rows of a table", "series by entity", "stored rows")
CHAINS = {"one chain": (), "five chains": (5,), "two times three chains": (2, 3)}
CASES = [(kind, chains) for kind in KINDS for chains in CHAINS if kind not in WITHOUT_CHAINS or not CHAINS[chains]]
ROW_CASES = [(kind, chains) for kind, chains in CASES if kind != "counts"]
"""Kinds whose records stand in rows."""
SELECTIONS = {
    "some": [3, 0, 7],
    "all in another order": list(range(ROWS))[::-1],
    "repeated": [4, 4, 4, 1],
    "one": [5],
    "none": [],
}


def shared(selection):
    return np.array(SELECTIONS[selection], dtype=np.int64)


def of_each(chains, n, below, seed=0):
    """Rows of every chain, its own, (chains…, n)."""
    return np.random.default_rng(seed).integers(0, below, size=(*CHAINS[chains], n))


def chosen(lists, rows):
    """The same selection of plain lists: shared rows, or a row of rows for every chain."""
    each = np.broadcast_to(rows, (len(lists), rows.shape[-1])) if rows.ndim == 1 else rows.reshape(len(lists), rows.shape[-1])
    return [[records[i] for i in own] for records, own in zip(lists, each.tolist(), strict=True)]


def listed_reference(rows):
    return (rows.array if isinstance(rows, Subcounts) else rows).tolist()


def part_with(kind, chains, seed=0):
    """A whole part of a step that made these records."""
    records = KINDS[kind].generate(ROWS, CHAINS[chains], seed)
    return Part(HUMAN, Made(f"{kind} {seed}", ROWS, lambda: records), ROWS)


# Records.


@pytest.mark.parametrize("selection", SELECTIONS)
@pytest.mark.parametrize(("kind", "chains"), ROW_CASES)
def test_shared_rows_are_taken_of_every_chain(kind, chains, selection):
    records, listed = KINDS[kind].generate(ROWS, CHAINS[chains]), KINDS[kind].listed
    taken = records.take(shared(selection))
    assert len(taken) == len(SELECTIONS[selection]) and taken.kind == records.kind
    assert listed(taken) == chosen(listed(records), shared(selection))


@pytest.mark.parametrize("n", [0, 1, 7, 30])
@pytest.mark.parametrize(("kind", "chains"), [(kind, chains) for kind, chains in ROW_CASES if CHAINS[chains]])
def test_rows_of_each_chain_are_taken_of_that_chain(kind, chains, n):
    records, listed = KINDS[kind].generate(ROWS, CHAINS[chains]), KINDS[kind].listed
    rows = of_each(chains, n, ROWS)
    taken = records.take(rows)
    assert len(taken) == n and listed(taken) == chosen(listed(records), rows)


@pytest.mark.parametrize(("kind", "chains"), CASES)
def test_all_records_are_taken_where_no_rows_are_named(kind, chains):
    records = KINDS[kind].generate(ROWS, CHAINS[chains])
    assert KINDS[kind].listed(records.take(None)) == KINDS[kind].listed(records)


@pytest.mark.parametrize("n", [0, 1, 7, ROWS])
@pytest.mark.parametrize(("kind", "chains"), CASES)
def test_some_records_are_drawn_without_replacement_in_every_chain(kind, chains, n):
    records, listed = KINDS[kind].generate(ROWS, CHAINS[chains]), KINDS[kind].listed
    taken = records.take(records.some(n, np.random.default_rng(1)))
    assert len(taken) == n and taken.kind == records.kind
    for own, every in zip(listed(taken), listed(records), strict=True):
        assert len(own) == n and Counter(own) <= Counter(every)


@pytest.mark.parametrize(("kind", "chains"), CASES)
def test_a_choice_depends_on_the_stream_alone(kind, chains):
    records = KINDS[kind].generate(ROWS, CHAINS[chains])
    first, again = (records.some(5, np.random.default_rng(2)) for _ in range(2))
    assert type(first) is type(again) is (Subcounts if kind == "counts" else np.ndarray)
    assert listed_reference(first) == listed_reference(again)


@pytest.mark.parametrize(("kind", "chains"), CASES)
def test_records_that_are_joined_hold_what_each_holds(kind, chains):
    listed = KINDS[kind].listed
    many = [KINDS[kind].generate(n, CHAINS[chains], seed) for seed, n in enumerate((4, 1, 6))]
    whole = type(many[0]).concat(many)
    assert len(whole) == 11
    expected = [list(chain.from_iterable(own)) for own in zip(*map(listed, many), strict=True)]
    assert listed(whole) == ([sorted(own) for own in expected] if kind == "counts" else expected)


@pytest.mark.parametrize(("kind", "chains"), CASES)
def test_records_that_are_joined_with_none_stay_as_they_are(kind, chains):
    listed = KINDS[kind].listed
    records = KINDS[kind].generate(ROWS, CHAINS[chains])
    none = records.take(records.some(0, np.random.default_rng(0)))
    for many in ([records, none], [none, records]):
        whole = type(records).concat(many)
        assert len(whole) == ROWS and listed(whole) == listed(records)


@pytest.mark.parametrize("n", [0, 5, ROWS])
@pytest.mark.parametrize(("kind", "chains"), CASES)
def test_records_are_stored_and_read_back_to_the_bit(kind, chains, n, tmp_path):
    records, listed = KINDS[kind].generate(ROWS, CHAINS[chains]), KINDS[kind].listed
    records = records.take(records.some(n, np.random.default_rng(3)))
    records.save(tmp_path)
    again = load_records(tmp_path)
    assert again.kind == records.kind and len(again) == n and listed(again) == listed(records)


def test_the_tokens_of_blocks_have_a_row_a_block():
    records = Text.generate(ROWS, ())
    assert records.take(shared("repeated")).tokens.tolist() == records.tokens[SELECTIONS["repeated"]].tolist()


def test_no_blocks_have_no_tokens():
    assert Text.generate(ROWS, ()).take(shared("none")).tokens.shape[0] == 0


@pytest.mark.parametrize("n", [1, 7, ROWS])
@pytest.mark.parametrize("chains", CHAINS)
def test_some_counts_are_counts_of_whole_records(chains, n):
    records = States.generate(ROWS, CHAINS[chains])
    taken = records.take(records.some(n, np.random.default_rng(4)))
    assert isinstance(taken, Counts) and np.issubdtype(taken.array.dtype, np.integer)
    assert taken.array.shape == records.array.shape
    assert (taken.array.sum(axis=-1) == n).all() and (taken.array <= records.array).all() and (taken.array >= 0).all()


@pytest.mark.parametrize("chains", CHAINS)
def test_moments_that_are_joined_are_those_of_all_points(chains):
    many = [Points.generate(n, CHAINS[chains], seed) for seed, n in enumerate((4, 1, 6))]
    joined, whole = Moments.concat([vectors.moments for vectors in many]), Vectors.concat(many)
    array = whole.array
    assert joined.n == len(whole) == 11
    np.testing.assert_allclose(joined.mean, array.mean(axis=-2), rtol=1e-13)
    centred = array - array.mean(axis=-2, keepdims=True)
    np.testing.assert_allclose(joined.scatter, np.swapaxes(centred, -1, -2) @ centred, rtol=1e-12, atol=1e-14)


def test_moments_are_stored_and_read_back_to_the_bit(tmp_path):
    records = Points.generate(ROWS, (5,)).moments
    records.save(tmp_path)
    again = load_records(tmp_path)
    assert again.n == ROWS and np.array_equal(again.mean, records.mean) and np.array_equal(again.scatter, records.scatter)


@pytest.mark.parametrize("rows", [[0, 1, 2], [0, 0], []])
def test_points_are_not_taken_one_by_one_from_moments(rows):
    records = Points.generate(ROWS, ()).moments
    with pytest.raises((BadInput, outcross.NotApplicable), match="moments"):
        records.take(np.array(rows, dtype=np.int64))
    with pytest.raises((BadInput, outcross.NotApplicable), match="moments"):
        _ = part_of(HUMAN, records).take(np.array(rows, dtype=np.int64)).records


# Parts, which refer to rows of what a step made.


@pytest.mark.parametrize("selection", SELECTIONS)
@pytest.mark.parametrize(("kind", "chains"), ROW_CASES)
def test_a_part_takes_shared_rows(kind, chains, selection):
    part, listed = part_with(kind, chains), KINDS[kind].listed
    taken = part.take(shared(selection))
    assert len(taken) == len(taken.records) == len(SELECTIONS[selection]) and taken.origin == part.origin
    assert listed(taken.records) == chosen(listed(part.records), shared(selection))


@pytest.mark.parametrize(("kind", "chains"), [(kind, chains) for kind, chains in ROW_CASES if CHAINS[chains]])
def test_a_part_takes_rows_of_each_chain(kind, chains):
    part, listed, rows = part_with(kind, chains), KINDS[kind].listed, of_each(chains, 7, ROWS)
    taken = part.take(rows)
    assert len(taken) == len(taken.records) == 7
    assert listed(taken.records) == chosen(listed(part.records), rows)


def twice():
    """Every kind of record with every pair of selections."""
    for kind, chains in ROW_CASES:
        for first in ("shared", "of each chain") if CHAINS[chains] else ("shared",):
            for second in ("shared", "of each chain") if CHAINS[chains] else ("shared",):
                yield kind, chains, first, second


@pytest.mark.parametrize(("kind", "chains", "first", "second"), list(twice()))
def test_to_take_twice_is_to_take_the_composition(kind, chains, first, second):
    part, listed = part_with(kind, chains), KINDS[kind].listed
    outer = shared("all in another order")[:9] if first == "shared" else of_each(chains, 9, ROWS, 1)
    inner = np.array([8, 2, 2, 5, 0, 1, 7]) if second == "shared" else of_each(chains, 7, 9, 2)
    taken = part.take(outer).take(inner)
    assert len(taken) == len(taken.records) == 7
    assert listed(taken.records) == chosen(chosen(listed(part.records), outer), inner)


@pytest.mark.parametrize(("kind", "chains"), ROW_CASES)
def test_to_take_of_a_part_is_to_take_of_its_records(kind, chains):
    part, listed = part_with(kind, chains), KINDS[kind].listed
    outer, inner = shared("all in another order")[:9], np.array([8, 2, 2, 5])
    assert listed(part.take(outer).take(inner).records) == listed(part.records.take(outer).take(inner))


@pytest.mark.parametrize(("kind", "chains"), CASES)
def test_to_draw_twice_is_to_draw_without_replacement(kind, chains):
    part, listed, rng = part_with(kind, chains), KINDS[kind].listed, np.random.default_rng(6)
    taken = part.some(9, rng).some(4, rng)
    assert len(taken) == len(taken.records) == 4 and taken.origin == part.origin
    for own, every in zip(listed(taken.records), listed(part.records), strict=True):
        assert Counter(own) <= Counter(every)


@pytest.mark.parametrize(("kind", "chains"), ROW_CASES)
def test_rows_are_taken_of_what_was_drawn(kind, chains):
    part, listed = part_with(kind, chains), KINDS[kind].listed
    drawn, rows = part.some(9, np.random.default_rng(7)), np.array([8, 0, 3])
    assert listed(drawn.take(rows).records) == chosen(listed(drawn.records), rows)


@pytest.mark.parametrize("selection", ["some", "one", "repeated"])
@pytest.mark.parametrize("chains", CHAINS)
def test_indices_of_counts_are_no_counts(chains, selection):
    """Counts have no rows. A part of them refuses indices, or counts the records at these places, state after state."""
    part, rows = part_with("counts", chains), shared(selection)
    try:
        taken = part.take(rows)
        records = taken.records
    except (BadInput, outcross.NotApplicable):
        return
    assert records.array.shape == part.records.array.shape
    assert (records.array.sum(axis=-1) == len(taken)).all() and len(taken) == rows.size
    assert States.listed(records) == [sorted(own) for own in chosen(States.listed(part.records), rows)]


@pytest.mark.parametrize("chains", [chains for chains in CHAINS if CHAINS[chains]])
def test_indices_of_the_counts_of_each_chain_are_no_counts(chains):
    part, rows = part_with("counts", chains), of_each(chains, 5, ROWS)
    try:
        taken = part.take(rows)
        records = taken.records
    except (BadInput, outcross.NotApplicable):
        return
    assert len(taken) == 5 and (records.array.sum(axis=-1) == 5).all()
    assert States.listed(records) == [sorted(own) for own in chosen(States.listed(part.records), rows)]


@pytest.mark.parametrize(("kind", "chains"), CASES)
def test_more_than_there_is_cannot_be_drawn(kind, chains):
    with pytest.raises(BadInput, match=f"{ROWS + 1}"):
        part_with(kind, chains).some(ROWS + 1, np.random.default_rng(0))


@pytest.mark.parametrize(("kind", "chains"), ROW_CASES)
def test_another_selection_is_other_data(kind, chains):
    part = part_with(kind, chains)
    same, again, other = (part.take(np.array(rows)) for rows in ([0, 1], [0, 1], [1, 0]))
    assert same.digest == again.digest != other.digest
    assert part.digest not in (same.digest, other.digest)


@pytest.mark.parametrize("weight", [None, 0.25])
@pytest.mark.parametrize(("kind", "chains"), CASES)
def test_a_training_set_is_stored_by_reference_and_read_back(kind, chains, weight, tmp_path):
    whole, listed = part_with(kind, chains), KINDS[kind].listed
    drawn = part_with(kind, chains, 1).some(5, np.random.default_rng(8))
    at_hand = part_of(HUMAN, KINDS[kind].generate(3, CHAINS[chains], 2))
    parts = tuple(part if weight is None else part.weighted(weight) for part in (whole, drawn, at_hand))
    training = Training(Pool(parts, 2))
    training.save(tmp_path)
    again = Training.load(tmp_path, {part.source.digest: part.source for part in (whole, drawn)})
    assert len(again) == len(training) == ROWS + 8
    for before, after in zip(training.pool.parts, again.pool.parts, strict=True):
        assert (before.origin, before.size) == (after.origin, after.size)
        assert before.digest == after.digest
        assert np.array_equal(before.weights, after.weights) if weight else before.weights is after.weights is None
        assert listed(before.records) == listed(after.records)
