"""ForecastPlan: the small runs that a forecast would make, and their cost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outcross.escapes import escaped
from outcross.verbs.forecast.design import RunDesign, SmallRun
from outcross.verbs.forecast.planning import Cost
from outcross.verbs.results import WIDTH, Result
from outcross.verbs.terminal import wrapped
from outcross.wording import amount

if TYPE_CHECKING:
    import polars


@dataclass(frozen=True, eq=False, repr=False)
class ForecastPlan(Result):
    """The small runs that a forecast of an experiment would make: the first ones, the rule for the others, and their cost.

    The cost is measured on the first small run, which has been made.
    """

    name: str
    """Name of the experiment."""
    design: RunDesign
    cost: Cost
    ahead: int
    folder: Path | None = None
    """Folder of the first small run. None if it was not stored."""

    @property
    def generations(self) -> int:
        """Number of generations of each small run."""
        return self.cost.generations

    @property
    def runs(self) -> tuple[SmallRun, ...]:
        """The small runs that are made before there is an interval."""
        return self.design.first

    @property
    def short(self) -> str:
        """Three lines: the experiment, the number of small runs, and their cost."""
        return f"ForecastPlan of {self.name}\n{self.sentences[0]}\n{self.sentences[-1]}"

    @property
    def sentences(self) -> tuple[str, ...]:
        """The plan in words, the cost last."""
        design, shares = self.design, ", ".join(f"{100 * share:.3g}" for share in self.design.shares)
        left = design.most_runs - 1
        return (
            f"At most {design.most_runs} small runs of {self.generations} generations each, forecast {amount(self.ahead, 'generation')} ahead.",
            f"Human shares that may be tried, in percent: {shares}.",
            f"The first {len(self.runs)} runs have {len({run.share for run in self.runs})} shares. Each later run is made where the interval of a least share is widest.",
            f"No more runs are made once the interval of every least share is at most {design.width:g} wide.",
            f"The first run took {self.cost.seconds:.2g} s per generation; {left} more take {self.cost.of(left)}.",
        )

    def frame(self) -> polars.DataFrame:
        """Return a polars frame with one row per run that is already known: share, seed and reason."""
        import polars as pl

        return pl.DataFrame([asdict(run) for run in self.runs])

    def plain(self) -> dict[str, Any]:
        """Return the plan as plain data."""
        return {
            "schema": 1, "experiment": self.name, "generations": self.generations, "ahead": self.ahead, "shares": list(self.design.shares),
            "most_runs": self.design.most_runs, "width": self.design.width, "runs": [asdict(run) for run in self.runs],
            "seconds_a_generation": round(self.cost.seconds, 4),
        }  # fmt: skip

    def lines(self, width: int = WIDTH) -> list[str]:
        """Return the lines for a terminal."""
        return list(self._lines(width))

    def _lines(self, width: int) -> Iterator[str]:
        for sentence in self.sentences:
            yield from wrapped(sentence, width)
        if self.folder is not None:
            yield f"kept: {escaped(str(self.folder))}"
