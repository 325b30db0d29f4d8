"""The verb `report`: any result as one HTML file that opens offline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclopts import Parameter

from outcross.errors import BadInput
from outcross.verbs.asking import asks

if TYPE_CHECKING:
    Results = str | Path | Sequence[str | Path]
    File = str | Path
else:  # what the command line gives
    Results, File = tuple[Path, ...], Path


@Parameter(name="*")
@dataclass(frozen=True)
class ReportQuestion:
    """Write any result as one HTML file that opens offline."""

    results: Results = ()
    """Folders of runs, or of audits; several are put together."""
    _: KW_ONLY
    out: File | None = None
    """The file to write; if left out, report.html in the folder, or compare.html beside the first of several."""


@dataclass(frozen=True)
class Report:
    """A page that was written."""

    path: Path

    def plain(self) -> dict[str, Any]:
        """Where the page is, as plain data."""
        return {"schema": 1, "report": str(self.path)}


def reported(question: ReportQuestion) -> Report:
    """Write the page of one result, or of several of one kind. BadInput where a folder holds none, or where the page may not be written."""
    from outcross.files import outputs
    from outcross.verbs.audit.result import joined, stored
    from outcross.verbs.mix.result import stored_mix
    from outcross.verbs.run.answer import open as open_run
    from outcross.verbs.run.page import write_runs

    results = (question.results,) if isinstance(question.results, str | Path) else question.results
    folders = [Path(result) for result in results]
    if not folders:
        raise BadInput("report needs a folder of a run or an audit; write outcross report runs/stdlib")
    in_place = folders[0] / "report.html" if len(folders) == 1 else folders[0].parent / "compare.html"
    page = in_place if question.out is None else Path(question.out)
    outputs.check_page(page)
    audits = {folder: found for folder in folders if (found := stored(folder)) is not None}
    if mixed := next((folder for folder in folders if stored_mix(folder) is not None), None):
        raise BadInput(f"{mixed} holds a mix, which has no page; outcross show {mixed} prints what is in it")
    if not audits:
        return Report(write_runs([open_run(folder) for folder in folders], page))
    if other := next((folder for folder in folders if folder not in audits), None):
        raise BadInput(f"{other} holds no audit, others do; give audits or runs, not both")
    return Report(joined(audits).report(page))


report = asks(ReportQuestion, reported)
