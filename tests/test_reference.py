"""The reference pages say what the code does."""

import os
from pathlib import Path

import pytest
from reference_pages import PAGES

from outcross.measures import audit_aspects, pages_of_aspect

REFERENCE = Path(__file__).parent.parent / "docs" / "reference"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_of_the_reference_is_what_the_parts_say(name):
    path, written = REFERENCE / name, PAGES[name]()
    if os.environ.get("OUTCROSS_WRITE_PAGES"):  # OUTCROSS_WRITE_PAGES=1 pytest tests/test_reference.py, after a change
        path.parent.mkdir(exist_ok=True)
        path.write_text(written, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == written


def test_codes_are_given_once_and_every_check_cites_a_paper():
    pages = [page for aspect in audit_aspects() for page in pages_of_aspect(aspect).values()]
    assert len({page.code for page in pages}) == len(pages)
    assert all(page.paper and page.definition.endswith((".", ")")) for page in pages)
