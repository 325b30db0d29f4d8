"""The properties of every row that targets use: its group, its numbers, its similarity to another file, and the needs that it meets."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from outcross.attributes.given import GivenAttribute
from outcross.attributes.learned import Labelled
from outcross.errors import BadInput, first_words
from outcross.files import plain_yaml
from outcross.files.reading import read
from outcross.files.whole import read_text
from outcross.ledger import stream
from outcross.recipe import nearest
from outcross.statistics.density_ratio import density_ratio
from outcross.statistics.facets import Condition
from outcross.text.hashed import HashedTexts, hashed
from outcross.text.texts import texts
from outcross.verbs.mix.asked import MixRecipe
from outcross.verbs.mix.pools import OpenPool, ScannedPool, Schema, contents, fitted, text_column
from outcross.verbs.mix.provenance import prompt_of
from outcross.verbs.mix.targets.settings import GroupTarget, LikeTarget, NeedTarget, NumberTarget, needs_place
from outcross.wording import amount

if TYPE_CHECKING:
    import polars

OF_LABELS = ("_origin", "_model", "_generation")
MOST_VALUES = 1000
"""The maximum number of values of a column with requested shares."""
OTHER = -1
"""The code of a row whose value has no requested share."""
MOST_BYTES = 10_000_000
"""The maximum size of a needs.yaml, in bytes."""


@dataclass(frozen=True, eq=False)
class RowGroups:
    """The value of each row in a column, as far as a share of it is requested."""

    target: GroupTarget
    values: tuple[str, ...]
    codes: tuple[np.ndarray, ...]
    """For each pool the index of each row's value in `values`, or `OTHER` if no share of it is requested, (rows,)."""


@dataclass(frozen=True, eq=False)
class Numbers:
    """A number of each row."""

    target: NumberTarget
    values: tuple[np.ndarray, ...]
    """For each pool the number of each row, (rows,); NaN if it has none."""
    complaint: str = ""
    """The first error message of a user's function."""


@dataclass(frozen=True, eq=False)
class Likeness:
    """How much more likely each row is in the target's file than among all rows."""

    target: LikeTarget
    log_weights: tuple[np.ndarray, ...]
    """For each pool the logarithm of this ratio for each row, in nats, (rows,); −inf if a text is too short to be judged."""
    hashed: HashedTexts | None = None
    """The texts of all pools, for dsir."""
    wanted: np.ndarray | None = None
    """The distribution of hashed n-grams of the target."""


@dataclass(frozen=True, eq=False)
class Needs:
    """The rows in the regions and groups of which an audit found too few."""

    target: NeedTarget
    rules: tuple[str, ...]
    missing: tuple[int, ...]
    """The number of missing records of each rule, from the audit."""
    inside: tuple[np.ndarray, ...]
    """For each pool, whether each row meets each rule, (rows, rules) of bool."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class JudgedRows:
    """All properties of the rows of all pools that targets use."""

    groups: tuple[RowGroups, ...] = ()
    numbers: tuple[Numbers, ...] = ()
    likenesses: tuple[Likeness, ...] = ()
    needs: tuple[Needs, ...] = ()
    reasons: tuple[str, ...] = ()
    """The reasons for which rows are rejected."""
    reason: tuple[np.ndarray, ...] = ()
    """For each pool the index of each row's reason, (rows,); −1 if it is kept."""
    funnel: dict[str, dict[str, int]] = field(default_factory=dict)
    """The number of rejected rows by reason and pool."""

    @property
    def functions(self) -> list[Numbers]:
        """The numbers that come from a user's functions."""
        return [numbers for numbers in self.numbers if isinstance(numbers.target.attribute, GivenAttribute)]

    def digest(self) -> str:
        """Return the digest of the numbers from the user's functions, which stands for these functions in step keys."""
        content = hashlib.sha256()
        for values in (values for numbers in self.functions for values in numbers.values):
            content.update(values.tobytes())
        return content.hexdigest()

    def facts(self) -> Iterator[dict[str, Any]]:
        """Yield the held-out AUROC of each fitted classifier, with its interval."""
        for numbers in self.numbers:
            if isinstance(attribute := numbers.target.attribute, Labelled):
                area = attribute.area
                yield {
                    "target": numbers.target.name,
                    "held_out_auroc": area.value,
                    "low": area.low,
                    "high": area.high,
                    "n": area.n,
                    "method": area.method,
                }


