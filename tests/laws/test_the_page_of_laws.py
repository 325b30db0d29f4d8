"""The page that says which test holds which closed form tells the truth."""

import re
from pathlib import Path

from outcross.laws import LAWS

HERE = Path(__file__).parent
PAGE = (HERE.parent.parent / "docs" / "explanation" / "laws.md").read_text()


def test_every_test_of_the_page_is_there():
    there = set(re.findall(r"^def (test_\w+)", "".join(path.read_text() for path in HERE.glob("test_*.py")), re.MULTILINE))
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert len(named) > 40 and not named - there


def test_every_row_that_a_law_names_is_on_the_page():
    rows = {row for law in LAWS.values() for row in law.id.split()}
    assert not {row for row in rows if not re.search(rf"^\|[^|]*\b{row}\b", PAGE, re.MULTILINE)}
