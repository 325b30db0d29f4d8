"""Arrays that are packed into few bytes come back to the bit, of the type that they had."""

import time

import numpy as np
import pytest

from outcross.files import packed

RNG = np.random.default_rng(0)
ARRAYS = {
    "counts": RNG.multinomial(200, np.full(100, 0.01), size=500),
    "a large number": np.array([[0, 1 << 40]]),
    "numbers below zero": np.array([-1, 200, -32_768]),
    "the least and the largest": np.array([np.iinfo(np.int64).min, np.iinfo(np.int64).max]),
    "the largest without a sign": np.array([0, np.iinfo(np.uint64).max], dtype=np.uint64),
    "bytes": np.arange(256, dtype=np.uint8),
    "one number": np.array(7),
    "no number": np.zeros((0, 3), dtype=np.int64),
    "shares": RNG.integers(0, 50, size=(400, 20)) / 50,
    "noise": RNG.standard_normal((30, 4)),
    "noise in single precision": RNG.standard_normal(50).astype(np.float32),
    "equal numbers that differ in bits": np.tile([0.0, -0.0, np.nan, -np.nan, np.inf], 100),
    "no share": np.zeros((3, 0)),
    "one share": np.array(0.5),
    "columns that are not contiguous": np.asfortranarray(RNG.integers(0, 9, size=(60, 70))) / 9,
    "claims": RNG.random(100) < 0.5,
}


@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_comes_back_to_the_bit(name, tmp_path):
    array = ARRAYS[name]
    packed.save(tmp_path / "a.npz", array=array, other=np.arange(3))
    again = packed.load(tmp_path / "a.npz")
    assert sorted(again) == ["array", "other"]
    assert (again["array"].dtype, again["array"].shape) == (array.dtype, array.shape)
    assert again["array"].tobytes() == array.tobytes()


@pytest.mark.parametrize(("name", "most_of_plain"), [("counts", 0.1), ("shares", 0.15)])
def test_small_numbers_and_numbers_that_repeat_take_a_fraction_of_the_bytes(name, most_of_plain, tmp_path):
    packed.save(tmp_path / "a.npz", array=ARRAYS[name])
    assert (tmp_path / "a.npz").stat().st_size < most_of_plain * ARRAYS[name].nbytes


def test_equal_arrays_make_equal_files(tmp_path):
    for name in ("a.npz", "b.npz"):
        packed.save(tmp_path / name, **{key.replace(" ", "_"): array for key, array in ARRAYS.items()})
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_equal_arrays_are_equal_bytes_at_any_time(tmp_path, monkeypatch):
    packed.save(tmp_path / "now.npz", counts=np.arange(50))
    monkeypatch.setattr(time, "localtime", lambda *_: time.gmtime(2_000_000_000))  # which zipfile asks
    packed.save(tmp_path / "later.npz", counts=np.arange(50))
    assert (tmp_path / "now.npz").read_bytes() == (tmp_path / "later.npz").read_bytes()
