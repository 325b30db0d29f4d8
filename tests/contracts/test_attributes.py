"""What attributes do beyond the promises of their family (outcross.testing.attributes), on any text."""

from __future__ import annotations

import numpy as np
import polars
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outcross.attributes import ATTRIBUTES
from outcross.errors import BadInput
from outcross.recipe import read
from outcross.testing.attributes import HOSTILE, HUMAN
from outcross.text.texts import texts

ANY = st.lists(st.one_of(st.text(max_size=40), st.sampled_from(HOSTILE), st.sampled_from(HUMAN)), max_size=6)


@pytest.fixture(scope="module", params=ATTRIBUTES)
def attribute(request):
    recipe = read(ATTRIBUTES, request.param, "attribute")
    return recipe, recipe.fit(HUMAN)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(texts_read=ANY)
def test_an_attribute_is_a_number_a_text_in_its_range_whatever_stands_beside_it(attribute, texts_read):
    recipe, reader = attribute
    copy = list(texts_read)
    numbers = reader(texts_read)
    assert texts_read == copy
    assert numbers.shape == (len(texts_read),) and numbers.dtype == np.float64
    there = numbers[~np.isnan(numbers)]
    assert ((there >= recipe.page.range[0] - 1e-12) & (there <= recipe.page.range[1] + 1e-12)).all() and np.isfinite(there).all()
    alone = np.array([reader([text])[0] for text in texts_read])
    assert np.allclose(numbers, alone, rtol=1e-12, atol=1e-12, equal_nan=True)


def test_an_attribute_reads_any_sequence_of_strings(attribute):
    _, reader = attribute
    numbers = reader(HUMAN)
    for given_as in (tuple(HUMAN), np.array(HUMAN), polars.Series(HUMAN), texts(HUMAN)):
        assert np.array_equal(reader(given_as), numbers, equal_nan=True)


def test_what_is_no_sequence_of_texts_is_refused_in_words(attribute):
    for wrong, why in (("one text", r"write \[text\]"), (["a", None], "text 1 is None"), ([b"a"], "text 0 is b'a'")):
        with pytest.raises(BadInput, match=why):
            attribute[1](wrong)


def test_one_line_of_ten_megabytes_is_read(attribute):
    _, reader = attribute
    line = texts([" ".join(HUMAN) * (10_000_000 // len(" ".join(HUMAN)))])
    assert np.isfinite(reader(line)).all()
