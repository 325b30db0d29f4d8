"""The verb `report`: any result as one HTML file that opens offline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclopts import Parameter

from outcross.errors import BadInput
from outcross.verbs.asking import asks

if TYPE_CHECKING:
    from outcross.verbs.mix.changes import Changes

    Results = str | Path | Sequence[str | Path]
    File = str | Path
else:  # what the command line gives
    Results, File = tuple[Path, ...], Path


@Parameter(name="*")
@dataclass(frozen=True)
class ReportQuestion:
    """Write any result as one HTML page that opens without a network.

    Several runs, or several audits, are put on one page. Of two mixes the page shows what changed from the first to the second: origin, groups and tails.
    """

    results: Results = ()
    """Folders of runs, or of audits; several are put together. Or of two mixes, which are compared."""
    _: KW_ONLY
    out: File | None = None
    """The file to write; if left out, report.html in the folder, or compare.html beside the first of several."""


@dataclass(frozen=True)
class Report:
    """A page that was written."""

    path: Path
    changes: Changes | None = None
    """What changed from one mix to another; None of other results."""

    def plain(self) -> dict[str, Any]:
        """Where the page is, and of mixes what changed, as plain data."""
        return {"schema": 1, "report": str(self.path)} | ({} if self.changes is None else {"changes": self.changes.plain()})

    def lines(self, width: int) -> Iterator[str]:
        """What a terminal shows: of mixes what changed, and where the page is."""
        from outcross.escapes import escaped
        from outcross.verbs.mix.screen import changes_lines

        if self.changes is not None:
            yield from changes_lines(self.changes, width)
        yield f"report: {escaped(str(self.path))}"


def reported(question: ReportQuestion) -> Report:
    """Write the page of one result, or of several of one kind. BadInput where a folder holds none, or where the page may not be written."""
    from outcross.files import outputs
    from outcross.verbs.audit.result import joined, stored
    from outcross.verbs.detect.result import is_detection
    from outcross.verbs.mix.result import is_stored
    from outcross.verbs.run.answer import open as open_run
    from outcross.verbs.run.page import write_runs

    results = (question.results,) if isinstance(question.results, str | Path) else question.results
    folders = [Path(result) for result in results]
    if not folders:
        raise BadInput("report needs a folder of a run or an audit, or two of mixes; write outcross report runs/stdlib")
    in_place = folders[0] / "report.html" if len(folders) == 1 else folders[0].parent / "compare.html"
    page = in_place if question.out is None else Path(question.out)
    outputs.check_page(page)
    audits = {folder: found for folder in folders if (found := stored(folder)) is not None}
    if mixes := [folder for folder in folders if is_stored(folder)]:
        return _compared(folders, mixes, page)
    if detections := [folder for folder in folders if is_detection(folder)]:
        return _of_detection(folders, detections, page)
    if not audits:
        return Report(write_runs([open_run(folder) for folder in folders], page))
    if other := next((folder for folder in folders if folder not in audits), None):
        raise BadInput(f"{other} holds no audit, others do; give audits or runs, not both")
    return Report(joined(audits).report(page))


def _compared(folders: Sequence[Path], mixes: Sequence[Path], page: Path) -> Report:
    """What changed from one mix to another. BadInput where there are not two, or where one is something else."""
    from outcross.verbs.mix.changes import compared
    from outcross.verbs.mix.page import write_changes

    if other := next((folder for folder in folders if folder not in mixes), None):
        raise BadInput(f"{other} holds no mix, {mixes[0]} does; give two mixes, or runs or audits alone")
    if len(mixes) != 2:
        raise BadInput(
            f"a report of mixes compares two, got {len(mixes)}; write outcross report A B, or outcross card {mixes[0]} for what is in one"
        )
    changes = compared(*mixes)
    return Report(write_changes(changes, page), changes)


def _of_detection(folders: Sequence[Path], detections: Sequence[Path], page: Path) -> Report:
    """The page of a detection. BadInput where there are several results."""
    from outcross.verbs.detect.result import stored_detection

    if len(folders) != 1:
        raise BadInput(f"{detections[0]} holds a detection, whose page is its own; give it alone")
    result = stored_detection(folders[0])
    assert result is not None
    return Report(result.report(page))


report = asks(ReportQuestion, reported)