def judged(asked: MixRecipe, pools: Sequence[OpenPool], scans: Sequence[ScannedPool], schema: Schema) -> JudgedRows:
    """Compute the properties of every row that targets use. Raises BadInput if a column is missing, or if too many rows have no number."""
    reader = _RowReader(asked, pools, scans, schema)
    groups = tuple(reader.groups(target) for target in asked.targets if isinstance(target, GroupTarget))
    numbers = tuple(reader.numbers(target) for target in asked.targets if isinstance(target, NumberTarget))
    likenesses = tuple(reader.likeness(target) for target in asked.targets if isinstance(target, LikeTarget))
    needs = tuple(reader.needs(target) for target in asked.targets if isinstance(target, NeedTarget))
    reasons: list[str] = []
    reason = [np.full(scan.rows, -1) for scan in scans]
    for words, masks in (*_bounds(numbers), *_too_short(likenesses)):
        if any(mask.any() for mask in masks):
            for own, mask in zip(reason, masks, strict=True):
                own[mask & (own < 0)] = len(reasons)
            reasons.append(words)
    _check_failures(asked, numbers, scans)
    funnel = {
        words: {pool.name: int((own == number).sum()) for pool, own in zip(asked.pools, reason, strict=True)}
        for number, words in enumerate(reasons)
    }
    return JudgedRows(groups, numbers, likenesses, needs, tuple(reasons), tuple(reason), funnel)


def _bounds(numbers: Sequence[Numbers]) -> Iterator[tuple[str, list[np.ndarray]]]:
    """Yield each reason for which numbers reject rows, with masks of these rows for each pool."""
    for number in numbers:
        target = number.target
        complaint = f" ({number.complaint})" if number.complaint else ""
        yield f"no {target.quantity}{complaint}", [np.isnan(values) for values in number.values]
        if target.at_least is not None:
            yield f"{target.quantity} below {target.at_least:g}", [values < target.at_least for values in number.values]
        if target.at_most is not None:
            yield f"{target.quantity} above {target.at_most:g}", [values > target.at_most for values in number.values]


def _too_short(likenesses: Sequence[Likeness]) -> Iterator[tuple[str, list[np.ndarray]]]:
    for likeness in likenesses:
        yield (
            f"fewer than {likeness.target.shortest} words and punctuation marks",
            [np.isneginf(weights) for weights in likeness.log_weights],
        )


def _check_failures(asked: MixRecipe, numbers: Sequence[Numbers], scans: Sequence[ScannedPool]) -> None:
    rows = sum(scan.rows for scan in scans)
    for number in numbers:
        failed = sum(int(np.isnan(values).sum()) for values in number.values)
        if failed > number.target.failures * rows:
            complaint = f" ({number.complaint})" if number.complaint else ""
            raise BadInput(
                f"{failed:,} of {rows:,} rows have no {number.target.quantity}{complaint}, more than the fraction {number.target.failures:.3g}; "
                f"write another attribute or column, or failures: {min(1.0, math.ceil(100 * failed / rows) / 100):g}"
            )


def _of_prompts(pool: OpenPool) -> list[str]:
    """Return the columns of prompts. If there are none, return any one column, so that rows are still counted."""
    return [name for name in ("_prompt", pool.recipe.prompt_column) if name in pool.schema] or [*pool.schema][:1]  # type: ignore[misc]


