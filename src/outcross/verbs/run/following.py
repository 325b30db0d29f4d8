"""Trackers and the live page, which are updated during a run by the process that has locked its folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from outcross.errors import OutcrossError
from outcross.files.outputs import check_page
from outcross.verbs.run.tables import Ended
from outcross.verbs.run.tracking import Tracking

SHARE = 25
"""The page is drawn again after SHARE times the duration of the last drawing. So drawing takes at most 4 % of the time of a run."""
EXPECTED = 1.0
"""Expected duration of the first drawing, in seconds. A run that ends within SHARE times this duration (25 s) draws only its last page."""
LIVE = b'<meta http-equiv="refresh" content="20">\n'
"""The HTML tag that makes a browser reload the page every 20 seconds, without a script."""


class LivePage:
    """The page of a run. It is drawn again as generations end."""

    def __init__(self, page: Path, draw: Callable[[Path], object], now: Callable[[], float] = time.monotonic):
        check_page(page)
        self.page, self.draw, self.now = page, draw, now
        self.cost, self.last = EXPECTED, now()
        self.is_old = False
        """Whether a generation has ended since the page was drawn."""

    def __call__(self, event: Any) -> None:
        self.is_old = self.is_old or isinstance(event, Ended)
        if self.is_old and self.now() - self.last >= SHARE * self.cost:
            self.write()

    def write(self) -> None:
        """Draw the page from what the run has recorded so far.

        If that fails, the run continues without it; a full disk is reported by the run itself.
        """
        begun = self.now()
        try:
            self.draw(self.page)
        except (OutcrossError, OSError):
            self.cost = float("inf")
            return
        self.last, self.is_old = self.now(), False
        self.cost = self.last - begun

    def end(self) -> None:
        """Remove the reload tag from the page, however the run ended."""
        try:
            content = self.page.read_bytes()
            if LIVE in content[:2000]:
                from outcross.files.outputs import write_page

                write_page(self.page, content.replace(LIVE, b"", 1))
        except (OutcrossError, OSError):
            return


class Following(AbstractContextManager):
    """The trackers of a run and its live page, each optional. It is called with every event of the run."""

    def __init__(
        self, tracking: Tracking | None = None, page: LivePage | None = None, draw: Callable[[Path], object] | None = None
    ):
        self.tracking, self.page, self.draw = tracking, page, draw

    def __enter__(self) -> Following:
        if self.tracking is not None:
            self.tracking.__enter__()
        return self

    def __call__(self, event: Any) -> None:
        if self.tracking is not None:
            self.tracking(event)
        if self.page is not None:
            self.page(event)

    def __exit__(self, *error: Any) -> None:
        try:
            if self.tracking is not None:
                try:
                    if error[0] is None and self.draw is not None:
                        with TemporaryDirectory() as place:
                            page = Path(place) / "report.html"
                            self.draw(page)
                            self.tracking.report(page)
                finally:
                    self.tracking.__exit__(*error)
        finally:
            if self.page is not None:
                self.page.end()


def followed(watches: Sequence[Callable[[Any], None]]) -> Callable[[Any], None]:
    """Return a function that passes each event to all watches in turn."""

    def tell(event: Any) -> None:
        for watch in watches:
            watch(event)

    return tell
