"""The pictures of docs/explanation: the first chart on the page of a run, as a small SVG file of its own.

outcross run gaussian --out runs/gaussian
python tools/pictures.py runs/gaussian docs/explanation/gaussian.svg
"""

from __future__ import annotations

import re
import sys
from pathlib import Path


def picture(page: str) -> str:
    """The first chart of a page, on white, with coordinates rounded to a tenth of a pixel."""
    drawn = re.search(r"<svg\b.*?</svg>", page, flags=re.DOTALL)
    if drawn is None:
        raise SystemExit("there is no chart on the page; install outcross[report] and write it again")
    svg = re.sub(r'="[^"]*"', _rounded, drawn.group())
    return svg.replace("<svg ", '<svg style="background:#fff" ', 1) + "\n"


def _rounded(attribute: re.Match) -> str:
    return re.sub(r"\d+\.\d{2,}", lambda digits: f"{float(digits.group()):.1f}", attribute.group())


if __name__ == "__main__":
    run, target = map(Path, sys.argv[1:])
    target.write_text(picture((run / "report.html").read_text(encoding="utf-8")), encoding="utf-8")