@dataclass(frozen=True, eq=False)
class _RowReader:
    """Reads the pools for the targets."""

    asked: MixRecipe
    pools: Sequence[OpenPool]
    scans: Sequence[ScannedPool]
    schema: Schema

    def column(self, name: str) -> list[polars.Series]:
        """Return a column of each pool, converted to the type of the mix."""
        import polars as pl

        if name not in self.schema:
            raise BadInput(
                f"the mix has no column {name!r}{nearest(name, self.schema)} (targets); it has {', '.join(self.schema)[:200]}"
            )
        parts = []
        for pool in self.pools:
            names = [name] if name in pool.schema else [*pool.schema][:1]
            batches = [fitted(batch, {name: self.schema[name]})[name] for batch in pool.batches(names)] if pool.schema else []
            parts.append(pl.concat(batches) if batches else pl.Series(name, [], dtype=self.schema[name]))
        return parts

    def batches_of_texts(self, pool: OpenPool, column: str | None) -> Iterator[list[str]]:
        """Yield the texts of a pool, batch by batch."""
        name, dtype = self._text(column)
        names = [name] if name in pool.schema else [*pool.schema][:1]
        for batch in pool.batches(names) if pool.schema else ():
            yield contents(fitted(batch, {name: dtype}).to_series()).to_list()

    def _text(self, column: str | None) -> tuple[str, Any]:
        from dataclasses import replace

        if column is not None and column not in self.schema:
            raise BadInput(
                f"the mix has no column {column!r}{nearest(column, self.schema)} (targets); it has {', '.join(self.schema)[:200]}"
            )
        return text_column(self.asked if column is None else replace(self.asked, text_column=column), self.schema)

    def groups(self, target: GroupTarget) -> RowGroups:
        import polars as pl

        said = self._labels(target.column)
        if target.parity:
            values = sorted({value for labels in said for value in labels.drop_nulls().unique().to_list()})
            if not values:
                raise BadInput(f"{target.name}: no row has a value of {target.column!r}; leave the target out")
        else:
            values = [*target.shares]
        if len(values) > MOST_VALUES:
            raise BadInput(
                f"{target.name}: {target.column!r} has {amount(len(values), 'value')}, and at most {MOST_VALUES:,} are possible; name another column"
            )
        known = {value for labels in said for value in labels.drop_nulls().unique().to_list()}
        for value, share in target.shares.items():
            if value not in known and share != 0.0:
                raise BadInput(
                    f"{target.name}: no row has {target.column} = {value}{nearest(value, known)}; there are {', '.join(sorted(known))[:200]}"
                )
        codes = tuple(
            labels.replace_strict(values, list(range(len(values))), default=OTHER, return_dtype=pl.Int32)
            .fill_null(OTHER)
            .to_numpy()
            for labels in said
        )
        return RowGroups(target, tuple(values), codes)

    def _labels(self, column: str) -> list[polars.Series]:
        """Return a column of each pool as words: a column of the data, or one of provenance."""
        import polars as pl

        if column == "_source":
            return [
                pl.repeat(pool.name, scan.rows, dtype=pl.String, eager=True)
                for pool, scan in zip(self.asked.pools, self.scans, strict=True)
            ]
        if column == "_prompt":
            return [
                pl.concat(
                    [
                        pl.Series("p", [], dtype=pl.String),
                        *(
                            batch.select(prompt_of(batch, pool.recipe).alias("p")).to_series()
                            for batch in pool.batches(_of_prompts(pool))
                        ),
                    ]
                )
                for pool in self.pools
            ]
        if column in OF_LABELS:
            words = [[None if label[column] is None else str(label[column]) for label in scan.labels] for scan in self.scans]
            return [
                pl.Series("l", own, dtype=pl.String).gather(scan.strata) if own else pl.Series("l", [], dtype=pl.String)
                for own, scan in zip(words, self.scans, strict=True)
            ]
        try:
            return [series.cast(pl.String) for series in self.column(column)]
        except pl.exceptions.PolarsError as error:
            raise BadInput(
                f"column {column!r} cannot be read as words ({first_words(error)}); name a column of words, numbers or truth values"
            ) from None

    def numbers(self, target: NumberTarget) -> Numbers:
        if target.attribute is None:
            assert target.column is not None
            return Numbers(target, tuple(_as_numbers(series, target.column) for series in self.column(target.column)))
        reader, complaint = self._reader_of(target), ""
        values = []
        for pool in self.pools:
            parts = [np.zeros(0)]
            for batch in self.batches_of_texts(pool, target.column):
                if isinstance(reader, GivenAttribute):
                    own, first = reader.with_complaint(batch)
                    complaint = complaint or first
                else:
                    own = reader(texts(batch))
                parts.append(np.where(np.isfinite(own), own, np.nan))
            values.append(np.concatenate(parts))
        return Numbers(target, tuple(values), complaint)

    def _reader_of(self, target: NumberTarget) -> Any:
        """Return the attribute of a target. An attribute that compares texts is fitted to the human pools first."""
        if not getattr(target.attribute, "compares", False):
            return target.attribute
        people = [pool for pool in self.pools if pool.recipe.is_human]
        human = [text for pool in people for batch in self.batches_of_texts(pool, target.column) for text in batch]
        if not human:
            raise BadInput(
                f"{target.name} needs human texts to compare with, and no pool has origin: human; name one, or leave the target out"
            )
        return target.attribute.fit(texts(human))

    def likeness(self, target: LikeTarget) -> Likeness:
        return self._by_ngrams(target) if target.method == "dsir" else self._by_densities(target)

    def _by_ngrams(self, target: LikeTarget) -> Likeness:
        source = read(target.like)
        name = target.column or self._text(None)[0]
        _check_there(target, name, source.columns)
        wanted = hashed(contents(batch[name]).to_list() for batch in source.batches([name])).distribution()
        own = hashed(texts_ for pool in self.pools for texts_ in self.batches_of_texts(pool, target.column))
        long_enough = own.pieces >= target.shortest
        if not long_enough.any():
            raise BadInput(
                f"{target.name}: every text has fewer than {target.shortest} words and punctuation marks, too few to compare n-grams; write shortest: 0 to compare them nevertheless"
            )
        weights = own.log_ratio(wanted, own.distribution(np.flatnonzero(long_enough)))
        weights[~long_enough] = -np.inf
        bounds = np.cumsum([scan.rows for scan in self.scans])[:-1]
        return Likeness(target, tuple(np.split(weights, bounds)), own, wanted)

    def _by_densities(self, target: LikeTarget) -> Likeness:
        import polars as pl

        source = read(target.like)
        for name in target.columns:
            _check_there(target, name, source.columns)
        frame = pl.concat([*source.batches(list(target.columns))])
        wanted = np.stack([_as_numbers(frame[name], name) for name in target.columns], axis=1)
        own = np.stack(
            [np.concatenate([_as_numbers(series, name) for series in self.column(name)]) for name in target.columns], axis=1
        )
        if not np.isfinite(wanted).all() or not np.isfinite(own).all():
            raise BadInput(f"{target.name}: numeric columns must have no missing values; drop those rows, or name other columns")
        ratio = density_ratio(own, wanted, stream(self.asked.seed, "mix", "ulsif"))
        with np.errstate(divide="ignore"):
            weights = np.log(np.maximum(ratio, 1e-12))
        bounds = np.cumsum([scan.rows for scan in self.scans])[:-1]
        return Likeness(target, tuple(np.split(weights, bounds)))

    def needs(self, target: NeedTarget) -> Needs:
        said = _needs_file(target)
        rules, missing, inside, notes = [], [], [], []
        for need in said:
            conditions = need.get("conditions")
            rule = str(need.get("rule", ""))
            try:
                masks = (
                    [self._holds(condition) for condition in conditions] if isinstance(conditions, list) and conditions else None
                )
            except (KeyError, TypeError, ValueError, AttributeError):
                masks = None
            if masks is None or any(mask is None for mask in masks):
                notes.append(f"{rule[:100]}: the columns of the mix cannot express this rule, so that it is ignored")
                continue
            rules.append(rule)
            missing.append(int(need["missing_records"]))
            inside.append(
                [np.logical_and.reduce([mask[pool] for mask in masks if mask is not None]) for pool in range(len(self.pools))]
            )
        by_pool = tuple(
            np.stack([mask[pool] for mask in inside], axis=1) if inside else np.zeros((scan.rows, 0), bool)
            for pool, scan in enumerate(self.scans)
        )
        return Needs(target, tuple(rules), tuple(missing), by_pool, tuple(notes))

    def _holds(self, condition: dict[str, Any]) -> list[np.ndarray] | None:
        """Return for each pool which rows meet a condition of an audit, (rows,) of bool; None if the condition cannot be checked on the rows of the mix."""
        import polars as pl

        kind, name, label = condition["kind"], condition["column"], condition.get("feature", "")
        if name not in self.schema or kind == "like" or label not in ("", "word", "words", "lines"):
            return None
        values = self.column(name)
        if kind == "missing":
            return [series.is_null().to_numpy() for series in values]
        missing = [series.is_null().to_numpy() for series in values]
        or_missing = bool(condition.get("or_missing", False))
        if kind == "interval":
            numbers = [_of_text(series, label) if label else _as_numbers(series, name) for series in values]
            low, high = float(condition.get("at_least", -math.inf)), float(condition.get("below", math.inf))
            return [((own >= low) & (own < high)) | (or_missing & gone) for own, gone in zip(numbers, missing, strict=True)]
        if kind not in ("among", "none_of"):
            return None
        named = [str(value) for value in condition.get("values", ())]
        if label == "word":
            are = [_says(series, named[0]) for series in values]
        else:
            are = [series.cast(pl.String).is_in(named).fill_null(False).to_numpy() for series in values]
        return [((own if kind == "among" else ~own) & ~gone) | (or_missing & gone) for own, gone in zip(are, missing, strict=True)]


