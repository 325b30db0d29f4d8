"""The verb `list`: all parts, each with the paper that it comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from outcross.verbs.asking import asks
from outcross.verbs.results import WIDTH, Result

if TYPE_CHECKING:
    Imports = Sequence[str | Path]
else:  # what the command line gives
    Imports = tuple[str, ...]


@Parameter(name="*")
@dataclass(frozen=True)
class ListQuestion:
    """List the families of parts, or the parts of one family with their papers.

    Without a family, each family is one line with the number of its parts. The output of `--json` always contains the parts.
    """

    family: str = ""
    """experiments, policies, models, measures, attributes, filters, classifiers, detectors, sources, targets, definitions, laws or growth; all if left out."""
    _: KW_ONLY
    imports: Annotated[Imports, Parameter(name="--import")] = ()
    """A Python file, or an installed module, whose parts are also listed. It is read but not run. May be repeated."""


@dataclass(frozen=True, repr=False)
class Parts(Result):
    """All parts by family, each with its name, its description and its papers."""

    families: Mapping[str, Sequence[Mapping[str, Any]]]

    @property
    def short(self) -> str:
        """The number of parts of each family."""
        return f"Parts: {', '.join(f'{len(members)} {family}' for family, members in self.families.items())}"

    def frame(self) -> Any:
        """One row per part (polars): its family, name, description and papers."""
        import polars

        rows = [
            (family, part["name"], part["what"], list(part["papers"]))
            for family, members in self.families.items()
            for part in members
        ]
        schema = {"family": polars.String, "name": polars.String, "what": polars.String, "papers": polars.List(polars.String)}
        return polars.DataFrame(rows, schema=schema, orient="row")

    def plain(self) -> dict[str, Any]:
        """The parts as plain data."""
        return {"schema": 1, "parts": self.families}

    def lines(self, width: int = WIDTH) -> Iterator[str]:
        """The parts as a terminal shows them."""
        from outcross.verbs.terminal import part_lines

        return part_lines(self.families, width)


def listed(question: ListQuestion) -> Parts:
    """Return the members of one family, or of all families. Raises BadInput if there is no such family."""
    from outcross.verbs.parts import parts

    return Parts(parts(question.family, tuple(map(str, question.imports))))


parts = asks(ListQuestion, listed)
