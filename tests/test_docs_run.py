"""The Python of a how-to page runs as it stands."""

import re
from pathlib import Path

import polars as pl
import pytest

DOCS = Path(__file__).parent.parent / "docs"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_python_of_the_page_on_figures_runs_and_its_caption_is_what_the_page_says(tmp_path, monkeypatch):
    pytest.importorskip("vl_convert")
    monkeypatch.chdir(tmp_path)
    page = (DOCS / "howto" / "a-paper-figure.md").read_text(encoding="utf-8")
    names: dict = {}
    for block in BLOCK.findall(page):
        exec(compile(block, "a-paper-figure.md", "exec"), names)
    assert names["figure"].caption.startswith("Bands: 95 % intervals over 4 seeds.") and "95 % intervals over 4 seeds" in page
    assert names["pooled"].filter(pl.col("measure") == "log_variance").height == 30
    assert all(
        (tmp_path / name).stat().st_size for name in ("log-variance.pdf", "log-variance.svg", "slides.png", "age.svg", "audit.html")
    )
    assert (tmp_path / "figures" / "log_variance.csv").is_file()
