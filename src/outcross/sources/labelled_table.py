"""A table with a column of classes and a column of groups."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import BeforeValidator, Field

from outcross.data import HUMAN, Human, part_of
from outcross.data.labelled import LabelledPoints
from outcross.errors import BadInput
from outcross.files.names import named
from outcross.files.reading import content_digest, read
from outcross.recipe import FROM_LIST, nearest, recipe
from outcross.sources import Named, Source
from outcross.wording import amount

if TYPE_CHECKING:
    import polars

MOST_CATEGORIES = 1000
"""Maximum number of distinct words in a column."""
Word = Annotated[str, Field(min_length=1, max_length=200)]


def _in_words(value: object) -> object:
    """Convert a whole number to text as in a table: 1 is the class '1'."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Level = Annotated[Word, BeforeValidator(_in_words)]
"""A class or a group."""


@recipe
class LabelledTable(Source):
    """A table (.csv, .parquet, .jsonl …) with a column of classes and a column of groups; the other columns are the numbers of a record.

    Words become whole numbers, in alphabetical order. A missing number becomes the median of its column, and missing words form a separate
    category. Rows without a class or a group are dropped. The rows are shuffled once, and the fraction `held_out` of them is the test set.
    """

    libraries = (*Source.libraries, "polars", "pillow")

    path: Named
    label_column: Word = "label"
    group_column: Word = "group"
    columns: Annotated[tuple[Word, ...], FROM_LIST] = ()
    """The columns that are learned; all other columns if left out."""
    favourable: Level | None = None
    """The favourable class; the last class in alphabetical order if left out."""
    only_groups: Annotated[tuple[Level, ...], FROM_LIST] = ()
    """The groups that are kept; all groups if left out."""
    rows: Annotated[int, Field(ge=1)] = 3000
    held_out: Annotated[float, Field(gt=0, lt=1)] = 0.3

    def content(self):
        return content_digest(self.path)

    def inputs(self):
        return named(self.path)

    def open(self, form, chains, rng):
        if chains:
            raise BadInput(
                "chains are independent samples of a known distribution, which a table does not have; write sweep: {seed: [0, 1]} instead"
            )
        people = self._labelled(self._frame())
        people = people.take(rng.permutation(len(people)))
        held_out = round(self.held_out * len(people))
        if self.rows > len(people) - held_out:
            raise BadInput(
                f"{self.path} holds {amount(len(people), 'row')} with a class and a group, and {held_out:,} of them are held out, but human.rows={self.rows} needs more; "
                "lower human.rows or human.held_out"
            )
        left = people.take(np.arange(held_out + self.rows, len(people)))
        return Human(
            training=part_of(HUMAN, people.take(np.arange(held_out, held_out + self.rows))),
            reference=part_of(HUMAN, people.take(np.arange(held_out))),
            reserve=part_of(HUMAN, left) if len(left) else None,
        )

    def _frame(self) -> polars.DataFrame:
        """Return the columns that are read, without the rows that lack a class or a group."""
        import polars as pl

        source = replace(read(self.path), name=self.path)
        own = self.columns or tuple(
            column for column in source.columns if column not in (self.label_column, self.group_column) and column[:1] != "_"
        )
        wanted = list(dict.fromkeys((*own, self.label_column, self.group_column)))
        for name in wanted:
            if name not in source.columns:
                raise BadInput(
                    f"{self.path} has no column {name!r}{nearest(name, source.columns)}; it has {', '.join(source.columns)[:200]}"
                )
        if not own or {self.label_column, self.group_column} & set(self.columns):
            raise BadInput("human.columns must name columns other than the label and the group; leave it out for all others")
        frame = pl.concat(list(source.batches(wanted)), how="vertical_relaxed")
        frame = frame.with_columns(pl.col(column).cast(pl.String) for column in (self.label_column, self.group_column))
        frame = frame.drop_nulls([self.label_column, self.group_column])
        if self.only_groups:
            frame = frame.filter(pl.col(self.group_column).is_in(list(self.only_groups)))
        if not frame.height:
            raise BadInput(f"{self.path} holds no row with a class and one of the requested groups; check human.only_groups")
        return frame

    def _labelled(self, frame: polars.DataFrame) -> LabelledPoints:
        names = [column for column in frame.columns if column not in (self.label_column, self.group_column)]
        points = np.stack([self._numbers(frame[name]) for name in names], axis=1)
        classes, label = np.unique(frame[self.label_column].to_numpy(), return_inverse=True)
        groups, group = np.unique(frame[self.group_column].to_numpy(), return_inverse=True)
        last = self.favourable if self.favourable is not None else str(classes[-1])
        if last not in classes:
            raise BadInput(
                f"human.favourable {last!r} is not a class{nearest(last, classes.tolist())}; the classes are {', '.join(classes)[:200]}"
            )
        order = [name for name in classes.tolist() if name != last] + [last]
        number = np.array([order.index(name) for name in classes.tolist()])
        return LabelledPoints(points, number[label], group.astype(np.int64), tuple(order), tuple(groups.tolist()), tuple(names))

    def _numbers(self, values: polars.Series) -> np.ndarray:
        """Convert a column to numbers, (n,) float64."""
        import polars as pl

        if values.dtype.is_numeric() or values.dtype == pl.Boolean:
            numbers = values.cast(pl.Float64).to_numpy().copy()
            known = np.isfinite(numbers)
            if not known.any():
                raise BadInput(f"column {values.name!r} of {self.path} holds no number; name the columns to learn in human.columns")
            numbers[~known] = np.median(numbers[known])
            return numbers
        words, number = np.unique(values.cast(pl.String).fill_null("").to_numpy(), return_inverse=True)
        if len(words) > MOST_CATEGORIES:
            raise BadInput(
                f"column {values.name!r} of {self.path} holds {len(words):,} different words, but at most {MOST_CATEGORIES:,} can be categories; "
                "name the columns to learn in human.columns"
            )
        return number.astype(float)