def _needs_file(target: NeedTarget) -> list[dict[str, Any]]:
    """Return the needs in a needs.yaml. Raises BadInput if the file has another format."""
    place = needs_place(target)
    said = plain_yaml.read(read_text(place, "give the needs.yaml that outcross audit --out wrote", MOST_BYTES), str(place))
    needs = said.get("needs") if isinstance(said, dict) and said.get("schema") == 1 else None
    if not isinstance(needs, list) or not all(
        isinstance(need, dict) and isinstance(need.get("missing_records"), int) for need in needs
    ):
        raise BadInput(
            f"{place} is not a needs.yaml of an audit; write it again with outcross audit DATA --reference HUMAN --out DIR"
        )
    known = {field.name for field in fields(Condition)}
    for need in needs:
        conditions = need.get("conditions")
        for condition in conditions if isinstance(conditions, list) else []:
            # A key that is passed over would change which rows meet the rule.
            if isinstance(condition, dict) and (unknown := sorted({str(key) for key in condition} - known)):
                raise BadInput(
                    f"{place}: {unknown[0]!r:.80} of a condition is not known{nearest(unknown[0], known)}; "
                    "write the file again with outcross audit DATA --reference HUMAN --out DIR"
                )
    return needs


def _check_there(target: LikeTarget, name: str, columns: Sequence[str]) -> None:
    if name not in columns:
        raise BadInput(f"{target.like} has no column {name!r}{nearest(name, columns)} (targets); it has {', '.join(columns)[:200]}")


