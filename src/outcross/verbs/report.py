"""The verb `report`: any result as one HTML file that opens offline."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclopts import Parameter

from outcross.errors import BadInput
from outcross.verbs.asking import asks
from outcross.verbs.results import WIDTH, Result
from outcross.wording import amount

if TYPE_CHECKING:
    from outcross.report.figure import Figure
    from outcross.verbs.mix.changes import Changes

    Results = str | Path | Sequence[str | Path]
    File = str | Path
    Words = str | Sequence[str]
else:  # what the command line gives
    Results, File, Words = tuple[Path, ...], Path, str

FIGURES = "report of figures"
"""What the folder of figures says that it was left by."""


@Parameter(name="*")
@dataclass(frozen=True)
class ReportQuestion:
    """Write any result as one HTML page that opens without a network, and with --figures each figure of the page by itself.

    Several runs, or several audits, are put on one page. Of two mixes the page shows what changed from the first to the second: origin, groups and tails.
    """

    results: Results = ()
    """Folders of runs, or of audits; several are put together. Or the folders of two mixes, which are compared."""
    _: KW_ONLY
    out: File | None = None
    """The file to write; if left out, report.html in the folder, or compare.html beside the first of several."""
    figures: File | None = None
    """A folder for every figure of the page by itself, its data as CSV beside it; it must be new, empty, or hold former figures and nothing else. Also for one mix."""
    format: Words = "svg"
    """With --figures: the formats, as in svg,pdf,png."""
    theme: str = "light"
    """With --figures: the colours; light, dark or print."""


@dataclass(frozen=True, repr=False)
class Report(Result):
    """A page that was written, and figures by themselves where they were asked for."""

    path: Path | None
    """The page; None where the figures of one mix alone were asked for."""
    changes: Changes | None = None
    """What changed from one mix to another; None of other results."""
    saved: tuple[Path, ...] = ()
    """The files of the figures and of their data."""

    @property
    def short(self) -> str:
        """Where the page and the figures are."""
        page = "Report" if self.path is None else f"Report {self.path}"
        return f"{page}, {amount(len(self.saved), 'file')} of figures in {self.saved[0].parent}" if self.saved else page

    def frame(self) -> Any:
        """A row a file that was written (polars)."""
        import polars

        files = [*([] if self.path is None else [self.path]), *self.saved]
        return polars.DataFrame(
            {"file": list(map(str, files)), "kind": [file.suffix.removeprefix(".") for file in files]},
            schema={"file": str, "kind": str},
        )

    def plain(self) -> dict[str, Any]:
        """Where the page and the figures are, and of mixes what changed, as plain data."""
        content: dict[str, Any] = {"schema": 1, "report": None if self.path is None else str(self.path)}
        content |= {"figures": list(map(str, self.saved))} if self.saved else {}
        return content | ({} if self.changes is None else {"changes": self.changes.plain()})

    def lines(self, width: int = WIDTH) -> Iterator[str]:
        """What a terminal shows: of mixes what changed, and where the page and the figures are."""
        from outcross.escapes import escaped

        if self.changes is not None:
            yield from self.changes.lines(width)
        if self.saved:
            drawn = sum(path.suffix != ".csv" for path in self.saved)
            yield f"figures: {drawn} in {escaped(str(self.saved[0].parent))}, each with its data as CSV"
        if self.path is not None:
            yield f"report: {escaped(str(self.path))}"


def reported(question: ReportQuestion) -> Report:
    """Write the page of one result, or of several of one kind, and its figures where they are asked for. BadInput where a folder holds none, or where
    the page or the figures may not be written."""
    from outcross.files import outputs
    from outcross.report.figure import check_theme, chosen_formats

    results = (question.results,) if isinstance(question.results, str | Path) else question.results
    folders = [Path(result) for result in results]
    if not folders:
        raise BadInput("report needs a folder of a run or an audit, or two of mixes; write outcross report runs/stdlib")
    formats = chosen_formats(question.format)
    check_theme(question.theme)
    if question.figures is None and (question.format, question.theme) != ("svg", "light"):
        raise BadInput("--format and --theme are of figures; name a folder for these with --figures DIR")
    in_place = folders[0] / "report.html" if len(folders) == 1 else folders[0].parent / "compare.html"
    page = in_place if question.out is None else Path(question.out)
    outputs.check_page(page)
    if question.figures is not None:
        _check_figures(Path(question.figures), folders)
    written, figures = _written(folders, page, question)
    if question.figures is None:
        return written
    return replace(written, saved=_saved(Path(question.figures), figures, formats, question.theme, folders))


def _check_figures(folder: Path, inputs: Sequence[Path]) -> None:
    """BadInput where figures may not be written into a folder."""
    from outcross.ledger.results import check_folder

    try:
        check_folder(folder, FIGURES, inputs)
    except BadInput as why:
        raise BadInput(str(why).replace("--out", "--figures")) from None


def _written(folders: Sequence[Path], page: Path, question: ReportQuestion) -> tuple[Report, Iterable[Figure]]:
    """The page of some folders, and its figures, which are not drawn yet."""
    from outcross.report import join
    from outcross.report.plots import figures
    from outcross.verbs.audit.result import joined, stored
    from outcross.verbs.detect.result import is_detection
    from outcross.verbs.forecast.result import is_forecast
    from outcross.verbs.mix.result import is_stored
    from outcross.verbs.reproduce.result import stored_reproduction
    from outcross.verbs.run.answer import open as open_run
    from outcross.verbs.run.page import study, write_runs

    audits = {folder: stored_audit for folder in folders if (stored_audit := stored(folder)) is not None}
    if mixes := [folder for folder in folders if is_stored(folder)]:
        return _of_mixes(folders, mixes, page, question)
    if (reproduction := stored_reproduction(folders[0])) is not None:
        if len(folders) != 1:
            raise BadInput(f"{folders[0]} holds a reproduction, whose page is its own; give it alone")
        return Report(reproduction.report(page)), reproduction.figures() if question.figures is not None else ()
    if detections := [folder for folder in folders if is_detection(folder)]:
        return _of_detection(folders, detections, page, question)
    if forecasts := [folder for folder in folders if is_forecast(folder)]:
        return _of_forecast(folders, forecasts, page)
    if not audits:
        runs = [open_run(folder) for folder in folders]
        return Report(write_runs(runs, page)), figures(join([study(run) for run in runs])) if question.figures is not None else ()
    if other := next((folder for folder in folders if folder not in audits), None):
        raise BadInput(f"{other} holds no audit, others do; give audits or runs, not both")
    together = joined(audits)
    return Report(together.report(page)), together.figures() if question.figures is not None else ()


def _of_mixes(
    folders: Sequence[Path], mixes: Sequence[Path], page: Path, question: ReportQuestion
) -> tuple[Report, Iterable[Figure]]:
    """What changed from one mix to another, or the figures of one. BadInput where one of the folders is something else."""
    from outcross.verbs.mix.changes import compared
    from outcross.verbs.mix.result import Mix

    if other := next((folder for folder in folders if folder not in mixes), None):
        raise BadInput(f"{other} holds no mix, {mixes[0]} does; give two mixes, or runs or audits alone")
    if len(mixes) == 1 and question.figures is not None:
        mix = Mix(None, mixes[0])
        return Report(None if question.out is None else mix.report(page)), mix.figures()
    if len(mixes) != 2:
        raise BadInput(
            f"a report compares two mixes, got {len(mixes)}; write `outcross report {mixes[0]} OTHER`, or `outcross card {mixes[0]}` to describe one, or --figures DIR for its figures"
        )
    changes = compared(*mixes)
    return Report(changes.report(page), changes), changes.figures()


def _saved(folder: Path, figures: Iterable[Figure], formats: Sequence[str], theme: str, inputs: Sequence[Path]) -> tuple[Path, ...]:
    """The files of every figure in every format, and of its data, written whole or not at all."""
    from outcross.ledger.results import write_folder

    files: dict[str, bytes] = {}
    for figure in figures:
        name = next(name for name in names_like(figure.name) if f"{name}.csv" not in files)
        files |= {f"{name}.{form}": figure.rendered(form, theme) for form in formats} | {f"{name}.csv": figure.csv()}
    if not files:
        raise BadInput(f"{inputs[0]} has no figure to write; leave out --figures")
    write_folder(folder, FIGURES, files, inputs)
    return tuple(folder / name for name in files)


def names_like(name: str) -> Iterator[str]:
    """The name, then the name with 2, 3 … behind it.

    >>> names = names_like("age")
    >>> next(names), next(names)
    ('age', 'age-2')
    """
    yield name
    yield from (f"{name}-{number}" for number in count(2))


def _of_detection(
    folders: Sequence[Path], detections: Sequence[Path], page: Path, question: ReportQuestion
) -> tuple[Report, Iterable[Figure]]:
    """The page of a detection, and its figures. BadInput where there are several results."""
    from outcross.verbs.detect.result import stored_detection

    if len(folders) != 1:
        raise BadInput(f"{detections[0]} holds a detection, whose page is its own; give it alone")
    result = stored_detection(folders[0])
    assert result is not None
    return Report(result.report(page)), result.figures() if question.figures is not None else ()


def _of_forecast(folders: Sequence[Path], forecasts: Sequence[Path], page: Path) -> tuple[Report, Iterable[Figure]]:
    """The page and the figures of a forecast. BadInput where there are several results."""
    from outcross.verbs.forecast.result import stored_forecast

    if len(folders) != 1:
        raise BadInput(f"{forecasts[0]} holds a forecast, whose page is its own; give it alone")
    result = stored_forecast(folders[0])
    assert result is not None
    return Report(result.report(page)), result.figures()


report = asks(ReportQuestion, reported)
