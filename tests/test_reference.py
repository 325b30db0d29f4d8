"""The reference pages say what the code does."""

import os
from pathlib import Path

from outcross.measures import audit_aspects, pages_of_aspect
from outcross.verbs.parts import checks_page

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "checks.md"


def test_the_page_of_checks_is_what_the_aspects_say():
    if os.environ.get("OUTCROSS_WRITE_PAGES"):  # OUTCROSS_WRITE_PAGES=1 pytest tests/test_reference.py, after a change
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(checks_page(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == checks_page()


def test_codes_are_given_once_and_every_check_cites_a_paper():
    pages = [page for aspect in audit_aspects() for page in pages_of_aspect(aspect).values()]
    assert len({page.code for page in pages}) == len(pages)
    assert all(page.paper and page.definition.endswith((".", ")")) for page in pages)