def _as_numbers(values: polars.Series, name: str) -> np.ndarray:
    """Return a column as numbers, NaN if a value is not a number. Raises BadInput if no value is a number."""
    import polars as pl

    try:
        cast = values.cast(pl.Float64, strict=False)
    except pl.exceptions.PolarsError:
        raise BadInput(f"column {name!r} is {values.dtype} and contains no numbers; name another") from None
    if values.len() > values.null_count() and cast.null_count() == cast.len():
        raise BadInput(
            f"column {name!r} contains no numbers, but values such as {values.drop_nulls()[0]!r:.40}; name another, or write shares of its values"
        )
    numbers = cast.fill_null(float("nan")).to_numpy()
    return np.where(np.isfinite(numbers), numbers, np.nan)


def _of_text(values: polars.Series, label: str) -> np.ndarray:
    """Return the number of words or of lines of each text, as an audit counts them."""
    read_ = texts(contents(values))
    return (
        read_.words.per_block.astype(float) if label == "words" else np.array([text.count("\n") + 1 for text in read_], dtype=float)
    )


def _says(values: polars.Series, word: str) -> np.ndarray:
    """Whether each text contains a word, (n,) of bool."""
    read_ = texts(contents(values))
    inside = read_.words.kinds_inside
    holds = np.zeros(len(read_), bool)
    if word in read_.words.spellings:
        holds[inside.blocks[inside.ids == read_.words.spellings.index(word)]] = True
    return holds
