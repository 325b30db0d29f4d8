"""Promises of every attribute, on any text."""

from __future__ import annotations

import time

import numpy as np
import polars
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outcross.attributes import ATTRIBUTES, AttributePage
from outcross.errors import BadInput
from outcross.recipe import read
from outcross.text.texts import texts

HUMAN = [
    f"the {one} saw a {other}, and the {other} ran. So it was."
    for one in ["cat", "dog", "cow", "hen"]
    for other in ["fox", "owl", "elk"]
]
HOSTILE = [
    "",
    " \t\r\n",
    "\x00\x01\x1b[31m",
    "\ud800 lone \udfff",
    "…" * 500,
    "日本語のテキスト。東京！",
    "שלום עולם",
    "हिन्दी में लिखा",
    "ภาษาไทยไม่มีเว้นวรรค",
    "👩‍👩‍👧 🏳️‍🌈",
    "a" * 100_000,
    "e\u0301" * 1000,
    "<script>alert('x')</script>",
    "1,847.5 2nd ½ Ⅷ",
    "İSTANBUL ß ﬁ",
    "word " * 3000,
]
ANY = st.lists(st.one_of(st.text(max_size=40), st.sampled_from(HOSTILE), st.sampled_from(HUMAN)), max_size=6)


@pytest.fixture(scope="module", params=ATTRIBUTES)
def attribute(request):
    recipe = read(ATTRIBUTES, request.param, "attribute")
    return recipe, recipe.fit(HUMAN)


def test_an_attribute_says_what_it_is_and_what_it_misleads_about(attribute):
    page = attribute[0].page
    assert isinstance(page, AttributePage) and page.range[0] < page.range[1]
    assert all((page.title, page.definition, page.unit, page.misleads, page.paper))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(told=ANY)
def test_an_attribute_is_a_number_a_text_in_its_range_whatever_stands_beside_it(attribute, told):
    recipe, reader = attribute
    copy = list(told)
    found = reader(told)
    assert told == copy
    assert found.shape == (len(told),) and found.dtype == np.float64
    there = found[~np.isnan(found)]
    assert ((there >= recipe.page.range[0] - 1e-12) & (there <= recipe.page.range[1] + 1e-12)).all() and np.isfinite(there).all()
    alone = np.array([reader([text])[0] for text in told])
    assert np.allclose(found, alone, rtol=1e-12, atol=1e-12, equal_nan=True)


def test_an_attribute_reads_any_sequence_of_strings(attribute):
    _, reader = attribute
    told = reader(HUMAN)
    for given_as in (tuple(HUMAN), np.array(HUMAN), polars.Series(HUMAN), texts(HUMAN)):
        assert np.array_equal(reader(given_as), told, equal_nan=True)


def test_the_order_of_the_human_texts_changes_no_reading(attribute):
    recipe, reader = attribute
    others = [*HUMAN[::-1], "a text of another kind; it has 12 words, or so."]
    assert np.array_equal(recipe.fit(HUMAN[::-1])(others), reader(others), equal_nan=True)


def test_what_is_no_sequence_of_texts_is_refused_in_words(attribute):
    for wrong, why in (("one text", r"write \[text\]"), (["a", None], "text 1 is None"), ([b"a"], "text 0 is b'a'")):
        with pytest.raises(BadInput, match=why):
            attribute[1](wrong)


def test_every_attribute_reads_every_human_text(attribute):
    assert np.isfinite(attribute[1](HUMAN)).all()


def test_one_line_of_ten_megabytes_is_read_in_seconds(attribute):
    _, reader = attribute
    line = texts([" ".join(HUMAN) * (10_000_000 // len(" ".join(HUMAN)))])
    began = time.process_time()
    assert np.isfinite(reader(line)).all()
    assert time.process_time() - began < 30
