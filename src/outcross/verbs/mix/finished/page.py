"""The changes from one mix to another, as one HTML file that opens offline."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from outcross.files.outputs import write_page
from outcross.report.templates import template
from outcross.verbs.mix.finished.changes import CENSUS, MOST, Changes

LONGEST = 300
"""The maximum number of characters of one piece of text on the page."""
LEFT, RIGHT = 3.0, 97.0
"""The start and the end of the lines, in percent of their width."""


def write_changes(changes: Changes, path: Path) -> Path:
    """Write the page. Returns its path."""
    return write_page(path, page(changes))


def page(changes: Changes) -> bytes:
    """Return the rendered page."""
    tables = []
    for by, rows in changes.tables.items():
        tables.append(
            (
                by,
                changes.most_changed(by),
                max(0, len(rows) - MOST),
                _largest([(row.share_before, row.share_after) for row in rows]),
            )
        )
    names = [str(side.folder) for side in (changes.before, changes.after)]
    text = _template().render(
        changes=changes,
        before=names[0],
        after=names[1],
        census=CENSUS,
        tables=tables,
        tails=changes.tails,
        tails_most=_largest([(tail.rows.share_before, tail.rows.share_after, tail.human.share_before) for tail in changes.tails]),
        mixes=[(name, side.manifest) for name, side in zip(names, (changes.before, changes.after), strict=True)],
    )
    return text.encode("utf-8", "replace")


def _largest(shares: list[tuple[float, ...]]) -> float:
    """Return the largest share, which is the end of the scale of a table."""
    return max((share for row_shares in shares for share in row_shares), default=0.0) or 1.0


@cache
def _template() -> Any:
    return template("mixes.html", {"share": _share, "signed": _signed, "place": _place}, LONGEST)


def _share(share: float) -> str:
    return f"{share:.3g}"


def _signed(difference: float) -> str:
    return "0" if difference == 0 else f"{difference:+.3g}".replace("-", "−")


def _place(share: float, largest: float) -> str:
    """Return the position of a share on a line whose scale ends at `largest`."""
    return f"{LEFT + (RIGHT - LEFT) * share / largest:.4g}%"
