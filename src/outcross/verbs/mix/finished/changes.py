"""The changes from one mix to another: origins, groups, values that are lost, and tails."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from outcross.errors import BadInput
from outcross.files.names import literal
from outcross.verbs.mix.finished.composition import MISSING, Composition, composed
from outcross.verbs.mix.provenance import PROVENANCE
from outcross.verbs.mix.result import is_stored
from outcross.verbs.results import WIDTH, Result

if TYPE_CHECKING:
    from outcross.report.figure import Figure

CATEGORIES = 200
"""The maximum number of distinct values of a column of categories. For a text column with more values, the lengths of its texts are compared."""
LONGEST = 100
"""The maximum number of characters of the name of a category."""
FIRST = 20_000
"""The number of rows that are read first. Most text columns already show in them that they do not contain categories."""
LEVELS = (0.01, 0.05)
"""The shares of human rows beyond the bounds of a tail, on either side."""
SAMPLE = 1 / min(LEVELS)
"""The minimum number of human values for which both bounds are defined, with one value beyond each."""
MOST = 60
"""The maximum number of values of a table on a page. Of more values, those with the largest changes are shown."""
CENSUS = "Every row of both mixes is counted, so that the numbers are exact and have no interval."


@dataclass(frozen=True)
class ShareChange:
    """A value, and the number of rows that have it before and after."""

    value: str
    before: int
    after: int
    total_before: int
    total_after: int

    @property
    def share_before(self) -> float:
        """Fraction of the rows of the first mix, in [0, 1]."""
        return self.before / self.total_before if self.total_before else 0.0

    @property
    def share_after(self) -> float:
        return self.after / self.total_after if self.total_after else 0.0

    @property
    def difference(self) -> float:
        """The share after minus the share before."""
        return self.share_after - self.share_before

    @property
    def is_lost(self) -> bool:
        return self.before > 0 and self.after == 0

    @property
    def is_new(self) -> bool:
        return self.before == 0 and self.after > 0

    def plain(self) -> dict[str, Any]:
        return {
            "value": self.value,
            "before": {"rows": self.before, "share": self.share_before},
            "after": {"rows": self.after, "share": self.share_after},
            "difference": self.difference,
        }


@dataclass(frozen=True)
class TailChange:
    """The rows beyond a quantile of human rows, before and after."""

    column: str
    what: str
    """The measured quantity: the numbers of the column, or the lengths of its texts or messages in characters."""
    side: str
    """below or above"""
    level: float
    bound: float
    human: ShareChange
    """The human rows beyond the bound, out of the human rows that define it."""
    rows: ShareChange
    """The rows beyond the bound in the two mixes, out of those that have a value."""

    @property
    def is_empty(self) -> bool:
        """Whether no row lies beyond the bound, since the bound is the minimum or the maximum of all values."""
        return not (self.human.before or self.rows.before or self.rows.after)

    def plain(self) -> dict[str, Any]:
        facts = {key: getattr(self, key) for key in ("column", "what", "side", "level", "bound")}
        human = {"beyond": self.human.before, "n": self.human.total_before, "share": self.human.share_before}
        counts = {
            key: {"beyond": beyond, "n": n, "share": share}
            for key, beyond, n, share in (
                ("before", self.rows.before, self.rows.total_before, self.rows.share_before),
                ("after", self.rows.after, self.rows.total_after, self.rows.share_after),
            )
        }
        return facts | {"human": human} | counts | {"difference": self.rows.difference}


@dataclass(frozen=True, eq=False, repr=False)
class Changes(Result):
    """The changes from one mix to another."""

    before: Composition
    after: Composition
    tables: Mapping[str, Sequence[ShareChange]]
    """The changes by origin, teacher, generation, pool, each group, and each column of categories."""
    tails: Sequence[TailChange]
    notes: Sequence[str]
    """The comparisons that were not possible, with the reasons."""

    @property
    def lost(self) -> dict[str, list[str]]:
        """The values that only the first mix has, by table."""
        return self._values("is_lost")

    @property
    def summary(self) -> str:
        """The main changes, in one sentence."""
        human = [side.share(side.origins.get("human", 0)) for side in (self.before, self.after)]
        said = [
            f"the human share stays {human[0]:.4g}"
            if human[0] == human[1]
            else f"the human share goes from {human[0]:.4g} to {human[1]:.4g}"
        ]
        if gone := sum(map(len, self.lost.values())):
            by = next(iter(self.lost))
            said.append(
                f"{gone:,} {'value is' if gone == 1 else 'values are'} gone ({by}: {', '.join(self.lost[by][:3])}{', …' if gone > 3 else ''})"
            )
        if self.thinner:
            said.append(f"{len(self.thinner)} of {len(self.tails)} tails {'are' if len(self.thinner) > 1 else 'is'} thinner")
        return f"{_capital(said[0])}{''.join(f', and {clause}' if clause is said[-1] else f', {clause}' for clause in said[1:])}."

    @property
    def thinner(self) -> list[TailChange]:
        """The tails of which the second mix has a smaller share."""
        return [tail for tail in self.tails if tail.rows.difference < 0]

    @property
    def new(self) -> dict[str, list[str]]:
        """The values that only the second mix has, by table."""
        return self._values("is_new")

    def _values(self, claim: str) -> dict[str, list[str]]:
        by_table = {by: [change.value for change in changes if getattr(change, claim)] for by, changes in self.tables.items()}
        return {by: values for by, values in by_table.items() if values}

    @property
    def short(self) -> str:
        """A title, and the main changes in one sentence."""
        return f"Changes from {self.before.folder} to {self.after.folder}\n{self.summary}"

    def frame(self) -> Any:
        """Return a polars frame with one row for each value or tail: the table, the value, rows and shares before and after, and the difference of the shares."""
        import polars

        named = [(by, change.value, change) for by, changes in self.tables.items() for change in changes]
        named += [(f"tails of {tail.column}", f"{tail.side} {tail.bound:.6g}", tail.rows) for tail in self.tails]
        rows = [
            (
                by,
                value,
                change.before,
                change.total_before,
                change.share_before,
                change.after,
                change.total_after,
                change.share_after,
                change.difference,
            )
            for by, value, change in named
        ]
        counts = ("before", "total_before", "share_before", "after", "total_after", "share_after", "difference")
        types = {name: float if name.startswith(("share", "difference")) else int for name in counts}
        return polars.DataFrame(rows, schema={"by": str, "value": str} | types, orient="row")

    def lines(self, width: int = WIDTH) -> list[str]:
        """Return the lines for a terminal."""
        from outcross.verbs.mix.screen import changes_lines

        return list(changes_lines(self, width))

    def figures(self) -> tuple[Figure, ...]:
        """Return figures of the shares before and after: one for each table of the page, and one for the tails."""
        from outcross.report.shapes import changes_figure

        tables = {
            by: [
                (change.value, change.before, change.after, change.share_before, change.share_after)
                for change in self.most_changed(by)
            ]
            for by in self.tables
        }
        tails = [
            (
                f"{tail.column} {tail.side} {tail.bound:.4g}",
                tail.rows.before,
                tail.rows.after,
                tail.rows.share_before,
                tail.rows.share_after,
            )
            for tail in self.tails
        ]
        named = {**tables, **({"tails": tails} if tails else {})}
        return tuple(changes_figure(by, f"Shares by {by}", rows, CENSUS) for by, rows in named.items() if rows)

    def most_changed(self, by: str) -> Sequence[ShareChange]:
        """Return the values of a table that a page shows: all, or of many values those with the largest changes."""
        rows = self.tables[by]
        return sorted(rows, key=lambda row: -abs(row.difference))[:MOST] if len(rows) > MOST else rows

    def report(self, path: str | Path) -> Path:
        """Write the changes as one HTML file that opens offline. Returns the path."""
        from outcross.verbs.mix.finished.page import write_changes

        return write_changes(self, Path(path))

    def plain(self) -> dict[str, Any]:
        """Return the changes as plain data."""
        return {
            "before": str(self.before.folder),
            "after": str(self.after.folder),
            "rows": {"before": self.before.rows, "after": self.after.rows},
            "tables": {by: [change.plain() for change in changes] for by, changes in self.tables.items()},
            "lost": self.lost,
            "new": self.new,
            "tails": [tail.plain() for tail in self.tails],
            "notes": list(self.notes),
        }


def compared(before: Path, after: Path) -> Changes:
    """Return the changes from one mix to another. Raises BadInput if a folder is not a mix, or if it is damaged."""
    for folder in (before, after):
        if not is_stored(folder):
            raise BadInput(f"{folder} does not contain a mix, and the other folder does; give two mixes")
    sides = _with_the_same_groups(composed(before), composed(after))
    named = [side.tables for side in sides]
    in_one = {
        f"group {name}" for name in _names(*(side.groups for side in sides)) if not all(name in side.groups for side in sides)
    }
    tables = {by: _changes(named[0].get(by, {}), named[1].get(by, {}), sides) for by in _names(*named) if by not in in_one}
    schemas = [{name: dtype for name, dtype in side.schema.items() if name not in PROVENANCE} for side in sides]
    notes = [
        f"column {name} is in only one of the mixes" for name in _names(*schemas) if not all(name in schema for schema in schemas)
    ]
    tails: list[TailChange] = []
    for name in (name for name in schemas[0] if name in schemas[1] and f"group {name}" not in tables):
        first, second = _categories(sides[0], name), _categories(sides[1], name)
        if first is not None and second is not None:
            tables[f"column {name}"] = _changes(first, second, sides)
            continue
        own_tails = list(_tails(sides, name))
        tails += [tail for tail in own_tails if not tail.is_empty]
        if empty := list(dict.fromkeys(f"{tail.side} {tail.bound:.4g}" for tail in own_tails if tail.is_empty)):
            notes.append(
                f"column {name} {' or '.join(empty)}: no human row and no row of either mix lies there, because many values are equal"
            )
        if not own_tails:
            notes.append(_why_not(sides, name))
    return Changes(*sides, tables, tails, notes)


def _with_the_same_groups(first: Composition, second: Composition) -> tuple[Composition, Composition]:
    """Return the compositions, grouped by the same columns. A column by which only one mix was grouped is counted in the other mix too, if that has it."""
    sides = []
    for side, other in ((first, second), (second, first)):
        more = [name for name in other.groups if name not in side.groups and name in side.schema]
        sides.append(composed(side.folder, more) if more else side)
    return sides[0], sides[1]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _names(*several: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys(name for mapping in several for name in mapping))


def _changes(before: Mapping[str, int], after: Mapping[str, int], sides: tuple[Composition, Composition]) -> list[ShareChange]:
    totals = sides[0].rows, sides[1].rows
    return [ShareChange(value, before.get(value, 0), after.get(value, 0), *totals) for value in _names(before, after)]


def _scanned(side: Composition, columns: Sequence[str]) -> Any:
    import polars as pl

    files = [literal(file) for file in side.files]
    return pl.scan_parquet(files, glob=False, hive_partitioning=False).select(columns)


def _categories(side: Composition, name: str) -> dict[str, int] | None:
    """Return how many rows have each value of a column of categories, whose values are few, short and repeated; None for other columns."""
    import polars as pl

    if side.schema[name] not in (pl.String, pl.Boolean, pl.Categorical, pl.Enum):
        return None
    values = _scanned(side, [name]).select(pl.col(name).cast(pl.String))
    if values.head(FIRST).collect()[name].n_unique() > CATEGORIES:
        return None
    counts = values.group_by(name).len().sort(name).collect()
    if counts.height > CATEGORIES or 2 * counts.height > side.rows or (counts[name].str.len_chars().max() or 0) > LONGEST:
        return None
    return dict(counts.select(pl.col(name).fill_null(MISSING), "len").iter_rows())


def _measured(side: Composition, name: str) -> tuple[np.ndarray, np.ndarray, str] | None:
    """Return the numbers of a column or the lengths of its texts, whether each is of a human row, and the name of the quantity; None for other columns."""
    import polars as pl

    dtype = side.schema[name]
    if dtype.is_numeric():
        value, what = pl.col(name).cast(pl.Float64), "numbers"
    elif dtype in (pl.String, pl.Categorical, pl.Enum):
        value, what = pl.col(name).cast(pl.String).str.len_chars().cast(pl.Float64), "characters of its texts"
    elif (
        isinstance(dtype, pl.List)
        and isinstance(dtype.inner, pl.Struct)
        and "content" in {part.name for part in dtype.inner.fields}
    ):
        contents = pl.element().struct.field("content").cast(pl.String).str.len_chars()
        value, what = pl.col(name).list.eval(contents).list.sum().cast(pl.Float64), "characters of its messages"
    else:
        return None
    values = _scanned(side, [name, "_origin"]).select(value.alias("value"), human=pl.col("_origin") == "human").collect()
    values = values.filter(pl.col("value").is_finite())
    return values["value"].to_numpy(), values["human"].to_numpy(), what


def _tails(sides: tuple[Composition, Composition], name: str) -> Iterator[TailChange]:
    """Yield the tails beyond quantiles of human rows: those of the first mix, or those of the second if the first has none."""
    measured = [_measured(side, name) for side in sides]
    if measured[0] is None or measured[1] is None:
        return
    (first, is_human, what), (second, is_human_second, _) = measured[0], measured[1]
    human = first[is_human] if is_human.any() else second[is_human_second]
    if len(human) < SAMPLE:
        return
    for level in LEVELS:
        for side, share in (("below", level), ("above", 1 - level)):
            bound = float(np.quantile(human, share, method="inverted_cdf"))
            counts = [
                int((values < bound).sum() if side == "below" else (values > bound).sum()) for values in (human, first, second)
            ]
            yield TailChange(
                name,
                what,
                side,
                level,
                bound,
                ShareChange("", counts[0], counts[0], len(human), len(human)),
                ShareChange("", counts[1], counts[2], len(first), len(second)),
            )


def _why_not(sides: tuple[Composition, Composition], name: str) -> str:
    measured = _measured(sides[0], name)
    if measured is None or _measured(sides[1], name) is None:
        return f"column {name} has the type {sides[0].schema[name]}, which has no tails to compare"
    largest = max(side.origins.get("human", 0) for side in sides)
    return f"tails of column {name}: {largest:,} human rows are too few for quantiles at {min(LEVELS)}; {SAMPLE:.0f} are needed"
