"""What follows a run while it goes on, in the process that holds its folder: trackers, and the page that a browser watches."""

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
"""A page is drawn again once so many times the time that it took to draw it have gone by: at most 4 % of a run goes into drawing."""
EXPECTED = 1.0
"""Seconds that the first page is expected to take. So a run that ends within half a minute draws its last page alone."""
LIVE = b'<meta http-equiv="refresh" content="20">\n'
"""What makes a page load itself again, without a script."""


class LivePage:
    """The page of a run, drawn again as generations end."""

    def __init__(self, page: Path, draw: Callable[[Path], object], now: Callable[[], float] = time.monotonic):
        check_page(page)
        self.page, self.draw, self.now = page, draw, now
        self.cost, self.last = EXPECTED, now()
        self.is_old = False
        """Whether a generation has ended that it does not show."""

    def __call__(self, event: Any) -> None:
        self.is_old = self.is_old or isinstance(event, Ended)
        if self.is_old and self.now() - self.last >= SHARE * self.cost:
            self.write()

    def write(self) -> None:
        """Draw what the run holds by now. What stops the page does not stop the run, which says so itself where its disk is full."""
        begun = self.now()
        try:
            self.draw(self.page)
        except (OutcrossError, OSError):
            self.cost = float("inf")
            return
        self.last, self.is_old = self.now(), False
        self.cost = self.last - begun

    def end(self) -> None:
        """Let the page that is there rest, whatever ended the run."""
        try:
            content = self.page.read_bytes()
            if LIVE in content[:2000]:
                from outcross.files.outputs import write_page

                write_page(self.page, content.replace(LIVE, b"", 1))
        except (OutcrossError, OSError):
            return


class Following(AbstractContextManager):
    """What follows a run: trackers by name, and its page where one is to be watched. Called with everything that happens."""

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
    """All of them in turn."""

    def tell(event: Any) -> None:
        for watch in watches:
            watch(event)

    return tell
