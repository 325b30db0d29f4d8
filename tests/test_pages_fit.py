"""Pages fit a phone and paper: no column is hidden there, and no rule for narrow screens reaches a printed page."""

import re

import polars as pl
import pytest

import outcross
from outcross.cli import main
from outcross.report.templates import resource

TEMPLATES = ("audit.html", "detection.html", "forecast.html", "mixes.html", "page.html", "reproduction.html", "result.html")
STYLES = ("audit.css", "detection.css", "forecast.css", "mixes.css", "page.css")
NARROWED = {"stacked", "changes", "checks"}
"""Classes of tables whose rows become blocks on a narrow screen, each cell under the name of its column."""


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_table_that_is_open_becomes_blocks_on_a_narrow_screen(name):
    shown = re.sub(r'<details class="numbers">.*?</details>', "", resource(name), flags=re.DOTALL)
    tables = re.findall(r"<table[^>]*>", re.sub(r"{% macro table\(.*?{% endmacro %}", "", shown, flags=re.DOTALL))
    classes = [set(re.findall(r'class="([^"]*)"', table)[0].split()) if "class=" in table else set() for table in tables]
    assert all(own & NARROWED for own in classes), list(zip(tables, classes, strict=True))


@pytest.mark.parametrize("name", STYLES)
def test_rules_for_narrow_screens_do_not_reach_paper(name):
    widths = [rule for rule in re.findall(r"@media[^{]*", resource(name)) if "width" in rule]
    assert all("screen and" in part or "print" in part for rule in widths for part in rule.split(",")), widths


def test_cells_say_their_columns_where_the_head_is_hidden(tmp_path):
    """Every cell of a table of blocks but the first of its row and those that run across it has the name of its column."""
    human = {"age": list(range(20, 80)) * 5, "job": ["a", "b", "c"] * 100}
    page = outcross.audit(human, reference=human, aspects=("copying",)).report(tmp_path / "page.html").read_text()
    table = re.search(r'<table class="pointed stacked">.*?</table>', page, re.DOTALL)
    assert table is not None
    cells = re.findall(r"<td[^>]*>", table[0])
    assert cells and all("data-label=" in cell for cell in cells)


def code_of(*arguments):
    with pytest.raises(SystemExit) as ended:
        main([*map(str, arguments)])
    return ended.value.code


def test_a_page_of_an_audit_that_is_drawn_again_has_the_records_that_were_pointed_at(tmp_path, capsys):
    human = pl.DataFrame({"age": list(range(20, 80)) * 5, "job": ["a", "b", "c"] * 100})
    human.write_csv(tmp_path / "human.csv")
    out = tmp_path / "audit"
    data = tmp_path / "human.csv"
    assert code_of("audit", data, "--reference", data, "--aspects", "copying", "--quiet", "--out", out) == 0
    before = (out / "report.html").read_bytes()
    assert b"A copy of a human record." in before
    assert code_of("report", out) == 0
    assert (out / "report.html").read_bytes() == before
    (out / "synthetic-records.parquet").write_bytes(b"PAR1 and no more")
    capsys.readouterr()
    assert code_of("report", out) == 2
    err = capsys.readouterr().err
    assert "synthetic-records.parquet is not a valid Parquet file" in err and err.count("\n") == 1
    assert (out / "report.html").read_bytes() == before
