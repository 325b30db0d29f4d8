"""The verb `report`, which writes any result as one HTML file that opens offline."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
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
    from outcross.verbs.mix.finished.changes import Changes

    Results = str | Path | Sequence[str | Path]
    File = str | Path
    Words = str | Sequence[str]
else:  # what the command line gives
    Results, File, Words = tuple[Path, ...], Path, str

FIGURES = "report of figures"
"""The name by which a folder of figures records what wrote it."""


@Parameter(name="*")
@dataclass(frozen=True)
class ReportQuestion:
    """Write any result as one HTML page that opens without a network. With --figures, also write each figure to a file of its own.

    Several runs, or several audits, share one page. For two mixes the page shows what changed from the first to the second: origin, groups and tails.
    """

    results: Results = ()
    """The folder of a result. Several runs, or several audits, share one page, and two mixes are compared."""
    _: KW_ONLY
    out: File | None = None
    """The file to write; if left out, report.html in the folder, or compare.html beside the first of several folders."""
    figures: File | None = None
    """A folder for the figures of the page, each in a file of its own with its data as CSV. It must be new or empty, or contain only figures that this command wrote. One mix is enough here."""
    format: Words = "svg"
    """With --figures: the formats, for example svg,pdf,png."""
    theme: str = "light"
    """With --figures: the colours; light, dark or print."""


@dataclass(frozen=True, repr=False)
class Report(Result):
    """A page that was written, and the files of its figures if they were requested."""

    path: Path | None
    """The file of the page; None if only the figures of one mix were requested."""
    changes: Changes | None = None
    """The changes from one mix to another; None for other results."""
    saved: tuple[Path, ...] = ()
    """The files of the figures and of their data."""

    @property
    def short(self) -> str:
        """The paths of the page and of the figures."""
        page = "Report" if self.path is None else f"Report {self.path}"
        return f"{page}, {amount(len(self.saved), 'file')} of figures in {self.saved[0].parent}" if self.saved else page

    def frame(self) -> Any:
        """One row per file that was written (polars)."""
        import polars

        files = [*([] if self.path is None else [self.path]), *self.saved]
        return polars.DataFrame(
            {"file": list(map(str, files)), "kind": [file.suffix.removeprefix(".") for file in files]},
            schema={"file": str, "kind": str},
        )

    def plain(self) -> dict[str, Any]:
        """The paths of the page and of the figures as plain data. For two mixes, also their changes."""
        content: dict[str, Any] = {"schema": 1, "report": None if self.path is None else str(self.path)}
        content |= {"figures": list(map(str, self.saved))} if self.saved else {}
        return content | ({} if self.changes is None else {"changes": self.changes.plain()})

    def lines(self, width: int = WIDTH) -> Iterator[str]:
        """The lines for a terminal: the changes between two mixes, and the paths of the page and of the figures."""
        from outcross.escapes import escaped

        if self.changes is not None:
            yield from self.changes.lines(width)
        if self.saved:
            drawn = sum(path.suffix != ".csv" for path in self.saved)
            yield f"figures: {drawn} in {escaped(str(self.saved[0].parent))}, each with its data as CSV"
        if self.path is not None:
            yield f"report: {escaped(str(self.path))}"


def reported(question: ReportQuestion) -> Report:
    """Write the page of one result, or of several results of one kind, and its figures if they are requested.

    Raises BadInput if a folder contains no result, or if the page or the figures may not be written.
    """
    from outcross.files import outputs
    from outcross.report.figure import check_theme, chosen_formats

    results = (question.results,) if isinstance(question.results, str | Path) else question.results
    folders = [Path(result) for result in results]
    if not folders:
        raise BadInput("report needs a folder of a run or an audit, or two of mixes; write outcross report runs/stdlib")
    formats = chosen_formats(question.format)
    check_theme(question.theme)
    if question.figures is None and (question.format, question.theme) != ("svg", "light"):
        raise BadInput("--format and --theme apply to figures alone; name a folder for them with --figures DIR")
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
    """Raise BadInput if figures may not be written to a folder."""
    from outcross.ledger.results import check_folder

    try:
        check_folder(folder, FIGURES, inputs)
    except BadInput as why:
        raise BadInput(str(why).replace("--out", "--figures")) from None


def _written(folders: Sequence[Path], page: Path, question: ReportQuestion) -> tuple[Report, Iterable[Figure]]:
    """Write the page of some folders. Return it with its figures, which are not drawn yet."""
    from outcross.report import join
    from outcross.report.plots import figures
    from outcross.verbs.audit.stored import joined, stored
    from outcross.verbs.detect.result import is_detection, stored_detection
    from outcross.verbs.forecast.result import is_forecast, stored_forecast
    from outcross.verbs.mix.result import is_stored
    from outcross.verbs.reproduce.result import is_reproduction, stored_reproduction
    from outcross.verbs.run.answer import open as open_run
    from outcross.verbs.run.page import study, write_runs

    audits = {folder: stored_audit for folder in folders if (stored_audit := stored(folder)) is not None}
    if mixes := [folder for folder in folders if is_stored(folder)]:
        return _of_mixes(folders, mixes, page, question)
    alone: tuple[tuple[str, Callable[[Path], bool], Callable[[Path], Any]], ...] = (
        ("reproduction", is_reproduction, stored_reproduction),
        ("detection", is_detection, stored_detection),
        ("forecast", is_forecast, stored_forecast),
    )
    for noun, is_there, read in alone:
        if there := [folder for folder in folders if is_there(folder)]:
            if len(folders) != 1:
                raise BadInput(f"{there[0]} holds a {noun}, and its page cannot show other results too; give this folder alone")
            result: Any = read(folders[0])
            return Report(result.report(page)), result.figures() if question.figures is not None else ()
    if not audits:
        runs = [open_run(folder) for folder in folders]
        return Report(write_runs(runs, page)), figures(join([study(run) for run in runs])) if question.figures is not None else ()
    if other := next((folder for folder in folders if folder not in audits), None):
        raise BadInput(f"{other} holds no audit, but other folders do; give audits or runs, not both")
    together = joined(audits)
    return Report(together.report(page)), together.figures() if question.figures is not None else ()


def _of_mixes(
    folders: Sequence[Path], mixes: Sequence[Path], page: Path, question: ReportQuestion
) -> tuple[Report, Iterable[Figure]]:
    """The changes from one mix to another, or the figures of one mix. Raises BadInput if a folder contains something else."""
    from outcross.verbs.mix.finished.changes import compared
    from outcross.verbs.mix.result import Mix

    if other := next((folder for folder in folders if folder not in mixes), None):
        raise BadInput(f"{other} holds no mix, but {mixes[0]} does; give two mixes, or runs or audits alone")
    if len(mixes) == 1 and question.figures is not None:
        mix = Mix(None, mixes[0])
        return Report(None if question.out is None else mix.report(page)), mix.figures()
    if len(mixes) != 2:
        raise BadInput(
            f"a report compares two mixes, got {len(mixes)}; write `outcross report {mixes[0]} OTHER`, or `outcross card {mixes[0]}` to describe one mix, or add --figures DIR for its figures"
        )
    changes = compared(*mixes)
    return Report(changes.report(page), changes), changes.figures()


def _saved(folder: Path, figures: Iterable[Figure], formats: Sequence[str], theme: str, inputs: Sequence[Path]) -> tuple[Path, ...]:
    """Write every figure in every format, and its data, and return the files. Either all files are written or none."""
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
    """Yield the name, and then the name with the suffix -2, -3 and so on.

    >>> names = names_like("age")
    >>> next(names), next(names)
    ('age', 'age-2')
    """
    yield name
    yield from (f"{name}-{number}" for number in count(2))


report = asks(ReportQuestion, reported)
